//! The spectrum as a picture: interpolated when there is a new snapshot, coloured, and kept as a texture.

use std::sync::Arc;

use egui::{Color32, ColorImage, Context, TextureHandle, TextureId, TextureOptions, TextureWrapMode};
use spherescope_dsp::{Direction, Grid, MicArray, Region};

use crate::ambiguity::Copies;
use crate::colour_map::{ColourMap, ColourTable};
use crate::interpolate::Interpolator;
use crate::region;
use crate::snapshot::Snapshot;
use crate::state::{Hold, Scale, ViewState};
use crate::theme;

/// Texels along azimuth and elevation: steps of 0.7°, finer than the finest grid.
pub(crate) const WIDTH: usize = 512;
/// See [`WIDTH`].
pub(crate) const HEIGHT: usize = 256;

/// Decibels that the scale of that name spans.
pub(crate) const SPAN_DB: f32 = 30.0;

/// How scores become colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Look {
    /// The colours.
    pub(crate) colours: ColourMap,
    /// What they stand for.
    pub(crate) scale: Scale,
    /// Whether they stretch to what there is.
    pub(crate) auto_range: bool,
    /// How long maxima stay.
    pub(crate) hold: Hold,
    /// How much of a picture behind shows through where nothing sounds, 0 … 1; 0 without one.
    pub(crate) see_through: f32,
}

impl Look {
    /// What the user has chosen.
    pub(crate) fn of(state: &ViewState) -> Self {
        let see_through = match state.cache.backdrop.id() {
            Some(_) => f32::from(state.backdrop.opacity_percent) / 100.0,
            None => 0.0,
        };
        let (scale, auto_range, hold) = (state.scale, state.auto_range, state.hold);
        Self { colours: state.colour_map, scale, auto_range, hold, see_through }
    }

    /// A score in the scale's unit.
    pub(crate) fn unit(&self, score: f32) -> f32 {
        match self.scale {
            Scale::Probability => score,
            Scale::Decibels => 10.0 * score.max(1e-9).log10(),
        }
    }

    /// The ends of the scale in its unit, for a picture whose largest score is `largest`.
    pub(crate) fn range(&self, largest: f32) -> [f32; 2] {
        match (self.scale, self.auto_range && largest > 1e-4) {
            (Scale::Probability, false) => [0.0, 1.0],
            (Scale::Probability, true) => [0.0, largest],
            (Scale::Decibels, false) => [-SPAN_DB, 0.0],
            (Scale::Decibels, true) => [self.unit(largest) - SPAN_DB, self.unit(largest)],
        }
    }
}

/// What a picture was made from; an equal one need not be made again.
#[derive(Clone, Copy, PartialEq)]
struct Made {
    sequence: u64,
    t_s: u64,
    len: usize,
    shown: bool,
    look: Look,
    copies: Option<Copies>,
    region: Region,
    clearings: u64,
}

/// Maxima that stay for a while.
#[derive(Default)]
struct Held {
    values: Vec<f32>,
    t_s: f64,
}

/// The picture of the spectrum and what it takes to make the next one.
#[derive(Default)]
pub(crate) struct Heat {
    table: Option<(Arc<Grid>, Interpolator)>,
    colours: Option<(ColourMap, ColourTable)>,
    values: Vec<f32>,
    largest: f32,
    /// Whether every texel has a value.
    reaches_all: bool,
    held: Held,
    copies: Option<(MicArray, Option<Copies>, Vec<bool>)>,
    /// What is not looked at: the region and its texels.
    excluded: (Region, Vec<bool>),
    clearings: u64,
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
    /// Forgets the maxima that are held.
    pub(crate) fn clear_held(&mut self) {
        self.held = Held::default();
        self.clearings += 1;
    }

    /// Brings the picture up to date.
    pub(crate) fn update(&mut self, ctx: &Context, snapshot: &Snapshot, layout: &MicArray, look: Look) {
        let sounding = snapshot.active && !snapshot.spectrum.is_empty();
        let same_grid = self.table.as_ref().is_some_and(|(grid, _)| Arc::ptr_eq(grid, &snapshot.grid));
        if self.copies.as_ref().is_none_or(|(of, ..)| of != layout) {
            self.copies = Some(shade(layout));
        }
        if self.excluded.0 != snapshot.region {
            self.excluded = (snapshot.region, region::excluded(&snapshot.region));
        }
        let shown = sounding || (look.hold != Hold::Off && self.held.values.len() == snapshot.grid.len());
        let made = Made {
            sequence: snapshot.sequence,
            t_s: snapshot.t_s.to_bits(),
            len: snapshot.spectrum.len(),
            shown,
            look,
            copies: self.copies.as_ref().and_then(|(_, copies, _)| *copies),
            region: snapshot.region,
            clearings: self.clearings,
        };
        if self.made == Some(made) && (same_grid || !shown) && self.texture.is_some() {
            return;
        }
        self.made = Some(made);
        self.values.clear();
        if shown {
            if !same_grid {
                self.table = Some((snapshot.grid.clone(), Interpolator::new(&snapshot.grid, WIDTH, HEIGHT)));
                self.held = Held::default();
            }
            let spectrum: &[f32] = if sounding { &snapshot.spectrum } else { &[] };
            let spectrum = self.held.over(spectrum, snapshot, look.hold);
            if let Some((_, table)) = &mut self.table {
                table.fill(spectrum, &mut self.values);
            }
        } else {
            self.values.resize(WIDTH * HEIGHT, 0.0);
        }
        for (value, _) in self.values.iter_mut().zip(&self.excluded.1).filter(|(_, out)| **out) {
            *value = f32::NAN;
        }
        (self.largest, self.reaches_all) = summary(&self.values);
        self.colour(ctx, look);
    }

