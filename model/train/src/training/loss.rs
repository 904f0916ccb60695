//! The weighted binary cross entropy of the paper, and what it leaves out: which of a frame's directions score best.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

/// −mean[ρ S ln Ŝ + (1 − S) ln(1 − Ŝ)] with Ŝ = σ(logits): `logits` of any shape, `labels` S in the same order, 0 … 1. A scalar.
///
/// # Errors
/// When the numbers of logits and labels differ, or of candle.
pub fn weighted_cross_entropy(logits: &Tensor, labels: Vec<f32>, positive_weight: f32) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(CrossEntropy { labels, positive_weight })
}

/// Cross entropy, frame by frame, between where the labels are and where the scores are: −mean_t Σ_d S̃ ln s̃ with S̃ = S / Σ_d S and
/// s̃ = Ŝ / Σ_d Ŝ, Ŝ = σ(logits). `logits` `[T, D]`, `labels` S `[T][D]` flattened. Frames without any label count 0. A scalar.
///
/// The binary cross entropy hardly cares where a frame in which nothing is certain has its best score, for all its scores are low and so are
/// its slopes. Where ρ is 1 both have their minimum at Ŝ proportional to the expected labels and agree; a larger ρ lifts the faint ones.
///
/// # Errors
/// When the number of labels is not T·D, or of candle.
pub fn contrast(logits: &Tensor, labels: Vec<f32>) -> Result<Tensor> {
    let (_, directions) = logits.dims2()?;
    logits.contiguous()?.apply_op1(Contrast { labels, directions })
}

/// Frames whose labels sum up to less have no talker.
const NOBODY: f32 = 1e-3;

struct Contrast {
    labels: Vec<f32>,
    directions: usize,
}

impl Contrast {
    /// For each frame with a talker the logits, the labels, their sum, and the logarithm of the sum of the scores.
    fn frames<'a>(&'a self, logits: &'a [f32]) -> impl Iterator<Item = Option<(&'a [f32], &'a [f32], f32, f32)>> {
        let all = logits.chunks_exact(self.directions).zip(self.labels.chunks_exact(self.directions));
        all.map(|(logits, labels)| {
            let sum: f32 = labels.iter().sum();
            (sum >= NOBODY).then(|| {
                let most = logits.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(-softplus(-x)));
                let scores: f32 = logits.iter().map(|&x| (-softplus(-x) - most).exp()).sum();
                (logits, labels, sum, most + scores.ln())
            })
        })
    }
}

impl CustomOp1 for Contrast {
    fn name(&self) -> &'static str {
        "contrast"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let (CpuStorage::F32(x), Some((start, end))) = (x, at.contiguous_offsets()) else {
            bail!("contrast: expected contiguous singles");
        };
        if end - start != self.labels.len() || self.labels.is_empty() {
            bail!("contrast: expected {} labels, found {}", end - start, self.labels.len());
        }
        let (mut total, mut frames) = (0.0, 0usize);
        for frame in self.frames(&x[start..end]) {
            frames += 1;
            let Some((logits, labels, sum, log_scores)) = frame else { continue };
            let term = |(x, s): (&f32, &f32)| f64::from(s * (softplus(-x) + log_scores));
            total += logits.iter().zip(labels).map(term).sum::<f64>() / f64::from(sum);
        }
        Ok((CpuStorage::F32(vec![(total / frames as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let scale = grad.to_scalar::<f32>()? * self.directions as f32 / self.labels.len() as f32;
        let values = x.flatten_all()?.to_vec1::<f32>()?;
        let mut slopes = Vec::with_capacity(values.len());
        for frame in self.frames(&values) {
            match frame {
                None => slopes.resize(slopes.len() + self.directions, 0.0),
                Some((logits, labels, sum, log_scores)) => slopes.extend(logits.iter().zip(labels).map(|(&x, s)| {
                    let share = (-softplus(-x) - log_scores).exp();
                    scale * (share - s / sum) / (1.0 + x.exp())
                })),
            }
        }
        Ok(Some(Tensor::from_vec(slopes, x.shape(), x.device())?))
    }
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

    #[test]
    fn contrast_and_its_slope_are_the_formula() {
        // The second frame has nobody.
        let labels = vec![0.0f32, 1.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.2, 0.8];
        let logits = Var::new(&[[0.5f32, -1.0, 2.0], [3.0, 2.0, 1.0], [-7.0, -6.0, 9.0]], &Device::Cpu).unwrap();
        let found = contrast(&logits, labels.clone()).unwrap();
        let at = |logits: &[f32]| {
            let frame = |(x, s): (&[f32], &[f32])| {
                let scores: Vec<f64> = x.iter().map(|x| 1.0 / (1.0 + f64::from(-x).exp())).collect();
                let (total, sum) = (scores.iter().sum::<f64>(), s.iter().map(|s| f64::from(*s)).sum::<f64>());
                let term = |(score, s): (&f64, &f32)| -f64::from(*s) / sum * (score / total).ln();
                if sum == 0.0 { 0.0 } else { scores.iter().zip(s).map(term).sum() }
            };
            logits.chunks(3).zip(labels.chunks(3)).map(frame).sum::<f64>() / 3.0
        };
        let x = logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!((f64::from(found.to_scalar::<f32>().unwrap()) - at(&x)).abs() < 1e-5);
        let slope = found.backward().unwrap().get(&logits).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for i in 0..x.len() {
            let mut moved = x.clone();
            moved[i] += 1e-2;
            let up = at(&moved);
            moved[i] -= 2e-2;
            assert!((f64::from(slope[i]) - (up - at(&moved)) / 2e-2).abs() < 1e-4, "{i}");
        }
        // Scores in proportion to the labels are the minimum.
        let logit = |p: f32| (p / (1.0 - p)).ln();
        let best = Var::new(&[[logit(0.3), logit(0.6)]], &Device::Cpu).unwrap();
        let slope = contrast(&best, vec![0.4, 0.8]).unwrap().backward().unwrap();
        let slope = slope.get(&best).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(slope.iter().all(|s| s.abs() < 1e-6), "{slope:?}");
        assert!(contrast(&best, vec![0.0; 3]).is_err());
        // Far out nothing overflows.
        let far = Tensor::new(&[[-200.0f32, 200.0, -1000.0]], &Device::Cpu).unwrap();
        assert!(contrast(&far, vec![1.0, 0.0, 0.0]).unwrap().to_scalar::<f32>().unwrap().is_finite());
    }
}
