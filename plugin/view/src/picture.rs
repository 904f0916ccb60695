//! The map as a bare picture, for files.

use spherescope_dsp::Grid;

use crate::colour_map::ColourMap;
use crate::interpolate::Interpolator;

/// An equirectangular picture of a spectrum `[D]`: RGB bytes, row by row. Azimuth +180° at the left edge, the front in the middle,
/// elevation +90° at the top; values outside 0 … 1 are clamped, places that no direction of the grid covers are black.
pub fn map_picture(grid: &Grid, spectrum: &[f32], [width, height]: [usize; 2], colours: ColourMap) -> Vec<u8> {
    let mut values = Vec::new();
    Interpolator::new(grid, width, height).fill(spectrum, &mut values);
    values
        .into_iter()
        .flat_map(|v| if v.is_nan() { [0; 3] } else { colours.colour(v).to_array()[..3].try_into().unwrap_or([0; 3]) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use spherescope_dsp::Direction;

    #[test]
    fn a_source_on_the_left_is_bright_left_of_the_middle() {
        let grid = Grid::fibonacci(2048).unwrap();
        let left = Direction::from_degrees(90.0, 0.0).unwrap();
        let spectrum: Vec<f32> =
            grid.directions().iter().map(|d| (-d.angle_to_deg(&left) / 15.0).exp() as f32).collect();
        let [width, height] = [360, 180];
        let pixels = map_picture(&grid, &spectrum, [width, height], ColourMap::default());
        assert_eq!(pixels.len(), width * height * 3);
        let brightness = |i: usize| pixels[3 * i..3 * i + 3].iter().map(|&x| u32::from(x)).sum::<u32>();
        let best = (0..width * height).max_by_key(|&i| brightness(i)).unwrap();
        assert!((best % width).abs_diff(90) <= 3 && (best / width).abs_diff(90) <= 3);
    }
}
