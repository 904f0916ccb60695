//! A parameter in a row: its name, a slider, and steppers that set every value exactly.

use egui::{Align2, Key, Rect, Response, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::input::{Action, GRID_SIZES, Gesture, ParamChange, ParamId, ParamValues};
use crate::number_field::{self, Typing};
use crate::{text, theme, widgets};

/// Draws the row of a numeric parameter.
pub(crate) fn show(
    ui: &mut Ui,
    id: ParamId,
    params: &ParamValues,
    typing: &mut Option<Typing>,
    actions: &mut Vec<Action>,
) {
    let default = id.default_value(params.engine);
    let value = sane(id, id.value_in(params), default);
    let (name, hint) = wording(id);
    let (row, response) = ui.allocate_exact_size(vec2(ui.available_width(), theme::HIT), Sense::hover());
    response.on_hover_text(hint);
    let label = Rect::from_min_size(row.min, vec2(70.0, row.height()));
    widgets::elided(ui.painter(), label, Align2::LEFT_CENTER, name, theme::regular(12.5), theme::DIM);

    let plus = Rect::from_min_size(pos2(row.right() - 20.0, row.top() + 1.0), vec2(20.0, 20.0));
    let number = Rect::from_min_max(pos2(plus.left() - 58.0, row.top()), pos2(plus.left(), row.bottom()));
    let minus = Rect::from_min_size(pos2(number.left() - 20.0, row.top() + 1.0), vec2(20.0, 20.0));
    let mut once = |value: f32| actions.push(change(id, value, Gesture::Once));
    for (rect, up, sign) in [(minus, false, "Lower"), (plus, true, "Raise")] {
        let next = stepped(id, value, up);
        let button = widgets::sign_button(ui, rect, (id, up), &format!("{sign} {name}"), next != value, |p, r, s| {
            widgets::plus_or_minus(p, r, s, up);
        });
        if button.clicked() {
            once(next);
        }
    }
    let shown = written(id, value);
    let field = number_field::Look {
        name: &format!("{name} value"),
        shown: &shown,
        align: Align2::CENTER_CENTER,
        size: 12.5,
        colour: theme::TEXT,
    };
    let cell = number.shrink2(vec2(2.0, 0.0));
    if let Some(typed) = number_field::show(ui, cell, (id, "number"), field, typing, |text| typed(id, text)) {
        actions.push(change(id, typed, Gesture::Once));
    }

    let rail = Rect::from_min_max(pos2(label.right() + 6.0, row.top()), pos2(minus.left() - 10.0, row.bottom()));
    if rail.width() >= 24.0 {
        slider(ui, rail, id, (value, default), name, actions);
    }
}

/// The slider alone, for a value and the default that a double click brings back.
fn slider(ui: &Ui, rect: Rect, id: ParamId, (value, default): (f32, f32), name: &str, actions: &mut Vec<Action>) {
    let response = ui.interact(rect, ui.scope_id().with((id, "slider")), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::slider(true, value.into(), name));
    let response = response.on_hover_text(format!("{}. Double-click: {}", wording(id).1, written(id, default)));
    let knob = 6.0;
    let (left, right) = (rect.left() + knob, rect.right() - knob);
    let under_pointer = |r: &Response| {
        let x = r.interact_pointer_pos()?.x;
        Some(value_at(id, ((x - left) / (right - left)).clamp(0.0, 1.0)))
    };
    if response.double_clicked() {
        actions.push(change(id, default, Gesture::Once));
    } else if response.clicked() {
        actions.extend(under_pointer(&response).map(|v| change(id, v, Gesture::Once)));
    }
    if response.drag_started() {
        actions.push(change(id, value, Gesture::Begin));
    }
    if response.dragged()
        && let Some(v) = under_pointer(&response).filter(|v| *v != value)
    {
        actions.push(change(id, v, Gesture::Set));
    }
    if response.drag_stopped() {
        actions.push(change(id, under_pointer(&response).unwrap_or(value), Gesture::End));
    }
    if response.has_focus() {
        // Otherwise the arrows would move the focus.
        let arrows = egui::EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, arrows));
        let (down, up) = ui.input(|i| {
            let pressed = |a, b| i.key_pressed(a) || i.key_pressed(b);
            (pressed(Key::ArrowLeft, Key::ArrowDown), pressed(Key::ArrowRight, Key::ArrowUp))
        });
        if down != up {
            actions.push(change(id, stepped(id, value, up), Gesture::Once));
        }
    }
    let y = rect.center().y;
    let x = left + (right - left) * fraction(id, value);
    let painter = ui.painter();
    let rail = |from: f32, to: f32| Rect::from_min_max(pos2(from, y - 1.5), pos2(to, y + 1.5));
    painter.rect_filled(rail(left, right), 2, theme::HOVERED);
    painter.rect_filled(rail(left, x), 2, theme::ACCENT);
    let lit = response.hovered() || response.dragged() || response.has_focus();
    painter.circle_filled(pos2(x, y), knob + 2.0, theme::PANEL);
    painter.circle_filled(pos2(x, y), knob, if lit { egui::Color32::WHITE } else { theme::TEXT });
}

