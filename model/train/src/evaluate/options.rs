//! The command line of the evaluation.

use std::path::PathBuf;

use crate::sets::Set;

/// What `--help` prints.
pub const USAGE: &str = "\
How well sources are found: the network and its classical rivals on the same frames, as tables in Markdown.

Usage: evaluate [OPTIONS]

  --set NAME        what to run, may be repeated (default: all): sim-s, sim-u, sim-sphere, sim-head, sim-tetra, sim-three,
                    sim-moving, sim-wide, sim-quiet, rir-r3vival, grids, arrays, listening
  --quick           a tenth of the scenes
  --scenes N        this many scenes of each simulated set
  --first N         begin with scene N of each simulated set (default: 0). The published tables are those from 0 on: choose between
                    weights by others, such as those from 1000 on
  --before SECONDS  let the engines hear each scene of a set over and over for this long before its windows count, 0 to 3600 (default:
                    0). The published tables are without: this is how an engine fares that has listened for long.
                    The smoothing of SRP-PHAT begins with these windows all the same
  --weights FILE    weights of the network, may be repeated (default: those that ship)
  --networks-only   leave the classical rivals out
  --sources DIR     folder of dry WAV or FLAC recordings for the talkers (default: sounds made from seeds)
  --rooms DIR       folder of the R3VIVAL repository's seven-channel room responses (default: rir-r3vival is skipped)
  --threshold SCORE score that a peak of the network must reach to be shown, 0 to 1 (default: the plugin's)
  --threads N       scenes that run at the same time, 1 to 256 (default: the machine's cores)
  --write FILE      also put the tables between the markers of this Markdown file
  --pictures DIR    also draw the curves, maps and the reliability diagram into this folder
  --history FILE    progress.jsonl of a training run, or the .runs.json of several, to be drawn as well
  --commit TEXT     the commit, for the report
  --command TEXT    the command, for the report (default: this one)
  --help            print this text";

/// What can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A simulated set.
    Set(Set),
    /// Measured room responses.
    MeasuredRooms,
    /// The same weights on other grids.
    Grids,
    /// The same weights on all kinds of arrays.
    Arrays,
    /// The same weights after having listened for a while.
    Listening,
}

impl Part {
    /// Name of [`Part::MeasuredRooms`].
    pub const MEASURED_ROOMS: &str = "rir-r3vival";

    /// All parts, in the order of the report.
    pub fn all() -> Vec<Self> {
        let mut parts: Vec<_> = Set::ALL.into_iter().map(Self::Set).collect();
        parts.extend([Self::MeasuredRooms, Self::Grids, Self::Arrays, Self::Listening]);
        parts
    }

    /// Name on the command line.
    pub fn id(self) -> &'static str {
        match self {
            Self::Set(set) => set.id(),
            Self::MeasuredRooms => Self::MEASURED_ROOMS,
            Self::Grids => "grids",
            Self::Arrays => "arrays",
            Self::Listening => "listening",
        }
    }
}

/// What the user asks for, checked for range.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What to run, in the order of the report, each once.
    pub parts: Vec<Part>,
    /// A tenth of the scenes.
    pub quick: bool,
    /// Scenes of each simulated set, if not the usual number.
    pub scenes: Option<usize>,
    /// Number of the first scene of each simulated set.
    pub first: usize,
    /// For how long a scene is heard before it counts, in seconds.
    pub before_s: u32,
    /// Files of weights; none for those that ship.
    pub weights: Vec<PathBuf>,
    /// Whether the classical rivals run as well.
    pub rivals: bool,
    /// Folder of dry recordings.
    pub sources: Option<PathBuf>,
    /// Folder of measured room responses.
    pub rooms: Option<PathBuf>,
    /// Score from which a peak of the network is shown.
    pub threshold: Option<f32>,
    /// Scenes at the same time; none for as many as the machine has cores.
    pub threads: Option<usize>,
    /// Markdown file to rewrite.
    pub write: Option<PathBuf>,
    /// Folder for pictures.
    pub pictures: Option<PathBuf>,
    /// How the training went, for a picture.
    pub history: Option<PathBuf>,
    /// The commit, for the report.
    pub commit: Option<String>,
    /// The command, for the report.
    pub command: Option<String>,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Print [`USAGE`].
    Help,
    /// Run.
    Run(Box<Options>),
}

