//! Memory, clocks and power.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{nvmlBAR1Memory_t, nvmlMemory_t, nvmlMemory_v2_t};

use super::Answer;
use super::border::{Out, struct_version};
use crate::code::Code;
use crate::driver::{Driver, Reading, Target};
use crate::engine::numbers::{short, whole};
use crate::engine::view::Memory;

fn memory_of(reading: &Reading<'_>) -> Memory {
    match reading.instance() {
        Some(instance) => reading.view().instance_memory(instance),
        None => reading.view().memory(),
    }
}

/// The first version counts the reserve as used.
pub(super) fn memory(driver: &Driver, target: Target, memory: Out<nvmlMemory_t>) -> Answer {
    let Memory { total, reserved, used } = memory_of(&driver.read(target));
    memory.put(nvmlMemory_t { total, free: total - reserved - used, used: used + reserved })
}

pub(super) fn memory_v2(driver: &Driver, target: Target, memory: Out<nvmlMemory_v2_t>) -> Answer {
    memory.check_version(2)?;
    let Memory { total, reserved, used } = memory_of(&driver.read(target));
    memory.put(nvmlMemory_v2_t {
        version: struct_version::<nvmlMemory_v2_t>(2),
        total,
        reserved,
        free: total - reserved - used,
        used,
    })
}

pub(super) fn bar1(driver: &Driver, target: Target, memory: Out<nvmlBAR1Memory_t>) -> Answer {
    let reading = driver.read(target);
    let total = reading.whole()?.gpu.spec.memory.next_power_of_two();
    let used = 6 << 20;
    memory.put(nvmlBAR1Memory_t { bar1Total: total, bar1Free: total - used, bar1Used: used })
}

pub(super) fn clock(driver: &Driver, target: Target, kind: c_uint, clock: Out<c_uint>) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    clock.put(short(match kind {
        0 | 1 => view.sm_clock(),
        2 => view.profile().memory_mhz,
        3 => view.profile().video_mhz * (view.sm_clock() / view.profile().sm_mhz),
        _ => return Err(Code::INVALID_ARGUMENT),
    }))
}

pub(super) fn max_clock(
    driver: &Driver,
    target: Target,
    kind: c_uint,
    clock: Out<c_uint>,
) -> Answer {
    let reading = driver.read(target);
    let profile = reading.whole()?.profile();
    clock.put(short(match kind {
        0 | 1 => profile.sm_mhz,
        2 => profile.memory_mhz,
        3 => profile.video_mhz,
        _ => return Err(Code::INVALID_ARGUMENT),
    }))
}

/// Ids: 0 now, 1 and 2 of applications (gone since Hopper), 3 the highest.
pub(super) fn clock_by_id(
    driver: &Driver,
    target: Target,
    kind: c_uint,
    id: c_uint,
    place: Out<c_uint>,
) -> Answer {
    match id {
        0 => clock(driver, target, kind, place),
        3 => max_clock(driver, target, kind, place),
        1 | 2 => Err(Code::NOT_SUPPORTED),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

pub(super) fn clock_events(driver: &Driver, target: Target, reasons: Out<c_ulonglong>) -> Answer {
    reasons.put(driver.read(target).whole()?.clock_events())
}

pub(super) fn performance_state(driver: &Driver, target: Target, state: Out<c_uint>) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    // Products without NVLink go to P8 when idle, the others stay at P0.
    state.put(if view.is_idle() && view.profile().links == 0 { 8 } else { 0 })
}

pub(super) fn power(driver: &Driver, target: Target, power: Out<c_uint>) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    let averages = view.profile().architecture >= 7;
    power.put(short(1e3 * if averages { view.average_power() } else { view.power() }))
}

pub(super) fn power_limit(driver: &Driver, target: Target, limit: Out<c_uint>) -> Answer {
    limit.put(short(1e3 * driver.read(target).whole()?.gpu.spec.power_limit_watts))
}

pub(super) fn default_power_limit(driver: &Driver, target: Target, limit: Out<c_uint>) -> Answer {
    limit.put(short(1e3 * driver.read(target).whole()?.profile().limit_watts))
}

pub(super) fn power_limits(
    driver: &Driver,
    target: Target,
    least: Out<c_uint>,
    most: Out<c_uint>,
) -> Answer {
    let reading = driver.read(target);
    let profile = reading.whole()?.profile();
    least.put(short(1e3 * profile.min_limit_watts))?;
    most.put(short(1e3 * profile.limit_watts))
}

pub(super) fn energy(driver: &Driver, target: Target, energy: Out<c_ulonglong>) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    energy.put(whole(1e3 * view.energy()))
}
