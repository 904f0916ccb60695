//! The candle network against numbers of an independent implementation in PyTorch.

use std::sync::Arc;

use candle_core::Device;
use spherescope_dsp::nudft::{Complex32, Nudft};
use spherescope_dsp::steered::{SteeredResponse, SteeredScratch, phase_transform};
use spherescope_dsp::{Direction, Grid, MicArray};
use spherescope_model::{Localizer, LocalizerSettings, Network};

struct Scene {
    audio: Vec<Vec<f32>>,
    array: MicArray,
    grid: Grid,
    tensors: std::collections::HashMap<String, candle_core::Tensor>,
    name: &'static str,
}

impl Scene {
    fn read(name: &'static str) -> Self {
        let bytes = include_bytes!("fixtures/lifted.safetensors");
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu).unwrap();
        let points = |key: &str| -> Vec<[f64; 3]> {
            let rows = tensors[key].to_vec2::<f32>().unwrap();
            rows.iter().map(|r| std::array::from_fn(|i| f64::from(r[i]))).collect()
        };
        let directions = points("grid").into_iter().map(|v| Direction::from_vector(v).unwrap()).collect();
        Self {
            audio: tensors[&format!("{name}.audio")].to_vec2().unwrap(),
            array: MicArray::from_positions(name, &points(&format!("{name}.capsules_m"))).unwrap(),
            grid: Grid::from_directions(directions).unwrap(),
            tensors,
            name,
        }
    }

    fn expected(&self, key: &str) -> Vec<f32> {
        self.tensors[&format!("{}.{key}", self.name)].flatten_all().unwrap().to_vec1().unwrap()
    }
}

/// The network of the reference: sizes and weights of the trial, not those that ship.
fn reference_network() -> Arc<Network> {
    Arc::new(Network::from_bytes(include_bytes!("fixtures/lifted-weights.safetensors")).unwrap())
}

fn worst(expected: &[f32], found: &[f32]) -> f32 {
    assert_eq!(expected.len(), found.len());
    expected.iter().zip(found).map(|(e, f)| (e - f).abs()).fold(0.0, f32::max)
}

#[test]
fn each_stage_agrees_with_the_reference() {
    let network = reference_network();
    for name in ["c6", "c14"] {
        let scene = Scene::read(name);
        let k = network.frequencies_hz().len();
        let mut nudft = Nudft::new(512, network.frequencies_hz(), 16_000.0, 1.0).unwrap();
        let mut spectra = Vec::new();
        for channel in &scene.audio {
            let mut out = vec![Complex32::default(); k];
            nudft.process(&channel[..512], &mut out);
            spectra.extend(out);
        }
        let (re, im): (Vec<f32>, Vec<f32>) = spectra.iter().map(|x| (x.re, x.im)).unzip();
        // The reference computes its phases, up to 1400 rad, in single precision: good for 1e-4 of the largest value.
        let size = scene.expected("nudft_re_frame0").iter().fold(0f32, |a, b| a.max(b.abs()));
        for (key, found) in [("nudft_re_frame0", &re), ("nudft_im_frame0", &im)] {
            let error = worst(&scene.expected(key), found) / size;
            assert!(error < 1e-4, "{key} of {name}: {error:.2e} of the largest");
        }

        phase_transform(&mut spectra);
        let quadrature = Grid::fibonacci(256).unwrap();
        let response = SteeredResponse::new(&scene.array, quadrature.directions(), network.frequencies_hz(), 343.0);
        let mut steered = Vec::new();
        response.respond(&spectra, 1, &mut SteeredScratch::default(), |_, r| steered.extend_from_slice(r));
        let error = worst(&scene.expected("steered_frame0"), &steered);
        assert!(error < 2e-3, "steered response of {name}: {error}");
    }
}

#[test]
fn logits_agree_with_the_reference_through_the_streaming_localizer() {
    for (name, blocks) in [("c6", [100, 333]), ("c14", [1024, 7])] {
        let scene = Scene::read(name);
        let settings = LocalizerSettings::new(scene.array.clone(), Arc::new(scene.grid.clone()));
        let mut localizer = Localizer::with_network(16_000.0, settings, reference_network()).unwrap();
        let mut spectra = Vec::new();
        let mut at = 0;
        for block in blocks.into_iter().cycle() {
            let end = (at + block).min(scene.audio[0].len());
            let bus: Vec<&[f32]> = scene.audio.iter().map(|c| &c[at..end]).collect();
            localizer.process(&bus, &mut |f| spectra.extend_from_slice(f.spectrum)).unwrap();
            at = end;
            if at == scene.audio[0].len() {
                break;
            }
        }
        localizer.flush(&mut |f| spectra.extend_from_slice(f.spectrum)).unwrap();
        let logits = scene.expected("logits");
        let expected: Vec<f32> = logits.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
        let error = worst(&expected, &spectra);
        println!("{name}: worst error of the scores {error:.2e}");
        assert!(error < 1e-4, "{name}: {error}");
        let found: Vec<f32> = spectra.iter().map(|p| (p / (1.0 - p)).ln()).collect();
        println!("{name}: worst error of the logits {:.2e}", worst(&logits, &found));
    }
}
