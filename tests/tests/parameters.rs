//! Parameters as hosts move them: every text both ways, events of every kind at every time, values random and extreme, from several
//! threads at once. Audio passes bit by bit all the while.

use std::mem::{size_of, zeroed};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap_sys::events::{CLAP_EVENT_PARAM_VALUE, clap_event_param_value};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use spherescope_tests::bundle;
use spherescope_tests::host::events::UnknownEvent;
use spherescope_tests::host::events::event_types::{
    ParamGestureBeginEvent, ParamGestureEndEvent, ParamModEvent, ParamValueEvent,
};
use spherescope_tests::host::{Activation, ClapHost, ClapId, EventBuffer, Instance, Parameter, Pckn, Stream};
use spherescope_tests::signal::BitNoise;

const BLOCK: usize = 512;

fn host() -> ClapHost {
    ClapHost::load(bundle::clap().unwrap()).unwrap()
}

/// A value of each parameter: drawn from its range, or one of its ends.
fn draw(rng: &mut SmallRng, parameters: &[Parameter], ends: bool) -> Vec<(u32, f64)> {
    let value = |rng: &mut SmallRng, p: &Parameter| match ends {
        true if rng.random() => p.min,
        true => p.max,
        false => rng.random_range(p.min..=p.max),
    };
    parameters.iter().map(|p| (p.id, value(rng, p))).collect()
}

fn event(time: usize, id: u32, value: f64) -> ParamValueEvent {
    ParamValueEvent::new(time as u32, ClapId::new(id), Pckn::match_all(), value)
}

/// One block of random bits, which must come out as they went in.
fn pass(stream: &mut Stream, noise: &mut BitNoise) {
    for channel in 0..stream.channels() {
        noise.fill(&mut stream.input_mut(channel)[..BLOCK]);
    }
    stream.run(BLOCK).unwrap();
    stream.check_bit_exact(BLOCK).unwrap();
}

fn values(instance: &mut Instance) -> Vec<(u32, f64)> {
    instance.parameters().unwrap().into_iter().map(|p| (p.id, p.value)).collect()
}

#[test]
fn every_text_is_read_as_the_value_that_it_shows() {
    let host = host();
    let mut instance = host.instance().unwrap();
    for p in instance.parameters().unwrap() {
        for step in 0..=500 {
            let value = p.min + (p.max - p.min) * f64::from(step) / 500.0;
            let text = instance.text_of(p.id, value).unwrap();
            let read = |instance: &mut Instance, text: &str| {
                let text = std::ffi::CString::new(text).unwrap();
                instance.value_of(p.id, &text).unwrap().unwrap_or_else(|| panic!("{}: {text:?} is not read", p.name))
            };
            let again = read(&mut instance, &text);
            assert!((p.min..=p.max).contains(&again), "{}: {text} is read as {again}", p.name);
            let text_again = instance.text_of(p.id, again).unwrap();
            assert_eq!(text, text_again, "{}: {value}", p.name);
            assert_eq!(again, read(&mut instance, &text_again), "{}: {text}", p.name);
        }
    }
}

#[test]
fn a_new_instance_has_the_default_values() {
    let host = host();
    let mut instance = host.instance().unwrap();
    for p in instance.parameters().unwrap() {
        assert_eq!(p.value, p.default, "{}", p.name);
    }
}

#[test]
fn flushed_and_played_events_end_in_the_same_values() {
    let host = host();
    for seed in 0..20 {
        let (mut flushed, mut played) = (host.instance().unwrap(), host.instance().unwrap());
        let before = values(&mut flushed);
        let drawn = draw(&mut SmallRng::seed_from_u64(seed), &flushed.parameters().unwrap(), false);
        let mut events = EventBuffer::new();
        for &(id, value) in &drawn {
            events.push(&event(0, id, value));
        }
        flushed.flush(&events).unwrap();
        let mut stream = played.activate(Activation::default()).unwrap();
        for &(id, value) in &drawn {
            stream.send(&event(0, id, value));
        }
        pass(&mut stream, &mut BitNoise::new(seed));
        played.deactivate(stream);
        let after = values(&mut flushed);
        assert_ne!(before, after);
        assert_eq!(after, values(&mut played), "seed {seed}");
    }
}

#[test]
fn events_of_another_namespace_and_of_unknown_kinds_change_nothing() {
    let host = host();
    let mut instance = host.instance().unwrap();
    let parameters = instance.parameters().unwrap();
    let before = values(&mut instance);
    let mut events = EventBuffer::new();
    for p in &parameters {
        for (space_id, kind) in [(1, CLAP_EVENT_PARAM_VALUE), (0xfff7, CLAP_EVENT_PARAM_VALUE), (0, 4711)] {
            // SAFETY: every bit pattern is a value of this plain structure.
            let mut raw: clap_event_param_value = unsafe { zeroed() };
            raw.header.size = size_of::<clap_event_param_value>() as u32;
            (raw.header.space_id, raw.header.type_) = (space_id, kind);
            (raw.param_id, raw.value) = (p.id, if p.value == p.max { p.min } else { p.max });
            (raw.note_id, raw.port_index, raw.channel, raw.key) = (-1, -1, -1, -1);
            // SAFETY: the header says how long the event is, and it is copied at once.
            events.push(unsafe { UnknownEvent::from_raw(&raw.header) });
        }
    }
    instance.flush(&events).unwrap();
    assert_eq!(before, values(&mut instance));
    let mut stream = instance.activate(Activation::default()).unwrap();
    for event in events.iter() {
        stream.send(event);
    }
    pass(&mut stream, &mut BitNoise::new(1));
    assert_eq!(before, values(&mut instance));
    instance.deactivate(stream);
}

