//! A scene: a space, an array, talkers on their ways, noise. Validated once, then rendered and asked for the truth.

use std::fmt;

use spherescope_dsp::{MicArray, Rotation};

use crate::body::{Body, CapsulePattern};
use crate::path::Path;
use crate::response::Space;
use crate::room::{RoomError, SPEED_RANGE_M_S};
use crate::truth::Truth;
use crate::vector::{add, dot, norm};

/// Sample rates in Hz that scenes may have.
pub const SAMPLE_RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=768_000;
/// A scene may not hold more samples than this, all channels together: 2 GiB of `f32`.
pub const MAX_SAMPLES: f64 = 536_870_912.0;

/// The free field reaches this far from its origin along each axis, in metres: responses are as long as sound travels.
pub const FREE_FIELD_M: f64 = 2000.0;

/// One source of sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Talker {
    /// The dry sound, mono, at the scene's rate; its level is what a microphone at 1 m hears in the free field.
    pub signal: Vec<f32>,
    /// When the sound starts, in seconds of the scene; not negative.
    pub start_s: f64,
    /// Gain in decibels on top of the signal's own level.
    pub level_db: f64,
    /// Where the talker is.
    pub path: Path,
    /// Whether the truth names it. A fan or a radio in the corner is heard and not named.
    pub named: bool,
    /// Where the source faces, if it does not send to all directions alike.
    pub directivity: Option<Directivity>,
}

impl Talker {
    /// A talker who starts at once, at the signal's own level, sends to all directions alike and is part of the truth.
    pub fn new(signal: Vec<f32>, path: Path) -> Self {
        Self { signal, start_s: 0.0, level_db: 0.0, path, named: true, directivity: None }
    }
}

/// A broad beam, as mouths and small loudspeakers have: nearly all directions alike at low frequencies, narrower towards high ones.
///
/// In front a source is as loud as without a beam. At an angle θ from its axis it loses (1 − cos θ)/2 of what it loses behind:
/// [`Directivity::back_db`] at 1 kHz and 5/6 of that more with each octave (less below, down to 500 Hz). With 6 dB behind: 1 dB at 500 Hz,
/// 6 dB at 1 kHz, 16 dB at 4 kHz, near what W. T. Chu and A. C. C. Warnock measured on talkers (NRC report IRC-RR-104, 2002).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Directivity {
    /// Where the source faces, in the axes of the space; any length above 0.
    pub axis: [f64; 3],
    /// Loss behind the source at 1 kHz in decibels, 0 … 18.
    pub back_db: f64,
}

impl Directivity {
    /// Loss behind grows by this share of [`Directivity::back_db`] with each octave.
    const GROWTH: f64 = 5.0 / 6.0;

    /// Pressure gain at 1 kHz and loss in nepers an octave towards the unit vector `leaving`.
    pub(crate) fn towards(&self, leaving: [f64; 3]) -> (f64, f64) {
        let cos = dot(self.axis, leaving) / norm(self.axis).max(1e-12);
        let nepers = self.back_db * std::f64::consts::LN_10 / 20.0 * (0.5 - 0.5 * cos.clamp(-1.0, 1.0));
        ((-nepers).exp(), Self::GROWTH * nepers)
    }

    fn fault(&self) -> Option<String> {
        let length = norm(self.axis);
        if !(length.is_finite() && length > 1e-9) {
            Some(format!("expected an axis longer than 0, found {:?}", self.axis))
        } else if !(0.0..=18.0).contains(&self.back_db) {
            Some(format!("expected a loss behind of 0 to 18 dB, found {}", self.back_db))
        } else {
            None
        }
    }
}

/// Noise that comes from everywhere (spherically isotropic).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiffuseNoise {
    /// Power of all talkers at the capsules, reverberation included, while any speaks, over the noise's power, in decibels.
    pub snr_db: f64,
    /// Slope of the noise's spectrum above 50 Hz, in decibels an octave: 0 is white, −3 pink, −6 a ventilation's rumble.
    pub slope_db_per_octave: f64,
}

