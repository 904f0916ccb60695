//! How well a moment fits the stated layout, and how well it would fit with two channels swapped or one turned over.
//!
//! The fit is the largest steered response over a grid of directions: the mean cosine, over pairs of capsules and frequency bins,
//! between the phases that were heard and those that the layout predicts (`crate::steered`). With y = Σ_c X̂_c s_c the sum of the steered
//! capsules, swapping the channels a and b gives y − (X̂_a − X̂_b)(s_a − s_b), turning a over gives y − 2 X̂_a s_a; so each of the
//! C (C − 1)/2 swaps and C turns costs one step per bin and direction, whatever C is.

use crate::array::{Extent, MicArray};
use crate::direction::{Direction, cross, dot, norm};
use crate::grid::Grid;
use crate::nudft::Complex32;

/// Directions of the grid over the whole sphere.
const DIRECTIONS: usize = 512;
/// Directions around an array on a line, evenly spread in the cosine.
const CONES: usize = 96;
/// Bins are taken so many at a time.
pub(super) const LANES: usize = 8;
/// Steps over pairs and directions for each moment; large arrays look around the best directions only.
const STEPS: usize = 24_000;
/// … but at least at these.
const FEWEST_DIRECTIONS: usize = 32;

/// What can be wrong with the layout, as far as delays show it. Capsules are indices among the active ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hypothesis {
    /// The channels of two capsules are swapped.
    Swap(usize, usize),
    /// The sign of a capsule is turned over.
    Turn(usize),
}

/// A told direction lets pass what is this far from it, as a chord of the unit sphere: 35° to all sides.
const TOLD_CHORD: f64 = 0.6;

/// The fit of one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Fit {
    /// The stated layout's, −1/(C − 1) … 1.
    pub stated: f32,
    /// The same over all directions, wherever the talker is told to be.
    pub free: f32,
    /// Where that is best, index into the grid.
    pub direction: usize,
    /// Every hypothesis' fit over the stated layout's, `[H]`.
    pub gains: Vec<f32>,
    /// Mean cosine of each capsule against all others towards that direction, `[C]`.
    pub capsules: Vec<f32>,
}

/// Steering of one array on a grid, with its working memory.
pub(super) struct Fitting {
    capsules: usize,
    bins: usize,
    /// `[Q]`, never empty.
    directions: Vec<Direction>,
    extent: Extent,
    positions: Vec<[f64; 3]>,
    /// Whether each direction is looked at, `[Q]`; some are.
    allowed: Vec<bool>,
    /// Conjugate phases, `[Q][C][2][K]` flattened: all real parts of a capsule, then the imaginary ones.
    steering: Vec<f32>,
    hypotheses: Vec<Hypothesis>,
    steered: Vec<f32>,
    sum: Vec<f32>,
    responses: Vec<(f32, usize)>,
}

impl Fitting {
    /// Prepares an array's active capsules for K bins.
    pub fn new(array: &MicArray, frequencies_hz: &[f64], speed_m_s: f64) -> Self {
        let positions = array.relative_positions_m();
        let (capsules, bins) = (positions.len(), frequencies_hz.len());
        let directions = directions_for(array, &positions);
        let mut steering = Vec::with_capacity(directions.len() * capsules * 2 * bins);
        for d in &directions {
            for p in &positions {
                let turns = dot(*p, d.unit()) / speed_m_s * std::f64::consts::TAU;
                steering.extend(frequencies_hz.iter().map(|f| (f * turns).cos() as f32));
                steering.extend(frequencies_hz.iter().map(|f| -(f * turns).sin() as f32));
            }
        }
        let swaps = (0..capsules).flat_map(|a| (a + 1..capsules).map(move |b| Hypothesis::Swap(a, b)));
        let hypotheses = swaps.chain((0..capsules).map(Hypothesis::Turn)).collect();
        Self {
            capsules,
            bins,
            allowed: vec![true; directions.len()],
            directions,
            extent: array.extent(),
            positions,
            steering,
            hypotheses,
            steered: vec![0.0; capsules * 2 * bins],
            sum: vec![0.0; 2 * bins],
            responses: Vec::new(),
        }
    }

    /// The hypotheses in the order of [`Fit::gains`].
    pub fn hypotheses(&self) -> &[Hypothesis] {
        &self.hypotheses
    }

