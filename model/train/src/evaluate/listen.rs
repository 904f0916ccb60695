//! All engines on the same recording, frame by frame.

use std::sync::Arc;

use spherescope_dsp::{Grid, MicArray, Peak, PeakFinder, PeakOptions, SampleRate};
use spherescope_model::{Engine, Localizer, LocalizerFrame, LocalizerSettings, Network, SPEED_OF_SOUND_M_S};

use super::protocol::sounding;
use super::rivals::{Music, Smoother};
use crate::render::Rendered;
use crate::response::Space;
use crate::scene::{Scene, SceneError, SceneParts};
use crate::sets::{Facts, SetScene};
use crate::truth::TruthSource;

/// Length of a window in seconds; whatever an engine uses, this is the window that counts.
pub const WINDOW_S: f64 = 0.032;
/// Time from one counted window to the next in seconds.
pub const HOP_S: f64 = 0.016;
/// Peaks below this score are never shown.
pub const LEAST_SCORE: f32 = 0.05;
/// The plugin shows at most this many.
pub const MOST_SHOWN: usize = 4;

/// A recording whose truth is known.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Sample rate in Hz.
    pub sample_rate_hz: u32,
    /// Planar audio.
    pub channels: Vec<Vec<f32>>,
    /// The array.
    pub array: MicArray,
    /// All sources in each window of [`WINDOW_S`] every [`HOP_S`].
    pub truth: Vec<Vec<TruthSource>>,
    /// How far the direct sound of each source of [`Recording::truth`] stands above all else in the same window (its own reverberation,
    /// other sources, noise), in decibels, at most [`MOST_DIRECT_DB`]; empty where nobody knows.
    pub direct_db: Vec<Vec<f64>>,
    /// For how long in seconds it is heard over and over before its windows count; engines begin with nothing in mind where it is 0.
    pub before_s: f64,
    /// What is known beside.
    pub facts: Facts,
}

impl Recording {
    /// A simulated scene.
    pub fn of(scene: &SetScene) -> Self {
        let mut recording = Self::of_scene(&scene.scene, scene.facts);
        if let Some(level_dbfs) = scene.level_dbfs {
            let power = crate::render::mean_power(&recording.channels);
            if power > 0.0 {
                let gain = (10f64.powf(level_dbfs / 20.0) / power.sqrt()) as f32;
                recording.channels.iter_mut().flatten().for_each(|x| *x *= gain);
            }
        }
        recording
    }

    fn of_scene(scene: &Scene, facts: Facts) -> Self {
        let rendered = scene.render();
        let truth: Vec<Vec<TruthSource>> =
            scene.truth().every(HOP_S, WINDOW_S).into_iter().map(|f| f.sources).collect();
        Self {
            direct_db: direct_over_rest_db(scene, &rendered, &truth).unwrap_or_default(),
            before_s: 0.0,
            sample_rate_hz: rendered.sample_rate_hz,
            channels: rendered.channels,
            array: scene.parts().array.clone(),
            truth,
            facts,
        }
    }

    /// What is heard, planar, one block after the other: the recording over and over for [`Recording::before_s`], in whole hops so that
    /// windows lie alike each time, then the recording itself. Empty recordings are heard once.
    fn blocks(&self) -> Vec<Vec<&[f32]>> {
        let [block, times] = self.before();
        let begin = |length: usize| self.channels.iter().map(|c| &c[..length.min(c.len())]).collect();
        let mut blocks = vec![begin(block); times];
        blocks.push(begin(usize::MAX));
        blocks
    }

    /// Length in frames of what is heard before, and how many times it is heard.
    fn before(&self) -> [usize; 2] {
        let rate = f64::from(self.sample_rate_hz);
        let length = self.channels.first().map_or(0, Vec::len);
        // Five hops are whole frames at every usual sample rate.
        let hops = (5.0 * HOP_S * rate).round() as usize;
        let block = length / hops.max(1) * hops;
        let times = if block == 0 { 0 } else { (self.before_s * rate / block as f64).ceil() as usize };
        [block, times]
    }

