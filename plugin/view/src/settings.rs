//! Whole sets of analysis settings: ready-made ones, and two to switch between.

use egui::{RichText, Ui, vec2};
use serde::{Deserialize, Serialize};
use spherescope_model::Engine;

use crate::input::{Action, Gesture, ParamChange, ParamId, ParamValues, engine_value};
use crate::state::ViewState;
use crate::{theme, widgets};

/// The parameters of a set, in the order in which they are set: the engine first, as the threshold may follow it.
const SET: [ParamId; 13] = [
    ParamId::Engine,
    ParamId::Gate,
    ParamId::Threshold,
    ParamId::MaxSources,
    ParamId::Smoothing,
    ParamId::GridSize,
    ParamId::BandLow,
    ParamId::BandHigh,
    ParamId::Region,
    ParamId::RegionAzimuth,
    ParamId::RegionWidth,
    ParamId::RegionLowest,
    ParamId::RegionHighest,
];
/// Ready-made sets are about so many of them: where to look, and at which frequencies, is the room's matter.
const READY_MADE: usize = 6;

/// Values of all parameters of the analysis.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<f32>", into = "Vec<f32>")]
pub(crate) struct Settings([f32; SET.len()]);

/// What was saved before there were as many parameters has the defaults of those that came later.
impl From<Vec<f32>> for Settings {
    fn from(saved: Vec<f32>) -> Self {
        let mut settings = Self::of(&ParamValues::default());
        settings.0.iter_mut().zip(saved).for_each(|(value, saved)| *value = saved);
        settings
    }
}

impl From<Settings> for Vec<f32> {
    fn from(settings: Settings) -> Self {
        settings.0.to_vec()
    }
}

impl Settings {
    fn of(params: &ParamValues) -> Self {
        Self(SET.map(|id| id.value_in(params)))
    }

    /// Asks for every value that differs.
    fn apply(&self, params: &ParamValues, actions: &mut Vec<Action>) {
        for (id, &value) in SET.iter().zip(&self.0) {
            let (low, high) = id.range();
            if value.is_finite() && value != id.value_in(params) {
                let change = ParamChange { id: *id, value: value.clamp(low, high), gesture: Gesture::Once };
                actions.push(Action::SetParam(change));
            }
        }
    }
}

/// Two sets of settings of which one is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Sides {
    /// Whether B is heard.
    pub(crate) on_b: bool,
    /// The side that is not heard; none before it was left for the first time.
    pub(crate) other: Option<Settings>,
}

/// A ready-made set: its name, when to use it, and its values. What it is not about stays as it is `now`.
fn ready_made(now: Settings) -> [(&'static str, &'static str, Settings); 4] {
    let set = |engine: Engine, gate_db: f32, threshold: f32, most: usize, smoothing_ms: f32, grid: usize| {
        let mut set = now;
        let values = [engine_value(engine), gate_db, threshold, most as f32, smoothing_ms, grid as f32];
        set.0[..READY_MADE].copy_from_slice(&values);
        set
    };
    let neural = Engine::AggRl;
    [
        ("Speech in a room", "The start: sure-footed in rooms and noise", {
            let mut set = now;
            set.0[..READY_MADE].copy_from_slice(&Settings::of(&ParamValues::default()).0[..READY_MADE]);
            set
        }),
        ("Calm", "For long looks: smooth, few ghosts", set(neural, -55.0, 0.6, 4, 250.0, 2048)),
        ("Fine", "To measure angles: a fine grid, a short memory", set(neural, -60.0, 0.5, 4, 60.0, 8192)),
        (
            "Classical",
            "SRP-PHAT, smoothed: no training behind it",
            set(Engine::SrpPhat, -60.0, Engine::SrpPhat.default_threshold(), 4, 300.0, 2048),
        ),
    ]
}

/// The choice of a ready-made set, and the two sides.
pub(crate) fn show(ui: &mut Ui, state: &mut ViewState, params: &ParamValues, actions: &mut Vec<Action>) {
    let now = Settings::of(params);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        let width = ui.available_width();
        let sets = ready_made(now);
        let name = sets.iter().find(|s| s.2 == now).map_or("Own settings", |s| s.0);
        let combo = egui::ComboBox::from_id_salt("settings").width(width - 92.0);
        let response = combo.selected_text(RichText::new(name).size(12.5)).show_ui(ui, |ui| {
            for (name, hint, set) in &sets {
                if ui.selectable_label(*set == now, *name).on_hover_text(*hint).clicked() {
                    set.apply(params, actions);
                }
            }
        });
        response.response.on_hover_text("Ready-made settings of the analysis");
        let (rect, _) = ui.allocate_exact_size(vec2(76.0, theme::HIT + 2.0), egui::Sense::hover());
        let mut part = ui.new_child(egui::UiBuilder::new().id_salt("sides").max_rect(rect));
        let options = [
            (false, "A", "One set of settings; switching keeps both"),
            (true, "B", "The other set: starts as a copy of the first"),
        ];
        if let Some(on_b) = widgets::segmented(&mut part, rect.width(), &options, state.sides.on_b) {
            if let Some(other) = state.sides.other {
                other.apply(params, actions);
            }
            state.sides = Sides { on_b, other: Some(now) };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_asks_for_what_differs_the_engine_first() {
        let params = ParamValues::default();
        for (name, _, set) in ready_made(Settings::of(&params)) {
            let mut actions = Vec::new();
            set.apply(&params, &mut actions);
            let ids: Vec<_> = actions
                .iter()
                .map(|a| match a {
                    Action::SetParam(change) => change.id,
                    other => panic!("{other:?}"),
                })
                .collect();
            match name {
                "Speech in a room" => assert!(ids.is_empty()),
                "Classical" => assert_eq!(ids, [ParamId::Engine, ParamId::Threshold, ParamId::Smoothing]),
                _ => assert!(!ids.is_empty() && !ids.contains(&ParamId::Engine)),
            }
        }
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let mut actions = Vec::new();
        Settings([f32::NAN; SET.len()]).apply(&ParamValues::default(), &mut actions);
        assert!(actions.is_empty());
    }

    #[test]
    fn sides_that_were_saved_before_there_was_a_band_are_read() {
        let sides: Sides =
            serde_json::from_str(r#"{"on_b": true, "other": [1.0, -50.0, 0.3, 2.0, 100.0, 4096.0]}"#).unwrap();
        let mut actions = Vec::new();
        sides.other.unwrap().apply(&ParamValues { band_low_hz: 300.0, ..ParamValues::default() }, &mut actions);
        assert_eq!(actions.len(), 7, "{actions:?}");
        let again: Sides = serde_json::from_str(&serde_json::to_string(&sides).unwrap()).unwrap();
        assert_eq!(again, sides);
    }
}
