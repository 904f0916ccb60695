//! The lifted AuGeonet: the physics first, then what physics does not know.
//!
//! The steered response is itself an inner product between an audio-geometry and a grid representation. So the audio is lifted onto
//! a quadrature of Q directions by steering ([`SteeredResponse`], mean cosine over all pairs), mixed into learned bands, and refined by
//! spherical blocks: pointwise layers, zonal convolutions (rotation-equivariant) and a GRU over time that all directions share. The
//! result is projected onto spherical harmonics: the audio-geometry representation A of S·J numbers, S = (N + 1)². A direction's grid
//! representation is Y_nm(d) times a learned gain for each degree and field.
//!
//! Layout of activations: `[Q, 1, T, H]`, so that spherical transforms are one matrix product.

mod features;
pub mod streaming;
mod turned;
mod votes;

use candle_core::{D, Device, IndexOp, Result, Tensor};
use candle_nn::VarBuilder;
use spherescope_dsp::harmonics::{Harmonics, degrees, harmonics_len};
use spherescope_dsp::steered::{SteeredResponse, SteeredScratch};
use spherescope_dsp::{Direction, Grid, MicArray};

use crate::config::LiftedConfig;
use crate::evidence::{self, EvidenceSetup, EvidenceState, FRAME_FEATURES, Response};
use crate::layers::{Gru, LayerNorm, Linear};
use crate::network::Spectra;
use crate::ops::{BlockParameters, BlockSphere, elu, matmul, mix, spherical_block, with_slopes};
use crate::parameter::{Begin, Parameter};
use features::BinByBin;
use votes::VoteState;

/// Factor on the steered response, and on the slopes of the levels, before the input layer.
const RESPONSE_GAIN: f64 = 4.0;

/// An array as the network sees it: steering vectors onto the quadrature, and how the array extends along and across each direction.
#[derive(Debug)]
pub struct LiftedArray {
    steering: SteeredResponse,
    /// log₁₀ spread along q, log₁₀ spread across q, log₂ C, `[Q, 3]`.
    geometry: Tensor,
    evidence: EvidenceSetup,
    /// γ of its votes.
    sharpness: f32,
    /// Steering a step below and above every bin's frequency.
    beside: Option<Box<[SteeredResponse; 2]>>,
}

/// What streams carry from chunk to chunk: one GRU vector per direction in each block, `[Q, H]`.
#[derive(Clone, Debug)]
pub struct LiftedState {
    hidden: Vec<Vec<f32>>,
    /// Leaky averages of the weighed steered response and of the weights, `[Q + 1]` for each time constant.
    memory: Vec<Vec<f32>>,
    /// The same of the slopes of the levels, `[3 + 1]` for each time constant.
    level_memory: Vec<Vec<f32>>,
    votes: VoteState,
    evidence: EvidenceState,
    scratch: SteeredScratch,
}

/// The network's weights.
#[derive(Debug)]
pub struct Lifted {
    config: LiftedConfig,
    frequencies_hz: Vec<f64>,
    /// The same, `[K]`, for those who learn them.
    frequencies: Tensor,
    quadrature: Vec<Direction>,
    /// Y_nm at the quadrature, `[Q, S]`.
    harmonics: Tensor,
    /// Degree of each harmonic, `[S]`.
    degree: Tensor,
    /// Both for the blocks.
    sphere: BlockSphere,
    /// Mixing weights of the bands, `[NB, K]`, and of the plain mean, `[1, K]`.
    bands: Tensor,
    mean: Tensor,
    /// Mixing weights of the votes' bands, `[NV, K]`.
    votes: Option<Tensor>,
    /// Mixing weights of the level slopes' bands, `[NL, K]`.
    levels: Option<Tensor>,
    /// Unit vectors of the quadrature, `[3, Q]`.
    units: Tensor,
    /// The weight of a bin from its evidence.
    evidence: Option<[Linear; 2]>,
    /// How sharply a bin votes, and how much by its levels, from what its evidence says.
    vote_exponents: Option<Linear>,
    input: Linear,
    blocks: Vec<SphericalBlock>,
    outputs: Vec<Output>,
    hop_s: f64,
}