    /// The counted window that ends with the sample before `end_frames`, if one does.
    fn window_of(&self, end_frames: u64) -> Option<usize> {
        let [block, times] = self.before();
        let end_frames = end_frames.checked_sub((block * times) as u64)?;
        let windows = (end_frames as f64 / f64::from(self.sample_rate_hz) - WINDOW_S) / HOP_S;
        let index = windows.round();
        ((windows - index).abs() < 0.1 && index >= 0.0 && (index as usize) < self.truth.len()).then_some(index as usize)
    }
}

/// What [`Recording::direct_db`] says of talkers in an empty space without any noise.
pub const MOST_DIRECT_DB: f64 = 30.0;

/// [`Recording::direct_db`] of a scene: each talker is heard once more, alone in an empty space.
///
/// # Errors
/// As [`Scene::new`]; a scene that is one has none.
fn direct_over_rest_db(scene: &Scene, all: &Rendered, truth: &[Vec<TruthSource>]) -> Result<Vec<Vec<f64>>, SceneError> {
    let powers = |channels: &[Vec<f32>]| -> Vec<f64> {
        let window = |index: usize| {
            let frame = |time_s: f64| (time_s * f64::from(all.sample_rate_hz)).round() as usize;
            let start = index as f64 * HOP_S;
            let heard = |c: &Vec<f32>| c.get(frame(start)..frame(start + WINDOW_S)).map_or(0.0, energy);
            channels.iter().map(heard).sum()
        };
        (0..truth.len()).map(window).collect()
    };
    let whole = powers(&all.channels);
    let mut direct: Vec<Vec<f64>> = Vec::new();
    for talker in &scene.parts().talkers {
        let alone = Scene::new(SceneParts {
            space: Space::FreeField { speed_m_s: scene.parts().space.speed_m_s() },
            talkers: vec![talker.clone()],
            sensor_snr_db: None,
            diffuse: None,
            ..scene.parts().clone()
        })?
        .render();
        let gain = (all.gain / alone.gain).powi(2);
        direct.push(powers(&alone.channels).into_iter().map(|power| power * gain).collect());
    }
    let least_rest = 10f64.powf(-MOST_DIRECT_DB / 10.0);
    let of = |(window, sources): (usize, &Vec<TruthSource>)| {
        let level = |source: &TruthSource| {
            let power = direct[source.talker][window];
            let rest = (whole[window] - power).max(least_rest * power).max(f64::MIN_POSITIVE);
            10.0 * (power / rest).log10()
        };
        sources.iter().map(level).collect()
    };
    Ok(truth.iter().enumerate().map(of).collect())
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

/// A network and the name under which its results stand.
#[derive(Clone, Debug)]
pub struct NamedNetwork {
    /// What tables call it.
    pub name: String,
    /// The network.
    pub network: Arc<Network>,
}

/// A grid with who neighbours whom.
#[derive(Clone, Debug)]
pub struct Sphere {
    /// The directions.
    pub grid: Arc<Grid>,
    /// Finds peaks on them.
    pub finder: PeakFinder,
}

impl Sphere {
    /// Prepares a grid.
    pub fn new(grid: Grid) -> Self {
        Self { finder: PeakFinder::new(&grid), grid: Arc::new(grid) }
    }
}

/// What one engine made of a recording.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// As many of the best peaks as sources sound, for each counted window; empty where nobody sounds.
    pub best: Vec<Vec<Peak>>,
    /// Peaks above [`LEAST_SCORE`], at most [`MOST_SHOWN`], for each counted window; empty below the level gate, and for engines
    /// whose scores mean nothing by themselves.
    pub shown: Vec<Vec<Peak>>,
}

impl Heard {
    fn new(windows: usize) -> Self {
        Self { best: vec![Vec::new(); windows], shown: vec![Vec::new(); windows] }
    }
}

