//! Audio files: WAV and FLAC in, float WAV out. A file may be anything; no file may bring the program down.

mod flac;
mod wav;

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Sample rates in Hz that are believed.
pub const FILE_RATES_HZ: std::ops::RangeInclusive<u32> = 1_000..=1_536_000;
/// Channels that are believed.
pub const MAX_CHANNELS: usize = 1024;

/// A whole audio file in memory, planar.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    /// Sample rate in Hz.
    pub sample_rate_hz: u32,
    /// `[channel][frame]`, all equally long, at least one channel and one frame; integers come as −1 … 1.
    pub channels: Vec<Vec<f32>>,
}

impl Audio {
    /// Length in frames.
    pub fn frames(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// The mean of all channels.
    pub fn mono(&self) -> Vec<f32> {
        let share = 1.0 / self.channels.len().max(1) as f32;
        (0..self.frames()).map(|n| self.channels.iter().map(|c| c[n]).sum::<f32>() * share).collect()
    }
}

/// What is wrong with which file.
#[derive(Debug)]
pub struct AudioError {
    /// The file (or folder).
    pub path: PathBuf,
    /// What is wrong.
    pub fault: AudioFault,
}

/// What can be wrong with an audio file. Channels and frames are counted from 0.
#[derive(Debug)]
pub enum AudioFault {
    /// The file system says no.
    Io(io::Error),
    /// A folder without a WAV or FLAC file in it.
    NoFiles,
    /// Neither WAV nor FLAC.
    UnknownFormat {
        /// The first bytes.
        found: Vec<u8>,
    },
    /// A header that breaks its format, or a width or coding that is not read here: "expected …, found …".
    Format(String),
    /// No frames.
    Empty,
    /// The file ends before its header says.
    Truncated {
        /// Frames by the header.
        expected: u64,
        /// Whole frames in the file.
        found: u64,
    },
    /// A sample that is infinite or not a number.
    NotFinite {
        /// Its channel.
        channel: usize,
        /// Its frame.
        frame: usize,
    },
    /// Nothing but zeros where sound is needed.
    Silent,
    /// Writing: no channels, or channels of different lengths.
    Shape {
        /// Lengths in frames.
        found: Vec<usize>,
    },
    /// Writing: more than a WAV file can hold.
    TooLong {
        /// Bytes of audio.
        bytes: u64,
    },
}

impl fmt::Display for AudioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

impl fmt::Display for AudioFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NoFiles => write!(f, "expected WAV or FLAC files in the folder, found none"),
            Self::UnknownFormat { found } => {
                write!(f, "expected a WAV or FLAC file, found one that begins with “{}”", found.escape_ascii())
            }
            Self::Format(fault) => f.write_str(fault),
            Self::Empty => write!(f, "expected audio, found no frames"),
            Self::Truncated { expected, found } => {
                write!(f, "expected {expected} frames by the header, found {found}: the file is cut off")
            }
            Self::NotFinite { channel, frame } => write!(
                f,
                "expected finite samples, found an infinite one or none at all in channel {channel} (from 0), frame {frame}"
            ),
            Self::Silent => write!(f, "expected sound, found nothing but zeros"),
            Self::Shape { found } if found.is_empty() => write!(f, "expected at least one channel, found none"),
            Self::Shape { found } => write!(f, "expected channels of one length, found lengths {found:?}"),
            Self::TooLong { bytes } => {
                write!(f, "expected less than 4 GiB of audio for a WAV file, found {bytes} bytes")
            }
        }
    }
}

impl std::error::Error for AudioError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            AudioFault::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Reads a WAV file (PCM of 8, 16, 24 or 32 bits, float of 32 or 64; plain, extensible or RF64) or a FLAC file. What the file is
/// decides, not what it is called.
///
/// # Errors
/// [`AudioError`]: which file, what was expected and what found. Never panics, whatever the bytes; memory follows the file's true size.
pub fn read_audio(path: impl AsRef<Path>) -> Result<Audio, AudioError> {
    let path = path.as_ref();
    read(path).map_err(|fault| AudioError { path: path.to_owned(), fault })
}

fn read(path: &Path) -> Result<Audio, AudioFault> {
    let file = File::open(path).map_err(AudioFault::Io)?;
    if file.metadata().map_err(AudioFault::Io)?.is_dir() {
        return Err(AudioFault::Format("expected a file, found a folder".into()));
    }
    read_from(BufReader::with_capacity(1 << 16, file))
}

