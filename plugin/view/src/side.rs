//! The side panel: the parameters of the analysis and the array.

use egui::{Rect, RichText, ScrollArea, Ui, UiBuilder, vec2};
use spherescope_model::Engine;

use crate::edits::Editor;
use crate::input::{Action, Gesture, ParamChange, ParamId, ParamValues, RegionKind, ViewInput, engine_value};
use crate::number_field::Typing;
use crate::state::{Tab, ViewState};
use crate::{
    array_panel, array_tools, array_view, capsule_editor, display, doctor_panel, layout_editor, output, param_row,
    settings, stage, theme, widgets,
};

/// Width of the panel beside the map.
pub(crate) const WIDTH: f32 = 312.0;

/// Draws the panel into `rect`.
pub(crate) fn draw(ui: &mut Ui, rect: Rect, state: &mut ViewState, input: &ViewInput<'_>, actions: &mut Vec<Action>) {
    ui.painter().rect_filled(rect, 0, theme::PANEL);
    ui.painter().vline(rect.right() - 0.5, rect.y_range(), egui::Stroke::new(1.0, theme::LINE));
    let inner = rect.shrink2(vec2(1.0, 0.0));
    let mut ui = ui.new_child(UiBuilder::new().id_salt("side").max_rect(inner));
    ui.shrink_clip_rect(inner);
    ScrollArea::vertical().auto_shrink(false).show(&mut ui, |ui| {
        egui::Frame::NONE.inner_margin(egui::Margin { left: 11, right: 13, top: 6, bottom: 12 }).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            let mut editor = Editor::new(input.layout);
            let mut open = state.panels.array;
            let remark = format!("{} capsules", input.layout.active_len());
            if widgets::section(ui, "Array", &remark, &mut open) {
                array_panel::choice(ui, state, input, &mut editor);
                layout_editor::show(ui, state, input, &mut editor, actions);
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = 6.0;
                    array_tools::history_buttons(ui, state, input, &mut editor, actions);
                });
                array_panel::edit_error(ui, state, input);
            }
            state.panels.array = open;
            separator(ui);
            if state.tab == Tab::Sound {
                sound(ui, state, input, actions);
            } else {
                let mut open = state.panels.tools;
                if widgets::section(ui, "Tools", "turn, mirror, scale, generate", &mut open) {
                    array_tools::tools(ui, state, input, &mut editor);
                }
                state.panels.tools = open;
                separator(ui);
            }
            let found = doctor_panel::findings(input);
            if widgets::section(ui, "Doctor", &doctor_panel::remark(&found), &mut state.panels.doctor) {
                doctor_panel::show(ui, input, &mut editor);
            }
            separator(ui);
            let needed = input.layout.channels_needed();
            let mut open = state.panels.capsules;
            if widgets::section(ui, "Capsules", &format!("channels 1–{needed}"), &mut open) {
                // Where there is room it stands beside the array in space.
                if ui.ctx().content_rect().width() < array_view::CARD_FROM {
                    capsule_editor::chosen(ui, state, input, &mut editor);
                }
                capsule_editor::table(ui, state, input, &mut editor);
            }
            state.panels.capsules = open;
            editor.finish(state, actions);
        });
    });
}

/// The sections that are about what is heard.
fn sound(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>, actions: &mut Vec<Action>) {
    let mut open = state.panels.analysis;
    if widgets::section(ui, "Analysis", stage::engine_name(input.params.engine), &mut open) {
        settings::show(ui, state, &input.params, actions);
        analysis(ui, &mut state.cache.typing, input, actions);
        if widgets::section(ui, "Limits", &limits_remark(&input.params), &mut state.panels.limits) {
            limits(ui, &mut state.cache.typing, input, actions);
        }
    }
    state.panels.analysis = open;
    separator(ui);
    let mut open = state.panels.display;
    if widgets::section(ui, "Display", state.colour_map.name(), &mut open) {
        display::show(ui, state, input.backdrop);
    }
    state.panels.display = open;
    separator(ui);
    let mut open = state.panels.output;
    if widgets::section(ui, "Output", output::remark(input.outputs), &mut open) {
        output::show(ui, state, input, actions);
    }
    state.panels.output = open;
    separator(ui);
}

