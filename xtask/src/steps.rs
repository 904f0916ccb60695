//! The steps of a long task: a heading and the time for each, a table at the end.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::{Failure, Outcome};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Passed, with a word on what was seen.
    Passed(String),
    /// Failed, and why.
    Failed(String),
    /// Not run, and why.
    NotRun(String),
}

/// The steps so far.
#[derive(Debug, Default)]
pub struct Steps {
    rows: Vec<(&'static str, Duration, End)>,
}

impl Steps {
    /// Runs a step under its heading; says whether it passed.
    pub fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<String, Failure>) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let end = match step() {
            Ok(word) => End::Passed(word),
            Err(Failure::Task(why) | Failure::Usage(why)) => End::Failed(why),
        };
        let took = start.elapsed();
        match &end {
            End::Failed(why) => println!("-- {name}: FAILED after {:.1} s: {why}", took.as_secs_f64()),
            _ => println!("-- {name}: passed in {:.1} s", took.as_secs_f64()),
        }
        let passed = matches!(end, End::Passed(_));
        self.rows.push((name, took, end));
        passed
    }

    /// Notes aloud that a step is not run.
    pub fn not_run(&mut self, name: &'static str, why: &str) {
        println!("\n== {name}\n-- {name}: NOT RUN: {why}");
        self.rows.push((name, Duration::ZERO, End::NotRun(why.into())));
    }

    /// The table, one row for each step.
    pub fn table(&self) -> String {
        let width = self.rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, took, end) in &self.rows {
            let (word, detail) = match end {
                End::Passed(detail) => ("passed", detail),
                End::Failed(detail) => ("FAILED", detail),
                End::NotRun(detail) => ("NOT RUN", detail),
            };
            let _ = writeln!(text, "{name:width$}  {word:7}  {:7.1} s  {detail}", took.as_secs_f64());
        }
        text
    }

    /// Prints the table and the verdict; fails if a step did.
    pub fn finish(self) -> Outcome {
        println!("\n== summary\n{}", self.table().trim_end());
        let failed: Vec<_> =
            self.rows.iter().filter(|(.., end)| matches!(end, End::Failed(_))).map(|(name, ..)| *name).collect();
        let not_run = self.rows.iter().filter(|(.., end)| matches!(end, End::NotRun(_))).count();
        let total: Duration = self.rows.iter().map(|(_, took, _)| *took).sum();
        let passed = self.rows.len() - failed.len() - not_run;
        let counts = format!("{passed} steps passed, {} failed, {not_run} not run", failed.len());
        if failed.is_empty() {
            println!("\nPASS: {counts}, in {:.0} s", total.as_secs_f64());
            Ok(())
        } else {
            println!("\nFAIL: {counts}, in {:.0} s", total.as_secs_f64());
            Err(Failure::Task(format!("failed: {}", failed.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_steps() {
        let mut steps = Steps::default();
        assert!(steps.run("good", || Ok("3 tests".into())));
        steps.not_run("absent", "no network");
        assert!(steps.table().contains("3 tests"));
        assert!(steps.finish().is_ok());
        let mut steps = Steps::default();
        assert!(!steps.run("bad", || Err(Failure::Task("broke".into()))));
        assert!(steps.table().contains("FAILED"));
        assert!(steps.finish().is_err());
    }
}
