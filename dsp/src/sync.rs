//! What lock-free code stands on. Tests read that code with a model checker's versions in this place.

pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use crossbeam::queue::ArrayQueue;
