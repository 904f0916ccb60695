//! Sources followed over time: a constant-velocity Kalman filter on the sphere for each, and the peaks assigned to them optimally.
//!
//! A track's state is a direction and an angular velocity in the plane tangent to the sphere there. Noise of motion and noise of
//! peaks are the same in all tangent directions, so the 4 × 4 covariance is a 2 × 2 one (angle, angular velocity) times the
//! identity: no axis of the sphere is special, and neither are poles and seam. Prediction moves along the great circle of the
//! velocity and carries the velocity along it (parallel transport); the innovation is the peak's logarithm in the tangent plane of
//! the prediction.

use crate::assignment::assign;
use crate::direction::{Direction, dot, norm};
use crate::peaks::Peak;

/// A source that is followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Track {
    /// Counted from 1, never given twice by one [`Tracker`].
    pub id: u32,
    /// Where the source is by the filter, at the time of the last update.
    pub direction: Direction,
    /// Angular speed in degrees per second.
    pub speed_deg_s: f64,
    /// 0 … 1: share of the recent updates in which a peak was matched, exponentially weighted; fades more slowly in pauses.
    pub confidence: f32,
    /// Time of the first peak, in seconds.
    pub born_s: f64,
    /// Time of the last matched peak, in seconds.
    pub seen_s: f64,
    /// Score of the last matched peak.
    pub score: f32,
    /// Whether enough peaks have been matched for this to be a source; stays true.
    pub confirmed: bool,
}

/// How sources are expected to move and to be seen. Values outside the range stated are clamped, those that are not numbers are
/// replaced by the default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackerOptions {
    /// At most this many tracks at a time, unconfirmed ones included, 1 … 16.
    pub max_tracks: usize,
    /// Sources move no faster than this, in degrees per second, 1 … 1000.
    pub max_speed_deg_s: f64,
    /// By how much each component of a source's angular velocity changes within a second (rms of white acceleration), in degrees
    /// per second, 0.1 … 1000.
    pub agility_deg_s: f64,
    /// Error of each component of a peak of score 1 (rms), in degrees, 0.1 … 30; grows with 1/√score for weaker peaks.
    pub peak_error_deg: f64,
    /// A peak further away than this, in degrees, is never matched, 1 … 90. Tracks of small uncertainty have tighter gates.
    pub gate_deg: f64,
    /// No track is born within this angle of one that was matched in the same update, in degrees, 0 … 90.
    pub birth_apart_deg: f64,
    /// A track is confirmed when this many of the last `confirm_window` updates with sound matched a peak, 1 … `confirm_window`.
    pub confirm_matches: usize,
    /// Updates that are looked at for confirmation, 1 … 32. Where the matches needed are out of reach the track ends.
    pub confirm_window: usize,
    /// No track is confirmed younger than this, in seconds, 0 … 10.
    pub confirm_s: f64,
    /// A track ends without a peak for this long while there is sound, in seconds, 0 … 60.
    pub hold_s: f64,
    /// A confirmed track ends without a peak for this long, pauses included, in seconds, 0 … 600.
    pub pause_s: f64,
}

impl Default for TrackerOptions {
    /// For talkers in a room: up to 90°/s, peaks right to 4°, confirmed by 4 of 6 updates over 0.1 s, held for 1 s in sound and 5 s
    /// in pauses.
    fn default() -> Self {
        Self {
            max_tracks: 12,
            max_speed_deg_s: 90.0,
            agility_deg_s: 20.0,
            peak_error_deg: 4.0,
            gate_deg: 25.0,
            birth_apart_deg: 12.0,
            confirm_matches: 4,
            confirm_window: 6,
            confirm_s: 0.1,
            hold_s: 1.0,
            pause_s: 5.0,
        }
    }
}

impl TrackerOptions {
    /// The same within the stated ranges.
    fn clamped(self) -> Self {
        let or = Self::default();
        let within = |x: f64, low: f64, high: f64, or: f64| if x.is_nan() { or } else { x.clamp(low, high) };
        let confirm_window = self.confirm_window.clamp(1, 32);
        Self {
            max_tracks: self.max_tracks.clamp(1, MOST_TRACKS),
            max_speed_deg_s: within(self.max_speed_deg_s, 1.0, 1000.0, or.max_speed_deg_s),
            agility_deg_s: within(self.agility_deg_s, 0.1, 1000.0, or.agility_deg_s),
            peak_error_deg: within(self.peak_error_deg, 0.1, 30.0, or.peak_error_deg),
            gate_deg: within(self.gate_deg, 1.0, 90.0, or.gate_deg),
            birth_apart_deg: within(self.birth_apart_deg, 0.0, 90.0, or.birth_apart_deg),
            confirm_matches: self.confirm_matches.clamp(1, confirm_window),
            confirm_window,
            confirm_s: within(self.confirm_s, 0.0, 10.0, or.confirm_s),
            hold_s: within(self.hold_s, 0.0, 60.0, or.hold_s),
            pause_s: within(self.pause_s, 0.0, 600.0, or.pause_s),
        }
    }
}

