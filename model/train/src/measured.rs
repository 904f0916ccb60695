//! Measured rooms: dry speech through real room responses, and how far the localizer's best peak is from the loudspeaker.
//!
//! Reads the R3VIVAL repository (Meta, CC BY 4.0): 7-channel responses whose file names carry the loudspeaker's azimuth, clockwise,
//! and its distance: `…_S030-150_…` stands 30° to the right at 1.5 m.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use spherescope_dsp::{Direction, Grid, PeakFinder, PeakOptions, presets};
use spherescope_model::{Engine, Localizer, LocalizerSettings};

use crate::audio::{AudioError, read_audio};
use crate::convolve::Convolver;
use crate::dry::{dry_files, load_dry};
use crate::resample::resample;
use crate::truth::Activity;

/// Identifier of the preset of the repository's array.
pub const ARRAY: &str = "frl-open-7";

/// One response and where its loudspeaker stands.
#[derive(Clone, Debug)]
pub struct Response {
    /// The file.
    pub path: PathBuf,
    /// Where the loudspeaker stands, seen from the array.
    pub direction: Direction,
}

/// What is rendered for each response.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Length of the clip in seconds.
    pub clip_s: f64,
    /// Level of the sound above white noise in every channel, in dB.
    pub snr_db: [f64; 2],
    /// Sample rate of the rendering in Hz.
    pub sample_rate_hz: u32,
    /// Seed of noise and choice of speech.
    pub seed: u64,
}

/// Angular errors of all active frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors {
    /// One error a frame, in degrees.
    pub degrees: Vec<f64>,
}

impl Errors {
    /// Mean absolute error in degrees; not a number when there are none.
    pub fn mean_deg(&self) -> f64 {
        self.degrees.iter().sum::<f64>() / self.degrees.len() as f64
    }

    /// Median error in degrees; not a number when there are none.
    pub fn median_deg(&self) -> f64 {
        let mut sorted = self.degrees.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Share of frames with an error of at most 10°, 0 … 1.
    pub fn within_10_deg(&self) -> f64 {
        self.degrees.iter().filter(|&&e| e <= 10.0).count() as f64 / self.degrees.len() as f64
    }
}

/// All responses of a folder whose names carry azimuth and distance, sorted by name.
///
/// # Errors
/// As [`dry_files`].
pub fn responses(folder: &Path) -> Result<Vec<Response>, AudioError> {
    let files = dry_files(folder)?;
    Ok(files.into_iter().filter_map(|path| Some(Response { direction: direction_of(&path)?, path })).collect())
}

fn direction_of(path: &Path) -> Option<Direction> {
    let name = path.file_stem()?.to_str()?;
    let place = name.split('_').find(|part| part.len() == 8 && part.starts_with('S') && part.as_bytes()[4] == b'-')?;
    let clockwise_deg: f64 = place.get(1..4)?.parse().ok()?;
    Direction::from_degrees(-clockwise_deg, 0.0).ok()
}

/// A rendered clip.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Planar audio of the seven channels.
    pub channels: Vec<Vec<f32>>,
    activity: Activity,
    /// Frames that the direct sound travels.
    delay_frames: i64,
    direction: Direction,
}

