//! What the editor remembers between frames and between sessions.

use serde::{Deserialize, Serialize};

use crate::backdrop::BackdropChoice;
use crate::colour_map::ColourMap;
use crate::history::History;
use crate::settings::Sides;

/// How the sphere is laid out on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projection {
    /// The whole sphere as a rectangle: +90° (left) at the left, front in the middle, up at the top.
    #[default]
    Equirectangular,
    /// A globe seen from outside, turned with the mouse.
    Globe,
    /// Both, side by side or one above the other, as the window allows.
    Split,
}

/// How the map lays out the sphere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MapKind {
    /// Azimuth across, elevation upwards: angles are read at the edges.
    #[default]
    Equirectangular,
    /// Hammer–Aitoff: an ellipse on which equal areas are equal.
    Hammer,
    /// Two floor plans of equal area: what is above the horizon, what is below.
    UpDown,
    /// Two discs of equal area: what is ahead, and what one sees after turning round.
    FrontBack,
}

impl MapKind {
    /// All kinds, in the order in which people see them.
    pub const ALL: [Self; 4] = [Self::Equirectangular, Self::Hammer, Self::UpDown, Self::FrontBack];

    /// The name that people see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equirectangular => "Rectangle",
            Self::Hammer => "Hammer",
            Self::UpDown => "Up / down",
            Self::FrontBack => "Front / back",
        }
    }

    /// When to choose it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Equirectangular => "To read angles: azimuth across, elevation upwards. The poles are stretched",
            Self::Hammer => "To compare sizes: equal areas look equal",
            Self::UpDown => "To see a room from above: the upper and the lower half as floor plans",
            Self::FrontBack => "To see what is ahead and what is behind, as one stands there",
        }
    }
}

/// What the colours of the map stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scale {
    /// The score, 0 … 1.
    #[default]
    Probability,
    /// Ten times the logarithm of the score, −30 … 0 dB.
    Decibels,
}

/// How long the map remembers maxima.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Hold {
    /// Not at all.
    #[default]
    Off,
    /// They fall by half in half a second.
    Short,
    /// They fall by half in three seconds.
    Long,
    /// They stay until the view is reset.
    Forever,
}

impl Hold {
    /// All of them, in the order in which people see them.
    pub const ALL: [Self; 4] = [Self::Off, Self::Short, Self::Long, Self::Forever];

    /// The name that people see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "Off",
            Self::Short => "0.5 s",
            Self::Long => "3 s",
            Self::Forever => "∞",
        }
    }

    /// When to choose it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Off => "Nothing stays: what is drawn sounds now",
            Self::Short => "Short sounds stay long enough to be seen; they fade to half in 0.5 s",
            Self::Long => "To follow who has spoken; maxima fade to half in 3 s",
            Self::Forever => "To collect everything; Clear starts anew",
        }
    }

    /// The factor that is left of a held value after this many seconds.
    pub(crate) fn kept(self, seconds: f64) -> f32 {
        let half_life_s = match self {
            Self::Off => return 0.0,
            Self::Short => 0.5,
            Self::Long => 3.0,
            Self::Forever => return 1.0,
        };
        0.5f64.powf(seconds.max(0.0) / half_life_s) as f32
    }
}

/// What the middle of the window shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tab {
    /// What is heard: map, globe, history, sources.
    #[default]
    Sound,
    /// The array: its capsules in space.
    Array,
}

/// How a capsule's place is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Coordinates {
    /// x to the front, y to the left, z up.
    #[default]
    Cartesian,
    /// Azimuth, elevation, radius.
    Spherical,
}

/// The unit in which lengths of the array are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LengthUnit {
    /// Millimetres.
    #[default]
    Millimetre,
    /// Centimetres.
    Centimetre,
    /// Metres.
    Metre,
}

impl LengthUnit {
    /// All of them, the smallest first.
    pub const ALL: [Self; 3] = [Self::Millimetre, Self::Centimetre, Self::Metre];

    /// The symbol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Millimetre => "mm",
            Self::Centimetre => "cm",
            Self::Metre => "m",
        }
    }

    /// The unit in metres.
    pub fn metres(self) -> f64 {
        match self {
            Self::Millimetre => 1e-3,
            Self::Centimetre => 1e-2,
            Self::Metre => 1.0,
        }
    }

    /// Decimals that tenths of a millimetre need.
    pub(crate) fn decimals(self) -> usize {
        match self {
            Self::Millimetre => 1,
            Self::Centimetre => 2,
            Self::Metre => 4,
        }
    }
}

/// Seconds that the history strip can show.
pub const HISTORY_S: [u16; 4] = [10, 30, 60, 120];

/// Which parts of the editor are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Panels {
    /// The side panel as a whole. A narrow window hides it whatever this says, until it is asked for.
    pub side: bool,
    /// The list of sources.
    pub sources: bool,
    /// The parameters of the analysis.
    pub analysis: bool,
    /// Limits of what is analysed.
    pub limits: bool,
    /// The choice of the array.
    pub array: bool,
    /// The table of capsules.
    pub capsules: bool,
    /// How the map is drawn.
    pub display: bool,
    /// What leaves the editor.
    pub output: bool,
    /// What the layout doctor has found.
    pub doctor: bool,
    /// What can be done with the array.
    pub tools: bool,
    /// The strip of azimuth and elevation against time.
    pub history: bool,
}

