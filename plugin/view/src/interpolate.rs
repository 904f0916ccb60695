//! From D values at scattered directions to a smooth picture of the whole sphere.
//!
//! Every direction spreads its value over a cap around it with the weight (1 − d²/R²)³, d the chord to a texel and R a little more
//! than the distance to its neighbours; a texel shows the weighted mean of what reaches it. That is smooth, has no facets, knows no
//! seam and no poles, and keeps a constant spectrum constant. A plain mean flattens narrow peaks, so the values are first
//! sharpened once by what the mean takes away at the directions themselves.
//!
//! Where the caps are wide against the texels, every second texel along both axes is mixed and the others lie between them: a quarter
//! of the work, and no difference that an eye could see.

use std::f32::consts::{FRAC_PI_2, PI, TAU};

use spherescope_dsp::Grid;

/// Who contributes to whom, in rows: contributions `starts[i] .. starts[i + 1]` are those to place i. Weights of a row sum to 1.
#[derive(Default)]
struct Mixing {
    starts: Vec<u32>,
    sources: Vec<u16>,
    weights: Vec<f32>,
}

/// Mixes the values of a grid onto an equirectangular picture; built once for a grid.
pub(crate) struct Interpolator {
    width: usize,
    height: usize,
    onto_texels: Runs,
    onto_directions: Mixing,
    sharpened: Vec<f32>,
    /// Half as many rows and columns, where they suffice; else empty.
    coarse: Vec<f32>,
    halved: bool,
}

/// Rows and columns are halved when two texels are at most this share of the distance between directions.
const COARSE: f32 = 0.45;

/// How much of what the mean takes away is given back beforehand: what the mean takes from that in turn makes it a little more than all.
const SHARPENING: f32 = 1.15;

/// A direction, ready for many distance computations.
struct Node {
    unit: [f32; 3],
    reach: f32,
}

impl Interpolator {
    /// Prepares a grid for a picture of `width` × `height` texels: azimuth +180° … −180° from left to right, elevation +90° … −90°
    /// from top to bottom, values at the middle of the texels.
    pub(crate) fn new(grid: &Grid, width: usize, height: usize) -> Self {
        let units: Vec<[f32; 3]> = grid.directions().iter().map(|d| d.unit().map(|x| x as f32)).collect();
        let by_z = ByZ::new(&units);
        let nodes: Vec<Node> = (0..units.len())
            .map(|i| {
                let reach = if units.len() < 16 { 2.1 } else { (1.75 * by_z.spacing(i)).clamp(1e-3, 2.1) };
                Node { unit: units[i], reach }
            })
            .collect();
        let spacing = (4.0 * PI / units.len().max(1) as f32).sqrt();
        let even = width.is_multiple_of(4) && height.is_multiple_of(2);
        let onto = |width, height| Runs::collect(width * height, &Caps::new(&nodes, width, height));
        let coarse = (even && 2.0 * PI / height as f32 <= COARSE * spacing)
            .then(|| onto(width / 2, height / 2))
            // Edges of what the grid covers stay as sharp as the texels.
            .filter(|runs| runs.unreached.is_empty());
        Self {
            width,
            height,
            halved: coarse.is_some(),
            onto_texels: coarse.unwrap_or_else(|| onto(width, height)),
            onto_directions: by_z.neighbours(&nodes),
            sharpened: Vec::new(),
            coarse: Vec::new(),
        }
    }

    /// The picture of a spectrum `[D]`, row by row: 0 … 1, or not a number where no direction of the grid is near. Values that are
    /// not finite count as 0.
    pub(crate) fn fill(&mut self, spectrum: &[f32], picture: &mut Vec<f32>) {
        let value = |i: usize| spectrum.get(i).copied().filter(|v| v.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0);
        let count = self.onto_directions.rows();
        let plain: Vec<f32> = (0..count).map(value).collect();
        self.sharpened.clear();
        self.sharpened
            .extend((0..count).map(|i| plain[i] + SHARPENING * (plain[i] - self.onto_directions.mix(i, &plain))));
        let mixed = if self.halved { &mut self.coarse } else { &mut *picture };
        self.onto_texels.mix(&self.sharpened, mixed);
        if self.halved {
            doubled(&self.coarse, [self.width, self.height], picture);
        }
    }
}

