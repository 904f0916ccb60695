//! The per-frame protocol: as many of the best peaks as sources sound, matched with them by optimal assignment.

use spherescope_dsp::{Direction, Peak};

use crate::truth::TruthSource;

/// The error of a source for which the grid gave no peak at all: that of a guess, in degrees.
pub const NO_PEAK_DEG: f64 = 90.0;
/// Errors up to this, in degrees, count as accurate.
pub const ACCURATE_DEG: f64 = 10.0;

/// The cheapest way to give every row a column of its own, or none at the price `unmatched`.
///
/// `costs[row][column]`; a price that is not finite forbids a pair. Exact, by dynamic programming over sets of columns: meant for a
/// handful of columns; those after the 16th are not looked at.
pub fn assign(costs: &[Vec<f64>], unmatched: f64) -> Vec<Option<usize>> {
    const MOST: usize = 16;
    let columns = costs.iter().map(Vec::len).max().unwrap_or(0).min(MOST);
    let sets = 1usize << columns;
    // best[row][set]: the price of the rows before `row` with the columns of `set` taken, and the column of the row before.
    let mut best = vec![vec![(f64::INFINITY, None); sets]; costs.len() + 1];
    best[0][0].0 = 0.0;
    for (row, row_costs) in costs.iter().enumerate() {
        for set in 0..sets {
            let so_far = best[row][set].0;
            if !so_far.is_finite() {
                continue;
            }
            if so_far + unmatched < best[row + 1][set].0 {
                best[row + 1][set] = (so_far + unmatched, None);
            }
            for (column, &cost) in row_costs.iter().enumerate().take(columns) {
                let with = set | 1 << column;
                if with != set && cost.is_finite() && so_far + cost < best[row + 1][with].0 {
                    best[row + 1][with] = (so_far + cost, Some(column));
                }
            }
        }
    }
    let mut set = (0..sets).min_by(|&a, &b| best[costs.len()][a].0.total_cmp(&best[costs.len()][b].0)).unwrap_or(0);
    let mut assigned = vec![None; costs.len()];
    for row in (0..costs.len()).rev() {
        assigned[row] = best[row + 1][set].1;
        if let Some(column) = assigned[row] {
            set &= !(1 << column);
        }
    }
    assigned
}

/// Angle in degrees from each source to its peak, after optimal assignment; [`NO_PEAK_DEG`] for a source that got none.
pub fn frame_errors(sources: &[Direction], peaks: &[Peak]) -> Vec<f64> {
    matched(sources, peaks).into_iter().map(|m| m.map_or(NO_PEAK_DEG, |(_, angle)| angle)).collect()
}

/// For each source its peak's index and the angle between them in degrees.
pub fn matched(sources: &[Direction], peaks: &[Peak]) -> Vec<Option<(usize, f64)>> {
    let costs: Vec<Vec<f64>> =
        sources.iter().map(|s| peaks.iter().map(|p| s.angle_to_deg(&p.direction)).collect()).collect();
    let assigned = assign(&costs, 1e6);
    assigned.iter().zip(&costs).map(|(a, row)| a.map(|column| (column, row[column]))).collect()
}

/// Directions of the sources that sound.
pub fn sounding(sources: &[TruthSource]) -> Vec<Direction> {
    sources.iter().filter(|s| s.active).map(|s| s.direction).collect()
}

/// Angular errors of pairs of source and peak, and what the tables say of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors {
    /// One error a pair, in degrees.
    pub degrees: Vec<f64>,
}

impl Errors {
    /// Mean absolute error in degrees; `None` when there are none.
    pub fn mean_deg(&self) -> Option<f64> {
        (!self.degrees.is_empty()).then(|| self.degrees.iter().sum::<f64>() / self.degrees.len() as f64)
    }

    /// Median error in degrees; `None` when there are none.
    pub fn median_deg(&self) -> Option<f64> {
        median(&self.degrees)
    }

    /// Share of pairs with an error of at most [`ACCURATE_DEG`], 0 … 1; `None` when there are none.
    pub fn accurate(&self) -> Option<f64> {
        let count = self.degrees.iter().filter(|&&e| e <= ACCURATE_DEG).count();
        (!self.degrees.is_empty()).then(|| count as f64 / self.degrees.len() as f64)
    }
}

/// The middle of the values; `None` when there are none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len().is_multiple_of(2) { 0.5 * (sorted[middle - 1] + upper) } else { upper })
}

