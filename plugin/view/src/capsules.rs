//! The capsules of the array, small, seen from where the globe is seen; each as bright as its level.

use egui::{Align2, Color32, Rect, Stroke, Ui, vec2};
use spherescope_dsp::Capsule;

use crate::projection::Globe;
use crate::stage::Scene;
use crate::theme;

/// What a capsule's channel carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Signal {
    /// The user muted the capsule.
    Muted,
    /// The bus has no such channel.
    Missing,
    /// Not known before the first block.
    Unknown,
    /// A peak level in dBFS; −∞ for silence.
    Level(f32),
}

/// What a capsule's channel carries, of a bus of `channels` with these levels.
pub(crate) fn signal(capsule: &Capsule, channels: usize, levels_db: &[f32]) -> Signal {
    match levels_db.get(capsule.channel) {
        _ if capsule.muted => Signal::Muted,
        _ if channels > 0 && capsule.channel >= channels => Signal::Missing,
        Some(level) if !level.is_nan() => Signal::Level(*level),
        _ => Signal::Unknown,
    }
}

/// How far a level reaches up a meter from −60 dBFS to 0, 0 … 1.
pub(crate) fn meter(level_db: f32) -> f32 {
    if level_db.is_nan() { 0.0 } else { (1.0 + level_db / 60.0).clamp(0.0, 1.0) }
}

/// The colour of a level.
pub(crate) fn level_colour(level_db: f32) -> Color32 {
    match level_db {
        l if l > -0.3 => theme::ERROR,
        l if l > -6.0 => theme::WARN,
        _ => theme::GOOD,
    }
}

/// Draws the array into the lower right corner of `area`. Returns where it lies.
pub(crate) fn inset(ui: &Ui, area: Rect, globe: &Globe, scene: &Scene<'_>) -> Option<Rect> {
    let side = (0.42 * globe.radius).clamp(56.0, 96.0);
    let rect = Rect::from_min_size(area.max - vec2(side + 4.0, side + 4.0), vec2(side, side));
    // In the corner of a square the disc leaves room only where the window is wider than the globe.
    if (rect.left_top() - globe.centre).length() < globe.radius + 4.0 {
        return None;
    }
    let centre = scene.layout.centroid_m();
    let points: Vec<[f64; 3]> =
        scene.layout.capsules().iter().map(|c| std::array::from_fn(|i| c.position_m[i] - centre[i])).collect();
    let reach = points.iter().flatten().fold(1e-6f64, |m, x| m.max(x.abs()));
    let farthest = points.iter().map(|p| p.iter().map(|x| x * x).sum::<f64>().sqrt()).fold(reach, f64::max);
    let small = globe.moved(rect.center() - vec2(0.0, 6.0), 0.36 * side);
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 6, theme::with_alpha(theme::PANEL, 200));
    let health = &scene.snapshot.health;
    let mut dots: Vec<_> = points
        .iter()
        .zip(scene.layout.capsules())
        .map(|(p, c)| {
            let (at, depth) = small.project(p.map(|x| (x / farthest) as f32));
            (depth, at, signal(c, health.bus_channels, &scene.snapshot.levels_db))
        })
        .collect();
    dots.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (depth, at, signal) in dots {
        let near = 0.5 + 0.5 * depth;
        let size = if points.len() > 20 { 1.7 } else { 2.4 } * (0.8 + 0.4 * near);
        match signal {
            Signal::Level(l) => {
                painter.circle_filled(at, size, theme::DIM.gamma_multiply(0.35 + 0.25 * near));
                painter.circle_filled(at, size, level_colour(l).gamma_multiply(meter(l).sqrt()));
            }
            Signal::Unknown => drop(painter.circle_filled(at, size, theme::DIM.gamma_multiply(0.5 + 0.5 * near))),
            Signal::Muted | Signal::Missing => {
                painter.circle_stroke(at, size, Stroke::new(1.0, theme::DIM.gamma_multiply(0.5)));
            }
        }
    }
    let name = format!("{} capsules", scene.layout.active_len());
    let at = rect.center_bottom() - vec2(0.0, 5.0);
    painter.text(at, Align2::CENTER_BOTTOM, name, theme::regular(10.5), theme::DIM);
    Some(rect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capsule_knows_what_its_channel_carries() {
        let mut capsule = Capsule::new(2, [0.0; 3]);
        assert_eq!(signal(&capsule, 4, &[0.0, 0.0, -20.0, 0.0]), Signal::Level(-20.0));
        assert_eq!(signal(&capsule, 2, &[0.0, 0.0]), Signal::Missing);
        assert_eq!(signal(&capsule, 0, &[]), Signal::Unknown);
        assert_eq!(signal(&capsule, 4, &[f32::NAN; 4]), Signal::Unknown);
        capsule.muted = true;
        assert_eq!(signal(&capsule, 4, &[0.0; 4]), Signal::Muted);
    }

    #[test]
    fn meters_run_from_silence_to_full_scale() {
        assert_eq!([f32::NEG_INFINITY, -60.0, -30.0, 0.0, 12.0].map(meter), [0.0, 0.0, 0.5, 1.0, 1.0]);
        assert_eq!(meter(f32::NAN), 0.0);
    }
}
