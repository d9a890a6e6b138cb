//! What connects a GPU: `PCIe`, `NVLink`, the fabric; and licences.

use std::ffi::c_uint;
use std::time::Duration;

use nvml_wrapper_sys::bindings::{
    nvmlEnableState_t, nvmlGpuFabricInfo_v2_t, nvmlGpuFabricInfo_v3_t, nvmlGridLicensableFeature_t,
    nvmlGridLicensableFeatures_t, nvmlGridLicenseExpiry_t,
};

use super::Answer;
use super::border::{Out, struct_version};
use crate::code::Code;
use crate::driver::{Driver, Target};
use crate::engine::numbers::short;

/// How long the driver measures throughput, whatever the simulation's clock says.
const THROUGHPUT_WINDOW: Duration = Duration::from_millis(20);

pub(super) fn pcie_generation(driver: &Driver, target: Target, generation: Out<c_uint>) -> Answer {
    generation.put(driver.read(target).whole()?.profile().pcie_generation)
}

pub(super) fn pcie_width(driver: &Driver, target: Target, width: Out<c_uint>) -> Answer {
    driver.read(target).whole()?;
    width.put(16)
}

pub(super) fn pcie_replays(driver: &Driver, target: Target, count: Out<c_uint>) -> Answer {
    driver.read(target).whole()?;
    count.put(0)
}

/// KB/s; takes 20 ms, as the real one does.
pub(super) fn pcie_throughput(
    driver: &Driver,
    target: Target,
    counter: c_uint,
    value: Out<c_uint>,
) -> Answer {
    if counter > 1 {
        return Err(Code::INVALID_ARGUMENT);
    }
    driver.read(target).whole()?;
    std::thread::sleep(THROUGHPUT_WINDOW);
    let reading = driver.read(target);
    let view = reading.view();
    let (out, into) = view.pcie_bytes(view.now);
    let (out_before, into_before) = view.pcie_bytes(view.now.saturating_sub(1_000_000));
    value.put(short(if counter == 0 { out - out_before } else { into - into_before } / 1e3))
}

pub(super) fn link_state(
    driver: &Driver,
    target: Target,
    link: c_uint,
    state: Out<nvmlEnableState_t>,
) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    match view.profile().links {
        0 => Err(Code::NOT_SUPPORTED),
        links if link >= links => Err(Code::INVALID_ARGUMENT),
        _ => state.put(u32::from(!view.gpu.spec.links_down.contains(&link))),
    }
}

pub(super) fn fabric_info(
    driver: &Driver,
    target: Target,
    info: Out<nvmlGpuFabricInfo_v3_t>,
) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    // Registered where there is a switch to register with: Hopper and later with NVLink.
    let state = if view.profile().architecture >= 9 && view.profile().links > 0 { 3 } else { 0 };
    let version = info.version()?;
    if version == struct_version::<nvmlGpuFabricInfo_v2_t>(2) {
        info.cast().put(nvmlGpuFabricInfo_v2_t {
            version,
            clusterUuid: [0; 16],
            status: 0,
            cliqueId: 0,
            state,
            healthMask: 0,
        })
    } else if version == struct_version::<nvmlGpuFabricInfo_v3_t>(3) {
        info.put(nvmlGpuFabricInfo_v3_t {
            version,
            clusterUuid: [0; 16],
            status: 0,
            cliqueId: 0,
            state,
            healthMask: 0,
            healthSummary: 1,
        })
    } else {
        Err(Code::ARGUMENT_VERSION_MISMATCH)
    }
}

/// A GPU of its own, not a virtual one: no licence is possible.
pub(super) fn licences(
    driver: &Driver,
    target: Target,
    features: Out<nvmlGridLicensableFeatures_t>,
) -> Answer {
    driver.read(target).whole()?;
    let none = nvmlGridLicensableFeature_t {
        featureCode: 0,
        featureState: 0,
        licenseInfo: [0; 128],
        productName: [0; 128],
        featureEnabled: 0,
        licenseExpiry: nvmlGridLicenseExpiry_t {
            year: 0,
            month: 0,
            day: 0,
            hour: 0,
            min: 0,
            sec: 0,
            status: 0,
        },
    };
    features.put(nvmlGridLicensableFeatures_t {
        isGridLicenseSupported: 0,
        licensableFeaturesCount: 0,
        gridLicensableFeatures: [none; 3],
    })
}
