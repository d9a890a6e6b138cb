//! One log line when an engine ceases to answer, one when it answers again, however often it is
//! asked in between.

use std::time::Instant;

use instrumentation::json_log::ErrorChain;
use prometheus_model::instrument::Gauge;

use super::api::ApiError;

/// Whether an engine answers.
#[derive(Debug)]
pub(super) struct Outage {
    host: String,
    /// Counts engines that do not.
    failing: Gauge,
    since: Option<Instant>,
    attempts: u64,
    lacks_networks: bool,
}

impl Outage {
    /// It answers, as far as anybody knows.
    pub(super) fn new(host: &str, failing: Gauge) -> Self {
        let host = host.to_owned();
        Self { host, failing, since: None, attempts: 0, lacks_networks: false }
    }

    /// It did not answer.
    pub(super) fn failed(&mut self, error: &ApiError) {
        self.attempts += 1;
        if self.since.is_none() {
            self.since = Some(Instant::now());
            self.failing.inc();
            tracing::warn!(
                host = self.host, error = %ErrorChain(error),
                "Docker engine does not list its containers, trying again"
            );
        } else {
            tracing::debug!(
                host = self.host, error = %ErrorChain(error), attempts = self.attempts,
                "Docker engine still does not list its containers"
            );
        }
    }

    /// It answered.
    pub(super) fn over(&mut self) {
        if let Some(since) = self.since.take() {
            self.failing.dec();
            tracing::info!(
                host = self.host,
                attempts = self.attempts,
                duration_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
                "Docker engine lists its containers again"
            );
        }
        self.attempts = 0;
    }

    /// Whether it answers, as far as anybody knows.
    pub(super) fn is_over(&self) -> bool {
        self.since.is_none()
    }

    /// It refused to list its networks: told once.
    pub(super) fn without_networks(&mut self, error: &ApiError) {
        if !std::mem::replace(&mut self.lacks_networks, true) {
            tracing::warn!(
                host = self.host, error = %ErrorChain(error),
                "Docker engine does not list its networks: containers have no labels of them"
            );
        }
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        if self.since.is_some() {
            self.failing.dec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_counted_once_while_it_fails_and_not_at_all_once_it_is_gone() {
        let failing = Gauge::default();
        let mut outage = Outage::new("unix:///a", failing.clone());
        let mut other = Outage::new("unix:///b", failing.clone());
        outage.failed(&ApiError::Silent);
        outage.failed(&ApiError::Silent);
        other.failed(&ApiError::Silent);
        assert!((failing.get() - 2.0).abs() < f64::EPSILON);
        outage.over();
        outage.over();
        drop(other);
        assert!(failing.get().abs() < f64::EPSILON);
    }
}
