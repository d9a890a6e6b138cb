//! One journal file, read entry by entry in the order of its own list of entries.
//!
//! An entry counts from the moment that the header counts it: what lies behind is not looked at.
//! Every step leads forward in the file, so that no damage makes it a circle.

use std::fs::File;
use std::io;

use super::cursor::{EntryKey, Start};
use super::decompress::{Codec, decompress};
use super::layout::{
    ARRAY_ITEMS, ENTRY_HEAD, ENTRY_ITEMS, HEADER_READ, Header, OBJECT_HEAD, OBJECT_HEADER,
    ReadError, State, damaged, id_at, object, u64_at,
};
use super::paged_file::PagedFile;

/// Bytes of a field that are kept; of a longer one the beginning.
pub const FIELD_LIMIT: usize = 4 * 1024 * 1024;

/// Bytes of an entry that are kept; further fields are left out.
const ENTRY_LIMIT: usize = 2 * FIELD_LIMIT;

/// Fields of an entry that are read; journald itself accepts 1024.
const MAX_FIELDS: u64 = 4096;

/// Bytes of a compressed field.
const STORED_LIMIT: u64 = 16 * 1024 * 1024;

/// Arrays of one file. Each is twice as long as the one before, so real files have some 30.
const MAX_ARRAYS: usize = 4096;

/// A list of entries, one link of a chain.
#[derive(Debug, Clone, Copy)]
struct EntryArray {
    offset: u64,
    end: u64,
    /// Index of its first entry in the file.
    first: u64,
    capacity: u64,
}

/// One field, `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    bytes: Vec<u8>,
    equals: usize,
}

impl Field {
    /// `None` without a name.
    pub(super) fn new(bytes: Vec<u8>) -> Option<Self> {
        let equals = memchr::memchr(b'=', &bytes).filter(|equals| *equals > 0)?;
        Some(Self { bytes, equals })
    }

    /// Before the first `=`; not empty.
    pub fn name(&self) -> &[u8] {
        &self.bytes[..self.equals]
    }

    /// Behind the first `=`; any bytes.
    pub fn value(&self) -> &[u8] {
        &self.bytes[self.equals + 1..]
    }

    /// Name, `=` and value.
    pub fn whole(&self) -> &[u8] {
        &self.bytes
    }
}

/// One entry.
#[derive(Debug)]
pub struct Entry {
    /// Its place.
    pub key: EntryKey,
    /// In the order of the file; a name may come several times.
    pub fields: Vec<Field>,
    /// Fields that could not be read and are missing.
    pub damage: Vec<ReadError>,
}

/// A file, and how far it has been read.
#[derive(Debug)]
pub struct JournalFile {
    data: PagedFile,
    header: Header,
    arrays: Vec<EntryArray>,
    /// Index of the next entry.
    next: u64,
    /// Entries before this index are compared with the start.
    compared: u64,
    start: Start,
}

impl JournalFile {
    /// Reads the header and goes to the first entry that `start` includes.
    ///
    /// # Errors
    /// The header cannot be read, or contradicts itself.
    pub fn new(file: File, start: Start) -> Result<Self, ReadError> {
        let mut data = PagedFile::new(file)?;
        let header = read_header(&mut data)?;
        let mut journal =
            Self { data, header, arrays: Vec::new(), next: 0, compared: header.entries, start };
        journal.next = journal.find_start();
        Ok(journal)
    }

