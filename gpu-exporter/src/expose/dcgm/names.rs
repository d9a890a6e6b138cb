//! DCGM's names: where each comes from, its scale, and how it is written.
//!
//! The scale is applied here and nowhere else. Names of one row are the same field: the one that
//! dcgm-exporter's files use first, then those of its version 1 and of DCGM 4.6.

use crate::sample::catalogue::Reading;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expose) enum Source {
    /// A reading.
    Reading(Reading),
    /// Number of the last Xid, with its text in the labels.
    LastXid,
    /// Xids in a window, by number.
    XidCounts,
    /// Clock events in a window, by reason.
    ClockEventCounts,
    /// Findings of [`crate::expose::health`].
    Health,
    /// Used memory as a share of what is not reserved.
    MemoryUsedShare,
    /// The first fan.
    FanSpeed,
    /// Bytes of one `NVLink`, both directions.
    LinkBytes(u32),
    /// A text, for the labels.
    Fact(Fact),
}

/// A text that a line of the type `label` puts on every series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expose) enum Fact {
    DriverVersion,
    NvmlVersion,
    CudaVersion,
    Name,
    Brand,
    Serial,
    Uuid,
    PciBusId,
    Minor,
    Index,
    InforomOem,
    InforomEcc,
    InforomPower,
    InforomImage,
    Vbios,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expose) enum Form {
    /// A whole number, the nearest one.
    Integer,
    /// A whole number, the next lower one: memory, which DCGM divides as integers.
    Floor,
    /// Six decimals.
    Float,
}

/// A field of DCGM.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::expose) struct Field {
    /// The name in dcgm-exporter's own files.
    pub(in crate::expose) name: &'static str,
    /// Other names.
    pub(in crate::expose) aliases: &'static [&'static str],
    /// Where the value comes from.
    pub(in crate::expose) source: Source,
    /// What a value in base units is multiplied with.
    pub(in crate::expose) scale: f64,
    /// How it is written.
    pub(in crate::expose) form: Form,
    /// The unit that comes of it.
    pub(in crate::expose) unit: &'static str,
}

impl Field {
    /// It goes up and down although dcgm-exporter's files call it a counter.
    pub(in crate::expose) fn is_gauge(&self) -> bool {
        matches!(
            self.source,
            Source::Reading(Reading::NvlinkBandwidth)
                | Source::XidCounts
                | Source::ClockEventCounts
                | Source::Health
        )
    }
}

/// The field of a name, under any of its spellings.
pub(in crate::expose) fn find(name: &str) -> Option<Field> {
    let is_named = |field: &&Field| field.name == name || field.aliases.contains(&name);
    FIELDS.iter().find(is_named).copied().or_else(|| link_field(name))
}

/// Links have a field each.
fn link_field(name: &str) -> Option<Field> {
    let number = ["DCGM_FI_DEV_NVLINK_BANDWIDTH_L", "DCGM_FI_DEV_NVLINK_THROUGHPUT_L"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))?;
    let link = number.parse().ok().filter(|link| *link < 72 && number == format!("{link}"))?;
    Some(Field {
        name: "DCGM_FI_DEV_NVLINK_BANDWIDTH_Ln",
        aliases: &[],
        source: Source::LinkBytes(link),
        scale: 1.0,
        form: Form::Integer,
        unit: "bytes",
    })
}

const MIB: f64 = 1.0 / (1024.0 * 1024.0);
const MEGA: f64 = 1e-6;

type Names = &'static [&'static str];

const fn of(
    name: &'static str,
    aliases: Names,
    source: Source,
    scale: f64,
    form: Form,
    unit: &'static str,
) -> Field {
    Field { name, aliases, source, scale, form, unit }
}

const fn plain(name: &'static str, aliases: Names, reading: Reading) -> Field {
    of(name, aliases, Source::Reading(reading), 1.0, Form::Integer, "")
}

const fn mhz(name: &'static str, aliases: Names, reading: Reading) -> Field {
    of(name, aliases, Source::Reading(reading), MEGA, Form::Integer, "MHz")
}

const fn hertz(name: &'static str, reading: Reading) -> Field {
    of(name, &[], Source::Reading(reading), 1.0, Form::Integer, "Hz")
}

const fn celsius(name: &'static str, aliases: Names, reading: Reading) -> Field {
    of(name, aliases, Source::Reading(reading), 1.0, Form::Integer, "C")
}

