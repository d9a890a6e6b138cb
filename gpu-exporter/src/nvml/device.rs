//! What a GPU is, and which MIG instances it has.
//!
//! Everything but the UUID may be missing; a missing text is `None`, not an empty one.

use super::calls::DeviceHandle;
use super::error::{NvmlError, ReturnCode};
use super::identity::{Identity, MigIdentity};
use super::library::Library;

/// A GPU that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its index.
    pub index: u32,
    /// Its UUID.
    pub uuid: String,
    /// Its handle.
    pub handle: DeviceHandle,
}

/// The GPUs of a node.
#[derive(Debug, Default)]
pub struct Scan {
    /// Those that have a UUID.
    pub found: Vec<Found>,
    /// The answers of those that have none: one that fell off the bus before NVML was started
    /// cannot be named.
    pub nameless: Vec<(u32, NvmlError)>,
}

/// Looks which GPUs there are.
///
/// # Errors
/// The count cannot be read.
pub fn scan(library: &Library) -> Result<Scan, NvmlError> {
    let calls = library.calls();
    let mut scan = Scan::default();
    for index in 0..calls.device_count()? {
        let named = calls
            .device_by_index(index)
            .and_then(|handle| calls.uuid(handle).map(|uuid| Found { index, uuid, handle }));
        match named {
            Ok(gpu) => scan.found.push(gpu),
            Err(error) => scan.nameless.push((index, error)),
        }
    }
    Ok(scan)
}

/// Reads what a GPU is.
pub fn identity(library: &Library, uuid: &str, device: DeviceHandle) -> Identity {
    let calls = library.calls();
    let told = |text: Result<String, NvmlError>| text.ok().filter(|text| !text.is_empty());
    Identity {
        uuid: uuid.to_owned(),
        index: calls.index(device).unwrap_or_default(),
        minor: calls.minor_number(device).ok(),
        name: calls.name(device).unwrap_or_default(),
        pci_bus_id: calls.pci_bus_id(device).unwrap_or_default(),
        brand: calls.brand(device).ok().and_then(brand_name).map(str::to_owned),
        architecture: calls
            .architecture(device)
            .ok()
            .and_then(architecture_name)
            .map(str::to_owned),
        compute_capability: calls
            .compute_capability(device)
            .ok()
            .map(|(major, minor)| format!("{major}.{minor}")),
        serial: told(calls.serial(device)),
        vbios_version: told(calls.vbios_version(device)),
        inforom_image_version: told(calls.inforom_image_version(device)),
        inforom_oem_version: told(calls.inforom_version(device, 0)),
        inforom_ecc_version: told(calls.inforom_version(device, 1)),
        inforom_power_version: told(calls.inforom_version(device, 2)),
        is_mig: calls.mig_mode(device).unwrap_or(false),
    }
}

/// NVML's brands; what is newer has no name here.
fn brand_name(brand: u32) -> Option<&'static str> {
    Some(match brand {
        1 => "Quadro",
        2 => "Tesla",
        3 => "NVS",
        4 => "GRID",
        5 => "GeForce",
        6 => "Titan",
        7 => "NVIDIA vApps",
        8 => "NVIDIA vPC",
        9 => "NVIDIA vCS",
        10 => "NVIDIA RTX vWS",
        11 => "NVIDIA Cloud Gaming",
        12 => "Quadro RTX",
        13 => "NVIDIA RTX",
        14 => "NVIDIA",
        15 => "GeForce RTX",
        16 => "Titan RTX",
        _ => return None,
    })
}

fn architecture_name(architecture: u32) -> Option<&'static str> {
    Some(match architecture {
        2 => "kepler",
        3 => "maxwell",
        4 => "pascal",
        5 => "volta",
        6 => "turing",
        7 => "ampere",
        8 => "ada",
        9 => "hopper",
        10 => "blackwell",
        _ => return None,
    })
}

/// The MIG instances of a GPU, with their handles, by GPU and compute instance id. Needs no
/// privilege. One that vanishes while it is read is left out.
///
/// # Errors
/// The number of places for instances cannot be read, or the GPU is in trouble.
pub fn mig_instances(
    library: &Library,
    gpu: DeviceHandle,
) -> Result<Vec<(MigIdentity, DeviceHandle)>, NvmlError> {
    let calls = library.calls();
    let mut instances = Vec::new();
    for index in 0..calls.max_mig_count(gpu)? {
        let handle = match calls.mig_by_index(gpu, index) {
            Ok(handle) => handle,
            // no instance at this index
            Err(NvmlError { code: ReturnCode::NotFound | ReturnCode::InvalidArgument, .. }) => {
                continue;
            }
            Err(error) => return Err(error),
        };
        let read = || -> Result<MigIdentity, NvmlError> {
            Ok(MigIdentity {
                uuid: calls.uuid(handle)?,
                gpu_instance: calls.gpu_instance_id(handle)?,
                compute_instance: calls.compute_instance_id(handle)?,
                profile: profile(&calls.name(handle)?),
            })
        };
        if let Ok(identity) = read() {
            instances.push((identity, handle));
        }
    }
    instances.sort_by_key(|(identity, _)| (identity.gpu_instance, identity.compute_instance));
    Ok(instances)
}

/// `1g.10gb` of `NVIDIA H100 80GB HBM3 MIG 1g.10gb`; a name without a profile as it is.
fn profile(name: &str) -> String {
    name.rsplit_once("MIG ").map_or(name, |(_, profile)| profile).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_stands_after_the_product() {
        assert_eq!(profile("NVIDIA A100-SXM4-40GB MIG 1g.5gb"), "1g.5gb");
        assert_eq!(profile("NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb"), "1c.3g.40gb");
        assert_eq!(profile("2g.20gb"), "2g.20gb");
    }

    #[test]
    fn what_is_newer_than_this_table_has_no_name() {
        assert_eq!(architecture_name(9), Some("hopper"));
        assert_eq!(architecture_name(u32::MAX), None);
        assert_eq!(brand_name(0), None);
        assert_eq!(brand_name(99), None);
    }
}
