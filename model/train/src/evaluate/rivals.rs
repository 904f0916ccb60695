//! Classical rivals of the network: smoothing over time for SRP-PHAT, and broadband MUSIC.

use spherescope_dsp::front_end::FrameTiming;
use spherescope_dsp::nudft::Complex32;
use spherescope_dsp::{FrontEnd, FrontEndError, Grid, MicArray, SampleRate};

/// What is kept of the past after 8 ms, in both smoothings.
pub const POLE_PER_8_MS: f64 = 0.97;

/// What is kept of the past from one frame to the next.
pub fn pole(hop_s: f64) -> f64 {
    POLE_PER_8_MS.powf(hop_s / 0.008)
}

/// One-pole smoothing of spectra over time, from zero.
#[derive(Clone, Debug)]
pub struct Smoother {
    pole: f32,
    state: Vec<f32>,
}

impl Smoother {
    /// Smoothing with [`pole`] of this hop for D directions.
    pub fn new(hop_s: f64, directions: usize) -> Self {
        Self { pole: pole(hop_s) as f32, state: vec![0.0; directions] }
    }

    /// Takes a frame's spectrum and gives the smoothed one.
    pub fn next(&mut self, spectrum: &[f32]) -> &[f32] {
        for (s, x) in self.state.iter_mut().zip(spectrum) {
            *s = self.pole * *s + (1.0 - self.pole) * x;
        }
        &self.state
    }
}

/// At most this many bins of MUSIC, evenly chosen from the front end's.
const MOST_BINS: usize = 32;
/// Steps of the orthogonal iteration in every frame; from frame to frame the subspace hardly moves.
const STEPS: usize = 2;
/// Keeps a bin whose steering vector lies in the signal's subspace from becoming infinite.
const FLOOR: f32 = 1e-3;

/// Broadband MUSIC on phase-transformed spectra: in each bin an exponentially smoothed covariance, its leading eigenvectors by
/// orthogonal iteration that goes on from frame to frame, and the spectra 1/(1 − ‖Eᴴa‖²/C), each scaled to a maximum of one,
/// averaged over the bins.
pub struct Music {
    front_end: FrontEnd,
    core: Core,
}

/// What does not depend on the front end.
struct Core {
    capsules: usize,
    bins: usize,
    directions: usize,
    /// Number of eigenvectors that are followed.
    followed: usize,
    keep: f32,
    /// `[K][C][C]`.
    covariance: Vec<Complex32>,
    /// Orthonormal, the largest eigenvalue first, `[K][followed][C]`.
    subspace: Vec<Complex32>,
    /// Real and imaginary part of e^{−j2πf p·u/c}, `[K][C][2][D]`.
    steering: Vec<f32>,
    spectrum: Vec<f32>,
}

impl std::fmt::Debug for Music {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Music(K {}, C {}, D {})", self.core.bins, self.core.capsules, self.core.directions)
    }
}

impl Music {
    /// MUSIC for an array and a grid that follows up to `sources` sources, with every n-th of the given bins.
    ///
    /// # Errors
    /// [`FrontEndError`] for an unusable rate or bin.
    pub fn new(
        rate: SampleRate,
        timing: FrameTiming,
        frequencies_hz: &[f64],
        array: &MicArray,
        grid: &Grid,
        sources: usize,
        speed_m_s: f64,
    ) -> Result<Self, FrontEndError> {
        let step = frequencies_hz.len().div_ceil(MOST_BINS).max(1);
        let chosen: Vec<f64> = frequencies_hz.iter().copied().skip(step / 2).step_by(step).collect();
        let front_end = FrontEnd::new(rate, timing, &chosen, array)?;
        Ok(Self { front_end, core: Core::new(&chosen, array, grid, sources, speed_m_s, pole(timing.hop_s) as f32) })
    }

