//! What a unit impulse somewhere becomes at every capsule: exact images first, a diffuse tail after them.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::SmallRng;
use realfft::num_complex::Complex64;
use spherescope_dsp::Rotation;

use crate::body::{Body, Scattering};
use crate::room::{EARLY_S, Image, NEAREST_M, Room};
use crate::scene::{Directivity, SceneParts};
use crate::sinc::{HALF, Kernels, TAPS, nearest_tilt};
use crate::sphere::{legendre_sum, surface_orders};
use crate::vector::{add, dot, norm, random_unit, scale, sub, unrotate};

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

/// Loss of a directional source towards `leaving`, the unit vector of emission: gain at 1 kHz and tilt in nepers an octave.
pub(crate) fn emission(directivity: Option<&Directivity>, leaving: [f64; 3]) -> (f64, f64) {
    directivity.map_or((1.0, 0.0), |d| d.towards(leaving))
}

/// One capsule of a [`Receiver`].
pub(crate) struct Ear {
    /// From the array's centroid, in the array's own frame, metres.
    pub place_m: [f64; 3],
    /// α of the pattern; 1 for pressure.
    alpha: f64,
    axis: [f64; 3],
    /// Delay of its own, in frames.
    delay_frames: f64,
    /// On a body: the sphere it lies on, and the unit vector from the body's centre.
    surface: (usize, [f64; 3]),
}

impl Ear {
    fn pattern(&self, from: [f64; 3]) -> f64 {
        self.alpha + (1.0 - self.alpha) * dot(self.axis, from)
    }
}

/// An array with its body, patterns and errors, ready to hear waves. All in the array's own frame, about its centroid.
pub(crate) struct Receiver {
    pub ears: Vec<Ear>,
    pub rate: f64,
    pub speed_m_s: f64,
    kernels: Arc<Kernels>,
    body: Option<Scattering>,
    /// The body's centre; the centroid without a body.
    pub centre_m: [f64; 3],
    rotation: Rotation,
    position_m: [f64; 3],
}

impl Receiver {
    /// `places_m` are the active capsules from the centroid, errors included; `delays_s` their own delays.
    pub(crate) fn new(parts: &SceneParts, places_m: &[[f64; 3]], delays_s: &[f64]) -> Self {
        let rate = f64::from(parts.sample_rate_hz);
        let speed_m_s = parts.space.speed_m_s();
        let nominal = parts.array.relative_positions_m();
        let centre_m = if parts.body == Body::Open { [0.0; 3] } else { scale(parts.array.centroid_m(), -1.0) };
        let towards: Vec<_> = places_m
            .iter()
            .map(|&p| {
                let v = sub(p, centre_m);
                scale(v, 1.0 / norm(v).max(1e-9))
            })
            .collect();
        let radii: Option<Vec<f64>> = towards.iter().map(|&u| parts.body.surface_m(u)).collect();
        let (body, spheres) = match radii {
            Some(radii) => {
                let (body, spheres) = Scattering::new(parts.body, &radii, speed_m_s, rate);
                (Some(body), spheres)
            }
            None => (None, vec![0; places_m.len()]),
        };
        let ears = places_m
            .iter()
            .enumerate()
            .map(|(index, &place_m)| {
                let (alpha, axis) = parts.pattern.of(index, nominal[index]);
                let delay_frames = delays_s[index] * rate;
                Ear { place_m, alpha, axis, delay_frames, surface: (spheres[index], towards[index]) }
            })
            .collect();
        Self {
            ears,
            rate,
            speed_m_s,
            kernels: Kernels::at(parts.sample_rate_hz),
            body,
            centre_m,
            rotation: parts.array_rotation,
            position_m: parts.array_position_m,
        }
    }

    pub(crate) fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    pub(crate) fn is_open(&self) -> bool {
        self.body.is_none()
    }

    /// A place of the space in the array's own frame.
    pub(crate) fn seen(&self, place_m: [f64; 3]) -> [f64; 3] {
        unrotate(&self.rotation, sub(place_m, self.position_m))
    }

    /// Where a talker's sound is timed: each capsule, and on a body its centre.
    pub(crate) fn point_in_space(&self, ear: Option<usize>) -> [f64; 3] {
        add(self.position_m, self.rotation.apply(ear.map_or(self.centre_m, |e| self.ears[e].place_m)))
    }

