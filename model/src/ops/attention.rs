//! Attention over the channels of each frame.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::{Gradients3, exp, new_like, of_cpu};

pub(super) struct Attention {
    pub(super) heads: usize,
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
