//! The shoebox room: its size, its reverberation time and its image sources.

use std::fmt;

use crate::vector::sphere_points;

/// Edges may measure this much, in metres.
pub const SIZE_RANGE_M: std::ops::RangeInclusive<f64> = 0.5..=100.0;
/// Reverberation times, in seconds.
pub const T60_RANGE_S: std::ops::RangeInclusive<f64> = 0.05..=10.0;
/// Speeds of sound, in metres a second.
pub const SPEED_RANGE_M_S: std::ops::RangeInclusive<f64> = 100.0..=2000.0;
/// Reflections are exact image sources up to this age, in seconds; later ones are diffuse.
pub const EARLY_S: f64 = 0.08;
/// Slopes of the walls' absorption; see [`Room::with_wall_slope`].
pub const WALL_SLOPE_RANGE: std::ops::RangeInclusive<f64> = 0.0..=0.5;
/// Spreading is 1/r down to this distance in metres, and constant nearer, where a point source would have no bound.
pub const NEAREST_M: f64 = 0.05;

/// A shoebox room with one corner at the origin and the others at positive coordinates, its walls all alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    size_m: [f64; 3],
    t60_s: f64,
    speed_m_s: f64,
    /// ln of the pressure reflection factor of a wall at 1 kHz, below 0.
    ln_reflection: f64,
    wall_slope: f64,
}

/// Why numbers are not a room.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomError {
    /// An edge outside [`SIZE_RANGE_M`].
    Size {
        /// `x`, `y` or `z`.
        axis: &'static str,
        /// As given, in metres.
        found: f64,
    },
    /// A reverberation time outside [`T60_RANGE_S`].
    T60 {
        /// As given, in seconds.
        found: f64,
    },
    /// A speed of sound outside [`SPEED_RANGE_M_S`].
    Speed {
        /// As given, in metres a second.
        found: f64,
    },
    /// A slope of the walls' absorption outside [`WALL_SLOPE_RANGE`].
    WallSlope {
        /// As given.
        found: f64,
    },
}

impl fmt::Display for RoomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { axis, found } => write!(
                f,
                "room: expected {} to {} m along {axis}, found {found} m",
                SIZE_RANGE_M.start(),
                SIZE_RANGE_M.end()
            ),
            Self::T60 { found } => write!(
                f,
                "room: expected a reverberation time of {} to {} s, found {found} s",
                T60_RANGE_S.start(),
                T60_RANGE_S.end()
            ),
            Self::Speed { found } => write!(
                f,
                "expected a speed of sound of {} to {} m/s, found {found} m/s",
                SPEED_RANGE_M_S.start(),
                SPEED_RANGE_M_S.end()
            ),
            Self::WallSlope { found } => write!(
                f,
                "room: expected a slope of the walls' absorption of {} to {}, found {found}",
                WALL_SLOPE_RANGE.start(),
                WALL_SLOPE_RANGE.end()
            ),
        }
    }
}

impl std::error::Error for RoomError {}

/// One mirror image of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Image {
    /// Where the image stands, in room coordinates, metres.
    pub position_m: [f64; 3],
    /// Pressure factor of all walls on the way at 1 kHz, 0 … 1; spreading not included.
    pub reflection: f64,
    /// Walls on the way; 0 for the source itself.
    pub order: u64,
    /// Along which axes the image is a mirrored one, and so emits mirrored as well.
    pub mirrored: [bool; 3],
}

