//! The parameters: what the host shows, automates and saves, and the session that is saved beside them.
//!
//! All values are atomics: the host's threads write, the worker and the editor read, nobody waits. The audio path needs none of them.

use std::sync::Arc;

use nice_plug::prelude::*;
use spherescope_model::Engine;

use crate::session::Session;

/// [`Engine`] as the host sees it. The identifiers are saved in sessions and never change.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
pub enum EngineChoice {
    /// The AGG-RL network.
    #[id = "agg-rl"]
    #[name = "AGG-RL"]
    AggRl,
    /// The classical steered response power with phase transform.
    #[id = "srp-phat"]
    #[name = "SRP-PHAT"]
    SrpPhat,
}

impl From<EngineChoice> for Engine {
    fn from(choice: EngineChoice) -> Self {
        match choice {
            EngineChoice::AggRl => Self::AggRl,
            EngineChoice::SrpPhat => Self::SrpPhat,
        }
    }
}

impl From<Engine> for EngineChoice {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::AggRl => Self::AggRl,
            Engine::SrpPhat => Self::SrpPhat,
        }
    }
}

/// All parameters of an instance. The identifiers are saved in sessions and never change.
#[derive(Params)]
pub struct SpherescopeParams {
    /// Which engine makes the spectrum. Not automatable: a change builds the engine anew, on the worker.
    #[id = "engine"]
    pub engine: EnumParam<EngineChoice>,

    /// Input level in dBFS below which nothing is shown.
    #[id = "gate_db"]
    pub gate_db: FloatParam,

    /// Score below which a maximum of the spectrum is no source, 0 … 1.
    #[id = "threshold"]
    pub threshold: FloatParam,

    /// At most this many sources are shown.
    #[id = "max_sources"]
    pub max_sources: IntParam,

    /// Time constant of the spectrum's smoothing in milliseconds; 0 for none.
    #[id = "smoothing_ms"]
    pub smoothing_ms: FloatParam,

    /// D, the number of directions of the grid. Not automatable: a change builds grid and engine anew, on the worker.
    #[id = "grid_size"]
    pub grid_size: IntParam,

    /// Whether the other engine runs beside the chosen one while a window shows both. Not automatable: a change builds an engine.
    #[id = "compare"]
    pub compare: BoolParam,

    /// Counts the layouts that the editor has set, so that the host sees its project change: persisted fields alone do not mark a
    /// project as modified. Means nothing else, and is hidden.
    #[id = "layout_revision"]
    pub layout_revision: IntParam,

    /// What is saved beside the parameters: the array, the view and the window.
    #[nested]
    pub session: Session,
}

/// Range of [`SpherescopeParams::gate_db`].
pub const GATE_DB: (f32, f32) = (-100.0, -20.0);
/// Range of [`SpherescopeParams::max_sources`].
pub const MAX_SOURCES: (i32, i32) = (1, 8);
/// Range of [`SpherescopeParams::smoothing_ms`].
pub const SMOOTHING_MS: (f32, f32) = (0.0, 2000.0);
/// Range of [`SpherescopeParams::grid_size`].
pub const GRID_SIZE: (i32, i32) = (256, 16_384);
/// [`SpherescopeParams::layout_revision`] starts again after this.
pub const MAX_LAYOUT_REVISION: i32 = 0xFFFF;

