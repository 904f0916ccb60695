//! Random scenes: what a network that must cope with any room and any talkers is trained on.

use rand::Rng;
use rand::rngs::SmallRng;
use spherescope_dsp::{Direction, MicArray, Rotation};

use crate::body::{Body, CapsulePattern};
use crate::path::Path;
use crate::random_array::A_FORMAT_RADIUS_M;
use crate::response::Space;
use crate::room::Room;
use crate::scene::{
    DiffuseNoise, Directivity, Imperfections, MAX_SAMPLES, SAMPLE_RATES_HZ, Scene, SceneError, SceneParts, Talker,
};
use crate::vector::{add, distance, norm, scale, stream, sub};
use crate::walk::walk;

/// Tries for a place or a room before giving up.
const TRIES: usize = 400;

/// Whether an array is like an A-format microphone: four capsules within a few centimetres. Hardly any of these hears all sides alike.
fn is_a_format(array: &MicArray) -> bool {
    array.active_len() == 4 && array.relative_positions_m().into_iter().all(|p| norm(p) <= A_FORMAT_RADIUS_M[1] * 1.05)
}

/// What [`random_scene`] draws from. Ranges are `[low, high]`, both included. The default is the training recipe's.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneRanges {
    /// Sample rate of the scenes and of the dry signals, in Hz.
    pub sample_rate_hz: u32,
    /// Length in seconds.
    pub duration_s: f64,
    /// Speed of sound in metres a second.
    pub speed_m_s: f64,
    /// Size of the room along x, y and z in metres.
    pub room_m: [[f64; 2]; 3],
    /// Reverberation time in seconds.
    pub t60_s: [f64; 2],
    /// Least distance of any capsule or talker from the walls, in metres.
    pub wall_m: f64,
    /// Number of talkers.
    pub talkers: [usize; 2],
    /// Distance of talkers from the array in metres.
    pub distance_m: [f64; 2],
    /// Least angle between talkers as seen from the array, in degrees.
    pub apart_deg: f64,
    /// Chance that a talker stands near another one, at most [`HUDDLE_DEG`](crate::HUDDLE_DEG) apart, 0 … 1.
    pub huddle: f64,
    /// Standard deviation of a talker's elevation in degrees: people are near the horizon.
    pub elevation_spread_deg: f64,
    /// Levels of talkers are drawn evenly from ± this many decibels.
    pub level_db: f64,
    /// Share of talkers who walk, 0 … 1.
    pub walking: f64,
    /// Share of scenes with one unnamed noise, 0 … 1.
    pub point_noise: f64,
    /// Distance of that noise from the array in metres; at least this, if the room has it.
    pub point_noise_m: f64,
    /// Level of that noise over a talker's, in decibels.
    pub point_noise_db: [f64; 2],
    /// Pole of the low-pass that colours it, 0 (white) to below 1 (dull).
    pub point_noise_pole: [f64; 2],
    /// SNR of the sensors' noise in decibels.
    pub sensor_snr_db: [f64; 2],
    /// SNR of the diffuse noise in decibels.
    pub diffuse_snr_db: [f64; 2],
    /// Slope of the diffuse noise in decibels an octave.
    pub diffuse_slope_db: [f64; 2],
    /// Errors of the capsules.
    pub imperfections: Imperfections,
    /// What makes scenes less ideal.
    pub realism: Realism,
}

/// Shares of scenes, talkers and arrays that are not ideal. The default is the training recipe's; [`Realism::NONE`] has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Realism {
    /// Slope of the walls' absorption; see [`Room::with_wall_slope`].
    pub wall_slope: [f64; 2],
    /// Share of talkers who face some way, 0 … 1.
    pub directional: f64,
    /// Their loss behind at 1 kHz in decibels; see [`Directivity`].
    pub back_db: [f64; 2],
    /// Share of scenes with an open array whose capsules look outwards, 0 … 1.
    pub patterned: f64,
    /// The same for four capsules within a few centimetres, which is what A-format microphones are.
    pub patterned_a_format: f64,
    /// α of their pattern; see [`CapsulePattern`].
    pub alpha: [f64; 2],
    /// Share of scenes with a dead capsule, 0 … 1; only arrays of more than four have one.
    pub dead: f64,
    /// Share of the arrays for which a body fits ([`Body::that_fits`]) that are mounted on it, 0 … 1.
    pub mounted: f64,
    /// Share of talkers who begin late, end early or pause, 0 … 1.
    pub halting: f64,
    /// Share of point noises that are one of the dry sounds and not broadband noise, 0 … 1.
    pub point_sound: f64,
}

