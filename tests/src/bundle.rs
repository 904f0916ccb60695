//! Where the bundles and programs under test are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::Result;

/// The folder with the bundles to test: `SPHERESCOPE_BUNDLE_DIR` where it is set, else a development build made now.
///
/// # Errors
/// When there is no CLAP bundle and none can be built.
pub fn dir() -> Result<&'static Path> {
    static DIR: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    DIR.get_or_init(|| find_or_build().map_err(|e| e.to_string())).as_deref().map_err(|e| e.clone().into())
}

/// The CLAP bundle to test.
///
/// # Errors
/// When there is none and none can be built.
pub fn clap() -> Result<PathBuf> {
    Ok(dir()?.join("Spherescope.clap"))
}

/// The command line program, built as the tests are.
///
/// # Errors
/// When it cannot be built.
pub fn command_line() -> Result<&'static Path> {
    static PROGRAM: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            // Where the bundles were made beforehand, so was everything else. Built as `cargo test --workspace` builds: with other
            // features of shared dependencies all of them would be compiled again.
            if std::env::var_os("SPHERESCOPE_BUNDLE_DIR").is_none() {
                cargo(&["build", "--workspace", "--all-targets"]).map_err(|e| e.to_string())?;
            }
            let program = target_dir()
                .map_err(|e| e.to_string())?
                .join("debug")
                .join(format!("spherescope{}", std::env::consts::EXE_SUFFIX));
            if program.is_file() { Ok(program) } else { Err(format!("there is no {}", program.display())) }
        })
        .as_deref()
        .map_err(|e| e.clone().into())
}

fn find_or_build() -> Result<PathBuf> {
    let dir = match std::env::var_os("SPHERESCOPE_BUNDLE_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => {
            cargo(&["run", "--quiet", "--package", "xtask", "--", "bundle", "--dev"])?;
            target_dir()?.join("bundled-dev")
        }
    };
    let clap = dir.join("Spherescope.clap");
    if clap.exists() { Ok(dir) } else { Err(format!("expected a CLAP bundle, found no {}", clap.display()).into()) }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

fn cargo(arguments: &[&str]) -> Result<String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cargo cannot be run: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`cargo {}` ended with {}: {said}", arguments.join(" "), output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn target_dir() -> Result<PathBuf> {
    let metadata: serde_json::Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])?)?;
    metadata["target_directory"].as_str().map(PathBuf::from).ok_or_else(|| "cargo names no target directory".into())
}
