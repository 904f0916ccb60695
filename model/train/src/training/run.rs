//! A training run in a folder: steps, checkpoints, history.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use rand::Rng;
use serde::{Deserialize, Serialize};
use spherescope_dsp::Direction;
use spherescope_model::Network;
use spherescope_model::augeonet::AuGeonet;

use super::adam::{Adam, AdamSettings, Others};
use super::checkpoint::Checkpoint;
use super::crop::{Crop, CropSource};
use super::grow::grown;
use super::learner::Learner;
use super::objective::{candidates, loss_of};
use super::parameters::{Parameters, ParametersError};
use super::recipe::{Recipe, Stage};
use crate::evaluate::progress::Progress;
use crate::parallel::in_order;
use crate::vector::stream;

/// Weight of the past in the running mean of the weights, at most; younger means forget faster.
const AVERAGE: f64 = 0.995;
const WEIGHT_DECAY: f64 = 0.01;
const CLIP: f64 = 1.0;
/// Share of a step's statistics in the running ones of batch norms.
const MOMENTS_SHARE: f32 = 0.05;
/// Seeds of crops lie below this number, those of evaluation's sets far above.
const SEEDS: u64 = 1 << 47;

/// Why a run stops.
#[derive(Debug)]
pub enum RunError {
    /// The folder or a file in it.
    Io(PathBuf, std::io::Error),
    /// A checkpoint that is damaged or belongs to another recipe.
    Checkpoint(PathBuf, String),
    /// Parameters, network or material.
    Step(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, e) => write!(f, "{}: {e}", path.display()),
            Self::Checkpoint(path, e) => write!(f, "{}: {e}", path.display()),
            Self::Step(e) => f.write_str(e),
        }
    }
}

impl std::error::Error for RunError {}

impl From<ParametersError> for RunError {
    fn from(e: ParametersError) -> Self {
        Self::Step(e.0)
    }
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Number of the step, counted from 0.
    pub step: u64,
    /// Loss, averaged over crops and outputs.
    pub loss: f64,
    /// Norm of the gradient before clipping.
    pub gradient: f64,
    /// Learning rate.
    pub rate: f64,
}

/// A training run.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    recipe: Recipe,
    parameters: Parameters,
    values: Vec<f32>,
    average: Vec<f32>,
    adam: Adam,
    step: u64,
    /// Seconds of earlier sittings.
    seconds: f64,
    started: std::time::Instant,
    source: CropSource,
    threads: usize,
    learner: Option<Learner>,
    /// Records of the next step's crops, and that step.
    prepared: Option<(u64, Vec<Vec<u8>>)>,
}

/// What one crop taught.
struct Learned {
    loss: f64,
    gradient: Vec<f32>,
    /// Means and variances that batch norms saw.
    observed: Vec<f32>,
}

impl Run {
    /// Begins a run in a folder, or goes on where its checkpoint ends.
    ///
    /// `start` holds the bytes of a file of weights to begin from, also of a smaller network, which then grows; a run that goes on does
    /// not look at it.
    ///
    /// # Errors
    /// [`RunError`], also when the folder holds a run of another recipe.
    pub fn open(
        folder: &Path,
        recipe: Recipe,
        signals: Vec<Vec<f32>>,
        start: Option<&[u8]>,
        threads: usize,
    ) -> Result<Self, RunError> {
        recipe.check().map_err(|e| RunError::Step(e.to_string()))?;
        std::fs::create_dir_all(folder).map_err(|e| RunError::Io(folder.to_owned(), e))?;
        let mut parameters = Parameters::fresh(&recipe.network, recipe.seed, recipe.learn_bins)?;
        if let Some(bytes) = start {
            parameters.take_over(&grown(bytes, &recipe.network, recipe.seed)?)?;
        }
        let values = parameters.values()?;
        let network =
            Network::from_bytes(&parameters.file_with(&values)?).map_err(|e| RunError::Step(e.to_string()))?;
        let mut source = CropSource::new(signals, network.timing(), network.frequencies_hz().to_vec());
        source.learn_bins = recipe.learn_bins;
        source.look_ahead = recipe.network.look_ahead;
        let mut run = Self {
            folder: folder.to_owned(),
            average: values.clone(),
            values,
            adam: Adam::default(),
            step: 0,
            seconds: 0.0,
            started: std::time::Instant::now(),
            recipe,
            parameters,
            source,
            threads: threads.max(1),
            learner: None,
            prepared: None,
        };
        if run.checkpoint_path().exists() {
            run.load_checkpoint()?;
        } else {
            let path = folder.join("recipe.json");
            std::fs::write(&path, run.recipe.to_json()).map_err(|e| RunError::Io(path, e))?;
        }
        run.set_values()?;
        Ok(run)
    }

