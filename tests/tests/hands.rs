//! The real editor in a real window, used by mouse and keyboard as a person would: a preset is chosen, a capsule edited, the change
//! undone, a broken file refused and a good one taken.
//!
//! Where to click is known from a twin: the same view, drawn without a screen, goes through the same steps and says where its
//! controls lie. What happened is read from the state that the plugin saves.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use spherescope_dsp::{Grid, MicArray, presets};
use spherescope_model::Engine;
use spherescope_tests::bundle;
use spherescope_tests::display::{Hands, Xvfb};
use spherescope_tests::host::{Activation, ClapHost, EditorWindow, Instance, StateDocument};
use spherescope_view::{Action, Health, OpenedFile, ParamValues, Snapshot, ViewInput, ViewState, draw, theme};

const SIZE: [f32; 2] = [1000.0, 680.0];

/// What the twin shows.
struct Room {
    layout: MicArray,
    opened: Option<OpenedFile>,
    state: ViewState,
}

/// The view without a screen.
struct Twin {
    room: Rc<RefCell<Room>>,
    harness: Harness<'static>,
}

impl Twin {
    fn new(layout: MicArray) -> Self {
        let grid = Arc::new(Grid::fibonacci(256).unwrap());
        let snapshot = Snapshot {
            sequence: 1,
            t_s: 1.0,
            engine: Engine::AggRl,
            array: Arc::new(layout.clone()),
            spectrum: vec![0.0; grid.len()],
            grid,
            region: spherescope_dsp::Region::Sphere,
            peaks: Vec::new(),
            tracks: Vec::new(),
            other: None,
            active: false,
            levels_db: vec![-90.0; 4],
            findings: Arc::from([]),
            doctor_heard_s: 0.0,
            health: Health { bus_channels: 4, sample_rate_hz: 48_000.0, ..Health::default() },
        };
        let presets = presets::all();
        let room = Rc::new(RefCell::new(Room { layout, opened: None, state: ViewState::default() }));
        let shown = room.clone();
        let mut harness = Harness::builder().with_size(SIZE).with_context_setup(theme::install).build_ui(move |ui| {
            let window = ui.ctx().content_rect();
            let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(window));
            ui.set_clip_rect(window);
            let room = &mut *shown.borrow_mut();
            let layout = room.layout.clone();
            let input = ViewInput {
                snapshot: &snapshot,
                presets: &presets,
                layout: &layout,
                params: ParamValues::default(),
                opened: room.opened.as_ref(),
                layout_error: None,
                backdrop: None,
                outputs: &spherescope_view::Outputs::default(),
            };
            for action in draw(&mut ui, &mut room.state, &input) {
                if let Action::SetLayout(array) = action {
                    room.layout = array;
                }
            }
        });
        harness.run_steps(4);
        Self { room, harness }
    }

    /// The middle of the control of this name, the first one from the top of the window.
    fn place(&self, name: &str) -> egui::Pos2 {
        let found = self.harness.query_all_by_label(name).next();
        found.unwrap_or_else(|| panic!("the view has no control \"{name}\"")).rect().center()
    }

    fn click(&mut self, at: egui::Pos2) {
        self.harness.drag_at(at);
        self.harness.run_steps(1);
        self.harness.drop_at(at);
        self.harness.run_steps(4);
    }
}

/// The real window and its twin.
struct Desk<'a> {
    instance: &'a mut Instance,
    hands: Hands,
    twin: Twin,
}

