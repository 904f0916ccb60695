//! Calibration: whether a peak's score is the probability that a source is there.

/// Number of score bins of equal width.
pub const BINS: usize = 20;

/// One bin of scores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Peaks with such a score.
    pub count: u64,
    /// Those of them that lie near a sounding source.
    pub hits: u64,
    /// Sum of their scores.
    pub score: f64,
}

/// Reliability diagram of peaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Bins of equal width from score 0 to 1.
    pub bins: [Bin; BINS],
}

impl Default for Calibration {
    fn default() -> Self {
        Self { bins: [Bin::default(); BINS] }
    }
}

impl Calibration {
    /// Takes one peak; scores outside 0 … 1 fall into the last bin on their side, scores that are no numbers nowhere.
    pub fn add(&mut self, score: f32, hit: bool) {
        if score.is_nan() {
            return;
        }
        let score = f64::from(score).clamp(0.0, 1.0);
        let bin = &mut self.bins[((score * BINS as f64) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.hits += u64::from(hit);
        bin.score += score;
    }

    /// Adds another diagram's peaks.
    pub fn merge(&mut self, other: &Self) {
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            bin.count += more.count;
            bin.hits += more.hits;
            bin.score += more.score;
        }
    }

    /// Number of peaks.
    pub fn count(&self) -> u64 {
        self.bins.iter().map(|b| b.count).sum()
    }

    /// Expected calibration error: mean distance between a bin's mean score and its share of hits, weighed by its peaks.
    pub fn expected_error(&self) -> Option<f64> {
        let count = self.count();
        let sum: f64 = self.bins.iter().map(|b| (b.score - b.hits as f64).abs()).sum();
        (count > 0).then(|| sum / count as f64)
    }
}

impl Bin {
    /// Share of hits; `None` for an empty bin.
    pub fn share(&self) -> Option<f64> {
        (self.count > 0).then(|| self.hits as f64 / self.count as f64)
    }

    /// Mean score; `None` for an empty bin.
    pub fn mean_score(&self) -> Option<f64> {
        (self.count > 0).then(|| self.score / self.count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_fall_into_their_bins() {
        let mut c = Calibration::default();
        for score in [0.0, 0.049, 0.5, 1.0, 1.5, -0.2, f32::NAN] {
            c.add(score, score >= 0.5);
        }
        assert_eq!(c.count(), 6);
        assert_eq!((c.bins[0].count, c.bins[0].hits), (3, 0));
        assert_eq!((c.bins[10].count, c.bins[19].count), (1, 2));
        assert_eq!(c.bins[19].share(), Some(1.0));
        assert_eq!(c.bins[5].share(), None);
    }

    #[test]
    fn the_expected_error_is_zero_only_when_scores_are_probabilities() {
        let mut honest = Calibration::default();
        let mut boastful = Calibration::default();
        for i in 0..100 {
            honest.add(0.75, i % 4 != 0);
            boastful.add(0.95, i % 4 != 0);
        }
        assert!(honest.expected_error().unwrap() < 1e-9);
        assert!((boastful.expected_error().unwrap() - 0.2).abs() < 1e-6);
        assert_eq!(Calibration::default().expected_error(), None);
        honest.merge(&boastful);
        assert!((honest.expected_error().unwrap() - 0.1).abs() < 1e-6);
    }
}
