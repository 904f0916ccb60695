//! The ablations of the paper's table, at one stated budget: every variant sees the same number of crops of the same kinds, then all are
//! judged on the same scenes.
//!
//! Each variant differs from the base in one thing. A variant's run lies in a folder of its own and goes on where it was interrupted.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spherescope_dsp::Grid;
use spherescope_model::config::{AuGeonetConfig, BinMap, Config, LiftedConfig, PaperConfig, Phase, RelativeEncoding};

use crate::evaluate::DIRECTIONS;
use crate::evaluate::judged::{Outcome, errors};
use crate::evaluate::listen::{NamedNetwork, Sphere};
use crate::evaluate::report::{errors_cell, head, row};
use crate::evaluate::run::Bench;
use crate::sets::{Set, Sources};
use crate::training::{Material, Recipe, Run, Stage};

/// The lines of `docs/results.md` between which the table lies.
pub const MARKERS: [&str; 2] = ["<!-- ablations: begin -->", "<!-- ablations: end -->"];
/// Sets on which the variants are judged, and the scenes of each.
const SETS: [(Set, usize); 3] = [(Set::S, 45), (Set::U, 24), (Set::Sphere, 12)];
/// A checkpoint at least so often.
const CHECKPOINT: Duration = Duration::from_secs(60);

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Name of its folder.
    pub id: &'static str,
    /// What the table calls it.
    pub what: &'static str,
    /// How it is made.
    pub recipe: Recipe,
}

/// All variants; `budget` scales the number of steps, 1 being some minutes of two cores for each.
pub fn variants(budget: f64) -> Vec<Variant> {
    let base = paper();
    let with = |edit: &dyn Fn(&mut PaperConfig)| {
        let mut config = paper();
        edit(&mut config);
        config
    };
    let no_film = with(&|c| c.film = false);
    let pm = with(&|c| c.encoding = RelativeEncoding::Pm);
    let none = with(&|c| c.encoding = RelativeEncoding::None);
    let raw = with(&|c| c.phase = Phase::Raw);
    let fixed = with(&|c| c.fixed_grid = DIRECTIONS);
    let uniform = with(&|c| c.bin_map = BinMap::Uniform);
    let lifted = |bin_map| AuGeonetConfig::Lifted(LiftedConfig { bin_map, ..lifted() });
    let of_paper = |id, what, config, learn_bins| {
        let grid = if id == "fixed-grid" { Some(DIRECTIONS) } else { None };
        Variant { id, what, recipe: recipe(id, AuGeonetConfig::Paper(config), learn_bins, grid, budget) }
    };
    let of_lifted = |id, what, bin_map, learn_bins| Variant {
        id,
        what,
        recipe: recipe(id, lifted(bin_map), learn_bins, None, budget),
    };
    vec![
        of_paper("paper", "paper: FM, GCC-PHAT, LNuDFT from the logit map, Gridnet", base.clone(), true),
        of_paper("pm", "PM in place of FM", pm, true),
        of_paper("no-encoding", "no relative position encoding", none, true),
        of_paper(
            "no-film",
            "geometry neither scales nor shifts the features (the paper's exact layout)",
            no_film,
            true,
        ),
        of_paper("raw", "raw coefficients in place of GCC-PHAT", raw, true),
        of_paper("frozen", "bins frozen at the logit map", base, false),
        of_paper("uniform-start", "LNuDFT from evenly spread bins", uniform.clone(), true),
        of_paper("uniform-dft", "uniform DFT: even bins, frozen", uniform, false),
        of_paper("fixed-grid", "a fixed grid of 2048 learned vectors in place of Gridnet", fixed, true),
        of_lifted("lifted", "lifted: LNuDFT from the logit map", BinMap::Logit, true),
        of_lifted("lifted-frozen", "lifted, bins frozen at the logit map", BinMap::Logit, false),
        of_lifted("lifted-uniform-start", "lifted, LNuDFT from evenly spread bins", BinMap::Uniform, true),
        of_lifted("lifted-uniform", "lifted, uniform DFT: even bins, frozen", BinMap::Uniform, false),
    ]
}

