//! Gated recurrent units over time.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::{Gradients3, column_sums, new_like, of_cpu, product, sigmoid, tanh, with_values};

pub(super) struct Gru {
    pub(super) start: Vec<f32>,
}

/// Units that are computed side by side. A loop over 48 of them would be made for 32 at once, and the rest would go one by one.
const LANES: usize = 16;

/// Takes one row of H units a frame further: `gates` `[3H]` holds what the input gives to them and then the gates themselves, `recurrent`
/// `[3H]` what the state gives to them, `state` `[H]` the state before and after.
#[inline(always)]
pub(super) fn advance(gates: &mut [f32], recurrent: &[f32], state: &mut [f32]) {
    let whole = state.len() - state.len() % LANES;
    advance_by::<LANES>(gates, recurrent, state, [0, whole]);
    advance_by::<1>(gates, recurrent, state, [whole, state.len()]);
}

/// The units from one number to another, N at a time.
#[inline(always)]
fn advance_by<const N: usize>(all_gates: &mut [f32], recurrent: &[f32], state: &mut [f32], [first, end]: [usize; 2]) {
    let h = state.len();
    for at in (first..end).step_by(N) {
        let part = |of: &[f32], gate: usize| -> [f32; N] { std::array::from_fn(|c| of[gate * h + at..][..N][c]) };
        let [i_r, i_z, i_n] = [0, 1, 2].map(|gate| part(all_gates, gate));
        let [p_r, p_z, p_n] = [0, 1, 2].map(|gate| part(recurrent, gate));
        let (mut reset, mut update, mut fresh) = ([0f32; N], [0f32; N], [0f32; N]);
        for c in 0..N {
            [reset[c], update[c], fresh[c]] = gates([i_r[c], i_z[c], i_n[c]], [p_r[c], p_z[c], p_n[c]]);
        }
        for (c, h) in state[at..at + N].iter_mut().enumerate() {
            // (1 − z) n + z h.
            *h = fresh[c] + update[c] * (*h - fresh[c]);
        }
        for (gate, values) in [reset, update, fresh].iter().enumerate() {
            all_gates[gate * h + at..][..N].copy_from_slice(values);
        }
    }
}

/// Back through [`advance`] for one row: the gradient of the state after it, `onward` `[H]` and `slopes` `[H]` together, becomes that of
/// what input and state gave to the gates, `to_gates` and `to_recurrent` `[3H]`, and, `onward`, of the state before, without the way
/// through its weights.
#[inline(always)]
pub(super) fn retreat(
    (gates, recurrent, before): (&[f32], &[f32], &[f32]),
    slopes: &[f32],
    onward: &mut [f32],
    [to_gates, to_recurrent]: [&mut [f32]; 2],
) {
    let whole = before.len() - before.len() % LANES;
    retreat_by::<LANES>((gates, recurrent, before), slopes, onward, [to_gates, to_recurrent], [0, whole]);
    retreat_by::<1>((gates, recurrent, before), slopes, onward, [to_gates, to_recurrent], [whole, before.len()]);
}

/// The units from one number to another, N at a time.
#[inline(always)]
fn retreat_by<const N: usize>(
    (gates, recurrent, before): (&[f32], &[f32], &[f32]),
    slopes: &[f32],
    onward: &mut [f32],
    [to_gates, to_recurrent]: [&mut [f32]; 2],
    [first, end]: [usize; 2],
) {
    let h = before.len();
    for at in (first..end).step_by(N) {
        let part = |of: &[f32], gate: usize| -> [f32; N] { std::array::from_fn(|c| of[gate * h + at..][..N][c]) };
        let [reset, z, new] = [0, 1, 2].map(|gate| part(gates, gate));
        let (from_state, before, g) = (part(recurrent, 2), part(before, 0), part(slopes, 0));
        let mut d = part(onward, 0);
        let (mut to_r, mut to_z, mut to_n, mut also_n) = ([0f32; N], [0f32; N], [0f32; N], [0f32; N]);
        for c in 0..N {
            d[c] += g[c];
            to_n[c] = d[c] * (1.0 - z[c]) * (1.0 - new[c] * new[c]);
            to_z[c] = d[c] * (before[c] - new[c]) * z[c] * (1.0 - z[c]);
            to_r[c] = to_n[c] * from_state[c] * reset[c] * (1.0 - reset[c]);
            also_n[c] = to_n[c] * reset[c];
            d[c] *= z[c];
        }
        for (gate, (values, also)) in [(to_r, to_r), (to_z, to_z), (to_n, also_n)].iter().enumerate() {
            to_gates[gate * h + at..][..N].copy_from_slice(values);
            to_recurrent[gate * h + at..][..N].copy_from_slice(also);
        }
        onward[at..at + N].copy_from_slice(&d);
    }
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
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    #[test]
    fn units_side_by_side_are_what_they_are_one_by_one() {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut random = |n: usize| (0..n).map(|_| rng.random_range(-2.0..2.0)).collect::<Vec<f32>>();
        // Two whole vectors, and three units that are left.
        let h = 2 * LANES + 3;
        let (input, recurrent, before, slopes, onward) =
            (random(3 * h), random(3 * h), random(h), random(h), random(h));
        let (mut gates, mut state) = (input.clone(), before.clone());
        advance(&mut gates, &recurrent, &mut state);
        let (mut one_gates, mut one_state) = (input, before.clone());
        advance_by::<1>(&mut one_gates, &recurrent, &mut one_state, [0, h]);
        let [(mut to_gates, mut to_recurrent, mut back), (mut one_to, mut one_also, mut one_back)] =
            [(); 2].map(|()| (vec![f32::NAN; 3 * h], vec![f32::NAN; 3 * h], onward.clone()));
        retreat((&gates, &recurrent, &before), &slopes, &mut back, [&mut to_gates, &mut to_recurrent]);
        let (was, to) = ((&gates[..], &recurrent[..], &before[..]), [&mut one_to[..], &mut one_also[..]]);
        retreat_by::<1>(was, &slopes, &mut one_back, to, [0, h]);
        for (ours, theirs) in
            [(gates, one_gates), (state, one_state), (to_gates, one_to), (to_recurrent, one_also), (back, one_back)]
        {
            for (a, b) in ours.iter().zip(&theirs) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
            assert!(ours.iter().any(|x| x.abs() > 0.1));
        }
    }
}
