use std::path::Path;

use super::*;
use crate::config::{self, yaml};

fn advice_with(text: &str, host: Option<&str>) -> Vec<(&'static str, usize)> {
    let config = config::parse(Path::new("p"), text, None).unwrap();
    let lookup = |name: &str| (name == "HOSTNAME").then_some(host?.to_owned());
    let found = advise(&config, &yaml::parse(text).unwrap(), &lookup);
    found.iter().map(|finding| (finding.name.as_str(), finding.line)).collect()
}

fn advice(text: &str) -> Vec<(&'static str, usize)> {
    advice_with(text, Some("node"))
}

fn of_job(job: &str) -> Vec<(&'static str, usize)> {
    advice(&format!("scrape_configs:\n- job_name: a\n  syslog: {{listen_address: x}}\n{job}"))
}

#[test]
fn labels_that_hardly_repeat_are_told_wherever_they_are_made() {
    let name = "high-cardinality-label";
    assert_eq!(of_job("  pipeline_stages:\n  - labels:\n      Trace_ID:\n"), [(name, 6)]);
    let nested = "  pipeline_stages:\n  - match:\n      selector: '{a=\"b\"}'\n      stages:\n      \
                  - labels: {request_id: }\n";
    assert_eq!(of_job(nested), [("match-keeps-order", 6), (name, 8)]);
    let rule = |rule: &str| of_job(&format!("  relabel_configs:\n  - {rule}\n"));
    let uid = "__meta_kubernetes_pod_uid";
    assert_eq!(rule(&format!("{{source_labels: [{uid}], target_label: pod_id}}")), [(name, 5)]);
    assert_eq!(rule(&format!("{{source_labels: [{uid}], target_label: __path__}}")), []);
    assert_eq!(rule("{source_labels: [a], target_label: pod}"), []);
}

#[test]
fn a_label_that_is_taken_away_again_costs_nothing() {
    let followed_by = |stage: &str| {
        of_job(&format!("  pipeline_stages:\n  - labels: {{trace_id: }}\n  - {stage}\n"))
    };
    for stage in [
        "labeldrop: [trace_id]",
        "structured_metadata: {trace_id: }",
        "structured_metadata: {id: trace_id}",
    ] {
        assert_eq!(followed_by(stage), [], "{stage}");
    }
    let found = [("high-cardinality-label", 5)];
    assert_eq!(followed_by("labeldrop: [other]"), found);
    assert_eq!(followed_by("structured_metadata: {trace_id: other}"), found);
}

#[test]
fn a_labelmap_is_told_when_it_takes_all() {
    let rule = |regex: &str| {
        of_job(&format!("  relabel_configs:\n  - action: labelmap\n    regex: {regex}\n"))
    };
    let found = [("labelmap-of-all-pod-labels", 6)];
    for regex in ["__meta_kubernetes_pod_label_(.+)", "^__meta_kubernetes_pod_annotation_(.*)$"] {
        assert_eq!(rule(regex), found, "{regex}");
    }
    assert_eq!(rule("__meta_kubernetes_pod_label_(app|team)"), []);
    assert_eq!(rule("__meta_kubernetes_pod_label_app_(.+)"), []);
}

#[test]
fn what_becomes_of_a_refused_batch_depends_on_clients_and_attempts() {
    let client = |url: &str, more: &str| format!("- url: http://{url}/\n  {more}\n");
    let clients = |list: &[String]| advice(&format!("clients:\n{}", list.concat()));
    assert_eq!(clients(&[client("a", "")]), [("batches-kept-until-accepted", 2)]);
    let attempts = |number: u32| format!("backoff_config: {{max_retries: {number}}}");
    assert_eq!(clients(&[client("a", &attempts(3))]), [("batches-given-up", 3)]);
    assert_eq!(clients(&[client("a", &attempts(0))]), []);
    let two = [client("a", ""), client("b", &attempts(0))];
    assert_eq!(clients(&two), [("batches-given-up", 2), ("clients-have-own-queues", 2)]);
    let two = [client("a", "optional: true"), client("b", &attempts(0))];
    assert_eq!(clients(&two), [("clients-have-own-queues", 2)]);
    let limited =
        [client("a", "backoff_config: {max_retries: 0}\n  drop_rate_limited_batches: true")];
    assert_eq!(clients(&limited), [("rate-limited-batches-dropped", 4)]);
}

