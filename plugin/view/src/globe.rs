//! The globe: the same picture on a sphere, turned with the mouse.

use std::f32::consts::TAU;
use std::sync::Arc;

use egui::{
    Align2, Color32, CursorIcon, Mesh, Painter, Pos2, Rect, Sense, Shape, Stroke, TextureId, Ui, Vec2, epaint::Vertex,
    vec2,
};

use crate::cache::GlobeMesh;
use crate::markers::{self, Detail, Marker};
use crate::projection::Globe;
use crate::stage::{Hover, Scene};
use crate::state::ViewState;
use crate::{capsules, chart, map, region, theme};

const RINGS: usize = 40;
const SECTORS: usize = 120;

/// The globe that fits into `area`.
pub(crate) fn globe_in(area: Rect, state: &ViewState) -> Globe {
    let margin = if area.size().min_elem() < 160.0 { 6.0 } else { 22.0 };
    let radius = (area.size().min_elem() / 2.0 - margin).clamp(0.0, 1200.0);
    Globe::new(area.center(), radius, state.globe_yaw_deg, state.globe_pitch_deg)
}

/// Turns the globe by the mouse. To be called before the scene is drawn, so that the globe does not lag behind. Returns whether it was
/// clicked.
pub(crate) fn turn(ui: &Ui, area: Rect, state: &mut ViewState) -> bool {
    let globe = globe_in(area, state);
    if globe.radius < 4.0 {
        return false;
    }
    let disc = Rect::from_center_size(globe.centre, Vec2::splat(2.0 * globe.radius));
    let response =
        ui.interact(disc, ui.scope_id().with("globe"), Sense::click_and_drag()).on_hover_cursor(CursorIcon::Grab);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Globe of the sphere"));
    if response.dragged() {
        let turned = response.drag_delta() / globe.radius;
        state.globe_yaw_deg -= turned.x.to_degrees();
        state.globe_pitch_deg += turned.y.to_degrees();
        ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
    }
    if response.double_clicked() {
        state.reset_globe();
    }
    state.tidy();
    response.clicked()
}

/// Draws the globe; says what is under the pointer.
pub(crate) fn draw(
    ui: &Ui,
    area: Rect,
    globe: &Globe,
    angles: (f32, f32),
    cached: &mut Option<GlobeMesh>,
    scene: &Scene<'_>,
) -> Option<Hover> {
    if globe.radius < 4.0 {
        return None;
    }
    let painter = ui.painter_at(area);
    let (centre, radius) = (globe.centre, globe.radius);
    painter.circle_stroke(centre, radius + 3.0, Stroke::new(6.0, theme::with_alpha(theme::ACCENT, 14)));
    painter.circle_filled(centre, radius, scene.colours.colour(0.0));
    if let Some(texture) = scene.heat.texture() {
        let made_for = (centre, radius, angles.0, angles.1, texture, scene.backdrop);
        if cached.as_ref().is_none_or(|c| c.made_for != made_for) {
            let mesh = surface(globe, texture);
            let behind = scene.backdrop.map(|texture| Arc::new(chart::with_texture(&mesh, texture)));
            *cached = Some(GlobeMesh { made_for, mesh: Arc::new(mesh), behind });
        }
        if let Some(c) = cached {
            painter.extend(c.behind.iter().map(|mesh| Shape::Mesh(mesh.clone())));
            painter.add(Shape::Mesh(c.mesh.clone()));
        }
    }
    graticule(&painter, globe);
    region::label(&painter, &scene.snapshot.region, |d| {
        let (at, depth) = globe.project(d.unit().map(|x| x as f32));
        (depth > 0.55 && radius > 90.0).then_some(at)
    });
    painter.circle_stroke(centre, radius, Stroke::new(1.5, Color32::from_rgb(0x46, 0x55, 0x66)));
    let mut taken = names(&painter, globe);
    if radius > 130.0 {
        taken.extend(capsules::inset(ui, area, globe, scene));
    }
    let seen = |d: &spherescope_dsp::Direction| Some(globe.to_screen(d)).filter(|(_, seen)| *seen).map(|(at, _)| at);
    markers::trails(&painter, scene, seen, radius);
    let mut marks = Vec::new();
    for source in &scene.sources {
        let (at, seen) = globe.to_screen(&source.direction);
        if seen {
            marks.push(Marker { at, source: *source });
        } else if source.sounding {
            taken.push(behind(&painter, globe, at, &source.number()));
        }
    }
    markers::draw(&painter, area.shrink(4.0), &marks, Detail::for_width(2.1 * radius), taken);
    if let Some(at) = scene.pin.and_then(|pin| seen(&pin)) {
        markers::pin(&painter, at);
    }
    let at = ui.ctx().pointer_hover_pos().filter(|p| ui.rect_contains_pointer(area) && area.contains(*p))?;
    Some(Hover { at, direction: globe.direction(at)?, bounds: area, clicked: false })
}

