//! Audio passes the CLAP plugin bit by bit: every width, blocks of any size, every sample rate, with and without analysis.

use spherescope_tests::bundle;
use spherescope_tests::host::{Activation, ClapHost, Instance, Mode, Width};
use spherescope_tests::signal::{BitNoise, BlockSizes};

const MAX_FRAMES: usize = 1024;

/// What hosts save automation by.
const GOLDEN_PARAMETERS: [(u32, &str); 15] = [
    (848820802, "Engine"),
    (1958341746, "Gate"),
    (602006635, "Threshold"),
    (156517341, "Maximum sources"),
    (1487745617, "Smoothing"),
    (1280452954, "Grid size"),
    (1127603536, "Layout revision"),
    (950484197, "Compare engines"),
    (952934183, "Lowest frequency"),
    (34848965, "Highest frequency"),
    (1212688116, "Region"),
    (414743016, "Region azimuth"),
    (251563650, "Region width"),
    (2070531620, "Region lowest elevation"),
    (1924835616, "Region highest elevation"),
];

/// Sends random bits in blocks of changing sizes and compares every one.
fn pass_blocks(instance: &mut Instance, activation: Activation, blocks: usize, seed: u64) {
    let mut stream = instance.activate(activation).unwrap();
    let mut noise = BitNoise::new(seed);
    // As in a host: the audio has a thread of its own.
    let stream = std::thread::spawn(move || {
        for frames in BlockSizes::new(seed, activation.max_frames as usize).take(blocks) {
            for channel in 0..stream.channels() {
                noise.fill(&mut stream.input_mut(channel)[..frames]);
            }
            stream.run(frames).unwrap();
            stream.check_bit_exact(frames).unwrap();
        }
        stream
    })
    .join()
    .unwrap();
    instance.deactivate(stream);
}

fn at(sample_rate_hz: f64, max_frames: usize) -> Activation {
    Activation { sample_rate_hz, min_frames: 1, max_frames: max_frames as u32 }
}

/// Saved in every project: a line may be added, none changed.
#[test]
fn the_identity_and_every_width_keep_their_places() {
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    assert_eq!(host.plugin_id(), "io.spherescope.spherescope");
    let mut instance = host.instance().unwrap();
    let order = [4, 2, 3].into_iter().chain(5..=64).chain([1]);
    for (id, (channels, width)) in order.zip(instance.widths().unwrap()).enumerate() {
        let expected =
            Width { id: id as u32, name: format!("{channels} channels"), inputs: channels, outputs: channels };
        assert_eq!(width, expected);
    }
    assert_eq!(instance.widths().unwrap().len(), 64);
    let ids: Vec<_> = instance.parameters().unwrap().into_iter().map(|p| (p.id, p.name)).collect();
    let golden = GOLDEN_PARAMETERS.map(|(id, name)| (id, name.to_string()));
    assert_eq!(ids, golden);
}

#[test]
fn every_width_passes_bit_by_bit() {
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let mut instance = host.instance().unwrap();
    let widths = instance.widths().unwrap();
    let channels: Vec<_> = widths.iter().map(|w| w.inputs).collect();
    for wanted in 1..=64 {
        assert!(channels.contains(&wanted), "expected a width of {wanted}, found {channels:?}");
    }
    for width in &widths {
        assert_eq!(width.inputs, width.outputs, "{width:?}");
        instance.select_width(width.inputs).unwrap();
        assert_eq!(instance.channels().unwrap(), [width.inputs; 2]);
        pass_blocks(&mut instance, at(48_000.0, MAX_FRAMES), 12, width.inputs.into());
    }
    assert_eq!(instance.latency_frames().unwrap(), 0);
    println!("{} widths passed: {channels:?}", widths.len());
}

#[test]
fn a_thousand_blocks_of_32_channels_pass_bit_by_bit() {
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let mut instance = host.instance().unwrap();
    instance.select_width(32).unwrap();
    pass_blocks(&mut instance, at(48_000.0, MAX_FRAMES), 1000, 7);
}

#[test]
fn every_sample_rate_and_block_limit_passes() {
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let mut instance = host.instance().unwrap();
    instance.select_width(8).unwrap();
    let rates = [
        1000.0, 1234.5678, 8_000.0, 11_025.0, 16_000.0, 22_050.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0,
        384_000.5, 768_000.0,
    ];
    for rate in rates {
        for max_frames in [1, 2, 17, 512, 4099, 16_384] {
            pass_blocks(&mut instance, at(rate, max_frames), 6, rate as u64 + max_frames as u64);
        }
    }
}

#[test]
fn offline_rendering_passes_too() {
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let mut instance = host.instance().unwrap();
    instance.select_width(32).unwrap();
    instance.set_mode(Mode::Offline).unwrap();
    pass_blocks(&mut instance, at(48_000.0, MAX_FRAMES), 200, 11);
}
