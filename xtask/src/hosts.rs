//! `hosts`: the development bundles in the real hosts that this machine has, none of which is needed for anything else.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::bundle::{self, Build, Bundles};
use crate::pedalboard;
use crate::steps::Steps;
use crate::workspace::{built, describe, root, target_dir};
use crate::{Failure, Outcome};

/// Ardour of Debian 12, and of other systems of its time.
const ARDOUR: &str = "/usr/lib/ardour7";
const ARDOUR_LUA: &str = "/usr/bin/ardour7-lua";
const QTRACTOR_SCAN: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/qtractor/qtractor_plugin_scan", "/usr/lib/qtractor/qtractor_plugin_scan"];
/// The server and its tools.
const JACK: [&str; 5] = ["jackd", "jack_wait", "jack_lsp", "jack_connect", "jack_simple_client"];
const JACK_SERVER: &str = "spherescope-hosts";
const JACK_PORTS: usize = 32;
/// A host that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// `cargo xtask hosts`.
pub fn run(args: Args) -> Outcome {
    args.finish()?;
    // With all programs of the workspace, of which JACK's test needs one.
    let bundles = bundle::build(Build::Tests)?;
    let folder = target_dir()?.join("hosts");
    let mut steps = Steps::default();
    if Path::new(ARDOUR_LUA).is_file() {
        steps.run("Ardour", || ardour(&bundles, &folder.join("ardour")));
    } else {
        steps.not_run("Ardour", &format!("there is no {ARDOUR_LUA} (Debian's package ardour)"));
    }
    match QTRACTOR_SCAN.into_iter().find(|path| Path::new(path).is_file()) {
        Some(scan) => {
            steps.run("Qtractor", || qtractor(&bundles, scan));
        }
        None => steps.not_run("Qtractor", "there is no qtractor_plugin_scan (Debian's package qtractor)"),
    }
    match JACK.into_iter().find(|program| !Path::new("/usr/bin").join(program).is_file()) {
        None => {
            steps.run("JACK", || jack(&folder));
        }
        Some(missing) => steps.not_run("JACK", &format!("there is no /usr/bin/{missing} (Debian's package jackd2)")),
    }
    steps.run("pedalboard", || pedalboard::check(&bundles.vst3));
    steps.finish()
}

/// Scans the VST3 with Ardour's scanner and plays every class in a session without a window, all in a home folder of its own.
fn ardour(bundles: &Bundles, folder: &Path) -> Result<String, Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let vst3 = folder.join(".vst3").join("Spherescope.vst3");
    bundle::copy(&bundles.vst3, &vst3)?;
    // Ardour takes what it knows of a library for outdated when both were written in the same second.
    thread::sleep(Duration::from_secs(2));
    let inside = |command: &mut Command| {
        command.env("HOME", folder).env("NICE_LOG", folder.join("plugin.log"));
        command.env_remove("XDG_CACHE_HOME").env_remove("XDG_CONFIG_HOME");
    };
    let mut scan = Command::new(PathBuf::from(ARDOUR).join("ardour-vst3-scanner"));
    scan.arg("-f").arg(&vst3).env("LD_LIBRARY_PATH", ARDOUR);
    inside(&mut scan);
    listen(&mut scan, "")?;
    let mut play = Command::new(ARDOUR_LUA);
    play.arg(root().join("tests").join("hosts").join("ardour.lua")).env("SPHERESCOPE_SESSION", folder.join("session"));
    inside(&mut play);
    let said = listen(&mut play, "")?;
    verdict(&said, "PASS: ")
}

/// Has Qtractor's scanner look at the CLAP.
fn qtractor(bundles: &Bundles, scan: &str) -> Result<String, Failure> {
    let mut command = Command::new(scan);
    command.env("QT_QPA_PLATFORM", "offscreen").env("NICE_LOG", bundles.dir.join("plugin.log"));
    let said = listen(&mut command, &format!("CLAP:{}\n", bundles.clap.display()))?;
    verdict(&said, "CLAP|Spherescope|4:4|")
}

/// Runs the command line program live, as a client of a JACK server without a sound card that has 32 inputs: its ports are connected to
/// them, and a tone that another program plays into three of them is heard.
fn jack(folder: &Path) -> Result<String, Failure> {
    let program = built("debug", "spherescope")?;
    fs::create_dir_all(folder)?;
    let ports = JACK_PORTS.to_string();
    let mut server = client("jackd");
    server.args(["--no-realtime", "--name", JACK_SERVER, "-d", "dummy", "-r", "48000", "-p", "1024"]);
    server.args(["-C", &ports, "-P", &ports]).stdout(Stdio::null());
    let _server = Ended(server.spawn()?);
    listen(client("jack_wait").args(["--server", JACK_SERVER, "--wait", "--timeout", "20"]), "")?;
    let tone = client("jack_simple_client").arg("tone").arg(JACK_SERVER).stdout(Stdio::null()).spawn()?;
    let tone = Ended(tone);
    let mut live = client(program.to_string_lossy().as_ref());
    live.args(["listen", "--array", "eigenmike-em32", "--engine", "srp-phat", "--grid", "256", "--seconds", "15"]);
    live.args(["--connect", "system:capture"]);
    let live = thread::spawn(move || listen(&mut live, ""));
    let wired = (|| {
        await_line(&format!("spherescope:in_{JACK_PORTS}"), &["-c"], "   system:capture_")?;
        for port in [1, JACK_PORTS / 2, JACK_PORTS] {
            let input = format!("spherescope:in_{port}");
            listen(client("jack_connect").args(["-s", JACK_SERVER, "tone:output1", &input]), "")?;
        }
        let said = jack_list(&["-c"])?;
        let connected = (1..=JACK_PORTS).filter(|port| {
            let mut lines = said.lines().skip_while(|line| *line != format!("spherescope:in_{port}")).skip(1);
            lines.next() == Some(&format!("   system:capture_{port}"))
        });
        Ok::<_, Failure>(connected.count())
    })();
    let said = live.join().map_err(|_| Failure::Task("the program cannot be read".into()))??;
    drop(tone);
    let connected = wired?;
    let window = jack_window(&program, folder)?;
    if connected != JACK_PORTS {
        return Err(Failure::Task(format!("expected {JACK_PORTS} ports connected in their order, found {connected}")));
    }
    let summary = said.lines().last().unwrap_or_default().to_string();
    let above = summary.split(", ").find_map(|part| part.strip_suffix(" above the gate")?.parse::<u64>().ok());
    match above {
        Some(1..) => Ok(format!("{connected} ports, {summary}; {window}")),
        _ => Err(Failure::Task(format!("expected a tone above the gate, found {summary:?}"))),
    }
}

