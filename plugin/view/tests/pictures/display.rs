//! The map's display: scales, hold, freeze, the history strip and the pinned direction.

use egui::{Event, Key, Modifiers, Rect, pos2, vec2};
use spherescope_view::{Action, ColourMap, Hold, MapKind, ParamId, Projection, Scale};

use crate::studio::{Studio, Window, direction};

const SIZE: [f32; 2] = [1100.0, 720.0];

/// A scene without marks in a colour map whose brightness tells the value.
fn bare(sources: &[(f64, f64, f32)]) -> Studio {
    let mut studio = Studio::hearing(sources);
    studio.snapshot.peaks.clear();
    studio.snapshot.tracks.clear();
    studio.state.colour_map = ColourMap::Lagoon;
    studio
}

/// A square around a direction on the rectangular map.
fn around(map: Rect, azimuth: f32, elevation: f32) -> Rect {
    let at = map.min + vec2((0.5 - azimuth / 360.0) * map.width(), (0.5 - elevation / 180.0) * map.height());
    Rect::from_center_size(at, vec2(8.0, 8.0))
}

#[test]
fn decibels_and_auto_range_show_what_is_weak() {
    let weak = [(60.0, 10.0, 0.2)];
    let mut seen = Vec::new();
    for (scale, auto_range) in
        [(Scale::Probability, false), (Scale::Decibels, false), (Scale::Probability, true), (Scale::Decibels, true)]
    {
        let mut studio = bare(&weak);
        (studio.state.scale, studio.state.auto_range) = (scale, auto_range);
        let Some(mut window) = Window::open(studio, SIZE, 1.0) else { return };
        let map = window.part("Map of the sphere");
        seen.push(window.picture(&format!("scale-{scale:?}-{auto_range}")).mean(around(map, 60.0, 10.0)));
    }
    assert!(seen[1] > seen[0] + 60.0, "dB: {seen:?}");
    assert!(seen[2] > seen[0] + 60.0 && seen[3] > 180.0, "auto: {seen:?}");
}

#[test]
fn held_maxima_stay_and_can_be_cleared() {
    let mut studio = bare(&[(60.0, 10.0, 0.9)]);
    studio.state.hold = Hold::Forever;
    studio.state.panels.array = false;
    let Some(mut window) = Window::open(studio, SIZE, 1.0) else { return };
    let map = window.part("Map of the sphere");
    let move_on = |window: &Window, sequence: u64, t_s: f64| {
        let mut studio = window.studio.borrow_mut();
        let grid = studio.snapshot.grid.clone();
        let next = bare(&[(-60.0, 10.0, 0.9)]).snapshot;
        studio.snapshot = spherescope_view::Snapshot { grid, sequence, t_s, ..next };
    };
    move_on(&window, 2, 2.0);
    window.harness.run_steps(2);
    let picture = window.picture("hold-forever");
    let [old, new] = [60.0, -60.0].map(|az| picture.mean(around(map, az, 10.0)));
    assert!(old > 150.0 && new > 150.0, "{old} and {new}");

    window.click("Clear");
    move_on(&window, 3, 3.0);
    window.harness.run_steps(2);
    let picture = window.picture("hold-cleared");
    let [old, new] = [60.0, -60.0].map(|az| picture.mean(around(map, az, 10.0)));
    assert!(old < 60.0 && new > 150.0, "{old} and {new}");

    // A short hold fades by half in half a second.
    window.studio.borrow_mut().state.hold = Hold::Short;
    window.harness.run_steps(2);
    let mut studio = window.studio.borrow_mut();
    studio.snapshot.sequence = 4;
    studio.snapshot.t_s = 9.0;
    studio.snapshot.spectrum.fill(0.0);
    drop(studio);
    window.harness.run_steps(2);
    assert!(window.picture("hold-faded").mean(around(map, -60.0, 10.0)) < 60.0);
}

#[test]
fn a_frozen_picture_stays_while_the_sound_goes_on() {
    let Some(mut window) = Window::open(bare(&[(60.0, 10.0, 0.9)]), SIZE, 1.0) else { return };
    let map = window.part("Map of the sphere");
    window.click("Freeze");
    {
        let mut studio = window.studio.borrow_mut();
        let grid = studio.snapshot.grid.clone();
        let next = bare(&[(-60.0, 10.0, 0.9)]).snapshot;
        studio.snapshot = spherescope_view::Snapshot { grid, sequence: 9, t_s: 2.0, ..next };
    }
    window.harness.remove_cursor();
    window.harness.run_steps(3);
    let frozen = window.picture("frozen");
    assert!(frozen.mean(around(map, 60.0, 10.0)) > 150.0 && frozen.mean(around(map, -60.0, 10.0)) < 60.0);
    window.click("Frozen");
    window.harness.run_steps(2);
    let live = window.picture("thawed");
    assert!(live.mean(around(map, 60.0, 10.0)) < 60.0 && live.mean(around(map, -60.0, 10.0)) > 150.0);
}

