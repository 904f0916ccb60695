//! How long the view's own code takes for a frame of 1100 × 720 points, without the window and the graphics.
//!
//! `cargo run --release -p spherescope-view --bin frame-time -- [--directions 2048] [--frames 600]`; `cargo xtask bench` runs it too.
//!
//! For every projection, as a table: frames with a new snapshot and frames without one, median and worst in milliseconds, and what a
//! frame without one uploads and asks for, which is to be nothing: then nothing draws until somebody has news.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Context, RawInput, Rect, pos2, vec2};
use spherescope_dsp::presets::{self, Preset};
use spherescope_dsp::{Direction, Grid, PeakFinder, PeakOptions, Region, Track};
use spherescope_model::Engine;
use spherescope_view::{Health, Outputs, ParamValues, Projection, Snapshot, ViewInput, ViewState, draw, theme};

const SIZE: [f32; 2] = [1100.0, 720.0];
/// Snapshots a second, as the worker publishes them.
const RATE_HZ: f64 = 60.0;

struct Options {
    directions: usize,
    frames: usize,
}

impl Options {
    fn read() -> Result<Self, String> {
        let mut options = Self { directions: 2048, frames: 600 };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name}: expected a value, found none"))?;
            let count = || value.parse().map_err(|_| format!("{name}: expected a whole number, found {value}"));
            match name.as_str() {
                "--directions" => options.directions = count()?,
                "--frames" => options.frames = count()?,
                _ => return Err(format!("expected --directions or --frames, found {name}")),
            }
        }
        if options.frames == 0 {
            return Err("--frames: expected at least 1, found 0".into());
        }
        Ok(options)
    }
}

/// Two talkers who walk round the array: the snapshot at a time.
fn heard(grid: &Arc<Grid>, finder: &PeakFinder, sequence: u64) -> Snapshot {
    let t_s = sequence as f64 / RATE_HZ;
    let talkers = [(40.0 * t_s, 10.0, 0.9), (-25.0 * t_s, -20.0, 0.7)].map(|(az, el, h): (f64, f64, f64)| {
        let azimuth_deg = (az + 180.0).rem_euclid(360.0) - 180.0;
        (Direction::from_degrees(azimuth_deg, el).unwrap_or(Direction::FRONT).unit(), h)
    });
    let value = |d: &Direction| -> f64 {
        let lobe = |(to, h): &([f64; 3], f64)| {
            let along: f64 = d.unit().iter().zip(to).map(|(a, b)| a * b).sum();
            h * (60.0 * (along - 1.0)).exp()
        };
        talkers.iter().map(lobe).sum::<f64>() + 0.02
    };
    let spectrum: Vec<f32> = grid.directions().iter().map(|d| value(d).min(1.0) as f32).collect();
    let peaks = finder.find(&spectrum, &PeakOptions { threshold: 0.4, ..PeakOptions::default() });
    let track = |(i, p): (usize, &spherescope_dsp::Peak)| Track {
        id: i as u32 + 1,
        direction: p.direction,
        speed_deg_s: 0.0,
        confidence: 0.9,
        born_s: 0.0,
        seen_s: t_s,
        score: p.score,
        confirmed: true,
    };
    Snapshot {
        sequence,
        t_s,
        engine: Engine::AggRl,
        array: Arc::new(
            presets::find("eigenmike-em32").map(|p| p.array).unwrap_or_else(|| presets::all()[0].array.clone()),
        ),
        grid: grid.clone(),
        region: Region::Sphere,
        tracks: peaks.iter().enumerate().map(track).collect(),
        spectrum,
        peaks,
        other: None,
        findings: Arc::from([]),
        doctor_heard_s: t_s,
        active: true,
        levels_db: (0..32).map(|i| -20.0 - (i as f32 + 3.0 * t_s as f32).sin() * 6.0).collect(),
        health: Health { bus_channels: 32, sample_rate_hz: 48_000.0, ..Health::default() },
    }
}

