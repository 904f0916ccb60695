//! What stands in the way of a good picture, said across the top: errors first, then the bus.

use egui::{Color32, Rect, Ui, pos2, vec2};

use spherescope_model::{Engine, TRAINED_APERTURE_M};

use crate::backdrop::Backdrop;
use crate::input::ViewInput;
use crate::output::OscState;
use crate::theme;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The analysis does not run as asked.
    Error,
    /// It runs with less than it could.
    Warning,
}

/// What there is to say, worst first. `editing` tells that the layout's own editor shows its error.
pub(crate) fn collect(input: &ViewInput<'_>, editing: bool) -> Vec<(Severity, String)> {
    let health = &input.snapshot.health;
    let mut banners = Vec::new();
    if let Some(message) = &health.message {
        banners.push((Severity::Error, message.clone()));
    }
    if let Some(error) = input.layout_error.filter(|_| !editing) {
        banners.push((Severity::Error, format!("Layout not taken: {error}")));
    }
    if let Some(Backdrop::Failed(why)) = input.backdrop {
        banners.push((Severity::Warning, format!("No picture behind the map: {why}")));
    }
    if input.outputs.osc == OscState::AwaitingYes {
        let target = &input.outputs.osc_target;
        let text =
            format!("This project wants to send directions to {target}: allow it under Output, or stop it there");
        banners.push((Severity::Warning, text));
    }
    let (got, needed) = (health.bus_channels, input.layout.channels_needed());
    if got > 0 && got < needed {
        let text = format!("Receiving {got} of {needed} channels: put the plugin on a {needed}-channel track");
        banners.push((Severity::Warning, text));
    }
    let aperture_m = input.layout.aperture_m();
    if input.params.engine == Engine::AggRl && aperture_m > TRAINED_APERTURE_M {
        let text = format!(
            "This array is {aperture_m:.2} m wide; the network has learned from arrays of up to {TRAINED_APERTURE_M:.2} m: expect \
             larger errors"
        );
        banners.push((Severity::Warning, text));
    }
    if health.dropped_blocks > 0 {
        let s = if health.dropped_blocks == 1 { "" } else { "s" };
        let text = format!(
            "{} block{s} of audio left out of the analysis: the computer is busy. The sound itself is untouched",
            crate::text::count(usize::try_from(health.dropped_blocks).unwrap_or(usize::MAX))
        );
        banners.push((Severity::Warning, text));
    }
    banners
}

/// Draws banners from the top of `rect` downwards; returns what remains of `rect`. A low window shows the worst one only.
pub(crate) fn draw(ui: &Ui, rect: Rect, banners: &[(Severity, String)]) -> Rect {
    let mut left = rect;
    let low = rect.height() < 260.0;
    for (severity, text) in banners.iter().take(if low { 1 } else { 3 }) {
        let (fill, edge) = match severity {
            Severity::Error => (theme::ERROR_FILL, theme::ERROR),
            Severity::Warning => (theme::WARN_FILL, theme::WARN),
        };
        let pad = if low { vec2(10.0, 4.0) } else { vec2(14.0, 7.0) };
        let font = theme::regular(if low { 11.5 } else { 12.5 });
        let mut job = egui::text::LayoutJob::simple(
            text.clone(),
            font,
            theme::TEXT,
            (rect.width() - 2.0 * pad.x - 24.0).max(40.0),
        );
        job.wrap.max_rows = if low { 2 } else { 4 };
        let galley = ui.painter().layout_job(job);
        let height = (galley.size().y + 2.0 * pad.y).min(left.height());
        let bar = Rect::from_min_size(left.min, vec2(left.width(), height));
        let painter = ui.painter_at(bar);
        painter.rect_filled(bar, 0, fill);
        painter.rect_filled(Rect::from_min_size(bar.min, vec2(3.0, bar.height())), 0, edge);
        sign(&painter, pos2(bar.left() + pad.x + 6.0, bar.center().y), edge);
        painter.galley(bar.min + vec2(pad.x + 22.0, pad.y), galley, theme::TEXT);
        let said = ui.interact(bar, ui.scope_id().with(("banner", text)), egui::Sense::hover());
        said.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, text));
        said.on_hover_text(text);
        left.min.y = bar.bottom() + 1.0;
    }
    left
}

/// An exclamation mark in a disc.
fn sign(painter: &egui::Painter, c: egui::Pos2, colour: Color32) {
    painter.circle_filled(c, 7.0, colour);
    painter.text(c, egui::Align2::CENTER_CENTER, "!", theme::bold(11.0), theme::BACKGROUND);
}
