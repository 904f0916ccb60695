//! Flat maps of the whole sphere: where a direction lies on the screen, what lies under a point, and the picture bent to fit.
//!
//! All of them draw +90° (left) at the left of the front and elevation +90° (up) at the top, as the field does.

use std::f32::consts::{FRAC_PI_2, PI, SQRT_2, TAU};

use egui::{Color32, Mesh, Pos2, Rect, TextureId, Vec2, epaint::Vertex, pos2, vec2};
use spherescope_dsp::Direction;

use crate::state::MapKind;

/// A map of one kind in a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chart {
    /// How the sphere is laid out.
    pub(crate) kind: MapKind,
    /// Where the map lies; the two hemispheres share it side by side.
    pub(crate) rect: Rect,
}

/// Unit vectors of a hemisphere's disc: towards its middle, towards its right edge, towards its upper edge.
type Axes = [[f32; 3]; 3];

impl Chart {
    /// The largest map of a kind inside `room`. The rectangle takes any shape between 3:2 and 5:2, the others keep theirs.
    pub(crate) fn inside(kind: MapKind, room: Rect) -> Self {
        let (width, height) = match kind {
            MapKind::Equirectangular => {
                let width = room.width().min(room.height() * 2.5).max(0.0);
                (width, room.height().min(width / 1.5).max(0.0))
            }
            MapKind::Hammer => {
                let height = room.height().min(room.width() / 2.0).max(0.0);
                (2.0 * height, height)
            }
            MapKind::UpDown | MapKind::FrontBack => {
                let height = room.height().min(room.width() / (2.0 + GAP)).max(0.0);
                ((2.0 + GAP) * height, height)
            }
        };
        Self { kind, rect: Rect::from_center_size(room.center(), vec2(width, height)) }
    }

    /// Centre and radius of the two discs; nothing for maps in one piece.
    pub(crate) fn discs(&self) -> Option<[(Pos2, f32); 2]> {
        let radius = self.rect.height() / 2.0;
        matches!(self.kind, MapKind::UpDown | MapKind::FrontBack).then(|| {
            [self.rect.left() + radius, self.rect.right() - radius].map(|x| (pos2(x, self.rect.center().y), radius))
        })
    }