/// Reads the words after the program's name.
///
/// # Errors
/// A sentence with the option, what was expected and what was found.
pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Request, String> {
    let mut options = Options {
        parts: Vec::new(),
        quick: false,
        scenes: None,
        first: 0,
        before_s: 0,
        weights: Vec::new(),
        rivals: true,
        sources: None,
        rooms: None,
        threshold: None,
        threads: None,
        write: None,
        pictures: None,
        history: None,
        commit: None,
        command: None,
    };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (name, mut attached) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (word, None),
        };
        let mut value = |expected: &str| {
            let found = attached.take().or_else(|| words.next());
            found.ok_or_else(|| format!("{name}: expected {expected}, found the end of the command"))
        };
        match name.as_str() {
            "--set" => {
                let expected = || Part::all().into_iter().map(Part::id).collect::<Vec<_>>().join(", ");
                let found = value("a name")?;
                let part = Part::all().into_iter().find(|p| p.id() == found);
                options
                    .parts
                    .push(part.ok_or_else(|| format!("--set: expected one of {}, found `{found}`", expected()))?);
            }
            "--quick" => options.quick = true,
            "--networks-only" => options.rivals = false,
            "--scenes" => options.scenes = Some(number("--scenes", &value("1 to 10000")?, 1, 10_000)?),
            "--first" => options.first = number("--first", &value("0 to 1000000")?, 0, 1_000_000)?,
            "--before" => options.before_s = number("--before", &value("0 to 3600")?, 0, 3600)? as u32,
            "--threads" => options.threads = Some(number("--threads", &value("1 to 256")?, 1, 256)?),
            "--weights" => options.weights.push(value("a file")?.into()),
            "--sources" => options.sources = Some(value("a folder")?.into()),
            "--rooms" => options.rooms = Some(value("a folder")?.into()),
            "--write" => options.write = Some(value("a file")?.into()),
            "--history" => options.history = Some(value("a file")?.into()),
            "--pictures" => options.pictures = Some(value("a folder")?.into()),
            "--commit" => options.commit = Some(value("a text")?),
            "--command" => options.command = Some(value("a text")?),
            "--threshold" => {
                let found = value("0 to 1")?;
                let score = found.parse().ok().filter(|s| (0.0..=1.0).contains(s));
                options.threshold =
                    Some(score.ok_or_else(|| format!("--threshold: expected 0 to 1, found `{found}`"))?);
            }
            "--help" | "-h" => return Ok(Request::Help),
            _ => return Err(format!("expected an option (see --help), found `{name}`")),
        }
        if let Some(left) = attached {
            return Err(format!("{name}: expected no value, found `{left}`"));
        }
    }
    let asked = std::mem::take(&mut options.parts);
    options.parts = Part::all().into_iter().filter(|p| asked.is_empty() || asked.contains(p)).collect();
    Ok(Request::Run(Box::new(options)))
}

fn number(name: &str, found: &str, low: usize, high: usize) -> Result<usize, String> {
    let value = found.parse().ok().filter(|n| (low..=high).contains(n));
    value.ok_or_else(|| format!("{name}: expected {low} to {high}, found `{found}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Request, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn options(line: &str) -> Options {
        match words(line) {
            Ok(Request::Run(options)) => *options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_are_read_in_any_order() {
        let o =
            options("--quick --set sim-u --set sim-s --weights a --weights=b --threshold 0.5 --threads=2 --first 1000");
        assert_eq!(o.parts, [Part::Set(Set::S), Part::Set(Set::U)]);
        assert_eq!((o.quick, o.threshold, o.threads, o.rivals, o.first), (true, Some(0.5), Some(2), true, 1000));
        assert_eq!(o.weights, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!((options("--before 60").before_s, options("").before_s), (60, 0));
        assert_eq!(options("").parts, Part::all());
        assert_eq!(words("--set sim-s --help"), Ok(Request::Help));
    }

    #[test]
    fn errors_name_option_expected_and_found() {
        for (line, parts) in [
            ("--set sim-x", ["--set", "sim-s, sim-u", "`sim-x`"]),
            ("--threshold 2", ["--threshold", "expected 0 to 1", "`2`"]),
            ("--threads 0", ["--threads", "expected 1 to 256", "`0`"]),
            ("--before long", ["--before", "expected 0 to 3600", "`long`"]),
            ("--first -1", ["--first", "expected 0 to 1000000", "`-1`"]),
            ("--scenes many", ["--scenes", "expected 1 to 10000", "`many`"]),
            ("--weights", ["--weights", "expected a file", "end of the command"]),
            ("--quick=yes", ["--quick", "expected no value", "`yes`"]),
            ("sim-s", ["expected an option", "--help", "`sim-s`"]),
        ] {
            let error = words(line).unwrap_err();
            assert!(parts.iter().all(|p| error.contains(p)), "{error}");
        }
    }
}
