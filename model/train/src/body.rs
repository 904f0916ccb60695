//! What an array is mounted on and how its capsules listen.

use std::cell::OnceCell;

use realfft::num_complex::{Complex32, Complex64};
use spherescope_dsp::MicArray;
use spherescope_dsp::array::Extent;

use crate::convolve::plans;
use crate::sinc::{HALF, TILTS, add_taps, octaves, tilt_of};
use crate::sphere::{legendre_sum, surface_orders};
use crate::vector::{dot, norm, scale};

/// Half the length, width and height of a [`Body::Head`] of scale 1, in metres.
pub const HEAD_HALF_AXES_M: [f64; 3] = [0.0875, 0.075, 0.1];
/// Radii in metres that a [`Body::RigidSphere`] may have.
pub const SPHERE_RADIUS_M: std::ops::RangeInclusive<f64> = 0.005..=0.5;
/// Scales that a [`Body::Head`] may have.
pub const HEAD_SCALE: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// The rigid body that an array is mounted on. It moves and turns with the array; its centre is the *origin of the layout's
/// coordinates*, and the capsules lie on its surface.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Body {
    /// None: capsules hang in the air.
    #[default]
    Open,
    /// A rigid sphere.
    RigidSphere {
        /// Its radius in metres, within [`SPHERE_RADIUS_M`].
        radius_m: f64,
    },
    /// A head: an ellipsoid with the half axes [`HEAD_HALF_AXES_M`] on shoulders.
    ///
    /// An approximation. Every capsule hears a rigid sphere as large as the head is at the capsule, and each wave from above comes a
    /// second time from the shoulders, as from a mirror below, dulled and weak. Ears, neck and hair are missing.
    Head {
        /// Size relative to [`HEAD_HALF_AXES_M`], within [`HEAD_SCALE`].
        scale: f64,
    },
}

impl Body {
    /// Distance of the surface from the centre towards a unit vector, in metres; `None` without a body.
    pub fn surface_m(&self, towards: [f64; 3]) -> Option<f64> {
        match self {
            Self::Open => None,
            Self::RigidSphere { radius_m } => Some(*radius_m),
            Self::Head { scale } => {
                let square: f64 = towards.iter().zip(HEAD_HALF_AXES_M).map(|(u, a)| (u / a).powi(2)).sum();
                Some(scale / square.sqrt())
            }
        }
    }

    /// The rigid sphere or the head on whose surface all active capsules of an array lie, to a tenth of a millimetre, if there is one.
    ///
    /// Spheres of 2 to 12 cm about the layout's origin, with at least four capsules that are not in one plane; heads of the scales 0.7 to
    /// 1.4.
    pub fn that_fits(array: &MicArray) -> Option<Self> {
        const TOLERANCE_M: f64 = 1e-4;
        let places: Vec<_> = array.active().map(|c| c.position_m).collect();
        if places.len() < 4 || array.extent() != Extent::Volume {
            return None;
        }
        let mean = |f: &dyn Fn([f64; 3]) -> f64| places.iter().map(|&p| f(p)).sum::<f64>() / places.len() as f64;
        let fits = |body: &Self| {
            places.iter().all(|&p| {
                let r = norm(p);
                let surface_m = body.surface_m(scale(p, 1.0 / r.max(1e-9)));
                surface_m.is_some_and(|s| (r - s).abs() < TOLERANCE_M)
            })
        };
        let radius_m = mean(&norm);
        let sphere = Self::RigidSphere { radius_m };
        if (0.02..=0.12).contains(&radius_m) && fits(&sphere) {
            return Some(sphere);
        }
        let axes = |p: [f64; 3]| norm(std::array::from_fn(|i| p[i] / HEAD_HALF_AXES_M[i]));
        let head = Self::Head { scale: mean(&axes) };
        ((0.7..=1.4).contains(&mean(&axes)) && fits(&head)).then_some(head)
    }

    /// What is wrong with the numbers, if anything: a name and the value.
    pub(crate) fn fault(&self) -> Option<(&'static str, f64)> {
        match *self {
            Self::RigidSphere { radius_m } if !SPHERE_RADIUS_M.contains(&radius_m) => {
                Some(("radius of the sphere between 0.005 and 0.5 m", radius_m))
            }
            Self::Head { scale } if !HEAD_SCALE.contains(&scale) => {
                Some(("scale of the head between 0.5 and 2", scale))
            }
            _ => None,
        }
    }
}

