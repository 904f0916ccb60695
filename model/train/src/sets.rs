//! Evaluation sets: named families of simulated scenes from fixed seeds, and the dry sounds that they are spoken with.
//!
//! Seeds lie above 2^48; training draws below. The same set, index and sounds give the same scene on every machine.

mod arrays;

use std::path::Path as FilePath;

use rand::Rng;
use rand::rngs::SmallRng;
use spherescope_dsp::array::ArrayError;
use spherescope_dsp::{MicArray, Rotation, presets};

use crate::audio::AudioError;
use crate::body::{Body, CapsulePattern};
use crate::dry::{dry_files, load_dry};
use crate::path::Path;
use crate::random::{Realism, SceneRanges, random_scene};
use crate::render::mean_power;
use crate::response::Space;
use crate::scene::{Scene, SceneError, SceneParts};
use crate::sources::{babble, plucked_strings};
use crate::vector::{norm, scale, stream, sub};

pub use arrays::{ARRAY_KINDS, aperture_m};
use arrays::{HEAD, array_of_kind, head_array, paper_array, wide_array};

/// Sample rate of all sets in Hz.
pub const SAMPLE_RATE_HZ: u32 = 16_000;
/// Length of a scene in seconds.
pub const DURATION_S: f64 = 4.0;
/// How fast the talkers of [`Set::Moving`] go round the array, in degrees a second.
pub const MOVING_DEG_S: f64 = 30.0;

/// Power of the talkers at the capsules while anybody speaks over the power of all noise, in decibels.
pub const SNR_DB: [f64; 2] = [-5.0, 30.0];

/// Seeds of the sets start here.
const SEED: u64 = 0x5e75_0000_0000_0000;
/// Dry recordings are strung together until they are this long, in seconds.
const STRING_S: f64 = 8.0;
/// At most this many recordings of a folder are read, spread evenly over its sorted list.
const MOST_FILES: usize = 240;

/// Dry sounds for the talkers.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What they are, for the report.
    pub name: String,
    /// Mono signals at [`SAMPLE_RATE_HZ`], each some seconds long.
    pub signals: Vec<Vec<f32>>,
}

impl Sources {
    /// Sounds made by the library itself: nonsense speech of many voices, and some plucked strings.
    pub fn built_in() -> Self {
        let speech = (0..32).map(|i| babble(SEED + i, SAMPLE_RATE_HZ, STRING_S));
        let music = (0..4).map(|i| plucked_strings(SEED + i, SAMPLE_RATE_HZ, STRING_S));
        Self { name: "built-in nonsense speech and plucked strings".into(), signals: speech.chain(music).collect() }
    }

    /// Recordings of a folder, strung together with a fifth of a second between them.
    ///
    /// # Errors
    /// [`AudioError`] naming the file or folder that cannot be read.
    pub fn folder(folder: &FilePath) -> Result<Self, AudioError> {
        let files = dry_files(folder)?;
        let step = files.len().div_ceil(MOST_FILES);
        let mut signals = Vec::new();
        let mut string: Vec<f32> = Vec::new();
        for file in files.iter().step_by(step) {
            string.extend(load_dry(file, SAMPLE_RATE_HZ)?);
            string.resize(string.len() + SAMPLE_RATE_HZ as usize / 5, 0.0);
            if string.len() as f64 >= STRING_S * f64::from(SAMPLE_RATE_HZ) {
                signals.push(std::mem::take(&mut string));
            }
        }
        if !string.is_empty() {
            signals.push(string);
        }
        let name =
            folder.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into_owned());
        Ok(Self { name, signals })
    }
}

/// A family of simulated scenes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Set {
    /// Random arrays of 4 to 12 capsules in rooms, one or two talkers.
    S,
    /// The same with 13 to 16 capsules.
    U,
    /// The em32 and the ZM-1 on their rigid spheres.
    Sphere,
    /// Twelve capsules on a head.
    Head,
    /// Tetrahedra of cardioid capsules, 10 to 20 mm in radius.
    Tetra,
    /// Three talkers at once.
    Three,
    /// Nobody speaks: silence, sensor noise, diffuse noise.
    Quiet,
    /// One talker who goes round the array at [`MOVING_DEG_S`].
    Moving,
    /// Arrays of 0.3 to 1 m radius.
    Wide,
}