#[test]
fn the_history_shows_who_spoke_when_and_what_the_pin_heard() {
    let mut studio = Studio::scene();
    studio.state.history_s = 30;
    let Some(mut window) = Window::open(studio, [1280.0, 800.0], 1.0) else { return };
    let map = window.part("Map of the sphere");
    let pinned = around(map, -71.0, -24.0).center();
    window.click_at(pinned);
    window.harness.remove_cursor();
    window.live(26.0);
    let strip = window.part("History strip");
    let picture = window.picture("history");
    // Two thirds of the way up from the old edge: 26 of 30 s are there, the first eighth is dark.
    let old = Rect::from_min_max(strip.min, pos2(strip.left() + 0.1 * strip.width(), strip.bottom() - 60.0));
    let recent = Rect::from_min_max(pos2(strip.left() + 0.3 * strip.width(), strip.top()), strip.max);
    assert!(picture.mean(old) < 0.6 * picture.mean(recent), "{} {}", picture.mean(old), picture.mean(recent));
    assert!(window.says("Source 1") && window.says("Source 2"));

    // Another click on the pin takes it away, and the strip gives its room back.
    let map = window.part("Map of the sphere");
    window.click_at(around(map, -71.0, -24.0).center());
    window.harness.remove_cursor();
    window.harness.run_steps(2);
    assert!(window.part("History strip").height() < strip.height() - 30.0);
    window.picture("history-without-pin");

    // The same on the other maps.
    for kind in MapKind::ALL {
        window.studio.borrow_mut().state.map = kind;
        window.harness.run_steps(2);
        window.picture(&format!("live-{kind:?}"));
    }
    window.studio.borrow_mut().state.projection = Projection::Split;
    window.harness.run_steps(2);
    window.picture("live-both");
}

#[test]
fn a_source_that_pauses_keeps_its_number_and_is_listed() {
    let mut studio = Studio::scene();
    let quiet = studio.snapshot.peaks.pop().unwrap();
    let Some(window) = Window::open(studio, SIZE, 1.0) else { return };
    assert!(window.says("pausing"), "{quiet:?}");
    let mut studio = Studio::scene();
    studio.snapshot.tracks.retain(|t| t.direction.angle_to_deg(&direction(-71.0, 24.0)) > 10.0);
    let Some(mut window) = Window::open(studio, SIZE, 1.0) else { return };
    window.picture("new-source");
    assert!(window.says("New source: az −71°"));
}

#[test]
fn a_number_can_be_typed_and_what_is_none_is_refused() {
    let Some(mut window) = Window::open(Studio::scene(), SIZE, 1.0) else { return };
    let type_text = |window: &mut Window, text: &str| {
        window.harness.event(Event::Text(text.into()));
        window.harness.run_steps(1);
        window.harness.key_press(Key::Enter);
        window.harness.run_steps(3);
    };
    window.click("Threshold value");
    type_text(&mut window, "0,72");
    let set = |actions: Vec<Action>| {
        actions.into_iter().find_map(|a| match a {
            Action::SetParam(change) if change.id == ParamId::Threshold => Some(change.value),
            _ => None,
        })
    };
    assert_eq!(set(window.actions()), Some(0.72));
    window.click("Threshold value");
    type_text(&mut window, "loud");
    window.picture("typed-nonsense");
    assert_eq!(set(window.actions()), None);
    // Escape leaves the old value.
    window.harness.key_press_modifiers(Modifiers::NONE, Key::Escape);
    window.harness.run_steps(2);
    assert!(window.part("Threshold value").is_positive());
}

#[test]
fn both_engines_side_by_side_and_how_far_they_agree() {
    let mut studio = Studio::scene();
    studio.params.compare = true;
    let second = Studio::hearing(&[(30.0, -3.0, 0.4), (120.0, -40.0, 0.35)]);
    let peaks = vec![
        spherescope_dsp::Peak { index: 0, direction: direction(30.0, -3.0), score: 0.4 },
        spherescope_dsp::Peak { index: 1, direction: direction(120.0, -40.0), score: 0.35 },
    ];
    studio.snapshot.other = Some(spherescope_view::Other {
        engine: spherescope_model::Engine::SrpPhat,
        spectrum: second.snapshot.spectrum,
        peaks,
    });
    for size in [SIZE, [1900.0, 800.0], [500.0, 400.0]] {
        let Some(mut window) = Window::open(studio.clone(), size, 1.0) else { return };
        window.picture(&format!("compare-{}", size[0]));
        let (first, other) = (window.part("Map of the sphere"), window.part("Map of the other engine"));
        assert!(first.intersect(other).area() <= 0.0 && (first.width() - other.width()).abs() < 0.2 * first.width());
    }
    studio.snapshot.other = None;
    let Some(window) = Window::open(studio, SIZE, 1.0) else { return };
    assert!(!window.says("Map of the other engine"));
}

