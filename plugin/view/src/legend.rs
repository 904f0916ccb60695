//! The scale beside the map: which colour is which score, and where the threshold lies.

use egui::{Align2, Color32, Mesh, Rect, Shape, Stroke, StrokeKind, Ui, pos2, vec2};

use crate::heat::Look;
use crate::state::Scale;
use crate::{text, theme};

/// Width that the legend takes.
pub(crate) const WIDTH: f32 = 50.0;

/// Draws the legend along the height of `rect`, with a tick at the threshold and one at the value under the pointer, both scores. `range`
/// holds the ends of the scale in its unit.
pub(crate) fn draw(ui: &Ui, rect: Rect, look: &Look, [low, high]: [f32; 2], threshold: f32, hovered: Option<f32>) {
    if rect.height() < 60.0 {
        return;
    }
    let painter = ui.painter();
    let bar = Rect::from_min_max(pos2(rect.left() + 8.0, rect.top()), pos2(rect.left() + 18.0, rect.bottom()));
    let mut mesh = Mesh::default();
    const BANDS: u32 = 48;
    for i in 0..=BANDS {
        let t = i as f32 / BANDS as f32;
        let y = bar.bottom() - t * bar.height();
        mesh.colored_vertex(pos2(bar.left(), y), look.colours.colour(t));
        mesh.colored_vertex(pos2(bar.right(), y), look.colours.colour(t));
        if i > 0 {
            let n = 2 * i;
            mesh.add_triangle(n - 2, n - 1, n);
            mesh.add_triangle(n - 1, n, n + 1);
        }
    }
    painter.add(Shape::mesh(mesh));
    painter.rect_stroke(bar, 0, Stroke::new(1.0, theme::HOVERED), StrokeKind::Outside);
    let y_at = |share: f32| bar.bottom() - share.clamp(0.0, 1.0) * bar.height();
    let y_of = |score: f32| y_at((look.unit(score) - low) / (high - low).max(1e-6));
    let threshold = Some(threshold).filter(|v| v.is_finite());
    let steps = if look.scale == Scale::Decibels { 3u8 } else { 4 };
    for step in 0..=steps {
        let share = f32::from(step) / f32::from(steps);
        let y = y_at(share);
        let near = |other: Option<f32>| other.is_some_and(|v| (y_of(v) - y).abs() < 13.0);
        painter.hline(bar.right()..=bar.right() + 3.0, painter.round_to_pixel_center(y), Stroke::new(1.0, theme::DIM));
        let end = step == 0 || step == steps;
        if near(threshold) || near(hovered) || (bar.height() < 110.0 && !end) {
            continue;
        }
        let (anchor, nudge) = match step {
            0 => (Align2::LEFT_BOTTOM, 3.0),
            s if s == steps => (Align2::LEFT_TOP, -3.0),
            _ => (Align2::LEFT_CENTER, 0.0),
        };
        let written = written(look.scale, low + share * (high - low));
        painter.text(pos2(bar.right() + 7.0, y + nudge), anchor, written, theme::regular(11.0), theme::DIM);
    }
    if look.scale == Scale::Decibels {
        painter.text(bar.center_bottom() + vec2(0.0, 4.0), Align2::CENTER_TOP, "dB", theme::regular(10.5), theme::DIM);
    }
    let tick = |value: f32, colour: Color32, font| {
        let y = y_of(value);
        let stroke = Stroke::new(1.5, colour);
        painter.hline(bar.left() - 1.0..=bar.right() + 1.0, painter.round_to_pixel_center(y), stroke);
        let tip = pos2(bar.right() + 1.0, y);
        let corners = vec![tip, tip + vec2(5.0, -3.5), tip + vec2(5.0, 3.5)];
        painter.add(Shape::convex_polygon(corners, colour, Stroke::NONE));
        painter.text(
            pos2(bar.right() + 8.0, y),
            Align2::LEFT_CENTER,
            written(look.scale, look.unit(value)),
            font,
            colour,
        );
    };
    if let Some(v) = hovered {
        tick(v, theme::TEXT, theme::bold(11.0));
    }
    if let Some(v) = threshold.filter(|t| hovered.is_none_or(|h| (y_of(h) - y_of(*t)).abs() >= 13.0)) {
        tick(v, theme::ACCENT, theme::regular(11.0));
    }
    let hit = ui.interact(rect, ui.scope_id().with("legend"), egui::Sense::hover());
    hit.on_hover_text(match look.scale {
        Scale::Probability => "Score of a direction. Blue: the threshold for sources",
        Scale::Decibels => "Score of a direction, ten times its logarithm. Blue: the threshold for sources",
    });
}

/// A value of the scale as short as it can be written.
fn written(scale: Scale, value: f32) -> String {
    match scale {
        Scale::Decibels => text::fixed(value.into(), 0),
        Scale::Probability => {
            let text = text::fixed(value.into(), 2);
            text.strip_suffix(".00").map_or(text.clone(), str::to_owned)
        }
    }
}
