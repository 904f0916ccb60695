//! Layers that both networks are made of: weights with their names in the file.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::ops::{gru, layer_norm, linear};

/// x Wᵀ + b over the last dimension.
#[derive(Debug)]
pub(crate) struct Linear {
    /// `[out, in]`.
    pub(crate) weight: Tensor,
    /// `[out]`.
    pub(crate) bias: Tensor,
}

impl Linear {
    pub(crate) fn load(inputs: usize, outputs: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self { weight: vb.get((outputs, inputs), "weight")?, bias: vb.get(outputs, "bias")? })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight, &self.bias)
    }
}

/// Layer norm over the last dimension.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
}

impl LayerNorm {
    pub(crate) fn load(len: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self { weight: vb.get(len, "weight")?, bias: vb.get(len, "bias")? })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias)
    }
}

/// Gated recurrent units over time; gates in the order reset, update, new.
#[derive(Debug)]
pub(crate) struct Gru {
    pub(crate) weight_ih: Tensor,
    pub(crate) weight_hh: Tensor,
    pub(crate) bias_ih: Tensor,
    pub(crate) bias_hh: Tensor,
}

impl Gru {
    pub(crate) fn load(inputs: usize, hidden: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            weight_ih: vb.get((3 * hidden, inputs), "weight_ih")?,
            weight_hh: vb.get((3 * hidden, hidden), "weight_hh")?,
            bias_ih: vb.get(3 * hidden, "bias_ih")?,
            bias_hh: vb.get(3 * hidden, "bias_hh")?,
        })
    }

    /// H, the size of the state.
    pub(crate) fn hidden(&self) -> Result<usize> {
        self.weight_hh.dim(1)
    }

    /// All states `[R, T, H]` of R rows `x` `[R, T, in]` that begin at `start` `[R · H]`.
    pub(crate) fn states(&self, x: &Tensor, start: &[f32]) -> Result<Tensor> {
        gru(&linear(x, &self.weight_ih, &self.bias_ih)?, &self.weight_hh, &self.bias_hh, start)
    }
}
