//! An instance without a host, in a window of its own: parameters and session as a host would keep them, in a file if wanted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nice_plug::context::PluginApi;
use nice_plug::context::gui::{GuiContext, GuiContextInner};
use nice_plug::editor::{Editor as _, EditorHandle as _};
use nice_plug::params::internals::ParamPtr;
use nice_plug::params::{InternalParamMut as _, Param as _, Params};
use nice_plug::plugin::{ParamValue, PluginState};
use spherescope_dsp::BlockReader;
use spherescope_dsp::layout_file::MAX_LAYOUT_BYTES;

use crate::editor::SpherescopeEditor;
use crate::frame_log;
use crate::params::{SpherescopeParams, tidy_state};
use crate::shared::Shared;
use crate::worker::{Bus, Worker, WorkerSetup};

/// No saved session is longer, in bytes.
pub const MAX_SESSION_BYTES: usize = 2 * MAX_LAYOUT_BYTES;
/// How often the window is looked at.
const LOOK: Duration = Duration::from_millis(30);

/// An instance of the plugin that lives in a program of ours.
pub struct Standalone {
    shared: Arc<Shared>,
}

impl Standalone {
    /// An instance with these parameters; nothing runs yet.
    pub fn new(params: SpherescopeParams) -> Self {
        Self { shared: Shared::new(params) }
    }

    /// Its parameters and session.
    pub fn params(&self) -> &SpherescopeParams {
        &self.shared.params
    }

    /// The state as the plugin's formats save it: JSON.
    pub fn save(&self) -> String {
        let state = state_of(&self.shared.params);
        serde_json::to_string_pretty(&state).unwrap_or_default()
    }

    /// Takes a state that [`Standalone::save`] or a host has saved. Values out of range end at the range's nearest end.
    ///
    /// # Errors
    /// A sentence that says what was expected and what was found; nothing has changed then but for values that could be read.
    pub fn load(&self, json: &str) -> Result<(), String> {
        if json.len() > MAX_SESSION_BYTES {
            return Err(format!("expected at most {MAX_SESSION_BYTES} bytes, found {}", json.len()));
        }
        let state: PluginState = serde_json::from_str(json).map_err(|e| format!("expected a saved session: {e}"))?;
        take_state(&self.shared.params, state);
        match self.shared.params.session.layout_refusal() {
            Some(refusal) => Err((*refusal).clone()),
            None => Ok(()),
        }
    }

    /// Opens the window over the audio of `reader` and stays until the user closes it or `over` says so, which is asked again and again.
    ///
    /// # Errors
    /// When there is no display, the window cannot be opened, or the system gives no thread.
    pub fn run(&self, reader: BlockReader, bus: Bus, mut over: impl FnMut() -> bool) -> Result<(), String> {
        let setup = WorkerSetup { reader, bus, log_directory: frame_log::directory() };
        let mut worker = Worker::start(self.shared.clone(), setup).ok_or("the system gives no thread to analyse on")?;
        let gui = GuiContext::new(Arc::new(NoHost { known: known(&self.shared.params), shared: self.shared.clone() }));
        let spawned = SpherescopeEditor::new(self.shared.clone())
            .spawn(None, false, None, gui, None)
            .map_err(|e| format!("the window cannot be opened: {e}"))?;
        spawned.handle.show(&spawned.window).map_err(|e| format!("the window cannot be shown: {e}"))?;
        while spawned.window.is_open() && !over() {
            std::thread::sleep(LOOK);
        }
        drop(spawned);
        worker.stop();
        Ok(())
    }
}

/// What the editor asks of a host, without one.
struct NoHost {
    /// All parameters of the instance, which `shared` keeps alive.
    known: BTreeMap<String, ParamPtr>,
    shared: Arc<Shared>,
}

impl GuiContextInner for NoHost {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Standalone
    }

    unsafe fn raw_begin_set_parameter(&self, _: ParamPtr) {}

    unsafe fn raw_set_parameter_normalized(&self, param: ParamPtr, normalized: f32) {
        if self.known.values().any(|known| *known == param) {
            // SAFETY: the parameter is one of `shared`'s, which lives; its value is atomic, and nobody modulates or smooths it.
            unsafe { param._internal_set_normalized_value(normalized) };
        }
    }

    unsafe fn raw_end_set_parameter(&self, _: ParamPtr) {}

    fn get_state(&self) -> PluginState {
        state_of(&self.shared.params)
    }

    fn set_state(&self, state: PluginState) {
        take_state(&self.shared.params, state);
    }

    fn request_restart(&self) {}
}

fn known(params: &SpherescopeParams) -> BTreeMap<String, ParamPtr> {
    params.param_map().into_iter().map(|(id, param, _)| (id, param)).collect()
}

