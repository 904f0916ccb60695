//! Layers that only the paper's network has: they remember the frames before, channel by channel.

use candle_core::{D, IndexOp, Result, Tensor};
use candle_nn::VarBuilder;

use crate::layers::{Gru, Linear};
use crate::ops::{batch_norm, feature_moments};

const BATCH_NORM_EPS: f64 = 1e-5;

/// What a stream carries from chunk to chunk: the pasts of the causal convolutions and the recurrent states, in the order of use.
#[derive(Clone, Debug, Default)]
pub struct PaperState {
    pasts: Vec<Tensor>,
    hidden: Vec<Vec<f32>>,
    /// In training, batch norms use the statistics of their own input and leave them here, means and variances in the order of use.
    pub observed: Option<Vec<f32>>,
}

#[derive(Debug)]
pub(super) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
}

impl BatchNorm {
    pub(super) fn load(features: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        let get = |name: &str| vb.get(features, name);
        Ok(Self {
            weight: get("weight")?,
            bias: get("bias")?,
            mean: get("running_mean")?,
            variance: get("running_variance")?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, state: &mut PaperState) -> Result<Tensor> {
        if let Some(observed) = &mut state.observed {
            let (mean, variance) = feature_moments(x)?;
            observed.extend(mean);
            observed.extend(variance);
            return batch_norm(x, &self.weight, &self.bias);
        }
        let scale = (&self.weight / (&self.variance + BATCH_NORM_EPS)?.sqrt()?)?;
        let shift = (&self.bias - (&self.mean * &scale)?)?;
        x.broadcast_mul(&scale)?.broadcast_add(&shift)
    }
}

/// Puts what came before in front of `x` `[c, T, F]`: `frames` frames of past, zeros at a stream's start or when the array changed.
/// `slot` counts the places of use.
fn with_past(x: &Tensor, frames: usize, slot: &mut usize, state: &mut PaperState) -> Result<Tensor> {
    let (c, t, f) = x.dims3()?;
    let fits = |p: &&Tensor| p.dims() == [c, frames, f];
    let past = match state.pasts.get(*slot).filter(fits) {
        Some(past) => past.clone(),
        None => Tensor::zeros((c, frames, f), x.dtype(), x.device())?,
    };
    let whole = Tensor::cat(&[&past, x], 1)?;
    let newest = whole.narrow(1, t, frames)?.detach().contiguous()?;
    if *slot < state.pasts.len() {
        state.pasts[*slot] = newest;
    } else {
        state.pasts.push(newest);
    }
    *slot += 1;
    Ok(whole)
}

/// Causal convolution of three frames over all features.
#[derive(Debug)]
pub(super) struct Conv {
    pub(super) linear: Linear,
}

impl Conv {
    pub(super) fn forward(&self, x: &Tensor, slot: &mut usize, state: &mut PaperState) -> Result<Tensor> {
        let t = x.dim(1)?;
        let whole = with_past(x, 2, slot, state)?;
        let taps = [whole.narrow(1, 0, t)?, whole.narrow(1, 1, t)?, whole.narrow(1, 2, t)?];
        self.linear.forward(&Tensor::cat(&taps, D::Minus1)?)
    }
}

/// Causal convolution of three frames, each feature for itself.
#[derive(Debug)]
pub(super) struct DepthwiseConv {
    /// `[3, F]`.
    weight: Tensor,
    bias: Tensor,
    dilation: usize,
}

impl DepthwiseConv {
    pub(super) fn load(features: usize, dilation: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self { weight: vb.get((3, features), "weight")?, bias: vb.get(features, "bias")?, dilation })
    }

    pub(super) fn forward(&self, x: &Tensor, slot: &mut usize, state: &mut PaperState) -> Result<Tensor> {
        let t = x.dim(1)?;
        let whole = with_past(x, 2 * self.dilation, slot, state)?;
        let tap = |i: usize| whole.narrow(1, i * self.dilation, t)?.broadcast_mul(&self.weight.i(i)?);
        ((tap(0)? + tap(1)?)? + tap(2)?)?.broadcast_add(&self.bias)
    }
}

/// Recurrent units over `x` `[T, in]` → `[T, H]`; `slot` counts the places of use.
pub(super) fn recur(units: &Gru, x: &Tensor, slot: &mut usize, state: &mut PaperState) -> Result<Tensor> {
    if state.hidden.len() <= *slot {
        state.hidden.push(vec![0.0; units.hidden()?]);
    }
    let states = units.states(&x.unsqueeze(0)?, &state.hidden[*slot])?.squeeze(0)?;
    state.hidden[*slot] = states.i(states.dim(0)? - 1)?.to_vec1::<f32>()?;
    *slot += 1;
    Ok(states)
}

/// Σ over channels and the deviation over channels of x · softmax over channels: `[c, T, M]` → `[T, 2M]`.
pub(super) fn aggregate(x: &Tensor) -> Result<Tensor> {
    let c = x.dim(0)?;
    let raised = x.broadcast_sub(&x.max_keepdim(0)?.detach())?.exp()?;
    let o = (x * raised.broadcast_div(&raised.sum_keepdim(0)?)?)?;
    let sum = o.sum(0)?;
    let centred = o.broadcast_sub(&o.mean_keepdim(0)?)?;
    // One channel has no deviation: the floor keeps its gradient finite.
    let deviation = ((centred.sqr()?.sum(0)? / (c.max(2) - 1) as f64)? + 1e-8)?.sqrt()?;
    Tensor::cat(&[sum, deviation], D::Minus1)
}
