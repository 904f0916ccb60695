//! The non-uniform DFT at physical frequencies, at any sample rate.
//!
//! `X[k] = Σₙ x[n] w[n] e^{−j2π f_k n / f_s}`, w a periodic Hann window (equation of LNuDFT in the AGG-RL paper, with ν_k N⁻¹ = f_k / f_s).
//! [`Nudft`] is a type-2 non-uniform FFT: one zero-padded real FFT per frame and a Kaiser–Bessel kernel of eight taps onto each f_k
//! (Fessler & Sutton 2003; the kernel's Fourier transform is divided out of the window beforehand). [`direct_sum`] is the plain sum.

use std::f64::consts::{PI, TAU};
use std::fmt;
use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// A complex single.
pub type Complex32 = Complex<f32>;

/// Taps of the interpolation kernel.
const TAPS: usize = 8;

/// A periodic Hann window of `len` samples, `[N]`.
pub fn hann(len: usize) -> Vec<f64> {
    (0..len).map(|n| 0.5 - 0.5 * (TAU * n as f64 / len as f64).cos()).collect()
}

/// Why a transform cannot be planned.
#[derive(Clone, Debug, PartialEq)]
pub enum NudftError {
    /// Fewer than 16 samples, or more than 2²².
    WindowLength {
        /// Samples asked for.
        found: usize,
    },
    /// A frequency is not a finite number from 0 to half the sample rate.
    Frequency {
        /// Index of the bin.
        bin: usize,
        /// The frequency in Hz.
        found_hz: f64,
        /// Half the sample rate in Hz.
        nyquist_hz: f64,
    },
}

impl fmt::Display for NudftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WindowLength { found } => write!(f, "expected a window of 16 to {} samples, found {found}", 1 << 22),
            Self::Frequency { bin, found_hz, nyquist_hz } => {
                write!(f, "frequency bin {bin}: expected 0 to {nyquist_hz} Hz, found {found_hz} Hz")
            }
        }
    }
}

impl std::error::Error for NudftError {}

/// The reference: the plain sum in double precision, `[K]`. `x` and `window` are `[N]`.
pub fn direct_sum(x: &[f32], window: &[f64], frequencies_hz: &[f64], sample_rate_hz: f64) -> Vec<Complex<f64>> {
    frequencies_hz
        .iter()
        .map(|f| {
            x.iter()
                .zip(window)
                .enumerate()
                .map(|(n, (&x, &w))| Complex::from_polar(f64::from(x) * w, -TAU * f / sample_rate_hz * n as f64))
                .sum()
        })
        .collect()
}

/// A planned non-uniform DFT of one frame; allocates nothing after planning.
pub struct Nudft {
    /// Hann window over the kernel's transform, times the scale, `[N]`.
    window: Vec<f32>,
    fft: Arc<dyn RealToComplex<f32>>,
    padded: Vec<f32>,
    /// Spectrum of the zero-padded frame with [`TAPS`] mirrored bins on both sides.
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
    bins: Vec<Bin>,
}

/// How one output bin is gathered: first tap, tap weights, and the rotation that moves the window's centre back to its start.
struct Bin {
    first: usize,
    taps: [f32; TAPS],
    rotation: Complex32,
}

impl fmt::Debug for Nudft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nudft(N {}, K {}, FFT of {})", self.window.len(), self.bins.len(), self.padded.len())
    }
}