/// What is known of a scene beside its sound: the tables' rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// C, the number of active capsules.
    pub capsules: usize,
    /// The largest distance between two capsules, in metres.
    pub aperture_m: f64,
    /// Named talkers.
    pub talkers: usize,
    /// Power of the talkers, while anybody speaks, over the power of all noise, in decibels; `None` where nobody speaks.
    pub snr_db: Option<f64>,
    /// Reverberation time in seconds, where it is known.
    pub t60_s: Option<f64>,
}

/// One talker and an array of [`ARRAY_KINDS`]. The same index gives the same talker, noise level and, where the array fits, room to
/// all kinds.
///
/// # Errors
/// As [`Set::scene`], and [`SceneError::NoPlace`] for a kind that does not exist.
pub fn array_scene(kind: usize, index: usize, sources: &Sources) -> Result<SetScene, SceneError> {
    let seed = SEED | (0x10 << 32) | index as u64;
    let no_array = SceneError::NoPlace { what: "the capsules" };
    let array = array_of_kind(kind).and_then(Result::ok).ok_or(no_array)?;
    let ranges = SceneRanges {
        talkers: [1, 1],
        room_m: [[5.0, 10.0], [5.0, 8.0], [3.5, 6.0]],
        t60_s: [0.2, 0.8],
        distance_m: [1.5, 3.0],
        ..Set::S.ranges()
    };
    let mut parts = random_scene(seed, &ranges, array, &sources.signals)?.into_parts();
    if ARRAY_KINDS[kind].0.starts_with("em32") {
        parts = Set::Sphere.dressed(parts);
    }
    let mut rng = stream(seed, 0x5f);
    let snr_db = rng.random_range(5.0..=SNR_DB[1]);
    set_noise(&mut parts, snr_db, &mut rng)?;
    let scene = Scene::new(parts)?;
    Ok(SetScene { facts: facts(&scene, Some(snr_db)), scene, level_dbfs: None })
}

/// A scene of a set, ready to be rendered.
#[derive(Clone, Debug)]
pub struct SetScene {
    /// The scene.
    pub scene: Scene,
    /// What is known of it.
    pub facts: Facts,
    /// Level of the rendered recording, root mean square over all channels in dBFS; `None` leaves it as it comes.
    pub level_dbfs: Option<f64>,
}

impl Set {
    /// All sets, in the order of the report.
    pub const ALL: [Self; 9] =
        [Self::S, Self::U, Self::Sphere, Self::Head, Self::Tetra, Self::Three, Self::Moving, Self::Wide, Self::Quiet];

