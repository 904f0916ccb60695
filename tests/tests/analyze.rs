//! The command line: what it finds, and what it says to bad input.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use spherescope_tests::{bundle, frames, judge};
use spherescope_train::audio::write_wav_f32;
use spherescope_train::demo;

fn analyze(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(bundle::command_line().unwrap())
        .arg("analyze")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn directions_of_a_scene_are_found_in_the_contract_s_format() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let scene = demo::tetrahedral(4);
    let rendered = scene.render();
    write_wav_f32(file("scene.wav"), rendered.sample_rate_hz, &rendered.channels).unwrap();
    let truth = scene.truth();
    for (engine, most_deg) in [("agg-rl", 15.0), ("srp-phat", 30.0)] {
        let (jsonl, png) = (file(&format!("{engine}.jsonl")), file(&format!("{engine}.png")));
        let (code, out, err) = analyze(&[
            text(&file("scene.wav")),
            "--array",
            "a-format-tetrahedron",
            "--engine",
            engine,
            "--grid",
            "1024",
            "--peaks",
            "2",
            "--frames",
            text(&jsonl),
            "--png",
            text(&png),
        ]);
        assert_eq!(code, Some(0), "{out}{err}");
        assert!(fs::read(&png).unwrap().starts_with(b"\x89PNG"));
        let found = frames::read(&jsonl).unwrap();
        assert!(found.iter().all(|f| f.peaks.len() == 2), "--peaks 2 gives two peaks in every frame");
        let names = ["walks".to_string(), "stands".to_string()];
        let verdict = judge::compare(&found, &names, |end_s| {
            truth.between(end_s - 0.032, end_s).iter().filter(|s| s.active).map(|s| (s.talker, s.direction)).collect()
        })
        .unwrap();
        let median = verdict.median_deg.unwrap();
        println!("{engine}: median error {median:.1}° over {} frames", found.len());
        assert!(median < most_deg, "{engine}: expected less than {most_deg}°, found {median:.1}°");
    }
}

#[test]
fn an_array_wider_than_the_network_knows_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    write_wav_f32(file("quiet.wav"), 48_000, &vec![vec![0.0; 9_600]; 3]).unwrap();
    fs::write(file("wide.csv"), "channel,x_m,y_m,z_m\n0,0.4,0,0\n1,-0.4,0,0\n2,0,0.1,0.1\n").unwrap();
    for (engine, warned) in [("agg-rl", true), ("srp-phat", false)] {
        let (wav, array) = (file("quiet.wav"), file("wide.csv"));
        let (code, out, err) = analyze(&[text(&wav), "--array", text(&array), "--engine", engine]);
        assert_eq!(code, Some(0), "{out}{err}");
        assert_eq!(err.contains("0.80 m wide"), warned, "{engine}: {err}");
    }
}

