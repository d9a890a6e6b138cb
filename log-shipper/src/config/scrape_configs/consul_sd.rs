//! `consul_sd_configs` and `consulagent_sd_configs`: services of a Consul cluster, or of one agent.

use std::collections::BTreeMap;

use daemon_runtime::durations::PrometheusDuration;
use daemon_runtime::secret::Secret;
use url::Url;

use crate::config::decode::{Block, Fields};
use crate::config::finding::Findings;
use crate::config::http_client::{BasicAuth, ClientTls, HttpClient};
use crate::config::yaml::Node;

/// What both blocks have: which agent is asked, and for what.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsulServer {
    /// `HOST:PORT`, also with `http://` or `https://` before it. Default `localhost:8500`.
    pub server: String,
    /// An ACL token, sent as `X-Consul-Token`. Default empty.
    pub token: Secret<String>,
    /// Default empty: that of the agent.
    pub datacenter: String,
    /// Stands between, before and behind the tags in their label. Default `,`.
    pub tag_separator: String,
    /// `http` or `https`. Default `http`.
    pub scheme: String,
    /// For basic authentication. Default empty.
    pub username: String,
    /// For basic authentication.
    pub password: Secret<String>,
    /// Whether any server may answer, not only the leader. Default true.
    pub allow_stale: bool,
    /// Least time between two queries for the same thing. Default 30 s.
    pub refresh_interval: PrometheusDuration,
    /// Names of services. Default: all.
    pub services: Vec<String>,
    /// Tags that a service must have, all of them. Default none.
    pub tags: Vec<String>,
    /// Metadata that the node must have. Default none.
    pub node_meta: BTreeMap<String, String>,
}

impl Default for ConsulServer {
    fn default() -> Self {
        Self {
            server: "localhost:8500".to_owned(),
            token: Secret::default(),
            datacenter: String::new(),
            tag_separator: ",".to_owned(),
            scheme: "http".to_owned(),
            username: String::new(),
            password: Secret::default(),
            allow_stale: true,
            refresh_interval: PrometheusDuration::from_millis(30_000),
            services: Vec::new(),
            tags: Vec::new(),
            node_meta: BTreeMap::new(),
        }
    }
}

impl ConsulServer {
    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("server", &mut self.server);
        fields.field("token", &mut self.token);
        fields.field("datacenter", &mut self.datacenter);
        fields.field("tag_separator", &mut self.tag_separator);
        fields.field("scheme", &mut self.scheme);
        fields.field("username", &mut self.username);
        fields.field("password", &mut self.password);
        fields.field("allow_stale", &mut self.allow_stale);
        fields.field("refresh_interval", &mut self.refresh_interval);
        fields.field("services", &mut self.services);
        fields.field("tags", &mut self.tags);
        fields.field("node_meta", &mut self.node_meta);
    }

    /// Where the API is; ends with a slash.
    ///
    /// # Errors
    /// What is wrong, and what is accepted; without the text, which may hold a password.
    pub fn url(&self, path_prefix: &str) -> Result<Url, String> {
        const ACCEPTED: &str = "HOST:PORT is accepted, with scheme http or https";
        let server = self.server.trim();
        if server.is_empty() {
            return Err(format!("server is empty: {ACCEPTED}"));
        }
        let (scheme, server) = match server.split_once("://") {
            // as Consul's client has it, http here does not take back an https in `scheme`
            Some(("http", rest)) => (self.scheme.as_str(), rest),
            Some(("https", rest)) => ("https", rest),
            Some((other, _)) => {
                return Err(format!("server has the scheme {other:?}: {ACCEPTED}"));
            }
            None => (self.scheme.as_str(), server),
        };
        if !matches!(scheme, "http" | "https") {
            return Err(format!("scheme {scheme:?} is unknown: http and https are accepted"));
        }
        let (server, prefix) = (server.trim_end_matches('/'), path_prefix.trim_matches('/'));
        let slash = if prefix.is_empty() { "" } else { "/" };
        let url = Url::parse(&format!("{scheme}://{server}{slash}{prefix}/"))
            .map_err(|cause| format!("server is no address ({cause}): {ACCEPTED}"))?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(format!("server is more than an address: {ACCEPTED}"));
        }
        Ok(url)
    }

    fn basic_auth(&self) -> Option<BasicAuth> {
        let is_set = !self.username.is_empty() || !self.password.expose().is_empty();
        is_set.then(|| BasicAuth {
            username: self.username.clone(),
            password: self.password.clone(),
            ..BasicAuth::default()
        })
    }
}

/// An item of `consul_sd_configs`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConsulSd {
    /// Keys that stand beside the others.
    pub server: ConsulServer,
    /// Before the path of each request. Default empty.
    pub path_prefix: String,
    /// Consul Enterprise. Default empty: that of the token.
    pub namespace: String,
    /// Consul Enterprise. Default empty: that of the agent.
    pub partition: String,
    /// An expression that a service must satisfy, in the language of Consul's catalog.
    pub filter: String,
    /// An expression that an instance must satisfy, in the language of Consul's health endpoint.
    pub health_filter: String,
    /// Credentials, TLS and proxy.
    pub http: HttpClient,
}

