//! Two scenes to show and to test with: a small array and a large one, one talker who walks and one who stands, in turns.

use spherescope_dsp::{Direction, MicArray, Rotation, presets};

use crate::path::Path;
use crate::response::Space;
use crate::room::Room;
use crate::scene::{Imperfections, Scene, SceneParts, Talker};
use crate::sources::babble;
use crate::speech::{SpeechError, espeak};
use crate::vector::{add, scale};

/// Sample rate of the demo scenes in Hz.
pub const SAMPLE_RATE_HZ: u32 = 48_000;
/// Length of the demo scenes in seconds.
pub const DURATION_S: f64 = 12.0;
/// Who speaks when: `(talker, start, end)`, times in seconds.
pub const TURNS: [(usize, f64, f64); 5] = [(0, 0.3, 2.3), (1, 2.6, 4.6), (0, 4.9, 6.9), (1, 7.2, 9.2), (0, 9.5, 11.5)];

/// The tetrahedral A-format microphone (preset `a-format-tetrahedron`) in a living room.
///
/// Talker 0 walks 60° around it from the right of the front to the left and rises; talker 1 stands behind on the left.
pub fn tetrahedral(seed: u64) -> Scene {
    scene(seed, "a-format-tetrahedron", [[-20.0, -10.0], [40.0, 25.0]], 1.4, ([125.0, 10.0], 1.2))
}

/// The 32 capsules of the em32 (preset `eigenmike-em32`), open in the air: its body does not scatter here.
///
/// Talker 0 walks 60° around it on the left side and sinks; talker 1 stands in front on the right, high up.
pub fn sphere_32(seed: u64) -> Scene {
    scene(seed, "eigenmike-em32", [[60.0, 30.0], [120.0, -5.0]], 1.5, ([-70.0, 35.0], 1.1))
}

/// The scene with its talkers' sounds replaced by sentences that espeak-ng speaks, in the same turns.
///
/// # Errors
/// [`SpeechError`], on most machines because the program is not installed.
pub fn spoken(scene: Scene) -> Result<Scene, SpeechError> {
    const LINES: [(&str, &str); 5] = [
        ("en+m3", "Walk around, and listen where I am."),
        ("en+f2", "I stand still, over here, all the time."),
        ("en+m3", "Half of the way is done already."),
        ("en+f2", "And still I speak from the same place."),
        ("en+m3", "Now I have come to the end of my path."),
    ];
    let mut parts = scene.into_parts();
    let mut failed = None;
    let mut line = 0;
    set_signals(&mut parts, |_, length_s| {
        let (voice, text) = LINES[line % LINES.len()];
        line += 1;
        let rate = SAMPLE_RATE_HZ;
        let mut speech = espeak(text, voice, rate).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            Vec::new()
        });
        speech.truncate(frame(length_s));
        speech
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(Scene::new(parts).expect("only the signals changed, and they are finite")),
    }
}

fn scene(seed: u64, preset: &str, arc_deg: [[f64; 2]; 2], arc_m: f64, still: ([f64; 2], f64)) -> Scene {
    let array: MicArray = presets::find(preset).expect("the preset ships with the library").array;
    // Near the middle and not in it, where the walls' reflections would come in pairs.
    let centre_m = [2.83, 2.36, 1.38];
    let room = Room::new([6.1, 4.9, 2.9], 0.3, 343.0).expect("numbers of a living room");
    let [azimuth, elevation] = still.0;
    let towards = Direction::from_degrees(azimuth, elevation).expect("finite angles").unit();
    let walker = Path::Arc {
        centre_m,
        radius_m: arc_m,
        from_deg: arc_deg[0],
        to_deg: arc_deg[1],
        between_s: [TURNS[0].1, TURNS[4].2],
    };
    let stander = Path::Still(add(centre_m, scale(towards, still.1)));
    let mut parts = SceneParts {
        sample_rate_hz: SAMPLE_RATE_HZ,
        duration_s: DURATION_S,
        space: Space::Room(room),
        array,
        array_position_m: centre_m,
        array_rotation: Rotation::IDENTITY,
        talkers: vec![Talker::new(Vec::new(), walker), Talker::new(Vec::new(), stander)],
        sensor_snr_db: Some(25.0),
        diffuse: None,
        body: Default::default(),
        pattern: Default::default(),
        imperfections: Imperfections::default(),
        seed,
    };
    // Each talker's speech is one long babble, cut into turns: one voice, always other words.
    let mut speech =
        [0, 1].map(|talker| babble(seed.wrapping_mul(2).wrapping_add(talker), SAMPLE_RATE_HZ, DURATION_S).into_iter());
    set_signals(&mut parts, |talker, length_s| speech[talker].by_ref().take(frame(length_s)).collect());
    Scene::new(parts).expect("numbers of a living room")
}

fn frame(time_s: f64) -> usize {
    (time_s * f64::from(SAMPLE_RATE_HZ)).round() as usize
}

/// Fills in the talkers' signals turn by turn; `sound(talker, length_s)` makes one turn.
fn set_signals(parts: &mut SceneParts, mut sound: impl FnMut(usize, f64) -> Vec<f32>) {
    for talker in &mut parts.talkers {
        talker.signal = vec![0.0; frame(DURATION_S)];
    }
    for (talker, start_s, end_s) in TURNS {
        let turn = sound(talker, end_s - start_s);
        let signal = &mut parts.talkers[talker].signal[frame(start_s)..];
        // Words may be cut off, but not with a click.
        let fade = frame(0.01);
        for (n, (out, x)) in signal.iter_mut().zip(&turn).enumerate() {
            let edge = (n + 1).min(turn.len() - n);
            *out = x * (edge as f32 / fade as f32).min(1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_talker_is_active_at_a_time_and_both_are_heard() {
        for scene in [tetrahedral(1), sphere_32(1)] {
            let frames = scene.truth().every(0.016, 0.032);
            let mut active = [0; 2];
            for frame in &frames {
                let speaking: Vec<_> = frame.sources.iter().filter(|s| s.active).collect();
                assert!(speaking.len() <= 1, "{frame:?}");
                speaking.iter().for_each(|s| active[s.talker] += 1);
                assert!(frame.sources.iter().all(|s| (1.0..1.8).contains(&s.distance_m)));
            }
            assert!(active.iter().all(|&n| n > frames.len() / 6), "{active:?} of {}", frames.len());
            let [first, last] = [&frames[0], &frames[frames.len() - 1]].map(|f| f.sources[0].direction);
            assert!(first.angle_to_deg(&last) > 45.0);
        }
    }
}
