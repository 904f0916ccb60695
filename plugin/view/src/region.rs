//! What is not looked at: dark on every map, and named.

use egui::{Align2, Color32, Painter, Pos2};
use spherescope_dsp::{Direction, Region};

use crate::heat::{HEIGHT, WIDTH};
use crate::theme;

/// Which texels of a picture of the sphere lie outside the region; empty where all lie inside.
pub(crate) fn excluded(region: &Region) -> Vec<bool> {
    if *region == Region::Sphere {
        return Vec::new();
    }
    let outside = |i: usize| {
        let (x, y) = ((i % WIDTH) as f64 + 0.5, (i / WIDTH) as f64 + 0.5);
        let (azimuth_deg, elevation_deg) = (180.0 - 360.0 * x / WIDTH as f64, 90.0 - 180.0 * y / HEIGHT as f64);
        Direction::from_degrees(azimuth_deg, elevation_deg).is_ok_and(|d| !region.holds(&d))
    };
    (0..WIDTH * HEIGHT).map(outside).collect()
}

/// The colour of what is not looked at, over a picture as over none.
pub(crate) fn shade(x: usize, y: usize, see_through: bool) -> Color32 {
    // Dots, not lines: lines are what an array cannot tell apart.
    let dot = x.is_multiple_of(6) && y.is_multiple_of(6);
    let colour = if dot { theme::LINE } else { theme::SUNKEN };
    if see_through { colour.gamma_multiply(0.82) } else { colour }
}

/// Places outside the region with room for a word around them, the best first.
fn places(region: &Region) -> impl Iterator<Item = Direction> + '_ {
    const AZIMUTHS_DEG: [f64; 12] = [0.0, 180.0, 130.0, -130.0, 90.0, -90.0, 60.0, -60.0, 150.0, -150.0, 30.0, -30.0];
    const ELEVATIONS_DEG: [f64; 7] = [0.0, -45.0, 45.0, -25.0, 25.0, -70.0, 70.0];
    let all = ELEVATIONS_DEG.iter().flat_map(|el| AZIMUTHS_DEG.iter().map(move |az| (*az, *el)));
    let free = move |azimuth_deg: f64, elevation_deg: f64| {
        Direction::from_degrees(azimuth_deg, elevation_deg.clamp(-90.0, 90.0)).is_ok_and(|d| !region.holds(&d))
    };
    all.filter(move |&(az, el)| {
        let around = [(0.0, 0.0), (28.0, 6.0), (28.0, -10.0), (-28.0, 6.0), (-28.0, -10.0), (0.0, 8.0), (0.0, -12.0)];
        around.iter().all(|(da, de)| free(az + da, el + de))
    })
    .filter_map(|(az, el)| Direction::from_degrees(az, el).ok())
}

/// Writes what the darkness stands for, where `at` finds room for it.
pub(crate) fn label(painter: &Painter, region: &Region, at: impl Fn(&Direction) -> Option<Pos2>) {
    if *region == Region::Sphere {
        return;
    }
    if let Some(at) = places(region).find_map(|d| at(&d)) {
        painter.text(at, Align2::CENTER_CENTER, "not looked at", theme::regular(12.0), theme::DIM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_sphere_is_excluded_where_half_is_looked_at_and_a_place_for_the_word_is_found() {
        assert!(excluded(&Region::Sphere).is_empty());
        for region in [Region::Front, Region::Upper] {
            let dark = excluded(&region).iter().filter(|x| **x).count();
            assert!(dark.abs_diff(WIDTH * HEIGHT / 2) < WIDTH * 4, "{region:?}: {dark}");
            assert!(places(&region).all(|d| !region.holds(&d)) && places(&region).count() > 3);
        }
        // Nearly all is looked at: no word is better than one over it.
        let most = Region::Window { azimuth_deg: 0.0, width_deg: 350.0, elevations_deg: [-85.0, 85.0] };
        assert_eq!(places(&most).count(), 0);
    }
}
