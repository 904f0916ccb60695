//! How much each frequency bin has to say in each frame, before any learning.
//!
//! The phase transform forgets magnitudes: a bin that holds nothing but noise counts as much as one that holds a talker. What tells
//! them apart is gathered here, free of the signal's level: where the bin stands in the frame's spectrum, whether it has just risen
//! (direct sound comes before its reflections), how far it stands above the noise, and how well one direction explains all capsules
//! (the direct-path dominance of one bin). The network learns what to make of it.

/// E, number of features for each bin and frame.
pub const FEATURES: usize = 8;
/// Features for each frame: onset, height above the noise and dominance, averaged over the bins.
pub const FRAME_FEATURES: usize = 3;

/// Time constant of the recent average in seconds.
const RECENT_S: f64 = 0.05;
/// How fast the estimate of the noise rises, in bels a second.
const RISE_BEL_S: f64 = 0.5;
/// Added to powers so that digital silence has a logarithm; |X|² of a full-scale sine is about 2·10⁴.
const FLOOR: f32 = 1e-9;

/// What a stream remembers for each bin: recent level and noise level, in bels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvidenceState {
    /// Empty before the first frame.
    recent: Vec<f32>,
    noise: Vec<f32>,
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
}

impl EvidenceSetup {
    /// For C capsules at `positions_m` from their centroid and K bins.
    pub fn new(positions_m: &[[f64; 3]], frequencies_hz: &[f64], speed_of_sound_m_s: f64) -> Self {
        let count = positions_m.len().max(1) as f64;
        let radius = (positions_m.iter().flatten().map(|x| x * x).sum::<f64>() / count).sqrt().max(1e-4);
        let wavenumber = |f: &f64| (std::f64::consts::TAU * f * radius / speed_of_sound_m_s).max(1e-6).log10() as f32;
        Self {
            count: (count.log2() - 3.0) as f32,
            wavenumber: frequencies_hz.iter().map(wavenumber).collect(),
            frequency: frequencies_hz.iter().map(|f| (f.max(1.0) / 1000.0).log10() as f32).collect(),
        }
    }
}

impl EvidenceState {
    /// Features `[K][T][E]` and frame features `[T][3]`, flattened, for T frames.
    ///
    /// `power` is `[T][K]`, `steered` the mean cosine over all pairs `[K][T][Q]`; `hop_s` the time from frame to frame.
    pub fn follow(
        &mut self,
        setup: &EvidenceSetup,
        power: &[f32],
        steered: &[f32],
        [frames, directions]: [usize; 2],
        hop_s: f64,
    ) -> (Vec<f32>, Vec<f32>) {
        let bins = setup.frequency.len();
        let mut features = vec![0f32; bins * frames * FEATURES];
        let mut of_frames = vec![0f32; frames * FRAME_FEATURES];
        let keep = (-hop_s / RECENT_S).exp() as f32;
        let rise = (RISE_BEL_S * hop_s) as f32;
        let per_bin = 1.0 / bins.max(1) as f32;
        for (t, power) in power.chunks_exact(bins.max(1)).take(frames).enumerate() {
            let levels: Vec<f32> = power.iter().map(|p| (p + FLOOR).log10()).collect();
            let mean = levels.iter().sum::<f32>() * per_bin;
            if self.recent.len() != bins {
                self.recent.clone_from(&levels);
                self.noise.clone_from(&levels);
            }
            for (k, &level) in levels.iter().enumerate() {
                let onset = (level - self.recent[k]).clamp(-3.0, 3.0);
                self.recent[k] = keep * self.recent[k] + (1.0 - keep) * level;
                self.noise[k] = (self.noise[k] + rise).min(self.recent[k]);
                let height = (level - self.noise[k]).clamp(-2.0, 5.0);
                let response = &steered[(k * frames + t) * directions..][..directions];
                let (most, squares) = response.iter().fold((-1f32, 0f32), |(m, s), x| (m.max(*x), s + x * x));
                let spread = (squares / directions.max(1) as f32).sqrt();
                features[(k * frames + t) * FEATURES..][..FEATURES].copy_from_slice(&[
                    (level - mean).clamp(-4.0, 4.0),
                    onset,
                    height,
                    most,
                    2.0 * spread,
                    setup.count,
                    setup.wavenumber[k],
                    setup.frequency[k],
                ]);
                let frame = &mut of_frames[t * FRAME_FEATURES..][..FRAME_FEATURES];
                frame[0] += onset * per_bin;
                frame[1] += height * per_bin;
                frame[2] += most * per_bin;
            }
        }
        (features, of_frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITIONS: [[f64; 3]; 2] = [[0.05, 0.0, 0.0], [-0.05, 0.0, 0.0]];

    fn follow(power: &[f32], frames: usize) -> Vec<f32> {
        let setup = EvidenceSetup::new(&POSITIONS, &[500.0, 1000.0], 343.0);
        let steered = vec![0.25; 2 * frames * 3];
        EvidenceState::default().follow(&setup, power, &steered, [frames, 3], 0.016).0
    }

    #[test]
    fn the_level_of_the_signal_does_not_matter() {
        let power: Vec<f32> = (0..40).map(|i| 1.0 + (i * i % 17) as f32).collect();
        let louder: Vec<f32> = power.iter().map(|p| p * 1e4).collect();
        for (a, b) in follow(&power, 20).iter().zip(follow(&louder, 20)) {
            assert!((a - b).abs() < 1e-4);
        }
    }

    #[test]
    fn a_rise_is_an_onset_and_stands_above_the_noise() {
        let mut power = vec![1.0f32; 40];
        power[20..].fill(100.0);
        let found = follow(&power, 20);
        let at = |t: usize, feature: usize| found[t * FEATURES + feature];
        assert!(at(9, 1).abs() < 1e-6 && (at(10, 1) - 2.0).abs() < 1e-4 && at(19, 1) < 0.3);
        assert!(at(9, 2).abs() < 1e-6 && at(10, 2) > 1.5 && at(19, 2) > 1.5);
        assert!((at(0, 3) - 0.25).abs() < 1e-6 && (at(0, 4) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn silence_and_chunks_make_no_difference() {
        let setup = EvidenceSetup::new(&POSITIONS, &[500.0, 1000.0], 343.0);
        let power: Vec<f32> = (0..12).map(|i| if i < 6 { 0.0 } else { i as f32 }).collect();
        let (whole, of_frames) = EvidenceState::default().follow(&setup, &power, &[0.1; 12], [6, 1], 0.016);
        assert!(whole.iter().chain(&of_frames).all(|x| x.is_finite()));
        let mut state = EvidenceState::default();
        for t in 0..6 {
            let (one, frame) = state.follow(&setup, &power[2 * t..][..2], &[0.1; 2], [1, 1], 0.016);
            assert_eq!(frame, of_frames[t * FRAME_FEATURES..][..FRAME_FEATURES]);
            for k in 0..2 {
                assert_eq!(one[k * FEATURES..][..FEATURES], whole[(k * 6 + t) * FEATURES..][..FEATURES]);
            }
        }
    }
}
