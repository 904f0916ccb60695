//! The random host: calls the plugin in random, legal order, and watches what it takes from the system. `cargo xtask shake` runs it.
//!
//! The calls happen in a process of its own, so that one which the plugin takes down, or hangs, still ends in a verdict with the seed
//! and the last calls. The same seed gives the same calls up to where time and threads decide.
//!
//! Exit codes: 0 all well, 1 the plugin has failed, 2 the command line is wrong.

mod audio;
mod growth;
mod host;
mod states;
mod watcher;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What to do.
pub struct Options {
    /// The CLAP bundle.
    pub bundle: PathBuf,
    /// Decides which calls are made.
    pub seed: u64,
    /// How long to go on.
    pub duration: Duration,
    /// Says every call, not the last ones of a failure alone.
    pub verbose: bool,
    /// Every so many looks at what is taken from the system there is a line for the person who waits.
    pub say_every: u32,
    /// Opens editors, where a display can be had.
    pub editors: bool,
    /// This is the process that makes the calls.
    pub inside: bool,
}

impl Options {
    /// Reads the words after the program's name.
    fn read(arguments: &[String]) -> Result<Self, String> {
        let (mut bundle, mut seed, mut seconds, mut say_every) = (None, 1, 60.0, 10);
        let (mut verbose, mut editors, mut inside) = (false, true, false);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("expected a value after {word}, found nothing"));
            match word.as_str() {
                "--bundle" => bundle = Some(PathBuf::from(value()?)),
                "--seed" => seed = number(word, value()?)?,
                "--seconds" => seconds = number(word, value()?)?,
                "--say-every" => say_every = number::<u32>(word, value()?)?.max(1),
                "--verbose" => verbose = true,
                "--no-editors" => editors = false,
                "--inside" => inside = true,
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        let bundle = bundle.ok_or("expected --bundle FILE")?;
        let duration =
            Duration::try_from_secs_f64(seconds).map_err(|e| format!("expected seconds, found {seconds}: {e}"))?;
        Ok(Self { bundle, seed, duration, verbose, say_every, editors, inside })
    }
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("expected a number after {option}, found `{text}`"))
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let outcome = match Options::read(&arguments) {
        Ok(options) if options.inside => host::run(&options),
        Ok(options) => watcher::run(&options, &arguments),
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("FAIL: {error}");
            ExitCode::FAILURE
        }
    }
}
