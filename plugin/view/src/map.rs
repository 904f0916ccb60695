//! The flat map with its axes.

use std::f32::consts::PI;
use std::sync::Arc;

use egui::{Align2, Color32, Painter, Pos2, Rect, Sense, Shape, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};

use spherescope_dsp::{Direction, Region};

use crate::cache::ChartMesh;
use crate::chart::{self, Chart, unit};
use crate::markers::{self, Detail, Marker};
use crate::stage::{Hover, Scene};
use crate::state::MapKind;
use crate::{region, text, theme};

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

/// The map that `area` holds: as large as fits beside its axes, in the middle.
pub(crate) fn chart_in(area: Rect, kind: MapKind) -> Chart {
    let axes = Axes::for_size(area.size());
    let edge = if axes.left > 0.0 { 8.0 } else { 0.0 };
    let room = if kind == MapKind::Equirectangular {
        Rect::from_min_max(
            pos2(area.left() + axes.left, area.top() + edge),
            pos2(area.right() - edge, area.bottom() - axes.bottom),
        )
    } else {
        // Names stand around the map.
        area.shrink2(if axes.left > 0.0 { vec2(46.0, 22.0) } else { Vec2::ZERO })
    };
    Chart::inside(kind, room)
}

/// Draws the map of this accessible name into `area`; says what is under the pointer.
pub(crate) fn draw(
    ui: &Ui,
    name: &str,
    area: Rect,
    kind: MapKind,
    cached: &mut Option<ChartMesh>,
    scene: &Scene<'_>,
) -> Option<Hover> {
    let map = chart_in(area, kind);
    if map.rect.width() < 8.0 || map.rect.height() < 8.0 {
        return None;
    }
    let painter = ui.painter_at(area);
    ground(&painter, &map, scene.colours.colour(0.0));
    if let Some(texture) = scene.heat.texture() {
        let half_texel = 0.5 / crate::heat::HEIGHT as f32;
        let made_for = (map, texture, scene.backdrop);
        if cached.as_ref().is_none_or(|c| c.made_for != made_for) {
            let mesh = map.mesh(texture, half_texel);
            let behind = scene.backdrop.map(|texture| Arc::new(chart::with_texture(&mesh, texture)));
            *cached = Some(ChartMesh { made_for, mesh: Arc::new(mesh), behind });
        }
        if let Some(c) = cached {
            painter.extend(c.behind.iter().map(|mesh| Shape::Mesh(mesh.clone())));
            painter.add(Shape::Mesh(c.mesh.clone()));
        }
    }
    graticule(&painter, &map);
    region::label(&painter, &scene.snapshot.region, |d| room_for_a_word(&map, &scene.snapshot.region, d));
    let axes = Axes::for_size(area.size());
    if axes.left > 0.0 {
        if kind == MapKind::Equirectangular {
            labels(ui.painter(), &map, &axes);
        } else {
            names(ui.painter(), &map);
        }
    }
    let on_map = ui.painter_at(map.rect.expand(1.0));
    markers::trails(&on_map, scene, |d| Some(map.to_screen(d)), 0.25 * map.rect.width());
    let marks: Vec<Marker> =
        scene.sources.iter().map(|source| Marker { at: map.to_screen(&source.direction), source: *source }).collect();
    markers::draw(&on_map, map.rect.shrink(4.0), &marks, Detail::for_width(map.rect.width()), Vec::new());
    if let Some(pin) = scene.pin {
        markers::pin(&on_map, map.to_screen(&pin));
    }
    let response = ui.interact(map.rect, ui.scope_id().with(name), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, name));
    let at = response.hover_pos()?;
    let direction = map.direction(at)?;
    if kind == MapKind::Equirectangular {
        crosshair(&on_map, map.rect, at);
    }
    Some(Hover { at, direction, bounds: map.rect, clicked: response.clicked() })
}

/// The point of a direction, if a word fits there that touches nothing of the region and no edge.
fn room_for_a_word(map: &Chart, region: &Region, d: &Direction) -> Option<Pos2> {
    let at = map.to_screen(d);
    let ends = [-44.0, 0.0, 44.0].map(|x| at + vec2(x, 0.0));
    let dark = |p: &Pos2| map.direction(*p).is_some_and(|d| !region.holds(&d));
    let on_one = map.discs().is_none_or(|discs| {
        discs.iter().any(|(centre, radius)| ends.iter().all(|p| (*p - *centre).length() <= *radius))
    });
    (ends.iter().all(dark) && on_one).then_some(at)
}

/// The ground under the picture.
fn ground(painter: &Painter, map: &Chart, colour: Color32) {
    match map.discs() {
        Some(discs) => {
            for (centre, radius) in discs {
                painter.circle_filled(centre, radius, colour);
            }
        }
        None if map.kind == MapKind::Hammer => {
            painter.add(Shape::ellipse_filled(map.rect.center(), map.rect.size() / 2.0, colour));
        }
        None => {
            painter.rect_filled(map.rect, 0, colour);
        }
    }
}

