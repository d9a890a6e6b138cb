//! Processes on a device.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{
    nvmlProcessInfo_t, nvmlProcessUtilizationInfo_v1_t, nvmlProcessUtilizationSample_t,
    nvmlProcessesUtilizationInfo_t,
};

use super::Answer;
use super::border::{Argument, Out};
use crate::code::Code;
use crate::driver::{Driver, Target};
use crate::scenario::gpu::{ProcessKind, ProcessSpec};

/// What stands for an instance where there is none.
const NO_INSTANCE: u32 = u32::MAX;

/// What stands for memory that the driver does not tell.
const NOT_AVAILABLE: u64 = u64::MAX;

pub(super) fn compute(
    driver: &Driver,
    target: Target,
    count: Out<c_uint>,
    infos: Out<nvmlProcessInfo_t>,
) -> Answer {
    list(driver, target, ProcessKind::Compute, &count, &infos)
}

pub(super) fn graphics(
    driver: &Driver,
    target: Target,
    count: Out<c_uint>,
    infos: Out<nvmlProcessInfo_t>,
) -> Answer {
    list(driver, target, ProcessKind::Graphics, &count, &infos)
}

pub(super) fn mps(
    driver: &Driver,
    target: Target,
    count: Out<c_uint>,
    infos: Out<nvmlProcessInfo_t>,
) -> Answer {
    list(driver, target, ProcessKind::Mps, &count, &infos)
}

/// The caller says how many it has room for, and is told how many there are; with too little room
/// nothing else is written.
fn list(
    driver: &Driver,
    target: Target,
    kind: ProcessKind,
    count: &Out<c_uint>,
    infos: &Out<nvmlProcessInfo_t>,
) -> Answer {
    let reading = driver.read(target);
    let own: Vec<_> = reading
        .view()
        .gpu
        .spec
        .processes
        .iter()
        .filter(|process| process.kind == kind)
        .filter(|process| match reading.instance() {
            Some(instance) => {
                process.gi == Some(instance.gpu_instance)
                    && process.ci.unwrap_or(0) == instance.compute_instance
            }
            None => true,
        })
        .map(|process| nvmlProcessInfo_t {
            pid: process.pid,
            usedGpuMemory: process.memory_mib.map_or(NOT_AVAILABLE, |mib| mib << 20),
            gpuInstanceId: process.gi.unwrap_or(NO_INSTANCE),
            computeInstanceId: process.gi.map_or(NO_INSTANCE, |_| process.ci.unwrap_or(0)),
        })
        .collect();
    let room = count.get()? as usize;
    count.put(u32::try_from(own.len()).unwrap_or(u32::MAX))?;
    if own.len() > room {
        return Err(Code::INSUFFICIENT_SIZE);
    }
    if own.is_empty() { Ok(()) } else { infos.put_all(own) }
}

/// The active processes and the stamp of their last point; `NOT_FOUND` if there are none.
fn active(
    driver: &Driver,
    target: Target,
    last_seen: u64,
) -> Result<(Vec<ProcessSpec>, u64), Code> {
    let reading = driver.read(target);
    let view = reading.whole()?;
    if view.instances().is_some() {
        return Err(Code::NOT_SUPPORTED);
    }
    let stamp = driver.clock.wall();
    let active: Vec<_> =
        view.gpu.spec.processes.iter().filter(|process| process.sm_util > 0).cloned().collect();
    if active.is_empty() || stamp <= last_seen { Err(Code::NOT_FOUND) } else { Ok((active, stamp)) }
}

pub(super) fn utilization(
    driver: &Driver,
    target: Target,
    samples: Out<nvmlProcessUtilizationSample_t>,
    count: Out<c_uint>,
    last_seen: c_ulonglong,
) -> Answer {
    let (active, stamp) = active(driver, target, last_seen)?;
    let number = u32::try_from(active.len()).unwrap_or(u32::MAX);
    let room = count.get()?;
    count.put(number)?;
    if samples.is_null() || room < number {
        return Err(Code::INSUFFICIENT_SIZE);
    }
    samples.put_all(active.iter().map(|process| nvmlProcessUtilizationSample_t {
        pid: process.pid,
        timeStamp: stamp,
        smUtil: process.sm_util,
        memUtil: process.sm_util / 2,
        encUtil: 0,
        decUtil: 0,
    }))
}

#[expect(unsafe_code, reason = "the place of the array stands in the structure")]
pub(super) fn utilization_info(
    driver: &Driver,
    target: Target,
    info: Out<nvmlProcessesUtilizationInfo_t>,
) -> Answer {
    info.check_version(1)?;
    let asked = info.get()?;
    let (active, stamp) = active(driver, target, asked.lastSeenTimeStamp)?;
    let number = u32::try_from(active.len()).unwrap_or(u32::MAX);
    info.put(nvmlProcessesUtilizationInfo_t { processSamplesCount: number, ..asked })?;
    if asked.procUtilArray.is_null() || asked.processSamplesCount < number {
        return Err(Code::INSUFFICIENT_SIZE);
    }
    // SAFETY: the caller answers for the pointers in its structures as for its arguments, and has
    // just said that there is room.
    let array = unsafe { asked.procUtilArray.receive() };
    array.put_all(active.iter().map(|process| nvmlProcessUtilizationInfo_v1_t {
        timeStamp: stamp,
        pid: process.pid,
        smUtil: process.sm_util,
        memUtil: process.sm_util / 2,
        encUtil: 0,
        decUtil: 0,
        jpgUtil: 0,
        ofaUtil: 0,
    }))
}
