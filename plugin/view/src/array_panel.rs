//! The array: which one, its name, and what it is like.

use egui::{Align2, Color32, ComboBox, Rect, RichText, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::edits::Editor;
use crate::input::ViewInput;
use crate::layout_facts::LayoutFacts;
use crate::state::ViewState;
use crate::{text, theme, widgets};

/// The choice of a preset, and what the array is like.
pub(crate) fn choice(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>, editor: &mut Editor<'_>) {
    let chosen = input.presets.iter().find(|p| p.array == *input.layout);
    let width = ui.available_width();
    let combo = ComboBox::from_id_salt("preset").width(width).truncate().height(420.0);
    let response = combo.selected_text(RichText::new(input.layout.name()).size(13.0)).show_ui(ui, |ui| {
        ui.set_min_width(width - 12.0);
        ui.spacing_mut().item_spacing.y = 1.0;
        for preset in input.presets {
            let is_chosen = chosen.is_some_and(|c| c.id == preset.id);
            if preset_row(ui, preset.array.name(), preset.array.active_len(), is_chosen)
                .on_hover_text(&preset.description)
                .clicked()
            {
                editor.apply("Choose array", None, Ok(preset.array.clone()));
                state.cache.capsule = None;
            }
        }
        if input.presets.is_empty() {
            ui.label(RichText::new("No presets").color(theme::DIM));
        }
    });
    response.response.on_hover_text("The array on the track: by its maker's name, or your own as text");
    let description = chosen.map_or("Own layout", |p| p.description.as_str());
    ui.add(egui::Label::new(RichText::new(description).size(12.0).color(theme::DIM)).wrap());
    let facts = LayoutFacts::of(&mut state.cache.facts, input.layout);
    let size = format!("{} mm across", text::fixed(facts.aperture_mm, if facts.aperture_mm < 100.0 { 1 } else { 0 }));
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 14.0;
        ui.label(RichText::new(size).size(12.0));
        let kind = match facts.note {
            None => "three-dimensional",
            Some(note) => note.split(':').next().unwrap_or(note),
        };
        ui.label(RichText::new(kind).size(12.0));
    });
}

fn preset_row(ui: &mut Ui, name: &str, capsules: usize, chosen: bool) -> egui::Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 25.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, chosen, name));
    let fill = match (chosen, response.hovered() || response.has_focus()) {
        (true, _) => theme::CHOSEN,
        (false, true) => theme::HOVERED,
        (false, false) => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, theme::ROUND, fill);
    let inner = rect.shrink2(vec2(8.0, 0.0));
    let count = Rect::from_min_max(pos2(inner.right() - 74.0, inner.top()), inner.max);
    let title = Rect::from_min_max(inner.min, pos2(count.left() - 6.0, inner.bottom()));
    widgets::elided(ui.painter(), title, Align2::LEFT_CENTER, name, theme::regular(13.0), theme::TEXT);
    let colour = if chosen { theme::TEXT } else { theme::DIM };
    let font = theme::regular(12.0);
    ui.painter().text(count.right_center(), Align2::RIGHT_CENTER, format!("{capsules} capsules"), font, colour);
    response
}

/// Why the last change of the array could not be made.
pub(crate) fn edit_error(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>) {
    let refused = input.layout_error.map(|e| format!("Not taken: {e}"));
    if let Some(error) = state.cache.edit_error.clone().or(refused) {
        let text = RichText::new(error).size(12.0).color(theme::ERROR);
        if ui.add(egui::Label::new(text).wrap().sense(Sense::click())).on_hover_text("Click to dismiss").clicked() {
            state.cache.edit_error = None;
        }
    }
}
