//! `train`: learns the network's weights, or goes on where an interrupted run stopped.

use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::args::Args;
use crate::workspace::{cargo, pass_through, root};

/// Folders of dry sounds that are looked for beside the checkout when no option names any. Evaluation hears others.
const BESIDE: &str = "shared/data/dry";
const SOURCES: [&str; 3] = ["speech_mycroft_community", "speech_picovoice_wakeword", "sfx_sonic_pi"];

/// `cargo xtask train`.
pub fn run(mut args: Args) -> Outcome {
    let mut words: Vec<String> = Vec::new();
    match args.value("--recipe")? {
        Some(file) if file.ends_with(".json") => words.extend(["--recipe".into(), absolute(Path::new(&file))?]),
        Some(name) => words.extend(["--recipe".into(), name]),
        None => {}
    }
    for name in ["--threads", "--minutes", "--checkpoint", "--learner"] {
        if let Some(value) = args.value(name)? {
            words.extend([name.into(), value]);
        }
    }
    for name in ["--out", "--start", "--calibrate"] {
        if let Some(value) = args.value(name)? {
            words.extend([name.into(), absolute(Path::new(&value))?]);
        }
    }
    words.extend(sources(&mut args)?);
    args.finish()?;
    start(words)
}

/// `cargo xtask ablate`.
pub fn ablate(mut args: Args) -> Outcome {
    let budget = args.value("--budget")?.unwrap_or_else(|| "1".into());
    let mut words = vec!["--ablations".into(), budget];
    if let Some(value) = args.value("--threads")? {
        words.extend(["--threads".into(), value]);
    }
    if let Some(value) = args.value("--out")? {
        words.extend(["--out".into(), absolute(Path::new(&value))?]);
    }
    if let Some(folder) = crate::evaluate::sources(&mut args)? {
        words.extend(["--judges".into(), folder]);
    }
    words.extend(sources(&mut args)?);
    if !args.switch("--print-only") {
        words.extend(["--write".into(), absolute(&root().join("docs/results.md"))?]);
    }
    args.finish()?;
    start(words)
}

/// The folders of dry sounds that the options name, or those beside the checkout, as options of the program.
fn sources(args: &mut Args) -> Result<Vec<String>, crate::Failure> {
    let mut sources: Vec<PathBuf> = Vec::new();
    while let Some(folder) = args.value("--sources")? {
        sources.push(folder.into());
    }
    if sources.is_empty()
        && let Some(beside) = root().parent().map(|p| p.join(BESIDE))
    {
        sources.extend(SOURCES.iter().map(|name| beside.join(name)).filter(|p| p.is_dir()));
    }
    let mut words = Vec::new();
    for folder in &sources {
        words.extend(["--sources".into(), absolute(folder)?]);
    }
    Ok(words)
}

fn start(words: Vec<String>) -> Outcome {
    let mut train = cargo();
    train.args(["run", "--release", "--package", "spherescope-train", "--bin", "train", "--"]).args(words);
    // Crops are spread over threads; each keeps to its own.
    train.env("RAYON_NUM_THREADS", "1");
    // Every step takes and gives back the same large pieces of memory: glibc keeps them.
    for (name, value) in [
        ("MALLOC_MMAP_THRESHOLD_", "4000000000"),
        ("MALLOC_TRIM_THRESHOLD_", "8000000000"),
        ("MALLOC_TOP_PAD_", "67108864"),
    ] {
        train.env(name, value);
    }
    pass_through(&mut train)
}

fn absolute(path: &Path) -> Result<String, crate::Failure> {
    Ok(std::path::absolute(path)?.to_string_lossy().into_owned())
}