/// One output layer and its Gridnet.
#[derive(Debug)]
struct Output {
    linear: Linear,
    /// Gains of the grid representation, `[J, N + 1]`.
    grid_gain: Tensor,
    /// `[1]`.
    bias: Tensor,
}

impl Lifted {
    /// Reads the weights; names are the ones of the file.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape than the configuration asks for.
    pub fn load(config: &LiftedConfig, hop_s: f64, vb: &VarBuilder<'_>) -> Result<Self> {
        let LiftedConfig { bins, quadrature, bands, channels, order, fields, outputs, .. } = *config;
        let device = vb.device();
        let grid = Grid::fibonacci(quadrature).map_err(candle_core::Error::wrap)?;
        let degree: Vec<u32> = degrees(order).map(|n| n as u32).collect();
        // softplus, written so that large values do not overflow, then normalised over the bins.
        let mixing = |raw: Tensor| {
            let positive = (raw.relu()? + (raw.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
            positive.broadcast_div(&positive.sum_keepdim(0)?)?.t()
        };
        let bands_t = mixing(vb.get((bins, bands), "bands")?)?;
        let votes = match config.votes {
            0 => None,
            votes => Some(mixing(vb.get((bins, votes), "votes")?)?),
        };
        let levels = match config.levels {
            0 => None,
            levels => Some((mixing(vb.get((bins, levels), "levels")?)? * RESPONSE_GAIN)?),
        };
        let units = |axis: usize| grid.directions().iter().map(move |d| d.unit()[axis] as f32);
        let units = Tensor::from_iter((0..3).flat_map(units), device)?.reshape((3, quadrature))?;
        let mean = Tensor::full(1.0 / bins as f32, (1, bins), device)?;
        let frequencies = vb.get(bins, "frequencies_hz")?;
        let frequencies_hz = frequencies.to_vec1::<f32>()?;
        let (gains, biases) = (vb.get((outputs, fields, order + 1), "gridnet.gain")?, vb.get(outputs, "score.bias")?);
        let inputs = inputs(config);
        let harmonics = harmonics_of(grid.directions(), order, device)?;
        let sphere = turned::sphere_of(grid.directions(), order);
        Ok(Self {
            config: config.clone(),
            frequencies_hz: frequencies_hz.into_iter().map(f64::from).collect(),
            frequencies,
            harmonics,
            sphere,
            quadrature: grid.directions().to_vec(),
            degree: Tensor::new(degree, device)?,
            bands: (bands_t * RESPONSE_GAIN)?,
            mean: (mean * RESPONSE_GAIN)?,
            votes,
            levels,
            units,
            vote_exponents: match config.levels {
                0 => None,
                _ => Some(Linear::load(config.evidence, 2, &vb.pp("evidence.votes"))?),
            },
            evidence: match config.evidence {
                0 => None,
                hidden => {
                    let vb = vb.pp("evidence");
                    Some([
                        Linear::load(evidence::features(config.context), hidden, &vb.pp(0))?,
                        Linear::load(hidden, 1, &vb.pp(1))?,
                    ])
                }
            },
            input: Linear::load(inputs, channels, &vb.pp("input"))?,
            blocks: (0..config.blocks)
                .map(|i| SphericalBlock::load(channels, order, &vb.pp(format!("blocks.{i}"))))
                .collect::<Result<_>>()?,
            outputs: (0..outputs)
                .map(|o| {
                    Ok(Output {
                        linear: Linear::load(channels, fields, &vb.pp(format!("outputs.{o}")))?,
                        grid_gain: gains.i(o)?,
                        bias: biases.narrow(0, o, 1)?,
                    })
                })
                .collect::<Result<_>>()?,
            hop_s,
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
        let rows = geometry_of(&positions, &self.quadrature);
        Ok(LiftedArray {
            steering: SteeredResponse::new(array, &self.quadrature, &self.frequencies_hz, speed_of_sound_m_s),
            geometry: Tensor::from_vec(rows, (self.quadrature.len(), 3), &Device::Cpu)?,
            evidence: EvidenceSetup::new(&positions, &self.frequencies_hz, speed_of_sound_m_s, self.config.context),
            sharpness: votes::sharpness(positions.len()),
            beside: None,
        })
    }

    /// Encodes an array so that [`Spectra::beside`] is listened to: the gradient then reaches the bins' frequencies through the steered
    /// response. What the evidence makes of a bin counts as given.
    ///
    /// # Errors
    /// Of candle only.
    pub fn encode_array_beside(&self, array: &MicArray, speed_of_sound_m_s: f64, step_hz: f64) -> Result<LiftedArray> {
        let steering = [-step_hz, step_hz].map(|step_hz| {
            let moved: Vec<f64> = self.frequencies_hz.iter().map(|f| f + step_hz).collect();
            SteeredResponse::new(array, &self.quadrature, &moved, speed_of_sound_m_s)
        });
        Ok(LiftedArray { beside: Some(Box::new(steering)), ..self.encode_array(array, speed_of_sound_m_s)? })
    }

    /// Number of output layers.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Encodes directions for one output: the grid representations `[D, S·J]`, needed once for each grid.
    ///
    /// # Errors
    /// Of candle, also for an output that does not exist.
    pub fn encode_grid(&self, directions: &[Direction], output: usize) -> Result<Tensor> {
        let y = harmonics_of(directions, self.config.order, &Device::Cpu)?;
        let gain = self.output(output)?.grid_gain.t()?.contiguous()?.index_select(&self.degree, 0)?; // [S, J]
        y.unsqueeze(2)?.broadcast_mul(&gain.unsqueeze(0)?)?.reshape((directions.len(), self.latent_len()))
    }

    fn output(&self, output: usize) -> Result<&Output> {
        match self.outputs.get(output) {
            Some(found) => Ok(found),
            None => candle_core::bail!("expected one of {} outputs, found output {output}", self.outputs.len()),
        }
    }

    /// The state before any sound.
    pub fn start(&self) -> LiftedState {
        LiftedState {
            hidden: vec![vec![0.0; self.config.quadrature * self.config.channels]; self.config.blocks],
            memory: vec![vec![0.0; self.config.quadrature + 1]; self.config.memory_s.len()],
            level_memory: vec![vec![0.0; 3 + 1]; if self.levels.is_some() { self.config.memory_s.len() } else { 0 }],
            votes: VoteState::new(self.config.memory_s.len(), self.config.quadrature),
            evidence: EvidenceState::default(),
            scratch: SteeredScratch::default(),
        }
    }

    /// Activations after the last block, `[Q, 1, T, H]`, for T frames of one stream.
    ///
    /// # Errors
    /// When the spectra do not fit the array, or of candle.
    pub fn encode_audio(&self, array: &LiftedArray, spectra: &Spectra<'_>, state: &mut LiftedState) -> Result<Tensor> {
        let (q, k, t) = (self.config.quadrature, self.config.bins, spectra.frames);
        spectra.check(array.steering.capsules(), k).map_err(candle_core::Error::msg)?;
        let mut steered = Vec::with_capacity(k * t * q);
        array.steering.respond(spectra.phat, t, &mut state.scratch, |_, response| steered.extend_from_slice(response));
        let responses: Vec<Response> = steered.chunks_exact(q).map(Response::of).collect();
        let (weights, exponents, of_frames) = match &self.evidence {
            None => (None, None, None),
            Some([hidden, out]) => {
                let (mut features, mut of_frames) = (Vec::new(), Vec::new());
                let into = [&mut features, &mut of_frames];
                state.evidence.follow(&array.evidence, spectra.power, &responses, self.hop_s, into);
                let features = Tensor::from_vec(features, (k * t, array.evidence.features()), &Device::Cpu)?;
                let hidden = elu(&hidden.forward(&features)?)?;
                let z = out.forward(&hidden)?.reshape(k * t)?;
                let weights = (candle_nn::ops::sigmoid(&z)? * 2.0)?;
                let exponents = match &self.vote_exponents {
                    Some(linear) => Some(votes::exponents(&linear.forward(&hidden)?, array.sharpness)?),
                    None => None,
                };
                let of_frames = Tensor::from_vec(of_frames, (1, 1, t, FRAME_FEATURES), &Device::Cpu)?;
                (Some(weights), exponents, Some(of_frames))
            }
        };
        let plain = Tensor::from_vec(steered, (k * t, q), &Device::Cpu)?;
        let by_bin = BinByBin { steered: &plain, responses: &responses, level_slopes: spectra.level_slopes };
        let voted = self.vote(array, by_bin, weights.as_ref(), exponents.as_ref(), [k, t, q], &mut state.votes)?;
        let level = self.level(spectra.level_slopes, weights.as_ref(), [k, t, q], &mut state.level_memory)?;
        let steered = match (&array.beside, &spectra.beside) {
            (Some(steering), Some(beside)) => {
                let [below, mut above] = [0, 1].map(|i| {
                    let mut response = Vec::with_capacity(k * t * q);
                    let take = |_, part: &[f32]| response.extend_from_slice(part);
                    steering[i].respond(beside.phat[i], t, &mut state.scratch, take);
                    response
                });
                let scale = (0.5 / beside.step_hz) as f32;
                above.iter_mut().zip(&below).for_each(|(a, b)| *a = (*a - b) * scale);
                with_slopes(&self.frequencies, plain.flatten_all()?.to_vec1()?, above, &[k * t, q], t * q)?
            }
            _ => plain,
        };
        let even = Tensor::ones(k * t, steered.dtype(), steered.device())?;
        let mean = mix(&steered, &self.mean, &even)?;
        // The bands, then the mean that is remembered.
        let mixed = mix(&steered, &Tensor::cat(&[&self.bands, &self.mean], 0)?, weights.as_ref().unwrap_or(&even))?;
        let banded = mixed.narrow(0, 0, self.config.bands)?;
        let remembered = self.remember(&mixed.i(self.config.bands)?, weights.as_ref(), [k, t, q], &mut state.memory)?;
        // [NB, T·Q] → [Q, 1, T, NB].
        let by_direction = |x: Tensor| x.reshape(((), 1, t, q))?.permute((3, 1, 2, 0));
        let geometry = array.geometry.reshape((q, 1, 1, 3))?.broadcast_as((q, 1, t, 3))?;
        let mut features = vec![by_direction(banded)?, geometry, by_direction(mean)?];
        if let Some(of_frames) = of_frames {
            features.push(of_frames.broadcast_as((q, 1, t, FRAME_FEATURES))?);
        }
        for feature in remembered.into_iter().chain(voted).chain(level) {
            features.push(by_direction(feature)?);
        }
        let mut h = self.input.forward(&Tensor::cat(&features, D::Minus1)?)?;
        for (block, hidden) in self.blocks.iter().zip(&mut state.hidden) {
            h = block.forward(&h, &self.sphere, hidden)?;
        }
        Ok(h)
    }

    /// Audio-geometry representations `[T, S·J]` of one output, from [`Lifted::encode_audio`]'s activations.
    ///
    /// # Errors
    /// Of candle, also for an output that does not exist.
    pub fn represent(&self, activations: &Tensor, output: usize) -> Result<Tensor> {
        let (q, b, t, _) = activations.dims4()?;
        let fields = self.config.fields;
        let local = self.output(output)?.linear.forward(activations)?.reshape((q, b * t * fields))?;
        let weight = 4.0 * std::f64::consts::PI / q as f64;
        let a = (matmul(&self.harmonics.t()?, &local)? * weight)?; // [S, B·T·J]
        let s = harmonics_len(self.config.order);
        a.reshape((s, b * t, fields))?.transpose(0, 1)?.reshape((b * t, s * fields))
    }

    /// Logits `[T, D]` of one output: inner products of representations `[T, S·J]` and a grid's `[D, S·J]`, plus the bias.
    ///
    /// # Errors
    /// Of candle, also for an output that does not exist.
    pub fn score(&self, latent: &Tensor, grid: &Tensor, output: usize) -> Result<Tensor> {
        matmul(latent, &grid.t()?)?.broadcast_add(&self.output(output)?.bias)
    }
}

/// Features of each direction: bands, three of the geometry, the plain mean, those of the frame, memories, votes, levels. What was
/// invented last comes last, so that the weights of a network without it can be taken over.
fn inputs(config: &LiftedConfig) -> usize {
    let of_frames = if config.evidence > 0 { FRAME_FEATURES } else { 0 };
    config.bands + 4 + of_frames + config.memory_s.len() + config.of_votes() + config.of_levels()
}

/// Every parameter of a lifted network and how it begins, in the order of the data flow; the bins' frequencies come last.
pub fn parameters(config: &LiftedConfig) -> Vec<Parameter> {
    let LiftedConfig { bins: k, bands, channels: h, order, fields, outputs, evidence, .. } = *config;
    let mut all = Vec::new();
    // Overlapping bells over the bins; softplus follows.
    let bells = |bands: usize| {
        let bell = |i: usize| {
            let (at, band) = (i / bands, i % bands);
            let x = at as f32 / (k.max(2) - 1) as f32;
            let centre = 0.03 + 0.94 * band as f32 / (bands.max(2) - 1) as f32;
            (-((x - centre) * bands as f32).powi(2)).exp()
        };
        Begin::Values((0..k * bands).map(bell).collect())
    };
    all.push(Parameter::new("bands", &[k, bands], bells(bands)));
    if config.votes > 0 {
        all.push(Parameter::new("votes", &[k, config.votes], bells(config.votes)));
    }
    if config.levels > 0 {
        all.push(Parameter::new("levels", &[k, config.levels], bells(config.levels)));
    }
    let linear = |all: &mut Vec<Parameter>, name: &str, inputs: usize, out: usize| {
        let bound = 1.0 / (inputs.max(1) as f32).sqrt();
        all.push(Parameter::new(format!("{name}.weight"), &[out, inputs], Begin::Uniform(bound)));
        all.push(Parameter::new(format!("{name}.bias"), &[out], Begin::Uniform(bound)));
    };
    if evidence > 0 {
        linear(&mut all, "evidence.0", evidence::features(config.context), evidence);
        // Every bin counts 1 until something is learned.
        all.push(Parameter::new("evidence.1.weight", &[1, evidence], Begin::Constant(0.0)));
        all.push(Parameter::new("evidence.1.bias", &[1], Begin::Constant(0.0)));
        if config.levels > 0 {
            // All bins vote as sharply as the array lets them, by phases alone.
            all.push(Parameter::new("evidence.votes.weight", &[2, evidence], Begin::Constant(0.0)));
            all.push(Parameter::new("evidence.votes.bias", &[2], Begin::Constant(0.0)));
        }
    }
    linear(&mut all, "input", inputs(config), h);
    for i in 0..config.blocks {
        let norm = |all: &mut Vec<Parameter>, name: &str| {
            all.push(Parameter::new(format!("blocks.{i}.{name}.weight"), &[h], Begin::Constant(1.0)));
            all.push(Parameter::new(format!("blocks.{i}.{name}.bias"), &[h], Begin::Constant(0.0)));
        };
        norm(&mut all, "norm_sphere");
        all.push(Parameter::new(format!("blocks.{i}.zonal.gain"), &[order + 1, h], Begin::Normal(0.1)));
        linear(&mut all, &format!("blocks.{i}.context"), 2 * h, h);
        linear(&mut all, &format!("blocks.{i}.mlp_in"), 2 * h, 2 * h);
        linear(&mut all, &format!("blocks.{i}.mlp_out"), 2 * h, h);
        norm(&mut all, "norm_time");
        let bound = 1.0 / (h.max(1) as f32).sqrt();
        for (name, shape) in [("weight_ih", vec![3 * h, h]), ("weight_hh", vec![3 * h, h])] {
            all.push(Parameter::new(format!("blocks.{i}.gru.{name}"), &shape, Begin::Uniform(bound)));
        }
        for name in ["bias_ih", "bias_hh"] {
            all.push(Parameter::new(format!("blocks.{i}.gru.{name}"), &[3 * h], Begin::Uniform(bound)));
        }
    }
    for o in 0..outputs {
        linear(&mut all, &format!("outputs.{o}"), h, fields);
    }
    all.push(Parameter::new("gridnet.gain", &[outputs, fields, order + 1], Begin::Constant(1.0)));
    all.push(Parameter::new("score.bias", &[outputs], Begin::Constant(-3.0)));
    all.push(Parameter::new("frequencies_hz", &[k], Begin::Values(config.bin_map.frequencies_hz(k, BIN_RANGE_HZ))));
    all
}

/// Range of the lifted network's bins at the start, in Hz.
pub const BIN_RANGE_HZ: [f32; 2] = [93.75, 7187.5];

/// K frequencies in Hz, dense in the middle of the range: t = 0.15 … 0.95, ln(t / (1 − t)) stretched onto `range_hz` (the paper's map).
pub fn logit_bins_hz(bins: usize, range_hz: [f32; 2]) -> Vec<f32> {
    let logit = |i: usize| {
        let t = 0.15 + 0.8 * i as f64 / (bins.max(2) - 1) as f64;
        (t / (1.0 - t)).ln()
    };
    let (first, last) = (logit(0), logit(bins.max(2) - 1));
    (0..bins)
        .map(|i| range_hz[0] + ((logit(i) - first) / (last - first)) as f32 * (range_hz[1] - range_hz[0]))
        .collect()
}

/// How an array extends seen from each direction of the quadrature: log₁₀ spread along q, log₁₀ spread across q, log₂ C, `[Q][3]`.
fn geometry_of(positions_m: &[[f64; 3]], quadrature: &[Direction]) -> Vec<f32> {
    let count = positions_m.len() as f64;
    let total: f64 = positions_m.iter().map(|p| p.iter().map(|x| x * x).sum::<f64>()).sum::<f64>() / count;
    let mut rows = Vec::with_capacity(3 * quadrature.len());
    for q in quadrature {
        let u = q.unit();
        let along = positions_m.iter().map(|p| (p[0] * u[0] + p[1] * u[1] + p[2] * u[2]).powi(2)).sum::<f64>() / count;
        let across = (0.5 * (total - along)).max(0.0);
        rows.push(((along + 1e-6).log10() + 3.0) as f32);
        rows.push(((across + 1e-6).log10() + 3.0) as f32);
        rows.push((count.log2() - 3.0) as f32);
    }
    rows
}

fn harmonics_of(directions: &[Direction], order: usize, device: &Device) -> Result<Tensor> {
    let harmonics = Harmonics::new(order);
    let mut y = vec![0.0; harmonics_len(order)];
    let mut values: Vec<f32> = Vec::with_capacity(directions.len() * y.len());
    for d in directions {
        harmonics.at(d, &mut y);
        values.extend(y.iter().map(|&y| y as f32));
    }
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
            gru: Gru::load(h, h, &vb.pp("gru"))?,
        })
    }

    /// `x` `[Q, 1, T, H]`, `hidden` `[Q, H]`.
    fn forward(&self, x: &Tensor, sphere: &BlockSphere, hidden: &mut [f32]) -> Result<Tensor> {
        let parameters = BlockParameters {
            norm_sphere: [&self.norm_sphere.weight, &self.norm_sphere.bias],
            zonal: &self.zonal,
            context: [&self.context.weight, &self.context.bias],
            mlp_in: [&self.mlp_in.weight, &self.mlp_in.bias],
            mlp_out: [&self.mlp_out.weight, &self.mlp_out.bias],
            norm_time: [&self.norm_time.weight, &self.norm_time.bias],
            gru: [&self.gru.weight_ih, &self.gru.weight_hh, &self.gru.bias_ih, &self.gru.bias_hh],
        };
        spherical_block(x, &parameters, sphere, hidden)
    }
}
