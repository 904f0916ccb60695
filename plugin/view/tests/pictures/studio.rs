//! A make-believe instance whose editor is drawn into pictures.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use egui::{Pos2, Rect, Vec2};
use egui_kittest::kittest::Queryable;
use egui_kittest::{Harness, wgpu::WgpuTestRenderer};
use spherescope_dsp::presets::{self, Preset};
use spherescope_dsp::{Direction, Grid, MicArray, Peak, PeakFinder, PeakOptions, Track};
use spherescope_model::Engine;
use spherescope_view::{Action, Health, ParamValues, Snapshot, ViewInput, ViewState, draw, theme};

/// Everything that the editor is given.
#[derive(Clone)]
pub struct Studio {
    pub snapshot: Snapshot,
    pub presets: Vec<Preset>,
    pub layout: MicArray,
    pub params: ParamValues,
    pub layout_error: Option<String>,
    pub backdrop: Option<spherescope_view::Backdrop>,
    pub outputs: spherescope_view::Outputs,
    pub opened: Option<spherescope_view::OpenedFile>,
    pub state: ViewState,
    pub actions: Vec<Action>,
}

/// Confirmed tracks on these peaks, numbered from 1.
pub fn tracks_of(peaks: &[Peak], t_s: f64) -> Vec<Track> {
    let track = |(i, p): (usize, &Peak)| Track {
        id: i as u32 + 1,
        direction: p.direction,
        speed_deg_s: 0.0,
        confidence: 0.9,
        born_s: 0.0,
        seen_s: t_s,
        score: p.score,
        confirmed: true,
    };
    peaks.iter().enumerate().map(track).collect()
}

/// A direction in degrees.
pub fn direction(azimuth: f64, elevation: f64) -> Direction {
    Direction::from_degrees(azimuth, elevation).unwrap()
}

impl Studio {
    /// A 32-capsule array that hears sources at these azimuths, elevations and heights over a low floor.
    pub fn hearing(sources: &[(f64, f64, f32)]) -> Self {
        let presets = presets::all();
        let layout = presets::find("eigenmike-em32").unwrap().array;
        let params = ParamValues::default();
        let grid = Arc::new(Grid::fibonacci(params.grid_size).unwrap());
        let value = |d: &Direction| {
            let lobe = |&(az, el, h): &(f64, f64, f32)| {
                let angle = direction(az, el).angle_to_rad(d).cos() - 1.0;
                h * (0.86 * (90.0 * angle).exp() + 0.14 * (9.0 * angle).exp()) as f32
            };
            let [x, y, z] = d.unit();
            let floor = 0.02 + 0.02 * (5.0 * x + 3.0 * (4.0 * y).sin() + 4.0 * z).sin() as f32;
            (sources.iter().map(lobe).sum::<f32>() + floor).clamp(0.0, 1.0)
        };
        let spectrum: Vec<f32> = grid.directions().iter().map(value).collect();
        let options = PeakOptions { max_peaks: params.max_sources, threshold: params.threshold, ..Default::default() };
        let peaks = PeakFinder::new(&grid).find(&spectrum, &options);
        let tracks = tracks_of(&peaks, 1.0);
        let snapshot = Snapshot {
            sequence: 1,
            t_s: 1.0,
            engine: Engine::AggRl,
            array: Arc::new(layout.clone()),
            grid,
            region: spherescope_dsp::Region::Sphere,
            spectrum,
            peaks,
            tracks,
            other: None,
            findings: Arc::from([]),
            doctor_heard_s: 0.0,
            active: true,
            levels_db: (0..32)
                .map(|i| -14.0 - 7.0 * (i as f32 * 0.8).sin() - if i == 20 { 60.0 } else { 0.0 })
                .collect(),
            health: Health {
                bus_channels: 32,
                sample_rate_hz: 48_000.0,
                dropped_blocks: 0,
                load: 0.31,
                latency_ms: 27.0,
                weights: "agg-rl-base".into(),
                message: None,
            },
        };
        Self {
            snapshot,
            presets,
            layout,
            params,
            layout_error: None,
            backdrop: None,
            outputs: spherescope_view::Outputs::default(),
            opened: None,
            state: ViewState::default(),
            actions: Vec::new(),
        }
    }

    /// Three people around the array.
    pub fn scene() -> Self {
        Self::hearing(&[(32.0, -5.0, 0.83), (-71.0, 24.0, 0.66), (150.0, 8.0, 0.47)])
    }

