//! A folder of dry recordings as signals for scenes.

use std::path::{Path, PathBuf};

use crate::audio::{AudioError, AudioFault, read_audio};
use crate::resample::resample;
use crate::sources::level;

/// All WAV and FLAC files below a folder, sorted by path; links to folders are not followed, hidden files are passed over.
///
/// # Errors
/// [`AudioError`] naming the folder that cannot be read, or the top folder when there is no such file below it.
pub fn dry_files(folder: &Path) -> Result<Vec<PathBuf>, AudioError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let fail = |error| AudioError { path: next.clone(), fault: AudioFault::Io(error) };
        for entry in std::fs::read_dir(&next).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            if entry.file_type().map_err(fail)?.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|e| ["wav", "flac"].iter().any(|known| e.eq_ignore_ascii_case(known)))
            {
                found.push(path);
            }
        }
    }
    if found.is_empty() {
        return Err(AudioError { path: folder.to_owned(), fault: AudioFault::NoFiles });
    }
    found.sort();
    Ok(found)
}

/// One recording, mixed to mono, at the wanted rate, levelled as all sources are ([`crate::sources::ACTIVE_RMS`]).
///
/// # Errors
/// As [`read_audio`], and [`AudioFault::Silent`] for a file without sound.
pub fn load_dry(path: &Path, sample_rate_hz: u32) -> Result<Vec<f32>, AudioError> {
    let audio = read_audio(path)?;
    let mut signal = resample(&audio.mono(), audio.sample_rate_hz, sample_rate_hz);
    level(&mut signal, sample_rate_hz);
    if signal.iter().all(|&x| x == 0.0) {
        return Err(AudioError { path: path.to_owned(), fault: AudioFault::Silent });
    }
    Ok(signal)
}

/// All recordings below a folder, in the order of [`dry_files`].
///
/// # Errors
/// The first of [`dry_files`] and [`load_dry`]; it names the file.
pub fn load_dry_folder(folder: &Path, sample_rate_hz: u32) -> Result<Vec<Vec<f32>>, AudioError> {
    dry_files(folder)?.iter().map(|path| load_dry(path, sample_rate_hz)).collect()
}
