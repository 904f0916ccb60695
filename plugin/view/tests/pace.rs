//! How long the view's own code takes. The limits are loose enough for an unoptimised build on a busy machine; the figures are
//! printed (`--nocapture`), and hold in a release build.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Context, RawInput, Rect, pos2, vec2};
use spherescope_dsp::{Direction, Grid, Peak, presets};
use spherescope_model::Engine;
use spherescope_view::{Health, ParamValues, Projection, Snapshot, ViewInput, ViewState, draw, theme};

fn snapshot(len: usize) -> Snapshot {
    let grid = Arc::new(Grid::fibonacci(len).unwrap());
    let spectrum = grid.directions().iter().map(|d| (8.0 * (d.unit()[0] - 1.0)).exp() as f32).collect();
    let peak = Peak { index: 0, direction: Direction::FRONT, score: 0.9 };
    Snapshot {
        sequence: 1,
        t_s: 0.0,
        engine: Engine::AggRl,
        array: Arc::new(presets::find("eigenmike-em32").unwrap().array),
        grid,
        region: spherescope_dsp::Region::Sphere,
        spectrum,
        peaks: vec![peak; 4],
        tracks: Vec::new(),
        other: None,
        findings: Arc::from([]),
        doctor_heard_s: 0.0,
        active: true,
        levels_db: vec![-20.0; 32],
        health: Health { bus_channels: 32, sample_rate_hz: 48_000.0, ..Default::default() },
    }
}

struct Editor {
    context: Context,
    state: ViewState,
}

impl Editor {
    fn new(projection: Projection) -> Self {
        let context = Context::default();
        theme::install(&context);
        let mut state = ViewState::default();
        state.projection = projection;
        Self { context, state }
    }

    /// Draws a frame; says how long the view took, without the window and the graphics.
    fn frame(&mut self, snapshot: &Snapshot) -> Duration {
        let presets = presets::all();
        let input = ViewInput {
            snapshot,
            presets: &presets,
            layout: &snapshot.array,
            params: ParamValues::default(),
            opened: None,
            layout_error: None,
            backdrop: None,
            outputs: &spherescope_view::Outputs::default(),
        };
        let mut took = Duration::ZERO;
        let raw = RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), vec2(1100.0, 720.0))),
            ..Default::default()
        };
        let mut output = self.context.run_ui(raw, |ui| {
            let start = Instant::now();
            draw(ui, &mut self.state, &input);
            took = start.elapsed();
        });
        output.textures_delta.clear();
        took
    }

    fn median(&mut self, mut snapshot: Snapshot, news: bool) -> Duration {
        let mut times: Vec<_> = (0..41)
            .map(|_| {
                snapshot.sequence += u64::from(news);
                self.frame(&snapshot)
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    }
}

#[test]
fn frames_are_quick() {
    for projection in [Projection::Equirectangular, Projection::Globe, Projection::Split] {
        for len in [2048, 16384] {
            let mut editor = Editor::new(projection);
            editor.frame(&snapshot(256));
            let first = (0..12).map(|_| editor.frame(&snapshot(len))).min().unwrap();
            let shot = snapshot(len);
            editor.frame(&shot);
            let idle = editor.median(shot.clone(), false);
            let news = editor.median(shot, true);
            println!(
                "{projection:?}, {len} directions: new grid {first:.1?}, nothing new {idle:.1?}, new snapshot {news:.1?}"
            );
            assert!(
                first < Duration::from_millis(2000)
                    && idle < Duration::from_millis(30)
                    && news < Duration::from_millis(300)
            );
        }
    }
}
