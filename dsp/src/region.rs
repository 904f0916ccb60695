//! Parts of the sphere that are looked at, and the candidate directions in them.

use std::f64::consts::PI;

use crate::direction::Direction;
use crate::grid::{Grid, GridSizeError};

/// The part of the sphere in which sources are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Region {
    /// All of it.
    #[default]
    Sphere,
    /// What lies ahead: azimuths within 90° of the front.
    Front,
    /// What lies above the horizon.
    Upper,
    /// A window of azimuths and elevations.
    Window {
        /// The middle of its azimuths, in degrees.
        azimuth_deg: f64,
        /// How many degrees of azimuth it takes, 0 … 360.
        width_deg: f64,
        /// Its two edges in elevation, in degrees, in any order.
        elevations_deg: [f64; 2],
    },
}

/// Directions this many sides of a cell outside a region still belong to its grid, so that what rises towards the outside is no maximum.
const MARGIN_CELLS: f64 = 1.7;

impl Region {
    /// Whether a direction lies in the region; its edges belong to it.
    pub fn holds(&self, d: &Direction) -> bool {
        self.holds_within(d, 0.0)
    }

    /// Whether a direction lies in the region or no more than about `margin_rad` outside.
    fn holds_within(&self, d: &Direction, margin_rad: f64) -> bool {
        let [x, _, z] = d.unit();
        // A little more than nothing, so that rounding decides no edge.
        let margin = margin_rad + 1e-9;
        match *self {
            Self::Sphere => true,
            Self::Front => x >= -margin.sin(),
            Self::Upper => z >= -margin.sin(),
            Self::Window { azimuth_deg, width_deg, elevations_deg: [a, b] } => {
                let elevation = d.elevation_deg().to_radians();
                let (low, high) = (a.min(b).to_radians() - margin, a.max(b).to_radians() + margin);
                if !(low..=high).contains(&elevation) {
                    return false;
                }
                let away = (d.azimuth_deg() - azimuth_deg + 180.0).rem_euclid(360.0) - 180.0;
                let beyond = (away.abs() - 0.5 * width_deg).max(0.0).to_radians();
                // Meridians lie closer towards the poles.
                beyond.min(0.5 * PI).sin() * elevation.cos() <= margin.sin()
            }
        }
    }

    /// The directions of a Fibonacci grid of `len` directions for the whole sphere that lie in the region or close outside it.
    ///
    /// # Errors
    /// [`GridSizeError`] when `len` is 0 or too large, or no direction is left.
    pub fn grid(&self, len: usize) -> Result<Grid, GridSizeError> {
        let whole = Grid::fibonacci(len)?;
        if *self == Self::Sphere {
            return Ok(whole);
        }
        let margin = MARGIN_CELLS * cell_rad(len);
        Grid::from_directions(whole.directions().iter().filter(|d| self.holds_within(d, margin)).copied().collect())
    }
}

/// The side of a cell of an even grid of `len` directions, in radians.
pub(crate) fn cell_rad(len: usize) -> f64 {
    (4.0 * PI / len as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn direction(azimuth: f64, elevation: f64) -> Direction {
        Direction::from_degrees(azimuth, elevation).unwrap()
    }

    #[test]
    fn regions_hold_what_their_names_say() {
        assert!(Region::Front.holds(&direction(89.9, 40.0)) && !Region::Front.holds(&direction(90.1, 40.0)));
        assert!(Region::Upper.holds(&direction(-170.0, 0.1)) && !Region::Upper.holds(&direction(-170.0, -0.1)));
        let window = Region::Window { azimuth_deg: 170.0, width_deg: 60.0, elevations_deg: [30.0, -10.0] };
        for (azimuth, elevation, inside) in [
            (170.0, 0.0, true),
            (-161.0, 29.0, true),
            (141.0, -9.0, true),
            (139.0, 0.0, false),
            (-159.0, 0.0, false),
            (170.0, 31.0, false),
            (170.0, -11.0, false),
            (-10.0, 0.0, false),
        ] {
            assert_eq!(window.holds(&direction(azimuth, elevation)), inside, "{azimuth}° {elevation}°");
        }
        let around = Region::Window { azimuth_deg: 0.0, width_deg: 360.0, elevations_deg: [-90.0, 90.0] };
        assert!((-18..=18).all(|i| around.holds(&direction(f64::from(10 * i), f64::from(5 * i)))));
    }

    #[test]
    fn a_region_s_grid_is_a_part_of_the_sphere_s() {
        let whole = Grid::fibonacci(2048).unwrap();
        assert_eq!(Region::Sphere.grid(2048).unwrap(), whole);
        let front = Region::Front.grid(2048).unwrap();
        assert!((1024..1250).contains(&front.len()), "{}", front.len());
        assert!(front.directions().iter().all(|d| whole.directions().contains(d)));
        assert!(Region::Sphere.grid(0).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_window_s_grid_holds_all_of_it_and_little_more(
            azimuth_deg in -180.0f64..180.0, width_deg in 10.0f64..360.0, low in -75.0f64..70.0, height in 5.0f64..90.0,
            len in 256usize..4096,
        ) {
            let region = Region::Window { azimuth_deg, width_deg, elevations_deg: [low, (low + height).min(90.0)] };
            let part = region.grid(len).unwrap();
            let whole = Grid::fibonacci(len).unwrap();
            for d in whole.directions().iter().filter(|d| region.holds(d)) {
                prop_assert!(part.directions().contains(d));
            }
            // What is outside lies near something inside.
            let reach = 3.0 * MARGIN_CELLS * cell_rad(len);
            let inside: Vec<_> = Grid::fibonacci(16_384).unwrap().directions().iter().filter(|d| region.holds(d)).copied().collect();
            for d in part.directions() {
                prop_assert!(inside.iter().any(|i| i.angle_to_rad(d) <= reach), "{:?}", d);
            }
        }
    }
}
