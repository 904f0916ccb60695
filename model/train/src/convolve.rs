//! Convolution of one signal with many filters by real FFTs, overlap-add.

use std::cell::RefCell;
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// The plans for a length, made once in each thread.
pub(crate) fn plans(len: usize) -> (Arc<dyn RealToComplex<f32>>, Arc<dyn ComplexToReal<f32>>) {
    thread_local! {
        static PLANNER: RefCell<RealFftPlanner<f32>> = RefCell::new(RealFftPlanner::new());
    }
    PLANNER.with_borrow_mut(|planner| (planner.plan_fft_forward(len), planner.plan_fft_inverse(len)))
}

/// The spectra of a signal's blocks, ready to be convolved with any filter of at most the length planned for.
pub(crate) struct SignalSpectra {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    fft_len: usize,
    block_len: usize,
    signal_len: usize,
    /// `None` for blocks of silence.
    blocks: Vec<Option<Vec<Complex32>>>,
    time: Vec<f32>,
    filter: Vec<Complex32>,
    product: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl SignalSpectra {
    /// Transforms a signal for filters of up to `filter_len` taps.
    pub(crate) fn new(signal: &[f32], filter_len: usize) -> Self {
        let filter_len = filter_len.max(1);
        let whole = signal.len() + filter_len - 1;
        // One block when the signal is short, blocks of some three filter lengths when it is long.
        let fft_len = fft_length(whole.min((4 * filter_len).max(4096)));
        let block_len = fft_len - filter_len + 1;
        let (forward, inverse) = plans(fft_len);
        let mut scratch = vec![Complex32::ZERO; forward.get_scratch_len().max(inverse.get_scratch_len())];
        let mut time = forward.make_input_vec();
        let blocks = signal
            .chunks(block_len)
            .map(|block| {
                if block.iter().all(|&x| x == 0.0) {
                    return None;
                }
                time[..block.len()].copy_from_slice(block);
                time[block.len()..].fill(0.0);
                let mut spectrum = forward.make_output_vec();
                // Lengths are the plan's own, the only thing that this can fail on.
                forward.process_with_scratch(&mut time, &mut spectrum, &mut scratch).ok()?;
                Some(spectrum)
            })
            .collect();
        let (filter, product) = (forward.make_output_vec(), forward.make_output_vec());
        let signal_len = signal.len();
        Self { forward, inverse, fft_len, block_len, signal_len, blocks, time, filter, product, scratch }
    }

    /// Adds signal ∗ `filter` to `out`, whose sample 0 is the convolution's sample −`offset`; the rest is dropped.
    pub(crate) fn convolve_add(&mut self, filter: &[f32], out: &mut [f32], offset: i64) {
        debug_assert!(filter.len() <= self.fft_len - self.block_len + 1);
        self.time[..filter.len()].copy_from_slice(filter);
        self.time[filter.len()..].fill(0.0);
        if self.forward.process_with_scratch(&mut self.time, &mut self.filter, &mut self.scratch).is_err() {
            return;
        }
        let scale = 1.0 / self.fft_len as f32;
        for (index, block) in self.blocks.iter().enumerate() {
            let Some(block) = block else { continue };
            for ((p, &b), &f) in self.product.iter_mut().zip(block).zip(&self.filter) {
                *p = b * f * scale;
            }
            // Real signals, even length: the first and the last bin are real, and the inverse wants them exactly so.
            let last = self.product.len() - 1;
            self.product[0].im = 0.0;
            self.product[last].im = 0.0;
            if self.inverse.process_with_scratch(&mut self.product, &mut self.time, &mut self.scratch).is_err() {
                return;
            }
            let begin = index * self.block_len;
            let length = (self.signal_len - begin).min(self.block_len) + filter.len() - 1;
            let first = begin as i64 + offset;
            let skip = (-first).clamp(0, length as i64) as usize;
            let target = (first + skip as i64).max(0) as usize;
            if target >= out.len() {
                break;
            }
            for (o, &x) in out[target..].iter_mut().zip(&self.time[skip..length]) {
                *o += x;
            }
        }
    }
}

/// Adds signal ∗ response to each capsule's sound, the signal's first frame at `first`.
pub(crate) fn convolve(signal: &[f32], first: i64, responses: &[Vec<f32>], heard: &mut [Vec<f32>]) {
    let mut spectra = SignalSpectra::new(signal, responses.iter().map(Vec::len).max().unwrap_or(1));
    for (response, out) in responses.iter().zip(heard) {
        spectra.convolve_add(response, out, first);
    }
}

/// The next length that FFTs like: 2ⁿ, 3·2ⁿ, 5·2ⁿ or 9·2ⁿ, always even.
pub(crate) fn fft_length(at_least: usize) -> usize {
    let power = at_least.next_power_of_two().max(16);
    [power / 16 * 9, power / 8 * 5, power / 4 * 3].into_iter().find(|&n| n >= at_least && n % 2 == 0).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_the_sum(signal in 1usize..6000, taps in 1usize..300, offset in -200i64..200, seed in 0u64..100) {
            let wave = |n: usize, k: u64| ((n as f32 + 1.0) * (0.37 + 0.01 * (seed + k) as f32)).sin();
            let x: Vec<f32> = (0..signal).map(|n| wave(n, 0)).collect();
            let h: Vec<f32> = (0..taps).map(|n| wave(n, 5)).collect();
            let mut out = vec![0.0; signal + 50];
            SignalSpectra::new(&x, taps).convolve_add(&h, &mut out, offset);
            for n in [0usize, 1, signal / 3, signal - 1, signal + 49] {
                let at = n as i64 - offset;
                let direct: f32 = (0..taps as i64)
                    .filter_map(|k| usize::try_from(at - k).ok().and_then(|i| x.get(i)).map(|x| x * h[k as usize]))
                    .sum();
                prop_assert!((direct - out[n]).abs() < 1e-3, "{direct} {}", out[n]);
            }
        }
    }
}
