//! A bus that does not fit the array: the worker's own report, drawn by the view, says so in words that help.

use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use spherescope::params::SpherescopeParams;
use spherescope::shared::Shared;
use spherescope::worker::{Bus, Worker, WorkerSetup};
use spherescope_dsp::{block_pool, presets};
use spherescope_view::{ParamValues, ViewInput, ViewState, draw, theme};

/// Runs the worker of an instance with this preset on a bus of so many channels until it has reported, and draws its report.
fn window(preset: &str, channels: usize) -> Harness<'static> {
    let shared = Shared::new(SpherescopeParams::new(preset));
    let (mut writer, reader) = block_pool(channels, 256, 64);
    // As while an offline rendering: everything is analysed, whether or not a window is open.
    let bus = Bus { channels, sample_rate_hz: 48_000.0, max_host_frames: 256, offline: true };
    let folder = tempfile::tempdir().unwrap();
    let setup = WorkerSetup { reader, bus, log_directory: Some(folder.path().to_owned()) };
    let mut worker = Worker::start(shared.clone(), setup).unwrap();
    let (begin, mut sent) = (Instant::now(), 0);
    while shared.snapshot.load().sequence < 3 || sent < 20 {
        sent += u32::from(writer.push(256, |_, out| out.fill(0.1)));
        std::thread::sleep(Duration::from_millis(5));
        assert!(begin.elapsed() < Duration::from_secs(60), "no report");
    }
    let snapshot = (*shared.snapshot.load_full()).clone();
    worker.stop();
    assert_eq!(snapshot.health.bus_channels, channels);
    let (presets, layout, mut state) = (presets::all(), shared.params.session.layout(), ViewState::default());
    let mut harness =
        Harness::builder().with_size([1000.0, 680.0]).with_context_setup(theme::install).build_ui(move |ui| {
            let input = ViewInput {
                snapshot: &snapshot,
                presets: &presets,
                layout: &layout,
                params: ParamValues::default(),
                opened: None,
                layout_error: None,
                backdrop: None,
                outputs: &spherescope_view::Outputs::default(),
            };
            draw(ui, &mut state, &input);
        });
    harness.run_steps(4);
    harness
}

fn says(window: &Harness<'_>, text: &str) -> bool {
    window.query_all_by_label_contains(text).next().is_some()
}

#[test]
fn a_mono_track_has_no_direction_and_says_what_to_do() {
    let window = window("a-format-tetrahedron", 1);
    assert!(says(&window, "receiving 1 of 4 channels: expected at least 2 capsules"));
    assert!(says(&window, "Receiving 1 of 4 channels: put the plugin on a 4-channel track"));
}

#[test]
fn a_stereo_track_says_which_track_it_wants() {
    let window = window("a-format-tetrahedron", 2);
    assert!(says(&window, "Receiving 2 of 4 channels: put the plugin on a 4-channel track"));
    assert!(!says(&window, "expected at least 2 capsules"));
}

#[test]
fn a_bus_narrower_than_the_array_says_how_wide_it_should_be() {
    let window = window("eigenmike-em32", 16);
    assert!(says(&window, "Receiving 16 of 32 channels: put the plugin on a 32-channel track"));
}

#[test]
fn a_bus_that_fits_or_is_wider_needs_no_words() {
    for channels in [4, 7, 64] {
        let window = window("a-format-tetrahedron", channels);
        assert!(!says(&window, "Receiving") && !says(&window, "receiving"), "{channels} channels");
    }
}