    /// Name on the command line and in tables.
    pub fn id(self) -> &'static str {
        match self {
            Self::S => "sim-s",
            Self::U => "sim-u",
            Self::Sphere => "sim-sphere",
            Self::Head => "sim-head",
            Self::Tetra => "sim-tetra",
            Self::Three => "sim-three",
            Self::Quiet => "sim-quiet",
            Self::Moving => "sim-moving",
            Self::Wide => "sim-wide",
        }
    }

    /// The set of a name.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.id() == id)
    }

    /// What the set holds, in one line.
    pub fn what(self) -> &'static str {
        match self {
            Self::S => "random arrays of 4 to 12 capsules, 7 to 13 cm wide; rooms; one or two talkers",
            Self::U => "the same with 13 to 16 capsules",
            Self::Sphere => "em32 and ZM-1 on their rigid spheres; rooms; one or two talkers",
            Self::Head => "12 capsules on a head that shadows; rooms; one or two talkers",
            Self::Tetra => "A-format tetrahedra of cardioids, 10 to 20 mm; rooms; one or two talkers",
            Self::Three => "arrays as in sim-s of 6 to 12 capsules; three talkers",
            Self::Quiet => "nobody speaks: silence below the gate, sensor noise, diffuse noise",
            Self::Moving => "arrays as in sim-s; one talker going round at 30° a second",
            Self::Wide => "balls, rings and lines of 0.3 to 1 m radius; one or two talkers",
        }
    }

    /// Number of scenes in a whole evaluation.
    pub fn scenes(self) -> usize {
        match self {
            Self::S => 180,
            Self::U => 80,
            Self::Sphere | Self::Head | Self::Tetra | Self::Three | Self::Wide => 60,
            Self::Quiet | Self::Moving => 40,
        }
    }

    fn seed(self, index: usize) -> u64 {
        // The order of Set::ALL may change, these numbers may not.
        let number = match self {
            Self::S => 1u64,
            Self::U => 2,
            Self::Sphere => 3,
            Self::Head => 4,
            Self::Tetra => 5,
            Self::Three => 6,
            Self::Quiet => 7,
            Self::Moving => 8,
            Self::Wide => 9,
        };
        SEED | (number << 32) | index as u64
    }

    /// The scene of an index.
    ///
    /// # Errors
    /// [`SceneError`] from the simulator: no signals, or no room for what is wanted.
    pub fn scene(self, index: usize, sources: &Sources) -> Result<SetScene, SceneError> {
        let seed = self.seed(index);
        let mut rng = stream(seed, 0x5e);
        let array = self.array(index, &mut rng).map_err(|_| SceneError::NoPlace { what: "the capsules" })?;
        let scene = random_scene(seed, &self.ranges(), array, &sources.signals)?;
        let mut parts = self.dressed(scene.into_parts());
        let mut snr_db = None;
        let mut level_dbfs = None;
        match self {
            Self::Quiet => {
                // Every second scene has sensor noise alone.
                if index.is_multiple_of(2) {
                    parts.diffuse = None;
                }
                level_dbfs = Some([-75.0, -50.0, -40.0, -25.0][index % 4]);
            }
            _ => {
                if self == Self::Moving {
                    go_round(&mut parts, &mut rng);
                }
                let wanted = rng.random_range(SNR_DB[0]..=SNR_DB[1]);
                set_noise(&mut parts, wanted, &mut rng)?;
                snr_db = Some(wanted);
            }
        }
        let scene = Scene::new(parts)?;
        Ok(SetScene { facts: facts(&scene, snr_db), scene, level_dbfs })
    }

    /// Gives the array the body and the capsules the pattern that the set asks for.
    fn dressed(self, mut parts: SceneParts) -> SceneParts {
        match self {
            Self::Sphere => {
                let radii: Vec<f64> = parts.array.active().map(|c| norm(c.position_m)).collect();
                parts.body = Body::RigidSphere { radius_m: radii.iter().sum::<f64>() / radii.len().max(1) as f64 };
            }
            Self::Head => parts.body = HEAD,
            Self::Tetra => parts.pattern = CapsulePattern::Outward { alpha: 0.5 },
            _ => {}
        }
        parts
    }

    fn array(self, index: usize, rng: &mut SmallRng) -> Result<MicArray, ArrayError> {
        match self {
            // Capsule counts take turns, so that every row of the tables has its share.
            Self::S | Self::Quiet | Self::Moving => paper_array(rng, 4 + index % 9),
            Self::U => paper_array(rng, 13 + index % 4),
            Self::Three => paper_array(rng, 6 + index % 7),
            Self::Sphere => {
                let id = if index.is_multiple_of(2) { "eigenmike-em32" } else { "zylia-zm-1" };
                presets::find(id).map(|p| p.array).ok_or(ArrayError::TooFew { found: 0 })
            }
            Self::Head => head_array(),
            Self::Tetra => {
                let radius = rng.random_range(0.010..=0.020);
                let corner = radius / 3f64.sqrt();
                let corners = [[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]];
                let turn = Rotation::random(rng);
                let places: Vec<_> = corners.iter().map(|&c| turn.apply(scale(c, corner))).collect();
                MicArray::from_positions(format!("A-format, {:.0} mm", radius * 1000.0), &places)
            }
            Self::Wide => wide_array(index, rng),
        }
    }

    fn ranges(self) -> SceneRanges {
        let paper = SceneRanges {
            sample_rate_hz: SAMPLE_RATE_HZ,
            duration_s: DURATION_S,
            wall_m: 0.1,
            distance_m: [0.3, 2.5],
            walking: 0.0,
            point_noise: 1.0,
            point_noise_m: 2.5,
            point_noise_pole: [0.8, 0.98],
            diffuse_slope_db: [-9.0, -3.0],
            // As the paper's data: talkers send to all sides, open capsules hear all sides.
            realism: Realism { wall_slope: Realism::default().wall_slope, ..Realism::NONE },
            ..SceneRanges::default()
        };
        match self {
            Self::S | Self::U | Self::Sphere | Self::Head | Self::Tetra => paper,
            Self::Three => SceneRanges { talkers: [3, 3], ..paper },
            Self::Quiet => SceneRanges { talkers: [0, 0], point_noise: 0.0, ..paper },
            // Room for a whole circle around the array.
            Self::Moving => SceneRanges {
                talkers: [1, 1],
                room_m: [[4.5, 10.0], [4.5, 8.0], [3.2, 6.0]],
                wall_m: 1.4,
                distance_m: [0.6, 1.0],
                elevation_spread_deg: 10.0,
                ..paper
            },
            Self::Wide => {
                SceneRanges { room_m: [[5.0, 10.0], [5.0, 8.0], [3.5, 6.0]], distance_m: [1.5, 3.0], ..paper }
            }
        }
    }
}

