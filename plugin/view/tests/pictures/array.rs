//! The array: looked at, edited by mouse and keys, undone, imported, examined.

use std::sync::Arc;

use egui::{Event, Key, vec2};
use spherescope_dsp::doctor::{Finding, FindingKind, Remedy, Severity};
use spherescope_dsp::layout_file::LayoutFormat;
use spherescope_dsp::presets;
use spherescope_view::{Action, Coordinates, LengthUnit, OpenedFile, Tab};

use crate::studio::{Studio, Window};

const SIZE: [f32; 2] = [1100.0, 900.0];

/// The tab of the array, with a tetrahedron of four capsules.
fn studio() -> Studio {
    let mut studio = Studio::scene();
    studio.state.tab = Tab::Array;
    studio.layout = presets::find("a-format-tetrahedron").unwrap().array;
    studio.state.panels.doctor = false;
    studio
}

fn type_text(window: &mut Window, text: &str) {
    window.harness.event(Event::Text(text.into()));
    window.harness.run_steps(1);
    window.harness.key_press(Key::Enter);
    window.harness.run_steps(3);
}

#[test]
fn the_array_in_space_from_four_to_sixty_four_capsules() {
    for id in ["a-format-tetrahedron", "eigenmike-em32", "minidsp-uma-16"] {
        let mut studio = studio();
        studio.layout = presets::find(id).unwrap().array;
        studio.state.panels.tools = true;
        let Some(mut window) = Window::open(studio, SIZE, 1.0) else { return };
        let picture = window.picture(&format!("array-{id}"));
        assert!(picture.colours() > 40);
        assert!(window.part("Array in space").width() > 600.0);
    }
    for size in [[480.0, 320.0], [500.0, 700.0], [40.0, 30.0]] {
        let Some(mut window) = Window::open(studio(), size, 1.0) else { return };
        window.picture(&format!("array-{}x{}", size[0], size[1]));
    }
}

#[test]
fn a_capsule_is_moved_by_steppers_typing_and_dragging_and_every_step_can_be_undone() {
    let Some(mut window) = Window::open(studio(), SIZE, 1.0) else { return };
    let place = |window: &Window, i: usize| window.studio.borrow().layout.capsules()[i].position_m;
    let first = window.studio.borrow().layout.clone();
    window.click("Capsule 2");
    let x = place(&window, 1)[0];
    window.click("Raise x");
    window.click("Raise x");
    let stepped = place(&window, 1)[0];
    assert!((stepped - x).abs() > 5e-4 && (stepped * 1e3).fract().abs() < 1e-6, "{x} → {stepped}");

    window.click("Capsule 3 y");
    type_text(&mut window, "1.25 cm");
    assert!((place(&window, 2)[1] - 0.0125).abs() < 1e-12);
    window.picture("array-edited");

    // Clicks in a row on one stepper are one step; so are the typed number and the drag.
    let space = window.part("Array in space");
    let before = window.studio.borrow().layout.clone();
    window.drag(space.center(), vec2(60.0, 0.0));
    assert_eq!(window.studio.borrow().layout, before, "beside the capsules a drag turns the view");
    window.click("Undo");
    assert!((place(&window, 2)[1] - 0.0125).abs() > 1e-4);
    window.click("Undo");
    assert_eq!(window.studio.borrow().layout, first);
    window.click("Redo");
    assert_eq!(place(&window, 1)[0], stepped);
}

