//! The sources to show: the peaks of the moment, each under the number of the track that it belongs to, and tracks that pause.

use spherescope_dsp::Direction;

use crate::snapshot::Snapshot;

/// A source on display.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Source {
    /// The number of its track; none before it has been heard for long enough to be one.
    pub(crate) track: Option<u32>,
    /// Where it is.
    pub(crate) direction: Direction,
    /// Score of the peak; of the last one while it pauses.
    pub(crate) score: f32,
    /// Whether there is a peak at the moment.
    pub(crate) sounding: bool,
}

impl Source {
    /// The number as it is written.
    pub(crate) fn number(&self) -> String {
        self.track.map_or_else(|| "•".to_owned(), |id| id.to_string())
    }
}

/// A peak belongs to the nearest track within this angle, in degrees.
const SAME_DEG: f64 = 15.0;
/// Tracks that have not been heard for longer than this are no longer shown, in seconds.
const SHOWN_S: f64 = 2.0;

/// The sources of a snapshot, those that sound first, best first; none while the input is below the gate.
pub(crate) fn sources(snapshot: &Snapshot) -> Vec<Source> {
    if !snapshot.active || snapshot.spectrum.is_empty() {
        return Vec::new();
    }
    let mut free: Vec<_> = snapshot.tracks.iter().collect();
    let mut all: Vec<Source> = snapshot
        .peaks
        .iter()
        .map(|peak| {
            let nearest = (0..free.len())
                .map(|i| (i, free[i].direction.angle_to_deg(&peak.direction)))
                .filter(|(_, angle)| *angle < SAME_DEG)
                .min_by(|a, b| a.1.total_cmp(&b.1));
            let track = nearest.map(|(i, _)| free.swap_remove(i).id);
            Source { track, direction: peak.direction, score: peak.score, sounding: true }
        })
        .collect();
    let pausing = free.into_iter().filter(|t| t.confirmed && snapshot.t_s - t.seen_s < SHOWN_S);
    let mut pausing: Vec<_> = pausing
        .map(|t| Source { track: Some(t.id), direction: t.direction, score: t.score, sounding: false })
        .collect();
    pausing.sort_by_key(|s| s.track);
    all.extend(pausing);
    all
}
