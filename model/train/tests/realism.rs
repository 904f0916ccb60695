//! Bodies, patterns, beams, walls and faults of rendered scenes, against closed forms.

use std::f64::consts::TAU;

use spherescope_dsp::{Direction, MicArray};
use spherescope_train::{
    ArrayKind, Body, CapsulePattern, DiffuseNoise, Directivity, Imperfections, Path, Realism, Room, Scene, SceneError,
    SceneParts, SceneRanges, Space, Talker, random_array_of, random_paper_array, random_scene, sources,
    sphere_pressure,
};

const RATE: u32 = 16_000;
const SPEED: f64 = 343.0;

fn click() -> Vec<f32> {
    let mut click = vec![0.0; 64];
    click[0] = 1.0;
    click
}

fn air(array: MicArray, talkers: Vec<Talker>, duration_s: f64) -> SceneParts {
    let space = Space::FreeField { speed_m_s: SPEED };
    SceneParts { talkers, ..SceneParts::new(RATE, duration_s, space, array, [0.0; 3]) }
}

/// Pressures for signals at 1 m, `[channel][frame]`.
fn heard(parts: SceneParts) -> Vec<Vec<f64>> {
    let audio = Scene::new(parts).unwrap().render();
    audio.channels.iter().map(|c| c.iter().map(|&x| f64::from(x) / audio.gain).collect()).collect()
}

fn bin(signal: &[f64], frequency_hz: f64) -> [f64; 2] {
    let step = -TAU * frequency_hz / f64::from(RATE);
    signal.iter().enumerate().fold([0.0; 2], |[re, im], (n, x)| {
        let (s, c) = (step * n as f64).sin_cos();
        [re + x * c, im + x * s]
    })
}

fn power(signal: &[f64]) -> f64 {
    signal.iter().map(|x| x * x).sum()
}

/// Six capsules on a sphere about the origin, whose centroid is its centre.
fn octahedron(radius_m: f64) -> MicArray {
    let r = radius_m;
    let places = [[r, 0.0, 0.0], [-r, 0.0, 0.0], [0.0, r, 0.0], [0.0, -r, 0.0], [0.0, 0.0, r], [0.0, 0.0, -r]];
    MicArray::from_positions("octahedron", &places).unwrap()
}

#[test]
fn a_rigid_sphere_has_the_pressure_of_the_series() {
    for radius_m in [0.042, 0.09] {
        let direction = Direction::from_degrees(37.0, 20.0).unwrap();
        let place = direction.unit().map(|x| 10.0 * x);
        let array = octahedron(radius_m);
        let talkers = vec![Talker::new(click(), Path::Still(place))];
        let open = heard(air(
            MicArray::from_positions("pair", &[[1e-3, 0.0, 0.0], [-1e-3, 0.0, 0.0]]).unwrap(),
            talkers.clone(),
            0.1,
        ));
        let parts = SceneParts { body: Body::RigidSphere { radius_m }, ..air(array.clone(), talkers, 0.1) };
        let channels = heard(parts);
        for (capsule, channel) in array.capsules().iter().zip(&channels) {
            let cos = (0..3).map(|i| capsule.position_m[i] * direction.unit()[i]).sum::<f64>() / radius_m;
            for frequency in [200.0, 700.0, 1500.0, 3000.0, 5000.0, 6500.0] {
                let [re, im] = sphere_pressure(TAU * frequency / SPEED * radius_m, cos);
                // The sound at the centre: 10 m of delay, a tenth of the level. The open pair confirms it.
                let (s, c) = (-TAU * frequency * 10.0 / SPEED).sin_cos();
                let expected = [0.1 * (re * c - im * s), 0.1 * (re * s + im * c)];
                let found = bin(channel, frequency);
                let error = (found[0] - expected[0]).hypot(found[1] - expected[1]);
                assert!(error < 2e-3, "{radius_m} m, {frequency} Hz, cos {cos}: {found:?} {expected:?}");
                assert!((bin(&open[0], 200.0)[0].hypot(bin(&open[0], 200.0)[1]) - 0.1).abs() < 1e-3);
            }
        }
    }
}

