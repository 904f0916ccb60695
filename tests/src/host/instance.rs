//! One instance, from its main thread: widths, activation, parameters, state.

use std::ffi::CStr;
use std::io::{self, Read, Write};

use clack_extensions::audio_ports::{AudioPortInfoBuffer, PluginAudioPorts};
use clack_extensions::audio_ports_config::{AudioPortsConfigBuffer, PluginAudioPortsConfig};
use clack_extensions::latency::PluginLatency;
use clack_extensions::params::{ParamInfoBuffer, PluginParams};
use clack_extensions::render::{PluginRender, RenderMode};
use clack_extensions::state::PluginState;
use clack_host::events::event_types::ParamValueEvent;
use clack_host::prelude::*;

use super::handlers::{MainThread, Shared, TestHost};
use super::{Requests, Stream};
use crate::Result;

/// One declared configuration of the audio ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Width {
    /// The configuration's identifier.
    pub id: u32,
    /// What the host shows to people.
    pub name: String,
    /// Channels of the main input.
    pub inputs: u32,
    /// Channels of the main output.
    pub outputs: u32,
}

/// One parameter as the host sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The host's identifier.
    pub id: u32,
    /// What the host shows to people.
    pub name: String,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Value of a new instance.
    pub default: f64,
    /// Value now.
    pub value: f64,
}

/// How the host renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As the sound card asks.
    Realtime,
    /// As fast as it goes, and the plugin may take its time.
    Offline,
}

/// What a plugin is told on activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activation {
    /// Sample rate in Hz.
    pub sample_rate_hz: f64,
    /// Fewest frames of a block, at least 1.
    pub min_frames: u32,
    /// Most frames of a block.
    pub max_frames: u32,
}

impl Default for Activation {
    fn default() -> Self {
        Self { sample_rate_hz: 48_000.0, min_frames: 1, max_frames: 1024 }
    }
}

/// One plugin instance. It stays on the thread that made it; its [`Stream`] may go to another.
pub struct Instance {
    plugin: PluginInstance<TestHost>,
}

impl Instance {
    pub(super) fn new(entry: &PluginEntry, info: &HostInfo, id: &CStr) -> Result<Self> {
        let plugin =
            PluginInstance::<TestHost>::new(|()| Shared::new(), |shared| MainThread { shared }, entry, id, info)?;
        Ok(Self { plugin })
    }

