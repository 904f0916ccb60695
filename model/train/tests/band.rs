//! Limits of the band and of the region, on simulated speech in rooms: they do not break the map.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use spherescope_dsp::{Direction, Grid, MicArray, PeakFinder, PeakOptions, Region};
use spherescope_model::{Band, Engine, Localizer, LocalizerError, LocalizerSettings};
use spherescope_train::{
    Path, Realism, Scene, SceneParts, SceneRanges, Space, Talker, Truth, random_paper_array, random_scene, sources,
};

const RATE: u32 = 16_000;
const DURATION_S: f64 = 2.0;
const SCENES: u64 = 4;

/// One voice in a room of 0.2 to 0.4 s.
fn scene(seed: u64) -> Scene {
    let ranges = SceneRanges {
        talkers: [0, 0],
        point_noise: 0.0,
        t60_s: [0.2, 0.4],
        duration_s: DURATION_S,
        realism: Realism { dead: 0.0, ..Realism::default() },
        ..SceneRanges::default()
    };
    let array = random_paper_array(seed, 8).unwrap();
    let mut parts: SceneParts = random_scene(seed, &ranges, array, &[]).unwrap().into_parts();
    let Space::Room(room) = parts.space.clone() else { panic!("a room") };
    let mut rng = SmallRng::seed_from_u64(seed);
    let at = loop {
        let d = Direction::from_degrees(rng.random_range(-180.0..180.0), rng.random_range(-30.0..30.0)).unwrap();
        let at: [f64; 3] = std::array::from_fn(|i| parts.array_position_m[i] + 1.2 * d.unit()[i]);
        if room.clearance_m(at) > 0.3 {
            break at;
        }
    };
    parts.talkers.push(Talker::new(sources::babble(seed, RATE, DURATION_S), Path::Still(at)));
    Scene::new(parts).unwrap()
}

/// What an array hears, and where the voice is.
struct Heard {
    array: MicArray,
    truth: Truth,
    channels: Vec<Vec<f32>>,
}

fn heard() -> Vec<Heard> {
    let hear = |scene: Scene| Heard {
        array: scene.parts().array.clone(),
        truth: scene.truth(),
        channels: scene.render().channels,
    };
    (0..SCENES).map(|seed| hear(scene(seed))).collect()
}

/// Mean angle between the voice and the highest direction, over the frames in which it speaks, in degrees.
fn mean_error_deg(engine: Engine, band: Band, heard: &[Heard]) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    let grid = Arc::new(Grid::fibonacci(512).unwrap());
    for Heard { array, truth, channels } in heard {
        let settings = LocalizerSettings { engine, band, ..LocalizerSettings::new(array.clone(), grid.clone()) };
        let mut localizer = Localizer::new(f64::from(RATE), settings).unwrap();
        let bus: Vec<&[f32]> = channels.iter().map(Vec::as_slice).collect();
        localizer
            .process(&bus, &mut |frame| {
                let said = truth.between(frame.t_s - 0.032, frame.t_s);
                let voice = said.iter().find(|s| s.active).filter(|_| frame.active && frame.t_s > 0.3);
                let Some(voice) = voice else { return };
                let best = (0..grid.len()).max_by(|&a, &b| frame.spectrum[a].total_cmp(&frame.spectrum[b])).unwrap();
                sum += voice.direction.angle_to_deg(&grid.directions()[best]);
                count += 1.0;
            })
            .unwrap();
    }
    sum / count
}

#[test]
fn a_band_of_speech_finds_the_voice() {
    let bands = [
        ("all", Band::ALL),
        ("300 to 4000 Hz", Band { low_hz: 300.0, high_hz: 4000.0 }),
        ("600 to 7000 Hz", Band { low_hz: 600.0, high_hz: 7000.0 }),
        ("1000 to 3000 Hz", Band { low_hz: 1000.0, high_hz: 3000.0 }),
    ];
    let heard = heard();
    for engine in Engine::ALL {
        let errors = bands.map(|(_, band)| mean_error_deg(engine, band, &heard));
        for (error, (name, _)) in errors.iter().zip(&bands) {
            println!("{}, {name}: {error:.1}°", engine.name());
        }
        for (error, (name, _)) in errors.iter().zip(&bands) {
            assert!(*error < 2.0 * errors[0].max(7.0), "{}, {name}: {error:.1}°", engine.name());
        }
    }
}

