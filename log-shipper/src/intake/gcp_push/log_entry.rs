//! A push message of Google's Pub/Sub, and the log entry in it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use prometheus_model::label_set::LabelSet;
use serde::Deserialize;

use crate::intake::http_server::stream_labels::label_name;

/// Attributes and labels of a message: sets of labels are made for few. Google allows 100 attributes
/// and 64 labels.
const MAX_LABELS: usize = 512;

/// Why a push is refused. No message repeats what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushMessageError {
    /// Not the JSON of a push.
    #[error("no push message of Pub/Sub in JSON, at line {line}, column {column}")]
    Format {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A field that every push has.
    #[error("the push message has no {field}")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// More than Google allows.
    #[error("the push message has more than {MAX_LABELS} attributes and labels")]
    TooManyLabels,
    /// `message.data`
    #[error("message.data: base64 is accepted")]
    Base64,
    /// What `message.data` holds.
    #[error("message.data holds no log entry in JSON")]
    LogEntry,
    /// Its time.
    #[error("the log entry has neither a timestamp nor a receiveTimestamp in RFC 3339")]
    Timestamp,
}

impl PushMessageError {
    /// The value of the label `reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Format { .. } => "format",
            Self::Missing { .. } | Self::TooManyLabels => "invalid_message",
            Self::Base64 | Self::LogEntry | Self::Timestamp => "translation",
        }
    }
}

#[derive(Deserialize)]
struct Push {
    #[serde(default)]
    message: PushMessage,
    #[serde(default)]
    subscription: String,
}

#[derive(Default, Deserialize)]
struct PushMessage {
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    data: String,
    // Google sends both spellings
    #[serde(default, rename = "messageId")]
    id: String,
    #[serde(default)]
    message_id: String,
}

/// The parts of a log entry that are looked at.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LogEntry {
    log_name: String,
    resource: Resource,
    timestamp: String,
    receive_timestamp: String,
    severity: String,
    labels: BTreeMap<String, String>,
    text_payload: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    labels: BTreeMap<String, String>,
}

/// What is passed on of a push.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Labels for the rules, all with two underscores.
    pub known: LabelSet,
    /// The text of the log entry, or all of it.
    pub line: Vec<u8>,
    /// Nanoseconds since 1970; `None` where it was not asked for.
    pub timestamp_ns: Option<i64>,
}

/// Reads a push.
///
/// # Errors
/// See [`PushMessageError`].
pub fn parse(
    body: &[u8],
    use_incoming_timestamp: bool,
    use_full_line: bool,
) -> Result<Entry, PushMessageError> {
    let push: Push = serde_json::from_slice(body)
        .map_err(|error| PushMessageError::Format { line: error.line(), column: error.column() })?;
    let Push { message, subscription } = push;
    let id = if message.id.is_empty() { &message.message_id } else { &message.id };
    for (field, value) in
        [("data", &message.data), ("message ID", id), ("subscription", &subscription)]
    {
        if value.is_empty() {
            return Err(PushMessageError::Missing { field });
        }
    }
    let data = STANDARD.decode(&message.data).map_err(|_| PushMessageError::Base64)?;
    let entry: LogEntry = serde_json::from_slice(&data).map_err(|_| PushMessageError::LogEntry)?;
    if message.attributes.len() + entry.resource.labels.len() + entry.labels.len() > MAX_LABELS {
        return Err(PushMessageError::TooManyLabels);
    }
    let timestamp_ns = if use_incoming_timestamp { Some(timestamp(&entry)?) } else { None };

    let mut known: LabelSet = [
        ("__gcp_message_id", id.as_str()),
        ("__gcp_subscription_name", &subscription),
        ("__gcp_logname", &entry.log_name),
        ("__gcp_resource_type", &entry.resource.kind),
        ("__gcp_severity", &entry.severity),
    ]
    .into_iter()
    .collect();
    for (prefix, labels) in [
        ("__gcp_attributes_", &message.attributes),
        ("__gcp_resource_labels_", &entry.resource.labels),
        ("__gcp_labels_", &entry.labels),
    ] {
        for (name, value) in labels {
            known.set(&label_name(prefix, &snake_case(name)), value);
        }
    }
    let wants_text = !use_full_line && !entry.text_payload.trim().is_empty();
    let line = if wants_text { entry.text_payload.into_bytes() } else { data };
    Ok(Entry { known, line, timestamp_ns })
}

