//! The report's pictures: error curves, two maps of one moment, the reliability diagram.

use std::path::Path;

use spherescope_dsp::{Direction, Grid};
use spherescope_model::{Engine, Network, augeonet};

use super::calibration::Calibration;
use super::canvas::{Anchor, Canvas, Colour};
use super::judged::{Outcome, errors};
use super::listen::{self, Recording, Sphere};
use super::progress::Progress;
use super::protocol::sounding;
use super::run::Bench;
use crate::sets::{Facts, Set, Sources};

const PAPER: Colour = [255, 255, 255];
const INK: Colour = [30, 34, 42];
const FAINT: Colour = [218, 221, 226];
/// Told apart by colour-blind eyes, too (after M. Okabe and K. Ito).
const LINES: [Colour; 6] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [120, 120, 120], [230, 159, 0]];
const TEXT: f32 = 20.0;
const SMALL: f32 = 17.0;

/// A part of the canvas with two axes.
struct Axes {
    /// Left, top, right, bottom in pixels.
    frame: [f32; 4],
    x: [f64; 2],
    y: [f64; 2],
}

impl Axes {
    fn at(&self, x: f64, y: f64) -> [f32; 2] {
        let share = |v: f64, [low, high]: [f64; 2]| ((v - low) / (high - low)) as f32;
        let [left, top, right, bottom] = self.frame;
        [left + share(x, self.x) * (right - left), bottom - share(y, self.y) * (bottom - top)]
    }

    fn draw(&self, canvas: &mut Canvas, title: &str, ticks: [&[f64]; 2], units: [&str; 2], digits: usize) {
        let [left, top, right, bottom] = self.frame;
        for &y in ticks[1] {
            let [_, py] = self.at(self.x[0], y);
            canvas.line([left, py], [right, py], 1.0, FAINT);
            canvas.text([left - 10.0, py], &format!("{y}{}", units[1]), SMALL, Anchor::Right, INK);
        }
        for &x in ticks[0] {
            let [px, _] = self.at(x, self.y[0]);
            canvas.line([px, bottom], [px, bottom + 6.0], 1.5, INK);
            canvas.text([px, bottom + 20.0], &format!("{x:.digits$}{}", units[0]), SMALL, Anchor::Middle, INK);
        }
        canvas.line([left, bottom], [right, bottom], 1.5, INK);
        canvas.line([left, top], [left, bottom], 1.5, INK);
        canvas.text([left, top - 24.0], title, TEXT, Anchor::Left, INK);
    }

    fn curve(&self, canvas: &mut Canvas, points: &[(f64, f64)], colour: Colour) {
        for pair in points.windows(2) {
            canvas.line(self.at(pair[0].0, pair[0].1), self.at(pair[1].0, pair[1].1), 3.0, colour);
        }
        for &(x, y) in points {
            canvas.dot(self.at(x, y), 5.0, colour);
        }
    }
}

/// Mean error against SNR and against reverberation time, one curve for each engine.
///
/// # Errors
/// A sentence that names the file.
pub fn error_curves(path: &Path, outcomes: &[&Outcome], engines: &[String]) -> Result<(), String> {
    let mut canvas = Canvas::new(1200, 560, PAPER)?;
    type Value = fn(&Facts) -> Option<f64>;
    let panels: [(&str, &[f64], &str, usize, Value); 2] = [
        ("mean error against SNR", &[-5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0], " dB", 0, |f| f.snr_db),
        ("mean error against T60", &[0.2, 0.4, 0.6, 0.8, 1.0, 1.3], " s", 1, |f| f.t60_s),
    ];
    for (p, (title, edges, unit, digits, value)) in panels.into_iter().enumerate() {
        let curves: Vec<Vec<(f64, f64)>> = (0..engines.len())
            .map(|engine| {
                let point = |pair: &[f64]| {
                    let inside = |f: &Facts| value(f).is_some_and(|v| v >= pair[0] && v <= pair[1]);
                    let mean = errors(outcomes, engine, |f, _| inside(f)).mean_deg()?;
                    Some((0.5 * (pair[0] + pair[1]), mean))
                };
                edges.windows(2).filter_map(point).collect()
            })
            .collect();
        let top = curves.iter().flatten().map(|c| c.1).fold(20.0, f64::max);
        let top = 20.0 * (top / 20.0).ceil();
        let ticks: Vec<f64> = (0..=(top / 20.0) as usize).map(|i| 20.0 * i as f64).collect();
        let left = 80.0 + 580.0 * p as f32;
        let axes =
            Axes { frame: [left, 70.0, left + 490.0, 420.0], x: [edges[0], edges[edges.len() - 1]], y: [0.0, top] };
        axes.draw(&mut canvas, title, [edges, &ticks], [unit, "°"], digits);
        for (curve, colour) in curves.iter().zip(LINES.iter().cycle()) {
            axes.curve(&mut canvas, curve, *colour);
        }
    }
    legend(&mut canvas, 500.0, engines);
    canvas.save(path)
}

