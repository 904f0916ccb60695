//! Tables of directions.

use std::fmt::Write as _;

use spherescope_dsp::Direction;
use spherescope_tests::Result;
use spherescope_tests::frames::Frame;
use spherescope_tests::judge::Verdict;

fn angles(direction: Option<&Direction>) -> String {
    direction.map_or_else(|| "not found".into(), |d| format!("{:>+6.1}° {:>+5.1}°", d.azimuth_deg(), d.elevation_deg()))
}

/// One row for each second of each source.
pub fn table(verdict: &Verdict) -> String {
    let mut text = String::from(
        "second  talker  true az/el      found az/el     error     frames\n\
         ------  ------  --------------  --------------  --------  ------\n",
    );
    for row in &verdict.rows {
        let _ = writeln!(
            text,
            "{:>6}  {:6}  {:>14}  {:>14}  {:>7.1}°  {:>6}",
            row.start_s,
            row.source,
            angles(Some(&row.truth)),
            angles(row.found.as_ref()),
            row.error_deg,
            row.frames
        );
    }
    text
}

/// The figures of one array and engine.
pub fn line(verdict: &Verdict) -> String {
    match verdict.median_deg {
        Some(median) => format!("median error {median:5.1}°, within 15°: {:3.0} %", 100.0 * verdict.within_15),
        None => "no source ever sounded".into(),
    }
}

/// One second of a recording.
pub struct Second {
    /// Where it begins.
    pub start_s: f64,
    /// Share of its frames above the gate.
    pub active: f64,
    /// The best peak that lies nearest to all best peaks of the second, and its score.
    pub best: Option<(Direction, f64)>,
}

/// Sums a recording up by seconds.
pub fn seconds(frames: &[Frame]) -> Result<Vec<Second>> {
    let count = frames.last().map_or(0, |f| f.t_s.floor() as usize + 1);
    (0..count)
        .map(|second| {
            let inside: Vec<_> = frames.iter().filter(|f| f.t_s.floor() as usize == second).collect();
            let active = inside.iter().filter(|f| f.active).count() as f64 / inside.len().max(1) as f64;
            let best = inside
                .iter()
                .filter(|f| f.active)
                .filter_map(|f| f.peaks.first())
                .map(|p| Ok((p.direction()?, p.score)))
                .collect::<Result<Vec<_>>>()?;
            let spread = |d: &Direction| best.iter().map(|(other, _)| d.angle_to_deg(other)).sum::<f64>();
            let medoid = best.iter().min_by(|a, b| spread(&a.0).total_cmp(&spread(&b.0))).copied();
            Ok(Second { start_s: second as f64, active, best: medoid })
        })
        .collect()
}

/// One row for each second of a recording.
pub fn recording_table(seconds: &[Second]) -> String {
    let mut text = String::from("second  sound  found az/el      score\n------  -----  ---------------  -----\n");
    for s in seconds {
        let score = s.best.map_or("    -".into(), |(_, score)| format!("{score:5.2}"));
        let _ = writeln!(
            text,
            "{:>6}  {:>4.0}%  {:>15}  {score}",
            s.start_s,
            100.0 * s.active,
            angles(s.best.as_ref().map(|(d, _)| d))
        );
    }
    text
}
