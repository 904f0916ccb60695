//! The real editor in a real window of a virtual display.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use spherescope_tests::bundle;
use spherescope_tests::display::{Picture, Xvfb};
use spherescope_tests::host::{Activation, ClapHost, EditorWindow, Instance, Stream};
use spherescope_tests::signal::{BitNoise, WhiteNoise};

const BLOCK: usize = 512;

/// The display of this program; every test asks for it before anything else.
fn display() -> &'static str {
    static DISPLAY: OnceLock<Xvfb> = OnceLock::new();
    DISPLAY
        .get_or_init(|| {
            let display = Xvfb::start().unwrap();
            // SAFETY: no plugin is loaded yet, and the other tests wait here.
            unsafe { display.become_default() };
            display
        })
        .name()
}

fn instance(host: &ClapHost) -> Instance {
    let mut instance = host.instance().unwrap();
    instance.select_width(4).unwrap();
    instance
}

/// Waits until the picture satisfies a condition; the last one seen goes into the failure.
fn await_picture(instance: &mut Instance, editor: &EditorWindow, what: &str, ok: impl Fn(&Picture) -> bool) -> Picture {
    let begin = Instant::now();
    loop {
        instance.pump();
        let picture = editor.picture().unwrap();
        if ok(&picture) {
            return picture;
        }
        if begin.elapsed() > Duration::from_secs(60) {
            let path = std::env::temp_dir().join("spherescope-editor-test.png");
            picture.write_png(&path).unwrap();
            panic!("expected {what}, found {} colours: see {}", picture.colours(), path.display());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A source to the left of the front, at the pace of a sound card.
fn play_noise(instance: &mut Instance, stream: &mut Stream, seconds: f64) {
    let mut noise = WhiteNoise::new(1);
    let begin = Instant::now();
    let blocks = (seconds * 48_000.0 / BLOCK as f64) as u32;
    for block in 0..blocks {
        let mut samples = vec![0.0; BLOCK];
        noise.fill(0.3, &mut samples);
        for channel in 0..stream.channels() {
            stream.input_mut(channel)[..BLOCK].copy_from_slice(&samples);
        }
        stream.run(BLOCK).unwrap();
        instance.pump();
        let due = Duration::from_secs_f64(f64::from(block + 1) * BLOCK as f64 / 48_000.0);
        thread::sleep(due.saturating_sub(begin.elapsed()));
    }
}

#[test]
fn the_picture_is_not_blank_and_changes_with_the_sound() {
    let display = display();
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let mut instance = instance(&host);
    let mut stream = instance.activate(Activation::default()).unwrap();
    let editor = EditorWindow::open_drawn(&mut instance, display).unwrap();
    let silent = editor.picture().unwrap();
    play_noise(&mut instance, &mut stream, 1.5);
    let sounding = await_picture(&mut instance, &editor, "a changed picture", |p| p.difference(&silent) > 0.002);
    println!(
        "{} × {}: {} colours in silence, {} with sound, {:.1} % of the pixels changed",
        silent.width,
        silent.height,
        silent.colours(),
        sounding.colours(),
        100.0 * sounding.difference(&silent)
    );
    editor.close(&mut instance).unwrap();
    instance.deactivate(stream);
}

#[test]
fn the_editor_opens_again_and_again_before_and_while_active() {
    let display = display();
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let mut instance = instance(&host);
    for round in 0..4 {
        let stream = (round % 2 == 1).then(|| instance.activate(Activation::default()).unwrap());
        let editor = EditorWindow::open_drawn(&mut instance, display).unwrap();
        editor.close(&mut instance).unwrap();
        if let Some(stream) = stream {
            instance.deactivate(stream);
        }
    }
    // Closed before it can have drawn anything.
    for _ in 0..3 {
        EditorWindow::open(&mut instance, display).unwrap().close(&mut instance).unwrap();
    }
}

#[test]
fn the_editor_survives_tiny_and_large_windows() {
    let display = display();
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let mut instance = instance(&host);
    let mut stream = instance.activate(Activation::default()).unwrap();
    let editor = EditorWindow::open_drawn(&mut instance, display).unwrap();
    for (width, height) in [(1, 1), (40, 600), (600, 30), (200, 150), (1500, 1100)] {
        // A plugin may refuse a size; it may not fall over one.
        let _ = editor.resize(&mut instance, width, height);
        play_noise(&mut instance, &mut stream, 0.3);
    }
    editor.resize(&mut instance, 1000, 680).unwrap();
    await_picture(&mut instance, &editor, "a drawn editor", |p| (p.width, p.height) == (1000, 680) && p.colours() > 50);
    editor.close(&mut instance).unwrap();
    instance.deactivate(stream);
}

#[test]
fn an_instance_goes_with_its_editor_open_and_its_worker_busy() {
    let display = display();
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    for round in 0..4 {
        let mut instance = instance(&host);
        let mut stream = instance.activate(Activation::default()).unwrap();
        let editor = match round % 2 {
            0 => EditorWindow::open_drawn(&mut instance, display).unwrap(),
            _ => EditorWindow::open(&mut instance, display).unwrap(),
        };
        // A heap of audio at once, so that the worker is in the middle of it.
        for _ in 0..200 {
            stream.run(BLOCK).unwrap();
        }
        instance.deactivate(stream);
        // Nobody closes the editor: the instance goes first, then the window.
        drop(instance);
        drop(editor);
    }
    // The library still works.
    drop(host.instance().unwrap());
}

#[test]
fn two_editors_are_open_side_by_side() {
    let display = display();
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let (mut first, mut second) = (instance(&host), instance(&host));
    let first_editor = EditorWindow::open_drawn(&mut first, display).unwrap();
    let second_editor = EditorWindow::open_drawn(&mut second, display).unwrap();
    first_editor.close(&mut first).unwrap();
    drop(first);
    await_picture(&mut second, &second_editor, "the second editor alone", |p| p.colours() > 50);
    second_editor.close(&mut second).unwrap();
}

#[test]
fn the_editor_comes_and_goes_while_audio_plays_and_parameters_move() {
    let display = display();
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let mut instance = instance(&host);
    let parameters = instance.parameters().unwrap();
    let saved = instance.save_state().unwrap();
    let mut stream = instance.activate(Activation::default()).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let audio = thread::spawn({
        let done = done.clone();
        move || {
            let (mut rng, mut noise, mut blocks) = (SmallRng::seed_from_u64(1), BitNoise::new(1), 0u64);
            while !done.load(Ordering::Acquire) {
                for p in &parameters {
                    stream.set_parameter(p.id, rng.random_range(p.min..=p.max));
                }
                for channel in 0..stream.channels() {
                    noise.fill(&mut stream.input_mut(channel)[..BLOCK]);
                }
                stream.run(BLOCK).unwrap();
                stream.check_bit_exact(BLOCK).unwrap();
                blocks += 1;
                thread::sleep(Duration::from_millis(10));
            }
            (stream, blocks)
        }
    });
    for _ in 0..3 {
        let editor = EditorWindow::open_drawn(&mut instance, display).unwrap();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(2) {
            instance.pump();
            instance.load_state(&saved).unwrap();
            thread::sleep(Duration::from_millis(50));
        }
        editor.close(&mut instance).unwrap();
    }
    done.store(true, Ordering::Release);
    let (stream, blocks) = audio.join().unwrap();
    assert!(blocks > 100, "only {blocks} blocks have passed");
    instance.deactivate(stream);
}

#[test]
fn five_open_editors_leave_the_main_thread_free() {
    let display = display();
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let mut tracks: Vec<_> = (0..5)
        .map(|_| {
            let mut instance = instance(&host);
            let stream = instance.activate(Activation::default()).unwrap();
            let editor = EditorWindow::open_drawn(&mut instance, display).unwrap();
            (instance, stream, editor)
        })
        .collect();
    // What hosts do on their main thread, while all five windows draw what they hear. The usual call counts: a busy computer takes
    // any thread's time now and then.
    let mut times = Vec::new();
    for round in 0..60 {
        for (instance, stream, _) in &mut tracks {
            for channel in 0..stream.channels() {
                WhiteNoise::new(round).fill(0.3, &mut stream.input_mut(channel)[..BLOCK]);
            }
            stream.run(BLOCK).unwrap();
            let begin = Instant::now();
            instance.pump();
            instance.parameters().unwrap();
            instance.save_state().unwrap();
            times.push(begin.elapsed());
        }
        thread::sleep(Duration::from_millis(10));
    }
    times.sort();
    let usual = times[times.len() / 2];
    println!(
        "the main thread's calls with five editors open: usually {usual:.2?}, at most {:.2?}",
        times[times.len() - 1]
    );
    assert!(usual < Duration::from_millis(5), "{usual:?}");
    for (mut instance, stream, editor) in tracks {
        editor.close(&mut instance).unwrap();
        instance.deactivate(stream);
    }
}