    /// Gain of a capsule's pattern for sound from a place in the array's frame, and its own delay in frames.
    pub(crate) fn gain_and_delay(&self, ear: usize, from_m: [f64; 3]) -> (f64, f64) {
        let ear = &self.ears[ear];
        let v = sub(from_m, ear.place_m);
        (ear.pattern(scale(v, 1.0 / norm(v).max(1e-9))), ear.delay_frames)
    }

    /// Frames that any response is longer than the way from source to centroid.
    fn reach_frames(&self) -> usize {
        let radius = self.ears.iter().map(|e| norm(e.place_m)).fold(norm(self.centre_m), f64::max);
        let own = self.ears.iter().map(|e| e.delay_frames).fold(0.0, f64::max);
        let body = self.body.as_ref().map_or(0, Scattering::reach_frames);
        (radius / self.speed_m_s * self.rate + own).ceil() as usize + LEAD + TAPS + body
    }

    fn empty(&self, reach_s: f64, at_most: usize) -> Responses {
        let len = (reach_s * self.rate).ceil() as usize + self.reach_frames();
        vec![vec![0.0; len.min(at_most)]; self.ears.len()]
    }

    /// Adds a point source at `from_m` in the array's frame with a `gain` at 1 m and a `tilt` in nepers an octave.
    fn add_point(&self, responses: &mut Responses, from_m: [f64; 3], gain: f64, tilt: f64, exact: bool) {
        let frames_per_m = self.rate / self.speed_m_s;
        if let Some(body) = &self.body {
            let v = sub(from_m, self.centre_m);
            let d = norm(v);
            let (from, gain) = (scale(v, 1.0 / d.max(1e-9)), (gain / d.max(NEAREST_M)) as f32);
            for (ear, response) in self.ears.iter().zip(responses) {
                let delay = d * frames_per_m + ear.delay_frames;
                if exact {
                    body.add_exact(response, ear.surface, from, delay, gain, tilt);
                } else {
                    body.add_nearest(response, ear.surface, from, delay, gain, tilt);
                }
            }
            return;
        }
        let index = nearest_tilt(tilt);
        for (ear, response) in self.ears.iter().zip(responses) {
            let v = sub(from_m, ear.place_m);
            let d = norm(v);
            let pattern = if ear.alpha == 1.0 { 1.0 } else { ear.pattern(scale(v, 1.0 / d.max(1e-9))) };
            let gain = (gain * pattern / d.max(NEAREST_M)) as f32;
            let delay = d * frames_per_m + ear.delay_frames;
            if exact {
                self.kernels.add_exact(response, delay, gain, tilt);
            } else {
                self.kernels.add_nearest(response, delay, gain, index);
            }
        }
    }

    /// Adds a plane wave from the unit vector `from`, at the centroid after `delay_frames`.
    fn add_plane(&self, responses: &mut Responses, from: [f64; 3], delay_frames: f64, gain: f32, tilt: f64) {
        let frames_per_m = self.rate / self.speed_m_s;
        if let Some(body) = &self.body {
            let delay = delay_frames - dot(from, self.centre_m) * frames_per_m;
            for (ear, response) in self.ears.iter().zip(responses) {
                body.add_nearest(response, ear.surface, from, delay + ear.delay_frames, gain, tilt);
            }
            return;
        }
        let index = nearest_tilt(tilt);
        for (ear, response) in self.ears.iter().zip(responses) {
            let delay = delay_frames - dot(from, ear.place_m) * frames_per_m + ear.delay_frames;
            self.kernels.add_nearest(response, delay, gain * ear.pattern(from) as f32, index);
        }
    }

    /// The response to a source that stands still: direct sound, early reflections, tail. At most `at_most` taps.
    pub(crate) fn still(
        &self,
        space: &Space,
        source_m: [f64; 3],
        directivity: Option<&Directivity>,
        tail: &mut SmallRng,
        at_most: usize,
    ) -> Responses {
        let reach_s = self.early_s(space, source_m);
        let tail_s = if let Space::Room(room) = space { room.t60_s() } else { 0.0 };
        let mut responses = self.empty(reach_s.max(tail_s), at_most);
        self.add_direct(&mut responses, source_m, directivity);
        if let Space::Room(room) = space {
            self.add_reflections(&mut responses, room, source_m, directivity, reach_s);
            self.add_tail(&mut responses, room, tail);
        }
        responses
    }

    /// The early reflections alone, without the direct sound.
    pub(crate) fn reflections(
        &self,
        room: &Room,
        source_m: [f64; 3],
        directivity: Option<&Directivity>,
        at_most: usize,
    ) -> Responses {
        let reach_s = self.early_s(&Space::Room(room.clone()), source_m);
        let mut responses = self.empty(reach_s, at_most);
        self.add_reflections(&mut responses, room, source_m, directivity, reach_s);
        responses
    }

