//! Votes: what each bin says of the direction by itself, and who is heard for how long.
//!
//! A mean over bins blurs: two talkers share one frame's bins, each bin belongs to one of them, and the mean has both lobes at half their
//! height. So every bin votes. Under a plane wave in noise the logarithm of the likelihood of a direction grows with the steered power,
//! so a bin's likelihood is ℓ(q) = exp(γ (s(q) − max s)), γ = C − 1, and its vote is that likelihood scaled to a sum of one. Where a
//! network hears level differences too, ℓ(q) = exp(γ (s(q) − max s) + λ g·q), g the slope of the bin's levels
//! ([`spherescope_dsp::levels`]), and γ and λ follow from the bin's evidence: one full of noise votes for nobody.
//!
//! Votes that also know what was heard before come from a recursive expectation–maximisation over the share π(q) that each direction
//! has in the sound (after O. Schwartz and S. Gannot, "Speaker Tracking Using Recursive EM Algorithms", 2014): a bin's share of a
//! direction is π(q) ℓ(q) / Σ π ℓ, and π is the leaky average of the shares over bins and frames, each bin as heavy as its evidence.

use candle_core::{Result, Tensor};
use pulp::{Simd, WithSimd};

use super::streaming::kernels::{exp, vectors, vectors_mut};
use crate::evidence::Response;

/// γ is never larger than this: beyond it, the nearest direction of the quadrature takes all.
const SHARPEST: f32 = 8.0;
/// λ is never larger than this, nor smaller than its negative.
const MOST_OF_LEVELS: f64 = 4.0;
/// Part of the prior that is the same for all directions, so that who begins to speak is heard.
const OPEN: f32 = 0.2;
/// How heavy the even prior is before any sound.
const BEGIN: f32 = 1e-3;
/// Added under the root, whose slope at nothing would be without bound.
const ROOT_FLOOR: f32 = 0.01;
/// Factor on the roots.
const ROOT_GAIN: f32 = 0.3;

/// γ of an array of C capsules.
pub(super) fn sharpness(capsules: usize) -> f32 {
    (capsules.saturating_sub(1) as f32).clamp(1.0, SHARPEST)
}

/// γ = γ_array 2σ(z_0) and λ = 4 (2σ(z_1) − 1) of each bin and frame from what its evidence says, z `[K·T, 2]`.
pub(super) fn exponents(z: &Tensor, sharpness: f32) -> Result<Tensor> {
    let most = [f64::from(sharpness), MOST_OF_LEVELS].map(|x| x as f32);
    let of = |values: [f32; 2]| Tensor::new(&values, z.device());
    candle_nn::ops::sigmoid(z)?.broadcast_mul(&of(most.map(|x| 2.0 * x))?)?.broadcast_sub(&of([0.0, most[1]])?)
}

/// The same for one bin.
pub(super) fn exponents_of([sharp, level]: [f32; 2], sharpness: f32) -> [f32; 2] {
    let twice = |z: f32| 2.0 / (1.0 + (-z).exp());
    [sharpness * twice(sharp), MOST_OF_LEVELS as f32 * (twice(level) - 1.0)]
}

/// 0.3 √(x + 0.01): brings shares, 1 where all directions have the same, into the range of the other features.
pub(super) fn compressed(x: &Tensor) -> Result<Tensor> {
    (x + f64::from(ROOT_FLOOR))?.sqrt()? * f64::from(ROOT_GAIN)
}

/// The same on a slice whose length is a multiple of the lanes.
#[inline(always)]
pub(super) fn compress<S: Simd>(simd: S, x: &mut [f32]) {
    let (floor, gain) = (simd.splat_f32s(ROOT_FLOOR), simd.splat_f32s(ROOT_GAIN));
    for x in vectors_mut::<S>(x) {
        *x = simd.mul_f32s(simd.sqrt_f32s(simd.add_f32s(*x, floor)), gain);
    }
}

/// What a stream remembers of who was heard.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct VoteState {
    /// Weighed sums of the shares and their weight, `[M]` of `[Q]`.
    shares: Vec<(Vec<f32>, f32)>,
    prior: Vec<f32>,
    sum: Vec<f32>,
}

impl VoteState {
    /// Before any sound: M memories of Q directions, none of them heard.
    pub(super) fn new(memories: usize, quadrature: usize) -> Self {
        let even = BEGIN / quadrature.max(1) as f32;
        Self {
            shares: vec![(vec![even; quadrature], BEGIN); memories],
            prior: vec![0.0; quadrature],
            sum: vec![0.0; quadrature],
        }
    }
}

/// What a vote by levels needs.
#[derive(Clone, Copy)]
pub(super) struct ByLevel<'a> {
    /// Slopes of the levels, `[T][3][K]`.
    pub(super) slopes: &'a [f32],
    /// Unit vectors of the quadrature, `[3][Q]`.
    pub(super) units: &'a [f32],
}

