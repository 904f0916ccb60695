//! The worker: one thread per instance that turns blocks of audio into snapshots, off the audio thread.
//!
//! Activation starts it, deactivation ends it. It paces itself by the blocks that come and asks for them itself: the audio thread
//! never wakes anybody. While nobody watches, receives or writes, blocks are let go unseen. A panic of the analysis ends in a
//! message to the editor; audio passes on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, park_timeout};
use std::time::{Duration, Instant};

use spherescope_dsp::BlockReader;
use spherescope_view::{Health, Snapshot};

use crate::analysis::Analysis;
use crate::frame_log::FrameLog;
use crate::shared::Shared;

/// The host's side of an activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bus {
    /// Channels of the bus.
    pub channels: usize,
    /// The host's sample rate in Hz.
    pub sample_rate_hz: f64,
    /// The longest block that the host announces, in frames.
    pub max_host_frames: usize,
    /// The host renders offline: everything is analysed, nothing skipped.
    pub offline: bool,
}

/// What a worker is started with; fixed until it stops.
pub struct WorkerSetup {
    /// The worker's end of the block pool.
    pub reader: BlockReader,
    /// The host's side.
    pub bus: Bus,
    /// Where to log analysed frames, if at all.
    pub log_directory: Option<PathBuf>,
}

/// A running worker.
pub struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Pause when no block waits.
const PAUSE: Duration = Duration::from_millis(2);
/// Pause while nothing is analysed; the pool holds much more than this.
const REST: Duration = Duration::from_millis(20);
/// The last blocks of a rendering or of a log may take this long after the worker was told to stop.
const LAST_BLOCKS_WITHIN: Duration = Duration::from_secs(5);

impl Worker {
    /// Starts the thread; `None` if the system gives none, and then audio passes on without analysis.
    pub fn start(shared: Arc<Shared>, setup: WorkerSetup) -> Option<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("spherescope".into()).spawn({
            let stop = stop.clone();
            move || {
                let WorkerSetup { mut reader, bus, log_directory } = setup;
                guard(&shared, &mut reader, &stop, |reader| serve(&shared, reader, bus, log_directory.as_ref(), &stop));
                retire(&shared);
            }
        });
        Some(Self { stop, thread: Some(thread.ok()?) })
    }

    /// Ends the thread and waits for it. Doing so again does nothing.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Panics are caught inside, so there is no result to look at.
            let _ = thread.join();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Analyses until told to stop.
fn serve(shared: &Arc<Shared>, reader: &mut BlockReader, bus: Bus, log_directory: Option<&PathBuf>, stop: &AtomicBool) {
    let (log, log_error) = match log_directory.map(|directory| FrameLog::open(directory, &shared.log_number)) {
        None => (None, None),
        Some(Ok(log)) => (Some(log), None),
        Some(Err(error)) => (None, Some(format!("the log cannot be opened: {error}"))),
    };
    let mut analysis = Analysis::new(shared.clone(), bus, log);
    if let Some(error) = log_error {
        analysis.set_log_error(error);
    }
    analysis.publish(0, reader.dropped_blocks());
    let mut resting = !analysis.logging() && !shared.wanted();
    if !resting {
        crate::injected::panic_if_asked("worker");
    }
    while !stop.load(Ordering::Acquire) {
        if !analysis.logging() && !shared.wanted() {
            if !resting {
                analysis.let_go();
            }
            resting = true;
            drain(reader);
            park_timeout(if bus.offline { PAUSE } else { REST });
        } else if resting {
            resting = false;
            drain(reader);
            analysis.restart();
            crate::injected::panic_if_asked("worker");
        } else if !analysis.step(reader) {
            park_timeout(PAUSE);
        }
    }
    if resting {
        return;
    }
    if bus.offline || analysis.writing() {
        let begin = Instant::now();
        while begin.elapsed() < LAST_BLOCKS_WITHIN && analysis.step(reader) {}
    }
    analysis.finish();
    analysis.publish(0, reader.dropped_blocks());
}

