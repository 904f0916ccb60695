//! The command line of Spherescope.
//!
//! Exit codes: 0 all well, 2 wrong usage or bad input (the message names what, where, expected and found).

mod cli;

fn main() -> std::process::ExitCode {
    cli::run(std::env::args_os().skip(1))
}
