//! Configurations and inputs whose results were recorded from Promtail 3.4.6.
//!
//! Deliberate differences: the order of lines around `match`, and structured metadata without
//! repeats.

use super::*;

#[test]
fn labels_from_other_names_and_from_empty_null_and_missing_values() {
    let run = run(
        "
        - json: {expressions: {lvl: , app: , job: }}
        - labels: {severity: lvl, app: , job: }",
        &[FILE, ("job", "static"), ("app", "static")],
        &[
            r#"{"lvl":"info","app":"a1"}"#,
            r#"{"lvl":"","app":"a2"}"#,
            r#"{"lvl":null,"app":"a3"}"#,
            r#"{"app":"a4"}"#,
            r#"{"lvl":"x","job":"from json"}"#,
        ],
    );
    assert_eq!(
        run.labels(),
        [
            r#"{app="a1", job="static", severity="info"}"#,
            r#"{app="a2", job="static", severity=""}"#,
            r#"{app="a3", job="static"}"#,
            r#"{app="a4", job="static"}"#,
            r#"{app="static", job="from json", severity="x"}"#,
        ]
    );
}

#[test]
fn json_values_as_labels() {
    let run = run(
        "
        - json: {expressions: {a: , b: , c: , d: , e: }}
        - labels: {a: , b: , c: , d: , e: }",
        &[],
        &[
            r#"{"a":1,"b":1.5,"c":true,"d":null,"e":""}"#,
            r#"{"a":12345678901234567890,"b":9007199254740993,"c":1e21,"d":-0.0001,"e":1.0}"#,
        ],
    );
    assert_eq!(
        run.labels(),
        [
            r#"{a="1", b="1.5", c="true", e=""}"#,
            r#"{a="12345678901234567000", b="9007199254740992", c="1000000000000000000000", d="-0.0001", e="1"}"#,
        ]
    );
}

