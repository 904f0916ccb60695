//! What a crop asks of the network: scores of directions, and the loss of these against the talkers.

use rand::Rng;
use rand::rngs::SmallRng;
use spherescope_dsp::{Direction, Grid, Rotation};
use spherescope_model::SPEED_OF_SOUND_M_S;
use spherescope_model::augeonet::{AuGeonet, State};

use super::crop::Crop;
use super::label::soft_label;
use super::loss::{contrast, weighted_cross_entropy};
use super::recipe::Stage;
use crate::vector::{add, random_unit, scale};

/// How far from a talker the directions near it are drawn, in radians: as often a few degrees as a few tens.
const NEAR_RAD: [f64; 2] = [0.03, 0.5];

/// Directions on which a crop is scored: a grid, turned at random, and some near the talkers.
pub(super) fn candidates(crop: &Crop, stage: &Stage, rng: &mut SmallRng) -> candle_core::Result<Vec<Direction>> {
    let rotation = Rotation::random(rng);
    let grid = Grid::fibonacci(stage.directions).map_err(candle_core::Error::wrap)?;
    let grid = if stage.turn_grid { grid.rotated(&rotation) } else { grid };
    let mut all = grid.directions().to_vec();
    for _ in 0..stage.near {
        let talkers = match crop.talkers.len() {
            0 => &[][..],
            frames => &crop.talkers[rng.random_range(0..frames)],
        };
        let aside = random_unit(rng);
        let near = match talkers {
            [] => aside,
            _ => {
                let distance = rng.random_range(NEAR_RAD[0].ln()..NEAR_RAD[1].ln()).exp();
                add(talkers[rng.random_range(0..talkers.len())].unit(), scale(aside, distance))
            }
        };
        all.extend(Direction::from_vector(near));
    }
    Ok(all)
}

/// The loss of a crop on some directions, all outputs alike; differentiable in the module's variables.
pub(super) fn loss_of(
    module: &AuGeonet,
    crop: &Crop,
    stage: &Stage,
    candidates: &[Direction],
    state: &mut State,
) -> candle_core::Result<candle_core::Tensor> {
    let array = match crop.spectra().beside {
        Some(beside) => module.encode_array_beside(&crop.array, SPEED_OF_SOUND_M_S, beside.step_hz)?,
        None => module.encode_array(&crop.array, SPEED_OF_SOUND_M_S)?,
    };
    let latents = module.encode_audio(&array, &crop.spectra(), state, 0..stage.beamwidth_deg.len())?;
    let mut total: Option<candle_core::Tensor> = None;
    for (output, (beamwidth_deg, latent)) in stage.beamwidth_deg.iter().zip(&latents).enumerate() {
        let logits = module.score(latent, &module.encode_grid(candidates, output)?, output)?;
        let labels = labels(crop, candidates, *beamwidth_deg);
        let mut loss = weighted_cross_entropy(&logits, labels.clone(), stage.positive_weight)?;
        if stage.contrast > 0.0 {
            loss = (loss + (contrast(&logits, labels)? * f64::from(stage.contrast))?)?;
        }
        total = Some(match total {
            Some(sum) => (sum + loss)?,
            None => loss,
        });
    }
    match total {
        Some(sum) => sum / stage.beamwidth_deg.len() as f64,
        None => candle_core::bail!("expected at least one output"),
    }
}

/// Labels `[T][D]` flattened. Talkers stand still for many frames: a row is computed once for each change.
pub(super) fn labels(crop: &Crop, candidates: &[Direction], beamwidth_deg: f64) -> Vec<f32> {
    let mut all: Vec<f32> = Vec::with_capacity(crop.frames * candidates.len());
    for t in 0..crop.frames {
        if t > 0 && crop.sources[t] == crop.sources[t - 1] {
            all.extend_from_within(all.len() - candidates.len()..);
        } else {
            all.extend(soft_label(&crop.sources[t], &crop.ambiguity, candidates, beamwidth_deg));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::{CropSource, Recipe};
    use crate::vector::stream;
    use spherescope_dsp::front_end::FrameTiming;

    #[test]
    fn directions_near_silent_talkers_are_asked_for_too() {
        let signals = vec![crate::sources::babble(3, 16_000, 3.0)];
        let frequencies = (0..8).map(|k| 300.0 + 500.0 * f64::from(k)).collect();
        let source = CropSource::new(signals, FrameTiming { window_s: 0.032, hop_s: 0.016 }, frequencies);
        let stage = Stage {
            talkers: vec![0.0, 1.0],
            directions: 32,
            near: 200,
            ..Recipe::named("quick").unwrap().stages[0].clone()
        };
        let mut crop = source.crop(7, &stage).unwrap();
        // Silent all the time.
        crop.sources.iter_mut().for_each(Vec::clear);
        let asked = candidates(&crop, &stage, &mut stream(1, 1)).unwrap();
        assert_eq!(asked.len(), 232);
        let angle =
            |d: &Direction| crop.talkers.iter().flatten().map(|t| t.angle_to_deg(d)).fold(f64::INFINITY, f64::min);
        let (grid, near) = asked.split_at(32);
        assert!(near.iter().all(|d| angle(d) < 31.0));
        assert!(near.iter().filter(|d| angle(d) < 5.0).count() > 40);
        assert!(grid.iter().filter(|d| angle(d) > 40.0).count() > 10);
        // Nobody there: anywhere.
        crop.talkers.clear();
        assert_eq!(candidates(&crop, &stage, &mut stream(1, 1)).unwrap().len(), 232);
    }
}
