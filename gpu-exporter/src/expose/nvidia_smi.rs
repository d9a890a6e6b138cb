//! The names of `nvidia_gpu_exporter`, which are those of nvidia-smi's query fields in base units.
//!
//! As there, everything is a gauge but energy and Xids, and the label `uuid` lacks its `GPU-`. What
//! that exporter tells of itself, and fields that no reading stands for, are left out.

use std::time::UNIX_EPOCH;

use prometheus_model::exposition::{MetricType, Number, Writer};

use super::native::number;
use crate::sample::catalogue::Reading;
use crate::sample::snapshot::{DeviceSnapshot, DriverState, MigSnapshot, Snapshot};

const PREFIX: &str = "nvidia_smi_";

/// A name without its prefix, the query field that is its help text there, and what it shows.
pub(super) type Row = (&'static str, &'static str, Reading);

/// What a gauge shows of a GPU.
type Value = fn(&DeviceSnapshot) -> Option<f64>;

/// Gauges of readings.
#[rustfmt::skip] // a table: one name a line
pub(super) const READINGS: &[Row] = &[
    ("clocks_current_graphics_clock_hz", "clocks.current.graphics [MHz]", Reading::ClockGraphics),
    ("clocks_current_memory_clock_hz", "clocks.current.memory [MHz]", Reading::ClockMemory),
    ("clocks_current_sm_clock_hz", "clocks.current.sm [MHz]", Reading::ClockSm),
    ("clocks_current_video_clock_hz", "clocks.current.video [MHz]", Reading::ClockVideo),
    ("clocks_event_reasons_active", "clocks_event_reasons.active", Reading::ClockEventBits),
    ("clocks_event_reasons_applications_clocks_setting", "clocks_event_reasons.applications_clocks_setting", Reading::ClockEventApplicationSetting),
    ("clocks_event_reasons_counters_hw_power_brake_slowdown_seconds", "clocks_event_reasons_counters.hw_power_brake_slowdown [us]", Reading::LimitedHwPowerBrake),
    ("clocks_event_reasons_counters_hw_thermal_slowdown_seconds", "clocks_event_reasons_counters.hw_thermal_slowdown [us]", Reading::LimitedHwThermal),
    ("clocks_event_reasons_counters_sw_power_cap_seconds", "clocks_event_reasons_counters.sw_power_cap [us]", Reading::LimitedSwPowerCap),
    ("clocks_event_reasons_counters_sw_thermal_slowdown_seconds", "clocks_event_reasons_counters.sw_thermal_slowdown [us]", Reading::LimitedSwThermal),
    ("clocks_event_reasons_counters_sync_boost_seconds", "clocks_event_reasons_counters.sync_boost [us]", Reading::LimitedSyncBoost),
    ("clocks_event_reasons_gpu_idle", "clocks_event_reasons.gpu_idle", Reading::ClockEventIdle),
    ("clocks_event_reasons_hw_power_brake_slowdown", "clocks_event_reasons.hw_power_brake_slowdown", Reading::ClockEventHwPowerBrake),
    ("clocks_event_reasons_hw_slowdown", "clocks_event_reasons.hw_slowdown", Reading::ClockEventHwSlowdown),
    ("clocks_event_reasons_hw_thermal_slowdown", "clocks_event_reasons.hw_thermal_slowdown", Reading::ClockEventHwThermal),
    ("clocks_event_reasons_sw_power_cap", "clocks_event_reasons.sw_power_cap", Reading::ClockEventSwPowerCap),
    ("clocks_event_reasons_sw_thermal_slowdown", "clocks_event_reasons.sw_thermal_slowdown", Reading::ClockEventSwThermal),
    ("clocks_event_reasons_sync_boost", "clocks_event_reasons.sync_boost", Reading::ClockEventSyncBoost),
    ("clocks_max_graphics_clock_hz", "clocks.max.graphics [MHz]", Reading::ClockMaxGraphics),
    ("clocks_max_memory_clock_hz", "clocks.max.memory [MHz]", Reading::ClockMaxMemory),
    ("clocks_max_sm_clock_hz", "clocks.max.sm [MHz]", Reading::ClockMaxSm),
    ("ecc_errors_corrected_aggregate_total", "ecc.errors.corrected.aggregate.total", Reading::EccCorrectedAggregate),
    ("ecc_errors_corrected_volatile_total", "ecc.errors.corrected.volatile.total", Reading::EccCorrectedVolatile),
    ("ecc_errors_uncorrected_aggregate_total", "ecc.errors.uncorrected.aggregate.total", Reading::EccUncorrectedAggregate),
    ("ecc_errors_uncorrected_volatile_total", "ecc.errors.uncorrected.volatile.total", Reading::EccUncorrectedVolatile),
    ("enforced_power_limit_watts", "enforced.power.limit [W]", Reading::PowerLimitEnforced),
    ("fabric_state", "fabric.state", Reading::FabricState),
    ("memory_free_bytes", "memory.free [MiB]", Reading::MemoryFree),
    ("memory_reserved_bytes", "memory.reserved [MiB]", Reading::MemoryReserved),
    ("memory_total_bytes", "memory.total [MiB]", Reading::MemoryTotal),
    ("memory_used_bytes", "memory.used [MiB]", Reading::MemoryUsed),
    ("pcie_link_gen_current", "pcie.link.gen.current", Reading::PcieLinkGeneration),
    ("pcie_link_gen_max", "pcie.link.gen.max", Reading::PcieLinkGenerationMax),
    ("pcie_link_width_current", "pcie.link.width.current", Reading::PcieLinkWidth),
    ("pcie_link_width_max", "pcie.link.width.max", Reading::PcieLinkWidthMax),
    ("pcie_throughput_rx_bytes_per_second", "PCIe traffic into the GPU.", Reading::PcieReceiveRate),
    ("pcie_throughput_tx_bytes_per_second", "PCIe traffic out of the GPU.", Reading::PcieTransmitRate),
    ("persistence_mode", "persistence_mode", Reading::PersistenceMode),
    ("power_default_limit_watts", "power.default_limit [W]", Reading::PowerLimitDefault),
    ("power_draw_average_watts", "power.draw.average [W]", Reading::Power),
    ("power_draw_instant_watts", "power.draw.instant [W]", Reading::PowerInstant),
    ("power_draw_watts", "power.draw [W]", Reading::Power),
    ("power_limit_watts", "power.limit [W]", Reading::PowerLimitRequested),
    ("power_max_limit_watts", "power.max_limit [W]", Reading::PowerLimitMax),
    ("power_min_limit_watts", "power.min_limit [W]", Reading::PowerLimitMin),
    ("pstate", "pstate", Reading::PerformanceState),
    ("remapped_rows_correctable", "remapped_rows.correctable", Reading::RemappedRowsCorrectable),
    ("remapped_rows_failure", "remapped_rows.failure", Reading::RowRemapFailure),
    ("remapped_rows_histogram_high", "remapped_rows.histogram.high", Reading::RowRemapBanksHigh),
    ("remapped_rows_histogram_low", "remapped_rows.histogram.low", Reading::RowRemapBanksLow),
    ("remapped_rows_histogram_max", "remapped_rows.histogram.max", Reading::RowRemapBanksMax),
    ("remapped_rows_histogram_none", "remapped_rows.histogram.none", Reading::RowRemapBanksNone),
    ("remapped_rows_histogram_partial", "remapped_rows.histogram.partial", Reading::RowRemapBanksPartial),
    ("remapped_rows_pending", "remapped_rows.pending", Reading::RowRemapPending),
    ("remapped_rows_uncorrectable", "remapped_rows.uncorrectable", Reading::RemappedRowsUncorrectable),
    ("temperature_gpu", "temperature.gpu", Reading::TemperatureGpu),
    ("temperature_gpu_tlimit", "temperature.gpu.tlimit", Reading::TemperatureMargin),
    ("temperature_memory", "temperature.memory", Reading::TemperatureMemory),
    ("utilization_decoder_ratio", "utilization.decoder [%]", Reading::DecoderUtilization),
    ("utilization_encoder_ratio", "utilization.encoder [%]", Reading::EncoderUtilization),
    ("utilization_gpu_ratio", "utilization.gpu [%]", Reading::Utilization),
    ("utilization_jpeg_ratio", "utilization.jpeg [%]", Reading::JpegUtilization),
    ("utilization_memory_ratio", "utilization.memory [%]", Reading::MemoryControllerUtilization),
    ("utilization_ofa_ratio", "utilization.ofa [%]", Reading::OfaUtilization),
];

