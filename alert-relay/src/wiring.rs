//! Connects what decides with what sends, asks and shows.
//!
//! What depends on the configuration runs as one generation: with another configuration a new one
//! begins, and the one before ends with the calls that it is making.

mod board;
mod generation;
mod pagers;

use std::sync::{Arc, Mutex, PoisonError};

use daemon_runtime::supervise::BoxError;
use instrumentation::json_log::ErrorChain;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::board::Board;
use self::generation::Generation;
use self::pagers::{Pagers, Pages};
use crate::access::Submit;
use crate::config::Config;
use crate::decide::Decisions;
use crate::deliver::{Shared, Worker};
use crate::dispatch::News;
use crate::feedback::{self, Feedback, SilenceWorker};
use crate::heartbeat::Heartbeats;
use crate::ledger::{Handle, Submission};
use crate::reconcile::Reconciliation;
use crate::report;
use crate::run::{Connected, Context, Deciding, Wiring};
use crate::silence::Silencer;
use crate::time::Moment;

/// Those who send, by the configuration in force.
type Workers = Arc<Mutex<Vec<Arc<Worker>>>>;

/// The relay as it is.
#[derive(Debug, Default)]
pub struct Relay {
    shared: Shared,
    workers: Workers,
    news: Option<watch::Receiver<()>>,
    pages: Option<mpsc::Receiver<Pages>>,
}

impl Wiring for Relay {
    fn decide(&mut self, config: &Arc<Config>) -> Result<Deciding, BoxError> {
        if config.lease.is_some() {
            return Err("lease: two replicas that deliver in turn are not supported yet".into());
        }
        let workers = self.shared.workers(config)?.into_iter().map(Arc::new).collect();
        *self.workers.lock().unwrap_or_else(PoisonError::into_inner) = workers;
        let (news, told) = News::new();
        let (pagers, pages) = Pagers::new(Arc::clone(config));
        (self.news, self.pages) = (Some(told), Some(pages));
        Ok(Deciding {
            core: Box::new(Decisions::new(config)),
            subscriber: Box::new(news),
            emergency: Box::new(pagers),
        })
    }

    fn connect(&mut self, context: Context<'_>) -> Result<Connected, BoxError> {
        let Context { ledger, records, mut configs, supervisor, .. } = context;
        let news = self.news.take().ok_or("connected before anything decides")?;
        let pages = self.pages.take().ok_or("connected before anything decides")?;
        let config = Arc::clone(&configs.borrow_and_update());
        let view = Arc::new(Board::new(ledger.clone(), records));
        let submit = submit(ledger.clone());
        let heartbeats = Arc::new(Mutex::new(Heartbeats::new(&config.heartbeats, Moment::now())));
        let token = supervisor.token();

        let (feedback, orders) =
            Feedback::new(&config.receive, Arc::clone(&view), Arc::clone(&submit))?;
        let now = Moment::now();
        let ignored = &config.receive.ignored_labels;
        let asked = Reconciliation::new(&config.alertmanagers, ignored, now)?.alertmanagers();
        let silences = SilenceWorker::new(orders, Silencer::new(asked), ignored, Arc::clone(&view));
        let stop = token.clone();
        supervisor.run_once("silences", async move {
            silences.run(stop).await;
            Ok::<(), BoxError>(())
        });
        let (workers, stop) = (Arc::clone(&self.workers), token.clone());
        supervisor.run_once("emergency pages", async move {
            pagers::send(pages, workers, stop).await;
            Ok::<(), BoxError>(())
        });
        let generation = Generation {
            ledger,
            news,
            submit,
            view: Arc::clone(&view),
            heartbeats: Arc::clone(&heartbeats),
        };
        let (shared, workers) = (self.shared.clone(), Arc::clone(&self.workers));
        supervisor.run_once("deliveries", async move {
            follow(generation, shared, workers, configs, token).await;
            Ok::<(), BoxError>(())
        });

        let sink = Arc::clone(&heartbeats);
        let heartbeat = Arc::new(move |name: &str, at: Moment| {
            sink.lock().unwrap_or_else(PoisonError::into_inner).beat(name, at)
        });
        let router = report::router(view).merge(feedback::router(Arc::new(feedback)));
        Ok(Connected { heartbeat, router })
    }
}

fn submit(ledger: Handle) -> Submit {
    Arc::new(move |inputs| {
        let ledger = ledger.clone();
        Box::pin(async move {
            let submission = Submission { inputs, refused: Vec::new() };
            ledger.submit(submission).await.is_ok()
        })
    })
}

/// One generation after another, until it is stopped.
async fn follow(
    parts: Generation,
    shared: Shared,
    workers: Workers,
    mut configs: watch::Receiver<Arc<Config>>,
    stop: CancellationToken,
) {
    let mut config = Arc::clone(&configs.borrow_and_update());
    let mut senders = workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut running = JoinSet::new();
    loop {
        let end = stop.child_token();
        parts.begin(&config, &senders, &mut running, &end);
        let changed = stop.run_until_cancelled(configs.changed()).await;
        end.cancel();
        if !matches!(changed, Some(Ok(()))) {
            break;
        }
        config = Arc::clone(&configs.borrow_and_update());
        let (next, keys) = (shared.clone(), Arc::clone(&config));
        let made = tokio::task::spawn_blocking(move || next.workers(&keys)).await;
        match made {
            Ok(Ok(made)) => {
                senders = made.into_iter().map(Arc::new).collect();
                workers.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&senders);
            }
            Ok(Err(error)) => tracing::error!(
                error = %ErrorChain(&error),
                "destinations cannot be used as configured: messages go by the configuration before"
            ),
            Err(error) => tracing::error!(%error, "destinations cannot be made"),
        }
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
}
