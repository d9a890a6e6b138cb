//! Runs a daemon's long-lived tasks and decides what a failed one costs: a restart within its
//! budget, or the whole process.
//!
//! Stopping takes two moves: the token stops the sources, and each later stage ends when its inbox
//! closes. That needs every sender gone, so restart factories are dropped before the drain begins.

mod restarts;
mod threads;

use std::any::Any;
use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

pub use restarts::RestartBudget;
use restarts::Restarts;

/// Any error that a task may end with.
pub type BoxError = Box<dyn Error + Send + Sync>;

type Outcome = Result<(), BoxError>;
type TaskFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A task or thread panicked; the panic hook has printed where.
#[derive(Debug, thiserror::Error)]
#[error("panicked: {message}")]
struct Panicked {
    message: String,
}

impl Panicked {
    fn new(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self { message: text.unwrap_or("without a message").to_owned() }
    }
}

/// Why the process must exit non-zero.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// A task failed or panicked and is not restarted any more.
    #[error("task {task} failed")]
    TaskFailed {
        /// Its name, with an index where several share one.
        task: String,
        /// What it ended with.
        #[source]
        cause: BoxError,
    },
    /// Tasks were still at work when the drain limit was reached; what they held may be lost.
    #[error("still running {drain:?} after the stop: {}", tasks.join(", "))]
    DrainTimeout {
        /// The names of the unfinished tasks, in the order they were added.
        tasks: Vec<String>,
        /// The limit.
        drain: Duration,
    },
}

#[derive(Debug)]
struct Task {
    name: String,
    /// `None` for a task whose failure ends the process.
    restarts: Option<Restarts>,
}

/// Owns every long-lived task of one process.
#[derive(Debug)]
pub struct Supervisor {
    stop: CancellationToken,
    tasks: Vec<Task>,
    running: JoinSet<Outcome>,
    index_of: HashMap<Id, usize>,
}

