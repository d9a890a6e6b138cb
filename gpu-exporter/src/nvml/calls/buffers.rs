//! Calls that fill buffers of the caller, and objects that the library allocates.
//!
//! Lengths that the library reports are never trusted beyond the buffer that it was given.

use std::ffi::{c_int, c_uint};
use std::sync::Arc;

use nvml_wrapper_sys::bindings as sys;

use super::{Calls, DeviceHandle, call};
use crate::nvml::error::{NvmlError, ReturnCode};
use crate::nvml::library::Library;

/// A number in one of the types that NVML tags.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// `double`
    Double(f64),
    /// All unsigned ones.
    Unsigned(u64),
    /// All signed ones.
    Signed(i64),
}

impl Value {
    /// As a floating point number; whole numbers above 2^53 lose their last digits.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Double(value) => value,
            Self::Unsigned(value) => value as f64,
            Self::Signed(value) => value as f64,
        }
    }

    /// `None` for a tag that is unknown: the bits mean nothing then.
    fn read(tag: sys::nvmlValueType_t, value: sys::nvmlValue_t) -> Option<Self> {
        // SAFETY: every member is a number, so any bits are a value of it; the library was given
        // the union zeroed, so all bits are there.
        unsafe {
            Some(match tag {
                sys::nvmlValueType_enum_NVML_VALUE_TYPE_DOUBLE => Self::Double(value.dVal),
                sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT => {
                    Self::Unsigned(u64::from(value.uiVal))
                }
                // `unsigned long` has the width of a pointer on the systems that NVML is built for
                sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG => {
                    Self::Unsigned(value.ulVal)
                }
                sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG => {
                    Self::Unsigned(value.ullVal)
                }
                sys::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG => {
                    Self::Signed(value.sllVal)
                }
                sys::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_INT => {
                    Self::Signed(i64::from(value.siVal))
                }
                sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_SHORT => {
                    Self::Unsigned(u64::from(value.usVal))
                }
                _ => return None,
            })
        }
    }
}

/// One field to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldRequest {
    /// In the numbering of the loaded driver.
    pub id: u32,
    /// Link, power domain, ...; `u32::MAX` for all links.
    pub scope: u32,
}

/// A buffer of samples, allocated once.
pub struct SampleBuffer(Vec<sys::nvmlSample_t>);

impl std::fmt::Debug for SampleBuffer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SampleBuffer({})", self.0.len())
    }
}

impl SampleBuffer {
    /// For so many samples.
    pub fn new(capacity: usize) -> Self {
        let empty = sys::nvmlSample_t { timeStamp: 0, sampleValue: sys::nvmlValue_t { ullVal: 0 } };
        Self(vec![empty; capacity])
    }

    /// How many fit.
    pub fn capacity(&self) -> usize {
        self.0.len()
    }
}

/// A process as the library tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningProcess {
    /// Its number.
    pub pid: u32,
    /// `None` where the driver does not tell.
    pub memory_bytes: Option<u64>,
    /// GPU and compute instance.
    pub mig: Option<(u32, u32)>,
}

/// Which processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessKind {
    /// With a compute context.
    Compute,
    /// With a graphics context.
    Graphics,
    /// With a compute context through MPS.
    Mps,
}

/// An event that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Of which GPU.
    pub device: DeviceHandle,
    /// One bit.
    pub kind: u64,
    /// Of an Xid: its number.
    pub data: u64,
}

/// Most processes of one kind that are read.
const MAX_PROCESSES: usize = 4_096;

#[expect(clippy::missing_errors_doc, reason = "of all of them the same: the library's answer")]
impl Calls {
    /// How many samples of a kind the driver keeps.
    pub fn sample_capacity(&self, device: DeviceHandle, kind: u32) -> Result<usize, NvmlError> {
        let (mut tag, mut count) = (0, 0);
        let none = std::ptr::null_mut();
        call!(
            self.0,
            nvmlDeviceGetSamples(device.raw(), kind, 0, &raw mut tag, &raw mut count, none)
        )?;
        Ok(count as usize)
    }

