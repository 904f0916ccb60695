//! Channels whose preamplifiers stand differently, from the levels of many moments.
//!
//! Levels differ for good reasons, too: cardioids and capsules on a body hear louder what is in front of them, a near talker is nearer to
//! some capsules. All of that grows with how far a capsule lies towards the sound, so in each place that sound comes from
//!
//! level of capsule c − mean of all = a_c + β · (m_c · u) / max |m|,
//!
//! m_c the capsule from the centroid, u towards the sound, β the same for all: the a_c are the gains, by least squares.

use super::geometry::median;

/// Offsets below this are left alone, in decibels.
const LEAST_DB: f64 = 4.0;
/// An offset over its standard error.
const OFFSET_T: f64 = 4.0;
/// Values that must be left over to tell the error of an offset.
const FREE: usize = 3;

/// Levels of sound from one place.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Unit vector towards it.
    pub towards: [f64; 3],
    /// Mean level of each capsule in dB, `[C]`.
    pub levels_db: Vec<f64>,
}

/// How far each capsule's gain is from the median of all, in dB, `[C]`; `None` for those that are near it, and for all where too little
/// is known. `capsules_m` are from the centroid, metres.
pub(super) fn unmatched(places: &[Place], capsules_m: &[[f64; 3]]) -> Vec<Option<f64>> {
    let (p, c) = (places.len(), capsules_m.len());
    let nothing = vec![None; c];
    let known = p.saturating_sub(1) * c.saturating_sub(1);
    if c < 3 || known < FREE + 1 {
        return nothing;
    }
    let dot = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let radius_m = capsules_m.iter().map(|m| dot(m, m).sqrt()).fold(1e-6, f64::max);
    // Both without the mean over the capsules, `[P][C]`.
    let centred = |values: Vec<f64>| {
        let mean = values.iter().sum::<f64>() / c as f64;
        values.into_iter().map(|x| x - mean).collect::<Vec<_>>()
    };
    let levels: Vec<_> = places.iter().map(|place| centred(place.levels_db.clone())).collect();
    let towards: Vec<_> = places
        .iter()
        .map(|place| centred(capsules_m.iter().map(|m| dot(m, &place.towards) / radius_m).collect()))
        .collect();
    let means = |values: &[Vec<f64>]| -> Vec<f64> {
        (0..c).map(|capsule| values.iter().map(|row| row[capsule]).sum::<f64>() / p as f64).collect()
    };
    let (level, toward) = (means(&levels), means(&towards));
    let mut sums = [0.0; 2];
    for (levels, towards) in levels.iter().zip(&towards) {
        for capsule in 0..c {
            let x = towards[capsule] - toward[capsule];
            sums[0] += x * x;
            sums[1] += x * (levels[capsule] - level[capsule]);
        }
    }
    // All sound from one side: nobody knows, and a_c takes all.
    let (slope, certain) = if sums[0] > 1e-6 { (sums[1] / sums[0], 1.0 / sums[0]) } else { (0.0, 0.0) };
    let gains: Vec<f64> = level.iter().zip(&toward).map(|(level, toward)| level - slope * toward).collect();
    let mut rest = 0.0;
    for (levels, towards) in levels.iter().zip(&towards) {
        for capsule in 0..c {
            rest += (levels[capsule] - gains[capsule] - slope * towards[capsule]).powi(2);
        }
    }
    let variance = rest / (known - 1) as f64;
    let middle = median(gains.iter().copied());
    let offset = |(gain, toward): (&f64, &f64)| {
        let error_db = (variance * (1.0 / p as f64 + toward * toward * certain)).sqrt().max(0.1);
        let offset_db = gain - middle;
        (offset_db.abs() >= LEAST_DB && offset_db.abs() >= OFFSET_T * error_db).then_some(offset_db)
    };
    gains.iter().zip(&toward).map(offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TETRAHEDRON: [[f64; 3]; 4] =
        [[0.01, 0.01, 0.01], [0.01, -0.01, -0.01], [-0.01, 0.01, -0.01], [-0.01, -0.01, 0.01]];

    /// Levels of cardioids that look outwards, with these gains, for sound from some azimuths.
    fn heard(gains_db: [f64; 4], azimuths_deg: &[f64]) -> Vec<Place> {
        let place = |azimuth_deg: &f64| {
            let (y, x) = azimuth_deg.to_radians().sin_cos();
            let level = |(m, gain): (&[f64; 3], f64)| {
                let cosine = (m[0] * x + m[1] * y) / (0.01 * 3f64.sqrt());
                gain + 20.0 * (0.5 + 0.5 * cosine).max(0.05).log10() - 30.0
            };
            Place { towards: [x, y, 0.0], levels_db: TETRAHEDRON.iter().zip(gains_db).map(level).collect() }
        };
        azimuths_deg.iter().map(place).collect()
    }

    #[test]
    fn gains_are_told_from_patterns() {
        let all_round = [0.0, 50.0, 100.0, 170.0, 230.0, 300.0];
        for azimuths_deg in [&all_round[..], &all_round[..4]] {
            assert_eq!(unmatched(&heard([0.0; 4], azimuths_deg), &TETRAHEDRON), [None; 4], "{azimuths_deg:?}");
        }
        let found = unmatched(&heard([0.0, 0.0, -12.0, 0.0], &all_round), &TETRAHEDRON);
        assert!(matches!(found[..], [None, None, Some(offset), None] if (offset + 12.0).abs() < 3.0), "{found:?}");
    }

    #[test]
    fn too_little_sound_says_nothing() {
        let loud = heard([0.0, 20.0, 0.0, 0.0], &[10.0]);
        assert_eq!(unmatched(&loud, &TETRAHEDRON), [None; 4]);
        assert_eq!(unmatched(&[], &TETRAHEDRON), [None; 4]);
    }
}