/// How the capsules of an array listen: patterns α + (1 − α) cos θ of first order, at all frequencies alike.
///
/// α = 1 listens to pressure, 0.7 is a wide cardioid, 0.5 a cardioid, 0 a figure of eight.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum CapsulePattern {
    /// All directions alike, as pressure capsules do.
    #[default]
    Pressure,
    /// All capsules look away from the array's centroid; one that lies in it hears all directions.
    Outward {
        /// α, 0 … 1.
        alpha: f64,
    },
    /// Every active capsule looks where it is told to.
    Axes {
        /// α, 0 … 1.
        alpha: f64,
        /// Axes in the array's own frame, of any length above 0, `[C][3]`.
        axes: Vec<[f64; 3]>,
    },
}

impl CapsulePattern {
    /// α and the unit vector along the axis of each active capsule at `relative_m`, its place from the centroid.
    pub(crate) fn of(&self, capsule: usize, relative_m: [f64; 3]) -> (f64, [f64; 3]) {
        let (alpha, axis) = match self {
            Self::Pressure => (1.0, [0.0; 3]),
            Self::Outward { alpha } => (*alpha, relative_m),
            Self::Axes { alpha, axes } => (*alpha, axes.get(capsule).copied().unwrap_or_default()),
        };
        let length = norm(axis);
        if length > 1e-6 { (alpha, scale(axis, 1.0 / length)) } else { (1.0, [0.0; 3]) }
    }

    /// What is wrong with the numbers, if anything.
    pub(crate) fn fault(&self, capsules: usize) -> Option<(&'static str, f64)> {
        let alpha_of = |alpha: f64| {
            (!(0.0..=1.0).contains(&alpha)).then_some(("pattern of the capsules (alpha) between 0 and 1", alpha))
        };
        match self {
            Self::Pressure => None,
            Self::Outward { alpha } => alpha_of(*alpha),
            Self::Axes { alpha, axes } => alpha_of(*alpha)
                .or_else(|| (axes.len() != capsules).then_some(("axis for each active capsule", axes.len() as f64)))
                .or_else(|| {
                    let length = axes.iter().map(|&a| norm(a)).find(|l| !(l.is_finite() && *l > 1e-6))?;
                    Some(("axis of a capsule, longer than 0", length))
                }),
        }
    }
}

/// Angles of a table, 0 … 180° in steps of 2°.
const ANGLES: usize = 91;
/// Delays by parts of a frame in a table. They are the same for all capsules, so nobody compares them.
const PHASES: usize = 2;
/// Radii nearer to each other than this, in metres, share a table.
const SAME_RADIUS_M: f64 = 0.0005;
/// The shoulders are this far below the centre of a head of scale 1, in metres …
const SHOULDER_M: f64 = 0.18;
/// … and send back this share of the pressure …
const SHOULDER_GAIN: f64 = 0.3;
/// … tilted by so many nepers an octave.
const SHOULDER_TILT: f64 = 0.25;

/// The responses of a body's surface, made as they are asked for.
pub(crate) struct Scattering {
    spheres: Vec<Sphere>,
    shoulder_frames: Option<f64>,
    /// Frames of a response and those among them before the sound would reach the centre.
    len: usize,
    lead: usize,
    rate: f64,
}

struct Sphere {
    radius_m: f64,
    /// Coefficients of the series at the bins of a response's spectrum.
    orders: Vec<Vec<Complex64>>,
    /// Spectra at the angles of a table, `[angle][bin]`.
    spectra: OnceCell<Vec<Vec<Complex64>>>,
    /// `[tilt] → [angle][phase][len]`.
    tables: Vec<OnceCell<Vec<f32>>>,
}

impl Scattering {
    /// For capsules at `radii_m` from the centre; also each one's sphere.
    pub(crate) fn new(body: Body, radii_m: &[f64], speed_m_s: f64, rate: f64) -> (Self, Vec<usize>) {
        let largest = radii_m.iter().copied().fold(0.0, f64::max);
        // Around the far side and a little on, and the ringing of the band limit.
        let reach = largest / speed_m_s * rate;
        let len = ((8.0 * reach) as usize + 64).next_power_of_two();
        let mut spheres: Vec<Sphere> = Vec::new();
        let indices = radii_m
            .iter()
            .map(|&radius_m| {
                let found = spheres.iter().position(|s| (s.radius_m - radius_m).abs() < SAME_RADIUS_M);
                found.unwrap_or_else(|| {
                    let step = std::f64::consts::TAU * rate / len as f64 / speed_m_s * radius_m;
                    let orders = (0..len / 2).map(|bin| surface_orders(bin as f64 * step)).collect();
                    let tables = (0..TILTS).map(|_| OnceCell::new()).collect();
                    spheres.push(Sphere { radius_m, orders, spectra: OnceCell::new(), tables });
                    spheres.len() - 1
                })
            })
            .collect();
        let shoulder_frames = match body {
            Body::Head { scale } => Some(2.0 * scale * SHOULDER_M / speed_m_s * rate),
            _ => None,
        };
        (Self { spheres, shoulder_frames, len, lead: HALF + reach.ceil() as usize, rate }, indices)
    }

