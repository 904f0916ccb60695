//! The layout doctor as a person meets it: simulated speech through the real plugin, findings read off the real editor's window,
//! remedies clicked there.
//!
//! Whether something is found is read from the coloured dot that stands before every finding. Which pair it names is read from what its
//! button does: the layout that the plugin saves afterwards has these two channels exchanged and nothing else.

#[path = "../../model/train/tests/doctor_scenes/mod.rs"]
mod doctor_scenes;

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use doctor_scenes::{CASES, RATE, array, pair_to_swap, places, recorded, scene};
use serde_json::json;
use spherescope_dsp::MicArray;
use spherescope_dsp::doctor::Remedy;
use spherescope_tests::bundle;
use spherescope_tests::display::{Hands, Picture, Xvfb};
use spherescope_tests::host::{Activation, ClapHost, EditorWindow, Instance, Mode, StateDocument, Stream};
use spherescope_view::{Panels, ViewState};

const BLOCK: usize = 1024;
const WIDTH: u32 = 32;
/// At least as many frames as the plugin's pool of blocks holds: once they are in, all before them has been analysed.
const POOL_FRAMES: usize = 65 * 1024;
/// The editor's colours of errors and warnings, of a button, and of the same button under the mouse.
const ERROR: [u8; 3] = [0xff, 0x80, 0x75];
const WARNING: [u8; 3] = [0xf0, 0xb6, 0x4a];
const BUTTON: [[u8; 3]; 2] = [[0x20, 0x27, 0x31], [0x2b, 0x34, 0x41]];
/// Where the doctor speaks: the side panel below the top bar and above the line at the bottom, where a high load is red too, in pixels.
const PANEL: [usize; 2] = [310, 50];
const BOTTOM: usize = 40;
/// The panel tells of no change for longer than the doctor waits between two looks.
const SETTLED: Duration = Duration::from_millis(1200);

fn alike(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 3)
}

/// What the window shows of the doctor.
struct Panel(Picture);

impl Panel {
    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.0.pixels[y * self.0.width + x]
    }

    /// Places with a colour, from the top.
    fn places(&self, colour: [u8; 3]) -> Vec<[usize; 2]> {
        let all = (PANEL[1]..self.0.height - BOTTOM).flat_map(|y| (0..PANEL[0]).map(move |x| [x, y]));
        all.filter(|&[x, y]| alike(self.at(x, y), colour)).collect()
    }

    /// How much of it marks errors and warnings.
    fn dots(&self) -> [usize; 2] {
        [ERROR, WARNING].map(|colour| self.places(colour).len())
    }

    /// The middle of the button below the first error.
    fn remedy(&self) -> Option<[f32; 2]> {
        let [x, y] = *self.places(ERROR).first()?;
        // Buttons begin where the dots do.
        let inside = |y: usize| BUTTON.iter().any(|b| alike(self.at(x + 2, y), *b));
        let rows: Vec<usize> = (y..self.0.height).filter(|&y| inside(y)).take(8).collect();
        let whole = rows.len() == 8 && rows[7] - rows[0] == 7;
        whole.then(|| [x as f32 + 14.0, rows[7] as f32])
    }

    fn same(&self, other: &Self) -> bool {
        let rows = |p: &Self| {
            (0..PANEL[0]).flat_map(|x| (PANEL[1]..p.0.height - BOTTOM).map(move |y| (x, y))).collect::<Vec<_>>()
        };
        rows(self).into_iter().all(|(x, y)| self.at(x, y) == other.at(x, y))
    }
}

/// The plugin in its host, with an open editor that shows the doctor and little else.
struct Practice {
    instance: Instance,
    stream: Stream,
    editor: EditorWindow,
    hands: Hands,
}

impl Practice {
    fn open(display: &str) -> Self {
        let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
        let mut instance = host.instance().unwrap();
        instance.select_width(WIDTH).unwrap();
        let mut state = StateDocument::read(&instance.save_state().unwrap()).unwrap();
        let shut = Panels {
            sources: false,
            analysis: false,
            array: false,
            capsules: false,
            display: false,
            ..Panels::default()
        };
        let mut view = ViewState::default();
        view.panels = Panels { history: false, ..shut };
        state.set_field("view", &serde_json::to_string(&view).unwrap());
        state.set_field("window", "[700, 760]");
        // The doctor hears the same whatever engine runs beside it: the quick one will do.
        state.set_parameter("engine", json!({ "string": "srp-phat" }));
        state.set_parameter("grid_size", json!({ "i32": 256 }));
        instance.load_state(&state.to_bytes()).unwrap();
        // Nothing is skipped, however fast the sound comes.
        instance.set_mode(Mode::Offline).unwrap();
        let activation =
            Activation { sample_rate_hz: f64::from(RATE), max_frames: BLOCK as u32, ..Activation::default() };
        let stream = instance.activate(activation).unwrap();
        let editor = EditorWindow::open_drawn(&mut instance, display).unwrap();
        let hands = Hands::over(display, editor.window().unwrap()).unwrap();
        Self { instance, stream, editor, hands }
    }

