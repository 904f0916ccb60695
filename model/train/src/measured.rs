//! Measured rooms: dry speech through real room responses.
//!
//! Reads the R3VIVAL repository (Meta, CC BY 4.0): 7-channel responses whose file names carry the loudspeaker's azimuth, clockwise,
//! and its distance: `…_S030-150_…` stands 30° to the right at 1.5 m.

use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use spherescope_dsp::{Direction, presets};

use crate::audio::{AudioError, read_audio};
use crate::convolve::convolve;
use crate::dry::dry_files;
use crate::evaluate::listen::{HOP_S, Recording, WINDOW_S};
use crate::random::heard_part;
use crate::resample::resample;
use crate::sets::{Facts, SAMPLE_RATE_HZ, Sources, aperture_m};
use crate::truth::{Activity, TruthSource};
use crate::vector::normal_pair;

/// Identifier of the preset of the repository's array.
pub const ARRAY: &str = "frl-open-7";
/// Length of a clip in seconds.
pub const CLIP_S: f64 = 3.0;
/// The speech's level above white noise in every channel is drawn from this range, in dB.
pub const SNR_DB: [f64; 2] = [5.0, 25.0];

/// One response and where its loudspeaker stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The file.
    pub path: PathBuf,
    /// Where the loudspeaker stands, seen from the array.
    pub direction: Direction,
    /// Its distance in metres.
    pub distance_m: f64,
}

/// All responses of a folder whose names carry azimuth and distance, sorted by name.
///
/// # Errors
/// As [`dry_files`].
pub fn responses(folder: &Path) -> Result<Vec<Response>, AudioError> {
    let files = dry_files(folder)?;
    let response = |path: PathBuf| {
        let (direction, distance_m) = place_of(&path)?;
        Some(Response { path, direction, distance_m })
    };
    Ok(files.into_iter().filter_map(response).collect())
}

fn place_of(path: &Path) -> Option<(Direction, f64)> {
    let name = path.file_stem()?.to_str()?;
    let place = name.split('_').find(|part| part.len() == 8 && part.starts_with('S') && part.as_bytes()[4] == b'-')?;
    let clockwise_deg: f64 = place.get(1..4)?.parse().ok()?;
    let centimetres: f64 = place.get(5..8)?.parse().ok()?;
    Some((Direction::from_degrees(-clockwise_deg, 0.0).ok()?, centimetres / 100.0))
}

/// A part of a random dry sound through one response, with noise. The same seed and response give the same recording.
///
/// # Errors
/// A sentence that names the file that cannot be used.
pub fn render(response: &Response, sources: &Sources, seed: u64) -> Result<Recording, String> {
    let rate = SAMPLE_RATE_HZ;
    let array = presets::find(ARRAY).ok_or("the preset of the rooms' array is missing")?.array;
    let seed = seed ^ response.path.file_name().map_or(0, |n| n.as_encoded_bytes().iter().fold(0, mix));
    let mut rng = rand::rngs::SmallRng::seed_from_u64(seed);
    let frames = (CLIP_S * f64::from(rate)) as usize;
    if sources.signals.is_empty() {
        return Err("expected at least one dry sound, found none".into());
    }
    let signal = &sources.signals[rng.random_range(0..sources.signals.len())];
    let mut dry = heard_part(&mut rng, signal, frames, rate).to_vec();
    dry.resize(frames, 0.0);

    let measured = read_audio(&response.path).map_err(|e| e.to_string())?;
    let filters: Vec<_> = measured.channels.iter().map(|c| resample(c, measured.sample_rate_hz, rate)).collect();
    if filters.len() < array.channels_needed() {
        return Err(format!(
            "{}: expected {} channels, found {}",
            response.path.display(),
            array.channels_needed(),
            filters.len()
        ));
    }
    let mut channels = vec![vec![0.0f32; frames]; filters.len()];
    convolve(&dry, 0, &filters, &mut channels);
    let activity = Activity::of(&dry, rate);
    let delay = first_arrival(&filters);
    let rms = channels.first().map_or(0.0, |c| activity.active_rms(c));
    let snr_db = rng.random_range(SNR_DB[0]..=SNR_DB[1]);
    let noise = (rms * 10f64.powf(-snr_db / 20.0)) as f32;
    for channel in &mut channels {
        for pair in channel.chunks_mut(2) {
            pair.iter_mut().zip(normal_pair(&mut rng)).for_each(|(x, n)| *x += noise * n);
        }
    }
    // Speech at a usual level: the loudest sample at −6 dBFS, as simulated scenes have it.
    let peak = channels.iter().flatten().fold(0f32, |a, x| a.max(x.abs()));
    if peak > 0.0 {
        channels.iter_mut().flatten().for_each(|x| *x *= crate::render::PEAK / peak);
    }
    let windows = ((CLIP_S - WINDOW_S) / HOP_S + 1e-9) as usize + 1;
    let truth = |window: usize| {
        let [start, end] =
            [0.0, WINDOW_S].map(|t| ((window as f64 * HOP_S + t) * f64::from(rate)).round() as i64 - delay);
        vec![TruthSource {
            talker: 0,
            direction: response.direction,
            distance_m: response.distance_m,
            active: activity.is_active(start, end),
        }]
    };
    Ok(Recording {
        sample_rate_hz: rate,
        facts: Facts {
            capsules: array.active_len(),
            aperture_m: aperture_m(&array),
            talkers: 1,
            snr_db: Some(snr_db),
            t60_s: None,
        },
        channels,
        array,
        truth: (0..windows).map(truth).collect(),
        direct_db: Vec::new(),
        before_s: 0.0,
    })
}

