//! What a project saves beside the parameters: the array itself, the view and the size of the window.
//!
//! The framework saves a map of texts. Ours are `"layout"` (the layout file's JSON, as [`MicArray::to_json`] writes it),
//! `"layout-version"`, `"view"` (the view's state as JSON), `"window"` (`[width, height]` in logical pixels) and `"osc"` (target and
//! whether to send, as JSON; what it may do without the user is told in [`Outgoing::load_osc`]). The same session
//! gives the same bytes. Each text is validated before it takes effect: junk is refused with the old value kept.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use nice_plug::prelude::{ParamPtr, Params};
use spherescope_dsp::{MicArray, presets};
use spherescope_view::ViewState;

use crate::generation::Generation;
use crate::injected;
use crate::outgoing::Outgoing;
use crate::worker::panic_text;

/// Version of the format under `"layout"`.
pub const LAYOUT_VERSION: u64 = 1;

/// Size of a new window, in logical pixels.
pub const FIRST_WINDOW: [u32; 2] = [1000, 680];
/// A window never opens smaller than this, in logical pixels; hosts may make it smaller later.
pub const MIN_WINDOW: [u32; 2] = [480, 320];
/// A window never opens larger than this, in logical pixels.
pub const MAX_WINDOW: [u32; 2] = [8192, 8192];

/// No saved view or window size is longer, in bytes; longer ones are left out unread.
const MAX_SMALL_BYTES: usize = 1 << 16;

const LAYOUT: &str = "layout";
const LAYOUT_VERSION_KEY: &str = "layout-version";
const VIEW: &str = "view";
const WINDOW: &str = "window";
const OSC: &str = "osc";

/// The persisted part of an instance that is no parameter. The host's threads load and save it, the editor changes it, the worker
/// watches the generation; none of them waits for another.
#[derive(Debug)]
pub struct Session {
    /// The array as the user chose it, whether or not the bus carries all of it.
    layout: ArcSwap<MicArray>,
    /// Counts up after every change of the layout.
    layout_generation: Generation,
    /// Why the last layout was refused, if it was.
    layout_refusal: ArcSwapOption<String>,
    /// The view's state in its saved form: JSON that the view has accepted.
    view: ArcSwap<String>,
    /// Counts up when a loaded state has changed the view; the editor's own changes do not count.
    view_generation: Generation,
    /// Width and height of the window in logical pixels, in the upper and lower half.
    window: AtomicU64,
    /// What goes out of the plugin.
    outgoing: Outgoing,
}

impl Session {
    /// A new session with the array preset of this identifier (or a tetrahedron, should there be no such preset).
    pub fn new(first_preset: &str) -> Self {
        Self {
            layout: ArcSwap::from_pointee(first_layout(first_preset)),
            layout_generation: Generation::new(),
            layout_refusal: ArcSwapOption::empty(),
            view: ArcSwap::from_pointee(text_of(&ViewState::default())),
            view_generation: Generation::new(),
            window: AtomicU64::new(packed(FIRST_WINDOW)),
            outgoing: Outgoing::default(),
        }
    }

    /// What goes out of the plugin: the choice of OSC is saved, a recording is not.
    pub fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// The array as the user chose it.
    pub fn layout(&self) -> Arc<MicArray> {
        self.layout.load_full()
    }

    /// Counts up after every change of [`Session::layout`]. Read it before the layout: then no change is missed.
    pub fn layout_generation(&self) -> u64 {
        self.layout_generation.current()
    }

    /// Takes another array. The caller also has to touch a parameter for the host to see its project change.
    pub fn set_layout(&self, array: MicArray) {
        self.layout.store(Arc::new(array));
        self.layout_refusal.store(None);
        self.layout_generation.changed();
    }

    /// Why the last layout was refused, if it was.
    pub fn layout_refusal(&self) -> Option<Arc<String>> {
        self.layout_refusal.load_full()
    }

    fn refuse_layout(&self, why: String) {
        self.layout_refusal.store(Some(Arc::new(why)));
    }

    /// The saved state of the view.
    pub fn view(&self) -> ViewState {
        serde_json::from_str(&self.view.load()).unwrap_or_default()
    }

