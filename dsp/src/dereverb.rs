//! Takes late reverberation out of the spectra of an array before the phase transform.
//!
//! What a room says 32 ms and more after the direct sound can be foretold, bin by bin, from what some capsules heard before; direct sound
//! and noise cannot. So the prediction is subtracted from every capsule's spectrum: online weighted prediction error, multichannel
//! linear prediction by recursive least squares, each frame weighed by one over the power of what it leaves (T. Nakatani et al., Speech
//! Dereverberation Based on Variance-Normalized Delayed Linear Prediction, 2010; T. Yoshioka and T. Nakatani, Generalization of
//! Multi-Channel Linear Prediction Methods for Blind MIMO Impulse Response Shortening, 2012). What is left of a wave keeps its delays
//! between the capsules.
//!
//! With Y(t) = X(t) − Gᴴ x̃(t), x̃ the n = P·L spectra of P reference capsules in the L frames from t − Δ back, and λ the power of Y:
//! k = R⁻¹ x̃ / (α λ + x̃ᴴ R⁻¹ x̃), R⁻¹ ← (R⁻¹ − k x̃ᴴ R⁻¹) / α, G ← G + k Yᴴ. What is handed on is (Y + β X) / (1 + β).

use pulp::Arch;

use crate::array::MicArray;
use crate::nudft::Complex32;

/// P, at most: capsules from which the reverberation is foretold.
const REFERENCES: usize = 4;
/// L: frames from which it is foretold.
const TAPS: usize = 4;
/// Δ in frames: windows that do not overlap.
const DELAY: usize = 2;
/// α: what one frame leaves of the weight of those before; 1.6 s at 16 ms from frame to frame.
const KEEP: f32 = 0.99;
/// β, the part of X beside Y in what is handed on: a tone that is held is foretold as reverberation is, and would else be gone.
const HEARD: f32 = 0.2;
/// λ is at least this part of the bin's power averaged over [`MEAN_KEEP`] …
const LEAST_POWER: f32 = 1e-3;
/// … which forgets within about a second.
const MEAN_KEEP: f32 = 0.984;
/// λ of digital silence.
const FLOOR: f32 = 1e-20;
/// The diagonal of R⁻¹ stays below this; it begins with 1.
const MOST_INVERSE: f32 = 10.0;

/// Removes late reverberation from the spectra of one array; remembers from frame to frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dereverb {
    /// C.
    capsules: usize,
    /// K.
    bins: usize,
    /// Reference capsules.
    references: Vec<usize>,
    /// The references' spectra in the last frames, a ring of `[Δ + L − 1][K][P]`.
    past: Vec<Complex32>,
    /// Where in the ring the next frame goes.
    next: usize,
    /// One after another.
    of_bins: Vec<OfBin>,
    scratch: Scratch,
}

/// Complex numbers, real parts and imaginary parts apart.
#[derive(Clone, Debug, Default, PartialEq)]
struct Split {
    re: Vec<f32>,
    im: Vec<f32>,
}

impl Split {
    fn zeros(len: usize) -> Self {
        Self { re: vec![0.0; len], im: vec![0.0; len] }
    }
}

/// What one bin remembers.
#[derive(Clone, Debug, PartialEq)]
struct OfBin {
    /// R⁻¹ `[n][n]`, Hermitian.
    inverse: Split,
    /// G `[n][C]`.
    gains: Split,
    /// Power of Y in the frame before.
    left: f32,
    /// Power of X, averaged.
    mean: f32,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Scratch {
    /// x̃, `[n]`.
    past: Split,
    /// R⁻¹ x̃, `[n]`.
    ahead: Split,
    /// X, then Y, of one bin, `[C]`.
    now: Split,
}

impl OfBin {
    fn new(n: usize, capsules: usize) -> Self {
        let mut inverse = Split::zeros(n * n);
        inverse.re.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
        Self { inverse, gains: Split::zeros(n * capsules), left: 0.0, mean: 0.0 }
    }