#[test]
fn random_and_extreme_values_leave_the_audio_alone() {
    let host = host();
    let mut instance = host.instance().unwrap();
    let parameters = instance.parameters().unwrap();
    let (mut rng, mut noise) = (SmallRng::seed_from_u64(1), BitNoise::new(1));
    for round in 0..100 {
        let mut stream = instance.activate(Activation::default()).unwrap();
        for (id, value) in draw(&mut rng, &parameters, round % 2 == 1) {
            stream.send(&event(0, id, value));
        }
        for _ in 0..5 {
            pass(&mut stream, &mut noise);
        }
        instance.deactivate(stream);
    }
}

#[test]
fn automation_at_every_few_samples_leaves_the_audio_alone() {
    let host = host();
    let mut instance = host.instance().unwrap();
    let parameters = instance.parameters().unwrap();
    let (mut rng, mut noise) = (SmallRng::seed_from_u64(2), BitNoise::new(2));
    for interval in [1000, 100, 10, 1] {
        let mut stream = instance.activate(Activation::default()).unwrap();
        let mut time = 0;
        for _ in 0..8 {
            while time < BLOCK {
                for (id, value) in draw(&mut rng, &parameters, false) {
                    stream.send(&event(time, id, value));
                }
                time += interval;
            }
            time -= BLOCK;
            pass(&mut stream, &mut noise);
        }
        instance.deactivate(stream);
        for p in instance.parameters().unwrap() {
            assert!((p.min..=p.max).contains(&p.value), "{p:?}");
        }
    }
}

#[test]
fn modulation_gestures_and_notes_addressed_at_parameters_leave_audio_and_saved_values_alone() {
    let host = host();
    let mut instance = host.instance().unwrap();
    let parameters = instance.parameters().unwrap();
    let saved = instance.save_state().unwrap();
    let (mut rng, mut noise) = (SmallRng::seed_from_u64(3), BitNoise::new(3));
    let mut stream = instance.activate(Activation::default()).unwrap();
    for _ in 0..200 {
        let mut time = 0;
        while time < BLOCK {
            let p = &parameters[rng.random_range(0..parameters.len())];
            let id = ClapId::new(p.id);
            let voice =
                Pckn::new(rng.random_range(0..2u16), rng.random_range(0..16u16), 60u16, rng.random_range(0..99u32));
            match rng.random_range(0..4) {
                0 => stream.send(&ParamGestureBeginEvent::new(time as u32, id)),
                1 => stream.send(&ParamGestureEndEvent::new(time as u32, id)),
                2 => {
                    let amount = (p.max - p.min) * rng.random_range(-2.0..2.0);
                    stream.send(&ParamModEvent::new(time as u32, id, Pckn::match_all(), amount));
                }
                _ => stream.send(&ParamModEvent::new(time as u32, id, voice, f64::INFINITY)),
            }
            time += rng.random_range(0..200);
        }
        pass(&mut stream, &mut noise);
    }
    instance.deactivate(stream);
    assert_eq!(saved, instance.save_state().unwrap(), "modulation is not saved");
}

#[test]
fn parameters_are_moved_by_the_audio_thread_while_the_main_thread_reads_and_loads() {
    let host = host();
    let mut instance = host.instance().unwrap();
    let parameters = instance.parameters().unwrap();
    let state = instance.save_state().unwrap();
    let mut stream = instance.activate(Activation { max_frames: BLOCK as u32, ..Activation::default() }).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let audio = std::thread::spawn({
        let (parameters, done) = (parameters.clone(), done.clone());
        move || {
            let (mut rng, mut noise, mut blocks) = (SmallRng::seed_from_u64(4), BitNoise::new(4), 0);
            while !done.load(Ordering::Acquire) || blocks < 100 {
                for (id, value) in draw(&mut rng, &parameters, false) {
                    stream.send(&event(0, id, value));
                }
                pass(&mut stream, &mut noise);
                blocks += 1;
            }
            stream
        }
    });
    for _ in 0..200 {
        for p in instance.parameters().unwrap() {
            assert!((p.min..=p.max).contains(&p.value), "{p:?}");
            assert!(!instance.text_of(p.id, p.value).unwrap().is_empty());
        }
        instance.load_state(&state).unwrap();
        instance.save_state().unwrap();
        instance.pump();
    }
    done.store(true, Ordering::Release);
    instance.deactivate(audio.join().unwrap());
    instance.load_state(&state).unwrap();
    assert_eq!(state, instance.save_state().unwrap());
}
