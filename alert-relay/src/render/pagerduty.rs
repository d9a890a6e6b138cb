//! Events for PagerDuty, in version 2 of its API and in version 1.
//!
//! The key of an incident holds nothing random: what is sent twice is one alert there. A trigger on
//! an open key wakes nobody, so that to wake somebody again there is another key.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::Occasion;
use super::facts::{clock, constant_title, duration, label, links, remarks, title};
use super::text::{clean, cut, line};
use crate::incident::{Incident, Kind};

/// Characters of `payload.summary` and of v1's `description`.
const MAX_SUMMARY: usize = 1_024;

/// Labels in the details.
const MAX_LABELS: usize = 64;

/// What is to be done to the alert of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Opens it, or adds a line to its log.
    Trigger,
    /// Somebody looks at it.
    Acknowledge,
    /// Ends it.
    Resolve,
}

impl Action {
    /// Of a message.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Acknowledge => Self::Acknowledge,
            Kind::Resolve => Self::Resolve,
            _ => Self::Trigger,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
        }
    }
}

/// The key that an incident begins with.
pub fn first_key(incident: &Incident) -> String {
    incident.id.key.to_string()
}

/// Another key, which wakes somebody again: for this severity and this many members always the same.
pub fn louder_key(incident: &Incident) -> String {
    let digest = Sha256::digest(format!("{} {}", incident.severity.as_str(), incident.announced));
    format!(
        "{}-{:02x}{:02x}{:02x}{:02x}",
        incident.id.key, digest[0], digest[1], digest[2], digest[3]
    )
}

/// An event of version 2, without its `routing_key`.
pub fn v2(
    action: Action,
    key: &str,
    incident: &Incident,
    occasion: &Occasion<'_>,
) -> Map<String, Value> {
    let mut event = begin(action, "event_action", "dedup_key", key);
    if action != Action::Trigger {
        return event;
    }
    let source = label(incident, &["instance", "pod", "node", "cluster"]);
    let mut payload = Map::new();
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) =
            value.map(|value| cut(&line(value), 500)).filter(|value| !value.is_empty())
        {
            payload.insert(name.to_owned(), value.into());
        }
    };
    put("source", Some(source.unwrap_or("alert-relay")));
    put("component", label(incident, &["service", "job"]));
    put("group", label(incident, &["cluster"]));
    put("class", Some(&incident.name));
    payload.entry("source").or_insert_with(|| "alert-relay".into());
    payload.insert("summary".into(), title(incident, MAX_SUMMARY).into());
    payload.insert("severity".into(), incident.severity.as_str().into());
    payload.insert("timestamp".into(), incident.starts_at.to_string().into());
    payload.insert("custom_details".into(), details(incident, occasion));
    event.insert("payload".into(), Value::Object(payload));
    event.insert("client".into(), "alert-relay".into());
    if let Some(page) = page(incident, occasion) {
        event.insert("client_url".into(), page.into());
    }
    let links: Vec<Value> =
        web_links(incident).map(|(name, address)| json!({"href": address, "text": name})).collect();
    if !links.is_empty() {
        event.insert("links".into(), links.into());
    }
    event
}

/// An event of version 1, without its `service_key`.
pub fn v1(
    action: Action,
    key: &str,
    incident: &Incident,
    occasion: &Occasion<'_>,
) -> Map<String, Value> {
    let mut event = begin(action, "event_type", "incident_key", key);
    event.insert("description".into(), title(incident, MAX_SUMMARY).into());
    if action != Action::Trigger {
        return event;
    }
    event.insert("details".into(), details(incident, occasion));
    event.insert("client".into(), "alert-relay".into());
    if let Some(page) = page(incident, occasion) {
        event.insert("client_url".into(), page.into());
    }
    let contexts: Vec<Value> = web_links(incident)
        .map(|(name, address)| json!({"type": "link", "href": address, "text": name}))
        .collect();
    if !contexts.is_empty() {
        event.insert("contexts".into(), contexts.into());
    }
    event
}

/// A message about the relay itself, in either version; its text makes its key.
pub fn internal(is_v2: bool, severity: &str, occasion: &Occasion<'_>) -> Map<String, Value> {
    let text = format!("alert-relay: {}", line(occasion.text));
    let text =
        cut(if occasion.text.trim().is_empty() { "alert-relay" } else { &text }, MAX_SUMMARY);
    let digest = Sha256::digest(text.as_bytes());
    let key = digest
        .iter()
        .take(20)
        .fold("ar1-internal-".to_owned(), |key, byte| format!("{key}{byte:02x}"));
    if !is_v2 {
        let mut event = begin(Action::Trigger, "event_type", "incident_key", &key);
        event.insert("description".into(), text.into());
        return event;
    }
    let mut event = begin(Action::Trigger, "event_action", "dedup_key", &key);
    let payload = json!({"summary": text, "source": "alert-relay", "severity": severity});
    event.insert("payload".into(), payload);
    event
}

fn begin(action: Action, action_name: &str, key_name: &str, key: &str) -> Map<String, Value> {
    let mut event = Map::new();
    event.insert(action_name.to_owned(), action.as_str().into());
    event.insert(key_name.to_owned(), key.into());
    event
}

fn page(incident: &Incident, occasion: &Occasion<'_>) -> Option<String> {
    let links = links(incident, occasion.external_url);
    links.into_iter().find(|(name, _)| *name == "Incident").map(|(_, address)| address.into_owned())
}

fn web_links(incident: &Incident) -> impl Iterator<Item = (&'static str, String)> {
    let links = links(incident, None).into_iter();
    let links = links.map(|(name, address)| (name, address.into_owned()));
    links.filter(|(_, address)| address.len() <= 2_000)
}

/// Bounded: 64 labels of 1,200 characters are far below the 512,000 bytes of a body.
fn details(incident: &Incident, occasion: &Occasion<'_>) -> Value {
    let mut labels = Map::new();
    for (name, value) in incident.common_labels.iter().take(MAX_LABELS) {
        labels.insert(cut(&line(name), 200), cut(&clean(value), 1_000).into());
    }
    let mut details = Map::new();
    details.insert("title".into(), constant_title(incident, 500).into());
    details.insert("description".into(), cut(&clean(&incident.description), 4_000).into());
    details.insert("firing".into(), incident.firing.len().into());
    details.insert("affected".into(), incident.total.into());
    details.insert("first_seen".into(), clock(incident.starts_at).into());
    details.insert("open_for".into(), duration(occasion.now.since(incident.starts_at)).into());
    details.insert("entity".into(), cut(&line(&incident.entity), 500).into());
    details.insert("incident".into(), incident.id.to_string().into());
    if !remarks(incident).is_empty() {
        details.insert("notes".into(), remarks(incident).into());
    }
    if !occasion.text.is_empty() {
        details.insert("change".into(), cut(&line(occasion.text), 500).into());
    }
    details.insert("labels".into(), labels.into());
    Value::Object(details)
}
