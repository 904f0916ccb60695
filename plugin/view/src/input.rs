//! What the view is given each frame, and what it asks for in return.

use spherescope_dsp::{MicArray, presets::Preset};
use spherescope_model::Engine;

use crate::backdrop::Backdrop;
use crate::output::Outputs;
use crate::snapshot::Snapshot;

/// Everything that one frame shows. The view owns none of it and changes none of it: it answers with [`Action`]s.
#[derive(Clone, Copy)]
pub struct ViewInput<'a> {
    /// The newest state of the analysis.
    pub snapshot: &'a Snapshot,
    /// The arrays on offer, in the order in which people see them; may be empty.
    pub presets: &'a [Preset],
    /// The layout of the session: what the user chose, whether or not the bus carries all of it.
    pub layout: &'a MicArray,
    /// Present values of all parameters.
    pub params: ParamValues,
    /// The file that was read or written last, at the view's wish.
    pub opened: Option<&'a OpenedFile>,
    /// Why the receiver refused the last layout, if it did.
    pub layout_error: Option<&'a str>,
    /// What has become of the picture of [`ViewState::backdrop`](crate::ViewState::backdrop); none while none is wanted.
    pub backdrop: Option<&'a Backdrop>,
    /// What is going out.
    pub outputs: &'a Outputs,
}

/// The outcome of an [`Action::ReadFile`] or [`Action::WriteFile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedFile {
    /// Counts up with every file, from 1.
    pub number: u64,
    /// What a file that was read held, or a message: what went wrong, or that a file was written.
    pub text: Result<String, String>,
}

/// Values of the host's parameters, in the units in which people see them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamValues {
    /// Which engine makes the spectrum.
    pub engine: Engine,
    /// Input level below which nothing is shown, in dBFS, −100 … −20.
    pub gate_db: f32,
    /// Score below which a maximum is no source, 0 … 1.
    pub threshold: f32,
    /// At most this many sources, 1 … 8.
    pub max_sources: usize,
    /// Time constant of the smoothing of the spectrum in milliseconds, 0 … 2000.
    pub smoothing_ms: f32,
    /// Whether the other engine is shown beside.
    pub compare: bool,
    /// D, directions of the grid of the whole sphere: one of [`GRID_SIZES`].
    pub grid_size: usize,
    /// The lowest frequency that the engines listen to, in Hz, 50 … 8000.
    pub band_low_hz: f32,
    /// The highest frequency that the engines listen to, in Hz, 50 … 8000.
    pub band_high_hz: f32,
    /// In which part of the sphere sources are looked for.
    pub region: RegionKind,
    /// The middle of the window's azimuths, in degrees, −180 … 180.
    pub region_azimuth_deg: f32,
    /// How many degrees of azimuth the window takes, 10 … 360.
    pub region_width_deg: f32,
    /// One edge of the window in elevation, in degrees, −90 … 90.
    pub region_lowest_deg: f32,
    /// The other edge of the window in elevation, in degrees, −90 … 90.
    pub region_highest_deg: f32,
}

/// The kinds of regions in which sources are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegionKind {
    /// All directions.
    #[default]
    Sphere,
    /// What lies ahead.
    Front,
    /// What lies above the horizon.
    Upper,
    /// A window of azimuths and elevations.
    Window,
}

impl RegionKind {
    /// All kinds, in the order of their values.
    pub const ALL: [Self; 4] = [Self::Sphere, Self::Front, Self::Upper, Self::Window];

    /// The value of a [`ParamId::Region`] change: the place in [`Self::ALL`].
    pub fn value(self) -> f32 {
        Self::ALL.iter().position(|k| *k == self).unwrap_or(0) as f32
    }

    /// The kind of a [`ParamId::Region`] change's value.
    pub fn of_value(value: f32) -> Self {
        Self::ALL[(value.round().max(0.0) as usize).min(Self::ALL.len() - 1)]
    }
}

impl Default for ParamValues {
    fn default() -> Self {
        Self {
            engine: Engine::AggRl,
            gate_db: -60.0,
            threshold: Engine::AggRl.default_threshold(),
            max_sources: 4,
            smoothing_ms: 0.0,
            compare: false,
            grid_size: 2048,
            band_low_hz: 50.0,
            band_high_hz: 8000.0,
            region: RegionKind::Sphere,
            region_azimuth_deg: 0.0,
            region_width_deg: 120.0,
            region_lowest_deg: -45.0,
            region_highest_deg: 45.0,
        }
    }
}

/// The grid sizes that the view offers.
pub const GRID_SIZES: [usize; 7] = [256, 512, 1024, 2048, 4096, 8192, 16384];

