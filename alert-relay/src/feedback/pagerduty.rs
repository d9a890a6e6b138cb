//! What a V3 webhook of PagerDuty says.

use serde::Deserialize;

use super::slack::short;

/// An incident of ours that somebody has acknowledged there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// The key that it was opened with.
    pub(super) key: String,
    pub(super) who: String,
}

#[derive(Deserialize)]
struct Body {
    event: Event,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "event_type")]
    kind: String,
    #[serde(default)]
    agent: Option<Agent>,
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize)]
struct Agent {
    #[serde(default)]
    summary: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    incident_key: Option<String>,
}

/// `Ok(None)` for every other event: there are many, and all are answered well, because PagerDuty
/// gives up a receiver that refuses some.
pub(super) fn acknowledged(body: &[u8]) -> Result<Option<Acknowledged>, serde_json::Error> {
    let Body { event } = serde_json::from_slice(body)?;
    let Some(key) = event.data.incident_key.filter(|_| event.kind == "incident.acknowledged")
    else {
        return Ok(None);
    };
    let who = event.agent.and_then(|agent| agent.summary).filter(|name| !name.is_empty());
    Ok(Some(Acknowledged { key, who: short(who.as_deref().unwrap_or("PagerDuty")) }))
}