    /// One frame: X in `now` becomes Y.
    #[inline(always)]
    fn process(&mut self, Scratch { past, ahead, now }: &mut Scratch) {
        let (n, c) = (past.re.len(), now.re.len());
        let per_capsule = 1.0 / c.max(1) as f32;
        let power = |x: &Split| x.re.iter().zip(&x.im).map(|(re, im)| re * re + im * im).sum::<f32>() * per_capsule;
        let heard = power(now);
        self.mean = if self.mean == 0.0 { heard } else { MEAN_KEEP * self.mean + (1.0 - MEAN_KEEP) * heard };
        let rows = self.gains.re.chunks_exact(c).zip(self.gains.im.chunks_exact(c)).zip(past.re.iter().zip(&past.im));
        for ((g_re, g_im), (&x_re, &x_im)) in rows {
            // Less the conjugate of the gain times the past.
            for (((y_re, y_im), g_re), g_im) in now.re.iter_mut().zip(now.im.iter_mut()).zip(g_re).zip(g_im) {
                *y_re -= g_re * x_re + g_im * x_im;
                *y_im -= g_re * x_im - g_im * x_re;
            }
        }
        let left = power(now);
        let lambda = (0.5 * (left + self.left)).max(LEAST_POWER * self.mean).max(FLOOR);
        self.left = left;

        // R⁻¹ is Hermitian: its columns are its rows' conjugates.
        ahead.re.fill(0.0);
        ahead.im.fill(0.0);
        let rows = self.inverse.re.chunks_exact(n).zip(self.inverse.im.chunks_exact(n));
        for ((row_re, row_im), (&x_re, &x_im)) in rows.zip(past.re.iter().zip(&past.im)) {
            let to = ahead.re.iter_mut().zip(ahead.im.iter_mut());
            for (((a_re, a_im), re), im) in to.zip(row_re).zip(row_im) {
                *a_re += re * x_re + im * x_im;
                *a_im += re * x_im - im * x_re;
            }
        }
        let pairs = past.re.iter().zip(&ahead.re).chain(past.im.iter().zip(&ahead.im));
        let sure: f32 = pairs.map(|(a, b)| a * b).sum();
        let whole = KEEP * lambda + sure;
        // Rounding, or sound of wildly changing level, may leave nothing that can be inverted: begin anew.
        if !(sure >= 0.0 && whole.is_finite() && left.is_finite()) {
            *self = Self::new(n, c);
            return;
        }
        let scale = 1.0 / whole;
        let rows = self.inverse.re.chunks_exact_mut(n).zip(self.inverse.im.chunks_exact_mut(n));
        let mut most = 0f32;
        for (i, (row_re, row_im)) in rows.enumerate() {
            let (k_re, k_im) = (ahead.re[i] * scale, ahead.im[i] * scale);
            for (((re, im), a_re), a_im) in row_re.iter_mut().zip(row_im.iter_mut()).zip(&ahead.re).zip(&ahead.im) {
                *re = (*re - (k_re * a_re + k_im * a_im)) * (1.0 / KEEP);
                *im = (*im - (k_im * a_re - k_re * a_im)) * (1.0 / KEEP);
            }
            most = most.max(row_re[i]);
        }
        if most > MOST_INVERSE {
            let less = MOST_INVERSE / most;
            self.inverse.re.iter_mut().chain(&mut self.inverse.im).for_each(|x| *x *= less);
        }
        let rows = self.gains.re.chunks_exact_mut(c).zip(self.gains.im.chunks_exact_mut(c));
        for ((g_re, g_im), (a_re, a_im)) in rows.zip(ahead.re.iter().zip(&ahead.im)) {
            let (k_re, k_im) = (a_re * scale, a_im * scale);
            // Plus k times the conjugate of Y.
            for (((g_re, g_im), y_re), y_im) in g_re.iter_mut().zip(g_im).zip(&now.re).zip(&now.im) {
                *g_re += k_re * y_re + k_im * y_im;
                *g_im += k_im * y_re - k_re * y_im;
            }
        }
    }
}

impl Dereverb {
    /// For the active capsules of an array and K bins.
    pub fn new(array: &MicArray, bins: usize) -> Self {
        let positions = array.relative_positions_m();
        let references = references(&positions);
        let (capsules, n) = (positions.len(), references.len() * TAPS);
        Self {
            capsules,
            bins,
            past: vec![Complex32::default(); (DELAY + TAPS - 1) * bins * references.len()],
            next: 0,
            of_bins: vec![OfBin::new(n, capsules); bins],
            scratch: Scratch { past: Split::zeros(n), ahead: Split::zeros(n), now: Split::zeros(capsules) },
            references,
        }
    }

    /// Forgets all that was heard.
    pub fn reset(&mut self) {
        let n = self.references.len() * TAPS;
        self.past.fill(Complex32::default());
        self.next = 0;
        self.of_bins.fill(OfBin::new(n, self.capsules));
    }

    /// Takes the late reverberation out of the spectra `[C][K]` of the next frame. Spectra of another size are left as they are.
    pub fn process(&mut self, spectra: &mut [Complex32]) {
        if spectra.len() != self.capsules * self.bins {
            return;
        }
        Arch::new().dispatch(|| self.frame(spectra));
    }

