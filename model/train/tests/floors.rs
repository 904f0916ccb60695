//! What the shipped weights promise, on scenes and sounds that come with the library: not the evaluation, but what may never be lost.

use spherescope_dsp::Grid;
use spherescope_model::Network;
use spherescope_train::evaluate::judged::judge;
use spherescope_train::evaluate::listen::{Recording, Sphere, network, srp_phat};
use spherescope_train::evaluate::protocol::Errors;
use spherescope_train::sets::{Set, Sources};

#[test]
fn the_network_errs_less_than_srp_phat() {
    let weights = Network::shipped().unwrap();
    let sphere = Sphere::new(Grid::fibonacci(1024).unwrap());
    let sources = Sources::built_in();
    for (set, scenes, factor) in [(Set::S, 9, 1.3), (Set::U, 4, 2.0), (Set::Sphere, 4, 3.0), (Set::Tetra, 4, 1.3)] {
        let mut errors = [Errors::default(), Errors::default()];
        for index in 0..scenes {
            let recording = Recording::of(&set.scene(index, &sources).unwrap());
            let [srp, _] = srp_phat(&recording, &weights, &sphere).unwrap();
            for (errors, heard) in errors.iter_mut().zip([network(&recording, &weights, &sphere).unwrap(), srp]) {
                errors.degrees.extend(judge(&recording, &heard, 0.5).pairs.iter().map(|p| p.error_deg));
            }
        }
        let [ours, theirs] = errors.map(|e| e.mean_deg().unwrap());
        println!("{}: network {ours:.1}°, SRP-PHAT {theirs:.1}°", set.id());
        assert!(ours * factor < theirs, "{}: expected {factor} times below {theirs:.1}°, found {ours:.1}°", set.id());
    }
}

#[test]
fn scores_come_calibrated_and_bins_learned() {
    let weights = Network::shipped().unwrap();
    assert!(weights.config().calibration.is_some());
    let before = spherescope_model::augeonet::initial_frequencies_hz(&weights.config().augeonet);
    let moved = weights.frequencies_hz().iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(moved > 1.0, "expected bins that were learned, found them within {moved} Hz of where they began");
}
