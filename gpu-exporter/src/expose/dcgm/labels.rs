//! Labels of DCGM's series, in dcgm-exporter's order: the device, the node's name, then labels and
//! then attributes, each sorted by name.
//!
//! A device without a holder has no pod labels, rather than empty ones.

use prometheus_model::exposition::PreparedLabels;
use prometheus_model::label_set::is_valid_label_name;

use super::counters_file::Label;
use super::names::Fact;
use crate::attribute::owner::Allocation;
use crate::config::DcgmPage;
use crate::expose::holders;
use crate::nvml::identity::{DriverVersions, Identity, MigIdentity};

/// Names that a label of a pod must not take, besides those of the file and of the node.
const OWN: &[&str] = &[
    "gpu",
    "UUID",
    "uuid",
    "pci_bus_id",
    "device",
    "modelName",
    "GPU_I_PROFILE",
    "GPU_I_ID",
    "Hostname",
    "container",
    "namespace",
    "pod",
    "container_name",
    "pod_namespace",
    "pod_name",
    "pod_uid",
    "vgpu",
    "hpc_job",
    "err_code",
    "err_msg",
    "clock_event",
    "xid",
    "health_watch",
    "health_error_code",
    "window_size_in_ms",
    "dra_claim_name",
    "dra_claim_namespace",
    "dra_driver_name",
    "dra_pool_name",
    "dra_device_name",
    "dra_mig_profile",
    "dra_mig_device_uuid",
];

/// What decides about labels besides devices and holders.
#[derive(Debug, Clone)]
pub(in crate::expose) struct DcgmSettings {
    /// Spellings and the node's name.
    pub(in crate::expose) page: DcgmPage,
    /// With the UID of the pod.
    pub(in crate::expose) pod_uid: bool,
    /// Shares of a device have series of their own, with the label `vgpu`.
    pub(in crate::expose) virtual_gpus: bool,
}

/// A GPU or a MIG instance.
#[derive(Debug, Clone, Copy)]
pub(in crate::expose) struct Entity<'a> {
    /// The GPU, also of an instance.
    pub(in crate::expose) gpu: &'a Identity,
    /// The instance.
    pub(in crate::expose) instance: Option<&'a MigIdentity>,
}

/// Labels of one series of a device.
#[derive(Debug)]
pub(in crate::expose) struct SeriesLabels {
    head: PreparedLabels,
    labels: Vec<(String, String)>,
    attributes: Vec<(String, String)>,
    /// All of them, for series that have no others.
    pub(in crate::expose) plain: PreparedLabels,
}

impl SeriesLabels {
    /// With more labels and attributes among those of the device.
    pub(in crate::expose) fn with(
        &self,
        labels: &[(&str, &str)],
        attributes: &[(&str, &str)],
    ) -> PreparedLabels {
        let mut all = self.head.clone();
        for (own, more) in [(&self.labels, labels), (&self.attributes, attributes)] {
            let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let mut group: Vec<(&str, &str)> = own.chain(more.iter().copied()).collect();
            group.sort_unstable();
            for (name, value) in group {
                all.push(name, value);
            }
        }
        all
    }
}

