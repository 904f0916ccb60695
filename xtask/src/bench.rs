//! `bench`: how fast the parts and the built plugin are, measured as they ship, as tables.

use std::io::Write as _;
use std::path::Path;

use crate::args::Args;
use crate::bundle::{self, Build};
use crate::evaluate::{absolute, commit};
use crate::workspace::{cargo, pass_through, target_dir};
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

    let quick = words.iter().any(|w| w == "--quick");
    let in_host = target_dir()?.join("plugin-bench.md");
    words.extend(["--append".into(), in_host.to_string_lossy().into_owned()]);

    let asked: Vec<String> = std::env::args().skip(1).collect();
    words.extend(["--command".into(), format!("cargo xtask {}", asked.join(" ")), "--commit".into(), commit()]);
    let bundles = bundle::build(Build::Shipped)?;
    let mut host = cargo();
    host.args(["run", "--release", "--package", "spherescope-tests", "--bin", "plugin-bench", "--", "--bundle"]);
    host.arg(&bundles.clap);
    if quick {
        host.arg("--quick");
    }
    let mut editor = cargo();
    editor.args(["run", "--release", "--package", "spherescope-view", "--bin", "frame-time", "--"]);
    editor.args(["--frames", if quick { "60" } else { "600" }]);
    let mut written = std::fs::File::create(&in_host)
        .map_err(|e| Failure::Task(format!("bench: {} cannot be written: {e}", in_host.display())))?;
    for part in [&mut host, &mut editor] {
        pass_through(part.stdout(written.try_clone()?))?;
        written.flush()?;
    }

    let mut bench = cargo();
    bench.args(["run", "--release", "--package", "spherescope-train", "--bin", "bench", "--"]).args(words);
    pass_through(&mut bench)
}
