//! What hosts do around `process`: memory shared by in and out, sleeping and waking, silence marked as such, transports of every kind.
//! Each block comes out bit by bit as it went in.

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use spherescope_tests::bundle;
use spherescope_tests::host::events::event_types::{NoteOffEvent, NoteOnEvent, TransportEvent, TransportFlags};
use spherescope_tests::host::events::{EventFlags, EventHeader};
use spherescope_tests::host::{Activation, ClapHost, FixedPoint, Instance, Pckn, ProcessStatus, Stream};
use spherescope_tests::signal::{BitNoise, BlockSizes, WhiteNoise};

const BLOCK: usize = 512;

fn host() -> ClapHost {
    ClapHost::load(bundle::clap().unwrap()).unwrap()
}

fn wide(host: &ClapHost, channels: u32) -> Instance {
    let mut instance = host.instance().unwrap();
    instance.select_width(channels).unwrap();
    instance
}

fn fill(stream: &mut Stream, noise: &mut BitNoise, frames: usize) {
    for channel in 0..stream.channels() {
        noise.fill(&mut stream.input_mut(channel)[..frames]);
    }
}

fn pass(stream: &mut Stream, noise: &mut BitNoise, frames: usize) {
    fill(stream, noise, frames);
    stream.run(frames).unwrap();
    stream.check_bit_exact(frames).unwrap();
}

#[test]
fn in_and_out_may_share_their_memory_at_every_width() {
    let host = host();
    let mut instance = host.instance().unwrap();
    let mut noise = BitNoise::new(1);
    for width in instance.widths().unwrap() {
        instance.select_width(width.inputs).unwrap();
        assert!(instance.works_in_place().unwrap(), "{} does not say that it works in place", width.name);
        let mut stream = instance.activate(Activation::default()).unwrap();
        for (block, frames) in BlockSizes::new(u64::from(width.inputs), 1024).take(12).enumerate() {
            fill(&mut stream, &mut noise, frames);
            // Hosts change their minds from block to block.
            if block % 4 == 3 { stream.run(frames) } else { stream.run_in_place(frames) }.unwrap();
            stream.check_bit_exact(frames).unwrap();
        }
        instance.deactivate(stream);
    }
}

#[test]
fn silence_and_other_constants_may_be_marked_as_such() {
    let host = host();
    let mut instance = wide(&host, 8);
    let mut stream = instance.activate(Activation::default()).unwrap();
    stream.mark_constant_channels(true);
    let (mut rng, mut noise) = (SmallRng::seed_from_u64(1), BitNoise::new(1));
    for _ in 0..300 {
        for channel in 0..stream.channels() {
            let input = &mut stream.input_mut(channel)[..BLOCK];
            match rng.random_range(0..4) {
                0 => input.fill(0.0),
                1 => input.fill(0.25),
                _ => noise.fill(input),
            }
        }
        // An output that is marked as constant and is none fails inside.
        stream.run(BLOCK).unwrap();
        stream.check_bit_exact(BLOCK).unwrap();
    }
    instance.deactivate(stream);
}

#[test]
fn a_host_may_let_it_sleep_in_silence_and_wake_it_at_any_time() {
    let host = host();
    let mut instance = wide(&host, 4);
    let mut stream = instance.activate(Activation::default()).unwrap();
    let mut noise = BitNoise::new(2);
    for round in 0..50 {
        pass(&mut stream, &mut noise, BLOCK);
        for channel in 0..stream.channels() {
            stream.input_mut(channel).fill(0.0);
        }
        let status = stream.run(BLOCK).unwrap();
        stream.check_bit_exact(BLOCK).unwrap();
        // No tail: the host may put it to sleep as soon as the output is quiet, and it is when the input is.
        assert_eq!(status, ProcessStatus::ContinueIfNotQuiet);
        assert!((0..stream.channels()).all(|c| stream.output(c)[..BLOCK].iter().all(|x| *x == 0.0)));
        stream.stop();
        if round % 3 == 0 {
            stream.reset();
        }
        if round % 10 == 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
        stream.start().unwrap();
    }
    instance.deactivate(stream);
}

#[test]
fn resets_and_activations_may_follow_each_other_in_any_number() {
    let host = host();
    let mut instance = wide(&host, 4);
    let (mut rng, mut noise) = (SmallRng::seed_from_u64(3), BitNoise::new(3));
    for _ in 0..40 {
        let mut stream = instance.activate(Activation::default()).unwrap();
        for _ in 0..rng.random_range(0..12) {
            match rng.random_range(0..5) {
                0 => stream.reset(),
                1 => {
                    stream.stop();
                    for _ in 0..rng.random_range(0..3) {
                        stream.reset();
                    }
                    stream.start().unwrap();
                }
                _ => pass(&mut stream, &mut noise, BLOCK),
            }
        }
        instance.deactivate(stream);
    }
}

