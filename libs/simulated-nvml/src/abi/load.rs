//! Utilization, now and from the driver's buffers. With MIG on, NVML knows none of the GPU.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{
    nvmlSample_t, nvmlUtilization_t, nvmlValue_t, nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT,
};

use super::Answer;
use super::border::Out;
use crate::code::Code;
use crate::driver::{Driver, Reading, Target};
use crate::engine::numbers::short;
use crate::engine::samples::{self, Buffered, CAPACITY};
use crate::engine::view::{Unit, View};

fn without_mig<'a>(reading: &'a Reading<'_>) -> Result<View<'a>, Code> {
    let view = reading.whole()?;
    if view.instances().is_some() { Err(Code::NOT_SUPPORTED) } else { Ok(view) }
}

pub(super) fn utilization_rates(
    driver: &Driver,
    target: Target,
    utilization: Out<nvmlUtilization_t>,
) -> Answer {
    let reading = driver.read(target);
    let view = without_mig(&reading)?;
    utilization.put(nvmlUtilization_t {
        gpu: short(view.latest(Unit::Compute)),
        memory: short(view.latest(Unit::Memory)),
    })
}

pub(super) fn encoder(
    driver: &Driver,
    target: Target,
    utilization: Out<c_uint>,
    period: Out<c_uint>,
) -> Answer {
    unit(driver, target, Unit::Encoder, &utilization, &period)
}

pub(super) fn decoder(
    driver: &Driver,
    target: Target,
    utilization: Out<c_uint>,
    period: Out<c_uint>,
) -> Answer {
    unit(driver, target, Unit::Decoder, &utilization, &period)
}

pub(super) fn idle_unit(
    driver: &Driver,
    target: Target,
    utilization: Out<c_uint>,
    period: Out<c_uint>,
) -> Answer {
    unit(driver, target, Unit::Idle, &utilization, &period)
}

fn unit(
    driver: &Driver,
    target: Target,
    unit: Unit,
    utilization: &Out<c_uint>,
    period: &Out<c_uint>,
) -> Answer {
    let reading = driver.read(target);
    let view = without_mig(&reading)?;
    utilization.put(short(view.latest(unit)))?;
    period.put(u32::try_from(view.period()).unwrap_or(u32::MAX))
}

/// Without a place for points it says how many there can be. With one, points after `last_seen`
/// are written, the oldest first, as far as there is room.
pub(super) fn samples(
    driver: &Driver,
    target: Target,
    kind: c_uint,
    last_seen: c_ulonglong,
    value_type: Out<c_uint>,
    count: Out<c_uint>,
    points: Out<nvmlSample_t>,
) -> Answer {
    let what = match kind {
        0 => Buffered::Power,
        1 => Buffered::Utilization(Unit::Compute),
        2 => Buffered::Utilization(Unit::Memory),
        3 => Buffered::Utilization(Unit::Encoder),
        4 => Buffered::Utilization(Unit::Decoder),
        5 => Buffered::SmClock,
        6 => Buffered::MemoryClock,
        8 | 9 => Buffered::Utilization(Unit::Idle),
        7 => return Err(Code::NOT_SUPPORTED),
        _ => return Err(Code::INVALID_ARGUMENT),
    };
    let reading = driver.read(target);
    let view = match what {
        Buffered::Utilization(_) => without_mig(&reading)?,
        _ => reading.whole()?,
    };
    value_type.put(nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT)?;
    if points.is_null() {
        return count.put(short(crate::engine::numbers::real(CAPACITY)));
    }
    let room = count.get()? as usize;
    if room == 0 {
        return Err(Code::INVALID_ARGUMENT);
    }
    let mut newer = samples::newer_than(&view, what, reading.engine().boot(), last_seen);
    if newer.is_empty() {
        return Err(Code::NOT_FOUND);
    }
    newer.truncate(room);
    count.put(u32::try_from(newer.len()).unwrap_or(u32::MAX))?;
    points.put_all(newer.into_iter().map(|(stamp, value)| nvmlSample_t {
        timeStamp: stamp,
        sampleValue: nvmlValue_t { ullVal: value.into() },
    }))
}
