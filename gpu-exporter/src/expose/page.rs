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
use super::nvidia_smi;
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
    native_detail: bool,
    windows: Windows,
    /// With the native labels as well.
    dcgm: View,
    base_units: View,
    version_1: View,
}

/// A file of counters with the labels of its series.
#[derive(Debug)]
struct View {
    labels: LabelSettings,
    counters: RwLock<Arc<Counters>>,
    /// Of the last page, if no other is being prepared; none before the first.
    topology: Mutex<Option<Arc<Topology>>>,
}

impl View {
    fn new(labels: LabelSettings, counters: Counters) -> Self {
        Self { labels, counters: RwLock::new(Arc::new(counters)), topology: Mutex::new(None) }
    }

    fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters.read().unwrap_or_else(PoisonError::into_inner))
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
        let labels = LabelSettings { native, dcgm };
        let mut old = labels.clone();
        old.dcgm.page.old_labels = true;
        Self {
            base_units: View::new(labels.clone(), Counters::base_units()),
            version_1: View::new(old, Counters::version_1()),
            dcgm: View::new(labels, counters),
            native_detail: page.native_detail,
            windows: Windows {
                xids: sampling.xid_window.as_millis().to_string(),
                clock_events: sampling.clock_event_window.as_millis().to_string(),
            },
        }
    }

    /// Puts other counters in force, from the next page on.
    pub fn replace_counters(&self, counters: Counters) {
        let counters = Arc::new(counters);
        *self.dcgm.counters.write().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    /// Writes the families of these namings.
    pub fn write(
        &self,
        writer: &mut Writer,
        naming: &[Naming],
        snapshot: &Snapshot,
        allocations: &Arc<Allocations>,
    ) {
        if naming.contains(&Naming::Native) {
            let topology = self.dcgm.topology(snapshot, allocations, &self.dcgm.counters());
            native::write(writer, snapshot, &topology, self.native_detail);
        }
        let mut written = Vec::new();
        for (one, view) in [
            (Naming::Dcgm, &self.dcgm),
            (Naming::DcgmBaseUnits, &self.base_units),
            (Naming::DcgmVersion1, &self.version_1),
        ] {
            if naming.contains(&one) {
                let counters = view.counters();
                let topology = view.topology(snapshot, allocations, &counters);
                dcgm::write(writer, &counters, &written, &self.windows, snapshot, &topology);
                // fields that were not renamed have the same name in several
                written.push(counters);
            }
        }
        if naming.contains(&Naming::NvidiaSmi) {
            nvidia_smi::write(writer, snapshot);
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
            let topology = self.dcgm.topology(snapshot, allocations, &self.dcgm.counters());
            native::write_exporter(writer, snapshot, &topology);
        }
        writer.family(LINES_SKIPPED, MetricType::Gauge, LINES_SKIPPED_HELP);
        writer.sample(&[], self.dcgm.counters().skipped() as u64);
    }
}
