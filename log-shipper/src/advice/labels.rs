//! Labels that make a stream of every request or every pod. Loki keeps an index entry and a chunk
//! for each stream, so such a label costs more than all the lines under it.

use super::Advice;
use super::places::{items, stages};
use crate::config::FindingName;
use crate::config::yaml::{Kind, Node};

/// Names, without `_` and in lower case, whose values hardly repeat.
const HARDLY_REPEAT: [&str; 22] = [
    "clientip",
    "containerid",
    "correlationid",
    "duration",
    "ipaddress",
    "message",
    "msg",
    "podip",
    "poduid",
    "remoteaddr",
    "reqid",
    "requestid",
    "sessionid",
    "spanid",
    "timestamp",
    "traceid",
    "transactionid",
    "uid",
    "uri",
    "url",
    "userid",
    "uuid",
];

/// Labels of targets whose values hardly repeat.
const SOURCES: [&str; 4] = [
    "__meta_kubernetes_pod_uid",
    "__meta_kubernetes_pod_ip",
    "__meta_kubernetes_pod_container_id",
    "__meta_docker_container_id",
];

/// Labels and annotations of pods, which their authors choose.
const FAMILIES: [&str; 2] = ["__meta_kubernetes_pod_label_", "__meta_kubernetes_pod_annotation_"];

const REMEDY: &str = "put it into structured_metadata, or leave it in the line";

pub(super) fn advise(advice: &mut Advice<'_>) {
    for job in items(advice.root.get("scrape_configs")) {
        for rule in items(job.get("relabel_configs")) {
            relabelled(advice, rule);
        }
        let stages = stages(job.get("pipeline_stages"));
        for (index, (name, options)) in stages.iter().enumerate() {
            if *name == "labels" {
                made_by_stage(advice, options, &stages[index + 1..]);
            }
        }
    }
}

fn relabelled(advice: &mut Advice<'_>, rule: &Node) {
    let text = |key| rule.get(key).and_then(Node::raw_text).unwrap_or_default();
    if text("action").eq_ignore_ascii_case("labelmap") {
        let regex = text("regex");
        let takes_all = |family: &&str| {
            let rest = regex.trim_start_matches(['^', '(']).strip_prefix(*family);
            rest.is_some_and(|rest| matches!(rest.trim_end_matches(['$', ')']), "(.+" | "(.*"))
        };
        if FAMILIES.iter().any(takes_all) {
            advice.add(
                FindingName::LabelmapOfAllPodLabels,
                rule.get("regex").unwrap_or(rule),
                "every label of a pod becomes a label of its stream: hashes such as \
                 pod_template_hash make new streams with each rollout, and Loki refuses streams \
                 with more than 15 labels; name the labels that are searched for",
            );
        }
        return;
    }
    let target = text("target_label");
    if target.is_empty() || target.starts_with("__") {
        return;
    }
    let sources = items(rule.get("source_labels"));
    let source = sources.iter().filter_map(Node::raw_text).find(|name| SOURCES.contains(name));
    if source.is_some() || hardly_repeats(target) {
        let of = source.map_or_else(String::new, |source| format!(" (from {source})"));
        advice.add(
            FindingName::HighCardinalityLabel,
            rule.get("target_label").unwrap_or(rule),
            format!("label {target}{of} has a value of its own for each pod or request, so each makes a stream; {REMEDY}"),
        );
    }
}

fn made_by_stage(advice: &mut Advice<'_>, options: &Node, later: &[(&str, &Node)]) {
    let Kind::Mapping(pairs) = &options.kind else { return };
    for (key, _) in pairs {
        let name = key.raw_text().unwrap_or_default();
        let is_dropped = later.iter().any(|(stage, options)| takes_away(stage, options, name));
        if hardly_repeats(name) && !is_dropped {
            advice.add(
                FindingName::HighCardinalityLabel,
                key,
                format!("label {name} has a value of its own for nearly each line, so each makes a stream; {REMEDY}"),
            );
        }
    }
}

/// Whether a stage removes a label, or moves it to structured metadata.
fn takes_away(stage: &str, options: &Node, label: &str) -> bool {
    match (stage, &options.kind) {
        ("labeldrop", _) => items(Some(options)).iter().any(|item| item.raw_text() == Some(label)),
        ("structured_metadata" | "non_indexed_labels", Kind::Mapping(pairs)) => {
            pairs.iter().any(|(name, source)| {
                source.raw_text().filter(|text| !text.is_empty()).or(name.raw_text()) == Some(label)
            })
        }
        _ => false,
    }
}

fn hardly_repeats(name: &str) -> bool {
    let name = name.replace('_', "").to_ascii_lowercase();
    HARDLY_REPEAT.contains(&name.as_str())
}
