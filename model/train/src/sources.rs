//! Dry sounds of the project's own: made from a seed, at any rate, with nothing to download.
//!
//! All of them are mono with a root mean square of [`ACTIVE_RMS`] over their active parts.

use rand::Rng;
use rand::rngs::SmallRng;

use crate::truth::Activity;
use crate::vector::{normal_pair, stream};

/// Level of all sounds made or loaded here: root mean square over the active samples, −20 dB re full scale.
pub const ACTIVE_RMS: f64 = 0.1;

/// Brings a sound to [`ACTIVE_RMS`]; silence stays silence.
pub fn level(signal: &mut [f32], sample_rate_hz: u32) {
    let rms = Activity::of(signal, sample_rate_hz).active_rms(signal);
    if rms > 0.0 {
        let gain = (ACTIVE_RMS / rms) as f32;
        signal.iter_mut().for_each(|x| *x *= gain);
    }
}

fn frames(sample_rate_hz: u32, duration_s: f64) -> usize {
    (f64::from(sample_rate_hz) * duration_s.max(0.0)).round() as usize
}

fn noise(rng: &mut SmallRng) -> f32 {
    normal_pair(rng)[0]
}

/// Bursts of white noise, 0.08 to 0.4 s long, with pauses of 0.04 to 0.2 s: the easiest sound to find.
pub fn noise_bursts(seed: u64, sample_rate_hz: u32, duration_s: f64) -> Vec<f32> {
    let rate = f64::from(sample_rate_hz);
    // The plan and the samples come from streams of their own: another rate gives the same rhythm.
    let (mut plan, mut samples) = (stream(seed, 0), stream(seed, 1));
    let mut out = vec![0.0; frames(sample_rate_hz, duration_s)];
    let mut time = 0.0;
    while time < duration_s {
        let length = plan.random_range(0.08..0.4);
        let strength = plan.random_range(0.5..1.0f32);
        for n in frames(sample_rate_hz, time)..frames(sample_rate_hz, time + length).min(out.len()) {
            let t = n as f64 / rate - time;
            out[n] = strength * ramp(t.min(length - t), 0.005) * noise(&mut samples);
        }
        time += length + plan.random_range(0.04..0.2);
    }
    level(&mut out, sample_rate_hz);
    out
}

/// A bright melody on plucked strings (Karplus and Strong, Computer Music Journal 7, 1983), pentatonic, 3 to 6 notes a second.
pub fn plucked_strings(seed: u64, sample_rate_hz: u32, duration_s: f64) -> Vec<f32> {
    const SCALE: [i32; 5] = [0, 2, 4, 7, 9];
    let rate = f64::from(sample_rate_hz);
    let (mut plan, mut samples) = (stream(seed, 2), stream(seed, 3));
    let mut out = vec![0.0f32; frames(sample_rate_hz, duration_s)];
    let mut time = 0.0;
    let mut degree = 5i32;
    while time < duration_s {
        degree = (degree + plan.random_range(-2..=2)).clamp(0, 12);
        let semitones = 12 * (degree / 5) + SCALE[(degree % 5) as usize];
        let pitch_hz = 196.0 * 2f64.powf(f64::from(semitones) / 12.0);
        // The averaging filter delays by `1 - keep`; the rest of the period is the line and a bit between samples.
        let keep = 0.85f32;
        let period = rate / pitch_hz - f64::from(1.0 - keep);
        let line_len = (period.floor() as usize).max(2);
        let between = (period - period.floor()) as f32;
        let mut line: Vec<f32> = (0..line_len + 1).map(|_| samples.random_range(-1.0..1.0)).collect();
        // Decay of 60 dB in about 1.2 s.
        let loss = 10f64.powf(-3.0 / (1.2 * pitch_hz)) as f32;
        let (mut at, mut last) = (0, 0.0f32);
        let begin = frames(sample_rate_hz, time);
        let end = frames(sample_rate_hz, time + 1.0).min(out.len());
        for n in begin..end {
            let value = line[at];
            let next = line[(at + 1) % line.len()];
            let delayed = value * between + next * (1.0 - between);
            line[at] = loss * (keep * delayed + (1.0 - keep) * last);
            last = delayed;
            at = (at + 1) % line.len();
            // A soft end instead of a cut.
            out[n] += value * ramp((end - n) as f64 / rate, 0.05);
        }
        time += plan.random_range(0.16..0.34);
    }
    level(&mut out, sample_rate_hz);
    out
}