    fn wait(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.instance.pump();
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn layout(&mut self) -> MicArray {
        let state = StateDocument::read(&self.instance.save_state().unwrap()).unwrap();
        MicArray::from_json(state.field("layout").unwrap()).unwrap()
    }

    /// Takes a layout as a project would bring it; the doctor then begins anew.
    fn load(&mut self, array: &MicArray) {
        let mut state = StateDocument::read(&self.instance.save_state().unwrap()).unwrap();
        state.set_field("layout", &array.to_json());
        self.instance.load_state(&state.to_bytes()).unwrap();
    }

    /// Plays a recording `[channel][frame]` on the lower channels of the bus, as fast as the plugin takes it.
    fn play(&mut self, recording: &[Vec<f32>]) {
        let frames = recording[0].len();
        for start in (0..frames + POOL_FRAMES).step_by(BLOCK) {
            for channel in 0..WIDTH as usize {
                let input = self.stream.input_mut(channel);
                input[..BLOCK].fill(0.0);
                if let Some(sound) = recording.get(channel).map(|s| &s[start.min(frames)..(start + BLOCK).min(frames)])
                {
                    input[..sound.len()].copy_from_slice(sound);
                }
            }
            self.stream.run(BLOCK).unwrap();
            self.instance.pump();
        }
    }

    /// The panel, once it has not changed for a while.
    fn settled(&mut self) -> Panel {
        let begin = Instant::now();
        let (mut last, mut since) = (Panel(self.editor.picture().unwrap()), Instant::now());
        while since.elapsed() < SETTLED {
            assert!(begin.elapsed() < Duration::from_secs(60), "the doctor's panel does not come to rest");
            self.wait(Duration::from_millis(100));
            let now = Panel(self.editor.picture().unwrap());
            if !now.same(&last) {
                (last, since) = (now, Instant::now());
            }
        }
        last
    }

    fn keep_picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("OUT") {
            self.editor.picture().unwrap().write_png(&std::path::Path::new(&folder).join(name)).unwrap();
        }
    }
}

#[test]
fn swapped_pairs_are_mended_by_a_click_and_clean_arrays_left_alone() {
    let display = Xvfb::start().unwrap();
    // SAFETY: no plugin is loaded yet and this program has one test.
    unsafe { display.become_default() };
    let mut practice = Practice::open(display.name());
    // The next room is simulated while the doctor listens to this one.
    let (sender, rooms) = sync_channel(1);
    let simulated = thread::spawn(move || {
        for case in CASES {
            let array = array(case);
            let channels = recorded(scene(case, array.clone(), places(case)));
            if sender.send((case, array, channels)).is_err() {
                return;
            }
        }
    });
    let (mut named, mut wrong, mut clean, mut cases) = (0, 0, 0, 0);
    for (case, array, mut channels) in rooms {
        cases += 1;
        practice.load(&array);
        let before = practice.settled().dots();
        practice.play(&channels);
        let after = practice.settled().dots();
        clean += usize::from(after == before);
        if after != before {
            println!("case {case}, {}, clean: errors and warnings went from {before:?} to {after:?}", array.name());
            practice.keep_picture(&format!("doctor-clean-{case}.png"));
        }

        let (a, b) = pair_to_swap(case, &array);
        channels.swap(a, b);
        // The same layout again, so that nothing of the clean sound is left.
        practice.load(&array);
        practice.play(&channels);
        let panel = practice.settled();
        if case == CASES.start {
            practice.keep_picture("doctor-swapped.png");
        }
        if let Some([x, y]) = panel.remedy() {
            practice.hands.click(x, y).unwrap();
            practice.wait(Duration::from_millis(400));
            // Nothing under the mouse opens where the next findings stand.
            practice.hands.point(600.0, 500.0).unwrap();
        }
        let found = practice.layout();
        let mended = Remedy::SwapChannels { a, b }.apply(&array).unwrap();
        if found == mended {
            named += 1;
        } else {
            wrong += usize::from(found != array || panel.dots() != before);
            println!("case {case}, {}, {a} and {b} swapped: not mended, found {}", array.name(), found.to_json());
            practice.keep_picture(&format!("doctor-missed-{case}.png"));
        }
    }
    simulated.join().unwrap();
    println!("{named} of {cases} pairs mended by a click, {wrong} taken for something else, {clean} of {cases} clean");
    assert!(cases == 20 && named >= 18 && wrong == 0 && clean == 20);
    let Practice { mut instance, stream, editor, .. } = practice;
    editor.close(&mut instance).unwrap();
    instance.deactivate(stream);
}
