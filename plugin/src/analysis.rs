//! One instance's analysis: takes the worker's blocks, drives the localizer with the session's settings, and publishes snapshots.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use spherescope_dsp::{Block, BlockReader, PeakFinder, Region, Tracker, TrackerOptions};
use spherescope_model::{Band, Engine, LIVE_CHUNK_FRAMES, Localizer, LocalizerSettings};
use spherescope_view::{Health, OscState, Recording, Snapshot, osc_address};

use crate::examination::Examination;
use crate::frame_log::FrameLog;
use crate::meters::{Levels, Load};
use crate::osc::OscSender;
use crate::results::{Results, cannot_write};
use crate::shared::Shared;
use crate::worker::Bus;

/// Snapshots follow each other no faster than this. In step with the sound they come with the network's frames, every 16 ms: a longer
/// pause would keep a frame back until the next; this one is for an analysis that catches up.
const PUBLISH_EVERY: Duration = Duration::from_millis(5);
/// Without new frames, or with nobody watching, snapshots are this far apart.
const IDLE_PUBLISH_EVERY: Duration = Duration::from_millis(250);
/// Without frames for this long the analysis counts as inactive.
const STALE_AFTER: Duration = Duration::from_millis(300);
/// In real time the analysis may lag by this much, in seconds, beside what the host's own blocks bring, before audio is skipped.
const MAX_LAG_S: f64 = 0.25;
/// Audio that is kept when the rest of a backlog is skipped, in seconds: enough for a window and for what the network looks ahead.
const KEPT_S: f64 = 0.08;
/// Share of one core from which, and below which, the analysis counts as hard pressed, and as at ease again.
const PRESSED: [f32; 2] = [0.6, 0.3];

/// How long a failure of OSC is shown.
const FAILURE_FOR: Duration = Duration::from_secs(1);
/// How long a message about skipped audio stays.
const SKIP_MESSAGE_FOR: Duration = Duration::from_secs(2);

/// The settings that are expensive to change, as last looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plan {
    layout_generation: u64,
    grid_size: usize,
    region: Region,
    band: Band,
    engine: Engine,
    /// Whether the other engine runs beside.
    compare: bool,
    /// Whether somebody can read what the doctor finds.
    watched: bool,
}

impl Plan {
    fn of(shared: &Shared) -> Self {
        let params = &shared.params;
        Self {
            layout_generation: params.session.layout_generation(),
            grid_size: params.grid_size.value().unsigned_abs() as usize,
            region: params.region(),
            band: params.band(),
            engine: params.engine.value().into(),
            // Two spectra are for the eye alone.
            compare: params.compare.value() && shared.editor_open(),
            watched: shared.editor_open(),
        }
    }
}

/// The analysis of one activation.
pub(crate) struct Analysis {
    shared: Arc<Shared>,
    bus: Bus,
    /// None before the first settings, and when they make no localizer.
    localizer: Option<Localizer>,
    /// The other engine on the same sound, while both are compared.
    second: Option<Localizer>,
    /// The layout doctor, while a window is open to read what it finds.
    examination: Option<Examination>,
    /// The wishes for what goes out, as last looked at.
    outgoing_generation: Option<u64>,
    /// Where directions go.
    osc: Option<OscSender>,
    /// When they last failed to.
    osc_failed: Option<Instant>,
    /// What `localizer` was made for, or could not be made for.
    plan: Option<Plan>,
    /// Why there is no localizer.
    obstacle: Option<String>,
    /// Why the last block was not analysed.
    failure: Option<String>,
    /// Audio that was skipped to catch up, in seconds, and when last.
    skipped: Option<(f64, Instant)>,
    /// Index of the frame after the last block.
    position: u64,
    /// Frames of the last block, as a guess for those that wait.
    block_frames: usize,
    results: Results,
    levels: Levels,
    load: Load,
    published: Instant,
    sequence: u64,
}

impl Analysis {
    pub fn new(shared: Arc<Shared>, bus: Bus, log: Option<FrameLog>) -> Self {
        let now = Instant::now();
        let before = shared.snapshot.load();
        let results = Results {
            params: shared.params.clone(),
            sample_rate_hz: bus.sample_rate_hz,
            engine: before.engine,
            array: before.array.clone(),
            grid: before.grid.clone(),
            region: before.region,
            built: None,
            finder: PeakFinder::new(&before.grid),
            log,
            recording: None,
            log_error: None,
            base: 0,
            end: 0,
            spectrum: Vec::new(),
            second: None,
            tracker: Tracker::new(TrackerOptions::default()),
            tracked_s: f64::NEG_INFINITY,
            active: false,
            fresh: false,
            changed: now,
        };
        let sequence = before.sequence;
        drop(before);
        Self {
            localizer: None,
            second: None,
            examination: None,
            plan: None,
            outgoing_generation: None,
            osc: None,
            osc_failed: None,
            obstacle: None,
            failure: None,
            skipped: None,
            position: 0,
            block_frames: 1,
            results,
            levels: Levels::new(bus.channels, now),
            load: Load::new(now),
            published: now,
            sequence,
            shared,
            bus,
        }
    }

