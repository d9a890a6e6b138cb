//! The body that Alertmanager posts to a webhook, version 4.
//!
//! Its alerts are read one by one: what is wrong with one hides no other, and a body that was cut
//! gives those that came whole. Nothing is concluded from the status of the whole, nor from an
//! alert that is absent: with `max_alerts` both lie.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use prometheus_model::label_set::LabelSet;
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Alert, Fingerprint, Identity, Rejected, limits};
use crate::time::Moment;

/// Why a body is no notification.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationError {
    /// Not JSON, or not of the right form.
    #[error("not the JSON of an Alertmanager webhook")]
    Malformed(#[source] serde_json::Error),
    /// A receiver with `payload`, or another program.
    #[error("version is {found}, only \"4\" is accepted: a receiver with `payload` cannot be read")]
    Version {
        /// As JSON; `absent` if there is none.
        found: String,
    },
    /// JSON without alerts.
    #[error("no list of alerts")]
    NoAlerts,
}

/// A webhook's body.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Name of the receiver in Alertmanager's configuration.
    pub receiver: String,
    /// For logs: it is no identity.
    pub group_key: String,
    /// Alerts that were left out.
    pub truncated: u64,
    /// Who sent it.
    pub external_url: String,
    /// Those that can be used.
    pub alerts: Vec<Alert>,
    /// The others.
    pub rejected: Vec<Rejected>,
}

/// Reads a body. `is_cut`: its end is missing. `ignored` are labels without a say in identity.
///
/// # Errors
/// See [`NotificationError`]. A body that was cut is an error only if not even its list of alerts
/// began.
pub fn parse_notification(
    body: &[u8],
    is_cut: bool,
    ignored: &[String],
    now: Moment,
) -> Result<Notification, NotificationError> {
    let text = String::from_utf8_lossy(body);
    let mut fields = Fields::default();
    let mut reader = serde_json::Deserializer::from_str(&text);
    let read = fields.deserialize(&mut reader).and_then(|()| reader.end());
    match read {
        Ok(()) => {}
        Err(_) if is_cut && fields.alerts.is_some() => {}
        Err(error) => return Err(NotificationError::Malformed(error)),
    }
    // It comes behind the alerts, so that a body that was cut need not have it.
    if fields.version.as_deref() != Some("\"4\"") && !(is_cut && fields.version.is_none()) {
        let found = fields.version.unwrap_or_else(|| "absent".to_owned());
        return Err(NotificationError::Version { found: found.chars().take(40).collect() });
    }
    let (mut alerts, mut rejected) = (Vec::new(), Vec::new());
    for (index, raw) in fields.alerts.ok_or(NotificationError::NoAlerts)?.into_iter().enumerate() {
        match alert(raw, ignored, now) {
            Ok(alert) => alerts.push(alert),
            Err(problem) => {
                rejected.push(Rejected { index, problem, body: limits::beginning(raw) });
            }
        }
    }
    Ok(Notification {
        receiver: unquoted(&fields.receiver),
        group_key: fields.group_key,
        truncated: fields.truncated,
        external_url: fields.external_url,
        alerts,
        rejected,
    })
}

/// Alertmanager quotes the name for regular expressions, as Go does.
fn unquoted(receiver: &str) -> String {
    let mut name = String::with_capacity(receiver.len());
    let mut chars = receiver.chars().peekable();
    while let Some(char) = chars.next() {
        let quoted = chars.next_if(|next| char == '\\' && r"\.+*?()|[]{}^$".contains(*next));
        name.push(quoted.unwrap_or(char));
    }
    name
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAlert {
    status: String,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    starts_at: String,
    #[serde(default)]
    ends_at: String,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
}

fn alert(raw: &str, ignored: &[String], now: Moment) -> Result<Alert, String> {
    let raw: RawAlert = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    let labels = limits::label_set(&raw.labels, "labels", true)?;
    if labels.is_empty() {
        return Err("no labels, at least one is needed".to_owned());
    }
    let time = |key: &str, text: &str| {
        let read = Moment::parse(text);
        read.ok_or_else(|| format!("{key} is no RFC 3339 time"))
    };
    let starts_at = if raw.starts_at.is_empty() { now } else { time("startsAt", &raw.starts_at)? };
    let ends_at = match raw.status.as_str() {
        "firing" => None,
        "resolved" => {
            let told = (!raw.ends_at.is_empty()).then(|| time("endsAt", &raw.ends_at));
            // The year 1 stands for "not known".
            Some(told.transpose()?.filter(|end| *end > Moment::EPOCH).unwrap_or(now))
        }
        _ => return Err("status is neither `firing` nor `resolved`".to_owned()),
    };
    let annotations = limits::label_set(&raw.annotations, "annotations", false)?;
    Ok(build(labels, annotations, starts_at, ends_at, raw.generator_url, ignored))
}

/// An alert of any input.
pub(super) fn build(
    labels: LabelSet,
    annotations: LabelSet,
    starts_at: Moment,
    ends_at: Option<Moment>,
    generator_url: String,
    ignored: &[String],
) -> Alert {
    let identity = Identity::of(&labels, ignored);
    let fingerprint = Fingerprint::of(&labels);
    Alert { identity, fingerprint, labels, annotations, starts_at, ends_at, generator_url }
}

/// What has been read so far, so that an error later on does not take it away.
#[derive(Default)]
struct Fields<'a> {
    receiver: String,
    group_key: String,
    external_url: String,
    /// As JSON.
    version: Option<String>,
    truncated: u64,
    alerts: Option<Vec<&'a str>>,
}

impl<'de> DeserializeSeed<'de> for &mut Fields<'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Fields<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the key `alerts`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "receiver" => self.receiver = map.next_value()?,
                "groupKey" => self.group_key = map.next_value()?,
                "externalURL" => self.external_url = map.next_value()?,
                "version" => self.version = Some(map.next_value::<&RawValue>()?.get().to_owned()),
                "truncatedAlerts" => self.truncated = map.next_value()?,
                "alerts" => map.next_value_seed(Elements(self.alerts.insert(Vec::new())))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The elements of a list, each as its JSON.
struct Elements<'s, 'a>(&'s mut Vec<&'a str>);

impl<'de> DeserializeSeed<'de> for Elements<'_, 'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of alerts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element::<&RawValue>()? {
            self.0.push(element.get());
        }
        Ok(())
    }
}
