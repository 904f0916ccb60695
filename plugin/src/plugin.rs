//! The plugin itself: audio through, bit-exactly and without latency, and a copy to the worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nice_plug::prelude::*;
use spherescope_dsp::{BlockWriter, block_pool};

use crate::editor::SpherescopeEditor;
use crate::frame_log;
use crate::params::{self, SpherescopeParams};
use crate::shared::Shared;
use crate::widths;
use crate::worker::{Bus, Worker, WorkerSetup};

/// The plugin with a bus of `N` channels, or of any width from 2 to 64 for `N` = [`widths::EVERY_WIDTH`].
///
/// CLAP hosts choose a width among many; VST3 hosts get one class for each usual width.
pub struct Spherescope<const N: u32> {
    /// Parameters, session and snapshot, shared with worker and editor.
    shared: Arc<Shared>,
    /// The audio thread's end of the block pool; none while inactive.
    tap: Option<Tap>,
    /// The analysis; none while inactive.
    worker: Option<Worker>,
}

/// Frames in a block of the pool at most: longer blocks of the host are split. Hosts that announce long blocks often send short ones,
/// and each takes a block of its own, so long blocks would be a waste of memory.
const MAX_BLOCK_FRAMES: usize = 256;
/// The pool holds this much audio in full blocks, in seconds, beside [`POOL_HOST_BLOCKS`] of the host's blocks, and has at least
/// [`MIN_BLOCKS`] blocks.
const POOL_S: f64 = 0.75;
const POOL_HOST_BLOCKS: f64 = 4.0;
const MIN_BLOCKS: f64 = 256.0;
const MAX_BLOCKS: f64 = 2048.0;

/// While a host renders offline, `process` waits at most this long for a free block.
const OFFLINE_PATIENCE: Duration = Duration::from_secs(2);
const OFFLINE_STEP: Duration = Duration::from_micros(200);

impl<const N: u32> Default for Spherescope<N> {
    fn default() -> Self {
        let shared = Shared::new(SpherescopeParams::new(widths::first_preset_of(N)));
        Self { shared, tap: None, worker: None }
    }
}

impl<const N: u32> Plugin for Spherescope<N> {
    const NAME: &'static str = widths::name_of(N);
    const VENDOR: &'static str = "Spherescope";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = widths::layouts_of(N);

    type Editor = SpherescopeEditor;
    type SysExMessage = ();
    // The framework's background thread is shared by all instances and does not survive the end of one with tasks in its queue.
    type BackgroundTask = ();

    fn params(&self) -> Arc<dyn Params> {
        self.shared.params.clone()
    }

    fn editor(&mut self, _: AsyncExecutor<Self>) -> Option<Self::Editor> {
        Some(SpherescopeEditor::new(self.shared.clone()))
    }

    fn filter_state(state: &mut PluginState) {
        params::tidy_state(state);
    }

    fn activate(&mut self, layout: &AudioIOLayout, config: &BufferConfig, _: &mut impl ActivateContext<Self>) -> bool {
        // Hosts may activate again without deactivating first.
        self.deactivate();
        let bus = Bus {
            channels: layout.main_input_channels.map_or(0, |n| n.get() as usize),
            sample_rate_hz: f64::from(config.sample_rate),
            max_host_frames: config.max_buffer_size as usize,
            offline: config.process_mode == ProcessMode::Offline,
        };
        let frames = bus.max_host_frames.clamp(1, MAX_BLOCK_FRAMES);
        let pool_frames = POOL_S * bus.sample_rate_hz + POOL_HOST_BLOCKS * bus.max_host_frames as f64;
        let blocks = (pool_frames / frames as f64).clamp(MIN_BLOCKS, MAX_BLOCKS) as usize;
        let (writer, reader) = block_pool(bus.channels, frames, blocks);
        let setup = WorkerSetup { reader, bus, log_directory: frame_log::directory() };
        self.worker = Worker::start(self.shared.clone(), setup);
        self.tap = self.worker.is_some().then_some(Tap { writer, offline: bus.offline, patient: true });
        true
    }

    fn deactivate(&mut self) {
        self.tap = None;
        if let Some(mut worker) = self.worker.take() {
            worker.stop();
        }
    }

    /// The buffer already holds the output, as the framework has copied the input there, so passing through is doing nothing.
    fn process(
        &mut self,
        buffer: &mut Buffer<'_>,
        _: &mut AuxiliaryBuffers<'_>,
        _: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        if let Some(tap) = &mut self.tap {
            tap.send(buffer.as_slice_immutable(), buffer.samples());
        }
        ProcessStatus::Normal
    }
}

impl<const N: u32> Drop for Spherescope<N> {
    fn drop(&mut self) {
        self.deactivate();
    }
}

/// Copies the host's audio to the worker. Total: no input makes it panic, allocate, lock or log.
struct Tap {
    writer: BlockWriter,
    /// The host renders faster than real time and nothing may be lost.
    offline: bool,
    /// False after a wait in vain, so that a stuck worker holds a rendering host up once and not at every block.
    patient: bool,
}

impl Tap {
    /// Sends `frames` frames of planar audio, in as many blocks as it takes. Channels that are missing are silent.
    fn send(&mut self, channels: &[&mut [f32]], frames: usize) {
        let step = self.writer.max_frames().max(1);
        let mut start = 0;
        while start < frames {
            let end = frames.min(start + step);
            if self.offline {
                self.await_free_block();
            }
            let sent = self.writer.push(end - start, |channel, out| {
                match channels.get(channel).and_then(|samples| samples.get(start..end)) {
                    Some(samples) if samples.len() == out.len() => out.copy_from_slice(samples),
                    _ => out.fill(0.0),
                }
            });
            self.patient |= sent;
            start = end;
        }
    }

