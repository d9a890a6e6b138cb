//! A GPU with all that ever happens to it.

use std::collections::BTreeMap;

use crate::engine::curve::Curve;
use crate::engine::events::Source;
use crate::engine::numbers::{scatter, seed_of, uuid};
use crate::engine::steps::Steps;
use crate::scenario::curve::Shape;
use crate::scenario::fault::Fault;
use crate::scenario::gpu::GpuSpec;
use crate::scenario::mig::{MigProfile, MigSpec};
use crate::scenario::timeline::{EccErrors, Health, Remap};

/// A GPU.
#[derive(Debug, Clone)]
pub struct Gpu {
    /// As the scenario has it.
    pub spec: GpuSpec,
    /// `GPU-...`.
    pub uuid: String,
    /// Of the board.
    pub serial: String,
    /// Domain, bus, device.
    pub pci: (u32, u32, u32),
    /// The number in `/dev/nvidiaN`.
    pub minor: u32,
    /// Whether the node has it.
    pub present: Steps<bool>,
    /// How it is.
    pub health: Steps<Health>,
    /// Percent of time with a kernel.
    pub load: Steps<Curve>,
    /// Percent of time with memory access, if it does not follow the load.
    pub memory_load: Option<Curve>,
    /// Percent of memory in use.
    pub memory_used: Curve,
    /// Percent.
    pub encoder: Curve,
    /// Percent.
    pub decoder: Curve,
    /// Watts, if they do not follow the load.
    pub power: Option<Curve>,
    /// Celsius, if they do not follow the load.
    pub temperature: Option<Curve>,
    /// Megahertz, if they do not follow the load.
    pub sm_clock: Option<Curve>,
    /// NVML's bits for which clocks are limited.
    pub clock_events: Steps<u64>,
    /// What the driver wants done.
    pub recovery: Steps<u32>,
    /// The instances; `None`: MIG is off.
    pub instances: Steps<Option<Vec<Instance>>>,
    /// Errors of memory, each with its time.
    pub ecc: Vec<(u64, EccErrors)>,
    /// Remapped rows, each with its time.
    pub remaps: Vec<(u64, Remap)>,
    /// What is reported as events. Only ever grows: event sets count what they have seen of each.
    pub sources: Vec<Source>,
    /// By function.
    pub faults: BTreeMap<String, Steps<Option<Fault>>>,
}

/// A MIG instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// GPU instance id.
    pub gpu_instance: u32,
    /// Compute instance id.
    pub compute_instance: u32,
    /// Its size.
    pub profile: MigProfile,
    /// `MIG-...`.
    pub uuid: String,
    /// Percent of the instance, if it does not follow the GPU.
    pub load: Option<Curve>,
}

impl Gpu {
    /// A GPU at a position in the scenario, that is there from the start or from a time on.
    pub(crate) fn new(spec: GpuSpec, position: usize, seed: u64, added_at: Option<u64>) -> Self {
        let number = u32::try_from(position).unwrap_or(u32::MAX);
        let own_seed = scatter(seed).wrapping_add(position as u64);
        let uuid = spec.uuid.clone().unwrap_or_else(|| format!("GPU-{}", uuid(own_seed)));
        let serial = spec
            .serial
            .clone()
            .unwrap_or_else(|| format!("165{:010}", scatter(own_seed) % 10_000_000_000));
        let pci = spec.pci_bus_id.as_deref().and_then(parse_bus_id);
        let mut present = Steps::new(added_at.is_none());
        if let Some(at) = added_at {
            present.set(at, true);
        }
        let curve = |shape: &Option<Shape>| shape.as_ref().map(Curve::new);
        let mut gpu = Self {
            uuid,
            serial,
            pci: pci.unwrap_or((0, 7 + 0x10 * (number % 15) + number / 15, 0)),
            minor: spec.minor.unwrap_or(number),
            present,
            health: Steps::new(spec.state),
            load: Steps::new(Curve::new(&spec.util)),
            memory_load: curve(&spec.memory_util),
            memory_used: Curve::new(&spec.memory_used),
            encoder: Curve::new(&spec.encoder),
            decoder: Curve::new(&spec.decoder),
            power: curve(&spec.power_watts),
            temperature: curve(&spec.temperature_celsius),
            sm_clock: curve(&spec.sm_clock_mhz),
            clock_events: Steps::new(0),
            recovery: Steps::new(0),
            instances: Steps::new(None),
            ecc: Vec::new(),
            remaps: Vec::new(),
            sources: Vec::new(),
            faults: spec
                .calls
                .iter()
                .map(|(function, fault)| (function.clone(), Steps::new(Some(fault.clone()))))
                .collect(),
            spec,
        };
        gpu.instances = Steps::new(gpu.make_instances(gpu.spec.mig.as_deref(), 0));
        gpu
    }

    pub(crate) fn add_errors(&mut self, at: u64, errors: EccErrors) {
        self.ecc.push((at, errors));
        if errors.uncorrected > 0 {
            self.sources.push(Source::uncorrected_error(at));
        }
    }

    pub(crate) fn set_recovery(&mut self, at: u64, action: u32) {
        self.recovery.set(at, action);
        self.sources.push(Source::recovery_action(at, action));
    }

    pub(crate) fn set_load(&mut self, at: u64, shape: &Shape) {
        self.load.set(at, Curve::new(shape));
    }

    pub(crate) fn set_faults(&mut self, at: u64, calls: &BTreeMap<String, Fault>) {
        for (function, fault) in calls {
            self.faults
                .entry(function.clone())
                .or_insert_with(|| Steps::new(None))
                .set(at, Some(fault.clone()));
        }
    }

    pub(crate) fn set_instances(&mut self, at: u64, to: Option<&[MigSpec]>) {
        let generation = self.instances.changes_until(at) as u64 + 1;
        let instances = self.make_instances(to, generation);
        self.instances.set(at, instances);
        self.sources.push(Source::mig_change(at));
    }

    fn make_instances(&self, specs: Option<&[MigSpec]>, generation: u64) -> Option<Vec<Instance>> {
        let make = |spec: &MigSpec| {
            let ids = u64::from(spec.gi) << 32 | u64::from(spec.ci) << 16 | generation;
            let made = || format!("MIG-{}", uuid(seed_of(&self.uuid) ^ scatter(ids)));
            Instance {
                gpu_instance: spec.gi,
                compute_instance: spec.ci,
                profile: spec.profile.clone(),
                uuid: spec.uuid.clone().unwrap_or_else(made),
                load: spec.util.as_ref().map(Curve::new),
            }
        };
        specs.map(|specs| specs.iter().map(make).collect())
    }
}

/// `00000000:17:00.0`, or without the first four digits.
fn parse_bus_id(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split([':', '.']);
    let mut next = || u32::from_str_radix(parts.next()?, 16).ok();
    Some((next()?, next()?, next()?))
}
