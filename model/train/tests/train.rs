//! The training as a program: what it says to mistakes.

use std::process::Command;

#[test]
fn mistakes_are_named_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (junk, recipe) = (file("junk.safetensors", "no weights"), file("recipe.json", "{\"name\": 3}"));
    let out = folder.path().join("run");
    for (arguments, parts) in [
        (vec!["--recipe", "slow"], ["expected quick or full", "`slow`"]),
        (vec!["--recipe", &recipe], ["recipe.json", "line 1"]),
        (vec!["--threads"], ["--threads", "found none"]),
        (vec!["--minutes", "-3"], ["--minutes", "`-3`"]),
        (vec!["--ablations", "x"], ["--ablations", "`x`"]),
        (vec!["--quick", "1"], ["--recipe", "`--quick`"]),
        (vec!["--sources", "/no/such/folder"], ["--sources", "/no/such/folder"]),
        (vec!["--start", &junk], ["--start", "expected a safetensors file"]),
        (vec!["--calibrate", &junk], ["--calibrate", "expected a safetensors file"]),
    ] {
        let mut train = Command::new(env!("CARGO_BIN_EXE_train"));
        let output =
            train.args(["--out", out.to_str().unwrap()]).args(&arguments).output().expect("the program starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(parts.iter().all(|p| errors.contains(p)), "{arguments:?}: {errors}");
    }
    // The old file stays, and no run was begun.
    assert_eq!(std::fs::read_to_string(&junk).unwrap(), "no weights");
    assert!(!out.exists());
}
