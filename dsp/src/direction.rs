//! Directions on the unit sphere and the angle conventions, in one place.
//!
//! Right-handed, +x front, +y left, +z up. Azimuth runs counter-clockwise from the front seen from above (left is +90°),
//! elevation runs from the horizon upwards.

use std::fmt;

/// A direction of arrival: the unit vector that points from the array's centroid *towards* the source.
#[derive(Clone, Copy, PartialEq)]
pub struct Direction {
    unit: [f64; 3],
}

/// Why three numbers, or a pair of angles, are not a direction.
#[derive(Clone, Debug, PartialEq)]
pub enum DirectionError {
    /// The vector has no usable length: zero, infinite or not a number.
    NoLength([f64; 3]),
    /// An angle is not a finite number.
    NotFinite {
        /// Azimuth as given, in radians.
        azimuth_rad: f64,
        /// Elevation as given, in radians.
        elevation_rad: f64,
    },
}

impl fmt::Display for DirectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLength(v) => write!(f, "expected a vector of finite, non-zero length, found {v:?}"),
            Self::NotFinite { azimuth_rad, elevation_rad } => {
                write!(f, "expected finite angles, found azimuth {azimuth_rad} rad and elevation {elevation_rad} rad")
            }
        }
    }
}

impl std::error::Error for DirectionError {}

impl Direction {
    /// Straight ahead: azimuth 0°, elevation 0°.
    pub const FRONT: Self = Self { unit: [1.0, 0.0, 0.0] };
    /// The left: azimuth +90°, elevation 0°.
    pub const LEFT: Self = Self { unit: [0.0, 1.0, 0.0] };
    /// The zenith: elevation +90°.
    pub const UP: Self = Self { unit: [0.0, 0.0, 1.0] };

    /// The direction of a vector of any finite, non-zero length.
    ///
    /// # Errors
    /// [`DirectionError::NoLength`] when the length is zero, infinite or not a number.
    pub fn from_vector(v: [f64; 3]) -> Result<Self, DirectionError> {
        let length = norm(v);
        if !length.is_finite() || length < 1e-12 {
            return Err(DirectionError::NoLength(v));
        }
        Ok(Self { unit: v.map(|x| x / length) })
    }

    /// A direction from azimuth and elevation in radians; any finite values, wrapped over the sphere.
    ///
    /// # Errors
    /// [`DirectionError::NotFinite`] when an angle is infinite or not a number.
    pub fn from_radians(azimuth_rad: f64, elevation_rad: f64) -> Result<Self, DirectionError> {
        if !(azimuth_rad.is_finite() && elevation_rad.is_finite()) {
            return Err(DirectionError::NotFinite { azimuth_rad, elevation_rad });
        }
        let (sin_az, cos_az) = azimuth_rad.sin_cos();
        let (sin_el, cos_el) = elevation_rad.sin_cos();
        Ok(Self { unit: [cos_el * cos_az, cos_el * sin_az, sin_el] })
    }

    /// A direction from azimuth and elevation in degrees; any finite values, wrapped over the sphere.
    ///
    /// # Errors
    /// [`DirectionError::NotFinite`] when an angle is infinite or not a number.
    pub fn from_degrees(azimuth_deg: f64, elevation_deg: f64) -> Result<Self, DirectionError> {
        Self::from_radians(azimuth_deg.to_radians(), elevation_deg.to_radians())
    }

    /// The unit vector `[x, y, z]`.
    pub fn unit(&self) -> [f64; 3] {
        self.unit
    }

    /// Azimuth in radians, −π … π; 0 at the poles.
    pub fn azimuth_rad(&self) -> f64 {
        let [x, y, _] = self.unit;
        if x.hypot(y) < 1e-12 { 0.0 } else { y.atan2(x) }
    }

    /// Elevation in radians, −π/2 … π/2.
    pub fn elevation_rad(&self) -> f64 {
        let [x, y, z] = self.unit;
        z.atan2(x.hypot(y))
    }

    /// Azimuth in degrees, −180 … 180.
    pub fn azimuth_deg(&self) -> f64 {
        self.azimuth_rad().to_degrees()
    }

    /// Elevation in degrees, −90 … 90.
    pub fn elevation_deg(&self) -> f64 {
        self.elevation_rad().to_degrees()
    }

