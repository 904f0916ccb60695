//! One piece of training material: an array, what its front end says, and where the talkers are.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::SmallRng;
use spherescope_dsp::front_end::FrameTiming;
use spherescope_dsp::levels::{AXES, LevelSlope};
use spherescope_dsp::nudft::Complex32;
use spherescope_dsp::{Direction, FrontEnd, MicArray, SampleRate};
use spherescope_model::{Beside, SPEED_OF_SOUND_M_S, Spectra};

use super::label::Ambiguity;
use super::recipe::{Material, Stage};
use crate::random::{Realism, SceneRanges, random_scene};
use crate::random_array::random_array;
use crate::scene::SceneError;
use crate::vector::{dot, normal_pair, random_unit, stream};

/// Sample rate of training material in Hz; the front end makes all rates alike.
const RATE_HZ: u32 = 16_000;

/// A crop, ready for the network.
#[derive(Clone, Debug)]
pub struct Crop {
    /// The array.
    pub array: MicArray,
    /// T.
    pub frames: usize,
    /// Phase-transformed spectra `[T][C][K]` flattened.
    pub phat: Vec<Complex32>,
    /// Power of each bin `[T][K]` flattened.
    pub power: Vec<f32>,
    /// Slopes of the levels `[T][3][K]` flattened.
    pub level_slopes: Vec<f32>,
    /// Directions of the active talkers that each frame is to tell of, `[T]`.
    pub sources: Vec<Vec<Direction>>,
    /// Directions of all talkers, silent ones too, at the same moments, `[T]`.
    pub talkers: Vec<Vec<Direction>>,
    /// What the array cannot tell apart.
    pub ambiguity: Ambiguity,
    /// The phase-transformed spectra 2 Hz below and above every bin; empty when the bins are not learned.
    pub beside: [Vec<Complex32>; 2],
}

/// Share of the crops whose channels come from preamplifiers that nobody has matched …
const MISMATCHED: f64 = 0.1;
/// … and are off by up to so many decibels, on top of the errors that capsules have anyway.
const MISMATCH_DB: f32 = 8.0;
/// How far from a bin its slope is taken, in Hz: small against the main lobe of the window, large against rounding.
const STEP_HZ: f64 = 2.0;

impl Crop {
    /// The spectra in the network's terms.
    pub fn spectra(&self) -> Spectra<'_> {
        let [below, above] = &self.beside;
        let beside = (!below.is_empty()).then_some(Beside { step_hz: STEP_HZ, phat: [below, above] });
        Spectra { frames: self.frames, phat: &self.phat, power: &self.power, level_slopes: &self.level_slopes, beside }
    }
}

/// Draws crops.
#[derive(Clone, Debug)]
pub struct CropSource {
    signals: Arc<Vec<Vec<f32>>>,
    timing: FrameTiming,
    /// The front end's bins in Hz.
    pub frequencies_hz: Vec<f64>,
    /// Frames by which labels are later than what they tell of ([`Config::look_ahead`](spherescope_model::config::Config::look_ahead)).
    pub look_ahead: usize,
    /// Whether crops come with what the gradient of the bins needs.
    pub learn_bins: bool,
    /// What rooms are drawn from; length, rate and talkers are the stage's.
    pub ranges: SceneRanges,
    /// The same for the stage's share of crops that are [plain](Stage::plain).
    pub plain: SceneRanges,
}

impl CropSource {
    /// A source for one front end; `signals` are dry sounds at 16 kHz, levelled ([`crate::sources::level`]).
    pub fn new(signals: Vec<Vec<f32>>, timing: FrameTiming, frequencies_hz: Vec<f64>) -> Self {
        let signals = Arc::new(signals);
        Self {
            signals,
            timing,
            frequencies_hz,
            look_ahead: 0,
            learn_bins: false,
            ranges: training_ranges(),
            plain: plain_ranges(),
        }
    }

    /// The crop of a seed.
    ///
    /// # Errors
    /// [`SceneError`] when there are no signals.
    pub fn crop(&self, seed: u64, stage: &Stage) -> Result<Crop, SceneError> {
        let mut rng = stream(seed, 0x20);
        let talkers = draw(&mut rng, &stage.talkers);
        let [low, high] = stage.capsules;
        // Few capsules are the hard case: the smallest number comes more often.
        let capsules = if rng.random::<f64>() < 0.15 { low } else { rng.random_range(low..=high) };
        match stage.material {
            Material::Rooms => self.room(rng, capsules, talkers, stage),
            Material::Analytic => Ok(self.analytic(rng, capsules, talkers, stage.crop_s)),
        }
    }

