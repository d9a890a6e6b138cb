//! `scrape_configs`: what is read, with which labels, and through which pipeline.
//!
//! The stages are kept as they stand: the pipeline decodes them.

mod consul_sd;
mod docker_sd;
mod file_sd;
mod gcplog;
mod gelf;
mod heroku_drain;
mod journal;
mod kubernetes_sd;
mod push_api;
mod relabel;
mod sources;
mod syslog;

use daemon_runtime::durations::GoDuration;
use encoding_rs::Encoding;
use prometheus_model::relabel::{RelabelConfig, RelabelError, RelabelRule};

pub use consul_sd::{ConsulAgentSd, ConsulSd, ConsulServer};
pub use docker_sd::{DockerFilter, DockerSd};
pub use file_sd::FileSd;
pub use gcplog::GcpLog;
pub use gelf::Gelf;
pub use heroku_drain::HerokuDrain;
pub use journal::Journal;
pub use kubernetes_sd::{AttachMetadata, KubernetesRole, KubernetesSd, Namespaces, Selector};
pub use push_api::PushApi;
pub use sources::{LineSource, Source, UnbuiltSource};
pub use syslog::Syslog;

use super::decode::{Block, Fields};
use super::finding::Findings;
use super::label_map::LabelMap;
use super::yaml::Node;

/// An item of `scrape_configs`, a job. Keys are the field names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScrapeConfig {
    /// Unique and not empty (since Promtail 3.3).
    pub job_name: String,
    /// The stages, as they stand in the file.
    pub pipeline_stages: Vec<Node>,
    /// Targets written down here.
    pub static_configs: Vec<StaticConfig>,
    /// Targets in files.
    pub file_sd_configs: Vec<FileSd>,
    /// Pods of a Kubernetes cluster.
    pub kubernetes_sd_configs: Vec<KubernetesSd>,
    /// Services of a Consul cluster.
    pub consul_sd_configs: Vec<ConsulSd>,
    /// Services of one Consul agent.
    pub consulagent_sd_configs: Vec<ConsulAgentSd>,
    /// Rules for the labels of targets; see [`ScrapeConfig::relabel_rules`].
    pub relabel_configs: Vec<RelabelConfig>,
    /// Name of the files' encoding, of the IANA register. Default empty: bytes are taken as they are.
    pub encoding: String,
    /// Compressed files. Default: files are plain.
    pub decompression: Decompression,
    /// Entries of systemd's journal.
    pub journal: Option<Journal>,
    /// Syslog messages.
    pub syslog: Option<Syslog>,
    /// Log entries from Google's Pub/Sub.
    pub gcplog: Option<GcpLog>,
    /// What others push, as to Loki.
    pub loki_push_api: Option<PushApi>,
    /// Graylog messages.
    pub gelf: Option<Gelf>,
    /// Containers of a Docker engine.
    pub docker_sd_configs: Option<Vec<DockerSd>>,
    /// Drains of Heroku.
    pub heroku_drain: Option<HerokuDrain>,
    /// Sources that Promtail knows and this version does not read.
    pub unbuilt: Vec<UnbuiltSource>,
    /// Whether any discovery is configured, be it empty.
    has_discovery: bool,
    /// Line of the job, from 1.
    pub line: usize,
}

