//! The bench as a program: a quick run has every row, and mistakes are named.

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).output().expect("the program starts")
}

/// The rows of the table under a heading, without its head, each as cells.
fn rows(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, part) =
        text.split_once(&format!("### {heading}\n")).unwrap_or_else(|| panic!("{heading} is missing in\n{text}"));
    let part = part.split("\n### ").next().unwrap();
    let lines = part.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn a_quick_run_has_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (json, markdown, picture) = (path("speed.json"), path("results.md"), path("speed.png"));
    std::fs::write(&markdown, "# By hand\n").unwrap();
    let arguments = ["--quick", "--commit", "abc", "--json", &json, "--write", &markdown, "--picture", &picture];
    let output = bench(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("- Commit: abc") && text.contains("A short run"), "{text}");
    let first = |heading: &str| rows(&text, heading).into_iter().map(|cells| cells[0].clone()).collect::<Vec<_>>();
    assert_eq!(first("Whole pipeline"), ["4", "12"]);
    assert_eq!(first("Sample rates"), ["48 kHz", "96 kHz"]);
    assert_eq!(first("Non-uniform DFT"), ["48 kHz", "96 kHz"]);
    let changes = first("Changes of settings");
    assert_eq!(changes.len(), 6);
    for (change, part) in changes.iter().zip(["instance, 4 ", "grid of 2048", "array of 4 ", "instance, 12 "]) {
        assert!(change.contains(part), "{changes:?}");
    }
    assert_eq!(first("Audio thread"), ["512 × 12"]);
    assert_eq!(first("Memory").len(), 3);
    let stages = first("Where the time of AGG-RL goes");
    for part in ["front end", "lift", "evidence", "network", "scoring", "whole localizer", "peaks", "tracks"] {
        assert!(stages.iter().any(|s| s.contains(part)), "{part} is missing in {stages:?}");
    }

    let figures: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    let loads = figures["pipeline"].as_array().unwrap();
    assert_eq!(loads.len(), 10, "two engines, two arrays, two grids, and tensors on the usual one");
    for load in loads.iter().chain(figures["at_rates"].as_array().unwrap()) {
        assert!(load["load"].as_f64().unwrap() > 0.0, "{load}");
    }
    for transform in figures["transforms"].as_array().unwrap() {
        assert!(transform["error"].as_f64().unwrap() < 1e-5, "{transform}");
    }
    let written = std::fs::read_to_string(markdown).unwrap();
    assert!(written.starts_with("# By hand\n") && written.contains(text.trim_end()), "{written}");
    assert!(written.contains("](speed.png)"), "{written}");
    assert!(std::fs::read(picture).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn mistakes_are_named_with_exit_code_2() {
    for (arguments, parts) in [
        (&["--fast"][..], ["--fast", "--help"]),
        (&["--json"], ["--json", "expected a file"]),
        (&["--write", "/no/such/folder/results.md"], ["--write", "/no/such/folder"]),
    ] {
        let output = bench(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(parts.iter().all(|p| errors.contains(p)), "{arguments:?}: {errors}");
    }
}
