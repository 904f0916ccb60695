//! The truth of scenes, and what scenes refuse.

use spherescope_dsp::{Direction, MicArray, Rotation, presets};
use spherescope_train::{
    ArrayKind, Imperfections, Path, Room, Scene, SceneError, SceneParts, SceneRanges, Space, Talker, Waypoint,
    random_array, random_array_of, random_scene, sources,
};

const RATE: u32 = 16_000;

fn parts(talkers: Vec<Talker>) -> SceneParts {
    SceneParts {
        sample_rate_hz: RATE,
        duration_s: 2.0,
        space: Space::Room(Room::new([6.0, 5.0, 3.0], 0.3, 343.0).unwrap()),
        array: presets::find("a-format-tetrahedron").unwrap().array,
        array_position_m: [3.0, 2.0, 1.5],
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

fn at(time_s: f64, position_m: [f64; 3]) -> Waypoint {
    Waypoint { time_s, position_m }
}

#[test]
fn truth_follows_a_walker_at_the_speed_of_sound() {
    let path = Path::Waypoints(vec![at(0.0, [4.0, 1.0, 1.5]), at(2.0, [4.0, 3.0, 1.5])]);
    let truth = Scene::new(parts(vec![Talker::new(vec![0.1; 2 * RATE as usize], path)])).unwrap().truth();
    for time_s in [0.1, 0.5, 1.0, 1.7] {
        let source = truth.between(time_s - 0.016, time_s + 0.016)[0];
        // One metre a second along y; what is heard now left the talker some 3 ms ago.
        let y_m = time_s - source.distance_m / 343.0 - 1.0;
        let expected = Direction::from_vector([1.0, y_m, 0.0]).unwrap();
        assert!(source.direction.angle_to_deg(&expected) < 1e-4);
        assert!((source.distance_m - 1f64.hypot(y_m)).abs() < 1e-6);
    }
}

#[test]
fn directions_are_those_of_the_turned_array_and_of_its_centroid() {
    let quarter = Rotation::from_quaternion([0.5f64.sqrt(), 0.0, 0.0, 0.5f64.sqrt()]).unwrap();
    // A layout whose origin is far from its centroid: the centroid is what stands at the array's position.
    let array = MicArray::from_positions("off", &[[5.0, 1.0, 0.0], [5.1, 1.0, 0.0], [5.0, 1.1, 0.2]]).unwrap();
    let scene = Scene::new(SceneParts {
        array_rotation: quarter,
        array,
        ..parts(vec![Talker::new(vec![0.1; 16_000], Path::Still([3.0, 3.0, 1.5]))])
    })
    .unwrap();
    let mean = scene.capsules_m().iter().fold([0.0; 3], |m, p| [0, 1, 2].map(|i| m[i] + p[i] / 3.0));
    assert!((0..3).all(|i| (mean[i] - [3.0, 2.0, 1.5][i]).abs() < 1e-9));
    // The talker is to the left of the room's front; the array looks left.
    let source = scene.truth().between(0.5, 0.532)[0];
    assert!(source.direction.angle_to_deg(&Direction::FRONT) < 1e-6);
}

#[test]
fn activity_is_two_thirds_of_the_window_and_arrives_late() {
    let mut signal = vec![0.0; 16_000];
    signal[4000..8000].fill(0.1);
    let mut talker = Talker::new(signal, Path::Still([3.0, 4.0, 1.5]));
    talker.start_s = 0.5;
    // Sound from 0.75 to 1 s, heard 2 m / 343 m/s = 5.8 ms later.
    let truth = Scene::new(parts(vec![talker])).unwrap().truth();
    let active = |start_s: f64| truth.between(start_s, start_s + 0.030)[0].active;
    let late = 2.0 / 343.0;
    // The envelope blurs an edge by half of its 16 ms at most.
    assert!(!active(0.75 + late - 0.020) && !active(0.75 + late - 0.019));
    assert!(active(0.75 + late - 0.009) && active(0.76));
    assert!(active(1.0 + late - 0.021) && !active(1.0 + late - 0.001));
    assert!(!active(0.0) && !active(1.5));
}

#[test]
fn unnamed_sources_are_heard_and_not_told() {
    let mut noise = Talker::new(vec![0.1; 16_000], Path::Still([1.0, 1.0, 1.0]));
    noise.named = false;
    let scene = Scene::new(parts(vec![noise, Talker::new(vec![0.0; 100], Path::Still([3.0, 3.0, 1.0]))])).unwrap();
    let sources = scene.truth().between(0.5, 0.532);
    assert_eq!((sources.len(), sources[0].talker, sources[0].active), (1, 1, false));
    assert!(scene.render().channels[0].iter().any(|x| x.abs() > 0.1));
}

#[test]
fn truth_is_written_as_json() {
    let scene = Scene::new(parts(vec![Talker::new(vec![0.1; 32_000], Path::Still([3.0, 3.0, 1.5]))])).unwrap();
    let json: serde_json::Value = serde_json::from_str(&scene.truth().to_json(0.016, 0.032)).unwrap();
    let frames = json.as_array().unwrap();
    assert_eq!(frames.len(), 124);
    let source = &frames[10]["sources"][0];
    assert_eq!((source["azimuth_deg"].as_f64(), source["elevation_deg"].as_f64()), (Some(90.0), Some(0.0)));
    assert_eq!((source["distance_m"].as_f64(), source["active"].as_bool()), (Some(1.0), Some(true)));
    assert!((frames[10]["start_s"].as_f64().unwrap() - 0.16).abs() < 1e-9);
    assert!(scene.truth().every(0.0, 0.032).is_empty() && scene.truth().every(0.016, 5.0).is_empty());
}

#[test]
fn wrong_scenes_are_refused_with_what_was_found() {
    let still = |p| vec![Talker::new(vec![0.1; 100], Path::Still(p))];
    let refuse = |parts| Scene::new(parts).unwrap_err().to_string();
    let good = || parts(still([1.0; 3]));
    assert!(Scene::new(good()).is_ok());
    assert_eq!(
        refuse(parts(still([1.0, 5.5, 1.0]))),
        "talker 0: expected a place inside the room or within 2000 m, found [1.00, 5.50, 1.00] m at 0.00 s"
    );
    let leaving = Path::Arc {
        centre_m: [3.0, 2.0, 1.5],
        radius_m: 2.5,
        from_deg: [0.0, 0.0],
        to_deg: [-90.0, 0.0],
        between_s: [0.0, 1.0],
    };
    assert!(refuse(parts(vec![Talker::new(vec![], leaving)])).contains("expected a place inside the room"));
    assert!(refuse(parts(still([f64::NAN; 3]))).contains("expected finite coordinates"));
    assert!(refuse(SceneParts { sample_rate_hz: 0, ..good() }).contains("found 0 Hz"));
    assert!(refuse(SceneParts { duration_s: 0.0, ..good() }).contains("found 0 s"));
    assert!(refuse(SceneParts { duration_s: f64::NAN, ..good() }).contains("found NaN s"));
    assert!(refuse(SceneParts { duration_s: 1e9, ..good() }).contains("at most 8389 s"));
    assert!(refuse(SceneParts { array_position_m: [0.005, 2.0, 1.5], ..good() }).starts_with("capsule 2"));
    assert!(refuse(SceneParts { array_position_m: [f64::NAN; 3], ..good() }).starts_with("capsule 0"));
    assert!(refuse(SceneParts { sensor_snr_db: Some(f64::INFINITY), ..good() }).contains("sensor SNR"));
    let space = Space::FreeField { speed_m_s: 0.0 };
    assert!(refuse(SceneParts { space, ..good() }).contains("speed of sound"));
    let space = Space::FreeField { speed_m_s: 343.0 };
    assert!(refuse(SceneParts { space, ..parts(still([1e6, 0.0, 0.0])) }).contains("within 2000 m"));
    let mut bad = still([1.0; 3]);
    bad[0].signal[7] = f32::NAN;
    assert!(refuse(parts(bad)).contains("at frame 7"));
    let mut early = still([1.0; 3]);
    early[0].start_s = -1.0;
    assert!(refuse(parts(early)).contains("found -1 s"));
}

#[test]
fn silence_and_sounds_outside_the_scene_are_harmless() {
    let mut late = Talker::new(vec![0.1; 100], Path::Still([1.0; 3]));
    late.start_s = 10.0;
    let silent = Talker::new(vec![0.0; 100], Path::Waypoints(vec![at(0.0, [1.0; 3]), at(1.0, [2.0; 3])]));
    let empty = Talker::new(vec![], Path::Still([1.0; 3]));
    let audio = Scene::new(parts(vec![late, silent, empty])).unwrap().render();
    assert_eq!(audio.gain, 1.0);
    assert!(audio.channels.iter().flatten().all(|&x| x == 0.0));
    // Noise alone is brought to the peak too.
    let audio = Scene::new(SceneParts { sensor_snr_db: Some(20.0), ..parts(vec![]) }).unwrap().render();
    assert!(audio.channels.iter().flatten().all(|x| x.is_finite() && x.abs() <= 0.502));
}

#[test]
fn random_arrays_are_arrays_of_every_size() {
    for seed in 0..300 {
        let capsules = 2 + seed as usize % 63;
        let array = random_array(seed, capsules).unwrap();
        assert_eq!(array.active_len(), capsules);
        assert_eq!(array, random_array(seed, capsules).unwrap());
        assert!(array.min_spacing_m() > 0.001, "{} {}", array.name(), array.min_spacing_m());
        assert!(array.aperture_m() < 0.7, "{} {}", array.name(), array.aperture_m());
    }
    for kind in
        [ArrayKind::Ball, ArrayKind::Shell, ArrayKind::Ring, ArrayKind::Tetrahedron, ArrayKind::Line, ArrayKind::Disc]
    {
        assert!(random_array_of(kind, 1, 4).is_ok());
    }
    for wrong in [0, 1, 65, 100_000] {
        assert!(random_array(1, wrong).is_err());
    }
}

#[test]
fn random_scenes_keep_their_distances() {
    let signals = vec![sources::babble(1, RATE, 3.0)];
    let ranges = SceneRanges { talkers: [0, 3], ..SceneRanges::default() };
    for seed in 0..60 {
        let array = random_array(seed, 2 + seed as usize % 11).unwrap();
        let scene = random_scene(seed, &ranges, array, &signals).unwrap();
        let Space::Room(room) = &scene.parts().space else { panic!("a room") };
        assert!(scene.capsules_m().iter().all(|&p| room.clearance_m(p) >= ranges.wall_m - 1e-9));
        let sources = scene.truth().between(0.0, 0.032);
        for (i, a) in sources.iter().enumerate() {
            assert!((0.49..=2.51).contains(&a.distance_m), "{}", a.distance_m);
            assert!(sources[..i].iter().all(|b| a.direction.angle_to_deg(&b.direction) > 9.0));
        }
    }
    let array = || random_array(1, 4).unwrap();
    assert_eq!(random_scene(1, &SceneRanges::default(), array(), &[vec![0.0; 10]]), Err(SceneError::NoSignals));
    let tight = SceneRanges { wall_m: 4.0, ..SceneRanges::default() };
    assert!(matches!(random_scene(1, &tight, array(), &signals), Err(SceneError::NoPlace { .. })));
    let endless = SceneRanges { duration_s: 1e15, ..SceneRanges::default() };
    assert!(matches!(random_scene(1, &endless, array(), &signals), Err(SceneError::Duration { .. })));
    let reversed = SceneRanges { t60_s: [1.0, 0.5], ..SceneRanges::default() };
    let error = random_scene(1, &reversed, array(), &signals).unwrap_err().to_string();
    assert_eq!(error, "expected a range of reverberation time in seconds, found 1 to 0.5");
}
