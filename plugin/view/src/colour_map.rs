//! Colour maps: ramps from dark to bright, built in Oklab so that equal steps of the value look like equal steps of lightness.

use egui::Color32;
use serde::{Deserialize, Serialize};

/// A ramp from dark (0) to bright (1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ColourMap {
    /// Night over violet and orange to pale yellow.
    #[default]
    Ember,
    /// Night over blue and green to bright yellow.
    Lagoon,
    /// Night over deep blue and cyan to ice.
    Glacier,
    /// Navy over grey to yellow: differs in lightness and along blue and yellow only, so that it looks alike for red- and
    /// green-blind eyes.
    Dusk,
}

/// Steps of a table; more than eight bits of any channel can show.
const STEPS: usize = 1025;
/// Its entries: so many that eleven bits cannot miss them.
const ENTRIES: usize = 2048;

impl ColourMap {
    /// All maps, in the order in which people see them.
    pub const ALL: [Self; 4] = [Self::Ember, Self::Lagoon, Self::Glacier, Self::Dusk];

    /// The name that people see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ember => "Ember",
            Self::Lagoon => "Lagoon",
            Self::Glacier => "Glacier",
            Self::Dusk => "Dusk",
        }
    }

    /// When to choose it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Ember => "Dark and calm: only what is likely glows",
            Self::Lagoon => "Shows weak structure too",
            Self::Glacier => "Cool and even: leaves red and yellow to warnings",
            Self::Dusk => "Looks alike for colour-blind eyes",
        }
    }

    /// The colour of a value; values outside 0 … 1 are clamped and what is no number is 0.
    pub fn colour(self, value: f32) -> Color32 {
        let t = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        oklab_to_srgb(self.oklab(t))
    }

    /// The whole ramp as a table.
    pub(crate) fn table(self) -> ColourTable {
        let of_step = |i: usize| self.colour(i.min(STEPS - 1) as f32 / (STEPS - 1) as f32);
        ColourTable(Box::new(std::array::from_fn(of_step)))
    }

    /// Lightness, green–red and blue–yellow of a value. Lightness is linear in all maps.
    fn oklab(self, t: f32) -> [f32; 3] {
        match self {
            Self::Ember => {
                // Hue from violet through red and orange to yellow; chroma swells in the middle.
                let hue = lerp(285.0, 465.0, t.powf(0.85));
                let chroma = 0.012 + 0.2 * (std::f32::consts::PI * (0.06 + 0.86 * t)).sin().powf(1.15);
                polar(lerp(0.125, 0.965, t), chroma, hue)
            }
            Self::Lagoon => {
                let hue = lerp(278.0, 105.0, t);
                let chroma = 0.03 + 0.125 * (std::f32::consts::PI * (0.1 + 0.6 * t)).sin();
                polar(lerp(0.155, 0.95, t), chroma, hue)
            }
            Self::Glacier => {
                let hue = lerp(282.0, 200.0, t);
                let chroma = 0.02 + 0.11 * (std::f32::consts::PI * (0.1 + 0.84 * t)).sin();
                polar(lerp(0.14, 0.97, t), chroma, hue)
            }
            Self::Dusk => {
                let blue_yellow = lerp(-0.085, 0.15, t);
                [lerp(0.16, 0.95, t), -0.14 * blue_yellow.abs(), blue_yellow]
            }
        }
    }
}

/// A ramp as a table, for whole images.
#[derive(Clone)]
pub(crate) struct ColourTable(Box<[Color32; ENTRIES]>);

