//! The blocks that streams are at, and what a stream remembers between two blocks.
//!
//! After a block was released by its size or age, lines that follow belong to the same first line:
//! they get its time, labels and values, as in Promtail. [`Blocks::held_bytes`] counts every block
//! and everything remembered, so that nothing is kept that [`MAX_HELD_BYTES`] does not cover.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::pipeline::entry::{Entry, FileId, Origin};
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stage::{Context, Verdict};

/// Longest block: 4 MiB, as long as a line that is read in one piece.
pub(super) const MAX_BLOCK_BYTES: usize = 4 << 20;

/// What a stage holds at most: 64 MiB.
pub(super) const MAX_HELD_BYTES: usize = 64 << 20;

/// How many streams a stage follows; lines of further ones are not joined.
pub(super) const MAX_STREAMS: usize = 10_000;

/// How long a stream without lines is remembered.
pub(super) const MAX_IDLE: Duration = Duration::from_mins(10);

/// What a stream costs besides its text: an estimate of labels, names and tables.
const STREAM_BYTES: usize = 1024;

/// When a block is complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockLimits {
    /// Time since its last line.
    pub(super) wait: Duration,
    /// Its lines; 0 is no limit.
    pub(super) lines: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Blocks {
    limits: BlockLimits,
    streams: HashMap<u64, Stream, RandomState>,
    held_bytes: usize,
    /// Counts blocks, so that those released together are in the order in which they began.
    begun: u64,
}

/// A stream that had a first line.
#[derive(Debug)]
struct Stream {
    /// The first line with what was joined to it; between blocks, its line is empty.
    entry: Entry,
    /// Lines of the block; 0 between blocks.
    lines: u64,
    /// Place of the block among all.
    begun: u64,
    last_line: Instant,
    /// Its part of [`Blocks::held_bytes`].
    bytes: usize,
}

impl Blocks {
    pub(super) fn new(limits: BlockLimits) -> Self {
        Self { limits, streams: HashMap::default(), held_bytes: 0, begun: 0 }
    }

    pub(super) fn limits(&self) -> BlockLimits {
        self.limits
    }

    /// Whether no stream had a first line yet.
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// A first line: the end of the stream's block and the begin of the next one.
    pub(super) fn begin(
        &mut self,
        stream: u64,
        entry: &mut Entry,
        context: &mut Context,
    ) -> Verdict {
        if let Some(previous) = self.remove(stream)
            && previous.lines > 0
        {
            context.released.push(previous.entry);
        }
        let bytes = STREAM_BYTES + entry.line.len() + extracted_bytes(entry);
        if self.streams.len() >= MAX_STREAMS {
            self.forget(|stream| stream.lines == 0);
        }
        if self.streams.len() >= MAX_STREAMS || self.held_bytes + bytes > MAX_HELD_BYTES {
            return Verdict::Pass;
        }
        self.begun += 1;
        self.held_bytes += bytes;
        let block = Stream {
            entry: std::mem::take(entry),
            lines: 1,
            begun: self.begun,
            last_line: context.now,
            bytes,
        };
        self.streams.insert(stream, block);
        self.release_if_full(stream, context);
        Verdict::Hold
    }

    /// Any other line. It passes if its stream had no first line yet.
    pub(super) fn append(
        &mut self,
        stream: u64,
        entry: &mut Entry,
        context: &mut Context,
    ) -> Verdict {
        let added = 1 + entry.line.len();
        let Some(block) = self.streams.get(&stream) else { return Verdict::Pass };
        if block.lines > 0
            && (block.entry.line.len() + added > MAX_BLOCK_BYTES
                || self.held_bytes + added > MAX_HELD_BYTES
                || block.entry.origins_with(entry).is_none())
        {
            self.release(stream, context);
        }
        let Some(block) = self.streams.get_mut(&stream) else { return Verdict::Pass };
        if block.lines == 0 {
            // Other streams hold everything: the line goes its own way.
            if self.held_bytes + added > MAX_HELD_BYTES {
                return Verdict::Pass;
            }
            self.begun += 1;
            block.begun = self.begun;
            (block.entry.origin, block.entry.second_origin) = (entry.origin, entry.second_origin);
        } else {
            block.entry.line.push(b'\n');
            if let Some(joined) = block.entry.origins_with(entry) {
                (block.entry.origin, block.entry.second_origin) = joined;
            }
        }
        block.entry.line.extend_from_slice(&entry.line);
        block.lines += 1;
        block.last_line = context.now;
        block.bytes += added;
        self.held_bytes += added;
        self.release_if_full(stream, context);
        Verdict::Hold
    }

    /// Releases what has waited, or at the end everything, and forgets streams that are gone.
    pub(super) fn flush(&mut self, end: bool, context: &mut Context) {
        let due = |stream: &Stream| {
            let waited = context.now.saturating_duration_since(stream.last_line);
            stream.lines > 0 && (end || waited >= self.limits.wait)
        };
        let mut streams: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, stream)| due(stream))
            .map(|(key, stream)| (stream.begun, *key))
            .collect();
        streams.sort_unstable();
        for (_, stream) in streams {
            self.release(stream, context);
        }
        let now = context.now;
        self.forget(|stream| {
            stream.lines == 0 && now.saturating_duration_since(stream.last_line) >= MAX_IDLE
        });
    }

    /// Where the first of all held bytes of a file stands.
    pub(super) fn held_since(&self, file: FileId) -> Option<u64> {
        let blocks = self.streams.values().filter(|stream| stream.lines > 0);
        blocks.filter_map(|stream| stream.entry.begin_in(file)).min()
    }

    fn release_if_full(&mut self, stream: u64, context: &mut Context) {
        let full = |stream: &Stream| stream.lines == self.limits.lines;
        if self.streams.get(&stream).is_some_and(full) {
            self.release(stream, context);
        }
    }

    /// Releases a block, but remembers its first line for lines that may follow.
    fn release(&mut self, key: u64, context: &mut Context) {
        let Some(mut stream) = self.remove(key) else { return };
        let line = std::mem::take(&mut stream.entry.line);
        let bytes = STREAM_BYTES + extracted_bytes(&stream.entry);
        let mut entry = stream.entry.clone();
        entry.line = line;
        context.released.push(entry);
        stream.lines = 0;
        (stream.entry.origin, stream.entry.second_origin) = (Origin::default(), None);
        stream.bytes = bytes;
        self.held_bytes += bytes;
        self.streams.insert(key, stream);
    }

    fn remove(&mut self, key: u64) -> Option<Stream> {
        let stream = self.streams.remove(&key)?;
        self.held_bytes -= stream.bytes;
        Some(stream)
    }

    fn forget(&mut self, is_gone: impl Fn(&Stream) -> bool) {
        let held_bytes = &mut self.held_bytes;
        self.streams.retain(|_, stream| {
            let gone = is_gone(stream);
            *held_bytes -= if gone { stream.bytes } else { 0 };
            !gone
        });
    }
}

/// Bytes of the values that stages before this one extracted.
fn extracted_bytes(entry: &Entry) -> usize {
    let length = |value| match value {
        ValueRef::Text(text) => text.len(),
        _ => 0,
    };
    entry.extracted.iter().map(|(_, value)| length(value)).sum()
}