/// The paper's network in the size that a short training can fill.
fn paper() -> PaperConfig {
    PaperConfig {
        bins: 96,
        range_hz: [93.75, 7187.5],
        bin_map: BinMap::Logit,
        channels: 64,
        latent: 128,
        outputs: 2,
        heads: 8,
        extractor: 3,
        dual_paths: 2,
        encoding: RelativeEncoding::Fm,
        film: true,
        phase: Phase::GccPhat,
        fixed_grid: 0,
    }
}

/// A small lifted network.
fn lifted() -> LiftedConfig {
    LiftedConfig {
        bins: 96,
        quadrature: 192,
        bands: 12,
        channels: 24,
        blocks: 2,
        order: 12,
        fields: 4,
        outputs: 2,
        evidence: 16,
        context: false,
        bin_map: BinMap::Logit,
        memory_s: vec![0.12, 0.4, 1.5],
        votes: 0,
        levels: 0,
    }
}

/// The schedule that all variants share: spectra without audio, then rooms.
fn recipe(id: &str, augeonet: AuGeonetConfig, learn_bins: bool, fixed_grid: Option<usize>, budget: f64) -> Recipe {
    let steps = |n: f64| (n * budget).ceil().max(1.0) as u64;
    // The lifted network knows what the first stage teaches; it gets the same number of crops all the same.
    let spectra = Stage {
        name: "spectra without audio".into(),
        material: Material::Analytic,
        steps: steps(500.0),
        batch: 64,
        crop_s: 0.05,
        rate: [3e-3, 1e-3],
        warm_up: 20,
        beamwidth_deg: vec![20.0, 10.0],
        positive_weight: 4.0,
        contrast: 0.0,
        plain: 0.0,
        muon: 0.0,
        talkers: vec![0.02, 0.78, 0.2],
        capsules: [4, 12],
        directions: fixed_grid.unwrap_or(256),
        near: 0,
        turn_grid: fixed_grid.is_none(),
    };
    let rooms = Stage {
        name: "rooms".into(),
        material: Material::Rooms,
        steps: steps(150.0),
        batch: 16,
        crop_s: 0.5,
        rate: [2e-3, 1e-5],
        warm_up: 5,
        talkers: vec![0.05, 0.6, 0.35],
        ..spectra.clone()
    };
    Recipe {
        name: format!("ablation {id}"),
        seed: 7,
        network: Config {
            format: 1,
            name: format!("ablation {id}"),
            window_s: 0.032,
            hop_s: 0.016,
            look_ahead: 0,
            augeonet,
            calibration: None,
        },
        learn_bins,
        stages: vec![spectra, rooms],
    }
}

/// What was learned of one variant.
struct Learned {
    network: NamedNetwork,
    parameters: usize,
}

/// Trains every variant in a folder below `out`, or goes on where that was interrupted; then judges all and returns the table.
///
/// `talkers` are the dry sounds of training, `judges` those of the scenes on which the variants are judged.
///
/// # Errors
/// A sentence that names the variant or the scene.
pub fn ablate(
    out: &Path,
    budget: f64,
    talkers: &[Vec<f32>],
    judges: &Sources,
    threads: usize,
) -> Result<String, String> {
    let mut learned = Vec::new();
    let all = variants(budget);
    for (i, variant) in all.iter().enumerate() {
        let fail = |e: String| format!("{}: {e}", variant.id);
        let mut run = Run::open(&out.join(variant.id), variant.recipe.clone(), talkers.to_vec(), None, threads)
            .map_err(|e| fail(e.to_string()))?;
        println!("{} of {}: {}, step {} of {}", i + 1, all.len(), variant.what, run.steps_done(), run.recipe().steps());
        let (mut saved, mut told, mut loss) = (Instant::now(), Instant::now(), None);
        while let Some(report) = run.advance().map_err(|e| fail(e.to_string()))? {
            loss = Some(loss.map_or(report.loss, |l: f64| 0.95 * l + 0.05 * report.loss));
            if told.elapsed() > Duration::from_secs(20) {
                told = Instant::now();
                println!("  step {}: loss {:.4}", run.steps_done(), loss.unwrap_or(f64::NAN));
            }
            if saved.elapsed() > CHECKPOINT {
                saved = Instant::now();
                run.save().map_err(|e| fail(e.to_string()))?;
            }
        }
        run.save().map_err(|e| fail(e.to_string()))?;
        let network = run.network().map_err(|e| fail(e.to_string()))?;
        learned.push(Learned {
            network: NamedNetwork { name: variant.what.into(), network: Arc::new(network) },
            parameters: run.parameters(),
        });
    }
    judge(&all, learned, budget, judges, threads)
}

