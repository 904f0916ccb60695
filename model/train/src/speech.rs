//! Spoken sentences by espeak-ng, where it is installed.

use std::fmt;
use std::io;
use std::process::Command;

use crate::audio::{AudioError, read_audio};
use crate::resample::resample;
use crate::sources::level;

/// Why no speech came.
#[derive(Debug)]
pub enum SpeechError {
    /// The program `espeak-ng` is not installed or does not start.
    NotInstalled(io::Error),
    /// It ran and failed.
    Failed {
        /// What it said.
        message: String,
    },
    /// No place for its temporary file.
    Temporary(io::Error),
    /// Its file is not audio.
    Audio(AudioError),
    /// The text gave only silence.
    Silent,
}

impl fmt::Display for SpeechError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled(error) => {
                write!(f, "expected the program espeak-ng on the PATH, found: {error} (sounds of our own need nothing)")
            }
            Self::Failed { message } => write!(f, "espeak-ng failed: {message}"),
            Self::Temporary(error) => write!(f, "no temporary file for espeak-ng: {error}"),
            Self::Audio(error) => write!(f, "espeak-ng wrote something else than audio: {error}"),
            Self::Silent => write!(f, "expected words to speak, found a text that gives silence"),
        }
    }
}

impl std::error::Error for SpeechError {}

/// A text spoken by a voice of espeak-ng (`en`, `en+f3`, `de`, …), mono at the wanted rate, levelled as all sources are.
///
/// # Errors
/// [`SpeechError`]; [`SpeechError::NotInstalled`] on most machines.
pub fn espeak(text: &str, voice: &str, sample_rate_hz: u32) -> Result<Vec<f32>, SpeechError> {
    speak_with("espeak-ng", text, voice, sample_rate_hz)
}

fn speak_with(program: &str, text: &str, voice: &str, sample_rate_hz: u32) -> Result<Vec<f32>, SpeechError> {
    // A file, not a pipe: what espeak-ng pipes has no true lengths in its header.
    let folder = tempfile::tempdir().map_err(SpeechError::Temporary)?;
    let file = folder.path().join("speech.wav");
    let output = Command::new(program)
        .arg("-v")
        .arg(voice)
        .arg("-w")
        .arg(&file)
        .arg("--")
        .arg(text)
        .output()
        .map_err(SpeechError::NotInstalled)?;
    if !output.status.success() {
        return Err(SpeechError::Failed { message: String::from_utf8_lossy(&output.stderr).trim().to_owned() });
    }
    let audio = read_audio(&file).map_err(SpeechError::Audio)?;
    let mut speech = resample(&audio.mono(), audio.sample_rate_hz, sample_rate_hz);
    level(&mut speech, sample_rate_hz);
    if speech.iter().all(|&x| x == 0.0) { Err(SpeechError::Silent) } else { Ok(speech) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        let error = speak_with("espeak-ng-that-nobody-has", "hello", "en", 16_000).unwrap_err();
        assert!(matches!(error, SpeechError::NotInstalled(_)));
        assert!(error.to_string().contains("expected the program espeak-ng"));
    }

    #[test]
    fn speech_is_speech_where_the_program_is_installed() {
        match espeak("Where does the sound come from?", "en", 16_000) {
            Ok(speech) => assert!(speech.len() > 8000),
            Err(error) => assert!(matches!(error, SpeechError::NotInstalled(_)), "{error}"),
        }
    }
}