/// Which parameter a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParamId {
    /// [`ParamValues::engine`]; the value is [`engine_value`].
    Engine,
    /// [`ParamValues::gate_db`].
    Gate,
    /// [`ParamValues::threshold`].
    Threshold,
    /// [`ParamValues::max_sources`].
    MaxSources,
    /// [`ParamValues::smoothing_ms`].
    Smoothing,
    /// [`ParamValues::compare`]; the value is 0 or 1.
    Compare,
    /// [`ParamValues::grid_size`]; the value is the number of directions itself.
    GridSize,
    /// [`ParamValues::band_low_hz`].
    BandLow,
    /// [`ParamValues::band_high_hz`].
    BandHigh,
    /// [`ParamValues::region`]; the value is [`RegionKind::value`].
    Region,
    /// [`ParamValues::region_azimuth_deg`].
    RegionAzimuth,
    /// [`ParamValues::region_width_deg`].
    RegionWidth,
    /// [`ParamValues::region_lowest_deg`].
    RegionLowest,
    /// [`ParamValues::region_highest_deg`].
    RegionHighest,
}

/// Where in a movement of the mouse a change happened, for the host's undo and automation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// A drag starts. The value is the one before the drag.
    Begin,
    /// The drag goes on.
    Set,
    /// The drag ends. The value is the last one.
    End,
    /// A change on its own: the receiver begins, sets and ends.
    Once,
}

/// A change of one parameter, in the unit of [`ParamValues`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamChange {
    /// The parameter.
    pub id: ParamId,
    /// Its new value, finite and within range. Engines count as [`engine_value`], whole numbers as themselves.
    pub value: f32,
    /// Where in a gesture this stands. Every [`Gesture::Begin`] is followed by an [`Gesture::End`] while the view is drawn.
    pub gesture: Gesture,
}

/// What the user asked for in a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Take this layout.
    SetLayout(MicArray),
    /// Read this file; its text comes back as [`ViewInput::opened`].
    ReadFile(String),
    /// Write a text into a file; whether it was written comes back as [`ViewInput::opened`].
    WriteFile {
        /// The file's name.
        path: String,
        /// What it is to hold.
        text: String,
    },
    /// Change a parameter.
    SetParam(ParamChange),
    /// Send directions to this target, one that [`osc_address`](crate::osc_address) takes, or do not; the user has agreed.
    SetOsc {
        /// Address and port.
        target: String,
        /// Whether to send.
        on: bool,
    },
    /// Write what is heard into this file from now on, or stop.
    Record(Option<String>),
    /// Write a picture as PNG; what became of it comes back as [`Outputs::saved`].
    WritePicture {
        /// The file's name.
        path: String,
        /// Width and height in pixels.
        size: [usize; 2],
        /// RGB bytes, row by row.
        rgb: Vec<u8>,
    },
}

/// The value of a [`ParamId::Engine`] change: 0 for AGG-RL, 1 for SRP-PHAT.
pub fn engine_value(engine: Engine) -> f32 {
    match engine {
        Engine::AggRl => 0.0,
        Engine::SrpPhat => 1.0,
    }
}

/// The engine of a [`ParamId::Engine`] change's value.
pub fn engine_of_value(value: f32) -> Engine {
    if value >= 0.5 { Engine::SrpPhat } else { Engine::AggRl }
}

impl ParamId {
    /// The smallest and the largest value, in the unit of [`ParamValues`].
    pub fn range(self) -> (f32, f32) {
        match self {
            Self::Engine | Self::Compare => (0.0, 1.0),
            Self::Gate => (-100.0, -20.0),
            Self::Threshold => (0.0, 1.0),
            Self::MaxSources => (1.0, 8.0),
            Self::Smoothing => (0.0, 2000.0),
            Self::GridSize => (GRID_SIZES[0] as f32, GRID_SIZES[GRID_SIZES.len() - 1] as f32),
            Self::BandLow | Self::BandHigh => (50.0, 8000.0),
            Self::Region => (0.0, (RegionKind::ALL.len() - 1) as f32),
            Self::RegionAzimuth => (-180.0, 180.0),
            Self::RegionWidth => (10.0, 360.0),
            Self::RegionLowest | Self::RegionHighest => (-90.0, 90.0),
        }
    }

    /// The value that a reset gives; that of the threshold depends on the engine.
    pub fn default_value(self, engine: Engine) -> f32 {
        match self {
            Self::Threshold => engine.default_threshold(),
            _ => self.value_in(&ParamValues::default()),
        }
    }

    /// The parameter's value among others.
    pub fn value_in(self, params: &ParamValues) -> f32 {
        match self {
            Self::Engine => engine_value(params.engine),
            Self::Gate => params.gate_db,
            Self::Threshold => params.threshold,
            Self::MaxSources => params.max_sources as f32,
            Self::Smoothing => params.smoothing_ms,
            Self::Compare => f32::from(u8::from(params.compare)),
            Self::GridSize => params.grid_size as f32,
            Self::BandLow => params.band_low_hz,
            Self::BandHigh => params.band_high_hz,
            Self::Region => params.region.value(),
            Self::RegionAzimuth => params.region_azimuth_deg,
            Self::RegionWidth => params.region_width_deg,
            Self::RegionLowest => params.region_lowest_deg,
            Self::RegionHighest => params.region_highest_deg,
        }
    }
}
