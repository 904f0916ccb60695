//! The lifted network for live sound: the numbers of [`Lifted`], computed without tensors.
//!
//! [`Lifted`] says what the network is, and learns. What is here runs it: weights laid out once, nothing allocated from chunk to chunk,
//! one thread, and loops written for the vectors that the processor has. A test holds both to the same results.
//!
//! Two things are cheaper than the definition and equal to it:
//! - A Fibonacci lattice of even length looks the same after half a turn about one horizontal axis. Seen from that axis every harmonic
//!   is even or odd under the turn, so sums and differences of opposite points halve the spherical transforms.
//! - A direction's representation is Y_nm(d) times a gain for each degree and field, so the inner product over S·J numbers sums the fields
//!   first, whatever the direction, and then takes S numbers for each direction.

mod forward;
mod hear;
pub(super) mod kernels;

use candle_core::{Result, Tensor};
use spherescope_dsp::harmonics::{Harmonics, degrees, harmonics_len, real_harmonics};
use spherescope_dsp::packed::PackedSteering;
use spherescope_dsp::{Direction, MicArray};

use super::turned::{half_turn, is_even, seen_from};
use super::votes::{self, VoteState};
use super::{Lifted, geometry_of};
use crate::evidence::{EvidenceSetup, EvidenceState, FRAME_FEATURES};
use crate::layers::{LayerNorm, Linear};
use forward::Scratch;
use kernels::{LANES, padded};

pub(crate) use forward::probabilities;

/// A lifted network's weights as the loops want them.
#[derive(Debug)]
pub struct Streaming {
    sizes: Sizes,
    hop_s: f64,
    /// Whether the evidence knows what is around a bin.
    context: bool,
    frequencies_hz: Vec<f64>,
    quadrature: Vec<Direction>,
    /// Azimuth of the axis of the lattice's half turn, in radians.
    axis_rad: f64,
    /// Harmonic of each column that counts, and whether it is even under the half turn.
    columns: Vec<usize>,
    /// Y at the quadrature, seen from the axis: even harmonics, padded, then odd ones, padded, `[Q][columns]`.
    harmonics: Vec<f32>,
    /// Bands, then the plain mean, `[NB + 1][K]`.
    mixing: Vec<f32>,
    /// Bands of the votes, `[NV][K]`.
    vote_mixing: Vec<f32>,
    /// Bands of the levels' slopes, then the plain mean, `[NL + 1][K]`; empty without levels.
    level_mixing: Vec<f32>,
    /// Unit vectors of the quadrature, `[3][Q]`.
    units: Vec<f32>,
    evidence: Option<Evidence>,
    /// Decay of each memory from frame to frame.
    keep: Vec<f32>,
    input: Input,
    blocks: Vec<Block>,
    output: Output,
}

/// Lengths of everything.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// K.
    bins: usize,
    /// Q.
    quadrature: usize,
    /// H.
    channels: usize,
    /// NB.
    bands: usize,
    /// Time constants of the memory.
    memories: usize,
    /// NV, bands of the votes.
    votes: usize,
    /// Features of each direction that the votes give.
    of_votes: usize,
    /// NL, bands of the levels' slopes.
    levels: usize,
    /// Features of each direction that the levels give.
    of_levels: usize,
    /// J.
    fields: usize,
    /// Even harmonics, and their padded number.
    even: [usize; 2],
    /// Odd harmonics, and their padded number.
    odd: [usize; 2],
}

impl Sizes {
    /// Padded number of all harmonics.
    fn columns(&self) -> usize {
        self.even[1] + self.odd[1]
    }

    /// All features that differ from direction to direction and frame to frame.
    fn by_direction(&self) -> usize {
        self.bands + 1 + self.memories + self.of_votes + self.of_levels
    }
}

/// The weight of a bin from its evidence.
#[derive(Debug)]
struct Evidence {
    hidden: Dense,
    /// `[padded hidden]`.
    out: Vec<f32>,
    out_bias: f32,
    /// What it says of the votes: one row of `[padded hidden]` and a bias for each exponent; none without levels.
    votes: Option<[(Vec<f32>, f32); 2]>,
}

/// The layer from features to channels, by groups of features.
#[derive(Debug)]
struct Input {
    /// Bands, plain mean, memories, votes, levels: `[NB + 1 + M + NV + 2 M + NL + M][H]`.
    by_direction: Vec<f32>,
    /// `[3][H]`.
    geometry: Vec<f32>,
    /// `[3][H]`; empty without evidence.
    by_frame: Vec<f32>,
    /// `[H]`.
    bias: Vec<f32>,
}

