//! The labels of everything on a page, made again only when devices, holders or counters change.
//!
//! A topology holds what it was made from, so that comparing pointers is enough: nothing else can
//! come to lie at the same address.

use std::sync::Arc;

use super::dcgm::counters_file::Counters;
use super::dcgm::labels::{self as dcgm_labels, DcgmSettings, Entity, SeriesLabels};
use super::native_labels::{self, GpuLabels, MigLabels, NativeSettings};
use crate::attribute::owner::{Allocations, DeviceKey};
use crate::nvml::identity::{Identity, MigIdentity};
use crate::sample::snapshot::{DeviceSnapshot, DriverState, Snapshot};

/// What decides about labels besides devices and holders.
#[derive(Debug, Clone)]
pub(super) struct LabelSettings {
    pub(super) native: NativeSettings,
    pub(super) dcgm: DcgmSettings,
}

/// Labels by device, in the snapshot's order.
#[derive(Debug)]
pub(super) struct Topology {
    driver: DriverState,
    allocations: Arc<Allocations>,
    counters: Arc<Counters>,
    /// As long as the snapshot's.
    pub(super) devices: Vec<DeviceLabels>,
}

/// Labels of one GPU.
#[derive(Debug)]
pub(super) struct DeviceLabels {
    identity: Arc<Identity>,
    pub(super) native: GpuLabels,
    /// The GPU's own series; none if its instances take their place.
    pub(super) dcgm: Vec<SeriesLabels>,
    /// As long as the snapshot's.
    pub(super) instances: Vec<InstanceLabels>,
}

/// Labels of one MIG instance.
#[derive(Debug)]
pub(super) struct InstanceLabels {
    identity: Arc<MigIdentity>,
    pub(super) native: MigLabels,
    /// None for a further compute instance: DCGM's series are those of GPU instances.
    pub(super) dcgm: Vec<SeriesLabels>,
}

impl Topology {
    pub(super) fn new(
        snapshot: &Snapshot,
        allocations: &Arc<Allocations>,
        counters: &Arc<Counters>,
        settings: &LabelSettings,
    ) -> Self {
        let labels = |device: &Arc<DeviceSnapshot>| {
            device_labels(device, &snapshot.driver, allocations, counters, settings)
        };
        Self {
            driver: snapshot.driver.clone(),
            allocations: Arc::clone(allocations),
            counters: Arc::clone(counters),
            devices: snapshot.devices.iter().map(labels).collect(),
        }
    }

    /// Whether it is what [`Topology::new`] would make.
    pub(super) fn is_of(
        &self,
        snapshot: &Snapshot,
        allocations: &Arc<Allocations>,
        counters: &Arc<Counters>,
    ) -> bool {
        Arc::ptr_eq(&self.allocations, allocations)
            && Arc::ptr_eq(&self.counters, counters)
            && self.driver == snapshot.driver
            && self.devices.len() == snapshot.devices.len()
            && self.devices.iter().zip(&snapshot.devices).all(|(labels, device)| {
                is_same(&labels.identity, &device.identity)
                    && labels.instances.len() == device.mig.len()
                    && labels
                        .instances
                        .iter()
                        .zip(&device.mig)
                        .all(|(labels, instance)| is_same(&labels.identity, &instance.identity))
            })
    }
}

fn is_same<T: PartialEq>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

fn device_labels(
    device: &DeviceSnapshot,
    driver: &DriverState,
    allocations: &Allocations,
    counters: &Counters,
    settings: &LabelSettings,
) -> DeviceLabels {
    let versions = match driver {
        DriverState::Up(versions) => Some(versions),
        DriverState::Down(_) => None,
    };
    let gpu = &*device.identity;
    let series = |instance: Option<&MigIdentity>| {
        let key = match instance {
            Some(instance) => DeviceKey::Mig(gpu.uuid.clone(), instance.gpu_instance),
            None => DeviceKey::Gpu(gpu.uuid.clone()),
        };
        let entity = Entity { gpu, instance };
        dcgm_labels::series(
            entity,
            versions,
            allocations.of(&key),
            &counters.labels,
            &settings.dcgm,
        )
    };
    let is_shown = !gpu.is_mig || settings.dcgm.page.mig_parents;
    let instances = device.mig.iter().enumerate().map(|(index, instance)| {
        let identity = &instance.identity;
        let is_first = device.mig[..index]
            .iter()
            .all(|other| other.identity.gpu_instance != identity.gpu_instance);
        InstanceLabels {
            identity: Arc::clone(identity),
            native: native_labels::of_instance(gpu, identity, allocations, settings.native),
            dcgm: if is_first { series(Some(identity)) } else { Vec::new() },
        }
    });
    DeviceLabels {
        identity: Arc::clone(&device.identity),
        native: native_labels::of_gpu(gpu, versions, allocations, settings.native),
        dcgm: if is_shown { series(None) } else { Vec::new() },
        instances: instances.collect(),
    }
}
