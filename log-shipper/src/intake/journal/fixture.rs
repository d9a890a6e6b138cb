//! Journal files that systemd wrote, and what journalctl read from them. How they were made is in
//! `fixtures/README.md`.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::read::GzDecoder;

/// Entries of every file.
pub(super) const ENTRIES: u64 = 40;

/// Time of the first entry; every further one is a millisecond later. Microseconds since 1970.
pub(super) const FIRST_US: u64 = 1_700_000_000_000_000;

pub(super) const FORMS: [(&str, &[u8]); 5] = [
    ("plain", include_bytes!("fixtures/plain.journal.gz")),
    ("zstd", include_bytes!("fixtures/zstd.journal.gz")),
    ("compact-zstd", include_bytes!("fixtures/compact-zstd.journal.gz")),
    ("lz4", include_bytes!("fixtures/lz4.journal.gz")),
    ("xz", include_bytes!("fixtures/xz.journal.gz")),
];

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The bytes of one file.
pub(super) fn bytes(form: &str) -> Vec<u8> {
    unpack(FORMS.iter().find(|(name, _)| *name == form).unwrap().1)
}

/// Writes one file that has grown to `entries` so far.
pub(super) fn write(form: &str, path: &Path, entries: u64) {
    let mut bytes = bytes(form);
    bytes[152..160].copy_from_slice(&entries.to_le_bytes());
    // It appears as a whole.
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, bytes).unwrap();
    std::fs::rename(temporary, path).unwrap();
}

/// As when journald has appended entries. The file's time changes for sure.
pub(super) fn grow(path: &Path, entries: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&entries.to_le_bytes(), 152).unwrap();
}

/// As when journald has rotated.
pub(super) fn archive(path: &Path) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(&[2], 16).unwrap();
}

/// A cursor without its sequence, and fields, sorted.
pub(super) type Described = (String, Vec<(String, Vec<u8>)>);

/// What journalctl read.
pub(super) fn expected() -> Vec<Described> {
    let export = unpack(include_bytes!("fixtures/entries.export.gz"));
    let mut entries = Vec::new();
    let (mut cursor, mut fields) = (String::new(), Vec::new());
    let mut rest = export.as_slice();
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.is_empty() {
            fields.sort();
            entries.push((std::mem::take(&mut cursor), std::mem::take(&mut fields)));
            continue;
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (name, value) = if let Some(equals) = memchr::memchr(b'=', line) {
            (text(&line[..equals]), line[equals + 1..].to_vec())
        } else {
            let (size, after) = rest.split_first_chunk().unwrap();
            let size = usize::try_from(u64::from_le_bytes(*size)).unwrap();
            rest = &after[size + 1..];
            (text(line), after[..size].to_vec())
        };
        match name.as_str() {
            "__CURSOR" => cursor = text(&value),
            "__REALTIME_TIMESTAMP" | "__MONOTONIC_TIMESTAMP" => {}
            _ => fields.push((name, value)),
        }
    }
    entries
}
