//! Either AuGeonet behind one set of calls: audio and array in, a point of the latent space out.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use spherescope_dsp::{Direction, MicArray};

use crate::config::{AuGeonetConfig, Config};
use crate::lifted::{self, Lifted, LiftedArray, LiftedState};
use crate::network::Spectra;
use crate::ops::matmul;
use crate::paper::{self, Paper, PaperArray, PaperState};
use crate::parameter::Parameter;

/// A network of either kind with its weights; see [`Lifted`] and [`Paper`].
#[derive(Debug)]
pub enum AuGeonet {
    /// The lifted one.
    Lifted(Lifted),
    /// The paper's.
    Paper(Paper),
}

/// An array as its network sees it.
#[derive(Debug)]
pub enum ArrayRepresentation {
    /// For the lifted network.
    Lifted(LiftedArray),
    /// For the paper's.
    Paper(PaperArray),
}

/// What one stream remembers.
#[derive(Clone, Debug)]
pub enum State {
    /// Of the lifted network.
    Lifted(Box<LiftedState>),
    /// Of the paper's.
    Paper(PaperState),
}

/// Every parameter of a network and how it begins.
pub fn parameters(config: &AuGeonetConfig) -> Vec<Parameter> {
    match config {
        AuGeonetConfig::Lifted(c) => lifted::parameters(c),
        AuGeonetConfig::Paper(c) => paper::parameters(c),
    }
}

/// Frequencies of the bins in Hz before any training, `[K]`.
pub fn initial_frequencies_hz(config: &AuGeonetConfig) -> Vec<f64> {
    let (map, bins, range_hz) = match config {
        AuGeonetConfig::Lifted(c) => (c.bin_map, c.bins, lifted::BIN_RANGE_HZ),
        AuGeonetConfig::Paper(c) => (c.bin_map, c.bins, c.range_hz),
    };
    map.frequencies_hz(bins, range_hz).into_iter().map(f64::from).collect()
}

impl AuGeonet {
    /// Reads the weights.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape than the configuration asks for.
    pub fn load(config: &Config, vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(match &config.augeonet {
            AuGeonetConfig::Lifted(c) => Self::Lifted(Lifted::load(c, config.hop_s, vb)?),
            AuGeonetConfig::Paper(c) => Self::Paper(Paper::load(c, vb)?),
        })
    }

    /// Frequencies of the K bins in Hz.
    pub fn frequencies_hz(&self) -> &[f64] {
        match self {
            Self::Lifted(n) => n.frequencies_hz(),
            Self::Paper(n) => n.frequencies_hz(),
        }
    }

    /// Number of output layers.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Lifted(n) => n.outputs(),
            Self::Paper(n) => n.outputs(),
        }
    }

    /// Encodes an array: needed once for each array.
    ///
    /// # Errors
    /// Of candle only.
    pub fn encode_array(&self, array: &MicArray, speed_of_sound_m_s: f64) -> Result<ArrayRepresentation> {
        Ok(match self {
            Self::Lifted(n) => ArrayRepresentation::Lifted(n.encode_array(array, speed_of_sound_m_s)?),
            Self::Paper(n) => ArrayRepresentation::Paper(n.encode_array(array, speed_of_sound_m_s)?),
        })
    }

    /// Encodes an array for [`Spectra::beside`]: the gradient then reaches the bins' frequencies.
    ///
    /// # Errors
    /// Of candle only.
    pub fn encode_array_beside(
        &self,
        array: &MicArray,
        speed_of_sound_m_s: f64,
        step_hz: f64,
    ) -> Result<ArrayRepresentation> {
        Ok(match self {
            Self::Lifted(n) => {
                ArrayRepresentation::Lifted(n.encode_array_beside(array, speed_of_sound_m_s, step_hz)?)
            }
            Self::Paper(_) => self.encode_array(array, speed_of_sound_m_s)?,
        })
    }

    /// Gridnet: encodes directions for one output, `[D, G]`.
    ///
    /// # Errors
    /// Of candle, also for an output that does not exist.
    pub fn encode_grid(&self, directions: &[Direction], output: usize) -> Result<Tensor> {
        match self {
            Self::Lifted(n) => n.encode_grid(directions, output),
            Self::Paper(n) => n.encode_grid(directions, output),
        }
    }

    /// The state before any sound.
    pub fn start(&self) -> State {
        match self {
            Self::Lifted(n) => State::Lifted(Box::new(n.start())),
            Self::Paper(n) => State::Paper(n.start()),
        }
    }

    /// The state before any sound for training: batch norms use their own input's statistics; see [`State::observed`].
    pub fn start_training(&self) -> State {
        match self.start() {
            State::Paper(mut state) => {
                state.observed = Some(Vec::new());
                State::Paper(state)
            }
            state => state,
        }
    }

    /// Audio-geometry representations `[T, G]` of the wanted outputs, for T frames of one stream.
    ///
    /// # Errors
    /// When spectra, array and state do not belong together, or of candle.
    pub fn encode_audio(
        &self,
        array: &ArrayRepresentation,
        spectra: &Spectra<'_>,
        state: &mut State,
        outputs: std::ops::Range<usize>,
    ) -> Result<Vec<Tensor>> {
        match (self, array, state) {
            (Self::Lifted(n), ArrayRepresentation::Lifted(array), State::Lifted(state)) => {
                let activations = n.encode_audio(array, spectra, state)?;
                outputs.map(|o| n.represent(&activations, o)).collect()
            }
            (Self::Paper(n), ArrayRepresentation::Paper(array), State::Paper(state)) => {
                let all = n.encode_audio(array, spectra, state)?;
                Ok(all.into_iter().skip(outputs.start).take(outputs.len()).collect())
            }
            _ => candle_core::bail!("expected array and state of this network, found another's"),
        }
    }

    /// Logits `[T, D]` of one output: inner products of representations `[T, G]` and a grid's `[D, G]`, plus the bias.
    ///
    /// # Errors
    /// Of candle, also for an output that does not exist.
    pub fn score(&self, latent: &Tensor, grid: &Tensor, output: usize) -> Result<Tensor> {
        match self {
            Self::Lifted(n) => n.score(latent, grid, output),
            Self::Paper(n) => matmul(latent, &grid.t()?)?.broadcast_add(&n.bias(output)?),
        }
    }
}

impl State {
    /// Means and variances that batch norms saw in training, in the order of the running ones among the parameters.
    pub fn observed(&self) -> &[f32] {
        match self {
            Self::Paper(state) => state.observed.as_deref().unwrap_or_default(),
            Self::Lifted(_) => &[],
        }
    }
}
