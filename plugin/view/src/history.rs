//! What has been heard in the last two minutes, thinned to what a strip can show.

use std::collections::VecDeque;
use std::sync::Arc;

use spherescope_dsp::{Direction, Grid};

use crate::heard::{self, Source};
use crate::snapshot::Snapshot;
use crate::state::HISTORY_S;

/// Columns a second.
pub(crate) const RATE_HZ: f64 = 16.0;
/// Bins of azimuth, from +180° down to −180°.
pub(crate) const AZIMUTHS: usize = 90;
/// Bins of elevation, from +90° down to −90°.
pub(crate) const ELEVATIONS: usize = 45;

/// A source at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark {
    /// The number of its track; 0 before it is one.
    pub(crate) id: u32,
    /// Where it was.
    pub(crate) direction: Direction,
    /// Its score, 0 … 1.
    pub(crate) score: f32,
}

/// A sixteenth of a second.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// Number of the column since activation: time × [`RATE_HZ`], rounded down.
    pub(crate) number: i64,
    /// Largest score at each azimuth, 0 … 255.
    pub(crate) azimuths: [u8; AZIMUTHS],
    /// Largest score at each elevation, 0 … 255.
    pub(crate) elevations: [u8; ELEVATIONS],
    /// The sources at its end.
    pub(crate) marks: Vec<Mark>,
    /// Score in the pinned direction, if one was pinned.
    pub(crate) pinned: Option<f32>,
}

/// What has been heard in the last two minutes, sixteen columns a second, oldest first. Times go up; columns in which nothing came are
/// missing, so it holds 1920 at most, about half a megabyte.
#[derive(Clone, Default)]
pub struct History {
    columns: VecDeque<Column>,
    bins: Option<(Arc<Grid>, Vec<[u8; 2]>)>,
    sequence: u64,
    /// Counts up with every change.
    pub(crate) changes: u64,
}

/// The bin of a direction among the azimuths and among the elevations.
fn bins_of(d: &Direction) -> [u8; 2] {
    let bin = |share: f64, count: usize| ((share * count as f64) as usize).min(count - 1) as u8;
    [bin((180.0 - d.azimuth_deg()) / 360.0, AZIMUTHS), bin((90.0 - d.elevation_deg()) / 180.0, ELEVATIONS)]
}

impl History {
    /// Takes in a snapshot, unless it has been taken in already, with the score in the pinned direction.
    pub fn take(&mut self, snapshot: &Snapshot, pin: Option<&Direction>) {
        if snapshot.sequence == self.sequence || snapshot.sequence == 0 || !snapshot.t_s.is_finite() {
            return;
        }
        self.sequence = snapshot.sequence;
        let number = (snapshot.t_s * RATE_HZ).floor().clamp(-1e15, 1e15) as i64;
        if self.columns.back().is_some_and(|last| last.number > number) {
            // The host has started anew.
            self.columns.clear();
        }
        if !snapshot.active || snapshot.spectrum.is_empty() {
            return;
        }
        self.changes += 1;
        if self.columns.back().is_none_or(|last| last.number < number) {
            let oldest = number - (f64::from(HISTORY_S[HISTORY_S.len() - 1]) * RATE_HZ) as i64;
            while self.columns.front().is_some_and(|c| c.number <= oldest) {
                self.columns.pop_front();
            }
            let (azimuths, elevations) = ([0; AZIMUTHS], [0; ELEVATIONS]);
            self.columns.push_back(Column { number, azimuths, elevations, marks: Vec::new(), pinned: None });
        }
        if self.bins.as_ref().is_none_or(|(grid, _)| !Arc::ptr_eq(grid, &snapshot.grid)) {
            self.bins = Some((snapshot.grid.clone(), snapshot.grid.directions().iter().map(bins_of).collect()));
        }
        let (Some(column), Some((_, bins))) = (self.columns.back_mut(), &self.bins) else { return };
        for (&score, &[azimuth, elevation]) in snapshot.spectrum.iter().zip(bins) {
            // Casts saturate, and what is no number becomes 0.
            let level = (255.0 * score) as u8;
            let (a, e) = (&mut column.azimuths[azimuth as usize], &mut column.elevations[elevation as usize]);
            *a = level.max(*a);
            *e = level.max(*e);
        }
        column.marks = marks(snapshot);
        let pin = pin.filter(|pin| snapshot.region.holds(pin));
        column.pinned = pin.and_then(|pin| score_at(snapshot, pin)).or(column.pinned);
    }

    /// The columns of the last `seconds` before `now_s`.
    pub(crate) fn since(&self, now_s: f64, seconds: f64) -> impl Iterator<Item = &Column> {
        let newest = (now_s * RATE_HZ).floor() as i64;
        let oldest = newest - (seconds * RATE_HZ) as i64;
        self.columns.iter().filter(move |c| c.number > oldest && c.number <= newest)
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Forgets what the pinned direction had, as another one is pinned.
    pub(crate) fn forget_pinned(&mut self) {
        self.columns.iter_mut().for_each(|c| c.pinned = None);
        self.changes += 1;
    }
}

/// The score of the direction of the grid that is nearest to this one.
fn score_at(snapshot: &Snapshot, d: &Direction) -> Option<f32> {
    let along = |other: &Direction| d.unit().iter().zip(other.unit()).map(|(a, b)| a * b).sum::<f64>();
    let nearest =
        snapshot.grid.directions().iter().zip(&snapshot.spectrum).max_by(|a, b| along(a.0).total_cmp(&along(b.0)));
    nearest.map(|(_, &score)| score).filter(|s| s.is_finite())
}

/// What sounds in a snapshot; tracks stand where their filter sees them.
fn marks(snapshot: &Snapshot) -> Vec<Mark> {
    let place = |source: &Source| {
        let track = snapshot.tracks.iter().find(|t| Some(t.id) == source.track);
        track.map_or(source.direction, |t| t.direction)
    };
    let sounding = heard::sources(snapshot).into_iter().filter(|s| s.sounding);
    sounding.map(|s| Mark { id: s.track.unwrap_or(0), direction: place(&s), score: s.score }).collect()
}