/// How far `found` is behind `now` on its way to `next`, in degrees along that way; negative when it is ahead.
pub fn lag_deg(now: &Direction, next: &Direction, found: &Direction) -> Option<f64> {
    let [a, b, f] = [now, next, found].map(Direction::unit);
    let along = |v: [f64; 3]| {
        let radial: f64 = (0..3).map(|i| v[i] * a[i]).sum();
        [v[0] - radial * a[0], v[1] - radial * a[1], v[2] - radial * a[2]]
    };
    let way = along(b);
    let length = way.iter().map(|x| x * x).sum::<f64>().sqrt();
    let across = along(f);
    (length > 1e-9).then(|| -(0..3).map(|i| across[i] * way[i] / length).sum::<f64>().asin().to_degrees())
}

#[cfg(test)]
mod tests {
    use super::*;
    use spherescope_dsp::{Grid, PeakFinder, PeakOptions};

    fn at(azimuth: f64, elevation: f64) -> Direction {
        Direction::from_degrees(azimuth, elevation).unwrap()
    }

    #[test]
    fn the_assignment_is_the_cheapest_of_all() {
        // The nearest pair first would cost 1 + 100.
        assert_eq!(assign(&[vec![1.0, 2.0], vec![2.0, 100.0]], 1e6), [Some(1), Some(0)]);
        assert_eq!(assign(&[vec![5.0], vec![3.0]], 1e6), [None, Some(0)]);
        assert_eq!(assign(&[vec![f64::INFINITY, 4.0]], 50.0), [Some(1)]);
        assert_eq!(assign(&[vec![60.0]], 50.0), [None]);
        assert_eq!(assign(&[vec![], vec![]], 50.0), [None, None]);
        assert!(assign(&[], 50.0).is_empty());
        // Against all permutations.
        let costs: Vec<Vec<f64>> =
            (0..4).map(|i| (0..4).map(|j| f64::from((i * 7 + j * 13 + i * j * 5) % 17)).collect()).collect();
        let price = |columns: &[usize]| columns.iter().enumerate().map(|(r, &c)| costs[r][c]).sum::<f64>();
        let mut cheapest = f64::INFINITY;
        for n in 0..256 {
            let columns = [n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6 & 3];
            if (0..4).all(|c| columns.contains(&c)) {
                cheapest = cheapest.min(price(&columns));
            }
        }
        let found: Vec<usize> = assign(&costs, 1e6).into_iter().map(Option::unwrap).collect();
        assert_eq!(price(&found), cheapest);
    }

    #[test]
    fn a_hand_made_spectrum_gives_the_errors_that_were_put_in() {
        let grid = Grid::fibonacci(2048).unwrap();
        let lobes = [(at(20.0, 0.0), 0.9), (at(-70.0, 30.0), 0.6), (at(150.0, -20.0), 0.3)];
        let spectrum: Vec<f32> = grid
            .directions()
            .iter()
            .map(|d| lobes.iter().map(|(l, h)| h * (60.0 * (d.angle_to_rad(l).cos() - 1.0)).exp()).sum::<f64>() as f32)
            .collect();
        let options = PeakOptions { max_peaks: 2, ..PeakOptions::default() };
        let peaks = PeakFinder::new(&grid).find_exactly(&spectrum, &options);
        // The second talker is 5° above its lobe; order does not matter.
        let errors = frame_errors(&[at(-70.0, 35.0), at(20.0, 0.0)], &peaks);
        assert!((errors[0] - 5.0).abs() < 0.5 && errors[1] < 0.5, "{errors:?}");
        assert_eq!(frame_errors(&[at(0.0, 0.0)], &[]), [NO_PEAK_DEG]);
    }

    #[test]
    fn summaries_are_mean_median_and_share() {
        let errors = Errors { degrees: vec![2.0, 40.0, 10.0, 4.0] };
        assert_eq!(errors.mean_deg(), Some(14.0));
        assert_eq!(errors.median_deg(), Some(7.0));
        assert_eq!(errors.accurate(), Some(0.75));
        assert_eq!(Errors::default().mean_deg(), None);
        assert_eq!(Errors::default().median_deg(), None);
    }

    #[test]
    fn lag_is_counted_along_the_way() {
        let lag = lag_deg(&at(30.0, 0.0), &at(31.0, 0.0), &at(22.0, 3.0)).unwrap();
        assert!((lag - 8.0).abs() < 0.2, "{lag}");
        let ahead = lag_deg(&at(30.0, 0.0), &at(29.0, 0.0), &at(28.0, 0.0)).unwrap();
        assert!((ahead + 2.0).abs() < 1e-6, "{ahead}");
        assert_eq!(lag_deg(&at(30.0, 0.0), &at(30.0, 0.0), &at(22.0, 3.0)), None);
    }
}
