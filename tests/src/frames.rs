//! What the plugin and the command line write: one line of JSON for each analysed frame.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use spherescope_dsp::Direction;

use crate::Result;

/// One analysed frame.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Frame {
    /// Time of the end of the frame's window in seconds.
    pub t_s: f64,
    /// Whether the input was above the gate.
    pub active: bool,
    /// Peaks, best first.
    pub peaks: Vec<FramePeak>,
}

/// One peak of a frame.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub struct FramePeak {
    /// Azimuth in degrees, counter-clockwise from the front.
    pub azimuth_deg: f64,
    /// Elevation in degrees.
    pub elevation_deg: f64,
    /// The spectrum's value, 0 … 1.
    pub score: f64,
}

impl FramePeak {
    /// The peak's direction.
    ///
    /// # Errors
    /// When the angles are no direction.
    pub fn direction(&self) -> Result<Direction> {
        Ok(Direction::from_degrees(self.azimuth_deg, self.elevation_deg)?)
    }
}

/// Reads lines of frames; a line that is not finished yet is left out.
///
/// # Errors
/// Names the file and the line.
pub fn read(path: &Path) -> Result<Vec<Frame>> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let finished = text.rfind('\n').map_or("", |end| &text[..=end]);
    finished
        .lines()
        .enumerate()
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|e| format!("{}, line {}: {e}: {line}", path.display(), i + 1).into())
        })
        .collect()
}

/// The logs of all instances in a folder, by name.
///
/// # Errors
/// When the folder cannot be read.
pub fn logs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut logs: Vec<_> = fs::read_dir(folder)
        .map_err(|e| format!("{}: {e}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    logs.sort();
    Ok(logs)
}
