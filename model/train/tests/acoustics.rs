//! The physics of rendered scenes, against closed forms.

use std::f64::consts::TAU;

use proptest::prelude::*;
use spherescope_dsp::{Direction, MicArray, Rotation, presets};
use spherescope_train::{
    DiffuseNoise, Imperfections, Path, Room, Scene, SceneParts, SceneRanges, Space, Talker, Waypoint, random_array,
    random_scene, sources,
};

const RATE: u32 = 16_000;

fn free_field(array: MicArray, talkers: Vec<Talker>, duration_s: f64) -> SceneParts {
    SceneParts {
        sample_rate_hz: RATE,
        duration_s,
        space: Space::FreeField { speed_m_s: 343.0 },
        array,
        array_position_m: [0.0; 3],
        array_rotation: Rotation::IDENTITY,
        talkers,
        sensor_snr_db: None,
        diffuse: None,
        body: Default::default(),
        pattern: Default::default(),
        imperfections: Imperfections::default(),
        seed: 1,
    }
}

fn tetrahedron() -> MicArray {
    presets::find("a-format-tetrahedron").unwrap().array
}

/// Spectrum at one frequency in Hz, as (re, im).
fn bin(signal: &[f32], frequency_hz: f64) -> (f64, f64) {
    let step = -TAU * frequency_hz / f64::from(RATE);
    signal.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, &x)| {
        let (s, c) = (step * n as f64).sin_cos();
        (re + f64::from(x) * c, im + f64::from(x) * s)
    })
}

/// a · conj(b)
fn cross(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 * b.0 + a.1 * b.1, a.1 * b.0 - a.0 * b.1)
}

fn click() -> Vec<f32> {
    let mut click = vec![0.0; 64];
    click[0] = 1.0;
    click
}

fn apply(rotation: &Rotation, path: &Path) -> Path {
    match path {
        Path::Still(p) => Path::Still(rotation.apply(*p)),
        Path::Waypoints(points) => Path::Waypoints(
            points.iter().map(|w| Waypoint { position_m: rotation.apply(w.position_m), ..*w }).collect(),
        ),
        Path::Arc { .. } => panic!("arcs are about the vertical"),
    }
}

fn difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert_eq!((a.len(), a[0].len()), (b.len(), b[0].len()));
    a.iter().flatten().zip(b.iter().flatten()).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn capsules_towards_the_source_hear_it_earlier_by_their_projection(
        azimuth in -180.0f64..180.0, elevation in -90.0f64..90.0, seed in 0u64..1000,
    ) {
        let array = random_array(seed, 5).unwrap();
        let direction = Direction::from_degrees(azimuth, elevation).unwrap();
        // Far enough for the wave to be flat: a curvature of 0.2² / 2r = 0.02 mm, 0.06 µs.
        let place = direction.unit().map(|x| 1000.0 * x);
        let scene = Scene::new(free_field(array.clone(), vec![Talker::new(click(), Path::Still(place))], 3.2)).unwrap();
        let audio = scene.render();
        let p = array.relative_positions_m();
        let arrival = (1000.0 / 343.0 * f64::from(RATE)) as usize;
        let part: Vec<_> = audio.channels.iter().map(|c| &c[arrival - 100..arrival + 100]).collect();
        for frequency in [200.0, 1000.0, 2500.0, 4000.0, 6000.0] {
            let reference = bin(part[0], frequency);
            for c in 1..p.len() {
                let (re, im) = cross(bin(part[c], frequency), reference);
                let projected = (0..3).map(|i| (p[c][i] - p[0][i]) * direction.unit()[i]).sum::<f64>();
                // Earlier is a positive phase.
                let expected = TAU * frequency * projected / 343.0;
                let error = (im.atan2(re) - expected).rem_euclid(TAU);
                let error_s = error.min(TAU - error) / (TAU * frequency);
                prop_assert!(error_s < 0.5e-6, "{frequency} Hz: {error_s} s");
            }
        }
    }

    #[test]
    fn turning_everything_changes_nothing(q in prop::array::uniform4(-1.0f64..1.0), seed in 0u64..1000) {
        prop_assume!(q.iter().map(|x| x * x).sum::<f64>() > 1e-2);
        let turn = Rotation::from_quaternion(q).unwrap();
        let ways = [
            Path::Still([1.0, 0.5, 0.3]),
            Path::Waypoints(vec![
                Waypoint { time_s: 0.0, position_m: [-1.0, 1.0, 0.0] },
                Waypoint { time_s: 0.5, position_m: [-1.0, 0.6, 0.4] },
            ]),
        ];
        let talkers = |ways: &[Path]| {
            let talker = |(i, path): (usize, &Path)| {
                Talker::new(sources::noise_bursts(seed + i as u64, RATE, 0.4), path.clone())
            };
            ways.iter().enumerate().map(talker).collect()
        };
        let mut parts = free_field(random_array(seed, 4).unwrap(), talkers(&ways), 0.5);
        parts.diffuse = Some(DiffuseNoise { snr_db: 10.0, slope_db_per_octave: -3.0 });
        parts.sensor_snr_db = Some(20.0);
        parts.imperfections = Imperfections { position_m: 0.001, gain_db: 2.0, delay_s: 1e-6, dead: 0 };
        let still = Scene::new(parts.clone()).unwrap();
        parts.array_rotation = turn;
        parts.talkers = talkers(&ways.map(|w| apply(&turn, &w)));
        let turned = Scene::new(parts).unwrap();
        prop_assert!(difference(&still.render().channels, &turned.render().channels) < 1e-3);
        for (a, b) in still.truth().every(0.016, 0.032).iter().zip(turned.truth().every(0.016, 0.032)) {
            for (x, y) in a.sources.iter().zip(&b.sources) {
                prop_assert!(x.direction.angle_to_deg(&y.direction) < 1e-6);
                prop_assert_eq!(x.active, y.active);
            }
        }
    }
}

