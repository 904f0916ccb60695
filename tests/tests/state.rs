//! The saved state: the same bytes again, and junk refused with the old state kept.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use spherescope_dsp::{MicArray, presets};
use spherescope_tests::bundle;
use spherescope_tests::host::{Activation, ClapHost, Instance, StateDocument};
use spherescope_tests::signal::BitNoise;

fn host() -> ClapHost {
    ClapHost::load(bundle::clap().unwrap()).unwrap()
}

/// Gives an instance a preset's array and a few other values than the usual ones.
fn make_unusual(instance: &mut Instance) {
    let mut state = StateDocument::read(&instance.save_state().unwrap()).unwrap();
    state.set_field("layout", &presets::find("minidsp-uma-16").unwrap().array.to_json());
    instance.load_state(&state.to_bytes()).unwrap();
    instance.set_parameter("Engine", 1.0).unwrap();
    instance.set_parameter("Gate", -47.3).unwrap();
}

#[test]
fn a_saved_state_loads_into_a_new_instance_and_saves_the_same_bytes() {
    let host = host();
    let mut first = host.instance().unwrap();
    make_unusual(&mut first);
    let saved = first.save_state().unwrap();
    assert_eq!(saved, first.save_state().unwrap(), "saving twice gives the same bytes");
    assert!(StateDocument::read(&saved).unwrap().field("layout").unwrap().contains("UMA-16"));

    let mut second = host.instance().unwrap();
    assert_ne!(saved, second.save_state().unwrap());
    second.load_state(&saved).unwrap();
    assert_eq!(saved, second.save_state().unwrap());

    // The same while active, and in a host that activates afterwards.
    let mut third = host.instance().unwrap();
    let stream = third.activate(Activation::default()).unwrap();
    third.load_state(&saved).unwrap();
    assert_eq!(saved, third.save_state().unwrap());
    third.deactivate(stream);
    assert_eq!(saved, third.save_state().unwrap());
}

#[test]
fn empty_and_cut_states_are_refused_and_the_old_one_is_kept() {
    let host = host();
    let mut instance = host.instance().unwrap();
    let other = instance.save_state().unwrap();
    make_unusual(&mut instance);
    let kept = instance.save_state().unwrap();
    for length in 0..other.len() {
        assert!(instance.load_state(&other[..length]).is_err(), "{length} of {} bytes must be refused", other.len());
        assert_eq!(kept, instance.save_state().unwrap(), "after {length} bytes");
    }
}

#[test]
fn junk_is_refused_and_the_old_state_is_kept() {
    let host = host();
    let mut instance = host.instance().unwrap();
    make_unusual(&mut instance);
    let kept = instance.save_state().unwrap();
    let with_length = |json: &[u8]| [&(json.len() as u64).to_le_bytes(), json].concat();
    for junk in [
        b"\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(),
        vec![0xff; 4096],
        vec![0; 4096],
        with_length(b""),
        with_length(b"null"),
        with_length(b"[]"),
        with_length(b"{}"),
        with_length(b"{\"params\": 3}"),
        with_length(&[0x80; 100]),
        with_length("[".repeat(100_000).as_bytes()),
    ] {
        let shown = String::from_utf8_lossy(&junk[..junk.len().min(24)]).into_owned();
        assert!(instance.load_state(&junk).is_err(), "{shown:?} must be refused");
        assert_eq!(kept, instance.save_state().unwrap(), "after {shown:?}");
    }
}

