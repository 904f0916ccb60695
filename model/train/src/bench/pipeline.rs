//! The whole pipeline: audio in, spatial spectra out, for each engine, array, grid and rate.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use spherescope_dsp::{Grid, MicArray};
use spherescope_model::{Engine, Localizer, LocalizerSettings};

use super::clock::{Effort, cpu_s};
use super::{BLOCK_FRAMES, Pipeline, Sizes, USUAL};
use crate::evaluate::protocol::median;

/// Length of the audio that is played again and again, in seconds: whole chunks of frames.
const AUDIO_S: f64 = 0.256;
/// Radius of the arrays in metres: an em32's.
const RADIUS_M: f64 = 0.042;

/// Capsules evenly over a sphere.
pub fn array(capsules: usize) -> Result<MicArray, String> {
    let grid = Grid::fibonacci(capsules).map_err(|e| e.to_string())?;
    let positions: Vec<[f64; 3]> = grid.directions().iter().map(|d| d.unit().map(|x| RADIUS_M * x)).collect();
    MicArray::from_positions(format!("{capsules} capsules"), &positions).map_err(|e| e.to_string())
}

/// Planar noise `[channels][frames]`, the larger part common to all channels.
pub fn audio(channels: usize, rate_hz: f64) -> Vec<Vec<f32>> {
    let mut rng = SmallRng::seed_from_u64(1);
    let frames = (AUDIO_S * rate_hz).round() as usize;
    let common: Vec<f32> = (0..frames).map(|_| rng.random_range(-0.3..0.3)).collect();
    (0..channels).map(|_| common.iter().map(|x| x + rng.random_range(-0.1..0.1)).collect()).collect()
}

/// Calls `f` with one planar block after the other.
pub fn blocks(audio: &[Vec<f32>], mut f: impl FnMut(&[&[f32]]) -> Result<(), String>) -> Result<(), String> {
    let frames = audio.first().map_or(0, Vec::len);
    for start in (0..frames).step_by(BLOCK_FRAMES) {
        let end = (start + BLOCK_FRAMES).min(frames);
        let block: Vec<&[f32]> = audio.iter().map(|channel| &channel[start..end]).collect();
        f(&block)?;
    }
    Ok(())
}

/// A localizer as the plugin makes it.
pub fn localizer(engine: Engine, capsules: usize, directions: usize, rate_hz: f64) -> Result<Localizer, String> {
    let grid = Arc::new(Grid::fibonacci(directions).map_err(|e| e.to_string())?);
    let settings = LocalizerSettings { engine, ..LocalizerSettings::new(array(capsules)?, grid) };
    Localizer::new(rate_hz, settings).map_err(|e| e.to_string())
}

/// Plays the audio once; the last spectrum.
pub fn play(localizer: &mut Localizer, audio: &[Vec<f32>]) -> Result<Vec<f32>, String> {
    let mut last = Vec::new();
    blocks(audio, |block| {
        let sink = &mut |frame: &spherescope_model::LocalizerFrame<'_>| {
            last.clear();
            last.extend_from_slice(frame.spectrum);
        };
        localizer.process(block, sink).map_err(|e| e.to_string())
    })?;
    Ok(last)
}

/// CPU seconds for a second of audio of each localizer: runs take turns, so that a change of the machine's pace meets all of them.
fn loads<const N: usize>(
    mut localizers: [Localizer; N],
    audio: &[Vec<f32>],
    effort: &Effort,
) -> Result<[f64; N], String> {
    let mut times = [(); N].map(|()| Vec::new());
    for run in 0..=effort.runs {
        for (localizer, times) in localizers.iter_mut().zip(&mut times) {
            let begin = cpu_s();
            std::hint::black_box(play(localizer, audio)?);
            // The first run is for warming up.
            if run > 0 {
                times.push((cpu_s() - begin) / AUDIO_S);
            }
        }
    }
    Ok(times.map(|times| median(&times).unwrap_or(0.0)))
}

/// CPU seconds for a second of audio of AGG-RL and SRP-PHAT.
fn both(capsules: usize, directions: usize, rate_hz: f64, effort: &Effort) -> Result<[Pipeline; 2], String> {
    let [a, b] = Engine::ALL.map(|engine| localizer(engine, capsules, directions, rate_hz));
    let loads = loads([a?, b?], &audio(capsules, rate_hz), effort)?;
    eprintln!("{capsules} capsules, {directions} directions, {rate_hz} Hz: {loads:.4?}");
    Ok([0, 1].map(|i| Pipeline { engine: Engine::ALL[i].id(), capsules, directions, rate_hz, load: loads[i] }))
}

/// Every array on every grid at the usual rate, and one array at every rate.
pub fn measure(sizes: &Sizes, effort: &Effort) -> Result<(Vec<Pipeline>, Vec<Pipeline>), String> {
    let (mut all, mut at_rates) = (Vec::new(), Vec::new());
    for &capsules in &sizes.capsules {
        for &directions in &sizes.directions {
            all.extend(both(capsules, directions, USUAL.0, effort)?);
        }
    }
    for &rate_hz in &sizes.rates_hz {
        at_rates.extend(both(sizes.capsules_at_rates, USUAL.1, rate_hz, effort)?);
    }
    Ok((all, at_rates))
}
