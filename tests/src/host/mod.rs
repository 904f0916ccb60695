//! A CLAP host as small as can be: one library, its instances, their audio and their editors.
//!
//! ```no_run
//! use spherescope_tests::host::{Activation, ClapHost};
//! # fn main() -> spherescope_tests::Result<()> {
//! let host = ClapHost::load("target/bundled/Spherescope.clap")?;
//! let mut instance = host.instance()?;
//! instance.select_width(32)?;
//! let mut stream = instance.activate(Activation { max_frames: 512, ..Activation::default() })?;
//! stream.input_mut(0)[..512].fill(0.5);
//! stream.run(512)?;
//! assert_eq!(stream.output(0)[0], 0.5);
//! instance.deactivate(stream);
//! # Ok(()) }
//! ```

pub use clack_host::events;
pub use clack_host::prelude::{ClapId, EventBuffer, Pckn, ProcessStatus};
pub use clack_host::utils::FixedPoint;

mod editor;
mod handlers;
mod instance;
mod library;
mod state;
mod stream;

pub use editor::EditorWindow;
pub use handlers::Requests;
pub use instance::{Activation, Instance, Mode, Parameter, Width};
pub use library::ClapHost;
pub use state::StateDocument;
pub use stream::Stream;
