//! The layout doctor on simulated speech in rooms: swaps by name, faults one by one, and nothing where nothing is wrong.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use spherescope_dsp::doctor::{Doctor, Finding, FindingKind, Remedy, geometry};
use spherescope_dsp::{Capsule, Direction, MicArray, SampleRate, presets};
use spherescope_train::{
    ArrayKind, Body, CapsulePattern, DiffuseNoise, Path, Realism, Scene, SceneParts, SceneRanges, Space, Talker,
    random_array_of, random_paper_array, random_scene, sources,
};

const RATE: u32 = 16_000;
const DURATION_S: f64 = 15.0;
const SPEED_M_S: f64 = 343.0;

/// The arrays take turns: presets and random ones, open and on bodies, 4 to 32 capsules.
fn array(case: u64) -> MicArray {
    let preset = |id: &str| presets::find(id).unwrap().array;
    match case % 10 {
        0 => preset("eigenmike-em32"),
        1 => random_paper_array(case, 4).unwrap(),
        2 => preset("ring-6"),
        3 => random_array_of(ArrayKind::Ball, case, 8).unwrap(),
        4 => random_paper_array(case, 12).unwrap(),
        5 => preset("zylia-zm-1"),
        6 => random_array_of(ArrayKind::Head, case, 8).unwrap(),
        7 => random_paper_array(case, 5).unwrap(),
        8 => random_array_of(ArrayKind::Box, case, 10).unwrap(),
        _ => preset("minidsp-uma-16"),
    }
}

/// A room of 0.2 to 0.8 s with the array in it and noise 10 to 30 dB below two voices, who speak in turns of some 1.7 s: from another
/// place each time, or from one place all the time, or walking.
fn scene(case: u64, array: MicArray, places: Places) -> SceneParts {
    let ranges = SceneRanges {
        talkers: [0, 0],
        point_noise: 0.0,
        t60_s: [0.2, 0.8],
        duration_s: DURATION_S,
        room_m: [[3.5, 8.0], [3.5, 7.0], [2.5, 4.0]],
        wall_m: 0.8,
        realism: Realism { dead: 0.0, ..Realism::default() },
        ..SceneRanges::default()
    };
    let mut parts = random_scene(case, &ranges, array, &[]).unwrap().into_parts();
    let Space::Room(room) = parts.space.clone() else { panic!("a room") };
    let mut rng = SmallRng::seed_from_u64(case);
    let turns = 9;
    let turn_s = DURATION_S / f64::from(turns);
    let frame = |time_s: f64| (time_s * f64::from(RATE)) as usize;
    let voices = [0, 1].map(|v| sources::babble(2 * case + v, RATE, DURATION_S));
    let mut still = None;
    let mut place = |parts: &SceneParts| loop {
        let azimuth_deg = rng.random_range(-180.0..180.0);
        let towards = Direction::from_degrees(azimuth_deg, rng.random_range(-35.0..35.0)).unwrap().unit();
        let distance_m = rng.random_range(0.7..2.5);
        let place: [f64; 3] = std::array::from_fn(|i| parts.array_position_m[i] + distance_m * towards[i]);
        if room.clearance_m(place) > 0.3 {
            break place;
        }
    };
    if places == Places::Walk {
        let waypoints = (0..6).map(|i| Waypoint { time_s: 3.0 * f64::from(i), position_m: place(&parts) }).collect();
        parts.talkers.push(Talker::new(voices[0].clone(), Path::Waypoints(waypoints)));
    } else {
        for turn in 0..turns {
            let position_m = match places {
                Places::One => *still.get_or_insert_with(|| place(&parts)),
                _ => place(&parts),
            };
            let start_s = f64::from(turn) * turn_s;
            let signal = voices[turn as usize % 2][frame(start_s)..frame(start_s + turn_s)].to_vec();
            parts.talkers.push(Talker { start_s, ..Talker::new(signal, Path::Still(position_m)) });
        }
    }
    let snr_db = rng.random_range(10.0..30.0);
    parts.sensor_snr_db = Some(snr_db + 6.0);
    parts.diffuse = Some(DiffuseNoise { snr_db, slope_db_per_octave: -6.0 });
    // Presets on spheres half of the time on them.
    if case % 20 < 10 && parts.body == Body::Open {
        parts.body = Body::that_fits(&parts.array).unwrap_or_default();
        if parts.body != Body::Open {
            parts.pattern = CapsulePattern::Pressure;
        }
    }
    parts
}

