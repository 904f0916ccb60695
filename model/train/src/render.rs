//! From a scene to what its microphones record.

use rand::Rng;

use crate::convolve::Convolver;
use crate::diffuse::isotropic_noise;
use crate::response::{LEAD, Space, early, tail};
use crate::scene::{Scene, Talker};
use crate::truth::Activity;
use crate::vector::{add, normal_pair, stream};

/// The loudest sample of a rendered scene: −6 dBFS.
pub const PEAK: f32 = 0.501_187_2;
/// Moving talkers hold still for at most this many seconds at a time, with sin² fades between.
const LONGEST_STEP_S: f64 = 0.032;
/// … and for at least this many, however fast they run.
const SHORTEST_STEP_S: f64 = 0.004;
/// … and move at most this far between two steps, in metres, so that the fades do not comb.
const STEP_M: f64 = 0.01;

/// Random streams of a scene.
const SENSOR_STREAM: u64 = 0;
const DIFFUSE_STREAM: u64 = 1;
const CAPSULE_STREAM: u64 = 2;
const TAIL_STREAM: u64 = 16;

/// What the microphones record.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Sample rate in Hz.
    pub sample_rate_hz: u32,
    /// Planar samples `[channel][frame]`, by each capsule's own channel; channels that no active capsule has are silent.
    pub channels: Vec<Vec<f32>>,
    /// The gain that brought the loudest sample to −6 dBFS, as a factor; 1 for silence. Dividing by it gives pressures for
    /// signals at 1 m.
    pub gain: f64,
}

impl Scene {
    /// Renders all channels. The same scene gives the same samples.
    pub fn render(&self) -> Rendered {
        let parts = self.parts();
        let rate = f64::from(parts.sample_rate_hz);
        let frames = self.frames();
        let errors = self.capsule_errors();
        let capsules: Vec<_> = self
            .capsules_m()
            .iter()
            .zip(&errors)
            .map(|(&p, e)| add(p, parts.array_rotation.apply(e.offset_m)))
            .collect();
        let relative: Vec<_> =
            parts.array.relative_positions_m().iter().zip(&errors).map(|(&p, e)| add(p, e.offset_m)).collect();

        let mut convolver = Convolver::default();
        let mut heard = vec![vec![0.0f32; frames]; capsules.len()];
        for (index, talker) in parts.talkers.iter().enumerate() {
            let (start, gain) = self.start_and_gain(talker);
            if start >= frames {
                continue;
            }
            let length = talker.signal.len().min(frames - start);
            let mut signal: Vec<f32> = talker.signal[..length].iter().map(|x| x * gain).collect();
            if let Space::Room(_) = &parts.space {
                signal = without_rumble(&signal, rate);
            }
            self.render_early(talker, &signal, start, &capsules, &mut convolver, &mut heard);
            if let Space::Room(room) = &parts.space {
                let responses = tail(room, &relative, rate, &mut stream(parts.seed, TAIL_STREAM + index as u64));
                let taps = responses.first().map_or(0, Vec::len);
                if taps > 0 {
                    let mut spectra = convolver.spectra(&signal, taps);
                    for (response, out) in responses.iter().zip(&mut heard) {
                        spectra.convolve_add(response, out, start as i64 - LEAD as i64);
                    }
                }
            }
        }
        for (out, error) in heard.iter_mut().zip(&errors) {
            out.iter_mut().for_each(|x| *x *= error.gain);
        }
        self.add_noise(&relative, &mut heard);

        let peak = heard.iter().flatten().fold(0.0f32, |m, x| m.max(x.abs()));
        let gain = if peak > 0.0 { PEAK / peak } else { 1.0 };
        let mut channels = vec![Vec::new(); parts.array.channels_needed()];
        for (capsule, mut out) in parts.array.active().zip(heard) {
            out.iter_mut().for_each(|x| *x *= gain);
            channels[capsule.channel] = out;
        }
        for channel in &mut channels {
            channel.resize(frames, 0.0);
        }
        Rendered { sample_rate_hz: parts.sample_rate_hz, channels, gain: f64::from(gain) }
    }