    pub(super) fn extension<E>(&mut self, name: &str) -> Result<(E, PluginMainThreadHandle<'_>)>
    where
        E: clack_host::extensions::Extension<ExtensionSide = clack_host::extensions::PluginExtensionSide>,
    {
        let handle = self.plugin.plugin_handle();
        let extension = handle.get_extension().ok_or_else(|| format!("the plugin has no extension for {name}"))?;
        Ok((extension, handle))
    }

    /// All declared widths, in the plugin's order.
    ///
    /// # Errors
    /// When the plugin declares none or an unreadable one.
    pub fn widths(&mut self) -> Result<Vec<Width>> {
        let (configs, handle) = self.extension::<PluginAudioPortsConfig>("port configurations")?;
        (0..configs.count(&handle))
            .map(|index| {
                let mut buffer = AudioPortsConfigBuffer::new();
                let c = configs.get(&handle, index, &mut buffer).ok_or_else(|| format!("no configuration {index}"))?;
                Ok(Width {
                    id: c.id.get(),
                    name: String::from_utf8_lossy(c.name).into_owned(),
                    inputs: c.main_input.map_or(0, |p| p.channel_count),
                    outputs: c.main_output.map_or(0, |p| p.channel_count),
                })
            })
            .collect()
    }

    /// Selects the configuration with this many channels in and out.
    ///
    /// # Errors
    /// When there is none, or the plugin refuses.
    pub fn select_width(&mut self, channels: u32) -> Result<()> {
        let widths = self.widths()?;
        let width = widths
            .iter()
            .find(|w| w.inputs == channels && w.outputs == channels)
            .ok_or_else(|| format!("expected a width of {channels}, found {widths:?}"))?;
        let (configs, handle) = self.extension::<PluginAudioPortsConfig>("port configurations")?;
        Ok(configs.select(&handle, ClapId::new(width.id))?)
    }

    /// Channels of the main input and output as selected now.
    ///
    /// # Errors
    /// When the plugin has another number of ports than one in and one out.
    pub fn channels(&mut self) -> Result<[u32; 2]> {
        let (ports, handle) = self.extension::<PluginAudioPorts>("audio ports")?;
        let mut channels = [0; 2];
        for (is_input, out) in [true, false].into_iter().zip(&mut channels) {
            let count = ports.count(&handle, is_input);
            if count != 1 {
                return Err(format!("expected one port each way, found {count} (input: {is_input})").into());
            }
            let mut buffer = AudioPortInfoBuffer::new();
            let info = ports.get(&handle, 0, is_input, &mut buffer).ok_or("the port cannot be read")?;
            *out = info.channel_count;
        }
        Ok(channels)
    }

    /// Whether the main output may have the memory of the main input.
    ///
    /// # Errors
    /// When the ports cannot be read.
    pub fn works_in_place(&mut self) -> Result<bool> {
        let (ports, handle) = self.extension::<PluginAudioPorts>("audio ports")?;
        let mut pairs = [None; 2];
        for (is_input, pair) in [true, false].into_iter().zip(&mut pairs) {
            let mut buffer = AudioPortInfoBuffer::new();
            let info = ports.get(&handle, 0, is_input, &mut buffer).ok_or("the port cannot be read")?;
            *pair = info.in_place_pair.map(|other| (info.id, other));
        }
        Ok(matches!(pairs, [Some((input, to)), Some((output, from))] if to == output && from == input))
    }

    /// Tells the plugin how the host renders; to be said while not active.
    ///
    /// # Errors
    /// When the plugin refuses.
    pub fn set_mode(&mut self, mode: Mode) -> Result<()> {
        let (render, handle) = self.extension::<PluginRender>("rendering")?;
        let mode = match mode {
            Mode::Realtime => RenderMode::Realtime,
            Mode::Offline => RenderMode::Offline,
        };
        Ok(render.set(&handle, mode)?)
    }

    /// Latency in frames.
    ///
    /// # Errors
    /// When the plugin has no such extension.
    pub fn latency_frames(&mut self) -> Result<u32> {
        let (latency, handle) = self.extension::<PluginLatency>("latency")?;
        Ok(latency.get(&handle))
    }

    /// Activates and starts processing.
    ///
    /// # Errors
    /// When the plugin refuses, or is active already.
    pub fn activate(&mut self, activation: Activation) -> Result<Stream> {
        let [inputs, outputs] = self.channels()?;
        let configuration = PluginAudioConfiguration {
            sample_rate: activation.sample_rate_hz,
            min_frames_count: activation.min_frames,
            max_frames_count: activation.max_frames,
        };
        let stopped = self.plugin.activate(|_, _| (), configuration)?;
        let started = stopped.start_processing().map_err(|e| e.to_string())?;
        Ok(Stream::new(started, inputs as usize, outputs as usize, activation.max_frames as usize))
    }

    /// Stops processing and deactivates.
    pub fn deactivate(&mut self, stream: Stream) {
        self.plugin.deactivate(stream.into_stopped());
    }

    /// Runs what the plugin has asked to run on the main thread; a host does so all the time.
    pub fn pump(&mut self) {
        if self.plugin.access_shared_handler(Shared::take_callback) {
            self.plugin.call_on_main_thread_callback();
        }
    }

    /// What the plugin has asked for so far.
    pub fn requests(&self) -> Requests {
        self.plugin.access_shared_handler(Shared::requests)
    }

    /// The saved state.
    ///
    /// # Errors
    /// When the plugin cannot save.
    pub fn save_state(&mut self) -> Result<Vec<u8>> {
        let (state, handle) = self.extension::<PluginState>("state")?;
        let mut bytes = Vec::new();
        state.save(&handle, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`Instance::save_state`] and [`Instance::load_state`], where each call of the stream moves at most `piece` bytes: saves, loads
    /// what `bytes` holds and saves again.
    ///
    /// # Errors
    /// When the plugin cannot save, or refuses the state.
    pub fn load_and_save_in_pieces(&mut self, bytes: &[u8], piece: usize) -> Result<Vec<u8>> {
        let (state, handle) = self.extension::<PluginState>("state")?;
        state.load(&handle, &mut Pieces { inner: bytes, piece })?;
        let mut saved = Pieces { inner: Vec::new(), piece };
        state.save(&handle, &mut saved)?;
        Ok(saved.inner)
    }

    /// Loads a state.
    ///
    /// # Errors
    /// When the plugin refuses it.
    pub fn load_state(&mut self, mut bytes: &[u8]) -> Result<()> {
        let (state, handle) = self.extension::<PluginState>("state")?;
        Ok(state.load(&handle, &mut bytes)?)
    }

    /// Sends any events while the plugin is not active.
    ///
    /// # Errors
    /// When the plugin has no parameters, or is active.
    pub fn flush(&mut self, events: &EventBuffer) -> Result<()> {
        let (params, _) = self.extension::<PluginParams>("parameters")?;
        let mut handle = self.plugin.inactive_plugin_handle().ok_or("the plugin is active")?;
        let mut answers = EventBuffer::new();
        params.flush(&mut handle, &events.as_input(), &mut answers.as_output());
        Ok(())
    }

    /// All parameters with their values.
    ///
    /// # Errors
    /// When the plugin has none, or an unreadable one.
    pub fn parameters(&mut self) -> Result<Vec<Parameter>> {
        let (params, handle) = self.extension::<PluginParams>("parameters")?;
        (0..params.count(&handle))
            .map(|index| {
                let mut buffer = ParamInfoBuffer::new();
                let info =
                    params.get_info(&handle, index, &mut buffer).ok_or_else(|| format!("no parameter {index}"))?;
                let name = String::from_utf8_lossy(info.name).into_owned();
                let value = params.get_value(&handle, info.id).ok_or_else(|| format!("{name} has no value"))?;
                Ok(Parameter {
                    id: info.id.get(),
                    name,
                    min: info.min_value,
                    max: info.max_value,
                    default: info.default_value,
                    value,
                })
            })
            .collect()
    }

    /// The text that the plugin shows for a parameter's value.
    ///
    /// # Errors
    /// When there is none.
    pub fn text_of(&mut self, id: u32, value: f64) -> Result<String> {
        let (params, handle) = self.extension::<PluginParams>("parameters")?;
        let mut buffer = [0; 256];
        let text = params.value_to_text(&handle, ClapId::new(id), value, &mut buffer)?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// The value that the plugin reads from a text; `None` where it is no value.
    ///
    /// # Errors
    /// When the plugin has no parameters.
    pub fn value_of(&mut self, id: u32, text: &std::ffi::CStr) -> Result<Option<f64>> {
        let (params, handle) = self.extension::<PluginParams>("parameters")?;
        Ok(params.text_to_value(&handle, ClapId::new(id), text))
    }

    /// Sets a parameter by name while the plugin is not active.
    ///
    /// # Errors
    /// When there is no such parameter, or the plugin is active.
    pub fn set_parameter(&mut self, name: &str, value: f64) -> Result<()> {
        let parameters = self.parameters()?;
        let parameter =
            parameters.iter().find(|p| p.name == name).ok_or_else(|| format!("there is no parameter {name}"))?;
        let event = ParamValueEvent::new(0, ClapId::new(parameter.id), Pckn::match_all(), value);
        let mut events = EventBuffer::new();
        events.push(&event);
        self.flush(&events)
    }
}

/// A stream that moves few bytes a call.
struct Pieces<T> {
    inner: T,
    piece: usize,
}

impl<T: Read> Read for Pieces<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(self.piece);
        self.inner.read(&mut out[..most])
    }
}

impl<T: Write> Write for Pieces<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(&bytes[..bytes.len().min(self.piece)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
