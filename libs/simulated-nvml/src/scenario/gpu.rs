//! A GPU as a scenario describes it: what is not given follows from the product and the load.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::scenario::curve::Shape;
use crate::scenario::fault::Fault;
use crate::scenario::mig::{self, MigSpec};
use crate::scenario::profile::{PROFILES, Profile};
use crate::scenario::timeline::Health;

/// A GPU. Percentages are of 100.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct GpuSpec {
    /// The product: `a100`, `h100` (default), `h200`, `b200`, `l40s`, `t4`.
    pub profile: &'static Profile,
    /// `GPU-...`. Default: made from the scenario's seed.
    pub uuid: Option<String>,
    /// Default: the product's.
    pub name: Option<String>,
    /// Default: the product's; NVML's number.
    pub arch: u32,
    /// Bytes. Default: the product's.
    pub memory: u64,
    /// Default: made from the seed.
    pub serial: Option<String>,
    /// Default: by position, from `00000000:07:00.0` on.
    pub pci_bus_id: Option<String>,
    /// Default: the position.
    pub minor: Option<u32>,
    /// Percent of time with a kernel. Default constant 40.
    pub util: Shape,
    /// Percent of time with memory access. Default: six tenths of `util`.
    pub memory_util: Option<Shape>,
    /// Percent of memory in use. Default constant 60.
    pub memory_used: Shape,
    /// Percent. Default: idle.
    pub encoder: Shape,
    /// Percent. Default: idle.
    pub decoder: Shape,
    /// Watts. Default: between idle and 95 % of the limit, by load.
    pub power_watts: Option<Shape>,
    /// Watts in force. Default: the product's.
    pub power_limit_watts: f64,
    /// Celsius. Default: follows the load of the last 30 s.
    pub temperature_celsius: Option<Shape>,
    /// Megahertz. Default: the product's, less when clocks are limited.
    pub sm_clock_mhz: Option<Shape>,
    /// The driver's period between two points of its buffers. Default 167 ms.
    pub sample_ms: u64,
    /// Periods without load leave no point in the buffers. Default false.
    pub dry_when_idle: bool,
    /// The links that are down.
    pub links_down: Vec<u32>,
    /// Fans. Default: the product's.
    pub fans: u32,
    /// Default true.
    pub persistence: bool,
    /// Health at the start. Default healthy.
    pub state: Health,
    /// The instances; given, even empty, MIG is on.
    pub mig: Option<Vec<MigSpec>>,
    /// Processes.
    pub processes: Vec<ProcessSpec>,
    /// Faults, by the names of functions.
    pub calls: BTreeMap<String, Fault>,
    /// Functions that answer `NOT_SUPPORTED`.
    pub unsupported: Vec<String>,
    /// Field values that answer `NOT_SUPPORTED`.
    pub unsupported_fields: Vec<u32>,
}

/// A process with memory on a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessSpec {
    /// Its number.
    pub pid: u32,
    /// Mebibytes; not given: the driver does not tell.
    #[serde(default)]
    pub memory_mib: Option<u64>,
    /// What it does. Default `compute`.
    #[serde(default)]
    pub kind: ProcessKind,
    /// Percent of SM time. Default 0: not active.
    #[serde(default)]
    pub sm_util: u32,
    /// The GPU instance it is on, with MIG.
    #[serde(default)]
    pub gi: Option<u32>,
    /// The compute instance.
    #[serde(default)]
    pub ci: Option<u32>,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessKind {
    /// CUDA.
    #[default]
    Compute,
    /// Graphics.
    Graphics,
    /// CUDA through MPS.
    Mps,
}

impl Default for GpuSpec {
    fn default() -> Self {
        Self::try_from(Written::default()).expect("nothing that is given can be wrong")
    }
}

