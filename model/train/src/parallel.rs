//! Independent pieces of work on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `work(0..count)` on up to `threads` threads; results in the order of the items, whatever the threads do. `finished` hears how many
/// items are done, each time one more is. After a failure no further items are begun.
///
/// # Errors
/// The failure with the lowest number among those that happened, and that number.
pub(crate) fn in_order<T: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> Result<T, String> + Sync,
    finished: impl Fn(usize) + Sync,
) -> Result<Vec<T>, (usize, String)> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let slots: Vec<Mutex<Option<Result<T, String>>>> = (0..count).map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, count.max(1)) {
            scope.spawn(|| {
                loop {
                    let item = next.fetch_add(1, Ordering::Relaxed);
                    let Some(slot) = slots.get(item) else { break };
                    let result = work(item);
                    if result.is_err() {
                        next.store(count, Ordering::Relaxed);
                    }
                    if let Ok(mut slot) = slot.lock() {
                        *slot = Some(result);
                    }
                    finished(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    // Items are begun in their order: what was never begun comes after what failed.
    let result = |slot: Mutex<Option<Result<T, String>>>| {
        slot.into_inner().ok().flatten().unwrap_or_else(|| Err("was never begun".into()))
    };
    slots.into_iter().enumerate().map(|(item, slot)| result(slot).map_err(|e| (item, e))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn results_keep_their_order_and_all_are_counted() {
        for threads in [0, 1, 3, 100] {
            let told = AtomicU64::new(0);
            let all = in_order(
                threads,
                20,
                |i| Ok(i * i),
                |done| {
                    told.fetch_or(1 << done, Ordering::Relaxed);
                },
            );
            assert_eq!(all, Ok((0..20).map(|i| i * i).collect()));
            assert_eq!(told.into_inner(), (1 << 21) - 2);
        }
        assert_eq!(in_order(2, 0, |_| Ok(()), |_| {}), Ok(Vec::new()));
    }

    #[test]
    fn the_first_failure_is_told_and_ends_the_work() {
        let begun = AtomicUsize::new(0);
        let work = |i: usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if i < 3 { Ok(i) } else { Err(format!("no {i}")) }
        };
        assert_eq!(in_order(1, 1000, work, |_| {}), Err((3, "no 3".into())));
        assert_eq!(begun.into_inner(), 4);
    }
}
