//! Real orthonormal spherical harmonics.

use std::f64::consts::{PI, SQRT_2};

use crate::direction::Direction;

/// Number of harmonics up to and including `order`: (N + 1)².
pub fn harmonics_len(order: usize) -> usize {
    (order + 1) * (order + 1)
}

/// Degree n of each harmonic in the order in which [`real_harmonics`] gives them, `[(N + 1)²]`.
pub fn degrees(order: usize) -> impl Iterator<Item = usize> {
    (0..=order).flat_map(|n| std::iter::repeat_n(n, 2 * n + 1))
}

/// Real orthonormal spherical harmonics Y_nm at a direction, index n² + n + m, `[(N + 1)²]`.
///
/// From the complex harmonics with Condon–Shortley phase: √2 Re Y_n|m| for m > 0, √2 Im Y_n|m| for m < 0. For many directions, see
/// [`Harmonics`].
pub fn real_harmonics(direction: &Direction, order: usize) -> Vec<f64> {
    let mut out = vec![0.0; harmonics_len(order)];
    Harmonics::new(order).at(direction, &mut out);
    out
}

/// The constants of all harmonics up to an order, for evaluation at many directions.
#[derive(Clone, Debug)]
pub struct Harmonics {
    order: usize,
    /// For each m, then each n from m on: the factors of the three-term recurrence of P̄_n^m towards n + 1.
    recurrence: Vec<[f64; 2]>,
}

impl Harmonics {
    /// All harmonics up to and including `order`.
    pub fn new(order: usize) -> Self {
        let factors = |m: usize, n: usize| {
            let (next, m2) = (((n + 1) * (n + 1)) as f64, (m * m) as f64);
            let a = ((4.0 * next - 1.0) / (next - m2)).sqrt();
            let b = (((n * n) as f64 - m2) / (4.0 * (n * n) as f64 - 1.0)).sqrt();
            [a, b]
        };
        let recurrence = (0..=order).flat_map(|m| (m..=order).map(move |n| factors(m, n))).collect();
        Self { order, recurrence }
    }

    /// Writes the harmonics at a direction, as [`real_harmonics`] gives them, into `out` `[(N + 1)²]`.
    ///
    /// # Panics
    /// When `out` is shorter.
    pub fn at(&self, direction: &Direction, out: &mut [f64]) {
        let [x, y, z] = direction.unit();
        let r = x.hypot(y);
        let (cos_az, sin_az) = if r < 1e-15 { (1.0, 0.0) } else { (x / r, y / r) };
        let (mut cos_m, mut sin_m) = (1.0, 0.0);
        // Normalised associated Legendre functions P̄_n^m: up the diagonal, then by the three-term recurrence in n.
        let mut diagonal = (1.0 / (4.0 * PI)).sqrt();
        let mut recurrence = self.recurrence.iter();
        for m in 0..=self.order {
            if m > 0 {
                diagonal *= -r * ((2 * m + 1) as f64 / (2 * m) as f64).sqrt();
                (cos_m, sin_m) = (cos_m * cos_az - sin_m * sin_az, sin_m * cos_az + cos_m * sin_az);
            }
            let (mut before, mut here) = (0.0, diagonal);
            for (n, [a, b]) in (m..=self.order).zip(recurrence.by_ref()) {
                let centre = n * n + n;
                if m == 0 {
                    out[centre] = here;
                } else {
                    out[centre + m] = SQRT_2 * here * cos_m;
                    out[centre - m] = SQRT_2 * here * sin_m;
                }
                (before, here) = (here, a * (z * here - b * before));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grid;

    #[test]
    fn low_orders_are_the_closed_forms() {
        let d = Direction::from_degrees(33.0, -21.0).unwrap();
        let [x, y, z] = d.unit();
        let found = real_harmonics(&d, 2);
        let c1 = (3.0 / (4.0 * PI)).sqrt();
        let c2 = 0.5 * (15.0 / PI).sqrt();
        let expected = [
            (1.0 / (4.0 * PI)).sqrt(),
            -c1 * y,
            c1 * z,
            -c1 * x,
            c2 * x * y,
            -c2 * y * z,
            0.25 * (5.0 / PI).sqrt() * (3.0 * z * z - 1.0),
            -c2 * x * z,
            0.5 * c2 * (x * x - y * y),
        ];
        for (e, f) in expected.iter().zip(&found) {
            assert!((e - f).abs() < 1e-12, "{expected:?} {found:?}");
        }
    }

    #[test]
    fn harmonics_are_orthonormal() {
        let grid = Grid::fibonacci(20_000).unwrap();
        let len = harmonics_len(12);
        let mut gram = vec![0.0; len * len];
        for d in grid.directions() {
            let y = real_harmonics(d, 12);
            for i in 0..len {
                for j in 0..len {
                    gram[i * len + j] += y[i] * y[j] * 4.0 * PI / grid.len() as f64;
                }
            }
        }
        for i in 0..len {
            for j in 0..len {
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((gram[i * len + j] - expected).abs() < 1e-3, "{i} {j}");
            }
        }
        assert_eq!(degrees(12).count(), len);
    }
}
