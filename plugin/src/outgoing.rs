//! What the user has asked to go out, and what has become of it: between editor, session and worker.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use serde::{Deserialize, Serialize};
use spherescope_view::{FIRST_OSC_TARGET, OscState, Recording, osc_address};

use crate::generation::Generation;

/// What a project saves about OSC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OscChoice {
    /// Address and port.
    pub target: String,
    /// Whether directions go there.
    pub on: bool,
}

impl Default for OscChoice {
    fn default() -> Self {
        Self { target: FIRST_OSC_TARGET.into(), on: false }
    }
}

/// A target is no longer than this, in bytes.
const MAX_TARGET_BYTES: usize = 100;

impl OscChoice {
    /// Whether it can be kept: a target that is one, or none that is used.
    fn is_sound(&self) -> bool {
        self.target.len() <= MAX_TARGET_BYTES && osc_address(&self.target).is_ok()
    }

    /// Whether the target is this computer.
    fn stays_here(&self) -> bool {
        osc_address(&self.target).is_ok_and(|address| address.ip().is_loopback())
    }
}

/// A recording that was asked for.
#[derive(Debug)]
pub struct RecordingOrder {
    /// The file.
    pub path: PathBuf,
    /// Whether it was opened before: then activating again goes on at its end.
    pub begun: AtomicBool,
}

/// The wishes and their outcomes of one instance.
#[derive(Debug, Default)]
pub struct Outgoing {
    osc: ArcSwap<OscChoice>,
    /// Whether the user has agreed to the target, in this session of the host.
    agreed: AtomicBool,
    recording: ArcSwapOption<RecordingOrder>,
    /// Counts up with every change of a wish.
    generation: Generation,
    /// What has become of OSC, as the worker has it.
    osc_state: ArcSwap<OscState>,
    /// What has become of the recording, as the worker has it.
    recording_state: ArcSwap<Recording>,
}

impl Outgoing {
    /// What the project saves.
    pub fn osc(&self) -> Arc<OscChoice> {
        self.osc.load_full()
    }

    /// Takes what the user has chosen in the editor. A target that is none is left out.
    pub fn choose_osc(&self, choice: OscChoice) {
        self.take_osc(choice, true);
    }

    /// Takes what a project has saved: another computer is sent to only once the user has agreed.
    pub fn load_osc(&self, choice: OscChoice) {
        let here = choice.stays_here();
        // What was agreed to before stays so.
        let same = **self.osc.load() == choice && self.agreed.load(Ordering::Acquire);
        self.take_osc(choice, here || same);
    }

    fn take_osc(&self, choice: OscChoice, agreed: bool) {
        if !choice.is_sound() {
            return;
        }
        self.agreed.store(agreed, Ordering::Release);
        self.osc.store(Arc::new(choice));
        self.generation.changed();
    }

    /// Where to send; nothing unless the user wants it.
    pub fn osc_target(&self) -> Option<String> {
        let choice = self.osc.load();
        (choice.on && self.agreed.load(Ordering::Acquire)).then(|| choice.target.clone())
    }

    /// Starts or stops a recording.
    pub fn record(&self, path: Option<PathBuf>) {
        self.recording.store(path.map(|path| Arc::new(RecordingOrder { path, begun: AtomicBool::new(false) })));
        self.recording_state.store(Arc::new(Recording::Off));
        self.generation.changed();
    }

    /// The recording that is wanted.
    pub fn recording(&self) -> Option<Arc<RecordingOrder>> {
        self.recording.load_full()
    }

    /// Whether anything is to go out. A recording that has failed keeps nobody at work.
    pub fn wanted(&self) -> bool {
        let failed = matches!(**self.recording_state.load(), Recording::Failed(_));
        (self.recording.load().is_some() && !failed) || self.osc_target().is_some()
    }

    /// Counts up with every change of a wish. Read it before the wishes: then no change is missed.
    pub fn generation(&self) -> u64 {
        self.generation.current()
    }

    /// The worker's word on OSC.
    pub(crate) fn tell_osc(&self, state: OscState) {
        self.osc_state.store(Arc::new(state));
    }

    /// The worker's word on the recording.
    pub(crate) fn tell_recording(&self, state: Recording) {
        self.recording_state.store(Arc::new(state));
    }

    /// What the editor shows of OSC.
    pub fn osc_state(&self) -> OscState {
        match (self.osc.load().on, self.agreed.load(Ordering::Acquire)) {
            (false, _) => OscState::Off,
            (true, false) => OscState::AwaitingYes,
            (true, true) => match &**self.osc_state.load() {
                // The worker has not come to it yet, or there is none.
                OscState::Off | OscState::AwaitingYes => OscState::Sending { bundles: 0 },
                state => state.clone(),
            },
        }
    }

    /// What the editor shows of the recording.
    pub fn recording_state(&self) -> Recording {
        match (&*self.recording.load(), &**self.recording_state.load()) {
            (Some(order), Recording::Off) => Recording::On { path: order.path.display().to_string(), frames: 0 },
            (None, Recording::On { .. }) => Recording::Off,
            (_, state) => state.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(target: &str, on: bool) -> OscChoice {
        OscChoice { target: target.into(), on }
    }

    #[test]
    fn a_project_sends_to_this_computer_at_once_and_to_another_after_a_yes() {
        let outgoing = Outgoing::default();
        assert_eq!((outgoing.osc_target(), outgoing.osc_state()), (None, OscState::Off));
        outgoing.load_osc(choice("127.0.0.1:9000", true));
        assert_eq!(outgoing.osc_target().as_deref(), Some("127.0.0.1:9000"));
        outgoing.load_osc(choice("192.0.2.7:9000", true));
        assert_eq!((outgoing.osc_target(), outgoing.osc_state()), (None, OscState::AwaitingYes));
        assert!(!outgoing.wanted());
        outgoing.choose_osc(choice("192.0.2.7:9000", true));
        assert_eq!(outgoing.osc_target().as_deref(), Some("192.0.2.7:9000"));
        // The same project again, as a host does when it undoes: the yes stays. Another target needs another.
        outgoing.load_osc(choice("192.0.2.7:9000", true));
        assert!(outgoing.osc_target().is_some());
        outgoing.load_osc(choice("192.0.2.8:9000", true));
        assert_eq!(outgoing.osc_state(), OscState::AwaitingYes);
        outgoing.load_osc(choice("192.0.2.8:9000", false));
        assert_eq!(outgoing.osc_state(), OscState::Off);
        // Junk changes nothing.
        let generation = outgoing.generation();
        outgoing.load_osc(choice("somewhere", true));
        outgoing.choose_osc(choice(&"9".repeat(1000), true));
        assert_eq!((outgoing.generation(), outgoing.osc_state()), (generation, OscState::Off));
    }
}