    /// The instance as it is before the host starts it.
    pub fn fresh() -> Self {
        let mut studio = Self::scene();
        studio.snapshot.sequence = 0;
        studio.snapshot.spectrum.clear();
        studio.snapshot.peaks.clear();
        studio.snapshot.levels_db.clear();
        studio.snapshot.active = false;
        studio.snapshot.health = Health::default();
        studio
    }

    /// Draws one frame.
    pub fn draw(&mut self, ui: &mut egui::Ui) {
        let input = ViewInput {
            snapshot: &self.snapshot,
            presets: &self.presets,
            layout: &self.layout,
            params: self.params,
            opened: self.opened.as_ref(),
            layout_error: self.layout_error.as_deref(),
            backdrop: self.backdrop.as_ref(),
            outputs: &self.outputs,
        };
        let actions = draw(ui, &mut self.state, &input);
        for action in &actions {
            // As the plugin does: the next frame has the new layout.
            if let Action::SetLayout(array) = action {
                self.layout = array.clone();
            }
        }
        self.actions.extend(actions);
    }
}

/// An editor in a window of its own.
pub struct Window {
    pub studio: Rc<RefCell<Studio>>,
    pub harness: Harness<'static>,
    scale: f32,
}

impl Window {
    /// Opens an editor; nothing where there is no renderer to draw it with.
    pub fn open(studio: Studio, size: [f32; 2], scale: f32) -> Option<Self> {
        let renderer = std::panic::catch_unwind(WgpuTestRenderer::new);
        let Ok(renderer) = renderer else {
            eprintln!("\n*** skipped: no software renderer (install mesa-vulkan-drivers) ***\n");
            return None;
        };
        let studio = Rc::new(RefCell::new(studio));
        let drawn = studio.clone();
        let mut harness = Harness::builder()
            .with_size(size)
            .with_pixels_per_point(scale)
            .with_context_setup(theme::install)
            .renderer(renderer)
            .build_ui(move |ui| {
                // The whole window, without the margin of a test.
                let window = ui.ctx().content_rect();
                let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(window));
                ui.set_clip_rect(window);
                drawn.borrow_mut().draw(&mut ui);
            });
        harness.run_steps(3);
        Some(Self { studio, harness, scale })
    }

    /// Takes a picture, kept as `name`.png in the folder that `OUT` names, or else in one for temporary files.
    pub fn picture(&mut self, name: &str) -> Picture {
        let image = self.harness.render().expect("the editor renders");
        let folder =
            std::env::var_os("OUT").map_or_else(|| std::env::temp_dir().join("spherescope-view"), PathBuf::from);
        std::fs::create_dir_all(&folder).unwrap();
        let file = std::fs::File::create(folder.join(format!("{name}.png"))).unwrap();
        let mut encoder = png::Encoder::new(std::io::BufWriter::new(file), image.width(), image.height());
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(image.as_raw()).unwrap();
        Picture {
            width: image.width() as usize,
            height: image.height() as usize,
            rgba: image.into_raw(),
            scale: self.scale,
        }
    }

    /// Where the part with this accessible name lies.
    pub fn part(&self, name: &str) -> Rect {
        self.harness.get_by_label(name).rect()
    }

    /// Where the field for text lies.
    pub fn field(&self) -> Rect {
        self.harness.get_by_role(egui::Role::MultilineTextInput).rect()
    }

    /// Clicks the control with this accessible name.
    pub fn click(&mut self, name: &str) {
        let at = self.part(name).center();
        self.click_at(at);
    }

    /// Clicks a place.
    pub fn click_at(&mut self, at: Pos2) {
        self.harness.drag_at(at);
        self.harness.run_steps(1);
        self.harness.drop_at(at);
        self.harness.run_steps(3);
    }

    /// Drags from one place to another.
    pub fn drag(&mut self, from: Pos2, by: Vec2) {
        self.harness.drag_at(from);
        self.harness.run_steps(1);
        for i in 1..=4 {
            self.harness.hover_at(from + by * (i as f32 / 4.0));
            self.harness.run_steps(1);
        }
        self.harness.drop_at(from + by);
        self.harness.run_steps(2);
        self.harness.remove_cursor();
        self.harness.run_steps(2);
    }

    /// Lets time pass: one talker goes round, another speaks now and then.
    pub fn live(&mut self, seconds: f64) {
        let steps = (seconds * 16.0) as u64;
        for step in 0..steps {
            let t_s = step as f64 / 16.0;
            let azimuth = 150.0 - 300.0 * t_s / seconds;
            let mut sources = vec![(azimuth, 25.0 * (t_s / 3.0).sin(), 0.9)];
            if (t_s as u64 / 4).is_multiple_of(2) {
                sources.push((-71.0, -24.0, 0.7));
            }
            let heard = Studio::hearing(&sources);
            let mut studio = self.studio.borrow_mut();
            let grid = studio.snapshot.grid.clone();
            studio.snapshot = Snapshot { grid, sequence: 2 + step, t_s: 1.0 + t_s, ..heard.snapshot };
            for track in &mut studio.snapshot.tracks {
                // By place, not by loudness.
                track.id = if track.direction.angle_to_deg(&direction(-71.0, -24.0)) < 8.0 { 2 } else { 1 };
                track.seen_s = 1.0 + t_s;
            }
            drop(studio);
            self.harness.run_steps(1);
        }
        self.harness.run_steps(2);
    }

    /// Whether a part whose accessible name contains this is shown.
    pub fn says(&self, text: &str) -> bool {
        self.harness.query_all_by_label_contains(text).next().is_some()
    }

    /// What was asked for since the last call.
    pub fn actions(&self) -> Vec<Action> {
        std::mem::take(&mut self.studio.borrow_mut().actions)
    }
}

