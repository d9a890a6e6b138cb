//! Events of devices: what happened before registration is lost, and nothing is delivered twice.

use std::ffi::{c_uint, c_ulonglong};
use std::ptr::without_provenance_mut;
use std::time::Duration;

use nvml_wrapper_sys::bindings::{nvmlEventData_t, nvmlEventSet_st, nvmlEventSet_t};

use super::Answer;
use super::border::Out;
use crate::code::Code;
use crate::driver::handle::Handle;
use crate::driver::{Driver, Target};
use crate::engine::events::{DOUBLE_BIT_ERROR, MIG_CHANGE, RECOVERY_ACTION, Watch, XID};
use crate::engine::events::{next_at, take};
use crate::scenario::FieldNumbering;
use crate::scenario::timeline::Health;

/// Single-bit errors, states, clocks and power sources: can be registered, never happen.
const QUIET: u64 = 0x1 | 0x4 | 0x10 | 0x80;

pub(super) fn create(driver: &Driver, set: Out<nvmlEventSet_t>) -> Answer {
    let mut objects = driver.objects();
    let number = objects.new_number();
    set.put(without_provenance_mut(number))?;
    objects.sets.insert(number, Vec::new());
    Ok(())
}

pub(super) fn free(driver: &Driver, set: Out<nvmlEventSet_st>) -> Answer {
    match driver.objects().sets.remove(&set.address()) {
        Some(_) => Ok(()),
        None => Err(Code::INVALID_ARGUMENT),
    }
}

fn supported_kinds(driver: &Driver, target: Target) -> Result<u64, Code> {
    let reading = driver.read(target);
    let view = reading.whole()?;
    let mut kinds = QUIET | DOUBLE_BIT_ERROR | XID;
    if !view.profile().mig_profiles.is_empty() {
        kinds |= MIG_CHANGE;
    }
    if reading.engine().numbering() == FieldNumbering::V13 {
        kinds |= RECOVERY_ACTION;
    }
    Ok(kinds)
}

pub(super) fn supported(driver: &Driver, target: Target, kinds: Out<c_ulonglong>) -> Answer {
    kinds.put(supported_kinds(driver, target)?)
}

pub(super) fn register(
    driver: &Driver,
    target: Target,
    kinds: c_ulonglong,
    set: Out<nvmlEventSet_st>,
) -> Answer {
    if kinds & !supported_kinds(driver, target)? != 0 {
        return Err(Code::NOT_SUPPORTED);
    }
    let watch = Watch::new(&driver.engine(), target.gpu, kinds, target.now);
    let mut objects = driver.objects();
    objects.sets.get_mut(&set.address()).ok_or(Code::INVALID_ARGUMENT)?.push(watch);
    driver.clock.notify();
    Ok(())
}

/// Waits in the simulation's time. When nothing more is to be delivered and one of the GPUs is
/// lost, that is the answer, without a word about which.
pub(super) fn wait(
    driver: &Driver,
    set: Out<nvmlEventSet_st>,
    data: Out<nvmlEventData_t>,
    timeout_ms: c_uint,
) -> Answer {
    let limit = Duration::from_millis(timeout_ms.into());
    let begin = std::time::Instant::now();
    let deadline = driver.clock.now().saturating_add(u64::from(timeout_ms) * 1_000);
    loop {
        let seen = driver.clock.seen();
        let now = driver.clock.now();
        let next = {
            let engine = driver.engine();
            let mut objects = driver.objects();
            let watches = objects.sets.get_mut(&set.address()).ok_or(Code::INVALID_ARGUMENT)?;
            if let Some(event) = take(&engine, watches, now) {
                let device = Handle { gpu: event.gpu, instance: None }.encode();
                return data.put(nvmlEventData_t {
                    device: without_provenance_mut(device),
                    eventType: event.kind,
                    eventData: event.data,
                    gpuInstanceId: u32::MAX,
                    computeInstanceId: u32::MAX,
                });
            }
            let is_lost = |watch: &Watch| {
                engine.view(watch.gpu(), now).is_none_or(|view| view.health() == Health::Lost)
            };
            if watches.iter().any(is_lost) {
                return Err(Code::GPU_IS_LOST);
            }
            next_at(&engine, watches)
        };
        let is_late = driver.clock.is_virtual() && begin.elapsed() >= limit;
        if now >= deadline || is_late || driver.clock.is_over() {
            return Err(Code::TIMEOUT);
        }
        let until = next.map_or(deadline, |next| next.min(deadline));
        driver.wait(until, seen, limit.saturating_sub(begin.elapsed()));
    }
}
