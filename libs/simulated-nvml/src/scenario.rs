//! What is simulated, read from JSON: `{"gpus": [{}]}` is one healthy H100.
//!
//! Everything is checked here: an engine never meets a value that it cannot play. Unknown keys are
//! refused, so that a misspelt fault is not a fault that never happens.

pub mod curve;
pub mod fault;
pub mod gpu;
pub mod mig;
pub mod profile;
pub mod timeline;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::functions::Function;
use crate::scenario::fault::Fault;
use crate::scenario::gpu::GpuSpec;
use crate::scenario::timeline::Happening;

/// Most GPUs of a node, those included that are added later.
pub const MAX_GPUS: usize = 32;

/// All of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Default `580.95.05`.
    #[serde(default = "default_driver_version")]
    pub driver_version: String,
    /// As NVML writes it: 13000 is 13.0, the default.
    #[serde(default = "default_cuda_version")]
    pub cuda_version: i32,
    /// Numbers of field values. Default: those of the driver's version.
    #[serde(default)]
    pub field_ids: Option<FieldNumbering>,
    /// Symbols that the library lacks. In the shared library, where they cannot be taken out, they
    /// answer `FUNCTION_NOT_FOUND`.
    #[serde(default)]
    pub absent_symbols: Vec<String>,
    /// Whether activity (GPM) has the counters since boot, metrics 248 to 260. Default false, as
    /// before driver 590.
    #[serde(default)]
    pub gpm_counters: bool,
    /// How time passes. Default `real`.
    #[serde(default)]
    pub clock: ClockKind,
    /// Seconds of the simulation per second; only with the real clock. Default 1; 0.001 to 10,000.
    #[serde(default = "default_speed")]
    pub speed: f64,
    /// Milliseconds of the simulation that have passed when it starts, so that buffers and counters
    /// are not empty. Default 0.
    #[serde(default)]
    pub start_ms: u64,
    /// Seconds from the node's boot to time 0 of the simulation; the stamps of samples count from boot. Default a day.
    #[serde(default = "default_uptime")]
    pub uptime_s: u64,
    /// From which UUIDs and serial numbers are made that are not given. Default 0.
    #[serde(default)]
    pub seed: u64,
    /// The GPUs at the start, by index; at most 32. An empty list is a node without any.
    pub gpus: Vec<GpuSpec>,
    /// Faults of functions that belong to no device, by their names.
    #[serde(default)]
    pub calls: BTreeMap<String, Fault>,
    /// What happens when.
    #[serde(default)]
    pub timeline: Vec<Happening>,
    /// File whose lines are commands while the simulation runs: `{"advance_ms": 500}`, or something
    /// that happens, as in `timeline`.
    #[serde(default)]
    pub control: Option<PathBuf>,
    /// File in which the number of calls of each function is kept, as JSON, with the number of
    /// commands that were read and the last that was none.
    #[serde(default)]
    pub call_log: Option<PathBuf>,
}

/// Which numbers field values have: they changed with driver 580.82.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldNumbering {
    /// Clock event reasons are 251 to 253.
    V12,
    /// Clock event reasons are 269 to 271.
    V13,
}

/// How time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    /// By itself.
    #[default]
    Real,
    /// Only when it is moved. Waiting calls wait for that.
    Virtual,
}

fn default_driver_version() -> String {
    "580.95.05".to_owned()
}

fn default_cuda_version() -> i32 {
    13_000
}

fn default_speed() -> f64 {
    1.0
}

