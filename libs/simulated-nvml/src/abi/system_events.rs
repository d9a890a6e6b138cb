//! Events of the system: a driver is taken off a GPU, or put on it.

use std::ptr::without_provenance_mut;
use std::time::{Duration, Instant};

use nvml_wrapper_sys::bindings::{
    nvmlSystemEventData_v1_t, nvmlSystemEventSetCreateRequest_t, nvmlSystemEventSetFreeRequest_t,
    nvmlSystemEventSetWaitRequest_t, nvmlSystemRegisterEventRequest_t,
};

use super::Answer;
use super::border::{Argument, Out};
use crate::code::Code;
use crate::driver::Driver;
use crate::scenario::timeline::DriverChange;

/// Unbind and bind.
const KINDS: u64 = 0x1 | 0x2;

pub(super) fn create(driver: &Driver, request: Out<nvmlSystemEventSetCreateRequest_t>) -> Answer {
    request.check_version(1)?;
    let version = request.version()?;
    let mut objects = driver.objects();
    let number = objects.new_number();
    objects.system_sets.insert(number, (0, 0));
    request.put(nvmlSystemEventSetCreateRequest_t { version, set: without_provenance_mut(number) })
}

pub(super) fn register(driver: &Driver, request: Out<nvmlSystemRegisterEventRequest_t>) -> Answer {
    request.check_version(1)?;
    let asked = request.get()?;
    if asked.eventTypes & !KINDS != 0 {
        return Err(Code::NOT_SUPPORTED);
    }
    let now = driver.clock.now();
    let past = driver.engine().driver_changes().iter().filter(|(at, ..)| *at <= now).count();
    let mut objects = driver.objects();
    let set = objects.system_sets.get_mut(&asked.set.addr()).ok_or(Code::INVALID_ARGUMENT)?;
    *set = (set.0 | asked.eventTypes, past);
    Ok(())
}

#[expect(unsafe_code, reason = "the place of the array stands in the structure")]
pub(super) fn wait(driver: &Driver, request: Out<nvmlSystemEventSetWaitRequest_t>) -> Answer {
    request.check_version(1)?;
    let asked = request.get()?;
    if asked.data.is_null() || asked.dataSize == 0 {
        return Err(Code::INVALID_ARGUMENT);
    }
    // SAFETY: the caller answers for the pointers in its structures as for its arguments; there is
    // room for one, as was just checked.
    let data = unsafe { asked.data.receive() };
    let limit = Duration::from_millis(asked.timeoutms.into());
    let begin = Instant::now();
    let deadline = driver.clock.now().saturating_add(u64::from(asked.timeoutms) * 1_000);
    loop {
        let seen = driver.clock.seen();
        let now = driver.clock.now();
        let next = {
            let engine = driver.engine();
            let mut objects = driver.objects();
            let set =
                objects.system_sets.get_mut(&asked.set.addr()).ok_or(Code::INVALID_ARGUMENT)?;
            let mut next = None;
            while let Some((at, gpu, change)) = engine.driver_changes().get(set.1) {
                let kind = match change {
                    DriverChange::Unbind => 1,
                    DriverChange::Bind => 2,
                };
                if *at > now {
                    next = Some(*at);
                    break;
                }
                set.1 += 1;
                if set.0 & kind != 0 {
                    let gpu_id = engine.gpus()[*gpu].pci.1 << 8;
                    data.put(nvmlSystemEventData_v1_t { eventType: kind, gpuId: gpu_id })?;
                    return request.put(nvmlSystemEventSetWaitRequest_t { numEvent: 1, ..asked });
                }
            }
            next
        };
        let is_late = driver.clock.is_virtual() && begin.elapsed() >= limit;
        if now >= deadline || is_late || driver.clock.is_over() {
            return Err(Code::TIMEOUT);
        }
        let until = next.map_or(deadline, |next| next.min(deadline));
        driver.wait(until, seen, limit.saturating_sub(begin.elapsed()));
    }
}

pub(super) fn free(driver: &Driver, request: Out<nvmlSystemEventSetFreeRequest_t>) -> Answer {
    request.check_version(1)?;
    match driver.objects().system_sets.remove(&request.get()?.set.addr()) {
        Some(_) => Ok(()),
        None => Err(Code::INVALID_ARGUMENT),
    }
}