/// Gauges of GPU instances.
pub(super) const OF_INSTANCES: &[Row] = &[
    ("mig_memory_total_bytes", "Memory of the GPU instance.", Reading::MemoryTotal),
    ("mig_memory_used_bytes", "Memory that is allocated.", Reading::MemoryUsed),
    ("mig_memory_free_bytes", "Memory that is free.", Reading::MemoryFree),
    ("mig_memory_reserved_bytes", "Memory that is reserved.", Reading::MemoryReserved),
    ("mig_graphics_activity_ratio", "Graphics engine active.", Reading::GraphicsEngineActive),
    ("mig_sm_activity_ratio", "SMs active.", Reading::SmActive),
    ("mig_sm_occupancy_ratio", "Warps resident.", Reading::SmOccupancy),
    ("mig_tensor_activity_ratio", "Tensor pipes active.", Reading::TensorActive),
];

/// Writes everything.
pub(super) fn write(writer: &mut Writer, snapshot: &Snapshot) {
    let answering = || snapshot.devices.iter().map(|one| &**one).filter(|one| one.is_up);
    family(writer, "gpu_info", MetricType::Gauge, "What the GPU is, in the labels; always 1.");
    for device in answering() {
        info(writer, device, &snapshot.driver);
    }
    let simple: [(&str, &str, Value); 4] = [
        ("index", "index", |device| Some(device.identity.index.into())),
        ("fan_speed_ratio", "fan.speed [%]", |device| device.fans.first()?.speed_ratio),
        ("mig_mode_current", "mig.mode.current", |device| Some(device.identity.is_mig.into())),
        ("gpu_recovery_action", "gpu_recovery_action", |device| {
            device.readings.last(Reading::RecoveryAction)
        }),
    ];
    for (name, help, value) in simple {
        family(writer, name, MetricType::Gauge, help);
        for device in answering() {
            sample(writer, device, value(device));
        }
    }
    for (name, help, reading) in READINGS {
        family(writer, name, MetricType::Gauge, help);
        for device in answering() {
            sample(writer, device, device.readings.last(*reading));
        }
    }
    let help = "Energy since the driver was loaded, in joules.";
    family(writer, "energy_joules_total", MetricType::Counter, help);
    for device in answering() {
        sample(writer, device, device.readings.last(Reading::Energy));
    }
    xids(writer, snapshot);
    if answering().any(|device| !device.mig.is_empty()) {
        instances(writer, answering());
    }
}

