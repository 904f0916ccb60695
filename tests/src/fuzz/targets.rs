//! What reads bytes, and what may be expected of it.

use std::ffi::CString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use spherescope_dsp::layout_file::{Import, LayoutFormat, import};
use spherescope_dsp::{MicArray, presets};
use spherescope_model::Network;
use spherescope_train::audio::{Audio, read_audio, write_wav_f32};

use super::{Answer, flac};
use crate::Result;
use crate::bundle;
use crate::host::{ClapHost, Instance, Parameter, StateDocument};

/// What reads the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Layout files of every format, as editor and command line read them.
    Layout,
    /// WAV and FLAC files, as the command line reads them.
    Audio,
    /// Weights of the network with their configuration.
    Weights,
    /// Saved states, as hosts hand them to the plugin.
    State,
    /// Texts typed for a parameter's value, in a host.
    Text,
}

impl Target {
    /// All targets.
    pub const ALL: [Self; 5] = [Self::Layout, Self::Audio, Self::Weights, Self::State, Self::Text];

    fn name(self) -> &'static str {
        match self {
            Self::Layout => "layout",
            Self::Audio => "audio",
            Self::Weights => "weights",
            Self::State => "state",
            Self::Text => "text",
        }
    }

    /// Good and bad inputs to begin from: this project's own and those of `tests/fixtures/fuzz`.
    pub(super) fn examples(self) -> Result<Vec<Vec<u8>>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut examples = files(&root.join("fixtures/fuzz").join(self.name()))?;
        match self {
            Self::Layout => {
                examples.extend(files(&root.join("../dsp/tests/layouts"))?);
                for preset in presets::all() {
                    examples.extend(LayoutFormat::ALL.map(|format| format.write(&preset.array).into_bytes()));
                }
            }
            Self::Audio => examples.push(flac::example()),
            Self::Weights => examples.push(shipped_weights()?.0),
            Self::State => examples.extend(files(&root.join("fixtures/state"))?),
            Self::Text => {
                let texts = [
                    "-60.0 dBFS",
                    "0.50",
                    "4",
                    "100 ms",
                    "2048 directions",
                    "AGG-RL",
                    "On",
                    "-inf dB",
                    "1,5",
                    "",
                    "NaN",
                ];
                examples.extend(texts.map(|text| text.as_bytes().to_vec()));
            }
        }
        Ok(examples)
    }

    /// The memory that an input may take at once, in bytes, beside what its length explains.
    pub(super) fn most_bytes(self) -> usize {
        match self {
            // The network's sizes stand in the file; within their limits the tables on its sphere are large.
            Self::Weights => 2 << 30,
            _ => 32 << 20,
        }
    }

    /// Words of the target's format.
    pub(super) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Layout => &[
                "channel",
                "x_m",
                "y_m",
                "z_m",
                "x_mm",
                "azimuth_deg",
                "elevation_deg",
                "radius_m",
                "muted",
                "true",
                "capsules",
                "name",
                "Name",
                "GenericLayout",
                "Elements",
                "Azimuth",
                "Elevation",
                "Radius",
                "IsVirtual",
                "Channel",
                "<pos ",
                "/>",
                "<!--",
                "<![CDATA[",
                "&lt;",
                "&#x10ffff;",
                "\u{feff}",
                "\\u0000",
                "\\ud800",
                ";",
                "\t",
                "null",
                "# ",
            ],
            Self::Audio => {
                &["RIFF", "RF64", "BW64", "WAVE", "fmt ", "data", "ds64", "LIST", "JUNK", "fLaC", "\u{1}\0", "\u{3}\0"]
            }
            Self::Weights => {
                &["dtype", "F32", "F16", "shape", "data_offsets", "__metadata__", "spherescope", "[", "],"]
            }
            Self::State => &[
                "version",
                "params",
                "fields",
                "layout",
                "layout-version",
                "view",
                "window",
                "engine",
                "f32",
                "i32",
                "bool",
                "string",
                "agg-rl",
                "null",
                "\\\"",
                "\\n",
                "\\u0000",
                "\\ud800",
            ],
            Self::Text => &["dB", "dBFS", "ms", " directions", "AGG-RL", "SRP-PHAT", "On", "Off", "∞", "%"],
        }
    }

    /// Something that answers. `folder` is for files.
    pub(super) fn subject(self, folder: &Path) -> Result<Box<dyn Subject>> {
        Ok(match self {
            Self::Layout => Box::new(Layouts),
            Self::Audio => {
                Box::new(AudioFiles { read: folder.join("audio-read"), written: folder.join("audio-written.wav") })
            }
            Self::Weights => Box::new(Weights { body: shipped_weights()?.1 }),
            Self::State => {
                let mut instance = ClapHost::load(bundle::clap()?)?.instance()?;
                let good = instance.save_state()?;
                Box::new(States { instance, good })
            }
            Self::Text => {
                let mut instance = ClapHost::load(bundle::clap()?)?.instance()?;
                let parameters = instance.parameters()?;
                Box::new(Texts { instance, parameters })
            }
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|t| t.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|t| t.name()).collect();
            format!("expected one of {}, found `{text}`", names.join(", "))
        })
    }
}

