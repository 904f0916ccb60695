//! The window without a host: it hears, shows, is changed by hand, remembers, and goes when it is closed.
#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use spherescope::params::SpherescopeParams;
use spherescope::standalone::Standalone;
use spherescope::worker::Bus;
use spherescope_dsp::block_pool;
use spherescope_tests::display::{TopWindow, Xvfb};
use spherescope_tests::signal::WhiteNoise;

const BLOCK: usize = 256;
const RATE_HZ: f64 = 48_000.0;

/// Asks until there is an answer.
fn awaited<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "expected {what} within a minute");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_instance_lives_without_a_host_until_its_window_is_closed_or_its_time_is_up() {
    let display = Xvfb::start().unwrap();
    // SAFETY: this program has no other test, and nothing is loaded yet.
    unsafe { display.become_default() };
    let instance = Standalone::new(SpherescopeParams::new("a-format-tetrahedron"));
    instance.params().session.set_window([900, 600]);
    let bus = Bus { channels: 4, sample_rate_hz: RATE_HZ, max_host_frames: BLOCK, offline: false };

    let (mut writer, reader) = block_pool(4, BLOCK, 256);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut noise, mut samples) = (WhiteNoise::new(1), vec![0.0; BLOCK]);
            while !done.load(Ordering::Acquire) {
                noise.fill(0.3, &mut samples);
                writer.push(BLOCK, |_, out| out.copy_from_slice(&samples));
                thread::sleep(Duration::from_secs_f64(BLOCK as f64 / RATE_HZ));
            }
        });
        let hands = scope.spawn(|| {
            let window = awaited("a window", || TopWindow::find(display.name(), "Spherescope").unwrap());
            let drawn = awaited("a picture", || Some(window.picture().unwrap()).filter(|p| p.colours() > 200));
            assert_eq!((drawn.width, drawn.height), (900, 600));
            awaited("a picture that moves", || Some(window.picture().unwrap()).filter(|p| p.difference(&drawn) > 0.0));
            window.resize(1200, 700).unwrap();
            awaited("the new size", || (instance.params().session.window() == [1200, 700]).then_some(()));
            if let Some(folder) = std::env::var_os("OUT") {
                thread::sleep(Duration::from_secs(2));
                window.picture().unwrap().write_png(&std::path::Path::new(&folder).join("standalone.png")).unwrap();
            }
            window.ask_to_close().unwrap();
        });
        let began = Instant::now();
        let outcome = instance.run(reader, bus, || began.elapsed() > Duration::from_secs(240));
        done.store(true, Ordering::Release);
        outcome.unwrap();
        hands.join().unwrap();
    });
    assert!(instance.save().contains("[1200, 700]"), "the size belongs to the session");

    // Again, with the same instance: it ends by itself, with the window open.
    let (_writer, reader) = block_pool(4, BLOCK, 16);
    let mut asked = 0;
    instance
        .run(reader, bus, || {
            asked += 1;
            asked > 20
        })
        .unwrap();
    awaited("no window", || TopWindow::find(display.name(), "Spherescope").unwrap().is_none().then_some(()));

    // Without a display it says so.
    drop(display);
    let (_writer, reader) = block_pool(4, BLOCK, 16);
    let fault = instance.run(reader, bus, || false).unwrap_err();
    assert!(fault.contains("window"), "{fault}");
}
