//! Tensor operations that candle lacks or does differently from what a plugin and a trainer need.
//!
//! candle's own products ask the environment for a number of threads at each call and start rayon's global pool; a plugin must leave
//! the host's process alone. Its fused layer norm has no gradient, its recurrences differentiate in quadratic time. The operations
//! here run on the calling thread alone, and each has its gradient; the tests hold both to candle's own composites.

mod attention;
mod block;
mod norms;
mod recurrent;
mod sphere;
#[cfg(test)]
mod tests;
mod votes;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Storage, Tensor, bail};
use gemm::{Parallelism, gemm};

use attention::Attention;
pub(crate) use block::{BlockParameters, spherical_block};
use norms::{BatchNorm, LayerNorm, column_moments};
use recurrent::Gru;
pub(crate) use sphere::BlockSphere;
pub(crate) use votes::{Votes, with_exponents};

const LAYER_NORM_EPS: f32 = 1e-5;

/// The first `len` values of a working buffer that only grows, whatever they are.
pub(crate) fn grown(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// Matrix product of two rank-2 tensors of singles.
pub fn matmul(lhs: &Tensor, rhs: &Tensor) -> Result<Tensor> {
    lhs.apply_op2(rhs, MatMul)
}

/// x Wᵀ + b over the last dimension: `x` `[…, in]`, `weight` `[out, in]`, `bias` `[out]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Affine)
}

/// Layer norm over the last dimension H with gain and bias `[H]`, ε = 1e−5.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, LayerNorm)
}

/// Batch norm with the statistics of `x` itself: over all rows of `[…, F]` for each feature; gain and bias `[F]`, ε = 1e−5.
pub fn batch_norm(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, BatchNorm)
}

/// Mean and variance of each feature over all rows of `[…, F]`, `[F]` each; nothing is differentiated.
pub fn feature_moments(x: &Tensor) -> Result<(Vec<f32>, Vec<f32>)> {
    let features = x.dim(candle_core::D::Minus1)?;
    with_values(x, |x| Ok(column_moments(x, features)))
}

/// Multi-head attention within each frame: queries, keys and values `[T, C, M]` → `[T, C, M]`, heads of M / `heads` features.
pub fn attention(queries: &Tensor, keys: &Tensor, values: &Tensor, heads: usize) -> Result<Tensor> {
    queries.contiguous()?.apply_op3(&keys.contiguous()?, &values.contiguous()?, Attention { heads })
}

/// ELU with α = 1.
pub fn elu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Elu)
}

/// Bands of bins, each bin of each frame with its own weight: Σ_k `bands`[m, k] `weights`[k, t] `x`[k, t, q].
///
/// `x` `[K·T, Q]`, `bands` `[M, K]`, `weights` `[K·T]` → `[M, T·Q]`.
pub fn mix(x: &Tensor, bands: &Tensor, weights: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&bands.contiguous()?, &weights.contiguous()?, Mix)
}

/// `values` as they are, shaped as `shape`; to `frequencies` `[K]` flows the gradient along `slopes`, the derivative of each value by the
/// frequency of its bin. The bin of value i is (i / `inner`) mod K.
///
/// # Errors
/// When the numbers of values, slopes and shape differ.
pub fn with_slopes(
    frequencies: &Tensor,
    values: Vec<f32>,
    slopes: Vec<f32>,
    shape: &[usize],
    inner: usize,
) -> Result<Tensor> {
    let shape = Shape::from(shape);
    if values.len() != shape.elem_count() || slopes.len() != values.len() || inner == 0 {
        bail!("with slopes: expected {} values, found {} and {}", shape.elem_count(), values.len(), slopes.len());
    }
    frequencies.contiguous()?.apply_op1(WithSlopes { values, slopes, shape, inner })
}

/// Leaky averages over time: y_t = `keep` y_{t−1} + (1 − `keep`) x_t for each column of `x` `[T, n]`; `start` `[n]` is y before the first
/// row (no gradient reaches it).
pub fn leaky_average(x: &Tensor, keep: f32, start: &[f32]) -> Result<Tensor> {
    x.contiguous()?.apply_op1(LeakyAverage { keep, start: start.to_vec() })
}