    fn axes(&self, second: bool) -> Axes {
        match (self.kind, second) {
            // Both as floor plans: the front ahead, left at the left.
            (MapKind::UpDown, false) => [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]],
            (MapKind::UpDown, true) => [[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]],
            // One looks ahead, then turns round to the right: the discs touch where they continue each other.
            (_, false) => [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]],
            (_, true) => [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        }
    }

    /// The point of a unit vector.
    pub(crate) fn at(&self, v: [f32; 3]) -> Pos2 {
        let [x, y, z] = v;
        match self.kind {
            MapKind::Equirectangular | MapKind::Hammer => self.at_angles(y.atan2(x), z.atan2(x.hypot(y))),
            _ => self.on_disc(v, self.on_second(v)),
        }
    }

    /// Whether a unit vector lies on the second of two discs.
    pub(crate) fn on_second(&self, [x, _, z]: [f32; 3]) -> bool {
        match self.kind {
            MapKind::UpDown => z < 0.0,
            MapKind::FrontBack => x < 0.0,
            MapKind::Equirectangular | MapKind::Hammer => false,
        }
    }

    /// The point of a direction.
    pub(crate) fn to_screen(self, d: &Direction) -> Pos2 {
        self.at(d.unit().map(|x| x as f32))
    }

    /// The point at azimuth and elevation in radians, on maps in one piece; an azimuth of ±π keeps its side.
    pub(crate) fn at_angles(&self, azimuth: f32, elevation: f32) -> Pos2 {
        match self.kind {
            MapKind::Hammer => {
                let ((se, ce), (sh, ch)) = (elevation.sin_cos(), (azimuth / 2.0).sin_cos());
                let w = (1.0 + ce * ch).max(1e-6).sqrt();
                let half = self.rect.size() / 2.0;
                self.rect.center() + vec2(-ce * sh / w * half.x, -se / w * half.y)
            }
            MapKind::Equirectangular => pos2(
                self.rect.left() + (PI - azimuth) / TAU * self.rect.width(),
                self.rect.top() + (FRAC_PI_2 - elevation) / PI * self.rect.height(),
            ),
            MapKind::UpDown | MapKind::FrontBack => self.at(unit(azimuth, elevation)),
        }
    }

    fn on_disc(&self, v: [f32; 3], second: bool) -> Pos2 {
        let Some(discs) = self.discs() else { return self.rect.center() };
        let (centre, radius) = discs[usize::from(second)];
        let [middle, right, up] = self.axes(second);
        // Lambert's equal-area projection: r = √2 sin(ρ/2), 1 at the edge.
        let flat = vec2(dot(v, right), -dot(v, up));
        let r = (1.0 - dot(v, middle)).max(0.0).sqrt();
        let length = flat.length();
        centre + if length > 1e-9 { flat / length * r * radius } else { Vec2::ZERO }
    }

    /// The direction under a point, if the point lies on the map.
    pub(crate) fn direction(&self, p: Pos2) -> Option<Direction> {
        if !self.rect.is_positive() || !self.rect.contains(p) {
            return None;
        }
        let v = match self.kind {
            MapKind::Equirectangular => {
                let azimuth = PI - TAU * (p.x - self.rect.left()) / self.rect.width();
                let elevation = FRAC_PI_2 - PI * (p.y - self.rect.top()) / self.rect.height();
                unit(azimuth, elevation)
            }
            MapKind::Hammer => {
                let half = self.rect.size() / 2.0;
                let (x, y) = ((self.rect.center().x - p.x) / half.x, (self.rect.center().y - p.y) / half.y);
                let square = x * x + y * y;
                if square > 1.0 {
                    return None;
                }
                let w = (1.0 - square / 2.0).max(0.0).sqrt();
                // Hammer's inverse (1892), with x and y in units of the half axes.
                let azimuth = 2.0 * (SQRT_2 * w * x).atan2(2.0 * w * w - 1.0);
                let elevation = (SQRT_2 * w * y).clamp(-1.0, 1.0).asin();
                unit(azimuth, elevation)
            }
            MapKind::UpDown | MapKind::FrontBack => {
                let discs = self.discs()?;
                let (second, offset) = discs.iter().enumerate().find_map(|(i, (centre, radius))| {
                    let offset = (p - *centre) / radius.max(1e-6);
                    (offset.length() <= 1.0).then_some((i == 1, offset))
                })?;
                let [middle, right, up] = self.axes(second);
                let r = offset.length();
                let along = 1.0 - r * r;
                let flat = (1.0 - along * along).max(0.0).sqrt();
                let side = if r > 1e-9 { offset / r * flat } else { Vec2::ZERO };
                std::array::from_fn(|i| along * middle[i] + side.x * right[i] - side.y * up[i])
            }
        };
        Direction::from_vector(v.map(f64::from)).ok()
    }

    /// The picture (azimuth +180° … −180° along u, repeating, elevation +90° … −90° along v) bent onto the map; half a texel at the
    /// poles is left out, as the picture repeats along azimuth only.
    pub(crate) fn mesh(&self, texture: TextureId, half_texel: f32) -> Mesh {
        let mut mesh = Mesh::with_texture(texture);
        match self.kind {
            MapKind::Equirectangular => {
                let uv = Rect::from_min_max(pos2(0.0, half_texel), pos2(1.0, 1.0 - half_texel));
                mesh.add_rect_with_uv(self.rect, uv, Color32::WHITE);
            }
            MapKind::Hammer => {
                const COLUMNS: usize = 96;
                const ROWS: usize = 64;
                for row in 0..=ROWS {
                    let v = row as f32 / ROWS as f32;
                    for column in 0..=COLUMNS {
                        let u = column as f32 / COLUMNS as f32;
                        let pos = self.at_angles(PI - TAU * u, FRAC_PI_2 - PI * v);
                        let uv = pos2(u, v.clamp(half_texel, 1.0 - half_texel));
                        mesh.vertices.push(Vertex { pos, uv, color: Color32::WHITE });
                    }
                }
                for row in 0..ROWS {
                    for column in 0..COLUMNS {
                        let a = (row * (COLUMNS + 1) + column) as u32;
                        let below = a + COLUMNS as u32 + 1;
                        mesh.add_triangle(a, below, below + 1);
                        mesh.add_triangle(a, below + 1, a + 1);
                    }
                }
            }
            MapKind::UpDown | MapKind::FrontBack => {
                for second in [false, true] {
                    self.disc_mesh(&mut mesh, second, half_texel);
                }
            }
        }
        mesh
    }

    fn disc_mesh(&self, mesh: &mut Mesh, second: bool, half_texel: f32) {
        const RINGS: usize = 40;
        const SECTORS: usize = 120;
        let [middle, right, up] = self.axes(second);
        let first = mesh.vertices.len();
        for ring in 0..=RINGS {
            let (flat, along) = (ring as f32 / RINGS as f32 * FRAC_PI_2).sin_cos();
            for sector in 0..SECTORS {
                let (s, c) = (sector as f32 / SECTORS as f32 * TAU).sin_cos();
                let v: [f32; 3] = std::array::from_fn(|i| along * middle[i] + flat * (c * right[i] + s * up[i]));
                mesh.vertices.push(Vertex {
                    pos: self.on_disc(v, second),
                    uv: texel(v, half_texel),
                    color: Color32::WHITE,
                });
            }
        }
        rings(mesh, first, RINGS, SECTORS);
    }
}