const MOST_TRACKS: usize = 16;
/// Peaks after this many of an update are not looked at.
const MOST_PEAKS: usize = 16;
/// Squared gate in standard deviations: 99 % of a two-dimensional normal distribution.
const GATE: f64 = 9.21;
/// Standard deviation of each component of a new track's velocity, in degrees per second: standing to walking by.
const BIRTH_SPEED_DEG_S: f64 = 25.0;
/// Time constant of the velocity of a track without peaks, in seconds: unseen, a source is less and less expected to go on.
const COAST_S: f64 = 1.0;
/// Without an update for this long a track counts as unseen, in seconds.
const LONG_STEP_S: f64 = 0.25;
/// Standard deviation of the angle of a track without peaks, at most, in degrees.
const LOST_DEG: f64 = 8.0;
/// Time constant of the confidence while there is sound, in seconds.
const CONFIDENCE_S: f64 = 0.25;
/// Peaks of lower score are as uncertain as those of this one.
const LEAST_SCORE: f32 = 0.1;
/// More than the variance of any angle on the sphere, in rad².
const WIDEST: f64 = std::f64::consts::PI * std::f64::consts::PI;

/// Follows sources through the peaks of spatial spectra.
#[derive(Clone, Debug)]
pub struct Tracker {
    options: TrackerOptions,
    /// Time of the last update in seconds.
    t_s: Option<f64>,
    last_id: u32,
    /// In the order of birth.
    tracks: Vec<Track>,
    /// What belongs to each of `tracks` beside what it shows.
    filters: Vec<Filter>,
}

/// The state of one track's Kalman filter and of its life.
#[derive(Clone, Copy, Debug)]
struct Filter {
    direction: Direction,
    /// Tangent at `direction`, in radians per second.
    velocity: [f64; 3],
    /// Covariances per tangent component: angle, angle with velocity, velocity; rad², rad²/s, rad²/s².
    covariance: [f64; 3],
    /// One bit for each update with sound, the newest lowest: whether a peak was matched.
    matches: u32,
    /// Updates with sound.
    updates: usize,
    /// Time with sound since the last match, in seconds.
    missing_s: f64,
    /// Whether the last update matched a peak.
    matched: bool,
}

impl Tracker {
    /// A tracker without tracks.
    pub fn new(options: TrackerOptions) -> Self {
        let options = options.clamped();
        Self {
            options,
            t_s: None,
            last_id: 0,
            tracks: Vec::with_capacity(options.max_tracks),
            filters: Vec::with_capacity(options.max_tracks),
        }
    }

    /// The tracks, confirmed or not, oldest first.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Forgets all tracks, and the time; numbers go on counting.
    pub fn reset(&mut self) {
        self.t_s = None;
        self.tracks.clear();
        self.filters.clear();
    }

    /// Takes the peaks of the spectrum at `t_s` (seconds, on any clock), best first; steps may differ.
    ///
    /// While not `active` (silence), peaks are not looked at and tracks coast. An update that is not later than the one before it, or
    /// whose time is not a number, is ignored, and so are peaks without a finite score and those after the 16th.
    pub fn update(&mut self, t_s: f64, active: bool, peaks: &[Peak]) {
        if !t_s.is_finite() || self.t_s.is_some_and(|before| t_s <= before) {
            return;
        }
        let step_s = t_s - self.t_s.replace(t_s).unwrap_or(t_s);
        for filter in &mut self.filters {
            filter.predict(step_s, &self.options);
        }
        self.end_tracks(|track, _, options| t_s - track.seen_s > options.pause_s);
        let mut free = [None; MOST_PEAKS];
        let heard = peaks.iter().filter(|p| active && p.score.is_finite());
        for (place, peak) in free.iter_mut().zip(heard) {
            *place = Some(*peak);
        }
        for filter in &mut self.filters {
            filter.matched = false;
        }
        // Sources come first; what is left may be new ones.
        self.match_tracks(t_s, true, &mut free);
        self.match_tracks(t_s, false, &mut free);
        self.live_on(t_s, step_s, active);
        for peak in free.iter().flatten() {
            self.give_birth(t_s, peak);
        }
    }

