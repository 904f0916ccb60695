//! Tables in Markdown, and the file that they are written to.

use std::fmt::Write as _;
use std::path::Path;

use super::calibration::Calibration;
use super::judged::{Outcome, Pair, Place, errors, thresholds};
use super::product::Counts;
use super::protocol::{Errors, median};
use crate::sets::Facts;

/// What is written lies between these lines of the file; what stands outside is kept.
pub const MARKERS: [&str; 2] = ["<!-- evaluate: begin -->", "<!-- evaluate: end -->"];

/// Mean, median and ACC10 in one cell.
pub fn errors_cell(errors: &Errors) -> String {
    match (errors.mean_deg(), errors.median_deg(), errors.accurate()) {
        (Some(mean), Some(median), Some(share)) => format!("{mean:.2}° · {median:.1}° · {:.1} %", 100.0 * share),
        _ => "–".into(),
    }
}

/// A share as per cent.
pub fn percent(share: Option<f64>) -> String {
    share.map_or("–".into(), |s| format!("{:.1} %", 100.0 * s))
}

/// A row of a table.
pub fn row<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let mut text = String::from("|");
    for cell in cells {
        let _ = write!(text, " {} |", cell.as_ref());
    }
    text.push('\n');
    text
}

/// The first two lines of a table.
pub fn head(columns: &[String]) -> String {
    row(columns) + &row(columns.iter().map(|_| "---"))
}

/// One set's row of the per-frame table.
pub fn set_row(name: &str, outcomes: &[Outcome], engines: usize) -> String {
    let all: Vec<&Outcome> = outcomes.iter().collect();
    let mut cells = vec![name.to_owned()];
    let per_engine: Vec<Errors> = (0..engines).map(|e| errors(&all, e, |_, _| true)).collect();
    cells.push(per_engine.first().map_or(0, |e| e.degrees.len()).to_string());
    cells.extend(per_engine.iter().map(errors_cell));
    row(cells)
}

/// A row of a table in parts: its name and what belongs to it.
type Slice = (String, Box<dyn Fn(&Facts, &Pair) -> bool>);

fn slices() -> Vec<(&'static str, Vec<Slice>)> {
    fn ranges(edges: &[f64], unit: &str, value: fn(&Facts) -> Option<f64>) -> Vec<Slice> {
        let last = edges.last().copied().unwrap_or(0.0);
        let slice = |pair: &[f64]| {
            let (low, high) = (pair[0], pair[1]);
            // The last range holds its upper end.
            let keep = move |f: &Facts, _: &Pair| {
                value(f).is_some_and(|v| (low..high).contains(&v) || (high == last && v == high))
            };
            (format!("{low} to {high}{unit}"), Box::new(keep) as Box<dyn Fn(&Facts, &Pair) -> bool>)
        };
        edges.windows(2).map(slice).collect()
    }
    // The last range has no end.
    fn stretches(edges: &[f64], [unit, more]: [&str; 2], value: fn(&Pair) -> Option<f64>) -> Vec<Slice> {
        let ends = edges.iter().copied().skip(1).chain([f64::INFINITY]);
        let slice = |(low, high): (f64, f64)| {
            let name = match (low, high) {
                (_, f64::INFINITY) => format!("{low}{unit} and {more}"),
                (0.0 | f64::NEG_INFINITY, _) => format!("less than {high}{unit}"),
                _ => format!("{low} to {high}{unit}"),
            };
            let keep = move |_: &Facts, p: &Pair| value(p).is_some_and(|v| (low..high).contains(&v));
            (name, Box::new(keep) as Box<dyn Fn(&Facts, &Pair) -> bool>)
        };
        edges.iter().copied().zip(ends).map(slice).collect()
    }
    let capsules = [(4, 4), (5, 8), (9, 12), (13, 16)].map(|(low, high)| {
        let name = if low == high { low.to_string() } else { format!("{low} to {high}") };
        let keep = move |f: &Facts, _: &Pair| (low..=high).contains(&f.capsules);
        (name, Box::new(keep) as Box<dyn Fn(&Facts, &Pair) -> bool>)
    });
    let sounding = [1usize, 2, 3].map(|n| {
        let keep = move |_: &Facts, p: &Pair| p.sounding == n;
        (n.to_string(), Box::new(keep) as Box<dyn Fn(&Facts, &Pair) -> bool>)
    });
    let alone = [(1, "the only talker"), (2, "one of two talkers")].map(|(talkers, name)| {
        let keep = move |f: &Facts, p: &Pair| p.sounding == 1 && f.talkers == talkers;
        (name.to_owned(), Box::new(keep) as Box<dyn Fn(&Facts, &Pair) -> bool>)
    });
    let of_two = |p: &Pair| p.apart_deg.filter(|_| p.sounding == 2);
    vec![
        ("capsules", capsules.into()),
        ("sounding at once", sounding.into()),
        ("sounding alone", alone.into()),
        ("two at once", stretches(&[0.0, 20.0, 40.0, 90.0], ["° apart", "more"], of_two)),
        ("sounding for", stretches(&[0.0, 0.05, 0.1, 0.2, 0.4], [" s", "longer"], |p| Some(p.sounding_for_s))),
        ("into the scene", stretches(&[0.0, 0.5, 1.0, 2.0, 3.0], [" s", "later"], |p| Some(p.at_s))),
        (
            "direct sound over all else",
            stretches(&[f64::NEG_INFINITY, -20.0, -15.0, -10.0, -5.0, 0.0], [" dB", "more"], |p| p.direct_db),
        ),
        ("SNR", ranges(&[-5.0, 0.0, 5.0, 10.0, 20.0, 30.0], " dB", |f| f.snr_db)),
        ("T60", ranges(&[0.2, 0.4, 0.6, 0.9, 1.3], " s", |f| f.t60_s)),
        ("aperture", ranges(&[7.0, 9.0, 11.0, 13.0], " cm", |f| Some((1e4 * f.aperture_m).round() / 100.0))),
    ]
}

