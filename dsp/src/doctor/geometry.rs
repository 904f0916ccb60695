//! What the layout alone says.

use super::finding::{Finding, FindingKind, Remedy, Severity, channel_names};
use crate::array::{Extent, MicArray};
use crate::direction::norm;

/// Two capsules nearer than this, in metres, are hardly two.
const CLOSE_M: f64 = 0.002;
/// A capsule this many times as far out as the median …
const FAR_OUT: f64 = 5.0;
/// … and as the next one.
const FAR_OUT_OF_NEXT: f64 = 3.0;
/// Arrays smaller than this, in metres, do not exist.
const SMALL_M: f64 = 0.003;
/// The network has learned from arrays up to this wide, in metres.
pub const LEARNED_APERTURE_M: f64 = 0.45;
/// Arrays wider than this, in metres, look like millimetres or centimetres taken for metres.
const HUGE_M: f64 = 5.0;
/// Sizes that a change of units should lead to, in metres.
const PLAUSIBLE_M: std::ops::RangeInclusive<f64> = 0.01..=LEARNED_APERTURE_M;

/// Findings from the layout alone, for any speed of sound in metres a second above 0.
///
/// Muted capsules take no part. The order is that of [`FindingKind`].
pub fn geometry(array: &MicArray, speed_m_s: f64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |kind, severity, channels: Vec<usize>, title: String, evidence: String, remedy| {
        findings.push(Finding { kind, severity, channels, title, evidence, remedy });
    };
    let places = array.relative_positions_m();
    let channels: Vec<usize> = array.active().map(|c| c.channel).collect();
    let aperture_m = array.aperture_m();
    let c = places.len();

    match array.extent() {
        Extent::Planar => add(
            FindingKind::Planar,
            Severity::Info,
            Vec::new(),
            "All capsules lie in one plane".into(),
            format!(
                "The {c} capsules are within 1 % of a plane. A sound and its mirror image on the other side of it look alike: \
                 expect a second spot."
            ),
            None,
        ),
        Extent::Linear => add(
            FindingKind::Linear,
            Severity::Info,
            Vec::new(),
            "All capsules lie on one line".into(),
            format!(
                "The {c} capsules are within 1 % of a line. All directions at one angle to it look alike: expect a ring."
            ),
            None,
        ),
        Extent::Volume => {}
    }

    let too_small = aperture_m < SMALL_M;
    if !too_small {
        for (a, b) in pairs(c) {
            let apart_m = apart(places[a], places[b]);
            if apart_m < CLOSE_M {
                let both = vec![channels[a].min(channels[b]), channels[a].max(channels[b])];
                let evidence = format!(
                    "They are {:.1} mm apart, less than a capsule is wide. Is a coordinate mistyped, or one capsule listed twice?",
                    apart_m * 1000.0
                );
                let title = format!("The capsules of {} are in nearly one place", channel_names(&both));
                let remedy = (c > 2).then(|| Remedy::Mute { channels: vec![channels[b]] });
                add(FindingKind::Close, Severity::Warning, both, title, evidence, remedy);
            }
        }
    }

    if let Some((capsule, distance_m, median_m)) = far_out(&places) {
        let title = format!("The capsule of {} is far from all others", channel_names(&[channels[capsule]]));
        let evidence = format!(
            "It is {distance_m:.3} m from the middle of the array, {:.0} times as far as half of the capsules ({median_m:.3} m). \
             Is a unit or a decimal point mistaken?",
            distance_m / median_m.max(1e-9)
        );
        let remedy = Some(Remedy::Mute { channels: vec![channels[capsule]] });
        add(FindingKind::FarOut, Severity::Warning, vec![channels[capsule]], title, evidence, remedy);
    } else if too_small {
        let remedy = [10.0, 100.0, 1000.0].into_iter().rev().find(|f| PLAUSIBLE_M.contains(&(aperture_m * f)));
        add(
            FindingKind::TooSmall,
            Severity::Error,
            Vec::new(),
            "The array is smaller than any array".into(),
            format!(
                "Its farthest capsules are {:.2} mm apart. Coordinates are metres: are they too small by a thousand or a hundred?",
                aperture_m * 1000.0
            ),
            remedy.map(|factor| Remedy::ScaleBy { factor }),
        );
    } else if aperture_m > HUGE_M {
        let remedy = [0.001, 0.01].into_iter().find(|f| PLAUSIBLE_M.contains(&(aperture_m * f)));
        add(
            FindingKind::TooLarge,
            Severity::Error,
            Vec::new(),
            format!("The array is {aperture_m:.0} m wide"),
            "Coordinates are metres: were millimetres or centimetres typed?".into(),
            remedy.map(|factor| Remedy::ScaleBy { factor }),
        );
    } else if aperture_m > LEARNED_APERTURE_M {
        add(
            FindingKind::TooLarge,
            Severity::Warning,
            Vec::new(),
            format!("The array is wider than {LEARNED_APERTURE_M} m"),
            format!(
                "Its farthest capsules are {aperture_m:.2} m apart; the network has learned from arrays up to {LEARNED_APERTURE_M} m. \
                 Directions come with larger errors."
            ),
            None,
        );
    }

    let spacing_m = array.min_spacing_m();
    let aliasing_hz = speed_m_s / (2.0 * spacing_m);
    add(
        FindingKind::Aliasing,
        Severity::Info,
        Vec::new(),
        format!("No spatial aliasing below {aliasing_hz:.0} Hz"),
        format!(
            "The nearest capsules are {:.1} mm apart, half a wavelength at {aliasing_hz:.0} Hz. Higher tones alone can show up in \
             more than one direction; broadband sounds do not.",
            spacing_m * 1000.0
        ),
        None,
    );

    let mirrors: Vec<_> = pairs(c).filter(|&(a, b)| is_mirror(&places, aperture_m, a, b)).collect();
    if !mirrors.is_empty() {
        let mut of: Vec<usize> = mirrors.iter().flat_map(|&(a, b)| [channels[a], channels[b]]).collect();
        of.sort_unstable();
        of.dedup();
        let some = mirrors.iter().take(6).map(|&(a, b)| format!("{} and {}", channels[a] + 1, channels[b] + 1));
        let some = some.collect::<Vec<_>>().join(", ");
        let more = if mirrors.len() > 6 { ", …" } else { "" };
        add(
            FindingKind::Mirror,
            Severity::Info,
            of,
            "Some swaps of two channels can't be heard".into(),
            format!(
                "With the channels {some}{more} swapped the whole map is turned inside out, and every sound fits it as well. Say \
                 where you stand, or tap the capsules one by one."
            ),
            None,
        );
    }
    findings.sort_by_key(|f| f.kind);
    findings
}