/// The half that is seen, as rings about the middle, each point with its place in the picture and its shade.
fn surface(globe: &Globe, texture: TextureId) -> Mesh {
    let mut mesh = Mesh::with_texture(texture);
    mesh.reserve_vertices((RINGS + 1) * SECTORS);
    mesh.reserve_triangles(2 * RINGS * SECTORS);
    let half_texel = 0.5 / crate::heat::HEIGHT as f32;
    for ring in 0..=RINGS {
        // Rings lie closer near the limb, where the sphere turns away faster.
        let (r, depth) = (ring as f32 / RINGS as f32 * TAU / 4.0).sin_cos();
        let shade = (255.0 * (0.42 + 0.58 * depth.powf(0.6))) as u8;
        for sector in 0..SECTORS {
            let (s, c) = (sector as f32 / SECTORS as f32 * TAU).sin_cos();
            let p = vec2(c, s) * r;
            let v = globe.vector(p * 0.99999).unwrap_or([1.0, 0.0, 0.0]);
            mesh.vertices.push(Vertex {
                pos: globe.centre + p * globe.radius,
                uv: chart::texel(v, half_texel),
                color: Color32::from_gray(shade),
            });
        }
    }
    chart::rings(&mut mesh, 0, RINGS, SECTORS);
    mesh
}

fn graticule(painter: &Painter, globe: &Globe) {
    for azimuth in (0..360).step_by(30) {
        let reach = if azimuth % 90 == 0 { 90 } else { 60 };
        curve(painter, globe, azimuth % 90 == 0, (-reach..=reach).step_by(5).map(|el| (azimuth, el)));
    }
    for elevation in (-60..=60).step_by(30) {
        curve(painter, globe, elevation == 0, (0..=360).step_by(5).map(|az| (az, elevation)));
    }
}

/// Draws the seen parts of a curve through these azimuths and elevations in degrees.
fn curve(painter: &Painter, globe: &Globe, main: bool, points: impl Iterator<Item = (i32, i32)>) {
    let mut run = Vec::new();
    for (azimuth, elevation) in points {
        let (p, depth) = globe.project(chart::unit((azimuth as f32).to_radians(), (elevation as f32).to_radians()));
        if depth > 0.0 {
            run.push(p);
        } else if run.len() > 1 {
            painter.line(std::mem::take(&mut run), map::line(main));
        } else {
            run.clear();
        }
    }
    if run.len() > 1 {
        painter.line(run, map::line(main));
    }
}

/// Names the six axes where they come towards the viewer. Returns where the names lie.
fn names(painter: &Painter, globe: &Globe) -> Vec<Rect> {
    let mut taken = Vec::new();
    for (name, axis) in [
        ("front", [1.0, 0.0, 0.0]),
        ("back", [-1.0, 0.0, 0.0]),
        ("left", [0.0, 1.0, 0.0]),
        ("right", [0.0, -1.0, 0.0]),
        ("up", [0.0, 0.0, 1.0]),
        ("down", [0.0, 0.0, -1.0]),
    ] {
        let (p, depth) = globe.project(axis);
        if depth < -0.02 {
            continue;
        }
        // Near the limb a name moves outwards, off the picture.
        let outwards = (p - globe.centre).normalized() * 13.0 * (1.0 - depth).max(0.0).powi(2);
        let at = p + outwards + vec2(0.0, if depth > 0.3 { 10.0 } else { 0.0 });
        if depth > 0.3 {
            painter.circle_filled(p, 2.5, Color32::from_black_alpha(160));
            painter.circle_filled(p, 1.5, Color32::from_white_alpha(200));
        }
        let front = name == "front";
        let font = if front { theme::bold(11.5) } else { theme::regular(11.5) };
        let galley = painter.layout_no_wrap(name.into(), font, if front { Color32::WHITE } else { theme::TEXT });
        let rect = Align2::CENTER_CENTER.anchor_size(at, galley.size());
        painter.rect_filled(rect.expand2(vec2(4.0, 0.0)), 3, Color32::from_rgba_unmultiplied(10, 13, 18, 190));
        painter.galley(rect.min, galley, theme::TEXT);
        taken.push(rect.expand2(vec2(4.0, 1.0)));
    }
    taken
}

/// A source on the far side: its number at the limb, where turning would bring it up.
fn behind(painter: &Painter, globe: &Globe, at: Pos2, number: &str) -> Rect {
    let out = at - globe.centre;
    let out = if out.length() < 1e-3 { vec2(0.0, -1.0) } else { out.normalized() };
    let p = globe.centre + out * (globe.radius + 1.0);
    painter.circle_filled(p, 7.5, theme::PANEL);
    painter.circle_stroke(p, 7.5, Stroke::new(1.0, theme::with_alpha(theme::DIM, 150)));
    painter.text(p, Align2::CENTER_CENTER, number, theme::regular(10.5), theme::DIM);
    Rect::from_center_size(p, Vec2::splat(15.0))
}