    /// Reads the samples newer than a time stamp (microseconds of the driver's clock) and calls
    /// `each` with time stamp and value, in the driver's order. None newer is no error.
    pub fn samples(
        &self,
        device: DeviceHandle,
        kind: u32,
        after: u64,
        buffer: &mut SampleBuffer,
        mut each: impl FnMut(u64, Value),
    ) -> Result<(), NvmlError> {
        let mut tag = 0;
        let mut count = c_uint::try_from(buffer.0.len()).unwrap_or(c_uint::MAX);
        let samples = buffer.0.as_mut_ptr();
        let answer = call!(
            self.0,
            nvmlDeviceGetSamples(device.raw(), kind, after, &raw mut tag, &raw mut count, samples)
        );
        match answer {
            Err(NvmlError { code: ReturnCode::NotFound | ReturnCode::NoData, .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                for sample in buffer.0.iter().take(count as usize) {
                    if let Some(value) = Value::read(tag, sample.sampleValue) {
                        each(sample.timeStamp, value);
                    }
                }
                Ok(())
            }
        }
    }

    /// Reads all fields in one call. The outer result is the call's, the inner ones the fields'; a
    /// type that is unknown is answered as [`ReturnCode::NoData`].
    pub fn field_values(
        &self,
        device: DeviceHandle,
        requests: &[FieldRequest],
    ) -> Result<Vec<Result<Value, ReturnCode>>, NvmlError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let mut values: Vec<sys::nvmlFieldValue_t> = requests
            .iter()
            .map(|request| sys::nvmlFieldValue_t {
                fieldId: request.id,
                scopeId: request.scope,
                timestamp: 0,
                latencyUsec: 0,
                valueType: 0,
                // a library that skips a field leaves no success behind
                nvmlReturn: ReturnCode::NoData.number(),
                value: sys::nvmlValue_t { ullVal: 0 },
            })
            .collect();
        let count = c_int::try_from(values.len()).unwrap_or(c_int::MAX);
        call!(self.0, nvmlDeviceGetFieldValues(device.raw(), count, values.as_mut_ptr()))?;
        Ok(values
            .iter()
            .map(|field| match field.nvmlReturn {
                0 => Value::read(field.valueType, field.value).ok_or(ReturnCode::NoData),
                code => Err(ReturnCode::from_number(code)),
            })
            .collect())
    }

    /// Processes of a kind.
    pub fn processes(
        &self,
        device: DeviceHandle,
        kind: ProcessKind,
    ) -> Result<Vec<RunningProcess>, NvmlError> {
        let empty = sys::nvmlProcessInfo_t {
            pid: 0,
            usedGpuMemory: 0,
            gpuInstanceId: u32::MAX,
            computeInstanceId: u32::MAX,
        };
        let mut infos = vec![empty; 64];
        loop {
            let mut count = c_uint::try_from(infos.len()).unwrap_or(c_uint::MAX);
            let (counter, buffer) = (&raw mut count, infos.as_mut_ptr());
            let raw = device.raw();
            let answer = match kind {
                ProcessKind::Compute => {
                    call!(self.0, nvmlDeviceGetComputeRunningProcesses_v3(raw, counter, buffer))
                }
                ProcessKind::Graphics => {
                    call!(self.0, nvmlDeviceGetGraphicsRunningProcesses_v3(raw, counter, buffer))
                }
                ProcessKind::Mps => {
                    call!(self.0, nvmlDeviceGetMPSComputeRunningProcesses_v3(raw, counter, buffer))
                }
            };
            match answer {
                Err(NvmlError { code: ReturnCode::InsufficientSize, .. })
                    if infos.len() < MAX_PROCESSES =>
                {
                    // some may start in between
                    let wanted = (count as usize).max(infos.len()) * 2;
                    infos.resize(wanted.min(MAX_PROCESSES), empty);
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(infos.iter().take(count as usize).map(running).collect()),
            }
        }
    }

    /// Share of SM time in percent by process, from samples newer than a time stamp of the driver;
    /// with it the time stamp of the newest. No process was active: none.
    pub fn process_utilization(
        &self,
        device: DeviceHandle,
        after: u64,
    ) -> Result<Vec<(u32, u64, u32)>, NvmlError> {
        let empty = sys::nvmlProcessUtilizationSample_t {
            pid: 0,
            timeStamp: 0,
            smUtil: 0,
            memUtil: 0,
            encUtil: 0,
            decUtil: 0,
        };
        let mut samples = vec![empty; 128];
        loop {
            let mut count = c_uint::try_from(samples.len()).unwrap_or(c_uint::MAX);
            let (buffer, counter) = (samples.as_mut_ptr(), &raw mut count);
            let answer = call!(
                self.0,
                nvmlDeviceGetProcessUtilization(device.raw(), buffer, counter, after)
            );
            match answer {
                Err(NvmlError { code: ReturnCode::NotFound | ReturnCode::NoData, .. }) => {
                    return Ok(Vec::new());
                }
                Err(NvmlError { code: ReturnCode::InsufficientSize, .. })
                    if samples.len() < MAX_PROCESSES =>
                {
                    let wanted = (count as usize).max(samples.len()) * 2;
                    samples.resize(wanted.min(MAX_PROCESSES), empty);
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    let of = |sample: &sys::nvmlProcessUtilizationSample_t| {
                        (sample.pid, sample.timeStamp, sample.smUtil)
                    };
                    return Ok(samples.iter().take(count as usize).map(of).collect());
                }
            }
        }
    }

    /// Whether the GPU can do GPM.
    pub fn gpm_supported(&self, device: DeviceHandle) -> Result<bool, NvmlError> {
        let mut support =
            sys::nvmlGpmSupport_t { version: sys::NVML_GPM_SUPPORT_VERSION, isSupportedDevice: 0 };
        call!(self.0, nvmlGpmQueryDeviceSupport(device.raw(), &raw mut support))?;
        Ok(support.isSupportedDevice == 1)
    }
}

fn running(info: &sys::nvmlProcessInfo_t) -> RunningProcess {
    let known = |id: u32| (id != u32::MAX).then_some(id);
    RunningProcess {
        pid: info.pid,
        // all bits set: the driver does not tell
        memory_bytes: (info.usedGpuMemory != u64::MAX).then_some(info.usedGpuMemory),
        mig: known(info.gpuInstanceId).zip(known(info.computeInstanceId)),
    }
}

/// A sample of GPM, in memory of the library.
#[derive(Debug)]
pub struct GpmSample {
    library: Arc<Library>,
    raw: usize,
}

impl GpmSample {
    /// An empty one.
    ///
    /// # Errors
    /// The library's answer. Without a function that frees it, it is not even made.
    pub fn new(library: &Arc<Library>) -> Result<Self, NvmlError> {
        let table = &library.calls().0;
        if table.nvmlGpmSampleFree.is_err() {
            return Err(NvmlError {
                function: "nvmlGpmSampleFree",
                code: ReturnCode::FunctionNotFound,
            });
        }
        let mut raw: sys::nvmlGpmSample_t = std::ptr::null_mut();
        call!(table, nvmlGpmSampleAlloc(&raw mut raw))?;
        Ok(Self { library: Arc::clone(library), raw: raw.expose_provenance() })
    }

