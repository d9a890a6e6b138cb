//! The native names: one table from readings to families, in base units.
//!
//! Every reading is in the table once, or in [`DCGM_ONLY`], or is one of [`special`]. MIG instances have the same families under
//! [`instance_name`], so that a sum over `gpu_*` never counts memory twice.

pub(super) mod special;

use prometheus_model::exposition::MetricType;

use crate::sample::catalogue::Reading;

/// Labels with values that are known at build time.
pub(super) type Fixed = &'static [(&'static str, &'static str)];

/// A family whose samples are readings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    /// `gpu_*`.
    pub(super) name: &'static str,
    /// Counter or gauge.
    pub(super) kind: MetricType,
    /// With the unit.
    pub(super) help: &'static str,
    /// The readings, each with the labels that tell it from the others.
    pub(super) series: &'static [(Reading, Fixed)],
}

/// Readings that only DCGM's names show: what they say is in native counters or series already.
pub(super) const DCGM_ONLY: &[Reading] = &[
    Reading::ClockEventBits,
    Reading::PcieTransmitRate,
    Reading::PcieReceiveRate,
    Reading::NvlinkTransmitRate,
    Reading::NvlinkReceiveRate,
    Reading::NvlinkBandwidth,
];

/// Readings that a native page has only if asked for. A GPU has at most 130 native series without them:
/// they are what is of use to few, or what another series nearly says.
pub(super) const DETAIL: &[Reading] = &[
    // the clocks of SMs, but for rare moments
    Reading::ClockGraphics,
    Reading::ClockMaxGraphics,
    Reading::ClockVideo,
    Reading::ClockMaxVideo,
    Reading::JpegUtilization,
    Reading::JpegBusySeconds,
    Reading::OfaUtilization,
    Reading::OfaBusySeconds,
    // parts of `TensorActive`
    Reading::TensorDfmaActive,
    Reading::TensorHmmaActive,
    Reading::TensorDmmaActive,
    Reading::TensorImmaActive,
    Reading::PcieReplayRollovers,
    // the exporter keeps the GPU initialised itself
    Reading::PersistenceMode,
    // exact where ratios are averages of a second, but of new drivers only
    Reading::SmCycles,
    Reading::SmActiveCycles,
    Reading::TensorActiveCycles,
    Reading::TensorDfmaCycles,
    Reading::TensorHmmaCycles,
    Reading::TensorDmmaCycles,
    Reading::TensorImmaCycles,
    Reading::PipeFp64Cycles,
    Reading::PipeFp32Cycles,
    Reading::PipeFp16Cycles,
    Reading::PipeIntCycles,
];

/// `gpu_memory_used_bytes` is `gpu_mig_memory_used_bytes` for a MIG instance.
pub(super) fn instance_name(name: &str) -> String {
    format!("gpu_mig_{}", name.strip_prefix("gpu_").unwrap_or(name))
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    series: &'static [(Reading, Fixed)],
) -> Family {
    Family { name, kind: MetricType::Gauge, help, series }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    series: &'static [(Reading, Fixed)],
) -> Family {
    Family { name, kind: MetricType::Counter, help, series }
}

