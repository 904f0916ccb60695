//! Reading and writing array layouts: the project's own JSON and CSV.
//!
//! JSON: `{"name": "…", "capsules": [{"channel": 0, "x_m": 0.01, "y_m": 0.0, "z_m": -0.02}, …]}`, each capsule optionally with
//! `"muted": true`. CSV: a header `channel,x_m,y_m,z_m`, then one line per capsule; `#` starts a comment line. Channels count from 0.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::array::{ArrayError, Capsule, MicArray};

/// Why a text is not a layout: what, in which line (from 1, where known), expected and found.
#[derive(Clone, Debug, PartialEq)]
pub struct LayoutError {
    /// Line of the text, counted from 1.
    pub line: Option<usize>,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for LayoutError {}

/// The largest layout text that is looked at, in bytes: 64 capsules need a few kilobytes.
pub const MAX_LAYOUT_BYTES: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct LayoutJson {
    name: String,
    capsules: Vec<CapsuleJson>,
}

#[derive(Serialize, Deserialize)]
struct CapsuleJson {
    channel: usize,
    x_m: f64,
    y_m: f64,
    z_m: f64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    muted: bool,
}

impl MicArray {
    /// Reads a layout from JSON or CSV: JSON when the first sign is a brace.
    ///
    /// # Errors
    /// A [`LayoutError`] that names the line, what was expected and what was found.
    pub fn from_text(text: &str) -> Result<Self, LayoutError> {
        if text.len() > MAX_LAYOUT_BYTES {
            return Err(LayoutError {
                line: None,
                message: format!("expected at most {MAX_LAYOUT_BYTES} bytes, found {}", text.len()),
            });
        }
        let text = text.trim_start_matches('\u{feff}');
        match text.trim_start().chars().next() {
            Some('{') => Self::from_json(text),
            Some(_) => Self::from_csv(text),
            None => Err(LayoutError { line: None, message: "expected a layout, found nothing".into() }),
        }
    }

    /// Reads a layout from the project's JSON.
    ///
    /// # Errors
    /// A [`LayoutError`] that names the line, what was expected and what was found.
    pub fn from_json(text: &str) -> Result<Self, LayoutError> {
        let json: LayoutJson = serde_json::from_str(text)
            .map_err(|e| LayoutError { line: (e.line() > 0).then_some(e.line()), message: e.to_string() })?;
        let lines = capsule_lines(text);
        let capsules = json
            .capsules
            .into_iter()
            .map(|c| Capsule { channel: c.channel, position_m: [c.x_m, c.y_m, c.z_m], muted: c.muted })
            .collect();
        Self::new(json.name, capsules).map_err(|e| at_line(&e, |i| lines.get(i).copied()))
    }

    /// Reads a layout from CSV; the array is named "CSV layout".
    ///
    /// # Errors
    /// A [`LayoutError`] that names the line, what was expected and what was found.
    pub fn from_csv(text: &str) -> Result<Self, LayoutError> {
        const HEADER: [&str; 4] = ["channel", "x_m", "y_m", "z_m"];
        let fail = |line: usize, message: String| Err(LayoutError { line: Some(line), message });
        let mut rows = text
            .lines()
            .enumerate()
            .map(|(i, l)| (i + 1, l.trim()))
            .filter(|(_, l)| !l.is_empty() && !l.starts_with('#'));
        let Some((line, header)) = rows.next() else {
            return Err(LayoutError { line: None, message: "expected a header, found an empty file".into() });
        };
        let columns: Vec<_> = header.split(',').map(|c| c.trim().to_ascii_lowercase()).collect();
        if columns != HEADER {
            return fail(line, format!("expected the header `{}`, found `{header}`", HEADER.join(",")));
        }
        let (mut capsules, mut lines) = (Vec::new(), Vec::new());
        for (line, row) in rows {
            let fields: Vec<_> = row.split(',').map(str::trim).collect();
            if fields.len() != 4 {
                return fail(line, format!("expected 4 fields, found {}: `{row}`", fields.len()));
            }
            let Ok(channel) = fields[0].parse() else {
                return fail(line, format!("expected a channel number from 0, found `{}`", fields[0]));
            };
            let mut position_m = [0.0; 3];
            for ((axis, field), out) in HEADER[1..].iter().zip(&fields[1..]).zip(&mut position_m) {
                match field.parse() {
                    Ok(value) => *out = value,
                    Err(_) => return fail(line, format!("expected a number for {axis}, found `{field}`")),
                }
            }
            capsules.push(Capsule::new(channel, position_m));
            lines.push(line);
            if capsules.len() > crate::array::MAX_CAPSULES {
                return fail(line, ArrayError::TooMany { found: capsules.len() }.to_string());
            }
        }
        Self::new("CSV layout", capsules).map_err(|e| at_line(&e, |i| lines.get(i).copied()))
    }

