//! The inner process: draws calls and makes them, several instances at a time.
//!
//! Legal is what a CLAP host may do: widths and modes change while inactive, audio runs on another thread while this one goes on
//! calling, and an instance is deactivated before it goes, its editor closed or not.

use std::io::Write as _;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use spherescope_tests::Result;
use spherescope_tests::display::Xvfb;
use spherescope_tests::host::{Activation, ClapHost, EditorWindow, Instance, Mode, Parameter, Stream};

use crate::Options;
use crate::audio::Run;
use crate::growth::Growth;
use crate::states;

/// Begins a line that names a call before it is made.
pub const CALL: &str = "call: ";
/// Begins a line for the person who waits.
pub const NOTE: &str = "note: ";

/// After this long all instances go, and what is taken from the system is looked at.
const ROUND: Duration = Duration::from_secs(2);
/// This part of the time, and at least these looks, tell what is usual.
const WARM_UP: f64 = 0.35;
const WARM_UP_LOOKS: u32 = 3;
const MOST_INSTANCES: usize = 4;

/// Makes calls until the time is up.
///
/// # Errors
/// When the plugin has failed; says how.
pub fn run(options: &Options) -> Result<()> {
    let display = if options.editors { Xvfb::start() } else { Err("not wanted".into()) };
    let display = match display {
        Ok(display) => {
            // SAFETY: nothing is loaded yet and there is no other thread.
            unsafe { display.become_default() };
            Some(display)
        }
        Err(why) => {
            println!("{NOTE}NO EDITORS are opened: {why}");
            None
        }
    };
    let mut shaker = Shaker {
        rng: SmallRng::seed_from_u64(options.seed),
        host: Some(ClapHost::load(&options.bundle)?),
        tracks: Vec::new(),
        display: display.as_ref().map(|d| d.name().to_string()),
        calls: 0,
        names: 0,
        began: Instant::now(),
        slowest: (Duration::ZERO, String::new()),
        windows: 0,
    };
    let begin = Instant::now();
    let mut growth = Growth::default();
    let mut looks = 0;
    while begin.elapsed() < options.duration {
        let round = Instant::now();
        while round.elapsed() < ROUND {
            shaker.call()?;
        }
        shaker.let_all_go()?;
        let warm_up = begin.elapsed() < options.duration.mul_f64(WARM_UP) || looks < WARM_UP_LOOKS;
        let usage = growth.look(warm_up, shaker.windows)?;
        if looks % options.say_every == 0 {
            let usage = usage.map_or("not watched on this system".into(), |u| u.to_string());
            println!("{NOTE}{:4.0} s, {} calls: {usage}", begin.elapsed().as_secs_f64(), shaker.calls);
        }
        looks += 1;
        if looks % 3 == 0 {
            shaker.say("library", "unload and load again");
            shaker.host = None;
            shaker.host = Some(ClapHost::load(&options.bundle)?);
        }
    }
    if let Some(words) = growth.windows_in_words() {
        println!("{NOTE}{words}");
    }
    let (took, call) = shaker.slowest;
    println!("{NOTE}slowest call: {:.2} s for {call}", took.as_secs_f64());
    Ok(())
}

struct Shaker {
    rng: SmallRng,
    /// Always there between calls.
    host: Option<ClapHost>,
    tracks: Vec<Track>,
    display: Option<String>,
    calls: u64,
    names: u32,
    /// When the plugin's part of the present call began.
    began: Instant,
    slowest: (Duration, String),
    /// Editors opened so far.
    windows: u32,
}

/// One instance and what it is in the middle of.
struct Track {
    name: u32,
    // Before the instance: the window of an editor that was not closed goes after it.
    instance: Instance,
    editor: Option<EditorWindow>,
    state: State,
    mode: Mode,
    parameters: Vec<Parameter>,
}

enum State {
    Inactive,
    Active { stream: Box<Stream>, max_frames: usize },
    Playing { thread: JoinHandle<(Box<Stream>, Result<()>)>, max_frames: usize },
}

impl Shaker {
    fn say(&mut self, who: impl std::fmt::Display, what: impl std::fmt::Display) {
        self.calls += 1;
        println!("{CALL}{:6} {who}: {what}", self.calls);
        let _ = std::io::stdout().flush();
    }

