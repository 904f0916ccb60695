//! Audio files, good and bad: what is read, what is refused and how it is said.

use std::fs;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use proptest::prelude::*;
use spherescope_train::audio::{AudioFault, read_audio, write_wav_f32};
use spherescope_train::dry::{dry_files, load_dry, load_dry_folder};
use tempfile::{TempDir, tempdir};

fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn refused(path: &Path) -> (AudioFault, String) {
    let error = read_audio(path).unwrap_err();
    let said = error.to_string();
    assert!(said.contains(path.to_str().unwrap()), "{said}");
    (error.fault, said)
}

fn ramp(channels: usize, frames: usize) -> Vec<Vec<f32>> {
    (0..channels).map(|c| (0..frames).map(|n| ((n * 7 + c * 13) % 100) as f32 / 100.0 - 0.5).collect()).collect()
}

/// A WAV file with this `fmt ` chunk and this data, the length of the data as claimed.
fn wav(fmt: &[u8], data: &[u8], claimed: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVEjunk\x03\0\0\0abc\0fmt ".to_vec();
    bytes.extend((fmt.len() as u32).to_le_bytes());
    bytes.extend(fmt);
    bytes.extend(b"data");
    bytes.extend(claimed.to_le_bytes());
    bytes.extend(data);
    bytes
}

fn fmt(tag: u16, channels: u16, rate: u32, block: u16, bits: u16) -> Vec<u8> {
    let mut fmt = Vec::new();
    fmt.extend(tag.to_le_bytes());
    fmt.extend(channels.to_le_bytes());
    fmt.extend(rate.to_le_bytes());
    fmt.extend(rate.wrapping_mul(u32::from(block)).to_le_bytes());
    fmt.extend(block.to_le_bytes());
    fmt.extend(bits.to_le_bytes());
    fmt
}

#[test]
fn what_is_written_is_read_back_and_by_others_too() {
    let folder = tempdir().unwrap();
    for channels in [1, 2, 4, 32, 64] {
        let path = folder.path().join(format!("{channels}.wav"));
        let audio = ramp(channels, 301);
        write_wav_f32(&path, 48_000, &audio).unwrap();
        let back = read_audio(&path).unwrap();
        assert_eq!((back.sample_rate_hz, back.frames()), (48_000, 301));
        assert_eq!(back.channels, audio);
        let mut other = hound::WavReader::open(&path).unwrap();
        assert_eq!(usize::from(other.spec().channels), channels);
        let first: Vec<f32> = other.samples::<f32>().take(channels).map(Result::unwrap).collect();
        assert!(first.iter().zip(&audio).all(|(x, c)| *x == c[0]));
    }
    // Nothing but the files is left, and an old file is replaced.
    write_wav_f32(folder.path().join("1.wav"), 16_000, &ramp(2, 5)).unwrap();
    assert_eq!(read_audio(folder.path().join("1.wav")).unwrap().channels.len(), 2);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
}

#[test]
fn integers_of_every_width_are_read() {
    let folder = tempdir().unwrap();
    for bits in [8u16, 16, 24, 32] {
        for channels in [1u16, 2, 6] {
            let path = folder.path().join(format!("{bits}-{channels}.wav"));
            let spec =
                WavSpec { channels, sample_rate: 44_100, bits_per_sample: bits, sample_format: SampleFormat::Int };
            let mut writer = WavWriter::create(&path, spec).unwrap();
            let full = 2f64.powi(i32::from(bits) - 1);
            let audio = ramp(usize::from(channels), 50);
            for n in 0..50 {
                audio.iter().for_each(|c| writer.write_sample((f64::from(c[n]) * full).round() as i32).unwrap());
            }
            writer.finalize().unwrap();
            let back = read_audio(&path).unwrap();
            assert_eq!(back.sample_rate_hz, 44_100);
            for (x, y) in back.channels.iter().flatten().zip(audio.iter().flatten()) {
                assert!((f64::from(x - y)).abs() <= 0.51 / full + 1e-7, "{bits} bits: {x} {y}");
            }
        }
    }
}

