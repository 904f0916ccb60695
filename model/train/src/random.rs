//! Random arrays and random scenes: what a network that must cope with any array is trained on.

use rand::Rng;
use rand::rngs::SmallRng;
use spherescope_dsp::array::{ArrayError, Capsule};
use spherescope_dsp::{Direction, MicArray, Rotation};

use crate::path::Path;
use crate::response::Space;
use crate::room::Room;
use crate::scene::{DiffuseNoise, Imperfections, MAX_SAMPLES, SAMPLE_RATES_HZ, Scene, SceneError, SceneParts, Talker};
use crate::vector::{add, distance, norm, random_unit, scale, stream, sub};

/// Tries for a place, an array or a room before giving up.
const TRIES: usize = 400;

/// The shapes that [`random_array`] draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayKind {
    /// Capsules anywhere in a ball.
    Ball,
    /// On a sphere.
    Shell,
    /// On a circle, sometimes with one in the middle.
    Ring,
    /// Four at the corners of a regular tetrahedron.
    Tetrahedron,
    /// On a straight line.
    Line,
    /// Anywhere in a flat disc.
    Disc,
}

/// A random array: one of the kinds, radius log-uniform from 1 to 20 cm (at least so large that capsules keep some millimetres
/// apart), turned at random. Channels are 0, 1, 2, ….
///
/// Balls and shells are drawn most, lines least, tetrahedra only with four capsules.
///
/// # Errors
/// [`ArrayError`] for fewer than 2 or more than 64 capsules.
pub fn random_array(seed: u64, capsules: usize) -> Result<MicArray, ArrayError> {
    let mut rng = stream(seed, 0x0a);
    let weights = [
        (ArrayKind::Ball, 3.0),
        (ArrayKind::Shell, 3.0),
        (ArrayKind::Ring, 1.5),
        (ArrayKind::Disc, 1.0),
        (ArrayKind::Line, 0.5),
        (ArrayKind::Tetrahedron, if capsules == 4 { 4.0 } else { 0.0 }),
    ];
    let mut draw = rng.random_range(0.0..weights.iter().map(|w| w.1).sum());
    let mut kind = ArrayKind::Ball;
    for (candidate, weight) in weights {
        if weight > 0.0 {
            kind = candidate;
            draw -= weight;
            if draw < 0.0 {
                break;
            }
        }
    }
    random_array_of(kind, rng.random(), capsules)
}

/// A random array of a kind; see [`random_array`]. A tetrahedron has four capsules whatever the number.
///
/// # Errors
/// As [`random_array`].
pub fn random_array_of(kind: ArrayKind, seed: u64, capsules: usize) -> Result<MicArray, ArrayError> {
    let capsules = if kind == ArrayKind::Tetrahedron { 4 } else { capsules };
    if capsules > spherescope_dsp::array::MAX_CAPSULES {
        return Err(ArrayError::TooMany { found: capsules });
    }
    let mut rng = stream(seed, 0x0b);
    let mut points: Vec<[f64; 3]> = Vec::with_capacity(capsules);
    match kind {
        ArrayKind::Tetrahedron => {
            let h = 1.0 / 3f64.sqrt();
            points.extend([[h, h, h], [h, -h, -h], [-h, h, -h], [-h, -h, h]]);
        }
        ArrayKind::Ring => {
            let centre = usize::from(capsules > 4 && rng.random::<f64>() < 0.3);
            let around = capsules - centre.min(capsules);
            points.extend((0..around).map(|i| {
                let (s, c) = (std::f64::consts::TAU * i as f64 / around as f64).sin_cos();
                [c, s, 0.0]
            }));
            points.extend(std::iter::repeat_n([0.0; 3], centre));
        }
        ArrayKind::Line => points.extend((0..capsules).map(|i| {
            let spacing = 2.0 / (capsules.max(2) - 1) as f64;
            [i as f64 * spacing - 1.0, 0.0, 0.0]
        })),
        ArrayKind::Ball | ArrayKind::Shell | ArrayKind::Disc => {
            for _ in 0..capsules {
                points.push(farthest_of_some(kind, &points, &mut rng));
            }
        }
    }
    // A little crooked, as built things are; the layout knows of it. Half of the capsules' distance at most.
    let closest = points
        .iter()
        .enumerate()
        .flat_map(|(i, a)| points[..i].iter().map(move |b| distance(*a, *b)))
        .fold(2.0, f64::min);
    let crooked = if kind == ArrayKind::Tetrahedron { 0.0 } else { 0.2 * closest * rng.random::<f64>().powi(3) };
    // Capsules are some 4 mm wide at least: as many as there are need a radius.
    let smallest = (0.004 / closest.max(1e-3)).max(0.01);
    let radius = if smallest < 0.2 { log_uniform(&mut rng, smallest, 0.2) } else { smallest };
    let turn = Rotation::random(&mut rng);
    let capsules = points
        .into_iter()
        .enumerate()
        .map(|(channel, p)| {
            let p = add(p, scale(random_unit(&mut rng), crooked));
            Capsule::new(channel, turn.apply(scale(p, radius)))
        })
        .collect();
    MicArray::new(format!("{kind:?}, radius {:.0} mm", radius * 1000.0), capsules)
}

