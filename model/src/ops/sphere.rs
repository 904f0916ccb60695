//! From values at directions to spherical harmonics and back.

use std::sync::Arc;

use candle_core::Result;

use super::{grown, product};

/// Spherical harmonics on the quadrature.
#[derive(Clone, Debug)]
pub(crate) struct BlockSphere {
    /// Y_nm, `[Q][S]`.
    pub(crate) harmonics: Arc<[f32]>,
    /// Degree n of each harmonic, `[S]`.
    pub(crate) degree: Arc<[u32]>,
    /// Where half a turn takes each direction i onto direction Q − 1 − i: how many harmonics, the first ones, stay as they are under it.
    /// All others change their sign, and sums and differences of opposite directions halve the work.
    pub(crate) even: Option<usize>,
}

impl BlockSphere {
    /// Q and the number of even harmonics, where halves are worth it.
    fn halves(&self) -> Option<(usize, usize)> {
        let q = self.harmonics.len() / self.degree.len().max(1);
        self.even.filter(|_| q.is_multiple_of(2)).map(|even| (q, even.min(self.degree.len())))
    }

    /// `out` `[S][n]` = Yᵀ x, `x` `[Q][n]`; `buffer` is working memory.
    ///
    /// # Errors
    /// When shapes do not fit together.
    pub(crate) fn to_harmonics(&self, x: &[f32], n: usize, buffer: &mut Vec<f32>, out: &mut [f32]) -> Result<()> {
        let (y, s) = (&self.harmonics, self.degree.len());
        let Some((q, even)) = self.halves() else {
            return product(out, n, false, [s, x.len() / n.max(1), n], (y, [1, s]), (x, [n, 1]));
        };
        let half = q / 2;
        let (sums, differences) = grown(buffer, q * n).split_at_mut(half * n);
        let opposite = x.chunks_exact(n).zip(x.chunks_exact(n).rev());
        let to = sums.chunks_exact_mut(n).zip(differences.chunks_exact_mut(n));
        for ((a, b), (sum, difference)) in opposite.zip(to) {
            for ((a, b), (sum, difference)) in a.iter().zip(b).zip(sum.iter_mut().zip(difference)) {
                (*sum, *difference) = (a + b, a - b);
            }
        }
        let (of_sums, of_differences) = out.split_at_mut(even * n);
        product(of_sums, n, false, [even, half, n], (y, [1, s]), (sums, [n, 1]))?;
        product(of_differences, n, false, [s - even, half, n], (&y[even..], [1, s]), (differences, [n, 1]))
    }

    /// `out` `[Q][n]` = (`keep` ? `out` : 0) + Y `spectrum`, `spectrum` `[S][n]`; `buffer` is working memory.
    ///
    /// # Errors
    /// When shapes do not fit together.
    pub(crate) fn to_directions(
        &self,
        spectrum: &[f32],
        n: usize,
        keep: bool,
        buffer: &mut Vec<f32>,
        out: &mut [f32],
    ) -> Result<()> {
        let (y, s) = (&self.harmonics, self.degree.len());
        let Some((q, even)) = self.halves() else {
            return product(out, n, keep, [out.len() / n.max(1), s, n], (y, [s, 1]), (spectrum, [n, 1]));
        };
        let half = q / 2;
        let (of_even, of_odd) = grown(buffer, q * n).split_at_mut(half * n);
        product(of_even, n, false, [half, even, n], (y, [s, 1]), (spectrum, [n, 1]))?;
        product(of_odd, n, false, [half, s - even, n], (&y[even..], [s, 1]), (&spectrum[even * n..], [n, 1]))?;
        let (near, far) = out.split_at_mut(half * n);
        let pairs = near.chunks_exact_mut(n).zip(far.chunks_exact_mut(n).rev());
        for ((near, far), (even, odd)) in pairs.zip(of_even.chunks_exact(n).zip(of_odd.chunks_exact(n))) {
            for ((near, far), (even, odd)) in near.iter_mut().zip(far).zip(even.iter().zip(odd)) {
                if keep {
                    *near += even + odd;
                    *far += even - odd;
                } else {
                    (*near, *far) = (even + odd, even - odd);
                }
            }
        }
        Ok(())
    }
}
