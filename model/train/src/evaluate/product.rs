//! The product protocol: how many sources there are is not known; what the plugin would show counts.
//!
//! A frame shows the peaks above the threshold, if it passes the level gate. A shown peak is right when it lies within 20° of a source
//! that sounds, one peak for one source. A peak within 20° of a source that has fallen silent less than half a second ago is
//! neither right nor wrong: the room still rings. All others are wrong, and a sounding source without a peak is missed.

use spherescope_dsp::assignment::assign;
use spherescope_dsp::{Direction, Peak};

use super::protocol::ALL_IF_POSSIBLE;
use crate::truth::TruthSource;

/// A peak within this angle of a source, in degrees, is that source's.
pub const NEAR_DEG: f64 = 20.0;
/// A source counts as ringing for this long after it has sounded, and a detection as the same when it comes back within it, in seconds.
pub const MEMORY_S: f64 = 0.5;

/// What happened over some frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Peaks that are sources, frame by frame.
    pub right: u64,
    /// Peaks that are not.
    pub wrong: u64,
    /// Sounding sources without a peak.
    pub missed: u64,
    /// New detections that are no source's: peaks that are wrong, with no peak within [`NEAR_DEG`] in the last [`MEMORY_S`].
    pub false_onsets: u64,
    /// Time that was looked at, in seconds.
    pub seconds: f64,
    /// For each source that sounds at all: the time from the start of its first sounding window to the end of the first window that
    /// shows it, in seconds; `None` when it is never shown.
    pub first_s: Vec<Option<f64>>,
}

impl Counts {
    /// Adds what happened elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.missed += other.missed;
        self.false_onsets += other.false_onsets;
        self.seconds += other.seconds;
        self.first_s.extend(&other.first_s);
    }

    /// Share of the peaks that are right; `None` without peaks.
    pub fn precision(&self) -> Option<f64> {
        share(self.right, self.right + self.wrong)
    }

    /// Share of the sounding sources that are shown; `None` without any.
    pub fn recall(&self) -> Option<f64> {
        share(self.right, self.right + self.missed)
    }

    /// Harmonic mean of precision and recall; `None` without peaks and sources.
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.right, 2 * self.right + self.wrong + self.missed)
    }

    /// False detections a minute; `None` when no time was looked at.
    pub fn false_per_minute(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| 60.0 * self.false_onsets as f64 / self.seconds)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// What a peak is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A source that sounds.
    Right,
    /// A source that has just fallen silent, or a second peak beside a source that still rings.
    Ringing,
    /// Nothing.
    Wrong,
}

/// Counts one recording: `shown[frame]` are the peaks of each frame (empty below the gate), `truth[frame]` all sources.
pub fn count(
    shown: &[impl AsRef<[Peak]>],
    truth: &[Vec<TruthSource>],
    threshold: f32,
    hop_s: f64,
    window_s: f64,
) -> Counts {
    let memory = (MEMORY_S / hop_s).round() as usize;
    let frames = shown.len().min(truth.len());
    let mut counts = Counts { seconds: frames as f64 * hop_s, ..Counts::default() };
    let talkers = truth.iter().flatten().map(|s| s.talker + 1).max().unwrap_or(0);
    let mut last_sound: Vec<Option<usize>> = vec![None; talkers];
    let mut first_sound: Vec<Option<usize>> = vec![None; talkers];
    let mut first_shown: Vec<Option<usize>> = vec![None; talkers];
    let mut recent: Vec<(usize, Direction)> = Vec::new();
    for frame in 0..frames {
        for source in truth[frame].iter().filter(|s| s.active) {
            last_sound[source.talker] = Some(frame);
            first_sound[source.talker].get_or_insert(frame);
        }
        let peaks: Vec<&Peak> = shown[frame].as_ref().iter().filter(|p| p.score >= threshold).collect();
        let (verdicts, missed) = judge(&truth[frame], &peaks, NEAR_DEG, |talker| {
            last_sound[talker].is_some_and(|last| frame - last <= memory)
        });
        counts.missed += missed;
        for (peak, verdict) in peaks.iter().zip(&verdicts) {
            match verdict {
                Verdict::Right => counts.right += 1,
                Verdict::Ringing => {}
                Verdict::Wrong => {
                    counts.wrong += 1;
                    let known = recent.iter().any(|(_, d)| d.angle_to_deg(&peak.direction) <= NEAR_DEG);
                    counts.false_onsets += u64::from(!known);
                }
            }
        }
        for source in truth[frame].iter().filter(|s| first_sound[s.talker].is_some()) {
            if peaks.iter().any(|p| p.direction.angle_to_deg(&source.direction) <= NEAR_DEG) {
                first_shown[source.talker].get_or_insert(frame);
            }
        }
        recent.extend(peaks.iter().map(|p| (frame, p.direction)));
        recent.retain(|(seen, _)| frame + 1 - seen <= memory);
    }
    for (sound, shown) in first_sound.iter().zip(&first_shown) {
        if let Some(sound) = sound {
            counts.first_s.push(shown.map(|shown| (shown - sound) as f64 * hop_s + window_s));
        }
    }
    counts
}

