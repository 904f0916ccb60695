//! One activation's audio: planar buffers in and out, in blocks of any size.

use std::ptr::null_mut;

use clack_host::events::UnknownEvent;
use clack_host::events::event_types::{ParamValueEvent, TransportEvent};
use clack_host::prelude::*;
use clap_sys::audio_buffer::clap_audio_buffer;

use super::handlers::TestHost;
use crate::Result;

/// What an output buffer holds before the plugin writes to it: no signal that a test sends.
const UNWRITTEN: u32 = 0x7fc0_dead;

/// The audio of an active instance. It may go to another thread, and comes back to be deactivated.
pub struct Stream {
    processor: PluginAudioProcessor<TestHost>,
    input_ports: AudioPorts,
    output_ports: AudioPorts,
    input: Vec<Vec<f32>>,
    output: Vec<Vec<f32>>,
    events: EventBuffer,
    answers: EventBuffer,
    frames_so_far: u64,
    transport: Option<TransportEvent>,
    marks_constant: bool,
}

impl Stream {
    pub(super) fn new(
        processor: StartedPluginAudioProcessor<TestHost>,
        inputs: usize,
        outputs: usize,
        max_frames: usize,
    ) -> Self {
        Self {
            processor: processor.into(),
            input_ports: AudioPorts::with_capacity(inputs, 1),
            output_ports: AudioPorts::with_capacity(outputs, 1),
            input: vec![vec![0.0; max_frames]; inputs],
            output: vec![vec![0.0; max_frames]; outputs],
            events: EventBuffer::with_capacity(64),
            answers: EventBuffer::with_capacity(64),
            frames_so_far: 0,
            transport: None,
            marks_constant: false,
        }
    }

    pub(super) fn into_stopped(self) -> StoppedPluginAudioProcessor<TestHost> {
        self.processor.into_stopped()
    }

    /// Channels going in.
    pub fn channels(&self) -> usize {
        self.input.len()
    }

    /// One input channel, as long as the largest block.
    pub fn input_mut(&mut self, channel: usize) -> &mut [f32] {
        &mut self.input[channel]
    }

    /// One input channel.
    pub fn input(&self, channel: usize) -> &[f32] {
        &self.input[channel]
    }

    /// One output channel; valid up to the frames of the last block.
    pub fn output(&self, channel: usize) -> &[f32] {
        &self.output[channel]
    }

    /// Starts processing again after [`Stream::stop`].
    ///
    /// # Errors
    /// When the plugin refuses.
    pub fn start(&mut self) -> Result<()> {
        Ok(self.processor.ensure_processing_started().map(|_| ())?)
    }

    /// Stops processing without deactivating: the plugin sleeps.
    pub fn stop(&mut self) {
        self.processor.ensure_processing_stopped();
    }

    /// Clears what the plugin remembers of the audio so far.
    pub fn reset(&mut self) {
        self.processor.reset();
    }

    /// Sends a parameter's value with the next block, by the host's identifier.
    pub fn set_parameter(&mut self, id: u32, value: f64) {
        self.events.push(&ParamValueEvent::new(0, ClapId::new(id), Pckn::match_all(), value));
    }

    /// Sends any event with the next block; events are to be sent in the order of their times.
    pub fn send(&mut self, event: &(impl AsRef<UnknownEvent> + ?Sized)) {
        self.events.push(event);
    }

    /// From now on each block comes with this transport, or with none: the host then runs freely.
    pub fn set_transport(&mut self, transport: Option<TransportEvent>) {
        self.transport = transport;
    }

    /// From now on, or no longer, input channels whose samples are all alike are marked as constant.
    pub fn mark_constant_channels(&mut self, mark: bool) {
        self.marks_constant = mark;
    }

    /// Processes the first frames of the input.
    ///
    /// # Errors
    /// When the plugin reports one, or sleeps.
    pub fn run(&mut self, frames: usize) -> Result<ProcessStatus> {
        self.run_guarded(frames, || ())
    }

