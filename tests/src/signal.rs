//! Audio that shows every lost bit: random bit patterns over all of the finite floats.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A stream of samples, each a random bit pattern: normal, subnormal, huge, negative zero, but always finite.
#[derive(Clone, Debug)]
pub struct BitNoise(SmallRng);

impl BitNoise {
    /// The same seed gives the same samples.
    pub fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// Fills a buffer.
    pub fn fill(&mut self, out: &mut [f32]) {
        for sample in out {
            *sample = loop {
                let candidate = f32::from_bits(self.0.random());
                if candidate.is_finite() {
                    break candidate;
                }
            };
        }
    }

    /// Fills a buffer with any bit patterns at all: not-a-numbers of every kind and infinities among them.
    pub fn fill_any(&mut self, out: &mut [f32]) {
        for sample in out {
            *sample = f32::from_bits(self.0.random());
        }
    }
}

/// White noise between −`level` and `level`.
#[derive(Clone, Debug)]
pub struct WhiteNoise(SmallRng);

impl WhiteNoise {
    /// The same seed gives the same samples.
    pub fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// Fills a buffer.
    pub fn fill(&mut self, level: f32, out: &mut [f32]) {
        for sample in out {
            *sample = self.0.random_range(-level..=level);
        }
    }
}

/// Block sizes as unfriendly hosts send them: odd, changing, one frame at times, the largest at times.
#[derive(Clone, Debug)]
pub struct BlockSizes {
    rng: SmallRng,
    max_frames: usize,
}

impl BlockSizes {
    /// Sizes from 1 to `max_frames`.
    pub fn new(seed: u64, max_frames: usize) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed), max_frames }
    }
}

impl Iterator for BlockSizes {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        Some(match self.rng.random_range(0..8) {
            0 => 1,
            1 => self.max_frames,
            _ => self.rng.random_range(1..=self.max_frames),
        })
    }
}
