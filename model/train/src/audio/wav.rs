//! The WAV format: RIFF chunks, `fmt ` and `data`; RF64 (EBU Tech 3306) for more than 4 GiB.

use std::io::{Read, Seek, SeekFrom};

use super::{Audio, AudioFault, check_header};

const PCM: u16 = 0x0001;
const FLOAT: u16 = 0x0003;
const EXTENSIBLE: u16 = 0xfffe;
/// The end of the sub-format identifiers of PCM and float; their first two bytes are the plain format's number.
const SUBFORMAT_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
/// Programs that write into a pipe cannot know the length and put one near the largest signed or unsigned number.
const UNKNOWN_LENGTHS: [std::ops::RangeInclusive<u64>; 2] = [0x7fff_f000..=0x7fff_ffff, 0xffff_ff00..=0xffff_ffff];

/// How samples are coded.
#[derive(Clone, Copy, Debug)]
struct Coding {
    float: bool,
    channels: usize,
    sample_rate_hz: u32,
    /// Bytes of one sample of one channel.
    width: usize,
}

pub(super) fn read(mut input: impl Read + Seek) -> Result<Audio, AudioFault> {
    let file_len = input.seek(SeekFrom::End(0)).map_err(AudioFault::Io)?;
    let mut at = 12;
    let mut coding = None;
    let mut long_data = None;
    loop {
        input.seek(SeekFrom::Start(at)).map_err(AudioFault::Io)?;
        let mut head = [0; 8];
        if at + 8 > file_len || input.read_exact(&mut head).is_err() {
            let missing = if coding.is_some() { "data" } else { "fmt" };
            return Err(AudioFault::Format(format!("expected a “{missing}” chunk, found the end of the file")));
        }
        at += 8;
        let len = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        let inside = len.min(file_len - at);
        match &head[..4] {
            b"ds64" => {
                let bytes = take(&mut input, inside.min(28))?;
                long_data = bytes.get(8..16).map(|b| u64_le(b, 0));
            }
            b"fmt " => coding = Some(read_fmt(&take(&mut input, inside.min(64))?)?),
            b"data" => {
                let Some(coding) = coding else {
                    return Err(AudioFault::Format("expected a “fmt” chunk before the data, found none".into()));
                };
                let claimed = match long_data {
                    Some(long) if len == u64::from(u32::MAX) => long,
                    _ => len,
                };
                return read_data(input, coding, claimed, file_len - at);
            }
            _ => {}
        }
        // Chunks begin at even places.
        at = at.saturating_add(len).saturating_add(len & 1);
    }
}

fn take(input: &mut impl Read, len: u64) -> Result<Vec<u8>, AudioFault> {
    let mut bytes = Vec::new();
    input.take(len).read_to_end(&mut bytes).map_err(AudioFault::Io)?;
    Ok(bytes)
}

fn u16_le(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u64_le(bytes: &[u8], at: usize) -> u64 {
    (0..8).rev().fold(0, |sum, i| sum << 8 | u64::from(bytes[at + i]))
}

fn read_fmt(fmt: &[u8]) -> Result<Coding, AudioFault> {
    let wrong = |what: String| Err(AudioFault::Format(what));
    if fmt.len() < 16 {
        return wrong(format!("expected a “fmt” chunk of at least 16 bytes, found {}", fmt.len()));
    }
    let mut tag = u16_le(fmt, 0);
    let channels = usize::from(u16_le(fmt, 2));
    let sample_rate_hz = u32::from(u16_le(fmt, 4)) | u32::from(u16_le(fmt, 6)) << 16;
    let block = usize::from(u16_le(fmt, 12));
    let bits = usize::from(u16_le(fmt, 14));
    check_header(sample_rate_hz, channels)?;
    if tag == EXTENSIBLE {
        if fmt.len() < 40 {
            return wrong(format!("expected an extensible “fmt” chunk of at least 40 bytes, found {}", fmt.len()));
        }
        if fmt[26..40] != SUBFORMAT_TAIL {
            return wrong("expected PCM or float samples, found an extensible format of another kind".into());
        }
        tag = u16_le(fmt, 24);
    }
    let float = match tag {
        PCM => false,
        FLOAT => true,
        other => return wrong(format!("expected PCM or float samples, found WAV format 0x{other:04x}")),
    };
    // The container counts: 20 bits live in three bytes, 24 now and then in four, always at the upper end.
    let width = block / channels;
    if width * channels != block || bits == 0 || bits > 8 * width {
        return wrong(format!("expected {channels} samples of {bits} bits in a frame, found frames of {block} bytes"));
    }
    let known = if float { width == bits / 8 && (bits == 32 || bits == 64) } else { (1..=4).contains(&width) };
    if !known {
        let kind = if float { "32 or 64 bits for float" } else { "8 to 32 bits for PCM" };
        return wrong(format!("expected samples of {kind}, found {bits} bits"));
    }
    Ok(Coding { float, channels, sample_rate_hz, width })
}

fn read_data(mut input: impl Read, coding: Coding, claimed: u64, present: u64) -> Result<Audio, AudioFault> {
    let Coding { float, channels, sample_rate_hz, width } = coding;
    let frame_len = (width * channels) as u64;
    let (expected, found) = (claimed / frame_len, present / frame_len);
    if claimed > present && !UNKNOWN_LENGTHS.iter().any(|range| range.contains(&claimed)) {
        return Err(AudioFault::Truncated { expected, found });
    }
    let frames = expected.min(found) as usize;
    let decode: fn(&[u8]) -> f32 = match (float, width) {
        (true, 4) => |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        (true, _) => |b| f64::from_bits(u64_le(b, 0)) as f32,
        (false, 1) => |b| (f32::from(b[0]) - 128.0) / 128.0,
        (false, 2) => |b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0,
        (false, 3) => |b| (i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) as f32 / 8_388_608.0,
        (false, _) => |b| (f64::from(i32::from_le_bytes([b[0], b[1], b[2], b[3]])) / 2_147_483_648.0) as f32,
    };
    // Bounded by the file's true size, not by what its header says.
    let mut planar = vec![Vec::with_capacity(frames); channels];
    let mut left = frames;
    let mut block = vec![0; frame_len as usize * frames.clamp(1, 1 + 65_536 / frame_len as usize)];
    while left > 0 {
        let count = left.min(block.len() / frame_len as usize);
        let bytes = &mut block[..count * frame_len as usize];
        input.read_exact(bytes).map_err(AudioFault::Io)?;
        for frame in bytes.chunks_exact(frame_len as usize) {
            for (channel, sample) in planar.iter_mut().zip(frame.chunks_exact(width)) {
                channel.push(decode(sample));
            }
        }
        left -= count;
    }
    Ok(Audio { sample_rate_hz, channels: planar })
}
