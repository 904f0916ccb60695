//! Numbered marks on the sources, with labels that keep out of each other's way.

use std::sync::Arc;

use egui::{Color32, Galley, Painter, Pos2, Rect, Stroke, StrokeKind, Vec2, text::LayoutJob, text::TextFormat, vec2};
use spherescope_dsp::Direction;

use crate::heard::Source;
use crate::history::RATE_HZ;
use crate::stage::Scene;
use crate::{text, theme};

/// Radius of a mark's ring.
pub(crate) const RING: f32 = 7.0;

/// A source to mark.
pub(crate) struct Marker {
    /// Where on the screen.
    pub(crate) at: Pos2,
    /// The source.
    pub(crate) source: Source,
}

/// The colour of a track, so that neighbours in number differ in hue; white for what has no number.
pub(crate) fn track_colour(id: u32) -> Color32 {
    if id == 0 {
        return Color32::from_white_alpha(200);
    }
    // Steps of the golden angle.
    let hue = (f64::from(id) * 0.381_966 + 0.36).fract() as f32;
    let [r, g, b] = egui::ecolor::Hsva::new(hue, 0.45, 1.0, 1.0).to_srgb();
    Color32::from_rgb(r, g, b)
}

/// Seconds that trails reach back.
const TRAIL_S: f64 = 4.0;

/// Where the sources have come from: a line each, fainter the older. `place` says where a direction is, if it is seen; steps longer than
/// `longest` are jumps over the edge of a map.
pub(crate) fn trails(painter: &Painter, scene: &Scene<'_>, place: impl Fn(&Direction) -> Option<Pos2>, longest: f32) {
    let now_s = scene.snapshot.t_s;
    let mut last: Vec<(u32, i64, Pos2)> = Vec::new();
    for column in scene.history.since(now_s, TRAIL_S) {
        let age_s = now_s - column.number as f64 / RATE_HZ;
        let alpha = (190.0 * (1.0 - age_s / TRAIL_S)).clamp(0.0, 190.0) as u8;
        for mark in column.marks.iter().filter(|m| m.id != 0) {
            let Some(at) = place(&mark.direction) else {
                last.retain(|(id, ..)| *id != mark.id);
                continue;
            };
            match last.iter_mut().find(|(id, ..)| *id == mark.id) {
                Some((_, number, from)) => {
                    if column.number - *number <= 8 && (at - *from).length() < longest {
                        let colour = theme::with_alpha(track_colour(mark.id), alpha);
                        painter.line_segment([*from, at], Stroke::new(2.0, colour));
                    }
                    (*number, *from) = (column.number, at);
                }
                None => last.push((mark.id, column.number, at)),
            }
        }
    }
}

/// The mark of the pinned direction.
pub(crate) fn pin(painter: &Painter, at: Pos2) {
    for (width, colour) in [(4.0, Color32::from_black_alpha(170)), (1.6, theme::ACCENT)] {
        let stroke = Stroke::new(width, colour);
        for (dx, dy) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
            let corner = at + vec2(dx, dy) * 9.0;
            painter.line_segment([corner, corner - vec2(dx * 5.0, 0.0)], stroke);
            painter.line_segment([corner, corner - vec2(0.0, dy * 5.0)], stroke);
        }
    }
}

/// How much the labels say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// The number.
    Number,
    /// Number and angles.
    Angles,
    /// Number, angles and score, with the names of the angles.
    Full,
}

impl Detail {
    /// What a projection of this width has room for.
    pub(crate) fn for_width(width: f32) -> Self {
        match width {
            w if w < 230.0 => Self::Number,
            w if w < 420.0 => Self::Angles,
            _ => Self::Full,
        }
    }
}

/// Draws all marks and their labels inside `bounds`, keeping labels off `taken`.
pub(crate) fn draw(painter: &Painter, bounds: Rect, markers: &[Marker], detail: Detail, mut taken: Vec<Rect>) {
    for m in markers {
        taken.push(Rect::from_center_size(m.at, Vec2::splat(2.0 * RING + 4.0)));
    }
    for m in markers {
        let (ring, colour) = if m.source.sounding {
            painter.circle_stroke(m.at, RING, Stroke::new(4.0, Color32::from_black_alpha(150)));
            painter.circle_filled(m.at, 1.5, Color32::WHITE);
            (RING, Color32::WHITE)
        } else {
            (RING - 2.5, Color32::from_white_alpha(110))
        };
        painter.circle_stroke(m.at, ring, Stroke::new(1.8, colour));
    }
    for m in markers {
        let detail = if m.source.sounding { detail } else { Detail::Number };
        let galley = painter.layout_job(label(m, detail));
        let size = galley.size() + vec2(12.0, 6.0);
        let chip = place(m.at, size, bounds, &taken);
        taken.push(chip);
        paint(painter, m.at, chip, galley);
    }
}

