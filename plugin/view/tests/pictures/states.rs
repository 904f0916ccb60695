//! Every state that an editor can be in, drawn; and what its controls ask for.

use egui::vec2;
use spherescope_dsp::{MicArray, presets};
use spherescope_model::Engine;
use spherescope_view::{Action, ColourMap, Gesture, ParamChange, ParamId, Projection};

use crate::studio::{Studio, Window};

const SIZE: [f32; 2] = [1100.0, 720.0];

fn shot(name: &str, studio: Studio, size: [f32; 2], scale: f32) -> Option<Window> {
    let mut window = Window::open(studio, size, scale)?;
    let picture = window.picture(name);
    assert_eq!(picture.width, (size[0] * scale) as usize);
    assert!(picture.colours() > 20, "{name} is blank: {} colours", picture.colours());
    Some(window)
}

#[test]
fn the_scene_in_every_projection_and_colour_map() {
    for (projection, p) in
        [(Projection::Equirectangular, "map"), (Projection::Globe, "globe"), (Projection::Split, "both")]
    {
        for colours in ColourMap::ALL {
            let mut studio = Studio::scene();
            studio.state.projection = projection;
            studio.state.colour_map = colours;
            let Some(window) = shot(&format!("scene-{p}-{}", colours.name()), studio, SIZE, 1.0) else { return };
            assert!(window.says("Source 1: az +32°  el −5°"));
        }
    }
}

#[test]
fn sizes_from_tiny_to_4k_and_scales_from_1_to_3() {
    for (name, projection, size, scale) in [
        ("size-320x200", Projection::Equirectangular, [320.0, 200.0], 1.0),
        ("size-320x200-2x", Projection::Globe, [320.0, 200.0], 2.0),
        ("size-480x320", Projection::Split, [480.0, 320.0], 1.0),
        ("size-700x420", Projection::Split, [700.0, 420.0], 1.0),
        ("size-2x", Projection::Split, SIZE, 2.0),
        ("size-3x", Projection::Equirectangular, [480.0, 320.0], 3.0),
        ("size-tall", Projection::Split, [760.0, 1300.0], 1.0),
        ("size-4k", Projection::Split, [3840.0, 2160.0], 1.0),
    ] {
        let mut studio = Studio::scene();
        studio.state.projection = projection;
        if shot(name, studio, size, scale).is_none() {
            return;
        }
    }
}

#[test]
fn windows_of_no_size_are_survived() {
    for size in [[1.0, 1.0], [24.0, 24.0], [60.0, 900.0], [900.0, 40.0], [150.0, 120.0]] {
        for projection in [Projection::Equirectangular, Projection::Globe, Projection::Split] {
            let mut studio = Studio::scene();
            studio.state.projection = projection;
            if Window::open(studio, size, 1.0).is_none() {
                return;
            }
        }
    }
}

#[test]
fn a_narrow_window_shows_the_panel_instead_of_the_map() {
    let Some(mut window) = Window::open(Studio::scene(), [420.0, 560.0], 1.0) else { return };
    assert!(window.says("Map of the sphere") && !window.says("Threshold"));
    window.click("Side panel");
    window.picture("narrow-panel");
    assert!(!window.says("Map of the sphere") && window.says("Threshold"));
}

#[test]
fn before_the_host_starts_it_says_so() {
    let Some(mut window) = shot("state-fresh", Studio::fresh(), SIZE, 1.0) else { return };
    let map = window.part("Map of the sphere");
    assert!(window.picture("state-fresh").mean(map) < 40.0);
}

#[test]
fn silence_is_dark() {
    let mut studio = Studio::scene();
    studio.snapshot.active = false;
    studio.snapshot.levels_db.fill(-71.0);
    let Some(mut window) = shot("state-silence", studio, SIZE, 1.0) else { return };
    let map = window.part("Map of the sphere");
    assert!(window.picture("state-silence").mean(map) < 40.0);
    assert!(!window.says("Source 1"));
}

