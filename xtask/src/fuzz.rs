//! `fuzz`: hostile bytes for everything that reads bytes, for a while, each target in a process of its own.

use std::process::{Command, Stdio};

use crate::args::Args;
use crate::bundle::{self, Build};
use crate::steps::Steps;
use crate::workspace::{built, pass_through, target_dir};
use crate::{Failure, Outcome};

/// Those of `spherescope_tests::fuzz::Target`.
const TARGETS: [&str; 5] = ["layout", "audio", "weights", "state", "text"];

/// `cargo xtask fuzz`.
pub fn run(mut args: Args) -> Outcome {
    let seed: u64 = args.parsed("--seed", "a whole number")?.unwrap_or(1);
    let seconds: f64 = args.parsed("--seconds", "a number of seconds")?.unwrap_or(60.0);
    let target: Option<String> = args.parsed("--target", "a target's name")?;
    args.finish()?;
    if !(seconds.is_finite() && seconds > 0.0) {
        return Err(Failure::Usage(format!("fuzz: expected seconds above 0, found {seconds}")));
    }
    if let Some(name) = target.as_deref().filter(|name| !TARGETS.contains(name)) {
        return Err(Failure::Usage(format!("fuzz: expected --target {}, found `{name}`", TARGETS.join(", "))));
    }
    let bundles = bundle::build(Build::Tests)?;
    let target_folder = target_dir()?;
    let program = built("debug", "fuzz")?;
    let folder = target_folder.join("fuzz");
    let mut steps = Steps::default();
    for name in TARGETS.into_iter().filter(|name| target.as_deref().is_none_or(|wanted| wanted == *name)) {
        steps.run(name, || {
            let mut reader = Command::new(&program);
            reader.stdin(Stdio::null()).args(["--target", name, "--folder"]).arg(&folder);
            reader.args(["--seed", &seed.to_string(), "--seconds", &seconds.to_string()]);
            reader.env("SPHERESCOPE_BUNDLE_DIR", &bundles.dir).env("NICE_LOG", folder.join("plugin.log"));
            let now = folder.join(format!("{name}-now"));
            pass_through(&mut reader).map_err(|failure| match failure {
                // The whole process has gone with the input that it looked at.
                Failure::Task(why) if now.exists() => Failure::Task(format!("{why}: see {}", now.display())),
                other => other,
            })?;
            Ok(format!("{seconds} s with seed {seed}"))
        });
    }
    steps.finish()
}