    /// Leaves losses and gradients to another program, started by `command`: a program and its arguments with spaces between them. See
    /// `model/train/gpu/learner.py` for what it must do. Results are no longer the same bit by bit from run to run.
    ///
    /// # Errors
    /// [`RunError::Step`] for a network that learners do not know, or a program that does not start.
    pub fn use_learner(&mut self, command: &str) -> Result<(), RunError> {
        self.learner = Some(Learner::start(command, &self.recipe, &self.parameters).map_err(RunError::Step)?);
        Ok(())
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// Number of parameters that are trained.
    pub fn parameters(&self) -> usize {
        self.values.len()
    }

    /// Seconds since the start, all sittings together.
    pub fn seconds(&self) -> f64 {
        self.seconds + self.started.elapsed().as_secs_f64()
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The stage of the next step and that step's number within it; none when the run is finished.
    pub fn stage(&self) -> Option<(&Stage, u64)> {
        self.recipe.stage_of(self.step)
    }

    /// One step; none when the run is finished.
    ///
    /// # Errors
    /// [`RunError::Step`].
    pub fn advance(&mut self) -> Result<Option<StepReport>, RunError> {
        let Some((stage, within)) = self.recipe.stage_of(self.step) else { return Ok(None) };
        let (stage, learner) = (stage.clone(), self.learner.take());
        let (loss, gradient, observed) = match learner {
            None => self.learn_here(&stage)?,
            Some(mut learner) => {
                let learned = self.learn_there(&stage, &mut learner);
                // Also after a fault: nothing goes on here that began there.
                self.learner = Some(learner);
                let (loss, gradient) = learned?;
                (loss, gradient, Vec::new())
            }
        };
        let settings = AdamSettings { rate: stage.rate_at(within), decay: WEIGHT_DECAY, clip: CLIP };
        let matrices = if stage.muon > 0.0 { self.parameters.matrices() } else { Vec::new() };
        let others = Others { kept: self.parameters.bins(), matrices, size: stage.muon };
        let norm = self.adam.step(&mut self.values, &gradient, &others, &settings);
        self.parameters.constrain(&mut self.values);
        self.parameters.follow_moments(&mut self.values, &observed, MOMENTS_SHARE);
        let report = StepReport { step: self.step, loss, gradient: norm, rate: settings.rate };
        self.step += 1;
        let keep = AVERAGE.min(self.step as f64 / (self.step + 10) as f64) as f32;
        for (average, value) in self.average.iter_mut().zip(&self.values) {
            *average = keep * *average + (1.0 - keep) * value;
        }
        self.set_values()?;
        self.record("history.jsonl", &report)?;
        Ok(Some(report))
    }

    /// `work(0..count)` on all threads; results in order.
    fn on_all_threads<T: Send>(
        &self,
        count: usize,
        work: impl Fn(usize) -> Result<T, String> + Sync,
    ) -> Result<Vec<T>, RunError> {
        in_order(self.threads, count, work, |_| {}).map_err(|(_, e)| RunError::Step(e))
    }

    /// Mean loss, gradient and batch norms' moments of the step's crops.
    fn learn_here(&self, stage: &Stage) -> Result<(f64, Vec<f32>, Vec<f32>), RunError> {
        let module = self.parameters.module()?;
        let all = self.on_all_threads(stage.batch, |item| self.learn_from(&module, stage, item))?;
        // In the order of the items, whoever computed them: sums of floating-point numbers depend on it.
        let (mut loss, mut gradient, mut observed) = (0.0, vec![0f32; self.values.len()], Vec::new());
        let share = 1.0 / stage.batch as f32;
        for learned in all {
            loss += learned.loss * f64::from(share);
            observed.resize(learned.observed.len(), 0f32);
            for (sums, of_one) in [(&mut gradient, learned.gradient), (&mut observed, learned.observed)] {
                for (sum, x) in sums.iter_mut().zip(of_one) {
                    *sum += share * x;
                }
            }
        }
        Ok((loss, gradient, observed))
    }

    /// The same from a learner, while the crops of the step after this one are drawn.
    fn learn_there(&mut self, stage: &Stage, learner: &mut Learner) -> Result<(f64, Vec<f32>), RunError> {
        let recorder = learner.recorder.clone();
        let prepare = |step: u64| -> Result<Option<Vec<Vec<u8>>>, RunError> {
            let Some((stage, _)) = self.recipe.stage_of(step) else { return Ok(None) };
            let record = |item: usize| {
                let (crop, candidates) = self.draw(stage, step, item)?;
                Ok(recorder.record(&crop, stage, &candidates))
            };
            self.on_all_threads(stage.batch, record).map(Some)
        };
        let ready = self.prepared.as_ref().filter(|(step, _)| *step == self.step).map(|(_, records)| records);
        let drawn = if ready.is_none() { prepare(self.step)? } else { None };
        let Some(records) = ready.or(drawn.as_ref()) else { return Err(RunError::Step("no stage".into())) };
        let (learned, next) = std::thread::scope(|scope| {
            let next = scope.spawn(|| prepare(self.step + 1));
            let learned = learner.learn(&self.values, stage, records).map_err(RunError::Step);
            (learned, next.join().unwrap_or_else(|_| Err(RunError::Step("a worker ended early".into()))))
        });
        self.prepared = next?.map(|records| (self.step + 1, records));
        learned
    }

    /// The crop of an item of a step, and the directions on which it is scored.
    fn draw(&self, stage: &Stage, step: u64, item: usize) -> Result<(Crop, Vec<Direction>), String> {
        let mut rng = stream(self.recipe.seed, 0x1000 + (step << 13 | item as u64));
        let crop = self.source.crop(rng.random::<u64>() % SEEDS, stage).map_err(|e| e.to_string())?;
        let candidates = candidates(&crop, stage, &mut rng).map_err(|e| e.to_string())?;
        Ok((crop, candidates))
    }

    /// Lets network and front end follow the values.
    fn set_values(&mut self) -> Result<(), RunError> {
        self.parameters.set_values(&self.values)?;
        self.source.frequencies_hz = self.parameters.frequencies_hz()?;
        Ok(())
    }

    /// Loss and gradient of one crop.
    fn learn_from(&self, module: &AuGeonet, stage: &Stage, item: usize) -> Result<Learned, String> {
        let (crop, candidates) = self.draw(stage, self.step, item)?;
        let mut state = module.start_training();
        let loss = loss_of(module, &crop, stage, &candidates, &mut state).map_err(|e| e.to_string())?;
        let value = loss.to_scalar::<f32>().map_err(|e| e.to_string())?;
        let gradient = self.parameters.gradient(&loss).map_err(|e| e.to_string())?;
        Ok(Learned { loss: f64::from(value), gradient, observed: state.observed().to_vec() })
    }

    /// Writes down how far the averaged weights are, measured by [`measure`](crate::evaluate::progress::measure).
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn record_progress(&self, progress: &Progress) -> Result<(), RunError> {
        self.record("progress.jsonl", progress)
    }

    /// The network with the averaged weights.
    ///
    /// # Errors
    /// [`RunError::Step`].
    pub fn network(&self) -> Result<Network, RunError> {
        Network::from_bytes(&self.parameters.file_with(&self.average)?).map_err(|e| RunError::Step(e.to_string()))
    }

    /// Writes the checkpoint and, beside it, the averaged weights as a file that the product reads; each appears whole or not at all.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn save(&self) -> Result<(), RunError> {
        let checkpoint = Checkpoint {
            recipe: self.recipe.clone(),
            step: self.step,
            seconds: self.seconds(),
            values: self.values.clone(),
            average: self.average.clone(),
            adam: self.adam.clone(),
        };
        let bytes = checkpoint.to_bytes().map_err(RunError::Step)?;
        self.replace("weights.safetensors", &self.parameters.file_with(&self.average)?)?;
        self.replace("checkpoint.safetensors", &bytes)
    }

    /// Where the weights of [`Run::save`] lie.
    pub fn weights_path(&self) -> PathBuf {
        self.folder.join("weights.safetensors")
    }

    fn checkpoint_path(&self) -> PathBuf {
        self.folder.join("checkpoint.safetensors")
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let path = self.folder.join(name);
        let fail = |e: std::io::Error| RunError::Io(path.clone(), e);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(fail)?;
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(fail)?;
        file.persist(&path).map_err(|e| RunError::Io(path.clone(), e.error))?;
        Ok(())
    }

    fn record(&self, name: &str, line: &impl Serialize) -> Result<(), RunError> {
        let path = self.folder.join(name);
        let text = serde_json::to_string(line).map_err(|e| RunError::Step(e.to_string()))?;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        file.as_mut()
            .map_err(|e| std::io::Error::new(e.kind(), e.to_string()))
            .and_then(|f| writeln!(f, "{text}"))
            .map_err(|e| RunError::Io(path, e))
    }

    fn load_checkpoint(&mut self) -> Result<(), RunError> {
        let path = self.checkpoint_path();
        let bytes = std::fs::read(&path).map_err(|e| RunError::Io(path.clone(), e))?;
        let checkpoint = Checkpoint::from_bytes(&bytes, &self.recipe, self.values.len());
        let checkpoint = checkpoint.map_err(|e| RunError::Checkpoint(path, e))?;
        (self.step, self.seconds) = (checkpoint.step, checkpoint.seconds);
        (self.values, self.average, self.adam) = (checkpoint.values, checkpoint.average, checkpoint.adam);
        // What was recorded after the checkpoint happens again.
        for (name, key) in [("history.jsonl", "step"), ("progress.jsonl", "steps")] {
            let path = self.folder.join(name);
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let earlier = |line: &&str| {
                let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
                let at = value.and_then(|v| v.get(key)?.as_u64());
                at.is_some_and(|at| if key == "step" { at < self.step } else { at <= self.step })
            };
            let kept: Vec<&str> = text.lines().filter(earlier).collect();
            let kept = if kept.is_empty() { String::new() } else { kept.join("\n") + "\n" };
            std::fs::write(&path, kept).map_err(|e| RunError::Io(path, e))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;
    use crate::training::parameters::singles;
    use crate::training::recipe::Material;
    use spherescope_model::config::{AuGeonetConfig, BinMap, PaperConfig, Phase, RelativeEncoding};

    fn tiny() -> Recipe {
        let mut recipe = Recipe::named("quick").unwrap();
        let AuGeonetConfig::Lifted(sizes) = &mut recipe.network.augeonet else { panic!("expected the lifted one") };
        (sizes.quadrature, sizes.channels, sizes.blocks, sizes.order, sizes.bins) = (48, 8, 1, 4, 24);
        recipe.stages.truncate(2);
        for stage in &mut recipe.stages {
            (stage.steps, stage.batch, stage.crop_s, stage.directions) = (3, 3, 0.2, 64);
        }
        recipe.stages[1].material = Material::Analytic;
        recipe.stages[0].muon = 0.2;
        recipe
    }

    fn signals() -> Vec<Vec<f32>> {
        vec![crate::sources::babble(5, 16_000, 2.0)]
    }

    fn finish(run: &mut Run) -> Vec<u8> {
        while run.advance().unwrap().is_some() {}
        run.save().unwrap();
        std::fs::read(run.weights_path()).unwrap()
    }

    #[test]
    fn a_killed_run_ends_where_an_unbroken_one_does_on_any_number_of_threads() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let expected = finish(&mut Run::open(folders[0].path(), tiny(), signals(), None, 2).unwrap());
        let mut first = Run::open(folders[1].path(), tiny(), signals(), None, 1).unwrap();
        first.advance().unwrap();
        first.advance().unwrap();
        first.save().unwrap();
        // This step is lost with the process.
        first.advance().unwrap();
        drop(first);
        let mut second = Run::open(folders[1].path(), tiny(), signals(), None, 3).unwrap();
        assert_eq!(second.steps_done(), 2);
        assert!(finish(&mut second) == expected);
        let lines = std::fs::read_to_string(folders[1].path().join("history.jsonl")).unwrap();
        let steps: Vec<u64> = lines.lines().map(|l| serde_json::from_str::<StepReport>(l).unwrap().step).collect();
        assert_eq!(steps, [0, 1, 2, 3, 4, 5]);
        let network = Network::from_bytes(&expected).unwrap();
        assert_eq!(network.config(), &tiny().network);
    }

    #[test]
    fn the_loss_falls_on_spectra_without_audio() {
        let mut recipe = tiny();
        recipe.stages = vec![Stage { steps: 60, batch: 6, rate: [1e-2, 1e-2], ..recipe.stages[1].clone() }];
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::open(folder.path(), recipe, Vec::new(), None, 2).unwrap();
        let mut losses = Vec::new();
        while let Some(report) = run.advance().unwrap() {
            losses.push(report.loss);
        }
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        assert!(mean(&losses[50..]) < 0.8 * mean(&losses[..10]), "{losses:?}");
        let sources = crate::sets::Sources { name: "test".into(), signals: signals() };
        let errors = crate::evaluate::progress::measure(run.network().unwrap(), &sources, 4, 2).unwrap();
        assert!(errors.mean_deg().unwrap() < 75.0, "{:?}", errors.mean_deg());
    }

    fn paper() -> Recipe {
        let mut recipe = tiny();
        recipe.network.augeonet = AuGeonetConfig::Paper(PaperConfig {
            bins: 24,
            range_hz: [93.75, 7187.5],
            bin_map: BinMap::Logit,
            channels: 16,
            latent: 16,
            outputs: 2,
            heads: 4,
            extractor: 2,
            dual_paths: 1,
            encoding: RelativeEncoding::Fm,
            film: true,
            phase: Phase::GccPhat,
            fixed_grid: 0,
        });
        recipe
    }

    #[test]
    fn the_papers_network_learns_and_keeps_running_moments() {
        let mut recipe = paper();
        recipe.stages = vec![Stage { steps: 200, batch: 8, rate: [4e-3, 1e-3], ..recipe.stages[1].clone() }];
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::open(folder.path(), recipe, Vec::new(), None, 2).unwrap();
        let mut losses = Vec::new();
        while let Some(report) = run.advance().unwrap() {
            losses.push(report.loss);
        }
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        assert!(mean(&losses[150..]) < 0.9 * mean(&losses[..10]), "{losses:?}");
        run.save().unwrap();
        let bytes = std::fs::read(run.weights_path()).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let moments = singles(&file.tensor("first_norm.running_variance").unwrap()).unwrap();
        assert!(moments.iter().any(|v| (v - 1.0).abs() > 0.1), "{moments:?}");
    }

    #[test]
    fn the_gradient_of_the_bins_is_the_slope_of_the_loss() {
        for mut recipe in [tiny(), paper()] {
            if let AuGeonetConfig::Lifted(sizes) = &mut recipe.network.augeonet {
                // What evidence, votes and levels make of a bin is not followed.
                (sizes.evidence, sizes.votes, sizes.levels) = (0, 0, 0);
            }
            let stage = recipe.stages[1].clone();
            let parameters = Parameters::fresh(&recipe.network, 1, true).unwrap();
            let network = Network::from_bytes(&parameters.file_with(&parameters.values().unwrap()).unwrap()).unwrap();
            let mut source = CropSource::new(Vec::new(), network.timing(), Vec::new());
            source.learn_bins = true;
            let mut loss_at = |values: &[f32]| {
                parameters.set_values(values).unwrap();
                source.frequencies_hz = parameters.frequencies_hz().unwrap();
                let crop = source.crop(11, &stage).unwrap();
                let module = parameters.module().unwrap();
                let asked = candidates(&crop, &stage, &mut stream(1, 1)).unwrap();
                loss_of(&module, &crop, &stage, &asked, &mut module.start_training()).unwrap()
            };
            let values = parameters.values().unwrap();
            let gradient = parameters.gradient(&loss_at(&values)).unwrap();
            let bins = parameters.bins();
            for i in [0, 3, 12] {
                let moved = |by: f32| {
                    let mut values = values.clone();
                    values[bins.start + i] += by;
                    values
                };
                let [up, down] = [0.05, -0.05].map(|by| loss_at(&moved(by)).to_scalar::<f32>().unwrap());
                let (slope, found) = ((up - down) / 0.1, gradient[bins.start + i]);
                assert!((slope - found).abs() < 0.1 * slope.abs() + 3e-5, "{i}: {slope} {found}");
                assert!(slope.abs() > 1e-6, "{i}: the test must see something");
            }
        }
    }

    #[test]
    fn learned_bins_move_and_stay_in_order() {
        let recipe = tiny();
        assert!(recipe.learn_bins);
        let folder = tempfile::tempdir().unwrap();
        let bytes = finish(&mut Run::open(folder.path(), recipe.clone(), signals(), None, 2).unwrap());
        let found = Network::from_bytes(&bytes).unwrap().frequencies_hz().to_vec();
        let start = Parameters::fresh(&recipe.network, recipe.seed, false).unwrap().frequencies_hz().unwrap();
        assert!(found.iter().zip(&start).any(|(a, b)| (a - b).abs() > 0.05), "{found:?}");
        assert!(found.windows(2).all(|w| w[1] > w[0]));
        let frozen = Recipe { learn_bins: false, ..recipe };
        let folder = tempfile::tempdir().unwrap();
        let bytes = finish(&mut Run::open(folder.path(), frozen, signals(), None, 2).unwrap());
        assert_eq!(Network::from_bytes(&bytes).unwrap().frequencies_hz(), start);
    }

    #[test]
    fn bins_that_are_not_learned_stay_those_of_the_weights_that_one_begins_from() {
        let bins = |bytes: &[u8]| Network::from_bytes(bytes).unwrap().frequencies_hz().to_vec();
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let start = finish(&mut Run::open(folders[0].path(), tiny(), signals(), None, 2).unwrap());
        let frozen = Recipe { learn_bins: false, ..tiny() };
        let end = finish(&mut Run::open(folders[1].path(), frozen, signals(), Some(&start), 2).unwrap());
        assert_eq!(bins(&end), bins(&start));
        assert_ne!(end, start);
    }

    #[test]
    fn another_recipe_is_not_continued() {
        let folder = tempfile::tempdir().unwrap();
        Run::open(folder.path(), tiny(), signals(), None, 1).unwrap().save().unwrap();
        let other = Recipe { seed: 2, ..tiny() };
        let error = Run::open(folder.path(), other, signals(), None, 1).unwrap_err().to_string();
        assert!(error.contains("checkpoint.safetensors") && error.contains("recipe"), "{error}");
    }
}