const fn watts(name: &'static str, aliases: Names, reading: Reading) -> Field {
    of(name, aliases, Source::Reading(reading), 1.0, Form::Float, "W")
}

const fn percent(name: &'static str, aliases: Names, reading: Reading) -> Field {
    of(name, aliases, Source::Reading(reading), 100.0, Form::Integer, "%")
}

const fn mib(name: &'static str, aliases: Names, reading: Reading) -> Field {
    of(name, aliases, Source::Reading(reading), MIB, Form::Floor, "MiB")
}

const fn bytes(name: &'static str, reading: Reading) -> Field {
    of(name, &[], Source::Reading(reading), 1.0, Form::Integer, "bytes")
}

const fn nanoseconds(name: &'static str, aliases: Names, reading: Reading) -> Field {
    of(name, aliases, Source::Reading(reading), 1e9, Form::Integer, "ns")
}

const fn ratio(name: &'static str, aliases: Names, reading: Reading) -> Field {
    of(name, aliases, Source::Reading(reading), 1.0, Form::Float, "0 to 1")
}

const fn rate(name: &'static str, aliases: Names, reading: Reading) -> Field {
    of(name, aliases, Source::Reading(reading), 1.0, Form::Integer, "B/s")
}

const fn special(name: &'static str, aliases: Names, source: Source) -> Field {
    of(name, aliases, source, 1.0, Form::Integer, "")
}

const fn fact(name: &'static str, aliases: Names, fact: Fact) -> Field {
    of(name, aliases, Source::Fact(fact), 1.0, Form::Integer, "text")
}

