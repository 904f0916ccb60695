//! The globe: from directions to the screen and back.

use egui::{Pos2, Vec2, vec2};
use spherescope_dsp::Direction;

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

    /// The vector that a movement on the screen, in points, makes in the plane of the screen.
    pub(crate) fn along_screen(&self, by: Vec2) -> [f32; 3] {
        std::array::from_fn(|i| by.x * self.right[i] - by.y * self.up[i])
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
    use egui::pos2;
    use proptest::prelude::*;

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
    fn nothing_lies_outside() {
        assert!(Globe::new(Pos2::ZERO, 0.0, 0.0, 0.0).direction(Pos2::ZERO).is_none());
        assert!(Globe::new(Pos2::ZERO, 10.0, 0.0, 0.0).direction(pos2(8.0, 8.0)).is_none());
    }

    proptest! {
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