#[test]
fn digital_silence_and_listening_have_words_of_their_own() {
    let mut studio = Studio::scene();
    studio.snapshot.active = false;
    studio.snapshot.levels_db.fill(f32::NEG_INFINITY);
    studio.state.projection = Projection::Globe;
    shot("state-no-signal", studio, SIZE, 1.0);
    let mut studio = Studio::scene();
    studio.snapshot.spectrum.clear();
    studio.snapshot.peaks.clear();
    shot("state-listening", studio, SIZE, 1.0);
}

#[test]
fn a_narrow_bus_is_named() {
    let mut studio = Studio::scene();
    studio.snapshot.health.bus_channels = 4;
    studio.snapshot.levels_db.truncate(4);
    let Some(window) = shot("state-narrow-bus", studio, SIZE, 1.0) else { return };
    assert!(window.says("Receiving 4 of 32 channels: put the plugin on a 32-channel track"));
}

#[test]
fn errors_and_losses_are_told() {
    let mut studio = Studio::scene();
    studio.snapshot.health.message =
        Some("The weights could not be read: expected 132 tensors, found 131. Showing SRP-PHAT instead".into());
    studio.snapshot.health.dropped_blocks = 12_345;
    studio.snapshot.health.load = 0.96;
    studio.layout_error = Some("line 3: expected a channel of its own, found channel 0, which capsule 0 has".into());
    let Some(window) = shot("state-errors", studio, SIZE, 1.0) else { return };
    for text in ["expected 132 tensors", "line 3", "12\u{202f}345 blocks"] {
        assert!(window.says(text), "{text}");
    }
    let mut studio = Studio::scene();
    studio.snapshot.health.message = Some("A very long message. ".repeat(60));
    shot("state-errors-tiny", studio, [320.0, 200.0], 1.0);
}

#[test]
fn a_flat_array_says_what_it_cannot_hear() {
    let mut studio = Studio::scene();
    studio.layout = presets::find("minidsp-uma-16").unwrap().array;
    studio.state.projection = Projection::Split;
    shot("state-flat-array", studio, SIZE, 1.0);
}

#[test]
fn an_array_wider_than_the_network_knows_is_named() {
    let corners = [[0.5, 0.0, 0.0], [-0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]];
    // The classical engine knows no widest array.
    for (engine, named) in [(Engine::AggRl, true), (Engine::SrpPhat, false)] {
        let mut studio = Studio::scene();
        studio.layout = MicArray::from_positions("wide", &corners).unwrap();
        studio.snapshot.levels_db.truncate(4);
        studio.params.engine = engine;
        let Some(window) = shot(&format!("state-wide-array-{}", engine.id()), studio, SIZE, 1.0) else { return };
        assert_eq!(window.says("This array is 1.00 m wide"), named, "{engine:?}");
    }
}

#[test]
fn crowded_sources_and_long_names() {
    let crowd: Vec<_> = (0..8).map(|i| (10.0 + 13.0 * f64::from(i % 4), 10.0 * f64::from(i / 4) - 4.0, 0.9)).collect();
    let mut studio = Studio::hearing(&crowd);
    studio.params.max_sources = 8;
    let peak = studio.snapshot.peaks[0];
    studio.snapshot.peaks = (0..8)
        .map(|i| {
            let (az, el, _) = crowd[i];
            spherescope_dsp::Peak { direction: crate::studio::direction(az, el), score: 0.9 - 0.05 * i as f32, ..peak }
        })
        .collect();
    studio.snapshot.tracks = crate::studio::tracks_of(&studio.snapshot.peaks, 1.0);
    let points: Vec<_> = studio.layout.capsules().iter().map(|c| c.position_m.map(|x| x * 217.3)).collect();
    let name = "A prototype with a name that nobody could have meant to be this long, revision 12b";
    studio.layout = spherescope_dsp::MicArray::from_positions(name, &points).unwrap();
    studio.snapshot.health.weights = "weights-with-a-long-name-".repeat(8);
    shot("state-crowded", studio, SIZE, 1.0);
}

