//! The log of analysed frames: for hosts without a screen, and where the user records what is heard.
//!
//! For hosts without a screen: off unless the environment variable `SPHERESCOPE_LOG` names a directory when an instance is activated. The instance then writes
//! `instance-<n>.jsonl` there, n counting the logging instances of the process from 1; activating again goes on in the same file,
//! with time starting at 0 again. A line reads
//! `{"t_s": 1.024, "active": true, "engine": "agg-rl", "peaks": [{"azimuth_deg": 12.1, "elevation_deg": -3.0, "score": 0.83}]}`.
//!
//! A recording holds the same lines, or, where its name ends in `.csv`, a line `t_s,engine,azimuth_deg,elevation_deg,score` for each peak.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use spherescope_dsp::Peak;
use spherescope_model::Engine;

/// Names the directory of the logs.
pub const LOG_VARIABLE: &str = "SPHERESCOPE_LOG";

/// The directory of the logs, where one is asked for.
pub(crate) fn directory() -> Option<PathBuf> {
    std::env::var_os(LOG_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The number of an instance among those of the process that log; taken when it logs for the first time.
#[derive(Debug, Default)]
pub struct LogNumber(OnceLock<usize>);

static INSTANCES: AtomicUsize = AtomicUsize::new(0);

/// An open log.
#[derive(Debug)]
pub(crate) struct FrameLog {
    file: BufWriter<File>,
    line: String,
    format: Format,
    /// Frames written since it was opened.
    pub(crate) frames: u64,
}

/// How a frame is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    JsonLines,
    Csv,
}

impl FrameLog {
    /// Opens the log of an instance: anew for the first time, at its end later.
    pub fn open(directory: &Path, number: &LogNumber) -> io::Result<Self> {
        let again = number.0.get().is_some();
        let n = number.0.get_or_init(|| INSTANCES.fetch_add(1, Ordering::Relaxed) + 1);
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("instance-{n}.jsonl"));
        let file = if again { File::options().create(true).append(true).open(path)? } else { File::create(path)? };
        Ok(Self::over(file, Format::JsonLines))
    }

    /// Opens a recording: anew, or `again` at its end.
    pub fn record(path: &Path, again: bool) -> io::Result<Self> {
        let csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
        let file = if again { File::options().create(true).append(true).open(path)? } else { File::create(path)? };
        let mut log = Self::over(file, if csv { Format::Csv } else { Format::JsonLines });
        if csv && !again {
            log.file.write_all(b"t_s,engine,azimuth_deg,elevation_deg,score\n")?;
        }
        Ok(log)
    }

    fn over(file: File, format: Format) -> Self {
        Self { file: BufWriter::new(file), line: String::new(), format, frames: 0 }
    }

    /// Writes one frame.
    pub fn frame(&mut self, t_s: f64, active: bool, engine: Engine, peaks: &[Peak]) -> io::Result<()> {
        self.line.clear();
        match self.format {
            Format::JsonLines => self.json(t_s, active, engine, peaks),
            Format::Csv => self.csv(t_s, engine, peaks),
        }
        self.frames += 1;
        self.file.write_all(self.line.as_bytes())
    }

    fn csv(&mut self, t_s: f64, engine: Engine, peaks: &[Peak]) {
        for Peak { direction, score, .. } in peaks {
            let (azimuth_deg, elevation_deg) = (direction.azimuth_deg(), direction.elevation_deg());
            let _ = writeln!(self.line, "{t_s:.6},{},{azimuth_deg:.3},{elevation_deg:.3},{score:.4}", engine.id());
        }
    }

    fn json(&mut self, t_s: f64, active: bool, engine: Engine, peaks: &[Peak]) {
        let line = &mut self.line;
        let _ =
            write!(line, "{{\"t_s\": {t_s:.6}, \"active\": {active}, \"engine\": \"{}\", \"peaks\": [", engine.id());
        for (i, peak) in peaks.iter().enumerate() {
            let _ = write!(
                line,
                "{}{{\"azimuth_deg\": {:.3}, \"elevation_deg\": {:.3}, \"score\": {:.4}}}",
                if i == 0 { "" } else { ", " },
                peak.direction.azimuth_deg(),
                peak.direction.elevation_deg(),
                peak.score
            );
        }
        line.push_str("]}\n");
    }

    /// Brings all lines to the file.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
