//! Array presets by maker's name, embedded in the library.
//!
//! Each preset is a layout file of the project's own format with a `description` beside the capsules. Several makers' arrays sit on
//! rigid bodies; the positions are true, the body's scattering is not part of a layout yet.

use crate::array::MicArray;

/// A named array that ships with Spherescope.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// Stable identifier, used on the command line and in saved sessions.
    pub id: &'static str,
    /// One line for people: capsules, size, channel order, what the array cannot tell apart.
    pub description: String,
    /// The array; its name is the maker's.
    pub array: MicArray,
}

macro_rules! preset_files {
    ($($id:literal),* $(,)?) => {
        /// Identifiers and layout texts of all presets, in the order in which people see them.
        const FILES: &[(&str, &str)] = &[$(($id, include_str!(concat!("../../assets/presets/", $id, ".json")))),*];
    };
}

preset_files![
    "a-format-tetrahedron",
    "core-sound-tetramic",
    "soundfield-sps200",
    "zoom-h3-vr",
    "ring-6",
    "respeaker-6-mic",
    "frl-open-7",
    "minidsp-uma-8",
    "matrix-voice",
    "minidsp-uma-16",
    "zylia-zm-1",
    "eigenmike-em32",
];

/// Identifiers of all presets, in the order in which people see them.
pub fn ids() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(id, _)| *id)
}

/// The preset of this identifier.
pub fn find(id: &str) -> Option<Preset> {
    FILES.iter().find(|(known, _)| *known == id).and_then(|(id, text)| read(id, text))
}

/// All presets.
pub fn all() -> Vec<Preset> {
    FILES.iter().filter_map(|(id, text)| read(id, text)).collect()
}

fn read(id: &'static str, text: &str) -> Option<Preset> {
    #[derive(serde::Deserialize)]
    struct Described {
        description: String,
    }
    let description = serde_json::from_str::<Described>(text).ok()?.description;
    Some(Preset { id, description, array: MicArray::from_json(text).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Extent;

    #[test]
    fn every_file_is_a_valid_array() {
        assert_eq!(all().len(), FILES.len());
    }

    #[test]
    fn the_arrays_are_what_their_makers_say() {
        for (id, capsules, extent) in [
            ("a-format-tetrahedron", 4, Extent::Volume),
            ("eigenmike-em32", 32, Extent::Volume),
            ("zylia-zm-1", 19, Extent::Volume),
            ("ring-6", 6, Extent::Planar),
            ("minidsp-uma-16", 16, Extent::Planar),
        ] {
            let preset = find(id).unwrap();
            assert_eq!((preset.array.active_len(), preset.array.extent()), (capsules, extent), "{id}");
        }
    }
}