#[test]
fn odd_data_is_survived() {
    let mut studio = Studio::scene();
    studio.presets.clear();
    studio.snapshot.spectrum.iter_mut().step_by(3).for_each(|v| *v = f32::NAN);
    studio.snapshot.peaks[0].score = f32::NAN;
    studio.snapshot.levels_db = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    studio.snapshot.health.load = f32::NAN;
    studio.snapshot.health.latency_ms = f32::INFINITY;
    studio.params.gate_db = f32::NAN;
    studio.params.threshold = f32::NAN;
    studio.params.max_sources = 0;
    studio.params.grid_size = 0;
    studio.params.smoothing_ms = f32::INFINITY;
    studio.state.globe_yaw_deg = f32::NAN;
    studio.state.projection = Projection::Split;
    shot("state-odd", studio, SIZE, 1.0);
    let mut studio = Studio::scene();
    studio.snapshot.spectrum.truncate(5);
    shot("state-short-spectrum", studio, SIZE, 1.0);
}

#[test]
fn the_pointer_reads_values() {
    let Some(mut window) = Window::open(Studio::scene(), SIZE, 1.0) else { return };
    let map = window.part("Map of the sphere");
    window.harness.hover_at(map.min + vec2(map.width() * 0.39, map.height() * 0.56));
    window.harness.run_steps(3);
    window.picture("hover-map");
}

#[test]
fn the_choice_of_arrays() {
    let Some(mut window) = Window::open(Studio::scene(), SIZE, 1.0) else { return };
    let at = egui::pos2(150.0, 90.0);
    window.click_at(at);
    window.picture("presets");
    window.click("Zylia ZM-1");
    assert_eq!(window.actions(), [Action::SetLayout(presets::find("zylia-zm-1").unwrap().array)]);
}

#[test]
fn steppers_and_sliders_ask_with_gestures() {
    let Some(mut window) = Window::open(Studio::scene(), SIZE, 1.0) else { return };
    let change = |id, value, gesture| Action::SetParam(ParamChange { id, value, gesture });
    window.click("Raise Threshold");
    assert_eq!(window.actions(), [change(ParamId::Threshold, 0.51, Gesture::Once)]);
    window.click("Lower Grid");
    assert_eq!(window.actions(), [change(ParamId::GridSize, 1024.0, Gesture::Once)]);
    window.click("SRP-PHAT");
    assert_eq!(window.actions(), [change(ParamId::Engine, 1.0, Gesture::Once)]);
    let rail = window.part("Gate");
    window.drag(rail.center(), vec2(20.0, 0.0));
    let actions = window.actions();
    assert!(matches!(actions[0], Action::SetParam(ParamChange { id: ParamId::Gate, gesture: Gesture::Begin, .. })));
    let last = &actions[actions.len() - 1];
    assert!(matches!(last, Action::SetParam(ParamChange { id: ParamId::Gate, gesture: Gesture::End, .. })));
    assert!(actions.len() > 2);
}

#[test]
fn a_pasted_layout_is_checked_and_taken() {
    let Some(mut window) = Window::open(Studio::scene(), SIZE, 1.0) else { return };
    window.click("Import…");
    let type_text = |window: &mut Window, text: &str| {
        let field = window.field();
        window.click_at(field.center());
        window.harness.event(egui::Event::Paste(text.into()));
        window.harness.run_steps(3);
    };
    type_text(&mut window, "channel,x_m,y_m,z_m\n0,0,0,0\n1,0.1,zero,0\n");
    window.picture("paste-broken");
    assert!(window.says("Line 3: expected a number for y_m"));
    window.click("Use this layout");
    assert_eq!(window.actions(), []);
    window.click("Close");
    window.click("Import…");
    let good = "channel,x_m,y_m,z_m\n0,0,0,0\n1,0.1,0,0\n2,0,0.1,0\n";
    type_text(&mut window, good);
    window.picture("paste-good");
    window.click("Use this layout");
    assert_eq!(window.actions(), [Action::SetLayout(MicArray::from_text(good).unwrap())]);
}

#[test]
fn the_state_survives_a_round_trip_and_junk() {
    let mut studio = Studio::scene();
    studio.state.projection = Projection::Split;
    studio.state.globe_yaw_deg = -42.0;
    let text = serde_json::to_string(&studio.state).unwrap();
    let back: spherescope_view::ViewState = serde_json::from_str(&text).unwrap();
    assert_eq!((back.projection, back.globe_yaw_deg), (Projection::Split, -42.0));
    let old: spherescope_view::ViewState = serde_json::from_str("{}").unwrap();
    assert_eq!(old.projection, Projection::Equirectangular);
}
