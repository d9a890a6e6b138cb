//! Where finished entries of a worker go: the queue of a client, or a terminal.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::batch::accumulator::{Accumulator, Batch, Incident};
use crate::metrics::{ClientMetrics, DropReason};
use crate::pipeline::entry::Entry;
use crate::tail::file_identity::FileId;
use crate::tail::progress::Progress;

/// Finds the progress of the file that an entry came from.
pub type FindProgress<'a> = dyn Fn(FileId) -> Option<Arc<Progress>> + 'a;

/// Takes the entries of one worker.
pub trait Sink: Send + std::fmt::Debug {
    /// Takes one entry. May block: that is how a slow Loki slows down reading.
    fn accept(&mut self, entry: &Entry, now: Instant, progress: &FindProgress<'_>);

    /// When [`Self::flush`] has something to do.
    fn deadline(&self) -> Option<Instant>;

    /// Passes on what is due at `now`; everything when that is `None`.
    fn flush(&mut self, now: Option<Instant>);
}

/// The way to one client: batches into its queue.
#[derive(Debug)]
pub struct ClientSink {
    accumulator: Accumulator,
    queue: mpsc::Sender<Batch>,
    metrics: ClientMetrics,
}

impl ClientSink {
    /// A sink that fills the client's queue and waits while that is full.
    pub fn new(
        accumulator: Accumulator,
        queue: mpsc::Sender<Batch>,
        metrics: ClientMetrics,
    ) -> Self {
        Self { accumulator, queue, metrics }
    }

    fn send(&self, batch: Batch) {
        // The queue closes when the drain limit is over: the batch stays unsettled, so its lines
        // are read again after the next start.
        let _ = self.queue.blocking_send(batch);
    }
}

impl Sink for ClientSink {
    fn accept(&mut self, entry: &Entry, now: Instant, progress: &FindProgress<'_>) {
        let metrics = &self.metrics;
        let full = self.accumulator.add(entry, now, progress, &mut |incident, tenant, bytes| {
            let bytes = bytes as u64;
            match incident {
                Incident::LineCut => metrics.mutated(tenant, bytes),
                Incident::LineTooLong => metrics.dropped(tenant, DropReason::LineTooLong, 1, bytes),
                Incident::StreamLimited => {
                    metrics.dropped(tenant, DropReason::StreamLimited, 1, bytes);
                }
            }
        });
        if let Some(batch) = full {
            self.send(batch);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.accumulator.deadline()
    }

    fn flush(&mut self, now: Option<Instant>) {
        for batch in self.accumulator.take_due(now) {
            self.send(batch);
        }
    }
}