/// What each peak of a frame is, and how many sounding sources have none; `rings(talker)` says whether a source sounded lately.
pub fn judge(
    sources: &[TruthSource],
    peaks: &[&Peak],
    near_deg: f64,
    rings: impl Fn(usize) -> bool,
) -> (Vec<Verdict>, u64) {
    let sounding: Vec<&TruthSource> = sources.iter().filter(|s| s.active).collect();
    let assigned = assign(sounding.len(), peaks.len(), ALL_IF_POSSIBLE, |source, peak| {
        let angle_deg = sounding[source].direction.angle_to_deg(&peaks[peak].direction);
        if angle_deg <= near_deg { angle_deg } else { f64::INFINITY }
    });
    let missed = assigned.iter().filter(|a| a.is_none()).count() as u64;
    let verdicts = peaks.iter().enumerate().map(|(index, peak)| {
        if assigned.contains(&Some(index)) {
            Verdict::Right
        } else if sources
            .iter()
            .any(|s| !s.active && rings(s.talker) && s.direction.angle_to_deg(&peak.direction) <= near_deg)
        {
            Verdict::Ringing
        } else {
            Verdict::Wrong
        }
    });
    (verdicts.collect(), missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(azimuth: f64) -> Direction {
        Direction::from_degrees(azimuth, 0.0).unwrap()
    }

    fn peak(azimuth: f64, score: f32) -> Peak {
        Peak { index: 0, direction: at(azimuth), score }
    }

    fn source(azimuth: f64, active: bool) -> TruthSource {
        TruthSource { talker: 0, direction: at(azimuth), distance_m: 1.0, active }
    }

    const HOP_S: f64 = 0.016;

    #[test]
    fn peaks_are_right_ringing_or_wrong() {
        // Silence, then the source, then silence long enough to end the ringing.
        let active = |frame: usize| (10..20).contains(&frame);
        let truth: Vec<_> = (0..80).map(|f| vec![source(30.0, active(f))]).collect();
        let shown: Vec<Vec<Peak>> = (0..80).map(|f| if f >= 12 { vec![peak(35.0, 0.6)] } else { vec![] }).collect();
        let counts = count(&shown, &truth, 0.4, HOP_S, 0.032);
        // Frames 12 to 19 are right, 10 and 11 missed; ringing lasts 31 frames after 19, and what stays after it is wrong.
        assert_eq!((counts.right, counts.missed, counts.wrong), (8, 2, 80 - 51));
        assert_eq!(counts.false_onsets, 0, "the detection was there before it became wrong");
        assert_eq!(counts.first_s, [Some(2.0 * HOP_S + 0.032)]);
        assert_eq!(counts.recall(), Some(0.8));
        let nothing = count(&shown, &truth, 0.7, HOP_S, 0.032);
        assert_eq!((nothing.right, nothing.wrong, nothing.missed), (0, 0, 10));
        assert_eq!((nothing.precision(), nothing.first_s), (None, vec![None]));
    }

    #[test]
    fn two_peaks_beside_one_source_are_one_right_and_one_wrong() {
        let truth = vec![vec![source(0.0, true)]];
        let counts = count(&[vec![peak(-11.0, 0.9), peak(3.0, 0.8)]], &truth, 0.4, HOP_S, 0.032);
        assert_eq!((counts.right, counts.wrong, counts.missed), (1, 1, 0));
        assert_eq!(counts.f1(), Some(2.0 / 3.0));
    }

    #[test]
    fn false_detections_are_counted_when_they_begin() {
        let truth = vec![vec![]; 200];
        let mut shown = vec![vec![]; 200];
        // One that flickers, one elsewhere, and the first place again after more than half a second.
        for frame in [5, 6, 9, 30] {
            shown[frame] = vec![peak(0.0, 0.5)];
        }
        shown[10] = vec![peak(90.0, 0.5)];
        shown[100] = vec![peak(8.0, 0.5)];
        let counts = count(&shown, &truth, 0.4, HOP_S, 0.032);
        assert_eq!((counts.wrong, counts.false_onsets), (6, 3));
        assert!((counts.false_per_minute().unwrap() - 3.0 * 60.0 / 3.2).abs() < 1e-9);
    }
}
