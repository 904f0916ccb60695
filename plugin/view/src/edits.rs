//! Changes of the array: each is checked before it is asked for, can be undone, and says why where it cannot be made.

use std::sync::Arc;

use spherescope_dsp::MicArray;
use spherescope_dsp::array::{ArrayError, MAX_CAPSULES, MAX_DISTANCE_M};

use crate::input::Action;
use crate::state::ViewState;

/// Collects what a frame's controls want changed; at most one change a frame.
pub(crate) struct Editor<'a> {
    layout: &'a MicArray,
    outcome: Option<Result<Edit, String>>,
}

struct Edit {
    label: String,
    /// Edits with the same key in a row are one step of undo: a drag, a row of clicks on a stepper.
    key: Option<String>,
    array: MicArray,
}

impl<'a> Editor<'a> {
    /// For the layout of the session.
    pub(crate) fn new(layout: &'a MicArray) -> Self {
        Self { layout, outcome: None }
    }

    /// Asks for a change; returns whether there is one to make.
    pub(crate) fn apply(&mut self, label: &str, key: Option<&str>, changed: Result<MicArray, ArrayError>) -> bool {
        match changed {
            Ok(array) if array == *self.layout => false,
            Ok(array) => {
                self.outcome = Some(Ok(Edit { label: label.into(), key: key.map(str::to_owned), array }));
                true
            }
            Err(error) => {
                self.outcome = Some(Err(format!("{label}: {}", words(&error))));
                false
            }
        }
    }

    /// Hands the change to the receiver and remembers the layout before it.
    pub(crate) fn finish(self, state: &mut ViewState, actions: &mut Vec<Action>) {
        match self.outcome {
            Some(Ok(edit)) => {
                let cache = &mut state.cache;
                let before = Arc::new(self.layout.clone());
                match &edit.key {
                    Some(key) => cache.undo.record_merged(edit.label, key, before),
                    None => cache.undo.record(edit.label, before),
                }
                cache.edit_error = None;
                actions.push(Action::SetLayout(edit.array));
            }
            Some(Err(error)) => state.cache.edit_error = Some(error),
            None => {}
        }
    }
}

/// An error in the terms of the table, where capsules and channels count from 1; files and programs count from 0.
fn words(error: &ArrayError) -> String {
    match *error {
        ArrayError::Coincident { first, second } => {
            format!("capsule {} would stand in the place of capsule {}", second + 1, first + 1)
        }
        ArrayError::SameChannel { first, second, channel } => {
            format!("capsule {} would have channel {}, which capsule {} has", second + 1, channel + 1, first + 1)
        }
        ArrayError::TooFar { capsule, distance_m } => format!(
            "capsule {} would stand {distance_m:.1} m from the origin; at most {MAX_DISTANCE_M} m are possible",
            capsule + 1
        ),
        ArrayError::ChannelOutOfRange { channel, .. } => {
            format!("expected a channel from 1 to {MAX_CAPSULES}, found {}", channel + 1)
        }
        _ => error.to_string(),
    }
}

/// Goes one step back or forward, if there is one.
pub(crate) fn step(state: &mut ViewState, layout: &MicArray, back: bool, actions: &mut Vec<Action>) {
    let current = Arc::new(layout.clone());
    let cache = &mut state.cache;
    let found = if back { cache.undo.undo(current) } else { cache.undo.redo(current) };
    if let Some((_, array)) = found {
        cache.edit_error = None;
        actions.push(Action::SetLayout(MicArray::clone(&array)));
    }
}
