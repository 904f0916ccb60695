//! The spectrum as a picture: interpolated when there is a new snapshot, coloured, and kept as a texture.

use std::sync::Arc;

use egui::{Color32, ColorImage, Context, TextureHandle, TextureId, TextureOptions, TextureWrapMode};
use spherescope_dsp::{Direction, Grid};

use crate::colour_map::{ColourMap, ColourTable};
use crate::interpolate::Interpolator;
use crate::snapshot::Snapshot;
use crate::theme;

/// Texels along azimuth and elevation: steps of 0.7°, finer than the finest grid.
pub(crate) const WIDTH: usize = 512;
/// See [`WIDTH`].
pub(crate) const HEIGHT: usize = 256;

/// What a picture was made from; an equal one need not be made again.
#[derive(Clone, Copy, PartialEq)]
struct Made {
    sequence: u64,
    t_s: u64,
    len: usize,
    shown: bool,
    colours: ColourMap,
}

/// The picture of the spectrum and what it takes to make the next one.
#[derive(Default)]
pub(crate) struct Heat {
    table: Option<(Arc<Grid>, Interpolator)>,
    colours: Option<(ColourMap, ColourTable)>,
    values: Vec<f32>,
    made: Option<Made>,
    texture: Option<TextureHandle>,
}

/// Tables and textures are made anew for a copy: it may live in another window.
impl Clone for Heat {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Heat {
    /// Brings the picture up to date.
    pub(crate) fn update(&mut self, ctx: &Context, snapshot: &Snapshot, colours: ColourMap) {
        let shown = snapshot.active && !snapshot.spectrum.is_empty();
        let same_grid = self.table.as_ref().is_some_and(|(grid, _)| Arc::ptr_eq(grid, &snapshot.grid));
        let made = Made {
            sequence: snapshot.sequence,
            t_s: snapshot.t_s.to_bits(),
            len: snapshot.spectrum.len(),
            shown,
            colours,
        };
        if self.made == Some(made) && (same_grid || !shown) && self.texture.is_some() {
            return;
        }
        self.made = Some(made);
        if shown {
            if !same_grid {
                self.table = Some((snapshot.grid.clone(), Interpolator::new(&snapshot.grid, WIDTH, HEIGHT)));
            }
            if let Some((_, table)) = &mut self.table {
                table.fill(&snapshot.spectrum, &mut self.values);
            }
        } else {
            self.values.clear();
            self.values.resize(WIDTH * HEIGHT, 0.0);
        }
        if self.colours.as_ref().is_none_or(|(map, _)| *map != colours) {
            self.colours = Some((colours, colours.table()));
        }
        let pixels = match &self.colours {
            Some((_, table)) => self.values.iter().map(|&v| colour(table, v)).collect(),
            None => vec![Color32::BLACK; WIDTH * HEIGHT],
        };
        let image = ColorImage::new([WIDTH, HEIGHT], pixels);
        let options = TextureOptions { wrap_mode: TextureWrapMode::Repeat, ..TextureOptions::LINEAR };
        match &mut self.texture {
            Some(texture) => texture.set(image, options),
            None => self.texture = Some(ctx.load_texture("spectrum", image, options)),
        }
    }

    /// The texture, once made: azimuth +180° … −180° along u, elevation +90° … −90° along v; it repeats along u.
    pub(crate) fn texture(&self) -> Option<TextureId> {
        self.texture.as_ref().map(TextureHandle::id)
    }

    /// The value that the picture shows in a direction; nothing where the grid has no directions.
    pub(crate) fn value(&self, d: &Direction) -> Option<f32> {
        let u = (180.0 - d.azimuth_deg()) / 360.0 * WIDTH as f64 - 0.5;
        let v = ((90.0 - d.elevation_deg()) / 180.0 * HEIGHT as f64 - 0.5).clamp(0.0, HEIGHT as f64 - 1.0);
        let (x, y) = (u.floor(), v.floor());
        let (fx, fy) = ((u - x) as f32, (v - y) as f32);
        let at = |dx: usize, dy: usize| {
            let column = (x as i64 + dx as i64).rem_euclid(WIDTH as i64) as usize;
            let row = (y as usize + dy).min(HEIGHT - 1);
            self.values.get(row * WIDTH + column).copied().unwrap_or(f32::NAN)
        };
        let upper = at(0, 0) * (1.0 - fx) + at(1, 0) * fx;
        let lower = at(0, 1) * (1.0 - fx) + at(1, 1) * fx;
        Some(upper * (1.0 - fy) + lower * fy).filter(|v| v.is_finite())
    }
}

fn colour(table: &ColourTable, value: f32) -> Color32 {
    if value.is_nan() { theme::RAISED } else { table.colour(value) }
}
