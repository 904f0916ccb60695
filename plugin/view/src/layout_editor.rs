//! A layout as text: typed, pasted or read from a file, checked with every key, with the faulty line marked; and written in any format.

use egui::{Align2, Color32, FontId, RichText, TextEdit, Ui, text::LayoutJob, text::TextFormat, vec2};
use spherescope_dsp::MicArray;
use spherescope_dsp::layout_file::{self, Import, LayoutFormat};

use crate::cache::LayoutEditor;
use crate::edits::Editor;
use crate::input::{Action, ViewInput};
use crate::number_field;
use crate::state::ViewState;
use crate::theme;

const HINT: &str =
    "JSON, CSV, IEM or SPARTA JSON, acoular XML:\nchannel,x_m,y_m,z_m\n0,0.010,0.0,0.0\n1,-0.010,0.0,0.0";

impl LayoutEditor {
    /// With a text to start from.
    pub(crate) fn with(text: String) -> Self {
        let mut editor = Self { text, ..Self::default() };
        editor.check();
        editor
    }

    /// Looks at the text again.
    pub(crate) fn check(&mut self) {
        self.error = None;
        self.found = None;
        if self.text.trim().is_empty() {
            return;
        }
        match layout_file::import(&self.text) {
            Ok(found) => self.found = Some(found),
            Err(e) => self.error = Some((e.line, e.message)),
        }
    }

    /// The array that the text holds, of the radius that was asked for where it holds directions only.
    fn array(&self) -> Option<Result<MicArray, String>> {
        match self.found.as_ref()? {
            Import::Array(array) => Some(Ok(array.clone())),
            Import::NeedsRadius(directions) => {
                let radius_m = self.radius_mm? / 1000.0;
                Some(directions.with_radius_m(radius_m).map_err(|e| e.to_string()))
            }
        }
    }
}

/// Draws the buttons, and the text area while it is open.
pub(crate) fn show(
    ui: &mut Ui,
    state: &mut ViewState,
    input: &ViewInput<'_>,
    editor: &mut Editor<'_>,
    actions: &mut Vec<Action>,
) {
    if let Some(opened) = input.opened.filter(|o| o.number != state.cache.opened) {
        state.cache.opened = opened.number;
        match &opened.text {
            Ok(text) => {
                // The file's name stays, to read or write it again.
                let path = state.cache.editor.take().map_or_else(String::new, |e| e.path);
                state.cache.editor = Some(LayoutEditor { path, ..LayoutEditor::with(text.clone()) });
            }
            Err(error) => state.cache.edit_error = Some(error.clone()),
        }
    }
    if state.cache.editor.is_none() {
        closed(ui, state, input);
        return;
    }
    let mut close = false;
    let LayoutEditor { path, .. } = state.cache.editor.get_or_insert_default();
    ui.horizontal(|ui| {
        let name = ui.label(RichText::new("File").size(12.0).color(theme::DIM));
        let field = TextEdit::singleline(path).hint_text("/path/to/layout.json").font(theme::regular(12.0));
        let size = vec2((ui.available_width() - 110.0).max(60.0), theme::HIT);
        ui.add_sized(size, field).labelled_by(name.id);
        let named = !path.trim().is_empty();
        let read = ui.add_enabled(named, egui::Button::new(RichText::new("Read").size(12.0)));
        if read.on_hover_text("Read this file into the text below").clicked() {
            actions.push(Action::ReadFile(path.trim().to_owned()));
        }
        let write = ui.add_enabled(named, egui::Button::new(RichText::new("Save").size(12.0)));
        let hint = "Write the array of the session into this file: CSV or XML by the name's ending, else JSON";
        if write.on_hover_text(hint).clicked() {
            let ending = path.rsplit('.').next().unwrap_or_default().to_lowercase();
            let format = LayoutFormat::ALL.into_iter().find(|f| f.extension() == ending).unwrap_or(LayoutFormat::Json);
            actions.push(Action::WriteFile { path: path.trim().to_owned(), text: format.write(input.layout) });
        }
    });
    let Some(text_editor) = &mut state.cache.editor else { return };
    text_area(ui, text_editor);
    let small = |text: String, colour: Color32| egui::Label::new(RichText::new(text).size(12.0).color(colour)).wrap();
    match &text_editor.error {
        Some((Some(line), message)) => drop(ui.add(small(format!("Line {line}: {message}"), theme::ERROR))),
        Some((None, message)) => drop(ui.add(small(message.clone(), theme::ERROR))),
        None => match &text_editor.found {
            Some(Import::NeedsRadius(directions)) => {
                let count = directions.unit_sphere().capsules().len();
                let text = format!("{count} directions without a size: how large is the array?");
                ui.add(small(text, theme::WARN));
                radius(ui, text_editor, &mut state.cache.typing);
            }
            Some(Import::Array(array)) => {
                let kind = LayoutFormat::recognise(&text_editor.text).map_or("", LayoutFormat::name);
                let count = array.capsules().len();
                ui.add(small(format!("{kind}: {count} capsules, {:.0} mm wide", 1e3 * array.aperture_m()), theme::DIM));
            }
            None => drop(ui.add(small("Metres; channels count from 0 in JSON and CSV".into(), theme::DIM))),
        },
    }
    let array = text_editor.array();
    if let Some(Err(error)) = &array {
        ui.add(small(error.clone(), theme::ERROR));
    }
    ui.horizontal(|ui| {
        let apply = ui.add_enabled(matches!(array, Some(Ok(_))), egui::Button::new("Use this layout"));
        if apply.clicked()
            && let Some(Ok(array)) = array
        {
            editor.apply("Import", None, Ok(array));
            close = true;
        }
        close |= ui.button("Close").clicked();
    });
    if close {
        state.cache.editor = None;
    }
}

