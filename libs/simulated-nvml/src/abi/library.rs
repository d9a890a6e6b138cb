//! Opening, closing, versions, and handles.

use std::ffi::{c_char, c_int, c_uint};
use std::ptr::without_provenance_mut;

use nvml_wrapper_sys::bindings::nvmlDevice_t;

use super::Answer;
use super::border::{Out, Text};
use crate::code::Code;
use crate::driver::Driver;
use crate::driver::handle::Handle;
use crate::engine::Engine;
use crate::scenario::timeline::Health;

pub(super) fn init(driver: &Driver) -> Answer {
    driver.open()
}

pub(super) fn init_with_flags(driver: &Driver, _flags: c_uint) -> Answer {
    driver.open()
}

pub(super) fn shutdown(driver: &Driver) -> Answer {
    driver.close()
}

pub(super) fn driver_version(driver: &Driver, version: Out<c_char>, room: c_uint) -> Answer {
    version.put_text(room, &driver.scenario.driver_version)
}

pub(super) fn nvml_version(driver: &Driver, version: Out<c_char>, room: c_uint) -> Answer {
    let cuda = driver.scenario.cuda_version / 1_000;
    version.put_text(room, &format!("{cuda}.{}", driver.scenario.driver_version))
}

pub(super) fn cuda_version(driver: &Driver, version: Out<c_int>) -> Answer {
    version.put(driver.scenario.cuda_version)
}

pub(super) fn device_count(driver: &Driver, count: Out<c_uint>) -> Answer {
    let number = driver.engine().present(driver.clock.now()).count();
    count.put(u32::try_from(number).unwrap_or(u32::MAX))
}

pub(super) fn handle_by_index(driver: &Driver, index: c_uint, device: Out<nvmlDevice_t>) -> Answer {
    let engine = driver.engine();
    let now = driver.clock.now();
    let gpu = engine.present(now).nth(index as usize).ok_or(Code::INVALID_ARGUMENT)?;
    hand_out(&engine, now, Handle { gpu, instance: None }, &device)
}

pub(super) fn handle_by_uuid(driver: &Driver, uuid: Text, device: Out<nvmlDevice_t>) -> Answer {
    let uuid = uuid.read()?;
    let engine = driver.engine();
    let now = driver.clock.now();
    for gpu in engine.present(now) {
        let Some(view) = engine.view(gpu, now) else { continue };
        if view.gpu.uuid == uuid {
            return hand_out(&engine, now, Handle { gpu, instance: None }, &device);
        }
        let mut instances = view.instances().unwrap_or_default().iter();
        if let Some(index) = instances.position(|instance| instance.uuid == uuid) {
            let instance = Some((view.generation(), index));
            return hand_out(&engine, now, Handle { gpu, instance }, &device);
        }
    }
    Err(Code::NOT_FOUND)
}

pub(super) fn handle_by_bus_id(driver: &Driver, bus_id: Text, device: Out<nvmlDevice_t>) -> Answer {
    let bus_id = bus_id.read()?.to_uppercase();
    let engine = driver.engine();
    let now = driver.clock.now();
    let mut present = engine.present(now);
    let found = present.find(|gpu| {
        let own = super::identity::bus_id(engine.gpus()[*gpu].pci);
        own == bus_id || own[4..] == bus_id
    });
    let handle = Handle { gpu: found.ok_or(Code::NOT_FOUND)?, instance: None };
    hand_out(&engine, now, handle, &device)
}

/// The engine comes from the caller: who holds it must not ask for it again, or both wait for ever
/// when something happens in between.
fn hand_out(engine: &Engine, now: u64, handle: Handle, device: &Out<nvmlDevice_t>) -> Answer {
    let view = engine.view(handle.gpu, now).ok_or(Code::INVALID_ARGUMENT)?;
    if view.health() == Health::Lost {
        return Err(Code::GPU_IS_LOST);
    }
    device.put(without_provenance_mut(handle.encode()))
}