    /// Counts up when a loaded state has changed [`Session::view`].
    pub fn view_generation(&self) -> u64 {
        self.view_generation.current()
    }

    /// Remembers the view's state as the user has left it.
    pub fn set_view(&self, view: &ViewState) {
        let text = text_of(view);
        if **self.view.load() != text {
            self.view.store(Arc::new(text));
        }
    }

    /// Size of the window in logical pixels, within [`MIN_WINDOW`] and [`MAX_WINDOW`].
    pub fn window(&self) -> [u32; 2] {
        let both = self.window.load(Ordering::Relaxed);
        [(both >> 32) as u32, both as u32]
    }

    /// Remembers the size of the window in logical pixels, as far as it is sensible to open with.
    pub fn set_window(&self, size: [u32; 2]) {
        let sensible = std::array::from_fn(|i| size[i].clamp(MIN_WINDOW[i], MAX_WINDOW[i]));
        self.window.store(packed(sensible), Ordering::Relaxed);
    }

    fn load_layout(&self, text: &str, version: Option<&String>) {
        match version.map_or(Ok(LAYOUT_VERSION), |v| v.parse()) {
            Ok(LAYOUT_VERSION) => match MicArray::from_json(text) {
                Ok(array) => self.set_layout(array),
                Err(error) => self.refuse_layout(format!("the project's layout: {error}")),
            },
            _ => self.refuse_layout(format!(
                "the project's layout: expected version {LAYOUT_VERSION}, found {}",
                version.map_or("none", String::as_str)
            )),
        }
    }
}

fn first_layout(preset: &str) -> MicArray {
    presets::find(preset).map(|p| p.array).unwrap_or_else(|| {
        let s = 0.01;
        let corners = [[s, s, s], [s, -s, -s], [-s, s, -s], [-s, -s, s]];
        MicArray::from_positions("Tetrahedron", &corners).expect("four corners are an array")
    })
}

fn text_of(view: &ViewState) -> String {
    serde_json::to_string(view).unwrap_or_else(|_| "{}".into())
}

fn packed([width, height]: [u32; 2]) -> u64 {
    u64::from(width) << 32 | u64::from(height)
}

// Written by hand, not derived, so that a text that is no JSON at all is refused with a message as well.
// SAFETY: `param_map` returns no pointers, so none can dangle.
unsafe impl Params for Session {
    fn param_map(&self) -> Vec<(String, ParamPtr, String)> {
        Vec::new()
    }

    fn serialize_fields(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (LAYOUT.into(), self.layout.load().to_json()),
            (LAYOUT_VERSION_KEY.into(), LAYOUT_VERSION.to_string()),
            (VIEW.into(), self.view.load().to_string()),
            (WINDOW.into(), format!("[{}, {}]", self.window()[0], self.window()[1])),
            (OSC.into(), serde_json::to_string(&*self.outgoing.osc()).unwrap_or_default()),
        ])
    }

    /// Takes each text on its own. A panic, which would end the host, leaves what has not been taken yet as it was.
    fn deserialize_fields(&self, fields: &BTreeMap<String, String>) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.load(fields))) {
            self.refuse_layout(format!("the project's layout cannot be read: {}", panic_text(&*panic)));
        }
    }
}