    /// The tail alone.
    pub(crate) fn tail(&self, room: &Room, rng: &mut SmallRng, at_most: usize) -> Responses {
        let mut responses = self.empty(room.t60_s(), at_most);
        self.add_tail(&mut responses, room, rng);
        responses
    }

    /// What a capsule on a body makes of sound from a place in the array's frame; the centre hears it at the time 0, at the level 1.
    pub(crate) fn surface_response(&self, ear: usize, from_m: [f64; 3]) -> Vec<f32> {
        let mut response = vec![0.0; self.reach_frames()];
        if let Some(body) = &self.body {
            let v = sub(from_m, self.centre_m);
            let ear = &self.ears[ear];
            let from = scale(v, 1.0 / norm(v).max(1e-9));
            body.add_exact(&mut response, ear.surface, from, ear.delay_frames, 1.0, 0.0);
        }
        response
    }

    /// Length of the early part in seconds.
    fn early_s(&self, space: &Space, source_m: [f64; 3]) -> f64 {
        let direct_s = norm(sub(source_m, self.position_m)) / self.speed_m_s;
        match space {
            Space::FreeField { .. } => direct_s,
            // A talker farther than the early part is long still has direct sound.
            Space::Room(_) => EARLY_S.max(direct_s + 0.01),
        }
    }

    fn add_direct(&self, responses: &mut Responses, source_m: [f64; 3], directivity: Option<&Directivity>) {
        let to_array = sub(self.position_m, source_m);
        let (gain, tilt) = emission(directivity, scale(to_array, 1.0 / norm(to_array).max(1e-9)));
        self.add_point(responses, self.seen(source_m), gain, tilt, true);
    }

    fn add_reflections(
        &self,
        responses: &mut Responses,
        room: &Room,
        source_m: [f64; 3],
        directivity: Option<&Directivity>,
        reach_s: f64,
    ) {
        for image in room.images(source_m, self.position_m, reach_s).iter().filter(|i| i.order > 0) {
            let (gain, tilt) = emission(directivity, leaving(image, self.position_m));
            let tilt = tilt + room.tilt(image.reflection);
            self.add_point(responses, self.seen(image.position_m), image.reflection * gain, tilt, false);
        }
    }

    /// The diffuse tail of a room, the same for all places of a source, as a diffuse field is.
    ///
    /// Plane waves of random sign from directions uniform over the sphere, so that two pressure capsules at a distance d have the
    /// coherence sin(kd)/(kd). It begins where the early part ends, with the images' energy, falls by 60 dB in T60 and ends at T60.
    fn add_tail(&self, responses: &mut Responses, room: &Room, rng: &mut SmallRng) {
        let end_s = room.t60_s().min(responses.first().map_or(0, Vec::len) as f64 / self.rate);
        if end_s <= EARLY_S {
            return;
        }
        let start_energy = room.energy_rate(EARLY_S) / TAIL_RATE_HZ;
        // In nepers of pressure a second.
        let decay = 3.0 * std::f64::consts::LN_10 / room.t60_s();
        let count = ((end_s - EARLY_S) * TAIL_RATE_HZ) as usize;
        for i in 0..count {
            // One wave in each of equal intervals: no clumps, no pattern.
            let age = EARLY_S + (i as f64 + rng.random::<f64>()) / TAIL_RATE_HZ;
            let level = start_energy.sqrt() * (-decay * (age - EARLY_S)).exp();
            let level = if rng.random::<bool>() { level } else { -level } as f32;
            let tilt = room.tilt((-decay * age).exp());
            self.add_plane(responses, random_unit(rng), age * self.rate, level, tilt);
        }
    }

