//! How requests are sent: credentials, TLS, proxy. Used by clients and by Kubernetes discovery.
//!
//! Reading only checks types; which keys exclude each other is checked at start, as Promtail does.

mod credentials;
mod proxy;
mod tls;

use std::collections::BTreeMap;

use daemon_runtime::secret::Secret;

pub use credentials::{Authorization, BasicAuth, OAuth2};
pub use proxy::Proxy;
pub use tls::ClientTls;

use super::decode::{Block, Fields};

/// Names in `http_headers` that Prometheus' client refuses.
const RESERVED_HEADERS: [&str; 18] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "user-agent",
    "www-authenticate",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-prometheus-remote-read-version",
    "x-prometheus-remote-write-version",
    "x-prometheus-scrape-timeout-seconds",
];

/// The keys of Prometheus' HTTP client. Keys are the field names unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpClient {
    /// User and password.
    pub basic_auth: Option<BasicAuth>,
    /// Any other `Authorization` header.
    pub authorization: Option<Authorization>,
    /// A token fetched with client credentials.
    pub oauth2: Option<OAuth2>,
    /// Older way to write `authorization.credentials`.
    pub bearer_token: Secret<String>,
    /// Older way to write `authorization.credentials_file`.
    pub bearer_token_file: String,
    /// TLS towards the server.
    pub tls_config: ClientTls,
    /// Keys about proxies.
    pub proxy: Proxy,
    /// Default true; false for the client of the command line.
    pub follow_redirects: bool,
    /// Accepted without effect: Promtail turns HTTP/2 off in any case. Default true.
    pub enable_http2: bool,
    /// Headers with several values or values from files.
    pub http_headers: BTreeMap<String, HttpHeader>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            bearer_token: Secret::default(),
            bearer_token_file: String::new(),
            tls_config: ClientTls::default(),
            proxy: Proxy::default(),
            follow_redirects: true,
            enable_http2: true,
            http_headers: BTreeMap::new(),
        }
    }
}

impl HttpClient {
    /// The keys stand beside those of the block that has them.
    pub(super) fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("basic_auth", &mut self.basic_auth);
        fields.field("authorization", &mut self.authorization);
        fields.field("oauth2", &mut self.oauth2);
        fields.field("bearer_token", &mut self.bearer_token);
        fields.field("bearer_token_file", &mut self.bearer_token_file);
        fields.field("tls_config", &mut self.tls_config);
        self.proxy.fields(fields);
        fields.field("follow_redirects", &mut self.follow_redirects);
        fields.field("enable_http2", &mut self.enable_http2);
        fields.field("http_headers", &mut self.http_headers);
    }

    /// What a start refuses, each with the path of its keys from here.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let bearer = !self.bearer_token.expose().is_empty();
        let bearer_file = !self.bearer_token_file.is_empty();
        let ways = [
            ("basic_auth", self.basic_auth.is_some()),
            ("authorization", self.authorization.is_some()),
            ("oauth2", self.oauth2.is_some()),
            ("bearer_token", bearer),
            ("bearer_token_file", bearer_file),
        ];
        at_most_one(&ways, &mut problems);
        if let Some(basic_auth) = &self.basic_auth {
            basic_auth.problems(&mut problems);
        }
        if let Some(authorization) = &self.authorization {
            authorization.problems(&mut problems);
        }
        if let Some(oauth2) = &self.oauth2 {
            oauth2.problems(&mut problems);
        }
        self.tls_config.problems(&mut problems);
        self.proxy.problems(&mut problems);
        for header in self.http_headers.keys() {
            if RESERVED_HEADERS.contains(&header.to_lowercase().as_str()) {
                problems.push(format!(
                    "http_headers.{header} cannot be set: a request sets this header itself"
                ));
            }
        }
        problems
    }
}

/// Adds a problem where more than one of the keys is set.
fn at_most_one(keys: &[(&str, bool)], problems: &mut Vec<String>) {
    let set: Vec<&str> = keys.iter().filter(|(_, is_set)| *is_set).map(|(key, _)| *key).collect();
    if set.len() > 1 {
        let all: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
        problems.push(format!(
            "{} exclude each other: at most one of {} may be set",
            set.join(" and "),
            all.join(", ")
        ));
    }
}