#[test]
fn a_mounted_array_hears_a_walker_as_it_hears_standers_on_the_way() {
    // Very slowly walking is standing.
    let array = octahedron(0.08);
    let signal = sources::noise_bursts(1, RATE, 0.5);
    let body = Body::RigidSphere { radius_m: 0.08 };
    let from = [1.2, 0.7, 0.3];
    let to = [1.2, 0.7001, 0.3];
    let way = Path::Waypoints(vec![
        spherescope_train::Waypoint { time_s: 0.0, position_m: from },
        spherescope_train::Waypoint { time_s: 0.5, position_m: to },
    ]);
    for body in [body, Body::Open] {
        let still =
            heard(SceneParts { body, ..air(array.clone(), vec![Talker::new(signal.clone(), Path::Still(from))], 0.5) });
        let moving =
            heard(SceneParts { body, ..air(array.clone(), vec![Talker::new(signal.clone(), way.clone())], 0.5) });
        for (a, b) in still.iter().zip(&moving) {
            let error: f64 = a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum();
            assert!(error < 2e-3 * power(a), "{body:?}: {}", error / power(a));
        }
    }
}

#[test]
fn a_cardioid_is_deaf_behind() {
    let array = MicArray::from_positions("pair", &[[0.02, 0.0, 0.0], [-0.02, 0.0, 0.0]]).unwrap();
    let axes = vec![[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]];
    let at = |pattern: CapsulePattern, degrees: f64| {
        let place = Direction::from_degrees(degrees, 0.0).unwrap().unit().map(|x| 100.0 * x);
        let channels =
            heard(SceneParts { pattern, ..air(array.clone(), vec![Talker::new(click(), Path::Still(place))], 0.4) });
        [0, 1].map(|c| bin(&channels[c], 1000.0)).map(|[re, im]| 100.0 * re.hypot(im))
    };
    let pressure = at(CapsulePattern::Pressure, 0.0)[0];
    for (alpha, degrees) in [(0.5, 180.0), (0.5, 90.0), (0.7, 60.0), (0.3, 0.0), (0.0, 90.0)] {
        let [outward, _] = at(CapsulePattern::Outward { alpha }, degrees);
        let expected = (alpha + (1.0 - alpha) * degrees.to_radians().cos()).abs();
        assert!((outward / pressure - expected).abs() < 2e-3, "{alpha} {degrees}: {outward}");
        let [_, side] = at(CapsulePattern::Axes { alpha, axes: axes.clone() }, degrees);
        let expected = (alpha + (1.0 - alpha) * degrees.to_radians().sin()).abs();
        assert!((side / pressure - expected).abs() < 2e-3, "{alpha} {degrees}: {side}");
    }
}

#[test]
fn talkers_are_quieter_and_duller_behind() {
    let array = MicArray::from_positions("pair", &[[0.0, 0.01, 0.0], [0.0, -0.01, 0.0]]).unwrap();
    let at = |axis: Option<[f64; 3]>, frequency: f64| {
        let mut talker = Talker::new(click(), Path::Still([1.0, 0.0, 0.0]));
        talker.signal = vec![0.0; 64];
        talker.signal[32] = 1.0;
        talker.directivity = axis.map(|axis| Directivity { axis, back_db: 6.0 });
        let [re, im] = bin(&heard(air(array.clone(), vec![talker], 0.1))[0], frequency);
        20.0 * re.hypot(im).log10()
    };
    for (axis, share) in [([-3.0, 0.0, 0.0], 0.0), ([0.0, 1.0, 0.0], 0.5), ([1.0, 0.0, 0.0], 1.0)] {
        for (frequency, loss_db) in [(300.0, 1.0), (1000.0, 6.0), (2000.0, 11.0), (4000.0, 16.0)] {
            let found = at(None, frequency) - at(Some(axis), frequency);
            assert!((found - share * loss_db).abs() < 1.5, "{axis:?} {frequency} Hz: {found} dB");
        }
    }
}