fn options(count: usize) -> PeakOptions {
    PeakOptions { max_peaks: count, threshold: LEAST_SCORE, ..PeakOptions::default() }
}

/// Runs a localizer over a recording; `each(window, gate, spectrum)` gets the counted windows.
///
/// # Errors
/// A sentence from the localizer.
pub fn spectra(
    recording: &Recording,
    network: &Arc<Network>,
    engine: Engine,
    sphere: &Sphere,
    each: &mut dyn FnMut(usize, bool, &[f32]),
) -> Result<(), String> {
    // Chunks of any length give the same results; long ones are cheap.
    let settings = LocalizerSettings {
        engine,
        chunk_frames: 16,
        ..LocalizerSettings::new(recording.array.clone(), sphere.grid.clone())
    };
    let mut localizer = Localizer::with_network(f64::from(recording.sample_rate_hz), settings, network.clone())
        .map_err(|e| e.to_string())?;
    let mut sink = |frame: &LocalizerFrame<'_>| {
        if let Some(window) = recording.window_of(frame.end_frames) {
            each(window, frame.active, frame.spectrum);
        }
    };
    for bus in recording.blocks() {
        localizer.process(&bus, &mut sink).map_err(|e| e.to_string())?;
    }
    localizer.flush(&mut sink).map_err(|e| e.to_string())
}

/// One engine's peaks, for the spectra of [`spectra`].
fn hear(recording: &Recording, sphere: &Sphere, heard: &mut Heard, window: usize, shown: bool, spectrum: &[f32]) {
    let count = recording.truth[window].iter().filter(|s| s.active).count();
    if count > 0 {
        heard.best[window] = sphere.finder.find_exactly(spectrum, &options(count));
    }
    if shown {
        heard.shown[window] = sphere.finder.find(spectrum, &options(MOST_SHOWN));
    }
}

/// The network on a recording.
///
/// # Errors
/// As [`spectra`].
pub fn network(recording: &Recording, network: &Arc<Network>, sphere: &Sphere) -> Result<Heard, String> {
    let mut heard = Heard::new(recording.truth.len());
    spectra(recording, network, Engine::AggRl, sphere, &mut |window, gate, spectrum| {
        hear(recording, sphere, &mut heard, window, gate, spectrum);
    })?;
    Ok(heard)
}

/// SRP-PHAT on a recording: frame by frame, and smoothed over time.
///
/// # Errors
/// As [`spectra`].
pub fn srp_phat(recording: &Recording, network: &Arc<Network>, sphere: &Sphere) -> Result<[Heard; 2], String> {
    let mut heard = [Heard::new(recording.truth.len()), Heard::new(recording.truth.len())];
    let mut smoother = Smoother::new(HOP_S, sphere.grid.len());
    spectra(recording, network, Engine::SrpPhat, sphere, &mut |window, gate, spectrum| {
        hear(recording, sphere, &mut heard[0], window, gate, spectrum);
        hear(recording, sphere, &mut heard[1], window, gate, smoother.next(spectrum));
    })?;
    Ok(heard)
}