impl Room {
    /// A room of `size_m` = [length, width, height] whose sound decays by 60 dB in `t60_s` seconds.
    ///
    /// # Errors
    /// [`RoomError`] for the first number out of its range.
    pub fn new(size_m: [f64; 3], t60_s: f64, speed_m_s: f64) -> Result<Self, RoomError> {
        for (axis, &found) in ["x", "y", "z"].into_iter().zip(&size_m) {
            if !SIZE_RANGE_M.contains(&found) {
                return Err(RoomError::Size { axis, found });
            }
        }
        if !T60_RANGE_S.contains(&t60_s) {
            return Err(RoomError::T60 { found: t60_s });
        }
        if !SPEED_RANGE_M_S.contains(&speed_m_s) {
            return Err(RoomError::Speed { found: speed_m_s });
        }
        // Eyring: T60 = 24 ln 10 · V / (−c S ln(1 − α)), with 1 − α = β² for the pressure factor β.
        let [x, y, z] = size_m;
        let (volume, surface) = (x * y * z, 2.0 * (x * y + y * z + z * x));
        let ln_energy = -24.0 * std::f64::consts::LN_10 * volume / (speed_m_s * surface * t60_s);
        Ok(Self { size_m, t60_s, speed_m_s, ln_reflection: ln_energy / 2.0, wall_slope: 0.0 })
    }

    /// The room with walls that absorb more at high frequencies.
    ///
    /// The reverberation time and the walls' absorption are those at 1 kHz. For each octave above it the decay in decibels a second
    /// grows by the share `slope` of that at 1 kHz: 0.25 makes sound at 4 kHz decay 1.5 times as fast. Below 500 Hz and above 11 kHz the
    /// decay stays what it is there. 0, all frequencies alike, is the default.
    ///
    /// # Errors
    /// [`RoomError::WallSlope`] for a slope outside [`WALL_SLOPE_RANGE`].
    pub fn with_wall_slope(self, slope: f64) -> Result<Self, RoomError> {
        if !WALL_SLOPE_RANGE.contains(&slope) {
            return Err(RoomError::WallSlope { found: slope });
        }
        Ok(Self { wall_slope: slope, ..self })
    }

    /// Growth of the decay with each octave, as a share of that at 1 kHz; see [`Room::with_wall_slope`].
    pub fn wall_slope(&self) -> f64 {
        self.wall_slope
    }

    /// Tilt, in nepers an octave, of sound whose pressure the walls have brought to `reflection` at 1 kHz.
    pub(crate) fn tilt(&self, reflection: f64) -> f64 {
        -self.wall_slope * reflection.max(1e-6).ln()
    }

    /// Length, width and height in metres.
    pub fn size_m(&self) -> [f64; 3] {
        self.size_m
    }

    /// Reverberation time in seconds, at 1 kHz.
    pub fn t60_s(&self) -> f64 {
        self.t60_s
    }

    /// Speed of sound in metres a second.
    pub fn speed_m_s(&self) -> f64 {
        self.speed_m_s
    }

    /// Share of the energy that a wall absorbs (Eyring), 0 … 1, the same for all walls.
    pub fn absorption(&self) -> f64 {
        -(2.0 * self.ln_reflection).exp_m1()
    }

    /// Volume in cubic metres.
    pub fn volume_m3(&self) -> f64 {
        self.size_m.iter().product()
    }

    /// Distance in metres from a point to the nearest wall; negative outside.
    pub fn clearance_m(&self, point_m: [f64; 3]) -> f64 {
        (0..3).map(|i| point_m[i].min(self.size_m[i] - point_m[i])).fold(f64::INFINITY, f64::min)
    }

    /// All images of a source, the source itself among them, nearer to `listener_m` than sound travels in `age_s`.
    ///
    /// J. B. Allen, D. A. Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65 (1979).
    pub fn images(&self, source_m: [f64; 3], listener_m: [f64; 3], age_s: f64) -> Vec<Image> {
        let reach = age_s * self.speed_m_s;
        // Image m along an axis lies in the m-th copy of the room, mirrored when m is odd, and is |m| reflections old.
        let along = |axis: usize| {
            let (size, source, listener) = (self.size_m[axis], source_m[axis], listener_m[axis]);
            let most = (reach / size).ceil() as i64 + 1;
            (-most..=most)
                .map(move |m| {
                    let position = if m % 2 == 0 { m as f64 * size + source } else { (m + 1) as f64 * size - source };
                    (position, (position - listener).powi(2), m)
                })
                .filter(|&(_, square, _)| square <= reach * reach)
                .collect::<Vec<(f64, f64, i64)>>()
        };
        let (xs, ys, zs) = (along(0), along(1), along(2));
        let deepest = xs.iter().chain(&ys).chain(&zs).map(|v| v.2.unsigned_abs()).max().unwrap_or(0) * 3;
        let factors: Vec<f64> = (0..=deepest).map(|n| (n as f64 * self.ln_reflection).exp()).collect();
        let mut images = Vec::new();
        for &(x, dx, nx) in &xs {
            for &(y, dy, ny) in &ys {
                if dx + dy > reach * reach {
                    continue;
                }
                for &(z, dz, nz) in &zs {
                    if dx + dy + dz <= reach * reach {
                        let order = [nx, ny, nz].map(i64::unsigned_abs).iter().sum();
                        images.push(Image {
                            position_m: [x, y, z],
                            reflection: factors[order as usize],
                            order,
                            mirrored: [nx, ny, nz].map(|n| n % 2 != 0),
                        });
                    }
                }
            }
        }
        images
    }

