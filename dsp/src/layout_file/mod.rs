//! Reading and writing array layouts, in the formats that people have.
//!
//! [`import`] recognises the format from the text and reads it; [`LayoutFormat::write`] writes. Texts come from other programs and
//! from anywhere: a byte order mark and either kind of line end are taken, texts beyond [`MAX_LAYOUT_BYTES`] are not looked at, and
//! every refusal names the line, what was expected and what was found.

use std::fmt;

use crate::array::{ArrayError, Capsule, MAX_CAPSULES, MAX_DISTANCE_M, MicArray};

mod acoular_xml;
mod csv;
mod iem_json;
mod json_text;
mod own_json;

/// The largest layout text that is looked at, in bytes: 64 capsules need a few kilobytes.
pub const MAX_LAYOUT_BYTES: usize = 1 << 20;

/// Why a text is not a layout: what, in which line (from 1, where known), expected and found.
#[derive(Clone, Debug, PartialEq)]
pub struct LayoutError {
    /// Line of the text, counted from 1.
    pub line: Option<usize>,
    /// What was expected and what was found.
    pub message: String,
}

impl LayoutError {
    fn new(line: impl Into<Option<usize>>, message: impl Into<String>) -> Self {
        Self { line: line.into(), message: message.into() }
    }
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

/// What a layout text holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Import {
    /// A complete array.
    Array(MicArray),
    /// Directions without a size: whoever has the file must say how large the array is.
    NeedsRadius(Directions),
}

/// The capsules of a layout that gives directions only, as SPARTA writes them: a valid array but for its radius.
#[derive(Clone, Debug, PartialEq)]
pub struct Directions {
    unit: MicArray,
    lines: Vec<Option<usize>>,
}

impl Directions {
    /// The array as it would be at a radius of 1 m.
    pub fn unit_sphere(&self) -> &MicArray {
        &self.unit
    }

    /// The array with its capsules at `radius_m` from the origin.
    ///
    /// # Errors
    /// A [`LayoutError`] when the radius is not above 0 and at most [`MAX_DISTANCE_M`], or when two capsules fall into one place.
    pub fn with_radius_m(&self, radius_m: f64) -> Result<MicArray, LayoutError> {
        // Below the distance of coincident capsules all would stand in one place; the array's own check says so.
        if !(radius_m > 0.0 && radius_m <= MAX_DISTANCE_M) {
            let message = format!("expected a radius above 0 and at most {MAX_DISTANCE_M} m, found {radius_m}");
            return Err(LayoutError::new(None, message));
        }
        let mut draft = Draft { capsules: self.unit.capsules().to_vec(), lines: self.lines.clone() };
        for capsule in &mut draft.capsules {
            capsule.position_m = capsule.position_m.map(|x| x * radius_m);
        }
        draft.array(self.unit.name())
    }
}

/// Formats of layout files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutFormat {
    /// The project's own JSON: `{"name": "…", "capsules": [{"channel": 0, "x_m": 0.01, "y_m": 0.0, "z_m": -0.02}, …]}`, each
    /// capsule optionally with `"muted": true`. Channels count from 0.
    Json,
    /// A table with a header: `channel` and `muted` as wanted, then `x_m,y_m,z_m` or `azimuth_deg,elevation_deg,radius_m`; lengths
    /// also in `_cm` and `_mm`. Fields are parted by comma, semicolon or tab; `#` starts a comment. Channels count from 0.
    Csv,
    /// The `GenericLayout` of the IEM and SPARTA plug-ins: angles in degrees, channels from 1. Ours holds metres too.
    IemJson,
    /// The microphone geometries of acoular: `<pos Name="Point 1" x="…" y="…" z="…"/>` in metres, channels in order.
    AcoularXml,
}

impl LayoutFormat {
    /// All formats, in the order in which people see them.
    pub const ALL: [Self; 4] = [Self::Json, Self::Csv, Self::IemJson, Self::AcoularXml];

    /// The name that people see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "Spherescope JSON",
            Self::Csv => "CSV",
            Self::IemJson => "IEM and SPARTA JSON",
            Self::AcoularXml => "acoular XML",
        }
    }

    /// The usual extension of file names, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json | Self::IemJson => "json",
            Self::Csv => "csv",
            Self::AcoularXml => "xml",
        }
    }

    /// The format that a text seems to be in, right or wrong: JSON starts with a brace, XML with `<`, and the rest is CSV.
    /// `None` for a text of white space only.
    pub fn recognise(text: &str) -> Option<Self> {
        let text = without_mark(text);
        match text.trim_start().chars().next()? {
            '{' | '[' if iem_json::is_iem(text) => Some(Self::IemJson),
            '{' | '[' => Some(Self::Json),
            '<' => Some(Self::AcoularXml),
            _ => Some(Self::Csv),
        }
    }

    /// The array as a text of this format; the same bytes for the same array. Every format keeps name, positions, channels and
    /// muted capsules. acoular counts channels by the order of the file, so that format lists the capsules by channel; the others
    /// keep the order of the array.
    pub fn write(self, array: &MicArray) -> String {
        match self {
            Self::Json => own_json::write(array),
            Self::Csv => csv::write(array),
            Self::IemJson => iem_json::write(array),
            Self::AcoularXml => acoular_xml::write(array),
        }
    }
}