/// Nonsense with the sound of speech: 3 to 6 syllables a second, each a hiss and a vowel of a gliding voice, in phrases with pauses.
///
/// The seed is the speaker too: pitch (85 to 250 Hz), size of the mouth and tempo.
pub fn babble(seed: u64, sample_rate_hz: u32, duration_s: f64) -> Vec<f32> {
    /// Formants of some vowels in Hz, after G. E. Peterson and H. L. Barney (JASA 24, 1952), rounded.
    const VOWELS: [[f64; 3]; 6] = [
        [730.0, 1090.0, 2440.0],
        [270.0, 2290.0, 3010.0],
        [530.0, 1840.0, 2480.0],
        [570.0, 840.0, 2410.0],
        [300.0, 870.0, 2240.0],
        [660.0, 1720.0, 2410.0],
    ];
    let rate = f64::from(sample_rate_hz);
    let (mut plan, mut samples) = (stream(seed, 4), stream(seed, 5));
    let mut out = vec![0.0f32; frames(sample_rate_hz, duration_s)];
    let voice_hz = plan.random_range(85.0..250.0);
    let mouth = 0.9 + 0.3 * (voice_hz - 85.0) / 165.0;
    let tempo = plan.random_range(0.85..1.2);
    let mut time = 0.0;
    let mut left = plan.random_range(3..9);
    while time < duration_s {
        let hiss_s = if plan.random::<f64>() < 0.7 { plan.random_range(0.03..0.09) } else { 0.0 } * tempo;
        let vowel_s = plan.random_range(0.09..0.22) * tempo;
        let formants = VOWELS[plan.random_range(0..VOWELS.len())];
        let hiss_hz = plan.random_range(2500.0..6500.0);
        let pitch = [0; 2].map(|_| voice_hz * plan.random_range(0.85..1.25));
        let stress = plan.random_range(0.5..1.0);

        // A mouth is a row of resonators. The two highest make the voice bright, as near speech is.
        let mut mouth_filters = [
            (formants[0], 80.0, 1.0),
            (formants[1], 100.0, 0.8),
            (formants[2], 140.0, 0.6),
            (3500.0, 250.0, 0.5),
            (4700.0, 500.0, 0.4),
            (6300.0, 900.0, 0.3),
        ]
        .map(|(f, width, gain)| Resonator::new(f * mouth, width, gain, rate));
        let mut hiss_filters = [(hiss_hz, 1500.0, 0.8), (hiss_hz * 1.3, 2500.0, 0.6)]
            .map(|(f, width, gain)| Resonator::new(f, width, gain, rate));
        let mut glottis = 0.0;
        let total = hiss_s + vowel_s;
        for n in frames(sample_rate_hz, time)..frames(sample_rate_hz, time + total).min(out.len()) {
            let t = n as f64 / rate - time;
            let breath = noise(&mut samples);
            let sound = if t < hiss_s {
                let shape = ramp(t.min(hiss_s - t), 0.01) * 0.3;
                shape * hiss_filters.iter_mut().map(|f| f.next(breath)).sum::<f32>()
            } else {
                let share = (t - hiss_s) / vowel_s;
                glottis += (pitch[0] + (pitch[1] - pitch[0]) * share) / rate;
                // A pulse a period whose energy does not depend on the rate, and breath with it.
                let pulse = if glottis >= 1.0 {
                    glottis -= 1.0;
                    (rate / voice_hz).sqrt() as f32
                } else {
                    0.0
                };
                let shape = ramp((t - hiss_s).min(total - t), 0.025);
                shape * mouth_filters.iter_mut().map(|f| f.next(pulse + 0.15 * breath)).sum::<f32>()
            };
            out[n] = stress * sound;
        }
        time += total + plan.random_range(0.0..0.04);
        left -= 1;
        if left == 0 {
            time += plan.random_range(0.1..0.3);
            left = plan.random_range(3..9);
        }
    }
    level(&mut out, sample_rate_hz);
    out
}

/// 0 … 1 over `length_s`, rising as sin².
fn ramp(t_s: f64, length_s: f64) -> f32 {
    (std::f64::consts::FRAC_PI_2 * (t_s / length_s).clamp(0.0, 1.0)).sin().powi(2) as f32
}

/// A two-pole resonance, its gain for white noise `gain` at any rate and width.
struct Resonator {
    a: [f64; 2],
    gain: f64,
    state: [f64; 2],
}

impl Resonator {
    fn new(frequency_hz: f64, width_hz: f64, gain: f64, rate: f64) -> Self {
        let radius = (-std::f64::consts::PI * width_hz / rate).exp();
        let angle = std::f64::consts::TAU * frequency_hz / rate;
        // Above what the rate can hold there is nothing to hear, and a mirrored resonance would be wrong.
        let gain = if frequency_hz < 0.45 * rate { gain } else { 0.0 };
        Self {
            a: [2.0 * radius * angle.cos(), -radius * radius],
            gain: gain * (1.0 - radius * radius).sqrt() * angle.sin(),
            state: [0.0; 2],
        }
    }

    fn next(&mut self, x: f32) -> f32 {
        let y = f64::from(x) + self.a[0] * self.state[0] + self.a[1] * self.state[1];
        self.state = [y, self.state[0]];
        (self.gain * y) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Maker = fn(u64, u32, f64) -> Vec<f32>;
    const ALL: [(&str, Maker); 3] = [("bursts", noise_bursts), ("strings", plucked_strings), ("babble", babble)];

    #[test]
    fn sounds_come_from_their_seed_at_the_wanted_level() {
        for (name, make) in ALL {
            for rate in [8000, 16_000, 44_100, 96_000] {
                let sound = make(7, rate, 2.0);
                assert_eq!(sound.len(), 2 * rate as usize);
                assert_eq!(sound, make(7, rate, 2.0), "{name}");
                assert_ne!(sound, make(8, rate, 2.0), "{name}");
                assert!(sound.iter().all(|x| x.abs() < 3.0), "{name} at {rate}");
                let activity = Activity::of(&sound, rate);
                assert!((activity.active_rms(&sound) - ACTIVE_RMS).abs() < 1e-4);
                assert!(activity.count(0, sound.len() as i64) > sound.len() / 2, "{name} at {rate}");
            }
            assert!(make(1, 16_000, 0.0).is_empty());
        }
    }

    #[test]
    fn babble_fills_the_band() {
        // Energy of the first difference over energy: above 0.1 for speech-like brightness at 16 kHz.
        let sound = babble(3, 16_000, 4.0);
        let energy: f32 = sound.iter().map(|x| x * x).sum();
        let slope: f32 = sound.windows(2).map(|w| (w[1] - w[0]).powi(2)).sum();
        assert!(slope / energy > 0.1, "{}", slope / energy);
    }
}
