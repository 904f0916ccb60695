//! The array in space: turned with the mouse, its capsules with their channels and levels, moved by dragging.

use egui::{Align2, Color32, CursorIcon, Pos2, Rect, Sense, Stroke, Ui, Vec2, pos2, vec2};

use crate::capsule_editor;
use crate::capsules::{self, Signal};
use crate::edits::Editor;
use crate::input::ViewInput;
use crate::projection::Globe;
use crate::state::ViewState;
use crate::{text, theme};

/// From this width of the window on, the chosen capsule's numbers stand in a card over the view.
pub(crate) const CARD_FROM: f32 = 780.0;

/// Distance in points within which a click takes a capsule.
const REACH: f32 = 12.0;

/// Draws the array into `rect` and moves capsules.
pub(crate) fn draw(ui: &mut Ui, rect: Rect, state: &mut ViewState, input: &ViewInput<'_>, editor: &mut Editor<'_>) {
    let radius = (0.5 * rect.size().min_elem() - 34.0).clamp(0.0, 1500.0);
    if radius < 12.0 {
        return;
    }
    let response =
        ui.interact(rect, ui.scope_id().with("array"), Sense::click_and_drag()).on_hover_cursor(CursorIcon::Grab);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Array in space"));
    let view = Globe::new(rect.center(), radius, state.array_yaw_deg, state.array_pitch_deg);
    let layout = input.layout;
    let reach_m = reach_m(layout.capsules().iter().map(|c| c.position_m)) / f64::from(state.array_zoom);
    let place = |p: [f64; 3]| view.project(p.map(|x| (x / reach_m) as f32));
    let painter = ui.painter_at(rect);

    frame(&painter, &view);
    let mut dots: Vec<(usize, Pos2, f32)> = Vec::new();
    for (i, capsule) in layout.capsules().iter().enumerate() {
        let (at, depth) = place(capsule.position_m);
        dots.push((i, at, depth));
    }
    dots.sort_by(|a, b| a.2.total_cmp(&b.2));

    let under = |p: Pos2| {
        // The nearest to the viewer of those under the pointer.
        dots.iter().rev().filter(|d| (d.1 - p).length() <= REACH).map(|d| d.0).next()
    };
    if response.drag_started() {
        state.cache.dragged = response.interact_pointer_pos().and_then(under);
        if state.cache.dragged.is_some() {
            state.cache.capsule = state.cache.dragged;
            state.cache.drags += 1;
        }
    }
    if response.clicked() {
        state.cache.capsule = response.interact_pointer_pos().and_then(under);
    }
    if response.double_clicked() && state.cache.capsule.is_none() {
        state.reset_array_view();
    }
    if response.dragged() {
        let delta = response.drag_delta();
        match state.cache.dragged {
            Some(index) => {
                let metres = reach_m / f64::from(radius);
                let by = view.along_screen(delta).map(|x| f64::from(x) * metres);
                // Small steps add up before they are rounded.
                let sum = &mut state.cache.drag_m;
                *sum = std::array::from_fn(|i| sum[i] + by[i]);
                if let Some(place) = capsule_editor::moved(layout, index, *sum) {
                    let key = format!("drag {}", state.cache.drags);
                    if editor.apply("Move capsule", Some(&key), layout.with_position(index, place)) {
                        state.cache.drag_m = [0.0; 3];
                    }
                }
                ui.ctx().set_cursor_icon(CursorIcon::Move);
            }
            None => {
                state.array_yaw_deg -= delta.x / radius * 57.3;
                state.array_pitch_deg += delta.y / radius * 57.3;
                ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
            }
        }
    }
    if response.drag_stopped() {
        (state.cache.dragged, state.cache.drag_m) = (None, [0.0; 3]);
    }
    if response.hovered() {
        let wheel = ui.input(|i| i.smooth_scroll_delta().y);
        if wheel != 0.0 {
            state.array_zoom = (state.array_zoom * (wheel / 300.0).exp()).clamp(0.25, 8.0);
        }
    }
    state.tidy();

    let many = dots.len() > 40;
    for &(i, at, depth) in &dots {
        let capsule = &layout.capsules()[i];
        let near = 0.5 + 0.5 * depth.clamp(-1.0, 1.0);
        let size = (if many { 5.0 } else { 7.0 }) * (0.75 + 0.35 * near);
        // A thread to the floor shows where it hangs.
        let foot = view.project([capsule.position_m[0], capsule.position_m[1], 0.0].map(|x| (x / reach_m) as f32)).0;
        let thread = Stroke::new(1.0, Color32::from_white_alpha(if many { 14 } else { 26 }));
        painter.line_segment([at, foot], thread);
        let signal = capsules::signal(capsule, input.snapshot.health.bus_channels, &input.snapshot.levels_db);
        match signal {
            Signal::Level(l) => {
                painter.circle_filled(at, size, theme::RAISED);
                painter.circle_filled(at, size, capsules::level_colour(l).gamma_multiply(capsules::meter(l).sqrt()));
            }
            Signal::Unknown => drop(painter.circle_filled(at, size, theme::DIM.gamma_multiply(0.4 + 0.4 * near))),
            Signal::Muted | Signal::Missing => drop(painter.circle_filled(at, size, theme::BACKGROUND)),
        }
        let chosen = state.cache.capsule == Some(i);
        let edge = match signal {
            _ if chosen => Stroke::new(2.5, theme::ACCENT),
            Signal::Missing => Stroke::new(1.5, theme::WARN),
            _ => Stroke::new(1.0, theme::with_alpha(theme::TEXT, (60.0 + 130.0 * near) as u8)),
        };
        painter.circle_stroke(at, size, edge);
        let colour = if chosen { Color32::WHITE } else { theme::with_alpha(theme::TEXT, (110.0 + 145.0 * near) as u8) };
        let label = at + vec2(size + 3.0, -size - 1.0);
        painter.text(
            label,
            Align2::LEFT_CENTER,
            capsule.channel + 1,
            theme::bold(if many { 10.0 } else { 11.5 }),
            colour,
        );
    }
    if ui.ctx().content_rect().width() >= CARD_FROM {
        card(ui, rect, state, input, editor);
    }
    scale_bar(&painter, rect, reach_m, radius);
    let hint = "Drag a capsule to move it, elsewhere to turn · wheel: zoom · double-click: reset";
    if rect.width() > 460.0 {
        let at = rect.right_bottom() - vec2(4.0, 6.0);
        painter.text(at, Align2::RIGHT_BOTTOM, hint, theme::regular(11.0), theme::DIM);
    }
}

