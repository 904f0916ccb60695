//! The pipeline's parts, one by one.

use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Tensor};
use realfft::RealFftPlanner;
use spherescope_dsp::front_end::FrontEnd;
use spherescope_dsp::nudft::{Complex32, Nudft, direct_sum, hann};
use spherescope_dsp::{Grid, PeakFinder, PeakOptions, SampleRate, Tracker, TrackerOptions, block_pool};
use spherescope_model::{Engine, Network, SPEED_OF_SOUND_M_S, Spectra, ops};

use super::clock::{Effort, resident_mb};
use super::pipeline::{array, audio, blocks, localizer, play};
use super::{BLOCK_FRAMES, Bytes, Change, PoolCopy, Stage, Transform, USUAL, WHOLE};

/// Frames of the pool's blocks, as in the plugin: longer blocks of the host are split.
const POOL_FRAMES: usize = 256;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The non-uniform DFT of one window beside its rivals, at each rate.
pub fn transforms(rates_hz: &[f64], effort: &Effort) -> Result<Vec<Transform>, String> {
    let network = Network::shipped().map_err(text)?;
    let frequencies = network.frequencies_hz();
    let one = |&rate_hz: &f64| {
        let n = (network.timing().window_s * rate_hz).round() as usize;
        let x = &audio(1, rate_hz)[0][..n];
        let window = hann(n);
        let mut nudft = Nudft::new(n, frequencies, rate_hz, 1.0).map_err(text)?;
        let mut found = vec![Complex32::default(); frequencies.len()];
        let nudft_s = effort.call_s(|| nudft.process(x, &mut found));

        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(n);
        let singles: Vec<f32> = window.iter().map(|&w| w as f32).collect();
        let (mut windowed, mut spectrum) = (vec![0.0; n], fft.make_output_vec());
        let mut scratch = fft.make_scratch_vec();
        let fft_s = effort.call_s(|| {
            windowed.iter_mut().zip(x).zip(&singles).for_each(|((y, x), w)| *y = x * w);
            fft.process_with_scratch(&mut windowed, &mut spectrum, &mut scratch).is_ok()
        });

        let exponentials: Vec<Complex32> = frequencies
            .iter()
            .flat_map(|f| {
                let step = -std::f64::consts::TAU * f / rate_hz;
                (0..n).map(move |i| {
                    let (sin, cos) = (step * i as f64).sin_cos();
                    Complex32::new(cos as f32, sin as f32)
                })
            })
            .collect();
        let table_s = effort.call_s(|| {
            windowed.iter_mut().zip(x).zip(&singles).for_each(|((y, x), w)| *y = x * w);
            for (out, row) in found.iter_mut().zip(exponentials.chunks_exact(n)) {
                *out = row.iter().zip(&windowed).map(|(e, x)| e * x).sum();
            }
        });

        let sum_s = effort.call_s(|| direct_sum(x, &window, frequencies, rate_hz));
        let expected = direct_sum(x, &window, frequencies, rate_hz);
        nudft.process(x, &mut found);
        let size = (expected.iter().map(|e| e.norm_sqr()).sum::<f64>() / expected.len().max(1) as f64).sqrt();
        let off = |(e, f): (&realfft::num_complex::Complex<f64>, &Complex32)| {
            (f64::from(f.re) - e.re).hypot(f64::from(f.im) - e.im) / size
        };
        let error = expected.iter().zip(&found).map(off).fold(0.0, f64::max);
        Ok(Transform { rate_hz, window_frames: n, bins: frequencies.len(), nudft_s, fft_s, table_s, sum_s, error })
    };
    rates_hz.iter().map(one).collect()
}