    fn colour(&mut self, ctx: &Context, look: Look) {
        if self.colours.as_ref().is_none_or(|(map, _)| *map != look.colours) {
            self.colours = Some((look.colours, look.colours.table()));
        }
        let [low, high] = look.range(self.largest);
        let scale = 1.0 / (high - low).max(1e-6);
        let Some((_, table)) = &self.colours else { return };
        let mut pixels = Vec::with_capacity(self.values.len());
        match look.scale {
            Scale::Probability => table.colour_all(&self.values, |v| (v - low) * scale, &mut pixels),
            Scale::Decibels => table.colour_all(&self.values, |v| (look.unit(v) - low) * scale, &mut pixels),
        }
        if look.see_through > 0.0 {
            for (pixel, &v) in pixels.iter_mut().zip(&self.values) {
                *pixel = thinned(*pixel, (look.unit(v) - low) * scale, look.see_through);
            }
        }
        if !self.reaches_all {
            for (pixel, _) in pixels.iter_mut().zip(&self.values).filter(|(_, v)| v.is_nan()) {
                *pixel = theme::RAISED;
            }
        }
        if let Some((_, Some(_), mask)) = &self.copies {
            for (i, (pixel, _)) in pixels.iter_mut().zip(mask).enumerate().filter(|(_, (_, copy))| **copy) {
                *pixel = hatched(*pixel, i % WIDTH, i / WIDTH);
            }
        }
        for (i, (pixel, _)) in pixels.iter_mut().zip(&self.excluded.1).enumerate().filter(|(_, (_, out))| **out) {
            *pixel = region::shade(i % WIDTH, i / WIDTH, look.see_through > 0.0);
        }
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

    /// The largest score of the picture.
    pub(crate) fn largest(&self) -> f32 {
        self.largest
    }

    /// The score that the picture shows in a direction; nothing where the grid has no directions.
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

impl Held {
    /// The spectrum with the maxima of the past, which have faded since the last call.
    fn over<'a>(&'a mut self, spectrum: &'a [f32], snapshot: &Snapshot, hold: Hold) -> &'a [f32] {
        if hold == Hold::Off {
            self.values.clear();
            return spectrum;
        }
        let kept = hold.kept(snapshot.t_s - self.t_s);
        self.t_s = snapshot.t_s;
        self.values.resize(snapshot.grid.len(), 0.0);
        for (i, held) in self.values.iter_mut().enumerate() {
            // `max` passes over what is no number.
            *held = (*held * kept).max(spectrum.get(i).copied().unwrap_or(0.0));
        }
        &self.values
    }
}

/// The largest value, at least 0, and whether all are numbers.
fn summary(values: &[f32]) -> (f32, bool) {
    const LANES: usize = 16;
    let (blocks, rest) = values.as_chunks::<LANES>();
    let (mut most, mut sums) = ([0f32; LANES], [0f32; LANES]);
    for block in blocks {
        for i in 0..LANES {
            // What is no number loses every comparison, and spoils every sum.
            most[i] = if block[i] > most[i] { block[i] } else { most[i] };
            sums[i] += block[i];
        }
    }
    let most = most.iter().chain(rest).fold(0f32, |a, b| a.max(*b));
    (most, sums.iter().chain(rest).sum::<f32>().is_finite())
}

/// Which texels a layout hears only as copies.
fn shade(layout: &MicArray) -> (MicArray, Option<Copies>, Vec<bool>) {
    let copies = Copies::of(layout);
    let mut mask = Vec::new();
    if let Some(copies) = &copies {
        mask.reserve(WIDTH * HEIGHT);
        for y in 0..HEIGHT {
            let (se, ce) = (std::f64::consts::PI * (0.5 - (y as f64 + 0.5) / HEIGHT as f64)).sin_cos();
            for x in 0..WIDTH {
                let (sa, ca) = (std::f64::consts::TAU * (0.5 - (x as f64 + 0.5) / WIDTH as f64)).sin_cos();
                mask.push(copies.holds([ce * ca, ce * sa, se]));
            }
        }
    }
    (layout.clone(), copies, mask)
}

/// A colour under a shade of thin slanting lines.
fn hatched(c: Color32, x: usize, y: usize) -> Color32 {
    let line = (x + y) % 8 < 2;
    let dull = |v: u8, to: u8| ((u16::from(v) * 5 + u16::from(to) * 3) / 8) as u8;
    let to = if line { theme::HATCH } else { theme::BACKGROUND };
    // A see-through colour stays so.
    let to = to.gamma_multiply(f32::from(c.a()) / 255.0);
    Color32::from_rgba_premultiplied(dull(c.r(), to.r()), dull(c.g(), to.g()), dull(c.b(), to.b()), c.a())
}

/// A colour through which a picture shows by this much up to a value of 0.1, as the dark end of the colours would only dim it, and not at all
/// from 0.6 on.
fn thinned(c: Color32, value: f32, see_through: f32) -> Color32 {
    let rise = ((value - 0.1) / 0.5).clamp(0.0, 1.0);
    c.gamma_multiply(1.0 - see_through * (1.0 - rise * rise * (3.0 - 2.0 * rise)))
}
