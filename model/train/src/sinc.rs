//! Band-limited fractional delays, plain and tilted: the one place where sound is moved by parts of a sample.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Taps of the kernel. With the window below the pass band ends at 0.437 of the sample rate: 7 kHz at 16 kHz.
pub(crate) const TAPS: usize = 48;
/// Taps before and after the delayed instant.
pub(crate) const HALF: usize = TAPS / 2;
/// Kernels per sample; linear interpolation between neighbours errs by some 6e-5 of full scale.
const PHASES: usize = 128;
/// Kernels per sample for delays that glide, rounded to the nearest: a noise at −60 dB.
const FINE_PHASES: usize = 1024;
/// Shape of the Kaiser window: ripple and stop band at about −93 dB.
const KAISER_BETA: f64 = 9.3;

/// Frequency in Hz at which a tilt changes nothing.
pub(crate) const PIVOT_HZ: f64 = 1000.0;
/// A tilt acts from here to here, in octaves from [`PIVOT_HZ`]; beyond, the spectrum is flat.
const TILT_OCTAVES: [f64; 2] = [-1.0, 3.5];
/// Tilts per neper an octave in the table.
const TILTS_PER_NEPER: f64 = 8.0;
/// Tilts in the table: 0 to 2 Np an octave (17 dB an octave).
pub(crate) const TILTS: usize = 17;
/// Frequencies of the integral that makes a tilted kernel.
const INTEGRAL: usize = 256;

/// sin(πx)/(πx).
pub(crate) fn sinc(x: f64) -> f64 {
    let a = std::f64::consts::PI * x;
    if a.abs() < 1e-9 { 1.0 } else { a.sin() / a }
}

/// Kaiser window over −1 … 1, zero outside.
pub(crate) fn kaiser(x: f64) -> f64 {
    if x.abs() > 1.0 { 0.0 } else { bessel_i0(KAISER_BETA * (1.0 - x * x).sqrt()) / bessel_i0(KAISER_BETA) }
}

/// Modified Bessel function of the first kind, order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > 1e-17 * sum {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

/// Octaves from the pivot, held at the ends of [`TILT_OCTAVES`].
pub(crate) fn octaves(frequency_hz: f64) -> f64 {
    (frequency_hz / PIVOT_HZ).max(1e-6).log2().clamp(TILT_OCTAVES[0], TILT_OCTAVES[1])
}

/// The number of the nearest tilt in the table; `tilt` in nepers of loss an octave, not negative.
pub(crate) fn nearest_tilt(tilt: f64) -> usize {
    ((tilt * TILTS_PER_NEPER + 0.5).max(0.0) as usize).min(TILTS - 1)
}

/// Nepers an octave of a tilt in the table.
pub(crate) fn tilt_of(index: usize) -> f64 {
    index as f64 / TILTS_PER_NEPER
}

/// Delay kernels of one sample rate. Tilted ones have the same delay at all frequencies (zero phase) and the gain 1 at 1 kHz.
pub(crate) struct Kernels {
    /// `[tilt][phase]`, phases 0 …= [`PHASES`].
    tables: Vec<[f32; TAPS]>,
    /// Without a tilt, in finer steps: phases 0 …= [`FINE_PHASES`].
    fine: Vec<[f32; TAPS]>,
}