/// The buttons while no text is open.
fn closed(ui: &mut Ui, state: &mut ViewState, input: &ViewInput<'_>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        if ui.button("Import…").on_hover_text("Take an array from a file or from pasted text").clicked() {
            state.cache.editor = Some(LayoutEditor::default());
        }
        if ui.button("Edit as text…").on_hover_text("Change this array as text, or save it").clicked() {
            state.cache.editor = Some(LayoutEditor::with(input.layout.to_json()));
        }
        let menu = ui.menu_button("Copy…", |ui| {
            for format in LayoutFormat::ALL {
                if ui.button(format.name()).clicked() {
                    ui.ctx().copy_text(format.write(input.layout));
                    ui.close();
                }
            }
        });
        menu.response.on_hover_text("Copy this array to the clipboard");
    });
}

fn text_area(ui: &mut Ui, editor: &mut LayoutEditor) {
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
}

/// The radius of an array of which only directions are known.
fn radius(ui: &mut Ui, editor: &mut LayoutEditor, typing: &mut Option<number_field::Typing>) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Radius in mm").size(12.0).color(theme::DIM));
        let (rect, _) = ui.allocate_exact_size(vec2(52.0, theme::HIT), egui::Sense::hover());
        ui.painter().rect_filled(rect, theme::ROUND, theme::SUNKEN);
        let shown = editor.radius_mm.map_or_else(|| "?".to_owned(), |r| format!("{r}"));
        let look = number_field::Look {
            name: "Radius in mm",
            shown: &shown,
            align: Align2::CENTER_CENTER,
            size: 12.5,
            colour: theme::TEXT,
        };
        if let Some(typed) = number_field::show(ui, rect, "radius", look, typing, |t| number_field::within(t, 1.0, 1e5))
        {
            editor.radius_mm = Some(typed);
        }
        // Hosts may keep the keys: common sizes by the mouse.
        ui.spacing_mut().item_spacing.x = 3.0;
        ui.spacing_mut().button_padding.x = 4.0;
        for mm in [10.0, 42.0, 50.0, 100.0] {
            if ui.button(RichText::new(format!("{mm}")).size(12.0)).clicked() {
                editor.radius_mm = Some(mm);
            }
        }
    });
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
