//! Evaluation on the command line; see `evaluate --help`. `cargo xtask evaluate` finds folders and fills in the commit.

use std::process::ExitCode;

use spherescope_train::evaluate::options::{Request, USAGE, parse};
use spherescope_train::evaluate::{Failure, evaluate, report};

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Request::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Request::Run(options)) => options,
        Err(message) => return fail(&message, 2),
    };
    let text = match evaluate(&options) {
        Ok(text) => text,
        Err(Failure::Input(message)) => return fail(&message, 2),
        Err(Failure::Run(message)) => return fail(&message, 1),
    };
    println!("{}", text.trim_end());
    if let Some(path) = &options.write
        && let Err(message) = report::write(path, report::MARKERS, &text)
    {
        return fail(&format!("--write: {message}"), 2);
    }
    ExitCode::SUCCESS
}

fn fail(message: &str, code: u8) -> ExitCode {
    eprintln!("evaluate: {message}");
    ExitCode::from(code)
}
