//! The options of one task: taken one by one, and whatever is left over is an error.

use std::str::FromStr;

use crate::Failure;

/// The words after the task's name that nobody has taken yet.
#[derive(Debug)]
pub struct Args {
    task: String,
    words: Vec<String>,
}

impl Args {
    /// The words after `task`.
    pub fn new(task: &str, words: Vec<String>) -> Self {
        Self { task: task.into(), words }
    }

    /// Takes a switch such as `--dev`; says whether it was there.
    pub fn switch(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|w| w != name);
        self.words.len() < before
    }

    /// Takes an option with a value: `--seed 3` or `--seed=3`.
    pub fn value(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let with_equals = format!("{name}=");
        let Some(at) = self.words.iter().position(|w| w == name || w.starts_with(&with_equals)) else {
            return Ok(None);
        };
        let word = self.words.remove(at);
        if let Some(value) = word.strip_prefix(&with_equals) {
            return Ok(Some(value.into()));
        }
        match self.words.get(at) {
            Some(next) if !next.starts_with("--") => Ok(Some(self.words.remove(at))),
            found => Err(Failure::Usage(format!(
                "{}: expected a value after {name}, found {}",
                self.task,
                found.map_or("nothing".into(), |f| format!("`{f}`"))
            ))),
        }
    }

    /// Takes an option whose value has a type.
    pub fn parsed<T: FromStr>(&mut self, name: &str, expected: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Failure::Usage(format!("{}: expected {expected} after {name}, found `{text}`", self.task))),
        }
    }

    /// Ends the reading: an error if anything is left.
    pub fn finish(self) -> Result<(), Failure> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(Failure::Usage(format!("{}: unknown option `{word}`", self.task))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Args {
        Args::new("demo", words.iter().map(|w| (*w).into()).collect())
    }

    #[test]
    fn options_are_taken_and_the_rest_is_refused() {
        let mut a = args(&["--seed", "3", "--input=a b.wav", "--no-screenshot"]);
        assert_eq!(a.parsed::<u64>("--seed", "a number").unwrap(), Some(3));
        assert_eq!(a.value("--input").unwrap().as_deref(), Some("a b.wav"));
        assert!(a.switch("--no-screenshot"));
        assert!(!a.switch("--dev"));
        a.finish().unwrap();
        let Err(Failure::Usage(message)) = args(&["--sed", "3"]).finish() else { panic!("must be refused") };
        assert_eq!(message, "demo: unknown option `--sed`");
    }

    #[test]
    fn missing_and_wrong_values_are_named() {
        for (words, part) in [
            (&["--seed"][..], "found nothing"),
            (&["--seed", "--dev"], "found `--dev`"),
            (&["--seed", "x"], "expected a number"),
        ] {
            let Err(Failure::Usage(message)) = args(words).parsed::<u64>("--seed", "a number") else {
                panic!("{words:?} must be refused")
            };
            assert!(message.contains(part), "{message}");
        }
    }
}