/// Reverberation time by Schroeder's backward integral and a line through −5 … −30 dB, in an octave about a frequency.
fn decay_s(signal: &[f64], centre_hz: f64) -> f64 {
    // A resonator of the second order, twice: an octave wide, with no decay of its own to speak of.
    let w = TAU * centre_hz / f64::from(RATE);
    let alpha = w.sin() / (2.0 * 1.4);
    let (b, a) = (
        [alpha, 0.0, -alpha].map(|x| x / (1.0 + alpha)),
        [-2.0 * w.cos() / (1.0 + alpha), (1.0 - alpha) / (1.0 + alpha)],
    );
    let mut band = signal.to_vec();
    for _ in 0..3 {
        let (mut x, mut y) = ([0.0; 2], [0.0; 2]);
        for s in &mut band {
            let out = b[0] * *s + b[1] * x[0] + b[2] * x[1] - a[0] * y[0] - a[1] * y[1];
            (x, y) = ([*s, x[0]], [out, y[0]]);
            *s = out;
        }
    }
    let mut energy: Vec<f64> = band.iter().map(|x| x * x).collect();
    for n in (0..energy.len() - 1).rev() {
        energy[n] += energy[n + 1];
    }
    let points: Vec<(f64, f64)> = energy
        .iter()
        .enumerate()
        .map(|(n, e)| (n as f64 / f64::from(RATE), 10.0 * (e / energy[0]).max(1e-30).log10()))
        .filter(|(_, db)| (-30.0..=-5.0).contains(db))
        .collect();
    let count = points.len() as f64;
    let (mt, md) = points.iter().fold((0.0, 0.0), |(a, b), (t, d)| (a + t / count, b + d / count));
    -60.0 * points.iter().map(|(t, _)| (t - mt).powi(2)).sum::<f64>()
        / points.iter().map(|(t, d)| (t - mt) * (d - md)).sum::<f64>()
}

#[test]
fn sloping_walls_keep_the_decay_at_1_khz_and_shorten_it_above() {
    let pair = MicArray::from_positions("pair", &[[0.0, 0.3, 0.0], [0.0, -0.3, 0.0]]).unwrap();
    for (size, t60, slope) in [([6.1, 4.9, 2.9], 0.4, 0.25), ([7.0, 5.0, 3.5], 0.8, 0.25), ([5.0, 4.0, 3.0], 0.6, 0.15)]
    {
        let room = Room::new(size, t60, SPEED).unwrap().with_wall_slope(slope).unwrap();
        let mut mean = [0.0; 2];
        for seed in 0..6 {
            let x = 0.08 * seed as f64;
            let talker = Talker::new(click(), Path::Still([(0.7 - x) * size[0], 0.4 * size[1], 0.45 * size[2]]));
            let centre = [0.3 * size[0], (0.4 + x) * size[1], 0.6 * size[2]];
            let parts = SceneParts {
                talkers: vec![talker],
                seed,
                ..SceneParts::new(RATE, 1.2 * t60 + 0.1, Space::Room(room.clone()), pair.clone(), centre)
            };
            let channels = heard(parts);
            for (mean, frequency) in mean.iter_mut().zip([1000.0, 4000.0]) {
                *mean += channels.iter().map(|c| decay_s(c, frequency)).sum::<f64>() / 12.0;
            }
        }
        assert!((mean[0] / t60 - 1.0).abs() < 0.1, "{t60} s at 1 kHz: {mean:?}");
        let expected = t60 / (1.0 + 2.0 * slope);
        assert!((mean[1] / expected - 1.0).abs() < 0.15, "{expected} s at 4 kHz: {mean:?}");
    }
}

#[test]
fn dead_capsules_have_noise_of_their_own_only() {
    let array = octahedron(0.05);
    let talker = Talker::new(sources::noise_bursts(2, RATE, 1.0), Path::Still([1.0, 0.2, 0.1]));
    let mut parts = air(array, vec![talker], 1.0);
    parts.diffuse = Some(DiffuseNoise { snr_db: 0.0, slope_db_per_octave: 0.0 });
    parts.imperfections = Imperfections { dead: 2, ..Imperfections::default() };
    let silent = |channels: &[Vec<f64>]| channels.iter().filter(|c| power(c) == 0.0).count();
    assert_eq!(silent(&heard(parts.clone())), 2);
    parts.sensor_snr_db = Some(40.0);
    let channels = heard(parts);
    assert_eq!(silent(&channels), 0);
    let mut powers: Vec<_> = channels.iter().map(|c| power(c)).collect();
    powers.sort_by(f64::total_cmp);
    assert!(powers[1] < 1e-3 * powers[2], "{powers:?}");
}

