//! Found directions against true ones.
//!
//! In every frame the n best peaks stand against the n sources that sound then, matched so that the sum of angles is least. A source
//! without a peak counts as 180° away, so that silence does not pass for accuracy. A row of the table is one second of one source.

use spherescope_dsp::Direction;
use spherescope_dsp::assignment::assign;

use crate::Result;
use crate::frames::Frame;

/// The error of a source that was not found.
pub const MISSED_DEG: f64 = 180.0;

/// One second of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where the second begins.
    pub start_s: f64,
    /// The source's name.
    pub source: String,
    /// Where the source truly was, in the frame of the median error.
    pub truth: Direction,
    /// Where it was found, in the same frame; `None` if it was missed there.
    pub found: Option<Direction>,
    /// Median error of the second in degrees.
    pub error_deg: f64,
    /// Frames in which the source sounded.
    pub frames: usize,
}

/// The comparison of one recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// One row for each second of each source, by time.
    pub rows: Vec<Row>,
    /// Median error over all frames and sources in degrees; `None` if no source ever sounded.
    pub median_deg: Option<f64>,
    /// Share of those frames that are at most 15° off.
    pub within_15: f64,
}

/// Compares a recording's frames with the truth: `sounding` tells which sources (as numbers into `names`) sound in the window that
/// ends at a time in seconds, and from where.
///
/// # Errors
/// When a frame holds angles that are no direction.
pub fn compare(
    frames: &[Frame],
    names: &[String],
    sounding: impl Fn(f64) -> Vec<(usize, Direction)>,
) -> Result<Verdict> {
    let mut pairs: Vec<Pair> = Vec::new();
    for frame in frames {
        let sounding = sounding(frame.t_s);
        let peaks = if frame.active { frame.peaks.as_slice() } else { &[] };
        let best: Vec<_> = peaks.iter().take(sounding.len()).map(|p| p.direction()).collect::<Result<_>>()?;
        let directions: Vec<_> = sounding.iter().map(|(_, d)| *d).collect();
        for ((source, truth), peak) in sounding.iter().zip(match_peaks(&directions, &best)) {
            let found = peak.map(|p| best[p]);
            let error_deg = found.map_or(MISSED_DEG, |f| f.angle_to_deg(truth));
            pairs.push(Pair { t_s: frame.t_s, source: *source, truth: *truth, found, error_deg });
        }
    }
    let mut rows = Vec::new();
    let seconds = pairs.last().map_or(0, |p| p.t_s.floor() as usize + 1);
    for second in 0..seconds {
        for (source, name) in names.iter().enumerate() {
            let inside = |p: &&Pair| p.source == source && p.t_s.floor() as usize == second;
            let mut of_row: Vec<_> = pairs.iter().filter(inside).collect();
            if of_row.is_empty() {
                continue;
            }
            of_row.sort_by(|a, b| a.error_deg.total_cmp(&b.error_deg));
            let median = of_row[of_row.len() / 2];
            rows.push(Row {
                start_s: second as f64,
                source: name.clone(),
                truth: median.truth,
                found: median.found,
                error_deg: median.error_deg,
                frames: of_row.len(),
            });
        }
    }
    let mut errors: Vec<_> = pairs.iter().map(|p| p.error_deg).collect();
    errors.sort_by(f64::total_cmp);
    let within = errors.iter().filter(|e| **e <= 15.0).count();
    Ok(Verdict {
        rows,
        median_deg: errors.get(errors.len() / 2).copied(),
        within_15: within as f64 / errors.len().max(1) as f64,
    })
}

struct Pair {
    t_s: f64,
    source: usize,
    truth: Direction,
    found: Option<Direction>,
    error_deg: f64,
}

/// For each true direction the index of its peak, so that as many as possible have one and the sum of angles is least.
fn match_peaks(truths: &[Direction], peaks: &[Direction]) -> Vec<Option<usize>> {
    assign(truths.len(), peaks.len(), 1e6, |truth, peak| truths[truth].angle_to_deg(&peaks[peak]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::FramePeak;

    fn at(azimuth_deg: f64) -> Direction {
        Direction::from_degrees(azimuth_deg, 0.0).unwrap()
    }

    fn frame(t_s: f64, azimuths_deg: &[f64]) -> Frame {
        let peak = |azimuth_deg: &f64| FramePeak { azimuth_deg: *azimuth_deg, elevation_deg: 0.0, score: 1.0 };
        Frame { t_s, active: true, peaks: azimuths_deg.iter().map(peak).collect() }
    }

    #[test]
    fn peaks_are_matched_for_the_least_sum_of_angles() {
        assert_eq!(match_peaks(&[at(0.0), at(10.0)], &[at(9.0), at(-20.0)]), [Some(1), Some(0)]);
        assert_eq!(match_peaks(&[at(0.0), at(10.0)], &[at(9.0)]), [None, Some(0)]);
        assert_eq!(match_peaks(&[], &[at(9.0)]), []);
    }

    #[test]
    fn errors_are_told_by_second_and_misses_count() {
        let names = ["left".to_string(), "right".to_string()];
        // The right one is silent after one second.
        let sounding = |t_s| [(0, at(90.0)), (1, at(-90.0))][..if t_s < 1.0 { 2 } else { 1 }].to_vec();
        let frames = [frame(0.5, &[-80.0, 95.0]), frame(1.5, &[100.0, 90.0]), frame(1.6, &[])];
        let verdict = compare(&frames, &names, sounding).unwrap();
        let seen: Vec<_> = verdict.rows.iter().map(|r| (r.start_s, r.source.as_str(), r.error_deg.round())).collect();
        assert_eq!(seen, [(0.0, "left", 5.0), (0.0, "right", 10.0), (1.0, "left", 180.0)]);
        assert_eq!(verdict.rows[2].frames, 2);
        assert_eq!(verdict.rows[2].found, None);
        assert!((verdict.within_15 - 0.75).abs() < 1e-9);
        assert_eq!(compare(&[], &names, sounding).unwrap().median_deg, None);
    }
}
