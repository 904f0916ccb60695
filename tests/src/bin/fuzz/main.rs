//! Hostile bytes for one target after the other. `cargo xtask fuzz` runs it.
//!
//! Exit codes: 0 all well, 1 a target has failed (its input is kept), 2 the command line is wrong.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use spherescope_tests::fuzz::memory::Meter;
use spherescope_tests::fuzz::{self, Target, Until};

#[global_allocator]
static METER: Meter = Meter;

struct Options {
    targets: Vec<Target>,
    seed: u64,
    seconds: f64,
    folder: PathBuf,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { targets: Vec::new(), seed: 1, seconds: 60.0, folder: PathBuf::new() };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("expected a value after {word}, found nothing"));
            match word.as_str() {
                "--target" => options.targets.push(value()?.parse()?),
                "--seed" => options.seed = number(&word, &value()?)?,
                "--seconds" => options.seconds = number(&word, &value()?)?,
                "--folder" => options.folder = value()?.into(),
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        if !(options.seconds.is_finite() && options.seconds > 0.0) {
            return Err(format!("expected seconds above 0, found {}", options.seconds));
        }
        if options.folder.as_os_str().is_empty() {
            return Err("expected --folder FOLDER".into());
        }
        if options.targets.is_empty() {
            options.targets = Target::ALL.to_vec();
        }
        Ok(options)
    }
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("expected a number after {option}, found `{text}`"))
}

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    // A panic is told with its input; its own line would drown what is said.
    std::panic::set_hook(Box::new(|_| ()));
    for &target in &options.targets {
        let until = Until::Time(Duration::from_secs_f64(options.seconds));
        match fuzz::run(target, options.seed, until, &options.folder) {
            Ok(report) => println!("{target:8} {report}"),
            Err(error) => {
                println!("FAIL: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("PASS: {} targets with seed {}", options.targets.len(), options.seed);
    ExitCode::SUCCESS
}
