//! All that a run needs to go on, as one file.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::adam::Adam;
use super::parameters::singles;
use super::recipe::Recipe;

/// Key of the metadata that holds what is not a list of numbers.
const KEY: &str = "checkpoint";

/// The state of a run between two steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Checkpoint {
    /// What the run does.
    pub recipe: Recipe,
    /// Steps done.
    pub step: u64,
    /// Seconds since the start, all sittings together.
    pub seconds: f64,
    /// The trained values.
    pub values: Vec<f32>,
    /// Their running mean.
    pub average: Vec<f32>,
    /// The optimizer.
    pub adam: Adam,
}

#[derive(Serialize, Deserialize)]
struct State {
    recipe: Recipe,
    step: u64,
    adam_steps: u64,
    seconds: f64,
}

impl Checkpoint {
    /// The checkpoint as a file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let state =
            State { recipe: self.recipe.clone(), step: self.step, adam_steps: self.adam.steps, seconds: self.seconds };
        let text = serde_json::to_string(&state).map_err(|e| e.to_string())?;
        let lists = [
            ("values", &self.values),
            ("average", &self.average),
            ("mean", &self.adam.mean),
            ("square", &self.adam.square),
        ]
        .map(|(name, x)| (name, x.len(), x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()));
        let mut views = Vec::new();
        for (name, len, bytes) in &lists {
            views.push((*name, TensorView::new(Dtype::F32, vec![*len], bytes).map_err(|e| e.to_string())?));
        }
        let metadata = std::collections::HashMap::from([(KEY.to_owned(), text)]);
        safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
    }

    /// Reads a checkpoint of a run of `recipe` with so many trained values.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8], recipe: &Recipe, trained: usize) -> Result<Self, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let text = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
        let text = text.ok_or("expected a checkpoint, found another file")?;
        let State { recipe: theirs, step, adam_steps, seconds } =
            serde_json::from_str(text).map_err(|e| e.to_string())?;
        if theirs != *recipe {
            return Err("expected a run of this recipe, found one of another; choose another folder".into());
        }
        let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let read = |name: &str, empty: bool| -> Result<Vec<f32>, String> {
            let list = singles(&file.tensor(name).map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
            let fits = list.len() == trained || (empty && list.is_empty());
            let fault = || format!("{name}: expected {trained} numbers, found {}", list.len());
            if fits { Ok(list) } else { Err(fault()) }
        };
        // Before the first step there are no moments.
        let adam = Adam { steps: adam_steps, mean: read("mean", true)?, square: read("square", true)? };
        Ok(Self {
            recipe: theirs,
            step,
            seconds,
            values: read("values", false)?,
            average: read("average", false)?,
            adam,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let adam = Adam { steps: 12, mean: vec![0.5, -1.0, 2.0], square: vec![1e-9, 0.0, 3.0] };
        let recipe = Recipe::named("quick").unwrap();
        let (values, average) = (vec![1.0, f32::MIN_POSITIVE, -3.5], vec![0.25, 0.5, 0.75]);
        Checkpoint { recipe, step: 12, seconds: 34.5, values, average, adam }
    }

    #[test]
    fn what_is_written_is_read() {
        for checkpoint in [checkpoint(), Checkpoint { adam: Adam::default(), ..checkpoint() }] {
            let bytes = checkpoint.to_bytes().unwrap();
            assert_eq!(Checkpoint::from_bytes(&bytes, &checkpoint.recipe, 3).unwrap(), checkpoint);
        }
    }

    #[test]
    fn faults_are_named() {
        let (checkpoint, quick) = (checkpoint(), Recipe::named("quick").unwrap());
        let bytes = checkpoint.to_bytes().unwrap();
        let short = Checkpoint { average: vec![0.0; 2], ..checkpoint.clone() }.to_bytes().unwrap();
        let moments = Checkpoint { adam: Adam { mean: vec![0.0; 2], ..checkpoint.adam.clone() }, ..checkpoint };
        let moments = moments.to_bytes().unwrap();
        let weights = safetensors::serialize::<&str, TensorView<'_>, _>(Vec::new(), None).unwrap();
        let other = Recipe { seed: 2, ..quick.clone() };
        for (bytes, recipe, expected) in [
            (&bytes[..], &other, "found one of another"),
            (&bytes[..bytes.len() - 1], &quick, ""),
            (&short, &quick, "average: expected 3 numbers, found 2"),
            (&moments, &quick, "mean: expected 3 numbers, found 2"),
            (&weights, &quick, "found another file"),
            (b"no checkpoint", &quick, ""),
        ] {
            let found = Checkpoint::from_bytes(bytes, recipe, 3).unwrap_err();
            assert!(found.contains(expected), "{found}");
        }
    }
}