/// Everything that [`follow`] reads and writes. K follows from the lengths.
pub(super) struct Follow<'a> {
    /// Q.
    pub(super) quadrature: usize,
    /// T.
    pub(super) frames: usize,
    /// Steered response, `[K][T][Q]`.
    pub(super) steered: &'a [f32],
    /// Its maxima, `[K][T]`.
    pub(super) responses: &'a [Response],
    /// Weight of each bin in each frame, `[K][T]`.
    pub(super) weights: &'a [f32],
    /// γ and λ, `[K][T][2]`.
    pub(super) exponents: &'a [f32],
    /// None where λ is 0 throughout.
    pub(super) by_level: Option<ByLevel<'a>>,
    /// Decay of each memory from frame to frame, `[M]`.
    pub(super) keep: &'a [f32],
    /// The memories.
    pub(super) state: &'a mut VoteState,
    /// The bins' votes, `[K][T][Q]`, with a mean of 1 over the directions.
    pub(super) votes: &'a mut [f32],
    /// For each memory the shares of the frame, then for each the shares remembered with it, `[2 M][T][Q]`, compressed.
    pub(super) shares: &'a mut [f32],
}

impl WithSimd for Follow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        follow(simd, self);
    }
}

/// Takes the votes of all bins and frames.
#[inline(always)]
pub(super) fn follow<S: Simd>(simd: S, all: Follow<'_>) {
    let Follow { quadrature: q, frames, steered, responses, weights, exponents, by_level, keep, state, votes, shares } =
        all;
    let bins = weights.len() / frames.max(1);
    let cells = votes.chunks_exact_mut(q).zip(steered.chunks_exact(q)).zip(responses).zip(exponents.chunks_exact(2));
    for (cell, (((votes, steered), response), exponents)) in cells.enumerate() {
        let (sharp, most) = (simd.splat_f32s(exponents[0]), simd.splat_f32s(response.most));
        let mut sum = simd.splat_f32s(0.0);
        match by_level {
            None => {
                for (vote, s) in vectors_mut::<S>(votes).iter_mut().zip(vectors::<S>(steered)) {
                    *vote = exp(simd, simd.mul_f32s(sharp, simd.sub_f32s(*s, most)));
                    sum = simd.add_f32s(sum, *vote);
                }
            }
            Some(ByLevel { slopes, units }) => {
                let (bin, frame) = (cell / frames, cell % frames);
                let [x, y, z] =
                    [0, 1, 2].map(|axis| simd.splat_f32s(exponents[1] * slopes[(3 * frame + axis) * bins + bin]));
                let (of_x, rest) = units.split_at(q);
                let (of_y, of_z) = rest.split_at(q);
                let units = vectors::<S>(of_x).iter().zip(vectors::<S>(of_y)).zip(vectors::<S>(of_z));
                for ((vote, s), ((of_x, of_y), of_z)) in
                    vectors_mut::<S>(votes).iter_mut().zip(vectors::<S>(steered)).zip(units)
                {
                    let by_level =
                        simd.mul_add_e_f32s(x, *of_x, simd.mul_add_e_f32s(y, *of_y, simd.mul_f32s(z, *of_z)));
                    *vote = exp(simd, simd.mul_add_e_f32s(sharp, simd.sub_f32s(*s, most), by_level));
                    sum = simd.add_f32s(sum, *vote);
                }
            }
        }
        // Where the response is largest, exp(λ g·q) is left at least: 1 without levels, and far from nothing with them.
        let scale = simd.splat_f32s(q as f32 / simd.reduce_sum_f32s(sum).max(f32::MIN_POSITIVE));
        for vote in vectors_mut::<S>(votes) {
            *vote = simd.mul_f32s(*vote, scale);
        }
    }
    let memories = keep.len();
    let VoteState { shares: remembered, prior, sum } = state;
    for t in 0..frames {
        let weight: f32 = weights[t..].iter().step_by(frames).sum();
        for (m, ((past, past_weight), keep)) in remembered.iter_mut().zip(keep).enumerate() {
            let open = simd.splat_f32s(OPEN / q as f32);
            let of_past = simd.splat_f32s((1.0 - OPEN) / *past_weight);
            for (prior, past) in vectors_mut::<S>(prior).iter_mut().zip(vectors::<S>(past)) {
                *prior = simd.mul_add_e_f32s(*past, of_past, open);
            }
            sum.fill(0.0);
            for (votes, weight) in votes[t * q..].chunks(frames * q).zip(weights[t..].iter().step_by(frames)) {
                let votes = vectors::<S>(&votes[..q]);
                let mut fits = simd.splat_f32s(0.0);
                for (vote, prior) in votes.iter().zip(vectors::<S>(prior)) {
                    fits = simd.mul_add_e_f32s(*vote, *prior, fits);
                }
                let scale = simd.splat_f32s(weight / simd.reduce_sum_f32s(fits).max(1e-20));
                for (sum, vote) in vectors_mut::<S>(sum).iter_mut().zip(votes) {
                    *sum = simd.mul_add_e_f32s(*vote, scale, *sum);
                }
            }
            // Shares of the frame, and what is remembered with them.
            let bins = bins.max(1) as f32;
            *past_weight = keep * *past_weight + (1.0 - keep) * weight / bins;
            let (of_frames, of_memories) = shares.split_at_mut(memories * frames * q);
            let at = (m * frames + t) * q;
            let (of_frame, of_memory) = (&mut of_frames[at..at + q], &mut of_memories[at..at + q]);
            let keep_s = simd.splat_f32s(*keep);
            let new = simd.splat_f32s((1.0 - keep) / bins);
            let per_weight = simd.splat_f32s(q as f32 / weight.max(1e-9));
            let per_past = simd.splat_f32s(q as f32 / past_weight.max(1e-12));
            let into = vectors_mut::<S>(of_frame).iter_mut().zip(vectors_mut::<S>(of_memory));
            let from = vectors_mut::<S>(past).iter_mut().zip(vectors::<S>(prior).iter().zip(vectors::<S>(sum)));
            for ((of_frame, of_memory), (past, (prior, sum))) in into.zip(from) {
                let share = simd.mul_f32s(*prior, *sum);
                *past = simd.mul_add_e_f32s(*past, keep_s, simd.mul_f32s(share, new));
                *of_frame = simd.mul_f32s(share, per_weight);
                *of_memory = simd.mul_f32s(*past, per_past);
            }
            // Long silence: neither may vanish.
            if *past_weight < BEGIN {
                let lift = BEGIN / past_weight.max(f32::MIN_POSITIVE);
                past.iter_mut().for_each(|p| *p *= lift);
                *past_weight = BEGIN;
            }
        }
    }
    compress(simd, shares);
}

