//! Muon: a matrix moves by its momentum with all singular values brought to about one, so that directions with small gradients move as
//! far as those with large ones (K. Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024). Steps of
//! matrices of all shapes have the same root mean square (J. Liu et al., Muon is Scalable for LLM Training, 2025).

/// Share of the past in the momentum.
const MOMENTUM: f64 = 0.95;
/// Coefficients of the Newton–Schulz iteration x ← (a + b xxᵀ + c (xxᵀ)²) x.
const NEWTON_SCHULZ: [f32; 3] = [3.4445, -4.7750, 2.0315];
const ITERATIONS: usize = 5;
/// Fewest rows and columns of a matrix that is moved so.
pub(super) const SMALLEST: usize = 8;

/// A matrix among the trained values, row by row, that moves by Muon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Its first value.
    pub at: usize,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

impl Matrix {
    /// Where its values lie.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.at..self.at + self.rows * self.columns
    }

    /// The step of this matrix for a rate of one, its root mean square about `size`, from its gradient; `momentum` goes on by one step.
    /// Both hold the matrix alone.
    pub(super) fn step(&self, momentum: &mut [f32], gradient: impl Iterator<Item = f64>, size: f64) -> Vec<f32> {
        let mix = |past: f64, now: f64| MOMENTUM * past + (1.0 - MOMENTUM) * now;
        // As of Nesterov: the gradient counts once more.
        let ahead: Vec<f32> = momentum
            .iter_mut()
            .zip(gradient)
            .map(|(m, g)| {
                let next = mix(f64::from(*m), g);
                *m = next as f32;
                mix(next, g) as f32
            })
            .collect();
        let size = (size * (self.rows.max(self.columns) as f64).sqrt()) as f32;
        orthogonal(&ahead, self.rows, self.columns).into_iter().map(|x| size * x).collect()
    }
}

/// The matrix with the same singular vectors and all singular values, other than those near 0, between about 0.7 and 1.2.
fn orthogonal(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    if rows > columns {
        return transposed(&orthogonal(&transposed(x, rows, columns), columns, rows), columns, rows);
    }
    let norm = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    // A gradient of nothing but zeros stays that.
    let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    let mut x: Vec<f32> = x.iter().map(|x| (f64::from(*x) * scale) as f32).collect();
    let [a, b, c] = NEWTON_SCHULZ;
    for _ in 0..ITERATIONS {
        let square = product(&x, &transposed(&x, rows, columns), rows, columns, rows);
        let mut sum = product(&square, &square, rows, rows, rows);
        for (i, (sum, square)) in sum.iter_mut().zip(&square).enumerate() {
            *sum = c * *sum + b * square + if i % (rows + 1) == 0 { a } else { 0.0 };
        }
        x = product(&sum, &x, rows, rows, columns);
    }
    x
}

fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|j| (0..rows).map(move |i| x[i * columns + j])).collect()
}

/// `x` of `n × k` times `y` of `k × m`.
fn product(x: &[f32], y: &[f32], n: usize, k: usize, m: usize) -> Vec<f32> {
    let mut z = vec![0f32; n * m];
    for (z, x) in z.chunks_exact_mut(m).zip(x.chunks_exact(k)) {
        for (x, y) in x.iter().zip(y.chunks_exact(m)) {
            for (z, y) in z.iter_mut().zip(y) {
                *z += x * y;
            }
        }
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any matrix, the same each time.
    fn some(rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns).map(|i| ((i * i) as f32 * 0.37 + i as f32).sin()).collect()
    }

    #[test]
    fn singular_values_become_alike() {
        let mut x = vec![0f32; 9 * 12];
        for i in 0..9 {
            x[i * 12 + i] = 5.0 / (1 << i) as f32;
        }
        let y = orthogonal(&x, 9, 12);
        for (i, row) in y.chunks(12).enumerate() {
            for (j, v) in row.iter().enumerate() {
                // What was below 1/16 of the largest needs more iterations.
                let expected = if i == j { if i < 5 { 0.65..1.25 } else { 0.05..1.25 } } else { -1e-6..1e-6 };
                assert!(expected.contains(v), "{i} {j}: {v}");
            }
        }
    }

    #[test]
    fn neither_scale_nor_orientation_matters() {
        let x = some(10, 16);
        let y = orthogonal(&x, 10, 16);
        let louder: Vec<f32> = x.iter().map(|x| 1e6 * x).collect();
        let turned = orthogonal(&transposed(&x, 10, 16), 16, 10);
        for (other, what) in [(orthogonal(&louder, 10, 16), "louder"), (transposed(&turned, 16, 10), "turned")] {
            let worst = y.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-3, "{what}: {worst}");
        }
        assert!(orthogonal(&[0.0; 160], 10, 16).iter().all(|x| *x == 0.0));
    }

    #[test]
    fn steps_go_along_the_gradient_and_are_of_one_size() {
        let (matrix, mut momentum) = (Matrix { at: 3, rows: 12, columns: 20 }, vec![0f32; 240]);
        assert_eq!(matrix.range(), 3..243);
        let gradient = some(12, 20);
        for scale in [1.0, 1e-6] {
            let step = matrix.step(&mut momentum, gradient.iter().map(|g| scale * f64::from(*g)), 0.2);
            let along: f32 = step.iter().zip(&gradient).map(|(s, g)| s * g).sum();
            let rms = (step.iter().map(|s| s * s).sum::<f32>() / 240.0).sqrt();
            assert!(along > 0.0 && (0.1..0.3).contains(&rms), "{scale}: {along}, {rms}");
        }
    }
}
