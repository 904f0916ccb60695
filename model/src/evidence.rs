//! How much each frequency bin has to say in each frame, before any learning.
//!
//! The phase transform forgets magnitudes: a bin that holds nothing but noise counts as much as one that holds a talker. What tells
//! them apart is gathered here, free of the signal's level: where the bin stands in the frame's spectrum, whether it has just risen
//! (direct sound comes before its reflections), how far it stands above the noise, and how well one direction explains all capsules
//! (the direct-path dominance of one bin). The network learns what to make of it.

/// Features for each bin and frame that every network with evidence has.
pub const FEATURES: usize = 8;
/// Further features of a network whose evidence knows what is around a bin: the three of its frame, how far it stands above the tails of a
/// short and a long reverberation, above its neighbours, and how well one direction has explained all capsules of late.
pub const CONTEXT: usize = 7;
/// Features for each frame: onset, height above the noise and dominance, averaged over the bins.
pub const FRAME_FEATURES: usize = 3;

/// Time constant of the recent average in seconds.
const RECENT_S: f64 = 0.05;
/// How fast the estimate of the noise rises, in bels a second.
const RISE_BEL_S: f64 = 0.5;
/// How fast the tails fall, in bels a second: 60 dB in 0.3 s and in 1 s.
const TAILS_BEL_S: [f64; 2] = [20.0, 6.0];
/// Bins on each side that are neighbours.
const NEIGHBOURS: usize = 2;
/// Added to powers so that digital silence has a logarithm; |X|² of a full-scale sine is about 2·10⁴.
const FLOOR: f32 = 1e-9;

/// What a stream remembers for each bin: recent level and noise level, in bels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvidenceState {
    /// Empty before the first frame.
    recent: Vec<f32>,
    noise: Vec<f32>,
    /// The levels that sound of the past has fallen to, for each of the tails.
    tails: [Vec<f32>; 2],
    /// The largest steered response, averaged.
    dominance: Vec<f32>,
    /// Levels of the frame at hand.
    levels: Vec<f32>,
}

/// What counts of one bin's steered response in one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Response {
    /// The largest value over all directions.
    pub most: f32,
    /// The mean square over all directions.
    pub mean_square: f32,
}

impl Response {
    /// Of the values in all directions, `[Q]`.
    pub fn of(response: &[f32]) -> Self {
        let (most, squares) = response.iter().fold((-1f32, 0f32), |(m, s), x| (m.max(*x), s + x * x));
        Self { most, mean_square: squares / response.len().max(1) as f32 }
    }
}

/// Constants of one array and front end.
#[derive(Clone, Debug, PartialEq)]
pub struct EvidenceSetup {
    /// log₂ C − 3.
    count: f32,
    /// log₁₀ (2πf r/c) for each bin, r the array's root mean square radius.
    wavenumber: Vec<f32>,
    /// log₁₀ of each bin in kHz.
    frequency: Vec<f32>,
    /// Whether there are [`CONTEXT`] features more.
    context: bool,
}

impl EvidenceSetup {
    /// For C capsules at `positions_m` from their centroid and K bins, with or without what is around a bin.
    pub fn new(positions_m: &[[f64; 3]], frequencies_hz: &[f64], speed_of_sound_m_s: f64, context: bool) -> Self {
        let count = positions_m.len().max(1) as f64;
        let radius = (positions_m.iter().flatten().map(|x| x * x).sum::<f64>() / count).sqrt().max(1e-4);
        let wavenumber = |f: &f64| (std::f64::consts::TAU * f * radius / speed_of_sound_m_s).max(1e-6).log10() as f32;
        Self {
            count: (count.log2() - 3.0) as f32,
            wavenumber: frequencies_hz.iter().map(wavenumber).collect(),
            frequency: frequencies_hz.iter().map(|f| (f.max(1.0) / 1000.0).log10() as f32).collect(),
            context,
        }
    }

    /// E, number of features for each bin and frame.
    pub fn features(&self) -> usize {
        features(self.context)
    }
}

/// E with or without what is around a bin.
pub fn features(context: bool) -> usize {
    FEATURES + if context { CONTEXT } else { 0 }
}

