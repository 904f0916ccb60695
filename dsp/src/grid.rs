//! Grids of candidate directions on the sphere.

use std::f64::consts::PI;
use std::fmt;

use crate::direction::{Direction, Rotation};

/// The largest grid that is accepted.
pub const MAX_DIRECTIONS: usize = 65_536;

/// D candidate directions, at least one. Any set of directions is a grid; Fibonacci grids cover the sphere evenly.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    directions: Vec<Direction>,
}

/// A grid needs 1 to [`MAX_DIRECTIONS`] directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridSizeError {
    /// Directions asked for.
    pub found: usize,
}

impl fmt::Display for GridSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a grid of 1 to {MAX_DIRECTIONS} directions, found {}", self.found)
    }
}

impl std::error::Error for GridSizeError {}

impl Grid {
    /// A Fibonacci lattice of `len` directions: equal steps in z, golden-angle steps in azimuth.
    ///
    /// # Errors
    /// [`GridSizeError`] when `len` is 0 or above [`MAX_DIRECTIONS`].
    pub fn fibonacci(len: usize) -> Result<Self, GridSizeError> {
        let golden_angle = PI * (3.0 - 5f64.sqrt());
        Self::from_directions(
            (0..len.min(MAX_DIRECTIONS + 1))
                .map(|i| {
                    let t = i as f64 + 0.5;
                    let z: f64 = 1.0 - 2.0 * t / len as f64;
                    let azimuth = t * golden_angle;
                    let r = (1.0 - z * z).sqrt();
                    Direction::from_vector([r * azimuth.cos(), r * azimuth.sin(), z]).unwrap_or(Direction::UP)
                })
                .collect(),
        )
    }

    /// A grid of any directions.
    ///
    /// # Errors
    /// [`GridSizeError`] when there are none or more than [`MAX_DIRECTIONS`].
    pub fn from_directions(directions: Vec<Direction>) -> Result<Self, GridSizeError> {
        match directions.len() {
            1..=MAX_DIRECTIONS => Ok(Self { directions }),
            found => Err(GridSizeError { found }),
        }
    }

    /// The same grid, turned.
    pub fn rotated(&self, rotation: &Rotation) -> Self {
        Self { directions: self.directions.iter().map(|&d| rotation.apply_to(d)).collect() }
    }

    /// The directions, `[D]`.
    pub fn directions(&self) -> &[Direction] {
        &self.directions
    }

    /// D, the number of directions; never 0.
    #[allow(clippy::len_without_is_empty, reason = "a grid is never empty")]
    pub fn len(&self) -> usize {
        self.directions.len()
    }

    /// Index of the direction nearest to `to`.
    pub fn nearest(&self, to: &Direction) -> usize {
        let mut best = (0, f64::NEG_INFINITY);
        for (i, d) in self.directions.iter().enumerate() {
            let cosine = crate::direction::dot(d.unit(), to.unit());
            if cosine > best.1 {
                best = (i, cosine);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    #[test]
    fn sizes_are_checked() {
        assert_eq!(Grid::fibonacci(0), Err(GridSizeError { found: 0 }));
        assert!(Grid::fibonacci(MAX_DIRECTIONS + 1).is_err());
        assert_eq!(Grid::fibonacci(1).unwrap().len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn fibonacci_grids_cover_the_sphere_evenly_in_any_rotation(len in 200usize..3000, seed: u64) {
            let mut rng = rand::rngs::SmallRng::seed_from_u64(seed);
            let grid = Grid::fibonacci(len).unwrap().rotated(&Rotation::random(&mut rng));
            // No direction is further from the grid than 1.1 times the side of a cell.
            let reach = 1.1 * (4.0 * PI / len as f64).sqrt();
            for _ in 0..50 {
                let d = Rotation::random(&mut rng).apply_to(Direction::FRONT);
                let near = grid.directions()[grid.nearest(&d)];
                prop_assert!(near.angle_to_rad(&d) < reach);
            }
        }
    }
}
