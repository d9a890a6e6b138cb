//! Files of records: one is appended to, the others are read and then deleted.
//!
//! Only what has been synced is handed to the reader, so what was settled towards files is never
//! lost with the power.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::place::Place;
use super::record::{self, HEADER, Record};
use crate::batch::accumulator::Batch;

/// A segment that is larger is closed. Space comes back a segment at a time.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// Memory that is kept between two writes.
const KEPT_BYTES: usize = 2 * 1024 * 1024;

/// At the begin of every segment: name and version of the format.
const MAGIC: [u8; 8] = *b"BWSPOOL1";

/// Where the records of a segment begin.
const BEGIN: u64 = MAGIC.len() as u64;

/// Name of a segment.
pub fn path_of(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("segment-{segment:010}"))
}

/// Numbers and sizes of the segments in a folder, in their order.
///
/// # Errors
/// The folder cannot be listed.
pub fn list(folder: &Path) -> io::Result<Vec<(u64, u64)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("segment-")?.parse().ok());
        if let Some(number) = number {
            segments.push((number, entry.metadata()?.len()));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Makes the folder, for its owner only: batches hold log lines.
///
/// # Errors
/// What the file system returned.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Appends records.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    file: File,
    end: Place,
    buffer: Vec<u8>,
}

impl Writer {
    /// Begins a new segment.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(folder: PathBuf, segment: u64) -> io::Result<Self> {
        let file = create(&folder, segment)?;
        let end = Place { segment, offset: BEGIN };
        Ok(Self { folder, file, end, buffer: Vec::new() })
    }

    /// Where the next record begins.
    pub fn end(&self) -> Place {
        self.end
    }

    /// Begins another segment, so that the one until now can be deleted, unless nothing is in it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn close_segment(&mut self) -> io::Result<()> {
        if self.end.offset > BEGIN {
            let segment = self.end.segment + 1;
            self.file = create(&self.folder, segment)?;
            self.end = Place { segment, offset: BEGIN };
        }
        Ok(())
    }

    /// Appends batches and syncs them; how many bytes that took.
    ///
    /// # Errors
    /// What the file system returned; nothing was appended then.
    pub fn append(&mut self, batches: &[Batch]) -> io::Result<u64> {
        if self.end.offset >= SEGMENT_BYTES {
            self.close_segment()?;
        }
        self.buffer.clear();
        for batch in batches {
            record::put(&mut self.buffer, batch);
        }
        let written = self
            .file
            .write_all_at(&self.buffer, self.end.offset)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a record at the end would hide those that come after it.
            let _ = self.file.set_len(self.end.offset);
            return Err(error);
        }
        let bytes = self.buffer.len() as u64;
        self.end.offset += bytes;
        self.buffer.shrink_to(KEPT_BYTES);
        Ok(bytes)
    }
}

fn create(folder: &Path, segment: u64) -> io::Result<File> {
    let path = path_of(folder, segment);
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(&MAGIC)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// Reads records in their order.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    at: Place,
    file: Option<File>,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// A record, and where it begins and ends.
    Record(Place, Place, Record),
    /// The rest of a segment is no record: it is passed over, up to here.
    Damaged(Place, io::Error),
    /// Nothing before the limit.
    Nothing,
}

impl Reader {
    /// Reads from `at` on.
    pub fn new(folder: PathBuf, at: Place) -> Self {
        Self { folder, at: Place { offset: at.offset.max(BEGIN), ..at }, file: None }
    }

    /// Where it is.
    pub fn place(&self) -> Place {
        self.at
    }

    /// The next record before `limit`.
    ///
    /// # Errors
    /// A segment cannot be opened or read for now.
    pub fn next(&mut self, limit: Place) -> io::Result<Next> {
        loop {
            if self.at >= limit {
                return Ok(Next::Nothing);
            }
            let at = self.at;
            let Some(file) = self.open()? else {
                self.next_segment();
                continue;
            };
            let size = file.metadata()?.len();
            let end = if at.segment == limit.segment { limit.offset } else { size };
            if at.offset >= end {
                self.next_segment();
                continue;
            }
            return match read(file, at.offset, end) {
                Ok((record, end)) => {
                    self.at.offset = end;
                    Ok(Next::Record(at, self.at, record))
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.next_segment();
                    Ok(Next::Damaged(self.at, error))
                }
                Err(error) => Err(error),
            };
        }
    }

