//! GCC-PHAT and the steered response of an array: the classical engine, and the lift of the AGG-RL network.
//!
//! A source in direction u reaches a capsule at p earlier by p·u/c, so its spectrum carries e^{+j2πf p·u/c}; steering multiplies by
//! the conjugate. With phase-transformed spectra the power of the sum over capsules is the sum of the cosines over all pairs:
//! s = (|Σ_c X̂_c e^{−j2πf p_c·u/c}|² − C) / (C (C − 1)), the mean cosine over all pairs, at O(C) cost.

use gemm::{Parallelism, gemm};
use pulp::{Arch, Simd, WithSimd};

use crate::array::MicArray;
use crate::direction::{Direction, dot};
use crate::nudft::Complex32;

/// Phase transform of one frame in place: X / √(|X|² + 1e−10), so that silent bins stay small instead of becoming noise.
pub fn phase_transform(spectrum: &mut [Complex32]) {
    Arch::new().dispatch(PhaseTransform(spectrum));
}

struct PhaseTransform<'a>(&'a mut [Complex32]);

impl WithSimd for PhaseTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for x in self.0 {
            let scale = (x.re * x.re + x.im * x.im + 1e-10).sqrt().recip();
            x.re *= scale;
            x.im *= scale;
        }
    }
}

/// GCC-PHAT of every capsule against the reference: X̂_c X̂*_ref, `[C − 1][K]` flattened, the reference left out.
///
/// `phat` holds phase-transformed spectra `[C][K]` flattened. Empty when the sizes do not fit.
pub fn gcc_phat(phat: &[Complex32], bins: usize, reference: usize) -> Vec<Complex32> {
    if bins == 0 || !phat.len().is_multiple_of(bins) || reference >= phat.len() / bins {
        return Vec::new();
    }
    let reference_row = &phat[reference * bins..][..bins];
    phat.chunks_exact(bins)
        .enumerate()
        .filter(|(c, _)| *c != reference)
        .flat_map(|(_, row)| row.iter().zip(reference_row).map(|(x, r)| x * r.conj()))
        .collect()
}

/// sin 2πx and cos 2πx within 1e−6 for |x| < 10⁶, from a branch-free polynomial of the half angle that compilers vectorise.
#[inline(always)]
pub fn sine_and_cosine(turns: f64) -> [f32; 2] {
    // Adding and taking 1.5 · 2⁵² rounds to the nearest whole number: reduced in double precision, singles suffice.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let half = ((turns - ((turns + ROUND) - ROUND)) * std::f64::consts::PI) as f32;
    let z = half * half;
    // Taylor's series; the next terms are below 6e−8 at the ends, ±π/2. Factors, where z divided by a number would be a division.
    const SIN_11: f32 = 1.0 / 39_916_800.0;
    const COS_12: f32 = 1.0 / 479_001_600.0;
    let sin =
        half * (1.0 + z * (-1.0 / 6.0 + z * (1.0 / 120.0 + z * (-1.0 / 5040.0 + z * (1.0 / 362_880.0 - z * SIN_11)))));
    let cos = 1.0
        + z * (-0.5
            + z * (1.0 / 24.0 + z * (-1.0 / 720.0 + z * (1.0 / 40_320.0 + z * (-1.0 / 3_628_800.0 + z * COS_12)))));
    [2.0 * sin * cos, 1.0 - 2.0 * sin * sin]
}

/// e^{−j2πfτ} for each delay.
struct Steer<'a> {
    row: &'a mut [Complex32],
    delays_s: &'a [f64],
    frequency_hz: f64,
}

impl WithSimd for Steer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (x, delay_s) in self.row.iter_mut().zip(self.delays_s) {
            let [sin, cos] = sine_and_cosine(self.frequency_hz * delay_s);
            (x.re, x.im) = (cos, -sin);
        }
    }
}

/// Steering vectors of one array towards a set of directions at a set of frequencies.
#[derive(Clone)]
pub struct SteeredResponse {
    /// e^{−j2πf_k p_c·u_q/c}, `[K][C][Q]` flattened.
    steering: Vec<Complex32>,
    capsules: usize,
    bins: usize,
    directions: usize,
}

impl std::fmt::Debug for SteeredResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SteeredResponse(K {}, C {}, Q {})", self.bins, self.capsules, self.directions)
    }
}

