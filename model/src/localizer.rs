//! [`Localizer`]: samples in at any block size, one spatial spectrum a hop out.
//!
//! The one seam of the project: the plugin's worker, the command line, evaluation and benches all drive this type.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use spherescope_dsp::levels::AXES;
use spherescope_dsp::nudft::Complex32;
use spherescope_dsp::packed::{PackedScratch, PackedSteering};
use spherescope_dsp::{FrontEnd, FrontEndError, Grid, MicArray, SampleRate};

use crate::band::Band;
use crate::lifted::streaming::probabilities;
use crate::network::{ArrayEncoding, GridEncoding, Network, NetworkError, Spectra, StreamState};

/// Speed of sound in dry air of 20 °C, in m/s.
pub const SPEED_OF_SOUND_M_S: f64 = 343.0;

/// The widest array that the shipped network has learned from, between the two farthest capsules, in metres. Wider ones work, and err
/// several times as much.
pub const TRAINED_APERTURE_M: f64 = 0.45;

/// Which engine turns the capsules' spectra into a spatial spectrum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// The AGG-RL network: probability of a source in each direction.
    #[default]
    AggRl,
    /// Steered response power with phase transform: mean cosine over all pairs and bins, negative values cut off.
    SrpPhat,
}

impl Engine {
    /// All engines, in the order in which people see them.
    pub const ALL: [Self; 2] = [Self::AggRl, Self::SrpPhat];

    /// Identifier on the command line and in logs.
    pub fn id(self) -> &'static str {
        match self {
            Self::AggRl => "agg-rl",
            Self::SrpPhat => "srp-phat",
        }
    }

    /// Name that people see.
    pub fn name(self) -> &'static str {
        match self {
            Self::AggRl => "AGG-RL",
            Self::SrpPhat => "SRP-PHAT",
        }
    }

    /// The engine of an identifier.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.id() == id)
    }

    /// A score that a peak should reach to count as a source.
    pub fn default_threshold(self) -> f32 {
        match self {
            Self::AggRl => 0.5,
            Self::SrpPhat => 0.2,
        }
    }
}

/// What a [`Localizer`] looks at, and how.
#[derive(Clone, Debug)]
pub struct LocalizerSettings {
    /// The array; muted capsules take no part.
    pub array: MicArray,
    /// The candidate directions.
    pub grid: Arc<Grid>,
    /// The engine.
    pub engine: Engine,
    /// Speed of sound in m/s, 100 … 10 000 (water is 1480).
    pub speed_of_sound_m_s: f64,
    /// Frames that are computed together, 1 … 64: larger is cheaper and later.
    pub chunk_frames: usize,
    /// Frames below this level, in dBFS, count as silence.
    pub gate_db: f32,
    /// The frequencies that the engine listens to; at least one of the network's bins lies in it.
    pub band: Band,
}

/// [`LocalizerSettings::chunk_frames`] for sound that is looked at as it comes. At ease: each frame at once, as two would be 16 ms later and
/// spare little. Hard pressed: for the least work.
pub const LIVE_CHUNK_FRAMES: [usize; 2] = [1, 4];

impl LocalizerSettings {
    /// AGG-RL at 343 m/s, every frame by itself, a gate at −60 dBFS.
    pub fn new(array: MicArray, grid: Arc<Grid>) -> Self {
        Self {
            array,
            grid,
            engine: Engine::AggRl,
            speed_of_sound_m_s: SPEED_OF_SOUND_M_S,
            chunk_frames: 1,
            gate_db: -60.0,
            band: Band::ALL,
        }
    }
}

/// Why a localizer cannot be made or go on.
#[derive(Clone, Debug, PartialEq)]
pub enum LocalizerError {
    /// Sample rate, bus or block.
    FrontEnd(FrontEndError),
    /// Weights or network.
    Network(NetworkError),
    /// A setting outside its range.
    Setting {
        /// The setting's name, with its unit.
        name: &'static str,
        /// The range.
        expected: &'static str,
        /// The value.
        found: f64,
    },
}

impl fmt::Display for LocalizerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrontEnd(e) => e.fmt(f),
            Self::Network(e) => e.fmt(f),
            Self::Setting { name, expected, found } => write!(f, "{name}: expected {expected}, found {found}"),
        }
    }
}

