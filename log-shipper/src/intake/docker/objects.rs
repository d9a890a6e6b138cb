//! What is read of the answers of a Docker engine; everything else is skipped while it is parsed.
//!
//! A list or map may be absent or null: none of that is an error, because one odd container must
//! not hide the others.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// A container, as it is listed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Container {
    pub(super) id: String,
    /// Each begins with a slash.
    #[serde(deserialize_with = "or_default")]
    pub(super) names: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) ports: Vec<Port>,
    pub(super) state: String,
    pub(super) host_config: HostConfig,
    pub(super) network_settings: NetworkSettings,
}

impl Container {
    /// Whether it may write, or will soon.
    pub(super) fn is_running(&self) -> bool {
        !matches!(self.state.as_str(), "created" | "exited" | "dead" | "removing" | "stopped")
    }
}

/// A port that a container listens on.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Port {
    #[serde(rename = "IP")]
    pub(super) ip: String,
    #[serde(rename = "PrivatePort")]
    pub(super) private: u16,
    /// 0 if it is not published.
    #[serde(rename = "PublicPort")]
    pub(super) public: u16,
    #[serde(rename = "Type")]
    pub(super) protocol: String,
}

/// How a container was asked for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct HostConfig {
    pub(super) network_mode: String,
}

/// Where a container is attached.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct NetworkSettings {
    /// By name.
    #[serde(deserialize_with = "or_default")]
    pub(super) networks: BTreeMap<String, Attachment>,
}

/// A container in a network.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Attachment {
    #[serde(rename = "NetworkID")]
    pub(super) network: String,
    #[serde(rename = "IPAddress")]
    pub(super) ip: String,
}

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Network {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scope: String,
    pub(super) internal: bool,
    pub(super) ingress: bool,
    #[serde(deserialize_with = "or_default")]
    pub(super) labels: BTreeMap<String, String>,
}

/// A container, as it is inspected.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Inspected {
    pub(super) state: State,
}

/// Whether it runs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct State {
    /// Also while it is paused, and while it waits to be started again.
    pub(super) running: bool,
    pub(super) restarting: bool,
    /// RFC 3339; of the year 1 if it never ended.
    pub(super) finished_at: String,
}

impl State {
    /// Whether more lines may come before it is started the next time.
    pub(super) fn is_writing(&self) -> bool {
        self.running && !self.restarting
    }
}

/// Something that happened.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Happening {
    pub(super) action: String,
    pub(super) actor: Actor,
}

/// To whom.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Actor {
    #[serde(rename = "ID")]
    pub(super) id: String,
}

/// A refusal.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    pub(super) message: String,
}

fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_absent_are_empty_and_unknown_keys_are_skipped() {
        let text = r#"{"Id":"a","Names":null,"Ports":null,"State":"running","X":{"y":[1]},
                       "NetworkSettings":{"Networks":null}}"#;
        let container: Container = serde_json::from_str(text).unwrap();
        assert!(container.is_running());
        assert_eq!(
            container,
            Container { id: "a".into(), state: "running".into(), ..container.clone() }
        );
        assert!(container.names.is_empty() && container.network_settings.networks.is_empty());
    }

    #[test]
    fn a_container_that_waits_for_its_restart_writes_nothing() {
        let state = |running, restarting| State { running, restarting, ..State::default() };
        assert!(state(true, false).is_writing());
        assert!(!state(true, true).is_writing());
        assert!(!state(false, false).is_writing());
        for (word, is_running) in [
            ("running", true),
            ("paused", true),
            ("restarting", true),
            ("created", false),
            ("exited", false),
        ] {
            let container = Container { state: word.to_owned(), ..Container::default() };
            assert_eq!(container.is_running(), is_running, "{word}");
        }
    }
}
