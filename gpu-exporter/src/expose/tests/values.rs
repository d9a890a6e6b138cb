//! One value per metric: its name, its unit, and that it is absent where it was not read.

use super::*;

/// Field, reading, the reading in base units, and what stands on the page.
#[rustfmt::skip] // a table
const DCGM: &[(&str, Reading, f64, &str)] = &[
    ("DCGM_FI_DEV_SM_CLOCK", Reading::ClockSm, 1.41e9, "1410"),
    ("DCGM_FI_DEV_MEM_CLOCK", Reading::ClockMemory, 1.593e9, "1593"),
    ("DCGM_FI_DEV_SM_CLOCK_HERTZ", Reading::ClockSm, 1.41e9, "1410000000"),
    ("DCGM_FI_DEV_MAX_SM_CLOCK", Reading::ClockMaxSm, 1.98e9, "1980"),
    ("DCGM_FI_DEV_MEMORY_TEMP", Reading::TemperatureMemory, 61.0, "61"),
    ("DCGM_FI_DEV_GPU_TEMP_CELSIUS", Reading::TemperatureGpu, 52.6, "53"),
    ("DCGM_FI_DEV_SLOWDOWN_TEMP", Reading::ThresholdSlowdown, 89.0, "89"),
    ("DCGM_FI_DEV_GPU_TEMP_LIMIT", Reading::TemperatureMargin, -2.0, "-2"),
    ("DCGM_FI_DEV_POWER_USAGE", Reading::Power, 70.123, "70.123000"),
    ("DCGM_FI_DEV_BOARD_POWER_RAW_WATTS", Reading::PowerInstant, 71.5, "71.500000"),
    ("DCGM_FI_DEV_POWER_MGMT_LIMIT", Reading::PowerLimitRequested, 700.0, "700.000000"),
    ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", Reading::Energy, 98_765.432, "98765432"),
    ("DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", Reading::Energy, 98_765.432, "98765.432000"),
    ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", Reading::PcieReplays, 5.0, "5"),
    ("DCGM_FI_DEV_GPU_UTIL", Reading::Utilization, 0.29, "29"),
    ("DCGM_FI_DEV_GPU_UTIL_RATIO", Reading::Utilization, 0.29, "29"),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", Reading::MemoryControllerUtilization, 0.57, "57"),
    ("DCGM_FI_DEV_ENC_UTIL", Reading::EncoderUtilization, 0.14, "14"),
    ("DCGM_FI_DEV_DEC_UTIL", Reading::DecoderUtilization, 1.0, "100"),
    ("DCGM_FI_DEV_FB_FREE", Reading::MemoryFree, 3_145_727.0, "2"),
    ("DCGM_FI_DEV_FB_USED", Reading::MemoryUsed, 85_520_809_984.0, "81559"),
    ("DCGM_FI_DEV_FB_RESERVED", Reading::MemoryReserved, 1_048_576.0, "1"),
    ("DCGM_FI_DEV_FB_TOTAL", Reading::MemoryTotal, 1_073_741_824.0, "1024"),
    ("DCGM_FI_DEV_BAR1_USED", Reading::Bar1Used, 1_048_576.0, "1"),
    ("DCGM_FI_DEV_BAR1_USED_BYTES", Reading::Bar1Used, 1_048_576.0, "1048576"),
    ("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", Reading::NvlinkBandwidth, 25.4e6, "25"),
    ("DCGM_FI_DEV_VGPU_LICENSE_STATUS", Reading::VgpuLicensed, 1.0, "1"),
    ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", Reading::RemappedRowsUncorrectable, 2.0, "2"),
    ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", Reading::RemappedRowsCorrectable, 3.0, "3"),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", Reading::RowRemapFailure, 1.0, "1"),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", Reading::GraphicsEngineActive, 0.5, "0.500000"),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", Reading::TensorActive, 0.1, "0.100000"),
    ("DCGM_FI_PROF_DRAM_ACTIVE", Reading::DramActive, 1.0, "1.000000"),
    ("DCGM_FI_PROF_PCIE_TX_BYTES", Reading::PcieTransmitRate, 1_048_576.0, "1048576"),
    ("DCGM_FI_PROF_PCIE_RX_BYTES", Reading::PcieReceiveRate, 7.0, "7"),
    ("DCGM_FI_PROF_NVLINK_TX_BYTES", Reading::NvlinkTransmitRate, 9.0, "9"),
    ("DCGM_FI_DEV_POWER_VIOLATION", Reading::LimitedSwPowerCap, 1.5, "1500000000"),
    ("DCGM_FI_DEV_THERMAL_VIOLATION", Reading::LimitedSwThermal, 0.25, "250000000"),
    ("DCGM_FI_DEV_SYNC_BOOST_VIOLATION", Reading::LimitedSyncBoost, 1.0, "1000000000"),
    ("DCGM_FI_DEV_BOARD_LIMIT_VIOLATION", Reading::LimitedBoardLimit, 1.0, "1000000000"),
    ("DCGM_FI_DEV_LOW_UTIL_VIOLATION", Reading::LimitedLowUtilization, 1.0, "1000000000"),
    ("DCGM_FI_DEV_RELIABILITY_VIOLATION", Reading::LimitedReliability, 1.0, "1000000000"),
    ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", Reading::EccCorrectedVolatile, 1.0, "1"),
    ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", Reading::EccUncorrectedVolatile, 1.0, "1"),
    ("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", Reading::EccCorrectedAggregate, 1.0, "1"),
    ("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", Reading::EccUncorrectedAggregate, 1.0, "1"),
    ("DCGM_FI_DEV_RETIRED_SBE", Reading::RetiredPagesCorrected, 1.0, "1"),
    ("DCGM_FI_DEV_RETIRED_DBE", Reading::RetiredPagesUncorrected, 1.0, "1"),
    ("DCGM_FI_DEV_RETIRED_PENDING", Reading::RetiredPagesPending, 1.0, "1"),
    ("DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", Reading::NvlinkCrcFlitErrors, 1.0, "1"),
    ("DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", Reading::NvlinkCrcDataErrors, 1.0, "1"),
    ("DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL", Reading::NvlinkReplayErrors, 1.0, "1"),
    ("DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", Reading::NvlinkRecoveryErrors, 1.0, "1"),
    ("DCGM_FI_PROF_SM_ACTIVE", Reading::SmActive, 0.75, "0.750000"),
    ("DCGM_FI_PROF_SM_OCCUPANCY", Reading::SmOccupancy, 0.75, "0.750000"),
    ("DCGM_FI_PROF_PIPE_FP64_ACTIVE", Reading::PipeFp64Active, 0.75, "0.750000"),
    ("DCGM_FI_PROF_PIPE_FP32_ACTIVE", Reading::PipeFp32Active, 0.75, "0.750000"),
    ("DCGM_FI_PROF_PIPE_FP16_ACTIVE", Reading::PipeFp16Active, 0.75, "0.750000"),
    ("DCGM_FI_PROF_PIPE_INT_ACTIVE", Reading::PipeIntActive, 0.75, "0.750000"),
    ("DCGM_FI_DEV_PSTATE", Reading::PerformanceState, 8.0, "8"),
    ("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", Reading::ClockEventBits, 68.0, "68"),
    ("DCGM_FI_DEV_PCIE_LINK_GEN", Reading::PcieLinkGeneration, 5.0, "5"),
    ("dcgm_gpu_utilization", Reading::Utilization, 0.29, "29"),
];