fn family(writer: &mut Writer, name: &str, kind: MetricType, help: &str) {
    writer.family(&format!("{PREFIX}{name}"), kind, help);
}

fn uuid(device: &DeviceSnapshot) -> &str {
    let uuid = device.identity.uuid.as_str();
    uuid.strip_prefix("GPU-").unwrap_or(uuid)
}

fn sample(writer: &mut Writer, device: &DeviceSnapshot, value: Option<f64>) {
    if let Some(value) = value.filter(|value| value.is_finite()) {
        writer.sample(&[("uuid", uuid(device))], number(value));
    }
}

fn info(writer: &mut Writer, device: &DeviceSnapshot, driver: &DriverState) {
    let gpu = &device.identity;
    let (driver, cuda) = match driver {
        DriverState::Up(versions) => (versions.driver.as_str(), versions.cuda.as_str()),
        DriverState::Down(_) => ("", ""),
    };
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    let labels = [
        ("uuid", uuid(device)),
        ("name", &gpu.name),
        // of Windows
        ("driver_model_current", "[N/A]"),
        ("driver_model_pending", "[N/A]"),
        ("vbios_version", &known(&gpu.vbios_version)),
        ("driver_version", driver),
        ("pci_bus_id", &gpu.pci_bus_id),
        ("serial", &known(&gpu.serial)),
        ("compute_cap", &known(&gpu.compute_capability)),
        ("index", &gpu.index.to_string()),
        ("cuda_version", cuda),
    ];
    writer.sample(&labels, 1_u64);
}