    fn room(&self, mut rng: SmallRng, capsules: usize, talkers: usize, stage: &Stage) -> Result<Crop, SceneError> {
        // Stages without plain crops draw nothing for them: their crops stay as they were.
        let plain = stage.plain > 0.0 && rng.random::<f64>() < stage.plain;
        let ranges = SceneRanges {
            sample_rate_hz: RATE_HZ,
            duration_s: stage.crop_s,
            speed_m_s: SPEED_OF_SOUND_M_S,
            talkers: [talkers, talkers],
            ..if plain { self.plain.clone() } else { self.ranges.clone() }
        };
        // A large array may find no place in a small room: then another is drawn.
        let mut outcome = Err(SceneError::NoPlace { what: "the array" });
        for _ in 0..20 {
            let array = random_array(rng.random(), capsules).map_err(|_| SceneError::NoPlace { what: "the array" })?;
            outcome = random_scene(rng.random(), &ranges, array, &self.signals);
            if !matches!(outcome, Err(SceneError::NoPlace { .. })) {
                break;
            }
        }
        let scene = outcome?;
        let mut rendered = scene.render();
        let array = scene.parts().array.clone();
        if rng.random::<f64>() < MISMATCHED {
            for channel in &mut rendered.channels {
                let gain = 10f32.powf(rng.random_range(-MISMATCH_DB..MISMATCH_DB) / 20.0);
                channel.iter_mut().for_each(|x| *x *= gain);
            }
        }
        let bus: Vec<&[f32]> = rendered.channels.iter().map(Vec::as_slice).collect();
        let hear = |step_hz: f64| {
            let (mut phat, mut power, mut level_slopes, mut frames) = (Vec::new(), Vec::new(), Vec::new(), 0);
            if let Ok(rate) = SampleRate::new(f64::from(RATE_HZ))
                && let Ok(mut front_end) = FrontEnd::new(rate, self.timing, &self.moved(step_hz), &array)
            {
                // The bus is the scene's own: it fits its array.
                let _ = front_end.push(&bus, &mut |frame| {
                    phat.extend_from_slice(frame.phat);
                    power.extend_from_slice(frame.power);
                    level_slopes.extend_from_slice(frame.level_slopes);
                    frames += 1;
                });
            }
            (phat, power, level_slopes, frames)
        };
        let (mut phat, mut power, mut level_slopes, frames) = hear(0.0);
        let mut beside = self.beside(|step_hz| hear(step_hz).0);
        let truth = scene.truth().every(self.timing.hop_s, self.timing.window_s);
        let frames = frames.min(truth.len());
        let of = |silent: bool| -> Vec<Vec<Direction>> {
            let heard = |frame: &crate::TruthFrame| {
                frame.sources.iter().filter(|s| silent || s.active).map(|s| s.direction).collect()
            };
            // Before there is anything to look back at, the first frame stands for it.
            (0..frames).map(|t| heard(&truth[t.saturating_sub(self.look_ahead)])).collect()
        };
        let (sources, talkers) = (of(false), of(true));
        let values = frames * array.active_len() * self.frequencies_hz.len();
        phat.truncate(values);
        beside.iter_mut().for_each(|b| b.truncate(values));
        power.truncate(frames * self.frequencies_hz.len());
        level_slopes.truncate(frames * AXES * self.frequencies_hz.len());
        let ambiguity = Ambiguity::of(&array);
        Ok(Crop { ambiguity, array, frames, phat, power, level_slopes, sources, talkers, beside })
    }

    /// The bins' frequencies moved by a step.
    fn moved(&self, step_hz: f64) -> Vec<f64> {
        self.frequencies_hz.iter().map(|f| f + step_hz).collect()
    }

    fn beside(&self, spectra: impl Fn(f64) -> Vec<Complex32>) -> [Vec<Complex32>; 2] {
        [-STEP_HZ, STEP_HZ].map(|step_hz| if self.learn_bins { spectra(step_hz) } else { Vec::new() })
    }

