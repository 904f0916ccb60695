//! `spherescope analyze` and its siblings.

mod analyze;
mod args;
#[cfg(unix)]
mod jack;
#[cfg(unix)]
mod listen;
#[cfg(target_os = "linux")]
mod live;
mod report;

use std::ffi::OsString;
use std::process::ExitCode;

use spherescope_dsp::presets;

use args::{Command, USAGE};

/// Runs one command.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let outcome = args::parse(arguments).and_then(|command| match command {
        Command::Help => {
            println!("{USAGE}");
            Ok(())
        }
        Command::Version => {
            println!("spherescope {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Command::Arrays => {
            for preset in presets::all() {
                println!("{:<22} {:>2} capsules  {}", preset.id, preset.array.active_len(), preset.array.name());
            }
            Ok(())
        }
        Command::Analyze(options) => analyze::run(&options),
        #[cfg(unix)]
        Command::Listen(options) => listen::run(&options),
        #[cfg(not(unix))]
        Command::Listen(_) => Err("listen: expected a system with JACK as on Linux and macOS, found another".into()),
        #[cfg(target_os = "linux")]
        Command::Live(options) => live::run(&options),
        #[cfg(not(target_os = "linux"))]
        Command::Live(_) => Err("live: expected Linux, found another system".into()),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("spherescope: {message}");
            ExitCode::from(2)
        }
    }
}
