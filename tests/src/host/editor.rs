//! The editor in a window of the host's, as hosts on X11 show it.

use std::thread;
use std::time::{Duration, Instant};

use clack_extensions::gui::{GuiApiType, GuiConfiguration, GuiSize, PluginGui, Window};

use super::Instance;
use crate::Result;
use crate::display::{ParentWindow, Picture};

/// A closed editor's window is gone after this.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// An editor has this long to draw, and this many openings to do so.
const DRAWN_WITHIN: Duration = Duration::from_secs(15);
const OPENINGS: usize = 3;
/// A window with no more colours than this is empty.
const EMPTY_COLOURS: usize = 50;

/// An open editor in its parent window.
pub struct EditorWindow {
    parent: ParentWindow,
}

impl EditorWindow {
    /// Opens an instance's editor on a display such as `:99`, which must be the one that the environment names.
    ///
    /// # Errors
    /// When the display or the plugin refuses.
    pub fn open(instance: &mut Instance, display: &str) -> Result<Self> {
        let configuration = GuiConfiguration { api_type: GuiApiType::X11, is_floating: false };
        let (gui, handle) = instance.extension::<PluginGui>("an editor")?;
        if !gui.is_api_supported(&handle, configuration) {
            return Err("the editor cannot be embedded in an X11 window".into());
        }
        // The window comes first, so that the editor gets it at once.
        let parent = ParentWindow::open(display, 640, 480)?;
        gui.create(&handle, configuration)?;
        let GuiSize { width, height } = gui.get_size(&handle).ok_or("the editor has no size")?;
        parent.resize(width as u16, height as u16)?;
        // SAFETY: the window outlives the editor: it is kept until after `close`, or until the instance is gone.
        unsafe { gui.set_parent(&handle, Window::from_x11_handle(parent.id().into())) }?;
        // A plugin may have nothing to do here.
        let _ = gui.show(&handle);
        Ok(Self { parent })
    }

    /// Opens an instance's editor and waits until it has drawn something.
    ///
    /// Seldom, on a busy machine, a window stays empty for good; the cause is likely a lost answer to the first request for a frame in the
    /// windowing library (baseview 0.4.2), and is not confirmed. As a person would, this closes such a window and opens it again, and
    /// says so.
    ///
    /// # Errors
    /// When the display or the plugin refuses, or several windows in a row stay empty.
    pub fn open_drawn(instance: &mut Instance, display: &str) -> Result<Self> {
        for _ in 0..OPENINGS {
            let editor = Self::open(instance, display)?;
            let begin = Instant::now();
            while begin.elapsed() < DRAWN_WITHIN {
                instance.pump();
                if editor.picture()?.colours() > EMPTY_COLOURS {
                    return Ok(editor);
                }
                thread::sleep(Duration::from_millis(20));
            }
            println!("the editor's window has stayed empty for {DRAWN_WITHIN:?}: opening it again");
            editor.close(instance)?;
        }
        Err(format!("the editor has drawn nothing in {OPENINGS} openings of {DRAWN_WITHIN:?} each").into())
    }

    /// Asks the editor for another size and gives the window the same.
    ///
    /// # Errors
    /// When the plugin or the display refuses.
    pub fn resize(&self, instance: &mut Instance, width: u32, height: u32) -> Result<()> {
        let (gui, handle) = instance.extension::<PluginGui>("an editor")?;
        let size = gui.adjust_size(&handle, GuiSize { width, height }).unwrap_or(GuiSize { width, height });
        self.parent.resize(size.width as u16, size.height as u16)?;
        Ok(gui.set_size(&handle, size)?)
    }

    /// The editor's own window on the display.
    ///
    /// # Errors
    /// When there is none.
    pub fn window(&self) -> Result<u32> {
        self.parent.child()?.ok_or_else(|| "the editor has no window".into())
    }

    /// What the window shows now.
    ///
    /// # Errors
    /// When the display cannot be read.
    pub fn picture(&self) -> Result<Picture> {
        self.parent.picture()
    }

    /// Closes the editor, then its window, once the editor has left it.
    ///
    /// # Errors
    /// When the plugin has no editor.
    pub fn close(self, instance: &mut Instance) -> Result<()> {
        let (gui, handle) = instance.extension::<PluginGui>("an editor")?;
        gui.destroy(&handle);
        let begin = Instant::now();
        while self.parent.has_child()? {
            if begin.elapsed() > LEAVES_WITHIN {
                return Err(format!("the editor's window is still there after {LEAVES_WITHIN:?}").into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}
