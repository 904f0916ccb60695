//! Spherical designs: points on the sphere whose mean of every polynomial up to degree t is that of the whole sphere.
//!
//! Each design is the union of a few orbits under the rotations of a regular body, so that only the degrees in which that group leaves
//! a harmonic unchanged put conditions on the seeds. The seeds of the Platonic solids lie on axes; those of the larger designs are
//! solutions of these conditions, of the sizes and strengths in Hardin and Sloane, "McLaren's improved snub cube and other new
//! spherical designs in three dimensions", 1996. The tests check every design against the spherical harmonics.

use std::fmt;

use crate::direction::{Direction, Rotation, norm};

/// The golden ratio.
const PHI: f64 = 1.618_033_988_749_895;

/// A spherical design that fits an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SphericalDesign {
    /// 4 points, t = 2.
    Tetrahedron,
    /// 6 points, t = 3.
    Octahedron,
    /// 8 points, t = 3.
    Cube,
    /// 12 points, t = 5.
    Icosahedron,
    /// 20 points, t = 5.
    Dodecahedron,
    /// 24 points, t = 7: McLaren's improved snub cube.
    Points24,
    /// 36 points, t = 8.
    Points36,
    /// 48 points, t = 9.
    Points48,
    /// 60 points, t = 10.
    Points60,
}

/// The rotations of a regular body.
#[derive(Clone, Copy)]
enum Group {
    Tetrahedral,
    Octahedral,
    Icosahedral,
}

impl Group {
    /// Quaternions `[w, x, y, z]` of rotations that generate the group.
    fn generators(self) -> [[f64; 4]; 2] {
        let third_about_111 = [1.0, 1.0, 1.0, 1.0];
        let other = match self {
            Self::Tetrahedral => [0.0, 0.0, 0.0, 1.0],
            Self::Octahedral => [1.0, 0.0, 0.0, 1.0],
            // A fifth of a turn about the corner (0, 1, φ): cos 36° is φ / 2, and sin 36° over the corner's length is 1 / (2 φ).
            Self::Icosahedral => [PHI / 2.0, 0.0, 0.5 / PHI, 0.5],
        };
        [third_about_111, other]
    }
}

impl SphericalDesign {
    /// All designs, the smallest first.
    pub const ALL: [Self; 9] = [
        Self::Tetrahedron,
        Self::Octahedron,
        Self::Cube,
        Self::Icosahedron,
        Self::Dodecahedron,
        Self::Points24,
        Self::Points36,
        Self::Points48,
        Self::Points60,
    ];

    /// Number of points.
    #[allow(clippy::len_without_is_empty, reason = "a design is never empty")]
    pub fn len(self) -> usize {
        match self {
            Self::Tetrahedron => 4,
            Self::Octahedron => 6,
            Self::Cube => 8,
            Self::Icosahedron => 12,
            Self::Dodecahedron => 20,
            Self::Points24 => 24,
            Self::Points36 => 36,
            Self::Points48 => 48,
            Self::Points60 => 60,
        }
    }

    /// The strength t: the mean of each spherical harmonic of degree 1 to t over the points is 0.
    pub fn strength(self) -> usize {
        match self {
            Self::Tetrahedron => 2,
            Self::Octahedron | Self::Cube => 3,
            Self::Icosahedron | Self::Dodecahedron => 5,
            Self::Points24 => 7,
            Self::Points36 => 8,
            Self::Points48 => 9,
            Self::Points60 => 10,
        }
    }

    /// The points on the unit sphere, `[len][3]`: from top to bottom, those of one height by azimuth.
    pub fn points(self) -> Vec<[f64; 3]> {
        let (group, seeds) = self.seeds();
        let mut points: Vec<[f64; 3]> = Vec::with_capacity(self.len());
        for seed in seeds {
            let length = norm(*seed);
            add_orbit(&mut points, seed.map(|x| x / length), group);
        }
        // Rounded, so that points of one height stay together.
        let key = |p: &[f64; 3]| {
            let azimuth = Direction::from_vector(*p).map_or(0.0, |d| d.azimuth_rad());
            (-(p[2] * 1e9).round(), azimuth)
        };
        points.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal));
        points
    }

    fn seeds(self) -> (Group, &'static [[f64; 3]]) {
        match self {
            Self::Tetrahedron => (Group::Tetrahedral, &[[1.0, 1.0, 1.0]]),
            Self::Octahedron => (Group::Octahedral, &[[0.0, 0.0, 1.0]]),
            Self::Cube => (Group::Octahedral, &[[1.0, 1.0, 1.0]]),
            Self::Icosahedron => (Group::Icosahedral, &[[0.0, 1.0, PHI]]),
            Self::Dodecahedron => (Group::Icosahedral, &[[1.0, 1.0, 1.0]]),
            Self::Points24 => {
                (Group::Octahedral, &[[0.866_246_818_107_820_2, 0.422_518_653_761_112_2, 0.266_635_401_516_704_56]])
            }
            Self::Points36 => (
                Group::Tetrahedral,
                &[
                    [-0.626_363_670_265_271_4, 0.243_527_775_409_193_9, 0.740_515_209_280_719_3],
                    [-0.306_200_013_239_571_6, 0.805_425_492_011_663_5, -0.507_475_446_410_815],
                    [0.957_120_327_092_457_8, -0.044_523_564_585_422_19, 0.286_248_723_426_034_47],
                ],
            ),
            Self::Points48 => (
                Group::Octahedral,
                &[
                    [-0.353_542_188_921_473_04, -0.933_364_693_199_309_6, 0.061_953_774_231_858_126],
                    [0.301_840_057_965_769, -0.639_740_098_619_792_1, 0.706_841_697_712_549_9],
                ],
            ),
            Self::Points60 => (
                Group::Tetrahedral,
                &[
                    [-0.338_584_359_959_263_95, 0.933_210_037_239_525_7, -0.120_331_448_866_781_52],
                    [-0.783_355_937_521_816_9, -0.426_864_116_219_070_4, -0.451_819_102_555_245_2],
                    [-0.365_621_190_026_290_2, -0.753_828_667_197_021_4, 0.545_951_908_061_252],
                    [0.713_151_065_847_791, 0.034_089_549_761_253_314, -0.700_181_019_363_731_9],
                    [-0.077_050_720_725_732_2, 0.957_997_939_953_259, 0.276_230_218_261_791_7],
                ],
            ),
        }
    }
}

impl fmt::Display for SphericalDesign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tetrahedron => f.write_str("Tetrahedron"),
            Self::Octahedron => f.write_str("Octahedron"),
            Self::Cube => f.write_str("Cube"),
            Self::Icosahedron => f.write_str("Icosahedron"),
            Self::Dodecahedron => f.write_str("Dodecahedron"),
            Self::Points24 | Self::Points36 | Self::Points48 | Self::Points60 => {
                write!(f, "{}-point {}-design", self.len(), self.strength())
            }
        }
    }
}

/// Adds all images of a point under a group: images of images, until there are no new ones.
fn add_orbit(points: &mut Vec<[f64; 3]>, seed: [f64; 3], group: Group) {
    let turns = group.generators().map(|q| Rotation::from_quaternion(q).unwrap_or(Rotation::IDENTITY));
    let mut next = points.len();
    points.push(seed);
    while next < points.len() {
        for turn in turns {
            let image = turn.apply(points[next]);
            if points.iter().all(|p| norm(std::array::from_fn(|i| p[i] - image[i])) > 1e-6) {
                points.push(image);
            }
        }
        next += 1;
    }
}
