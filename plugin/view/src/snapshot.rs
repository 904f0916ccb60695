//! What the worker publishes and the editor draws: one immutable picture of the analysis.

use std::sync::Arc;

use spherescope_dsp::doctor::Finding;
use spherescope_dsp::{Grid, MicArray, Peak, Region, Track};
use spherescope_model::Engine;

/// The newest state of the analysis.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Counts up with every published snapshot; 0 before the first.
    pub sequence: u64,
    /// Time of the end of the newest analysed window since activation, in seconds.
    pub t_s: f64,
    /// The engine that made the spectrum.
    pub engine: Engine,
    /// The array as analysed: capsules without a channel on the bus are muted.
    pub array: Arc<MicArray>,
    /// The D directions of the spectrum.
    pub grid: Arc<Grid>,
    /// The part of the sphere in which sources are looked for; the grid covers it and a little more.
    pub region: Region,
    /// Spatial spectrum `[D]`, 0 … 1; empty before the first frame.
    pub spectrum: Vec<f32>,
    /// The peaks to show, gated and thresholded, best first.
    pub peaks: Vec<Peak>,
    /// The confirmed tracks, oldest first, those that coast through a pause included.
    pub tracks: Vec<Track>,
    /// What the other engine makes of the same sound, while both are compared.
    pub other: Option<Other>,
    /// Whether the input was above the gate.
    pub active: bool,
    /// Peak level of each channel of the bus in dBFS, −∞ for silence, over the last blocks.
    pub levels_db: Vec<f32>,
    /// What the layout doctor has found, in the layout and in the sound.
    pub findings: Arc<[Finding]>,
    /// Seconds of sound that the doctor has heard.
    pub doctor_heard_s: f64,
    /// How the machinery does.
    pub health: Health,
}

/// The other engine's view of the same sound.
#[derive(Clone, Debug)]
pub struct Other {
    /// The engine.
    pub engine: Engine,
    /// Its spatial spectrum `[D]` on the snapshot's grid, 0 … 1.
    pub spectrum: Vec<f32>,
    /// Its strongest maxima, best first, whatever they score.
    pub peaks: Vec<Peak>,
}

/// Health figures of one instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// Channels that the host gives; 0 before activation.
    pub bus_channels: usize,
    /// Sample rate in Hz; 0 before activation.
    pub sample_rate_hz: f64,
    /// Blocks that found no free place since activation.
    pub dropped_blocks: u64,
    /// Share of one core that the worker uses, 0 … 1, smoothed.
    pub load: f32,
    /// Age of the newest sound in the spectrum at publication, in milliseconds.
    pub latency_ms: f32,
    /// Name of the weights in use.
    pub weights: String,
    /// An error to show to the user: what, expected, found. Audio passes all the same.
    pub message: Option<String>,
}
