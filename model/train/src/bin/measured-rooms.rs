//! Accuracy on measured room responses: `measured-rooms RESPONSES SPEECH [--clip SECONDS]`.
//!
//! RESPONSES is a folder of the R3VIVAL repository, SPEECH a folder of dry recordings. Prints one table.

use std::path::Path;
use std::process::ExitCode;

use spherescope_model::Engine;
use spherescope_train::dry::dry_files;
use spherescope_train::measured::{Errors, Trial, frame_errors, render, responses};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("measured-rooms: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let (folders, clip_s) = match arguments {
        [rir, speech] => ([rir, speech], 3.0),
        [rir, speech, option, value] if option == "--clip" => {
            let seconds = value.parse().ok().filter(|s| (0.5..=60.0).contains(s));
            ([rir, speech], seconds.ok_or(format!("--clip: expected 0.5 to 60 seconds, found `{value}`"))?)
        }
        _ => return Err("expected RESPONSES SPEECH [--clip SECONDS]".into()),
    };
    let responses = responses(Path::new(folders[0])).map_err(|e| e.to_string())?;
    let speech = dry_files(Path::new(folders[1])).map_err(|e| e.to_string())?;
    let trial = Trial { clip_s, snr_db: [5.0, 25.0], sample_rate_hz: 16_000, seed: 1 };
    // One pole of 0.97 for each 8 ms, in steps of the front end's 16 ms.
    let rivals = [
        ("AGG-RL", Engine::AggRl, 0.0),
        ("SRP-PHAT", Engine::SrpPhat, 0.0),
        ("SRP-PHAT smoothed", Engine::SrpPhat, 0.97 * 0.97),
    ];
    let mut totals = vec![Errors::default(); rivals.len()];
    for (i, response) in responses.iter().enumerate() {
        eprint!("\r{} of {}", i + 1, responses.len());
        let clip = render(response, &speech, &trial).map_err(|e| e.to_string())?;
        for ((_, engine, smoothing), total) in rivals.iter().zip(&mut totals) {
            total.degrees.extend(frame_errors(&clip, *engine, &trial, *smoothing)?.degrees);
        }
    }
    eprintln!();
    println!(
        "{} responses, clips of {clip_s} s, 5 to 25 dB, {} frames with speech",
        responses.len(),
        totals[0].degrees.len()
    );
    println!("| engine | MAE | median | ACC10 |\n|---|---|---|---|");
    for ((name, ..), total) in rivals.iter().zip(&totals) {
        println!(
            "| {name} | {:.2}° | {:.2}° | {:.1} % |",
            total.mean_deg(),
            total.median_deg(),
            100.0 * total.within_10_deg()
        );
    }
    Ok(())
}
