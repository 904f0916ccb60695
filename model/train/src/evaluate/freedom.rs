//! Freedom of grid, array and time: the same weights on other grids, on arrays of all kinds, and after having listened for long.

use std::fmt::Write as _;

use rand::SeedableRng;
use spherescope_dsp::{Direction, Grid, Peak, Rotation};

use super::listen::{self, Heard, Recording, Sphere};
use super::protocol::{Errors, NO_PEAK_DEG, frame_errors, sounding};
use super::report::{counts, errors_cell, head, percent, row};
use super::run::Bench;
use crate::sets::{ARRAY_KINDS, Set, Sources, array_scene};
use crate::training::Ambiguity;

/// Scenes of sim-s for the grids.
pub const GRID_SCENES: usize = 24;
/// Scenes for each kind of array.
pub const ARRAY_SCENES: usize = 12;
/// Scenes of each set for listening.
pub const LISTENING_SCENES: usize = 24;
/// Sets for which listening is tabulated.
const LISTENING_SETS: [Set; 3] = [Set::S, Set::Three, Set::Moving];
/// For how long the network has heard a scene before it counts, in seconds.
const LISTENED_S: [f64; 3] = [0.0, 3.0, 30.0];
/// Directions of the large grid whose front half is a grid of its own.
const WHOLE: usize = 4096;

/// The grids by name; the last one covers the front half alone.
fn grids() -> Result<Vec<(String, Sphere)>, String> {
    let mut grids = Vec::new();
    for len in [256, 2048, 8192] {
        grids.push((len.to_string(), Grid::fibonacci(len)));
    }
    let mut rng = rand::rngs::SmallRng::seed_from_u64(0x5e75);
    let turned = Grid::fibonacci(2048).map(|g| g.rotated(&Rotation::random(&mut rng)));
    grids.push(("2048, turned at random".into(), turned));
    let front = Grid::fibonacci(WHOLE)
        .and_then(|g| Grid::from_directions(g.directions().iter().copied().filter(in_front).collect()));
    grids.push(("2048 over the front half".into(), front));
    grids.into_iter().map(|(name, grid)| Ok((name, Sphere::new(grid.map_err(|e| e.to_string())?)))).collect()
}

fn in_front(direction: &Direction) -> bool {
    direction.unit()[0] > 0.0
}

/// The networks on several grids, scenes of sim-s.
///
/// # Errors
/// A sentence that names the scene.
pub fn grids_table(bench: &Bench, scenes: usize, sources: &Sources) -> Result<String, String> {
    let grids = grids()?;
    // [scene][grid][network][all, front]
    let results = bench.each("grids", scenes, |index| {
        let recording = Recording::of(&Set::S.scene(index, sources).map_err(|e| e.to_string())?);
        let mut of_scene = Vec::new();
        for (_, sphere) in &grids {
            let mut of_grid = Vec::new();
            for named in &bench.networks {
                let heard = listen::network(&recording, &named.network, sphere)?;
                of_grid.push([false, true].map(|front| {
                    let mut errors = Vec::new();
                    for (truth, best) in recording.truth.iter().zip(&heard.best) {
                        let sources = sounding(truth);
                        if !front || sources.iter().all(in_front) {
                            errors.extend(frame_errors(&sources, best));
                        }
                    }
                    errors
                }));
            }
            of_scene.push(of_grid);
        }
        Ok(of_scene)
    })?;
    let mut columns = vec!["grid".to_owned()];
    for named in &bench.networks {
        columns.push(named.name.clone());
        columns.push(format!("{}, all sources in front", named.name));
    }
    let mut text = format!(
        "\n## The same weights on other grids\n\n{scenes} scenes of sim-s; mean · median · share within 10°. The last column counts \
         the frames whose sounding sources are all in the front half.\n\n{}",
        head(&columns)
    );
    for (g, (name, _)) in grids.iter().enumerate() {
        let whole = g + 1 < grids.len();
        let mut cells = vec![name.clone()];
        for network in 0..bench.networks.len() {
            let errors = |front: usize| Errors {
                degrees: results.iter().flat_map(|scene| scene[g][network][front].iter().copied()).collect(),
            };
            cells.push(if whole { errors_cell(&errors(0)) } else { "–".into() });
            cells.push(errors_cell(&errors(1)));
        }
        text += &row(cells);
    }
    Ok(text)
}

