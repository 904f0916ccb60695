//! Spherically isotropic noise: independent plane waves from everywhere.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex32;
use spherescope_dsp::Rotation;

use crate::convolve::fft_length;
use crate::vector::{dot, sphere_points, stream};

/// Plane waves at each frequency, evenly over the sphere.
const WAVES: usize = 32;
/// Neighbouring bins that share the directions of their waves, and one phase for each capsule: they are a few hertz apart. Every
/// group turns the waves anew, so that any band worth looking at averages over hundreds of directions: few waves, fine field.
const GROUP: usize = 16;
/// Below this frequency in Hz the spectrum's slope goes flat, so that no power is spent on what nobody hears.
const FLAT_BELOW_HZ: f64 = 50.0;

/// Noise at each capsule, `[C][frames]`, with a mean power of 1 over all capsules.
///
/// Made in the frequency domain as one period of periodic noise, in which a delay is a phase. Coherence of two
/// capsules at a distance d: sin(kd)/(kd). `relative_m` are the capsules' places in the array's own frame.
pub(crate) fn isotropic_noise(
    relative_m: &[[f64; 3]],
    speed_m_s: f64,
    sample_rate_hz: f64,
    frames: usize,
    slope_db_per_octave: f64,
    seed: u64,
) -> Vec<Vec<f32>> {
    use rand::Rng;
    let mut rng = stream(seed, 0);
    // At least a quarter of a second: shorter periods have too few bins for a field.
    let len = fft_length(frames.max((0.25 * sample_rate_hz) as usize));
    let bins = len / 2 + 1;
    let spacing_hz = sample_rate_hz / len as f64;
    let mut spectra = vec![vec![Complex32::ZERO; bins]; relative_m.len()];
    let directions = sphere_points(WAVES);
    let mut wave_re = [[0.0f32; GROUP]; WAVES];
    let mut wave_im = [[0.0f32; GROUP]; WAVES];
    for first in (1..bins).step_by(GROUP) {
        let group = GROUP.min(bins - first);
        let turn = Rotation::random(&mut rng);
        let waves: Vec<_> = directions.iter().map(|&d| turn.apply(d)).collect();
        // The sum over the waves is normally distributed whatever one wave is.
        for x in wave_re.iter_mut().chain(&mut wave_im).flatten() {
            *x = rng.random::<f32>() - 0.5;
        }
        let centre_hz = (first as f64 + 0.5 * (group - 1) as f64) * spacing_hz;
        let level =
            10f64.powf(slope_db_per_octave / 20.0 * (centre_hz.max(FLAT_BELOW_HZ) / FLAT_BELOW_HZ).log2()) as f32;
        for (spectrum, &p) in spectra.iter_mut().zip(relative_m) {
            let (mut re, mut im) = ([0.0f32; GROUP], [0.0f32; GROUP]);
            for ((direction, a), b) in waves.iter().zip(&wave_re).zip(&wave_im) {
                // A capsule towards the wave hears it earlier: a positive phase. Whole turns go before the precision does.
                let turns = centre_hz * dot(p, *direction) / speed_m_s;
                let (s, c) = (std::f32::consts::TAU * (turns - turns.round()) as f32).sin_cos();
                for i in 0..GROUP {
                    re[i] += a[i] * c - b[i] * s;
                    im[i] += a[i] * s + b[i] * c;
                }
            }
            for i in 0..group {
                spectrum[first + i] = Complex32::new(level * re[i], level * im[i]);
            }
        }
    }
    let inverse = RealFftPlanner::new().plan_fft_inverse(len);
    let mut time = inverse.make_output_vec();
    let mut noise: Vec<Vec<f32>> = spectra
        .into_iter()
        .map(|mut spectrum| {
            spectrum[bins - 1].im = 0.0;
            // Lengths are the plan's own, the only thing that this can fail on.
            let done = inverse.process(&mut spectrum, &mut time);
            debug_assert!(done.is_ok());
            time[..frames].to_vec()
        })
        .collect();
    let power = crate::render::mean_power(&noise);
    if power > 0.0 {
        let gain = (1.0 / power.sqrt()) as f32;
        noise.iter_mut().flatten().for_each(|x| *x *= gain);
    }
    noise
}
