//! `evaluate`: how well sources are found, as tables; a whole run also writes `docs/results.md` and its pictures.

use std::path::PathBuf;
use std::process::Command;

use crate::args::Args;
use crate::workspace::{cargo, pass_through, root};
use crate::{Failure, Outcome};

/// Folders that are looked for beside the checkout when neither an option nor the environment names one.
const SOURCES: &str = "shared/data/dry/speech_picovoice_s2i";
const ROOMS: &str = "shared/data/rir";
/// The networks that are compared when no option names others; the first one ships.
const WEIGHTS: [&str; 2] = ["lifted.safetensors", "paper.safetensors"];
/// How the shipped weights were made.
const HISTORY: &str = "assets/weights/lifted.runs.json";

/// `cargo xtask evaluate`.
pub fn run(mut args: Args) -> Outcome {
    let mut words: Vec<String> = Vec::new();
    // Anything that makes the run less than a whole one: its tables are printed and not written.
    let mut whole = true;
    for name in ["--quick", "--networks-only"] {
        if args.switch(name) {
            words.push(name.into());
            whole = false;
        }
    }
    for name in ["--set", "--scenes", "--first", "--before", "--threshold"] {
        while let Some(value) = args.value(name)? {
            words.extend([name.into(), value]);
            whole = false;
        }
    }
    if let Some(value) = args.value("--threads")? {
        words.extend(["--threads".into(), value]);
    }
    let mut others = false;
    while let Some(file) = args.value("--weights")? {
        words.extend(["--weights".into(), absolute(&file)?]);
        (whole, others) = (false, true);
    }
    if !others {
        // The network that ships, and the paper's beside it.
        for file in WEIGHTS.map(|name| root().join("assets/weights").join(name)).iter().filter(|f| f.is_file()) {
            words.extend(["--weights".into(), file.to_string_lossy().into_owned()]);
        }
    }
    for (name, variable, beside) in
        [("--sources", "SPHERESCOPE_SOURCES", SOURCES), ("--rooms", "SPHERESCOPE_ROOMS", ROOMS)]
    {
        match folder(args.value(name)?, std::env::var(variable).ok(), beside)? {
            Some(folder) => words.extend([name.into(), folder]),
            None => println!("no folder for {name} (nor in {variable}): going on without"),
        }
    }
    args.finish()?;

    let asked: Vec<String> = std::env::args().skip(1).collect();
    words.extend(["--command".into(), format!("cargo xtask {}", asked.join(" "))]);
    words.extend(["--commit".into(), commit()]);
    if whole {
        let docs = root().join("docs");
        words.extend(["--write".into(), docs.join("results.md").to_string_lossy().into_owned()]);
        words.extend(["--pictures".into(), docs.join("results").to_string_lossy().into_owned()]);
        let history = root().join(HISTORY);
        if history.is_file() {
            words.extend(["--history".into(), history.to_string_lossy().into_owned()]);
        }
    }
    let mut evaluate = cargo();
    evaluate.args(["run", "--release", "--package", "spherescope-train", "--bin", "evaluate", "--"]).args(words);
    // Scenes run in parallel; each keeps to one thread.
    evaluate.env("RAYON_NUM_THREADS", "1");
    pass_through(&mut evaluate)
}

/// The folder of the sounds that judge: the option `--judges`, the environment's, or the one beside the checkout.
pub fn sources(args: &mut Args) -> Result<Option<String>, Failure> {
    folder(args.value("--judges")?, std::env::var("SPHERESCOPE_SOURCES").ok(), SOURCES)
}

/// The path from the root of the file system.
pub fn absolute(path: &str) -> Result<String, Failure> {
    Ok(std::path::absolute(path)?.to_string_lossy().into_owned())
}

/// The folder that the option names, or the environment, or one beside the checkout if it is there.
fn folder(option: Option<String>, variable: Option<String>, beside: &str) -> Result<Option<String>, Failure> {
    if let Some(named) = option.or(variable) {
        return absolute(&named).map(Some);
    }
    let found: Option<PathBuf> = root().parent().map(|p| p.join(beside)).filter(|p| p.is_dir());
    Ok(found.map(|p| p.to_string_lossy().into_owned()))
}

/// The commit that is checked out, and whether files differ from it.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "HEAD"]), git(&["status", "--porcelain", "--untracked-files=no"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => commit,
        (Some(commit), _) => format!("{commit} with changes"),
        (None, _) => "unknown".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_comes_before_the_environment() {
        let both = folder(Some("/a".into()), Some("/b".into()), "none").unwrap();
        assert_eq!(both.as_deref(), Some(absolute("/a").unwrap().as_str()));
        assert_eq!(folder(None, None, "no such folder").unwrap(), None);
    }
}