/// All families of readings.
pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "gpu_utilization_ratio",
        "Share of the driver's last period (1/6 s to 1 s) during which a kernel was resident, 0 to 1.",
        &[(Reading::Utilization, &[])],
    ),
    gauge(
        "gpu_utilization_window_avg_ratio",
        "Average utilization over the trailing window (30 s by default), 0 to 1.",
        &[(Reading::UtilizationWindowAverage, &[])],
    ),
    gauge(
        "gpu_utilization_window_max_ratio",
        "Highest utilization in the trailing window (30 s by default), 0 to 1.",
        &[(Reading::UtilizationWindowMax, &[])],
    ),
    counter(
        "gpu_busy_seconds_total",
        "Seconds during which a kernel was resident: the integral of the driver's samples.",
        &[(Reading::BusySeconds, &[])],
    ),
    counter(
        "gpu_stall_seconds_total",
        "Seconds during which memory was allocated and utilization below 5 %.",
        &[(Reading::StallSeconds, &[])],
    ),
    gauge(
        "gpu_memory_controller_utilization_ratio",
        "Share of the driver's last period during which memory was read or written, 0 to 1.",
        &[(Reading::MemoryControllerUtilization, &[])],
    ),
    counter(
        "gpu_memory_controller_busy_seconds_total",
        "Seconds during which memory was read or written: the integral of the driver's samples.",
        &[(Reading::MemoryControllerBusySeconds, &[])],
    ),
    gauge(
        "gpu_engine_utilization_ratio",
        "Share of the driver's last period during which a media engine worked, 0 to 1.",
        &[
            (Reading::EncoderUtilization, &[("engine", "encoder")]),
            (Reading::DecoderUtilization, &[("engine", "decoder")]),
            (Reading::JpegUtilization, &[("engine", "jpeg")]),
            (Reading::OfaUtilization, &[("engine", "ofa")]),
        ],
    ),
    counter(
        "gpu_engine_busy_seconds_total",
        "Seconds during which a media engine worked.",
        &[
            (Reading::EncoderBusySeconds, &[("engine", "encoder")]),
            (Reading::DecoderBusySeconds, &[("engine", "decoder")]),
            (Reading::JpegBusySeconds, &[("engine", "jpeg")]),
            (Reading::OfaBusySeconds, &[("engine", "ofa")]),
        ],
    ),
    gauge(
        "gpu_power_window_max_watts",
        "Highest power in the trailing window (30 s by default), in watts.",
        &[(Reading::PowerWindowMax, &[])],
    ),
    gauge("gpu_memory_total_bytes", "Device memory, in bytes.", &[(Reading::MemoryTotal, &[])]),
    gauge(
        "gpu_memory_used_bytes",
        "Device memory allocated by programs, in bytes. The reserve of driver and firmware is not in \
         it (NVML's second version of the call); the first version, which old nvidia-smi and pynvml \
         show, is this plus gpu_memory_reserved_bytes.",
        &[(Reading::MemoryUsed, &[])],
    ),
    gauge("gpu_memory_free_bytes", "Free device memory, in bytes.", &[(Reading::MemoryFree, &[])]),
    gauge(
        "gpu_memory_reserved_bytes",
        "Device memory reserved by driver and firmware, in bytes.",
        &[(Reading::MemoryReserved, &[])],
    ),
    gauge(
        "gpu_bar1_memory_total_bytes",
        "Memory that can be mapped through BAR1, in bytes.",
        &[(Reading::Bar1Total, &[])],
    ),
    gauge(
        "gpu_bar1_memory_used_bytes",
        "Memory that is mapped through BAR1, in bytes.",
        &[(Reading::Bar1Used, &[])],
    ),
    gauge(
        "gpu_bar1_memory_free_bytes",
        "Memory that can still be mapped through BAR1, in bytes.",
        &[(Reading::Bar1Free, &[])],
    ),
    gauge(
        "gpu_clock_hertz",
        "Clocks now, in hertz.",
        &[
            (Reading::ClockSm, &[("clock", "sm")]),
            (Reading::ClockMemory, &[("clock", "memory")]),
            (Reading::ClockGraphics, &[("clock", "graphics")]),
            (Reading::ClockVideo, &[("clock", "video")]),
        ],
    ),
    gauge(
        "gpu_clock_max_hertz",
        "Highest clocks that the board supports, in hertz.",
        &[
            (Reading::ClockMaxSm, &[("clock", "sm")]),
            (Reading::ClockMaxMemory, &[("clock", "memory")]),
            (Reading::ClockMaxGraphics, &[("clock", "graphics")]),
            (Reading::ClockMaxVideo, &[("clock", "video")]),
        ],
    ),
    gauge(
        "gpu_performance_state",
        "Performance state, 0 (fastest) to 15.",
        &[(Reading::PerformanceState, &[])],
    ),
    gauge(
        "gpu_clock_event_active",
        "Whether clocks are held down for this reason now, 0 or 1.",
        &[
            (Reading::ClockEventIdle, &[("reason", "idle")]),
            (Reading::ClockEventApplicationSetting, &[("reason", "application_setting")]),
            (Reading::ClockEventSwPowerCap, &[("reason", "sw_power_cap")]),
            (Reading::ClockEventHwSlowdown, &[("reason", "hw_slowdown")]),
            (Reading::ClockEventSyncBoost, &[("reason", "sync_boost")]),
            (Reading::ClockEventSwThermal, &[("reason", "sw_thermal")]),
            (Reading::ClockEventHwThermal, &[("reason", "hw_thermal")]),
            (Reading::ClockEventHwPowerBrake, &[("reason", "hw_power_brake")]),
            (Reading::ClockEventDisplay, &[("reason", "display")]),
            (Reading::ClockEventBoardLimit, &[("reason", "board_limit")]),
            (Reading::ClockEventReliability, &[("reason", "reliability")]),
        ],
    ),
    counter(
        "gpu_clock_limited_seconds_total",
        "Seconds during which clocks were held down for this reason.",
        &[
            (Reading::LimitedSwPowerCap, &[("reason", "sw_power_cap")]),
            (Reading::LimitedSwThermal, &[("reason", "sw_thermal")]),
            (Reading::LimitedHwThermal, &[("reason", "hw_thermal")]),
            (Reading::LimitedHwPowerBrake, &[("reason", "hw_power_brake")]),
            (Reading::LimitedSyncBoost, &[("reason", "sync_boost")]),
            (Reading::LimitedBoardLimit, &[("reason", "board_limit")]),
            (Reading::LimitedLowUtilization, &[("reason", "low_utilization")]),
            (Reading::LimitedReliability, &[("reason", "reliability")]),
        ],
    ),
    gauge(
        "gpu_power_watts",
        "Power of the board, in watts; the driver's average over 1 s on Ampere and later.",
        &[(Reading::Power, &[])],
    ),
    gauge(
        "gpu_power_instant_watts",
        "Power of the board at this moment, in watts.",
        &[(Reading::PowerInstant, &[])],
    ),
    gauge(
        "gpu_power_limit_watts",
        "Limits of power, in watts: the one in force, the one asked for, and what the board allows.",
        &[
            (Reading::PowerLimitEnforced, &[("kind", "enforced")]),
            (Reading::PowerLimitRequested, &[("kind", "requested")]),
            (Reading::PowerLimitDefault, &[("kind", "default")]),
            (Reading::PowerLimitMin, &[("kind", "min")]),
            (Reading::PowerLimitMax, &[("kind", "max")]),
        ],
    ),
    counter(
        "gpu_energy_joules_total",
        "Energy since the driver was loaded, in joules.",
        &[(Reading::Energy, &[])],
    ),
    gauge(
        "gpu_temperature_celsius",
        "Temperature, in degrees Celsius.",
        &[
            (Reading::TemperatureGpu, &[("sensor", "gpu")]),
            (Reading::TemperatureMemory, &[("sensor", "memory")]),
        ],
    ),
    gauge(
        "gpu_temperature_margin_celsius",
        "Degrees Celsius below the temperature at which clocks go down.",
        &[(Reading::TemperatureMargin, &[])],
    ),
    gauge(
        "gpu_temperature_threshold_celsius",
        "Temperatures at which the board acts, in degrees Celsius.",
        &[
            (Reading::ThresholdShutdown, &[("threshold", "shutdown")]),
            (Reading::ThresholdSlowdown, &[("threshold", "slowdown")]),
            (Reading::ThresholdMemoryMax, &[("threshold", "memory_max")]),
            (Reading::ThresholdGpuMax, &[("threshold", "gpu_max")]),
        ],
    ),
    gauge(
        "gpu_graphics_engine_active_ratio",
        "Share of time during which the graphics or compute engine was active, 0 to 1. Hopper and later.",
        &[(Reading::GraphicsEngineActive, &[])],
    ),
    gauge(
        "gpu_sm_active_ratio",
        "Share of time during which an SM had a warp, averaged over SMs, 0 to 1. Hopper and later.",
        &[(Reading::SmActive, &[])],
    ),
    gauge(
        "gpu_sm_occupancy_ratio",
        "Resident warps of the possible ones, 0 to 1. Hopper and later.",
        &[(Reading::SmOccupancy, &[])],
    ),
    gauge(
        "gpu_tensor_active_ratio",
        "Share of time during which a tensor pipe was active, 0 to 1. Hopper and later.",
        &[
            (Reading::TensorActive, &[("pipe", "any")]),
            (Reading::TensorDfmaActive, &[("pipe", "dfma")]),
            (Reading::TensorHmmaActive, &[("pipe", "hmma")]),
            (Reading::TensorDmmaActive, &[("pipe", "dmma")]),
            (Reading::TensorImmaActive, &[("pipe", "imma")]),
        ],
    ),
    gauge(
        "gpu_pipe_active_ratio",
        "Share of time during which an arithmetic pipe was active, 0 to 1. Hopper and later.",
        &[
            (Reading::PipeFp64Active, &[("pipe", "fp64")]),
            (Reading::PipeFp32Active, &[("pipe", "fp32")]),
            (Reading::PipeFp16Active, &[("pipe", "fp16")]),
            (Reading::PipeIntActive, &[("pipe", "int")]),
        ],
    ),
    gauge(
        "gpu_dram_active_ratio",
        "Share of time during which the memory interface was busy, 0 to 1. Hopper and later.",
        &[(Reading::DramActive, &[])],
    ),
    counter(
        "gpu_sm_cycles_total",
        "Cycles of the SM clock since the GPU was reset: what the counters of active cycles are a \
         share of, exactly over any time. Hopper and later with driver 590 and later.",
        &[(Reading::SmCycles, &[])],
    ),
    counter(
        "gpu_sm_active_cycles_total",
        "Cycles during which an SM had a warp, averaged over SMs. As gpu_sm_cycles_total.",
        &[(Reading::SmActiveCycles, &[])],
    ),
    counter(
        "gpu_tensor_active_cycles_total",
        "Cycles during which a tensor pipe was active. As gpu_sm_cycles_total.",
        &[
            (Reading::TensorActiveCycles, &[("pipe", "any")]),
            (Reading::TensorDfmaCycles, &[("pipe", "dfma")]),
            (Reading::TensorHmmaCycles, &[("pipe", "hmma")]),
            (Reading::TensorDmmaCycles, &[("pipe", "dmma")]),
            (Reading::TensorImmaCycles, &[("pipe", "imma")]),
        ],
    ),
    counter(
        "gpu_pipe_active_cycles_total",
        "Cycles during which an arithmetic pipe was active. As gpu_sm_cycles_total.",
        &[
            (Reading::PipeFp64Cycles, &[("pipe", "fp64")]),
            (Reading::PipeFp32Cycles, &[("pipe", "fp32")]),
            (Reading::PipeFp16Cycles, &[("pipe", "fp16")]),
            (Reading::PipeIntCycles, &[("pipe", "int")]),
        ],
    ),
    counter(
        "gpu_pcie_transmit_bytes_total",
        "Bytes out of the GPU over PCIe.",
        &[(Reading::PcieTransmitBytes, &[])],
    ),
    counter(
        "gpu_pcie_receive_bytes_total",
        "Bytes into the GPU over PCIe.",
        &[(Reading::PcieReceiveBytes, &[])],
    ),
    counter(
        "gpu_pcie_replays_total",
        "Retries of the PCIe link layer.",
        &[(Reading::PcieReplays, &[])],
    ),
    counter(
        "gpu_pcie_replay_rollovers_total",
        "Overflows of the counter of retries of the PCIe link layer.",
        &[(Reading::PcieReplayRollovers, &[])],
    ),
    counter(
        "gpu_pcie_errors_total",
        "Errors that PCIe reported.",
        &[
            (Reading::PcieCorrectableErrors, &[("type", "correctable")]),
            (Reading::PcieNonFatalErrors, &[("type", "non_fatal")]),
            (Reading::PcieFatalErrors, &[("type", "fatal")]),
        ],
    ),
    gauge(
        "gpu_pcie_link_generation",
        "Generation of the PCIe link, now and at most.",
        &[
            (Reading::PcieLinkGeneration, &[("which", "current")]),
            (Reading::PcieLinkGenerationMax, &[("which", "max")]),
        ],
    ),
    gauge(
        "gpu_pcie_link_width",
        "Lanes of the PCIe link, now and at most.",
        &[
            (Reading::PcieLinkWidth, &[("which", "current")]),
            (Reading::PcieLinkWidthMax, &[("which", "max")]),
        ],
    ),
    counter(
        "gpu_nvlink_transmit_bytes_total",
        "Bytes out of the GPU over all of its NVLinks.",
        &[(Reading::NvlinkTransmitBytes, &[])],
    ),
    counter(
        "gpu_nvlink_receive_bytes_total",
        "Bytes into the GPU over all of its NVLinks.",
        &[(Reading::NvlinkReceiveBytes, &[])],
    ),
    counter(
        "gpu_nvlink_errors_total",
        "Errors of all NVLinks of the GPU.",
        &[
            (Reading::NvlinkCrcFlitErrors, &[("type", "crc_flit")]),
            (Reading::NvlinkCrcDataErrors, &[("type", "crc_data")]),
            (Reading::NvlinkReplayErrors, &[("type", "replay")]),
            (Reading::NvlinkRecoveryErrors, &[("type", "recovery")]),
        ],
    ),
    gauge("gpu_nvlink_active_links", "NVLinks that are up.", &[(Reading::NvlinkActiveLinks, &[])]),
    counter(
        "gpu_ecc_errors_total",
        "Memory errors, since the driver was loaded (volatile) or over the life of the board.",
        &[
            (Reading::EccCorrectedVolatile, &[("kind", "corrected"), ("lifetime", "volatile")]),
            (Reading::EccUncorrectedVolatile, &[("kind", "uncorrected"), ("lifetime", "volatile")]),
            (Reading::EccCorrectedAggregate, &[("kind", "corrected"), ("lifetime", "aggregate")]),
            (
                Reading::EccUncorrectedAggregate,
                &[("kind", "uncorrected"), ("lifetime", "aggregate")],
            ),
        ],
    ),
    counter(
        "gpu_remapped_rows_total",
        "Rows of memory that were replaced by spare ones, over the life of the board.",
        &[
            (Reading::RemappedRowsCorrectable, &[("cause", "correctable")]),
            (Reading::RemappedRowsUncorrectable, &[("cause", "uncorrectable")]),
        ],
    ),
    gauge(
        "gpu_row_remap_pending",
        "Whether a reset is needed to finish the replacement of rows, 0 or 1.",
        &[(Reading::RowRemapPending, &[])],
    ),
    gauge(
        "gpu_row_remap_failure",
        "Whether a row could not be replaced, 0 or 1: the board has to be exchanged.",
        &[(Reading::RowRemapFailure, &[])],
    ),
    gauge(
        "gpu_row_remap_banks",
        "Banks of memory by how many of their spare rows are left.",
        &[
            (Reading::RowRemapBanksMax, &[("availability", "max")]),
            (Reading::RowRemapBanksHigh, &[("availability", "high")]),
            (Reading::RowRemapBanksPartial, &[("availability", "partial")]),
            (Reading::RowRemapBanksLow, &[("availability", "low")]),
            (Reading::RowRemapBanksNone, &[("availability", "none")]),
        ],
    ),
    gauge(
        "gpu_retired_pages",
        "Pages of memory that are not used any more, on boards before Ampere.",
        &[
            (Reading::RetiredPagesCorrected, &[("cause", "corrected")]),
            (Reading::RetiredPagesUncorrected, &[("cause", "uncorrected")]),
        ],
    ),
    gauge(
        "gpu_retired_pages_pending",
        "Whether a reset is needed to retire pages, 0 or 1.",
        &[(Reading::RetiredPagesPending, &[])],
    ),
    gauge(
        "gpu_vgpu_licensed",
        "Whether the virtual GPU has its licence, 0 or 1.",
        &[(Reading::VgpuLicensed, &[])],
    ),
    gauge(
        "gpu_fabric_state",
        "Registration with the NVLink fabric: 0 not supported, 1 not started, 2 in progress, \
         3 completed.",
        &[(Reading::FabricState, &[])],
    ),
    gauge(
        "gpu_persistence_mode",
        "Whether the driver keeps the GPU initialised without clients, 0 or 1.",
        &[(Reading::PersistenceMode, &[])],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reading_is_exposed_once_or_is_of_dcgm_alone() {
        let shown = FAMILIES.iter().flat_map(|family| family.series).map(|(reading, _)| reading);
        let all: Vec<&Reading> = shown.chain(DCGM_ONLY).chain(&[Reading::RecoveryAction]).collect();
        let missing: Vec<_> = Reading::ALL.iter().filter(|one| !all.contains(one)).collect();
        assert!(missing.is_empty(), "without a name: {missing:?}");
        assert_eq!(all.len(), Reading::ALL.len(), "a reading has two names");
    }

    #[test]
    fn names_say_type_and_unit_and_labels_tell_series_apart() {
        let mut names = HashSet::new();
        for family in FAMILIES {
            assert!(names.insert(family.name), "{} twice", family.name);
            assert!(family.name.starts_with("gpu_"), "{}", family.name);
            let is_counter = family.kind == MetricType::Counter;
            assert_eq!(family.name.ends_with("_total"), is_counter, "{}", family.name);
            let labels: HashSet<Fixed> = family.series.iter().map(|(_, labels)| *labels).collect();
            assert_eq!(labels.len(), family.series.len(), "{}", family.name);
            for (unit, word) in [("bytes", "ytes"), ("seconds", "econds"), ("watts", "watts")] {
                let has_unit = family.name.trim_end_matches("_total").ends_with(unit);
                assert!(!has_unit || family.help.contains(word), "{}", family.name);
            }
        }
    }

    #[test]
    fn instances_have_names_of_their_own() {
        assert_eq!(instance_name("gpu_sm_active_ratio"), "gpu_mig_sm_active_ratio");
    }
}