    /// The directions.
    pub fn directions(&self) -> &[Direction] {
        &self.directions
    }

    /// Looks only around a direction, and around those that the array can't tell from it; `None` looks everywhere again.
    pub fn look_towards(&mut self, told: Option<Direction>) {
        // The root mean square of the delays' differences, in metres, that the chord would give on average over all directions.
        let square = |v: [f64; 3]| self.positions.iter().map(|&p| dot(p, v).powi(2)).sum::<f64>();
        let spread = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(square).iter().sum::<f64>();
        let rank = match self.extent {
            Extent::Linear => 1.0,
            Extent::Planar => 2.0,
            Extent::Volume => 3.0,
        };
        let near = |d: &Direction, told: &Direction| {
            let apart = std::array::from_fn(|i| d.unit()[i] - told.unit()[i]);
            square(apart) <= TOLD_CHORD * TOLD_CHORD * spread / rank
        };
        self.allowed = self.directions.iter().map(|d| told.is_none_or(|t| near(d, &t))).collect();
        if !self.allowed.contains(&true) {
            // Nowhere near enough, which no grid as fine as these has: better everywhere than nowhere.
            self.allowed.fill(true);
        }
    }

    /// Fits phase-transformed spectra `[C][K]` flattened, bins weighted by `weights` `[K]` that sum to 1.
    pub fn fit(&mut self, phat: &[Complex32], weights: &[f32], fit: &mut Fit) {
        let (c_len, k_len) = (self.capsules, self.bins);
        let row = 2 * k_len;
        let mut x = vec![0.0f32; c_len * row];
        for (x, phat) in x.chunks_exact_mut(row).zip(phat.chunks_exact(k_len)) {
            let (re, im) = x.split_at_mut(k_len);
            for (((re, im), p), w) in re.iter_mut().zip(im).zip(phat).zip(weights) {
                let root = w.sqrt();
                (*re, *im) = (p.re * root, p.im * root);
            }
        }
        // The stated layout over the whole grid.
        self.responses.clear();
        let mut free = f32::NEG_INFINITY;
        for q in 0..self.directions.len() {
            self.steer(&x, q);
            let power: f32 = self.sum.iter().map(|s| s * s).sum();
            free = free.max(power);
            if self.allowed[q] {
                self.responses.push((power, q));
            }
        }
        self.responses.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (best, direction) = self.responses[0];
        fit.direction = direction;
        let capsules = c_len as f32;
        let per_pair = 1.0 / (capsules * (capsules - 1.0));
        fit.stated = (best - capsules) * per_pair;
        fit.free = (free - capsules) * per_pair;

        let kept = (STEPS / self.hypotheses.len()).max(FEWEST_DIRECTIONS).min(self.responses.len());
        fit.gains.clear();
        fit.gains.resize(self.hypotheses.len(), f32::NEG_INFINITY);
        for i in 0..kept {
            let q = self.responses[i].1;
            self.steer(&x, q);
            let s = &self.steering[q * c_len * row..][..c_len * row];
            for (hypothesis, gain) in self.hypotheses.iter().zip(&mut fit.gains) {
                let power = match *hypothesis {
                    Hypothesis::Swap(a, b) => {
                        let [xa, xb] = [a, b].map(|c| &x[c * row..][..row]);
                        let [sa, sb] = [a, b].map(|c| &s[c * row..][..row]);
                        power_with_swap(&self.sum, [xa, xb], [sa, sb])
                    }
                    Hypothesis::Turn(c) => {
                        let own = &self.steered[c * row..][..row];
                        self.sum.iter().zip(own).map(|(y, x)| (y - 2.0 * x) * (y - 2.0 * x)).sum()
                    }
                };
                *gain = gain.max((power - best) * per_pair);
            }
            if i == 0 {
                fit.capsules.clear();
                fit.capsules.extend((0..c_len).map(|c| {
                    let own = &self.steered[c * row..][..row];
                    self.sum.iter().zip(own).map(|(y, x)| x * (y - x)).sum::<f32>() / (capsules - 1.0)
                }));
            }
        }
    }

