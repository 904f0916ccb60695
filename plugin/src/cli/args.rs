//! Reading the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use spherescope_dsp::array::MAX_DISTANCE_M;
use spherescope_dsp::grid::MAX_DIRECTIONS;
use spherescope_model::Engine;

/// What `--help` prints.
pub const USAGE: &str = "\
Spherescope: where every sound comes from, with any microphone array.

Usage:
  spherescope analyze INPUT --array ARRAY [options]
  spherescope listen --array ARRAY [options]
  spherescope live [--array ARRAY] [options]
  spherescope arrays
  spherescope --help | --version

analyze reads a multichannel recording and says from which directions its sounds come;
listen hears them live, as a client of the JACK audio server with one input port for each
channel of the array; live is the same with the plugin's window, which has all other settings.
  INPUT                 WAV or FLAC of any rate from 16 kHz and any width
  --array ARRAY         a preset (see `spherescope arrays`), or a layout file:
                        JSON, CSV, IEM or SPARTA JSON, acoular XML
  --radius METRES       radius of the array, when the layout file holds directions only
  --engine ENGINE       agg-rl (default) or srp-phat
  --grid D              number of candidate directions, 64 to 65536 (default 2048)
  --peaks N             always the N best peaks of each frame, gate or not, 1 to 32;
                        without it the peaks above gate and threshold
  --threshold SCORE     score that a peak must reach, 0 to 1 (default: the engine's)
  --gate DB             frames below this level in dBFS count as silence (default -60)
  --frames FILE         write one JSON line a frame
  --png FILE            analyze: write the mean map of the active frames as a picture
  --connect PREFIX      listen, live: connect the ports to the server's outputs whose names begin
                        so, such as `system:capture`; without it they wait to be connected
  --seconds S           listen, live: end after S seconds; without it go on until interrupted
  --channels N          live: so many ports, 1 to 64 (default: what the array needs)
  --session FILE        live: go on with the session of this file, and keep it there

Azimuth runs counter-clockwise from the front (left is +90 degrees), elevation upwards.";

/// What the user asks for.
#[derive(Debug)]
pub enum Command {
    /// Print the usage.
    Help,
    /// Print the version.
    Version,
    /// List the array presets.
    Arrays,
    /// Analyse a recording.
    Analyze(Options),
    /// Analyse what comes from JACK.
    Listen(ListenOptions),
    /// Show what comes from JACK.
    Live(LiveOptions),
}

/// Options of `analyze`, checked for range.
#[derive(Debug)]
pub struct Options {
    /// The recording.
    pub input: PathBuf,
    /// Where the picture goes.
    pub png: Option<PathBuf>,
    /// How it is analysed.
    pub analysis: Analysis,
}

/// Options of `listen`, checked for range.
#[derive(Debug)]
pub struct ListenOptions {
    /// Connect to ports whose names begin so.
    pub connect: Option<String>,
    /// End after so many seconds.
    pub seconds: Option<f64>,
    /// How it is analysed.
    pub analysis: Analysis,
}

/// Options of `live`, checked for range.
#[derive(Debug, Default)]
pub struct LiveOptions {
    /// The array to begin with; the session's without it.
    pub array: Option<OsString>,
    /// Radius of an array of directions.
    pub radius_m: Option<f64>,
    /// Ports; what the array needs without it.
    pub channels: Option<usize>,
    /// Connect to ports whose names begin so.
    pub connect: Option<String>,
    /// End after so many seconds.
    pub seconds: Option<f64>,
    /// Where the session is kept.
    pub session: Option<PathBuf>,
}

/// What both have in common.
#[derive(Debug)]
pub struct Analysis {
    /// Preset identifier or layout file.
    pub array: OsString,
    /// Radius in metres for a layout file that holds directions only.
    pub radius_m: Option<f64>,
    /// The engine.
    pub engine: Engine,
    /// D, the number of candidate directions.
    pub grid: usize,
    /// Exactly this many peaks a frame, or as many as gate and threshold leave.
    pub peaks: Option<usize>,
    /// Score that a peak must reach.
    pub threshold: f32,
    /// Gate in dBFS.
    pub gate_db: f32,
    /// Where the frames go.
    pub frames: Option<PathBuf>,
}

/// Reads the arguments after the program's name.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let usage = |e: lexopt::Error| format!("{e} (see `spherescope --help`)");
    match parser.next().map_err(usage)? {
        None | Some(Long("help") | Short('h')) => Ok(Command::Help),
        Some(Long("version") | Short('V')) => Ok(Command::Version),
        Some(Value(v)) if v == "arrays" => match parser.next().map_err(usage)? {
            None => Ok(Command::Arrays),
            Some(other) => Err(usage(other.unexpected())),
        },
        Some(Value(v)) if v == "analyze" => analysis(&mut parser, false),
        Some(Value(v)) if v == "listen" => analysis(&mut parser, true),
        Some(Value(v)) if v == "live" => live(&mut parser),
        Some(Value(v)) => Err(format!(
            "expected a command (`analyze`, `listen`, `live` or `arrays`), found `{}`",
            v.to_string_lossy()
        )),
        Some(other) => Err(usage(other.unexpected())),
    }
}