/// Gated recurrent units over time, gates in the order reset, update, new.
///
/// `from_input` `[R, T, 3H]` holds W_ih x + b_ih, `weight` `[3H, H]` and `bias` `[3H]` are the recurrent ones, `start` `[R, H]` the state
/// before the first frame (no gradient reaches it). Returns all states `[R, T, H]`.
pub fn gru(from_input: &Tensor, weight: &Tensor, bias: &Tensor, start: &[f32]) -> Result<Tensor> {
    from_input.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Gru { start: start.to_vec() })
}

/// e^x within 2e−7 relative for |x| ≤ 87, written so that compilers vectorise it.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 87.0);
    // Adding and taking 1.5 · 2²³ rounds to the nearest whole number.
    let whole = x * std::f32::consts::LOG2_E + 12_582_912.0;
    let n = whole - 12_582_912.0;
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let e = p * r * r + r + 1.0;
    f32::from_bits((e.to_bits() as i32 + ((whole.to_bits() as i32) << 23)) as u32)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

#[inline(always)]
fn elu_of(x: f32) -> f32 {
    x.max(0.0) + (exp(x.min(0.0)) - 1.0)
}

/// The values of a contiguous CPU tensor of singles.
fn of_cpu<'a>(name: &str, storage: &'a CpuStorage, at: &Layout) -> Result<&'a [f32]> {
    let (CpuStorage::F32(values), Some((start, end))) = (storage, at.contiguous_offsets()) else {
        bail!(
            "{name}: expected contiguous {:?}, found {:?} with strides {:?}",
            DType::F32,
            storage.dtype(),
            at.stride()
        );
    };
    Ok(&values[start..end])
}

/// Runs `f` on the values of a tensor, row by row as they are shaped.
pub(crate) fn with_values<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(cpu) => f(of_cpu("values", cpu, layout)?),
        _ => bail!("expected a tensor in main memory"),
    }
}

fn new_like(values: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &candle_core::Device::Cpu)
}

/// One operand of a product: values, and strides of rows and columns.
type Operand<'a> = (&'a [f32], [usize; 2]);

/// `out` `[m, n]` with rows `out_row` apart = (keep ? out : 0) + a `[m, k]` · b `[k, n]`.
fn product(
    out: &mut [f32],
    out_row: usize,
    keep: bool,
    [m, k, n]: [usize; 3],
    a: Operand<'_>,
    b: Operand<'_>,
) -> Result<()> {
    let reaches = |rows: usize, cols: usize, [row, col]: [usize; 2], len: usize| {
        rows == 0 || cols == 0 || (rows - 1) * row + (cols - 1) * col < len
    };
    if !reaches(m, k, a.1, a.0.len()) || !reaches(k, n, b.1, b.0.len()) || !reaches(m, n, [out_row, 1], out.len()) {
        bail!("matmul: a layout reaches beyond its storage");
    }
    if m > 1 && out_row < n {
        bail!("matmul: rows of the result overlap");
    }
    // SAFETY: the largest index that the strides of each side and of the result reach was checked to lie inside its slice.
    unsafe {
        gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_row as isize,
            keep,
            a.0.as_ptr(),
            a.1[1] as isize,
            a.1[0] as isize,
            b.0.as_ptr(),
            b.1[1] as isize,
            b.1[0] as isize,
            if keep { 1f32 } else { 0f32 },
            1f32,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
    Ok(())
}

/// Sums of the columns of `[rows, n]`.
fn column_sums(x: &[f32], n: usize) -> Vec<f32> {
    let mut sums = vec![0f32; n];
    for row in x.chunks_exact(n.max(1)) {
        for (s, x) in sums.iter_mut().zip(row) {
            *s += x;
        }
    }
    sums
}

struct MatMul;

impl CustomOp2 for MatMul {
    fn name(&self) -> &'static str {
        "matmul-on-this-thread"
    }

    fn cpu_fwd(&self, a: &CpuStorage, a_at: &Layout, b: &CpuStorage, b_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let ((m, k), (k_b, n)) = (a_at.shape().dims2()?, b_at.shape().dims2()?);
        if k != k_b {
            bail!("matmul: expected {k} rows on the right, found {k_b}");
        }
        let (CpuStorage::F32(a), CpuStorage::F32(b)) = (a, b) else {
            bail!("matmul: expected {:?} on both sides, found {:?} and {:?}", DType::F32, a.dtype(), b.dtype());
        };
        let mut out = vec![0f32; m * n];
        let (a, b) = (&a[a_at.start_offset()..], &b[b_at.start_offset()..]);
        product(&mut out, n, false, [m, k, n], (a, strides(a_at)), (b, strides(b_at)))?;
        Ok((CpuStorage::F32(out), (m, n).into()))
    }

    fn bwd(
        &self,
        lhs: &Tensor,
        rhs: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let left = if lhs.track_op() { Some(matmul(grad, &rhs.t()?)?) } else { None };
        let right = if rhs.track_op() { Some(matmul(&lhs.t()?, grad)?) } else { None };
        Ok((left, right))
    }
}