    /// Great-circle angle to another direction in radians, 0 … π; exact for small angles too.
    pub fn angle_to_rad(&self, other: &Self) -> f64 {
        norm(cross(self.unit, other.unit)).atan2(dot(self.unit, other.unit))
    }

    /// Great-circle angle to another direction in degrees, 0 … 180.
    pub fn angle_to_deg(&self, other: &Self) -> f64 {
        self.angle_to_rad(other).to_degrees()
    }
}

impl fmt::Debug for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Direction(azimuth {:.2}°, elevation {:.2}°)", self.azimuth_deg(), self.elevation_deg())
    }
}

/// A rotation of space, as an orthonormal matrix with determinant +1 (rows are the images' coordinates).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotation {
    rows: [[f64; 3]; 3],
}

impl Rotation {
    /// No rotation.
    pub const IDENTITY: Self = Self { rows: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]] };

    /// The rotation of a unit quaternion `[w, x, y, z]`; any non-zero length is normalised.
    ///
    /// # Errors
    /// [`DirectionError::NoLength`] when the quaternion has no usable length.
    pub fn from_quaternion([w, x, y, z]: [f64; 4]) -> Result<Self, DirectionError> {
        let n = (w * w + x * x + y * y + z * z).sqrt();
        if !n.is_finite() || n < 1e-12 {
            return Err(DirectionError::NoLength([x, y, z]));
        }
        let (w, x, y, z) = (w / n, x / n, y / n, z / n);
        Ok(Self {
            rows: [
                [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
                [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
                [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
            ],
        })
    }

    /// A rotation drawn uniformly over all rotations (Shoemake's method: a normally distributed quaternion).
    pub fn random(rng: &mut impl rand::Rng) -> Self {
        let mut normal = || {
            let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
            radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
        };
        let q = [normal(), normal(), normal(), normal()];
        Self::from_quaternion(q).unwrap_or(Self::IDENTITY)
    }

    /// The rotated vector.
    pub fn apply(&self, v: [f64; 3]) -> [f64; 3] {
        self.rows.map(|row| dot(row, v))
    }

    /// The rotated direction.
    pub fn apply_to(&self, direction: Direction) -> Direction {
        Direction { unit: self.apply(direction.unit) }
    }
}

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(crate) fn norm(v: [f64; 3]) -> f64 {
    dot(v, v).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_axes_are_front_left_and_up() {
        let left = Direction::from_degrees(90.0, 0.0).unwrap();
        assert!(left.angle_to_deg(&Direction::LEFT) < 1e-9);
        let up = Direction::from_degrees(17.0, 90.0).unwrap();
        assert!(up.angle_to_deg(&Direction::UP) < 1e-6);
        assert_eq!(Direction::FRONT.azimuth_deg(), 0.0);
    }

    #[test]
    fn what_is_not_a_direction_is_refused() {
        assert!(Direction::from_vector([0.0; 3]).is_err());
        assert!(Direction::from_vector([f64::NAN, 0.0, 1.0]).is_err());
        assert!(Direction::from_degrees(f64::INFINITY, 0.0).is_err());
    }

    proptest! {
        #[test]
        fn angles_survive_the_round_trip(azimuth in -179.9f64..179.9, elevation in -89.9f64..89.9) {
            let d = Direction::from_degrees(azimuth, elevation).unwrap();
            prop_assert!((d.azimuth_deg() - azimuth).abs() < 1e-9);
            prop_assert!((d.elevation_deg() - elevation).abs() < 1e-9);
        }

        #[test]
        fn rotations_keep_angles(q in prop::array::uniform4(-1.0f64..1.0), a in -180.0f64..180.0, b in -90.0f64..90.0) {
            prop_assume!(q.iter().map(|x| x * x).sum::<f64>() > 1e-3);
            let r = Rotation::from_quaternion(q).unwrap();
            let d = Direction::from_degrees(a, b).unwrap();
            let before = d.angle_to_deg(&Direction::LEFT);
            let after = r.apply_to(d).angle_to_deg(&r.apply_to(Direction::LEFT));
            prop_assert!((before - after).abs() < 1e-6);
        }
    }
}
