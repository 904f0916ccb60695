//! The steered response for live sound: the largest table there is, read whole in every frame.
//!
//! With many capsules no cache near the processor holds the steering vectors, and reading takes longer than computing. So cosine and
//! sine of a phase share 32 bits, 16 each, 2⁻¹⁵ from the truth at most: as if a capsule were half a micrometre from its place at 4 kHz.
//! Both become floating-point numbers again without a conversion: as the upper bits of the fraction of a number between 2 and 4, from
//! which 3 is taken once for a whole sum. Vectors never go through closures: compilers leave those outside of the functions that have the
//! processor's instructions.

use pulp::{Arch, Simd, WithSimd};

use crate::array::MicArray;
use crate::direction::{Direction, dot};
use crate::nudft::Complex32;
use crate::steered::sine_and_cosine;

/// Directions are padded to a multiple of this: the lanes of the widest vectors.
pub const LANES: usize = 16;
/// A number from 2 to 4 with an empty fraction.
const TWO: u32 = 0x4000_0000;
/// What lies between a part and the number that carries it.
const OFFSET: f32 = 3.0;

/// Steering phases of one array towards a set of directions at a set of frequencies, in half the memory of
/// [`crate::steered::SteeredResponse`].
pub struct PackedSteering {
    /// `[K][W / N][C][N]`: N directions side by side.
    values: Vec<u32>,
    capsules: usize,
    bins: usize,
    directions: usize,
    beside: usize,
}

impl std::fmt::Debug for PackedSteering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedSteering(K {}, C {}, Q {})", self.bins, self.capsules, self.directions)
    }
}

impl PackedSteering {
    /// Steering phases of the array's active capsules, seen from their centroid, towards Q directions at K frequencies in Hz.
    ///
    /// Memory: `4 · K · C · W` bytes with W, the number of directions rounded up to a multiple of [`LANES`].
    pub fn new(array: &MicArray, directions: &[Direction], frequencies_hz: &[f64], speed_of_sound_m_s: f64) -> Self {
        let positions = array.relative_positions_m();
        let mut units: Vec<[f64; 3]> = directions.iter().map(Direction::unit).collect();
        units.resize(directions.len().next_multiple_of(LANES), [0.0; 3]);
        let beside = side_by_side(units.len());
        let mut delays_s = Vec::with_capacity(positions.len() * units.len());
        for units in units.chunks_exact(beside) {
            for &p in &positions {
                delays_s.extend(units.iter().map(|&u| dot(p, u) / speed_of_sound_m_s));
            }
        }
        let mut values = vec![0; frequencies_hz.len() * delays_s.len()];
        for (row, &frequency_hz) in values.chunks_exact_mut(delays_s.len().max(1)).zip(frequencies_hz) {
            Arch::new().dispatch(Fill { row, delays_s: &delays_s, frequency_hz });
        }
        Self { values, capsules: positions.len(), bins: frequencies_hz.len(), directions: directions.len(), beside }
    }

    /// C, the number of capsules.
    pub fn capsules(&self) -> usize {
        self.capsules
    }

    /// W, the number of directions in padded rows.
    pub fn width(&self) -> usize {
        self.directions.next_multiple_of(LANES)
    }

