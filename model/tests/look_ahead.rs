//! A network that looks ahead tells of every frame once, in order, by what it knows as many frames later.

use std::collections::HashMap;
use std::sync::Arc;

use rand::{Rng, SeedableRng, rngs::SmallRng};
use safetensors::SafeTensors;
use spherescope_dsp::{Grid, presets};
use spherescope_model::config::{Config, METADATA_KEY};
use spherescope_model::network::SHIPPED_WEIGHTS;
use spherescope_model::{Engine, Localizer, LocalizerSettings, Network};

const RATE_HZ: f64 = 16_000.0;

/// The shipped weights, looking ahead by so many frames.
fn network(look_ahead: usize) -> Result<Network, String> {
    let shipped = Network::from_bytes(SHIPPED_WEIGHTS).map_err(|e| e.to_string())?;
    let config = Config { look_ahead, ..shipped.config().clone() };
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), serde_json::to_string(&config).unwrap())]);
    let bytes =
        safetensors::serialize(SafeTensors::deserialize(SHIPPED_WEIGHTS).unwrap().iter(), Some(metadata)).unwrap();
    Network::from_bytes(&bytes).map_err(|e| e.to_string())
}

fn localizer(look_ahead: usize, engine: Engine, chunk_frames: usize) -> Localizer {
    let array = presets::find("frl-open-7").unwrap().array;
    let grid = Arc::new(Grid::fibonacci(128).unwrap());
    let settings = LocalizerSettings { engine, chunk_frames, ..LocalizerSettings::new(array, grid) };
    Localizer::with_network(RATE_HZ, settings, Arc::new(network(look_ahead).unwrap())).unwrap()
}

/// 0.4 s of noise on seven channels, largely common to all.
fn audio() -> Vec<Vec<f32>> {
    let mut rng = SmallRng::seed_from_u64(3);
    let common: Vec<f32> = (0..6400).map(|_| rng.random_range(-0.3..0.3)).collect();
    (0..7).map(|_| common.iter().map(|x| x + rng.random_range(-0.2..0.2)).collect()).collect()
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    /// Index of the frame, index of the sample after it.
    frames: Vec<(u64, u64)>,
    levels_db: Vec<f32>,
    spectra: Vec<Vec<f32>>,
}

fn take(localizer: &mut Localizer, audio: &[Vec<f32>], samples: std::ops::Range<usize>, told: &mut Told) {
    for start in samples.clone().step_by(300) {
        let end = (start + 300).min(samples.end);
        let bus: Vec<&[f32]> = audio.iter().map(|c| &c[start..end]).collect();
        localizer.process(&bus, &mut |f| told.push(f)).unwrap();
    }
}

impl Told {
    fn push(&mut self, frame: &spherescope_model::LocalizerFrame<'_>) {
        self.frames.push((frame.index, frame.end_frames));
        self.levels_db.push(frame.level_db);
        self.spectra.push(frame.spectrum.to_vec());
    }

    /// All of the audio; and how many frames were told of before the end of it was known.
    fn of(mut localizer: Localizer, audio: &[Vec<f32>]) -> (Self, usize) {
        let mut told = Self::default();
        take(&mut localizer, audio, 0..audio[0].len(), &mut told);
        let before = told.frames.len();
        localizer.flush(&mut |f| told.push(f)).unwrap();
        (told, before)
    }
}

fn worst(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn frames_are_told_of_by_what_is_known_later() {
    let audio = audio();
    let (now, all) = Told::of(localizer(0, Engine::AggRl, 1), &audio);
    assert_eq!((all, now.frames[1]), (24, (1, 768)));
    for (look_ahead, chunk_frames) in [(1, 1), (1, 2), (3, 1), (3, 5), (3, 64)] {
        let (later, before) = Told::of(localizer(look_ahead, Engine::AggRl, chunk_frames), &audio);
        let what = format!("{look_ahead} ahead in chunks of {chunk_frames}");
        assert_eq!((&later.frames, &later.levels_db), (&now.frames, &now.levels_db), "{what}");
        assert_eq!(before, (all / chunk_frames * chunk_frames).saturating_sub(look_ahead), "{what}");
        let error = worst(&later.spectra[..all - look_ahead], &now.spectra[look_ahead..]);
        assert!(error < 1e-5, "{what}: {error}");
    }
}

#[test]
fn what_comes_after_the_end_counts_as_silence() {
    // The last window is silent, so that further ones are too.
    let mut ends = audio();
    ends.iter_mut().for_each(|c| c[6400 - 512..].fill(0.0));
    let (told, _) = Told::of(localizer(3, Engine::AggRl, 1), &ends);
    let mut goes_on = ends;
    goes_on.iter_mut().for_each(|c| c.resize(6400 + 3 * 256, 0.0));
    let (heard, _) = Told::of(localizer(0, Engine::AggRl, 1), &goes_on);
    assert_eq!((told.spectra.len(), heard.spectra.len()), (24, 27));
    let error = worst(&told.spectra, &heard.spectra[3..]);
    assert!(error < 1e-5, "{error}");
    // It matters what one hears: the last spectra are not those of the sound.
    assert!(worst(&told.spectra[21..], &heard.spectra[18..21]) > 1e-3);
}

#[test]
fn the_steered_response_looks_at_its_own_frame() {
    let audio = audio();
    let (now, before) = Told::of(localizer(0, Engine::SrpPhat, 1), &audio);
    assert_eq!(before, now.frames.len());
    assert_eq!(Told::of(localizer(3, Engine::SrpPhat, 1), &audio), (now, before));
}

#[test]
fn nothing_old_is_told_of_after_a_reset_and_nothing_twice_after_a_flush() {
    let audio = audio();
    let mut localizer = localizer(2, Engine::AggRl, 1);
    let mut told = Told::default();
    take(&mut localizer, &audio, 0..3000, &mut told);
    localizer.reset();
    let mut fresh = Told::default();
    take(&mut localizer, &audio, 0..3000, &mut fresh);
    assert_eq!(fresh, told);
    localizer.flush(&mut |f| fresh.push(f)).unwrap();
    localizer.flush(&mut |_| panic!("told of twice")).unwrap();
    take(&mut localizer, &audio, 3000..6400, &mut fresh);
    localizer.flush(&mut |f| fresh.push(f)).unwrap();
    let indices: Vec<u64> = fresh.frames.iter().map(|f| f.0).collect();
    assert_eq!(indices, (0..24).collect::<Vec<_>>());
}

#[test]
fn nobody_looks_ahead_for_ever() {
    let error = network(65).unwrap_err();
    assert!(error.contains("look_ahead: expected 0 to 64 frames, found 65"), "{error}");
}
