//! What many moments say together.

use std::collections::VecDeque;

use super::gains::Place;
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
    /// Level of each capsule in dBFS, `[C]`.
    pub levels_db: Vec<f32>,
    /// Power of the second to fourth channel over the first's, in decibels; `None` with fewer channels.
    pub first_order_db: Option<f32>,
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
    /// Moments that fit better or worse: from a mirror's plane a mirrored array fits as well.
    pub of: usize,
    /// All moments.
    pub moments: usize,
}

/// Fits that differ by less are as good.
const EQUAL: f64 = 0.001;

impl Gain {
    /// Of some differences.
    pub fn of(differences: impl Iterator<Item = f64>) -> Self {
        let (mut moments, mut of, mut better, mut sum, mut square) = (0usize, 0, 0, 0.0, 0.0);
        for d in differences {
            moments += 1;
            of += usize::from(d.abs() > EQUAL);
            better += usize::from(d > EQUAL);
            sum += d;
            square += d * d;
        }
        let n = (moments as f64).max(1.0);
        let mean = sum / n;
        // Not below a thousandth, so that a handful of equal moments proves nothing.
        let error = ((square / n - mean * mean).max(EQUAL * EQUAL) / n).sqrt();
        Self { mean, t: mean / error, better, of, moments }
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

    /// The levels of these moments: towards where each was loudest on average, and the mean of each capsule's level, `[C]`.
    pub fn levels(&self, of: &[usize], directions: &[Direction], capsules: usize) -> Place {
        let mut place = Place { towards: [0.0; 3], levels_db: vec![0.0; capsules] };
        for moment in of.iter().map(|&i| &self.moments[i]) {
            let unit = directions[moment.fit.direction].unit();
            place.towards.iter_mut().zip(unit).for_each(|(sum, x)| *sum += x);
            let levels = place.levels_db.iter_mut().zip(&moment.levels_db);
            levels.for_each(|(sum, level)| *sum += f64::from(*level) / of.len() as f64);
        }
        let length = place.towards.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-9);
        place.towards.iter_mut().for_each(|x| *x /= length);
        place
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

    /// In how many of the places hypothesis `h` fits better on average, and in how many better or worse.
    pub fn better_places(&self, places: &[Vec<usize>], h: usize) -> (usize, usize) {
        let mean = |p: &Vec<usize>| p.iter().map(|&i| self.moments[i].fit.gains[h]).sum::<f32>() / p.len() as f32;
        let means: Vec<_> = places.iter().map(|p| f64::from(mean(p))).collect();
        (means.iter().filter(|&&m| m > EQUAL).count(), means.iter().filter(|m| m.abs() > EQUAL).count())
    }

    /// Mean fits of the stated layout while the talker's direction was told: towards that direction, and over all.
    pub fn told_fits(&self) -> (f64, f64) {
        let told = || self.moments().filter(|m| m.told);
        let n = told().count().max(1) as f64;
        let mean = |f: &dyn Fn(&Moment) -> f32| told().map(|m| f64::from(f(m))).sum::<f64>() / n;
        (mean(&|m| m.fit.stated), mean(&|m| m.fit.free))
    }
}
