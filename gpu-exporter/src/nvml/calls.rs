//! Every plain call of NVML that is made: safe functions over the table of symbols.
//!
//! With [`buffers`] the only place with unsafe code. A handle is a number that the library gave and
//! checks itself at every call, so one of a device that is gone is answered, not followed.

#![expect(unsafe_code, reason = "NVML is a C library; each call is made here or in `buffers`")]

pub mod buffers;

use std::ffi::{CString, c_char, c_uint, c_ulonglong};
use std::path::Path;

use nvml_wrapper_sys::bindings as sys;
use nvml_wrapper_sys::bindings::NvmlLib;

use super::error::{NvmlError, ReturnCode};

/// A GPU or MIG instance, as the library names it. Valid until NVML is shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceHandle(usize);

impl DeviceHandle {
    fn raw(self) -> sys::nvmlDevice_t {
        std::ptr::with_exposed_provenance_mut(self.0)
    }

    fn of(raw: sys::nvmlDevice_t) -> Self {
        Self(raw.expose_provenance())
    }
}

fn check(function: &'static str, code: sys::nvmlReturn_t) -> Result<(), NvmlError> {
    match code {
        0 => Ok(()),
        number => Err(NvmlError { function, code: ReturnCode::from_number(number) }),
    }
}

/// Calls a function of the table; one that the library lacks is answered like the library would.
macro_rules! call {
    ($table:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match &$table.$function {
            Ok(function) => {
                // SAFETY: the symbol has the type that the bindings give it. Pointers among the
                // arguments are to values of this frame or of the caller's buffers, whose length
                // is passed beside them; handles are checked by the library.
                let answer = unsafe { function($($argument),*) };
                crate::nvml::calls::check(stringify!($function), answer)
            }
            Err(_) => Err(crate::nvml::error::NvmlError {
                function: stringify!($function),
                code: crate::nvml::error::ReturnCode::FunctionNotFound,
            }),
        }
    };
}
use call;

/// Getters of one unsigned number, with arguments between handle and result.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident = $function:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Calls {
            $($(#[$doc])*
            ///
            /// # Errors
            /// The library's answer.
            pub fn $name(&self, device: DeviceHandle $(, $argument: $type)*) -> Result<$result, NvmlError> {
                let mut value: $result = 0;
                call!(self.0, $function(device.raw(), $($argument,)* &raw mut value))?;
                Ok(value)
            })*
        }
    };
}

/// Getters of a text.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $function:ident($($argument:ident: $type:ty),*);)*) => {
        impl Calls {
            $($(#[$doc])*
            ///
            /// # Errors
            /// The library's answer.
            pub fn $name(&self, device: DeviceHandle $(, $argument: $type)*) -> Result<String, NvmlError> {
                text(|buffer, length| call!(self.0, $function(device.raw(), $($argument,)* buffer, length)))
            })*
        }
    };
}

/// Longest text of NVML is 96 bytes; this leaves room for a longer one.
const TEXT_LENGTH: c_uint = 256;

fn text(
    read: impl FnOnce(*mut c_char, c_uint) -> Result<(), NvmlError>,
) -> Result<String, NvmlError> {
    let mut buffer: [c_char; TEXT_LENGTH as usize] = [0; TEXT_LENGTH as usize];
    read(buffer.as_mut_ptr(), TEXT_LENGTH)?;
    Ok(until_nul(&buffer))
}

/// The text of a buffer, up to the zero or, if the library forgot it, to the end.
fn until_nul(buffer: &[c_char]) -> String {
    let bytes: Vec<u8> =
        buffer.iter().take_while(|byte| **byte != 0).map(|byte| byte.to_ne_bytes()[0]).collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// NVML's way to say which version of a struct it gets: its size, and the version in the top byte.
#[expect(clippy::cast_possible_truncation, reason = "structs of NVML have less than 16 MiB")]
const fn version_of<T>(version: u32) -> u32 {
    size_of::<T>() as u32 | version << 24
}

/// The loaded library.
pub struct Calls(pub(super) NvmlLib);

impl std::fmt::Debug for Calls {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Calls")
    }
}

