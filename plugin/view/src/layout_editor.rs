//! A layout as text: typed or pasted, checked with every key, with the faulty line marked.

use egui::{Color32, FontId, RichText, TextEdit, Ui, text::LayoutJob, text::TextFormat};
use spherescope_dsp::MicArray;

use crate::cache::LayoutEditor;
use crate::input::{Action, ViewInput};
use crate::state::ViewState;
use crate::theme;

const HINT: &str = "JSON, or CSV:\nchannel,x_m,y_m,z_m\n0,0.010,0.0,0.0\n1,-0.010,0.0,0.0";

impl LayoutEditor {
    /// Looks at the text again.
    pub(crate) fn check(&mut self) {
        self.error = match MicArray::from_text(&self.text) {
            _ if self.text.trim().is_empty() => None,
            Ok(_) => None,
            Err(e) => Some((e.line, e.message)),
        };
    }

    fn is_layout(&self) -> bool {
        self.error.is_none() && !self.text.trim().is_empty()
    }
}

/// Draws the buttons, and the text area while it is open.
pub(crate) fn show(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>, actions: &mut Vec<Action>) {
    let Some(editor) = &mut state.cache.editor else {
        ui.horizontal(|ui| {
            if ui.button("Paste…").on_hover_text("Take an array from JSON or CSV").clicked() {
                state.cache.editor = Some(LayoutEditor::default());
            }
            if ui.button("Edit as text…").on_hover_text("Change this array").clicked() {
                state.cache.editor = Some(LayoutEditor { text: input.layout.to_json(), error: None });
            }
            if ui.button("Copy").on_hover_text("Copy this array as JSON").clicked() {
                ui.ctx().copy_text(input.layout.to_json());
            }
        });
        return;
    };
    let faulty = editor.error.as_ref().and_then(|(line, _)| *line);
    let mut layouter = |ui: &Ui, text: &dyn egui::TextBuffer, wrap: f32| {
        let mut job = marked(text.as_str(), faulty);
        job.wrap.max_width = wrap;
        ui.fonts_mut(|f| f.layout_job(job))
    };
    let name = ui.label(RichText::new("Layout as text").size(12.0).color(theme::DIM));
    let area = egui::ScrollArea::vertical().id_salt("layout text").max_height(190.0).show(ui, |ui| {
        let edit = TextEdit::multiline(&mut editor.text)
            .id_salt("layout")
            .hint_text(RichText::new(HINT).font(FontId::monospace(11.5)).color(theme::DIM))
            .font(FontId::monospace(11.5))
            .desired_rows(7)
            .desired_width(f32::INFINITY)
            .layouter(&mut layouter);
        ui.add(edit).labelled_by(name.id)
    });
    if area.inner.changed() {
        editor.check();
    }
    let small = |text: String, colour: Color32| egui::Label::new(RichText::new(text).size(12.0).color(colour)).wrap();
    match &editor.error {
        Some((Some(line), message)) => drop(ui.add(small(format!("Line {line}: {message}"), theme::ERROR))),
        Some((None, message)) => drop(ui.add(small(message.clone(), theme::ERROR))),
        None => {
            if let Some(error) = input.layout_error {
                ui.add(small(format!("Not taken: {error}"), theme::ERROR));
            } else {
                ui.add(small("Metres; channels count from 0 in layout files".into(), theme::DIM));
            }
        }
    }
    let mut close = false;
    ui.horizontal(|ui| {
        let apply = ui.add_enabled(editor.is_layout(), egui::Button::new("Use this layout"));
        if apply.clicked() {
            actions.push(Action::SetLayoutText(editor.text.clone()));
            close = true;
        }
        close |= ui.button("Cancel").clicked();
    });
    if close {
        state.cache.editor = None;
    }
}

fn plain() -> TextFormat {
    let format = TextFormat::simple(FontId::monospace(11.5), theme::TEXT);
    TextFormat { line_height: Some(16.0), expand_bg: 0.0, ..format }
}

/// The text with one line, counted from 1, on a red ground.
fn marked(text: &str, line: Option<usize>) -> LayoutJob {
    let mut job = LayoutJob::default();
    for (i, piece) in text.split_inclusive('\n').enumerate() {
        let mut format = plain();
        if Some(i + 1) == line {
            format.background = theme::ERROR_FILL;
            format.color = theme::ERROR;
        }
        job.append(piece, 0.0, format);
    }
    if job.text.is_empty() {
        job.append("", 0.0, plain());
    }
    job
}
