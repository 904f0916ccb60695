//! Host, display and judge for the built plugin: everything that the tests which cross crates, and the demo, stand on.
//!
//! In the order in which they are used: [`bundle`] finds or builds the bundles; [`host`] loads the CLAP as a host does, streams audio
//! through it and opens its editor; [`display`] is the virtual screen that the editor is drawn on, and the pictures of it; [`frames`]
//! reads what the plugin has found; [`judge`] compares that with the truth. [`signal`] makes audio that shows every lost bit, [`fuzz`]
//! hostile bytes for all that reads bytes.

pub mod bundle;
pub mod display;
pub mod frames;
pub mod fuzz;
pub mod host;
pub mod judge;
pub mod signal;

/// Errors of the harness: a text that names what was tried and what was found.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Results of the harness.
pub type Result<T, E = Error> = std::result::Result<T, E>;
