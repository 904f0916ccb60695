//! The lifted AuGeonet: the physics first, then what physics does not know.
//!
//! The steered response is itself an inner product between an audio-geometry and a grid representation. So the audio is lifted onto
//! a quadrature of Q directions by steering ([`SteeredResponse`], mean cosine over all pairs), mixed into learned bands, and refined by
//! spherical blocks: pointwise layers, zonal convolutions (rotation-equivariant) and a GRU over time that all directions share. The
//! result is projected onto spherical harmonics: the audio-geometry representation A of S·J numbers, S = (N + 1)². A direction's grid
//! representation is Y_nm(d) times a learned gain for each degree and field.
//!
//! Layout of activations: `[Q, B, T, H]`, so that spherical transforms are one matrix product.

use candle_core::{D, Device, IndexOp, Result, Tensor};
use candle_nn::VarBuilder;
use spherescope_dsp::harmonics::{degrees, harmonics_len, real_harmonics};
use spherescope_dsp::nudft::Complex32;
use spherescope_dsp::steered::{SteeredResponse, SteeredScratch};
use spherescope_dsp::{Direction, Grid, MicArray};

use crate::config::LiftedConfig;
use crate::ops::{linear, matmul};

const LAYER_NORM_EPS: f32 = 1e-5;
/// Factor on the steered response before the input layer.
const RESPONSE_GAIN: f64 = 4.0;

/// An array as the network sees it: steering vectors onto the quadrature, and how the array extends along and across each direction.
#[derive(Debug)]
pub struct LiftedArray {
    steering: SteeredResponse,
    /// log₁₀ spread along q, log₁₀ spread across q, log₂ C, `[Q, 3]`.
    geometry: Tensor,
}

/// What streams carry from chunk to chunk: one GRU vector per direction in each block, `[Q·B, H]`.
#[derive(Clone, Debug)]
pub struct LiftedState {
    hidden: Vec<Tensor>,
    scratch: SteeredScratch,
}

/// The network's weights.
#[derive(Debug)]
pub struct Lifted {
    config: LiftedConfig,
    frequencies_hz: Vec<f64>,
    quadrature: Vec<Direction>,
    /// Y_nm at the quadrature, `[Q, S]`.
    harmonics: Tensor,
    /// Degree of each harmonic, `[S]`.
    degree: Tensor,
    /// Mixing weights, bands then the plain mean, `[NB + 1, K]`.
    mixing: Tensor,
    input: Linear,
    blocks: Vec<SphericalBlock>,
    /// The last output layer.
    output: Linear,
    /// Gains of the grid representation, `[J, N + 1]`.
    grid_gain: Tensor,
    bias: f64,
}

#[derive(Debug)]
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn load(inputs: usize, outputs: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self { weight: vb.get((outputs, inputs), "weight")?, bias: vb.get(outputs, "bias")? })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight, &self.bias)
    }
}

#[derive(Debug)]
struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    fn load(len: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self { weight: vb.get(len, "weight")?, bias: vb.get(len, "bias")? })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        candle_nn::ops::layer_norm(&x.contiguous()?, &self.weight, &self.bias, LAYER_NORM_EPS)
    }
}

