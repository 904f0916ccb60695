//! Instances come, are activated again and again, and go, in any order a host may think of.

use std::time::{Duration, Instant};

use spherescope_tests::bundle;
use spherescope_tests::host::{Activation, ClapHost, Instance};
use spherescope_tests::signal::WhiteNoise;

fn host() -> ClapHost {
    ClapHost::load(bundle::clap().unwrap()).unwrap()
}

/// Activates, plays some noise and deactivates.
fn play(instance: &mut Instance, activation: Activation, blocks: usize) {
    let mut stream = instance.activate(activation).unwrap();
    let mut noise = WhiteNoise::new(blocks as u64);
    let frames = activation.max_frames as usize;
    for _ in 0..blocks {
        for channel in 0..stream.channels() {
            noise.fill(0.25, &mut stream.input_mut(channel)[..frames]);
        }
        stream.run(frames).unwrap();
        stream.check_bit_exact(frames).unwrap();
    }
    instance.deactivate(stream);
}

#[test]
fn activating_again_and_again_with_other_widths_and_rates_holds() {
    let host = host();
    let mut instance = host.instance().unwrap();
    for round in 0..40u32 {
        instance.select_width([4, 32, 63, 5][round as usize % 4]).unwrap();
        let sample_rate_hz = [48_000.0, 44_100.0, 96_000.0][round as usize % 3];
        play(&mut instance, Activation { sample_rate_hz, min_frames: 1, max_frames: 64 + round }, 5);
    }
    // Activated and not played at all.
    for _ in 0..20 {
        let stream = instance.activate(Activation::default()).unwrap();
        instance.deactivate(stream);
    }
}

#[test]
fn many_instances_live_side_by_side_and_go_in_any_order() {
    let host = host();
    let mut instances: Vec<_> = (0..6).map(|_| host.instance().unwrap()).collect();
    let mut streams: Vec<_> = instances
        .iter_mut()
        .zip([4, 6, 8, 16, 32, 63])
        .map(|(instance, width)| {
            instance.select_width(width).unwrap();
            Some(instance.activate(Activation::default()).unwrap())
        })
        .collect();
    for round in 0..20 {
        for (seed, stream) in streams.iter_mut().flatten().enumerate() {
            for channel in 0..stream.channels() {
                WhiteNoise::new((seed * 100 + channel) as u64).fill(0.5, &mut stream.input_mut(channel)[..333]);
            }
            stream.run(333).unwrap();
            stream.check_bit_exact(333).unwrap();
        }
        // The middle one goes early, the others play on.
        if round == 10 {
            instances[3].deactivate(streams[3].take().unwrap());
            drop(instances.remove(3));
            streams.remove(3);
        }
    }
    for (instance, stream) in instances.iter_mut().zip(&mut streams).rev() {
        instance.deactivate(stream.take().unwrap());
    }
}

#[test]
fn an_instance_never_activated_goes_quietly() {
    let host = host();
    for _ in 0..20 {
        drop(host.instance().unwrap());
    }
}

#[test]
fn parameters_have_sensible_values_and_take_new_ones() {
    let host = host();
    let mut instance = host.instance().unwrap();
    let parameters = instance.parameters().unwrap();
    assert!(parameters.iter().any(|p| p.name == "Engine"), "{parameters:?}");
    for p in &parameters {
        assert!(p.min < p.max && (p.min..=p.max).contains(&p.default) && p.value == p.default, "{p:?}");
    }
    for p in &parameters {
        for value in [p.min, p.max, p.default] {
            instance.set_parameter(&p.name, value).unwrap();
            let now = instance.parameters().unwrap().into_iter().find(|q| q.id == p.id).unwrap().value;
            assert!((now - value).abs() < 1e-3 * (p.max - p.min), "{}: expected {value}, found {now}", p.name);
        }
    }
    // And while audio runs.
    let mut stream = instance.activate(Activation::default()).unwrap();
    for p in &parameters {
        for value in [p.max, p.min, p.default] {
            stream.set_parameter(p.id, value);
            stream.run(100).unwrap();
            stream.check_bit_exact(100).unwrap();
        }
    }
    instance.deactivate(stream);
}

#[test]
fn an_instance_is_made_in_a_moment() {
    let host = host();
    // The best of some, as other tests run beside this one.
    let created = (0..10).map(|_| {
        let begin = Instant::now();
        let instance = host.instance().unwrap();
        let took = begin.elapsed();
        drop(instance);
        took
    });
    let best = created.min().unwrap();
    println!("an instance is made in {best:.2?}");
    assert!(best < Duration::from_millis(5), "{best:?}");
}
