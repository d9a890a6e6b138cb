//! Asks until there is an answer. Failing costs nothing but time: what is known stays known.

use std::time::Duration;

use daemon_runtime::backoff::Backoff;
use prometheus_model::instrument::Gauge;
use reqwest::Url;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until};

use super::api::{Answer, Api, ApiError};
use crate::discovery::outage::Outage;

/// Before the second attempt.
const MIN_PAUSE: Duration = Duration::from_millis(500);

/// Between attempts, at last.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// What becomes of attempts at one thing.
#[derive(Debug)]
pub(super) struct Retry {
    outage: Outage,
    backoff: Backoff,
}

impl Retry {
    /// `path` says what is asked for.
    pub(super) fn new(path: String, failing: Gauge) -> Self {
        Self {
            outage: Outage::new("Consul", path, failing),
            backoff: Backoff::new(MIN_PAUSE, MAX_PAUSE),
        }
    }

    /// It worked.
    pub(super) fn worked(&mut self) {
        self.outage.over();
        self.backoff.reset();
    }

    /// It failed; returns when it is time to try again.
    pub(super) async fn failed(&mut self, error: &ApiError) {
        self.outage.failed(error);
        sleep(self.backoff.next_pause(fastrand::f64)).await;
    }
}

/// Asks the same again and again, and is told when the answer is another one.
#[derive(Debug)]
pub(super) struct BlockingQuery {
    url: Url,
    /// Least time between two queries.
    interval: Duration,
    retry: Retry,
    next: Instant,
    /// Version of the last answer; 0 = none.
    index: u64,
}

impl BlockingQuery {
    pub(super) fn new(url: Url, interval: Duration, failing: Gauge) -> Self {
        let retry = Retry::new(url.path().to_owned(), failing);
        Self { url, interval, retry, next: Instant::now(), index: 0 }
    }

    /// The next answer with something new in it, after any number of attempts.
    pub(super) async fn next<T: DeserializeOwned>(&mut self, api: &Api) -> T {
        loop {
            sleep_until(self.next).await;
            self.next = Instant::now() + self.interval;
            match api.ask_blocking(self.url.clone(), self.index).await {
                Ok(answer) => {
                    self.retry.worked();
                    if let Answer::New(index, found) = answer {
                        self.index = index;
                        return found;
                    }
                }
                Err(error) => {
                    // What comes back after an outage may have begun a new history.
                    self.index = 0;
                    self.next = Instant::now();
                    self.retry.failed(&error).await;
                }
            }
        }
    }
}
