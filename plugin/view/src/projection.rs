//! From directions to the screen and back.

use egui::{Pos2, Rect, Vec2, pos2, vec2};
use spherescope_dsp::Direction;

/// The whole sphere in a rectangle: azimuth +180° at the left edge, −180° at the right, elevation +90° at the top.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Equirectangular {
    /// Where the map lies.
    pub(crate) rect: Rect,
}

impl Equirectangular {
    /// The point of a direction in degrees.
    pub(crate) fn at_degrees(&self, azimuth: f32, elevation: f32) -> Pos2 {
        pos2(
            self.rect.left() + (180.0 - azimuth) / 360.0 * self.rect.width(),
            self.rect.top() + (90.0 - elevation) / 180.0 * self.rect.height(),
        )
    }

    /// The point of a direction.
    pub(crate) fn to_screen(self, d: &Direction) -> Pos2 {
        self.at_degrees(d.azimuth_deg() as f32, d.elevation_deg() as f32)
    }

    /// The direction under a point, if the point lies on the map.
    pub(crate) fn direction(&self, p: Pos2) -> Option<Direction> {
        if !self.rect.contains(p) || !self.rect.is_positive() {
            return None;
        }
        let azimuth = 180.0 - 360.0 * (p.x - self.rect.left()) / self.rect.width();
        let elevation = 90.0 - 180.0 * (p.y - self.rect.top()) / self.rect.height();
        Direction::from_degrees(azimuth.into(), elevation.into()).ok()
    }
}

/// A globe seen from far outside (orthographic). Azimuth grows to the right, as it does when one faces somebody's front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Globe {
    /// Centre on the screen.
    pub(crate) centre: Pos2,
    /// Radius on the screen.
    pub(crate) radius: f32,
    right: [f32; 3],
    up: [f32; 3],
    towards: [f32; 3],
}

impl Globe {
    /// A globe whose point at this azimuth and elevation faces the viewer.
    pub(crate) fn new(centre: Pos2, radius: f32, yaw_deg: f32, pitch_deg: f32) -> Self {
        let (sy, cy) = yaw_deg.to_radians().sin_cos();
        let (sp, cp) = pitch_deg.to_radians().sin_cos();
        Self { centre, radius, right: [-sy, cy, 0.0], up: [-sp * cy, -sp * sy, cp], towards: [cp * cy, cp * sy, sp] }
    }

    /// A globe turned alike, of another size in another place.
    pub(crate) fn moved(self, centre: Pos2, radius: f32) -> Self {
        Self { centre, radius, ..self }
    }

    /// The point of a vector, in units of the radius, and how far it lies towards the viewer.
    pub(crate) fn project(&self, v: [f32; 3]) -> (Pos2, f32) {
        let p = vec2(dot(v, self.right), -dot(v, self.up));
        (self.centre + p * self.radius, dot(v, self.towards))
    }

    /// The point of a direction and whether it lies on the side that is seen.
    pub(crate) fn to_screen(self, d: &Direction) -> (Pos2, bool) {
        let (p, depth) = self.project(d.unit().map(|x| x as f32));
        (p, depth >= 0.0)
    }

    /// The unit vector at a point of the disc, in units of the radius from its centre, y downwards.
    pub(crate) fn vector(&self, p: Vec2) -> Option<[f32; 3]> {
        let square = p.length_sq();
        if square.is_nan() || square > 1.0 {
            return None;
        }
        let depth = (1.0 - square).sqrt();
        Some(std::array::from_fn(|i| p.x * self.right[i] - p.y * self.up[i] + depth * self.towards[i]))
    }

    /// The direction under a point of the screen, if the globe lies there.
    pub(crate) fn direction(&self, p: Pos2) -> Option<Direction> {
        if self.radius <= 0.0 {
            return None;
        }
        let v = self.vector((p - self.centre) / self.radius)?;
        Direction::from_vector(v.map(f64::from)).ok()
    }
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map() -> Equirectangular {
        Equirectangular { rect: Rect::from_min_size(pos2(10.0, 20.0), vec2(720.0, 360.0)) }
    }

    #[test]
    fn left_is_drawn_left_and_up_is_drawn_up() {
        let map = map();
        assert_eq!(map.to_screen(&Direction::FRONT), map.rect.center());
        assert!((map.to_screen(&Direction::LEFT) - pos2(190.0, 200.0)).length() < 1e-3);
        assert!((map.to_screen(&Direction::UP).y - map.rect.top()).abs() < 1e-3);
    }

    #[test]
    fn a_globe_that_faces_the_front_has_left_at_its_right_hand() {
        let globe = Globe::new(pos2(100.0, 100.0), 50.0, 0.0, 0.0);
        assert_eq!(globe.to_screen(&Direction::FRONT), (pos2(100.0, 100.0), true));
        assert!((globe.to_screen(&Direction::LEFT).0 - pos2(150.0, 100.0)).length() < 1e-3);
        assert!((globe.to_screen(&Direction::UP).0 - pos2(100.0, 50.0)).length() < 1e-3);
        let back = Direction::from_degrees(180.0, 0.0).unwrap();
        assert!(!globe.to_screen(&back).1);
    }

    #[test]
    fn nothing_lies_outside_or_on_an_empty_map() {
        assert!(map().direction(pos2(0.0, 0.0)).is_none());
        assert!(Equirectangular { rect: Rect::ZERO }.direction(Pos2::ZERO).is_none());
        assert!(Globe::new(Pos2::ZERO, 0.0, 0.0, 0.0).direction(Pos2::ZERO).is_none());
        assert!(Globe::new(Pos2::ZERO, 10.0, 0.0, 0.0).direction(pos2(8.0, 8.0)).is_none());
    }

    proptest! {
        #[test]
        fn the_map_is_its_own_inverse(azimuth in -179.0f64..179.0, elevation in -89.0f64..89.0) {
            let d = Direction::from_degrees(azimuth, elevation).unwrap();
            let back = map().direction(map().to_screen(&d)).unwrap();
            prop_assert!(d.angle_to_deg(&back) < 0.01);
        }

        #[test]
        fn the_globe_is_its_own_inverse(
            azimuth in -180.0f64..180.0, elevation in -90.0f64..90.0, yaw in -180.0f32..180.0, pitch in -90.0f32..90.0,
        ) {
            let globe = Globe::new(pos2(300.0, 200.0), 150.0, yaw, pitch);
            let d = Direction::from_degrees(azimuth, elevation).unwrap();
            let (p, depth) = globe.project(d.unit().map(|x| x as f32));
            prop_assume!(depth > 0.05);
            prop_assert!(d.angle_to_deg(&globe.direction(p).unwrap()) < 0.1);
        }
    }
}
