//! What "the same file" means: device and inode while it is open, and its first bytes, because
//! inodes are reused and truncated files keep theirs.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Names one opened file (one generation of a path) for the life of the process.
pub type FileId = u64;

/// How many first bytes count. Log lines begin with a time, so two files differ early; a longer
/// prefix would cost a larger read before every chunk.
pub const FINGERPRINT_BYTES: usize = 256;

/// How many bytes before the position are compared with what was read there.
const TAIL_BYTES: usize = 64;

/// Device and inode: unique among files that exist at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Inode {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

impl Inode {
    /// Of a file's metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The beginning of a file, as long as it was known, in 8 bytes: FNV-1a, because it is stored on
/// disk and must not change with a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fingerprint {
    /// How many bytes it covers, at most [`FINGERPRINT_BYTES`].
    pub length: u16,
    /// FNV-1a of them.
    pub hash: u64,
}

impl Fingerprint {
    /// Of the given bytes, of which at most [`FINGERPRINT_BYTES`] count.
    pub fn of(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(FINGERPRINT_BYTES)];
        Self { length: u16::try_from(bytes.len()).expect("at most 256"), hash: fnv1a(bytes) }
    }

    /// Reads the beginning of a file.
    ///
    /// # Errors
    /// What the read returned.
    pub fn read(file: &File) -> io::Result<Self> {
        let mut bytes = [0; FINGERPRINT_BYTES];
        let length = read_full(file, &mut bytes, 0)?;
        Ok(Self::of(&bytes[..length]))
    }

    /// Whether a file still begins with these bytes. It may have grown since. Without any byte known,
    /// every file does.
    ///
    /// # Errors
    /// What the read returned.
    pub fn is_of(&self, file: &File) -> io::Result<bool> {
        if self.length == 0 {
            return Ok(true);
        }
        let mut bytes = [0; FINGERPRINT_BYTES];
        let bytes = &mut bytes[..usize::from(self.length).min(FINGERPRINT_BYTES)];
        Ok(read_full(file, bytes, 0)? == bytes.len() && fnv1a(bytes) == self.hash)
    }
}

/// The bytes just before a position: they tell a file from another that begins alike.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tail {
    length: u8,
    hash: u64,
}

impl Tail {
    /// Of what was read up to the position.
    pub fn of(read: &[u8]) -> Self {
        let bytes = &read[read.len().saturating_sub(TAIL_BYTES)..];
        Self { length: u8::try_from(bytes.len()).expect("at most 64"), hash: fnv1a(bytes) }
    }

    /// Whether `file` has the same bytes before `position`.
    ///
    /// # Errors
    /// What the read returned.
    pub fn is_before(&self, file: &File, position: u64) -> io::Result<bool> {
        if self.length == 0 {
            return Ok(true);
        }
        let mut bytes = [0; TAIL_BYTES];
        let bytes = &mut bytes[..usize::from(self.length).min(TAIL_BYTES)];
        let Some(begin) = position.checked_sub(u64::from(self.length)) else { return Ok(false) };
        Ok(read_full(file, bytes, begin)? == bytes.len() && fnv1a(bytes) == self.hash)
    }
}

/// Reads until the buffer is full or the file ends; how many bytes were read.
///
/// # Errors
/// What the read returned; interrupted reads are repeated.
pub fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_grew_is_the_same_and_one_that_was_rewritten_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::write(&path, "first line\n").unwrap();
        let fingerprint = Fingerprint::read(&File::open(&path).unwrap()).unwrap();
        assert_eq!(fingerprint.length, 11);
        fs::write(&path, "first line\nsecond\n").unwrap();
        assert!(fingerprint.is_of(&File::open(&path).unwrap()).unwrap());
        fs::write(&path, "First line\nsecond\n").unwrap();
        assert!(!fingerprint.is_of(&File::open(&path).unwrap()).unwrap());
        fs::write(&path, "first").unwrap();
        assert!(!fingerprint.is_of(&File::open(&path).unwrap()).unwrap(), "shorter than it was");
    }

    #[test]
    fn the_bytes_before_a_position_tell_files_with_one_beginning_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::write(&path, "banner\nline 1\nline 2\n").unwrap();
        let tail = Tail::of(b"banner\nline 1\n");
        let file = File::open(&path).unwrap();
        assert!(tail.is_before(&file, 14).unwrap());
        fs::write(&path, "banner\nline 7\nline 8\n").unwrap();
        assert!(!tail.is_before(&file, 14).unwrap());
        assert!(!tail.is_before(&file, 3).unwrap(), "nothing can stand before the beginning");
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // Test vectors of the FNV reference: 64 bit FNV-1a of "" and "foobar".
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
