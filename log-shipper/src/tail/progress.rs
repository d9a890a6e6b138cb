//! How far a file is done: everything before a position has been accepted by Loki, or was dropped
//! on purpose.
//!
//! A line is on its way from the moment its chunk is processed until the batch that holds it is
//! settled. The saved position is the smallest begin of anything on its way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::file_identity::FileId;

/// Names one batch for the life of the process.
pub type BatchId = u64;

/// Numbers files and batches.
#[derive(Debug, Default)]
pub struct Numbers(AtomicU64);

impl Numbers {
    /// The next number; never 0, which stands for "no file".
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[derive(Debug, Default)]
struct State {
    /// Lines that end here or before have been through the pipeline.
    processed: u64,
    /// Begin of the first line that a stage holds back.
    held: Option<u64>,
    /// Open and unanswered batches with the begin of their first line of this file: as many as
    /// there are clients, tenants and queue places, so a list is quickest.
    batches: Vec<(BatchId, u64)>,
    /// The position that was last put on disk by itself.
    recorded: u64,
}

/// Shared by the reader of a file, the batches with its lines and the writer of positions.
#[derive(Debug)]
pub struct Progress {
    file: FileId,
    /// Its path, or the key of its source; none while its position is saved nowhere.
    key: OnceLock<Arc<str>>,
    state: Mutex<State>,
}

impl Progress {
    /// Of a file that is read from `position`.
    pub fn new(file: FileId, position: u64) -> Arc<Self> {
        let state =
            State { processed: position, held: None, batches: Vec::new(), recorded: position };
        Arc::new(Self { file, key: OnceLock::new(), state: Mutex::new(state) })
    }

    /// The file.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// Its position is saved under this key from now on.
    pub fn save_under(&self, key: &Arc<str>) {
        let _ = self.key.set(Arc::clone(key));
    }

    /// The key under which it is saved.
    pub fn key(&self) -> Option<&str> {
        self.key.get().map(|key| &**key)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if it did, the numbers are still right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A chunk went through the pipeline: `processed` is where the next line begins, `held` the
    /// begin of the first line that a stage holds back.
    pub fn advance(&self, processed: u64, held: Option<u64>) {
        let mut state = self.state();
        state.processed = processed;
        state.held = held;
    }

    /// No stage holds a line of it any more.
    pub fn release(&self) {
        self.state().held = None;
    }

    /// The file begins anew (it was truncated): what is on its way keeps its old place, and counts
    /// as the beginning.
    pub fn restart(&self) {
        let mut state = self.state();
        state.processed = 0;
        state.held = state.held.map(|_| 0);
        for (_, begin) in &mut state.batches {
            *begin = 0;
        }
    }

    /// A line that begins at `begin` went into a batch.
    pub fn enter(&self, batch: BatchId, begin: u64) {
        let mut state = self.state();
        match state.batches.iter_mut().find(|(known, _)| *known == batch) {
            Some((_, first)) => *first = (*first).min(begin),
            None => state.batches.push((batch, begin)),
        }
    }

    /// A batch was accepted, or given up for good.
    pub fn settle(&self, batch: BatchId) {
        let mut state = self.state();
        state.batches.retain(|(known, _)| *known != batch);
        if state.batches.is_empty() {
            // An idle file keeps no memory for them: there may be 50,000.
            state.batches = Vec::new();
        }
    }

    /// Where a reader has to begin to lose nothing.
    pub fn position(&self) -> u64 {
        let state = self.state();
        let on_its_way = state.batches.iter().map(|(_, begin)| *begin);
        on_its_way.chain(state.held).fold(state.processed, u64::min)
    }

    /// Whether it has moved since [`Self::recorded`].
    pub fn has_moved(&self) -> bool {
        let recorded = self.state().recorded;
        self.position() != recorded
    }

    /// This position is on disk.
    pub fn recorded(&self, position: u64) {
        self.state().recorded = position;
    }

    /// Whether nothing is on its way.
    pub fn is_settled(&self) -> bool {
        let state = self.state();
        state.batches.is_empty() && state.held.is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_position_waits_for_the_oldest_batch_and_for_held_lines() {
        let progress = Progress::new(1, 100);
        progress.enter(1, 100);
        progress.enter(2, 150);
        assert_eq!(progress.position(), 100, "the chunk is not through yet");
        progress.advance(200, Some(180));
        progress.settle(1);
        assert_eq!(progress.position(), 150);
        progress.settle(2);
        assert_eq!(progress.position(), 180);
        progress.advance(220, None);
        assert_eq!(progress.position(), 220);
        assert!(progress.is_settled());
    }

    #[test]
    fn a_truncated_file_is_read_from_its_beginning_while_old_lines_are_on_their_way() {
        let progress = Progress::new(1, 0);
        progress.enter(1, 500);
        progress.advance(900, None);
        progress.restart();
        progress.enter(2, 0);
        progress.advance(50, None);
        assert_eq!(progress.position(), 0);
        progress.settle(1);
        progress.settle(2);
        assert_eq!(progress.position(), 50);
    }

    proptest! {
        /// The model: a line is done when its batch is settled; the position is the begin of the
        /// first line that is not.
        #[test]
        fn no_line_that_is_not_done_lies_before_the_position(
            batches in prop::collection::vec(1_u64..6, 1..40),
            settled in prop::collection::vec(any::<bool>(), 6),
        ) {
            let progress = Progress::new(1, 0);
            for (line, batch) in batches.iter().enumerate() {
                progress.enter(*batch, line as u64 * 10);
            }
            let end = batches.len() as u64 * 10;
            progress.advance(end, None);
            for batch in 1..6 {
                if settled[usize::try_from(batch).unwrap()] {
                    progress.settle(batch);
                }
            }
            let first_open = batches.iter().position(|batch| !settled[usize::try_from(*batch).unwrap()]);
            prop_assert_eq!(progress.position(), first_open.map_or(end, |line| line as u64 * 10));
        }
    }
}
