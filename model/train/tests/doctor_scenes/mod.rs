//! Simulated speech for the layout doctor: which arrays, in which rooms, with voices where, and which two channels change places.
//!
//! Shared by the tests of the doctor alone and of the doctor in the plugin, each of which uses a part.

#![allow(dead_code)]

use std::ops::Range;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use spherescope_dsp::doctor::{FindingKind, geometry};
use spherescope_dsp::{Direction, MicArray, presets};
use spherescope_train::{
    ArrayKind, Body, CapsulePattern, DiffuseNoise, Path, Realism, Scene, SceneParts, SceneRanges, Space, Talker,
    Waypoint, random_array_of, random_paper_array, random_scene, sources,
};

/// Sample rate of the recordings in Hz.
pub const RATE: u32 = 16_000;
const DURATION_S: f64 = 15.0;
/// Speed of sound in m/s.
pub const SPEED_M_S: f64 = 343.0;
/// The doctor's constants were chosen on the cases 0 to 19.
pub const CASES: Range<u64> = 100..120;

/// Where the voices come from: another place every 1.7 s, one place all the time, or on a way through the room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Places {
    Many,
    One,
    Walk,
}

/// The arrays take turns: presets and random ones, open and on bodies, 4 to 32 capsules.
pub fn array(case: u64) -> MicArray {
    let preset = |id: &str| presets::find(id).unwrap().array;
    match case % 10 {
        0 => preset("eigenmike-em32"),
        1 => random_paper_array(case, 4).unwrap(),
        2 => preset("ring-6"),
        3 => random_array_of(ArrayKind::Ball, case, 8).unwrap(),
        4 => random_paper_array(case, 12).unwrap(),
        5 => preset("zylia-zm-1"),
        6 => random_array_of(ArrayKind::Head, case, 8).unwrap(),
        7 => random_paper_array(case, 5).unwrap(),
        8 => random_array_of(ArrayKind::Box, case, 10).unwrap(),
        _ => preset("minidsp-uma-16"),
    }
}

/// A room of 0.2 to 0.8 s with the array in it and noise 10 to 30 dB below two voices in turns, or one that walks.
pub fn scene(case: u64, array: MicArray, places: Places) -> SceneParts {
    let ranges = SceneRanges {
        talkers: [0, 0],
        point_noise: 0.0,
        t60_s: [0.2, 0.8],
        duration_s: DURATION_S,
        room_m: [[3.5, 8.0], [3.5, 7.0], [2.5, 4.0]],
        wall_m: 0.8,
        realism: Realism { dead: 0.0, ..Realism::default() },
        ..SceneRanges::default()
    };
    let mut parts = random_scene(case, &ranges, array, &[]).unwrap().into_parts();
    let Space::Room(room) = parts.space.clone() else { panic!("a room") };
    let mut rng = SmallRng::seed_from_u64(case);
    let turns = 9;
    let turn_s = DURATION_S / f64::from(turns);
    let frame = |time_s: f64| (time_s * f64::from(RATE)) as usize;
    let voices = [0, 1].map(|v| sources::babble(2 * case + v, RATE, DURATION_S));
    let mut still = None;
    let mut place = |parts: &SceneParts| loop {
        let azimuth_deg = rng.random_range(-180.0..180.0);
        let towards = Direction::from_degrees(azimuth_deg, rng.random_range(-35.0..35.0)).unwrap().unit();
        let distance_m = rng.random_range(0.7..2.5);
        let place: [f64; 3] = std::array::from_fn(|i| parts.array_position_m[i] + distance_m * towards[i]);
        if room.clearance_m(place) > 0.3 {
            break place;
        }
    };
    if places == Places::Walk {
        let waypoints = (0..6).map(|i| Waypoint { time_s: 3.0 * f64::from(i), position_m: place(&parts) }).collect();
        parts.talkers.push(Talker::new(voices[0].clone(), Path::Waypoints(waypoints)));
    } else {
        for turn in 0..turns {
            let position_m = match places {
                Places::One => *still.get_or_insert_with(|| place(&parts)),
                _ => place(&parts),
            };
            let start_s = f64::from(turn) * turn_s;
            let signal = voices[turn as usize % 2][frame(start_s)..frame(start_s + turn_s)].to_vec();
            parts.talkers.push(Talker { start_s, ..Talker::new(signal, Path::Still(position_m)) });
        }
    }
    let snr_db = rng.random_range(10.0..30.0);
    parts.sensor_snr_db = Some(snr_db + 6.0);
    parts.diffuse = Some(DiffuseNoise { snr_db, slope_db_per_octave: -6.0 });
    // Presets on spheres half of the time on them.
    if case % 20 < 10 && parts.body == Body::Open {
        parts.body = Body::that_fits(&parts.array).unwrap_or_default();
        if parts.body != Body::Open {
            parts.pattern = CapsulePattern::Pressure;
        }
    }
    parts
}

/// What the capsules hear, `[channel][frame]`.
pub fn recorded(parts: SceneParts) -> Vec<Vec<f32>> {
    Scene::new(parts).unwrap().render().channels
}

/// Two channels at random whose swap does not mirror the array, which no doctor could hear.
pub fn pair_to_swap(case: u64, array: &MicArray) -> (usize, usize) {
    let mut rng = SmallRng::seed_from_u64(1000 + case);
    let mirrors = geometry(array, SPEED_M_S).into_iter().find(|f| f.kind == FindingKind::Mirror);
    loop {
        let (a, b) = (rng.random_range(0..array.active_len()), rng.random_range(0..array.active_len()));
        let mirrored = mirrors.as_ref().is_some_and(|m| m.channels.contains(&a) && m.channels.contains(&b));
        if a < b && !mirrored {
            return (a, b);
        }
    }
}

/// Where the voices of a case come from.
pub fn places(case: u64) -> Places {
    if case.is_multiple_of(3) { Places::Walk } else { Places::Many }
}
