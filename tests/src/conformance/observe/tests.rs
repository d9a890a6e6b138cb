use std::sync::Arc;

use super::*;
use crate::conformance::placeholders;

fn observer(placeholders: &Placeholders, yearless: bool) -> Observer<'_> {
    let began = "2026-06-01T00:00:00Z".parse().unwrap();
    Observer { placeholders, began, yearless, hostname_label: None }
}

fn entry(timestamp_ns: i64, line: &[u8]) -> SunkEntry {
    SunkEntry {
        client: String::new(),
        tenant: None,
        labels: Arc::new([("file", "/w/in/a")].into_iter().collect()),
        timestamp_ns,
        line: line.to_vec(),
        metadata: vec![("b".to_owned(), "1".to_owned()), ("b".to_owned(), "1".to_owned())],
    }
}

#[test]
fn entries_are_shown_without_what_differs_between_runs() {
    let placeholders = placeholders::example();
    let now = Timestamp::now().as_nanosecond().try_into().unwrap();
    let entries = [entry(now, b"in /w/in"), entry(5, b"\xff")];
    assert_eq!(
        observer(&placeholders, false).streams(&entries),
        json!([{"labels": {"file": "${INPUT_DIR}/a"}, "tenant": null, "entries": [
            {"ts_ns": "now", "line": "in ${INPUT_DIR}", "structured_metadata": [["b", "1"]]},
            {"ts_ns": "5", "line_base64": "/w==", "structured_metadata": [["b", "1"]]}]}])
    );
}

#[test]
fn long_lines_are_shown_by_digest() {
    let placeholders = placeholders::example();
    let streams = observer(&placeholders, false).streams(&[entry(5, &[b'x'; 5000])]);
    let shown = &streams[0]["entries"][0];
    assert_eq!((&shown["line_bytes"], &shown["line"]), (&json!(5000), &Value::Null));
    assert_eq!(shown["line_sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn times_can_be_shown_without_their_year() {
    let placeholders = placeholders::example();
    let time = |text: &str, yearless| {
        let timestamp: Timestamp = text.parse().unwrap();
        observer(&placeholders, yearless).time(timestamp.as_nanosecond())
    };
    assert_eq!(time("2026-03-04T05:06:07.00000008Z", true), "{year}-03-04T05:06:07.000000080Z");
    assert_eq!(time("2025-12-31T00:00:00Z", true), "{year-1}-12-31T00:00:00.000000000Z");
    assert_eq!(time("2020-01-01T00:00:00Z", true), "1577836800000000000");
    assert_eq!(time("1970-01-01T00:00:01Z", false), "1000000000");
}

#[test]
fn metrics_are_chosen_by_the_start_of_their_name() {
    let placeholders = placeholders::example();
    let exposition = "# HELP promtail_custom_a mine\n# TYPE promtail_custom_a counter\n\
        promtail_custom_a{path=\"/w/in/b c}\"} 2\n# HELP promtail_b built in\n\
        # TYPE promtail_b gauge\npromtail_b 1 1700000000\nother_promtail_b 1\n";
    let wanted = [Regex::new("promtail_").unwrap()];
    assert_eq!(
        observer(&placeholders, false).metrics(exposition, &wanted),
        json!({"families": {"promtail_custom_a": {"help": "mine", "type": "counter"},
                "promtail_b": {"type": "gauge"}},
            "samples": [["promtail_custom_a", {"path": "${INPUT_DIR}/b c}"}, "2"],
                ["promtail_b", {}, "1"]]})
    );
}

#[test]
fn a_dry_run_s_lines_are_found_with_and_without_tabs() {
    let placeholders = placeholders::example();
    let printed = observer(&placeholders, false).printed(
        "Clients configured:\n\x1b[32m1970-01-01T00:00:01.5+0000\x1b[0m\t{a=\"b\"}\tline\n\
         1970-01-01T01:00:00+0100{c=\"d\"}x",
    );
    assert_eq!(
        printed,
        [
            json!({"ts_ns": "1500000000", "labels": r#"{a="b"}"#, "line": "line"}),
            json!({"ts_ns": "0", "labels": r#"{c="d"}"#, "line": "x"})
        ]
    );
}

#[test]
fn positions_are_read_in_promtail_s_form_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("positions.yaml");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        read_positions(&path)
    };
    let saved = read("positions:\n  /a b: \"14\"\n  '/c: d': 3\n").unwrap();
    assert_eq!(
        saved.into_iter().collect::<Vec<_>>(),
        [("/a b".to_owned(), "14".to_owned()), ("/c: d".to_owned(), "3".to_owned())]
    );
    assert_eq!(read("positions: {}\n"), Some(BTreeMap::new()));
    assert_eq!(read("other: {}\n"), None);
    assert_eq!(read("positions:\nbroken\n"), None);
}
