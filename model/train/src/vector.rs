//! Three-vectors as plain arrays, and seeds for independent random streams.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use spherescope_dsp::Rotation;

pub(crate) fn sub(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn add(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn scale(a: [f64; 3], s: f64) -> [f64; 3] {
    a.map(|x| x * s)
}

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn norm(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

pub(crate) fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    norm(sub(a, b))
}

/// The vector that the rotation takes to `v`.
pub(crate) fn unrotate(rotation: &Rotation, v: [f64; 3]) -> [f64; 3] {
    // The inverse of a rotation is its transpose: its columns are the images of the axes.
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|axis| dot(rotation.apply(axis), v))
}

/// `count` points spread evenly over the unit sphere (Fibonacci lattice).
pub(crate) fn sphere_points(count: usize) -> Vec<[f64; 3]> {
    let golden = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    (0..count)
        .map(|i| {
            let z = 1.0 - (2.0 * i as f64 + 1.0) / count as f64;
            let (s, c) = (golden * i as f64).sin_cos();
            let r = (1.0 - z * z).sqrt();
            [r * c, r * s, z]
        })
        .collect()
}

/// A unit vector drawn uniformly over the sphere.
pub(crate) fn random_unit(rng: &mut impl rand::Rng) -> [f64; 3] {
    let z = rng.random_range(-1.0..1.0f64);
    let (s, c) = rng.random_range(0.0..std::f64::consts::TAU).sin_cos();
    let r = (1.0 - z * z).sqrt();
    [r * c, r * s, z]
}

/// Two independent normally distributed numbers (Box and Muller).
pub(crate) fn normal_pair(rng: &mut impl rand::Rng) -> [f32; 2] {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).max(1e-12).ln()).sqrt();
    let (s, c) = (std::f32::consts::TAU * rng.random::<f32>()).sin_cos();
    [radius * c, radius * s]
}

/// The random stream number `stream` of a seed: what one part of a scene draws never shifts what another draws.
pub(crate) fn stream(seed: u64, stream: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed ^ (stream + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
