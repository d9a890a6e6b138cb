//! `metrics` stages whose results were recorded from Promtail 3.4.6.

use super::*;

#[test]
fn a_gauge_metric_of_each_action() {
    let run = run(
        r#"
        - logfmt: {mapping: {q: , d: }}
        - metrics:
            queue: {type: gauge, description: "queue length", source: q, config: {action: set}}
            up: {type: gauge, source: q, config: {action: inc}}
            down: {type: gauge, source: q, config: {action: dec}}
            added: {type: gauge, source: d, config: {action: add}}
            subbed: {type: gauge, source: d, prefix: my_prefix_, config: {action: sub}}
            seven: {type: gauge, source: q, config: {value: "7", action: set}}
            absent: {type: gauge, source: nothing, config: {action: set}}"#,
        &[("job", "app")],
        &["q=5 d=250ms", "q=7 d=1m30s", "q=x d=oops", "q=-2.5 d=3", "none"],
    );
    assert_eq!(
        run.samples(),
        [
            r#"my_prefix_subbed{job="app"} -93.25"#,
            r#"promtail_custom_added{job="app"} 93.25"#,
            r#"promtail_custom_down{job="app"} -4"#,
            r#"promtail_custom_queue{job="app"} -2.5"#,
            r#"promtail_custom_seven{job="app"} 7"#,
            r#"promtail_custom_up{job="app"} 4"#,
        ]
    );
}

#[test]
fn counter_metrics() {
    let run = run(
        r#"
        - json: {expressions: {level: , num: '"n"', took: }}
        - labels: {level: }
        - metrics:
            level_seen: {type: Counter, description: lines with a level, source: level, config: {action: inc}}
            errors_total: {type: counter, source: level, config: {value: error, action: inc}}
            lines_total: {type: counter, description: every line, config: {match_all: true, action: inc}}
            bytes_total: {type: counter, config: {match_all: true, count_entry_bytes: true, action: add}}
            num: {type: counter, config: {action: add}}"#,
        &[("job", "app"), ("__hidden", "x")],
        &[
            r#"{"level":"error","n":2,"took":"1.5"}"#,
            r#"{"level":"info","n":3.5}"#,
            r#"{"level":"error","n":"4"}"#,
            r#"{"n":null}"#,
            "plain",
        ],
    );
    assert_eq!(
        run.samples(),
        [
            r#"promtail_custom_bytes_total{job="app"} 15"#,
            r#"promtail_custom_bytes_total{job="app",level="error"} 61"#,
            r#"promtail_custom_bytes_total{job="app",level="info"} 24"#,
            r#"promtail_custom_errors_total{job="app",level="error"} 2"#,
            r#"promtail_custom_level_seen{job="app"} 1"#,
            r#"promtail_custom_level_seen{job="app",level="error"} 2"#,
            r#"promtail_custom_level_seen{job="app",level="info"} 1"#,
            r#"promtail_custom_lines_total{job="app"} 2"#,
            r#"promtail_custom_lines_total{job="app",level="error"} 2"#,
            r#"promtail_custom_lines_total{job="app",level="info"} 1"#,
            r#"promtail_custom_num{job="app",level="error"} 6"#,
            r#"promtail_custom_num{job="app",level="info"} 3.5"#,
        ]
    );
}

#[test]
fn histogram_metrics_keep_labels_that_are_dropped_afterwards() {
    let run = run(
        "
        - json: {expressions: {app: , lat: }}
        - labels: {app: }
        - metrics:
            latency_seconds:
              type: Histogram
              description: request latency
              source: lat
              config: {buckets: [0.005, 0.1, 0.25, 1, 10]}
        - labeldrop: [app]",
        &[],
        &[
            r#"{"app":"a","lat":0.003}"#,
            r#"{"app":"a","lat":0.2}"#,
            r#"{"app":"a","lat":"150ms"}"#,
            r#"{"app":"b","lat":12}"#,
            r#"{"app":"b","lat":"x"}"#,
            r#"{"app":"b","lat":0.25}"#,
        ],
    );
    let name = "promtail_custom_latency_seconds";
    let series = |app: &str, buckets: [u64; 6], sum: &str| {
        let bounds = ["0.005", "0.1", "0.25", "1", "10", "+Inf"];
        let mut lines: Vec<_> = bounds
            .iter()
            .zip(buckets)
            .map(|(le, count)| format!(r#"{name}_bucket{{app="{app}",le="{le}"}} {count}"#))
            .collect();
        lines.push(format!(r#"{name}_sum{{app="{app}"}} {sum}"#));
        lines.push(format!(r#"{name}_count{{app="{app}"}} {}"#, buckets[5]));
        lines
    };
    let mut expected = series("a", [1, 1, 3, 3, 3, 3], "0.353");
    expected.extend(series("b", [0, 0, 1, 1, 1, 2], "12.25"));
    assert_eq!(run.samples(), expected);
    assert_eq!(run.labels(), vec!["{}"; 6]);
}