fn change(id: ParamId, value: f32, gesture: Gesture) -> Action {
    Action::SetParam(ParamChange { id, value, gesture })
}

fn sane(id: ParamId, value: f32, default: f32) -> f32 {
    let (low, high) = id.range();
    if value.is_finite() { value.clamp(low, high) } else { default }
}

/// The value that a text stands for: rounded to what the steppers reach, within the range or refused.
fn typed(id: ParamId, text: &str) -> Result<f32, String> {
    let (low, high) = id.range();
    let value = number_field::within(text, low.into(), high.into())? as f32;
    Ok(if id == ParamId::GridSize { grid_size(value, 0) } else { rounded(id, value) })
}

fn wording(id: ParamId) -> (&'static str, &'static str) {
    match id {
        ParamId::Engine => ("Engine", "What makes the spectrum"),
        ParamId::Compare => ("Compare", "Both engines on the same sound, as a check"),
        ParamId::Gate => ("Gate", "Below this level (dBFS) nothing is shown: raise it over the noise of the room"),
        ParamId::Threshold => ("Threshold", "What scores less is no source: raise it against ghosts"),
        ParamId::MaxSources => ("Sources", "At most this many sources at once"),
        ParamId::Smoothing => ("Smoothing", "Longer is calmer, shorter follows faster"),
        ParamId::GridSize => ("Grid", "Directions of the whole sphere: more are finer and cost more"),
        ParamId::BandLow => ("From, Hz", "Leaves out what is lower than what you want to follow"),
        ParamId::BandHigh => ("To, Hz", "Leaves out what is higher: lower it where the array aliases"),
        ParamId::Region => ("Region", "Where sources are looked for"),
        ParamId::RegionAzimuth => ("Azimuth", "The middle of the window: the front is 0°, left is +90°"),
        ParamId::RegionWidth => ("Width", "How far the window reaches round the array"),
        ParamId::RegionLowest => ("Lowest", "The window's lower edge, in elevation"),
        ParamId::RegionHighest => ("Highest", "The window's upper edge, in elevation"),
    }
}

fn written(id: ParamId, value: f32) -> String {
    match id {
        ParamId::Gate => format!("{} dB", text::fixed(value.into(), 0)),
        ParamId::Threshold => text::fixed(value.into(), 2),
        ParamId::Smoothing => format!("{} ms", text::fixed(value.into(), 0)),
        ParamId::Engine | ParamId::Compare | ParamId::Region | ParamId::MaxSources => text::fixed(value.into(), 0),
        ParamId::BandLow | ParamId::BandHigh => text::count(value as usize),
        ParamId::RegionAzimuth | ParamId::RegionLowest | ParamId::RegionHighest => text::degrees(value.into()),
        ParamId::RegionWidth => format!("{}°", text::fixed(value.into(), 0)),
        ParamId::GridSize => text::count(value as usize),
    }
}

/// Where a value stands on its rail, 0 … 1. Grid sizes double along it, smoothing times lie closer at the long end.
fn fraction(id: ParamId, value: f32) -> f32 {
    let (low, high) = id.range();
    match id {
        ParamId::GridSize | ParamId::BandLow | ParamId::BandHigh => (value / low).log2() / (high / low).log2(),
        ParamId::Smoothing => (value / high).sqrt(),
        _ => (value - low) / (high - low),
    }
}

