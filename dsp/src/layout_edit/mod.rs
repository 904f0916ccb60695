//! Changing arrays and making them: operations on capsules, on the whole, common shapes, and the history that undoes them.
//!
//! Every operation leaves its array alone and returns another, valid one, or says why there is none. Capsules are counted from 0 in
//! the order of the layout; their channels, counted from 0 too, go with them.

use crate::array::{ArrayError, COINCIDENT_M, Capsule, MAX_CAPSULES, MAX_DISTANCE_M, MicArray};
use crate::direction::norm;

mod designs;
mod history;
pub mod shapes;

pub use designs::SphericalDesign;
pub use history::History;

/// A capsule that is added or copied stands at most this far from the one beside it, in metres.
const NEIGHBOUR_M: f64 = 0.05;

/// An axis of the coordinate system: x front, y left, z up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Front and back.
    X,
    /// Left and right.
    Y,
    /// Up and down.
    Z,
}

impl Axis {
    /// All axes, in order.
    pub const ALL: [Self; 3] = [Self::X, Self::Y, Self::Z];

    fn index(self) -> usize {
        match self {
            Self::X => 0,
            Self::Y => 1,
            Self::Z => 2,
        }
    }
}

/// Operations on single capsules.
impl MicArray {
    /// The array with one more capsule, last, on the lowest free channel and beside the present last one.
    ///
    /// # Errors
    /// [`ArrayError::TooMany`] when the array is full.
    pub fn with_capsule(&self) -> Result<Self, ArrayError> {
        let place = self.place_beside(self.capsules().len() - 1);
        self.with_capsule_at(place)
    }

    /// The array with one more capsule at a place in metres, last, on the lowest free channel.
    ///
    /// # Errors
    /// [`ArrayError::TooMany`] when the array is full, or that of a place that cannot be.
    pub fn with_capsule_at(&self, position_m: [f64; 3]) -> Result<Self, ArrayError> {
        let channel = self.free_channel()?;
        self.edited(|capsules| capsules.push(Capsule::new(channel, position_m)))
    }

    /// The array with a copy of a capsule right after it, on the lowest free channel and beside it, muted if it is.
    ///
    /// # Errors
    /// [`ArrayError::NoSuchCapsule`], or [`ArrayError::TooMany`] when the array is full.
    pub fn with_duplicate(&self, capsule: usize) -> Result<Self, ArrayError> {
        let original = self.capsule(capsule)?;
        let copy = Capsule { channel: self.free_channel()?, position_m: self.place_beside(capsule), ..original };
        self.edited(|capsules| capsules.insert(capsule + 1, copy))
    }

    /// The array without a capsule.
    ///
    /// # Errors
    /// [`ArrayError::NoSuchCapsule`], or [`ArrayError::TooFew`] when fewer than two unmuted capsules remain.
    pub fn without_capsule(&self, capsule: usize) -> Result<Self, ArrayError> {
        self.capsule(capsule)?;
        self.edited(|capsules| {
            capsules.remove(capsule);
        })
    }

    /// The array with a capsule taken from one place of the list to another; it keeps its channel.
    ///
    /// # Errors
    /// [`ArrayError::NoSuchCapsule`] for either place.
    pub fn with_capsule_moved(&self, from: usize, to: usize) -> Result<Self, ArrayError> {
        let moved = self.capsule(from)?;
        self.capsule(to)?;
        self.edited(|capsules| {
            capsules.remove(from);
            capsules.insert(to, moved);
        })
    }

    /// The array with a capsule at another place, in metres.
    ///
    /// # Errors
    /// [`ArrayError::NoSuchCapsule`], or that of a place that cannot be.
    pub fn with_position(&self, capsule: usize, position_m: [f64; 3]) -> Result<Self, ArrayError> {
        self.capsule(capsule)?;
        self.edited(|capsules| capsules[capsule].position_m = position_m)
    }

