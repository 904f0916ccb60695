//! The layout doctor on simulated speech in rooms: swaps by name, faults one by one, and nothing where nothing is wrong.

mod doctor_scenes;

use doctor_scenes::{CASES, Places, RATE, SPEED_M_S, array, pair_to_swap, places, recorded, scene};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use spherescope_dsp::doctor::{Doctor, DoctorError, Finding, FindingKind, Remedy};
use spherescope_dsp::{Capsule, FrontEndError, MicArray, SampleRate, presets};
use spherescope_train::{CapsulePattern, Imperfections, Scene, SceneParts, Truth};

fn doctor(array: &MicArray) -> Doctor {
    Doctor::new(SampleRate::new(f64::from(RATE)).unwrap(), array, SPEED_M_S).unwrap()
}

/// What a doctor says who has heard it all, `[channel][frame]`, in blocks of 480 samples.
fn findings(array: &MicArray, channels: &[Vec<f32>]) -> Vec<Finding> {
    findings_with(array, channels, None)
}

/// The same, told where the talkers are.
fn findings_with(array: &MicArray, channels: &[Vec<f32>], truth: Option<&Truth>) -> Vec<Finding> {
    let mut doctor = doctor(array);
    for start in (0..channels[0].len()).step_by(480) {
        if let Some(truth) = truth {
            let time_s = start as f64 / f64::from(RATE);
            let heard = truth.between(time_s, time_s + 0.03);
            doctor.talker_is_at(heard.iter().find(|s| s.active).map(|s| s.direction));
        }
        let block: Vec<&[f32]> = channels.iter().map(|c| &c[start..(start + 480).min(c.len())]).collect();
        doctor.push(&block).unwrap();
    }
    let found = doctor.findings();
    assert!(found.iter().all(|f| f.kind.is_heard()));
    found
}

fn kinds(findings: &[Finding]) -> Vec<(FindingKind, Vec<usize>)> {
    findings.iter().map(|f| (f.kind, f.channels.clone())).collect()
}

#[test]
fn swapped_pairs_are_named_and_clean_arrays_are_left_alone() {
    let (mut named, mut wrong, mut clean) = (0, 0, 0);
    for case in CASES {
        let array = array(case);
        let mut channels = recorded(scene(case, array.clone(), places(case)));
        let found = findings(&array, &channels);
        clean += usize::from(found.is_empty());
        if !found.is_empty() {
            println!("case {case}, {}, clean: {found:?}", array.name());
        }
        let (a, b) = pair_to_swap(case, &array);
        channels.swap(a, b);
        let found = findings(&array, &channels);
        if kinds(&found) == [(FindingKind::Swapped, vec![a, b])] {
            named += 1;
            // The remedy gives the channels their places: nothing is left to find.
            let mended = found[0].remedy.as_ref().expect("a remedy").apply(&array).unwrap();
            let at = |channel| mended.capsules().iter().find(|c| c.channel == channel).unwrap().position_m;
            assert_eq!((at(a), at(b)), (array.capsules()[b].position_m, array.capsules()[a].position_m));
        } else {
            wrong += usize::from(!found.is_empty());
            println!("case {case}, {}, {a} and {b} swapped: {found:?}", array.name());
        }
    }
    println!(
        "{named} of 20 swapped pairs named, {wrong} taken for something else, {} of 20 clean with findings",
        20 - clean
    );
    assert!(named >= 18 && wrong == 0 && clean == 20);
}

#[test]
fn from_one_place_alone_nothing_false_is_said() {
    for case in CASES.start..CASES.start + 8 {
        let array = array(case);
        let mut channels = recorded(scene(case, array.clone(), Places::One));
        assert!(findings(&array, &channels).is_empty(), "case {case}");
        let (a, b) = pair_to_swap(case, &array);
        channels.swap(a, b);
        let found = kinds(&findings(&array, &channels));
        assert!(found.is_empty() || found == [(FindingKind::Swapped, vec![a, b])], "case {case}: {found:?}");
    }
}

