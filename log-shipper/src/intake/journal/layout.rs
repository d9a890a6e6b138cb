//! Offsets, numbers and checks of the journal file format, as documented at
//! <https://systemd.io/JOURNAL_FILE_FORMAT>.
//!
//! Everything comes from a file that anybody may have damaged: no number leaves here unchecked.

use std::io;

/// Bytes of the header that are read; older files have fewer, and none that matter are behind.
pub(super) const HEADER_READ: usize = 208;

/// Bytes before the payload of every object.
pub(super) const OBJECT_HEADER: u64 = OBJECT_HEAD as u64;

/// The same, for a buffer.
pub(super) const OBJECT_HEAD: usize = 16;

/// Type numbers of objects.
pub(super) mod object {
    pub(in super::super) const DATA: u8 = 1;
    pub(in super::super) const ENTRY: u8 = 3;
    pub(in super::super) const ENTRY_ARRAY: u8 = 6;
}

/// Where the items of an entry begin.
pub(super) const ENTRY_ITEMS: u64 = ENTRY_HEAD as u64;

/// The same, for a buffer.
pub(super) const ENTRY_HEAD: usize = 64;

/// Where the items of an array of entries begin.
pub(super) const ARRAY_ITEMS: u64 = 24;

const SIGNATURE: &[u8; 8] = b"LPKSHHRH";
const COMPACT: u32 = 1 << 4;
/// Compression by XZ, LZ4 and ZSTD, keyed hashes (which only matter to who searches by hash), and
/// the compact form.
const KNOWN: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 3 | COMPACT;

/// What is wrong with a file, or a place in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system cannot read it; it may work later.
    #[error("cannot be read")]
    Io(#[from] io::Error),
    /// The header is not written yet.
    #[error("has no complete header yet")]
    Incomplete,
    /// Made by a newer systemd.
    #[error("has features {0:#x} that this version cannot read")]
    Unsupported(u32),
    /// It contradicts itself.
    #[error("is damaged at byte {offset}: {what}")]
    Damaged {
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Something reaches beyond the end of the file: it is cut off, or still being copied.
    #[error("ends too early for what is at byte {0}")]
    Short(u64),
    /// The way to all further entries is damaged.
    #[error("is damaged at byte {offset}, further entries cannot be found: {what}")]
    Unreachable {
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
}

/// Shorthand for [`ReadError::Damaged`].
pub(super) fn damaged(offset: u64, what: &'static str) -> ReadError {
    ReadError::Damaged { offset, what }
}

/// What journald is doing with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Closed, may be opened again; or being written.
    Growing,
    /// Nothing will be appended any more.
    Archived,
}

/// The part of the header that reading needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) state: State,
    /// 32-bit offsets, and a larger head of data objects.
    pub(super) is_compact: bool,
    /// The file, whatever it is called.
    pub(super) file_id: u128,
    /// See [`EntryKey::sequence`](super::cursor::EntryKey::sequence).
    pub(super) sequence: u128,
    /// Where objects begin.
    pub(super) size: u64,
    /// Entries that are complete.
    pub(super) entries: u64,
    /// The first array of entries; 0 for none.
    pub(super) first_array: u64,
}

impl Header {
    /// Checks and reads the beginning of a file of `file_size` bytes.
    pub(super) fn parse(bytes: &[u8], file_size: u64) -> Result<Self, ReadError> {
        let bytes: &[u8; HEADER_READ] = bytes.try_into().map_err(|_| ReadError::Incomplete)?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(ReadError::Incomplete);
        }
        if !bytes.starts_with(SIGNATURE) {
            return Err(damaged(0, "no journal's signature"));
        }
        let flags = u32_at(bytes, 12);
        if flags & !KNOWN != 0 {
            return Err(ReadError::Unsupported(flags & !KNOWN));
        }
        let size = u64_at(bytes, 88);
        if size < HEADER_READ as u64 || size > file_size || !size.is_multiple_of(8) {
            return Err(damaged(88, "the header's size is impossible"));
        }
        let entries = u64_at(bytes, 152);
        if entries > file_size / ENTRY_ITEMS {
            return Err(damaged(152, "more entries than the file has room for"));
        }
        Ok(Self {
            state: if bytes[16] == 2 { State::Archived } else { State::Growing },
            is_compact: flags & COMPACT != 0,
            file_id: id_at(bytes, 24),
            sequence: id_at(bytes, 72),
            size,
            entries,
            first_array: u64_at(bytes, 176),
        })
    }

    /// Bytes of a reference inside an entry.
    pub(super) fn entry_item(&self) -> u64 {
        if self.is_compact { 4 } else { 16 }
    }

    /// Bytes of a reference inside an array of entries.
    pub(super) fn array_item(&self) -> u64 {
        if self.is_compact { 4 } else { 8 }
    }

    /// Where the payload of a data object begins.
    pub(super) fn data_payload(&self) -> u64 {
        if self.is_compact { 72 } else { 64 }
    }

    /// The offset at the beginning of a reference.
    pub(super) fn offset_in(&self, item: &[u8]) -> u64 {
        if self.is_compact { u64::from(u32_at(item, 0)) } else { u64_at(item, 0) }
    }
}

/// Little-endian; 0 beyond the end.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// Little-endian; 0 beyond the end.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// An identifier of 128 bits, as it is written in hexadecimal; 0 beyond the end.
pub(super) fn id_at(bytes: &[u8], at: usize) -> u128 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |chunk| u128::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(change: impl Fn(&mut [u8])) -> Result<Header, ReadError> {
        let mut bytes = [0; HEADER_READ];
        bytes[..8].copy_from_slice(SIGNATURE);
        bytes[88] = 208;
        change(&mut bytes);
        Header::parse(&bytes, 10_000)
    }

    #[test]
    fn a_header_is_refused_by_what_is_wrong_with_it() {
        let message = |result: Result<Header, ReadError>| result.unwrap_err().to_string();
        assert!(header(|_| ()).is_ok());
        assert!(matches!(header(|bytes| bytes.fill(0)), Err(ReadError::Incomplete)));
        assert!(matches!(Header::parse(b"LPKS", 4), Err(ReadError::Incomplete)));
        let newer = message(header(|bytes| bytes[12] = 0xA0));
        assert_eq!(newer, "has features 0xa0 that this version cannot read");
        let full = message(header(|bytes| bytes[152] = 157));
        assert_eq!(full, "is damaged at byte 152: more entries than the file has room for");
        assert!(message(header(|bytes| bytes[0] = b'X')).contains("signature"));
        assert!(message(header(|bytes| bytes[88] = 200)).contains("size"));
    }
}
