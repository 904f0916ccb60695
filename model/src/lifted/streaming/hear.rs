//! What the bins say, frame by frame: the features of each direction that enter the network.

use pulp::Simd;
use spherescope_dsp::levels::AXES;

use super::super::votes::{ByLevel, Follow, compress, exponents_of, follow};
use super::Stream;
use super::forward::{Chunk, Scratch};
use super::kernels::{Elements, Rows, Target, elu, product, vectors, vectors_mut};
use crate::evidence::Response;
use crate::ops::grown;

impl Chunk<'_> {
    /// The steered response on the quadrature, and what the evidence wants to know of it.
    #[inline(always)]
    pub(super) fn lift<S: Simd>(&mut self, simd: S) {
        let (bins, q, t) = (self.network.sizes.bins, self.network.sizes.quadrature, self.frames);
        let Scratch { steered, responses, phases, .. } = &mut self.stream.scratch;
        let steered = grown(steered, bins * t * q);
        responses.clear();
        for (bin, steered) in steered.chunks_exact_mut(t * q).enumerate() {
            self.array.steering.respond(simd, bin, self.phat, phases, steered);
            for response in steered.chunks_exact(q) {
                responses.push(summary(simd, response));
            }
        }
    }

    /// The weight of each bin in each frame.
    #[inline(always)]
    pub(super) fn weigh<S: Simd>(&mut self, simd: S) {
        let (bins, t) = (self.network.sizes.bins, self.frames);
        let Stream { evidence: state, scratch, .. } = &mut *self.stream;
        let Scratch { responses, weights, exponents, features, of_frames, hidden, .. } = scratch;
        weights.clear();
        exponents.clear();
        let Some(evidence) = &self.network.evidence else {
            weights.resize(bins * t, 1.0);
            exponents.extend([self.array.sharpness, 0.0].iter().cycle().take(2 * bins * t));
            return;
        };
        state.follow(&self.array.evidence, self.power, responses, self.network.hop_s, [features, of_frames]);
        let width = evidence.hidden.bias.len();
        let hidden = grown(hidden, bins * t * width);
        hidden.chunks_exact_mut(width).for_each(|row| row.copy_from_slice(&evidence.hidden.bias));
        product(
            simd,
            Target { values: hidden, row: width, add: true },
            [bins * t, self.array.evidence.features(), width],
            Elements { values: features, row: self.array.evidence.features(), column: 1 },
            Rows { values: &evidence.hidden.weight, row: width },
        );
        elu(simd, hidden);
        for row in hidden.chunks_exact(width) {
            let say = |weights: &[f32], bias: f32| row.iter().zip(weights).fold(bias, |sum, (h, w)| sum + h * w);
            weights.push(2.0 / (1.0 + (-say(&evidence.out, evidence.out_bias)).exp()));
            exponents.extend(match &evidence.votes {
                None => [self.array.sharpness, 0.0],
                Some(votes) => {
                    exponents_of(votes.each_ref().map(|(weights, bias)| say(weights, *bias)), self.array.sharpness)
                }
            });
        }
    }

    /// What the bins say one by one.
    #[inline(always)]
    pub(super) fn vote<S: Simd>(&mut self, simd: S) {
        let sizes = self.network.sizes;
        if sizes.votes == 0 {
            return;
        }
        let (bins, q, cells) = (sizes.bins, sizes.quadrature, self.frames * sizes.quadrature);
        let Stream { votes: state, scratch, .. } = &mut *self.stream;
        let Scratch { steered, responses, weights, exponents, votes, inputs, .. } = scratch;
        let votes = grown(votes, bins * cells);
        let features = &mut grown(inputs, sizes.by_direction() * cells)[(sizes.bands + 1 + sizes.memories) * cells..];
        let features = &mut features[..sizes.of_votes * cells];
        let (bands, shares) = features.split_at_mut(sizes.votes * cells);
        follow(
            simd,
            Follow {
                quadrature: q,
                frames: self.frames,
                steered: &steered[..bins * cells],
                responses,
                weights,
                exponents,
                by_level: (sizes.levels > 0)
                    .then_some(ByLevel { slopes: self.level_slopes, units: &self.network.units }),
                keep: &self.network.keep,
                state,
                votes,
                shares,
            },
        );
        weigh_rows(simd, votes, weights, q);
        let mixing = Elements { values: &self.network.vote_mixing, row: bins, column: 1 };
        let into = Target { values: bands, row: cells, add: false };
        product(simd, into, [sizes.votes, bins, cells], mixing, Rows { values: votes, row: cells });
        compress(simd, bands);
    }

    /// How much the levels rise towards each direction, and what is remembered of that.
    #[inline(always)]
    pub(super) fn level<S: Simd>(&mut self, simd: S) {
        let sizes = self.network.sizes;
        let (bins, q, t) = (sizes.bins, sizes.quadrature, self.frames);
        let cells = t * q;
        let Stream { level_memory, scratch, .. } = &mut *self.stream;
        let Scratch { weights, inputs, weighed, .. } = scratch;
        let first = sizes.by_direction() - sizes.of_levels;
        let (bands, memories) =
            grown(inputs, sizes.by_direction() * cells)[first * cells..].split_at_mut(sizes.levels * cells);
        let weighed = grown(weighed, bins);
        let units = &self.network.units;
        let project = |out: &mut [f32], slope: [f32; 3]| {
            let [x, y, z] = slope.map(|s| simd.splat_f32s(s));
            let (of_x, rest) = units.split_at(q);
            let (of_y, of_z) = rest.split_at(q);
            let units = vectors::<S>(of_x).iter().zip(vectors::<S>(of_y)).zip(vectors::<S>(of_z));
            for (out, ((of_x, of_y), of_z)) in vectors_mut::<S>(out).iter_mut().zip(units) {
                *out = simd.mul_add_e_f32s(x, *of_x, simd.mul_add_e_f32s(y, *of_y, simd.mul_f32s(z, *of_z)));
            }
        };
        for (frame, slopes) in self.level_slopes.chunks_exact(AXES * bins).enumerate() {
            let at = frame * q..(frame + 1) * q;
            for (band, mixing) in self.network.level_mixing.chunks_exact(bins).enumerate() {
                let of_frame = weights[frame..].iter().step_by(t);
                for (to, (from, weight)) in weighed.iter_mut().zip(mixing.iter().zip(of_frame)) {
                    *to = from * weight;
                }
                let along = |axis: usize| -> f32 {
                    slopes[axis * bins..][..bins].iter().zip(&*weighed).map(|(g, w)| g * w).sum()
                };
                let slope = [along(0), along(1), along(2)];
                if band < sizes.levels {
                    project(&mut bands[band * cells..][at.clone()], slope);
                    continue;
                }
                let weight = weights[frame..].iter().step_by(t).sum::<f32>() / bins as f32;
                for ((past, keep), row) in
                    level_memory.iter_mut().zip(&self.network.keep).zip(memories.chunks_exact_mut(cells))
                {
                    let new = [slope[0], slope[1], slope[2], weight];
                    past.iter_mut().zip(new).for_each(|(past, new)| *past = keep * *past + (1.0 - keep) * new);
                    let per = (past[3] + 1e-6).recip();
                    project(&mut row[at.clone()], [past[0] * per, past[1] * per, past[2] * per]);
                }
            }
        }
    }

    /// Bands and means over the bins: the weights of the bins go into the matrix, so that the responses are read once.
    #[inline(always)]
    pub(super) fn mix<S: Simd>(&mut self, simd: S) {
        let sizes = self.network.sizes;
        let (bins, bands, q, t) = (sizes.bins, sizes.bands, sizes.quadrature, self.frames);
        let cells = t * q;
        let mixing = &self.network.mixing;
        let Scratch { steered, weights, inputs, sums, mixed, weighed, .. } = &mut self.stream.scratch;
        let inputs = grown(inputs, sizes.by_direction() * cells);
        let sums = grown(sums, cells);
        // Bands and mean of the weighed responses, then the mean of the plain ones.
        let rows = bands + 2;
        let mixed = grown(mixed, rows * q);
        let weighed = grown(weighed, rows * bins);
        for frame in 0..t {
            for (to, from) in weighed.chunks_exact_mut(bins).zip(mixing.chunks_exact(bins)) {
                for (k, (to, from)) in to.iter_mut().zip(from).enumerate() {
                    *to = from * weights[k * t + frame];
                }
            }
            weighed[(bands + 1) * bins..].copy_from_slice(&mixing[bands * bins..]);
            let into = Target { values: mixed, row: q, add: false };
            let factors = Elements { values: weighed, row: bins, column: 1 };
            product(simd, into, [rows, bins, q], factors, Rows { values: &steered[frame * q..], row: cells });
            let at = frame * q..(frame + 1) * q;
            for (band, row) in mixed.chunks_exact(q).enumerate() {
                match band {
                    b if b < bands => inputs[b * cells..][at.clone()].copy_from_slice(row),
                    b if b == bands => sums[at.clone()].copy_from_slice(row),
                    _ => inputs[bands * cells..][at.clone()].copy_from_slice(row),
                }
            }
        }
    }

    /// What was heard before, for each time constant.
    #[inline(always)]
    pub(super) fn remember(&mut self) {
        let sizes = self.network.sizes;
        let (bins, q, t) = (sizes.bins, sizes.quadrature, self.frames);
        let Stream { memory, scratch, .. } = &mut *self.stream;
        let Scratch { weights, inputs, sums, .. } = scratch;
        let rows = inputs[(sizes.bands + 1) * t * q..].chunks_exact_mut(t * q);
        for ((past, keep), row) in memory.iter_mut().zip(&self.network.keep).zip(rows) {
            let Some((past_weight, past)) = past.split_last_mut() else { continue };
            for (frame, (row, sums)) in row.chunks_exact_mut(q).zip(sums.chunks_exact(q)).enumerate() {
                let weight = weights[frame..].iter().step_by(t).sum::<f32>() / bins as f32;
                *past_weight = keep * *past_weight + (1.0 - keep) * weight;
                let per = (*past_weight + 1e-6).recip();
                for ((out, past), sum) in row.iter_mut().zip(past.iter_mut()).zip(sums) {
                    *past = keep * *past + (1.0 - keep) * sum;
                    *out = *past * per;
                }
            }
        }
    }
}

/// Largest value and mean square.
#[inline(always)]
fn summary<S: Simd>(simd: S, response: &[f32]) -> Response {
    let (mut most, mut squares) = (simd.splat_f32s(-1.0), simd.splat_f32s(0.0));
    for x in vectors::<S>(response) {
        most = simd.max_f32s(most, *x);
        squares = simd.mul_add_e_f32s(*x, *x, squares);
    }
    Response { most: simd.reduce_max_f32s(most), mean_square: simd.reduce_sum_f32s(squares) / response.len() as f32 }
}

/// Each row of `width` values times its weight.
#[inline(always)]
fn weigh_rows<S: Simd>(simd: S, rows: &mut [f32], weights: &[f32], width: usize) {
    for (row, weight) in rows.chunks_exact_mut(width).zip(weights) {
        let weight = simd.splat_f32s(*weight);
        for x in vectors_mut::<S>(row) {
            *x = simd.mul_f32s(*x, weight);
        }
    }
}