#[test]
fn srp_phat_s_scores_do_not_depend_on_how_many_bins_are_left_out() {
    let scene = scene(3);
    let heard = scene.render().channels;
    let bus: Vec<&[f32]> = heard.iter().map(Vec::as_slice).collect();
    let highest = |band: Band| {
        let grid = Arc::new(Grid::fibonacci(512).unwrap());
        let settings = LocalizerSettings {
            engine: Engine::SrpPhat,
            band,
            ..LocalizerSettings::new(scene.parts().array.clone(), grid)
        };
        let mut localizer = Localizer::new(f64::from(RATE), settings).unwrap();
        let mut best = 0f32;
        localizer.process(&bus, &mut |f| best = f.spectrum.iter().copied().fold(best, f32::max)).unwrap();
        best
    };
    let [whole, part] = [Band::ALL, Band { low_hz: 300.0, high_hz: 2000.0 }].map(highest);
    assert!(part > 0.8 * whole, "{part} and {whole}");
}

#[test]
fn a_band_changes_while_sound_comes_and_one_without_a_bin_is_refused() {
    let scene = scene(1);
    let heard = scene.render().channels;
    for engine in Engine::ALL {
        let grid = Arc::new(Grid::fibonacci(256).unwrap());
        let settings = LocalizerSettings { engine, ..LocalizerSettings::new(scene.parts().array.clone(), grid) };
        let mut localizer = Localizer::new(f64::from(RATE), settings).unwrap();
        let mut frames = 0;
        for (i, start) in (0..16_000).step_by(700).enumerate() {
            let bus: Vec<&[f32]> = heard.iter().map(|c| &c[start..start + 700]).collect();
            localizer.process(&bus, &mut |f| frames += usize::from(f.spectrum.len() == 256)).unwrap();
            let low_hz = 200.0 * (i % 5) as f64;
            localizer.set_band(Band { low_hz, high_hz: 5000.0 }).unwrap();
            if i % 7 == 3 {
                localizer.set_engine(if i % 2 == 0 { Engine::AggRl } else { Engine::SrpPhat }).unwrap();
            }
        }
        assert!(frames > 30, "{frames}");
        let before = localizer.settings().band;
        let refused = localizer.set_band(Band { low_hz: 500.0, high_hz: 501.0 });
        assert!(matches!(refused, Err(LocalizerError::Setting { .. })), "{refused:?}");
        assert_eq!(localizer.settings().band, before);
    }
}

#[test]
fn in_a_region_the_voice_is_where_it_was() {
    let scene = scene(3);
    let (truth, heard) = (scene.truth(), scene.render().channels);
    let bus: Vec<&[f32]> = heard.iter().map(Vec::as_slice).collect();
    let voice = truth.between(1.0, 1.1)[0].direction;
    let window = |azimuth_deg: f64| Region::Window { azimuth_deg, width_deg: 90.0, elevations_deg: [-45.0, 45.0] };
    let found = |region: Region| {
        let grid = Arc::new(region.grid(1024).unwrap());
        let finder = PeakFinder::in_region(&grid, 1024, &region);
        let mut mean = vec![0.0; grid.len()];
        let settings = LocalizerSettings::new(scene.parts().array.clone(), grid);
        let mut localizer = Localizer::new(f64::from(RATE), settings).unwrap();
        localizer.process(&bus, &mut |f| mean.iter_mut().zip(f.spectrum).for_each(|(m, s)| *m += s / 200.0)).unwrap();
        finder.find(&mean, &PeakOptions { max_peaks: 1, threshold: 0.02, ..PeakOptions::default() })
    };
    let whole = found(Region::Sphere);
    assert!(whole[0].direction.angle_to_deg(&voice) < 8.0, "{whole:?}");
    let part = found(window(voice.azimuth_deg()));
    assert!(
        part[0].direction.angle_to_deg(&whole[0].direction) < 1e-6 && (part[0].score - whole[0].score).abs() < 1e-4
    );
    // Looked for on the other side, the voice is not found at the edge.
    let away = found(window(voice.azimuth_deg() + 180.0));
    assert!(away.iter().all(|p| p.direction.angle_to_deg(&voice) > 60.0), "{away:?}");
}