/// Tables of parts: by capsules, sources at once, how long they have sounded, when, how direct they are heard, SNR, reverberation time
/// and aperture. Empty parts are left out.
pub fn parts_table(outcomes: &[&Outcome], engines: &[String]) -> String {
    let mut columns = vec!["part".to_owned(), "pairs".to_owned()];
    columns.extend_from_slice(engines);
    let mut text = head(&columns);
    for (what, parts) in slices() {
        for (name, keep) in parts {
            let per_engine: Vec<Errors> = (0..engines.len()).map(|e| errors(outcomes, e, &keep)).collect();
            let count = per_engine.first().map_or(0, |e| e.degrees.len());
            if count > 0 {
                let mut cells = vec![format!("{what}: {name}"), count.to_string()];
                cells.extend(per_engine.iter().map(errors_cell));
                text += &row(cells);
            }
        }
    }
    text
}

/// Where the peaks are: share of the pairs and part of the mean error; all parts together are the mean error.
pub fn places_table(outcomes: &[&Outcome], engines: &[String]) -> String {
    let mut columns = vec!["the peak is".to_owned()];
    columns.extend_from_slice(engines);
    let mut text = head(&columns);
    for place in Place::ALL {
        let cell = |engine: usize| {
            let all = errors(outcomes, engine, |_, _| true).degrees.len();
            let here = errors(outcomes, engine, |_, p| p.place == place).degrees;
            let part = |x: f64| (all > 0).then(|| x / all as f64);
            let (share, degrees) = (part(here.len() as f64), part(here.iter().sum()));
            format!("{} · {}", percent(share), degrees.map_or("–".into(), |d| format!("{d:.2}°")))
        };
        text += &row(std::iter::once(place.what()).chain((0..engines.len()).map(cell)));
    }
    text
}

/// What the product protocol says of one set and one engine.
pub fn product_row(name: &str, engine: &str, threshold: f32, counts: &Counts) -> String {
    let shown: Vec<f64> = counts.first_s.iter().flatten().copied().collect();
    let found = (!counts.first_s.is_empty()).then(|| shown.len() as f64 / counts.first_s.len() as f64);
    row([
        name.to_owned(),
        engine.to_owned(),
        format!("{threshold:.2}"),
        percent(counts.precision()),
        percent(counts.recall()),
        percent(counts.f1()),
        counts.false_per_minute().map_or("–".into(), |f| format!("{f:.1}")),
        median(&shown).map_or("–".into(), |t| format!("{:.0} ms", 1000.0 * t)),
        percent(found),
    ])
}

/// The columns of [`product_row`].
pub fn product_head() -> String {
    let columns = [
        "set",
        "engine",
        "threshold",
        "precision",
        "recall",
        "F1",
        "false/min",
        "first shown after (median)",
        "ever shown",
    ];
    head(&columns.map(String::from))
}

/// Sum of the counts of one engine.
pub fn counts(outcomes: &[Outcome], engine: usize) -> Counts {
    let mut sum = Counts::default();
    outcomes.iter().for_each(|o| sum.add(&o.judged[engine].counts));
    sum
}

