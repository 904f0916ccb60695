//! Channels without delays between them: copies of each other, and encoded Ambisonics.

use super::geometry::pairs;
use crate::nudft::Complex32;

/// Moments after which a copy's record is half forgotten, roughly.
const MEMORY: f32 = 16.0;
/// Phases of copies agree to this, as one minus the mean cosine: 0.3°, which no two capsules reach.
const COPY: f32 = 2e-5;

/// What is known of all pairs of channels.
pub(super) struct Copies {
    capsules: usize,
    /// Share of the moments of late in which a pair was equal, `[C (C − 1)/2]`, and equal with opposite sign.
    same: Vec<f32>,
    opposite: Vec<f32>,
    seen: usize,
}

impl Copies {
    pub fn new(capsules: usize) -> Self {
        let len = capsules * (capsules - 1) / 2;
        Self { capsules, same: vec![0.0; len], opposite: vec![0.0; len], seen: 0 }
    }

    /// Takes the real parts of the channels' mean products `[C][C]` flattened.
    pub fn push(&mut self, products: &[f32]) {
        self.seen += 1;
        // The plain mean at first, with forgetting later on.
        let step = 1.0 / (self.seen as f32).min(MEMORY);
        for (i, (a, b)) in pairs(self.capsules).enumerate() {
            let product = products[a * self.capsules + b];
            self.same[i] += step * (f32::from(u8::from(product > 1.0 - COPY)) - self.same[i]);
            self.opposite[i] += step * (f32::from(u8::from(product < COPY - 1.0)) - self.opposite[i]);
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
/// products `[C][C]`; 1 for a perfect fit. Also the signs against the first channel, a bit for each negative one.
pub(super) fn coincident(products: &[f32], capsules: usize) -> (f32, u64) {
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
    let signs = (0..capsules).filter(|&c| vector[c] * vector[0] < 0.0).fold(0, |bits, c| bits | 1 << c);
    ((lambda - 1.0) / (capsules as f32 - 1.0), signs)
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
        let (fit, bits) = coincident(&found, 5);
        assert!((fit - 1.0).abs() < 1e-5);
        assert_eq!(bits, 0b11010);
        let mut copies = Copies::new(5);
        copies.push(&found);
        assert_eq!(copies.groups(1), [(vec![0, 1, 2, 3, 4], false)]);
        assert!(copies.groups(2).is_empty());
    }
}
