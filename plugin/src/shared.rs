//! What the plugin, its worker and its editor share.

use std::sync::{Arc, Mutex};

use arc_swap::{ArcSwap, ArcSwapOption};
use nice_plug_egui::{EguiEditorState, RepaintNotifier};
use spherescope_dsp::{Direction, Grid, Region};
use spherescope_view::{Health, History, Snapshot};

use crate::frame_log::LogNumber;
use crate::params::SpherescopeParams;

/// One per instance. The audio thread touches none of it.
pub struct Shared {
    /// Parameters and session: written by host and editor, read by the worker.
    pub params: Arc<SpherescopeParams>,
    /// The newest picture of the analysis: from the worker to the editor.
    pub snapshot: ArcSwap<Snapshot>,
    /// What was heard in the last two minutes, for the next window: from the worker, looked at when a window opens.
    history: Mutex<History>,
    /// Wakes the editor when there is something new to draw.
    pub repaint: RepaintNotifier,
    /// The window that was opened last, open or closed by now; none before the first.
    pub(crate) window: ArcSwapOption<EguiEditorState>,
    /// Which log is this instance's.
    pub(crate) log_number: LogNumber,
}

impl Shared {
    /// State of a new instance; builds no tables.
    pub fn new(params: SpherescopeParams) -> Arc<Self> {
        let snapshot = Snapshot {
            sequence: 0,
            t_s: 0.0,
            engine: params.engine.value().into(),
            array: params.session.layout(),
            grid: Arc::new(Grid::from_directions(vec![Direction::FRONT]).expect("one direction is a grid")),
            region: Region::Sphere,
            spectrum: Vec::new(),
            peaks: Vec::new(),
            other: None,
            findings: Arc::from([]),
            doctor_heard_s: 0.0,
            tracks: Vec::new(),
            active: false,
            levels_db: Vec::new(),
            health: Health::default(),
        };
        Arc::new(Self {
            params: Arc::new(params),
            snapshot: ArcSwap::from_pointee(snapshot),
            history: Mutex::default(),
            repaint: RepaintNotifier::new(),
            window: ArcSwapOption::empty(),
            log_number: LogNumber::default(),
        })
    }

    /// Whether a window shows the analysis. The framework does not tell of closing windows, so this is asked, not told.
    pub fn editor_open(&self) -> bool {
        self.window.load().as_ref().is_some_and(|window| window.is_open())
    }

    /// Whether anybody has use for the analysis: a window that shows it, a receiver, a recording.
    pub fn wanted(&self) -> bool {
        self.editor_open() || self.params.session.outgoing().wanted()
    }

    /// What was heard in the last two minutes, as far as anything was analysed.
    pub fn history(&self) -> History {
        self.history.lock().map_or_else(|e| e.into_inner().clone(), |h| h.clone())
    }

    /// Hands a picture to the editor and has it drawn.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        if let Ok(mut history) = self.history.lock() {
            history.take(&snapshot, None);
        }
        self.snapshot.store(Arc::new(snapshot));
        self.repaint.request_repaint();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn snapshots_are_whole_and_in_order_for_everyone_who_looks() {
        const SNAPSHOTS: u64 = 50_000;
        let shared = Shared::new(SpherescopeParams::new("a-format-tetrahedron"));
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut last = 0;
                    while !done.load(Ordering::Acquire) {
                        let snapshot = shared.snapshot.load_full();
                        assert!(snapshot.sequence >= last, "{} after {last}", snapshot.sequence);
                        last = snapshot.sequence;
                        // Every part must be of the same publication.
                        assert!(snapshot.spectrum.iter().all(|&x| x == last as f32), "snapshot {last} is mixed");
                        assert_eq!((snapshot.t_s, snapshot.health.dropped_blocks), (last as f64, last));
                    }
                });
            }
            let first = shared.snapshot.load_full();
            for sequence in 1..=SNAPSHOTS {
                shared.publish(Snapshot {
                    sequence,
                    t_s: sequence as f64,
                    spectrum: vec![sequence as f32; 64],
                    health: Health { dropped_blocks: sequence, ..Health::default() },
                    ..(*first).clone()
                });
            }
            done.store(true, Ordering::Release);
        });
        assert_eq!(shared.snapshot.load().sequence, SNAPSHOTS);
    }

    #[test]
    fn what_was_heard_with_no_window_open_is_there_for_the_next_one_and_takes_no_more_room() {
        let shared = Shared::new(SpherescopeParams::new("a-format-tetrahedron"));
        let first = (**shared.snapshot.load()).clone();
        // Ten minutes.
        for sequence in 1..=10 * 60 * 20 {
            let t_s = sequence as f64 / 20.0;
            shared.publish(Snapshot { sequence, t_s, spectrum: vec![0.5], active: true, ..first.clone() });
        }
        let columns = shared.history().columns();
        assert!((1900..=1921).contains(&columns), "{columns}");
    }
}
