//! From a message to its labels, its line and its time.
//!
//! What a sender writes becomes hidden labels only: relabelling decides what is kept of it.

use std::sync::Arc;

use jiff::Timestamp;
use prometheus_model::label_set::LabelSet;

use super::priority::Priority;
use super::rfc3164::{self, Rfc3164Error};
use super::rfc5424::{self, Rfc5424Error};

/// The format that senders use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With a version, structured data and a full time.
    Rfc5424,
    /// The older one.
    Rfc3164,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub enum DecodeError {
    /// As RFC 5424.
    Rfc5424(#[from] Rfc5424Error),
    /// As RFC 3164.
    Rfc3164(#[from] Rfc3164Error),
}

/// What is the same for all messages of a source.
#[derive(Debug)]
pub struct Decoder {
    /// How messages are read.
    pub format: Format,
    /// Labels of all of them.
    pub labels: LabelSet,
    /// Whether structured data become labels.
    pub label_structured_data: bool,
    /// Whether the line is the whole message; without effect on RFC 3164.
    pub whole_message: bool,
    /// Whether the message's own time is taken.
    pub incoming_time: bool,
}

/// Where a message came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Its address.
    pub address: Arc<str>,
    /// Its name; empty when there is none.
    pub name: Arc<str>,
}

/// A message before relabelling.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Of the source, the sender and the message.
    pub labels: LabelSet,
    /// Any bytes.
    pub line: Vec<u8>,
    /// Nanoseconds since 1970, UTC; `None` for now.
    pub timestamp_ns: Option<i64>,
}

impl Decoder {
    /// Reads a message; `None` when it has no text.
    ///
    /// # Errors
    /// It is not of the format.
    pub fn decode(
        &self,
        message: &[u8],
        sender: &Sender,
        now: Timestamp,
    ) -> Result<Option<Decoded>, DecodeError> {
        match self.format {
            Format::Rfc5424 => self.rfc5424(message, sender),
            Format::Rfc3164 => self.rfc3164(message, sender, now),
        }
    }

    fn rfc5424(&self, bytes: &[u8], sender: &Sender) -> Result<Option<Decoded>, DecodeError> {
        let message = rfc5424::parse(bytes)?;
        if message.text.is_empty() {
            return Ok(None);
        }
        let mut labels = self.labels(sender, message.priority);
        set(&mut labels, "__syslog_message_hostname", message.host);
        set(&mut labels, "__syslog_message_app_name", message.app);
        set(&mut labels, "__syslog_message_proc_id", message.process);
        set(&mut labels, "__syslog_message_msg_id", message.id);
        if self.label_structured_data {
            for (id, parameters) in &message.data {
                let id = id.replace('@', "_");
                for (name, value) in parameters {
                    labels.set(&format!("__syslog_message_sd_{id}_{name}"), value);
                }
            }
        }
        let line = if self.whole_message { message.write() } else { message.text.to_vec() };
        let time = message.time.map(|time| time.ns);
        Ok(Some(Decoded { labels, line, timestamp_ns: time.filter(|_| self.incoming_time) }))
    }

    fn rfc3164(
        &self,
        bytes: &[u8],
        sender: &Sender,
        now: Timestamp,
    ) -> Result<Option<Decoded>, DecodeError> {
        let message = rfc3164::parse(bytes, now)?;
        if message.text.is_empty() {
            return Ok(None);
        }
        let mut labels = self.labels(sender, message.priority);
        set(&mut labels, "__syslog_message_hostname", message.host);
        set(&mut labels, "__syslog_message_app_name", message.app);
        set(&mut labels, "__syslog_message_proc_id", message.process);
        let timestamp_ns = message.timestamp_ns.filter(|_| self.incoming_time);
        Ok(Some(Decoded { labels, line: message.text.to_vec(), timestamp_ns }))
    }

    fn labels(&self, sender: &Sender, priority: Priority) -> LabelSet {
        let mut labels = self.labels.clone();
        labels.set("__syslog_connection_ip_address", &sender.address);
        set(&mut labels, "__syslog_connection_hostname", Some(&sender.name));
        labels.set("__syslog_message_severity", priority.severity());
        labels.set("__syslog_message_facility", priority.facility());
        labels
    }
}

