//! What happens at which time.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::functions::Function;
use crate::scenario::curve::Shape;
use crate::scenario::fault::{self, Fault};
use crate::scenario::gpu::GpuSpec;
use crate::scenario::mig::{self, MigSpec};

/// Something that happens: exactly one key besides `at_ms` and `gpu` is given.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Happening {
    /// When, from the start. Not given: at the start, or when a command is read.
    pub at_ms: Option<u64>,
    /// What.
    pub what: What,
}

/// What happens. GPUs are named by their position in the scenario, those that are added later
/// after the others; it does not move when one is removed, as NVML's index does.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// An error is reported.
    Xid {
        /// Which GPU.
        gpu: usize,
        /// Its number.
        xid: u64,
    },
    /// Errors are reported again and again.
    Storm(Storm),
    /// A GPU's health changes.
    State(usize, Health),
    /// Errors of memory.
    Ecc(usize, EccErrors),
    /// Rows are remapped.
    Remap(usize, Remap),
    /// The reasons for which clocks are limited, as NVML's bits, from now on.
    ClockEvents(usize, u64),
    /// What the driver wants done: field value 230.
    RecoveryAction(usize, u32),
    /// Another load.
    Util(usize, Shape),
    /// Faults from now on, instead of those before with the same name.
    Calls(usize, BTreeMap<String, Fault>),
    /// Other instances. `None` turns MIG off.
    MigReconfigure(MigReconfigure),
    /// A GPU comes or goes.
    Hotplug(Hotplug),
    /// What opening NVML returns from now on.
    InitReturn(u32),
    /// A driver is taken off a GPU, or put on it: an event of the system.
    Driver(usize, DriverChange),
}

/// How a GPU is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It answers.
    #[default]
    Healthy,
    /// It fell off the bus: every call returns 15.
    Lost,
    /// Calls that need its state return 16, and the recovery action is 1.
    ResetRequired,
}

/// A storm.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storm {
    /// Which GPU.
    pub gpu: usize,
    /// Number of the errors.
    pub xid: u64,
    /// Errors per second, 1 to 100,000.
    pub per_s: u64,
    /// How long.
    pub for_ms: u64,
}

/// Errors to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EccErrors {
    /// Corrected ones.
    pub corrected: u64,
    /// Uncorrected ones.
    pub uncorrected: u64,
}

/// Rows to be added, and the state from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Remap {
    /// Rows with correctable errors.
    pub correctable: u32,
    /// Rows with uncorrectable errors.
    pub uncorrectable: u32,
    /// A reset is needed.
    pub pending: bool,
    /// A row could not be remapped.
    pub failure: bool,
}

/// Other instances.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigReconfigure {
    /// Which GPU.
    pub gpu: usize,
    /// The instances; `null` turns MIG off.
    pub to: Option<Vec<MigSpec>>,
}

/// A GPU comes or goes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hotplug {
    /// Its position in the scenario.
    Remove(usize),
    /// It gets the next position.
    Add(Box<GpuSpec>),
}

/// What happens to the driver of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverChange {
    /// It is about to be taken off.
    Unbind,
    /// It is there.
    Bind,
}

/// Names of the reasons for which clocks are limited, with NVML's bits.
pub const CLOCK_EVENTS: [(&str, u64); 11] = [
    ("idle", 0x1),
    ("application_setting", 0x2),
    ("sw_power_cap", 0x4),
    ("hw_slowdown", 0x8),
    ("sync_boost", 0x10),
    ("sw_thermal", 0x20),
    ("hw_thermal", 0x40),
    ("hw_power_brake", 0x80),
    ("display", 0x100),
    ("board_limit", 0x200),
    ("reliability", 0x400),
];

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct ClockEvent(u64);

impl TryFrom<String> for ClockEvent {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        CLOCK_EVENTS.iter().find(|(known, _)| *known == name).map(|(_, bit)| Self(*bit)).ok_or_else(
            || {
                let known = CLOCK_EVENTS.map(|(known, _)| known).join(", ");
                format!("`{name}` is no clock event: accepted are {known}")
            },
        )
    }
}

/// As written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    at_ms: Option<u64>,
    gpu: Option<usize>,
    xid: Option<u64>,
    state: Option<Health>,
    ecc: Option<EccErrors>,
    remap: Option<Remap>,
    clock_events: Option<Vec<ClockEvent>>,
    recovery_action: Option<u32>,
    util: Option<Shape>,
    calls: Option<BTreeMap<String, Fault>>,
    driver: Option<DriverChange>,
    storm: Option<Storm>,
    mig_reconfigure: Option<MigReconfigure>,
    hotplug: Option<Hotplug>,
    init_return: Option<u32>,
}

