//! What a training run does, as one file.

use std::fmt;

use serde::{Deserialize, Serialize};
use spherescope_model::config::{AuGeonetConfig, BinMap, Config, LiftedConfig};

/// A whole training run: the network and the stages it goes through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name.
    pub name: String,
    /// Seed of the first weights and of all data.
    pub seed: u64,
    /// The network.
    pub network: Config,
    /// Whether the bins' frequencies are learned with everything else.
    #[serde(default)]
    pub learn_bins: bool,
    /// One after the other.
    pub stages: Vec<Stage>,
}

/// Where a stage's crops come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Material {
    /// Spectra written down analytically: steering vectors, reflections, noise. No audio at all.
    Analytic,
    /// Rendered rooms.
    Rooms,
}

/// A part of a run with settings of its own. Ranges are `[low, high]`, both included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Name.
    pub name: String,
    /// Where crops come from.
    pub material: Material,
    /// Number of steps.
    pub steps: u64,
    /// Crops a step.
    pub batch: usize,
    /// Length of a crop in seconds.
    pub crop_s: f64,
    /// Learning rate at the stage's first and last step; half a cosine lies between.
    pub rate: [f64; 2],
    /// Steps over which the rate rises from 0 at the start of the stage.
    pub warm_up: u64,
    /// Root mean square of the steps of weights between hidden channels for a rate of one, which Muon moves ([`Matrix`](super::Matrix)); 0
    /// leaves all to AdamW.
    #[serde(default)]
    pub muon: f64,
    /// Beamwidth γ of the labels in degrees, one for each output.
    pub beamwidth_deg: Vec<f64>,
    /// ρ, weight of positive labels.
    pub positive_weight: f32,
    /// Weight of the cross entropy between where labels and where scores are in each frame ([`contrast`](super::contrast)); 0 is without.
    #[serde(default)]
    pub contrast: f32,
    /// Share of rendered crops that are plain, 0 … 1: talkers who send to all sides, capsules without faults.
    #[serde(default)]
    pub plain: f64,
    /// Relative frequency of crops with 0, 1, 2, … talkers.
    pub talkers: Vec<f64>,
    /// Number of capsules.
    pub capsules: [usize; 2],
    /// D, directions of the random grid that a crop is scored on.
    pub directions: usize,
    /// Further directions near the talkers, silent ones too: there it is decided who speaks, and where.
    #[serde(default)]
    pub near: usize,
    /// Whether that grid is turned at random; a network with a fixed grid needs it still.
    #[serde(default = "yes")]
    pub turn_grid: bool,
}

fn yes() -> bool {
    true
}

/// Why a recipe cannot be followed.
#[derive(Clone, Debug, PartialEq)]
pub struct RecipeError(String);

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RecipeError {}