    /// Assigns free peaks to the tracks that are `confirmed`, or to those that are not, and takes them.
    fn match_tracks(&mut self, t_s: f64, confirmed: bool, free: &mut [Option<Peak>; MOST_PEAKS]) {
        let mut rows = [0; MOST_TRACKS];
        let mut len = 0;
        for index in (0..self.tracks.len()).filter(|&i| self.tracks[i].confirmed == confirmed) {
            rows[len] = index;
            len += 1;
        }
        let assigned = assign(len, free.len(), GATE, |row, column| {
            let Some(peak) = &free[column] else { return f64::INFINITY };
            self.filters[rows[row]].price(peak, &self.options)
        });
        for (&index, column) in rows.iter().zip(assigned) {
            let Some(peak) = column.and_then(|column| free[column].take()) else { continue };
            self.filters[index].correct(&peak, &self.options);
            self.tracks[index].seen_s = t_s;
            self.tracks[index].score = peak.score;
        }
    }

    /// Ages all tracks by a step: confirms and ends them, and brings what they show up to date.
    fn live_on(&mut self, t_s: f64, step_s: f64, active: bool) {
        let options = self.options;
        for (track, filter) in self.tracks.iter_mut().zip(&mut self.filters) {
            if active {
                filter.matches = filter.matches << 1 | u32::from(filter.matched);
                filter.updates += 1;
                filter.missing_s = if filter.matched { 0.0 } else { filter.missing_s + step_s.min(LONG_STEP_S) };
            }
            let enough = filter.recent_matches(&options) >= options.confirm_matches;
            track.confirmed |= enough && t_s - track.born_s >= options.confirm_s;
            let tau_s = if active { CONFIDENCE_S } else { options.pause_s / 3.0 };
            let keep = if tau_s > 0.0 { (-step_s / tau_s).exp() as f32 } else { 0.0 };
            track.confidence = keep * track.confidence + if filter.matched { 1.0 - keep } else { 0.0 };
            track.direction = filter.direction;
            track.speed_deg_s = norm(filter.velocity).to_degrees();
        }
        self.end_tracks(|track, filter, options| {
            let unmatched = filter.updates.min(options.confirm_window) - filter.recent_matches(options);
            let hopeless = unmatched > options.confirm_window - options.confirm_matches;
            // What is not confirmed does not wait through pauses.
            let unseen_s = if track.confirmed { filter.missing_s } else { t_s - track.seen_s };
            unseen_s > options.hold_s || !track.confirmed && hopeless
        });
    }

    fn end_tracks(&mut self, ends: impl Fn(&Track, &Filter, &TrackerOptions) -> bool) {
        for index in (0..self.tracks.len()).rev() {
            if ends(&self.tracks[index], &self.filters[index], &self.options) {
                self.tracks.remove(index);
                self.filters.remove(index);
            }
        }
    }

    fn give_birth(&mut self, t_s: f64, peak: &Peak) {
        let crowded = self
            .filters
            .iter()
            .any(|f| f.matched && f.direction.angle_to_deg(&peak.direction) < self.options.birth_apart_deg);
        let Some(id) = self.last_id.checked_add(1) else { return };
        if crowded || self.tracks.len() >= self.options.max_tracks {
            return;
        }
        self.last_id = id;
        self.filters.push(Filter {
            direction: peak.direction,
            velocity: [0.0; 3],
            covariance: [variance(peak, &self.options), 0.0, BIRTH_SPEED_DEG_S.to_radians().powi(2)],
            matches: 1,
            updates: 1,
            missing_s: 0.0,
            matched: true,
        });
        self.tracks.push(Track {
            id,
            direction: peak.direction,
            speed_deg_s: 0.0,
            confidence: 0.0,
            born_s: t_s,
            seen_s: t_s,
            score: peak.score,
            confirmed: self.options.confirm_matches == 1 && self.options.confirm_s == 0.0,
        });
    }
}