/// Runs `serve` to its end. A panic becomes a message; then everything rests until a window is opened anew.
fn guard(shared: &Shared, reader: &mut BlockReader, stop: &AtomicBool, mut serve: impl FnMut(&mut BlockReader)) {
    while let Err(panic) = catch_unwind(AssertUnwindSafe(|| serve(reader))) {
        let text = format!("the analysis has failed; audio passes on: {}", panic_text(&*panic));
        let last = shared.snapshot.load_full();
        shared.publish(Snapshot {
            health: Health { message: Some(text), load: 0.0, ..last.health.clone() },
            ..without_results(&last)
        });
        let mut was_open = shared.editor_open();
        loop {
            if stop.load(Ordering::Acquire) {
                return;
            }
            drain(reader);
            park_timeout(REST);
            let open = shared.editor_open();
            if open && !was_open {
                break;
            }
            was_open = open;
        }
    }
}

/// Shows that there is no audio any more. An error stays visible.
fn retire(shared: &Shared) {
    let last = shared.snapshot.load_full();
    let health =
        Health { weights: last.health.weights.clone(), message: last.health.message.clone(), ..Health::default() };
    shared.publish(Snapshot { levels_db: Vec::new(), health, ..without_results(&last) });
}

fn without_results(last: &Snapshot) -> Snapshot {
    Snapshot { sequence: last.sequence + 1, peaks: Vec::new(), tracks: Vec::new(), active: false, ..last.clone() }
}

fn drain(reader: &mut BlockReader) {
    // Bounded, as an offline host may fill as fast as this empties.
    for _ in 0..reader.capacity() {
        if reader.with_next(|_| ()).is_none() {
            return;
        }
    }
}

