//! Hands at mouse and keyboard: events that the X server itself makes, as if devices had.

use std::thread;
use std::time::Duration;

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, InputFocus, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
    MOTION_NOTIFY_EVENT,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use crate::Result;

/// Time between two events: a quick hand's.
const PAUSE: Duration = Duration::from_millis(25);
const RETURN: u32 = 0xff0d;
const SHIFT: u32 = 0xffe1;

/// Mouse and keyboard over one window that lies at the upper left of the screen.
pub struct Hands {
    connection: RustConnection,
    root: u32,
    window: u32,
    /// Keysyms `[keycode - first][shift]`.
    keys: Vec<Vec<u32>>,
    first: u8,
}

impl Hands {
    /// Hands over a window on a display such as `:99`.
    ///
    /// # Errors
    /// When there is no such display.
    pub fn over(display: &str, window: u32) -> Result<Self> {
        let (connection, screen) = RustConnection::connect(Some(display)).map_err(|e| format!("{display}: {e}"))?;
        let setup = connection.setup();
        let (first, last, root) = (setup.min_keycode, setup.max_keycode, setup.roots[screen].root);
        let mapping = connection.get_keyboard_mapping(first, last - first + 1)?.reply()?;
        let each = usize::from(mapping.keysyms_per_keycode.max(1));
        let keys = mapping.keysyms.chunks(each).map(<[u32]>::to_vec).collect();
        Ok(Self { connection, root, window, keys, first })
    }

    fn event(&self, kind: u8, detail: u8, x: i16, y: i16) -> Result<()> {
        self.connection.xtest_fake_input(kind, detail, 0, self.root, x, y, 0)?.check()?;
        thread::sleep(PAUSE);
        Ok(())
    }

    /// Moves the mouse to a place in the window, in pixels from its upper left.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn point(&self, x: f32, y: f32) -> Result<()> {
        let at = self.connection.translate_coordinates(self.window, self.root, x as i16, y as i16)?.reply()?;
        self.event(MOTION_NOTIFY_EVENT, 0, at.dst_x, at.dst_y)?;
        thread::sleep(3 * PAUSE);
        Ok(())
    }

    /// Moves the mouse to a place in the window, in pixels from its upper left, and clicks.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn click(&self, x: f32, y: f32) -> Result<()> {
        self.point(x, y)?;
        self.event(BUTTON_PRESS_EVENT, 1, 0, 0)?;
        self.event(BUTTON_RELEASE_EVENT, 1, 0, 0)?;
        // Without a window manager nobody else gives the keyboard to a window.
        self.connection.set_input_focus(InputFocus::PARENT, self.window, 0u32)?.check()?;
        thread::sleep(3 * PAUSE);
        Ok(())
    }

    fn key(&self, keysym: u32) -> Result<()> {
        let place = |keysym: u32| {
            self.keys.iter().enumerate().find_map(|(i, syms)| {
                let level = syms.iter().take(2).position(|s| *s == keysym)?;
                Some((self.first + i as u8, level == 1))
            })
        };
        let (code, shifted) = place(keysym).ok_or_else(|| format!("no key makes {keysym:#x}"))?;
        let shift = place(SHIFT).filter(|_| shifted).map(|(code, _)| code);
        if let Some(shift) = shift {
            self.event(KEY_PRESS_EVENT, shift, 0, 0)?;
        }
        self.event(KEY_PRESS_EVENT, code, 0, 0)?;
        self.event(KEY_RELEASE_EVENT, code, 0, 0)?;
        if let Some(shift) = shift {
            self.event(KEY_RELEASE_EVENT, shift, 0, 0)?;
        }
        Ok(())
    }

    /// Types a text of ASCII characters.
    ///
    /// # Errors
    /// When a character has no key, or the server refuses.
    pub fn text(&self, text: &str) -> Result<()> {
        text.chars().try_for_each(|c| self.key(u32::from(c)))
    }

    /// Presses Enter.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn enter(&self) -> Result<()> {
        self.key(RETURN)
    }
}