    /// Whether a log is written: then the analysis runs with the editor closed, too.
    pub fn logging(&self) -> bool {
        self.results.log.is_some()
    }

    /// Whether a log or a recording is written: then the last blocks count.
    pub fn writing(&self) -> bool {
        self.logging() || self.results.recording.is_some()
    }

    /// Ends what goes out, as nobody wants it any more.
    pub fn let_go(&mut self) {
        self.outgoing_generation = None;
        self.osc = None;
        self.results.recording = None;
    }

    /// Shows an error of the log until the end of the activation.
    pub fn set_log_error(&mut self, error: String) {
        self.results.log_error = Some(error);
    }

    /// Forgets all audio and results: a new window starts from nothing.
    pub fn restart(&mut self) {
        self.failure = None;
        self.skipped = None;
        self.results.forget();
        self.begin_at(self.position);
    }

    /// Takes the next block, if there is one, and publishes when it is time. Returns whether there was a block.
    pub fn step(&mut self, reader: &mut BlockReader) -> bool {
        let begin = Instant::now();
        self.follow_wishes();
        let rebuilt = self.follow_settings();
        if !self.bus.offline {
            let skipped = self.skip_backlog(reader);
            if skipped > 0 && !rebuilt {
                let before = self.skipped.filter(|(_, at)| at.elapsed() < SKIP_MESSAGE_FOR).map_or(0.0, |(s, _)| s);
                self.skipped = Some((before + skipped as f64 / self.bus.sample_rate_hz, begin));
            }
        }
        let worked = reader.with_next(|block| self.take(block)).is_some();
        if worked || rebuilt {
            self.load.busy += begin.elapsed();
        }
        self.publish_when_due(reader);
        worked
    }

    /// Finishes the frames that wait inside the localizer, and brings the log to its file.
    pub fn finish(&mut self) {
        if let Some(localizer) = &mut self.localizer
            && let Err(error) = localizer.flush(&mut |frame| self.results.take(frame))
        {
            self.failure = Some(error.to_string());
        }
        self.results.flush_logs();
    }

    /// Publishes what there is now.
    pub fn publish(&mut self, pending: u64, dropped_blocks: u64) {
        let now = Instant::now();
        self.published = now;
        let levels_db = self.levels.fall(now);
        let load = self.load.measure(now);
        self.pace(load);
        let results = &mut self.results;
        results.fresh = false;
        let stale = now.duration_since(results.changed) > STALE_AFTER;
        results.active &= !stale;
        self.sequence += 1;
        let age_frames = (self.position + pending).saturating_sub(results.end);
        let health = Health {
            bus_channels: self.bus.channels,
            sample_rate_hz: self.bus.sample_rate_hz,
            dropped_blocks,
            load,
            latency_ms: if results.active { (1e3 * age_frames as f64 / self.bus.sample_rate_hz) as f32 } else { 0.0 },
            weights: self.localizer.as_ref().map(|l| l.weights_name().to_string()).unwrap_or_default(),
            message: None,
        };
        let snapshot = Snapshot {
            sequence: self.sequence,
            t_s: results.end as f64 / self.bus.sample_rate_hz,
            engine: results.engine,
            array: results.array.clone(),
            grid: results.grid.clone(),
            region: results.region,
            spectrum: results.spectrum.clone(),
            peaks: results.peaks(),
            other: results.other(),
            tracks: if stale { Vec::new() } else { results.tracks() },
            active: results.active,
            levels_db,
            findings: self.examination.as_mut().map_or_else(|| Arc::from([]), |e| e.findings(now)),
            doctor_heard_s: self.examination.as_ref().map_or(0.0, Examination::heard_s),
            health: Health { message: self.message(now), ..health },
        };
        self.send(&snapshot);
        self.shared.publish(snapshot);
    }

    /// Takes more frames at once when the load is high, and as few as possible when it is not.
    fn pace(&mut self, load: f32) {
        let offline = self.bus.offline;
        for localizer in self.localizer.iter_mut().chain(&mut self.second) {
            let now = localizer.settings().chunk_frames;
            localizer.set_chunk_frames(chunk_frames(now, load, offline));
        }
    }

