//! The block pool: audio from the callback to the worker through two lock-free queues.
//!
//! All blocks are allocated when the pool is made. The audio thread takes an empty block from the free queue, copies planar audio
//! into it and pushes it to the full queue; the worker hands it back. Neither side ever waits. When no block is free the audio is
//! counted as dropped, and the block after the gap carries its true position, so that the worker sees the gap.

use crate::sync::{Arc, ArrayQueue, AtomicU64, Ordering};

/// A piece of planar audio with its place in time.
#[derive(Debug)]
pub struct Block {
    samples: Box<[f32]>,
    channels: usize,
    capacity_frames: usize,
    frames: usize,
    position_frames: u64,
}

impl Block {
    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Number of frames in use.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Index of the first frame since the pool was made; jumps where audio was dropped.
    pub fn position_frames(&self) -> u64 {
        self.position_frames
    }

    /// The samples of one channel, `[frames]`; empty for a channel that the pool lacks.
    pub fn channel(&self, channel: usize) -> &[f32] {
        let start = channel * self.capacity_frames;
        self.samples.get(start..start + self.frames).filter(|_| channel < self.channels).unwrap_or(&[])
    }
}

#[derive(Debug)]
struct Shared {
    free: ArrayQueue<Box<Block>>,
    full: ArrayQueue<Box<Block>>,
    dropped_blocks: AtomicU64,
}

/// The audio thread's end: never allocates, locks, waits or calls the system.
#[derive(Debug)]
pub struct BlockWriter {
    shared: Arc<Shared>,
    channels: usize,
    max_frames: usize,
    position_frames: u64,
}

/// The worker's end.
#[derive(Debug)]
pub struct BlockReader {
    shared: Arc<Shared>,
}

/// Makes a pool of `blocks` blocks, each for up to `max_frames` frames of `channels` channels (each number at least 1).
///
/// Memory: `4 · channels · max_frames · blocks` bytes, all allocated here.
pub fn block_pool(channels: usize, max_frames: usize, blocks: usize) -> (BlockWriter, BlockReader) {
    let (channels, max_frames, blocks) = (channels.max(1), max_frames.max(1), blocks.max(1));
    let free = ArrayQueue::new(blocks);
    for _ in 0..blocks {
        let block = Block {
            samples: vec![0.0; channels * max_frames].into_boxed_slice(),
            channels,
            capacity_frames: max_frames,
            frames: 0,
            position_frames: 0,
        };
        // The queue has a place for every block, so this cannot fail.
        let _ = free.push(Box::new(block));
    }
    let shared = Arc::new(Shared { free, full: ArrayQueue::new(blocks), dropped_blocks: AtomicU64::new(0) });
    (BlockWriter { shared: shared.clone(), channels, max_frames, position_frames: 0 }, BlockReader { shared })
}

impl BlockWriter {
    /// Sends `frames` frames: `fill(channel, destination)` is called once for each channel with a slice to fill. More frames than the
    /// pool's blocks hold are cut off; split them before. False, and counted, when no block is free.
    pub fn push(&mut self, frames: usize, mut fill: impl FnMut(usize, &mut [f32])) -> bool {
        let position_frames = self.position_frames;
        self.position_frames += frames as u64;
        let Some(mut block) = self.shared.free.pop() else {
            self.shared.dropped_blocks.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        block.frames = frames.min(self.max_frames);
        block.position_frames = position_frames;
        for (channel, all) in block.samples.chunks_exact_mut(self.max_frames).enumerate() {
            if let Some(destination) = all.get_mut(..frames.min(self.max_frames)) {
                fill(channel, destination);
            }
        }
        // As many places as blocks: a full queue cannot happen, and if it did the block would be freed by the reader's next pop.
        match self.shared.full.push(block) {
            Ok(()) => true,
            Err(block) => {
                let _ = self.shared.free.push(block);
                self.shared.dropped_blocks.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Number of channels of each block.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Frames that one block holds.
    pub fn max_frames(&self) -> usize {
        self.max_frames
    }

    /// Blocks that are free now.
    pub fn free_blocks(&self) -> usize {
        self.shared.free.len()
    }
}

impl BlockReader {
    /// Shows the oldest full block to `f` and hands it back to the writer; `None` when there is none.
    pub fn with_next<R>(&mut self, f: impl FnOnce(&Block) -> R) -> Option<R> {
        let guard = Returned { block: Some(self.shared.full.pop()?), shared: &self.shared };
        guard.block.as_deref().map(f)
    }

    /// Full blocks that wait.
    pub fn pending(&self) -> usize {
        self.shared.full.len()
    }

    /// Blocks in the pool.
    pub fn capacity(&self) -> usize {
        self.shared.full.capacity()
    }

    /// Blocks of audio that were lost because none was free.
    pub fn dropped_blocks(&self) -> u64 {
        self.shared.dropped_blocks.load(Ordering::Relaxed)
    }
}

/// Hands the block back even when the reader's code panics.
struct Returned<'a> {
    block: Option<Box<Block>>,
    shared: &'a Shared,
}

impl Drop for Returned<'_> {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            let _ = self.shared.free.push(block);
        }
    }
}
