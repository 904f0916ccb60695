//! What can be done with the whole array: undo, add, generate, turn, mirror, scale, centre.

use egui::{RichText, Ui};
use spherescope_dsp::layout_edit::{Axis, shapes};
use spherescope_dsp::{MicArray, array::ArrayError};

use crate::edits::{self, Editor};
use crate::input::{Action, ViewInput};
use crate::number_field;
use crate::state::ViewState;
use crate::{theme, widgets};

/// A shape to make an array of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// On a circle in the horizontal plane.
    #[default]
    Ring,
    /// On a line from left to right.
    Line,
    /// A flat rectangular grid.
    Grid,
    /// The corners of a regular tetrahedron, as A-format microphones have them.
    Tetrahedron,
    /// Evenly over a sphere.
    Sphere,
}

/// What the generator is set to.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    pub(crate) open: bool,
    pub(crate) shape: Shape,
    pub(crate) count: usize,
    /// Radius, or half the length, in metres.
    pub(crate) radius_m: f64,
}

impl Default for Generator {
    fn default() -> Self {
        Self { open: false, shape: Shape::default(), count: 8, radius_m: 0.05 }
    }
}

impl Generator {
    /// The array that it stands for.
    fn array(&self) -> Result<MicArray, ArrayError> {
        match self.shape {
            Shape::Ring => shapes::ring(self.count, self.radius_m),
            Shape::Line => shapes::line_of_length(self.count, 2.0 * self.radius_m),
            Shape::Grid => {
                let columns = (self.count as f64).sqrt().ceil().max(1.0) as usize;
                let rows = self.count.div_ceil(columns);
                shapes::grid(rows, columns, 2.0 * self.radius_m / (columns.max(2) - 1) as f64)
            }
            Shape::Tetrahedron => shapes::tetrahedron(self.radius_m),
            Shape::Sphere => shapes::fibonacci_sphere(self.count, self.radius_m),
        }
    }
}

/// The row of buttons above the array: undo, redo, add, and the tools.
pub(crate) fn history_buttons(
    ui: &mut Ui,
    state: &mut ViewState,
    input: &ViewInput<'_>,
    editor: &mut Editor<'_>,
    actions: &mut Vec<Action>,
) {
    let mut back = None;
    for (name, label, is_back) in
        [("Undo", state.cache.undo.undo_label(), true), ("Redo", state.cache.undo.redo_label(), false)]
    {
        let hint = label.as_ref().map_or("Nothing to take back or do again".to_owned(), |l| format!("{name}: {l}"));
        let button = ui.add_enabled(label.is_some(), egui::Button::new(RichText::new(name).size(12.5)));
        if button.on_hover_text(hint).clicked() {
            back = Some(is_back);
        }
    }
    if ui.button(RichText::new("Add").size(12.5)).on_hover_text("A capsule more, on the first free channel").clicked()
        && editor.apply("Add capsule", None, input.layout.with_capsule())
    {
        state.cache.capsule = Some(input.layout.capsules().len());
    }
    // Hosts may keep the keys to themselves; the buttons do the same.
    if state.cache.typing.is_none() && state.cache.editor.is_none() {
        let (z, y, shift) = ui.input(|i| {
            let pressed = |key| i.modifiers.command && i.key_pressed(key);
            (pressed(egui::Key::Z), pressed(egui::Key::Y), i.modifiers.shift)
        });
        if z || y {
            back = Some(z && !shift);
        }
    }
    if let Some(back) = back {
        edits::step(state, input.layout, back, actions);
    }
}

