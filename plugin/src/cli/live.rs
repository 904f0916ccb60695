//! `spherescope live`: the plugin's window over the inputs of the JACK audio server, without a host.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use spherescope::params::SpherescopeParams;
use spherescope::standalone::{MAX_SESSION_BYTES, Standalone};
use spherescope::worker::Bus;

use super::analyze::read_array;
use super::args::LiveOptions;
use super::jack::JackInput;

/// The array of a first session.
const FIRST_ARRAY: &str = "a-format-tetrahedron";
/// A changed session is written this often at most.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// Longest block that goes to the worker at once, in frames.
const MAX_FRAMES: usize = 1024;

/// Stays until the window is closed, the time is up or the server has gone.
pub fn run(options: &LiveOptions) -> Result<(), String> {
    let instance = Standalone::new(SpherescopeParams::new(FIRST_ARRAY));
    let mut file = options.session.clone().map(|path| SessionFile { path, written: String::new(), at: Instant::now() });
    if let Some(file) = &mut file {
        file.read(&instance)?;
    }
    let session = &instance.params().session;
    if let Some(array) = &options.array {
        session.set_layout(read_array(array, options.radius_m)?);
    }
    let layout = session.layout();
    let channels = options.channels.unwrap_or_else(|| layout.channels_needed());
    let (input, reader) = JackInput::open(channels)?;
    println!("{}: {channels} ports at {} Hz, array \"{}\"", input.name, input.sample_rate_hz, layout.name());
    if let Some(prefix) = &options.connect {
        println!("{} ports connected", input.connect(prefix)?);
    }
    // What cannot be kept is said before the window opens, not when it closes.
    if let Some(file) = &mut file {
        file.write(&instance)?;
    }
    let bus = Bus { channels, sample_rate_hz: input.sample_rate_hz, max_host_frames: MAX_FRAMES, offline: false };
    let begin = Instant::now();
    let mut fault = None;
    instance.run(reader, bus, || {
        if let Some(file) = &mut file
            && file.at.elapsed() >= SAVE_EVERY
        {
            // The window stays: it may be kept later, and all is there until then.
            let now = file.write(&instance).err();
            if let Some(why) = now.as_ref().filter(|_| now != fault) {
                eprintln!("spherescope: {why}");
            }
            fault = now;
        }
        input.ended() || options.seconds.is_some_and(|seconds| begin.elapsed().as_secs_f64() >= seconds)
    })?;
    if let Some(file) = &mut file {
        file.write(&instance)?;
    }
    match input.ended() {
        true => Err("the JACK server has ended".into()),
        false => Ok(()),
    }
}

/// Where the session is kept from one time to the next.
struct SessionFile {
    path: PathBuf,
    /// What the file holds.
    written: String,
    at: Instant,
}

impl SessionFile {
    /// Takes what the file holds, if there is one.
    fn read(&mut self, instance: &Standalone) -> Result<(), String> {
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", self.path.display());
        let bytes = match fs::metadata(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(fail(&e)),
            Ok(about) => about.len(),
        };
        if bytes > MAX_SESSION_BYTES as u64 {
            return Err(fail(&format!("expected a saved session of at most {MAX_SESSION_BYTES} bytes, found {bytes}")));
        }
        let text = fs::read_to_string(&self.path).map_err(|e| fail(&e))?;
        instance.load(&text).map_err(|e| fail(&e))?;
        self.written = text;
        Ok(())
    }

    /// Writes the session when it has changed: beside the old one first, so that one of both is always whole.
    fn write(&mut self, instance: &Standalone) -> Result<(), String> {
        self.at = Instant::now();
        let text = instance.save();
        if text == self.written {
            return Ok(());
        }
        let beside = beside(&self.path);
        fs::write(&beside, &text)
            .and_then(|()| fs::rename(&beside, &self.path))
            .map_err(|e| format!("{}: cannot be written: {e}", self.path.display()))?;
        self.written = text;
        Ok(())
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use spherescope_dsp::presets;

    #[test]
    fn a_session_file_is_made_read_and_never_lost() {
        let folder = tempfile::tempdir().unwrap();
        let file = || SessionFile { path: folder.path().join("s.json"), written: String::new(), at: Instant::now() };
        let first = Standalone::new(SpherescopeParams::new(FIRST_ARRAY));
        file().read(&first).unwrap();
        first.params().session.set_layout(presets::find("ring-6").unwrap().array);
        file().write(&first).unwrap();
        let second = Standalone::new(SpherescopeParams::new(FIRST_ARRAY));
        file().read(&second).unwrap();
        assert_eq!(second.save(), first.save());

        fs::write(folder.path().join("s.json"), "{").unwrap();
        let message = file().read(&second).unwrap_err();
        assert!(message.contains("s.json") && message.contains("saved session"), "{message}");
        assert_eq!(second.save(), first.save());
        let mut nowhere =
            SessionFile { path: folder.path().join("no/s.json"), written: String::new(), at: Instant::now() };
        assert!(nowhere.write(&first).unwrap_err().contains("cannot be written"));
    }
}