impl ConsulSd {
    /// How requests are sent: `username` and `password` are another way to write `basic_auth`.
    pub fn effective_http(&self) -> HttpClient {
        let mut http = self.http.clone();
        http.basic_auth = http.basic_auth.or_else(|| self.server.basic_auth());
        http
    }
}

impl Block for ConsulSd {
    const TYPE: &'static str = "consul.plain";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        self.server.fields(fields);
        fields.field("path_prefix", &mut self.path_prefix);
        fields.field("namespace", &mut self.namespace);
        fields.field("partition", &mut self.partition);
        fields.field("filter", &mut self.filter);
        fields.field("health_filter", &mut self.health_filter);
        self.http.fields(fields);
    }

    fn complete(&mut self, node: &Node, findings: &mut Findings) {
        if let Err(problem) = self.server.url(&self.path_prefix) {
            findings.error(node.get("server").unwrap_or(node), problem);
        }
        let has_basic_auth = self.server.basic_auth().is_some();
        if has_basic_auth && self.http.basic_auth.is_some() {
            findings.error(
                node,
                "at most one of username with password, and basic_auth, can be configured",
            );
        }
        let has_token = !self.server.token.expose().is_empty();
        if has_token && (self.http.authorization.is_some() || self.http.oauth2.is_some()) {
            findings
                .error(node, "at most one of token, authorization and oauth2 can be configured");
        }
        for problem in self.effective_http().problems() {
            findings.error(node, problem);
        }
    }
}

/// An item of `consulagent_sd_configs`, Promtail's own discovery.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConsulAgentSd {
    /// Keys that stand beside `tls_config`; `allow_stale` and `node_meta` have no effect on an agent.
    pub server: ConsulServer,
    /// TLS towards the agent.
    pub tls_config: ClientTls,
}

impl ConsulAgentSd {
    /// How requests are sent.
    pub fn effective_http(&self) -> HttpClient {
        HttpClient {
            basic_auth: self.server.basic_auth(),
            tls_config: self.tls_config.clone(),
            ..HttpClient::default()
        }
    }
}

impl Block for ConsulAgentSd {
    const TYPE: &'static str = "consulagent.plain";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        self.server.fields(fields);
        fields.field("tls_config", &mut self.tls_config);
    }

    fn complete(&mut self, node: &Node, findings: &mut Findings) {
        if let Err(problem) = self.server.url("") {
            findings.error(node.get("server").unwrap_or(node), problem);
        }
        for problem in self.effective_http().problems() {
            findings.error(node, problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decode::tests::read;

    fn errors(text: &str) -> Vec<String> {
        read(&mut ConsulSd::default(), text).0
    }

    #[test]
    fn defaults_are_those_of_prometheus() {
        let mut config = ConsulSd::default();
        assert_eq!(read(&mut config, "services: [a]\n"), (vec![], vec![]));
        assert_eq!(config.server.url("").unwrap().as_str(), "http://localhost:8500/");
        assert_eq!(config.server.refresh_interval.to_string(), "30s");
        assert!(config.server.allow_stale);
        assert_eq!(config.effective_http(), HttpClient::default());
    }

    #[test]
    fn an_address_may_have_a_scheme_and_a_prefix() {
        for (text, prefix, url) in [
            ("{server: 'c:1', scheme: https}", "", "https://c:1/"),
            ("{server: 'https://c:1/'}", "/consul/", "https://c:1/consul/"),
            ("{server: 'http://c:1', scheme: https}", "a/b", "https://c:1/a/b/"),
            ("{server: '[::1]:8500'}", "", "http://[::1]:8500/"),
        ] {
            let mut config = ConsulSd::default();
            assert_eq!(read(&mut config, text), (vec![], vec![]), "{text}");
            assert_eq!(config.server.url(prefix).unwrap().as_str(), url);
        }
    }

    #[test]
    fn what_cannot_work_is_refused_without_showing_a_secret() {
        for (text, expected) in [
            ("server: ' '", "server is empty: HOST:PORT is accepted"),
            ("server: 'unix:///run/consul'", "server has the scheme \"unix\""),
            ("scheme: ftp", "scheme \"ftp\" is unknown: http and https"),
            ("server: 'me:hunter2@c:1'", "server is more than an address"),
            ("{username: a, basic_auth: {username: b}}", "at most one of username with password"),
            (
                "{token: hunter2, oauth2: {client_id: a, token_url: 'http://t'}}",
                "at most one of token,",
            ),
            ("tokn: a", "field tokn not found in type consul.plain; did you mean token?"),
        ] {
            let found = errors(text);
            assert!(found.iter().any(|error| error.contains(expected)), "{text}: {found:?}");
            assert!(!found.concat().contains("hunter2"), "{found:?}");
        }
    }

    #[test]
    fn an_agent_takes_credentials_and_tls_only() {
        let mut config = ConsulAgentSd::default();
        let text =
            "{server: 'a:1', username: u, password: p, tls_config: {insecure_skip_verify: true}}";
        assert_eq!(read(&mut config, text), (vec![], vec![]));
        let http = config.effective_http();
        assert_eq!(http.basic_auth.unwrap().username, "u");
        assert!(http.tls_config.insecure_skip_verify);
        let refused = read(&mut config, "path_prefix: /x").0;
        assert!(refused[0].contains("field path_prefix not found"), "{refused:?}");
    }
}
