//! Iterative peak detection on the sphere: local maxima first, then the best of them, a minimum angle apart.

use crate::direction::{Direction, cross, dot, norm};
use crate::grid::Grid;
use crate::region::{Region, cell_rad};

/// A maximum of a spatial spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Index of the grid direction at the maximum.
    pub index: usize,
    /// Where the maximum is, refined between the grid's directions.
    pub direction: Direction,
    /// The spectrum's value at the grid direction.
    pub score: f32,
}

/// What counts as a peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeakOptions {
    /// At most this many peaks.
    pub max_peaks: usize,
    /// Two peaks are at least this far apart, in radians.
    pub min_separation_rad: f64,
    /// Peaks below this score are left out.
    pub threshold: f32,
}

impl Default for PeakOptions {
    fn default() -> Self {
        Self { max_peaks: 4, min_separation_rad: 10f64.to_radians(), threshold: 0.0 }
    }
}

/// Finds peaks on one grid; holds who neighbours whom.
#[derive(Clone, Debug)]
pub struct PeakFinder {
    directions: Vec<Direction>,
    /// Where peaks may lie, `[D]`.
    inside: Vec<bool>,
    /// Start of each direction's neighbours in `neighbours`, `[D + 1]`.
    starts: Vec<u32>,
    neighbours: Vec<u32>,
}

impl PeakFinder {
    /// Prepares a grid: neighbours are all directions within 1.7 times the side of a cell of an even grid of this size, which on
    /// a Fibonacci grid are the six to nine around each direction.
    pub fn new(grid: &Grid) -> Self {
        Self::in_region(grid, grid.len(), &Region::Sphere)
    }

    /// Prepares the grid that [`Region::grid`] makes of a sphere of `whole` directions: peaks lie in the region only.
    pub fn in_region(grid: &Grid, whole: usize, region: &Region) -> Self {
        let directions = grid.directions().to_vec();
        let inside = directions.iter().map(|d| region.holds(d)).collect();
        let reach_rad = 1.7 * cell_rad(whole.max(1));
        let min_cosine = reach_rad.min(std::f64::consts::PI).cos();
        let mut by_z: Vec<u32> = (0..directions.len() as u32).collect();
        by_z.sort_by(|&a, &b| directions[a as usize].unit()[2].total_cmp(&directions[b as usize].unit()[2]));
        let mut lists = vec![Vec::new(); directions.len()];
        for (rank, &i) in by_z.iter().enumerate() {
            let a = directions[i as usize].unit();
            for &j in &by_z[rank + 1..] {
                let b = directions[j as usize].unit();
                // A chord is never shorter than its height.
                if b[2] - a[2] > reach_rad {
                    break;
                }
                if dot(a, b) >= min_cosine {
                    lists[i as usize].push(j);
                    lists[j as usize].push(i);
                }
            }
        }
        let mut starts = vec![0];
        let mut neighbours = Vec::new();
        for list in lists {
            neighbours.extend(list);
            starts.push(neighbours.len() as u32);
        }
        Self { directions, inside, starts, neighbours }
    }

    /// The peaks of `spectrum` `[D]`, best first. Values that are not finite never win.
    ///
    /// Local maxima come first; where they are fewer than `max_peaks` no others are invented.
    pub fn find(&self, spectrum: &[f32], options: &PeakOptions) -> Vec<Peak> {
        let mut candidates: Vec<usize> = (0..self.directions.len().min(spectrum.len()))
            .filter(|&i| self.inside[i] && spectrum[i].is_finite() && spectrum[i] >= options.threshold)
            .filter(|&i| self.is_maximum(spectrum, i))
            .collect();
        candidates.sort_by(|&a, &b| spectrum[b].total_cmp(&spectrum[a]).then(a.cmp(&b)));
        self.pick(Vec::new(), candidates, spectrum, options)
    }

