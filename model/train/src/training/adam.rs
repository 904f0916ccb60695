//! AdamW with its moments in plain vectors, so that a checkpoint can hold them; matrices may be left to Muon.

use std::ops::Range;

use super::muon::Matrix;

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

/// Values that move otherwise than the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Others {
    /// These do not decay.
    pub kept: Range<usize>,
    /// These matrices move by Muon, see [`Matrix`].
    pub matrices: Vec<Matrix>,
    /// Root mean square of the matrices' steps for a rate of one.
    pub size: f64,
}

impl Others {
    /// All values are alike.
    pub const NONE: Self = Self { kept: 0..0, matrices: Vec::new(), size: 0.0 };
}

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.99;
const EPSILON: f64 = 1e-8;

/// First and second moments of every parameter (Loshchilov and Hutter, "Decoupled weight decay regularization").
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adam {
    /// Steps taken.
    pub steps: u64,
    /// Running mean of the gradient; of Muon's matrices the momentum.
    pub mean: Vec<f32>,
    /// Running mean of its square.
    pub square: Vec<f32>,
}

impl Adam {
    /// Moves `parameters` against `gradient` (of the same length); returns the gradient's norm before clipping.
    ///
    /// A gradient that is not finite changes nothing; its norm tells.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], others: &Others, settings: &AdamSettings) -> f64 {
        let norm = gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return norm;
        }
        self.mean.resize(parameters.len(), 0.0);
        self.square.resize(parameters.len(), 0.0);
        self.steps += 1;
        let scale = if norm > settings.clip { settings.clip / norm } else { 1.0 };
        let decay = |i: usize| if others.kept.contains(&i) { 0.0 } else { settings.decay };
        let mut by_muon = vec![false; parameters.len()];
        for matrix in &others.matrices {
            let range = matrix.range();
            let slopes = gradient[range.clone()].iter().map(|g| f64::from(*g) * scale);
            let step = matrix.step(&mut self.mean[range.clone()], slopes, others.size);
            for (i, step) in range.zip(step) {
                let p = &mut parameters[i];
                *p -= (settings.rate * (f64::from(step) + decay(i) * f64::from(*p))) as f32;
                by_muon[i] = true;
            }
        }
        let steps = self.steps.min(1 << 20) as i32;
        let (unbias_1, unbias_2) = (1.0 - BETA_1.powi(steps), 1.0 - BETA_2.powi(steps));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for (i, ((p, g), (mean, square))) in parameters.iter_mut().zip(gradient).zip(moments).enumerate() {
            let g = f64::from(*g) * scale;
            let s = BETA_2 * f64::from(*square) + (1.0 - BETA_2) * g * g;
            *square = s as f32;
            if by_muon[i] {
                continue;
            }
            let m = BETA_1 * f64::from(*mean) + (1.0 - BETA_1) * g;
            *mean = m as f32;
            let step = m / unbias_1 / ((s / unbias_2).sqrt() + EPSILON);
            *p -= (settings.rate * (step + decay(i) * f64::from(*p))) as f32;
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
            adam.step(&mut x, &gradient, &Others::NONE, &settings);
        }
        assert!((x[0] - 1.0).abs() < 1e-2 && (x[1] + 2.0).abs() < 1e-1, "{x:?}");
    }

    #[test]
    fn what_is_kept_does_not_decay() {
        let settings = AdamSettings { rate: 0.1, decay: 0.5, clip: 1.0 };
        let mut x = vec![2.0f32, 2.0];
        let others = Others { kept: 1..2, ..Others::NONE };
        Adam::default().step(&mut x, &[0.0, 0.0], &others, &settings);
        assert_eq!(x, [1.9, 2.0]);
    }

    #[test]
    fn what_is_not_a_number_changes_nothing() {
        let settings = AdamSettings { rate: 0.05, decay: 0.0, clip: 1.0 };
        let (mut x, mut adam) = (vec![3.0f32], Adam::default());
        assert!(adam.step(&mut x, &[f32::NAN], &Others::NONE, &settings).is_nan());
        assert_eq!((x, adam), (vec![3.0], Adam::default()));
    }

    #[test]
    fn matrices_move_by_themselves_and_find_their_valley() {
        let settings = AdamSettings { rate: 0.02, decay: 0.0, clip: 1e9 };
        let others = Others { matrices: vec![Matrix { at: 1, rows: 8, columns: 8 }], size: 0.2, ..Others::NONE };
        let (mut x, mut adam) = (vec![0.5f32; 66], Adam::default());
        // A valley that is some 3000 times as steep in the first row as in the last one.
        let steep = |i: usize| 10f32.powf(-0.5 * ((i - 1) / 8) as f32);
        let mut worst = f32::INFINITY;
        for step in 0..1500 {
            let mut gradient = vec![0f32; 66];
            for i in 1..65 {
                gradient[i] = steep(i) * (x[i] - if i % 9 == 1 { 1.0 } else { 0.0 });
            }
            let settings = AdamSettings { rate: settings.rate * (1.0 - f64::from(step) / 1500.0), ..settings };
            adam.step(&mut x, &gradient, &others, &settings);
            worst = (1..65).map(|i| (x[i] - if i % 9 == 1 { 1.0 } else { 0.0 }).abs()).fold(0.0, f32::max);
        }
        assert!(worst < 0.05, "{worst}");
        assert_eq!((x[0], x[65]), (0.5, 0.5));
        // AdamW could go on at any step.
        let steps: Vec<f32> = adam.mean.iter().zip(&adam.square).map(|(m, s)| m.abs() / (s.sqrt() + 1e-8)).collect();
        assert!(steps.iter().all(|step| *step < 10.0), "{steps:?}");
    }
}
