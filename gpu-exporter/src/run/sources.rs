//! What pages are written from, in one place.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::attribute::board::Board as PodBoard;
use crate::attribute::owner::Allocations;
use crate::expose::http::Source;
use crate::sample::board::Board;
use crate::sample::snapshot::Snapshot;

/// The boards of sampling and attribution.
#[derive(Debug)]
pub(super) struct Published {
    board: Arc<Board>,
    pods: Arc<PodBoard>,
    /// What was last shown: labels are made again for another one only.
    shown: Mutex<Arc<Allocations>>,
}

impl Published {
    pub(super) fn new(board: Arc<Board>, pods: Arc<PodBoard>) -> Self {
        Self { board, pods, shown: Mutex::default() }
    }
}

impl Source for Published {
    fn snapshot(&self) -> Snapshot {
        self.board.snapshot(Instant::now())
    }

    fn allocations(&self) -> Arc<Allocations> {
        let current = self.pods.current();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = shown.taken.is_some() == current.taken.is_some()
            && shown.by_device == current.by_device
            && shown.jobs == current.jobs;
        if !is_same {
            *shown = current;
        }
        Arc::clone(&shown)
    }
}
