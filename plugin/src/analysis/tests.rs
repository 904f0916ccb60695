//! An analysis that is fed by hand.

use super::*;
use crate::outgoing::OscChoice;
use crate::params::SpherescopeParams;
use crate::worker::tests::{play, set};
use spherescope_dsp::{Direction, block_pool};

#[test]
fn chunks_grow_under_load_and_shrink_when_it_is_gone() {
    let mut frames = 1;
    let course = [0.1, 0.5, 0.7, 0.5, 0.35, 0.2, 0.5].map(|load| {
        frames = chunk_frames(frames, load, false);
        frames
    });
    assert_eq!(course, [1, 1, 4, 4, 4, 1, 1]);
    assert_eq!(chunk_frames(1, 0.0, true), 4);
}

#[test]
fn a_frame_is_published_before_the_next_one_comes() {
    let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let shared = Shared::new(SpherescopeParams::new("a-format-tetrahedron"));
    set(&shared, "engine", "SRP-PHAT");
    set(&shared, "grid_size", "256");
    let target = receiver.local_addr().unwrap().to_string();
    shared.params.session.outgoing().choose_osc(OscChoice { target, on: true });
    let bus = Bus { channels: 4, sample_rate_hz: 48_000.0, max_host_frames: 256, offline: false };
    let (mut writer, mut reader) = block_pool(4, 256, 64);
    let mut analysis = Analysis::new(shared.clone(), bus, None);
    // However slow the machine is: once is enough, and a pause of a hop or more between snapshots never lets it be.
    let (mut sequence, mut published) = (0, Instant::now());
    let mut closest = Duration::MAX;
    for _ in 0..200 {
        play(&mut writer, &shared, Direction::LEFT, 0.016);
        while analysis.step(&mut reader) {}
        let now = shared.snapshot.load().sequence;
        if now > sequence {
            closest = closest.min(published.elapsed());
            (sequence, published) = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(6));
    }
    let hop = Duration::from_secs_f64(analysis.localizer.as_ref().unwrap().hop_s());
    assert!(closest < hop, "snapshots were never closer than {closest:?}");
}

#[test]
fn an_analysis_that_lags_skips_to_the_newest_audio_and_says_so() {
    let shared = Shared::new(SpherescopeParams::new("a-format-tetrahedron"));
    let bus = Bus { channels: 4, sample_rate_hz: 48_000.0, max_host_frames: 256, offline: false };
    let (mut writer, mut reader) = block_pool(4, 256, 375);
    let mut analysis = Analysis::new(shared.clone(), bus, None);
    assert!(!analysis.step(&mut reader), "there is no audio yet, only the localizer to build");
    for _ in 0..375 {
        assert!(writer.push(256, |channel, out| out.fill(0.1 * channel as f32)));
    }
    // A first block tells how long blocks are.
    while analysis.step(&mut reader) {}
    analysis.publish(0, 0);
    let snapshot = shared.snapshot.load();
    let message = snapshot.health.message.clone().unwrap();
    assert!(message.contains("skipped 1.9 s"), "{message}");
    // The newest frame waits for the two beyond it, 32 ms.
    assert!((snapshot.t_s - 2.0).abs() < 0.02 + 0.032, "{} s of 2 s", snapshot.t_s);
}

#[test]
fn a_source_keeps_its_track_until_the_grid_changes() {
    let shared = Shared::new(SpherescopeParams::new("a-format-tetrahedron"));
    set(&shared, "engine", "SRP-PHAT");
    set(&shared, "threshold", "0.2");
    set(&shared, "max_sources", "1");
    let bus = Bus { channels: 4, sample_rate_hz: 48_000.0, max_host_frames: 256, offline: true };
    let (mut writer, mut reader) = block_pool(4, 256, 400);
    let mut analysis = Analysis::new(shared.clone(), bus, None);
    let from = Direction::from_degrees(-140.0, 20.0).unwrap();
    let mut tracks_after = |seconds: f64| {
        play(&mut writer, &shared, from, seconds);
        while analysis.step(&mut reader) {}
        analysis.publish(0, 0);
        let tracks = shared.snapshot.load().tracks.clone();
        assert_eq!(tracks.len(), 1, "{tracks:?}");
        assert!(tracks[0].confirmed && tracks[0].direction.angle_to_deg(&from) < 8.0, "{tracks:?}");
        tracks[0].id
    };
    let first = tracks_after(0.6);
    assert_eq!(tracks_after(0.4), first);
    set(&shared, "grid_size", "500");
    assert_ne!(tracks_after(0.4), first);
}

#[test]
fn a_long_block_of_the_host_is_no_lag() {
    let shared = Shared::new(SpherescopeParams::new("a-format-tetrahedron"));
    let bus = Bus { channels: 4, sample_rate_hz: 48_000.0, max_host_frames: 16_384, offline: false };
    let (mut writer, mut reader) = block_pool(4, 256, 256);
    let mut analysis = Analysis::new(shared.clone(), bus, None);
    analysis.step(&mut reader);
    for _ in 0..3 {
        for _ in 0..64 {
            assert!(writer.push(256, |_, out| out.fill(0.1)));
        }
        while analysis.step(&mut reader) {}
    }
    analysis.publish(0, reader.dropped_blocks());
    assert_eq!(shared.snapshot.load().health.message, None);
}

#[test]
fn a_source_is_found_inside_the_region_only_and_a_band_without_a_bin_is_said() {
    let shared = Shared::new(SpherescopeParams::new("a-format-tetrahedron"));
    set(&shared, "engine", "SRP-PHAT");
    set(&shared, "threshold", "0.2");
    let bus = Bus { channels: 4, sample_rate_hz: 48_000.0, max_host_frames: 256, offline: true };
    let (mut writer, mut reader) = block_pool(4, 256, 400);
    let mut analysis = Analysis::new(shared.clone(), bus, None);
    let from = Direction::from_degrees(40.0, 10.0).unwrap();
    let mut after = || {
        play(&mut writer, &shared, from, 0.5);
        while analysis.step(&mut reader) {}
        analysis.publish(0, 0);
        shared.snapshot.load_full()
    };
    let whole = after();
    assert_eq!((whole.region, whole.grid.len()), (Region::Sphere, 2048));
    set(&shared, "region", "Front");
    let front = after();
    assert!(front.grid.len() < 1300 && front.spectrum.len() == front.grid.len());
    assert!(front.peaks[0].direction.angle_to_deg(&whole.peaks[0].direction) < 2.0, "{:?}", front.peaks);
    set(&shared, "region", "Window");
    set(&shared, "region_azimuth_deg", "-120°");
    let window = after();
    assert!(window.grid.len() < 700, "{}", window.grid.len());
    assert!(window.peaks.iter().all(|p| window.region.holds(&p.direction)), "{:?}", window.peaks);
    set(&shared, "region", "Whole sphere");
    set(&shared, "band_low_hz", "400 Hz");
    set(&shared, "band_high_hz", "3000 Hz");
    let band = after();
    assert!(band.peaks[0].direction.angle_to_deg(&whole.peaks[0].direction) < 8.0, "{:?}", band.peaks);
    set(&shared, "band_high_hz", "401 Hz");
    let none = after();
    assert!(
        none.peaks.is_empty() && none.health.message.as_deref().is_some_and(|m| m.contains("band")),
        "{:?}",
        none.health
    );
    set(&shared, "band_high_hz", "8000 Hz");
    assert!(!after().peaks.is_empty());
}