/// Every field, but those of single links.
#[rustfmt::skip] // a table: one field a line, whatever its width
pub(in crate::expose) const FIELDS: &[Field] = &[
    // clocks
    mhz("DCGM_FI_DEV_SM_CLOCK", &["dcgm_sm_clock"], Reading::ClockSm),
    mhz("DCGM_FI_DEV_MEM_CLOCK", &["dcgm_memory_clock"], Reading::ClockMemory),
    mhz("DCGM_FI_DEV_VIDEO_CLOCK", &[], Reading::ClockVideo),
    mhz("DCGM_FI_DEV_MAX_SM_CLOCK", &[], Reading::ClockMaxSm),
    mhz("DCGM_FI_DEV_MAX_MEM_CLOCK", &[], Reading::ClockMaxMemory),
    mhz("DCGM_FI_DEV_MAX_VIDEO_CLOCK", &[], Reading::ClockMaxVideo),
    hertz("DCGM_FI_DEV_SM_CLOCK_HERTZ", Reading::ClockSm),
    hertz("DCGM_FI_DEV_MEMORY_CLOCK_HERTZ", Reading::ClockMemory),
    hertz("DCGM_FI_DEV_VIDEO_CLOCK_HERTZ", Reading::ClockVideo),
    hertz("DCGM_FI_DEV_SM_MAX_CLOCK_HERTZ", Reading::ClockMaxSm),
    hertz("DCGM_FI_DEV_MEMORY_MAX_CLOCK_HERTZ", Reading::ClockMaxMemory),
    hertz("DCGM_FI_DEV_VIDEO_MAX_CLOCK_HERTZ", Reading::ClockMaxVideo),
    plain("DCGM_FI_DEV_PSTATE", &["DCGM_FI_DEV_GPU_PSTATE"], Reading::PerformanceState),
    plain("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", &["DCGM_FI_DEV_CLOCKS_EVENT_REASONS"], Reading::ClockEventBits),
    // temperature
    celsius("DCGM_FI_DEV_MEMORY_TEMP", &["dcgm_memory_temp", "DCGM_FI_DEV_MEMORY_TEMP_CELSIUS"], Reading::TemperatureMemory),
    celsius("DCGM_FI_DEV_GPU_TEMP", &["dcgm_gpu_temp", "DCGM_FI_DEV_GPU_TEMP_CELSIUS"], Reading::TemperatureGpu),
    celsius("DCGM_FI_DEV_MEM_MAX_OP_TEMP", &["DCGM_FI_DEV_MEMORY_MAX_OP_TEMP_CELSIUS"], Reading::ThresholdMemoryMax),
    celsius("DCGM_FI_DEV_GPU_MAX_OP_TEMP", &["DCGM_FI_DEV_GPU_MAX_OP_TEMP_CELSIUS"], Reading::ThresholdGpuMax),
    celsius("DCGM_FI_DEV_GPU_TEMP_LIMIT", &["DCGM_FI_DEV_GPU_TEMP_MARGIN_CELSIUS"], Reading::TemperatureMargin),
    celsius("DCGM_FI_DEV_SLOWDOWN_TEMP", &["DCGM_FI_DEV_GPU_TEMP_SLOWDOWN_CELSIUS"], Reading::ThresholdSlowdown),
    celsius("DCGM_FI_DEV_SHUTDOWN_TEMP", &["DCGM_FI_DEV_GPU_TEMP_SHUTDOWN_CELSIUS"], Reading::ThresholdShutdown),
    // power
    watts("DCGM_FI_DEV_POWER_USAGE", &["dcgm_power_usage", "DCGM_FI_DEV_BOARD_POWER_WATTS"], Reading::Power),
    watts("DCGM_FI_DEV_POWER_USAGE_INSTANT", &["DCGM_FI_DEV_BOARD_POWER_RAW_WATTS"], Reading::PowerInstant),
    of("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", &["dcgm_total_energy_consumption"], Source::Reading(Reading::Energy), 1e3, Form::Integer, "mJ"),
    of("DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", &[], Source::Reading(Reading::Energy), 1.0, Form::Float, "J"),
    watts("DCGM_FI_DEV_POWER_MGMT_LIMIT", &["DCGM_FI_DEV_BOARD_POWER_LIMIT_REQUESTED_WATTS"], Reading::PowerLimitRequested),
    watts("DCGM_FI_DEV_POWER_MGMT_LIMIT_MIN", &["DCGM_FI_DEV_BOARD_POWER_LIMIT_MIN_WATTS"], Reading::PowerLimitMin),
    watts("DCGM_FI_DEV_POWER_MGMT_LIMIT_MAX", &["DCGM_FI_DEV_BOARD_POWER_LIMIT_MAX_WATTS"], Reading::PowerLimitMax),
    watts("DCGM_FI_DEV_POWER_MGMT_LIMIT_DEF", &["DCGM_FI_DEV_BOARD_POWER_LIMIT_DEFAULT_WATTS"], Reading::PowerLimitDefault),
    watts("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", &["DCGM_FI_DEV_BOARD_POWER_LIMIT_ENFORCED_WATTS"], Reading::PowerLimitEnforced),
    of("DCGM_FI_DEV_FAN_SPEED", &[], Source::FanSpeed, 100.0, Form::Integer, "%"),
    of("DCGM_FI_DEV_FAN_SPEED_RATIO", &[], Source::FanSpeed, 1.0, Form::Float, "0 to 1"),
    // utilization; DCGM 4.6 calls it a ratio and still counts in percent
    percent("DCGM_FI_DEV_GPU_UTIL", &["dcgm_gpu_utilization", "DCGM_FI_DEV_GPU_UTIL_RATIO"], Reading::Utilization),
    percent("DCGM_FI_DEV_MEM_COPY_UTIL", &["dcgm_mem_copy_utilization"], Reading::MemoryControllerUtilization),
    percent("DCGM_FI_DEV_ENC_UTIL", &["dcgm_enc_utilization"], Reading::EncoderUtilization),
    percent("DCGM_FI_DEV_DEC_UTIL", &["dcgm_dec_utilization"], Reading::DecoderUtilization),
    // errors and health
    special("DCGM_FI_DEV_XID_ERRORS", &["dcgm_xid_errors", "DCGM_FI_DEV_XID_ERROR"], Source::LastXid),
    special("DCGM_EXP_XID_ERRORS_COUNT", &[], Source::XidCounts),
    special("DCGM_EXP_CLOCK_EVENTS_COUNT", &[], Source::ClockEventCounts),
    special("DCGM_EXP_GPU_HEALTH_STATUS", &[], Source::Health),
    nanoseconds("DCGM_FI_DEV_POWER_VIOLATION", &["dcgm_power_violation"], Reading::LimitedSwPowerCap),
    nanoseconds("DCGM_FI_DEV_THERMAL_VIOLATION", &["dcgm_thermal_violation"], Reading::LimitedSwThermal),
    nanoseconds("DCGM_FI_DEV_SYNC_BOOST_VIOLATION", &["dcgm_sync_boost_violation"], Reading::LimitedSyncBoost),
    nanoseconds("DCGM_FI_DEV_BOARD_LIMIT_VIOLATION", &["dcgm_board_limit_violation"], Reading::LimitedBoardLimit),
    nanoseconds("DCGM_FI_DEV_LOW_UTIL_VIOLATION", &["dcgm_low_util_violation"], Reading::LimitedLowUtilization),
    nanoseconds("DCGM_FI_DEV_RELIABILITY_VIOLATION", &["dcgm_reliability_violation"], Reading::LimitedReliability),
    // memory
    mib("DCGM_FI_DEV_FB_TOTAL", &[], Reading::MemoryTotal),
    mib("DCGM_FI_DEV_FB_FREE", &["dcgm_fb_free"], Reading::MemoryFree),
    mib("DCGM_FI_DEV_FB_USED", &["dcgm_fb_used"], Reading::MemoryUsed),
    mib("DCGM_FI_DEV_FB_RESERVED", &[], Reading::MemoryReserved),
    of("DCGM_FI_DEV_FB_USED_PERCENT", &["DCGM_FI_DEV_FB_USED_RATIO"], Source::MemoryUsedShare, 1.0, Form::Float, "0 to 1"),
    mib("DCGM_FI_DEV_BAR1_TOTAL", &[], Reading::Bar1Total),
    mib("DCGM_FI_DEV_BAR1_USED", &[], Reading::Bar1Used),
    mib("DCGM_FI_DEV_BAR1_FREE", &[], Reading::Bar1Free),
    bytes("DCGM_FI_DEV_BAR1_CAPACITY_BYTES", Reading::Bar1Total),
    bytes("DCGM_FI_DEV_BAR1_USED_BYTES", Reading::Bar1Used),
    bytes("DCGM_FI_DEV_BAR1_FREE_BYTES", Reading::Bar1Free),
    plain("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", &["dcgm_ecc_sbe_volatile_total"], Reading::EccCorrectedVolatile),
    plain("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", &["dcgm_ecc_dbe_volatile_total"], Reading::EccUncorrectedVolatile),
    plain("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", &["dcgm_ecc_sbe_aggregate_total"], Reading::EccCorrectedAggregate),
    plain("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", &["dcgm_ecc_dbe_aggregate_total"], Reading::EccUncorrectedAggregate),
    plain("DCGM_FI_DEV_RETIRED_SBE", &["dcgm_retired_pages_sbe", "DCGM_FI_DEV_PAGE_RETIRED_SBE_TOTAL"], Reading::RetiredPagesCorrected),
    plain("DCGM_FI_DEV_RETIRED_DBE", &["dcgm_retired_pages_dbe", "DCGM_FI_DEV_PAGE_RETIRED_DBE_TOTAL"], Reading::RetiredPagesUncorrected),
    plain("DCGM_FI_DEV_RETIRED_PENDING", &["dcgm_retired_pages_pending", "DCGM_FI_DEV_PAGE_RETIRED_PENDING"], Reading::RetiredPagesPending),
    plain("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", &["DCGM_FI_DEV_ROW_REMAP_UNCORRECTABLE_TOTAL"], Reading::RemappedRowsUncorrectable),
    plain("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", &["DCGM_FI_DEV_ROW_REMAP_CORRECTABLE_TOTAL"], Reading::RemappedRowsCorrectable),
    plain("DCGM_FI_DEV_ROW_REMAP_FAILURE", &["DCGM_FI_DEV_ROW_REMAP_FAILED"], Reading::RowRemapFailure),
    plain("DCGM_FI_DEV_ROW_REMAP_PENDING", &[], Reading::RowRemapPending),
    plain("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_MAX", &["DCGM_FI_DEV_BANK_REMAP_AVAIL_MAX"], Reading::RowRemapBanksMax),
    plain("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_HIGH", &["DCGM_FI_DEV_BANK_REMAP_AVAIL_HIGH"], Reading::RowRemapBanksHigh),
    plain("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_PARTIAL", &["DCGM_FI_DEV_BANK_REMAP_AVAIL_PARTIAL"], Reading::RowRemapBanksPartial),
    plain("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_LOW", &["DCGM_FI_DEV_BANK_REMAP_AVAIL_LOW"], Reading::RowRemapBanksLow),
    plain("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_NONE", &["DCGM_FI_DEV_BANK_REMAP_AVAIL_NONE"], Reading::RowRemapBanksNone),
    // links
    plain("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", &["dcgm_pcie_replay_counter", "DCGM_FI_DEV_PCIE_REPLAY_TOTAL"], Reading::PcieReplays),
    plain("DCGM_FI_DEV_PCIE_LINK_GEN", &[], Reading::PcieLinkGeneration),
    plain("DCGM_FI_DEV_PCIE_LINK_WIDTH", &[], Reading::PcieLinkWidth),
    plain("DCGM_FI_DEV_PCIE_MAX_LINK_GEN", &[], Reading::PcieLinkGenerationMax),
    plain("DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH", &[], Reading::PcieLinkWidthMax),
    of("DCGM_FI_DEV_PCIE_TX_THROUGHPUT", &[], Source::Reading(Reading::PcieTransmitRate), 1e-3, Form::Integer, "kB/s"),
    of("DCGM_FI_DEV_PCIE_RX_THROUGHPUT", &[], Source::Reading(Reading::PcieReceiveRate), 1e-3, Form::Integer, "kB/s"),
    of("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", &["dcgm_nvlink_bandwidth_total", "DCGM_FI_DEV_NVLINK_THROUGHPUT_TOTAL"], Source::Reading(Reading::NvlinkBandwidth), MEGA, Form::Integer, "MB/s"),
    plain("DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", &["dcgm_nvlink_flit_crc_error_count_total", "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_TOTAL"], Reading::NvlinkCrcFlitErrors),
    plain("DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", &["dcgm_nvlink_data_crc_error_count_total", "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_TOTAL"], Reading::NvlinkCrcDataErrors),
    plain("DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL", &["dcgm_nvlink_replay_error_count_total", "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_TOTAL"], Reading::NvlinkReplayErrors),
    plain("DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", &["dcgm_nvlink_recovery_error_count_total", "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_TOTAL"], Reading::NvlinkRecoveryErrors),
    plain("DCGM_FI_DEV_VGPU_LICENSE_STATUS", &[], Reading::VgpuLicensed),
    // activity, from GPM
    ratio("DCGM_FI_PROF_GR_ENGINE_ACTIVE", &["dcgm_fi_prof_gr_engine_active", "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO"], Reading::GraphicsEngineActive),
    ratio("DCGM_FI_PROF_SM_ACTIVE", &["dcgm_fi_prof_sm_active", "DCGM_FI_PROF_SM_UTIL_RATIO"], Reading::SmActive),
    ratio("DCGM_FI_PROF_SM_OCCUPANCY", &["dcgm_fi_prof_sm_occupancy", "DCGM_FI_PROF_SM_OCCUPANCY_RATIO"], Reading::SmOccupancy),
    ratio("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", &["dcgm_fi_prof_pipe_tensor_active", "DCGM_FI_PROF_TENSOR_UTIL_RATIO"], Reading::TensorActive),
    ratio("DCGM_FI_PROF_DRAM_ACTIVE", &["dcgm_fi_prof_dram_active", "DCGM_FI_PROF_DRAM_UTIL_RATIO"], Reading::DramActive),
    ratio("DCGM_FI_PROF_PIPE_FP64_ACTIVE", &["DCGM_FI_PROF_FP64_UTIL_RATIO"], Reading::PipeFp64Active),
    ratio("DCGM_FI_PROF_PIPE_FP32_ACTIVE", &["DCGM_FI_PROF_FP32_UTIL_RATIO"], Reading::PipeFp32Active),
    ratio("DCGM_FI_PROF_PIPE_FP16_ACTIVE", &["DCGM_FI_PROF_FP16_UTIL_RATIO"], Reading::PipeFp16Active),
    ratio("DCGM_FI_PROF_PIPE_INT_ACTIVE", &["DCGM_FI_PROF_INT_UTIL_RATIO"], Reading::PipeIntActive),
    ratio("DCGM_FI_PROF_PIPE_TENSOR_IMMA_ACTIVE", &["DCGM_FI_PROF_IMMA_UTIL_RATIO"], Reading::TensorImmaActive),
    ratio("DCGM_FI_PROF_PIPE_TENSOR_HMMA_ACTIVE", &["DCGM_FI_PROF_HMMA_UTIL_RATIO"], Reading::TensorHmmaActive),
    ratio("DCGM_FI_PROF_PIPE_TENSOR_DFMA_ACTIVE", &["DCGM_FI_PROF_DFMA_UTIL_RATIO"], Reading::TensorDfmaActive),
    rate("DCGM_FI_PROF_PCIE_TX_BYTES", &["dcgm_fi_prof_pcie_tx_bytes"], Reading::PcieTransmitRate),
    rate("DCGM_FI_PROF_PCIE_RX_BYTES", &["dcgm_fi_prof_pcie_rx_bytes"], Reading::PcieReceiveRate),
    rate("DCGM_FI_PROF_NVLINK_TX_BYTES", &[], Reading::NvlinkTransmitRate),
    rate("DCGM_FI_PROF_NVLINK_RX_BYTES", &[], Reading::NvlinkReceiveRate),
    // labels
    fact("DCGM_FI_DRIVER_VERSION", &["DCGM_FI_SYSTEM_DRIVER_VERSION"], Fact::DriverVersion),
    fact("DCGM_FI_NVML_VERSION", &["DCGM_FI_SYSTEM_NVML_VERSION"], Fact::NvmlVersion),
    fact("DCGM_FI_CUDA_DRIVER_VERSION", &["DCGM_FI_SYSTEM_CUDA_DRIVER_VERSION"], Fact::CudaVersion),
    fact("DCGM_FI_DEV_NAME", &[], Fact::Name),
    fact("DCGM_FI_DEV_BRAND", &[], Fact::Brand),
    fact("DCGM_FI_DEV_SERIAL", &[], Fact::Serial),
    fact("DCGM_FI_DEV_UUID", &[], Fact::Uuid),
    fact("DCGM_FI_DEV_PCI_BUSID", &[], Fact::PciBusId),
    fact("DCGM_FI_DEV_MINOR_NUMBER", &[], Fact::Minor),
    fact("DCGM_FI_DEV_NVML_INDEX", &[], Fact::Index),
    fact("DCGM_FI_DEV_OEM_INFOROM_VER", &[], Fact::InforomOem),
    fact("DCGM_FI_DEV_ECC_INFOROM_VER", &[], Fact::InforomEcc),
    fact("DCGM_FI_DEV_POWER_INFOROM_VER", &[], Fact::InforomPower),
    fact("DCGM_FI_DEV_INFOROM_IMAGE_VER", &[], Fact::InforomImage),
    fact("DCGM_FI_DEV_VBIOS_VERSION", &[], Fact::Vbios),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use prometheus_model::exposition::is_valid_metric_name;

    use super::*;

    #[test]
    fn every_spelling_is_a_name_and_means_one_field() {
        let mut seen = HashSet::new();
        for field in FIELDS {
            for name in [field.name].iter().chain(field.aliases) {
                assert!(is_valid_metric_name(name), "{name}");
                assert!(seen.insert(*name), "{name} twice");
                assert_eq!(find(name), Some(*field));
            }
        }
    }

    #[test]
    fn the_names_of_version_1_are_all_known() {
        let one = "sm_clock memory_clock memory_temp gpu_temp power_usage total_energy_consumption \
            pcie_replay_counter gpu_utilization mem_copy_utilization enc_utilization \
            dec_utilization xid_errors power_violation thermal_violation sync_boost_violation \
            board_limit_violation low_util_violation reliability_violation fb_free fb_used \
            ecc_sbe_volatile_total ecc_dbe_volatile_total ecc_sbe_aggregate_total \
            ecc_dbe_aggregate_total retired_pages_sbe retired_pages_dbe retired_pages_pending \
            nvlink_flit_crc_error_count_total nvlink_data_crc_error_count_total \
            nvlink_replay_error_count_total nvlink_recovery_error_count_total \
            nvlink_bandwidth_total fi_prof_gr_engine_active fi_prof_sm_active \
            fi_prof_sm_occupancy fi_prof_pipe_tensor_active fi_prof_dram_active \
            fi_prof_pcie_tx_bytes fi_prof_pcie_rx_bytes";
        for name in one.split_whitespace() {
            assert!(find(&format!("dcgm_{name}")).is_some(), "{name}");
        }
    }

    #[test]
    fn links_have_a_field_each_and_no_odd_spellings() {
        let link = |name: &str| find(name).map(|field| field.source);
        assert_eq!(link("DCGM_FI_DEV_NVLINK_BANDWIDTH_L0"), Some(Source::LinkBytes(0)));
        assert_eq!(link("DCGM_FI_DEV_NVLINK_THROUGHPUT_L17"), Some(Source::LinkBytes(17)));
        for name in ["L00", "L+1", "L72", "L", "Lx"] {
            assert_eq!(link(&format!("DCGM_FI_DEV_NVLINK_BANDWIDTH_{name}")), None, "{name}");
        }
    }

    #[test]
    fn readings_of_dcgm_alone_have_a_name_here() {
        for reading in crate::expose::native_names::DCGM_ONLY {
            let has = |field: &Field| field.source == Source::Reading(*reading);
            assert!(FIELDS.iter().any(has), "{reading:?}");
        }
    }
}
