use super::*;
use std::thread;

use prometheus_model::exposition::Format;

use crate::pipeline::stages::testing::entry;

fn family(name: &str, kind: Kind) -> Family {
    Family { name: name.to_owned(), help: "h".to_owned(), kind, max_idle: Duration::from_mins(1) }
}

fn define(registry: &CustomMetrics, family: &Family) -> MetricHandle {
    let mut warnings = Vec::new();
    let handle = registry.define(family, &mut warnings);
    assert_eq!(warnings, Vec::<String>::new());
    handle
}

fn apply(handle: &MetricHandle, change: Change, labels: &[(&str, &str)], now: Instant) {
    handle.apply(change, &entry(labels, "").labels, &mut None, now);
}

/// Samples of custom metrics, without comments.
fn samples(registry: &CustomMetrics, now: Instant) -> Vec<String> {
    let mut writer = Writer::new(Format::Text004);
    registry.write(now, &mut writer);
    let page = String::from_utf8(writer.finish()).unwrap();
    page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn page(registry: &CustomMetrics) -> String {
    let mut writer = Writer::new(Format::Text004);
    registry.collect(&mut writer);
    String::from_utf8(writer.finish()).unwrap()
}

#[test]
fn every_label_set_is_a_series() {
    let now = Instant::now();
    let registry = CustomMetrics::new();
    let counter = define(&registry, &family("c_total", Kind::Counter));
    apply(&counter, Change::Add(1.0), &[("job", "a"), ("filename", "f")], now);
    apply(&counter, Change::Add(2.5), &[("filename", "f"), ("job", "a")], now);
    apply(&counter, Change::Add(1.0), &[("job", "b")], now);

    assert_eq!(
        samples(&registry, now),
        [r#"c_total{filename="f",job="a"} 3.5"#, r#"c_total{job="b"} 1"#]
    );
}

#[test]
fn internal_and_empty_labels_do_not_make_a_series_of_their_own() {
    let now = Instant::now();
    let registry = CustomMetrics::new();
    let counter = define(&registry, &family("c_total", Kind::Counter));
    apply(&counter, Change::Add(1.0), &[("job", "a"), ("__tenant_id__", "t")], now);
    apply(&counter, Change::Add(1.0), &[("job", "a"), ("empty", "")], now);
    apply(&counter, Change::Add(1.0), &[("job", "a"), ("not-a-name", "x")], now);

    assert_eq!(samples(&registry, now), [r#"c_total{job="a"} 3"#]);
}

#[test]
fn gauges_are_set_and_moved() {
    let now = Instant::now();
    let registry = CustomMetrics::new();
    let gauge = define(&registry, &family("g", Kind::Gauge));
    apply(&gauge, Change::Set(5.0), &[], now);
    apply(&gauge, Change::Add(-7.5), &[], now);

    assert_eq!(samples(&registry, now), ["g -2.5"]);
}

#[test]
fn histograms_count_up_to_and_including_their_bounds() {
    let now = Instant::now();
    let registry = CustomMetrics::new();
    let histogram = define(&registry, &family("h", Kind::Histogram { bounds: [0.25, 1.0].into() }));
    for observed in [0.25, 0.3, 12.0] {
        apply(&histogram, Change::Observe(observed), &[("job", "a"), ("le", "x")], now);
    }
    apply(&histogram, Change::Observe(f64::NAN), &[("job", "a")], now);

    assert_eq!(
        samples(&registry, now),
        [
            r#"h_bucket{job="a",le="0.25"} 1"#,
            r#"h_bucket{job="a",le="1"} 2"#,
            r#"h_bucket{job="a",le="+Inf"} 3"#,
            r#"h_sum{job="a"} 12.55"#,
            r#"h_count{job="a"} 3"#,
        ]
    );
}

#[test]
fn a_counter_ignores_and_counts_what_would_make_it_fall() {
    let now = Instant::now();
    let registry = CustomMetrics::new();
    let counter = define(&registry, &family("c_total", Kind::Counter));
    apply(&counter, Change::Add(2.0), &[], now);
    apply(&counter, Change::Add(-1.0), &[], now);
    apply(&counter, Change::Add(f64::NAN), &[], now);

    assert_eq!(samples(&registry, now), ["c_total 2"]);
    assert!(page(&registry).contains("\nlog_shipper_custom_metric_values_rejected_total 2\n"));
}

#[test]
fn an_idle_series_is_shown_once_more_and_then_gone() {
    let start = Instant::now();
    let registry = CustomMetrics::new();
    let gauge = define(&registry, &family("g", Kind::Gauge));
    apply(&gauge, Change::Set(1.0), &[("job", "idle")], start);
    apply(&gauge, Change::Set(1.0), &[("job", "busy")], start + Duration::from_secs(30));

    let later = start + Duration::from_mins(1);
    assert_eq!(samples(&registry, later).len(), 2);
    assert_eq!(samples(&registry, later), [r#"g{job="busy"} 1"#]);
}

#[test]
fn series_beyond_the_cap_are_counted_instead_of_kept() {
    let now = Instant::now();
    let registry = CustomMetrics::new();
    let counter = define(&registry, &family("c_total", Kind::Counter));
    for id in 0..MAX_SERIES_PER_METRIC + 3 {
        apply(&counter, Change::Add(1.0), &[("id", &id.to_string())], now);
    }
    apply(&counter, Change::Add(1.0), &[("id", "0")], now);

    assert_eq!(samples(&registry, now).len(), MAX_SERIES_PER_METRIC);
    assert!(page(&registry).contains("\nlog_shipper_custom_metric_series_dropped_total 3\n"));
}

#[test]
fn a_name_defined_twice_is_one_metric_with_the_first_help_text() {
    let now = Instant::now();
    let registry = CustomMetrics::new();
    let first = define(&registry, &family("c_total", Kind::Counter));
    let mut warnings = Vec::new();
    let other_help = Family { help: "other".to_owned(), ..family("c_total", Kind::Counter) };
    let second = registry.define(&other_help, &mut warnings);
    apply(&first, Change::Add(1.0), &[], now);
    apply(&second, Change::Add(1.0), &[], now);

    assert_eq!(warnings.len(), 1);
    let page = page(&registry);
    assert!(page.contains("# HELP c_total h\n# TYPE c_total counter\nc_total 2\n"), "{page}");
    assert!(!page.contains("other"));
}

#[test]
fn a_name_with_two_types_keeps_the_first_and_the_page_stays_valid() {
    let now = Instant::now();
    let registry = CustomMetrics::new();
    let counter = define(&registry, &family("m", Kind::Counter));
    let mut warnings = Vec::new();
    let gauge = registry.define(&family("m", Kind::Gauge), &mut warnings);
    apply(&counter, Change::Add(1.0), &[], now);
    apply(&gauge, Change::Set(9.0), &[], now);

    assert_eq!(samples(&registry, now), ["m 1"]);
    let gauge = define(&registry, &family("n", Kind::Gauge));
    let counter = registry.define(&family("n", Kind::Counter), &mut warnings);
    apply(&gauge, Change::Set(9.0), &[], now);
    apply(&counter, Change::Add(1.0), &[], now);

    assert_eq!(samples(&registry, now), ["m 1", "n 9"]);
    assert!(warnings[0].contains("two types"), "{warnings:?}");
}

#[test]
fn names_that_prometheus_cannot_store_are_changed_with_a_warning() {
    let now = Instant::now();
    let registry = CustomMetrics::new();
    let mut warnings = Vec::new();
    let gauge = registry.define(&family("9my-metric", Kind::Gauge), &mut warnings);
    apply(&gauge, Change::Set(1.0), &[], now);

    assert_eq!(samples(&registry, now), ["_my_metric 1"]);
    assert_eq!(warnings.len(), 1);
}

#[test]
fn forks_lose_no_count_to_each_other() {
    let now = Instant::now();
    let registry = CustomMetrics::new();
    let counter = define(&registry, &family("c_total", Kind::Counter));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    apply(&counter, Change::Add(1.0), &[("job", "a")], now);
                }
            });
        }
    });

    assert_eq!(samples(&registry, now), [r#"c_total{job="a"} 4000"#]);
}

#[test]
fn a_label_value_that_is_too_long_makes_no_series() {
    let now = Instant::now();
    let registry = CustomMetrics::new();
    let counter = define(&registry, &family("c_total", Kind::Counter));
    let long = "x".repeat(series::MAX_VALUE_BYTES + 1);
    apply(&counter, Change::Add(1.0), &[("path", &long)], now);
    assert_eq!(samples(&registry, now), [""; 0]);
    apply(&counter, Change::Add(1.0), &[("path", &long[1..])], now);
    assert_eq!(samples(&registry, now).len(), 1);
}