/// The chosen capsule's numbers in the upper right corner.
fn card(ui: &mut Ui, rect: Rect, state: &mut ViewState, input: &ViewInput<'_>, editor: &mut Editor<'_>) {
    if state.cache.capsule.is_none_or(|i| i >= input.layout.capsules().len()) {
        return;
    }
    let at = Rect::from_min_size(pos2(rect.right() - 262.0, rect.top() + 10.0), vec2(252.0, 186.0));
    ui.painter().rect_filled(at, 6, theme::with_alpha(theme::PANEL, 240));
    ui.painter().rect_stroke(at, 6, Stroke::new(1.0, theme::LINE), egui::StrokeKind::Inside);
    // What lies under the card is not for the array.
    ui.interact(at, ui.scope_id().with("card ground"), Sense::click_and_drag());
    let builder = egui::UiBuilder::new().id_salt("card").max_rect(at.shrink(10.0));
    let mut part = ui.new_child(builder);
    part.spacing_mut().item_spacing.y = 4.0;
    capsule_editor::chosen(&mut part, state, input, editor);
}

/// Half the size of what is shown, in metres.
fn reach_m(points: impl Iterator<Item = [f64; 3]>) -> f64 {
    points.map(|p| p.iter().map(|x| x * x).sum::<f64>().sqrt()).fold(1e-3, f64::max) * 1.1
}

/// The axes with their names, and a floor through the origin.
fn frame(painter: &egui::Painter, view: &Globe) {
    let faint = Stroke::new(1.0, Color32::from_white_alpha(20));
    for i in -4..=4 {
        let t = i as f32 / 4.0;
        let ends = (1.0 - t * t).max(0.0).sqrt();
        for line in [[[t, -ends, 0.0], [t, ends, 0.0]], [[-ends, t, 0.0], [ends, t, 0.0]]] {
            painter.line_segment(line.map(|p| view.project(p).0), faint);
        }
    }
    let ring: Vec<Pos2> = (0..=90)
        .map(|i| {
            let (s, c) = (i as f32 / 90.0 * std::f32::consts::TAU).sin_cos();
            view.project([c, s, 0.0]).0
        })
        .collect();
    painter.line(ring, Stroke::new(1.0, Color32::from_white_alpha(40)));
    for (axis, name, colour) in [
        ([1.0, 0.0, 0.0], "x front", theme::ERROR),
        ([0.0, 1.0, 0.0], "y left", theme::GOOD),
        ([0.0, 0.0, 1.0], "z up", theme::ACCENT),
    ] {
        let (tip, depth) = view.project(axis);
        let fade = theme::with_alpha(colour, if depth < 0.0 { 120 } else { 220 });
        painter.line_segment([view.centre, tip], Stroke::new(1.4, fade));
        let out = (tip - view.centre).normalized();
        let out = if out.is_finite() && out.length() > 0.1 { out } else { Vec2::new(0.0, -1.0) };
        painter.text(tip + out * 14.0, Align2::CENTER_CENTER, name, theme::bold(11.5), fade);
    }
}

/// A bar of a round length at the lower left.
fn scale_bar(painter: &egui::Painter, rect: Rect, reach_m: f64, radius: f32) {
    let wanted_m = 0.4 * reach_m;
    let decade = 10f64.powf(wanted_m.log10().floor());
    let length_m = [5.0, 2.0, 1.0].into_iter().map(|f| f * decade).find(|l| *l <= wanted_m).unwrap_or(decade);
    let length = (length_m / reach_m) as f32 * radius;
    let left = rect.left_bottom() + vec2(8.0, -12.0);
    let right = pos2(left.x + length, left.y);
    let stroke = Stroke::new(1.5, theme::DIM);
    painter.line_segment([left, right], stroke);
    for end in [left, right] {
        painter.line_segment([end - vec2(0.0, 3.0), end + vec2(0.0, 3.0)], stroke);
    }
    let (value, unit) = if length_m < 0.1 { (length_m * 1e3, "mm") } else { (length_m, "m") };
    let decimals = if value < 1.0 { 2 } else { 0 };
    let word = format!("{} {unit}", text::fixed(value, decimals));
    painter.text(right + vec2(7.0, 0.0), Align2::LEFT_CENTER, word, theme::regular(11.0), theme::DIM);
}