    /// Draws a call and makes it.
    fn call(&mut self) -> Result<()> {
        self.began = Instant::now();
        let what = self.draw_and_call()?;
        let took = self.began.elapsed();
        if took > self.slowest.0 {
            self.slowest = (took, what);
        }
        Ok(())
    }

    fn draw_and_call(&mut self) -> Result<String> {
        if self.tracks.is_empty() || (self.tracks.len() < MOST_INSTANCES && self.rng.random_bool(0.05)) {
            return self.create();
        }
        let at = self.rng.random_range(0..self.tracks.len());
        let name = self.tracks[at].name;
        match self.rng.random_range(0..100) {
            0..4 => {
                self.wait(at)?;
                self.say(name, "destroy");
                let track = self.tracks.swap_remove(at);
                let what = format!("destroy {}", track.state_in_words());
                track.go()?;
                Ok(what)
            }
            4..24 => self.change_activation(at),
            24..50 => self.play(at),
            50..56 => {
                self.wait(at)?;
                Ok("wait for the audio thread".into())
            }
            56..64 => self.toggle_editor(at),
            64..76 => {
                self.say(name, "load a state");
                let track = &mut self.tracks[at];
                states::load_any(&mut self.rng, &mut track.instance)?;
                Ok("load a state".into())
            }
            76..82 => {
                self.say(name, "save the state twice");
                let playing = matches!(self.tracks[at].state, State::Playing { .. });
                let instance = &mut self.tracks[at].instance;
                let (first, second) = (instance.save_state()?, instance.save_state()?);
                // While audio runs, automation may come between, and an open editor saves its view.
                if !playing && self.tracks[at].editor.is_none() && first != second {
                    return Err("two savings of one state differ".into());
                }
                Ok("save".into())
            }
            82..90 => self.look_at_parameters(at),
            _ => {
                self.say(name, "call on the main thread");
                self.tracks[at].instance.pump();
                Ok("call on the main thread".into())
            }
        }
    }

    /// Waits for the audio thread, where one plays. That is no time of the plugin's on this thread.
    fn wait(&mut self, at: usize) -> Result<()> {
        let track = &mut self.tracks[at];
        if matches!(track.state, State::Playing { .. }) {
            let name = track.name;
            self.say(name, "wait for the audio thread");
            self.tracks[at].wait()?;
            self.began = Instant::now();
        }
        Ok(())
    }

    fn create(&mut self) -> Result<String> {
        self.names += 1;
        self.say(self.names, "create");
        let mut instance = self.host.as_ref().ok_or("the library is not loaded")?.instance()?;
        let parameters = instance.parameters()?;
        let name = self.names;
        self.tracks.push(Track {
            name,
            instance,
            editor: None,
            state: State::Inactive,
            mode: Mode::Realtime,
            parameters,
        });
        Ok("create".into())
    }

    fn change_activation(&mut self, at: usize) -> Result<String> {
        let name = self.tracks[at].name;
        if !matches!(self.tracks[at].state, State::Inactive) {
            self.wait(at)?;
            self.say(name, "deactivate");
            let what = format!("deactivate {}", self.tracks[at].state_in_words());
            self.tracks[at].deactivate()?;
            return Ok(what);
        }
        if self.rng.random_bool(0.6) {
            let width = self.rng.random_range(1..=64);
            self.say(name, format!("select {width} channels"));
            self.tracks[at].instance.select_width(width)?;
        }
        if self.rng.random_bool(0.3) {
            let mode = if self.rng.random_bool(0.3) { Mode::Offline } else { Mode::Realtime };
            self.say(name, format!("render {mode:?}"));
            self.tracks[at].instance.set_mode(mode)?;
            self.tracks[at].mode = mode;
        }
        const RATES_HZ: [f64; 8] = [1000.0, 1234.5678, 8_000.0, 16_000.0, 44_100.0, 48_000.0, 96_000.0, 768_000.0];
        let sample_rate_hz = match self.rng.random_range(0..12) {
            i @ 0..8 => RATES_HZ[i],
            8 | 9 => 48_000.0,
            _ => 1000.0 * 768f64.powf(self.rng.random()),
        };
        let max_frames = match self.rng.random_range(0..4) {
            0 => 1,
            1 => self.rng.random_range(1..=16_384),
            _ => self.rng.random_range(1..=1024),
        };
        let what = format!("activate at {sample_rate_hz:.4} Hz, up to {max_frames} frames");
        self.say(name, &what);
        let stream = self.tracks[at].instance.activate(Activation { sample_rate_hz, min_frames: 1, max_frames })?;
        self.tracks[at].state = State::Active { stream: Box::new(stream), max_frames: max_frames as usize };
        Ok(what)
    }