impl Supervisor {
    /// A supervisor that begins to stop its tasks when `stop` is cancelled, and cancels it itself
    /// when one of them fails for good.
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, tasks: Vec::new(), running: JoinSet::new(), index_of: HashMap::new() }
    }

    /// Cancelled when the stop begins, whoever asked for it.
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a pipeline stage: it ends when its inbox closes, and its failure ends the process,
    /// because what it held cannot be handed to a successor.
    ///
    /// A name that is taken gets an index, as in `tail[1]`. Must be called inside a runtime.
    pub fn run_once<E: Into<BoxError>>(
        &mut self,
        name: impl Into<String>,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let index = self.add(&name.into(), None);
        self.spawn(index, Box::pin(async { task.await.map_err(Into::into) }));
    }

    /// Starts a task that is restarted when it fails or panics, as often as `budget` allows; after
    /// that its failure ends the process. An attempt that ends well is not repeated.
    ///
    /// `attempt` makes each attempt and must only wire things up: the work belongs in the future.
    /// The future must end soon after its token is cancelled.
    pub fn keep_running<E, F>(
        &mut self,
        name: impl Into<String>,
        budget: RestartBudget,
        mut attempt: impl FnMut(CancellationToken) -> F + Send + 'static,
    ) where
        E: Into<BoxError>,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let mut factory = move |stop| -> TaskFuture {
            let attempt = attempt(stop);
            Box::pin(async { attempt.await.map_err(Into::into) })
        };
        let first = factory(self.stop.child_token());
        let index = self.add(&name.into(), Some(Restarts::new(budget, Box::new(factory))));
        self.spawn(index, first);
    }

    /// Starts a named thread for work that blocks, such as reading files. Its error or panic ends
    /// the process, like that of [`run_once`](Self::run_once).
    ///
    /// `work` must return soon after its token is cancelled: a thread cannot be interrupted, and
    /// one that outlives the drain limit runs until the process exits. The system cuts the name to
    /// 15 bytes where it shows it.
    pub fn run_thread<E: Into<BoxError>>(
        &mut self,
        name: impl Into<String>,
        work: impl FnOnce(CancellationToken) -> Result<(), E> + Send + 'static,
    ) {
        let index = self.add(&name.into(), None);
        let stop = self.stop.child_token();
        let thread =
            threads::start(&self.tasks[index].name, move || work(stop).map_err(Into::into));
        self.spawn(index, Box::pin(thread));
    }

    /// Runs until the token is cancelled, every task has ended, or one has failed for good; then
    /// stops the rest and gives it `drain` to finish what it holds.
    ///
    /// # Errors
    /// The first failure, be it before or during the drain. Later ones are logged.
    pub async fn run(mut self, drain: Duration) -> Result<(), SupervisorError> {
        let mut outcome = self.until_stop().await;

        self.stop.cancel();
        for task in &mut self.tasks {
            task.restarts = None;
        }
        let deadline = Instant::now() + drain;
        loop {
            match timeout_at(deadline, self.running.join_next_with_id()).await {
                Ok(None) => return outcome,
                Ok(Some(ended)) => {
                    if let (index, Err(cause)) = self.unpack(ended) {
                        let task = self.tasks[index].name.clone();
                        keep_first(&mut outcome, SupervisorError::TaskFailed { task, cause });
                    }
                }
                Err(_elapsed) => {
                    let mut unfinished: Vec<usize> = self.index_of.values().copied().collect();
                    unfinished.sort_unstable();
                    let tasks =
                        unfinished.iter().map(|&index| self.tasks[index].name.clone()).collect();
                    keep_first(&mut outcome, SupervisorError::DrainTimeout { tasks, drain });
                    // not `shutdown()`: it waits, and a task that never yields would wait for ever
                    self.running.abort_all();
                    return outcome;
                }
            }
        }
    }

    /// The first phase; an error is a failure that no budget covers.
    async fn until_stop(&mut self) -> Result<(), SupervisorError> {
        loop {
            let ended = tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                ended = self.running.join_next_with_id() => ended,
            };
            let Some(ended) = ended else { return Ok(()) };
            let (index, Err(cause)) = self.unpack(ended) else { continue };
            let Task { name, restarts } = &mut self.tasks[index];
            match restarts.as_mut().and_then(|restarts| restarts.next(&self.stop)) {
                Some(attempt) => {
                    let error: &(dyn Error + 'static) = &*cause;
                    tracing::warn!(task = %name, error, "task failed, restarting");
                    self.spawn(index, attempt);
                }
                None => return Err(SupervisorError::TaskFailed { task: name.clone(), cause }),
            }
        }
    }

    fn add(&mut self, name: &str, restarts: Option<Restarts>) -> usize {
        let taken = |name: &str| self.tasks.iter().any(|task| task.name == name);
        let mut unique = name.to_owned();
        let mut index = 0_usize;
        while taken(&unique) {
            index += 1;
            unique = format!("{name}[{index}]");
        }
        self.tasks.push(Task { name: unique, restarts });
        self.tasks.len() - 1
    }

    fn spawn(&mut self, index: usize, task: TaskFuture) {
        let id = self.running.spawn(task).id();
        self.index_of.insert(id, index);
    }

    /// Which task ended, and how; a panic becomes an error.
    fn unpack(&mut self, ended: Result<(Id, Outcome), JoinError>) -> (usize, Outcome) {
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let id = error.id();
                let cause: BoxError = match error.try_into_panic() {
                    Ok(payload) => Box::new(Panicked::new(&*payload)),
                    Err(cancelled) => Box::new(cancelled),
                };
                (id, Err(cause))
            }
        };
        let index = self.index_of.remove(&id).expect("every task in the set was given an index");
        (index, outcome)
    }
}

fn keep_first(outcome: &mut Result<(), SupervisorError>, error: SupervisorError) {
    if outcome.is_ok() {
        *outcome = Err(error);
    } else {
        let error: &(dyn Error + 'static) = &error;
        tracing::error!(error, "another failure while stopping");
    }
}

#[cfg(test)]
mod tests;
