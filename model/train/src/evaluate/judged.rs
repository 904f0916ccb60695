//! From peaks and truth to figures: one recording, one engine.

use super::calibration::Calibration;
use super::listen::{HOP_S, Heard, Recording, WINDOW_S};
use super::product::{self, Counts, MEMORY_S, Verdict};
use super::protocol::{ACCURATE_DEG, Errors, frame_errors, lag_deg, sounding};
use crate::sets::{Facts, MOVING_DEG_S};

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
    /// Angle between source and peak in degrees.
    pub error_deg: f64,
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
    for (window, best) in heard.best.iter().enumerate() {
        let sources = sounding(&truth[window]);
        let errors = frame_errors(&sources, best);
        if let ([source], [peak], Some(next)) = (&sources[..], &best[..], truth.get(window + 1)) {
            let talker = truth[window].iter().find(|s| s.active).map(|s| s.talker);
            let next = next.iter().find(|s| Some(s.talker) == talker);
            let moves = |next: &crate::truth::TruthSource| {
                source.angle_to_deg(&next.direction) > 0.3 * MOVING_DEG_S * HOP_S && errors[0] < LAG_WITHIN_DEG
            };
            if let Some(lag) = next.filter(|n| moves(n)).and_then(|n| lag_deg(source, &n.direction, &peak.direction)) {
                judged.lags_deg.push(lag);
            }
        }
        let apart = |source: usize| {
            let others = sources.iter().enumerate().filter(|(other, _)| *other != source);
            others.map(|(_, other)| sources[source].angle_to_deg(other)).min_by(f64::total_cmp)
        };
        let pair = |(source, error_deg)| Pair { sounding: sources.len(), apart_deg: apart(source), error_deg };
        judged.pairs.extend(errors.into_iter().enumerate().map(pair));
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
