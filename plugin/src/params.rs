//! The parameters: what the host shows, automates and saves, and the session that is saved beside them.
//!
//! All values are atomics: the host's threads write, the worker and the editor read, nobody waits. The audio path needs none of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nice_plug::plugin::ParamValue;
use nice_plug::prelude::*;
use spherescope_dsp::Region;
use spherescope_model::{Band, Engine};
use spherescope_view::RegionKind;

use crate::injected;
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

/// [`RegionKind`] as the host sees it. The identifiers are saved in sessions and never change.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
pub enum RegionChoice {
    /// All directions.
    #[id = "sphere"]
    #[name = "Whole sphere"]
    Sphere,
    /// What lies ahead.
    #[id = "front"]
    #[name = "Front"]
    Front,
    /// What lies above the horizon.
    #[id = "upper"]
    #[name = "Upper"]
    Upper,
    /// A window of azimuths and elevations.
    #[id = "window"]
    #[name = "Window"]
    Window,
}

impl From<RegionChoice> for RegionKind {
    fn from(choice: RegionChoice) -> Self {
        match choice {
            RegionChoice::Sphere => Self::Sphere,
            RegionChoice::Front => Self::Front,
            RegionChoice::Upper => Self::Upper,
            RegionChoice::Window => Self::Window,
        }
    }
}

