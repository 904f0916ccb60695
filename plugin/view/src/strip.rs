//! The history strip: azimuth and elevation against time, heat behind, sources before, and the pinned direction's score.

use egui::{
    Align2, Color32, ColorImage, Painter, Pos2, Rect, Sense, Shape, Stroke, StrokeKind, TextureHandle, TextureOptions,
    Ui, pos2, vec2,
};
use spherescope_dsp::Direction;

use crate::colour_map::{ColourMap, ColourTable};
use crate::history::{AZIMUTHS, ELEVATIONS, History, RATE_HZ};
use crate::state::{HISTORY_S, ViewState};
use crate::{markers, text, theme, widgets};

/// At most this many texels along time; longer strips put the largest of several columns into one.
const MOST_COLUMNS: usize = 480;
const HEADING: f32 = 28.0;
const AXIS: f32 = 18.0;
const GAP: f32 = 6.0;

/// What the strip was drawn from, and the picture.
#[derive(Default)]
pub(crate) struct StripHeat {
    made: Option<(u64, i64, u16, ColourMap)>,
    colours: Option<(ColourMap, ColourTable)>,
    texture: Option<TextureHandle>,
}

/// Textures are made anew for a copy: it may live in another window.
impl Clone for StripHeat {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What the strip shows.
pub(crate) struct Strip<'a> {
    /// Time at the right edge, in seconds since activation.
    pub(crate) now_s: f64,
    /// The pinned direction.
    pub(crate) pin: Option<Direction>,
    /// Score below which a maximum is no source.
    pub(crate) threshold: f32,
    /// What there was.
    pub(crate) history: &'a History,
}

/// How high the strip wants to be.
pub(crate) fn height(open: bool, pinned: bool) -> f32 {
    HEADING + if open { 150.0 + if pinned { 46.0 } else { 0.0 } } else { 2.0 }
}

/// The heading with the choice of the length. Returns whether the strip is open and what is left of `rect`.
pub(crate) fn heading(ui: &mut Ui, rect: Rect, state: &mut ViewState) -> Option<Rect> {
    ui.painter().hline(rect.x_range(), rect.top(), Stroke::new(1.0, theme::LINE));
    let inner = rect.shrink2(vec2(theme::PAD, 0.0));
    let choice = rect.width() > 420.0 && state.panels.history;
    let room = if choice { 190.0 } else { 0.0 };
    let title = Rect::from_min_max(inner.min, pos2(inner.right() - room, inner.top() + HEADING));
    let mut part = ui.new_child(egui::UiBuilder::new().id_salt("history").max_rect(title));
    let open = widgets::section(&mut part, "History", "", &mut state.panels.history);
    if choice {
        let at = Rect::from_min_size(pos2(inner.right() - room, inner.top() + 2.0), vec2(room, HEADING - 4.0));
        let mut part = ui.new_child(egui::UiBuilder::new().id_salt("history length").max_rect(at));
        let names = HISTORY_S.map(|s| format!("{s} s"));
        let options: Vec<(u16, &str, &str)> =
            HISTORY_S.iter().zip(&names).map(|(&s, name)| (s, name.as_str(), "How far the strip looks back")).collect();
        if let Some(seconds) = widgets::segmented(&mut part, room, &options, state.history_s) {
            state.history_s = seconds;
        }
    }
    (open && rect.height() > HEADING + AXIS + 30.0)
        .then(|| Rect::from_min_max(pos2(inner.left(), inner.top() + HEADING), inner.max - vec2(0.0, 4.0)))
}

