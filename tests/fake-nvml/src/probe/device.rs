//! Everything that one device can be asked for.

use std::ptr::null_mut;

use nvml_wrapper_sys::bindings::{
    NvmlLib, nvmlBAR1Memory_t, nvmlDevice_t, nvmlDeviceAttributes_t, nvmlEccSramErrorStatus_t,
    nvmlFanSpeedInfo_t, nvmlFieldValue_t, nvmlGpuFabricInfoV_t, nvmlGridLicensableFeatures_t,
    nvmlMarginTemperature_t, nvmlMemory_t, nvmlMemory_v2_t, nvmlPciInfo_t, nvmlProcessInfo_t,
    nvmlProcessUtilizationInfo_v1_t, nvmlProcessUtilizationSample_t,
    nvmlProcessesUtilizationInfo_t, nvmlRowRemapperHistogramValues_t, nvmlSample_t,
    nvmlTemperature_t, nvmlUtilization_t,
};

use super::Report;
use super::ask::{ask, ask_each, text, versioned, zeroed};

/// Numbers of field values that are asked for in one call.
const FIELDS: std::ops::Range<u32> = 1..310;

pub(super) fn everything(table: &NvmlLib, report: &mut Report, of: &str, device: nvmlDevice_t) {
    identity(table, report, of, device);
    load(table, report, of, device);
    gauges(table, report, of, device);
    fabric(table, report, of, device);
    errors(table, report, of, device);
    processes(table, report, of, device);
    mig(table, report, of, device);
}

fn identity(table: &NvmlLib, report: &mut Report, of: &str, device: nvmlDevice_t) {
    let mut chars = [0; 96];
    let place = chars.as_mut_ptr();
    ask!(report, of, table.nvmlDeviceGetName(device, place, 96) => text(&chars));
    ask!(report, of, table.nvmlDeviceGetName(device, place, 4) => ());
    ask!(report, of, table.nvmlDeviceGetUUID(device, place, 96) => text(&chars));
    ask!(report, of, table.nvmlDeviceGetSerial(device, place, 96) => text(&chars));
    ask!(report, of, table.nvmlDeviceGetVbiosVersion(device, place, 96) => text(&chars));
    ask!(report, of, table.nvmlDeviceGetInforomImageVersion(device, place, 96) => text(&chars));
    for object in 0..5 {
        ask!(report, of, table.nvmlDeviceGetInforomVersion(device, object, place, 96)
            => text(&chars));
    }
    let mut pci: nvmlPciInfo_t = zeroed();
    ask!(report, of, table.nvmlDeviceGetPciInfo_v3(device, &raw mut pci) => text(&pci.busId));
    let (mut major, mut minor) = (0, 0);
    let places = (&raw mut major, &raw mut minor);
    ask!(report, of, table.nvmlDeviceGetCudaComputeCapability(device, places.0, places.1)
        => (major, minor));
    ask_each!(report, of, device, table;
        nvmlDeviceGetIndex: u32,
        nvmlDeviceGetMinorNumber: u32,
        nvmlDeviceGetBrand: u32,
        nvmlDeviceGetArchitecture: u32,
        nvmlDeviceGetPersistenceMode: u32,
    );
}

fn load(table: &NvmlLib, report: &mut Report, of: &str, device: nvmlDevice_t) {
    let mut rates: nvmlUtilization_t = zeroed();
    ask!(report, of, table.nvmlDeviceGetUtilizationRates(device, &raw mut rates) => rates);
    let (mut percent, mut period) = (0, 0);
    let places = (&raw mut percent, &raw mut period);
    ask!(report, of, table.nvmlDeviceGetEncoderUtilization(device, places.0, places.1)
        => (percent, period));
    ask!(report, of, table.nvmlDeviceGetDecoderUtilization(device, places.0, places.1)
        => (percent, period));
    ask!(report, of, table.nvmlDeviceGetJpgUtilization(device, places.0, places.1)
        => (percent, period));
    ask!(report, of, table.nvmlDeviceGetOfaUtilization(device, places.0, places.1)
        => (percent, period));
    for kind in 0..11 {
        let mut points: [nvmlSample_t; 120] = zeroed();
        let (mut value_type, mut count) = (0, 0);
        let places = (&raw mut value_type, &raw mut count);
        ask!(report, of,
            table.nvmlDeviceGetSamples(device, kind, 0, places.0, places.1, null_mut())
            => (kind, value_type, count));
        count = 120;
        ask!(report, of,
            table.nvmlDeviceGetSamples(device, kind, 0, places.0, places.1, points.as_mut_ptr())
            => (kind, count, points[0].timeStamp));
    }
}

