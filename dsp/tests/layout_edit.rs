//! Operations on arrays, shapes and the history, at their public seam.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use spherescope_dsp::array::{ArrayError, Capsule, Extent, MAX_CAPSULES, MicArray};
use spherescope_dsp::harmonics::{degrees, real_harmonics};
use spherescope_dsp::layout_edit::{Axis, History, SphericalDesign, shapes};
use spherescope_dsp::{Direction, presets};

/// Arrays of 2 to 63 capsules on any channels; the first two are not muted.
fn arrays() -> impl Strategy<Value = MicArray> {
    let channels = Just((0..64).collect::<Vec<usize>>()).prop_shuffle();
    let capsule = (prop::array::uniform3(-2.0f64..2.0), prop::bool::weighted(0.2));
    (channels, prop::collection::vec(capsule, 2..64)).prop_filter_map("an array", |(channels, capsules)| {
        let capsules = capsules.into_iter().enumerate().map(|(i, (position_m, muted))| Capsule {
            channel: channels[i],
            position_m,
            muted: muted && i > 1,
        });
        MicArray::new("any", capsules.collect()).ok()
    })
}

fn axes() -> impl Strategy<Value = Axis> {
    prop::sample::select(Axis::ALL.to_vec())
}

/// Whether only the positions differ, and those by rounding.
fn near(a: &MicArray, b: &MicArray) -> bool {
    a.name() == b.name()
        && a.capsules().len() == b.capsules().len()
        && a.capsules().iter().zip(b.capsules()).all(|(a, b)| {
            (a.channel, a.muted) == (b.channel, b.muted)
                && a.position_m.iter().zip(b.position_m).all(|(x, y)| (x - y).abs() < 1e-9)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2), ..ProptestConfig::with_cases(128) })]

    #[test]
    fn what_is_turned_mirrored_and_scaled_comes_back(
        array in arrays(), axis in axes(), angle_deg in -720.0f64..720.0, factor in 0.1f64..10.0,
    ) {
        let turned = array.rotated(axis, angle_deg).unwrap();
        prop_assert!(near(&turned.rotated(axis, -angle_deg).unwrap(), &array));
        prop_assert!((turned.aperture_m() - array.aperture_m()).abs() < 1e-9);
        prop_assert_eq!(array.mirrored(axis).unwrap().mirrored(axis).unwrap(), array.clone());
        prop_assert!(near(&array.scaled(factor).unwrap().scaled(1.0 / factor).unwrap(), &array));
        let radius_m = array.radius_m();
        let sized = array.scaled_to_radius_m(factor).unwrap();
        prop_assert!((sized.radius_m() - factor).abs() < 1e-9);
        prop_assert!(near(&sized.scaled_to_radius_m(radius_m).unwrap(), &array));
    }

    #[test]
    fn quarter_turns_are_exact(array in arrays(), axis in axes()) {
        let mut turned = array.clone();
        for _ in 0..4 {
            turned = turned.rotated(axis, 90.0).unwrap();
        }
        prop_assert_eq!(&turned, &array);
        prop_assert_eq!(array.rotated(axis, -90.0).unwrap(), array.rotated(axis, 270.0).unwrap());
    }

    #[test]
    fn centring_moves_the_whole_only(array in arrays()) {
        let centred = array.centred().unwrap();
        prop_assert!(centred.centroid_m().iter().all(|x| x.abs() < 1e-12));
        for (a, b) in array.relative_positions_m().into_iter().zip(centred.relative_positions_m()) {
            prop_assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-9));
        }
    }

    #[test]
    fn added_capsules_find_a_channel_and_a_place(array in arrays(), which: prop::sample::Index) {
        let index = which.index(array.capsules().len());
        for (longer, at) in [
            (array.with_capsule().unwrap(), array.capsules().len()),
            (array.with_duplicate(index).unwrap(), index + 1),
        ] {
            let added = longer.capsules()[at];
            let lowest = (0..).find(|c| array.capsules().iter().all(|k| k.channel != *c)).unwrap();
            prop_assert_eq!(added.channel, lowest);
            // Without the new one, all is as before.
            let mut rest = longer.capsules().to_vec();
            rest.remove(at);
            prop_assert_eq!(&rest[..], array.capsules());
            if longer.without_capsule(at).is_ok() {
                prop_assert_eq!(longer.without_capsule(at).unwrap(), array.clone());
            }
        }
        prop_assert_eq!(array.with_duplicate(index).unwrap().capsules()[index + 1].muted, array.capsules()[index].muted);
    }

    #[test]
    fn moves_and_channels_go_back(array in arrays(), from: prop::sample::Index, to: prop::sample::Index, channel in 0usize..64) {
        let (from, to) = (from.index(array.capsules().len()), to.index(array.capsules().len()));
        let moved = array.with_capsule_moved(from, to).unwrap();
        prop_assert_eq!(moved.capsules()[to], array.capsules()[from]);
        prop_assert_eq!(moved.with_capsule_moved(to, from).unwrap(), array.clone());

        let swapped = array.with_channel(from, channel).unwrap();
        prop_assert_eq!(swapped.capsules()[from].channel, channel);
        prop_assert_eq!(swapped.with_channel(from, array.capsules()[from].channel).unwrap(), array.clone());
        let channels: Vec<_> = array.capsules().iter().map(|c| c.channel).collect();
        prop_assert_eq!(array.with_channels_in_order(1).unwrap().with_channels(&channels).unwrap(), array);
    }
}