/// A picture of the surroundings that is red to the left of the front, green to the right, and blue behind.
fn surroundings() -> spherescope_view::Backdrop {
    let (width, height) = (128, 64);
    let colour = |x: usize| match x * 4 / width {
        1 => egui::Color32::from_rgb(220, 30, 30),
        2 => egui::Color32::from_rgb(30, 220, 30),
        _ => egui::Color32::from_rgb(30, 30, 220),
    };
    let pixels = (0..width * height).map(|i| colour(i % width)).collect();
    spherescope_view::Backdrop::Ready(std::sync::Arc::new(egui::ColorImage::new([width, height], pixels)))
}

#[test]
fn a_picture_stands_behind_the_map_in_every_projection() {
    let mut studio = bare(&[(60.0, 10.0, 0.9)]);
    studio.backdrop = Some(surroundings());
    studio.state.backdrop.path = "/home/me/room.jpg".into();
    studio.state.backdrop.opacity_percent = 75;
    studio.state.panels.array = false;
    let Some(mut window) = Window::open(studio, SIZE, 1.0) else { return };
    let map = window.part("Map of the sphere");
    let picture = window.picture("backdrop");
    // What sounds covers the picture; beside it the picture shows in its own colours, each in its place.
    let channels = |azimuth: f32| picture.mean_colour(around(map, azimuth, -40.0));
    let ([red, right, behind], lit) =
        ([45.0, -45.0, 135.0].map(channels), picture.mean_colour(around(map, 60.0, 10.0)));
    assert!(red[0] > 100.0 && red[0] > 2.0 * red[1], "{red:?}");
    assert!(right[1] > 100.0 && right[1] > 2.0 * right[0], "{right:?}");
    assert!(behind[2] > 100.0 && behind[2] > 1.5 * behind[0], "{behind:?}");
    assert!(lit[1] > 150.0, "{lit:?}");

    // Less of it at a lower opacity, all of it at the highest, and none after it was removed.
    let mut redness = Vec::new();
    for name in ["25 %", "100 %"] {
        window.click(name);
        window.harness.remove_cursor();
        window.harness.run_steps(2);
        redness.push(window.picture(&format!("backdrop-{name}")).mean_colour(around(map, 45.0, -40.0))[0]);
    }
    assert!(redness[0] < 0.6 * red[0] && redness[1] > 1.2 * red[0], "{redness:?}");
    for kind in MapKind::ALL {
        window.studio.borrow_mut().state.map = kind;
        window.studio.borrow_mut().state.projection = Projection::Split;
        window.harness.run_steps(2);
        let colours = window.picture(&format!("backdrop-{kind:?}"));
        for name in ["Map of the sphere", "Globe of the sphere"] {
            let [r, g, b] = colours.mean_colour(window.part(name));
            assert!(r > 35.0 && g > 35.0 && b > 35.0, "{kind:?}: {name}: {r} {g} {b}");
        }
    }
    window.studio.borrow_mut().state.projection = Projection::Equirectangular;
    window.studio.borrow_mut().state.map = MapKind::Equirectangular;
    window.click("Remove");
    assert!(window.studio.borrow().state.backdrop.path.is_empty());
    window.studio.borrow_mut().backdrop = None;
    window.harness.remove_cursor();
    window.harness.run_steps(3);
    let map = window.part("Map of the sphere");
    assert!(window.picture("backdrop-removed").mean_colour(around(map, 45.0, -40.0))[0] < 40.0);
}

