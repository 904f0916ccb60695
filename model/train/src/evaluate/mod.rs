//! Evaluation: the network and its classical rivals on the same frames of sets with known truth.
//!
//! In the order of the data flow: [`options`] says what to run, [`crate::sets`] and [`crate::measured`] give recordings,
//! [`listen`] and [`rivals`] turn them into peaks, [`protocol`] (number of sources given) and [`product`] (not given) and
//! [`calibration`] judge the peaks, [`report`] makes tables of it. [`evaluate`] is the whole.

pub mod calibrate;
pub mod calibration;
pub mod canvas;
pub mod freedom;
pub mod judged;
pub mod listen;
pub mod options;
pub mod picture;
pub mod product;
pub mod progress;
pub mod protocol;
pub mod report;
pub mod rivals;
pub mod run;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use spherescope_dsp::Grid;
use spherescope_model::network::SHIPPED_WEIGHTS;
use spherescope_model::{Engine, Network};

use crate::measured;
use crate::sets::{Set, Sources};
use judged::{AT_DEG, Outcome};
use listen::{NamedNetwork, Recording, Sphere};
use options::{Options, Part};
use picture::LearningRun;
use progress::Progress;
use protocol::median;
use report::{head, row};
use run::Bench;

/// D, the number of candidate directions.
pub const DIRECTIONS: usize = 2048;
/// Seed of the measured rooms' speech and noise.
const ROOMS_SEED: u64 = 0x5e75_0000_0000_0001;

/// The paper's own figures, which no other data can repeat exactly.
const PAPER: &str = "
The paper (AGG-RL, ICLR 2026) reports mean errors on data of its own after which sim-s and sim-u are drawn: SRP-PHAT 43.89° and 38.40°, \
AGG-RL 10.32° and 14.12°. SRP-PHAT on 2048 directions is the check that frames of like difficulty are counted.
";

/// Why an evaluation ended without a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A file or folder that the command line names cannot be used.
    Input(String),
    /// The run itself failed.
    Run(String),
}

/// Runs everything that the options ask for; the report in Markdown. Progress goes to stderr.
///
/// # Errors
/// [`Failure`] with a sentence that names the option and file, or the set and scene.
pub fn evaluate(options: &Options) -> Result<String, Failure> {
    let (networks, weights) = networks(&options.weights)?;
    let sources = match &options.sources {
        Some(folder) => Sources::folder(folder).map_err(|e| Failure::Input(format!("--sources: {e}")))?,
        None => {
            eprintln!("no folder of dry recordings (--sources): talkers are {}", Sources::built_in().name);
            Sources::built_in()
        }
    };
    let grid = Grid::fibonacci(DIRECTIONS).map_err(|e| Failure::Run(e.to_string()))?;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let bench = Bench {
        networks,
        sphere: Sphere::new(grid),
        rivals: options.rivals,
        threshold: options.threshold.unwrap_or(Engine::AggRl.default_threshold()),
        before_s: f64::from(options.before_s),
        threads: options.threads.unwrap_or_else(cores),
    };

    let mut results: Vec<(Part, Vec<Outcome>)> = Vec::new();
    let mut notes = Vec::new();
    let mut freedom = String::new();
    for &part in &options.parts {
        match part {
            Part::Set(set) => {
                let wanted = options.first..options.first + scenes(options, set.scenes());
                let outcomes = bench.set(set, wanted, &sources).map_err(Failure::Run)?;
                results.push((part, outcomes));
            }
            Part::MeasuredRooms => match &options.rooms {
                Some(folder) => results.push((part, rooms(&bench, folder, options, &sources)?)),
                None => notes.push(format!("{}: skipped: no folder of room responses (--rooms).", part.id())),
            },
            Part::Grids => {
                let count = scenes(options, freedom::GRID_SCENES);
                freedom += &freedom::grids_table(&bench, count, &sources).map_err(Failure::Run)?;
            }
            Part::Arrays => {
                let count = scenes(options, freedom::ARRAY_SCENES);
                freedom += &freedom::arrays_table(&bench, count, &sources).map_err(Failure::Run)?;
            }
            Part::Listening => {
                let count = scenes(options, freedom::LISTENING_SCENES);
                freedom += &freedom::listening_table(&bench, count, &sources).map_err(Failure::Run)?;
            }
        }
    }

    let mut text = preamble(options, &bench, &weights, &sources);
    if !results.is_empty() {
        text += &per_frame(&results, &bench.engines());
    }
    for note in &notes {
        let _ = writeln!(text, "\n{note}");
    }
    text += &in_parts(&results, &bench.engines());
    if !results.is_empty() {
        text += &as_product(&results, &bench);
    }
    text += &calibrated(&results, &bench);
    text += &freedom;
    if let Some(folder) = &options.pictures {
        text += &pictures(folder, options, &results, &bench, &sources).map_err(Failure::Run)?;
    }
    Ok(text)
}

