//! `bench`: how fast everything is that needs no host, measured as it ships, as tables.

use std::path::Path;

use crate::args::Args;
use crate::evaluate::{absolute, commit};
use crate::workspace::{cargo, pass_through};
use crate::{Failure, Outcome};

/// `cargo xtask bench`.
pub fn run(mut args: Args) -> Outcome {
    let mut words: Vec<String> = Vec::new();
    if args.switch("--quick") {
        words.push("--quick".into());
    }
    if let Some(file) = args.value("--json")? {
        words.extend(["--json".into(), absolute(&file)?]);
    }
    if let Some(file) = args.value("--write")? {
        let file = absolute(&file)?;
        let folder = Path::new(&file)
            .parent()
            .map(|p| p.join("results"))
            .ok_or_else(|| Failure::Usage(format!("bench: expected a Markdown file after --write, found `{file}`")))?;
        std::fs::create_dir_all(&folder)?;
        let picture = folder.join("speed.png").to_string_lossy().into_owned();
        words.extend(["--write".into(), file, "--picture".into(), picture]);
    }
    args.finish()?;

    let asked: Vec<String> = std::env::args().skip(1).collect();
    words.extend(["--command".into(), format!("cargo xtask {}", asked.join(" ")), "--commit".into(), commit()]);
    let mut bench = cargo();
    bench.args(["run", "--release", "--package", "spherescope-train", "--bin", "bench", "--"]).args(words);
    pass_through(&mut bench)
}
