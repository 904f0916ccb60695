//! A picture of a window.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use crate::Result;

/// Red, green and blue of every pixel, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width · height` pixels.
    pub pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// How many different colours there are.
    pub fn colours(&self) -> usize {
        self.pixels.iter().collect::<HashSet<_>>().len()
    }

    /// The share of pixels that differ, 0 … 1; 1 for pictures of different sizes.
    pub fn difference(&self, other: &Self) -> f64 {
        if (self.width, self.height) != (other.width, other.height) || self.pixels.is_empty() {
            return 1.0;
        }
        let differing = self.pixels.iter().zip(&other.pixels).filter(|(a, b)| a != b).count();
        differing as f64 / self.pixels.len() as f64
    }

    /// Writes a PNG.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        let file = File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut encoder = png::Encoder::new(BufWriter::new(file), self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        Ok(writer.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_differences_are_counted() {
        let picture = |pixels: Vec<[u8; 3]>| Picture { width: 2, height: 2, pixels };
        let a = picture(vec![[0; 3], [1; 3], [0; 3], [0; 3]]);
        let b = picture(vec![[0; 3], [2; 3], [0; 3], [0; 3]]);
        assert_eq!(a.colours(), 2);
        assert_eq!(a.difference(&a), 0.0);
        assert_eq!(a.difference(&b), 0.25);
    }
}