impl Lifted {
    /// Reads the weights; names are the ones of the file.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape than the configuration asks for.
    pub fn load(config: &LiftedConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        let LiftedConfig { bins, quadrature, bands, channels, order, fields, outputs, .. } = *config;
        let device = vb.device();
        let grid = Grid::fibonacci(quadrature).map_err(candle_core::Error::wrap)?;
        let degree: Vec<u32> = degrees(order).map(|n| n as u32).collect();
        let raw: Tensor = vb.get((bins, bands), "bands")?;
        // softplus, written so that large values do not overflow, then normalised over the bins.
        let positive = (raw.relu()? + (raw.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
        let bands_t = positive.broadcast_div(&positive.sum_keepdim(0)?)?.t()?;
        let mean = Tensor::full(1.0 / bins as f32, (1, bins), device)?;
        let frequencies_hz = vb.get(bins, "frequencies_hz")?.to_vec1::<f32>()?;
        let last = outputs - 1;
        Ok(Self {
            config: config.clone(),
            frequencies_hz: frequencies_hz.into_iter().map(f64::from).collect(),
            harmonics: harmonics_of(grid.directions(), order, device)?,
            quadrature: grid.directions().to_vec(),
            degree: Tensor::new(degree, device)?,
            mixing: (Tensor::cat(&[bands_t, mean], 0)? * RESPONSE_GAIN)?,
            input: Linear::load(bands + 4, channels, &vb.pp("input"))?,
            blocks: (0..config.blocks)
                .map(|i| SphericalBlock::load(channels, order, &vb.pp(format!("blocks.{i}"))))
                .collect::<Result<_>>()?,
            output: Linear::load(channels, fields, &vb.pp(format!("outputs.{last}")))?,
            grid_gain: vb.get((outputs, fields, order + 1), "gridnet.gain")?.i(last)?,
            bias: f64::from(vb.get(outputs, "score.bias")?.i(last)?.to_scalar::<f32>()?),
        })
    }

    /// Frequencies of the K bins in Hz.
    pub fn frequencies_hz(&self) -> &[f64] {
        &self.frequencies_hz
    }

    /// Size of the latent space, S·J.
    pub fn latent_len(&self) -> usize {
        harmonics_len(self.config.order) * self.config.fields
    }

    /// Encodes an array: needed once for each array.
    ///
    /// # Errors
    /// Of candle only.
    pub fn encode_array(&self, array: &MicArray, speed_of_sound_m_s: f64) -> Result<LiftedArray> {
        let positions = array.relative_positions_m();
        let count = positions.len() as f64;
        let mut rows = Vec::with_capacity(3 * self.quadrature.len());
        let total: f64 = positions.iter().map(|p| p.iter().map(|x| x * x).sum::<f64>()).sum::<f64>() / count;
        for q in &self.quadrature {
            let u = q.unit();
            let along =
                positions.iter().map(|p| (p[0] * u[0] + p[1] * u[1] + p[2] * u[2]).powi(2)).sum::<f64>() / count;
            let across = (0.5 * (total - along)).max(0.0);
            rows.push(((along + 1e-6).log10() + 3.0) as f32);
            rows.push(((across + 1e-6).log10() + 3.0) as f32);
            rows.push((count.log2() - 3.0) as f32);
        }
        Ok(LiftedArray {
            steering: SteeredResponse::new(array, &self.quadrature, &self.frequencies_hz, speed_of_sound_m_s),
            geometry: Tensor::from_vec(rows, (self.quadrature.len(), 3), &Device::Cpu)?,
        })
    }

    /// Encodes a grid: the grid representations `[D, S·J]`, needed once for each grid.
    ///
    /// # Errors
    /// Of candle only.
    pub fn encode_grid(&self, grid: &Grid) -> Result<Tensor> {
        let y = harmonics_of(grid.directions(), self.config.order, &Device::Cpu)?;
        let gain = self.grid_gain.t()?.contiguous()?.index_select(&self.degree, 0)?; // [S, J]
        y.unsqueeze(2)?.broadcast_mul(&gain.unsqueeze(0)?)?.reshape((grid.len(), self.latent_len()))
    }

    /// The state before any sound, for a batch of B streams.
    ///
    /// # Errors
    /// Of candle only.
    pub fn start(&self, batch: usize) -> Result<LiftedState> {
        let zeros = || {
            Tensor::zeros((self.config.quadrature * batch, self.config.channels), candle_core::DType::F32, &Device::Cpu)
        };
        Ok(LiftedState {
            hidden: (0..self.config.blocks).map(|_| zeros()).collect::<Result<_>>()?,
            scratch: SteeredScratch::default(),
        })
    }

    /// Audio-geometry representations `[T, S·J]` of the last output for T frames of one stream.
    ///
    /// `phat` holds phase-transformed spectra `[T][C][K]` flattened.
    ///
    /// # Errors
    /// When `phat` does not fit the array, or of candle.
    pub fn encode_audio(
        &self,
        array: &LiftedArray,
        phat: &[Complex32],
        frames: usize,
        state: &mut LiftedState,
    ) -> Result<Tensor> {
        let (q, k) = (self.config.quadrature, self.config.bins);
        if phat.len() != frames * array.steering.capsules() * k {
            candle_core::bail!(
                "expected {} spectral values for {frames} frames, found {}",
                frames * array.steering.capsules() * k,
                phat.len()
            );
        }
        let mut steered = Vec::with_capacity(k * frames * q);
        array.steering.respond(phat, frames, &mut state.scratch, |_, response| steered.extend_from_slice(response));
        let steered = Tensor::from_vec(steered, (k, frames * q), &Device::Cpu)?;
        let geometry = array.geometry.reshape((q, 1, 1, 3))?;
        self.refine(&steered, &geometry, [1, frames], &mut state.hidden)
    }

    /// From the steered response `[K, B·T·Q]` and the geometry `[Q, B, 1, 3]` to the representations `[B·T, S·J]`.
    fn refine(&self, steered: &Tensor, geometry: &Tensor, [b, t]: [usize; 2], hidden: &mut [Tensor]) -> Result<Tensor> {
        let LiftedConfig { quadrature: q, bands, fields, .. } = self.config;
        let mixed = matmul(&self.mixing, steered)?.reshape((bands + 1, b, t, q))?.permute((3, 1, 2, 0))?;
        let features = Tensor::cat(
            &[
                &mixed.narrow(D::Minus1, 0, bands)?,
                &geometry.broadcast_as((q, b, t, 3))?,
                &mixed.narrow(D::Minus1, bands, 1)?,
            ],
            D::Minus1,
        )?;
        let mut h = self.input.forward(&features)?;
        for (block, hidden) in self.blocks.iter().zip(hidden) {
            h = block.forward(&h, &self.harmonics, &self.degree, hidden)?;
        }
        let local = self.output.forward(&h)?.reshape((q, b * t * fields))?;
        let weight = 4.0 * std::f64::consts::PI / q as f64;
        let a = (matmul(&self.harmonics.t()?, &local)? * weight)?; // [S, B·T·J]
        let s = harmonics_len(self.config.order);
        a.reshape((s, b * t, fields))?.transpose(0, 1)?.reshape((b * t, s * fields))
    }

    /// Logits `[T, D]`: inner products of representations `[T, S·J]` and a grid's `[D, S·J]`, plus the bias.
    ///
    /// # Errors
    /// Of candle only.
    pub fn score(&self, latent: &Tensor, grid: &Tensor) -> Result<Tensor> {
        matmul(latent, &grid.t()?)? + self.bias
    }
}

fn harmonics_of(directions: &[Direction], order: usize, device: &Device) -> Result<Tensor> {
    let values: Vec<f32> = directions.iter().flat_map(|d| real_harmonics(d, order)).map(|y| y as f32).collect();
    Tensor::from_vec(values, (directions.len(), harmonics_len(order)), device)
}

/// LayerNorm, zonal convolution beside the identity, pointwise MLP, global context; then a GRU over time. Both parts residual.
#[derive(Debug)]
struct SphericalBlock {
    norm_sphere: LayerNorm,
    /// Gain of each degree and channel, `[N + 1, H]`.
    zonal: Tensor,
    context: Linear,
    mlp_in: Linear,
    mlp_out: Linear,
    norm_time: LayerNorm,
    gru: Gru,
}

impl SphericalBlock {
    fn load(channels: usize, order: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        let h = channels;
        Ok(Self {
            norm_sphere: LayerNorm::load(h, &vb.pp("norm_sphere"))?,
            zonal: vb.get((order + 1, h), "zonal.gain")?,
            context: Linear::load(2 * h, h, &vb.pp("context"))?,
            mlp_in: Linear::load(2 * h, 2 * h, &vb.pp("mlp_in"))?,
            mlp_out: Linear::load(2 * h, h, &vb.pp("mlp_out"))?,
            norm_time: LayerNorm::load(h, &vb.pp("norm_time"))?,
            gru: Gru::load(h, &vb.pp("gru"))?,
        })
    }

    /// `x` `[Q, B, T, H]`, `harmonics` `[Q, S]`, `degree` `[S]`, `hidden` `[Q·B, H]`.
    fn forward(&self, x: &Tensor, harmonics: &Tensor, degree: &Tensor, hidden: &mut Tensor) -> Result<Tensor> {
        let (q, b, t, h) = x.dims4()?;
        let u = self.norm_sphere.forward(x)?;
        // The quadrature's weight, 4π/Q, is folded into the gains.
        let gain = (self.zonal.index_select(degree, 0)? * (4.0 * std::f64::consts::PI / q as f64))?; // [S, H]
        let s = gain.dim(0)?;
        let spectrum = matmul(&harmonics.t()?, &u.reshape((q, b * t * h))?)?.reshape((s, b * t, h))?;
        let spectrum = spectrum.broadcast_mul(&gain.unsqueeze(1)?)?.reshape((s, b * t * h))?;
        let zonal = matmul(harmonics, &spectrum)?.reshape((q, b, t, h))?;
        let context = self.context.forward(&Tensor::cat(&[u.mean_keepdim(0)?, u.max_keepdim(0)?], D::Minus1)?)?; // [1, B, T, H]
        let local = self.mlp_in.forward(&Tensor::cat(&[&u, &zonal], D::Minus1)?)?.elu(1.0)?;
        let x = (x + self.mlp_out.forward(&local)?)?.broadcast_add(&context)?;
        let y = self.gru.forward(&self.norm_time.forward(&x)?, hidden)?;
        x + y
    }
}

/// A gated recurrent unit over T; gates in the order reset, update, new.
#[derive(Debug)]
struct Gru {
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
}

impl Gru {
    fn load(h: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            weight_ih: vb.get((3 * h, h), "weight_ih")?,
            weight_hh: vb.get((3 * h, h), "weight_hh")?,
            bias_ih: vb.get(3 * h, "bias_ih")?,
            bias_hh: vb.get(3 * h, "bias_hh")?,
        })
    }

