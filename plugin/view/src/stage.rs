//! The middle of the editor: the projections with their scale, what is said when there is nothing to show, and the read-out under
//! the pointer.

use egui::{Align2, Color32, Painter, Pos2, Rect, StrokeKind, TextureId, Ui, pos2, vec2};
use spherescope_dsp::{Direction, MicArray};
use spherescope_model::Engine;

use crate::colour_map::ColourMap;
use crate::heard::{self, Source};
use crate::heat::{Heat, Look};
use crate::history::History;
use crate::input::ViewInput;
use crate::layout_facts::LayoutFacts;
use crate::snapshot::{Other, Snapshot};
use crate::state::{MapKind, Projection, ViewState};
use crate::{globe, legend, map, markers, text, theme, widgets};

/// What the projections draw.
pub(crate) struct Scene<'a> {
    /// The newest state of the analysis.
    pub(crate) snapshot: &'a Snapshot,
    /// The layout of the session.
    pub(crate) layout: &'a MicArray,
    /// The picture of the spectrum.
    pub(crate) heat: &'a Heat,
    /// Its colours.
    pub(crate) colours: ColourMap,
    /// The picture behind it.
    pub(crate) backdrop: Option<TextureId>,
    /// The last two minutes.
    pub(crate) history: &'a History,
    /// The sources to mark.
    pub(crate) sources: Vec<Source>,
    /// The pinned direction.
    pub(crate) pin: Option<Direction>,
}

/// What is under the pointer.
pub(crate) struct Hover {
    /// The pointer.
    pub(crate) at: Pos2,
    /// The direction under it.
    pub(crate) direction: Direction,
    /// Where the read-out has to stay.
    pub(crate) bounds: Rect,
    /// Whether it was clicked.
    pub(crate) clicked: bool,
}

/// The name of an engine.
pub(crate) fn engine_name(engine: Engine) -> &'static str {
    match engine {
        Engine::AggRl => "AGG-RL",
        Engine::SrpPhat => "SRP-PHAT",
    }
}

/// Draws the stage into `rect`.
pub(crate) fn draw(ui: &Ui, rect: Rect, state: &mut ViewState, input: &ViewInput<'_>) {
    let mut rect = rect.shrink2(vec2(if rect.width() > 400.0 { theme::PAD } else { 4.0 }, 0.0));
    let headed = rect.width() > 260.0 && rect.height() > 220.0;
    let mut header = Rect::from_min_size(rect.min, vec2(rect.width(), if headed { HEADER } else { 0.0 }));
    rect.min.y = header.bottom() + if headed { 2.0 } else { 4.0 };
    rect.max.y -= if headed { 0.0 } else { 4.0 };
    let mut scale = Rect::NOTHING;
    if rect.width() > 260.0 && rect.height() > 80.0 {
        (rect, scale) = rect.split_left_right_at_x(rect.right() - legend::WIDTH);
    }
    let other = input.snapshot.other.as_ref().filter(|_| input.params.compare && rect.height() > 160.0);
    let (mut second, mut caption) = (Rect::NOTHING, Rect::NOTHING);
    if other.is_some() && headed && rect.width() > 1.9 * rect.height() {
        (rect, second) = rect.split_left_right_at_fraction(0.5);
        // Both captions on one line, each over its own map.
        caption = Rect::from_x_y_ranges(second.x_range(), header.y_range());
    } else if other.is_some() {
        let height = (rect.height() - HEADER) / 2.0;
        let below;
        (rect, below) = rect.split_top_bottom_at_y(rect.top() + height);
        (caption, second) = below.split_top_bottom_at_y(below.top() + HEADER);
    }
    header.max.x = header.max.x.min(rect.right() - 8.0);
    if headed {
        self::header(ui, header, state, input);
    }
    let (map_area, globe_area) = areas(rect, state.projection, state.map);
    let globe_clicked = globe_area.is_some_and(|area| globe::turn(ui, area, state));
    state.cache.backdrop.update(ui.ctx(), input.backdrop);
    let look = Look::of(state);
    let heard = heard::sources(input.snapshot);
    state.cache.heat.update(ui.ctx(), input.snapshot, input.layout, look);
    let scene = Scene {
        snapshot: input.snapshot,
        layout: input.layout,
        heat: &state.cache.heat,
        colours: state.colour_map,
        backdrop: state.cache.backdrop.id(),
        history: &state.cache.history,
        sources: heard.clone(),
        pin: state.cache.pin,
    };
    let mut hover = None;
    if let Some(area) = map_area {
        hover = map::draw(ui, "Map of the sphere", area, state.map, &mut state.cache.chart, &scene);
    }
    if let Some(area) = globe_area {
        let globe = globe::globe_in(area, state);
        let angles = (state.globe_yaw_deg, state.globe_pitch_deg);
        let on_globe = globe::draw(ui, area, &globe, angles, &mut state.cache.globe, &scene);
        hover = on_globe.map(|h| Hover { clicked: globe_clicked, ..h }).or(hover);
    }
    if let Some(other) = other {
        beside(ui, [caption, second], state, input, other, &heard);
    }
    let value = hover.as_ref().and_then(|h| state.cache.heat.value(&h.direction));
    let range = look.range(state.cache.heat.largest());
    if scale.is_positive() {
        let heights = match map_area {
            Some(area) => map::chart_in(area, state.map).rect.y_range(),
            None => scale.shrink2(vec2(0.0, ((scale.height() - 420.0) / 2.0).max(22.0))).y_range(),
        };
        let at = Rect::from_x_y_ranges(scale.x_range(), heights);
        let shown = value.filter(|_| input.snapshot.active);
        legend::draw(ui, at, &look, range, input.params.threshold, shown);
    }
    let painter = ui.painter_at(rect.expand(2.0));
    if let Some((title, detail)) = empty_state(input) {
        let over = map_area.map_or(rect, |area| map::chart_in(area, state.map).rect);
        message(&painter, over, &title, &detail);
    } else if let Some(hover) = hover {
        read_out(&painter, &hover, value);
        if hover.clicked {
            pin(state, hover.direction);
        }
    }
}

