//! `cargo xtask`: every task that a person runs, in Rust and with the standard library alone, so that it builds in seconds.
//!
//! A task prints what it does as it goes and ends with a plain verdict. Exit codes: 0 done, 1 something failed, 2 the command line
//! was not understood.

mod args;
mod bench;
mod bundle;
mod demo;
mod evaluate;
mod fuzz;
mod hosts;
mod install;
mod packages;
mod pedalboard;
mod pictures;
mod sbom;
mod shake;
mod steps;
mod test;
mod train;
mod workspace;

use std::process::ExitCode;

use args::Args;

/// Why a task ended early.
#[derive(Debug)]
pub enum Failure {
    /// The command line was not understood: exit code 2.
    Usage(String),
    /// The task itself failed: exit code 1.
    Task(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Task(error.to_string())
    }
}

/// What a task returns.
pub type Outcome = Result<(), Failure>;

const HELP: &str = "\
Tasks of Spherescope. Run as: cargo xtask TASK [OPTIONS]

  demo     render two scenes, play them through the built plugin in a headless host, compare directions, take a picture
             --seed N                     the scenes' seed (default 1)
             --input FILE --array ARRAY   the same for a recording of your own (ARRAY: a preset's name, or a JSON or CSV file)
             --no-screenshot              do not open the editor
  test     formatting, lints, every test, documentation, and the VST3 in a Python host: what CI runs
  bundle   build the CLAP and VST3 bundles and print where they are, with a bill of materials (CycloneDX) beside them
             --release                    optimised, as shipped (default): target/bundled
             --dev                        with debug assertions and allocation checks: target/bundled-dev
  evaluate tables of accuracy: the network beside classical methods; a whole run writes docs/results.md (about 15 minutes)
             --quick                      a tenth of the scenes; printed, not written
             --set NAME                   one set, may be repeated: sim-s, sim-u, sim-sphere, sim-head, sim-tetra, sim-three,
                                          sim-moving, sim-wide, sim-quiet, rir-r3vival, grids, arrays, listening
             --weights FILE               weights to compare, may be repeated (default: the shipped ones and the paper's network);
             --scenes N, --first N, --before S, --threshold S,   as in the program itself (see its --help)
             --threads N, --networks-only
             --sources DIR                dry recordings for the talkers (or SPHERESCOPE_SOURCES)
             --rooms DIR                  measured room responses (or SPHERESCOPE_ROOMS)
  bench    tables of speed: the whole pipeline, its parts, changes of settings, memory (a few minutes)
             --quick                      fewer sizes, less time
             --write FILE                 put the tables into this Markdown file, a picture into results/speed.png beside it
             --json FILE                  the figures for programs
  train    learn the network's weights; the same command goes on where a run was interrupted
             --recipe quick|full|FILE     15 minutes on two cores, or what the shipped weights were made with (default full)
             --sources DIR                dry recordings, may be repeated; --start FILE begins from other weights;
             --out DIR, --threads N,      the run's folder (default target/training/RECIPE) and its limits
             --minutes N, --checkpoint N
             --learner PROGRAM            leaves losses and gradients to another program, as model/train/gpu/learner.py on a GPU
             --calibrate FILE             makes the scores of finished weights probabilities, in place (a finished run does so itself)
  ablate   trains variants of the network at one budget and writes the table into docs/results.md; goes on where interrupted
             --budget N                   1 is some minutes of two cores for each variant (default 1); --sources DIR, --out DIR,
             --judges DIR, --print-only   --threads N as above; dry recordings of the scenes that judge; do not write
  pictures draw every panel of the editor and put the pictures into docs/pictures
  hosts    the development bundles in Ardour, Qtractor's scanner and pedalboard, the program under JACK, as far as they are installed
  shake    call the plugin in random, legal order and watch memory, threads and open files
             --seed N, --minutes M        which calls (default 1), and for how long (default 1)
             --no-editors, --verbose      open no windows; say every call
  fuzz     hostile bytes for layout files, audio files, weights, saved states and texts of parameters
             --seconds N, --seed N        how long for each (default 60), and which bytes (default 1)
             --target NAME                one of them: layout, audio, weights, state, text
  install  build the release bundles and copy them where hosts look
  help     print this text
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_else(|| "help".into());
    let args = Args::new(&task, arguments.collect());
    let outcome = match task.as_str() {
        "demo" => demo::run(args),
        "test" => test::run(args),
        "bench" => bench::run(args),
        "bundle" => bundle::run(args),
        "evaluate" => evaluate::run(args),
        "install" => install::run(args),
        "pictures" => pictures::run(args),
        "hosts" => hosts::run(args),
        "shake" => shake::run(args),
        "fuzz" => fuzz::run(args),
        "train" => train::run(args),
        "ablate" => train::ablate(args),
        "help" | "-h" | "--help" => args.finish().map(|()| print!("{HELP}")),
        other => Err(Failure::Usage(format!(
            "unknown task: expected demo, test, bundle, evaluate, bench, install, hosts, shake, train, ablate, pictures or help, \
             found `{other}`"
        ))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("error: {message}\n\nTry `cargo xtask help`.");
            ExitCode::from(2)
        }
        Err(Failure::Task(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
