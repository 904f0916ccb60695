//! What leaves the editor: directions over the network as OSC, recordings of what is heard, a picture of the map.

use std::net::{Ipv4Addr, SocketAddr};

use egui::{Color32, RichText, TextEdit, Ui, vec2};

use crate::input::{Action, ViewInput};
use crate::picture::map_picture;
use crate::state::ViewState;
use crate::{text, theme};

/// What is going out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Where OSC goes or would go, as the user has written it.
    pub osc_target: String,
    /// Whether it does.
    pub osc: OscState,
    /// Whether what is heard is written down.
    pub recording: Recording,
    /// What became of the last picture that was saved: a message either way.
    pub saved: Option<Result<String, String>>,
}

/// Whether directions go out over the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OscState {
    /// No socket is open.
    #[default]
    Off,
    /// The project asks for it, but the target is another computer and the user has not agreed yet. No socket is open.
    AwaitingYes,
    /// Bundles go out.
    Sending {
        /// How many so far.
        bundles: u64,
    },
    /// They do not arrive, and why.
    Failed(String),
}

/// Whether what is heard is written into a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Recording {
    /// No file is open.
    #[default]
    Off,
    /// A file is being written.
    On {
        /// Its name.
        path: String,
        /// Frames written so far.
        frames: u64,
    },
    /// It could not be written, and why.
    Failed(String),
}

/// The target of a new instance.
pub const FIRST_OSC_TARGET: &str = "127.0.0.1:9000";

/// Size of a saved picture of the map, in pixels.
const PICTURE: [usize; 2] = [2048, 1024];

/// The socket address that a target such as `127.0.0.1:9000`, `[::1]:9000` or `localhost:9000` stands for. Names of other computers
/// are refused: to look one up can take long.
///
/// # Errors
/// What was expected and what was found.
pub fn osc_address(target: &str) -> Result<SocketAddr, String> {
    let target = target.trim();
    let address = match target.strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        None => target.parse().ok(),
    };
    address
        .filter(|a: &SocketAddr| a.port() != 0 && !a.ip().is_unspecified())
        .ok_or_else(|| format!("expected an address and a port such as {FIRST_OSC_TARGET}, found “{target}”"))
}

/// The remark beside the panel's heading.
pub(crate) fn remark(outputs: &Outputs) -> &'static str {
    match (&outputs.osc, &outputs.recording) {
        (OscState::AwaitingYes, _) => "asks you",
        (OscState::Failed(_), _) | (_, Recording::Failed(_)) => "failed",
        (OscState::Sending { .. }, Recording::On { .. }) => "sending, recording",
        (OscState::Sending { .. }, Recording::Off) => "sending",
        (OscState::Off, Recording::On { .. }) => "recording",
        (OscState::Off, Recording::Off) => "nothing goes out",
    }
}

/// The panel.
pub(crate) fn show(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>, actions: &mut Vec<Action>) {
    osc(ui, state, input.outputs, actions);
    ui.add_space(4.0);
    recording(ui, state, input.outputs, actions);
    ui.add_space(4.0);
    picture(ui, state, input, actions);
}

fn osc(ui: &mut Ui, state: &mut ViewState, outputs: &Outputs, actions: &mut Vec<Action>) {
    let typed = state.cache.output.osc_target.get_or_insert_with(|| outputs.osc_target.clone());
    let on = outputs.osc != OscState::Off;
    let hint = "Directions of all sources to another program, as ADM-OSC over UDP: address and port of the receiver";
    let (clicked, entered) = named(ui, "OSC", "OSC target", hint, typed, if on { "Stop" } else { "Send" });
    let address = osc_address(typed);
    if let Err(why) = &address
        && !typed.trim().is_empty()
    {
        small(ui, why, theme::ERROR);
    }
    let target = typed.trim().to_owned();
    if clicked && on {
        actions.push(Action::SetOsc { target: outputs.osc_target.clone(), on: false });
    } else if (clicked || entered) && address.is_ok() {
        actions.push(Action::SetOsc { target, on: true });
    }
    match &outputs.osc {
        OscState::Off => {}
        OscState::Sending { bundles } => {
            let s = if *bundles == 1 { "" } else { "s" };
            let count = text::count(usize::try_from(*bundles).unwrap_or(usize::MAX));
            small(ui, &format!("To {}: {count} bundle{s} sent", outputs.osc_target), theme::DIM);
        }
        OscState::Failed(why) => small(ui, why, theme::ERROR),
        OscState::AwaitingYes => {
            small(ui, &format!("This project wants to send directions to {}", outputs.osc_target), theme::WARN);
            if ui.button("Allow").on_hover_text("Send to this computer until the project is closed").clicked() {
                actions.push(Action::SetOsc { target: outputs.osc_target.clone(), on: true });
            }
        }
    }
}

