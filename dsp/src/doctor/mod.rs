//! The layout doctor: what is wrong with an array's layout or its cables, from the layout itself ([`geometry`]) and from the sound
//! that comes in ([`Doctor`]).
//!
//! In the order of the data flow:
//!
//! 1. Blocks become hops of 16 ms, whose levels and peaks show dead and clipped channels, and some four *moments* a second: windows of
//!    32 ms, loud, best where a sound begins, with phase-transformed spectra.
//! 2. Each moment is fitted to the stated layout and to every variation of it with two channels swapped or one turned over: the largest
//!    steered response (SRP-PHAT) over a grid of directions, in a band that the grid can follow. No delay is ever measured in samples, so
//!    arrays of 1 cm work as those of 1 m do.
//! 3. Moments add up. A swap is found when it fits better than the layout and than any other swap, in most moments and from most of the
//!    places that sound came from; one place alone could deceive.
//! 4. Levels of the same moments, place by place, show channels whose gains differ by more than direction and distance explain.
//!
//! What the doctor needs: somebody who walks round the array and speaks, claps or rattles keys for 10 to 20 s, in at least three
//! directions 30° and more apart, some 10 dB above the noise. A steady tone or a hum does not do.
//!
//! Where swapping two capsules mirrors the whole array (any two of a regular tetrahedron, opposite corners of a square) no sound can
//! show it, unless the talker's direction is known: [`Doctor::talker_is_at`].

mod coincidence;
mod evidence;
mod finding;
mod gains;
mod geometry;
mod hypotheses;
mod levels;
mod moments;

use std::fmt;

use crate::array::MicArray;
use crate::direction::Direction;
use crate::front_end::{FrontEndError, SampleRate};
use coincidence::Copies;
use evidence::{Evidence, Gain};
use finding::channel_names;
pub use finding::{Finding, FindingKind, Remedy, Severity};
use gains::Place;
use geometry::is_mirror;
pub use geometry::{LEARNED_APERTURE_M, geometry};
use hypotheses::{Fitting, Hypothesis, LANES};
use levels::Levels;
use moments::{HOP_S, Moments};

/// K, the frequency bins of a moment.
const BINS: usize = 6 * LANES;
/// Lowest frequency in Hz.
const LOWEST_HZ: f64 = 250.0;
/// Highest frequency in Hz, …
const HIGHEST_HZ: f64 = 7000.0;
/// … or less for wide arrays: this over the aperture, in Hz m, so that the grid of directions is fine enough, …
const APERTURE_HZ_M: f64 = 900.0;
/// … but at least this, in Hz.
const LEAST_HIGHEST_HZ: f64 = 500.0;
/// Moments before anything is said that needs moments.
const FEWEST_MOMENTS: usize = 12;
/// Places that sound must have come from before a swap is said.
const FEWEST_PLACES: usize = 3;
/// A swap's gain in fit over its standard error, …
const SWAP_T: f64 = 4.5;
/// … and its lead over the next best.
const LEAD_T: f64 = 2.5;
/// The smallest gain in fit that counts.
const SWAP_GAIN: f64 = 0.003;
/// Share of moments, and of places, in which a swap must fit better.
const SWAP_SHARE: f64 = 0.65;
/// Lead of channels without delays over the layout, over its standard error, for encoded Ambisonics.
const AMBISONIC_T: f64 = 5.0;
/// With a mirrored pair mended the told direction must fit nearly as well as the best one, as a share.
const TOLD_SHARE: f64 = 0.93;
/// A turned channel's gain over its standard error, …
const TURN_T: f64 = 6.0;
/// … the share of moments in which it must fit better, …
const TURN_SHARE: f64 = 0.8;
/// … and its gain as a share of what turning a perfect channel over would cost.
const TURN_GAIN: f64 = 0.3;

/// Why the doctor cannot work.
#[derive(Clone, Debug, PartialEq)]
pub enum DoctorError {
    /// A speed of sound that is not between 100 and 2000 m/s.
    SpeedOfSound {
        /// As given, in metres a second.
        found_m_s: f64,
    },
    /// The analysis cannot be planned.
    FrontEnd(FrontEndError),
}

