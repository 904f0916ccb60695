//! Layer norm and batch norm.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::{Gradients3, LAYER_NORM_EPS, new_like, of_cpu, with_values};

pub(super) struct LayerNorm;

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