/// The spacing of a network's bins over their frequency, as they began and as they were learned; a stroke for each learned bin below.
///
/// # Errors
/// A sentence that names the file.
pub fn bins(path: &Path, network: &Network) -> Result<(), String> {
    let mut canvas = Canvas::new(1000, 560, PAPER)?;
    let before = augeonet::initial_frequencies_hz(&network.config().augeonet);
    let learned = network.frequencies_hz();
    let spacing = |hz: &[f64]| -> Vec<(f64, f64)> {
        hz.windows(2).map(|w| (0.5e-3 * (w[0] + w[1]), w[1] - w[0])).filter(|p| p.1.is_finite()).collect()
    };
    let curves = [spacing(&before), spacing(learned)];
    let top = curves.iter().flatten().map(|p| p.1).fold(50.0, f64::max);
    let top = 50.0 * (top / 50.0).ceil();
    let ticks: Vec<f64> = (0..=(top / 50.0) as usize).map(|i| 50.0 * i as f64).collect();
    let axes = Axes { frame: [110.0, 70.0, 960.0, 400.0], x: [0.0, 8.0], y: [0.0, top] };
    let kilohertz: Vec<f64> = (0..=8).map(f64::from).collect();
    axes.draw(&mut canvas, "distance from bin to bin", [&kilohertz, &ticks], [" kHz", " Hz"], 0);
    for (curve, colour) in curves.iter().zip(LINES) {
        for pair in curve.windows(2) {
            canvas.line(axes.at(pair[0].0, pair[0].1), axes.at(pair[1].0, pair[1].1), 2.5, colour);
        }
    }
    for hz in learned {
        let [x, _] = axes.at(1e-3 * hz, 0.0);
        canvas.line([x, 445.0], [x, 470.0], 1.5, LINES[1]);
    }
    legend(&mut canvas, 510.0, &["before training".to_owned(), "learned".to_owned()]);
    canvas.save(path)
}

/// One of the runs in which weights were made, for [`learning`].
#[derive(Clone, Debug, PartialEq)]
pub struct LearningRun {
    /// Progress, its seconds from the run's own start.
    pub progress: Vec<Progress>,
    /// How long the run took in minutes.
    pub minutes: f64,
}

/// Mean error and share beyond 10° over the time of training, one run after the other; a stroke where one ends.
///
/// # Errors
/// A sentence that names the file.
pub fn learning(path: &Path, runs: &[LearningRun]) -> Result<(), String> {
    let mut canvas = Canvas::new(1000, 520, PAPER)?;
    let minutes = runs.iter().map(|r| r.minutes).sum::<f64>().max(1.0);
    let step = [1.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0].into_iter().find(|s| minutes / s <= 10.0);
    let step = step.unwrap_or(1000.0);
    let time: Vec<f64> = (0..=(minutes / step).ceil() as usize).map(|i| step * i as f64).collect();
    let last = time.last().copied().unwrap_or(1.0).max(1.0);
    let all = || runs.iter().flat_map(|r| &r.progress);
    let beyond = |p: &Progress| 100.0 * (1.0 - p.within_10_deg);
    let top = 10.0 * (all().map(|p| p.mean_deg.max(beyond(p))).fold(10.0, f64::max) / 10.0).ceil();
    let ticks: Vec<f64> = (0..=(top / 10.0) as usize).map(|i| 10.0 * i as f64).collect();
    let axes = Axes { frame: [90.0, 60.0, 950.0, 400.0], x: [0.0, last], y: [0.0, top] };
    axes.draw(&mut canvas, "", [&time, &ticks], [" min", ""], 0);
    canvas.text([90.0, 26.0], "mean error (°) and share beyond 10° (%)", TEXT, Anchor::Left, INK);
    let (mut begin, mut points): (f64, Vec<(f64, &Progress)>) = (0.0, Vec::new());
    for run in runs {
        points.extend(run.progress.iter().map(|p| (begin + p.seconds / 60.0, p)));
        begin += run.minutes;
        canvas.line(axes.at(begin, top), axes.at(begin, 0.0), 1.0, [200, 200, 200]);
    }
    let curve = |value: &dyn Fn(&Progress) -> f64| -> Vec<(f64, f64)> {
        points.iter().map(|(minute, p)| (*minute, value(p))).collect()
    };
    axes.curve(&mut canvas, &curve(&|p| p.mean_deg), LINES[0]);
    axes.curve(&mut canvas, &curve(&beyond), LINES[1]);
    legend(&mut canvas, 465.0, &["mean error".to_owned(), "share beyond 10°".to_owned()]);
    canvas.save(path)
}

