//! Following what another thread changes, without a lock.

use crate::sync::{AtomicU64, Ordering};

/// Counts the changes of values that are stored elsewhere.
///
/// Who changes values stores them first and calls [`Generation::changed`] then. Who follows takes [`Generation::current`] first and
/// reads the values then: they are at least as new as that number says, so no change is missed, and whatever comes later shows as
/// another number.
#[derive(Debug)]
pub struct Generation(AtomicU64);

impl Generation {
    /// Before any change.
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Says that the values have been changed.
    pub fn changed(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    /// How many changes there were.
    pub fn current(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Default for Generation {
    fn default() -> Self {
        Self::new()
    }
}