impl Realism {
    /// Ideal scenes: walls alike at all frequencies, talkers who send to all sides and never stop, open arrays of live pressure capsules.
    pub const NONE: Self = Self {
        wall_slope: [0.0; 2],
        directional: 0.0,
        back_db: [0.0; 2],
        patterned: 0.0,
        patterned_a_format: 0.0,
        alpha: [1.0; 2],
        dead: 0.0,
        mounted: 0.0,
        halting: 0.0,
        point_sound: 0.0,
    };
}

impl Default for Realism {
    fn default() -> Self {
        Self {
            wall_slope: [0.0, 0.25],
            directional: 0.7,
            back_db: [3.0, 9.0],
            patterned: 0.15,
            patterned_a_format: 0.7,
            alpha: [0.45, 0.85],
            dead: 0.03,
            mounted: 0.6,
            halting: 0.3,
            point_sound: 0.0,
        }
    }
}

impl Default for SceneRanges {
    fn default() -> Self {
        Self {
            sample_rate_hz: 16_000,
            duration_s: 4.0,
            speed_m_s: 343.0,
            room_m: [[3.0, 10.0], [3.0, 8.0], [2.5, 6.0]],
            t60_s: [0.2, 1.3],
            wall_m: 0.5,
            talkers: [1, 2],
            distance_m: [0.5, 2.5],
            apart_deg: 10.0,
            huddle: 0.0,
            elevation_spread_deg: 25.0,
            level_db: 5.0,
            walking: 0.3,
            point_noise: 0.3,
            point_noise_m: 2.5,
            point_noise_db: [-20.0, 0.0],
            point_noise_pole: [0.0, 0.95],
            sensor_snr_db: [15.0, 40.0],
            diffuse_snr_db: [-5.0, 30.0],
            diffuse_slope_db: [-6.0, 0.0],
            imperfections: Imperfections { position_m: 0.0005, gain_db: 2.0, delay_s: 1e-6, dead: 0 },
            realism: Realism::default(),
        }
    }
}

impl SceneRanges {
    fn check(&self) -> Result<(), SceneError> {
        if !SAMPLE_RATES_HZ.contains(&self.sample_rate_hz) {
            return Err(SceneError::SampleRate { found: self.sample_rate_hz });
        }
        let at_most = MAX_SAMPLES / f64::from(self.sample_rate_hz);
        if !(self.duration_s > 0.0 && self.duration_s <= at_most) {
            return Err(SceneError::Duration { found: self.duration_s, at_most });
        }
        let [x, y, z] = self.room_m;
        for (name, [low, high]) in [
            ("room length in metres", x),
            ("room width in metres", y),
            ("room height in metres", z),
            ("reverberation time in seconds", self.t60_s),
            ("numbers of talkers", self.talkers.map(|n| n as f64)),
            ("distance in metres", self.distance_m),
            ("level of the point noise in dB", self.point_noise_db),
            ("pole of the point noise", self.point_noise_pole),
            ("sensor SNR in dB", self.sensor_snr_db),
            ("diffuse SNR in dB", self.diffuse_snr_db),
            ("slope in dB an octave", self.diffuse_slope_db),
            ("level in dB", [-self.level_db, self.level_db]),
            ("elevation spread in degrees", [0.0, self.elevation_spread_deg]),
            ("distance from the walls in metres", [0.0, self.wall_m]),
            ("slope of the walls' absorption", self.realism.wall_slope),
            ("loss behind a talker in dB", self.realism.back_db),
            ("pattern of the capsules", self.realism.alpha),
        ] {
            if !(low.is_finite() && high.is_finite() && low <= high) {
                return Err(SceneError::Range { name, low, high });
            }
        }
        Ok(())
    }
}

/// A random scene with this array: its room, its place and turn, its talkers and their ways, its noise.
///
/// `signals` are dry sounds at the ranges' sample rate, levelled as all sources are ([`crate::sources::level`]); each talker takes a
/// random part of one. The same seed gives the same scene.
///
/// # Errors
/// [`SceneError::NoSignals`], [`SceneError::Range`], [`SceneError::NoPlace`] when no room holds the array and the talkers at the
/// wanted distances, and what [`Scene::new`] says.
pub fn random_scene(
    seed: u64,
    ranges: &SceneRanges,
    array: MicArray,
    signals: &[Vec<f32>],
) -> Result<Scene, SceneError> {
    ranges.check()?;
    let signals: Vec<&Vec<f32>> = signals.iter().filter(|s| s.iter().any(|&x| x != 0.0)).collect();
    let count = stream(seed, 0x0c).random_range(ranges.talkers[0]..=ranges.talkers[1]);
    if count > 0 && signals.is_empty() {
        return Err(SceneError::NoSignals);
    }
    let mut rng = stream(seed, 0x0d);
    let mut error = SceneError::NoPlace { what: "the array" };
    // A small room may not hold what is wanted: another room is drawn, for some times.
    for _ in 0..TRIES {
        match try_scene(&mut rng, ranges, &array, &signals, count) {
            Err(no_place @ SceneError::NoPlace { .. }) => error = no_place,
            done => return done,
        }
    }
    Err(error)
}

