//! What is heard of the votes, of the levels and of the past: features of each direction, with their gradients.

use candle_core::{Device, IndexOp, Result, Tensor};
use pulp::Arch;

use super::votes::{self, ByLevel, Follow, VoteState};
use super::{Lifted, LiftedArray};
use crate::evidence::Response;
use crate::ops::{Votes, leaky_average, matmul, mix, with_exponents, with_values};

/// What each bin and frame says by itself.
#[derive(Clone, Copy)]
pub(super) struct BinByBin<'a> {
    /// Steered response, `[K·T, Q]`.
    pub(super) steered: &'a Tensor,
    /// What counts of it, `[K][T]`.
    pub(super) responses: &'a [Response],
    /// `[T][3][K]`.
    pub(super) level_slopes: &'a [f32],
}

impl Lifted {
    /// Bands of the bins' votes `[NV, T·Q]`, then the shares of the frame and those remembered `[2 M, T·Q]`; see [`votes`]. The gradient
    /// reaches the bins' weights and exponents through the bands; the shares count as given.
    pub(super) fn vote(
        &self,
        array: &LiftedArray,
        BinByBin { steered, responses, level_slopes }: BinByBin<'_>,
        weights: Option<&Tensor>,
        exponents: Option<&Tensor>,
        [k, t, q]: [usize; 3],
        state: &mut VoteState,
    ) -> Result<Option<Tensor>> {
        let Some(bands) = &self.votes else { return Ok(None) };
        let keep: Vec<f32> = self.config.memory_s.iter().map(|time_s| (-self.hop_s / time_s).exp() as f32).collect();
        let weight_values = match weights {
            Some(w) => w.to_vec1()?,
            None => vec![1.0; k * t],
        };
        let exponent_values = match exponents {
            Some(e) => e.flatten_all()?.to_vec1()?,
            None => [array.sharpness, 0.0].repeat(k * t),
        };
        let units = self.units.flatten_all()?.to_vec1()?;
        let (mut votes, mut shares) = (vec![0.0; k * t * q], vec![0.0; 2 * keep.len() * t * q]);
        with_values(steered, |steered| {
            Arch::new().dispatch(Follow {
                quadrature: q,
                frames: t,
                steered,
                responses,
                weights: &weight_values,
                exponents: &exponent_values,
                by_level: exponents.map(|_| ByLevel { slopes: level_slopes, units: &units }),
                keep: &keep,
                state,
                votes: &mut votes,
                shares: &mut shares,
            });
            Ok(())
        })?;
        let votes = match exponents {
            Some(exponents) => {
                let slopes = by_cell(level_slopes, [k, t]);
                with_exponents(exponents, Votes { votes, steered: steered.clone(), slopes, units })?
            }
            None => Tensor::from_vec(votes, (k * t, q), &Device::Cpu)?,
        };
        let weights = match weights {
            Some(w) => w.clone(),
            None => Tensor::ones(k * t, votes.dtype(), votes.device())?,
        };
        let banded = votes::compressed(&mix(&votes, bands, &weights)?)?;
        if keep.is_empty() {
            return Ok(Some(banded));
        }
        let shares = Tensor::from_vec(shares, (2 * keep.len(), t * q), &Device::Cpu)?;
        Ok(Some(Tensor::cat(&[banded, shares], 0)?))
    }

    /// How much the levels rise towards each direction: bands `[NL, T·Q]`, then what is remembered `[M, T·Q]`.
    pub(super) fn level(
        &self,
        level_slopes: &[f32],
        weights: Option<&Tensor>,
        [k, t, q]: [usize; 3],
        memory: &mut [Vec<f32>],
    ) -> Result<Option<Tensor>> {
        let (Some(bands), Some(weights)) = (&self.levels, weights) else { return Ok(None) };
        let slopes = Tensor::from_vec(by_cell(level_slopes, [k, t]), (k * t, 3), &Device::Cpu)?;
        let mixed = mix(&slopes, &Tensor::cat(&[bands, &self.mean], 0)?, weights)?; // [NL + 1, T·3]
        let mut rows = vec![mixed.narrow(0, 0, self.config.levels)?.reshape((self.config.levels * t, 3))?];
        for remembered in self.remember(&mixed.i(self.config.levels)?, Some(weights), [k, t, 3], memory)? {
            rows.push(remembered.reshape((t, 3))?);
        }
        Ok(Some(matmul(&Tensor::cat(&rows, 0)?, &self.units)?.reshape(((), t * q))?))
    }

    /// What was heard before, for each time constant: the mean over bins and past frames of the steered response, each bin and frame as
    /// heavy as its evidence, `[1, T·Q]`. `sums` `[T·Q]` are the weighed means over the bins of each frame. Instead of directions the
    /// columns may be the axes of a slope.
    pub(super) fn remember(
        &self,
        sums: &Tensor,
        weights: Option<&Tensor>,
        [k, t, q]: [usize; 3],
        memory: &mut [Vec<f32>],
    ) -> Result<Vec<Tensor>> {
        if memory.is_empty() {
            return Ok(Vec::new());
        }
        let sums = sums.reshape((t, q))?;
        let weight = match weights {
            Some(w) => w.reshape((k, t))?.mean(0)?.reshape((t, 1))?,
            None => Tensor::ones((t, 1), sums.dtype(), sums.device())?,
        };
        let both = Tensor::cat(&[&sums, &weight], 1)?;
        let mut averages = Vec::with_capacity(memory.len());
        for (past, time_s) in memory.iter_mut().zip(&self.config.memory_s) {
            let keep = (-self.hop_s / time_s).exp() as f32;
            let average = leaky_average(&both, keep, past)?;
            *past = average.i(t - 1)?.to_vec1()?;
            let (sums, weight) = (average.narrow(1, 0, q)?, average.narrow(1, q, 1)?);
            averages.push(sums.broadcast_div(&(weight + 1e-6)?)?.reshape((1, t * q))?);
        }
        Ok(averages)
    }
}

/// Slopes `[T][3][K]` as `[K][T][3]`.
fn by_cell(level_slopes: &[f32], [k, t]: [usize; 2]) -> Vec<f32> {
    let at = |bin: usize, row: usize| level_slopes[row * k + bin];
    (0..k).flat_map(|bin| (0..3 * t).map(move |row| at(bin, row))).collect()
}
