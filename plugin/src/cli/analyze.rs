//! `spherescope analyze`: a recording in, directions out.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use spherescope_dsp::layout_file::{Import, MAX_LAYOUT_BYTES, import};
use spherescope_dsp::{Direction, Grid, MicArray, Peak, PeakFinder, PeakOptions, presets};
use spherescope_model::{Engine, Localizer, LocalizerSettings, TRAINED_APERTURE_M};
use spherescope_train::audio::read_audio;

use super::args::Options;
use super::report::{degrees, frame_line, median_direction, write_whole};

/// Frames that are computed together: nobody waits for a single one.
const CHUNK_FRAMES: usize = 8;
/// Samples of a block that are handed over at once.
const BLOCK_FRAMES: usize = 4096;
/// Size of the picture.
const PICTURE: [usize; 2] = [1440, 720];

/// What is found in one recording.
struct Findings {
    lines: String,
    frames: usize,
    active: usize,
    /// Time and best peak of every active frame that has one.
    best: Vec<(f64, Peak)>,
    /// Sum of the spectra of all active frames, `[D]`.
    sum: Vec<f32>,
}

/// Analyses one recording. Nothing is written before all of it is understood.
pub fn run(options: &Options) -> Result<(), String> {
    let array = read_array(&options.analysis.array, options.analysis.radius_m)?;
    let audio = read_audio(&options.input).map_err(|e| e.to_string())?;
    let name = options.input.display();
    if audio.channels.len() < array.channels_needed() {
        return Err(format!(
            "{name}: array \"{}\" needs {} channels, found {}",
            array.name(),
            array.channels_needed(),
            audio.channels.len()
        ));
    }
    let grid = Arc::new(Grid::fibonacci(options.analysis.grid).map_err(|e| e.to_string())?);
    let settings = LocalizerSettings {
        engine: options.analysis.engine,
        gate_db: options.analysis.gate_db,
        chunk_frames: CHUNK_FRAMES,
        ..LocalizerSettings::new(array, grid.clone())
    };
    let mut localizer =
        Localizer::new(f64::from(audio.sample_rate_hz), settings).map_err(|e| format!("{name}: {e}"))?;
    let findings = listen(options, &mut localizer, &audio.channels, &grid).map_err(|e| format!("{name}: {e}"))?;
    if findings.frames == 0 {
        return Err(format!(
            "{name}: expected at least 32 ms of audio, found {:.1} ms",
            1000.0 * audio.frames() as f64 / f64::from(audio.sample_rate_hz)
        ));
    }
    let aperture_m = localizer.settings().array.aperture_m();
    if options.analysis.engine == Engine::AggRl && aperture_m > TRAINED_APERTURE_M {
        eprintln!(
            "warning: the array is {aperture_m:.2} m wide; the network has learned from arrays of up to {TRAINED_APERTURE_M:.2} m: \
             expect larger errors"
        );
    }
    if let Some(path) = &options.analysis.frames {
        write_whole(path, findings.lines.as_bytes())?;
    }
    if let Some(path) = &options.png {
        write_whole(path, &picture(&grid, &findings)?)?;
    }
    summarise(options, &localizer, &findings, audio.channels.len());
    Ok(())
}

pub(super) fn read_array(array: &OsStr, radius_m: Option<f64>) -> Result<MicArray, String> {
    let has_places =
        |name: &str| format!("--radius: expected a layout file of directions only, found positions in {name}");
    if let Some(preset) = array.to_str().and_then(presets::find) {
        return if radius_m.is_some() { Err(has_places(preset.id)) } else { Ok(preset.array) };
    }
    let path = Path::new(array);
    let name = path.display();
    let meta = fs::metadata(path).map_err(|e| {
        let known: Vec<_> = presets::ids().collect();
        format!("--array {name}: expected a layout file or a preset ({}), found neither: {e}", known.join(", "))
    })?;
    if meta.len() > MAX_LAYOUT_BYTES as u64 {
        return Err(format!("{name}: expected at most {MAX_LAYOUT_BYTES} bytes, found {}", meta.len()));
    }
    let bytes = fs::read(path).map_err(|e| format!("{name}: cannot be read: {e}"))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let byte = e.utf8_error().valid_up_to();
        format!("{name}: expected UTF-8 text, found something else at byte {byte}")
    })?;
    match (import(&text).map_err(|e| format!("{name}: {e}"))?, radius_m) {
        (Import::Array(array), None) => Ok(array),
        (Import::Array(_), Some(_)) => Err(has_places(&name.to_string())),
        (Import::NeedsRadius(directions), Some(radius_m)) => {
            directions.with_radius_m(radius_m).map_err(|e| format!("{name}: {e}"))
        }
        (Import::NeedsRadius(_), None) => Err(format!(
            "{name}: expected positions, found directions only: give the array's radius with --radius METRES"
        )),
    }
}

