//! Loss and gradient from another program, for machines with a GPU.
//!
//! The program mirrors the lifted network in whatever runs fast there; `model/train/gpu/learner.py` is one, and says what goes to and
//! fro. Crops, what the evidence says of them, labels, steps and checkpoints stay here.

use std::fmt;
use std::io::{BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::json;
use spherescope_dsp::harmonics::real_harmonics;
use spherescope_dsp::nudft::Complex32;
use spherescope_dsp::steered::{SteeredResponse, SteeredScratch};
use spherescope_dsp::{Direction, Grid};
use spherescope_model::SPEED_OF_SOUND_M_S;
use spherescope_model::config::{AuGeonetConfig, LiftedConfig};
use spherescope_model::evidence::{EvidenceSetup, EvidenceState, Response};

use super::crop::Crop;
use super::objective::labels;
use super::parameters::Parameters;
use super::recipe::{Recipe, Stage};

/// What a crop's record needs to know of the network.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    sizes: LiftedConfig,
    hop_s: f64,
    frequencies_hz: Vec<f64>,
    quadrature: Vec<Direction>,
}

/// A program that computes losses and gradients.
pub(super) struct Learner {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    /// Number of values that are trained.
    values: usize,
    pub(super) recorder: Recorder,
}

impl fmt::Debug for Learner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Learner(process {}, {} values)", self.child.id(), self.values)
    }
}

fn singles(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

impl Learner {
    /// Starts `command`, a program and its arguments with spaces between them.
    ///
    /// # Errors
    /// A network that learners do not know, or a program that does not start.
    pub(super) fn start(command: &str, recipe: &Recipe, parameters: &Parameters) -> Result<Self, String> {
        let sizes = match &recipe.network.augeonet {
            AuGeonetConfig::Lifted(sizes) if sizes.levels > 0 && !sizes.memory_s.is_empty() && !recipe.learn_bins => {
                sizes.clone()
            }
            _ => return Err("learner: expected a lifted network with memory, votes and levels whose bins stay".into()),
        };
        let frequencies_hz = parameters.frequencies_hz().map_err(|e| e.to_string())?;
        let quadrature = Grid::fibonacci(sizes.quadrature).map_err(|e| e.to_string())?.directions().to_vec();
        let mut words = command.split_whitespace();
        let program = words.next().ok_or("learner: expected a program, found nothing")?;
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("learner: {program}: {e}"))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("learner: {program}: expected two pipes"));
        };
        let header = json!({
            "config": recipe.network,
            "parameters": parameters.shapes(),
            "speed_of_sound_m_s": SPEED_OF_SOUND_M_S,
        })
        .to_string();
        let mut begin = (header.len() as u32).to_le_bytes().to_vec();
        begin.extend(header.into_bytes());
        begin.extend(singles(frequencies_hz.iter().map(|f| *f as f32)));
        begin.extend(harmonics_of(&quadrature, sizes.order));
        begin.extend(singles(quadrature.iter().flat_map(|d| d.unit()).map(|x| x as f32)));
        let hop_s = recipe.network.hop_s;
        let recorder = Recorder { sizes, hop_s, frequencies_hz, quadrature };
        let mut learner =
            Self { child, to: Some(to), from: BufReader::new(from), values: parameters.trained_len(), recorder };
        learner.send(&[&begin])?;
        Ok(learner)
    }

    fn send(&mut self, parts: &[&[u8]]) -> Result<(), String> {
        let Some(to) = &mut self.to else { return Err("learner: its input is closed".into()) };
        for part in parts {
            to.write_all(part).map_err(|e| format!("learner: {e}"))?;
        }
        to.flush().map_err(|e| format!("learner: {e}"))
    }

    /// Mean loss and gradient of some crops' records at these values.
    ///
    /// # Errors
    /// A program that ended, or whose pipes broke.
    pub(super) fn learn(
        &mut self,
        values: &[f32],
        stage: &Stage,
        records: &[Vec<u8>],
    ) -> Result<(f64, Vec<f32>), String> {
        let mut first = singles(values.iter().copied().chain([stage.positive_weight, stage.contrast]));
        for count in [stage.beamwidth_deg.len(), records.len()] {
            first.extend((count as u32).to_le_bytes());
        }
        let parts: Vec<&[u8]> = std::iter::once(&first[..]).chain(records.iter().map(Vec::as_slice)).collect();
        self.send(&parts)?;
        let mut bytes = vec![0; 4 * (1 + self.values)];
        self.from.read_exact(&mut bytes).map_err(|e| format!("learner: expected a gradient, found {e}"))?;
        let mut numbers = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let loss = f64::from(numbers.next().unwrap_or(f32::NAN));
        Ok((loss, numbers.collect()))
    }
}

impl Drop for Learner {
    fn drop(&mut self) {
        // The end of its input is the end of its work.
        self.to = None;
        let _ = self.child.wait();
    }
}

impl Recorder {
    /// A crop as learners read it.
    pub(super) fn record(&self, crop: &Crop, stage: &Stage, candidates: &[Direction]) -> Vec<u8> {
        let positions = crop.array.relative_positions_m();
        let counts = [positions.len(), crop.frames, candidates.len()];
        let mut record: Vec<u8> = counts.into_iter().flat_map(|n| (n as u32).to_le_bytes()).collect();
        record.extend(singles(positions.iter().flatten().map(|x| *x as f32)));
        record.extend(singles(crop.phat.iter().flat_map(|x: &Complex32| [x.re, x.im])));
        record.extend(singles(crop.level_slopes.iter().copied()));
        let steering = SteeredResponse::new(&crop.array, &self.quadrature, &self.frequencies_hz, SPEED_OF_SOUND_M_S);
        let mut responses = Vec::with_capacity(self.frequencies_hz.len() * crop.frames);
        steering.respond(&crop.phat, crop.frames, &mut SteeredScratch::default(), |_, response| {
            responses.extend(response.chunks_exact(self.quadrature.len()).map(Response::of));
        });
        let setup = EvidenceSetup::new(&positions, &self.frequencies_hz, SPEED_OF_SOUND_M_S, self.sizes.context);
        let (mut evidence, mut of_frames) = (Vec::new(), Vec::new());
        let into = [&mut evidence, &mut of_frames];
        EvidenceState::default().follow(&setup, &crop.power, &responses, self.hop_s, into);
        record.extend(singles(evidence));
        record.extend(singles(of_frames));
        record.extend(harmonics_of(candidates, self.sizes.order));
        for beamwidth_deg in &stage.beamwidth_deg {
            record.extend(singles(labels(crop, candidates, *beamwidth_deg)));
        }
        record
    }
}

/// `[D][S]`.
fn harmonics_of(directions: &[Direction], order: usize) -> Vec<u8> {
    singles(directions.iter().flat_map(|d| real_harmonics(d, order)).map(|y| y as f32))
}
