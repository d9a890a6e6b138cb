//! A file without a disk, for parsers that read one by its path.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};

/// A file that is gone with this value.
#[derive(Debug)]
pub(super) struct MemoryFile {
    file: File,
}

impl MemoryFile {
    pub(super) fn new() -> Self {
        let file = memfd_create("fuzz", MemfdFlags::CLOEXEC).expect("Linux has files in memory");
        Self { file: file.into() }
    }

    /// Where the file can be opened, with this content.
    pub(super) fn with(&self, content: &[u8]) -> PathBuf {
        self.file.set_len(0).expect("it can be emptied");
        self.file.write_all_at(content, 0).expect("there is memory");
        self.path()
    }

    /// Where the file can be opened.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }

    /// The file, to change a part of it.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}
