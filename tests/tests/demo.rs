//! The demo as a person runs it, and offline rendering, which must give the same directions every time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use spherescope_dsp::presets;
use spherescope_tests::{bundle, frames};
use spherescope_train::audio::write_wav_f32;
use spherescope_train::demo;

const HOST: &str = env!("CARGO_BIN_EXE_demo-host");

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).env_remove("SPHERESCOPE_LOG").output().unwrap()
}

fn demo_host(out: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(Command::new(HOST)
        .arg("--bundle")
        .arg(bundle::clap().unwrap())
        .arg("--out")
        .arg(out)
        .arg("--no-screenshot")
        .args(arguments));
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn both_arrays_find_their_talkers_and_a_recording_of_them_does_too() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = demo_host(folder.path(), &["--seed", "2"]);
    assert_eq!(code, Some(0), "{said}");
    let verdict = said.lines().last().unwrap_or("");
    assert!(verdict.starts_with("PASS: median errors "), "{said}");
    println!("{verdict}");

    let audio = folder.path().join("tetrahedral.wav");
    let (code, said) =
        demo_host(folder.path(), &["--input", audio.to_str().unwrap(), "--array", "a-format-tetrahedron"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("PASS: directions were found in"), "{said}");
}

#[test]
fn recordings_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let noise = folder.path().join("noise.wav");
    write_wav_f32(&noise, 48_000, &vec![vec![0.1; 48_000]; 4]).unwrap();
    let noise = noise.to_str().unwrap();
    for (arguments, parts) in [
        (["--input", "no such file.wav", "--array", "ring-6"], &["no such file.wav"][..]),
        (["--input", noise, "--array", "ring-7"], &["ring-7", "ring-6"]),
        (["--input", noise, "--array", "eigenmike-em32"], &["noise.wav", "at least 32", "found 4"]),
    ] {
        let (code, said) = demo_host(folder.path(), &arguments);
        assert_eq!(code, Some(2), "{said}");
        for part in parts {
            assert!(said.contains(part), "{said:?} should mention {part:?}");
        }
    }
}

/// The log's bytes of three seconds of speech, rendered offline in blocks of so many frames.
fn offline_log(folder: &Path, audio: &Path, layout: &Path, block_frames: usize, name: &str) -> Vec<u8> {
    let logs = folder.join(name);
    fs::create_dir_all(&logs).unwrap();
    let job = serde_json::json!({
        "bundle": bundle::clap().unwrap(), "audio": audio, "layout": layout, "engine": 0.0,
        "block_frames": block_frames, "picture": null,
    });
    let output = Command::new(HOST)
        .args(["play", &job.to_string()])
        .env("SPHERESCOPE_LOG", &logs)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = frames::logs(&logs).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    fs::read(&found[0]).unwrap()
}

#[test]
fn offline_rendering_gives_the_same_log_twice_and_at_any_block_size() {
    let folder = tempfile::tempdir().unwrap();
    let [audio, layout]: [PathBuf; 2] = ["speech.wav", "array.json"].map(|name| folder.path().join(name));
    let scene = demo::tetrahedral(3);
    let rendered = scene.render();
    let start: Vec<Vec<f32>> =
        rendered.channels.iter().map(|c| c[..3 * rendered.sample_rate_hz as usize].to_vec()).collect();
    write_wav_f32(&audio, rendered.sample_rate_hz, &start).unwrap();
    fs::write(&layout, presets::find("a-format-tetrahedron").unwrap().array.to_json()).unwrap();

    let first = offline_log(folder.path(), &audio, &layout, 512, "first");
    let parsed = frames::read(&folder.path().join("first/instance-1.jsonl")).unwrap();
    let last = parsed.last().unwrap().t_s;
    assert!(last > 2.9 && last <= 3.0, "nothing may be lost: the last frame ends at {last} s of 3 s");
    let steps: Vec<_> = parsed.windows(2).map(|w| w[1].t_s - w[0].t_s).collect();
    assert!(steps.iter().all(|s| (s - steps[0]).abs() < 1e-4), "frames follow each other without a gap");
    println!("{} frames, {:.1} ms apart", parsed.len(), 1000.0 * steps[0]);

    assert!(first == offline_log(folder.path(), &audio, &layout, 512, "second"), "the second log differs");
    for block_frames in [1024, 333, 64] {
        let log = offline_log(folder.path(), &audio, &layout, block_frames, &format!("blocks-{block_frames}"));
        assert!(first == log, "the log at blocks of {block_frames} frames differs");
    }
}