    /// Takes a snapshot to whoever is outside.
    fn send(&mut self, snapshot: &Snapshot) {
        let outgoing = self.shared.params.session.outgoing();
        if let Some(osc) = &mut self.osc {
            match osc.send(snapshot.t_s, snapshot.active, &snapshot.tracks) {
                Ok(()) if self.osc_failed.is_none_or(|at| at.elapsed() > FAILURE_FOR) => {
                    outgoing.tell_osc(OscState::Sending { bundles: osc.bundles });
                }
                // A receiver that is not there is heard of at every second bundle only.
                Ok(()) => {}
                Err(why) => {
                    self.osc_failed = Some(Instant::now());
                    outgoing.tell_osc(OscState::Failed(why));
                }
            }
        }
        if let Some((log, order)) = &self.results.recording {
            outgoing.tell_recording(Recording::On { path: order.path.display().to_string(), frames: log.frames });
        }
    }

    /// Opens and closes what the user wants to go out.
    fn follow_wishes(&mut self) {
        let shared = self.shared.clone();
        let outgoing = shared.params.session.outgoing();
        let generation = outgoing.generation();
        if self.outgoing_generation.replace(generation) == Some(generation) {
            return;
        }
        (self.osc, self.osc_failed) = (None, None);
        outgoing.tell_osc(OscState::Off);
        if let Some(target) = outgoing.osc_target() {
            let opened = osc_address(&target).and_then(|address| OscSender::open(address).map_err(|e| e.to_string()));
            match opened {
                Ok(osc) => self.osc = Some(osc),
                Err(why) => outgoing.tell_osc(OscState::Failed(format!("OSC to {target}: {why}"))),
            }
        }
        let wanted = outgoing.recording();
        if let (Some(wanted), Some((_, running))) = (&wanted, &self.results.recording)
            && Arc::ptr_eq(wanted, running)
        {
            return;
        }
        self.results.recording = None;
        if let Some(order) = wanted {
            match FrameLog::record(&order.path, order.begun.swap(true, Ordering::AcqRel)) {
                Ok(log) => self.results.recording = Some((log, order)),
                Err(e) => outgoing.tell_recording(Recording::Failed(cannot_write(&order, &e))),
            }
        }
    }

    fn publish_when_due(&mut self, reader: &BlockReader) {
        let quick = self.results.fresh && (self.osc.is_some() || self.shared.editor_open());
        if self.published.elapsed() >= if quick { PUBLISH_EVERY } else { IDLE_PUBLISH_EVERY } {
            self.publish((reader.pending() * self.block_frames) as u64, reader.dropped_blocks());
        }
    }

