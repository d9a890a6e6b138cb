//! The side file next to the positions file: which file each position is of, so that after a
//! restart a rotated file is recognised and finished, and its successor is not taken for it.
//!
//! Promtail's own file has paths and offsets only. Where the two disagree about an offset, Promtail's
//! file is right: Promtail may have run in between.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::file_identity::{Fingerprint, Inode};

/// Larger files are not read: 50,000 files with paths of 1 KiB come to 60 MiB.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

const VERSION: u64 = 1;

/// One file under a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileRecord {
    /// The path that it is, or was, followed under.
    pub path: Arc<str>,
    /// Which file it is.
    pub inode: Inode,
    /// How it begins.
    pub fingerprint: Fingerprint,
    /// Everything before is done: bytes, or lines of a compressed file.
    pub position: u64,
    /// The path named it when this was saved; otherwise it had been rotated away.
    pub is_current: bool,
}

/// What an earlier run knew, by what the files are.
#[derive(Debug, Default)]
pub struct FileRecords {
    by_inode: BTreeMap<Inode, FileRecord>,
    by_path: HashMap<Arc<str>, Vec<Inode>>,
}

impl FileRecords {
    /// The record of a file, if the inode is not another file's by now.
    pub fn of_file(&self, inode: Inode, file: &std::fs::File) -> Option<&FileRecord> {
        let record = self.by_inode.get(&inode)?;
        record.fingerprint.is_of(file).unwrap_or(false).then_some(record)
    }

    /// Files that were followed under a path: rotated ones in the order of their inodes, the current
    /// one last.
    pub fn of_path<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a FileRecord> {
        let of = |current: bool| {
            let inodes = self.by_path.get(path).into_iter().flatten();
            let records = inodes.filter_map(|inode| self.by_inode.get(inode));
            records.filter(move |record| record.is_current == current)
        };
        of(false).chain(of(true))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &FileRecord> {
        self.by_inode.values()
    }
}

impl FromIterator<FileRecord> for FileRecords {
    fn from_iter<I: IntoIterator<Item = FileRecord>>(records: I) -> Self {
        let mut all = Self::default();
        for record in records {
            // Two jobs may read one file: the slower one counts.
            match all.by_inode.get_mut(&record.inode) {
                Some(known) if known.fingerprint == record.fingerprint => {
                    known.position = known.position.min(record.position);
                    known.is_current |= record.is_current;
                }
                _ => {
                    all.by_inode.insert(record.inode, record);
                }
            }
        }
        for record in all.by_inode.values() {
            all.by_path.entry(Arc::clone(&record.path)).or_default().push(record.inode);
        }
        all
    }
}

/// Where the side file of a positions file lies.
pub fn path_beside(positions: &Path) -> PathBuf {
    let mut name = positions.as_os_str().to_owned();
    name.push(OsString::from(".files.json"));
    name.into()
}

/// The content of the side file.
#[derive(Debug, Default)]
pub struct SideFile {
    /// In its order: a file stands there once for each path and job that reads it.
    pub records: Vec<FileRecord>,
    /// Names the save that wrote it; earlier versions named none.
    pub save: Option<u64>,
}

/// Reads the side file; a missing one knows nothing.
///
/// # Errors
/// It is there and is not what this program writes. Positions work without it as in Promtail.
pub fn load(path: &Path) -> io::Result<SideFile> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SideFile::default()),
        Err(error) => return Err(error),
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            return Err(invalid("larger than 256 MiB".to_owned()));
        }
        Ok(_) => {}
    }
    let text = std::fs::read(path)?;
    let json: Value = serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
    if json["version"] != VERSION {
        return Err(invalid(format!("version {} where {VERSION} is known", json["version"])));
    }
    let files = json["files"].as_array().ok_or_else(|| invalid("no list of files".to_owned()))?;
    let record = |(index, value)| {
        parse(value).ok_or_else(|| invalid(format!("files[{index}] is not complete")))
    };
    let records = files.iter().enumerate().map(record).collect::<io::Result<_>>()?;
    Ok(SideFile { records, save: json["save"].as_u64() })
}

