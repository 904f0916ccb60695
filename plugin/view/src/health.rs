//! The line at the bottom: how the machinery does.

use egui::{Align2, Color32, Rect, Sense, Ui, pos2, vec2};

use crate::input::ViewInput;
use crate::{text, theme};

/// Height of the line.
pub(crate) const HEIGHT: f32 = 26.0;

/// A figure: its name, its value, how it is coloured, and what it means.
type Figure = (&'static str, String, Color32, &'static str);

/// Draws the line into `rect`. What does not fit is left out, the least important first.
pub(crate) fn draw(ui: &Ui, rect: Rect, input: &ViewInput<'_>) {
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 0, theme::PANEL);
    painter.hline(rect.x_range(), rect.top(), egui::Stroke::new(1.0, theme::LINE));
    let mut x = rect.left() + theme::PAD;
    for (name, value, colour, hint) in figures(input) {
        let name = painter.layout_no_wrap(name.into(), theme::regular(11.5), theme::DIM);
        let value = painter.layout_no_wrap(value, theme::bold(11.5), colour);
        let gap = if name.size().x > 0.0 { 5.0 } else { 0.0 };
        let width = name.size().x + gap + value.size().x;
        if x + width > rect.right() - theme::PAD {
            break;
        }
        let cell = Rect::from_min_size(pos2(x, rect.top()), vec2(width, rect.height()));
        ui.interact(cell, ui.scope_id().with(("health", hint)), Sense::hover()).on_hover_text(hint);
        let place = |size, x| Align2::LEFT_CENTER.anchor_size(pos2(x, rect.center().y), size).min;
        painter.galley(place(name.size(), x), name.clone(), theme::DIM);
        painter.galley(place(value.size(), x + name.size().x + gap), value, colour);
        x += width + 22.0;
    }
}

fn figures(input: &ViewInput<'_>) -> Vec<Figure> {
    let health = &input.snapshot.health;
    if health.bus_channels == 0 {
        return vec![("", "Not started".into(), theme::DIM, "The host has not started this instance")];
    }
    let needed = input.layout.channels_needed();
    let channels = if health.bus_channels < needed { theme::WARN } else { theme::TEXT };
    let load = match health.load {
        l if l > 0.9 => theme::ERROR,
        l if l > 0.7 => theme::WARN,
        _ => theme::TEXT,
    };
    let number = |v: f32, unit: &str| if v.is_finite() { format!("{v:.0} {unit}") } else { "–".into() };
    let khz = format!("{:.1}", health.sample_rate_hz / 1000.0);
    let khz = format!("{} kHz", khz.strip_suffix(".0").unwrap_or(&khz));
    let dropped = text::count(usize::try_from(health.dropped_blocks).unwrap_or(usize::MAX));
    let dropped_colour = if health.dropped_blocks > 0 { theme::WARN } else { theme::TEXT };
    let weights = if health.weights.is_empty() { "none" } else { &health.weights };
    vec![
        ("Rate", khz, theme::TEXT, "Sample rate of the host"),
        (
            "Channels",
            format!("{} of {needed}", health.bus_channels),
            channels,
            "Channels of the bus, and what the array needs",
        ),
        ("Load", number(100.0 * health.load, "%"), load, "Share of one processor core that the analysis takes"),
        (
            "Latency",
            number(health.latency_ms, "ms"),
            theme::TEXT,
            "Age of the newest sound in the picture; the audio itself is not delayed",
        ),
        (
            "Dropped",
            dropped,
            dropped_colour,
            "Blocks of audio that the analysis had to leave out; the audio itself passes",
        ),
        ("Weights", weights.to_owned(), theme::TEXT, "The trained network in use"),
    ]
}