    fn play(&mut self, at: usize) -> Result<String> {
        self.wait(at)?;
        let track = &mut self.tracks[at];
        let State::Active { stream, max_frames } = std::mem::replace(&mut track.state, State::Inactive) else {
            return Ok("nothing".into());
        };
        let run = Run::draw(&mut self.rng, stream.channels(), max_frames, &track.parameters);
        let name = track.name;
        self.say(name, format!("play {} channels: {run:?}", stream.channels()));
        let mut stream = stream;
        let thread = std::thread::spawn(move || {
            let outcome = run.play(&mut stream);
            (stream, outcome)
        });
        self.tracks[at].state = State::Playing { thread, max_frames };
        Ok("play".into())
    }

    fn toggle_editor(&mut self, at: usize) -> Result<String> {
        let Some(display) = self.display.clone() else { return Ok("nothing".into()) };
        let name = self.tracks[at].name;
        let what = match self.tracks[at].editor.take() {
            Some(editor) if self.rng.random_bool(0.4) => {
                let (width, height) = (self.rng.random_range(1..1400), self.rng.random_range(1..1100));
                let what = format!("resize the editor to {width} × {height}");
                self.say(name, &what);
                // A plugin may refuse a size; it may not fall over one.
                let _ = editor.resize(&mut self.tracks[at].instance, width, height);
                self.tracks[at].editor = Some(editor);
                what
            }
            Some(editor) => {
                self.say(name, "close the editor");
                editor.close(&mut self.tracks[at].instance)?;
                "close the editor".into()
            }
            None => {
                self.say(name, "open the editor");
                self.windows += 1;
                self.tracks[at].editor = Some(EditorWindow::open(&mut self.tracks[at].instance, &display)?);
                "open the editor".into()
            }
        };
        Ok(what)
    }

    fn look_at_parameters(&mut self, at: usize) -> Result<String> {
        let name = self.tracks[at].name;
        let p = self.tracks[at].parameters[self.rng.random_range(0..self.tracks[at].parameters.len())].clone();
        let value = if self.rng.random_bool(0.1) { f64::NAN } else { self.rng.random_range(p.min..=p.max) };
        self.say(name, format!("{}: text of {value}, value of texts, flush", p.name));
        let inactive = matches!(self.tracks[at].state, State::Inactive);
        let instance = &mut self.tracks[at].instance;
        let text = instance.text_of(p.id, value);
        if value.is_finite() && text?.is_empty() {
            return Err(format!("{} has an empty text for {value}", p.name).into());
        }
        for text in [c"", c"NaN", c"-1e999 dB", c"1.5", c"\xff\xfe"] {
            instance.value_of(p.id, text)?;
        }
        if inactive {
            instance.set_parameter(&p.name, value)?;
        }
        for p in instance.parameters()? {
            if !(p.min..=p.max).contains(&p.value) {
                return Err(format!("{} has left its range: {p:?}", p.name).into());
            }
        }
        Ok("look at a parameter".into())
    }

    /// Ends all instances.
    fn let_all_go(&mut self) -> Result<()> {
        self.say("all", "destroy");
        self.tracks.drain(..).try_for_each(Track::go)
    }
}

impl Track {
    /// Waits for the audio thread, where one plays.
    fn wait(&mut self) -> Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Inactive) {
            State::Playing { thread, max_frames } => {
                let (stream, outcome) = thread.join().map_err(|_| "the audio thread has panicked")?;
                outcome?;
                State::Active { stream, max_frames }
            }
            other => other,
        };
        Ok(())
    }

    fn state_in_words(&self) -> String {
        let channels = match &self.state {
            State::Active { stream, .. } => stream.channels(),
            _ => 0,
        };
        format!("{channels} active channels, {:?}, editor open: {}", self.mode, self.editor.is_some())
    }

    fn deactivate(&mut self) -> Result<()> {
        self.wait()?;
        if let State::Active { stream, .. } = std::mem::replace(&mut self.state, State::Inactive) {
            self.instance.deactivate(*stream);
        }
        Ok(())
    }

    fn go(mut self) -> Result<()> {
        self.deactivate()?;
        let Self { instance, editor, .. } = self;
        drop(instance);
        drop(editor);
        Ok(())
    }
}
