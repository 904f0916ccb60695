//! Microphone arrays: which capsule hangs where, and on which channel of the bus it arrives.

use std::fmt;

use crate::direction::norm;

/// The largest number of capsules, and the number of channels of the widest bus.
pub const MAX_CAPSULES: usize = 64;
/// Capsules may lie at most this far from the origin, in metres.
pub const MAX_DISTANCE_M: f64 = 100.0;
/// Names of arrays have at most this many characters.
pub const MAX_NAME_CHARS: usize = 200;
/// Two capsules nearer than this, in metres, count as one place given twice.
pub const COINCIDENT_M: f64 = 1e-5;

/// One microphone capsule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capsule {
    /// Channel of the bus, counted from 0.
    pub channel: usize,
    /// Position `[x, y, z]` in metres: +x front, +y left, +z up.
    pub position_m: [f64; 3],
    /// A muted capsule stays in the layout and takes no part in the analysis.
    pub muted: bool,
}

impl Capsule {
    /// A sounding capsule at a position in metres.
    pub fn new(channel: usize, position_m: [f64; 3]) -> Self {
        Self { channel, position_m, muted: false }
    }
}

/// A validated microphone array: 2 to 64 capsules at distinct, finite places on distinct channels, at least two of them unmuted.
#[derive(Clone, Debug, PartialEq)]
pub struct MicArray {
    name: String,
    capsules: Vec<Capsule>,
}

/// In how many dimensions an array extends, and so what it can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All capsules on a line: cones around the line look alike.
    Linear,
    /// All capsules in a plane: a direction and its mirror image in the plane look alike.
    Planar,
    /// A full three-dimensional array.
    Volume,
}

/// Why a list of capsules is not an array. Capsules are counted from 0 in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrayError {
    /// A name of more than [`MAX_NAME_CHARS`] characters.
    NameTooLong {
        /// Its characters.
        found: usize,
    },
    /// A name with a line break or another control character.
    NameNotALine {
        /// The character.
        found: char,
    },
    /// An operation on a capsule that the array lacks.
    NoSuchCapsule {
        /// Index asked for.
        capsule: usize,
        /// Capsules in the array.
        capsules: usize,
    },
    /// A number that an operation or a shape cannot use.
    Parameter {
        /// What the number is, with its unit: `"radius in metres"`.
        what: &'static str,
        /// The values that can be used: `"a number above 0"`.
        expected: &'static str,
        /// The number given.
        found: f64,
    },
    /// Fewer than two capsules, or fewer than two that are not muted.
    TooFew {
        /// Capsules that are not muted.
        found: usize,
    },
    /// More than [`MAX_CAPSULES`].
    TooMany {
        /// Capsules in the list.
        found: usize,
    },
    /// A coordinate is infinite or not a number.
    NotFinite {
        /// Index of the capsule.
        capsule: usize,
        /// `"x"`, `"y"` or `"z"`.
        axis: &'static str,
        /// The value.
        found: f64,
    },
    /// A capsule lies further than [`MAX_DISTANCE_M`] from the origin.
    TooFar {
        /// Index of the capsule.
        capsule: usize,
        /// Its distance in metres.
        distance_m: f64,
    },
    /// Two capsules stand in one place.
    Coincident {
        /// Index of the first.
        first: usize,
        /// Index of the second.
        second: usize,
    },
    /// Two capsules claim one channel.
    SameChannel {
        /// Index of the first.
        first: usize,
        /// Index of the second.
        second: usize,
        /// The channel, counted from 0.
        channel: usize,
    },
    /// A channel that no bus has.
    ChannelOutOfRange {
        /// Index of the capsule.
        capsule: usize,
        /// The channel, counted from 0.
        channel: usize,
    },
}