fn gauges(table: &NvmlLib, report: &mut Report, of: &str, device: nvmlDevice_t) {
    let mut memory: nvmlMemory_t = zeroed();
    ask!(report, of, table.nvmlDeviceGetMemoryInfo(device, &raw mut memory) => memory);
    let mut memory: nvmlMemory_v2_t = versioned(2);
    ask!(report, of, table.nvmlDeviceGetMemoryInfo_v2(device, &raw mut memory) => memory);
    let mut wrong: nvmlMemory_v2_t = versioned(3);
    ask!(report, of, table.nvmlDeviceGetMemoryInfo_v2(device, &raw mut wrong) => wrong);
    let mut bar1: nvmlBAR1Memory_t = zeroed();
    ask!(report, of, table.nvmlDeviceGetBAR1MemoryInfo(device, &raw mut bar1) => bar1);
    let mut value = 0;
    let place = &raw mut value;
    for kind in 0..5 {
        ask!(report, of, table.nvmlDeviceGetClockInfo(device, kind, place) => value);
        ask!(report, of, table.nvmlDeviceGetMaxClockInfo(device, kind, place) => value);
        ask!(report, of, table.nvmlDeviceGetClock(device, kind, 0, place) => value);
        ask!(report, of, table.nvmlDeviceGetTemperatureThreshold(device, kind, place) => value);
    }
    ask!(report, of, table.nvmlDeviceGetTemperature(device, 0, place) => value);
    ask!(report, of, table.nvmlDeviceGetFanSpeed_v2(device, 0, place) => value);
    let mut temperature: nvmlTemperature_t = versioned(1);
    ask!(report, of, table.nvmlDeviceGetTemperatureV(device, &raw mut temperature)
        => temperature.temperature);
    let mut margin: nvmlMarginTemperature_t = versioned(1);
    ask!(report, of, table.nvmlDeviceGetMarginTemperature(device, &raw mut margin)
        => margin.marginTemperature);
    let mut fan: nvmlFanSpeedInfo_t = versioned(1);
    ask!(report, of, table.nvmlDeviceGetFanSpeedRPM(device, &raw mut fan) => fan.speed);
    let mut least = 0;
    ask!(report, of,
        table.nvmlDeviceGetPowerManagementLimitConstraints(device, &raw mut least, place)
        => (least, value));
    ask_each!(report, of, device, table;
        nvmlDeviceGetCurrentClocksEventReasons: u64,
        nvmlDeviceGetCurrentClocksThrottleReasons: u64,
        nvmlDeviceGetPerformanceState: u32,
        nvmlDeviceGetPowerUsage: u32,
        nvmlDeviceGetEnforcedPowerLimit: u32,
        nvmlDeviceGetPowerManagementLimit: u32,
        nvmlDeviceGetPowerManagementDefaultLimit: u32,
        nvmlDeviceGetTotalEnergyConsumption: u64,
        nvmlDeviceGetNumFans: u32,
    );
}

fn fabric(table: &NvmlLib, report: &mut Report, of: &str, device: nvmlDevice_t) {
    ask_each!(report, of, device, table;
        nvmlDeviceGetCurrPcieLinkGeneration: u32,
        nvmlDeviceGetCurrPcieLinkWidth: u32,
        nvmlDeviceGetMaxPcieLinkGeneration: u32,
        nvmlDeviceGetMaxPcieLinkWidth: u32,
        nvmlDeviceGetPcieReplayCounter: u32,
    );
    let mut value = 0;
    let place = &raw mut value;
    ask!(report, of, table.nvmlDeviceGetPcieThroughput(device, 0, place) => value);
    for link in [0, 11, 17, 18] {
        ask!(report, of, table.nvmlDeviceGetNvLinkState(device, link, place) => (link, value));
    }
    let mut info: nvmlGpuFabricInfoV_t = versioned(3);
    ask!(report, of, table.nvmlDeviceGetGpuFabricInfoV(device, &raw mut info) => info.state);
    let mut features: nvmlGridLicensableFeatures_t = zeroed();
    ask!(report, of, table.nvmlDeviceGetGridLicensableFeatures_v4(device, &raw mut features)
        => features.licensableFeaturesCount);
}

