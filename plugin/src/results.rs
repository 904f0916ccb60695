//! What the localizer's frames become: the spectrum on display, tracks, and lines of a log or a recording.

use std::sync::Arc;
use std::time::Instant;

use spherescope_dsp::{Grid, MicArray, Peak, PeakFinder, PeakOptions, Region, Track, Tracker};
use spherescope_model::{Engine, LocalizerFrame};
use spherescope_view::{Other, Recording};

use crate::frame_log::FrameLog;
use crate::outgoing::RecordingOrder;
use crate::params::SpherescopeParams;

/// The tracker takes the peaks this often, in seconds: finding peaks in every frame would cost more and tell little more.
const TRACK_EVERY_S: f64 = 0.032;

/// Where the localizer's frames go: into the spectrum on display, and into the log.
pub(crate) struct Results {
    pub(crate) params: Arc<SpherescopeParams>,
    pub(crate) sample_rate_hz: f64,
    pub(crate) engine: Engine,
    /// The array as analysed.
    pub(crate) array: Arc<MicArray>,
    pub(crate) grid: Arc<Grid>,
    /// Where sources are looked for.
    pub(crate) region: Region,
    /// Size of the whole sphere's grid and region that `grid` was made for; none before the first.
    pub(crate) built: Option<(usize, Region)>,
    /// Prepared for `grid`.
    pub(crate) finder: PeakFinder,
    pub(crate) log: Option<FrameLog>,
    /// What the user records.
    pub(crate) recording: Option<(FrameLog, Arc<RecordingOrder>)>,
    pub(crate) log_error: Option<String>,
    /// Frame of the activation at which the localizer's time is 0.
    pub(crate) base: u64,
    /// Frame of the activation after the newest window.
    pub(crate) end: u64,
    /// The smoothed spectrum `[D]`; empty before the first frame.
    pub(crate) spectrum: Vec<f32>,
    /// What the other engine makes of it.
    pub(crate) second: Option<Second>,
    pub(crate) tracker: Tracker,
    /// Time of the tracker's last peaks in seconds.
    pub(crate) tracked_s: f64,
    pub(crate) active: bool,
    /// Whether something has changed since the last snapshot.
    pub(crate) fresh: bool,
    /// When the last frame came.
    pub(crate) changed: Instant,
}

/// What the other engine makes of the same sound.
pub(crate) struct Second {
    engine: Engine,
    /// Frame of the activation after its newest window.
    end: u64,
    /// Its smoothed spectrum `[D]`.
    spectrum: Vec<f32>,
}

impl Results {
    pub(crate) fn take(&mut self, frame: &LocalizerFrame<'_>) {
        let end = self.base + frame.end_frames;
        let step_s = end.saturating_sub(self.end) as f64 / self.sample_rate_hz;
        self.end = end;
        smooth(&mut self.spectrum, frame.spectrum, step_s, f64::from(self.params.smoothing_ms.value()) / 1e3);
        self.active = frame.active;
        self.fresh = true;
        self.changed = Instant::now();
        let t_s = end as f64 / self.sample_rate_hz;
        let due = t_s - self.tracked_s >= TRACK_EVERY_S - 0.5 * step_s;
        if !due && self.log.is_none() && self.recording.is_none() {
            return;
        }
        let peaks = self.peaks();
        if due {
            self.tracked_s = t_s;
            self.tracker.update(t_s, self.active, &peaks);
        }
        if let Some(log) = &mut self.log
            && let Err(error) = log.frame(t_s, self.active, self.engine, &peaks)
        {
            self.log_error = Some(format!("the log cannot be written: {error}"));
            self.log = None;
        }
        let failed = self.recording.as_mut().and_then(|(log, order)| {
            let written = log.frame(t_s, self.active, self.engine, &peaks);
            written.err().map(|e| cannot_write(order, &e))
        });
        self.recording_failed(failed);
    }

    /// Ends a recording that cannot go on.
    fn recording_failed(&mut self, why: Option<String>) {
        if let Some(why) = why {
            self.recording = None;
            self.params.session.outgoing().tell_recording(Recording::Failed(why));
        }
    }

