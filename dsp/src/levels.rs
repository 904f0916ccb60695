//! Level differences between the capsules of an array, in each frequency bin: what the phase transform forgets.
//!
//! A capsule with a cardioid pattern hears 1 + cos θ of a wave, a capsule on a rigid sphere or a head lies in its shadow, one that is
//! nearer to a near talker hears more of it. All of these rise towards the source, so a bin's level differences come down to one
//! vector, the slope of the magnitudes over the array: g = Σ_c w_c |X_c| / mean_c |X_c|, with weights w_c = (M + ε)⁻¹ p_c / (r C) of a
//! least-squares plane through the capsules' places p_c from their centroid, r their root mean square radius, M the covariance of
//! p/r and ε what keeps flat and straight arrays finite. For cardioids that look outwards from a regular tetrahedron, g is 0.77 u for a
//! plane wave from u. It turns with the array and the scene, does not depend on the order of the channels nor on the overall level,
//! and is zero for equal magnitudes.

use crate::array::MicArray;
use crate::nudft::Complex32;

/// ε.
const REGULARISATION: f64 = 0.1;
/// Added to the mean magnitude, so that silence has no slope.
const FLOOR: f32 = 1e-6;
/// Number of components of a slope: x, y and z.
pub const AXES: usize = 3;

/// Finds the slope of the levels over one array.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LevelSlope {
    /// w_c of each active capsule, `[C]`.
    weights: Vec<[f32; AXES]>,
    /// Sum of the magnitudes of each bin, `[K]`.
    sums: Vec<f32>,
    /// `[3][K]`.
    slopes: Vec<f32>,
}

impl LevelSlope {
    /// For the active capsules of an array.
    pub fn new(array: &MicArray) -> Self {
        let positions = array.relative_positions_m();
        let per_capsule = 1.0 / positions.len().max(1) as f64;
        let square = positions.iter().flatten().map(|x| x * x).sum::<f64>() * per_capsule;
        let radius = square.sqrt().max(1e-6);
        let mut covariance = [[0.0; AXES]; AXES];
        for p in &positions {
            for (row, a) in covariance.iter_mut().zip(p) {
                row.iter_mut().zip(p).for_each(|(x, b)| *x += a * b / (radius * radius) * per_capsule);
            }
        }
        (0..AXES).for_each(|i| covariance[i][i] += REGULARISATION);
        let inverse = inverse(&covariance);
        let weight = |p: &[f64; AXES]| {
            inverse.map(|row| (row.iter().zip(p).map(|(a, b)| a * b).sum::<f64>() / radius * per_capsule) as f32)
        };
        Self { weights: positions.iter().map(weight).collect(), sums: Vec::new(), slopes: Vec::new() }
    }

    /// Starts with a frame of K bins.
    pub fn begin(&mut self, bins: usize) {
        for (buffer, len) in [(&mut self.sums, bins), (&mut self.slopes, AXES * bins)] {
            buffer.clear();
            buffer.resize(len, 0.0);
        }
    }

    /// Takes a capsule's spectrum `[K]`, before the phase transform. Capsules that the array does not have leave no trace.
    pub fn add(&mut self, capsule: usize, spectrum: &[Complex32]) {
        let Some(&[x, y, z]) = self.weights.get(capsule) else { return };
        let bins = self.sums.len();
        let (of_x, rest) = self.slopes.split_at_mut(bins);
        let (of_y, of_z) = rest.split_at_mut(bins);
        let slopes = of_x.iter_mut().zip(of_y).zip(of_z);
        for (((of_x, of_y), of_z), (sum, value)) in slopes.zip(self.sums.iter_mut().zip(spectrum)) {
            let magnitude = (value.re * value.re + value.im * value.im).sqrt();
            *sum += magnitude;
            *of_x += x * magnitude;
            *of_y += y * magnitude;
            *of_z += z * magnitude;
        }
    }

    /// The slopes of the frame, `[3][K]` flattened.
    pub fn finish(&mut self) -> &[f32] {
        let per_capsule = 1.0 / self.weights.len().max(1) as f32;
        for sum in &mut self.sums {
            *sum = 1.0 / (*sum * per_capsule + FLOOR);
        }
        for row in self.slopes.chunks_exact_mut(self.sums.len().max(1)) {
            row.iter_mut().zip(&self.sums).for_each(|(slope, scale)| *slope *= scale);
        }
        &self.slopes
    }