/// A new grid, new arrays and new instances.
pub fn changes(capsules: &[usize], effort: &Effort) -> Result<Vec<Change>, String> {
    // Each of these takes milliseconds.
    let effort = Effort { run_s: 0.0, ..*effort };
    let (rate_hz, directions) = USUAL;
    let each = |what: String, measure: &dyn Fn(Engine) -> Result<f64, String>| {
        eprintln!("{what}");
        let [a, b] = Engine::ALL.map(measure);
        Ok::<_, String>(Change { what, cpu_s: [a?, b?] })
    };
    let mut all = Vec::new();
    for &c in capsules {
        all.push(each(format!("a new instance, {c} capsules, {directions} directions"), &|engine| {
            let mut outcome = Ok(());
            let time_s = effort.call_s(|| outcome = localizer(engine, c, directions, rate_hz).map(|_| ()));
            outcome.map(|()| time_s)
        })?);
        all.push(each(format!("a new grid of {directions}, {c} capsules"), &|engine| {
            let mut localizer = localizer(engine, c, 512, rate_hz)?;
            let mut outcome = Ok(());
            let time_s = effort.call_s(|| {
                outcome = Grid::fibonacci(directions).map_err(text).and_then(|grid| {
                    let grid = Arc::new(grid);
                    std::hint::black_box(PeakFinder::new(&grid));
                    localizer.set_grid(grid).map_err(text)
                });
            });
            outcome.map(|()| time_s)
        })?);
        all.push(each(format!("a new array of {c} capsules, {directions} directions"), &|engine| {
            let mut localizer = localizer(engine, c, directions, rate_hz)?;
            let new = array(c)?;
            let mut outcome = Ok(());
            let time_s = effort.call_s(|| outcome = localizer.set_array(new.clone()).map_err(text));
            outcome.map(|()| time_s)
        })?);
    }
    Ok(all)
}

/// What `process()` does: the copy of the bus into the pool, in blocks of the plugin's size.
pub fn copy(channels: usize, count: usize) -> PoolCopy {
    let (mut writer, mut reader) = block_pool(channels, POOL_FRAMES, 16);
    let bus = vec![vec![0.1f32; BLOCK_FRAMES]; channels];
    let mut times: Vec<f64> = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        for start in (0..BLOCK_FRAMES).step_by(POOL_FRAMES) {
            let frames = POOL_FRAMES.min(BLOCK_FRAMES - start);
            writer.push(frames, |channel, out| out.copy_from_slice(&bus[channel][start..start + frames]));
        }
        times.push(begin.elapsed().as_secs_f64());
        while reader.with_next(|block| std::hint::black_box(block.channel(0).len())).is_some() {}
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((share * times.len() as f64) as usize).copied().unwrap_or(0.0);
    let worst_s = times.last().copied().unwrap_or(0.0);
    PoolCopy { channels, frames: BLOCK_FRAMES, blocks: count, median_s: at(0.5), late_s: at(0.999), worst_s }
}

/// Resident memory of active localizers, one after the other.
pub fn memory(capsules: usize) -> Result<Vec<Bytes>, String> {
    let (rate_hz, directions) = USUAL;
    let audio = audio(capsules, rate_hz);
    let mut alive = Vec::new();
    let mut all = Vec::new();
    for (what, engine) in [
        ("the first instance of AGG-RL, weights included", Engine::AggRl),
        ("a further instance of AGG-RL", Engine::AggRl),
        ("an instance of SRP-PHAT", Engine::SrpPhat),
    ] {
        let before = resident_mb();
        let mut localizer = localizer(engine, capsules, directions, rate_hz)?;
        let finder = PeakFinder::new(&localizer.settings().grid);
        play(&mut localizer, &audio)?;
        let mb = resident_mb().zip(before).map(|(after, before)| after - before);
        all.push(Bytes { what: format!("{what}, {capsules} capsules, {directions} directions"), mb });
        alive.push((localizer, finder));
    }
    Ok(all)
}