    /// Frames that a response reaches after the time at which the sound would be at the centre.
    pub(crate) fn reach_frames(&self) -> usize {
        self.len - self.lead + self.shoulder_frames.unwrap_or(0.0) as usize + 2
    }

    /// What makes a response of a spectrum: a tilt, a band limit and a delay of `frames` after the lead.
    fn shape(&self, tilt: f64, frames: f64) -> Vec<Complex64> {
        (0..self.len / 2)
            .map(|bin| {
                let f = bin as f64 / self.len as f64;
                let edge = ((0.5 - f) / 0.0625).clamp(0.0, 1.0);
                let edge = (std::f64::consts::FRAC_PI_2 * edge).sin().powi(2);
                let turn = -std::f64::consts::TAU * f * (self.lead as f64 + frames);
                let gain = edge * (-tilt * octaves(f * self.rate)).exp() / self.len as f64;
                Complex64::from_polar(gain, turn)
            })
            .collect()
    }

    fn response(&self, spectrum: &[Complex64], shape: &[Complex64]) -> Vec<f32> {
        let (_, inverse) = plans(self.len);
        let mut bins = inverse.make_input_vec();
        for ((out, value), shape) in bins.iter_mut().zip(spectrum).zip(shape) {
            let value = value * shape;
            *out = Complex32::new(value.re as f32, value.im as f32);
        }
        if let Some(first) = bins.first_mut() {
            first.im = 0.0;
        }
        let mut time = inverse.make_output_vec();
        // Lengths are the plan's own, the only thing that this can fail on.
        let done = inverse.process(&mut bins, &mut time);
        debug_assert!(done.is_ok());
        time
    }

    fn table(&self, sphere: usize, tilt: usize) -> &[f32] {
        let sphere = &self.spheres[sphere];
        sphere.tables[tilt].get_or_init(|| {
            let spectra = sphere.spectra.get_or_init(|| {
                let cosine = |angle: usize| (std::f64::consts::PI * angle as f64 / (ANGLES - 1) as f64).cos();
                let spectrum = |x: f64| sphere.orders.iter().map(|orders| legendre_sum(orders, x, true)).collect();
                (0..ANGLES).map(cosine).map(spectrum).collect()
            });
            let shapes: Vec<_> =
                (0..PHASES).map(|phase| self.shape(tilt_of(tilt), phase as f64 / PHASES as f64)).collect();
            let responses = spectra.iter().flat_map(|s| shapes.iter().map(|shape| self.response(s, shape)));
            responses.flatten().collect()
        })
    }

    /// The wave itself and what the shoulders send after it: direction, further delay in frames, gain, further tilt.
    fn waves(&self, from: [f64; 3]) -> impl Iterator<Item = ([f64; 3], f64, f64, f64)> {
        let shoulder = self.shoulder_frames.filter(|_| from[2] > 0.0).map(|frames| {
            // Nothing at grazing incidence, all from 20° on.
            let share = (from[2] / 0.34).min(1.0);
            ([from[0], from[1], -from[2]], frames * from[2], SHOULDER_GAIN * share, SHOULDER_TILT)
        });
        std::iter::once((from, 0.0, 1.0, 0.0)).chain(shoulder)
    }

