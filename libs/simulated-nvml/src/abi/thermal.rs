//! Temperatures and fans.

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings::{nvmlFanSpeedInfo_t, nvmlMarginTemperature_t, nvmlTemperature_t};

use super::Answer;
use super::border::Out;
use crate::code::Code;
use crate::driver::{Driver, Target};
use crate::engine::numbers::{short, signed};
use crate::engine::view::{Unit, View};

pub(super) fn temperature(
    driver: &Driver,
    target: Target,
    sensor: c_uint,
    temperature: Out<c_uint>,
) -> Answer {
    if sensor != 0 {
        return Err(Code::INVALID_ARGUMENT);
    }
    temperature.put(short(driver.read(target).whole()?.temperature()))
}

pub(super) fn temperature_v(
    driver: &Driver,
    target: Target,
    temperature: Out<nvmlTemperature_t>,
) -> Answer {
    temperature.check_version(1)?;
    let asked = temperature.get()?;
    if asked.sensorType != 0 {
        return Err(Code::INVALID_ARGUMENT);
    }
    let celsius = signed(driver.read(target).whole()?.temperature());
    temperature.put(nvmlTemperature_t { temperature: celsius, ..asked })
}

pub(super) fn margin(
    driver: &Driver,
    target: Target,
    margin: Out<nvmlMarginTemperature_t>,
) -> Answer {
    margin.check_version(1)?;
    let version = margin.version()?;
    let reading = driver.read(target);
    let view = reading.whole()?;
    if view.profile().architecture < 8 {
        return Err(Code::NOT_SUPPORTED);
    }
    let celsius = signed(view.profile().limits_celsius[3] - view.temperature());
    margin.put(nvmlMarginTemperature_t { version, marginTemperature: celsius })
}

/// Kinds: 0 shutdown, 1 slowdown, 2 memory, 3 GPU.
pub(super) fn threshold(
    driver: &Driver,
    target: Target,
    kind: c_uint,
    temperature: Out<c_uint>,
) -> Answer {
    let reading = driver.read(target);
    let limits = reading.whole()?.profile().limits_celsius;
    match limits.get(kind as usize) {
        Some(limit) if *limit > 0.0 => temperature.put(short(*limit)),
        Some(_) => Err(Code::NOT_SUPPORTED),
        None if kind < 8 => Err(Code::NOT_SUPPORTED),
        None => Err(Code::INVALID_ARGUMENT),
    }
}

pub(super) fn fan_count(driver: &Driver, target: Target, count: Out<c_uint>) -> Answer {
    count.put(driver.read(target).whole()?.gpu.spec.fans)
}

fn fan_percent(view: &View<'_>, fan: u32) -> Result<f64, Code> {
    if view.gpu.spec.fans == 0 {
        return Err(Code::NOT_SUPPORTED);
    }
    if fan >= view.gpu.spec.fans {
        return Err(Code::INVALID_ARGUMENT);
    }
    Ok(30.0 + 0.6 * view.average(Unit::Compute, 10_000_000))
}

pub(super) fn fan_speed(
    driver: &Driver,
    target: Target,
    fan: c_uint,
    speed: Out<c_uint>,
) -> Answer {
    speed.put(short(fan_percent(&driver.read(target).whole()?, fan)?))
}

pub(super) fn fan_rpm(driver: &Driver, target: Target, speed: Out<nvmlFanSpeedInfo_t>) -> Answer {
    speed.check_version(1)?;
    let asked = speed.get()?;
    let percent = fan_percent(&driver.read(target).whole()?, asked.fan)?;
    speed.put(nvmlFanSpeedInfo_t { speed: short(40.0 * percent), ..asked })
}