/// Broadband MUSIC on a recording; see [`Music`].
///
/// # Errors
/// A sentence from the front end.
pub fn music(recording: &Recording, network: &Arc<Network>, sphere: &Sphere) -> Result<Heard, String> {
    let mut heard = Heard::new(recording.truth.len());
    let rate = SampleRate::new(f64::from(recording.sample_rate_hz)).map_err(|e| e.to_string())?;
    let sources = recording.truth.iter().map(|t| sounding(t).len()).max().unwrap_or(0);
    let mut music = Music::new(
        rate,
        network.timing(),
        network.frequencies_hz(),
        &recording.array,
        &sphere.grid,
        sources,
        SPEED_OF_SOUND_M_S,
    )
    .map_err(|e| e.to_string())?;
    let wanted = |end_frames| {
        let window = recording.window_of(end_frames)?;
        let count = recording.truth[window].iter().filter(|s| s.active).count();
        (count > 0).then_some(count)
    };
    for bus in recording.blocks() {
        music
            .process(&bus, &wanted, &mut |end_frames, spectrum| {
                if let Some(window) = recording.window_of(end_frames) {
                    hear(recording, sphere, &mut heard, window, false, spectrum);
                }
            })
            .map_err(|e| e.to_string())?;
    }
    Ok(heard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::DiffuseNoise;
    use crate::sets::{Set, Sources};

    /// Median level of the direct sound in the windows in which the only talker speaks.
    fn direct_db(parts: SceneParts, facts: Facts) -> f64 {
        let recording = Recording::of_scene(&Scene::new(parts).unwrap(), facts);
        assert_eq!(recording.direct_db.len(), recording.truth.len());
        let spoken = recording.truth.iter().zip(&recording.direct_db).filter(|(sources, _)| sources[0].active);
        let mut levels: Vec<f64> = spoken.map(|(_, levels)| levels[0]).collect();
        levels.sort_by(f64::total_cmp);
        assert!(levels.len() > 20);
        levels[levels.len() / 2]
    }

    #[test]
    fn what_was_heard_before_does_not_move_the_windows() {
        let mut scene = Set::S.scene(3, &Sources::built_in()).unwrap();
        scene.level_dbfs = None;
        let once = Recording::of(&scene);
        let network = Arc::new(Network::from_bytes(spherescope_model::network::SHIPPED_WEIGHTS).unwrap());
        let sphere = Sphere::new(Grid::fibonacci(300).unwrap());
        let heard = |recording: &Recording, engine| {
            let mut spectra_of = vec![Vec::new(); recording.truth.len()];
            let mut each = |window: usize, _: bool, spectrum: &[f32]| spectra_of[window] = spectrum.to_vec();
            spectra(recording, &network, engine, &sphere, &mut each).unwrap();
            spectra_of
        };
        // Not whole hops, so that something is cut off.
        let mut again = Recording { before_s: 4.0, ..once.clone() };
        again.channels.iter_mut().for_each(|c| c.truncate(c.len() - 100));
        let worst = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // SRP-PHAT remembers nothing; the last window reaches into what was cut off.
        let [first, second] = [&once, &again].map(|r| heard(r, Engine::SrpPhat));
        assert!(first.len() > 50);
        for window in 1..first.len() - 1 {
            let (a, b) = (&first[window], &second[window]);
            assert!(a.len() == 300 && b.len() == 300 && worst(a, b) < 1e-4, "window {window}: {}", worst(a, b));
        }
        // The network remembers what was before.
        let [first, second] = [&once, &again].map(|r| heard(r, Engine::AggRl));
        assert!(worst(&first[0], &second[0]) > 1e-3, "{}", worst(&first[0], &second[0]));
    }

    #[test]
    fn direct_sound_is_held_against_all_else() {
        let sources = Sources::built_in();
        let scenes = (0..40).filter_map(|i| Set::S.scene(i, &sources).ok());
        let scene = scenes.into_iter().find(|s| s.facts.talkers == 1).unwrap();
        let mut in_room = SceneParts { sensor_snr_db: None, diffuse: None, ..scene.scene.parts().clone() };
        in_room.talkers.retain(|t| t.named);
        let empty = SceneParts { space: Space::FreeField { speed_m_s: in_room.space.speed_m_s() }, ..in_room.clone() };
        let noisy =
            |snr_db| SceneParts { diffuse: Some(DiffuseNoise { snr_db, slope_db_per_octave: -3.0 }), ..empty.clone() };
        let [alone, room, loud, faint] =
            [empty.clone(), in_room, noisy(0.0), noisy(10.0)].map(|parts| direct_db(parts, scene.facts));
        assert_eq!(alone, MOST_DIRECT_DB);
        assert!(room < 15.0, "{room}");
        assert!(loud.abs() < 5.0 && (faint - loud - 10.0).abs() < 2.0, "{loud} {faint}");
    }
}