/// Where the time of AGG-RL goes.
pub fn stages(capsules: usize, effort: &Effort) -> Result<Vec<Stage>, String> {
    let (rate_hz, directions) = USUAL;
    let network = Network::shipped().map_err(text)?;
    let frequencies = network.frequencies_hz();
    let (array, audio) = (array(capsules)?, audio(capsules, rate_hz));
    let audio_s = audio.first().map_or(0, Vec::len) as f64 / rate_hz;
    let mut whole = localizer(Engine::AggRl, capsules, directions, rate_hz)?;
    let frames = whole.settings().chunk_frames;
    let chunks_per_s = 1.0 / (whole.hop_s() * frames as f64);
    let spectrum = play(&mut whole, &audio)?;
    let mut outcome = Ok(());
    let whole_s = effort.call_s(|| outcome = play(&mut whole, &audio).map(|_| ())) / audio_s;
    outcome?;

    let rate = SampleRate::new(rate_hz).map_err(text)?;
    let mut front_end = FrontEnd::new(rate, network.timing(), frequencies, &array).map_err(text)?;
    let (mut phat, mut power, mut level_slopes) = (Vec::new(), Vec::new(), Vec::new());
    let mut outcome = Ok(());
    let front_end_s = effort.call_s(|| {
        phat.clear();
        power.clear();
        level_slopes.clear();
        outcome = blocks(&audio, |block| {
            let sink = &mut |frame: spherescope_dsp::front_end::SpectrumFrame<'_>| {
                phat.extend_from_slice(frame.phat);
                power.extend_from_slice(frame.power);
                level_slopes.extend_from_slice(frame.level_slopes);
            };
            front_end.push(block, sink).map_err(text)
        });
    }) / audio_s;
    outcome?;
    phat.truncate(frames * capsules * frequencies.len());
    power.truncate(frames * frequencies.len());
    level_slopes.truncate(frames * spherescope_dsp::levels::AXES * frequencies.len());

    let encoded = network.encode_array(&array, SPEED_OF_SOUND_M_S).map_err(text)?;
    let spectra = Spectra { frames, phat: &phat, power: &power, level_slopes: &level_slopes, beside: None };
    let mut logits_s = [0.0; 2];
    for (time_s, directions) in logits_s.iter_mut().zip([1, directions]) {
        let grid = network.encode_grid(&Grid::fibonacci(directions).map_err(text)?).map_err(text)?;
        let mut state = network.start().map_err(text)?;
        let (mut outcome, mut logits) = (Ok(()), Vec::new());
        *time_s = chunks_per_s
            * effort.call_s(|| outcome = network.logits(&encoded, &grid, &spectra, &mut state, &mut logits));
        outcome.map_err(text)?;
    }

    let finder = PeakFinder::new(&whole.settings().grid);
    let options = PeakOptions { threshold: 0.1, ..PeakOptions::default() };
    let peaks_s = effort.call_s(|| finder.find(&spectrum, &options)) / whole.hop_s();
    let peaks = finder.find(&spectrum, &options);
    let mut tracker = Tracker::new(TrackerOptions::default());
    let mut t_s = 0.0;
    let tracks_s = effort.call_s(|| {
        t_s += whole.hop_s();
        tracker.update(t_s, true, &peaks);
    }) / whole.hop_s();

    let scoring_s = (logits_s[1] - logits_s[0]).max(0.0);
    let known_s = front_end_s + logits_s[0] + scoring_s;
    eprintln!("stages of {capsules} capsules: {:.0} % of {whole_s:.4} s found", 100.0 * known_s / whole_s);
    let counted = |directions| network.multiply_adds(capsules, directions).map(|n| n as f64 / whole.hop_s());
    let all = counted(directions);
    let stage = |stage, load, multiply_adds| Stage { capsules, stage, load, multiply_adds };
    Ok(vec![
        stage("front end: NUDFT and phase transform", front_end_s, None),
        stage("network: lift, evidence, bands, spherical blocks, projection", logits_s[0], counted(0)),
        stage("scoring of the grid's directions", scoring_s, all.zip(counted(0)).map(|(a, b)| a - b)),
        stage("rest: copies, sigmoid, noise of the measurement", whole_s - known_s, None),
        stage(WHOLE, whole_s, all),
        stage("besides: peaks, in every frame", peaks_s, None),
        stage("besides: tracks, in every frame", tracks_s, None),
    ])
}

/// Multiplications with additions in a second of a large matrix product: what the processor gives to this kind of work at its best.
pub fn multiply_adds_per_s(effort: &Effort) -> Result<f64, String> {
    const SIZE: usize = 384;
    let values = |seed: usize| (0..SIZE * SIZE).map(|i| ((i * 31 + seed) % 17) as f32 - 8.0).collect::<Vec<_>>();
    let tensor = |seed| Tensor::from_vec(values(seed), (SIZE, SIZE), &Device::Cpu).map_err(text);
    let (a, b) = (tensor(1)?, tensor(2)?);
    Ok((SIZE * SIZE * SIZE) as f64 / effort.call_s(|| ops::matmul(&a, &b)))
}