#[test]
fn subnormal_audio_takes_no_longer() {
    let host = host();
    let mut instance = wide(&host, 32);
    let mut stream = instance.activate(Activation::default()).unwrap();
    let mut rng = SmallRng::seed_from_u64(4);
    let mut quickest = |stream: &mut Stream, subnormal: bool| {
        for channel in 0..stream.channels() {
            let input = &mut stream.input_mut(channel)[..BLOCK];
            match subnormal {
                true => input.fill_with(|| f32::from_bits(rng.random_range(1..0x80_0000))),
                false => WhiteNoise::new(channel as u64).fill(0.5, input),
            }
        }
        let times = (0..200).map(|_| {
            let begin = Instant::now();
            stream.run(BLOCK).unwrap();
            begin.elapsed()
        });
        let quickest = times.min().unwrap();
        stream.check_bit_exact(BLOCK).unwrap();
        quickest
    };
    let (normal, subnormal) = (quickest(&mut stream, false), quickest(&mut stream, true));
    println!("32 × {BLOCK} frames: {normal:.1?}, subnormal {subnormal:.1?}");
    assert!(subnormal < 2 * normal + Duration::from_micros(20), "{normal:?} and {subnormal:?}");
    instance.deactivate(stream);
}

/// A transport that may make no sense at all.
fn transport(rng: &mut SmallRng, time: usize) -> TransportEvent {
    let mut any = || match rng.random_range(0..6) {
        0 => f64::NAN,
        1 => -1e12,
        2 => f64::INFINITY,
        _ => rng.random_range(-10.0..1e5),
    };
    let (tempo, tempo_inc) = (any(), any());
    TransportEvent {
        header: EventHeader::new_core(time as u32, EventFlags::empty()),
        flags: TransportFlags::from_bits_truncate(rng.random()),
        song_pos_beats: FixedPoint::from_bits(rng.random()),
        song_pos_seconds: FixedPoint::from_bits(rng.random()),
        tempo,
        tempo_inc,
        loop_start_beats: FixedPoint::from_bits(rng.random()),
        loop_end_beats: FixedPoint::from_bits(rng.random()),
        loop_start_seconds: FixedPoint::from_bits(rng.random()),
        loop_end_seconds: FixedPoint::from_bits(rng.random()),
        bar_start: FixedPoint::from_bits(rng.random()),
        bar_number: rng.random(),
        time_signature_numerator: rng.random(),
        time_signature_denominator: rng.random(),
    }
}

#[test]
fn transports_of_every_kind_and_none_leave_the_audio_alone() {
    let host = host();
    let mut instance = wide(&host, 4);
    let mut stream = instance.activate(Activation::default()).unwrap();
    let (mut rng, mut noise) = (SmallRng::seed_from_u64(5), BitNoise::new(5));
    for block in 0..300 {
        stream.set_transport((block % 5 > 0).then(|| transport(&mut rng, 0)));
        pass(&mut stream, &mut noise, BLOCK);
    }
    // Within the blocks, and at the end of every sample.
    for interval in [1000, 100, 1] {
        let mut time = 0;
        for _ in 0..8 {
            while time < BLOCK {
                let event = transport(&mut rng, time);
                stream.send(&event);
                time += interval;
            }
            time -= BLOCK;
            pass(&mut stream, &mut noise, BLOCK);
        }
    }
    instance.deactivate(stream);
}

#[test]
fn notes_that_it_never_asked_for_are_let_go() {
    let host = host();
    let mut instance = wide(&host, 4);
    let mut stream = instance.activate(Activation::default()).unwrap();
    let (mut rng, mut noise) = (SmallRng::seed_from_u64(6), BitNoise::new(6));
    for _ in 0..100 {
        for time in (0..BLOCK as u32).step_by(37) {
            let voice = match rng.random() {
                true => Pckn::match_all(),
                false => {
                    Pckn::new(9u16, rng.random_range(0..16u16), rng.random_range(0..128u16), rng.random_range(0..9u32))
                }
            };
            match rng.random() {
                true => stream.send(&NoteOnEvent::new(time, voice, rng.random_range(-1.0..2.0))),
                false => stream.send(&NoteOffEvent::new(time, voice, f64::NAN)),
            }
        }
        pass(&mut stream, &mut noise, BLOCK);
    }
    instance.deactivate(stream);
}
