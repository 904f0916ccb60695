//! The exact truth of a scene: which talker was heard from where, when.

use serde::{Serialize, Serializer};
use spherescope_dsp::{Direction, Rotation};

use crate::path::Path;
use crate::scene::Scene;
use crate::vector::{norm, sub, unrotate};

/// A sample counts as sound when the energy around it is at most this many decibels below the signal's loudest moment.
pub const ACTIVE_BELOW_PEAK_DB: f64 = 20.0;
/// The energy around a sample is the mean over this many seconds, centred.
pub const ENVELOPE_S: f64 = 0.016;

/// [`ENVELOPE_S`] in frames.
pub(crate) fn moment(sample_rate_hz: u32) -> usize {
    (ENVELOPE_S * f64::from(sample_rate_hz)).max(1.0) as usize
}

/// Mean power of each [`moment`] of a signal, one after the other.
pub(crate) fn powers(signal: &[f32], sample_rate_hz: u32) -> impl Iterator<Item = f64> {
    let power = |part: &[f32]| part.iter().map(|x| f64::from(x * x)).sum::<f64>() / part.len().max(1) as f64;
    signal.chunks(moment(sample_rate_hz)).map(power)
}

/// Which samples of a dry signal are sound and which are silence.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// Active samples before each frame.
    before: Vec<u32>,
}

impl Activity {
    /// Looks at the energy of a dry signal; silence, and an empty signal, are never active.
    pub fn of(signal: &[f32], sample_rate_hz: u32) -> Self {
        let half = ((ENVELOPE_S / 2.0 * f64::from(sample_rate_hz)) as usize).max(1);
        let mut sums = Vec::with_capacity(signal.len() + 1);
        let mut sum = 0.0f64;
        sums.push(sum);
        for &x in signal {
            sum += f64::from(x) * f64::from(x);
            sums.push(sum);
        }
        let envelope = |n: usize| sums[(n + half).min(signal.len())] - sums[n.saturating_sub(half)];
        let peak = (0..signal.len()).map(envelope).fold(0.0, f64::max);
        let threshold = peak * 10f64.powf(-ACTIVE_BELOW_PEAK_DB / 10.0);
        let mut count = 0;
        let mut before = Vec::with_capacity(signal.len() + 1);
        before.push(0);
        for n in 0..signal.len() {
            count += u32::from(peak > 0.0 && envelope(n) >= threshold);
            before.push(count);
        }
        Self { before }
    }

    /// Active samples among the frames `from` … `to` (the last not included); there are none before 0 and after the end.
    pub fn count(&self, from: i64, to: i64) -> usize {
        let at = |frame: i64| self.before[frame.clamp(0, self.before.len() as i64 - 1) as usize];
        at(to.max(from)).saturating_sub(at(from)) as usize
    }

    /// Whether at least two thirds of the frames `from` … `to` are active.
    pub fn is_active(&self, from: i64, to: i64) -> bool {
        to > from && 3 * self.count(from, to) as i64 >= 2 * (to - from)
    }

    /// Root mean square of a signal over its active samples; 0 when there are none.
    pub fn active_rms(&self, signal: &[f32]) -> f64 {
        let (mut sum, mut count) = (0.0, 0usize);
        for (n, &x) in signal.iter().enumerate() {
            if self.before[n + 1] > self.before[n] {
                sum += f64::from(x) * f64::from(x);
                count += 1;
            }
        }
        if count == 0 { 0.0 } else { (sum / count as f64).sqrt() }
    }
}

/// A talker as the array has it at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruthSource {
    /// Index of the talker in the scene.
    pub talker: usize,
    /// Where its sound comes from: from the array's centroid, in the array's own frame.
    pub direction: Direction,
    /// Distance from the array's centroid in metres.
    pub distance_m: f64,
    /// Whether its direct sound fills at least two thirds of the window.
    pub active: bool,
}

impl Serialize for TruthSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat {
            talker: usize,
            azimuth_deg: f64,
            elevation_deg: f64,
            distance_m: f64,
            active: bool,
        }
        // Six decimals: micro-degrees and micrometres, the same text on every machine.
        let round = |x: f64| (x * 1e6).round() / 1e6;
        Flat {
            talker: self.talker,
            azimuth_deg: round(self.direction.azimuth_deg()),
            elevation_deg: round(self.direction.elevation_deg()),
            distance_m: round(self.distance_m),
            active: self.active,
        }
        .serialize(serializer)
    }
}

