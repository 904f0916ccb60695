//! The weighted binary cross entropy of the paper.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

/// −mean[ρ S ln Ŝ + (1 − S) ln(1 − Ŝ)] with Ŝ = σ(logits): `logits` of any shape, `labels` S in the same order, 0 … 1. A scalar.
///
/// # Errors
/// When the numbers of logits and labels differ, or of candle.
pub fn weighted_cross_entropy(logits: &Tensor, labels: Vec<f32>, positive_weight: f32) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(CrossEntropy { labels, positive_weight })
}

struct CrossEntropy {
    labels: Vec<f32>,
    positive_weight: f32,
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "weighted-cross-entropy"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let (CpuStorage::F32(x), Some((start, end))) = (x, at.contiguous_offsets()) else {
            bail!("cross entropy: expected contiguous singles");
        };
        if end - start != self.labels.len() || self.labels.is_empty() {
            bail!("cross entropy: expected {} labels, found {}", end - start, self.labels.len());
        }
        let term = |(x, s): (&f32, &f32)| f64::from(self.positive_weight * s * softplus(-x) + (1.0 - s) * softplus(*x));
        let sum: f64 = x[start..end].iter().zip(&self.labels).map(term).sum();
        Ok((CpuStorage::F32(vec![(sum / self.labels.len() as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let scale = grad.to_scalar::<f32>()? / self.labels.len() as f32;
        let values = x.flatten_all()?.to_vec1::<f32>()?;
        let slope = |(x, s): (&f32, &f32)| {
            let p = 1.0 / (1.0 + (-x).exp());
            scale * ((1.0 - s) * p - self.positive_weight * s * (1.0 - p))
        };
        let slopes: Vec<f32> = values.iter().zip(&self.labels).map(slope).collect();
        Ok(Some(Tensor::from_vec(slopes, x.shape(), x.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn the_loss_and_its_slope_are_the_formula() {
        let labels = vec![0.0f32, 1.0, 0.3, 0.9];
        let logits = Var::new(&[0.5f32, -1.0, 2.0, 12.0], &Device::Cpu).unwrap();
        let found = weighted_cross_entropy(&logits, labels.clone(), 3.0).unwrap();
        let at = |logits: &[f32]| {
            let term = |(x, s): (&f32, &f32)| {
                let p = 1.0 / (1.0 + f64::from(-x).exp());
                -(3.0 * f64::from(*s) * p.ln() + (1.0 - f64::from(*s)) * (1.0 - p).ln())
            };
            logits.iter().zip(&labels).map(term).sum::<f64>() / 4.0
        };
        let x = logits.to_vec1::<f32>().unwrap();
        assert!((f64::from(found.to_scalar::<f32>().unwrap()) - at(&x)).abs() < 1e-5);
        let slope = found.backward().unwrap().get(&logits).unwrap().to_vec1::<f32>().unwrap();
        for i in 0..3 {
            let mut moved = x.clone();
            moved[i] += 1e-2;
            let up = at(&moved);
            moved[i] -= 2e-2;
            assert!((f64::from(slope[i]) - (up - at(&moved)) / 2e-2).abs() < 1e-4, "{i}");
        }
        assert!(weighted_cross_entropy(&logits, vec![0.0; 3], 3.0).is_err());
    }
}
