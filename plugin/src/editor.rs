//! The editor's window: glue between the plugin framework and the view, which does the drawing.
//!
//! Nothing here may panic out of a callback, as that would take the host down: the view runs guarded, and what goes wrong is drawn in
//! its place. A window's `ui` runs on a thread of its own on Linux and on the main thread elsewhere.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{Color32, RichText};
use nice_plug::context::gui::{GuiContext, ParamSetter};
use nice_plug::editor::dpi::{LogicalSize, NativeSize};
use nice_plug::editor::{Editor, HostMethods, ParentWindowHandle, ResizeHint, SpawnedEditor};
use nice_plug::params::Param;
use nice_plug_egui::baseview::{HandlerError, WindowSize};
use nice_plug_egui::{EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, create_egui_editor};
use spherescope_dsp::presets::{self, Preset};
use spherescope_model::Engine;
use spherescope_view::{Action, Gesture, Outputs, ParamChange, ParamId, ParamValues, RegionKind, ViewInput, ViewState};

use crate::backdrops::Backdrops;
use crate::closing::{self, JoinedHandle, JoinedWindow, ThreadMark};
use crate::layout_files::LayoutFiles;
use crate::outgoing::OscChoice;
use crate::params::{MAX_LAYOUT_REVISION, SpherescopeParams};
use crate::picture_files;
use crate::session::MIN_WINDOW;
use crate::shared::Shared;
use crate::worker::panic_text;

/// Opens windows. Each opening is a fresh one with the saved size and view.
pub struct SpherescopeEditor {
    shared: Arc<Shared>,
}

impl SpherescopeEditor {
    /// The editor of an instance. Hosts ask for it while they scan, so nothing is built before a window opens.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn saved_size(&self) -> LogicalSize<f32> {
        let [width, height] = self.shared.params.session.window();
        LogicalSize::new(width as f32, height as f32)
    }
}

impl Editor for SpherescopeEditor {
    type Handle = JoinedHandle;

    fn spawn(
        &self,
        parent: Option<ParentWindowHandle>,
        wait_for_parent: bool,
        fallback_scale_factor: Option<f64>,
        gui: GuiContext,
        host: Option<HostMethods>,
    ) -> Result<SpawnedEditor<Self::Handle>, Box<dyn Error>> {
        let window = EguiEditorState::from_size(self.saved_size(), 1.0);
        let settings = EguiNiceSettings::new().with_tile("Spherescope").with_resize_hint(self.resize_hint());
        let (mark, end) = closing::pair();
        let app = App::new(self.shared.clone(), mark);
        let editor = create_egui_editor(window.clone(), self.shared.repaint.clone(), settings, app)
            .ok_or("the window could not be set up")?;
        let spawned = editor.spawn(parent, wait_for_parent, fallback_scale_factor, gui, host)?;
        self.shared.window.store(Some(window));
        Ok(SpawnedEditor { handle: JoinedHandle(spawned.handle), window: JoinedWindow::new(spawned.window, end) })
    }

    fn size(&self) -> NativeSize<u32> {
        match self.shared.window.load_full().filter(|window| window.is_open()) {
            Some(window) => {
                let (logical, physical) = (window.logical_size(), window.physical_size());
                let scale = f64::from(physical.width) / f64::from(logical.width.max(1.0));
                NativeSize::from_size(physical.into(), if scale > 0.0 { scale } else { 1.0 })
            }
            None => NativeSize::from_size(self.saved_size().into(), 1.0),
        }
    }

    fn resize_hint(&self) -> ResizeHint {
        let [width, height] = MIN_WINDOW;
        ResizeHint::resizable().with_min_logical_size(LogicalSize::new(width as f32, height as f32))
    }
}

/// One open window.
struct App {
    shared: Arc<Shared>,
    /// The way to the host; none before the window is built.
    gui: Option<GuiContext>,
    /// The view's state, with its caches; starts from the saved one.
    view: ViewState,
    /// The generation of the saved view that `view` comes from.
    view_generation: u64,
    /// The arrays on offer.
    presets: Vec<Preset>,
    /// Files that the user reads and writes.
    files: LayoutFiles,
    /// What became of the last picture that was saved.
    saved: Option<Result<String, String>>,
    /// The picture behind the map.
    backdrops: Backdrops,
    /// Set when the view has panicked: drawn in its place until the window is opened anew.
    broken: Option<String>,
    /// What the window's thread holds until its end.
    mark: ThreadMark,
}

