//! What pages are written from, in one place.

use std::sync::Arc;
use std::time::Instant;

use crate::attribute::owner::Allocations;
use crate::expose::http::Source;
use crate::sample::board::Board;
use crate::sample::snapshot::Snapshot;

/// The boards of sampling and attribution.
#[derive(Debug)]
pub(super) struct Published {
    board: Arc<Board>,
    none: Arc<Allocations>,
}

impl Published {
    pub(super) fn new(board: Arc<Board>) -> Self {
        Self { board, none: Arc::default() }
    }
}

impl Source for Published {
    fn snapshot(&self) -> Snapshot {
        self.board.snapshot(Instant::now())
    }

    fn allocations(&self) -> Arc<Allocations> {
        Arc::clone(&self.none)
    }
}
