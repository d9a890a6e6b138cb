//! What every stage of a pipeline is.

use std::time::Instant;

use super::entry::{Entry, FileId};

/// What becomes of an entry after a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on with the next stage.
    Pass,
    /// It is gone; the stage has counted it.
    Drop,
    /// The stage took it (with [`std::mem::take`]) and releases it later.
    Hold,
}

/// What a stage knows besides the entry.
#[derive(Debug)]
pub struct Context {
    /// Wall clock, nanoseconds since 1970.
    pub now_ns: i64,
    /// Monotonic clock, for rates and waiting times.
    pub now: Instant,
    /// Entries that a stage releases before the one it was given; they go on with the next stage.
    pub released: Vec<Entry>,
    /// A stage that wants its job slowed down (`limit` without `drop`) says until when no further
    /// line of the job may be read. The tailer obeys; nothing blocks here.
    pub pause_until: Option<Instant>,
}

impl Context {
    /// A context at the given time.
    pub fn new(now_ns: i64, now: Instant) -> Self {
        Self { now_ns, now, released: Vec::new(), pause_until: None }
    }
}

/// One step of a pipeline.
///
/// A stage passes an entry on, changes it, drops it, or holds it back. It does not block, read the
/// clock, or do input and output.
pub trait Stage: Send + std::fmt::Debug {
    /// Takes one entry.
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict;

    /// Moves entries that were held back long enough to `context.released`; all of them when
    /// `end` is set, at shutdown, unless they are better read again after the next start.
    ///
    /// Called about every 100 ms while [`Self::held_since`] names a line of any file.
    fn flush(&mut self, end: bool, context: &mut Context) {
        let _ = (end, context);
    }

    /// The smallest [`Entry::begin_in`] among the held entries of `file`: the saved position must
    /// not pass it.
    fn held_since(&self, file: FileId) -> Option<u64> {
        let _ = file;
        None
    }

    /// The same stage for another worker thread: limits and counters are shared, held entries and
    /// other state per stream are not (a stream's lines all go through one worker).
    fn fork(&self) -> Box<dyn Stage>;
}
