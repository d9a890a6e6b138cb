//! TLS towards a server.

use daemon_runtime::secret::Secret;

use super::at_most_one;
use crate::config::decode::{Block, Fields};

/// `tls_config` of a client. Files are read again when they change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClientTls {
    /// Certificate authority in PEM; excludes `ca_file`.
    pub ca: String,
    /// Our certificate in PEM; excludes `cert_file`.
    pub cert: String,
    /// Our key in PEM; excludes `key_file`.
    pub key: Secret<String>,
    /// Path of the certificate authority. Default empty: that of the system.
    pub ca_file: String,
    /// Path of our certificate.
    pub cert_file: String,
    /// Path of our key.
    pub key_file: String,
    /// Name that the server's certificate must have. Default empty: the URL's host.
    pub server_name: String,
    /// Takes any certificate. Default false.
    pub insecure_skip_verify: bool,
    /// `TLS10` to `TLS13`. Default empty: the TLS library's choice.
    pub min_version: String,
    /// `TLS10` to `TLS13`. Default empty: the TLS library's choice.
    pub max_version: String,
}

impl ClientTls {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        let key = !self.key.expose().is_empty();
        for (inline, is_inline, file, is_file) in [
            ("tls_config.ca", !self.ca.is_empty(), "tls_config.ca_file", !self.ca_file.is_empty()),
            (
                "tls_config.cert",
                !self.cert.is_empty(),
                "tls_config.cert_file",
                !self.cert_file.is_empty(),
            ),
            ("tls_config.key", key, "tls_config.key_file", !self.key_file.is_empty()),
        ] {
            at_most_one(&[(inline, is_inline), (file, is_file)], problems);
        }
        let has_certificate = !self.cert.is_empty() || !self.cert_file.is_empty();
        if has_certificate != (key || !self.key_file.is_empty()) {
            problems.push(
                "tls_config: a certificate needs its key, and a key its certificate".to_owned(),
            );
        }
        for (name, version) in
            [("min_version", &self.min_version), ("max_version", &self.max_version)]
        {
            if !matches!(version.as_str(), "" | "TLS10" | "TLS11" | "TLS12" | "TLS13") {
                problems.push(format!(
                    "tls_config.{name} {version} is unknown: accepted are TLS10, TLS11, TLS12 and \
                     TLS13"
                ));
            }
        }
    }
}

impl Block for ClientTls {
    const TYPE: &'static str = "config.TLSConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("ca", &mut self.ca);
        fields.field("cert", &mut self.cert);
        fields.field("key", &mut self.key);
        fields.field("ca_file", &mut self.ca_file);
        fields.field("cert_file", &mut self.cert_file);
        fields.field("key_file", &mut self.key_file);
        fields.field("server_name", &mut self.server_name);
        fields.field("insecure_skip_verify", &mut self.insecure_skip_verify);
        fields.field("min_version", &mut self.min_version);
        fields.field("max_version", &mut self.max_version);
    }
}
