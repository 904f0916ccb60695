//! Runs the parts: scenes in parallel, results in the order of the scenes whatever the threads do.

use std::ops::Range;

use spherescope_model::Engine;

use super::judged::{Judged, Outcome, judge};
use super::listen::{self, NamedNetwork, Recording, Sphere};
use crate::parallel::in_order;
use crate::sets::{Set, Sources};

/// What all parts share.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The networks, at least one. The first one's bins and timing are those of the rivals.
    pub networks: Vec<NamedNetwork>,
    /// The grid.
    pub sphere: Sphere,
    /// Whether the rivals run.
    pub rivals: bool,
    /// Score from which a peak of a network is shown.
    pub threshold: f32,
    /// For how long a recording of a set is heard over and over before it counts, in seconds; see [`Recording::before_s`].
    pub before_s: f64,
    /// Scenes at the same time.
    pub threads: usize,
}

impl Bench {
    /// Names of the engines, in the order of all results.
    pub fn engines(&self) -> Vec<String> {
        let mut names: Vec<String> = self.networks.iter().map(|n| n.name.clone()).collect();
        if self.rivals {
            names.extend(["SRP-PHAT", "SRP-PHAT smoothed", "MUSIC"].map(String::from));
        }
        names
    }

    /// All engines on one recording.
    ///
    /// # Errors
    /// A sentence from the engine.
    pub fn hear(&self, recording: &Recording) -> Result<Outcome, String> {
        let mut judged: Vec<Judged> = Vec::new();
        for named in &self.networks {
            let heard = listen::network(recording, &named.network, &self.sphere)?;
            judged.push(judge(recording, &heard, self.threshold));
        }
        if let (true, Some(first)) = (self.rivals, self.networks.first()) {
            let threshold = Engine::SrpPhat.default_threshold();
            for heard in listen::srp_phat(recording, &first.network, &self.sphere)? {
                judged.push(judge(recording, &heard, threshold));
            }
            let heard = listen::music(recording, &first.network, &self.sphere)?;
            judged.push(judge(recording, &heard, f32::INFINITY));
        }
        Ok(Outcome { facts: recording.facts, judged })
    }

    /// Some of a set's scenes, by their numbers.
    ///
    /// # Errors
    /// A sentence that names the set and the scene.
    pub fn set(&self, set: Set, scenes: Range<usize>, sources: &Sources) -> Result<Vec<Outcome>, String> {
        self.each(set.id(), scenes.len(), |index| {
            let scene = set.scene(scenes.start + index, sources).map_err(|e| e.to_string())?;
            self.hear(&Recording { before_s: self.before_s, ..Recording::of(&scene) })
        })
    }

    /// `work(0..count)` on all threads; results in order. Progress goes to stderr.
    ///
    /// # Errors
    /// The first error in the order of the indices, with `name` and the index.
    pub fn each<T: Send>(
        &self,
        name: &str,
        count: usize,
        work: impl Fn(usize) -> Result<T, String> + Sync,
    ) -> Result<Vec<T>, String> {
        let start = std::time::Instant::now();
        let told = |done: usize| {
            if done * 10 / count != (done - 1) * 10 / count {
                eprintln!("{name}: {done} of {count}, {:.0} s", start.elapsed().as_secs_f64());
            }
        };
        in_order(self.threads, count, work, told).map_err(|(index, e)| format!("{name}, scene {index}: {e}"))
    }
}
