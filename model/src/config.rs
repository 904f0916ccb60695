//! What a file of weights says about the network that it belongs to.

use serde::{Deserialize, Serialize};

/// Key of the configuration in the metadata of a safetensors file.
pub const METADATA_KEY: &str = "spherescope";

/// Configuration of a network, kept as JSON beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Version of this format; 1.
    pub format: u32,
    /// Name that people see.
    pub name: String,
    /// Length of the Hann window in seconds.
    pub window_s: f64,
    /// Time from frame to frame in seconds.
    pub hop_s: f64,
    /// Frames by which scores come later than what they tell of, 0 … 64: how far the network has heard beyond it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub look_ahead: usize,
    /// The AuGeonet and its sizes.
    pub augeonet: AuGeonetConfig,
    /// What makes scores of peaks probabilities; none before anybody measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// A line through the logits (Platt scaling), so that a peak's score is the probability that a source sounds there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Factor on the logits, 0.05 … 20: the order of directions stays.
    pub gain: f32,
    /// Added afterwards, −20 … 20.
    pub offset: f32,
}

/// Which AuGeonet turns audio and geometry into the latent space, and its sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AuGeonetConfig {
    /// Steered response on a quadrature of the sphere, then spherical convolutions.
    Lifted(LiftedConfig),
    /// Relative phases and relative positions, attention over channels: the paper's.
    Paper(PaperConfig),
}

/// Sizes and variants of the paper's AuGeonet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperConfig {
    /// K, frequency bins of the front end.
    pub bins: usize,
    /// Where the bins begin and end before training, in Hz.
    pub range_hz: [f32; 2],
    /// How they are spread.
    pub bin_map: BinMap,
    /// M, features of a channel; a multiple of 4 and of the heads.
    pub channels: usize,
    /// G, size of the latent space.
    pub latent: usize,
    /// O, output layers; the last one is used.
    pub outputs: usize,
    /// Heads of the attention.
    pub heads: usize,
    /// Blocks of the channel-invariant extractor.
    pub extractor: usize,
    /// Dual-path blocks.
    pub dual_paths: usize,
    /// The relative position encoding.
    pub encoding: RelativeEncoding,
    /// Whether the geometry scales and shifts the first features.
    pub film: bool,
    /// What is heard of the phases.
    pub phase: Phase,
    /// Directions of a grid that is learned by heart in place of Gridnet; 0 for Gridnet.
    pub fixed_grid: usize,
}

/// How bins are spread over their range before training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinMap {
    /// Dense in the middle: the paper's logit map.
    #[default]
    Logit,
    /// Evenly, as a DFT.
    Uniform,
}

impl BinMap {
    fn is_logit(&self) -> bool {
        *self == Self::Logit
    }

    /// K frequencies in Hz over a range.
    pub fn frequencies_hz(self, bins: usize, [low, high]: [f32; 2]) -> Vec<f32> {
        match self {
            Self::Logit => crate::lifted::logit_bins_hz(bins, [low, high]),
            Self::Uniform => (0..bins).map(|i| low + (high - low) * i as f32 / (bins.max(2) - 1) as f32).collect(),
        }
    }
}

/// Relative microphone position encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelativeEncoding {
    /// Angles modulate the frequency.
    Fm,
    /// Angles modulate the phase.
    Pm,
    /// No encoding; the geometry vector beside the spectrum is all there is.
    None,
}

/// What the network hears of the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// GCC-PHAT against the reference capsule.
    GccPhat,
    /// Raw coefficients of every capsule.
    Raw,
}

/// Sizes of the lifted AuGeonet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiftedConfig {
    /// K, frequency bins of the front end.
    pub bins: usize,
    /// Q, directions of the quadrature (a Fibonacci grid).
    pub quadrature: usize,
    /// NB, learned bands.
    pub bands: usize,
    /// H, channels per direction.
    pub channels: usize,
    /// Number of spherical blocks.
    pub blocks: usize,
    /// N, order of the spherical harmonics.
    pub order: usize,
    /// J, latent fields per output.
    pub fields: usize,
    /// O, output layers; the last one is used.
    pub outputs: usize,
    /// Hidden units that weigh each bin in each frame by its evidence; 0 for bins that always count the same.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evidence: usize,
    /// Whether the evidence of a bin also knows what is around it: frame, neighbours, tails of reverberation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub context: bool,
    /// How the bins are spread before training.
    #[serde(default, skip_serializing_if = "BinMap::is_logit")]
    pub bin_map: BinMap,
    /// Time constants in seconds over which the weighed steered response is averaged beside the newest frame; none without memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory_s: Vec<f64>,
    /// NV, learned bands of what each bin votes for by itself, beside the shares that directions have in the votes of now and of each
    /// memory; 0 for a network without votes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub votes: usize,
    /// NL, learned bands of the level differences between the capsules; with them the evidence of a bin also says how sharply it votes,
    /// and how much of its vote goes by its levels. 0 for a network that hears phases alone; others have evidence and votes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub levels: usize,
}