    fn open(&mut self) -> io::Result<Option<&File>> {
        if self.file.is_none() {
            match File::open(path_of(&self.folder, self.at.segment)) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(self.file.as_ref())
    }

    fn next_segment(&mut self) {
        self.file = None;
        self.at = Place { segment: self.at.segment + 1, offset: BEGIN };
    }
}

fn read(file: &File, offset: u64, end: u64) -> io::Result<(Record, u64)> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    if offset == BEGIN {
        let mut magic = [0; MAGIC.len()];
        if file.read_exact_at(&mut magic, 0).is_err() || magic != MAGIC {
            return Err(invalid("it is no segment of this version"));
        }
    }
    let mut head = [0; HEADER];
    if end - offset < HEADER as u64 {
        return Err(invalid("a batch in it is cut off"));
    }
    file.read_exact_at(&mut head, offset)?;
    let (length, checksum) = record::header(head)?;
    let begin = offset + HEADER as u64;
    if end - begin < length as u64 {
        return Err(invalid("a batch in it is cut off"));
    }
    let mut payload = vec![0; length];
    file.read_exact_at(&mut payload, begin)?;
    Ok((record::parse(&payload, checksum)?, begin + length as u64))
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::batch;
    use super::*;

    fn everything(folder: &Path, from: Place, limit: Place) -> (Vec<Vec<u8>>, usize) {
        let mut reader = Reader::new(folder.to_path_buf(), from);
        let (mut bodies, mut damaged) = (Vec::new(), 0);
        loop {
            match reader.next(limit).unwrap() {
                Next::Record(_, _, record) => bodies.push(record.body),
                Next::Damaged(..) => damaged += 1,
                Next::Nothing => return (bodies, damaged),
            }
        }
    }

    #[test]
    fn records_are_read_in_order_over_segments_and_from_any_place() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path().to_path_buf(), 1).unwrap();
        writer.append(&[batch("a", b"one"), batch("b", b"two")]).unwrap();
        let middle = writer.end();
        let big = vec![7; usize::try_from(SEGMENT_BYTES).unwrap()];
        writer.append(&[batch("a", &big)]).unwrap();
        writer.append(&[batch("a", b"last")]).unwrap();
        assert_eq!(writer.end().segment, 2);
        let (bodies, damaged) = everything(dir.path(), Place::default(), writer.end());
        assert_eq!(bodies.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, big.len(), 4]);
        assert_eq!(damaged, 0);
        assert_eq!(everything(dir.path(), middle, writer.end()).0.len(), 2);
        assert_eq!(list(dir.path()).unwrap().len(), 2);
    }

    #[test]
    fn a_record_that_a_crash_cut_off_ends_its_segment_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path().to_path_buf(), 1).unwrap();
        writer.append(&[batch("a", b"one"), batch("b", b"two")]).unwrap();
        let file = OpenOptions::new().write(true).open(path_of(dir.path(), 1)).unwrap();
        file.set_len(writer.end().offset - 1).unwrap();
        let mut writer = Writer::new(dir.path().to_path_buf(), 2).unwrap();
        writer.append(&[batch("a", b"three")]).unwrap();
        let (bodies, damaged) = everything(dir.path(), Place::default(), writer.end());
        assert_eq!(bodies, [b"one".to_vec(), b"three".to_vec()]);
        assert_eq!(damaged, 1);
    }

    #[test]
    fn what_is_not_synced_yet_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path().to_path_buf(), 1).unwrap();
        writer.append(&[batch("a", b"one")]).unwrap();
        let limit = writer.end();
        writer.append(&[batch("a", b"two")]).unwrap();
        assert_eq!(everything(dir.path(), Place::default(), limit).0, [b"one".to_vec()]);
    }
}