/// The files of a folder in the order of their names; none where there is no folder.
fn files(folder: &Path) -> Result<Vec<Vec<u8>>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()).into())).collect()
}

/// What is asked, input by input.
pub(super) trait Subject {
    /// The answer, or what is wrong with it.
    fn ask(&mut self, input: &[u8]) -> Result<Answer, String>;
}

struct Layouts;

impl Subject for Layouts {
    fn ask(&mut self, input: &[u8]) -> Result<Answer, String> {
        let text = String::from_utf8_lossy(input);
        let array = match import(&text) {
            Ok(Import::Array(array)) => array,
            Ok(Import::NeedsRadius(directions)) => match directions.with_radius_m(0.05) {
                Ok(array) => array,
                Err(error) => return refused(error),
            },
            Err(error) => return refused(error),
        };
        if MicArray::from_json(&array.to_json()).as_ref() != Ok(&array) {
            return Err(format!("the array changes on its way through its own file: {}", array.to_json()));
        }
        for format in LayoutFormat::ALL {
            let written = format.write(&array);
            match import(&written) {
                Ok(Import::Array(again)) if again.capsules().len() == array.capsules().len() => {}
                other => return Err(format!("{format}: written as {written:?}, read as {other:?}")),
            }
        }
        Ok(Answer::Taken(format!("{:?}", LayoutFormat::recognise(&text))))
    }
}

struct AudioFiles {
    read: PathBuf,
    written: PathBuf,
}

impl Subject for AudioFiles {
    fn ask(&mut self, input: &[u8]) -> Result<Answer, String> {
        std::fs::write(&self.read, input).map_err(|e| e.to_string())?;
        let Audio { sample_rate_hz, channels } = match read_audio(&self.read) {
            Ok(audio) => audio,
            Err(error) => return refused(error.fault),
        };
        let frames = channels.first().map_or(0, Vec::len);
        if frames == 0 || channels.iter().any(|c| c.len() != frames || c.iter().any(|x| !x.is_finite())) {
            return Err(format!(
                "{} channels of {frames} frames are none, differ in length or are not finite",
                channels.len()
            ));
        }
        // 4 GiB are out of reach of inputs this short, so what is read can be written, and is the same again.
        write_wav_f32(&self.written, sample_rate_hz, &channels).map_err(|e| e.to_string())?;
        let again = read_audio(&self.written).map_err(|e| e.to_string())?;
        if again.sample_rate_hz != sample_rate_hz || again.channels != channels {
            return Err("the audio changes on its way through a file".into());
        }
        Ok(Answer::Taken(format!("{} channels", channels.len().min(9))))
    }
}

