//! System packages that a task needs: looked for, installed where we may, named in one line where we may not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How to see whether a package is there, without asking a package manager.
#[derive(Clone, Copy, Debug)]
enum Probe {
    /// A program on the path.
    Program(&'static str),
    /// A shared library that the loader knows.
    Library(&'static str),
    /// Mesa's software OpenGL driver.
    SoftwareGl,
    /// A Vulkan driver.
    Vulkan,
    /// Python with the means to make a virtual environment.
    PythonVenv,
}

/// One package: Debian's name for it and how to see it.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    apt: &'static str,
    probe: Probe,
}

/// What the editor needs to be drawn in a virtual display.
pub const EDITOR: &[Package] = &[
    Package { apt: "xvfb", probe: Probe::Program("Xvfb") },
    Package { apt: "libgl1", probe: Probe::Library("libGL.so.1") },
    Package { apt: "libgl1-mesa-dri", probe: Probe::SoftwareGl },
    Package { apt: "libx11-6", probe: Probe::Library("libX11.so.6") },
    Package { apt: "libx11-xcb1", probe: Probe::Library("libX11-xcb.so.1") },
    Package { apt: "libxcursor1", probe: Probe::Library("libXcursor.so.1") },
];

/// What the picture tests and the Python host need besides.
pub const TESTS: &[Package] = &[
    Package { apt: "mesa-vulkan-drivers", probe: Probe::Vulkan },
    Package { apt: "python3-venv", probe: Probe::PythonVenv },
];

/// Installs what is missing, where that can be done; returns the names of what is still missing.
pub fn ensure(packages: &[&[Package]]) -> Vec<&'static str> {
    let missing = || -> Vec<&'static str> {
        packages.iter().flat_map(|p| p.iter()).filter(|p| !p.probe.found()).map(|p| p.apt).collect()
    };
    let wanted = missing();
    if wanted.is_empty() || !cfg!(target_os = "linux") {
        return wanted;
    }
    if program("apt-get").is_none() || !is_root() {
        println!("missing system packages (install them to go on): {}", wanted.join(" "));
        return wanted;
    }
    println!("installing system packages: {}", wanted.join(" "));
    apt_get(&["update"]);
    apt_get(&[&["install", "--yes", "--no-install-recommends"], wanted.as_slice()].concat());
    let left = missing();
    if !left.is_empty() {
        println!("these system packages could not be installed: {}", left.join(" "));
    }
    left
}

fn apt_get(arguments: &[&str]) {
    println!("$ apt-get {}", arguments.join(" "));
    let status = Command::new("apt-get")
        // Another apt-get may be at work, as those that update a machine by themselves: it is waited for.
        .args(["--quiet", "-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => println!("apt-get ended with {status}"),
        Err(e) => println!("apt-get cannot be run: {e}"),
    }
}

fn is_root() -> bool {
    text_of(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0")
}

fn text_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|p| p.join(name)).find(|p| p.is_file())
}

/// Whether a file exists under one of the usual library folders, with or without the architecture's own folder between.
fn in_library_folder(found: impl Fn(&Path) -> bool) -> bool {
    ["/usr/lib", "/usr/lib64", "/lib", "/usr/local/lib"].iter().map(Path::new).any(|folder| {
        found(folder)
            || std::fs::read_dir(folder)
                .is_ok_and(|entries| entries.flatten().any(|e| e.path().is_dir() && found(&e.path())))
    })
}

impl Probe {
    fn found(self) -> bool {
        match self {
            Self::Program(name) => program(name).is_some(),
            Self::Library(name) => in_library_folder(|folder| folder.join(name).exists()),
            Self::SoftwareGl => in_library_folder(|folder| folder.join("dri/swrast_dri.so").exists()),
            Self::Vulkan => ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
                .iter()
                .any(|folder| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())),
            Self::PythonVenv => text_of(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_some(),
        }
    }
}
