//! What is counted of each file, under Promtail's names.
//!
//! There may be 50,000 files: the three series of one share their label and one allocation.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::RandomState;
use prometheus_model::exposition::{MetricType, Writer};
use prometheus_model::instrument::{Instrument, RegisterError, Registry};

const PATH_LABEL: &str = "path";

#[derive(Debug, Default)]
struct Values {
    read_bytes: AtomicU64,
    file_bytes: AtomicU64,
    read_lines: AtomicU64,
}

/// The counts of one path; a clone shares them.
#[derive(Debug, Clone, Default)]
pub struct FileCounts(Arc<Values>);

impl FileCounts {
    /// The file was read up to here.
    pub fn set_read_bytes(&self, offset: u64) {
        self.0.read_bytes.store(offset, Ordering::Relaxed);
    }

    /// The size of the file.
    pub fn set_file_bytes(&self, size: u64) {
        self.0.file_bytes.store(size, Ordering::Relaxed);
    }

    /// So many lines more were read.
    pub fn read_lines(&self, lines: u64) {
        self.0.read_lines.fetch_add(lines, Ordering::Relaxed);
    }
}

type ByPath = HashMap<Arc<str>, FileCounts, RandomState>;

/// The counts of all paths that are read; a clone shares them.
#[derive(Debug, Clone, Default)]
pub struct FileMetrics(Arc<RwLock<ByPath>>);

impl FileMetrics {
    /// Shows three series per path.
    pub(super) fn register(&self, registry: &Registry) -> Result<(), RegisterError> {
        // The first two are gauges in spite of their names, as in Promtail.
        for (name, help, metric_type, value) in [
            (
                "promtail_read_bytes_total",
                "Number of bytes read",
                MetricType::Gauge,
                (|values| &values.read_bytes) as fn(&Values) -> &AtomicU64,
            ),
            (
                "promtail_file_bytes_total",
                "Size of the file in bytes",
                MetricType::Gauge,
                |values| &values.file_bytes,
            ),
            ("promtail_read_lines_total", "Number of lines read", MetricType::Counter, |values| {
                &values.read_lines
            }),
        ] {
            registry.register(name, help, Column { files: self.clone(), metric_type, value })?;
        }
        Ok(())
    }

    /// The counts of a path, which is shown from now on. Two jobs may read one file.
    pub fn of(&self, path: &Arc<str>) -> FileCounts {
        let mut by_path = self.0.write().unwrap_or_else(PoisonError::into_inner);
        by_path.entry(Arc::clone(path)).or_default().clone()
    }

    /// A path is not shown any more.
    pub fn forget(&self, path: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// How many paths are shown.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether no path is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One of the three, of all paths.
struct Column {
    files: FileMetrics,
    metric_type: MetricType,
    value: fn(&Values) -> &AtomicU64,
}

impl Instrument for Column {
    fn metric_type(&self) -> MetricType {
        self.metric_type
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to files of 8 PiB")]
    fn write(&self, labels: &[(&str, &str)], writer: &mut Writer) {
        // Copied, so that no file waits for the page; sorted, so that two pages differ only in what
        // changed.
        let mut samples: Vec<(Arc<str>, u64)> = {
            let by_path = self.files.0.read().unwrap_or_else(PoisonError::into_inner);
            let value = |counts: &FileCounts| (self.value)(&counts.0).load(Ordering::Relaxed);
            by_path.iter().map(|(path, counts)| (Arc::clone(path), value(counts))).collect()
        };
        samples.sort_unstable();
        let mut all: Vec<(&str, &str)> = labels.to_vec();
        all.push((PATH_LABEL, ""));
        for (path, value) in &samples {
            if let Some(last) = all.last_mut() {
                last.1 = path;
            }
            match self.metric_type {
                MetricType::Gauge => writer.sample(&all, *value as f64),
                _ => writer.sample(&all, *value),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_model::exposition::{Collect, Format};

    use super::*;

    #[test]
    fn a_file_has_three_series_until_it_is_forgotten() {
        let registry = Registry::new();
        let files = FileMetrics::default();
        files.register(&registry).unwrap();
        let page = || {
            let mut writer = Writer::new(Format::Text004);
            registry.collect(&mut writer);
            String::from_utf8(writer.finish()).unwrap()
        };
        for path in ["/b", "/a"] {
            let counts = files.of(&Arc::from(path));
            counts.set_read_bytes(5);
            counts.set_file_bytes(7);
            counts.read_lines(2);
        }
        files.of(&Arc::from("/a")).read_lines(1);
        files.forget("/b");
        assert_eq!(files.len(), 1);
        files.of(&Arc::from("/b"));
        let expected = "# HELP promtail_file_bytes_total Size of the file in bytes\n\
             # TYPE promtail_file_bytes_total gauge\n\
             promtail_file_bytes_total{path=\"/a\"} 7\npromtail_file_bytes_total{path=\"/b\"} 0\n\
             # HELP promtail_read_bytes_total Number of bytes read\n\
             # TYPE promtail_read_bytes_total gauge\n\
             promtail_read_bytes_total{path=\"/a\"} 5\npromtail_read_bytes_total{path=\"/b\"} 0\n\
             # HELP promtail_read_lines_total Number of lines read\n\
             # TYPE promtail_read_lines_total counter\n\
             promtail_read_lines_total{path=\"/a\"} 3\npromtail_read_lines_total{path=\"/b\"} 0\n";
        assert_eq!(page(), expected);
    }
}