impl fmt::Display for DoctorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SpeedOfSound { found_m_s } => {
                write!(f, "speed of sound: expected 100 to 2000 m/s, found {found_m_s} m/s")
            }
            Self::FrontEnd(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for DoctorError {}

/// Listens to an array and says what is wrong with it. See the [module](self) for what it needs to hear.
///
/// It is cheap enough to run beside an analysis, on the worker's thread: below 1 % of a core for 12 capsules, some 1 % for 32. Memory:
/// some 0.2 MB a capsule, and for 64 capsules 2 MB of evidence.
pub struct Doctor {
    /// Bus channel of each active capsule, `[C]`.
    channels: Vec<usize>,
    /// The capsules in the order of their channels, `[C]`.
    by_channel: Vec<usize>,
    /// The capsules from their centroid in metres, `[C]`.
    capsules_m: Vec<[f64; 3]>,
    moments: Moments,
    levels: Levels,
    copies: Copies,
    fitting: Fitting,
    evidence: Evidence,
    told: Option<Direction>,
    /// Whether each hypothesis mirrors the whole array, `[H]`.
    mirrors: Vec<bool>,
    weights: Vec<f32>,
    products: Vec<f32>,
    heard_hops: u64,
}

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Doctor(C {}, {:.1} s heard, {} moments)", self.channels.len(), self.heard_s(), self.evidence.len())
    }
}

impl Doctor {
    /// A doctor for the active capsules of an array, who has heard nothing yet.
    ///
    /// After a change of the layout, a remedy included, a new doctor is needed.
    ///
    /// # Errors
    /// [`DoctorError::SpeedOfSound`] outside 100 … 2000 m/s.
    pub fn new(rate: SampleRate, array: &MicArray, speed_m_s: f64) -> Result<Self, DoctorError> {
        if !(100.0..=2000.0).contains(&speed_m_s) {
            return Err(DoctorError::SpeedOfSound { found_m_s: speed_m_s });
        }
        let aperture_m = array.aperture_m();
        let highest_hz = (APERTURE_HZ_M / aperture_m).clamp(LEAST_HIGHEST_HZ, HIGHEST_HZ);
        let frequencies_hz = frequencies_hz(highest_hz);
        let moments =
            Moments::new(rate, array, &frequencies_hz).map_err(|e| DoctorError::FrontEnd(FrontEndError::Bins(e)))?;
        let fitting = Fitting::new(array, &frequencies_hz, speed_m_s);
        let places = array.relative_positions_m();
        let mirrors = fitting.hypotheses().iter().map(|h| match *h {
            Hypothesis::Swap(a, b) => is_mirror(&places, aperture_m, a, b),
            Hypothesis::Turn(_) => false,
        });
        let channels: Vec<usize> = array.active().map(|c| c.channel).collect();
        let mut by_channel: Vec<usize> = (0..channels.len()).collect();
        by_channel.sort_by_key(|&c| channels[c]);
        Ok(Self {
            channels,
            by_channel,
            moments,
            levels: Levels::new(places.len()),
            copies: Copies::new(places.len()),
            mirrors: mirrors.collect(),
            capsules_m: places,
            fitting,
            evidence: Evidence::default(),
            told: None,
            weights: vec![1.0 / BINS as f32; BINS],
            products: Vec::new(),
            heard_hops: 0,
        })
    }

    /// Says where whoever speaks now is, within some 30°, seen from the array's centroid; `None` when that is not known any more.
    ///
    /// Swaps that mirror the array are heard this way. Directions in the mirror's plane show nothing, so three directions should be
    /// told, not all in one plane: in front, on the left and above, say.
    pub fn talker_is_at(&mut self, direction: Option<Direction>) {
        self.told = direction;
        self.fitting.look_towards(direction);
    }

    /// Takes one planar block `[channels][frames]` of any length. Samples that are not finite count as silence.
    ///
    /// # Errors
    /// [`FrontEndError::BusTooNarrow`] or [`FrontEndError::RaggedBlock`]; nothing is taken then.
    pub fn push(&mut self, bus: &[&[f32]]) -> Result<(), FrontEndError> {
        let Self { moments, levels, copies, fitting, evidence, weights, products, heard_hops, by_channel, .. } = self;
        let told = self.told.is_some();
        let capsules = self.channels.len();
        moments.push(
            bus,
            |hop| {
                *heard_hops += u64::from(hop.loud);
                levels.push(hop);
            },
            |phat, levels_db| {
                let mut moment = evidence.recycled();
                fitting.fit(phat, weights, &mut moment.fit);
                coincidence::products(phat, BINS, products);
                copies.push(products, levels_db);
                (moment.coincident, moment.signs) = coincidence::coincident(products, capsules, by_channel[0]);
                moment.first_order_db = coincidence::first_order_db(by_channel.iter().map(|&c| levels_db[c]));
                moment.levels_db.clear();
                moment.levels_db.extend_from_slice(levels_db);
                moment.told = told;
                evidence.push(moment);
            },
        )
    }

