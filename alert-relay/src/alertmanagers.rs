//! The API of Alertmanagers: the alerts that they know, since when they are up, and their silences.
//!
//! An alert that cannot be read hides no other. Whether it is there matters as much as what it says,
//! so that nothing is concluded from an answer that did not come whole.

use std::collections::BTreeMap;

use prometheus_model::label_set::LabelSet;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::alert::{Alert, Fingerprint, Identity};
use crate::client::{Authorities, Client, ClientError, Method};
use crate::config::inputs::AlertmanagerPeer;
use crate::time::Moment;

/// Bytes of a list: 460 an alert, so that 100,000 of them fit well.
const MAX_LIST: usize = 128 << 20;

/// Bytes of another answer. The status shows the whole configuration.
const MAX_ANSWER: usize = 4 << 20;

/// Whether an alert is told there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Active,
    /// By a silence, another alert or the time of day it is not.
    Suppressed,
    /// Not known yet, or a state of a later version.
    #[serde(other)]
    Unprocessed,
}

/// An alert as an Alertmanager knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownAlert {
    /// As a webhook would tell it. Its end is open: a list has only what fires.
    pub alert: Alert,
    /// What becomes of it.
    pub state: State,
    /// Ids of silences.
    pub silenced_by: Vec<String>,
    /// Fingerprints of alerts.
    pub inhibited_by: Vec<String>,
    /// Names of those that it is routed to.
    pub receivers: Vec<String>,
}

/// What one answer said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    /// Those that can be used.
    pub alerts: Vec<KnownAlert>,
    /// How many could not.
    pub unreadable: usize,
}

/// A silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// Given by Alertmanager; none before it is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// All must hold.
    pub matchers: Vec<SilenceMatcher>,
    /// From when on.
    pub starts_at: String,
    /// Until when.
    pub ends_at: String,
    /// Who wanted it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Given by Alertmanager.
    #[serde(default, skip_serializing)]
    pub status: SilenceStatus,
}

impl Silence {
    /// It works now or will.
    pub fn is_pending_or_active(&self) -> bool {
        self.status.state != "expired"
    }
}

/// Of a [`Silence`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SilenceStatus {
    /// `active`, `pending` or `expired`.
    pub state: String,
}

/// One condition of a silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SilenceMatcher {
    /// Of a label.
    pub name: String,
    /// Or a pattern for it.
    pub value: String,
    /// Whether it is a pattern.
    pub is_regex: bool,
    /// False: it must not fit.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// One Alertmanager.
#[derive(Debug)]
pub struct Alertmanager {
    /// As configured; for messages.
    pub url: String,
    client: Client,
}

impl Alertmanager {
    /// Reads the files of its keys. Blocks on the disk.
    ///
    /// # Errors
    /// A key cannot be used.
    pub fn new(peer: &AlertmanagerPeer) -> Result<Self, ClientError> {
        let authorities =
            peer.ca_file.clone().map_or_else(Authorities::default, Authorities::SystemAnd);
        let client = Client::new(&peer.url, peer.bearer_token_file.as_deref(), authorities)?;
        Ok(Self { url: peer.url.clone(), client })
    }

    /// The alerts that fire there. `ignored` are labels without a say in identity.
    ///
    /// # Errors
    /// No answer that came whole.
    pub async fn alerts(&self, ignored: &[String]) -> Result<Listed, ClientError> {
        let answer = self.client.send(Method::GET, "/api/v2/alerts", None, MAX_LIST).await?;
        Ok(parse_alerts(&answer.success()?, ignored)?)
    }

    /// When it was started, by its own clock.
    ///
    /// # Errors
    /// No answer.
    pub async fn started(&self) -> Result<String, ClientError> {
        #[derive(Deserialize)]
        struct Status {
            uptime: String,
        }
        let answer = self.client.send(Method::GET, "/api/v2/status", None, MAX_ANSWER).await?;
        let status: Status = serde_json::from_slice(&answer.success()?)?;
        Ok(status.uptime)
    }

