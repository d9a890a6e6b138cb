//! The library as a whole: versions, handles, events, activity.

use std::ffi::CString;
use std::ptr::null_mut;

use nvml_wrapper_sys::bindings::{
    NvmlLib, nvmlDevice_t, nvmlEventData_t, nvmlEventSet_t, nvmlGpmMetricsGet_t, nvmlGpmSample_t,
    nvmlGpmSupport_t, nvmlSystemEventData_v1_t, nvmlSystemEventSetCreateRequest_t,
    nvmlSystemEventSetFreeRequest_t, nvmlSystemEventSetWaitRequest_t,
    nvmlSystemRegisterEventRequest_t,
};

use super::ask::{ask, text, versioned, zeroed};
use super::{Report, device};

/// Xids, MIG changes.
const KINDS: u64 = 0x8 | 0x100;

pub(super) fn opened(table: &NvmlLib, report: &mut Report) {
    ask!(report, "0", table.nvmlInitWithFlags(0) => ());
    if ask!(report, "", table.nvmlInit_v2() => ()) == 0 {
        versions(table, report);
        let devices = handles(table, report);
        for (name, handle) in &devices {
            device::everything(table, report, name, *handle);
        }
        events(table, report, &devices);
        system_events(table, report);
        activity(table, report, &devices);
        ask!(report, "", table.nvmlShutdown() => ());
    }
    ask!(report, "", table.nvmlShutdown() => ());
    ask!(report, "closed", table.nvmlShutdown() => ());
    let mut count = 0;
    ask!(report, "closed", table.nvmlDeviceGetCount_v2(&raw mut count) => count);
}

fn versions(table: &NvmlLib, report: &mut Report) {
    let mut chars = [0; 80];
    ask!(report, "", table.nvmlSystemGetDriverVersion(chars.as_mut_ptr(), 80) => text(&chars));
    ask!(report, "", table.nvmlSystemGetNVMLVersion(chars.as_mut_ptr(), 80) => text(&chars));
    ask!(report, "short", table.nvmlSystemGetNVMLVersion(chars.as_mut_ptr(), 3) => text(&chars));
    let mut version = 0;
    ask!(report, "", table.nvmlSystemGetCudaDriverVersion(&raw mut version) => version);
    ask!(report, "", table.nvmlSystemGetCudaDriverVersion_v2(&raw mut version) => version);
    if let Ok(function) = &table.nvmlErrorString {
        for code in [0, 15, 999] {
            // SAFETY: NVML's texts live as long as the library and end with a zero byte.
            let text = unsafe { std::ffi::CStr::from_ptr(function(code)) };
            report.add("nvmlErrorString", &code.to_string(), 0, Some(format!("{text:?}")));
        }
    }
}

/// GPUs and their instances, by names for the report.
fn handles(table: &NvmlLib, report: &mut Report) -> Vec<(String, nvmlDevice_t)> {
    let mut devices = Vec::new();
    let mut count = 0;
    ask!(report, "", table.nvmlDeviceGetCount_v2(&raw mut count) => count);
    for index in 0..=count {
        let name = index.to_string();
        let mut handle: nvmlDevice_t = null_mut();
        let place = &raw mut handle;
        if ask!(report, &name, table.nvmlDeviceGetHandleByIndex_v2(index, place) => ()) != 0 {
            continue;
        }
        devices.push((name.clone(), handle));
        let mut chars = [0; 80];
        ask!(report, &name, table.nvmlDeviceGetUUID(handle, chars.as_mut_ptr(), 80) => text(&chars));
        let uuid = CString::new(text(&chars)).unwrap_or_default();
        let mut found: nvmlDevice_t = null_mut();
        ask!(report, &name, table.nvmlDeviceGetHandleByUUID(uuid.as_ptr(), &raw mut found)
            => found == handle);
        for instance in 0..8 {
            let name = format!("{index}.{instance}");
            let mut part: nvmlDevice_t = null_mut();
            let place = &raw mut part;
            if ask!(report, &name,
                table.nvmlDeviceGetMigDeviceHandleByIndex(handle, instance, place) => ())
                == 0
            {
                devices.push((name, part));
            }
        }
    }
    let mut none: nvmlDevice_t = null_mut();
    ask!(report, "none", table.nvmlDeviceGetHandleByUUID(c"GPU-0".as_ptr(), &raw mut none) => ());
    for bus in [c"0000:07:00.0", c"00000000:07:00.0"] {
        ask!(report, &format!("{bus:?}"),
            table.nvmlDeviceGetHandleByPciBusId_v2(bus.as_ptr(), &raw mut none)
            => devices.first().is_some_and(|first| first.1 == none));
    }
    devices
}

