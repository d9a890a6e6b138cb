//! One log line when a watch of a discovery begins to fail, one when it works again, however often
//! it is tried in between.

use std::error::Error;
use std::time::Instant;

use instrumentation::json_log::ErrorChain;
use prometheus_model::instrument::Gauge;

/// Whether a watch works.
#[derive(Debug)]
pub struct Outage {
    /// `Kubernetes`, `Consul` or `Docker`.
    discovery: &'static str,
    /// What is asked for, or who is asked; without credentials.
    path: String,
    /// Counts watches that fail.
    failing: Gauge,
    since: Option<Instant>,
    attempts: u64,
}

impl Outage {
    /// It works, as far as anybody knows.
    pub fn new(discovery: &'static str, path: String, failing: Gauge) -> Self {
        Self { discovery, path, failing, since: None, attempts: 0 }
    }

    /// An attempt failed.
    pub fn failed(&mut self, error: &(dyn Error + 'static)) {
        self.attempts += 1;
        if self.since.is_none() {
            self.since = Some(Instant::now());
            self.failing.inc();
            tracing::warn!(
                discovery = self.discovery, path = self.path, error = %ErrorChain(error),
                "discovered objects cannot be followed, keeping the last targets and trying again"
            );
        } else {
            tracing::debug!(
                discovery = self.discovery, path = self.path, error = %ErrorChain(error),
                attempts = self.attempts,
                "discovered objects still cannot be followed"
            );
        }
    }

    /// It works.
    pub fn over(&mut self) {
        if let Some(since) = self.since.take() {
            self.failing.dec();
            tracing::info!(
                discovery = self.discovery,
                path = self.path,
                attempts = self.attempts,
                duration_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
                "discovered objects are followed again"
            );
        }
        self.attempts = 0;
    }

    /// Whether it works, as far as anybody knows.
    pub fn is_over(&self) -> bool {
        self.since.is_none()
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
    fn a_watch_is_counted_once_while_it_fails() {
        let failing = Gauge::default();
        let silent = std::io::Error::from(std::io::ErrorKind::TimedOut);
        let mut outage = Outage::new("Kubernetes", "/pods".to_owned(), failing.clone());
        let mut other = Outage::new("Kubernetes", "/nodes".to_owned(), failing.clone());
        outage.failed(&silent);
        outage.failed(&silent);
        other.failed(&silent);
        assert!((failing.get() - 2.0).abs() < f64::EPSILON);
        outage.over();
        outage.over();
        drop(other);
        assert!(failing.get().abs() < f64::EPSILON);
    }
}
