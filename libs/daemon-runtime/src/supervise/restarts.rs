//! How often one task may be restarted, and its next attempt.
//!
//! A factory holds whatever its attempts need, channel senders included, so it must not live on
//! once the daemon stops.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::TaskFuture;

/// How many restarts a task gets before its failure ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartBudget {
    /// Restarts allowed within any `window`.
    pub restarts: usize,
    /// The span over which they count.
    pub window: Duration,
    /// The pause before each restart.
    pub delay: Duration,
}

/// The budget of one task, what is used of it, and the maker of attempts.
pub(super) struct Restarts {
    budget: RestartBudget,
    recent: VecDeque<Instant>,
    attempt: Box<dyn FnMut(CancellationToken) -> TaskFuture + Send>,
}

impl Restarts {
    pub(super) fn new(
        budget: RestartBudget,
        attempt: Box<dyn FnMut(CancellationToken) -> TaskFuture + Send>,
    ) -> Self {
        Self { budget, recent: VecDeque::new(), attempt }
    }

    /// The next attempt, which begins with the pause; `None` once the window holds the whole budget.
    pub(super) fn next(&mut self, stop: &CancellationToken) -> Option<TaskFuture> {
        let now = Instant::now();
        while self.recent.front().is_some_and(|&at| now - at >= self.budget.window) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.budget.restarts {
            return None;
        }
        self.recent.push_back(now);
        let attempt = (self.attempt)(stop.child_token());
        let (stop, delay) = (stop.clone(), self.budget.delay);
        Some(Box::pin(async move {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(delay) => {}
            }
            attempt.await
        }))
    }
}

impl fmt::Debug for Restarts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restarts")
            .field("budget", &self.budget)
            .field("recent", &self.recent)
            .finish_non_exhaustive()
    }
}
