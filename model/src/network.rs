//! The AGG-RL network: Ŝ = σ(G(d)ᵀ A(audio, array) + b), one set of weights for any array and any grid.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use safetensors::SafeTensors;
use spherescope_dsp::front_end::FrameTiming;
use spherescope_dsp::levels::AXES as LEVEL_AXES;
use spherescope_dsp::nudft::Complex32;
use spherescope_dsp::{Grid, MicArray};

use crate::augeonet::{ArrayRepresentation, AuGeonet, State};
use crate::config::{Calibration, Config, METADATA_KEY};
use crate::lifted::streaming::{Stream, Streaming, StreamingArray, StreamingGrid};

/// The weights that ship with Spherescope, configuration included.
pub static SHIPPED_WEIGHTS: &[u8] = include_bytes!("../../assets/weights/lifted.safetensors");

/// Why a file of weights cannot be used, or the network could not run.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkError {
    /// The bytes are not a whole safetensors file.
    NotSafetensors(String),
    /// The file carries no configuration under the key `spherescope`, or one that cannot be read or built.
    Configuration(String),
    /// A tensor is missing or has the wrong shape, or holds a number that is not finite.
    Tensors(String),
    /// The computation failed.
    Computation(String),
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSafetensors(e) => write!(f, "weights: expected a safetensors file, found {e}"),
            Self::Configuration(e) => write!(f, "weights: configuration: {e}"),
            Self::Tensors(e) => write!(f, "weights: {e}"),
            Self::Computation(e) => write!(f, "network: {e}"),
        }
    }
}

impl std::error::Error for NetworkError {}

impl From<candle_core::Error> for NetworkError {
    fn from(e: candle_core::Error) -> Self {
        // Without the backtrace that the alternate form prints.
        Self::Computation(e.to_string().lines().next().unwrap_or_default().to_owned())
    }
}

/// A network with its weights; immutable, shared between instances.
#[derive(Debug)]
pub struct Network {
    config: Config,
    augeonet: AuGeonet,
    /// The same network laid out for live sound, where its kind and sizes allow it.
    streaming: Option<Streaming>,
}

/// T frames of the front end.
#[derive(Clone, Copy, Debug)]
pub struct Spectra<'a> {
    /// T.
    pub frames: usize,
    /// Phase-transformed spectra `[T][C][K]` flattened.
    pub phat: &'a [Complex32],
    /// Power of each bin, averaged over the capsules, `[T][K]` flattened.
    pub power: &'a [f32],
    /// Slope of each bin's magnitudes over the array, `[T][3][K]` flattened ([`spherescope_dsp::levels`]).
    pub level_slopes: &'a [f32],
    /// The same sound at frequencies beside the bins, for those who learn where the bins should be.
    pub beside: Option<Beside<'a>>,
}

impl Spectra<'_> {
    /// Holds the lengths against those of C capsules and K bins; a sentence when they differ.
    pub(crate) fn check(&self, capsules: usize, bins: usize) -> Result<(), String> {
        let expected = [capsules, 1, LEVEL_AXES].map(|rows| rows * bins * self.frames);
        let found = [self.phat.len(), self.power.len(), self.level_slopes.len()];
        if found == expected {
            return Ok(());
        }
        let frames = self.frames;
        Err(format!(
            "expected {expected:?} spectral values, powers and level slopes for {frames} frames, found {found:?}"
        ))
    }
}

/// The phase-transformed spectra of the same frames a step below and a step above every bin's frequency: their difference is the slope
/// that the gradient of the bins' frequencies needs (learnable non-uniform DFT).
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// The step in Hz.
    pub step_hz: f64,
    /// Below and above, `[T][C][K]` flattened.
    pub phat: [&'a [Complex32]; 2],
}

/// An array in the network's terms; see [`Network::encode_array`].
#[derive(Debug)]
pub struct ArrayEncoding(Of<StreamingArray, ArrayRepresentation>);

/// Grid representations; see [`Network::encode_grid`].
#[derive(Clone, Debug)]
pub struct GridEncoding(Of<StreamingGrid, Tensor>);

/// What one stream remembers of its past.
#[derive(Clone, Debug)]
pub struct StreamState(Of<Stream, State>);

/// Something of a network laid out for live sound, or of one in tensors.
#[derive(Clone, Debug)]
enum Of<S, T> {
    Streaming(S),
    Tensors(T),
}

