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
    for name in ["--threads", "--minutes", "--checkpoint"] {
        if let Some(value) = args.value(name)? {
            words.extend([name.into(), value]);
        }
    }
    for name in ["--out", "--start"] {
        if let Some(value) = args.value(name)? {
            words.extend([name.into(), absolute(Path::new(&value))?]);
        }
    }
    let mut sources: Vec<PathBuf> = Vec::new();
    while let Some(folder) = args.value("--sources")? {
        sources.push(folder.into());
    }
    args.finish()?;
    if sources.is_empty()
        && let Some(beside) = root().parent().map(|p| p.join(BESIDE))
    {
        sources.extend(SOURCES.iter().map(|name| beside.join(name)).filter(|p| p.is_dir()));
    }
    for folder in &sources {
        words.extend(["--sources".into(), absolute(folder)?]);
    }
    let mut train = cargo();
    train.args(["run", "--release", "--package", "spherescope-train", "--bin", "train", "--"]).args(words);
    // Crops are spread over threads; each keeps to its own.
    train.env("RAYON_NUM_THREADS", "1");
    pass_through(&mut train)
}

fn absolute(path: &Path) -> Result<String, crate::Failure> {
    Ok(std::path::absolute(path)?.to_string_lossy().into_owned())
}