impl std::error::Error for LocalizerError {}

impl From<FrontEndError> for LocalizerError {
    fn from(e: FrontEndError) -> Self {
        Self::FrontEnd(e)
    }
}

impl From<NetworkError> for LocalizerError {
    fn from(e: NetworkError) -> Self {
        Self::Network(e)
    }
}

/// One result.
#[derive(Clone, Copy, Debug)]
pub struct LocalizerFrame<'a> {
    /// Counts frames since the last reset.
    pub index: u64,
    /// Index of the sample after the frame's window, since the last reset.
    pub end_frames: u64,
    /// The same in seconds.
    pub t_s: f64,
    /// Root mean square over capsules and window in dBFS; −∞ for digital silence.
    pub level_db: f32,
    /// Whether the level reaches the gate.
    pub active: bool,
    /// Spatial spectrum `[D]`, 0 … 1.
    pub spectrum: &'a [f32],
}

/// Streaming sound source localization for one array and grid, both exchangeable while it runs.
#[derive(Debug)]
pub struct Localizer {
    network: Arc<Network>,
    settings: LocalizerSettings,
    rate: SampleRate,
    front_end: FrontEnd,
    engine: EngineState,
    pending: Pending,
    spectrum: Vec<f32>,
}

#[derive(Debug)]
enum EngineState {
    AggRl { array: ArrayEncoding, grid: GridEncoding, state: Box<StreamState> },
    SrpPhat { steering: PackedSteering, scratch: PackedScratch, response: Vec<f32> },
}

/// Frames that wait until their chunk is full.
#[derive(Debug, Default)]
struct Pending {
    /// Phase-transformed spectra `[T][C][K]` flattened.
    phat: Vec<Complex32>,
    /// Power of each bin `[T][K]` flattened.
    power: Vec<f32>,
    /// Slopes of the levels `[T][3][K]` flattened; for the network only.
    level_slopes: Vec<f32>,
    frames: Vec<Heard>,
    /// Frames that the engine has heard already and not told of yet: as many as it looks ahead.
    awaited: VecDeque<Heard>,
    rest: Rest,
}

/// Digital silence that lasts, as from a transport that stands still: the engine rests, and its last spectrum stays.
#[derive(Debug, Default)]
struct Rest {
    /// How many frames digital silence has lasted.
    silent_frames: u64,
    /// The spectrum `[D]` of the last of them that the engine has heard; empty when it has to hear one more.
    spectrum: Vec<f32>,
}

/// How long digital silence lasts before the engine rests, in seconds: ten times the longest of the network's memories, so that nothing of
/// what was before is left in them. The network's recurrent state, which never heard such a silence in training, would creep on, by some
/// thousandths of a score a second; it stands still from then on.
const REST_AFTER_S: f64 = 15.0;

impl Rest {
    /// Whether nothing new is to be heard in these frames.
    fn covers(&self, frames: &[Heard], hop_s: f64) -> bool {
        !self.spectrum.is_empty()
            && self.silent_frames as f64 * hop_s >= REST_AFTER_S
            && frames.iter().all(Heard::is_silent)
    }

    /// Takes note of frames and their spectra `[T][D]`.
    fn follow(&mut self, frames: &[Heard], spectra: &[f32], directions: usize) {
        for frame in frames {
            self.silent_frames = if frame.is_silent() { self.silent_frames + 1 } else { 0 };
        }
        self.spectrum.clear();
        if self.silent_frames > 0 {
            self.spectrum.extend_from_slice(&spectra[spectra.len().saturating_sub(directions)..]);
        }
    }
}

/// A frame that waits for its spectrum.
#[derive(Clone, Copy, Debug)]
struct Heard {
    index: u64,
    /// Index of the sample after its window.
    end_frames: u64,
    level_db: f32,
}

impl Heard {
    fn is_silent(&self) -> bool {
        self.level_db == f32::NEG_INFINITY
    }
}

impl Pending {
    /// Lets go of what the engine has not heard.
    fn clear(&mut self) {
        self.phat.clear();
        self.power.clear();
        self.level_slopes.clear();
        self.frames.clear();
    }
}

