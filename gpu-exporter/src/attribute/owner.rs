//! Who holds a device.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// A container, as the kubelet names it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// UID of the pod, where it is known.
    pub pod_uid: Option<String>,
    /// Labels of the pod that were asked for, sorted, with names that Prometheus accepts.
    pub pod_labels: Vec<(String, String)>,
}

/// A GPU or MIG instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKey {
    /// By its UUID.
    Gpu(String),
    /// By the UUID of its GPU, and the GPU instance id.
    Mig(String, u32),
}

/// One container's hold on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The container.
    pub owner: Arc<Owner>,
    /// `nvidia.com/gpu`, ...; empty for dynamic resource allocation.
    pub resource: String,
    /// Number of the replica, of a device that is shared by time-slicing or MPS.
    pub replica: Option<String>,
    /// Number of the virtual GPU, in the ids of GKE.
    pub virtual_gpu: Option<String>,
    /// The claim, for dynamic resource allocation.
    pub claim: Option<Claim>,
}

/// A claim of dynamic resource allocation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claim {
    /// `dra_claim_name`
    pub name: String,
    /// `dra_claim_namespace`
    pub namespace: String,
    /// `dra_driver_name`
    pub driver: String,
    /// `dra_pool_name`
    pub pool: String,
    /// `dra_device_name`
    pub device: String,
    /// Of a device that is shared by capacity.
    pub share_id: Option<String>,
}

/// Which containers hold which devices, as last told by the kubelet.
#[derive(Debug, Clone, Default)]
pub struct Allocations {
    /// By device, in the kubelet's order.
    pub by_device: BTreeMap<DeviceKey, Vec<Allocation>>,
    /// Jobs of a batch system that run on a device.
    pub jobs: BTreeMap<DeviceKey, Vec<String>>,
    /// When it was told; `None` before the first answer.
    pub taken: Option<Instant>,
}

impl Allocations {
    /// The containers that hold a device.
    pub fn of(&self, device: &DeviceKey) -> &[Allocation] {
        self.by_device.get(device).map_or(&[], Vec::as_slice)
    }

    /// The jobs of a batch system that run on a device.
    pub fn jobs_of(&self, device: &DeviceKey) -> &[String] {
        self.jobs.get(device).map_or(&[], Vec::as_slice)
    }
}
