//! `pictures`: draws every panel of the editor with the view's picture tests and puts the chosen ones into docs/pictures.

use std::fs;
use std::path::Path;

use crate::args::Args;
use crate::packages;
use crate::workspace::{cargo, pass_through, target_dir};
use crate::{Failure, Outcome};

/// Pictures of the tests, and their names in the documentation.
const CHOSEN: [(&str, &str); 15] = [
    ("history", "sources-and-history"),
    ("live-Hammer", "hammer"),
    ("live-UpDown", "up-down"),
    ("live-FrontBack", "front-back"),
    ("live-both", "map-and-globe"),
    ("compare-1900", "compare"),
    ("state-flat-array", "flat-array"),
    ("array-edited", "array"),
    ("array-eigenmike-em32", "array-tools"),
    ("doctor-swapped", "doctor"),
    ("import-directions", "import"),
    ("size-480x320", "small-window"),
    ("hall", "backdrop"),
    ("region-Front", "region"),
    ("output-sending", "output"),
];

/// `cargo xtask pictures`.
pub fn run(args: Args) -> Outcome {
    args.finish()?;
    let missing = packages::ensure(&[packages::TESTS]);
    if !missing.is_empty() {
        return Err(Failure::Task(format!("missing: {}", missing.join(" "))));
    }
    let drawn = target_dir()?.join("pictures");
    fs::create_dir_all(&drawn)?;
    let mut command = cargo();
    command.args(["test", "--workspace", "--test", "pictures"]).env("OUT", &drawn);
    pass_through(&mut command)?;
    let docs = Path::new("docs/pictures");
    fs::create_dir_all(docs)?;
    for (test, name) in CHOSEN {
        let from = drawn.join(format!("{test}.png"));
        if !from.is_file() {
            return Err(Failure::Task(format!("expected a picture {}, found none: no renderer?", from.display())));
        }
        let to = docs.join(format!("{name}.png"));
        fs::copy(&from, &to)?;
        println!("{}", to.display());
    }
    println!("PASS: {} pictures; look at them", CHOSEN.len());
    Ok(())
}