#[test]
fn a_layout_that_is_none_leaves_the_old_one() {
    let host = host();
    let mut instance = host.instance().unwrap();
    make_unusual(&mut instance);
    let kept = instance.save_state().unwrap();
    let capsule = |x: &str| format!(r#"{{"channel": 0, "x_m": {x}, "y_m": 0, "z_m": 0}}"#);
    for layout in [
        String::new(),
        "][".into(),
        "null".into(),
        r#"{"name": "none", "capsules": []}"#.into(),
        format!(r#"{{"name": "one", "capsules": [{}]}}"#, capsule("0")),
        format!(r#"{{"name": "twice", "capsules": [{}, {}]}}"#, capsule("0"), capsule("0")),
        format!(r#"{{"name": "no number", "capsules": [{}, {}]}}"#, capsule("0"), capsule("NaN")),
        format!(r#"{{"name": "far", "capsules": [{}, {}]}}"#, capsule("0"), capsule("1e300")),
    ] {
        let mut state = StateDocument::read(&kept).unwrap();
        state.set_field("layout", &layout);
        // The host may be told yes or no; what counts is that nothing changes.
        let _ = instance.load_state(&state.to_bytes());
        assert_eq!(kept, instance.save_state().unwrap(), "after {layout:?}");
    }
}

#[test]
fn parameters_outside_their_range_stay_inside_it() {
    let host = host();
    let mut instance = host.instance().unwrap();
    let mut state = StateDocument::read(&instance.save_state().unwrap()).unwrap();
    for (id, value) in [
        ("gate_db", serde_json::json!({"f32": 1e30})),
        ("threshold", serde_json::json!({"f32": -5.0})),
        ("max_sources", serde_json::json!({"i32": 1_000_000})),
        ("grid_size", serde_json::json!({"i32": -1})),
        ("engine", serde_json::json!({"string": "no such engine"})),
    ] {
        state.set_parameter(id, value);
    }
    let _ = instance.load_state(&state.to_bytes());
    for p in instance.parameters().unwrap() {
        assert!((p.min..=p.max).contains(&p.value), "{p:?}");
    }
    let mut stream = instance.activate(Activation::default()).unwrap();
    for _ in 0..50 {
        stream.run(256).unwrap();
        stream.check_bit_exact(256).unwrap();
    }
    instance.deactivate(stream);
}

#[test]
fn values_outside_their_range_are_taken_and_saved_at_its_end() {
    let host = host();
    for (id, value, saved) in [
        ("gate_db", serde_json::json!({"f32": 1e30}), serde_json::json!({"f32": -20.0})),
        ("grid_size", serde_json::json!({"i32": 20_000}), serde_json::json!({"i32": 16_384})),
        ("grid_size", serde_json::json!({"i32": i32::MIN}), serde_json::json!({"i32": 256})),
        ("max_sources", serde_json::json!({"i32": i32::MAX}), serde_json::json!({"i32": 8})),
        // Of another kind: the present one stays.
        ("engine", serde_json::json!({"i32": 99}), serde_json::json!({"string": "agg-rl"})),
        ("engine", serde_json::json!({"string": "none"}), serde_json::json!({"string": "agg-rl"})),
        ("threshold", serde_json::json!({"bool": true}), serde_json::json!({"f32": 0.5})),
    ] {
        let mut instance = host.instance().unwrap();
        let mut state = StateDocument::read(&instance.save_state().unwrap()).unwrap();
        state.set_parameter(id, value.clone());
        println!("{id}: {value}");
        instance.load_state(&state.to_bytes()).unwrap();
        let again = instance.save_state().unwrap();
        state.set_parameter(id, saved);
        assert_eq!(StateDocument::read(&again).unwrap(), state, "{id}: {value}");
    }
}

#[test]
fn every_flipped_bit_is_survived() {
    let host = host();
    let mut instance = host.instance().unwrap();
    make_unusual(&mut instance);
    let kept = instance.save_state().unwrap();
    for at in 0..kept.len() {
        let mut flipped = kept.clone();
        flipped[at] ^= 1 << (at % 8);
        // A state or none; what counts is that the plugin lives and takes the next good one.
        let _ = instance.load_state(&flipped);
        instance.save_state().unwrap();
    }
    instance.load_state(&kept).unwrap();
    assert_eq!(kept, instance.save_state().unwrap());
}

#[test]
fn huge_and_deep_texts_are_refused_quickly() {
    let host = host();
    let mut instance = host.instance().unwrap();
    make_unusual(&mut instance);
    let kept = instance.save_state().unwrap();
    let capsule = |n: usize| format!(r#"{{"channel": {}, "x_m": {}, "y_m": 0, "z_m": 0}}"#, n % 64, n as f64 * 1e-5);
    let huge =
        format!(r#"{{"name": "huge", "capsules": [{}]}}"#, (0..1_000_000).map(capsule).collect::<Vec<_>>().join(", "));
    let deep = format!(r#"{{"name": "deep", "capsules": {}"#, "[".repeat(1 << 19));
    for field in ["layout", "view", "window", "layout-version"] {
        for text in [&huge, &deep] {
            let mut state = StateDocument::read(&kept).unwrap();
            state.set_field(field, text);
            let bytes = state.to_bytes();
            let begin = Instant::now();
            // The host may be told yes or no; what counts is that nothing changes.
            let _ = instance.load_state(&bytes);
            let took = begin.elapsed();
            println!("{field}: {} MB let go in {took:.2?}", bytes.len() / 1_000_000);
            assert!(took < Duration::from_secs(10), "{field}: {took:?}");
            assert_eq!(kept, instance.save_state().unwrap(), "{field}");
        }
    }
}

#[test]
fn a_view_that_could_not_be_loaded_again_is_not_taken() {
    let host = host();
    let mut instance = host.instance().unwrap();
    let kept = instance.save_state().unwrap();
    for view in [r#"{"globe_yaw_deg": 1e39}"#, r#"{"globe_pitch_deg": -1e39}"#, r#"{"globe_yaw_deg": null}"#] {
        let mut state = StateDocument::read(&kept).unwrap();
        state.set_field("view", view);
        let _ = instance.load_state(&state.to_bytes());
        assert_eq!(kept, instance.save_state().unwrap(), "after {view}");
    }
}

#[test]
fn loading_while_audio_runs_changes_no_bit_of_it() {
    let host = host();
    let mut instance = host.instance().unwrap();
    make_unusual(&mut instance);
    let good = instance.save_state().unwrap();
    let mut stream = instance.activate(Activation::default()).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let audio = std::thread::spawn({
        let done = done.clone();
        move || {
            let (mut noise, mut blocks) = (BitNoise::new(1), 0u64);
            while !done.load(Ordering::Acquire) || blocks < 100 {
                for channel in 0..stream.channels() {
                    noise.fill(&mut stream.input_mut(channel)[..333]);
                }
                stream.run(333).unwrap();
                stream.check_bit_exact(333).unwrap();
                blocks += 1;
            }
            (stream, blocks)
        }
    });
    for round in 0..200 {
        match round % 3 {
            0 => instance.load_state(&good).unwrap(),
            1 => assert!(instance.load_state(&good[..round]).is_err()),
            _ => assert_eq!(good, instance.save_state().unwrap()),
        }
        instance.pump();
    }
    done.store(true, Ordering::Release);
    let (stream, blocks) = audio.join().unwrap();
    println!("{blocks} blocks bit-exact during 200 loads and saves");
    instance.deactivate(stream);
}

/// Sessions as version 1 has saved them: each must load, for ever, to the same array, parameters, view and window.
#[test]
fn sessions_of_version_1_load_as_they_were_saved() {
    let host = host();
    let fixture = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/state").join(name);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    for (name, array, capsules, engine, gate_db, grid) in [
        ("v1-new.bin", "a-format-tetrahedron", 4, 0.0, -60.0, 2048.0),
        ("v1-uma-16.bin", "minidsp-uma-16", 16, 1.0, -47.3, 2048.0),
        ("v1-em32.bin", "eigenmike-em32", 32, 0.0, -35.5, 4096.0),
        ("v1-own-array.bin", "", 3, 1.0, -60.0, 256.0),
    ] {
        let saved = StateDocument::read(&fixture(name)).unwrap();
        let mut instance = host.instance().unwrap();
        instance.load_state(&saved.to_bytes()).unwrap();
        let again = StateDocument::read(&instance.save_state().unwrap()).unwrap();
        assert!(again.keeps(&saved), "{name}: {again:?}\n{saved:?}");
        let layout = MicArray::from_json(again.field("layout").unwrap()).unwrap();
        assert_eq!(layout.capsules().len(), capsules, "{name}");
        if let Some(preset) = presets::find(array) {
            assert_eq!(layout.name(), preset.array.name(), "{name}");
        }
        let parameters = instance.parameters().unwrap();
        assert_eq!(parameters.iter().find(|p| p.name == "Engine").unwrap().value, engine, "{name}");
        let shown = |instance: &mut Instance, name: &str| {
            let p = parameters.iter().find(|p| p.name == name).unwrap();
            instance.text_of(p.id, p.value).unwrap()
        };
        assert_eq!(shown(&mut instance, "Gate"), format!("{gate_db:.1} dBFS"), "{name}");
        assert_eq!(shown(&mut instance, "Grid size"), format!("{grid} directions"), "{name}");
    }
}

#[test]
fn a_megabyte_of_random_bytes_is_no_state() {
    let host = host();
    let mut instance = host.instance().unwrap();
    make_unusual(&mut instance);
    let kept = instance.save_state().unwrap();
    for seed in 0..3 {
        let mut junk = vec![0; 1 << 20];
        SmallRng::seed_from_u64(seed).fill(&mut junk[..]);
        assert!(instance.load_state(&junk).is_err());
        // With a length that is right, so that the bytes behind it are looked at.
        let length = (junk.len() as u64 - 8).to_le_bytes();
        junk[..8].copy_from_slice(&length);
        assert!(instance.load_state(&junk).is_err());
        assert_eq!(kept, instance.save_state().unwrap());
    }
}

#[test]
fn states_of_random_values_come_back_byte_by_byte_however_small_the_pieces() {
    let host = host();
    for seed in 0..10 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut first = host.instance().unwrap();
        let parameters = first.parameters().unwrap();
        // Half of them by events while audio runs, half in between.
        let mut stream = first.activate(Activation::default()).unwrap();
        for p in parameters.iter().step_by(2) {
            stream.set_parameter(p.id, rng.random_range(p.min..=p.max));
        }
        stream.run(64).unwrap();
        first.deactivate(stream);
        for p in parameters.iter().skip(1).step_by(2) {
            first.set_parameter(&p.name, rng.random_range(p.min..=p.max)).unwrap();
        }
        let values =
            |instance: &mut Instance| instance.parameters().unwrap().iter().map(|p| p.value).collect::<Vec<_>>();
        let saved = first.save_state().unwrap();
        for piece in [1, 2, 7, 13, 1021, saved.len()] {
            let mut second = host.instance().unwrap();
            assert_eq!(saved, second.load_and_save_in_pieces(&saved, piece).unwrap(), "pieces of {piece} bytes");
            assert_eq!(values(&mut first), values(&mut second), "pieces of {piece} bytes");
        }
    }
}
