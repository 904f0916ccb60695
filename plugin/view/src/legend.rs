//! The scale beside the map: which colour is which score, and where the threshold lies.

use egui::{Align2, Color32, Mesh, Rect, Shape, Stroke, StrokeKind, Ui, pos2, vec2};

use crate::colour_map::ColourMap;
use crate::{text, theme};

/// Width that the legend takes.
pub(crate) const WIDTH: f32 = 50.0;

/// Draws the legend along the height of `rect`, with a tick at the threshold and one at the value under the pointer.
pub(crate) fn draw(ui: &Ui, rect: Rect, colours: ColourMap, threshold: f32, hovered: Option<f32>) {
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
        mesh.colored_vertex(pos2(bar.left(), y), colours.colour(t));
        mesh.colored_vertex(pos2(bar.right(), y), colours.colour(t));
        if i > 0 {
            let n = 2 * i;
            mesh.add_triangle(n - 2, n - 1, n);
            mesh.add_triangle(n - 1, n, n + 1);
        }
    }
    painter.add(Shape::mesh(mesh));
    painter.rect_stroke(bar, 0, Stroke::new(1.0, theme::HOVERED), StrokeKind::Outside);
    let y_of = |v: f32| bar.bottom() - v.clamp(0.0, 1.0) * bar.height();
    let threshold = Some(threshold).filter(|v| v.is_finite());
    for (value, written) in [(0.0, "0"), (0.25, "0.25"), (0.5, "0.5"), (0.75, "0.75"), (1.0, "1")] {
        let y = y_of(value);
        let near = |other: Option<f32>| other.is_some_and(|v| (y_of(v) - y).abs() < 13.0);
        painter.hline(bar.right()..=bar.right() + 3.0, painter.round_to_pixel_center(y), Stroke::new(1.0, theme::DIM));
        if near(threshold) || near(hovered) || (bar.height() < 110.0 && value.fract() != 0.0) {
            continue;
        }
        let anchor = match value {
            0.0 => Align2::LEFT_BOTTOM,
            1.0 => Align2::LEFT_TOP,
            _ => Align2::LEFT_CENTER,
        };
        let nudge = if value == 0.0 {
            3.0
        } else if value == 1.0 {
            -3.0
        } else {
            0.0
        };
        painter.text(pos2(bar.right() + 7.0, y + nudge), anchor, written, theme::regular(11.0), theme::DIM);
    }
    let tick = |value: f32, colour: Color32, font| {
        let y = y_of(value);
        let stroke = Stroke::new(1.5, colour);
        painter.hline(bar.left() - 1.0..=bar.right() + 1.0, painter.round_to_pixel_center(y), stroke);
        let tip = pos2(bar.right() + 1.0, y);
        let corners = vec![tip, tip + vec2(5.0, -3.5), tip + vec2(5.0, 3.5)];
        painter.add(Shape::convex_polygon(corners, colour, Stroke::NONE));
        painter.text(pos2(bar.right() + 8.0, y), Align2::LEFT_CENTER, text::score(value), font, colour);
    };
    if let Some(v) = hovered {
        tick(v, theme::TEXT, theme::bold(11.0));
    }
    if let Some(v) = threshold.filter(|t| hovered.is_none_or(|h| (y_of(h) - y_of(*t)).abs() >= 13.0)) {
        tick(v, theme::ACCENT, theme::regular(11.0));
    }
    let hit = ui.interact(rect, ui.scope_id().with("legend"), egui::Sense::hover());
    hit.on_hover_text("Score of a direction. Blue: the threshold for sources");
}
