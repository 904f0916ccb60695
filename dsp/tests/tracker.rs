//! Tracks of simulated talkers: peaks with errors, gaps, crossings and false alarms.

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use spherescope_dsp::{Direction, Peak, Rotation, Track, Tracker, TrackerOptions};

const STEP_S: f64 = 0.032;

fn at(azimuth_deg: f64, elevation_deg: f64) -> Direction {
    Direction::from_degrees(azimuth_deg, elevation_deg).unwrap()
}

fn peak(direction: Direction, score: f32) -> Peak {
    Peak { index: 0, direction, score }
}

fn normal(rng: &mut impl Rng) -> f64 {
    (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt() * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// A peak that is off by a normally distributed error in each tangent component.
fn jittered(of: Direction, error_deg: f64, rng: &mut impl Rng) -> Peak {
    let v: [f64; 3] = of.unit().map(|x| x + error_deg.to_radians() * normal(rng));
    peak(Direction::from_vector(v).unwrap(), 0.8)
}

fn anywhere(rng: &mut impl Rng) -> Direction {
    Direction::from_vector([normal(rng), normal(rng), normal(rng)]).unwrap()
}

fn confirmed(tracker: &Tracker) -> Vec<Track> {
    tracker.tracks().iter().filter(|t| t.confirmed).copied().collect()
}

fn nearest(tracks: &[Track], to: Direction) -> Option<&Track> {
    tracks.iter().min_by(|a, b| a.direction.angle_to_deg(&to).total_cmp(&b.direction.angle_to_deg(&to)))
}

fn rms(errors: &[f64]) -> f64 {
    (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt()
}

#[test]
fn a_talker_who_stands_is_one_track_truer_than_the_peaks() {
    for (seed, place) in [at(20.0, 10.0), at(180.0, 0.0), at(0.0, 90.0), at(-179.9, -89.0)].into_iter().enumerate() {
        let mut rng = SmallRng::seed_from_u64(seed as u64);
        let mut tracker = Tracker::new(TrackerOptions::default());
        let (mut of_peaks, mut of_tracks) = (Vec::new(), Vec::new());
        for frame in 0..1000 {
            let peak = jittered(place, 3.0, &mut rng);
            tracker.update(frame as f64 * STEP_S, true, &[peak]);
            let tracks = confirmed(&tracker);
            assert!(tracks.len() <= 1, "frame {frame}: {tracks:?}");
            if frame >= 30 {
                assert_eq!(tracks.iter().map(|t| t.id).collect::<Vec<_>>(), [1], "frame {frame}");
                of_peaks.push(peak.direction.angle_to_deg(&place));
                of_tracks.push(tracks[0].direction.angle_to_deg(&place));
            }
        }
        let (peaks, tracks) = (rms(&of_peaks), rms(&of_tracks));
        println!("{place:?}: peaks {peaks:.2}°, track {tracks:.2}°");
        assert!(tracks < 0.65 * peaks, "track {tracks:.2}°, peaks {peaks:.2}°");
        assert!(confirmed(&tracker)[0].confidence > 0.95);
    }
}

#[test]
fn a_talker_who_walks_is_followed_closely() {
    for (speed_deg_s, most_deg) in [(30.0, 3.0), (60.0, 5.0)] {
        // Over the seam, and over the pole.
        let paths: [fn(f64) -> Direction; 2] = [|angle| at(angle, 0.0), |angle| at(10.0, angle)];
        for (seed, path) in paths.into_iter().enumerate() {
            let mut rng = SmallRng::seed_from_u64(seed as u64);
            let mut tracker = Tracker::new(TrackerOptions::default());
            let mut lags = Vec::new();
            for frame in 0..400 {
                let t_s = frame as f64 * STEP_S;
                let place = path(speed_deg_s * t_s);
                tracker.update(t_s, true, &[jittered(place, 2.0, &mut rng)]);
                if frame >= 20 {
                    let tracks = confirmed(&tracker);
                    assert_eq!(tracks.iter().map(|t| t.id).collect::<Vec<_>>(), [1], "frame {frame}");
                    let ahead = path(speed_deg_s * t_s + 1.0);
                    let off = tracks[0].direction.angle_to_deg(&place);
                    let behind = tracks[0].direction.angle_to_deg(&ahead) > place.angle_to_deg(&ahead);
                    lags.push(if behind { off } else { -off });
                }
            }
            let lag = lags.iter().sum::<f64>() / lags.len() as f64;
            println!("{speed_deg_s}°/s: mean lag {lag:.2}°, error {:.2}°", rms(&lags));
            assert!(lag < most_deg && rms(&lags) < most_deg, "lag {lag:.2}°, error {:.2}°", rms(&lags));
            let speed = confirmed(&tracker)[0].speed_deg_s;
            assert!((speed - speed_deg_s).abs() < 12.0, "{speed:.1}°/s instead of {speed_deg_s}°/s");
        }
    }
}

#[test]
fn two_who_cross_keep_their_numbers() {
    let mut kept = 0;
    for seed in 0..50 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut tracker = Tracker::new(TrackerOptions::default());
        let mut ids = [0, 0];
        for frame in 0..125 {
            let t_s = frame as f64 * STEP_S;
            let places = [at(-60.0 + 30.0 * t_s, 0.0), at(60.0 - 30.0 * t_s, 0.0)];
            let mut peaks = places.map(|p| jittered(p, 2.0, &mut rng)).to_vec();
            if places[0].angle_to_deg(&places[1]) < 10.0 {
                // As near as this they are one peak of the spectrum.
                peaks.remove(usize::from(rng.random::<bool>()));
            }
            tracker.update(t_s, true, &peaks);
            if frame == 30 || frame == 124 {
                let tracks = confirmed(&tracker);
                let now = places.map(|p| nearest(&tracks, p).map_or(0, |t| t.id));
                if frame == 30 {
                    ids = now;
                    assert!(tracks.len() == 2 && ids[0] != ids[1], "{tracks:?}");
                } else {
                    kept += usize::from(now == ids && tracks.len() == 2);
                }
            }
        }
    }
    println!("{kept} of 50 crossings kept the numbers");
    assert!(kept >= 45, "{kept} of 50");
}

#[test]
fn a_pause_keeps_the_number_and_fades_the_confidence() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut tracker = Tracker::new(TrackerOptions::default());
    let place = at(-170.0, 30.0);
    let mut t_s = 0.0;
    let mut talk = |tracker: &mut Tracker, seconds: f64, place: Option<Direction>| {
        for _ in 0..(seconds / STEP_S) as usize {
            t_s += STEP_S;
            let peaks: Vec<Peak> = place.map(|p| jittered(p, 3.0, &mut rng)).into_iter().collect();
            tracker.update(t_s, place.is_some(), &peaks);
        }
    };
    talk(&mut tracker, 1.0, Some(place));
    let before = confirmed(&tracker)[0];
    talk(&mut tracker, 2.0, None);
    let during = confirmed(&tracker)[0];
    assert!(during.id == before.id && during.confidence < 0.5 * before.confidence, "{before:?}, then {during:?}");
    assert!(during.direction.angle_to_deg(&place) < 12.0 && during.seen_s == before.seen_s);
    talk(&mut tracker, 1.0, Some(place));
    let after = confirmed(&tracker);
    assert_eq!(after.iter().map(|t| t.id).collect::<Vec<_>>(), [before.id]);
    assert!(after[0].confidence > 0.9);
    // Someone else, elsewhere, after a pause is someone else; and too long a pause ends the track.
    talk(&mut tracker, 2.0, None);
    talk(&mut tracker, 0.5, Some(at(40.0, 0.0)));
    let ids: Vec<u32> = confirmed(&tracker).iter().map(|t| t.id).collect();
    assert!(ids.len() == 2 && ids.contains(&before.id), "{ids:?}");
    talk(&mut tracker, 5.5, None);
    assert!(tracker.tracks().is_empty());
    talk(&mut tracker, 0.5, Some(place));
    let new = confirmed(&tracker)[0].id;
    assert!(!ids.contains(&new), "{new} was given before");
}

#[test]
fn silence_of_one_among_others_ends_its_track_after_the_hold_time() {
    let mut tracker = Tracker::new(TrackerOptions { hold_s: 1.0, ..Default::default() });
    let (stays, leaves) = (peak(at(0.0, 0.0), 0.9), peak(at(90.0, 0.0), 0.9));
    let mut gone_s = None;
    for frame in 0..100 {
        let t_s = frame as f64 * STEP_S;
        let both = [stays, leaves];
        tracker.update(t_s, true, if t_s < 1.0 { &both } else { &both[..1] });
        if t_s > 1.0 && confirmed(&tracker).len() == 1 {
            gone_s.get_or_insert(t_s);
        }
    }
    let gone_s = gone_s.unwrap();
    assert!((1.9..2.1).contains(&gone_s), "ended at {gone_s:.2} s");
}

#[test]
fn false_peaks_now_and_then_are_never_confirmed() {
    let mut rng = SmallRng::seed_from_u64(3);
    let mut tracker = Tracker::new(TrackerOptions::default());
    let talker = at(0.0, 0.0);
    for frame in 0..20_000 {
        let mut peaks = vec![jittered(talker, 3.0, &mut rng)];
        if rng.random::<f64>() < STEP_S {
            peaks.push(peak(anywhere(&mut rng), 0.9));
        }
        tracker.update(frame as f64 * STEP_S, true, &peaks);
        assert!(confirmed(&tracker).iter().all(|t| t.id == 1), "frame {frame}: {:?}", tracker.tracks());
    }
    assert_eq!(confirmed(&tracker).len(), 1);
}

#[test]
fn crowds_are_bounded_and_odd_input_is_survived() {
    let odd = TrackerOptions {
        max_tracks: 4000,
        max_speed_deg_s: f64::NAN,
        agility_deg_s: -1.0,
        peak_error_deg: f64::INFINITY,
        gate_deg: f64::NEG_INFINITY,
        birth_apart_deg: -3.0,
        confirm_matches: 99,
        confirm_window: 0,
        confirm_s: f64::NAN,
        hold_s: -1.0,
        pause_s: f64::NAN,
    };
    let mut rng = SmallRng::seed_from_u64(4);
    for options in [odd, TrackerOptions { max_tracks: 3, ..Default::default() }, TrackerOptions::default()] {
        let mut tracker = Tracker::new(options);
        for _ in 0..3000 {
            let t_s = *[f64::NAN, f64::INFINITY, -1.0, 1e300, 0.0, 2.0].get(rng.random_range(0..60)).unwrap_or(&-1.0);
            let t_s = if t_s == -1.0 { rng.random::<f64>() * 100.0 } else { t_s };
            let peaks: Vec<Peak> = (0..rng.random_range(0..40))
                .map(|_| peak(anywhere(&mut rng), [f32::NAN, 0.5, -3.0, f32::INFINITY][rng.random_range(0..4)]))
                .collect();
            tracker.update(t_s, rng.random(), &peaks);
            assert!(tracker.tracks().len() <= options.max_tracks.min(16));
            for track in tracker.tracks() {
                let all = [track.speed_deg_s, track.born_s, track.seen_s, track.confidence.into(), track.score.into()];
                assert!(all.iter().chain(&track.direction.unit()).all(|x| x.is_finite()), "{track:?}");
                assert!((0.0..=1.0).contains(&track.confidence));
            }
        }
    }
}

#[test]
fn time_that_does_not_advance_changes_nothing() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let here = [peak(at(1.0, 2.0), 0.7)];
    for frame in 0..20 {
        tracker.update(5.0 + frame as f64 * STEP_S, true, &here);
    }
    let before = tracker.tracks().to_vec();
    for t_s in [f64::NAN, f64::INFINITY, 0.0, 5.0 + 19.0 * STEP_S] {
        tracker.update(t_s, true, &[peak(at(90.0, 0.0), 0.7)]);
        assert_eq!(tracker.tracks(), before);
    }
    tracker.reset();
    assert!(tracker.tracks().is_empty());
    tracker.update(0.0, true, &here);
    assert_eq!(tracker.tracks()[0].id, 2, "numbers go on");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..Default::default() })]
    /// With steps that vary: the tracks of a rotated world are the rotated tracks.
    #[test]
    fn rotating_everything_rotates_the_tracks(seed in any::<u64>(), q in prop::array::uniform4(-1.0f64..1.0)) {
        prop_assume!(q.iter().map(|x| x * x).sum::<f64>() > 1e-3);
        let rotation = Rotation::from_quaternion(q).unwrap();
        let mut rng = SmallRng::seed_from_u64(seed);
        let [mut plain, mut rotated] = [(); 2].map(|()| Tracker::new(TrackerOptions::default()));
        let talkers: Vec<(f64, f64, f64)> = (0..3)
            .map(|_| (360.0 * rng.random::<f64>(), 60.0 * normal(&mut rng), 30.0 * normal(&mut rng)))
            .collect();
        let mut t_s = 0.0;
        for _ in 0..150 {
            t_s += 0.008 + 0.08 * rng.random::<f64>();
            let active = (t_s * 0.7).fract() < 0.8;
            let mut peaks = Vec::new();
            for (azimuth, elevation, speed) in &talkers {
                if rng.random::<f64>() < 0.8 {
                    peaks.push(jittered(at(azimuth + speed * t_s, *elevation), 3.0, &mut rng));
                }
            }
            let turned: Vec<Peak> =
                peaks.iter().map(|p| Peak { direction: rotation.apply_to(p.direction), ..*p }).collect();
            plain.update(t_s, active, &peaks);
            rotated.update(t_s, active, &turned);
            prop_assert_eq!(plain.tracks().len(), rotated.tracks().len());
            for (a, b) in plain.tracks().iter().zip(rotated.tracks()) {
                prop_assert!(rotation.apply_to(a.direction).angle_to_deg(&b.direction) < 1e-6);
                prop_assert!((a.speed_deg_s - b.speed_deg_s).abs() < 1e-6);
                prop_assert_eq!((a.id, a.confirmed, a.seen_s), (b.id, b.confirmed, b.seen_s));
            }
        }
        prop_assert!(!plain.tracks().is_empty());
    }
}