/// Draws the lanes into `rect`.
pub(crate) fn draw(ui: &Ui, rect: Rect, strip: &Strip<'_>, seconds: u16, colours: ColourMap, heat: &mut StripHeat) {
    let painter = ui.painter_at(rect.expand2(vec2(6.0, 6.0)));
    let left = if rect.width() > 300.0 { 52.0 } else { 0.0 };
    let lanes = Rect::from_min_max(pos2(rect.left() + left, rect.top()), pos2(rect.right(), rect.bottom() - AXIS));
    let score_height = if strip.pin.is_some() && lanes.height() > 90.0 { 40.0 } else { 0.0 };
    let room = lanes.height() - score_height - if score_height > 0.0 { 2.0 * GAP } else { GAP };
    let azimuth = Rect::from_min_size(lanes.min, vec2(lanes.width(), room * 0.62));
    let elevation = Rect::from_min_size(pos2(lanes.left(), azimuth.bottom() + GAP), vec2(lanes.width(), room * 0.38));
    let response = ui.interact(lanes, ui.scope_id().with("strip"), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "History strip"));

    heat.update(ui.ctx(), strip, seconds, colours);
    let share = AZIMUTHS as f32 / (AZIMUTHS + ELEVATIONS) as f32;
    for (lane, v) in [(azimuth, [0.0, share]), (elevation, [share, 1.0])] {
        painter.rect_filled(lane, 0, colours.colour(0.0));
        if let Some(texture) = &heat.texture {
            // Half a texel keeps the lanes from bleeding into each other.
            let half = 0.5 / (AZIMUTHS + ELEVATIONS) as f32;
            let uv = Rect::from_min_max(pos2(0.0, v[0] + half), pos2(1.0, v[1] - half));
            painter.image(texture.id(), lane, uv, Color32::WHITE);
        }
    }
    let faint = Stroke::new(1.0, Color32::from_white_alpha(26));
    let azimuths = [(180.0, "back"), (90.0, "left"), (0.0, "front"), (-90.0, "right"), (-180.0, "back")];
    let elevations = [(90.0, "up"), (0.0, "0°"), (-90.0, "down")];
    for (lane, ticks, reach) in [(azimuth, &azimuths[..], 180.0), (elevation, &elevations[..], 90.0)] {
        for &(degrees, name) in ticks {
            let y = lane.top() + (reach - degrees) / (2.0 * reach) * lane.height();
            let inner = degrees.abs() < reach;
            if inner {
                painter.hline(lane.x_range(), painter.round_to_pixel_center(y), faint);
            }
            if left > 0.0 && (inner || lane.height() > 40.0) {
                let anchor = match degrees {
                    d if d >= reach => Align2::RIGHT_TOP,
                    d if d <= -reach => Align2::RIGHT_BOTTOM,
                    _ => Align2::RIGHT_CENTER,
                };
                let nudge = if degrees >= reach {
                    -3.0
                } else if degrees <= -reach {
                    3.0
                } else {
                    0.0
                };
                let font = theme::regular(10.5);
                painter.text(pos2(lane.left() - 7.0, y + nudge), anchor, name, font, theme::DIM);
            }
        }
    }
    let x_of = |number: i64| {
        let age = strip.now_s - (number as f64 + 0.5) / RATE_HZ;
        lanes.right() - (age / f64::from(seconds)) as f32 * lanes.width()
    };
    for (lane, which) in [(azimuth, true), (elevation, false)] {
        sources(&painter.with_clip_rect(lane), lane, strip, seconds, &x_of, which);
        painter.rect_stroke(lane, 0, Stroke::new(1.0, theme::HOVERED), StrokeKind::Outside);
    }
    if score_height > 0.0 {
        let lane = Rect::from_min_max(pos2(lanes.left(), elevation.bottom() + GAP), lanes.max);
        score(&painter, lane, strip, seconds, &x_of, left);
    }
    time_axis(&painter, lanes, seconds);
    if strip.history.since(strip.now_s, seconds.into()).next().is_none() {
        let font = theme::regular(12.0);
        painter.text(azimuth.center(), Align2::CENTER_CENTER, "Nothing heard yet", font, theme::DIM);
    }
}

fn time_axis(painter: &Painter, lanes: Rect, seconds: u16) {
    let step = match seconds {
        s if s <= 10 => 2,
        s if s <= 30 => 5,
        s if s <= 60 => 10,
        _ => 20,
    };
    for ago in (0..=seconds).step_by(step) {
        let x = lanes.right() - f32::from(ago) / f32::from(seconds) * lanes.width();
        let at = pos2(x, lanes.bottom() + 3.0);
        let (anchor, word) = match ago {
            0 => (Align2::RIGHT_TOP, "now".to_owned()),
            a if a == seconds => (Align2::LEFT_TOP, format!("−{a} s")),
            a => (Align2::CENTER_TOP, format!("−{a} s")),
        };
        painter.vline(x, lanes.bottom()..=lanes.bottom() + 3.0, Stroke::new(1.0, theme::DIM));
        painter.text(at, anchor, word, theme::regular(10.5), theme::DIM);
    }
}

/// The sources: a dot each, joined where the same source goes on.
fn sources(painter: &Painter, lane: Rect, strip: &Strip<'_>, seconds: u16, x_of: &impl Fn(i64) -> f32, azimuth: bool) {
    let y_of = |d: &Direction| {
        let share = if azimuth { (180.0 - d.azimuth_deg()) / 360.0 } else { (90.0 - d.elevation_deg()) / 180.0 };
        lane.top() + share as f32 * lane.height()
    };
    let mut last: Vec<(u32, i64, Pos2)> = Vec::new();
    for column in strip.history.since(strip.now_s, seconds.into()) {
        for mark in &column.marks {
            let at = pos2(x_of(column.number), y_of(&mark.direction));
            let colour = markers::track_colour(mark.id);
            let before = last.iter_mut().find(|(id, ..)| *id == mark.id && mark.id != 0);
            match before {
                Some((_, number, from)) => {
                    // Not across a pause, and not across the seam at the back.
                    if column.number - *number <= 8 && (from.y - at.y).abs() < 0.5 * lane.height() {
                        painter.line_segment([*from, at], Stroke::new(1.8, colour));
                    } else {
                        painter.circle_filled(at, 1.4, colour);
                    }
                    (*number, *from) = (column.number, at);
                }
                None => {
                    painter.circle_filled(at, 1.4, colour);
                    last.push((mark.id, column.number, at));
                }
            }
        }
    }
    if let Some(pin) = strip.pin {
        let y = painter.round_to_pixel_center(y_of(&pin));
        painter.add(Shape::dashed_line(
            &[pos2(lane.left(), y), pos2(lane.right(), y)],
            Stroke::new(1.0, theme::ACCENT),
            4.0,
            4.0,
        ));
    }
}