    /// The layout as the project's JSON: the same bytes for the same layout, one capsule a line.
    pub fn to_json(&self) -> String {
        let mut text = String::from("{\n  \"name\": ");
        text += &serde_json::Value::from(self.name()).to_string();
        text += ",\n  \"capsules\": [";
        for (i, c) in self.capsules().iter().enumerate() {
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
}

fn at_line(error: &ArrayError, line_of: impl Fn(usize) -> Option<usize>) -> LayoutError {
    LayoutError { line: error.capsule().and_then(line_of), message: error.to_string() }
}

/// The line of each object inside the top-level `"capsules"` list, for messages; strings are skipped over.
fn capsule_lines(text: &str) -> Vec<usize> {
    let (mut lines, mut line, mut depth, mut in_string, mut escaped) = (Vec::new(), 1, 0usize, false, false);
    for c in text.chars() {
        match c {
            '\n' => line += 1,
            _ if in_string => match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            },
            '"' => in_string = true,
            '{' | '[' => {
                depth += 1;
                if c == '{' && depth == 3 {
                    lines.push(line);
                }
            }
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_formats_are_read() {
        let json = r#"{"name": "pair", "capsules": [{"channel": 1, "x_m": 0.01, "y_m": 0, "z_m": -0.02},
            {"channel": 0, "x_m": -0.01, "y_m": 0.0, "z_m": 0.0}]}"#;
        let array = MicArray::from_text(json).unwrap();
        assert_eq!(array.capsules()[0], Capsule::new(1, [0.01, 0.0, -0.02]));
        assert_eq!(array.channels_needed(), 2);
        let csv = "channel,x_m,y_m,z_m\n# front\n1,0.01,0,-0.02\n\n0,-0.01,0,0\n";
        assert_eq!(MicArray::from_text(csv).unwrap().capsules(), array.capsules());
        assert_eq!(MicArray::from_text(&array.to_json()).unwrap(), array);
    }

    #[test]
    fn errors_name_line_expected_and_found() {
        for (text, parts) in [
            ("", &["expected a layout"][..]),
            ("channel,x,y,z\n0,0,0,0", &["line 1", "channel,x_m,y_m,z_m", "channel,x,y,z"]),
            ("channel,x_m,y_m,z_m\n0,0,0,0\n1,0.1,nope,0", &["line 3", "y_m", "nope"]),
            ("channel,x_m,y_m,z_m\n0,0,0,0\n1,0.1,NaN,0", &["line 3", "finite y", "NaN"]),
            ("channel,x_m,y_m,z_m\n0,0,0,0\n1,0.1,0", &["line 3", "4 fields", "3"]),
            ("channel,x_m,y_m,z_m\n0,0,0,0\n1,0,0,0", &["line 3", "same coordinates"]),
            ("channel,x_m,y_m,z_m\n0,0,0,0", &["at least 2", "1"]),
            ("{\"name\": \"a\"}", &["line 1", "capsules"]),
            ("{\"name\": \"a\", \"capsules\": [\n{\"channel\": 0, \"x_m\": 0, \"y_m\": 0}]}", &["line 2", "z_m"]),
            (
                "{\"name\": \"a\", \"capsules\": [\n{\"channel\": 0, \"x_m\": 0, \"y_m\": 0, \"z_m\": 0},\n\
                 {\"channel\": 0, \"x_m\": 1, \"y_m\": 0, \"z_m\": 0}]}",
                &["line 3", "channel 0"],
            ),
        ] {
            let message = MicArray::from_text(text).unwrap_err().to_string();
            for part in parts {
                assert!(message.contains(part), "{message:?} should mention {part:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_brings_the_reader_down(text in "\\PC*") {
            let _ = MicArray::from_text(&text);
        }

        #[test]
        fn almost_layouts_do_not_bring_the_reader_down(text in "[{}\\[\\]\":,a-z_0-9.\\-\\n ]{0,200}") {
            let _ = MicArray::from_text(&format!("{{\"name\":\"x\",\"capsules\":[{text}"));
            let _ = MicArray::from_text(&format!("channel,x_m,y_m,z_m\n{text}"));
        }

        #[test]
        fn written_layouts_are_read_back(points in prop::collection::vec(prop::array::uniform3(-5.0f64..5.0), 2..64)) {
            if let Ok(array) = MicArray::from_positions("näme \"quoted\"", &points) {
                prop_assert_eq!(MicArray::from_text(&array.to_json()).unwrap(), array);
            }
        }
    }
}
