//! The AuGeonet of the paper (Baek et al., ICLR 2026): relative phases and relative positions, attention over the channels.
//!
//! C capsules give c = C − 1 relative channels against the reference, the capsule nearest to the centroid. Their GCC-PHAT goes through a
//! channel-invariant extractor (causal convolutions, channels folded into the batch), dual-path blocks (attention over channels in
//! each frame, recurrent units over time on what all channels share), and a mapping to one representation of G numbers for each of O
//! outputs. Gridnet turns a direction's sines and cosines into another. Activations are `[c, T, M]`.

mod layers;
mod parameters;

use candle_core::{D, Device, Result, Tensor};
use candle_nn::VarBuilder;
use spherescope_dsp::nudft::Complex32;
use spherescope_dsp::{Direction, MicArray};

use crate::config::{PaperConfig, Phase, RelativeEncoding};
use crate::layers::{Gru, LayerNorm, Linear};
use crate::network::Spectra;
use crate::ops::{attention, elu, with_slopes};
use layers::{BatchNorm, Conv, DepthwiseConv, aggregate, recur};

pub use layers::PaperState;
pub use parameters::parameters;

/// Weight α of the position encoding.
const ENCODING_GAIN: f64 = 7.0;
/// Frequency β of the position encoding.
const ENCODING_FREQUENCY: f64 = 4.0;
/// Length of the geometry vector beside the spectrum: x, y, z, sine and cosine of azimuth and polar angle, distance.
const GEOMETRY: usize = 8;
/// Hidden features of the geometry's scale and shift.
const FILM_HIDDEN: usize = 64;
/// Dilations of the mapping's blocks, one block for each output.
fn mapping_dilation(output: usize) -> usize {
    1 << output.min(8)
}

/// An array as the network sees it.
#[derive(Debug)]
pub struct PaperArray {
    capsules: usize,
    /// None when the raw coefficients of all channels are used.
    reference: Option<usize>,
    /// Position encodings P, `[c, 1, M]`.
    encoding: Tensor,
    /// The geometry vector, `[c, 1, 8]`.
    geometry: Tensor,
    /// 10 x, 10 y, 10 z, 10 r, `[c, 4]`.
    film: Tensor,
}

impl PaperArray {
    /// C, the number of capsules.
    pub fn capsules(&self) -> usize {
        self.capsules
    }
}

/// The network's weights.
#[derive(Debug)]
pub struct Paper {
    config: PaperConfig,
    frequencies_hz: Vec<f64>,
    /// The same, `[K]`, for those who learn them.
    frequencies: Tensor,
    input_norm: BatchNorm,
    first: Conv,
    first_norm: BatchNorm,
    film: Option<[Linear; 2]>,
    extractor: Vec<ExtractorBlock>,
    dual_paths: Vec<DualPath>,
    mapping: Vec<MappingBlock>,
    grids: Grids,
    /// `[O]`.
    bias: Tensor,
}

#[derive(Debug)]
enum Grids {
    /// One Gridnet for each output.
    Networks(Vec<Gridnet>),
    /// One learned vector for each direction of one Fibonacci grid, `[D, G]` for each output: nothing is known of other directions.
    Fixed(Vec<Tensor>),
}

#[derive(Debug)]
struct ExtractorBlock {
    point: Linear,
    point_norm: BatchNorm,
    depth: DepthwiseConv,
    depth_norm: BatchNorm,
}

/// Attention over channels, then recurrent units over time.
#[derive(Debug)]
struct DualPath {
    queries: Linear,
    keys: Linear,
    values: Linear,
    joined: Linear,
    channel_norm: LayerNorm,
    recurrent: [Gru; 2],
    out: Linear,
    time_norm: LayerNorm,
}

#[derive(Debug)]
struct MappingBlock {
    point: Linear,
    point_norm: LayerNorm,
    depth: DepthwiseConv,
    depth_norm: LayerNorm,
    out: Linear,
}

#[derive(Debug)]
struct Gridnet {
    layers: Vec<(Linear, LayerNorm)>,
    out: Linear,
}