    /// The array with a capsule on another channel, from 0; the capsule that has it, if one does, gets this one's.
    ///
    /// # Errors
    /// [`ArrayError::NoSuchCapsule`] or [`ArrayError::ChannelOutOfRange`].
    pub fn with_channel(&self, capsule: usize, channel: usize) -> Result<Self, ArrayError> {
        let before = self.capsule(capsule)?.channel;
        self.edited(|capsules| {
            if let Some(owner) = capsules.iter_mut().find(|c| c.channel == channel) {
                owner.channel = before;
            }
            capsules[capsule].channel = channel;
        })
    }

    /// The array with a capsule muted or not.
    ///
    /// # Errors
    /// [`ArrayError::NoSuchCapsule`], or [`ArrayError::TooFew`] when fewer than two unmuted capsules remain.
    pub fn with_muted(&self, capsule: usize, muted: bool) -> Result<Self, ArrayError> {
        self.capsule(capsule)?;
        self.edited(|capsules| capsules[capsule].muted = muted)
    }

    fn capsule(&self, capsule: usize) -> Result<Capsule, ArrayError> {
        let capsules = self.capsules();
        capsules.get(capsule).copied().ok_or(ArrayError::NoSuchCapsule { capsule, capsules: capsules.len() })
    }

    fn free_channel(&self) -> Result<usize, ArrayError> {
        (0..MAX_CAPSULES)
            .find(|channel| self.capsules().iter().all(|c| c.channel != *channel))
            .ok_or(ArrayError::TooMany { found: MAX_CAPSULES + 1 })
    }

    /// A free place beside a capsule: as far from it as its nearest neighbour, along x where that is free, or further along.
    fn place_beside(&self, capsule: usize) -> [f64; 3] {
        let origin = self.capsules()[capsule].position_m;
        let others = || self.capsules().iter().map(|c| c.position_m);
        let distance = |a: [f64; 3], b: [f64; 3]| norm(std::array::from_fn(|i| a[i] - b[i]));
        let nearest = (0..self.capsules().len())
            .filter(|i| *i != capsule)
            .map(|i| distance(self.capsules()[i].position_m, origin))
            .fold(NEIGHBOUR_M, f64::min)
            .max(10.0 * COINCIDENT_M);
        let is_free = |p: &[f64; 3]| norm(*p) <= MAX_DISTANCE_M && others().all(|q| distance(*p, q) >= 0.6 * nearest);
        // A capsule shuts out at most two of the places along a line, so that one of 2 · 64 is free; and one of the six ways leads
        // away from the border.
        let ways = Axis::ALL.into_iter().flat_map(|axis| [(axis, 1.0), (axis, -1.0)]);
        ways.flat_map(|(axis, sign)| (1..=2 * MAX_CAPSULES).map(move |k| (axis, sign * k as f64)))
            .map(|(axis, steps)| {
                let mut place = origin;
                place[axis.index()] += steps * nearest;
                place
            })
            .find(is_free)
            .unwrap_or(origin)
    }

    fn edited(&self, edit: impl FnOnce(&mut Vec<Capsule>)) -> Result<Self, ArrayError> {
        let mut capsules = self.capsules().to_vec();
        edit(&mut capsules);
        Self::new(self.name(), capsules)
    }
}

/// Operations on the whole array. Rotations, mirrors and scales are about the origin of the coordinates.
impl MicArray {
    /// The array under another name.
    ///
    /// # Errors
    /// [`ArrayError::NameTooLong`] or [`ArrayError::NameNotALine`].
    pub fn with_name(&self, name: impl Into<String>) -> Result<Self, ArrayError> {
        Self::new(name, self.capsules().to_vec())
    }

    /// The array with the capsules on these channels, from 0, in the order of the list.
    ///
    /// # Errors
    /// [`ArrayError::Parameter`] when there is not one channel for each capsule, [`ArrayError::SameChannel`] or
    /// [`ArrayError::ChannelOutOfRange`].
    pub fn with_channels(&self, channels: &[usize]) -> Result<Self, ArrayError> {
        if channels.len() != self.capsules().len() {
            return Err(ArrayError::Parameter {
                what: "number of channels",
                expected: "one for each capsule",
                found: channels.len() as f64,
            });
        }
        self.edited(|capsules| {
            for (capsule, channel) in capsules.iter_mut().zip(channels) {
                capsule.channel = *channel;
            }
        })
    }