fn events(table: &NvmlLib, report: &mut Report, devices: &[(String, nvmlDevice_t)]) {
    let mut set: nvmlEventSet_t = null_mut();
    ask!(report, "", table.nvmlEventSetCreate(&raw mut set) => ());
    for (name, handle) in devices {
        let mut kinds = 0;
        ask!(report, name,
            table.nvmlDeviceGetSupportedEventTypes(*handle, &raw mut kinds) => kinds);
        ask!(report, name, table.nvmlDeviceRegisterEvents(*handle, KINDS & kinds, set) => ());
    }
    let mut data: nvmlEventData_t = zeroed();
    ask!(report, "0 ms", table.nvmlEventSetWait_v2(set, &raw mut data, 0) => data.eventData);
    ask!(report, "", table.nvmlEventSetFree(set) => ());
    ask!(report, "again", table.nvmlEventSetFree(set) => ());
}

fn system_events(table: &NvmlLib, report: &mut Report) {
    let mut made: nvmlSystemEventSetCreateRequest_t = versioned(1);
    ask!(report, "", table.nvmlSystemEventSetCreate(&raw mut made) => ());
    let mut registered =
        nvmlSystemRegisterEventRequest_t { eventTypes: 3, set: made.set, ..versioned(1) };
    ask!(report, "", table.nvmlSystemRegisterEvents(&raw mut registered) => ());
    let mut data: nvmlSystemEventData_v1_t = zeroed();
    let mut waited = nvmlSystemEventSetWaitRequest_t {
        set: made.set,
        data: &raw mut data,
        dataSize: 1,
        ..versioned(1)
    };
    ask!(report, "0 ms", table.nvmlSystemEventSetWait(&raw mut waited) => data.eventType);
    let mut freed = nvmlSystemEventSetFreeRequest_t { set: made.set, ..versioned(1) };
    ask!(report, "", table.nvmlSystemEventSetFree(&raw mut freed) => ());
    freed.version = 1;
    ask!(report, "unpacked version", table.nvmlSystemEventSetFree(&raw mut freed) => ());
}

fn activity(table: &NvmlLib, report: &mut Report, devices: &[(String, nvmlDevice_t)]) {
    for (name, handle) in devices {
        let mut support = nvmlGpmSupport_t { version: 1, isSupportedDevice: 0 };
        ask!(report, name, table.nvmlGpmQueryDeviceSupport(*handle, &raw mut support)
            => support.isSupportedDevice);
        let mut samples: [nvmlGpmSample_t; 2] = [null_mut(); 2];
        for sample in &mut samples {
            ask!(report, name, table.nvmlGpmSampleAlloc(&raw mut *sample) => ());
            ask!(report, name, table.nvmlGpmSampleGet(*handle, *sample) => ());
        }
        ask!(report, name, table.nvmlGpmMigSampleGet(*handle, 1, samples[1]) => ());
        let mut request: nvmlGpmMetricsGet_t = zeroed();
        request.version = 1;
        request.numMetrics = 2;
        [request.sample1, request.sample2] = samples;
        request.metrics[0].metricId = 2;
        request.metrics[1].metricId = 999;
        ask!(report, name, table.nvmlGpmMetricsGet(&raw mut request)
            => [request.metrics[0].nvmlReturn, request.metrics[1].nvmlReturn]);
        for sample in samples {
            ask!(report, name, table.nvmlGpmSampleFree(sample) => ());
        }
    }
}