impl Paper {
    /// Reads the weights; names are the ones of the file.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape than the configuration asks for.
    pub fn load(config: &PaperConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        let PaperConfig { bins: k, channels: m, latent: g, outputs, .. } = *config;
        let (gridnet, at) = (g, |name: String| vb.pp(name));
        Ok(Self {
            config: config.clone(),
            frequencies_hz: vb.get(k, "frequencies_hz")?.to_vec1::<f32>()?.into_iter().map(f64::from).collect(),
            frequencies: vb.get(k, "frequencies_hz")?,
            input_norm: BatchNorm::load(2 * k, &vb.pp("input_norm"))?,
            first: Conv { linear: Linear::load(3 * (2 * k + GEOMETRY), m, &vb.pp("first"))? },
            first_norm: BatchNorm::load(m, &vb.pp("first_norm"))?,
            film: if config.film {
                Some([
                    Linear::load(4, FILM_HIDDEN, &vb.pp("film.0"))?,
                    Linear::load(FILM_HIDDEN, 2 * m, &vb.pp("film.1"))?,
                ])
            } else {
                None
            },
            extractor: (0..config.extractor)
                .map(|i| {
                    let vb = at(format!("extractor.{i}"));
                    Ok(ExtractorBlock {
                        point: Linear::load(m, m, &vb.pp("point"))?,
                        point_norm: BatchNorm::load(m, &vb.pp("point_norm"))?,
                        depth: DepthwiseConv::load(m, 1 << i, &vb.pp("depth"))?,
                        depth_norm: BatchNorm::load(m, &vb.pp("depth_norm"))?,
                    })
                })
                .collect::<Result<_>>()?,
            dual_paths: (0..config.dual_paths)
                .map(|i| {
                    let vb = at(format!("dual_paths.{i}"));
                    Ok(DualPath {
                        queries: Linear::load(m, m, &vb.pp("queries"))?,
                        keys: Linear::load(m, m, &vb.pp("keys"))?,
                        values: Linear::load(m, m, &vb.pp("values"))?,
                        joined: Linear::load(m, m, &vb.pp("joined"))?,
                        channel_norm: LayerNorm::load(m, &vb.pp("channel_norm"))?,
                        recurrent: [Gru::load(2 * m, m, &vb.pp("gru.0"))?, Gru::load(m, m, &vb.pp("gru.1"))?],
                        out: Linear::load(m, m, &vb.pp("out"))?,
                        time_norm: LayerNorm::load(m, &vb.pp("time_norm"))?,
                    })
                })
                .collect::<Result<_>>()?,
            mapping: (0..outputs)
                .map(|o| {
                    let vb = at(format!("mapping.{o}"));
                    Ok(MappingBlock {
                        point: Linear::load(2 * m, 2 * m, &vb.pp("point"))?,
                        point_norm: LayerNorm::load(2 * m, &vb.pp("point_norm"))?,
                        depth: DepthwiseConv::load(2 * m, mapping_dilation(o), &vb.pp("depth"))?,
                        depth_norm: LayerNorm::load(2 * m, &vb.pp("depth_norm"))?,
                        out: Linear::load(2 * m, g, &vb.pp("out"))?,
                    })
                })
                .collect::<Result<_>>()?,
            grids: if config.fixed_grid > 0 {
                let table = |o: usize| vb.get((config.fixed_grid, g), &format!("fixed_grid.{o}"));
                Grids::Fixed((0..outputs).map(table).collect::<Result<_>>()?)
            } else {
                let network = |o: usize| {
                    let vb = at(format!("gridnet.{o}"));
                    let layer = |i: usize| {
                        let inputs = if i == 0 { 4 } else { gridnet };
                        let linear = Linear::load(inputs, gridnet, &vb.pp(format!("layers.{i}.linear")))?;
                        Ok((linear, LayerNorm::load(gridnet, &vb.pp(format!("layers.{i}.norm")))?))
                    };
                    let layers = (0..3).map(layer).collect::<Result<_>>()?;
                    Ok(Gridnet { layers, out: Linear::load(gridnet, g, &vb.pp("out"))? })
                };
                Grids::Networks((0..outputs).map(network).collect::<Result<_>>()?)
            },
            bias: vb.get(outputs, "score.bias")?,
        })
    }

    /// Frequencies of the K bins in Hz.
    pub fn frequencies_hz(&self) -> &[f64] {
        &self.frequencies_hz
    }

    /// Number of output layers.
    pub fn outputs(&self) -> usize {
        self.config.outputs
    }

