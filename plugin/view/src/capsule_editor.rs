//! The capsules as a table whose numbers can be typed over, and the chosen capsule with steppers for every number.

use egui::{Align2, Color32, Rect, RichText, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use spherescope_dsp::{Capsule, Direction, MicArray};

use crate::capsules::{self, Signal};
use crate::edits::Editor;
use crate::input::ViewInput;
use crate::number_field;
use crate::state::{Coordinates, LengthUnit, ViewState};
use crate::{text, theme, widgets};

/// One of a capsule's three coordinates in the chosen system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Axis {
    /// Metres along x, y or z.
    Along(u8),
    /// Azimuth in degrees.
    Azimuth,
    /// Elevation in degrees.
    Elevation,
    /// Distance from the layout's origin in metres.
    Radius,
}

impl Coordinates {
    /// The three coordinates, in the order in which people see them.
    pub(crate) fn axes(self) -> [Axis; 3] {
        match self {
            Self::Cartesian => [Axis::Along(0), Axis::Along(1), Axis::Along(2)],
            Self::Spherical => [Axis::Azimuth, Axis::Elevation, Axis::Radius],
        }
    }
}

impl Axis {
    /// The name in the field's terms.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Along(0) => "x",
            Self::Along(1) => "y",
            Self::Along(_) => "z",
            Self::Azimuth => "azimuth",
            Self::Elevation => "elevation",
            Self::Radius => "radius",
        }
    }

    fn is_angle(self) -> bool {
        matches!(self, Self::Azimuth | Self::Elevation)
    }

    /// The coordinate of a place, in metres or degrees.
    fn of(self, p: [f64; 3]) -> f64 {
        let flat = p[0].hypot(p[1]);
        match self {
            Self::Along(i) => p[usize::from(i)],
            Self::Azimuth => p[1].atan2(p[0]).to_degrees(),
            Self::Elevation => p[2].atan2(flat).to_degrees(),
            Self::Radius => flat.hypot(p[2]),
        }
    }

    /// The place with this coordinate changed and the others kept.
    fn set(self, p: [f64; 3], value: f64) -> [f64; 3] {
        let mut q = p;
        let [azimuth, elevation, radius] = [Self::Azimuth, Self::Elevation, Self::Radius].map(|axis| axis.of(p));
        let spherical = |az: f64, el: f64, r: f64| match Direction::from_degrees(az, el) {
            Ok(d) => d.unit().map(|u| u * r),
            Err(_) => p,
        };
        match self {
            Self::Along(i) => q[usize::from(i)] = value,
            Self::Azimuth => q = spherical(value, elevation, radius),
            Self::Elevation => q = spherical(azimuth, value.clamp(-90.0, 90.0), radius),
            Self::Radius => q = spherical(azimuth, elevation, value.max(0.0)),
        }
        q
    }

    /// The coordinate as it is written, without its unit.
    fn written(self, value: f64, unit: LengthUnit) -> String {
        if self.is_angle() { text::fixed(value, 1) } else { text::fixed(value / unit.metres(), unit.decimals()) }
    }

    /// A text as a coordinate in metres or degrees; a length may name its unit.
    fn parse(self, text: &str, unit: LengthUnit) -> Result<f64, String> {
        let (value, suffix) = number_field::parse(text)?;
        if self.is_angle() {
            return match suffix.as_str() {
                "" | "°" | "deg" => Ok(value),
                other => Err(format!("expected degrees, found “{other}”")),
            };
        }
        let unit = match suffix.as_str() {
            "" => unit,
            other => LengthUnit::ALL
                .into_iter()
                .find(|u| u.name() == other)
                .ok_or_else(|| format!("expected mm, cm or m, found “{other}”"))?,
        };
        Ok(value * unit.metres())
    }

    /// How far a stepper goes.
    fn step(self, fine: bool) -> f64 {
        match (self.is_angle(), fine) {
            (true, false) => 1.0,
            (true, true) => 0.1,
            (false, false) => 1e-3,
            (false, true) => 1e-4,
        }
    }
}

/// Where the columns of the table end, from its left edge, for a width.
fn columns(width: f32) -> [f32; 5] {
    let numbers = (width - 30.0 - 46.0 - 8.0) / 3.0;
    [30.0, 30.0 + numbers, 30.0 + 2.0 * numbers, 30.0 + 3.0 * numbers, width]
}