#[test]
fn delays_of_capsules_are_delays() {
    let array = MicArray::from_positions("pair", &[[0.0, 0.05, 0.0], [0.0, -0.05, 0.0]]).unwrap();
    let lags = |array: &MicArray, body: Body| {
        let mut sum = 0.0;
        for seed in 0..40 {
            let mut parts = SceneParts {
                body,
                seed,
                ..air(array.clone(), vec![Talker::new(click(), Path::Still([1.0, 0.0, 0.0]))], 0.1)
            };
            parts.imperfections.delay_s = 1e-5;
            let channels = heard(parts);
            let [a, b] = [bin(&channels[0], 1000.0), bin(&channels[1], 1000.0)];
            let phase = (a[1] * b[0] - a[0] * b[1]).atan2(a[0] * b[0] + a[1] * b[1]);
            sum += (phase / (TAU * 1000.0)).powi(2) / 40.0;
        }
        sum.sqrt()
    };
    let expected = 2f64.sqrt() * 1e-5;
    for (array, body) in [(array.clone(), Body::Open), (array, Body::RigidSphere { radius_m: 0.05 })] {
        let found = lags(&array, body);
        assert!((found / expected - 1.0).abs() < 0.35, "{body:?}: {found} s");
    }
}

/// Coherence of two channels about a frequency.
fn coherence(a: &[f64], b: &[f64], centre_hz: f64) -> f64 {
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.chunks_exact(4096).zip(b.chunks_exact(4096)) {
        for i in 0..20 {
            let f = centre_hz + 60.0 * (f64::from(i) / 20.0 - 0.5);
            let (p, q) = (bin(x, f), bin(y, f));
            ab += p[0] * q[0] + p[1] * q[1];
            aa += p[0] * p[0] + p[1] * p[1];
            bb += q[0] * q[0] + q[1] * q[1];
        }
    }
    ab / (aa * bb).sqrt()
}

#[test]
fn diffuse_noise_on_a_sphere_is_the_mean_of_waves_from_everywhere() {
    let radius_m = 0.06;
    let mut parts = air(octahedron(radius_m), vec![], 20.0);
    parts.body = Body::RigidSphere { radius_m };
    parts.diffuse = Some(DiffuseNoise { snr_db: 0.0, slope_db_per_octave: 0.0 });
    let channels = heard(parts);
    for frequency in [300.0, 800.0, 1500.0, 3000.0] {
        // Waves from a Fibonacci lattice, capsules 0 (+x) and 2 (+y).
        let (mut cross, mut square) = (0.0, 0.0);
        for i in 0..4000 {
            let z = 1.0 - (2.0 * f64::from(i) + 1.0) / 4000.0;
            let (s, c) = (2.399_963_229_728_653 * f64::from(i)).sin_cos();
            let r = (1.0 - z * z).sqrt();
            let ka = TAU * frequency / SPEED * radius_m;
            let [p, q] = [sphere_pressure(ka, r * c), sphere_pressure(ka, r * s)];
            cross += p[0] * q[0] + p[1] * q[1];
            square += 0.5 * (p[0] * p[0] + p[1] * p[1] + q[0] * q[0] + q[1] * q[1]);
        }
        let found = coherence(&channels[0], &channels[2], frequency);
        assert!((found - cross / square).abs() < 0.08, "{frequency} Hz: {found}, not {}", cross / square);
    }
}

