//! Five editors open at once, all with sound: the host's main thread stays as free as with one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use spherescope_tests::bundle;
use spherescope_tests::display::Xvfb;
use spherescope_tests::host::{Activation, ClapHost, EditorWindow, Stream};
use spherescope_tests::signal::WhiteNoise;

const BLOCK: usize = 512;
/// How long the main thread is watched.
const WATCHED: Duration = Duration::from_secs(3);
/// Pause between two rounds of the host's main thread.
const TICK: Duration = Duration::from_millis(5);
/// Between two savings: a host that keeps backups.
const SAVE_EVERY: Duration = Duration::from_millis(500);
/// Gaps shorter than this are the system's, on a machine with other work.
const LEAST_GAP: Duration = Duration::from_millis(100);

/// What the main thread met with.
#[derive(Debug)]
struct MainThread {
    /// The longest time between two rounds.
    longest_gap: Duration,
    /// The time that the thread itself has computed, all instances together.
    computed: Duration,
    rounds: usize,
}

/// The time that this thread has computed so far.
fn computed() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// Plays noise on all streams at the pace of a sound card until told to stop.
fn play(streams: &mut [Stream], stop: &AtomicBool) {
    let mut noise = WhiteNoise::new(1);
    let mut samples = vec![0.0; BLOCK];
    let begin = Instant::now();
    for block in 1u32.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        // Louder and quieter, so that there is always something new to draw.
        noise.fill(if block / 20 % 2 == 0 { 0.3 } else { 0.03 }, &mut samples);
        for stream in streams.iter_mut() {
            for channel in 0..stream.channels() {
                stream.input_mut(channel)[..BLOCK].copy_from_slice(&samples);
            }
            stream.run(BLOCK).unwrap();
        }
        let due = Duration::from_secs_f64(f64::from(block) * BLOCK as f64 / 48_000.0);
        thread::sleep(due.saturating_sub(begin.elapsed()));
    }
}

/// Opens this many editors, plays, and lets the main thread do what a host's does. All editors must draw.
fn watch(host: &ClapHost, display: &str, editors: usize) -> MainThread {
    let mut instances: Vec<_> = (0..editors).map(|_| host.instance().unwrap()).collect();
    let mut windows = Vec::new();
    let mut streams = Vec::new();
    for instance in &mut instances {
        instance.select_width(4).unwrap();
        streams.push(instance.activate(Activation::default()).unwrap());
        windows.push(EditorWindow::open_drawn(instance, display).unwrap());
    }
    let stop = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        scope.spawn(|| play(&mut streams, &stop));
        let (begin, before) = (Instant::now(), computed());
        let mut seen = MainThread { longest_gap: Duration::ZERO, computed: Duration::ZERO, rounds: 0 };
        let (mut last, mut saved) = (begin, begin);
        while begin.elapsed() < WATCHED {
            for instance in &mut instances {
                instance.pump();
                assert!(!instance.parameters().unwrap().is_empty());
            }
            if saved.elapsed() > SAVE_EVERY {
                saved = Instant::now();
                for instance in &mut instances {
                    assert!(!instance.save_state().unwrap().is_empty());
                }
            }
            seen.rounds += 1;
            thread::sleep(TICK);
            seen.longest_gap = seen.longest_gap.max(last.elapsed());
            last = Instant::now();
        }
        seen.computed = computed() - before;
        for (i, window) in windows.iter().enumerate() {
            let (first, begin) = (window.picture().unwrap(), Instant::now());
            while window.picture().unwrap() == first {
                assert!(begin.elapsed() < Duration::from_secs(30), "editor {i} of {editors} draws nothing new");
                instances.iter_mut().for_each(|instance| instance.pump());
                thread::sleep(Duration::from_millis(20));
            }
        }
        stop.store(true, Ordering::Release);
        seen
    });
    for ((mut instance, stream), window) in instances.into_iter().zip(streams).zip(windows) {
        window.close(&mut instance).unwrap();
        instance.deactivate(stream);
    }
    seen
}

#[test]
fn five_open_editors_leave_the_host_s_main_thread_free() {
    let display = Xvfb::start().unwrap();
    // SAFETY: no plugin is loaded yet and this program has one test.
    unsafe { display.become_default() };
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let one = watch(&host, display.name(), 1);
    let five = watch(&host, display.name(), 5);
    println!("one editor: {one:?}\nfive: {five:?}");
    assert!(
        five.longest_gap < 5 * one.longest_gap.max(LEAST_GAP),
        "the main thread waited {:?} with five editors, {:?} with one",
        five.longest_gap,
        one.longest_gap
    );
    // What each costs there is its own, and little: the windows draw elsewhere.
    let each = |seen: &MainThread, editors: u32| seen.computed.as_secs_f64() / f64::from(editors) / seen.rounds as f64;
    assert!(each(&five, 5) < 4.0 * each(&one, 1).max(2e-4), "{:.1e} s and {:.1e} s", each(&five, 5), each(&one, 1));
    assert!(five.computed < WATCHED / 2, "{:?} of {WATCHED:?}", five.computed);
}