/// `analyze`, or `listen` where it is live: the same but for where the sound comes from.
fn analysis(parser: &mut lexopt::Parser, live: bool) -> Result<Command, String> {
    let usage = |e: lexopt::Error| format!("{e} (see `spherescope --help`)");
    let (mut input, mut array, mut threshold, mut png) = (None, None, None, None);
    let (mut connect, mut seconds) = (None, None);
    let mut options = Analysis {
        array: OsString::new(),
        radius_m: None,
        engine: Engine::AggRl,
        grid: 2048,
        peaks: None,
        threshold: 0.0,
        gate_db: -60.0,
        frames: None,
    };
    while let Some(argument) = parser.next().map_err(usage)? {
        // The argument borrows the parser, which is asked for values below.
        let long = match argument {
            Short('h') => return Ok(Command::Help),
            Value(path) if input.is_none() && !live => {
                input = Some(PathBuf::from(path));
                continue;
            }
            Long(name) => name.to_owned(),
            other => return Err(usage(other.unexpected())),
        };
        let mut value = |name: &str| parser.value().map_err(|_| format!("--{name}: expected a value, found none"));
        match long.as_str() {
            "help" => return Ok(Command::Help),
            "array" => array = Some(value("array")?),
            "radius" => options.radius_m = Some(decimal("radius", &value("radius")?, 0.0, MAX_DISTANCE_M)?),
            "engine" => {
                let text = value("engine")?.to_string_lossy().into_owned();
                options.engine = Engine::from_id(&text)
                    .ok_or_else(|| format!("--engine: expected `agg-rl` or `srp-phat`, found `{text}`"))?;
            }
            "grid" => options.grid = number("grid", &value("grid")?, 64.0, MAX_DIRECTIONS as f64)? as usize,
            "peaks" => options.peaks = Some(number("peaks", &value("peaks")?, 1.0, 32.0)? as usize),
            "threshold" => threshold = Some(decimal("threshold", &value("threshold")?, 0.0, 1.0)? as f32),
            "gate" => options.gate_db = decimal("gate", &value("gate")?, -200.0, 0.0)? as f32,
            "frames" => options.frames = Some(value("frames")?.into()),
            "png" if !live => png = Some(value("png")?.into()),
            "connect" if live => connect = Some(value("connect")?.to_string_lossy().into_owned()),
            "seconds" if live => seconds = Some(decimal("seconds", &value("seconds")?, 0.1, 1e9)?),
            _ => return Err(usage(lexopt::Error::UnexpectedOption(format!("--{long}")))),
        }
    }
    if !live && input.is_none() {
        return Err("analyze: expected an INPUT file, found none (see `spherescope --help`)".into());
    }
    options.array = array.ok_or("expected --array ARRAY, found none (see `spherescope --help`)")?;
    options.threshold = threshold.unwrap_or(options.engine.default_threshold());
    Ok(match input {
        Some(input) => Command::Analyze(Options { input, png, analysis: options }),
        None => Command::Listen(ListenOptions { connect, seconds, analysis: options }),
    })
}

