//! Recordings become talkers who go on talking.

use rand::Rng;

use crate::sources::level;
use crate::truth::{ACTIVE_BELOW_PEAK_DB, ENVELOPE_S, moment, powers};
use crate::vector::stream;

/// What is this many decibels below the loudest moment of a recording is its room and its microphone, not the talker.
pub const GATE_DB: f64 = 26.0;
/// Recordings in which moments between [`GATE_DB`] and [`ACTIVE_BELOW_PEAK_DB`] are more than this share of the active ones are murky.
const MURKY: f64 = 0.6;
/// The gate stays open for so many moments of [`ENVELOPE_S`] after a sound, and opens one before it.
const HOLD: usize = 2;
/// Fades of the gate in seconds.
const FADE_S: f64 = 0.008;
/// Longer pauses within a recording are cut down to this, in seconds.
const LONGEST_PAUSE_S: f64 = 0.4;
/// Talkers of [`talkers`] go on for at least this many seconds.
pub const TALK_S: f64 = 12.0;
/// How often each recording is heard, on average over all talkers.
const USES: f64 = 2.0;
/// A talker's recordings come from among so many that follow one another in the list: they are of one kind.
const NEIGHBOURS: usize = 12;
/// Between two recordings, mostly the breath between words, in seconds …
const BREATH_S: [f64; 2] = [0.0, 0.15];
/// … and with this chance …
const REST: f64 = 0.35;
/// … a rest, in seconds.
const REST_S: [f64; 2] = [0.2, 1.2];

/// A recording without what surrounds and underlies the sound: pauses are silent, long ones are shorter, there are none at its ends.
///
/// A microphone hears a room and itself in every pause; put into a scene, they would come from the talker's place while the truth says
/// that nobody speaks there. `None` for silence, and for a recording so murky that sound and background cannot be told apart.
pub fn without_background(signal: &[f32], sample_rate_hz: u32) -> Option<Vec<f32>> {
    let rate = f64::from(sample_rate_hz);
    let moment = moment(sample_rate_hz);
    let powers: Vec<f64> = powers(signal, sample_rate_hz).collect();
    let peak = powers.iter().copied().fold(0.0, f64::max);
    let above = |db: f64| powers.iter().filter(|p| **p >= peak * 10f64.powf(-db / 10.0)).count();
    let (active, heard) = (above(ACTIVE_BELOW_PEAK_DB), above(GATE_DB));
    if peak <= 0.0 || (heard - active) as f64 > MURKY * active as f64 {
        return None;
    }
    let sounds = |i: usize| powers[i] >= peak * 10f64.powf(-GATE_DB / 10.0);
    let open: Vec<bool> =
        (0..powers.len()).map(|i| (i.saturating_sub(HOLD)..=(i + 1).min(powers.len() - 1)).any(sounds)).collect();
    let fade = ((FADE_S * rate) as usize).clamp(1, moment);
    let longest = (LONGEST_PAUSE_S / ENVELOPE_S) as usize;
    let mut clean = Vec::with_capacity(signal.len());
    let mut closed = longest; // No pause before the first sound.
    for (i, part) in signal.chunks(moment).enumerate() {
        if !open[i] {
            closed += 1;
            if closed <= longest && open[i..].contains(&true) {
                clean.resize(clean.len() + part.len(), 0.0);
            }
            continue;
        }
        closed = 0;
        let (opens, closes) = (i > 0 && !open[i - 1], open.get(i + 1) == Some(&false));
        clean.extend(part.iter().enumerate().map(|(n, x)| {
            let rise = if opens { (n + 1) as f32 / fade as f32 } else { 1.0 };
            let fall = if closes { (part.len() - n) as f32 / fade as f32 } else { 1.0 };
            x * rise.min(fall).min(1.0)
        }));
    }
    level(&mut clean, sample_rate_hz);
    Some(clean)
}