impl Kernels {
    /// The kernels of a sample rate in Hz, made once for each.
    pub(crate) fn at(sample_rate_hz: u32) -> Arc<Self> {
        static KERNELS: OnceLock<Mutex<BTreeMap<u32, Arc<Kernels>>>> = OnceLock::new();
        let mut all = KERNELS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(sample_rate_hz).or_insert_with(|| Arc::new(Self::new(f64::from(sample_rate_hz)))))
    }

    fn new(rate: f64) -> Self {
        let frequency = |m: usize| 0.5 * (m as f64 + 0.5) / INTEGRAL as f64;
        let gains: Vec<Vec<f64>> = (1..TILTS)
            .map(|tilt| (0..INTEGRAL).map(|m| (-tilt_of(tilt) * octaves(frequency(m) * rate)).exp()).collect())
            .collect();
        let mut tables = vec![[0.0; TAPS]; TILTS * (PHASES + 1)];
        let mut waves = [0.0; INTEGRAL];
        for phase in 0..=PHASES {
            for i in 0..TAPS {
                let x = i as f64 - (HALF - 1) as f64 - phase as f64 / PHASES as f64;
                let window = kaiser(x / HALF as f64);
                tables[phase][i] = (sinc(x) * window) as f32;
                for (m, wave) in waves.iter_mut().enumerate() {
                    *wave = (std::f64::consts::TAU * frequency(m) * x).cos();
                }
                for (tilt, gains) in gains.iter().enumerate() {
                    let mean = gains.iter().zip(&waves).map(|(g, w)| g * w).sum::<f64>() / INTEGRAL as f64;
                    tables[(tilt + 1) * (PHASES + 1) + phase][i] = (mean * window) as f32;
                }
            }
        }
        // The window blurs a steep spectrum, which must not shift the gain at the pivot.
        for tilted in tables.chunks_exact_mut(PHASES + 1).skip(1) {
            let at_pivot: f64 = tilted[0]
                .iter()
                .enumerate()
                .map(|(i, &h)| {
                    let x = i as f64 - (HALF - 1) as f64;
                    f64::from(h) * (std::f64::consts::TAU * PIVOT_HZ / rate * x).cos()
                })
                .sum();
            tilted.iter_mut().flatten().for_each(|h| *h /= at_pivot as f32);
        }
        let fine = (0..=FINE_PHASES)
            .map(|phase| {
                let fraction = phase as f64 / FINE_PHASES as f64;
                std::array::from_fn(|i| {
                    let x = i as f64 - (HALF - 1) as f64 - fraction;
                    (sinc(x) * kaiser(x / HALF as f64)) as f32
                })
            })
            .collect();
        Self { tables, fine }
    }

    /// The kernel of a fraction of a frame, 0 … 1, and of a tilt in nepers an octave, interpolated both ways.
    pub(crate) fn exact(&self, fraction: f64, tilt: f64) -> [f32; TAPS] {
        let between = |x: f64, most: usize| {
            let low = (x.max(0.0) as usize).min(most - 1);
            (low, (x - low as f64).clamp(0.0, 1.0) as f32)
        };
        let (phase, p) = between(fraction * PHASES as f64, PHASES);
        let row = |tilt: usize| {
            let first = tilt * (PHASES + 1) + phase;
            let (low, high) = (&self.tables[first], &self.tables[first + 1]);
            std::array::from_fn(|i| low[i] + p * (high[i] - low[i]))
        };
        let (index, t) = between(tilt * TILTS_PER_NEPER, TILTS - 1);
        let low: [f32; TAPS] = row(index);
        if t == 0.0 {
            return low;
        }
        let high: [f32; TAPS] = row(index + 1);
        std::array::from_fn(|i| low[i] + t * (high[i] - low[i]))
    }

    /// Adds an impulse of height `gain`, delayed by `delay_frames`, to a response whose sample 0 stands for the time −[`HALF`]
    /// frames (room for the kernel's first half). What falls outside the response is dropped.
    pub(crate) fn add_exact(&self, response: &mut [f32], delay_frames: f64, gain: f32, tilt: f64) {
        let whole = delay_frames.floor();
        add_taps(response, whole as i64 + 1, &self.exact(delay_frames - whole, tilt), gain);
    }

    /// [`Kernels::add_exact`] to the nearest 1/128 of a frame and the nearest tilt of the table: for reflections.
    #[inline]
    pub(crate) fn add_nearest(&self, response: &mut [f32], delay_frames: f64, gain: f32, tilt: usize) {
        // Truncation rounds down: delays are far above −1000 frames.
        let fine = (delay_frames * PHASES as f64 + 0.5 + 1000.0 * PHASES as f64) as i64 - 1000 * PHASES as i64;
        let (whole, phase) = (fine.div_euclid(PHASES as i64), fine.rem_euclid(PHASES as i64) as usize);
        add_taps(response, whole + 1, &self.tables[tilt * (PHASES + 1) + phase], gain);
    }

    /// The kernel of a fraction of a frame, 0 … 1, without a tilt, to the nearest 1/1024.
    #[inline]
    pub(crate) fn fine(&self, fraction: f64) -> &[f32; TAPS] {
        &self.fine[((fraction * FINE_PHASES as f64 + 0.5) as usize).min(FINE_PHASES)]
    }
}

