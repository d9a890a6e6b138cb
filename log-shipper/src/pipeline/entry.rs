//! What travels through a pipeline: one line with everything known about it.

use std::sync::Arc;

use super::extracted::Extracted;
use super::labels::Labels;
pub use crate::tail::file_identity::FileId;

/// Where an entry came from: what must not be saved as done before Loki has the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// The file.
    pub file: FileId,
    /// Offset in bytes of the first byte that went into the entry; for joined lines that of the
    /// first one.
    pub begin: u64,
}

/// One log line on its way, with labels and what stages found in it.
///
/// The tailer keeps one entry and resets it for every line, so that a line costs no allocation of
/// its own; a stage that holds an entry back takes it out with [`std::mem::take`].
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Nanoseconds since 1970, UTC.
    pub timestamp_ns: i64,
    /// The line without its newline; any bytes.
    pub line: Vec<u8>,
    /// Labels of the stream.
    pub labels: Labels,
    /// Structured metadata: name and value, each name once.
    pub metadata: Vec<(Arc<str>, String)>,
    /// What stages extracted.
    pub extracted: Extracted,
    /// Where the first byte stands.
    pub origin: Origin,
    /// For lines joined over a rotation: where the first byte from the second file stands. The
    /// position of neither file may pass the entry.
    pub second_origin: Option<Origin>,
}

impl Entry {
    /// The places of the entry: one, or one in each of two files.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        std::iter::once(self.origin).chain(self.second_origin)
    }

    /// Where its first byte from `file` stands, if it has one.
    pub fn begin_in(&self, file: FileId) -> Option<u64> {
        self.origins().filter(|origin| origin.file == file).map(|origin| origin.begin).min()
    }

    /// What both fields are once `part` is joined to the entry; `None` where that makes three
    /// files, more than can hold their positions back.
    pub fn origins_with(&self, part: &Self) -> Option<(Origin, Option<Origin>)> {
        let (mut first, mut second) = (self.origin, self.second_origin);
        for origin in part.origins() {
            let known =
                if first.file == origin.file { &mut first } else { second.get_or_insert(origin) };
            if known.file != origin.file {
                return None;
            }
            known.begin = known.begin.min(origin.begin);
        }
        Some((first, second))
    }
}
