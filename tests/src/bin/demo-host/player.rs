//! Plays one file through the plugin, in a process of its own: each playing gets its own environment, and a plugin that falls takes
//! one playing with it and not the report.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use spherescope_tests::display::Picture;
use spherescope_tests::frames::{self, Frame};
use spherescope_tests::host::{Activation, ClapHost, EditorWindow, Instance, Mode, StateDocument, Stream};
use spherescope_tests::{Error, Result};
use spherescope_train::audio::{Audio, read_audio};

/// Frames of a block, unless a job says otherwise.
pub const BLOCK_FRAMES: usize = 512;
/// The picture is the liveliest of those taken this often, over the last [`PICTURES_S`] seconds.
const PICTURE_EVERY: Duration = Duration::from_millis(250);
const PICTURES_S: f64 = 2.0;

/// One playing.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Job {
    /// The CLAP bundle.
    pub bundle: PathBuf,
    /// The audio file.
    pub audio: PathBuf,
    /// The array's layout file.
    pub layout: PathBuf,
    /// The value of the plugin's engine parameter.
    pub engine: f64,
    /// Frames of a block.
    pub block_frames: usize,
    /// The picture to take: then the audio is played in real time from `start_s` for `length_s`. Else all of it, offline.
    pub picture: Option<PictureJob>,
}

/// A picture of the editor.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PictureJob {
    /// The PNG to write.
    pub png: PathBuf,
    /// The display, such as `:99`.
    pub display: String,
    /// Where in the file to start, in seconds.
    pub start_s: f64,
    /// How long to play, in seconds.
    pub length_s: f64,
    /// The azimuth that the globe turns to the viewer, in degrees.
    pub globe_azimuth_deg: f64,
}

/// The window of a picture in logical pixels: wide enough for the map beside the globe.
const PICTURE_WINDOW: &str = "[1440, 760]";

impl Job {
    /// Plays all of the file offline in a child process and returns the frames that the plugin has logged to `log_folder`.
    pub fn frames(&self, log_folder: &Path) -> Result<Vec<Frame>> {
        if log_folder.exists() {
            fs::remove_dir_all(log_folder)?;
        }
        fs::create_dir_all(log_folder)?;
        self.child(|command| command.env("SPHERESCOPE_LOG", log_folder))?;
        let logs = frames::logs(log_folder)?;
        let [log] = logs.as_slice() else {
            return Err(format!("expected one log in {}, found {}", log_folder.display(), logs.len()).into());
        };
        frames::read(log)
    }

    /// Takes the picture in a child process.
    pub fn take_picture(&self) -> Result<()> {
        let display = self.picture.as_ref().map_or("", |p| &p.display);
        self.child(|command| {
            command.env("DISPLAY", display).env_remove("WAYLAND_DISPLAY").env_remove("SPHERESCOPE_LOG")
        })
    }

    fn child(&self, set: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("play").arg(serde_json::to_string(self)?).stdin(Stdio::null());
        // What the framework has to say goes beside the audio, not between the lines of the report.
        command.env("NICE_LOG", self.audio.with_extension("plugin.log"));
        let status = set(&mut command).status()?;
        if status.success() { Ok(()) } else { Err(format!("the playing host ended with {status}").into()) }
    }
}

/// Does a job in this process.
pub fn play(job: &Job) -> Result<()> {
    let audio = read_audio(&job.audio)?;
    let host = ClapHost::load(&job.bundle)?;
    let mut instance = host.instance()?;
    select_width(&mut instance, audio.channels.len())?;
    instance.set_parameter("Engine", job.engine)?;
    let mut state = StateDocument::read(&instance.save_state()?)?;
    state.set_field("layout", &fs::read_to_string(&job.layout)?);
    if let Some(picture) = &job.picture {
        let mut view: serde_json::Value = serde_json::from_str(state.field("view").unwrap_or("{}"))?;
        view["projection"] = "Split".into();
        view["globe_yaw_deg"] = picture.globe_azimuth_deg.into();
        state.set_field("view", &view.to_string());
        state.set_field("window", PICTURE_WINDOW);
    }
    instance.load_state(&state.to_bytes())?;
    instance.set_mode(if job.picture.is_some() { Mode::Realtime } else { Mode::Offline })?;
    let activation = Activation {
        sample_rate_hz: f64::from(audio.sample_rate_hz),
        min_frames: 1,
        max_frames: job.block_frames as u32,
    };
    let mut stream = instance.activate(activation)?;
    let played = match &job.picture {
        None => play_offline(&mut stream, &audio, job.block_frames),
        Some(picture) => play_live(&mut instance, &mut stream, &audio, job.block_frames, picture),
    };
    instance.deactivate(stream);
    played
}

/// Selects the narrowest width that holds the channels.
fn select_width(instance: &mut Instance, channels: usize) -> Result<()> {
    let widths = instance.widths()?;
    let width = widths.iter().map(|w| w.inputs).filter(|w| *w as usize >= channels).min();
    let Some(width) = width else {
        let most = widths.iter().map(|w| w.inputs).max().unwrap_or(0);
        return Err(format!("expected at most {most} channels, found {channels}").into());
    };
    instance.select_width(width)
}

/// Sends the frames from `at`, at most so many; says how many.
fn send_block(stream: &mut Stream, audio: &Audio, at: usize, most_frames: usize) -> Result<usize> {
    let frames = most_frames.min(audio.frames() - at);
    for (channel, samples) in audio.channels.iter().enumerate() {
        stream.input_mut(channel)[..frames].copy_from_slice(&samples[at..at + frames]);
    }
    stream.run(frames)?;
    stream.check_bit_exact(frames)?;
    Ok(frames)
}

fn play_offline(stream: &mut Stream, audio: &Audio, block_frames: usize) -> Result<()> {
    let mut at = 0;
    while at < audio.frames() {
        at += send_block(stream, audio, at, block_frames)?;
    }
    Ok(())
}

fn play_live(
    instance: &mut Instance,
    stream: &mut Stream,
    audio: &Audio,
    block_frames: usize,
    job: &PictureJob,
) -> Result<()> {
    let editor = EditorWindow::open_drawn(instance, &job.display)?;
    let rate = f64::from(audio.sample_rate_hz);
    let mut at = ((job.start_s * rate) as usize).min(audio.frames());
    let end = (at + (job.length_s * rate) as usize).min(audio.frames());
    let pictures_from = end.saturating_sub((PICTURES_S * rate) as usize);
    let (begin, first) = (Instant::now(), at);
    let mut best: Option<(usize, Picture)> = None;
    let mut last_picture = Instant::now();
    while at < end {
        at += send_block(stream, audio, at, block_frames)?;
        instance.pump();
        if at >= pictures_from && last_picture.elapsed() >= PICTURE_EVERY {
            last_picture = Instant::now();
            let picture = editor.picture()?;
            let colours = picture.colours();
            if best.as_ref().is_none_or(|(most, _)| colours > *most) {
                best = Some((colours, picture));
            }
        }
        let due = Duration::from_secs_f64((at - first) as f64 / rate);
        thread::sleep(due.saturating_sub(begin.elapsed()));
    }
    let (_, picture) = best.ok_or_else(|| Error::from("the audio is too short for a picture"))?;
    picture.write_png(&job.png)?;
    editor.close(instance)
}
