//! The outer process: starts the one that makes the calls, and tells how it ended.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use spherescope_tests::Result;

use crate::Options;
use crate::growth::MEMORY_ENVIRONMENT;
use crate::host::{CALL, NOTE};

/// This many calls are told with a failure.
const LAST_CALLS: usize = 40;
/// A call that takes longer than this hangs.
const HANGS_AFTER: Duration = Duration::from_secs(90);

/// Runs the calls; the error is the verdict.
pub fn run(options: &Options, arguments: &[String]) -> Result<()> {
    let logs = tempfile::tempdir()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).arg("--inside").stdin(Stdio::null()).stdout(Stdio::piped());
    command.envs(MEMORY_ENVIRONMENT);
    // Half of the seeds write logs, so that the analysis runs with all windows closed, too.
    command.env_remove("SPHERESCOPE_LOG");
    if options.seed % 2 == 1 {
        command.env("SPHERESCOPE_LOG", logs.path());
    }
    // Every refused state is a warning of the framework's; they are meant, and many.
    command.env("NICE_LOG", logs.path().join("plugin.log"));
    let mut child = command.spawn()?;
    let output = child.stdout.take().ok_or("the output is not piped")?;
    let (sender, lines) = channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let (mut calls, mut last, mut verdict) = (0u64, VecDeque::new(), None);
    let hangs = loop {
        match lines.recv_timeout(HANGS_AFTER) {
            Ok(line) => {
                if let Some(call) = line.strip_prefix(CALL) {
                    calls += 1;
                    if options.verbose {
                        println!("{call}");
                    }
                    last.push_back(call.to_string());
                    if last.len() > LAST_CALLS {
                        last.pop_front();
                    }
                } else if let Some(note) = line.strip_prefix(NOTE) {
                    println!("{note}");
                } else if let Some(why) = line.strip_prefix("FAIL: ") {
                    verdict = Some(why.to_string());
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                // Ours, and nobody else waits for it.
                child.kill()?;
                break true;
            }
            Err(RecvTimeoutError::Disconnected) => break false,
        }
    };
    let status = child.wait()?;
    let _ = reader.join();
    let why = match (hangs, verdict) {
        (true, _) => format!("no call has come back for {HANGS_AFTER:?}"),
        (_, Some(why)) => why,
        _ if status.success() => {
            println!("PASS: {calls} calls with seed {}, nothing has grown", options.seed);
            return Ok(());
        }
        _ => format!("the host ended with {status}"),
    };
    for call in last {
        println!("  {call}");
    }
    Err(format!("seed {}, after {calls} calls: {why}", options.seed).into())
}