#[test]
fn every_fault_is_told_from_the_others() {
    let mut counts = [0; 5];
    for case in CASES.start + 1..CASES.start + 9 {
        let array = array(case);
        let parts = scene(case, array.clone(), Places::Many);
        let channels = recorded(parts.clone());
        let ill = SmallRng::seed_from_u64(2000 + case).random_range(0..channels.len());
        let other = (ill + 1) % channels.len();
        let mut check = |fault: usize, channels: &[Vec<f32>], expected: (FindingKind, Vec<usize>)| {
            let found = findings(&array, channels);
            let hit = kinds(&found) == [expected.clone()];
            counts[fault] += usize::from(hit);
            if !hit {
                println!("case {case}, {}: expected {expected:?}, found {found:?}", array.name());
            }
            found
        };

        // One that has its own noise only.
        let mut dead = channels.clone();
        let level = (dead[other].iter().map(|x| x * x).sum::<f32>() / dead[other].len() as f32).sqrt();
        let mut rng = SmallRng::seed_from_u64(3000 + case);
        dead[ill].iter_mut().for_each(|x| *x = 0.1 * level * rng.random_range(-1.7..1.7));
        let found = check(0, &dead, (FindingKind::Dead, vec![ill]));
        if let [finding] = &found[..] {
            assert_eq!(finding.remedy, Some(Remedy::Mute { channels: vec![ill] }));
        }

        let mut inverted = channels.clone();
        inverted[ill].iter_mut().for_each(|x| *x = -*x);
        check(1, &inverted, (FindingKind::Inverted, vec![ill]));

        let mut copied = channels.clone();
        let gain = if case % 2 == 0 { 0.3 } else { -1.4 };
        copied[ill] = channels[other].iter().map(|x| gain * x).collect();
        let found = check(2, &copied, (FindingKind::Duplicated, vec![ill.min(other), ill.max(other)]));
        if let [finding] = &found[..] {
            assert!(matches!(&finding.remedy, Some(Remedy::Mute { channels }) if channels.len() == 1));
        }

        let mut clipped = channels.clone();
        let top = 0.2 * clipped[ill].iter().fold(0.0f32, |m, x| m.max(x.abs()));
        clipped[ill].iter_mut().for_each(|x| *x = x.clamp(-top, top));
        check(3, &clipped, (FindingKind::Clipped, vec![ill]));

        let mut unmatched = channels.clone();
        let gain_db = if case % 2 == 0 { 9.0f32 } else { -9.0 };
        unmatched[ill].iter_mut().for_each(|x| *x *= 10f32.powf(gain_db / 20.0));
        let found = check(4, &unmatched, (FindingKind::Unmatched, vec![ill]));
        if let [finding] = &found[..] {
            assert!(finding.title.ends_with(if gain_db > 0.0 {
                "louder than the others"
            } else {
                "quieter than the others"
            }));
        }
    }
    println!(
        "of 8 each: {} dead, {} inverted, {} duplicated, {} clipped, {} unmatched found and nothing else",
        counts[0], counts[1], counts[2], counts[3], counts[4]
    );
    assert!(counts.iter().all(|&c| c >= 7), "{counts:?}");
}

/// The room's sound as first-order Ambisonics: AmbiX order (W, Y, Z, X), SN3D.
fn ambix(case: u64) -> Vec<Vec<f32>> {
    // A pressure and three gradient capsules in one place, but for hairs.
    let hair = |axis: usize| -> [f64; 3] { std::array::from_fn(|i| if i == axis { 1e-4 } else { 0.0 }) };
    let array = MicArray::from_positions("one point", &[[0.0; 3], hair(1), hair(2), hair(0)]).unwrap();
    let parts = SceneParts { imperfections: Imperfections::default(), ..scene(case, array, Places::Many) };
    let render = |pattern| {
        let rendered = Scene::new(SceneParts { pattern, ..parts.clone() }).unwrap().render();
        let pressure = |c: &Vec<f32>| c.iter().map(|x| x / rendered.gain as f32).collect();
        rendered.channels.iter().map(pressure).collect::<Vec<Vec<f32>>>()
    };
    let axes = vec![[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]];
    let mut channels = render(CapsulePattern::Axes { alpha: 0.0, axes });
    channels[0] = render(CapsulePattern::Pressure)[0].clone();
    let peak = channels.iter().flatten().fold(0.0f32, |m, x| m.max(x.abs()));
    channels.iter_mut().flatten().for_each(|x| *x *= 0.5 / peak);
    channels
}