    /// Mean cosine over all pairs of capsules of one bin, `out` `[T][W]` flattened, −1/(C−1) … 1, from phase-transformed spectra
    /// `[T][C][K]`; `phases` is working memory that grows once.
    #[inline(always)]
    pub fn respond<S: Simd>(
        &self,
        simd: S,
        bin: usize,
        phat: &[Complex32],
        phases: &mut Vec<[f32; 2]>,
        out: &mut [f32],
    ) {
        let (q, per_bin) = (self.width(), self.capsules * self.width());
        let t = out.len() / q.max(1);
        let Some(values) = self.values.get(bin * per_bin..(bin + 1) * per_bin) else { return };
        if phat.len() != t * self.capsules * self.bins || t == 0 {
            return;
        }
        let steering = Bin { values, beside: self.beside };
        let (by_four, rest) = out[..t * q].split_at_mut(t / 4 * 4 * q);
        let (by_two, by_one) = rest.split_at_mut(t % 4 / 2 * 2 * q);
        for (i, out) in by_four.chunks_exact_mut(4 * q).enumerate() {
            self.gather(bin, phat, [4 * i, 4], phases);
            // Twice as many sums as vectors can be held with 16 registers.
            match S::REGISTER_COUNT >= 32 && self.has::<S>(2) {
                true => steer::<S, 4, 2>(simd, out, steering, phases),
                false => steer::<S, 4, 1>(simd, out, steering, phases),
            }
        }
        if !by_two.is_empty() {
            self.gather(bin, phat, [t / 4 * 4, 2], phases);
            match self.has::<S>(2) {
                true => steer::<S, 2, 2>(simd, by_two, steering, phases),
                false => steer::<S, 2, 1>(simd, by_two, steering, phases),
            }
        }
        if !by_one.is_empty() {
            self.gather(bin, phat, [t - 1, 1], phases);
            match (self.has::<S>(4), self.has::<S>(2)) {
                (true, _) => steer::<S, 1, 4>(simd, by_one, steering, phases),
                (false, true) => steer::<S, 1, 2>(simd, by_one, steering, phases),
                (false, false) => steer::<S, 1, 1>(simd, by_one, steering, phases),
            }
        }
    }

    /// SRP-PHAT: the response averaged over all bins, `out` `[T][Q]` flattened; `scratch` grows once. Nothing when the spectra `[T][C][K]` do
    /// not fit.
    pub fn srp_phat(&self, phat: &[Complex32], frames: usize, scratch: &mut PackedScratch, out: &mut Vec<f32>) {
        out.clear();
        if phat.len() != frames * self.capsules * self.bins {
            return;
        }
        let PackedScratch { phases, response, sums } = scratch;
        for buffer in [&mut *response, &mut *sums] {
            buffer.clear();
            buffer.resize(frames * self.width(), 0.0);
        }
        Arch::new().dispatch(SrpPhat { steering: self, phat, phases, response, sums });
        for row in sums.chunks_exact(self.width().max(1)) {
            out.extend_from_slice(&row[..self.directions]);
        }
    }

    /// Whether so many vectors fit into the directions that lie side by side.
    #[inline(always)]
    fn has<S: Simd>(&self, vectors: usize) -> bool {
        self.beside.is_multiple_of(vectors * S::F32_LANES)
    }

    /// Real and imaginary parts of `count` frames from the frame `first` on, `[C][count]`: side by side, as they are wanted again and
    /// again.
    #[inline(always)]
    fn gather(&self, bin: usize, phat: &[Complex32], [first, count]: [usize; 2], to: &mut Vec<[f32; 2]>) {
        to.clear();
        for c in 0..self.capsules {
            for t in first..first + count {
                let x = phat[(t * self.capsules + c) * self.bins + bin];
                to.push([x.re, x.im]);
            }
        }
    }
}

/// Working memory of [`PackedSteering::srp_phat`], kept between calls.
#[derive(Clone, Debug, Default)]
pub struct PackedScratch {
    phases: Vec<[f32; 2]>,
    response: Vec<f32>,
    sums: Vec<f32>,
}

struct SrpPhat<'a> {
    steering: &'a PackedSteering,
    phat: &'a [Complex32],
    phases: &'a mut Vec<[f32; 2]>,
    response: &'a mut [f32],
    sums: &'a mut [f32],
}

impl WithSimd for SrpPhat<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { steering, phat, phases, response, sums } = self;
        let per_bin = simd.splat_f32s(1.0 / steering.bins.max(1) as f32);
        for bin in 0..steering.bins {
            steering.respond(simd, bin, phat, phases, response);
            let response = S::as_simd_f32s(response).0;
            for (sum, x) in S::as_mut_simd_f32s(sums).0.iter_mut().zip(response) {
                *sum = simd.mul_add_e_f32s(*x, per_bin, *sum);
            }
        }
    }
}

/// How many of this many directions are steered side by side.
fn side_by_side(directions: usize) -> usize {
    [4 * LANES, 2 * LANES].into_iter().find(|n| directions.is_multiple_of(*n)).unwrap_or(LANES)
}

