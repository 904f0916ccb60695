//! Random arrays of every kind.

use rand::Rng;
use rand::rngs::SmallRng;
use spherescope_dsp::array::{ArrayError, Capsule};
use spherescope_dsp::{MicArray, Rotation};

use crate::body::Body;
use crate::random::even;
use crate::vector::{add, distance, random_unit, scale, stream};

/// Tries for an array before giving up.
const TRIES: usize = 400;

/// Radius of A-format tetrahedra in metres: half of all tetrahedra are as small.
pub(crate) const A_FORMAT_RADIUS_M: [f64; 2] = [0.008, 0.025];

/// The shapes that [`random_array`] draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayKind {
    /// Capsules anywhere in a ball.
    Ball,
    /// On a sphere.
    Shell,
    /// On a circle, sometimes with one in the middle.
    Ring,
    /// Four at the corners of a regular tetrahedron.
    Tetrahedron,
    /// On a straight line.
    Line,
    /// Anywhere in a flat disc.
    Disc,
    /// Exactly on a sphere of 2 to 10 cm about the layout's origin: a [`Body::RigidSphere`] fits.
    Sphere,
    /// Exactly on a head about the layout's origin, not turned: a [`Body::Head`] fits.
    Head,
    /// At the corners of a box, then on its faces.
    Box,
    /// A flat rectangular grid.
    Grid,
    /// Two or three rings around one centre, in one plane.
    Rings,
    /// As [`random_paper_array`].
    Paper,
}

/// A random array: one of the kinds, in most of them with a radius log-uniform from 1 to 20 cm (at least so large that capsules keep
/// some millimetres apart), turned at random. Channels are 0, 1, 2, ….
///
/// Open three-dimensional kinds are drawn most, lines least, spheres with 4 to 24 capsules, heads with 4 to 12, tetrahedra with four.
///
/// # Errors
/// [`ArrayError`] for fewer than 2 or more than 64 capsules.
pub fn random_array(seed: u64, capsules: usize) -> Result<MicArray, ArrayError> {
    let mut rng = stream(seed, 0x0a);
    let only = |range: std::ops::RangeInclusive<usize>, weight| if range.contains(&capsules) { weight } else { 0.0 };
    let weights = [
        (ArrayKind::Ball, 2.0),
        (ArrayKind::Shell, 1.5),
        (ArrayKind::Ring, 1.3),
        (ArrayKind::Disc, 0.7),
        (ArrayKind::Line, 0.5),
        (ArrayKind::Tetrahedron, only(4..=4, 8.0)),
        (ArrayKind::Sphere, only(4..=24, 3.5)),
        (ArrayKind::Head, only(4..=12, 0.6)),
        (ArrayKind::Box, 0.8),
        (ArrayKind::Grid, only(4..=64, 0.7)),
        (ArrayKind::Rings, only(6..=64, 0.7)),
        (ArrayKind::Paper, only(4..=16, 4.5)),
    ];
    let mut draw = rng.random_range(0.0..weights.iter().map(|w| w.1).sum());
    let mut kind = ArrayKind::Ball;
    for (candidate, weight) in weights {
        if weight > 0.0 {
            kind = candidate;
            draw -= weight;
            if draw < 0.0 {
                break;
            }
        }
    }
    random_array_of(kind, rng.random(), capsules)
}