fn errors(table: &NvmlLib, report: &mut Report, of: &str, device: nvmlDevice_t) {
    let mut fields: Vec<nvmlFieldValue_t> =
        FIELDS.map(|id| nvmlFieldValue_t { fieldId: id, ..zeroed() }).collect();
    let count = i32::try_from(fields.len()).unwrap_or(0);
    ask!(report, of, table.nvmlDeviceGetFieldValues(device, count, fields.as_mut_ptr()) => ());
    for field in fields.iter().filter(|field| field.nvmlReturn == 0) {
        // SAFETY: all members are numbers of at most this size, and NVML wrote one.
        let value = unsafe { field.value.ullVal };
        let id = format!("{of} {}", field.fieldId);
        report.add("field", &id, 0, Some(format!("{}: {value}", field.valueType)));
    }
    let (mut first, mut second, mut third, mut fourth) = (0, 0, 0, 0);
    ask!(report, of, table.nvmlDeviceGetEccMode(device, &raw mut first, &raw mut second)
        => (first, second));
    let mut errors = 0;
    for (kind, counter) in [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0)] {
        ask!(report, of,
            table.nvmlDeviceGetTotalEccErrors(device, kind, counter, &raw mut errors) => errors);
    }
    let mut sram: nvmlEccSramErrorStatus_t = versioned(1);
    ask!(report, of, table.nvmlDeviceGetSramEccErrorStatus(device, &raw mut sram) => sram);
    ask!(report, of,
        table.nvmlDeviceGetRemappedRows(
            device, &raw mut first, &raw mut second, &raw mut third, &raw mut fourth)
        => (first, second, third, fourth));
    let mut banks: nvmlRowRemapperHistogramValues_t = zeroed();
    ask!(report, of, table.nvmlDeviceGetRowRemapperHistogram(device, &raw mut banks) => banks);
    let (mut pages, mut stamps) = ([0; 64], [0; 64]);
    for room in [0, 64] {
        let mut count = room;
        ask!(report, of,
            table.nvmlDeviceGetRetiredPages(device, 1, &raw mut count, pages.as_mut_ptr())
            => (count, pages[0]));
        count = room;
        ask!(report, of,
            table.nvmlDeviceGetRetiredPages_v2(
                device, 1, &raw mut count, pages.as_mut_ptr(), stamps.as_mut_ptr())
            => (count, pages[0], stamps[0]));
    }
    ask_each!(report, of, device, table; nvmlDeviceGetRetiredPagesPendingStatus: u32);
}

fn processes(table: &NvmlLib, report: &mut Report, of: &str, device: nvmlDevice_t) {
    for room in [0_u32, 8] {
        let mut infos: [nvmlProcessInfo_t; 8] = zeroed();
        let place = infos.as_mut_ptr();
        let mut count = room;
        let count_place = &raw mut count;
        ask!(report, of, table.nvmlDeviceGetComputeRunningProcesses_v3(device, count_place, place)
            => &infos[..(count as usize).min(8)]);
        count = room;
        ask!(report, of,
            table.nvmlDeviceGetGraphicsRunningProcesses_v3(device, count_place, place)
            => &infos[..(count as usize).min(8)]);
        count = room;
        ask!(report, of,
            table.nvmlDeviceGetMPSComputeRunningProcesses_v3(device, count_place, place)
            => &infos[..(count as usize).min(8)]);
        count = room;
        let mut samples: [nvmlProcessUtilizationSample_t; 8] = zeroed();
        ask!(report, of,
            table.nvmlDeviceGetProcessUtilization(device, samples.as_mut_ptr(), count_place, 0)
            => (count, samples[0].pid, samples[0].smUtil));
        let mut rows: [nvmlProcessUtilizationInfo_v1_t; 8] = zeroed();
        let mut info = nvmlProcessesUtilizationInfo_t {
            processSamplesCount: room,
            procUtilArray: rows.as_mut_ptr(),
            ..versioned(1)
        };
        ask!(report, of, table.nvmlDeviceGetProcessesUtilizationInfo(device, &raw mut info)
            => (info.processSamplesCount, rows[0].pid, rows[0].smUtil));
    }
}

fn mig(table: &NvmlLib, report: &mut Report, of: &str, device: nvmlDevice_t) {
    let (mut current, mut pending) = (0, 0);
    ask!(report, of, table.nvmlDeviceGetMigMode(device, &raw mut current, &raw mut pending)
        => (current, pending));
    let mut parent: nvmlDevice_t = null_mut();
    ask!(report, of,
        table.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device, &raw mut parent) => ());
    let mut attributes: nvmlDeviceAttributes_t = zeroed();
    ask!(report, of, table.nvmlDeviceGetAttributes_v2(device, &raw mut attributes) => attributes);
    ask_each!(report, of, device, table;
        nvmlDeviceGetMaxMigDeviceCount: u32,
        nvmlDeviceIsMigDeviceHandle: u32,
        nvmlDeviceGetGpuInstanceId: u32,
        nvmlDeviceGetComputeInstanceId: u32,
    );
}