#[test]
fn a_format_and_b_format_are_told_apart() {
    let (mut encoded, mut inverted, mut told, mut false_alarms) = (0, 0, 0, 0);
    for case in CASES.start..CASES.start + 8 {
        let id = ["a-format-tetrahedron", "zoom-h3-vr", "soundfield-sps200", "core-sound-tetramic"][case as usize % 4];
        let array = presets::find(id).unwrap().array;
        let mut parts = scene(case, array.clone(), Places::Many);
        parts.pattern = CapsulePattern::Outward { alpha: [0.5, 0.6, 0.7][case as usize % 3] };
        let truth = Scene::new(parts.clone()).unwrap().truth();
        let mut channels = recorded(parts);
        false_alarms += findings(&array, &channels).len() + findings_with(&array, &channels, Some(&truth)).len();

        channels[2].iter_mut().for_each(|x| *x = -*x);
        inverted += usize::from(kinds(&findings(&array, &channels)) == [(FindingKind::Inverted, vec![2])]);
        channels[2].iter_mut().for_each(|x| *x = -*x);

        // A mirrored tetrahedron hears as well as a straight one; who knows where the talker is can tell.
        channels.swap(1, 3);
        false_alarms += findings(&array, &channels).len();
        let found = kinds(&findings_with(&array, &channels, Some(&truth)));
        told += usize::from(found == [(FindingKind::Swapped, vec![1, 3])]);
        false_alarms += usize::from(!found.is_empty() && found != [(FindingKind::Swapped, vec![1, 3])]);

        let found = kinds(&findings(&array, &ambix(case)));
        encoded += usize::from(found == [(FindingKind::Ambisonic, vec![0, 1, 2, 3])]);
    }
    println!(
        "of 8 A-format microphones: {inverted} inverted channels and {told} swaps with the talker's direction told, \
         {false_alarms} false alarms; {encoded} of 8 AmbiX recordings found"
    );
    assert!(inverted >= 7 && encoded >= 7 && told >= 4 && false_alarms == 0);
}

#[test]
fn other_channels_change_nothing_but_names() {
    let case = CASES.start + 4;
    let array = array(case);
    let mut channels = recorded(scene(case, array.clone(), Places::Many));
    let (a, b) = pair_to_swap(case, &array);
    channels.swap(a, b);
    let straight = findings(&array, &channels);
    // Channel c moves to 2 C − 1 − c of a wider bus, with junk below.
    let c = channels.len();
    let moved: Vec<_> = array.capsules().iter().map(|m| Capsule::new(2 * c - 1 - m.channel, m.position_m)).collect();
    let mut wide = vec![vec![0.9; channels[0].len()]; c];
    wide.extend(channels.into_iter().rev());
    let found = findings(&MicArray::new("moved", moved).unwrap(), &wide);
    assert_eq!(straight.len(), 1);
    assert_eq!(kinds(&found), [(FindingKind::Swapped, vec![2 * c - 1 - b, 2 * c - 1 - a])]);
}

#[test]
fn other_rates_and_any_blocks_give_the_same() {
    let case = CASES.start + 7;
    let array = array(case);
    let mut parts = scene(case, array.clone(), Places::Many);
    parts.sample_rate_hz = 48_000;
    for talker in &mut parts.talkers {
        talker.signal = spherescope_train::resample::resample(&talker.signal, RATE, 48_000);
    }
    let mut channels = recorded(parts);
    let (a, b) = pair_to_swap(case, &array);
    channels.swap(a, b);
    channels[0][1000] = f32::NAN;
    let rate = SampleRate::new(48_000.0).unwrap();
    let hear = |block: usize| {
        let mut doctor = Doctor::new(rate, &array, SPEED_M_S).unwrap();
        for start in (0..channels[0].len()).step_by(block) {
            let bus: Vec<&[f32]> = channels.iter().map(|c| &c[start..(start + block).min(c.len())]).collect();
            doctor.push(&bus).unwrap();
        }
        assert!(doctor.heard_s() > 5.0 && doctor.places() >= 3);
        doctor.findings()
    };
    let found = hear(64);
    assert_eq!(kinds(&found), [(FindingKind::Swapped, vec![a, b])]);
    assert_eq!(found, hear(channels[0].len()));
}

#[test]
fn bad_input_is_named() {
    let array = array(1);
    let rate = SampleRate::new(f64::from(RATE)).unwrap();
    assert_eq!(Doctor::new(rate, &array, 0.0).unwrap_err(), DoctorError::SpeedOfSound { found_m_s: 0.0 });
    let mut doctor = doctor(&array);
    let block = [0.0; 8];
    let narrow = doctor.push(&[&block[..]; 3]).unwrap_err();
    assert_eq!(narrow, FrontEndError::BusTooNarrow { expected: 4, found: 3 });
    let ragged = doctor.push(&[&block[..], &block, &block, &block[..7]]).unwrap_err();
    assert_eq!(ragged, FrontEndError::RaggedBlock { expected: 8, found: 7 });
    // Silence is no illness.
    let silence = vec![0.0; 16_000];
    for _ in 0..5 {
        doctor.push(&[&silence[..]; 4]).unwrap();
    }
    assert!(doctor.findings().is_empty());
    assert_eq!((doctor.heard_s(), doctor.places()), (0.0, 0));
}
