//! `spherescope listen`: live from the JACK audio server, a line each second.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use spherescope_dsp::{Block, BlockReader, Direction, Grid, PeakFinder, PeakOptions};
use spherescope_model::{Localizer, LocalizerFrame, LocalizerSettings};

use super::analyze::read_array;
use super::args::{Analysis, ListenOptions};
use super::jack::JackInput;
use super::report::{degrees, frame_line, median_direction};

/// Frames that are computed together: a line a second is in no hurry.
const CHUNK_FRAMES: usize = 8;
/// Pause when no block waits.
const PAUSE: Duration = Duration::from_millis(5);

/// Listens until the time is up or the server has gone.
pub fn run(options: &ListenOptions) -> Result<(), String> {
    let Analysis { array, radius_m, engine, grid, gate_db, .. } = &options.analysis;
    let array = read_array(array, *radius_m)?;
    let channels = array.channels_needed();
    let heading =
        format!("array \"{}\" ({} capsules), {} on {grid} directions", array.name(), array.active_len(), engine.name());
    let grid = Arc::new(Grid::fibonacci(*grid).map_err(|e| e.to_string())?);
    let frames = options.analysis.frames.as_ref();
    let log = frames.map(|path| File::create(path).map_err(|e| format!("{}: cannot be written: {e}", path.display())));
    let log = log.transpose()?.map(BufWriter::new);
    let (input, mut reader) = JackInput::open(channels)?;
    let settings = LocalizerSettings {
        engine: *engine,
        gate_db: *gate_db,
        chunk_frames: CHUNK_FRAMES,
        ..LocalizerSettings::new(array, grid.clone())
    };
    let mut localizer = Localizer::new(input.sample_rate_hz, settings).map_err(|e| e.to_string())?;
    println!("{}: {channels} ports at {} Hz, {heading}", input.name, input.sample_rate_hz);
    if let Some(prefix) = &options.connect {
        println!("{} ports connected", input.connect(prefix)?);
    }
    let mut second = Second::new(&options.analysis, &grid, log);
    let begin = Instant::now();
    let (mut heard_frames, mut end) = (0, 0);
    while !options.seconds.is_some_and(|s| begin.elapsed().as_secs_f64() >= s) {
        if input.ended() {
            return Err("the JACK server has ended".into());
        }
        if !skip_backlog(&mut reader) {
            std::thread::sleep(PAUSE);
            continue;
        }
        let step = reader.with_next(|block| {
            // After a gap the sound before it is of no use.
            if block.position_frames() != end {
                localizer.reset();
                second.begin_s = block.position_frames() as f64 / input.sample_rate_hz;
            }
            end = block.position_frames() + block.frames() as u64;
            heard_frames += block.frames() as u64;
            take(&mut localizer, block, &mut second)
        });
        step.transpose()?;
        second.say_when_over(end as f64 / input.sample_rate_hz)?;
    }
    second.flush()?;
    println!(
        "{:.1} s heard, {} frames, {} above the gate, {:.1} s left out",
        heard_frames as f64 / input.sample_rate_hz,
        second.frames,
        second.active,
        (end - heard_frames) as f64 / input.sample_rate_hz
    );
    Ok(())
}

fn take(localizer: &mut Localizer, block: &Block, second: &mut Second<'_>) -> Result<(), String> {
    let bus: Vec<&[f32]> = (0..block.channels()).map(|c| block.channel(c)).collect();
    localizer.process(&bus, &mut |frame| second.take(frame)).map_err(|e| e.to_string())
}

/// When the computer is too slow the newest sound wins. Whether a block waits.
fn skip_backlog(reader: &mut BlockReader) -> bool {
    if reader.pending() > reader.capacity() * 3 / 4 {
        while reader.pending() > 1 {
            let _ = reader.with_next(|_| ());
        }
    }
    reader.pending() > 0
}

/// What was found since the last line.
struct Second<'a> {
    finder: PeakFinder,
    peaks: PeakOptions,
    always: bool,
    log: Option<BufWriter<File>>,
    log_fault: Option<std::io::Error>,
    options: &'a Analysis,
    /// Where the localizer's time begins, in seconds of the client's.
    begin_s: f64,
    said_s: f64,
    level_db: f32,
    best: Vec<Direction>,
    frames: u64,
    active: u64,
}

impl<'a> Second<'a> {
    fn new(options: &'a Analysis, grid: &Grid, log: Option<BufWriter<File>>) -> Self {
        let usual = PeakOptions::default();
        let peaks =
            PeakOptions { max_peaks: options.peaks.unwrap_or(usual.max_peaks), threshold: options.threshold, ..usual };
        Self {
            finder: PeakFinder::new(grid),
            peaks,
            always: options.peaks.is_some(),
            log,
            log_fault: None,
            options,
            begin_s: 0.0,
            said_s: 0.0,
            level_db: f32::NEG_INFINITY,
            best: Vec::new(),
            frames: 0,
            active: 0,
        }
    }

    fn take(&mut self, frame: &LocalizerFrame<'_>) {
        let peaks = match (self.always, frame.active) {
            (true, _) => self.finder.find_exactly(frame.spectrum, &self.peaks),
            (false, true) => self.finder.find(frame.spectrum, &self.peaks),
            (false, false) => Vec::new(),
        };
        self.frames += 1;
        self.active += u64::from(frame.active);
        self.level_db = self.level_db.max(frame.level_db);
        if frame.active {
            self.best.extend(peaks.first().map(|p| p.direction));
        }
        if let Some(log) = &mut self.log
            && let Err(fault) = log.write_all(frame_line(self.begin_s + frame.t_s, frame.active, &peaks).as_bytes())
        {
            self.log_fault = Some(fault);
        }
    }

    /// Says a line when a second is over.
    fn say_when_over(&mut self, now_s: f64) -> Result<(), String> {
        if now_s - self.said_s < 1.0 {
            return Ok(());
        }
        let found = match median_direction(&self.best) {
            Some(d) => format!("{}  ({} frames)", degrees(&d), self.best.len()),
            None => "no direction".into(),
        };
        println!("{now_s:5.0} s  {:6.1} dBFS  {found}", self.level_db);
        (self.said_s, self.level_db) = (now_s, f32::NEG_INFINITY);
        self.best.clear();
        self.flush()
    }

    fn flush(&mut self) -> Result<(), String> {
        let flushed = match (self.log_fault.take(), &mut self.log) {
            (Some(fault), _) => Err(fault),
            (None, Some(log)) => log.flush(),
            (None, None) => Ok(()),
        };
        let name = self.options.frames.as_ref().map_or_else(String::new, |path| path.display().to_string());
        flushed.map_err(|e| format!("{name}: cannot be written: {e}"))
    }
}
