//! What a flat or a straight array cannot tell apart: which directions are copies of others.

use spherescope_dsp::{Extent, MicArray};

/// The directions that such an array hears only as copies of others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Copies {
    /// Everything on the far side of the plane with this normal.
    Behind {
        /// The unit normal, towards the side that is kept.
        normal: [f64; 3],
    },
    /// Everything but a half circle from one end of the line to the other.
    Around {
        /// Unit vector along the line.
        axis: [f64; 3],
        /// Unit vector across it, through the middle of the half circle that is kept.
        kept: [f64; 3],
    },
}

/// How far from the half circle of a straight array the shade begins, in degrees about the line.
const KEPT_DEG: f64 = 12.0;

impl Copies {
    /// The copies of an array; nothing for a three-dimensional one.
    pub(crate) fn of(layout: &MicArray) -> Option<Self> {
        let points = layout.relative_positions_m();
        let farthest = |from: &dyn Fn([f64; 3]) -> [f64; 3]| {
            points.iter().map(|p| from(*p)).max_by(|a, b| dot(*a, *a).total_cmp(&dot(*b, *b)))
        };
        match layout.extent() {
            Extent::Volume => None,
            Extent::Linear => {
                let axis = unit(farthest(&|p| p)?)?;
                // What most people want to know is what lies ahead; of a line to the front, what lies above.
                let wanted = if axis[0].abs() < 0.9 { [1.0, 0.0, 0.0] } else { [0.0, 0.0, 1.0] };
                Some(Self::Around { axis, kept: unit(across(wanted, axis))? })
            }
            Extent::Planar => {
                let first = unit(farthest(&|p| p)?)?;
                let second = unit(farthest(&|p| across(p, first))?)?;
                let second = unit(across(second, first))?;
                let n = cross(first, second);
                // The kept side: above, else ahead, else left.
                let side = if n[2].abs() > 0.5 {
                    n[2]
                } else if n[0].abs() > 0.5 {
                    n[0]
                } else {
                    n[1]
                };
                Some(Self::Behind { normal: n.map(|x| x * side.signum()) })
            }
        }
    }

    /// Whether a direction is a copy.
    pub(crate) fn holds(&self, d: [f64; 3]) -> bool {
        match self {
            Self::Behind { normal } => dot(*normal, d) < 0.0,
            Self::Around { axis, kept } => {
                let flat = across(d, *axis);
                let length = dot(flat, flat).sqrt();
                length > 1e-6 && dot(flat, *kept) / length < KEPT_DEG.to_radians().cos()
            }
        }
    }
}

/// What of a vector is across a unit vector.
fn across(p: [f64; 3], axis: [f64; 3]) -> [f64; 3] {
    let along = dot(p, axis);
    std::array::from_fn(|i| p[i] - along * axis[i])
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(v: [f64; 3]) -> Option<[f64; 3]> {
    let length = dot(v, v).sqrt();
    (length > 1e-12).then(|| v.map(|x| x / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(points: &[[f64; 3]]) -> Option<Copies> {
        Copies::of(&MicArray::from_positions("t", points).unwrap())
    }

    #[test]
    fn a_table_top_array_copies_what_is_below() {
        let c = copies(&[[0.05, 0.0, 0.2], [-0.05, 0.0, 0.2], [0.0, 0.05, 0.2], [0.01, -0.04, 0.2]]).unwrap();
        assert!(c.holds([0.6, 0.0, -0.8]) && !c.holds([0.6, 0.0, 0.8]));
    }

    #[test]
    fn a_wall_keeps_what_is_ahead() {
        let c = copies(&[[0.0, 0.1, 0.0], [0.0, -0.1, 0.0], [0.0, 0.0, 0.1]]).unwrap();
        assert!(c.holds([-1.0, 0.0, 0.0]) && !c.holds([1.0, 0.0, 0.0]));
    }

    #[test]
    fn a_line_keeps_a_half_circle() {
        let c = copies(&[[0.0, 0.1, 0.0], [0.0, -0.1, 0.0], [0.0, 0.05, 0.0]]).unwrap();
        assert!(!c.holds([1.0, 0.0, 0.0]) && !c.holds([0.7, 0.7, 0.0]));
        assert!(c.holds([-1.0, 0.0, 0.0]) && c.holds([0.0, 0.0, 1.0]) && c.holds([0.5, 0.5, 0.7]));
        assert_eq!(copies(&[[0.0; 3], [0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]]), None);
    }
}
