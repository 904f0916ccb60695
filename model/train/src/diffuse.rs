//! Noise: spherically isotropic, from everywhere, and that of each sensor.

use rand::Rng;
use rand::rngs::SmallRng;
use realfft::num_complex::{Complex32, Complex64};

use crate::convolve::{fft_length, plans};
use crate::response::Receiver;
use crate::vector::{norm, stream};

/// Neighbouring bins within this many hertz share one covariance …
const GROUP_HZ: f64 = 30.0;
/// … or fewer, so that the phase between any capsules turns by at most so many turns.
const GROUP_TURNS: f64 = 0.05;
/// Below this frequency in Hz the spectrum's slope goes flat, so that no power is spent on what nobody hears.
const FLAT_BELOW_HZ: f64 = 50.0;
/// Smallest pivot of the factor, relative to the power of one capsule: capsules close together differ by −70 dB at least.
const LEAST_PIVOT: f64 = 1e-7;

/// What noise to make.
pub(crate) struct Noise {
    /// Root mean square over all capsules of the isotropic noise and its slope in decibels an octave.
    pub diffuse: Option<(f32, f64)>,
    /// Root mean square of each sensor's own noise.
    pub sensor: Option<f32>,
    /// Seeds of the two.
    pub seeds: [u64; 2],
}

/// Adds noise to what the capsules hear, `[C][frames]`; `heard` is false for the dead, who have their own noise only.
///
/// Made in the frequency domain as one period of periodic noise: in each band white noise times a square root of the covariance of
/// a diffuse field (E. A. P. Habets, I. Cohen, S. Gannot, JASA 124, 2008). For pressure capsules in the air the coherence at a
/// distance d is sin(kd)/(kd).
pub(crate) fn add_noise(receiver: &Receiver, noise: &Noise, dead: &[bool], out: &mut [Vec<f32>]) {
    let rate = receiver.rate;
    let frames = out.first().map_or(0, Vec::len);
    // At least a quarter of a second: shorter periods have too few bins for a field.
    let len = fft_length(frames.max((0.25 * rate) as usize));
    let bins = len / 2 + 1;
    let mut spectra = vec![vec![Complex32::ZERO; bins]; out.len()];
    if let Some((level, slope)) = noise.diffuse {
        add_isotropic(receiver, slope, rate / len as f64, noise.seeds[0], &mut spectra);
        // Parseval: the mean square is twice the sum of the squares of all bins but the edges.
        let sum: f64 = spectra.iter().flatten().map(|x| f64::from(x.norm_sqr())).sum();
        let power = 2.0 * sum / out.len() as f64;
        let gain = if power > 0.0 { level / power.sqrt() as f32 } else { 0.0 };
        for (spectrum, &dead) in spectra.iter_mut().zip(dead) {
            let gain = if dead { 0.0 } else { gain };
            spectrum.iter_mut().for_each(|x| *x *= gain);
        }
    }
    if let Some(level) = noise.sensor {
        let mut rng = stream(noise.seeds[1], 0);
        // Each of the bins has the variance 1/6.
        let gain = level * (6.0 / (2.0 * (bins - 2).max(1) as f32)).sqrt();
        for spectrum in &mut spectra {
            spectrum[1..bins - 1].iter_mut().for_each(|x| *x += gain * random_bin(&mut rng));
        }
    }
    let (_, inverse) = plans(len);
    let mut time = inverse.make_output_vec();
    let mut scratch = inverse.make_scratch_vec();
    for (spectrum, out) in spectra.iter_mut().zip(out) {
        // Lengths are the plan's own, the only thing that this can fail on.
        let done = inverse.process_with_scratch(spectrum, &mut time, &mut scratch);
        debug_assert!(done.is_ok());
        out.iter_mut().zip(&time).for_each(|(o, n)| *o += n);
    }
}

/// A complex number from the square about 0, of the variance 1/6. Sums over many bins are normally distributed whatever one is.
fn random_bin(rng: &mut SmallRng) -> Complex32 {
    let bits = rng.random::<u64>();
    let part = |bits: u32| (bits >> 8) as f32 * (1.0 / 16_777_216.0) - 0.5;
    Complex32::new(part(bits as u32), part((bits >> 32) as u32))
}

fn add_isotropic(receiver: &Receiver, slope: f64, spacing_hz: f64, seed: u64, spectra: &mut [Vec<Complex32>]) {
    let mut rng = stream(seed, 0);
    let capsules = spectra.len();
    let bins = spectra.first().map_or(0, Vec::len);
    let reach = 2.0 * receiver.ears.iter().map(|e| norm(e.place_m)).fold(0.01, f64::max);
    let width_hz = GROUP_HZ.min(GROUP_TURNS * receiver.speed_m_s / reach);
    let group = ((width_hz / spacing_hz) as usize).clamp(1, 4096);
    let mut white = vec![vec![Complex32::ZERO; group]; capsules];
    // The first and the last bin stay empty.
    for first in (1..bins.saturating_sub(1)).step_by(group) {
        let count = group.min(bins - 1 - first);
        let centre_hz = (first as f64 + 0.5 * (count - 1) as f64) * spacing_hz;
        let factor = square_root(receiver.diffuse_covariance(std::f64::consts::TAU * centre_hz / receiver.speed_m_s));
        let level = 10f64.powf(slope / 20.0 * (centre_hz.max(FLAT_BELOW_HZ) / FLAT_BELOW_HZ).log2()) as f32;
        for white in &mut white {
            white[..count].iter_mut().for_each(|w| *w = random_bin(&mut rng));
        }
        for (row, spectrum) in factor.iter().zip(spectra.iter_mut()) {
            for (l, white) in row.iter().zip(&white) {
                let l = Complex32::new(level * l.re as f32, level * l.im as f32);
                for (x, w) in spectrum[first..first + count].iter_mut().zip(white) {
                    *x += l * w;
                }
            }
        }
    }
}

/// The lower triangle L with L L* = the covariance whose lower half is given (Cholesky).
fn square_root(mut m: Vec<Vec<Complex64>>) -> Vec<Vec<Complex64>> {
    for i in 0..m.len() {
        for j in 0..=i {
            let (above, rest) = m.split_at_mut(i);
            let row = &mut rest[0];
            let sum: Complex64 = if i == j {
                row[..j].iter().map(|x| Complex64::from(x.norm_sqr())).sum()
            } else {
                row[..j].iter().zip(&above[j]).map(|(x, y)| x * y.conj()).sum()
            };
            row[j] = if i == j {
                Complex64::from((row[j] - sum).re.max(LEAST_PIVOT).sqrt())
            } else {
                (row[j] - sum) / above[j][j].re
            };
        }
    }
    m
}