    pub(crate) fn take_second(&mut self, engine: Engine, frame: &LocalizerFrame<'_>) {
        let end = self.base + frame.end_frames;
        let second = self.second.get_or_insert_with(|| Second { engine, end, spectrum: Vec::new() });
        let step_s = end.saturating_sub(second.end) as f64 / self.sample_rate_hz;
        (second.engine, second.end) = (engine, end);
        smooth(&mut second.spectrum, frame.spectrum, step_s, f64::from(self.params.smoothing_ms.value()) / 1e3);
    }

    /// The other engine's spectrum with its own strongest maxima: as many as the first may have, whatever they score.
    pub(crate) fn other(&self) -> Option<Other> {
        let Second { engine, spectrum, .. } = self.second.as_ref().filter(|_| self.active)?;
        let max_peaks = self.params.max_sources.value().unsigned_abs() as usize;
        let options = PeakOptions { max_peaks, threshold: 0.0, ..PeakOptions::default() };
        Some(Other { engine: *engine, spectrum: spectrum.clone(), peaks: self.finder.find(spectrum, &options) })
    }

    pub(crate) fn peaks(&self) -> Vec<Peak> {
        peaks_of(&self.finder, &self.spectrum, self.active, &self.params)
    }

    pub(crate) fn tracks(&self) -> Vec<Track> {
        self.tracker.tracks().iter().filter(|t| t.confirmed).copied().collect()
    }

    /// Lets spectrum and tracks go.
    pub(crate) fn forget(&mut self) {
        self.spectrum.clear();
        self.active = false;
        self.tracker.reset();
    }

    pub(crate) fn flush_logs(&mut self) {
        let flushed =
            |(log, order): &mut (FrameLog, Arc<RecordingOrder>)| log.flush().err().map(|e| cannot_write(order, &e));
        let failed = self.recording.as_mut().and_then(flushed);
        self.recording_failed(failed);
        if let Some(Err(error)) = self.log.as_mut().map(FrameLog::flush) {
            self.log_error = Some(format!("the log cannot be written: {error}"));
        }
    }
}

/// Why a recording has ended.
pub(crate) fn cannot_write(order: &RecordingOrder, error: &std::io::Error) -> String {
    format!("{}: cannot be written: {error}", order.path.display())
}

/// The peaks to show: none below the gate, none below the threshold.
fn peaks_of(finder: &PeakFinder, spectrum: &[f32], active: bool, params: &SpherescopeParams) -> Vec<Peak> {
    if !active {
        return Vec::new();
    }
    let options = PeakOptions {
        max_peaks: params.max_sources.value().unsigned_abs() as usize,
        threshold: params.threshold.value(),
        ..PeakOptions::default()
    };
    finder.find(spectrum, &options)
}

/// One-pole smoothing with time constant `tau_s`; the first spectrum, or one of another grid, is taken as it is.
fn smooth(shown: &mut Vec<f32>, new: &[f32], step_s: f64, tau_s: f64) {
    if tau_s <= 0.0 || shown.len() != new.len() {
        shown.clear();
        shown.extend_from_slice(new);
        return;
    }
    let keep = (-step_s / tau_s).exp() as f32;
    for (s, &n) in shown.iter_mut().zip(new) {
        *s = if s.is_finite() { keep * *s + (1.0 - keep) * n } else { n };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_is_a_one_pole_and_none_by_default() {
        let mut shown = Vec::new();
        smooth(&mut shown, &[1.0, 0.0], 0.008, 0.1);
        assert_eq!(shown, [1.0, 0.0]);
        for _ in 0..1000 {
            smooth(&mut shown, &[0.0, 1.0], 0.001, 1.0);
        }
        let e = (-1f32).exp();
        assert!((shown[0] - e).abs() < 1e-3 && (shown[1] - (1.0 - e)).abs() < 1e-3, "{shown:?}");
        smooth(&mut shown, &[0.5, 0.5], 0.008, 0.0);
        assert_eq!(shown, [0.5, 0.5]);
    }
}