fn is_false(x: &bool) -> bool {
    !x
}

fn is_zero(x: &usize) -> bool {
    *x == 0
}

impl Config {
    /// Checks that every size can be built.
    ///
    /// # Errors
    /// A sentence that names the value at fault, what was expected and what was found.
    pub fn check(&self) -> Result<(), String> {
        if self.format != 1 {
            return Err(format!("format: expected 1, found {}", self.format));
        }
        for (name, value, most) in [("window_s", self.window_s, 1.0), ("hop_s", self.hop_s, self.window_s)] {
            if !(0.001..=most).contains(&value) {
                return Err(format!("{name}: expected 0.001 to {most}, found {value}"));
            }
        }
        if self.look_ahead > 64 {
            return Err(format!("look_ahead: expected 0 to 64 frames, found {}", self.look_ahead));
        }
        if let Some(Calibration { gain, offset }) = self.calibration {
            for (name, value, [low, high]) in [("gain", gain, [0.05, 20.0]), ("offset", offset, [-20.0, 20.0])] {
                if !(low..=high).contains(&value) {
                    return Err(format!("calibration, {name}: expected {low} to {high}, found {value}"));
                }
            }
        }
        match &self.augeonet {
            AuGeonetConfig::Lifted(c) => c.check(),
            AuGeonetConfig::Paper(c) => c.check(),
        }
    }

    /// O, the number of output layers.
    pub fn outputs(&self) -> usize {
        match &self.augeonet {
            AuGeonetConfig::Lifted(c) => c.outputs,
            AuGeonetConfig::Paper(c) => c.outputs,
        }
    }
}

/// Checks that each value lies between 1 and its limit.
fn within<const N: usize>(values: [(&str, usize, usize); N]) -> Result<(), String> {
    for (name, value, most) in values {
        if !(1..=most).contains(&value) {
            return Err(format!("{name}: expected 1 to {most}, found {value}"));
        }
    }
    Ok(())
}

impl LiftedConfig {
    /// Features of each direction that the votes give: bands, shares of the frame, shares remembered.
    pub(crate) fn of_votes(&self) -> usize {
        if self.votes > 0 { self.votes + 2 * self.memory_s.len() } else { 0 }
    }

    /// Features of each direction that the level differences give: bands, and what is remembered.
    pub(crate) fn of_levels(&self) -> usize {
        if self.levels > 0 { self.levels + self.memory_s.len() } else { 0 }
    }

    fn check(&self) -> Result<(), String> {
        within([
            ("bins", self.bins, 4096),
            ("quadrature", self.quadrature, 8192),
            ("bands", self.bands, 256),
            ("channels", self.channels, 1024),
            ("blocks", self.blocks, 64),
            ("fields", self.fields, 64),
            ("outputs", self.outputs, 16),
        ])?;
        if self.memory_s.len() > 8 {
            return Err(format!("memory_s: expected at most 8 time constants, found {}", self.memory_s.len()));
        }
        if self.votes > 0 && !self.quadrature.is_multiple_of(16) {
            return Err(format!(
                "quadrature: expected a multiple of 16 in a network with votes, found {}",
                self.quadrature
            ));
        }
        if self.levels > 0 && (self.votes == 0 || self.evidence == 0) {
            return Err(format!("levels: expected 0 without evidence and votes, found {}", self.levels));
        }
        if let Some(found) = self.memory_s.iter().find(|s| !(0.01..=60.0).contains(*s)) {
            return Err(format!("memory_s: expected 0.01 to 60 s, found {found}"));
        }
        for (name, value, most) in [
            ("evidence", self.evidence, 1024),
            ("order", self.order, 40),
            ("votes", self.votes, 256),
            ("levels", self.levels, 256),
        ] {
            if value > most {
                return Err(format!("{name}: expected 0 to {most}, found {value}"));
            }
        }
        Ok(())
    }
}

impl PaperConfig {
    fn check(&self) -> Result<(), String> {
        within([
            ("bins", self.bins, 4096),
            ("channels", self.channels, 1024),
            ("latent", self.latent, 4096),
            ("outputs", self.outputs, 16),
            ("heads", self.heads, 64),
            ("extractor", self.extractor, 12),
            ("dual_paths", self.dual_paths, 64),
        ])?;
        if !self.channels.is_multiple_of(4) || !self.channels.is_multiple_of(self.heads) {
            return Err(format!(
                "channels: expected a multiple of 4 and of {} heads, found {}",
                self.heads, self.channels
            ));
        }
        if self.fixed_grid > 16_384 {
            return Err(format!("fixed_grid: expected 0 to 16384, found {}", self.fixed_grid));
        }
        let [low, high] = self.range_hz;
        if !(0.0 <= low && low < high && high <= 8000.0) {
            return Err(format!("range_hz: expected a range within 0 to 8000, found {low} to {high}"));
        }
        Ok(())
    }
}
