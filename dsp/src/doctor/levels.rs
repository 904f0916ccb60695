//! Channels that do not work, from their levels and peaks alone: dead ones and clipped ones.

use super::moments::{HOP_S, Hop};

/// Evidence older than about this, in seconds, is forgotten.
const MEMORY_S: f64 = 20.0;
/// Loud sound needed before a channel is called dead, in seconds.
const ENOUGH_S: f64 = 3.0;
/// A channel this far below the median of all, in dB, is as good as silent.
const SILENT_DB: f64 = -30.0;
/// A channel whose level moves by less than this share of what the median moves hears something else.
const FOLLOWS: f64 = 0.2;
/// … if the median moves enough, standard deviation in dB.
const MOVES_DB: f64 = 2.5;
/// Equal samples in a row that make a cut-off peak, …
const FLAT_SAMPLES: usize = 3;
/// … at least this near the channel's highest, as a share, …
const FLAT_TOP: f32 = 0.99;
/// … and this high, re full scale, …
const FLAT_LEVEL: f32 = 0.03;
/// … with a step beside it of at least this share: smooth peaks have none, however coarse the converter.
const FLAT_STEP: f32 = 0.002;
/// Cut-off peaks needed.
const FLAT_TOPS: f64 = 3.0;

/// What is known of a dead channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dead {
    /// Mean level re the median of all channels while there is sound, in dB.
    pub below_db: f64,
    /// How far the level follows the others': 1 fully, 0 not at all. `None` where the others' level hardly changes.
    pub follows: Option<f64>,
}

/// Running statistics of the levels of C channels.
pub(super) struct Levels {
    channels: Vec<Channel>,
    /// Loud hops and all hops, with forgetting.
    loud: f64,
    all: f64,
    /// Sums over all hops of the median level and its square, in dB.
    median: f64,
    median_square: f64,
}

#[derive(Clone, Default)]
struct Channel {
    /// Sum over loud hops of the level re the median.
    below: f64,
    /// Sums over all hops of the level, and of the level times the median.
    level: f64,
    product: f64,
    /// Highest sample so far.
    peak: f32,
    /// Cut-off peaks, with forgetting.
    flat_tops: f64,
    /// The newest value, how often it came in a row, and the one before.
    last: f32,
    run: usize,
    before: f32,
}

impl Levels {
    pub fn new(capsules: usize) -> Self {
        let channels = vec![Channel::default(); capsules];
        Self { channels, loud: 0.0, all: 0.0, median: 0.0, median_square: 0.0 }
    }

    /// Takes one hop.
    pub fn push(&mut self, hop: Hop<'_>) {
        let keep = 1.0 - HOP_S / MEMORY_S;
        let median = f64::from(hop.median_db);
        for sum in [&mut self.loud, &mut self.all, &mut self.median, &mut self.median_square] {
            *sum *= keep;
        }
        self.loud += f64::from(u8::from(hop.loud));
        self.all += 1.0;
        self.median += median;
        self.median_square += median * median;
        for ((channel, &level), samples) in self.channels.iter_mut().zip(hop.levels_db).zip(hop.samples) {
            let level = f64::from(level);
            for sum in [&mut channel.below, &mut channel.level, &mut channel.product, &mut channel.flat_tops] {
                *sum *= keep;
            }
            if hop.loud {
                channel.below += level - median;
            }
            channel.level += level;
            channel.product += level * median;
            channel.look_for_flat_tops(samples);
        }
    }

    /// Whether the channel of a capsule is dead, and why.
    pub fn dead(&self, capsule: usize) -> Option<Dead> {
        if self.loud * HOP_S < ENOUGH_S {
            return None;
        }
        let channel = &self.channels[capsule];
        let below_db = channel.below / self.loud;
        let (mean, level) = (self.median / self.all, channel.level / self.all);
        let variance = self.median_square / self.all - mean * mean;
        let follows = (variance > MOVES_DB * MOVES_DB).then(|| (channel.product / self.all - mean * level) / variance);
        (below_db < SILENT_DB || follows.is_some_and(|f| f < FOLLOWS)).then_some(Dead { below_db, follows })
    }

    /// Number of cut-off peaks of late and the sample value they stop at, where there are enough.
    pub fn clipped(&self, capsule: usize) -> Option<(usize, f32)> {
        let channel = &self.channels[capsule];
        (channel.flat_tops >= FLAT_TOPS).then_some((channel.flat_tops.round() as usize, channel.peak))
    }
}

impl Channel {
    fn look_for_flat_tops(&mut self, samples: &[f32]) {
        for &x in samples {
            if (x - self.last).abs() <= 1e-6 * x.abs() {
                self.run += 1;
                continue;
            }
            let height = self.last.abs();
            if self.run >= FLAT_SAMPLES && height >= FLAT_TOP * self.peak && height > FLAT_LEVEL {
                let step = (self.before - self.last).abs().max((x - self.last).abs());
                if step > FLAT_STEP * height {
                    self.flat_tops += 1.0;
                }
            }
            if x.abs() > self.peak {
                // What was flat below a higher peak was not the converter's end.
                if self.peak < FLAT_TOP * x.abs() {
                    self.flat_tops = 0.0;
                }
                self.peak = x.abs();
            }
            (self.before, self.last, self.run) = (self.last, x, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat_tops(samples: impl Iterator<Item = f32>) -> f64 {
        let mut channel = Channel::default();
        channel.look_for_flat_tops(&samples.collect::<Vec<_>>());
        channel.flat_tops
    }

    #[test]
    fn cut_off_peaks_are_counted_and_round_ones_are_not() {
        for tone_hz in [97.0, 300.0, 2000.0] {
            let tone = |n: i32| (std::f32::consts::TAU * tone_hz * n as f32 / 48_000.0).sin() * 0.9;
            let coarse = |x: f32| (x * 32768.0).round() / 32768.0;
            assert_eq!(flat_tops((0..48_000).map(|n| coarse(tone(n)))), 0.0, "{tone_hz} Hz");
            assert_eq!(flat_tops((0..48_000).map(|n| coarse(0.01 * tone(n)))), 0.0, "{tone_hz} Hz, quiet");
            let clipped = flat_tops((0..48_000).map(|n| tone(n).clamp(-0.7, 0.7)));
            // Slow slopes have a small last step, not always one that counts.
            let tops = 2.0 * f64::from(tone_hz);
            assert!((0.5 * tops..=tops + 1.0).contains(&clipped), "{clipped} at {tone_hz} Hz");
        }
    }
}
