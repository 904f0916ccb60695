//! A whole spherical block and its gradient, a few frames at a time.
//!
//! As a graph of small operations every step of the block reads and writes activations that no cache holds. Here some frames go through
//! the whole block while they are at hand. Of the forward pass only the states of the recurrence between these pieces are kept; the
//! gradient computes the rest again.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::norms::{normalize, normalize_back};
use super::recurrent::{advance, retreat};
use super::sphere::BlockSphere;
use super::{column_sums, elu_of, new_like, of_cpu, product, with_values};

/// Frames that go through the block together.
const PIECE: usize = 4;

/// The parameters of a block in their order; H channels, zonal gains for N + 1 degrees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockParameters<'a> {
    /// Gain and bias `[H]` of the layer norm before the sphere.
    pub(crate) norm_sphere: [&'a Tensor; 2],
    /// Gain of each degree and channel, `[N + 1, H]`.
    pub(crate) zonal: &'a Tensor,
    /// Weight `[H, 2H]` and bias `[H]` of the global context.
    pub(crate) context: [&'a Tensor; 2],
    /// Weight `[2H, 2H]` and bias `[2H]` of the first pointwise layer.
    pub(crate) mlp_in: [&'a Tensor; 2],
    /// Weight `[H, 2H]` and bias `[H]` of the second.
    pub(crate) mlp_out: [&'a Tensor; 2],
    /// Gain and bias `[H]` of the layer norm before the recurrence.
    pub(crate) norm_time: [&'a Tensor; 2],
    /// Weights `[3H, H]` of the recurrence's input and state, then their biases `[3H]`.
    pub(crate) gru: [&'a Tensor; 4],
}

impl BlockParameters<'_> {
    /// All of them in one row, through which their gradients flow back.
    fn packed(&self) -> Result<Tensor> {
        let Self { norm_sphere, zonal, context, mlp_in, mlp_out, norm_time, gru } = self;
        let parts = [&norm_sphere[..], &[*zonal], context, mlp_in, mlp_out, norm_time, gru].concat();
        let flat: Vec<Tensor> = parts.into_iter().map(Tensor::flatten_all).collect::<Result<_>>()?;
        Tensor::cat(&flat, 0)
    }
}

/// Numbers of values of the packed parameters, in their order.
fn lengths(h: usize, degrees: usize) -> [usize; 15] {
    [h, h, degrees * h, 2 * h * h, h, 4 * h * h, 2 * h, 2 * h * h, h, h, h, 3 * h * h, 3 * h * h, 3 * h, 3 * h]
}

/// The block: x' = x + MLP[u ‖ zonal(u)] + context(mean u ‖ max u), u = LN x; y = x' + GRU(LN x').
///
/// `x` `[Q, 1, T, H]`; `hidden` `[Q · H]` holds the recurrence's state before the first frame and, afterwards, after the last one (no
/// gradient reaches it). Returns y, shaped as `x`.
///
/// # Errors
/// When shapes do not fit together.
pub(crate) fn spherical_block(
    x: &Tensor,
    parameters: &BlockParameters<'_>,
    sphere: &BlockSphere,
    hidden: &mut [f32],
) -> Result<Tensor> {
    let states = Arc::new(Mutex::new(hidden.to_vec()));
    let block = Block { sphere: sphere.clone(), states: Arc::clone(&states) };
    let y = x.contiguous()?.apply_op2(&parameters.packed()?, block)?;
    let states = states.lock().unwrap_or_else(PoisonError::into_inner);
    match states.len().checked_sub(hidden.len()) {
        Some(last) => hidden.copy_from_slice(&states[last..]),
        None => bail!("spherical block: expected states of {}, found {}", hidden.len(), states.len()),
    }
    Ok(y)
}

struct Block {
    sphere: BlockSphere,
    /// States of the recurrence before the first piece and after each, `[pieces + 1][Q][H]`; before the forward pass the first alone.
    states: Arc<Mutex<Vec<f32>>>,
}

/// Sizes: Q directions, T frames, H channels, S harmonics.
#[derive(Clone, Copy)]
struct Sizes {
    q: usize,
    t: usize,
    h: usize,
    s: usize,
}

/// The parameters or their gradients, in the order of [`lengths`].
struct Parts<T> {
    norm_sphere: [T; 2],
    zonal: T,
    context: [T; 2],
    mlp_in: [T; 2],
    mlp_out: [T; 2],
    norm_time: [T; 2],
    gru: [T; 4],
}

impl<T> Parts<T> {
    fn of([a, b, c, d, e, f, g, i, j, k, l, m, n, o, p]: [T; 15]) -> Self {
        Self {
            norm_sphere: [a, b],
            zonal: c,
            context: [d, e],
            mlp_in: [f, g],
            mlp_out: [i, j],
            norm_time: [k, l],
            gru: [m, n, o, p],
        }
    }
}

fn split(mut flat: &[f32], h: usize, degrees: usize) -> Result<Parts<&[f32]>> {
    let expected: usize = lengths(h, degrees).iter().sum();
    if flat.len() != expected {
        bail!("spherical block: expected {expected} parameters, found {}", flat.len());
    }
    Ok(Parts::of(lengths(h, degrees).map(|len| {
        let (part, rest) = flat.split_at(len);
        flat = rest;
        part
    })))
}

/// `rows` times the transpose of `weight` `[out, inputs]`, its rows `weight_row` apart, plus `bias`, or added to what is there.
fn affine(
    out: &mut Vec<f32>,
    rows: &[f32],
    [inputs, outputs]: [usize; 2],
    (weight, weight_row): (&[f32], usize),
    bias: Option<&[f32]>,
) -> Result<()> {
    let m = rows.len() / inputs.max(1);
    if let Some(bias) = bias {
        out.clear();
        for _ in 0..m {
            out.extend_from_slice(bias);
        }
    }
    product(out, outputs, true, [m, inputs, outputs], (rows, [inputs, 1]), (weight, [1, weight_row]))
}

/// Everything that one piece of frames computes on its way forward. Rows are directions, then frames.
#[derive(Default)]
struct Piece {
    /// Frames.
    frames: usize,
    /// `[Q][frames][H]`: the input, its layer norm, the zonal convolution.
    x: Vec<f32>,
    u: Vec<f32>,
    zonal: Vec<f32>,
    /// Spectra before and after the gains, `[S][frames][H]`.
    spectrum: Vec<f32>,
    gained: Vec<f32>,
    /// Working memory of the transforms.
    halves: Vec<f32>,
    /// Means and maxima over the sphere, `[frames][2H]`, and what is made of them, `[frames][H]`.
    pooled: Vec<f32>,
    context: Vec<f32>,
    /// After the first pointwise layer and its ELU, `[Q][frames][2H]`.
    local: Vec<f32>,
    /// Before the recurrence, and its layer norm, `[Q][frames][H]`.
    middle: Vec<f32>,
    input: Vec<f32>,
    /// What the input gives to the gates, `[Q][frames][3H]`; then the gates themselves.
    gates: Vec<f32>,
    /// What the state gives to the gates `[frames][Q][3H]`, and the state before each frame `[frames][Q][H]`.
    recurrent: Vec<f32>,
    before: Vec<f32>,
}

/// A buffer of `len` zeros.
fn zeros(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    buffer.clear();
    buffer.resize(len, 0.0);
    buffer
}

/// Copies the frames from `first` on of `all` `[Q][T][H]`.
fn gather(all: &[f32], Sizes { t, h, .. }: Sizes, first: usize, frames: usize, out: &mut Vec<f32>) {
    out.clear();
    for row in all.chunks_exact(t * h) {
        out.extend_from_slice(&row[first * h..(first + frames) * h]);
    }
}

impl Piece {
    /// Takes the frames from `first` on through the block; `hidden` `[Q][H]` goes along.
    fn forward(
        &mut self,
        x: &[f32],
        sizes: Sizes,
        first: usize,
        p: &Parts<&[f32]>,
        sphere: &BlockSphere,
        hidden: &mut [f32],
    ) -> Result<()> {
        let Sizes { q, t, h, s } = sizes;
        let frames = PIECE.min(t - first);
        let n = frames * h;
        self.frames = frames;
        gather(x, sizes, first, frames, &mut self.x);
        normalize(&self.x, p.norm_sphere, &mut self.u);

        self.spectrum.resize(s * n, 0.0);
        sphere.to_harmonics(&self.u, n, &mut self.halves, &mut self.spectrum)?;
        self.gained.resize(s * n, 0.0);
        let rows = self.gained.chunks_exact_mut(n).zip(self.spectrum.chunks_exact(n)).zip(sphere.degree.iter());
        for ((gained, row), degree) in rows {
            let gains = gains_of(p.zonal, *degree, h);
            for (gained, row) in gained.chunks_exact_mut(h).zip(row.chunks_exact(h)) {
                for ((gained, x), g) in gained.iter_mut().zip(row).zip(gains) {
                    *gained = x * g * sphere_weight(q);
                }
            }
        }
        self.zonal.resize(q * n, 0.0);
        sphere.to_directions(&self.gained, n, false, &mut self.halves, &mut self.zonal)?;

        self.pool(q, h);
        affine(&mut self.context, &self.pooled, [2 * h, h], (p.context[0], 2 * h), Some(p.context[1]))?;

        affine(&mut self.local, &self.u, [h, 2 * h], (p.mlp_in[0], 2 * h), Some(p.mlp_in[1]))?;
        affine(&mut self.local, &self.zonal, [h, 2 * h], (&p.mlp_in[0][h..], 2 * h), None)?;
        self.local.iter_mut().for_each(|x| *x = elu_of(*x));
        affine(&mut self.middle, &self.local, [2 * h, h], (p.mlp_out[0], 2 * h), Some(p.mlp_out[1]))?;
        for (row, x) in self.middle.chunks_exact_mut(n).zip(self.x.chunks_exact(n)) {
            for ((m, x), c) in row.iter_mut().zip(x).zip(&self.context) {
                *m += x + c;
            }
        }

        normalize(&self.middle, p.norm_time, &mut self.input);
        affine(&mut self.gates, &self.input, [h, 3 * h], (p.gru[0], h), Some(p.gru[2]))?;
        self.recurrent.clear();
        for _ in 0..frames * q {
            self.recurrent.extend_from_slice(p.gru[3]);
        }
        self.before.clear();
        for frame in 0..frames {
            self.before.extend_from_slice(hidden);
            let recurrent = &mut self.recurrent[frame * q * 3 * h..][..q * 3 * h];
            product(recurrent, 3 * h, true, [q, h, 3 * h], (hidden, [h, 1]), (p.gru[1], [1, h]))?;
            for ((row, r), state) in recurrent.chunks_exact(3 * h).enumerate().zip(hidden.chunks_exact_mut(h)) {
                advance(&mut self.gates[(row * frames + frame) * 3 * h..][..3 * h], r, state);
            }
        }
        Ok(())
    }

    /// Means and maxima of u over the sphere.
    fn pool(&mut self, q: usize, h: usize) {
        let n = self.frames * h;
        let (mut mean, mut max) = (vec![0f32; n], vec![f32::NEG_INFINITY; n]);
        for row in self.u.chunks_exact(n) {
            for i in 0..n {
                mean[i] += row[i];
                max[i] = max[i].max(row[i]);
            }
        }
        self.pooled.clear();
        for (mean, max) in mean.chunks_exact(h).zip(max.chunks_exact(h)) {
            self.pooled.extend(mean.iter().map(|m| m / q as f32));
            self.pooled.extend_from_slice(max);
        }
    }
}

/// The quadrature's weight, 4π/Q.
fn sphere_weight(q: usize) -> f32 {
    (4.0 * std::f64::consts::PI / q as f64) as f32
}

fn gains_of(zonal: &[f32], degree: u32, h: usize) -> &[f32] {
    &zonal[degree as usize * h..][..h]
}

/// What flows back through one piece.
#[derive(Default)]
struct Back {
    slopes: Vec<f32>,
    to_gates: Vec<f32>,
    to_recurrent: Vec<f32>,
    to_input: Vec<f32>,
    to_middle: Vec<f32>,
    to_local: Vec<f32>,
    to_u: Vec<f32>,
    to_zonal: Vec<f32>,
    to_spectrum: Vec<f32>,
    halves: Vec<f32>,
}

/// Adds `gradient`ᵀ · `rows` to the gradient of a weight `[outputs, inputs]`, its rows `weight_row` apart.
fn to_weight(
    weight: &mut [f32],
    weight_row: usize,
    [inputs, outputs]: [usize; 2],
    gradient: &[f32],
    rows: &[f32],
) -> Result<()> {
    let m = rows.len() / inputs.max(1);
    product(weight, weight_row, true, [outputs, m, inputs], (gradient, [1, outputs]), (rows, [inputs, 1]))
}

fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
}

impl Back {
    /// From the gradient of the frames from `first` on to that of the input, `to_x` `[Q][T][H]`, and, added to `to`, of the parameters.
    /// `onward` `[Q][H]` is the gradient of the state after the piece; then of the state before.
    fn back(
        &mut self,
        piece: &Piece,
        gradient: &[f32],
        (sizes, first): (Sizes, usize),
        (p, sphere): (&Parts<&[f32]>, &BlockSphere),
        onward: &mut [f32],
        (to_x, to): (&mut [f32], &mut Parts<&mut [f32]>),
    ) -> Result<()> {
        let Sizes { q, t, h, s } = sizes;
        let frames = piece.frames;
        let n = frames * h;
        gather(gradient, sizes, first, frames, &mut self.slopes);

        // The recurrence.
        zeros(&mut self.to_gates, q * frames * 3 * h);
        zeros(&mut self.to_recurrent, q * frames * 3 * h);
        for frame in (0..frames).rev() {
            let rows = frame * q * 3 * h..(frame + 1) * q * 3 * h;
            let to_recurrent = &mut self.to_recurrent[rows.clone()];
            let recurrent = &piece.recurrent[rows];
            for row in 0..q {
                let at = row * frames + frame;
                let was = (
                    &piece.gates[at * 3 * h..][..3 * h],
                    &recurrent[row * 3 * h..][..3 * h],
                    &piece.before[(frame * q + row) * h..][..h],
                );
                let to_gates = &mut self.to_gates[at * 3 * h..][..3 * h];
                let to = [to_gates, &mut to_recurrent[row * 3 * h..][..3 * h]];
                retreat(was, &self.slopes[at * h..][..h], &mut onward[row * h..][..h], to);
            }
            product(onward, h, true, [q, 3 * h, h], (to_recurrent, [3 * h, 1]), (p.gru[1], [h, 1]))?;
        }
        to_weight(to.gru[0], h, [h, 3 * h], &self.to_gates, &piece.input)?;
        to_weight(to.gru[1], h, [h, 3 * h], &self.to_recurrent, &piece.before)?;
        add(to.gru[2], &column_sums(&self.to_gates, 3 * h));
        add(to.gru[3], &column_sums(&self.to_recurrent, 3 * h));
        let to_input = zeros(&mut self.to_input, q * n);
        product(to_input, h, false, [q * frames, 3 * h, h], (&self.to_gates, [3 * h, 1]), (p.gru[0], [h, 1]))?;
        self.to_middle.clear();
        self.to_middle.extend_from_slice(&self.slopes);
        let [to_gain, to_bias] = &mut to.norm_time;
        normalize_back(&piece.middle, p.norm_time[0], &self.to_input, &mut self.to_middle, to_gain, to_bias);

        // The pointwise layers.
        add(to.mlp_out[1], &column_sums(&self.to_middle, h));
        to_weight(to.mlp_out[0], 2 * h, [2 * h, h], &self.to_middle, &piece.local)?;
        let to_local = zeros(&mut self.to_local, 2 * q * n);
        product(to_local, 2 * h, false, [q * frames, h, 2 * h], (&self.to_middle, [h, 1]), (p.mlp_out[0], [2 * h, 1]))?;
        to_local.iter_mut().zip(&piece.local).for_each(|(g, y)| *g *= 1.0 + y.min(0.0));
        let weight = p.mlp_in[0];
        to_weight(to.mlp_in[0], 2 * h, [h, 2 * h], to_local, &piece.u)?;
        to_weight(&mut to.mlp_in[0][h..], 2 * h, [h, 2 * h], to_local, &piece.zonal)?;
        add(to.mlp_in[1], &column_sums(to_local, 2 * h));
        let sizes = [q * frames, 2 * h, h];
        let to_u = zeros(&mut self.to_u, q * n);
        product(to_u, h, false, sizes, (to_local, [2 * h, 1]), (weight, [2 * h, 1]))?;
        let to_zonal = zeros(&mut self.to_zonal, q * n);
        product(to_zonal, h, false, sizes, (to_local, [2 * h, 1]), (&weight[h..], [2 * h, 1]))?;

        // The zonal convolution.
        self.to_spectrum.resize(s * n, 0.0);
        let to_spectrum = &mut self.to_spectrum[..];
        sphere.to_harmonics(to_zonal, n, &mut self.halves, to_spectrum)?;
        let rows = to_spectrum.chunks_exact_mut(n).zip(piece.spectrum.chunks_exact(n)).zip(sphere.degree.iter());
        for ((to_row, row), degree) in rows {
            let gains = gains_of(p.zonal, *degree, h);
            let to_gains = &mut to.zonal[*degree as usize * h..][..h];
            for (to_row, row) in to_row.chunks_exact_mut(h).zip(row.chunks_exact(h)) {
                for ((to, x), (to_gain, gain)) in to_row.iter_mut().zip(row).zip(to_gains.iter_mut().zip(gains)) {
                    let g = *to * sphere_weight(q);
                    *to_gain += g * x;
                    *to = g * gain;
                }
            }
        }
        sphere.to_directions(to_spectrum, n, true, &mut self.halves, to_u)?;

        // The context.
        let to_context = column_sums(&self.to_middle, n);
        add(to.context[1], &column_sums(&to_context, h));
        to_weight(to.context[0], 2 * h, [2 * h, h], &to_context, &piece.pooled)?;
        let mut to_pooled = vec![0f32; 2 * n];
        product(&mut to_pooled, 2 * h, false, [frames, h, 2 * h], (&to_context, [h, 1]), (p.context[0], [2 * h, 1]))?;
        let (mut to_mean, mut max, mut to_max) = (Vec::new(), Vec::new(), Vec::new());
        for (pooled, to_pooled) in piece.pooled.chunks_exact(2 * h).zip(to_pooled.chunks_exact(2 * h)) {
            max.extend_from_slice(&pooled[h..]);
            to_mean.extend(to_pooled[..h].iter().map(|g| g / q as f32));
            to_max.extend_from_slice(&to_pooled[h..]);
        }
        for (u, to_u) in piece.u.chunks_exact(n).zip(to_u.chunks_exact_mut(n)) {
            for i in 0..n {
                // The first of several equal maxima takes the gradient.
                let first = u[i] == max[i];
                to_u[i] += to_mean[i] + if first { to_max[i] } else { 0.0 };
                max[i] = if first { f32::INFINITY } else { max[i] };
            }
        }

        let [to_gain, to_bias] = &mut to.norm_sphere;
        normalize_back(&piece.x, p.norm_sphere[0], to_u, &mut self.to_middle, to_gain, to_bias);
        for (row, to_row) in self.to_middle.chunks_exact(n).zip(to_x.chunks_exact_mut(t * h)) {
            to_row[first * h..][..n].copy_from_slice(row);
        }
        Ok(())
    }
}

impl Block {
    fn sizes(&self, dims: &[usize]) -> Result<(Sizes, usize)> {
        let &[q, 1, t, h] = dims else {
            bail!("spherical block: expected activations [Q, 1, T, H], found {dims:?}");
        };
        let s = self.sphere.degree.len();
        if self.sphere.harmonics.len() != q * s || q * t * h * s == 0 {
            bail!("spherical block: expected {q} · {s} harmonics, found {}", self.sphere.harmonics.len());
        }
        let degrees = self.sphere.degree.iter().max().map_or(0, |n| *n as usize + 1);
        Ok((Sizes { q, t, h, s }, degrees))
    }
}

impl CustomOp2 for Block {
    fn name(&self) -> &'static str {
        "spherical-block"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout, p: &CpuStorage, p_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let (sizes, degrees) = self.sizes(x_at.dims())?;
        let Sizes { q, t, h, .. } = sizes;
        let (x, p) = (of_cpu("spherical block", x, x_at)?, of_cpu("spherical block", p, p_at)?);
        let p = split(p, h, degrees)?;
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() != q * h {
            bail!("spherical block: expected {} states, found {}", q * h, states.len());
        }
        let mut hidden = states.clone();
        let mut piece = Piece::default();
        let mut y = vec![0f32; x.len()];
        for first in (0..t).step_by(PIECE) {
            piece.forward(x, sizes, first, &p, &self.sphere, &mut hidden)?;
            states.extend_from_slice(&hidden);
            let n = piece.frames * h;
            for (row, (y, middle)) in y.chunks_exact_mut(t * h).zip(piece.middle.chunks_exact(n)).enumerate() {
                let rows = y[first * h..][..n].chunks_exact_mut(h).zip(middle.chunks_exact(h));
                for (frame, (y, middle)) in rows.enumerate() {
                    // States after a frame are those before the next one.
                    let state = match piece.before.get(((frame + 1) * q + row) * h..((frame + 1) * q + row + 1) * h) {
                        Some(state) => state,
                        None => &hidden[row * h..][..h],
                    };
                    y.iter_mut().zip(middle).zip(state).for_each(|((y, m), s)| *y = m + s);
                }
            }
        }
        Ok((CpuStorage::F32(y), x_at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, p: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (sizes, degrees) = self.sizes(x.dims())?;
        let Sizes { q, t, h, .. } = sizes;
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let pieces = t.div_ceil(PIECE);
        if states.len() != (pieces + 1) * q * h {
            bail!("spherical block: expected states of {pieces} pieces, found {} values", states.len());
        }
        let mut to_x = vec![0f32; x.elem_count()];
        // The gradients lie as the parameters do.
        let mut packed = vec![0f32; p.elem_count()];
        let mut free = packed.as_mut_slice();
        let mut to = Parts::of(lengths(h, degrees).map(|len| {
            let (part, rest) = std::mem::take(&mut free).split_at_mut(len);
            free = rest;
            part
        }));
        let (mut piece, mut back, mut onward) = (Piece::default(), Back::default(), vec![0f32; q * h]);
        with_values(x, |x| {
            with_values(p, |p| {
                with_values(grad, |g| {
                    let p = split(p, h, degrees)?;
                    for at in (0..pieces).rev() {
                        let mut hidden = states[at * q * h..][..q * h].to_vec();
                        piece.forward(x, sizes, at * PIECE, &p, &self.sphere, &mut hidden)?;
                        let into = (&mut to_x[..], &mut to);
                        back.back(&piece, g, (sizes, at * PIECE), (&p, &self.sphere), &mut onward, into)?;
                    }
                    Ok(())
                })
            })
        })?;
        Ok((Some(new_like(to_x, x.shape())?), Some(new_like(packed, p.shape())?)))
    }
}