/// One editor in a window that is not there.
struct Editor {
    context: Context,
    state: ViewState,
    presets: Vec<Preset>,
}

/// What a frame did.
struct Frame {
    took: Duration,
    /// Textures uploaded.
    uploads: usize,
    /// Whether it asked to be drawn again by itself.
    asks: bool,
}

impl Editor {
    fn frame(&mut self, snapshot: &Snapshot) -> Frame {
        let outputs = Outputs::default();
        let input = ViewInput {
            snapshot,
            presets: &self.presets,
            layout: &snapshot.array,
            params: ParamValues { grid_size: snapshot.grid.len(), ..ParamValues::default() },
            opened: None,
            layout_error: None,
            backdrop: None,
            outputs: &outputs,
        };
        let screen = Rect::from_min_size(pos2(0.0, 0.0), vec2(SIZE[0], SIZE[1]));
        let raw = RawInput { screen_rect: Some(screen), time: Some(snapshot.t_s), ..RawInput::default() };
        let mut took = Duration::ZERO;
        let state = &mut self.state;
        let mut output = self.context.run_ui(raw, |ui| {
            let begin = Instant::now();
            draw(ui, state, &input);
            took = begin.elapsed();
        });
        let asks = output.viewport_output.values().any(|v| v.repaint_delay < Duration::from_secs(1));
        let uploads = output.textures_delta.set.len();
        // There is no graphics to hand them to.
        output.textures_delta.clear();
        Frame { took, uploads, asks }
    }
}

/// Median and worst in milliseconds.
fn figures(mut times: Vec<Duration>) -> [f64; 2] {
    times.sort();
    [times[times.len() / 2], times[times.len() - 1]].map(|t| t.as_secs_f64() * 1e3)
}

fn main() -> Result<(), String> {
    let options = Options::read()?;
    let grid = Arc::new(Grid::fibonacci(options.directions).map_err(|e| e.to_string())?);
    let finder = PeakFinder::new(&grid);
    let mut text = format!(
        "\n### The editor\n\nMilliseconds of its own code for a frame of {} × {} points with {} directions, over {} frames{}. What a frame \
         without news uploads or asks for would draw again.\n\n\
         | what is shown | target | with news, median | worst | without news, median | worst | uploads | asked to draw again |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        SIZE[0],
        SIZE[1],
        options.directions,
        options.frames,
        if cfg!(debug_assertions) { ", development build" } else { "" },
    );
    for (name, projection) in
        [("map", Projection::Equirectangular), ("globe", Projection::Globe), ("map and globe", Projection::Split)]
    {
        let context = Context::default();
        theme::install(&context);
        let mut state = ViewState::default();
        state.projection = projection;
        let mut editor = Editor { context, state, presets: presets::all() };
        // Fonts, tables, and the two minutes of history that are usual.
        for sequence in 1..=(options.frames as u64).max(120) {
            editor.frame(&heard(&grid, &finder, sequence));
        }
        let first = options.frames.max(120) as u64 + 1;
        let news: Vec<Duration> =
            (0..options.frames as u64).map(|i| editor.frame(&heard(&grid, &finder, first + i)).took).collect();
        let last = heard(&grid, &finder, first + options.frames as u64);
        // Twice: what the first frame with news has begun, such as a fading line, may end.
        editor.frame(&last);
        editor.frame(&last);
        let idle: Vec<Frame> = (0..options.frames).map(|_| editor.frame(&last)).collect();
        let uploads = idle.iter().map(|f| f.uploads).sum::<usize>();
        let asks = idle.iter().filter(|f| f.asks).count();
        let [median, worst] = figures(news);
        let [idle_median, idle_worst] = figures(idle.iter().map(|f| f.took).collect());
        let _ = writeln!(
            text,
            "| {name} | ≤ 1 | {median:.2} | {worst:.2} | {idle_median:.2} | {idle_worst:.2} | {uploads} | {asks} |"
        );
    }
    print!("{text}");
    Ok(())
}