/// Loads a library. Symbols that it lacks are missed only when they are called.
///
/// # Errors
/// The dynamic linker's.
pub fn load(path: &Path) -> Result<Calls, Box<dyn std::error::Error + Send + Sync>> {
    // SAFETY: runs the initialisers of a library that whoever configured the path vouches for; its
    // symbols have the types of NVML's header, because that is what the name promises.
    let library = unsafe { NvmlLib::new(path) }?;
    Ok(Calls(library))
}

/// Device memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Of the board.
    pub total: u64,
    /// Without the reserve, unless [`Self::reserved`] is unknown.
    pub used: u64,
    /// Neither used nor reserved.
    pub free: u64,
    /// Of driver and firmware. `None` from drivers before R510, whose `used` includes it.
    pub reserved: Option<u64>,
}

/// BAR1 in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar1 {
    /// Size of the window.
    pub total: u64,
    /// Mapped.
    pub used: u64,
    /// Not mapped.
    pub free: u64,
}

/// Banks by how many spare rows they have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemapBanks {
    /// All.
    pub max: u32,
    /// Most.
    pub high: u32,
    /// Some.
    pub partial: u32,
    /// Few.
    pub low: u32,
    /// None.
    pub none: u32,
}

numbers! {
    /// NVML's index.
    index = nvmlDeviceGetIndex() -> c_uint;
    /// The number in `/dev/nvidiaN`.
    minor_number = nvmlDeviceGetMinorNumber() -> c_uint;
    /// NVML's number of the brand.
    brand = nvmlDeviceGetBrand() -> c_uint;
    /// NVML's number of the architecture.
    architecture = nvmlDeviceGetArchitecture() -> c_uint;
    /// 1 if the driver keeps the GPU initialised.
    persistence_mode = nvmlDeviceGetPersistenceMode() -> c_uint;
    /// MHz, by NVML's number of the clock.
    clock_mhz = nvmlDeviceGetClockInfo(clock: c_uint) -> c_uint;
    /// MHz, by NVML's number of the clock.
    max_clock_mhz = nvmlDeviceGetMaxClockInfo(clock: c_uint) -> c_uint;
    /// mW.
    power_mw = nvmlDeviceGetPowerUsage() -> c_uint;
    /// mW.
    enforced_power_limit_mw = nvmlDeviceGetEnforcedPowerLimit() -> c_uint;
    /// mW.
    power_limit_mw = nvmlDeviceGetPowerManagementLimit() -> c_uint;
    /// mW.
    default_power_limit_mw = nvmlDeviceGetPowerManagementDefaultLimit() -> c_uint;
    /// mJ.
    energy_mj = nvmlDeviceGetTotalEnergyConsumption() -> c_ulonglong;
    /// Celsius, by NVML's number of the sensor.
    temperature = nvmlDeviceGetTemperature(sensor: c_uint) -> c_uint;
    /// Celsius, by NVML's number of the threshold.
    temperature_threshold = nvmlDeviceGetTemperatureThreshold(threshold: c_uint) -> c_uint;
    /// Fans of the board.
    fan_count = nvmlDeviceGetNumFans() -> c_uint;
    /// Percent of its nominal speed.
    fan_speed_percent = nvmlDeviceGetFanSpeed_v2(fan: c_uint) -> c_uint;
    /// 0 to 15; 32 is unknown.
    performance_state = nvmlDeviceGetPerformanceState() -> c_uint;
    /// Generation, now.
    pcie_generation = nvmlDeviceGetCurrPcieLinkGeneration() -> c_uint;
    /// Lanes, now.
    pcie_width = nvmlDeviceGetCurrPcieLinkWidth() -> c_uint;
    /// Generation, at most.
    max_pcie_generation = nvmlDeviceGetMaxPcieLinkGeneration() -> c_uint;
    /// Lanes, at most.
    max_pcie_width = nvmlDeviceGetMaxPcieLinkWidth() -> c_uint;
    /// A counter.
    pcie_replays = nvmlDeviceGetPcieReplayCounter() -> c_uint;
    /// 1 if the link is up.
    nvlink_state = nvmlDeviceGetNvLinkState(link: c_uint) -> c_uint;
    /// Bits of the reasons that hold clocks down now, by their new name.
    clock_event_reasons_new = nvmlDeviceGetCurrentClocksEventReasons() -> c_ulonglong;
    /// The same by its old name, which drivers before R535 have alone.
    clock_event_reasons_old = nvmlDeviceGetCurrentClocksThrottleReasons() -> c_ulonglong;
    /// Bits of the events that can be asked for.
    supported_events = nvmlDeviceGetSupportedEventTypes() -> c_ulonglong;
    /// MIG instances at most.
    max_mig_count = nvmlDeviceGetMaxMigDeviceCount() -> c_uint;
    /// Of a MIG instance.
    gpu_instance_id = nvmlDeviceGetGpuInstanceId() -> c_uint;
    /// Of a MIG instance.
    compute_instance_id = nvmlDeviceGetComputeInstanceId() -> c_uint;
}

