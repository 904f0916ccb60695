//! `shake`: the random host for a while: calls in random, legal order, and a watch over memory, threads and open files.

use std::process::Command;

use crate::args::Args;
use crate::bundle::{self, Build};
use crate::packages;
use crate::workspace::{built, pass_through};
use crate::{Failure, Outcome};

/// `cargo xtask shake`.
pub fn run(mut args: Args) -> Outcome {
    let seed: Option<u64> = args.parsed("--seed", "a whole number")?;
    let minutes: f64 = args.parsed("--minutes", "a number of minutes")?.unwrap_or(1.0);
    let mut editors = !args.switch("--no-editors");
    let verbose = args.switch("--verbose");
    args.finish()?;
    if !(minutes.is_finite() && minutes > 0.0) {
        return Err(Failure::Usage(format!("shake: expected minutes above 0, found {minutes}")));
    }
    if editors && (!cfg!(target_os = "linux") || !packages::ensure(&[packages::EDITOR]).is_empty()) {
        println!("NO EDITORS are opened: that needs a virtual display");
        editors = false;
    }
    let bundles = bundle::build(Build::Tests)?;
    let mut host = Command::new(built("debug", "shake")?);
    host.arg("--bundle").arg(&bundles.clap);
    host.args(["--seed", &seed.unwrap_or(1).to_string(), "--seconds", &(60.0 * minutes).to_string()]);
    if !editors {
        host.arg("--no-editors");
    }
    if verbose {
        host.arg("--verbose");
    }
    pass_through(&mut host)
}