/// Adds `gain` · `taps` to a response from the sample `first` on, as far as the response reaches.
#[inline]
pub(crate) fn add_taps(response: &mut [f32], first: i64, taps: &[f32], gain: f32) {
    if first >= 0 && first as usize + taps.len() <= response.len() {
        for (r, &h) in response[first as usize..][..taps.len()].iter_mut().zip(taps) {
            *r += gain * h;
        }
    } else {
        for (i, &h) in taps.iter().enumerate() {
            if let Some(r) = usize::try_from(first + i as i64).ok().and_then(|at| response.get_mut(at)) {
                *r += gain * h;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spectrum(response: &[f32], frequency: f64, delay: f64) -> (f64, f64) {
        // Turned back by the wanted delay: a real number is left.
        response.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, &h)| {
            let angle = -std::f64::consts::TAU * frequency * (n as f64 - HALF as f64 - delay);
            (re + f64::from(h) * angle.cos(), im + f64::from(h) * angle.sin())
        })
    }

    #[test]
    fn delays_have_the_phase_of_a_delay_up_to_the_pass_band_edge() {
        let kernels = Kernels::at(16_000);
        for delay in [0.0, 0.31, 3.5, 17.998, 30.0] {
            let (mut exact, mut nearest) = (vec![0.0; 128], vec![0.0; 128]);
            kernels.add_exact(&mut exact, delay, 1.0, 0.0);
            kernels.add_nearest(&mut nearest, delay, 1.0, 0);
            for frequency in [0.01, 0.1, 0.3, 0.43] {
                let (re, im) = spectrum(&exact, frequency, delay);
                assert!((re - 1.0).abs() < 2e-3 && im.abs() < 2e-3, "{delay} {frequency}: {re} {im}");
                let (re, im) = spectrum(&nearest, frequency, delay);
                assert!((re - 1.0).abs() < 2e-3 && im.abs() < 0.012, "{delay} {frequency}: {re} {im}");
            }
        }
    }

    #[test]
    fn tilts_fall_by_their_slope_and_keep_the_phase() {
        let kernels = Kernels::at(16_000);
        for tilt in [0.1, 0.25, 0.6, 1.0] {
            let mut response = vec![0.0; 128];
            kernels.add_exact(&mut response, 20.3, 1.0, tilt);
            for hz in [1000.0, 2000.0, 3000.0, 4000.0, 6000.0] {
                let (re, im) = spectrum(&response, hz / 16_000.0, 20.3);
                let expected = (-tilt * octaves(hz)).exp();
                assert!((re / expected - 1.0).abs() < 0.2 && im.abs() < 0.01, "{tilt} {hz}: {re} {im} {expected}");
            }
        }
    }

    #[test]
    fn impulses_outside_are_dropped() {
        let kernels = Kernels::at(16_000);
        let mut response = vec![0.0; 10];
        kernels.add_exact(&mut response, -100.0, 1.0, 0.0);
        kernels.add_nearest(&mut response, 100.0, 1.0, 0);
        assert_eq!(response, vec![0.0; 10]);
        kernels.add_nearest(&mut response, -20.0, 1.0, 0);
        assert!((response[4] - 1.0).abs() < 1e-6);
    }
}
