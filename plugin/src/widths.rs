//! Bus widths: which the CLAP plugin and the VST3 classes declare, under which names and identities.
//!
//! Audio goes in and out on one bus of equal width. Hosts remember widths by position and classes by identity, so nothing here may
//! ever be reordered or removed; new entries go to the end.

use nice_plug::prelude::{AudioIOLayout, NonZeroU32, PortNames};

/// The `N` of [`Spherescope`](crate::Spherescope) that declares every width instead of one.
pub const EVERY_WIDTH: u32 = 0;

/// The narrowest bus. One channel has no direction: the plugin passes it on and says so.
pub const MIN_WIDTH: u32 = 1;

/// The widest bus; CLAP only, as VST3's arrangements end at 63 channels.
pub const MAX_WIDTH: u32 = 64;

/// Widths of the VST3 classes, one class each: hosts negotiate a class's single layout reliably and little else. That of 2 is for tracks
/// in hosts that know no others than stereo.
pub const VST3_WIDTHS: [u32; 15] = [4, 6, 7, 8, 9, 12, 15, 16, 19, 25, 32, 36, 49, 63, 2];

/// A list of layouts, one for each width in brackets.
macro_rules! layouts {
    ($($width:literal)*) => { [$(layout($width, concat!($width, " channels"))),*] };
}

/// Every width. CLAP's configuration identifiers are positions in this list: 4 is the default and so the first, then 2 and 3, then
/// the rest in order, so that a width above 4 has the identifier `width - 2`; one channel came last.
static EVERY_LAYOUT: [AudioIOLayout; (MAX_WIDTH - MIN_WIDTH + 1) as usize] = layouts![
    4 2 3 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46
    47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 1
];

const fn layout(width: u32, name: &'static str) -> AudioIOLayout {
    AudioIOLayout {
        main_input_channels: NonZeroU32::new(width),
        main_output_channels: NonZeroU32::new(width),
        names: PortNames { layout: Some(name), ..PortNames::const_default() },
        ..AudioIOLayout::const_default()
    }
}

/// The layouts that `Spherescope<N>` declares: all of them for [`EVERY_WIDTH`], else the one of width `N`.
pub(crate) const fn layouts_of(n: u32) -> &'static [AudioIOLayout] {
    let all: &'static [AudioIOLayout] = &EVERY_LAYOUT;
    if n == EVERY_WIDTH {
        return all;
    }
    assert!(n >= MIN_WIDTH && n <= MAX_WIDTH, "expected a width from 1 to 64");
    let position = match n {
        1 => MAX_WIDTH - 1,
        4 => 0,
        2 | 3 => n - 1,
        _ => n - 2,
    };
    all.split_at(position as usize).1.split_at(1).0
}

/// The name of `Spherescope<N>`. Two digits, so that lists sort by width.
pub(crate) const fn name_of(n: u32) -> &'static str {
    match n {
        EVERY_WIDTH => "Spherescope",
        2 => "Spherescope 02ch",
        4 => "Spherescope 04ch",
        6 => "Spherescope 06ch",
        7 => "Spherescope 07ch",
        8 => "Spherescope 08ch",
        9 => "Spherescope 09ch",
        12 => "Spherescope 12ch",
        15 => "Spherescope 15ch",
        16 => "Spherescope 16ch",
        19 => "Spherescope 19ch",
        25 => "Spherescope 25ch",
        32 => "Spherescope 32ch",
        36 => "Spherescope 36ch",
        49 => "Spherescope 49ch",
        63 => "Spherescope 63ch",
        _ => panic!("expected a width of VST3_WIDTHS"),
    }
}

/// The VST3 class identity of `Spherescope<N>`: a fixed prefix and the width in two decimal digits.
pub(crate) const fn class_id_of(n: u32) -> [u8; 16] {
    let mut id = *b"SpherescopeVST00";
    id[14] = b'0' + (n / 10) as u8;
    id[15] = b'0' + (n % 10) as u8;
    id
}

