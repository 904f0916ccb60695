//! What must hold for any array, grid, block size and sample rate.

use std::sync::Arc;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use spherescope_dsp::{Capsule, Direction, Grid, MicArray, PeakFinder, PeakOptions, Rotation, presets};
use spherescope_model::{Engine, Localizer, LocalizerError, LocalizerSettings, Network, NetworkError};

/// A plane wave of many sines with random phases, computed exactly: no sample rate's own errors are in it. Capsules hear a little more of
/// what comes from outside the array, as on a body or with a pattern.
fn plane_wave(array: &MicArray, from: &Direction, rate: f64, seconds: f64, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let tones: Vec<(f64, f64)> =
        (0..150).map(|_| (rng.random_range(200.0..7000.0), rng.random_range(0.0..std::f64::consts::TAU))).collect();
    let u = from.unit();
    let mut bus = vec![vec![0.0; (seconds * rate) as usize]; array.channels_needed()];
    for capsule in array.active() {
        let along_m = capsule.position_m.iter().zip(u).map(|(p, u)| p * u).sum::<f64>();
        let radius_m = capsule.position_m.iter().map(|p| p * p).sum::<f64>().sqrt();
        let (lead_s, gain) = (along_m / 343.0, (1.0 + 0.4 * along_m / radius_m.max(1e-3)) / 200.0);
        for (n, out) in bus[capsule.channel].iter_mut().enumerate() {
            let t = n as f64 / rate + lead_s;
            let sum = tones.iter().map(|(f, phase)| (std::f64::consts::TAU * f * t + phase).sin()).sum::<f64>();
            *out = (sum * gain) as f32;
        }
    }
    bus
}

fn grid() -> Arc<Grid> {
    Arc::new(Grid::fibonacci(1024).unwrap())
}

fn spectra(localizer: &mut Localizer, bus: &[Vec<f32>], blocks: &[usize]) -> Vec<Vec<f32>> {
    let mut found = Vec::new();
    let (mut at, mut turn) = (0, 0);
    while at < bus[0].len() {
        let end = (at + blocks[turn % blocks.len()]).min(bus[0].len());
        turn += 1;
        let block: Vec<&[f32]> = bus.iter().map(|c| &c[at..end]).collect();
        localizer.process(&block, &mut |f| found.push(f.spectrum.to_vec())).unwrap();
        at = end;
    }
    localizer.flush(&mut |f| found.push(f.spectrum.to_vec())).unwrap();
    found
}

fn localizer(array: &MicArray, engine: Engine, rate: f64) -> Localizer {
    let settings = LocalizerSettings { engine, ..LocalizerSettings::new(array.clone(), grid()) };
    Localizer::new(rate, settings).unwrap()
}

fn best(spectrum: &[f32]) -> Direction {
    let options = PeakOptions { max_peaks: 1, ..PeakOptions::default() };
    PeakFinder::new(&grid()).find_exactly(spectrum, &options)[0].direction
}

