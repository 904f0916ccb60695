//! The project's own JSON.

use serde::Deserialize;

use super::{Draft, LayoutError, json_text};
use crate::array::{Capsule, MicArray};

#[derive(Deserialize)]
struct Layout {
    name: String,
    capsules: Vec<Element>,
}

#[derive(Deserialize)]
struct Element {
    channel: usize,
    x_m: f64,
    y_m: f64,
    z_m: f64,
    #[serde(default)]
    muted: bool,
}

pub(super) fn read(text: &str) -> Result<MicArray, LayoutError> {
    // The reader would take a list of values for an object of fields.
    if text.trim_start().starts_with('[') {
        return Err(LayoutError::new(1, "expected an object with `name` and `capsules`, found a list"));
    }
    let layout: Layout = serde_json::from_str(text).map_err(|e| json_text::error(&e))?;
    let lines = json_text::object_lines(text, 1, &["capsules"]);
    let mut draft = Draft::default();
    for (i, c) in layout.capsules.into_iter().enumerate() {
        let capsule = Capsule { channel: c.channel, position_m: [c.x_m, c.y_m, c.z_m], muted: c.muted };
        draft.push(lines.get(i).copied(), capsule)?;
    }
    draft.array(&layout.name)
}

pub(super) fn write(array: &MicArray) -> String {
    let mut text = format!("{{\n  \"name\": {},\n  \"capsules\": [", serde_json::Value::from(array.name()));
    for (i, c) in array.capsules().iter().enumerate() {
        let [x, y, z] = c.position_m;
        let muted = if c.muted { ", \"muted\": true" } else { "" };
        let comma = if i == 0 { "" } else { "," };
        text += &format!(
            "{comma}\n    {{\"channel\": {}, \"x_m\": {x:?}, \"y_m\": {y:?}, \"z_m\": {z:?}{muted}}}",
            c.channel
        );
    }
    text += "\n  ]\n}\n";
    text
}