fn facts(scene: &Scene, snr_db: Option<f64>) -> Facts {
    let parts = scene.parts();
    Facts {
        capsules: parts.array.active_len(),
        aperture_m: aperture_m(&parts.array),
        talkers: parts.talkers.iter().filter(|t| t.named).count(),
        snr_db,
        t60_s: match &parts.space {
            Space::Room(room) => Some(room.t60_s()),
            Space::FreeField { .. } => None,
        },
    }
}

/// Shares of the noise, at most: one noise from one place among that from all sides, and the sensors' hiss below both. With these,
/// SRP-PHAT errs nearly as much as in the paper's experiments (38° on sim-s; there 44°).
const POINT_SHARE: f64 = 0.5;
const SENSOR_SHARE: f64 = 0.03;

/// Brings all noise together to `snr_db` below the talkers at the capsules: the point noise, where there is one, the diffuse noise
/// and the sensors' noise, with random shares of the power.
fn set_noise(parts: &mut SceneParts, snr_db: f64, rng: &mut SmallRng) -> Result<(), SceneError> {
    let point = parts.talkers.iter().any(|t| !t.named);
    let mut shares =
        [if point { POINT_SHARE } else { 0.0 }, 1.0, SENSOR_SHARE].map(|s: f64| s * rng.random_range(0.05..=1.0));
    let sum: f64 = shares.iter().sum();
    shares.iter_mut().for_each(|s| *s /= sum);

    // Mean powers over the whole scene of the talkers alone and of the point noise alone, and how long anybody speaks.
    let speech = mean_power_of(parts, true)?;
    let noise = if point { mean_power_of(parts, false)? } else { 0.0 };
    let windows = Scene::new(parts.clone())?.truth().every(0.016, 0.032);
    let spoken = windows.iter().filter(|w| w.sources.iter().any(|s| s.active)).count();
    let share = spoken.max(1) as f64 / windows.len().max(1) as f64;
    let wanted = speech / share * 10f64.powf(-snr_db / 10.0);

    let noise_db = 10.0 * (shares[0] * wanted / noise.max(1e-30)).log10();
    parts.talkers.iter_mut().filter(|t| !t.named).for_each(|t| t.level_db += noise_db);
    // The simulator counts a point noise, which never pauses, among those who speak.
    let reference = if point { speech + shares[0] * wanted } else { speech / share };
    let below = |share: f64| 10.0 * (reference / (share * wanted).max(1e-30)).log10();
    if let Some(diffuse) = &mut parts.diffuse {
        diffuse.snr_db = below(shares[1]);
    }
    parts.sensor_snr_db = Some(below(shares[2]));
    Ok(())
}

/// Mean power at the capsules of the named, or of the unnamed, talkers without any noise.
fn mean_power_of(parts: &SceneParts, named: bool) -> Result<f64, SceneError> {
    let mut parts = SceneParts { sensor_snr_db: None, diffuse: None, ..parts.clone() };
    parts.talkers.retain(|t| t.named == named);
    let rendered = Scene::new(parts)?.render();
    Ok(mean_power(&rendered.channels) / (rendered.gain * rendered.gain))
}

/// Lets the only talker go round the array, left or right, keeping height and distance.
fn go_round(parts: &mut SceneParts, rng: &mut SmallRng) {
    let centre_m = parts.array_position_m;
    let turn = if rng.random::<bool>() { 1.0 } else { -1.0 } * MOVING_DEG_S * parts.duration_s;
    let duration_s = parts.duration_s;
    if let Some(talker) = parts.talkers.iter_mut().find(|t| t.named) {
        let from = sub(talker.path.at(0.0), centre_m);
        let azimuth = from[1].atan2(from[0]).to_degrees();
        let elevation = from[2].atan2(from[0].hypot(from[1])).to_degrees();
        talker.path = Path::Arc {
            centre_m,
            radius_m: norm(from),
            from_deg: [azimuth, elevation],
            to_deg: [azimuth + turn, elevation],
            between_s: [0.0, duration_s],
        };
    }
}

#[cfg(test)]
mod tests {
    use super::arrays::spans;
    use super::*;

