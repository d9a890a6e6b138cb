//! `docker_sd_configs`: logs of a Docker engine's containers.

use daemon_runtime::durations::GoDuration;

use crate::config::decode::{Block, Fields};
use crate::config::http_client::HttpClient;

/// An item of `docker_sd_configs`. Keys are the field names.
#[derive(Debug, Clone, PartialEq)]
pub struct DockerSd {
    /// The engine: `unix:///var/run/docker.sock`, `tcp://...`, `http://...`, `https://...`. Needed.
    pub host: String,
    /// Port of targets without one; without meaning for logs. Default 80.
    pub port: i64,
    /// Which containers, as the engine filters them.
    pub filters: Vec<DockerFilter>,
    /// Address of targets in the host's network. Default `localhost`.
    pub host_networking_host: String,
    /// Time between two looks. Default 60s.
    pub refresh_interval: GoDuration,
    /// A container in several networks gives one target. Default true.
    pub match_first_network: bool,
    /// Credentials, TLS and proxy; only for `http` and `https`.
    pub http: HttpClient,
}

impl Default for DockerSd {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 80,
            filters: Vec::new(),
            host_networking_host: "localhost".to_owned(),
            refresh_interval: GoDuration::from_secs(60),
            match_first_network: true,
            http: HttpClient::default(),
        }
    }
}

impl Block for DockerSd {
    const TYPE: &'static str = "moby.plain";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        self.http.fields(fields);
        fields.field("host", &mut self.host);
        fields.field("port", &mut self.port);
        fields.field("filters", &mut self.filters);
        fields.field("host_networking_host", &mut self.host_networking_host);
        fields.field("refresh_interval", &mut self.refresh_interval);
        fields.field("match_first_network", &mut self.match_first_network);
    }
}

/// An item of `filters`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DockerFilter {
    /// Such as `name` or `label`.
    pub name: String,
    /// Any of them.
    pub values: Vec<String>,
}

impl Block for DockerFilter {
    const TYPE: &'static str = "moby.Filter";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("name", &mut self.name);
        fields.field("values", &mut self.values);
    }
}