/// A random array of a kind; see [`random_array`]. A tetrahedron has four capsules whatever the number.
///
/// # Errors
/// As [`random_array`].
pub fn random_array_of(kind: ArrayKind, seed: u64, capsules: usize) -> Result<MicArray, ArrayError> {
    let capsules = if kind == ArrayKind::Tetrahedron { 4 } else { capsules };
    if capsules > spherescope_dsp::array::MAX_CAPSULES {
        return Err(ArrayError::TooMany { found: capsules });
    }
    if kind == ArrayKind::Paper {
        return random_paper_array(seed, capsules);
    }
    let mut rng = stream(seed, 0x0b);
    let mut points: Vec<[f64; 3]> = Vec::with_capacity(capsules);
    match kind {
        ArrayKind::Tetrahedron => {
            let h = 1.0 / 3f64.sqrt();
            points.extend([[h, h, h], [h, -h, -h], [-h, h, -h], [-h, -h, h]]);
        }
        ArrayKind::Ring => {
            let centre = usize::from(capsules > 4 && rng.random::<f64>() < 0.3);
            let around = capsules - centre.min(capsules);
            points.extend((0..around).map(|i| {
                let (s, c) = (std::f64::consts::TAU * i as f64 / around as f64).sin_cos();
                [c, s, 0.0]
            }));
            points.extend(std::iter::repeat_n([0.0; 3], centre));
        }
        ArrayKind::Line => points.extend((0..capsules).map(|i| {
            let spacing = 2.0 / (capsules.max(2) - 1) as f64;
            [i as f64 * spacing - 1.0, 0.0, 0.0]
        })),
        ArrayKind::Box => {
            let sides = [1.0, rng.random_range(0.4..1.0), rng.random_range(0.2..1.0)];
            let mut corners: Vec<usize> = (0..8).collect();
            for _ in 0..capsules {
                let place = if corners.is_empty() {
                    farthest_of_some(kind, &points, &mut rng)
                } else {
                    let corner = corners.swap_remove(rng.random_range(0..corners.len()));
                    std::array::from_fn(|i| if corner >> i & 1 == 0 { -1.0 } else { 1.0 })
                };
                points.push(place);
            }
            for p in &mut points {
                *p = std::array::from_fn(|i| p[i] * sides[i] / 3f64.sqrt());
            }
        }
        ArrayKind::Grid => {
            let columns = ((capsules as f64 * rng.random_range(1.0..2.0)).sqrt().ceil() as usize).max(2);
            let aspect = rng.random_range(0.6..1.6);
            let middle = (columns - 1) as f64 / 2.0;
            let size = middle.hypot(capsules.div_ceil(columns) as f64 / 2.0 * aspect);
            points.extend((0..capsules).map(|i| {
                let (x, y) = ((i % columns) as f64 - middle, (i / columns) as f64 * aspect);
                [x / size, y / size, 0.0]
            }));
        }
        ArrayKind::Rings => {
            let rings = if capsules >= 12 && rng.random::<bool>() { 3 } else { 2 };
            for ring in 0..rings {
                // The outer rings take what cannot be shared out.
                let count = (capsules + ring) / rings;
                let (radius, turn) = ((ring + 1) as f64 / rings as f64, rng.random::<f64>());
                points.extend((0..count).map(|i| {
                    let (s, c) = (std::f64::consts::TAU * (i as f64 + turn) / count as f64).sin_cos();
                    [radius * c, radius * s, 0.0]
                }));
            }
        }
        // Handled above; a ball of the same number stands for it here.
        ArrayKind::Ball
        | ArrayKind::Shell
        | ArrayKind::Disc
        | ArrayKind::Sphere
        | ArrayKind::Head
        | ArrayKind::Paper => {
            for _ in 0..capsules {
                points.push(farthest_of_some(kind, &points, &mut rng));
            }
        }
    }
    if kind == ArrayKind::Head {
        let size = rng.random_range(0.9..1.1);
        let head = Body::Head { scale: size };
        let places: Vec<_> = points.into_iter().map(|u| scale(u, head.surface_m(u).unwrap_or(0.09))).collect();
        return MicArray::from_positions(format!("Head, scale {size:.2}"), &places);
    }
    // A little crooked, as built things are; the layout knows of it. Half of the capsules' distance at most.
    let closest = points
        .iter()
        .enumerate()
        .flat_map(|(i, a)| points[..i].iter().map(move |b| distance(*a, *b)))
        .fold(2.0, f64::min);
    let straight = matches!(kind, ArrayKind::Tetrahedron | ArrayKind::Sphere);
    let crooked = if straight { 0.0 } else { 0.2 * closest * rng.random::<f64>().powi(3) };
    // Capsules are some 4 mm wide at least: as many as there are need a radius.
    let smallest = (0.004 / closest.max(1e-3)).max(0.01);
    let [smallest, largest] = if kind == ArrayKind::Sphere { [smallest.max(0.02), 0.1] } else { [smallest, 0.2] };
    let radius = if kind == ArrayKind::Tetrahedron && rng.random::<bool>() {
        even(&mut rng, A_FORMAT_RADIUS_M)
    } else if smallest < largest {
        log_uniform(&mut rng, smallest, largest)
    } else {
        smallest
    };
    let turn = Rotation::random(&mut rng);
    let capsules = points
        .into_iter()
        .enumerate()
        .map(|(channel, p)| {
            let p = add(p, scale(random_unit(&mut rng), crooked));
            Capsule::new(channel, turn.apply(scale(p, radius)))
        })
        .collect();
    MicArray::new(format!("{kind:?}, radius {:.0} mm", radius * 1000.0), capsules)
}

