//! From spectra to logits, a few frames at a time.

use pulp::{Arch, Simd, WithSimd};
use spherescope_dsp::nudft::Complex32;

use super::super::votes::{Follow, compress, follow};
use super::kernels::{
    Elements, LANES, Rows, Target, elu, layer_norm, padded, product, sigmoid, tanh, vectors, vectors_mut,
};
use super::{Block, PANEL, Stream, Streaming, StreamingArray, StreamingGrid};
use crate::evidence::{FEATURES, FRAME_FEATURES, Response};
use crate::network::Spectra;

/// Frames that are computed together: more would not stay in the caches.
const FRAMES: usize = 4;
/// Rows of a tile that goes through a whole layer while it is in the first cache.
const TILE: usize = 16;

/// Working memory; grows with the first chunk and is used again from then on.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// Steered response, `[K][T][Q]`.
    steered: Vec<f32>,
    /// Largest value and mean square of each response, `[K][T]`.
    responses: Vec<Response>,
    /// Weight of each bin, `[K][T]`.
    weights: Vec<f32>,
    /// Votes of each bin, `[K][T][Q]`.
    votes: Vec<f32>,
    features: Vec<f32>,
    of_frames: Vec<f32>,
    hidden: Vec<f32>,
    /// What reaches the input layer for each direction, `[NB + 1 + M + NV + 2 M][T][Q]`.
    inputs: Vec<f32>,
    /// Weighed response, mean over the bins, `[T][Q]`.
    sums: Vec<f32>,
    /// Phases of one bin, `[C][frames]`.
    phases: Vec<[f32; 2]>,
    /// Mixing matrix of one frame, `[NB + 2][K]`, and what it gives, `[NB + 2][Q]`.
    weighed: Vec<f32>,
    mixed: Vec<f32>,
    /// Activations `[Q][T][H]`, their norms, and what the zonal convolution makes of them.
    x: Vec<f32>,
    u: Vec<f32>,
    zonal: Vec<f32>,
    /// Sums and differences of opposite directions, `[2][Q/2][T][H]`.
    halves: Vec<f32>,
    /// Spherical spectrum, `[columns][T][H]`.
    spectrum: Vec<f32>,
    /// Means, maxima and what the context makes of them, `[T][2H]` and `[T][H]`.
    summary: Vec<f32>,
    context: Vec<f32>,
    tile: Vec<f32>,
    /// Outputs of each direction `[Q][T][J, padded]`, their harmonics `[J][columns]`, and the sums over the fields `[T][S]`.
    local: Vec<f32>,
    latent: Vec<f32>,
    point: Vec<f32>,
    /// `[T][D, in whole panels]`.
    logits: Vec<f32>,
}

/// A slice of `len` values of a buffer that only grows.
fn grown(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

impl Streaming {
    /// Appends logits `[T][D]` for the frames of `spectra` to `logits`.
    ///
    /// # Errors
    /// A sentence when the spectra do not fit the array.
    pub fn logits(
        &self,
        array: &StreamingArray,
        grid: &StreamingGrid,
        spectra: &Spectra<'_>,
        stream: &mut Stream,
        logits: &mut Vec<f32>,
    ) -> Result<(), String> {
        let per_frame = [array.steering.capsules() * self.sizes.bins, self.sizes.bins];
        let expected = per_frame.map(|n| n * spectra.frames);
        if [spectra.phat.len(), spectra.power.len()] != expected {
            return Err(format!(
                "expected {expected:?} spectral values and powers for {} frames, found {} and {}",
                spectra.frames,
                spectra.phat.len(),
                spectra.power.len()
            ));
        }
        let arch = Arch::new();
        let chunks = spectra.phat.chunks(FRAMES * per_frame[0]).zip(spectra.power.chunks(FRAMES * per_frame[1]));
        for (phat, power) in chunks {
            let frames = power.len() / per_frame[1];
            arch.dispatch(Chunk { network: self, array, grid, phat, power, frames, stream, logits });
        }
        Ok(())
    }
}

/// A few frames on their way through the network.
struct Chunk<'a> {
    network: &'a Streaming,
    array: &'a StreamingArray,
    grid: &'a StreamingGrid,
    phat: &'a [Complex32],
    power: &'a [f32],
    frames: usize,
    stream: &'a mut Stream,
    logits: &'a mut Vec<f32>,
}

impl WithSimd for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        self.lift(simd);
        self.weigh(simd);
        self.vote(simd);
        self.mix(simd);
        self.remember();
        self.enter(simd);
        for index in 0..self.network.blocks.len() {
            self.block(simd, index);
        }
        self.represent(simd);
        self.score(simd);
    }
}