#[test]
fn a_room_and_an_array_turned_together_sound_the_same() {
    // A quarter turn about the vertical through a corner, and the room pushed back to positive coordinates.
    let scene = |size: [f64; 3], centre, place, rotation| {
        let signal = sources::noise_bursts(3, RATE, 0.5);
        Scene::new(SceneParts {
            space: Space::Room(Room::new(size, 0.4, 343.0).unwrap()),
            array_position_m: centre,
            array_rotation: rotation,
            ..free_field(tetrahedron(), vec![Talker::new(signal, Path::Still(place))], 0.8)
        })
        .unwrap()
        .render()
    };
    let quarter = Rotation::from_quaternion([0.5f64.sqrt(), 0.0, 0.0, 0.5f64.sqrt()]).unwrap();
    let a = scene([5.0, 4.0, 3.0], [2.0, 1.5, 1.2], [3.5, 2.5, 1.6], Rotation::IDENTITY);
    let b = scene([4.0, 5.0, 3.0], [4.0 - 1.5, 2.0, 1.2], [4.0 - 2.5, 3.5, 1.6], quarter);
    assert!(difference(&a.channels, &b.channels) < 1e-4);
}

#[test]
fn twice_the_distance_is_half_the_pressure() {
    let level = |distance_m: f64| {
        let array = MicArray::from_positions("pair", &[[0.0, 0.1, 0.0], [0.0, -0.1, 0.0]]).unwrap();
        let talker = Talker::new(click(), Path::Still([distance_m, 0.0, 0.0]));
        let audio = Scene::new(free_field(array, vec![talker], 0.1)).unwrap().render();
        let (re, im) = bin(&audio.channels[0], 1000.0);
        (re.hypot(im) / audio.gain, distance_m.hypot(0.1))
    };
    for distance in [0.3, 1.0, 2.0, 4.0, 8.0] {
        let (found, r) = level(distance);
        assert!((found * r - 1.0).abs() < 1e-3, "{distance} m: {found}");
    }
}

#[test]
fn sound_decays_by_sixty_decibels_in_the_reverberation_time() {
    let pair = MicArray::from_positions("pair", &[[0.0, 0.05, 0.0], [0.0, -0.05, 0.0]]).unwrap();
    let mut worst: f64 = 0.0;
    for (size, t60) in [
        ([6.1, 4.9, 2.9], 0.3),
        ([5.0, 4.0, 3.0], 0.2),
        ([3.0, 3.0, 2.5], 0.5),
        ([10.0, 8.0, 2.5], 0.2),
        ([10.0, 3.0, 2.5], 0.4),
        ([10.0, 8.0, 6.0], 1.3),
        ([7.0, 5.0, 3.5], 0.8),
    ] {
        let room = Room::new(size, t60, 343.0).unwrap();
        let talker = Talker::new(click(), Path::Still([0.7 * size[0], 0.4 * size[1], 0.45 * size[2]]));
        let audio = Scene::new(SceneParts {
            space: Space::Room(room),
            array_position_m: [0.3 * size[0], 0.55 * size[1], 0.6 * size[2]],
            ..free_field(pair.clone(), vec![talker], 1.2 * t60 + 0.1)
        })
        .unwrap()
        .render();
        // Schroeder's backward integral, and a line through −5 … −35 dB.
        let mut energy: Vec<f64> = audio.channels[0].iter().map(|&x| f64::from(x).powi(2)).collect();
        for n in (0..energy.len() - 1).rev() {
            energy[n] += energy[n + 1];
        }
        let curve: Vec<(f64, f64)> = energy
            .iter()
            .enumerate()
            .map(|(n, e)| (n as f64 / f64::from(RATE), 10.0 * (e / energy[0]).max(1e-30).log10()))
            .filter(|(_, db)| (-35.0..=-5.0).contains(db))
            .collect();
        let count = curve.len() as f64;
        let (mt, md) = curve.iter().fold((0.0, 0.0), |(a, b), (t, d)| (a + t / count, b + d / count));
        let slope = curve.iter().map(|(t, d)| (t - mt) * (d - md)).sum::<f64>()
            / curve.iter().map(|(t, _)| (t - mt).powi(2)).sum::<f64>();
        let found = -60.0 / slope;
        worst = worst.max((found / t60 - 1.0).abs());
    }
    assert!(worst < 0.1, "{worst}");
}