fn timestamp(entry: &LogEntry) -> Result<i64, PushMessageError> {
    let text = if entry.timestamp.is_empty() { &entry.receive_timestamp } else { &entry.timestamp };
    let time: Timestamp = text.parse().map_err(|_| PushMessageError::Timestamp)?;
    i64::try_from(time.as_nanosecond()).map_err(|_| PushMessageError::Timestamp)
}

/// `_` before every capital letter but the first, which all become small, as Promtail does.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, character) in name.chars().enumerate() {
        if character.is_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"insertId": "1", "logName": "projects/p/logs/l", "resource":
        {"type": "gcs_bucket", "labels": {"bucketName": "b", "location": "eu"}},
        "timestamp": "2022-01-27T19:08:06.5Z", "severity": "INFO",
        "labels": {"k8s-pod/app": "web"}, "textPayload": "hello"}"#;

    fn push(data: &str) -> String {
        let data = STANDARD.encode(data);
        serde_json::json!({
            "message": {"attributes": {"logging.googleapis.com/x": "y"}, "data": data,
                "messageId": "7", "message_id": "7", "publishTime": "2022-07-25T22:19:09.903Z"},
            "subscription": "projects/p/subscriptions/s",
        })
        .to_string()
    }

    #[test]
    fn a_log_entry_becomes_labels_and_its_text() {
        let entry = parse(push(LOG).as_bytes(), true, false).unwrap();
        assert_eq!(entry.line, b"hello");
        assert_eq!(entry.timestamp_ns, Some(1_643_310_486_500_000_000));
        let known: Vec<_> = entry.known.iter().collect();
        assert_eq!(
            known,
            [
                ("__gcp_attributes_logging_googleapis_com_x", "y"),
                ("__gcp_labels_k8s_pod_app", "web"),
                ("__gcp_logname", "projects/p/logs/l"),
                ("__gcp_message_id", "7"),
                ("__gcp_resource_labels_bucket_name", "b"),
                ("__gcp_resource_labels_location", "eu"),
                ("__gcp_resource_type", "gcs_bucket"),
                ("__gcp_severity", "INFO"),
                ("__gcp_subscription_name", "projects/p/subscriptions/s"),
            ]
        );
    }

    #[test]
    fn the_line_is_the_whole_entry_when_it_has_no_text_or_that_is_wanted() {
        assert_eq!(parse(push(LOG).as_bytes(), false, true).unwrap().line, LOG.as_bytes());
        let no_text = r#"{"jsonPayload": {"a": 1}, "textPayload": " "}"#;
        let entry = parse(push(no_text).as_bytes(), false, false).unwrap();
        assert_eq!((entry.line, entry.timestamp_ns), (no_text.as_bytes().to_vec(), None));
    }

    #[test]
    fn pushes_that_cannot_be_used_are_refused_with_a_reason() {
        let refused = |body: &str| parse(body.as_bytes(), true, false).unwrap_err();
        let error = refused("{");
        assert_eq!(
            (error.reason(), error),
            ("format", PushMessageError::Format { line: 1, column: 1 })
        );
        assert_eq!(refused("{}").to_string(), "the push message has no data");
        let no_id = r#"{"message": {"data": "eA=="}, "subscription": "s"}"#;
        assert_eq!(refused(no_id), PushMessageError::Missing { field: "message ID" });
        let bad = r#"{"message": {"data": "?", "messageId": "1"}, "subscription": "s"}"#;
        assert_eq!(refused(bad), PushMessageError::Base64);
        assert_eq!(refused(&push("text")).reason(), "translation");
        assert_eq!(refused(&push("{}")), PushMessageError::Timestamp);
        let labels: BTreeMap<_, _> =
            (0..=MAX_LABELS).map(|number| (number.to_string(), "")).collect();
        let many = serde_json::json!({"labels": labels}).to_string();
        assert_eq!(refused(&push(&many)), PushMessageError::TooManyLabels);
        let later = r#"{"receiveTimestamp": "1970-01-01T00:00:01Z"}"#;
        let entry = parse(push(later).as_bytes(), true, false).unwrap();
        assert_eq!(entry.timestamp_ns, Some(1_000_000_000));
    }
}