/// Pixels.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    rgba: Vec<u8>,
    scale: f32,
}

impl Picture {
    /// Brightness of a pixel, 0 … 255.
    fn bright(&self, x: usize, y: usize) -> f32 {
        let p = &self.rgba[4 * (y * self.width + x)..];
        0.3 * f32::from(p[0]) + 0.59 * f32::from(p[1]) + 0.11 * f32::from(p[2])
    }

    fn pixels(&self, rect: Rect) -> impl Iterator<Item = (usize, usize)> + use<> {
        let r = rect * self.scale;
        let xs = r.left().max(0.0) as usize..(r.right() as usize).min(self.width);
        let ys = r.top().max(0.0) as usize..(r.bottom() as usize).min(self.height);
        ys.flat_map(move |y| xs.clone().map(move |x| (x, y)))
    }

    /// Whether a pixel is coloured and not part of a white or grey mark or name.
    fn coloured(&self, x: usize, y: usize) -> bool {
        let p = &self.rgba[4 * (y * self.width + x)..][..3];
        p.iter().max().unwrap() - p.iter().min().unwrap() > 60
    }

    /// The middle of the colours that are brighter than 70 % of the brightest, in points.
    pub fn brightest(&self, rect: Rect) -> Pos2 {
        let coloured: Vec<_> = self.pixels(rect).filter(|&(x, y)| self.coloured(x, y)).collect();
        let top = coloured.iter().map(|&(x, y)| self.bright(x, y)).fold(0.0, f32::max);
        let (mut sum, mut n) = (Vec2::ZERO, 0.0);
        for (x, y) in coloured.into_iter().filter(|&(x, y)| self.bright(x, y) > 0.7 * top) {
            sum += egui::vec2(x as f32 + 0.5, y as f32 + 0.5);
            n += 1.0;
        }
        (sum / n / self.scale).to_pos2()
    }

    /// Mean brightness, 0 … 255.
    pub fn mean(&self, rect: Rect) -> f32 {
        let (sum, n) = self.pixels(rect).fold((0.0, 0.0), |(s, n), (x, y)| (s + self.bright(x, y), n + 1.0));
        sum / n
    }

    /// Mean red, green and blue, 0 … 255.
    pub fn mean_colour(&self, rect: Rect) -> [f32; 3] {
        let (mut sum, mut n) = ([0.0; 3], 0.0);
        for (x, y) in self.pixels(rect) {
            for (sum, v) in sum.iter_mut().zip(&self.rgba[4 * (y * self.width + x)..]) {
                *sum += f32::from(*v);
            }
            n += 1.0;
        }
        sum.map(|s| s / n)
    }

    /// How many different colours there are.
    pub fn colours(&self) -> usize {
        let set: std::collections::HashSet<[u8; 4]> =
            self.rgba.chunks_exact(4).map(|p| [p[0], p[1], p[2], p[3]]).collect();
        set.len()
    }
}