/// The same surface with another picture on it.
pub(crate) fn with_texture(mesh: &Mesh, texture: TextureId) -> Mesh {
    Mesh { texture_id: texture, ..mesh.clone() }
}

/// Distance between the two discs, in radii times two.
const GAP: f32 = 0.05;

/// The unit vector of azimuth and elevation in radians.
pub(crate) fn unit(azimuth: f32, elevation: f32) -> [f32; 3] {
    let ((sa, ca), (se, ce)) = (azimuth.sin_cos(), elevation.sin_cos());
    [ce * ca, ce * sa, se]
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Where in the picture a direction lies.
pub(crate) fn texel([x, y, z]: [f32; 3], half_texel: f32) -> Pos2 {
    pos2(0.5 - y.atan2(x) / TAU, (0.5 - z.atan2(x.hypot(y)) / PI).clamp(half_texel, 1.0 - half_texel))
}

/// Triangles between rings of vertices, the first of which is a point, `first` on.
pub(crate) fn rings(mesh: &mut Mesh, first: usize, rings: usize, sectors: usize) {
    for ring in 0..rings {
        for sector in 0..sectors {
            let next = (sector + 1) % sectors;
            let [a, b, c, d] = [(ring, sector), (ring, next), (ring + 1, sector), (ring + 1, next)]
                .map(|(r, s)| first + r * sectors + s);
            triangle(mesh, [a, c, d]);
            if ring > 0 {
                triangle(mesh, [a, d, b]);
            }
        }
    }
}

/// Adds a triangle. One that straddles the back of the picture gets corners of its own beyond the edge, where the picture repeats.
fn triangle(mesh: &mut Mesh, corners: [usize; 3]) {
    let u = corners.map(|i| mesh.vertices[i].uv.x);
    let (low, high) = (u[0].min(u[1]).min(u[2]), u[0].max(u[1]).max(u[2]));
    let [a, b, c] = if high - low <= 0.5 {
        corners
    } else {
        corners.map(|i| {
            let mut vertex = mesh.vertices[i];
            if vertex.uv.x >= 0.5 {
                return i;
            }
            vertex.uv.x += 1.0;
            mesh.vertices.push(vertex);
            mesh.vertices.len() - 1
        })
    };
    mesh.add_triangle(a as u32, b as u32, c as u32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chart(kind: MapKind) -> Chart {
        Chart::inside(kind, Rect::from_min_size(pos2(10.0, 20.0), vec2(820.0, 400.0)))
    }

    #[test]
    fn left_is_drawn_left_and_up_is_drawn_up() {
        for kind in [MapKind::Equirectangular, MapKind::Hammer] {
            let map = chart(kind);
            assert!((map.to_screen(&Direction::FRONT) - map.rect.center()).length() < 1e-3, "{kind:?}");
            let left = map.to_screen(&Direction::LEFT);
            assert!(left.x < map.rect.center().x - 0.2 * map.rect.width(), "{kind:?}: {left:?}");
            assert!((map.to_screen(&Direction::UP).y - map.rect.top()).abs() < 0.1, "{kind:?}");
        }
        let map = chart(MapKind::UpDown);
        let [(up, radius), (down, _)] = map.discs().unwrap();
        assert!((map.to_screen(&Direction::UP) - up).length() < 1e-3);
        assert!((map.to_screen(&Direction::from_degrees(0.0, -90.0).unwrap()) - down).length() < 1e-3);
        let ahead_left = map.to_screen(&Direction::from_degrees(45.0, 30.0).unwrap()) - up;
        assert!(ahead_left.x < -0.2 * radius && ahead_left.y < -0.2 * radius);
        let map = chart(MapKind::FrontBack);
        let [(front, radius), (back, _)] = map.discs().unwrap();
        assert!((map.to_screen(&Direction::FRONT) - front).length() < 1e-3);
        assert!((map.to_screen(&Direction::LEFT).x - (front.x - radius)).abs() < 1e-2);
        let right_behind = map.to_screen(&Direction::from_degrees(-120.0, 0.0).unwrap());
        assert!(right_behind.x < back.x && right_behind.x > front.x, "the discs continue each other");
    }

    #[test]
    fn equal_areas_are_equal_on_hammer_and_discs() {
        // A cap of 10° covers the same number of pixels wherever it lies.
        for kind in [MapKind::Hammer, MapKind::UpDown, MapKind::FrontBack] {
            let map = chart(kind);
            let covered = |az: f64, el: f64| {
                let middle = Direction::from_degrees(az, el).unwrap();
                let mut n = 0;
                for y in (0..800).map(|y| map.rect.top() + 0.5 * y as f32) {
                    for x in (0..1700).map(|x| map.rect.left() + 0.5 * x as f32) {
                        n += i32::from(map.direction(pos2(x, y)).is_some_and(|d| d.angle_to_deg(&middle) < 10.0));
                    }
                }
                f64::from(n)
            };
            let counts = [(20.0, 45.0), (140.0, 30.0), (-100.0, -60.0)].map(|(az, el)| covered(az, el));
            for count in counts {
                assert!((count / counts[0] - 1.0).abs() < 0.03, "{kind:?}: {counts:?}");
            }
        }
    }

    #[test]
    fn nothing_lies_outside() {
        for kind in MapKind::ALL {
            assert!(chart(kind).direction(pos2(0.0, 0.0)).is_none());
            assert!(Chart::inside(kind, Rect::ZERO).direction(Pos2::ZERO).is_none());
            let mesh = chart(kind).mesh(TextureId::default(), 0.002);
            let slack = chart(kind).rect.expand(0.01);
            assert!(mesh.is_valid() && mesh.vertices.iter().all(|v| slack.contains(v.pos)), "{kind:?}");
        }
        let corner = chart(MapKind::Hammer).rect.min + vec2(3.0, 3.0);
        assert!(chart(MapKind::Hammer).direction(corner).is_none());
    }

    proptest! {
        #[test]
        fn every_map_is_its_own_inverse(azimuth in -179.0f64..179.0, elevation in -88.0f64..88.0, kind in 0..4usize) {
            let map = chart(MapKind::ALL[kind]);
            let d = Direction::from_degrees(azimuth, elevation).unwrap();
            let Some(back) = map.direction(map.to_screen(&d)) else {
                // On the very rim a rounding error may fall outside.
                prop_assert!(map.discs().is_some());
                return Ok(());
            };
            prop_assert!(d.angle_to_deg(&back) < 0.3, "{:?}: {} {} → {}", map.kind, azimuth, elevation, d.angle_to_deg(&back));
        }
    }
}