#[derive(Clone, Copy, PartialEq)]
enum Places {
    Many,
    One,
    Walk,
}
use spherescope_train::Waypoint;

fn recorded(parts: SceneParts) -> Vec<Vec<f32>> {
    Scene::new(parts).unwrap().render().channels
}

fn doctor(array: &MicArray) -> Doctor {
    Doctor::new(SampleRate::new(f64::from(RATE)).unwrap(), array, SPEED_M_S).unwrap()
}

/// What a doctor finds who hears it all.
fn findings(array: &MicArray, channels: &[Vec<f32>]) -> Vec<Finding> {
    let mut doctor = doctor(array);
    let t = std::time::Instant::now();
    for start in (0..channels[0].len()).step_by(480) {
        let block: Vec<&[f32]> = channels.iter().map(|c| &c[start..(start + 480).min(c.len())]).collect();
        doctor.push(&block).unwrap();
    }
    println!("    {:.2} % {}", t.elapsed().as_secs_f64() / DURATION_S * 100.0, doctor.debug());
    assert!(doctor.findings().iter().all(|f| f.kind.is_heard()));
    doctor.findings()
}

fn kinds(findings: &[Finding]) -> Vec<(FindingKind, Vec<usize>)> {
    findings.iter().map(|f| (f.kind, f.channels.clone())).collect()
}

/// Two channels whose swap does not mirror the array.
fn pair_to_swap(case: u64, array: &MicArray) -> (usize, usize) {
    let mut rng = SmallRng::seed_from_u64(1000 + case);
    let c = array.active_len();
    for _ in 0..100 {
        let (a, b) = (rng.random_range(0..c), rng.random_range(0..c));
        let mut told: Vec<Capsule> = array.capsules().to_vec();
        if a < b && {
            told.swap(a, b);
            true
        } {
            return (a, b);
        }
    }
    panic!("a pair")
}

fn cases() -> std::ops::Range<u64> {
    let get = |n: &str, d: u64| std::env::var(n).ok().map_or(d, |x| x.parse().unwrap());
    get("FROM", 100)..get("TO", 120)
}

#[test]
fn swapped_pairs_are_named_and_clean_arrays_are_left_alone() {
    let (mut named, mut clean, mut wrong) = (0, 0, 0);
    for case in cases() {
        let array = array(case);
        let places = if case % 3 == 0 { Places::Walk } else { Places::Many };
        let parts = scene(case, array.clone(), places);
        println!("{case} {} {} {:?} {:?}", array.name(), array.active_len(), parts.body, parts.pattern);
        let mut channels = recorded(parts);
        let found = findings(&array, &channels);
        clean += usize::from(found.is_empty());
        if !found.is_empty() {
            println!("case {case}, {}: {found:?}", array.name());
        }
        let (a, b) = pair_to_swap(case, &array);
        channels.swap(a, b);
        let found = findings(&array, &channels);
        let hit = kinds(&found) == [(FindingKind::Swapped, vec![a, b])];
        named += usize::from(hit);
        wrong += usize::from(!hit && !found.is_empty());
        if !hit {
            println!("case {case}, {}, swapped {a} and {b}: {found:?}", array.name());
        }
    }
    println!("{named} swapped pairs named, {wrong} wrong; {clean} of {} clean", cases().count());
}

#[test]
fn one_place_alone_proves_nothing() {
    for case in cases() {
        let array = array(case);
        println!("{case} one place");
        let mut channels = recorded(scene(case, array.clone(), Places::One));
        let found = findings(&array, &channels);
        if !found.is_empty() {
            println!("  CLEAN {found:?}");
        }
        let (a, b) = pair_to_swap(case, &array);
        channels.swap(a, b);
        let found = findings(&array, &channels);
        println!("  swap {a} {b}: {:?}", kinds(&found));
    }
}