/// The series of a device: one, or one for each share if shares are told apart.
pub(in crate::expose) fn series(
    entity: Entity<'_>,
    versions: Option<&DriverVersions>,
    held: &[Allocation],
    lines: &[Label],
    settings: &DcgmSettings,
) -> Vec<SeriesLabels> {
    let head = head(entity, &settings.page);
    let facts: Vec<(String, String)> = lines
        .iter()
        .filter_map(|line| Some((line.name.clone(), fact(line.fact, entity.gpu, versions)?)))
        .collect();
    let one = |holder: Option<&Allocation>, share: Option<&str>| {
        let (mut labels, mut attributes) = (facts.clone(), Vec::new());
        if let Some(holder) = holder {
            attributes = attributes_of(holder, share, entity.instance, settings);
            let is_taken = |name: &str| {
                OWN.contains(&name)
                    || name == settings.page.hostname_label
                    || lines.iter().any(|line| line.name == name)
            };
            let of_pod = holders::pod_labels(&holder.owner, is_taken);
            labels.extend(of_pod.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        let plain = PreparedLabels::default();
        let mut series = SeriesLabels { head: head.clone(), labels, attributes, plain };
        series.plain = series.with(&[], &[]);
        series
    };
    let share = |held: &Allocation| held.virtual_gpu.clone().or_else(|| held.replica.clone());
    if settings.virtual_gpus && held.iter().any(|held| share(held).is_some()) {
        let mut all: Vec<_> =
            held.iter().map(|held| one(Some(held), share(held).as_deref())).collect();
        all.sort_by(|one, other| one.plain.cmp(&other.plain));
        all.dedup_by(|one, other| one.plain == other.plain);
        return all;
    }
    vec![one(holders::sole(held), None)]
}

fn head(entity: Entity<'_>, page: &DcgmPage) -> PreparedLabels {
    let Entity { gpu, instance } = entity;
    let mut name = gpu.name.clone();
    if page.replace_blanks {
        name = name.split_whitespace().collect::<Vec<_>>().join("-");
    }
    let mut head = PreparedLabels::new([
        ("gpu", gpu.index.to_string().as_str()),
        (if page.old_labels { "uuid" } else { "UUID" }, gpu.uuid.as_str()),
        ("pci_bus_id", gpu.pci_bus_id.as_str()),
        ("device", format!("nvidia{}", gpu.index).as_str()),
        ("modelName", name.as_str()),
    ]);
    if let Some(instance) = instance {
        head.push("GPU_I_PROFILE", &instance.profile);
        head.push("GPU_I_ID", &instance.gpu_instance.to_string());
    }
    let label = page.hostname_label.as_str();
    let is_free = label == "Hostname" || !OWN.contains(&label);
    if is_free && is_valid_label_name(label) {
        head.push(label, &page.hostname);
    }
    head
}

fn attributes_of(
    held: &Allocation,
    share: Option<&str>,
    instance: Option<&MigIdentity>,
    settings: &DcgmSettings,
) -> Vec<(String, String)> {
    let owner = &held.owner;
    let [container, namespace, pod] = if settings.page.old_labels {
        ["container_name", "pod_namespace", "pod_name"]
    } else {
        ["container", "namespace", "pod"]
    };
    let mut attributes = vec![
        (container, owner.container.as_str()),
        (namespace, owner.namespace.as_str()),
        (pod, owner.pod.as_str()),
    ];
    attributes
        .extend(owner.pod_uid.as_deref().filter(|_| settings.pod_uid).map(|uid| ("pod_uid", uid)));
    attributes.extend(share.map(|share| ("vgpu", share)));
    if let Some(claim) = &held.claim {
        attributes.extend([
            ("dra_claim_name", claim.name.as_str()),
            ("dra_claim_namespace", claim.namespace.as_str()),
            ("dra_driver_name", claim.driver.as_str()),
            ("dra_pool_name", claim.pool.as_str()),
            ("dra_device_name", claim.device.as_str()),
        ]);
        if let Some(instance) = instance {
            attributes.push(("dra_mig_profile", instance.profile.as_str()));
            attributes.push(("dra_mig_device_uuid", instance.uuid.as_str()));
        }
    }
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn fact(fact: Fact, gpu: &Identity, versions: Option<&DriverVersions>) -> Option<String> {
    let text = match fact {
        Fact::DriverVersion => versions.map(|one| one.driver.clone()),
        Fact::NvmlVersion => versions.map(|one| one.nvml.clone()),
        Fact::CudaVersion => versions.map(|one| one.cuda.clone()),
        Fact::Name => Some(gpu.name.clone()),
        Fact::Brand => gpu.brand.clone(),
        Fact::Serial => gpu.serial.clone(),
        Fact::Uuid => Some(gpu.uuid.clone()),
        Fact::PciBusId => Some(gpu.pci_bus_id.clone()),
        Fact::Minor => gpu.minor.map(|minor| minor.to_string()),
        Fact::Index => Some(gpu.index.to_string()),
        Fact::InforomOem => gpu.inforom_oem_version.clone(),
        Fact::InforomEcc => gpu.inforom_ecc_version.clone(),
        Fact::InforomPower => gpu.inforom_power_version.clone(),
        Fact::InforomImage => gpu.inforom_image_version.clone(),
        Fact::Vbios => gpu.vbios_version.clone(),
    };
    text.filter(|text| !text.is_empty())
}
