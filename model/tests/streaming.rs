//! The way that live sound takes through the network gives what the network's definition in tensors gives, and allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;

use rand::{Rng, SeedableRng, rngs::SmallRng};
use safetensors::tensor::{Dtype, TensorView};
use spherescope_dsp::nudft::Complex32;
use spherescope_dsp::{Grid, MicArray, presets};
use spherescope_model::augeonet::parameters;
use spherescope_model::config::{AuGeonetConfig, Config, METADATA_KEY};
use spherescope_model::network::SHIPPED_WEIGHTS;
use spherescope_model::parameter::Begin;
use spherescope_model::{Network, SPEED_OF_SOUND_M_S, Spectra};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is handed to the system's allocator as it came; counting touches a thread-local number only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The shipped network's configuration with other sizes.
fn config(change: impl FnOnce(&mut spherescope_model::config::LiftedConfig)) -> Config {
    let mut config = Network::from_bytes(SHIPPED_WEIGHTS).unwrap().config().clone();
    let AuGeonetConfig::Lifted(sizes) = &mut config.augeonet else { panic!("the lifted network ships") };
    change(sizes);
    config
}

/// A network of this configuration with random weights, none of them at its neutral value.
fn random_network(config: &Config, seed: u64) -> Vec<u8> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut bytes: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for parameter in parameters(&config.augeonet) {
        let begins: Vec<f32> = match &parameter.begin {
            Begin::Constant(c) => (0..parameter.elements()).map(|_| c + rng.random_range(-0.2..0.2)).collect(),
            Begin::Uniform(b) | Begin::Normal(b) => {
                (0..parameter.elements()).map(|_| rng.random_range(-2.0 * b..2.0 * b)).collect()
            }
            Begin::Values(v) => v.iter().map(|v| v * rng.random_range(0.99..1.01)).collect(),
        };
        bytes.push((parameter.name, parameter.shape, begins.iter().flat_map(|x| x.to_le_bytes()).collect()));
    }
    let views =
        bytes.iter().map(|(name, shape, data)| (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    let text = serde_json::to_string(config).unwrap();
    safetensors::serialize(views, Some(HashMap::from([(METADATA_KEY.to_owned(), text)]))).unwrap()
}

struct Sound {
    phat: Vec<Complex32>,
    power: Vec<f32>,
    level_slopes: Vec<f32>,
}

/// Spectra that wander: each capsule's phases are its neighbours' and noise, levels rise and fall.
fn sound(array: &MicArray, bins: usize, frames: usize, seed: u64) -> Sound {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut phat = Vec::new();
    let mut power = Vec::new();
    let mut level_slopes = Vec::new();
    for _ in 0..frames {
        let common: Vec<f32> = (0..bins).map(|_| rng.random_range(-3.0..3.0)).collect();
        for _ in array.active() {
            phat.extend(common.iter().map(|c| Complex32::from_polar(1.0, c + rng.random_range(-1.0f32..1.0))));
        }
        power.extend((0..bins).map(|_| 10f32.powf(rng.random_range(-5.0..3.0))));
        level_slopes.extend((0..3 * bins).map(|_| rng.random_range(-0.8f32..0.8)));
    }
    Sound { phat, power, level_slopes }
}

/// Logits of the whole sound, cut into chunks of these lengths.
fn logits(
    network: &Network,
    array: &MicArray,
    grid: &Grid,
    Sound { phat, power, level_slopes }: &Sound,
    cuts: &[usize],
) -> Vec<f32> {
    let bins = network.frequencies_hz().len();
    let (encoded, directions) =
        (network.encode_array(array, SPEED_OF_SOUND_M_S).unwrap(), network.encode_grid(grid).unwrap());
    let mut state = network.start().unwrap();
    let (mut all, mut some) = (Vec::new(), Vec::new());
    let mut at = 0;
    for frames in cuts.iter().cycle() {
        let frames = (*frames).min(power.len() / bins - at);
        if frames == 0 {
            break;
        }
        let per_frame = array.active().count() * bins;
        let spectra = Spectra {
            frames,
            phat: &phat[at * per_frame..(at + frames) * per_frame],
            power: &power[at * bins..(at + frames) * bins],
            level_slopes: &level_slopes[at * 3 * bins..(at + frames) * 3 * bins],
            beside: None,
        };
        network.logits(&encoded, &directions, &spectra, &mut state, &mut some).unwrap();
        all.extend_from_slice(&some);
        at += frames;
    }
    all
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let size = (b.iter().map(|x| x * x).sum::<f32>() / b.len() as f32).sqrt();
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / size
}

#[test]
fn live_sound_gets_what_the_definition_gives() {
    let sizes: [(&str, Config); 12] = [
        ("as shipped", config(|_| {})),
        ("without evidence", config(|c| (c.evidence, c.levels) = (0, 0))),
        ("with what is around a bin", config(|c| c.context = true)),
        ("without what is around a bin", config(|c| c.context = false)),
        ("with levels", config(|c| c.levels = 5)),
        ("with levels without memory", config(|c| (c.levels, c.memory_s) = (3, Vec::new()))),
        ("without memory", config(|c| c.memory_s.clear())),
        ("without votes", config(|c| (c.votes, c.levels) = (0, 0))),
        ("with votes", config(|c| (c.votes, c.levels) = (12, 0))),
        ("with votes alone", config(|c| (c.votes, c.memory_s, c.evidence, c.levels) = (3, Vec::new(), 0, 0))),
        ("small", config(|c| (c.quadrature, c.channels, c.order, c.blocks, c.fields, c.bins) = (96, 16, 5, 1, 3, 40))),
        ("wide", config(|c| (c.quadrature, c.channels, c.order, c.bands, c.outputs) = (288, 48, 12, 5, 1))),
    ];
    for (number, (name, config)) in sizes.iter().enumerate() {
        let bytes = random_network(config, number as u64);
        let live = Network::from_bytes(&bytes).unwrap();
        let tensors = Network::from_bytes(&bytes).unwrap().in_tensors();
        for (preset, directions) in [("a-format-tetrahedron", 777), ("ring-6", 64), ("eigenmike-em32", 1)] {
            let array = presets::find(preset).unwrap().array;
            let grid = Grid::fibonacci(directions).unwrap();
            let sound = sound(&array, live.frequencies_hz().len(), 23, 40 + number as u64);
            let expected = logits(&tensors, &array, &grid, &sound, &[23]);
            for cuts in [&[23][..], &[1], &[2], &[3, 7, 4, 5]] {
                let off = worst(&logits(&live, &array, &grid, &sound, cuts), &expected);
                assert!(off < 1e-3, "{name}, {preset}, chunks of {cuts:?}: {off} of the logits' rms");
            }
        }
    }
}

#[test]
fn sizes_that_do_not_suit_the_vectors_run_in_tensors() {
    for sizes in [config(|c| c.channels = 24), config(|c| (c.quadrature, c.votes, c.levels) = (250, 0, 0))] {
        let network = Network::from_bytes(&random_network(&sizes, 9)).unwrap();
        let array = presets::find("ring-6").unwrap().array;
        let sound = sound(&array, network.frequencies_hz().len(), 6, 3);
        let found = logits(&network, &array, &Grid::fibonacci(50).unwrap(), &sound, &[2]);
        assert!(found.len() == 300 && found.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn nothing_is_allocated_from_chunk_to_chunk() {
    let network = Network::from_bytes(SHIPPED_WEIGHTS).unwrap();
    let array = presets::find("zylia-zm-1").unwrap().array;
    let bins = network.frequencies_hz().len();
    let Sound { phat, power, level_slopes } = sound(&array, bins, 4, 1);
    let spectra = Spectra { frames: 4, phat: &phat, power: &power, level_slopes: &level_slopes, beside: None };
    let encoded = network.encode_array(&array, SPEED_OF_SOUND_M_S).unwrap();
    let grid = network.encode_grid(&Grid::fibonacci(2048).unwrap()).unwrap();
    let mut state = network.start().unwrap();
    let mut logits = Vec::new();
    let mut count = || {
        let before = ALLOCATIONS.with(Cell::get);
        network.logits(&encoded, &grid, &spectra, &mut state, &mut logits).unwrap();
        ALLOCATIONS.with(Cell::get) - before
    };
    // The counter counts: the first chunk makes the working memory.
    assert!(count() > 0);
    assert_eq!([count(), count(), count()], [0; 3]);
}

#[test]
fn spectra_of_another_array_are_refused() {
    let network = Network::from_bytes(SHIPPED_WEIGHTS).unwrap();
    let bins = network.frequencies_hz().len();
    let [six, four] = ["ring-6", "a-format-tetrahedron"].map(|id| presets::find(id).unwrap().array);
    let Sound { phat, power, level_slopes } = sound(&four, bins, 2, 1);
    let encoded = network.encode_array(&six, SPEED_OF_SOUND_M_S).unwrap();
    let grid = network.encode_grid(&Grid::fibonacci(64).unwrap()).unwrap();
    let (mut state, mut logits) = (network.start().unwrap(), vec![1.0]);
    let spectra = Spectra { frames: 2, phat: &phat, power: &power, level_slopes: &level_slopes, beside: None };
    let error = network.logits(&encoded, &grid, &spectra, &mut state, &mut logits).unwrap_err().to_string();
    let [of_six, of_four, powers, slopes] = [6, 4, 1, 3].map(|rows| 2 * rows * bins);
    let found = format!("found [{of_four}, {powers}, {slopes}]");
    assert_eq!(
        error,
        format!(
            "network: expected [{of_six}, {powers}, {slopes}] spectral values, powers and level slopes for 2 frames, {found}"
        )
    );
    let tensors = Network::from_bytes(SHIPPED_WEIGHTS).unwrap().in_tensors();
    let error = tensors.logits(&encoded, &grid, &spectra, &mut state, &mut logits).unwrap_err().to_string();
    assert!(error.contains("another's"), "{error}");
}
