//! From spectra to logits, a few frames at a time; [`super::hear`] has the way to the input layer.

use pulp::{Arch, Simd, WithSimd};
use spherescope_dsp::levels::AXES;
use spherescope_dsp::nudft::Complex32;

use super::kernels::{
    Elements, LANES, Rows, Target, elu, layer_norm, padded, product, sigmoid, tanh, vectors, vectors_mut,
};
use super::{Block, PANEL, Stream, Streaming, StreamingArray, StreamingGrid};
use crate::evidence::{FRAME_FEATURES, Response};
use crate::network::Spectra;
use crate::ops::grown;

/// Frames that are computed together: more would not stay in the caches.
const FRAMES: usize = 4;
/// Rows of a tile that goes through a whole layer while it is in the first cache.
const TILE: usize = 16;

/// Working memory; grows with the first chunk and is used again from then on.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// Steered response, `[K][T][Q]`.
    pub(super) steered: Vec<f32>,
    /// Largest value and mean square of each response, `[K][T]`.
    pub(super) responses: Vec<Response>,
    /// Weight of each bin, `[K][T]`.
    pub(super) weights: Vec<f32>,
    /// γ and λ of its votes, `[K][T][2]`.
    pub(super) exponents: Vec<f32>,
    /// Votes of each bin, `[K][T][Q]`.
    pub(super) votes: Vec<f32>,
    pub(super) features: Vec<f32>,
    pub(super) of_frames: Vec<f32>,
    pub(super) hidden: Vec<f32>,
    /// What reaches the input layer for each direction, `[NB + 1 + M + NV + 2 M + NL + M][T][Q]`.
    pub(super) inputs: Vec<f32>,
    /// Weighed response, mean over the bins, `[T][Q]`.
    pub(super) sums: Vec<f32>,
    /// Phases of one bin, `[C][frames]`.
    pub(super) phases: Vec<[f32; 2]>,
    /// Mixing matrix of one frame, `[NB + 2][K]`, and what it gives, `[NB + 2][Q]`.
    pub(super) weighed: Vec<f32>,
    pub(super) mixed: Vec<f32>,
    /// Activations `[Q][T][H]`, their norms, and what the zonal convolution makes of them.
    pub(super) x: Vec<f32>,
    pub(super) u: Vec<f32>,
    pub(super) zonal: Vec<f32>,
    /// Sums and differences of opposite directions, `[2][Q/2][T][H]`.
    pub(super) halves: Vec<f32>,
    /// Spherical spectrum, `[columns][T][H]`.
    pub(super) spectrum: Vec<f32>,
    /// Means, maxima and what the context makes of them, `[T][2H]` and `[T][H]`.
    pub(super) summary: Vec<f32>,
    pub(super) context: Vec<f32>,
    pub(super) tile: Vec<f32>,
    /// Outputs of each direction `[Q][T][J, padded]`, their harmonics `[J][columns]`, and the sums over the fields `[T][S]`.
    pub(super) local: Vec<f32>,
    pub(super) latent: Vec<f32>,
    pub(super) point: Vec<f32>,
    /// `[T][D, in whole panels]`.
    pub(super) logits: Vec<f32>,
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
        let bins = self.sizes.bins;
        spectra.check(array.steering.capsules(), bins)?;
        let arch = Arch::new();
        let chunks = spectra.phat.chunks(FRAMES * array.steering.capsules() * bins);
        let chunks = chunks.zip(spectra.power.chunks(FRAMES * bins));
        for ((phat, power), level_slopes) in chunks.zip(spectra.level_slopes.chunks(FRAMES * AXES * bins)) {
            let frames = power.len() / bins;
            arch.dispatch(Chunk { network: self, array, grid, phat, power, level_slopes, frames, stream, logits });
        }
        Ok(())
    }
}

/// A few frames on their way through the network.
pub(super) struct Chunk<'a> {
    pub(super) network: &'a Streaming,
    pub(super) array: &'a StreamingArray,
    pub(super) grid: &'a StreamingGrid,
    pub(super) phat: &'a [Complex32],
    pub(super) power: &'a [f32],
    pub(super) level_slopes: &'a [f32],
    pub(super) frames: usize,
    pub(super) stream: &'a mut Stream,
    pub(super) logits: &'a mut Vec<f32>,
}

impl WithSimd for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        self.lift(simd);
        self.weigh(simd);
        self.vote(simd);
        self.level(simd);
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