/// Empty and absent are the same.
fn set(labels: &mut LabelSet, name: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        labels.set(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoder(format: Format) -> Decoder {
        Decoder {
            format,
            labels: [("job", "syslog")].into_iter().collect(),
            label_structured_data: true,
            whole_message: false,
            incoming_time: true,
        }
    }

    fn decode(decoder: &Decoder, message: &str) -> Result<Option<Decoded>, DecodeError> {
        let sender = Sender { address: "10.0.0.1".into(), name: "router.example.".into() };
        decoder.decode(message.as_bytes(), &sender, "2026-11-24T12:00:00Z".parse().unwrap())
    }

    const EXAMPLE: &str = "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 \
                           [exampleSDID@32473 iut=\"3\" eventID=\"1011\"] An application event";

    #[test]
    fn a_message_has_labels_of_its_source_its_sender_and_its_own() {
        let decoded = decode(&decoder(Format::Rfc5424), EXAMPLE).unwrap().unwrap();
        let expected: LabelSet = [
            ("job", "syslog"),
            ("__syslog_connection_ip_address", "10.0.0.1"),
            ("__syslog_connection_hostname", "router.example."),
            ("__syslog_message_severity", "notice"),
            ("__syslog_message_facility", "local4"),
            ("__syslog_message_hostname", "mymachine.example.com"),
            ("__syslog_message_app_name", "evntslog"),
            ("__syslog_message_msg_id", "ID47"),
            ("__syslog_message_sd_exampleSDID_32473_iut", "3"),
            ("__syslog_message_sd_exampleSDID_32473_eventID", "1011"),
        ]
        .into_iter()
        .collect();
        assert_eq!(decoded.labels, expected);
        assert_eq!(decoded.line, b"An application event");
        assert_eq!(decoded.timestamp_ns, Some(1_065_910_455_003_000_000));
    }

    #[test]
    fn what_is_not_asked_for_is_left_out() {
        let mut decoder = decoder(Format::Rfc5424);
        decoder.label_structured_data = false;
        decoder.incoming_time = false;
        decoder.whole_message = true;
        let decoded = decode(&decoder, EXAMPLE).unwrap().unwrap();
        assert!(!decoded.labels.iter().any(|(name, _)| name.contains("_sd_")));
        assert_eq!(decoded.timestamp_ns, None);
        let line = String::from_utf8(decoded.line).unwrap();
        assert_eq!(
            line,
            EXAMPLE.replace("iut=\"3\" eventID=\"1011\"", "eventID=\"1011\" iut=\"3\"")
        );
    }

    #[test]
    fn the_older_format_has_the_same_labels() {
        let message = "<34>Oct 11 22:14:15 mymachine su[7]: 'su root' failed";
        let decoded = decode(&decoder(Format::Rfc3164), message).unwrap().unwrap();
        assert_eq!(decoded.labels.get("__syslog_message_severity"), Some("critical"));
        assert_eq!(decoded.labels.get("__syslog_message_facility"), Some("auth"));
        assert_eq!(decoded.labels.get("__syslog_message_hostname"), Some("mymachine"));
        assert_eq!(decoded.labels.get("__syslog_message_app_name"), Some("su"));
        assert_eq!(decoded.labels.get("__syslog_message_proc_id"), Some("7"));
        assert_eq!(decoded.line, b"'su root' failed");
        assert_eq!(decoded.timestamp_ns, Some(1_791_756_855_000_000_000));
    }

    #[test]
    fn a_message_without_text_is_none_and_a_malformed_one_an_error() {
        for message in ["<34>1 - - - - - -", "<34>1 - - - - - - "] {
            assert_eq!(decode(&decoder(Format::Rfc5424), message), Ok(None));
        }
        assert_eq!(decode(&decoder(Format::Rfc3164), "<34>Oct 11 22:14:15 h su: "), Ok(None));
        assert!(decode(&decoder(Format::Rfc5424), "<34>Oct 11 22:14:15 h su: x").is_err());
        assert!(decode(&decoder(Format::Rfc3164), "su: x").is_err());
    }
}