fn listen(
    options: &Options,
    localizer: &mut Localizer,
    channels: &[Vec<f32>],
    grid: &Grid,
) -> Result<Findings, String> {
    let finder = PeakFinder::new(grid);
    let peak_options = PeakOptions {
        max_peaks: options.analysis.peaks.unwrap_or(PeakOptions::default().max_peaks),
        threshold: options.analysis.threshold,
        ..PeakOptions::default()
    };
    let mut findings =
        Findings { lines: String::new(), frames: 0, active: 0, best: Vec::new(), sum: vec![0.0; grid.len()] };
    let mut sink = |frame: &spherescope_model::LocalizerFrame<'_>| {
        let peaks = match (options.analysis.peaks, frame.active) {
            (Some(_), _) => finder.find_exactly(frame.spectrum, &peak_options),
            (None, true) => finder.find(frame.spectrum, &peak_options),
            (None, false) => Vec::new(),
        };
        findings.frames += 1;
        if frame.active {
            findings.active += 1;
            findings.best.extend(peaks.first().map(|&p| (frame.t_s, p)));
            for (sum, x) in findings.sum.iter_mut().zip(frame.spectrum) {
                *sum += x;
            }
        }
        findings.lines += &frame_line(frame.t_s, frame.active, &peaks);
    };
    let frames = channels.first().map_or(0, Vec::len);
    for start in (0..frames).step_by(BLOCK_FRAMES) {
        let end = (start + BLOCK_FRAMES).min(frames);
        let bus: Vec<&[f32]> = channels.iter().map(|c| &c[start..end]).collect();
        localizer.process(&bus, &mut sink).map_err(|e| e.to_string())?;
    }
    localizer.flush(&mut sink).map_err(|e| e.to_string())?;
    Ok(findings)
}

fn picture(grid: &Grid, findings: &Findings) -> Result<Vec<u8>, String> {
    let scale = 1.0 / findings.active.max(1) as f32;
    let mean: Vec<f32> = findings.sum.iter().map(|x| x * scale).collect();
    let pixels = spherescope_view::map_picture(grid, &mean, PICTURE, Default::default());
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, PICTURE[0] as u32, PICTURE[1] as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut w| {
        w.write_image_data(&pixels)?;
        w.finish()
    });
    written.map_err(|e| format!("picture: {e}"))?;
    Ok(bytes)
}

fn summarise(options: &Options, localizer: &Localizer, findings: &Findings, channels: usize) {
    let array = &localizer.settings().array;
    println!(
        "{}: {channels} channels at {} Hz, array \"{}\" ({} capsules), {} on {} directions",
        options.input.display(),
        localizer.sample_rate_hz(),
        array.name(),
        array.active_len(),
        options.analysis.engine.name(),
        options.analysis.grid
    );
    println!(
        "{} frames of {:.0} ms, {} above the gate of {} dBFS",
        findings.frames,
        1000.0 * localizer.hop_s(),
        findings.active,
        options.analysis.gate_db
    );
    let mut at = 0;
    while at < findings.best.len() {
        let second = findings.best[at].0.floor();
        let len = findings.best[at..].iter().take_while(|(t, _)| t.floor() == second).count();
        let here: Vec<Direction> = findings.best[at..at + len].iter().map(|(_, p)| p.direction).collect();
        if let Some(d) = median_direction(&here) {
            println!("{second:5.0} s  {}  ({len} frames)", degrees(&d));
        }
        at += len;
    }
    let all: Vec<Direction> = findings.best.iter().map(|(_, p)| p.direction).collect();
    match median_direction(&all) {
        Some(d) => println!("median   {}", degrees(&d)),
        None => println!("no direction: nothing above gate and threshold"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_radius_is_asked_for_where_a_file_lacks_it_and_nowhere_else() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../dsp/tests/layouts/iem-directions-only.json");
        let array = read_array(OsStr::new(file), Some(0.02)).unwrap();
        assert!((array.radius_m() - 0.02).abs() < 1e-9);
        for (array, radius_m, part) in [
            (file, None, "give the array's radius with --radius"),
            (file, Some(0.0), "expected a radius above 0"),
            ("ring-6", Some(0.02), "--radius: expected a layout file of directions only, found positions in ring-6"),
        ] {
            let message = read_array(OsStr::new(array), radius_m).unwrap_err();
            assert!(message.contains(part), "{message:?} should say {part:?}");
        }
        assert!(read_array(OsStr::new("ring-6"), None).is_ok());
    }
}
