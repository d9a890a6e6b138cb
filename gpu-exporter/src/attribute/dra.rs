//! Devices of dynamic resource allocation, by what the kubelet says of a claim: the device's name and
//! those of its CDI devices.
//!
//! NVIDIA's driver calls GPUs `gpu-<minor>` and MIG instances `gpu-<minor>-mig-...`, with a profile
//! and a place on the chip. NVML does not tell the place of an instance here, so an instance is
//! found where its profile, or its GPU, leaves no doubt. What stays open would need `ResourceSlices`
//! from the API server, and the right to read them.

use super::device_ids::{DeviceId, KnownDevices};
use super::owner::DeviceKey;
use crate::nvml::identity::{Identity, MigIdentity};

/// The driver whose names are understood. Names of others count only if they hold a UUID.
pub(super) const DRIVER: &str = "gpu.nvidia.com";

/// The device that a claim's device stands for.
pub(super) fn resolve(
    known: &KnownDevices,
    driver: &str,
    device: &str,
    cdi_devices: &[String],
) -> Option<DeviceKey> {
    let names = || std::iter::once(device).chain(cdi_devices.iter().map(String::as_str));
    if let Some(key) = names().find_map(|name| by_uuid(known, name)) {
        return Some(key);
    }
    if driver == DRIVER { by_name(known, device) } else { None }
}

/// A UUID somewhere in a name, as in `nvidia.com/gpu=GPU-...`.
fn by_uuid(known: &KnownDevices, name: &str) -> Option<DeviceKey> {
    /// Of `GPU-` and 36 characters.
    const LENGTH: usize = 40;
    let starts = name.match_indices("GPU-").chain(name.match_indices("MIG-"));
    starts
        .filter_map(|(start, _)| name.get(start..start + LENGTH))
        .find_map(|uuid| known.resolve(&DeviceId::parse(uuid)?))
}

fn by_name(known: &KnownDevices, name: &str) -> Option<DeviceKey> {
    let rest = name.strip_prefix("gpu-")?;
    let (number, instance) = match rest.split_once("-mig-") {
        Some((number, instance)) => (number, Some(instance)),
        None => (rest, None),
    };
    let gpu = numbered(known, number.parse().ok()?)?;
    let Some(instance) = instance else { return Some(DeviceKey::Gpu(gpu.uuid.clone())) };
    let mut instances = known.mig.iter().filter(|(parent, _)| *parent == gpu.uuid);
    let only = |mut found: Vec<&(String, MigIdentity)>| match found.len() {
        1 => found.pop().map(|(parent, mig)| DeviceKey::Mig(parent.clone(), mig.gpu_instance)),
        _ => None,
    };
    // `1g10gb-19-0`: names may not hold dots
    let profile = instance.split('-').next().filter(|profile| profile.contains('g'));
    match profile {
        Some(profile) => only(
            instances.filter(|(_, mig)| mig.profile.replace(['.', '+'], "") == profile).collect(),
        ),
        None => only(instances.by_ref().collect()),
    }
}

/// By the number of its device file, which drivers of today use; by index where NVML says none.
fn numbered(known: &KnownDevices, number: u32) -> Option<&Identity> {
    let by_minor = known.gpus.iter().find(|gpu| gpu.minor == Some(number));
    match by_minor {
        Some(gpu) => Some(gpu),
        None => known.index(number).filter(|gpu| gpu.minor.is_none()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::device_ids::tests::{gpu, two_gpus};
    use super::*;

    fn named(device: &str) -> Option<DeviceKey> {
        resolve(&two_gpus(), DRIVER, device, &[])
    }

    #[test]
    fn names_of_gpus_and_of_unmistakable_instances_are_understood() {
        assert_eq!(named("gpu-0"), Some(DeviceKey::Gpu(gpu(0).uuid.clone())));
        let instance = |number| Some(DeviceKey::Mig(gpu(1).uuid.clone(), number));
        assert_eq!(named("gpu-1-mig-1g10gb-19-0"), instance(7));
        assert_eq!(named("gpu-1-mig-2g20gb-14-2"), instance(9));
        let mut one = two_gpus();
        one.mig.truncate(1);
        assert_eq!(resolve(&one, DRIVER, "gpu-1-mig-19-0-1", &[]), instance(7));
    }

    #[test]
    fn what_could_be_two_devices_is_neither() {
        let mut twins = two_gpus();
        twins.mig[1].1.profile = "1g.10gb".to_owned();
        assert_eq!(resolve(&twins, DRIVER, "gpu-1-mig-1g10gb-19-0", &[]), None);
        for device in ["gpu-1-mig-19-0-1", "gpu-0-mig-1g10gb-19-0", "gpu-7", "gpu-", "rdma-0"] {
            assert_eq!(named(device), None, "{device}");
        }
    }

    #[test]
    fn a_uuid_in_a_name_is_enough_whoever_the_driver_is() {
        let key = Some(DeviceKey::Gpu(gpu(1).uuid.clone()));
        let cdi = [format!("vendor.example/gpu={}", gpu(1).uuid)];
        assert_eq!(resolve(&two_gpus(), "gpu.example.com", "gpu-0", &cdi), key);
        assert_eq!(resolve(&two_gpus(), "gpu.example.com", "gpu-0", &[]), None);
        assert_eq!(resolve(&two_gpus(), "", "é-GPU-", &["GPU-é".repeat(9)]), None);
    }

    #[test]
    fn the_minor_number_wins_over_the_index() {
        let mut known = two_gpus();
        for (gpu, minor) in known.gpus.iter_mut().zip([Some(1), Some(0)]) {
            Arc::make_mut(gpu).minor = minor;
        }
        let first = Some(DeviceKey::Gpu(gpu(0).uuid.clone()));
        assert_eq!(resolve(&known, DRIVER, "gpu-1", &[]), first);
        for gpu in &mut known.gpus {
            Arc::make_mut(gpu).minor = None;
        }
        assert_eq!(resolve(&known, DRIVER, "gpu-0", &[]), first);
    }
}