    /// Seconds of loud sound heard so far.
    pub fn heard_s(&self) -> f64 {
        self.heard_hops as f64 * HOP_S
    }

    /// Places at least 30° apart that sound has come from, of the last minute; swaps need three. Counts too many while channels are
    /// swapped.
    pub fn places(&self) -> usize {
        self.evidence.places(self.fitting.directions()).len()
    }

    /// What was found so far, the worst first. Costs more than a block does: ask once a second or less.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut ill = vec![false; self.channels.len()];
        self.find_dead(&mut findings, &mut ill);
        self.find_clipped(&mut findings);
        if let Some(ambisonic) = self.find_ambisonic() {
            findings.push(ambisonic);
        } else {
            self.find_copies(&mut findings, &mut ill);
            self.find_turned_and_swapped(&mut findings, &ill);
            self.find_unmatched(&mut findings, &ill);
        }
        findings.sort_by_key(|f| (std::cmp::Reverse(f.severity), f.kind, f.channels.clone()));
        findings
    }

    fn find_dead(&self, findings: &mut Vec<Finding>, ill: &mut [bool]) {
        for (capsule, ill) in ill.iter_mut().enumerate() {
            let Some(dead) = self.levels.dead(capsule) else { continue };
            *ill = true;
            let channel = self.channels[capsule];
            let name = channel_names(&[channel]);
            let level = if dead.below_db < -150.0 {
                "It is silent while the others have sound.".to_string()
            } else {
                let side = if dead.below_db < 0.0 { "below" } else { "above" };
                format!("Its level is {:.0} dB {side} the others' while they have sound.", dead.below_db.abs())
            };
            let follows = dead.follows.map_or(String::new(), |f| {
                format!(" When theirs goes up by 10 dB, it moves by {:.0} dB.", (10.0 * f).max(0.0))
            });
            findings.push(Finding {
                kind: FindingKind::Dead,
                severity: Severity::Error,
                channels: vec![channel],
                title: format!("The capsule of {name} hears nothing"),
                evidence: format!("{level}{follows} Check the cable, the gain and the routing, or mute it."),
                remedy: self.mute(&[channel]),
            });
        }
    }

    fn find_clipped(&self, findings: &mut Vec<Finding>) {
        for (capsule, &channel) in self.channels.iter().enumerate() {
            let Some((tops, peak)) = self.levels.clipped(capsule) else { continue };
            findings.push(Finding {
                kind: FindingKind::Clipped,
                severity: Severity::Warning,
                channels: vec![channel],
                title: format!("Channel {} is clipped", channel + 1),
                evidence: format!(
                    "{tops} peaks of late end flat at {:.1} dBFS. Turn the preamplifier down, all channels alike.",
                    20.0 * peak.log10()
                ),
                remedy: None,
            });
        }
    }

    fn find_copies(&self, findings: &mut Vec<Finding>, ill: &mut [bool]) {
        for (group, one_sign) in self.copies.groups(FEWEST_MOMENTS) {
            if group.iter().any(|&c| ill[c]) {
                continue;
            }
            // The one whose delays fit its place best is genuine.
            let genuine =
                group.iter().copied().max_by(|&a, &b| self.evidence.capsule(a).total_cmp(&self.evidence.capsule(b)));
            let of = |capsules: &mut dyn Iterator<Item = usize>| {
                let mut channels: Vec<_> = capsules.map(|c| self.channels[c]).collect();
                channels.sort_unstable();
                channels
            };
            let copies = of(&mut group.iter().copied().filter(|&c| Some(c) != genuine));
            let channels = of(&mut group.iter().copied());
            group.iter().for_each(|&c| ill[c] = true);
            let sign = if one_sign { "" } else { ", some with the opposite sign" };
            let best = channel_names(&of(&mut genuine.into_iter()));
            findings.push(Finding {
                kind: FindingKind::Duplicated,
                severity: Severity::Error,
                title: format!("{} carry the same sound", capitalised(&channel_names(&channels))),
                evidence: format!(
                    "In {} moments their phases are equal to 0.3° at all frequencies{sign}; no two capsules hear that alike. \
                     The place of {best} fits best. Check the routing.",
                    self.evidence.len()
                ),
                remedy: self.mute(&copies),
                channels,
            });
        }
    }

    fn find_ambisonic(&self) -> Option<Finding> {
        let moments = || self.evidence.moments();
        // Copies have no delay either; steady ones are copies, whatever else.
        if self.evidence.len() < FEWEST_MOMENTS || !self.copies.groups(FEWEST_MOMENTS).is_empty() {
            return None;
        }
        let encoded = coincidence::encoded(moments().filter_map(|m| Some((m.signs, m.first_order_db?))))?;
        let lead = Gain::of(moments().map(|m| f64::from(m.coincident - m.fit.free)));
        if lead.t < AMBISONIC_T {
            return None;
        }
        let stated = moments().map(|m| f64::from(m.fit.free)).sum::<f64>() / lead.moments as f64;
        let mut channels = self.channels.clone();
        channels.sort_unstable();
        Some(Finding {
            kind: FindingKind::Ambisonic,
            severity: Severity::Error,
            channels,
            title: "This looks like encoded Ambisonics, not like capsules".into(),
            evidence: format!(
                "The channels fit one sound without delays better than the layout in {} of {} moments ({:.2} instead of {stated:.2}); \
                 {} patterns of signs change with the direction, and channels 2 to 4 of the bus have {:+.1} dB of the first one's \
                 power. Take the signal before the encoder (A-format).",
                lead.better,
                lead.moments,
                stated + lead.mean,
                encoded.patterns,
                encoded.first_order_db
            ),
            remedy: None,
        })
    }

    fn find_turned_and_swapped(&self, findings: &mut Vec<Finding>, ill: &[bool]) {
        let hypotheses = self.fitting.hypotheses();
        if self.evidence.len() < FEWEST_MOMENTS || self.channels.len() < 3 {
            return;
        }
        let stated = self.evidence.stated();
        let mut gains: Vec<(usize, Gain)> = (0..hypotheses.len())
            .filter(|&h| match hypotheses[h] {
                Hypothesis::Swap(a, b) => !ill[a] && !ill[b],
                Hypothesis::Turn(c) => !ill[c],
            })
            .map(|h| (h, self.evidence.gain(h, self.mirrors[h])))
            .collect();
        gains.sort_by(|a, b| b.1.mean.total_cmp(&a.1.mean));

        let best_swap = gains.iter().find(|(h, _)| matches!(hypotheses[*h], Hypothesis::Swap(..))).copied();
        let turned: Vec<(usize, Gain)> = gains
            .iter()
            .filter_map(|&(h, gain)| match hypotheses[h] {
                Hypothesis::Turn(c) => Some((c, gain)),
                Hypothesis::Swap(..) => None,
            })
            .filter(|(_, gain)| {
                let cost = 4.0 / self.channels.len() as f64 * (stated + gain.mean);
                gain.t >= TURN_T
                    && gain.share() >= TURN_SHARE
                    && gain.mean >= TURN_GAIN * cost
                    && best_swap.is_none_or(|s| s.1.mean < gain.mean)
            })
            .collect();
        // Only the sign against the others shows: more than half cannot be the odd ones.
        if 2 * turned.len() < self.channels.len() {
            for (capsule, gain) in &turned {
                let channel = self.channels[*capsule];
                findings.push(Finding {
                    kind: FindingKind::Inverted,
                    severity: Severity::Error,
                    channels: vec![channel],
                    title: format!("Channel {} has the opposite sign", channel + 1),
                    evidence: format!(
                        "With its sign turned the sound fits the layout better in {} of {} moments: {:.2} instead of {:.2}. Turn its \
                         polarity over: the cable, or the switch of the preamplifier.",
                        gain.better,
                        gain.of,
                        stated + gain.mean,
                        stated
                    ),
                    remedy: None,
                });
            }
        }

        let places = self.evidence.places(self.fitting.directions());
        let [(h, gain), next, ..] = gains[..] else { return };
        let Hypothesis::Swap(a, b) = hypotheses[h] else { return };
        let (better_places, of_places) = self.evidence.better_places(&places, h);
        let (told, free) = self.evidence.told_fits();
        let lead = self.evidence.lead(h, next.0, self.mirrors[h] || self.mirrors[next.0]);
        if gain.moments < FEWEST_MOMENTS
            || places.len() < FEWEST_PLACES
            || gain.t < SWAP_T
            || gain.mean < SWAP_GAIN
            || gain.share() < SWAP_SHARE
            || (better_places as f64) < SWAP_SHARE * of_places as f64
            || (self.mirrors[h] && told + gain.mean < TOLD_SHARE * free)
            || lead.t < LEAD_T
        {
            return;
        }
        let (a, b) = (self.channels[a].min(self.channels[b]), self.channels[a].max(self.channels[b]));
        findings.push(Finding {
            kind: FindingKind::Swapped,
            severity: Severity::Error,
            channels: vec![a, b],
            title: format!("{} are swapped", capitalised(&channel_names(&[a, b]))),
            evidence: format!(
                "With the two exchanged the delays fit the layout better in {} of {} moments, from {better_places} of {of_places} places: \
                 {:.2} instead of {:.2}.",
                gain.better,
                gain.of,
                stated + gain.mean,
                stated
            ),
            remedy: Some(Remedy::SwapChannels { a, b }),
        });
    }

    /// Channels with other gains; not before those that are swapped hang in their places.
    fn find_unmatched(&self, findings: &mut Vec<Finding>, ill: &[bool]) {
        let well: Vec<usize> = (0..self.channels.len()).filter(|&c| !ill[c]).collect();
        let places = self.evidence.places(self.fitting.directions());
        let moments: usize = places.iter().map(Vec::len).sum();
        let swapped = findings.iter().any(|f| f.kind == FindingKind::Swapped);
        if swapped || places.len() < FEWEST_PLACES || moments < FEWEST_MOMENTS {
            return;
        }
        let levels = |of: &Vec<usize>| {
            let place = self.evidence.levels(of, self.fitting.directions(), self.channels.len());
            Place { levels_db: well.iter().map(|&c| place.levels_db[c]).collect(), ..place }
        };
        let heard: Vec<Place> = places.iter().map(levels).collect();
        let capsules_m: Vec<[f64; 3]> = well.iter().map(|&c| self.capsules_m[c]).collect();
        let offsets = gains::unmatched(&heard, &capsules_m);
        let mut odd: Vec<(usize, f64)> =
            well.iter().zip(offsets).filter_map(|(&c, offset)| Some((self.channels[c], offset?))).collect();
        odd.sort_unstable_by_key(|(channel, _)| *channel);
        let channels: Vec<usize> = odd.iter().map(|(channel, _)| *channel).collect();
        let title = match odd[..] {
            [] => return,
            [(channel, offset_db)] => {
                let side = if offset_db > 0.0 { "louder" } else { "quieter" };
                format!("Channel {} is {:.0} dB {side} than the others", channel + 1, offset_db.abs())
            }
            _ => format!("{} have other gains than the rest", capitalised(&channel_names(&channels))),
        };
        let list: Vec<String> =
            odd.iter().map(|(channel, offset_db)| format!("channel {}: {offset_db:+.1} dB", channel + 1)).collect();
        findings.push(Finding {
            kind: FindingKind::Unmatched,
            severity: Severity::Warning,
            channels,
            title,
            evidence: format!(
                "Against the middle of all, {}, in {moments} moments from {} places; what direction and distance explain is taken off.                  Set all preamplifiers alike: levels tell directions, too.",
                list.join(", "),
                places.len()
            ),
            remedy: None,
        });
    }

    /// Muting channels, where two capsules are left then.
    fn mute(&self, channels: &[usize]) -> Option<Remedy> {
        (self.channels.len() >= channels.len() + 2).then(|| Remedy::Mute { channels: channels.to_vec() })
    }
}

/// K frequencies up to `highest_hz`, a little uneven, so that no delay fits them all but the true one, `[K]`.
fn frequencies_hz(highest_hz: f64) -> Vec<f64> {
    let golden = 0.5 * (5f64.sqrt() - 1.0);
    let step = (highest_hz - LOWEST_HZ) / BINS as f64;
    (0..BINS).map(|i| i as f64).map(|i| LOWEST_HZ + step * (i + 0.25 + 0.5 * (i * golden).fract())).collect()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
