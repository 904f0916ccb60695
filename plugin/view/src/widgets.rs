//! The few controls that the editor is made of.

use egui::{
    Align2, CursorIcon, Painter, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2,
    vec2,
};

use crate::theme;

/// A row of buttons of which one is chosen, as wide as `width`. Returns the newly chosen one.
pub(crate) fn segmented<T: Copy + PartialEq>(
    ui: &mut Ui,
    width: f32,
    options: &[(T, &str, &str)],
    current: T,
) -> Option<T> {
    let (rect, _) = ui.allocate_exact_size(vec2(width.max(1.0), theme::HIT + 2.0), Sense::hover());
    ui.painter().rect_filled(rect, theme::ROUND, theme::SUNKEN);
    let mut chosen = None;
    let step = rect.width() / options.len().max(1) as f32;
    for (i, &(value, name, hint)) in options.iter().enumerate() {
        let cell = Rect::from_min_size(rect.min + vec2(step * i as f32, 0.0), vec2(step, rect.height())).shrink(1.0);
        let response = ui.interact(cell, ui.scope_id().with((name, "segment")), Sense::click()).on_hover_text(hint);
        let on = value == current;
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, on, name));
        let fill = match (on, response.hovered()) {
            (true, _) => theme::CHOSEN,
            (false, true) => theme::HOVERED,
            (false, false) => theme::RAISED,
        };
        ui.painter().rect_filled(cell, theme::ROUND - 1, fill);
        focus_ring(ui, &response, cell);
        let (font, colour) = if on { (theme::bold(12.5), theme::TEXT) } else { (theme::regular(12.5), theme::DIM) };
        ui.painter().with_clip_rect(cell).text(cell.center(), Align2::CENTER_CENTER, name, font, colour);
        if response.clicked() && !on {
            chosen = Some(value);
        }
    }
    chosen
}

/// A small square button with a sign drawn by `paint` into the middle of it.
pub(crate) fn sign_button(
    ui: &Ui,
    rect: Rect,
    salt: impl egui::AsIdSalt,
    name: &str,
    enabled: bool,
    paint: impl FnOnce(&Painter, Rect, Stroke),
) -> Response {
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let response = ui.interact(rect, ui.scope_id().with(salt), sense);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    let fill = if enabled && response.is_pointer_button_down_on() {
        theme::CHOSEN
    } else if enabled && response.hovered() {
        theme::HOVERED
    } else {
        theme::RAISED
    };
    ui.painter().rect_filled(rect, theme::ROUND, fill);
    focus_ring(ui, &response, rect);
    let colour = if enabled { theme::TEXT } else { theme::with_alpha(theme::DIM, 110) };
    paint(ui.painter(), rect, Stroke::new(1.5, colour));
    response
}

/// Shows where the keyboard is.
pub(crate) fn focus_ring(ui: &Ui, response: &Response, rect: Rect) {
    if response.has_focus() {
        ui.painter().rect_stroke(rect, theme::ROUND, Stroke::new(1.5, theme::ACCENT), StrokeKind::Inside);
    }
}

/// A plus or a minus sign.
pub(crate) fn plus_or_minus(painter: &Painter, rect: Rect, stroke: Stroke, plus: bool) {
    let c = rect.center();
    painter.line_segment([c - vec2(4.0, 0.0), c + vec2(4.0, 0.0)], stroke);
    if plus {
        painter.line_segment([c - vec2(0.0, 4.0), c + vec2(0.0, 4.0)], stroke);
    }
}

/// A heading that opens and closes what is below it, with a remark at its right. Returns whether it is open.
pub(crate) fn section(ui: &mut Ui, title: &str, remark: &str, open: &mut bool) -> bool {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 28.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, *open, title));
    let response = response.on_hover_cursor(CursorIcon::PointingHand);
    if response.clicked() {
        *open = !*open;
    }
    let colour = if response.hovered() { theme::TEXT } else { theme::DIM };
    triangle(ui.painter(), pos2(rect.left() + 5.0, rect.center().y), *open, colour);
    let end = ui
        .painter()
        .text(rect.left_center() + vec2(18.0, 0.0), Align2::LEFT_CENTER, title, theme::bold(13.0), theme::TEXT)
        .right();
    let room = Rect::from_min_max(pos2(end + 12.0, rect.top()), rect.max);
    if room.width() > 30.0 {
        elided(ui.painter(), room, Align2::RIGHT_CENTER, remark, theme::regular(11.5), theme::DIM);
    }
    focus_ring(ui, &response, rect);
    *open
}

/// A triangle that points down when open and right when closed.
fn triangle(painter: &Painter, c: egui::Pos2, open: bool, colour: egui::Color32) {
    let points = if open {
        [vec2(-4.0, -2.0), vec2(4.0, -2.0), vec2(0.0, 3.0)]
    } else {
        [vec2(-2.0, -4.0), vec2(3.0, 0.0), vec2(-2.0, 4.0)]
    };
    painter.add(Shape::convex_polygon(points.map(|p: Vec2| c + p).to_vec(), colour, Stroke::NONE));
}

/// One line of text in a rectangle, cut with an ellipsis where it does not fit. Returns the rectangle of the text.
pub(crate) fn elided(
    painter: &Painter,
    rect: Rect,
    align: Align2,
    text: &str,
    font: egui::FontId,
    colour: egui::Color32,
) -> Rect {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, colour);
    job.wrap = egui::text::TextWrapping::truncate_at_width(rect.width().max(0.0));
    let galley = painter.layout_job(job);
    let place = align.align_size_within_rect(galley.size(), rect);
    painter.galley(place.min, galley, colour);
    place
}
