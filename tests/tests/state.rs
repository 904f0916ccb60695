//! The saved state: the same bytes again, and junk refused with the old state kept.

use spherescope_dsp::presets;
use spherescope_tests::bundle;
use spherescope_tests::host::{Activation, ClapHost, Instance, StateDocument};

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
    let cuts = (0..16).chain((16..other.len()).step_by(97)).chain([other.len() - 1]);
    for length in cuts {
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