/// The picture of `[width, height]` texels whose every second row and column, a quarter of a step aside, is `coarse`: linear between its
/// texels, round the seam and over the poles.
fn doubled(coarse: &[f32], [width, height]: [usize; 2], picture: &mut Vec<f32>) {
    const NEAR: f32 = 0.75;
    let columns = width / 2;
    let row = |y: usize| coarse.get(y * columns..(y + 1) * columns);
    picture.clear();
    picture.resize(width * height, 0.0);
    let mut between = vec![0.0; columns + 2];
    for (y, out) in picture.chunks_exact_mut(width).enumerate() {
        let Some(near) = row(y / 2) else { continue };
        let neighbour = if y % 2 == 0 { (y / 2).checked_sub(1) } else { Some(y / 2 + 1) };
        // Beyond a pole lies the same row, half a turn away.
        let (far, turn) = neighbour.and_then(row).map_or((near, columns / 2), |far| (far, 0));
        let (behind, before) = far.split_at(turn);
        let (first, second) = near.split_at(before.len());
        let (out_first, out_second) = between[1..=columns].split_at_mut(before.len());
        for (out, near, far) in [(out_first, first, before), (out_second, second, behind)] {
            for ((b, n), f) in out.iter_mut().zip(near).zip(far) {
                *b = NEAR * n + (1.0 - NEAR) * f;
            }
        }
        (between[0], between[columns + 1]) = (between[columns], between[1]);
        let (before, here, after) = (&between[..columns], &between[1..=columns], &between[2..]);
        let beside = before.iter().zip(after);
        for (pair, (b, (before, after))) in out.as_chunks_mut::<2>().0.iter_mut().zip(here.iter().zip(beside)) {
            pair[0] = NEAR * b + (1.0 - NEAR) * before;
            pair[1] = NEAR * b + (1.0 - NEAR) * after;
        }
    }
}

impl Mixing {
    fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The weighted mean of row i, which is not empty.
    fn mix(&self, i: usize, values: &[f32]) -> f32 {
        let (from, to) = (self.starts[i] as usize, self.starts[i + 1] as usize);
        self.sources[from..to].iter().zip(&self.weights[from..to]).map(|(&s, w)| w * values[s as usize]).sum()
    }

    /// Sorts contributions into rows.
    fn collect(places: usize, contributions: &impl Contributions) -> Self {
        let mut starts = vec![0u32; places + 1];
        contributions.each(|place, _, _| starts[place + 1] += 1);
        for i in 0..places {
            starts[i + 1] += starts[i];
        }
        let total = starts[places] as usize;
        let (mut sources, mut weights) = (vec![0u16; total], vec![0f32; total]);
        let mut next = starts.clone();
        contributions.each(|place, source, weight| {
            let at = next[place] as usize;
            next[place] += 1;
            sources[at] = source as u16;
            weights[at] = weight;
        });
        for row in starts.windows(2) {
            let row = &mut weights[row[0] as usize..row[1] as usize];
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|w| *w /= sum);
        }
        Self { starts, sources, weights }
    }
}

/// What each direction writes onto the picture: runs of neighbouring texels, so that mixing reads and writes in order.
struct Runs {
    runs: Vec<Run>,
    /// Weights of all runs one after the other; those of one texel sum to 1.
    weights: Vec<[f32; TOGETHER]>,
    /// Texels that nothing reaches.
    unreached: Vec<u32>,
    places: usize,
}

/// Texels are written this many at a time: runs are filled up with weights of 0.
const TOGETHER: usize = 4;

struct Run {
    /// The first texel.
    place: u32,
    source: u16,
    /// Length, in pieces of [`TOGETHER`].
    pieces: u16,
}