#[test]
fn bad_input_is_named_and_nothing_is_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    write_wav_f32(file("good.wav"), 48_000, &vec![vec![0.1; 24_000]; 4]).unwrap();
    let good = fs::read(file("good.wav")).unwrap();
    fs::write(file("cut.wav"), &good[..good.len() / 2]).unwrap();
    fs::write(file("header.wav"), &good[..20]).unwrap();
    fs::write(file("empty.wav"), b"").unwrap();
    fs::write(file("text.wav"), "this is no audio at all").unwrap();
    fs::write(file("text.flac"), "fLaC and then nothing").unwrap();
    let mut with_nan = good.clone();
    let last = with_nan.len() - 4;
    with_nan[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(file("nan.wav"), with_nan).unwrap();
    write_wav_f32(file("slow.wav"), 8_000, &vec![vec![0.1; 24_000]; 4]).unwrap();
    write_wav_f32(file("short.wav"), 48_000, &vec![vec![0.1; 100]; 4]).unwrap();

    let layout = |name: &str, capsules: &[&str]| {
        fs::write(file(name), format!("{{\"name\": \"x\", \"capsules\": [\n{}\n]}}", capsules.join(",\n"))).unwrap();
    };
    let first = r#"{"channel": 0, "x_m": 0.01, "y_m": 0, "z_m": 0}"#;
    layout("one.json", &[first]);
    layout("same-place.json", &[first, r#"{"channel": 1, "x_m": 0.01, "y_m": 0, "z_m": 0}"#]);
    layout("same-channel.json", &[first, r#"{"channel": 0, "x_m": 0.02, "y_m": 0, "z_m": 0}"#]);
    layout("missing.json", &[first, r#"{"channel": 1, "x_m": 0.02, "z_m": 0}"#]);
    layout("nan.json", &[first, r#"{"channel": 1, "x_m": NaN, "y_m": 0, "z_m": 0}"#]);
    fs::write(file("nan.csv"), "channel,x_m,y_m,z_m\n0,0,0,0\n1,nan,0,0\n").unwrap();
    fs::write(file("fields.csv"), "channel,x_m,y_m,z_m\n0,0,0,0\n1,0.1,0\n").unwrap();
    fs::write(file("header.csv"), "a,b\n").unwrap();
    fs::write(file("nothing.json"), "").unwrap();
    fs::write(file("bytes.json"), [0xff, 0xfe, 0x00]).unwrap();

    let tetra = "a-format-tetrahedron";
    let at = |name: &str| file(name).to_str().unwrap().to_string();
    let cases: Vec<(String, String, &[&str])> = vec![
        (at("none.wav"), tetra.into(), &["none.wav"]),
        (at("cut.wav"), tetra.into(), &["cut.wav", "expected", "found"]),
        (at("header.wav"), tetra.into(), &["header.wav"]),
        (at("empty.wav"), tetra.into(), &["empty.wav", "expected"]),
        (at("text.wav"), tetra.into(), &["text.wav", "expected", "found"]),
        (at("text.flac"), tetra.into(), &["text.flac"]),
        (at("nan.wav"), tetra.into(), &["nan.wav", "finite"]),
        (at("slow.wav"), tetra.into(), &["slow.wav", "8000"]),
        (at("short.wav"), tetra.into(), &["short.wav", "32 ms"]),
        (at("good.wav"), "eigenmike-em32".into(), &["good.wav", "32", "found 4"]),
        (at("good.wav"), "no-such-array".into(), &["no-such-array", "ring-6"]),
        (at("good.wav"), at("one.json"), &["one.json", "at least 2", "found 1"]),
        (at("good.wav"), at("same-place.json"), &["same-place.json", "line 3"]),
        (at("good.wav"), at("same-channel.json"), &["same-channel.json", "line 3"]),
        (at("good.wav"), at("missing.json"), &["missing.json", "line 3", "y_m"]),
        (at("good.wav"), at("nan.json"), &["nan.json", "line 3"]),
        (at("good.wav"), at("nan.csv"), &["nan.csv", "line 3"]),
        (at("good.wav"), at("fields.csv"), &["fields.csv", "line 3", "4 fields", "found 3"]),
        (at("good.wav"), at("header.csv"), &["header.csv", "line 1", "expected", "found"]),
        (at("good.wav"), at("nothing.json"), &["nothing.json", "expected", "found"]),
        (at("good.wav"), at("bytes.json"), &["bytes.json", "UTF-8"]),
    ];
    let (jsonl, png) = (file("out.jsonl"), file("out.png"));
    for (input, array, parts) in cases {
        let (code, out, err) = analyze(&[&input, "--array", &array, "--frames", text(&jsonl), "--png", text(&png)]);
        assert_eq!(code, Some(2), "{input} on {array}: {out}{err}");
        for part in parts {
            assert!(err.contains(part), "{err:?} should mention {part:?}");
        }
        assert!(!err.contains("panicked"), "{err}");
        assert!(!jsonl.exists() && !png.exists(), "{input} on {array}: a file was written");
    }

    // A file from before stays as it was.
    fs::write(&jsonl, "kept").unwrap();
    let (code, ..) = analyze(&[&at("cut.wav"), "--array", tetra, "--frames", text(&jsonl)]);
    assert_eq!((code, fs::read_to_string(&jsonl).unwrap().as_str()), (Some(2), "kept"));
    // A place that cannot be written to.
    let (code, _, err) = analyze(&[&at("good.wav"), "--array", tetra, "--frames", "/no/such/folder/out.jsonl"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("/no/such/folder/out.jsonl"), "{err}");
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("out") || name.contains("tmp"))
        .collect();
    assert_eq!(left, ["out.jsonl"], "nothing half-written is left");
}
