//! The random host for twenty seconds; `cargo xtask shake` goes on for as long as one likes, with any seed.

use std::process::{Command, Stdio};

use spherescope_tests::bundle;

const SHAKE: &str = env!("CARGO_BIN_EXE_shake");

#[test]
fn random_calls_in_legal_order_are_survived_and_nothing_grows() {
    let output = Command::new(SHAKE)
        .arg("--bundle")
        .arg(bundle::clap().unwrap())
        .args(["--seed", "1", "--seconds", "20"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("PASS: "), "{said}");
}

#[test]
fn a_host_that_dies_is_told_with_its_seed() {
    let output = Command::new(SHAKE)
        .args(["--bundle", "/no/such/bundle.clap", "--seed", "3", "--seconds", "1", "--no-editors"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("FAIL: seed 3, after 0 calls") && said.contains("/no/such/bundle.clap"), "{said}");
}
