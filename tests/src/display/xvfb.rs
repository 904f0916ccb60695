//! Xvfb on a display number of its own, and windows on it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection;
use x11rb::protocol::composite::{ConnectionExt as _, Redirect};
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, EventMask, ImageFormat,
    MapState, WindowClass,
};
use x11rb::rust_connection::RustConnection;

use super::Picture;
use crate::Result;

/// A running virtual display. It ends with this value, and with the process however that ends.
pub struct Xvfb {
    server: Child,
    name: String,
    /// The server runs with `-terminate`: it lives as long as somebody is connected, and that is us.
    _keeper: RustConnection,
}

impl Xvfb {
    /// Starts a display of 1600 × 1200 pixels on a free number.
    ///
    /// # Errors
    /// When Xvfb is not installed (the package is called `xvfb`) or does not start.
    pub fn start() -> Result<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp", "-noreset", "-terminate"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("Xvfb cannot be run (is the package xvfb installed?): {e}"))?;
        let mut number = String::new();
        let read = BufReader::new(server.stdout.take().expect("the output is piped")).read_line(&mut number);
        let connected = match read {
            Ok(n) if n > 0 => {
                let name = format!(":{}", number.trim());
                connect(&name).map(|keeper| (name, keeper)).map_err(|e| e.to_string())
            }
            Ok(_) => Err("it has ended without naming a display".into()),
            Err(e) => Err(e.to_string()),
        };
        match connected {
            Ok((name, keeper)) => Ok(Self { server, name, _keeper: keeper }),
            Err(why) => {
                let _ = server.kill();
                let _ = server.wait();
                Err(format!("Xvfb does not start: {why}").into())
            }
        }
    }

    /// The display's name for the environment, such as `:99`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes this the display that plugins in this process open their editors on.
    ///
    /// # Safety
    /// No other thread may use the environment meanwhile: call it first thing, before anything is loaded.
    pub unsafe fn become_default(&self) {
        // SAFETY: promised by the caller.
        unsafe {
            std::env::set_var("DISPLAY", &self.name);
            std::env::remove_var("WAYLAND_DISPLAY");
        }
    }
}

/// Connects, and gives every window storage of its own, so that pictures are whole where windows overlap.
fn connect(display: &str) -> Result<RustConnection> {
    let (connection, screen) = RustConnection::connect(Some(display))?;
    connection.composite_query_version(0, 4)?.reply()?;
    connection.composite_redirect_subwindows(connection.setup().roots[screen].root, Redirect::AUTOMATIC)?.check()?;
    Ok(connection)
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A window for an editor to be embedded in.
pub struct ParentWindow {
    connection: RustConnection,
    id: u32,
}

impl ParentWindow {
    /// A new mapped window on a display such as `:99`, known to the server before this returns.
    ///
    /// # Errors
    /// When there is no such display, or it refuses.
    pub fn open(display: &str, width: u16, height: u16) -> Result<Self> {
        let (connection, screen) =
            RustConnection::connect(Some(display)).map_err(|e| format!("display {display}: {e}"))?;
        let id = connection.generate_id()?;
        let screen = &connection.setup().roots[screen];
        let options = CreateWindowAux::new()
            .background_pixel(screen.black_pixel)
            .event_mask(EventMask::STRUCTURE_NOTIFY | EventMask::SUBSTRUCTURE_NOTIFY);
        connection
            .create_window(
                COPY_DEPTH_FROM_PARENT,
                id,
                screen.root,
                0,
                0,
                width,
                height,
                0,
                WindowClass::INPUT_OUTPUT,
                screen.root_visual,
                &options,
            )?
            .check()?;
        connection.map_window(id)?.check()?;
        // A round trip, so that the editor's own connection finds the window.
        connection.get_input_focus()?.reply()?;
        Ok(Self { connection, id })
    }

    /// The window's X11 identifier.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The editor's window in this one, if there is one.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn child(&self) -> Result<Option<u32>> {
        Ok(self.connection.query_tree(self.id)?.reply()?.children.first().copied())
    }

    /// Gives the window another size.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn resize(&self, width: u16, height: u16) -> Result<()> {
        let size = ConfigureWindowAux::new().width(u32::from(width)).height(u32::from(height));
        Ok(self.connection.configure_window(self.id, &size)?.check()?)
    }

    /// Whether an editor's window is in this window.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn has_child(&self) -> Result<bool> {
        Ok(!self.connection.query_tree(self.id)?.reply()?.children.is_empty())
    }

    /// What the window and the editor in it show now.
    ///
    /// # Errors
    /// When the server cannot be read, or shows another depth than 24 bits.
    pub fn picture(&self) -> Result<Picture> {
        picture_of(&self.connection, self.id)
    }
}

/// A window that a program has put on the display by itself.
pub struct TopWindow {
    connection: RustConnection,
    id: u32,
}

impl TopWindow {
    /// The window of this title; none while there is none.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn find(display: &str, title: &str) -> Result<Option<Self>> {
        let (connection, screen) =
            RustConnection::connect(Some(display)).map_err(|e| format!("display {display}: {e}"))?;
        let windows = connection.query_tree(connection.setup().roots[screen].root)?.reply()?.children;
        for id in windows {
            // A window may go while it is asked.
            let name = connection.get_property(false, id, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64)?.reply();
            let shown = connection.get_window_attributes(id)?.reply();
            if name.is_ok_and(|name| name.value == title.as_bytes())
                && shown.is_ok_and(|shown| shown.map_state == MapState::VIEWABLE)
            {
                return Ok(Some(Self { connection, id }));
            }
        }
        Ok(None)
    }

    /// Gives the window another size.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn resize(&self, width: u16, height: u16) -> Result<()> {
        let size = ConfigureWindowAux::new().width(u32::from(width)).height(u32::from(height));
        Ok(self.connection.configure_window(self.id, &size)?.check()?)
    }

    /// Asks the window to close, as window managers do when its cross is clicked.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn ask_to_close(&self) -> Result<()> {
        let atom = |name: &[u8]| -> Result<u32> { Ok(self.connection.intern_atom(false, name)?.reply()?.atom) };
        let data = [atom(b"WM_DELETE_WINDOW")?, x11rb::CURRENT_TIME, 0, 0, 0];
        let message = ClientMessageEvent::new(32, self.id, atom(b"WM_PROTOCOLS")?, data);
        Ok(self.connection.send_event(false, self.id, EventMask::NO_EVENT, message)?.check()?)
    }

    /// What the window shows now.
    ///
    /// # Errors
    /// When the server cannot be read, or shows another depth than 24 bits.
    pub fn picture(&self) -> Result<Picture> {
        picture_of(&self.connection, self.id)
    }
}

fn picture_of(connection: &RustConnection, id: u32) -> Result<Picture> {
    let geometry = connection.get_geometry(id)?.reply()?;
    let (width, height) = (geometry.width, geometry.height);
    let image = connection.get_image(ImageFormat::Z_PIXMAP, id, 0, 0, width, height, u32::MAX)?.reply()?;
    let expected = usize::from(width) * usize::from(height) * 4;
    if image.depth != 24 || image.data.len() != expected {
        return Err(format!(
            "expected {expected} bytes at depth 24, found {} at depth {}",
            image.data.len(),
            image.depth
        )
        .into());
    }
    // Little-endian servers, which all of ours are, send blue, green, red and a byte of nothing.
    let pixels = image.data.chunks_exact(4).map(|p| [p[2], p[1], p[0]]).collect();
    Ok(Picture { width: width.into(), height: height.into(), pixels })
}
