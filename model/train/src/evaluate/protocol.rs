//! The per-frame protocol: as many of the best peaks as sources sound, matched with them by optimal assignment.

use spherescope_dsp::assignment::assign;
use spherescope_dsp::{Direction, Peak};

use crate::truth::TruthSource;

/// The error of a source for which the grid gave no peak at all: that of a guess, in degrees.
pub const NO_PEAK_DEG: f64 = 90.0;
/// The price of no peak: so high that as many sources as possible get one.
pub(crate) const ALL_IF_POSSIBLE: f64 = 1e6;
/// Errors up to this, in degrees, count as accurate.
pub const ACCURATE_DEG: f64 = 10.0;

/// Angle in degrees from each source to its peak, after optimal assignment; [`NO_PEAK_DEG`] for a source that got none.
pub fn frame_errors(sources: &[Direction], peaks: &[Peak]) -> Vec<f64> {
    matched(sources, peaks).into_iter().map(|m| m.map_or(NO_PEAK_DEG, |(_, angle)| angle)).collect()
}

/// For each source its peak's index and the angle between them in degrees.
pub fn matched(sources: &[Direction], peaks: &[Peak]) -> Vec<Option<(usize, f64)>> {
    let angle = |source: usize, peak: usize| sources[source].angle_to_deg(&peaks[peak].direction);
    let assigned = assign(sources.len(), peaks.len(), ALL_IF_POSSIBLE, angle);
    assigned.into_iter().enumerate().map(|(source, peak)| peak.map(|peak| (peak, angle(source, peak)))).collect()
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