    /// Takes a planar recording. For each frame `wanted(end_frames)` says how many sources there are, or that no spectrum is needed;
    /// `sink(end_frames, spectrum)` gets the spectra `[D]`.
    ///
    /// # Errors
    /// [`FrontEndError`] when the recording does not fit the array.
    pub fn process(
        &mut self,
        bus: &[&[f32]],
        wanted: &dyn Fn(u64) -> Option<usize>,
        sink: &mut dyn FnMut(u64, &[f32]),
    ) -> Result<(), FrontEndError> {
        let Self { front_end, core } = self;
        front_end.push(bus, &mut |frame| {
            core.hear(frame.phat);
            if let Some(sources) = wanted(frame.end_frames) {
                sink(frame.end_frames, core.look(sources));
            }
        })
    }
}

impl Core {
    fn new(bins_hz: &[f64], array: &MicArray, grid: &Grid, sources: usize, speed_m_s: f64, keep: f32) -> Self {
        let positions = array.relative_positions_m();
        let (capsules, bins, directions) = (positions.len(), bins_hz.len(), grid.len());
        let followed = sources.clamp(1, capsules - 1);
        let mut steering = Vec::with_capacity(bins * capsules * 2 * directions);
        for f in bins_hz {
            for p in &positions {
                let phase = |d: &spherescope_dsp::Direction| {
                    let u = d.unit();
                    let delay_s = (p[0] * u[0] + p[1] * u[1] + p[2] * u[2]) / speed_m_s;
                    (std::f64::consts::TAU * f * delay_s) % std::f64::consts::TAU
                };
                steering.extend(grid.directions().iter().map(|d| phase(d).cos() as f32));
                steering.extend(grid.directions().iter().map(|d| -phase(d).sin() as f32));
            }
        }
        // Any start that is not orthogonal to the answer will do.
        let mut start = vec![Complex32::default(); followed * capsules];
        for (i, x) in start.iter_mut().enumerate() {
            let (sin, cos) = ((i * i) as f32 * 0.7 + i as f32).sin_cos();
            *x = Complex32::new(cos, sin);
        }
        orthonormalise(&mut start, capsules);
        Self {
            capsules,
            bins,
            directions,
            followed,
            keep,
            covariance: vec![Complex32::default(); bins * capsules * capsules],
            subspace: start.repeat(bins),
            steering,
            spectrum: vec![0.0; directions],
        }
    }

    /// Takes the phase-transformed spectra of one frame, `[C][K]`.
    fn hear(&mut self, phat: &[Complex32]) {
        let c = self.capsules;
        let mut next = vec![Complex32::default(); c];
        for k in 0..self.bins {
            let covariance = &mut self.covariance[k * c * c..][..c * c];
            for i in 0..c {
                let x = phat[i * self.bins + k] * (1.0 - self.keep);
                for j in 0..c {
                    let entry = &mut covariance[i * c + j];
                    *entry = *entry * self.keep + x * phat[j * self.bins + k].conj();
                }
            }
            let subspace = &mut self.subspace[k * self.followed * c..][..self.followed * c];
            for _ in 0..STEPS {
                for vector in subspace.chunks_exact_mut(c) {
                    for (row, out) in covariance.chunks_exact(c).zip(&mut next) {
                        *out = row.iter().zip(&*vector).map(|(r, v)| r * v).sum();
                    }
                    // A direction without energy stays as it is.
                    if next.iter().map(Complex32::norm_sqr).sum::<f32>() > 1e-12 {
                        vector.copy_from_slice(&next);
                    }
                }
                orthonormalise(subspace, c);
            }
        }
    }