fn recording(ui: &mut Ui, state: &mut ViewState, outputs: &Outputs, actions: &mut Vec<Action>) {
    let typed = &mut state.cache.output.recording_path;
    let on = matches!(outputs.recording, Recording::On { .. });
    let hint = "What is heard, frame by frame, into a file: CSV where its name ends in .csv, else JSON lines. A file that is there is \
                written over";
    let (clicked, entered) = named(ui, "Record", "Recording file", hint, typed, if on { "Stop" } else { "Start" });
    if clicked && on {
        actions.push(Action::Record(None));
    } else if (clicked || (entered && !on)) && !typed.trim().is_empty() {
        actions.push(Action::Record(Some(typed.trim().to_owned())));
    }
    match &outputs.recording {
        Recording::Off => {}
        Recording::On { path, frames } => {
            let count = text::count(usize::try_from(*frames).unwrap_or(usize::MAX));
            small(ui, &format!("{path}: {count} frames"), theme::DIM);
        }
        Recording::Failed(why) => small(ui, why, theme::ERROR),
    }
}

fn picture(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>, actions: &mut Vec<Action>) {
    let typed = &mut state.cache.output.picture_path;
    let hint =
        "The map as it is now, as a PNG of 2048 × 1024 pixels: azimuth +180° at the left edge, the front in the middle";
    let (clicked, entered) = named(ui, "Map", "Picture file", hint, typed, "Save");
    if (clicked || entered) && !typed.trim().is_empty() {
        let path = typed.trim().to_owned();
        let snapshot = state.cache.frozen.as_deref().unwrap_or(input.snapshot);
        let sounding: &[f32] = if snapshot.active { &snapshot.spectrum } else { &[] };
        let rgb = map_picture(&snapshot.grid, sounding, PICTURE, state.colour_map);
        actions.push(Action::WritePicture { path, size: PICTURE, rgb });
    }
    match &input.outputs.saved {
        None => {}
        Some(Ok(said)) => small(ui, said, theme::DIM),
        Some(Err(why)) => small(ui, why, theme::ERROR),
    }
}

/// A row of a label, a field and a button. Returns whether the button was clicked and whether Enter was pressed in the field.
fn named(ui: &mut Ui, label: &str, name: &str, hint: &str, typed: &mut String, button: &str) -> (bool, bool) {
    let mut outcome = (false, false);
    crate::display::row(ui, label, |ui, width| {
        let hint_text = match name {
            "OSC target" => FIRST_OSC_TARGET,
            "Recording file" => "/path/to/heard.csv",
            _ => "/path/to/map.png",
        };
        let field = TextEdit::singleline(typed).hint_text(hint_text).font(theme::regular(12.0));
        let response = ui.add_sized(vec2((width - 58.0).max(60.0), theme::HIT), field);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, name));
        let response = response.on_hover_text(hint);
        let entered = response.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
        let size = vec2(ui.available_width(), theme::HIT);
        let pressed = ui.add_sized(size, egui::Button::new(RichText::new(button).size(12.0)));
        pressed.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("{button} {label}")));
        outcome = (pressed.clicked(), entered);
    });
    outcome
}

fn small(ui: &mut Ui, text: &str, colour: Color32) {
    ui.add(egui::Label::new(RichText::new(text).size(12.0).color(colour)).wrap());
}

/// What is typed in the panel.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutputFields {
    osc_target: Option<String>,
    recording_path: String,
    picture_path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_addresses_with_a_port() {
        for (text, address) in [
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            (" 192.168.1.5:4001 ", "192.168.1.5:4001"),
            ("localhost:9000", "127.0.0.1:9000"),
            ("[::1]:9000", "[::1]:9000"),
        ] {
            assert_eq!(osc_address(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "9000",
            "127.0.0.1",
            "127.0.0.1:0",
            "127.0.0.1:99999",
            "studio.local:9000",
            "0.0.0.0:9000",
            "localhost:",
        ] {
            assert!(osc_address(text).unwrap_err().contains("expected an address"), "{text}");
        }
    }
}
