//! The bar at the top: side panel, name, projection, freeze.

use std::sync::Arc;

use egui::{Align, Align2, Layout, Painter, Rect, Stroke, Ui, UiBuilder, pos2, vec2};

use crate::snapshot::Snapshot;
use crate::state::{MapKind, Projection, Tab, ViewState};
use crate::{theme, widgets};

/// What the bar needs to know about the rest.
pub(crate) struct Bar<'a> {
    /// Whether the window is too narrow for panel and map side by side.
    pub(crate) narrow: bool,
    /// What is heard at the moment.
    pub(crate) snapshot: &'a Snapshot,
}

/// Height of the bar in a window of this height.
pub(crate) fn height(window: f32) -> f32 {
    if window < 260.0 { 32.0 } else { 42.0 }
}

/// Draws the bar into `rect`.
pub(crate) fn draw(ui: &mut Ui, rect: Rect, state: &mut ViewState, bar: &Bar<'_>) {
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 0, theme::PANEL);
    painter.hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, theme::LINE));
    let pad = if bar.narrow { 6.0 } else { theme::PAD };
    let inner = rect.shrink2(vec2(pad, 0.0));

    let toggle = Rect::from_center_size(pos2(inner.left() + 13.0, rect.center().y), vec2(26.0, 24.0));
    let open = if bar.narrow { &mut state.cache.side_over_map } else { &mut state.panels.side };
    let shown = *open;
    let button = widgets::sign_button(ui, toggle, "side", "Side panel", true, |p, r, s| panel_sign(p, r, s, shown));
    if button.on_hover_text(if shown { "Hide the panel" } else { "Show analysis and array" }).clicked() {
        *open = !*open;
    }
    let mut left = toggle.right() + 12.0;
    if rect.width() >= 620.0 {
        left = brand(&painter, pos2(left, rect.center().y)) + 20.0;
    }
    if rect.width() >= 400.0 {
        left = tabs(ui, pos2(left, rect.center().y), state) + 16.0;
    }
    let room = Rect::from_min_max(pos2(left, rect.top()), inner.max);
    let builder = UiBuilder::new().id_salt("top").max_rect(room).layout(Layout::right_to_left(Align::Center));
    let mut ui = ui.new_child(builder);
    ui.spacing_mut().item_spacing.x = 10.0;
    if state.tab == Tab::Array {
        let button = egui::Button::new("Reset view");
        if room.width() >= 100.0 && ui.add(button).on_hover_text("Look at the whole array from the front").clicked() {
            state.reset_array_view();
        }
        return;
    }
    if room.width() >= 330.0 {
        kinds(&mut ui, state);
    }
    let options = [
        (Projection::Equirectangular, "Map", "The whole sphere at once, as the list beside lays it out"),
        (Projection::Globe, "Globe", "Seen from outside: drag to turn, double-click to reset"),
        (Projection::Split, "Both", "Map and globe together"),
    ];
    let width = (room.width() - if room.width() >= 330.0 { 132.0 } else { 0.0 }).min(210.0);
    if let Some(projection) = widgets::segmented(&mut ui, width, &options, state.projection) {
        state.projection = projection;
    }
    if state.projection != Projection::Equirectangular && ui.available_width() >= 100.0 {
        let turned =
            (state.globe_yaw_deg, state.globe_pitch_deg) != (ViewState::DEFAULT_YAW_DEG, ViewState::DEFAULT_PITCH_DEG);
        let button = ui.add_enabled(turned, egui::Button::new("Reset view"));
        if button.on_hover_text("Turn the globe back to where it started").clicked() {
            state.reset_globe();
        }
    }
    if ui.available_width() >= 80.0 {
        freeze(&mut ui, state, bar.snapshot);
    }
}

/// The choice between sound and array; returns where it ends.
fn tabs(ui: &mut Ui, at: egui::Pos2, state: &mut ViewState) -> f32 {
    let rect = Rect::from_min_size(at - vec2(0.0, 12.0), vec2(128.0, 24.0));
    let mut part = ui.new_child(UiBuilder::new().id_salt("tabs").max_rect(rect));
    let options = [
        (Tab::Sound, "Sound", "Where the sound comes from"),
        (Tab::Array, "Array", "The microphones: look at them, move them, mend them"),
    ];
    if let Some(tab) = widgets::segmented(&mut part, rect.width(), &options, state.tab) {
        state.tab = tab;
    }
    rect.right()
}

/// Stops the picture while the sound goes on.
fn freeze(ui: &mut Ui, state: &mut ViewState, snapshot: &Snapshot) {
    let on = state.cache.frozen.is_some();
    let text = egui::RichText::new(if on { "Frozen" } else { "Freeze" });
    let text = if on { text.color(theme::WARN) } else { text };
    let button = ui.add(egui::Button::new(text).selected(on));
    let hint = if on { "Go on with what is heard now" } else { "Keep this picture to look at it; the sound goes on" };
    if button.on_hover_text(hint).clicked() {
        state.cache.frozen = (!on).then(|| Arc::new(snapshot.clone()));
    }
}

fn kinds(ui: &mut Ui, state: &mut ViewState) {
    let combo = egui::ComboBox::from_id_salt("kinds").width(112.0).selected_text(state.map.name());
    let response = combo.show_ui(ui, |ui| {
        for kind in MapKind::ALL {
            ui.selectable_value(&mut state.map, kind, kind.name()).on_hover_text(kind.hint());
        }
    });
    response.response.on_hover_text(format!("How the map lays out the sphere. {}", state.map.hint()));
}

/// The name beside a small sphere; returns where it ends.
fn brand(painter: &Painter, at: egui::Pos2) -> f32 {
    let c = at + vec2(9.0, 0.0);
    painter.circle_stroke(c, 8.0, Stroke::new(1.4, theme::ACCENT));
    let thin = Stroke::new(1.0, theme::with_alpha(theme::ACCENT, 150));
    painter.add(egui::Shape::ellipse_stroke(c, vec2(3.4, 8.0), thin));
    painter.hline(c.x - 8.0..=c.x + 8.0, c.y, thin);
    painter.circle_filled(c + vec2(3.6, -3.2), 2.6, theme::WARN);
    painter.text(at + vec2(26.0, 0.0), Align2::LEFT_CENTER, "Spherescope", theme::bold(14.0), theme::TEXT).right()
}

/// A window with a panel at its left, filled when shown.
fn panel_sign(painter: &Painter, rect: Rect, stroke: Stroke, shown: bool) {
    let r = Rect::from_center_size(rect.center(), vec2(14.0, 11.0));
    painter.rect_stroke(r, 2, Stroke::new(1.2, stroke.color), egui::StrokeKind::Middle);
    let part = Rect::from_min_max(r.min, pos2(r.left() + 5.0, r.bottom()));
    if shown {
        painter.rect_filled(part, 1, stroke.color);
    } else {
        painter.vline(part.right(), r.y_range(), Stroke::new(1.2, stroke.color));
    }
}