impl ArrayError {
    /// Index of the capsule at fault (the later one of a pair), if one is.
    pub fn capsule(&self) -> Option<usize> {
        match *self {
            Self::NameTooLong { .. }
            | Self::NameNotALine { .. }
            | Self::NoSuchCapsule { .. }
            | Self::Parameter { .. }
            | Self::TooFew { .. }
            | Self::TooMany { .. } => None,
            Self::NotFinite { capsule, .. }
            | Self::TooFar { capsule, .. }
            | Self::ChannelOutOfRange { capsule, .. } => Some(capsule),
            Self::Coincident { second, .. } | Self::SameChannel { second, .. } => Some(second),
        }
    }
}

impl fmt::Display for ArrayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTooLong { found } => {
                write!(f, "expected a name of at most {MAX_NAME_CHARS} characters, found {found}")
            }
            Self::NameNotALine { found } => {
                write!(f, "expected a name in one line without control characters, found {found:?}")
            }
            Self::NoSuchCapsule { capsule, capsules } => {
                write!(f, "expected a capsule from 0 to {}, found {capsule}", capsules.saturating_sub(1))
            }
            Self::Parameter { what, expected, found } => write!(f, "{what}: expected {expected}, found {found}"),
            Self::TooFew { found } => write!(f, "expected at least 2 capsules that are not muted, found {found}"),
            Self::TooMany { found } => write!(f, "expected at most {MAX_CAPSULES} capsules, found {found}"),
            Self::NotFinite { capsule, axis, found } => {
                write!(f, "capsule {capsule}: expected a finite {axis} in metres, found {found}")
            }
            Self::TooFar { capsule, distance_m } => write!(
                f,
                "capsule {capsule}: expected at most {MAX_DISTANCE_M} m from the origin, found {distance_m:.3} m \
                 (coordinates are in metres)"
            ),
            Self::Coincident { first, second } => write!(
                f,
                "capsule {second}: expected a place of its own, found the same coordinates as capsule {first}"
            ),
            Self::SameChannel { first, second, channel } => write!(
                f,
                "capsule {second}: expected a channel of its own, found channel {channel}, which capsule {first} has"
            ),
            Self::ChannelOutOfRange { capsule, channel } => {
                write!(f, "capsule {capsule}: expected a channel from 0 to {}, found {channel}", MAX_CAPSULES - 1)
            }
        }
    }
}

impl std::error::Error for ArrayError {}

impl MicArray {
    /// Validates a name and a list of capsules.
    ///
    /// # Errors
    /// Any [`ArrayError`]; the first one found, the name's before those of the list in its order.
    pub fn new(name: impl Into<String>, capsules: Vec<Capsule>) -> Result<Self, ArrayError> {
        let name = name.into();
        if let Some(found) = name.chars().find(|c| c.is_control()) {
            return Err(ArrayError::NameNotALine { found });
        }
        let chars = name.chars().count();
        if chars > MAX_NAME_CHARS {
            return Err(ArrayError::NameTooLong { found: chars });
        }
        if capsules.len() > MAX_CAPSULES {
            return Err(ArrayError::TooMany { found: capsules.len() });
        }
        for (i, c) in capsules.iter().enumerate() {
            for (axis, &found) in ["x", "y", "z"].into_iter().zip(&c.position_m) {
                if !found.is_finite() {
                    return Err(ArrayError::NotFinite { capsule: i, axis, found });
                }
            }
            let distance_m = norm(c.position_m);
            if distance_m > MAX_DISTANCE_M {
                return Err(ArrayError::TooFar { capsule: i, distance_m });
            }
            if c.channel >= MAX_CAPSULES {
                return Err(ArrayError::ChannelOutOfRange { capsule: i, channel: c.channel });
            }
            for (j, earlier) in capsules[..i].iter().enumerate() {
                if earlier.channel == c.channel {
                    return Err(ArrayError::SameChannel { first: j, second: i, channel: c.channel });
                }
                if distance(earlier.position_m, c.position_m) < COINCIDENT_M {
                    return Err(ArrayError::Coincident { first: j, second: i });
                }
            }
        }
        let found = capsules.iter().filter(|c| !c.muted).count();
        if found < 2 {
            return Err(ArrayError::TooFew { found });
        }
        Ok(Self { name, capsules })
    }