fn scenes(options: &Options, usual: usize) -> usize {
    match options.scenes {
        Some(n) => n,
        None if options.quick => usual.div_ceil(10),
        None => usual,
    }
}

/// The networks and a line for each: its name, its file and the checksum.
fn networks(files: &[std::path::PathBuf]) -> Result<(Vec<NamedNetwork>, Vec<String>), Failure> {
    let line = |name: &str, bytes: &[u8], network: &Network| {
        let digest: String = Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let late = match network.config().look_ahead {
            0 => String::new(),
            frames => {
                let late_ms = 1e3 * frames as f64 * network.timing().hop_s;
                format!("; a spectrum is known {late_ms:.0} ms after its window, and is counted as the window's")
            }
        };
        format!("`{name}`, SHA-256 {digest}{late}")
    };
    if files.is_empty() {
        let network = Network::shipped().map_err(|e| Failure::Run(e.to_string()))?;
        let lines = vec![line("assets/weights (shipped)", SHIPPED_WEIGHTS, &network)];
        return Ok((vec![NamedNetwork { name: "AGG-RL".into(), network }], lines));
    }
    let (mut networks, mut lines) = (Vec::new(), Vec::new());
    for file in files {
        let fail = |e: String| Failure::Input(format!("--weights: {}: {e}", file.display()));
        let bytes = std::fs::read(file).map_err(|e| fail(e.to_string()))?;
        let network = Network::from_bytes(&bytes).map_err(|e| fail(e.to_string()))?;
        let stem = file.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        let name = if files.len() == 1 { "AGG-RL".to_owned() } else { format!("AGG-RL {stem}") };
        lines.push(line(&stem, &bytes, &network));
        networks.push(NamedNetwork { name, network: Arc::new(network) });
    }
    Ok((networks, lines))
}

fn rooms(bench: &Bench, folder: &Path, options: &Options, sources: &Sources) -> Result<Vec<Outcome>, Failure> {
    let responses = measured::responses(folder).map_err(|e| Failure::Input(format!("--rooms: {e}")))?;
    if responses.is_empty() {
        let found = folder.display();
        return Err(Failure::Input(format!(
            "--rooms: expected responses whose names carry a place, such as S030-150, found none in {found}"
        )));
    }
    // Few of them, spread over both states of the room.
    let wanted = scenes(options, responses.len()).min(responses.len());
    let chosen = |index: usize| &responses[index * responses.len() / wanted];
    let hear = |index: usize| {
        let recording = measured::render(chosen(index), sources, ROOMS_SEED)?;
        bench.hear(&Recording { before_s: bench.before_s, ..recording })
    };
    bench.each(Part::MEASURED_ROOMS, wanted, hear).map_err(Failure::Run)
}

fn preamble(options: &Options, bench: &Bench, weights: &[String], sources: &Sources) -> String {
    let mut text = String::new();
    let command = options.command.clone().unwrap_or_else(|| {
        let words: Vec<String> = std::env::args().skip(1).collect();
        format!("evaluate {}", words.join(" ")).trim_end().to_owned()
    });
    let _ = writeln!(text, "Printed by\n\n    {command}\n");
    if let Some(commit) = &options.commit {
        let _ = writeln!(text, "- Commit: {commit}");
    }
    for line in weights {
        let _ = writeln!(text, "- Weights: {line}");
    }
    let _ = writeln!(text, "- Talkers: {}", sources.name);
    let _ = writeln!(
        text,
        "- {DIRECTIONS} directions, windows of 32 ms every 16 ms; threshold of AGG-RL {:.2}, of SRP-PHAT {:.2}",
        bench.threshold,
        Engine::SrpPhat.default_threshold()
    );
    if options.first > 0 {
        let _ = writeln!(text, "- Scenes from number {} on: not those of the published tables", options.first);
    }
    if options.before_s > 0 {
        let _ = writeln!(
            text,
            "- Each scene of a set is heard over and over for {} s before its windows count: not so in the published tables",
            options.before_s
        );
    }
    if options.quick || options.scenes.is_some() {
        text += "- A short run: few scenes, figures scatter\n";
    }
    text
}