/// Height of a line over a map.
const HEADER: f32 = 24.0;

/// Maxima of both engines within this angle are the same, in degrees.
const AGREED_DEG: f64 = 15.0;

/// How many of the sources that sound the other engine has among its maxima, and how many there are.
fn agreement(heard: &[Source], other: &Other) -> (usize, usize) {
    let sounding = heard.iter().filter(|s| s.sounding);
    let agreed = |s: &&Source| other.peaks.iter().any(|p| p.direction.angle_to_deg(&s.direction) < AGREED_DEG);
    (sounding.clone().filter(agreed).count(), sounding.count())
}

/// The other engine's map with its own colours' range, and over it how far it agrees.
fn beside(
    ui: &Ui,
    [caption, area]: [Rect; 2],
    state: &mut ViewState,
    input: &ViewInput<'_>,
    other: &Other,
    heard: &[Source],
) {
    let (agreed, count) = agreement(heard, other);
    let words = match count {
        0 => format!("{}, scaled to itself", engine_name(other.engine)),
        _ => format!("{}, scaled to itself: agrees on {agreed} of {count}", engine_name(other.engine)),
    };
    let painter = ui.painter();
    widgets::elided(painter, caption, Align2::LEFT_CENTER, &words, theme::regular(12.0), theme::DIM);
    let snapshot = Snapshot {
        engine: other.engine,
        spectrum: other.spectrum.clone(),
        peaks: other.peaks.iter().take(count).copied().collect(),
        tracks: Vec::new(),
        other: None,
        ..input.snapshot.clone()
    };
    // Scores of different engines have different scales.
    let look = Look { auto_range: true, ..Look::of(state) };
    state.cache.other_heat.update(ui.ctx(), &snapshot, input.layout, look);
    let scene = Scene {
        sources: heard::sources(&snapshot),
        snapshot: &snapshot,
        layout: input.layout,
        heat: &state.cache.other_heat,
        colours: state.colour_map,
        backdrop: state.cache.backdrop.id(),
        history: &History::default(),
        pin: state.cache.pin,
    };
    let hover = map::draw(ui, "Map of the other engine", area, state.map, &mut state.cache.other_chart, &scene);
    if let Some(hover) = hover {
        let value = scene.heat.value(&hover.direction);
        read_out(&ui.painter_at(area.expand(2.0)), &hover, value);
    }
}

/// Pins a direction; a click on the pin takes it away.
fn pin(state: &mut ViewState, direction: Direction) {
    const SAME_DEG: f64 = 6.0;
    let again = state.cache.pin.is_some_and(|pin| pin.angle_to_deg(&direction) < SAME_DEG);
    state.cache.pin = (!again).then_some(direction);
    state.cache.history.forget_pinned();
}

/// Where the map and the globe go.
fn areas(rect: Rect, projection: Projection, kind: MapKind) -> (Option<Rect>, Option<Rect>) {
    match projection {
        Projection::Equirectangular => (Some(rect), None),
        Projection::Globe => (None, Some(rect)),
        Projection::Split => {
            // Side by side or one above the other: whichever draws more.
            let beside =
                rect.split_left_right_at_x(rect.left() + (0.62 * rect.width()).max(rect.width() - rect.height()));
            let map_height = (0.5 * rect.height()).min(0.55 * rect.width() + 36.0);
            let globe_height = (rect.height() - map_height).min(rect.width());
            let block = Rect::from_center_size(rect.center(), vec2(rect.width(), map_height + globe_height));
            let above = block.split_top_bottom_at_y(block.top() + map_height);
            let drawn = |(map, globe): (Rect, Rect)| {
                let m = map::chart_in(map, kind).rect;
                m.area() + globe.size().min_elem().max(0.0).powi(2)
            };
            let (map, globe) = if drawn(beside) >= drawn(above) { beside } else { above };
            (Some(map), Some(globe))
        }
    }
}

