//! Which of Promtail's sources a job has.
//!
//! Every source of Promtail is a known key, so that a configuration can be checked; what this
//! version does not read is refused only when it would have to be read.

use super::{DockerSd, GcpLog, Gelf, HerokuDrain, Journal, PushApi, Syslog};
use crate::config::decode::Fields;
use crate::config::finding::{FindingName, Findings};
use crate::config::yaml::Node;

/// What a job reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source<'a> {
    /// Files that a discovery finds.
    Files,
    /// Messages.
    Lines(LineSource<'a>),
    /// Something that this version does not read.
    Unbuilt(&'a UnbuiltSource),
}

/// A source that brings messages itself.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the variants are the keys of the configuration")]
pub enum LineSource<'a> {
    Journal(&'a Journal),
    Syslog(&'a Syslog),
    GcpLog(&'a GcpLog),
    PushApi(&'a PushApi),
    Gelf(&'a Gelf),
    Docker(&'a [DockerSd]),
    HerokuDrain(&'a HerokuDrain),
}

impl LineSource<'_> {
    /// The keys, in Promtail's order of preference.
    pub const KEYS: [&'static str; 7] = [
        "journal",
        "syslog",
        "gcplog",
        "loki_push_api",
        "gelf",
        "docker_sd_configs",
        "heroku_drain",
    ];

    /// The key.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Journal(_) => "journal",
            Self::Syslog(_) => "syslog",
            Self::GcpLog(_) => "gcplog",
            Self::PushApi(_) => "loki_push_api",
            Self::Gelf(_) => "gelf",
            Self::Docker(_) => "docker_sd_configs",
            Self::HerokuDrain(_) => "heroku_drain",
        }
    }
}

/// A source that this version does not read.
#[derive(Debug, Clone, PartialEq)]
pub struct UnbuiltSource {
    /// The key of the source.
    pub key: &'static str,
    /// What stands under it.
    pub options: Node,
}

impl UnbuiltSource {
    /// Whether it would find files; otherwise it would bring lines itself.
    pub fn is_discovery(&self) -> bool {
        UNBUILT_DISCOVERIES.contains(&self.key)
    }

    /// What does the job instead.
    pub fn alternative(&self) -> &'static str {
        match self.key {
            "windows_events" => "use Grafana Alloy's loki.source.windowsevent on Windows hosts",
            "kafka" => {
                "use Grafana Alloy's loki.source.kafka, or Vector's kafka source with its loki sink \
                 (no Rust library joins consumer groups without a C dependency)"
            }
            "azure_event_hubs" => "use Grafana Alloy's loki.source.azure_event_hubs",
            "cloudflare" => {
                "Cloudflare's Logpull is superseded by Logpush: let it push to an HTTP endpoint in \
                 front of Loki, or use Grafana Alloy's loki.source.cloudflare"
            }
            _ => {
                "write the targets into a file for file_sd_configs, which is read again whenever it \
                 changes"
            }
        }
    }
}

/// Discoveries that this version has.
const DISCOVERIES: [&str; 5] = [
    "static_configs",
    "file_sd_configs",
    "kubernetes_sd_configs",
    "consul_sd_configs",
    "consulagent_sd_configs",
];

/// Discoveries that this version lacks.
const UNBUILT_DISCOVERIES: [&str; 11] = [
    "dns_sd_configs",
    "digitalocean_sd_configs",
    "dockerswarm_sd_configs",
    "serverset_sd_configs",
    "nerve_sd_configs",
    "marathon_sd_configs",
    "gce_sd_configs",
    "ec2_sd_configs",
    "openstack_sd_configs",
    "azure_sd_configs",
    "triton_sd_configs",
];

/// Sources of messages that this version lacks.
const UNBUILT_LINE_SOURCES: [&str; 4] =
    ["windows_events", "kafka", "azure_event_hubs", "cloudflare"];

/// All sources of messages, in Promtail's order of preference behind all discoveries.
const LINE_SOURCES: [&str; 11] = [
    "journal",
    "syslog",
    "gcplog",
    "loki_push_api",
    "windows_events",
    "kafka",
    "azure_event_hubs",
    "gelf",
    "cloudflare",
    "docker_sd_configs",
    "heroku_drain",
];

/// Reads and writes the keys of all sources that are not built.
pub(super) fn fields(unbuilt: &mut Vec<UnbuiltSource>, fields: &mut Fields<'_>) {
    for key in UNBUILT_LINE_SOURCES.into_iter().chain(UNBUILT_DISCOVERIES) {
        let known = unbuilt.iter_mut().find(|source| source.key == key);
        if let Some(source) = known {
            fields.field(key, &mut source.options);
            continue;
        }
        let mut options = Node::default();
        fields.field(key, &mut options);
        if !options.is_null() {
            unbuilt.push(UnbuiltSource { key, options });
        }
    }
}

/// Whether a discovery stands in the job, be it an empty list.
pub(super) fn has_discovery(job: &Node) -> bool {
    DISCOVERIES.iter().chain(&UNBUILT_DISCOVERIES).any(|key| is_set(job, key))
}

/// Promtail reads one kind of source and forgets the others without a word.
pub(super) fn warn_of_ignored(job: &Node, findings: &mut Findings) {
    let mut taken = DISCOVERIES.iter().chain(&UNBUILT_DISCOVERIES).find(|key| is_set(job, key));
    for key in &LINE_SOURCES {
        if !is_set(job, key) {
            continue;
        }
        match (taken, job.get(key)) {
            (Some(taken), Some(node)) => findings.warn(
                FindingName::SourceIgnored,
                node,
                format!(
                    "{key} is ignored: a job has one kind of source, and this one reads {taken}"
                ),
            ),
            _ => taken = Some(key),
        }
    }
}

fn is_set(job: &Node, key: &str) -> bool {
    job.get(key).is_some_and(|node| !node.is_null())
}