fn judge(
    variants: &[Variant],
    learned: Vec<Learned>,
    budget: f64,
    sources: &Sources,
    threads: usize,
) -> Result<String, String> {
    let bench = Bench {
        networks: learned.iter().map(|l| l.network.clone()).collect(),
        sphere: Sphere::new(Grid::fibonacci(DIRECTIONS).map_err(|e| e.to_string())?),
        rivals: false,
        threshold: 0.5,
        before_s: 0.0,
        threads,
    };
    let mut outcomes: Vec<(Set, Vec<Outcome>)> = Vec::new();
    for (set, scenes) in SETS {
        outcomes.push((set, bench.set(set, 0..scenes, sources)?));
    }
    let stages = variants.first().map(|v| v.recipe.stages.as_slice()).unwrap_or_default();
    let crops = |i: usize| stages.get(i).map_or(0, |s: &Stage| s.steps * s.batch as u64);
    let mut text = format!(
        "\n## Ablations\n\nEvery variant learned from the same {} short spectra written down without audio and the same {} crops of \
         half a second in simulated rooms (budget {budget}), with one seed; a small budget, so that only large differences mean \
         something. {} scenes of sim-s, {} of sim-u, {} of sim-sphere with {}: mean · median · share within 10°, frame by frame.\n\n",
        crops(0),
        crops(1),
        SETS[0].1,
        SETS[1].1,
        SETS[2].1,
        sources.name
    );
    let mut columns = vec!["variant".to_owned(), "parameters".into()];
    columns.extend(SETS.map(|(set, _)| set.id().to_owned()));
    text += &head(&columns);
    for (i, (variant, learned)) in variants.iter().zip(&learned).enumerate() {
        let mut cells = vec![variant.what.to_owned(), learned.parameters.to_string()];
        for (_, outcomes) in &outcomes {
            let outcomes: Vec<&Outcome> = outcomes.iter().collect();
            cells.push(errors_cell(&errors(&outcomes, i, |_, _| true)));
        }
        text += &row(cells);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_differ_in_one_thing_and_share_the_budget() {
        let all = variants(1.0);
        let mut ids: Vec<_> = all.iter().map(|v| v.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
        for variant in &all {
            variant.recipe.check().unwrap();
            for (stage, first) in variant.recipe.stages.iter().zip(&all[0].recipe.stages) {
                assert_eq!((stage.steps, stage.batch, stage.crop_s), (first.steps, first.batch, first.crop_s));
                assert_eq!((&stage.rate, &stage.talkers), (&first.rate, &first.talkers));
            }
        }
        assert!(variants(0.1)[0].recipe.steps() < all[0].recipe.steps());
    }

    #[test]
    fn every_variant_learns_and_is_not_learned_twice() {
        let out = tempfile::tempdir().unwrap();
        let talkers = vec![crate::sources::babble(5, 16_000, 2.0)];
        let mut all = variants(0.001);
        for variant in &mut all {
            for stage in &mut variant.recipe.stages {
                stage.batch = 2;
            }
            let mut run =
                Run::open(&out.path().join(variant.id), variant.recipe.clone(), talkers.clone(), None, 2).unwrap();
            while run.advance().unwrap().is_some() {}
            run.save().unwrap();
            let again =
                Run::open(&out.path().join(variant.id), variant.recipe.clone(), talkers.clone(), None, 2).unwrap();
            assert!(again.stage().is_none() && again.seconds() > 0.0 && again.parameters() > 1000);
        }
    }
}
