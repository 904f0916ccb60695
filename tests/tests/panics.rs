//! Panics injected into worker, editor, texts and state: the host lives, and audio passes bit by bit.
//!
//! Development builds of the plugin panic where `SPHERESCOPE_PANIC` says; in this program everywhere at once.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use spherescope_tests::bundle;
use spherescope_tests::display::{Picture, Xvfb};
use spherescope_tests::host::{Activation, ClapHost, EditorWindow, Instance, Stream};
use spherescope_tests::signal::BitNoise;

const PLACES: &str = "worker,view,text,state";
const BLOCK: usize = 333;

/// The host and the display of this program; `None`, said aloud, with a bundle that has no panics to inject.
fn prepared() -> Option<(ClapHost, &'static str)> {
    static DISPLAY: OnceLock<Xvfb> = OnceLock::new();
    let display = DISPLAY.get_or_init(|| {
        let display = Xvfb::start().unwrap();
        // SAFETY: no plugin is loaded yet, and the other tests wait here.
        unsafe {
            display.become_default();
            std::env::set_var("SPHERESCOPE_PANIC", PLACES);
        }
        display
    });
    let bundle = bundle::clap().unwrap();
    let library = std::fs::read(&bundle).unwrap();
    if !library.windows(PLACES_VARIABLE.len()).any(|w| w == PLACES_VARIABLE) {
        println!("NOT RUN: {} is a release build, which has no panics to inject", bundle.display());
        return None;
    }
    Some((ClapHost::load(bundle).unwrap(), display.name()))
}

const PLACES_VARIABLE: &[u8] = b"SPHERESCOPE_PANIC";

fn play(stream: &mut Stream, blocks: usize, pause: Duration) {
    let mut noise = BitNoise::new(1);
    for _ in 0..blocks {
        for channel in 0..stream.channels() {
            noise.fill(&mut stream.input_mut(channel)[..BLOCK]);
        }
        stream.run(BLOCK).unwrap();
        stream.check_bit_exact(BLOCK).unwrap();
        thread::sleep(pause);
    }
}

fn is_reddish([red, green, blue]: &[u8; 3]) -> bool {
    *red > 150 && *green < 160 && *blue < 160
}

fn await_message(instance: &mut Instance, editor: &EditorWindow) -> Picture {
    let begin = Instant::now();
    loop {
        instance.pump();
        let picture = editor.picture().unwrap();
        if picture.pixels.iter().filter(|p| is_reddish(p)).count() > 200 {
            return picture;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "no message is drawn: {} colours", picture.colours());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn view_and_worker_panic_and_the_host_lives_and_audio_passes() {
    let Some((host, display)) = prepared() else { return };
    let mut instance = host.instance().unwrap();
    let mut stream = instance.activate(Activation::default()).unwrap();
    for _ in 0..2 {
        // Each window wakes the worker, which panics; the view panics at its first drawing.
        let editor = EditorWindow::open_drawn(&mut instance, display).unwrap();
        play(&mut stream, 300, Duration::from_millis(1));
        await_message(&mut instance, &editor);
        editor.close(&mut instance).unwrap();
    }
    play(&mut stream, 2000, Duration::ZERO);
    instance.deactivate(stream);
    // Gone with its window open.
    let editor = EditorWindow::open(&mut instance, display).unwrap();
    drop(instance);
    drop(editor);
}

#[test]
fn texts_panic_and_values_are_still_shown_as_numbers() {
    let Some((host, _)) = prepared() else { return };
    let mut instance = host.instance().unwrap();
    for p in instance.parameters().unwrap() {
        let text = instance.text_of(p.id, p.default).unwrap();
        assert!(!text.is_empty(), "{}", p.name);
        if p.name == "Gate" {
            assert!(text.starts_with("-60"), "{text}");
            assert_eq!(instance.value_of(p.id, c"-40").unwrap(), None);
        }
    }
}

#[test]
fn a_panic_while_a_state_loads_keeps_the_session() {
    let Some((host, _)) = prepared() else { return };
    let mut instance = host.instance().unwrap();
    let kept = instance.save_state().unwrap();
    let mut stream = instance.activate(Activation::default()).unwrap();
    for _ in 0..5 {
        let _ = instance.load_state(&kept);
        play(&mut stream, 20, Duration::ZERO);
        assert_eq!(kept, instance.save_state().unwrap());
    }
    instance.deactivate(stream);
}
