//! Layer norm and batch norm.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::{Gradients3, LAYER_NORM_EPS, new_like, of_cpu, with_values};

pub(super) struct LayerNorm;

/// Additions that go on side by side, so that none waits for the one before.
const LANES: usize = 16;

/// Σ f(a, b) over two rows of one length.
#[inline(always)]
fn sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = whole_a.remainder().iter().zip(whole_b.remainder()).map(|(a, b)| f(*a, *b)).sum::<f32>();
    for (a, b) in whole_a.zip(whole_b) {
        for lane in 0..LANES {
            lanes[lane] += f(a[lane], b[lane]);
        }
    }
    // In halves, whose sizes are known when this is compiled.
    let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3]) + rest
}

/// Mean and reciprocal deviation of a row.
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum(row, row, |x, _| x) / n;
    let variance = sum(row, row, |x, _| (x - mean) * (x - mean)) / n;
    (mean, 1.0 / (variance + LAYER_NORM_EPS).sqrt())
}

/// Layer norm of `rows` into `out`.
pub(super) fn normalize(rows: &[f32], [gain, bias]: [&[f32]; 2], out: &mut Vec<f32>) {
    out.resize(rows.len(), 0.0);
    let h = gain.len().max(1);
    for (row, out) in rows.chunks_exact(h).zip(out.chunks_exact_mut(h)) {
        let (mean, scale) = moments(row);
        for (((out, x), g), b) in out.iter_mut().zip(row).zip(gain).zip(bias) {
            *out = (x - mean) * scale * g + b;
        }
    }
}

/// Adds the gradient of [`normalize`] to `to_rows` and to those of gain and bias, from that of its result.
pub(super) fn normalize_back(
    rows: &[f32],
    gain: &[f32],
    slopes: &[f32],
    to_rows: &mut [f32],
    to_gain: &mut [f32],
    to_bias: &mut [f32],
) {
    let h = gain.len().max(1);
    let (mut normal, mut weighed) = (vec![0f32; h], vec![0f32; h]);
    for ((row, g), to_row) in rows.chunks_exact(h).zip(slopes.chunks_exact(h)).zip(to_rows.chunks_exact_mut(h)) {
        let (mean, scale) = moments(row);
        for ((normal, x), (weighed, (g, w))) in
            normal.iter_mut().zip(row).zip(weighed.iter_mut().zip(g.iter().zip(gain)))
        {
            *normal = (x - mean) * scale;
            *weighed = g * w;
        }
        for ((to_gain, to_bias), (g, normal)) in to_gain.iter_mut().zip(to_bias.iter_mut()).zip(g.iter().zip(&normal)) {
            *to_gain += g * normal;
            *to_bias += g;
        }
        let mean_g = sum(&weighed, &weighed, |g, _| g) / h as f32;
        let mean_normal = sum(&weighed, &normal, |g, x| g * x) / h as f32;
        for (to_row, (g, normal)) in to_row.iter_mut().zip(weighed.iter().zip(&normal)) {
            *to_row += scale * (g - mean_g - normal * mean_normal);
        }
    }
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
        let mut out = Vec::new();
        normalize(x, [w, b], &mut out);
        Ok((CpuStorage::F32(out), x_at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _b: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Gradients3> {
        let h = w.elem_count();
        let w = w.to_vec1::<f32>()?;
        let (mut gx, mut gw, mut gb) = (vec![0f32; x.elem_count()], vec![0f32; h], vec![0f32; h]);
        with_values(x, |x| {
            with_values(grad, |g| {
                normalize_back(x, &w, g, &mut gx, &mut gw, &mut gb);
                Ok(())
            })
        })?;
        Ok((Some(new_like(gx, x.shape())?), Some(new_like(gw, h)?), Some(new_like(gb, h)?)))
    }
}

/// Mean and variance of the columns of `[rows, n]`.
pub(super) fn column_moments(x: &[f32], n: usize) -> (Vec<f32>, Vec<f32>) {
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

pub(super) struct BatchNorm;

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
