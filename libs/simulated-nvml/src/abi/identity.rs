//! What a device is.

use std::ffi::{c_char, c_int, c_uint};

use nvml_wrapper_sys::bindings::{nvmlEnableState_t, nvmlPciInfo_t};

use super::Answer;
use super::border::{Out, chars};
use crate::code::Code;
use crate::driver::{Driver, Target};

pub(super) fn name(driver: &Driver, target: Target, name: Out<c_char>, room: c_uint) -> Answer {
    let reading = driver.read(target);
    let view = reading.view();
    let product = view.gpu.spec.name.as_deref().unwrap_or(view.profile().name);
    match reading.instance() {
        Some(instance) => name.put_text(room, &format!("{product} MIG {}", instance.profile.name)),
        None => name.put_text(room, product),
    }
}

pub(super) fn uuid(driver: &Driver, target: Target, uuid: Out<c_char>, room: c_uint) -> Answer {
    let reading = driver.read(target);
    uuid.put_text(room, reading.instance().map_or(&reading.view().gpu.uuid, |it| &it.uuid))
}

/// `00000000:17:00.0`.
pub(super) fn bus_id((domain, bus, device): (u32, u32, u32)) -> String {
    format!("{domain:08X}:{bus:02X}:{device:02X}.0")
}

pub(super) fn pci_info(driver: &Driver, target: Target, pci: Out<nvmlPciInfo_t>) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    let (domain, bus, device) = view.gpu.pci;
    let text = bus_id(view.gpu.pci);
    pci.put(nvmlPciInfo_t {
        busIdLegacy: chars(&text[4..]),
        domain,
        bus,
        device,
        pciDeviceId: view.profile().pci_id,
        pciSubSystemId: 0x16C1_10DE,
        busId: chars(&text),
    })
}

pub(super) fn serial(driver: &Driver, target: Target, serial: Out<c_char>, room: c_uint) -> Answer {
    serial.put_text(room, &driver.read(target).whole()?.gpu.serial)
}

pub(super) fn index(driver: &Driver, target: Target, index: Out<c_uint>) -> Answer {
    let reading = driver.read(target);
    let position = if target.instance.is_some() {
        target.instance
    } else {
        reading.engine().present(target.now).position(|gpu| gpu == target.gpu)
    };
    index.put(u32::try_from(position.ok_or(Code::GPU_IS_LOST)?).unwrap_or(u32::MAX))
}

pub(super) fn minor_number(driver: &Driver, target: Target, minor: Out<c_uint>) -> Answer {
    minor.put(driver.read(target).whole()?.gpu.minor)
}

pub(super) fn brand(driver: &Driver, target: Target, brand: Out<u32>) -> Answer {
    brand.put(driver.read(target).view().profile().brand)
}

pub(super) fn architecture(driver: &Driver, target: Target, architecture: Out<c_uint>) -> Answer {
    architecture.put(driver.read(target).view().gpu.spec.arch)
}

pub(super) fn compute_capability(
    driver: &Driver,
    target: Target,
    major: Out<c_int>,
    minor: Out<c_int>,
) -> Answer {
    let capability = driver.read(target).view().profile().capability;
    major.put(capability.0)?;
    minor.put(capability.1)
}

pub(super) fn vbios_version(
    driver: &Driver,
    target: Target,
    version: Out<c_char>,
    room: c_uint,
) -> Answer {
    let reading = driver.read(target);
    let architecture = reading.whole()?.profile().architecture;
    version.put_text(room, &format!("9{architecture:X}.00.A5.00.01"))
}

pub(super) fn inforom_version(
    driver: &Driver,
    target: Target,
    object: c_uint,
    version: Out<c_char>,
    room: c_uint,
) -> Answer {
    driver.read(target).whole()?;
    match object {
        0 => version.put_text(room, "2.1"),
        1 => version.put_text(room, "7.16"),
        // The power object went away with Hopper.
        2 if driver.read(target).view().profile().architecture < 9 => version.put_text(room, "4.0"),
        2 | 3 => Err(Code::NOT_SUPPORTED),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

pub(super) fn inforom_image_version(
    driver: &Driver,
    target: Target,
    version: Out<c_char>,
    room: c_uint,
) -> Answer {
    driver.read(target).whole()?;
    version.put_text(room, "G520.0200.00.05")
}

pub(super) fn persistence_mode(
    driver: &Driver,
    target: Target,
    mode: Out<nvmlEnableState_t>,
) -> Answer {
    mode.put(driver.read(target).whole()?.gpu.spec.persistence.into())
}
