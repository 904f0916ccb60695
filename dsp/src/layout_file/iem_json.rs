//! The `GenericLayout` of the IEM plug-ins, which SPARTA reads and writes too.
//!
//! `{"Name": "…", "GenericLayout": {"Name": "…", "Elements": [{"Azimuth": 45.0, "Elevation": 35.3, "Radius": 0.02, "IsImaginary":
//! false, "Channel": 1, "Gain": 1.0}, …]}}`; older files say `LoudspeakerLayout` and `Loudspeakers`. Azimuth runs counter-clockwise,
//! channels count from 1, imaginary elements are loudspeakers that do not exist. Gain says nothing about a capsule: programs write 0
//! as well as 1 for all. Our own keys beside theirs are `x_m`, `y_m`, `z_m`, which win over the angles, and `muted`.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Draft, Import, LayoutError, json_text};
use crate::array::{Capsule, MAX_CAPSULES, MicArray};
use crate::direction::{Direction, norm};

/// Radii this near to 1 are those of a file that knows none.
const UNIT_TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
struct Keys {
    #[serde(rename = "GenericLayout", alias = "LoudspeakerLayout")]
    layout: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "Name")]
    name: Option<String>,
    #[serde(rename = "GenericLayout", alias = "LoudspeakerLayout")]
    layout: Layout,
}

#[derive(Deserialize)]
struct Layout {
    #[serde(rename = "Name")]
    name: Option<String>,
    #[serde(rename = "Elements", alias = "Loudspeakers")]
    elements: Vec<Element>,
}

#[derive(Deserialize)]
struct Element {
    #[serde(rename = "Azimuth")]
    azimuth_deg: Option<f64>,
    #[serde(rename = "Elevation")]
    elevation_deg: Option<f64>,
    #[serde(rename = "Radius")]
    radius_m: Option<f64>,
    #[serde(rename = "IsImaginary", default)]
    imaginary: bool,
    #[serde(rename = "Channel")]
    channel: Option<f64>,
    #[serde(default)]
    muted: bool,
    x_m: Option<f64>,
    y_m: Option<f64>,
    z_m: Option<f64>,
}

/// Whether a text is JSON with the layout's key.
pub(super) fn is_iem(text: &str) -> bool {
    serde_json::from_str::<Keys>(text).is_ok_and(|keys| keys.layout.is_some())
}

pub(super) fn read(text: &str) -> Result<Import, LayoutError> {
    let file: File = serde_json::from_str(text).map_err(|e| json_text::error(&e))?;
    let lines = json_text::object_lines(text, 2, &["Elements", "Loudspeakers"]);
    let mut draft = Draft::default();
    let mut directions_only = true;
    for (i, element) in file.layout.elements.iter().enumerate().filter(|(_, e)| !e.imaginary) {
        let line = lines.get(i).copied();
        let (position_m, is_direction) = element.place(line)?;
        directions_only &= is_direction;
        let capsule = Capsule { channel: element.channel_from_0(line)?, position_m, muted: element.muted };
        draft.push(line, capsule)?;
    }
    let name = file.name.or(file.layout.name).unwrap_or_else(|| "IEM layout".into());
    if directions_only && !draft.capsules.is_empty() {
        draft.directions(&name).map(Import::NeedsRadius)
    } else {
        draft.array(&name).map(Import::Array)
    }
}

impl Element {
    /// Position in metres, and whether only its direction is known.
    fn place(&self, line: Option<usize>) -> Result<([f64; 3], bool), LayoutError> {
        match (self.x_m, self.y_m, self.z_m) {
            (Some(x), Some(y), Some(z)) => return Ok(([x, y, z], false)),
            (None, None, None) => {}
            _ => return Err(LayoutError::new(line, "expected x_m, y_m and z_m, found only some of them")),
        }
        let angle = |angle: Option<f64>, key: &str| {
            angle.ok_or_else(|| LayoutError::new(line, format!("expected the field `{key}` in degrees, found none")))
        };
        let (azimuth_deg, elevation_deg) =
            (angle(self.azimuth_deg, "Azimuth")?, angle(self.elevation_deg, "Elevation")?);
        let radius_m = self.radius_m.unwrap_or(1.0);
        if radius_m < 0.0 {
            return Err(LayoutError::new(line, format!("expected a Radius of at least 0 m, found {radius_m}")));
        }
        let direction =
            Direction::from_degrees(azimuth_deg, elevation_deg).map_err(|e| LayoutError::new(line, e.to_string()))?;
        if (radius_m - 1.0).abs() <= UNIT_TOLERANCE {
            return Ok((direction.unit(), true));
        }
        Ok((direction.unit().map(|x| x * radius_m), false))
    }

    fn channel_from_0(&self, line: Option<usize>) -> Result<usize, LayoutError> {
        let expected = format!("expected a whole Channel from 1 to {MAX_CAPSULES}");
        match self.channel {
            Some(c) if c.fract() == 0.0 && (1.0..=MAX_CAPSULES as f64).contains(&c) => Ok(c as usize - 1),
            Some(c) => Err(LayoutError::new(line, format!("{expected}, found {c}"))),
            None => Err(LayoutError::new(line, format!("{expected}, found none"))),
        }
    }
}

pub(super) fn write(array: &MicArray) -> String {
    let name = serde_json::Value::from(array.name());
    let mut text = format!(
        "{{\n  \"Name\": {name},\n  \"Description\": \"Microphone array; x_m, y_m, z_m are the positions in metres\",\n  \
         \"GenericLayout\": {{\n    \"Name\": {name},\n    \"Elements\": ["
    );
    for (i, c) in array.capsules().iter().enumerate() {
        let [x, y, z] = c.position_m;
        // A capsule at the origin has no direction: any will do at radius 0.
        let d = Direction::from_vector(c.position_m).unwrap_or(Direction::FRONT);
        let (gain, muted) = if c.muted { ("0.0", ", \"muted\": true") } else { ("1.0", "") };
        let comma = if i == 0 { "" } else { "," };
        text += &format!(
            "{comma}\n      {{\"Azimuth\": {:?}, \"Elevation\": {:?}, \"Radius\": {:?}, \"IsImaginary\": false, \
             \"Channel\": {}, \"Gain\": {gain}, \"x_m\": {x:?}, \"y_m\": {y:?}, \"z_m\": {z:?}{muted}}}",
            d.azimuth_deg(),
            d.elevation_deg(),
            norm(c.position_m),
            c.channel + 1
        );
    }
    text += "\n    ]\n  }\n}\n";
    text
}
