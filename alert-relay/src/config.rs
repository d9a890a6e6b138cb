//! The configuration file: YAML, every key with a default but what only the user can know.
//!
//! A key that is not known is an error that names the accepted ones. Secrets stand in files; only
//! their paths are here, so that the configuration may be shown.

pub mod correlation;
pub mod destinations;
pub mod inputs;
pub mod lease;
pub mod matching;
pub mod routes;
#[cfg(test)]
mod tests;
mod verify;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use self::correlation::Correlation;
use self::destinations::Destination;
use self::inputs::{AlertmanagerPeer, Heartbeat, OutgoingHeartbeat, Receive};
use self::lease::LeaseKeys;
use self::routes::Route;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What comes in, and from whom.
    #[serde(default)]
    pub receive: Receive,
    /// Alertmanagers that are asked for what they know.
    #[serde(default)]
    pub alertmanagers: Vec<AlertmanagerPeer>,
    /// Signs of life that must keep coming.
    #[serde(default)]
    pub heartbeats: Vec<Heartbeat>,
    /// Told while the relay is healthy.
    #[serde(default)]
    pub outgoing_heartbeat: Option<OutgoingHeartbeat>,
    /// How replicas agree on who delivers; without it there is one.
    #[serde(default)]
    pub lease: Option<LeaseKeys>,
    /// How few incidents are made from many alerts.
    #[serde(default)]
    pub correlation: Correlation,
    /// Where messages go, by name.
    pub destinations: Vec<Destination>,
    /// Which incidents go where: the first that matches, and those that it says to continue to.
    pub routes: Vec<Route>,
    /// Names of destinations for messages about the relay itself.
    #[serde(default)]
    pub internal_destinations: Vec<String>,
    /// How the user reaches the relay's page, for links in messages; none without it.
    #[serde(default)]
    pub external_url: Option<String>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: String,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// Its form; the message has line and column.
    #[error("{path}: {problem}")]
    Form {
        /// Which file.
        path: String,
        /// Where, what, and what is accepted.
        problem: String,
    },
    /// Its meaning.
    #[error("{path}: {place}: {problem}")]
    Value {
        /// Which file.
        path: String,
        /// The key, for example `routes[2].destinations`.
        place: String,
        /// What is wrong, and what is accepted.
        problem: String,
    },
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`] names the place and what is accepted.
    pub fn read(path: &Path) -> Result<(Self, String), ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Read { path: shown.clone(), cause })?;
        let config = Self::parse(&text, &shown)?;
        let mut hash = String::new();
        for byte in Sha256::digest(text.as_bytes()) {
            let _ = write!(hash, "{byte:02x}");
        }
        Ok((config, hash))
    }

    /// From a text; `path` is for messages.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(text: &str, path: &str) -> Result<Self, ConfigError> {
        let config: Self = serde_saphyr::from_str(text).map_err(|error| ConfigError::Form {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        verify::verify(&config).map_err(|(place, problem)| ConfigError::Value {
            path: path.to_owned(),
            place,
            problem,
        })?;
        Ok(config)
    }

    /// A destination by its name.
    pub fn destination(&self, name: &str) -> Option<&Destination> {
        self.destinations.iter().find(|destination| destination.name == name)
    }
}

/// Durations as Prometheus writes them: `90s`, `1h30m`.
pub(crate) mod duration {
    use std::time::Duration;

    use daemon_runtime::durations::PrometheusDuration;
    use serde::{Deserialize, Deserializer, de::Error as _};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        let parsed: Result<PrometheusDuration, _> = text.parse();
        parsed.map(PrometheusDuration::as_duration).map_err(|error| {
            D::Error::custom(format!("{text:?} is no duration such as 90s or 1h30m: {error}"))
        })
    }
}

pub(crate) const fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}
