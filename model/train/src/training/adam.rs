//! AdamW with its moments in plain vectors, so that a checkpoint can hold them.

use std::ops::Range;

/// Settings of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamSettings {
    /// Learning rate.
    pub rate: f64,
    /// Decoupled weight decay.
    pub decay: f64,
    /// Largest Euclidean norm of the whole gradient; larger ones are scaled down to it.
    pub clip: f64,
}

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.99;
const EPSILON: f64 = 1e-8;

/// First and second moments of every parameter (Loshchilov and Hutter, "Decoupled weight decay regularization").
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adam {
    /// Steps taken.
    pub steps: u64,
    /// Running mean of the gradient.
    pub mean: Vec<f32>,
    /// Running mean of its square.
    pub square: Vec<f32>,
}

impl Adam {
    /// Moves `parameters` against `gradient` (of the same length); returns the gradient's norm before clipping. Parameters in the range
    /// `kept` do not decay.
    ///
    /// A gradient that is not finite changes nothing; its norm tells.
    pub fn step(
        &mut self,
        parameters: &mut [f32],
        gradient: &[f32],
        kept: &Range<usize>,
        settings: &AdamSettings,
    ) -> f64 {
        let norm = gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return norm;
        }
        self.mean.resize(parameters.len(), 0.0);
        self.square.resize(parameters.len(), 0.0);
        self.steps += 1;
        let scale = if norm > settings.clip { settings.clip / norm } else { 1.0 };
        let steps = self.steps.min(1 << 20) as i32;
        let (unbias_1, unbias_2) = (1.0 - BETA_1.powi(steps), 1.0 - BETA_2.powi(steps));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for (i, ((p, g), (mean, square))) in parameters.iter_mut().zip(gradient).zip(moments).enumerate() {
            let g = f64::from(*g) * scale;
            let m = BETA_1 * f64::from(*mean) + (1.0 - BETA_1) * g;
            let s = BETA_2 * f64::from(*square) + (1.0 - BETA_2) * g * g;
            (*mean, *square) = (m as f32, s as f32);
            let step = m / unbias_1 / ((s / unbias_2).sqrt() + EPSILON);
            let decay = if kept.contains(&i) { 0.0 } else { settings.decay };
            *p -= (settings.rate * (step + decay * f64::from(*p))) as f32;
        }
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valley_is_found() {
        let settings = AdamSettings { rate: 0.05, decay: 0.0, clip: 1.0 };
        let (mut x, mut adam) = (vec![3.0f32, -40.0], Adam::default());
        for _ in 0..3000 {
            let gradient = vec![2.0 * (x[0] - 1.0), 0.02 * (x[1] + 2.0)];
            adam.step(&mut x, &gradient, &(0..0), &settings);
        }
        assert!((x[0] - 1.0).abs() < 1e-2 && (x[1] + 2.0).abs() < 1e-1, "{x:?}");
    }

    #[test]
    fn what_is_kept_does_not_decay() {
        let settings = AdamSettings { rate: 0.1, decay: 0.5, clip: 1.0 };
        let mut x = vec![2.0f32, 2.0];
        Adam::default().step(&mut x, &[0.0, 0.0], &(1..2), &settings);
        assert_eq!(x, [1.9, 2.0]);
    }

    #[test]
    fn what_is_not_a_number_changes_nothing() {
        let settings = AdamSettings { rate: 0.05, decay: 0.0, clip: 1.0 };
        let (mut x, mut adam) = (vec![3.0f32], Adam::default());
        assert!(adam.step(&mut x, &[f32::NAN], &(0..0), &settings).is_nan());
        assert_eq!((x, adam), (vec![3.0], Adam::default()));
    }
}
