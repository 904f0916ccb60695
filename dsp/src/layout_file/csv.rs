//! Tables: a header that names the columns with their units, then a line for each capsule.

use super::{Draft, Import, LayoutError, excerpt};
use crate::array::{Capsule, MicArray};
use crate::direction::Direction;

/// Before the header, a comment that begins so names the array.
const NAME_MARK: &str = "# name: ";

/// What a header may say.
const COLUMNS: &str =
    "`x_m,y_m,z_m` or `azimuth_deg,elevation_deg,radius_m` (lengths also in _cm, _mm), `channel`, `muted`";

/// What a column holds.
#[derive(Clone, Copy, PartialEq)]
enum Quantity {
    Channel,
    Muted,
    /// x, y or z: its index.
    Coordinate(usize),
    Azimuth,
    Elevation,
    Radius,
}

struct Column {
    quantity: Quantity,
    title: String,
    /// Of a length: how many of its unit make a metre. Dividing by it keeps 23.1 mm at the number nearest to 0.0231 m.
    per_metre: f64,
}

impl Column {
    /// The column of a title such as `x_mm`, whatever its case.
    fn titled(title: &str) -> Option<Self> {
        let title = title.to_ascii_lowercase();
        let (stem, per_metre) = match title.rsplit_once('_') {
            Some((stem, "m")) => (stem, Some(1.0)),
            Some((stem, "cm")) => (stem, Some(100.0)),
            Some((stem, "mm")) => (stem, Some(1000.0)),
            _ => (title.as_str(), None),
        };
        let quantity = match (stem, per_metre) {
            ("x", Some(_)) => Quantity::Coordinate(0),
            ("y", Some(_)) => Quantity::Coordinate(1),
            ("z", Some(_)) => Quantity::Coordinate(2),
            ("radius", Some(_)) => Quantity::Radius,
            ("azimuth_deg", None) => Quantity::Azimuth,
            ("elevation_deg", None) => Quantity::Elevation,
            ("channel", None) => Quantity::Channel,
            ("muted", None) => Quantity::Muted,
            _ => return None,
        };
        Some(Self { quantity, per_metre: per_metre.unwrap_or(1.0), title })
    }
}

/// How the places of the table are given.
#[derive(Clone, Copy, PartialEq)]
enum Places {
    Cartesian,
    Spherical,
    /// Spherical without a radius.
    Directions,
}

struct Table {
    columns: Vec<Column>,
    separator: char,
    places: Places,
}

pub(super) fn read(text: &str) -> Result<Import, LayoutError> {
    let is_row = |line: &str| !line.is_empty() && !line.starts_with('#');
    let name =
        text.lines().take_while(|l| !is_row(l.trim())).find_map(|l| l.strip_prefix(NAME_MARK)).unwrap_or("CSV layout");
    let mut rows = text.lines().enumerate().map(|(i, l)| (i + 1, l.trim())).filter(|(_, l)| is_row(l));
    let Some((line, header)) = rows.next() else {
        return Err(LayoutError::new(None, "expected a header, found none"));
    };
    let table = Table::from_header(line, header)?;
    let mut draft = Draft::default();
    for (line, row) in rows {
        let capsule = table.capsule(line, row, draft.capsules.len())?;
        draft.push(Some(line), capsule)?;
    }
    if table.places == Places::Directions {
        draft.directions(name).map(Import::NeedsRadius)
    } else {
        draft.array(name).map(Import::Array)
    }
}

