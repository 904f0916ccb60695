//! Votes as a function of how sharp they are.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::{new_like, with_values};

/// Values that are added up side by side.
const LANES: usize = 16;

/// Votes v(q), with a mean of 1 over the Q directions of each row, whose logarithm is γ s(q) + λ g·q and a constant.
pub(crate) struct Votes {
    /// `[K·T, Q]`.
    pub(crate) votes: Vec<f32>,
    /// s, `[K·T, Q]`.
    pub(crate) steered: Tensor,
    /// g, `[K·T][3]`.
    pub(crate) slopes: Vec<f32>,
    /// Unit vectors of the directions, `[3][Q]`.
    pub(crate) units: Vec<f32>,
}

/// The votes as they are, `[K·T, Q]`; to the `exponents` γ and λ that they were made with, `[K·T, 2]`, flows their gradient.
///
/// # Errors
/// When the lengths do not fit together.
pub(crate) fn with_exponents(exponents: &Tensor, votes: Votes) -> Result<Tensor> {
    let (cells, two) = exponents.dims2()?;
    let q = votes.units.len() / 3;
    let found = [votes.votes.len(), votes.steered.elem_count(), votes.slopes.len(), two];
    let expected = [cells * q, cells * q, 3 * cells, 2];
    if found != expected || !q.is_multiple_of(LANES) {
        bail!("votes: expected lengths of {expected:?} with directions in multiples of {LANES}, found {found:?}, {q}");
    }
    exponents.contiguous()?.apply_op1(votes)
}

impl CustomOp1 for Votes {
    fn name(&self) -> &'static str {
        "votes"
    }

    fn cpu_fwd(&self, _: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.votes.clone()), (at.dims()[0], self.units.len() / 3).into()))
    }

    /// ∂v/∂γ = v (s − ⟨s⟩) and ∂v/∂λ = v (g·q − ⟨g·q⟩), ⟨·⟩ the mean over the directions with the votes as weights.
    fn bwd(&self, exponents: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let q = self.units.len() / 3;
        let mut to = Vec::with_capacity(exponents.elem_count());
        with_values(&self.steered, |steered| {
            with_values(grad, |grad| {
                let rows = self.votes.chunks_exact(q).zip(steered.chunks_exact(q)).zip(grad.chunks_exact(q));
                for (((votes, steered), grad), slope) in rows.zip(self.slopes.chunks_exact(3)) {
                    let [along, with_units @ ..] = self.means(votes, steered, grad);
                    to.push(along * q as f32);
                    to.push(with_units.iter().zip(slope).map(|(m, g)| m * g).sum::<f32>() * q as f32);
                }
                Ok(())
            })
        })?;
        Ok(Some(new_like(to, exponents.shape())?))
    }
}

impl Votes {
    /// Covariance, the votes as weights, of the gradient with s, x, y and z.
    fn means(&self, votes: &[f32], steered: &[f32], grad: &[f32]) -> [f32; 4] {
        let q = votes.len();
        let (of_x, rest) = self.units.split_at(q);
        let (of_y, of_z) = rest.split_at(q);
        let values = [steered, of_x, of_y, of_z];
        let mut sums = [[[0f32; LANES]; 4]; 2];
        let mut of_grad = [0f32; LANES];
        for at in (0..q).step_by(LANES) {
            let (votes, grad) = (&votes[at..at + LANES], &grad[at..at + LANES]);
            let [plain, weighed] = &mut sums;
            for i in 0..LANES {
                of_grad[i] += votes[i] * grad[i];
            }
            for ((plain, weighed), values) in plain.iter_mut().zip(weighed).zip(values) {
                let values = &values[at..at + LANES];
                for i in 0..LANES {
                    plain[i] += votes[i] * values[i];
                    weighed[i] += votes[i] * values[i] * grad[i];
                }
            }
        }
        let mean = |sums: &[f32; LANES]| sums.iter().sum::<f32>() / q as f32;
        let of_grad = mean(&of_grad);
        std::array::from_fn(|i| mean(&sums[1][i]) - of_grad * mean(&sums[0][i]))
    }
}
