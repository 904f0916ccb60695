//! Trains a network: `train [--recipe quick|full|FILE] [--out DIR] [--sources DIR]… [--start WEIGHTS] [--threads N] [--minutes N]`.
//!
//! A run that was interrupted goes on when the same command is given again.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use spherescope_train::dry::load_dry_folder;
use spherescope_train::sources;
use spherescope_train::training::{Recipe, Run};

/// Crops on which progress is measured.
const PROGRESS_CROPS: usize = 48;

struct Options {
    recipe: Recipe,
    out: PathBuf,
    sources: Vec<PathBuf>,
    start: Option<PathBuf>,
    threads: usize,
    minutes: f64,
    checkpoint_minutes: f64,
}

fn main() -> ExitCode {
    let outcome = match options(std::env::args().skip(1).collect()) {
        Ok(options) => train(&options).map_err(|e| (1, e)),
        Err(e) => Err((2, e)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            eprintln!("train: {message}");
            ExitCode::from(code)
        }
    }
}

fn options(arguments: Vec<String>) -> Result<Options, String> {
    let mut options = Options {
        recipe: Recipe::named("full").map_err(|e| e.to_string())?,
        out: PathBuf::new(),
        sources: Vec::new(),
        start: None,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        minutes: f64::INFINITY,
        checkpoint_minutes: 3.0,
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
            "--threads" => options.threads = number("a number of threads")?.ceil() as usize,
            "--minutes" => options.minutes = number("a number of minutes")?,
            "--checkpoint" => options.checkpoint_minutes = number("a number of minutes")?,
            _ => {
                return Err(format!(
                    "expected --recipe, --out, --sources, --start, --threads, --minutes or --checkpoint, found `{option}`"
                ));
            }
        }
    }
    if options.out.as_os_str().is_empty() {
        options.out = PathBuf::from("target/training").join(&options.recipe.name);
    }
    Ok(options)
}

fn signals(folders: &[PathBuf]) -> Result<Vec<Vec<f32>>, String> {
    if folders.is_empty() {
        println!("No --sources: built-in sources serve (noise, plucked strings, babble).");
        let of = |make: fn(u64, u32, f64) -> Vec<f32>| (0..12).map(move |seed| make(seed, 16_000, 6.0));
        let babble = (0..60).map(|seed| sources::babble(seed, 16_000, 6.0));
        return Ok(babble.chain(of(sources::noise_bursts)).chain(of(sources::plucked_strings)).collect());
    }
    let mut all = Vec::new();
    for folder in folders {
        let found = load_dry_folder(folder, 16_000).map_err(|e| e.to_string())?;
        let seconds = found.iter().map(Vec::len).sum::<usize>() as f64 / 16_000.0;
        println!("{}: {} sounds, {:.0} min", folder.display(), found.len(), seconds / 60.0);
        all.extend(found);
    }
    Ok(all)
}

fn train(options: &Options) -> Result<(), String> {
    let signals = signals(&options.sources)?;
    let start = match &options.start {
        Some(path) => Some(std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?),
        None => None,
    };
    let mut run = Run::open(&options.out, options.recipe.clone(), signals, start.as_deref(), options.threads)
        .map_err(|e| e.to_string())?;
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
            checkpoint(&run, loss)?;
        }
    }
    checkpoint(&run, smooth.unwrap_or(f64::NAN))?;
    let done = run.steps_done() == total;
    println!(
        "{} {}",
        if done { "Done:" } else { "Stopped early; the same command goes on:" },
        run.weights_path().display()
    );
    Ok(())
}

fn checkpoint(run: &Run, loss: f64) -> Result<(), String> {
    run.save().map_err(|e| e.to_string())?;
    let progress = run.measure(PROGRESS_CROPS).map_err(|e| e.to_string())?;
    println!(
        "\nstep {}: loss {loss:.4}, angle {:.2}°, within 10° {:.1} %, {:.0} min",
        progress.steps,
        progress.mean_deg,
        100.0 * progress.within_10_deg,
        progress.seconds / 60.0
    );
    Ok(())
}
