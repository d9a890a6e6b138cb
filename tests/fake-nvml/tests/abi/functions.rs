//! Every function, both ways.

use std::process::Command;
use std::ptr::null_mut;

use fake_nvml::probe::Report;
use nvml_wrapper_sys::bindings::NvmlLib;
use simulated_nvml::functions::Function;

use crate::fixture::{Open, call};

/// All products, MIG, processes, errors; a clock that stands still after a minute.
const EVERYTHING: &str = r#"{
    "clock": "virtual", "start_ms": 60000, "seed": 3,
    "gpus": [
        {"profile": "h100",
         "util": {"kind": "sine", "period_ms": 7000},
         "processes": [
            {"pid": 11, "memory_mib": 512, "sm_util": 40},
            {"pid": 12, "kind": "graphics"},
            {"pid": 13, "memory_mib": 100, "kind": "mps"}]},
        {"profile": "h100",
         "processes": [{"pid": 21, "memory_mib": 9, "gi": 1}],
         "mig": [{"gi": 1, "profile": "1g.10gb"}, {"gi": 2, "ci": 1, "profile": "2g.20gb"}]},
        {"profile": "a100", "links_down": [11]},
        {"profile": "b200"},
        {"profile": "l40s", "fans": 2, "encoder": {"kind": "constant", "value": 12}},
        {"profile": "t4"}
    ],
    "timeline": [
        {"at_ms": 10, "gpu": 0, "ecc": {"corrected": 7, "uncorrected": 1}},
        {"at_ms": 20, "gpu": 0, "remap": {"uncorrectable": 1, "pending": true}},
        {"at_ms": 30, "gpu": 0, "clock_events": ["sw_power_cap"]},
        {"at_ms": 40, "gpu": 5, "remap": {"uncorrectable": 2}}
    ]
}"#;

const TWO: &str = r#"{"gpus": [{}, {}]}"#;

#[test]
fn the_shared_library_answers_as_the_table_does() {
    let table = {
        let open = Open::closed(EVERYTHING);
        Report::of(&open.table)
    };
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("scenario.json");
    std::fs::write(&scenario, EVERYTHING).unwrap();
    // As the driver's library is found: by its name in a folder.
    let library = folder.path().join("libnvidia-ml.so.1");
    std::fs::copy(fake_nvml::path(), &library).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_nvml-probe"))
        .env("FAKE_NVML_SCENARIO", &scenario)
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shared = String::from_utf8(output.stdout).unwrap();
    let shared: Vec<_> = shared.lines().collect();
    assert_eq!(shared.len(), table.lines().len());
    for (shared, table) in shared.iter().zip(table.lines()) {
        assert_eq!(shared, table);
    }
}

#[test]
fn every_function_is_called_and_has_an_answer() {
    let open = Open::closed(EVERYTHING);
    let report = Report::of(&open.table);
    for function in Function::ALL {
        assert!(open.simulation.calls(function.name()) > 0, "{} was not called", function.name());
        let mut lines = report.of_function(function.name());
        // Waiting for events for no time at all is a timeout.
        let is_answer = |line: &str| [") = 0", ") = 10"].iter().any(|end| line.contains(end));
        assert!(
            lines.any(is_answer),
            "{} never answers: {:?}",
            function.name(),
            report.of_function(function.name()).collect::<Vec<_>>()
        );
    }
    assert_eq!(open.simulation.total_calls(), {
        let each = Function::ALL.iter().map(|function| open.simulation.calls(function.name()));
        each.sum::<u64>()
    });
}

#[test]
fn answers_are_those_of_the_scenario() {
    let open = Open::closed(EVERYTHING);
    let report = Report::of(&open.table);
    for line in [
        "nvmlDeviceGetName(0) = 0 \"NVIDIA H100 80GB HBM3\"",
        "nvmlDeviceGetName(0) = 7",
        "nvmlDeviceGetName(1.0) = 0 \"NVIDIA H100 80GB HBM3 MIG 1g.10gb\"",
        "nvmlDeviceGetPciInfo_v3(0) = 0 \"00000000:07:00.0\"",
        "nvmlDeviceGetCudaComputeCapability(2) = 0 (8, 0)",
        "nvmlDeviceGetUtilizationRates(1) = 3",
        "nvmlDeviceGetSamples(0) = 0 (1, 1, 120)",
        "nvmlDeviceGetMemoryInfo_v2(0) = 25",
        "nvmlDeviceGetCurrentClocksEventReasons(0) = 0 4",
        "nvmlDeviceGetFanSpeed_v2(0) = 3",
        "nvmlDeviceGetFanSpeed_v2(4) = 0 54",
        "nvmlDeviceGetEncoderUtilization(4) = 0 (12, 167000)",
        "nvmlDeviceGetNvLinkState(2) = 0 (11, 0)",
        "nvmlDeviceGetNvLinkState(2) = 2",
        "nvmlDeviceGetGpuFabricInfoV(0) = 0 3",
        "nvmlDeviceGetTotalEccErrors(0) = 0 7",
        "nvmlDeviceGetRemappedRows(0) = 0 (0, 1, 1, 0)",
        "nvmlDeviceGetRetiredPages(5) = 7",
        "nvmlDeviceGetRetiredPages(5) = 0 (2, 0)",
        "nvmlDeviceGetRetiredPages(0) = 3",
        "nvmlDeviceGetComputeRunningProcesses_v3(0) = 7",
        "nvmlDeviceGetProcessUtilization(0) = 0 (1, 11, 40)",
        "nvmlDeviceGetProcessUtilization(2) = 6",
        "nvmlDeviceGetMigMode(1) = 0 (1, 1)",
        "nvmlDeviceGetMigMode(5) = 3",
        "nvmlDeviceGetGpuInstanceId(1.1) = 0 2",
        "nvmlDeviceGetComputeInstanceId(1.1) = 0 1",
        "nvmlDeviceGetMigDeviceHandleByIndex(1.2) = 6",
        "nvmlDeviceGetMigDeviceHandleByIndex(1.7) = 2",
        "nvmlEventSetFree(again) = 2",
        "nvmlSystemEventSetFree(unpacked version) = 25",
        "nvmlGpmQueryDeviceSupport(2) = 0 0",
        "field(0 3) = 0 3: 7",
        "field(0 144) = 0 1: 1",
        "field(0 194) = 0 5: 18446744073709551614",
        "nvmlShutdown(closed) = 1",
        "nvmlDeviceGetCount_v2(closed) = 1",
    ] {
        let function = line.split('(').next().unwrap();
        assert!(
            report.lines().iter().any(|found| found == line),
            "no `{line}` in {:#?}",
            report.of_function(function).collect::<Vec<_>>()
        );
    }
    let process = report
        .of_function("nvmlDeviceGetComputeRunningProcesses_v3")
        .find(|line| line.contains("(0) = 0"))
        .unwrap();
    assert!(process.contains("pid: 11, usedGpuMemory: 536870912, gpuInstanceId: 4294967295"));
}

