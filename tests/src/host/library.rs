//! The loaded library and what it offers.

use std::ffi::CString;
use std::path::Path;

use clack_host::prelude::*;

use super::Instance;
use crate::Result;

/// A loaded CLAP library with one plugin in it.
pub struct ClapHost {
    entry: PluginEntry,
    info: HostInfo,
    plugin_id: CString,
}

impl ClapHost {
    /// Loads a bundle.
    ///
    /// # Errors
    /// When the file is no CLAP library, or offers another number of plugins than one.
    pub fn load(bundle: impl AsRef<Path>) -> Result<Self> {
        let bundle = bundle.as_ref();
        let fail = |what: String| format!("{}: {what}", bundle.display());
        // SAFETY: loading runs the library's own code, which is the code under test.
        let entry = unsafe { PluginEntry::load(bundle) }.map_err(|e| fail(e.to_string()))?;
        let factory = entry.get_plugin_factory().ok_or_else(|| fail("there is no plugin factory".into()))?;
        let ids: Vec<_> =
            factory.plugin_descriptors().filter_map(|d| d.id().map(std::borrow::ToOwned::to_owned)).collect();
        let [plugin_id] = ids.as_slice() else {
            return Err(fail(format!("expected one plugin, found {}: {ids:?}", ids.len())).into());
        };
        let plugin_id = plugin_id.clone();
        let info = HostInfo::new("Spherescope test host", "Spherescope", "https://example.com", "1")?;
        Ok(Self { entry, info, plugin_id })
    }

    /// The plugin's identifier.
    pub fn plugin_id(&self) -> &str {
        self.plugin_id.to_str().unwrap_or("?")
    }

    /// A new instance whose main thread is the calling one.
    ///
    /// # Errors
    /// When the plugin refuses.
    pub fn instance(&self) -> Result<Instance> {
        Instance::new(&self.entry, &self.info, &self.plugin_id)
    }
}
