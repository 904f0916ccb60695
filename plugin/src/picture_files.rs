//! Pictures of the map that the user saves from the editor.

use std::path::Path;

use crate::layout_files;

/// Writes RGB bytes, row by row, as a PNG, as a whole or not at all. A message either way.
pub(crate) fn write(path: &Path, [width, height]: [usize; 2], rgb: &[u8]) -> Result<String, String> {
    let name = path.display();
    let fail = |e: &dyn std::fmt::Display| format!("{name}: cannot be written: {e}");
    let size = |n: usize| u32::try_from(n).map_err(|e| fail(&e));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size(width)?, size(height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|e| fail(&e))?;
    writer.write_image_data(rgb).map_err(|e| fail(&e))?;
    writer.finish().map_err(|e| fail(&e))?;
    layout_files::write(path, &bytes)?;
    Ok(format!("{name}: written, {width} × {height} pixels"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_written_whole_or_a_reason_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.png");
        let rgb: Vec<u8> = (0..2 * 3 * 3).map(|i| i as u8).collect();
        assert!(write(&path, [3, 2], &rgb).unwrap().contains("written, 3 × 2 pixels"));
        let mut reader = png::Decoder::new(std::io::Cursor::new(std::fs::read(&path).unwrap())).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, rgb);
        assert!(write(&path, [3, 3], &rgb).unwrap_err().contains("map.png: cannot be written"));
        assert!(write(Path::new("/no/such/folder/map.png"), [3, 2], &rgb).unwrap_err().contains("cannot be written"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half-written stays");
    }
}