fn header(ui: &Ui, rect: Rect, state: &mut ViewState, input: &ViewInput<'_>) {
    let snapshot = input.snapshot;
    let engine = if snapshot.spectrum.is_empty() { input.params.engine } else { snapshot.engine };
    let directions = if snapshot.spectrum.is_empty() { input.params.grid_size } else { snapshot.spectrum.len() };
    let left = format!("{}   {} directions", engine_name(engine), text::count(directions));
    let painter = ui.painter();
    let (font, colour) = (theme::regular(12.0), theme::DIM);
    let used = widgets::elided(painter, rect, Align2::LEFT_CENTER, &left, font.clone(), colour);
    if let Some(note) = LayoutFacts::of(&mut state.cache.facts, input.layout).note {
        let room = Rect::from_min_max(pos2(used.right() + 24.0, rect.top()), rect.max);
        if room.width() > 80.0 {
            let at = widgets::elided(painter, room, Align2::RIGHT_CENTER, note, font, theme::TEXT);
            let c = at.left_center() - vec2(11.0, 0.0);
            painter.circle_stroke(c, 5.5, egui::Stroke::new(1.2, theme::ACCENT));
            painter.text(c, Align2::CENTER_CENTER, "i", theme::bold(9.0), theme::ACCENT);
        }
    }
}

/// What to say when there is no spectrum to look at: a title and a line of detail.
pub(crate) fn empty_state(input: &ViewInput<'_>) -> Option<(String, String)> {
    let (snapshot, health) = (input.snapshot, &input.snapshot.health);
    let say = |title: &str, detail: String| Some((title.to_owned(), detail));
    if health.bus_channels == 0 || health.sample_rate_hz.is_nan() || health.sample_rate_hz <= 0.0 {
        return say("No audio yet", "The host has not started this instance".into());
    }
    if !snapshot.levels_db.is_empty() && snapshot.levels_db.iter().all(|l| *l == f32::NEG_INFINITY) {
        return say("No signal", "Every channel is digital silence".into());
    }
    if snapshot.spectrum.is_empty() {
        return say("Listening", "The first result is on its way".into());
    }
    if !snapshot.active {
        return say("Silence", format!("Below the gate ({})", text::level(input.params.gate_db)));
    }
    None
}

fn message(painter: &Painter, rect: Rect, title: &str, detail: &str) {
    let c = rect.center();
    let fit = |size: f32| theme::bold(if rect.width() < 260.0 { size - 2.0 } else { size });
    let wrap = (rect.width() - 16.0).max(40.0);
    let heading = painter.layout(title.to_owned(), fit(16.0), theme::TEXT, wrap);
    let line = painter.layout(detail.to_owned(), theme::regular(12.5), theme::DIM, wrap);
    let gap = 5.0;
    let size = vec2(heading.size().x.max(line.size().x), heading.size().y + gap + line.size().y);
    let chip = Rect::from_center_size(c, size + vec2(36.0, 22.0));
    painter.rect_filled(chip, 8, Color32::from_rgba_unmultiplied(16, 20, 26, 232));
    painter.rect_stroke(chip, 8, egui::Stroke::new(1.0, theme::LINE), StrokeKind::Inside);
    let top = c.y - size.y / 2.0;
    painter.galley(pos2(c.x - heading.size().x / 2.0, top), heading.clone(), theme::TEXT);
    painter.galley(pos2(c.x - line.size().x / 2.0, top + heading.size().y + gap), line, theme::DIM);
}

fn read_out(painter: &Painter, hover: &Hover, value: Option<f32>) {
    let value = value.map_or_else(|| "not looked at".into(), text::score);
    let mut job = egui::text::LayoutJob::default();
    let format = |font| egui::text::TextFormat::simple(font, theme::TEXT);
    job.append(&text::angles(&hover.direction), 0.0, format(theme::regular(11.5)));
    job.append(&value, 9.0, format(theme::bold(11.5)));
    let galley = painter.layout_job(job);
    let size = galley.size() + vec2(14.0, 8.0);
    // Below and beside the pointer, where no cursor covers it.
    let right = hover.at.x + 16.0 + size.x <= hover.bounds.right();
    let x = if right { hover.at.x + 16.0 } else { hover.at.x - 12.0 - size.x };
    let chip = markers::inside(Rect::from_min_size(pos2(x, hover.at.y + 14.0), size), hover.bounds);
    painter.rect_filled(chip, 4, Color32::from_rgba_unmultiplied(8, 11, 15, 238));
    painter.rect_stroke(chip, 4, egui::Stroke::new(1.0, theme::with_alpha(theme::ACCENT, 170)), StrokeKind::Inside);
    painter.galley(chip.min + vec2(7.0, 4.0), galley, theme::TEXT);
}
