//! What comes in: credentials of those who send, Alertmanagers to ask, heartbeats.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{duration, minutes};

/// `receive`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Receive {
    /// Files with one bearer token each; any of them is accepted, so that tokens can be rotated.
    pub bearer_token_files: Vec<PathBuf>,
    /// Users with their passwords.
    pub basic: Vec<BasicUser>,
    /// Labels that only tell replicas of one Prometheus apart.
    pub ignored_labels: Vec<String>,
    /// Of a body, in bytes. What is over it is read as far as it fits.
    pub max_body_bytes: usize,
    /// How long an alert that Prometheus posts without an end fires.
    #[serde(deserialize_with = "duration::deserialize")]
    pub resolve_timeout: Duration,
    /// File with the signing secret of the Slack app whose buttons are accepted.
    pub slack_signing_secret_file: Option<PathBuf>,
    /// Files with secrets of PagerDuty's V3 webhooks; any of them is accepted.
    pub pagerduty_webhook_secret_files: Vec<PathBuf>,
}

impl Default for Receive {
    fn default() -> Self {
        let ignored = ["replica", "prometheus_replica", "__replica__", "prometheus", "receive"];
        Self {
            bearer_token_files: Vec::new(),
            basic: Vec::new(),
            ignored_labels: ignored.map(str::to_owned).to_vec(),
            max_body_bytes: 16 << 20,
            resolve_timeout: minutes(5),
            slack_signing_secret_file: None,
            pagerduty_webhook_secret_files: Vec::new(),
        }
    }
}

/// One of `receive.basic`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicUser {
    /// The user's name.
    pub username: String,
    /// File with the password.
    pub password_file: PathBuf,
}

/// One of `alertmanagers`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerPeer {
    /// Base URL, with its path prefix if it has one.
    pub url: String,
    /// File with a bearer token.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// Authority that signed its certificate, besides those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Names of the receivers there that send to this relay.
    #[serde(default)]
    pub receivers: Vec<String>,
    /// Between two questions.
    #[serde(default = "poll_interval", deserialize_with = "duration::deserialize")]
    pub interval: Duration,
}

fn poll_interval() -> Duration {
    Duration::from_secs(15)
}

/// One of `heartbeats`: `POST /v1/heartbeat/NAME` must keep coming.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Its name in the path.
    pub name: String,
    /// How old the last one may be.
    #[serde(default = "heartbeat_age", deserialize_with = "duration::deserialize")]
    pub max_age: Duration,
}

fn heartbeat_age() -> Duration {
    Duration::from_secs(90)
}

/// `outgoing_heartbeat`: a dead man's switch elsewhere that is told that the relay works.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutgoingHeartbeat {
    /// Posted to with an empty body.
    #[serde(default)]
    pub url: Option<String>,
    /// File with the URL, if it is a secret.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// Between two.
    #[serde(default = "outgoing_interval", deserialize_with = "duration::deserialize")]
    pub interval: Duration,
}

fn outgoing_interval() -> Duration {
    Duration::from_secs(30)
}