texts! {
    /// The product, or the profile of a MIG instance after it.
    name = nvmlDeviceGetName();
    /// `GPU-...` or `MIG-...`.
    uuid = nvmlDeviceGetUUID();
    /// Of the board.
    serial = nvmlDeviceGetSerial();
    /// Of the firmware.
    vbios_version = nvmlDeviceGetVbiosVersion();
    /// By NVML's number of the object.
    inforom_version = nvmlDeviceGetInforomVersion(object: c_uint);
    /// Of the whole info ROM.
    inforom_image_version = nvmlDeviceGetInforomImageVersion();
}

#[expect(clippy::missing_errors_doc, reason = "of all of them the same: the library's answer")]
impl Calls {
    /// Starts NVML. Counted: each needs its own [`Self::shutdown`].
    pub fn init(&self) -> Result<(), NvmlError> {
        call!(self.0, nvmlInit_v2())
    }

    /// Ends NVML; handles are invalid from now on.
    pub fn shutdown(&self) -> Result<(), NvmlError> {
        call!(self.0, nvmlShutdown())
    }

    /// `580.95.05`
    pub fn driver_version(&self) -> Result<String, NvmlError> {
        text(|buffer, length| call!(self.0, nvmlSystemGetDriverVersion(buffer, length)))
    }

    /// `13.580.95.05`
    pub fn nvml_version(&self) -> Result<String, NvmlError> {
        text(|buffer, length| call!(self.0, nvmlSystemGetNVMLVersion(buffer, length)))
    }

    /// 13000 for 13.0
    pub fn cuda_version(&self) -> Result<i32, NvmlError> {
        let mut version = 0;
        call!(self.0, nvmlSystemGetCudaDriverVersion_v2(&raw mut version))?;
        Ok(version)
    }

    /// GPUs of the node.
    pub fn device_count(&self) -> Result<u32, NvmlError> {
        let mut count = 0;
        call!(self.0, nvmlDeviceGetCount_v2(&raw mut count))?;
        Ok(count)
    }

    /// The GPU at an index.
    pub fn device_by_index(&self, index: u32) -> Result<DeviceHandle, NvmlError> {
        let mut raw = std::ptr::null_mut();
        call!(self.0, nvmlDeviceGetHandleByIndex_v2(index, &raw mut raw))?;
        Ok(DeviceHandle::of(raw))
    }

    /// The GPU or MIG instance of a UUID. One with a zero byte is answered as not found.
    pub fn device_by_uuid(&self, uuid: &str) -> Result<DeviceHandle, NvmlError> {
        let function = "nvmlDeviceGetHandleByUUID";
        let Ok(uuid) = CString::new(uuid) else {
            return Err(NvmlError { function, code: ReturnCode::NotFound });
        };
        let mut raw = std::ptr::null_mut();
        call!(self.0, nvmlDeviceGetHandleByUUID(uuid.as_ptr(), &raw mut raw))?;
        Ok(DeviceHandle::of(raw))
    }

    /// The MIG instance at an index; not every index has one.
    pub fn mig_by_index(&self, gpu: DeviceHandle, index: u32) -> Result<DeviceHandle, NvmlError> {
        let mut raw = std::ptr::null_mut();
        call!(self.0, nvmlDeviceGetMigDeviceHandleByIndex(gpu.raw(), index, &raw mut raw))?;
        Ok(DeviceHandle::of(raw))
    }

    /// Whether MIG is on now.
    pub fn mig_mode(&self, device: DeviceHandle) -> Result<bool, NvmlError> {
        let (mut current, mut pending) = (0, 0);
        call!(self.0, nvmlDeviceGetMigMode(device.raw(), &raw mut current, &raw mut pending))?;
        Ok(current == 1)
    }

