//! Where findings go, and how they are repeated.
//!
//! The input that runs is on disk before it runs: a process that ends without a word (no stack, no
//! memory) leaves it behind.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The folder of findings, in the repository's `target`.
pub(crate) fn folder() -> PathBuf {
    repository().join("target/fuzz")
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a folder of it")
}

/// The input that a target runs now.
pub(crate) fn current_path(target: &str) -> PathBuf {
    folder().join(format!("{target}-current"))
}

/// Keeps an input that is a finding and says so.
///
/// # Errors
/// It cannot be written.
pub(crate) fn keep(target: &str, input: &[u8], why: &str) -> io::Result<()> {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = folder().join(format!("{target}-{:08x}", hasher.finish() >> 32));
    std::fs::write(&path, input)?;
    let shown = path.strip_prefix(repository()).unwrap_or(&path).display();
    crate::say(&format!(
        "FINDING in {target}: {why}\n  {} bytes: {shown}\n  repeat with: cargo xtask fuzz --target \
         {target} --input {shown}",
        input.len()
    ));
    Ok(())
}

/// The file of the input that runs now.
#[derive(Debug)]
pub(crate) struct Current {
    file: File,
    length: usize,
}

impl Current {
    /// Makes the file, and the folder around it.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn create(target: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder())?;
        Ok(Self { file: File::create(current_path(target))?, length: 0 })
    }

    /// Replaces the input.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn set(&mut self, input: &[u8]) -> io::Result<()> {
        self.file.write_all_at(input, 0)?;
        if input.len() != self.length {
            self.file.set_len(input.len() as u64)?;
            self.length = input.len();
        }
        Ok(())
    }
}
