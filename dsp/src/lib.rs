//! The signal processing of Spherescope, in the order of the data flow: arrays and directions, the block pool between the audio
//! thread and the worker, the non-uniform DFT, GCC-PHAT, the steered response, peaks on the sphere, and their tracks; beside it the
//! layout doctor.
//!
//! Nothing here knows tensors, plugins or weights. Shapes are written in letters: C microphones, N window samples, K frequency bins,
//! D directions. Lengths are metres, angles radians unless a name says degrees, audio is planar `f32`.

pub mod array;
pub mod assignment;
pub mod block_pool;
pub mod direction;
pub mod doctor;
pub mod front_end;
pub mod grid;
pub mod harmonics;
pub mod layout_edit;
pub mod layout_file;
pub mod levels;
pub mod nudft;
pub mod packed;
pub mod peaks;
pub mod presets;
pub mod region;
pub mod steered;
mod sync;
pub mod tracker;

pub use array::{Capsule, Extent, MicArray};
pub use block_pool::{Block, BlockReader, BlockWriter, block_pool};
pub use direction::{Direction, Rotation};
pub use front_end::{FrontEnd, FrontEndError, SampleRate};
pub use grid::Grid;
pub use peaks::{Peak, PeakFinder, PeakOptions};
pub use region::Region;
pub use tracker::{Track, Tracker, TrackerOptions};