    #[inline(always)]
    fn frame(&mut self, spectra: &mut [Complex32]) {
        let Self { bins, references, past, next, of_bins, scratch, .. } = self;
        let (bins, p) = (*bins, references.len());
        let ring = DELAY + TAPS - 1;
        for (k, of_bin) in of_bins.iter_mut().enumerate() {
            for tap in 0..TAPS {
                // The slot at hand holds the oldest frame, DELAY + TAPS − 1 ago.
                let slot = (*next + TAPS - 1 - tap) % ring;
                let from = &past[(slot * bins + k) * p..][..p];
                for (i, x) in from.iter().enumerate() {
                    (scratch.past.re[tap * p + i], scratch.past.im[tap * p + i]) = (x.re, x.im);
                }
            }
            for (reference, to) in references.iter().zip(&mut past[(*next * bins + k) * p..][..p]) {
                *to = spectra[reference * bins + k];
            }
            let now = scratch.now.re.iter_mut().zip(&mut scratch.now.im);
            for ((re, im), x) in now.zip(spectra[k..].iter().step_by(bins)) {
                (*re, *im) = (x.re, x.im);
            }
            of_bin.process(scratch);
            let now = scratch.now.re.iter().zip(&scratch.now.im);
            for ((re, im), x) in now.zip(spectra[k..].iter_mut().step_by(bins)) {
                *x = (*x * HEARD + Complex32::new(*re, *im)) * (1.0 / (1.0 + HEARD));
            }
        }
        *next = (*next + 1) % ring;
    }
}

/// Capsules far from one another: the one farthest from the centroid, then always the one farthest from those that are there. Of equals
/// the one that comes first along x, y or z, whatever the order of the channels.
fn references(positions: &[[f64; 3]]) -> Vec<usize> {
    let square = |a: &[f64; 3], b: &[f64; 3]| (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>();
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < REFERENCES.min(positions.len()) {
        let far = |i: usize| match &chosen[..] {
            [] => square(&positions[i], &[0.0; 3]),
            some => some.iter().map(|&j| square(&positions[i], &positions[j])).fold(f64::INFINITY, f64::min),
        };
        let free = (0..positions.len()).filter(|i| !chosen.contains(i));
        // Rounded, so that the order of a sum does not decide.
        let rank =
            |i: usize| [far(i), positions[i][0], positions[i][1], positions[i][2]].map(|x| (x * 1e9).round() as i64);
        chosen.extend(free.max_by_key(|&i| rank(i)));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng, rngs::SmallRng, seq::SliceRandom};

    const BINS: usize = 3;

    fn complex(rng: &mut SmallRng) -> Complex32 {
        Complex32::new(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0))
    }

    fn power(x: &[Complex32]) -> f32 {
        x.iter().map(|x| x.norm_sqr()).sum()
    }

    /// Spectra `[C][K]`, frame by frame: what comes directly from one talker who falls silent now and then, and the whole with
    /// reverberation that decays by `decay` a frame, other phases for every capsule and frame.
    fn room(seed: u64, capsules: usize, frames: usize, decay: f32) -> Vec<[Vec<Complex32>; 2]> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let steering: Vec<Complex32> = (0..capsules).map(|c| Complex32::from_polar(1.0, c as f32)).collect();
        // How the tail of two frames later goes on from capsule to capsule.
        let tail: Vec<Complex32> = (0..capsules * 8).map(|_| complex(&mut rng)).collect();
        let mut said: Vec<Vec<Complex32>> = Vec::new();
        (0..frames)
            .map(|t| {
                let loud = if t % 20 < 12 { 1.0 } else { 0.01 };
                said.push((0..BINS).map(|_| complex(&mut rng) * loud).collect());
                let (mut direct, mut whole) = (Vec::new(), Vec::new());
                for c in 0..capsules {
                    for k in 0..BINS {
                        let now = steering[c] * said[t][k];
                        let late = |l: usize| tail[c * 8 + l] * said[t - l][k] * decay.powi(l as i32);
                        direct.push(now);
                        whole.push(now + (2..8).filter(|l| *l <= t).map(late).sum::<Complex32>());
                    }
                }
                [direct, whole]
            })
            .collect()
    }

    /// What is left of the frames.
    fn left(dereverb: &mut Dereverb, frames: &[Vec<Complex32>]) -> Vec<Vec<Complex32>> {
        let each = |frame: &Vec<Complex32>| {
            let mut frame = frame.clone();
            dereverb.process(&mut frame);
            frame
        };
        frames.iter().map(each).collect()
    }

