//! How fast everything is that needs no host: the whole pipeline, its parts, changes of settings, the copy on the audio thread, memory.
//!
//! Times are CPU seconds of this process, so that other programs on the machine disturb little, and medians over several runs. All
//! figures come from the types that the plugin drives.

mod chart;
pub mod clock;
mod figures;
pub mod options;
mod parts;
mod pipeline;
mod table;

pub use chart::draw;
pub use figures::{AtOnce, Bytes, Change, Figures, Pipeline, PoolCopy, Stage, Transform};
pub use table::report;

use clock::Effort;

/// What is written lies between these lines of the file.
pub const MARKERS: [&str; 2] = ["<!-- bench: begin -->", "<!-- bench: end -->"];

/// Frames of the host's blocks.
const BLOCK_FRAMES: usize = 512;
/// The usual sample rate in Hz, and the usual number of directions.
const USUAL: (f64, usize) = (48_000.0, 2048);

/// Name of the stage that all others are shares of.
const WHOLE: &str = "whole localizer";

/// What is measured.
#[derive(Clone, Debug)]
struct Sizes {
    capsules: Vec<usize>,
    directions: Vec<usize>,
    rates_hz: Vec<f64>,
    /// Capsules at which sample rates are compared.
    capsules_at_rates: usize,
    /// Capsules whose memory is measured and whose blocks are copied.
    many: usize,
}

/// Measures everything; `quick` measures fewer sizes in less time. Progress goes to stderr.
///
/// # Errors
/// A sentence that says what could not be measured.
pub fn measure(quick: bool) -> Result<Figures, String> {
    let sizes = if quick {
        Sizes {
            capsules: vec![4, 12],
            directions: vec![512, USUAL.1],
            rates_hz: vec![48_000.0, 96_000.0],
            capsules_at_rates: 4,
            many: 12,
        }
    } else {
        Sizes {
            capsules: vec![4, 12, 32, 64],
            directions: vec![512, USUAL.1, 8192],
            rates_hz: vec![44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0],
            capsules_at_rates: 12,
            many: 32,
        }
    };
    let effort = if quick { Effort { runs: 3, run_s: 0.002 } } else { Effort { runs: 9, run_s: 0.05 } };
    // First of all: later, freed memory would be used again and not seen.
    let memory = parts::memory(sizes.many)?;
    let (pipeline, at_rates) = pipeline::measure(&sizes, &effort)?;
    let mut at_once = Vec::new();
    for instances in if quick { vec![1, 2] } else { vec![1, 4, 16] } {
        at_once.push(pipeline::at_once(instances, sizes.capsules_at_rates)?);
    }
    Ok(Figures {
        processor: clock::processor(),
        debug: cfg!(debug_assertions),
        quick,
        memory,
        pipeline,
        at_rates,
        at_once,
        multiply_adds_per_s: parts::multiply_adds_per_s(&effort)?,
        transforms: parts::transforms(&sizes.rates_hz, &effort)?,
        changes: parts::changes(&sizes.capsules, &effort)?,
        copy: parts::copy(sizes.many, if quick { 2000 } else { 100_000 }),
        stages: sizes.capsules.iter().map(|&c| parts::stages(c, &effort)).collect::<Result<_, _>>()?,
    })
}
