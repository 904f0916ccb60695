//! The AGG-RL network of Spherescope and the streaming localizer around it.
//!
//! In the order of the data flow: [`Localizer`] takes audio and drives the front end of `spherescope-dsp`; a [`Network`] turns
//! phase-transformed spectra and an array into a point of a latent space ([`lifted`] and [`paper`] are its two AuGeonets), directions into points of the
//! same space (Gridnet), and scores directions by the inner product. One set of weights serves any array and any grid.

pub mod augeonet;
pub mod band;
pub mod config;
pub mod evidence;
mod layers;
pub mod lifted;
pub mod localizer;
pub mod network;
pub mod ops;
pub mod paper;
pub mod parameter;

pub use band::Band;
pub use localizer::{
    Engine, LIVE_CHUNK_FRAMES, Localizer, LocalizerError, LocalizerFrame, LocalizerSettings, SPEED_OF_SOUND_M_S,
    TRAINED_APERTURE_M,
};
pub use network::{Beside, Network, NetworkError, Spectra};
