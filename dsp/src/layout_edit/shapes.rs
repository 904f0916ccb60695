//! Arrays of common shapes, centred on the origin, on channels 0, 1, 2, … in order.

use std::f64::consts::TAU;

use super::{SphericalDesign, above_zero};
use crate::array::{ArrayError, MAX_CAPSULES, MicArray};
use crate::grid::Grid;

/// A horizontal ring of `n` capsules, 3 to 64: the first at the front, the next ones counter-clockwise.
///
/// # Errors
/// [`ArrayError::Parameter`] when the number or the radius cannot be used, or that of an array too large or too small.
pub fn ring(n: usize, radius_m: f64) -> Result<MicArray, ArrayError> {
    let n = count("capsules in the ring", "3 to 64", n, 3)?;
    let radius_m = above_zero("radius in metres", radius_m)?;
    let points: Vec<_> = (0..n)
        .map(|i| (TAU * i as f64 / n as f64).sin_cos())
        .map(|(sin, cos)| [radius_m * cos, radius_m * sin, 0.0])
        .collect();
    MicArray::from_positions(format!("Ring of {n}, {} mm", millimetres(radius_m)), &points)
}

/// A line of `n` capsules, 2 to 64, from left to right across the front, neighbours `spacing_m` apart.
///
/// # Errors
/// As [`ring`].
pub fn line(n: usize, spacing_m: f64) -> Result<MicArray, ArrayError> {
    let n = count("capsules in the line", "2 to 64", n, 2)?;
    let spacing_m = above_zero("spacing in metres", spacing_m)?;
    let points: Vec<_> = (0..n).map(|i| [0.0, centred(i, n, spacing_m), 0.0]).collect();
    MicArray::from_positions(format!("Line of {n}, {} mm apart", millimetres(spacing_m)), &points)
}

/// A line of `n` capsules, 2 to 64, from left to right across the front, the ends `length_m` apart.
///
/// # Errors
/// As [`ring`].
pub fn line_of_length(n: usize, length_m: f64) -> Result<MicArray, ArrayError> {
    let n = count("capsules in the line", "2 to 64", n, 2)?;
    line(n, above_zero("length in metres", length_m)? / (n - 1) as f64)
}

/// A horizontal grid of 2 to 64 capsules, neighbours `spacing_m` apart: rows from front to back, in each from left to right.
///
/// # Errors
/// As [`ring`].
pub fn grid(rows: usize, columns: usize, spacing_m: f64) -> Result<MicArray, ArrayError> {
    let rows = count("rows of the grid", "1 to 64", rows, 1)?;
    let columns = count("columns of the grid", "1 to 64", columns, 1)?;
    count("capsules in the grid", "2 to 64", rows * columns, 2)?;
    let spacing_m = above_zero("spacing in metres", spacing_m)?;
    let points: Vec<_> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| [centred(row, rows, spacing_m), centred(column, columns, spacing_m), 0.0])
        .collect();
    MicArray::from_positions(format!("Grid of {rows} × {columns}, {} mm apart", millimetres(spacing_m)), &points)
}

/// The tetrahedron of A-format microphones, in their order: front left up, front right down, back left down, back right up.
///
/// # Errors
/// As [`ring`].
pub fn tetrahedron(radius_m: f64) -> Result<MicArray, ArrayError> {
    let a = above_zero("radius in metres", radius_m)? / 3f64.sqrt();
    let points = [[a, a, a], [a, -a, -a], [-a, a, -a], [-a, -a, a]];
    MicArray::from_positions(format!("Tetrahedron, {} mm", millimetres(radius_m)), &points)
}

/// A sphere of `n` capsules, 4 to 64, on the Fibonacci lattice of [`Grid::fibonacci`], from top to bottom.
///
/// # Errors
/// As [`ring`].
pub fn fibonacci_sphere(n: usize, radius_m: f64) -> Result<MicArray, ArrayError> {
    let n = count("capsules on the sphere", "4 to 64", n, 4)?;
    let radius_m = above_zero("radius in metres", radius_m)?;
    let lattice = Grid::fibonacci(n).map_err(|e| ArrayError::TooMany { found: e.found })?;
    let points: Vec<_> = lattice.directions().iter().map(|d| d.unit().map(|x| x * radius_m)).collect();
    MicArray::from_positions(format!("Fibonacci sphere of {n}, {} mm", millimetres(radius_m)), &points)
}

/// A sphere of capsules at the points of a spherical design, from top to bottom.
///
/// # Errors
/// As [`ring`].
pub fn design_sphere(design: SphericalDesign, radius_m: f64) -> Result<MicArray, ArrayError> {
    let radius_m = above_zero("radius in metres", radius_m)?;
    let points: Vec<_> = design.points().into_iter().map(|p| p.map(|x| x * radius_m)).collect();
    MicArray::from_positions(format!("{design}, {} mm", millimetres(radius_m)), &points)
}

fn count(what: &'static str, expected: &'static str, n: usize, least: usize) -> Result<usize, ArrayError> {
    if (least..=MAX_CAPSULES).contains(&n) {
        Ok(n)
    } else {
        Err(ArrayError::Parameter { what, expected, found: n as f64 })
    }
}

/// Coordinate of place `i` of `n` along an axis, largest first.
fn centred(i: usize, n: usize, spacing_m: f64) -> f64 {
    ((n - 1) as f64 / 2.0 - i as f64) * spacing_m
}

/// A length for a name: to a tenth of a millimetre, without zeros at the end.
fn millimetres(length_m: f64) -> f64 {
    (length_m * 1e4).round() / 10.0
}