#[test]
fn faults() {
    for case in cases() {
        let array = array(case);
        let channels = recorded(scene(case, array.clone(), Places::Many));
        let c = channels.len();
        let mut rng = SmallRng::seed_from_u64(2000 + case);
        let ill = rng.random_range(0..c);
        println!("{case} {} {c}: ill {ill}", array.name());
        let mut parts = scene(case, array.clone(), Places::Many);
        parts.imperfections.dead = 1;
        let dead = recorded(parts);
        println!(
            "  dead: {:?}",
            findings(&array, &dead)
                .iter()
                .map(|f| (f.kind, f.channels.clone(), f.evidence.clone()))
                .collect::<Vec<_>>()
        );
        let mut x = channels.clone();
        x[ill].iter_mut().for_each(|x| *x = -*x);
        println!("  inverted {ill}: {:?}", kinds(&findings(&array, &x)));
        let mut x = channels.clone();
        x[ill] = channels[(ill + 1) % c].iter().map(|x| x * -0.3).collect();
        println!(
            "  copy {ill}: {:?}",
            findings(&array, &x).iter().map(|f| (f.kind, f.channels.clone(), f.remedy.clone())).collect::<Vec<_>>()
        );
        let mut x = channels.clone();
        let top = x[ill].iter().fold(0.0f32, |m, x| m.max(x.abs())) * 0.4;
        x[ill].iter_mut().for_each(|x| *x = x.clamp(-top, top));
        println!("  clip {ill}: {:?}", kinds(&findings(&array, &x)));
    }
}

/// First-order Ambisonics in AmbiX order (W, Y, Z, X; SN3D).
fn ambix(case: u64) -> Vec<Vec<f32>> {
    // The channels W, Y, Z, X are rendered by pressure and gradient capsules in one place but for hairs.
    let hair = |axis: usize| -> [f64; 3] { std::array::from_fn(|i| if i == axis { 1e-4 } else { 0.0 }) };
    let places = [[0.0; 3], hair(1), hair(2), hair(0)];
    let array = MicArray::from_positions("one point", &places).unwrap();
    let parts = scene(case, array, Places::Many);
    let axes = vec![[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]];
    let render = |pattern| {
        let parts = SceneParts { pattern, imperfections: Default::default(), ..parts.clone() };
        let rendered = Scene::new(parts).unwrap().render();
        rendered
            .channels
            .iter()
            .map(|c| c.iter().map(|x| x / rendered.gain as f32).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let pressure = render(CapsulePattern::Pressure);
    let mut gradient = render(CapsulePattern::Axes { alpha: 0.0, axes });
    gradient[0] = pressure[0].clone();
    let peak = gradient.iter().flatten().fold(0.0f32, |m, x| m.max(x.abs()));
    gradient.iter_mut().flatten().for_each(|x| *x *= 0.5 / peak);
    gradient
}

#[test]
fn tetrahedra() {
    for case in cases() {
        let array = presets::find(["a-format-tetrahedron", "zoom-h3-vr", "soundfield-sps200"][case as usize % 3])
            .unwrap()
            .array;
        let mut parts = scene(case, array.clone(), Places::Many);
        parts.pattern = CapsulePattern::Outward { alpha: [0.5, 0.4, 0.6][case as usize % 3] };
        let truth = Scene::new(parts.clone()).unwrap().truth();
        let mut channels = recorded(parts);
        println!("{case} tetra {}", array.name());
        println!("  clean {:?}", kinds(&findings(&array, &channels)));
        let told = |channels: &[Vec<f32>]| {
            let mut doctor = doctor(&array);
            for start in (0..channels[0].len()).step_by(480) {
                let t = start as f64 / f64::from(RATE);
                let d = truth.between(t, t + 0.03).iter().find(|s| s.active).map(|s| s.direction);
                doctor.talker_is_at(d);
                let block: Vec<&[f32]> = channels.iter().map(|c| &c[start..(start + 480).min(c.len())]).collect();
                doctor.push(&block).unwrap();
            }
            println!("    told {}", doctor.debug());
            doctor.findings()
        };
        println!("  clean told {:?}", kinds(&told(&channels)));
        channels.swap(1, 3);
        println!("  swap 1 3 {:?} told {:?}", kinds(&findings(&array, &channels)), kinds(&told(&channels)));
        channels.swap(1, 3);
        channels[2].iter_mut().for_each(|x| *x = -*x);
        println!("  inv 2 {:?}", kinds(&findings(&array, &channels)));
        println!("  AMBIX {:?}", kinds(&findings(&array, &ambix(case))));
    }
    let _ = (geometry(&array(1), 343.0), Remedy::ScaleBy { factor: 1.0 });
}
