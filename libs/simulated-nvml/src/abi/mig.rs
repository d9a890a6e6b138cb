//! MIG: whether it is on, and its instances.

use std::ffi::c_uint;
use std::ptr::without_provenance_mut;

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlDeviceAttributes_t};

use super::Answer;
use super::border::Out;
use crate::code::Code;
use crate::driver::handle::Handle;
use crate::driver::{Driver, Target};
use crate::engine::gpu::Instance;
use crate::scenario::mig::SLICES;

pub(super) fn mode(
    driver: &Driver,
    target: Target,
    current: Out<c_uint>,
    pending: Out<c_uint>,
) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    if view.profile().mig_profiles.is_empty() {
        return Err(Code::NOT_SUPPORTED);
    }
    let is_on = u32::from(view.instances().is_some());
    current.put(is_on)?;
    pending.put(is_on)
}

pub(super) fn max_count(driver: &Driver, target: Target, count: Out<c_uint>) -> Answer {
    let reading = driver.read(target);
    count.put(if reading.whole()?.profile().mig_profiles.is_empty() { 0 } else { SLICES })
}

pub(super) fn handle_by_index(
    driver: &Driver,
    target: Target,
    index: c_uint,
    instance: Out<nvmlDevice_t>,
) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    if view.profile().mig_profiles.is_empty() {
        return Err(Code::NOT_SUPPORTED);
    }
    let index = index as usize;
    if index >= SLICES as usize {
        return Err(Code::INVALID_ARGUMENT);
    }
    if view.instances().is_none_or(|all| index >= all.len()) {
        return Err(Code::NOT_FOUND);
    }
    let handle = Handle { gpu: target.gpu, instance: Some((view.generation(), index)) };
    instance.put(without_provenance_mut(handle.encode()))
}

pub(super) fn parent(_driver: &Driver, target: Target, device: Out<nvmlDevice_t>) -> Answer {
    if target.instance.is_none() {
        return Err(Code::INVALID_ARGUMENT);
    }
    device.put(without_provenance_mut(Handle { gpu: target.gpu, instance: None }.encode()))
}

pub(super) fn is_instance(_driver: &Driver, target: Target, is_instance: Out<c_uint>) -> Answer {
    is_instance.put(target.instance.is_some().into())
}

pub(super) fn gpu_instance(driver: &Driver, target: Target, id: Out<c_uint>) -> Answer {
    of_instance(driver, target, &id, |instance| instance.gpu_instance)
}

pub(super) fn compute_instance(driver: &Driver, target: Target, id: Out<c_uint>) -> Answer {
    of_instance(driver, target, &id, |instance| instance.compute_instance)
}

fn of_instance(
    driver: &Driver,
    target: Target,
    id: &Out<c_uint>,
    read: impl Fn(&Instance) -> u32,
) -> Answer {
    let reading = driver.read(target);
    id.put(read(reading.instance().ok_or(Code::INVALID_ARGUMENT)?))
}

pub(super) fn attributes(
    driver: &Driver,
    target: Target,
    attributes: Out<nvmlDeviceAttributes_t>,
) -> Answer {
    let reading = driver.read(target);
    let view = reading.view();
    let instance = reading.instance().ok_or(Code::NOT_SUPPORTED)?;
    let slices = instance.profile.slices;
    attributes.put(nvmlDeviceAttributes_t {
        multiprocessorCount: view.profile().multiprocessors / 8 * slices,
        sharedCopyEngineCount: slices,
        sharedDecoderCount: slices,
        sharedEncoderCount: 0,
        sharedJpegCount: slices,
        sharedOfaCount: u32::from(slices == SLICES),
        gpuInstanceSliceCount: slices,
        computeInstanceSliceCount: slices,
        memorySizeMB: view.instance_memory(instance).total >> 20,
    })
}
