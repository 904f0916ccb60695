//! Speed on the command line; see `bench --help`. `cargo xtask bench` builds it as it ships and fills in the commit.

use std::process::ExitCode;

use spherescope_train::bench::options::{Options, Request, USAGE, parse};
use spherescope_train::bench::{MARKERS, draw, measure, report};
use spherescope_train::evaluate::report::{replace, write};

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Request::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Request::Run(options)) => options,
        Err(message) => return fail(&message, 2),
    };
    // A folder that is missing should be known before the minutes of measuring.
    for (name, path) in [("--json", &options.json), ("--write", &options.write), ("--picture", &options.picture)] {
        let folder = path.as_ref().and_then(|p| p.parent()).filter(|p| !p.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|f| !f.is_dir()) {
            return fail(&format!("{name}: expected an existing folder, found {}", folder.display()), 2);
        }
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message, 1),
    }
}

fn run(options: &Options) -> Result<(), String> {
    let figures = measure(options.quick)?;
    let command = options.command.clone().unwrap_or_else(|| {
        let words: Vec<String> = std::env::args().skip(1).collect();
        format!("bench {}", words.join(" ")).trim_end().to_owned()
    });
    let mut text = report(&figures, &command, options.commit.as_deref());
    if let Some(path) = &options.append {
        text += &std::fs::read_to_string(path).map_err(|e| format!("--append: {}: {e}", path.display()))?;
    }
    println!("{}", text.trim_end());
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&figures).map_err(|e| format!("--json: {e}"))?;
        replace(path, json.as_bytes()).map_err(|e| format!("--json: {e}"))?;
    }
    if let Some(path) = &options.picture {
        draw(path, &figures).map_err(|e| format!("--picture: {e}"))?;
    }
    if let Some(path) = &options.write {
        if let Some(link) = options.picture.as_ref().and_then(|p| p.strip_prefix(path.parent()?).ok()) {
            text +=
                &format!("\n![CPU time against capsules, directions, sample rate and instances]({})\n", link.display());
        }
        write(path, MARKERS, &text).map_err(|e| format!("--write: {e}"))?;
    }
    Ok(())
}

fn fail(message: &str, code: u8) -> ExitCode {
    eprintln!("bench: {message}");
    ExitCode::from(code)
}