    /// Its silences, expired ones included.
    ///
    /// # Errors
    /// No answer.
    pub async fn silences(&self) -> Result<Vec<Silence>, ClientError> {
        let answer = self.client.send(Method::GET, "/api/v2/silences", None, MAX_LIST).await?;
        Ok(serde_json::from_slice(&answer.success()?)?)
    }

    /// Adds one and gives its id.
    ///
    /// # Errors
    /// It was not added, or it is not known whether it was.
    pub async fn add_silence(&self, silence: &Silence) -> Result<String, ClientError> {
        #[derive(Deserialize)]
        struct Added {
            #[serde(rename = "silenceID")]
            id: String,
        }
        let json = serde_json::to_vec(silence)?;
        let path = "/api/v2/silences";
        let answer = self.client.send(Method::POST, path, Some(json), MAX_ANSWER).await?;
        let added: Added = serde_json::from_slice(&answer.success()?)?;
        Ok(added.id)
    }

    /// Ends one; whether it was known there.
    ///
    /// # Errors
    /// It was not ended, or it is not known whether it was.
    pub async fn expire_silence(&self, id: &str) -> Result<bool, ClientError> {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if id.is_empty() || !id.bytes().all(is_id) {
            return Ok(false);
        }
        let path = format!("/api/v2/silence/{id}");
        let answer = self.client.send(Method::DELETE, &path, None, MAX_ANSWER).await?;
        // what is no UUID is no silence either
        if matches!(answer.status, 404 | 422) {
            return Ok(false);
        }
        answer.success().map(|_| true)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAlert {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    starts_at: String,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
    status: RawStatus,
    #[serde(default)]
    receivers: Vec<RawReceiver>,
}

/// `mutedBy`, of 0.28 and later, is not read: what the time of day mutes there is neither silenced
/// nor folded here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus {
    state: State,
    #[serde(default)]
    silenced_by: Vec<String>,
    #[serde(default)]
    inhibited_by: Vec<String>,
}

#[derive(Deserialize)]
struct RawReceiver {
    name: String,
}

/// The body of `GET /api/v2/alerts`.
///
/// # Errors
/// It is no JSON list.
pub fn parse_alerts(body: &[u8], ignored: &[String]) -> Result<Listed, serde_json::Error> {
    let text = String::from_utf8_lossy(body);
    let elements: Vec<&RawValue> = serde_json::from_str(&text)?;
    let mut listed = Listed::default();
    for element in elements {
        match parse_alert(element.get(), ignored) {
            Some(alert) => listed.alerts.push(alert),
            None => listed.unreadable += 1,
        }
    }
    Ok(listed)
}

fn parse_alert(text: &str, ignored: &[String]) -> Option<KnownAlert> {
    let raw: RawAlert = serde_json::from_str(text).ok()?;
    let pairs = |pairs: &BTreeMap<String, String>| -> LabelSet {
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    };
    let labels = pairs(&raw.labels);
    Some(KnownAlert {
        alert: Alert {
            identity: Identity::of(&labels, ignored),
            fingerprint: Fingerprint::of(&labels),
            annotations: pairs(&raw.annotations),
            starts_at: Moment::parse(&raw.starts_at)?,
            ends_at: None,
            generator_url: raw.generator_url,
            labels,
        },
        state: raw.status.state,
        silenced_by: raw.status.silenced_by,
        inhibited_by: raw.status.inhibited_by,
        receivers: raw.receivers.into_iter().map(|receiver| receiver.name).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alert_that_cannot_be_read_hides_no_other() {
        let alert = r#"{"labels":{"alertname":"A"},"startsAt":"2026-11-22T06:20:57.791Z",
            "status":{"state":"STATE","silencedBy":null}}"#;
        let good = alert.replace("null", "[]").replace("STATE", "muted-some-day");
        let listed = parse_alerts(format!("[7, {alert}, {good}]").as_bytes(), &[]).unwrap();
        assert_eq!((listed.alerts.len(), listed.unreadable), (1, 2));
        assert_eq!(listed.alerts[0].state, State::Unprocessed);
        assert!(parse_alerts(b"[{\"labels\":", &[]).is_err());
    }
}
