//! What the doctor says: findings with their evidence, and remedies that change the layout.

use std::fmt;

use crate::array::{ArrayError, Capsule, MicArray};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know; nothing is wrong.
    Info,
    /// Directions may be worse than they need be.
    Warning,
    /// Directions are wrong until this is mended.
    Error,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// All capsules in a plane: a direction and its mirror image look alike.
    Planar,
    /// All capsules on a line: cones around it look alike.
    Linear,
    /// Two capsules nearly in one place.
    Close,
    /// One capsule far from all others.
    FarOut,
    /// The whole array is implausibly small.
    TooSmall,
    /// The array is larger than those the network has learned from, or implausibly large.
    TooLarge,
    /// From which frequency on directions alias.
    Aliasing,
    /// Capsules whose swap mirrors the whole array: sound alone can't show it.
    Mirror,
    /// A channel without the sound that the others have.
    Dead,
    /// A channel whose peaks are cut off.
    Clipped,
    /// Channels with other gains than the rest.
    Unmatched,
    /// Two channels with the same samples, but for a gain.
    Duplicated,
    /// A channel with the opposite sign.
    Inverted,
    /// Two channels in each other's place.
    Swapped,
    /// Encoded Ambisonics where capsules are expected.
    Ambisonic,
}

impl FindingKind {
    /// Whether the finding comes from the sound; the others come from the layout alone.
    pub fn is_heard(self) -> bool {
        matches!(
            self,
            Self::Dead
                | Self::Clipped
                | Self::Unmatched
                | Self::Duplicated
                | Self::Inverted
                | Self::Swapped
                | Self::Ambisonic
        )
    }
}

/// Something that the user should know about the array or its cables.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// How much it matters.
    pub severity: Severity,
    /// Channels of the bus that it is about, counted from 0 and rising; empty where it is about the whole array.
    pub channels: Vec<usize>,
    /// One line for people. Here and in the evidence channels count from 1, as tracks do.
    pub title: String,
    /// What it was seen from, with figures, and what to do where no remedy can do it.
    pub evidence: String,
    /// What a click can do about it.
    pub remedy: Option<Remedy>,
}

/// A change of the layout that mends a finding.
#[derive(Clone, Debug, PartialEq)]
pub enum Remedy {
    /// Mute the capsules of these channels of the bus, counted from 0.
    Mute {
        /// The channels.
        channels: Vec<usize>,
    },
    /// Let two capsules change channels.
    SwapChannels {
        /// Channel of the one, counted from 0.
        a: usize,
        /// Channel of the other.
        b: usize,
    },
    /// Multiply all coordinates.
    ScaleBy {
        /// The factor, above 0.
        factor: f64,
    },
}

impl Remedy {
    /// What stands on the button.
    pub fn label(&self) -> String {
        match self {
            Self::Mute { channels } => format!("Mute {}", channel_names(channels)),
            Self::SwapChannels { a, b } => format!("Swap channels {} and {}", a + 1, b + 1),
            Self::ScaleBy { factor } if *factor < 1.0 => format!("Divide all coordinates by {:.0}", 1.0 / factor),
            Self::ScaleBy { factor } => format!("Multiply all coordinates by {factor:.0}"),
        }
    }

    /// The mended array. Channels that no capsule has change nothing.
    ///
    /// # Errors
    /// [`ArrayError`] when what comes out is no array: fewer than two capsules left, or one beyond the largest distance.
    pub fn apply(&self, array: &MicArray) -> Result<MicArray, ArrayError> {
        let mend = |c: &Capsule| match self {
            Self::Mute { channels } => Capsule { muted: c.muted || channels.contains(&c.channel), ..*c },
            Self::SwapChannels { a, b } if c.channel == *a => Capsule { channel: *b, ..*c },
            Self::SwapChannels { a, b } if c.channel == *b => Capsule { channel: *a, ..*c },
            Self::SwapChannels { .. } => *c,
            Self::ScaleBy { factor } => Capsule { position_m: c.position_m.map(|x| x * factor), ..*c },
        };
        MicArray::new(array.name(), array.capsules().iter().map(mend).collect())
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

/// "channel 3", "channels 3 and 5", "channels 1, 2 and 7", of channels counted from 0.
pub(super) fn channel_names(channels: &[usize]) -> String {
    match channels {
        [one] => format!("channel {}", one + 1),
        [rest @ .., last] => {
            let rest: Vec<_> = rest.iter().map(|c| (c + 1).to_string()).collect();
            format!("channels {} and {}", rest.join(", "), last + 1)
        }
        [] => "no channels".into(),
    }
}
