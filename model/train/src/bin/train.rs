//! Trains a network: `train [--recipe quick|full|FILE] [--out DIR] [--sources DIR]… [--start WEIGHTS] [--learner PROGRAM]
//! [--threads N] [--minutes N]`.
//! `train --calibrate WEIGHTS [--sources DIR]…` makes the scores of finished weights probabilities, in place;
//! `train --ablations BUDGET [--judges DIR] [--write FILE]` compares variants of the network at one budget.
//!
//! A run that was interrupted goes on when the same command is given again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use spherescope_model::Network;
use spherescope_train::ablations;
use spherescope_train::dry::load_dry_folder;
use spherescope_train::evaluate::calibrate::calibrate;
use spherescope_train::evaluate::progress::{Progress, measure};
use spherescope_train::evaluate::{Failure, report};
use spherescope_train::sets::Sources;
use spherescope_train::sources;
use spherescope_train::talkers::talkers;
use spherescope_train::training::{Recipe, Run};

/// Scenes on which progress is measured.
const PROGRESS_SCENES: usize = 24;
/// Scenes of each kind on which scores are calibrated.
const CALIBRATION_SCENES: usize = 24;

struct Options {
    recipe: Recipe,
    out: PathBuf,
    sources: Vec<PathBuf>,
    start: Option<PathBuf>,
    learner: Option<String>,
    threads: usize,
    minutes: f64,
    checkpoint_minutes: f64,
    calibrate: Option<PathBuf>,
    ablations: Option<f64>,
    judges: Option<PathBuf>,
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    let outcome = match options(std::env::args().skip(1).collect()) {
        Ok(options) => run(&options),
        Err(e) => Err(Failure::Input(e)),
    };
    let (message, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Input(message)) => (message, 2),
        Err(Failure::Run(message)) => (message, 1),
    };
    eprintln!("train: {message}");
    ExitCode::from(code)
}

fn options(arguments: Vec<String>) -> Result<Options, String> {
    let mut options = Options {
        recipe: Recipe::named("full").map_err(|e| e.to_string())?,
        out: PathBuf::new(),
        sources: Vec::new(),
        start: None,
        learner: None,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        minutes: f64::INFINITY,
        checkpoint_minutes: 3.0,
        calibrate: None,
        ablations: None,
        judges: None,
        write: None,
    };
    let mut rest = arguments.into_iter();
    while let Some(option) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("{option}: expected a value, found none"))?;
        let number = |expected: &str| {
            let x: Option<f64> = value.parse().ok().filter(|x: &f64| *x > 0.0 && x.is_finite());
            x.ok_or_else(|| format!("{option}: expected {expected}, found `{value}`"))
        };
        match option.as_str() {
            "--recipe" if value.ends_with(".json") => {
                let text = std::fs::read_to_string(&value).map_err(|e| format!("{value}: {e}"))?;
                options.recipe = Recipe::from_json(&text).map_err(|e| format!("{value}: {e}"))?;
            }
            "--recipe" => options.recipe = Recipe::named(&value).map_err(|e| e.to_string())?,
            "--out" => options.out = value.into(),
            "--sources" => options.sources.push(value.into()),
            "--start" => options.start = Some(value.into()),
            "--learner" => options.learner = Some(value),
            "--threads" => options.threads = number("a number of threads")?.ceil() as usize,
            "--minutes" => options.minutes = number("a number of minutes")?,
            "--checkpoint" => options.checkpoint_minutes = number("a number of minutes")?,
            "--calibrate" => options.calibrate = Some(value.into()),
            "--ablations" => options.ablations = Some(number("a budget above 0")?),
            "--judges" => options.judges = Some(value.into()),
            "--write" => options.write = Some(value.into()),
            _ => {
                return Err(format!(
                    "expected --recipe, --out, --sources, --start, --learner, --threads, --minutes, --checkpoint, --calibrate, \
                     --ablations, --judges or --write, found `{option}`"
                ));
            }
        }
    }
    if options.out.as_os_str().is_empty() {
        let name = if options.ablations.is_some() { "ablations" } else { &options.recipe.name };
        options.out = PathBuf::from("target/training").join(name);
    }
    Ok(options)
}

/// Talkers are strung together by this seed.
const TALKERS_SEED: u64 = 0x7a1c;

fn signals(folders: &[PathBuf]) -> Result<Vec<Vec<f32>>, Failure> {
    if folders.is_empty() {
        println!("No --sources: built-in sources serve (noise, plucked strings, babble).");
        let of = |make: fn(u64, u32, f64) -> Vec<f32>| (0..12).map(move |seed| make(seed, 16_000, 6.0));
        let babble = (0..60).map(|seed| sources::babble(seed, 16_000, 6.0));
        return Ok(babble.chain(of(sources::noise_bursts)).chain(of(sources::plucked_strings)).collect());
    }
    let mut all = Vec::new();
    for folder in folders {
        let found = load_dry_folder(folder, 16_000).map_err(|e| Failure::Input(format!("--sources: {e}")))?;
        let talking = talkers(&found, 16_000, TALKERS_SEED);
        if talking.is_empty() {
            return Err(Failure::Input(format!(
                "--sources: {}: expected sounds that stand out from their background, found none among {} files",
                folder.display(),
                found.len()
            )));
        }
        let minutes = |sounds: &[Vec<f32>]| sounds.iter().map(Vec::len).sum::<usize>() as f64 / 16_000.0 / 60.0;
        println!(
            "{}: {} sounds, {:.0} min; {} talkers, {:.0} min",
            folder.display(),
            found.len(),
            minutes(&found),
            talking.len(),
            minutes(&talking)
        );
        all.extend(talking);
    }
    // Sounds that no recording holds: one in ten. Their seeds are not the demo's, whose talkers are to be strangers.
    const FIRST_SEED: u64 = 1 << 32;
    let built_in = (all.len() / 9) as u64;
    println!("built in: {built_in} sounds");
    all.extend((FIRST_SEED..FIRST_SEED + built_in).map(|seed| match seed % 8 {
        0 => sources::plucked_strings(seed, 16_000, 6.0),
        1 => sources::noise_bursts(seed, 16_000, 6.0),
        _ => sources::babble(seed, 16_000, 6.0),
    }));
    Ok(all)
}

