//! Hostile bytes for everything that reads bytes: layout files, audio files, weights, saved states, texts of parameters.
//!
//! Inputs are mutations of good and bad examples. There is no instrumented coverage on a stable compiler; instead the pool grows by every
//! input that is answered in a new way: another refusal (numbers aside) is another path through the reader. The same seed gives the same
//! inputs.
//!
//! [`Target`] says what reads; [`run`] sends inputs to it and fails on the first that is answered by a panic, by taking far more memory or
//! time than it is worth, or by a result that contradicts itself. `cargo xtask fuzz` runs all targets for as long as one likes.

mod flac;
pub mod memory;
mod mutate;
mod targets;

use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

pub use targets::Target;

use crate::Result;
use mutate::mutate;

/// No input is longer, in bytes.
const MAX_INPUT_BYTES: usize = 1 << 19;
/// No input may cost more time than this, on a busy machine with a development build.
const MOST_TIME: Duration = Duration::from_secs(60);
/// The memory that an input may take at once, in bytes, is what its target says and so many times its length.
const MOST_BYTES_PER_BYTE: usize = 256;
/// This share of the inputs begins from an example, and not from what became of them: most of that is refused early.
const EXAMPLES_SHARE: f64 = 0.5;
/// The pool of inputs to begin from grows no larger.
const MAX_POOL: usize = 4000;

/// How a target has answered an input that it may answer so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Understood, with a word on what was seen.
    Taken(String),
    /// Refused, with the message.
    Refused(String),
}

/// When to end.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After so many inputs.
    Inputs(u64),
    /// After so much time.
    Time(Duration),
}

/// What has been sent and answered.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// All inputs.
    pub inputs: u64,
    /// Those that were understood.
    pub taken: u64,
    /// Kinds of answers.
    pub answers: usize,
    /// The longest answer.
    pub slowest: Duration,
    /// The most memory that one input took at once, in bytes; 0 where [`memory::Meter`] is not the allocator.
    pub most_bytes: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} inputs, {} taken, {} kinds of answers, slowest {:.1} ms, at most {:.1} MiB",
            self.inputs,
            self.taken,
            self.answers,
            1e3 * self.slowest.as_secs_f64(),
            self.most_bytes as f64 / f64::from(1 << 20)
        )
    }
}

/// Sends mutated inputs to a target. The input that is looked at lies in `folder` while it is, so that it is there even when the whole
/// process goes; one that fails stays there.
///
/// # Errors
/// The first failure, with the file that holds its input.
pub fn run(target: Target, seed: u64, until: Until, folder: &Path) -> Result<Report> {
    std::fs::create_dir_all(folder)?;
    let mut subject = target.subject(folder)?;
    let mut pool = target.examples()?;
    let examples = pool.len();
    if examples == 0 {
        return Err(format!("{target}: there are no examples to begin from").into());
    }
    let mut rng = SmallRng::seed_from_u64(seed);
    let (mut report, mut answers) = (Report::default(), HashSet::new());
    let begin = Instant::now();
    while match until {
        Until::Inputs(most) => report.inputs < most,
        Until::Time(most) => begin.elapsed() < most,
    } {
        // The examples themselves come first.
        let input = match pool.get(report.inputs as usize) {
            Some(example) if (report.inputs as usize) < examples => example.clone(),
            _ => {
                let from = if rng.random_bool(EXAMPLES_SHARE) { examples } else { pool.len() };
                mutate(&mut rng, &pool, from, target.words(), MAX_INPUT_BYTES)
            }
        };
        let file = folder.join(format!("{target}-now"));
        std::fs::write(&file, &input)?;
        let (answer, took, bytes) = ask(&mut *subject, &input);
        let fault = match &answer {
            Err(fault) => Some(fault.clone()),
            Ok(_) if took > MOST_TIME => Some(format!("took {took:.1?}")),
            Ok(_) if bytes > target.most_bytes() + MOST_BYTES_PER_BYTE * input.len() => {
                Some(format!("took {bytes} bytes of memory"))
            }
            Ok(_) => None,
        };
        if let Some(fault) = fault {
            let kept = keep(&file, folder, target, &input)?;
            let (number, length) = (report.inputs, input.len());
            return Err(format!(
                "{target}, seed {seed}, input {number} of {length} bytes: {fault}: {}",
                kept.display()
            )
            .into());
        }
        report.inputs += 1;
        report.slowest = report.slowest.max(took);
        report.most_bytes = report.most_bytes.max(bytes);
        if let Ok(answer) = answer {
            report.taken += u64::from(matches!(answer, Answer::Taken(_)));
            if answers.insert(shape(&answer)) && pool.len() < MAX_POOL {
                pool.push(input);
            }
        }
    }
    report.answers = answers.len();
    let _ = std::fs::remove_file(folder.join(format!("{target}-now")));
    Ok(report)
}

/// One input: the answer or a fault, the time and the memory that it took.
fn ask(subject: &mut dyn targets::Subject, input: &[u8]) -> (Result<Answer, String>, Duration, usize) {
    let meter = memory::Peak::begin();
    let begin = Instant::now();
    let answer = catch_unwind(AssertUnwindSafe(|| subject.ask(input)));
    let took = begin.elapsed();
    let bytes = meter.bytes();
    let answer = answer.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(format!(
            "panicked: {}",
            text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
        ))
    });
    (answer, took, bytes)
}

/// Keeps a failing input under a name of its own.
fn keep(file: &Path, folder: &Path, target: Target, input: &[u8]) -> Result<PathBuf> {
    // FNV-1a: only a name.
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    let kept = folder.join(format!("{target}-failed-{hash:016x}"));
    std::fs::rename(file, &kept)?;
    Ok(kept)
}

/// An answer without what differs from input to input: numbers and what is quoted.
fn shape(answer: &Answer) -> String {
    let text = match answer {
        Answer::Taken(word) => return format!("+{word}"),
        Answer::Refused(text) => text,
    };
    // What is quoted may hold quotes itself: from the first to the last one.
    let is_quote = |c: char| matches!(c, '"' | '`' | '“' | '”' | '\'');
    let (begin, end) = match (text.find(is_quote), text.rfind(is_quote)) {
        (Some(first), Some(last)) => (&text[..first], &text[last..]),
        _ => (text.as_str(), ""),
    };
    let words = begin.chars().chain(end.chars()).filter(|c| c.is_ascii_alphabetic() || *c == ' ');
    std::iter::once('-').chain(words.take(80)).collect()
}

/// A draw of a few of the words, for those who build inputs.
fn one_of<'a, T>(rng: &mut SmallRng, all: &'a [T]) -> &'a T {
    &all[rng.random_range(0..all.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_differ_by_their_words_not_by_their_numbers() {
        let refused = |text: &str| shape(&Answer::Refused(text.into()));
        assert_eq!(refused("line 3: expected 1, found `x`"), refused("line 17: expected 2, found `y`y`"));
        assert_eq!(refused("expected no `x`"), refused("expected no `y`"));
        assert_ne!(refused("line 3: expected a name"), refused("line 3: expected a number"));
        assert_ne!(refused("a"), shape(&Answer::Taken("a".into())));
    }
}