    fn render_early(
        &self,
        talker: &Talker,
        signal: &[f32],
        start: usize,
        capsules: &[[f64; 3]],
        convolver: &mut Convolver,
        heard: &mut [Vec<f32>],
    ) {
        let parts = self.parts();
        let rate = f64::from(parts.sample_rate_hz);
        let mut add_piece = |piece: &[f32], first: i64, source: [f64; 3]| {
            let responses = early(&parts.space, source, parts.array_position_m, capsules, rate);
            let mut spectra = convolver.spectra(piece, responses.first().map_or(1, Vec::len));
            for (response, out) in responses.iter().zip(heard.iter_mut()) {
                spectra.convolve_add(response, out, first - LEAD as i64);
            }
        };
        let speed = talker.path.top_speed_m_s();
        if speed == 0.0 {
            add_piece(signal, start as i64, talker.path.at(0.0));
            return;
        }
        // Windows of two steps, centred on the steps, whose sin² fades add up to one.
        let step = (STEP_M / speed).clamp(SHORTEST_STEP_S, LONGEST_STEP_S) * rate;
        let step = (step.round() as usize).max(1);
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
                let place = talker.path.at((start + centre) as f64 / rate);
                add_piece(&piece, start as i64 + first, place);
            }
        }
    }

    fn add_noise(&self, relative: &[[f64; 3]], heard: &mut [Vec<f32>]) {
        let parts = self.parts();
        if parts.sensor_snr_db.is_none() && parts.diffuse.is_none() {
            return;
        }
        let share = self.spoken_share();
        let power = mean_power(heard) / share.max(1e-9);
        // Nobody speaks: noise has a level of its own, and the two kinds keep their ratio.
        let power = if share > 0.0 && power > 0.0 { power } else { 1.0 };
        let level = |snr_db: f64| (power * 10f64.powf(-snr_db / 10.0)).sqrt() as f32;
        if let Some(diffuse) = parts.diffuse {
            let noise = isotropic_noise(
                relative,
                parts.space.speed_m_s(),
                f64::from(parts.sample_rate_hz),
                self.frames(),
                diffuse.slope_db_per_octave,
                stream(parts.seed, DIFFUSE_STREAM).random(),
            );
            let level = level(diffuse.snr_db);
            for (out, noise) in heard.iter_mut().zip(&noise) {
                out.iter_mut().zip(noise).for_each(|(o, n)| *o += level * n);
            }
        }
        if let Some(snr_db) = parts.sensor_snr_db {
            let level = level(snr_db);
            let mut rng = stream(parts.seed, SENSOR_STREAM);
            for out in heard {
                for pair in out.chunks_mut(2) {
                    pair.iter_mut().zip(normal_pair(&mut rng)).for_each(|(o, n)| *o += level * n);
                }
            }
        }
    }

    /// The share of the scene's time in which any talker speaks, 0 … 1.
    fn spoken_share(&self) -> f64 {
        const BLOCKS_HZ: u32 = 100;
        let parts = self.parts();
        let block = (parts.sample_rate_hz / BLOCKS_HZ) as i64;
        let activities: Vec<_> = parts
            .talkers
            .iter()
            .map(|t| (Activity::of(&t.signal, parts.sample_rate_hz), self.start_and_gain(t).0 as i64))
            .collect();
        let blocks = (self.frames() as i64 / block).max(1);
        let spoken = (0..blocks)
            .filter(|b| activities.iter().any(|(a, s)| a.is_active(b * block - s, (b + 1) * block - s)))
            .count();
        spoken as f64 / blocks as f64
    }

    fn capsule_errors(&self) -> Vec<CapsuleError> {
        let parts = self.parts();
        let mut rng = stream(parts.seed, CAPSULE_STREAM);
        parts
            .array
            .active()
            .map(|_| {
                let [[x, y], [z, _]] = [normal_pair(&mut rng), normal_pair(&mut rng)];
                let gain_db = rng.random_range(-1.0..=1.0) * parts.imperfections.gain_db;
                CapsuleError {
                    offset_m: [x, y, z].map(|e| f64::from(e) * parts.imperfections.position_m),
                    gain: 10f64.powf(gain_db / 20.0) as f32,
                }
            })
            .collect()
    }
}

/// A signal without what lies below some 40 Hz (Butterworth, second order), for rooms.
///
/// Images all have one sign, so the pressure below a room's modes piles up as it does in no room with walls that give way; the image
/// method's authors filter it off as well. Filtering the dry sound is the same and costs least.
fn without_rumble(signal: &[f32], rate: f64) -> Vec<f32> {
    const CUT_HZ: f64 = 40.0;
    let k = (std::f64::consts::PI * CUT_HZ / rate).tan();
    let norm = 1.0 / (1.0 + std::f64::consts::SQRT_2 * k + k * k);
    let a = [2.0 * (k * k - 1.0) * norm, (1.0 - std::f64::consts::SQRT_2 * k + k * k) * norm];
    // What is 120 dB down is silence, so that pauses stay pauses and cost nothing.
    let floor = 1e-6 * f64::from(signal.iter().fold(0.0f32, |m, x| m.max(x.abs())));
    let mut state = [0.0f64; 2];
    let ringing = std::iter::repeat_n(&0.0f32, (0.1 * rate) as usize);
    let filtered = signal.iter().chain(ringing).map(|&x| {
        let x = f64::from(x);
        let y = norm * x + state[0];
        state = [-2.0 * norm * x - a[0] * y + state[1], norm * x - a[1] * y];
        if y.abs() < floor { 0.0 } else { y as f32 }
    });
    filtered.collect()
}

/// How one capsule differs from its layout.
struct CapsuleError {
    /// In the array's own frame, metres.
    offset_m: [f64; 3],
    gain: f32,
}

/// Mean square over all channels and frames.
pub(crate) fn mean_power(channels: &[Vec<f32>]) -> f64 {
    let count: usize = channels.iter().map(Vec::len).sum();
    let sum: f64 = channels.iter().flatten().map(|&x| f64::from(x) * f64::from(x)).sum();
    sum / count.max(1) as f64
}