/// Speech from `speech` through one response, with noise; speech files are strung together, with a fifth of a second between them,
/// until the clip is full.
///
/// # Errors
/// [`AudioError`] naming the file that cannot be used.
pub fn render(response: &Response, speech: &[PathBuf], trial: &Trial) -> Result<Clip, AudioError> {
    let rate = trial.sample_rate_hz;
    let seed = trial.seed ^ response.path.file_name().map_or(0, |n| n.as_encoded_bytes().iter().fold(0, mix));
    let mut rng = rand::rngs::SmallRng::seed_from_u64(seed);
    let len = (trial.clip_s * f64::from(rate)) as usize;
    let mut dry = Vec::new();
    while dry.len() < len && !speech.is_empty() {
        dry.extend(load_dry(&speech[rng.random_range(0..speech.len())], rate)?);
        dry.resize(dry.len() + rate as usize / 5, 0.0);
    }
    dry.resize(len, 0.0);
    let measured = read_audio(&response.path)?;
    let filters: Vec<_> = measured.channels.iter().map(|c| resample(c, measured.sample_rate_hz, rate)).collect();
    let longest = filters.iter().map(Vec::len).max().unwrap_or(1);
    let mut spectra = Convolver::default().spectra(&dry, longest);
    let mut channels = vec![vec![0.0f32; len]; filters.len()];
    for (filter, out) in filters.iter().zip(&mut channels) {
        spectra.convolve_add(filter, out, 0);
    }
    let activity = Activity::of(&dry, rate);
    let delay_frames = first_arrival(&filters);
    let rms = channels.first().map_or(0.0, |c| activity.active_rms(c));
    let snr_db = rng.random_range(trial.snr_db[0]..=trial.snr_db[1]);
    // A sum of 12 uniform numbers has the variance 1.
    let noise = rms * 10f64.powf(-snr_db / 20.0);
    for channel in &mut channels {
        for x in channel.iter_mut() {
            let normal = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
            *x += (noise * normal) as f32;
        }
    }
    Ok(Clip { channels, activity, delay_frames, direction: response.direction })
}

fn mix(hash: u64, byte: &u8) -> u64 {
    (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
}

/// Where the direct sound begins: the first sample above a third of the largest, over all channels.
fn first_arrival(filters: &[Vec<f32>]) -> i64 {
    let largest = filters.iter().flatten().fold(0f32, |a, x| a.max(x.abs()));
    let first = |f: &Vec<f32>| f.iter().position(|x| x.abs() > largest / 3.0);
    filters.iter().filter_map(first).min().unwrap_or(0) as i64
}

/// The per-frame protocol on one clip: the best peak of every frame in which the speech fills two thirds of the window.
///
/// `smoothing` is the share of the past in the spectrum, for each frame; 0 leaves it as it is.
///
/// # Errors
/// A sentence from the localizer.
pub fn frame_errors(clip: &Clip, engine: Engine, trial: &Trial, smoothing: f32) -> Result<Errors, String> {
    let array = presets::find(ARRAY).ok_or("the array's preset is missing")?.array;
    let grid = Arc::new(Grid::fibonacci(2048).map_err(|e| e.to_string())?);
    let finder = PeakFinder::new(&grid);
    let options = PeakOptions { max_peaks: 1, ..PeakOptions::default() };
    let settings = LocalizerSettings { engine, chunk_frames: 8, ..LocalizerSettings::new(array, grid.clone()) };
    let mut localizer = Localizer::new(f64::from(trial.sample_rate_hz), settings).map_err(|e| e.to_string())?;
    let mut errors = Errors::default();
    let mut smooth = vec![0f32; grid.len()];
    let window = (0.032 * f64::from(trial.sample_rate_hz)).round() as i64;
    let mut sink = |frame: &spherescope_model::LocalizerFrame<'_>| {
        for (s, x) in smooth.iter_mut().zip(frame.spectrum) {
            *s = smoothing * *s + (1.0 - smoothing) * x;
        }
        let end = frame.end_frames as i64 - clip.delay_frames;
        if clip.activity.is_active(end - window, end)
            && let Some(best) = finder.find_exactly(&smooth, &options).first()
        {
            errors.degrees.push(best.direction.angle_to_deg(&clip.direction));
        }
    };
    let bus: Vec<&[f32]> = clip.channels.iter().map(Vec::as_slice).collect();
    localizer.process(&bus, &mut sink).and_then(|()| localizer.flush(&mut sink)).map_err(|e| e.to_string())?;
    Ok(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_direction() {
        let d = direction_of(Path::new("RLRVarAcLab_Absorptive_000_S030-150_R1_FRL10cm.flac")).unwrap();
        assert!((d.azimuth_deg() + 30.0).abs() < 1e-9);
        assert!(direction_of(Path::new("RLRVarAcLab_Absorptive_000_SBG1_R1_FRL10cm.flac")).is_none());
    }
}
