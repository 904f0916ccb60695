//! Rooms, talkers and microphones that exist only as numbers, and whose truth is known exactly.
//!
//! In the order of the data flow:
//!
//! 1. **Dry sounds**: made from a seed ([`sources`]), spoken ([`speech`]) or read from a folder ([`dry`], [`audio`], [`resample`]),
//!    whose recordings become [`talkers`].
//! 2. **A scene**: a [`Space`] (the free field or a shoebox [`Room`]), any [`MicArray`](spherescope_dsp::MicArray) at a place and turned,
//!    [`Talker`]s on their [`Path`]s, noise. [`SceneParts`] says what, [`Scene::new`] checks it once. [`random_scene`] draws scenes for
//!    training, [`demo`] has two fixed ones.
//! 3. **Rendering**: [`Scene::render`] gives what each capsule records: exact images up to 80 ms, a diffuse tail, 1/r spreading,
//!    isotropic and sensor noise; walls, talkers and capsules with characters of their own ([`Room::with_wall_slope`], [`Directivity`],
//!    [`CapsulePattern`]), arrays in the air or mounted on a [`Body`].
//! 4. **Truth**: [`Scene::truth`] says which talker was heard from which [`Direction`](spherescope_dsp::Direction) at any time, in the
//!    array's own frame.
//!
//! ```
//! use spherescope_dsp::presets;
//! use spherescope_train::{Path, Room, Scene, SceneParts, Space, Talker, sources};
//!
//! let room = Room::new([5.0, 4.0, 3.0], 0.4, 343.0)?;
//! let array = presets::find("a-format-tetrahedron").expect("a preset").array;
//! let scene = Scene::new(SceneParts {
//!     talkers: vec![Talker::new(sources::noise_bursts(1, 16_000, 0.5), Path::Still([2.0, 3.1, 1.3]))],
//!     sensor_snr_db: Some(30.0),
//!     ..SceneParts::new(16_000, 0.5, Space::Room(room), array, [2.0, 2.1, 1.3])
//! })?;
//! let recorded = scene.render();
//! assert_eq!((recorded.channels.len(), recorded.channels[0].len()), (4, 8000));
//! // One metre to the left.
//! let heard = scene.truth().between(0.040, 0.072);
//! assert!((heard[0].direction.azimuth_deg() - 90.0).abs() < 1e-6 && heard[0].active);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything is drawn from seeds: the same scene gives the same samples.

pub mod ablations;
pub mod audio;
pub mod bench;
mod body;
mod convolve;
pub mod demo;
mod diffuse;
pub mod dry;
pub mod evaluate;
pub mod measured;
mod moving;
mod parallel;
mod path;
mod random;
mod random_array;
mod render;
pub mod resample;
mod response;
mod room;
mod scene;
pub mod sets;
mod sinc;
pub mod sources;
pub mod speech;
mod sphere;
pub mod talkers;
pub mod training;
mod truth;
mod vector;
mod walk;

pub use body::{Body, CapsulePattern, HEAD_HALF_AXES_M, HEAD_SCALE, SPHERE_RADIUS_M};
pub use path::{Path, Waypoint};
pub use random::{HUDDLE_DEG, Realism, SceneRanges, random_scene};
pub use random_array::{ArrayKind, random_array, random_array_of, random_paper_array};
pub use render::{PEAK, Rendered};
pub use response::Space;
pub use room::{
    EARLY_S, Image, NEAREST_M, Room, RoomError, SIZE_RANGE_M, SPEED_RANGE_M_S, T60_RANGE_S, WALL_SLOPE_RANGE,
};
pub use scene::{
    DiffuseNoise, Directivity, FREE_FIELD_M, Imperfections, MAX_SAMPLES, SAMPLE_RATES_HZ, Scene, SceneError,
    SceneParts, Talker,
};
pub use sphere::sphere_pressure;
pub use truth::{ACTIVE_BELOW_PEAK_DB, Activity, ENVELOPE_S, Truth, TruthFrame, TruthSource};