#[test]
fn heads_hear_shoulders_and_their_own_shadow() {
    let head = Body::Head { scale: 1.0 };
    let places: Vec<[f64; 3]> = [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
        .into_iter()
        .map(|u: [f64; 3]| u.map(|x| x * head.surface_m(u).unwrap()))
        .collect();
    let array = MicArray::from_positions("head", &places).unwrap();
    let talker = |place| vec![Talker::new(click(), Path::Still(place))];
    let channels = heard(SceneParts { body: head, ..air(array.clone(), talker([2.5, 4.3, 0.0]), 0.1) });
    let level = |c: usize, f: f64| bin(&channels[c], f)[0].hypot(bin(&channels[c], f)[1]);
    assert!(level(0, 4000.0) > 1.6 * level(0, 100.0) && level(1, 4000.0) < 0.75 * level(1, 100.0));
    // From above, the shoulders' echo ripples the spectrum; from below there is none.
    let ripple = |z: f64| {
        let channels = heard(SceneParts { body: head, ..air(array.clone(), talker([0.0, 0.0, z]), 0.1) });
        let levels: Vec<_> =
            (3..20).map(|i| bin(&channels[2], 100.0 * f64::from(i))).map(|[re, im]| re.hypot(im)).collect();
        levels.windows(2).map(|w| (w[1] / w[0]).ln().abs()).sum::<f64>()
    };
    assert!(ripple(5.0) > 2.0 * ripple(-5.0), "{} {}", ripple(5.0), ripple(-5.0));
}

#[test]
fn wrong_bodies_and_patterns_are_refused() {
    let good = || air(octahedron(0.05), vec![], 0.1);
    let refuse = |parts: SceneParts| Scene::new(parts).unwrap_err().to_string();
    assert!(refuse(SceneParts { body: Body::RigidSphere { radius_m: f64::NAN }, ..good() }).contains("radius"));
    assert!(refuse(SceneParts { body: Body::RigidSphere { radius_m: 0.1 }, ..good() }).starts_with("capsule 0"));
    assert!(refuse(SceneParts { body: Body::Head { scale: 9.0 }, ..good() }).contains("scale"));
    assert!(refuse(SceneParts { pattern: CapsulePattern::Outward { alpha: 2.0 }, ..good() }).contains("alpha"));
    let axes = CapsulePattern::Axes { alpha: 0.5, axes: vec![] };
    assert!(refuse(SceneParts { pattern: axes, ..good() }).contains("axis"));
    let mut talker = Talker::new(click(), Path::Still([1.0; 3]));
    talker.directivity = Some(Directivity { axis: [0.0; 3], back_db: 6.0 });
    assert!(matches!(Scene::new(SceneParts { talkers: vec![talker], ..good() }), Err(SceneError::Talker { .. })));
}

#[test]
fn paper_arrays_keep_their_distances() {
    for seed in 0..200 {
        let capsules = 4 + seed as usize % 13;
        let array = random_paper_array(seed, capsules).unwrap();
        assert_eq!((array.active_len(), &array), (capsules, &random_paper_array(seed, capsules).unwrap()));
        assert!((0.0699..=0.1301).contains(&array.aperture_m()), "{}", array.aperture_m());
        assert!((0.0099..=0.0601).contains(&array.min_spacing_m()), "{capsules}: {}", array.min_spacing_m());
    }
    assert!(random_paper_array(1, 17).is_err() && random_paper_array(1, 1).is_err());
    assert!(random_paper_array(1, 2).is_ok() && random_paper_array(1, 3).is_ok());
}

#[test]
fn new_kinds_are_what_they_say() {
    for seed in 0..20 {
        let sphere = random_array_of(ArrayKind::Sphere, seed, 4 + seed as usize).unwrap();
        assert!(matches!(Body::that_fits(&sphere), Some(Body::RigidSphere { .. })), "{seed}");
        let head = random_array_of(ArrayKind::Head, seed, 4 + seed as usize % 8).unwrap();
        assert!(matches!(Body::that_fits(&head), Some(Body::Head { .. })), "{seed}");
        for kind in [ArrayKind::Box, ArrayKind::Grid, ArrayKind::Rings] {
            let array = random_array_of(kind, seed, 6 + seed as usize).unwrap();
            assert!(array.min_spacing_m() > 0.002 && array.aperture_m() < 0.7, "{kind:?} {seed}");
        }
    }
}

#[test]
fn every_switch_is_drawn_and_renders() {
    let signals: Vec<_> = (0..3).map(|s| sources::babble(s, RATE, 2.0)).collect();
    let ranges = SceneRanges { duration_s: 0.5, talkers: [0, 4], ..SceneRanges::default() };
    let (mut mounted, mut patterned, mut dead, mut facing) = (0, 0, 0, 0);
    for seed in 0..120 {
        let array = spherescope_train::random_array(seed, 4 + seed as usize % 9).unwrap();
        let scene = random_scene(seed, &ranges, array, &signals).unwrap();
        let parts = scene.parts();
        mounted += usize::from(parts.body != Body::Open);
        patterned += usize::from(parts.pattern != CapsulePattern::Pressure);
        dead += parts.imperfections.dead;
        facing += parts.talkers.iter().filter(|t| t.directivity.is_some()).count();
        if seed % 4 == 0 || parts.body != Body::Open {
            assert!(scene.render().channels.iter().flatten().all(|x| x.is_finite()));
        }
    }
    assert!(mounted > 8 && patterned > 6 && dead > 0 && facing > 60, "{mounted} {patterned} {dead} {facing}");
    let plain = SceneRanges { realism: Realism::NONE, ..ranges };
    for seed in 0..10 {
        let scene = random_scene(seed, &plain, octahedron(0.05), &signals).unwrap();
        assert_eq!((scene.parts().body, scene.parts().imperfections.dead), (Body::Open, 0));
    }
}