pub(crate) fn even(rng: &mut SmallRng, [low, high]: [f64; 2]) -> f64 {
    rng.random_range(low..=high)
}

fn try_scene(
    rng: &mut SmallRng,
    ranges: &SceneRanges,
    array: &MicArray,
    signals: &[&Vec<f32>],
    count: usize,
) -> Result<Scene, SceneError> {
    let size = ranges.room_m.map(|range| even(rng, range));
    let room = Room::new(size, even(rng, ranges.t60_s), ranges.speed_m_s)
        .and_then(|room| room.with_wall_slope(even(rng, ranges.realism.wall_slope)))
        .map_err(SceneError::Room)?;
    let radius = array.relative_positions_m().into_iter().map(norm).fold(0.0, f64::max);
    let margin = ranges.wall_m.max(0.01) + radius;
    if size.iter().any(|s| *s <= 2.0 * margin) {
        return Err(SceneError::NoPlace { what: "the array" });
    }
    let centre = size.map(|s| rng.random_range(margin..=s - margin));

    let mut talkers = Vec::new();
    let mut directions: Vec<Direction> = Vec::new();
    for _ in 0..count {
        let mut signal = dry_part(rng, signals, ranges);
        if rng.random::<f64>() < ranges.realism.halting {
            let mut halting = signal.clone();
            halt(rng, &mut halting, ranges.sample_rate_hz);
            // Whoever has nothing left to say but a pause goes on instead.
            if is_heard(&halting, ranges.sample_rate_hz) {
                signal = halting;
            }
        }
        let huddles = ranges.huddle > 0.0 && !directions.is_empty() && rng.random::<f64>() < ranges.huddle;
        let neighbour = huddles.then(|| directions[rng.random_range(0..directions.len())]);
        let place = (0..TRIES / 10).find_map(|_| {
            let place = around(rng, ranges, centre)?;
            let direction = Direction::from_vector(sub(place, centre)).ok()?;
            let free = room.clearance_m(place) >= ranges.wall_m.max(0.01)
                && directions.iter().all(|d| d.angle_to_deg(&direction) >= ranges.apart_deg)
                && neighbour.is_none_or(|n| n.angle_to_deg(&direction) <= HUDDLE_DEG);
            free.then_some((place, direction))
        });
        let Some((place, direction)) = place else { return Err(SceneError::NoPlace { what: "the talkers" }) };
        directions.push(direction);
        let path = if rng.random::<f64>() < ranges.walking {
            walk(rng, ranges, &room, centre, place)
        } else {
            Path::Still(place)
        };
        let level_db = even(rng, [-ranges.level_db, ranges.level_db]);
        let directivity = (rng.random::<f64>() < ranges.realism.directional).then(|| facing(rng, ranges));
        talkers.push(Talker { level_db, directivity, ..Talker::new(signal, path) });
    }
    if rng.random::<f64>() < ranges.point_noise {
        let place = (0..TRIES / 10)
            .map(|_| size.map(|s| rng.random_range(0.1..=s - 0.1)))
            .find(|&p| distance(p, centre) >= ranges.point_noise_m);
        // Rooms too small for a distant noise go without.
        if let Some(place) = place {
            let dry = !signals.is_empty() && rng.random::<f64>() < ranges.realism.point_sound;
            let signal = if dry { dry_part(rng, signals, ranges) } else { broadband(rng, ranges) };
            let level_db = even(rng, ranges.point_noise_db);
            talkers.push(Talker { level_db, named: false, ..Talker::new(signal, Path::Still(place)) });
        }
    }
    let realism = &ranges.realism;
    let body = Body::that_fits(array).filter(|_| rng.random::<f64>() < realism.mounted).unwrap_or_default();
    let patterned = if is_a_format(array) { realism.patterned_a_format } else { realism.patterned };
    let pattern = if body == Body::Open && rng.random::<f64>() < patterned {
        CapsulePattern::Outward { alpha: even(rng, realism.alpha) }
    } else {
        CapsulePattern::Pressure
    };
    let dead = usize::from(array.active_len() > 4 && rng.random::<f64>() < realism.dead);
    Scene::new(SceneParts {
        sample_rate_hz: ranges.sample_rate_hz,
        duration_s: ranges.duration_s,
        space: Space::Room(room),
        array: array.clone(),
        array_position_m: centre,
        array_rotation: if matches!(body, Body::Head { .. }) { upright(rng) } else { Rotation::random(rng) },
        talkers,
        sensor_snr_db: Some(even(rng, ranges.sensor_snr_db)),
        diffuse: Some(DiffuseNoise {
            snr_db: even(rng, ranges.diffuse_snr_db),
            slope_db_per_octave: even(rng, ranges.diffuse_slope_db),
        }),
        body,
        pattern,
        imperfections: Imperfections { dead: ranges.imperfections.dead + dead, ..ranges.imperfections },
        seed: rng.random(),
    })
}