fn run(options: &Options) -> Result<(), Failure> {
    let signals = signals(&options.sources)?;
    if let Some(path) = &options.calibrate {
        weights("--calibrate", path)?;
        let sources = Sources { name: "training".into(), signals };
        return calibrate_file(path, &sources, options.threads).map_err(Failure::Run);
    }
    if let Some(budget) = options.ablations {
        let judges = match &options.judges {
            Some(folder) => Sources::folder(folder).map_err(|e| Failure::Input(format!("--judges: {e}")))?,
            None => Sources::built_in(),
        };
        let table =
            ablations::ablate(&options.out, budget, &signals, &judges, options.threads).map_err(Failure::Run)?;
        println!("{}", table.trim());
        return match &options.write {
            Some(path) => {
                report::write(path, ablations::MARKERS, &table).map_err(|e| Failure::Input(format!("--write: {e}")))
            }
            None => Ok(()),
        };
    }
    let start = match &options.start {
        Some(path) => Some(weights("--start", path)?),
        None => None,
    };
    train(options, signals, start.as_deref()).map_err(Failure::Run)
}

/// The bytes of a file of weights, once it is known to be one.
fn weights(option: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let fail = |e: String| Failure::Input(format!("{option}: {}: {e}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
    Network::from_bytes(&bytes).map_err(|e| fail(e.to_string()))?;
    Ok(bytes)
}

/// Calibrates a file of weights in place.
fn calibrate_file(path: &Path, sources: &Sources, threads: usize) -> Result<(), String> {
    let fail = |e: String| format!("{}: {e}", path.display());
    let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
    let (bytes, found, peaks) = calibrate(&bytes, sources, CALIBRATION_SCENES, threads).map_err(fail)?;
    report::replace(path, &bytes)?;
    println!("{}: gain {:.3}, offset {:.3}, from {peaks} peaks", path.display(), found.gain, found.offset);
    Ok(())
}

fn train(options: &Options, signals: Vec<Vec<f32>>, start: Option<&[u8]>) -> Result<(), String> {
    let sources = Sources { name: "training".into(), signals: signals.clone() };
    let mut run =
        Run::open(&options.out, options.recipe.clone(), signals, start, options.threads).map_err(|e| e.to_string())?;
    if let Some(command) = &options.learner {
        run.use_learner(command).map_err(|e| e.to_string())?;
    }
    let total = run.recipe().steps();
    println!("{}: step {} of {total}, {} threads", options.out.display(), run.steps_done(), options.threads);
    let began = Instant::now();
    let mut saved = Instant::now();
    let (first, mut smooth) = (run.steps_done(), None);
    while began.elapsed() < Duration::from_secs_f64((options.minutes * 60.0).min(1e9)) {
        let stage = run.stage().map(|(stage, _)| stage.name.clone()).unwrap_or_default();
        let Some(report) = run.advance().map_err(|e| e.to_string())? else { break };
        let loss = smooth.map_or(report.loss, |s: f64| 0.95 * s + 0.05 * report.loss);
        smooth = Some(loss);
        let per_step = began.elapsed().as_secs_f64() / (run.steps_done() - first) as f64;
        let left = Duration::from_secs_f64(per_step * (total - run.steps_done()) as f64);
        let bar = (24 * run.steps_done() / total.max(1)) as usize;
        print!(
            "\r[{}{}] {}/{total} {stage}: loss {loss:.4}, gradient {:.2}, {per_step:.2} s a step, {} min left   ",
            "#".repeat(bar),
            ".".repeat(24 - bar),
            run.steps_done(),
            report.gradient,
            left.as_secs() / 60
        );
        let _ = std::io::stdout().flush();
        if saved.elapsed().as_secs_f64() > 60.0 * options.checkpoint_minutes {
            saved = Instant::now();
            checkpoint(&run, &sources, loss, options.threads)?;
        }
    }
    checkpoint(&run, &sources, smooth.unwrap_or(f64::NAN), options.threads)?;
    let done = run.steps_done() == total;
    if done {
        calibrate_file(&run.weights_path(), &sources, options.threads)?;
    }
    println!(
        "{} {}",
        if done { "Done:" } else { "Stopped early; the same command goes on:" },
        run.weights_path().display()
    );
    Ok(())
}

fn checkpoint(run: &Run, sources: &Sources, loss: f64, threads: usize) -> Result<(), String> {
    run.save().map_err(|e| e.to_string())?;
    let network = run.network().map_err(|e| e.to_string())?;
    let errors = measure(network, sources, PROGRESS_SCENES, threads)?;
    let (Some(mean_deg), Some(within_10_deg)) = (errors.mean_deg(), errors.accurate()) else {
        return Err("progress: expected scenes in which somebody speaks, found none".into());
    };
    let progress = Progress { steps: run.steps_done(), mean_deg, within_10_deg, seconds: run.seconds() };
    run.record_progress(&progress).map_err(|e| e.to_string())?;
    println!(
        "\nstep {}: loss {loss:.4}, angle {:.2}°, within 10° {:.1} %, {:.0} min",
        progress.steps,
        progress.mean_deg,
        100.0 * progress.within_10_deg,
        progress.seconds / 60.0
    );
    Ok(())
}
