//! A page of metrics from the published snapshot.
//!
//! Nothing here asks the driver or the kubelet, and nothing is reset by being shown: two scrapers see
//! the same.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use prometheus_model::exposition::{MetricType, Writer};

use super::dcgm::counters_file::Counters;
use super::dcgm::labels::DcgmSettings;
use super::dcgm::{self, Windows};
use super::native;
use super::native_labels::NativeSettings;
use super::topology::{LabelSettings, Topology};
use crate::attribute::owner::Allocations;
use crate::config::{Config, Naming};
use crate::sample::snapshot::Snapshot;

/// Lines of the file of counters that are skipped; on `/metrics` only.
pub(super) const LINES_SKIPPED: &str = "gpu_exporter_counters_file_lines_skipped";
/// Its help text.
pub(super) const LINES_SKIPPED_HELP: &str =
    "Lines of the file of counters in force that could not be used.";

/// Writes pages. One for the process: it keeps labels from one page to the next.
#[derive(Debug)]
pub struct Pages {
    labels: LabelSettings,
    native_detail: bool,
    windows: Windows,
    counters: RwLock<Arc<Counters>>,
    /// Of the last page, if no other is being prepared.
    topology: Mutex<Option<Arc<Topology>>>,
}

impl Pages {
    /// Pages as configured, with these counters under DCGM's names.
    pub fn new(config: &Config, counters: Counters) -> Self {
        let Config { page, sampling, attribution, .. } = config;
        let native =
            NativeSettings { inline_pod_labels: page.inline_pod_labels, pod_uid: page.pod_uid };
        let dcgm = DcgmSettings {
            page: page.dcgm.clone(),
            pod_uid: page.pod_uid,
            virtual_gpus: attribution.virtual_gpus,
        };
        Self {
            labels: LabelSettings { native, dcgm },
            native_detail: page.native_detail,
            windows: Windows {
                xids: sampling.xid_window.as_millis().to_string(),
                clock_events: sampling.clock_event_window.as_millis().to_string(),
            },
            counters: RwLock::new(Arc::new(counters)),
            topology: Mutex::new(None),
        }
    }

    /// Puts other counters in force, from the next page on.
    pub fn replace_counters(&self, counters: Counters) {
        let counters = Arc::new(counters);
        *self.counters.write().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes the families of these namings.
    pub fn write(
        &self,
        writer: &mut Writer,
        naming: &[Naming],
        snapshot: &Snapshot,
        allocations: &Arc<Allocations>,
    ) {
        let counters = self.counters();
        let topology = self.topology(snapshot, allocations, &counters);
        if naming.contains(&Naming::Native) {
            native::write(writer, snapshot, &topology, self.native_detail);
        }
        if naming.contains(&Naming::Dcgm) {
            dcgm::write(writer, &counters, &self.windows, snapshot, &topology);
        }
    }

    /// Writes how the exporter fares, but what [`Pages::write`] with this naming has written.
    pub fn write_own(
        &self,
        writer: &mut Writer,
        naming: &[Naming],
        snapshot: &Snapshot,
        allocations: &Arc<Allocations>,
    ) {
        if !naming.contains(&Naming::Native) {
            let topology = self.topology(snapshot, allocations, &self.counters());
            native::write_exporter(writer, snapshot, &topology);
        }
        writer.family(LINES_SKIPPED, MetricType::Gauge, LINES_SKIPPED_HELP);
        writer.sample(&[], self.counters().skipped() as u64);
    }

    fn topology(
        &self,
        snapshot: &Snapshot,
        allocations: &Arc<Allocations>,
        counters: &Arc<Counters>,
    ) -> Arc<Topology> {
        let mut kept = self.topology.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(topology) if topology.is_of(snapshot, allocations, counters) => {
                Arc::clone(topology)
            }
            _ => {
                let made = Topology::new(snapshot, allocations, counters, &self.labels);
                Arc::clone(kept.insert(Arc::new(made)))
            }
        }
    }
}
