//! The arrays of the evaluation sets.

use rand::Rng;
use rand::rngs::SmallRng;
use spherescope_dsp::array::ArrayError;
use spherescope_dsp::{MicArray, Rotation, presets};

use crate::body::Body;
use crate::vector::{add, distance, random_unit, scale};

/// Kinds of arrays for [`array_scene`](super::array_scene): name and number of capsules. All are open but the em32, all are exact.
pub const ARRAY_KINDS: [(&str, usize); 12] = [
    ("triangle, 5 cm", 3),
    ("tetrahedron, 2 cm", 4),
    ("ring, 5 cm", 6),
    ("line, 20 cm", 8),
    ("ball, 5 cm", 8),
    ("disc, 10 cm", 16),
    ("ball, 8 cm", 16),
    ("em32, rigid sphere, 4.2 cm", 32),
    ("ball, 15 cm", 32),
    ("shell, 10 cm", 64),
    ("line, 1 m", 16),
    ("ball, 1 m", 16),
];

pub(super) fn array_of_kind(kind: usize) -> Option<Result<MicArray, ArrayError>> {
    let &(name, capsules) = ARRAY_KINDS.get(kind)?;
    if name.starts_with("em32") {
        return presets::find("eigenmike-em32").map(|p| Ok(p.array));
    }
    // Evenly spread points: Fibonacci lattices on sphere and disc, a shell in three layers for balls.
    let (size, unit) = name.rsplit_once(", ")?.1.split_once(' ')?;
    let radius_m = size.parse::<f64>().ok()? * if unit == "cm" { 0.01 } else { 1.0 };
    let golden = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    let n = capsules as f64;
    let point = |i: usize| {
        let share = (i as f64 + 0.5) / n;
        let on_sphere = || {
            let z = 1.0 - 2.0 * share;
            let (s, c) = (golden * i as f64).sin_cos();
            let r = (1.0 - z * z).sqrt();
            [r * c, r * s, z]
        };
        match name.split(',').next() {
            Some("triangle" | "ring") => {
                let (s, c) = (std::f64::consts::TAU * i as f64 / n).sin_cos();
                [c, s, 0.0]
            }
            Some("disc") => {
                let (s, c) = (golden * i as f64).sin_cos();
                [share.sqrt() * c, share.sqrt() * s, 0.0]
            }
            Some("line") => [2.0 * i as f64 / (n - 1.0) - 1.0, 0.0, 0.0],
            Some("tetrahedron") => {
                let corners = [[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]];
                scale(corners[i % 4], 1.0 / 3f64.sqrt())
            }
            Some("ball") => scale(on_sphere(), [0.5, 0.75, 1.0][i % 3]),
            _ => on_sphere(),
        }
    };
    let points: Vec<_> = (0..capsules).map(|i| scale(point(i), radius_m)).collect();
    Some(MicArray::from_positions(name, &points))
}

/// The largest distance between two active capsules in metres.
pub fn aperture_m(array: &MicArray) -> f64 {
    let places = array.relative_positions_m();
    spans(&places).1
}

/// The smallest and the largest distance between two of the points.
pub(super) fn spans(points: &[[f64; 3]]) -> (f64, f64) {
    let pairs = points.iter().enumerate().flat_map(|(i, a)| points[..i].iter().map(move |b| distance(*a, *b)));
    pairs.fold((f64::INFINITY, 0.0), |(low, high), d| (low.min(d), high.max(d)))
}

/// A three-dimensional array as the paper draws them: the smallest distance between two capsules 1 to 6 cm, the largest 7 to 13 cm,
/// turned at random.
pub(super) fn paper_array(rng: &mut SmallRng, capsules: usize) -> Result<MicArray, ArrayError> {
    let mut fallback = Vec::new();
    for _ in 0..200 {
        let largest = rng.random_range(0.07..=0.13);
        let mut smallest = rng.random_range(0.01..=0.06);
        let mut points: Vec<[f64; 3]> = Vec::with_capacity(capsules);
        let mut tries = 0;
        while points.len() < capsules {
            let p = scale(random_unit(rng), 0.5 * largest * rng.random::<f64>().cbrt());
            // ±5 mm, as hand-made arrays are.
            let p = add(p, [(); 3].map(|()| rng.random_range(-0.005..=0.005)));
            if points.iter().all(|&q| distance(p, q) >= smallest) {
                points.push(p);
            }
            tries += 1;
            if tries % 60 == 0 {
                smallest *= 0.9;
            }
        }
        let turn = Rotation::random(rng);
        let points: Vec<_> = points.into_iter().map(|p| turn.apply(p)).collect();
        let (low, high) = spans(&points);
        if (0.01..=0.06).contains(&low) && (0.07..=0.13).contains(&high) {
            return MicArray::from_positions(format!("{capsules} capsules, {:.0} cm", high * 100.0), &points);
        }
        fallback = points;
    }
    MicArray::from_positions("random array", &fallback)
}

/// Twelve capsules on a head, as on a humanoid robot: a ring and some on top.
pub(super) fn head_array() -> Result<MicArray, ArrayError> {
    let places: [[f64; 2]; 12] = [
        [20.0, 5.0],
        [-20.0, 5.0],
        [75.0, 0.0],
        [-75.0, 0.0],
        [120.0, 10.0],
        [-120.0, 10.0],
        [165.0, 20.0],
        [-165.0, 20.0],
        [45.0, 50.0],
        [-45.0, 50.0],
        [135.0, 55.0],
        [-135.0, 55.0],
    ];
    let points = places.map(|[azimuth, elevation]: [f64; 2]| {
        let ((sa, ca), (se, ce)) = (azimuth.to_radians().sin_cos(), elevation.to_radians().sin_cos());
        let unit = [ce * ca, ce * sa, se];
        scale(unit, HEAD.surface_m(unit).unwrap_or(0.1))
    });
    MicArray::from_positions("head, 12 capsules", &points)
}

/// The head of [`Set::Head`](super::Set::Head).
pub(super) const HEAD: Body = Body::Head { scale: 1.0 };

/// Balls, rings and lines by turns, of 0.3 to 1 m radius, with 6 to 16 capsules.
pub(super) fn wide_array(index: usize, rng: &mut SmallRng) -> Result<MicArray, ArrayError> {
    let radius = rng.random_range(0.3..=1.0);
    let capsules = rng.random_range(6..=16usize);
    let kind = ["ball", "ring", "ball", "line"][index % 4];
    let mut points = Vec::with_capacity(capsules);
    while points.len() < capsules {
        let i = points.len() as f64 / capsules as f64;
        let p = match kind {
            "ring" => {
                let (s, c) = (std::f64::consts::TAU * i).sin_cos();
                [c, s, 0.0]
            }
            "line" => [2.0 * i - 1.0, 0.0, 0.0],
            _ => scale(random_unit(rng), rng.random::<f64>().cbrt()),
        };
        let p = add(scale(p, radius), scale(random_unit(rng), 0.005));
        if points.iter().all(|&q| distance(p, q) > 0.02) {
            points.push(p);
        }
    }
    MicArray::from_positions(format!("{kind}, {radius:.2} m"), &points)
}
