//! The whole pipeline: audio in, spatial spectra out, for each engine, array, grid and rate.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use spherescope_dsp::{Grid, MicArray};
use spherescope_model::network::SHIPPED_WEIGHTS;
use spherescope_model::{Engine, LIVE_CHUNK_FRAMES, Localizer, LocalizerSettings, Network};

use super::clock::{Effort, cpu_s};
use super::{AtOnce, BLOCK_FRAMES, Pipeline, Sizes, USUAL};
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

/// A localizer as the plugin makes it, at ease.
pub fn localizer(engine: Engine, capsules: usize, directions: usize, rate_hz: f64) -> Result<Localizer, String> {
    let grid = Arc::new(Grid::fibonacci(directions).map_err(|e| e.to_string())?);
    let [chunk_frames, _] = LIVE_CHUNK_FRAMES;
    let settings = LocalizerSettings { engine, chunk_frames, ..LocalizerSettings::new(array(capsules)?, grid) };
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
fn loads(mut localizers: Vec<Localizer>, audio: &[Vec<f32>], effort: &Effort) -> Result<Vec<f64>, String> {
    let mut times = vec![Vec::new(); localizers.len()];
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
    Ok(times.iter().map(|times| median(times).unwrap_or(0.0)).collect())
}

/// Identifier of AGG-RL computed with candle's tensors, the way it is defined and learns.
pub const IN_TENSORS: &str = "agg-rl-in-tensors";

/// The shipped network in tensors.
fn in_tensors() -> Result<Arc<Network>, String> {
    Network::from_bytes(SHIPPED_WEIGHTS).map(|n| Arc::new(n.in_tensors())).map_err(|e| e.to_string())
}

/// CPU seconds for a second of audio of AGG-RL, SRP-PHAT and, on the usual grid, AGG-RL in tensors.
fn all_engines(capsules: usize, directions: usize, rate_hz: f64, effort: &Effort) -> Result<Vec<Pipeline>, String> {
    let mut ids = Engine::ALL.map(Engine::id).to_vec();
    let mut localizers = Vec::new();
    for engine in Engine::ALL {
        localizers.push(localizer(engine, capsules, directions, rate_hz)?);
    }
    if directions == USUAL.1 {
        ids.push(IN_TENSORS);
        let settings = localizers[0].settings().clone();
        localizers.push(Localizer::with_network(rate_hz, settings, in_tensors()?).map_err(|e| e.to_string())?);
    }
    let loads = loads(localizers, &audio(capsules, rate_hz), effort)?;
    eprintln!("{capsules} capsules, {directions} directions, {rate_hz} Hz: {loads:.4?}");
    let figures = ids.into_iter().zip(loads);
    Ok(figures.map(|(engine, load)| Pipeline { engine, capsules, directions, rate_hz, load }).collect())
}

/// As many instances at once, each on a thread of its own, all with as much audio as they can take: CPU seconds of one for a second of
/// audio, and how much longer the slowest took than the fastest.
pub fn at_once(instances: usize, capsules: usize) -> Result<AtOnce, String> {
    const ROUNDS: usize = 12;
    let mut ready = Vec::new();
    for _ in 0..instances {
        ready.push(localizer(Engine::AggRl, capsules, USUAL.1, USUAL.0)?);
    }
    let audio = audio(capsules, USUAL.0);
    let begin = cpu_s();
    let walls: Vec<Result<f64, String>> = std::thread::scope(|scope| {
        let run = |mut localizer: Localizer| {
            let audio = &audio;
            scope.spawn(move || {
                let begin = std::time::Instant::now();
                for _ in 0..ROUNDS {
                    play(&mut localizer, audio)?;
                }
                Ok(begin.elapsed().as_secs_f64())
            })
        };
        let running: Vec<_> = ready.into_iter().map(run).collect();
        running.into_iter().map(|r| r.join().unwrap_or_else(|_| Err("an instance panicked".into()))).collect()
    });
    let load = (cpu_s() - begin) / (instances * ROUNDS) as f64 / AUDIO_S;
    let walls = walls.into_iter().collect::<Result<Vec<f64>, _>>()?;
    let (least, most) = walls.iter().fold((f64::INFINITY, 0f64), |(a, b), &w| (a.min(w), b.max(w)));
    Ok(AtOnce { instances, capsules, load, unfairness: most / least })
}

/// Every array on every grid at the usual rate, and one array at every rate.
pub fn measure(sizes: &Sizes, effort: &Effort) -> Result<(Vec<Pipeline>, Vec<Pipeline>), String> {
    let (mut all, mut at_rates) = (Vec::new(), Vec::new());
    for &capsules in &sizes.capsules {
        for &directions in &sizes.directions {
            all.extend(all_engines(capsules, directions, USUAL.0, effort)?);
        }
    }
    for &rate_hz in &sizes.rates_hz {
        at_rates.extend(all_engines(sizes.capsules_at_rates, USUAL.1, rate_hz, effort)?);
    }
    Ok((all, at_rates))
}
