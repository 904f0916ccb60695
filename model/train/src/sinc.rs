//! Band-limited fractional delays: the one place where sound is moved by parts of a sample.

use std::sync::OnceLock;

/// Taps of the kernel. With the window below the pass band ends at 0.437 of the sample rate: 7 kHz at 16 kHz.
pub(crate) const TAPS: usize = 48;
/// Taps before and after the delayed instant.
pub(crate) const HALF: usize = TAPS / 2;
/// Kernels per sample; linear interpolation between neighbours errs by some 6e-6 of full scale.
const PHASES: usize = 256;
/// Shape of the Kaiser window: ripple and stop band at about −93 dB.
const KAISER_BETA: f64 = 9.3;

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

fn kernels() -> &'static [[f32; TAPS]] {
    static KERNELS: OnceLock<Vec<[f32; TAPS]>> = OnceLock::new();
    KERNELS.get_or_init(|| {
        (0..=PHASES)
            .map(|phase| {
                let fraction = phase as f64 / PHASES as f64;
                std::array::from_fn(|i| {
                    let x = i as f64 - (HALF - 1) as f64 - fraction;
                    (sinc(x) * kaiser(x / HALF as f64)) as f32
                })
            })
            .collect()
    })
}

/// Adds an impulse of height `gain`, delayed by `delay_frames`, to a response whose sample 0 stands for the time
/// −[`HALF`] frames (room for the kernel's first half). What falls outside the response is dropped.
#[inline]
pub(crate) fn add_impulse(response: &mut [f32], delay_frames: f64, gain: f32) {
    let whole = delay_frames.floor();
    let fine = (delay_frames - whole) * PHASES as f64;
    let phase = (fine as usize).min(PHASES - 1);
    let between = (fine - phase as f64) as f32;
    let kernels = kernels();
    let (low, high) = (&kernels[phase], &kernels[phase + 1]);
    // The kernel's first tap lies HALF − 1 frames before the whole frame, the response's sample 0 at −HALF.
    let first = whole as i64 + 1;
    if first >= 0 && first as usize + TAPS <= response.len() {
        let target = &mut response[first as usize..][..TAPS];
        for i in 0..TAPS {
            target[i] += gain * (low[i] + between * (high[i] - low[i]));
        }
    } else {
        for i in 0..TAPS {
            if let Some(sample) = usize::try_from(first + i as i64).ok().and_then(|at| response.get_mut(at)) {
                *sample += gain * (low[i] + between * (high[i] - low[i]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_have_the_phase_of_a_delay_up_to_the_pass_band_edge() {
        for delay in [0.0, 0.31, 3.5, 17.998, 30.0] {
            let mut response = vec![0.0; 128];
            add_impulse(&mut response, delay, 1.0);
            for frequency in [0.01, 0.1, 0.3, 0.43] {
                let (mut re, mut im) = (0.0, 0.0);
                for (n, &h) in response.iter().enumerate() {
                    // Turned back by the wanted delay: 1 + 0j is left.
                    let angle = -std::f64::consts::TAU * frequency * (n as f64 - HALF as f64 - delay);
                    re += f64::from(h) * angle.cos();
                    im += f64::from(h) * angle.sin();
                }
                assert!((re - 1.0).abs() < 2e-3 && im.abs() < 2e-3, "{delay} {frequency}: {re} {im}");
            }
        }
    }

    #[test]
    fn impulses_outside_are_dropped() {
        let mut response = vec![0.0; 10];
        add_impulse(&mut response, -100.0, 1.0);
        add_impulse(&mut response, 100.0, 1.0);
        assert_eq!(response, vec![0.0; 10]);
        add_impulse(&mut response, -20.0, 1.0);
        assert!((response[4] - 1.0).abs() < 1e-6);
    }
}