    /// Index of the first entry that the start includes. What cannot be read is taken to lie behind
    /// it: rather compare some entries more than miss one.
    fn find_start(&mut self) -> u64 {
        let (mut low, mut high) = (0, self.header.entries);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key_at(middle) {
                Ok((_, key)) if !self.start.includes(&key) => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    pub(super) fn file_id(&self) -> u128 {
        self.header.file_id
    }

    /// Index of the next entry.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Goes on at an index that [`position`](Self::position) told of the same file.
    pub(super) fn set_position(&mut self, index: u64) {
        self.next = index;
    }

    /// Whether nothing is left, and nothing will come.
    pub(super) fn is_done(&self) -> bool {
        self.header.state == State::Archived && self.next >= self.header.entries
    }

    /// Looks for what was appended; whether the file is longer than before.
    pub(super) fn refresh(&mut self) -> Result<bool, ReadError> {
        let len = self.data.len();
        self.data.forget();
        let header = read_header(&mut self.data)?;
        let known = &self.header;
        if (header.file_id, header.is_compact) != (known.file_id, known.is_compact) {
            return Err(damaged(24, "it has become another file"));
        }
        if header.entries < known.entries {
            return Err(damaged(152, "it has fewer entries than before"));
        }
        self.header = header;
        Ok(self.data.len() > len)
    }

    /// The next entry's key; `None` when there is none yet. An error does not move on.
    ///
    /// # Errors
    /// What is wrong with the file at this entry, or on the way to it.
    pub fn peek(&mut self) -> Result<Option<EntryKey>, ReadError> {
        while self.next < self.header.entries {
            let (_, key) = self.key_at(self.next)?;
            if self.next >= self.compared || self.start.includes(&key) {
                return Ok(Some(key));
            }
            self.next += 1;
        }
        self.data.forget();
        Ok(None)
    }

    /// Leaves the next entry out.
    pub fn skip(&mut self) {
        self.next += 1;
    }

    /// Leaves out what is left.
    pub(super) fn give_up(&mut self) -> u64 {
        let lost = self.header.entries.saturating_sub(self.next);
        self.next = self.header.entries;
        lost
    }

    /// The next entry; an error does not move on. With `gives_up`, fields are left out that may be
    /// readable later.
    ///
    /// # Errors
    /// As for [`peek`](Self::peek); without `gives_up`, also what may be readable later.
    pub fn take(&mut self, gives_up: bool) -> Result<Entry, ReadError> {
        let (offset, key) = self.key_at(self.next)?;
        let (_, size) = self.object(offset, object::ENTRY, ENTRY_ITEMS)?;
        let item = self.header.entry_item();
        let count = ((size - ENTRY_ITEMS) / item).min(MAX_FIELDS);
        #[expect(clippy::cast_possible_truncation, reason = "at most 64 KiB")]
        let items = self.data.read(offset + ENTRY_ITEMS, (count * item) as usize)?;
        let mut entry = Entry { key, fields: Vec::new(), damage: Vec::new() };
        let mut left = ENTRY_LIMIT;
        #[expect(clippy::cast_possible_truncation, reason = "4 or 16")]
        for item in items.chunks_exact(item as usize) {
            if left == 0 {
                entry
                    .damage
                    .push(damaged(offset, "an entry is too large, further fields are left out"));
                break;
            }
            match self.field(self.header.offset_in(item), left.min(FIELD_LIMIT)) {
                Ok(field) => {
                    left = left.saturating_sub(field.bytes.len());
                    entry.fields.push(field);
                }
                Err(error @ (ReadError::Io(_) | ReadError::Short(_))) if !gives_up => {
                    return Err(error);
                }
                Err(error) => entry.damage.push(error),
            }
        }
        self.next += 1;
        Ok(entry)
    }

    fn key_at(&mut self, index: u64) -> Result<(u64, EntryKey), ReadError> {
        let offset = self.entry_offset(index)?;
        self.object(offset, object::ENTRY, ENTRY_ITEMS)?;
        let mut bytes = [0; ENTRY_HEAD];
        self.data.fill(offset, &mut bytes)?;
        let key = EntryKey {
            sequence: self.header.sequence,
            number: u64_at(&bytes, 16),
            boot: id_at(&bytes, 40),
            monotonic_us: u64_at(&bytes, 32),
            realtime_us: u64_at(&bytes, 24),
            digest: u64_at(&bytes, 56),
        };
        // The bounds that systemd checks: 55 bits of microseconds are a thousand years.
        if key.number == 0 || key.realtime_us == 0 || key.realtime_us >= 1 << 55 {
            return Err(damaged(offset, "an entry without a number or a time"));
        }
        Ok((offset, key))
    }

    /// Where the entry with this index lies.
    fn entry_offset(&mut self, index: u64) -> Result<u64, ReadError> {
        let width = self.header.array_item();
        loop {
            let inside =
                |array: &&EntryArray| index >= array.first && index - array.first < array.capacity;
            if let Some(array) = self.arrays.iter().rev().find(inside) {
                let at = array.offset + ARRAY_ITEMS + (index - array.first) * width;
                let mut item = [0; 8];
                #[expect(clippy::cast_possible_truncation, reason = "4 or 8")]
                self.data.fill(at, &mut item[..width as usize])?;
                return Ok(u64::from_le_bytes(item));
            }
            self.follow_chain().map_err(|error| match error {
                ReadError::Damaged { offset, what } => ReadError::Unreachable { offset, what },
                other => other,
            })?;
        }
    }

    /// Reads one more link of the chain of arrays.
    fn follow_chain(&mut self) -> Result<(), ReadError> {
        let (place, offset, floor, first) = match self.arrays.last() {
            None => (176, self.header.first_array, self.header.size, 0),
            Some(last) => {
                let place = last.offset + OBJECT_HEADER;
                let next = u64_at(&self.data.read(place, 8)?, 0);
                (place, next, last.end, last.first.saturating_add(last.capacity))
            }
        };
        if offset == 0 {
            return Err(damaged(place, "the lists of entries end too early"));
        }
        if offset < floor || self.arrays.len() >= MAX_ARRAYS {
            return Err(damaged(place, "the lists of entries run in a circle"));
        }
        let (_, size) = self.object(offset, object::ENTRY_ARRAY, ARRAY_ITEMS)?;
        let capacity = (size - ARRAY_ITEMS) / self.header.array_item();
        if capacity == 0 {
            return Err(damaged(offset, "an empty list of entries"));
        }
        self.arrays.push(EntryArray { offset, end: offset + size, first, capacity });
        Ok(())
    }

    fn field(&mut self, offset: u64, limit: usize) -> Result<Field, ReadError> {
        let begin = self.header.data_payload();
        let (flags, size) = self.object(offset, object::DATA, begin)?;
        let codec = Codec::from_flags(flags)
            .map_err(|_| damaged(offset, "a field is compressed in an unknown way"))?;
        let stored = size - begin;
        let bytes = if let Some(codec) = codec {
            let stored = usize::try_from(stored).ok().filter(|_| stored <= STORED_LIMIT);
            let stored =
                stored.ok_or_else(|| damaged(offset, "a compressed field is too large"))?;
            let stored = self.data.read(offset + begin, stored)?;
            decompress(codec, &stored, limit)
                .map_err(|_| damaged(offset, "a field cannot be decompressed, or is too large"))?
        } else {
            let kept = usize::try_from(stored).unwrap_or(usize::MAX).min(limit);
            self.data.read(offset + begin, kept)?
        };
        Field::new(bytes).ok_or_else(|| damaged(offset, "a field without a name"))
    }

    /// Flags and size of the object at `offset`, which is of this kind, has `least` bytes and lies
    /// inside the file.
    fn object(&mut self, offset: u64, kind: u8, least: u64) -> Result<(u8, u64), ReadError> {
        if offset < self.header.size || !offset.is_multiple_of(8) {
            return Err(damaged(offset, "no object can begin here"));
        }
        let mut head = [0; OBJECT_HEAD];
        self.data.fill(offset, &mut head)?;
        if head[0] != kind {
            return Err(damaged(offset, "an object of another kind was expected"));
        }
        let size = u64_at(&head, 8);
        let end = offset.checked_add(size);
        let Some(end) = end.filter(|_| size >= least) else {
            return Err(damaged(offset, "the size of an object is impossible"));
        };
        if end > self.data.len() {
            return Err(ReadError::Short(offset));
        }
        Ok((head[1], size))
    }
}

/// Reads the header, and measures the file afterwards: what the header counts lies inside then,
/// however quickly the file grows meanwhile.
fn read_header(data: &mut PagedFile) -> Result<Header, ReadError> {
    if data.len() < HEADER_READ as u64 {
        return Err(ReadError::Incomplete);
    }
    let bytes = match data.read(0, HEADER_READ) {
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(ReadError::Incomplete);
        }
        other => other?,
    };
    data.refresh()?;
    Header::parse(&bytes, data.len())
}

#[cfg(test)]
mod tests;
