//! What is known of the node's GPUs at one moment: all that a page is written from.

use std::sync::Arc;
use std::time::SystemTime;

use super::readings::Readings;
use crate::nvml::identity::{DriverVersions, Identity, MigIdentity};

/// Upper bounds of the buckets of [`Distribution`], as shares of a period.
pub const DISTRIBUTION_BOUNDS: [f64; 8] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0];

/// Everything, as last read.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Whether NVML works.
    pub driver: DriverState,
    /// By index. A GPU that was seen since the start stays, with `is_up` false.
    pub devices: Vec<Arc<DeviceSnapshot>>,
}

/// Whether NVML works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverState {
    /// It does.
    Up(DriverVersions),
    /// It does not, with the value of the label `reason`: `library_not_found`,
    /// `driver_not_loaded`, `version_mismatch`, `released`, `starting`, ...
    Down(String),
}

impl Default for DriverState {
    fn default() -> Self {
        Self::Down("starting".to_owned())
    }
}

/// One GPU.
#[derive(Debug, Clone, Default)]
pub struct DeviceSnapshot {
    /// What it is.
    pub identity: Arc<Identity>,
    /// It answers. If not, it has no readings but, when it has to be reset, `RecoveryAction`.
    pub is_up: bool,
    /// Why it is not up: `lost`, `hung`, `reset_required`, `gone`, `driver` (NVML is down),
    /// `failing` (no call succeeds), `unknown` (all are answered with an unknown error), `stale`,
    /// `driver_restarting`, `starting`; empty if it is.
    pub down_reason: &'static str,
    /// Seconds that the call in progress has taken, when it is longer than it should be.
    pub stuck_seconds: Option<f64>,
    /// The values. What is too old has been removed.
    pub readings: Readings,
    /// Points of utilization by their height: counts of single buckets, the last above all bounds.
    pub distribution: Distribution,
    /// By fan number.
    pub fans: Vec<Fan>,
    /// By number, the ones that were seen since the start.
    pub xids: Vec<Xid>,
    /// Number of the last Xid. `None` before the first.
    pub last_xid: Option<u32>,
    /// How often each clock event reason was active in the window of DCGM's counter, in the order
    /// of NVML's bits from 1 (idle) to 0x100 (display clocks).
    pub clock_events_in_window: [u64; 9],
    /// The instances, when MIG is on.
    pub mig: Vec<MigSnapshot>,
    /// By link number; empty unless asked for.
    pub links: Vec<Link>,
    /// Processes that have memory; empty unless asked for.
    pub processes: Vec<Process>,
    /// Seconds since the last complete round.
    pub age_seconds: f64,
}

/// Weights are numbers of points, each one period of the driver.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    /// Counts of single buckets of [`DISTRIBUTION_BOUNDS`], and of what is above.
    pub counts: [u64; DISTRIBUTION_BOUNDS.len() + 1],
    /// Sum of the points.
    pub sum: f64,
}

/// A fan.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Fan {
    /// Share of its nominal speed; may exceed 1.
    pub speed_ratio: Option<f64>,
    /// Revolutions per minute.
    pub rpm: Option<f64>,
}

/// Errors of one number.
#[derive(Debug, Clone, PartialEq)]
pub struct Xid {
    /// The number; `None` for those beyond the limit of numbers per GPU.
    pub number: Option<u32>,
    /// Since the start.
    pub count: u64,
    /// In the window of DCGM's counter.
    pub count_in_window: u64,
    /// Of the last one.
    pub last: SystemTime,
}

/// A MIG instance.
#[derive(Debug, Clone, Default)]
pub struct MigSnapshot {
    /// What it is.
    pub identity: Arc<MigIdentity>,
    /// Memory, and activity on Hopper and later.
    pub readings: Readings,
}

/// An `NVLink` of a GPU.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Link {
    /// Its number.
    pub number: u32,
    /// Bytes out of the GPU, a counter.
    pub transmit_bytes: Option<f64>,
    /// Bytes into the GPU, a counter.
    pub receive_bytes: Option<f64>,
    /// Whether it is up.
    pub is_active: Option<bool>,
}

/// A process on a GPU or MIG instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// In the namespace of the exporter; 0 without `hostPID`.
    pub pid: u32,
    /// GPU and compute instance, with MIG.
    pub mig: Option<(u32, u32)>,
    /// Bytes; `None` where the driver does not tell.
    pub memory_bytes: Option<f64>,
    /// 0 to 1, share of SM time; `None` where the driver does not tell.
    pub sm_utilization: Option<f64>,
}