/// The truth over one window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TruthFrame {
    /// Start of the window in seconds.
    pub start_s: f64,
    /// End of the window in seconds.
    pub end_s: f64,
    /// All named talkers, silent ones too.
    pub sources: Vec<TruthSource>,
}

/// The truth of a whole scene, ready to be asked at any time.
#[derive(Clone, Debug)]
pub struct Truth {
    sample_rate_hz: u32,
    duration_s: f64,
    speed_m_s: f64,
    array_position_m: [f64; 3],
    array_rotation: Rotation,
    named: Vec<Named>,
}

#[derive(Clone, Debug)]
struct Named {
    talker: usize,
    path: Path,
    start_frame: i64,
    activity: Activity,
}

impl Truth {
    pub(crate) fn of(scene: &Scene) -> Self {
        let parts = scene.parts();
        let named = parts
            .talkers
            .iter()
            .enumerate()
            .filter(|(_, talker)| talker.named)
            .map(|(index, talker)| Named {
                talker: index,
                path: talker.path.clone(),
                start_frame: scene.start_and_gain(talker).0 as i64,
                activity: Activity::of(&talker.signal, parts.sample_rate_hz),
            })
            .collect();
        Self {
            sample_rate_hz: parts.sample_rate_hz,
            duration_s: parts.duration_s,
            speed_m_s: parts.space.speed_m_s(),
            array_position_m: parts.array_position_m,
            array_rotation: parts.array_rotation,
            named,
        }
    }

    /// All named talkers over the window from `start_s` to `end_s`, in seconds of what the array hears.
    ///
    /// Directions are those of the window's middle. Sound takes its time: both the place and the activity are those of the moment
    /// when what arrives now was emitted. A talker exactly at the centroid has no direction and is left out.
    pub fn between(&self, start_s: f64, end_s: f64) -> Vec<TruthSource> {
        let rate = f64::from(self.sample_rate_hz);
        let middle = 0.5 * (start_s + end_s);
        let source = |named: &Named| {
            let mut travel_s = 0.0;
            let mut seen = [0.0; 3];
            // The delay depends on the place and the place on the delay; talkers are slow against sound, so this settles at once.
            for _ in 0..4 {
                let place = named.path.at(middle - travel_s);
                seen = unrotate(&self.array_rotation, sub(place, self.array_position_m));
                travel_s = norm(seen) / self.speed_m_s;
            }
            let frame = |time_s: f64| ((time_s - travel_s) * rate).round() as i64 - named.start_frame;
            Some(TruthSource {
                talker: named.talker,
                direction: Direction::from_vector(seen).ok()?,
                distance_m: norm(seen),
                active: named.activity.is_active(frame(start_s), frame(end_s)),
            })
        };
        self.named.iter().filter_map(source).collect()
    }

    /// The truth for windows of `window_s` that start every `hop_s`, as many as the scene holds whole; both in seconds, above 0.
    /// (32 ms and 8 or 16 ms are the network's.) No windows when a number is not above 0.
    pub fn every(&self, hop_s: f64, window_s: f64) -> Vec<TruthFrame> {
        if !(hop_s > 0.0 && window_s > 0.0 && window_s <= self.duration_s + 1e-9) {
            return Vec::new();
        }
        let count = ((self.duration_s - window_s) / hop_s + 1e-9) as usize + 1;
        (0..count)
            .map(|i| {
                let start_s = i as f64 * hop_s;
                TruthFrame { start_s, end_s: start_s + window_s, sources: self.between(start_s, start_s + window_s) }
            })
            .collect()
    }

    /// [`Truth::every`] as JSON: a list of windows, directions in degrees.
    pub fn to_json(&self, hop_s: f64, window_s: f64) -> String {
        // Plain numbers and lists cannot fail to serialise; an empty list would be the honest answer if they did.
        serde_json::to_string(&self.every(hop_s, window_s)).unwrap_or_else(|_| "[]".into())
    }
}
