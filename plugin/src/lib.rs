//! Spherescope as a CLAP and VST3 plugin: it shows where sounds come from, live on a sphere, with any microphone array.
//!
//! In the order of the data flow: [`plugin`] passes audio through and copies it to a block pool; [`worker`] analyses it on a thread
//! of its own and publishes snapshots; [`editor`] shows them, [`frame_log`] writes them down, and OSC takes them to other programs. [`params`]
//! and [`session`] are what a project saves, [`widths`] what hosts are offered, [`shared`] what the parts of an instance share.
//! On Linux an instance also lives without a host, in the stand-alone window of the command line.

mod analysis;
mod backdrops;
mod closing;
pub mod editor;
mod examination;
pub mod frame_log;
pub mod generation;
mod injected;
mod layout_files;
mod meters;
mod osc;
pub mod outgoing;
pub mod params;
mod picture_files;
pub mod plugin;
mod results;
pub mod session;
pub mod shared;
#[cfg(target_os = "linux")]
pub mod standalone;
mod sync;
pub mod widths;
pub mod worker;
#[cfg(target_os = "linux")]
mod xembed;

pub use plugin::Spherescope;

use nice_plug::{nice_export_clap, nice_export_vst3};

nice_export_clap!(Spherescope<{ widths::EVERY_WIDTH }>);
// The widths of `widths::VST3_WIDTHS`.
nice_export_vst3!(
    Spherescope<4>,
    Spherescope<6>,
    Spherescope<7>,
    Spherescope<8>,
    Spherescope<9>,
    Spherescope<12>,
    Spherescope<15>,
    Spherescope<16>,
    Spherescope<19>,
    Spherescope<25>,
    Spherescope<32>,
    Spherescope<36>,
    Spherescope<49>,
    Spherescope<63>,
    Spherescope<2>
);
