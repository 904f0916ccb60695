//! The figures as tables in Markdown.

use std::fmt::Write as _;

use spherescope_model::Engine;

use super::pipeline::IN_TENSORS;
use super::{Figures, Pipeline, USUAL};
use crate::evaluate::report::{head, row};

/// What the whole pipeline may cost on one core at 2048 directions, by capsules.
const TARGETS: [(usize, f64); 4] = [(4, 0.01), (12, 0.02), (32, 0.05), (64, 0.10)];

/// The report: where it comes from, then a table for each group.
pub fn report(figures: &Figures, command: &str, commit: Option<&str>) -> String {
    let mut text = format!("## Speed\n\nPrinted by\n\n    {command}\n\n");
    if let Some(commit) = commit {
        let _ = writeln!(text, "- Commit: {commit}");
    }
    let _ = writeln!(text, "- Processor: {}, one core; CPU time, medians of several runs", figures.processor);
    if figures.debug {
        text += "- With debug assertions: these figures do not count\n";
    }
    if figures.quick {
        text += "- A short run: few sizes, figures scatter\n";
    }
    pipeline(&mut text, figures);
    rates(&mut text, figures);
    at_once(&mut text, figures);
    transforms(&mut text, figures);
    changes(&mut text, figures);
    audio_thread(&mut text, figures);
    memory(&mut text, figures);
    stages(&mut text, figures);
    text
}

/// The distinct values of a list, in its order.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.fold(Vec::new(), |mut all, value| {
        if !all.contains(&value) {
            all.push(value);
        }
        all
    })
}

fn found(list: &[Pipeline], engine: Engine, wanted: impl Fn(&Pipeline) -> bool) -> Option<f64> {
    list.iter().find(|p| p.engine == engine.id() && wanted(p)).map(|p| p.load)
}

fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".into(), |v| format!("{v:.digits$}"))
}

fn ratio(a: Option<f64>, b: Option<f64>) -> String {
    a.zip(b).map_or("–".into(), |(a, b)| format!("{:.2}", a / b))
}

fn pipeline(text: &mut String, figures: &Figures) {
    text.push_str("\n### Whole pipeline\n\nCPU seconds for a second of audio at 48 kHz in blocks of 512 frames.\n\n");
    let directions = distinct(figures.pipeline.iter().map(|p| p.directions));
    let mut columns = vec!["capsules".to_owned(), format!("target, {} directions", USUAL.1)];
    for engine in Engine::ALL {
        columns.extend(directions.iter().map(|d| format!("{}, {d}", engine.name())));
    }
    columns.push(format!("AGG-RL / SRP-PHAT, {}", USUAL.1));
    columns.push(format!("AGG-RL in candle's tensors, {}", USUAL.1));
    columns.push("tensors / AGG-RL".into());
    *text += &head(&columns);
    for capsules in distinct(figures.pipeline.iter().map(|p| p.capsules)) {
        let target = TARGETS.iter().find(|t| t.0 == capsules).map(|t| t.1);
        let mut cells = vec![capsules.to_string(), target.map_or("–".into(), |t| format!("≤ {t}"))];
        let load = |engine, d| found(&figures.pipeline, engine, |p| p.capsules == capsules && p.directions == d);
        for engine in Engine::ALL {
            cells.extend(directions.iter().map(|&d| cell(load(engine, d), 4)));
        }
        cells.push(ratio(load(Engine::AggRl, USUAL.1), load(Engine::SrpPhat, USUAL.1)));
        let same = |p: &&Pipeline| p.engine == IN_TENSORS && (p.capsules, p.directions) == (capsules, USUAL.1);
        let tensors = figures.pipeline.iter().find(same).map(|p| p.load);
        cells.push(cell(tensors, 4));
        cells.push(ratio(tensors, load(Engine::AggRl, USUAL.1)));
        *text += &row(cells);
    }
}

fn rates(text: &mut String, figures: &Figures) {
    let capsules = figures.at_rates.first().map_or(0, |p| p.capsules);
    let _ = writeln!(text, "\n### Sample rates\n\n{capsules} capsules, {} directions.\n", USUAL.1);
    *text += &head(&["sample rate", "AGG-RL", "SRP-PHAT", "AGG-RL / SRP-PHAT"].map(String::from));
    for rate_hz in distinct(figures.at_rates.iter().map(|p| p.rate_hz)) {
        let [a, b] = Engine::ALL.map(|engine| found(&figures.at_rates, engine, |p| p.rate_hz == rate_hz));
        *text += &row([format!("{} kHz", rate_hz / 1e3), cell(a, 4), cell(b, 4), ratio(a, b)]);
    }
}

