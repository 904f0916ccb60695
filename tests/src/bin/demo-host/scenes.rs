//! The demo on scenes of the project's own simulator, where the truth is known.

use std::fs;
use std::path::PathBuf;

use spherescope_dsp::Direction;
use spherescope_tests::Result;
use spherescope_tests::display::Xvfb;
use spherescope_tests::judge::{self, Verdict};
use spherescope_train::audio::write_wav_f32;
use spherescope_train::{Scene, Truth, demo};

use crate::Ending;
use crate::options::Common;
use crate::player::{BLOCK_FRAMES, Job, PictureJob};
use crate::report;

/// The largest median error that passes, in degrees.
const PASS_BELOW_DEG: f64 = 15.0;
/// The analysis window in seconds.
const WINDOW_S: f64 = 0.032;
/// From when to when the scene is played for the picture, in seconds.
const PICTURE_S: [f64; 2] = [0.2, 4.5];
/// Values of the plugin's engine parameter.
const AGG_RL: f64 = 0.0;
const SRP_PHAT: f64 = 1.0;

/// Renders, plays, compares and tells.
pub fn run(common: &Common) -> Result<Ending> {
    fs::create_dir_all(&common.out)?;
    let display = common.screenshot.then(Xvfb::start);
    if let Some(Err(why)) = &display {
        println!("no picture: {why}");
    }
    let display = display.and_then(|d| d.ok());
    let mut summaries = Vec::new();
    for (id, title, scene) in [
        ("tetrahedral", "tetrahedral A-format microphone, 4 capsules", demo::tetrahedral(common.seed)),
        ("sphere-32", "em32, 32 capsules", demo::sphere_32(common.seed)),
    ] {
        summaries.push(one(common, id, title, &scene, display.as_ref())?);
    }
    Ok(conclude(&summaries))
}

struct Summary {
    title: &'static str,
    agg_rl: Verdict,
    srp_phat: Verdict,
    audio: PathBuf,
    picture: Option<PathBuf>,
}

fn one(
    common: &Common,
    id: &'static str,
    title: &'static str,
    scene: &Scene,
    display: Option<&Xvfb>,
) -> Result<Summary> {
    println!("\n== {title} (seed {})", common.seed);
    println!("rendering {} s in a room", scene.parts().duration_s);
    let rendered = scene.render();
    let (audio, layout) = (common.out.join(format!("{id}.wav")), common.out.join(format!("{id}.json")));
    write_wav_f32(&audio, rendered.sample_rate_hz, &rendered.channels)?;
    fs::write(&layout, scene.parts().array.to_json())?;

    let job = Job {
        bundle: common.bundle.clone(),
        audio: audio.clone(),
        layout,
        engine: AGG_RL,
        block_frames: BLOCK_FRAMES,
        picture: None,
    };
    let truth = scene.truth();
    let sounding = |end_s: f64| -> Vec<(usize, Direction)> {
        let sources = truth.between(end_s - WINDOW_S, end_s);
        sources.iter().filter(|s| s.active).map(|s| (s.talker, s.direction)).collect()
    };
    let names = ["walks".to_string(), "stands".to_string()];
    let listen = |engine: f64, folder: &str| -> Result<Verdict> {
        let frames = Job { engine, ..job.clone() }.frames(&common.out.join(folder))?;
        judge::compare(&frames, &names, sounding)
    };
    println!("playing it through {}", common.bundle.display());
    let agg_rl = listen(AGG_RL, &format!("{id}-agg-rl"))?;
    let srp_phat = listen(SRP_PHAT, &format!("{id}-srp-phat"))?;
    let picture = match display {
        None => None,
        Some(display) => {
            println!("playing the first seconds in real time, with the editor open");
            let png = common.out.join(format!("{id}.png"));
            let picture = PictureJob {
                png: png.clone(),
                display: display.name().into(),
                start_s: PICTURE_S[0],
                length_s: PICTURE_S[1] - PICTURE_S[0],
                globe_azimuth_deg: middle_azimuth_deg(&truth, PICTURE_S[1]),
            };
            Job { picture: Some(picture), ..job.clone() }.take_picture()?;
            Some(png)
        }
    };
    print!("\n{}", report::table(&agg_rl));
    Ok(Summary { title, agg_rl, srp_phat, audio, picture })
}

/// The azimuth between all sources, so that a globe that faces it shows as many as can be.
fn middle_azimuth_deg(truth: &Truth, at_s: f64) -> f64 {
    let units = truth.between(at_s - WINDOW_S, at_s).into_iter().map(|s| s.direction.unit());
    let sum = units.fold([0.0; 3], |sum, u| std::array::from_fn(|i| sum[i] + u[i]));
    Direction::from_vector(sum).map_or(0.0, |d| d.azimuth_deg())
}

fn conclude(summaries: &[Summary]) -> Ending {
    println!("\n== results");
    for s in summaries {
        println!("{}", s.title);
        println!("  AGG-RL    {}", report::line(&s.agg_rl));
        println!("  SRP-PHAT  {}", report::line(&s.srp_phat));
        println!("  audio     {}", s.audio.display());
        match &s.picture {
            Some(picture) => println!("  picture   {}", picture.display()),
            None => println!("  picture   none"),
        }
    }
    let errors: Vec<_> = summaries.iter().map(|s| s.agg_rl.median_deg.unwrap_or(judge::MISSED_DEG)).collect();
    let words: Vec<_> = errors.iter().map(|e| format!("{e:.1}°")).collect();
    let right = errors.iter().all(|e| *e < PASS_BELOW_DEG);
    println!(
        "\n{}: median errors {} (less than {PASS_BELOW_DEG}° passes)",
        if right { "PASS" } else { "FAIL" },
        words.join(" and ")
    );
    if right { Ending::Right } else { Ending::Wrong }
}
