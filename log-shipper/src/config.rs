//! `promtail.yaml`, read strictly.
//!
//! The file is read into a tree that knows where each value stands, and decoded from there: an
//! error names file, line and column, and all errors of a file are reported together. What
//! `-check-syntax` refuses is refused by [`load`]; what only a start refuses, by
//! [`Config::validate_for_start`].

pub mod clients;
mod decode;
pub mod expand_env;
mod finding;
pub mod global;
pub mod http_client;
pub mod http_url;
pub mod label_map;
pub mod limits;
mod load;
pub mod options;
pub mod positions;
pub mod scrape_configs;
pub mod server;
pub mod target_config;
pub mod tracing;
pub mod wal;
pub mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use finding::{Category, Finding, FindingName};
pub use load::{ConfigError, Loaded, MAX_FILE_BYTES, load, load_with_tree, parse};

pub(crate) use decode::describe;

use clients::Client;
use decode::{Block, Fields, Value as _};
use finding::Findings;
use global::Global;
use limits::Limits;
use options::Options;
use positions::Positions;
use scrape_configs::ScrapeConfig;
use server::Server;
use target_config::TargetConfig;
use tracing::Tracing;
use wal::Wal;
use yaml::{Kind, Node};

/// A whole configuration. Keys are the field names.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Polling of files.
    pub global: Global,
    /// The HTTP server and the log.
    pub server: Server,
    /// One more client: that of the older block `client` and of the command line.
    pub(crate) client: Client,
    /// The clients of the list; what is pushed to is [`Config::effective_clients`].
    pub(crate) clients: Vec<Client>,
    /// Where positions are kept.
    pub positions: Positions,
    /// The jobs.
    pub scrape_configs: Vec<ScrapeConfig>,
    /// Search for files, standard input.
    pub target_config: TargetConfig,
    /// Limits of the process.
    pub limits_config: Limits,
    /// Nothing any more.
    pub options: Options,
    /// Promtail's own traces.
    pub tracing: Tracing,
    /// Promtail's write-ahead log.
    pub wal: Wal,
    warnings: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            global: Global::default(),
            server: Server::default(),
            client: Client::of_command_line(),
            clients: Vec::new(),
            positions: Positions::default(),
            scrape_configs: Vec::new(),
            target_config: TargetConfig::default(),
            limits_config: Limits::default(),
            options: Options::default(),
            tracing: Tracing::default(),
            wal: Wal::default(),
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// What is accepted but hardly meant, each with file, line and column.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The clients to push to: those of the list, and last the one of the command line, if it has a
    /// URL. Its labels are added to those of every client.
    pub fn effective_clients(&self) -> Vec<Client> {
        let own = Some(&self.client).filter(|client| client.url.get().is_some());
        let mut clients: Vec<Client> = self.clients.iter().chain(own).cloned().collect();
        for client in &mut clients {
            client.external_labels.fill_from(&self.client.external_labels);
        }
        clients
    }

    /// Checks what Promtail checks only when it starts: clients and sources. Stages are built, and
    /// thereby checked, by the pipeline.
    ///
    /// # Errors
    /// Everything that stands in the way of a start.
    pub fn validate_for_start(&self) -> Result<(), StartError> {
        let mut problems = Vec::new();
        let clients = self.effective_clients();
        if clients.is_empty() {
            problems.push(
                "failed to create client manager: at least one client config must be provided (key \
                 clients, or flag -client.url)"
                    .to_owned(),
            );
        }
        let mut names = BTreeSet::new();
        for (index, client) in clients.iter().enumerate() {
            let name = client.effective_name();
            problems.extend(
                client.problems().iter().map(|problem| format!("client {}: {problem}", index + 1)),
            );
            if !names.insert(name.clone()) {
                problems.push(format!(
                    "duplicate client configs are not allowed, found duplicate for name: {name}"
                ));
            }
        }
        if !self.target_config.stdin {
            problems.extend(self.scrape_configs.iter().flat_map(ScrapeConfig::problems));
        }
        problems.extend(self.global.file_watch_config.problem());
        problems.extend(self.wal.problem());
        if problems.is_empty() { Ok(()) } else { Err(StartError { problems }) }
    }

    /// The configuration in effect, as YAML, with every default and without secrets.
    pub fn to_yaml(&self) -> String {
        let mut config = self.clone();
        yaml::to_text(&Node::new(config.write()))
    }

    fn check_job_names(&self, node: &Node, findings: &mut Findings) {
        let Some(Kind::Sequence(items)) = node.get("scrape_configs").map(|node| &node.kind) else {
            return;
        };
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, (job, item)) in self.scrape_configs.iter().zip(items).enumerate() {
            let at = item.get("job_name").unwrap_or(item);
            findings.under_key("scrape_configs", |findings| {
                findings.under_index(index, |findings| {
                    if job.job_name.is_empty() {
                        findings.error(at, "job_name is empty: every job needs a name of its own");
                    } else if let Some(line) = seen.insert(&job.job_name, at.line) {
                        findings.error(
                            at,
                            format!(
                                "found multiple scrape configs with job name {:?}, the first on line \
                                 {line}: names must be unique since Promtail 3.3",
                                job.job_name
                            ),
                        );
                    }
                });
            });
        }
    }
}

impl Block for Config {
    const TYPE: &'static str = "config.Config";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("global", &mut self.global);
        fields.field("server", &mut self.server);
        if fields.are_read() || self.client != Client::of_command_line() {
            fields.field("client", &mut self.client);
        }
        fields.field("clients", &mut self.clients);
        fields.field("positions", &mut self.positions);
        fields.field("scrape_configs", &mut self.scrape_configs);
        fields.field("target_config", &mut self.target_config);
        fields.field("limits_config", &mut self.limits_config);
        fields.field("options", &mut self.options);
        fields.field("tracing", &mut self.tracing);
        fields.field("wal", &mut self.wal);
    }

    fn complete(&mut self, node: &Node, findings: &mut Findings) {
        self.check_job_names(node, findings);
    }
}

/// Why a configuration that is well-formed cannot be started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError {
    problems: Vec<String>,
}

impl StartError {
    /// Each reason, as a sentence.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for StartError {}

#[cfg(test)]
mod tests;