    /// Adds a plane wave from the unit vector `from`, at the centre after `delay_frames`, to the response of a capsule towards
    /// `capsule` from the centre; rounded in angle, time and tilt: for reflections.
    pub(crate) fn add_nearest(
        &self,
        response: &mut [f32],
        (sphere, capsule): (usize, [f64; 3]),
        from: [f64; 3],
        delay_frames: f64,
        gain: f32,
        tilt: f64,
    ) {
        for (from, later, factor, more) in self.waves(from) {
            let table = self.table(sphere, crate::sinc::nearest_tilt(tilt + more));
            let fine = ((delay_frames + later) * PHASES as f64).round() as i64;
            let (whole, phase) = (fine.div_euclid(PHASES as i64), fine.rem_euclid(PHASES as i64) as usize);
            let angle = arc_cosine(dot(from, capsule)) / std::f64::consts::PI * (ANGLES - 1) as f64;
            let low = (angle as usize).min(ANGLES - 2);
            let between = (angle - low as f64) as f32;
            let gain = gain * factor as f32;
            for (angle, weight) in [(low, 1.0 - between), (low + 1, between)] {
                let taps = &table[(angle * PHASES + phase) * self.len..][..self.len];
                add_taps(response, whole + HALF as i64 - self.lead as i64, taps, gain * weight);
            }
        }
    }

    /// [`Scattering::add_nearest`] without rounding: for direct sound.
    pub(crate) fn add_exact(
        &self,
        response: &mut [f32],
        (sphere, capsule): (usize, [f64; 3]),
        from: [f64; 3],
        delay_frames: f64,
        gain: f32,
        tilt: f64,
    ) {
        for (from, later, factor, more) in self.waves(from) {
            let x = dot(from, capsule).clamp(-1.0, 1.0);
            let delay = delay_frames + later;
            let orders = &self.spheres[sphere].orders;
            let spectrum: Vec<_> = orders.iter().map(|orders| legendre_sum(orders, x, true)).collect();
            let taps = self.response(&spectrum, &self.shape(tilt + more, delay - delay.floor()));
            add_taps(response, delay.floor() as i64 + HALF as i64 - self.lead as i64, &taps, gain * factor as f32);
        }
    }

    /// Radius in metres of the sphere that a capsule lies on.
    pub(crate) fn radius_m(&self, sphere: usize) -> f64 {
        self.spheres[sphere].radius_m
    }
}

/// The angle of a cosine to 0.004° (M. Abramowitz, I. A. Stegun, "Handbook of Mathematical Functions", 4.4.45).
fn arc_cosine(x: f64) -> f64 {
    let a = x.abs().min(1.0);
    let angle = (1.0 - a).sqrt() * (1.570_728_8 + a * (-0.212_114_4 + a * (0.074_261_0 - a * 0.018_729_3)));
    if x < 0.0 { std::f64::consts::PI - angle } else { angle }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_the_series() {
        let (body, _) = Scattering::new(Body::RigidSphere { radius_m: 0.07 }, &[0.07], 343.0, 16_000.0);
        let from = scale([0.3, -0.5, 0.7], 1.0 / norm([0.3, -0.5, 0.7]));
        for capsule in [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 0.6, -0.8], from, from.map(|x| -x)] {
            let (mut exact, mut nearest) = (vec![0.0f32; 300], vec![0.0f32; 300]);
            body.add_exact(&mut exact, (0, capsule), from, 40.5, 1.0, 0.25);
            body.add_nearest(&mut nearest, (0, capsule), from, 40.5, 1.0, 0.25);
            let energy: f32 = exact.iter().map(|x| x * x).sum();
            let error: f32 = exact.iter().zip(&nearest).map(|(a, b)| (a - b) * (a - b)).sum();
            assert!(error < 1e-3 * energy, "{capsule:?}: {}", error / energy);
        }
    }

    #[test]
    fn bodies_are_found_under_capsules() {
        let head = Body::Head { scale: 1.1 };
        let places: Vec<_> =
            crate::vector::sphere_points(6).into_iter().map(|u| scale(u, head.surface_m(u).unwrap())).collect();
        let Some(Body::Head { scale: found }) = Body::that_fits(&MicArray::from_positions("head", &places).unwrap())
        else {
            panic!("a head")
        };
        assert!((found - 1.1).abs() < 1e-9);
        let places: Vec<_> = crate::vector::sphere_points(6).into_iter().map(|u| scale(u, 0.05)).collect();
        let sphere = MicArray::from_positions("sphere", &places).unwrap();
        let Some(Body::RigidSphere { radius_m }) = Body::that_fits(&sphere) else { panic!("a sphere") };
        assert!((radius_m - 0.05).abs() < 1e-9);
        let mut open = places.clone();
        open[2][0] += 0.004;
        assert_eq!(Body::that_fits(&MicArray::from_positions("open", &open).unwrap()), None);
    }
}
