//! The picture behind the map: read and decoded on a thread of its own, as large pictures take a while.

use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;

use egui::{Color32, ColorImage};
use spherescope_view::{BACKDROP_SIZE, Backdrop};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// No larger file is read, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// No larger picture is decoded, in pixels: 11 000 × 5 500 and a little more.
const MAX_PIXELS: usize = 1 << 26;
/// Pictures this much wider than high cover the whole sphere.
const SHAPES: std::ops::RangeInclusive<f64> = 1.95..=2.05;

/// Follows the picture that the view wants.
#[derive(Default)]
pub(crate) struct Backdrops {
    /// The file's name, empty for none.
    path: String,
    /// What has become of it.
    outcome: Option<Backdrop>,
    reader: Option<Reader>,
}

/// A thread that reads a picture, and where the picture comes from.
struct Reader {
    picture: Receiver<Result<ColorImage, String>>,
    thread: JoinHandle<()>,
}

impl Backdrops {
    /// Brings the outcome up to date; `wake` is called from another thread when there is more to come to look at.
    pub(crate) fn follow(&mut self, path: &str, wake: impl Fn() + Send + 'static) -> Option<&Backdrop> {
        let received = self.reader.as_ref().map(|reader| reader.picture.try_recv());
        if let Some(Ok(_) | Err(TryRecvError::Disconnected)) = &received {
            self.join();
            let read = received.and_then(Result::ok);
            let read = read.unwrap_or_else(|| Err(format!("{}: cannot be decoded", self.path)));
            self.outcome = Some(match read {
                Ok(picture) => Backdrop::Ready(Arc::new(picture)),
                Err(why) => Backdrop::Failed(why),
            });
        }
        // One at a time: what is wanted by now begins when the last one has ended.
        if path != self.path && self.reader.is_none() {
            self.path = path.to_owned();
            self.outcome = (!path.is_empty()).then_some(Backdrop::Loading);
            if !path.is_empty() {
                let path = self.path.clone();
                let named = std::thread::Builder::new().name("spherescope-picture".into());
                let (sender, picture) = channel();
                let spawned = named.spawn(move || {
                    let _ = sender.send(read(Path::new(&path)));
                    wake();
                });
                match spawned {
                    Ok(thread) => self.reader = Some(Reader { picture, thread }),
                    Err(e) => self.outcome = Some(Backdrop::Failed(format!("{}: cannot be read: {e}", self.path))),
                }
            }
        }
        self.outcome.as_ref()
    }

    /// Waits for the thread that reads, if there is one.
    fn join(&mut self) {
        if let Some(reader) = self.reader.take() {
            // A panic of the decoder has been noticed by its silence.
            let _ = reader.thread.join();
        }
    }
}

impl Drop for Backdrops {
    /// The library may go once its windows are closed, so no thread of theirs stays.
    fn drop(&mut self) {
        self.join();
    }
}

/// Reads a picture of the whole sphere and makes it as small as it is shown.
fn read(path: &Path) -> Result<ColorImage, String> {
    let name = path.display();
    let fail = |e: std::io::Error| format!("{name}: cannot be read: {e}");
    // Devices and pipes may never end.
    let metadata = fs::metadata(path).map_err(fail)?;
    if !metadata.is_file() {
        return Err(format!("{name}: expected a picture, found something else than a file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(fail)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("{name}: expected a file of at most {} MiB, found more", MAX_FILE_BYTES >> 20));
    }
    let ([width, height], rgb) = decode(&bytes).map_err(|why| format!("{name}: {why}"))?;
    Ok(reduced([width, height], &rgb))
}

/// Width, height and RGB bytes of a PNG or a JPEG that covers the whole sphere.
fn decode(bytes: &[u8]) -> Result<([usize; 2], Vec<u8>), String> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        png(bytes)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        jpeg(bytes)
    } else {
        Err("expected a PNG or a JPEG, found another kind of file".into())
    }
}

fn check(width: usize, height: usize) -> Result<(), String> {
    if width == 0 || height == 0 || width.saturating_mul(height) > MAX_PIXELS {
        return Err(format!("expected at most {MAX_PIXELS} pixels, found {width} × {height}"));
    }
    if !SHAPES.contains(&(width as f64 / height as f64)) {
        return Err(format!("expected a picture twice as wide as high, found {width} × {height}"));
    }
    Ok(())
}

fn png(bytes: &[u8]) -> Result<([usize; 2], Vec<u8>), String> {
    let fail = |e: png::DecodingError| format!("the PNG cannot be decoded: {e}");
    let limits = png::Limits { bytes: 4 * MAX_PIXELS };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(fail)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check(width, height)?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("the PNG is too large")?];
    let info = reader.next_frame(&mut pixels).map_err(fail)?;
    let over_black = |value: u8, alpha: u8| (u16::from(value) * u16::from(alpha) / 255) as u8;
    let rgb = match info.color_type {
        png::ColorType::Rgb => pixels,
        png::ColorType::Rgba => {
            pixels.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]].map(|v| over_black(v, p[3]))).collect()
        }
        png::ColorType::Grayscale => pixels.iter().flat_map(|&v| [v; 3]).collect(),
        png::ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|p| [over_black(p[0], p[1]); 3]).collect(),
        png::ColorType::Indexed => return Err("the PNG cannot be decoded: its palette was left as it is".into()),
    };
    Ok(([width, height], rgb))
}