    /// `x` `[Q, B, T, H]` → the same shape; `hidden` `[Q·B, H]` goes on.
    fn forward(&self, x: &Tensor, hidden: &mut Tensor) -> Result<Tensor> {
        let (q, b, t, h) = x.dims4()?;
        let from_input = linear(x, &self.weight_ih, &self.bias_ih)?.reshape((q * b, t, 3 * h))?;
        let mut steps = Vec::with_capacity(t);
        for step in 0..t {
            let i = from_input.narrow(1, step, 1)?.squeeze(1)?;
            let r = linear(hidden, &self.weight_hh, &self.bias_hh)?;
            let gates = candle_nn::ops::sigmoid(&(i.narrow(1, 0, 2 * h)? + r.narrow(1, 0, 2 * h)?)?)?;
            let (reset, update) = (gates.narrow(1, 0, h)?, gates.narrow(1, h, h)?);
            let new = (i.narrow(1, 2 * h, h)? + (reset * r.narrow(1, 2 * h, h)?)?)?.tanh()?;
            // (1 − z) n + z h, as n + z (h − n).
            *hidden = (&new + (update * (&*hidden - &new)?)?)?;
            steps.push(hidden.clone());
        }
        Tensor::stack(&steps, 1)?.reshape((q, b, t, h))
    }
}