const OF_A_GPU: &str = "xid, state, ecc, remap, clock_events, recovery_action, util, calls, driver";
const OF_THE_NODE: &str = "storm, mig_reconfigure, hotplug, init_return";

impl TryFrom<Written> for Happening {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let of_a_gpu = |gpu: usize| {
            let bits =
                written.clock_events.as_ref().map(|all| all.iter().fold(0, |sum, one| sum | one.0));
            [
                written.xid.map(|xid| What::Xid { gpu, xid }),
                written.state.map(|state| What::State(gpu, state)),
                written.ecc.map(|errors| What::Ecc(gpu, errors)),
                written.remap.map(|remap| What::Remap(gpu, remap)),
                bits.map(|bits| What::ClockEvents(gpu, bits)),
                written.recovery_action.map(|action| What::RecoveryAction(gpu, action)),
                written.util.clone().map(|shape| What::Util(gpu, shape)),
                written.calls.clone().map(|calls| What::Calls(gpu, calls)),
                written.driver.map(|change| What::Driver(gpu, change)),
            ]
        };
        let of_the_node = [
            written.storm.map(What::Storm),
            written.mig_reconfigure.map(What::MigReconfigure),
            written.hotplug.map(What::Hotplug),
            written.init_return.map(What::InitReturn),
        ];
        let mut node: Vec<_> = of_the_node.into_iter().flatten().collect();
        let mut own: Vec<_> = of_a_gpu(written.gpu.unwrap_or(0)).into_iter().flatten().collect();
        if !own.is_empty() && written.gpu.is_none() {
            return Err(format!("`gpu` is missing; it is needed for {OF_A_GPU}"));
        }
        if own.is_empty() && written.gpu.is_some() {
            return Err(format!("`gpu` needs one of {OF_A_GPU} beside it"));
        }
        own.append(&mut node);
        match (own.pop(), own.is_empty()) {
            (Some(what), true) => Ok(Self { at_ms: written.at_ms, what }),
            (Some(_), false) => Err("two things at once: make two entries of them".to_owned()),
            (None, _) => Err(format!("nothing happens: give one of {OF_A_GPU}, {OF_THE_NODE}")),
        }
    }
}

impl Happening {
    /// The GPU that comes with it.
    pub(crate) fn added_gpu(&self) -> Option<&GpuSpec> {
        match &self.what {
            What::Hotplug(Hotplug::Add(spec)) => Some(spec),
            _ => None,
        }
    }

    /// Checks it for a node with these GPUs, those included that come later; the key and what is
    /// wrong with it.
    pub(crate) fn check(&self, gpus: &[&GpuSpec]) -> Result<(), (&'static str, String)> {
        let (key, gpu) = match &self.what {
            What::Xid { gpu, .. }
            | What::State(gpu, _)
            | What::Ecc(gpu, _)
            | What::Remap(gpu, _)
            | What::ClockEvents(gpu, _)
            | What::RecoveryAction(gpu, _)
            | What::Util(gpu, _)
            | What::Calls(gpu, _)
            | What::Driver(gpu, _) => ("gpu", *gpu),
            What::Storm(storm) => ("storm.gpu", storm.gpu),
            What::MigReconfigure(change) => ("mig_reconfigure.gpu", change.gpu),
            What::Hotplug(Hotplug::Remove(gpu)) => ("hotplug.remove", *gpu),
            What::Hotplug(Hotplug::Add(_)) | What::InitReturn(_) => return Ok(()),
        };
        let Some(spec) = gpus.get(gpu) else {
            return Err(match gpus.len().checked_sub(1) {
                None => (key, "there is no GPU".to_owned()),
                Some(last) => (key, format!("{gpu}: accepted are 0 to {last}")),
            });
        };
        match &self.what {
            What::Storm(storm) if !(1..=100_000).contains(&storm.per_s) => {
                Err(("storm.per_s", format!("{}: accepted are 1 to 100000", storm.per_s)))
            }
            What::MigReconfigure(MigReconfigure { to: Some(instances), .. }) => {
                mig::check(instances, spec.profile.mig_profiles)
                    .map_err(|reason| ("mig_reconfigure.to", reason))
            }
            What::Calls(_, calls) => {
                match calls.keys().find(|name| Function::by_name(name).is_none()) {
                    Some(name) => Err(("calls", fault::unknown(name))),
                    None => Ok(()),
                }
            }
            What::Util(_, shape) => shape.check_percent().map_err(|reason| ("util", reason)),
            _ => Ok(()),
        }
    }
}