impl SpherescopeParams {
    /// Defaults, and a session that starts with the array preset of this identifier.
    pub fn new(first_preset: &str) -> Self {
        Self {
            engine: EnumParam::new("Engine", EngineChoice::AggRl).non_automatable(),
            gate_db: FloatParam::new("Gate", -60.0, FloatRange::Linear { min: GATE_DB.0, max: GATE_DB.1 })
                .with_unit(" dBFS")
                .with_value_to_string(formatters::v2s_f32_rounded(1))
                .with_string_to_value(Arc::new(number)),
            threshold: FloatParam::new(
                "Threshold",
                Engine::AggRl.default_threshold(),
                FloatRange::Linear { min: 0.0, max: 1.0 },
            )
            .with_value_to_string(formatters::v2s_f32_rounded(2))
            .with_string_to_value(Arc::new(number)),
            max_sources: IntParam::new(
                "Maximum sources",
                4,
                IntRange::Linear { min: MAX_SOURCES.0, max: MAX_SOURCES.1 },
            )
            .with_string_to_value(Arc::new(whole_number)),
            smoothing_ms: FloatParam::new(
                "Smoothing",
                0.0,
                FloatRange::Skewed { min: SMOOTHING_MS.0, max: SMOOTHING_MS.1, factor: 0.5 },
            )
            .with_unit(" ms")
            .with_value_to_string(formatters::v2s_f32_rounded(0))
            .with_string_to_value(Arc::new(number)),
            grid_size: IntParam::new("Grid size", 2048, IntRange::Linear { min: GRID_SIZE.0, max: GRID_SIZE.1 })
                .with_unit(" directions")
                .with_string_to_value(Arc::new(whole_number))
                .non_automatable(),
            compare: BoolParam::new("Compare engines", false).non_automatable(),
            layout_revision: IntParam::new("Layout revision", 0, IntRange::Linear { min: 0, max: MAX_LAYOUT_REVISION })
                .hide()
                .hide_in_generic_ui(),
            session: Session::new(first_preset),
        }
    }
}

/// A number with or without a unit behind it.
fn number(text: &str) -> Option<f32> {
    let text = text.trim().trim_end_matches(|c: char| c.is_alphabetic() || c.is_whitespace());
    text.parse().ok().filter(|x: &f32| x.is_finite())
}

/// A whole number with or without a unit behind it; fractions are rounded.
fn whole_number(text: &str) -> Option<i32> {
    number(text).map(|x| x.round() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> SpherescopeParams {
        SpherescopeParams::new("a-format-tetrahedron")
    }

    #[test]
    fn identifiers_are_the_saved_ones() {
        let ids: Vec<_> = params().param_map().into_iter().map(|(id, ..)| id).collect();
        let saved = [
            "engine",
            "gate_db",
            "threshold",
            "max_sources",
            "smoothing_ms",
            "grid_size",
            "compare",
            "layout_revision",
        ];
        assert_eq!(ids, saved);
    }

    #[test]
    fn every_value_survives_the_way_through_its_text() {
        let params = params();
        for (id, ptr, _) in params.param_map() {
            for step in 0..=1000 {
                for unit in [false, true] {
                    // SAFETY: the pointers of the map are valid as long as `params` lives.
                    let (text, again) = unsafe {
                        let text = ptr.normalized_value_to_string(step as f32 / 1000.0, unit);
                        let value = ptr.string_to_normalized_value(&text);
                        let value = value.unwrap_or_else(|| panic!("{id}: {text:?} is not read"));
                        (text, ptr.normalized_value_to_string(value, unit))
                    };
                    assert_eq!(text, again, "{id}");
                }
            }
        }
    }

    #[test]
    fn texts_are_read_with_units_and_junk_is_not() {
        let params = params();
        let gate = |text| params.gate_db.string_to_normalized_value(text).map(|n| params.gate_db.preview_plain(n));
        assert_eq!(gate("-40"), Some(-40.0));
        assert_eq!(gate(" -40.0 dBFS "), Some(-40.0));
        for junk in ["", "dB", "NaN", "inf", "-inf dB", "minus 40"] {
            assert_eq!(gate(junk), None, "{junk:?}");
        }
        let grid = |text| params.grid_size.string_to_normalized_value(text).map(|n| params.grid_size.preview_plain(n));
        assert_eq!(grid("4096 directions"), Some(4096));
        assert_eq!(params.engine.string_to_normalized_value("SRP-PHAT"), Some(1.0));
    }
}