impl EvidenceState {
    /// Features `[K][T][E]` and frame features `[T][3]`, flattened, for T frames, into `into`, which lose what they held.
    ///
    /// `power` is `[T][K]`, `responses` `[K][T]` what counts of the mean cosine over all pairs; `hop_s` the time from frame to frame.
    pub fn follow(
        &mut self,
        setup: &EvidenceSetup,
        power: &[f32],
        responses: &[Response],
        hop_s: f64,
        [features, of_frames]: [&mut Vec<f32>; 2],
    ) {
        let bins = setup.frequency.len();
        let frames = responses.len() / bins.max(1);
        let width = setup.features();
        for (buffer, len) in [(&mut *features, bins * frames * width), (&mut *of_frames, frames * FRAME_FEATURES)] {
            buffer.clear();
            buffer.resize(len, 0.0);
        }
        let keep = (-hop_s / RECENT_S).exp() as f32;
        let rise = (RISE_BEL_S * hop_s) as f32;
        let falls = TAILS_BEL_S.map(|rate| (rate * hop_s) as f32);
        let per_bin = 1.0 / bins.max(1) as f32;
        for (t, power) in power.chunks_exact(bins.max(1)).take(frames).enumerate() {
            self.levels.clear();
            self.levels.extend(power.iter().map(|p| (p + FLOOR).log10()));
            let mean = self.levels.iter().sum::<f32>() * per_bin;
            if self.recent.len() != bins {
                self.recent.clone_from(&self.levels);
                self.noise.clone_from(&self.levels);
                self.tails.iter_mut().for_each(|tail| tail.clone_from(&self.levels));
                self.dominance.clear();
                self.dominance.extend((0..bins).map(|k| responses[k * frames + t].most));
            }
            for (k, &level) in self.levels.iter().enumerate() {
                let onset = (level - self.recent[k]).clamp(-3.0, 3.0);
                self.recent[k] = keep * self.recent[k] + (1.0 - keep) * level;
                self.noise[k] = (self.noise[k] + rise).min(self.recent[k]);
                let height = (level - self.noise[k]).clamp(-2.0, 5.0);
                let Response { most, mean_square } = responses[k * frames + t];
                features[(k * frames + t) * width..][..FEATURES].copy_from_slice(&[
                    (level - mean).clamp(-4.0, 4.0),
                    onset,
                    height,
                    most,
                    2.0 * mean_square.sqrt(),
                    setup.count,
                    setup.wavenumber[k],
                    setup.frequency[k],
                ]);
                let frame = &mut of_frames[t * FRAME_FEATURES..][..FRAME_FEATURES];
                frame[0] += onset * per_bin;
                frame[1] += height * per_bin;
                frame[2] += most * per_bin;
            }
            if setup.context {
                let frame = &of_frames[t * FRAME_FEATURES..][..FRAME_FEATURES];
                for (k, &level) in self.levels.iter().enumerate() {
                    let into = &mut features[(k * frames + t) * width + FEATURES..][..CONTEXT];
                    into[..FRAME_FEATURES].copy_from_slice(frame);
                    for ((tail, fall), out) in self.tails.iter_mut().zip(falls).zip(&mut into[FRAME_FEATURES..]) {
                        let fallen = tail[k] - fall;
                        *out = (level - fallen).clamp(-3.0, 3.0);
                        tail[k] = level.max(fallen);
                    }
                    let around = &self.levels[k.saturating_sub(NEIGHBOURS)..(k + NEIGHBOURS + 1).min(bins)];
                    let mean = around.iter().sum::<f32>() / around.len() as f32;
                    into[FRAME_FEATURES + 2] = (level - mean).clamp(-3.0, 3.0);
                    let dominance = &mut self.dominance[k];
                    *dominance = keep * *dominance + (1.0 - keep) * responses[k * frames + t].most;
                    into[FRAME_FEATURES + 3] = *dominance;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITIONS: [[f64; 3]; 2] = [[0.05, 0.0, 0.0], [-0.05, 0.0, 0.0]];

    fn features(state: &mut EvidenceState, power: &[f32], response: f32) -> (Vec<f32>, Vec<f32>) {
        let setup = EvidenceSetup::new(&POSITIONS, &[500.0, 1000.0], 343.0, true);
        let responses = vec![Response::of(&[response; 3]); power.len()];
        // Buffers that held something else before.
        let (mut features, mut of_frames) = (vec![7.0; 3], vec![7.0; 99]);
        state.follow(&setup, power, &responses, 0.016, [&mut features, &mut of_frames]);
        (features, of_frames)
    }

    fn follow(power: &[f32]) -> Vec<f32> {
        features(&mut EvidenceState::default(), power, 0.25).0
    }

    #[test]
    fn the_level_of_the_signal_does_not_matter() {
        let power: Vec<f32> = (0..40).map(|i| 1.0 + (i * i % 17) as f32).collect();
        let louder: Vec<f32> = power.iter().map(|p| p * 1e4).collect();
        for (a, b) in follow(&power).iter().zip(follow(&louder)) {
            assert!((a - b).abs() < 1e-4);
        }
    }

    #[test]
    fn a_rise_is_an_onset_and_stands_above_the_noise() {
        let mut power = vec![1.0f32; 40];
        power[20..].fill(100.0);
        let found = follow(&power);
        let at = |t: usize, feature: usize| found[t * super::features(true) + feature];
        assert!(at(9, 1).abs() < 1e-6 && (at(10, 1) - 2.0).abs() < 1e-4 && at(19, 1) < 0.3);
        assert!(at(9, 2).abs() < 1e-6 && at(10, 2) > 1.5 && at(19, 2) > 1.5);
        assert!((at(0, 3) - 0.25).abs() < 1e-6 && (at(0, 4) - 0.5).abs() < 1e-6);
        // What is around: the frame's onset, tails that are not reached again, neighbours, lasting dominance.
        assert!((at(10, 8) - 2.0).abs() < 1e-4 && (at(10, 11) - 2.0).abs() < 0.4 && (at(10, 12) - 2.0).abs() < 0.2);
        assert!(at(19, 13).abs() < 1e-6 && (at(19, 14) - 0.25).abs() < 1e-6);
        power[20..24].fill(1e4);
        power[24..].fill(10.0);
        let after = follow(&power);
        let at = |t: usize, feature: usize| after[t * super::features(true) + feature];
        // Three bels below, the short tail has come down sooner than the long one.
        assert!(at(13, 11) > at(13, 12) + 0.2 && at(13, 12) < -2.0, "{} {}", at(13, 11), at(13, 12));
    }

    #[test]
    fn silence_and_chunks_make_no_difference() {
        let power: Vec<f32> = (0..12).map(|i| if i < 6 { 0.0 } else { i as f32 }).collect();
        let (whole, of_frames) = features(&mut EvidenceState::default(), &power, 0.1);
        assert!(whole.iter().chain(&of_frames).all(|x| x.is_finite()));
        let mut state = EvidenceState::default();
        for t in 0..6 {
            let (one, frame) = features(&mut state, &power[2 * t..][..2], 0.1);
            assert_eq!(frame, of_frames[t * FRAME_FEATURES..][..FRAME_FEATURES]);
            for k in 0..2 {
                let width = super::features(true);
                assert_eq!(one[k * width..][..width], whole[(k * 6 + t) * width..][..width]);
            }
        }
    }
}
