//! The questions: every Alertmanager for itself and in its rhythm, one judgement after each round.

use std::sync::Arc;
use std::time::Duration;

use instrumentation::json_log::ErrorChain;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::judge::{Judge, Poll};
use crate::access::{Submit, View};
use crate::alertmanagers::Alertmanager;
use crate::client::ClientError;
use crate::config::inputs::AlertmanagerPeer;
use crate::time::Moment;

/// Between two questions for the status.
const STATUS_EVERY: Duration = Duration::from_mins(1);

/// Why an Alertmanager cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("alertmanagers[{index}]")]
pub struct ReconcileError {
    /// Of the configuration's list.
    pub index: usize,
    /// What is wrong.
    #[source]
    pub cause: ClientError,
}

/// Asks, judges, and hands in what follows.
#[derive(Debug)]
pub struct Reconciliation {
    peers: Vec<Peer>,
    judge: Judge,
    ignored: Arc<[String]>,
}

#[derive(Debug)]
struct Peer {
    alertmanager: Arc<Alertmanager>,
    interval: Duration,
    due: Instant,
    status_due: Instant,
    /// Its silence was logged.
    is_silent: bool,
}

impl Reconciliation {
    /// Reads the files of all keys. Blocks on the disk.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn new(
        peers: &[AlertmanagerPeer],
        ignored_labels: &[String],
        now: Moment,
    ) -> Result<Self, ReconcileError> {
        let begin = Instant::now();
        let judge = Judge::new(peers, now);
        let peer = |(index, peer): (usize, &AlertmanagerPeer)| {
            let alertmanager =
                Alertmanager::new(peer).map_err(|cause| ReconcileError { index, cause })?;
            Ok(Peer {
                alertmanager: Arc::new(alertmanager),
                interval: peer.interval,
                due: begin,
                status_due: begin,
                is_silent: false,
            })
        };
        let peers = peers.iter().enumerate().map(peer).collect::<Result<_, _>>()?;
        Ok(Self { peers, judge, ignored: ignored_labels.into() })
    }

    /// The Alertmanagers, for silences.
    pub fn alertmanagers(&self) -> Vec<Arc<Alertmanager>> {
        self.peers.iter().map(|peer| Arc::clone(&peer.alertmanager)).collect()
    }

    /// Asks until it is stopped. Without any Alertmanager it has nothing to do.
    pub async fn run<V: View>(mut self, view: Arc<V>, submit: Submit, stop: CancellationToken) {
        while let Some(due) = self.peers.iter().map(|peer| peer.due).min() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(due) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.round(&view, &submit) => {}
            }
        }
    }

    /// Asks those that are due, and hands in what follows.
    async fn round<V: View>(&mut self, view: &Arc<V>, submit: &Submit) {
        let now = Instant::now();
        let mut asked = JoinSet::new();
        for (index, peer) in self.peers.iter_mut().enumerate().filter(|(_, peer)| peer.due <= now) {
            // apart from each other and from other relays
            peer.due = now + peer.interval.mul_f64(0.9 + 0.2 * fastrand::f64());
            let alertmanager = Arc::clone(&peer.alertmanager);
            let ignored = Arc::clone(&self.ignored);
            let is_status_due = peer.status_due <= now;
            asked.spawn(async move {
                let started =
                    async { if is_status_due { Some(alertmanager.started().await) } else { None } };
                let (alerts, started) = tokio::join!(alertmanager.alerts(&ignored), started);
                (index, alerts, started)
            });
        }
        while let Some(Ok((index, alerts, started))) = asked.join_next().await {
            let at = Moment::now();
            let peer = &mut self.peers[index];
            let poll = match alerts {
                Ok(listed) => {
                    peer.told_silent(None);
                    if listed.unreadable > 0 {
                        let (url, alerts) = (&peer.alertmanager.url, listed.unreadable);
                        tracing::warn!(url, alerts, "alertmanager has alerts that cannot be read");
                    }
                    Poll::Alerts(listed)
                }
                Err(error) => {
                    peer.told_silent(Some(&error));
                    // it may be another process when it answers again
                    peer.status_due = now;
                    Poll::Silence
                }
            };
            self.judge.note(index, poll, at);
            if let Some(Ok(stamp)) = started {
                peer.status_due = now + STATUS_EVERY;
                self.judge.note(index, Poll::Started(stamp), at);
            }
        }
        let view = Arc::clone(view);
        let Ok(firing) = tokio::task::spawn_blocking(move || view.firing()).await else { return };
        let inputs = self.judge.judge(&firing, Moment::now());
        if !inputs.is_empty() && !submit(inputs).await {
            tracing::error!("what alertmanagers told could not be stored");
        }
    }
}

impl Peer {
    /// Logs an outage once, and its end.
    fn told_silent(&mut self, error: Option<&ClientError>) {
        let url = &self.alertmanager.url;
        match error {
            Some(error) if !self.is_silent => {
                tracing::warn!(url, error = %ErrorChain(error), "alertmanager does not answer");
            }
            None if self.is_silent => tracing::info!(url, "alertmanager answers again"),
            _ => {}
        }
        self.is_silent = error.is_some();
    }
}
