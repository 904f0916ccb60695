//! How far a training run is: the per-frame protocol on a few scenes that are neither learned from nor reported.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spherescope_dsp::Grid;
use spherescope_model::Network;

use super::listen::{self, Recording, Sphere};
use super::protocol::{Errors, frame_errors, sounding};
use crate::parallel::in_order;
use crate::sets::{Set, Sources};

/// Sets whose kinds of scenes are measured on, by turns: the same rooms and noise, random arrays of few and of many capsules.
const SETS: [Set; 2] = [Set::S, Set::U];
/// Their scenes start at this number; those that are reported or calibrated on end long before.
const FIRST_SCENE: usize = 200_000;
/// D, directions of the grid.
const DIRECTIONS: usize = 2048;

/// How far a run's averaged weights are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub steps: u64,
    /// Mean angle between sources and peaks in degrees, the number of sources given.
    pub mean_deg: f64,
    /// Share of sources found within 10°, 0 … 1.
    pub within_10_deg: f64,
    /// Seconds since the start, all sittings together.
    pub seconds: f64,
}

/// Errors of a network on so many scenes, on so many threads. The same sources give the same scenes every time.
///
/// # Errors
/// A sentence that names the scene, when it cannot be made or heard.
pub fn measure(network: Network, sources: &Sources, scenes: usize, threads: usize) -> Result<Errors, String> {
    let network = Arc::new(network);
    let sphere = Sphere::new(Grid::fibonacci(DIRECTIONS).map_err(|e| e.to_string())?);
    let of_scene = |index: usize| {
        let set = SETS[index % SETS.len()];
        let scene = set.scene(FIRST_SCENE + index / SETS.len(), sources).map_err(|e| e.to_string())?;
        let recording = Recording::of(&scene);
        let heard = listen::network(&recording, &network, &sphere)?;
        let frames = recording.truth.iter().zip(&heard.best);
        Ok(frames.flat_map(|(truth, best)| frame_errors(&sounding(truth), best)).collect::<Vec<f64>>())
    };
    let all = in_order(threads, scenes, of_scene, |_| {});
    let all = all.map_err(|(index, e)| {
        format!("progress, {} {}: {e}", SETS[index % SETS.len()].id(), FIRST_SCENE + index / SETS.len())
    })?;
    Ok(Errors { degrees: all.into_iter().flatten().collect() })
}

#[cfg(test)]
mod tests {
    use spherescope_model::network::SHIPPED_WEIGHTS;

    use super::*;
    use crate::sources::babble;

    #[test]
    fn the_shipped_weights_are_far_and_the_same_on_any_number_of_threads() {
        let sources = Sources { name: "test".into(), signals: vec![babble(1, 16_000, 5.0), babble(2, 16_000, 5.0)] };
        let [one, three] =
            [1, 3].map(|threads| measure(Network::from_bytes(SHIPPED_WEIGHTS).unwrap(), &sources, 4, threads).unwrap());
        assert_eq!(one, three);
        assert!(one.degrees.len() > 400 && one.mean_deg().unwrap() < 30.0, "{:?}", one.mean_deg());
        let silent = Sources { name: "test".into(), signals: Vec::new() };
        let error = measure(Network::from_bytes(SHIPPED_WEIGHTS).unwrap(), &silent, 4, 1).unwrap_err();
        assert!(error.contains("sim-s 200000"), "{error}");
    }
}
