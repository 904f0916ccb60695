//! What the editor remembers between frames and between sessions.

use serde::{Deserialize, Serialize};

use crate::colour_map::ColourMap;

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
    /// The choice of the array.
    pub array: bool,
    /// The table of capsules.
    pub capsules: bool,
}

impl Default for Panels {
    fn default() -> Self {
        Self { side: true, sources: true, analysis: true, array: true, capsules: true }
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
    /// The chosen colour map.
    pub colour_map: ColourMap,
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

    /// Makes angles that came from a file usable.
    pub(crate) fn tidy(&mut self) {
        if !(self.globe_yaw_deg.is_finite() && self.globe_pitch_deg.is_finite()) {
            self.reset_globe();
        }
        self.globe_yaw_deg = (self.globe_yaw_deg + 180.0).rem_euclid(360.0) - 180.0;
        self.globe_pitch_deg = self.globe_pitch_deg.clamp(-90.0, 90.0);
    }
}

impl Default for ViewState {
    fn default() -> Self {
        Self {
            projection: Projection::default(),
            globe_yaw_deg: Self::DEFAULT_YAW_DEG,
            globe_pitch_deg: Self::DEFAULT_PITCH_DEG,
            colour_map: ColourMap::default(),
            panels: Panels::default(),
            cache: crate::cache::Cache::default(),
        }
    }
}