    /// The one exception to never waiting: an offline rendering has no deadline, and a result that depended on the machine's speed
    /// would be of no use. Bounded all the same.
    fn await_free_block(&mut self) {
        if self.writer.free_blocks() > 0 || !self.patient {
            return;
        }
        let begin = Instant::now();
        while self.writer.free_blocks() == 0 {
            if begin.elapsed() >= OFFLINE_PATIENCE {
                self.patient = false;
                return;
            }
            std::thread::sleep(OFFLINE_STEP);
        }
    }
}

impl ClapPlugin for Spherescope<{ widths::EVERY_WIDTH }> {
    const CLAP_ID: &'static str = "io.spherescope.spherescope";
    const CLAP_DESCRIPTION: Option<&'static str> =
        Some("Shows where sounds come from, live on a sphere, with any microphone array");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] =
        &[ClapFeature::AudioEffect, ClapFeature::Analyzer, ClapFeature::Surround, ClapFeature::Utility];
}

impl<const N: u32> Vst3Plugin for Spherescope<N> {
    const VST3_CLASS_ID: [u8; 16] = widths::class_id_of(N);
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] =
        &[Vst3SubCategory::Fx, Vst3SubCategory::Analyzer, Vst3SubCategory::Spatial];
}

#[cfg(test)]
mod tests {
    use super::*;
    use nice_assert_no_alloc::assert_no_alloc;
    use spherescope_dsp::BlockReader;

    fn tap(channels: usize, blocks: usize, offline: bool) -> (Tap, BlockReader) {
        let (writer, reader) = block_pool(channels, 16, blocks);
        (Tap { writer, offline, patient: true }, reader)
    }

    fn received(reader: &mut BlockReader, channel: usize) -> Vec<f32> {
        let mut all = Vec::new();
        while reader.with_next(|block| all.extend_from_slice(block.channel(channel))).is_some() {}
        all
    }

    /// A host's side of an activation, with nothing behind it.
    struct NoHost;

    impl<P: Plugin> ActivateContext<P> for NoHost {
        fn plugin_api(&self) -> PluginApi {
            PluginApi::Vst3
        }

        fn execute(&self, _: P::BackgroundTask) {}

        fn set_latency_samples(&self, samples: u32) {
            assert_eq!(samples, 0);
        }

        fn set_current_voice_capacity(&self, _: u32) {}
    }

    #[test]
    fn hosts_may_activate_again_without_deactivating_and_deactivate_twice() {
        let mut plugin = Spherescope::<4>::default();
        for (rate_hz, frames) in [(48_000.0, 512), (44_100.0, 64), (96_000.0, 4096), (1000.0, 1)] {
            let config = BufferConfig {
                sample_rate: rate_hz,
                min_buffer_size: None,
                max_buffer_size: frames,
                process_mode: ProcessMode::Realtime,
            };
            assert!(plugin.activate(&Spherescope::<4>::AUDIO_IO_LAYOUTS[0], &config, &mut NoHost));
            let tap = plugin.tap.as_ref().expect("an active plugin has a pool");
            assert_eq!(
                tap.writer.max_frames(),
                (frames as usize).min(MAX_BLOCK_FRAMES),
                "the pool is that of the last activation"
            );
        }
        for _ in 0..2 {
            plugin.deactivate();
            assert!(plugin.tap.is_none() && plugin.worker.is_none());
        }
    }

    #[test]
    fn long_blocks_arrive_whole_and_nothing_is_allocated() {
        let (mut tap, mut reader) = tap(3, 8, false);
        let mut audio: Vec<Vec<f32>> = (0..2).map(|c| (0..100).map(|n| (1000 * c + n) as f32).collect()).collect();
        let (left, right) = audio.split_at_mut(1);
        let buffer: [&mut [f32]; 2] = [&mut left[0], &mut right[0]];
        assert_no_alloc(|| tap.send(&buffer, 100));
        assert_eq!(reader.pending(), 7);
        assert_eq!(received(&mut reader, 1), audio[1], "the second channel is the host's second");
        let (left, right) = audio.split_at_mut(1);
        tap.send(&[&mut left[0], &mut right[0]], 100);
        assert_eq!(received(&mut reader, 2), [0.0; 100], "a channel that the host does not give is silent");
    }

    #[test]
    fn lies_about_lengths_and_a_full_pool_are_survived() {
        let (mut tap, reader) = tap(2, 2, false);
        let mut short = [1.0; 10];
        assert_no_alloc(|| {
            tap.send(&[&mut short], 40);
            tap.send(&[], 0);
            tap.send(&[], 1000);
        });
        assert_eq!((reader.pending(), reader.dropped_blocks()), (2, 1 + 63));
    }

    #[test]
    fn offline_nothing_is_lost_while_the_worker_lives_and_a_dead_one_is_waited_for_once() {
        let (mut tap, mut reader) = tap(1, 2, true);
        let mut audio: Vec<f32> = (0..3200).map(|n| n as f32).collect();
        let sent = audio.clone();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut all = Vec::new();
                while all.len() < 3200 {
                    all.extend(received(&mut reader, 0));
                    std::thread::sleep(Duration::from_micros(300));
                }
                all
            });
            assert_no_alloc(|| tap.send(&[&mut audio], 3200));
            assert_eq!(worker.join().unwrap(), sent);
        });
        let begin = Instant::now();
        tap.send(&[&mut audio], 3200);
        let waited = begin.elapsed();
        assert!(waited >= OFFLINE_PATIENCE && waited < 2 * OFFLINE_PATIENCE, "{waited:?}");
    }
}