impl Nudft {
    /// Plans the transform of `window_frames` samples onto K frequencies in Hz; every result is multiplied by `scale`.
    ///
    /// # Errors
    /// [`NudftError`] when the window is too short or too long, or a frequency lies outside 0 … f_s/2.
    pub fn new(
        window_frames: usize,
        frequencies_hz: &[f64],
        sample_rate_hz: f64,
        scale: f64,
    ) -> Result<Self, NudftError> {
        if !(16..=1 << 22).contains(&window_frames) {
            return Err(NudftError::WindowLength { found: window_frames });
        }
        let nyquist_hz = 0.5 * sample_rate_hz;
        for (bin, &found_hz) in frequencies_hz.iter().enumerate() {
            if !(0.0..=nyquist_hz).contains(&found_hz) {
                return Err(NudftError::Frequency { bin, found_hz, nyquist_hz });
            }
        }
        let fft_len = smooth_even_at_least(3 * window_frames / 2);
        let oversampling = fft_len as f64 / window_frames as f64;
        let half = TAPS as f64 / 2.0;
        // Beatty et al. 2005, equation 5: the shape that is best for this width and oversampling.
        let beta = PI * ((half * 2.0 / oversampling * (oversampling - 0.5)).powi(2) - 0.8).sqrt();
        let centre = window_frames / 2;
        let window = hann(window_frames)
            .into_iter()
            .enumerate()
            .map(|(n, w)| {
                let t = (n as f64 - centre as f64) / fft_len as f64;
                (scale * w / kernel_transform(t, half, beta)) as f32
            })
            .collect();
        let bins = frequencies_hz
            .iter()
            .map(|f| {
                let position = f / sample_rate_hz * fft_len as f64;
                let first = (position - half).ceil() as isize;
                let taps = std::array::from_fn(|i| kernel(position - (first + i as isize) as f64, half, beta) as f32);
                let rotation = Complex::from_polar(1.0, -TAU * f / sample_rate_hz * centre as f64);
                // `first` is at least −TAPS/2, and the spectrum carries TAPS mirrored bins before bin 0.
                Bin {
                    first: (first + TAPS as isize) as usize,
                    taps,
                    rotation: Complex32::new(rotation.re as f32, rotation.im as f32),
                }
            })
            .collect();
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(fft_len);
        Ok(Self {
            window,
            padded: vec![0.0; fft_len],
            spectrum: vec![Complex32::default(); fft_len / 2 + 1 + 2 * TAPS],
            scratch: fft.make_scratch_vec(),
            fft,
            bins,
        })
    }

    /// N, the window's length in samples.
    pub fn window_frames(&self) -> usize {
        self.window.len()
    }

    /// K, the number of bins.
    pub fn len(&self) -> usize {
        self.bins.len()
    }

    /// Whether there are no bins at all.
    pub fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    /// Transforms one frame `x` `[N]` into `out` `[K]`. Shorter slices are taken as followed by zeros; surplus is not looked at.
    pub fn process(&mut self, x: &[f32], out: &mut [Complex32]) {
        let n = self.window.len();
        let len = self.padded.len();
        let centre = n / 2;
        // The window's centre goes to index 0, the half before it to the end: the kernel's transform is then real and even.
        let heard = x.len().min(n);
        let (before, after) = x[..heard].split_at(heard.min(centre));
        let (window_before, window_after) = self.window.split_at(centre);
        let (start, end) = self.padded.split_at_mut(len - centre);
        start[after.len()..].fill(0.0);
        end[before.len()..].fill(0.0);
        for (to, part, window) in [(start, after, window_after), (end, before, window_before)] {
            for ((to, x), w) in to.iter_mut().zip(part).zip(window) {
                *to = x * w;
            }
        }
        let half_len = len / 2 + 1;
        let inner = &mut self.spectrum[TAPS..TAPS + half_len];
        if self.fft.process_with_scratch(&mut self.padded, inner, &mut self.scratch).is_err() {
            // Lengths are fixed at planning, so this is unreachable; a zero spectrum is the safe answer.
            inner.fill(Complex32::default());
        }
        for i in 0..TAPS {
            self.spectrum[TAPS - 1 - i] = self.spectrum[TAPS + 1 + i].conj();
            self.spectrum[TAPS + half_len + i] = self.spectrum[TAPS + half_len - 2 - i].conj();
        }
        Arch::new().dispatch(Gather { out, spectrum: &self.spectrum, bins: &self.bins });
    }
}

/// The interpolation onto the bins.
struct Gather<'a> {
    out: &'a mut [Complex32],
    spectrum: &'a [Complex32],
    bins: &'a [Bin],
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (out, bin) in self.out.iter_mut().zip(self.bins) {
            let taps = &self.spectrum[bin.first..bin.first + TAPS];
            // Four sums, so that none waits for the one before it.
            let mut sums = [[0f32; 2]; 4];
            for i in 0..TAPS / 4 {
                for (j, sum) in sums.iter_mut().enumerate() {
                    let (x, w) = (taps[4 * i + j], bin.taps[4 * i + j]);
                    sum[0] += x.re * w;
                    sum[1] += x.im * w;
                }
            }
            let re = (sums[0][0] + sums[1][0]) + (sums[2][0] + sums[3][0]);
            let im = (sums[0][1] + sums[1][1]) + (sums[2][1] + sums[3][1]);
            out.re = re * bin.rotation.re - im * bin.rotation.im;
            out.im = re * bin.rotation.im + im * bin.rotation.re;
        }
    }
}