#[test]
fn channels_capsules_and_shapes_are_changed_and_nonsense_is_said() {
    let Some(mut window) = Window::open(studio(), SIZE, 1.0) else { return };
    let count = |window: &Window| window.studio.borrow().layout.capsules().len();
    window.click("Add");
    assert_eq!(count(&window), 5);
    window.click("Delete");
    assert_eq!(count(&window), 4);
    window.click("Capsule 1 channel");
    type_text(&mut window, "3");
    let channels: Vec<_> = window.studio.borrow().layout.capsules().iter().map(|c| c.channel).collect();
    assert_eq!(channels, [2, 1, 0, 3], "the two capsules change places on the bus");

    // A place that another capsule has is refused, and the array stays.
    let before = window.studio.borrow().layout.clone();
    let [x, y, z] = before.capsules()[1].position_m.map(|v| v * 1e3);
    let mm = |v: f64| format!("{v}");
    {
        let mut studio = window.studio.borrow_mut();
        studio.state.length_unit = LengthUnit::Millimetre;
        studio.state.coordinates = Coordinates::Cartesian;
    }
    window.click("Capsule 1 x");
    type_text(&mut window, &mm(x));
    window.click("Capsule 1 y");
    type_text(&mut window, &mm(y));
    window.click("Capsule 1 z");
    let moved = window.studio.borrow().layout.clone();
    type_text(&mut window, &mm(z));
    if window.studio.borrow().layout != moved {
        panic!("two capsules in one place were taken");
    }
    window.picture("array-refused");
    assert!(window.says("Move capsule: capsule 2 would stand in the place of capsule 1"));

    window.click("Tools");
    window.click("Generate…");
    window.click("Sphere");
    window.click("Replace the array");
    assert_eq!(count(&window), 8);
    window.picture("array-generated");
}

#[test]
fn a_broken_file_is_said_line_by_line_and_a_good_one_is_taken() {
    let Some(mut window) = Window::open(studio(), SIZE, 1.0) else { return };
    let before = window.studio.borrow().layout.clone();
    let open = |window: &mut Window, number: u64, text: Result<&str, &str>| {
        let text = text.map(str::to_owned).map_err(str::to_owned);
        window.studio.borrow_mut().opened = Some(OpenedFile { number, text });
        window.harness.run_steps(3);
    };
    open(&mut window, 1, Err("ring.csv: cannot be read: no such file"));
    assert!(window.says("cannot be read"));
    open(&mut window, 2, Ok("channel,x_m,y_m,z_m\n0,0.1,0,0\n1,abc,0,0\n"));
    window.picture("import-broken");
    assert!(window.says("Line 3"));
    assert_eq!(window.studio.borrow().layout, before);

    // Directions without a size: the radius is asked for.
    let unit = before.scaled_to_radius_m(1.0).unwrap();
    let iem: String = LayoutFormat::IemJson.write(&unit).lines().collect::<Vec<_>>().join("\n");
    let bare = iem.replace("\"x_m\"", "\"no_x\"").replace("\"y_m\"", "\"no_y\"").replace("\"z_m\"", "\"no_z\"");
    open(&mut window, 3, Ok(&bare));
    window.picture("import-directions");
    assert!(window.says("directions without a size"));
    window.click("42");
    window.click("Use this layout");
    let taken = window.studio.borrow().layout.clone();
    assert!((taken.radius_m() - 0.042).abs() < 1e-6, "{}", taken.radius_m());
    window.click("Undo");
    assert_eq!(window.studio.borrow().layout, before);
}

#[test]
fn the_doctor_names_what_is_wrong_and_a_click_mends_it() {
    let mut studio = studio();
    studio.state.panels.doctor = true;
    studio.snapshot.doctor_heard_s = 14.0;
    studio.snapshot.findings = Arc::from([Finding {
        kind: FindingKind::Swapped,
        severity: Severity::Error,
        channels: vec![1, 2],
        title: "Channels 2 and 3 are swapped".into(),
        evidence: "In 31 of 33 moments from 5 places the delays fit with the two exchanged".into(),
        remedy: Some(Remedy::SwapChannels { a: 1, b: 2 }),
    }]);
    let Some(mut window) = Window::open(studio, SIZE, 1.0) else { return };
    window.picture("doctor-swapped");
    assert!(window.says("1 error") || window.says("Channels 2 and 3 are swapped"));
    window.click("Swap channels 2 and 3");
    let channels: Vec<_> = window.studio.borrow().layout.capsules().iter().map(|c| c.channel).collect();
    assert_eq!(channels, [0, 2, 1, 3]);
    let actions = window.actions();
    assert!(matches!(&actions[..], [Action::SetLayout(_)]), "{actions:?}");
}
