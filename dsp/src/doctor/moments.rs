//! Picks the moments worth looking at: loud ones, best where sound begins, a few each second.
//!
//! Where sound begins the direct sound comes before the room's answer, so delays are true there. A bucket of tokens keeps the cost down
//! whatever the sound.

use crate::array::MicArray;
use crate::front_end::{FrontEndError, SampleRate};
use crate::nudft::{Complex32, Nudft, NudftError};
use crate::steered::phase_transform;

/// Length of the analysed window in seconds.
const WINDOW_S: f64 = 0.032;
/// Levels are looked at in steps of this many seconds.
pub(super) const HOP_S: f64 = 0.016;
/// Moments a second, on average …
const MOMENTS_PER_S: f32 = 4.0;
/// … and at most this many saved up.
const SAVED_MOMENTS: f32 = 3.0;
/// Without a beginning for so long, seconds, any loud moment will do.
const PATIENCE_S: f32 = 0.6;
/// A sound begins where the level rises by this many decibels within two hops.
const RISE_DB: f32 = 4.0;
/// Loud is what lies at most this far below the loudest of late, in decibels, …
const LOUD_DB: f32 = 10.0;
/// … which is forgotten at this rate, decibels a second.
const FORGET_DB_PER_S: f32 = 2.0;
/// Below this level, in dBFS, nothing is loud.
const GATE_DB: f32 = -70.0;
/// The window that magnitudes are scaled to: the phase transform's floor is the same as in the front end.
const NOMINAL_WINDOW: f64 = 512.0;

/// What one hop held: per active capsule, `[C]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop<'a> {
    /// The hop's samples of each capsule.
    pub samples: &'a [&'a [f32]],
    /// Power without its mean, in dBFS, not below −200.
    pub levels_db: &'a [f32],
    /// The median of the levels.
    pub median_db: f32,
    /// Whether the hop is loud.
    pub loud: bool,
}

/// Blocks in, hops and moments out.
pub(super) struct Moments {
    nudft: Nudft,
    channels: Vec<usize>,
    hop_frames: usize,
    /// The newest samples of each active capsule: at most one window and one hop.
    history: Vec<Vec<f32>>,
    /// Samples in `history` that no hop has taken yet.
    fresh: usize,
    levels_db: Vec<f32>,
    sorted_db: Vec<f32>,
    loudest_db: f32,
    /// Medians of the last two hops.
    before_db: [f32; 2],
    tokens: f32,
    waited_s: f32,
    phat: Vec<Complex32>,
}

impl Moments {
    pub fn new(rate: SampleRate, array: &MicArray, frequencies_hz: &[f64]) -> Result<Self, NudftError> {
        let window_frames = (WINDOW_S * rate.hz()).round() as usize;
        let nudft = Nudft::new(window_frames, frequencies_hz, rate.hz(), NOMINAL_WINDOW / window_frames as f64)?;
        let channels: Vec<_> = array.active().map(|c| c.channel).collect();
        Ok(Self {
            hop_frames: (HOP_S * rate.hz()).round() as usize,
            history: vec![Vec::new(); channels.len()],
            fresh: 0,
            levels_db: vec![0.0; channels.len()],
            sorted_db: vec![0.0; channels.len()],
            loudest_db: GATE_DB,
            before_db: [GATE_DB; 2],
            tokens: SAVED_MOMENTS,
            waited_s: 0.0,
            phat: vec![Complex32::default(); channels.len() * frequencies_hz.len()],
            nudft,
            channels,
        })
    }

    /// Takes a block `[channels][frames]`; calls `hop` for each hop that it completes and `moment` with the phase-transformed spectra
    /// `[C][K]` of each moment that was picked and the levels `[C]` of its newest hop in dBFS.
    pub fn push(
        &mut self,
        bus: &[&[f32]],
        mut hop: impl FnMut(Hop<'_>),
        mut moment: impl FnMut(&[Complex32], &[f32]),
    ) -> Result<(), FrontEndError> {
        let expected = self.channels.iter().map(|c| c + 1).max().unwrap_or(0);
        if bus.len() < expected {
            return Err(FrontEndError::BusTooNarrow { expected, found: bus.len() });
        }
        let frames = bus.first().map_or(0, |c| c.len());
        if let Some(odd) = bus.iter().find(|c| c.len() != frames) {
            return Err(FrontEndError::RaggedBlock { expected: frames, found: odd.len() });
        }
        let mut taken = 0;
        while taken < frames {
            let step = (self.hop_frames - self.fresh).min(frames - taken);
            for (&channel, history) in self.channels.iter().zip(&mut self.history) {
                let samples = &bus[channel][taken..taken + step];
                history.extend(samples.iter().map(|&x| if x.is_finite() { x } else { 0.0 }));
            }
            self.fresh += step;
            taken += step;
            if self.fresh == self.hop_frames {
                self.fresh = 0;
                self.take_hop(&mut hop, &mut moment);
            }
        }
        Ok(())
    }

    fn take_hop(&mut self, hop: &mut impl FnMut(Hop<'_>), moment: &mut impl FnMut(&[Complex32], &[f32])) {
        let start = self.history[0].len() - self.hop_frames;
        let samples: Vec<&[f32]> = self.history.iter().map(|h| &h[start..]).collect();
        for (level_db, x) in self.levels_db.iter_mut().zip(&samples) {
            let (sum, square) = x.iter().fold((0.0f32, 0.0f32), |(s, q), x| (s + x, q + x * x));
            let n = x.len() as f32;
            let power = square / n - (sum / n) * (sum / n);
            *level_db = 10.0 * power.max(1e-20).log10();
        }
        self.sorted_db.copy_from_slice(&self.levels_db);
        self.sorted_db.sort_by(f32::total_cmp);
        let median_db = self.sorted_db[self.sorted_db.len() / 2];
        self.loudest_db = (self.loudest_db - FORGET_DB_PER_S * HOP_S as f32).max(median_db).max(GATE_DB);
        let loud = median_db > GATE_DB && median_db > self.loudest_db - LOUD_DB;
        hop(Hop { samples: &samples, levels_db: &self.levels_db, median_db, loud });

        self.tokens = (self.tokens + MOMENTS_PER_S * HOP_S as f32).min(SAVED_MOMENTS);
        self.waited_s += HOP_S as f32;
        let begins = median_db > self.before_db[0] + RISE_DB;
        self.before_db = [self.before_db[1], median_db];
        let window = self.nudft.window_frames();
        if loud && self.tokens >= 1.0 && (begins || self.waited_s > PATIENCE_S) && self.history[0].len() >= window {
            self.tokens -= 1.0;
            self.waited_s = 0.0;
            let bins = self.nudft.len();
            for (history, out) in self.history.iter().zip(self.phat.chunks_exact_mut(bins)) {
                self.nudft.process(&history[history.len() - window..], out);
            }
            phase_transform(&mut self.phat);
            moment(&self.phat, &self.levels_db);
        }
        for history in &mut self.history {
            let surplus = history.len().saturating_sub(window);
            history.drain(..surplus);
        }
    }
}
