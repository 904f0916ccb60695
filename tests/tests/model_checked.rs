//! The lock-free parts under a model checker: every order in which two threads can meet, and every value that the orderings of their
//! atomics let them see.
//!
//! `dsp/src/block_pool.rs` and `plugin/src/generation.rs` are compiled here once more, as they are, on loom's atomics in place of the
//! standard library's. crossbeam's queue has no build for loom; [`sync::ArrayQueue`] stands for it, a queue of the same kind (Vyukov's
//! bounded queue, a stamp in every slot) with the same orderings, whose slots tell loom of every access.

#[path = "../../dsp/src/block_pool.rs"]
#[allow(dead_code, unused_imports, missing_docs)]
mod block_pool;
#[path = "../../plugin/src/generation.rs"]
mod generation;

/// What the two files find as `crate::sync`.
mod sync {
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

    use loom::cell::UnsafeCell;
    use loom::sync::atomic::{AtomicUsize, fence};

    /// A bounded queue for many threads. Tickets count pushes and pops; a slot's stamp is its next push's ticket while it is free, and
    /// that plus one while it is full.
    #[derive(Debug)]
    pub(crate) struct ArrayQueue<T> {
        slots: Box<[Slot<T>]>,
        pushes: AtomicUsize,
        pops: AtomicUsize,
    }

    #[derive(Debug)]
    struct Slot<T> {
        stamp: AtomicUsize,
        value: UnsafeCell<Option<T>>,
    }

    // SAFETY: a value is reached only by the thread whose ticket the slot's stamp shows; loom checks that in every test.
    unsafe impl<T: Send> Sync for ArrayQueue<T> {}
    // SAFETY: the queue owns its values.
    unsafe impl<T: Send> Send for ArrayQueue<T> {}

    impl<T> ArrayQueue<T> {
        pub(crate) fn new(capacity: usize) -> Self {
            let slot = |i| Slot { stamp: AtomicUsize::new(Self::free(i)), value: UnsafeCell::new(None) };
            Self { slots: (0..capacity).map(slot).collect(), pushes: AtomicUsize::new(0), pops: AtomicUsize::new(0) }
        }

        /// Stamps are doubled tickets, so that a queue of one place can tell full from free.
        fn free(ticket: usize) -> usize {
            2 * ticket
        }

        fn full(ticket: usize) -> usize {
            2 * ticket + 1
        }

        pub(crate) fn push(&self, value: T) -> Result<(), T> {
            let mut ticket = self.pushes.load(Ordering::Relaxed);
            loop {
                let slot = &self.slots[ticket % self.slots.len()];
                let stamp = slot.stamp.load(Ordering::Acquire);
                if stamp == Self::free(ticket) {
                    let next = (Ordering::SeqCst, Ordering::Relaxed);
                    match self.pushes.compare_exchange_weak(ticket, ticket + 1, next.0, next.1) {
                        Ok(_) => {
                            // SAFETY: this ticket is this thread's alone.
                            slot.value.with_mut(|place| unsafe { *place = Some(value) });
                            slot.stamp.store(Self::full(ticket), Ordering::Release);
                            return Ok(());
                        }
                        Err(found) => ticket = found,
                    }
                } else {
                    fence(Ordering::SeqCst);
                    if self.pops.load(Ordering::Relaxed) + self.slots.len() == ticket {
                        return Err(value);
                    }
                    loom::thread::yield_now();
                    ticket = self.pushes.load(Ordering::Relaxed);
                }
            }
        }

        pub(crate) fn pop(&self) -> Option<T> {
            let mut ticket = self.pops.load(Ordering::Relaxed);
            loop {
                let slot = &self.slots[ticket % self.slots.len()];
                let stamp = slot.stamp.load(Ordering::Acquire);
                if stamp == Self::full(ticket) {
                    let next = (Ordering::SeqCst, Ordering::Relaxed);
                    match self.pops.compare_exchange_weak(ticket, ticket + 1, next.0, next.1) {
                        Ok(_) => {
                            // SAFETY: this ticket is this thread's alone.
                            let value = slot.value.with_mut(|place| unsafe { (*place).take() });
                            slot.stamp.store(Self::free(ticket + self.slots.len()), Ordering::Release);
                            return value;
                        }
                        Err(found) => ticket = found,
                    }
                } else {
                    fence(Ordering::SeqCst);
                    if self.pushes.load(Ordering::Relaxed) == ticket {
                        return None;
                    }
                    loom::thread::yield_now();
                    ticket = self.pops.load(Ordering::Relaxed);
                }
            }
        }