/// The capsules: channel, place, level. A click on a row chooses the capsule, a click on a number types it.
pub(crate) fn table(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>, editor: &mut Editor<'_>) {
    systems(ui, state);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let width = ui.available_width();
        let ends = columns(width);
        let axes = state.coordinates.axes();
        let (head, response) = ui.allocate_exact_size(vec2(width, 20.0), Sense::hover());
        response.on_hover_text("Channels count from 1, as on the track. x points to the front, y to the left, z up");
        let caption = |x: f32, anchor: Align2, name: &str| {
            ui.painter().text(pos2(head.left() + x, head.center().y), anchor, name, theme::regular(11.0), theme::DIM);
        };
        caption(ends[0] - 4.0, Align2::RIGHT_CENTER, "ch");
        for (axis, x) in axes.iter().zip(&ends[1..]) {
            let unit = if axis.is_angle() { "°" } else { state.length_unit.name() };
            let name = match axis {
                Axis::Azimuth => "az",
                Axis::Elevation => "el",
                Axis::Radius => "r",
                other => other.name(),
            };
            caption(*x - 4.0, Align2::RIGHT_CENTER, &format!("{name} {unit}"));
        }
        caption(ends[3] + 8.0, Align2::LEFT_CENTER, "level");
        for (index, capsule) in input.layout.capsules().iter().enumerate() {
            let (row, response) = ui.allocate_exact_size(vec2(width, 20.0), Sense::click());
            if !ui.is_rect_visible(row) {
                continue;
            }
            // A click on one of its numbers chooses it, too.
            if ui.rect_contains_pointer(row) && ui.input(|i| i.pointer.primary_clicked()) {
                state.cache.capsule = Some(index);
            }
            let chosen = state.cache.capsule == Some(index);
            let name = format!("Capsule {}", index + 1);
            response.widget_info(|| WidgetInfo::selected(Role::Row, true, chosen, &name));
            capsule_row(ui, row, &ends, state, input, editor, (index, capsule), chosen);
            let health = &input.snapshot.health;
            response.on_hover_text(match capsules::signal(capsule, health.bus_channels, &input.snapshot.levels_db) {
                Signal::Muted => "Muted: takes no part".to_owned(),
                Signal::Missing => format!("The bus has no channel {}", capsule.channel + 1),
                Signal::Unknown => "No level yet".to_owned(),
                Signal::Level(l) if l > -0.3 => format!("{}: clipped", text::level(l)),
                Signal::Level(l) => text::level(l),
            });
        }
    });
}

/// The choice of coordinates and of the unit of length.
fn systems(ui: &mut Ui, state: &mut ViewState) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        let width = ui.available_width();
        let options = [
            (Coordinates::Cartesian, "x y z", "Front, left, up from the layout's origin"),
            (Coordinates::Spherical, "az el r", "Azimuth, elevation and distance from the layout's origin"),
        ];
        if let Some(chosen) = widgets::segmented(ui, 0.52 * width, &options, state.coordinates) {
            state.coordinates = chosen;
        }
        let options = LengthUnit::ALL.map(|unit| (unit, unit.name(), "Unit of length in this table"));
        if let Some(chosen) = widgets::segmented(ui, 0.48 * width - 8.0, &options, state.length_unit) {
            state.length_unit = chosen;
        }
    });
}

#[allow(clippy::too_many_arguments)]
fn capsule_row(
    ui: &mut Ui,
    row: Rect,
    ends: &[f32; 5],
    state: &mut ViewState,
    input: &ViewInput<'_>,
    editor: &mut Editor<'_>,
    (index, capsule): (usize, &Capsule),
    chosen: bool,
) {
    let health = &input.snapshot.health;
    let signal = capsules::signal(capsule, health.bus_channels, &input.snapshot.levels_db);
    if chosen {
        ui.painter().rect_filled(row, 2, theme::CHOSEN);
    }
    let line = egui::Stroke::new(1.0, theme::with_alpha(theme::LINE, 120));
    ui.painter().hline(row.x_range(), row.top(), line);
    let off = matches!(signal, Signal::Muted | Signal::Missing);
    let colour = if off { theme::DIM } else { theme::TEXT };
    let cell = |from: f32, to: f32| {
        Rect::from_min_max(pos2(row.left() + from, row.top()), pos2(row.left() + to, row.bottom()))
    };
    let shown = (capsule.channel + 1).to_string();
    let name = format!("Capsule {} channel", index + 1);
    let typing = &mut state.cache.typing;
    let field = cell_look(&name, &shown, colour);
    let channels = |text: &str| number_field::within(text, 1.0, 64.0).map(|v| v.round() as usize - 1);
    if let Some(channel) = number_field::show(ui, cell(0.0, ends[0]), (index, "channel"), field, typing, channels) {
        editor.apply("Channel", None, input.layout.with_channel(index, channel));
    }
    for (i, axis) in state.coordinates.axes().into_iter().enumerate() {
        let shown = axis.written(axis.of(capsule.position_m), state.length_unit);
        let name = format!("Capsule {} {}", index + 1, axis.name());
        let field = cell_look(&name, &shown, colour);
        let unit = state.length_unit;
        let rect = cell(ends[i], ends[i + 1]);
        let typed =
            number_field::show(ui, rect, (index, axis), field, &mut state.cache.typing, |t| axis.parse(t, unit));
        if let Some(value) = typed {
            let place = axis.set(capsule.position_m, value);
            editor.apply("Move capsule", None, input.layout.with_position(index, place));
        }
    }
    level(ui, row, ends, signal);
}