#[test]
fn limits_that_lose_lines_are_told() {
    assert_eq!(
        advice("limits_config:\n  readline_rate_enabled: true\n  max_streams: 5\n"),
        [("readline-rate-drops", 2), ("max-streams-drops-entries", 3)]
    );
    assert_eq!(
        advice("limits_config: {readline_rate_enabled: true, readline_rate_drop: false}\n"),
        []
    );
}

#[test]
fn positions_in_a_folder_that_goes_are_told_where_files_are_read() {
    let with = |path: &str, source: &str| {
        advice(&format!(
            "positions:\n  filename: {path}\nscrape_configs:\n- job_name: a\n  {source}\n"
        ))
    };
    let files = "static_configs: [{labels: {__path__: /x}}]";
    let follow = ("positions-follow-delivery", 2);
    assert_eq!(with("/tmp/positions.yaml", files), [follow, ("positions-not-durable", 2)]);
    assert_eq!(with("/run/promtail/positions.yaml", files), [follow]);
    assert_eq!(with("/tmpfiles/positions.yaml", files), [follow]);
    assert_eq!(with("/tmp/positions.yaml", "syslog: {listen_address: x}"), []);
}

#[test]
fn keys_without_effect_are_told_unless_they_switch_something_off() {
    assert_eq!(
        advice(
            "server:\n  grpc_listen_port: 0\n  http_listen_port: 1\n  log_level: warn\n\
             tracing: {enabled: true, profiling_enabled: false}\nwal:\n  enabled: true\n  \
             cleanSegmentsOlderThan: 1h\n"
        ),
        [
            ("key-without-effect", 2),
            ("key-without-effect", 5),
            ("wal-is-delivered", 7),
            ("key-without-effect", 8)
        ]
    );
    assert_eq!(advice("server: {log_level: info}\ntracing: {enabled: false}\n"), []);
    assert_eq!(
        advice(
            "server:\n  proxy_protocol_enabled: true\n  log_request_headers: false\n  \
             http_listen_conn_limit: 3\n  http_tls_config: {cert_file: a, key_file: b}\n"
        ),
        [("key-without-effect", 2)]
    );
    assert_eq!(advice("server: {enable_runtime_reload: true}\n"), [("reload-is-atomic", 1)]);
}

#[test]
fn pods_need_the_name_of_their_node() {
    let text = "scrape_configs:\n- job_name: a\n  kubernetes_sd_configs:\n  - role: pod\n";
    let follow = ("positions-follow-delivery", 1);
    assert_eq!(advice_with(text, None), [follow, ("hostname-missing", 4)]);
    assert_eq!(advice_with(text, Some("")), [follow, ("hostname-missing", 4)]);
    assert_eq!(advice_with(text, Some("n")), [follow]);
}

#[test]
fn utf_16_and_cri_are_told_once() {
    let stages = "  encoding: UTF-16LE\n  pipeline_stages: [cri: {}, cri: {}]\n";
    assert_eq!(of_job(stages), [("encoding-is-decoded", 4), ("cri-parts-stay-apart", 5)]);
}

#[test]
fn the_migration_guide_has_a_heading_for_each_finding_and_for_nothing_else() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/migrating-from-promtail.md");
    let text = std::fs::read_to_string(path).unwrap();
    let explained: std::collections::BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("#### `")?.strip_suffix('`')).collect();
    let known = FindingName::ALL.iter().map(|name| name.as_str()).collect();
    assert_eq!(explained, known);
}
