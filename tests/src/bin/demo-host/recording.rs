//! The demo on a recording of the user's: no truth, so what was found is told second by second.

use std::fs;

use spherescope_dsp::{MicArray, presets};
use spherescope_tests::Result;
use spherescope_tests::display::Xvfb;
use spherescope_train::audio::{read_audio, write_wav_f32};

use crate::Ending;
use crate::options::{Common, Recording};
use crate::player::{BLOCK_FRAMES, Job, PictureJob};
use crate::report;

/// Plays and tells.
pub fn run(common: &Common, recording: &Recording) -> Result<Ending> {
    let array = match array(&recording.array) {
        Ok(array) => array,
        Err(message) => return Ok(Ending::BadInput(message)),
    };
    let audio = match read_audio(&recording.input) {
        Ok(audio) => audio,
        Err(error) => return Ok(Ending::BadInput(error.to_string())),
    };
    if audio.channels.len() < array.channels_needed() {
        return Ok(Ending::BadInput(format!(
            "{}: expected at least {} channels for {}, found {}",
            recording.input.display(),
            array.channels_needed(),
            array.name(),
            audio.channels.len()
        )));
    }
    fs::create_dir_all(&common.out)?;
    let length_s = audio.frames() as f64 / f64::from(audio.sample_rate_hz);
    println!("\n== {} ({length_s:.1} s) on {}", recording.input.display(), array.name());
    let (copy, layout) = (common.out.join("recording.wav"), common.out.join("recording.json"));
    // Channels that the array does not use stay out: the bus is as wide as need be.
    write_wav_f32(&copy, audio.sample_rate_hz, &audio.channels[..array.channels_needed()])?;
    fs::write(&layout, array.to_json())?;
    let job = Job {
        bundle: common.bundle.clone(),
        audio: copy,
        layout,
        engine: 0.0,
        block_frames: BLOCK_FRAMES,
        picture: None,
    };
    println!("playing it through {}", common.bundle.display());
    let frames = job.frames(&common.out.join("recording-agg-rl"))?;
    let picture = match common.screenshot.then(Xvfb::start) {
        None => None,
        Some(Err(why)) => {
            println!("no picture: {why}");
            None
        }
        Some(Ok(display)) => {
            let png = common.out.join("recording.png");
            // The first seconds in which something sounds.
            let start_s = frames.iter().find(|f| f.active).map_or(0.0, |f| (f.t_s - 0.5).max(0.0));
            let sounding = frames.iter().filter(|f| f.active && f.t_s >= start_s);
            let globe_azimuth_deg =
                sounding.filter_map(|f| f.peaks.first()).map(|p| p.azimuth_deg).next().unwrap_or(0.0);
            let picture = PictureJob {
                png: png.clone(),
                display: display.name().into(),
                start_s,
                length_s: 4.0,
                globe_azimuth_deg,
            };
            match (Job { picture: Some(picture), ..job }).take_picture() {
                Ok(()) => Some(png),
                Err(why) => {
                    println!("no picture: {why}");
                    None
                }
            }
        }
    };
    let seconds = report::seconds(&frames)?;
    print!("\n{}", report::recording_table(&seconds));
    println!("\naudio    {}", recording.input.display());
    println!("picture  {}", picture.map_or("none".into(), |p| p.display().to_string()));
    let heard = seconds.iter().filter(|s| s.best.is_some()).count();
    if heard == 0 {
        println!("\nFAIL: no direction was found in {} s", seconds.len());
        return Ok(Ending::Wrong);
    }
    println!("\nPASS: directions were found in {heard} of {} s (there is no truth to compare with)", seconds.len());
    Ok(Ending::Right)
}

/// A preset by name, or a layout file.
fn array(name_or_file: &str) -> std::result::Result<MicArray, String> {
    if let Some(preset) = presets::find(name_or_file) {
        return Ok(preset.array);
    }
    let text = fs::read_to_string(name_or_file).map_err(|e| {
        let known: Vec<_> = presets::ids().collect();
        format!("{name_or_file}: expected a layout file or one of {}, found neither ({e})", known.join(", "))
    })?;
    MicArray::from_text(&text).map_err(|e| format!("{name_or_file}: {e}"))
}