    /// The slopes of one frame whose spectra `[C][K]` are all at hand; see [`Self::finish`].
    pub fn of(&mut self, spectra: &[Complex32]) -> &[f32] {
        let bins = spectra.len() / self.weights.len().max(1);
        self.begin(bins);
        for (capsule, spectrum) in spectra.chunks_exact(bins.max(1)).enumerate() {
            self.add(capsule, spectrum);
        }
        self.finish()
    }
}

/// Of a symmetric, positive definite matrix.
fn inverse(m: &[[f64; AXES]; AXES]) -> [[f64; AXES]; AXES] {
    let cofactor = |i: usize, j: usize| {
        let (a, b, c, d) = ((i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3);
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant: f64 = (0..AXES).map(|j| m[0][j] * cofactor(0, j)).sum();
    std::array::from_fn(|i| std::array::from_fn(|j| cofactor(j, i) / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::{Rotation, dot};
    use crate::presets;
    use proptest::prelude::*;

    fn tetrahedron() -> Vec<[f64; 3]> {
        [[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]].map(|p| p.map(|x| 0.01 * x)).into()
    }

    /// Magnitudes of outward cardioids for a wave from `unit`, one bin, each with a phase of its own.
    fn cardioids(places: &[[f64; 3]], unit: [f64; 3]) -> Vec<Complex32> {
        let hear = |(i, p): (usize, &[f64; 3])| {
            let length = dot(*p, *p).sqrt();
            Complex32::from_polar((1.0 + dot(*p, unit) / length) as f32, i as f32)
        };
        places.iter().enumerate().map(hear).collect()
    }

    fn slope(places: &[[f64; 3]], spectra: &[Complex32]) -> [f32; 3] {
        let array = MicArray::from_positions("test", places).unwrap();
        LevelSlope::new(&array).of(spectra).try_into().unwrap()
    }

    #[test]
    fn cardioids_point_at_the_source() {
        let places = tetrahedron();
        for unit in [[1.0, 0.0, 0.0], [0.0, 0.6, -0.8], [-0.48, 0.6, 0.64]] {
            let found = slope(&places, &cardioids(&places, unit));
            for (found, unit) in found.iter().zip(unit) {
                assert!((f64::from(*found) - unit / 3.0 / (1.0 / 3.0 + REGULARISATION)).abs() < 1e-4, "{found} {unit}");
            }
        }
    }

    proptest! {
        #[test]
        fn turns_with_the_scene_and_ignores_order_and_level(seed in 0u64..1000, gain in 0.01f32..100.0) {
            use rand::{SeedableRng, rngs::SmallRng};
            let mut rng = SmallRng::seed_from_u64(seed);
            let (first, second) = (Rotation::random(&mut rng), Rotation::random(&mut rng));
            let places: Vec<_> = (0..7).map(|i| first.apply([0.01 * f64::from(i), 0.02, (f64::from(i) * 0.7).sin() * 0.05])).collect();
            let spectra = cardioids(&places, first.apply([0.0, 0.0, 1.0]));
            let found = slope(&places, &spectra);
            let turned: Vec<_> = places.iter().map(|p| second.apply(*p)).collect();
            let louder: Vec<_> = spectra.iter().map(|x| x * gain).collect();
            let of_turned = slope(&turned, &louder);
            let expected = second.apply(found.map(f64::from));
            let backwards = slope(&places.iter().rev().copied().collect::<Vec<_>>(), &spectra.iter().rev().copied().collect::<Vec<_>>());
            for i in 0..3 {
                prop_assert!((f64::from(of_turned[i]) - expected[i]).abs() < 1e-3);
                prop_assert!((backwards[i] - found[i]).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn equal_levels_and_silence_have_no_slope_and_flat_arrays_a_finite_one() {
        let mut all = LevelSlope::new(&presets::find("ring-6").unwrap().array);
        assert!(all.of(&[Complex32::new(0.0, 2.0); 12]).iter().all(|x| x.abs() < 1e-6));
        assert!(all.of(&[Complex32::default(); 12]).iter().all(|x| *x == 0.0));
        let mut one = [Complex32::default(); 6];
        one[2] = Complex32::new(3.0, 0.0);
        let found = all.of(&one).to_vec();
        assert!(
            found.iter().all(|x| x.is_finite() && x.abs() < 4.0) && found.iter().any(|x| x.abs() > 1.0),
            "{found:?}"
        );
    }
}