impl SteeredResponse {
    /// Steering vectors of the array's active capsules, seen from their centroid, towards Q directions at K frequencies in Hz.
    ///
    /// Memory: `8 · K · C · Q` bytes.
    pub fn new(array: &MicArray, directions: &[Direction], frequencies_hz: &[f64], speed_of_sound_m_s: f64) -> Self {
        let positions = array.relative_positions_m();
        let delays_s: Vec<f64> = positions
            .iter()
            .flat_map(|&p| directions.iter().map(move |d| dot(p, d.unit()) / speed_of_sound_m_s))
            .collect();
        let mut steering = vec![Complex32::default(); frequencies_hz.len() * delays_s.len()];
        for (row, &frequency_hz) in steering.chunks_exact_mut(delays_s.len().max(1)).zip(frequencies_hz) {
            Arch::new().dispatch(Steer { row, delays_s: &delays_s, frequency_hz });
        }
        Self { steering, capsules: positions.len(), bins: frequencies_hz.len(), directions: directions.len() }
    }

    /// C, the number of capsules.
    pub fn capsules(&self) -> usize {
        self.capsules
    }

    /// K, the number of frequency bins.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Q, the number of directions.
    pub fn directions(&self) -> usize {
        self.directions
    }

    /// Mean cosine over all pairs of capsules for each bin, frame and direction: `f(k, response)` is called for every bin k with the
    /// response `[T][Q]` flattened, −1/(C−1) … 1. `phat` holds phase-transformed spectra `[T][C][K]` flattened; `scratch` grows once.
    pub fn respond(
        &self,
        phat: &[Complex32],
        frames: usize,
        scratch: &mut SteeredScratch,
        mut f: impl FnMut(usize, &[f32]),
    ) {
        let (c, k_len, q) = (self.capsules, self.bins, self.directions);
        if phat.len() != frames * c * k_len || frames == 0 {
            return;
        }
        scratch.sums.resize(frames * q, Complex32::default());
        scratch.response.resize(frames * q, 0.0);
        let capsules = c as f32;
        let per_pair = 1.0 / (capsules * (capsules - 1.0));
        for k in 0..k_len {
            // SAFETY: destination is [T][Q] in `sums`, the left side [T][C] is bin k of `phat` (frame stride C·K, capsule stride K), the right
            // side [C][Q] is bin k of `steering`; every index these strides reach lies inside the slices, whose lengths are
            // checked above and fixed at construction. The destination is not read.
            unsafe {
                gemm(
                    frames,
                    q,
                    c,
                    scratch.sums.as_mut_ptr(),
                    1,
                    q as isize,
                    false,
                    phat.as_ptr().add(k),
                    k_len as isize,
                    (c * k_len) as isize,
                    self.steering.as_ptr().add(k * c * q),
                    1,
                    q as isize,
                    Complex32::new(0.0, 0.0),
                    Complex32::new(1.0, 0.0),
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
            for (out, sum) in scratch.response.iter_mut().zip(&scratch.sums) {
                *out = (sum.norm_sqr() - capsules) * per_pair;
            }
            f(k, &scratch.response);
        }
    }

    /// SRP-PHAT: the response averaged over all bins, `out` `[T][Q]` flattened.
    pub fn srp_phat(&self, phat: &[Complex32], frames: usize, scratch: &mut SteeredScratch, out: &mut Vec<f32>) {
        out.clear();
        out.resize(frames * self.directions, 0.0);
        let per_bin = 1.0 / self.bins.max(1) as f32;
        self.respond(phat, frames, scratch, |_, response| {
            for (out, r) in out.iter_mut().zip(response) {
                *out += r * per_bin;
            }
        });
    }
}

/// Working memory of [`SteeredResponse`], kept between calls.
#[derive(Clone, Debug, Default)]
pub struct SteeredScratch {
    sums: Vec<Complex32>,
    response: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Grid;
    use crate::{Rotation, presets};
    use proptest::prelude::*;
    use rand::SeedableRng;

    const C0: f64 = 343.0;

    fn frequencies() -> Vec<f64> {
        (0..40).map(|k| 300.0 + 150.0 * f64::from(k)).collect()
    }

    /// Spectra `[C][K]` of a plane wave from `source`.
    fn plane_wave(array: &MicArray, source: &Direction, frequencies: &[f64]) -> Vec<Complex32> {
        array
            .relative_positions_m()
            .iter()
            .flat_map(|&p| {
                frequencies.iter().map(move |f| {
                    let phase = std::f64::consts::TAU * f * dot(p, source.unit()) / C0;
                    Complex32::new(phase.cos() as f32, phase.sin() as f32)
                })
            })
            .collect()
    }

    fn srp(array: &MicArray, phat: &[Complex32], directions: &[Direction]) -> Vec<f32> {
        let mut out = Vec::new();
        SteeredResponse::new(array, directions, &frequencies(), C0).srp_phat(
            phat,
            1,
            &mut SteeredScratch::default(),
            &mut out,
        );
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_plane_wave_peaks_where_it_comes_from(az in -180.0f64..180.0, el in -90.0f64..90.0) {
            let source = Direction::from_degrees(az, el).unwrap();
            let grid = Grid::fibonacci(2048).unwrap();
            for id in ["a-format-tetrahedron", "eigenmike-em32"] {
                let array = presets::find(id).unwrap().array;
                let mut phat = plane_wave(&array, &source, &frequencies());
                phase_transform(&mut phat);
                let map = srp(&array, &phat, grid.directions());
                let best = (0..map.len()).max_by(|&a, &b| map[a].total_cmp(&map[b])).unwrap();
                prop_assert!(grid.directions()[best].angle_to_deg(&source) < 4.5);
                prop_assert!((srp(&array, &phat, &[source])[0] - 1.0).abs() < 1e-4);
            }
        }

        #[test]
        fn turning_scene_and_array_turns_the_map(seed: u64) {
            let mut rng = rand::rngs::SmallRng::seed_from_u64(seed);
            let turn = Rotation::random(&mut rng);
            let array = presets::find("zylia-zm-1").unwrap().array;
            let positions: Vec<_> = array.capsules().iter().map(|c| turn.apply(c.position_m)).collect();
            let turned = MicArray::from_positions("turned", &positions).unwrap();
            let source = Rotation::random(&mut rng).apply_to(Direction::FRONT);
            let phat = plane_wave(&array, &source, &frequencies());
            let grid = Grid::fibonacci(300).unwrap();
            let before = srp(&array, &phat, grid.directions());
            let after = srp(&turned, &phat, grid.rotated(&turn).directions());
            for (a, b) in before.iter().zip(&after) {
                prop_assert!((a - b).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn sine_and_cosine_are_the_library_s_at_any_angle() {
        for i in -40_000i32..40_000 {
            let turns = f64::from(i) * 0.000_317 + f64::from(i % 7) * 1e5;
            let (sin, cos) = (std::f64::consts::TAU * turns.fract()).sin_cos();
            let [s, c] = sine_and_cosine(turns);
            assert!((f64::from(s) - sin).abs() < 1e-6 && (f64::from(c) - cos).abs() < 1e-6, "{turns}");
        }
    }

    #[test]
    fn the_response_is_the_mean_cosine_over_all_pairs() {
        let array = presets::find("ring-6").unwrap().array;
        let source = Direction::from_degrees(40.0, 10.0).unwrap();
        let look = Direction::from_degrees(-75.0, 30.0).unwrap();
        let f = frequencies();
        let phat = plane_wave(&array, &source, &f);
        let p = array.relative_positions_m();
        let mut sum = 0.0;
        for f in &f {
            let phase = |i: usize| std::f64::consts::TAU * f / C0 * (dot(p[i], source.unit()) - dot(p[i], look.unit()));
            for i in 0..6 {
                for j in 0..6 {
                    if i != j {
                        sum += (phase(i) - phase(j)).cos();
                    }
                }
            }
        }
        let expected = sum / (30.0 * f.len() as f64);
        assert!((f64::from(srp(&array, &phat, &[look])[0]) - expected).abs() < 1e-5);
    }

    #[test]
    fn gcc_phat_holds_the_phase_against_the_reference() {
        let array = presets::find("a-format-tetrahedron").unwrap().array;
        let source = Direction::from_degrees(12.0, -30.0).unwrap();
        let f = frequencies();
        let mut phat = plane_wave(&array, &source, &f);
        for x in &mut phat {
            *x *= 0.01;
        }
        phase_transform(&mut phat);
        let gcc = gcc_phat(&phat, f.len(), 1);
        assert_eq!(gcc.len(), 3 * f.len());
        let p = array.relative_positions_m();
        for (row, capsule) in [0, 2, 3].into_iter().enumerate() {
            let tdoa_s = (dot(p[capsule], source.unit()) - dot(p[1], source.unit())) / C0;
            for (k, f) in f.iter().enumerate() {
                let expected = (std::f64::consts::TAU * f * tdoa_s).sin_cos();
                let found = gcc[row * 40 + k];
                assert!((f64::from(found.re) - expected.1).abs() < 1e-4);
                assert!((f64::from(found.im) - expected.0).abs() < 1e-4);
            }
        }
        assert!(gcc_phat(&phat, f.len(), 4).is_empty());
    }
}