fn per_frame(results: &[(Part, Vec<Outcome>)], engines: &[String]) -> String {
    let mut columns = vec!["set".to_owned(), "pairs".to_owned()];
    columns.extend_from_slice(engines);
    let mut text = String::from(
        "\n## Frame by frame, the number of sources given\n\nMean · median · share within 10° of the angle between source and peak.\n\n",
    );
    text += &head(&columns);
    for (part, outcomes) in results.iter().filter(|(part, _)| *part != Part::Set(Set::Quiet)) {
        text += &report::set_row(part.id(), outcomes, engines.len());
    }
    text += "\nSets:\n\n";
    for (part, _) in results {
        let what = match part {
            Part::Set(set) => set.what(),
            _ => "measured responses of an open array of seven capsules, one loudspeaker, white noise 5 to 25 dB below",
        };
        let _ = writeln!(text, "- {}: {what}", part.id());
    }
    if !paper_like(results).is_empty() {
        text += PAPER;
    }
    text
}

/// The outcomes of the paper-like sets.
fn paper_like(results: &[(Part, Vec<Outcome>)]) -> Vec<&Outcome> {
    let wanted = [Part::Set(Set::S), Part::Set(Set::U)];
    results.iter().filter(|(part, _)| wanted.contains(part)).flat_map(|(_, outcomes)| outcomes).collect()
}

fn in_parts(results: &[(Part, Vec<Outcome>)], engines: &[String]) -> String {
    let outcomes = paper_like(results);
    if outcomes.is_empty() {
        return String::new();
    }
    let mut text = format!("\n## sim-s and sim-u in parts\n\n{}", report::parts_table(&outcomes, engines));
    let _ = write!(
        text,
        "\nWhere the peaks are: share of the pairs · part of the mean error, in both sets together. A wrong peak within {AT_DEG}° of a \
         talker stands for that talker.\n\n{}",
        report::places_table(&outcomes, engines)
    );
    text
}

fn as_product(results: &[(Part, Vec<Outcome>)], bench: &Bench) -> String {
    let mut text = String::from(
        "\n## As the plugin shows it, the number of sources not known\n\nPeaks above threshold and level gate. A peak is right \
         within 20° of a sounding source, one for each; peaks of a source that fell silent less than 0.5 s ago do not count; all \
         others are wrong. A false detection is a wrong peak without any peak within 20° in the 0.5 s before.\n\n",
    );
    text += &report::product_head();
    let srp = [("SRP-PHAT", 0), ("SRP-PHAT smoothed", 1)];
    for (part, outcomes) in results {
        for (engine, named) in bench.networks.iter().enumerate() {
            text += &report::product_row(part.id(), &named.name, bench.threshold, &report::counts(outcomes, engine));
        }
        for (name, offset) in srp.iter().filter(|_| bench.rivals) {
            let counts = report::counts(outcomes, bench.networks.len() + offset);
            text += &report::product_row(part.id(), name, Engine::SrpPhat.default_threshold(), &counts);
        }
    }
    if let Some((_, outcomes)) = results.iter().find(|(part, _)| *part == Part::Set(Set::Moving)) {
        text += "\nLag behind the talkers of sim-moving, who go round at 30° a second (median, peaks within 45°; by the windows' own time):\n\n";
        text += &head(&["engine", "lag", "in time"].map(String::from));
        for (engine, name) in bench.engines().iter().enumerate() {
            let lags: Vec<f64> = outcomes.iter().flat_map(|o| o.judged[engine].lags_deg.iter().copied()).collect();
            let lag = median(&lags);
            text += &row([
                name.clone(),
                lag.map_or("–".into(), |l| format!("{l:.1}°")),
                lag.map_or("–".into(), |l| format!("{:.0} ms", 1000.0 * l / crate::sets::MOVING_DEG_S)),
            ]);
        }
    }
    text
}

/// Draws the pictures into the folder; a section that shows them.
fn pictures(
    folder: &Path,
    options: &Options,
    results: &[(Part, Vec<Outcome>)],
    bench: &Bench,
    sources: &Sources,
) -> Result<String, String> {
    eprintln!("drawing");
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    // Links lead from the report's own folder.
    let from = options.write.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let link = |file: &str, what: &str| {
        let path = folder.join(file);
        let path = path.strip_prefix(from).unwrap_or(&path);
        format!("\n![{what}]({})\n", path.to_string_lossy().replace('\\', "/"))
    };
    let mut text = String::from("\n## Pictures\n");
    let outcomes = paper_like(results);
    if !outcomes.is_empty() {
        picture::error_curves(&folder.join("errors.png"), &outcomes, &bench.engines())?;
        text += &link("errors.png", "Mean error against SNR and reverberation time, sim-s and sim-u");
    }
    let curves = calibrations(results, bench);
    if curves.iter().any(|(_, c)| c.count() > 0) {
        picture::reliability(&folder.join("reliability.png"), &curves)?;
        text += &link("reliability.png", "How often a peak of a score is a source");
    }
    for named in &bench.networks {
        let file = format!("bins{}.png", suffix(bench, named));
        picture::bins(&folder.join(&file), &named.network)?;
        text += &link(&file, "Where the bins of the non-uniform DFT began and where they went");
    }
    if let Some(file) = &options.history {
        let runs = learning_runs(file)?;
        picture::learning(&folder.join("learning.png"), &runs)?;
        text += &link(
            "learning.png",
            "Mean error and share beyond 10° on scenes that nothing else uses, over the minutes of training, with a stroke where a run \
             ends",
        );
    }
    picture::maps(&folder.join("maps.png"), bench, sources)?;
    text += &link(
        "maps.png",
        "One frame of two talkers in a room: the network above, SRP-PHAT below; rings mark the talkers",
    );
    Ok(text)
}