/// Names beside their lines, from left to right and on to a second row.
fn legend(canvas: &mut Canvas, y: f32, names: &[String]) {
    let (mut x, mut y) = (80.0, y);
    for (name, colour) in names.iter().zip(LINES.iter().cycle()) {
        let width = 60.0 + canvas.text_width(name, TEXT) + 30.0;
        if x + width > canvas.size()[0] as f32 {
            (x, y) = (80.0, y + 30.0);
        }
        canvas.line([x, y], [x + 40.0, y], 3.0, *colour);
        canvas.dot([x + 20.0, y], 5.0, *colour);
        canvas.text([x + 50.0, y], name, TEXT, Anchor::Left, INK);
        x += width;
    }
}

/// Share of peaks that are sources against their score, and how many peaks there are.
///
/// # Errors
/// A sentence that names the file.
pub fn reliability(path: &Path, curves: &[(String, Calibration)]) -> Result<(), String> {
    let mut canvas = Canvas::new(720, 760, PAPER)?;
    let ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
    let axes = Axes { frame: [90.0, 70.0, 680.0, 480.0], x: [0.0, 1.0], y: [0.0, 1.0] };
    axes.draw(&mut canvas, "share of peaks within 10° of a sounding source", [&ticks, &ticks], ["", ""], 1);
    canvas.line(axes.at(0.0, 0.0), axes.at(1.0, 1.0), 1.5, [150, 150, 150]);
    // A tenth of a thousandth of all peaks says nothing.
    for ((_, calibration), colour) in curves.iter().zip(LINES.iter().cycle()) {
        let enough = (calibration.count() / 10_000).max(10);
        let points: Vec<_> = calibration
            .bins
            .iter()
            .filter(|b| b.count >= enough)
            .filter_map(|b| Some((b.mean_score()?, b.share()?)))
            .collect();
        axes.curve(&mut canvas, &points, *colour);
    }
    let most = curves.iter().flat_map(|(_, c)| c.bins.iter().map(|b| b.count)).max().unwrap_or(1).max(1);
    let decades = (most as f64).log10().ceil().max(1.0);
    let below = Axes { frame: [90.0, 560.0, 680.0, 670.0], x: [0.0, 1.0], y: [0.0, decades] };
    let decade_ticks = [0.0, decades];
    below.draw(
        &mut canvas,
        "peaks in each bin of the score (10 to the power of)",
        [&ticks, &decade_ticks],
        ["", ""],
        1,
    );
    for (n, ((_, calibration), colour)) in curves.iter().zip(LINES.iter().cycle()).enumerate() {
        let bins = calibration.bins.len() as f64;
        for (i, bin) in calibration.bins.iter().enumerate().filter(|(_, b)| b.count > 0) {
            let share = |part: f64| (i as f64 + 0.15 + 0.7 * part / curves.len() as f64) / bins;
            let from = below.at(share(n as f64), (bin.count as f64).log10());
            let to = below.at(share(n as f64 + 1.0), 0.0);
            canvas.rectangle(from, to, *colour);
        }
    }
    let names: Vec<String> = curves.iter().map(|(name, _)| name.clone()).collect();
    legend(&mut canvas, 730.0, &names);
    canvas.save(path)
}

/// Directions along the width and the height of a map; drawn this many times larger.
const MAP: [usize; 2] = [180, 90];
const ZOOM: usize = 4;

