//! Keys that change nothing here, and surroundings that the configuration relies on.

use super::places::{find, items, nearest};
use super::{Advice, Lookup};
use crate::config::FindingName;
use crate::config::yaml::{Kind, Node};

/// Beginnings of the keys of `server` that change nothing, and why.
const SERVER_KEYS_WITHOUT_EFFECT: [(&str, &str); 7] = [
    ("grpc_", "no gRPC port is opened, and nothing useful was served there"),
    ("profiling_enabled", "no profiles are made"),
    ("proxy_protocol_enabled", "the PROXY protocol is not spoken: let the balancer use plain TCP"),
    ("external_url", "pages link to each other relatively"),
    ("http_log_closed_connections_without_response_enabled", "such connections are not logged"),
    ("log_source_ips_", "requests are not logged"),
    ("log_request_", "requests are not logged"),
];

/// Other keys that change nothing, and why.
const WITHOUT_EFFECT: [(&[&str], &str); 4] = [
    (&["tracing", "enabled"], "no traces are made"),
    (&["tracing", "profiling_enabled"], "no profiles are made"),
    (
        &["wal", "cleanSegmentsOlderThan"],
        "a batch leaves the disk when Loki has it; max_size is the bound",
    ),
    (&["wal", "watchConfig"], "what is on disk is known without polling"),
];

pub(super) fn advise(advice: &mut Advice<'_>, lookup: Lookup<'_>) {
    let root = advice.root;
    if let Some(Kind::Mapping(pairs)) = root.get("server").map(|server| &server.kind) {
        for (key, value) in pairs {
            let name = key.raw_text().unwrap_or_default();
            let known =
                SERVER_KEYS_WITHOUT_EFFECT.iter().find(|(prefix, _)| name.starts_with(prefix));
            if let Some((_, why)) = known
                && !value.is_null()
                && value.raw_text() != Some("false")
            {
                let message = format!("server.{name} has no effect: {why}");
                advice.add(FindingName::KeyWithoutEffect, key, message);
            }
        }
    }
    for (path, why) in WITHOUT_EFFECT {
        let Some(node) = find(root, path) else { continue };
        // what is switched off already is as it was
        if node.raw_text() != Some("false") {
            let message = format!("{} has no effect: {why}", path.join("."));
            advice.add(FindingName::KeyWithoutEffect, node, message);
        }
    }
    if advice.config.server.enable_runtime_reload {
        advice.add(
            FindingName::ReloadIsAtomic,
            nearest(root, &["server", "enable_runtime_reload"]),
            "a configuration that cannot be used changes nothing; Promtail stops the old one first",
        );
    }
    hostname(advice, lookup);
}

/// Promtail and we keep the targets of our own node: those whose `__host__` is the host's name.
fn hostname(advice: &mut Advice<'_>, lookup: Lookup<'_>) {
    if lookup("HOSTNAME").is_some_and(|name| !name.is_empty()) {
        return;
    }
    let jobs = items(advice.root.get("scrape_configs"));
    let discoveries: Option<&Node> =
        jobs.iter().find_map(|job| items(job.get("kubernetes_sd_configs")).first());
    if let Some(node) = discoveries {
        advice.add(
            FindingName::HostnameMissing,
            node,
            "HOSTNAME is not set here, so pods are compared with the system's host name: in the pod, \
             set it from spec.nodeName",
        );
    }
}