        pub(crate) fn len(&self) -> usize {
            self.pushes.load(Ordering::SeqCst).saturating_sub(self.pops.load(Ordering::SeqCst))
        }

        pub(crate) fn capacity(&self) -> usize {
            self.slots.len()
        }
    }
}

use generation::Generation;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};

/// All executions with at most this many switches that no wait forces: more find no more in code of this size, and take hours.
const SWITCHES: usize = 4;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(SWITCHES);
    builder.check(model);
}

/// One writer, one reader, a pool of `blocks`: what arrives is whole, in order, once, and what does not arrive is counted.
///
/// The checker goes on from what the first run saw; so each side is the one that begins once.
fn audio_through_a_pool(blocks: usize, sent: u64) {
    for writer_begins in [true, false] {
        check(move || {
            let (mut writer, mut reader) = block_pool::block_pool(1, 2, blocks);
            let mut write = move || (0..sent).filter(|i| writer.push(2, |_, out| out.fill(*i as f32))).count() as u64;
            let read = move || {
                let seen: Vec<u64> = (0..sent).filter_map(|_| take(&mut reader)).collect();
                (seen, reader)
            };
            let (accepted, (mut received, mut reader)) = if writer_begins {
                let reading = loom::thread::spawn(read);
                (write(), reading.join().unwrap())
            } else {
                let writing = loom::thread::spawn(write);
                let read = read();
                (writing.join().unwrap(), read)
            };
            // What still waits.
            received.extend((0..blocks).filter_map(|_| take(&mut reader)));
            assert!(received.is_sorted_by(|a, b| a < b), "{received:?}");
            assert_eq!((received.len() as u64, accepted + reader.dropped_blocks()), (accepted, sent));
            assert_eq!(reader.pending(), 0);
        });
    }
}

/// The position of the next block, after a look at what is in it.
fn take(reader: &mut block_pool::BlockReader) -> Option<u64> {
    reader.with_next(|block| {
        let position = block.position_frames();
        assert_eq!(block.channel(0), [position as f32 / 2.0; 2], "a torn block at {position}");
        position
    })
}

#[test]
fn a_pool_of_one_block_hands_it_to_and_fro() {
    audio_through_a_pool(1, 3);
}

#[test]
fn a_pool_of_two_blocks_loses_nothing_that_it_does_not_count() {
    audio_through_a_pool(2, 3);
}

#[test]
fn who_sees_a_change_counted_sees_what_changed() {
    check(|| {
        // The values are read and written without any ordering of their own: the count alone orders them.
        let shared = Arc::new((Generation::new(), AtomicU64::new(0), AtomicU64::new(0)));
        let changing = shared.clone();
        let writing = loom::thread::spawn(move || {
            let (generation, a, b) = &*changing;
            for value in 1..=2 {
                a.store(value, Ordering::Relaxed);
                b.store(value, Ordering::Relaxed);
                generation.changed();
            }
        });
        let (generation, a, b) = &*shared;
        for _ in 0..2 {
            let count = generation.current();
            let seen = [a, b].map(|x| x.load(Ordering::Relaxed));
            assert!(seen.iter().all(|x| *x >= count), "{seen:?} after change {count}");
        }
        writing.join().unwrap();
        assert_eq!((generation.current(), a.load(Ordering::Relaxed), b.load(Ordering::Relaxed)), (2, 2, 2));
    });
}

/// Two windows or a window and a host may both change things.
#[test]
fn no_change_of_two_is_missed() {
    check(|| {
        let shared = Arc::new((Generation::new(), AtomicU64::new(0)));
        let writing: Vec<_> = (1..=2)
            .map(|value| {
                let changing = shared.clone();
                loom::thread::spawn(move || {
                    changing.1.fetch_or(value, Ordering::Relaxed);
                    changing.0.changed();
                })
            })
            .collect();
        let count = shared.0.current();
        let seen = shared.1.load(Ordering::Relaxed).count_ones();
        assert!(u64::from(seen) >= count, "{seen} of {count} changes");
        writing.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(shared.0.current(), 2);
    });
}
