//! Labels of native series, made once for as long as devices and their holders stay the same.

use prometheus_model::exposition::PreparedLabels;

use super::holders;
use crate::attribute::owner::{Allocation, Allocations, DeviceKey, Owner};
use crate::nvml::identity::{DriverVersions, Identity, MigIdentity};

/// What decides about labels besides devices and holders.
#[derive(Debug, Clone, Copy)]
pub(super) struct NativeSettings {
    /// Namespace, pod and container stand on every series.
    pub(super) inline_pod_labels: bool,
    /// With the UID of the pod.
    pub(super) pod_uid: bool,
}

/// Labels of a GPU.
#[derive(Debug)]
pub(super) struct GpuLabels {
    /// `gpu_id` alone.
    pub(super) index: PreparedLabels,
    /// `gpu_id` and `uuid`, and the holder where that was asked for.
    pub(super) device: PreparedLabels,
    /// Of `gpu_info`.
    pub(super) info: PreparedLabels,
    /// Of `gpu_pod_info`, with those of the instances.
    pub(super) pods: Vec<PreparedLabels>,
    /// `None` while it is not known.
    pub(super) is_allocated: Option<bool>,
}

/// Labels of a MIG instance.
#[derive(Debug)]
pub(super) struct MigLabels {
    /// Of every series.
    pub(super) device: PreparedLabels,
    /// Of `gpu_mig_info`.
    pub(super) info: PreparedLabels,
    /// `None` while it is not known.
    pub(super) is_allocated: Option<bool>,
}

/// Labels that `gpu_pod_info` has, whatever the pod's own labels are.
const OF_POD_INFO: &[&str] =
    &["gpu_id", "uuid", "gi_id", "namespace", "pod", "container", "pod_uid", "resource", "replica"];

pub(super) fn of_gpu(
    identity: &Identity,
    versions: Option<&DriverVersions>,
    allocations: &Allocations,
    settings: NativeSettings,
) -> GpuLabels {
    let index = PreparedLabels::new([("gpu_id", identity.index.to_string().as_str())]);
    let mut bare = index.clone();
    bare.push("uuid", &identity.uuid);
    let own = allocations.of(&DeviceKey::Gpu(identity.uuid.clone()));
    let mut pods: Vec<_> = own.iter().map(|one| pod_info(&bare, None, one)).collect();
    let mut is_allocated = !own.is_empty();
    // those that are held, not those that are seen: of a GPU that does not answer none is
    for (device, held) in &allocations.by_device {
        if let DeviceKey::Mig(gpu, instance) = device
            && *gpu == identity.uuid
        {
            is_allocated |= !held.is_empty();
            pods.extend(held.iter().map(|one| pod_info(&bare, Some(*instance), one)));
        }
    }
    pods.sort();
    pods.dedup();
    let mut device = bare;
    push_holder(&mut device, own, settings);
    GpuLabels {
        index,
        device,
        info: info(identity, versions),
        pods,
        is_allocated: allocations.taken.map(|_| is_allocated),
    }
}

pub(super) fn of_instance(
    gpu: &Identity,
    instance: &MigIdentity,
    allocations: &Allocations,
    settings: NativeSettings,
) -> MigLabels {
    let (index, gi) = (gpu.index.to_string(), instance.gpu_instance.to_string());
    let ci = instance.compute_instance.to_string();
    let ids = [
        ("gi_id", gi.as_str()),
        ("ci_id", ci.as_str()),
        ("mig_profile", instance.profile.as_str()),
    ];
    let gpu_ids = [("gpu_id", index.as_str()), ("uuid", gpu.uuid.as_str())];
    let mut device = PreparedLabels::new(gpu_ids.into_iter().chain(ids));
    let uuid = [("mig_uuid", instance.uuid.as_str())];
    let info = PreparedLabels::new(gpu_ids.into_iter().chain(uuid).chain(ids));
    let held = allocations.of(&DeviceKey::Mig(gpu.uuid.clone(), instance.gpu_instance));
    push_holder(&mut device, held, settings);
    MigLabels { device, info, is_allocated: allocations.taken.map(|_| !held.is_empty()) }
}

fn push_holder(labels: &mut PreparedLabels, held: &[Allocation], settings: NativeSettings) {
    if !settings.inline_pod_labels {
        return;
    }
    if let Some(holder) = holders::sole(held) {
        push_owner(labels, &holder.owner, settings.pod_uid);
    }
}

fn push_owner(labels: &mut PreparedLabels, owner: &Owner, with_uid: bool) {
    labels.push("namespace", &owner.namespace);
    labels.push("pod", &owner.pod);
    labels.push("container", &owner.container);
    if let Some(uid) = owner.pod_uid.as_deref().filter(|_| with_uid) {
        labels.push("pod_uid", uid);
    }
}

fn pod_info(device: &PreparedLabels, gi: Option<u32>, held: &Allocation) -> PreparedLabels {
    let mut labels = device.clone();
    if let Some(gi) = gi {
        labels.push("gi_id", &gi.to_string());
    }
    push_owner(&mut labels, &held.owner, true);
    if !held.resource.is_empty() {
        labels.push("resource", &held.resource);
    }
    if let Some(replica) = held.replica.as_ref().or(held.virtual_gpu.as_ref()) {
        labels.push("replica", replica);
    }
    for (name, value) in holders::pod_labels(&held.owner, |name| OF_POD_INFO.contains(&name)) {
        labels.push(name, value);
    }
    labels
}

fn info(identity: &Identity, versions: Option<&DriverVersions>) -> PreparedLabels {
    let (index, minor) = (identity.index.to_string(), identity.minor.map(|one| one.to_string()));
    let labels = [
        ("gpu_id", Some(index.as_str())),
        ("uuid", Some(identity.uuid.as_str())),
        ("name", Some(identity.name.as_str())),
        ("pci_bus_id", Some(identity.pci_bus_id.as_str())),
        ("brand", identity.brand.as_deref()),
        ("architecture", identity.architecture.as_deref()),
        ("compute_capability", identity.compute_capability.as_deref()),
        ("serial", identity.serial.as_deref()),
        ("minor", minor.as_deref()),
        ("driver_version", versions.map(|one| one.driver.as_str())),
        ("nvml_version", versions.map(|one| one.nvml.as_str())),
        ("cuda_version", versions.map(|one| one.cuda.as_str())),
        ("vbios_version", identity.vbios_version.as_deref()),
        ("inforom_image_version", identity.inforom_image_version.as_deref()),
        ("inforom_oem_version", identity.inforom_oem_version.as_deref()),
        ("inforom_ecc_version", identity.inforom_ecc_version.as_deref()),
        ("inforom_power_version", identity.inforom_power_version.as_deref()),
        ("mig", Some(if identity.is_mig { "enabled" } else { "disabled" })),
    ];
    // an empty label is none
    PreparedLabels::new(
        labels
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))),
    )
}
