//! The `_XEMBED_INFO` property, without which some Linux hosts do not show an embedded window.

use std::error::Error;

use nice_plug::nice_log;
use raw_window_handle::{HasWindowHandle, RawWindowHandle};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt as _, PropMode};
use x11rb::wrapper::ConnectionExt as _;

/// Tells embedders that `window` speaks XEmbed (version 0, no flags). Other window systems have nothing of the kind, and a failure
/// only matters to those hosts, so it is logged and no more.
pub(crate) fn announce(window: &impl HasWindowHandle) {
    let id = match window.window_handle().map(|handle| handle.as_raw()) {
        Ok(RawWindowHandle::Xlib(handle)) => u32::try_from(handle.window).ok(),
        Ok(RawWindowHandle::Xcb(handle)) => Some(handle.window.get()),
        _ => None,
    };
    if let Some(Err(error)) = id.map(set_property) {
        nice_log!("_XEMBED_INFO could not be set: {error}");
    }
}

fn set_property(window: u32) -> Result<(), Box<dyn Error>> {
    let (connection, _) = x11rb::connect(None)?;
    let atom = connection.intern_atom(false, b"_XEMBED_INFO")?.reply()?.atom;
    connection.change_property32(PropMode::REPLACE, window, atom, atom, &[0, 0])?.check()?;
    connection.flush()?;
    Ok(())
}