    fn raw(&self) -> sys::nvmlGpmSample_t {
        std::ptr::with_exposed_provenance_mut(self.raw)
    }

    /// Takes it: of a GPU, or of one of its instances.
    ///
    /// # Errors
    /// The library's answer.
    pub fn take(&mut self, gpu: DeviceHandle, instance: Option<u32>) -> Result<(), NvmlError> {
        let table = &self.library.calls().0;
        match instance {
            None => call!(table, nvmlGpmSampleGet(gpu.raw(), self.raw())),
            Some(id) => call!(table, nvmlGpmMigSampleGet(gpu.raw(), id, self.raw())),
        }
    }

    /// What happened between an earlier sample and this one, by metric id, in NVML's units; the
    /// inner results are those of single metrics. At most 210 ids.
    ///
    /// # Errors
    /// The library's answer.
    pub fn metrics_since(
        &self,
        earlier: &Self,
        ids: &[u32],
    ) -> Result<Vec<Result<f64, ReturnCode>>, NvmlError> {
        let null = std::ptr::null_mut();
        let empty = sys::nvmlGpmMetric_t {
            metricId: 0,
            nvmlReturn: ReturnCode::NoData.number(),
            value: 0.0,
            metricInfo: sys::nvmlGpmMetric_t__bindgen_ty_1 {
                shortName: null,
                longName: null,
                unit: null,
            },
        };
        let mut request = Box::new(sys::nvmlGpmMetricsGet_t {
            version: sys::NVML_GPM_METRICS_GET_VERSION,
            numMetrics: 0,
            sample1: earlier.raw(),
            sample2: self.raw(),
            metrics: [empty; 210],
        });
        let count = ids.len().min(request.metrics.len());
        request.numMetrics = c_uint::try_from(count).unwrap_or_default();
        for (metric, id) in request.metrics.iter_mut().zip(ids) {
            metric.metricId = *id;
        }
        call!(self.library.calls().0, nvmlGpmMetricsGet(&raw mut *request))?;
        Ok(request.metrics[..count]
            .iter()
            .map(|metric| match metric.nvmlReturn {
                0 if metric.value.is_finite() => Ok(metric.value),
                0 => Err(ReturnCode::NoData),
                code => Err(ReturnCode::from_number(code)),
            })
            .collect())
    }
}

impl Drop for GpmSample {
    fn drop(&mut self) {
        // after a shutdown the library answers that, and nothing can be done about it
        let _ = call!(self.library.calls().0, nvmlGpmSampleFree(self.raw()));
    }
}

/// A set of events that can be waited for.
#[derive(Debug)]
pub struct EventSet {
    library: Arc<Library>,
    raw: usize,
}

impl EventSet {
    /// An empty one.
    ///
    /// # Errors
    /// The library's answer. Without a function that frees it, it is not even made.
    pub fn new(library: &Arc<Library>) -> Result<Self, NvmlError> {
        let table = &library.calls().0;
        if table.nvmlEventSetFree.is_err() {
            return Err(NvmlError {
                function: "nvmlEventSetFree",
                code: ReturnCode::FunctionNotFound,
            });
        }
        let mut raw: sys::nvmlEventSet_t = std::ptr::null_mut();
        call!(table, nvmlEventSetCreate(&raw mut raw))?;
        Ok(Self { library: Arc::clone(library), raw: raw.expose_provenance() })
    }