impl Localizer {
    /// A localizer with the weights that ship with Spherescope.
    ///
    /// # Errors
    /// [`LocalizerError`] for an unusable sample rate or setting.
    pub fn new(sample_rate_hz: f64, settings: LocalizerSettings) -> Result<Self, LocalizerError> {
        Self::with_network(sample_rate_hz, settings, Network::shipped()?)
    }

    /// A localizer with other weights.
    ///
    /// # Errors
    /// [`LocalizerError`] for an unusable sample rate or setting.
    pub fn with_network(
        sample_rate_hz: f64,
        settings: LocalizerSettings,
        network: Arc<Network>,
    ) -> Result<Self, LocalizerError> {
        let rate = SampleRate::new(sample_rate_hz)?;
        if !(100.0..=10_000.0).contains(&settings.speed_of_sound_m_s) {
            return Err(LocalizerError::Setting {
                name: "speed of sound in m/s",
                expected: "100 to 10000",
                found: settings.speed_of_sound_m_s,
            });
        }
        if !(1..=64).contains(&settings.chunk_frames) {
            return Err(LocalizerError::Setting {
                name: "frames in a chunk",
                expected: "1 to 64",
                found: settings.chunk_frames as f64,
            });
        }
        check_band(&network, settings.band)?;
        let front_end = FrontEnd::new(rate, network.timing(), network.frequencies_hz(), &settings.array)?;
        let engine = EngineState::new(&network, &settings)?;
        Ok(Self { network, settings, rate, front_end, engine, pending: Pending::default(), spectrum: Vec::new() })
    }

    /// The settings in force.
    pub fn settings(&self) -> &LocalizerSettings {
        &self.settings
    }

    /// The sample rate in Hz.
    pub fn sample_rate_hz(&self) -> f64 {
        self.rate.hz()
    }

    /// Name of the weights in use.
    pub fn weights_name(&self) -> &str {
        &self.network.config().name
    }

    /// Time from frame to frame in seconds.
    pub fn hop_s(&self) -> f64 {
        self.network.timing().hop_s
    }

    /// Changes the array. Frames that waited for their chunk are let go; what the network remembers of the sphere is kept.
    ///
    /// # Errors
    /// [`LocalizerError::Network`]; the old array stays then.
    pub fn set_array(&mut self, array: MicArray) -> Result<(), LocalizerError> {
        let settings = LocalizerSettings { array, ..self.settings.clone() };
        match &mut self.engine {
            EngineState::AggRl { array: encoded, .. } => {
                *encoded = self.network.encode_array(&settings.array, settings.speed_of_sound_m_s)?;
            }
            EngineState::SrpPhat { .. } => self.engine = EngineState::new(&self.network, &settings)?,
        }
        self.front_end.set_array(&settings.array);
        self.settings = settings;
        self.pending.clear();
        self.pending.rest.spectrum.clear();
        Ok(())
    }

    /// Changes the grid; nothing is forgotten.
    ///
    /// # Errors
    /// [`LocalizerError::Network`]; the old grid stays then.
    pub fn set_grid(&mut self, grid: Arc<Grid>) -> Result<(), LocalizerError> {
        let settings = LocalizerSettings { grid, ..self.settings.clone() };
        match &mut self.engine {
            EngineState::AggRl { grid: encoded, .. } => *encoded = self.network.encode_grid(&settings.grid)?,
            EngineState::SrpPhat { .. } => self.engine = EngineState::new(&self.network, &settings)?,
        }
        self.settings = settings;
        self.pending.rest.spectrum.clear();
        Ok(())
    }

    /// Changes the engine; the new one starts without memory.
    ///
    /// # Errors
    /// [`LocalizerError::Network`]; the old engine stays then.
    pub fn set_engine(&mut self, engine: Engine) -> Result<(), LocalizerError> {
        if engine != self.settings.engine {
            let settings = LocalizerSettings { engine, ..self.settings.clone() };
            self.engine = EngineState::new(&self.network, &settings)?;
            self.settings = settings;
            // Engines take their frames in different forms.
            self.pending.clear();
            self.pending.awaited.clear();
            self.pending.rest.spectrum.clear();
        }
        Ok(())
    }