/// Also of GPUs that do not answer.
fn xids(writer: &mut Writer, snapshot: &Snapshot) {
    let all = || snapshot.devices.iter().flat_map(|one| one.xids.iter().map(move |xid| (one, xid)));
    let named =
        |number: Option<u32>| number.map_or_else(|| "other".to_owned(), |it| it.to_string());
    let help = "Errors that the driver reported since the start, by their number (Xid).";
    family(writer, "xid_errors_total", MetricType::Counter, help);
    for (device, xid) in all() {
        writer.sample(&[("uuid", uuid(device)), ("xid", &named(xid.number))], xid.count);
    }
    let help = "When the last error of this number was reported, in seconds since 1970.";
    family(writer, "xid_last_timestamp_seconds", MetricType::Gauge, help);
    for (device, xid) in all() {
        if let Ok(since) = xid.last.duration_since(UNIX_EPOCH) {
            let labels = [("uuid", uuid(device)), ("xid", &*named(xid.number))];
            writer.sample(&labels, Number::Fixed(since.as_secs_f64(), 3));
        }
    }
}

fn instances<'a>(writer: &mut Writer, devices: impl Iterator<Item = &'a DeviceSnapshot>) {
    let all: Vec<(&DeviceSnapshot, &MigSnapshot)> =
        devices.flat_map(|device| device.mig.iter().map(move |one| (device, one))).collect();
    family(writer, "mig_info", MetricType::Gauge, "What the MIG device is; always 1.");
    for (device, instance) in &all {
        let identity = &instance.identity;
        let labels = [
            ("uuid", uuid(device)),
            ("mig_uuid", &identity.uuid),
            ("gpu_instance_id", &identity.gpu_instance.to_string()),
            ("compute_instance_id", &identity.compute_instance.to_string()),
            ("profile", &identity.profile),
        ];
        writer.sample(&labels, 1_u64);
    }
    for (name, help, reading) in OF_INSTANCES {
        family(writer, name, MetricType::Gauge, help);
        let mut before = None;
        for (device, instance) in &all {
            let id = instance.identity.gpu_instance;
            // compute instances of one GPU instance share what it has
            let is_first = before.replace((uuid(device), id)) != Some((uuid(device), id));
            let value = instance.readings.last(*reading).filter(|_| is_first);
            if let Some(value) = value.filter(|value| value.is_finite()) {
                let labels = [("uuid", uuid(device)), ("gpu_instance_id", &*id.to_string())];
                writer.sample(&labels, number(value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use prometheus_model::exposition::is_valid_metric_name;

    use super::*;

    #[test]
    fn every_name_is_one_and_there_once() {
        let mut seen = HashSet::new();
        for (name, help, _) in READINGS.iter().chain(OF_INSTANCES) {
            assert!(is_valid_metric_name(&format!("{PREFIX}{name}")), "{name}");
            assert!(seen.insert(name) && !help.is_empty(), "{name}");
        }
    }
}
