//! Channels without delays between them: copies of each other, and encoded Ambisonics.

use super::geometry::{median, pairs};
use crate::nudft::Complex32;

/// Moments after which a copy's record is half forgotten, roughly.
const MEMORY: f32 = 16.0;
/// Phases of copies agree to this, as one minus the mean cosine: 0.3°, which no two capsules reach.
const COPY: f32 = 2e-5;
/// … and the difference of their levels stays the same to this, in decibels.
const STEADY_DB: f32 = 0.1;

/// What is known of all pairs of channels.
pub(super) struct Copies {
    capsules: usize,
    /// Share of the moments of late in which a pair was equal, `[C (C − 1)/2]`, and equal with opposite sign.
    same: Vec<f32>,
    opposite: Vec<f32>,
    /// Differences of their levels in the newest moment, in decibels.
    level_db: Vec<f32>,
    seen: usize,
}

impl Copies {
    pub fn new(capsules: usize) -> Self {
        let len = capsules * (capsules - 1) / 2;
        Self { capsules, same: vec![0.0; len], opposite: vec![0.0; len], level_db: vec![f32::NAN; len], seen: 0 }
    }

    /// Takes the real parts of the channels' mean products `[C][C]` flattened, and their levels `[C]` in dBFS.
    pub fn push(&mut self, products: &[f32], levels_db: &[f32]) {
        self.seen += 1;
        // The plain mean at first, with forgetting later on.
        let step = 1.0 / (self.seen as f32).min(MEMORY);
        for (i, (a, b)) in pairs(self.capsules).enumerate() {
            let product = products[a * self.capsules + b];
            let level_db = levels_db[a] - levels_db[b];
            let steady = (level_db - self.level_db[i]).abs() < STEADY_DB;
            self.level_db[i] = level_db;
            let now = |yes: bool| f32::from(u8::from(yes && steady));
            self.same[i] += step * (now(product > 1.0 - COPY) - self.same[i]);
            self.opposite[i] += step * (now(product < COPY - 1.0) - self.opposite[i]);
        }
    }

    /// Groups of channels that carry the same samples, each rising; and whether all of a group have one sign.
    pub fn groups(&self, moments_needed: usize) -> Vec<(Vec<usize>, bool)> {
        let mut groups: Vec<(Vec<usize>, bool)> = Vec::new();
        if self.seen < moments_needed {
            return groups;
        }
        for (i, (a, b)) in pairs(self.capsules).enumerate() {
            if self.same[i].max(self.opposite[i]) < 0.9 {
                continue;
            }
            let one_sign = self.same[i] >= self.opposite[i];
            match groups.iter_mut().find(|g| g.0.contains(&a)) {
                Some(group) => {
                    if !group.0.contains(&b) {
                        group.0.push(b);
                    }
                    group.1 &= one_sign;
                }
                None => groups.push((vec![a, b], one_sign)),
            }
        }
        groups
    }
}

/// Real parts of the products of phase-transformed spectra `[C][K]`, averaged over the bins: Re Σ_k X̂_a X̂*_b / K, `[C][C]` flattened.
pub(super) fn products(phat: &[Complex32], bins: usize, out: &mut Vec<f32>) {
    let rows = || phat.chunks_exact(bins);
    out.clear();
    for a in rows() {
        out.extend(rows().map(|b| a.iter().zip(b).map(|(a, b)| a.re * b.re + a.im * b.im).sum::<f32>() / bins as f32));
    }
}