impl ColourTable {
    /// Appends the colours of all values, each first brought into the range 0 … 1 by `unit`.
    pub(crate) fn colour_all(&self, values: &[f32], unit: impl Fn(f32) -> f32, pixels: &mut Vec<Color32>) {
        const BLOCK: usize = 16;
        // The smallest single whose last bit counts ones: adding it rounds, and leaves the number in the last bits.
        const ROUND: f32 = 8_388_608.0;
        let step = |value: f32| {
            let unit = unit(value);
            // What is no number becomes 0 by the first comparison.
            let unit = if unit > 0.0 { unit } else { 0.0 };
            let unit = if unit < 1.0 { unit } else { 1.0 };
            (unit * (STEPS - 1) as f32 + ROUND).to_bits() & 0x7ff
        };
        let (blocks, rest) = values.as_chunks::<BLOCK>();
        for block in blocks {
            let steps = block.map(step);
            pixels.extend_from_slice(&steps.map(|i| self.0[i as usize]));
        }
        pixels.extend(rest.iter().map(|v| self.0[step(*v) as usize]));
    }

    /// As [`ColourMap::colour`].
    pub(crate) fn colour(&self, value: f32) -> Color32 {
        // A cast of what is no number gives 0, and casts saturate.
        let i = (value * (STEPS - 1) as f32 + 0.5) as usize;
        self.0[i.min(STEPS - 1)]
    }
}

fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

fn polar(lightness: f32, chroma: f32, hue_deg: f32) -> [f32; 3] {
    let (s, c) = hue_deg.to_radians().sin_cos();
    [lightness, chroma * c, chroma * s]
}

/// The sRGB colour of an Oklab colour (Ottosson 2020). What lies outside the screen's gamut keeps lightness and hue and loses chroma.
fn oklab_to_srgb([lightness, a, b]: [f32; 3]) -> Color32 {
    let linear = |k: f32| {
        let (a, b) = (k * a, k * b);
        let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
        let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
        let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
        [
            4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
            -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
            -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
        ]
    };
    let fits = |rgb: [f32; 3]| rgb.iter().all(|v| (-1e-4..=1.0001).contains(v));
    let mut k = 1.0;
    if !fits(linear(1.0)) {
        let (mut inside, mut outside) = (0.0, 1.0);
        for _ in 0..12 {
            k = 0.5 * (inside + outside);
            if fits(linear(k)) {
                inside = k;
            } else {
                outside = k;
            }
        }
        k = inside;
    }
    let [r, g, b] = linear(k).map(|v| {
        let v = v.clamp(0.0, 1.0);
        let encoded = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        (encoded * 255.0).round() as u8
    });
    Color32::from_rgb(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::luminance;

    /// CIE L* of a colour, an independent measure of lightness.
    fn cie_lightness(c: Color32) -> f32 {
        let y = luminance(c);
        if y <= 0.008_856 { 903.3 * y } else { 116.0 * y.cbrt() - 16.0 }
    }

    #[test]
    fn lightness_rises_evenly() {
        for map in ColourMap::ALL {
            let l: Vec<f32> = (0..=20).map(|i| cie_lightness(map.colour(i as f32 / 20.0))).collect();
            let mean = (l[20] - l[0]) / 20.0;
            assert!(l[0] < 12.0 && l[20] > 85.0, "{map:?} runs from {} to {}", l[0], l[20]);
            for (i, pair) in l.windows(2).enumerate() {
                let step = pair[1] - pair[0];
                assert!((0.3 * mean..1.7 * mean).contains(&step), "{map:?} step {i}: {step} of a mean of {mean}");
            }
        }
    }

    #[test]
    fn the_table_says_the_same_and_survives_anything() {
        for map in ColourMap::ALL {
            let table = map.table();
            for value in [0.0, 0.5, 1.0, -3.0, 7.0, f32::NAN, f32::NEG_INFINITY] {
                assert_eq!(table.colour(value), map.colour(value), "{map:?} at {value}");
            }
            assert_eq!(table.colour(f32::INFINITY), map.colour(1.0));
        }
    }

    #[test]
    fn dusk_hardly_uses_red_against_green() {
        for i in 0..=50 {
            let c = ColourMap::Dusk.colour(i as f32 / 50.0);
            assert!((i32::from(c.r()) - i32::from(c.g())).abs() < 34, "{c:?}");
        }
    }
}