/// What tells one network's picture from another's: nothing when there is only one.
fn suffix(bench: &Bench, named: &NamedNetwork) -> String {
    let name = named.name.trim_start_matches("AGG-RL").trim().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    if bench.networks.len() > 1 { format!("-{name}") } else { String::new() }
}

/// Reads the progress of a training run, or of the several that made a file of weights.
fn learning_runs(file: &Path) -> Result<Vec<LearningRun>, String> {
    #[derive(serde::Deserialize)]
    struct Runs {
        runs: Vec<Made>,
    }
    #[derive(serde::Deserialize)]
    struct Made {
        /// None where nobody wrote it down.
        minutes: Option<f64>,
        #[serde(default)]
        progress: Vec<Progress>,
    }
    let minutes = |progress: &[Progress]| progress.iter().map(|p| p.seconds / 60.0).fold(0.0, f64::max);
    let text = std::fs::read_to_string(file).map_err(|e| format!("--history: {}: {e}", file.display()))?;
    if let Some("json") = file.extension().and_then(|e| e.to_str()) {
        let all: Runs = serde_json::from_str(&text).map_err(|e| format!("--history: {}: {e}", file.display()))?;
        let of =
            |m: Made| LearningRun { minutes: m.minutes.unwrap_or_else(|| minutes(&m.progress)), progress: m.progress };
        return Ok(all.runs.into_iter().map(of).collect());
    }
    let read = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| format!("--history: {}, line {}: {e}", file.display(), i + 1))
    };
    let progress: Vec<Progress> = text.lines().enumerate().map(read).collect::<Result<_, _>>()?;
    Ok(vec![LearningRun { minutes: minutes(&progress), progress }])
}

/// Each network's reliability over all sets.
fn calibrations(results: &[(Part, Vec<Outcome>)], bench: &Bench) -> Vec<(String, calibration::Calibration)> {
    let of_engine = |(engine, named): (usize, &NamedNetwork)| {
        let mut calibration = calibration::Calibration::default();
        results.iter().flat_map(|(_, o)| o).for_each(|o| calibration.merge(&o.judged[engine].calibration));
        (named.name.clone(), calibration)
    };
    bench.networks.iter().enumerate().map(of_engine).collect()
}

/// The expected calibration error of each set by itself, in a line.
fn errors_by_set(results: &[(Part, Vec<Outcome>)], engine: usize) -> String {
    let of_set = |(part, outcomes): &(Part, Vec<Outcome>)| {
        let mut calibration = calibration::Calibration::default();
        outcomes.iter().for_each(|o| calibration.merge(&o.judged[engine].calibration));
        Some(format!("{} {:.3}", part.id(), calibration.expected_error()?))
    };
    let errors: Vec<String> = results.iter().filter_map(of_set).collect();
    if errors.is_empty() { String::new() } else { format!("Set by set: {}.\n", errors.join(", ")) }
}

fn calibrated(results: &[(Part, Vec<Outcome>)], bench: &Bench) -> String {
    // All that is held out and has sources; the quiet set has a column of its own.
    let outcomes: Vec<&Outcome> =
        results.iter().filter(|(part, _)| *part != Part::Set(Set::Quiet)).flat_map(|(_, outcomes)| outcomes).collect();
    let quiet = results.iter().find(|(part, _)| *part == Part::Set(Set::Quiet)).map_or(&[][..], |(_, o)| o);
    let mut text = String::new();
    if outcomes.is_empty() {
        return text;
    }
    for (engine, (name, calibration)) in calibrations(results, bench).iter().enumerate() {
        let _ = write!(
            text,
            "\n## Scores of {}\n\nAll sets above together: how often a peak of a score is a source, and what each threshold would \
             show.\n\n{}{}\n{}",
            name,
            report::calibration_table(calibration),
            errors_by_set(results, engine),
            report::threshold_table(&outcomes, quiet, engine)
        );
    }
    text
}
