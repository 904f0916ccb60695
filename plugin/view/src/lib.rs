//! The editor's view, free of the plugin framework: plain functions of state.
//!
//! [`draw`] takes what there is to show ([`ViewInput`]), what the editor remembers ([`ViewState`]) and a place to draw, and returns
//! what the user asked for ([`Action`]). It owns no thread and asks for no repaint: whoever calls it decides when there is something
//! new. A frame without a new snapshot interpolates nothing and uploads nothing.
//!
//! From the top of the window to the bottom: the top bar; banners about what stands in the way; the side panel with the array and
//! the parameters beside the stage with the map and the globe; the list of sources; the health line.

mod array_panel;
mod banners;
mod cache;
mod capsules;
pub mod colour_map;
mod globe;
mod health;
mod heat;
pub mod input;
mod interpolate;
mod layout_editor;
mod layout_facts;
mod legend;
mod map;
mod markers;
mod param_row;
mod picture;
mod projection;
mod side;
pub mod snapshot;
mod sources;
mod stage;
pub mod state;
mod text;
pub mod theme;
mod top_bar;
mod widgets;

use egui::{Rect, Ui, UiBuilder};

pub use colour_map::ColourMap;
pub use input::{
    Action, GRID_SIZES, Gesture, ParamChange, ParamId, ParamValues, ViewInput, engine_of_value, engine_value,
};
pub use picture::map_picture;
pub use snapshot::{Health, Snapshot};
pub use state::{Panels, Projection, ViewState};

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
    let mut ui = ui.new_child(UiBuilder::new().id_salt("spherescope").max_rect(window));
    ui.shrink_clip_rect(window);
    let mut actions = Vec::new();
    parts(&mut ui, window, state, input, &mut actions);
    actions
}

fn parts(ui: &mut Ui, window: Rect, state: &mut ViewState, input: &ViewInput<'_>, actions: &mut Vec<Action>) {
    let narrow = window.width() < NARROW;
    let (bar, mut rest) = window.split_top_bottom_at_y(window.top() + top_bar::height(window.height()));
    top_bar::draw(ui, bar, state, &top_bar::Bar { narrow });
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
    if rest.height() >= 330.0 {
        let wanted = sources::height(state.panels.sources, input.params.max_sources).min(0.42 * rest.height());
        let list;
        (rest, list) = rest.split_top_bottom_at_y(rest.bottom() - wanted);
        sources::draw(ui, list, state, input);
    }
    if rest.width() > 8.0 && rest.height() > 8.0 {
        stage::draw(ui, rest, state, input);
    }
}