/// How well the channels fit one sound with a real gain for each and no delays: (λ − 1)/(C − 1), λ the largest eigenvalue of the
/// products `[C][C]`; 1 for a perfect fit. Also the signs against channel `w`, a bit for each negative one.
pub(super) fn coincident(products: &[f32], capsules: usize, w: usize) -> (f32, u64) {
    // Power iteration, from the row that has most in common with the others.
    let row = |c: usize| &products[c * capsules..][..capsules];
    let size = |c: &usize| row(*c).iter().map(|x| x * x).sum::<f32>();
    let first = (0..capsules).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(0);
    let mut vector = row(first).to_vec();
    let mut lambda = 0.0;
    for _ in 0..30 {
        let next: Vec<f32> = (0..capsules).map(|c| row(c).iter().zip(&vector).map(|(m, v)| m * v).sum()).collect();
        lambda = next.iter().map(|x| x * x).sum::<f32>().sqrt();
        if lambda < 1e-9 {
            return (0.0, 0);
        }
        vector = next.iter().map(|x| x / lambda).collect();
    }
    let signs = (0..capsules).filter(|&c| vector[c] * vector[w] < 0.0).fold(0, |bits, c| bits | 1 << c);
    ((lambda - 1.0) / (capsules as f32 - 1.0), signs)
}

/// Power of the second to fourth channel over the first's in decibels, of levels in dBFS in the order of the channels.
pub(super) fn first_order_db(levels_db: impl Iterator<Item = f32>) -> Option<f32> {
    let power: Vec<f32> = levels_db.take(4).map(|db| 10f32.powf(db / 10.0)).collect();
    let [w, y, z, x] = power[..] else { return None };
    Some(10.0 * ((x + y + z) / w).log10())
}

/// What encoded Ambisonics looks like over many moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Encoded {
    /// Moments in which the most frequent pattern of signs was heard.
    pub most_frequent: usize,
    /// Different patterns.
    pub patterns: usize,
    /// Moments.
    pub of: usize,
    /// Median of the first order's power over W's, in decibels.
    pub first_order_db: f64,
}

/// Share of the moments that one pattern of signs may have: signs change with direction.
const ONE_PATTERN: f64 = 0.7;
/// The first order's power over W's in decibels: SN3D, FuMa, N3D; the same for all directions and all rooms …
const FIRST_ORDER_DB: [f64; 3] = [0.0, 3.0, 4.8];
/// … but for this much at the median, …
const OFF_DB: f64 = 1.0;
/// … and this much between moments (median deviation).
const SPREAD_DB: f64 = 1.5;

/// Whether signs and powers are those of encoded Ambisonics, of moments' patterns of signs and powers of first order.
pub(super) fn encoded(moments: impl Iterator<Item = (u64, f32)>) -> Option<Encoded> {
    let (mut counts, mut powers) = (std::collections::BTreeMap::<u64, usize>::new(), Vec::new());
    for (signs, db) in moments {
        *counts.entry(signs).or_default() += 1;
        powers.push(f64::from(db));
    }
    let most_frequent = counts.values().copied().max()?;
    let first_order_db = median(powers.iter().copied());
    let spread_db = median(powers.iter().map(|p| (p - first_order_db).abs()));
    let found = Encoded { most_frequent, patterns: counts.len(), of: powers.len(), first_order_db };
    let changes = (most_frequent as f64) < ONE_PATTERN * powers.len() as f64;
    let steady = spread_db < SPREAD_DB && FIRST_ORDER_DB.iter().any(|db| (db - first_order_db).abs() < OFF_DB);
    (changes && steady).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coincident_channels_fit_with_their_signs() {
        let signs = [1.0f32, -1.0, 1.0, -1.0, -1.0];
        let phat: Vec<_> =
            signs.iter().flat_map(|s| (0..40).map(move |k| Complex32::from_polar(1.0, (k * k) as f32) * *s)).collect();
        let mut found = Vec::new();
        products(&phat, 40, &mut found);
        let (fit, bits) = coincident(&found, 5, 0);
        assert!((fit - 1.0).abs() < 1e-5);
        assert_eq!(bits, 0b11010);
        let mut copies = Copies::new(5);
        for moment in 0..12 {
            assert!(copies.groups(12).is_empty());
            // The last channel's level changes against the others': no copy.
            copies.push(&found, &[-20.0, -30.0, -20.0, -25.0, -20.0 - moment as f32]);
        }
        assert_eq!(copies.groups(12), [(vec![0, 1, 2, 3], false)]);
    }
}