impl Chunk<'_> {
    /// The steered response on the quadrature, and what the evidence wants to know of it.
    #[inline(always)]
    fn lift<S: Simd>(&mut self, simd: S) {
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
    fn weigh<S: Simd>(&mut self, simd: S) {
        let (bins, t) = (self.network.sizes.bins, self.frames);
        let Stream { evidence: state, scratch, .. } = &mut *self.stream;
        let Scratch { responses, weights, features, of_frames, hidden, .. } = scratch;
        weights.clear();
        let Some(evidence) = &self.network.evidence else {
            weights.resize(bins * t, 1.0);
            return;
        };
        state.follow(&self.array.evidence, self.power, responses, self.network.hop_s, [features, of_frames]);
        let width = evidence.hidden.bias.len();
        let hidden = grown(hidden, bins * t * width);
        hidden.chunks_exact_mut(width).for_each(|row| row.copy_from_slice(&evidence.hidden.bias));
        product(
            simd,
            Target { values: hidden, row: width, add: true },
            [bins * t, FEATURES, width],
            Elements { values: features, row: FEATURES, column: 1 },
            Rows { values: &evidence.hidden.weight, row: width },
        );
        elu(simd, hidden);
        weights.extend(hidden.chunks_exact(width).map(|row| {
            let z = row.iter().zip(&evidence.out).fold(evidence.out_bias, |sum, (h, w)| sum + h * w);
            2.0 / (1.0 + (-z).exp())
        }));
    }

    /// What the bins say one by one.
    #[inline(always)]
    fn vote<S: Simd>(&mut self, simd: S) {
        let sizes = self.network.sizes;
        if sizes.votes == 0 {
            return;
        }
        let (bins, q, cells) = (sizes.bins, sizes.quadrature, self.frames * sizes.quadrature);
        let Stream { votes: state, scratch, .. } = &mut *self.stream;
        let Scratch { steered, responses, weights, votes, inputs, .. } = scratch;
        let votes = grown(votes, bins * cells);
        let features = &mut grown(inputs, sizes.by_direction() * cells)[(sizes.bands + 1 + sizes.memories) * cells..];
        let (bands, shares) = features.split_at_mut(sizes.votes * cells);
        follow(
            simd,
            Follow {
                quadrature: q,
                steered: &steered[..bins * cells],
                responses,
                weights,
                sharpness: self.array.sharpness,
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

    /// Bands and means over the bins: the weights of the bins go into the matrix, so that the responses are read once.
    #[inline(always)]
    fn mix<S: Simd>(&mut self, simd: S) {
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
    fn remember(&mut self) {
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

    /// The input layer: features to channels.
    #[inline(always)]
    fn enter<S: Simd>(&mut self, simd: S) {
        let sizes = self.network.sizes;
        let (q, t, h) = (sizes.quadrature, self.frames, sizes.channels);
        let input = &self.network.input;
        let Scratch { inputs, of_frames, context, x, .. } = &mut self.stream.scratch;
        let x = grown(x, q * t * h);
        let of_frame = grown(context, h);
        for frame in 0..t {
            of_frame.fill(0.0);
            if !input.by_frame.is_empty() {
                let known = &of_frames[frame * FRAME_FEATURES..][..FRAME_FEATURES];
                for (feature, row) in known.iter().zip(input.by_frame.chunks_exact(h)) {
                    of_frame.iter_mut().zip(row).for_each(|(sum, w)| *sum += feature * w);
                }
            }
            for (x, geometry) in x.chunks_exact_mut(t * h).zip(self.array.geometry.chunks_exact(h)) {
                let x = vectors_mut::<S>(&mut x[frame * h..(frame + 1) * h]);
                for ((x, g), f) in x.iter_mut().zip(vectors::<S>(geometry)).zip(vectors::<S>(of_frame)) {
                    *x = simd.add_f32s(*g, *f);
                }
            }
            product(
                simd,
                Target { values: &mut x[frame * h..], row: t * h, add: true },
                [q, sizes.by_direction(), h],
                Elements { values: &inputs[frame * q..], row: 1, column: t * q },
                Rows { values: &input.by_direction, row: h },
            );
        }
    }

    /// One spherical block.
    #[inline(always)]
    fn block<S: Simd>(&mut self, simd: S, index: usize) {
        let block = &self.network.blocks[index];
        let sizes = self.network.sizes;
        let len = sizes.quadrature * self.frames * sizes.channels;
        let Scratch { x, u, zonal, .. } = &mut self.stream.scratch;
        grown(zonal, len);
        layer_norm(simd, grown(u, len), &x[..len], [&block.norm_sphere[0], &block.norm_sphere[1]]);
        self.convolve(simd, block);
        self.summarise(simd, block);
        self.pointwise(simd, block);
        self.recur(simd, block, index);
    }

    /// The zonal convolution: to spherical harmonics, a gain for each degree and channel, and back.
    #[inline(always)]
    fn convolve<S: Simd>(&mut self, simd: S, block: &Block) {
        let sizes = self.network.sizes;
        let (half, width, columns) = (sizes.quadrature / 2, self.frames * sizes.channels, sizes.columns());
        let Scratch { u, zonal, halves, spectrum, .. } = &mut self.stream.scratch;
        let u = &u[..2 * half * width];
        let (sums, differences) = grown(halves, 2 * half * width).split_at_mut(half * width);
        let opposite = u.chunks_exact(width).zip(u.chunks_exact(width).rev());
        for ((a, b), (sum, difference)) in
            opposite.zip(sums.chunks_exact_mut(width).zip(differences.chunks_exact_mut(width)))
        {
            let to = vectors_mut::<S>(sum).iter_mut().zip(vectors_mut::<S>(difference));
            for ((a, b), (sum, difference)) in vectors::<S>(a).iter().zip(vectors::<S>(b)).zip(to) {
                *sum = simd.add_f32s(*a, *b);
                *difference = simd.sub_f32s(*a, *b);
            }
        }
        let spectrum = grown(spectrum, columns * width);
        for (part, count, first) in [(&mut *sums, sizes.even[0], 0), (differences, sizes.odd[0], sizes.even[1])] {
            let harmonics = &self.network.harmonics[first..];
            let spectrum = &mut spectrum[first * width..];
            let forward = Elements { values: harmonics, row: 1, column: columns };
            let into = Target { values: spectrum, row: width, add: false };
            product(simd, into, [count, half, width], forward, Rows { values: part, row: width });
            let gains = block.zonal[first * sizes.channels..].chunks_exact(sizes.channels);
            for (row, gain) in spectrum.chunks_exact_mut(width).zip(gains).take(count) {
                for frame in row.chunks_exact_mut(sizes.channels) {
                    for (x, gain) in vectors_mut::<S>(frame).iter_mut().zip(vectors::<S>(gain)) {
                        *x = simd.mul_f32s(*x, *gain);
                    }
                }
            }
            let back = Elements { values: harmonics, row: columns, column: 1 };
            let into = Target { values: part, row: width, add: false };
            product(simd, into, [half, count, width], back, Rows { values: spectrum, row: width });
        }
        let (near, far) = zonal[..2 * half * width].split_at_mut(half * width);
        let pairs = near.chunks_exact_mut(width).zip(far.chunks_exact_mut(width).rev());
        let (sums, differences) = halves[..2 * half * width].split_at(half * width);
        for ((near, far), (even, odd)) in pairs.zip(sums.chunks_exact(width).zip(differences.chunks_exact(width))) {
            let to = vectors_mut::<S>(near).iter_mut().zip(vectors_mut::<S>(far));
            for ((even, odd), (near, far)) in vectors::<S>(even).iter().zip(vectors::<S>(odd)).zip(to) {
                *near = simd.add_f32s(*even, *odd);
                *far = simd.sub_f32s(*even, *odd);
            }
        }
    }

    /// Mean and maximum over the sphere, and what the context layer makes of them; the bias of the layer that follows is added at once.
    #[inline(always)]
    fn summarise<S: Simd>(&mut self, simd: S, block: &Block) {
        let sizes = self.network.sizes;
        let (q, t, h) = (sizes.quadrature, self.frames, sizes.channels);
        let Scratch { u, summary, context, .. } = &mut self.stream.scratch;
        let summary = grown(summary, t * 2 * h);
        for (frame, both) in summary.chunks_exact_mut(2 * h).enumerate() {
            let (mean, most) = both.split_at_mut(h);
            mean.fill(0.0);
            most.fill(f32::NEG_INFINITY);
            for row in u[..q * t * h].chunks_exact(t * h) {
                let row = vectors::<S>(&row[frame * h..(frame + 1) * h]);
                let to = vectors_mut::<S>(mean).iter_mut().zip(vectors_mut::<S>(most));
                for (x, (mean, most)) in row.iter().zip(to) {
                    *mean = simd.add_f32s(*mean, *x);
                    *most = simd.max_f32s(*most, *x);
                }
            }
            mean.iter_mut().for_each(|x| *x /= q as f32);
        }
        let context = grown(context, t * h);
        for row in context.chunks_exact_mut(h) {
            let biases = block.context.bias.iter().zip(&block.mlp_out.bias);
            row.iter_mut().zip(biases).for_each(|(x, (a, b))| *x = a + b);
        }
        product(
            simd,
            Target { values: context, row: h, add: true },
            [t, 2 * h, h],
            Elements { values: summary, row: 2 * h, column: 1 },
            Rows { values: &block.context.weight, row: h },
        );
    }

    /// The pointwise layers over local values, zonal values and context, added to the activations.
    #[inline(always)]
    fn pointwise<S: Simd>(&mut self, simd: S, block: &Block) {
        let sizes = self.network.sizes;
        let (t, h) = (self.frames, sizes.channels);
        let Scratch { x, u, zonal, context, tile, .. } = &mut self.stream.scratch;
        let len = sizes.quadrature * t * h;
        // Whole directions, so that frames and rows of the context stay in step.
        let rows = t * (TILE / t).max(1);
        let hidden = grown(tile, rows * 2 * h);
        let (from_local, from_zonal) = block.mlp_in.weight.split_at(2 * h * h);
        let tiles = x[..len].chunks_mut(rows * h).zip(u[..len].chunks(rows * h)).zip(zonal[..len].chunks(rows * h));
        for ((x, u), zonal) in tiles {
            let rows = x.len() / h;
            let hidden = &mut hidden[..rows * 2 * h];
            hidden.chunks_exact_mut(2 * h).for_each(|row| row.copy_from_slice(&block.mlp_in.bias));
            for (part, weight) in [(u, from_local), (zonal, from_zonal)] {
                product(
                    simd,
                    Target { values: hidden, row: 2 * h, add: true },
                    [rows, h, 2 * h],
                    Elements { values: part, row: h, column: 1 },
                    Rows { values: weight, row: 2 * h },
                );
            }
            elu(simd, hidden);
            for (x, context) in x.chunks_exact_mut(h).zip(context[..t * h].chunks_exact(h).cycle()) {
                for (x, context) in vectors_mut::<S>(x).iter_mut().zip(vectors::<S>(context)) {
                    *x = simd.add_f32s(*x, *context);
                }
            }
            product(
                simd,
                Target { values: x, row: h, add: true },
                [rows, 2 * h, h],
                Elements { values: hidden, row: 2 * h, column: 1 },
                Rows { values: &block.mlp_out.weight, row: h },
            );
        }
    }

    /// The recurrence over time, added to the activations.
    #[inline(always)]
    fn recur<S: Simd>(&mut self, simd: S, block: &Block, index: usize) {
        let sizes = self.network.sizes;
        let (t, h) = (self.frames, sizes.channels);
        let Stream { hidden, scratch, .. } = &mut *self.stream;
        let Scratch { x, u, tile, .. } = scratch;
        let len = sizes.quadrature * t * h;
        layer_norm(simd, &mut u[..len], &x[..len], [&block.norm_time[0], &block.norm_time[1]]);
        let gates = grown(tile, TILE * 4 * h);
        let tiles = x[..len].chunks_mut(TILE * t * h).zip(u[..len].chunks(TILE * t * h));
        for ((x, u), state) in tiles.zip(hidden[index].chunks_mut(TILE * h)) {
            let rows = state.len() / h;
            let gates = &mut gates[..rows * 4 * h];
            for frame in 0..t {
                gates.chunks_exact_mut(4 * h).for_each(|row| row.copy_from_slice(&block.gru_bias));
                product(
                    simd,
                    Target { values: &mut *gates, row: 4 * h, add: true },
                    [rows, h, 3 * h],
                    Elements { values: &u[frame * h..], row: t * h, column: 1 },
                    Rows { values: &block.gru_input, row: 3 * h },
                );
                let state_now = Elements { values: state, row: h, column: 1 };
                let weights = |from: usize| Rows { values: &block.gru_state[from..], row: 3 * h };
                product(
                    simd,
                    Target { values: &mut *gates, row: 4 * h, add: true },
                    [rows, h, 2 * h],
                    state_now,
                    weights(0),
                );
                product(
                    simd,
                    Target { values: &mut gates[3 * h..], row: 4 * h, add: true },
                    [rows, h, h],
                    state_now,
                    weights(2 * h),
                );
                let rows = gates.chunks_exact(4 * h).zip(state.chunks_exact_mut(h)).zip(x.chunks_exact_mut(t * h));
                for ((gates, state), x) in rows {
                    let gates = vectors::<S>(gates);
                    let (reset, rest) = gates.split_at(gates.len() / 4);
                    let (update, rest) = rest.split_at(reset.len());
                    let (fresh, from_state) = rest.split_at(reset.len());
                    let x = vectors_mut::<S>(&mut x[frame * h..(frame + 1) * h]);
                    for (i, (state, x)) in vectors_mut::<S>(state).iter_mut().zip(x).enumerate() {
                        let reset = sigmoid(simd, reset[i]);
                        let update = sigmoid(simd, update[i]);
                        let fresh = tanh(simd, simd.mul_add_e_f32s(reset, from_state[i], fresh[i]));
                        // (1 − z) n + z h.
                        *state = simd.mul_add_e_f32s(update, simd.sub_f32s(*state, fresh), fresh);
                        *x = simd.add_f32s(*x, *state);
                    }
                }
            }
        }
    }

    /// The points of the latent space, their fields already summed with Gridnet's gains: `[T][S]`.
    #[inline(always)]
    fn represent<S: Simd>(&mut self, simd: S) {
        let network = self.network;
        let sizes = network.sizes;
        let (q, t, h, columns) = (sizes.quadrature, self.frames, sizes.channels, sizes.columns());
        let width = padded(sizes.fields);
        let Scratch { x, local, latent, point, .. } = &mut self.stream.scratch;
        let local = grown(local, q * t * width);
        local.chunks_exact_mut(width).for_each(|row| row.copy_from_slice(&network.output.linear.bias));
        product(
            simd,
            Target { values: local, row: width, add: true },
            [q * t, h, width],
            Elements { values: x, row: h, column: 1 },
            Rows { values: &network.output.linear.weight, row: width },
        );
        let latent = grown(latent, (sizes.fields + 1) * columns);
        let harmonics = network.columns.len();
        let points = grown(point, t * harmonics);
        for (frame, point) in points.chunks_exact_mut(harmonics).enumerate() {
            let (sum, fields) = latent.split_at_mut(columns);
            product(
                simd,
                Target { values: fields, row: columns, add: false },
                [sizes.fields, q, columns],
                Elements { values: &local[frame * width..], row: 1, column: t * width },
                Rows { values: &network.harmonics, row: columns },
            );
            sum.fill(0.0);
            for (field, gains) in fields.chunks_exact(columns).zip(network.output.gains.chunks_exact(columns)) {
                let from = vectors::<S>(field).iter().zip(vectors::<S>(gains));
                for (sum, (field, gain)) in vectors_mut::<S>(sum).iter_mut().zip(from) {
                    *sum = simd.mul_add_e_f32s(*field, *gain, *sum);
                }
            }
            let (even, odd) = point.split_at_mut(sizes.even[0]);
            even.copy_from_slice(&sum[..sizes.even[0]]);
            odd.copy_from_slice(&sum[sizes.even[1]..][..sizes.odd[0]]);
        }
    }

    /// Inner products with the grid's directions.
    #[inline(always)]
    fn score<S: Simd>(&mut self, simd: S) {
        let (t, s, directions) = (self.frames, self.network.columns.len(), self.grid.directions);
        let width = directions.next_multiple_of(PANEL);
        let Scratch { point, logits, .. } = &mut self.stream.scratch;
        let logits = grown(logits, t * width);
        logits.fill(self.network.output.bias);
        for (panel, harmonics) in self.grid.harmonics.chunks_exact(s * PANEL).enumerate() {
            product(
                simd,
                Target { values: &mut logits[panel * PANEL..], row: width, add: true },
                [t, s, PANEL],
                Elements { values: point, row: s, column: 1 },
                Rows { values: harmonics, row: PANEL },
            );
        }
        for row in logits.chunks_exact(width) {
            self.logits.extend_from_slice(&row[..directions]);
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

/// Logits to probabilities, 1 / (1 + e^−x), in place.
pub(crate) fn probabilities(logits: &mut [f32]) {
    struct Sigmoid<'a>(&'a mut [f32]);
    impl WithSimd for Sigmoid<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let (whole, rest) = self.0.split_at_mut(self.0.len() / LANES * LANES);
            for x in vectors_mut::<S>(whole) {
                *x = sigmoid(simd, *x);
            }
            for x in rest {
                *x = 1.0 / (1.0 + (-*x).exp());
            }
        }
    }
    Arch::new().dispatch(Sigmoid(logits));
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
