//! `install`: the release bundles copied where hosts look.

use std::path::PathBuf;

use crate::args::Args;
use crate::bundle::{self, Build};
use crate::{Failure, Outcome};

/// `cargo xtask install`.
pub fn run(args: Args) -> Outcome {
    args.finish()?;
    let [clap_dir, vst3_dir] = folders(|name| std::env::var_os(name).map(PathBuf::from))?;
    let bundles = bundle::build(Build::Shipped)?;
    for (bundle, folder) in [(&bundles.clap, clap_dir), (&bundles.vst3, vst3_dir)] {
        let to = folder.join(bundle.file_name().expect("a bundle has a name"));
        bundle::copy(bundle, &to)?;
        println!("installed {}", to.display());
    }
    Ok(())
}

/// Where hosts of this system look for a user's CLAP and VST3 plugins.
fn folders(env: impl Fn(&str) -> Option<PathBuf>) -> Result<[PathBuf; 2], Failure> {
    let var = |name: &str| env(name).ok_or_else(|| Failure::Task(format!("the environment names no {name}")));
    if cfg!(windows) {
        let common = var("LOCALAPPDATA")?.join("Programs").join("Common");
        Ok([common.join("CLAP"), common.join("VST3")])
    } else if cfg!(target_os = "macos") {
        let plugins = var("HOME")?.join("Library/Audio/Plug-Ins");
        Ok([plugins.join("CLAP"), plugins.join("VST3")])
    } else {
        let home = var("HOME")?;
        Ok([home.join(".clap"), home.join(".vst3")])
    }
}
