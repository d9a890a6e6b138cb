//! What goes wrong in one function of NVML.

use serde::Deserialize;

/// A fault. All that is given holds at once: a slow call may fail as well.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The code that is returned instead of an answer, for example 15 for a lost GPU.
    #[serde(default, rename = "return")]
    pub code: Option<u32>,
    /// Calls that succeed before the first that fails. Default 0.
    #[serde(default)]
    pub after: u64,
    /// How long a call takes. Default 0.
    #[serde(default)]
    pub latency_us: u64,
    /// From when on `return` and `latency_us` hold. Default 0.
    #[serde(default)]
    pub from_ms: u64,
    /// Calls do not come back from this time on.
    #[serde(default)]
    pub hang_at_ms: Option<u64>,
    /// When all of it is over, and calls that hang go on. Default: never.
    #[serde(default)]
    pub until_ms: Option<u64>,
}

/// What is wrong with a name that is none of a simulated function.
pub(crate) fn unknown(name: &str) -> String {
    format!(
        "`{name}` is no function that is simulated: accepted are names such as `nvmlDeviceGetPowerUsage`"
    )
}