/// A random turn about the vertical and a nod of some 10°: how heads are held.
fn upright(rng: &mut SmallRng) -> Rotation {
    let (s, c) = even(rng, [0.0, std::f64::consts::PI]).sin_cos();
    let [a, b] = crate::vector::normal_pair(rng).map(|x| 0.08 * f64::from(x));
    Rotation::from_quaternion([c, c * a - s * b, c * b + s * a, s]).unwrap_or_else(|_| Rotation::random(rng))
}

/// Some way to face: any azimuth, near the horizon.
fn facing(rng: &mut SmallRng, ranges: &SceneRanges) -> Directivity {
    let (s, c) = even(rng, [0.0, std::f64::consts::TAU]).sin_cos();
    let up = 0.2 * f64::from(crate::vector::normal_pair(rng)[0]);
    Directivity { axis: [c, s, up], back_db: even(rng, ranges.realism.back_db) }
}

/// Silences the beginning, the end or a piece in the middle, with fades of 5 ms.
fn halt(rng: &mut SmallRng, signal: &mut [f32], sample_rate_hz: u32) {
    let length = signal.len() as f64;
    let fade = 0.005 * f64::from(sample_rate_hz);
    for part in 0..3 {
        if rng.random::<bool>() {
            continue;
        }
        let size = length * even(rng, [0.05, 0.4]);
        let first = match part {
            0 => 0.0,
            1 => length - size,
            _ => even(rng, [0.0, length - size]),
        };
        for n in first as usize..((first + size) as usize).min(signal.len()) {
            // The scene's edges need no fade.
            let before = if first == 0.0 { f64::INFINITY } else { n as f64 - first };
            let after = if part == 1 { f64::INFINITY } else { first + size - n as f64 };
            signal[n] *= (1.0 - before.min(after) / fade).max(0.0) as f32;
        }
    }
}

/// Noise for the whole scene, from white to dull.
fn broadband(rng: &mut SmallRng, ranges: &SceneRanges) -> Vec<f32> {
    let mut signal = vec![0.0; (ranges.duration_s * f64::from(ranges.sample_rate_hz)) as usize];
    let dull = even(rng, ranges.point_noise_pole) as f32;
    let mut last = 0.0;
    for x in &mut signal {
        last = dull * last + crate::vector::normal_pair(rng)[0];
        *x = last;
    }
    crate::sources::level(&mut signal, ranges.sample_rate_hz);
    signal
}

/// A part of a random signal, as long as the scene; a short signal is all there is.
fn dry_part(rng: &mut SmallRng, signals: &[&Vec<f32>], ranges: &SceneRanges) -> Vec<f32> {
    let signal = signals[rng.random_range(0..signals.len())];
    let length = (ranges.duration_s * f64::from(ranges.sample_rate_hz)) as usize;
    heard_part(rng, signal, length, ranges.sample_rate_hz).to_vec()
}

/// Talkers that stand near one another are at most so far apart, in degrees.
pub const HUDDLE_DEG: f64 = 45.0;
/// Parts whose loudest moment stays below this share of the level of all sources are pauses.
const FAINT: f64 = 0.5;

/// Whether a part of a signal is more than a pause.
fn is_heard(part: &[f32], sample_rate_hz: u32) -> bool {
    let loud = (FAINT * crate::sources::ACTIVE_RMS).powi(2);
    crate::truth::powers(part, sample_rate_hz).any(|power| power >= loud)
}

