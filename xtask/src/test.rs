//! `test`: everything that must hold before a change lands; what CI runs.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

use crate::args::Args;
use crate::bundle::{self, Build};
use crate::packages;
use crate::pedalboard;
use crate::steps::Steps;
use crate::workspace::{cargo, describe, pass_through};
use crate::{Failure, Outcome};

/// `cargo xtask test`.
pub fn run(args: Args) -> Outcome {
    args.finish()?;
    let mut steps = Steps::default();
    steps.run("system packages", || match packages::ensure(&[packages::EDITOR, packages::TESTS]).as_slice() {
        [] => Ok("all there".into()),
        missing => Err(Failure::Task(format!("missing: {}", missing.join(" ")))),
    });
    steps.run("formatting", || said(cargo().args(["fmt", "--all", "--check"]), "as rustfmt has it"));
    steps.run("lints", || {
        said(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]), "no warnings")
    });
    let mut bundles = None;
    steps.run("build", || {
        let built = bundle::build(Build::Tests)?;
        let word = built.dir.display().to_string();
        bundles = Some(built);
        Ok(word)
    });
    match &bundles {
        Some(built) => {
            steps.run("tests", || {
                let mut command = cargo();
                command.args(["test", "--workspace", "--no-fail-fast"]).env("SPHERESCOPE_BUNDLE_DIR", &built.dir);
                run_tests(&mut command)
            });
        }
        None => steps.not_run("tests", "there is no bundle to test"),
    }
    steps.run("documentation", || {
        said(cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"), "no warnings")
    });
    match &bundles {
        Some(_) if std::env::var_os("SPHERESCOPE_OFFLINE").is_some_and(|v| v == "1") => {
            steps.not_run("VST3 host", "SPHERESCOPE_OFFLINE=1 and pedalboard comes from the network");
        }
        Some(built) => {
            steps.run("VST3 host", || pedalboard::check(&built.vst3));
        }
        None => steps.not_run("VST3 host", "there is no bundle to test"),
    }
    steps.finish()
}

fn said(command: &mut Command, word: &str) -> Result<String, Failure> {
    println!("$ {}", describe(command));
    pass_through(command)?;
    Ok(word.into())
}

/// Runs the tests with their output passing through, and adds up the runner's own result lines.
fn run_tests(command: &mut Command) -> Result<String, Failure> {
    let name = describe(command);
    println!("$ {name}");
    let fail = |e: std::io::Error| Failure::Task(format!("`{name}` cannot be run: {e}"));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(fail)?;
    let mut counts = Counts::default();
    let mut lines = BufReader::new(child.stdout.take().expect("the output is piped"));
    let (mut line, mut out) = (Vec::new(), std::io::stdout());
    while lines.read_until(b'\n', &mut line).map_err(fail)? > 0 {
        let _ = out.write_all(&line).and_then(|()| out.flush());
        counts.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait().map_err(fail)?;
    let Counts { passed, failed, ignored } = counts;
    let word = format!("{passed} tests passed, {failed} failed, {ignored} ignored");
    if !status.success() {
        return Err(Failure::Task(format!("{word}; cargo test ended with {status}")));
    }
    if passed == 0 {
        return Err(Failure::Task("no test was run".into()));
    }
    Ok(word)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    /// Adds a line such as `test result: ok. 12 passed; 0 failed; 1 ignored; …`.
    fn read(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        let (_, rest) = rest.split_once(". ").unwrap_or(("", rest));
        for part in rest.split(';') {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next().and_then(|n| n.parse::<u64>().ok()), words.next()) else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_added_up() {
        let mut counts = Counts::default();
        counts.read("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n");
        counts.read("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n");
        counts.read("test some_test ... ok\n");
        assert_eq!(counts, Counts { passed: 15, failed: 2, ignored: 1 });
    }
}