/// `http_headers.NAME`: all values are sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HttpHeader {
    /// Values that may be printed.
    pub values: Vec<String>,
    /// Values that may not.
    pub secrets: Vec<Secret<String>>,
    /// Paths of files that hold values.
    pub files: Vec<String>,
}

impl Block for HttpHeader {
    const TYPE: &'static str = "config.Header";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("values", &mut self.values);
        fields.field("secrets", &mut self.secrets);
        fields.field("files", &mut self.files);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::clients::Client;
    use crate::config::decode::Value as _;
    use crate::config::decode::tests::read;
    use crate::config::yaml::{Node, to_text};

    fn problems(text: &str) -> Vec<String> {
        let mut client = Client::default();
        assert_eq!(read(&mut client, text), (vec![], vec![]), "{text}");
        client.http.problems()
    }

    #[test]
    fn keys_that_exclude_each_other_are_refused_at_start_with_their_names() {
        for (text, problem) in [
            (
                "{bearer_token: a, basic_auth: {username: u}}",
                "basic_auth and bearer_token exclude each other: at most one of basic_auth, \
                 authorization, oauth2, bearer_token, bearer_token_file may be set",
            ),
            (
                "{basic_auth: {username: u, password: p, password_file: f}}",
                "basic_auth.password and basic_auth.password_file exclude each other: at most one \
                 of basic_auth.password, basic_auth.password_file may be set",
            ),
            (
                "{authorization: {type: Basic, credentials: x}}",
                "authorization.type cannot be Basic: use basic_auth",
            ),
            ("{oauth2: {client_id: i}}", "oauth2.token_url must be set"),
            ("{oauth2: {token_url: 'http://x'}}", "oauth2.client_id must be set"),
            (
                "{tls_config: {ca: x, ca_file: y}}",
                "tls_config.ca and tls_config.ca_file exclude each other: at most one of \
                 tls_config.ca, tls_config.ca_file may be set",
            ),
            (
                "{tls_config: {cert_file: x}}",
                "tls_config: a certificate needs its key, and a key its certificate",
            ),
            (
                "{tls_config: {min_version: TLS9}}",
                "tls_config.min_version TLS9 is unknown: accepted are TLS10, TLS11, TLS12 and TLS13",
            ),
            ("{no_proxy: x}", "no_proxy needs proxy_url"),
            (
                "{oauth2: {client_id: i, token_url: 'http://x', tls_config: {key_file: x}}}",
                "oauth2.tls_config: a certificate needs its key, and a key its certificate",
            ),
            (
                "{http_headers: {Host: {values: [x]}}}",
                "http_headers.Host cannot be set: a request sets this header itself",
            ),
            (
                "{proxy_from_environment: true, proxy_url: 'http://x'}",
                "proxy_from_environment excludes proxy_url and no_proxy",
            ),
        ] {
            assert_eq!(problems(text), [problem], "{text}");
        }
        assert!(problems("{basic_auth: {username: u, password_file: f}}").is_empty());
    }

    #[test]
    fn secrets_are_masked_wherever_they_are_printed() {
        let mut client = Client::default();
        let text = "{bearer_token: s3cr3t, basic_auth: {password: s3cr3t}, authorization: \
                    {credentials: s3cr3t}, oauth2: {client_secret: s3cr3t, endpoint_params: {p: \
                    s3cr3t}}, tls_config: {key: s3cr3t}, http_headers: {X: {secrets: [s3cr3t]}}, \
                    proxy_url: 'http://u:s3cr3t@proxy', proxy_connect_header: {X: [s3cr3t]}}";
        assert_eq!(read(&mut client, text), (vec![], vec![]));
        let printed = format!("{client:?}{}", to_text(&Node::new(client.write())));
        assert!(!printed.contains("s3cr3t"), "{printed}");
        assert!(printed.contains("bearer_token: <secret>") || printed.contains("'<secret>'"));
    }
}
