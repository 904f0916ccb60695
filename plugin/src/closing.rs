//! Closing a window for good: the framework's drop can return while the window's thread still tears the graphics down.
//!
//! On Linux a window has a thread of its own. Dropping the window stops the thread, but does not wait for its end when the thread is
//! quicker than the last request to it; a host that then unloads the library or exits pulls the code away from under it. So every
//! window's thread holds the sending end of a channel in a thread-local variable, and [`JoinedWindow`] waits until that is gone.
//! The graphics library is kept as well: it leaves destructors with each thread that has drawn, which run last of all.

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use nice_plug::editor::dpi::NativeSize;
use nice_plug::editor::{EditorHandle, Modifiers, ParentWindowHandle, VirtualKeyCode};
use nice_plug_egui::EguiEditorHandle;

type Inner = <EguiEditorHandle as EditorHandle>::Window;
type Error = <EguiEditorHandle as EditorHandle>::Error;

/// A closed window's thread ends within this, or is not waited for any longer.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

thread_local! {
    /// Held by a window's thread until its end.
    static HELD: RefCell<Option<Sender<()>>> = const { RefCell::new(None) };
}

/// A pair: what the window's thread holds, and what the closing waits for.
pub(crate) fn pair() -> (ThreadMark, ThreadEnd) {
    let (sender, receiver) = channel();
    (ThreadMark(Some(sender)), ThreadEnd(Mutex::new(receiver)))
}

/// To be given to the window's own thread.
pub(crate) struct ThreadMark(Option<Sender<()>>);

impl ThreadMark {
    /// Called on the window's own thread, where it has one.
    pub fn hold(&mut self) {
        #[cfg(target_os = "linux")]
        {
            keep_graphics_library();
            HELD.set(self.0.take());
        }
        #[cfg(not(target_os = "linux"))]
        drop(self.0.take());
    }
}

/// Tells when the thread has ended.
pub(crate) struct ThreadEnd(Mutex<Receiver<()>>);

#[cfg(target_os = "linux")]
fn keep_graphics_library() {
    use std::ffi::{c_char, c_int, c_void};
    use std::sync::Once;
    unsafe extern "C" {
        fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    }
    const RTLD_LAZY: c_int = 1;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for name in [c"libEGL.so.1", c"libGL.so.1"] {
            // SAFETY: the name ends with a zero; a handle that is never closed keeps the library, and a failure does nothing.
            unsafe { dlopen(name.as_ptr(), RTLD_LAZY) };
        }
    });
}

/// An open window whose closing waits for its thread.
pub struct JoinedWindow {
    inner: Option<Inner>,
    end: ThreadEnd,
}

impl JoinedWindow {
    pub(crate) fn new(inner: Inner, end: ThreadEnd) -> Self {
        Self { inner: Some(inner), end }
    }

    /// False once the user has closed it.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_open(&self) -> bool {
        self.inner().is_open()
    }

    fn inner(&self) -> &Inner {
        self.inner.as_ref().expect("taken only by the drop and by `run_until_closed`, which consume the window")
    }
}

impl Drop for JoinedWindow {
    fn drop(&mut self) {
        let was_open = self.inner.take().is_some();
        #[cfg(target_os = "linux")]
        if was_open
            && let Ok(end) = self.end.0.lock()
            && let Err(RecvTimeoutError::Timeout) = end.recv_timeout(ENDS_WITHIN)
        {
            nice_plug::nice_log!("the window's thread has not ended in {ENDS_WITHIN:?}");
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (was_open, &self.end);
    }
}

/// The framework's handle for a [`JoinedWindow`].
pub struct JoinedHandle(pub(crate) EguiEditorHandle);

impl EditorHandle for JoinedHandle {
    type Window = JoinedWindow;
    type Error = Error;

    fn run_until_closed(mut window: JoinedWindow) -> Result<(), Error> {
        match window.inner.take() {
            Some(inner) => EguiEditorHandle::run_until_closed(inner),
            None => Ok(()),
        }
    }
    fn set_parent(&self, parent: ParentWindowHandle, window: &JoinedWindow) -> Result<(), Error> {
        self.0.set_parent(parent, window.inner())
    }
    fn show(&self, window: &JoinedWindow) -> Result<(), Error> {
        self.0.show(window.inner())
    }
    fn hide(&self, window: &JoinedWindow) -> Result<(), Error> {
        self.0.hide(window.inner())
    }
    fn set_size(&self, new_size: NativeSize<u32>, window: &JoinedWindow) -> Result<(), Error> {
        self.0.set_size(new_size, window.inner())
    }
    fn host_main_thread_callback(&self, window: &JoinedWindow) {
        self.0.host_main_thread_callback(window.inner());
    }
    fn adjust_size(&self, new_size: NativeSize<u32>, window: &JoinedWindow) -> Option<NativeSize<u32>> {
        self.0.adjust_size(new_size, window.inner())
    }
    fn set_fallback_scale_factor(&self, scale_factor: f64, window: &JoinedWindow) -> Result<(), Error> {
        self.0.set_fallback_scale_factor(scale_factor, window.inner())
    }
    fn on_virtual_key_from_host(&self, key_code: VirtualKeyCode, is_down: bool, modifiers: Modifiers) -> bool {
        self.0.on_virtual_key_from_host(key_code, is_down, modifiers)
    }
    fn state_changed(&self) {
        self.0.state_changed();
    }
    fn param_value_changed(&self, id: &str, normalized_value: f32) {
        self.0.param_value_changed(id, normalized_value);
    }
    fn param_modulation_changed(&self, id: &str, modulation_offset: f32) {
        self.0.param_modulation_changed(id, modulation_offset);
    }
}