/// Of some random points of the unit shape the one farthest from those that are there (Mitchell's best candidate).
fn farthest_of_some(kind: ArrayKind, there: &[[f64; 3]], rng: &mut SmallRng) -> [f64; 3] {
    let mut best = ([0.0; 3], -1.0);
    for _ in 0..12 {
        let unit = random_unit(rng);
        let candidate = match kind {
            ArrayKind::Shell => unit,
            ArrayKind::Disc => {
                let r = rng.random::<f64>().sqrt() / unit[0].hypot(unit[1]).max(1e-9);
                [unit[0] * r, unit[1] * r, 0.0]
            }
            _ => scale(unit, rng.random::<f64>().cbrt()),
        };
        let nearest = there.iter().map(|&p| distance(p, candidate)).fold(f64::INFINITY, f64::min);
        if nearest > best.1 {
            best = (candidate, nearest);
        }
    }
    best.0
}

fn log_uniform(rng: &mut SmallRng, low: f64, high: f64) -> f64 {
    rng.random_range(low.ln()..=high.ln()).exp()
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
    /// SNR of the sensors' noise in decibels.
    pub sensor_snr_db: [f64; 2],
    /// SNR of the diffuse noise in decibels.
    pub diffuse_snr_db: [f64; 2],
    /// Slope of the diffuse noise in decibels an octave.
    pub diffuse_slope_db: [f64; 2],
    /// Errors of the capsules.
    pub imperfections: Imperfections,
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
            elevation_spread_deg: 25.0,
            level_db: 5.0,
            walking: 0.3,
            point_noise: 0.3,
            point_noise_m: 2.5,
            point_noise_db: [-20.0, 0.0],
            sensor_snr_db: [15.0, 40.0],
            diffuse_snr_db: [-5.0, 30.0],
            diffuse_slope_db: [-6.0, 0.0],
            imperfections: Imperfections { position_m: 0.0005, gain_db: 2.0 },
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
            ("sensor SNR in dB", self.sensor_snr_db),
            ("diffuse SNR in dB", self.diffuse_snr_db),
            ("slope in dB an octave", self.diffuse_slope_db),
            ("level in dB", [-self.level_db, self.level_db]),
            ("elevation spread in degrees", [0.0, self.elevation_spread_deg]),
            ("distance from the walls in metres", [0.0, self.wall_m]),
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

fn even(rng: &mut SmallRng, [low, high]: [f64; 2]) -> f64 {
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
    let room = Room::new(size, even(rng, ranges.t60_s), ranges.speed_m_s).map_err(SceneError::Room)?;
    let radius = array.relative_positions_m().into_iter().map(norm).fold(0.0, f64::max);
    let margin = ranges.wall_m.max(0.01) + radius;
    if size.iter().any(|s| *s <= 2.0 * margin) {
        return Err(SceneError::NoPlace { what: "the array" });
    }
    let centre = size.map(|s| rng.random_range(margin..=s - margin));

    let mut talkers = Vec::new();
    let mut directions: Vec<Direction> = Vec::new();
    for _ in 0..count {
        let signal = dry_part(rng, signals, ranges);
        let place = (0..TRIES / 10).find_map(|_| {
            let place = around(rng, ranges, centre)?;
            let direction = Direction::from_vector(sub(place, centre)).ok()?;
            let free = room.clearance_m(place) >= ranges.wall_m.max(0.01)
                && directions.iter().all(|d| d.angle_to_deg(&direction) >= ranges.apart_deg);
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
        talkers.push(Talker { level_db, ..Talker::new(signal, path) });
    }
    if rng.random::<f64>() < ranges.point_noise {
        let place = (0..TRIES / 10)
            .map(|_| size.map(|s| rng.random_range(0.1..=s - 0.1)))
            .find(|&p| distance(p, centre) >= ranges.point_noise_m);
        // Rooms too small for a distant noise go without.
        if let Some(place) = place {
            let mut signal: Vec<f32> = vec![0.0; (ranges.duration_s * f64::from(ranges.sample_rate_hz)) as usize];
            let dull = rng.random_range(0.0..0.95f32);
            let mut last = 0.0;
            for x in &mut signal {
                last = dull * last + crate::vector::normal_pair(rng)[0];
                *x = last;
            }
            crate::sources::level(&mut signal, ranges.sample_rate_hz);
            let level_db = even(rng, ranges.point_noise_db);
            talkers.push(Talker { level_db, named: false, ..Talker::new(signal, Path::Still(place)) });
        }
    }
    Scene::new(SceneParts {
        sample_rate_hz: ranges.sample_rate_hz,
        duration_s: ranges.duration_s,
        space: Space::Room(room),
        array: array.clone(),
        array_position_m: centre,
        array_rotation: Rotation::random(rng),
        talkers,
        sensor_snr_db: Some(even(rng, ranges.sensor_snr_db)),
        diffuse: Some(DiffuseNoise {
            snr_db: even(rng, ranges.diffuse_snr_db),
            slope_db_per_octave: even(rng, ranges.diffuse_slope_db),
        }),
        imperfections: ranges.imperfections,
        seed: rng.random(),
    })
}

/// A part of a random signal, as long as the scene; a short signal is all there is.
fn dry_part(rng: &mut SmallRng, signals: &[&Vec<f32>], ranges: &SceneRanges) -> Vec<f32> {
    let signal = signals[rng.random_range(0..signals.len())];
    let length = ((ranges.duration_s * f64::from(ranges.sample_rate_hz)) as usize).min(signal.len());
    let first = rng.random_range(0..=signal.len() - length);
    signal[first..first + length].to_vec()
}

/// A place at a random distance: azimuth uniform, elevation normal about the horizon.
fn around(rng: &mut SmallRng, ranges: &SceneRanges, centre: [f64; 3]) -> Option<[f64; 3]> {
    let azimuth = even(rng, [-180.0, 180.0]);
    let elevation = f64::from(crate::vector::normal_pair(rng)[0]) * ranges.elevation_spread_deg;
    let direction = Direction::from_degrees(azimuth, elevation.clamp(-90.0, 90.0)).ok()?;
    Some(add(centre, scale(direction.unit(), even(rng, ranges.distance_m))))
}

/// A straight walk at 0.2 to 1 m/s that keeps the nearest distance; standing still where there is no way.
fn walk(rng: &mut SmallRng, ranges: &SceneRanges, room: &Room, centre: [f64; 3], from: [f64; 3]) -> Path {
    for _ in 0..20 {
        let azimuth = even(rng, [0.0, std::f64::consts::TAU]);
        let length = even(rng, [0.2, 1.0]) * ranges.duration_s;
        let to = add(from, [length * azimuth.cos(), length * azimuth.sin(), 0.0]);
        let keeps = (0..=20).all(|i| {
            let share = f64::from(i) / 20.0;
            distance(add(scale(from, 1.0 - share), scale(to, share)), centre) >= ranges.distance_m[0]
        });
        if keeps && room.clearance_m(to) >= ranges.wall_m.max(0.01) {
            return Path::Waypoints(vec![
                crate::path::Waypoint { time_s: 0.0, position_m: from },
                crate::path::Waypoint { time_s: ranges.duration_s, position_m: to },
            ]);
        }
    }
    Path::Still(from)
}