    /// An array whose capsules arrive on channels 0, 1, 2, … in the order given.
    ///
    /// # Errors
    /// As [`MicArray::new`].
    pub fn from_positions(name: impl Into<String>, positions_m: &[[f64; 3]]) -> Result<Self, ArrayError> {
        Self::new(name, positions_m.iter().enumerate().map(|(channel, &p)| Capsule::new(channel, p)).collect())
    }

    /// The name that people see.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All capsules, muted ones included, in the order of the layout.
    pub fn capsules(&self) -> &[Capsule] {
        &self.capsules
    }

    /// The capsules that take part in the analysis: C of them.
    pub fn active(&self) -> impl Iterator<Item = &Capsule> {
        self.capsules.iter().filter(|c| !c.muted)
    }

    /// C, the number of capsules that are not muted.
    pub fn active_len(&self) -> usize {
        self.active().count()
    }

    /// The bus width that the layout needs: its highest channel plus one, muted capsules not counted.
    pub fn channels_needed(&self) -> usize {
        self.active().map(|c| c.channel + 1).max().unwrap_or(0)
    }

    /// Centroid of the active capsules in metres: the point from which directions are seen.
    pub fn centroid_m(&self) -> [f64; 3] {
        let mut sum = [0.0; 3];
        for c in self.active() {
            for (s, p) in sum.iter_mut().zip(c.position_m) {
                *s += p;
            }
        }
        sum.map(|s| s / self.active_len() as f64)
    }

    /// Positions of the active capsules from their centroid, in metres `[C][3]`.
    pub fn relative_positions_m(&self) -> Vec<[f64; 3]> {
        let centre = self.centroid_m();
        self.active().map(|c| std::array::from_fn(|i| c.position_m[i] - centre[i])).collect()
    }

    /// Index, among the active capsules, of the reference capsule: the one nearest the centroid (the first of equals).
    pub fn reference(&self) -> usize {
        let mut best = (0, f64::INFINITY);
        for (i, p) in self.relative_positions_m().into_iter().enumerate() {
            let r = norm(p);
            if r < best.1 - 1e-9 {
                best = (i, r);
            }
        }
        best.0
    }

    /// Largest distance between two active capsules, in metres.
    pub fn aperture_m(&self) -> f64 {
        self.pair_distances().fold(0.0, f64::max)
    }

    /// Smallest distance between two active capsules, in metres.
    pub fn min_spacing_m(&self) -> f64 {
        self.pair_distances().fold(f64::INFINITY, f64::min)
    }

    /// Whether the active capsules fill a line, a plane or a volume. An extent under 1 % of the largest counts as none.
    pub fn extent(&self) -> Extent {
        let spread = principal_spreads(&self.relative_positions_m());
        let flat = 0.01 * spread[0].max(1e-9);
        match spread {
            [_, second, _] if second < flat => Extent::Linear,
            [_, _, third] if third < flat => Extent::Planar,
            _ => Extent::Volume,
        }
    }

    /// The array with every capsule muted whose channel a bus of `channels` lacks.
    ///
    /// # Errors
    /// [`ArrayError::TooFew`] when fewer than two capsules remain.
    pub fn limited_to(&self, channels: usize) -> Result<Self, ArrayError> {
        let capsules =
            self.capsules.iter().map(|c| Capsule { muted: c.muted || c.channel >= channels, ..*c }).collect();
        Self::new(self.name.clone(), capsules)
    }

    fn pair_distances(&self) -> impl Iterator<Item = f64> {
        let p: Vec<_> = self.active().map(|c| c.position_m).collect();
        (0..p.len()).flat_map(move |i| {
            let p = p.clone();
            (i + 1..p.len()).map(move |j| distance(p[i], p[j]))
        })
    }
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    norm(std::array::from_fn(|i| a[i] - b[i]))
}

