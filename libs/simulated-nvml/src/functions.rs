//! The functions of NVML that are simulated, with their arguments: the one list from which the
//! numbering, the entries of the C ABI, the table and the shared library's symbols are made.

/// Calls a macro with the list: first functions of the library, then those of a device, whose first
/// argument is a device's handle. Behind `=` stands what answers, a function in `abi`.
///
/// Types are named as in [`nvml_wrapper_sys::bindings`], which has to be imported.
#[macro_export]
macro_rules! for_each_function {
    ($callback:ident) => {
        $callback! {
            library {
                nvmlInit_v2() = library::init;
                nvmlInitWithFlags(flags: c_uint) = library::init_with_flags;
                nvmlShutdown() = library::shutdown;
                nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) = library::driver_version;
                nvmlSystemGetNVMLVersion(version: *mut c_char, length: c_uint) = library::nvml_version;
                nvmlSystemGetCudaDriverVersion(version: *mut c_int) = library::cuda_version;
                nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) = library::cuda_version;
                nvmlDeviceGetCount_v2(count: *mut c_uint) = library::device_count;
                nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut nvmlDevice_t) = library::handle_by_index;
                nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut nvmlDevice_t) = library::handle_by_uuid;
                nvmlDeviceGetHandleByPciBusId_v2(bus_id: *const c_char, device: *mut nvmlDevice_t) = library::handle_by_bus_id;
                nvmlEventSetCreate(set: *mut nvmlEventSet_t) = events::create;
                nvmlEventSetWait_v2(set: nvmlEventSet_t, data: *mut nvmlEventData_t, timeout_ms: c_uint) = events::wait;
                nvmlEventSetFree(set: nvmlEventSet_t) = events::free;
                nvmlSystemEventSetCreate(request: *mut nvmlSystemEventSetCreateRequest_t) = system_events::create;
                nvmlSystemRegisterEvents(request: *mut nvmlSystemRegisterEventRequest_t) = system_events::register;
                nvmlSystemEventSetWait(request: *mut nvmlSystemEventSetWaitRequest_t) = system_events::wait;
                nvmlSystemEventSetFree(request: *mut nvmlSystemEventSetFreeRequest_t) = system_events::free;
                nvmlGpmSampleAlloc(sample: *mut nvmlGpmSample_t) = activity::allocate;
                nvmlGpmSampleFree(sample: nvmlGpmSample_t) = activity::free;
                nvmlGpmMetricsGet(request: *mut nvmlGpmMetricsGet_t) = activity::metrics;
            }
            device {
                nvmlDeviceGetName(name: *mut c_char, length: c_uint) = identity::name;
                nvmlDeviceGetUUID(uuid: *mut c_char, length: c_uint) = identity::uuid;
                nvmlDeviceGetPciInfo_v3(pci: *mut nvmlPciInfo_t) = identity::pci_info;
                nvmlDeviceGetSerial(serial: *mut c_char, length: c_uint) = identity::serial;
                nvmlDeviceGetIndex(index: *mut c_uint) = identity::index;
                nvmlDeviceGetMinorNumber(minor: *mut c_uint) = identity::minor_number;
                nvmlDeviceGetBrand(brand: *mut nvmlBrandType_t) = identity::brand;
                nvmlDeviceGetArchitecture(architecture: *mut nvmlDeviceArchitecture_t) = identity::architecture;
                nvmlDeviceGetCudaComputeCapability(major: *mut c_int, minor: *mut c_int) = identity::compute_capability;
                nvmlDeviceGetVbiosVersion(version: *mut c_char, length: c_uint) = identity::vbios_version;
                nvmlDeviceGetInforomVersion(object: nvmlInforomObject_t, version: *mut c_char, length: c_uint) = identity::inforom_version;
                nvmlDeviceGetInforomImageVersion(version: *mut c_char, length: c_uint) = identity::inforom_image_version;
                nvmlDeviceGetPersistenceMode(mode: *mut nvmlEnableState_t) = identity::persistence_mode;
                nvmlDeviceGetUtilizationRates(utilization: *mut nvmlUtilization_t) = load::utilization_rates;
                nvmlDeviceGetEncoderUtilization(utilization: *mut c_uint, period_us: *mut c_uint) = load::encoder;
                nvmlDeviceGetDecoderUtilization(utilization: *mut c_uint, period_us: *mut c_uint) = load::decoder;
                nvmlDeviceGetJpgUtilization(utilization: *mut c_uint, period_us: *mut c_uint) = load::idle_unit;
                nvmlDeviceGetOfaUtilization(utilization: *mut c_uint, period_us: *mut c_uint) = load::idle_unit;
                nvmlDeviceGetSamples(kind: nvmlSamplingType_t, last_seen: c_ulonglong, value_type: *mut nvmlValueType_t, count: *mut c_uint, samples: *mut nvmlSample_t) = load::samples;
                nvmlDeviceGetMemoryInfo(memory: *mut nvmlMemory_t) = gauges::memory;
                nvmlDeviceGetMemoryInfo_v2(memory: *mut nvmlMemory_v2_t) = gauges::memory_v2;
                nvmlDeviceGetBAR1MemoryInfo(memory: *mut nvmlBAR1Memory_t) = gauges::bar1;
                nvmlDeviceGetClockInfo(kind: nvmlClockType_t, clock: *mut c_uint) = gauges::clock;
                nvmlDeviceGetMaxClockInfo(kind: nvmlClockType_t, clock: *mut c_uint) = gauges::max_clock;
                nvmlDeviceGetClock(kind: nvmlClockType_t, id: nvmlClockId_t, clock: *mut c_uint) = gauges::clock_by_id;
                nvmlDeviceGetCurrentClocksEventReasons(reasons: *mut c_ulonglong) = gauges::clock_events;
                nvmlDeviceGetCurrentClocksThrottleReasons(reasons: *mut c_ulonglong) = gauges::clock_events;
                nvmlDeviceGetPerformanceState(state: *mut nvmlPstates_t) = gauges::performance_state;
                nvmlDeviceGetPowerUsage(power: *mut c_uint) = gauges::power;
                nvmlDeviceGetEnforcedPowerLimit(limit: *mut c_uint) = gauges::power_limit;
                nvmlDeviceGetPowerManagementLimit(limit: *mut c_uint) = gauges::power_limit;
                nvmlDeviceGetPowerManagementDefaultLimit(limit: *mut c_uint) = gauges::default_power_limit;
                nvmlDeviceGetPowerManagementLimitConstraints(least: *mut c_uint, most: *mut c_uint) = gauges::power_limits;
                nvmlDeviceGetTotalEnergyConsumption(energy: *mut c_ulonglong) = gauges::energy;
                nvmlDeviceGetTemperature(sensor: nvmlTemperatureSensors_t, temperature: *mut c_uint) = thermal::temperature;
                nvmlDeviceGetTemperatureV(temperature: *mut nvmlTemperature_t) = thermal::temperature_v;
                nvmlDeviceGetMarginTemperature(margin: *mut nvmlMarginTemperature_t) = thermal::margin;
                nvmlDeviceGetTemperatureThreshold(kind: nvmlTemperatureThresholds_t, temperature: *mut c_uint) = thermal::threshold;
                nvmlDeviceGetNumFans(count: *mut c_uint) = thermal::fan_count;
                nvmlDeviceGetFanSpeed_v2(fan: c_uint, speed: *mut c_uint) = thermal::fan_speed;
                nvmlDeviceGetFanSpeedRPM(speed: *mut nvmlFanSpeedInfo_t) = thermal::fan_rpm;
                nvmlDeviceGetCurrPcieLinkGeneration(generation: *mut c_uint) = fabric::pcie_generation;
                nvmlDeviceGetCurrPcieLinkWidth(width: *mut c_uint) = fabric::pcie_width;
                nvmlDeviceGetMaxPcieLinkGeneration(generation: *mut c_uint) = fabric::pcie_generation;
                nvmlDeviceGetMaxPcieLinkWidth(width: *mut c_uint) = fabric::pcie_width;
                nvmlDeviceGetPcieReplayCounter(count: *mut c_uint) = fabric::pcie_replays;
                nvmlDeviceGetPcieThroughput(counter: nvmlPcieUtilCounter_t, value: *mut c_uint) = fabric::pcie_throughput;
                nvmlDeviceGetNvLinkState(link: c_uint, state: *mut nvmlEnableState_t) = fabric::link_state;
                nvmlDeviceGetGpuFabricInfoV(info: *mut nvmlGpuFabricInfoV_t) = fabric::fabric_info;
                nvmlDeviceGetGridLicensableFeatures_v4(features: *mut nvmlGridLicensableFeatures_t) = fabric::licences;
                nvmlDeviceGetFieldValues(count: c_int, values: *mut nvmlFieldValue_t) = errors::field_values;
                nvmlDeviceGetEccMode(current: *mut nvmlEnableState_t, pending: *mut nvmlEnableState_t) = errors::ecc_mode;
                nvmlDeviceGetTotalEccErrors(kind: nvmlMemoryErrorType_t, counter: nvmlEccCounterType_t, count: *mut c_ulonglong) = errors::ecc_errors;
                nvmlDeviceGetSramEccErrorStatus(status: *mut nvmlEccSramErrorStatus_t) = errors::sram_errors;
                nvmlDeviceGetRemappedRows(correctable: *mut c_uint, uncorrectable: *mut c_uint, pending: *mut c_uint, failure: *mut c_uint) = errors::remapped_rows;
                nvmlDeviceGetRowRemapperHistogram(banks: *mut nvmlRowRemapperHistogramValues_t) = errors::remapper_histogram;
                nvmlDeviceGetRetiredPages(cause: nvmlPageRetirementCause_t, count: *mut c_uint, addresses: *mut c_ulonglong) = errors::retired_pages;
                nvmlDeviceGetRetiredPages_v2(cause: nvmlPageRetirementCause_t, count: *mut c_uint, addresses: *mut c_ulonglong, stamps: *mut c_ulonglong) = errors::retired_pages_v2;
                nvmlDeviceGetRetiredPagesPendingStatus(pending: *mut nvmlEnableState_t) = errors::retired_pages_pending;
                nvmlDeviceGetComputeRunningProcesses_v3(count: *mut c_uint, infos: *mut nvmlProcessInfo_t) = processes::compute;
                nvmlDeviceGetGraphicsRunningProcesses_v3(count: *mut c_uint, infos: *mut nvmlProcessInfo_t) = processes::graphics;
                nvmlDeviceGetMPSComputeRunningProcesses_v3(count: *mut c_uint, infos: *mut nvmlProcessInfo_t) = processes::mps;
                nvmlDeviceGetProcessUtilization(samples: *mut nvmlProcessUtilizationSample_t, count: *mut c_uint, last_seen: c_ulonglong) = processes::utilization;
                nvmlDeviceGetProcessesUtilizationInfo(info: *mut nvmlProcessesUtilizationInfo_t) = processes::utilization_info;
                nvmlDeviceGetMigMode(current: *mut c_uint, pending: *mut c_uint) = mig::mode;
                nvmlDeviceGetMaxMigDeviceCount(count: *mut c_uint) = mig::max_count;
                nvmlDeviceGetMigDeviceHandleByIndex(index: c_uint, instance: *mut nvmlDevice_t) = mig::handle_by_index;
                nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device: *mut nvmlDevice_t) = mig::parent;
                nvmlDeviceIsMigDeviceHandle(is_instance: *mut c_uint) = mig::is_instance;
                nvmlDeviceGetGpuInstanceId(id: *mut c_uint) = mig::gpu_instance;
                nvmlDeviceGetComputeInstanceId(id: *mut c_uint) = mig::compute_instance;
                nvmlDeviceGetAttributes_v2(attributes: *mut nvmlDeviceAttributes_t) = mig::attributes;
                nvmlDeviceGetSupportedEventTypes(kinds: *mut c_ulonglong) = events::supported;
                nvmlDeviceRegisterEvents(kinds: c_ulonglong, set: nvmlEventSet_t) = events::register;
                nvmlGpmQueryDeviceSupport(support: *mut nvmlGpmSupport_t) = activity::support;
                nvmlGpmSampleGet(sample: nvmlGpmSample_t) = activity::take;
                nvmlGpmMigSampleGet(gpu_instance: c_uint, sample: nvmlGpmSample_t) = activity::take_instance;
            }
        }
    };
}

macro_rules! number {
    (
        library { $($library:ident($($_a:tt)*) = $lm:ident::$lf:ident;)* }
        device { $($device:ident($($_b:tt)*) = $dm:ident::$df:ident;)* }
    ) => {
        /// A function that is simulated.
        #[expect(non_camel_case_types, missing_docs, reason = "they are NVML's names")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Function { $($library,)* $($device,)* nvmlErrorString }

        impl Function {
            /// All of them; each stands at its own number.
            pub const ALL: &'static [Self] =
                &[$(Self::$library,)* $(Self::$device,)* Self::nvmlErrorString];

            /// Its symbol.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$library => stringify!($library),)*
                    $(Self::$device => stringify!($device),)*
                    Self::nvmlErrorString => "nvmlErrorString",
                }
            }
        }
    };
}

for_each_function!(number);

impl Function {
    /// By its symbol.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.name() == name)
    }
}