/// Cosine and negative sine of the phases of one bin.
struct Fill<'a> {
    row: &'a mut [u32],
    delays_s: &'a [f64],
    frequency_hz: f64,
}

impl WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (x, delay_s) in self.row.iter_mut().zip(self.delays_s) {
            let [sin, cos] = sine_and_cosine(self.frequency_hz * delay_s);
            *x = pack(cos, -sin);
        }
    }
}

/// Two numbers from −1 to 1, the first in the upper half. 257 + x has (x + 1) · 2¹⁵, rounded, as the lower half of its bits: a conversion
/// to a whole number would mind overflow, and be done for one number at a time.
#[inline(always)]
fn pack(upper: f32, lower: f32) -> u32 {
    const MOST: f32 = 1.0 - 1.0 / 32_768.0;
    let low = (lower.min(MOST) + 257.0).to_bits() & 0xFFFF;
    // Seven bits of the lower half stay in the upper one's fraction: what they add is taken away before.
    let carried = (low >> 9) as i32 as f32 / 4_194_304.0;
    let high = (upper - carried).clamp(-1.0, MOST) + 257.0;
    high.to_bits() << 16 | low
}

/// Both numbers and [`OFFSET`].
#[inline(always)]
fn unpack<S: Simd>(simd: S, packed: S::u32s) -> [S::f32s; 2] {
    let two = simd.splat_u32s(TWO);
    let upper = simd.wrapping_dyn_shr_u32s(packed, simd.splat_u32s(9));
    let lower = simd.wrapping_dyn_shl_u32s(simd.and_u32s(packed, simd.splat_u32s(0xFFFF)), simd.splat_u32s(7));
    [simd.transmute_f32s_u32s(simd.or_u32s(upper, two)), simd.transmute_f32s_u32s(simd.or_u32s(lower, two))]
}

/// Steering phases of one bin, `[Q / beside][C][beside]`.
#[derive(Clone, Copy)]
struct Bin<'a> {
    values: &'a [u32],
    beside: usize,
}