/// As written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    profile: Option<ProfileKey>,
    uuid: Option<String>,
    name: Option<String>,
    arch: Option<u32>,
    #[serde(alias = "mem")]
    memory: Option<u64>,
    serial: Option<String>,
    pci_bus_id: Option<String>,
    minor: Option<u32>,
    util: Option<Shape>,
    memory_util: Option<Shape>,
    memory_used: Option<Shape>,
    encoder: Option<Shape>,
    decoder: Option<Shape>,
    power_watts: Option<Shape>,
    power_limit_watts: Option<f64>,
    temperature_celsius: Option<Shape>,
    sm_clock_mhz: Option<Shape>,
    sample_ms: Option<u64>,
    dry_when_idle: bool,
    links_down: Vec<u32>,
    fans: Option<u32>,
    persistence: Option<bool>,
    state: Health,
    mig: Option<Vec<MigSpec>>,
    processes: Vec<ProcessSpec>,
    calls: BTreeMap<String, Fault>,
    unsupported: Vec<String>,
    unsupported_fields: Vec<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct ProfileKey(&'static Profile);

impl TryFrom<String> for ProfileKey {
    type Error = String;

    fn try_from(key: String) -> Result<Self, String> {
        Profile::by_key(&key).map(Self).ok_or_else(|| {
            let known: Vec<_> = PROFILES.iter().map(|profile| profile.key).collect();
            format!("`{key}` is no known GPU: accepted are {}", known.join(", "))
        })
    }
}

impl TryFrom<Written> for GpuSpec {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let default = &PROFILES[1];
        let profile = written.profile.map_or(default, |key| key.0);
        let sample_ms = written.sample_ms.unwrap_or(167);
        if !(1..=60_000).contains(&sample_ms) {
            return Err(format!("`sample_ms` {sample_ms}: accepted are 1 to 60000"));
        }
        let power_limit_watts = written.power_limit_watts.unwrap_or(profile.limit_watts);
        let watts = profile.min_limit_watts..=profile.limit_watts;
        if !watts.contains(&power_limit_watts) {
            return Err(format!(
                "`power_limit_watts` {power_limit_watts}: accepted are {} to {}",
                watts.start(),
                watts.end()
            ));
        }
        let fans = written.fans.unwrap_or(profile.fans);
        if fans > 16 {
            return Err(format!("`fans` {fans}: accepted are 0 to 16"));
        }
        if let Some(instances) = &written.mig {
            mig::check(instances, profile.mig_profiles)?;
        }
        let percentages = [
            ("util", &written.util),
            ("memory_util", &written.memory_util),
            ("memory_used", &written.memory_used),
            ("encoder", &written.encoder),
            ("decoder", &written.decoder),
        ];
        for (key, shape) in percentages {
            if let Some(shape) = shape {
                shape.check_percent().map_err(|reason| format!("`{key}` {reason}"))?;
            }
        }
        for (key, shape) in [
            ("power_watts", &written.power_watts),
            ("temperature_celsius", &written.temperature_celsius),
            ("sm_clock_mhz", &written.sm_clock_mhz),
        ] {
            let (low, high) = shape.as_ref().map_or((0.0, 0.0), Shape::bounds);
            if low < 0.0 || high > 1e5 {
                return Err(format!("`{key}` goes from {low} to {high}: accepted are 0 to 100000"));
            }
        }
        for (key, text, longest) in [
            ("uuid", &written.uuid, 80),
            ("name", &written.name, 95),
            ("serial", &written.serial, 29),
            ("pci_bus_id", &written.pci_bus_id, 31),
        ] {
            if text.as_ref().is_some_and(|text| text.len() > longest || text.contains('\0')) {
                return Err(format!("`{key}` is longer than {longest} bytes or has a zero byte"));
            }
        }
        Ok(Self {
            profile,
            uuid: written.uuid,
            name: written.name,
            arch: written.arch.unwrap_or(profile.architecture),
            memory: written.memory.unwrap_or(profile.memory),
            serial: written.serial,
            pci_bus_id: written.pci_bus_id,
            minor: written.minor,
            util: written.util.unwrap_or(Shape::Constant(40.0)),
            memory_util: written.memory_util,
            memory_used: written.memory_used.unwrap_or(Shape::Constant(60.0)),
            encoder: written.encoder.unwrap_or(Shape::Constant(0.0)),
            decoder: written.decoder.unwrap_or(Shape::Constant(0.0)),
            power_watts: written.power_watts,
            power_limit_watts,
            temperature_celsius: written.temperature_celsius,
            sm_clock_mhz: written.sm_clock_mhz,
            sample_ms,
            dry_when_idle: written.dry_when_idle,
            links_down: written.links_down,
            fans,
            persistence: written.persistence.unwrap_or(true),
            state: written.state,
            mig: written.mig,
            processes: written.processes,
            calls: written.calls,
            unsupported: written.unsupported,
            unsupported_fields: written.unsupported_fields,
        })
    }
}