impl Runs {
    fn collect(places: usize, contributions: &impl Contributions) -> Self {
        let mut sums = vec![0f32; places];
        contributions.each(|place, _, weight| sums[place] += weight);
        let (mut runs, mut weights): (Vec<Run>, Vec<[f32; TOGETHER]>) = (Vec::new(), Vec::new());
        // The texel and the source with which the last run would go on.
        let (mut next, mut within) = ((usize::MAX, usize::MAX), 0);
        contributions.each(|place, source, weight| {
            if (place, source) != next {
                runs.push(Run { place: place as u32, source: source as u16, pieces: 0 });
                within = 0;
            }
            if within % TOGETHER == 0 {
                weights.push([0.0; TOGETHER]);
                if let Some(run) = runs.last_mut() {
                    run.pieces += 1;
                }
            }
            if let Some(piece) = weights.last_mut() {
                piece[within % TOGETHER] = weight / sums[place];
            }
            within += 1;
            next = (place + 1, source);
        });
        let unreached = (0..places as u32).filter(|&place| sums[place as usize] == 0.0).collect();
        Self { runs, weights, unreached, places }
    }

    /// The weighted mean of every texel, 0 … 1; not a number where nothing reaches.
    fn mix(&self, values: &[f32], picture: &mut Vec<f32>) {
        picture.clear();
        // The last run may be filled up beyond the last texel.
        picture.resize(self.places + TOGETHER, 0.0);
        let mut weights = self.weights.iter();
        for run in &self.runs {
            let value = values[usize::from(run.source)];
            let texels = picture[run.place as usize..].as_chunks_mut::<TOGETHER>().0;
            for (texels, weights) in texels.iter_mut().take(run.pieces.into()).zip(weights.by_ref()) {
                for i in 0..TOGETHER {
                    texels[i] += value * weights[i];
                }
            }
        }
        picture.truncate(self.places);
        picture.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
        self.unreached.iter().for_each(|&place| picture[place as usize] = f32::NAN);
    }
}

/// The weight of a direction that reaches `reach` far at the squared chord `square`, or nothing.
fn weight(square: f32, reach: f32) -> Option<f32> {
    let left = 1.0 - square / (reach * reach);
    (left > 1e-3).then_some(left * left * left)
}

/// Weights to be sorted into rows.
trait Contributions {
    /// Calls `write` with every place, source and weight: the same ones in the same order each time.
    fn each(&self, write: impl FnMut(usize, usize, f32));
}

impl Contributions for Vec<(u32, u32, f32)> {
    fn each(&self, mut write: impl FnMut(usize, usize, f32)) {
        self.iter().for_each(|&(place, source, w)| write(place as usize, source as usize, w));
    }
}

/// The caps of all nodes on a picture: every node writes onto the texels in its cap, row by row the run of columns that it covers.
struct Caps<'a> {
    nodes: &'a [Node],
    /// Sine and cosine of the elevation of each row.
    rows: Vec<(f32, f32)>,
    /// Sine and cosine of the azimuth of each column.
    columns: Vec<(f32, f32)>,
}

impl<'a> Caps<'a> {
    fn new(nodes: &'a [Node], width: usize, height: usize) -> Self {
        let rows = (0..height).map(|y| (FRAC_PI_2 - PI * (y as f32 + 0.5) / height as f32).sin_cos()).collect();
        let columns = (0..width).map(|x| (PI - TAU * (x as f32 + 0.5) / width as f32).sin_cos()).collect();
        Self { nodes, rows, columns }
    }
}

