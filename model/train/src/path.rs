//! Where a talker is at any time.

use crate::vector::{add, distance, scale};

/// A place at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waypoint {
    /// Time in the scene, in seconds.
    pub time_s: f64,
    /// Place in the coordinates of the space, in metres.
    pub position_m: [f64; 3],
}

/// A way through the space. Before its first and after its last moment a talker stands still.
#[derive(Clone, Debug, PartialEq)]
pub enum Path {
    /// Standing still at a place, in metres.
    Still([f64; 3]),
    /// Straight lines at constant speed between places; times must rise.
    Waypoints(Vec<Waypoint>),
    /// Around a centre at a constant distance, azimuth and elevation both changing evenly.
    Arc {
        /// Centre in metres, in most scenes the array's.
        centre_m: [f64; 3],
        /// Distance from the centre in metres.
        radius_m: f64,
        /// `[azimuth, elevation]` in degrees at the start, in the axes of the space.
        from_deg: [f64; 2],
        /// `[azimuth, elevation]` in degrees at the end; an azimuth may run past 180°.
        to_deg: [f64; 2],
        /// When the movement starts and ends, in seconds of the scene.
        between_s: [f64; 2],
    },
}

impl Path {
    /// The place at a time in seconds, in metres.
    pub fn at(&self, time_s: f64) -> [f64; 3] {
        match self {
            Self::Still(position) => *position,
            Self::Waypoints(points) => {
                let after = points.partition_point(|p| p.time_s <= time_s);
                match (after.checked_sub(1).and_then(|i| points.get(i)), points.get(after)) {
                    (Some(a), Some(b)) => {
                        let share = (time_s - a.time_s) / (b.time_s - a.time_s);
                        add(scale(a.position_m, 1.0 - share), scale(b.position_m, share))
                    }
                    (Some(only), None) | (None, Some(only)) => only.position_m,
                    (None, None) => [f64::NAN; 3],
                }
            }
            Self::Arc { centre_m, radius_m, from_deg, to_deg, between_s: [begin, end] } => {
                let share = ((time_s - begin) / (end - begin)).clamp(0.0, 1.0);
                let [azimuth, elevation] =
                    [0, 1].map(|i| (from_deg[i] + share * (to_deg[i] - from_deg[i])).to_radians());
                let (sin_el, cos_el) = elevation.sin_cos();
                let unit = [cos_el * azimuth.cos(), cos_el * azimuth.sin(), sin_el];
                add(*centre_m, scale(unit, *radius_m))
            }
        }
    }

    /// The highest speed on the way, in metres a second (for an arc, an upper bound).
    pub fn top_speed_m_s(&self) -> f64 {
        match self {
            Self::Still(_) => 0.0,
            Self::Waypoints(points) => points
                .windows(2)
                .map(|w| distance(w[0].position_m, w[1].position_m) / (w[1].time_s - w[0].time_s))
                .fold(0.0, f64::max),
            Self::Arc { radius_m, from_deg, to_deg, between_s, .. } => {
                let turn = (to_deg[0] - from_deg[0]).hypot(to_deg[1] - from_deg[1]).to_radians();
                turn * radius_m / (between_s[1] - between_s[0])
            }
        }
    }

    /// What is wrong with the numbers, if anything: "expected …, found …".
    pub(crate) fn fault(&self) -> Option<String> {
        let finite = |v: &[f64]| v.iter().all(|x| x.is_finite());
        match self {
            Self::Still(p) => (!finite(p)).then(|| format!("expected finite coordinates in metres, found {p:?}")),
            Self::Waypoints(points) if points.is_empty() => Some("expected at least one waypoint, found none".into()),
            Self::Waypoints(points) => {
                if let Some(p) = points.iter().find(|p| !p.time_s.is_finite() || !finite(&p.position_m)) {
                    return Some(format!("expected finite waypoints, found {p:?}"));
                }
                points.windows(2).find(|w| w[1].time_s <= w[0].time_s).map(|w| {
                    format!(
                        "expected waypoints in rising order of time, found {} s after {} s",
                        w[1].time_s, w[0].time_s
                    )
                })
            }
            Self::Arc { centre_m, radius_m, from_deg, to_deg, between_s } => {
                if !(finite(centre_m) && finite(from_deg) && finite(to_deg) && finite(between_s)) {
                    Some("expected finite numbers for an arc, found one that is not".into())
                } else if !(radius_m.is_finite() && *radius_m > 0.0) {
                    Some(format!("expected an arc's radius above 0 m, found {radius_m} m"))
                } else if between_s[1] <= between_s[0] {
                    Some(format!(
                        "expected an arc's end after its start, found {} s after {} s",
                        between_s[1], between_s[0]
                    ))
                } else {
                    None
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waypoints_are_joined_by_straight_lines() {
        let path = Path::Waypoints(vec![
            Waypoint { time_s: 1.0, position_m: [0.0, 0.0, 1.0] },
            Waypoint { time_s: 3.0, position_m: [4.0, 2.0, 1.0] },
        ]);
        assert_eq!(path.at(0.0), [0.0, 0.0, 1.0]);
        assert_eq!(path.at(2.0), [2.0, 1.0, 1.0]);
        assert_eq!(path.at(9.0), [4.0, 2.0, 1.0]);
        assert!((path.top_speed_m_s() - 20f64.sqrt() / 2.0).abs() < 1e-12);
    }

    #[test]
    fn an_arc_keeps_its_distance() {
        let path = Path::Arc {
            centre_m: [1.0, 2.0, 3.0],
            radius_m: 2.0,
            from_deg: [0.0, 0.0],
            to_deg: [90.0, 30.0],
            between_s: [0.0, 10.0],
        };
        assert_eq!(path.at(-1.0), [3.0, 2.0, 3.0]);
        for t in 0..=10 {
            assert!((distance(path.at(t as f64), [1.0, 2.0, 3.0]) - 2.0).abs() < 1e-12);
        }
        assert!((path.at(10.0)[2] - 4.0).abs() < 1e-12);
    }

    #[test]
    fn faults_say_what_was_found() {
        let at = |time_s| Waypoint { time_s, position_m: [0.0; 3] };
        assert!(Path::Waypoints(vec![]).fault().unwrap().contains("found none"));
        assert!(Path::Waypoints(vec![at(1.0), at(0.5)]).fault().unwrap().contains("found 0.5 s after 1 s"));
        assert!(Path::Still([0.0, f64::NAN, 0.0]).fault().is_some());
        assert!(Path::Still([0.0; 3]).fault().is_none());
    }
}
