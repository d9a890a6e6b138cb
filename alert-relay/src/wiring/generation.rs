//! What runs by one configuration.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use instrumentation::json_log::ErrorChain;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use crate::access::Submit;
use crate::config::Config;
use crate::deliver::Worker;
use crate::dispatch::Dispatch;
use crate::heartbeat::{self, Heartbeats, Outgoing};
use crate::ledger::Handle;
use crate::reconcile::Reconciliation;
use crate::silence::Silencer;
use crate::time::Moment;

/// Between two looks at silences that were to last as long as their incident.
const SILENCES: Duration = Duration::from_mins(1);

/// What every generation works with.
#[derive(Clone)]
pub(super) struct Generation {
    pub(super) ledger: Handle,
    pub(super) news: watch::Receiver<()>,
    pub(super) submit: Submit,
    pub(super) view: Arc<Board>,
    pub(super) heartbeats: Arc<Mutex<Heartbeats>>,
}

impl Generation {
    /// Starts its tasks, which end after `end`.
    pub(super) fn begin(
        &self,
        config: &Arc<Config>,
        workers: &[Arc<Worker>],
        running: &mut JoinSet<()>,
        end: &CancellationToken,
    ) {
        let work = Arc::new(Dispatch::new(self.ledger.clone(), self.news.clone(), end.clone()));
        for worker in workers {
            running.spawn(Arc::clone(worker).run(Arc::clone(&work)));
        }
        let heartbeats = Heartbeats::new(&config.heartbeats, Moment::now());
        *self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner) = heartbeats;
        running.spawn(self.clone().look_at_heartbeats(end.clone()));
        if let Some(keys) = &config.outgoing_heartbeat {
            match Outgoing::new(keys) {
                Ok(outgoing) => {
                    let writable = self.ledger.pulse().writable();
                    let is_healthy = Arc::new(move || *writable.borrow());
                    let end = end.clone();
                    running.spawn(async move { outgoing.run(is_healthy, end).await });
                }
                Err(error) => tracing::error!(
                    error = %ErrorChain(&error), "no heartbeat is sent, it cannot be configured so"
                ),
            }
        }
        let ignored = &config.receive.ignored_labels;
        match Reconciliation::new(&config.alertmanagers, ignored, Moment::now()) {
            Ok(reconciliation) => {
                let silencer = Silencer::new(reconciliation.alertmanagers());
                running.spawn(self.clone().expire_silences(silencer, end.clone()));
                let (view, submit) = (Arc::clone(&self.view), Arc::clone(&self.submit));
                let end = end.clone();
                running.spawn(async move { reconciliation.run(view, submit, end).await });
            }
            Err(error) => tracing::error!(
                error = %ErrorChain(&error), "no Alertmanager is asked, one cannot be configured so"
            ),
        }
    }

    async fn look_at_heartbeats(self, end: CancellationToken) {
        let mut due = tokio::time::interval(heartbeat::LOOK_EVERY);
        while end.run_until_cancelled(due.tick()).await.is_some() {
            let now = Moment::now();
            let inputs = self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner).due(now);
            if !inputs.is_empty() && !(self.submit)(inputs).await {
                tracing::warn!("a heartbeat that is missing could not be written down");
            }
        }
    }

    async fn expire_silences(self, silencer: Silencer, end: CancellationToken) {
        let mut due = tokio::time::interval(SILENCES);
        while end.run_until_cancelled(due.tick()).await.is_some() {
            end.run_until_cancelled(silencer.expire_over(&self.view)).await;
        }
    }
}