/// The start of the native line, reading, the reading in base units, and what stands on the page.
#[rustfmt::skip] // a table
const NATIVE: &[(&str, &str, Reading, f64, &str)] = &[
    ("gpu_clock_hertz", "clock=\"sm\"", Reading::ClockSm, 1.41e9, "1410000000"),
    ("gpu_clock_hertz", "clock=\"memory\"", Reading::ClockMemory, 1.593e9, "1593000000"),
    ("gpu_temperature_celsius", "sensor=\"memory\"", Reading::TemperatureMemory, 61.0, "61"),
    ("gpu_temperature_celsius", "sensor=\"gpu\"", Reading::TemperatureGpu, 52.6, "52.6"),
    ("gpu_power_watts", "", Reading::Power, 70.123, "70.123"),
    ("gpu_power_instant_watts", "", Reading::PowerInstant, 71.5, "71.5"),
    ("gpu_energy_joules_total", "", Reading::Energy, 98_765.432, "98765.432"),
    ("gpu_pcie_replays_total", "", Reading::PcieReplays, 5.0, "5"),
    ("gpu_utilization_ratio", "", Reading::Utilization, 0.29, "0.29"),
    ("gpu_busy_seconds_total", "", Reading::BusySeconds, 12.5, "12.5"),
    ("gpu_memory_controller_utilization_ratio", "", Reading::MemoryControllerUtilization, 0.57, "0.57"),
    ("gpu_engine_utilization_ratio", "engine=\"encoder\"", Reading::EncoderUtilization, 0.14, "0.14"),
    ("gpu_engine_utilization_ratio", "engine=\"decoder\"", Reading::DecoderUtilization, 1.0, "1"),
    ("gpu_memory_free_bytes", "", Reading::MemoryFree, 3_145_727.0, "3145727"),
    ("gpu_memory_used_bytes", "", Reading::MemoryUsed, 85_520_809_984.0, "85520809984"),
    ("gpu_memory_reserved_bytes", "", Reading::MemoryReserved, 1_048_576.0, "1048576"),
    ("gpu_nvlink_transmit_bytes_total", "", Reading::NvlinkTransmitBytes, 1e12, "1000000000000"),
    ("gpu_nvlink_receive_bytes_total", "", Reading::NvlinkReceiveBytes, 0.0, "0"),
    ("gpu_vgpu_licensed", "", Reading::VgpuLicensed, 1.0, "1"),
    ("gpu_remapped_rows_total", "cause=\"uncorrectable\"", Reading::RemappedRowsUncorrectable, 2.0, "2"),
    ("gpu_remapped_rows_total", "cause=\"correctable\"", Reading::RemappedRowsCorrectable, 3.0, "3"),
    ("gpu_row_remap_failure", "", Reading::RowRemapFailure, 1.0, "1"),
    ("gpu_row_remap_pending", "", Reading::RowRemapPending, 0.0, "0"),
    ("gpu_graphics_engine_active_ratio", "", Reading::GraphicsEngineActive, 0.5, "0.5"),
    ("gpu_tensor_active_ratio", "pipe=\"any\"", Reading::TensorActive, 0.1, "0.1"),
    ("gpu_dram_active_ratio", "", Reading::DramActive, 1.0, "1"),
    ("gpu_pcie_transmit_bytes_total", "", Reading::PcieTransmitBytes, 1_048_576.0, "1048576"),
    ("gpu_pcie_receive_bytes_total", "", Reading::PcieReceiveBytes, 7.0, "7"),
    ("gpu_clock_limited_seconds_total", "reason=\"sw_power_cap\"", Reading::LimitedSwPowerCap, 1.5, "1.5"),
    ("gpu_clock_limited_seconds_total", "reason=\"sw_thermal\"", Reading::LimitedSwThermal, 1e-3, "0.001"),
    ("gpu_clock_event_active", "reason=\"hw_thermal\"", Reading::ClockEventHwThermal, 1.0, "1"),
    ("gpu_ecc_errors_total", "kind=\"corrected\",lifetime=\"volatile\"", Reading::EccCorrectedVolatile, 1.0, "1"),
    ("gpu_ecc_errors_total", "kind=\"uncorrected\",lifetime=\"aggregate\"", Reading::EccUncorrectedAggregate, 4.0, "4"),
    ("gpu_retired_pages", "cause=\"corrected\"", Reading::RetiredPagesCorrected, 1.0, "1"),
    ("gpu_retired_pages_pending", "", Reading::RetiredPagesPending, 1.0, "1"),
    ("gpu_nvlink_errors_total", "type=\"crc_flit\"", Reading::NvlinkCrcFlitErrors, 1.0, "1"),
    ("gpu_sm_active_ratio", "", Reading::SmActive, 0.75, "0.75"),
    ("gpu_sm_occupancy_ratio", "", Reading::SmOccupancy, 0.75, "0.75"),
    ("gpu_pipe_active_ratio", "pipe=\"fp16\"", Reading::PipeFp16Active, 0.75, "0.75"),
    ("gpu_temperature_margin_celsius", "", Reading::TemperatureMargin, -2.0, "-2"),
    ("gpu_power_limit_watts", "kind=\"enforced\"", Reading::PowerLimitEnforced, 700.0, "700"),
    ("gpu_pcie_link_generation", "which=\"current\"", Reading::PcieLinkGeneration, 5.0, "5"),
    ("gpu_performance_state", "", Reading::PerformanceState, 8.0, "8"),
];