impl Contributions for Caps<'_> {
    fn each(&self, mut write: impl FnMut(usize, usize, f32)) {
        let (width, height) = (self.columns.len(), self.rows.len());
        for (i, node) in self.nodes.iter().enumerate() {
            let [x, y, z] = node.unit;
            let flat = x.hypot(y);
            let (elevation, azimuth) = (z.atan2(flat), y.atan2(x));
            let cap = 2.0 * (node.reach / 2.0).min(1.0).asin();
            let row = |el: f32| ((FRAC_PI_2 - el) / PI * height as f32).clamp(0.0, height as f32 - 1.0) as usize;
            for r in row(elevation + cap)..=row(elevation - cap) {
                let (sin_el, cos_el) = self.rows[r];
                let bound = (cap.cos() - sin_el * z) / (cos_el * flat).max(1e-9);
                if bound >= 1.0 {
                    continue;
                }
                let half = if bound <= -1.0 { PI } else { bound.acos() };
                let middle = (PI - azimuth) / TAU * width as f32 - 0.5;
                let reach = half / TAU * width as f32;
                let first = (middle - reach).ceil() as i64;
                let last = ((middle + reach).floor() as i64).min(first + width as i64 - 1);
                let mut c = first.rem_euclid(width as i64) as usize;
                for _ in first..=last {
                    let (sin_az, cos_az) = self.columns[c];
                    let cosine = sin_el * z + cos_el * (cos_az * x + sin_az * y);
                    if let Some(w) = weight((2.0 - 2.0 * cosine).max(0.0), node.reach) {
                        write(r * width + c, i, w);
                    }
                    c = if c + 1 == width { 0 } else { c + 1 };
                }
            }
        }
    }
}

/// Directions sorted by height, to find neighbours: a chord is never shorter than its height.
struct ByZ {
    order: Vec<u32>,
    sorted: Vec<[f32; 3]>,
    rank: Vec<u32>,
}

impl ByZ {
    fn new(units: &[[f32; 3]]) -> Self {
        let mut order: Vec<u32> = (0..units.len() as u32).collect();
        order.sort_by(|&a, &b| units[a as usize][2].total_cmp(&units[b as usize][2]));
        let sorted = order.iter().map(|&i| units[i as usize]).collect();
        let mut rank = vec![0; units.len()];
        for (r, &i) in order.iter().enumerate() {
            rank[i as usize] = r as u32;
        }
        Self { order, sorted, rank }
    }

    /// Calls `each` with the squared chords to the directions around rank `r`, both ways, until `each` gives a square that the
    /// height exceeds.
    fn around(&self, r: usize, mut each: impl FnMut(f32) -> f32) {
        let a = self.sorted[r];
        let mut visit = |j: usize| {
            let b = self.sorted[j];
            let (dx, dy, dz) = (a[0] - b[0], a[1] - b[1], a[2] - b[2]);
            let limit = each(dx * dx + dy * dy + dz * dz);
            dz * dz <= limit
        };
        let _ = (0..r).rev().all(&mut visit);
        let _ = (r + 1..self.sorted.len()).all(&mut visit);
    }

    /// Mean chord from direction i to its four nearest others.
    fn spacing(&self, i: usize) -> f32 {
        let mut nearest = [4.0f32; 4];
        self.around(self.rank[i] as usize, |square| {
            if square < nearest[3] {
                nearest[3] = square;
                nearest.sort_by(f32::total_cmp);
            }
            nearest[3]
        });
        nearest.iter().map(|s| s.sqrt()).sum::<f32>() / 4.0
    }

    /// What reaches each direction, itself included.
    fn neighbours(&self, nodes: &[Node]) -> Mixing {
        let farthest = nodes.iter().map(|n| n.reach).fold(0.0, f32::max);
        let mut pairs = Vec::with_capacity(12 * nodes.len());
        for (r, a) in self.sorted.iter().enumerate() {
            let i = self.order[r];
            pairs.push((i, i, 1.0));
            for (b, &j) in self.sorted[r + 1..].iter().zip(&self.order[r + 1..]) {
                let (dx, dy, dz) = (a[0] - b[0], a[1] - b[1], a[2] - b[2]);
                if dz < -farthest {
                    break;
                }
                let square = dx * dx + dy * dy + dz * dz;
                if square < farthest * farthest {
                    pairs.extend(weight(square, nodes[j as usize].reach).map(|w| (i, j, w)));
                    pairs.extend(weight(square, nodes[i as usize].reach).map(|w| (j, i, w)));
                }
            }
        }
        Mixing::collect(nodes.len(), &pairs)
    }
}

#[cfg(test)]
#[path = "interpolate_tests.rs"]
mod tests;
