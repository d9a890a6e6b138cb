//! A simulation that is open, and calls with answers that are values.

use std::ptr::null_mut;
use std::time::Duration;

use nvml_wrapper_sys::bindings::{
    NvmlLib, nvmlDevice_t, nvmlEventData_t, nvmlEventSet_t, nvmlFieldValue_t, nvmlSample_t,
};
use simulated_nvml::{Scenario, Simulation};

/// A simulation with its table, opened once.
pub(crate) struct Open {
    pub(crate) simulation: Simulation,
    pub(crate) table: NvmlLib,
}

/// `call!(table.function(arguments))`: the code.
macro_rules! call {
    ($table:expr, $name:ident($($argument:expr),*)) => {{
        let function = $table.$name.as_ref().expect("the symbol is there");
        // SAFETY: arguments are places of the test, as large as NVML wants them.
        unsafe { function($($argument),*) }
    }};
}

pub(crate) use call;

impl Open {
    pub(crate) fn new(scenario: &str) -> Self {
        let open = Self::closed(scenario);
        assert_eq!(call!(open.table, nvmlInit_v2()), 0);
        open
    }

    pub(crate) fn closed(scenario: &str) -> Self {
        let scenario = Scenario::parse(scenario).expect("the test's scenario is one");
        let simulation = Simulation::start(scenario).expect("a parsed scenario can be played");
        let table = simulation.table().expect("the program has symbols");
        Self { simulation, table }
    }

    pub(crate) fn advance_ms(&self, milliseconds: u64) {
        self.simulation.advance(Duration::from_millis(milliseconds));
    }

    pub(crate) fn happen(&self, json: &str) {
        self.simulation.happen(json).expect("it can happen on the node");
    }

    pub(crate) fn count(&self) -> u32 {
        let mut count = 0;
        assert_eq!(call!(self.table, nvmlDeviceGetCount_v2(&raw mut count)), 0);
        count
    }

    pub(crate) fn device(&self, index: u32) -> Result<nvmlDevice_t, u32> {
        let mut device = null_mut();
        answer(call!(self.table, nvmlDeviceGetHandleByIndex_v2(index, &raw mut device)), device)
    }

    pub(crate) fn instance(&self, device: nvmlDevice_t, index: u32) -> Result<nvmlDevice_t, u32> {
        let mut instance = null_mut();
        let place = &raw mut instance;
        let code = call!(self.table, nvmlDeviceGetMigDeviceHandleByIndex(device, index, place));
        answer(code, instance)
    }

    pub(crate) fn temperature(&self, device: nvmlDevice_t) -> Result<u32, u32> {
        let mut celsius = 0;
        let code = call!(self.table, nvmlDeviceGetTemperature(device, 0, &raw mut celsius));
        answer(code, celsius)
    }

    pub(crate) fn energy(&self, device: nvmlDevice_t) -> Result<u64, u32> {
        let mut millijoules = 0;
        let code =
            call!(self.table, nvmlDeviceGetTotalEnergyConsumption(device, &raw mut millijoules));
        answer(code, millijoules)
    }

    /// A field value as a whole number.
    pub(crate) fn field(&self, device: nvmlDevice_t, id: u32, scope: u32) -> Result<u64, u32> {
        // SAFETY: numbers only.
        let zero: nvmlFieldValue_t = unsafe { std::mem::zeroed() };
        let mut field = nvmlFieldValue_t { fieldId: id, scopeId: scope, ..zero };
        let code = call!(self.table, nvmlDeviceGetFieldValues(device, 1, &raw mut field));
        // SAFETY: all members are numbers of at most this size.
        answer(code, ()).and_then(|()| answer(field.nvmlReturn, unsafe { field.value.ullVal }))
    }

    /// Points after a stamp: stamps and values.
    pub(crate) fn samples(
        &self,
        device: nvmlDevice_t,
        kind: u32,
        last_seen: u64,
        room: u32,
    ) -> Result<Vec<(u64, u32)>, u32> {
        // SAFETY: numbers only.
        let mut points: [nvmlSample_t; 120] = unsafe { std::mem::zeroed() };
        let (mut value_type, mut count) = (0, room);
        let code = call!(
            self.table,
            nvmlDeviceGetSamples(
                device,
                kind,
                last_seen,
                &raw mut value_type,
                &raw mut count,
                points.as_mut_ptr()
            )
        );
        // SAFETY: points are `unsigned int`, as their type says.
        let value = |point: &nvmlSample_t| (point.timeStamp, unsafe { point.sampleValue.uiVal });
        answer(code, ()).map(|()| points[..count as usize].iter().map(value).collect())
    }

    /// An event set for these kinds of events of these devices.
    pub(crate) fn events(&self, devices: &[nvmlDevice_t], kinds: u64) -> nvmlEventSet_t {
        let mut set = null_mut();
        assert_eq!(call!(self.table, nvmlEventSetCreate(&raw mut set)), 0);
        for device in devices {
            assert_eq!(call!(self.table, nvmlDeviceRegisterEvents(*device, kinds, set)), 0);
        }
        set
    }

    /// The next event: its device, kind and data.
    pub(crate) fn event(
        &self,
        set: nvmlEventSet_t,
        timeout_ms: u32,
    ) -> Result<(nvmlDevice_t, u64, u64), u32> {
        // SAFETY: numbers and an opaque pointer.
        let mut data: nvmlEventData_t = unsafe { std::mem::zeroed() };
        let code = call!(self.table, nvmlEventSetWait_v2(set, &raw mut data, timeout_ms));
        answer(code, (data.device, data.eventType, data.eventData))
    }
}

pub(crate) fn answer<T>(code: u32, value: T) -> Result<T, u32> {
    if code == 0 { Ok(value) } else { Err(code) }
}

/// A structure of zeros with its size and version 1 in front.
pub(crate) fn versioned<T: Copy>() -> T {
    // SAFETY: used for structures of numbers and pointers.
    let mut value: T = unsafe { std::mem::zeroed() };
    let version = u32::try_from(size_of::<T>()).expect("structures are small") | 1 << 24;
    // SAFETY: they begin with their version.
    unsafe { (&raw mut value).cast::<u32>().write(version) };
    value
}
