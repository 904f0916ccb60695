//! Impulse responses from a source to every capsule: exact images first, a diffuse tail after them.

use rand::Rng;
use rand::rngs::SmallRng;

use crate::room::{EARLY_S, Room, spreading};
use crate::sinc::{HALF, TAPS, add_impulse};
use crate::vector::{distance, dot, random_unit};

/// Diffuse reflections a second. True rooms have more, the ear and a network cannot tell; every one costs a kernel per capsule.
const TAIL_RATE_HZ: f64 = 4000.0;

/// Where sound travels: an empty space or a room.
#[derive(Clone, Debug, PartialEq)]
pub enum Space {
    /// No walls; any coordinates.
    FreeField {
        /// Speed of sound in metres a second.
        speed_m_s: f64,
    },
    /// A shoebox; everything stands inside.
    Room(Room),
}

impl Space {
    /// Speed of sound in metres a second.
    pub fn speed_m_s(&self) -> f64 {
        match self {
            Self::FreeField { speed_m_s } => *speed_m_s,
            Self::Room(room) => room.speed_m_s(),
        }
    }
}

/// Responses `[C][taps]` of one sample rate; sample 0 stands for the time −[`LEAD`] frames.
pub(crate) type Responses = Vec<Vec<f32>>;

/// Frames by which responses begin early, so that a source next to a capsule keeps its kernel whole.
pub(crate) const LEAD: usize = HALF;

/// Direct sound and early reflections from a source to each capsule; positions in the coordinates of the space.
pub(crate) fn early(
    space: &Space,
    source_m: [f64; 3],
    centre_m: [f64; 3],
    capsules_m: &[[f64; 3]],
    sample_rate_hz: f64,
) -> Responses {
    let speed = space.speed_m_s();
    let radius = capsules_m.iter().map(|&c| distance(c, centre_m)).fold(0.0, f64::max);
    let (images, reach_m) = match space {
        Space::FreeField { .. } => (None, distance(source_m, centre_m)),
        // A talker farther than the early part is long still has direct sound.
        Space::Room(room) => {
            let age = EARLY_S.max(distance(source_m, centre_m) / speed + 0.01);
            (Some(room.images(source_m, centre_m, age)), age * speed)
        }
    };
    let len = ((reach_m + radius) / speed * sample_rate_hz).ceil() as usize + LEAD + TAPS;
    let frames_per_m = sample_rate_hz / speed;
    let mut responses = vec![vec![0.0; len]; capsules_m.len()];
    let mut ray = |from: [f64; 3], factor: f64| {
        for (response, &capsule) in responses.iter_mut().zip(capsules_m) {
            let (d, gain) = spreading(from, capsule);
            add_impulse(response, d * frames_per_m, (factor * gain) as f32);
        }
    };
    match images {
        None => ray(source_m, 1.0),
        Some(images) => images.iter().for_each(|image| ray(image.position_m, image.reflection)),
    }
    responses
}

/// The diffuse tail of a room, the same for all places of a source, as a diffuse field is.
///
/// Plane waves of random sign from directions uniform over the sphere, so that two capsules at a distance d have the coherence
/// sin(kd)/(kd). It begins where the early part ends, with the images' energy, falls by 60 dB in T60 and ends at T60.
/// `relative_m` are the capsules from the array's centre, in the array's own frame. Empty when the early part is all there is.
pub(crate) fn tail(room: &Room, relative_m: &[[f64; 3]], sample_rate_hz: f64, rng: &mut SmallRng) -> Responses {
    let end_s = room.t60_s();
    if end_s <= EARLY_S {
        return Vec::new();
    }
    let radius = relative_m.iter().map(|&p| crate::vector::norm(p)).fold(0.0, f64::max);
    let len = ((end_s + radius / room.speed_m_s()) * sample_rate_hz).ceil() as usize + LEAD + TAPS;
    let start_energy = room.energy_rate(EARLY_S) / TAIL_RATE_HZ;
    let decay = 6.0 * std::f64::consts::LN_10 / room.t60_s();
    let mut responses = vec![vec![0.0; len]; relative_m.len()];
    let count = ((end_s - EARLY_S) * TAIL_RATE_HZ) as usize;
    for i in 0..count {
        // One wave in each of equal intervals: no clumps, no pattern.
        let age = EARLY_S + (i as f64 + rng.random::<f64>()) / TAIL_RATE_HZ;
        let level = (start_energy * (-decay * (age - EARLY_S)).exp()).sqrt();
        let level = if rng.random::<bool>() { level } else { -level } as f32;
        let towards = random_unit(rng);
        for (response, &p) in responses.iter_mut().zip(relative_m) {
            let delay = (age - dot(p, towards) / room.speed_m_s()) * sample_rate_hz;
            add_impulse(response, delay, level);
        }
    }
    responses
}