/// The first network on scenes that it begins with, and on the same ones after it has heard them over and over for a while.
///
/// # Errors
/// A sentence that names the scene.
pub fn listening_table(bench: &Bench, scenes: usize, sources: &Sources) -> Result<String, String> {
    let mut columns = vec!["set".to_owned(), "heard before".to_owned(), "pairs".to_owned()];
    columns.extend(["mean · median · within 10°", "F1"].map(String::from));
    let mut text = format!(
        "\n## The same weights after having listened\n\nThe tables above begin each scene with nothing in mind, as after a reset. \
         Here {scenes} scenes of each set are heard over and over for some seconds before their windows count, once more from the \
         beginning.\n\n{}",
        head(&columns)
    );
    let mut bench =
        Bench { networks: bench.networks.iter().take(1).cloned().collect(), rivals: false, ..bench.clone() };
    for set in LISTENING_SETS {
        for before_s in LISTENED_S {
            bench.before_s = before_s;
            let outcomes = bench.set(set, 0..scenes, sources)?;
            let pairs = outcomes.iter().flat_map(|o| &o.judged[0].pairs);
            let errors = Errors { degrees: pairs.map(|p| p.error_deg).collect() };
            text += &row([
                set.id().to_owned(),
                format!("{before_s} s"),
                errors.degrees.len().to_string(),
                errors_cell(&errors),
                percent(counts(&outcomes, 0).f1()),
            ]);
        }
    }
    Ok(text)
}

/// Errors of single-talker frames: as they are, and up to what the array cannot tell apart.
fn both(recording: &Recording, heard: &Heard) -> [Vec<f64>; 2] {
    let ambiguity = Ambiguity::of(&recording.array);
    let mut errors = [Vec::new(), Vec::new()];
    for (truth, best) in recording.truth.iter().zip(&heard.best) {
        for source in sounding(truth) {
            let peak: Option<&Peak> = best.first();
            errors[0].push(peak.map_or(NO_PEAK_DEG, |p| source.angle_to_deg(&p.direction)));
            errors[1].push(peak.map_or(NO_PEAK_DEG, |p| ambiguity.angle_deg(&source, &p.direction)));
        }
    }
    errors
}

/// All engines on all kinds of arrays, one talker.
///
/// # Errors
/// A sentence that names the scene.
pub fn arrays_table(bench: &Bench, scenes: usize, sources: &Sources) -> Result<String, String> {
    let engines = bench.engines();
    // [kind · scene][engine][raw, forgiven]
    let results = bench.each("arrays", ARRAY_KINDS.len() * scenes, |index| {
        let scene = array_scene(index / scenes, index % scenes, sources).map_err(|e| e.to_string())?;
        let recording = Recording::of(&scene);
        let mut errors = Vec::new();
        for named in &bench.networks {
            errors.push(both(&recording, &listen::network(&recording, &named.network, &bench.sphere)?));
        }
        if let (true, Some(first)) = (bench.rivals, bench.networks.first()) {
            for heard in listen::srp_phat(&recording, &first.network, &bench.sphere)? {
                errors.push(both(&recording, &heard));
            }
            errors.push(both(&recording, &listen::music(&recording, &first.network, &bench.sphere)?));
        }
        Ok((Ambiguity::of(&recording.array), errors))
    })?;
    let mut columns = vec!["array".to_owned(), "capsules".to_owned()];
    columns.extend_from_slice(&engines);
    let mut text = String::from("\n## The same weights on all kinds of arrays\n\n");
    let _ = writeln!(
        text,
        "{scenes} scenes each with one talker, the same for every array; T60 0.2 to 0.8 s, 5 to 30 dB; mean · median · share within \
         10°. Flat arrays cannot tell mirror images apart, straight ones all directions at one angle to them: a second row counts \
         errors up to that.\n"
    );
    text += &head(&columns);
    for (kind, (name, capsules)) in ARRAY_KINDS.into_iter().enumerate() {
        let of_kind = &results[kind * scenes..][..scenes];
        let ambiguous = of_kind.first().is_some_and(|(a, _)| *a != Ambiguity::None);
        for forgiven in 0..=usize::from(ambiguous) {
            let mut cells = if forgiven == 0 {
                vec![name.to_owned(), capsules.to_string()]
            } else {
                vec!["… up to its ambiguity".to_owned(), String::new()]
            };
            for engine in 0..engines.len() {
                let degrees = of_kind.iter().flat_map(|(_, e)| e[engine][forgiven].iter().copied()).collect();
                cells.push(errors_cell(&Errors { degrees }));
            }
            text += &row(cells);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_half_has_half_of_the_directions() {
        let grids = grids().unwrap();
        let front = &grids.last().unwrap().1.grid;
        assert!((front.len() as i64 - 2048).abs() < 8, "{}", front.len());
        assert!(front.directions().iter().all(in_front));
    }
}
