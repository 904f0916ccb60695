//! How long rendering takes: `cargo run --release -p spherescope-train --example scene-speed`.

use std::time::Instant;

use spherescope_train::{SceneRanges, demo, random_array, random_scene, sources};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (name, scene) in [("tetrahedral demo", demo::tetrahedral(1)), ("em32 demo", demo::sphere_32(1))] {
        let start = Instant::now();
        let audio = scene.render();
        println!("{name}: 12 s of {} channels in {:.2} s", audio.channels.len(), start.elapsed().as_secs_f64());
        let start = Instant::now();
        println!(
            "{name}: truth, {} bytes in {:.3} s",
            scene.truth().to_json(0.016, 0.032).len(),
            start.elapsed().as_secs_f64()
        );
    }
    let signals: Vec<_> = (0..8).map(|seed| sources::babble(seed, 16_000, 5.0)).collect();
    for capsules in [4, 8, 12] {
        for walking in [0.0, 0.3, 1.0] {
            let ranges = SceneRanges { duration_s: 1.0, walking, ..SceneRanges::default() };
            let (mut drawn, mut rendered) = (0.0, 0.0);
            for seed in 0..100 {
                let start = Instant::now();
                let scene = random_scene(seed, &ranges, random_array(seed, capsules)?, &signals)?;
                drawn += start.elapsed().as_secs_f64();
                let start = Instant::now();
                std::hint::black_box(scene.render());
                rendered += start.elapsed().as_secs_f64();
            }
            println!(
                "random scenes of 1 s, {capsules} capsules, {walking} walking: {:.0} a second on one core ({:.2} ms to draw, {:.2} ms to render)",
                100.0 / (drawn + rendered),
                10.0 * drawn,
                10.0 * rendered
            );
        }
    }
    Ok(())
}