/// Standard deviations of points about their centroid along the principal axes, largest first (Jacobi rotations).
fn principal_spreads(points: &[[f64; 3]]) -> [f64; 3] {
    let n = points.len().max(1) as f64;
    let mut a = [[0.0f64; 3]; 3];
    for p in points {
        for i in 0..3 {
            for j in 0..3 {
                a[i][j] += p[i] * p[j] / n;
            }
        }
    }
    for _ in 0..24 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q].abs() < 1e-30 {
                continue;
            }
            let theta = 0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p]);
            let (s, c) = theta.sin_cos();
            for k in 0..3 {
                let (kp, kq) = (a[k][p], a[k][q]);
                a[k][p] = c * kp - s * kq;
                a[k][q] = s * kp + c * kq;
            }
            for k in 0..3 {
                let (pk, qk) = (a[p][k], a[q][k]);
                a[p][k] = c * pk - s * qk;
                a[q][k] = s * pk + c * qk;
            }
        }
    }
    let mut spreads = [a[0][0], a[1][1], a[2][2]].map(|v| v.max(0.0).sqrt());
    spreads.sort_by(|x, y| y.total_cmp(x));
    spreads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tetrahedron() -> Vec<[f64; 3]> {
        vec![[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]]
            .into_iter()
            .map(|p: [f64; 3]| p.map(|x| x * 0.01))
            .collect()
    }

    #[test]
    fn every_fault_is_named() {
        let fault = |p: Vec<[f64; 3]>| MicArray::from_positions("t", &p).unwrap_err();
        assert_eq!(fault(vec![[0.0; 3]]), ArrayError::TooFew { found: 1 });
        assert_eq!(fault(vec![[0.0; 3], [0.1, 0.0, 0.0], [0.0; 3]]), ArrayError::Coincident { first: 0, second: 2 });
        assert!(matches!(
            fault(vec![[0.0; 3], [0.0, f64::NAN, 0.0]]),
            ArrayError::NotFinite { capsule: 1, axis: "y", .. }
        ));
        assert!(matches!(fault(vec![[0.0; 3], [0.0, 0.0, 101.0]]), ArrayError::TooFar { capsule: 1, .. }));
        assert_eq!(fault((0..65).map(|i| [i as f64, 0.0, 0.0]).collect()), ArrayError::TooMany { found: 65 });
        let same = vec![Capsule::new(3, [0.0; 3]), Capsule::new(3, [1.0, 0.0, 0.0])];
        assert_eq!(MicArray::new("t", same).unwrap_err(), ArrayError::SameChannel { first: 0, second: 1, channel: 3 });
        let wide = vec![Capsule::new(64, [0.0; 3]), Capsule::new(3, [1.0, 0.0, 0.0])];
        assert_eq!(MicArray::new("t", wide).unwrap_err(), ArrayError::ChannelOutOfRange { capsule: 0, channel: 64 });
    }

    #[test]
    fn muted_capsules_take_no_part() {
        let mut capsules: Vec<_> = tetrahedron().into_iter().enumerate().map(|(i, p)| Capsule::new(i, p)).collect();
        capsules[3].muted = true;
        let array = MicArray::new("t", capsules.clone()).unwrap();
        assert_eq!((array.active_len(), array.channels_needed(), array.extent()), (3, 3, Extent::Planar));
        capsules[1].muted = true;
        capsules[2].muted = true;
        assert_eq!(MicArray::new("t", capsules).unwrap_err(), ArrayError::TooFew { found: 1 });
    }

    #[test]
    fn extent_is_seen_in_any_orientation() {
        let line: Vec<_> = (0..5).map(|i| [0.01 * i as f64, 0.02 * i as f64, -0.03 * i as f64]).collect();
        assert_eq!(MicArray::from_positions("line", &line).unwrap().extent(), Extent::Linear);
        let plane: Vec<_> = (0..6).map(|i| (i as f64).sin_cos()).map(|(s, c)| [s, c, 0.3 * s - 0.7 * c]).collect();
        assert_eq!(MicArray::from_positions("plane", &plane).unwrap().extent(), Extent::Planar);
        assert_eq!(MicArray::from_positions("volume", &tetrahedron()).unwrap().extent(), Extent::Volume);
    }
}
