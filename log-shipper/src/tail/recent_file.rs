//! The third file next to the positions file: what Loki has taken since that was saved, so that a
//! kill repeats no more than what is on its way.
//!
//! It is appended to and never synced: it outlives the process, not the machine. Nothing in it counts
//! unless its checksums hold and it belongs to the very files that it lies beside.
//!
//! Lines are a checksum and JSON. A section begins with a line that names the save (its number
//! stands in the side file) and the digest of the positions file of that save; the next save's
//! section is begun before that save touches the disk, so that its files match the one or the other
//! section whenever the process dies. Every checksum of a section covers its save's number.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::file_identity::{self, Inode};
use super::file_records::{self, FileRecord};
use super::positions_file::Positions;

/// A save is asked for beyond this size: 30,000 records or more, where one push brings a few.
pub(super) const LARGE: u64 = 4 * 1024 * 1024;

/// Nothing more is written where saves fail and it is as large as this.
const MAX_BYTES: u64 = 4 * LARGE;

/// Only its owner needs to read it.
const MODE: u32 = 0o600;

/// One thing that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A file.
    File(FileRecord),
    /// A source that is none: its key, and its own text for the place.
    Cursor(String, String),
}

impl Change {
    fn to_json(&self) -> String {
        let mut text = String::new();
        match self {
            Self::File(record) => file_records::write_record(&mut text, record),
            Self::Cursor(key, place) => {
                let (key, place) = (Value::from(&**key), Value::from(&**place));
                let _ = write!(text, "{{\"cursor\":{key},\"place\":{place}}}");
            }
        }
        text
    }

    fn parse(value: &Value) -> Option<Self> {
        if let Some(key) = value["cursor"].as_str() {
            return Some(Self::Cursor(key.to_owned(), value["place"].as_str()?.to_owned()));
        }
        file_records::parse(value).map(Self::File)
    }
}

/// Where the file lies that belongs to a positions file.
pub fn path_beside(positions: &Path) -> PathBuf {
    let mut name = positions.as_os_str().to_owned();
    name.push(".recent");
    name.into()
}

/// Tells one content of the positions file from others, be they written by Promtail or by hand.
pub fn digest(yaml: &[u8]) -> u64 {
    (yaml.len() as u64) << 32 | u64::from(crc32fast::hash(yaml))
}

fn push_line(lines: &mut Vec<u8>, save: u64, json: &str) {
    let _ = io::Write::write_fmt(lines, format_args!("{:08x} {json}\n", checksum(save, json)));
}

fn checksum(save: u64, json: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&save.to_le_bytes());
    hasher.update(json.as_bytes());
    hasher.finalize()
}

/// What was written between two saves.
#[derive(Debug, PartialEq, Eq)]
struct Section {
    save: u64,
    positions: u64,
    changes: Vec<Change>,
}

/// Where a writer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    save: u64,
    length: u64,
}

/// What an earlier process left: everything before the first line that is not whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recent {
    sections: Vec<Section>,
    length: u64,
}

/// Reads the file; a missing one has nothing.
///
/// # Errors
/// It is there and cannot be read.
pub fn load(path: &Path) -> io::Result<Recent> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Recent::default()),
        Err(error) => Err(error),
        // Each section stays below the limit but for its last push.
        Ok(metadata) if metadata.len() > 4 * MAX_BYTES => {
            Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 64 MiB"))
        }
        Ok(_) => fs::read(path).map(|bytes| parse(&bytes)),
    }
}

fn parse(bytes: &[u8]) -> Recent {
    let mut recent = Recent::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if recent.add(line).is_none() {
            break;
        }
        recent.length += line.len() as u64;
    }
    recent
}

impl Recent {
    /// Adds a line; `None` where it is not whole.
    fn add(&mut self, line: &[u8]) -> Option<()> {
        let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
        let (sum, json) = text.split_once(' ')?;
        let sum = u32::from_str_radix(sum, 16).ok()?;
        let value: Value = serde_json::from_str(json).ok()?;
        if let Some(save) = value["save"].as_u64() {
            let positions = value["positions"].as_u64()?;
            let section = Section { save, positions, changes: Vec::new() };
            (sum == checksum(save, json)).then(|| self.sections.push(section))
        } else {
            let section = self.sections.last_mut()?;
            (sum == checksum(section.save, json)).then_some(())?;
            section.changes.push(Change::parse(&value)?);
            Some(())
        }
    }

    /// Brings what was saved up to date, where this belongs to it: `save` is the number in the side
    /// file, `positions_digest` that of the positions file. Where to go on writing, then.
    pub fn apply(
        self,
        save: Option<u64>,
        positions_digest: u64,
        positions: &mut Positions,
        records: &mut Vec<FileRecord>,
    ) -> Option<End> {
        let first = self.sections.iter().position(|section| Some(section.save) == save)?;
        let sections = &self.sections[first..];
        // A save that was cut short has replaced the positions file and not yet the side file.
        // Somebody else who wrote the positions file knows better.
        sections.iter().find(|section| section.positions == positions_digest)?;
        let end = End { save: sections.last()?.save, length: self.length };
        let mut files = Vec::new();
        for change in self.sections.into_iter().skip(first).flat_map(|section| section.changes) {
            match change {
                Change::File(record) => files.push(record),
                Change::Cursor(key, place) => super::cursor::save_text(positions, &key, place),
            }
        }
        update_files(files, positions, records);
        Some(end)
    }
}