    /// Changes the frequencies that the engine listens to. Frames that waited for their chunk are let go; nothing else is forgotten.
    ///
    /// # Errors
    /// [`LocalizerError::Setting`] for a band without a bin, [`LocalizerError::Network`]; the old band stays then.
    pub fn set_band(&mut self, band: Band) -> Result<(), LocalizerError> {
        check_band(&self.network, band)?;
        let settings = LocalizerSettings { band, ..self.settings.clone() };
        if let EngineState::SrpPhat { .. } = &self.engine {
            self.engine = EngineState::new(&self.network, &settings)?;
        }
        self.settings = settings;
        self.pending.clear();
        self.pending.rest.spectrum.clear();
        Ok(())
    }

    /// Sets the gate in dBFS.
    pub fn set_gate_db(&mut self, gate_db: f32) {
        self.settings.gate_db = gate_db;
    }

    /// Sets how many frames are computed together, brought into 1 … 64; those that wait are kept.
    pub fn set_chunk_frames(&mut self, chunk_frames: usize) {
        self.settings.chunk_frames = chunk_frames.clamp(1, 64);
    }

    /// Forgets all audio and all memory; time starts again at 0.
    pub fn reset(&mut self) {
        self.front_end.reset();
        self.pending.clear();
        self.pending.awaited.clear();
        self.pending.rest = Rest::default();
        if let EngineState::AggRl { state, .. } = &mut self.engine
            && let Ok(fresh) = self.network.start()
        {
            **state = fresh;
        }
    }