impl Session {
    fn load(&self, fields: &BTreeMap<String, String>) {
        injected::panic_if_asked("state");
        let small = |key: &str| fields.get(key).filter(|text| text.len() <= MAX_SMALL_BYTES);
        if let Some(text) = fields.get(LAYOUT) {
            self.load_layout(text, fields.get(LAYOUT_VERSION_KEY));
        }
        if let Some(view) = small(VIEW).and_then(|text| serde_json::from_str::<ViewState>(text).ok()) {
            self.set_view(&view);
            self.view_generation.changed();
        }
        if let Some(size) = small(WINDOW).and_then(|text| serde_json::from_str(text).ok()) {
            self.set_window(size);
        }
        if let Some(choice) = small(OSC).and_then(|text| serde_json::from_str(text).ok()) {
            self.outgoing.load_osc(choice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::OscChoice;
    use spherescope_dsp::layout_file::MAX_LAYOUT_BYTES;

    fn session() -> Session {
        Session::new("a-format-tetrahedron")
    }

    #[test]
    fn a_session_survives_saving_and_loading_byte_by_byte() {
        let saved = session();
        saved.set_layout(presets::find("eigenmike-em32").unwrap().array);
        let mut view = ViewState::default();
        view.globe_yaw_deg = 12.5;
        saved.set_view(&view);
        saved.set_window([1234, 777]);
        saved.outgoing().choose_osc(OscChoice { target: "10.1.2.3:7000".into(), on: true });
        let fields = saved.serialize_fields();
        assert_eq!(fields, saved.serialize_fields());

        let loaded = session();
        let before = (loaded.layout_generation(), loaded.view_generation());
        loaded.deserialize_fields(&fields);
        assert_eq!(loaded.serialize_fields(), fields);
        assert_eq!(loaded.layout(), saved.layout());
        assert_eq!(loaded.view().globe_yaw_deg, 12.5);
        assert_eq!(loaded.window(), [1234, 777]);
        // Saved and shown, but not sent to before somebody agrees.
        assert_eq!((loaded.outgoing().osc().on, loaded.outgoing().osc_target()), (true, None));
        assert!(loaded.layout_generation() > before.0 && loaded.view_generation() > before.1);
    }

    #[test]
    fn junk_is_refused_with_the_old_session_kept_and_a_reason_given() {
        let good = session().serialize_fields();
        for (key, junk, reason) in [
            (LAYOUT, "", Some("the end of the text")),
            (LAYOUT, "][", Some("line 1")),
            (LAYOUT, "null", Some("line 1")),
            (
                LAYOUT,
                r#"{"name": "one", "capsules": [{"channel": 0, "x_m": 0, "y_m": 0, "z_m": 0}]}"#,
                Some("at least 2"),
            ),
            (LAYOUT_VERSION_KEY, "2", Some("version 1, found 2")),
            (LAYOUT_VERSION_KEY, "x", Some("version 1, found x")),
            (VIEW, "][", None),
            (VIEW, "[]x", None),
            (VIEW, r#"{"globe_yaw_deg": 1e39}"#, None),
            (VIEW, r#"{"globe_pitch_deg": null}"#, None),
            (WINDOW, "[1]", None),
            (WINDOW, "[-1, 1e9]", None),
            (OSC, "][", None),
            (OSC, r#"{"target": "nowhere", "on": true}"#, None),
            (OSC, r#"{"target": "127.0.0.1:9000"}"#, None),
        ] {
            let session = session();
            let generation = session.layout_generation();
            let mut fields = good.clone();
            fields.insert(key.into(), junk.into());
            session.deserialize_fields(&fields);
            assert_eq!(session.serialize_fields(), good, "{key}: {junk:?}");
            match reason {
                Some(reason) => {
                    let refusal = session.layout_refusal().unwrap();
                    assert!(refusal.contains(reason), "{refusal:?} should mention {reason:?}");
                    assert_eq!(session.layout_generation(), generation);
                    session.deserialize_fields(&good);
                    assert_eq!(session.layout_refusal(), None, "a good layout ends the message");
                }
                None => assert_eq!(session.layout_refusal(), None),
            }
        }
        session().deserialize_fields(&BTreeMap::new());
    }

    #[test]
    fn texts_too_long_for_a_layout_are_refused_unread() {
        let session = session();
        let good = session.serialize_fields();
        // A good layout but for its length: reading it would succeed.
        let long = format!("{}{}", " ".repeat(MAX_LAYOUT_BYTES), session.layout().to_json());
        let fields = [LAYOUT, VIEW, WINDOW, OSC].map(|key| (key.to_string(), long.clone()));
        session.deserialize_fields(&BTreeMap::from(fields));
        assert_eq!(session.serialize_fields(), good);
        let refusal = session.layout_refusal().unwrap();
        assert!(refusal.contains("at most 1048576 bytes"), "{refusal}");
    }

    #[test]
    fn windows_open_at_sensible_sizes() {
        let session = session();
        session.set_window([1, 100_000]);
        assert_eq!(session.window(), [MIN_WINDOW[0], MAX_WINDOW[1]]);
    }
}
