//! The demo's host: renders scenes (or takes a recording), plays them through the built CLAP plugin, and compares what the plugin
//! has found with what is true. `cargo xtask demo` runs it.
//!
//! Exit codes: 0 the directions are right, 1 they are not or something failed, 2 the command line or the recording is wrong.

mod options;
mod player;
mod recording;
mod report;
mod scenes;

use std::process::ExitCode;

use options::{Command, Options};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let command = match Command::read(&arguments) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    let outcome = match command {
        Command::Play(job) => player::play(&job).map(|()| Ending::Right),
        Command::Demo(Options { recording: Some(recording), common }) => recording::run(&common, &recording),
        Command::Demo(Options { recording: None, common }) => scenes::run(&common),
    };
    match outcome {
        Ok(Ending::Right) => ExitCode::SUCCESS,
        Ok(Ending::Wrong) => ExitCode::FAILURE,
        Ok(Ending::BadInput(message)) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How a run ends when nothing broke.
enum Ending {
    /// What was found is right.
    Right,
    /// What was found is wrong.
    Wrong,
    /// What was given cannot be used.
    BadInput(String),
}
