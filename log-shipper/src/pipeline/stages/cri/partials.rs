//! Parts of lines that wait for the rest, by stream.
//!
//! At most [`PartialLimits::streams`] streams wait, with at most [`MAX_LINE_BYTES`] each and
//! [`MAX_HELD_BYTES`] together; what would exceed a limit releases parts as they are.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::pipeline::entry::{Entry, FileId};

/// Longest line that is put together: 4 MiB, as long as a line that is read in one piece.
pub(super) const MAX_LINE_BYTES: usize = 4 << 20;

/// What all parts of a stage may take together: 64 MiB.
pub(super) const MAX_HELD_BYTES: usize = 64 << 20;

/// How long a part waits for the next one. The runtime writes the parts of a line at once, so after
/// this time the container is gone.
pub(super) const MAX_WAIT: Duration = Duration::from_mins(1);

/// What is held at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartialLimits {
    /// Streams.
    pub(super) streams: usize,
    /// Bytes that a line put together is cut to.
    pub(super) truncate: Option<usize>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Partials {
    limits: PartialLimits,
    held: HashMap<u64, Held, RandomState>,
    held_bytes: usize,
    /// Counts parts: the stream with the smallest number has waited longest.
    arrivals: u64,
}

/// The last part of a stream, with the text of all of them.
#[derive(Debug)]
struct Held {
    entry: Entry,
    /// Of the text, and of the last part again, which is also among the extracted values.
    bytes: usize,
    since: Instant,
    arrival: u64,
}

impl Partials {
    pub(super) fn new(limits: PartialLimits) -> Self {
        Self { limits, held: HashMap::default(), held_bytes: 0, arrivals: 0 }
    }

    pub(super) fn limits(&self) -> PartialLimits {
        self.limits
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes a part that more follows. It carries on what its stream has so far; `released` gets
    /// what must make room.
    pub(super) fn hold(
        &mut self,
        stream: u64,
        mut entry: Entry,
        now: Instant,
        released: &mut Vec<Entry>,
    ) {
        // The oldest stream makes room, also for its own next part, as with Promtail's limit.
        if self.held.len() >= self.limits.streams
            && let Some(oldest) = self.oldest()
            && (oldest == stream || !self.held.contains_key(&stream))
        {
            released.extend(self.take(oldest));
        }
        let part = entry.line.len();
        self.finish(stream, &mut entry, released);
        if let Some(length) = self.limits.truncate {
            entry.line.truncate(length);
        }
        let bytes = part + entry.line.len();
        self.arrivals += 1;
        self.held_bytes += bytes;
        self.held.insert(stream, Held { entry, bytes, since: now, arrival: self.arrivals });
        while self.held_bytes > MAX_HELD_BYTES
            && let Some(oldest) = self.oldest()
        {
            released.extend(self.take(oldest));
        }
    }

    /// Puts the text that the stream has so far in front of the entry, whose time, labels and
    /// values it keeps. What would become too long, or come from a third file, is released in two
    /// pieces.
    pub(super) fn finish(&mut self, stream: u64, entry: &mut Entry, released: &mut Vec<Entry>) {
        let Some(mut held) = self.take(stream) else { return };
        let truncate = self.limits.truncate.unwrap_or(usize::MAX);
        let is_too_long = (held.line.len() + entry.line.len()).min(truncate) > MAX_LINE_BYTES;
        // The runtime may write the end of a line after a rotation: both files wait for it.
        let Some(origins) = held.origins_with(entry).filter(|_| !is_too_long) else {
            released.push(held);
            return;
        };
        held.line.extend_from_slice(&entry.line);
        held.line.truncate(truncate);
        std::mem::swap(&mut held.line, &mut entry.line);
        (entry.origin, entry.second_origin) = origins;
    }

    /// What has waited too long, in the order in which it came.
    pub(super) fn release_old(&mut self, now: Instant, released: &mut Vec<Entry>) {
        let is_old = |held: &Held| now.saturating_duration_since(held.since) >= MAX_WAIT;
        let mut old: Vec<_> = self
            .held
            .iter()
            .filter(|(_, held)| is_old(held))
            .map(|(stream, held)| (held.arrival, *stream))
            .collect();
        old.sort_unstable();
        for (_, stream) in old {
            released.extend(self.take(stream));
        }
    }

    /// Where the first of all waiting bytes of a file stands.
    pub(super) fn held_since(&self, file: FileId) -> Option<u64> {
        self.held.values().filter_map(|held| held.entry.begin_in(file)).min()
    }

    fn oldest(&self) -> Option<u64> {
        self.held.iter().min_by_key(|(_, held)| held.arrival).map(|(stream, _)| *stream)
    }

    fn take(&mut self, stream: u64) -> Option<Entry> {
        let held = self.held.remove(&stream)?;
        self.held_bytes -= held.bytes;
        Some(held.entry)
    }
}
