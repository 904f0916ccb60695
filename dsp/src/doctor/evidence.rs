//! What many moments say together.

use std::collections::VecDeque;

use super::hypotheses::Fit;
use crate::direction::Direction;

/// Moments that are kept: about a minute of sound.
const MOMENTS: usize = 240;
/// Directions at least this far apart count as different places, in degrees, …
const PLACES_APART_DEG: f64 = 30.0;
/// … if so many moments came from them.
const MOMENTS_OF_A_PLACE: usize = 3;

/// One moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    /// How the layout and its variations fit.
    pub fit: Fit,
    /// Whether the talker's direction was told.
    pub told: bool,
    /// The fit of channels without delays, as encoded Ambisonics has them.
    pub coincident: f32,
    /// Signs of the channels against the first, a bit for each negative one, where they are coincident.
    pub signs: u64,
}

/// The newest moments.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    moments: VecDeque<Moment>,
}

/// What the moments say of a hypothesis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gain {
    /// Mean of the fit over the stated layout's.
    pub mean: f64,
    /// Mean over its standard error.
    pub t: f64,
    /// Moments that fit better.
    pub better: usize,
    /// Moments.
    pub of: usize,
}

impl Gain {
    /// Of some differences.
    pub fn of(differences: impl Iterator<Item = f64>) -> Self {
        let (mut of, mut better, mut sum, mut square) = (0, 0, 0.0, 0.0);
        for d in differences {
            of += 1;
            better += usize::from(d > 0.0);
            sum += d;
            square += d * d;
        }
        let n = f64::from(of as u32).max(1.0);
        let mean = sum / n;
        // Not below a thousandth, so that a handful of equal moments proves nothing.
        let error = ((square / n - mean * mean).max(1e-6) / n).sqrt();
        Self { mean, t: mean / error, better, of }
    }

    /// Share of moments that fit better.
    pub fn share(&self) -> f64 {
        self.better as f64 / self.of.max(1) as f64
    }
}

impl Evidence {
    /// An empty moment to fill, an old one's memory where there is one.
    pub fn recycled(&mut self) -> Moment {
        if self.moments.len() >= MOMENTS { self.moments.pop_front().unwrap_or_default() } else { Moment::default() }
    }

    /// Adds a moment.
    pub fn push(&mut self, moment: Moment) {
        self.moments.push_back(moment);
    }

    /// The moments, the oldest first.
    pub fn moments(&self) -> impl Iterator<Item = &Moment> {
        self.moments.iter()
    }

    /// Number of moments.
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// What hypothesis `h` gains over the stated layout.
    pub fn gain(&self, h: usize, told_only: bool) -> Gain {
        let moments = self.moments().filter(|m| m.told || !told_only);
        Gain::of(moments.map(|m| f64::from(m.fit.gains[h])))
    }

    /// What hypothesis `h` gains over hypothesis `other`.
    pub fn lead(&self, h: usize, other: usize, told_only: bool) -> Gain {
        let moments = self.moments().filter(|m| m.told || !told_only);
        Gain::of(moments.map(|m| f64::from(m.fit.gains[h] - m.fit.gains[other])))
    }

    /// Mean fit of the stated layout.
    pub fn stated(&self) -> f64 {
        self.moments().map(|m| f64::from(m.fit.stated)).sum::<f64>() / self.len().max(1) as f64
    }

    /// Mean cosine of a capsule against all others.
    pub fn capsule(&self, capsule: usize) -> f64 {
        self.moments().map(|m| f64::from(m.fit.capsules[capsule])).sum::<f64>() / self.len().max(1) as f64
    }

    /// For each place that sound came from, the indices of its moments.
    pub fn places(&self, directions: &[Direction]) -> Vec<Vec<usize>> {
        let mut places: Vec<(Direction, Vec<usize>)> = Vec::new();
        for (index, moment) in self.moments().enumerate() {
            let direction = directions[moment.fit.direction];
            let nearest =
                places.iter_mut().min_by(|a, b| direction.angle_to_rad(&a.0).total_cmp(&direction.angle_to_rad(&b.0)));
            match nearest {
                Some((place, moments)) if direction.angle_to_deg(place) < PLACES_APART_DEG => moments.push(index),
                _ => places.push((direction, vec![index])),
            }
        }
        places.into_iter().map(|p| p.1).filter(|m| m.len() >= MOMENTS_OF_A_PLACE).collect()
    }

    /// In how many of the places hypothesis `h` fits better on average.
    pub fn better_places(&self, places: &[Vec<usize>], h: usize) -> usize {
        places.iter().filter(|p| p.iter().map(|&i| self.moments[i].fit.gains[h]).sum::<f32>() > 0.0).count()
    }
}
