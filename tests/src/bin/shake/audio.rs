//! What the audio thread does: blocks of any size of any signal, with automation, sleeps and resets between.

use rand::Rng;
use rand::rngs::SmallRng;

use spherescope_tests::Result;
use spherescope_tests::host::{Parameter, Stream};
use spherescope_tests::signal::{BitNoise, WhiteNoise};

/// Samples of one run at most, over all channels and blocks: wide buses with long blocks get fewer of them.
const MOST_SAMPLES: usize = 4_000_000;

/// One run of the audio thread, drawn before it starts.
#[derive(Clone, Debug)]
pub struct Run {
    seed: u64,
    signal: Signal,
    blocks: usize,
    max_frames: usize,
    sleeps: bool,
    resets: bool,
    /// Identifiers and values, one sent with every few blocks.
    automation: Vec<(u32, f64)>,
}

#[derive(Clone, Copy, Debug)]
enum Signal {
    Silence,
    Noise,
    /// Any finite float.
    Bits,
    /// Any float at all: not-a-numbers, infinities, subnormals.
    AnyBits,
    NotANumber,
    Infinity,
    Subnormal,
}

impl Run {
    /// Draws a run for a stream of so many channels.
    pub fn draw(rng: &mut SmallRng, channels: usize, max_frames: usize, parameters: &[Parameter]) -> Self {
        const SIGNALS: [Signal; 8] = [
            Signal::Silence,
            Signal::Noise,
            Signal::Noise,
            Signal::Bits,
            Signal::AnyBits,
            Signal::NotANumber,
            Signal::Infinity,
            Signal::Subnormal,
        ];
        let most = (MOST_SAMPLES / (channels * max_frames)).clamp(1, 400);
        let automation = (0..rng.random_range(0..6)).map(|_| event(rng, parameters)).collect();
        Self {
            seed: rng.random(),
            signal: SIGNALS[rng.random_range(0..SIGNALS.len())],
            blocks: rng.random_range(1..=most),
            max_frames,
            sleeps: rng.random_bool(0.2),
            resets: rng.random_bool(0.2),
            automation,
        }
    }

    /// Plays it; every block is compared bit by bit.
    ///
    /// # Errors
    /// When the plugin refuses a block or changes a bit.
    pub fn play(&self, stream: &mut Stream) -> Result<()> {
        let mut sizes = spherescope_tests::signal::BlockSizes::new(self.seed, self.max_frames);
        let mut automation = self.automation.iter();
        stream.start()?;
        for block in 0..self.blocks {
            let frames = sizes.next().unwrap_or(1);
            for channel in 0..stream.channels() {
                let seed = self.seed.wrapping_add((block * 64 + channel) as u64);
                self.signal.fill(seed, &mut stream.input_mut(channel)[..frames]);
            }
            if block % 3 == 0
                && let Some(&(id, value)) = automation.next()
            {
                stream.set_parameter(id, value);
            }
            stream.run(frames)?;
            stream.check_bit_exact(frames)?;
            if self.sleeps && block % 7 == 3 {
                stream.stop();
                stream.start()?;
            }
            if self.resets && block % 5 == 2 {
                stream.reset();
            }
        }
        if self.sleeps {
            stream.stop();
        }
        Ok(())
    }
}

/// A parameter's identifier, now and then an unknown one, and a value, now and then one that is none.
fn event(rng: &mut SmallRng, parameters: &[Parameter]) -> (u32, f64) {
    let p = &parameters[rng.random_range(0..parameters.len())];
    let value = match rng.random_range(0..8) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => p.max * 1e6 + 1.0,
        3 => -1e300,
        _ => rng.random_range(p.min..=p.max),
    };
    (if rng.random_bool(0.05) { rng.random() } else { p.id }, value)
}

impl Signal {
    fn fill(self, seed: u64, out: &mut [f32]) {
        match self {
            Self::Silence => out.fill(0.0),
            Self::Noise => WhiteNoise::new(seed).fill(0.5, out),
            Self::Bits => BitNoise::new(seed).fill(out),
            Self::AnyBits => BitNoise::new(seed).fill_any(out),
            Self::NotANumber => out.fill(f32::NAN),
            Self::Infinity => out.fill(if seed.is_multiple_of(2) { f32::INFINITY } else { f32::NEG_INFINITY }),
            Self::Subnormal => out.fill(f32::from_bits(seed as u32 & 0x007f_ffff)),
        }
    }
}