    /// Encodes an array: needed once for each array. The speed of sound stretches it: only the delays matter.
    ///
    /// # Errors
    /// Of candle only.
    pub fn encode_array(&self, array: &MicArray, speed_of_sound_m_s: f64) -> Result<PaperArray> {
        let stretch = 343.0 / speed_of_sound_m_s;
        let positions: Vec<[f64; 3]> =
            array.relative_positions_m().into_iter().map(|p| p.map(|x| x * stretch)).collect();
        let nearest = (0..positions.len()).min_by(|a, b| square(positions[*a]).total_cmp(&square(positions[*b])));
        let reference = nearest.filter(|_| self.config.phase == Phase::GccPhat && positions.len() > 1);
        let origin = reference.map_or([0.0; 3], |r| positions[r]);
        let m = self.config.channels;
        let (mut encoding, mut geometry, mut film) = (Vec::new(), Vec::new(), Vec::new());
        let relative: Vec<[f64; 3]> = positions
            .iter()
            .enumerate()
            .filter(|(i, _)| Some(*i) != reference)
            .map(|(_, p)| [p[0] - origin[0], p[1] - origin[1], p[2] - origin[2]])
            .collect();
        for [x, y, z] in &relative {
            let r = (x * x + y * y + z * z).sqrt();
            let (azimuth, polar) = (y.atan2(*x), x.hypot(*y).atan2(*z));
            encoding.extend(position_encoding(self.config.encoding, m, azimuth, polar, r));
            let row = [*x, *y, *z, azimuth.sin(), azimuth.cos(), polar.sin(), polar.cos(), r];
            geometry.extend(row.map(|v| v as f32));
            film.extend([10.0 * x, 10.0 * y, 10.0 * z, 10.0 * r].map(|v| v as f32));
        }
        let c = relative.len();
        Ok(PaperArray {
            capsules: positions.len(),
            reference,
            encoding: Tensor::from_vec(encoding, (c, 1, m), &Device::Cpu)?,
            geometry: Tensor::from_vec(geometry, (c, 1, GEOMETRY), &Device::Cpu)?,
            film: Tensor::from_vec(film, (c, 4), &Device::Cpu)?,
        })
    }

    /// Gridnet: encodes directions for one output, `[D, G]`, divided by √G.
    ///
    /// # Errors
    /// Of candle; a fixed grid refuses every number of directions but its own.
    pub fn encode_grid(&self, directions: &[Direction], output: usize) -> Result<Tensor> {
        let scale = 1.0 / (self.config.latent as f64).sqrt();
        let missing = || candle_core::Error::msg(format!("expected one of {} outputs, found {output}", self.outputs()));
        match &self.grids {
            Grids::Fixed(tables) => {
                let table = tables.get(output).ok_or_else(missing)?;
                if directions.len() != table.dim(0)? {
                    candle_core::bail!(
                        "expected the fixed grid of {}, found {} directions",
                        table.dim(0)?,
                        directions.len()
                    );
                }
                table * scale
            }
            Grids::Networks(networks) => {
                let network = networks.get(output).ok_or_else(missing)?;
                let rows: Vec<f32> = directions
                    .iter()
                    .flat_map(|d| {
                        let (az, el) = (d.azimuth_rad(), d.elevation_rad());
                        [az.cos(), az.sin(), el.cos(), el.sin()].map(|v| v as f32)
                    })
                    .collect();
                let mut x = Tensor::from_vec(rows, (directions.len(), 4), &Device::Cpu)?;
                for (linear, norm) in &network.layers {
                    x = norm.forward(&elu(&linear.forward(&x)?)?)?;
                }
                network.out.forward(&x)? * scale
            }
        }
    }

    /// The state before any sound.
    pub fn start(&self) -> PaperState {
        PaperState::default()
    }

    /// Audio-geometry representations, one `[T, G]` for each output, for T frames of one stream.
    ///
    /// # Errors
    /// When the spectra do not fit the array, or of candle.
    pub fn encode_audio(
        &self,
        array: &PaperArray,
        spectra: &Spectra<'_>,
        state: &mut PaperState,
    ) -> Result<Vec<Tensor>> {
        let (k, t) = (self.config.bins, spectra.frames);
        if spectra.phat.len() != t * array.capsules * k || spectra.power.len() != t * k || t == 0 {
            candle_core::bail!(
                "expected {} spectral values for {t} frames, found {}",
                t * array.capsules * k,
                spectra.phat.len()
            );
        }
        let (mut past, mut hidden) = (0, 0);
        let x = self.phases(array, spectra)?;
        let c = x.dim(0)?;
        let x = self.input_norm.forward(&x, state)?;
        let geometry = array.geometry.broadcast_as((c, t, GEOMETRY))?;
        let x = self.first.forward(&Tensor::cat(&[&x, &geometry], D::Minus1)?, &mut past, state)?;
        let mut x = self.first_norm.forward(&elu(&x)?, state)?;
        if let Some([inner, outer]) = &self.film {
            let m = self.config.channels;
            let film = outer.forward(&elu(&inner.forward(&array.film)?)?)?.unsqueeze(1)?;
            let scale = (film.narrow(D::Minus1, 0, m)? + 1.0)?;
            x = x.broadcast_mul(&scale)?.broadcast_add(&film.narrow(D::Minus1, m, m)?)?;
        }
        for block in &self.extractor {
            x = x.broadcast_add(&array.encoding)?;
            let y = block.point_norm.forward(&elu(&block.point.forward(&x)?)?, state)?;
            let y = block.depth.forward(&y, &mut past, state)?;
            x = (x + block.depth_norm.forward(&elu(&y)?, state)?)?;
        }
        for block in &self.dual_paths {
            let framewise = x.broadcast_add(&array.encoding)?.transpose(0, 1)?.contiguous()?;
            let attended = attention(
                &block.queries.forward(&framewise)?,
                &block.keys.forward(&framewise)?,
                &block.values.forward(&framewise)?,
                self.config.heads,
            )?;
            let attended = block.joined.forward(&attended)?.transpose(0, 1)?.contiguous()?;
            x = (x + block.channel_norm.forward(&attended)?)?;
            let mut y = aggregate(&x)?;
            for recurrent in &block.recurrent {
                y = recur(recurrent, &y, &mut hidden, state)?;
            }
            let y = block.time_norm.forward(&block.out.forward(&elu(&y)?)?)?;
            x = x.broadcast_add(&y.unsqueeze(0)?)?;
        }
        let mut f = aggregate(&x)?.unsqueeze(0)?;
        let mut outputs = Vec::with_capacity(self.mapping.len());
        for block in &self.mapping {
            let y = block.point_norm.forward(&elu(&block.point.forward(&f)?)?)?;
            let y = block.depth.forward(&y, &mut past, state)?;
            f = (f + block.depth_norm.forward(&elu(&y)?)?)?;
            outputs.push(block.out.forward(&f)?.squeeze(0)?);
        }
        Ok(outputs)
    }

