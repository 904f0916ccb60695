//! Undoing and redoing changes of an array.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::array::MicArray;

/// The changes of an array, so many of them, to go back and forth.
///
/// The array itself lives elsewhere: whoever changes it records the one before; undoing and redoing exchange the present one for
/// another.
#[derive(Clone, Debug, Default)]
pub struct History {
    undo: VecDeque<Step>,
    redo: Vec<Step>,
    /// What the next change must bear to join the last one.
    open: Option<String>,
}

#[derive(Clone, Debug)]
struct Step {
    label: String,
    array: Arc<MicArray>,
}

impl History {
    /// The most changes that are kept; older ones are forgotten.
    pub const MAX_STEPS: usize = 200;

    /// A history of no changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes down a change under a label for people, with the array as it was before. What had been undone is forgotten.
    pub fn record(&mut self, label: impl Into<String>, before: Arc<MicArray>) {
        self.open = None;
        self.redo.clear();
        if self.undo.len() == Self::MAX_STEPS {
            self.undo.pop_front();
        }
        self.undo.push_back(Step { label: label.into(), array: before });
    }

    /// As [`record`](Self::record), but a change that follows one with the same key joins it, and one undo takes back both: the many
    /// changes of one number that is dragged. Anything else between the two, or [`close`](Self::close), parts them.
    pub fn record_merged(&mut self, label: impl Into<String>, key: &str, before: Arc<MicArray>) {
        if self.open.as_deref() != Some(key) {
            self.record(label, before);
            self.open = Some(key.to_owned());
        }
    }

    /// Ends a change that others could join: the number has been let go.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// The label of the change undone and the array as it was before it, if there is one to undo. `current` is the present array.
    pub fn undo(&mut self, current: Arc<MicArray>) -> Option<(String, Arc<MicArray>)> {
        self.open = None;
        let step = self.undo.pop_back()?;
        self.redo.push(Step { label: step.label.clone(), array: current });
        Some((step.label, step.array))
    }

    /// The label of the change made again and the array as it was after it, if there is one to redo. `current` is the present array.
    pub fn redo(&mut self, current: Arc<MicArray>) -> Option<(String, Arc<MicArray>)> {
        self.open = None;
        let step = self.redo.pop()?;
        self.undo.push_back(Step { label: step.label.clone(), array: current });
        Some((step.label, step.array))
    }

    /// The label of the change that [`undo`](Self::undo) would take back.
    pub fn undo_label(&self) -> Option<&str> {
        self.undo.back().map(|s| s.label.as_str())
    }

    /// The label of the change that [`redo`](Self::redo) would make again.
    pub fn redo_label(&self) -> Option<&str> {
        self.redo.last().map(|s| s.label.as_str())
    }
}
