//! The VST3 in a JUCE host: pedalboard, in a Python environment of its own under the target folder.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;
use crate::workspace::{pass_through, root, target_dir};

/// Loads every class of the VST3 bundle in pedalboard and checks it; makes the environment where it is missing.
pub fn check(vst3: &Path) -> Result<String, Failure> {
    let scripts = root().join("tests").join("python");
    let requirements = scripts.join("requirements.txt");
    let venv = target_dir()?.join("pedalboard-venv");
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // The stamp is written last: an installation that was cut off is made again.
    let stamp = venv.join("spherescope-requirements.txt");
    let wanted = std::fs::read(&requirements)?;
    if std::fs::read(&stamp).ok().as_deref() != Some(&wanted) {
        pass_through(quiet(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv)))?;
        pass_through(quiet(
            Command::new(&python)
                .args(["-m", "pip", "install", "--disable-pip-version-check", "--requirement"])
                .arg(&requirements),
        ))?;
        std::fs::write(&stamp, &wanted)?;
    }
    let mut host = Command::new(&python);
    host.arg(scripts.join("pedalboard_host.py")).arg(vst3);
    // Development builds log a line each time the framework names no speakers for a width; that goes to a file.
    host.env("NICE_LOG", venv.join("plugin.log"));
    pass_through(quiet(&mut host))?;
    Ok("the VST3 in pedalboard".into())
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null())
}