impl Recipe {
    /// Names of the recipes that come with the program.
    pub const NAMES: [&'static str; 2] = ["quick", "full"];

    /// A recipe by its name.
    ///
    /// # Errors
    /// A name that is not among [`Recipe::NAMES`].
    pub fn named(name: &str) -> Result<Self, RecipeError> {
        let sizes = LiftedConfig {
            bins: 144,
            quadrature: 192,
            bands: 16,
            channels: 48,
            blocks: 3,
            order: 12,
            fields: 4,
            outputs: 2,
            evidence: 48,
            context: true,
            bin_map: BinMap::Uniform,
            memory_s: vec![0.12, 0.4, 1.5],
            votes: 16,
            levels: 8,
        };
        let (steps, sizes) = match name {
            "quick" => {
                let small = LiftedConfig { bins: 96, bands: 12, channels: 24, blocks: 2, ..sizes };
                let small = LiftedConfig { evidence: 16, bin_map: BinMap::Logit, votes: 12, ..small };
                ([500, 0, 250, 0], small)
            }
            "full" => ([1000, 600, 2400, 2400], LiftedConfig { quadrature: 320, order: 16, ..sizes }),
            _ => {
                return Err(RecipeError(format!("recipe: expected {}, found `{name}`", Self::NAMES.join(" or "))));
            }
        };
        let network = Config {
            format: 1,
            name: format!("{name} lifted"),
            window_s: 0.032,
            hop_s: 0.016,
            look_ahead: if name == "full" { 2 } else { 0 },
            augeonet: AuGeonetConfig::Lifted(sizes),
            calibration: None,
        };
        let rooms = Stage {
            name: "rooms".into(),
            material: Material::Rooms,
            steps: steps[0],
            batch: 16,
            crop_s: 0.5,
            rate: [4e-3, 2.5e-3],
            warm_up: 20,
            beamwidth_deg: vec![20.0, 10.0],
            positive_weight: 4.0,
            contrast: 0.0,
            plain: 0.0,
            muon: 0.0,
            talkers: vec![0.05, 0.6, 0.35],
            capsules: [4, 12],
            directions: 512,
            near: 64,
            turn_grid: true,
        };
        let pauses = Stage {
            name: "pauses".into(),
            steps: steps[2],
            crop_s: 1.6,
            batch: 12,
            rate: [1.6e-3, if steps[3] > 0 { 1e-3 } else { 1e-5 }],
            warm_up: 10,
            beamwidth_deg: vec![16.0, 6.0],
            positive_weight: 2.5,
            talkers: vec![0.05, 0.37, 0.46, 0.12],
            ..rooms.clone()
        };
        let sentences = Stage {
            name: "whole sentences".into(),
            steps: steps[3],
            crop_s: 3.6,
            batch: 6,
            rate: [1.6e-3, 1e-5],
            beamwidth_deg: vec![8.0, 3.0],
            plain: 0.5,
            muon: 0.2,
            ..pauses.clone()
        };
        let stages = vec![
            rooms.clone(),
            Stage {
                name: "two talkers, longer crops".into(),
                steps: steps[1],
                crop_s: 1.0,
                rate: [2.5e-3, 1.6e-3],
                beamwidth_deg: vec![20.0, 8.0],
                positive_weight: 3.0,
                talkers: vec![0.05, 0.4, 0.45, 0.1],
                ..rooms
            },
            pauses,
            sentences,
        ];
        Ok(Self {
            name: name.into(),
            seed: 1,
            network,
            learn_bins: true,
            stages: stages.into_iter().filter(|s| s.steps > 0).collect(),
        })
    }

    /// Reads a recipe from JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, RecipeError> {
        let recipe: Self = serde_json::from_str(text).map_err(|e| RecipeError(format!("recipe: {e}")))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Steps of all stages.
    pub fn steps(&self) -> u64 {
        self.stages.iter().map(|s| s.steps).sum()
    }

    /// The stage of a step, counted from 0, and the step's number within it.
    pub fn stage_of(&self, step: u64) -> Option<(&Stage, u64)> {
        let mut first = 0;
        for stage in &self.stages {
            if step < first + stage.steps {
                return Some((stage, step - first));
            }
            first += stage.steps;
        }
        None
    }

    /// Checks that the recipe can be followed.
    ///
    /// # Errors
    /// The first value at fault, what was expected and what was found.
    pub fn check(&self) -> Result<(), RecipeError> {
        self.network.check().map_err(|e| RecipeError(format!("recipe, network: {e}")))?;
        let outputs = self.network.outputs();
        if self.stages.is_empty() {
            return Err(RecipeError("recipe: expected at least one stage, found none".into()));
        }
        for stage in &self.stages {
            let fault = |what: &str, expected: String, found: String| {
                Err(RecipeError(format!("recipe, stage `{}`, {what}: expected {expected}, found {found}", stage.name)))
            };
            if !(1..=4096).contains(&stage.batch) {
                return fault("batch", "1 to 4096".into(), stage.batch.to_string());
            }
            if !(0.05..=60.0).contains(&stage.crop_s) {
                return fault("crop_s", "0.05 to 60 s".into(), stage.crop_s.to_string());
            }
            if stage.rate.iter().any(|r| !(0.0..=1.0).contains(r)) {
                return fault("rate", "0 to 1".into(), format!("{:?}", stage.rate));
            }
            if stage.beamwidth_deg.len() != outputs || stage.beamwidth_deg.iter().any(|b| !(1.0..=90.0).contains(b)) {
                let expected = format!("one for each of {outputs} outputs, 1 to 90 degrees");
                return fault("beamwidth_deg", expected, format!("{:?}", stage.beamwidth_deg));
            }
            if !(0.01..=100.0).contains(&stage.positive_weight) {
                return fault("positive_weight", "0.01 to 100".into(), stage.positive_weight.to_string());
            }
            if !(0.0..=10.0).contains(&stage.contrast) {
                return fault("contrast", "0 to 10".into(), stage.contrast.to_string());
            }
            if !(0.0..=10.0).contains(&stage.muon) {
                return fault("muon", "0 to 10".into(), stage.muon.to_string());
            }
            if !(0.0..=1.0).contains(&stage.plain) {
                return fault("plain", "0 to 1".into(), stage.plain.to_string());
            }
            let total: f64 = stage.talkers.iter().sum();
            if stage.talkers.len() > 5 || stage.talkers.iter().any(|w| *w < 0.0) || !(total > 0.0 && total.is_finite())
            {
                return fault("talkers", "1 to 5 frequencies, not all 0".into(), format!("{:?}", stage.talkers));
            }
            let [low, high] = stage.capsules;
            if low < 2 || high > 64 || low > high {
                return fault("capsules", "a range within 2 to 64".into(), format!("{low} to {high}"));
            }
            if !(16..=16_384).contains(&stage.directions) {
                return fault("directions", "16 to 16384".into(), stage.directions.to_string());
            }
            if stage.near > 16_384 {
                return fault("near", "0 to 16384".into(), stage.near.to_string());
            }
        }
        Ok(())
    }
}

impl Stage {
    /// Learning rate at a step of this stage, counted from 0.
    pub fn rate_at(&self, step: u64) -> f64 {
        let along = step as f64 / self.steps.max(2).saturating_sub(1) as f64;
        let falling = 0.5 * (1.0 + (std::f64::consts::PI * along.min(1.0)).cos());
        let rate = self.rate[1] + (self.rate[0] - self.rate[1]) * falling;
        rate * ((step + 1) as f64 / (self.warm_up + 1) as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_recipes_can_be_followed_and_survive_the_round_trip() {
        for name in Recipe::NAMES {
            let recipe = Recipe::named(name).unwrap();
            recipe.check().unwrap();
            assert_eq!(Recipe::from_json(&recipe.to_json()).unwrap(), recipe);
            assert!(recipe.stage_of(recipe.steps()).is_none());
            assert_eq!(recipe.stage_of(recipe.steps() - 1).unwrap().0, recipe.stages.last().unwrap());
        }
        assert!(Recipe::named("slow").unwrap_err().to_string().contains("expected quick or full, found `slow`"));
    }

    #[test]
    fn faults_name_stage_and_value() {
        let mut recipe = Recipe::named("quick").unwrap();
        recipe.stages[1].capsules = [9, 4];
        let error = recipe.check().unwrap_err().to_string();
        assert!(error.contains("capsules") && error.contains("9 to 4") && error.contains("pauses"), "{error}");
        let mut recipe = Recipe::named("quick").unwrap();
        recipe.stages[0].plain = f64::NAN;
        let error = recipe.check().unwrap_err().to_string();
        assert!(error.contains("plain: expected 0 to 1, found NaN") && error.contains("rooms"), "{error}");
        let mut recipe = Recipe::named("quick").unwrap();
        recipe.stages[1].muon = -0.2;
        let error = recipe.check().unwrap_err().to_string();
        assert!(error.contains("muon: expected 0 to 10, found -0.2") && error.contains("pauses"), "{error}");
    }

    #[test]
    fn rates_rise_and_fall() {
        let stage = Recipe::named("full").unwrap().stages[0].clone();
        assert!(stage.rate_at(0) < 0.1 * stage.rate[0] && stage.rate_at(20) > 0.99 * stage.rate[0]);
        assert!((stage.rate_at(stage.steps - 1) - stage.rate[1]).abs() < 1e-9);
    }
}
