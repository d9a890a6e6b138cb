//! `syslog`: messages of syslog senders.

use daemon_runtime::durations::GoDuration;

use crate::config::decode::{Block, Fields};
use crate::config::finding::{FindingName, Findings};
use crate::config::http_client::ClientTls;
use crate::config::label_map::LabelMap;
use crate::config::yaml::{Kind, Node};

/// Keys of `tls_config` that a listener has a use for, be it only to refuse them.
const TLS_KEYS: [&str; 6] = ["cert_file", "key_file", "ca_file", "cert", "key", "ca"];

/// The block `syslog`. Keys are the field names.
#[derive(Debug, Clone, PartialEq)]
pub struct Syslog {
    /// `host:port`. Needed.
    pub listen_address: String,
    /// `tcp` or `udp`. Default `tcp`.
    pub listen_protocol: String,
    /// A TCP connection without a message for so long is closed. Default 2m.
    pub idle_timeout: GoDuration,
    /// Structured data become labels. Default false.
    pub label_structured_data: bool,
    /// Labels of all messages.
    pub labels: LabelMap,
    /// Takes the message's time. Default false: that of its arrival.
    pub use_incoming_timestamp: bool,
    /// The line is the whole message. Default false: its text.
    pub use_rfc5424_message: bool,
    /// `rfc5424` or `rfc3164`. Default `rfc5424`.
    pub syslog_format: String,
    /// Bytes. Default 8192.
    pub max_message_length: i64,
    /// With a certificate the listener speaks TLS; `ca_file` demands certificates of senders.
    pub tls_config: ClientTls,
}

impl Default for Syslog {
    fn default() -> Self {
        Self {
            listen_address: String::new(),
            listen_protocol: "tcp".to_owned(),
            idle_timeout: GoDuration::from_secs(120),
            label_structured_data: false,
            labels: LabelMap::default(),
            use_incoming_timestamp: false,
            use_rfc5424_message: false,
            syslog_format: "rfc5424".to_owned(),
            max_message_length: 8192,
            tls_config: ClientTls::default(),
        }
    }
}

impl Block for Syslog {
    const TYPE: &'static str = "scrapeconfig.SyslogTargetConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("listen_address", &mut self.listen_address);
        fields.field("listen_protocol", &mut self.listen_protocol);
        fields.field("idle_timeout", &mut self.idle_timeout);
        fields.field("label_structured_data", &mut self.label_structured_data);
        fields.field("labels", &mut self.labels);
        fields.field("use_incoming_timestamp", &mut self.use_incoming_timestamp);
        fields.field("use_rfc5424_message", &mut self.use_rfc5424_message);
        fields.field("syslog_format", &mut self.syslog_format);
        fields.field("max_message_length", &mut self.max_message_length);
        fields.field("tls_config", &mut self.tls_config);
    }

    fn complete(&mut self, node: &Node, findings: &mut Findings) {
        let Some(Kind::Mapping(pairs)) = node.get("tls_config").map(|node| &node.kind) else {
            return;
        };
        let is_udp = self.listen_protocol == "udp";
        for (key, value) in pairs {
            let name = key.raw_text().unwrap_or_default();
            if value.is_null() || value.raw_text() == Some("false") {
                continue;
            }
            let why = match name {
                _ if is_udp => "there is no TLS over UDP, messages come unencrypted",
                name if TLS_KEYS.contains(&name) => continue,
                _ => "a listener reads cert_file, key_file and ca_file",
            };
            findings.under_key("tls_config", |findings| {
                let message = format!("{name} has no effect: {why}");
                findings.warn(FindingName::KeyWithoutEffect, key, message);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decode::tests::read;

    #[test]
    fn keys_of_tls_that_a_listener_has_no_use_for_are_named() {
        let warnings = |text: &str| -> Vec<String> {
            let (errors, warnings) = read(&mut Syslog::default(), text);
            assert_eq!(errors, [""; 0]);
            warnings
        };
        let tcp = "listen_address: ':1'\ntls_config:\n  cert_file: c\n  key_file: k\n  \
                   server_name: s\n  insecure_skip_verify: false\n  min_version: TLS12\n";
        let why = "has no effect: a listener reads cert_file, key_file and ca_file";
        assert_eq!(
            warnings(tcp),
            [
                format!("5:3: tls_config: server_name {why}"),
                format!("7:3: tls_config: min_version {why}"),
            ]
        );
        let udp = "listen_protocol: udp\ntls_config: {cert_file: c, key: s3cr3t}";
        let found = warnings(udp);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|line| line.ends_with("messages come unencrypted")), "{found:?}");
        assert!(!found.concat().contains("s3cr3t"));
    }
}