/// A hall with a dark floor, windows at the left, a door in front and a stage behind.
fn hall() -> spherescope_view::Backdrop {
    let (width, height) = (1024, 512);
    let colour = |i: usize| {
        let azimuth = 180.0 - 360.0 * (i % width) as f32 / width as f32;
        let elevation = 90.0 - 180.0 * (i / width) as f32 / height as f32;
        // Walls of a square room, their edges at ±45° and ±135°.
        let along = (azimuth + 45.0).rem_euclid(90.0) - 45.0;
        let (low, high) = (-24.0 * along.to_radians().cos(), 34.0 * along.to_radians().cos());
        let light = 1.0 - 0.35 * (azimuth - 90.0).to_radians().cos().min(0.0).abs();
        let grey =
            |r: f32, g: f32, b: f32| egui::Color32::from_rgb((r * light) as u8, (g * light) as u8, (b * light) as u8);
        if elevation < low {
            let plank = ((elevation * 3.0).sin() * 6.0).abs();
            return grey(92.0 + plank, 70.0 + plank, 54.0);
        }
        if elevation > high {
            return grey(150.0, 152.0, 156.0);
        }
        let window = (azimuth - 90.0).abs() < 32.0
            && (azimuth - 90.0).rem_euclid(22.0) > 3.0
            && (-4.0..24.0).contains(&elevation);
        let door = azimuth.abs() < 9.0 && elevation < 14.0;
        let stage = azimuth.abs() > 150.0 && elevation < -10.0;
        match (window, door, stage) {
            (true, ..) => egui::Color32::from_rgb(190, 212, 232),
            (_, true, _) => grey(96.0, 62.0, 44.0),
            (_, _, true) => grey(70.0, 46.0, 60.0),
            _ => grey(128.0, 124.0, 116.0),
        }
    };
    let pixels = (0..width * height).map(colour).collect();
    spherescope_view::Backdrop::Ready(std::sync::Arc::new(egui::ColorImage::new([width, height], pixels)))
}

#[test]
fn talkers_in_a_hall_are_seen_where_they_stand() {
    let mut studio = Studio::scene();
    studio.backdrop = Some(hall());
    studio.state.backdrop.path = "/pictures/hall.jpg".into();
    studio.state.backdrop.opacity_percent = 75;
    studio.state.panels.array = false;
    let silent = {
        let mut studio = studio.clone();
        studio.snapshot.active = false;
        studio.snapshot.peaks.clear();
        studio.snapshot.tracks.clear();
        studio
    };
    let Some(mut window) = Window::open(studio, SIZE, 1.0) else { return };
    let map = window.part("Map of the sphere");
    let lit = window.picture("hall").mean_colour(around(map, 42.0, -1.0));
    let Some(mut window) = Window::open(silent, SIZE, 1.0) else { return };
    let dark = window.picture("hall-silent").mean_colour(around(map, 42.0, -1.0));
    // Silence shows the wall; a talker covers it.
    assert!((0..3).any(|i| (lit[i] - dark[i]).abs() > 30.0), "{lit:?} and {dark:?}");
}

#[test]
fn a_picture_is_asked_for_by_name_and_what_is_wrong_is_said() {
    let mut studio = Studio::scene();
    studio.state.panels.array = false;
    let Some(mut window) = Window::open(studio, SIZE, 1.0) else { return };
    window.click("Picture behind the map");
    window.harness.event(Event::Text("/pictures/hall.png".into()));
    window.harness.run_steps(1);
    window.harness.key_press(Key::Enter);
    window.harness.run_steps(2);
    assert_eq!(window.studio.borrow().state.backdrop.path, "/pictures/hall.png");
    window.studio.borrow_mut().backdrop = Some(spherescope_view::Backdrop::Loading);
    window.harness.run_steps(2);
    assert!(window.says("Reading the picture"));
    let why = "/pictures/hall.png: cannot be read: No such file or directory (os error 2)";
    window.studio.borrow_mut().backdrop = Some(spherescope_view::Backdrop::Failed(why.into()));
    window.harness.remove_cursor();
    window.harness.run_steps(2);
    window.picture("backdrop-missing");
    assert!(window.says("No picture behind the map: /pictures/hall.png: cannot be read"));
    // The map is there as ever.
    assert!(window.part("Map of the sphere").width() > 400.0);

    let saved = serde_json::to_string(&window.studio.borrow().state).unwrap();
    let loaded: spherescope_view::ViewState = serde_json::from_str(&saved).unwrap();
    assert_eq!(loaded.backdrop.path, "/pictures/hall.png");
}

#[test]
fn a_number_left_open_is_let_go_with_its_panel() {
    let Some(mut window) = Window::open(Studio::scene(), SIZE, 1.0) else { return };
    window.click("Gate value");
    window.harness.event(Event::Text("-33".into()));
    window.harness.run_steps(1);
    // The panel closes over the field, and nothing was entered.
    window.studio.borrow_mut().state.panels.analysis = false;
    window.harness.run_steps(2);
    window.studio.borrow_mut().state.panels.analysis = true;
    window.harness.run_steps(2);
    // A number again, not a text that waits for ever.
    window.click("Gate value");
    window.harness.event(Event::Text("-44".into()));
    window.harness.run_steps(1);
    window.harness.key_press(Key::Enter);
    window.harness.run_steps(2);
    let set = window
        .actions()
        .into_iter()
        .any(|a| matches!(a, Action::SetParam(c) if c.id == ParamId::Gate && c.value == -44.0));
    assert!(set);
}