#[cfg(test)]
mod tests {
    use pulp::Arch;

    use super::*;

    const Q: usize = 64;

    /// Bins of which each hears one of two directions, the second twice as often; `frames` frames at once.
    fn heard(state: &mut VoteState, frames: usize) -> (Vec<f32>, Vec<f32>) {
        let bins = 9;
        let steered: Vec<f32> = (0..bins * frames)
            .flat_map(|cell| {
                let at = if (cell / frames).is_multiple_of(3) { 10 } else { 40 };
                (0..Q).map(move |q| if q == at { 0.9 } else { 0.1 })
            })
            .collect();
        let responses: Vec<_> = steered.chunks_exact(Q).map(Response::of).collect();
        let (mut votes, mut shares) = (vec![0.0; steered.len()], vec![0.0; 4 * frames * Q]);
        Arch::new().dispatch(Follow {
            quadrature: Q,
            steered: &steered,
            responses: &responses,
            frames,
            weights: &vec![1.0; bins * frames],
            exponents: &[7.0, 0.0].repeat(bins * frames),
            by_level: None,
            keep: &[0.5, 0.9],
            state,
            votes: &mut votes,
            shares: &mut shares,
        });
        (votes, shares)
    }

    #[test]
    fn shares_become_those_of_the_talkers_and_chunks_make_no_difference() {
        let mut state = VoteState::new(2, Q);
        let (votes, shares) = heard(&mut state, 60);
        for vote in votes.chunks_exact(Q) {
            assert!((vote.iter().sum::<f32>() - Q as f32).abs() < 1e-3);
        }
        let last = |block: usize| &shares[(block * 60 + 59) * Q..][..Q];
        for block in 0..4 {
            let share = |q: usize| ((last(block)[q] / ROOT_GAIN).powi(2) - ROOT_FLOOR) / Q as f32;
            assert!((share(10) - 0.33).abs() < 0.02 && (share(40) - 0.66).abs() < 0.03, "{} {}", share(10), share(40));
            assert!(share(11) < 1e-3);
        }
        let mut in_pieces = VoteState::new(2, Q);
        let (_, first) = heard(&mut in_pieces, 20);
        let (_, second) = heard(&mut in_pieces, 40);
        for block in 0..4 {
            assert_eq!(first[block * 20 * Q..][..20 * Q], shares[block * 60 * Q..][..20 * Q]);
            assert_eq!(second[block * 40 * Q..][..40 * Q], shares[(block * 60 + 20) * Q..][..40 * Q]);
        }
        assert_eq!(in_pieces, state);
    }

    #[test]
    fn nothing_heard_is_even_and_finite() {
        let mut state = VoteState::new(1, Q);
        let (mut votes, mut shares) = (vec![0.0; Q], vec![0.0; 2 * Q]);
        for _ in 0..2000 {
            Arch::new().dispatch(Follow {
                quadrature: Q,
                steered: &[-0.2; Q],
                responses: &[Response::of(&[-0.2; Q])],
                frames: 1,
                weights: &[0.0],
                exponents: &[sharpness(6), 0.0],
                by_level: None,
                keep: &[0.9],
                state: &mut state,
                votes: &mut votes,
                shares: &mut shares,
            });
        }
        assert!(votes.iter().all(|v| (v - 1.0).abs() < 1e-5), "{votes:?}");
        assert!(shares.iter().all(|s| s.is_finite()));
        assert!(shares[Q..].iter().all(|s| (s - ROOT_GAIN * 1.01f32.sqrt()).abs() < 1e-4), "{shares:?}");
    }

    #[test]
    fn many_capsules_are_no_sharper_than_the_quadrature() {
        assert_eq!([1, 2, 5, 17, 64].map(sharpness), [1.0, 1.0, 4.0, 8.0, 8.0]);
    }
}