    #[test]
    fn every_set_has_its_scenes_and_they_come_back() {
        let sources = Sources { name: "test".into(), signals: vec![babble(1, SAMPLE_RATE_HZ, 5.0)] };
        for set in Set::ALL {
            assert_eq!(Set::from_id(set.id()), Some(set));
            for index in 0..6 {
                let a = set.scene(index, &sources).unwrap();
                assert_eq!(a.scene, set.scene(index, &sources).unwrap().scene, "{}", set.id());
                let facts = a.facts;
                let (capsules, talkers) = match set {
                    Set::S | Set::Moving => (4..=12, 1..=2),
                    Set::U => (13..=16, 1..=2),
                    Set::Sphere => (19..=32, 1..=2),
                    Set::Head => (12..=12, 1..=2),
                    Set::Tetra => (4..=4, 1..=2),
                    Set::Three => (6..=12, 3..=3),
                    Set::Quiet => (4..=12, 0..=0),
                    Set::Wide => (6..=16, 1..=2),
                };
                assert!(capsules.contains(&facts.capsules) && talkers.contains(&facts.talkers), "{facts:?}");
                assert_eq!(facts.snr_db.is_some(), set != Set::Quiet);
            }
        }
    }

    #[test]
    fn noise_is_as_far_below_the_talkers_as_wanted() {
        let sources = Sources { name: "test".into(), signals: vec![babble(1, SAMPLE_RATE_HZ, 5.0)] };
        for (set, index) in [(Set::S, 3), (Set::Moving, 1), (Set::Three, 0)] {
            let scene = set.scene(index, &sources).unwrap();
            let all = scene.scene.render();
            let mut parts = scene.scene.clone().into_parts();
            parts.talkers.retain(|t| t.named);
            (parts.diffuse, parts.sensor_snr_db) = (None, None);
            let speech = Scene::new(parts).unwrap();
            let clean = speech.render();
            let mut noise = all.channels.clone();
            let ratio = (all.gain / clean.gain) as f32;
            for (n, c) in noise.iter_mut().flatten().zip(clean.channels.iter().flatten()) {
                *n -= c * ratio;
            }
            let windows = speech.truth().every(0.016, 0.032);
            let spoken = windows.iter().filter(|w| w.sources.iter().any(|s| s.active)).count() as f64;
            let power = mean_power(&clean.channels) * (ratio * ratio) as f64 / (spoken / windows.len() as f64);
            let snr_db = 10.0 * (power / mean_power(&noise)).log10();
            assert!((snr_db - scene.facts.snr_db.unwrap()).abs() < 1.0, "{}: {snr_db} {:?}", set.id(), scene.facts);
        }
    }

    #[test]
    fn every_kind_of_array_has_its_scenes() {
        let sources = Sources { name: "test".into(), signals: vec![babble(1, SAMPLE_RATE_HZ, 5.0)] };
        for (kind, (name, capsules)) in ARRAY_KINDS.into_iter().enumerate() {
            let scene = array_scene(kind, 0, &sources).unwrap();
            assert_eq!((scene.facts.capsules, scene.facts.talkers), (capsules, 1), "{name}");
        }
        assert!(array_scene(ARRAY_KINDS.len(), 0, &sources).is_err());
    }

    #[test]
    fn paper_arrays_keep_their_distances() {
        for index in 0..40 {
            let array = paper_array(&mut stream(index, 1), 4 + (index % 13) as usize).unwrap();
            let (low, high) = spans(&array.relative_positions_m());
            assert!((0.01..=0.06).contains(&low) && (0.07..=0.13).contains(&high), "{low} {high}");
        }
    }

    #[test]
    fn moving_talkers_keep_their_speed() {
        let sources = Sources { name: "test".into(), signals: vec![babble(1, SAMPLE_RATE_HZ, 5.0)] };
        let scene = Set::Moving.scene(0, &sources).unwrap().scene;
        let truth = scene.truth();
        let [a, b] = [1.0, 1.5].map(|t| truth.between(t, t + 0.032)[0].direction);
        let elevation = {
            let from = sub(scene.parts().talkers[0].path.at(0.0), scene.parts().array_position_m);
            from[2].atan2(from[0].hypot(from[1]))
        };
        let expected = 15.0 * elevation.cos();
        assert!((a.angle_to_deg(&b) - expected).abs() < 0.5, "{} {expected}", a.angle_to_deg(&b));
    }
}
