//! `process` never calls the system, so it never waits for a lock, a file or another thread: seen with strace.
//!
//! The program runs itself under strace. Around each `process` call the audio thread asks for its parent's number, a system call that
//! nobody else makes; between the two nothing may be seen on that thread.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};

use spherescope_tests::bundle;
use spherescope_tests::host::{Activation, ClapHost};
use spherescope_tests::signal::{BlockSizes, WhiteNoise};

const INSIDE: &str = "SPHERESCOPE_UNDER_STRACE";
const MARK: &str = "getppid(";
const BLOCKS: usize = 400;
const WIDTHS: [u32; 3] = [2, 32, 64];

/// Makes the mark's system call on its creation and on its end.
struct Marked;

impl Marked {
    fn begin() -> Self {
        let _ = std::os::unix::process::parent_id();
        Self
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        let _ = std::os::unix::process::parent_id();
    }
}

fn play() {
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    for width in WIDTHS {
        let mut instance = host.instance().unwrap();
        instance.select_width(width).unwrap();
        let parameters = instance.parameters().unwrap();
        let mut stream = instance.activate(Activation::default()).unwrap();
        let stream = std::thread::spawn(move || {
            let mut noise = WhiteNoise::new(3);
            // The first block meets the library's thread-local variables.
            stream.run(64).unwrap();
            // Much faster than real time, so that the pool is full at times.
            for (block, frames) in BlockSizes::new(5, 1024).take(BLOCKS).enumerate() {
                for channel in 0..stream.channels() {
                    noise.fill(0.5, &mut stream.input_mut(channel)[..frames]);
                }
                if block % 10 == 0 {
                    let p = &parameters[block / 10 % parameters.len()];
                    stream.set_parameter(p.id, if block % 20 == 0 { p.max } else { p.default });
                }
                stream.run_guarded(frames, Marked::begin).unwrap();
            }
            stream
        })
        .join()
        .unwrap();
        instance.deactivate(stream);
    }
}

/// The calls between the marks of each thread, and how many pairs of marks there are.
fn between_marks(trace: &str) -> (Vec<&str>, usize) {
    let mut open = std::collections::HashMap::new();
    let (mut calls, mut pairs) = (Vec::new(), 0);
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let inside = open.entry(thread).or_insert(false);
        let call = call.trim_start();
        if call.starts_with(MARK) {
            pairs += usize::from(*inside);
            *inside = !*inside;
        } else if *inside && !call.starts_with("---") && !call.starts_with("<... getppid resumed>") {
            calls.push(line);
        }
    }
    (calls, pairs)
}

#[test]
fn calls_between_marks_are_found() {
    // The first mark's answer is on a line of its own, as when threads are switched in the middle.
    let trace = "10  getppid( <unfinished ...>\n10  <... getppid resumed>) = 1\n10  getppid() = 1\n";
    assert_eq!(between_marks(trace), (vec![], 1));
    let trace = "10 getppid() = 1\n11 futex(0x1) = 0\n10 futex(0x2) = 0\n10 getppid() = 1\n10 write(1) = 1\n";
    assert_eq!(between_marks(trace), (vec!["10 futex(0x2) = 0"], 1));
}

#[test]
fn process_makes_no_system_call() {
    if std::env::var_os(INSIDE).is_some() {
        return play();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).stdin(Stdio::null()).output();
    if !tried.is_ok_and(|o| o.status.success()) {
        println!("NOT RUN: strace is not installed or may not trace here");
        return;
    }
    let output = Command::new("strace")
        .arg("-f")
        .arg("-o")
        .arg(&file)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "process_makes_no_system_call", "--nocapture"])
        .env(INSIDE, "1")
        .env("SPHERESCOPE_BUNDLE_DIR", bundle::dir().unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trace = fs::read_to_string(&file).unwrap();
    let (calls, pairs) = between_marks(&trace);
    assert_eq!(pairs, BLOCKS * WIDTHS.len(), "every call of process is between two marks");
    assert!(
        calls.is_empty(),
        "{} system calls in {pairs} calls of process, such as {:?}",
        calls.len(),
        &calls[..calls.len().min(5)]
    );
}
