//! Calibration of a file of weights: a line through the logits after which a peak's score is the probability that it is a source.
//!
//! Platt scaling (Platt 1999) on scenes of the sets' kinds whose numbers lie far above those that evaluation uses, and on the talkers of
//! training: nothing of what the tables report is looked at.

use std::collections::HashMap;
use std::sync::Arc;

use safetensors::SafeTensors;
use spherescope_dsp::Grid;
use spherescope_model::Network;
use spherescope_model::config::{Calibration, METADATA_KEY};

use super::judged::scored;
use super::listen::{self, NamedNetwork, Recording, Sphere};
use super::run::Bench;
use crate::sets::{Set, Sources};

/// Scenes of each set start at this number; evaluation's own end long before.
const FIRST_SCENE: usize = 100_000;
/// Sets whose kinds of scenes are calibrated on: all but the wide arrays, which are outside of what networks learn from.
const SETS: [Set; 8] = [Set::S, Set::U, Set::Sphere, Set::Head, Set::Tetra, Set::Three, Set::Moving, Set::Quiet];
/// D, directions of the grid.
const DIRECTIONS: usize = 1024;
/// Scores are kept this far from 0 and 1, so that their logits are finite.
const EDGE: f64 = 1e-6;

/// Fits gain and offset to pairs of logit and truth by Newton's method on the logistic loss. `None` when there are only hits or only
/// misses, or when a higher logit does not mean a likelier source.
pub fn fit(pairs: &[(f64, bool)]) -> Option<Calibration> {
    let hits = pairs.iter().filter(|p| p.1).count();
    if hits == 0 || hits == pairs.len() {
        return None;
    }
    // Platt's targets: a little away from 0 and 1, so that separable data have an answer.
    let target = |hit: bool| match hit {
        true => (hits as f64 + 1.0) / (hits as f64 + 2.0),
        false => 1.0 / ((pairs.len() - hits) as f64 + 2.0),
    };
    let (mut gain, mut offset) = (1.0f64, 0.0f64);
    for _ in 0..100 {
        let (mut g, mut h) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
        for &(x, hit) in pairs {
            let p = 1.0 / (1.0 + (-(gain * x + offset)).exp());
            let (error, weight) = (p - target(hit), p * (1.0 - p));
            g[0] += error * x;
            g[1] += error;
            h[0] += weight * x * x;
            h[1] += weight * x;
            h[2] += weight;
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let step = [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant];
        // Steps are bounded: far from the answer the curvature says little.
        gain -= step[0].clamp(-1.0, 1.0);
        offset -= step[1].clamp(-2.0, 2.0);
        if step.iter().all(|s| s.abs() < 1e-9) {
            break;
        }
    }
    let found = Calibration { gain: gain as f32, offset: offset as f32 };
    ((0.05..=20.0).contains(&found.gain) && (-20.0..=20.0).contains(&found.offset)).then_some(found)
}

/// Measures the weights on `scenes` scenes of each kind and writes the calibration into their configuration: the new file's bytes, the
/// calibration, and the number of peaks that it rests on.
///
/// # Errors
/// A sentence: bytes that are no weights, a scene that cannot be made, or peaks that cannot be fitted.
pub fn calibrate(
    bytes: &[u8],
    sources: &Sources,
    scenes: usize,
    threads: usize,
) -> Result<(Vec<u8>, Calibration, usize), String> {
    let network = Network::from_bytes(bytes).map_err(|e| e.to_string())?;
    let mut config = network.config().clone();
    config.calibration = None;
    let plain = with_config(bytes, &config)?;
    let network = Arc::new(Network::from_bytes(&plain).map_err(|e| e.to_string())?);
    let bench = Bench {
        networks: vec![NamedNetwork { name: "AGG-RL".into(), network: network.clone() }],
        sphere: Sphere::new(Grid::fibonacci(DIRECTIONS).map_err(|e| e.to_string())?),
        rivals: false,
        threshold: 0.5,
        before_s: 0.0,
        threads,
    };
    let pairs = bench.each("calibration", scenes * SETS.len(), |index| {
        let set = SETS[index % SETS.len()];
        let scene = set.scene(FIRST_SCENE + index / SETS.len(), sources).map_err(|e| e.to_string())?;
        let recording = Recording::of(&scene);
        let heard = listen::network(&recording, &network, &bench.sphere)?;
        let mut pairs = Vec::new();
        scored(&recording, &heard, &mut |score, hit| {
            let score = f64::from(score).clamp(EDGE, 1.0 - EDGE);
            pairs.push(((score / (1.0 - score)).ln(), hit));
        });
        Ok(pairs)
    })?;
    let pairs: Vec<(f64, bool)> = pairs.into_iter().flatten().collect();
    let found = fit(&pairs).ok_or_else(|| {
        let hits = pairs.iter().filter(|p| p.1).count();
        format!("calibration: expected peaks whose scores tell right from wrong, found {hits} right of {}", pairs.len())
    })?;
    config.calibration = Some(found);
    Ok((with_config(bytes, &config)?, found, pairs.len()))
}

/// The same tensors with another configuration.
fn with_config(bytes: &[u8], config: &spherescope_model::config::Config) -> Result<Vec<u8>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let text = serde_json::to_string(config).map_err(|e| e.to_string())?;
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), text)]);
    safetensors::serialize(file.tensors(), Some(metadata)).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use spherescope_model::network::SHIPPED_WEIGHTS;

    #[test]
    fn the_line_that_made_the_hits_is_found() {
        let mut rng = rand::rngs::SmallRng::seed_from_u64(3);
        let pairs: Vec<(f64, bool)> = (0..40_000)
            .map(|_| {
                let x = rng.random_range(-4.0..4.0f64);
                (x, rng.random::<f64>() < 1.0 / (1.0 + (-(0.7 * x - 1.2)).exp()))
            })
            .collect();
        let found = fit(&pairs).unwrap();
        assert!((found.gain - 0.7).abs() < 0.04 && (found.offset + 1.2).abs() < 0.06, "{found:?}");
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        assert_eq!(fit(&[]), None);
        assert_eq!(fit(&[(1.0, true), (2.0, true)]), None);
        // A higher score means a source less often.
        let upside_down: Vec<_> = (0..100).map(|i| (f64::from(i) / 10.0 - 5.0, i < 50)).collect();
        assert_eq!(fit(&upside_down), None);
    }

    #[test]
    fn weights_come_back_with_a_calibration_and_are_calibrated_anew_from_it() {
        let sources = Sources { name: "test".into(), signals: vec![crate::sources::babble(5, 16_000, 5.0)] };
        let (once, found, peaks) = calibrate(SHIPPED_WEIGHTS, &sources, 1, 2).unwrap();
        assert!(peaks > 100);
        let network = Network::from_bytes(&once).unwrap();
        assert_eq!(network.config().calibration, Some(found));
        // The calibration that is there does not count twice.
        let (twice, again, _) = calibrate(&once, &sources, 1, 1).unwrap();
        assert_eq!((twice, again), (once, found));
        assert!(calibrate(b"junk", &sources, 1, 1).is_err());
    }
}