    fn message(&self, now: Instant) -> Option<String> {
        let skipped = self.skipped.filter(|(_, at)| now.duration_since(*at) < SKIP_MESSAGE_FOR);
        let skipped = skipped.map(|(s, _)| format!("skipped {s:.1} s of audio to catch up"));
        let all = [self.results.log_error.clone(), self.obstacle.clone(), self.failure.clone(), skipped];
        let all: Vec<String> = all.into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Makes the localizer follow session and parameters. Returns whether something was built, which takes time.
    fn follow_settings(&mut self) -> bool {
        let params = self.shared.params.clone();
        let plan = Plan::of(&self.shared);
        for localizer in self.localizer.iter_mut().chain(&mut self.second) {
            localizer.set_gate_db(params.gate_db.value());
        }
        if self.plan == Some(plan) {
            return false;
        }
        let before = self.plan.replace(plan);
        self.obstacle = self.build(before, plan).and_then(|()| self.build_second(plan)).err();
        if self.obstacle.is_some() {
            (self.localizer, self.second) = (None, None);
            self.results.forget();
        }
        self.examine(before, plan);
        self.results.fresh = true;
        true
    }

    /// Builds what differs from `before`, or everything.
    fn build(&mut self, before: Option<Plan>, plan: Plan) -> Result<(), String> {
        let layout = self.shared.params.session.layout();
        let results = &mut self.results;
        if results.built != Some((plan.grid_size, plan.region)) {
            results.grid = Arc::new(plan.region.grid(plan.grid_size).map_err(|e| e.to_string())?);
            results.finder = PeakFinder::in_region(&results.grid, plan.grid_size, &plan.region);
            (results.region, results.built) = (plan.region, Some((plan.grid_size, plan.region)));
            results.forget();
        }
        results.engine = plan.engine;
        let limited = layout.limited_to(self.bus.channels);
        results.array = limited.as_ref().map_or_else(|_| layout.clone(), |array| Arc::new(array.clone()));
        let array = limited.map_err(|_| {
            let needed = layout.channels_needed();
            format!(
                "receiving {} of {needed} channels: expected at least 2 capsules of \"{}\" on the bus",
                self.bus.channels,
                layout.name()
            )
        })?;
        match (&mut self.localizer, before) {
            (Some(localizer), Some(before)) => {
                if before.engine != plan.engine {
                    localizer.set_engine(plan.engine).map_err(|e| e.to_string())?;
                    results.forget();
                }
                if before.layout_generation != plan.layout_generation {
                    localizer.set_array(array).map_err(|e| e.to_string())?;
                    results.tracker.reset();
                }
                if before.band != plan.band {
                    localizer.set_band(plan.band).map_err(|e| e.to_string())?;
                }
                if (before.grid_size, before.region) != (plan.grid_size, plan.region) {
                    localizer.set_grid(results.grid.clone()).map_err(|e| e.to_string())?;
                }
            }
            _ => {
                let settings = LocalizerSettings {
                    engine: plan.engine,
                    gate_db: self.shared.params.gate_db.value(),
                    band: plan.band,
                    ..LocalizerSettings::new(array, results.grid.clone())
                };
                self.localizer = Some(Localizer::new(self.bus.sample_rate_hz, settings).map_err(|e| e.to_string())?);
                let position = self.position;
                self.begin_at(position);
            }
        }
        Ok(())
    }

    /// Builds the other engine anew whenever something has changed; drops it when nobody compares.
    fn build_second(&mut self, plan: Plan) -> Result<(), String> {
        self.second = None;
        self.results.second = None;
        if let Some(first) = self.localizer.as_ref().filter(|_| plan.compare) {
            let settings = LocalizerSettings { engine: other(plan.engine), ..first.settings().clone() };
            self.second = Some(Localizer::new(self.bus.sample_rate_hz, settings).map_err(|e| e.to_string())?);
        }
        Ok(())
    }

    /// Has the doctor look at a new layout, or leave when nobody can read what it finds. What it has heard outlives other changes.
    fn examine(&mut self, before: Option<Plan>, plan: Plan) {
        let seen = |plan: Plan| (plan.layout_generation, plan.watched);
        if before.map(seen) == Some(seen(plan)) {
            return;
        }
        self.examination = plan.watched.then(|| {
            let layout = self.shared.params.session.layout();
            let heard = self.localizer.as_ref().map(|l| &l.settings().array);
            Examination::new(self.bus.sample_rate_hz, &layout, heard)
        });
    }

    /// Lets old blocks go when the analysis lags too far behind. Returns how many frames were let go.
    fn skip_backlog(&mut self, reader: &mut BlockReader) -> u64 {
        let rate = self.bus.sample_rate_hz;
        let limit = MAX_LAG_S * rate + 2.0 * self.bus.max_host_frames as f64;
        let waiting = |reader: &BlockReader, frames: usize| (reader.pending() * frames) as f64;
        if waiting(reader, self.block_frames) <= limit && reader.pending() < reader.capacity() {
            return 0;
        }
        let kept = KEPT_S * rate + self.bus.max_host_frames as f64;
        let mut skipped = 0;
        while waiting(reader, self.block_frames) > kept {
            let Some(frames) = reader.with_next(|block| {
                self.levels.take(block);
                block.frames()
            }) else {
                break;
            };
            skipped += frames as u64;
        }
        // `position` stays, so that the next block is seen to come after a gap.
        skipped
    }

    /// Analyses one block.
    fn take(&mut self, block: &Block) {
        self.levels.take(block);
        self.block_frames = block.frames().max(1);
        if block.position_frames() != self.position {
            self.begin_at(block.position_frames());
        }
        self.position = block.position_frames() + block.frames() as u64;
        let Some(localizer) = &mut self.localizer else { return };
        let bus: Vec<&[f32]> = (0..block.channels()).map(|c| block.channel(c)).collect();
        let outcome = localizer.process(&bus, &mut |frame| self.results.take(frame));
        self.failure = outcome.err().map(|e| e.to_string());
        if let Some(second) = &mut self.second {
            let engine = second.settings().engine;
            let outcome = second.process(&bus, &mut |frame| self.results.take_second(engine, frame));
            self.failure = self.failure.take().or(outcome.err().map(|e| e.to_string()));
        }
        if let Some(examination) = &mut self.examination {
            examination.take(&bus);
        }
    }

    /// Starts the localizer's time at this frame of the activation.
    fn begin_at(&mut self, position: u64) {
        for localizer in self.localizer.iter_mut().chain(&mut self.second) {
            localizer.reset();
        }
        self.position = position;
        self.results.base = position;
    }
}

/// Frames to be computed together at this load, given how many they are now. Nobody waits for what is rendered offline.
fn chunk_frames(now: usize, load: f32, offline: bool) -> usize {
    let [at_ease, pressed] = LIVE_CHUNK_FRAMES;
    match load {
        _ if offline => pressed,
        l if l >= PRESSED[0] => pressed,
        l if l < PRESSED[1] => at_ease,
        _ => now,
    }
}

/// The engine that is compared with this one.
fn other(engine: Engine) -> Engine {
    match engine {
        Engine::AggRl => Engine::SrpPhat,
        Engine::SrpPhat => Engine::AggRl,
    }
}

#[cfg(test)]
mod tests;