impl Default for Panels {
    fn default() -> Self {
        Self {
            side: true,
            sources: true,
            analysis: true,
            limits: false,
            array: true,
            capsules: true,
            display: true,
            output: false,
            doctor: true,
            tools: false,
            history: true,
        }
    }
}

/// The state of one editor. What persists is serialised; caches and half-typed texts are not.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewState {
    /// The chosen projection.
    pub projection: Projection,
    /// Azimuth of the globe's point that faces the viewer, in degrees.
    pub globe_yaw_deg: f32,
    /// Elevation of the globe's point that faces the viewer, in degrees.
    pub globe_pitch_deg: f32,
    /// How the map lays out the sphere.
    pub map: MapKind,
    /// The chosen colour map.
    pub colour_map: ColourMap,
    /// What the colours stand for.
    pub scale: Scale,
    /// Whether the colours stretch to what there is at the moment. Off, the same score always has the same colour.
    pub auto_range: bool,
    /// How long maxima stay.
    pub hold: Hold,
    /// The picture behind the map.
    pub backdrop: BackdropChoice,
    /// What the middle of the window shows.
    pub tab: Tab,
    /// How a capsule's place is written.
    pub coordinates: Coordinates,
    /// The unit of the array's lengths.
    pub length_unit: LengthUnit,
    /// Azimuth from which the array is seen, in degrees.
    pub array_yaw_deg: f32,
    /// Elevation from which the array is seen, in degrees.
    pub array_pitch_deg: f32,
    /// How much larger than fitting the array is drawn.
    pub array_zoom: f32,
    /// Seconds of the history strip: one of [`HISTORY_S`].
    pub history_s: u16,
    /// Two sets of analysis settings.
    pub(crate) sides: Sides,
    /// Which panels are open.
    pub panels: Panels,
    #[serde(skip)]
    pub(crate) cache: crate::cache::Cache,
}

impl ViewState {
    /// Azimuth that faces the viewer after a reset, in degrees: a little left of the front, so that depth shows.
    pub const DEFAULT_YAW_DEG: f32 = 30.0;
    /// Elevation that faces the viewer after a reset, in degrees.
    pub const DEFAULT_PITCH_DEG: f32 = 20.0;

    /// Turns the globe back to where it started.
    pub fn reset_globe(&mut self) {
        self.globe_yaw_deg = Self::DEFAULT_YAW_DEG;
        self.globe_pitch_deg = Self::DEFAULT_PITCH_DEG;
    }

    /// Starts with what was heard before the window was opened.
    pub fn resume(&mut self, history: History) {
        self.cache.history = history;
    }

    /// Turns the array back to where it started.
    pub fn reset_array_view(&mut self) {
        (self.array_yaw_deg, self.array_pitch_deg) = (Self::DEFAULT_YAW_DEG, Self::DEFAULT_PITCH_DEG);
        self.array_zoom = 1.0;
    }

    /// Makes angles that came from a file usable.
    pub(crate) fn tidy(&mut self) {
        if !(self.globe_yaw_deg.is_finite() && self.globe_pitch_deg.is_finite()) {
            self.reset_globe();
        }
        self.globe_yaw_deg = (self.globe_yaw_deg + 180.0).rem_euclid(360.0) - 180.0;
        self.globe_pitch_deg = self.globe_pitch_deg.clamp(-90.0, 90.0);
        if !(self.array_yaw_deg.is_finite() && self.array_pitch_deg.is_finite() && self.array_zoom.is_finite()) {
            self.reset_array_view();
        }
        self.array_yaw_deg = (self.array_yaw_deg + 180.0).rem_euclid(360.0) - 180.0;
        self.array_pitch_deg = self.array_pitch_deg.clamp(-90.0, 90.0);
        self.array_zoom = self.array_zoom.clamp(0.25, 8.0);
        self.backdrop.opacity_percent = self.backdrop.opacity_percent.min(100);
        if !HISTORY_S.contains(&self.history_s) {
            self.history_s = HISTORY_S[1];
        }
    }
}

impl Default for ViewState {
    fn default() -> Self {
        Self {
            projection: Projection::default(),
            globe_yaw_deg: Self::DEFAULT_YAW_DEG,
            globe_pitch_deg: Self::DEFAULT_PITCH_DEG,
            map: MapKind::default(),
            colour_map: ColourMap::default(),
            scale: Scale::default(),
            auto_range: false,
            hold: Hold::default(),
            backdrop: BackdropChoice::default(),
            tab: Tab::default(),
            coordinates: Coordinates::default(),
            length_unit: LengthUnit::default(),
            array_yaw_deg: Self::DEFAULT_YAW_DEG,
            array_pitch_deg: Self::DEFAULT_PITCH_DEG,
            array_zoom: 1.0,
            history_s: HISTORY_S[1],
            sides: Sides::default(),
            panels: Panels::default(),
            cache: crate::cache::Cache::default(),
        }
    }
}
