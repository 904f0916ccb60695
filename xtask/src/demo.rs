//! `demo`: from a fresh clone to a table of true and found directions, a picture and a verdict.

use std::path::PathBuf;
use std::process::Command;

use crate::args::Args;
use crate::bundle::{self, Build};
use crate::packages;
use crate::workspace::{built, pass_through, target_dir};
use crate::{Failure, Outcome};

/// `cargo xtask demo`.
pub fn run(mut args: Args) -> Outcome {
    let seed: Option<u64> = args.parsed("--seed", "a whole number")?;
    let input = args.value("--input")?;
    let array = args.value("--array")?;
    let mut screenshot = !args.switch("--no-screenshot");
    args.finish()?;
    if input.is_some() != array.is_some() {
        return Err(Failure::Usage("demo: --input and --array go together".into()));
    }

    if screenshot && !cfg!(target_os = "linux") {
        println!("no picture: the editor in a virtual display is for Linux");
        screenshot = false;
    }
    if screenshot {
        let missing = packages::ensure(&[packages::EDITOR]);
        if !missing.is_empty() {
            println!("going on without a picture");
            screenshot = false;
        }
    }

    println!("building the plugin and its host (a first build takes some minutes)");
    let bundles = bundle::build(Build::Demo)?;
    let mut host = Command::new(built("release", "demo-host")?);
    host.arg("--bundle").arg(&bundles.clap).arg("--out").arg(target_dir()?.join("demo"));
    if let Some(seed) = seed {
        host.args(["--seed", &seed.to_string()]);
    }
    if let (Some(input), Some(array)) = (input, array) {
        host.arg("--input").arg(std::path::absolute(&input)?).arg("--array").arg(array_argument(&array));
    }
    if !screenshot {
        host.arg("--no-screenshot");
    }
    pass_through(&mut host)
}

/// A file's path made absolute, since the host runs elsewhere; a preset's name as it is.
fn array_argument(array: &str) -> PathBuf {
    let path = PathBuf::from(array);
    if path.exists() { std::path::absolute(&path).unwrap_or(path) } else { path }
}