/// `live`.
fn live(parser: &mut lexopt::Parser) -> Result<Command, String> {
    let usage = |e: lexopt::Error| format!("{e} (see `spherescope --help`)");
    let mut options = LiveOptions::default();
    while let Some(argument) = parser.next().map_err(usage)? {
        let long = match argument {
            Short('h') => return Ok(Command::Help),
            Long(name) => name.to_owned(),
            other => return Err(usage(other.unexpected())),
        };
        let mut value = |name: &str| parser.value().map_err(|_| format!("--{name}: expected a value, found none"));
        match long.as_str() {
            "help" => return Ok(Command::Help),
            "array" => options.array = Some(value("array")?),
            "radius" => options.radius_m = Some(decimal("radius", &value("radius")?, 0.0, MAX_DISTANCE_M)?),
            "channels" => {
                let most = f64::from(spherescope::widths::MAX_WIDTH);
                options.channels = Some(number("channels", &value("channels")?, 1.0, most)? as usize);
            }
            "connect" => options.connect = Some(value("connect")?.to_string_lossy().into_owned()),
            "seconds" => options.seconds = Some(decimal("seconds", &value("seconds")?, 0.1, 1e9)?),
            "session" => options.session = Some(value("session")?.into()),
            _ => return Err(usage(lexopt::Error::UnexpectedOption(format!("--{long}")))),
        }
    }
    Ok(Command::Live(options))
}

/// A whole number in a range.
fn number(name: &str, text: &OsString, least: f64, most: f64) -> Result<f64, String> {
    let value = decimal(name, text, least, most)?;
    if value.fract() != 0.0 {
        return Err(format!(
            "--{name}: expected a whole number from {least} to {most}, found `{}`",
            text.to_string_lossy()
        ));
    }
    Ok(value)
}

fn decimal(name: &str, text: &OsString, least: f64, most: f64) -> Result<f64, String> {
    let text = text.to_string_lossy();
    match text.parse::<f64>() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!("--{name}: expected a number from {least} to {most}, found `{text}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, String> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn the_contract_is_read() {
        let Ok(Command::Analyze(o)) = parsed(&[
            "analyze", "in.wav", "--array", "ring-6", "--engine", "srp-phat", "--grid", "512", "--peaks", "2",
            "--frames", "f.jsonl", "--png", "m.png",
        ]) else {
            panic!("the contract's own example is refused");
        };
        assert!(o.input.ends_with("in.wav") && o.png.is_some_and(|p| p.ends_with("m.png")));
        let a = o.analysis;
        assert_eq!((a.engine, a.grid, a.peaks), (Engine::SrpPhat, 512, Some(2)));
        assert_eq!(a.threshold, Engine::SrpPhat.default_threshold());
        let Ok(Command::Listen(o)) =
            parsed(&["listen", "--array", "ring-6", "--connect", "system:", "--seconds", "2.5"])
        else {
            panic!("listen is refused");
        };
        assert_eq!((o.connect.as_deref(), o.seconds, o.analysis.grid), (Some("system:"), Some(2.5), 2048));
        let Ok(Command::Live(o)) = parsed(&["live", "--channels", "32", "--session", "s.json"]) else {
            panic!("live is refused");
        };
        assert_eq!((o.array, o.channels, o.session), (None, Some(32), Some("s.json".into())));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, parts) in [
            (&["analyse"][..], &["analyze", "analyse"][..]),
            (&["analyze", "--array", "ring-6"], &["INPUT"]),
            (&["analyze", "in.wav"], &["--array"]),
            (&["analyze", "in.wav", "--array", "a", "--grid", "7"], &["--grid", "64", "`7`"]),
            (&["analyze", "in.wav", "--array", "a", "--peaks", "1.5"], &["--peaks", "whole", "1.5"]),
            (&["analyze", "in.wav", "--array", "a", "--engine", "music"], &["srp-phat", "music"]),
            (&["analyze", "in.wav", "--array", "a", "--threshold", "NaN"], &["--threshold", "NaN"]),
            (&["analyze", "in.wav", "--array", "a", "--radius", "20mm"], &["--radius", "20mm"]),
            (&["analyze", "in.wav", "--array", "a", "--bogus"], &["bogus"]),
            (&["analyze", "in.wav", "extra.wav", "--array", "a"], &["extra.wav"]),
            (&["analyze", "in.wav", "--array"], &["--array", "none"]),
            (&["analyze", "in.wav", "--array", "a", "--seconds", "1"], &["--seconds"]),
            (&["listen"], &["--array"]),
            (&["listen", "in.wav", "--array", "a"], &["in.wav"]),
            (&["listen", "--array", "a", "--png", "m.png"], &["--png"]),
            (&["listen", "--array", "a", "--seconds", "0"], &["--seconds", "0.1"]),
            (&["live", "--channels", "65"], &["--channels", "64", "65"]),
            (&["live", "--grid", "512"], &["--grid"]),
            (&["live", "x"], &["x"]),
        ] {
            let message = parsed(arguments).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "{message:?} should mention {part:?}");
            }
        }
    }
}