/// Errors of real capsules, drawn once for each capsule from the scene's seed. The truth and the layout do not know of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Imperfections {
    /// Standard deviation of each coordinate of a capsule's place, in metres.
    pub position_m: f64,
    /// Gains are drawn evenly from ± this many decibels.
    pub gain_db: f64,
    /// Standard deviation of a capsule's own delay, in seconds: converters and filters that differ.
    pub delay_s: f64,
    /// Capsules that hear nothing and have their sensor's noise only; drawn from all.
    pub dead: usize,
}

/// Everything that a scene is made of. [`Scene::new`] checks it.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneParts {
    /// Sample rate in Hz, within [`SAMPLE_RATES_HZ`].
    pub sample_rate_hz: u32,
    /// Length in seconds, above 0.
    pub duration_s: f64,
    /// The free field or a room.
    pub space: Space,
    /// The microphones. Muted capsules hear nothing: their channels are silent.
    pub array: MicArray,
    /// Where the array's *centroid* is, in the coordinates of the space, metres.
    pub array_position_m: [f64; 3],
    /// How the array is turned: from the array's frame to the space's axes.
    pub array_rotation: Rotation,
    /// The sources of sound.
    pub talkers: Vec<Talker>,
    /// Noise of capsules and preamplifiers: white, independent in each channel; SNR in decibels as in [`DiffuseNoise::snr_db`].
    pub sensor_snr_db: Option<f64>,
    /// Noise from everywhere.
    pub diffuse: Option<DiffuseNoise>,
    /// What the array is mounted on.
    pub body: Body,
    /// How the capsules listen. Capsules on a body listen to pressure, whatever this says.
    pub pattern: CapsulePattern,
    /// Errors of the capsules.
    pub imperfections: Imperfections,
    /// What noise, diffuse tails and imperfections are drawn from.
    pub seed: u64,
}

impl SceneParts {
    fn check_body(&self) -> Result<(), SceneError> {
        let capsules = self.array.active_len();
        if let Some((name, found)) = self.body.fault().or_else(|| self.pattern.fault(capsules)) {
            return Err(SceneError::Number { name, found });
        }
        if self.body == Body::Open {
            return Ok(());
        }
        for (capsule, c) in self.array.active().enumerate() {
            let distance_m = norm(c.position_m);
            let towards = c.position_m.map(|x| x / distance_m.max(1e-9));
            let surface_m = self.body.surface_m(towards).unwrap_or(distance_m);
            if distance_m == 0.0 || (distance_m - surface_m).abs() > (0.05 * surface_m).max(0.002) {
                return Err(SceneError::OffBody { capsule, distance_m, surface_m });
            }
        }
        Ok(())
    }

    /// A space with an open array of pressure capsules in it, unturned: no talkers, no noise, no errors, seed 0. The rest is for
    /// `SceneParts { …, ..SceneParts::new(…) }`.
    pub fn new(
        sample_rate_hz: u32,
        duration_s: f64,
        space: Space,
        array: MicArray,
        array_position_m: [f64; 3],
    ) -> Self {
        Self {
            sample_rate_hz,
            duration_s,
            space,
            array,
            array_position_m,
            array_rotation: Rotation::IDENTITY,
            talkers: Vec::new(),
            sensor_snr_db: None,
            diffuse: None,
            body: Body::Open,
            pattern: CapsulePattern::Pressure,
            imperfections: Imperfections::default(),
            seed: 0,
        }
    }
}

/// A validated scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    parts: SceneParts,
}

