//! The side file of the positions file: what is read and written reads the same again, and so does
//! any path.

use log_shipper::tail::file_identity::{Fingerprint, Inode};
use log_shipper::tail::file_records::{FileRecord, SideFile, load, to_json};

use super::memory_file::MemoryFile;
use super::{Check, Shape, Target};

pub(super) const TARGET: Target = Target {
    name: "file_records",
    about: "the side file of the positions file",
    seeds,
    words: &[
        "{\"version\":1,\"save\":7,\"files\":[",
        "\"path\":",
        "\"device\":",
        "\"inode\":",
        "\"length\":",
        "\"hash\":",
        "\"position\":",
        "\"current\":",
        "true",
        "false",
        "null",
        "-1",
        "1.5",
        "1e3",
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "+f",
        "\\ud800",
        "65535",
        "65536",
    ],
    start,
};

fn record(inode: u64, path: String) -> FileRecord {
    FileRecord {
        fingerprint: Fingerprint::of(path.as_bytes()),
        path: path.into(),
        inode: Inode { device: u64::MAX, inode },
        position: 10 + inode,
        is_current: inode.is_multiple_of(2),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let paths = ["/a.log", "/a.log", "/b \"c\"\u{e9}.log"].map(str::to_owned);
    let records: Vec<_> = (1..).zip(paths).map(|(inode, path)| record(inode, path)).collect();
    let other = r#"{"version":2,"files":[]}"#;
    vec![
        to_json(&records, 1).into(),
        to_json(&records[..1], u64::MAX).into(),
        to_json(&[], 0).into(),
        other.into(),
    ]
}

fn start() -> Check {
    let file = MemoryFile::new();
    Box::new(move |input| {
        let loaded = |text: &[u8]| load(&file.with(text)).map(|side| (side.records, side.save));
        let lossy = String::from_utf8_lossy(input);
        let any: Vec<_> =
            (1..).zip(lossy.lines()).map(|(inode, path)| record(inode, path.to_owned())).collect();
        let written = to_json(&any, 7);
        assert_eq!(loaded(written.as_bytes()).ok(), Some((any, Some(7))));
        match load(&file.with(input)) {
            Ok(SideFile { records, save }) => {
                let written = to_json(&records, save.unwrap_or_default());
                let again = loaded(written.as_bytes()).ok().map(|(records, _)| records);
                assert_eq!(again.as_ref(), Some(&records));
                Shape::of(records.len().min(8))
            }
            Err(error) => Shape::of_message(&error.to_string()),
        }
    })
}
