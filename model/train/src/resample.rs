//! From one sample rate to another by a windowed sinc: for files, where quality counts more than speed.

use crate::sinc::{kaiser, sinc};

/// Zero crossings of the sinc on either side.
const CROSSINGS: usize = 32;
/// Table entries from one zero crossing to the next; linear interpolation between them.
const FINENESS: usize = 512;
/// The pass band's share of the lower rate's half; the rest is the filter's slope, about −93 dB at its end.
const PASS: f64 = 0.9;

/// The signal at another rate, its first sample at the same time as before; ⌈length · to / from⌉ samples.
///
/// Content up to 90 % of half the lower rate is kept within 0.01 dB or so; aliases and images are some 90 dB down. Equal rates give a
/// plain copy. Rates are in Hz and above 0; a rate of 0 gives nothing.
pub fn resample(signal: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    if from_hz == to_hz {
        return signal.to_vec();
    }
    if from_hz == 0 || to_hz == 0 {
        return Vec::new();
    }
    let (from, to) = (u64::from(from_hz), u64::from(to_hz));
    // The sinc's zero crossings lie `1 / scale` input samples apart. Pass and stop band are symmetrical about its cut-off.
    let scale = (f64::from(to_hz) / f64::from(from_hz)).min(1.0) * (1.0 + PASS) / 2.0;
    let table: Vec<f32> = (0..=CROSSINGS * FINENESS + 1)
        .map(|i| {
            let x = i as f64 / FINENESS as f64;
            (scale * sinc(x) * kaiser(x / CROSSINGS as f64)) as f32
        })
        .collect();
    let reach = CROSSINGS as f64 / scale;
    let count = (signal.len() as u64 * to).div_ceil(from);
    (0..count)
        .map(|n| {
            // Whole and fractional part kept as integers: no drift, however long the file.
            let whole = (n * from / to) as i64;
            let fraction = (n * from % to) as f64 / to as f64;
            let first = (whole - reach as i64).max(0) as usize;
            let last = ((whole + reach as i64 + 2).max(0) as usize).min(signal.len());
            let mut sum = 0.0f32;
            for k in first..last {
                let at = (((k as i64 - whole) as f64 - fraction).abs() * scale * FINENESS as f64) as f32;
                let index = at as usize;
                if index < CROSSINGS * FINENESS {
                    let between = at - index as f32;
                    sum += signal[k] * (table[index] + between * (table[index + 1] - table[index]));
                }
            }
            sum
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_stays_a_sine() {
        for (from, to, frequency) in
            [(48_000, 16_000, 1000.0), (44_100, 48_000, 15_000.0), (16_000, 44_100, 7000.0), (96_000, 44_100, 19_000.0)]
        {
            let sine =
                |rate: u32, n: usize| (std::f64::consts::TAU * frequency * n as f64 / f64::from(rate)).sin() as f32;
            let input: Vec<f32> = (0..from as usize / 5).map(|n| sine(from, n)).collect();
            let output = resample(&input, from, to);
            assert_eq!(output.len(), (to as usize).div_ceil(5));
            for n in output.len() / 4..output.len() * 3 / 4 {
                assert!((output[n] - sine(to, n)).abs() < 2e-3, "{from} {to}: {} {}", output[n], sine(to, n));
            }
        }
    }

    #[test]
    fn what_the_new_rate_cannot_hold_is_gone() {
        let input: Vec<f32> = (0..9600).map(|n| (std::f32::consts::TAU * 0.25 * n as f32).sin()).collect();
        let output = resample(&input, 48_000, 16_000);
        assert!(output[800..2400].iter().all(|x| x.abs() < 1e-3));
    }

    #[test]
    fn odd_input_is_harmless() {
        assert!(resample(&[], 48_000, 16_000).is_empty());
        assert!(resample(&[1.0], 0, 16_000).is_empty());
        assert_eq!(resample(&[1.0, 2.0], 8000, 8000), [1.0, 2.0]);
        assert_eq!(resample(&[0.5; 3], 44_100, 48_000).len(), 4);
    }
}