    /// Steers the spectra towards direction `q`: each capsule's into `steered`, their sum into `sum`.
    fn steer(&mut self, x: &[f32], q: usize) {
        let (k_len, row) = (self.bins, 2 * self.bins);
        let s = &self.steering[q * self.capsules * row..][..self.capsules * row];
        self.sum.fill(0.0);
        let (sum_re, sum_im) = self.sum.split_at_mut(k_len);
        for ((x, s), out) in x.chunks_exact(row).zip(s.chunks_exact(row)).zip(self.steered.chunks_exact_mut(row)) {
            let (x_re, x_im) = x.split_at(k_len);
            let (s_re, s_im) = s.split_at(k_len);
            let (out_re, out_im) = out.split_at_mut(k_len);
            for k in 0..k_len {
                out_re[k] = x_re[k] * s_re[k] - x_im[k] * s_im[k];
                out_im[k] = x_re[k] * s_im[k] + x_im[k] * s_re[k];
                sum_re[k] += out_re[k];
                sum_im[k] += out_im[k];
            }
        }
    }
}

/// Power of y − (x_a − x_b)(s_a − s_b) over all bins; y, the x and the s are `[2][K]`, K a multiple of [`LANES`].
fn power_with_swap(y: &[f32], [xa, xb]: [&[f32]; 2], [sa, sb]: [&[f32]; 2]) -> f32 {
    let mut power = [0.0f32; LANES];
    let half = y.len() / 2;
    for at in (0..half).step_by(LANES) {
        // Slices of a known length, so that all lanes are computed at once.
        let (re, im) = (at..at + LANES, half + at..half + at + LANES);
        let (yr, yi) = (&y[re.clone()], &y[im.clone()]);
        let (ar, ai, br, bi) = (&xa[re.clone()], &xa[im.clone()], &xb[re.clone()], &xb[im.clone()]);
        let (tr, ti, ur, ui) = (&sa[re.clone()], &sa[im.clone()], &sb[re], &sb[im]);
        for l in 0..LANES {
            let (dr, di) = (ar[l] - br[l], ai[l] - bi[l]);
            let (er, ei) = (tr[l] - ur[l], ti[l] - ui[l]);
            let r = yr[l] - (dr * er - di * ei);
            let i = yi[l] - (dr * ei + di * er);
            power[l] += r * r + i * i;
        }
    }
    power.iter().sum()
}

/// Directions that the array can tell apart: the sphere, the half of it on one side of a plane, or an arc from end to end of a line.
fn directions_for(array: &MicArray, positions: &[[f64; 3]]) -> Vec<Direction> {
    let sphere = || Grid::fibonacci(DIRECTIONS).map_or_else(|_| vec![Direction::FRONT], |g| g.directions().to_vec());
    match (array.extent(), frame_of(positions)) {
        (Extent::Linear, Some((axis, across))) => (0..CONES)
            .filter_map(|i| {
                let cosine = 2.0 * i as f64 / (CONES - 1) as f64 - 1.0;
                let sine = (1.0 - cosine * cosine).max(0.0).sqrt();
                Direction::from_vector(std::array::from_fn(|j| cosine * axis[j] + sine * across[j])).ok()
            })
            .collect(),
        (Extent::Planar, Some((axis, across))) => {
            let normal = cross(axis, across);
            sphere().into_iter().filter(|d| dot(d.unit(), normal) >= 0.0).collect()
        }
        _ => sphere(),
    }
}

/// A unit vector along the longest extent of points about their centroid, and one across it, towards the point farthest from that axis.
fn frame_of(positions: &[[f64; 3]]) -> Option<([f64; 3], [f64; 3])> {
    let longest = |points: &mut dyn Iterator<Item = [f64; 3]>| {
        let v = points.fold([0.0; 3], |best, p| if norm(p) > norm(best) { p } else { best });
        let length = norm(v);
        (length > 1e-12).then(|| v.map(|x| x / length))
    };
    let axis = longest(&mut positions.iter().copied())?;
    let off = |p: [f64; 3]| {
        let along = dot(p, axis);
        std::array::from_fn(|i| p[i] - along * axis[i])
    };
    // A perfect line has nothing across it; any direction will do.
    let aside = if axis[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
    let spread = norm(positions.iter().map(|&p| off(p)).fold([0.0; 3], |b, p| if norm(p) > norm(b) { p } else { b }));
    let across = if spread > 1e-9 {
        longest(&mut positions.iter().map(|&p| off(p)))
    } else {
        longest(&mut [off(aside)].into_iter())
    }?;
    Some((axis, across))
}
