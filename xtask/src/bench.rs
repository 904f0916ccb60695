//! `bench`: how fast the parts and the built plugin are, measured as they ship, as tables.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::args::Args;
use crate::bundle::{self, Build};
use crate::evaluate::{absolute, commit};
use crate::workspace::{built, cargo, pass_through, target_dir};
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
    // Together, so that what they share is built once.
    const PROGRAMS: [(&str, &str); 3] =
        [("spherescope-tests", "plugin-bench"), ("spherescope-view", "frame-time"), ("spherescope-train", "bench")];
    let mut build = cargo();
    build.args(["build", "--release"]);
    for (package, program) in PROGRAMS {
        build.args(["--package", package, "--bin", program]);
    }
    pass_through(&mut build)?;
    let program = |(_, name): (&str, &str)| built("release", name).map(Command::new);
    let (mut host, mut editor, mut bench) = (program(PROGRAMS[0])?, program(PROGRAMS[1])?, program(PROGRAMS[2])?);
    host.arg("--bundle").arg(&bundles.clap);
    if quick {
        host.arg("--quick");
    }
    editor.args(["--frames", if quick { "60" } else { "600" }]);
    let mut written = std::fs::File::create(&in_host)
        .map_err(|e| Failure::Task(format!("bench: {} cannot be written: {e}", in_host.display())))?;
    for part in [&mut host, &mut editor] {
        pass_through(part.stdout(written.try_clone()?))?;
        written.flush()?;
    }

    pass_through(bench.args(words))
}