/// Reads audio from anything that can be read and wound.
pub(crate) fn read_from(mut input: impl Read + Seek) -> Result<Audio, AudioFault> {
    let mut magic = Vec::new();
    input.by_ref().take(12).read_to_end(&mut magic).map_err(AudioFault::Io)?;
    input.seek(SeekFrom::Start(0)).map_err(AudioFault::Io)?;
    let audio = match magic.get(..4) {
        Some(b"RIFF" | b"RF64" | b"BW64") if magic.get(8..12) == Some(b"WAVE") => wav::read(input)?,
        Some(b"fLaC") => flac::read(input)?,
        _ if magic.is_empty() => return Err(AudioFault::Empty),
        _ => return Err(AudioFault::UnknownFormat { found: magic }),
    };
    if audio.frames() == 0 {
        return Err(AudioFault::Empty);
    }
    for (channel, samples) in audio.channels.iter().enumerate() {
        if let Some(frame) = samples.iter().position(|x| !x.is_finite()) {
            return Err(AudioFault::NotFinite { channel, frame });
        }
    }
    Ok(audio)
}

/// Checks what both formats' headers claim.
fn check_header(sample_rate_hz: u32, channels: usize) -> Result<(), AudioFault> {
    if !(1..=MAX_CHANNELS).contains(&channels) {
        return Err(AudioFault::Format(format!("expected 1 to {MAX_CHANNELS} channels, found {channels}")));
    }
    if !FILE_RATES_HZ.contains(&sample_rate_hz) {
        let (low, high) = (FILE_RATES_HZ.start(), FILE_RATES_HZ.end());
        return Err(AudioFault::Format(format!(
            "expected a sample rate of {low} to {high} Hz, found {sample_rate_hz} Hz"
        )));
    }
    Ok(())
}

/// Writes channels, planar, as a WAV file of 32-bit floats. It appears under its name only when it is whole; a file that was there
/// before is replaced.
///
/// # Errors
/// [`AudioError`] for channels of different lengths or none, samples that are not finite, more than 4 GiB, and the file system's own.
pub fn write_wav_f32(path: impl AsRef<Path>, sample_rate_hz: u32, channels: &[Vec<f32>]) -> Result<(), AudioError> {
    let path = path.as_ref();
    write(path, sample_rate_hz, channels).map_err(|fault| AudioError { path: path.to_owned(), fault })
}

fn write(path: &Path, sample_rate_hz: u32, channels: &[Vec<f32>]) -> Result<(), AudioFault> {
    let frames = channels.first().map_or(0, Vec::len);
    if channels.is_empty() || channels.iter().any(|c| c.len() != frames) {
        return Err(AudioFault::Shape { found: channels.iter().map(Vec::len).collect() });
    }
    check_header(sample_rate_hz, channels.len())?;
    for (channel, samples) in channels.iter().enumerate() {
        if let Some(frame) = samples.iter().position(|x| !x.is_finite()) {
            return Err(AudioFault::NotFinite { channel, frame });
        }
    }
    let bytes = 4 * frames as u64 * channels.len() as u64;
    if bytes > u64::from(u32::MAX) - 1024 {
        return Err(AudioFault::TooLong { bytes });
    }
    // In the same folder, so that the last step is a rename and not a copy; removed by itself if anything fails.
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".spherescope-").suffix(".wav").tempfile_in(folder);
    let mut temporary = temporary.map_err(AudioFault::Io)?;
    let spec = hound::WavSpec {
        channels: channels.len() as u16,
        sample_rate: sample_rate_hz,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let written = (|| {
        let mut writer = hound::WavWriter::new(BufWriter::new(temporary.as_file_mut()), spec)?;
        for n in 0..frames {
            for samples in channels {
                writer.write_sample(samples[n])?;
            }
        }
        writer.finalize()
    })();
    written.map_err(|error| match error {
        hound::Error::IoError(error) => AudioFault::Io(error),
        other => AudioFault::Format(other.to_string()),
    })?;
    readable_by_others(temporary.as_file()).map_err(AudioFault::Io)?;
    temporary.persist(path).map_err(|error| AudioFault::Io(error.error))?;
    Ok(())
}

/// Temporary files are private to the user; a recording should be what any new file is.
#[cfg(unix)]
fn readable_by_others(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_others(_: &File) -> io::Result<()> {
    Ok(())
}