impl fmt::Display for LayoutFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads a layout in any [`LayoutFormat`].
///
/// # Errors
/// A [`LayoutError`] that names the line, what was expected and what was found.
pub fn import(text: &str) -> Result<Import, LayoutError> {
    check_size(text)?;
    let text = without_mark(text);
    match LayoutFormat::recognise(text) {
        Some(LayoutFormat::Json) => own_json::read(text).map(Import::Array),
        Some(LayoutFormat::Csv) => csv::read(text),
        Some(LayoutFormat::IemJson) => iem_json::read(text),
        Some(LayoutFormat::AcoularXml) => acoular_xml::read(text).map(Import::Array),
        None => Err(LayoutError::new(None, "expected a layout, found nothing")),
    }
}

impl MicArray {
    /// Reads a layout in any [`LayoutFormat`]; [`import`] with directions refused.
    ///
    /// # Errors
    /// A [`LayoutError`] that names the line, what was expected and what was found; also when the text holds directions only and the
    /// radius would have to be asked for.
    pub fn from_text(text: &str) -> Result<Self, LayoutError> {
        match import(text)? {
            Import::Array(array) => Ok(array),
            Import::NeedsRadius(directions) => {
                let capsules = directions.unit.capsules().len();
                let message = format!(
                    "expected positions, found directions only (of {capsules} capsules): give the radius of the array in metres"
                );
                Err(LayoutError::new(None, message))
            }
        }
    }

    /// Reads a layout from the project's own JSON.
    ///
    /// # Errors
    /// A [`LayoutError`] that names the line, what was expected and what was found.
    pub fn from_json(text: &str) -> Result<Self, LayoutError> {
        check_size(text)?;
        own_json::read(text)
    }

    /// The array as the project's own JSON: the same bytes for the same array, one capsule a line.
    pub fn to_json(&self) -> String {
        own_json::write(self)
    }

    /// The array as CSV in metres, its name in a comment above.
    pub fn to_csv(&self) -> String {
        csv::write(self)
    }

    /// The array as a `GenericLayout` of the IEM and SPARTA plug-ins, with the positions in metres beside the angles.
    pub fn to_iem_json(&self) -> String {
        iem_json::write(self)
    }

    /// The array as a microphone geometry of acoular, in the order of the channels.
    pub fn to_acoular_xml(&self) -> String {
        acoular_xml::write(self)
    }
}

/// Capsules as a reader collects them, each with the line that it stood in.
#[derive(Default)]
struct Draft {
    capsules: Vec<Capsule>,
    lines: Vec<Option<usize>>,
}

impl Draft {
    /// Takes a capsule; the first one too many is refused at once, however long the text.
    fn push(&mut self, line: Option<usize>, capsule: Capsule) -> Result<(), LayoutError> {
        self.capsules.push(capsule);
        self.lines.push(line);
        match self.capsules.len() {
            0..=MAX_CAPSULES => Ok(()),
            found => Err(LayoutError::new(line, ArrayError::TooMany { found }.to_string())),
        }
    }

    fn array(self, name: &str) -> Result<MicArray, LayoutError> {
        let Self { capsules, lines } = self;
        MicArray::new(name, capsules)
            .map_err(|e| LayoutError::new(e.capsule().and_then(|i| lines.get(i).copied().flatten()), e.to_string()))
    }

    /// The capsules as directions, their positions being unit vectors.
    fn directions(self, name: &str) -> Result<Directions, LayoutError> {
        let lines = self.lines.clone();
        Ok(Directions { unit: self.array(name)?, lines })
    }
}

fn check_size(text: &str) -> Result<(), LayoutError> {
    match text.len() {
        0..=MAX_LAYOUT_BYTES => Ok(()),
        found => Err(LayoutError::new(None, format!("expected at most {MAX_LAYOUT_BYTES} bytes, found {found}"))),
    }
}

/// The text without the byte order mark that some programs put first.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A piece of a foreign text, short enough for a message.
fn excerpt(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