fn graticule(painter: &Painter, map: &Chart) {
    let border = Stroke::new(1.0, theme::HOVERED);
    if map.kind == MapKind::Equirectangular {
        for degrees in (-150i32..=150).step_by(30) {
            let at = |az: f32, el: f32| map.at_angles(az.to_radians(), el.to_radians());
            let x = painter.round_to_pixel_center(at(degrees as f32, 0.0).x);
            painter.vline(x, map.rect.y_range(), line(degrees % 90 == 0));
            if degrees.abs() < 90 {
                let y = painter.round_to_pixel_center(at(0.0, degrees as f32).y);
                painter.hline(map.rect.x_range(), y, line(degrees == 0));
            }
        }
        painter.rect_stroke(map.rect, 0, border, StrokeKind::Outside);
        return;
    }
    let radians = |degrees: i32| (degrees as f32).to_radians();
    for azimuth in (-180..180).step_by(30) {
        let reach = if azimuth % 90 == 0 { 90 } else { 60 };
        curve(painter, map, azimuth % 90 == 0, (-reach..=reach).step_by(3).map(|el| (radians(azimuth), radians(el))));
    }
    for elevation in (-60..=60).step_by(30) {
        // Short of the back, where maps in one piece end at both sides.
        let steps = (-60..=60).map(|i| ((i as f32 / 60.0 * PI).clamp(-PI + 1e-4, PI - 1e-4), radians(elevation)));
        curve(painter, map, elevation == 0, steps);
    }
    match map.discs() {
        Some(discs) => {
            for (centre, radius) in discs {
                painter.circle_stroke(centre, radius, border);
            }
        }
        None => {
            painter.add(Shape::ellipse_stroke(map.rect.center(), map.rect.size() / 2.0, border));
        }
    }
}

/// A line through these azimuths and elevations in radians, interrupted where it changes from disc to disc.
fn curve(painter: &Painter, map: &Chart, main: bool, angles: impl Iterator<Item = (f32, f32)>) {
    let mut run: Vec<Pos2> = Vec::new();
    let mut disc = false;
    for (azimuth, elevation) in angles {
        let second = map.on_second(unit(azimuth, elevation));
        if second != disc && run.len() > 1 {
            painter.line(std::mem::take(&mut run), line(main));
        }
        if second != disc {
            run.clear();
            disc = second;
        }
        run.push(map.at_angles(azimuth, elevation));
    }
    if run.len() > 1 {
        painter.line(run, line(main));
    }
}

/// The stroke of a line of the graticule.
pub(crate) fn line(main: bool) -> Stroke {
    Stroke::new(1.0, Color32::from_white_alpha(if main { 58 } else { 24 }))
}

/// Azimuths below the map, with their names in a line of their own; elevations at its left.
fn labels(painter: &Painter, map: &Chart, axes: &Axes) {
    let rect = map.rect;
    // A label of degrees takes some 42 points.
    let every = if axes.every < 90 && rect.width() < 12.0 * 42.0 { 90 } else { axes.every };
    let at_degrees = |az: i32, el: i32| map.at_angles((az as f32).to_radians(), (el as f32).to_radians());
    for azimuth in (-180i32..=180).step_by(every as usize) {
        let name = match azimuth {
            0 => "front",
            90 => "left",
            -90 => "right",
            180 | -180 => "back",
            _ => "",
        };
        let mut at = pos2(at_degrees(azimuth, 0).x, rect.bottom() + 5.0);
        if axes.degrees {
            let written = if azimuth.abs() == 180 { "±180°".into() } else { text::degrees(azimuth.into()) };
            at.y = put(painter, at, Align2::CENTER_TOP, &written, false).bottom();
        }
        // Without room beside the map the names at its ends stay below it.
        let anchor = match azimuth {
            180 if !axes.degrees => Align2::LEFT_TOP,
            -180 if !axes.degrees => Align2::RIGHT_TOP,
            _ => Align2::CENTER_TOP,
        };
        put(painter, at, anchor, name, true);
    }
    let every = if axes.every < 90 && rect.height() > 150.0 { 30 } else { 90 };
    for elevation in (-90..=90).step_by(every) {
        let name = match elevation {
            90 => "up",
            -90 => "down",
            _ => "",
        };
        let mut at = pos2(rect.left() - 7.0, at_degrees(0, elevation).y);
        if axes.degrees || name.is_empty() {
            at.x = put(painter, at, Align2::RIGHT_CENTER, &text::degrees(elevation.into()), false).left() - 5.0;
        }
        put(painter, at, Align2::RIGHT_CENTER, name, true);
    }
}