/// Why parts are not a scene. Talkers and capsules are counted from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum SceneError {
    /// A sample rate outside [`SAMPLE_RATES_HZ`].
    SampleRate {
        /// As given, in Hz.
        found: u32,
    },
    /// A length that is not above 0 s, or too long for memory.
    Duration {
        /// As given, in seconds.
        found: f64,
        /// The longest that this rate and array allow, in seconds.
        at_most: f64,
    },
    /// The room's numbers, or the free field's speed of sound.
    Room(RoomError),
    /// A capsule is in a wall or behind it, beyond [`FREE_FIELD_M`], or its coordinates are not finite.
    CapsuleOutside {
        /// The capsule.
        capsule: usize,
        /// Its place, in metres.
        position_m: [f64; 3],
    },
    /// A talker leaves the room, or the free field's [`FREE_FIELD_M`].
    TalkerOutside {
        /// The talker.
        talker: usize,
        /// When, in seconds.
        time_s: f64,
        /// The place, in metres.
        position_m: [f64; 3],
    },
    /// A talker's path, start or level makes no sense.
    Talker {
        /// The talker.
        talker: usize,
        /// "expected …, found …".
        fault: String,
    },
    /// A talker's signal has a sample that is infinite or not a number.
    Signal {
        /// The talker.
        talker: usize,
        /// Its first bad sample.
        frame: usize,
    },
    /// A noise level or an imperfection is not a finite number, or is negative where it must not be.
    Number {
        /// Which one.
        name: &'static str,
        /// As given.
        found: f64,
    },
    /// A capsule is not on the surface of the body: more than a twentieth and 2 mm away.
    OffBody {
        /// The capsule.
        capsule: usize,
        /// Its distance from the body's centre, the origin of the layout, in metres.
        distance_m: f64,
        /// Distance of the surface in that direction, in metres.
        surface_m: f64,
    },
    /// Random scenes: no dry sounds were given.
    NoSignals,
    /// Random scenes: no place was found that keeps all distances.
    NoPlace {
        /// What could not be placed.
        what: &'static str,
    },
    /// A range that is empty, reversed or not finite.
    Range {
        /// Which one.
        name: &'static str,
        /// Its lower end.
        low: f64,
        /// Its upper end.
        high: f64,
    },
}

impl fmt::Display for SceneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SampleRate { found } => write!(
                f,
                "expected a sample rate of {} to {} Hz, found {found} Hz",
                SAMPLE_RATES_HZ.start(),
                SAMPLE_RATES_HZ.end()
            ),
            Self::Duration { found, at_most } => {
                write!(f, "expected a scene above 0 s and at most {at_most:.0} s long, found {found} s")
            }
            Self::Room(error) => error.fmt(f),
            Self::CapsuleOutside { capsule, position_m } => {
                write!(
                    f,
                    "capsule {capsule}: expected a place inside the room or within {FREE_FIELD_M} m, found {position_m:.2?} m"
                )
            }
            Self::TalkerOutside { talker, time_s, position_m } => {
                write!(
                    f,
                    "talker {talker}: expected a place inside the room or within {FREE_FIELD_M} m, found {position_m:.2?} m at {time_s:.2} s"
                )
            }
            Self::Talker { talker, fault } => write!(f, "talker {talker}: {fault}"),
            Self::Signal { talker, frame } => {
                write!(f, "talker {talker}: expected finite samples, found one that is not at frame {frame}")
            }
            Self::Number { name, found } => write!(f, "expected a finite {name}, found {found}"),
            Self::OffBody { capsule, distance_m, surface_m } => write!(
                f,
                "capsule {capsule}: expected a place on the body, {surface_m:.4} m from the layout's origin, found {distance_m:.4} m"
            ),
            Self::NoSignals => write!(f, "expected at least one dry sound that is not silent, found none"),
            Self::NoPlace { what } => write!(f, "expected room for {what}, found none that keeps all distances"),
            Self::Range { name, low, high } => write!(f, "expected a range of {name}, found {low} to {high}"),
        }
    }
}

impl std::error::Error for SceneError {}