/// Whether swapping two capsules gives the array's mirror image, as far as sound can tell: all others are as far from the one as from
/// the other, but for half a millimetre and 2 % of the aperture (root mean square). Positions `[C][3]` in metres.
pub(super) fn is_mirror(places: &[[f64; 3]], aperture_m: f64, a: usize, b: usize) -> bool {
    let others = (0..places.len()).filter(|&i| i != a && i != b);
    let square: f64 = others.map(|i| (apart(places[i], places[a]) - apart(places[i], places[b])).powi(2)).sum();
    (square / (places.len().max(3) - 2) as f64).sqrt() < 0.0005 + 0.02 * aperture_m
}

/// All pairs of C capsules, the smaller index first.
pub(super) fn pairs(capsules: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..capsules).flat_map(move |a| (a + 1..capsules).map(move |b| (a, b)))
}

/// The one capsule that is far from all others, its distance from the middle and the median distance in metres.
///
/// The middle is the median of each coordinate: a centroid would run after the stray.
fn far_out(places: &[[f64; 3]]) -> Option<(usize, f64, f64)> {
    if places.len() < 3 {
        return None;
    }
    let middle = std::array::from_fn(|i| median(places.iter().map(|p| p[i])));
    let mut distances: Vec<_> = places.iter().map(|&p| apart(p, middle)).enumerate().collect();
    let median_m = median(distances.iter().map(|d| d.1));
    distances.sort_by(|a, b| b.1.total_cmp(&a.1));
    let (capsule, farthest_m) = distances[0];
    (farthest_m > FAR_OUT * median_m && farthest_m > FAR_OUT_OF_NEXT * distances[1].1)
        .then_some((capsule, farthest_m, median_m))
}

/// The middle one of some numbers, or the mean of the two in the middle; 0 of none.
pub(super) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]),
    }
}

