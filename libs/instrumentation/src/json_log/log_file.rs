//! A log file that another program rotates.
//!
//! The file is only ever appended to, so copy-and-truncate rotation needs
//! nothing; rotation by rename needs [`LogFile::reopen`], usually on SIGHUP.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A file to append log lines to. Clones are the same file.
///
/// ```
/// use std::io::Write;
/// use instrumentation::json_log::LogFile;
///
/// let dir = tempfile::tempdir()?;
/// let (path, rotated) = (dir.path().join("app.log"), dir.path().join("app.log.1"));
/// let mut log = LogFile::append(&path)?;
/// log.write_all(b"one\n")?;
/// std::fs::rename(&path, &rotated)?;
/// log.write_all(b"two\n")?; // still goes to the renamed file
/// log.reopen()?;
/// log.write_all(b"three\n")?;
/// assert_eq!(std::fs::read_to_string(&rotated)?, "one\ntwo\n");
/// assert_eq!(std::fs::read_to_string(&path)?, "three\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogFile {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

impl LogFile {
    /// Opens the file at `path` at its end, and creates it if it is not there.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened for writing, or its directory is missing.
    pub fn append(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: Arc::new(Mutex::new(open(path)?)) })
    }

    /// Opens the file that is now at the path; lines go there from here on.
    ///
    /// # Errors
    ///
    /// If that cannot be opened. Lines go on to the file that was open before.
    pub fn reopen(&self) -> io::Result<()> {
        let file = open(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        std::fs::write(&path, "before\n").unwrap();
        LogFile::append(&path).unwrap().write_all(b"after\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\nafter\n");
    }

    #[test]
    fn lines_go_on_to_the_old_file_where_the_new_one_cannot_be_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (path, rotated) = (dir.path().join("app.log"), dir.path().join("app.log.1"));
        let mut log = LogFile::append(&path).unwrap();
        std::fs::rename(&path, &rotated).unwrap();
        std::fs::create_dir(&path).unwrap();
        log.reopen().unwrap_err();
        log.write_all(b"line\n").unwrap();
        assert_eq!(std::fs::read_to_string(&rotated).unwrap(), "line\n");
    }
}