/// The score of the pinned direction.
fn score(painter: &Painter, lane: Rect, strip: &Strip<'_>, seconds: u16, x_of: &impl Fn(i64) -> f32, left: f32) {
    painter.rect_filled(lane, 0, theme::SUNKEN);
    let y_of = |score: f32| lane.bottom() - score.clamp(0.0, 1.0) * lane.height();
    let threshold = painter.round_to_pixel_center(y_of(strip.threshold));
    painter.hline(lane.x_range(), threshold, Stroke::new(1.0, theme::with_alpha(theme::ACCENT, 90)));
    let mut run: Vec<Pos2> = Vec::new();
    let mut number = i64::MIN;
    let inside = painter.with_clip_rect(lane);
    let line = |run: &mut Vec<Pos2>| {
        if run.len() > 1 {
            inside.line(std::mem::take(run), Stroke::new(1.6, theme::TEXT));
        }
        run.clear();
    };
    for column in strip.history.since(strip.now_s, seconds.into()) {
        let Some(score) = column.pinned else { continue };
        if column.number - number.max(i64::MIN / 2) > 8 {
            line(&mut run);
        }
        number = column.number;
        run.push(pos2(x_of(column.number), y_of(score)));
    }
    line(&mut run);
    painter.rect_stroke(lane, 0, Stroke::new(1.0, theme::HOVERED), StrokeKind::Outside);
    if left > 0.0 {
        let font = theme::regular(10.5);
        painter.text(lane.left_top() - vec2(7.0, 3.0), Align2::RIGHT_TOP, "1", font.clone(), theme::DIM);
        painter.text(lane.left_center() - vec2(7.0, 0.0), Align2::RIGHT_CENTER, "pin", font.clone(), theme::ACCENT);
        painter.text(lane.left_bottom() - vec2(7.0, -3.0), Align2::RIGHT_BOTTOM, "0", font, theme::DIM);
    }
    if let Some(pin) = strip.pin {
        let word = painter.layout_no_wrap(text::angles(&pin), theme::regular(10.5), theme::DIM);
        let at = Rect::from_min_size(lane.left_top() + vec2(6.0, 2.0), word.size());
        painter.rect_filled(at.expand2(vec2(3.0, 0.0)), 2, theme::with_alpha(theme::SUNKEN, 220));
        painter.galley(at.min, word, theme::DIM);
    }
}

impl StripHeat {
    fn update(&mut self, ctx: &egui::Context, strip: &Strip<'_>, seconds: u16, colours: ColourMap) {
        let newest = (strip.now_s * RATE_HZ).floor() as i64;
        let made = (strip.history.changes, newest, seconds, colours);
        if self.made == Some(made) && self.texture.is_some() {
            return;
        }
        self.made = Some(made);
        if self.colours.as_ref().is_none_or(|(map, _)| *map != colours) {
            self.colours = Some((colours, colours.table()));
        }
        let Some((_, table)) = &self.colours else { return };
        let all = usize::from(seconds) * RATE_HZ as usize;
        let each = all.div_ceil(MOST_COLUMNS);
        let width = all / each;
        let height = AZIMUTHS + ELEVATIONS;
        let mut levels = vec![0u8; width * height];
        for column in strip.history.since(strip.now_s, seconds.into()) {
            // The newest column is the last texel; several columns share one from the right.
            let from_right = ((newest - column.number).max(0) as usize) / each;
            if from_right >= width {
                continue;
            }
            let x = width - 1 - from_right;
            for (y, &level) in column.azimuths.iter().chain(&column.elevations).enumerate() {
                let texel = &mut levels[y * width + x];
                *texel = level.max(*texel);
            }
        }
        let palette: Vec<Color32> = (0..=255u8).map(|l| table.colour(f32::from(l) / 255.0)).collect();
        let image = ColorImage::new([width, height], levels.into_iter().map(|l| palette[usize::from(l)]).collect());
        match &mut self.texture {
            Some(texture) => texture.set(image, TextureOptions::LINEAR),
            None => self.texture = Some(ctx.load_texture("history", image, TextureOptions::LINEAR)),
        }
    }
}
