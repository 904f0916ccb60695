//! How the map is drawn: colours, scale, hold.

use egui::{Rect, Ui, pos2, vec2};

use crate::backdrop::{self, Backdrop};
use crate::colour_map::ColourMap;
use crate::state::{Hold, Scale, ViewState};
use crate::{theme, widgets};

/// The controls of the picture.
pub(crate) fn show(ui: &mut Ui, state: &mut ViewState, picture: Option<&Backdrop>) {
    row(ui, "Colours", |ui, width| {
        let combo = egui::ComboBox::from_id_salt("colours").width(width - 2.0).selected_text(state.colour_map.name());
        let response = combo.show_ui(ui, |ui| {
            for map in ColourMap::ALL {
                ui.horizontal(|ui| {
                    ramp(ui, map);
                    ui.selectable_value(&mut state.colour_map, map, map.name()).on_hover_text(map.hint());
                });
            }
        });
        response.response.on_hover_text(format!("Colours of the map. {}", state.colour_map.hint()));
    });
    row(ui, "Scale", |ui, width| {
        let options = [
            (Scale::Probability, "Score", "Linear: 0 to 1, as the list of sources has it"),
            (Scale::Decibels, "dB", "Logarithmic, 30 dB: shows weak directions beside strong ones"),
        ];
        if let Some(scale) = widgets::segmented(ui, width, &options, state.scale) {
            state.scale = scale;
        }
    });
    row(ui, "Range", |ui, width| {
        let options = [
            (false, "Fixed", "The same score always has the same colour, so that silence is dark"),
            (true, "Auto", "Stretches the colours to the strongest direction of the moment: for very weak sounds"),
        ];
        if let Some(auto_range) = widgets::segmented(ui, width, &options, state.auto_range) {
            state.auto_range = auto_range;
        }
    });
    row(ui, "Hold", |ui, width| {
        let options = Hold::ALL.map(|hold| (hold, hold.name(), hold.hint()));
        if let Some(hold) = widgets::segmented(ui, width, &options, state.hold) {
            state.hold = hold;
        }
    });
    if state.hold != Hold::Off {
        row(ui, "", |ui, _| {
            let button = ui.button("Clear").on_hover_text("Forget the maxima that are held");
            if button.clicked() {
                state.cache.heat.clear_held();
            }
        });
    }
    row(ui, "Picture", |ui, width| backdrop::choice(ui, width, state));
    if picture.is_some() {
        row(ui, "", |ui, width| backdrop::details(ui, width, state, picture));
    }
}

/// A name and, beside it, what `add` adds to the width that is left.
pub(crate) fn row(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui, f32)) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let (label, _) = ui.allocate_exact_size(vec2(70.0, theme::HIT), egui::Sense::hover());
        widgets::elided(ui.painter(), label, egui::Align2::LEFT_CENTER, name, theme::regular(12.5), theme::DIM);
        let width = ui.available_width();
        add(ui, width);
    });
}

fn ramp(ui: &mut Ui, map: ColourMap) {
    let (rect, _) = ui.allocate_exact_size(vec2(56.0, 12.0), egui::Sense::hover());
    let cell = rect.width() / 28.0;
    for i in 0..28 {
        let x = rect.left() + cell * i as f32;
        let bit = Rect::from_min_size(pos2(x, rect.top()), vec2(cell + 0.5, rect.height()));
        ui.painter().rect_filled(bit, 0, map.colour(i as f32 / 27.0));
    }
}
