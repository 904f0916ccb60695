//! What was measured.

use serde::Serialize;

/// All figures of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The processor's name.
    pub processor: String,
    /// Whether debug assertions were on: then nothing here counts.
    pub debug: bool,
    /// A short run.
    pub quick: bool,
    /// Resident memory.
    pub memory: Vec<Bytes>,
    /// The whole pipeline at 48 kHz.
    pub pipeline: Vec<Pipeline>,
    /// The whole pipeline with one array at several sample rates.
    pub at_rates: Vec<Pipeline>,
    /// Several instances of AGG-RL at the same time.
    pub at_once: Vec<AtOnce>,
    /// Multiplications with additions that this processor does in a second, on one core, in a large matrix product of singles.
    pub multiply_adds_per_s: f64,
    /// The non-uniform DFT at several sample rates.
    pub transforms: Vec<Transform>,
    /// Changes of settings.
    pub changes: Vec<Change>,
    /// The copy on the audio thread.
    pub copy: PoolCopy,
    /// Where the time of AGG-RL goes: one list for each number of capsules.
    pub stages: Vec<Vec<Stage>>,
}

/// Cost of a localizer.
#[derive(Clone, Debug, Serialize)]
pub struct Pipeline {
    /// Identifier of the engine.
    pub engine: &'static str,
    /// C.
    pub capsules: usize,
    /// D.
    pub directions: usize,
    /// Sample rate in Hz.
    pub rate_hz: f64,
    /// CPU seconds for one second of audio.
    pub load: f64,
}

/// Instances that run at the same time.
#[derive(Clone, Debug, Serialize)]
pub struct AtOnce {
    /// How many.
    pub instances: usize,
    /// C of each.
    pub capsules: usize,
    /// CPU seconds of one for one second of audio.
    pub load: f64,
    /// Time of the slowest over time of the fastest.
    pub unfairness: f64,
}

/// Cost of one window of one capsule, in seconds of CPU time.
#[derive(Clone, Debug, Serialize)]
pub struct Transform {
    /// Sample rate in Hz.
    pub rate_hz: f64,
    /// N, samples of the window.
    pub window_frames: usize,
    /// K.
    pub bins: usize,
    /// The non-uniform FFT.
    pub nudft_s: f64,
    /// Window and real FFT of N samples.
    pub fft_s: f64,
    /// The plain sum with its exponentials from a table of K · N complex singles.
    pub table_s: f64,
    /// The plain sum as written, in double precision.
    pub sum_s: f64,
    /// Largest deviation from the plain sum over the root mean square of the spectrum.
    pub error: f64,
}

/// A change of settings.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// What changes.
    pub what: String,
    /// CPU seconds for each engine: AGG-RL, SRP-PHAT.
    pub cpu_s: [f64; 2],
}

/// The copy of the host's audio into the block pool, in seconds on the wall.
#[derive(Clone, Debug, Serialize)]
pub struct PoolCopy {
    /// Channels of the bus.
    pub channels: usize,
    /// Frames of a block.
    pub frames: usize,
    /// Blocks that were measured.
    pub blocks: usize,
    /// Median.
    pub median_s: f64,
    /// 99.9th percentile.
    pub late_s: f64,
    /// Worst of all: scheduling of other programs included.
    pub worst_s: f64,
}

/// Resident memory that something takes.
#[derive(Clone, Debug, Serialize)]
pub struct Bytes {
    /// What.
    pub what: String,
    /// MB of 10⁶ bytes; none where the system does not tell.
    pub mb: Option<f64>,
}

/// A stage of the pipeline of AGG-RL.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// C.
    pub capsules: usize,
    /// What is done.
    pub stage: &'static str,
    /// CPU seconds for one second of audio.
    pub load: f64,
    /// Multiplications with additions for one second of audio, where they can be counted.
    pub multiply_adds: Option<f64>,
}