fn worst(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn every_preset_hears_a_plane_wave_where_it_is() {
    let from = Direction::from_degrees(-52.0, 18.0).unwrap();
    let mirrored = Direction::from_degrees(-52.0, -18.0).unwrap();
    for preset in presets::all() {
        let bus = plane_wave(&preset.array, &from, 16_000.0, 0.4, 5);
        for engine in Engine::ALL {
            let found = best(spectra(&mut localizer(&preset.array, engine, 16_000.0), &bus, &[512]).last().unwrap());
            // A flat array cannot tell above from below.
            let error = match preset.array.extent() {
                spherescope_dsp::Extent::Volume => found.angle_to_deg(&from),
                _ => found.angle_to_deg(&from).min(found.angle_to_deg(&mirrored)),
            };
            assert!(error < 10.0, "{} with {}: {error:.1}° off, {found:?}", preset.id, engine.id());
        }
    }
}

#[test]
fn preamplifiers_that_nobody_matched_hardly_move_the_answer() {
    let from = Direction::from_degrees(75.0, -10.0).unwrap();
    for id in ["a-format-tetrahedron", "zylia-zm-1", "eigenmike-em32"] {
        let array = presets::find(id).unwrap().array;
        let mut bus = plane_wave(&array, &from, 16_000.0, 0.6, 8);
        for (channel, gain) in bus.iter_mut().zip([1.6f32, 0.7, 1.0, 0.5, 1.3].iter().cycle()) {
            channel.iter_mut().for_each(|x| *x *= gain);
        }
        let found = best(spectra(&mut localizer(&array, Engine::AggRl, 16_000.0), &bus, &[512]).last().unwrap());
        assert!(found.angle_to_deg(&from) < 10.0, "{id}: {found:?}");
    }
}

#[test]
fn blocks_do_not_matter_and_chunks_hardly() {
    let array = presets::find("zylia-zm-1").unwrap().array;
    let bus = plane_wave(&array, &Direction::LEFT, 44_100.0, 0.5, 1);
    for engine in Engine::ALL {
        let expected = spectra(&mut localizer(&array, engine, 44_100.0), &bus, &[44_100]);
        assert_eq!(expected.len(), 30);
        assert_eq!(spectra(&mut localizer(&array, engine, 44_100.0), &bus, &[1, 64, 1000, 37]), expected);
        for chunk_frames in [1, 3, 8] {
            let settings = LocalizerSettings { engine, chunk_frames, ..LocalizerSettings::new(array.clone(), grid()) };
            let mut other = Localizer::new(44_100.0, settings).unwrap();
            assert!(worst(&spectra(&mut other, &bus, &[512]), &expected) < 1e-4);
        }
    }
}

#[test]
fn permuting_channels_with_the_layout_changes_nothing() {
    let mut rng = SmallRng::seed_from_u64(3);
    let array = presets::find("eigenmike-em32").unwrap().array;
    let bus = plane_wave(&array, &Direction::from_degrees(130.0, -20.0).unwrap(), 16_000.0, 0.3, 2);
    let mut to: Vec<usize> = (0..32).collect();
    to.shuffle(&mut rng);
    let mut capsules: Vec<Capsule> =
        array.capsules().iter().map(|c| Capsule { channel: to[c.channel], ..*c }).collect();
    capsules.shuffle(&mut rng);
    let mut moved = vec![Vec::new(); 32];
    for (channel, samples) in bus.iter().enumerate() {
        moved[to[channel]] = samples.clone();
    }
    let permuted = MicArray::new("permuted", capsules).unwrap();
    for engine in Engine::ALL {
        let expected = spectra(&mut localizer(&array, engine, 16_000.0), &bus, &[160]);
        let found = spectra(&mut localizer(&permuted, engine, 16_000.0), &moved, &[160]);
        assert!(worst(&expected, &found) < 1e-3, "{}", worst(&expected, &found));
    }
}

#[test]
fn moving_the_whole_array_changes_nothing() {
    let array = presets::find("ring-6").unwrap().array;
    let shifted: Vec<Capsule> = array
        .capsules()
        .iter()
        .map(|c| Capsule { position_m: [c.position_m[0] + 3.0, c.position_m[1] - 2.0, c.position_m[2] + 1.0], ..*c })
        .collect();
    let shifted = MicArray::new("shifted", shifted).unwrap();
    let bus = plane_wave(&array, &Direction::from_degrees(20.0, 5.0).unwrap(), 16_000.0, 0.3, 9);
    let expected = spectra(&mut localizer(&array, Engine::AggRl, 16_000.0), &bus, &[160]);
    assert!(worst(&expected, &spectra(&mut localizer(&shifted, Engine::AggRl, 16_000.0), &bus, &[160])) < 1e-3);
}

#[test]
fn turning_scene_and_array_turns_the_answer() {
    let mut rng = SmallRng::seed_from_u64(17);
    let array = presets::find("zylia-zm-1").unwrap().array;
    let from = Direction::from_degrees(75.0, 12.0).unwrap();
    for _ in 0..6 {
        let turn = Rotation::random(&mut rng);
        let positions: Vec<_> = array.capsules().iter().map(|c| turn.apply(c.position_m)).collect();
        let turned = MicArray::from_positions("turned", &positions).unwrap();
        let bus = plane_wave(&turned, &turn.apply_to(from), 16_000.0, 0.3, 4);
        for engine in Engine::ALL {
            let found = best(spectra(&mut localizer(&turned, engine, 16_000.0), &bus, &[256]).last().unwrap());
            let error = found.angle_to_deg(&turn.apply_to(from));
            assert!(error < 5.0, "{}: {error:.1}°", engine.id());
        }
    }
}

#[test]
fn the_sample_rate_does_not_matter() {
    let array = presets::find("eigenmike-em32").unwrap().array;
    let from = Direction::from_degrees(-140.0, 33.0).unwrap();
    let at = |rate: f64| {
        let bus = plane_wave(&array, &from, rate, 0.3, 8);
        spectra(&mut localizer(&array, Engine::AggRl, rate), &bus, &[512]).pop().unwrap()
    };
    let expected = at(16_000.0);
    for rate in [44_100.0, 48_000.0, 96_000.0, 192_000.0] {
        let found = at(rate);
        assert!(best(&found).angle_to_deg(&best(&expected)) < 1.0, "{rate} Hz");
        let error = worst(std::slice::from_ref(&expected), &[found]);
        assert!(error < 0.05, "{error} at {rate} Hz");
    }
}

#[test]
fn array_grid_and_engine_change_while_it_runs() {
    let array = presets::find("zylia-zm-1").unwrap().array;
    let from = Direction::from_degrees(60.0, -10.0).unwrap();
    let bus = plane_wave(&array, &from, 16_000.0, 0.9, 6);
    let mut localizer = localizer(&array, Engine::AggRl, 16_000.0);
    let part = |n: usize| -> Vec<&[f32]> { bus.iter().map(|c| &c[n * 4800..(n + 1) * 4800]).collect() };
    let mut indexes = Vec::new();
    localizer.process(&part(0), &mut |f| indexes.push((f.index, f.spectrum.len()))).unwrap();
    localizer.set_grid(Arc::new(Grid::fibonacci(300).unwrap())).unwrap();
    let mut capsules = array.capsules().to_vec();
    capsules[3].muted = true;
    localizer.set_array(MicArray::new("one less", capsules).unwrap()).unwrap();
    localizer.process(&part(1), &mut |f| indexes.push((f.index, f.spectrum.len()))).unwrap();
    localizer.set_grid(grid()).unwrap();
    localizer.set_engine(Engine::SrpPhat).unwrap();
    let mut last = Vec::new();
    localizer
        .process(&part(2), &mut |f| {
            indexes.push((f.index, f.spectrum.len()));
            last = f.spectrum.to_vec();
        })
        .unwrap();
    assert!(best(&last).angle_to_deg(&from) < 6.0);
    assert!(indexes.iter().any(|&(_, d)| d == 300) && indexes.iter().any(|&(_, d)| d == 1024));
    // At most the frames that wait for what the network looks ahead are let go, where the engine changes.
    let awaited = Network::shipped().unwrap().config().look_ahead as u64;
    assert!(indexes.windows(2).all(|w| w[1].0 > w[0].0 && w[1].0 - w[0].0 <= 1 + awaited), "{indexes:?}");
}

#[test]
fn silence_is_inactive_and_scores_stay_finite_after_bad_samples() {
    let array = presets::find("a-format-tetrahedron").unwrap().array;
    let mut localizer = localizer(&array, Engine::AggRl, 48_000.0);
    let silence = vec![vec![0.0f32; 9600]; 4];
    let mut bad = silence.clone();
    bad[1][500] = f32::NAN;
    bad[2][700] = f32::INFINITY;
    bad[3].fill(f32::MIN_POSITIVE / 4.0);
    for bus in [&silence, &bad, &silence] {
        let block: Vec<&[f32]> = bus.iter().map(Vec::as_slice).collect();
        localizer
            .process(&block, &mut |f| {
                assert!(!f.active && f.spectrum.iter().all(|x| (0.0..=1.0).contains(x)));
            })
            .unwrap();
    }
}

#[test]
fn faults_upstream_do_not_stay() {
    let array = presets::find("a-format-tetrahedron").unwrap().array;
    let from = Direction::from_degrees(70.0, -12.0).unwrap();
    let clean = plane_wave(&array, &from, 16_000.0, 0.8, 6);
    for fault in [f32::MAX, -1e30, 1e19, 9e5] {
        let mut bus = clean.clone();
        bus[2][3000] = fault;
        bus[0][3001..3200].fill(-fault);
        for engine in Engine::ALL {
            let found = spectra(&mut localizer(&array, engine, 16_000.0), &bus, &[480]);
            assert!(found.iter().flatten().all(|x| (0.0..=1.0).contains(x)), "{fault}, {}", engine.id());
            let error = best(found.last().unwrap()).angle_to_deg(&from);
            assert!(error < 10.0, "{error:.1}° off after {fault}, {}", engine.id());
        }
    }
}

#[test]
fn wrong_settings_and_buses_are_named() {
    let array = presets::find("ring-6").unwrap().array;
    let with = |rate: f64, speed: f64, chunk: usize| {
        let settings = LocalizerSettings {
            speed_of_sound_m_s: speed,
            chunk_frames: chunk,
            ..LocalizerSettings::new(array.clone(), grid())
        };
        Localizer::new(rate, settings).map(|_| ()).unwrap_err().to_string()
    };
    assert!(with(8000.0, 343.0, 2).contains("16000 to 768000 Hz, found 8000"));
    assert!(with(48_000.0, 3.0, 2).contains("speed of sound in m/s: expected 100 to 10000, found 3"));
    assert!(with(48_000.0, 343.0, 0).contains("expected 1 to 64, found 0"));
    let error = localizer(&array, Engine::AggRl, 48_000.0).process(&[&[0.0f32; 16][..]; 5], &mut |_| {}).unwrap_err();
    assert!(matches!(error, LocalizerError::FrontEnd(_)) && error.to_string().contains("needs 6 channels, found 5"));
}

#[test]
fn damaged_weights_are_refused_with_a_reason() {
    let good = spherescope_model::network::SHIPPED_WEIGHTS.to_vec();
    let reason = |bytes: &[u8]| Network::from_bytes(bytes).map(|_| ()).unwrap_err();
    assert!(matches!(reason(&[]), NetworkError::NotSafetensors(_)));
    assert!(matches!(reason(&good[..good.len() / 2]), NetworkError::NotSafetensors(_)));
    let header = usize::from(good[0]) + 256 * usize::from(good[1]);
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let text = String::from_utf8(good[8..8 + header].to_vec()).unwrap();
        assert!(text.contains(from), "{from}");
        let mut bytes = good.clone();
        bytes[8..8 + header].copy_from_slice(text.replacen(from, to, 1).as_bytes());
        bytes
    };
    for (from, to, part) in [
        ("\"spherescope\"", "\"spherescopf\"", "metadata key `spherescope`"),
        (r#"\"format\":1"#, r#"\"format\":7"#, "expected 1, found 7"),
        (r#"\"order\":16"#, r#"\"order\":99"#, "order: expected 0 to 40, found 99"),
        (r#"\"kind\":\"lifted\""#, r#"\"kind\":\"paper!\""#, "paper!"),
        (r#"\"bins\":144"#, r#"\"bins\":143"#, "shape"),
        ("\"input.bias\"", "\"input.bios\"", "input.bias"),
    ] {
        let message = reason(&replaced(from, to)).to_string();
        assert!(message.contains(part), "{message:?} should mention {part:?}");
    }
    let mut spoilt = good.clone();
    let end = spoilt.len();
    spoilt[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(reason(&spoilt).to_string().contains("finite numbers, found NaN"));
}

/// Counted in hops of 16 ms, so that the windows of the second sound lie alike whatever the silence before it.
#[test]
fn an_engine_that_rests_in_lasting_silence_goes_on_as_if_it_had_not() {
    const HOP: usize = 256;
    let array = presets::find("a-format-tetrahedron").unwrap().array;
    let from = |azimuth_deg| Direction::from_degrees(azimuth_deg, 10.0).unwrap();
    let [first, second] = [-100.0, 40.0].map(|a| plane_wave(&array, &from(a), 16_000.0, 0.4, 5));
    let after = |engine: Engine, silent_hops: usize| {
        let silence = vec![0.0; silent_hops * HOP];
        let bus: Vec<_> = first.iter().zip(&second).map(|(a, b)| [&a[..], &silence, b].concat()).collect();
        let found = spectra(&mut localizer(&array, engine, 16_000.0), &bus, &[512]);
        found[found.len() - second[0].len() / HOP..].to_vec()
    };
    for engine in Engine::ALL {
        // 14.9 s, before the rest; 15.2 and 17.6 s, soon and long after its beginning.
        let [awake, short, long] = [930, 950, 1100].map(|hops| after(engine, hops));
        assert_eq!(short, long, "{}: something went on in the rest", engine.id());
        assert!(worst(&awake, &short) < 2e-3, "{}: {}", engine.id(), worst(&awake, &short));
        assert!(best(short.last().unwrap()).angle_to_deg(&from(40.0)) < 10.0);
    }
}

#[test]
fn what_is_changed_in_a_rest_is_heard_in_it() {
    let array = presets::find("a-format-tetrahedron").unwrap().array;
    let mut localizer = localizer(&array, Engine::AggRl, 16_000.0);
    let silence = vec![vec![0.0; 248_000]; array.channels_needed()];
    let resting = spectra(&mut localizer, &silence, &[512]).pop().unwrap();
    let front = Grid::from_directions(grid().directions()[..300].to_vec()).unwrap();
    localizer.set_grid(Arc::new(front)).unwrap();
    let found = spectra(&mut localizer, &silence, &[512]).pop().unwrap();
    assert_eq!((resting.len(), found.len()), (1024, 300));
    assert!(found.iter().zip(&resting).all(|(a, b)| (a - b).abs() < 1e-3));
}