impl ScrapeConfig {
    /// What the job reads; Promtail takes one source and ignores all others.
    pub fn source(&self) -> Option<Source<'_>> {
        if let Some(discovery) = self.unbuilt.iter().find(|source| source.is_discovery()) {
            return Some(Source::Unbuilt(discovery));
        }
        if self.has_discovery {
            return Some(Source::Files);
        }
        self.line_source().map(Source::Lines).or_else(|| self.unbuilt.first().map(Source::Unbuilt))
    }

    /// The source of messages, where the job has no discovery of files; Promtail's order decides
    /// between several.
    pub fn line_source(&self) -> Option<LineSource<'_>> {
        if self.has_discovery {
            return None;
        }
        let journal = self.journal.as_ref().map(LineSource::Journal);
        journal
            .or_else(|| self.syslog.as_ref().map(LineSource::Syslog))
            .or_else(|| self.gcplog.as_ref().map(LineSource::GcpLog))
            .or_else(|| self.loki_push_api.as_ref().map(LineSource::PushApi))
            .or_else(|| self.gelf.as_ref().map(LineSource::Gelf))
            .or_else(|| self.docker_sd_configs.as_deref().map(LineSource::Docker))
            .or_else(|| self.heroku_drain.as_ref().map(LineSource::HerokuDrain))
    }

    /// The rules, compiled.
    ///
    /// # Errors
    /// Never for rules that were loaded: loading compiles each.
    pub fn relabel_rules(&self) -> Result<Vec<RelabelRule>, RelabelError> {
        self.relabel_configs.iter().cloned().map(RelabelRule::new).collect()
    }

    /// The encoding of the files.
    ///
    /// # Errors
    /// The name, when no encoding has it.
    pub fn reader_encoding(&self) -> Result<Option<&'static Encoding>, &str> {
        if self.encoding.is_empty() {
            return Ok(None);
        }
        Encoding::for_label(self.encoding.as_bytes()).map(Some).ok_or(&self.encoding)
    }

    /// What a start refuses, each as a whole sentence.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let job = &self.job_name;
        match self.source() {
            Some(Source::Files | Source::Lines(_)) => {}
            Some(Source::Unbuilt(source)) => problems.push(format!(
                "scrape config {job:?}: {} is not supported: {}",
                source.key,
                source.alternative()
            )),
            None => problems.push(format!(
                "no valid target scrape config defined for {job:?}: static_configs, file_sd_configs, \
                 kubernetes_sd_configs, consul_sd_configs, consulagent_sd_configs, {} is needed",
                LineSource::KEYS.join(", ").replace(", heroku_drain", " or heroku_drain")
            )),
        }
        if let Err(name) = self.reader_encoding() {
            problems.push(format!(
                "scrape config {job:?}: encoding {name:?} is unknown: a name such as UTF-16LE, \
                 ISO-8859-1 or Shift_JIS is accepted"
            ));
        }
        if self.decompression.enabled && self.decompression.compression().is_none() {
            problems.push(format!(
                "scrape config {job:?}: decompression.format {:?} is unknown: gz, z and bz2 are \
                 accepted",
                self.decompression.format
            ));
        }
        problems
    }
}

impl Block for ScrapeConfig {
    const TYPE: &'static str = "scrapeconfig.plain";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("job_name", &mut self.job_name);
        fields.field("pipeline_stages", &mut self.pipeline_stages);
        fields.field("static_configs", &mut self.static_configs);
        fields.field("file_sd_configs", &mut self.file_sd_configs);
        fields.field("kubernetes_sd_configs", &mut self.kubernetes_sd_configs);
        fields.field("consul_sd_configs", &mut self.consul_sd_configs);
        fields.field("consulagent_sd_configs", &mut self.consulagent_sd_configs);
        fields.field("relabel_configs", &mut self.relabel_configs);
        fields.field("encoding", &mut self.encoding);
        fields.field("decompression", &mut self.decompression);
        fields.field("journal", &mut self.journal);
        fields.field("syslog", &mut self.syslog);
        fields.field("gcplog", &mut self.gcplog);
        fields.field("loki_push_api", &mut self.loki_push_api);
        fields.field("gelf", &mut self.gelf);
        fields.field("docker_sd_configs", &mut self.docker_sd_configs);
        fields.field("heroku_drain", &mut self.heroku_drain);
        sources::fields(&mut self.unbuilt, fields);
    }

    fn complete(&mut self, node: &Node, findings: &mut Findings) {
        self.line = node.line;
        self.has_discovery = sources::has_discovery(node);
        sources::warn_of_ignored(node, findings);
    }
}

/// An item of `static_configs`: a group of targets with common labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StaticConfig {
    /// Addresses; without meaning for files. Default none, which stands for `localhost`.
    pub targets: Vec<String>,
    /// Labels of all targets; `__path__` and `__path_exclude__` say which files are read.
    pub labels: LabelMap,
}

impl Block for StaticConfig {
    const TYPE: &'static str = "targetgroup.Group";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("targets", &mut self.targets);
        fields.field("labels", &mut self.labels);
    }
}

/// `decompression`: all files of the job are compressed, and read once from beginning to end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decompression {
    /// Default false.
    pub enabled: bool,
    /// Waits before reading, so that whoever writes the file is done. Default 0.
    pub initial_delay: GoDuration,
    /// `gz`, `z` or `bz2`; needed where it is enabled.
    pub format: String,
}

/// A way to compress files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// `gz`
    Gzip,
    /// `z`
    Zlib,
    /// `bz2`
    Bzip2,
}

impl Decompression {
    /// The format; `None` for a name that is none.
    pub fn compression(&self) -> Option<Compression> {
        match self.format.as_str() {
            "gz" => Some(Compression::Gzip),
            "z" => Some(Compression::Zlib),
            "bz2" => Some(Compression::Bzip2),
            _ => None,
        }
    }
}

impl Block for Decompression {
    const TYPE: &'static str = "scrapeconfig.DecompressionConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("enabled", &mut self.enabled);
        fields.field("initial_delay", &mut self.initial_delay);
        fields.field("format", &mut self.format);
    }
}

#[cfg(test)]
mod tests;