fn jpeg(bytes: &[u8]) -> Result<([usize; 2], Vec<u8>), String> {
    let fail = |e: zune_jpeg::errors::DecodeErrors| format!("the JPEG cannot be decoded: {e:?}");
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(fail)?;
    let (width, height) = decoder.dimensions().ok_or("the JPEG has no size")?;
    check(width, height)?;
    let rgb = decoder.decode().map_err(fail)?;
    if rgb.len() != 3 * width * height {
        return Err(format!("the JPEG cannot be decoded: expected {width} × {height} colours, found other data"));
    }
    Ok(([width, height], rgb))
}

/// The picture at no more than [`BACKDROP_SIZE`] pixels, each the mean of those that it takes the place of.
fn reduced([width, height]: [usize; 2], rgb: &[u8]) -> ColorImage {
    let size = [width.min(BACKDROP_SIZE[0]), height.min(BACKDROP_SIZE[1])];
    let part = |i: usize, of: usize, whole: usize| (i * whole / of)..((i + 1) * whole).div_ceil(of);
    let mut pixels = Vec::with_capacity(size[0] * size[1]);
    for y in 0..size[1] {
        for x in 0..size[0] {
            let (mut sum, mut count) = ([0u32; 3], 0);
            for row in part(y, size[1], height) {
                for p in rgb[3 * (row * width + part(x, size[0], width).start)..]
                    .chunks_exact(3)
                    .take(part(x, size[0], width).len())
                {
                    for (sum, &v) in sum.iter_mut().zip(p) {
                        *sum += u32::from(v);
                    }
                    count += 1;
                }
            }
            let [r, g, b] = sum.map(|s| (s / count.max(1)) as u8);
            pixels.push(Color32::from_rgb(r, g, b));
        }
    }
    ColorImage::new(size, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// A PNG whose left half is red and whose right half is blue.
    fn two_halves(width: u32, height: u32, kind: png::ColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(kind);
        encoder.set_depth(png::BitDepth::Eight);
        let pixel = |x: u32| -> &[u8] {
            match (kind, 2 * x < width) {
                (png::ColorType::Grayscale, left) => &[[40], [200]][usize::from(left)],
                (png::ColorType::Rgba, true) => &[200, 0, 0, 128],
                (png::ColorType::Rgba, false) => &[0, 0, 200, 255],
                (_, true) => &[200, 0, 0],
                (_, false) => &[0, 0, 200],
            }
        };
        let data: Vec<u8> = (0..height).flat_map(|_| (0..width).flat_map(pixel).copied()).collect();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&data).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn wait(backdrops: &mut Backdrops, path: &str) -> Option<Backdrop> {
        let begin = Instant::now();
        loop {
            match backdrops.follow(path, || ()).cloned() {
                Some(Backdrop::Loading) => assert!(begin.elapsed() < Duration::from_secs(20)),
                other if backdrops.reader.is_none() => return other,
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn pictures_are_read_made_small_and_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("room.png");
        let name = path.display().to_string();
        let mut backdrops = Backdrops::default();
        assert!(backdrops.follow("", || ()).is_none());
        for (kind, left, right) in [
            (png::ColorType::Rgb, [200, 0, 0], [0, 0, 200]),
            (png::ColorType::Rgba, [100, 0, 0], [0, 0, 200]),
            (png::ColorType::Grayscale, [200; 3], [40; 3]),
        ] {
            for [width, height] in [[64, 32], [5000, 2500]] {
                fs::write(&path, two_halves(width, height, kind)).unwrap();
                let Some(Backdrop::Ready(picture)) = wait(&mut backdrops, &name) else { panic!("{kind:?}") };
                let size = [(width as usize).min(2048), (height as usize).min(1024)];
                assert_eq!(picture.size, size);
                let at = |x: usize| picture.pixels[size[0] * (size[1] / 2) + x].to_array()[..3].to_vec();
                assert_eq!((at(size[0] / 4), at(3 * size[0] / 4)), (left.to_vec(), right.to_vec()), "{kind:?}");
                assert!(wait(&mut backdrops, "").is_none());
            }
        }
    }

    #[test]
    fn what_is_no_picture_is_said_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut backdrops = Backdrops::default();
        let mut said = |file: &str, bytes: Option<&[u8]>| {
            let path = folder.path().join(file);
            if let Some(bytes) = bytes {
                fs::write(&path, bytes).unwrap();
            }
            match wait(&mut backdrops, &path.display().to_string()) {
                Some(Backdrop::Failed(why)) => {
                    assert!(why.contains(file), "{why}");
                    why
                }
                other => panic!("{file}: {other:?}"),
            }
        };
        assert!(said("none.png", None).contains("cannot be read"));
        assert!(said("", None).contains("something else than a file"));
        assert!(said("text.png", Some(b"no picture")).contains("expected a PNG or a JPEG"));
        let good = two_halves(64, 32, png::ColorType::Rgb);
        assert!(said("cut.png", Some(&good[..good.len() / 2])).contains("the PNG cannot be decoded"));
        assert!(said("cut.jpg", Some(b"\xff\xd8\xff\xe0\x00\x10JFIF")).contains("the JPEG cannot be decoded"));
        let square = two_halves(32, 32, png::ColorType::Rgb);
        assert!(said("square.png", Some(&square)).contains("twice as wide as high, found 32 × 32"));
        // A header that promises far more than anybody has.
        let mut huge = good.clone();
        huge[16..24].copy_from_slice(&[0x7f, 0, 0, 0, 0x3f, 0x80, 0, 0]);
        assert!(said("huge.png", Some(&huge)).contains("huge.png"));
    }

    #[test]
    fn damaged_pictures_are_refused_or_shown_but_never_end_the_program() {
        let good = two_halves(64, 32, png::ColorType::Rgba);
        for i in 0..good.len() {
            let mut bytes = good.clone();
            bytes[i] ^= 0x55;
            let _ = decode(&bytes);
        }
    }
}
