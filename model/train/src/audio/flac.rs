//! The FLAC format, by claxon.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Audio, AudioFault, check_header};

pub(super) fn read(input: impl Read) -> Result<Audio, AudioFault> {
    // claxon is written not to panic; if some file proves it wrong, that is the file's fault and not the program's end.
    catch_unwind(AssertUnwindSafe(|| decode(input)))
        .unwrap_or_else(|_| Err(AudioFault::Format("expected FLAC, found bytes that the decoder gives up on".into())))
}

fn decode(input: impl Read) -> Result<Audio, AudioFault> {
    let fault = |error: claxon::Error| match error {
        claxon::Error::IoError(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => AudioFault::Io(error),
        other => AudioFault::Format(format!("expected FLAC, found: {other}")),
    };
    let mut reader = claxon::FlacReader::new(input).map_err(fault)?;
    let info = reader.streaminfo();
    let channels = info.channels as usize;
    check_header(info.sample_rate, channels)?;
    if !(4..=32).contains(&info.bits_per_sample) {
        return Err(AudioFault::Format(format!("expected 4 to 32 bits a sample, found {}", info.bits_per_sample)));
    }
    let scale = 2f64.powi(1 - info.bits_per_sample as i32) as f32;
    let mut planar = vec![Vec::new(); channels];
    let mut blocks = reader.blocks();
    let mut buffer = Vec::new();
    // Length grows with what is decoded: a header's claim costs no memory.
    let ended = loop {
        match blocks.read_next_or_eof(buffer) {
            Ok(Some(block)) => {
                if block.channels() as usize != channels {
                    let found = block.channels();
                    return Err(AudioFault::Format(format!(
                        "expected {channels} channels in every block, found {found}"
                    )));
                }
                for (channel, samples) in planar.iter_mut().enumerate() {
                    samples.extend(block.channel(channel as u32).iter().map(|&x| x as f32 * scale));
                }
                buffer = block.into_buffer();
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let found = planar[0].len() as u64;
    match (ended, info.samples) {
        // A broken last block of a file that is too short: cut off. Elsewhere: damaged.
        (Some(claxon::Error::IoError(error)), Some(expected))
            if error.kind() == std::io::ErrorKind::UnexpectedEof && found < expected =>
        {
            Err(AudioFault::Truncated { expected, found })
        }
        (Some(error), _) => Err(fault(error)),
        (None, Some(expected)) if found < expected => Err(AudioFault::Truncated { expected, found }),
        (None, _) => Ok(Audio { sample_rate_hz: info.sample_rate, channels: planar }),
    }
}
