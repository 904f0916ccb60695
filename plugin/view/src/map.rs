//! The equirectangular map with its axes.

use egui::{Align2, Color32, Painter, Pos2, Rect, Sense, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};

use crate::markers::{self, Detail, Marker};
use crate::projection::Equirectangular;
use crate::stage::{Hover, Scene};
use crate::{text, theme};

/// How much room the axes take, by how much there is.
struct Axes {
    left: f32,
    bottom: f32,
    /// Whether the cardinal labels carry degrees beside their names.
    degrees: bool,
    /// Degrees between two labels.
    every: i32,
}

impl Axes {
    fn for_size(size: Vec2) -> Self {
        match (size.x, size.y) {
            (w, h) if w < 200.0 || h < 110.0 => Self { left: 0.0, bottom: 0.0, degrees: false, every: 90 },
            (w, h) if w < 400.0 || h < 170.0 => Self { left: 40.0, bottom: 18.0, degrees: false, every: 90 },
            (w, _) if w < 560.0 => Self { left: 68.0, bottom: 36.0, degrees: true, every: 90 },
            _ => Self { left: 68.0, bottom: 36.0, degrees: true, every: 30 },
        }
    }
}

/// The part of `area` that the map itself covers: as large as fits, between 3:2 and 5:2, in the middle.
pub(crate) fn map_rect(area: Rect) -> Rect {
    let axes = Axes::for_size(area.size());
    let edge = if axes.left > 0.0 { 8.0 } else { 0.0 };
    let room = Rect::from_min_max(
        pos2(area.left() + axes.left, area.top() + edge),
        pos2(area.right() - edge, area.bottom() - axes.bottom),
    );
    let width = room.width().min(room.height() * 2.5).max(0.0);
    let height = room.height().min(width / 1.5).max(0.0);
    Rect::from_center_size(room.center(), vec2(width, height))
}

/// Draws the map into `area`; says what is under the pointer.
pub(crate) fn draw(ui: &Ui, area: Rect, scene: &Scene<'_>) -> Option<Hover> {
    let map = Equirectangular { rect: map_rect(area) };
    if map.rect.width() < 8.0 || map.rect.height() < 8.0 {
        return None;
    }
    let painter = ui.painter_at(area);
    painter.rect_filled(map.rect, 0, scene.colours.colour(0.0));
    if let Some(texture) = scene.heat.texture() {
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        // The picture repeats along azimuth only: the poles keep half a texel off its edges.
        let half = 0.5 / crate::heat::HEIGHT as f32;
        let uv = Rect::from_min_max(pos2(uv.left(), half), pos2(uv.right(), 1.0 - half));
        painter.image(texture, map.rect, uv, Color32::WHITE);
    }
    graticule(&painter, &map);
    let axes = Axes::for_size(area.size());
    if axes.left > 0.0 {
        labels(ui.painter(), &map, &axes);
    }
    let marks: Vec<Marker> = scene
        .peaks()
        .map(|(number, peak)| Marker { number, at: map.to_screen(&peak.direction), peak: *peak })
        .collect();
    let on_map = ui.painter_at(map.rect.expand(1.0));
    markers::draw(&on_map, map.rect.shrink(4.0), &marks, Detail::for_width(map.rect.width()), Vec::new());
    let response = ui.interact(map.rect, ui.scope_id().with("map"), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Map of the sphere"));
    let at = response.hover_pos()?;
    crosshair(&on_map, map.rect, at);
    Some(Hover { at, direction: map.direction(at)?, bounds: map.rect })
}

fn graticule(painter: &Painter, map: &Equirectangular) {
    for degrees in (-150i32..=150).step_by(30) {
        let x = painter.round_to_pixel_center(map.at_degrees(degrees as f32, 0.0).x);
        painter.vline(x, map.rect.y_range(), line(degrees % 90 == 0));
        if degrees.abs() < 90 {
            let y = painter.round_to_pixel_center(map.at_degrees(0.0, degrees as f32).y);
            painter.hline(map.rect.x_range(), y, line(degrees == 0));
        }
    }
    painter.rect_stroke(map.rect, 0, Stroke::new(1.0, theme::HOVERED), StrokeKind::Outside);
}

/// The stroke of a line of the graticule.
pub(crate) fn line(main: bool) -> Stroke {
    Stroke::new(1.0, Color32::from_white_alpha(if main { 58 } else { 24 }))
}

/// Azimuths below the map, with their names in a line of their own; elevations at its left.
fn labels(painter: &Painter, map: &Equirectangular, axes: &Axes) {
    let rect = map.rect;
    let put = |at: Pos2, anchor: Align2, text: String, name: bool| {
        let (font, colour) = if name { (theme::bold(11.5), theme::TEXT) } else { (theme::regular(11.0), theme::DIM) };
        painter.text(at, anchor, text, font, colour)
    };
    for azimuth in (-180i32..=180).step_by(axes.every as usize) {
        let name = match azimuth {
            0 => "front",
            90 => "left",
            -90 => "right",
            180 | -180 => "back",
            _ => "",
        };
        let mut at = pos2(map.at_degrees(azimuth as f32, 0.0).x, rect.bottom() + 5.0);
        if axes.degrees {
            let written = if azimuth.abs() == 180 { "±180°".into() } else { text::degrees(azimuth.into()) };
            at.y = put(at, Align2::CENTER_TOP, written, false).bottom();
        }
        // Without room beside the map the names at its ends stay below it.
        let anchor = match azimuth {
            180 if !axes.degrees => Align2::LEFT_TOP,
            -180 if !axes.degrees => Align2::RIGHT_TOP,
            _ => Align2::CENTER_TOP,
        };
        put(at, anchor, name.into(), true);
    }
    let every = if axes.every < 90 && rect.height() > 150.0 { 30 } else { 90 };
    for elevation in (-90..=90).step_by(every) {
        let name = match elevation {
            90 => "up",
            -90 => "down",
            _ => "",
        };
        let mut at = pos2(rect.left() - 7.0, map.at_degrees(0.0, elevation as f32).y);
        if axes.degrees || name.is_empty() {
            at.x = put(at, Align2::RIGHT_CENTER, text::degrees(elevation.into()), false).left() - 5.0;
        }
        put(at, Align2::RIGHT_CENTER, name.into(), true);
    }
}

fn crosshair(painter: &Painter, rect: Rect, at: Pos2) {
    let stroke = Stroke::new(1.0, Color32::from_white_alpha(70));
    painter.vline(painter.round_to_pixel_center(at.x), rect.y_range(), stroke);
    painter.hline(rect.x_range(), painter.round_to_pixel_center(at.y), stroke);
}
