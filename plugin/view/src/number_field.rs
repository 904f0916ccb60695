//! A number that can be clicked and typed over. What is no number is said and leaves the old one in place.

use egui::{Align2, Color32, Key, Rect, Role, Sense, Stroke, StrokeKind, TextEdit, Ui, WidgetInfo};

use crate::{theme, widgets};

/// A number while it is typed.
#[derive(Clone, Debug)]
pub(crate) struct Typing {
    id: egui::Id,
    text: String,
    /// What was wrong with the text at the last Enter.
    error: Option<String>,
    /// Whether the field has just been opened.
    fresh: bool,
    /// Whether the field has been drawn since [`leave_hidden`] looked.
    drawn: bool,
}

/// Leaves a field that was not drawn in this frame, as its panel has closed: as if nothing had been typed. To be called once a frame,
/// after everything.
pub(crate) fn leave_hidden(typing: &mut Option<Typing>) {
    if typing.as_mut().is_some_and(|t| !std::mem::take(&mut t.drawn)) {
        *typing = None;
    }
}

/// How a number is drawn while nobody types.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    /// The accessible name.
    pub(crate) name: &'a str,
    /// The number as it is written.
    pub(crate) shown: &'a str,
    /// Where in its cell.
    pub(crate) align: Align2,
    /// Size of the type.
    pub(crate) size: f32,
    /// Colour of the type.
    pub(crate) colour: Color32,
}

/// Draws the number into `rect`; returns what was typed once Enter is pressed or the field is left, if it is a number `parse` takes.
pub(crate) fn show<T>(
    ui: &mut Ui,
    rect: Rect,
    salt: impl egui::AsIdSalt,
    look: Look<'_>,
    typing: &mut Option<Typing>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let id = ui.scope_id().with(salt);
    let Some(open) = typing.as_mut().filter(|t| t.id == id) else {
        let response = ui.interact(rect, id, Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, look.name));
        let response = response.on_hover_cursor(egui::CursorIcon::Text);
        if response.hovered() || response.has_focus() {
            ui.painter().rect_filled(rect.shrink2(egui::vec2(0.0, 1.0)), theme::ROUND, theme::HOVERED);
            widgets::focus_ring(ui, &response, rect);
        }
        let inner = rect.shrink2(egui::vec2(3.0, 0.0));
        let font = theme::bold(look.size);
        widgets::elided(ui.painter(), inner, look.align, look.shown, font, look.colour);
        if response.clicked() {
            let text = look.shown.replace('\u{202f}', "");
            *typing = Some(Typing { id, text, error: None, fresh: true, drawn: true });
        }
        return None;
    };
    open.drawn = true;
    let edit = TextEdit::singleline(&mut open.text)
        .id(id.with("text"))
        .font(theme::regular(look.size))
        .margin(egui::Margin::symmetric(3, 1))
        .align(look.align);
    let response = ui.put(rect, edit);
    response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, look.name));
    let stroke = if open.error.is_some() { theme::ERROR } else { theme::ACCENT };
    ui.painter().rect_stroke(rect, theme::ROUND, Stroke::new(1.0, stroke), StrokeKind::Inside);
    if open.fresh {
        open.fresh = false;
        response.request_focus();
        // Typing replaces what is there.
        if let Some(mut state) = egui::text_edit::TextEditState::load(ui.ctx(), response.id) {
            let all = egui::text::CCursorRange::two(
                egui::text::CCursor::new(0),
                egui::text::CCursor::new(open.text.chars().count()),
            );
            state.cursor.set_char_range(Some(all));
            state.store(ui.ctx(), response.id);
        }
        return None;
    }
    if let Some(error) = &open.error {
        response.show_tooltip_text(error);
    }
    if response.changed() {
        open.error = None;
    }
    if ui.input(|i| i.key_pressed(Key::Escape)) {
        *typing = None;
        return None;
    }
    if !response.lost_focus() {
        return None;
    }
    match parse(&open.text) {
        Ok(value) => {
            *typing = None;
            Some(value)
        }
        Err(error) if ui.input(|i| i.key_pressed(Key::Enter)) => {
            open.error = Some(error);
            response.request_focus();
            None
        }
        // Left without Enter: as if nothing had been typed.
        Err(_) => {
            *typing = None;
            None
        }
    }
}

/// A number as people write it: either minus sign, a comma or a point, blanks, an unit after it. Returns the number and the unit.
pub(crate) fn parse(text: &str) -> Result<(f64, String), String> {
    let clean: String = text
        .trim()
        .chars()
        .filter(|c| !matches!(c, '\u{202f}' | '\u{a0}'))
        .map(|c| match c {
            '\u{2212}' => '-',
            ',' => '.',
            c => c,
        })
        .collect();
    let end = clean.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(clean.len());
    let (number, unit) = clean.split_at(end);
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((value, unit.trim().to_owned())),
        _ => Err(format!("expected a number, found “{}”", text.trim())),
    }
}

/// A number within a range.
pub(crate) fn within(text: &str, low: f64, high: f64) -> Result<f64, String> {
    let (value, _) = parse(text)?;
    if (low..=high).contains(&value) { Ok(value) } else { Err(format!("expected {low} to {high}, found {value}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, value, unit) in [
            ("12.5", 12.5, ""),
            (" −60 dB ", -60.0, "dB"),
            ("0,5", 0.5, ""),
            ("16\u{202f}384", 16384.0, ""),
            ("4.2cm", 4.2, "cm"),
            ("+90°", 90.0, "°"),
            ("1e-3 m", 0.001, "m"),
        ] {
            assert_eq!(parse(text), Ok((value, unit.to_owned())), "{text}");
        }
        for text in ["", "abc", "--3", "1e999", "nan", "inf", "."] {
            assert!(parse(text).unwrap_err().contains("expected a number"), "{text}");
        }
        assert!(within("7", 0.0, 1.0).unwrap_err().contains("expected 0 to 1, found 7"));
    }
}
