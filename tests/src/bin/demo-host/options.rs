//! The command line.

use std::path::PathBuf;

use crate::player::Job;

/// What to do.
pub enum Command {
    /// The demo itself.
    Demo(Options),
    /// One playing of one file, in a process of its own: `play JOB`, with the job as JSON.
    Play(Job),
}

/// What every demo needs.
pub struct Common {
    /// The CLAP bundle.
    pub bundle: PathBuf,
    /// The folder for everything that is written.
    pub out: PathBuf,
    /// The scenes' seed.
    pub seed: u64,
    /// Whether to open the editor and take its picture.
    pub screenshot: bool,
}

/// A recording of the user's.
pub struct Recording {
    /// WAV or FLAC.
    pub input: PathBuf,
    /// A preset's name, or a layout file.
    pub array: String,
}

/// The demo's options.
pub struct Options {
    /// What every demo needs.
    pub common: Common,
    /// A recording to take instead of scenes.
    pub recording: Option<Recording>,
}

impl Command {
    /// Reads the words after the program's name.
    pub fn read(arguments: &[String]) -> Result<Self, String> {
        if let [word, job] = arguments
            && word == "play"
        {
            return serde_json::from_str(job).map(Self::Play).map_err(|e| format!("play: {e}"));
        }
        let (mut bundle, mut out, mut seed, mut screenshot) = (None, None, 1, true);
        let (mut input, mut array) = (None, None);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("expected a value after {word}, found nothing"));
            match word.as_str() {
                "--bundle" => bundle = Some(PathBuf::from(value()?)),
                "--out" => out = Some(PathBuf::from(value()?)),
                "--seed" => {
                    let text = value()?;
                    seed = text.parse().map_err(|_| format!("expected a whole number after --seed, found `{text}`"))?;
                }
                "--input" => input = Some(PathBuf::from(value()?)),
                "--array" => array = Some(value()?.clone()),
                "--no-screenshot" => screenshot = false,
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        let recording = match (input, array) {
            (Some(input), Some(array)) => Some(Recording { input, array }),
            (None, None) => None,
            _ => return Err("--input and --array go together".into()),
        };
        let (Some(bundle), Some(out)) = (bundle, out) else {
            return Err("expected --bundle FILE and --out FOLDER".into());
        };
        Ok(Self::Demo(Options { common: Common { bundle, out, seed, screenshot }, recording }))
    }
}