    /// Mean over all directions of pᵢ pⱼ* for plane waves of the amplitude 1 and the wave number `k` in 1/m, `[C][C]`, lower half.
    ///
    /// Capsules in the air: α₁α₂ j₀ + i j₁ (…) + …, closed forms of first-order patterns in a diffuse field. On a sphere:
    /// Σ (2n+1) Rₙ(ka₁) Rₙ(ka₂)* Pₙ(cos γ). Shoulders do not count.
    pub(crate) fn diffuse_covariance(&self, k: f64) -> Vec<Vec<Complex64>> {
        let orders: Vec<Vec<Complex64>> = match &self.body {
            Some(body) => self.ears.iter().map(|e| surface_orders(k * body.radius_m(e.surface.0))).collect(),
            None => Vec::new(),
        };
        let pair = |i: usize, j: usize| {
            let (a, b) = (&self.ears[i], &self.ears[j]);
            if self.body.is_some() {
                let product: Vec<_> = orders[i]
                    .iter()
                    .zip(&orders[j])
                    .enumerate()
                    .map(|(n, (x, y))| x * y.conj() / (2 * n + 1) as f64)
                    .collect();
                return legendre_sum(&product, dot(a.surface.1, b.surface.1).clamp(-1.0, 1.0), false);
            }
            first_order_covariance(k, sub(a.place_m, b.place_m), (a.alpha, a.axis), (b.alpha, b.axis))
        };
        (0..self.ears.len()).map(|i| (0..=i).map(|j| pair(i, j)).collect()).collect()
    }
}

/// Mean over the directions u of pattern₁(u) pattern₂(u) e^(ik u·r).
fn first_order_covariance(k: f64, r: [f64; 3], a: (f64, [f64; 3]), b: (f64, [f64; 3])) -> Complex64 {
    let d = norm(r);
    let x = k * d;
    // j0, j1 / x, j1 and j2.
    let [j0, j1x, j1, j2] = if x < 1e-2 {
        [1.0 - x * x / 6.0, 1.0 / 3.0 - x * x / 30.0, x / 3.0, x * x / 15.0]
    } else {
        let (s, c) = x.sin_cos();
        let j1 = (s / x - c) / x;
        [s / x, j1 / x, j1, 3.0 * j1 / x - s / x]
    };
    if a.0 == 1.0 && b.0 == 1.0 {
        return Complex64::from(j0);
    }
    let along = scale(r, 1.0 / d.max(1e-12));
    let (da, db) = ((1.0 - a.0) * dot(a.1, along), (1.0 - b.0) * dot(b.1, along));
    let axes = (1.0 - a.0) * (1.0 - b.0) * dot(a.1, b.1);
    Complex64::new(a.0 * b.0 * j0 + axes * j1x - da * db * j2, j1 * (a.0 * db + b.0 * da))
}

/// The unit vector in which the sound of an image leaves its source for the listener: mirrored as often as the image is.
fn leaving(image: &Image, listener_m: [f64; 3]) -> [f64; 3] {
    let v = sub(listener_m, image.position_m);
    let length = norm(v).max(1e-9);
    std::array::from_fn(|i| if image.mirrored[i] { -v[i] / length } else { v[i] / length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::CapsulePattern;
    use crate::vector::sphere_points;

    #[test]
    fn covariance_is_the_mean_over_the_sphere() {
        let (r, a, b) = ([0.03, -0.02, 0.05], (0.5, [0.6, 0.0, 0.8]), (0.7, [0.0, 1.0, 0.0]));
        let directions = sphere_points(20_000);
        for k in [0.1, 10.0, 60.0, 130.0] {
            let pattern = |(alpha, axis): (f64, [f64; 3]), u| alpha + (1.0 - alpha) * dot(axis, u);
            let mean = directions
                .iter()
                .map(|&u| Complex64::from_polar(pattern(a, u) * pattern(b, u), k * dot(u, r)))
                .sum::<Complex64>()
                / directions.len() as f64;
            let found = first_order_covariance(k, r, a, b);
            assert!((found - mean).norm() < 1e-3, "{k}: {found} {mean}");
        }
    }

    #[test]
    fn mirrored_images_leave_towards_the_mirrors() {
        // The image in the wall x = 0 of a source at x = 1 leaves towards −x although it is seen from +x.
        let room = Room::new([5.0, 4.0, 3.0], 0.5, 343.0).unwrap();
        let listener = [3.0, 2.0, 1.5];
        let images = room.images([1.0, 2.0, 1.5], listener, 0.02);
        let image = images.iter().find(|i| norm(sub(i.position_m, [-1.0, 2.0, 1.5])) < 1e-9).unwrap();
        assert_eq!((image.order, leaving(image, listener)), (1, [-1.0, 0.0, 0.0]));
    }

    #[test]
    fn patterns_default_to_pressure() {
        assert_eq!(CapsulePattern::default().of(0, [1.0, 0.0, 0.0]).0, 1.0);
        assert_eq!(CapsulePattern::Outward { alpha: 0.5 }.of(0, [0.0, 2.0, 0.0]), (0.5, [0.0, 1.0, 0.0]));
    }
}
