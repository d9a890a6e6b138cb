//! Sends the batches of one client, those of a tenant in order, again and again where that can help,
//! and settles each: its lines are saved as done only then.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daemon_runtime::backoff::Backoff;
use instrumentation::json_log::ErrorChain;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::endpoint::Endpoint;
use super::lanes::Lanes;
use super::verdict::{PushError, Verdict};
use crate::batch::accumulator::Batch;
use crate::metrics::{ClientMetrics, DropReason};
use crate::spool::queue::Outlet;
use crate::tail::position_table::PositionTable;
use crate::tail::progress::Progress;

/// When and how often a batch is tried.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Pause after the first failure.
    pub min_period: Duration,
    /// Longest pause.
    pub max_period: Duration,
    /// How many times a batch is sent at most; `None` = until it is accepted.
    pub max_attempts: Option<u32>,
    /// A rate limit drops the batch at once.
    pub drop_rate_limited: bool,
}

/// Where the batches of a client come from.
pub trait Batches: Send {
    /// The next one; `None` when no more will come.
    fn next(&mut self) -> impl Future<Output = Option<Batch>> + Send;
}

impl Batches for mpsc::Receiver<Batch> {
    async fn next(&mut self) -> Option<Batch> {
        self.recv().await
    }
}

impl Batches for Outlet {
    async fn next(&mut self) -> Option<Batch> {
        Outlet::next(self).await
    }
}

/// One client of the configuration.
#[derive(Debug)]
pub struct Client {
    /// Where to.
    pub endpoint: Endpoint,
    /// How persistently.
    pub retry: RetryPolicy,
    /// What it counts.
    pub metrics: ClientMetrics,
    /// In metrics, and as the folder of its write-ahead log.
    pub name: String,
    /// It must not hold up others: what it cannot take in time is given up.
    pub optional: bool,
}

impl Client {
    /// Sends batches until there are no more, or `deadline` is cancelled: what is not accepted by
    /// then stays unsettled, and is read again from its file after the next start.
    pub async fn run(
        self,
        mut batches: impl Batches,
        positions: Arc<PositionTable>,
        deadline: CancellationToken,
    ) {
        let client = Arc::new(self);
        let mut lanes = Lanes::new(Arc::clone(&client), positions, deadline.clone());
        let feed = async {
            while let Some(batch) = batches.next().await {
                lanes.send(batch).await;
            }
        };
        let is_complete = tokio::select! {
            () = deadline.cancelled() => false,
            () = feed => true,
        };
        lanes.finish().await;
        if !is_complete || deadline.is_cancelled() {
            tracing::warn!(host = client.endpoint.host(), "stopped before everything was accepted");
        }
    }

    /// Sends one batch until it is settled; what then has moved.
    pub(super) async fn deliver(&self, mut batch: Batch) -> Vec<Arc<Progress>> {
        let body = Bytes::from(std::mem::take(&mut batch.body));
        self.metrics.encoded_bytes.inc_by(body.len() as u64);
        self.metrics.prepare_tenant(&batch.tenant);
        let mut backoff = Backoff::new(self.retry.min_period, self.retry.max_period);
        let mut attempts = 0_u32;
        loop {
            attempts += 1;
            let started = tokio::time::Instant::now();
            let result = self.endpoint.push(&batch, body.clone()).await;
            let status =
                result.as_ref().err().map_or_else(|| "204".to_owned(), PushError::status_code);
            self.metrics.request_duration(&status, started.elapsed());
            let error = match result {
                Ok(()) => {
                    self.metrics.sent_bytes.inc_by(body.len() as u64);
                    self.metrics.sent_entries.inc_by(batch.entries);
                    batch.settle();
                    return batch.files;
                }
                Err(error) => error,
            };
            let Verdict::Retry { at_least } = error.verdict() else {
                return self.give_up(batch, &error);
            };
            if error.is_rate_limited() && self.retry.drop_rate_limited {
                return self.give_up(batch, &error);
            }
            self.metrics.retries(&batch.tenant).inc();
            if self.retry.max_attempts.is_some_and(|max| attempts >= max) {
                return self.give_up(batch, &error);
            }
            let pause = backoff.next_pause(fastrand::f64).max(at_least);
            tracing::warn!(
                error = %ErrorChain(&error),
                tenant = &*batch.tenant,
                attempts,
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "batch was not accepted, trying again"
            );
            tokio::time::sleep(pause).await;
        }
    }

    /// Its lines will not arrive: counted, and saved as done so that the files go on.
    fn give_up(&self, batch: Batch, error: &PushError) -> Vec<Arc<Progress>> {
        let reason = if error.is_rate_limited() {
            DropReason::RateLimited
        } else {
            DropReason::IngesterError
        };
        self.metrics.dropped(&batch.tenant, reason, batch.entries, batch.bytes);
        tracing::error!(
            error = %ErrorChain(error),
            tenant = &*batch.tenant,
            entries = batch.entries,
            bytes = batch.bytes,
            "batch was given up"
        );
        batch.settle();
        batch.files
    }
}