fn separator(ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 7.0), egui::Sense::hover());
    ui.painter().hline(rect.x_range(), rect.center().y, egui::Stroke::new(1.0, theme::LINE));
}

/// What is left out, in a few words.
fn limits_remark(params: &ParamValues) -> String {
    let [low, high] = [ParamId::BandLow, ParamId::BandHigh].map(|id| id.value_in(params));
    let whole = ParamValues::default();
    let band = ((low, high) != (whole.band_low_hz, whole.band_high_hz))
        .then(|| format!("{:.0}–{:.0} Hz", low.min(high), low.max(high)));
    let region = match params.region {
        RegionKind::Sphere => None,
        RegionKind::Front => Some("front"),
        RegionKind::Upper => Some("upper half"),
        RegionKind::Window => Some("window"),
    };
    match (band, region) {
        (None, None) => "all around, all frequencies".into(),
        (Some(band), None) => band,
        (None, Some(region)) => region.into(),
        (Some(band), Some(region)) => format!("{band}, {region}"),
    }
}

/// Limits of the band and of the region.
fn limits(ui: &mut Ui, typing: &mut Option<Typing>, input: &ViewInput<'_>, actions: &mut Vec<Action>) {
    let width = ui.available_width();
    for id in [ParamId::BandLow, ParamId::BandHigh] {
        param_row::show(ui, id, &input.params, typing, actions);
    }
    ui.add_space(2.0);
    let hints = [
        (RegionKind::Sphere, "Sphere", "Sources are looked for all around"),
        (RegionKind::Front, "Front", "Only what lies ahead: for a stage or a desk. Costs half"),
        (RegionKind::Upper, "Upper", "Only what lies above the horizon: for arrays on a table. Costs half"),
        (RegionKind::Window, "Window", "Only a window of azimuths and elevations: where you know the sources are"),
    ];
    if let Some(kind) = widgets::segmented(ui, width, &hints, input.params.region) {
        let change = ParamChange { id: ParamId::Region, value: kind.value(), gesture: Gesture::Once };
        actions.push(Action::SetParam(change));
    }
    if input.params.region == RegionKind::Window {
        for id in [ParamId::RegionAzimuth, ParamId::RegionWidth, ParamId::RegionLowest, ParamId::RegionHighest] {
            param_row::show(ui, id, &input.params, typing, actions);
        }
    }
}

fn analysis(ui: &mut Ui, typing: &mut Option<Typing>, input: &ViewInput<'_>, actions: &mut Vec<Action>) {
    let engines = [
        (Engine::AggRl, "AGG-RL", "The trained network: sure-footed in rooms and noise"),
        (Engine::SrpPhat, "SRP-PHAT", "The classical method: no training, a check on the network"),
    ];
    let width = ui.available_width();
    if let Some(engine) = widgets::segmented(ui, width, &engines, input.params.engine) {
        let change = ParamChange { id: ParamId::Engine, value: engine_value(engine), gesture: Gesture::Once };
        actions.push(Action::SetParam(change));
    }
    let (name, hint) =
        ("Compare both", "Both engines on the same sound, side by side, and how far they agree; costs both");
    let button = egui::Button::new(RichText::new(name).size(12.5)).selected(input.params.compare);
    if ui.add_sized(vec2(width, theme::HIT), button).on_hover_text(hint).clicked() {
        let value = if input.params.compare { 0.0 } else { 1.0 };
        actions.push(Action::SetParam(ParamChange { id: ParamId::Compare, value, gesture: Gesture::Once }));
    }
    ui.add_space(2.0);
    for id in [ParamId::Gate, ParamId::Threshold, ParamId::MaxSources, ParamId::Smoothing, ParamId::GridSize] {
        param_row::show(ui, id, &input.params, typing, actions);
    }
}
