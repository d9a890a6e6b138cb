//! `check` and `explain`, and `-inspect`: output and exit codes that scripts and people rely on.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::fixture::{Ended, run, run_with_input};

struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("promtail.yaml");
        fs::write(&path, text).unwrap();
        Self { _folder: folder, path }
    }

    fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

const GOOD: &str = "\
server: {disable: true}
clients:
  - url: http://127.0.0.1:1/loki/api/v1/push
positions: {filename: /tmp/positions.yaml}
scrape_configs:
  - job_name: app
    static_configs: [{labels: {job: app, __path__: /nonexistent/*}}]
    pipeline_stages:
      - logfmt: {mapping: {level: , trace_id: }}
      - labels: {level: , trace_id: }
      - match:
          selector: '{level=\"debug\"}'
          stages:
            - static_labels: {noise: 'yes'}
            - drop: {expression: secret, drop_counter_reason: too_chatty}
";

#[test]
fn a_check_lists_findings_with_their_place_and_says_that_it_would_start() {
    let file = File::new(GOOD);
    let ended = run(&["check", file.name()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let name = file.name();
    for line in [
        format!("{name}:3:5: difference: a batch is sent until "),
        format!("{name}:4:23: warning: /tmp/positions.yaml may be gone"),
        format!("{name}:10:27: warning: label trace_id has "),
        format!("{name}: would start: 0 refused, 2 warnings, 0 keys without effect, 3 differences"),
    ] {
        assert!(ended.stdout.lines().any(|found| found.starts_with(&line)), "{line}\n{ended:?}");
    }
    assert!(ended.stdout.contains("[positions-not-durable]"), "{ended:?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_check_reports_all_that_is_refused_at_once_and_fails() {
    let file = File::new(
        "scrape_configs:\n- job_name: a\n  kafka: {brokers: [b], topics: [t]}\n- job_name: b\n  \
         static_configs: [{labels: {__path__: /x}}]\n  pipeline_stages:\n  - regex: {expression: '(?P<a>x'}\n\
         - job_name: c\n  static_configs: [{labels: {__path__: /x}}]\n  pipeline_stages:\n  - json: {expresions: {}}\n",
    );
    let ended = run(&["check", file.name(), "--json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["would_start"], false);
    let refused: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["category"] == "refused")
        .map(|finding| (finding["name"].as_str().unwrap(), finding["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        refused,
        [
            ("refused-at-start", 1),
            ("source-not-supported", 3),
            ("invalid-stage", 7),
            ("invalid-stage", 11)
        ],
        "{report:#}"
    );
}

#[test]
fn a_check_of_what_is_no_configuration_names_the_place() {
    for (text, place) in [
        ("clientz: []\n", ":1:1: refused: line 1: field clientz not found"),
        ("a: [\n", ": refused: "),
        ("clients: ${X\n", ": refused: "),
    ] {
        let file = File::new(text);
        let ended = run(&["check", file.name(), "--expand-env"]);
        assert_eq!(ended.code, 1, "{text}: {ended:?}");
        assert!(ended.stdout.contains(place), "{text}: {ended:?}");
        assert!(ended.stdout.contains("[invalid-configuration]"), "{text}: {ended:?}");
    }
    let unexpanded = File::new("server: {http_listen_port: '${PORT}'}\n");
    let ended = run(&["check", unexpanded.name()]);
    assert!(ended.stdout.contains("only with -config.expand-env=true [invalid"), "{ended:?}");
    let ended = run(&["check", "/does/not/exist"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("/does/not/exist does not exist"), "{ended:?}");
    assert_eq!(run(&["check"]).code, 2);
    assert_eq!(run(&["check", "--help"]).code, 0);
}

#[test]
fn no_password_of_a_client_is_printed() {
    let file = File::new(
        "clients:\n- url: http://user:hunter2@127.0.0.1:1/push\n  bearer_token: hunter2\n  \
         basic_auth: {username: u, password: hunter2}\n",
    );
    let ended = run(&["check", file.name(), "--json"]);
    assert!(!(ended.stdout.clone() + &ended.stderr).contains("hunter2"), "{ended:?}");
}

#[test]
fn a_line_is_explained_stage_by_stage_without_colours() {
    let file = File::new(GOOD);
    let line = "level=warn trace_id=7 msg=\x1b[31mslow";
    let ended = run(&["explain", file.name(), "--line", line, "--labels", "app=web"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in [
        "9:9 logfmt {mapping: {level: , trace_id: }}\n    + extracted level = \"warn\"",
        "10:9 labels",
        "    + label level = \"warn\"",
        "11:9 match {selector: \"{level=\\\"debug\\\"}\"}\n    = not selected",
        "labels  {app=\"web\", job=\"app\", level=\"warn\", trace_id=\"7\"}",
    ] {
        assert!(ended.stdout.contains(part), "{part}\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains('\x1b'), "{}", ended.stdout);
}

#[test]
fn a_dropped_line_says_which_nested_stage_dropped_it_and_under_which_reason() {
    let file = File::new(GOOD);
    let ended = run(&["explain", file.name(), "--line", "level=debug secret"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in [
        "    14:15 static_labels {noise: \"yes\"}\n      + label noise = \"yes\"",
        "      x dropped by drop on line 15, counted as too_chatty\n",
        "dropped: this line is not sent",
    ] {
        assert!(ended.stdout.contains(part), "{part}\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("sent:"), "{}", ended.stdout);
}

#[test]
fn lines_of_standard_input_are_held_and_released_and_told_as_json() {
    let file = File::new(
        "scrape_configs:\n- job_name: a\n  pipeline_stages: [docker: {}]\n- job_name: b\n  \
         pipeline_stages:\n  - multiline: {firstline: '^start'}\n  - tenant: {value: t}\n",
    );
    let arguments = ["explain", file.name(), "--job", "b", "--line", "-", "--json"];
    let ended = run_with_input(&arguments, "start 1\n\n more\nstart 2\n");
    assert_eq!(ended.code, 0, "{ended:?}");
    let told: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<_> = told.iter().map(|told| told["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["held", "held", "held", "end"], "{ended:?}");
    assert_eq!(told[2]["sent"][0]["line"], "start 1\n more");
    assert_eq!(told[2]["sent"][0]["tenant"], "t");
    assert_eq!(told[3]["sent"][0]["line"], "start 2");
}

#[test]
fn what_cannot_be_explained_is_refused_on_standard_error() {
    let file = File::new(GOOD);
    let Ended { code, stderr, .. } =
        run(&["explain", file.name(), "--line", "x", "--job", "other"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("no scrape config \"other\"; there is \"app\""), "{stderr}");
    assert_eq!(run(&["explain", file.name()]).code, 2);
}

#[test]
fn inspect_shows_stages_on_standard_error_and_entries_on_standard_output() {
    let file = File::new(GOOD);
    let arguments = ["-config.file", file.name(), "-dry-run", "-stdin", "-inspect"];
    let ended = run_with_input(&arguments, "level=debug hello\n");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("level=debug hello"), "{ended:?}");
    for part in ["inspect \"app\"", "10:9 labels", "    14:15 static_labels", "= no change"] {
        assert!(ended.stderr.contains(part), "{part}\n{ended:?}");
    }
    let silent = run_with_input(&arguments[..4], "level=debug hello\n");
    assert!(!silent.stderr.contains("static_labels"), "{silent:?}");
}