/// Talkers who go on: recordings [`without_background`] strung together with breaths and rests between them, each string [`TALK_S`]
/// long or a little more. Most collections of speech are single words in files of their own; a scene in which everybody says one word
/// and falls silent for good teaches little of what happens in a conversation.
///
/// The same recordings in the same order and the same seed give the same talkers; without any usable recording there are none.
pub fn talkers(recordings: &[Vec<f32>], sample_rate_hz: u32, seed: u64) -> Vec<Vec<f32>> {
    let clean: Vec<Vec<f32>> = recordings.iter().filter_map(|r| without_background(r, sample_rate_hz)).collect();
    let rate = f64::from(sample_rate_hz);
    let length = (TALK_S * rate) as usize;
    let total: usize = clean.iter().map(Vec::len).sum();
    let count = if clean.is_empty() { 0 } else { (USES * total as f64 / length as f64).ceil() as usize };
    let talker = |index: usize| {
        let mut rng = stream(seed, index as u64);
        let first = rng.random_range(0..clean.len());
        let mut talk: Vec<f32> = Vec::with_capacity(length);
        while talk.len() < length {
            let recording = &clean[(first + rng.random_range(0..NEIGHBOURS)).min(clean.len() - 1)];
            talk.extend(recording);
            let [low, high] = if rng.random::<f64>() < REST { REST_S } else { BREATH_S };
            talk.resize(talk.len() + (rng.random_range(low..=high) * rate) as usize, 0.0);
        }
        talk
    };
    (0..count).map(talker).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{ACTIVE_RMS, babble, noise_bursts};
    use crate::truth::Activity;
    use crate::vector::normal_pair;

    const RATE: u32 = 16_000;

    /// Silence of a room at `floor_db` below speech, a word, the room again.
    fn recorded(seed: u64, floor_db: f64) -> Vec<f32> {
        let mut rng = stream(seed, 3);
        let floor = (ACTIVE_RMS * 10f64.powf(-floor_db / 20.0)) as f32;
        let mut signal: Vec<f32> = (0..3 * RATE).map(|_| floor * normal_pair(&mut rng)[0]).collect();
        for (x, word) in signal[RATE as usize..].iter_mut().zip(noise_bursts(seed, RATE, 1.0)) {
            *x += word;
        }
        signal
    }

    #[test]
    fn the_room_of_a_recording_is_taken_away() {
        let word = without_background(&recorded(1, 40.0), RATE).unwrap();
        assert!(word.len() <= RATE as usize + 1600, "{}", word.len());
        let silent = word.iter().filter(|x| **x == 0.0).count();
        assert!(silent > 0 && silent < word.len() / 2, "{silent} of {}", word.len());
        assert!((Activity::of(&word, RATE).active_rms(&word) - ACTIVE_RMS).abs() < 1e-3);
        // Nothing that is faint is left, but for the fades.
        let faint = word.chunks(256).filter(|c| {
            let power = c.iter().map(|x| x * x).sum::<f32>() / c.len() as f32;
            power > 0.0 && power < (ACTIVE_RMS * ACTIVE_RMS) as f32 * 1e-3
        });
        assert!(faint.count() <= 12);
    }

    #[test]
    fn murk_and_silence_are_no_talkers() {
        assert_eq!(without_background(&recorded(1, 21.0), RATE), None);
        assert_eq!(without_background(&[0.0; 8000], RATE), None);
        assert_eq!(without_background(&[], RATE), None);
        assert!(talkers(&[vec![0.0; 8000]], RATE, 1).is_empty());
        assert!(talkers(&[], RATE, 1).is_empty());
    }

    #[test]
    fn talkers_go_on() {
        let words: Vec<_> = (0..30).map(|seed| recorded(seed, 45.0)).collect();
        let talking = talkers(&words, RATE, 5);
        assert_eq!(talking, talkers(&words, RATE, 5));
        assert_ne!(talking, talkers(&words, RATE, 6));
        assert!(talking.len() >= 3, "{}", talking.len());
        for talk in &talking {
            assert!(talk.len() >= (TALK_S * f64::from(RATE)) as usize);
            let longest = talk.split(|x| *x != 0.0).map(<[f32]>::len).max().unwrap();
            assert!(longest as f64 <= (REST_S[1] + 0.05) * f64::from(RATE), "{longest}");
            let active = Activity::of(talk, RATE).count(0, talk.len() as i64) as f64 / talk.len() as f64;
            assert!(active > 0.25, "{active}");
        }
        // What never pauses stays as it is.
        let steady = babble(1, RATE, 2.0);
        let loud: Vec<f32> = steady.iter().map(|x| x.signum() * (0.05 + x.abs())).collect();
        assert_eq!(without_background(&loud, RATE).unwrap().len(), loud.len());
    }
}
