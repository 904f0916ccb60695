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
    /// The AuGeonet and its sizes.
    pub augeonet: AuGeonetConfig,
}

/// Which AuGeonet turns audio and geometry into the latent space, and its sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AuGeonetConfig {
    /// Steered response on a quadrature of the sphere, then spherical convolutions.
    Lifted(LiftedConfig),
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
        let AuGeonetConfig::Lifted(c) = &self.augeonet;
        for (name, value, most) in [
            ("bins", c.bins, 4096),
            ("quadrature", c.quadrature, 8192),
            ("bands", c.bands, 256),
            ("channels", c.channels, 1024),
            ("blocks", c.blocks, 64),
            ("fields", c.fields, 64),
            ("outputs", c.outputs, 16),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!("{name}: expected 1 to {most}, found {value}"));
            }
        }
        if c.order > 40 {
            return Err(format!("order: expected 0 to 40, found {}", c.order));
        }
        Ok(())
    }
}
