//! The command line of the bench.

use std::path::PathBuf;

/// What `--help` prints.
pub const USAGE: &str = "\
How fast everything is that needs no host, as tables in Markdown.

Usage: bench [OPTIONS]

  --quick           fewer sizes, less time
  --json FILE       also write the figures as JSON
  --write FILE      also put the tables between the markers of this Markdown file
  --append FILE     put the Markdown of this file below the tables: what was measured in a host
  --picture FILE    also draw cost against capsules, directions and sample rate into this PNG file
  --commit TEXT     the commit, for the report
  --command TEXT    the command, for the report (default: this one)
  --help            print this text";

/// What the user asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Fewer sizes, less time.
    pub quick: bool,
    /// File for the figures.
    pub json: Option<PathBuf>,
    /// Markdown file to rewrite.
    pub write: Option<PathBuf>,
    /// Markdown to put below the tables.
    pub append: Option<PathBuf>,
    /// PNG file to draw.
    pub picture: Option<PathBuf>,
    /// The commit, for the report.
    pub commit: Option<String>,
    /// The command, for the report.
    pub command: Option<String>,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Print [`USAGE`].
    Help,
    /// Run.
    Run(Options),
}

/// Reads the words after the program's name.
///
/// # Errors
/// A sentence with the option, what was expected and what was found.
pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Request, String> {
    let mut options = Options::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut value = |expected: &str| {
            words.next().ok_or_else(|| format!("{word}: expected {expected}, found the end of the command"))
        };
        match word.as_str() {
            "--quick" => options.quick = true,
            "--json" => options.json = Some(value("a file")?.into()),
            "--write" => options.write = Some(value("a file")?.into()),
            "--append" => options.append = Some(value("a file")?.into()),
            "--picture" => options.picture = Some(value("a file")?.into()),
            "--commit" => options.commit = Some(value("a text")?),
            "--command" => options.command = Some(value("a text")?),
            "--help" | "-h" => return Ok(Request::Help),
            _ => return Err(format!("expected an option (see --help), found `{word}`")),
        }
    }
    Ok(Request::Run(options))
}