    /// Bias of one output's scores, `[1]`.
    ///
    /// # Errors
    /// An output that does not exist.
    pub fn bias(&self, output: usize) -> Result<Tensor> {
        self.bias.narrow(0, output, 1)
    }

    /// The input features `[c, T, 2K]`: GCC-PHAT against the reference, or the raw coefficients of every channel.
    fn phases(&self, array: &PaperArray, spectra: &Spectra<'_>) -> Result<Tensor> {
        let k = self.config.bins;
        let others = (0..array.capsules).filter(|c| Some(*c) != array.reference).count();
        let shape = [others, spectra.frames, 2 * k];
        let rows = self.phases_of(array, spectra, spectra.phat);
        match &spectra.beside {
            Some(beside) => {
                let [below, mut above] = beside.phat.map(|phat| self.phases_of(array, spectra, phat));
                let scale = (0.5 / beside.step_hz) as f32;
                above.iter_mut().zip(&below).for_each(|(a, b)| *a = (*a - b) * scale);
                with_slopes(&self.frequencies, rows, above, &shape, 1)
            }
            None => Tensor::from_vec(rows, shape.as_slice(), &Device::Cpu),
        }
    }

    /// The same of other spectra of the same frames, `[c][T][2K]` flattened.
    fn phases_of(&self, array: &PaperArray, spectra: &Spectra<'_>, phat: &[Complex32]) -> Vec<f32> {
        let (k, t, capsules) = (self.config.bins, spectra.frames, array.capsules);
        let others: Vec<usize> = (0..capsules).filter(|c| Some(*c) != array.reference).collect();
        let mut rows = Vec::with_capacity(others.len() * t * 2 * k);
        for &c in &others {
            for frame in 0..t {
                let at = |c: usize| &phat[(frame * capsules + c) * k..][..k];
                let values: Vec<Complex32> = match array.reference {
                    Some(r) => at(c).iter().zip(at(r)).map(|(x, r)| x * r.conj()).collect(),
                    None => {
                        // The common magnitude, scaled so that the level of the frame does not matter.
                        let power = &spectra.power[frame * k..][..k];
                        let mean = power.iter().sum::<f32>() / k as f32 + 1e-12;
                        at(c).iter().zip(power).map(|(x, p)| x * (p / mean).sqrt()).collect()
                    }
                };
                rows.extend(values.iter().map(|x| x.re));
                rows.extend(values.iter().map(|x| x.im));
            }
        }
        rows
    }
}

fn square(p: [f64; 3]) -> f64 {
    p.iter().map(|x| x * x).sum()
}

/// Relative position encoding P `[M]`: frequency- or phase-modulated sines of azimuth and polar angle, scaled by the distance.
fn position_encoding(kind: RelativeEncoding, m: usize, azimuth: f64, polar: f64, r: f64) -> Vec<f32> {
    let quarter = m / 4;
    let of = |part: usize, i: usize| {
        let v = i as f64 / quarter.max(1) as f64;
        let angle = if part < 2 { azimuth } else { polar };
        let phase = match kind {
            RelativeEncoding::Fm => ENCODING_FREQUENCY * angle * v,
            RelativeEncoding::Pm => angle + 2.0 * std::f64::consts::PI * ENCODING_FREQUENCY * v,
            RelativeEncoding::None => return 0.0,
        };
        (ENCODING_GAIN * r * if part.is_multiple_of(2) { phase.cos() } else { phase.sin() }) as f32
    };
    (0..4).flat_map(|part| (0..quarter).map(move |i| (part, i))).map(|(part, i)| of(part, i)).collect()
}