#[test]
fn every_dcgm_name_has_its_value_in_its_unit_or_no_series() {
    let nobody = Arc::new(Allocations::default());
    for (name, reading, value, expected) in DCGM {
        let line = format!("{name}, gauge, help");
        let with = snapshot(vec![gpu(0, &[(*reading, *value)])]);
        let page = dcgm(&config(), &line, &with, &nobody);
        assert_eq!(samples(&page, name).len(), 1, "{name}");
        let shown = samples(&page, name)[0].rsplit_once(' ').unwrap().1;
        assert_eq!(shown, *expected, "{name}");
        let without = dcgm(&config(), &line, &snapshot(vec![gpu(0, &[])]), &nobody);
        assert_eq!(without, "", "{name}");
    }
}

#[test]
fn every_native_name_has_its_value_in_base_units_or_no_series() {
    let nobody = Arc::new(Allocations::default());
    let without = native(&config(), &snapshot(vec![gpu(0, &[])]), &nobody);
    for (name, fixed, reading, value, expected) in NATIVE {
        let page = native(&config(), &snapshot(vec![gpu(0, &[(*reading, *value)])]), &nobody);
        let comma = if fixed.is_empty() { "" } else { "," };
        let line = format!(r#"{name}{{gpu_id="0",uuid="GPU-0"{comma}{fixed}}} {expected}"#);
        assert_eq!(samples(&page, name), [line]);
        assert_eq!(samples(&without, name), [""; 0], "{name}");
    }
}

#[test]
fn used_memory_and_fans_are_shares() {
    let nobody = Arc::new(Allocations::default());
    let values = [(Reading::MemoryTotal, 100.0), (Reading::MemoryUsed, 40.0)];
    let mut device = gpu(0, &values);
    device.fans = vec![crate::sample::snapshot::Fan { speed_ratio: Some(0.35), rpm: None }];
    let counters = "DCGM_FI_DEV_FB_USED_PERCENT, gauge, x\nDCGM_FI_DEV_FAN_SPEED, gauge, x";
    let page = dcgm(&config(), counters, &snapshot(vec![device]), &nobody);
    assert!(samples(&page, "DCGM_FI_DEV_FB_USED_PERCENT")[0].ends_with(" 0.400000"));
    assert!(samples(&page, "DCGM_FI_DEV_FAN_SPEED")[0].ends_with(" 35"));
}