    /// `00000000:17:00.0`
    pub fn pci_bus_id(&self, device: DeviceHandle) -> Result<String, NvmlError> {
        let mut info = sys::nvmlPciInfo_t {
            busIdLegacy: [0; 16],
            domain: 0,
            bus: 0,
            device: 0,
            pciDeviceId: 0,
            pciSubSystemId: 0,
            busId: [0; 32],
        };
        call!(self.0, nvmlDeviceGetPciInfo_v3(device.raw(), &raw mut info))?;
        Ok(until_nul(&info.busId))
    }

    /// Major and minor.
    pub fn compute_capability(&self, device: DeviceHandle) -> Result<(i32, i32), NvmlError> {
        let (mut major, mut minor) = (0, 0);
        call!(
            self.0,
            nvmlDeviceGetCudaComputeCapability(device.raw(), &raw mut major, &raw mut minor)
        )?;
        Ok((major, minor))
    }

    /// By the second version of the call, or by the first where the library lacks it.
    pub fn memory(&self, device: DeviceHandle) -> Result<Memory, NvmlError> {
        if self.0.nvmlDeviceGetMemoryInfo_v2.is_err() {
            let mut memory = sys::nvmlMemory_t { total: 0, free: 0, used: 0 };
            call!(self.0, nvmlDeviceGetMemoryInfo(device.raw(), &raw mut memory))?;
            let sys::nvmlMemory_t { total, free, used } = memory;
            return Ok(Memory { total, used, free, reserved: None });
        }
        let version = version_of::<sys::nvmlMemory_v2_t>(2);
        let mut memory = sys::nvmlMemory_v2_t { version, total: 0, reserved: 0, free: 0, used: 0 };
        call!(self.0, nvmlDeviceGetMemoryInfo_v2(device.raw(), &raw mut memory))?;
        let sys::nvmlMemory_v2_t { total, reserved, free, used, .. } = memory;
        Ok(Memory { total, used, free, reserved: Some(reserved) })
    }

    /// The window through which the CPU sees device memory.
    pub fn bar1(&self, device: DeviceHandle) -> Result<Bar1, NvmlError> {
        let mut bar1 = sys::nvmlBAR1Memory_t { bar1Total: 0, bar1Free: 0, bar1Used: 0 };
        call!(self.0, nvmlDeviceGetBAR1MemoryInfo(device.raw(), &raw mut bar1))?;
        Ok(Bar1 { total: bar1.bar1Total, used: bar1.bar1Used, free: bar1.bar1Free })
    }

    /// Percent of the driver's last period: kernels resident, memory read or written.
    pub fn utilization_percent(&self, device: DeviceHandle) -> Result<(u32, u32), NvmlError> {
        let mut rates = sys::nvmlUtilization_t { gpu: 0, memory: 0 };
        call!(self.0, nvmlDeviceGetUtilizationRates(device.raw(), &raw mut rates))?;
        Ok((rates.gpu, rates.memory))
    }

    /// Bits of the reasons that hold clocks down now.
    pub fn clock_event_reasons(&self, device: DeviceHandle) -> Result<u64, NvmlError> {
        if self.0.nvmlDeviceGetCurrentClocksEventReasons.is_ok() {
            return self.clock_event_reasons_new(device);
        }
        self.clock_event_reasons_old(device)
    }

    /// mW, lowest and highest that can be asked for.
    pub fn power_limit_range_mw(&self, device: DeviceHandle) -> Result<(u32, u32), NvmlError> {
        let (mut low, mut high) = (0, 0);
        call!(
            self.0,
            nvmlDeviceGetPowerManagementLimitConstraints(device.raw(), &raw mut low, &raw mut high)
        )?;
        Ok((low, high))
    }

    /// Celsius below the limit at which clocks go down.
    pub fn temperature_margin(&self, device: DeviceHandle) -> Result<i32, NvmlError> {
        let version = version_of::<sys::nvmlMarginTemperature_t>(1);
        let mut margin = sys::nvmlMarginTemperature_t { version, marginTemperature: 0 };
        call!(self.0, nvmlDeviceGetMarginTemperature(device.raw(), &raw mut margin))?;
        Ok(margin.marginTemperature)
    }