/// The text before the numbers of the shipped weights, and the numbers.
fn shipped_weights() -> Result<(Vec<u8>, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/weights/lifted.safetensors");
    let file = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (length, rest) = file.split_first_chunk::<8>().ok_or("the shipped weights are cut off")?;
    let (text, numbers) =
        rest.split_at_checked(u64::from_le_bytes(*length) as usize).ok_or("the shipped weights are cut off")?;
    Ok((text.to_vec(), numbers.to_vec()))
}

/// Asked for the text alone: of changes to a whole file most would fall on its numbers, and those may be any.
struct Weights {
    body: Vec<u8>,
}

impl Subject for Weights {
    fn ask(&mut self, input: &[u8]) -> Result<Answer, String> {
        if Network::from_bytes(input).is_ok() {
            return Err("a text without numbers is taken for a network".into());
        }
        let file = [&(input.len() as u64).to_le_bytes(), input, &self.body].concat();
        match Network::from_bytes(&file) {
            Ok(_) => Ok(Answer::Taken("a network".into())),
            Err(error) => refused(error),
        }
    }
}

struct States {
    instance: Instance,
    good: Vec<u8>,
}

impl Subject for States {
    fn ask(&mut self, input: &[u8]) -> Result<Answer, String> {
        let told = |e: crate::Error| e.to_string();
        let before = self.instance.save_state().map_err(told)?;
        // Once as it came, once with its length mended, so that what is behind it is looked at.
        let framed = match StateDocument::read(input) {
            Ok(_) => input.to_vec(),
            Err(_) => match input.get(8..) {
                Some(json) => [&(json.len() as u64).to_le_bytes()[..], json].concat(),
                None => input.to_vec(),
            },
        };
        let taken = [input, &framed].map(|bytes| self.instance.load_state(bytes).is_ok());
        let after = self.instance.save_state().map_err(told)?;
        if taken == [false, false] && before != after {
            return Err("a refused state has changed the session".into());
        }
        for p in self.instance.parameters().map_err(told)? {
            if !(p.min..=p.max).contains(&p.value) {
                return Err(format!("{p:?} is out of its range"));
            }
        }
        // What was saved loads, and is the same again.
        self.instance.load_state(&after).map_err(told)?;
        if self.instance.save_state().map_err(told)? != after {
            return Err("the state changes on its way through a file".into());
        }
        let changed = after != before;
        if changed {
            self.instance.load_state(&self.good).map_err(told)?;
        }
        Ok(match taken {
            [false, false] => Answer::Refused("as it came and with its length mended".into()),
            _ => Answer::Taken(format!("{taken:?}, changed: {changed}")),
        })
    }
}

struct Texts {
    instance: Instance,
    parameters: Vec<Parameter>,
}

impl Subject for Texts {
    fn ask(&mut self, input: &[u8]) -> Result<Answer, String> {
        let bytes: Vec<u8> = input.iter().copied().take_while(|b| *b != 0).collect();
        let text = CString::new(bytes).map_err(|e| e.to_string())?;
        let mut answers = String::new();
        for p in &self.parameters {
            let value = self.instance.value_of(p.id, &text).map_err(|e| e.to_string())?;
            answers.push(if value.is_some() { '+' } else { '-' });
            let Some(value) = value else { continue };
            if !(p.min..=p.max).contains(&value) {
                return Err(format!("{}: {text:?} is read as {value}", p.name));
            }
            let shown = self.instance.text_of(p.id, value).map_err(|e| e.to_string())?;
            let shown = CString::new(shown).map_err(|e| e.to_string())?;
            if self.instance.value_of(p.id, &shown).map_err(|e| e.to_string())?.is_none() {
                return Err(format!("{}: {shown:?}, shown for {text:?}, is not read", p.name));
            }
        }
        Ok(if answers.contains('+') { Answer::Taken(answers) } else { Answer::Refused(answers) })
    }
}

fn refused(error: impl fmt::Display) -> Result<Answer, String> {
    let message = error.to_string();
    if message.trim().is_empty() { Err("refused without a word".into()) } else { Ok(Answer::Refused(message)) }
}