    /// The array with its capsules on the channels `first`, `first + 1`, … in the order of the list.
    ///
    /// # Errors
    /// [`ArrayError::ChannelOutOfRange`] for the first capsule beyond the widest bus.
    pub fn with_channels_in_order(&self, first: usize) -> Result<Self, ArrayError> {
        self.with_channels(&(0..self.capsules().len()).map(|i| first.saturating_add(i)).collect::<Vec<_>>())
    }

    /// The array turned about an axis through the origin, counter-clockwise for someone who looks against the axis: 90° about z
    /// takes the front to the left. Quarter turns are exact.
    ///
    /// # Errors
    /// [`ArrayError::Parameter`] when the angle is not finite.
    pub fn rotated(&self, axis: Axis, angle_deg: f64) -> Result<Self, ArrayError> {
        if !angle_deg.is_finite() {
            return Err(ArrayError::Parameter {
                what: "angle in degrees",
                expected: "a finite number",
                found: angle_deg,
            });
        }
        let (sin, cos) = match angle_deg.rem_euclid(360.0) {
            0.0 => (0.0, 1.0),
            90.0 => (1.0, 0.0),
            180.0 => (0.0, -1.0),
            270.0 => (-1.0, 0.0),
            angle => angle.to_radians().sin_cos(),
        };
        let (i, j) = ((axis.index() + 1) % 3, (axis.index() + 2) % 3);
        self.with_places(|p| {
            let (a, b) = (p[i], p[j]);
            p[i] = cos * a - sin * b;
            p[j] = sin * a + cos * b;
        })
    }

    /// The array with one coordinate negated: mirrored in x, front and back change places.
    ///
    /// # Errors
    /// None for a valid array; the type is that of the other operations.
    pub fn mirrored(&self, axis: Axis) -> Result<Self, ArrayError> {
        // A difference, so that 0 stays 0 and does not become −0.
        self.with_places(|p| p[axis.index()] = 0.0 - p[axis.index()])
    }

    /// The array with all coordinates multiplied by a factor: 0.001 mends millimetres given as metres.
    ///
    /// # Errors
    /// [`ArrayError::Parameter`] when the factor is not above 0 and finite, [`ArrayError::TooFar`] or [`ArrayError::Coincident`]
    /// when the array gets too large or too small.
    pub fn scaled(&self, factor: f64) -> Result<Self, ArrayError> {
        let factor = above_zero("factor", factor)?;
        self.with_places(|p| *p = p.map(|x| x * factor))
    }

    /// The array scaled so that [`radius_m`](Self::radius_m) is this.
    ///
    /// # Errors
    /// As [`MicArray::scaled`].
    pub fn scaled_to_radius_m(&self, radius_m: f64) -> Result<Self, ArrayError> {
        self.scaled(above_zero("radius in metres", radius_m)? / self.radius_m())
    }

    /// The array moved so that the centroid of its active capsules is the origin.
    ///
    /// # Errors
    /// [`ArrayError::TooFar`] when a muted capsule would stand too far out.
    pub fn centred(&self) -> Result<Self, ArrayError> {
        let centre = self.centroid_m();
        self.with_places(|p| *p = std::array::from_fn(|i| p[i] - centre[i]))
    }

    /// Largest distance of an active capsule from the centroid, in metres; above 0.
    pub fn radius_m(&self) -> f64 {
        self.relative_positions_m().into_iter().map(norm).fold(0.0, f64::max)
    }

    fn with_places(&self, change: impl Fn(&mut [f64; 3])) -> Result<Self, ArrayError> {
        self.edited(|capsules| capsules.iter_mut().for_each(|c| change(&mut c.position_m)))
    }
}

fn above_zero(what: &'static str, found: f64) -> Result<f64, ArrayError> {
    if found.is_finite() && found > 0.0 {
        Ok(found)
    } else {
        Err(ArrayError::Parameter { what, expected: "a number above 0", found })
    }
}
