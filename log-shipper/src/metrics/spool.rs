//! What the write-ahead log of a client counts, under Promtail's names where it has them.

use prometheus_model::instrument::{Counter, Family, Gauge, RegisterError, Registry};

/// All clients.
#[derive(Debug, Clone)]
pub struct AllSpools {
    reclaimed: Counter,
    records: Family<Counter>,
    damaged: Family<Counter>,
    segment: Family<Gauge>,
    on_disk: Family<Gauge>,
    running: Gauge,
}

/// One client.
#[derive(Debug, Clone)]
pub struct SpoolMetrics {
    /// Bytes of deleted segments.
    pub reclaimed: Counter,
    /// Segments with something in them that is no batch.
    pub damaged: Counter,
    records: Counter,
    segment: Gauge,
    on_disk: Gauge,
}

impl AllSpools {
    /// All of them at zero.
    pub fn new() -> Self {
        Self {
            reclaimed: Counter::default(),
            records: Family::new(&["id"]),
            damaged: Family::new(&["id"]),
            segment: Family::new(&["id"]),
            on_disk: Family::new(&["id"]),
            running: Gauge::default(),
        }
    }

    /// Shows them on the page of a registry.
    ///
    /// # Errors
    /// A name is taken.
    pub fn register(&self, at: &Registry) -> Result<(), RegisterError> {
        at.register(
            "promtail_wal_writer_reclaimed_space",
            "Bytes of deleted segments of write-ahead logs",
            self.reclaimed.clone(),
        )?;
        at.register(
            "loki_wal_watcher_records_read_total",
            "Batches read from the write-ahead log of a client",
            self.records.clone(),
        )?;
        at.register(
            "loki_wal_watcher_record_decode_failures_total",
            "Segments of which a rest could not be read",
            self.damaged.clone(),
        )?;
        at.register(
            "loki_wal_watcher_current_segment",
            "Segment that is being read",
            self.segment.clone(),
        )?;
        at.register(
            "loki_wal_watcher_running",
            "Write-ahead logs that are being read",
            self.running.clone(),
        )?;
        at.register(
            "log_shipper_wal_bytes",
            "Bytes on disk in the write-ahead log of a client",
            self.on_disk.clone(),
        )
    }

    /// The write-ahead logs that run; a reload begins with none.
    pub fn set_running(&self, clients: usize) {
        self.running.set(u32::try_from(clients).map_or(f64::INFINITY, f64::from));
    }

    /// The series of one client.
    pub fn client(&self, id: &str) -> SpoolMetrics {
        SpoolMetrics {
            reclaimed: self.reclaimed.clone(),
            damaged: self.damaged.get(&[id]),
            records: self.records.get(&[id]),
            segment: self.segment.get(&[id]),
            on_disk: self.on_disk.get(&[id]),
        }
    }
}

impl Default for AllSpools {
    fn default() -> Self {
        Self::new()
    }
}

impl SpoolMetrics {
    /// A batch was read from this segment.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 segments")]
    pub fn read(&self, segment: u64) {
        self.records.inc();
        self.segment.set(segment as f64);
    }

    /// So many bytes are on disk.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
    pub fn on_disk(&self, bytes: u64) {
        self.on_disk.set(bytes as f64);
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        AllSpools::new().client("test")
    }
}
