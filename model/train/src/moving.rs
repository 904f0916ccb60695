//! Sound of a talker who moves: delays that change while it sounds.

use crate::path::Path;
use crate::room::NEAREST_M;
use crate::scene::Directivity;
use crate::sinc::{HALF, Kernels, TAPS};
use crate::vector::{distance, norm, scale, sub};

/// Frames between the moments at which the way is looked at; delays and gains change evenly in between.
const KNOT_FRAMES: usize = 32;

/// A talker on its way.
pub(crate) struct Moving<'a> {
    pub path: &'a Path,
    /// First frame of its signal in the scene.
    pub start_frame: f64,
    pub rate: f64,
    pub speed_m_s: f64,
    pub kernels: &'a Kernels,
}

impl Moving<'_> {
    /// Adds what is heard of the signal at a point of the space, 1/r and the Doppler effect included.
    ///
    /// `receive` gives, for a place of the talker, a further gain and a further delay in frames.
    pub(crate) fn add(
        &self,
        signal: &[f32],
        point_m: [f64; 3],
        out: &mut [f32],
        receive: impl Fn([f64; 3]) -> (f64, f64),
    ) {
        // The signal with silence around it, so that kernels never look for its ends.
        let mut padded = vec![0.0f32; signal.len() + 2 * TAPS];
        padded[TAPS..TAPS + signal.len()].copy_from_slice(signal);
        let mut travel_frames = 0.0;
        let mut knot = |frame: usize| {
            // The delay depends on the place and the place on the delay; talkers are slow against sound, so this settles at once.
            let (mut place, mut d) = ([0.0; 3], 0.0);
            for _ in 0..3 {
                place = self.path.at((frame as f64 - travel_frames) / self.rate);
                d = distance(place, point_m);
                travel_frames = d / self.speed_m_s * self.rate;
            }
            let (gain, later) = receive(place);
            (frame as f64 - travel_frames - later - self.start_frame, gain / d.max(NEAREST_M))
        };
        let mut left = knot(0);
        for first in (0..out.len()).step_by(KNOT_FRAMES) {
            let right = knot(first + KNOT_FRAMES);
            for (i, sample) in out[first..].iter_mut().take(KNOT_FRAMES).enumerate() {
                let share = i as f64 / KNOT_FRAMES as f64;
                let at = left.0 + share * (right.0 - left.0);
                if at < -(HALF as f64) || at > (signal.len() + HALF) as f64 {
                    continue;
                }
                let whole = at.floor();
                let from = (whole as i64 + TAPS as i64 - (HALF as i64 - 1)) as usize;
                let Some(window) = padded.get(from..from + TAPS) else { continue };
                let kernel = self.kernels.fine(at - whole);
                let mut lanes = [0.0f32; 8];
                for (x, h) in window.chunks_exact(8).zip(kernel.chunks_exact(8)) {
                    for lane in 0..8 {
                        lanes[lane] += x[lane] * h[lane];
                    }
                }
                *sample += (left.1 + share * (right.1 - left.1)) as f32 * lanes.iter().sum::<f32>();
            }
            left = right;
        }
    }

    /// The signal as a directional talker sends it towards a point.
    pub(crate) fn beamed(&self, signal: &[f32], directivity: &Directivity, point_m: [f64; 3]) -> Vec<f32> {
        let mut out = vec![0.0; signal.len()];
        for first in (0..signal.len()).step_by(KNOT_FRAMES) {
            let frame = self.start_frame + first as f64 + 0.5 * KNOT_FRAMES as f64;
            let v = sub(point_m, self.path.at(frame / self.rate));
            let (gain, tilt) = directivity.towards(scale(v, 1.0 / norm(v).max(1e-9)));
            let kernel = self.kernels.exact(0.0, tilt);
            for (n, sample) in out.iter_mut().enumerate().skip(first).take(KNOT_FRAMES) {
                // The kernel without a delay has its middle at the tap HALF − 1.
                let sum: f32 = kernel
                    .iter()
                    .enumerate()
                    .filter_map(|(k, h)| signal.get((n + HALF - 1).wrapping_sub(k)).map(|x| x * h))
                    .sum();
                *sample = gain as f32 * sum;
            }
        }
        out
    }
}

/// Cuts a signal into pieces of two steps, centred on the steps, whose sin² fades add up to one, and hands out each piece that is not
/// silent with its first frame and the frame of its centre.
pub(crate) fn faded(signal: &[f32], step_frames: f64, mut each: impl FnMut(&[f32], i64, i64)) {
    let step = (step_frames.round() as usize).max(1);
    let window: Vec<f32> = (0..2 * step)
        .map(|n| (std::f64::consts::FRAC_PI_2 * (n as f64 + 0.5) / step as f64).sin().powi(2) as f32)
        .collect();
    let mut piece = vec![0.0; 2 * step];
    for centre in (0..=signal.len() + step).step_by(step) {
        let first = centre as i64 - step as i64;
        for (n, (p, w)) in piece.iter_mut().zip(&window).enumerate() {
            let x = usize::try_from(first + n as i64).ok().and_then(|at| signal.get(at)).copied().unwrap_or(0.0);
            *p = w * x;
        }
        if piece.iter().any(|&x| x != 0.0) {
            each(&piece, first, centre as i64);
        }
    }
}