fn strides(layout: &Layout) -> [usize; 2] {
    match layout.stride() {
        [row, col] => [*row, *col],
        _ => [0, 0],
    }
}

type Gradients3 = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

struct Affine;

impl CustomOp3 for Affine {
    fn name(&self) -> &'static str {
        "affine-on-this-thread"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        w: &CpuStorage,
        w_at: &Layout,
        b: &CpuStorage,
        b_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, k) = w_at.shape().dims2()?;
        let mut dims = x_at.dims().to_vec();
        let inputs = dims.pop().unwrap_or(0);
        if inputs != k || b_at.dims() != [n] {
            bail!("linear: expected {k} inputs and {n} biases, found {inputs} and {:?}", b_at.dims());
        }
        let (x, w, b) = (of_cpu("linear", x, x_at)?, of_cpu("linear", w, w_at)?, of_cpu("linear", b, b_at)?);
        let m = dims.iter().product();
        let mut out = Vec::with_capacity(m * n);
        for _ in 0..m {
            out.extend_from_slice(b);
        }
        product(&mut out, n, true, [m, k, n], (x, [k, 1]), (w, [1, k]))?;
        dims.push(n);
        Ok((CpuStorage::F32(out), dims.into()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _b: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Gradients3> {
        let (n, k) = w.dims2()?;
        let m = x.elem_count() / k.max(1);
        with_values(grad, |g| {
            let gx = if x.track_op() {
                let mut gx = vec![0f32; m * k];
                with_values(w, |w| product(&mut gx, k, false, [m, n, k], (g, [n, 1]), (w, [k, 1])))?;
                Some(new_like(gx, x.shape())?)
            } else {
                None
            };
            let mut gw = vec![0f32; n * k];
            with_values(x, |x| product(&mut gw, k, false, [n, m, k], (g, [1, n]), (x, [k, 1])))?;
            Ok((gx, Some(new_like(gw, (n, k))?), Some(new_like(column_sums(g, n), n)?)))
        })
    }
}

struct Elu;

impl CustomOp1 for Elu {
    fn name(&self) -> &'static str {
        "elu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = of_cpu("elu", x, at)?.iter().map(|&x| elu_of(x)).collect();
        Ok((CpuStorage::F32(out), at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let values = with_values(result, |y| {
            with_values(grad, |g| Ok(g.iter().zip(y).map(|(g, y)| g * (1.0 + y.min(0.0))).collect()))
        })?;
        Ok(Some(new_like(values, x.shape())?))
    }
}

struct Mix;

impl Mix {
    /// M, K, T, Q.
    fn sizes(x: &[usize], bands: &[usize], weights: &[usize]) -> Result<[usize; 4]> {
        match (x, bands, weights) {
            (&[rows, q], &[m, k], &[len]) if rows == len && k > 0 && rows.is_multiple_of(k) => Ok([m, k, rows / k, q]),
            _ => bail!("mix: expected [K·T, Q], [M, K] and [K·T], found {x:?}, {bands:?} and {weights:?}"),
        }
    }

    /// The bands' weights in frame `t`, `[M][K]`.
    fn weighed([k, frames]: [usize; 2], t: usize, bands: &[f32], weights: &[f32], out: &mut [f32]) {
        for (out, band) in out.chunks_exact_mut(k).zip(bands.chunks_exact(k)) {
            for ((out, band), weight) in out.iter_mut().zip(band).zip(weights[t..].iter().step_by(frames)) {
                *out = band * weight;
            }
        }
    }
}

impl CustomOp3 for Mix {
    fn name(&self) -> &'static str {
        "mix-weighed-bins"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        bands: &CpuStorage,
        bands_at: &Layout,
        weights: &CpuStorage,
        weights_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let [m, k, t, q] = Self::sizes(x_at.dims(), bands_at.dims(), weights_at.dims())?;
        let (x, bands) = (of_cpu("mix", x, x_at)?, of_cpu("mix", bands, bands_at)?);
        let weights = of_cpu("mix", weights, weights_at)?;
        let mut out = vec![0f32; m * t * q];
        let mut weighed = vec![0f32; m * k];
        for frame in 0..t {
            Self::weighed([k, t], frame, bands, weights, &mut weighed);
            let at = frame * q;
            product(&mut out[at..], t * q, false, [m, k, q], (&weighed, [k, 1]), (&x[at..], [t * q, 1]))?;
        }
        Ok((CpuStorage::F32(out), (m, t * q).into()))
    }

    fn bwd(&self, x: &Tensor, bands: &Tensor, weights: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Gradients3> {
        let [m, k, t, q] = Self::sizes(x.dims(), bands.dims(), weights.dims())?;
        let (mut to_bands, mut to_weights) = (vec![0f32; m * k], vec![0f32; k * t]);
        let mut to_x = vec![0f32; if x.track_op() { x.elem_count() } else { 0 }];
        let (mut weighed, mut dots) = (vec![0f32; m * k], vec![0f32; m * k]);
        let (bands_v, weights_v) = (bands.flatten_all()?.to_vec1::<f32>()?, weights.to_vec1::<f32>()?);
        with_values(x, |x| {
            with_values(grad, |g| {
                for frame in 0..t {
                    let at = frame * q;
                    product(&mut dots, k, false, [m, q, k], (&g[at..], [t * q, 1]), (&x[at..], [1, t * q]))?;
                    for (i, dot) in dots.iter().enumerate() {
                        let bin = i % k;
                        to_bands[i] += dot * weights_v[bin * t + frame];
                        to_weights[bin * t + frame] += dot * bands_v[i];
                    }
                    if !to_x.is_empty() {
                        Self::weighed([k, t], frame, &bands_v, &weights_v, &mut weighed);
                        let (a, b) = ((&weighed[..], [1, k]), (&g[at..], [t * q, 1]));
                        product(&mut to_x[at..], t * q, false, [k, m, q], a, b)?;
                    }
                }
                Ok(())
            })
        })?;
        let to_x = if to_x.is_empty() { None } else { Some(new_like(to_x, x.shape())?) };
        Ok((to_x, Some(new_like(to_bands, (m, k))?), Some(new_like(to_weights, k * t)?)))
    }
}

struct LeakyAverage {
    keep: f32,
    start: Vec<f32>,
}

impl CustomOp1 for LeakyAverage {
    fn name(&self) -> &'static str {
        "leaky-average"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, n) = at.shape().dims2()?;
        if self.start.len() != n || n == 0 {
            bail!("leaky average: expected a start of {n}, found {}", self.start.len());
        }
        let x = of_cpu("leaky average", x, at)?;
        let mut state = self.start.clone();
        let mut out = Vec::with_capacity(x.len());
        for row in x.chunks_exact(n) {
            for (s, x) in state.iter_mut().zip(row) {
                *s = self.keep * *s + (1.0 - self.keep) * x;
            }
            out.extend_from_slice(&state);
        }
        Ok((CpuStorage::F32(out), at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (t, n) = x.dims2()?;
        let mut out = with_values(grad, |g| Ok(g.to_vec()))?;
        for i in (0..t.saturating_sub(1) * n).rev() {
            out[i] += self.keep * out[i + n];
        }
        out.iter_mut().for_each(|g| *g *= 1.0 - self.keep);
        Ok(Some(new_like(out, (t, n))?))
    }
}

struct WithSlopes {
    values: Vec<f32>,
    slopes: Vec<f32>,
    shape: Shape,
    inner: usize,
}

impl CustomOp1 for WithSlopes {
    fn name(&self) -> &'static str {
        "with-slopes"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.values.clone()), self.shape.clone()))
    }

    fn bwd(&self, frequencies: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let bins = frequencies.elem_count();
        let mut sums = vec![0f64; bins];
        with_values(grad, |g| {
            for (i, (g, s)) in g.chunks(self.inner).zip(self.slopes.chunks(self.inner)).enumerate() {
                sums[i % bins] += f64::from(g.iter().zip(s).map(|(g, s)| g * s).sum::<f32>());
            }
            Ok(())
        })?;
        Ok(Some(new_like(sums.into_iter().map(|x| x as f32).collect(), bins)?))
    }
}
