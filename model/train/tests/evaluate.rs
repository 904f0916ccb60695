//! The evaluation as a program: a tiny run, and what it says to mistakes.

use std::process::{Command, Output};

fn evaluate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evaluate")).args(arguments).output().expect("the program starts")
}

#[test]
fn one_scene_gives_tables_and_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.md");
    std::fs::write(&file, "# By hand\n").unwrap();
    let path = file.to_str().unwrap();
    let arguments = ["sim-s", "rir-r3vival", "listening"].into_iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = arguments.chain(["--scenes", "1", "--commit", "abc", "--write", path]).collect();
    let output = evaluate(&arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("built-in"), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "- Commit: abc",
        "SHA-256 ",
        "; a spectrum is known 32 ms after its window, and is counted as the window's",
        "| set | pairs | AGG-RL | SRP-PHAT | SRP-PHAT smoothed | MUSIC |",
        "| sim-s | ",
        "rir-r3vival: skipped",
        "Expected calibration error",
        "| sim-three | 30 s | ",
        "| 0.40 | ",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.starts_with("# By hand\n") && written.contains(text.trim_end()), "{written}");
    // The same again: the same figures.
    assert_eq!(String::from_utf8(evaluate(&arguments).stdout).unwrap(), text);
}

#[test]
fn mistakes_are_named_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.safetensors");
    std::fs::write(&junk, "no weights").unwrap();
    for (arguments, parts) in [
        (vec!["--set", "sim-x"], ["--set", "sim-x"]),
        (vec!["--threshold", "-1"], ["--threshold", "-1"]),
        (vec!["--weights", junk.to_str().unwrap()], ["--weights", "expected a safetensors file"]),
        (vec!["--sources", "/no/such/folder"], ["--sources", "/no/such/folder"]),
        (vec!["--set", "rir-r3vival", "--rooms", "/no/such/folder"], ["--rooms", "/no/such/folder"]),
    ] {
        let output = evaluate(&arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(parts.iter().all(|p| errors.contains(p)), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty());
    }
}