/// Precision, recall and F1 at each threshold, and false detections in the quiet set.
pub fn threshold_table(outcomes: &[&Outcome], quiet: &[Outcome], engine: usize) -> String {
    let columns = ["threshold", "precision", "recall", "F1", "false/min", "false/min in sim-quiet"];
    let mut text = head(&columns.map(String::from));
    let mut best = (0.0f32, -1.0f64);
    for (i, threshold) in thresholds().into_iter().enumerate() {
        let (mut sum, mut silent) = (Counts::default(), Counts::default());
        outcomes.iter().for_each(|o| sum.add(&o.judged[engine].by_threshold[i]));
        quiet.iter().for_each(|o| silent.add(&o.judged[engine].by_threshold[i]));
        if let Some(f1) = sum.f1()
            && f1 > best.1
        {
            best = (threshold, f1);
        }
        let rate = |c: &Counts| c.false_per_minute().map_or("–".into(), |f| format!("{f:.1}"));
        text += &row([
            format!("{threshold:.2}"),
            percent(sum.precision()),
            percent(sum.recall()),
            percent(sum.f1()),
            rate(&sum),
            rate(&silent),
        ]);
    }
    if best.1 >= 0.0 {
        let _ = writeln!(text, "\nF1 is largest at a threshold of {:.2}.", best.0);
    }
    text
}

/// Score bins and the share of peaks in them that are sources.
pub fn calibration_table(calibration: &Calibration) -> String {
    let mut text = head(&["score", "peaks", "mean score", "within 10° of a sounding source"].map(String::from));
    let width = 1.0 / calibration.bins.len() as f64;
    for (i, bin) in calibration.bins.iter().enumerate() {
        if bin.count > 0 {
            text += &row([
                format!("{:.2} to {:.2}", i as f64 * width, (i + 1) as f64 * width),
                bin.count.to_string(),
                bin.mean_score().map_or("–".into(), |s| format!("{s:.3}")),
                percent(bin.share()),
            ]);
        }
    }
    let error = calibration.expected_error().map_or("–".into(), |e| format!("{e:.3}"));
    let _ = writeln!(text, "\nExpected calibration error over {} peaks: {error}.", calibration.count());
    text
}

/// The text of a file with `report` between two markers; markers are added at the end where the file has none.
pub fn between_markers(old: &str, [begin, end]: [&str; 2], report: &str) -> String {
    let report = report.trim_end();
    if let Some((before, rest)) = old.split_once(begin)
        && let Some((_, after)) = rest.split_once(end)
    {
        return format!("{before}{begin}\n\n{report}\n\n{end}{after}");
    }
    let gap = if old.is_empty() || old.ends_with("\n\n") { "" } else { "\n" };
    format!("{old}{gap}{begin}\n\n{report}\n\n{end}\n")
}

/// Puts the report between two markers of a file, or makes the file; never leaves half a file.
///
/// # Errors
/// A sentence that names the file.
pub fn write(path: &Path, markers: [&str; 2], report: &str) -> Result<(), String> {
    let old = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(format!("{}: {e}", path.display())),
    };
    replace(path, between_markers(&old, markers, report).as_bytes())
}

/// Writes a whole file, or leaves the old one as it is.
///
/// # Errors
/// A sentence that names the file.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
    std::fs::write(file.path(), bytes).map_err(fail)?;
    #[cfg(unix)]
    {
        // A temporary file is its owner's alone; a report is everybody's, as the old one was.
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_or(std::fs::Permissions::from_mode(0o644), |m| m.permissions());
        std::fs::set_permissions(file.path(), mode).map_err(fail)?;
    }
    file.persist(path).map(|_| ()).map_err(|e| fail(e.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_outside_the_markers_stay() {
        let once = between_markers("# Results\n\nBy hand.\n", MARKERS, "| a |\n");
        assert!(once.starts_with("# Results\n\nBy hand.\n\n<!-- evaluate: begin -->\n\n| a |\n"));
        let with_end = format!("{once}\nMore by hand.\n");
        let twice = between_markers(&with_end, MARKERS, "| b |");
        assert!(twice.contains("| b |") && !twice.contains("| a |"));
        assert!(twice.starts_with("# Results\n\nBy hand.\n") && twice.ends_with("\nMore by hand.\n"));
        assert_eq!(between_markers(&twice, MARKERS, "| b |"), twice);
    }

    #[test]
    fn files_are_made_and_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.md");
        write(&path, MARKERS, "one").unwrap();
        write(&path, MARKERS, "two").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("two") && !text.contains("one"));
        let error = write(&folder.path().join("missing/results.md"), MARKERS, "x").unwrap_err();
        assert!(error.contains("results.md"), "{error}");
    }

    #[test]
    fn cells_say_when_there_is_nothing() {
        assert_eq!(errors_cell(&Errors::default()), "–");
        assert_eq!(errors_cell(&Errors { degrees: vec![5.0, 15.0] }), "10.00° · 10.0° · 50.0 %");
        assert_eq!(row(["a", "b"]), "| a | b |\n");
    }
}
