//! The network in PyTorch, for machines with a GPU, learns what the network here learns.

use std::path::Path;
use std::process::{Command, Stdio};

use spherescope_model::config::AuGeonetConfig;
use spherescope_train::sources::babble;
use spherescope_train::training::{Recipe, Run, Stage};

/// A small network on few, short crops.
fn recipe() -> Recipe {
    let mut recipe = Recipe::named("quick").unwrap();
    (recipe.seed, recipe.learn_bins) = (5, false);
    let AuGeonetConfig::Lifted(sizes) = &mut recipe.network.augeonet else { panic!("the lifted network") };
    (sizes.bins, sizes.quadrature, sizes.channels, sizes.order) = (40, 96, 16, 6);
    let stage = Stage { steps: 3, batch: 3, crop_s: 0.8, directions: 100, warm_up: 0, ..recipe.stages[0].clone() };
    let stage = Stage { beamwidth_deg: vec![20.0, 8.0], talkers: vec![0.1, 0.4, 0.5], ..stage };
    recipe.stages = vec![Stage { contrast: 0.05, ..stage }];
    recipe
}

#[test]
fn a_learner_learns_what_is_learned_here() {
    let has_torch = Command::new("python3")
        .args(["-c", "import torch, numpy"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success());
    if !has_torch {
        println!("skipped: python3 has no PyTorch");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let learner = Path::new(env!("CARGO_MANIFEST_DIR")).join("gpu/learner.py");
    let learn = |name: &str, learner: Option<&str>| {
        let signals = (0..4).map(|seed| babble(seed, 16_000, 2.0)).collect();
        let mut run = Run::open(&folder.path().join(name), recipe(), signals, None, 2).unwrap();
        if let Some(command) = learner {
            run.use_learner(command).unwrap();
        }
        let steps: Vec<_> = std::iter::from_fn(|| run.advance().unwrap()).collect();
        assert_eq!(steps.len(), 3);
        steps
    };
    let here = learn("here", None);
    let there = learn("there", Some(&format!("python3 {}", learner.display())));
    for (here, there) in here.iter().zip(&there) {
        println!("{here:?}\n{there:?}");
        assert!((there.loss / here.loss - 1.0).abs() < 1e-4, "{here:?} {there:?}");
        assert!((there.gradient / here.gradient - 1.0).abs() < 1e-3, "{here:?} {there:?}");
    }
}

#[test]
fn learners_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, recipe| Run::open(&folder.path().join(name), recipe, vec![babble(1, 16_000, 2.0)], None, 1);
    let mut run = open("a", recipe()).unwrap();
    let error = run.use_learner("no-such-program --fast").unwrap_err().to_string();
    assert!(error.starts_with("learner: no-such-program: "), "{error}");
    // One that ends at once, without a gradient.
    run.use_learner("true").map_or_else(
        |e| assert!(e.to_string().starts_with("learner: "), "{e}"),
        |()| {
            for _ in 0..2 {
                let error = run.advance().unwrap_err().to_string();
                assert!(error.starts_with("learner: "), "{error}");
            }
        },
    );
    let learns_bins = Recipe { learn_bins: true, ..recipe() };
    let error = open("b", learns_bins).unwrap().use_learner("true").unwrap_err().to_string();
    assert!(error.contains("whose bins stay"), "{error}");
}