#[test]
fn odd_but_lawful_files_are_read() {
    let folder = tempdir().unwrap();
    // Float of 64 bits.
    let data: Vec<u8> = [0.25f64, -0.5].iter().flat_map(|x| x.to_le_bytes()).collect();
    let path = file(&folder, "a.wav", &wav(&fmt(3, 1, 96_000, 8, 64), &data, 16));
    assert_eq!(read_audio(&path).unwrap().channels, [[0.25, -0.5]]);
    // 24 bits in four bytes, extensible.
    let mut long = fmt(0xfffe, 1, 48_000, 4, 32);
    long.extend([22, 0, 24, 0, 0, 0, 0, 0, 1, 0]);
    long.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    let path = file(&folder, "b.wav", &wav(&long, &(1i32 << 30).to_le_bytes(), 4));
    assert_eq!(read_audio(&path).unwrap().channels, [[0.5]]);
    // A pipe's unknown length, and an odd rest of a frame.
    for claimed in [u32::MAX, 0x7fff_f000] {
        let path = file(&folder, "c.wav", &wav(&fmt(1, 2, 16_000, 4, 16), &[0, 64, 0, 192, 1], claimed));
        assert_eq!(read_audio(&path).unwrap().channels, [[0.5], [-0.5]]);
    }
    // RF64: the true length is in the ds64 chunk.
    let mut bytes = b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0".to_vec();
    bytes.extend([0; 8]);
    bytes.extend(4u64.to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend(&wav(&fmt(1, 1, 16_000, 2, 16), &[0, 64, 0, 192, 9, 9], u32::MAX)[12..]);
    let path = file(&folder, "d.wav", &bytes);
    assert_eq!(read_audio(&path).unwrap().channels, [[0.5, -0.5]]);
}

#[test]
fn bad_files_are_refused_by_name_and_reason() {
    let folder = tempdir().unwrap();
    let good = fmt(1, 2, 48_000, 4, 16);
    for (name, bytes, expected) in [
        ("empty.wav", vec![], "expected audio, found no frames"),
        ("text.wav", b"hello, world".to_vec(), "found one that begins with “hello, world”"),
        ("short.wav", b"RIFF".to_vec(), "begins with “RIFF”"),
        ("head.wav", b"RIFF\0\0\0\0WAVE".to_vec(), "expected a “fmt” chunk, found the end"),
        ("nodata.wav", wav(&good, &[], 0)[..48].to_vec(), "expected a “data” chunk, found the end"),
        ("noframes.wav", wav(&good, &[], 0), "found no frames"),
        ("cut.wav", wav(&good, &[0; 40], 400), "expected 100 frames by the header, found 10"),
        ("nochannels.wav", wav(&fmt(1, 0, 48_000, 0, 16), &[0; 4], 4), "found 0"),
        ("norate.wav", wav(&fmt(1, 1, 0, 2, 16), &[0; 4], 4), "found 0 Hz"),
        ("adpcm.wav", wav(&fmt(2, 1, 48_000, 1, 4), &[0; 4], 4), "found WAV format 0x0002"),
        ("block.wav", wav(&fmt(1, 2, 48_000, 3, 16), &[0; 4], 4), "found frames of 3 bytes"),
        ("noblock.wav", wav(&fmt(1, 2, 48_000, 0, 16), &[0; 4], 4), "found frames of 0 bytes"),
        ("wide.wav", wav(&fmt(1, 1, 48_000, 8, 64), &[0; 8], 8), "8 to 32 bits for PCM, found 64 bits"),
        ("half.wav", wav(&fmt(3, 1, 48_000, 2, 16), &[0; 8], 8), "32 or 64 bits for float, found 16 bits"),
        ("tinyfmt.wav", wav(&[1, 0, 1, 0], &[], 0), "at least 16 bytes, found 4"),
        ("flac.flac", b"fLaC".to_vec(), "expected FLAC, found"),
    ] {
        let (_, said) = refused(&file(&folder, name, &bytes));
        assert!(said.contains(expected), "{said}");
    }
    let (_, said) = refused(&folder.path().join("nowhere.wav"));
    assert!(said.contains("No such file") || said.contains("cannot find"), "{said}");
    assert!(refused(folder.path()).1.contains("found a folder"));
    // An absurd claim costs no memory: it is compared with the file's true size first.
    let (fault, _) = refused(&file(&folder, "huge.wav", &wav(&good, &[0; 8], 0x7000_0000)));
    assert!(matches!(fault, AudioFault::Truncated { found: 2, .. }));
}

#[test]
fn samples_that_are_no_numbers_are_found() {
    let folder = tempdir().unwrap();
    let data: Vec<u8> = [0.0f32, 0.1, 0.2, f32::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
    let path = file(&folder, "nan.wav", &wav(&fmt(3, 2, 48_000, 8, 32), &data, 16));
    let (fault, said) = refused(&path);
    assert!(matches!(fault, AudioFault::NotFinite { channel: 1, frame: 1 }), "{said}");
    let target = folder.path().join("out.wav");
    let error = write_wav_f32(&target, 48_000, &[vec![0.0, f32::INFINITY]]).unwrap_err();
    assert!(matches!(error.fault, AudioFault::NotFinite { channel: 0, frame: 1 }));
    for wrong in [vec![], vec![vec![0.0; 3], vec![0.0; 4]]] {
        let error = write_wav_f32(&target, 48_000, &wrong).unwrap_err();
        assert!(matches!(error.fault, AudioFault::Shape { .. }) && error.to_string().contains("out.wav"));
    }
    assert!(!target.exists());
    let nowhere = folder.path().join("no/folder/out.wav");
    assert!(matches!(write_wav_f32(nowhere, 48_000, &[vec![0.0]]).unwrap_err().fault, AudioFault::Io(_)));
}

/// The smallest lawful FLAC file: stream information, then blocks of samples as they are ("verbatim").
fn flac(audio: &[Vec<i32>], rate: u32, bits: u8) -> Vec<u8> {
    struct Bits(Vec<u8>, u32);
    impl Bits {
        fn put(&mut self, value: u64, count: u32) {
            for i in (0..count).rev() {
                if self.1 == 0 {
                    self.0.push(0);
                }
                let bit = (value >> i & 1) as u8;
                *self.0.last_mut().unwrap() |= bit << (7 - self.1);
                self.1 = (self.1 + 1) % 8;
            }
        }
    }
    let crc = |bytes: &[u8], polynomial: u32, width: u32| {
        bytes.iter().fold(0u32, |crc, &b| {
            (0..8).fold(crc ^ u32::from(b) << (width - 8), |c, _| {
                let shifted = c << 1;
                (if c >> (width - 1) & 1 == 1 { shifted ^ polynomial } else { shifted }) & ((1 << width) - 1)
            })
        })
    };
    let (channels, frames) = (audio.len(), audio[0].len());
    let mut head = Bits(b"fLaC\x80\0\0\x22".to_vec(), 0);
    for (value, count) in [
        (192, 16),
        (192, 16),
        (0, 48),
        (u64::from(rate), 20),
        (channels as u64 - 1, 3),
        (u64::from(bits) - 1, 5),
        (frames as u64, 36),
        (0, 64),
        (0, 64),
    ] {
        head.put(value, count);
    }
    let mut file = head.0;
    for (index, first) in (0..frames).step_by(192).enumerate() {
        let length = 192.min(frames - first);
        let mut frame = Bits(vec![0xff, 0xf8], 0);
        // Block size in 16 bits at the end of the header, rate from the stream information.
        let width = match bits {
            8 => 1,
            16 => 4,
            20 => 5,
            _ => 6,
        };
        for (value, count) in [(7, 4), (0, 4), (channels as u64 - 1, 4), (width << 1, 4), (index as u64, 8)] {
            frame.put(value, count);
        }
        frame.put(length as u64 - 1, 16);
        let check = crc(&frame.0, 0x07, 8);
        frame.put(u64::from(check), 8);
        for channel in audio {
            frame.put(0b0000_0010, 8);
            channel[first..first + length].iter().for_each(|&x| frame.put(x as u32 as u64, u32::from(bits)));
        }
        frame.1 = 0;
        let check = crc(&frame.0, 0x8005, 16);
        frame.put(u64::from(check), 16);
        file.extend(frame.0);
    }
    file
}

#[test]
fn flac_is_read_and_a_cut_one_refused() {
    let folder = tempdir().unwrap();
    for (bits, channels) in [(16u8, 1usize), (16, 2), (24, 4), (8, 8), (20, 3)] {
        let full = 1i32 << (bits - 1);
        let audio: Vec<Vec<i32>> =
            ramp(channels, 500).iter().map(|c| c.iter().map(|x| (x * full as f32) as i32).collect()).collect();
        let bytes = flac(&audio, 44_100, bits);
        // What the file is counts, not what it is called.
        let back = read_audio(file(&folder, "really-flac.wav", &bytes)).unwrap();
        assert_eq!((back.sample_rate_hz, back.channels.len(), back.frames()), (44_100, channels, 500));
        for (x, y) in back.channels.iter().flatten().zip(audio.iter().flatten()) {
            assert_eq!(*x, *y as f32 / full as f32);
        }
        let (fault, said) = refused(&file(&folder, "cut.flac", &bytes[..bytes.len() - 10]));
        assert!(matches!(fault, AudioFault::Truncated { expected: 500, found: 384 }), "{said}");
        let mut broken = bytes;
        let middle = broken.len() / 2;
        broken[middle] ^= 0x55;
        let (_, said) = refused(&file(&folder, "broken.flac", &broken));
        assert!(said.contains("expected FLAC, found"), "{said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn no_file_brings_the_program_down(
        kind in 0usize..4, changes in prop::collection::vec((0usize..200, any::<u8>()), 0..12), cut in 0usize..400,
    ) {
        let folder = tempdir().unwrap();
        let mut bytes = match kind {
            0 => wav(&fmt(1, 2, 48_000, 4, 16), &[7; 300], 300),
            1 => wav(&fmt(3, 3, 48_000, 12, 32), &[0; 300], 300),
            2 => flac(&[vec![3; 300], vec![-5; 300]], 48_000, 16),
            _ => b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0aaaaaaaabbbbbbbbccccccccddddfmt ".to_vec(),
        };
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        if cut < 200 {
            bytes.truncate(cut);
        }
        if let Ok(audio) = read_audio(file(&folder, "any", &bytes)) {
            prop_assert!(audio.frames() > 0 && audio.channels.iter().all(|c| c.len() == audio.frames()));
            prop_assert!(audio.channels.iter().flatten().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn a_folder_of_dry_sounds_is_loaded_in_order() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("b")).unwrap();
    fs::create_dir(folder.path().join(".hidden")).unwrap();
    let sine = |rate: usize| -> Vec<f32> {
        (0..rate / 2).map(|n| 0.3 * (std::f32::consts::TAU * 440.0 * n as f32 / rate as f32).sin()).collect()
    };
    write_wav_f32(folder.path().join("b/x.WAV"), 48_000, &[sine(48_000), sine(48_000)]).unwrap();
    write_wav_f32(folder.path().join("a.wav"), 16_000, &[sine(16_000)]).unwrap();
    write_wav_f32(folder.path().join(".hidden/h.wav"), 16_000, &[sine(16_000)]).unwrap();
    file(&folder, "readme.txt", b"no audio");
    let names: Vec<_> = dry_files(folder.path()).unwrap();
    assert_eq!(names, [folder.path().join("a.wav"), folder.path().join("b/x.WAV")]);
    let sounds = load_dry_folder(folder.path(), 16_000).unwrap();
    assert_eq!((sounds[0].len(), sounds[1].len()), (8000, 8000));
    // The same sine at the same level, whatever rate it came from.
    assert!((2000..6000).all(|n| (sounds[0][n] - sounds[1][n]).abs() < 2e-3));

    let silent = folder.path().join("c.wav");
    write_wav_f32(&silent, 16_000, &[vec![0.0; 100]]).unwrap();
    assert!(load_dry(&silent, 16_000).unwrap_err().to_string().contains("c.wav: expected sound"));
    assert!(load_dry_folder(folder.path(), 16_000).is_err());
    let empty = tempdir().unwrap();
    assert!(dry_files(empty.path()).unwrap_err().to_string().contains("expected WAV or FLAC files"));
    assert!(dry_files(&empty.path().join("none")).is_err());
}