fn apart(a: [f64; 3], b: [f64; 3]) -> f64 {
    norm(std::array::from_fn(|i| a[i] - b[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets;

    fn kinds(places: &[[f64; 3]]) -> Vec<FindingKind> {
        geometry(&MicArray::from_positions("test", places).unwrap(), 343.0).into_iter().map(|f| f.kind).collect()
    }

    #[test]
    fn presets_have_nothing_but_information() {
        for preset in presets::all() {
            for finding in geometry(&preset.array, 343.0) {
                assert_eq!(finding.severity, Severity::Info, "{}: {finding:?}", preset.id);
            }
        }
    }

    #[test]
    fn what_an_array_cannot_tell_apart_is_said() {
        use FindingKind::{Aliasing, Linear, Mirror, Planar};
        assert_eq!(kinds(&[[0.0; 3], [0.01, 0.0, 0.0], [0.03, 0.0, 0.0], [0.07, 0.0, 0.0]]), [Linear, Aliasing]);
        assert_eq!(kinds(&[[0.0; 3], [0.05, 0.0, 0.0], [0.0, 0.09, 0.0], [0.03, 0.03, 0.0]]), [Planar, Aliasing]);
        let tetrahedron = presets::find("a-format-tetrahedron").unwrap().array;
        let found = geometry(&tetrahedron, 343.0);
        assert_eq!(found.iter().map(|f| f.kind).collect::<Vec<_>>(), [Aliasing, Mirror]);
        assert_eq!(found[1].channels, [0, 1, 2, 3]);
        let half_wave_m = 343.0 / 2.0 / tetrahedron.min_spacing_m();
        assert!(found[0].title.contains(&format!("{half_wave_m:.0} Hz")), "{}", found[0].title);
    }

    #[test]
    fn mistaken_units_are_found_and_mended() {
        let ring = presets::find("frl-open-7").unwrap().array;
        let grown: Vec<_> = ring.active().map(|c| c.position_m.map(|x| x * 1000.0)).collect();
        for (factor, kind) in [(1000.0, FindingKind::TooLarge), (0.01, FindingKind::TooSmall)] {
            let scaled: Vec<_> = ring.active().map(|c| c.position_m.map(|x| x * factor)).collect();
            let array = MicArray::from_positions("mistaken", &scaled).unwrap();
            let found = geometry(&array, 343.0).into_iter().find(|f| f.kind == kind).expect("found");
            let mended = found.remedy.expect("a remedy").apply(&array).unwrap();
            assert!(PLAUSIBLE_M.contains(&mended.aperture_m()), "{}", mended.aperture_m());
            assert!(geometry(&mended, 343.0).iter().all(|f| f.severity == Severity::Info));
        }
        // One line in millimetres among metres.
        let mut stray: Vec<_> = ring.active().map(|c| c.position_m).collect();
        stray[4] = grown[4];
        let array = MicArray::from_positions("stray", &stray).unwrap();
        let found = geometry(&array, 343.0).into_iter().find(|f| f.kind == FindingKind::FarOut).expect("found");
        assert_eq!(found.channels, [4]);
        assert_eq!(found.remedy.expect("a remedy").apply(&array).unwrap().active_len(), 6);
    }

    #[test]
    fn near_capsules_and_wide_arrays_are_warned_of() {
        let mut places = vec![[0.0; 3], [0.05, 0.0, 0.0], [0.0, 0.09, 0.0], [0.03, 0.03, 0.02]];
        places.push([0.05, 0.001, 0.0]);
        let array = MicArray::from_positions("near", &places).unwrap();
        let found = geometry(&array, 343.0).into_iter().find(|f| f.kind == FindingKind::Close).expect("found");
        assert_eq!((found.channels, found.remedy), (vec![1, 4], Some(Remedy::Mute { channels: vec![4] })));
        let wide: Vec<_> = places[..4].iter().map(|p| p.map(|x| x * 10.0)).collect();
        assert!(kinds(&wide).contains(&FindingKind::TooLarge));
    }

    #[test]
    fn spread_out_arrays_have_no_strays() {
        let octaves: Vec<_> = (0..7).map(|i| [0.01 * f64::from(1 << i), 0.0, 0.0]).collect();
        assert!(!kinds(&octaves).contains(&FindingKind::FarOut));
    }
}