impl Table {
    fn from_header(line: usize, header: &str) -> Result<Self, LayoutError> {
        let fail = |expected: &str| {
            Err(LayoutError::new(line, format!("expected {expected}, found the header `{}`", excerpt(header))))
        };
        let separator = [';', '\t'].into_iter().find(|&s| header.contains(s)).unwrap_or(',');
        let mut columns: Vec<Column> = Vec::new();
        for title in header.split(separator).map(unquoted) {
            let Some(column) = Column::titled(title) else {
                let message = format!("expected a header of {COLUMNS}, found `{}`", excerpt(title));
                return Err(LayoutError::new(line, message));
            };
            if columns.iter().any(|c| c.quantity == column.quantity) {
                return fail("every column once");
            }
            columns.push(column);
        }
        let has = |q: &[Quantity]| q.iter().filter(|q| columns.iter().any(|c| c.quantity == **q)).count();
        let cartesian = has(&[Quantity::Coordinate(0), Quantity::Coordinate(1), Quantity::Coordinate(2)]);
        let (angles, radius) = (has(&[Quantity::Azimuth, Quantity::Elevation]), has(&[Quantity::Radius]));
        let places = match (cartesian, angles, radius) {
            (3, 0, 0) => Places::Cartesian,
            (0, 2, 1) => Places::Spherical,
            (0, 2, 0) => Places::Directions,
            _ => return fail("all of x, y, z, or azimuth, elevation and radius, and not both"),
        };
        Ok(Self { columns, separator, places })
    }

    /// The capsule of a row; without a channel column channels count rows from 0.
    fn capsule(&self, line: usize, row: &str, index: usize) -> Result<Capsule, LayoutError> {
        let found = row.split(self.separator).count();
        if found != self.columns.len() {
            let message = format!("expected {} fields, found {found}: `{}`", self.columns.len(), excerpt(row));
            return Err(LayoutError::new(line, message));
        }
        let mut capsule = Capsule::new(index, [0.0; 3]);
        let (mut azimuth_deg, mut elevation_deg, mut radius_m) = (0.0, 0.0, 1.0);
        for (column, field) in self.columns.iter().zip(row.split(self.separator).map(unquoted)) {
            let fail =
                |expected: &str| LayoutError::new(line, format!("expected {expected}, found `{}`", excerpt(field)));
            let number = || {
                // Where commas do not part the fields, some countries write them as decimal points.
                let point = if self.separator == ',' { field.to_owned() } else { field.replace(',', ".") };
                point.parse::<f64>().map_err(|_| fail(&format!("a number for {}", column.title)))
            };
            match column.quantity {
                Quantity::Channel => match field.parse() {
                    Ok(channel) => capsule.channel = channel,
                    Err(_) => return Err(fail("a channel number from 0")),
                },
                Quantity::Muted => match field.to_ascii_lowercase().as_str() {
                    "" | "0" | "false" | "no" => {}
                    "1" | "true" | "yes" => capsule.muted = true,
                    _ => return Err(fail("0 or 1 for muted")),
                },
                Quantity::Coordinate(axis) => capsule.position_m[axis] = number()? / column.per_metre,
                Quantity::Azimuth => azimuth_deg = number()?,
                Quantity::Elevation => elevation_deg = number()?,
                Quantity::Radius => {
                    radius_m = number()? / column.per_metre;
                    if radius_m < 0.0 {
                        return Err(fail(&format!("at least 0 for {}", column.title)));
                    }
                }
            }
        }
        if self.places != Places::Cartesian {
            let direction = Direction::from_degrees(azimuth_deg, elevation_deg)
                .map_err(|_| LayoutError::new(line, format!("expected finite angles, found `{}`", excerpt(row))))?;
            capsule.position_m = direction.unit().map(|x| x * radius_m);
        }
        Ok(capsule)
    }
}

/// A field without the space and the quotation marks around it.
fn unquoted(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|f| f.strip_suffix('"')).map_or(field, str::trim)
}

pub(super) fn write(array: &MicArray) -> String {
    let any_muted = array.capsules().iter().any(|c| c.muted);
    let mut text =
        format!("{NAME_MARK}{}\nchannel,x_m,y_m,z_m{}\n", array.name(), if any_muted { ",muted" } else { "" });
    for c in array.capsules() {
        let [x, y, z] = c.position_m;
        text += &format!("{},{x:?},{y:?},{z:?}", c.channel);
        if any_muted {
            text += if c.muted { ",1" } else { ",0" };
        }
        text.push('\n');
    }
    text
}
