//! What happens to the files of a case: plain file operations, done exactly as written.
//!
//! Steps that need the process or the sink are in [`super::run`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use super::base64;
use super::case::{Compress, Step, Write};
use super::placeholders::Placeholders;

/// The folders that steps work in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a> {
    /// The case's folder: read only.
    pub(super) case_folder: &'a Path,
    /// Names of this run.
    pub(super) placeholders: &'a Placeholders,
}

impl Files<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.placeholders.input.join(name)
    }

    fn content(&self, write: &Write) -> io::Result<Vec<u8>> {
        match write {
            Write { from: Some(name), .. } => fs::read(self.case_folder.join(name)),
            Write { base64: Some(text), .. } => {
                base64::decode(text).ok_or_else(|| io::Error::other("content is no Base64"))
            }
            Write { text, .. } => {
                Ok(self.placeholders.fill(text.as_deref().unwrap_or_default()).into_bytes())
            }
        }
    }

    /// Does a step on files; false if the step is of another kind.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(super) fn apply(&self, step: &Step) -> io::Result<bool> {
        match step {
            Step::Append(write) => OpenOptions::new()
                .append(true)
                .create(true)
                .open(self.path(&write.file))?
                .write_all(&self.content(write)?)?,
            Step::Write(write) => {
                let path = self.path(&write.file);
                create_parent(&path)?;
                fs::write(path, self.content(write)?)?;
            }
            Step::Rename(names) => fs::rename(self.path(&names.from), self.path(&names.to))?,
            Step::Rotate(write) => {
                let new_name = write.to.as_deref();
                let new_name = new_name.ok_or_else(|| io::Error::other("rotate without `to`"))?;
                let content = self.content(write)?;
                fs::rename(self.path(&write.file), self.path(new_name))?;
                fs::write(self.path(&write.file), content)?;
            }
            Step::CopyTruncate(names) => {
                fs::copy(self.path(&names.from), self.path(&names.to))?;
                truncate(&self.path(&names.from), 0)?;
            }
            Step::Truncate { file, size } => truncate(&self.path(file), *size)?,
            Step::Remove { file } => fs::remove_file(self.path(file))?,
            Step::Mkdir { dir } => fs::create_dir_all(self.path(dir))?,
            Step::Symlink { link, target } => {
                let link = self.path(link);
                create_parent(&link)?;
                std::os::unix::fs::symlink(target, link)?;
            }
            Step::Compress(compress) => self.compress(compress)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn compress(&self, order: &Compress) -> io::Result<()> {
        let plain = fs::read(self.path(&order.file))?;
        let level = flate2::Compression::default();
        let mut packed = Vec::new();
        match order.format.as_str() {
            "gz" => flate2::read::GzEncoder::new(&plain[..], level).read_to_end(&mut packed)?,
            "z" => flate2::read::ZlibEncoder::new(&plain[..], level).read_to_end(&mut packed)?,
            "bz2" => bzip2::read::BzEncoder::new(&plain[..], bzip2::Compression::default())
                .read_to_end(&mut packed)?,
            _ => return Err(io::Error::other("compression is none of gz, z, bz2")),
        };
        fs::write(self.path(&order.to), packed)?;
        if order.keep { Ok(()) } else { fs::remove_file(self.path(&order.file)) }
    }
}

fn create_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn truncate(path: &Path, size: u64) -> io::Result<()> {
    File::options().write(true).open(path)?.set_len(size)
}

/// Copies a folder with all that is in it; links are followed.
///
/// # Errors
///
/// What the system says.
pub(super) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(placeholders: &Placeholders, steps: &str) {
        let files = Files { case_folder: Path::new("/nonexistent"), placeholders };
        for step in serde_json::from_str::<Vec<Step>>(steps).unwrap() {
            assert!(files.apply(&step).unwrap(), "{step:?} is a step on files");
        }
    }

    #[test]
    fn files_are_written_rotated_truncated_and_packed() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("in");
        fs::create_dir(&input).unwrap();
        let placeholders =
            Placeholders { input: input.clone(), ..super::super::placeholders::example() };
        apply(
            &placeholders,
            r#"[{"write": {"file": "d/a", "text": "one\n"}}, {"append": {"file": "d/a", "base64": "/w=="}},
                {"rotate": {"file": "d/a", "to": "d/b", "text": "${HTTP_PORT}"}},
                {"write": {"file": "c", "text": "abc"}}, {"copytruncate": {"file": "c", "to": "e"}},
                {"write": {"file": "f", "text": "abc"}}, {"truncate": {"file": "f", "size": 2}},
                {"write": {"file": "g", "text": "packed"}},
                {"compress": {"file": "g", "to": "g.gz", "format": "gz"}}]"#,
        );
        let read = |name: &str| fs::read(input.join(name)).unwrap();
        assert_eq!((read("d/b"), read("d/a")), (b"one\n\xff".to_vec(), b"8".to_vec()));
        assert_eq!(
            (read("c"), read("e"), read("f")),
            (Vec::new(), b"abc".to_vec(), b"ab".to_vec())
        );
        let mut plain = String::new();
        flate2::read::GzDecoder::new(&read("g.gz")[..]).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, "packed");
        assert!(!input.join("g").is_file());
    }
}
