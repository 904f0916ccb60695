//! Tensor operations that candle lacks or does differently from what a plugin and a trainer need.
//!
//! candle's own products ask the environment for a number of threads at each call and start rayon's global pool; a plugin must leave
//! the host's process alone. Its fused layer norm has no gradient, its recurrences differentiate in quadratic time. The operations
//! here run on the calling thread alone, and each has its gradient; the tests hold both to candle's own composites.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Storage, Tensor, bail};
use gemm::{Parallelism, gemm};

const LAYER_NORM_EPS: f32 = 1e-5;

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

/// Mean and maximum over the first dimension: `[Q, …, H]` → `[1, …, 2H]`, means first.
pub fn mean_and_max(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(MeanAndMax)
}

/// Every row times its own factor: `x` `[R, n]`, `factors` `[R]`.
pub fn scale_rows(x: &Tensor, factors: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&factors.contiguous()?, ScaleRows)
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
fn with_values<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
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

struct LayerNorm;

/// Mean and reciprocal deviation of a row.
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = row.iter().sum::<f32>() / n;
    let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
    (mean, 1.0 / (variance + LAYER_NORM_EPS).sqrt())
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm-with-gradient"
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
        let h = x_at.dims().last().copied().unwrap_or(0);
        if w_at.dims() != [h] || b_at.dims() != [h] {
            bail!("layer norm: expected gain and bias of {h}, found {:?} and {:?}", w_at.dims(), b_at.dims());
        }
        let (x, w, b) =
            (of_cpu("layer norm", x, x_at)?, of_cpu("layer norm", w, w_at)?, of_cpu("layer norm", b, b_at)?);
        let mut out = vec![0f32; x.len()];
        for (row, out) in x.chunks_exact(h.max(1)).zip(out.chunks_exact_mut(h.max(1))) {
            let (mean, scale) = moments(row);
            for i in 0..h {
                out[i] = (row[i] - mean) * scale * w[i] + b[i];
            }
        }
        Ok((CpuStorage::F32(out), x_at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _b: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Gradients3> {
        let h = w.elem_count();
        let w = w.to_vec1::<f32>()?;
        let (mut gx, mut gw, mut gb) = (vec![0f32; x.elem_count()], vec![0f32; h], vec![0f32; h]);
        with_values(x, |x| {
            with_values(grad, |g| {
                let rows = x.chunks_exact(h.max(1)).zip(g.chunks_exact(h.max(1))).zip(gx.chunks_exact_mut(h.max(1)));
                for ((x, g), gx) in rows {
                    let (mean, scale) = moments(x);
                    let (mut sum, mut sum_normal) = (0f32, 0f32);
                    for i in 0..h {
                        let normal = (x[i] - mean) * scale;
                        gw[i] += g[i] * normal;
                        gb[i] += g[i];
                        sum += g[i] * w[i];
                        sum_normal += g[i] * w[i] * normal;
                    }
                    let (mean_g, mean_normal) = (sum / h as f32, sum_normal / h as f32);
                    for i in 0..h {
                        gx[i] = scale * (g[i] * w[i] - mean_g - (x[i] - mean) * scale * mean_normal);
                    }
                }
                Ok(())
            })
        })?;
        Ok((Some(new_like(gx, x.shape())?), Some(new_like(gw, h)?), Some(new_like(gb, h)?)))
    }
}

/// Mean and variance of the columns of `[rows, n]`.
fn column_moments(x: &[f32], n: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = (x.len() / n.max(1)).max(1) as f64;
    let (mut mean, mut square) = (vec![0f64; n], vec![0f64; n]);
    for row in x.chunks_exact(n.max(1)) {
        for i in 0..n {
            mean[i] += f64::from(row[i]);
            square[i] += f64::from(row[i]) * f64::from(row[i]);
        }
    }
    let variance = |i: usize| (square[i] / rows - (mean[i] / rows).powi(2)).max(0.0) as f32;
    let variance = (0..n).map(variance).collect();
    (mean.into_iter().map(|m| (m / rows) as f32).collect(), variance)
}

struct BatchNorm;

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch-norm"
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
        let n = x_at.dims().last().copied().unwrap_or(0);
        if w_at.dims() != [n] || b_at.dims() != [n] {
            bail!("batch norm: expected gain and bias of {n}, found {:?} and {:?}", w_at.dims(), b_at.dims());
        }
        let (x, w, b) =
            (of_cpu("batch norm", x, x_at)?, of_cpu("batch norm", w, w_at)?, of_cpu("batch norm", b, b_at)?);
        let (mean, variance) = column_moments(x, n);
        let mut out = vec![0f32; x.len()];
        for (row, out) in x.chunks_exact(n.max(1)).zip(out.chunks_exact_mut(n.max(1))) {
            for i in 0..n {
                out[i] = (row[i] - mean[i]) / (variance[i] + LAYER_NORM_EPS).sqrt() * w[i] + b[i];
            }
        }
        Ok((CpuStorage::F32(out), x_at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _b: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Gradients3> {
        let n = w.elem_count();
        let w = w.to_vec1::<f32>()?;
        let (mut gx, mut gw, mut gb) = (vec![0f32; x.elem_count()], vec![0f32; n], vec![0f32; n]);
        with_values(x, |x| {
            with_values(grad, |g| {
                let (mean, variance) = column_moments(x, n);
                let scale: Vec<f32> = variance.iter().map(|v| 1.0 / (v + LAYER_NORM_EPS).sqrt()).collect();
                for (x, g) in x.chunks_exact(n.max(1)).zip(g.chunks_exact(n.max(1))) {
                    for i in 0..n {
                        gw[i] += g[i] * (x[i] - mean[i]) * scale[i];
                        gb[i] += g[i];
                    }
                }
                let rows = (x.len() / n.max(1)).max(1) as f32;
                for ((x, g), gx) in
                    x.chunks_exact(n.max(1)).zip(g.chunks_exact(n.max(1))).zip(gx.chunks_exact_mut(n.max(1)))
                {
                    for i in 0..n {
                        let normal = (x[i] - mean[i]) * scale[i];
                        gx[i] = scale[i] * w[i] * (g[i] - gb[i] / rows - normal * gw[i] / rows);
                    }
                }
                Ok(())
            })
        })?;
        Ok((Some(new_like(gx, x.shape())?), Some(new_like(gw, n)?), Some(new_like(gb, n)?)))
    }
}

struct Attention {
    heads: usize,
}

impl Attention {
    /// Weights `[C, C]` of one head in one frame, softmax over the keys.
    fn weights(&self, q: &[f32], k: &[f32], [c, m]: [usize; 2], head: usize, out: &mut [f32]) {
        let width = m / self.heads;
        let scale = 1.0 / (width as f32).sqrt();
        for i in 0..c {
            let query = &q[i * m + head * width..][..width];
            let row = &mut out[i * c..][..c];
            for (j, weight) in row.iter_mut().enumerate() {
                let key = &k[j * m + head * width..][..width];
                *weight = scale * query.iter().zip(key).map(|(a, b)| a * b).sum::<f32>();
            }
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0;
            for weight in row.iter_mut() {
                *weight = exp(*weight - most);
                sum += *weight;
            }
            row.iter_mut().for_each(|w| *w /= sum);
        }
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention-in-frames"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_at: &Layout,
        k: &CpuStorage,
        k_at: &Layout,
        v: &CpuStorage,
        v_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, c, m) = q_at.shape().dims3()?;
        if k_at.dims() != q_at.dims() || v_at.dims() != q_at.dims() || self.heads == 0 || !m.is_multiple_of(self.heads)
        {
            bail!("attention: expected keys and values of {:?} in {} heads", q_at.dims(), self.heads);
        }
        let (q, k, v) = (of_cpu("attention", q, q_at)?, of_cpu("attention", k, k_at)?, of_cpu("attention", v, v_at)?);
        let width = m / self.heads;
        let mut out = vec![0f32; q.len()];
        let mut weights = vec![0f32; c * c];
        for frame in 0..q.len() / (c * m).max(1) {
            let at = frame * c * m;
            for head in 0..self.heads {
                self.weights(&q[at..][..c * m], &k[at..][..c * m], [c, m], head, &mut weights);
                for i in 0..c {
                    let out = &mut out[at + i * m + head * width..][..width];
                    for j in 0..c {
                        let value = &v[at + j * m + head * width..][..width];
                        out.iter_mut().zip(value).for_each(|(o, v)| *o += weights[i * c + j] * v);
                    }
                }
            }
        }
        Ok((CpuStorage::F32(out), q_at.shape().clone()))
    }

    fn bwd(&self, q: &Tensor, k: &Tensor, v: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Gradients3> {
        let (frames, c, m) = q.dims3()?;
        let width = m / self.heads;
        let scale = 1.0 / (width as f32).sqrt();
        let n = q.elem_count();
        let (mut gq, mut gk, mut gv) = (vec![0f32; n], vec![0f32; n], vec![0f32; n]);
        let all = |x: &Tensor| x.flatten_all()?.to_vec1::<f32>();
        let (qs, ks, vs, gs) = (all(q)?, all(k)?, all(v)?, all(grad)?);
        let (mut weights, mut slopes) = (vec![0f32; c * c], vec![0f32; c]);
        for frame in 0..frames {
            let at = frame * c * m;
            for head in 0..self.heads {
                self.weights(&qs[at..][..c * m], &ks[at..][..c * m], [c, m], head, &mut weights);
                let of = |row: usize| at + row * m + head * width;
                for i in 0..c {
                    let g = &gs[of(i)..][..width];
                    for j in 0..c {
                        let w = weights[i * c + j];
                        slopes[j] = g.iter().zip(&vs[of(j)..][..width]).map(|(a, b)| a * b).sum();
                        gv[of(j)..][..width].iter_mut().zip(g).for_each(|(gv, g)| *gv += w * g);
                    }
                    let mean: f32 = (0..c).map(|j| weights[i * c + j] * slopes[j]).sum();
                    for j in 0..c {
                        let slope = scale * weights[i * c + j] * (slopes[j] - mean);
                        for x in 0..width {
                            gq[of(i) + x] += slope * ks[of(j) + x];
                            gk[of(j) + x] += slope * qs[of(i) + x];
                        }
                    }
                }
            }
        }
        let shape = q.shape();
        Ok((Some(new_like(gq, shape)?), Some(new_like(gk, shape)?), Some(new_like(gv, shape)?)))
    }
}

struct Elu;

impl CustomOp1 for Elu {
    fn name(&self) -> &'static str {
        "elu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = of_cpu("elu", x, at)?.iter().map(|&x| x.max(0.0) + (exp(x.min(0.0)) - 1.0)).collect();
        Ok((CpuStorage::F32(out), at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let values = with_values(result, |y| {
            with_values(grad, |g| Ok(g.iter().zip(y).map(|(g, y)| g * (1.0 + y.min(0.0))).collect()))
        })?;
        Ok(Some(new_like(values, x.shape())?))
    }
}

struct MeanAndMax;

impl CustomOp1 for MeanAndMax {
    fn name(&self) -> &'static str {
        "mean-and-max"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let dims = at.dims();
        let (Some(&q), Some(&h)) = (dims.first(), dims.last()) else { bail!("mean and max: expected dimensions") };
        let x = of_cpu("mean and max", x, at)?;
        let row = x.len() / q.max(1);
        let (mut mean, mut max) = (vec![0f32; row], vec![f32::NEG_INFINITY; row]);
        for x in x.chunks_exact(row.max(1)) {
            for i in 0..row {
                mean[i] += x[i];
                max[i] = max[i].max(x[i]);
            }
        }
        let mut out = Vec::with_capacity(2 * row);
        for (mean, max) in mean.chunks_exact(h.max(1)).zip(max.chunks_exact(h.max(1))) {
            out.extend(mean.iter().map(|m| m / q as f32));
            out.extend_from_slice(max);
        }
        let mut shape = dims.to_vec();
        shape[0] = 1;
        if let Some(last) = shape.last_mut() {
            *last = 2 * h;
        }
        Ok((CpuStorage::F32(out), shape.into()))
    }

    fn bwd(&self, x: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (q, h) = (x.dim(0)?, x.dim(candle_core::D::Minus1)?);
        let row = x.elem_count() / q.max(1);
        let mut out = vec![0f32; x.elem_count()];
        with_values(x, |x| {
            with_values(result, |y| {
                with_values(grad, |g| {
                    let mut open = vec![true; row];
                    for (x, out) in x.chunks_exact(row.max(1)).zip(out.chunks_exact_mut(row.max(1))) {
                        for i in 0..row {
                            let at = i / h * 2 * h + i % h;
                            out[i] = g[at] / q as f32;
                            // The first of several equal maxima takes the gradient.
                            if open[i] && x[i] == y[at + h] {
                                open[i] = false;
                                out[i] += g[at + h];
                            }
                        }
                    }
                    Ok(())
                })
            })
        })?;
        Ok(Some(new_like(out, x.shape())?))
    }
}

struct ScaleRows;

impl CustomOp2 for ScaleRows {
    fn name(&self) -> &'static str {
        "scale-rows"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout, f: &CpuStorage, f_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, n) = x_at.shape().dims2()?;
        if f_at.dims() != [rows] {
            bail!("scale rows: expected {rows} factors, found {:?}", f_at.dims());
        }
        let (x, f) = (of_cpu("scale rows", x, x_at)?, of_cpu("scale rows", f, f_at)?);
        let mut out = Vec::with_capacity(rows * n);
        for (row, f) in x.chunks_exact(n.max(1)).zip(f) {
            out.extend(row.iter().map(|x| x * f));
        }
        Ok((CpuStorage::F32(out), x_at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, f: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (rows, n) = x.dims2()?;
        let dots = with_values(x, |x| {
            with_values(grad, |g| {
                let rows = x.chunks_exact(n.max(1)).zip(g.chunks_exact(n.max(1)));
                Ok(rows.map(|(x, g)| x.iter().zip(g).map(|(x, g)| x * g).sum::<f32>()).collect::<Vec<f32>>())
            })
        })?;
        let to_x = if x.track_op() { Some(scale_rows(grad, &f.detach())?) } else { None };
        Ok((to_x, Some(new_like(dots, rows)?)))
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

struct Gru {
    start: Vec<f32>,
}

/// Gates of one unit: reset, update, new.
#[inline(always)]
fn gates(input: [f32; 3], recurrent: [f32; 3]) -> [f32; 3] {
    let reset = sigmoid(input[0] + recurrent[0]);
    [reset, sigmoid(input[1] + recurrent[1]), tanh(input[2] + reset * recurrent[2])]
}

impl CustomOp3 for Gru {
    fn name(&self) -> &'static str {
        "gru"
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
        let ((r, t, h3), (w_rows, h)) = (x_at.shape().dims3()?, w_at.shape().dims2()?);
        if h3 != 3 * h || w_rows != h3 || b_at.dims() != [h3] || self.start.len() != r * h {
            bail!(
                "gru: expected gates of {h3} = 3 · {h}, {h3} biases and {} states, found {w_rows}, {:?} and {}",
                r * h,
                b_at.dims(),
                self.start.len()
            );
        }
        let (x, w, b) = (of_cpu("gru", x, x_at)?, of_cpu("gru", w, w_at)?, of_cpu("gru", b, b_at)?);
        let mut out = vec![0f32; r * t * h];
        let mut recurrent = vec![0f32; r * h3];
        let mut previous = self.start.clone();
        for step in 0..t {
            for row in recurrent.chunks_exact_mut(h3) {
                row.copy_from_slice(b);
            }
            product(&mut recurrent, h3, true, [r, h, h3], (&previous, [h, 1]), (w, [1, h]))?;
            for ((row, p), state) in recurrent.chunks_exact(h3).enumerate().zip(previous.chunks_exact_mut(h)) {
                let i = &x[(row * t + step) * h3..][..h3];
                let ((i_r, i_zn), (p_r, p_zn)) = (i.split_at(h), p.split_at(h));
                let ((i_z, i_n), (p_z, p_n)) = (i_zn.split_at(h), p_zn.split_at(h));
                for c in 0..h {
                    let [_, z, n] = gates([i_r[c], i_z[c], i_n[c]], [p_r[c], p_z[c], p_n[c]]);
                    // (1 − z) n + z h.
                    state[c] = n + z * (state[c] - n);
                }
                out[(row * t + step) * h..][..h].copy_from_slice(state);
            }
        }
        Ok((CpuStorage::F32(out), (r, t, h).into()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, b: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Gradients3> {
        let (r, t, h) = result.dims3()?;
        let h3 = 3 * h;
        let b = b.to_vec1::<f32>()?;
        // The state before each frame, and what it gave to the gates.
        let mut before = vec![0f32; r * t * h];
        with_values(result, |y| {
            for row in 0..r {
                let to = &mut before[row * t * h..][..t * h];
                to[..h].copy_from_slice(&self.start[row * h..][..h]);
                to[h..].copy_from_slice(&y[row * t * h..][..(t - 1) * h]);
            }
            Ok(())
        })?;
        let mut recurrent = Vec::with_capacity(r * t * h3);
        for _ in 0..r * t {
            recurrent.extend_from_slice(&b);
        }
        let (mut to_input, mut to_recurrent) = (vec![0f32; r * t * h3], vec![0f32; r * t * h3]);
        let mut to_weight = vec![0f32; h3 * h];
        with_values(w, |w| {
            product(&mut recurrent, h3, true, [r * t, h, h3], (&before, [h, 1]), (w, [1, h]))?;
            let (mut onward, mut step_gates) = (vec![0f32; r * h], vec![0f32; r * h3]);
            with_values(x, |x| {
                with_values(grad, |g| {
                    for step in (0..t).rev() {
                        for row in 0..r {
                            let at = row * t + step;
                            let (i, p) = (&x[at * h3..][..h3], &recurrent[at * h3..][..h3]);
                            let (g, before) = (&g[at * h..][..h], &before[at * h..][..h]);
                            let to = &mut to_input[at * h3..][..h3];
                            let onward = &mut onward[row * h..][..h];
                            let step_gates = &mut step_gates[row * h3..][..h3];
                            for c in 0..h {
                                let [reset, z, n] =
                                    gates([i[c], i[h + c], i[2 * h + c]], [p[c], p[h + c], p[2 * h + c]]);
                                let d = g[c] + onward[c];
                                let d_n = d * (1.0 - z) * (1.0 - n * n);
                                let d_z = d * (before[c] - n) * z * (1.0 - z);
                                let d_r = d_n * p[2 * h + c] * reset * (1.0 - reset);
                                (to[c], to[h + c], to[2 * h + c]) = (d_r, d_z, d_n);
                                (step_gates[c], step_gates[h + c], step_gates[2 * h + c]) = (d_r, d_z, d_n * reset);
                                onward[c] = d * z;
                            }
                            to_recurrent[at * h3..][..h3].copy_from_slice(step_gates);
                        }
                        product(&mut onward, h, true, [r, h3, h], (&step_gates, [h3, 1]), (w, [h, 1]))?;
                    }
                    Ok(())
                })
            })
        })?;
        product(&mut to_weight, h, false, [h3, r * t, h], (&to_recurrent, [1, h3]), (&before, [h, 1]))?;
        let to_bias = column_sums(&to_recurrent, h3);
        Ok((Some(new_like(to_input, (r, t, h3))?), Some(new_like(to_weight, (h3, h))?), Some(new_like(to_bias, h3)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn random(shape: (usize, usize)) -> Var {
        Var::randn(0f32, 1f32, shape, &Device::Cpu).unwrap()
    }

    fn worst(a: &Tensor, b: &Tensor) -> f32 {
        (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn products_and_gradients_are_candles_own() {
        for (m, k, n) in [(1, 1, 1), (3, 5, 7), (64, 33, 20), (256, 96, 13)] {
            let (a, b) = (random((m, k)), random((k, n)));
            assert!(worst(&matmul(&a, &b).unwrap(), &a.matmul(&b).unwrap()) < 1e-4);
            let ours = matmul(&a, &b).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let theirs = a.matmul(&b).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
            for v in [&a, &b] {
                assert!(worst(ours.get(v).unwrap(), theirs.get(v).unwrap()) < 1e-2);
            }
        }
    }

    #[test]
    fn any_layout_of_the_operands_serves() {
        let (a, b) = (random((20, 9)), random((20, 11)));
        let found = matmul(&a.t().unwrap(), &b).unwrap();
        assert!(worst(&found, &a.t().unwrap().contiguous().unwrap().matmul(&b).unwrap()) < 1e-4);
        let (top, part) = (a.narrow(0, 3, 5).unwrap(), b.narrow(1, 2, 4).unwrap().narrow(0, 1, 9).unwrap());
        let expected = top.contiguous().unwrap().matmul(&part.contiguous().unwrap()).unwrap();
        assert!(worst(&matmul(&top, &part).unwrap(), &expected) < 1e-4);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(matmul(&random((2, 3)), &random((2, 3))).is_err());
    }

    /// Largest difference of values and of gradients between two ways to compute the same thing.
    fn compare(ours: &Tensor, theirs: &Tensor, inputs: &[&Var]) -> f32 {
        assert_eq!(ours.dims(), theirs.dims());
        // Every output weighs differently, so that no error cancels.
        let weight = Tensor::randn(0f32, 1f32, ours.shape(), &Device::Cpu).unwrap();
        let of = |y: &Tensor| (y * &weight).unwrap().sum_all().unwrap().backward().unwrap();
        let (a, b) = (of(ours), of(theirs));
        let gradients = inputs.iter().map(|v| worst(a.get(v).unwrap(), b.get(v).unwrap()));
        gradients.fold(worst(ours, theirs), f32::max)
    }

    fn var(shape: &[usize]) -> Var {
        Var::randn(0f32, 1f32, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn affine_maps_and_their_gradients_are_candles_own() {
        let (x, w, b) = (var(&[3, 5, 7]), var(&[4, 7]), var(&[4]));
        let theirs = x.broadcast_matmul(&w.t().unwrap()).unwrap().broadcast_add(&b).unwrap();
        assert!(compare(&linear(&x, &w, &b).unwrap(), &theirs, &[&x, &w, &b]) < 1e-4);
        assert!(linear(&x, &var(&[4, 6]), &b).is_err());
    }

    #[test]
    fn layer_norm_and_its_gradients_are_the_composites() {
        let (x, w, b) = (var(&[6, 5, 8]), var(&[8]), var(&[8]));
        let theirs = candle_nn::ops::layer_norm_slow(&x, &w, &b, LAYER_NORM_EPS).unwrap();
        assert!(compare(&layer_norm(&x, &w, &b).unwrap(), &theirs, &[&x, &w, &b]) < 1e-4);
    }

    #[test]
    fn batch_norm_and_its_gradients_are_the_composites() {
        let (x, w, b) = (var(&[4, 5, 3]), var(&[3]), var(&[3]));
        let rows = x.reshape((20, 3)).unwrap();
        let centred = rows.broadcast_sub(&rows.mean_keepdim(0).unwrap()).unwrap();
        let deviation = (centred.sqr().unwrap().mean_keepdim(0).unwrap() + f64::from(LAYER_NORM_EPS)).unwrap().sqrt();
        let theirs = centred.broadcast_div(&deviation.unwrap()).unwrap();
        let theirs = theirs.broadcast_mul(&w).unwrap().broadcast_add(&b).unwrap().reshape((4, 5, 3)).unwrap();
        assert!(compare(&batch_norm(&x, &w, &b).unwrap(), &theirs, &[&x, &w, &b]) < 1e-4);
        let (mean, variance) = feature_moments(&x).unwrap();
        assert!((mean[1] - rows.mean(0).unwrap().to_vec1::<f32>().unwrap()[1]).abs() < 1e-5);
        assert!(variance.iter().all(|v| *v > 0.0));
    }

    #[test]
    fn attention_and_its_gradients_are_the_composites() {
        let (t, c, m, heads) = (3, 5, 8, 2);
        let (q, k, v) = (var(&[t, c, m]), var(&[t, c, m]), var(&[t, c, m]));
        let split = |x: &Var| {
            let x = x.reshape((t, c, heads, m / heads)).unwrap();
            x.transpose(1, 2).unwrap().contiguous().unwrap()
        };
        let scores = split(&q).matmul(&split(&k).t().unwrap().contiguous().unwrap()).unwrap();
        let weights = candle_nn::ops::softmax(&(scores / (4f64).sqrt()).unwrap(), 3).unwrap();
        let theirs = weights.matmul(&split(&v)).unwrap().transpose(1, 2).unwrap().reshape((t, c, m)).unwrap();
        assert!(compare(&attention(&q, &k, &v, heads).unwrap(), &theirs, &[&q, &k, &v]) < 1e-4);
        assert!(attention(&q, &k, &v, 3).is_err());
    }

    #[test]
    fn elu_and_its_gradient_are_candles_own() {
        let x = var(&[40, 9]);
        assert!(compare(&elu(&x).unwrap(), &x.elu(1.0).unwrap(), &[&x]) < 1e-5);
        let far = Tensor::new(&[-1e30f32, -100.0, -0.0, 0.0, 100.0, 1e30], &Device::Cpu).unwrap();
        assert_eq!(elu(&far).unwrap().to_vec1::<f32>().unwrap(), [-1.0, -1.0, 0.0, 0.0, 100.0, 1e30]);
    }

    #[test]
    fn scaled_rows_and_their_gradients_are_candles_own() {
        let (x, f) = (var(&[6, 5]), var(&[6]));
        let theirs = x.broadcast_mul(&f.unsqueeze(1).unwrap()).unwrap();
        assert!(compare(&scale_rows(&x, &f).unwrap(), &theirs, &[&x, &f]) < 1e-5);
        assert!(scale_rows(&x, &var(&[5])).is_err());
    }

    #[test]
    fn leaky_averages_and_their_gradients_are_the_composites() {
        let x = var(&[5, 3]);
        let mut state = Tensor::new(&[0.3f32, -1.0, 2.0], &Device::Cpu).unwrap();
        let mut rows = Vec::new();
        for t in 0..5 {
            let row = x.narrow(0, t, 1).unwrap().squeeze(0).unwrap();
            state = ((&state * 0.75).unwrap() + (row * 0.25).unwrap()).unwrap();
            rows.push(state.clone());
        }
        let theirs = Tensor::stack(&rows, 0).unwrap();
        assert!(compare(&leaky_average(&x, 0.75, &[0.3, -1.0, 2.0]).unwrap(), &theirs, &[&x]) < 1e-5);
        assert!(leaky_average(&x, 0.75, &[0.3]).is_err());
    }

    #[test]
    fn slopes_lead_to_the_frequency_of_their_bin() {
        let f = var(&[2]);
        // [3 rows][2 bins][2 values]: inner 2.
        let slopes: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let y = with_slopes(&f, vec![1.0; 12], slopes, &[3, 4], 2).unwrap();
        assert_eq!(y.dims(), [3, 4]);
        let gradient = y.sum_all().unwrap().backward().unwrap().get(&f).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(gradient, [27.0, 39.0]);
        assert!(with_slopes(&f, vec![1.0; 11], vec![0.0; 12], &[3, 4], 2).is_err());
    }

    #[test]
    fn mean_and_max_and_their_gradients_are_candles_own() {
        let x = var(&[11, 2, 3, 4]);
        let theirs = Tensor::cat(&[x.mean_keepdim(0).unwrap(), x.max_keepdim(0).unwrap()], 3).unwrap();
        assert!(compare(&mean_and_max(&x).unwrap(), &theirs, &[&x]) < 1e-5);
    }

    #[test]
    fn recurrent_units_and_their_gradients_are_the_composites() {
        let (rows, steps, h) = (5, 7, 4);
        let (x, w, b) = (var(&[rows, steps, 3 * h]), var(&[3 * h, h]), var(&[3 * h]));
        let start = Tensor::randn(0f32, 1f32, (rows, h), &Device::Cpu).unwrap();
        let mut state = start.clone();
        let mut states = Vec::new();
        for step in 0..steps {
            let i = x.narrow(1, step, 1).unwrap().squeeze(1).unwrap();
            let p = state.matmul(&w.t().unwrap()).unwrap().broadcast_add(&b).unwrap();
            let part = |x: &Tensor, n: usize| x.narrow(1, n * h, h).unwrap();
            let sigmoid = |x: Tensor| candle_nn::ops::sigmoid(&x).unwrap();
            let reset = sigmoid((part(&i, 0) + part(&p, 0)).unwrap());
            let update = sigmoid((part(&i, 1) + part(&p, 1)).unwrap());
            let new = (part(&i, 2) + (reset * part(&p, 2)).unwrap()).unwrap().tanh().unwrap();
            state = (&new + (update * (&state - &new).unwrap()).unwrap()).unwrap();
            states.push(state.clone());
        }
        let theirs = Tensor::stack(&states, 1).unwrap();
        let start = start.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(compare(&gru(&x, &w, &b, &start).unwrap(), &theirs, &[&x, &w, &b]) < 2e-4);
        assert!(gru(&x, &w, &b, &start[1..]).is_err());
    }

    #[test]
    fn the_exponential_is_exact_to_single_precision() {
        for i in -8700..=8700 {
            let x = i as f32 * 0.01;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "{x}");
        }
        assert!(tanh(1e9) == 1.0 && tanh(-1e9) == -1.0 && sigmoid(0.0) == 0.5);
    }
}
