//! Everything this daemon counts about itself, under Promtail's names and types: dashboards and
//! alert rules depend on them. What Promtail has not is named `log_shipper_*`.

pub mod files;
pub mod sources;
pub mod spool;

use std::time::Duration;

use prometheus_model::instrument::{Counter, Family, Gauge, Histogram, RegisterError, Registry};

use self::files::FileMetrics;
use self::sources::SourceMetrics;
use self::spool::AllSpools;

/// Series of a metric with the label `tenant`, which may come from a log line.
const MAX_TENANT_SERIES: usize = 10_000;

/// Why entries were given up at a client: the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// Refused by Loki, or tried too often.
    IngesterError,
    /// Over the tenant's rate.
    RateLimited,
    /// A stream more than `max_streams`.
    StreamLimited,
    /// Over `max_line_size`.
    LineTooLong,
    /// The queue of an optional client had no room.
    QueueFull,
}

impl DropReason {
    /// Those that Promtail has: they exist from a tenant's first batch on.
    const PROMTAILS: [Self; 4] =
        [Self::IngesterError, Self::RateLimited, Self::StreamLimited, Self::LineTooLong];

    fn as_str(self) -> &'static str {
        match self {
            Self::IngesterError => "ingester_error",
            Self::RateLimited => "rate_limited",
            Self::StreamLimited => "stream_limited",
            Self::LineTooLong => "line_too_long",
            Self::QueueFull => "queue_full",
        }
    }
}

/// Handles to all of them; a clone shares the same series.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// What is counted of each file.
    pub files: FileMetrics,
    /// Files that are open.
    pub files_active: Gauge,
    /// Targets whose files are followed.
    pub targets_active: Gauge,
    /// Discovered targets that were left out, by reason.
    pub targets_failed: Family<Counter>,
    /// Reloads that worked.
    pub reload_success: Counter,
    /// Reloads that kept the old configuration.
    pub reload_fail: Counter,
    /// Lines longer than the read limit, cut to it.
    pub lines_cut: Counter,
    /// Files that were truncated or rewritten while they were read.
    pub truncations: Counter,
    /// Rotated files that could not be read to their end.
    pub files_given_up: Counter,
    /// Positions that could not be saved.
    pub position_save_failures: Counter,
    /// Positions that could not be written between two saves.
    pub position_record_failures: Counter,
    /// Watches of Kubernetes objects that do not work at the moment.
    pub kubernetes_watches_failing: Gauge,
    /// Queries of Consul that do not work at the moment.
    pub consul_queries_failing: Gauge,
    /// Counters of sources that bring messages themselves.
    pub sources: SourceMetrics,
    /// Write-ahead logs.
    pub spools: AllSpools,
    encoded_bytes: Family<Counter>,
    sent_bytes: Family<Counter>,
    sent_entries: Family<Counter>,
    dropped_bytes: Family<Counter>,
    dropped_entries: Family<Counter>,
    mutated_bytes: Family<Counter>,
    mutated_entries: Family<Counter>,
    batch_retries: Family<Counter>,
    tenant_series_refused: Counter,
    request_duration: Family<Histogram>,
}

impl Metrics {
    /// All of them at zero.
    pub fn new() -> Self {
        let by_reason = ["host", "tenant", "reason"];
        let refused = Counter::default();
        Self {
            files: FileMetrics::default(),
            files_active: Gauge::default(),
            targets_active: Gauge::default(),
            targets_failed: Family::new(&["reason"]),
            reload_success: Counter::default(),
            reload_fail: Counter::default(),
            lines_cut: Counter::default(),
            truncations: Counter::default(),
            files_given_up: Counter::default(),
            position_save_failures: Counter::default(),
            position_record_failures: Counter::default(),
            kubernetes_watches_failing: Gauge::default(),
            consul_queries_failing: Gauge::default(),
            sources: SourceMetrics::new(),
            spools: AllSpools::new(),
            encoded_bytes: Family::new(&["host"]),
            sent_bytes: Family::new(&["host"]),
            sent_entries: Family::new(&["host"]),
            dropped_bytes: Family::new(&by_reason).with_limit(MAX_TENANT_SERIES, &refused),
            dropped_entries: Family::new(&by_reason).with_limit(MAX_TENANT_SERIES, &refused),
            mutated_bytes: Family::new(&by_reason).with_limit(MAX_TENANT_SERIES, &refused),
            mutated_entries: Family::new(&by_reason).with_limit(MAX_TENANT_SERIES, &refused),
            batch_retries: Family::new(&["host", "tenant"]).with_limit(MAX_TENANT_SERIES, &refused),
            tenant_series_refused: refused,
            request_duration: Family::new(&["status_code", "host"]),
        }
    }