/// Opens the program's window over the same server, on a display of its own, twice: the second finds the session of the first.
fn jack_window(program: &Path, folder: &Path) -> Result<String, Failure> {
    let session = folder.join("live.json");
    if session.exists() {
        fs::remove_file(&session)?;
    }
    let mut screen = Command::new("Xvfb");
    screen.args(["-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp", "-noreset"]);
    let mut screen = Ended(screen.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    let mut number = String::new();
    if let Some(out) = screen.0.stdout.take() {
        BufReader::new(out).read_line(&mut number)?;
    }
    let display = format!(":{}", number.trim());
    let ports = JACK_PORTS.to_string();
    let first: [&str; 4] = ["--array", "eigenmike-em32", "--channels", &ports];
    for extra in [&first[..], &[]] {
        let mut live = client(program.to_string_lossy().as_ref());
        live.arg("live").args(extra).args(["--connect", "system:capture", "--seconds", "5", "--session"]).arg(&session);
        live.env("DISPLAY", &display).env_remove("WAYLAND_DISPLAY");
        let said = listen(&mut live, "")?;
        for expected in [format!("{ports} ports at 48000 Hz"), "em32".into(), format!("{ports} ports connected")] {
            if !said.contains(&expected) {
                return Err(Failure::Task(format!("expected {expected:?} from the window's program, found {said:?}")));
            }
        }
    }
    Ok("its window opens, and goes on with its session".into())
}

/// A process that is ended when it is let go: asked first, so that it tidies up.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let begin = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && begin.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that talks to the server of this test and no other.
fn client(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("JACK_DEFAULT_SERVER", JACK_SERVER)
        .env("JACK_NO_AUDIO_RESERVATION", "1")
        .env("JACK_NO_START_SERVER", "1");
    command.stdin(Stdio::null());
    command
}

/// The server's ports, as `jack_lsp` lists them.
fn jack_list(arguments: &[&str]) -> Result<String, Failure> {
    let output = client("jack_lsp").args(["-s", JACK_SERVER]).args(arguments).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Waits until the list of ports has this line and behind it one that begins with `next`.
fn await_line(line: &str, arguments: &[&str], next: &str) -> Outcome {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(30) {
        let said = jack_list(arguments)?;
        if said.lines().skip_while(|l| *l != line).nth(1).is_some_and(|l| l.starts_with(next)) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Err(Failure::Task(format!("expected {line} with {next:?} behind it among the server's ports")))
}

/// The line that begins with `start`, without which the host has not passed.
fn verdict(said: &str, start: &str) -> Result<String, Failure> {
    let found = said.lines().find(|line| line.starts_with(start));
    found.map(str::to_string).ok_or_else(|| Failure::Task(format!("expected a line that begins with {start:?}")))
}

/// Runs a host with a text to read, and returns what it says, after printing it. Ends one that hangs.
fn listen(command: &mut Command, input: &str) -> Result<String, Failure> {
    use std::io::{Read as _, Write as _};
    let name = describe(command);
    println!("$ {name}");
    let fail = |e: std::io::Error| Failure::Task(format!("`{name}`: {e}"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(fail)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let reader = thread::spawn(move || {
        let mut said = Vec::new();
        let read = stdout.map(|mut out| out.read_to_end(&mut said));
        read.transpose().map(|_| String::from_utf8_lossy(&said).into_owned())
    });
    if let Some(mut stdin) = stdin {
        stdin.write_all(input.as_bytes()).map_err(fail)?;
        // Qtractor's scanner ends when its input does, even in the middle of a scan.
        if !input.is_empty() {
            thread::sleep(Duration::from_secs(5));
        }
    }
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(fail)? {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill().map_err(fail)?;
            child.wait().map_err(fail)?;
            return Err(Failure::Task(format!("`{name}` has not ended in {PATIENCE:?}")));
        }
        thread::sleep(Duration::from_millis(50));
    };
    let said = reader.join().map_err(|_| Failure::Task(format!("`{name}` cannot be read")))?.map_err(fail)?;
    print!("{said}");
    if status.success() { Ok(said) } else { Err(Failure::Task(format!("`{name}` ended with {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_passes_by_its_own_line_alone() {
        assert_eq!(verdict("a\nPASS: 14 classes\n", "PASS: ").unwrap(), "PASS: 14 classes");
        assert!(verdict("Error: no PASS: here\n", "PASS: ").is_err());
    }
}