/// The names of the axes around maps without edges to read angles at, and degrees along their horizon.
fn names(painter: &Painter, map: &Chart) {
    let rect = map.rect;
    let Some([(first, radius), (second, _)]) = map.discs() else {
        put(painter, rect.center_top() - vec2(0.0, 4.0), Align2::CENTER_BOTTOM, "up", true);
        put(painter, rect.center_bottom() + vec2(0.0, 4.0), Align2::CENTER_TOP, "down", true);
        put(painter, rect.left_center() - vec2(7.0, 0.0), Align2::RIGHT_CENTER, "back", true);
        put(painter, rect.right_center() + vec2(7.0, 0.0), Align2::LEFT_CENTER, "back", true);
        for (azimuth, name) in [(90, "left"), (0, "front"), (-90, "right")] {
            let at = map.at(unit((azimuth as f32).to_radians(), 0.0));
            over(painter, at, name);
        }
        for azimuth in [150, 120, 60, 30, -30, -60, -120, -150] {
            let at = map.at(unit((azimuth as f32).to_radians(), 0.0));
            small(painter, at + vec2(0.0, 3.0), Align2::CENTER_TOP, &text::degrees(azimuth.into()));
        }
        for elevation in [-60, -30, 30, 60] {
            let at = map.at(unit(0.0, (elevation as f32).to_radians()));
            small(painter, at + vec2(4.0, 0.0), Align2::LEFT_CENTER, &text::degrees(elevation.into()));
        }
        return;
    };
    let around = |centre: Pos2, words: [&str; 4]| {
        let [top, bottom, left, right] = words;
        let r = radius + 4.0;
        put(painter, centre - vec2(0.0, r), Align2::CENTER_BOTTOM, top, true);
        put(painter, centre + vec2(0.0, r), Align2::CENTER_TOP, bottom, true);
        put(painter, centre - vec2(r + 3.0, 0.0), Align2::RIGHT_CENTER, left, true);
        put(painter, centre + vec2(r + 3.0, 0.0), Align2::LEFT_CENTER, right, true);
    };
    // Where the discs touch there is no room, and the other disc says the same.
    if map.kind == MapKind::UpDown {
        around(first, ["front", "back", "left", ""]);
        around(second, ["front", "back", "", "right"]);
        corner(painter, rect.left_top(), Align2::LEFT_TOP, "above");
        corner(painter, rect.right_top(), Align2::RIGHT_TOP, "below");
    } else {
        around(first, ["up", "down", "left", ""]);
        around(second, ["up", "down", "", "left"]);
        put(painter, rect.center() + vec2(0.0, 0.42 * rect.height()), Align2::CENTER_TOP, "right", true);
        corner(painter, rect.left_top(), Align2::LEFT_TOP, "ahead");
        corner(painter, rect.right_top(), Align2::RIGHT_TOP, "behind");
    }
    for elevation in [30, 60] {
        for (azimuth, sign) in [(0, 1), (0, -1)] {
            let el = elevation * sign;
            let at = map.at(unit((azimuth as f32).to_radians(), (el as f32).to_radians()));
            small(painter, at + vec2(4.0, 0.0), Align2::LEFT_CENTER, &text::degrees(el.into()));
        }
    }
}

fn put(painter: &Painter, at: Pos2, anchor: Align2, text: &str, name: bool) -> Rect {
    let (font, colour) = if name { (theme::bold(11.5), theme::TEXT) } else { (theme::regular(11.0), theme::DIM) };
    painter.text(at, anchor, text, font, colour)
}

/// The name of a disc in a free corner of its square.
fn corner(painter: &Painter, at: Pos2, anchor: Align2, text: &str) {
    painter.text(at, anchor, text, theme::regular(11.5), theme::DIM);
}

/// Degrees on the map itself.
fn small(painter: &Painter, at: Pos2, anchor: Align2, text: &str) {
    painter.text(at, anchor, text, theme::regular(10.0), Color32::from_white_alpha(120));
}

/// A name on the map itself, on a dark chip.
fn over(painter: &Painter, at: Pos2, text: &str) {
    let galley = painter.layout_no_wrap(text.to_owned(), theme::bold(11.5), theme::TEXT);
    let rect = Align2::CENTER_TOP.anchor_size(at + vec2(0.0, 3.0), galley.size());
    painter.rect_filled(rect.expand2(vec2(4.0, 0.0)), 3, Color32::from_rgba_unmultiplied(10, 13, 18, 170));
    painter.galley(rect.min, galley, theme::TEXT);
}

fn crosshair(painter: &Painter, rect: Rect, at: Pos2) {
    let stroke = Stroke::new(1.0, Color32::from_white_alpha(70));
    painter.vline(painter.round_to_pixel_center(at.x), rect.y_range(), stroke);
    painter.hline(rect.x_range(), painter.round_to_pixel_center(at.y), stroke);
}