/// The first network's and SRP-PHAT's map of one moment of a scene in which two talkers sound, on the same frame; rings mark the
/// talkers.
///
/// # Errors
/// A sentence that names the file, or says that no such moment was found.
pub fn maps(path: &Path, bench: &Bench, sources: &Sources) -> Result<(), String> {
    let first = bench.networks.first().ok_or("expected a network, found none")?;
    let (recording, window) = (0..40)
        .find_map(|index| moment(Recording::of(&Set::S.scene(index, sources).ok()?)))
        .ok_or("no moment with two talkers was found")?;
    let mut directions = Vec::new();
    for row in 0..MAP[1] {
        for column in 0..MAP[0] {
            let azimuth = 180.0 - 360.0 * (column as f64 + 0.5) / MAP[0] as f64;
            let elevation = 90.0 - 180.0 * (row as f64 + 0.5) / MAP[1] as f64;
            directions.extend(Direction::from_degrees(azimuth, elevation));
        }
    }
    let sphere = Grid::from_directions(directions).map_err(|e| e.to_string())?;
    // Peaks are not asked for, so who neighbours whom need not be known.
    let finder = bench.sphere.finder.clone();
    let sphere = Sphere { grid: std::sync::Arc::new(sphere), finder };
    let [width, height] = MAP.map(|n| n * ZOOM);
    let mut canvas = Canvas::new(width + 120, 2 * (height + 100) + 20, PAPER)?;
    for (panel, engine) in [Engine::AggRl, Engine::SrpPhat].into_iter().enumerate() {
        let mut map = Vec::new();
        listen::spectra(&recording, &first.network, engine, &sphere, &mut |at, _, spectrum| {
            if at == window {
                map = spectrum.to_vec();
            }
        })?;
        let [left, top] = [70.0, 60.0 + panel as f32 * (height as f32 + 100.0)];
        let highest = map.iter().copied().fold(0.0f32, f32::max);
        let lowest = map.iter().copied().fold(highest, f32::min);
        // The network's scores have a scale of their own; SRP-PHAT has only differences.
        let [dark, bright] = if engine == Engine::AggRl { [0.0, 1.0] } else { [lowest, highest.max(lowest + 1e-6)] };
        for y in 0..height {
            for x in 0..width {
                let value = map.get(y / ZOOM * MAP[0] + x / ZOOM).copied().unwrap_or(0.0);
                canvas.blend(
                    left as i64 + x as i64,
                    top as i64 + y as i64,
                    heat((value - dark) / (bright - dark)),
                    1.0,
                );
            }
        }
        let at = |azimuth: f64, elevation: f64| {
            let x = (180.0 - azimuth) / 360.0 * width as f64;
            [left + x as f32, top + ((90.0 - elevation) / 180.0 * height as f64) as f32]
        };
        for truth in recording.truth[window].iter().filter(|s| s.active) {
            let centre = at(truth.direction.azimuth_deg(), truth.direction.elevation_deg());
            canvas.ring(centre, 14.0, 5.0, [0, 0, 0]);
            canvas.ring(centre, 14.0, 2.5, [255, 255, 255]);
        }
        for azimuth in [180.0, 90.0, 0.0, -90.0, -180.0] {
            let [x, y] = at(azimuth, -90.0);
            canvas.text([x, y + 18.0], &format!("{azimuth}°"), SMALL, Anchor::Middle, INK);
        }
        for elevation in [90.0, 45.0, 0.0, -45.0, -90.0] {
            let [x, y] = at(180.0, elevation);
            canvas.text([x - 8.0, y], &format!("{elevation}°"), SMALL, Anchor::Right, INK);
        }
        let facts = &recording.facts;
        let scale = format!("{dark:.2} dark, {bright:.2} bright");
        let title = match engine {
            Engine::AggRl => format!(
                "{}: {} capsules, SNR {:.0} dB, T60 {:.1} s; {scale}",
                first.name,
                facts.capsules,
                facts.snr_db.unwrap_or(0.0),
                facts.t60_s.unwrap_or(0.0)
            ),
            Engine::SrpPhat => format!("SRP-PHAT, the same frame; {scale}"),
        };
        canvas.text([left, top - 24.0], &title, TEXT, Anchor::Left, INK);
    }
    canvas.save(path)
}

/// A window in the middle of those in which two talkers sound.
fn moment(recording: Recording) -> Option<(Recording, usize)> {
    let moderate = recording.facts.snr_db.is_some_and(|s| (5.0..20.0).contains(&s)) && recording.facts.capsules >= 6;
    let windows: Vec<usize> = (0..recording.truth.len())
        .filter(|&w| {
            let sources = sounding(&recording.truth[w]);
            sources.len() == 2 && sources[0].angle_to_deg(&sources[1]) > 40.0
        })
        .collect();
    let window = *windows.get(windows.len() / 2)?;
    (moderate && windows.len() > 20).then_some((recording, window))
}

/// Night over violet and orange to pale yellow.
fn heat(value: f32) -> Colour {
    const STOPS: [[f32; 3]; 5] =
        [[12.0, 12.0, 28.0], [74.0, 26.0, 100.0], [184.0, 48.0, 78.0], [246.0, 136.0, 48.0], [252.0, 244.0, 176.0]];
    let place = value.clamp(0.0, 1.0) * (STOPS.len() - 1) as f32;
    let low = (place as usize).min(STOPS.len() - 2);
    let share = place - low as f32;
    [0, 1, 2].map(|i| (STOPS[low][i] + share * (STOPS[low + 1][i] - STOPS[low][i])).round() as u8)
}
