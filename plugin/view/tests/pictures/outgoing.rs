//! The panel of what goes out, and the limits of what is looked at.

use egui::{Event, Key, Rect, vec2};
use spherescope_dsp::{PeakFinder, PeakOptions, Region};
use spherescope_view::{Action, MapKind, OscState, Outputs, ParamId, Projection, Recording, RegionKind};

use crate::studio::{Studio, Window, direction, tracks_of};

const SIZE: [f32; 2] = [1100.0, 720.0];

/// The output's panel and little else at the side.
fn outgoing(outputs: Outputs) -> Studio {
    let mut studio = Studio::scene();
    studio.outputs = outputs;
    let panels = &mut studio.state.panels;
    (panels.output, panels.analysis, panels.array, panels.capsules, panels.display) =
        (true, false, false, false, false);
    studio
}

fn at(target: &str, osc: OscState) -> Outputs {
    Outputs { osc_target: target.into(), osc, ..Outputs::default() }
}

fn type_into(window: &mut Window, field: &str, text: &str) {
    window.click(field);
    window.harness.key_press_modifiers(egui::Modifiers::COMMAND, Key::A);
    window.harness.run_steps(1);
    window.harness.event(Event::Text(text.into()));
    window.harness.run_steps(2);
}

#[test]
fn osc_is_off_until_asked_for_and_a_bad_target_is_said() {
    let Some(mut window) = Window::open(outgoing(at("127.0.0.1:9000", OscState::Off)), SIZE, 1.0) else { return };
    assert!(window.actions().is_empty());
    type_into(&mut window, "OSC target", "studio.local");
    window.click("Send OSC");
    window.picture("output-bad-target");
    assert!(window.says("expected an address and a port such as 127.0.0.1:9000, found “studio.local”"));
    assert!(window.actions().is_empty());
    type_into(&mut window, "OSC target", "192.168.1.20:4001");
    window.click("Send OSC");
    assert_eq!(window.actions(), [Action::SetOsc { target: "192.168.1.20:4001".into(), on: true }]);

    window.studio.borrow_mut().outputs = at("192.168.1.20:4001", OscState::Sending { bundles: 1234 });
    window.studio.borrow_mut().outputs.recording = Recording::On { path: "/sounds/heard.csv".into(), frames: 520 };
    window.studio.borrow_mut().outputs.saved = Some(Ok("/sounds/map.png: written, 2048 × 1024 pixels".into()));
    window.harness.remove_cursor();
    window.harness.run_steps(2);
    window.picture("output-sending");
    assert!(
        window.says("bundles sent") && window.says("/sounds/heard.csv: 520 frames") && window.says("map.png: written")
    );
    window.click("Stop OSC");
    window.click("Stop Record");
    let expected = [Action::SetOsc { target: "192.168.1.20:4001".into(), on: false }, Action::Record(None)];
    assert_eq!(window.actions(), expected);
}

#[test]
fn a_project_that_wants_to_send_elsewhere_has_to_ask() {
    let Some(mut window) = Window::open(outgoing(at("203.0.113.9:9000", OscState::AwaitingYes)), SIZE, 1.0) else {
        return;
    };
    window.picture("output-asks");
    assert!(window.says("This project wants to send directions to 203.0.113.9:9000"));
    assert!(window.actions().is_empty(), "nothing is sent unasked");
    window.click("Allow");
    assert_eq!(window.actions(), [Action::SetOsc { target: "203.0.113.9:9000".into(), on: true }]);
    window.click("Stop OSC");
    assert_eq!(window.actions(), [Action::SetOsc { target: "203.0.113.9:9000".into(), on: false }]);
    let why = "OSC to 203.0.113.9:9000: nobody listens there";
    window.studio.borrow_mut().outputs.osc = OscState::Failed(why.into());
    window.studio.borrow_mut().outputs.recording =
        Recording::Failed("/no/heard.csv: cannot be written: No such file".into());
    window.harness.remove_cursor();
    window.harness.run_steps(2);
    window.picture("output-failed");
    assert!(window.says(why) && window.says("/no/heard.csv: cannot be written"));
}