/// A random array like those of the AGG-RL paper's experiments: 4 to 16 capsules whose largest distance from each other is 7 to 13 cm and
/// whose smallest 1 to 6 cm, half of them nearly in a plane, each ± 0.5 cm crooked, turned at random. Channels are 0, 1, 2, ….
///
/// # Errors
/// [`ArrayError`] for fewer than 2 or more than 16 capsules.
pub fn random_paper_array(seed: u64, capsules: usize) -> Result<MicArray, ArrayError> {
    const MOST: usize = 16;
    const JITTER_M: f64 = 0.005;
    if capsules > MOST {
        return Err(ArrayError::TooMany { found: capsules });
    }
    let mut rng = stream(seed, 0x0f);
    let turn = Rotation::random(&mut rng);
    let mut places = Vec::new();
    for attempt in 0..TRIES {
        let largest = rng.random_range(0.07..=0.13);
        let flat = if rng.random::<bool>() { 0.1 } else { 1.0 };
        // Wanted spacings shrink when no array is found.
        let spacing = rng.random_range(0.01..=0.06) * (1.0 - 0.8 * attempt as f64 / TRIES as f64);
        places.clear();
        for _ in 0..40 * capsules {
            let [x, y, z] = scale(random_unit(&mut rng), 0.5 * largest * rng.random::<f64>().cbrt());
            let p = [x, y, flat * z].map(|x| x + rng.random_range(-JITTER_M..=JITTER_M));
            if places.len() < capsules && places.iter().all(|&q| distance(p, q) >= spacing) {
                places.push(p);
            }
        }
        let pairs = || (0..places.len()).flat_map(|i| places[..i].iter().map(move |&q| (i, q)));
        let far = pairs().map(|(i, q)| distance(places[i], q)).fold(0.0, f64::max);
        if places.len() < capsules || far == 0.0 {
            continue;
        }
        places.iter_mut().for_each(|p| *p = scale(*p, largest / far));
        let pairs = || (0..places.len()).flat_map(|i| places[..i].iter().map(move |&q| (i, q)));
        let near = pairs().map(|(i, q)| distance(places[i], q)).fold(f64::INFINITY, f64::min);
        if capsules < 3 || (0.01..=0.06).contains(&near) {
            break;
        }
    }
    let capsules = places.iter().enumerate().map(|(channel, &p)| Capsule::new(channel, turn.apply(p))).collect();
    MicArray::new("Paper", capsules)
}

/// Of some random points of the unit shape the one farthest from those that are there (Mitchell's best candidate).
fn farthest_of_some(kind: ArrayKind, there: &[[f64; 3]], rng: &mut SmallRng) -> [f64; 3] {
    let mut best = ([0.0; 3], -1.0);
    for _ in 0..12 {
        let unit = random_unit(rng);
        let candidate = match kind {
            ArrayKind::Shell | ArrayKind::Sphere | ArrayKind::Head => unit,
            // Out to the face of the cube.
            ArrayKind::Box => scale(unit, 1.0 / unit.iter().fold(1e-9, |m: f64, x| m.max(x.abs()))),
            ArrayKind::Disc => {
                let r = rng.random::<f64>().sqrt() / unit[0].hypot(unit[1]).max(1e-9);
                [unit[0] * r, unit[1] * r, 0.0]
            }
            _ => scale(unit, rng.random::<f64>().cbrt()),
        };
        let nearest = there.iter().map(|&p| distance(p, candidate)).fold(f64::INFINITY, f64::min);
        if nearest > best.1 {
            best = (candidate, nearest);
        }
    }
    best.0
}

fn log_uniform(rng: &mut SmallRng, low: f64, high: f64) -> f64 {
    rng.random_range(low.ln()..=high.ln()).exp()
}