fn default_uptime() -> u64 {
    86_400
}

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read the scenario {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It is not JSON, or not a scenario.
    #[error("line {line}, column {column}, at `{place}`: {reason}")]
    Form {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// For example `gpus[2].util.kind`.
        place: String,
        /// What is wrong, and what is accepted.
        reason: String,
    },
    /// The thread that follows the control file cannot be started.
    #[error("cannot start a thread for the control file")]
    Thread(#[source] std::io::Error),
    /// Its parts do not fit together.
    #[error("`{place}`: {reason}")]
    Value {
        /// For example `timeline[3].gpu`.
        place: String,
        /// What is wrong, and what is accepted.
        reason: String,
    },
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is not a scenario.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ScenarioError::Read { path: path.to_owned(), cause })?;
        Self::parse(&text)
    }

    /// Reads JSON.
    ///
    /// # Errors
    ///
    /// When it is not a scenario.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = parse_json(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// The numbers of field values: as asked for, else as the driver's version has them.
    pub fn field_numbering(&self) -> FieldNumbering {
        let mut parts = self.driver_version.split('.').map(|part| part.parse().unwrap_or(0));
        let version: (u32, u32) =
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        self.field_ids.unwrap_or(if version >= (580, 82) {
            FieldNumbering::V13
        } else {
            FieldNumbering::V12
        })
    }

    /// Checks that the parts fit together.
    pub(crate) fn check(&self) -> Result<(), ScenarioError> {
        let added = self.timeline.iter().filter_map(Happening::added_gpu);
        let gpus: Vec<_> = self.gpus.iter().chain(added).collect();
        if gpus.len() > MAX_GPUS {
            return Err(value("gpus", format!("{} GPUs, at most {MAX_GPUS}", gpus.len())));
        }
        if !(0.001..=10_000.0).contains(&self.speed) {
            return Err(value("speed", format!("{}: accepted are 0.001 to 10000", self.speed)));
        }
        if self.clock == ClockKind::Virtual && (self.speed - 1.0).abs() > f64::EPSILON {
            return Err(value("speed", "a virtual clock has none".to_owned()));
        }
        self.check_names()?;
        for (index, happening) in self.timeline.iter().enumerate() {
            happening
                .check(&gpus)
                .map_err(|(key, reason)| value(&format!("timeline[{index}].{key}"), reason))?;
        }
        let mut uuids: Vec<_> = gpus.iter().filter_map(|gpu| gpu.uuid.as_deref()).collect();
        uuids.sort_unstable();
        if let Some([twice, _]) = uuids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(value("gpus", format!("the UUID {twice} is given twice")));
        }
        Ok(())
    }
}

impl Scenario {
    /// A fault of a function that nobody calls would never happen.
    fn check_names(&self) -> Result<(), ScenarioError> {
        let mut all: Vec<(String, &String)> = Vec::new();
        all.extend(self.absent_symbols.iter().map(|name| ("absent_symbols".to_owned(), name)));
        all.extend(self.calls.keys().map(|name| ("calls".to_owned(), name)));
        for (index, gpu) in self.gpus.iter().enumerate() {
            let place = format!("gpus[{index}]");
            all.extend(gpu.calls.keys().map(|name| (format!("{place}.calls"), name)));
            all.extend(gpu.unsupported.iter().map(|name| (format!("{place}.unsupported"), name)));
        }
        match all.into_iter().find(|(_, name)| Function::by_name(name).is_none()) {
            Some((place, name)) => Err(value(&place, fault::unknown(name))),
            None => Ok(()),
        }
    }
}

fn value(place: &str, reason: String) -> ScenarioError {
    ScenarioError::Value { place: place.to_owned(), reason }
}

/// Reads JSON with the place of what is wrong.
pub(crate) fn parse_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, ScenarioError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let form = |place: String, cause: &serde_json::Error| {
        let reason = cause.to_string();
        let end = reason.rfind(" at line ").unwrap_or(reason.len());
        ScenarioError::Form {
            line: cause.line(),
            column: cause.column(),
            place,
            reason: reason[..end].to_owned(),
        }
    };
    let parsed = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| form(error.path().to_string(), error.inner()))?;
    reader.end().map_err(|error| form(".".to_owned(), &error))?;
    Ok(parsed)
}

#[cfg(test)]
mod tests;