    /// Energy a second that the images bring at an age of `age_s`, for a source whose direct sound has the energy 1 at 1 m.
    ///
    /// Images fill space with the density 1/V, so 4π c³ t²/V of them arrive a second, each with 1/(ct)² and, for the
    /// direction u, one reflection every L/|u| metres along each axis; the mean over directions is left.
    pub fn energy_rate(&self, age_s: f64) -> f64 {
        const DIRECTIONS: usize = 400;
        let path = self.speed_m_s * age_s;
        let mean = sphere_points(DIRECTIONS)
            .iter()
            .map(|u| {
                let reflections: f64 = (0..3).map(|i| u[i].abs() * path / self.size_m[i]).sum();
                (2.0 * self.ln_reflection * reflections).exp()
            })
            .sum::<f64>()
            / DIRECTIONS as f64;
        4.0 * std::f64::consts::PI * self.speed_m_s / self.volume_m3() * mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::distance;

    #[test]
    fn eyring_gives_the_absorption() {
        // 5 × 4 × 3 m: V = 60, S = 94; Sabine's 0.161 V/(S a) with a = −ln(1 − α).
        let room = Room::new([5.0, 4.0, 3.0], 0.5, 343.0).unwrap();
        let a = 24.0 * 10f64.ln() * 60.0 / (343.0 * 94.0 * 0.5);
        assert!((room.absorption() - (1.0 - (-a).exp())).abs() < 1e-12);
    }

    #[test]
    fn the_first_images_are_mirrored_in_the_walls() {
        let room = Room::new([5.0, 4.0, 3.0], 0.5, 343.0).unwrap();
        let images = room.images([1.0, 2.0, 1.5], [1.0, 2.0, 1.5], 0.01);
        let beta = (1.0 - room.absorption()).sqrt();
        for (position, order) in
            [([1.0, 2.0, 1.5], 0), ([-1.0, 2.0, 1.5], 1), ([1.0, 2.0, -1.5], 1), ([1.0, 2.0, 4.5], 1)]
        {
            let image = images.iter().find(|i| distance(i.position_m, position) < 1e-9).unwrap();
            assert!((image.reflection - beta.powi(order)).abs() < 1e-12);
        }
        assert!(images.iter().all(|i| distance(i.position_m, [1.0, 2.0, 1.5]) <= 3.43));
    }

    #[test]
    fn wrong_numbers_are_named() {
        let error = |size, t60, c| Room::new(size, t60, c).unwrap_err().to_string();
        assert_eq!(error([5.0, 0.1, 3.0], 0.5, 343.0), "room: expected 0.5 to 100 m along y, found 0.1 m");
        assert!(error([5.0, 4.0, 3.0], f64::NAN, 343.0).contains("found NaN s"));
        assert!(error([5.0, 4.0, 3.0], 0.3, 0.0).contains("found 0 m/s"));
        let slope = Room::new([5.0, 4.0, 3.0], 0.3, 343.0).unwrap().with_wall_slope(2.0).unwrap_err();
        assert!(slope.to_string().contains("found 2"));
    }
}
