//! The half turn under which a quadrature looks the same, and harmonics seen from its axis.

use spherescope_dsp::Direction;
use spherescope_dsp::harmonics::{degrees, harmonics_len, real_harmonics};

use crate::ops::BlockSphere;

/// Harmonics for blocks that learn: where the quadrature has its half turn seen from the axis, the even ones first. Zonal convolutions do
/// not know from where harmonics are seen, nor their order.
pub(super) fn sphere_of(quadrature: &[Direction], order: usize) -> BlockSphere {
    let axis_rad = half_turn(quadrature);
    let (first, then): (Vec<usize>, Vec<usize>) =
        (0..harmonics_len(order)).partition(|&i| axis_rad.is_none() || is_even(i));
    let all: Vec<usize> = first.iter().chain(&then).copied().collect();
    let degree: Vec<u32> = degrees(order).map(|n| n as u32).collect();
    let mut harmonics = Vec::with_capacity(quadrature.len() * all.len());
    for d in quadrature {
        let y = real_harmonics(&seen_from(d, axis_rad.unwrap_or_default()), order);
        harmonics.extend(all.iter().map(|&i| y[i] as f32));
    }
    BlockSphere {
        harmonics: harmonics.into(),
        degree: all.iter().map(|&i| degree[i]).collect(),
        even: axis_rad.map(|_| first.len()),
    }
}

/// Whether the harmonic at this index is even under half a turn about the x-axis, (z, azimuth) → (−z, −azimuth): P_n^|m| takes the sign
/// (−1)^(n+|m|), the sine a further one.
pub(super) fn is_even(index: usize) -> bool {
    let n = index.isqrt();
    let m = index as isize - (n * n + n) as isize;
    (n + m.unsigned_abs()).is_multiple_of(2) == (m >= 0)
}

/// The direction's azimuth counted from `axis_rad`.
pub(super) fn seen_from(direction: &Direction, axis_rad: f64) -> Direction {
    let ([x, y, z], (sin, cos)) = (direction.unit(), axis_rad.sin_cos());
    Direction::from_vector([cos * x + sin * y, cos * y - sin * x, z]).unwrap_or(*direction)
}

/// Azimuth in radians of a horizontal axis about which half a turn maps each direction i onto direction Q − 1 − i, if there is one.
pub(super) fn half_turn(directions: &[Direction]) -> Option<f64> {
    let [x, y, _] = directions.first()?.unit();
    let [x_last, y_last, _] = directions.last()?.unit();
    // The two azimuths are mirror images in the axis.
    let axis_rad = 0.5 * (y.atan2(x) + y_last.atan2(x_last));
    let fits = |axis_rad: &f64| {
        directions.iter().zip(directions.iter().rev()).all(|(a, b)| {
            let ([x, y, z], [x_b, y_b, z_b]) = (seen_from(a, *axis_rad).unit(), seen_from(b, *axis_rad).unit());
            (x - x_b).abs() < 1e-9 && (y + y_b).abs() < 1e-9 && (z + z_b).abs() < 1e-9
        })
    };
    [axis_rad, axis_rad + 0.5 * std::f64::consts::PI].into_iter().find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use spherescope_dsp::Grid;

    #[test]
    fn halves_give_what_the_whole_transforms_give() {
        let mut rng = rand::rngs::SmallRng::seed_from_u64(5);
        // An odd number has no pairs, and directions of no lattice no half turn.
        for (q, lattice, in_halves) in [(192, true, true), (67, true, false), (64, false, false)] {
            let mut quadrature = Grid::fibonacci(q).unwrap().directions().to_vec();
            if !lattice {
                quadrature.swap(3, 11);
            }
            let (order, n) = (7, 10);
            let sphere = sphere_of(&quadrature, order);
            let s = harmonics_len(order);
            assert_eq!(sphere.even.is_some() && q % 2 == 0, in_halves, "{q}");
            let whole = BlockSphere { even: None, ..sphere.clone() };
            let x: Vec<f32> = (0..q * n).map(|_| rng.random_range(-1.0..1.0)).collect();
            let before: Vec<f32> = (0..q * n).map(|_| rng.random_range(-1.0..1.0)).collect();
            let [a, b] = [&sphere, &whole].map(|sphere| {
                let (mut spectrum, mut buffer) = (vec![0.0; s * n], Vec::new());
                sphere.to_harmonics(&x, n, &mut buffer, &mut spectrum).unwrap();
                let (mut fresh, mut added) = (vec![f32::NAN; q * n], before.clone());
                sphere.to_directions(&spectrum, n, false, &mut buffer, &mut fresh).unwrap();
                sphere.to_directions(&spectrum, n, true, &mut buffer, &mut added).unwrap();
                [spectrum, fresh, added]
            });
            for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
                assert!((a - b).abs() < 2e-4, "{q}: {a} {b}");
            }
            assert!(a[1].iter().any(|x| x.abs() > 1.0));
        }
    }
}