    /// Spectra without audio: talkers, each with some reflections, and noise; new amplitudes in every frame.
    fn analytic(&self, mut rng: SmallRng, capsules: usize, talkers: usize, crop_s: f64) -> Crop {
        let array = loop {
            if let Ok(array) = random_array(rng.random(), capsules.clamp(2, 64)) {
                break array;
            }
        };
        let positions = array.relative_positions_m();
        let frames = ((crop_s - self.timing.window_s) / self.timing.hop_s).max(0.0) as usize + 1;
        let bins = self.frequencies_hz.len();
        let reverberant = rng.random_range(0.1..1.0f32);
        let noise = 10f32.powf(rng.random_range(-2.0..0.2));
        let mut waves: Vec<([f64; 3], f32)> = Vec::new();
        let mut directions = Vec::new();
        for _ in 0..talkers {
            let unit = random_unit(&mut rng);
            waves.push((unit, 1.0));
            directions.extend(Direction::from_vector(unit));
            for _ in 0..rng.random_range(2..8) {
                waves.push((random_unit(&mut rng), reverberant * rng.random::<f32>() * 0.7));
            }
        }
        // The same draws serve the frequencies beside the bins.
        let hear = |step_hz: f64| {
            let mut rng = rng.clone();
            let frequencies_hz = self.moved(step_hz);
            let (mut phat, mut power, mut level_slopes) = (Vec::new(), Vec::new(), Vec::new());
            let mut slope = LevelSlope::new(&array);
            for _ in 0..frames {
                let mut spectra = vec![Complex32::default(); positions.len() * bins];
                for (unit, gain) in &waves {
                    for (k, f) in frequencies_hz.iter().enumerate() {
                        let [re, im] = normal_pair(&mut rng);
                        // Speech falls and is sparse: some bins hold much, most hold little.
                        let envelope = gain * (rng.random::<f32>() * 4.0 - 2.0).exp();
                        let amplitude = Complex32::new(re, im) * envelope;
                        for (c, p) in positions.iter().enumerate() {
                            let turns = f * dot(*p, *unit) / SPEED_OF_SOUND_M_S;
                            let (sin, cos) = ((std::f64::consts::TAU * turns.fract()) as f32).sin_cos();
                            spectra[c * bins + k] += amplitude * Complex32::new(cos, sin);
                        }
                    }
                }
                for x in &mut spectra {
                    let [re, im] = normal_pair(&mut rng);
                    *x += Complex32::new(re, im) * noise;
                }
                let capsules = positions.len();
                let mean = |k: usize| (0..capsules).map(|c| spectra[c * bins + k].norm_sqr()).sum::<f32>();
                power.extend((0..bins).map(|k| mean(k) / capsules as f32));
                level_slopes.extend_from_slice(slope.of(&spectra));
                spherescope_dsp::steered::phase_transform(&mut spectra);
                phat.extend(spectra);
            }
            (phat, power, level_slopes)
        };
        let (phat, power, level_slopes) = hear(0.0);
        let beside = self.beside(|step_hz| hear(step_hz).0);
        let sources = vec![directions; frames];
        let talkers = sources.clone();
        let ambiguity = Ambiguity::of(&array);
        Crop { ambiguity, array, frames, phat, power, level_slopes, sources, talkers, beside }
    }
}

/// Rooms to learn from: mostly coloured noise, as rooms have it; in white noise at speech's own level no phase survives.
fn training_ranges() -> SceneRanges {
    SceneRanges {
        wall_m: 0.1,
        distance_m: [0.3, 3.0],
        elevation_spread_deg: 30.0,
        walking: 0.35,
        huddle: 0.2,
        point_noise: 0.6,
        point_noise_db: [-25.0, 3.0],
        point_noise_pole: [0.3, 0.98],
        sensor_snr_db: [12.0, 45.0],
        diffuse_snr_db: [-4.0, 34.0],
        diffuse_slope_db: [-9.0, -2.0],
        ..SceneRanges::default()
    }
}

/// Plainer rooms, as in the paper's data: talkers send to all sides, capsules are alive and hear all sides alike except those
/// of A-format microphones, and there is always a noise in one place.
fn plain_ranges() -> SceneRanges {
    SceneRanges {
        distance_m: [0.3, 2.5],
        elevation_spread_deg: 25.0,
        walking: 0.5,
        huddle: 0.1,
        point_noise: 1.0,
        point_noise_db: [-25.0, 0.0],
        point_noise_pole: [0.8, 0.98],
        diffuse_slope_db: [-9.0, -3.0],
        realism: Realism { directional: 0.0, patterned: 0.0, dead: 0.0, halting: 0.1, ..Realism::default() },
        ..training_ranges()
    }
}