impl Scene {
    /// Checks the parts.
    ///
    /// # Errors
    /// The first [`SceneError`] found.
    pub fn new(parts: SceneParts) -> Result<Self, SceneError> {
        if !SAMPLE_RATES_HZ.contains(&parts.sample_rate_hz) {
            return Err(SceneError::SampleRate { found: parts.sample_rate_hz });
        }
        let at_most = MAX_SAMPLES / f64::from(parts.sample_rate_hz) / parts.array.channels_needed().max(1) as f64;
        if !(parts.duration_s > 0.0 && parts.duration_s <= at_most) {
            return Err(SceneError::Duration { found: parts.duration_s, at_most });
        }
        if let Space::FreeField { speed_m_s } = parts.space
            && !SPEED_RANGE_M_S.contains(&speed_m_s)
        {
            return Err(SceneError::Room(RoomError::Speed { found: speed_m_s }));
        }
        for (name, found) in [
            ("sensor SNR in dB", parts.sensor_snr_db.unwrap_or(0.0)),
            ("diffuse SNR in dB", parts.diffuse.map_or(0.0, |d| d.snr_db)),
            ("slope of the diffuse noise in dB an octave", parts.diffuse.map_or(0.0, |d| d.slope_db_per_octave)),
            ("error of position in metres", parts.imperfections.position_m),
            ("error of gain in dB", parts.imperfections.gain_db),
            ("error of delay in seconds", parts.imperfections.delay_s),
        ] {
            if !found.is_finite() || (name.starts_with("error") && found < 0.0) {
                return Err(SceneError::Number { name, found });
            }
        }
        parts.check_body()?;
        let scene = Self { parts };
        for (capsule, position_m) in scene.capsules_m().into_iter().enumerate() {
            if !scene.holds(position_m) {
                return Err(SceneError::CapsuleOutside { capsule, position_m });
            }
        }
        for (index, talker) in scene.parts.talkers.iter().enumerate() {
            scene.check_talker(index, talker)?;
        }
        Ok(scene)
    }

    fn check_talker(&self, index: usize, talker: &Talker) -> Result<(), SceneError> {
        let fault = talker.path.fault().or_else(|| {
            if !(talker.start_s.is_finite() && talker.start_s >= 0.0) {
                Some(format!("expected a start of 0 s or later, found {} s", talker.start_s))
            } else if !talker.level_db.is_finite() {
                Some(format!("expected a finite level in dB, found {}", talker.level_db))
            } else {
                talker.directivity.and_then(|d| d.fault())
            }
        });
        if let Some(fault) = fault {
            return Err(SceneError::Talker { talker: index, fault });
        }
        if let Some(frame) = talker.signal.iter().position(|x| !x.is_finite()) {
            return Err(SceneError::Signal { talker: index, frame });
        }
        // Lines between points of a convex room stay in the room; arcs are looked at closely enough to be caught leaving.
        let times: Vec<f64> = match &talker.path {
            Path::Still(_) => vec![0.0],
            Path::Waypoints(points) => points.iter().map(|p| p.time_s).collect(),
            Path::Arc { between_s: [a, b], .. } => (0..=360).map(|i| a + (b - a) * f64::from(i) / 360.0).collect(),
        };
        for time_s in times {
            let position_m = talker.path.at(time_s);
            if !self.holds(position_m) {
                return Err(SceneError::TalkerOutside { talker: index, time_s, position_m });
            }
        }
        Ok(())
    }

    fn holds(&self, point_m: [f64; 3]) -> bool {
        point_m.iter().all(|x| x.is_finite())
            && match &self.parts.space {
                Space::FreeField { .. } => point_m.iter().all(|x| x.abs() <= FREE_FIELD_M),
                Space::Room(room) => room.clearance_m(point_m) > 0.0,
            }
    }

    /// The parts, as they were given.
    pub fn parts(&self) -> &SceneParts {
        &self.parts
    }

    /// The parts back, to change something and build another scene.
    pub fn into_parts(self) -> SceneParts {
        self.parts
    }

    /// Length in frames.
    pub fn frames(&self) -> usize {
        (self.parts.duration_s * f64::from(self.parts.sample_rate_hz)).round() as usize
    }

    /// Places of the active capsules in the coordinates of the space, in metres `[C][3]`, without imperfections.
    pub fn capsules_m(&self) -> Vec<[f64; 3]> {
        let parts = &self.parts;
        parts
            .array
            .relative_positions_m()
            .into_iter()
            .map(|p| add(parts.array_position_m, parts.array_rotation.apply(p)))
            .collect()
    }

    /// The exact truth of the scene.
    pub fn truth(&self) -> Truth {
        Truth::of(self)
    }

    /// A talker's first frame and its gain as a factor.
    pub(crate) fn start_and_gain(&self, talker: &Talker) -> (usize, f32) {
        let start = (talker.start_s * f64::from(self.parts.sample_rate_hz)).round() as usize;
        (start, 10f64.powf(talker.level_db / 20.0) as f32)
    }
}
