//! `bundle`: the built library as CLAP and VST3 bundles, laid out as each system's hosts expect.

use std::fs;
use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::sbom;
use crate::workspace::{cargo, pass_through, target_dir};
use crate::{Failure, Outcome};

/// Which build goes into a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// As shipped: for speed where it counts, for size elsewhere.
    Shipped,
    /// Optimised, built together with the demo's host, so that nothing is compiled twice.
    Demo,
    /// With debug assertions and allocation checks.
    Dev,
    /// As [`Build::Dev`], built together with everything that the tests need: features of shared dependencies are then the same for all, and
    /// nothing is compiled twice.
    Tests,
}

/// The folder with both bundles of one build.
#[derive(Debug)]
pub struct Bundles {
    /// The folder.
    pub dir: PathBuf,
    /// `Spherescope.clap` in it.
    pub clap: PathBuf,
    /// `Spherescope.vst3` in it.
    pub vst3: PathBuf,
}

/// `cargo xtask bundle`.
pub fn run(mut args: Args) -> Outcome {
    let (dev, release) = (args.switch("--dev"), args.switch("--release"));
    args.finish()?;
    if dev && release {
        return Err(Failure::Usage("bundle: expected one of --release and --dev, found both".into()));
    }
    let bundles = build(if dev { Build::Dev } else { Build::Shipped })?;
    let bill = bundles.dir.join("Spherescope.cdx.json");
    sbom::write(&bill)?;
    println!("{}", bill.display());
    Ok(())
}

/// Builds the library and writes both bundles; prints where.
pub fn build(build: Build) -> Result<Bundles, Failure> {
    let target = target_dir()?;
    let mut command = cargo();
    let (arguments, profile): (&[&str], _) = match build {
        // The library alone: cargo optimises across crates only where no Rust library is made beside it.
        Build::Shipped => (
            &["rustc", "--package", "spherescope", "--lib", "--crate-type", "cdylib", "--profile", "shipped"],
            "shipped",
        ),
        Build::Demo => (
            &[
                "build",
                "--release",
                "--package",
                "spherescope",
                "--package",
                "spherescope-tests",
                "--lib",
                "--bin",
                "demo-host",
            ],
            "release",
        ),
        Build::Dev => (&["build", "--package", "spherescope", "--lib"], "debug"),
        Build::Tests => (&["build", "--workspace", "--all-targets"], "debug"),
    };
    command.args(arguments);
    pass_through(&mut command)?;
    let library = target.join(profile).join(library_name());
    if matches!(build, Build::Shipped | Build::Demo) && holds(&fs::read(&library)?, INJECTED) {
        return Err(Failure::Task(format!("{} can be made to panic by the environment", library.display())));
    }
    let dir = target.join(match build {
        Build::Shipped => "bundled",
        Build::Demo => "bundled-demo",
        Build::Dev | Build::Tests => "bundled-dev",
    });
    let bundles = Bundles { clap: dir.join("Spherescope.clap"), vst3: dir.join("Spherescope.vst3"), dir };
    write_clap(&library, &bundles.clap)?;
    write_vst3(&library, &bundles.vst3)?;
    println!("{}\n{}", bundles.clap.display(), bundles.vst3.display());
    Ok(bundles)
}

/// What development builds look at to panic on purpose; no release may.
const INJECTED: &[u8] = b"SPHERESCOPE_PANIC";

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn library_name() -> String {
    format!("{}spherescope{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

fn write_clap(library: &Path, clap: &Path) -> Outcome {
    if cfg!(target_os = "macos") {
        return write_mac_bundle(library, clap);
    }
    replace(library, clap)
}

fn write_vst3(library: &Path, vst3: &Path) -> Outcome {
    if cfg!(target_os = "macos") {
        return write_mac_bundle(library, vst3);
    }
    let (folder, file) = if cfg!(windows) {
        (format!("{}-win", std::env::consts::ARCH), "Spherescope.vst3")
    } else {
        (format!("{}-linux", std::env::consts::ARCH), "Spherescope.so")
    };
    replace(library, &vst3.join("Contents").join(folder).join(file))
}

fn write_mac_bundle(library: &Path, bundle: &Path) -> Outcome {
    let contents = bundle.join("Contents");
    replace(library, &contents.join("MacOS").join("Spherescope"))?;
    fs::write(contents.join("PkgInfo"), "BNDL????")?;
    fs::write(
        contents.join("Info.plist"),
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>CFBundleDevelopmentRegion</key><string>English</string>
  <key>CFBundleExecutable</key><string>Spherescope</string>
  <key>CFBundleIdentifier</key><string>org.spherescope.spherescope.{kind}</string>
  <key>CFBundleInfoDictionaryVersion</key><string>6.0</string>
  <key>CFBundleName</key><string>Spherescope</string>
  <key>CFBundlePackageType</key><string>BNDL</string>
  <key>CFBundleShortVersionString</key><string>{version}</string>
  <key>CFBundleVersion</key><string>{version}</string>
</dict>
</plist>
"#,
            kind = bundle.extension().unwrap_or_default().to_string_lossy(),
            version = env!("CARGO_PKG_VERSION"),
        ),
    )?;
    Ok(())
}

/// Puts a new file in the old one's place: a host that still has the old one mapped keeps it.
fn replace(from: &Path, to: &Path) -> Outcome {
    let fail = |what: &str, path: &Path, e: std::io::Error| Failure::Task(format!("{what} {}: {e}", path.display()));
    let folder = to.parent().expect("a bundle lies in a folder");
    fs::create_dir_all(folder).map_err(|e| fail("cannot create", folder, e))?;
    let new = to.with_extension("new");
    fs::copy(from, &new).map_err(|e| fail("cannot copy", from, e))?;
    fs::rename(&new, to).map_err(|e| fail("cannot write", to, e))
}

/// Copies a bundle, file or folder.
pub fn copy(from: &Path, to: &Path) -> Outcome {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    replace(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injected_panics_are_found_in_a_library() {
        assert!(holds(b"\0SPHERESCOPE_PANICworker", INJECTED));
        assert!(!holds(b"SPHERESCOPE_LOG", INJECTED) && !holds(b"", INJECTED));
    }
}
