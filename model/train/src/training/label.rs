//! Soft labels, and what an array cannot tell apart.

use spherescope_dsp::{Direction, MicArray};

use crate::vector::{dot, norm, scale, sub};

/// Directions that a flat or straight array cannot tell apart: they are labelled alike, so that nothing is learned by rote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ambiguity {
    /// A full array: none.
    None,
    /// A direction and its mirror image in the plane with this unit normal.
    Mirror([f64; 3]),
    /// All directions at the same angle from this axis.
    Cone([f64; 3]),
}

/// Thinner than this share of its radius, an array counts as flat, or as straight.
const THIN: f64 = 0.03;

impl Ambiguity {
    /// What this array cannot tell apart.
    pub fn of(array: &MicArray) -> Self {
        let points = array.relative_positions_m();
        let farthest = points.iter().copied().max_by(|a, b| norm(*a).total_cmp(&norm(*b))).unwrap_or([0.0; 3]);
        let radius = norm(farthest);
        if radius < 1e-9 {
            return Self::None;
        }
        let axis = scale(farthest, 1.0 / radius);
        let aside = |p: &[f64; 3]| sub(*p, scale(axis, dot(*p, axis)));
        let widest = points.iter().map(aside).max_by(|a, b| norm(*a).total_cmp(&norm(*b))).unwrap_or([0.0; 3]);
        if norm(widest) < THIN * radius {
            return Self::Cone(axis);
        }
        let second = scale(widest, 1.0 / norm(widest));
        let normal = [
            axis[1] * second[2] - axis[2] * second[1],
            axis[2] * second[0] - axis[0] * second[2],
            axis[0] * second[1] - axis[1] * second[0],
        ];
        if points.iter().all(|p| dot(*p, normal).abs() < THIN * radius) { Self::Mirror(normal) } else { Self::None }
    }

    /// Cosine of the angle between `candidate` and the nearest direction that looks like `truth`.
    fn cosine(&self, truth: [f64; 3], candidate: [f64; 3]) -> f64 {
        match self {
            Self::None => dot(truth, candidate),
            Self::Mirror(normal) => {
                dot(truth, candidate).max(dot(sub(truth, scale(*normal, 2.0 * dot(truth, *normal))), candidate))
            }
            Self::Cone(axis) => {
                let angle = |u: [f64; 3]| dot(u, *axis).clamp(-1.0, 1.0).acos();
                (angle(truth) - angle(candidate)).cos()
            }
        }
    }

    /// Great-circle angle in degrees from `candidate` to the nearest direction that looks like `truth`.
    pub fn angle_deg(&self, truth: &Direction, candidate: &Direction) -> f64 {
        self.cosine(truth.unit(), candidate.unit()).clamp(-1.0, 1.0).acos().to_degrees()
    }
}

/// The oracle spectrum: max over sources of exp(κ (cos δ − 1)), κ = ln √½ / (cos γ − 1), so that it falls to √½ at the beamwidth γ.
///
/// One value for each of `candidates`; zeros without sources.
pub fn soft_label(
    sources: &[Direction],
    ambiguity: &Ambiguity,
    candidates: &[Direction],
    beamwidth_deg: f64,
) -> Vec<f32> {
    let kappa = 0.5f64.sqrt().ln() / (beamwidth_deg.to_radians().cos() - 1.0);
    let label = |candidate: &Direction| {
        let nearest =
            sources.iter().map(|s| ambiguity.cosine(s.unit(), candidate.unit())).fold(f64::NEG_INFINITY, f64::max);
        (kappa * (nearest - 1.0)).exp() as f32
    };
    candidates.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use spherescope_dsp::presets;

    use crate::{ArrayKind, random_array_of};

    fn at(azimuth_deg: f64, elevation_deg: f64) -> Direction {
        Direction::from_degrees(azimuth_deg, elevation_deg).unwrap()
    }

    #[test]
    fn labels_fall_to_root_half_at_the_beamwidth() {
        let label = soft_label(&[at(0.0, 0.0)], &Ambiguity::None, &[at(0.0, 0.0), at(8.0, 0.0), at(90.0, 0.0)], 8.0);
        assert!((label[0] - 1.0).abs() < 1e-6 && (label[1] - 0.5f32.sqrt()).abs() < 1e-5 && label[2] < 1e-6);
        assert_eq!(soft_label(&[], &Ambiguity::None, &[at(0.0, 0.0)], 8.0), [0.0]);
    }

    #[test]
    fn flat_arrays_see_mirror_images_and_straight_ones_cones() {
        let flat = MicArray::from_positions("flat", &[[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [-0.1, 0.0, 0.0]]).unwrap();
        let mirror = Ambiguity::of(&flat);
        assert!(matches!(mirror, Ambiguity::Mirror(n) if n[2].abs() > 0.999));
        assert!(mirror.angle_deg(&at(30.0, 40.0), &at(30.0, -40.0)) < 1e-5);
        let line = random_array_of(ArrayKind::Line, 3, 2).unwrap();
        assert!(matches!(Ambiguity::of(&line), Ambiguity::Cone(_)));
        let line = MicArray::from_positions("line", &[[0.0, 0.0, 0.1], [0.0, 0.0, -0.1]]).unwrap();
        assert!(Ambiguity::of(&line).angle_deg(&at(0.0, 20.0), &at(123.0, 20.0)) < 1e-5);
        assert!((Ambiguity::of(&line).angle_deg(&at(0.0, 20.0), &at(123.0, -10.0)) - 30.0).abs() < 1e-6);
        let presets =
            ["ring-6", "minidsp-uma-16", "zylia-zm-1"].map(|id| Ambiguity::of(&presets::find(id).unwrap().array));
        assert!(matches!(presets, [Ambiguity::Mirror(_), Ambiguity::Mirror(_), Ambiguity::None]), "{presets:?}");
        let tetrahedron = random_array_of(ArrayKind::Tetrahedron, 3, 4).unwrap();
        assert_eq!(Ambiguity::of(&tetrahedron), Ambiguity::None);
    }
}