#[test]
fn the_tail_goes_on_at_the_early_level() {
    let size = [6.1, 4.9, 2.9];
    let array = presets::find("eigenmike-em32").unwrap().array;
    let audio = Scene::new(SceneParts {
        space: Space::Room(Room::new(size, 0.6, 343.0).unwrap()),
        array_position_m: [2.83, 2.36, 1.38],
        ..free_field(array, vec![Talker::new(click(), Path::Still([4.2, 1.5, 1.7]))], 0.6)
    })
    .unwrap()
    .render();
    let energy = |from_s: f64, to_s: f64| {
        let frame = |t: f64| (t * f64::from(RATE)) as usize;
        audio.channels.iter().flat_map(|c| &c[frame(from_s)..frame(to_s)]).map(|x| x * x).sum::<f32>()
    };
    // 20 ms before and after the seam: 2 dB of decay between their middles.
    let step_db = 10.0 * (energy(0.06, 0.08) / energy(0.08, 0.10)).log10();
    assert!((step_db - 2.0).abs() < 2.0, "{step_db} dB");
}

/// Coherence of channels 0 and 1 averaged over bins and blocks about a frequency: its real part.
fn coherence(channels: &[Vec<f32>], centre_hz: f64, width_hz: f64) -> f64 {
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in channels[0].chunks_exact(4096).zip(channels[1].chunks_exact(4096)) {
        for i in 0..20 {
            let f = centre_hz + width_hz * (f64::from(i) / 20.0 - 0.5);
            let (a, b) = (bin(x, f), bin(y, f));
            ab += cross(a, b).0;
            aa += cross(a, a).0;
            bb += cross(b, b).0;
        }
    }
    ab / (aa * bb).sqrt()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { x.sin() / x }
}

#[test]
fn diffuse_noise_is_as_coherent_as_a_diffuse_field() {
    for (spacing, axis) in [(0.05, [1.0, 0.0, 0.0]), (0.12, [0.0, 0.6, 0.8])] {
        let array = MicArray::from_positions("pair", &[[0.0; 3], axis.map(|x: f64| x * spacing)]).unwrap();
        let mut parts = free_field(array, vec![], 20.0);
        parts.diffuse = Some(DiffuseNoise { snr_db: 0.0, slope_db_per_octave: -3.0 });
        let audio = Scene::new(parts).unwrap().render();
        for frequency in [250.0, 500.0, 1000.0, 2000.0, 3000.0, 5000.0] {
            let expected = sinc(TAU * frequency / 343.0 * spacing);
            let found = coherence(&audio.channels, frequency, 60.0);
            assert!((found - expected).abs() < 0.08, "{spacing} m, {frequency} Hz: {found}, not {expected}");
        }
    }
}

#[test]
fn the_tail_is_as_coherent_as_a_diffuse_field() {
    let spacing = 0.08;
    let array = MicArray::from_positions("pair", &[[0.0; 3], [0.0, spacing, 0.0]]).unwrap();
    let mut late = vec![Vec::new(); 2];
    for seed in 0..12 {
        let talker = Talker::new(click(), Path::Still([4.0, 1.5, 1.7]));
        let audio = Scene::new(SceneParts {
            space: Space::Room(Room::new([6.0, 5.0, 3.0], 2.0, 343.0).unwrap()),
            array_position_m: [2.8, 2.3, 1.4],
            seed,
            ..free_field(array.clone(), vec![talker], 0.6)
        })
        .unwrap()
        .render();
        for (all, channel) in late.iter_mut().zip(&audio.channels) {
            all.extend_from_slice(&channel[1600..]);
        }
    }
    for frequency in [300.0, 1000.0, 2000.0, 4000.0] {
        let found = coherence(&late, frequency, 400.0);
        let expected = sinc(TAU * frequency / 343.0 * spacing);
        assert!((found - expected).abs() < 0.15, "{frequency} Hz: {found}, not {expected}");
    }
}