fn at_once(text: &mut String, figures: &Figures) {
    *text += "\n### Instances at the same time\n\nEach on its own thread with as much audio as it can take: CPU seconds of one for a second of audio, and the time of the slowest over the time of the fastest.\n\n";
    *text += &head(&["instances", "capsules", "AGG-RL, each", "slowest / fastest"].map(String::from));
    for a in &figures.at_once {
        *text += &row([
            a.instances.to_string(),
            a.capsules.to_string(),
            cell(Some(a.load), 4),
            format!("{:.2}", a.unfairness),
        ]);
    }
}

fn transforms(text: &mut String, figures: &Figures) {
    let bins = figures.transforms.first().map_or(0, |t| t.bins);
    let _ = writeln!(
        text,
        "\n### Non-uniform DFT\n\nMicroseconds for one window of one capsule and {bins} bins. Targets: at least 4 times faster than the direct sum, \
         at most 3 times slower than a real FFT of the window's length, error at most 1e-5 of the spectrum's rms. \"Sum, table\" takes its \
         exponentials from a table in single precision, \"sum\" computes them in double precision.\n"
    );
    let columns = [
        "sample rate",
        "N",
        "NUDFT",
        "real FFT",
        "sum, table",
        "sum",
        "NUDFT / FFT",
        "table / NUDFT",
        "sum / NUDFT",
        "error",
    ];
    *text += &head(&columns.map(String::from));
    for t in &figures.transforms {
        let us = |s: f64| format!("{:.2}", 1e6 * s);
        *text += &row([
            format!("{} kHz", t.rate_hz / 1e3),
            t.window_frames.to_string(),
            us(t.nudft_s),
            us(t.fft_s),
            us(t.table_s),
            us(t.sum_s),
            ratio(Some(t.nudft_s), Some(t.fft_s)),
            ratio(Some(t.table_s), Some(t.nudft_s)),
            ratio(Some(t.sum_s), Some(t.nudft_s)),
            format!("{:.1e}", t.error),
        ]);
    }
}

fn changes(text: &mut String, figures: &Figures) {
    *text += "\n### Changes of settings\n\nMilliseconds at 48 kHz, the tables of the peak finder included. Targets: 50 ms for a new grid or array.\n\n";
    *text += &head(&["change", "AGG-RL", "SRP-PHAT"].map(String::from));
    for change in &figures.changes {
        let [a, b] = change.cpu_s.map(|s| format!("{:.2}", 1e3 * s));
        *text += &row([change.what.clone(), a, b]);
    }
}

fn audio_thread(text: &mut String, figures: &Figures) {
    let c = &figures.copy;
    let _ = writeln!(
        text,
        "\n### Audio thread\n\nThe copy of a block into the pool, microseconds on the wall over {} blocks: what other programs take from this one \
         counts in the worst. Target: 5 µs.\n",
        c.blocks
    );
    *text += &head(&["block", "median", "99.9 %", "worst"].map(String::from));
    let us = |s: f64| format!("{:.2}", 1e6 * s);
    *text += &row([format!("{} × {}", c.frames, c.channels), us(c.median_s), us(c.late_s), us(c.worst_s)]);
}

fn memory(text: &mut String, figures: &Figures) {
    *text += "\n### Memory\n\nGrowth of the resident set in MB, peak finder included. Target: 60 MB for an active instance.\n\n";
    *text += &head(&["what", "MB"].map(String::from));
    for part in &figures.memory {
        *text += &row([part.what.clone(), cell(part.mb, 1)]);
    }
}

fn stages(text: &mut String, figures: &Figures) {
    let _ = writeln!(
        text,
        "\n### Where the time of AGG-RL goes\n\nMilliseconds of CPU for a second of audio at 48 kHz and {} directions, and the share of the whole.\n",
        USUAL.1
    );
    let _ = writeln!(
        text,
        "In brackets, where it can be counted: 10⁹ multiplications with additions in that second of audio, and the pace as a share of what a large \
         matrix product reaches on this core, {:.0}·10⁹ a second. No order of the same sums is faster than 100 %.\n",
        1e-9 * figures.multiply_adds_per_s
    );
    let mut columns = vec!["stage".to_owned()];
    columns.extend(figures.stages.iter().filter_map(|s| s.first()).map(|s| format!("{} capsules", s.capsules)));
    *text += &head(&columns);
    for (index, named) in figures.stages.first().into_iter().flatten().enumerate() {
        let mut cells = vec![named.stage.to_owned()];
        for of_array in &figures.stages {
            let whole = of_array.iter().find(|s| s.stage == super::WHOLE).map_or(0.0, |s| s.load);
            let stage = of_array.get(index);
            let part = stage.map_or(0.0, |s| s.load);
            let mut cell = format!("{:.2} · {:.0} %", 1e3 * part, 100.0 * part / whole);
            if let Some(count) = stage.and_then(|s| s.multiply_adds).filter(|_| part > 0.0) {
                let pace = 100.0 * count / part / figures.multiply_adds_per_s;
                let _ = write!(cell, " ({:.2}, {pace:.0} %)", 1e-9 * count);
            }
            cells.push(cell);
        }
        *text += &row(cells);
    }
}
