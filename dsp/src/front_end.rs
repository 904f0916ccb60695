//! The streaming front end: blocks of any size in, phase-transformed spectra of every capsule out, frame by frame.
//!
//! Windows and hops are fixed in time, bins in Hz, so the analysis is the same at every sample rate and no resampler is needed.

use std::fmt;

use crate::array::MicArray;
use crate::levels::LevelSlope;
use crate::nudft::{Complex32, Nudft, NudftError};
use crate::steered::phase_transform;

/// A sample rate at which the front end works: 16 kHz … 768 kHz, fractional ones too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRate {
    hz: f64,
}

/// Why the front end cannot work.
#[derive(Clone, Debug, PartialEq)]
pub enum FrontEndError {
    /// The sample rate lies outside 16 kHz … 768 kHz.
    SampleRate {
        /// The rate in Hz.
        found_hz: f64,
    },
    /// The bus has fewer channels than the array needs.
    BusTooNarrow {
        /// Channels that the array needs.
        expected: usize,
        /// Channels of the bus.
        found: usize,
    },
    /// The channels of one block differ in length.
    RaggedBlock {
        /// Frames of channel 0.
        expected: usize,
        /// Frames of the channel that differs.
        found: usize,
    },
    /// The bins cannot be planned.
    Bins(NudftError),
}

impl fmt::Display for FrontEndError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SampleRate { found_hz } => {
                write!(f, "sample rate: expected 16000 to 768000 Hz, found {found_hz} Hz")
            }
            Self::BusTooNarrow { expected, found } => {
                write!(f, "the array needs {expected} channels, found {found}")
            }
            Self::RaggedBlock { expected, found } => {
                write!(f, "expected {expected} frames in every channel of a block, found {found}")
            }
            Self::Bins(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for FrontEndError {}

impl SampleRate {
    /// A rate in Hz.
    ///
    /// # Errors
    /// [`FrontEndError::SampleRate`] outside 16 kHz … 768 kHz: below, the network's bins do not exist.
    pub fn new(hz: f64) -> Result<Self, FrontEndError> {
        if (16_000.0..=768_000.0).contains(&hz) {
            Ok(Self { hz })
        } else {
            Err(FrontEndError::SampleRate { found_hz: hz })
        }
    }

    /// The rate in Hz.
    pub fn hz(&self) -> f64 {
        self.hz
    }
}

/// Lengths of the analysis in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameTiming {
    /// Length of the Hann window.
    pub window_s: f64,
    /// Time from one frame to the next.
    pub hop_s: f64,
}

/// One analysed frame.
#[derive(Clone, Copy, Debug)]
pub struct SpectrumFrame<'a> {
    /// Counts frames since the last reset.
    pub index: u64,
    /// Index of the sample after the frame's window, since the last reset.
    pub end_frames: u64,
    /// Root mean square of the array's capsules over the window, in dBFS; −∞ for digital silence.
    pub level_db: f32,
    /// Phase-transformed spectra `[C][K]` flattened.
    pub phat: &'a [Complex32],
    /// Power of each bin before the phase transform, averaged over the capsules, `[K]`: |X|² of a window of 512 samples' scale.
    pub power: &'a [f32],
    /// Slope of the magnitudes over the array, `[3][K]` flattened; see [`crate::levels`].
    pub level_slopes: &'a [f32],
}

/// The largest sample that counts as sound, as a factor of full scale: 120 dB above it. What is larger comes from a fault upstream, and
/// the powers of what is far larger still are not finite.
const LARGEST_SAMPLE: f32 = 1e6;

/// The window that magnitudes are scaled to, so that the phase transform's floor means the same at every sample rate.
const NOMINAL_WINDOW: f64 = 512.0;

/// Streaming analysis of the capsules of one array.
#[derive(Debug)]
pub struct FrontEnd {
    rate: SampleRate,
    timing: FrameTiming,
    nudft: Nudft,
    /// Channel of each active capsule, `[C]`.
    channels: Vec<usize>,
    /// The newest samples of every channel of the bus; all of one length.
    history: Vec<Vec<f32>>,
    /// Index, since the last reset, of the first sample in `history`.
    history_start: u64,
    history_len: usize,
    next_frame: u64,
    phat: Vec<Complex32>,
    bin_power: Vec<f32>,
    slope: LevelSlope,
}