#[test]
fn noise_has_the_wanted_level() {
    let signal: Vec<f32> = sources::noise_bursts(5, RATE, 2.0);
    let place = Path::Still([1.0, 0.0, 0.0]);
    let power = |parts: SceneParts| {
        let audio = Scene::new(parts).unwrap().render();
        let scale = 1.0 / (audio.gain * audio.gain);
        audio.channels.iter().flatten().map(|&x| f64::from(x).powi(2)).sum::<f64>() * scale
    };
    let clean = power(free_field(tetrahedron(), vec![Talker::new(signal.clone(), place.clone())], 2.0));
    for snr_db in [-10.0, 0.0] {
        let mut parts = free_field(tetrahedron(), vec![Talker::new(signal.clone(), place.clone())], 2.0);
        parts.sensor_snr_db = Some(snr_db);
        let sensor = power(parts.clone()) - clean;
        (parts.sensor_snr_db, parts.diffuse) = (None, Some(DiffuseNoise { snr_db, slope_db_per_octave: -6.0 }));
        let diffuse = power(parts) - clean;
        for (kind, noise) in [("sensor", sensor), ("diffuse", diffuse)] {
            // The bursts leave a part of the time silent, which does not count as signal.
            let found = 10.0 * (clean / noise).log10();
            assert!((found - snr_db).abs() < 2.0 && found < snr_db, "{kind}: {found} dB, not {snr_db}");
        }
    }
}

#[test]
fn a_walking_source_is_continuous() {
    // A sine from a source on a slow arc keeps its level: no fade combs, no gap between steps.
    let sine: Vec<f32> = (0..2 * RATE).map(|n| (TAU as f32 * 1500.0 * n as f32 / RATE as f32).sin()).collect();
    let path = Path::Arc {
        centre_m: [0.0; 3],
        radius_m: 1.5,
        from_deg: [0.0, 0.0],
        to_deg: [40.0, 20.0],
        between_s: [0.0, 2.0],
    };
    let audio = Scene::new(free_field(tetrahedron(), vec![Talker::new(sine, path)], 2.0)).unwrap().render();
    let levels: Vec<f32> = audio.channels[2][800..31_200]
        .chunks_exact(160)
        .map(|c| (c.iter().map(|x| x * x).sum::<f32>() / 160.0).sqrt())
        .collect();
    let (low, high) = levels.iter().fold((f32::MAX, 0.0f32), |(a, b), &x| (a.min(x), b.max(x)));
    assert!(high / low < 1.05, "{low} … {high}");
}

#[test]
fn channels_follow_the_layout() {
    use spherescope_dsp::Capsule;
    let mut capsules =
        vec![Capsule::new(5, [0.05, 0.0, 0.0]), Capsule::new(1, [-0.05, 0.0, 0.0]), Capsule::new(3, [0.0, 0.05, 0.0])];
    capsules[2].muted = true;
    let array = MicArray::new("odd", capsules).unwrap();
    let talker = Talker::new(click(), Path::Still([1.0, 0.0, 0.0]));
    let audio = Scene::new(free_field(array, vec![talker], 0.1)).unwrap().render();
    assert_eq!(audio.channels.len(), 6);
    let peak = |c: usize| {
        let best = |(n, x): (usize, &f32)| (x.abs().to_bits(), n);
        audio.channels[c].iter().enumerate().map(best).max().unwrap().1
    };
    assert!(peak(5) < peak(1), "the capsule in front hears it first");
    for silent in [0, 2, 3, 4] {
        assert!(audio.channels[silent].iter().all(|&x| x == 0.0));
    }
    let loudest = audio.channels.iter().flatten().fold(0.0f32, |m, x| m.max(x.abs()));
    assert!((loudest - spherescope_train::PEAK).abs() < 1e-6);
}

#[test]
fn scenes_come_from_their_seed() {
    let signals: Vec<_> = (0..3).map(|s| sources::babble(s, RATE, 2.0)).collect();
    let ranges = SceneRanges { duration_s: 1.0, ..SceneRanges::default() };
    let scene = |seed| random_scene(seed, &ranges, random_array(seed, 6).unwrap(), &signals).unwrap();
    assert_eq!(scene(4), scene(4));
    assert_eq!(scene(4).render(), scene(4).render());
    assert_ne!(scene(4).render().channels, scene(5).render().channels);
}
