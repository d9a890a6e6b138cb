use super::*;
use crate::pipeline::extracted::Value;
use crate::pipeline::stage_metrics::StageMetrics;
use crate::pipeline::stages::testing::{NOW_NS, entry, extract, run, text};

fn stage(options: DropOptions) -> Result<DropStage, StageError> {
    DropStage::new(options, StageMetrics::new().drop_counter(DEFAULT_REASON))
}

fn source(keys: &[&str]) -> DropOptions {
    let source = Some(keys.iter().map(|key| (*key).to_owned()).collect());
    DropOptions { source, ..DropOptions::default() }
}

/// Whether the stage drops a line with these extracted values.
fn drops(options: DropOptions, line: &str, values: &[(&str, Value)]) -> bool {
    let mut entry = entry(&[("job", "app")], line);
    for (name, value) in values {
        extract(&mut entry, name, value.clone());
    }
    run(&mut stage(options).unwrap(), &mut entry) == Verdict::Drop
}

#[test]
fn a_source_alone_means_present_and_null_is_present() {
    assert!(drops(source(&["err"]), "", &[("err", text("x"))]));
    assert!(drops(source(&["err"]), "", &[("err", Value::Null)]));
    assert!(!drops(source(&["err"]), "", &[]));
    assert!(drops(source(&["err", "job"]), "", &[("err", text(""))]));
    assert!(!drops(source(&["err", "other"]), "", &[("err", text(""))]));
}

#[test]
fn an_expression_alone_searches_the_line() {
    let expression = || DropOptions { expression: Some("a.c".into()), ..DropOptions::default() };
    assert!(drops(expression(), "xx abc yy", &[]));
    assert!(!drops(expression(), "ab", &[]));
}

#[test]
fn several_sources_are_joined_with_the_separator() {
    let options = || DropOptions {
        separator: Some("-".into()),
        expression: Some("^debug-x$".into()),
        ..source(&["lvl", "app"])
    };
    assert!(drops(options(), "", &[("lvl", text("debug")), ("app", text("x"))]));
    assert!(!drops(options(), "", &[("lvl", text("debug")), ("app", text("y"))]));
}

#[test]
fn missing_sources_are_left_out_of_the_join_and_null_keeps_the_line() {
    let options = || DropOptions { expression: Some("^warn$".into()), ..source(&["lvl", "nokey"]) };
    assert!(drops(options(), "", &[("lvl", text("warn"))]));
    assert!(!drops(options(), "", &[("lvl", text("warn")), ("nokey", Value::Null)]));
    // Present but empty is not missing.
    assert!(!drops(options(), "", &[("lvl", text("warn")), ("nokey", text(""))]));

    let any = || DropOptions { expression: Some(".*".into()), ..source(&["noise"]) };
    assert!(drops(any(), "", &[("noise", text(""))]));
    assert!(!drops(any(), "", &[("noise", Value::Null)]));
}

#[test]
fn a_value_is_the_exact_text_of_the_join() {
    let options = || DropOptions { value: Some("1;2".into()), ..source(&["a", "b"]) };
    assert!(drops(options(), "", &[("a", Value::Number(1.0)), ("b", text("2"))]));
    assert!(!drops(options(), "", &[("a", text("1;2")), ("b", text(""))]));

    let dot = DropOptions { value: Some("a.c".into()), ..source(&["a"]) };
    assert!(!drops(dot, "", &[("a", text("abc"))]));
}

#[test]
fn older_and_longer_exclude_their_limits() {
    let hour = 3_600_000_000_000;
    for (age, dropped) in [(hour + 1, true), (hour, false), (-hour, false)] {
        let options = DropOptions { older_than_ns: Some(hour), ..DropOptions::default() };
        let mut entry = entry(&[], "x");
        entry.timestamp_ns = NOW_NS - age;
        let verdict = run(&mut stage(options).unwrap(), &mut entry);
        assert_eq!(verdict == Verdict::Drop, dropped, "{age}");
    }
    let longer = || DropOptions { longer_than: Some(3), ..DropOptions::default() };
    assert!(!drops(longer(), "abc", &[]));
    assert!(drops(longer(), "éé", &[]));
}

#[test]
fn all_conditions_must_hold() {
    let options =
        || DropOptions { value: Some("1".into()), longer_than: Some(5), ..source(&["a"]) };
    let a = [("a", text("1"))];
    assert!(drops(options(), "long line", &a));
    assert!(!drops(options(), "short", &a));
    assert!(!drops(options(), "long line", &[("a", text("2"))]));
}

#[test]
fn forks_count_into_one_counter() {
    let metrics = StageMetrics::new();
    let mut first = DropStage::new(source(&["job"]), metrics.drop_counter("mine")).unwrap();
    let mut second = first.fork();
    let mut entry = entry(&[("job", "app")], "x");
    run(&mut first, &mut entry);
    run(&mut *second, &mut entry);

    assert_eq!(metrics.dropped("mine"), 2);
}

#[test]
fn contradictory_and_empty_options_are_refused() {
    let refusal = |options| stage(options).unwrap_err().to_string();

    assert!(refusal(DropOptions::default()).contains("at least one of source, expression"));
    let both =
        DropOptions { value: Some("b".into()), expression: Some("c".into()), ..source(&["a"]) };
    assert!(refusal(both).contains("value and expression"));
    let alone = DropOptions { value: Some("b".into()), expression: None, ..DropOptions::default() };
    assert!(refusal(alone).contains("needs a source"));
    let bad = DropOptions { expression: Some("(".into()), ..DropOptions::default() };
    assert!(refusal(bad).contains("does not compile"));
}
