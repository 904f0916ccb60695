//! From peaks and truth to figures: one recording, one engine.

use spherescope_dsp::Direction;

use super::calibration::Calibration;
use super::listen::{HOP_S, Heard, Recording, WINDOW_S};
use super::product::{self, Counts, MEMORY_S, Verdict};
use super::protocol::{ACCURATE_DEG, Errors, NO_PEAK_DEG, lag_deg, matched};
use crate::sets::{Facts, MOVING_DEG_S};
use crate::truth::TruthSource;

/// Thresholds for which the product protocol is tabulated.
pub fn thresholds() -> Vec<f32> {
    (1..=19).map(|i| i as f32 * 0.05).collect()
}

/// An error with what sounded at that moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Sources that sounded.
    pub sounding: usize,
    /// Angle from the source to the nearest other one that sounded, in degrees.
    pub apart_deg: Option<f64>,
    /// For how long the source had sounded without a pause, in seconds; 0 in its first frame.
    pub sounding_for_s: f64,
    /// Time since the recording began in seconds.
    pub at_s: f64,
    /// How far its direct sound stands above all else, in decibels; see [`Recording::direct_db`].
    pub direct_db: Option<f64>,
    /// Angle between source and peak in degrees.
    pub error_deg: f64,
    /// Where the peak is.
    pub place: Place,
}

/// Where the peak of a source is, seen from what else was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At most [`ACCURATE_DEG`] from its source.
    Right,
    /// At most [`AT_DEG`] from a talker who pauses.
    Pausing,
    /// At most [`AT_DEG`] from another talker who sounds.
    Other,
    /// None of these, at most [`BESIDE_DEG`] from its source.
    Beside,
    /// None of these, or there was no peak.
    Elsewhere,
}

/// A wrong peak so near to a talker, in degrees, stands for that talker.
pub const AT_DEG: f64 = 15.0;
/// A wrong peak so near to its source, in degrees, is beside it.
pub const BESIDE_DEG: f64 = 30.0;

impl Place {
    /// All places, in the order of the tables.
    pub const ALL: [Self; 5] = [Self::Right, Self::Beside, Self::Pausing, Self::Other, Self::Elsewhere];

    /// What tables call it.
    pub fn what(self) -> String {
        match self {
            Self::Right => format!("within {ACCURATE_DEG}° of its source"),
            Self::Beside => format!("{ACCURATE_DEG} to {BESIDE_DEG}° beside it"),
            Self::Pausing => "at a talker who pauses".into(),
            Self::Other => "at another talker who sounds".into(),
            Self::Elsewhere => "elsewhere".into(),
        }
    }

    /// The place of a peak `error_deg` from its source, the one of `sources` with this index.
    fn of(peak: Option<&Direction>, error_deg: f64, source: usize, sources: &[TruthSource]) -> Self {
        let Some(peak) = peak else { return Self::Elsewhere };
        let at = |active: bool| {
            let mut others = sources.iter().enumerate().filter(|(i, s)| *i != source && s.active == active);
            others.any(|(_, s)| s.direction.angle_to_deg(peak) <= AT_DEG)
        };
        match error_deg {
            e if e <= ACCURATE_DEG => Self::Right,
            _ if at(false) => Self::Pausing,
            _ if at(true) => Self::Other,
            e if e <= BESIDE_DEG => Self::Beside,
            _ => Self::Elsewhere,
        }
    }
}

/// What one engine did on one recording.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Per-frame protocol: one pair for each sounding source of each frame.
    pub pairs: Vec<Pair>,
    /// Product protocol at the engine's threshold.
    pub counts: Counts,
    /// … and at each of [`thresholds`].
    pub by_threshold: Vec<Counts>,
    /// Reliability of the shown peaks.
    pub calibration: Calibration,
    /// How far the best peak is behind the source in degrees, where it moves and the peak is not elsewhere.
    pub lags_deg: Vec<f64>,
}

/// All engines on one recording, in the order of the report's columns.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What is known of the recording.
    pub facts: Facts,
    /// One for each engine.
    pub judged: Vec<Judged>,
}

/// Judges what an engine heard; `threshold` is the score from which it shows a peak.
pub fn judge(recording: &Recording, heard: &Heard, threshold: f32) -> Judged {
    let truth = &recording.truth;
    let mut judged = Judged::default();
    let talkers = truth.iter().flatten().map(|s| s.talker + 1).max().unwrap_or(0);
    // Windows without a pause so far, of each talker.
    let mut windows = vec![0usize; talkers];
    for (window, best) in heard.best.iter().enumerate() {
        let now = &truth[window];
        // Places in the list of this window's sources of those that sound.
        let active: Vec<usize> = (0..now.len()).filter(|&i| now[i].active).collect();
        let sources: Vec<Direction> = active.iter().map(|&i| now[i].direction).collect();
        let pairs = matched(&sources, best);
        if let ([only], [Some((peak, error_deg))], Some(next)) = (&active[..], &pairs[..], truth.get(window + 1)) {
            let source = &now[*only];
            let next = next.iter().find(|s| s.talker == source.talker);
            let moves = |next: &TruthSource| {
                source.direction.angle_to_deg(&next.direction) > 0.3 * MOVING_DEG_S * HOP_S
                    && *error_deg < LAG_WITHIN_DEG
            };
            let lag = |next: &TruthSource| lag_deg(&source.direction, &next.direction, &best[*peak].direction);
            judged.lags_deg.extend(next.filter(|n| moves(n)).and_then(lag));
        }
        let apart = |source: usize| {
            let others = sources.iter().enumerate().filter(|(other, _)| *other != source);
            others.map(|(_, other)| sources[source].angle_to_deg(other)).min_by(f64::total_cmp)
        };
        for (source, (&index, pair)) in active.iter().zip(&pairs).enumerate() {
            let error_deg = pair.map_or(NO_PEAK_DEG, |(_, angle)| angle);
            let peak = pair.map(|(peak, _)| &best[peak].direction);
            judged.pairs.push(Pair {
                sounding: sources.len(),
                apart_deg: apart(source),
                sounding_for_s: windows[now[index].talker] as f64 * HOP_S,
                at_s: window as f64 * HOP_S,
                direct_db: recording.direct_db.get(window).map(|levels| levels[index]),
                error_deg,
                place: Place::of(peak, error_deg, index, now),
            });
        }
        for source in now {
            windows[source.talker] = if source.active { windows[source.talker] + 1 } else { 0 };
        }
    }
    let count = |threshold: f32| product::count(&heard.shown, truth, threshold, HOP_S, WINDOW_S);
    judged.by_threshold = thresholds().into_iter().map(count).collect();
    judged.counts = count(threshold);
    judged.calibration = calibration(recording, heard);
    judged
}