/// Mean cosine over all pairs of capsules, `[T][Q]`, from the phases `[C][T]` of `T` frames; `V` vectors of directions at a time.
#[inline(always)]
fn steer<S: Simd, const T: usize, const V: usize>(simd: S, out: &mut [f32], steering: Bin<'_>, phases: &[[f32; 2]]) {
    let count = phases.len() / T;
    let capsules = count as f32;
    let per_pair = simd.splat_f32s(1.0 / (capsules * (capsules - 1.0)));
    let alone = simd.splat_f32s(-capsules);
    // What the offsets of cosines and sines add to the sums.
    let mut begin = [[0.0f32; 2]; T];
    for phases in phases.chunks_exact(T) {
        for ([re, im], [x_re, x_im]) in begin.iter_mut().zip(phases) {
            *re -= OFFSET * (x_re - x_im);
            *im -= OFFSET * (x_re + x_im);
        }
    }
    let mut empty = [[simd.splat_f32s(0.0); 2]; T];
    for (to, from) in empty.iter_mut().zip(begin) {
        *to = [simd.splat_f32s(from[0]), simd.splat_f32s(from[1])];
    }
    // Vectors of a frame, and of the directions that lie side by side.
    let (row, across) = (out.len() / T / S::F32_LANES, steering.beside / S::F32_LANES);
    let (out, steering) = (S::as_mut_simd_f32s(out).0, S::as_simd_u32s(steering.values).0);
    for (group, steering) in steering.chunks_exact(across * count).enumerate() {
        for first in (0..across).step_by(V) {
            let mut sums = [empty; V];
            for (steering, phases) in steering.chunks_exact(across).zip(phases.chunks_exact(T)) {
                let mut parts = [[simd.splat_f32s(0.0); 2]; V];
                for (part, packed) in parts.iter_mut().zip(&steering[first..first + V]) {
                    *part = unpack(simd, *packed);
                }
                for (t, [x_re, x_im]) in phases.iter().enumerate() {
                    let (x_re, x_im) = (simd.splat_f32s(*x_re), simd.splat_f32s(*x_im));
                    for (sums, [cosine, sine]) in sums.iter_mut().zip(parts) {
                        let [re, im] = &mut sums[t];
                        *re = simd.negate_mul_add_e_f32s(x_im, sine, simd.mul_add_e_f32s(x_re, cosine, *re));
                        *im = simd.mul_add_e_f32s(x_im, cosine, simd.mul_add_e_f32s(x_re, sine, *im));
                    }
                }
            }
            for (v, sums) in sums.into_iter().enumerate() {
                for (t, [re, im]) in sums.into_iter().enumerate() {
                    let power = simd.mul_add_e_f32s(re, re, simd.mul_add_e_f32s(im, im, alone));
                    out[t * row + group * across + first + v] = simd.mul_f32s(power, per_pair);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steered::{SteeredResponse, SteeredScratch};
    use crate::{Grid, presets};

    struct Unpack<'a>(&'a [u32], &'a mut [[f32; 2]]);

    impl WithSimd for Unpack<'_> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            let (mut upper, mut lower) = ([0.0; LANES], [0.0; LANES]);
            for (packed, out) in self.0.chunks_exact(LANES).zip(self.1.chunks_exact_mut(LANES)) {
                let to = S::as_mut_simd_f32s(&mut upper).0.iter_mut().zip(S::as_mut_simd_f32s(&mut lower).0);
                for (packed, to) in S::as_simd_u32s(packed).0.iter().zip(to) {
                    [*to.0, *to.1] = unpack(simd, *packed);
                }
                for (out, parts) in out.iter_mut().zip(upper.iter().zip(&lower)) {
                    *out = [parts.0 - OFFSET, parts.1 - OFFSET];
                }
            }
        }
    }

    #[test]
    fn both_halves_come_back() {
        let angle = |i: usize| i as f32 * std::f32::consts::TAU / 4096.0;
        let packed: Vec<u32> = (0..4096).map(|i| pack(angle(i).cos(), angle(7 * i).sin())).collect();
        let mut parts = vec![[0.0; 2]; packed.len()];
        Arch::new().dispatch(Unpack(&packed, &mut parts));
        let (mut worst, mut sum) = (0f32, 0.0);
        for (i, [cos, sin]) in parts.into_iter().enumerate() {
            worst = worst.max((cos - angle(i).cos()).abs()).max((sin - angle(7 * i).sin()).abs());
            sum += f64::from(cos) + f64::from(sin);
        }
        assert!(worst < 3.2e-5, "{worst}");
        assert!((sum / 8192.0).abs() < 2e-6, "{sum}");
    }

    #[test]
    fn the_response_is_that_of_the_whole_numbers() {
        let f = [150.0, 1234.5, 3000.0, 7800.0];
        for (preset, directions) in [("a-format-tetrahedron", 16), ("eigenmike-em32", 96), ("zylia-zm-1", 129)] {
            let array = presets::find(preset).unwrap().array;
            let grid = Grid::fibonacci(directions).unwrap();
            let (d, c) = (grid.directions(), array.active_len());
            let (whole, packed) =
                (SteeredResponse::new(&array, d, &f, 343.0), PackedSteering::new(&array, d, &f, 343.0));
            assert_eq!((packed.capsules(), packed.width()), (c, directions.next_multiple_of(LANES)));
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            let mut scratch = PackedScratch::default();
            for frames in 0..=7 {
                let phase = |i: usize| Complex32::from_polar(1.0, (i * i % 1009) as f32 * 0.37);
                let phat: Vec<Complex32> = (0..frames * c * f.len()).map(phase).collect();
                whole.srp_phat(&phat, frames, &mut SteeredScratch::default(), &mut expected);
                packed.srp_phat(&phat, frames, &mut scratch, &mut found);
                assert_eq!(found.len(), expected.len());
                for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
                    assert!((a - b).abs() < 4e-5, "{preset}, {frames} frames, {i}: {a} {b}");
                }
            }
            packed.srp_phat(&[Complex32::default(); 3], 1, &mut scratch, &mut found);
            assert!(found.is_empty());
        }
    }
}