#[test]
fn static_labels() {
    let run = run(
        "- static_labels: {team: new, tier: '1', nothing: '', also_nothing: }",
        &[FILE, ("job", "app"), ("team", "old")],
        &["one", "two"],
    );
    assert_eq!(run.labels(), vec![r#"{job="app", team="new", tier="1"}"#; 2]);
}

#[test]
fn labeldrop_then_labelallow() {
    let run = run(
        "
        - labeldrop: [filename, rack, not_there]
        - labelallow: [job, stage, filename]",
        &[FILE, ("job", "app"), ("team", "ml"), ("stage", "prod"), ("rack", "r1")],
        &["x"],
    );
    assert_eq!(run.entries[0].labels.to_label_set().to_string(), r#"{job="app", stage="prod"}"#);
}

#[test]
fn all_conditions_of_a_drop_must_hold() {
    let long = "a=9 long long long long long long long long long long ";
    let run = run(
        r#"
        - logfmt: {mapping: {a: , b: }}
        - drop: {source: [a, b], expression: '^1-3$', separator: "-"}
        - drop: {source: [a, b], value: "1;2", longer_than: 30}
        - drop: {expression: "^last never$"}"#,
        &APP,
        &[
            "a=1 b=2 short",
            "a=1 b=2 long long long long long long long long long long ",
            "a=1 b=3 x",
            "a=1;b b=2 sep",
            long,
            "last",
        ],
    );
    assert_eq!(run.lines(), ["a=1 b=2 short", "a=1;b b=2 sep", long, "last"]);
}

#[test]
fn drop_by_presence_value_and_expression_of_a_source() {
    let run = run(
        r#"
        - json: {expressions: {level: , noise: , path: }}
        - drop: {source: level, value: debug, drop_counter_reason: debug_lines}
        - match:
            selector: '{job="app"} |= "noise"'
            stages:
              - drop: {source: noise, expression: ".*", drop_counter_reason: noise}
        - drop: {source: path, expression: "^/healthz"}"#,
        &APP,
        &[
            r#"{"level":"debug","m":1}"#,
            r#"{"level":"info","m":2}"#,
            r#"{"level":"debugging","m":3}"#,
            r#"{"noise":"","m":4}"#,
            r#"{"noise":null,"m":5}"#,
            r#"{"path":"/healthz","m":6}"#,
            r#"{"path":"/v1/healthz","m":7}"#,
            "plain",
        ],
    );
    assert_eq!(
        run.lines(),
        [
            r#"{"level":"info","m":2}"#,
            r#"{"level":"debugging","m":3}"#,
            r#"{"noise":null,"m":5}"#,
            r#"{"path":"/v1/healthz","m":7}"#,
            "plain",
        ]
    );
    let reasons = ["debug_lines", "noise", "drop_stage"].map(|reason| run.dropped(reason));
    assert_eq!(reasons, [1, 1, 1]);
}

#[test]
fn drop_by_age_and_length() {
    let long = format!("2090-01-01T00:00:02Z {}", "x".repeat(1100));
    let run = run(
        r"
        - regex: {expression: '^(?P<t>\S+Z)'}
        - timestamp: {source: t, format: RFC3339, action_on_failure: skip}
        - drop: {older_than: 24h, drop_counter_reason: too_old}
        - drop: {longer_than: 1KB, drop_counter_reason: too_long}",
        &APP,
        &["2020-01-01T00:00:00Z old", "2090-01-01T00:00:00Z future", "no time is now", &long],
    );
    assert_eq!(run.lines(), ["2090-01-01T00:00:00Z future", "no time is now"]);
    assert_eq!(run.entries[0].timestamp_ns, 3_786_912_000_000_000_000);
    assert_eq!((run.dropped("too_old"), run.dropped("too_long")), (1, 1));
}

#[test]
fn a_null_counts_as_present_for_drop_and_metrics() {
    let lines = [r#"{"level":"a"}"#, r#"{"error":"x"}"#, "notjson"];
    let dropped = run("- json: {expressions: {err: error}}\n- drop: {source: err}", &APP, &lines);
    assert_eq!(dropped.lines(), ["notjson"]);

    let counted = run(
        "
        - json: {expressions: {err: error}}
        - metrics: {errors: {type: counter, source: err, config: {action: inc}}}",
        &[],
        &lines,
    );
    assert_eq!(counted.samples(), ["promtail_custom_errors 2"]);
}

#[test]
fn match_drops_with_its_own_or_another_reason() {
    let run = run(
        r#"
        - match: {selector: '{job="app"} |= "debug"', action: drop}
        - match: {selector: '{job="app"} |~ "^health"', action: drop, drop_counter_reason: health_checks}
        - match: {selector: '{job="other"}', action: drop}"#,
        &APP,
        &["keep 1", "debug 1", "debug 2", "health 1", "keep 2"],
    );
    assert_eq!(run.lines(), ["keep 1", "keep 2"]);
    assert_eq!((run.dropped("match_stage"), run.dropped("health_checks")), (2, 1));
}

#[test]
fn match_line_filters_in_sequence() {
    let run = run(
        r#"
        - match:
            selector: '{job="app"} |= "error" != "healthz" |~ "/(v[0-9]+/)?predict" !~ "/[0-9]{2}$"'
            stages:
              - static_labels: {alert: "true"}
        - match:
            selector: '{ job = "app" }|~"(?i)ERROR"'
            stages:
              - static_labels: {err: "true"}"#,
        &APP,
        &[
            "level=info path=/healthz",
            "level=error path=/predict",
            "level=error path=/healthz",
            "LEVEL=ERROR path=/predict",
            "level=error path=/v2/predict/17",
        ],
    );
    let err = r#"{err="true", job="app"}"#;
    assert_eq!(
        run.labels(),
        [r#"{job="app"}"#, r#"{alert="true", err="true", job="app"}"#, err, err, err]
    );
}

#[test]
fn match_selectors_and_missing_labels() {
    let stages = r#"
        - match:
            selector: '{filename=~".*/api\\.log", env!="dev"}'
            stages: [{static_labels: {m1: "yes"}}]
        - match:
            selector: '{env=~"prod"}'
            stages: [{static_labels: {m2_anchored: "yes"}}]
        - match:
            selector: '{env!~"prod-.*"}'
            stages: [{static_labels: {m3: "yes"}}]
        - match:
            selector: '{missing=""}'
            stages: [{static_labels: {m4_missing_is_empty: "yes"}}]
        - match:
            selector: '{missing!="x", job="app"}'
            stages: [{static_labels: {m5: "yes"}}]
        - match:
            pipeline_name: nested
            selector: '{job="app"}'
            stages:
              - match:
                  selector: '{m1="yes"}'
                  stages:
                    - regex: {expression: '^(?P<verb>\w+)'}
                    - labels: {verb: }"#;
    let labels = |file| [("filename", file), ("job", "app"), ("env", "prod-eu")];
    let api = run(stages, &labels("/in/api.log"), &["GET /a", "POST /b"]);
    let common = r#"env="prod-eu", job="app", m1="yes", m4_missing_is_empty="yes", m5="yes""#;
    assert_eq!(
        api.labels(),
        [format!(r#"{{{common}, verb="GET"}}"#), format!(r#"{{{common}, verb="POST"}}"#)]
    );
    let db = run(stages, &labels("/in/db.log"), &["select 1"]);
    assert_eq!(db.labels(), [r#"{env="prod-eu", job="app", m4_missing_is_empty="yes", m5="yes"}"#]);
}

#[test]
fn lines_keep_their_order_around_a_match() {
    let stages = r#"
        - match:
            selector: '{job="app"} |= "a"'
            stages: [{static_labels: {m: "1"}}]"#;
    assert_eq!(run(stages, &APP, &["a1", "b2", "a3"]).lines(), ["a1", "b2", "a3"]);
}

#[test]
fn a_nested_pipeline_sees_labels_before_extracted_values() {
    let run = run(
        r#"
        - json: {expressions: {out: , job: }}
        - labels: {copy: job}
        - match:
            selector: '{job="J"}'
            stages:
              - template: {source: out, template: '{{ .Value }}|{{ .job }}'}
              - output: {source: out}"#,
        &[("job", "J")],
        &[r#"{"out":"O","job":"other"}"#],
    );
    assert_eq!(run.lines(), ["O|J"]);
    assert_eq!(run.labels(), [r#"{copy="other", job="J"}"#]);
}

#[test]
fn tenant_from_a_label_and_a_later_fixed_one() {
    let run = run(
        r#"
        - regex: {expression: 'ns=(?P<ns>\w+)'}
        - labels: {ns: }
        - tenant: {label: ns}
        - match:
            selector: '{ns="web"}'
            stages: [{tenant: {value: override}}]"#,
        &APP,
        &["ns=ml hello", "ns=web hello", "none"],
    );
    assert_eq!(
        run.labels(),
        [
            r#"{__tenant_id__="ml", job="app", ns="ml"}"#,
            r#"{__tenant_id__="override", job="app", ns="web"}"#,
            r#"{job="app"}"#,
        ]
    );
}

#[test]
fn tenant_from_the_line() {
    let run = run(
        "- json: {expressions: {org: }}\n- tenant: {source: org}",
        &[],
        &[r#"{"org":"team-a"}"#, r#"{"m":3}"#, r#"{"org":""}"#, r#"{"org":17}"#],
    );
    assert_eq!(
        run.labels(),
        [r#"{__tenant_id__="team-a"}"#, "{}", "{}", r#"{__tenant_id__="17"}"#]
    );
}

#[test]
fn structured_metadata_from_values_and_labels() {
    let run = run(
        r#"
        - json: {expressions: {trace_id: , user: , num: '"n"', ok: }}
        - labels: {user: }
        - structured_metadata: {trace_id: , count: num, ok: , pod: , who: user, absent: }"#,
        &[FILE, ("job", "app"), ("pod", "vllm-0")],
        &[
            r#"{"trace_id":"t-1","user":"usera","n":3,"ok":true}"#,
            r#"{"trace_id":"","user":null}"#,
            "plain",
        ],
    );
    assert_eq!(
        run.metadata(),
        [
            vec![
                ("count", "3"),
                ("ok", "true"),
                ("pod", "vllm-0"),
                ("trace_id", "t-1"),
                ("who", "usera")
            ],
            vec![("pod", "vllm-0"), ("trace_id", "")],
            vec![("pod", "vllm-0")],
        ]
    );
    assert_eq!(run.labels(), vec![r#"{job="app"}"#; 3]);
}

#[test]
fn structured_metadata_under_its_old_name() {
    let run = run(
        "- logfmt: {mapping: {trace: , span: }}\n- non_indexed_labels: {trace: , span_id: span}",
        &APP,
        &["trace=t1 span=s1", "trace=t2"],
    );
    assert_eq!(run.metadata(), [vec![("span_id", "s1"), ("trace", "t1")], vec![("trace", "t2")]]);
}

#[test]
fn limit_drops_above_the_burst() {
    let lines: Vec<_> = (1..=12).map(|number| format!("line {number}")).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let run = run("- limit: {rate: 0.001, burst: 5, drop: true}", &APP, &lines);
    assert_eq!(run.lines(), lines[..5]);
    assert_eq!(run.dropped("ratelimit_drop_stage"), 7);
}

#[test]
fn limit_by_label() {
    let run = run(
        r"
        - regex: {expression: 'ns=(?P<ns>\w+)'}
        - labels: {ns: }
        - limit: {rate: 0.001, burst: 2, drop: true, by_label_name: ns}",
        &APP,
        &[
            "ns=a 1", "ns=b 1", "ns=a 2", "ns=b 2", "ns=a 3", "ns=b 3", "ns=a 4", "ns=b 4",
            "free 0", "free 1", "free 2",
        ],
    );
    assert_eq!(run.lines(), ["ns=a 1", "ns=b 1", "ns=a 2", "ns=b 2", "free 0", "free 1", "free 2"]);
    assert_eq!(run.dropped("ratelimit_drop_stage"), 4);
    assert_eq!(run.context.metrics.dropped_by_label("ns", "a"), 2);
}

#[test]
fn sampling_of_all_and_of_nothing() {
    let run = run(
        r#"
        - match:
            selector: '{job="app"} |= "keep"'
            stages: [{sampling: {rate: 1}}]
        - match:
            selector: '{job="app"} |= "drop"'
            stages: [{sampling: {rate: 0, drop_counter_reason: sampled_out}}]"#,
        &APP,
        &["keep 0", "drop 0", "other 0", "keep 1", "drop 1"],
    );
    assert_eq!(run.lines(), ["keep 0", "other 0", "keep 1"]);
    assert_eq!(run.dropped("sampled_out"), 2);
}

#[test]
fn pack_keeps_a_parsed_time() {
    let run = run(
        "
        - json: {expressions: {ts: , pod: , gpu: }}
        - timestamp: {source: ts, format: RFC3339}
        - labels: {pod: }
        - pack: {labels: [pod, gpu, container, absent], ingest_timestamp: false}",
        &[FILE, ("job", "app"), ("container", "serve")],
        &[
            r#"{"ts":"2024-03-03T03:03:03Z","pod":"vllm-0","gpu":1,"msg":"<ok> & done"}"#,
            r#"{"ts":"2024-03-03T03:03:04Z","msg":"no pod, \u2028 \"quoted\""}"#,
            "plain line",
        ],
    );
    assert_eq!(
        run.lines(),
        [
            r#"{"container":"serve","gpu":"1","pod":"vllm-0","_entry":"{\"ts\":\"2024-03-03T03:03:03Z\",\"pod\":\"vllm-0\",\"gpu\":1,\"msg\":\"\u003cok\u003e \u0026 done\"}"}"#,
            r#"{"container":"serve","_entry":"{\"ts\":\"2024-03-03T03:03:04Z\",\"msg\":\"no pod, \\u2028 \\\"quoted\\\"\"}"}"#,
            r#"{"container":"serve","_entry":"plain line"}"#,
        ]
    );
    let times: Vec<_> = run.entries.iter().map(|entry| entry.timestamp_ns).collect();
    assert_eq!(
        times,
        [1_709_434_983_000_000_000, 1_709_434_984_000_000_000, 1_709_434_984_000_000_001]
    );
    assert_eq!(run.labels(), vec![r#"{job="app"}"#; 3]);
}

#[test]
fn eventlogmessage() {
    let run = run(
        "
        - json: {expressions: {message: }}
        - eventlogmessage: {}
        - labels: {Account_Name: , Logon_Type: , GPU_Model: , message_extracted: , Empty: }",
        &APP,
        &[
            r#"{"message":"Account Name: usera\r\nLogon Type:  3 \r\nno colon here\r\nGPU-Model: H100\r\nmessage: nested\r\nEmpty:"}"#,
            r#"{"message":"x"}"#,
        ],
    );
    assert_eq!(
        run.labels(),
        [
            r#"{Account_Name="usera", Empty="", GPU_Model="H100", Logon_Type="3", job="app", message_extracted="nested"}"#,
            r#"{job="app"}"#,
        ]
    );
}

#[test]
fn unknown_keys_inside_stages() {
    let run = run(
        r"
        - regex: {expression: 'k=(?P<k>\w+)', comment: why not}
        - labels: {k: }
        - docker: {unknown: 1}
        - drop: {source: nope, reason: x}",
        &APP,
        &["k=v"],
    );
    assert_eq!(run.labels(), [r#"{job="app", k="v"}"#]);
}

#[test]
fn refused_configurations() {
    for (stages, expected) in [
        ("- drop: {source: a, value: b, expression: c}", "value and expression"),
        ("- labeldrop: []", "is empty"),
        ("- labels: {trace-id: }", "invalid label name"),
        ("- limit: {rate: 0, burst: 10}", "rate: the rate is 0"),
        (r#"- match: {selector: '{job="app"} |~ "["', action: drop}"#, "bad regular expression"),
        (r#"- match: {selector: '{job=~"["}', action: drop}"#, "bad regular expression"),
        (r#"- match: {selector: '{job="app"}'}"#, "at least one stage"),
        ("- match: {stages: [{cri: {}}]}", "a selector is required"),
        ("- metrics: {m: {type: counter, config: {action: set}}}", "accepted: action: inc, add"),
        ("- metrics: {m: {type: summary, config: {action: inc}}}", "invalid metric type"),
        (
            "- metrics: {m: {type: gauge, max_idle_duration: 500ms, config: {action: inc}}}",
            "less than 1s",
        ),
        ("- sampling: {rate: 1.5}", "the rate is 1.5"),
        ("- json: {expressions: {a: a}}\n  labels: {a: a}", "only one key"),
        ("- parse_json: {}", "unknown stage"),
        ("- tenant: {source: a, value: b}", "mutually exclusive"),
        ("- tenant: ", "none of label, source and value"),
        ("- drop: ", "at least one of source"),
    ] {
        let error = refusal(stages);
        assert!(error.contains(expected), "{stages}: {error}");
        assert!(error.starts_with("line "), "{error}");
    }
}