/// x Wᵀ + b with the weights turned: `[in][out, padded]`.
#[derive(Debug)]
struct Dense {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

#[derive(Debug)]
struct Block {
    /// Gain and bias.
    norm_sphere: [Vec<f32>; 2],
    /// Gain of each column of the harmonics and each channel, the quadrature's weight included, `[columns][H]`.
    zonal: Vec<f32>,
    context: Dense,
    mlp_in: Dense,
    mlp_out: Dense,
    norm_time: [Vec<f32>; 2],
    /// `[H][3H]`: gates reset, update, new.
    gru_input: Vec<f32>,
    /// `[H][3H]`.
    gru_state: Vec<f32>,
    /// Reset, update, new from the input, new from the state, `[4H]`.
    gru_bias: Vec<f32>,
}

#[derive(Debug)]
struct Output {
    /// `[H][J, padded]`.
    linear: Dense,
    /// Gridnet's gains, the quadrature's weight included, `[J][columns]`.
    gains: Vec<f32>,
    bias: f32,
}

/// An array as the streaming network sees it.
#[derive(Debug)]
pub struct StreamingArray {
    steering: PackedSteering,
    /// What geometry and bias give to the input layer, `[Q][H]`.
    geometry: Vec<f32>,
    evidence: EvidenceSetup,
    /// γ of its votes.
    sharpness: f32,
}

/// Directions of a grid whose harmonics lie together.
const PANEL: usize = 64;

/// A grid as the streaming network sees it: Gridnet's harmonics in the order in which they are used, `[D / PANEL][S][PANEL]`.
#[derive(Clone, Debug)]
pub struct StreamingGrid {
    directions: usize,
    harmonics: Vec<f32>,
}

/// What one stream remembers, and its working memory.
#[derive(Clone, Debug)]
pub struct Stream {
    /// `[Q][H]` for each block.
    hidden: Vec<Vec<f32>>,
    /// Leaky averages of the weighed steered response and of the weights, `[Q + 1]` for each time constant.
    memory: Vec<Vec<f32>>,
    /// The same of the slopes of the levels: x, y, z and the weight.
    level_memory: Vec<[f32; 4]>,
    votes: VoteState,
    evidence: EvidenceState,
    scratch: Scratch,
}

impl Streaming {
    /// Lays out the weights of `lifted` for its output `output`; none where a size does not suit the loops: channels and quadrature
    /// must be multiples of 16.
    ///
    /// # Errors
    /// Of candle, also for an output that does not exist.
    pub fn new(lifted: &Lifted, output: usize) -> Result<Option<Self>> {
        let config = &lifted.config;
        let (q, h, s) = (config.quadrature, config.channels, harmonics_len(config.order));
        if !h.is_multiple_of(LANES) || !q.is_multiple_of(LANES) {
            return Ok(None);
        }
        let Some(axis_rad) = half_turn(&lifted.quadrature) else { return Ok(None) };
        let (even, odd): (Vec<usize>, Vec<usize>) = (0..s).partition(|&i| is_even(i));
        let sizes = Sizes {
            bins: config.bins,
            quadrature: q,
            channels: h,
            bands: config.bands,
            memories: config.memory_s.len(),
            votes: config.votes,
            of_votes: config.of_votes(),
            levels: config.levels,
            of_levels: config.of_levels(),
            fields: config.fields,
            even: [even.len(), padded(even.len())],
            odd: [odd.len(), padded(odd.len())],
        };
        // Column of each harmonic, evens first.
        let place: Vec<(usize, usize)> = even
            .iter()
            .copied()
            .enumerate()
            .chain(odd.iter().enumerate().map(|(i, &s)| (sizes.even[1] + i, s)))
            .collect();
        let mut harmonics = vec![0.0; q * sizes.columns()];
        for (row, d) in harmonics.chunks_exact_mut(sizes.columns()).zip(&lifted.quadrature) {
            let y = real_harmonics(&seen_from(d, axis_rad), config.order);
            for &(column, harmonic) in &place {
                row[column] = y[harmonic] as f32;
            }
        }
        let degree: Vec<usize> = degrees(config.order).collect();
        let weight = (4.0 * std::f64::consts::PI / q as f64) as f32;

        let mut mixing = values(&lifted.bands)?;
        mixing.extend(values(&lifted.mean)?);
        let evidence = match &lifted.evidence {
            None => None,
            Some([hidden, out]) => {
                let hidden = Dense::new(hidden)?;
                let mut weights = values(&out.weight)?;
                weights.resize(hidden.bias.len(), 0.0);
                let out_bias = values(&out.bias)?.first().copied().unwrap_or_default();
                let votes = match &lifted.vote_exponents {
                    None => None,
                    Some(linear) => {
                        let (rows, bias) = (linear.weight.to_vec2()?, values(&linear.bias)?);
                        let row = |i: usize| -> (Vec<f32>, f32) {
                            let mut row: Vec<f32> = rows[i].clone();
                            row.resize(hidden.bias.len(), 0.0);
                            (row, bias[i])
                        };
                        Some([row(0), row(1)])
                    }
                };
                Some(Evidence { hidden, out: weights, out_bias, votes })
            }
        };
        let blocks = lifted
            .blocks
            .iter()
            .map(|block| {
                let gain = values(&block.zonal)?;
                let mut zonal = vec![0.0; sizes.columns() * h];
                for &(column, harmonic) in &place {
                    for c in 0..h {
                        zonal[column * h + c] = gain[degree[harmonic] * h + c] * weight;
                    }
                }
                let (from_input, from_state) = (values(&block.gru.bias_ih)?, values(&block.gru.bias_hh)?);
                let mut gru_bias: Vec<f32> =
                    from_input.iter().zip(&from_state).take(2 * h).map(|(a, b)| a + b).collect();
                gru_bias.extend_from_slice(&from_input[2 * h..]);
                gru_bias.extend_from_slice(&from_state[2 * h..]);
                Ok(Block {
                    norm_sphere: norm(&block.norm_sphere)?,
                    zonal,
                    context: Dense::new(&block.context)?,
                    mlp_in: Dense::new(&block.mlp_in)?,
                    mlp_out: Dense::new(&block.mlp_out)?,
                    norm_time: norm(&block.norm_time)?,
                    gru_input: values(&block.gru.weight_ih.t()?)?,
                    gru_state: values(&block.gru.weight_hh.t()?)?,
                    gru_bias,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let from = lifted.output(output)?;
        let gain = values(&from.grid_gain)?;
        let per_field = gain.len() / config.fields.max(1);
        let mut gains = vec![0.0; config.fields * sizes.columns()];
        for (j, row) in gains.chunks_exact_mut(sizes.columns()).enumerate() {
            for &(column, harmonic) in &place {
                row[column] = gain[j * per_field + degree[harmonic]] * weight;
            }
        }
        Ok(Some(Self {
            sizes,
            hop_s: lifted.hop_s,
            context: config.context,
            frequencies_hz: lifted.frequencies_hz.clone(),
            quadrature: lifted.quadrature.clone(),
            axis_rad,
            columns: place.into_iter().map(|(_, harmonic)| harmonic).collect(),
            harmonics,
            mixing,
            vote_mixing: match &lifted.votes {
                Some(bands) => values(bands)?,
                None => Vec::new(),
            },
            level_mixing: match &lifted.levels {
                Some(bands) => [values(bands)?, values(&lifted.mean)?].concat(),
                None => Vec::new(),
            },
            units: values(&lifted.units)?,
            evidence,
            keep: config.memory_s.iter().map(|time_s| (-lifted.hop_s / time_s).exp() as f32).collect(),
            input: Input::new(&lifted.input, &sizes, config.evidence > 0)?,
            blocks,
            output: Output {
                linear: Dense::new(&from.linear)?,
                gains,
                bias: values(&from.bias)?.first().copied().unwrap_or_default(),
            },
        }))
    }

    /// Encodes an array: needed once for each array.
    pub fn encode_array(&self, array: &MicArray, speed_of_sound_m_s: f64) -> StreamingArray {
        let positions = array.relative_positions_m();
        let (q, h) = (self.sizes.quadrature, self.sizes.channels);
        let steering = PackedSteering::new(array, &self.quadrature, &self.frequencies_hz, speed_of_sound_m_s);
        let mut geometry = Vec::with_capacity(q * h);
        for features in geometry_of(&positions, &self.quadrature).chunks_exact(3) {
            for c in 0..h {
                let sum: f32 = (0..3).map(|i| features[i] * self.input.geometry[i * h + c]).sum();
                geometry.push(self.input.bias[c] + sum);
            }
        }
        StreamingArray {
            steering,
            geometry,
            evidence: EvidenceSetup::new(&positions, &self.frequencies_hz, speed_of_sound_m_s, self.context),
            sharpness: votes::sharpness(positions.len()),
        }
    }

    /// Gridnet: encodes D directions; needed once for each grid.
    pub fn encode_grid(&self, directions: &[Direction]) -> StreamingGrid {
        let s = self.columns.len();
        let evaluated = Harmonics::new(s.isqrt().saturating_sub(1));
        let mut y = vec![0.0; s];
        let mut harmonics = vec![0.0; s * directions.len().next_multiple_of(PANEL)];
        for (panel, directions) in harmonics.chunks_exact_mut(s * PANEL).zip(directions.chunks(PANEL)) {
            for (at, d) in directions.iter().enumerate() {
                evaluated.at(&seen_from(d, self.axis_rad), &mut y);
                for (row, &harmonic) in panel.chunks_exact_mut(PANEL).zip(&self.columns) {
                    row[at] = y[harmonic] as f32;
                }
            }
        }
        StreamingGrid { directions: directions.len(), harmonics }
    }

    /// Multiplications and additions of one frame with this many capsules and directions, in pairs: what no other way of computing the
    /// same matrices can go below.
    pub fn multiply_adds(&self, capsules: usize, directions: usize) -> usize {
        let Sizes { bins, quadrature: q, channels: h, bands, of_votes, of_levels, fields, even, odd, .. } = self.sizes;
        let harmonics = even[0] + odd[0];
        let lift = 4 * bins * capsules * q;
        // Each memory of the votes takes two passes over them, as its two features do in number.
        let mix = (bands + 2 + of_votes) * bins * q + 3 * of_levels * (bins + q) + self.sizes.by_direction() * q * h;
        // Forward and back on half of the directions, the layers within a direction, the gates.
        let block = 2 * harmonics * (q / 2) * h + q * (2 * h * 2 * h + 2 * h * h) + q * 6 * h * h;
        let represent = q * h * fields + fields * q * harmonics;
        lift + mix + self.blocks.len() * block + represent + harmonics * directions
    }

    /// The state before any sound.
    pub fn start(&self) -> Stream {
        Stream {
            hidden: vec![vec![0.0; self.sizes.quadrature * self.sizes.channels]; self.blocks.len()],
            memory: vec![vec![0.0; self.sizes.quadrature + 1]; self.sizes.memories],
            level_memory: vec![[0.0; 4]; if self.sizes.levels > 0 { self.sizes.memories } else { 0 }],
            votes: VoteState::new(self.sizes.memories, self.sizes.quadrature),
            evidence: EvidenceState::default(),
            scratch: Scratch::default(),
        }
    }
}

impl Dense {
    fn new(linear: &Linear) -> Result<Self> {
        let (outputs, inputs) = linear.weight.dims2()?;
        let width = padded(outputs);
        let (from, mut bias) = (values(&linear.weight)?, values(&linear.bias)?);
        bias.resize(width, 0.0);
        let mut weight = vec![0.0; inputs * width];
        for o in 0..outputs {
            for i in 0..inputs {
                weight[i * width + o] = from[o * inputs + i];
            }
        }
        Ok(Self { weight, bias })
    }
}

impl Input {
    /// The file's order of features: bands, geometry, plain mean, what is known of the frame, memories, votes, levels.
    fn new(linear: &Linear, sizes: &Sizes, evidence: bool) -> Result<Self> {
        let Dense { weight, bias } = Dense::new(linear)?;
        let h = sizes.channels;
        let rows = |from: usize, count: usize| &weight[from * h..(from + count) * h];
        let of_frames = if evidence { FRAME_FEATURES } else { 0 };
        let mut by_direction = rows(0, sizes.bands).to_vec();
        by_direction.extend_from_slice(rows(sizes.bands + 3, 1));
        let remembered = sizes.memories + sizes.of_votes + sizes.of_levels;
        by_direction.extend_from_slice(rows(sizes.bands + 4 + of_frames, remembered));
        Ok(Self {
            by_direction,
            geometry: rows(sizes.bands, 3).to_vec(),
            by_frame: rows(sizes.bands + 4, of_frames).to_vec(),
            bias,
        })
    }
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

fn norm(norm: &LayerNorm) -> Result<[Vec<f32>; 2]> {
    Ok([values(&norm.weight)?, values(&norm.bias)?])
}