    /// Shows them on the page of a registry.
    ///
    /// # Errors
    /// A name is taken.
    pub fn register(&self, registry: &Registry) -> Result<(), RegisterError> {
        let at = registry;
        self.files.register(at)?;
        at.register(
            "promtail_files_active_total",
            "Number of open files",
            self.files_active.clone(),
        )?;
        at.register(
            "promtail_targets_active_total",
            "Number of targets",
            self.targets_active.clone(),
        )?;
        at.register(
            "promtail_targets_failed_total",
            "Discovered targets that were left out, by reason",
            self.targets_failed.clone(),
        )?;
        at.register(
            "promtail_config_reload_success_total",
            "Reloads of the configuration that worked",
            self.reload_success.clone(),
        )?;
        at.register(
            "promtail_config_reload_fail_total",
            "Reloads of the configuration that failed and changed nothing",
            self.reload_fail.clone(),
        )?;
        self.register_clients(at)?;
        at.register(
            "log_shipper_lines_cut_total",
            "Lines longer than the read limit, cut to it",
            self.lines_cut.clone(),
        )?;
        at.register(
            "log_shipper_file_truncations_total",
            "Files that were truncated or rewritten while they were followed",
            self.truncations.clone(),
        )?;
        at.register(
            "log_shipper_files_given_up_total",
            "Rotated files that could not be read to their end",
            self.files_given_up.clone(),
        )?;
        at.register(
            "log_shipper_position_save_failures_total",
            "Times the positions file could not be written",
            self.position_save_failures.clone(),
        )?;
        at.register(
            "log_shipper_position_record_failures_total",
            "Times positions could not be written between two saves: a kill repeats more lines",
            self.position_record_failures.clone(),
        )?;
        at.register(
            "log_shipper_kubernetes_watches_failing",
            "Watches of Kubernetes objects that do not work now: targets may be out of date",
            self.kubernetes_watches_failing.clone(),
        )?;
        at.register(
            "log_shipper_consul_queries_failing",
            "Queries of Consul that do not work now: targets may be out of date",
            self.consul_queries_failing.clone(),
        )?;
        self.spools.register(registry)?;
        self.sources.register(registry)
    }

    fn register_clients(&self, at: &Registry) -> Result<(), RegisterError> {
        at.register(
            "promtail_encoded_bytes_total",
            "Compressed bytes of batches that were ready to send",
            self.encoded_bytes.clone(),
        )?;
        at.register(
            "promtail_sent_bytes_total",
            "Compressed bytes that Loki accepted",
            self.sent_bytes.clone(),
        )?;
        at.register(
            "promtail_sent_entries_total",
            "Entries that Loki accepted",
            self.sent_entries.clone(),
        )?;
        at.register(
            "promtail_dropped_bytes_total",
            "Bytes of lines given up for good, by reason",
            self.dropped_bytes.clone(),
        )?;
        at.register(
            "promtail_dropped_entries_total",
            "Entries given up for good, by reason",
            self.dropped_entries.clone(),
        )?;
        at.register(
            "promtail_mutated_bytes_total",
            "Bytes cut off lines, by reason",
            self.mutated_bytes.clone(),
        )?;
        at.register(
            "promtail_mutated_entries_total",
            "Entries whose line was cut, by reason",
            self.mutated_entries.clone(),
        )?;
        at.register(
            "promtail_batch_retries_total",
            "Failed attempts to send a batch that were worth another",
            self.batch_retries.clone(),
        )?;
        at.register(
            "log_shipper_tenant_series_refused_total",
            "Times a tenant was counted in no series, because there are too many tenants",
            self.tenant_series_refused.clone(),
        )?;
        at.register(
            "promtail_request_duration_seconds",
            "Time until Loki answered a push; status -1 is no answer",
            self.request_duration.clone(),
        )
    }

    /// The series of one client, at 0 from the start.
    pub fn client(&self, host: &str) -> ClientMetrics {
        ClientMetrics {
            host: host.to_owned(),
            encoded_bytes: self.encoded_bytes.get(&[host]),
            sent_bytes: self.sent_bytes.get(&[host]),
            sent_entries: self.sent_entries.get(&[host]),
            all: self.clone(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// What one client counts.
#[derive(Debug, Clone)]
pub struct ClientMetrics {
    host: String,
    /// Compressed bytes of batches ready to send.
    pub encoded_bytes: Counter,
    /// Compressed bytes accepted.
    pub sent_bytes: Counter,
    /// Entries accepted.
    pub sent_entries: Counter,
    all: Metrics,
}

impl ClientMetrics {
    /// The counters of a tenant exist from its first batch on: `increase()` misses the first
    /// value of a series.
    pub fn prepare_tenant(&self, tenant: &str) {
        for reason in DropReason::PROMTAILS {
            let labels = [&*self.host, tenant, reason.as_str()];
            self.all.dropped_entries.get(&labels);
            self.all.dropped_bytes.get(&labels);
            self.all.mutated_entries.get(&labels);
            self.all.mutated_bytes.get(&labels);
        }
    }

    /// Entries and bytes given up.
    pub fn dropped(&self, tenant: &str, reason: DropReason, entries: u64, bytes: u64) {
        let labels = [&*self.host, tenant, reason.as_str()];
        self.all.dropped_entries.get(&labels).inc_by(entries);
        self.all.dropped_bytes.get(&labels).inc_by(bytes);
    }

    /// One line cut by so many bytes.
    pub fn mutated(&self, tenant: &str, bytes: u64) {
        let labels = [&*self.host, tenant, DropReason::LineTooLong.as_str()];
        self.all.mutated_entries.get(&labels).inc();
        self.all.mutated_bytes.get(&labels).inc_by(bytes);
    }

    /// Failed attempts of a tenant.
    pub fn retries(&self, tenant: &str) -> Counter {
        self.all.batch_retries.get(&[&self.host, tenant])
    }

    /// One request that took so long.
    pub fn request_duration(&self, status_code: &str, took: Duration) {
        self.all.request_duration.get(&[status_code, &self.host]).observe(took.as_secs_f64());
    }
}
