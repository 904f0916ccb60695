//! What the worker measures beside the spectrum: the levels of the bus and its own load.

use std::time::{Duration, Instant};

use spherescope_dsp::Block;

/// Time constant of the fall of the levels, in seconds.
const LEVEL_FALL_S: f32 = 0.15;
/// Levels below this are silence.
const SILENCE: f32 = 1e-6;
/// Time constant of the load's smoothing, in seconds.
const LOAD_S: f32 = 0.5;

/// Peak levels of the bus, which rise at once and fall smoothly.
pub(crate) struct Levels {
    /// Linear, `[channels]`.
    peaks: Vec<f32>,
    /// Linear, since the last look, `[channels]`.
    newest: Vec<f32>,
    looked: Instant,
}

impl Levels {
    pub(crate) fn new(channels: usize, now: Instant) -> Self {
        Self { peaks: vec![0.0; channels], newest: vec![0.0; channels], looked: now }
    }

    pub(crate) fn take(&mut self, block: &Block) {
        for (channel, newest) in self.newest.iter_mut().enumerate() {
            // `max` passes over samples that are not numbers.
            *newest = block.channel(channel).iter().fold(*newest, |peak, x| peak.max(x.abs()));
        }
    }

    /// Levels in dBFS, `[channels]`.
    pub(crate) fn fall(&mut self, now: Instant) -> Vec<f32> {
        let keep = (-now.duration_since(self.looked).as_secs_f32() / LEVEL_FALL_S).exp();
        self.looked = now;
        let each = self.peaks.iter_mut().zip(&mut self.newest);
        each.map(|(peak, newest)| {
            *peak = if newest.is_finite() { newest.max(*peak * keep) } else { f32::MAX };
            *newest = 0.0;
            if *peak < SILENCE { f32::NEG_INFINITY } else { 20.0 * peak.log10() }
        })
        .collect()
    }
}

/// Share of one core that the analysis uses.
pub(crate) struct Load {
    /// Time spent since the last look.
    pub(crate) busy: Duration,
    measured: Instant,
    load: f32,
}

impl Load {
    pub(crate) fn new(now: Instant) -> Self {
        Self { busy: Duration::ZERO, measured: now, load: 0.0 }
    }

    pub(crate) fn measure(&mut self, now: Instant) -> f32 {
        let elapsed = now.duration_since(self.measured).as_secs_f32();
        if elapsed > 0.0 {
            let share = (std::mem::take(&mut self.busy).as_secs_f32() / elapsed).min(1.0);
            let keep = (-elapsed / LOAD_S).exp();
            self.load = keep * self.load + (1.0 - keep) * share;
            self.measured = now;
        }
        self.load
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spherescope_dsp::block_pool;

    #[test]
    fn levels_are_peaks_and_silence_is_minus_infinity() {
        let (mut writer, mut reader) = block_pool(3, 4, 1);
        let begin = Instant::now();
        let mut levels = Levels::new(3, begin);
        writer.push(4, |channel, out| out.copy_from_slice(&[0.0, [0.0, -0.5, f32::NAN][channel], 0.1, 0.0]));
        reader.with_next(|block| levels.take(block));
        let db = levels.fall(begin);
        assert!((db[1] + 6.02).abs() < 0.01 && (db[2] + 20.0).abs() < 0.01, "{db:?}");
        let later = levels.fall(begin + Duration::from_secs(10));
        assert_eq!(later, [f32::NEG_INFINITY; 3]);
    }
}