impl Desk<'_> {
    /// Lets the host work for a while.
    fn wait(&mut self, milliseconds: u64) {
        let end = Instant::now() + Duration::from_millis(milliseconds);
        while Instant::now() < end {
            self.instance.pump();
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn click_at(&mut self, at: egui::Pos2) {
        self.hands.click(at.x, at.y).unwrap();
        self.wait(350);
        self.twin.click(at);
    }

    fn click(&mut self, name: &str) {
        let at = self.twin.place(name);
        self.click_at(at);
    }

    fn text(&mut self, text: &str) {
        self.hands.text(text).unwrap();
        self.twin.harness.event(egui::Event::Text(text.into()));
        self.twin.harness.run_steps(2);
        self.wait(150);
    }

    fn enter(&mut self) {
        self.hands.enter().unwrap();
        self.twin.harness.key_press(egui::Key::Enter);
        self.twin.harness.run_steps(3);
        self.wait(150);
    }

    /// The layout as the plugin would save it.
    fn saved(&mut self) -> MicArray {
        let state = StateDocument::read(&self.instance.save_state().unwrap()).unwrap();
        MicArray::from_json(state.field("layout").unwrap()).unwrap()
    }

    /// Waits until the saved layout is as wanted.
    fn await_layout(&mut self, what: &str, ok: impl Fn(&MicArray) -> bool) -> MicArray {
        let begin = Instant::now();
        loop {
            let saved = self.saved();
            if ok(&saved) {
                assert_eq!(saved, self.twin.room.borrow().layout, "{what}: the twin has gone another way");
                return saved;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "expected {what}, found {}", saved.to_json());
            self.wait(50);
        }
    }
}

#[test]
fn a_person_can_choose_edit_undo_and_import() {
    let display = Xvfb::start().unwrap();
    // SAFETY: no plugin is loaded yet and this program has one test.
    unsafe { display.become_default() };
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let mut instance = host.instance().unwrap();
    instance.select_width(4).unwrap();
    let stream = instance.activate(Activation::default()).unwrap();
    let editor = EditorWindow::open_drawn(&mut instance, display.name()).unwrap();
    let hands = Hands::over(display.name(), editor.window().unwrap()).unwrap();
    let state = StateDocument::read(&instance.save_state().unwrap()).unwrap();
    let first = MicArray::from_json(state.field("layout").unwrap()).unwrap();
    let twin = Twin::new(first.clone());
    let mut desk = Desk { instance: &mut instance, hands, twin };
    desk.wait(500);

    // A preset, by mouse.
    desk.click_at(egui::pos2(150.0, 93.0));
    desk.click("Zylia ZM-1");
    let zylia = presets::find("zylia-zm-1").unwrap().array;
    desk.await_layout("the ZM-1", |array| *array == zylia);

    // A number, typed into the table.
    desk.click("Array");
    desk.click("Doctor");
    desk.click("Capsule 2 x");
    desk.text("12.5");
    desk.enter();
    desk.await_layout("capsule 2 at 12.5 mm", |array| array.capsules()[1].position_m[0] == 0.0125);

    // A stepper, by mouse alone.
    desk.click("Raise y");
    let y = zylia.capsules()[1].position_m[1];
    desk.await_layout("capsule 2 stepped", |array| array.capsules()[1].position_m[1] > y);

    desk.click("Undo");
    desk.await_layout("the step undone", |array| array.capsules()[1].position_m[1] == y);
    desk.click("Undo");
    desk.await_layout("the number undone", |array| *array == zylia);

    // A broken file is refused with its line, and the array stays.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring.csv");
    let name = path.display().to_string();
    let broken = "channel,x_m,y_m,z_m\n0,0.05,0,0\n1,oops,0,0\n";
    std::fs::write(&path, broken).unwrap();
    desk.click("Import…");
    let field = desk.twin.place("Read") - egui::vec2(70.0, 0.0);
    desk.click_at(field);
    desk.text(&name);
    desk.click("Read");
    desk.twin.room.borrow_mut().opened = Some(OpenedFile { number: 1, text: Ok(broken.into()) });
    desk.twin.harness.run_steps(4);
    assert!(desk.twin.harness.query_all_by_label_contains("Line 3").next().is_some());
    desk.wait(600);
    desk.click("Use this layout");
    assert_eq!(desk.saved(), zylia);

    // A good one is taken.
    let good =
        MicArray::from_positions("From a file", &[[0.05, 0.0, 0.0], [-0.05, 0.0, 0.0], [0.0, 0.05, 0.0]]).unwrap();
    let text = good.to_csv();
    std::fs::write(&path, &text).unwrap();
    // The file's name is still in its field.
    desk.click("Read");
    desk.twin.room.borrow_mut().opened = Some(OpenedFile { number: 2, text: Ok(text) });
    desk.twin.harness.run_steps(4);
    desk.wait(600);
    desk.click("Use this layout");
    desk.await_layout("the file's array", |array| *array == good);

    let picture = editor.picture().unwrap();
    assert!(picture.colours() > 50);
    if let Some(folder) = std::env::var_os("OUT") {
        picture.write_png(&std::path::Path::new(&folder).join("hands.png")).unwrap();
    }
    editor.close(&mut instance).unwrap();
    instance.deactivate(stream);
}
