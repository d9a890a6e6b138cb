use super::*;

use prometheus_model::exposition::{Collect, Format, Writer};

use crate::pipeline::extracted::Value;
use crate::pipeline::stages::testing::{entry, extract, run, text};

fn options(name: &str, kind: &str, action: &str) -> MetricOptions {
    MetricOptions {
        name: name.to_owned(),
        kind: kind.to_owned(),
        action: action.to_owned(),
        ..MetricOptions::default()
    }
}

/// Samples after lines that extracted one value under `v`, or nothing.
fn samples(metrics: Vec<MetricOptions>, values: &[Option<Value>]) -> Vec<String> {
    let registry = CustomMetrics::new();
    let mut stage = MetricsStage::new(metrics, &registry, &mut Vec::new()).unwrap();
    let mut fork = stage.fork();
    for (index, value) in values.iter().enumerate() {
        let mut entry = entry(&[], "12345");
        if let Some(value) = value {
            extract(&mut entry, "v", value.clone());
        }
        let worker: &mut dyn Stage = if index % 2 == 0 { &mut stage } else { &mut *fork };
        assert_eq!(run(worker, &mut entry), Verdict::Pass);
    }
    let mut writer = Writer::new(Format::Text004);
    registry.collect(&mut writer);
    String::from_utf8(writer.finish())
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.strip_prefix("promtail_custom_")?.to_owned()))
        .collect()
}

fn from_v(options: MetricOptions) -> MetricOptions {
    MetricOptions { source: Some("v".to_owned()), ..options }
}

#[test]
fn increments_count_presence_and_null_is_present() {
    let counter = from_v(options("c", "counter", "inc"));
    assert_eq!(samples(vec![counter], &[Some(text("x")), Some(Value::Null), None]), ["c 2"]);
}

#[test]
fn a_value_must_be_equal_as_text() {
    let wanted = |value: &str| MetricOptions {
        value: Some(value.to_owned()),
        ..from_v(options("c", "counter", "inc"))
    };
    let values = [Some(Value::Number(7.0)), Some(text("7.0")), Some(Value::Null), None];
    assert_eq!(samples(vec![wanted("7")], &values), ["c 1"]);
    assert_eq!(samples(vec![wanted("8")], &values), Vec::<String>::new());
}

#[test]
fn every_line_counts_with_match_all() {
    let all = |options| MetricOptions { match_all: true, ..options };
    let lines = all(options("lines", "counter", "inc"));
    let bytes =
        MetricOptions { count_entry_bytes: true, ..all(options("bytes", "counter", "add")) };
    assert_eq!(samples(vec![lines, bytes], &[None, Some(Value::Null)]), ["bytes 10", "lines 2"]);
}

#[test]
fn numbers_come_from_text_and_durations_and_other_text_is_ignored() {
    let values = [text("5"), text("250ms"), Value::Number(2.0), Value::Bool(true), text("oops")];
    let values = values.map(Some);
    let metric = |name, action| from_v(options(name, "gauge", action));
    let all = vec![
        metric("a_set", "set"),
        metric("b_inc", "inc"),
        metric("c_dec", "dec"),
        metric("d_add", "add"),
        metric("e_sub", "sub"),
    ];
    assert_eq!(
        samples(all, &values),
        ["a_set 1", "b_inc 5", "c_dec -5", "d_add 8.25", "e_sub -8.25"]
    );
}

#[test]
fn a_negative_amount_leaves_a_counter_as_it_was() {
    let counter = from_v(options("c", "counter", "add"));
    assert_eq!(samples(vec![counter], &[Some(text("2")), Some(text("-1"))]), ["c 2"]);
}

#[test]
fn a_duration_is_observed_in_seconds() {
    let histogram = MetricOptions { buckets: vec![0.05], ..from_v(options("h", "Histogram", "")) };
    assert_eq!(
        samples(vec![histogram], &[Some(text("50ms")), Some(text("x"))]),
        [r#"h_bucket{le="0.05"} 1"#, r#"h_bucket{le="+Inf"} 1"#, "h_sum 0.05", "h_count 1"]
    );
}
