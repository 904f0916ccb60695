//! Hostile bytes for all that reads bytes, a short while each; `cargo xtask fuzz` goes on for as long as one likes, with any seed.
//!
//! Inputs that a reader once fell over lie among the examples in `fixtures/fuzz`, so that each is asked again here.

use std::process::Command;

use spherescope_tests::fuzz::memory::Meter;
use spherescope_tests::fuzz::{Target, Until, run};

#[global_allocator]
static METER: Meter = Meter;

fn survives(target: Target, inputs: u64, least_answers: usize) {
    let folder = tempfile::tempdir().unwrap();
    let report = run(target, 1, Until::Inputs(inputs), folder.path()).unwrap();
    println!("{target}: {report}");
    // All examples are among the inputs, and both kinds of answers among theirs: a reader that takes or refuses everything is none.
    assert!(report.taken > 0 && report.taken < report.inputs, "{report}");
    assert!(report.answers >= least_answers, "{report}");
    assert!(report.most_bytes > 0, "memory is not counted");
}

// One test: memory is counted for the whole program.
#[test]
fn hostile_bytes_are_answered_by_every_reader() {
    survives(Target::Layout, 3000, 20);
    survives(Target::Audio, 1500, 10);
    survives(Target::Weights, 1000, 10);
    survives(Target::State, 400, 2);
    survives(Target::Text, 1000, 4);
}

#[test]
fn the_command_says_what_it_does_not_understand() {
    for (arguments, part) in [
        (
            &["--target", "tables", "--folder", "x"][..],
            "expected one of layout, audio, weights, state, text, found `tables`",
        ),
        (&["--seconds", "0", "--folder", "x"], "above 0"),
        (&[], "--folder"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_fuzz")).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(part), "{said}");
    }
}
