//! What pods have used, as counters on `/metrics`, and which devices attribution is told of.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_model::exposition::{Collect, MetricType, Writer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::attribute::board::Board as PodBoard;
use crate::attribute::device_ids::KnownDevices;
use crate::attribute::owner::DeviceKey;
use crate::attribute::pod_integrals::{PodIntegrals, Usage};
use crate::sample::board::Board;
use crate::sample::catalogue::Reading;
use crate::sample::snapshot::{DeviceSnapshot, Snapshot};

/// Between two looks at the devices.
const LOOK: Duration = Duration::from_secs(1);

/// The sums, shared by the task that adds up and the page.
#[derive(Debug, Clone, Default)]
pub(super) struct PodUsage(Arc<Mutex<PodIntegrals>>);

impl PodUsage {
    /// Adds up and tells attribution which devices there are, until the stop.
    pub(super) async fn run(
        self,
        board: Arc<Board>,
        pods: Arc<PodBoard>,
        known: watch::Sender<Arc<KnownDevices>>,
        stop: CancellationToken,
    ) -> Result<(), io::Error> {
        while !stop.is_cancelled() {
            let now = Instant::now();
            let snapshot = board.snapshot(now);
            self.lock().update(usages(&snapshot), &pods.current(), now);
            let told = Arc::clone(&known.borrow());
            let devices = KnownDevices::of(&snapshot).or_as_before(&told, &snapshot);
            known.send_if_modified(|told| {
                let is_new = **told != devices;
                if is_new {
                    *told = Arc::new(devices);
                }
                is_new
            });
            let _ = tokio::time::timeout(LOOK, stop.cancelled()).await;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PodIntegrals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of GPUs that answer. MIG instances have neither counter.
fn usages(snapshot: &Snapshot) -> impl Iterator<Item = (DeviceKey, Usage)> {
    let usage = |device: &Arc<DeviceSnapshot>| Usage {
        busy_seconds: device.readings.last(Reading::BusySeconds),
        energy_joules: device.readings.last(Reading::Energy),
    };
    let is_whole = |device: &&Arc<DeviceSnapshot>| device.is_up && !device.identity.is_mig;
    snapshot
        .devices
        .iter()
        .filter(is_whole)
        .map(move |device| (DeviceKey::Gpu(device.identity.uuid.clone()), usage(device)))
}

/// One of the two counters.
type Value = fn(Usage) -> Option<f64>;

impl Collect for PodUsage {
    fn collect(&self, writer: &mut Writer) {
        let integrals = self.lock();
        let families: [(&str, &str, Value); 2] = [
            (
                "gpu_pod_busy_seconds_total",
                "GPU-seconds at work while the pod held the GPU alone, in seconds.",
                |usage| usage.busy_seconds,
            ),
            (
                "gpu_pod_energy_joules_total",
                "Energy of the GPU while the pod held it alone, in joules.",
                |usage| usage.energy_joules,
            ),
        ];
        for (name, help, value) in families {
            writer.family(name, MetricType::Counter, help);
            for (pod, usage) in integrals.pods() {
                if let Some(value) = value(usage) {
                    writer.sample(&[("namespace", &pod.namespace), ("pod", &pod.pod)], value);
                }
            }
        }
    }
}