impl FrontEnd {
    /// A front end for one array at one rate with K bins in Hz.
    ///
    /// # Errors
    /// [`FrontEndError::Bins`] when a bin lies above half the sample rate or the window is unusable.
    pub fn new(
        rate: SampleRate,
        timing: FrameTiming,
        frequencies_hz: &[f64],
        array: &MicArray,
    ) -> Result<Self, FrontEndError> {
        let window_frames = (timing.window_s * rate.hz).round() as usize;
        let scale = NOMINAL_WINDOW / window_frames.max(1) as f64;
        let nudft = Nudft::new(window_frames, frequencies_hz, rate.hz, scale).map_err(FrontEndError::Bins)?;
        let mut front_end = Self {
            rate,
            timing,
            nudft,
            channels: Vec::new(),
            history: Vec::new(),
            history_start: 0,
            history_len: 0,
            next_frame: 0,
            phat: Vec::new(),
            bin_power: Vec::new(),
            slope: LevelSlope::default(),
        };
        front_end.set_array(array);
        Ok(front_end)
    }

    /// Changes the array; the audio heard so far is kept, so no frame is lost.
    pub fn set_array(&mut self, array: &MicArray) {
        self.channels = array.active().map(|c| c.channel).collect();
        self.phat = vec![Complex32::default(); self.channels.len() * self.nudft.len()];
        self.slope = LevelSlope::new(array);
    }

    /// Forgets all audio; time starts again at 0.
    pub fn reset(&mut self) {
        self.history.iter_mut().for_each(Vec::clear);
        (self.history_start, self.history_len, self.next_frame) = (0, 0, 0);
    }

    /// N, the window's length in samples.
    pub fn window_frames(&self) -> usize {
        self.nudft.window_frames()
    }

