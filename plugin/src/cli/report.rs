//! What `analyze` writes: lines of JSON, a picture and a summary.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use spherescope_dsp::{Direction, Peak};

/// Writes a file whole or not at all: to a neighbour first, then renamed.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut neighbour = path.as_os_str().to_owned();
    neighbour.push(format!(".{}.part", std::process::id()));
    let written = fs::write(&neighbour, bytes).and_then(|()| fs::rename(&neighbour, path));
    written.map_err(|e| {
        // A neighbour that was never made needs no removal.
        let _ = fs::remove_file(&neighbour);
        format!("{}: cannot be written: {e}", path.display())
    })
}

/// One frame as a line of JSON.
pub fn frame_line(t_s: f64, active: bool, peaks: &[Peak]) -> String {
    let mut line = format!("{{\"t_s\": {t_s:.6}, \"active\": {active}, \"peaks\": [");
    for (i, p) in peaks.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            "{comma}{{\"azimuth_deg\": {:.2}, \"elevation_deg\": {:.2}, \"score\": {:.4}}}",
            p.direction.azimuth_deg(),
            p.direction.elevation_deg(),
            p.score
        );
    }
    line += "]}\n";
    line
}

/// The direction among `directions` whose angles to all others sum to the least: a median on the sphere. `None` of none.
///
/// Of more than 2000 directions an even selection is looked at.
pub fn median_direction(directions: &[Direction]) -> Option<Direction> {
    let step = directions.len().div_ceil(2000).max(1);
    let few: Vec<_> = directions.iter().step_by(step).collect();
    let cost = |a: &Direction| few.iter().map(|b| a.angle_to_rad(b)).sum::<f64>();
    few.iter().map(|a| (cost(a), **a)).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, d)| d)
}

/// A direction for people.
pub fn degrees(d: &Direction) -> String {
    format!("azimuth {:+7.1}°  elevation {:+6.1}°", d.azimuth_deg(), d.elevation_deg())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_outliers() {
        let mut all: Vec<_> =
            (0..9).map(|i| Direction::from_degrees(178.0 + f64::from(i) * 0.5, 10.0).unwrap()).collect();
        all.push(Direction::from_degrees(0.0, -80.0).unwrap());
        let median = median_direction(&all).unwrap();
        assert!(median.angle_to_deg(&Direction::from_degrees(180.0, 10.0).unwrap()) < 1.0);
        assert_eq!(median_direction(&[]), None);
    }

    #[test]
    fn a_frame_is_one_line_of_json() {
        let peak = Peak { index: 0, direction: Direction::from_degrees(12.1, -3.0).unwrap(), score: 0.83 };
        assert_eq!(
            frame_line(1.024, true, &[peak]),
            "{\"t_s\": 1.024000, \"active\": true, \"peaks\": [{\"azimuth_deg\": 12.10, \"elevation_deg\": -3.00, \
             \"score\": 0.8300}]}\n"
        );
    }
}
