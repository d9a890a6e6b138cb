//! Native families that are more than one reading: information, states, errors by number.
//!
//! Only names from here and from the table of readings may be on a native page.

use prometheus_model::exposition::MetricType;

/// A family that is written by hand.
#[derive(Debug, Clone, Copy)]
pub(in crate::expose) struct Special {
    /// Its name.
    pub(in crate::expose) name: &'static str,
    /// Its type.
    pub(in crate::expose) kind: MetricType,
    /// The labels, for people.
    pub(in crate::expose) labels: &'static str,
    /// With the unit.
    pub(in crate::expose) help: &'static str,
}

const fn special(
    name: &'static str,
    kind: MetricType,
    labels: &'static str,
    help: &'static str,
) -> Special {
    Special { name, kind, labels, help }
}

const GPU: &str = "gpu_id, uuid";

pub(in crate::expose) const NVML_UP: Special = special(
    "gpu_exporter_nvml_up",
    MetricType::Gauge,
    "reason, if 0",
    "Whether NVML works, 0 or 1; the reason is one of library_not_found, driver_not_loaded, \
     version_mismatch, released, starting and the like.",
);
pub(in crate::expose) const COUNT: Special = special(
    "gpu_count",
    MetricType::Gauge,
    "",
    "GPUs of the node, those that do not answer included. Absent while NVML does not work.",
);
pub(in crate::expose) const UP: Special = special(
    "gpu_up",
    MetricType::Gauge,
    GPU,
    "Whether the GPU answers, 0 or 1. GPUs that were seen since the start stay.",
);
pub(in crate::expose) const DOWN_REASON: Special = special(
    "gpu_down_reason",
    MetricType::Gauge,
    "gpu_id, uuid, reason",
    "Why the GPU does not answer (lost, hung, reset_required, gone); always 1.",
);
pub(in crate::expose) const INFO: Special = special(
    "gpu_info",
    MetricType::Gauge,
    "gpu_id, uuid, name, pci_bus_id, and where they are known: brand, architecture, \
     compute_capability, serial, minor, driver_version, nvml_version, cuda_version, vbios_version, \
     inforom_image_version, inforom_oem_version, inforom_ecc_version, inforom_power_version, mig",
    "What the GPU is, in the labels; always 1.",
);
pub(in crate::expose) const MIG_INFO: Special = special(
    "gpu_mig_info",
    MetricType::Gauge,
    "gpu_id, uuid, mig_uuid, gi_id, ci_id, mig_profile",
    "What the MIG instance is, in the labels; always 1.",
);
pub(in crate::expose) const POD_INFO: Special = special(
    "gpu_pod_info",
    MetricType::Gauge,
    "gpu_id, uuid, gi_id (MIG), namespace, pod, container, pod_uid, resource, replica, and labels of \
     the pod that were asked for",
    "The container that holds the GPU or MIG instance, in the labels; always 1. One for each \
     container that shares it.",
);
pub(in crate::expose) const ALLOCATED: Special = special(
    "gpu_allocated",
    MetricType::Gauge,
    GPU,
    "Whether a container holds the GPU or one of its MIG instances, 0 or 1. Absent until the kubelet \
     has answered.",
);
pub(in crate::expose) const MIG_ALLOCATED: Special = special(
    "gpu_mig_allocated",
    MetricType::Gauge,
    "gpu_id, uuid, gi_id, ci_id, mig_profile",
    "Whether a container holds the MIG instance, 0 or 1. Absent until the kubelet has answered.",
);
pub(in crate::expose) const UTILIZATION_PERCENT: Special = special(
    "gpu_utilization_percent",
    MetricType::Gauge,
    "gpu_id",
    "gpu_utilization_ratio times 100, for dashboards and rules that know this name.",
);
pub(in crate::expose) const DISTRIBUTION: Special = special(
    "gpu_utilization_distribution",
    MetricType::Histogram,
    GPU,
    "The driver's samples of utilization since the start, by their height, 0 to 1.",
);
pub(in crate::expose) const FAN_SPEED: Special = special(
    "gpu_fan_speed_ratio",
    MetricType::Gauge,
    "gpu_id, uuid, fan",
    "Speed that the fan is set to, as a share of its nominal one; it may exceed 1.",
);
pub(in crate::expose) const FAN_RPM: Special = special(
    "gpu_fan_rpm",
    MetricType::Gauge,
    "gpu_id, uuid, fan",
    "Speed of the fan, in revolutions per minute.",
);
pub(in crate::expose) const XID_ERRORS: Special = special(
    "gpu_xid_errors_total",
    MetricType::Counter,
    "gpu_id, uuid, xid",
    "Errors that the driver reported since the start, by their number (Xid).",
);
pub(in crate::expose) const XID_LAST_TIMESTAMP: Special = special(
    "gpu_xid_last_timestamp_seconds",
    MetricType::Gauge,
    "gpu_id, uuid, xid",
    "When the last error of this number was reported, in seconds since 1970.",
);
pub(in crate::expose) const LAST_XID: Special = special(
    "gpu_last_xid",
    MetricType::Gauge,
    GPU,
    "Number of the last error (Xid). Absent before the first.",
);
pub(in crate::expose) const RECOVERY_ACTION: Special = special(
    "gpu_recovery_action",
    MetricType::Gauge,
    "gpu_id, uuid, action",
    "What the driver asks for: 1 for one of none, gpu_reset, node_reboot, drain_p2p, \
     drain_and_reset, recover_imex, bus_reset, system_reboot, unknown, and 0 for the others.",
);
pub(in crate::expose) const HEALTH: Special = special(
    "gpu_health",
    MetricType::Gauge,
    "gpu_id, uuid, watch",
    "Health as derived from counters and states: 0 good, 10 warning, 20 failure.",
);
pub(in crate::expose) const LINK_TRANSMIT: Special = special(
    "gpu_nvlink_link_transmit_bytes_total",
    MetricType::Counter,
    "gpu_id, uuid, link",
    "Bytes out of the GPU over one NVLink. Only if asked for.",
);
pub(in crate::expose) const LINK_RECEIVE: Special = special(
    "gpu_nvlink_link_receive_bytes_total",
    MetricType::Counter,
    "gpu_id, uuid, link",
    "Bytes into the GPU over one NVLink. Only if asked for.",
);
pub(in crate::expose) const LINK_ACTIVE: Special = special(
    "gpu_nvlink_link_active",
    MetricType::Gauge,
    "gpu_id, uuid, link",
    "Whether the NVLink is up, 0 or 1. Only if asked for.",
);
pub(in crate::expose) const PROCESS_MEMORY: Special = special(
    "gpu_process_memory_used_bytes",
    MetricType::Gauge,
    "gpu_id, uuid, pid, gi_id and ci_id (MIG)",
    "Device memory of a process, in bytes. Only if asked for.",
);
pub(in crate::expose) const PROCESS_SM: Special = special(
    "gpu_process_sm_utilization_ratio",
    MetricType::Gauge,
    "gpu_id, uuid, pid, gi_id and ci_id (MIG)",
    "Share of SM time that a process used, 0 to 1. Only if asked for.",
);
pub(in crate::expose) const SAMPLE_AGE: Special = special(
    "gpu_exporter_sample_age_seconds",
    MetricType::Gauge,
    "gpu_id",
    "Seconds since the GPU was last read in full. Only while it answers.",
);
pub(in crate::expose) const CALL_STUCK: Special = special(
    "gpu_exporter_call_stuck_seconds",
    MetricType::Gauge,
    "gpu_id",
    "Seconds that a call of the driver has not returned. Absent while calls return.",
);

/// All of them, in the order of the documentation.
pub(in crate::expose) const ALL: &[Special] = &[
    UP,
    DOWN_REASON,
    COUNT,
    INFO,
    MIG_INFO,
    POD_INFO,
    ALLOCATED,
    MIG_ALLOCATED,
    UTILIZATION_PERCENT,
    DISTRIBUTION,
    FAN_SPEED,
    FAN_RPM,
    XID_ERRORS,
    XID_LAST_TIMESTAMP,
    LAST_XID,
    RECOVERY_ACTION,
    HEALTH,
    LINK_TRANSMIT,
    LINK_RECEIVE,
    LINK_ACTIVE,
    PROCESS_MEMORY,
    PROCESS_SM,
    NVML_UP,
    SAMPLE_AGE,
    CALL_STUCK,
];