    /// Revolutions per minute.
    pub fn fan_rpm(&self, device: DeviceHandle, fan: u32) -> Result<u32, NvmlError> {
        let version = version_of::<sys::nvmlFanSpeedInfo_t>(1);
        let mut speed = sys::nvmlFanSpeedInfo_t { version, fan, speed: 0 };
        call!(self.0, nvmlDeviceGetFanSpeedRPM(device.raw(), &raw mut speed))?;
        Ok(speed.speed)
    }

    /// Spare rows.
    pub fn remap_banks(&self, device: DeviceHandle) -> Result<RemapBanks, NvmlError> {
        let mut banks =
            sys::nvmlRowRemapperHistogramValues_t { max: 0, high: 0, partial: 0, low: 0, none: 0 };
        call!(self.0, nvmlDeviceGetRowRemapperHistogram(device.raw(), &raw mut banks))?;
        let sys::nvmlRowRemapperHistogramValues_t { max, high, partial, low, none } = banks;
        Ok(RemapBanks { max, high, partial, low, none })
    }

    /// Whether a feature of a virtual GPU is licensed; `None` where nothing can be.
    pub fn vgpu_licensed(&self, device: DeviceHandle) -> Result<Option<bool>, NvmlError> {
        // SAFETY: numbers and arrays of numbers, for which zero is a value.
        let mut features: sys::nvmlGridLicensableFeatures_t = unsafe { std::mem::zeroed() };
        call!(self.0, nvmlDeviceGetGridLicensableFeatures_v4(device.raw(), &raw mut features))?;
        if features.isGridLicenseSupported == 0 {
            return Ok(None);
        }
        let count = features.licensableFeaturesCount as usize;
        Ok(Some(
            features.gridLicensableFeatures.iter().take(count).any(|one| one.featureState == 1),
        ))
    }

    /// NVML's number of the state of the registration with the fabric.
    pub fn fabric_state(&self, device: DeviceHandle) -> Result<u32, NvmlError> {
        // SAFETY: numbers and arrays of numbers, for which zero is a value.
        let mut info: sys::nvmlGpuFabricInfoV_t = unsafe { std::mem::zeroed() };
        // the second version is a prefix of the struct, and older drivers know it
        info.version = version_of::<sys::nvmlGpuFabricInfo_v2_t>(2);
        call!(self.0, nvmlDeviceGetGpuFabricInfoV(device.raw(), &raw mut info))?;
        Ok(u32::from(info.state))
    }

    /// Percent, by the engine's own call.
    pub fn engine_percent(&self, device: DeviceHandle, engine: Engine) -> Result<u32, NvmlError> {
        let (mut percent, mut period_us) = (0, 0);
        let (value, period) = (&raw mut percent, &raw mut period_us);
        match engine {
            Engine::Encoder => {
                call!(self.0, nvmlDeviceGetEncoderUtilization(device.raw(), value, period))?;
            }
            Engine::Decoder => {
                call!(self.0, nvmlDeviceGetDecoderUtilization(device.raw(), value, period))?;
            }
            Engine::Jpeg => {
                call!(self.0, nvmlDeviceGetJpgUtilization(device.raw(), value, period))?;
            }
            Engine::Ofa => {
                call!(self.0, nvmlDeviceGetOfaUtilization(device.raw(), value, period))?;
            }
        }
        Ok(percent)
    }
}

/// An engine beside the SMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Video encoder.
    Encoder,
    /// Video decoder.
    Decoder,
    /// JPEG decoder.
    Jpeg,
    /// Optical flow.
    Ofa,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_carry_the_size_of_the_struct() {
        // 40 bytes: a number, padding, four 64-bit numbers
        assert_eq!(version_of::<sys::nvmlMemory_v2_t>(2), 0x28 | 2 << 24);
        assert_eq!(version_of::<sys::nvmlGpuFabricInfo_v2_t>(2), 0x24 | 2 << 24);
    }

    #[test]
    fn a_text_without_an_end_is_read_to_the_end_of_the_buffer() {
        let byte = |letter: u8| c_char::from_ne_bytes([letter]);
        assert_eq!(until_nul(&[byte(b'a'), byte(b'b'), 0, byte(b'c')]), "ab");
        assert_eq!(until_nul(&[byte(b'a'); 3]), "aaa");
        assert_eq!(until_nul(&[byte(0xff)]), "\u{fffd}");
    }
}
