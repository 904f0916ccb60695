//! Training of the AGG-RL network: crops drawn without end from the simulator, weighted cross entropy, Muon and AdamW, checkpoints.
//!
//! [`Recipe`] says what to do, [`Run`] does it: every step draws its crops from the seed and the step's number alone and adds their
//! gradients in a fixed order, so a run that was killed and resumed ends with the same weights as one that was not, on any number
//! of threads.

mod adam;
mod checkpoint;
mod crop;
mod grow;
mod label;
mod learner;
mod loss;
mod muon;
mod objective;
mod parameters;
mod recipe;
mod run;

pub use adam::{Adam, AdamSettings, Others};
pub use crop::{Crop, CropSource};
pub use label::{Ambiguity, soft_label};
pub use loss::{contrast, weighted_cross_entropy};
pub use muon::Matrix;
pub use parameters::{Parameters, ParametersError};
pub use recipe::{Material, Recipe, RecipeError, Stage};
pub use run::{Run, RunError, StepReport};