/// Kaiser–Bessel kernel at `x` bins from its centre.
fn kernel(x: f64, half: f64, beta: f64) -> f64 {
    let r = 1.0 - (x / half) * (x / half);
    if r < 0.0 { 0.0 } else { bessel_i0(beta * r.sqrt()) }
}

/// Fourier transform of the kernel at `t` cycles per bin: ∫ kernel(x) cos(2πxt) dx.
fn kernel_transform(t: f64, half: f64, beta: f64) -> f64 {
    let z = beta * beta - (TAU * half * t).powi(2);
    let ratio = if z > 0.0 { z.sqrt().sinh() / z.sqrt() } else { (-z).sqrt().sin() / (-z).sqrt() };
    2.0 * half * ratio
}

/// Modified Bessel function of the first kind of order 0, by its series.
fn bessel_i0(x: f64) -> f64 {
    let q = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..200 {
        term *= q / f64::from(k * k);
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
    }
    sum
}

/// The smallest even number from `least` upwards that has no prime factor above 5.
fn smooth_even_at_least(least: usize) -> usize {
    let smooth = |mut n: usize| {
        for p in [2, 3, 5] {
            while n.is_multiple_of(p) {
                n /= p;
            }
        }
        n == 1
    };
    (least.next_multiple_of(2)..).step_by(2).find(|&n| smooth(n)).unwrap_or(least.next_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    fn error_at(sample_rate_hz: f64, frequencies_hz: &[f64]) -> f64 {
        let n = (0.032 * sample_rate_hz).round() as usize;
        let mut rng = rand::rngs::SmallRng::seed_from_u64(7);
        let x: Vec<f32> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
        let expected = direct_sum(&x, &hann(n), frequencies_hz, sample_rate_hz);
        let mut found = vec![Complex32::default(); frequencies_hz.len()];
        let mut nudft = Nudft::new(n, frequencies_hz, sample_rate_hz, 1.0).unwrap();
        nudft.process(&x, &mut found);
        let size = (expected.iter().map(|e| e.norm_sqr()).sum::<f64>() / expected.len() as f64).sqrt();
        expected
            .iter()
            .zip(&found)
            .map(|(e, f)| (e - Complex::new(f64::from(f.re), f64::from(f.im))).norm() / size)
            .fold(0.0, f64::max)
    }

    #[test]
    fn fft_and_interpolation_agree_with_the_plain_sum_at_every_rate() {
        for rate in [16_000.0, 22_050.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0, 47_999.3] {
            let mut frequencies: Vec<f64> = (0..257).map(|k| 8000.0 * (f64::from(k) / 256.0).powf(1.3)).collect();
            frequencies.push(rate / 2.0);
            let error = error_at(rate, &frequencies);
            assert!(error < 1e-5, "{error} at {rate} Hz");
        }
    }

    #[test]
    fn impossible_plans_are_refused() {
        assert!(matches!(Nudft::new(4, &[100.0], 16_000.0, 1.0), Err(NudftError::WindowLength { found: 4 })));
        assert!(matches!(Nudft::new(512, &[9e3], 16_000.0, 1.0), Err(NudftError::Frequency { bin: 0, .. })));
        assert!(matches!(Nudft::new(512, &[1.0, f64::NAN], 16_000.0, 1.0), Err(NudftError::Frequency { bin: 1, .. })));
    }

    #[test]
    fn short_input_is_zero_padded() {
        let mut nudft = Nudft::new(512, &[1000.0], 16_000.0, 1.0).unwrap();
        let (mut a, mut b) = ([Complex32::default()], [Complex32::default()]);
        nudft.process(&[1.0; 100], &mut a);
        let mut padded = [0.0; 512];
        padded[..100].fill(1.0);
        nudft.process(&padded, &mut b);
        assert_eq!(a, b);
    }
}