#[test]
fn recordings_and_pictures_are_asked_for_by_name() {
    let Some(mut window) = Window::open(outgoing(at("127.0.0.1:9000", OscState::Off)), SIZE, 1.0) else { return };
    window.click("Start Record");
    window.click("Save Map");
    assert!(window.actions().is_empty(), "a file without a name");
    type_into(&mut window, "Recording file", "/sounds/heard.jsonl");
    window.click("Start Record");
    assert_eq!(window.actions(), [Action::Record(Some("/sounds/heard.jsonl".into()))]);
    type_into(&mut window, "Picture file", "/sounds/map.png");
    window.click("Save Map");
    let actions = window.actions();
    let [Action::WritePicture { path, size: [width, height], rgb }] = &actions[..] else {
        panic!("{} actions", actions.len())
    };
    assert_eq!((path.as_str(), rgb.len()), ("/sounds/map.png", 3 * width * height));
    // The loudest of three talkers, where it is.
    let bright = |i: usize| rgb[3 * i..3 * i + 3].iter().map(|v| u32::from(*v)).sum::<u32>();
    let best = (0..width * height).max_by_key(|&i| bright(i)).unwrap();
    let azimuth = 180.0 - 360.0 * (best % width) as f64 / *width as f64;
    let elevation = 90.0 - 180.0 * (best / width) as f64 / *height as f64;
    assert!(direction(azimuth, elevation).angle_to_deg(&direction(32.0, -5.0)) < 3.0, "{azimuth} {elevation}");
}

/// A scene in which only a region is looked at.
fn limited(region: Region, kind: RegionKind) -> Studio {
    let mut studio = Studio::scene();
    studio.params.region = kind;
    let grid = std::sync::Arc::new(region.grid(2048).unwrap());
    let whole = studio.snapshot.grid.clone();
    studio.snapshot.spectrum = grid.directions().iter().map(|d| studio.snapshot.spectrum[whole.nearest(d)]).collect();
    let finder = PeakFinder::in_region(&grid, 2048, &region);
    let options = PeakOptions { threshold: studio.params.threshold, ..PeakOptions::default() };
    studio.snapshot.peaks = finder.find(&studio.snapshot.spectrum, &options);
    studio.snapshot.tracks = tracks_of(&studio.snapshot.peaks, 1.0);
    (studio.snapshot.grid, studio.snapshot.region) = (grid, region);
    studio
}

fn around(map: Rect, azimuth: f32, elevation: f32) -> Rect {
    let at = map.min + vec2((0.5 - azimuth / 360.0) * map.width(), (0.5 - elevation / 180.0) * map.height());
    Rect::from_center_size(at, vec2(8.0, 8.0))
}

#[test]
fn what_is_not_looked_at_is_dark_and_said_on_every_map() {
    let window_region = Region::Window { azimuth_deg: 20.0, width_deg: 100.0, elevations_deg: [-40.0, 30.0] };
    for (region, kind) in
        [(Region::Front, RegionKind::Front), (Region::Upper, RegionKind::Upper), (window_region, RegionKind::Window)]
    {
        let Some(mut window) = Window::open(limited(region, kind), SIZE, 1.0) else { return };
        let map = window.part("Map of the sphere");
        let picture = window.picture(&format!("region-{kind:?}"));
        // The loudest talker is inside of the front and of the window, another one above.
        let inside = if kind == RegionKind::Upper { (-71.0, 24.0) } else { (32.0, -5.0) };
        let lit = picture.mean(around(map, inside.0 + 6.0, inside.1 + 5.0));
        let dark = picture.mean(around(map, 175.0, -60.0));
        assert!(lit > 2.5 * dark && dark < 25.0, "{kind:?}: {lit} and {dark}");
        window.harness.hover_at(around(map, 170.0, -50.0).center());
        window.harness.run_steps(2);
        window.picture(&format!("region-{kind:?}-read"));
        for map_kind in MapKind::ALL {
            window.studio.borrow_mut().state.map = map_kind;
            window.studio.borrow_mut().state.projection = Projection::Split;
            window.harness.run_steps(2);
            window.picture(&format!("region-{kind:?}-{map_kind:?}"));
        }
    }
    let mut silent = limited(Region::Front, RegionKind::Front);
    silent.snapshot.active = false;
    let Some(mut window) = Window::open(silent, SIZE, 1.0) else { return };
    window.picture("region-silent");
}

#[test]
fn band_and_region_are_parameters_of_the_panel() {
    let mut studio = Studio::scene();
    studio.params.region = RegionKind::Window;
    (studio.state.panels.array, studio.state.panels.limits) = (false, true);
    let Some(mut window) = Window::open(studio, SIZE, 1.0) else { return };
    window.picture("analysis-window");
    let changes = |window: &Window| -> Vec<(ParamId, f32)> {
        let changes = window.actions().into_iter().map(|a| match a {
            Action::SetParam(change) => (change.id, change.value),
            other => panic!("{other:?}"),
        });
        changes.collect()
    };
    window.click("Raise From, Hz");
    window.click("Lower To, Hz");
    window.click("Front");
    window.click("Raise Azimuth");
    window.click("Lower Highest");
    let expected = [
        (ParamId::BandLow, 60.0),
        (ParamId::BandHigh, 7990.0),
        (ParamId::Region, RegionKind::Front.value()),
        (ParamId::RegionAzimuth, 1.0),
        (ParamId::RegionHighest, 44.0),
    ];
    assert_eq!(changes(&window), expected);
}