impl Network {
    /// Reads configuration and weights from the bytes of one safetensors file.
    ///
    /// # Errors
    /// [`NetworkError`] with what was expected and what was found.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NetworkError> {
        let (_, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|e| NetworkError::NotSafetensors(e.to_string()))?;
        let text = metadata.metadata().as_ref().and_then(|m| m.get(METADATA_KEY)).ok_or_else(|| {
            NetworkError::Configuration(format!("expected JSON under the metadata key `{METADATA_KEY}`, found none"))
        })?;
        let config: Config = serde_json::from_str(text).map_err(|e| NetworkError::Configuration(e.to_string()))?;
        config.check().map_err(NetworkError::Configuration)?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| NetworkError::NotSafetensors(e.to_string()))?;
        let mut tensors = HashMap::new();
        for (name, view) in file.tensors() {
            let values = singles(&name, &view)?;
            let tensor = Tensor::from_vec(values, view.shape(), &Device::Cpu)
                .map_err(|e| NetworkError::Tensors(format!("{name}: {e}")))?;
            tensors.insert(name, tensor);
        }
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let augeonet = AuGeonet::load(&config, &vb)
            .map_err(|e| NetworkError::Tensors(e.to_string().lines().next().unwrap_or_default().to_owned()))?;
        Self::of(config, augeonet).map_err(|e| NetworkError::Tensors(e.to_string()))
    }

    fn of(config: Config, augeonet: AuGeonet) -> Result<Self, NetworkError> {
        let streaming = match &augeonet {
            AuGeonet::Lifted(lifted) => Streaming::new(lifted, lifted.outputs().saturating_sub(1))?,
            AuGeonet::Paper(_) => None,
        };
        Ok(Self { config, augeonet, streaming })
    }

    /// The same network computed with tensors throughout, as it is defined and learns: the reference for the way that live sound takes,
    /// and slower.
    #[must_use]
    pub fn in_tensors(self) -> Self {
        Self { streaming: None, ..self }
    }

    /// Multiplications and additions of one frame, in pairs, on the way that live sound takes; none where it runs in tensors.
    pub fn multiply_adds(&self, capsules: usize, directions: usize) -> Option<usize> {
        self.streaming.as_ref().map(|s| s.multiply_adds(capsules, directions))
    }

    /// The network that ships with Spherescope, loaded at the first call and shared from then on.
    ///
    /// # Errors
    /// As [`Network::from_bytes`], if the library's own bytes are damaged.
    pub fn shipped() -> Result<Arc<Self>, NetworkError> {
        static SHIPPED: OnceLock<Result<Arc<Network>, NetworkError>> = OnceLock::new();
        SHIPPED.get_or_init(|| Network::from_bytes(SHIPPED_WEIGHTS).map(Arc::new)).clone()
    }

    /// The configuration that came with the weights.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Window and hop of the front end.
    pub fn timing(&self) -> FrameTiming {
        FrameTiming { window_s: self.config.window_s, hop_s: self.config.hop_s }
    }

    /// Frequencies of the front end's K bins in Hz.
    pub fn frequencies_hz(&self) -> &[f64] {
        self.augeonet.frequencies_hz()
    }

    /// Encodes an array; needed once for each array.
    ///
    /// # Errors
    /// [`NetworkError::Computation`].
    pub fn encode_array(&self, array: &MicArray, speed_of_sound_m_s: f64) -> Result<ArrayEncoding, NetworkError> {
        Ok(ArrayEncoding(match &self.streaming {
            Some(streaming) => Of::Streaming(streaming.encode_array(array, speed_of_sound_m_s)),
            None => Of::Tensors(self.augeonet.encode_array(array, speed_of_sound_m_s)?),
        }))
    }

    /// Gridnet: encodes D directions; needed once for each grid.
    ///
    /// # Errors
    /// [`NetworkError::Computation`].
    pub fn encode_grid(&self, grid: &Grid) -> Result<GridEncoding, NetworkError> {
        Ok(GridEncoding(match &self.streaming {
            Some(streaming) => Of::Streaming(streaming.encode_grid(grid.directions())),
            None => Of::Tensors(self.augeonet.encode_grid(grid.directions(), self.last_output())?),
        }))
    }

    /// The state before any sound.
    ///
    /// # Errors
    /// [`NetworkError::Computation`].
    pub fn start(&self) -> Result<StreamState, NetworkError> {
        Ok(StreamState(match &self.streaming {
            Some(streaming) => Of::Streaming(streaming.start()),
            None => Of::Tensors(self.augeonet.start()),
        }))
    }

    fn last_output(&self) -> usize {
        self.augeonet.outputs() - 1
    }

    /// Logits before the sigmoid, `[T][D]` flattened, calibrated where the configuration says how, into `logits`, which lose what they
    /// held. They tell of the frames that came [`Config::look_ahead`] before.
    ///
    /// # Errors
    /// [`NetworkError::Computation`], when the spectra do not fit the array, or array, grid and state are another network's.
    pub fn logits(
        &self,
        array: &ArrayEncoding,
        grid: &GridEncoding,
        spectra: &Spectra<'_>,
        state: &mut StreamState,
        logits: &mut Vec<f32>,
    ) -> Result<(), NetworkError> {
        logits.clear();
        match (&self.streaming, &array.0, &grid.0, &mut state.0) {
            (Some(streaming), Of::Streaming(array), Of::Streaming(grid), Of::Streaming(state)) => {
                streaming.logits(array, grid, spectra, state, logits).map_err(NetworkError::Computation)?;
            }
            (None, Of::Tensors(array), Of::Tensors(grid), Of::Tensors(state)) => {
                let output = self.last_output();
                let latent = self.augeonet.encode_audio(array, spectra, state, output..output + 1)?;
                let Some(latent) = latent.first() else {
                    return Err(NetworkError::Computation(format!("expected output {output}, found none")));
                };
                logits.extend(self.augeonet.score(latent, grid, output)?.flatten_all()?.to_vec1::<f32>()?);
            }
            _ => {
                let message = "expected array, grid and state of this network, found another's";
                return Err(NetworkError::Computation(message.into()));
            }
        }
        if let Some(Calibration { gain, offset }) = self.config.calibration {
            logits.iter_mut().for_each(|x| *x = gain * *x + offset);
        }
        Ok(())
    }
}

fn singles(name: &str, view: &safetensors::tensor::TensorView<'_>) -> Result<Vec<f32>, NetworkError> {
    if view.dtype() != safetensors::Dtype::F32 {
        return Err(NetworkError::Tensors(format!("{name}: expected F32, found {:?}", view.dtype())));
    }
    let values: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    match values.iter().find(|v| !v.is_finite()) {
        Some(found) => Err(NetworkError::Tensors(format!("{name}: expected finite numbers, found {found}"))),
        None => Ok(values),
    }
}
