//! What the geometry of a layout says about what it can hear.

use spherescope_dsp::MicArray;

use crate::ambiguity::Copies;

/// Figures of a layout that do not change while it does not.
#[derive(Clone)]
pub(crate) struct LayoutFacts {
    layout: MicArray,
    /// Largest distance between two capsules in millimetres.
    pub(crate) aperture_mm: f64,
    /// What the layout cannot tell apart, if anything.
    pub(crate) note: Option<&'static str>,
}

impl LayoutFacts {
    /// The facts of a layout, taken from `cached` while the layout is the same.
    pub(crate) fn of<'a>(cached: &'a mut Option<Self>, layout: &MicArray) -> &'a Self {
        if cached.as_ref().is_some_and(|facts| facts.layout != *layout) {
            *cached = None;
        }
        cached.get_or_insert_with(|| Self {
            layout: layout.clone(),
            aperture_mm: layout.aperture_m() * 1000.0,
            note: note(Copies::of(layout)),
        })
    }
}

fn note(copies: Option<Copies>) -> Option<&'static str> {
    /// Normals this near to an axis lie along it: the cosine of 2.5°.
    const ALONG: f64 = 0.999;
    Some(match copies? {
        Copies::Around { .. } => "line array: hears only the angle to its line",
        Copies::Behind { normal } => match normal.map(|x| x.abs() >= ALONG) {
            [_, _, true] => "flat array: cannot tell above from below",
            [true, ..] => "flat array: cannot tell front from back",
            [_, true, _] => "flat array: cannot tell left from right",
            [false, false, false] => "flat array: cannot tell a direction from its mirror image",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(points: &[[f64; 3]]) -> Option<&'static str> {
        note(Copies::of(&MicArray::from_positions("t", points).unwrap()))
    }

    #[test]
    fn arrays_say_what_they_cannot_hear() {
        let flat = [[0.0, 0.0, 0.1], [0.1, 0.0, 0.1], [0.0, 0.1, 0.1]];
        assert!(noted(&flat).unwrap().contains("above from below"));
        let wall = flat.map(|[x, y, z]| [z, x, y]);
        assert!(noted(&wall).unwrap().contains("front from back"));
        let side = flat.map(|[x, y, z]| [y, z, x]);
        assert!(noted(&side).unwrap().contains("left from right"));
        let tilted = flat.map(|[x, y, _]| [x, y, x + 0.5 * y]);
        assert!(noted(&tilted).unwrap().contains("mirror"));
        assert!(noted(&flat[..2]).unwrap().contains("line"));
        assert_eq!(noted(&[[0.0; 3], flat[0], flat[1], [0.0, 0.1, 0.0]]), None);
    }
}
