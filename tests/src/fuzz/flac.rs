//! FLAC's check sums made right again after a change, so that a reader looks behind them.

/// The stream begins here: the mark and one block of stream information.
const FIRST_FRAME: usize = 42;

/// Mends the check sums of a FLAC file with one block of metadata and one frame; leaves everything else as it is.
pub(super) fn mend(input: &mut [u8]) {
    let length = input.len();
    if !input.starts_with(b"fLaC") || length < FIRST_FRAME + 8 {
        return;
    }
    let frame = &mut input[FIRST_FRAME..];
    let header = header_bytes(frame);
    if header + 3 > frame.len() {
        return;
    }
    frame[header] = crc8(&frame[..header]);
    let end = frame.len() - 2;
    let sum = crc16(&frame[..end]);
    frame[end..].copy_from_slice(&sum.to_be_bytes());
}

/// Bytes of a frame's header before its check sum.
fn header_bytes(frame: &[u8]) -> usize {
    // The number of the frame is coded as UTF-8 codes characters.
    let number = match frame[4].leading_ones() {
        0 => 1,
        ones => ones as usize,
    };
    let block_size = match frame[2] >> 4 {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    let rate = match frame[2] & 15 {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    4 + number + block_size + rate
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |mut crc, byte| {
        crc ^= byte;
        for _ in 0..8 {
            crc = if crc & 0x80 > 0 { crc << 1 ^ 0x07 } else { crc << 1 };
        }
        crc
    })
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |mut crc, byte| {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 > 0 { crc << 1 ^ 0x8005 } else { crc << 1 };
        }
        crc
    })
}

/// A small file of 16 bits at 48 kHz: one frame of 4 channels and 16 samples, kinds of coding differing by channel.
pub(super) fn example() -> Vec<u8> {
    const SAMPLES: u16 = 16;
    let mut file = b"fLaC\x80\0\0\x22".to_vec();
    // Block sizes, then no frame sizes.
    file.extend(SAMPLES.to_be_bytes());
    file.extend(SAMPLES.to_be_bytes());
    file.extend([0; 6]);
    // 20 bits of rate, 3 of channels less one, 5 of bits less one, 36 of samples; no sum of the audio.
    let packed = 48_000u64 << 44 | 3 << 41 | 15 << 36 | u64::from(SAMPLES);
    file.extend(packed.to_be_bytes());
    file.extend([0; 16]);
    // 8 bits of block size less one follow the number; 48 kHz; 4 channels; 16 bits.
    file.extend([0xff, 0xf8, 6 << 4 | 10, 3 << 4 | 4 << 1, 0, (SAMPLES - 1) as u8, 0]);
    // Constant, then thrice as they are.
    file.push(0);
    file.extend(1000i16.to_be_bytes());
    for channel in 0..3i16 {
        file.push(1 << 1);
        file.extend((0..SAMPLES as i16).flat_map(|n| (n * (channel + 5) * 300).to_be_bytes()));
    }
    file.extend([0, 0]);
    mend(&mut file);
    file
}
