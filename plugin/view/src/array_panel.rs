//! The array: which one, and its capsules with their levels.

use egui::{Align2, Color32, ComboBox, Rect, RichText, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use spherescope_dsp::Capsule;

use crate::capsules::{self, Signal};
use crate::input::{Action, ViewInput};
use crate::layout_facts::LayoutFacts;
use crate::state::ViewState;
use crate::{text, theme, widgets};

/// The choice of a preset, and what the array is like.
pub(crate) fn choice(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>, actions: &mut Vec<Action>) {
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
                actions.push(Action::ChoosePreset(preset.id));
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

/// Where the columns of the table end, from its left edge, for a width.
fn columns(width: f32) -> [f32; 5] {
    let numbers = (width - 26.0 - 52.0 - 8.0) / 3.0;
    [26.0, 26.0 + numbers, 26.0 + 2.0 * numbers, 26.0 + 3.0 * numbers, width]
}

/// The capsules: channel, place in millimetres, level.
pub(crate) fn table(ui: &mut Ui, input: &ViewInput<'_>) {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let width = ui.available_width();
        let (head, response) = ui.allocate_exact_size(vec2(width, 20.0), Sense::hover());
        response.on_hover_text("Channels count from 1, as on the track. x points to the front, y to the left, z up");
        let ends = columns(width);
        let caption = |x: f32, anchor: Align2, name: &str| {
            ui.painter().text(pos2(head.left() + x, head.center().y), anchor, name, theme::regular(11.0), theme::DIM);
        };
        for (x, name) in ends.iter().zip(["ch", "x mm", "y mm", "z mm"]) {
            caption(*x, Align2::RIGHT_CENTER, name);
        }
        caption(ends[3] + 12.0, Align2::LEFT_CENTER, "level");
        let health = &input.snapshot.health;
        for capsule in input.layout.capsules() {
            let (row, response) = ui.allocate_exact_size(vec2(width, 19.0), Sense::hover());
            if !ui.is_rect_visible(row) {
                continue;
            }
            let signal = capsules::signal(capsule, health.bus_channels, &input.snapshot.levels_db);
            capsule_row(ui, row, &ends, capsule, signal);
            response.on_hover_text(match signal {
                Signal::Muted => "Muted: takes no part".to_owned(),
                Signal::Missing => format!("The bus has no channel {}", capsule.channel + 1),
                Signal::Unknown => "No level yet".to_owned(),
                Signal::Level(l) if l > -0.3 => format!("{}: clipped", text::level(l)),
                Signal::Level(l) => text::level(l),
            });
        }
    });
}

fn capsule_row(ui: &Ui, row: Rect, ends: &[f32; 5], capsule: &Capsule, signal: Signal) {
    let painter = ui.painter();
    painter.hline(row.x_range(), row.top(), egui::Stroke::new(1.0, theme::with_alpha(theme::LINE, 120)));
    let y = row.center().y;
    let off = matches!(signal, Signal::Muted | Signal::Missing);
    let colour = if off { theme::DIM } else { theme::TEXT };
    let at = |i: usize| pos2(row.left() + ends[i], y);
    painter.text(at(0), Align2::RIGHT_CENTER, capsule.channel + 1, theme::bold(12.0), colour);
    for (i, v) in capsule.position_m.iter().enumerate() {
        let mm = v * 1000.0;
        let written = text::fixed(mm, if mm.abs() < 1000.0 { 1 } else { 0 });
        painter.text(at(i + 1), Align2::RIGHT_CENTER, written, theme::regular(12.0), colour);
    }
    let rail = Rect::from_min_max(pos2(row.left() + ends[3] + 12.0, y - 2.5), pos2(row.left() + ends[4], y + 2.5));
    match signal {
        Signal::Muted | Signal::Missing => {
            let word = if signal == Signal::Muted { "muted" } else { "missing" };
            let colour = if signal == Signal::Muted { theme::DIM } else { theme::WARN };
            painter.text(at(4), Align2::RIGHT_CENTER, word, theme::regular(11.0), colour);
        }
        Signal::Unknown => drop(painter.rect_filled(rail, 2, theme::RAISED)),
        Signal::Level(l) => {
            painter.rect_filled(rail, 2, theme::RAISED);
            let lit = Rect::from_min_size(rail.min, vec2(rail.width() * capsules::meter(l), rail.height()));
            painter.rect_filled(lit, 2, capsules::level_colour(l));
        }
    }
}