fn paint(painter: &Painter, at: Pos2, chip: Rect, galley: Arc<Galley>) {
    let near = chip.clamp(at);
    let gap = near - at;
    if gap.length() > RING + 8.0 {
        let start = at + gap.normalized() * (RING + 1.0);
        painter.line_segment([start, near], Stroke::new(1.0, Color32::from_white_alpha(150)));
    }
    painter.rect_filled(chip, 4, Color32::from_rgba_unmultiplied(10, 13, 18, 222));
    painter.rect_stroke(chip, 4, Stroke::new(1.0, Color32::from_white_alpha(44)), StrokeKind::Inside);
    painter.galley(chip.min + vec2(6.0, 3.0), galley, theme::TEXT);
}

fn label(m: &Marker, detail: Detail) -> LayoutJob {
    let mut job = LayoutJob::default();
    let dim = TextFormat::simple(theme::regular(11.5), theme::DIM);
    let plain = TextFormat::simple(theme::regular(11.5), theme::TEXT);
    let bold = TextFormat::simple(theme::bold(11.5), theme::TEXT);
    let (az, el) = (text::degrees(m.source.direction.azimuth_deg()), text::degrees(m.source.direction.elevation_deg()));
    let colour = m.source.track.map_or(theme::ACCENT, track_colour);
    job.append(&m.source.number(), 0.0, TextFormat::simple(theme::bold(11.5), colour));
    match detail {
        Detail::Number => {}
        Detail::Angles => {
            job.append(&az, 6.0, plain.clone());
            job.append(&el, 5.0, plain);
        }
        Detail::Full => {
            job.append("az", 7.0, dim.clone());
            job.append(&az, 4.0, plain.clone());
            job.append("el", 7.0, dim);
            job.append(&el, 4.0, plain);
            job.append(&text::score(m.source.score), 8.0, bold);
        }
    }
    job
}

/// A place for a label of this size near a mark: the first that is free, or the one that covers least.
fn place(at: Pos2, size: Vec2, bounds: Rect, taken: &[Rect]) -> Rect {
    let mut best = (f32::INFINITY, Rect::from_min_size(at, size));
    for ring in 0..4 {
        let (dx, dy) = (RING + 5.0 + 16.0 * ring as f32, RING + 4.0 + 14.0 * ring as f32);
        let (half_x, half_y) = (size.x / 2.0, size.y / 2.0);
        for (x, y) in
            [(1.0, 0.0), (-1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (0.8, -1.0), (0.8, 1.0), (-0.8, -1.0), (-0.8, 1.0)]
        {
            let slid = Rect::from_center_size(at + vec2(x * (dx + half_x), y * (dy + half_y)), size);
            let rect = inside(slid, bounds);
            let covered: f32 = taken.iter().map(|t| area(t.intersect(rect))).sum();
            let cost = covered + 0.5 * (rect.center() - slid.center()).length();
            if cost <= 0.0 {
                return rect;
            }
            if cost < best.0 {
                best = (cost, rect);
            }
        }
    }
    best.1
}

fn area(r: Rect) -> f32 {
    r.width().max(0.0) * r.height().max(0.0)
}

/// A rectangle moved into others' bounds, as far as it fits.
pub(crate) fn inside(r: Rect, bounds: Rect) -> Rect {
    let x = r.left().min(bounds.right() - r.width()).max(bounds.left());
    let y = r.top().min(bounds.bottom() - r.height()).max(bounds.top());
    Rect::from_min_size(egui::pos2(x, y), r.size())
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    #[test]
    fn labels_avoid_each_other_and_the_edge() {
        let bounds = Rect::from_min_size(Pos2::ZERO, vec2(800.0, 400.0));
        let marks: Vec<Pos2> = (0..6).map(|i| pos2(790.0 - 5.0 * i as f32, 200.0 + 9.0 * i as f32)).collect();
        let mut taken = Vec::new();
        for &at in &marks {
            let rect = place(at, vec2(120.0, 20.0), bounds, &taken);
            assert!(bounds.contains_rect(rect), "{rect:?}");
            assert!(taken.iter().all(|t: &Rect| area(t.intersect(rect)) < 1.0), "{rect:?} covers one of {taken:?}");
            taken.push(rect);
        }
    }

    #[test]
    fn no_bounds_are_too_small() {
        let rect = place(pos2(1.0, 1.0), vec2(120.0, 20.0), Rect::ZERO, &[]);
        assert!(rect.is_finite());
    }
}