    #[test]
    fn late_reverberation_goes_and_direct_sound_stays() {
        for id in ["a-format-tetrahedron", "ring-6"] {
            let array = presets::find(id).unwrap().array;
            let frames = room(3, array.active_len(), 400, 0.9);
            let whole: Vec<_> = frames.iter().map(|[_, whole]| whole.clone()).collect();
            let found = left(&mut Dereverb::new(&array, BINS), &whole);
            let off = |frames: &[Vec<Complex32>], from: usize| -> f32 {
                let pairs = frames.iter().zip(&room(3, array.active_len(), 400, 0.9)[..]).skip(from);
                pairs.map(|(x, [direct, _])| x.iter().zip(direct).map(|(x, d)| (x - d).norm_sqr()).sum::<f32>()).sum()
            };
            let less_db = 10.0 * (off(&found, 200) / off(&whole, 200)).log10();
            assert!(less_db < -10.0, "{id}: {less_db} dB");
        }
    }

    #[test]
    fn sound_without_reverberation_hardly_changes() {
        let array = presets::find("ring-6").unwrap().array;
        let frames: Vec<_> = room(4, 6, 400, 0.0).into_iter().map(|[direct, _]| direct).collect();
        let found = left(&mut Dereverb::new(&array, BINS), &frames);
        let pairs = found.iter().zip(&frames).skip(200);
        let changed: f32 = pairs.map(|(y, x)| y.iter().zip(x).map(|(y, x)| (y - x).norm_sqr()).sum::<f32>()).sum();
        let all: f32 = frames.iter().skip(200).map(|x| power(x)).sum();
        assert!(changed < 0.1 * all, "{}", changed / all);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn order_and_level_do_not_matter(seed in 0u64..1000, gain in 1e-3f32..1e3) {
            let mut rng = SmallRng::seed_from_u64(seed);
            let places: Vec<[f64; 3]> = (0..7).map(|_| [(); 3].map(|()| rng.random_range(-0.1..0.1))).collect();
            let mut order: Vec<usize> = (0..7).collect();
            order.shuffle(&mut rng);
            let frames: Vec<_> = room(seed, 7, 60, 0.9).into_iter().map(|[_, whole]| whole).collect();
            let array = MicArray::from_positions("a", &places).unwrap();
            let permuted = MicArray::from_positions("b", &order.iter().map(|&i| places[i]).collect::<Vec<_>>()).unwrap();
            let other: Vec<Vec<Complex32>> = frames
                .iter()
                .map(|x| order.iter().flat_map(|&i| x[i * BINS..(i + 1) * BINS].iter().map(|x| x * gain)).collect())
                .collect();
            let found = left(&mut Dereverb::new(&array, BINS), &frames);
            let of_other = left(&mut Dereverb::new(&permuted, BINS), &other);
            for (a, b) in found.iter().zip(&of_other) {
                for (to, &from) in order.iter().enumerate() {
                    for k in 0..BINS {
                        prop_assert!((a[from * BINS + k] - b[to * BINS + k] / gain).norm() < 2e-3);
                    }
                }
            }
        }
    }

    #[test]
    fn silence_and_jumps_of_level_stay_finite_for_minutes() {
        let array = presets::find("a-format-tetrahedron").unwrap().array;
        let mut dereverb = Dereverb::new(&array, BINS);
        let mut rng = SmallRng::seed_from_u64(5);
        let mut most = 0f32;
        for t in 0..20_000 {
            let loud = match t / 500 % 5 {
                0 => 0.0,
                1 => 1e-9,
                2 => 1.0,
                3 => 1e8,
                _ => 10f32.powi(rng.random_range(-12..8)),
            };
            // One wave alone: the past of all references is the same but for a phase.
            let wave = complex(&mut rng) * loud;
            let mut frame: Vec<_> = (0..4 * BINS).map(|c| wave * Complex32::from_polar(1.0, c as f32)).collect();
            let before = power(&frame);
            dereverb.process(&mut frame);
            assert!(frame.iter().all(|x| x.re.is_finite() && x.im.is_finite()), "frame {t}");
            if t % 500 > 100 && (1000..2000).contains(&(t % 2500)) {
                most = most.max(power(&frame) / before.max(1e-12));
            }
        }
        // In steady noise nothing is made louder by much.
        assert!(most < 100.0, "{most}");
    }

    #[test]
    fn a_reset_forgets_everything_and_other_sizes_pass() {
        let array = presets::find("ring-6").unwrap().array;
        let frames: Vec<_> = room(6, 6, 50, 0.9).into_iter().map(|[_, whole]| whole).collect();
        let mut used = Dereverb::new(&array, BINS);
        let first = left(&mut used, &frames);
        assert_ne!(left(&mut used, &frames), first);
        used.reset();
        assert_eq!(left(&mut used, &frames), first);
        let mut odd = frames[0][1..].to_vec();
        used.process(&mut odd);
        assert_eq!(odd, frames[0][1..]);
    }
}
