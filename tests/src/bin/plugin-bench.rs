//! How fast the built plugin is inside a host: scan, instances, the audio callback, memory. `cargo xtask bench` runs it.
//!
//! Each figure comes from a process of its own, so that no measurement leaves memory, threads or warm tables to the next one. Where
//! the analysis has to run, frames are logged into a folder that is thrown away: without an editor nobody else asks for results.
//!
//! Exit codes: 0 all well, 1 something could not be measured, 2 the command line is wrong.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use spherescope_dsp::presets;
use spherescope_tests::Result;
use spherescope_tests::host::{Activation, ClapHost, Instance, Mode, StateDocument, Stream};
use spherescope_train::bench::clock::{cpu_s, resident_mb};

/// Frames of a block, and channels of the bus.
const BLOCK: (usize, u32) = (512, 32);
/// Sample rate in Hz.
const RATE_HZ: f64 = 48_000.0;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--bundle", bundle] => report(Path::new(bundle), 100_000),
        ["--bundle", bundle, "--quick"] => report(Path::new(bundle), 2_000),
        ["--inside", what, bundle, count] => inside(what, Path::new(bundle), count),
        _ => {
            eprintln!("plugin-bench: expected --bundle FILE [--quick], found {words:?}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plugin-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints everything as Markdown.
fn report(bundle: &Path, blocks: usize) -> Result<()> {
    let mut scans = Vec::new();
    for _ in 0..9 {
        scans.push(measured(bundle, "scan", "1")?[0]);
    }
    scans.sort_by(f64::total_cmp);
    let lives = measured(bundle, "lives", "20")?;
    let calls = measured(bundle, "process", &blocks.to_string())?;
    let delays = measured(bundle, "delay", if blocks < 10_000 { "5" } else { "60" })?;
    let memory = measured(bundle, "memory", "2")?;
    let size_mb = std::fs::metadata(bundle)?.len() as f64 / 1e6;
    let (frames, channels) = BLOCK;
    println!(
        "\n### In a host\n\nThe CLAP bundle as it ships, in a host of a few lines, {channels} channels at 48 kHz; wall time.\n"
    );
    println!("| figure | target | measured |\n| --- | --- | --- |");
    println!(
        "| scan: load the library, list its plugins (median of nine processes) | ≤ 20 ms | {:.1} ms |",
        1e3 * scans[4]
    );
    println!("| a new instance (first, median of {}) | ≤ 5 ms | {:.1}, {:.2} ms |", 20, 1e3 * lives[0], 1e3 * lives[1]);
    println!("| activation (median) | – | {:.2} ms |", 1e3 * lives[2]);
    println!(
        "| `process()`, {frames} × {channels}, nobody looks on: median, 99.9 %, worst of {blocks} | ≤ 5 µs | {:.2}, {:.2}, {:.1} µs |",
        1e6 * calls[0],
        1e6 * calls[1],
        1e6 * calls[2]
    );
    println!(
        "| sound to snapshot: from the block with which a sound begins to the first OSC message that tells of it; median, worst | ≤ 50 ms | {:.1}, {:.1} ms |",
        1e3 * delays[0],
        1e3 * delays[1]
    );
    println!(
        "| memory of the first, and of a further, active instance that analyses | ≤ 60 MB | {:.1}, {:.1} MB |",
        memory[0], memory[1]
    );
    println!("| library on disk | ≤ 12 MB | {size_mb:.1} MB |");
    println!(
        "\nInstances at the same time, offline, each with the whole analysis and its log: CPU seconds of one for a second of audio, everything included.\n"
    );
    println!("| instances | each |\n| --- | --- |");
    for instances in ["1", "4", "16"] {
        println!("| {instances} | {:.4} |", measured(bundle, "many", instances)?[0]);
    }
    Ok(())
}

/// Runs one measurement in a process of its own; its figures.
fn measured(bundle: &Path, what: &str, count: &str) -> Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--inside", what]).arg(bundle).arg(count);
    if matches!(what, "memory" | "many") {
        child.env("SPHERESCOPE_LOG", folder.path());
    } else {
        child.env_remove("SPHERESCOPE_LOG");
    }
    let output = child.output()?;
    if !output.status.success() {
        return Err(format!("{what}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    // The plugin's logger may have written before the line that counts.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().last().unwrap_or_default();
    Ok(line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?)
}

/// One measurement; prints its figures on the last line.
fn inside(what: &str, bundle: &Path, count: &str) -> Result<()> {
    let bundle: PathBuf = bundle.to_owned();
    let count: usize = count.parse()?;
    let figures = match what {
        "scan" => {
            let begin = Instant::now();
            let host = ClapHost::load(&bundle)?;
            let took_s = begin.elapsed().as_secs_f64();
            drop(host);
            vec![took_s]
        }
        "lives" => lives(&ClapHost::load(&bundle)?, count)?,
        "process" => process(&ClapHost::load(&bundle)?, count)?,
        "delay" => delay(&ClapHost::load(&bundle)?, count)?,
        "memory" => memory(&ClapHost::load(&bundle)?, count)?,
        "many" => many(&ClapHost::load(&bundle)?, count)?,
        other => return Err(format!("there is no measurement {other}").into()),
    };
    println!("\n{}", figures.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
    Ok(())
}

fn activation() -> Activation {
    Activation { sample_rate_hz: RATE_HZ, min_frames: 1, max_frames: BLOCK.0 as u32 }
}

/// Seconds of the first new instance, and the medians of creation and activation.
fn lives(host: &ClapHost, count: usize) -> Result<Vec<f64>> {
    let (mut creations, mut activations) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let begin = Instant::now();
        let mut instance = host.instance()?;
        creations.push(begin.elapsed().as_secs_f64());
        instance.select_width(BLOCK.1)?;
        let begin = Instant::now();
        let stream = instance.activate(activation())?;
        activations.push(begin.elapsed().as_secs_f64());
        instance.deactivate(stream);
    }
    let first = creations[0];
    for times in [&mut creations, &mut activations] {
        times.sort_by(f64::total_cmp);
    }
    Ok(vec![first, creations[count / 2], activations[count / 2]])
}

/// An active instance.
fn active(host: &ClapHost, mode: Mode) -> Result<(Instance, Stream)> {
    let mut instance = host.instance()?;
    instance.select_width(BLOCK.1)?;
    instance.set_mode(mode)?;
    let mut stream = instance.activate(activation())?;
    fill(&mut stream);
    Ok((instance, stream))
}

/// Sets the block that is played again and again: what the analysis costs does not depend on what it hears.
fn fill(stream: &mut Stream) {
    for channel in 0..stream.channels() {
        for (i, x) in stream.input_mut(channel).iter_mut().enumerate() {
            let n = i as f32;
            *x = 0.1 * (0.37 * n + 0.001 * n * n % 6.0 + 0.4 * channel as f32).sin();
        }
    }
}

/// Seconds of the callback: median, 99.9th percentile, worst.
fn process(host: &ClapHost, blocks: usize) -> Result<Vec<f64>> {
    let (mut instance, mut stream) = active(host, Mode::Realtime)?;
    let mut times = Vec::with_capacity(blocks);
    for block in 0..blocks {
        let begin = Instant::now();
        stream.run(BLOCK.0)?;
        times.push(begin.elapsed().as_secs_f64());
        if block % 16 == 15 {
            // The worker takes what has gathered, as it would between the calls of a sound card.
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    instance.deactivate(stream);
    times.sort_by(f64::total_cmp);
    Ok(vec![times[blocks / 2], times[blocks * 999 / 1000], times[blocks - 1]])
}

/// Seconds from the call with whose block a sound begins to the message that says so: median and worst of some sounds, each at another
/// place between the frames. Blocks come at the pace of a sound card.
fn delay(host: &ClapHost, sounds: usize) -> Result<Vec<f64>> {
    const QUIET_S: f64 = 0.6;
    const WITHIN: Duration = Duration::from_secs(2);
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    receiver.set_nonblocking(true)?;
    let mut instance = host.instance()?;
    let mut state = StateDocument::read(&instance.save_state()?)?;
    let array = presets::find("eigenmike-em32").ok_or("there is no em32")?.array;
    state.set_field("layout", &array.to_json());
    state
        .set_field("osc", &serde_json::json!({ "on": true, "target": receiver.local_addr()?.to_string() }).to_string());
    instance.load_state(&state.to_bytes())?;
    instance.select_width(BLOCK.1)?;
    instance.set_mode(Mode::Realtime)?;
    let mut stream = instance.activate(activation())?;
    let period = Duration::from_secs_f64(BLOCK.0 as f64 / RATE_HZ);
    let (mut delays, mut bytes) = (Vec::new(), [0u8; 8192]);
    let mut due = Instant::now();
    let mut latest = |receiver: &UdpSocket| {
        let mut active = None;
        while let Ok(length) = receiver.recv(&mut bytes) {
            active = says_active(&bytes[..length]).or(active);
        }
        active
    };
    for sound in 0..sounds {
        // No two pauses are as long as each other.
        let quiet = (QUIET_S / period.as_secs_f64()) as usize + sound * 7 % 13;
        let mut begun = None;
        for block in 0.. {
            while Instant::now() < due {
                if let (Some(begun), Some(true)) = (begun, latest(&receiver)) {
                    delays.push(Instant::elapsed(&begun).as_secs_f64());
                    break;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            if delays.len() > sound {
                break;
            }
            if block < quiet {
                for channel in 0..stream.channels() {
                    stream.input_mut(channel).fill(0.0);
                }
                latest(&receiver);
            } else {
                fill(&mut stream);
            }
            if block == quiet {
                begun = Some(Instant::now());
            }
            stream.run(BLOCK.0)?;
            due += period;
            if begun.is_some_and(|begun| begun.elapsed() > WITHIN) {
                return Err(format!("sound {sound}: nothing was told within {WITHIN:?}").into());
            }
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due = due.max(Instant::now());
    }
    instance.deactivate(stream);
    delays.sort_by(f64::total_cmp);
    Ok(vec![delays[sounds / 2], delays[sounds - 1]])
}

/// What an OSC bundle says of `/spherescope/active`.
fn says_active(bundle: &[u8]) -> Option<bool> {
    const ADDRESS: &[u8] = b"/spherescope/active\0,i\0\0";
    let at = bundle.windows(ADDRESS.len()).position(|w| w == ADDRESS)? + ADDRESS.len();
    let value = bundle.get(at..at + 4)?;
    Some(value != [0; 4])
}

/// MB that each further instance takes once it has analysed two seconds.
fn memory(host: &ClapHost, instances: usize) -> Result<Vec<f64>> {
    let resident = || resident_mb().ok_or("the system does not tell the resident memory");
    let (mut kept, mut figures) = (Vec::new(), Vec::new());
    for _ in 0..instances {
        let before = resident()?;
        let (instance, mut stream) = active(host, Mode::Offline)?;
        play(&mut stream, 2.0)?;
        std::thread::sleep(Duration::from_millis(300));
        figures.push(resident()? - before);
        kept.push((instance, stream));
    }
    for (mut instance, stream) in kept {
        instance.deactivate(stream);
    }
    Ok(figures)
}

fn play(stream: &mut Stream, seconds: f64) -> Result<()> {
    for _ in 0..(seconds * RATE_HZ) as usize / BLOCK.0 {
        stream.run(BLOCK.0)?;
    }
    Ok(())
}

/// CPU seconds of one of several instances for a second of audio.
fn many(host: &ClapHost, instances: usize) -> Result<Vec<f64>> {
    const SECONDS: f64 = 4.0;
    let mut ready = Vec::new();
    for _ in 0..instances {
        let (instance, mut stream) = active(host, Mode::Offline)?;
        play(&mut stream, 0.2)?;
        ready.push((instance, stream));
    }
    let begin = cpu_s();
    std::thread::scope(|scope| {
        let running: Vec<_> = ready
            .iter_mut()
            .map(|(_, stream)| scope.spawn(move || play(stream, SECONDS).map_err(|e| e.to_string())))
            .collect();
        running.into_iter().try_for_each(|r| r.join().unwrap_or_else(|_| Err("an instance panicked".into())))
    })?;
    for (mut instance, stream) in ready {
        // Waits for the last blocks.
        instance.deactivate(stream);
    }
    Ok(vec![(cpu_s() - begin) / (instances as f64 * SECONDS)])
}