fn state_of(params: &SpherescopeParams) -> PluginState {
    let value = |param: ParamPtr| {
        // SAFETY: the pointers are those of `params`, which is borrowed as long.
        unsafe {
            match param {
                ParamPtr::FloatParam(p) => ParamValue::F32((*p).unmodulated_plain_value()),
                ParamPtr::IntParam(p) => ParamValue::I32((*p).unmodulated_plain_value()),
                ParamPtr::BoolParam(p) => ParamValue::Bool((*p).unmodulated_plain_value()),
                ParamPtr::EnumParam(p) => match (*p).unmodulated_plain_id() {
                    Some(id) => ParamValue::String(id.into()),
                    None => ParamValue::I32((*p).unmodulated_plain_value()),
                },
            }
        }
    };
    PluginState {
        version: env!("CARGO_PKG_VERSION").into(),
        params: known(params).into_iter().map(|(id, param)| (id, value(param))).collect(),
        fields: params.serialize_fields(),
    }
}

fn take_state(params: &SpherescopeParams, mut state: PluginState) {
    tidy_state(&mut state);
    let known = known(params);
    for (id, value) in &state.params {
        // SAFETY: the pointers are those of `params`, which is borrowed as long; values are atomic, and in range by `tidy_state`.
        unsafe {
            match (known.get(id), value) {
                (Some(ParamPtr::FloatParam(p)), ParamValue::F32(value)) => {
                    (**p)._internal_set_plain_value(*value);
                }
                (Some(ParamPtr::IntParam(p)), ParamValue::I32(value)) => {
                    (**p)._internal_set_plain_value(*value);
                }
                (Some(ParamPtr::BoolParam(p)), ParamValue::Bool(value)) => {
                    (**p)._internal_set_plain_value(*value);
                }
                (Some(ParamPtr::EnumParam(p)), ParamValue::String(id)) => {
                    (**p).set_from_id(id);
                }
                _ => {}
            }
        }
    }
    params.deserialize_fields(&state.fields);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::EngineChoice;
    use spherescope_dsp::presets;

    fn instance() -> Standalone {
        Standalone::new(SpherescopeParams::new("a-format-tetrahedron"))
    }

    #[test]
    fn a_session_is_saved_and_comes_back() {
        let saved = instance();
        saved.params().session.set_layout(presets::find("eigenmike-em32").unwrap().array);
        saved.params().session.set_window([1500, 900]);
        let gui = GuiContext::new(Arc::new(NoHost { known: known(saved.params()), shared: saved.shared.clone() }));
        let setter = gui.param_setter();
        setter.begin_set_parameter(&saved.params().engine);
        setter.set_parameter(&saved.params().engine, EngineChoice::SrpPhat);
        setter.end_set_parameter(&saved.params().engine);
        setter.set_parameter(&saved.params().grid_size, 4096);
        setter.set_parameter(&saved.params().gate_db, -42.5);
        setter.set_parameter(&saved.params().compare, true);
        let text = saved.save();

        let loaded = instance();
        loaded.load(&text).unwrap();
        assert_eq!(loaded.save(), text);
        let params = loaded.params();
        assert_eq!((params.engine.value(), params.grid_size.value()), (EngineChoice::SrpPhat, 4096));
        assert!((params.gate_db.value() + 42.5).abs() < 1e-3 && params.compare.value());
        assert_eq!((params.session.layout().active_len(), params.session.window()), (32, [1500, 900]));
    }

    #[test]
    fn a_parameter_of_another_instance_is_let_alone() {
        let (one, other) = (instance(), instance());
        let gui = GuiContext::new(Arc::new(NoHost { known: known(one.params()), shared: one.shared.clone() }));
        gui.param_setter().set_parameter(&other.params().grid_size, 512);
        assert_eq!(other.params().grid_size.value(), 2048);
    }

    #[test]
    fn sessions_that_hosts_have_saved_are_taken_and_junk_is_named() {
        let instance = instance();
        let good = instance.save();
        for (text, part) in [
            ("", "EOF"),
            ("][", "line 1"),
            (r#"{"params": {}}"#, "fields"),
            (r#"{"params": {}, "fields": {"layout": "[]"}}"#, "layout"),
        ] {
            let message = instance.load(text).unwrap_err();
            assert!(message.contains(part), "{message:?} should mention {part:?}");
            assert_eq!(instance.save(), good);
        }
        assert!(instance.load(&" ".repeat(MAX_SESSION_BYTES + 1)).unwrap_err().contains("bytes"));
        let wild = r#"{"params": {"grid_size": {"i32": 2000000000}, "threshold": {"f32": -3.0}, "x": {"f32": 1.0}}, "fields": {}}"#;
        let saved = Standalone::new(SpherescopeParams::new("ring-6"));
        saved.load(wild).unwrap();
        assert_eq!((saved.params().grid_size.value(), saved.params().threshold.value()), (16_384, 0.0));
    }
}