#[test]
fn turns_are_counter_clockwise() {
    let array = MicArray::from_positions("t", &[[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]).unwrap();
    for (axis, expected) in [
        (Axis::Z, [[0.0, 1.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 0.0, 3.0]]),
        (Axis::X, [[1.0, 0.0, 0.0], [0.0, 0.0, 2.0], [0.0, -3.0, 0.0]]),
        (Axis::Y, [[0.0, 0.0, -1.0], [0.0, 2.0, 0.0], [3.0, 0.0, 0.0]]),
    ] {
        let turned = array.rotated(axis, 90.0).unwrap();
        assert_eq!(turned.capsules().iter().map(|c| c.position_m).collect::<Vec<_>>(), expected, "{axis:?}");
    }
    let mirrored = array.mirrored(Axis::X).unwrap();
    assert_eq!(mirrored.capsules()[0].position_m, [-1.0, 0.0, 0.0]);
    assert!(mirrored.capsules()[1].position_m[0].is_sign_positive(), "no −0 in the editor");
}

#[test]
fn single_capsules_are_changed() {
    let array = presets::find("a-format-tetrahedron").unwrap().array;
    let muted = array.with_muted(2, true).unwrap();
    assert_eq!((muted.active_len(), muted.with_muted(2, false).unwrap()), (3, array.clone()));
    let placed = array.with_position(1, [0.0, 0.0, 0.5]).unwrap();
    assert_eq!(placed.capsules()[1], Capsule::new(1, [0.0, 0.0, 0.5]));
    let added = array.with_capsule_at([0.0; 3]).unwrap();
    assert_eq!(added.capsules()[4], Capsule::new(4, [0.0; 3]));
    assert_eq!(array.with_name("Mine").unwrap().name(), "Mine");
    // A line goes on as it began.
    let line = MicArray::from_positions("line", &[[0.0; 3], [0.02, 0.0, 0.0], [0.04, 0.0, 0.0]]).unwrap();
    assert!((line.with_capsule().unwrap().capsules()[3].position_m[0] - 0.06).abs() < 1e-12);
}

#[test]
fn capsules_are_added_until_the_array_is_full_wherever_it_stands() {
    for (a, b) in [
        ([0.0; 3], [0.1, 0.0, 0.0]),
        ([100.0, 0.0, 0.0], [-100.0, 0.0, 0.0]),
        ([0.0, 0.0, -100.0], [0.0, 0.0, -99.9]),
        ([57.7, 57.7, 57.7], [57.7, 57.7, 57.69999]),
        ([0.0; 3], [1.1e-5, 0.0, 0.0]),
    ] {
        let mut array = MicArray::from_positions("pair", &[a, b]).unwrap();
        while array.capsules().len() < MAX_CAPSULES {
            array = array.with_capsule().unwrap();
        }
        assert_eq!(array.with_capsule().unwrap_err(), ArrayError::TooMany { found: 65 });
        assert_eq!(array.with_duplicate(0).unwrap_err(), ArrayError::TooMany { found: 65 });
        assert!(array.capsules().iter().enumerate().all(|(i, c)| c.channel == i));
    }
}

#[test]
fn what_cannot_be_done_is_refused_and_says_why() {
    let array = presets::find("ring-6").unwrap().array;
    let pair = MicArray::from_positions("pair", &[[0.0; 3], [0.1, 0.0, 0.0]]).unwrap();
    for (result, message) in [
        (array.without_capsule(6), "expected a capsule from 0 to 5, found 6"),
        (array.with_capsule_moved(0, 6), "expected a capsule from 0 to 5, found 6"),
        (array.with_position(9, [0.0; 3]), "expected a capsule from 0 to 5, found 9"),
        (array.with_duplicate(usize::MAX), "found 18446744073709551615"),
        (array.with_position(1, [0.0463, 0.0, 0.0]), "same coordinates as capsule 0"),
        (array.with_position(1, [f64::NAN, 0.0, 0.0]), "finite x"),
        (array.with_channel(0, 64), "channel from 0 to 63, found 64"),
        (array.with_channels_in_order(60), "capsule 4: expected a channel from 0 to 63, found 64"),
        (array.with_channels_in_order(usize::MAX), "channel from 0 to 63"),
        (array.with_channels(&[0, 1]), "number of channels: expected one for each capsule, found 2"),
        (array.with_channels(&[0, 1, 2, 3, 4, 0]), "found channel 0, which capsule 0 has"),
        (pair.without_capsule(0), "at least 2 capsules that are not muted, found 1"),
        (pair.with_muted(1, true), "at least 2 capsules that are not muted, found 1"),
        (array.scaled(0.0), "factor: expected a number above 0, found 0"),
        (array.scaled(f64::NAN), "factor: expected a number above 0, found NaN"),
        (array.scaled(-1.0), "factor: expected a number above 0, found -1"),
        (array.scaled(1e300), "at most 100 m"),
        (array.scaled(1e-6), "same coordinates"),
        (array.scaled_to_radius_m(f64::INFINITY), "radius in metres: expected a number above 0, found inf"),
        (array.rotated(Axis::Z, f64::INFINITY), "angle in degrees: expected a finite number, found inf"),
        (array.with_name("two\nlines"), "one line"),
        (shapes::ring(2, 0.1), "capsules in the ring: expected 3 to 64, found 2"),
        (shapes::ring(6, 0.0), "radius in metres: expected a number above 0, found 0"),
        (shapes::ring(6, 200.0), "at most 100 m"),
        (shapes::line(65, 0.1), "capsules in the line: expected 2 to 64, found 65"),
        (shapes::line_of_length(2, -1.0), "length in metres"),
        (shapes::grid(0, 4, 0.1), "rows of the grid: expected 1 to 64, found 0"),
        (shapes::grid(1, 1, 0.1), "capsules in the grid: expected 2 to 64, found 1"),
        (shapes::grid(9, 8, 0.1), "capsules in the grid: expected 2 to 64, found 72"),
        (shapes::grid(usize::MAX, 2, 0.1), "rows of the grid"),
        (shapes::tetrahedron(f64::NAN), "radius in metres"),
        (shapes::fibonacci_sphere(3, 0.1), "capsules on the sphere: expected 4 to 64, found 3"),
        (shapes::design_sphere(SphericalDesign::Cube, -0.1), "radius in metres"),
    ] {
        let found = result.unwrap_err().to_string();
        assert!(found.contains(message), "{found:?} should say {message:?}");
    }
}

#[test]
fn shapes_are_what_they_are_called() {
    let ring = shapes::ring(6, 0.0463).unwrap();
    assert_eq!((ring.name(), ring.extent()), ("Ring of 6, 46.3 mm", Extent::Planar));
    for (a, b) in ring.capsules().iter().zip(presets::find("ring-6").unwrap().array.capsules()) {
        assert!(a.channel == b.channel && a.position_m.iter().zip(b.position_m).all(|(x, y)| (x - y).abs() < 1e-6));
    }
    let line = shapes::line(5, 0.03).unwrap();
    assert_eq!((line.name(), line.extent()), ("Line of 5, 30 mm apart", Extent::Linear));
    assert_eq!((line.capsules()[0].position_m, line.capsules()[2].position_m), ([0.0, 0.06, 0.0], [0.0; 3]));
    assert!((shapes::line_of_length(9, 0.4).unwrap().aperture_m() - 0.4).abs() < 1e-12);
    let grid = shapes::grid(2, 4, 0.042).unwrap();
    assert_eq!((grid.active_len(), grid.extent(), grid.name()), (8, Extent::Planar, "Grid of 2 × 4, 42 mm apart"));
    assert_eq!(grid.capsules()[0].position_m, [0.021, 0.063, 0.0]);
    assert!((grid.min_spacing_m() - 0.042).abs() < 1e-12);
    let a_format = shapes::tetrahedron(0.02).unwrap();
    for (a, b) in a_format.capsules().iter().zip(presets::find("a-format-tetrahedron").unwrap().array.capsules()) {
        assert!(a.position_m.iter().zip(b.position_m).all(|(x, y)| (x - y).abs() < 1e-6));
    }
    for n in 4..=64 {
        let sphere = shapes::fibonacci_sphere(n, 0.05).unwrap();
        assert_eq!((sphere.active_len(), sphere.extent()), (n, Extent::Volume));
        let radius_m = |c: &Capsule| c.position_m.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!(sphere.capsules().iter().all(|c| (radius_m(c) - 0.05).abs() < 1e-12));
        assert!(sphere.min_spacing_m() > 0.05 * 2.4 / (n as f64).sqrt(), "{n}: {}", sphere.min_spacing_m());
    }
}

#[test]
fn designs_integrate_harmonics_up_to_their_strength_and_no_further() {
    for design in SphericalDesign::ALL {
        let array = shapes::design_sphere(design, 0.042).unwrap();
        assert_eq!(array.active_len(), design.len());
        assert!(array.name().starts_with(&design.to_string()));
        let order = design.strength() + 1;
        let mut sums = vec![0.0; (order + 1) * (order + 1)];
        for c in array.capsules() {
            let direction = Direction::from_vector(c.position_m).unwrap();
            assert!((c.position_m.iter().map(|x| x * x).sum::<f64>().sqrt() - 0.042).abs() < 1e-14);
            for (sum, y) in sums.iter_mut().zip(real_harmonics(&direction, order)) {
                *sum += y / design.len() as f64;
            }
        }
        let worst = |degree: usize| {
            degrees(order).zip(&sums).filter(|(n, _)| *n == degree).map(|(_, s)| s.abs()).fold(0.0, f64::max)
        };
        for degree in 1..=design.strength() {
            assert!(worst(degree) < 1e-13, "{design}: degree {degree}: {}", worst(degree));
        }
        assert!(worst(order) > 1e-3, "{design} is stronger than it says: {}", worst(order));
        // No two capsules closer than half of what an even spread would give.
        assert!(array.min_spacing_m() > 0.042 * 1.2 / (design.len() as f64).sqrt(), "{design}");
        // From top to bottom.
        assert!(array.capsules().windows(2).all(|w| w[0].position_m[2] > w[1].position_m[2] - 1e-9));
    }
    assert_eq!(SphericalDesign::ALL.map(SphericalDesign::len), [4, 6, 8, 12, 20, 24, 36, 48, 60]);
}

/// Arrays told apart by their width.
fn states(n: usize) -> Vec<Arc<MicArray>> {
    (1..=n).map(|i| Arc::new(shapes::line(2, 0.1 * i as f64).unwrap())).collect()
}

#[test]
fn history_goes_back_and_forth() {
    let s = states(4);
    let mut history = History::new();
    assert_eq!((history.undo(s[0].clone()), history.redo(s[0].clone())), (None, None));
    history.record("Add", s[0].clone());
    history.record("Rotate", s[1].clone());
    assert_eq!((history.undo_label(), history.redo_label()), (Some("Rotate"), None));
    assert_eq!(history.undo(s[2].clone()), Some(("Rotate".into(), s[1].clone())));
    assert_eq!(history.undo(s[1].clone()), Some(("Add".into(), s[0].clone())));
    assert_eq!((history.undo_label(), history.redo_label()), (None, Some("Add")));
    assert_eq!(history.redo(s[0].clone()), Some(("Add".into(), s[1].clone())));
    assert_eq!(history.undo_label(), Some("Add"));
    // A new change forgets what could be redone.
    history.record("Scale", s[1].clone());
    assert_eq!(history.redo(s[3].clone()), None);
    assert_eq!(history.undo(s[3].clone()), Some(("Scale".into(), s[1].clone())));
    assert_eq!(history.undo(s[1].clone()), Some(("Add".into(), s[0].clone())));
}

#[test]
fn a_drag_is_one_step() {
    let s = states(8);
    let mut history = History::new();
    for before in &s[..3] {
        history.record_merged("Move", "x of 0", before.clone());
    }
    history.record_merged("Move", "y of 0", s[3].clone());
    history.close();
    history.record_merged("Move", "y of 0", s[4].clone());
    history.record("Mirror", s[5].clone());
    history.record_merged("Move", "y of 0", s[6].clone());
    let mut current = s[7].clone();
    for expected in [6, 5, 4, 3, 0] {
        current = history.undo(current).unwrap().1;
        assert_eq!(current, s[expected]);
    }
    assert_eq!(history.undo(current.clone()), None);
    // After undo or redo a drag begins anew.
    history.record_merged("Move", "z", s[0].clone());
    history.undo(s[1].clone()).unwrap();
    history.redo(s[0].clone()).unwrap();
    history.record_merged("Move", "z", s[1].clone());
    assert_eq!(history.undo(s[2].clone()).unwrap().1, s[1]);
    assert_eq!(history.undo(s[1].clone()).unwrap().1, s[0]);
}

#[test]
fn old_changes_are_forgotten() {
    let s = states(History::MAX_STEPS + 10);
    let mut history = History::new();
    for before in &s {
        history.record("Change", before.clone());
    }
    let mut current = s[0].clone();
    let mut steps = 0;
    while let Some((_, before)) = history.undo(current.clone()) {
        current = before;
        steps += 1;
    }
    assert_eq!((steps, &current), (History::MAX_STEPS, &s[10]));
}
