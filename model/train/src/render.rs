//! From a scene to what its microphones record.

use rand::Rng;

use crate::convolve::convolve;
use crate::diffuse::{Noise, add_noise};
use crate::moving::{Moving, faded};
use crate::response::{LEAD, Receiver, Space};
use crate::scene::{Scene, Talker};
use crate::truth::Activity;
use crate::vector::{add, normal_pair, stream};

/// The loudest sample of a rendered scene: −6 dBFS.
pub const PEAK: f32 = 0.501_187_2;
/// Reflections of moving talkers hold still for at most this many seconds at a time, with sin² fades between.
const LONGEST_STEP_S: f64 = 0.25;
/// … and for at least this many, however fast they run.
const SHORTEST_STEP_S: f64 = 0.008;
/// … while the talker moves at most this far, in metres.
const STEP_M: f64 = 0.15;
/// A body turns its ear to a moving talker in steps of this many metres.
const BODY_STEP_M: f64 = 0.02;

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
        let places: Vec<_> =
            parts.array.relative_positions_m().iter().zip(&errors).map(|(&p, e)| add(p, e.offset_m)).collect();
        let delays: Vec<_> = errors.iter().map(|e| e.delay_s).collect();
        let receiver = Receiver::new(parts, &places, &delays);

        let mut heard = vec![vec![0.0f32; frames]; places.len()];
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
            if signal.iter().all(|&x| x == 0.0) {
                continue;
            }
            let mut tail = stream(parts.seed, TAIL_STREAM + index as u64);
            if talker.path.top_speed_m_s() == 0.0 {
                let directivity = talker.directivity.as_ref();
                let at_most = frames - start + LEAD;
                let responses = receiver.still(&parts.space, talker.path.at(0.0), directivity, &mut tail, at_most);
                convolve(&signal, start as i64 - LEAD as i64, &responses, &mut heard);
            } else {
                self.render_moving(&receiver, talker, &signal, start, &mut tail, &mut heard);
            }
        }
        for (out, error) in heard.iter_mut().zip(&errors) {
            out.iter_mut().for_each(|x| *x *= error.gain);
        }
        self.add_noise(&receiver, &errors, &mut heard);

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

    /// Direct sound at every moment from where the talker is, reflections from where it is for some moments, the tail from nowhere.
    fn render_moving(
        &self,
        receiver: &Receiver,
        talker: &Talker,
        signal: &[f32],
        start: usize,
        tail: &mut rand::rngs::SmallRng,
        heard: &mut [Vec<f32>],
    ) {
        let parts = self.parts();
        let rate = f64::from(parts.sample_rate_hz);
        let frames = self.frames();
        let at_most = frames - start + LEAD;
        let place = |first: i64| talker.path.at((start as i64 + first) as f64 / rate);
        let speed = talker.path.top_speed_m_s();
        if let Space::Room(room) = &parts.space {
            let first = start as i64 - LEAD as i64;
            convolve(signal, first, &receiver.tail(room, tail, at_most), heard);
            let step = (STEP_M / speed).clamp(SHORTEST_STEP_S, LONGEST_STEP_S) * rate;
            faded(signal, step, |piece, at, centre| {
                let responses = receiver.reflections(room, place(centre), talker.directivity.as_ref(), at_most);
                convolve(piece, first + at, &responses, heard);
            });
        }
        let direct = Moving {
            path: &talker.path,
            start_frame: start as f64,
            rate,
            speed_m_s: parts.space.speed_m_s(),
            kernels: receiver.kernels(),
        };
        let signal = match &talker.directivity {
            Some(directivity) => &direct.beamed(signal, directivity, parts.array_position_m),
            None => signal,
        };
        if receiver.is_open() {
            for (ear, out) in heard.iter_mut().enumerate() {
                let point = receiver.point_in_space(Some(ear));
                direct.add(signal, point, out, |from| receiver.gain_and_delay(ear, receiver.seen(from)));
            }
            return;
        }
        let mut centre = vec![0.0; frames];
        direct.add(signal, receiver.point_in_space(None), &mut centre, |_| (1.0, 0.0));
        let step = (BODY_STEP_M / speed).clamp(SHORTEST_STEP_S, LONGEST_STEP_S) * rate;
        faded(&centre, step, |piece, at, middle| {
            // What is heard now left the talker a little earlier; it has hardly moved.
            let from = receiver.seen(talker.path.at(middle as f64 / rate));
            let responses: Vec<_> = (0..heard.len()).map(|ear| receiver.surface_response(ear, from)).collect();
            convolve(piece, at - LEAD as i64, &responses, heard);
        });
    }

    fn add_noise(&self, receiver: &Receiver, errors: &[CapsuleError], heard: &mut [Vec<f32>]) {
        let parts = self.parts();
        if parts.sensor_snr_db.is_none() && parts.diffuse.is_none() {
            return;
        }
        let share = self.spoken_share();
        let power = mean_power(heard) / share.max(1e-9);
        // Nobody speaks: noise has a level of its own, and the two kinds keep their ratio.
        let power = if share > 0.0 && power > 0.0 { power } else { 1.0 };
        let level = |snr_db: f64| (power * 10f64.powf(-snr_db / 10.0)).sqrt() as f32;
        let noise = Noise {
            diffuse: parts.diffuse.map(|d| (level(d.snr_db), d.slope_db_per_octave)),
            sensor: parts.sensor_snr_db.map(level),
            seeds: [DIFFUSE_STREAM, SENSOR_STREAM].map(|s| stream(parts.seed, s).random()),
        };
        let dead: Vec<_> = errors.iter().map(|e| e.gain == 0.0).collect();
        add_noise(receiver, &noise, &dead, heard);
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
        let wanted = parts.imperfections;
        let mut errors: Vec<_> = parts
            .array
            .active()
            .map(|_| {
                let [[x, y], [z, delay]] = [normal_pair(&mut rng), normal_pair(&mut rng)];
                let gain_db = rng.random_range(-1.0..=1.0) * wanted.gain_db;
                CapsuleError {
                    offset_m: [x, y, z].map(|e| f64::from(e) * wanted.position_m),
                    gain: 10f64.powf(gain_db / 20.0) as f32,
                    delay_s: f64::from(delay) * wanted.delay_s,
                }
            })
            .collect();
        // The first of a shuffled order (Fisher and Yates).
        let mut order: Vec<usize> = (0..errors.len()).collect();
        for i in 0..wanted.dead.min(errors.len()) {
            let other = rng.random_range(i..order.len());
            order.swap(i, other);
            errors[order[i]].gain = 0.0;
        }
        errors
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
    /// 0 for a dead capsule.
    gain: f32,
    delay_s: f64,
}

/// Mean square over all channels and frames.
pub(crate) fn mean_power(channels: &[Vec<f32>]) -> f64 {
    let count: usize = channels.iter().map(Vec::len).sum();
    let sum: f64 = channels.iter().flatten().map(|&x| f64::from(x) * f64::from(x)).sum();
    sum / count.max(1) as f64
}