fn mix(hash: u64, byte: &u8) -> u64 {
    (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
}

/// Where the direct sound begins: the first sample above a third of the largest, over all channels.
fn first_arrival(filters: &[Vec<f32>]) -> i64 {
    let largest = filters.iter().flatten().fold(0f32, |a, x| a.max(x.abs()));
    let first = |f: &Vec<f32>| f.iter().position(|x| x.abs() > largest / 3.0);
    filters.iter().filter_map(first).min().unwrap_or(0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_becomes_a_recording_with_its_truth() {
        // Plane waves from 60° on the right, 10 ms after the start.
        let array = presets::find(ARRAY).unwrap().array;
        let towards = Direction::from_degrees(-60.0, 0.0).unwrap().unit();
        let rate = 48_000;
        let channels: Vec<Vec<f32>> = array
            .relative_positions_m()
            .iter()
            .map(|p| {
                let early = (0..3).map(|i| p[i] * towards[i]).sum::<f64>() / 343.0;
                let mut response = vec![0.0; 960];
                response[((0.010 - early) * f64::from(rate)).round() as usize] = 0.5;
                response
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        crate::audio::write_wav_f32(folder.path().join("Room_S060-200_R1.wav"), rate, &channels).unwrap();
        let responses = responses(folder.path()).unwrap();
        assert_eq!((responses.len(), responses[0].distance_m), (1, 2.0));
        let signal = crate::sources::babble(1, SAMPLE_RATE_HZ, 4.0);
        let sources = Sources { name: "test".into(), signals: vec![signal] };
        let recording = render(&responses[0], &sources, 1).unwrap();
        assert_eq!((recording.channels.len(), recording.channels[0].len()), (7, 48_000));
        let active = recording.truth.iter().filter(|t| t[0].active).count();
        assert!(active > recording.truth.len() / 3, "{active} of {}", recording.truth.len());
        assert_eq!(recording.channels, render(&responses[0], &sources, 1).unwrap().channels);
        let silent = Sources { name: "none".into(), signals: vec![] };
        assert!(render(&responses[0], &silent, 1).unwrap_err().contains("found none"));
    }

    #[test]
    fn names_carry_direction_and_distance() {
        let (direction, distance_m) =
            place_of(Path::new("RLRVarAcLab_Absorptive_000_S030-150_R1_FRL10cm.flac")).unwrap();
        assert!((direction.azimuth_deg() + 30.0).abs() < 1e-9 && distance_m == 1.5);
        assert!(place_of(Path::new("RLRVarAcLab_Absorptive_000_SBG1_R1_FRL10cm.flac")).is_none());
    }
}
