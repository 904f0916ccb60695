//! A small canvas for charts: smooth lines, dots, text, PNG.

use std::path::Path;

use ab_glyph::{Font, FontRef, ScaleFont, point};

/// Red, green, blue, 0 … 255.
pub type Colour = [u8; 3];

/// Where a text's given point lies on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At its left end.
    Left,
    /// In its middle.
    Middle,
    /// At its right end.
    Right,
}

/// An RGB picture; x to the right and y downwards in pixels.
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    font: FontRef<'static>,
}

impl std::fmt::Debug for Canvas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Canvas({} × {})", self.width, self.height)
    }
}

impl Canvas {
    /// A canvas of one colour.
    ///
    /// # Errors
    /// When the font that comes with the library cannot be read.
    pub fn new(width: usize, height: usize, background: Colour) -> Result<Self, String> {
        let font = FontRef::try_from_slice(epaint_default_fonts::HACK_REGULAR).map_err(|e| e.to_string())?;
        Ok(Self { width, height, pixels: background.repeat(width * height), font })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> [usize; 2] {
        [self.width, self.height]
    }

    /// Mixes a colour into a pixel; `share` 1 replaces it. Pixels outside are passed over.
    pub fn blend(&mut self, x: i64, y: i64, colour: Colour, share: f32) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x < self.width && y < self.height {
            let at = 3 * (y * self.width + x);
            for (old, new) in self.pixels[at..at + 3].iter_mut().zip(colour) {
                let mixed = f32::from(*old) + share.clamp(0.0, 1.0) * (f32::from(new) - f32::from(*old));
                *old = mixed.round() as u8;
            }
        }
    }

    /// A filled rectangle from `[x, y]` to `[x, y]`.
    pub fn rectangle(&mut self, from: [f32; 2], to: [f32; 2], colour: Colour) {
        for y in from[1].round() as i64..to[1].round() as i64 {
            for x in from[0].round() as i64..to[0].round() as i64 {
                self.blend(x, y, colour, 1.0);
            }
        }
    }

    /// A straight line with round ends.
    pub fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, colour: Colour) {
        let along = [to[0] - from[0], to[1] - from[1]];
        let square = (along[0] * along[0] + along[1] * along[1]).max(1e-9);
        self.shape(from, to, width, colour, |p| {
            let share = ((p[0] - from[0]) * along[0] + (p[1] - from[1]) * along[1]) / square;
            let share = share.clamp(0.0, 1.0);
            (p[0] - from[0] - share * along[0]).hypot(p[1] - from[1] - share * along[1]) - width / 2.0
        });
    }

    /// A filled dot.
    pub fn dot(&mut self, centre: [f32; 2], radius: f32, colour: Colour) {
        self.line(centre, centre, 2.0 * radius, colour);
    }

    /// A circle's line.
    pub fn ring(&mut self, centre: [f32; 2], radius: f32, width: f32, colour: Colour) {
        let corner = |sign: f32| [centre[0] + sign * radius, centre[1] + sign * radius];
        self.shape(corner(-1.0), corner(1.0), width, colour, |p| {
            ((p[0] - centre[0]).hypot(p[1] - centre[1]) - radius).abs() - width / 2.0
        });
    }

    /// Fills where `distance`, in pixels, is negative, with smooth edges.
    fn shape(&mut self, a: [f32; 2], b: [f32; 2], width: f32, colour: Colour, distance: impl Fn([f32; 2]) -> f32) {
        let grow = width / 2.0 + 1.5;
        let low = [a[0].min(b[0]) - grow, a[1].min(b[1]) - grow].map(|x| x.floor() as i64);
        let high = [a[0].max(b[0]) + grow, a[1].max(b[1]) + grow].map(|x| x.ceil() as i64);
        for y in low[1].max(0)..=high[1].min(self.height as i64) {
            for x in low[0].max(0)..=high[0].min(self.width as i64) {
                let share = 0.5 - distance([x as f32 + 0.5, y as f32 + 0.5]);
                if share > 0.0 {
                    self.blend(x, y, colour, share);
                }
            }
        }
    }

    /// Width of a text in pixels.
    pub fn text_width(&self, text: &str, size: f32) -> f32 {
        let font = self.font.as_scaled(size);
        text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum()
    }

    /// One line of text whose middle line lies at `at`.
    pub fn text(&mut self, at: [f32; 2], text: &str, size: f32, anchor: Anchor, colour: Colour) {
        let width = self.text_width(text, size);
        let mut x = at[0]
            - match anchor {
                Anchor::Left => 0.0,
                Anchor::Middle => width / 2.0,
                Anchor::Right => width,
            };
        let font = self.font.clone();
        let scaled = font.as_scaled(size);
        let baseline = at[1] + 0.35 * size;
        for c in text.chars() {
            let glyph = scaled.glyph_id(c).with_scale_and_position(size, point(x, baseline));
            x += scaled.h_advance(glyph.id);
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, share| {
                    self.blend(corner.x as i64 + i64::from(dx), corner.y as i64 + i64::from(dy), colour, share);
                });
            }
        }
    }

    /// Writes the picture as PNG; never leaves half a file.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn save(&self, path: &Path) -> Result<(), String> {
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.pixels)).map_err(|e| fail(&e))?;
        super::report::replace(path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_text_leave_ink_where_they_are_and_nowhere_else() {
        let mut canvas = Canvas::new(100, 60, [255; 3]).unwrap();
        canvas.line([10.0, 10.0], [90.0, 10.0], 2.0, [0; 3]);
        canvas.text([50.0, 40.0], "20°", 16.0, Anchor::Middle, [0; 3]);
        // Far outside: nothing happens.
        canvas.dot([-50.0, 500.0], 3.0, [0; 3]);
        let ink = |rows: std::ops::Range<usize>| {
            canvas.pixels[3 * 100 * rows.start..3 * 100 * rows.end].iter().filter(|&&p| p < 128).count()
        };
        assert!(ink(8..13) > 300);
        assert_eq!(ink(15..28), 0);
        assert!(ink(30..50) > 60);
        assert_eq!(ink(52..60), 0);
        let file = tempfile::tempdir().unwrap();
        canvas.save(&file.path().join("a.png")).unwrap();
        assert!(canvas.save(&file.path().join("none/a.png")).unwrap_err().contains("a.png"));
    }
}
