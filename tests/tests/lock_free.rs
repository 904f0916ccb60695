//! The block pool under stress, with real threads: a writer that never waits, a reader that is at times slow, a million blocks.
//!
//! `model_checked` goes through every order of a few steps, with a stand-in for crossbeam's queue; here the real queue is looked at for
//! what a race would do: torn, repeated, reordered or lost blocks.

use std::sync::atomic::{AtomicU64, Ordering};

use spherescope_dsp::block_pool;

const CHANNELS: usize = 3;
const MAX_FRAMES: usize = 16;

/// What every sample of a block at this position must be: no two channels and no two near positions agree.
fn sample(position: u64, channel: usize) -> f32 {
    (position.wrapping_mul(2_654_435_761) % 1_000_003) as f32 + 0.25 * channel as f32
}

#[test]
fn a_million_blocks_arrive_whole_once_and_in_order_or_are_counted_as_lost() {
    const BLOCKS: u64 = 1_000_000;
    for blocks in [1, 2, 7, 64] {
        let (mut writer, mut reader) = block_pool(CHANNELS, MAX_FRAMES, blocks);
        let sent_frames = AtomicU64::new(0);
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut position, mut refused) = (0u64, 0u64);
                for i in 0..BLOCKS / 4 {
                    let frames = 1 + (i.wrapping_mul(7919) % MAX_FRAMES as u64) as usize;
                    // Half of the blocks wait for a place, the others take what comes.
                    while i % 2 == 0 && writer.free_blocks() == 0 {
                        std::thread::yield_now();
                    }
                    refused += u64::from(!writer.push(frames, |channel, out| out.fill(sample(position, channel))));
                    position += frames as u64;
                }
                sent_frames.store(position, Ordering::Release);
                done.store(refused + 1, Ordering::Release);
            });
            let (mut next, mut received) = (0u64, 0u64);
            loop {
                let ended = done.load(Ordering::Acquire);
                let seen = reader.with_next(|block| {
                    let position = block.position_frames();
                    assert!(position >= next, "block at {position} after one that ended at {next}");
                    assert!((1..=MAX_FRAMES).contains(&block.frames()));
                    for channel in 0..CHANNELS {
                        let expected = sample(position, channel);
                        assert!(block.channel(channel).iter().all(|&x| x == expected), "a torn block at {position}");
                    }
                    position + block.frames() as u64
                });
                match seen {
                    Some(end) => {
                        next = end;
                        received += 1;
                    }
                    None if ended > 0 => break,
                    None => std::thread::yield_now(),
                }
            }
            let refused = done.load(Ordering::Acquire) - 1;
            assert!(next <= sent_frames.load(Ordering::Acquire));
            assert_eq!((received + refused, reader.dropped_blocks()), (BLOCKS / 4, refused), "a pool of {blocks}");
            println!("a pool of {blocks}: {received} blocks received, {refused} lost and counted");
        });
    }
}
