//! Where things are, and cargo called the way the person called us.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;

/// The workspace's root: the folder above this crate.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// Cargo in the workspace's root, with no standard input.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The target folder that cargo uses, whatever its configuration says.
pub fn target_dir() -> Result<PathBuf, Failure> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| Failure::Task(format!("cargo cannot be run: {e}")))?;
    json_string(&String::from_utf8_lossy(&output.stdout), "target_directory")
        .map(PathBuf::from)
        .ok_or_else(|| Failure::Task("cargo metadata names no target directory".into()))
}

/// The string value of the first `"key":"…"` in a JSON text; enough for the one key that is wanted.
fn json_string(json: &str, key: &str) -> Option<String> {
    let marker = format!("\"{key}\":\"");
    let rest = &json[json.find(&marker)? + marker.len()..];
    let mut value = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(value),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
}

/// Runs a command with its output passing through; the error names it.
pub fn pass_through(command: &mut Command) -> Result<(), Failure> {
    let name = describe(command);
    let status = command.status().map_err(|e| Failure::Task(format!("`{name}` cannot be run: {e}")))?;
    if status.success() { Ok(()) } else { Err(Failure::Task(format!("`{name}` ended with {status}"))) }
}

/// A program of ours that has been built in `profile`, the folder's name below the target folder.
pub fn built(profile: &str, program: &str) -> Result<PathBuf, Failure> {
    Ok(target_dir()?.join(profile).join(format!("{program}{}", std::env::consts::EXE_SUFFIX)))
}

/// The command as a person would type it.
pub fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_directory_is_read_from_metadata() {
        let json = r#"{"packages":[],"target_directory":"C:\\work \"x\"\\target","version":1}"#;
        assert_eq!(json_string(json, "target_directory").unwrap(), r#"C:\work "x"\target"#);
        assert_eq!(json_string(json, "missing"), None);
    }
}
