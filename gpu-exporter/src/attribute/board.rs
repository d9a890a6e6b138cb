//! The current allocations, for whoever writes a page, and what is known of their making.
//!
//! A reader copies a pointer: it never waits for the kubelet. Without an answer of the kubelet the
//! last allocations count for [`RETENTION`], then none do: a name that is probably wrong is worse
//! than no name.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_model::exposition::{Collect, MetricType, Writer};
use prometheus_model::instrument::{Counter, Family, Gauge, Histogram, RegisterError, Registry};
use tokio::time::Instant;

use super::owner::{Allocations, DeviceKey};

/// How long allocations count that the kubelet does not confirm.
pub const RETENTION: Duration = Duration::from_mins(5);

/// APIs of the kubelet, as in the label `api`.
pub(super) const POD_RESOURCES: &str = "pod_resources";
pub(super) const PODS: &str = "pods";

/// Seconds; the kubelet answers in well under one.
const REQUEST_BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Where the allocations are.
#[derive(Debug)]
pub struct Board {
    current: RwLock<Arc<Allocations>>,
    /// Failed calls, by API and reason.
    pub(super) errors: Family<Counter>,
    /// How long calls took, by API.
    pub(super) request_seconds: Family<Histogram>,
    /// Pods of a reply that could not be read.
    pub(super) malformed_pods: Counter,
    /// Ids that stand for no known device.
    pub(super) unknown_ids: Gauge,
    /// How often allocations were given up.
    expired: Counter,
}

impl Default for Board {
    fn default() -> Self {
        let histogram = || Histogram::new(&REQUEST_BUCKETS);
        let board = Self {
            current: RwLock::default(),
            errors: Family::new(&["api", "reason"]),
            request_seconds: Family::with_constructor(&["api"], histogram),
            malformed_pods: Counter::default(),
            unknown_ids: Gauge::default(),
            expired: Counter::default(),
        };
        for api in [POD_RESOURCES, PODS] {
            board.request_seconds.get(&[api]);
            for reason in ["connect", "timeout", "transport", "status", "reply"] {
                board.errors.get(&[api, reason]);
            }
        }
        board
    }
}

impl Board {
    /// The allocations that count now; without pods where the kubelet has been silent for too long.
    pub fn current(&self) -> Arc<Allocations> {
        let current = self.last();
        if !is_expired(&current) {
            return current;
        }
        Arc::new(Allocations { jobs: current.jobs.clone(), ..Allocations::default() })
    }

    fn last(&self) -> Arc<Allocations> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the kubelet said; jobs stay.
    pub(super) fn put(&self, mut allocations: Allocations) {
        allocations.jobs.clone_from(&self.last().jobs);
        self.swap(allocations);
    }

    /// What the batch system said; all else stays.
    pub(super) fn put_jobs(&self, jobs: BTreeMap<DeviceKey, Vec<String>>) {
        let last = self.last();
        if last.jobs != jobs {
            self.swap(Allocations { jobs, ..last.as_ref().clone() });
        }
    }

    /// There is one writer, so nothing is lost between a look and a swap.
    fn swap(&self, allocations: Allocations) {
        let new = Arc::new(allocations);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, new);
        // freed where no reader waits
        drop(current);
        drop(old);
    }

    /// Gives up allocations that are too old. Returns whether there were any.
    pub(super) fn expire(&self) -> bool {
        let is_expired = is_expired(&self.last());
        if is_expired {
            self.put(Allocations::default());
            self.expired.inc();
        }
        is_expired
    }

    /// Shows the exporter's own metrics of attribution.
    ///
    /// # Errors
    /// [`RegisterError`] when a name is taken.
    pub fn register(self: &Arc<Self>, registry: &Registry) -> Result<(), RegisterError> {
        registry.register(
            "gpu_exporter_kubelet_errors_total",
            "Calls to the kubelet that failed.",
            self.errors.clone(),
        )?;
        registry.register(
            "gpu_exporter_kubelet_request_seconds",
            "Time of calls to the kubelet, in seconds.",
            self.request_seconds.clone(),
        )?;
        registry.register(
            "gpu_exporter_kubelet_malformed_pods_total",
            "Pods in replies of the kubelet that could not be read.",
            self.malformed_pods.clone(),
        )?;
        registry.register(
            "gpu_exporter_unknown_device_ids",
            "Device ids of pods that stand for no known GPU, at most 1024.",
            self.unknown_ids.clone(),
        )?;
        registry.register(
            "gpu_exporter_pod_mapping_expired_total",
            "Times the pod mapping was given up because the kubelet did not answer for 5 minutes.",
            self.expired.clone(),
        )?;
        registry.add_collector(Arc::new(Age(Arc::clone(self))));
        Ok(())
    }
}

fn is_expired(allocations: &Allocations) -> bool {
    age(allocations).is_some_and(|age| age > RETENTION)
}

fn age(allocations: &Allocations) -> Option<Duration> {
    let taken = Instant::from_std(allocations.taken?);
    // Tokio's clock, so that tests can move it
    Some(Instant::now().saturating_duration_since(taken))
}

struct Age(Arc<Board>);

impl Collect for Age {
    fn collect(&self, writer: &mut Writer) {
        let Some(age) = age(&self.0.last()) else { return };
        let help = "Time since the kubelet told which pods hold which devices, in seconds.";
        writer.family("gpu_exporter_pod_mapping_age_seconds", MetricType::Gauge, help);
        writer.sample(&[], age.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use prometheus_model::exposition::Format;

    use super::*;

    fn page(board: &Arc<Board>) -> String {
        let registry = Registry::new();
        board.register(&registry).unwrap();
        let mut writer = Writer::new(Format::Text004);
        registry.collect(&mut writer);
        String::from_utf8(writer.finish()).unwrap()
    }

    fn put(board: &Board) {
        let by_device = [(DeviceKey::Gpu("GPU-1".to_owned()), Vec::new())].into();
        let taken = Some(Instant::now().into_std());
        board.put(Allocations { by_device, taken, ..Allocations::default() });
    }

    #[tokio::test(start_paused = true)]
    async fn allocations_count_for_five_minutes() {
        let board = Arc::new(Board::default());
        assert!(!page(&board).contains("mapping_age"), "nothing was told yet");
        put(&board);
        tokio::time::advance(RETENTION).await;
        assert_eq!(board.current().by_device.len(), 1);
        assert!(!board.expire());
        assert!(page(&board).contains("gpu_exporter_pod_mapping_age_seconds 300\n"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(board.current().by_device.len(), 0, "even if nobody cleans up");
        assert!(board.expire());
        assert!(!board.expire(), "counted once");
        let page = page(&board);
        assert!(page.contains("gpu_exporter_pod_mapping_expired_total 1\n"), "{page}");
        assert!(!page.contains("mapping_age"), "{page}");
    }

    #[tokio::test(start_paused = true)]
    async fn every_reason_is_shown_from_the_start() {
        let page = page(&Arc::new(Board::default()));
        let series =
            "gpu_exporter_kubelet_errors_total{api=\"pod_resources\",reason=\"timeout\"} 0\n";
        assert!(page.contains(series), "{page}");
    }
}
