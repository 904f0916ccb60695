//! What the plugin may ask of the host: remembered, and answered from the main thread.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, ThreadId};

use clack_extensions::audio_ports::{AudioPortRescanFlags, HostAudioPorts, HostAudioPortsImpl};
use clack_extensions::gui::{GuiSize, HostGui, HostGuiImpl};
use clack_extensions::latency::{HostLatency, HostLatencyImpl};
use clack_extensions::log::{HostLog, HostLogImpl, LogSeverity};
use clack_extensions::params::{
    HostParams, HostParamsImplMainThread, HostParamsImplShared, ParamClearFlags, ParamRescanFlags,
};
use clack_extensions::state::{HostState, HostStateImpl};
use clack_extensions::thread_check::{HostThreadCheck, HostThreadCheckImpl};
use clack_host::prelude::*;

/// The host's side of the interface.
pub(super) struct TestHost;

impl HostHandlers for TestHost {
    type Shared<'a> = Shared;
    type MainThread<'a> = MainThread<'a>;
    type AudioProcessor<'a> = ();

    fn declare_extensions(builder: &mut HostExtensions<'_, Self>, _shared: &Self::Shared<'_>) {
        builder
            .register::<HostAudioPorts>()
            .register::<HostGui>()
            .register::<HostLatency>()
            .register::<HostLog>()
            .register::<HostParams>()
            .register::<HostState>()
            .register::<HostThreadCheck>();
    }
}

/// What an instance has asked for so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// How often the plugin has asked to be deactivated and activated again.
    pub restarts: u32,
    /// How often it has said that its state differs from the saved one.
    pub dirty_marks: u32,
    /// How often it has said that its editor was closed.
    pub editor_closed: u32,
    /// What it has logged at warning level and above.
    pub warnings: Vec<String>,
}

/// Called from any thread.
pub(super) struct Shared {
    main_thread: ThreadId,
    callback: AtomicBool,
    restarts: AtomicU32,
    dirty_marks: AtomicU32,
    editor_closed: AtomicU32,
    warnings: Mutex<Vec<String>>,
}

impl Shared {
    /// For an instance whose main thread is the calling one.
    pub(super) fn new() -> Self {
        Self {
            main_thread: thread::current().id(),
            callback: AtomicBool::new(false),
            restarts: AtomicU32::new(0),
            dirty_marks: AtomicU32::new(0),
            editor_closed: AtomicU32::new(0),
            warnings: Mutex::default(),
        }
    }

    /// Whether a call on the main thread is wanted; asking takes the wish back.
    pub(super) fn take_callback(&self) -> bool {
        self.callback.swap(false, Ordering::AcqRel)
    }

    /// What has been asked for so far.
    pub(super) fn requests(&self) -> Requests {
        Requests {
            restarts: self.restarts.load(Ordering::Acquire),
            dirty_marks: self.dirty_marks.load(Ordering::Acquire),
            editor_closed: self.editor_closed.load(Ordering::Acquire),
            warnings: self.warnings.lock().map_or_else(|e| e.into_inner().clone(), |w| w.clone()),
        }
    }
}

impl SharedHandler<'_> for Shared {
    fn request_restart(&self) {
        self.restarts.fetch_add(1, Ordering::AcqRel);
    }

    fn request_process(&self) {}

    fn request_callback(&self) {
        self.callback.store(true, Ordering::Release);
    }
}

impl HostThreadCheckImpl for Shared {
    fn is_main_thread(&self) -> bool {
        thread::current().id() == self.main_thread
    }

    fn is_audio_thread(&self) -> bool {
        !self.is_main_thread()
    }
}

impl HostLogImpl for Shared {
    fn log(&self, severity: LogSeverity, message: &str) {
        if !matches!(severity, LogSeverity::Debug | LogSeverity::Info)
            && let Ok(mut warnings) = self.warnings.lock()
        {
            warnings.push(format!("{severity:?}: {message}"));
        }
    }
}

impl HostGuiImpl for Shared {
    fn resize_hints_changed(&self) {}

    fn request_resize(&self, _new_size: GuiSize) -> Result<(), HostError> {
        Ok(())
    }

    fn request_show(&self) -> Result<(), HostError> {
        Ok(())
    }

    fn request_hide(&self) -> Result<(), HostError> {
        Ok(())
    }

    fn closed(&self, _was_destroyed: bool) {
        self.editor_closed.fetch_add(1, Ordering::AcqRel);
    }
}

impl HostParamsImplShared for Shared {
    fn request_flush(&self) {}
}

/// Called from the main thread alone.
pub(super) struct MainThread<'a> {
    pub(super) shared: &'a Shared,
}

impl<'a> MainThreadHandler<'a> for MainThread<'a> {}

impl HostParamsImplMainThread for MainThread<'_> {
    fn rescan(&self, _flags: ParamRescanFlags) {}

    fn clear(&self, _param_id: ClapId, _flags: ParamClearFlags) {}
}

impl HostStateImpl for MainThread<'_> {
    fn mark_dirty(&self) {
        self.shared.dirty_marks.fetch_add(1, Ordering::AcqRel);
    }
}

impl HostLatencyImpl for MainThread<'_> {
    fn changed(&self) {}
}

impl HostAudioPortsImpl for MainThread<'_> {
    fn is_rescan_flag_supported(&self, _flag: AudioPortRescanFlags) -> bool {
        true
    }

    fn rescan(&self, _flags: AudioPortRescanFlags) {}
}
