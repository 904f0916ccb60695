//! Every operation and its gradient against candle's own composites.

use super::*;
use candle_core::{Device, Var};

fn random(shape: (usize, usize)) -> Var {
    Var::randn(0f32, 1f32, shape, &Device::Cpu).unwrap()
}

fn worst(a: &Tensor, b: &Tensor) -> f32 {
    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

#[test]
fn products_and_gradients_are_candles_own() {
    for (m, k, n) in [(1, 1, 1), (3, 5, 7), (64, 33, 20), (256, 96, 13)] {
        let (a, b) = (random((m, k)), random((k, n)));
        assert!(worst(&matmul(&a, &b).unwrap(), &a.matmul(&b).unwrap()) < 1e-4);
        let ours = matmul(&a, &b).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let theirs = a.matmul(&b).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
        for v in [&a, &b] {
            assert!(worst(ours.get(v).unwrap(), theirs.get(v).unwrap()) < 1e-2);
        }
    }
}

#[test]
fn any_layout_of_the_operands_serves() {
    let (a, b) = (random((20, 9)), random((20, 11)));
    let found = matmul(&a.t().unwrap(), &b).unwrap();
    assert!(worst(&found, &a.t().unwrap().contiguous().unwrap().matmul(&b).unwrap()) < 1e-4);
    let (top, part) = (a.narrow(0, 3, 5).unwrap(), b.narrow(1, 2, 4).unwrap().narrow(0, 1, 9).unwrap());
    let expected = top.contiguous().unwrap().matmul(&part.contiguous().unwrap()).unwrap();
    assert!(worst(&matmul(&top, &part).unwrap(), &expected) < 1e-4);
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    assert!(matmul(&random((2, 3)), &random((2, 3))).is_err());
}

/// Largest difference of values and of gradients between two ways to compute the same thing.
fn compare(ours: &Tensor, theirs: &Tensor, inputs: &[&Var]) -> f32 {
    assert_eq!(ours.dims(), theirs.dims());
    // Every output weighs differently, so that no error cancels.
    let weight = Tensor::randn(0f32, 1f32, ours.shape(), &Device::Cpu).unwrap();
    let of = |y: &Tensor| (y * &weight).unwrap().sum_all().unwrap().backward().unwrap();
    let (a, b) = (of(ours), of(theirs));
    let gradients = inputs.iter().map(|v| worst(a.get(v).unwrap(), b.get(v).unwrap()));
    gradients.fold(worst(ours, theirs), f32::max)
}

fn var(shape: &[usize]) -> Var {
    Var::randn(0f32, 1f32, shape, &Device::Cpu).unwrap()
}

#[test]
fn affine_maps_and_their_gradients_are_candles_own() {
    let (x, w, b) = (var(&[3, 5, 7]), var(&[4, 7]), var(&[4]));
    let theirs = x.broadcast_matmul(&w.t().unwrap()).unwrap().broadcast_add(&b).unwrap();
    assert!(compare(&linear(&x, &w, &b).unwrap(), &theirs, &[&x, &w, &b]) < 1e-4);
    assert!(linear(&x, &var(&[4, 6]), &b).is_err());
}

#[test]
fn layer_norm_and_its_gradients_are_the_composites() {
    let (x, w, b) = (var(&[6, 5, 8]), var(&[8]), var(&[8]));
    let theirs = candle_nn::ops::layer_norm_slow(&x, &w, &b, LAYER_NORM_EPS).unwrap();
    assert!(compare(&layer_norm(&x, &w, &b).unwrap(), &theirs, &[&x, &w, &b]) < 1e-4);
}

#[test]
fn batch_norm_and_its_gradients_are_the_composites() {
    let (x, w, b) = (var(&[4, 5, 3]), var(&[3]), var(&[3]));
    let rows = x.reshape((20, 3)).unwrap();
    let centred = rows.broadcast_sub(&rows.mean_keepdim(0).unwrap()).unwrap();
    let deviation = (centred.sqr().unwrap().mean_keepdim(0).unwrap() + f64::from(LAYER_NORM_EPS)).unwrap().sqrt();
    let theirs = centred.broadcast_div(&deviation.unwrap()).unwrap();
    let theirs = theirs.broadcast_mul(&w).unwrap().broadcast_add(&b).unwrap().reshape((4, 5, 3)).unwrap();
    assert!(compare(&batch_norm(&x, &w, &b).unwrap(), &theirs, &[&x, &w, &b]) < 1e-4);
    let (mean, variance) = feature_moments(&x).unwrap();
    assert!((mean[1] - rows.mean(0).unwrap().to_vec1::<f32>().unwrap()[1]).abs() < 1e-5);
    assert!(variance.iter().all(|v| *v > 0.0));
}

#[test]
fn attention_and_its_gradients_are_the_composites() {
    let (t, c, m, heads) = (3, 5, 8, 2);
    let (q, k, v) = (var(&[t, c, m]), var(&[t, c, m]), var(&[t, c, m]));
    let split = |x: &Var| {
        let x = x.reshape((t, c, heads, m / heads)).unwrap();
        x.transpose(1, 2).unwrap().contiguous().unwrap()
    };
    let scores = split(&q).matmul(&split(&k).t().unwrap().contiguous().unwrap()).unwrap();
    let weights = candle_nn::ops::softmax(&(scores / (4f64).sqrt()).unwrap(), 3).unwrap();
    let theirs = weights.matmul(&split(&v)).unwrap().transpose(1, 2).unwrap().reshape((t, c, m)).unwrap();
    assert!(compare(&attention(&q, &k, &v, heads).unwrap(), &theirs, &[&q, &k, &v]) < 1e-4);
    assert!(attention(&q, &k, &v, 3).is_err());
}

#[test]
fn elu_and_its_gradient_are_candles_own() {
    let x = var(&[40, 9]);
    assert!(compare(&elu(&x).unwrap(), &x.elu(1.0).unwrap(), &[&x]) < 1e-5);
    let far = Tensor::new(&[-1e30f32, -100.0, -0.0, 0.0, 100.0, 1e30], &Device::Cpu).unwrap();
    assert_eq!(elu(&far).unwrap().to_vec1::<f32>().unwrap(), [-1.0, -1.0, 0.0, 0.0, 100.0, 1e30]);
}

#[test]
fn mixed_bins_and_their_gradients_are_the_composites() {
    let (m, k, t, q) = (3, 5, 4, 7);
    let (x, bands, weights) = (var(&[k * t, q]), var(&[m, k]), var(&[k * t]));
    let weighed = x.broadcast_mul(&weights.unsqueeze(1).unwrap()).unwrap();
    let theirs = bands.matmul(&weighed.reshape((k, t * q)).unwrap()).unwrap();
    assert!(compare(&mix(&x, &bands, &weights).unwrap(), &theirs, &[&x, &bands, &weights]) < 1e-4);
    assert!(mix(&x, &bands, &var(&[k])).is_err());
}

#[test]
fn leaky_averages_and_their_gradients_are_the_composites() {
    let x = var(&[5, 3]);
    let mut state = Tensor::new(&[0.3f32, -1.0, 2.0], &Device::Cpu).unwrap();
    let mut rows = Vec::new();
    for t in 0..5 {
        let row = x.narrow(0, t, 1).unwrap().squeeze(0).unwrap();
        state = ((&state * 0.75).unwrap() + (row * 0.25).unwrap()).unwrap();
        rows.push(state.clone());
    }
    let theirs = Tensor::stack(&rows, 0).unwrap();
    assert!(compare(&leaky_average(&x, 0.75, &[0.3, -1.0, 2.0]).unwrap(), &theirs, &[&x]) < 1e-5);
    assert!(leaky_average(&x, 0.75, &[0.3]).is_err());
}

#[test]
fn slopes_lead_to_the_frequency_of_their_bin() {
    let f = var(&[2]);
    // [3 rows][2 bins][2 values]: inner 2.
    let slopes: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let y = with_slopes(&f, vec![1.0; 12], slopes, &[3, 4], 2).unwrap();
    assert_eq!(y.dims(), [3, 4]);
    let gradient = y.sum_all().unwrap().backward().unwrap().get(&f).unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(gradient, [27.0, 39.0]);
    assert!(with_slopes(&f, vec![1.0; 11], vec![0.0; 12], &[3, 4], 2).is_err());
}

#[test]
fn a_spherical_block_and_its_gradients_are_the_composites() {
    // Nine frames: two whole pieces and one that is not.
    let (q, t, h, order) = (7, 9, 4, 2);
    let degree: Vec<u32> = (0..=order).flat_map(|n| vec![n; 2 * n as usize + 1]).collect();
    let s = degree.len();
    let harmonics = Tensor::randn(0f32, 0.3f32, (q, s), &Device::Cpu).unwrap();
    let start = Tensor::randn(0f32, 1f32, (q, h), &Device::Cpu).unwrap();
    let x = var(&[q, 1, t, h]);
    let shapes: [&[usize]; 15] = [
        &[h],
        &[h],
        &[order as usize + 1, h],
        &[h, 2 * h],
        &[h],
        &[2 * h, 2 * h],
        &[2 * h],
        &[h, 2 * h],
        &[h],
        &[h],
        &[h],
        &[3 * h, h],
        &[3 * h, h],
        &[3 * h],
        &[3 * h],
    ];
    let p = shapes.map(var);
    let parameters = BlockParameters {
        norm_sphere: [&p[0], &p[1]],
        zonal: &p[2],
        context: [&p[3], &p[4]],
        mlp_in: [&p[5], &p[6]],
        mlp_out: [&p[7], &p[8]],
        norm_time: [&p[9], &p[10]],
        gru: [&p[11], &p[12], &p[13], &p[14]],
    };
    let sphere = BlockSphere {
        harmonics: harmonics.flatten_all().unwrap().to_vec1::<f32>().unwrap().into(),
        degree: degree.as_slice().into(),
        even: None,
    };
    let start = start.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let mut hidden = start.clone();
    let ours = spherical_block(&x, &parameters, &sphere, &mut hidden).unwrap();

    let u = layer_norm(&x, &p[0], &p[1]).unwrap();
    let gain = p[2].index_select(&Tensor::new(degree, &Device::Cpu).unwrap(), 0).unwrap();
    let gain = (gain * (4.0 * std::f64::consts::PI / q as f64)).unwrap();
    let spectrum =
        matmul(&harmonics.t().unwrap(), &u.reshape((q, t * h)).unwrap()).unwrap().reshape((s, t, h)).unwrap();
    let spectrum = spectrum.broadcast_mul(&gain.unsqueeze(1).unwrap()).unwrap().reshape((s, t * h)).unwrap();
    let zonal = matmul(&harmonics, &spectrum).unwrap().reshape((q, 1, t, h)).unwrap();
    let pooled = Tensor::cat(&[u.mean_keepdim(0).unwrap(), u.max_keepdim(0).unwrap()], 3).unwrap();
    let context = linear(&pooled, &p[3], &p[4]).unwrap();
    let local = elu(&linear(&Tensor::cat(&[&u, &zonal], 3).unwrap(), &p[5], &p[6]).unwrap()).unwrap();
    let middle = (x.as_tensor() + linear(&local, &p[7], &p[8]).unwrap()).unwrap().broadcast_add(&context).unwrap();
    let rows = layer_norm(&middle, &p[9], &p[10]).unwrap().reshape((q, t, h)).unwrap();
    let states = gru(&linear(&rows, &p[11], &p[13]).unwrap(), &p[12], &p[14], &start).unwrap();
    let theirs = (middle + states.reshape((q, 1, t, h)).unwrap()).unwrap();

    let inputs: Vec<&Var> = std::iter::once(&x).chain(&p).collect();
    assert!(compare(&ours, &theirs, &inputs) < 2e-4);
    let last = states.narrow(1, t - 1, 1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(hidden.iter().zip(&last).all(|(a, b)| (a - b).abs() < 1e-5));
    // In two parts, the state handed on.
    let mut hidden = start;
    let parts = [(0, 5), (5, 4)].map(|(first, frames)| {
        spherical_block(&x.narrow(2, first, frames).unwrap(), &parameters, &sphere, &mut hidden).unwrap()
    });
    assert!(worst(&Tensor::cat(&parts, 2).unwrap(), &ours) < 1e-5);
    assert!(spherical_block(&x, &parameters, &sphere, &mut [0.0; 3]).is_err());
    assert!(spherical_block(&var(&[q, 2, t, h]), &parameters, &sphere, &mut hidden).is_err());
}

#[test]
fn recurrent_units_and_their_gradients_are_the_composites() {
    let (rows, steps, h) = (5, 7, 4);
    let (x, w, b) = (var(&[rows, steps, 3 * h]), var(&[3 * h, h]), var(&[3 * h]));
    let start = Tensor::randn(0f32, 1f32, (rows, h), &Device::Cpu).unwrap();
    let mut state = start.clone();
    let mut states = Vec::new();
    for step in 0..steps {
        let i = x.narrow(1, step, 1).unwrap().squeeze(1).unwrap();
        let p = state.matmul(&w.t().unwrap()).unwrap().broadcast_add(&b).unwrap();
        let part = |x: &Tensor, n: usize| x.narrow(1, n * h, h).unwrap();
        let sigmoid = |x: Tensor| candle_nn::ops::sigmoid(&x).unwrap();
        let reset = sigmoid((part(&i, 0) + part(&p, 0)).unwrap());
        let update = sigmoid((part(&i, 1) + part(&p, 1)).unwrap());
        let new = (part(&i, 2) + (reset * part(&p, 2)).unwrap()).unwrap().tanh().unwrap();
        state = (&new + (update * (&state - &new).unwrap()).unwrap()).unwrap();
        states.push(state.clone());
    }
    let theirs = Tensor::stack(&states, 1).unwrap();
    let start = start.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(compare(&gru(&x, &w, &b, &start).unwrap(), &theirs, &[&x, &w, &b]) < 2e-4);
    assert!(gru(&x, &w, &b, &start[1..]).is_err());
}

#[test]
fn the_exponential_is_exact_to_single_precision() {
    for i in -8700..=8700 {
        let x = i as f32 * 0.01;
        let exact = f64::from(x).exp();
        assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "{x}");
    }
    assert!(tanh(1e9) == 1.0 && tanh(-1e9) == -1.0 && sigmoid(0.0) == 0.5);
}

#[test]
fn votes_and_their_gradients_are_the_composites() {
    let (cells, q) = (5, 32);
    let exponents = var(&[cells, 2]);
    let steered = Tensor::randn(0f32, 1f32, (cells, q), &Device::Cpu).unwrap();
    let slopes = Tensor::randn(0f32, 1f32, (cells, 3), &Device::Cpu).unwrap();
    let units = Tensor::randn(0f32, 1f32, (3, q), &Device::Cpu).unwrap();
    let part = |i: usize| exponents.narrow(1, i, 1).unwrap();
    let log = (part(0).broadcast_mul(&steered).unwrap()
        + part(1).broadcast_mul(&slopes.matmul(&units).unwrap()).unwrap())
    .unwrap();
    let theirs = (candle_nn::ops::softmax(&log, 1).unwrap() * q as f64).unwrap();
    let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let votes = |votes: Vec<f32>| Votes { votes, steered: steered.clone(), slopes: flat(&slopes), units: flat(&units) };
    let ours = with_exponents(&exponents, votes(flat(&theirs))).unwrap();
    assert!(compare(&ours, &theirs, &[&exponents]) < 1e-3);
    assert!(with_exponents(&exponents, votes(vec![1.0; 3])).is_err());
}