/// How a number of the table looks.
fn cell_look<'a>(name: &'a str, shown: &'a str, colour: Color32) -> number_field::Look<'a> {
    number_field::Look { name, shown, align: Align2::RIGHT_CENTER, size: 12.0, colour }
}

fn level(ui: &Ui, row: Rect, ends: &[f32; 5], signal: Signal) {
    let y = row.center().y;
    let rail = Rect::from_min_max(pos2(row.left() + ends[3] + 8.0, y - 2.5), pos2(row.left() + ends[4], y + 2.5));
    let painter = ui.painter();
    match signal {
        Signal::Muted | Signal::Missing => {
            let word = if signal == Signal::Muted { "muted" } else { "missing" };
            let colour = if signal == Signal::Muted { theme::DIM } else { theme::WARN };
            painter.text(pos2(rail.right(), y), Align2::RIGHT_CENTER, word, theme::regular(11.0), colour);
        }
        Signal::Unknown => drop(painter.rect_filled(rail, 2, theme::RAISED)),
        Signal::Level(l) => {
            painter.rect_filled(rail, 2, theme::RAISED);
            let lit = Rect::from_min_size(rail.min, vec2(rail.width() * capsules::meter(l), rail.height()));
            painter.rect_filled(lit, 2, capsules::level_colour(l));
        }
    }
}

/// The chosen capsule: every number with steppers, and what can be done with it.
pub(crate) fn chosen(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>, editor: &mut Editor<'_>) {
    let layout = input.layout;
    let count = layout.capsules().len();
    let Some((index, capsule)) = state.cache.capsule.and_then(|i| Some((i, layout.capsules().get(i)?))) else {
        ui.label(RichText::new("Click a capsule to choose it, or a number to type it").size(12.0).color(theme::DIM));
        return;
    };
    ui.label(RichText::new(format!("Capsule {} of {count}", index + 1)).font(theme::bold(12.5)));
    let fine = ui.input(|i| i.modifiers.shift);
    let shown = (capsule.channel + 1).to_string();
    let channels = |text: &str| number_field::within(text, 1.0, 64.0);
    let row = Row { name: "Channel", hint: "Which channel of the track this capsule is on", shown: &shown };
    match stepper(ui, (index, "chosen channel"), row, state, channels) {
        Some(Step::To(value)) => {
            editor.apply("Channel", None, layout.with_channel(index, value.round() as usize - 1));
        }
        Some(Step::By(up)) => {
            let channel = capsule.channel.saturating_add_signed(if up { 1 } else { -1 }).min(63);
            let key = format!("channel {index}");
            editor.apply("Channel", Some(&key), layout.with_channel(index, channel));
        }
        None => {}
    }
    for axis in state.coordinates.axes() {
        let unit = state.length_unit;
        let value = axis.of(capsule.position_m);
        let suffix = if axis.is_angle() { "°".to_owned() } else { format!(" {}", unit.name()) };
        let shown = axis.written(value, unit) + &suffix;
        let hint =
            if axis.is_angle() { "Steps of 1°, with Shift of 0.1°" } else { "Steps of 1 mm, with Shift of 0.1 mm" };
        let row = Row { name: axis.name(), hint, shown: &shown };
        let (target, key) = match stepper(ui, (index, axis, "chosen"), row, state, |t| axis.parse(t, unit)) {
            Some(Step::To(value)) => (value, None),
            Some(Step::By(up)) => {
                let step = axis.step(fine);
                // Onto the next whole step, so that rounding errors do not add up.
                let next = ((value / step).round() + if up { 1.0 } else { -1.0 }) * step;
                (next, Some(format!("{axis:?} {index}")))
            }
            None => continue,
        };
        let place = axis.set(capsule.position_m, target);
        editor.apply("Move capsule", key.as_deref(), layout.with_position(index, place));
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let mut button = |name: &str, hint: &str, enabled: bool| {
            ui.add_enabled(enabled, egui::Button::new(RichText::new(name).size(12.0))).on_hover_text(hint).clicked()
        };
        let mute = if capsule.muted { "Unmute" } else { "Mute" };
        if button(mute, "A muted capsule stays in the layout and takes no part", true) {
            editor.apply(mute, None, layout.with_muted(index, !capsule.muted));
        }
        if button("Duplicate", "Another capsule beside this one, on a free channel", true)
            && editor.apply("Duplicate capsule", None, layout.with_duplicate(index))
        {
            state.cache.capsule = Some(index + 1);
        }
        if button("Delete", "Take this capsule out of the layout", count > 2) {
            editor.apply("Delete capsule", None, layout.without_capsule(index));
        }
        for (name, hint, up) in [
            ("Up", "Earlier in the list; the channel stays", true),
            ("Down", "Later in the list; the channel stays", false),
        ] {
            let to = index.checked_add_signed(if up { -1 } else { 1 }).filter(|to| *to < count);
            if button(name, hint, to.is_some())
                && let Some(to) = to
                && editor.apply("Reorder", None, layout.with_capsule_moved(index, to))
            {
                state.cache.capsule = Some(to);
            }
        }
    });
}

