//! Saved states, good and bad.

use rand::Rng;
use rand::rngs::SmallRng;

use spherescope_dsp::presets;
use spherescope_tests::Result;
use spherescope_tests::host::{Instance, StateDocument};

/// Loads one of the kinds of state; returns a word on which.
///
/// # Errors
/// When the plugin refuses a good state, or takes a cut one, or changes when it refuses one.
pub fn load_any(rng: &mut SmallRng, instance: &mut Instance) -> Result<()> {
    let saved = instance.save_state()?;
    match rng.random_range(0..6) {
        0 => instance.load_state(&saved),
        1 | 2 => {
            let all = presets::all();
            let mut state = StateDocument::read(&saved)?;
            state.set_field("layout", &all[rng.random_range(0..all.len())].array.to_json());
            instance.load_state(&state.to_bytes())
        }
        3 => {
            let cut = &saved[..rng.random_range(0..saved.len())];
            if instance.load_state(cut).is_ok() {
                return Err(format!("{} of {} bytes of a state were taken", cut.len(), saved.len()).into());
            }
            Ok(())
        }
        4 => {
            // What is left may be a state or none; what counts is that the plugin lives.
            let mut flipped = saved;
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..flipped.len());
                flipped[at] ^= 1 << rng.random_range(0..8);
            }
            let _ = instance.load_state(&flipped);
            Ok(())
        }
        _ => {
            let mut state = StateDocument::read(&saved)?;
            let junk = match rng.random_range(0..4) {
                0 => "[".repeat(10_000),
                1 => "{\"name\": \"x\", \"capsules\": [{}]}".into(),
                2 => (0..rng.random_range(0..1000)).map(|_| rng.random_range(' '..='~')).collect(),
                _ => String::new(),
            };
            state.set_field(["layout", "view", "window", "layout-version"][rng.random_range(0..4)], &junk);
            let bytes = state.to_bytes();
            let _ = instance.load_state(&bytes);
            Ok(())
        }
    }
}
