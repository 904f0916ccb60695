//! Gated recurrent units over time.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::{Gradients3, column_sums, new_like, of_cpu, product, sigmoid, tanh, with_values};

pub(super) struct Gru {
    pub(super) start: Vec<f32>,
}

/// Gates of one unit: reset, update, new.
#[inline(always)]
pub(super) fn gates(input: [f32; 3], recurrent: [f32; 3]) -> [f32; 3] {
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