    /// Exactly `max_peaks` peaks where the grid allows it: local maxima, then the highest other directions that are far enough from
    /// all chosen ones. The threshold is not applied.
    pub fn find_exactly(&self, spectrum: &[f32], options: &PeakOptions) -> Vec<Peak> {
        let options = PeakOptions { threshold: f32::NEG_INFINITY, ..*options };
        let chosen = self.find(spectrum, &options);
        if chosen.len() >= options.max_peaks {
            return chosen;
        }
        let mut rest: Vec<usize> = (0..self.directions.len().min(spectrum.len()))
            .filter(|&i| self.inside[i] && spectrum[i].is_finite())
            .collect();
        rest.sort_by(|&a, &b| spectrum[b].total_cmp(&spectrum[a]).then(a.cmp(&b)));
        self.pick(chosen, rest, spectrum, &options)
    }

    fn pick(&self, mut chosen: Vec<Peak>, ranked: Vec<usize>, spectrum: &[f32], options: &PeakOptions) -> Vec<Peak> {
        let max_cosine = options.min_separation_rad.cos();
        for i in ranked {
            if chosen.len() >= options.max_peaks {
                break;
            }
            let unit = self.directions[i].unit();
            if chosen.iter().all(|p| dot(self.directions[p.index].unit(), unit) <= max_cosine) {
                chosen.push(Peak { index: i, direction: self.refined(spectrum, i), score: spectrum[i] });
            }
        }
        chosen
    }

    fn neighbours(&self, i: usize) -> &[u32] {
        &self.neighbours[self.starts[i] as usize..self.starts[i + 1] as usize]
    }

    fn is_maximum(&self, spectrum: &[f32], i: usize) -> bool {
        self.neighbours(i).iter().all(|&j| {
            let (here, there) = (spectrum[i], spectrum[j as usize]);
            // Of a plateau the first direction stands for all.
            !there.is_finite() || here > there || (here == there && i < j as usize)
        })
    }

    /// The vertex of a paraboloid fitted to the maximum and its neighbours in the tangent plane (least squares); the grid direction
    /// itself where no such vertex lies within the cell.
    fn refined(&self, spectrum: &[f32], i: usize) -> Direction {
        let here = self.directions[i];
        let neighbours = self.neighbours(i);
        if neighbours.len() < 5 {
            return here;
        }
        let [east, north] = tangents(here.unit());
        let mut normal = [[0.0; 7]; 6];
        let mut cell = 0.0f64;
        for j in neighbours.iter().map(|&j| j as usize).chain([i]) {
            let u = self.directions[j].unit();
            let (x, y) = (dot(u, east), dot(u, north));
            cell = cell.max(x.hypot(y));
            let value = f64::from(spectrum[j]);
            if !value.is_finite() {
                return here;
            }
            let row = [1.0, x, y, x * x, x * y, y * y, value];
            for a in 0..6 {
                for b in 0..7 {
                    normal[a][b] += row[a] * row[b];
                }
            }
        }
        let Some([_, gx, gy, xx, xy, yy]) = solve(normal) else { return here };
        let determinant = 4.0 * xx * yy - xy * xy;
        if xx >= 0.0 || determinant <= 0.0 {
            return here;
        }
        let x = (xy * gy - 2.0 * yy * gx) / determinant;
        let y = (xy * gx - 2.0 * xx * gy) / determinant;
        if x.hypot(y) > cell {
            return here;
        }
        let u = here.unit();
        Direction::from_vector(std::array::from_fn(|k| u[k] + x * east[k] + y * north[k])).unwrap_or(here)
    }
}