#[test]
fn symbols_that_the_scenario_takes_out_are_not_in_the_table() {
    let open = Open::new(r#"{"gpus": [{}], "absent_symbols": ["nvmlDeviceGetOfaUtilization"]}"#);
    assert!(open.table.nvmlDeviceGetOfaUtilization.is_err());
    assert!(open.table.nvmlDeviceGetJpgUtilization.is_ok());
    assert!(open.table.nvmlDeviceGetViolationStatus.is_err(), "it is not simulated");
}

#[test]
fn simulations_in_one_process_do_not_see_each_other() {
    let one = Open::new(r#"{"gpus": [{}]}"#);
    let two = Open::new(TWO);
    assert_eq!((one.count(), two.count()), (1, 2));
    assert_eq!(call!(one.table, nvmlShutdown()), 0);
    assert_eq!(two.count(), 2);
}

#[test]
fn null_is_refused_and_not_written_to() {
    let open = Open::new(r#"{"gpus": [{}]}"#);
    let device = open.device(0).unwrap();
    let mut value = 0;
    assert_eq!(call!(open.table, nvmlDeviceGetCount_v2(null_mut())), 2);
    assert_eq!(call!(open.table, nvmlDeviceGetPowerUsage(device, null_mut())), 2);
    assert_eq!(call!(open.table, nvmlDeviceGetName(device, null_mut(), 64)), 2);
    assert_eq!(call!(open.table, nvmlDeviceGetMemoryInfo_v2(device, null_mut())), 2);
    assert_eq!(call!(open.table, nvmlDeviceGetFieldValues(device, 3, null_mut())), 2);
    assert_eq!(call!(open.table, nvmlDeviceGetPowerUsage(null_mut(), &raw mut value)), 2);
    let mut found = null_mut();
    let nothing = std::ptr::null();
    assert_eq!(call!(open.table, nvmlDeviceGetHandleByUUID(nothing, &raw mut found)), 2);
}

#[test]
fn a_program_that_links_the_simulation_exports_no_symbol_of_nvml() {
    let this = libloading::os::unix::Library::this();
    // SAFETY: the symbol is looked up, not called.
    let symbol = unsafe { this.get::<unsafe extern "C" fn() -> u32>(b"nvmlInit_v2\0") };
    assert!(symbol.is_err(), "it would be found before the one of a real library");
}

#[test]
fn a_library_can_be_loaded_beside_the_table() {
    let open = Open::new(TWO);
    // SAFETY: loading the simulated library runs none of its code.
    let library = unsafe { NvmlLib::new(fake_nvml::path()) }.unwrap();
    let mut count = 0;
    assert_eq!(call!(library, nvmlDeviceGetCount_v2(&raw mut count)), 1, "it is not open");
    assert_eq!(open.count(), 2);
}

#[test]
fn the_shared_library_says_what_is_wrong_with_its_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("scenario.json");
    std::fs::write(&scenario, r#"{"gpus": [{"utl": 1}]}"#).unwrap();
    for (variable, reason) in [("FAKE_NVML_SCENARIO", "gpus[0].utl"), ("UNUSED", "no scenario")] {
        let output = Command::new(env!("CARGO_BIN_EXE_nvml-probe"))
            .arg(fake_nvml::path())
            .env(variable, &scenario)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(reason), "{errors}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("nvmlInit_v2() = 999"), "{text}");
    }
}

#[test]
fn the_real_name_of_a_missing_library_is_an_error() {
    // SAFETY: there is no such file.
    let table = unsafe { NvmlLib::new("/nowhere/libnvidia-ml.so.1") };
    assert!(table.is_err());
}
