//! Pages that are sent without the journal, because it cannot be written.
//!
//! They have the keys that they would have been stored with, so that PagerDuty takes what is sent
//! again later for the same.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Workers;
use crate::alert::Alert;
use crate::config::Config;
use crate::config::destinations::Target;
use crate::deliver::{Job, Worker};
use crate::incident::{Answer, Delivery, DeliveryId, DeliveryState, Kind, Severity};
use crate::ledger::{Emergency, EmergencyPage};
use crate::time::Moment;

/// Batches of pages that wait. One that finds no place is lost here, but its sender was refused and
/// tells it again.
const QUEUED: usize = 256;

/// Pages that are tried at the same time.
const AT_ONCE: usize = 64;

/// After this a page is left to its sender, who repeats it.
const KEEP_TRYING: Duration = Duration::from_mins(10);

/// What is sent together.
pub(super) type Pages = Vec<Job>;

/// Hands pages to [`send`].
#[derive(Debug)]
pub(super) struct Pagers {
    config: Arc<Config>,
    queue: mpsc::Sender<Pages>,
}

impl Pagers {
    pub(super) fn new(config: Arc<Config>) -> (Self, mpsc::Receiver<Pages>) {
        let (queue, pages) = mpsc::channel(QUEUED);
        (Self { config, queue }, pages)
    }

    fn hand_over(&self, pages: Pages) {
        if !pages.is_empty() && self.queue.try_send(pages).is_err() {
            tracing::error!("pages cannot be sent without the journal: too many wait");
        }
    }
}

impl Emergency for Pagers {
    fn page(&mut self, pages: Vec<EmergencyPage>) {
        let job = |page: EmergencyPage| Job { delivery: page.delivery, incidents: page.incidents };
        self.hand_over(pages.into_iter().map(job).collect());
    }

    fn given_up(&mut self, firing: Vec<Alert>, at: Moment) {
        let pagers = self
            .config
            .destinations
            .iter()
            .filter(|destination| matches!(destination.target(), Some(Target::PagerDuty(_))));
        let text = |alert: &Alert| {
            format!(
                "{} could not be processed and is told as it came: {}",
                alert.name(),
                alert.labels
            )
        };
        let job = |(destination, alert): (&str, &Alert)| Job {
            delivery: Delivery {
                id: DeliveryId(0),
                destination: destination.to_owned(),
                incidents: Vec::new(),
                kind: Kind::Internal,
                severity: Severity::Critical,
                is_page: true,
                text: text(alert),
                planned_at: at,
                expires_at: None,
                attempts: 0,
                state: DeliveryState::Planned { not_before: at },
                fallback_for: None,
                has_fallen_back: false,
                ambiguous_since: None,
            },
            incidents: Vec::new(),
        };
        let pairs = pagers.flat_map(|pager| firing.iter().map(|alert| (&*pager.name, alert)));
        self.hand_over(pairs.map(job).collect());
    }
}

/// Sends what is handed over, until it is stopped.
pub(super) async fn send(
    mut pages: mpsc::Receiver<Pages>,
    workers: Workers,
    stop: CancellationToken,
) {
    let mut running = JoinSet::new();
    while let Some(Some(batch)) = stop.run_until_cancelled(pages.recv()).await {
        for job in batch {
            while running.len() >= AT_ONCE {
                running.join_next().await;
            }
            let senders = workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Some(worker) =
                senders.into_iter().find(|worker| worker.name() == job.delivery.destination)
            else {
                continue;
            };
            let stop = stop.clone();
            running.spawn(async move {
                stop.run_until_cancelled(Box::pin(keep_trying(&worker, job))).await;
            });
        }
        while running.try_join_next().is_some() {}
    }
    running.shutdown().await;
}

async fn keep_trying(worker: &Worker, mut job: Job) {
    let begun = Instant::now();
    while begun.elapsed() < KEEP_TRYING {
        match worker.attempt(&job).await {
            Answer::Accepted { .. } => return,
            Answer::Refused { problem } => {
                let destination = worker.name();
                tracing::error!(destination, problem, "a page without the journal was refused");
                return;
            }
            Answer::Retry { not_before, .. } | Answer::Broken { not_before, .. } => {
                job.delivery.attempts += 1;
                tokio::time::sleep(not_before.since(Moment::now())).await;
            }
        }
    }
}
