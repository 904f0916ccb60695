//! The figures as a picture: cost against capsules, directions, sample rate and instances, with logarithmic axes.

use std::path::Path;

use super::pipeline::IN_TENSORS;
use super::{Figures, Pipeline, USUAL};
use crate::evaluate::canvas::{Anchor, Canvas, Colour};

const PAPER: Colour = [255, 255, 255];
const INK: Colour = [30, 34, 42];
const FAINT: Colour = [218, 221, 226];
/// Of each engine: told apart by colour-blind eyes, too (after M. Okabe and K. Ito).
const LINES: [(&str, &str, Colour); 3] = [
    ("agg-rl", "AGG-RL", [0, 114, 178]),
    ("srp-phat", "SRP-PHAT", [213, 94, 0]),
    (IN_TENSORS, "AGG-RL in candle's tensors", [150, 150, 150]),
];
const TEXT: f32 = 20.0;
const SMALL: f32 = 17.0;

/// A measured point: engine, place on the x-axis, CPU seconds for a second of audio.
type Point = (&'static str, f64, f64);

/// One panel.
struct Panel {
    title: String,
    points: Vec<Point>,
}

/// Draws cost against capsules, directions and sample rate.
///
/// # Errors
/// A sentence that names the file.
pub fn draw(path: &Path, figures: &Figures) -> Result<(), String> {
    let most = figures.pipeline.iter().map(|p| p.capsules).filter(|&c| c <= 32).max().unwrap_or(0);
    let of = |keep: &dyn Fn(&Pipeline) -> bool, x: fn(&Pipeline) -> f64| -> Vec<Point> {
        figures.pipeline.iter().filter(|p| keep(p)).map(|p| (p.engine, x(p), p.load)).collect()
    };
    let at_rates = figures.at_rates.iter().map(|p| (p.engine, p.rate_hz / 1e3, p.load)).collect();
    let at_once = figures.at_once.iter().map(|a| (LINES[0].0, a.instances as f64, a.load)).collect();
    let panels = [
        Panel {
            title: format!("capsules ({} directions, 48 kHz)", USUAL.1),
            points: of(&|p| p.directions == USUAL.1, |p| p.capsules as f64),
        },
        Panel {
            title: format!("directions ({most} capsules, 48 kHz)"),
            points: of(&|p| p.capsules == most && p.engine != IN_TENSORS, |p| p.directions as f64),
        },
        Panel {
            title: format!("kHz ({} capsules)", figures.at_rates.first().map_or(0, |p| p.capsules)),
            points: at_rates,
        },
        Panel {
            title: format!("instances at once ({} capsules)", figures.at_once.first().map_or(0, |a| a.capsules)),
            points: at_once,
        },
    ];
    let loads = || panels.iter().flat_map(|p| &p.points).map(|p| p.2.max(1e-6).log10());
    let (low, high) = (loads().fold(f64::INFINITY, f64::min).floor(), loads().fold(-6.0, f64::max).ceil());
    if low >= high {
        return Err(format!("{}: expected loads that differ, found none", path.display()));
    }
    let mut canvas = Canvas::new(1980, 560, PAPER)?;
    canvas.text([90.0, 30.0], "CPU seconds for a second of audio, one core, against", TEXT, Anchor::Left, INK);
    for (number, panel) in panels.iter().enumerate() {
        let left = 90.0 + 480.0 * number as f32;
        one(&mut canvas, panel, [left, 90.0, left + 390.0, 440.0], [low, high]);
    }
    for (number, (_, name, colour)) in LINES.into_iter().enumerate() {
        let x = 90.0 + 200.0 * number as f32;
        canvas.line([x, 525.0], [x + 40.0, 525.0], 3.0, colour);
        canvas.text([x + 50.0, 525.0], name, SMALL, Anchor::Left, INK);
    }
    canvas.save(path)
}

fn one(canvas: &mut Canvas, panel: &Panel, [left, top, right, bottom]: [f32; 4], [low, high]: [f64; 2]) {
    let mut ticks: Vec<f64> = panel.points.iter().map(|p| p.1).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let (Some(&first), Some(&last)) = (ticks.first(), ticks.last()) else { return };
    let span = (last / first).log2().max(1e-9);
    let at = |x: f64, load: f64| {
        let across = ((x / first).log2() / span) as f32;
        let up = ((load.max(1e-6).log10() - low) / (high - low)) as f32;
        [left + 20.0 + across * (right - left - 40.0), bottom - up * (bottom - top)]
    };
    canvas.text([left, top - 24.0], &panel.title, SMALL, Anchor::Left, INK);
    for decade in low as i32..=high as i32 {
        let load = 10f64.powi(decade);
        let y = at(first, load)[1];
        canvas.line([left, y], [right, y], 1.0, FAINT);
        canvas.text([left - 10.0, y], &load.to_string(), SMALL, Anchor::Right, INK);
    }
    canvas.line([left, bottom], [right, bottom], 1.5, INK);
    canvas.line([left, top], [left, bottom], 1.5, INK);
    let mut free = f32::NEG_INFINITY;
    for &tick in &ticks {
        let x = at(tick, 1.0)[0];
        canvas.line([x, bottom], [x, bottom + 6.0], 1.5, INK);
        // Ticks that lie close to each other share a line; the first keeps its number.
        let (label, half) = (tick.to_string(), 0.5 * canvas.text_width(&tick.to_string(), SMALL));
        if x - half > free {
            canvas.text([x, bottom + 20.0], &label, SMALL, Anchor::Middle, INK);
            free = x + half + 6.0;
        }
    }
    for (engine, _, colour) in LINES {
        let mut points: Vec<[f64; 2]> =
            panel.points.iter().filter(|p| p.0 == engine).map(|&(_, x, load)| [x, load]).collect();
        points.sort_by(|a, b| a[0].total_cmp(&b[0]));
        for pair in points.windows(2) {
            canvas.line(at(pair[0][0], pair[0][1]), at(pair[1][0], pair[1][1]), 3.0, colour);
        }
        for point in points {
            canvas.dot(at(point[0], point[1]), 5.0, colour);
        }
    }
}