/// Peaks farther than this from a moving source, in degrees, are errors and not lag.
pub const LAG_WITHIN_DEG: f64 = 45.0;

/// Score against truth for all shown peaks.
fn calibration(recording: &Recording, heard: &Heard) -> Calibration {
    let mut calibration = Calibration::default();
    scored(recording, heard, &mut |score, hit| calibration.add(score, hit));
    calibration
}

/// Calls `each` with the score of every shown peak and whether it is a source; peaks of ringing sources are left out.
pub fn scored(recording: &Recording, heard: &Heard, each: &mut dyn FnMut(f32, bool)) {
    let memory = (MEMORY_S / HOP_S).round() as usize;
    let talkers = recording.truth.iter().flatten().map(|s| s.talker + 1).max().unwrap_or(0);
    let mut last: Vec<Option<usize>> = vec![None; talkers];
    for (window, (sources, shown)) in recording.truth.iter().zip(&heard.shown).enumerate() {
        for source in sources.iter().filter(|s| s.active) {
            last[source.talker] = Some(window);
        }
        let peaks: Vec<_> = shown.iter().collect();
        let rings = |talker: usize| last[talker].is_some_and(|l| window - l <= memory);
        let (verdicts, _) = product::judge(sources, &peaks, ACCURATE_DEG, rings);
        for (peak, verdict) in peaks.iter().zip(verdicts) {
            if verdict != Verdict::Ringing {
                each(peak.score, verdict == Verdict::Right);
            }
        }
    }
}

/// All errors of one engine over the recordings and pairs that `keep` wants.
pub fn errors(outcomes: &[&Outcome], engine: usize, keep: impl Fn(&Facts, &Pair) -> bool) -> Errors {
    let kept = outcomes.iter().flat_map(|o| {
        let keep = &keep;
        o.judged[engine].pairs.iter().filter(move |p| keep(&o.facts, p)).map(|p| p.error_deg)
    });
    Errors { degrees: kept.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spherescope_dsp::Peak;

    #[test]
    fn a_wrong_peak_has_a_place() {
        let at = |azimuth_deg: f64| Direction::from_degrees(azimuth_deg, 0.0).unwrap();
        let source =
            |talker, azimuth_deg, active| TruthSource { talker, direction: at(azimuth_deg), distance_m: 1.0, active };
        let sources = [source(0, 0.0, true), source(1, 60.0, false), source(2, -90.0, true)];
        for (azimuth_deg, place) in [
            (9.0, Place::Right),
            (25.0, Place::Beside),
            (50.0, Place::Pausing),
            (-100.0, Place::Other),
            (150.0, Place::Elsewhere),
        ] {
            let error_deg = sources[0].direction.angle_to_deg(&at(azimuth_deg));
            assert_eq!(Place::of(Some(&at(azimuth_deg)), error_deg, 0, &sources), place, "{azimuth_deg}");
        }
        assert_eq!(Place::of(None, NO_PEAK_DEG, 0, &sources), Place::Elsewhere);
    }

    #[test]
    fn a_pause_ends_how_long_a_source_has_sounded() {
        let at = |azimuth_deg: f64| Direction::from_degrees(azimuth_deg, 0.0).unwrap();
        let window = |active| vec![TruthSource { talker: 0, direction: at(20.0), distance_m: 1.0, active }];
        let active = [true, true, true, false, true];
        let recording = Recording {
            sample_rate_hz: 16_000,
            channels: Vec::new(),
            array: spherescope_dsp::presets::find("ring-6").unwrap().array,
            truth: active.map(window).into(),
            direct_db: Vec::new(),
            before_s: 0.0,
            facts: Facts { capsules: 6, aperture_m: 0.1, talkers: 1, snr_db: None, t60_s: None },
        };
        let peak = Peak { index: 0, direction: at(26.0), score: 0.9 };
        let best = active.map(|active| if active { vec![peak] } else { Vec::new() }).into();
        let judged = judge(&recording, &Heard { best, shown: vec![Vec::new(); active.len()] }, 0.5);
        let found: Vec<f64> = judged.pairs.iter().map(|p| p.sounding_for_s).collect();
        assert_eq!(found, [0.0, HOP_S, 2.0 * HOP_S, 0.0]);
        assert!(judged.pairs.iter().all(|p| p.place == Place::Right && (p.error_deg - 6.0).abs() < 1e-6));
    }
}