/// A random part of a signal that is not just a pause: recordings have long ones, whose hiss would count as the loudest moment there is.
pub(crate) fn heard_part<'a>(rng: &mut SmallRng, signal: &'a [f32], length: usize, sample_rate_hz: u32) -> &'a [f32] {
    let length = length.min(signal.len());
    for _ in 0..TRIES / 10 {
        let first = rng.random_range(0..=signal.len() - length);
        let part = &signal[first..first + length];
        if is_heard(part, sample_rate_hz) {
            return part;
        }
    }
    // One word in an hour of silence: the part around the loudest moment.
    let powers: Vec<f64> = crate::truth::powers(signal, sample_rate_hz).collect();
    let moment = crate::truth::moment(sample_rate_hz);
    let loudest = (0..powers.len()).max_by(|&a, &b| powers[a].total_cmp(&powers[b])).unwrap_or(0) * moment;
    let first = loudest.saturating_sub(length / 2).min(signal.len() - length);
    &signal[first..first + length]
}

/// A place at a random distance: azimuth uniform, elevation normal about the horizon.
fn around(rng: &mut SmallRng, ranges: &SceneRanges, centre: [f64; 3]) -> Option<[f64; 3]> {
    let azimuth = even(rng, [-180.0, 180.0]);
    let elevation = f64::from(crate::vector::normal_pair(rng)[0]) * ranges.elevation_spread_deg;
    let direction = Direction::from_degrees(azimuth, elevation.clamp(-90.0, 90.0)).ok()?;
    Some(add(centre, scale(direction.unit(), even(rng, ranges.distance_m))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_array::random_array;

    #[test]
    fn talkers_that_huddle_stand_near_one_another() {
        let signals = vec![crate::sources::babble(1, 16_000, 1.0)];
        let nearest = |huddle: f64| {
            let ranges = SceneRanges { talkers: [3, 3], duration_s: 0.2, huddle, ..SceneRanges::default() };
            let far = |seed: u64| {
                let scene = random_scene(seed, &ranges, random_array(seed, 4).unwrap(), &signals).unwrap();
                let truth = scene.truth();
                let directions: Vec<_> = truth.between(0.0, 0.032).iter().map(|s| s.direction).collect();
                let [a, b, c] = directions[..] else { panic!("expected three talkers") };
                let apart = [a.angle_to_deg(&b), b.angle_to_deg(&c), c.angle_to_deg(&a)];
                assert!(apart.iter().all(|x| *x >= ranges.apart_deg - 3.0), "{apart:?}");
                // Whoever comes last stands near one of the others.
                apart[1].min(apart[2])
            };
            (0..20).map(far).fold(0.0, f64::max)
        };
        assert!(nearest(1.0) <= HUDDLE_DEG + 3.0 && nearest(0.0) > 90.0, "{} {}", nearest(1.0), nearest(0.0));
    }

    #[test]
    fn who_halts_still_says_something() {
        // A word of 0.3 s in hiss: halting often falls on it.
        let mut signal: Vec<f32> = (0..16_000).map(|n| 1e-4 * (n as f32).sin()).collect();
        signal[4000..8800].iter_mut().enumerate().for_each(|(n, x)| *x = 0.1 * (n as f32).sin());
        let ranges = SceneRanges {
            talkers: [1, 1],
            duration_s: 1.0,
            realism: Realism { halting: 1.0, ..Realism::default() },
            ..SceneRanges::default()
        };
        let (mut whole, mut cut) = (0, 0);
        for seed in 0..40 {
            let scene =
                random_scene(seed, &ranges, random_array(seed, 4).unwrap(), std::slice::from_ref(&signal)).unwrap();
            let said = &scene.parts().talkers[0].signal;
            assert!(is_heard(said, 16_000), "{seed}");
            *(if said == &signal { &mut whole } else { &mut cut }) += 1;
        }
        assert!(whole > 0 && cut > 0, "{whole} {cut}");
    }

    #[test]
    fn a_part_is_never_just_a_pause() {
        // Hiss, and a word of 0.1 s: near the end of 4 s, and somewhere in 200 s.
        for (seconds, word_s) in [(4, 3.5), (200, 77.7)] {
            let mut signal: Vec<f32> = (0..seconds * 16_000).map(|n| 1e-5 * (n as f32).sin()).collect();
            let first = (word_s * 16_000.0) as usize;
            signal[first..first + 1600].fill(0.3);
            for seed in 0..20 {
                let part = heard_part(&mut stream(seed, 1), &signal, 8000, 16_000);
                assert_eq!(part.len(), 8000);
                assert!(part.contains(&0.3), "{seconds} s, seed {seed}");
            }
            assert_eq!(heard_part(&mut stream(1, 1), &signal[..100], 8000, 16_000).len(), 100);
        }
    }
}