/// The message of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string()).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "panic without a message".into())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::outgoing::OscChoice;
    use crate::params::SpherescopeParams;
    use nice_plug::params::Params;
    use nice_plug::prelude::ParamPtr;
    use spherescope_dsp::{BlockWriter, Direction, block_pool, presets};
    use spherescope_view::{OscState, Recording};
    use std::f64::consts::TAU;

    const RATE: f64 = 48_000.0;

    fn shared() -> Arc<Shared> {
        Shared::new(SpherescopeParams::new("a-format-tetrahedron"))
    }

    fn bus(channels: usize) -> Bus {
        Bus { channels, sample_rate_hz: RATE, max_host_frames: 256, offline: true }
    }

    pub(crate) fn set(shared: &Shared, id: &str, text: &str) {
        let map = shared.params.param_map();
        let (.., ptr, _) = map.into_iter().find(|(known, ..)| known == id).unwrap();
        // SAFETY: the pointers of the map are valid as long as `shared` lives.
        let value = unsafe { ptr.string_to_normalized_value(text) }.unwrap();
        match ptr {
            // SAFETY: as above, and nobody else holds the parameter.
            ParamPtr::EnumParam(_) | ParamPtr::IntParam(_) | ParamPtr::FloatParam(_) => unsafe {
                ptr._internal_set_normalized_value(value);
            },
            ParamPtr::BoolParam(_) => unreachable!("there are none"),
        }
    }

    fn worker(shared: &Arc<Shared>, bus: Bus, log: Option<&std::path::Path>) -> (BlockWriter, Worker) {
        let (writer, reader) = block_pool(bus.channels, 256, 64);
        let setup = WorkerSetup { reader, bus, log_directory: log.map(PathBuf::from) };
        (writer, Worker::start(shared.clone(), setup).unwrap())
    }

    /// Noise from one direction on the session's array: a sum of sines with the delays of a plane wave.
    pub(crate) fn play(writer: &mut BlockWriter, shared: &Shared, from: Direction, seconds: f64) {
        let array = shared.params.session.layout();
        let tones: Vec<(f64, f64)> = (0..60).map(|i| (300.0 + 97.3 * i as f64, 1.7 * (i * i) as f64)).collect();
        let (mut start, end) = (0usize, (seconds * RATE) as usize);
        while start < end {
            while writer.free_blocks() == 0 {
                std::thread::yield_now();
            }
            writer.push(256, |channel, out| {
                let Some(capsule) = array.capsules().iter().find(|c| c.channel == channel) else { return };
                let along: f64 = capsule.position_m.iter().zip(from.unit()).map(|(p, u)| p * u).sum();
                for (i, x) in out.iter_mut().enumerate() {
                    let t = (start + i) as f64 / RATE + along / 343.0;
                    *x = tones.iter().map(|(f, phase)| (TAU * f * t + phase).sin()).sum::<f64>() as f32 / 100.0;
                }
            });
            start += 256;
        }
    }

    fn lines(directory: &std::path::Path) -> Vec<serde_json::Value> {
        let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|f| f.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let text = std::fs::read_to_string(files.remove(0)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn starting_and_stopping_can_be_repeated() {
        let shared = shared();
        for _ in 0..3 {
            let (mut writer, mut worker) = worker(&shared, bus(4), None);
            writer.push(256, |_, out| out.fill(0.1));
            worker.stop();
            worker.stop();
            assert_eq!(shared.snapshot.load().health.bus_channels, 0);
        }
    }

    #[test]
    fn nothing_is_analysed_for_nobody() {
        let shared = shared();
        let (mut writer, mut worker) = worker(&shared, bus(4), None);
        play(&mut writer, &shared, Direction::LEFT, 0.5);
        worker.stop();
        assert!(shared.snapshot.load().spectrum.is_empty());
    }

    #[test]
    fn the_log_tells_where_the_sound_is_in_every_frame() {
        let directory = tempfile::tempdir().unwrap();
        let shared = shared();
        set(&shared, "engine", "SRP-PHAT");
        set(&shared, "threshold", "0.2");
        set(&shared, "max_sources", "1");
        let (mut writer, mut worker) = worker(&shared, bus(4), Some(directory.path()));
        let from = Direction::from_degrees(60.0, 20.0).unwrap();
        play(&mut writer, &shared, from, 1.0);
        worker.stop();

        let lines = lines(directory.path());
        let steps: Vec<f64> =
            lines.windows(2).map(|two| two[1]["t_s"].as_f64().unwrap() - two[0]["t_s"].as_f64().unwrap()).collect();
        assert!(steps.iter().all(|step| (step - steps[0]).abs() < 1e-5), "{steps:?}");
        let (first, last) = (lines[0]["t_s"].as_f64().unwrap(), lines[lines.len() - 1]["t_s"].as_f64().unwrap());
        assert!((0.0..0.1).contains(&first) && (last - 1.0).abs() < 0.02, "{first} s … {last} s");
        for line in &lines {
            assert_eq!((line["active"].as_bool(), line["engine"].as_str()), (Some(true), Some("srp-phat")));
            let peaks = line["peaks"].as_array().unwrap();
            assert_eq!(peaks.len(), 1, "{line}");
            let angle = |name: &str| peaks[0][name].as_f64().unwrap();
            let found = Direction::from_degrees(angle("azimuth_deg"), angle("elevation_deg")).unwrap();
            assert!(found.angle_to_deg(&from) < 8.0, "{line}");
        }
        assert_eq!(shared.snapshot.load().health.message, None);
    }

    #[test]
    fn a_receiver_and_a_recording_get_what_is_heard_with_no_window_open() {
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let shared = shared();
        set(&shared, "engine", "SRP-PHAT");
        set(&shared, "threshold", "0.2");
        set(&shared, "max_sources", "1");
        let outgoing = shared.params.session.outgoing();
        let target = receiver.local_addr().unwrap().to_string();
        outgoing.choose_osc(OscChoice { target, on: true });
        let csv = folder.path().join("heard.csv");
        outgoing.record(Some(csv.clone()));
        let (mut writer, mut worker) = worker(&shared, bus(4), None);
        let from = Direction::from_degrees(60.0, 20.0).unwrap();
        play(&mut writer, &shared, from, 1.5);
        let azimuth = (0..2000).find_map(|_| {
            let mut bytes = [0; 4096];
            let length = receiver.recv(&mut bytes).unwrap();
            let (_, packet) = rosc::decoder::decode_udp(&bytes[..length]).unwrap();
            let rosc::OscPacket::Bundle(bundle) = packet else { panic!("a bundle") };
            bundle.content.into_iter().find_map(|p| match p {
                rosc::OscPacket::Message(m) if m.addr == "/adm/obj/1/azim" => m.args[0].clone().float(),
                _ => None,
            })
        });
        assert!((azimuth.unwrap() - 60.0).abs() < 8.0, "{azimuth:?}");
        worker.stop();
        assert!(matches!(outgoing.osc_state(), OscState::Sending { bundles } if bundles > 0));
        assert!(matches!(outgoing.recording_state(), Recording::On { frames, .. } if frames > 50));
        let text = std::fs::read_to_string(&csv).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("t_s,engine,azimuth_deg,elevation_deg,score"));
        let heard: Vec<Vec<f64>> = lines.map(|l| l.split(',').filter_map(|x| x.parse().ok()).collect()).collect();
        assert!(heard.len() > 40 && heard.iter().all(|x| x.len() == 4 && (x[1] - 60.0).abs() < 12.0), "{heard:?}");

        // Another activation goes on in the same file; without a wish nothing more comes.
        let (mut writer, mut second) = self::worker(&shared, bus(4), None);
        play(&mut writer, &shared, from, 0.5);
        second.stop();
        let longer = std::fs::read_to_string(&csv).unwrap();
        assert!(longer.starts_with(&text) && longer.len() > text.len());
        outgoing.record(None);
        outgoing.choose_osc(OscChoice { on: false, ..(*outgoing.osc()).clone() });
        let (mut writer, mut third) = self::worker(&shared, bus(4), None);
        play(&mut writer, &shared, from, 0.3);
        third.stop();
        assert_eq!(std::fs::read_to_string(&csv).unwrap(), longer);
        receiver.set_nonblocking(true).unwrap();
        while receiver.recv(&mut [0; 4096]).is_ok() {}
        assert!(receiver.recv(&mut [0; 4096]).is_err());

        // A file that cannot be written is said.
        outgoing.record(Some(folder.path().join("no folder").join("a.csv")));
        let (mut writer, mut fourth) = self::worker(&shared, bus(4), None);
        play(&mut writer, &shared, from, 0.1);
        fourth.stop();
        assert!(matches!(outgoing.recording_state(), Recording::Failed(why) if why.contains("a.csv")));
        assert!(!outgoing.wanted(), "a recording that has failed keeps nobody at work");
    }

    #[test]
    fn layouts_and_engines_change_while_audio_flows() {
        let directory = tempfile::tempdir().unwrap();
        let shared = shared();
        let (mut writer, mut worker) = worker(&shared, bus(8), Some(directory.path()));
        play(&mut writer, &shared, Direction::LEFT, 0.3);
        set(&shared, "engine", "SRP-PHAT");
        play(&mut writer, &shared, Direction::LEFT, 0.3);
        shared.params.session.set_layout(presets::find("ring-6").unwrap().array);
        set(&shared, "grid_size", "500");
        play(&mut writer, &shared, Direction::LEFT, 0.3);
        worker.stop();
        let snapshot = shared.snapshot.load();
        assert_eq!((snapshot.spectrum.len(), snapshot.array.capsules().len()), (500, 6));
        assert_eq!(snapshot.health.message, None);
        let engines: Vec<_> =
            lines(directory.path()).iter().map(|l| l["engine"].as_str().unwrap().to_string()).collect();
        assert!(engines.contains(&"agg-rl".into()) && engines.contains(&"srp-phat".into()));
    }

    #[test]
    fn what_cannot_be_analysed_is_said() {
        let wide = presets::find("eigenmike-em32").unwrap().array;
        for (bus, said) in [
            (bus(1), "receiving 1 of 32 channels"),
            (Bus { sample_rate_hz: 8000.0, ..bus(4) }, "16000 to 768000 Hz, found 8000 Hz"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let shared = shared();
            shared.params.session.set_layout(wide.clone());
            let (mut writer, mut worker) = worker(&shared, bus, Some(directory.path()));
            play(&mut writer, &shared, Direction::LEFT, 0.5);
            std::thread::sleep(Duration::from_millis(600));
            worker.stop();
            let message = shared.snapshot.load().health.message.clone().unwrap_or_default();
            assert!(message.contains(said), "{message:?} should mention {said:?}");
        }
    }

    #[test]
    fn every_rate_is_analysed_or_refused_in_words() {
        for (sample_rate_hz, works) in [
            (1000.0, false),
            (1234.5678, false),
            (8000.0, false),
            (15_999.0, false),
            (16_000.0, true),
            (22_050.5, true),
            (44_100.0, true),
            (48_000.25, true),
            (96_000.0, true),
            (192_000.0, true),
            (768_000.0, true),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let shared = shared();
            set(&shared, "engine", "SRP-PHAT");
            set(&shared, "grid_size", "256");
            let (mut writer, mut worker) = worker(&shared, Bus { sample_rate_hz, ..bus(4) }, Some(directory.path()));
            play(&mut writer, &shared, Direction::LEFT, 6.0 * sample_rate_hz.max(RATE) / RATE * 0.05);
            worker.stop();
            let message = shared.snapshot.load().health.message.clone();
            match message {
                None => assert!(works && !lines(directory.path()).is_empty(), "{sample_rate_hz} Hz: no word, no frame"),
                Some(said) => {
                    assert!(!works, "{sample_rate_hz} Hz: {said}");
                    let found = format!("found {sample_rate_hz} Hz");
                    assert!(said.contains("16000 to 768000 Hz") && said.contains(&found), "{said}");
                }
            }
        }
    }

    #[test]
    fn audio_that_is_no_number_is_left_out_and_the_analysis_recovers() {
        let directory = tempfile::tempdir().unwrap();
        let shared = shared();
        set(&shared, "engine", "SRP-PHAT");
        set(&shared, "threshold", "0.2");
        set(&shared, "smoothing_ms", "100");
        let (mut writer, mut worker) = worker(&shared, bus(4), Some(directory.path()));
        let from = Direction::from_degrees(60.0, 20.0).unwrap();
        play(&mut writer, &shared, from, 0.3);
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(1), f32::MAX, f32::MIN] {
            // All channels, then one alone.
            for channels in [0..4, 2..3] {
                for _ in 0..12 {
                    while writer.free_blocks() == 0 {
                        std::thread::yield_now();
                    }
                    writer.push(256, |channel, out| out.fill(if channels.contains(&channel) { value } else { 0.01 }));
                }
            }
        }
        play(&mut writer, &shared, from, 1.0);
        worker.stop();
        let snapshot = shared.snapshot.load();
        assert!(!snapshot.spectrum.is_empty() && snapshot.spectrum.iter().all(|x| x.is_finite()));
        let lines = lines(directory.path());
        let last = lines[lines.len() - 1]["peaks"][0].clone();
        let angle = |name: &str| last[name].as_f64().unwrap();
        let found = Direction::from_degrees(angle("azimuth_deg"), angle("elevation_deg")).unwrap();
        assert!(found.angle_to_deg(&from) < 8.0, "{last}");
        assert!(lines.iter().flat_map(|l| l["peaks"].as_array().unwrap()).all(|p| p["score"].is_number()));
    }

    #[test]
    fn a_log_that_cannot_be_written_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let shared = shared();
        let (_, mut worker) = worker(&shared, bus(4), Some(&file));
        worker.stop();
        let message = shared.snapshot.load().health.message.clone().unwrap();
        assert!(message.contains("log cannot be opened"), "{message}");
    }

    #[test]
    fn a_panic_ends_in_a_message_and_blocks_flow_on() {
        let shared = shared();
        let (mut writer, mut reader) = block_pool(4, 16, 4);
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (shared, stop) = (shared.clone(), stop.clone());
            move || guard(&shared, &mut reader, &stop, |_| panic!("injected"))
        });
        let begin = Instant::now();
        for sent in 0..20 {
            while !writer.push(16, |_, out| out.fill(0.0)) {
                assert!(begin.elapsed() < Duration::from_secs(5), "stuck after {sent} blocks");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        stop.store(true, Ordering::Release);
        thread.join().unwrap();
        let message = shared.snapshot.load().health.message.clone().unwrap();
        assert!(message.contains("injected"), "{message}");
    }
}