/// An index drawn with these relative frequencies.
fn draw(rng: &mut SmallRng, weights: &[f64]) -> usize {
    let mut at = rng.random_range(0.0..weights.iter().sum::<f64>().max(f64::MIN_POSITIVE));
    for (i, w) in weights.iter().enumerate() {
        at -= w;
        if at < 0.0 {
            return i;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Recipe;
    use spherescope_dsp::Grid;
    use spherescope_dsp::steered::{SteeredResponse, SteeredScratch};
    use spherescope_model::SPEED_OF_SOUND_M_S;

    fn source(signals: Vec<Vec<f32>>) -> CropSource {
        let frequencies = (0..48).map(|k| 300.0 + 120.0 * f64::from(k)).collect();
        CropSource::new(signals, FrameTiming { window_s: 0.032, hop_s: 0.016 }, frequencies)
    }

    #[test]
    fn crops_are_the_same_for_the_same_seed_and_fit_together() {
        let source = source(vec![crate::sources::babble(3, 16_000, 3.0)]);
        let stage = Stage { talkers: vec![0.0, 1.0], ..Recipe::named("quick").unwrap().stages[0].clone() };
        for material in [Material::Rooms, Material::Analytic] {
            let stage = Stage { material, ..stage.clone() };
            let (a, b) = (source.crop(7, &stage).unwrap(), source.crop(7, &stage).unwrap());
            assert_eq!((&a.phat, &a.power, &a.sources), (&b.phat, &b.power, &b.sources));
            assert_ne!(a.phat, source.crop(8, &stage).unwrap().phat);
            assert_eq!((a.frames, a.sources.len()), (30, 30));
            assert_eq!((a.phat.len(), a.power.len()), (30 * 48 * a.array.active_len(), 30 * 48));
            assert!(a.level_slopes.len() == 30 * 3 * 48 && a.level_slopes.iter().any(|x| x.abs() > 0.1));
            assert!(a.power.iter().all(|p| p.is_finite() && *p >= 0.0));
        }
    }

    #[test]
    fn a_share_of_the_crops_is_plain() {
        let mut source = source(vec![crate::sources::babble(3, 16_000, 3.0)]);
        // Nobody walks where it is plain, everybody else does.
        (source.ranges.walking, source.plain.walking) = (1.0, 0.0);
        let walkers = |plain: f64| {
            let first = Recipe::named("quick").unwrap().stages.swap_remove(0);
            let stage = Stage { talkers: vec![0.0, 1.0], plain, ..first };
            let walks = |crop: Crop| crop.talkers[0][0].angle_to_deg(&crop.talkers[crop.frames - 1][0]) > 1e-3;
            (0..24).filter(|seed| walks(source.crop(*seed, &stage).unwrap())).count()
        };
        assert_eq!((walkers(0.0), walkers(1.0)), (24, 0));
        assert!((6..=18).contains(&walkers(0.5)), "{}", walkers(0.5));
    }

    #[test]
    fn labels_wait_for_what_is_heard_later() {
        let now = source(vec![crate::sources::babble(3, 16_000, 3.0)]);
        let first = Recipe::named("quick").unwrap().stages.swap_remove(0);
        let stage = Stage { talkers: vec![0.0, 1.0], ..first };
        let later = CropSource { look_ahead: 3, ..now.clone() };
        let mut changes = 0;
        for seed in 0..6 {
            let (now, later) = (now.crop(seed, &stage).unwrap(), later.crop(seed, &stage).unwrap());
            assert_eq!((&later.phat, later.frames), (&now.phat, now.frames));
            for t in 0..now.frames {
                let told = t.saturating_sub(3);
                assert_eq!((&later.sources[t], &later.talkers[t]), (&now.sources[told], &now.talkers[told]));
                changes += usize::from(now.sources[t] != now.sources[told]);
            }
        }
        assert!(changes > 10, "{changes}");
    }

    #[test]
    fn analytic_spectra_come_from_where_they_say() {
        let stage = Stage {
            material: Material::Analytic,
            talkers: vec![0.0, 1.0],
            capsules: [12, 12],
            ..Recipe::named("quick").unwrap().stages[0].clone()
        };
        let source = source(Vec::new());
        let grid = Grid::fibonacci(1000).unwrap();
        let mut near = 0;
        for seed in 0..20 {
            let crop = source.crop(seed, &stage).unwrap();
            let steered =
                SteeredResponse::new(&crop.array, grid.directions(), &source.frequencies_hz, SPEED_OF_SOUND_M_S);
            let mut out = Vec::new();
            steered.srp_phat(&crop.phat, crop.frames, &mut SteeredScratch::default(), &mut out);
            let mean: Vec<f32> = (0..1000).map(|d| (0..crop.frames).map(|t| out[t * 1000 + d]).sum::<f32>()).collect();
            let best = (0..1000).max_by(|a, b| mean[*a].total_cmp(&mean[*b])).unwrap();
            near += usize::from(crop.ambiguity.angle_deg(&crop.sources[0][0], &grid.directions()[best]) < 10.0);
        }
        assert!(near >= 16, "{near} of 20");
    }
}