/// The last change of a file counts, whichever way it goes: a file that was truncated goes back.
fn update_files(
    changes: Vec<FileRecord>,
    positions: &mut Positions,
    records: &mut Vec<FileRecord>,
) {
    let mut current: HashMap<Arc<str>, Inode> = HashMap::new();
    let mut changed: BTreeMap<(Inode, Arc<str>), FileRecord> = BTreeMap::new();
    for change in changes {
        if change.is_current {
            current.insert(Arc::clone(&change.path), change.inode);
        }
        changed.insert((change.inode, Arc::clone(&change.path)), change);
    }
    let inodes: HashMap<Inode, FileRecord> =
        changed.values().map(|record| (record.inode, record.clone())).collect();
    records.retain(|record| !changed.contains_key(&(record.inode, Arc::clone(&record.path))));
    records.extend(changed.into_values());
    // Several jobs may know a file under several paths: the slowest counts.
    let mut slowest: HashMap<Inode, u64> = HashMap::new();
    for record in records.iter().filter(|record| inodes.contains_key(&record.inode)) {
        let position = slowest.entry(record.inode).or_insert(record.position);
        *position = record.position.min(*position);
    }
    for record in records {
        if let Some(position) = slowest.get(&record.inode) {
            record.position = *position;
            record.fingerprint = inodes[&record.inode].fingerprint;
        }
        if let Some(inode) = current.get(&record.path) {
            record.is_current = record.inode == *inode;
            if record.is_current {
                positions.insert(record.path.to_string(), record.position.to_string());
            }
        }
    }
}

/// Appends to the file.
#[derive(Debug)]
pub(super) struct RecentFile {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Begin of the last section.
    begin: u64,
    /// What is whole ends here.
    length: u64,
    save: u64,
    /// Behind it there may be what the earlier process did not finish.
    is_torn: bool,
}

impl Open {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.length + lines.len() as u64 > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "16 MiB without a save"));
        }
        // What comes next must follow what is whole.
        if self.is_torn {
            self.file.set_len(self.length)?;
        }
        let written = self.file.write_all_at(lines, self.length);
        self.is_torn = written.is_err();
        if written.is_ok() {
            self.length += lines.len() as u64;
        }
        written
    }
}

fn create(path: &Path) -> io::Result<File> {
    // Never what is there already: in a shared directory that could be somebody's link.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(path)
}

impl RecentFile {
    /// Goes on with the file of an earlier process where that ended; without one, the first save
    /// begins it. Changes nothing on disk: a dry run may look at a file that is in use.
    pub(super) fn new(path: PathBuf, end: Option<End>) -> Self {
        let open = end.and_then(|End { save, length }| {
            let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
            Some(Open { file, begin: 0, length, save, is_torn: true })
        });
        Self { path, open }
    }

    /// Whether there is a save that it can follow.
    pub(super) fn is_begun(&self) -> bool {
        self.open.is_some()
    }

    /// Whether it is time for a save.
    pub(super) fn is_large(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.length - open.begin > LARGE)
    }

    /// Begins the section of a save before that is on disk. The section before goes on if this
    /// fails.
    pub(super) fn begin(&mut self, save: u64, positions_digest: u64) -> io::Result<()> {
        let mut line = Vec::new();
        let json = format!("{{\"save\":{save},\"positions\":{positions_digest}}}");
        push_line(&mut line, save, &json);
        if let Some(open) = &mut self.open {
            let begin = open.length;
            open.append(&line)?;
            (open.begin, open.save) = (begin, save);
        } else {
            let mut open =
                Open { file: create(&self.path)?, begin: 0, length: 0, save, is_torn: false };
            open.append(&line)?;
            self.open = Some(open);
        }
        Ok(())
    }

    /// The save is on disk: drops the sections before it.
    pub(super) fn drop_earlier(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.begin == 0 {
            return Ok(());
        }
        let length = open.length - open.begin;
        let mut section = vec![0; usize::try_from(length).expect("it is limited")];
        let read = file_identity::read_full(&open.file, &mut section, open.begin)?;
        let mut name = self.path.as_os_str().to_owned();
        name.push(".tmp");
        let temporary = PathBuf::from(name);
        let file = create(&temporary)?;
        let replaced = file
            .write_all_at(&section[..read], 0)
            .and_then(|()| fs::rename(&temporary, &self.path));
        if let Err(error) = replaced {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        *open = Open { file, begin: 0, length: read as u64, save: open.save, is_torn: false };
        Ok(())
    }

    /// Writes what moved, with one call.
    pub(super) fn append<'a>(
        &mut self,
        changes: impl Iterator<Item = &'a Change>,
    ) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let mut lines = Vec::new();
        for change in changes {
            push_line(&mut lines, open.save, &change.to_json());
        }
        open.append(&lines)
    }

    /// Everything is saved: the file goes.
    pub(super) fn remove(&mut self) {
        if self.open.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;