/// A row with steppers.
struct Row<'a> {
    name: &'a str,
    hint: &'a str,
    shown: &'a str,
}

/// What a row with steppers asks for.
enum Step {
    To(f64),
    By(bool),
}

fn stepper(
    ui: &mut Ui,
    salt: impl egui::AsIdSalt + Copy,
    row: Row<'_>,
    state: &mut ViewState,
    parse: impl Fn(&str) -> Result<f64, String>,
) -> Option<Step> {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), theme::HIT), Sense::hover());
    let wheel = if response.contains_pointer() { ui.input(|i| i.smooth_scroll_delta().x) } else { 0.0 };
    response.on_hover_text(row.hint);
    let label = Rect::from_min_size(rect.min, vec2(70.0, rect.height()));
    widgets::elided(ui.painter(), label, Align2::LEFT_CENTER, row.name, theme::regular(12.5), theme::DIM);
    let minus = Rect::from_min_size(pos2(label.right() + 6.0, rect.top() + 1.0), vec2(24.0, 20.0));
    let number = Rect::from_min_size(pos2(minus.right() + 2.0, rect.top()), vec2(96.0, rect.height()));
    let plus = Rect::from_min_size(pos2(number.right() + 2.0, rect.top() + 1.0), vec2(24.0, 20.0));
    let mut step = None;
    for (at, up, sign) in [(minus, false, "Lower"), (plus, true, "Raise")] {
        let button = widgets::sign_button(ui, at, (salt, up), &format!("{sign} {}", row.name), true, |p, r, s| {
            widgets::plus_or_minus(p, r, s, up);
        });
        if button.clicked() {
            step = Some(Step::By(up));
        }
    }
    // Horizontal scrolling over a row steps it; vertical scrolling moves the panel.
    if wheel.abs() >= 1.0 {
        step = Some(Step::By(wheel > 0.0));
    }
    let name = format!("{} value", row.name);
    let look = number_field::Look {
        name: &name,
        shown: row.shown,
        align: Align2::CENTER_CENTER,
        size: 12.5,
        colour: Color32::WHITE,
    };
    let typed = number_field::show(ui, number, (salt, "number"), look, &mut state.cache.typing, parse);
    typed.map(Step::To).or(step)
}

/// The layout with a capsule moved by the mouse.
pub(crate) fn moved(layout: &MicArray, index: usize, by_m: [f64; 3]) -> Option<[f64; 3]> {
    let capsule = layout.capsules().get(index)?;
    // Tenths of a millimetre: nobody places a capsule finer by hand.
    Some(std::array::from_fn(|i| ((capsule.position_m[i] + by_m[i]) * 1e4).round() / 1e4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_read_and_written_in_any_unit() {
        let x = Axis::Along(0);
        assert_eq!(x.written(-0.0425, LengthUnit::Millimetre), "−42.5");
        assert_eq!(x.written(0.0425, LengthUnit::Metre), "0.0425");
        assert_eq!(x.parse("4.25 cm", LengthUnit::Millimetre), Ok(0.0425));
        assert_eq!(x.parse("42", LengthUnit::Centimetre), Ok(0.42));
        assert!(x.parse("3 in", LengthUnit::Metre).unwrap_err().contains("expected mm, cm or m"));
        assert!(Axis::Azimuth.parse("3 m", LengthUnit::Metre).is_err());
    }

    #[test]
    fn one_coordinate_changes_and_the_others_stay() {
        let p = [0.03, 0.04, 0.12];
        for axis in [Axis::Along(0), Axis::Along(2), Axis::Azimuth, Axis::Elevation, Axis::Radius] {
            let value = if axis.is_angle() { 30.0 } else { 0.05 };
            let q = axis.set(p, value);
            assert!((axis.of(q) - value).abs() < 1e-9, "{axis:?}");
            let kept = if matches!(axis, Axis::Along(_)) { Coordinates::Cartesian } else { Coordinates::Spherical };
            for other in kept.axes().into_iter().filter(|a| *a != axis) {
                assert!((other.of(q) - other.of(p)).abs() < 1e-9, "{axis:?} moved {other:?}");
            }
        }
    }
}