    /// Takes one planar block `[channels][frames]` of any length and calls `sink` for each frame that it completes.
    ///
    /// Samples that are not finite, or that are 120 dB and more above full scale, count as silence and leave no trace.
    ///
    /// # Errors
    /// [`FrontEndError::BusTooNarrow`] or [`FrontEndError::RaggedBlock`]; nothing is taken then.
    pub fn push(&mut self, bus: &[&[f32]], sink: &mut dyn FnMut(SpectrumFrame<'_>)) -> Result<(), FrontEndError> {
        let needed = self.channels.iter().map(|c| c + 1).max().unwrap_or(0);
        if bus.len() < needed {
            return Err(FrontEndError::BusTooNarrow { expected: needed, found: bus.len() });
        }
        let frames = bus.first().map_or(0, |c| c.len());
        if let Some(odd) = bus.iter().find(|c| c.len() != frames) {
            return Err(FrontEndError::RaggedBlock { expected: frames, found: odd.len() });
        }
        while self.history.len() < bus.len() {
            self.history.push(vec![0.0; self.history_len]);
        }
        let mut taken = 0;
        while taken < frames {
            let frame_end = self.frame_start(self.next_frame) + self.window_frames() as u64;
            let heard = self.history_start + self.history_len as u64;
            let step = ((frame_end - heard) as usize).min(frames - taken);
            for (channel, history) in self.history.iter_mut().enumerate() {
                match bus.get(channel) {
                    Some(samples) => history.extend(samples[taken..taken + step].iter().map(|&x| {
                        // Not a number is not below anything.
                        if x.abs() < LARGEST_SAMPLE { x } else { 0.0 }
                    })),
                    None => history.resize(history.len() + step, 0.0),
                }
            }
            self.history_len += step;
            taken += step;
            if heard + step as u64 == frame_end {
                self.analyse(frame_end, sink);
            }
        }
        Ok(())
    }

    fn frame_start(&self, index: u64) -> u64 {
        (index as f64 * self.timing.hop_s * self.rate.hz).round() as u64
    }

    fn analyse(&mut self, frame_end: u64, sink: &mut dyn FnMut(SpectrumFrame<'_>)) {
        let window = self.window_frames();
        let start = self.history_len - window;
        let mut power = 0.0f64;
        self.bin_power.clear();
        self.bin_power.resize(self.nudft.len(), 0.0);
        self.slope.begin(self.nudft.len());
        let per_capsule = 1.0 / self.channels.len().max(1) as f32;
        let spectra = self.phat.chunks_exact_mut(self.nudft.len().max(1));
        for (capsule, (&channel, out)) in self.channels.iter().zip(spectra).enumerate() {
            let x = &self.history[channel][start..];
            power += energy(x);
            self.nudft.process(x, out);
            for (power, x) in self.bin_power.iter_mut().zip(out.iter()) {
                *power += x.norm_sqr() * per_capsule;
            }
            self.slope.add(capsule, out);
        }
        phase_transform(&mut self.phat);
        let mean_square = power / (window * self.channels.len().max(1)) as f64;
        sink(SpectrumFrame {
            index: self.next_frame,
            end_frames: frame_end,
            level_db: 10.0 * (mean_square as f32).log10(),
            phat: &self.phat,
            power: &self.bin_power,
            level_slopes: self.slope.finish(),
        });
        self.next_frame += 1;
        // What comes before the next window is not needed any more.
        let surplus =
            (self.frame_start(self.next_frame).saturating_sub(self.history_start) as usize).min(self.history_len);
        for history in &mut self.history {
            history.drain(..surplus);
        }
        self.history_start += surplus as u64;
        self.history_len -= surplus;
    }
}

/// Sum of the squares, in eight sums, so that none waits for the one before it.
fn energy(x: &[f32]) -> f64 {
    let mut sums = [0f64; 8];
    let eights = x.chunks_exact(8);
    let rest: f64 = eights.remainder().iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    for eight in eights {
        for (sum, &x) in sums.iter_mut().zip(eight) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets;
    use proptest::prelude::*;

    const TIMING: FrameTiming = FrameTiming { window_s: 0.032, hop_s: 0.016 };

    fn front_end(rate: f64) -> FrontEnd {
        let bins: Vec<f64> = (0..32).map(|k| 100.0 + 200.0 * f64::from(k)).collect();
        let array = presets::find("a-format-tetrahedron").unwrap().array;
        FrontEnd::new(SampleRate::new(rate).unwrap(), TIMING, &bins, &array).unwrap()
    }

    fn signal(len: usize) -> Vec<Vec<f32>> {
        (0..5).map(|c| (0..len).map(|n| ((n * n + 31 * c * n) as f32 * 1e-3).sin() * 0.1).collect()).collect()
    }

    fn run(front_end: &mut FrontEnd, audio: &[Vec<f32>], blocks: &[usize]) -> Vec<(u64, u64, Vec<Complex32>)> {
        let mut found = Vec::new();
        let (mut at, mut block) = (0, 0);
        while at < audio[0].len() {
            let n = blocks[block % blocks.len()].min(audio[0].len() - at);
            block += 1;
            let bus: Vec<&[f32]> = audio.iter().map(|c| &c[at..at + n]).collect();
            front_end.push(&bus, &mut |f| found.push((f.index, f.end_frames, f.phat.to_vec()))).unwrap();
            at += n;
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn block_sizes_do_not_matter(blocks in prop::collection::vec(1usize..3000, 1..6)) {
            let audio = signal(20_000);
            let expected = run(&mut front_end(44_100.0), &audio, &[20_000]);
            prop_assert_eq!(expected.len(), ((20_000.0 - 1411.0) / 705.6) as usize + 1);
            prop_assert_eq!(run(&mut front_end(44_100.0), &audio, &blocks), expected);
        }
    }

    #[test]
    fn frames_end_where_they_should_at_every_rate() {
        for rate in [16_000.0, 44_100.0, 96_000.0] {
            let found = run(&mut front_end(rate), &signal((rate * 0.3) as usize), &[512]);
            for (index, end, _) in found {
                assert!((end as f64 / rate - (0.032 + 0.016 * index as f64)).abs() <= 1.0 / rate, "{index} {end}");
            }
        }
    }

    #[test]
    fn what_is_no_sound_leaves_no_trace() {
        let clean = signal(16_000);
        let mut dirty = clean.clone();
        let mut silenced = clean.clone();
        let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1e19, -1e6];
        for (i, bad) in bad.into_iter().enumerate() {
            dirty[i % 4][4000 + i] = bad;
            silenced[i % 4][4000 + i] = 0.0;
        }
        let mut a = front_end(16_000.0);
        assert_eq!(run(&mut a, &dirty, &[333]), run(&mut front_end(16_000.0), &silenced, &[333]));
        a.reset();
        assert_eq!(run(&mut a, &clean, &[77]), run(&mut front_end(16_000.0), &clean, &[100]));
    }

    #[test]
    fn wrong_buses_are_named() {
        let mut f = front_end(16_000.0);
        let block = [0.0; 8];
        let narrow = f.push(&[&block[..]; 3], &mut |_| {}).unwrap_err();
        assert_eq!(narrow, FrontEndError::BusTooNarrow { expected: 4, found: 3 });
        let ragged = f.push(&[&block[..], &block, &block, &block[..7]], &mut |_| {}).unwrap_err();
        assert_eq!(ragged, FrontEndError::RaggedBlock { expected: 8, found: 7 });
        assert!(SampleRate::new(8000.0).is_err() && SampleRate::new(f64::NAN).is_err());
    }
}