impl App {
    fn new(shared: Arc<Shared>, mark: ThreadMark) -> Self {
        let view_generation = shared.params.session.view_generation();
        let view = view_of(&shared);
        Self {
            shared,
            gui: None,
            view,
            view_generation,
            presets: Vec::new(),
            files: LayoutFiles::default(),
            saved: None,
            backdrops: Backdrops::default(),
            broken: None,
            mark,
        }
    }

    /// Runs `f`; a panic becomes the message that is drawn from then on.
    fn guarded(&mut self, f: impl FnOnce(&mut Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| f(self))) {
            self.broken = Some(panic_text(&*panic));
        }
    }

    fn draw(&mut self, ui: &mut egui::Ui) {
        crate::injected::panic_if_asked("view");
        let session = &self.shared.params.session;
        let generation = session.view_generation();
        if generation != self.view_generation {
            self.view_generation = generation;
            self.view = view_of(&self.shared);
        }
        let (snapshot, layout, refusal) =
            (self.shared.snapshot.load_full(), session.layout(), session.layout_refusal());
        let shared = self.shared.clone();
        let backdrop = self.backdrops.follow(&self.view.backdrop.path, move || shared.repaint.request_repaint());
        let outgoing = session.outgoing();
        let outputs = Outputs {
            osc_target: outgoing.osc().target.clone(),
            osc: outgoing.osc_state(),
            recording: outgoing.recording_state(),
            saved: self.saved.clone(),
        };
        let input = ViewInput {
            snapshot: &snapshot,
            presets: &self.presets,
            layout: &layout,
            params: values_of(&self.shared.params),
            opened: self.files.last(),
            layout_error: refusal.as_deref().map(String::as_str),
            backdrop,
            outputs: &outputs,
        };
        let actions = spherescope_view::draw(ui, &mut self.view, &input);
        session.set_view(&self.view);
        if let Some(gui) = &self.gui {
            let setter = gui.param_setter();
            for action in actions {
                self.files.perform(&action);
                if let Action::WritePicture { path, size, rgb } = &action {
                    self.saved = Some(picture_files::write(Path::new(path), *size, rgb));
                }
                perform(&action, &self.shared.params, &setter);
            }
        }
    }
}

impl NiceEguiApp for App {
    fn build(&mut self, ctx: egui::Context, gui: GuiContext, frame: &mut Frame) -> Result<(), HandlerError> {
        self.mark.hold();
        self.guarded(|app| {
            spherescope_view::theme::install(&ctx);
            app.gui = Some(gui);
            app.presets = presets::all();
            #[cfg(target_os = "linux")]
            crate::xembed::announce(frame.baseview_window());
            #[cfg(not(target_os = "linux"))]
            let _ = frame;
        });
        Ok(())
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut Frame) {
        if self.broken.is_none() {
            self.guarded(|app| app.draw(ui));
        }
        if let Some(message) = self.broken.clone() {
            self.guarded(|_| draw_message(ui, &message));
        }
    }

    fn resized(&mut self, size: WindowSize) {
        let (width, height) = (size.logical.width.round(), size.logical.height.round());
        self.shared.params.session.set_window([width as u32, height as u32]);
    }
}

/// The view as it was saved, with what was heard before.
fn view_of(shared: &Shared) -> ViewState {
    let mut view = shared.params.session.view();
    view.resume(shared.history());
    view
}

fn draw_message(ui: &mut egui::Ui, message: &str) {
    ui.centered_and_justified(|ui| {
        let text =
            format!("The view has failed; audio passes on. Close and open this window to try again.\n\n{message}");
        ui.label(RichText::new(text).color(Color32::LIGHT_RED));
    });
}