impl From<RegionKind> for RegionChoice {
    fn from(kind: RegionKind) -> Self {
        match kind {
            RegionKind::Sphere => Self::Sphere,
            RegionKind::Front => Self::Front,
            RegionKind::Upper => Self::Upper,
            RegionKind::Window => Self::Window,
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

    /// Counts the layouts that the editor has set, so that the host sees its project change: persisted fields alone do not mark a
    /// project as modified. Means nothing else, and is hidden.
    #[id = "layout_revision"]
    pub layout_revision: IntParam,

    /// Whether the other engine runs beside the chosen one while a window shows both. Not automatable: a change builds an engine.
    #[id = "compare"]
    pub compare: BoolParam,

    /// The lowest frequency that the engines listen to, in Hz. Like all that follow not automatable: a change builds engine or grid anew,
    /// on the worker.
    #[id = "band_low_hz"]
    pub band_low_hz: FloatParam,

    /// The highest frequency that the engines listen to, in Hz.
    #[id = "band_high_hz"]
    pub band_high_hz: FloatParam,

    /// In which part of the sphere sources are looked for.
    #[id = "region"]
    pub region: EnumParam<RegionChoice>,

    /// The middle of the window's azimuths, in degrees.
    #[id = "region_azimuth_deg"]
    pub region_azimuth_deg: FloatParam,

    /// How many degrees of azimuth the window takes.
    #[id = "region_width_deg"]
    pub region_width_deg: FloatParam,

    /// One edge of the window in elevation, in degrees.
    #[id = "region_lowest_deg"]
    pub region_lowest_deg: FloatParam,

    /// The other edge of the window in elevation, in degrees.
    #[id = "region_highest_deg"]
    pub region_highest_deg: FloatParam,

    /// What is saved beside the parameters: the array, the view and the window.
    #[nested]
    pub session: Session,
}

/// Range of [`SpherescopeParams::gate_db`].
pub const GATE_DB: (f32, f32) = (-100.0, -20.0);
/// Range of [`SpherescopeParams::threshold`].
pub const THRESHOLD: (f32, f32) = (0.0, 1.0);
/// Range of [`SpherescopeParams::max_sources`].
pub const MAX_SOURCES: (i32, i32) = (1, 8);
/// Range of [`SpherescopeParams::smoothing_ms`].
pub const SMOOTHING_MS: (f32, f32) = (0.0, 2000.0);
/// Range of [`SpherescopeParams::grid_size`].
pub const GRID_SIZE: (i32, i32) = (256, 16_384);
/// Range of [`SpherescopeParams::band_low_hz`] and [`SpherescopeParams::band_high_hz`]; its ends are wider than what the engines listen to.
pub const BAND_HZ: (f32, f32) = (50.0, 8000.0);
/// Range of [`SpherescopeParams::region_azimuth_deg`].
pub const REGION_AZIMUTH_DEG: (f32, f32) = (-180.0, 180.0);
/// Range of [`SpherescopeParams::region_width_deg`].
pub const REGION_WIDTH_DEG: (f32, f32) = (10.0, 360.0);
/// Range of [`SpherescopeParams::region_lowest_deg`] and [`SpherescopeParams::region_highest_deg`].
pub const REGION_ELEVATION_DEG: (f32, f32) = (-90.0, 90.0);
/// [`SpherescopeParams::layout_revision`] starts again after this.
pub const MAX_LAYOUT_REVISION: i32 = 0xFFFF;

impl SpherescopeParams {
    /// Defaults, and a session that starts with the array preset of this identifier.
    pub fn new(first_preset: &str) -> Self {
        Self {
            engine: EnumParam::new("Engine", EngineChoice::AggRl).non_automatable(),
            gate_db: FloatParam::new("Gate", -60.0, FloatRange::Linear { min: GATE_DB.0, max: GATE_DB.1 })
                .with_unit(" dBFS")
                .with_value_to_string(shown(rounded(1)))
                .with_string_to_value(Arc::new(read(number))),
            threshold: FloatParam::new(
                "Threshold",
                Engine::AggRl.default_threshold(),
                FloatRange::Linear { min: THRESHOLD.0, max: THRESHOLD.1 },
            )
            .with_value_to_string(shown(rounded(2)))
            .with_string_to_value(Arc::new(read(number))),
            max_sources: IntParam::new(
                "Maximum sources",
                4,
                IntRange::Linear { min: MAX_SOURCES.0, max: MAX_SOURCES.1 },
            )
            .with_string_to_value(Arc::new(read(|text| whole_number(text, MAX_SOURCES)))),
            smoothing_ms: FloatParam::new(
                "Smoothing",
                0.0,
                FloatRange::Skewed { min: SMOOTHING_MS.0, max: SMOOTHING_MS.1, factor: 0.5 },
            )
            .with_unit(" ms")
            .with_value_to_string(shown(rounded(0)))
            .with_string_to_value(Arc::new(read(number))),
            grid_size: IntParam::new("Grid size", 2048, IntRange::Linear { min: GRID_SIZE.0, max: GRID_SIZE.1 })
                .with_unit(" directions")
                .with_string_to_value(Arc::new(read(|text| whole_number(text, GRID_SIZE))))
                .non_automatable(),
            compare: BoolParam::new("Compare engines", false).non_automatable(),
            layout_revision: IntParam::new("Layout revision", 0, IntRange::Linear { min: 0, max: MAX_LAYOUT_REVISION })
                .hide()
                .hide_in_generic_ui(),
            band_low_hz: frequency("Lowest frequency", BAND_HZ.0),
            band_high_hz: frequency("Highest frequency", BAND_HZ.1),
            region: EnumParam::new("Region", RegionChoice::Sphere).non_automatable(),
            region_azimuth_deg: angle("Region azimuth", 0.0, REGION_AZIMUTH_DEG),
            region_width_deg: angle("Region width", 120.0, REGION_WIDTH_DEG),
            region_lowest_deg: angle("Region lowest elevation", -45.0, REGION_ELEVATION_DEG),
            region_highest_deg: angle("Region highest elevation", 45.0, REGION_ELEVATION_DEG),
            session: Session::new(first_preset),
        }
    }

    /// The frequencies that the engines listen to. The two limits may stand either way round.
    pub fn band(&self) -> Band {
        let (a, b) = (self.band_low_hz.value(), self.band_high_hz.value());
        let open =
            |value: f32, end: f32, beyond: f64| if (value - end).abs() < 0.5 { beyond } else { f64::from(value) };
        Band {
            low_hz: open(a.min(b), BAND_HZ.0, Band::ALL.low_hz),
            high_hz: open(a.max(b), BAND_HZ.1, Band::ALL.high_hz),
        }
    }

    /// The part of the sphere in which sources are looked for.
    pub fn region(&self) -> Region {
        match self.region.value() {
            RegionChoice::Sphere => Region::Sphere,
            RegionChoice::Front => Region::Front,
            RegionChoice::Upper => Region::Upper,
            RegionChoice::Window => Region::Window {
                azimuth_deg: self.region_azimuth_deg.value().into(),
                width_deg: self.region_width_deg.value().into(),
                elevations_deg: [self.region_lowest_deg.value().into(), self.region_highest_deg.value().into()],
            },
        }
    }
}

fn frequency(name: &str, default: f32) -> FloatParam {
    let range = FloatRange::Skewed { min: BAND_HZ.0, max: BAND_HZ.1, factor: FloatRange::skew_factor(-1.5) };
    FloatParam::new(name, default, range)
        .with_unit(" Hz")
        .with_value_to_string(shown(rounded(0)))
        .with_string_to_value(Arc::new(read(number)))
        .non_automatable()
}

fn angle(name: &str, default: f32, (min, max): (f32, f32)) -> FloatParam {
    FloatParam::new(name, default, FloatRange::Linear { min, max })
        .with_unit("°")
        .with_value_to_string(shown(rounded(0)))
        .with_string_to_value(Arc::new(read(number)))
        .non_automatable()
}

/// Makes the parameters of a saved state usable before the framework takes them as they are: values outside their range end at its
/// nearest end, and values that are none, or of another kind, are left out, so that the present one stays.
///
/// Without this a damaged project could ask for a grid of two thousand million directions, or for an engine that does not exist.
pub fn tidy_state(state: &mut PluginState) {
    let within = |value: f32, (min, max): (f32, f32)| value.is_finite().then(|| value.clamp(min, max));
    state.params.retain(|id, value| match (id.as_str(), value) {
        ("engine", ParamValue::String(engine)) => EngineChoice::ids().is_some_and(|ids| ids.contains(&engine.as_str())),
        ("region", ParamValue::String(region)) => RegionChoice::ids().is_some_and(|ids| ids.contains(&region.as_str())),
        ("engine" | "region", _) => false,
        ("compare", ParamValue::Bool(_)) => true,
        (id, ParamValue::F32(value)) => match id {
            "gate_db" => keep(value, within(*value, GATE_DB)),
            "threshold" => keep(value, within(*value, THRESHOLD)),
            "smoothing_ms" => keep(value, within(*value, SMOOTHING_MS)),
            "band_low_hz" | "band_high_hz" => keep(value, within(*value, BAND_HZ)),
            "region_azimuth_deg" => keep(value, within(*value, REGION_AZIMUTH_DEG)),
            "region_width_deg" => keep(value, within(*value, REGION_WIDTH_DEG)),
            "region_lowest_deg" | "region_highest_deg" => keep(value, within(*value, REGION_ELEVATION_DEG)),
            _ => false,
        },
        (id, ParamValue::I32(value)) => match id {
            "max_sources" => keep(value, Some((*value).clamp(MAX_SOURCES.0, MAX_SOURCES.1))),
            "grid_size" => keep(value, Some((*value).clamp(GRID_SIZE.0, GRID_SIZE.1))),
            "layout_revision" => keep(value, Some((*value).clamp(0, MAX_LAYOUT_REVISION))),
            _ => false,
        },
        _ => false,
    });
}

fn keep<T>(place: &mut T, value: Option<T>) -> bool {
    match value {
        Some(value) => {
            *place = value;
            true
        }
        None => false,
    }
}

/// How a value is shown; should `text` panic, as the bare number: a panic here would end the host.
fn shown(text: impl Fn(f32) -> String + Send + Sync + 'static) -> Arc<dyn Fn(f32) -> String + Send + Sync> {
    Arc::new(move |value| {
        let guarded = catch_unwind(AssertUnwindSafe(|| {
            injected::panic_if_asked("text");
            text(value)
        }));
        guarded.unwrap_or_else(|_| value.to_string())
    })
}

/// How a text is read; should `value` panic, as none.
fn read<T: 'static>(value: fn(&str) -> Option<T>) -> impl Fn(&str) -> Option<T> + Send + Sync + 'static {
    move |text| {
        let guarded = catch_unwind(|| {
            injected::panic_if_asked("text");
            value(text)
        });
        guarded.ok().flatten()
    }
}

fn rounded(digits: usize) -> impl Fn(f32) -> String + Send + Sync + 'static {
    let text = formatters::v2s_f32_rounded(digits);
    move |value| text(value)
}

/// A number with or without a unit behind it.
fn number(text: &str) -> Option<f32> {
    let text = text.trim().trim_end_matches(|c: char| c.is_alphabetic() || c.is_whitespace() || c == '°');
    text.parse().ok().filter(|x: &f32| x.is_finite())
}

/// A whole number with or without a unit behind it; fractions are rounded. What is out of range ends at its nearest end: the framework
/// takes the difference from the range's start, which may be more than a number holds.
fn whole_number(text: &str, (min, max): (i32, i32)) -> Option<i32> {
    number(text).map(|x| (x.round() as i32).clamp(min, max))
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
            "layout_revision",
            "compare",
            "band_low_hz",
            "band_high_hz",
            "region",
            "region_azimuth_deg",
            "region_width_deg",
            "region_lowest_deg",
            "region_highest_deg",
        ];
        assert_eq!(ids, saved);
    }

    fn state(values: impl IntoIterator<Item = (String, ParamValue)>) -> PluginState {
        PluginState { version: "1".into(), params: values.into_iter().collect(), fields: Default::default() }
    }

    #[test]
    fn a_state_s_values_end_up_in_range_or_are_left_out() {
        let value = |text: &str| serde_json::from_str::<ParamValue>(text).unwrap();
        for (id, saved, taken) in [
            ("gate_db", r#"{"f32": 1e30}"#, Some(r#"{"f32": -20.0}"#)),
            ("gate_db", r#"{"i32": -30}"#, None),
            ("gate_db", r#"{"f32": -30.5}"#, Some(r#"{"f32": -30.5}"#)),
            ("threshold", r#"{"f32": -5.0}"#, Some(r#"{"f32": 0.0}"#)),
            ("smoothing_ms", r#"{"f32": 1e9}"#, Some(r#"{"f32": 2000.0}"#)),
            ("max_sources", r#"{"i32": 2147483647}"#, Some(r#"{"i32": 8}"#)),
            ("grid_size", r#"{"i32": 2147483647}"#, Some(r#"{"i32": 16384}"#)),
            ("grid_size", r#"{"i32": -2147483648}"#, Some(r#"{"i32": 256}"#)),
            ("layout_revision", r#"{"i32": -1}"#, Some(r#"{"i32": 0}"#)),
            ("engine", r#"{"string": "srp-phat"}"#, Some(r#"{"string": "srp-phat"}"#)),
            ("engine", r#"{"string": "no such engine"}"#, None),
            ("engine", r#"{"i32": 99}"#, None),
            ("compare", r#"{"bool": true}"#, Some(r#"{"bool": true}"#)),
            ("compare", r#"{"f32": 0.3}"#, None),
            ("band_low_hz", r#"{"f32": -1.0}"#, Some(r#"{"f32": 50.0}"#)),
            ("band_high_hz", r#"{"f32": 1e30}"#, Some(r#"{"f32": 8000.0}"#)),
            ("region", r#"{"string": "upper"}"#, Some(r#"{"string": "upper"}"#)),
            ("region", r#"{"string": "no such region"}"#, None),
            ("region", r#"{"i32": 2}"#, None),
            ("region_width_deg", r#"{"f32": 0.0}"#, Some(r#"{"f32": 10.0}"#)),
            ("region_lowest_deg", r#"{"f32": -91.0}"#, Some(r#"{"f32": -90.0}"#)),
            ("no_such_parameter", r#"{"bool": true}"#, None),
        ] {
            let mut state = state([(id.to_string(), value(saved))]);
            tidy_state(&mut state);
            let json = |v: &ParamValue| serde_json::to_string(v).unwrap();
            let found = state.params.get(id).map(json);
            assert_eq!(found, taken.map(|t| json(&value(t))), "{id}: {saved}");
        }
    }

    #[test]
    fn every_saved_value_is_taken_again() {
        let values = params().param_map().into_iter().map(|(id, ptr, _)| match ptr {
            ParamPtr::FloatParam(_) => (id, ParamValue::F32(0.0)),
            ParamPtr::EnumParam(_) if id == "region" => (id, ParamValue::String("window".into())),
            ParamPtr::EnumParam(_) => (id, ParamValue::String("agg-rl".into())),
            ParamPtr::IntParam(_) => (id, ParamValue::I32(1)),
            ParamPtr::BoolParam(_) => (id, ParamValue::Bool(true)),
        });
        let mut state = state(values);
        let before: Vec<_> = state.params.keys().cloned().collect();
        tidy_state(&mut state);
        assert_eq!(state.params.keys().cloned().collect::<Vec<_>>(), before, "a parameter is left out");
        state.params.insert("gate_db".into(), ParamValue::F32(f32::NAN));
        tidy_state(&mut state);
        assert!(!state.params.contains_key("gate_db"));
    }

    #[test]
    fn a_panic_in_a_text_is_no_panic_of_the_parameter() {
        assert_eq!(shown(|_| panic!("injected"))(1.5), "1.5");
        fn fails(_: &str) -> Option<f32> {
            panic!("injected")
        }
        assert_eq!(read(fails)("1.5"), None);
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
        let azimuth = |text| params.region_azimuth_deg.string_to_normalized_value(text);
        assert_eq!(azimuth("90°"), azimuth("90"));
        assert!(azimuth(" -12 ° ").is_some() && azimuth("°").is_none());
        let grid = |text| params.grid_size.string_to_normalized_value(text).map(|n| params.grid_size.preview_plain(n));
        assert_eq!(grid("4096 directions"), Some(4096));
        for (text, end) in [("-2147483649", 256), ("-1e30 directions", 256), ("255.4", 256), ("1e30", 16_384)] {
            assert_eq!(grid(text), Some(end), "{text}");
        }
        assert_eq!(params.engine.string_to_normalized_value("SRP-PHAT"), Some(1.0));
    }

    #[test]
    fn at_their_ends_the_limits_of_the_band_leave_nothing_out_and_their_order_does_not_matter() {
        let params = params();
        assert_eq!(params.band(), Band::ALL);
        assert_eq!(params.region(), Region::Sphere);
        let set = |param: &FloatParam, value: f32| {
            // SAFETY: the parameter lives, and nobody else holds it.
            unsafe { param.as_ptr()._internal_set_normalized_value(param.preview_normalized(value)) };
        };
        set(&params.band_low_hz, 3000.0);
        assert_eq!(params.band().high_hz, f64::INFINITY);
        set(&params.band_high_hz, 400.0);
        let band = params.band();
        assert!((band.low_hz - 400.0).abs() < 1.0 && (band.high_hz - 3000.0).abs() < 1.0, "{band:?}");
    }
}
