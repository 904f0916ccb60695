//! People who walk: straight legs, each with a direction and a speed of its own.

use rand::rngs::SmallRng;

use crate::path::{Path, Waypoint};
use crate::random::{SceneRanges, even};
use crate::room::Room;
use crate::vector::{add, distance, scale};

/// Length of a leg in seconds.
const LEG_S: [f64; 2] = [0.8, 2.5];
/// Speeds in metres a second.
const SPEED_M_S: [f64; 2] = [0.2, 1.0];
/// Who has walked so long stays where they are.
const LONGEST_S: f64 = 3600.0;
/// A leg is tried so often before one waits instead.
const TRIES: usize = 20;

/// A walk through the room from `from` on, over the whole scene, that keeps the nearest distance to the array at `centre` and to the walls;
/// standing still where there is no way.
pub(crate) fn walk(rng: &mut SmallRng, ranges: &SceneRanges, room: &Room, centre: [f64; 3], from: [f64; 3]) -> Path {
    let mut waypoints = vec![Waypoint { time_s: 0.0, position_m: from }];
    let (mut at, mut time_s) = (from, 0.0);
    let duration_s = ranges.duration_s.min(LONGEST_S);
    while time_s < duration_s {
        let left_s = duration_s - time_s;
        // A short rest of the way goes with the leg before it.
        let leg_s = even(rng, LEG_S);
        let leg_s = if left_s < leg_s + LEG_S[0] { left_s } else { leg_s };
        let to = (0..TRIES).find_map(|_| {
            let azimuth = even(rng, [0.0, std::f64::consts::TAU]);
            let length = even(rng, SPEED_M_S) * leg_s;
            let to = add(at, [length * azimuth.cos(), length * azimuth.sin(), 0.0]);
            let keeps = (0..=20).all(|i| {
                let share = f64::from(i) / 20.0;
                distance(add(scale(at, 1.0 - share), scale(to, share)), centre) >= ranges.distance_m[0]
            });
            (keeps && room.clearance_m(to) >= ranges.wall_m.max(0.01)).then_some(to)
        });
        at = to.unwrap_or(at);
        time_s += leg_s;
        waypoints.push(Waypoint { time_s, position_m: at });
    }
    if waypoints.iter().all(|w| w.position_m == from) { Path::Still(from) } else { Path::Waypoints(waypoints) }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn walkers_turn_and_stay_in_the_room_and_away_from_the_array() {
        let ranges = SceneRanges { duration_s: 9.0, wall_m: 0.3, ..SceneRanges::default() };
        let room = Room::new([4.0, 3.5, 2.6], 0.5, 343.0).unwrap();
        let (centre, from) = ([2.0, 1.7, 1.2], [3.0, 2.2, 1.6]);
        let mut turned = 0;
        for seed in 0..50 {
            let path = walk(&mut SmallRng::seed_from_u64(seed), &ranges, &room, centre, from);
            assert!(path.fault().is_none() && path.top_speed_m_s() <= SPEED_M_S[1] + 1e-9, "{path:?}");
            for i in 0..=900 {
                let at = path.at(f64::from(i) / 100.0);
                // The distance is held at 21 places of a leg.
                assert!(distance(at, centre) >= ranges.distance_m[0] - 0.01, "{at:?}");
                assert!(room.clearance_m(at) >= ranges.wall_m - 1e-9, "{at:?}");
            }
            if let Path::Waypoints(points) = &path {
                assert_eq!(points.last().unwrap().time_s, 9.0);
                turned += usize::from(points.len() > 3);
            }
        }
        assert!(turned > 45, "{turned}");
    }

    #[test]
    fn who_has_no_way_stands() {
        let ranges = SceneRanges { duration_s: 5.0, wall_m: 1.3, ..SceneRanges::default() };
        let room = Room::new([4.0, 3.5, 2.5], 0.5, 343.0).unwrap();
        let from = [1.0, 1.0, 1.2];
        let path = walk(&mut SmallRng::seed_from_u64(1), &ranges, &room, [2.0, 1.7, 1.2], from);
        assert_eq!(path, Path::Still(from));
    }
}