/// Turn, mirror, scale, centre; and the generator.
pub(crate) fn tools(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>, editor: &mut Editor<'_>) {
    let layout = input.layout;
    let small = |name: &str| egui::Button::new(RichText::new(name).size(12.0));
    let line = |ui: &mut Ui, title: &str, add: &mut dyn FnMut(&mut Ui)| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 3.0;
            ui.spacing_mut().button_padding.x = 5.0;
            let (label, _) = ui.allocate_exact_size(egui::vec2(44.0, theme::HIT), egui::Sense::hover());
            let font = theme::regular(12.5);
            widgets::elided(ui.painter(), label, egui::Align2::LEFT_CENTER, title, font, theme::DIM);
            add(ui);
        });
    };
    let axes = [
        ("x", Axis::X, "about the axis to the front (roll)"),
        ("y", Axis::Y, "about the axis to the left (pitch)"),
        ("z", Axis::Z, "about the axis upwards (yaw)"),
    ];
    let degrees = if state.cache.turn_deg > 0.0 { state.cache.turn_deg } else { 90.0 };
    line(ui, "Turn", &mut |ui| {
        let shown = format!("{}°", crate::text::fixed(degrees, 0));
        let (rect, _) = ui.allocate_exact_size(egui::vec2(44.0, theme::HIT), egui::Sense::hover());
        ui.painter().rect_filled(rect, theme::ROUND, theme::SUNKEN);
        let look = number_field::Look {
            name: "Turn by",
            shown: &shown,
            align: egui::Align2::CENTER_CENTER,
            size: 12.5,
            colour: theme::TEXT,
        };
        let typed = number_field::show(ui, rect, "turn", look, &mut state.cache.typing, |t| {
            number_field::within(t, 0.1, 360.0)
        });
        if let Some(typed) = typed {
            state.cache.turn_deg = typed;
        }
        for (name, axis, about) in axes {
            for (sign, way) in [("+", 1.0), ("−", -1.0)] {
                let hint = format!("Turn the whole array by {shown} {about}");
                if ui.add(small(&format!("{sign}{name}"))).on_hover_text(hint).clicked() {
                    editor.apply("Turn", None, layout.rotated(axis, way * degrees));
                }
            }
        }
    });
    line(ui, "Mirror", &mut |ui| {
        for (axis, name, what) in
            [(Axis::X, "x", "front and back"), (Axis::Y, "y", "left and right"), (Axis::Z, "z", "up and down")]
        {
            if ui.add(small(name)).on_hover_text(format!("Exchange {what}")).clicked() {
                editor.apply("Mirror", None, layout.mirrored(axis));
            }
        }
        if ui.add(small("Centre")).on_hover_text("Move the middle of the capsules to the origin").clicked() {
            editor.apply("Centre", None, layout.centred());
        }
        if ui.add(small("Channels 1…")).on_hover_text("Number the channels in the order of the list").clicked() {
            editor.apply("Number channels", None, layout.with_channels_in_order(0));
        }
    });
    line(ui, "Scale", &mut |ui| {
        for (name, factor, hint) in [
            ("÷10", 0.1, "If a length was given in mm instead of cm"),
            ("×10", 10.0, "If a length was given in cm instead of mm"),
            ("÷1000", 1e-3, "If a length was given in mm instead of m"),
            ("×1000", 1e3, "If a length was given in m instead of mm"),
        ] {
            if ui.add(small(name)).on_hover_text(hint).clicked() {
                editor.apply("Scale", None, layout.scaled(factor));
            }
        }
    });
    generator(ui, state, editor);
}

fn generator(ui: &mut Ui, state: &mut ViewState, editor: &mut Editor<'_>) {
    let open = state.cache.generator.open;
    let name = if open { "Close generator" } else { "Generate…" };
    if ui.button(RichText::new(name).size(12.5)).on_hover_text("Make an array of a simple shape").clicked() {
        state.cache.generator.open = !open;
    }
    if !open {
        return;
    }
    let width = ui.available_width();
    let options = [
        (Shape::Ring, "Ring", "On a horizontal circle"),
        (Shape::Line, "Line", "From left to right"),
        (Shape::Grid, "Grid", "A flat rectangle"),
        (Shape::Tetrahedron, "Tetra", "Four capsules, as A-format microphones have them"),
        (Shape::Sphere, "Sphere", "Evenly over a sphere"),
    ];
    if let Some(shape) = widgets::segmented(ui, width, &options, state.cache.generator.shape) {
        state.cache.generator.shape = shape;
    }
    ui.horizontal(|ui| {
        let unit = state.length_unit;
        let radius = crate::text::fixed(state.cache.generator.radius_m / unit.metres(), unit.decimals());
        let half =
            if matches!(state.cache.generator.shape, Shape::Line | Shape::Grid) { "half width" } else { "radius" };
        let count = state.cache.generator.count.to_string();
        let field = |ui: &mut Ui, name: &str, shown: &str, typing: &mut _, low: f64, high: f64| {
            ui.label(RichText::new(name).size(12.0).color(theme::DIM));
            let (rect, _) = ui.allocate_exact_size(egui::vec2(52.0, theme::HIT), egui::Sense::hover());
            ui.painter().rect_filled(rect, theme::ROUND, theme::SUNKEN);
            let look =
                number_field::Look { name, shown, align: egui::Align2::CENTER_CENTER, size: 12.5, colour: theme::TEXT };
            number_field::show(ui, rect, name.to_owned(), look, typing, |t| number_field::within(t, low, high))
        };
        if state.cache.generator.shape != Shape::Tetrahedron
            && let Some(count) = field(ui, "capsules", &count, &mut state.cache.typing, 2.0, 64.0)
        {
            state.cache.generator.count = count.round() as usize;
        }
        let most = 10.0 / unit.metres();
        let label = format!("{half} {}", unit.name());
        if let Some(radius) = field(ui, &label, &radius, &mut state.cache.typing, 1e-3 / unit.metres(), most) {
            state.cache.generator.radius_m = radius * unit.metres();
        }
    });
    if ui.button("Replace the array").on_hover_text("Undo brings the old one back").clicked() {
        let made = state.cache.generator.array();
        editor.apply("Generate", None, made);
    }
}