    /// Takes one planar block `[channels][frames]` of any length and calls `sink` for each finished frame, in order.
    ///
    /// Results do not depend on how the audio is cut into blocks. After 15 s of digital silence on all capsules the engine rests: the last
    /// spectrum stays, and what it remembers, until there is sound again.
    ///
    /// # Errors
    /// [`LocalizerError`] when the bus is narrower than the array or ragged (nothing is taken then), or when the network fails.
    pub fn process(&mut self, bus: &[&[f32]], sink: &mut dyn FnMut(&LocalizerFrame<'_>)) -> Result<(), LocalizerError> {
        let Self { network: _, settings, rate, front_end, engine, pending, spectrum } = self;
        let mut outcome = Ok(());
        front_end.push(bus, &mut |frame| {
            let bins = self.network.frequencies_hz();
            match settings.engine {
                // The network weighs bins by what they hold: one without phases counts for nothing.
                Engine::AggRl => {
                    settings.band.append_silenced(bins, frame.phat, &mut pending.phat);
                    settings.band.append_silenced(bins, frame.level_slopes, &mut pending.level_slopes);
                }
                Engine::SrpPhat => settings.band.append_kept(bins, frame.phat, &mut pending.phat),
            }
            pending.power.extend_from_slice(frame.power);
            pending.frames.push(Heard { index: frame.index, end_frames: frame.end_frames, level_db: frame.level_db });
            if pending.frames.len() >= settings.chunk_frames && outcome.is_ok() {
                outcome = finish(&self.network, settings, *rate, engine, pending, spectrum, sink);
            }
        })?;
        outcome
    }

    /// Finishes the frames that wait for their chunk, and those that wait for what comes after them: silence.
    ///
    /// # Errors
    /// [`LocalizerError::Network`].
    pub fn flush(&mut self, sink: &mut dyn FnMut(&LocalizerFrame<'_>)) -> Result<(), LocalizerError> {
        let Self { network, settings, rate, front_end: _, engine, pending, spectrum } = self;
        finish(network, settings, *rate, engine, pending, spectrum, sink)?;
        let (frames, bins) = (pending.awaited.len(), network.frequencies_hz().len());
        pending.phat.resize(frames * settings.array.active_len() * bins, Complex32::default());
        pending.power.resize(frames * bins, 0.0);
        pending.level_slopes.resize(frames * AXES * bins, 0.0);
        let outcome = engine.run(network, frames, pending, spectrum);
        pending.clear();
        outcome?;
        tell(settings, *rate, &mut pending.awaited, spectrum, frames, sink);
        Ok(())
    }
}

fn check_band(network: &Network, band: Band) -> Result<(), LocalizerError> {
    if band.kept(network.frequencies_hz()).is_empty() {
        return Err(LocalizerError::Setting {
            name: "highest frequency of the band in Hz",
            expected: "at least one of the network's frequencies in the band",
            found: band.high_hz,
        });
    }
    Ok(())
}

impl EngineState {
    fn new(network: &Network, settings: &LocalizerSettings) -> Result<Self, LocalizerError> {
        Ok(match settings.engine {
            Engine::AggRl => Self::AggRl {
                array: network.encode_array(&settings.array, settings.speed_of_sound_m_s)?,
                grid: network.encode_grid(&settings.grid)?,
                state: Box::new(network.start()?),
            },
            Engine::SrpPhat => Self::SrpPhat {
                steering: PackedSteering::new(
                    &settings.array,
                    settings.grid.directions(),
                    &settings.band.kept(network.frequencies_hz()),
                    settings.speed_of_sound_m_s,
                ),
                scratch: PackedScratch::default(),
                response: Vec::new(),
            },
        })
    }

    /// The spectra `[T][D]` of T frames, none for none.
    fn run(
        &mut self,
        network: &Network,
        frames: usize,
        pending: &Pending,
        spectrum: &mut Vec<f32>,
    ) -> Result<(), LocalizerError> {
        spectrum.clear();
        if frames == 0 {
            return Ok(());
        }
        match self {
            Self::AggRl { array, grid, state } => {
                let Pending { phat, power, level_slopes, .. } = pending;
                let spectra = Spectra { frames, phat, power, level_slopes, beside: None };
                network.logits(array, grid, &spectra, state, spectrum)?;
                probabilities(spectrum);
            }
            Self::SrpPhat { steering, scratch, response } => {
                steering.srp_phat(&pending.phat, frames, scratch, response);
                spectrum.extend(response.iter().map(|r| r.clamp(0.0, 1.0)));
            }
        }
        Ok(())
    }

    /// Frames by which spectra come later than what they tell of.
    fn look_ahead(&self, network: &Network) -> usize {
        match self {
            Self::AggRl { .. } => network.config().look_ahead,
            Self::SrpPhat { .. } => 0,
        }
    }
}

/// Runs the engine on the frames that wait for it, and tells of those beyond which it has heard enough.
fn finish(
    network: &Network,
    settings: &LocalizerSettings,
    rate: SampleRate,
    engine: &mut EngineState,
    pending: &mut Pending,
    spectrum: &mut Vec<f32>,
    sink: &mut dyn FnMut(&LocalizerFrame<'_>),
) -> Result<(), LocalizerError> {
    let (frames, directions) = (pending.frames.len(), settings.grid.len());
    let outcome = if pending.rest.covers(&pending.frames, network.timing().hop_s) {
        spectrum.clear();
        spectrum.extend(pending.rest.spectrum.iter().cycle().take(frames * directions));
        Ok(())
    } else {
        engine.run(network, frames, pending, spectrum)
    };
    if outcome.is_ok() {
        pending.rest.follow(&pending.frames, spectrum, directions);
        pending.awaited.extend(&pending.frames);
        let ripe = pending.awaited.len().saturating_sub(engine.look_ahead(network));
        tell(settings, rate, &mut pending.awaited, spectrum, ripe, sink);
    }
    pending.clear();
    outcome
}

/// Tells of the oldest frames: the last of the spectra are theirs.
fn tell(
    settings: &LocalizerSettings,
    rate: SampleRate,
    awaited: &mut VecDeque<Heard>,
    spectra: &[f32],
    frames: usize,
    sink: &mut dyn FnMut(&LocalizerFrame<'_>),
) {
    let rows = spectra.chunks_exact(settings.grid.len());
    let early = rows.len().saturating_sub(frames);
    let told = awaited.drain(..frames.min(awaited.len()));
    for (Heard { index, end_frames, level_db }, spectrum) in told.zip(rows.skip(early)) {
        sink(&LocalizerFrame {
            index,
            end_frames,
            t_s: end_frames as f64 / rate.hz(),
            level_db,
            active: level_db >= settings.gate_db,
            spectrum,
        });
    }
}
