//! The editor's view, free of the plugin framework: plain functions of state.
//!
//! [`draw`] takes what there is to show ([`ViewInput`]), what the editor remembers ([`ViewState`]) and a place to draw, and returns
//! what the user asked for ([`Action`]). It owns no thread and asks for no repaint: whoever calls it decides when there is something
//! new. A frame without a new snapshot interpolates nothing and uploads nothing.
//!
//! From the top of the window to the bottom: the top bar; banners about what stands in the way; the side panel with the array and
//! the parameters beside the stage with the map and the globe; the list of sources; the health line.

mod ambiguity;
mod array_panel;
mod array_tools;
mod array_view;
mod backdrop;
mod banners;
mod cache;
mod capsule_editor;
mod capsules;
mod chart;
pub mod colour_map;
mod display;
mod doctor_panel;
mod edits;
mod globe;
mod health;
mod heard;
mod heat;
mod history;
pub mod input;
mod interpolate;
mod layout_editor;
mod layout_facts;
mod legend;
mod map;
mod markers;
mod number_field;
mod output;
mod param_row;
mod picture;
mod projection;
mod region;
mod settings;
mod side;
pub mod snapshot;
mod sources;
mod stage;
pub mod state;
mod strip;
mod text;
pub mod theme;
mod top_bar;
mod widgets;

use egui::{Rect, Ui, UiBuilder};

use crate::edits::Editor;

pub use backdrop::{BACKDROP_SIZE, Backdrop, BackdropChoice};
pub use colour_map::ColourMap;
pub use history::History;
pub use input::{
    Action, GRID_SIZES, Gesture, OpenedFile, ParamChange, ParamId, ParamValues, RegionKind, ViewInput, engine_of_value,
    engine_value,
};
pub use output::{FIRST_OSC_TARGET, OscState, Outputs, Recording, osc_address};
pub use picture::map_picture;
pub use snapshot::{Health, Other, Snapshot};
pub use state::{Coordinates, Hold, LengthUnit, MapKind, Panels, Projection, Scale, Tab, ViewState};

/// Below this width the side panel takes the place of the map instead of standing beside it.
const NARROW: f32 = 680.0;

/// Draws the whole editor into `ui` and returns what the user asked for.
///
/// The first frame in a fresh context shows only the background, until the fonts are there; [`theme::install`] before it avoids that.
pub fn draw(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>) -> Vec<Action> {
    let window = ui.available_rect_before_wrap();
    ui.painter().rect_filled(window, 0, theme::BACKGROUND);
    if !theme::installed(ui.ctx()) {
        theme::install(ui.ctx());
        ui.ctx().request_repaint();
        return Vec::new();
    }
    if !(window.is_finite() && window.width() >= 24.0 && window.height() >= 24.0) {
        return Vec::new();
    }
    state.tidy();
    // Frozen or not: what is heard goes on.
    state.cache.history.take(input.snapshot, state.cache.pin.as_ref());
    let mut ui = ui.new_child(UiBuilder::new().id_salt("spherescope").max_rect(window));
    ui.shrink_clip_rect(window);
    let mut actions = Vec::new();
    parts(&mut ui, window, state, input, &mut actions);
    number_field::leave_hidden(&mut state.cache.typing);
    actions
}

fn parts(ui: &mut Ui, window: Rect, state: &mut ViewState, input: &ViewInput<'_>, actions: &mut Vec<Action>) {
    let narrow = window.width() < NARROW;
    let (bar, mut rest) = window.split_top_bottom_at_y(window.top() + top_bar::height(window.height()));
    top_bar::draw(ui, bar, state, &top_bar::Bar { narrow, snapshot: input.snapshot });
    if window.height() >= 300.0 {
        let line;
        (rest, line) = rest.split_top_bottom_at_y(rest.bottom() - health::HEIGHT);
        health::draw(ui, line, input);
    }
    if narrow && state.cache.side_over_map {
        side::draw(ui, rest, state, input, actions);
        return;
    }
    if !narrow && state.panels.side {
        let panel;
        (panel, rest) = rest.split_left_right_at_x(rest.left() + side::WIDTH);
        side::draw(ui, panel, state, input, actions);
    }
    let editing = !narrow && state.panels.side && state.cache.editor.is_some();
    rest = banners::draw(ui, rest, &banners::collect(input, editing));
    if state.tab == Tab::Array {
        let mut editor = Editor::new(input.layout);
        array_view::draw(ui, rest, state, input, &mut editor);
        editor.finish(state, actions);
        return;
    }
    // What is seen may be older than what is heard; levels and health stay live.
    let frozen = state.cache.frozen.clone();
    let input = &ViewInput { snapshot: frozen.as_deref().unwrap_or(input.snapshot), ..*input };
    let (list, lanes);
    (rest, list, lanes) = dock(rest, state, input);
    if list.is_positive() {
        sources::draw(ui, list, state, input);
    }
    if lanes.is_positive()
        && let Some(lanes) = strip::heading(ui, lanes, state)
    {
        let cache = &mut state.cache;
        let strip = strip::Strip {
            now_s: input.snapshot.t_s,
            pin: cache.pin,
            threshold: input.params.threshold,
            history: &cache.history,
        };
        strip::draw(ui, lanes, &strip, state.history_s, state.colour_map, &mut cache.strip);
    }
    if rest.width() > 8.0 && rest.height() > 8.0 {
        stage::draw(ui, rest, state, input);
    }
}

/// What is left for the stage, and below it the list of sources and the history: side by side where there is room, else one above the
/// other, the history only in high windows.
fn dock(rest: Rect, state: &ViewState, input: &ViewInput<'_>) -> (Rect, Rect, Rect) {
    const BESIDE: f32 = 660.0;
    let list = sources::height(state.panels.sources, input.params.max_sources);
    let strip = strip::height(state.panels.history, state.cache.pin.is_some());
    if rest.height() < 330.0 {
        return (rest, Rect::NOTHING, Rect::NOTHING);
    }
    if rest.width() >= BESIDE && state.panels.sources && state.panels.history {
        let wanted = list.max(strip).min(0.42 * rest.height());
        let (stage, below) = rest.split_top_bottom_at_y(rest.bottom() - wanted);
        let (list, strip) = below.split_left_right_at_x(below.left() + 300.0);
        return (stage, list, strip);
    }
    let (stage, list) = rest.split_top_bottom_at_y(rest.bottom() - list.min(0.42 * rest.height()));
    if stage.height() < 420.0 || stage.width() < 300.0 {
        return (stage, list, Rect::NOTHING);
    }
    let (stage, strip) = stage.split_top_bottom_at_y(stage.bottom() - strip.min(0.4 * stage.height()));
    (stage, list, strip)
}