/// Two unit vectors that span the plane tangent to the sphere at `u`.
fn tangents(u: [f64; 3]) -> [[f64; 3]; 2] {
    let helper = if u[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
    let east = cross(helper, u);
    let length = norm(east);
    let east = east.map(|x| x / length);
    [east, cross(u, east)]
}

/// Solves six equations `[coefficients | right side]` by elimination with pivoting; `None` when they do not determine the answer.
fn solve(mut m: [[f64; 7]; 6]) -> Option<[f64; 6]> {
    let scale: [f64; 6] = std::array::from_fn(|a| m[a][a].sqrt().max(1e-300));
    for a in 0..6 {
        for b in 0..6 {
            m[a][b] /= scale[a] * scale[b];
        }
        m[a][6] /= scale[a];
    }
    for column in 0..6 {
        let pivot = (column..6).max_by(|&a, &b| m[a][column].abs().total_cmp(&m[b][column].abs()))?;
        m.swap(column, pivot);
        if m[column][column].abs() < 1e-9 {
            return None;
        }
        for row in 0..6 {
            if row != column {
                let factor = m[row][column] / m[column][column];
                for k in column..7 {
                    m[row][k] -= factor * m[column][k];
                }
            }
        }
    }
    Some(std::array::from_fn(|a| m[a][6] / m[a][a] / scale[a]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lobes(grid: &Grid, centres: &[(Direction, f32)], kappa: f64) -> Vec<f32> {
        let value = |d: &Direction| {
            centres
                .iter()
                .map(|(c, height)| height * (kappa * (dot(d.unit(), c.unit()) - 1.0)).exp() as f32)
                .fold(0.0, f32::max)
        };
        grid.directions().iter().map(value).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn two_lobes_are_two_peaks_and_no_shoulders(
            az in -180.0f64..180.0, el in -80.0f64..80.0, apart in 40.0f64..140.0, weak in 0.4f32..0.95,
        ) {
            let grid = Grid::fibonacci(2048).unwrap();
            let a = Direction::from_degrees(az, el).unwrap();
            let b = Direction::from_degrees(az, el + apart).unwrap();
            let spectrum = lobes(&grid, &[(a, 1.0), (b, weak)], 40.0);
            let peaks = PeakFinder::new(&grid).find(&spectrum, &PeakOptions { threshold: 0.1, ..Default::default() });
            prop_assert_eq!(peaks.len(), 2);
            prop_assert!(peaks[0].direction.angle_to_deg(&a) < 1.0, "{}", peaks[0].direction.angle_to_deg(&a));
            prop_assert!(peaks[1].direction.angle_to_deg(&b) < 1.0, "{}", peaks[1].direction.angle_to_deg(&b));
        }
    }

    #[test]
    fn a_flat_or_broken_spectrum_is_survived() {
        let grid = Grid::fibonacci(500).unwrap();
        let finder = PeakFinder::new(&grid);
        let options = PeakOptions { max_peaks: 3, ..Default::default() };
        assert!(finder.find(&vec![f32::NAN; 500], &options).is_empty());
        assert!(finder.find(&[], &options).is_empty());
        let exactly = finder.find_exactly(&vec![0.5; 500], &options);
        assert_eq!(exactly.len(), 3);
        for (i, a) in exactly.iter().enumerate() {
            for b in &exactly[..i] {
                assert!(grid.directions()[a.index].angle_to_deg(&grid.directions()[b.index]) >= 10.0);
            }
        }
    }

    #[test]
    fn a_region_s_edge_is_no_peak_and_peaks_inside_are_where_they_were() {
        let region = Region::Window { azimuth_deg: 0.0, width_deg: 80.0, elevations_deg: [-30.0, 50.0] };
        let (whole, part) = (Grid::fibonacci(2048).unwrap(), region.grid(2048).unwrap());
        // One source inside, a louder one outside, whose slope rises towards the edge.
        let [inside, outside] = [(10.0, 5.0), (75.0, 0.0)].map(|(az, el)| Direction::from_degrees(az, el).unwrap());
        let heard = |grid: &Grid| -> Vec<f32> {
            let lobe = |d: &Direction, to: &Direction, h: f64, w: f64| h * (-d.angle_to_deg(to) / w).exp();
            let value = |d: &Direction| lobe(d, &inside, 0.6, 12.0) + lobe(d, &outside, 1.0, 40.0);
            grid.directions().iter().map(|d| value(d) as f32).collect()
        };
        let options = PeakOptions { max_peaks: 1, ..PeakOptions::default() };
        let of_part = PeakFinder::in_region(&part, 2048, &region).find(&heard(&part), &PeakOptions::default());
        assert_eq!(of_part.len(), 1, "{of_part:?}");
        let of_whole = PeakFinder::new(&whole).find(&heard(&whole), &PeakOptions::default());
        let same = of_whole.iter().find(|p| region.holds(&p.direction)).unwrap();
        assert!(of_part[0].direction.angle_to_deg(&same.direction) < 1e-6 && of_part[0].score == same.score);
        // The loudest is outside and takes nobody's place.
        let first = PeakFinder::in_region(&part, 2048, &region).find(&heard(&part), &options);
        assert_eq!(first, of_part);
    }
}