    /// As [`Stream::run`], with a guard that lives exactly as long as the plugin's `process` runs.
    ///
    /// # Errors
    /// When the plugin reports one, sleeps, or marks a channel as constant that is not.
    pub fn run_guarded<G>(&mut self, frames: usize, guard: impl FnOnce() -> G) -> Result<ProcessStatus> {
        for channel in &mut self.output {
            channel[..frames].fill(f32::from_bits(UNWRITTEN));
        }
        let marks = self.marks_constant;
        let inputs = self.input_ports.with_input_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_input_only(self.input.iter_mut().map(|c| {
                let samples = &mut c[..frames];
                let constant = marks && is_constant(samples);
                InputChannel::from_buffer(samples, constant)
            })),
        }]);
        let mut outputs = self.output_ports.with_output_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_output_only(self.output.iter_mut().map(|c| &mut c[..frames])),
        }]);
        let events = self.events.as_input();
        let mut answers = self.answers.as_output();
        let (clock, transport) = (Some(self.frames_so_far), self.transport.as_ref());
        let processor = self.processor.as_started_mut()?;
        let alive = guard();
        let status = processor.process(&inputs, &mut outputs, &events, &mut answers, clock, transport);
        drop(alive);
        let mask = outputs.port_info(0).map(|port| port.constant_mask());
        self.after_block(frames);
        for (index, channel) in self.output.iter().enumerate() {
            let marked = mask.is_some_and(|m| m.is_channel_constant(index as u64));
            if marked && !is_constant(&channel[..frames]) {
                return Err(format!("output channel {index} is marked as constant, and is not").into());
            }
        }
        Ok(status?)
    }

    /// As [`Stream::run`], with each output channel in the memory of its input channel, as hosts do that save memory.
    ///
    /// # Errors
    /// When the plugin reports one, or sleeps.
    pub fn run_in_place(&mut self, frames: usize) -> Result<ProcessStatus> {
        for (input, output) in self.input.iter().zip(&mut self.output) {
            output[..frames].copy_from_slice(&input[..frames]);
        }
        let mut channels: Vec<*mut f32> = self.output.iter_mut().map(|c| c[..frames].as_mut_ptr()).collect();
        let buffer = clap_audio_buffer {
            data32: channels.as_mut_ptr(),
            data64: null_mut(),
            channel_count: channels.len() as u32,
            latency: 0,
            constant_mask: 0,
        };
        let (inputs, mut outputs) = ([buffer], [buffer]);
        // SAFETY: each pointer is to `frames` samples that live, and are touched by nobody else, until `process` has returned.
        let (inputs, mut outputs) = unsafe {
            let inputs = InputAudioBuffers::from_raw_buffers(&inputs, frames as u32);
            (inputs, OutputAudioBuffers::from_raw_buffers(&mut outputs, frames as u32))
        };
        let events = self.events.as_input();
        let mut answers = self.answers.as_output();
        let (clock, transport) = (Some(self.frames_so_far), self.transport.as_ref());
        let processor = self.processor.as_started_mut()?;
        let status = processor.process(&inputs, &mut outputs, &events, &mut answers, clock, transport);
        self.after_block(frames);
        Ok(status?)
    }

    fn after_block(&mut self, frames: usize) {
        self.events.clear();
        self.answers.clear();
        self.frames_so_far += frames as u64;
    }

    /// Compares the last block's output with its input, bit by bit.
    ///
    /// # Errors
    /// Names the first sample that differs.
    pub fn check_bit_exact(&self, frames: usize) -> Result<()> {
        for (channel, (input, output)) in self.input.iter().zip(&self.output).enumerate() {
            for (frame, (i, o)) in input[..frames].iter().zip(&output[..frames]).enumerate() {
                if i.to_bits() != o.to_bits() {
                    return Err(format!(
                        "channel {channel}, frame {frame} of {frames}: expected {i:e} ({:#010x}), found {o:e} ({:#010x}{})",
                        i.to_bits(),
                        o.to_bits(),
                        if o.to_bits() == UNWRITTEN { ", never written" } else { "" },
                    )
                    .into());
                }
            }
        }
        Ok(())
    }
}

fn is_constant(samples: &[f32]) -> bool {
    samples.iter().all(|x| x.to_bits() == samples[0].to_bits())
}