/// Present values, without the host's modulation: what the controls show.
fn values_of(params: &SpherescopeParams) -> ParamValues {
    ParamValues {
        engine: params.engine.unmodulated_plain_value().into(),
        gate_db: params.gate_db.unmodulated_plain_value(),
        threshold: params.threshold.unmodulated_plain_value(),
        max_sources: params.max_sources.unmodulated_plain_value().unsigned_abs() as usize,
        smoothing_ms: params.smoothing_ms.unmodulated_plain_value(),
        compare: params.compare.unmodulated_plain_value(),
        grid_size: params.grid_size.unmodulated_plain_value().unsigned_abs() as usize,
        band_low_hz: params.band_low_hz.unmodulated_plain_value(),
        band_high_hz: params.band_high_hz.unmodulated_plain_value(),
        region: params.region.unmodulated_plain_value().into(),
        region_azimuth_deg: params.region_azimuth_deg.unmodulated_plain_value(),
        region_width_deg: params.region_width_deg.unmodulated_plain_value(),
        region_lowest_deg: params.region_lowest_deg.unmodulated_plain_value(),
        region_highest_deg: params.region_highest_deg.unmodulated_plain_value(),
    }
}

fn perform(action: &Action, params: &SpherescopeParams, setter: &ParamSetter<'_>) {
    match action {
        Action::SetLayout(array) => {
            params.session.set_layout(array.clone());
            mark_modified(params, setter);
        }
        Action::SetOsc { target, on } => {
            params.session.outgoing().choose_osc(OscChoice { target: target.clone(), on: *on });
            mark_modified(params, setter);
        }
        Action::Record(path) => params.session.outgoing().record(path.as_ref().map(PathBuf::from)),
        Action::ReadFile(_) | Action::WriteFile { .. } | Action::WritePicture { .. } => {}
        Action::SetParam(ParamChange { id, value, gesture }) => {
            let (value, whole, gesture) = (*value, value.round() as i32, *gesture);
            match id {
                ParamId::Engine => {
                    let before = Engine::from(params.engine.unmodulated_plain_value());
                    let engine = spherescope_view::engine_of_value(value);
                    change(setter, &params.engine, engine.into(), gesture);
                    // Engines score on different scales. A threshold that the user has left alone goes along.
                    if params.threshold.unmodulated_plain_value() == before.default_threshold() {
                        change(setter, &params.threshold, engine.default_threshold(), Gesture::Once);
                    }
                }
                ParamId::Gate => change(setter, &params.gate_db, value, gesture),
                ParamId::Threshold => change(setter, &params.threshold, value, gesture),
                ParamId::MaxSources => change(setter, &params.max_sources, whole, gesture),
                ParamId::Smoothing => change(setter, &params.smoothing_ms, value, gesture),
                ParamId::Compare => change(setter, &params.compare, value >= 0.5, gesture),
                ParamId::GridSize => change(setter, &params.grid_size, whole, gesture),
                ParamId::BandLow => change(setter, &params.band_low_hz, value, gesture),
                ParamId::BandHigh => change(setter, &params.band_high_hz, value, gesture),
                ParamId::Region => change(setter, &params.region, RegionKind::of_value(value).into(), gesture),
                ParamId::RegionAzimuth => change(setter, &params.region_azimuth_deg, value, gesture),
                ParamId::RegionWidth => change(setter, &params.region_width_deg, value, gesture),
                ParamId::RegionLowest => change(setter, &params.region_lowest_deg, value, gesture),
                ParamId::RegionHighest => change(setter, &params.region_highest_deg, value, gesture),
            }
        }
    }
}

/// Passes a step of a gesture to the host. Values outside the parameter's range end at its nearest end.
fn change<P: Param>(setter: &ParamSetter<'_>, param: &P, value: P::Plain, gesture: Gesture) {
    if matches!(gesture, Gesture::Begin | Gesture::Once) {
        setter.begin_set_parameter(param);
    }
    if gesture != Gesture::Begin {
        setter.set_parameter(param, value);
    }
    if matches!(gesture, Gesture::End | Gesture::Once) {
        setter.end_set_parameter(param);
    }
}

/// Moves the hidden revision on, so that the host knows that the project has changed.
fn mark_modified(params: &SpherescopeParams, setter: &ParamSetter<'_>) {
    let revision = &params.layout_revision;
    change(setter, revision, (revision.unmodulated_plain_value() + 1) % (MAX_LAYOUT_REVISION + 1), Gesture::Once);
}
