//! Layout files that the user reads and writes from the editor: nothing is touched without a click.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use spherescope_dsp::layout_file::MAX_LAYOUT_BYTES;
use spherescope_view::{Action, OpenedFile};

/// Reads and writes files at the view's wish and keeps the last outcome for it.
#[derive(Debug, Default)]
pub(crate) struct LayoutFiles {
    last: Option<OpenedFile>,
}

impl LayoutFiles {
    /// The outcome of the last file.
    pub(crate) fn last(&self) -> Option<&OpenedFile> {
        self.last.as_ref()
    }

    /// Does what the action wants, if it is about a file.
    pub(crate) fn perform(&mut self, action: &Action) {
        let text = match action {
            Action::ReadFile(path) => read(Path::new(path)),
            // A message either way.
            Action::WriteFile { path, text } => {
                write(Path::new(path), text.as_bytes()).and_then(|()| Err(format!("{path}: written")))
            }
            _ => return,
        };
        let number = self.last.as_ref().map_or(0, |l| l.number) + 1;
        self.last = Some(OpenedFile { number, text });
    }
}

/// The text of a file that is small enough to be a layout.
fn read(path: &Path) -> Result<String, String> {
    let name = path.display();
    let fail = |e: std::io::Error| format!("{name}: cannot be read: {e}");
    // Devices and pipes may never end.
    if !fs::metadata(path).map_err(fail)?.is_file() {
        return Err(format!("{name}: expected a file, found something else"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(fail)?.take(MAX_LAYOUT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() > MAX_LAYOUT_BYTES {
        return Err(format!("{name}: expected a layout of at most {MAX_LAYOUT_BYTES} bytes, found more"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = 1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        format!("{name}: line {line}: expected text in UTF-8, found other bytes")
    })
}

/// Writes a file as a whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{}: cannot be written: {e}", path.display());
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let written = fs::File::create(part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(part, path)).map_err(|e| {
        let _ = fs::remove_file(part);
        fail(e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_written_and_what_fails_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring.csv");
        let name = path.display().to_string();
        let mut files = LayoutFiles::default();
        files.perform(&Action::WriteFile { path: name.clone(), text: "channel,x_m,y_m,z_m\n".into() });
        assert_eq!(files.last().unwrap().text, Err(format!("{name}: written")));
        files.perform(&Action::ReadFile(name.clone()));
        assert_eq!(files.last(), Some(&OpenedFile { number: 2, text: Ok("channel,x_m,y_m,z_m\n".into()) }));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half-written stays");

        let said = |files: &mut LayoutFiles, path: &Path| {
            files.perform(&Action::ReadFile(path.display().to_string()));
            files.last().unwrap().text.clone().unwrap_err()
        };
        assert!(said(&mut files, &folder.path().join("none.json")).contains("cannot be read"));
        assert!(said(&mut files, folder.path()).contains("expected a file"));
        fs::write(&path, b"a\nb\n\xff").unwrap();
        assert!(said(&mut files, &path).contains("line 3: expected text in UTF-8"));
        fs::write(&path, vec![b' '; MAX_LAYOUT_BYTES + 1]).unwrap();
        assert!(said(&mut files, &path).contains("found more"));
        files.perform(&Action::WriteFile { path: "/no/such/folder/a.json".into(), text: String::new() });
        assert!(files.last().unwrap().text.clone().unwrap_err().contains("cannot be written"));
    }
}