impl Filter {
    /// Goes on by `step_s`: at constant velocity with white acceleration, and unseen with a velocity that fades.
    fn predict(&mut self, step_s: f64, options: &TrackerOptions) {
        let coasting = !self.matched || step_s > LONG_STEP_S;
        let (reach_s, keep) = if coasting {
            let keep = (-step_s / COAST_S).exp();
            (COAST_S * (1.0 - keep), keep)
        } else {
            (step_s, 1.0)
        };
        (self.direction, self.velocity) = moved(self.direction, self.velocity.map(|v| v * reach_s), self.velocity);
        self.velocity = self.velocity.map(|v| v * keep);
        let [angle, both, speed] = self.covariance;
        let noise = options.agility_deg_s.to_radians().powi(2);
        self.covariance = [
            angle + 2.0 * reach_s * both + reach_s * reach_s * speed + noise * reach_s.powi(3) / 3.0,
            keep * (both + reach_s * speed) + noise * reach_s.powi(2) / 2.0,
            keep * keep * speed + noise * reach_s,
        ];
        let most = LOST_DEG.to_radians().powi(2).max(angle);
        if coasting && self.covariance[0] > most {
            self.covariance[1] *= (most / self.covariance[0]).sqrt();
            self.covariance[0] = most;
        }
    }

    /// How unlikely the peak is as this source's, −2 ln of the density but for a constant; below [`GATE`], and infinite outside of
    /// the gate. Of two sources at the same angle the one that is known better comes first.
    fn price(&self, peak: &Peak, options: &TrackerOptions) -> f64 {
        let distance = self.direction.angle_to_rad(&peak.direction);
        let gate = options.gate_deg.to_radians();
        let variance = self.covariance[0] + variance(peak, options);
        let squared = distance * distance / variance;
        if distance > gate || squared > GATE {
            return f64::INFINITY;
        }
        squared + 2.0 * (variance / WIDEST).ln()
    }

    /// The Kalman update with a matched peak.
    fn correct(&mut self, peak: &Peak, options: &TrackerOptions) {
        let innovation = logarithm(self.direction, peak.direction);
        let [angle, both, speed] = self.covariance;
        let all = angle + variance(peak, options);
        let (gain, speed_gain) = (angle / all, both / all);
        let velocity = std::array::from_fn(|k| self.velocity[k] + speed_gain * innovation[k]);
        (self.direction, self.velocity) = moved(self.direction, innovation.map(|x| x * gain), velocity);
        let fastest = options.max_speed_deg_s.to_radians();
        let length = norm(self.velocity);
        if length > fastest {
            self.velocity = self.velocity.map(|v| v * fastest / length);
        }
        self.covariance = [(1.0 - gain) * angle, (1.0 - gain) * both, speed - speed_gain * both];
        self.matched = true;
    }

    fn recent_matches(&self, options: &TrackerOptions) -> usize {
        (self.matches & (u32::MAX >> (32 - options.confirm_window))).count_ones() as usize
    }
}

/// Variance of each component of a peak's direction, in rad².
fn variance(peak: &Peak, options: &TrackerOptions) -> f64 {
    options.peak_error_deg.to_radians().powi(2) / f64::from(peak.score.clamp(LEAST_SCORE, 1.0))
}

/// The tangent at `from` that leads to `to` along the great circle, in radians; nothing where there are many.
fn logarithm(from: Direction, to: Direction) -> [f64; 3] {
    let (u, to) = (from.unit(), to.unit());
    let along = dot(u, to);
    let tangent: [f64; 3] = std::array::from_fn(|k| to[k] - along * u[k]);
    let length = norm(tangent);
    if length < 1e-12 { [0.0; 3] } else { tangent.map(|x| x * length.atan2(along) / length) }
}

/// Goes along the tangent `by` (radians) and carries another tangent along (parallel transport).
fn moved(from: Direction, by: [f64; 3], carried: [f64; 3]) -> (Direction, [f64; 3]) {
    let length = norm(by);
    if length < 1e-15 {
        return (from, carried);
    }
    let u = from.unit();
    let (sin, cos) = length.sin_cos();
    let ahead = by.map(|x| x / length);
    let arrived = Direction::from_vector(std::array::from_fn(|k| cos * u[k] + sin * ahead[k])).unwrap_or(from);
    let part = dot(carried, ahead);
    let turned: [f64; 3] = std::array::from_fn(|k| carried[k] + part * (cos * ahead[k] - sin * u[k] - ahead[k]));
    // Rounding must not build up a part that is not tangent.
    let rest = dot(turned, arrived.unit());
    (arrived, std::array::from_fn(|k| turned[k] - rest * arrived.unit()[k]))
}