    fn raw(&self) -> sys::nvmlEventSet_t {
        std::ptr::with_exposed_provenance_mut(self.raw)
    }

    /// Adds events of a GPU.
    ///
    /// # Errors
    /// The library's answer. [`ReturnCode::NotSupported`] leaves the set as it was; after
    /// [`ReturnCode::Unknown`] it must not be used any more.
    pub fn register(&self, device: DeviceHandle, events: u64) -> Result<(), NvmlError> {
        call!(self.library.calls().0, nvmlDeviceRegisterEvents(device.raw(), events, self.raw()))
    }

    /// Waits for one event; `None` when there was none in time, or NVML returned early.
    ///
    /// # Errors
    /// The library's answer.
    pub fn wait(&self, timeout_ms: u32) -> Result<Option<Event>, NvmlError> {
        let mut data = sys::nvmlEventData_t {
            device: std::ptr::null_mut(),
            eventType: 0,
            eventData: 0,
            gpuInstanceId: 0,
            computeInstanceId: 0,
        };
        let table = &self.library.calls().0;
        match call!(table, nvmlEventSetWait_v2(self.raw(), &raw mut data, timeout_ms)) {
            Ok(()) => Ok(Some(Event {
                device: DeviceHandle::of(data.device),
                kind: data.eventType,
                data: data.eventData,
            })),
            Err(NvmlError { code: ReturnCode::Timeout, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for EventSet {
    fn drop(&mut self) {
        let _ = call!(self.library.calls().0, nvmlEventSetFree(self.raw()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_their_tag_says() {
        let of = |tag, value| Value::read(tag, value);
        let wide = sys::nvmlValue_t { ullVal: 0x1_0000_0005 };
        assert_eq!(of(0, sys::nvmlValue_t { dVal: 1.5 }), Some(Value::Double(1.5)));
        assert_eq!(of(1, wide), Some(Value::Unsigned(5)), "32 bits");
        assert_eq!(of(2, wide), Some(Value::Unsigned(0x1_0000_0005)), "a long has 64 bits");
        assert_eq!(of(3, wide), Some(Value::Unsigned(0x1_0000_0005)));
        assert_eq!(of(4, sys::nvmlValue_t { sllVal: -7 }), Some(Value::Signed(-7)));
        let mut signed = sys::nvmlValue_t { ullVal: 0 };
        signed.siVal = -12;
        assert_eq!(of(5, signed), Some(Value::Signed(-12)), "distance to a limit");
        assert_eq!(of(6, wide), Some(Value::Unsigned(5)), "16 bits");
        assert_eq!(of(7, wide), None, "a type of a later driver");
    }

    #[test]
    fn a_process_without_memory_or_instance_has_neither() {
        let info = sys::nvmlProcessInfo_t {
            pid: 9,
            usedGpuMemory: u64::MAX,
            gpuInstanceId: u32::MAX,
            computeInstanceId: u32::MAX,
        };
        let expected = RunningProcess { pid: 9, memory_bytes: None, mig: None };
        assert_eq!(running(&info), expected);
        let info = sys::nvmlProcessInfo_t {
            usedGpuMemory: 5,
            gpuInstanceId: 1,
            computeInstanceId: 0,
            ..info
        };
        let expected = RunningProcess { pid: 9, memory_bytes: Some(5), mig: Some((1, 0)) };
        assert_eq!(running(&info), expected);
    }
}