/// The value at a place on the rail, rounded to what the steppers reach.
fn value_at(id: ParamId, fraction: f32) -> f32 {
    let (low, high) = id.range();
    let value = match id {
        ParamId::GridSize | ParamId::BandLow | ParamId::BandHigh => low * (high / low).powf(fraction),
        ParamId::Smoothing => high * fraction * fraction,
        _ => low + (high - low) * fraction,
    };
    if id == ParamId::GridSize { grid_size(value, 0) } else { rounded(id, value) }
}

/// The next value up or down; the same at the end of the range.
fn stepped(id: ParamId, value: f32, up: bool) -> f32 {
    if id == ParamId::GridSize {
        return grid_size(value, if up { 1 } else { -1 });
    }
    let (low, high) = id.range();
    let next = value + if up { step(id) } else { -step(id) };
    rounded(id, next).clamp(low, high)
}

fn step(id: ParamId) -> f32 {
    match id {
        ParamId::Threshold => 0.01,
        ParamId::Smoothing | ParamId::BandLow | ParamId::BandHigh => 10.0,
        ParamId::RegionWidth => 5.0,
        _ => 1.0,
    }
}

fn rounded(id: ParamId, value: f32) -> f32 {
    match id {
        // A hundredth has no exact step in binary; dividing gives the nearest number to what is written.
        ParamId::Threshold => (value * 100.0).round() / 100.0,
        _ => (value / step(id)).round() * step(id),
    }
}

/// The offered grid size nearest to a value, moved by some places.
fn grid_size(value: f32, places: isize) -> f32 {
    let distance = |n: usize| (n as f32 / value.max(1.0)).log2().abs();
    let nearest = (0..GRID_SIZES.len()).min_by(|&a, &b| distance(GRID_SIZES[a]).total_cmp(&distance(GRID_SIZES[b])));
    GRID_SIZES[nearest.unwrap_or(0).saturating_add_signed(places).min(GRID_SIZES.len() - 1)] as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ParamId; 9] = [
        ParamId::Gate,
        ParamId::Threshold,
        ParamId::MaxSources,
        ParamId::Smoothing,
        ParamId::GridSize,
        ParamId::BandLow,
        ParamId::RegionAzimuth,
        ParamId::RegionWidth,
        ParamId::RegionLowest,
    ];

    #[test]
    fn the_rail_reaches_both_ends_and_comes_back() {
        for id in ALL {
            let (low, high) = id.range();
            assert_eq!((value_at(id, 0.0), value_at(id, 1.0)), (low, high), "{id:?}");
            for i in 0..=20 {
                let v = value_at(id, i as f32 / 20.0);
                assert_eq!(value_at(id, fraction(id, v)), v, "{id:?}");
            }
        }
    }

    #[test]
    fn steppers_visit_every_value_and_stop_at_the_ends() {
        for id in ALL {
            let (low, high) = id.range();
            let (mut v, mut steps) = (low, 0);
            while stepped(id, v, true) != v {
                let next = stepped(id, v, true);
                assert!(next > v && stepped(id, next, false) == v, "{id:?} at {v}");
                v = next;
                steps += 1;
                assert!(steps < 1000);
            }
            assert_eq!((v, stepped(id, low, false)), (high, low), "{id:?}");
        }
    }

    #[test]
    fn typed_values_are_rounded_or_refused() {
        assert_eq!(typed(ParamId::Gate, "−42.4 dB"), Ok(-42.0));
        assert_eq!(typed(ParamId::Threshold, "0,333"), Ok(0.33));
        assert_eq!(typed(ParamId::GridSize, "2000"), Ok(2048.0));
        assert!(typed(ParamId::MaxSources, "9").unwrap_err().contains("1 to 8"));
    }

    #[test]
    fn what_is_no_number_becomes_the_default() {
        assert_eq!(sane(ParamId::Gate, f32::NAN, -60.0), -60.0);
        assert_eq!(sane(ParamId::GridSize, 1e9, 2048.0), 16384.0);
    }
}