/// The array preset that a new instance of `Spherescope<N>` starts with: one that fills the bus where there is one.
pub(crate) const fn first_preset_of(n: u32) -> &'static str {
    match n {
        6 => "ring-6",
        7 => "minidsp-uma-8",
        8 => "matrix-voice",
        16 => "minidsp-uma-16",
        19 => "zylia-zm-1",
        32 => "eigenmike-em32",
        _ => "a-format-tetrahedron",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn width(layout: &AudioIOLayout) -> u32 {
        assert_eq!(layout.main_input_channels, layout.main_output_channels);
        layout.main_input_channels.map_or(0, NonZeroU32::get)
    }

    #[test]
    fn every_width_is_declared_once_and_keeps_its_place() {
        let widths: Vec<u32> = EVERY_LAYOUT.iter().map(width).collect();
        assert_eq!(&widths[..4], &[4, 2, 3, 5]);
        for (id, &width) in widths.iter().enumerate().skip(3) {
            assert_eq!(id as u32, if width == 1 { 63 } else { width - 2 });
        }
        let mut sorted = widths;
        sorted.sort_unstable();
        assert_eq!(sorted, (MIN_WIDTH..=MAX_WIDTH).collect::<Vec<_>>());
    }

    /// Saved in every project that uses the VST3. Lines may be added here, never changed.
    #[test]
    fn classes_keep_their_identities_and_names_for_ever() {
        let classes: Vec<_> = VST3_WIDTHS
            .into_iter()
            .map(|n| format!("{} {}", String::from_utf8_lossy(&class_id_of(n)), name_of(n)))
            .collect();
        let golden = [
            "SpherescopeVST04 Spherescope 04ch",
            "SpherescopeVST06 Spherescope 06ch",
            "SpherescopeVST07 Spherescope 07ch",
            "SpherescopeVST08 Spherescope 08ch",
            "SpherescopeVST09 Spherescope 09ch",
            "SpherescopeVST12 Spherescope 12ch",
            "SpherescopeVST15 Spherescope 15ch",
            "SpherescopeVST16 Spherescope 16ch",
            "SpherescopeVST19 Spherescope 19ch",
            "SpherescopeVST25 Spherescope 25ch",
            "SpherescopeVST32 Spherescope 32ch",
            "SpherescopeVST36 Spherescope 36ch",
            "SpherescopeVST49 Spherescope 49ch",
            "SpherescopeVST63 Spherescope 63ch",
            "SpherescopeVST02 Spherescope 02ch",
        ];
        assert_eq!(classes[..golden.len()], golden);
    }

    #[test]
    fn a_single_width_is_a_single_layout_of_that_width() {
        for n in MIN_WIDTH..=MAX_WIDTH {
            assert_eq!(layouts_of(n).iter().map(width).collect::<Vec<_>>(), [n]);
            assert_eq!(layouts_of(n)[0].name(), format!("{n} channels"));
        }
    }

    #[test]
    fn classes_differ_and_start_with_an_array_that_fits() {
        let mut ids: Vec<_> = VST3_WIDTHS.into_iter().map(class_id_of).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), VST3_WIDTHS.len());
        assert_eq!(&class_id_of(4), b"SpherescopeVST04");
        for n in VST3_WIDTHS.into_iter().filter(|n| *n > 2) {
            let preset = spherescope_dsp::presets::find(first_preset_of(n)).unwrap();
            assert!(preset.array.channels_needed() <= n as usize, "{n}: {}", preset.id);
        }
    }

    #[test]
    fn every_preset_has_a_class_that_is_wide_enough_and_not_much_wider() {
        for preset in spherescope_dsp::presets::all() {
            let needed = preset.array.channels_needed() as u32;
            assert!(needed <= MAX_WIDTH, "{}: no bus has {needed} channels", preset.id);
            // 64 channels are more than VST3 can say: the CLAP has them.
            if needed == MAX_WIDTH {
                continue;
            }
            let class = VST3_WIDTHS.into_iter().filter(|n| *n >= needed).min();
            let class = class.unwrap_or_else(|| panic!("{}: no class has {needed} channels", preset.id));
            assert!(class <= needed + needed / 2, "{}: {needed} channels in a class of {class}", preset.id);
        }
    }
}