pub(super) fn parse(value: &Value) -> Option<FileRecord> {
    let number = |key: &str| value[key].as_u64();
    let hash = u64::from_str_radix(value["hash"].as_str()?, 16).ok()?;
    let length = u16::try_from(number("length")?).ok()?;
    Some(FileRecord {
        path: Arc::from(value["path"].as_str()?),
        inode: Inode { device: number("device")?, inode: number("inode")? },
        fingerprint: Fingerprint { length, hash },
        position: number("position")?,
        is_current: value["current"].as_bool()?,
    })
}

/// The text of the side file; `save` names this save.
pub fn to_json(records: &[FileRecord], save: u64) -> String {
    // Line by line: a tree of 50,000 records would cost more than the records.
    let mut text =
        String::with_capacity(records.iter().map(|record| record.path.len() + 150).sum());
    let _ = write!(text, "{{\"version\":{VERSION},\"save\":{save},\"files\":[");
    for (index, record) in records.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        write_record(&mut text, record);
    }
    text.push_str("\n]}\n");
    text
}

/// One record on one line.
pub(super) fn write_record(text: &mut String, record: &FileRecord) {
    let FileRecord { path, inode, fingerprint, position, is_current } = record;
    let _ = write!(
        text,
        "{{\"path\":{},\"device\":{},\"inode\":{},\"length\":{},\"hash\":\"{:016x}\",\
         \"position\":{position},\"current\":{is_current}}}",
        Value::from(&**path),
        inode.device,
        inode.inode,
        fingerprint.length,
        fingerprint.hash,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(inode: u64, path: &str, position: u64, is_current: bool) -> FileRecord {
        let fingerprint = Fingerprint::of(b"2026-01-01 first line\n");
        let inode = Inode { device: u64::MAX, inode };
        FileRecord { path: Arc::from(path), inode, fingerprint, position, is_current }
    }

    #[test]
    fn what_is_saved_is_loaded_again_with_the_current_file_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = path_beside(&dir.path().join("positions.yaml"));
        assert!(path.ends_with("positions.yaml.files.json"));
        assert!(load(&path).unwrap().records.is_empty());
        let records =
            [record(1, "/a \"b\".log", u64::MAX, true), record(2, "/a \"b\".log", 7, false)];
        std::fs::write(&path, to_json(&records, u64::MAX)).unwrap();
        let side = load(&path).unwrap();
        assert_eq!(side.save, Some(u64::MAX));
        let loaded: FileRecords = side.records.into_iter().collect();
        let of_path: Vec<_> = loaded.of_path("/a \"b\".log").cloned().collect();
        assert_eq!(of_path, [records[1].clone(), records[0].clone()]);
    }

    #[test]
    fn a_file_is_recognised_by_inode_and_beginning_and_the_slower_reader_counts() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a.log");
        std::fs::write(&log, "2026-01-01 first line\nsecond\n").unwrap();
        let file = std::fs::File::open(&log).unwrap();
        let records: FileRecords =
            [record(5, "/a.log", 20, true), record(5, "/a.log", 10, true)].into_iter().collect();
        let inode = Inode { device: u64::MAX, inode: 5 };
        assert_eq!(records.of_file(inode, &file).unwrap().position, 10);
        std::fs::write(&log, "another file\n").unwrap();
        let file = std::fs::File::open(&log).unwrap();
        assert!(records.of_file(inode, &file).is_none());
    }

    #[test]
    fn what_is_damaged_is_an_error_that_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("side");
        for (text, why) in [
            ("{", "EOF"),
            (r#"{"version":2,"files":[]}"#, "version 2"),
            (r#"{"version":1,"files":[{"path":"/a"}]}"#, "files[0]"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = load(&path).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
