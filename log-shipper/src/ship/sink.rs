//! Where finished entries of a worker go: the queue of a client, or a terminal.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::batch::accumulator::{Accumulator, Batch, Incident};
use crate::metrics::{ClientMetrics, DropReason};
use crate::pipeline::entry::Entry;
use crate::tail::file_identity::FileId;
use crate::tail::progress::Progress;

/// Finds the progress of the file that an entry came from.
pub type FindProgress<'a> = dyn Fn(FileId) -> Option<Arc<Progress>> + 'a;

/// Takes the entries of one worker.
///
/// A sink never blocks on its own: what it cannot pass on it keeps, says so, and takes nothing more
/// until it could. So the worker can look after its other sinks meanwhile.
pub trait Sink: Send + std::fmt::Debug {
    /// Takes one entry; whether a batch has become full by it.
    fn accept(&mut self, entry: &Entry, now: Instant, progress: &FindProgress<'_>) -> bool;

    /// When [`Self::flush`] has something to do.
    fn deadline(&self) -> Option<Instant>;

    /// Passes on what is due at `now`; everything when that is `None`.
    fn flush(&mut self, now: Option<Instant>);

    /// Whether it keeps something that it could not pass on.
    fn is_blocked(&self) -> bool {
        false
    }

    /// Waits for room at most this long, and passes on what it keeps.
    fn wait(&mut self, _limit: Duration) {}
}

/// The way to one client: batches into its queue.
#[derive(Debug)]
pub struct ClientSink {
    accumulator: Accumulator,
    queue: mpsc::Sender<Batch>,
    metrics: ClientMetrics,
    /// What does not fit into the queue is given up rather than waited for.
    optional: bool,
    waiting: VecDeque<Batch>,
    runtime: Handle,
}

impl ClientSink {
    /// A sink that fills the client's queue; must be called inside a runtime.
    pub fn new(
        accumulator: Accumulator,
        queue: mpsc::Sender<Batch>,
        metrics: ClientMetrics,
        optional: bool,
    ) -> Self {
        let (waiting, runtime) = (VecDeque::new(), Handle::current());
        Self { accumulator, queue, metrics, optional, waiting, runtime }
    }

    fn send(&mut self, batch: Batch) {
        if !self.waiting.is_empty() {
            self.waiting.push_back(batch);
            return;
        }
        match self.queue.try_send(batch) {
            // The queue closes when the drain limit is over: the batch stays unsettled, so its
            // lines are read again after the next start.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(batch)) if self.optional => {
                let reason = DropReason::QueueFull;
                self.metrics.dropped(&batch.tenant, reason, batch.entries, batch.bytes);
                batch.settle();
            }
            Err(TrySendError::Full(batch)) => self.waiting.push_back(batch),
        }
    }
}

impl Sink for ClientSink {
    fn accept(&mut self, entry: &Entry, now: Instant, progress: &FindProgress<'_>) -> bool {
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
        let is_full = full.is_some();
        if let Some(batch) = full {
            self.send(batch);
        }
        is_full
    }

    fn deadline(&self) -> Option<Instant> {
        self.accumulator.deadline()
    }

    fn flush(&mut self, now: Option<Instant>) {
        for batch in self.accumulator.take_due(now) {
            self.send(batch);
        }
    }

    fn is_blocked(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn wait(&mut self, limit: Duration) {
        let room = self
            .runtime
            .block_on(async { tokio::time::timeout(limit, self.queue.reserve()).await });
        match room {
            Ok(Ok(permit)) => {
                if let Some(batch) = self.waiting.pop_front() {
                    permit.send(batch);
                }
            }
            Ok(Err(_closed)) => self.waiting.clear(),
            Err(_elapsed) => {}
        }
    }
}