    /// The spectrum for a number of sources.
    fn look(&mut self, sources: usize) -> &[f32] {
        let (c, d) = (self.capsules, self.directions);
        let sources = sources.clamp(1, self.followed);
        self.spectrum.fill(0.0);
        let (mut re, mut im) = (vec![0.0f32; d], vec![0.0f32; d]);
        let mut inside = vec![0.0f32; d];
        for k in 0..self.bins {
            inside.fill(0.0);
            for vector in self.subspace[k * self.followed * c..][..sources * c].chunks_exact(c) {
                re.fill(0.0);
                im.fill(0.0);
                for (i, v) in vector.iter().enumerate() {
                    let (cos, sin) = self.steering[(k * c + i) * 2 * d..][..2 * d].split_at(d);
                    for q in 0..d {
                        re[q] += v.re * cos[q] - v.im * sin[q];
                        im[q] += v.re * sin[q] + v.im * cos[q];
                    }
                }
                for q in 0..d {
                    inside[q] += re[q] * re[q] + im[q] * im[q];
                }
            }
            let mut top = 0.0f32;
            for x in &mut inside {
                *x = 1.0 / ((1.0 - *x / c as f32).max(0.0) + FLOOR);
                top = top.max(*x);
            }
            let gain = 1.0 / (top * self.bins as f32);
            for (out, x) in self.spectrum.iter_mut().zip(&inside) {
                *out += gain * x;
            }
        }
        &self.spectrum
    }
}

/// Gram–Schmidt over rows of length `c`, in order; rows that vanish become zero.
fn orthonormalise(rows: &mut [Complex32], c: usize) {
    for i in 0..rows.len() / c {
        let (before, rest) = rows.split_at_mut(i * c);
        let row = &mut rest[..c];
        for other in before.chunks_exact(c) {
            let along: Complex32 = other.iter().zip(&*row).map(|(o, r)| o.conj() * r).sum();
            for (r, o) in row.iter_mut().zip(other) {
                *r -= along * o;
            }
        }
        let length = row.iter().map(Complex32::norm_sqr).sum::<f32>().sqrt();
        let scale = if length > 1e-20 { 1.0 / length } else { 0.0 };
        for r in row {
            *r *= scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spherescope_dsp::{Direction, PeakFinder, PeakOptions, presets};

    #[test]
    fn smoothing_keeps_the_share_of_the_past() {
        let mut smoother = Smoother::new(0.016, 2);
        let pole = 0.97f32 * 0.97;
        assert!((pole - smoother.pole).abs() < 1e-6);
        let first = smoother.next(&[1.0, 0.0]).to_vec();
        assert!((first[0] - (1.0 - pole)).abs() < 1e-6 && first[1] == 0.0);
        let second = smoother.next(&[0.0, 1.0]).to_vec();
        assert!((second[0] - pole * (1.0 - pole)).abs() < 1e-6);
        for _ in 0..400 {
            smoother.next(&[0.25, 0.25]);
        }
        assert!(smoother.next(&[0.25, 0.25]).iter().all(|x| (x - 0.25).abs() < 1e-5));
    }

    #[test]
    fn music_tells_two_waves_apart() {
        let array = presets::find("eigenmike-em32").unwrap().array;
        let grid = Grid::fibonacci(1024).unwrap();
        let bins: Vec<f64> = (0..8).map(|k| 1500.0 + 400.0 * f64::from(k)).collect();
        let mut music = Core::new(&bins, &array, &grid, 2, 343.0, 0.9);
        let waves = [(30.0, 10.0), (75.0, -10.0)].map(|(a, e)| Direction::from_degrees(a, e).unwrap());
        let positions = array.relative_positions_m();
        for frame in 0..120 {
            // One wave at a time, with a phase that wanders: their mean is a covariance of rank two.
            let wave = waves[frame % 2].unit();
            let mut phat = Vec::new();
            for p in &positions {
                for f in &bins {
                    let delay = (0..3).map(|i| p[i] * wave[i]).sum::<f64>() / 343.0;
                    let phase = std::f64::consts::TAU * f * delay + frame as f64;
                    phat.push(Complex32::new(phase.cos() as f32, phase.sin() as f32));
                }
            }
            music.hear(&phat);
        }
        let finder = PeakFinder::new(&grid);
        let peaks = finder.find_exactly(music.look(2), &PeakOptions { max_peaks: 2, ..PeakOptions::default() });
        for wave in waves {
            let nearest = peaks.iter().map(|p| p.direction.angle_to_deg(&wave)).fold(180.0, f64::min);
            assert!(nearest < 4.0, "{nearest}");
        }
    }
}
