//! From what pods were given to the devices that are known: resources of other kinds fall away here.
//!
//! An id that finds no device is told once and then remembered, until the known devices change.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::device_ids::{DeviceId, KnownDevices};
use super::dra;
use super::owner::{Claim, DeviceKey};
use super::pod_resources::{Given, PodDevices};
use super::pods_api::PodName;

/// Ids without a device that are remembered.
const REMEMBERED: usize = 1024;

/// A container's hold on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) pod: PodName,
    pub(super) container: String,
    pub(super) device: DeviceKey,
    /// Empty for dynamic resource allocation.
    pub(super) resource: String,
    pub(super) replica: Option<String>,
    pub(super) virtual_gpu: Option<String>,
    pub(super) claim: Option<Claim>,
    /// Other pods may hold it too.
    pub(super) is_shared: bool,
}

/// Finds the devices.
#[derive(Debug)]
pub(super) struct Resolver {
    known: Arc<KnownDevices>,
    /// Besides `nvidia.com/gpu` and `nvidia.com/mig-*`.
    resources: BTreeSet<String>,
    without_device: HashSet<String>,
}

impl Resolver {
    pub(super) fn new(resources: &[String]) -> Self {
        let resources = resources.iter().cloned().collect();
        Self { known: Arc::default(), resources, without_device: HashSet::new() }
    }

    /// Compares with these devices from now on.
    pub(super) fn set_known(&mut self, known: &Arc<KnownDevices>) {
        if self.known != *known {
            self.known = Arc::clone(known);
            self.without_device.clear();
        }
    }

    /// How many ids have no device.
    pub(super) fn without_device(&self) -> usize {
        self.without_device.len()
    }

    /// Adds the holds of a pod.
    pub(super) fn add(&mut self, pod: PodDevices, holds: &mut Vec<Hold>) {
        let name = (pod.namespace, pod.pod);
        for (container, given) in pod.given {
            let hold = match given {
                Given::Device { resource, id } => self.plugin_hold(resource, &id),
                Given::Claimed { claim, cdi_devices } => self.claim_hold(claim, &cdi_devices),
            };
            if let Some(hold) = hold {
                holds.push(Hold { pod: name.clone(), container, ..hold });
            }
        }
    }

    fn is_gpu_resource(&self, resource: &str) -> bool {
        resource == "nvidia.com/gpu"
            || resource.starts_with("nvidia.com/mig-")
            || self.resources.contains(resource)
    }

    fn plugin_hold(&mut self, resource: String, id: &str) -> Option<Hold> {
        let is_gpu_resource = self.is_gpu_resource(&resource);
        let parsed =
            DeviceId::parse(id).filter(|parsed| is_gpu_resource || parsed.is_distinctive());
        let Some(parsed) = parsed else {
            if is_gpu_resource {
                self.miss(&resource, id);
            }
            return None;
        };
        if self.without_device.contains(id) {
            return None;
        }
        let Some(device) = self.known.resolve(&parsed) else {
            self.miss(&resource, id);
            return None;
        };
        Some(Hold {
            pod: PodName::default(),
            container: String::new(),
            device,
            resource,
            replica: parsed.replica.map(str::to_owned),
            virtual_gpu: parsed.virtual_gpu.map(str::to_owned),
            claim: None,
            is_shared: parsed.is_shared(),
        })
    }

    fn claim_hold(&mut self, claim: Claim, cdi_devices: &[String]) -> Option<Hold> {
        let Some(device) = dra::resolve(&self.known, &claim.driver, &claim.device, cdi_devices)
        else {
            if claim.driver == dra::DRIVER {
                self.miss(&claim.driver, &claim.device);
            }
            return None;
        };
        Some(Hold {
            pod: PodName::default(),
            container: String::new(),
            device,
            resource: String::new(),
            replica: None,
            virtual_gpu: None,
            claim: Some(claim),
            // several pods may name one claim
            is_shared: true,
        })
    }

    fn miss(&mut self, resource: &str, id: &str) {
        // before NVML answers every id is unknown
        if self.known.gpus.is_empty()
            || self.without_device.len() >= REMEMBERED
            || self.without_device.contains(id)
        {
            return;
        }
        self.without_device.insert(id.to_owned());
        tracing::warn!(resource, id, "a pod was given a device that is not known");
    }
}

#[cfg(test)]
mod tests {
    use super::super::device_ids::tests::{gpu, two_gpus};
    use super::*;

    fn resolver(resources: &[&str]) -> Resolver {
        let resources: Vec<_> = resources.iter().map(|&name| name.to_owned()).collect();
        let mut resolver = Resolver::new(&resources);
        resolver.set_known(&Arc::new(two_gpus()));
        resolver
    }

    fn hold(resolver: &mut Resolver, resource: &str, id: &str) -> Option<DeviceKey> {
        let given = Given::Device { resource: resource.to_owned(), id: id.to_owned() };
        let pod = PodDevices { given: vec![("c".to_owned(), given)], ..PodDevices::default() };
        let mut holds = Vec::new();
        resolver.add(pod, &mut holds);
        holds.pop().map(|hold| hold.device)
    }

    #[test]
    fn any_resource_counts_whose_ids_are_those_of_gpus() {
        let mut resolver = resolver(&[]);
        let key = Some(DeviceKey::Gpu(gpu(0).uuid.clone()));
        assert_eq!(hold(&mut resolver, "nvidia.com/gpu.shared", &gpu(0).uuid), key);
        assert_eq!(hold(&mut resolver, "example.com/accelerator", "nvidia0"), key);
    }

    #[test]
    fn a_number_alone_is_a_gpu_only_where_gpus_are_expected() {
        let mut resolver = resolver(&["example.com/gpu"]);
        let key = Some(DeviceKey::Gpu(gpu(0).uuid.clone()));
        assert_eq!(hold(&mut resolver, "nvidia.com/gpu", "0"), key);
        assert_eq!(hold(&mut resolver, "example.com/gpu", "0"), key);
        assert_eq!(hold(&mut resolver, "example.com/storage", "0"), None);
        assert_eq!(resolver.without_device(), 0, "that was nobody's business");
    }

    #[test]
    fn an_id_without_a_device_is_remembered_until_the_devices_change() {
        let mut resolver = resolver(&[]);
        let third = gpu(2).uuid.clone();
        assert_eq!(hold(&mut resolver, "nvidia.com/gpu", &third), None);
        assert_eq!(hold(&mut resolver, "nvidia.com/gpu", "garbage"), None);
        assert_eq!(resolver.without_device(), 2);
        resolver.set_known(&Arc::new(two_gpus()));
        assert_eq!(resolver.without_device(), 2, "they are the same");

        let mut known = two_gpus();
        known.gpus.push(gpu(2));
        resolver.set_known(&Arc::new(known));
        let key = Some(DeviceKey::Gpu(third.clone()));
        assert_eq!(hold(&mut resolver, "nvidia.com/gpu", &third), key);
        assert_eq!(resolver.without_device(), 0);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut resolver = resolver(&[]);
        for number in 0..2 * REMEMBERED {
            hold(&mut resolver, "nvidia.com/gpu", &format!("GPU-{number}"));
        }
        assert_eq!(resolver.without_device(), REMEMBERED);
    }
}
