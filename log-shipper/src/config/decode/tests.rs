use std::collections::BTreeMap;

use daemon_runtime::durations::{GoDuration, PrometheusDuration};
use daemon_runtime::secret::Secret;

use super::*;
use crate::config::finding::Finding;
use crate::config::yaml;

/// Reads `text` into `value`; errors and warnings as they are printed.
pub(crate) fn read(value: &mut impl Value, text: &str) -> (Vec<String>, Vec<String>) {
    let mut findings = Findings::default();
    value.read(&yaml::parse(text).unwrap(), &mut findings);
    let print = |list: Vec<Finding>| list.iter().map(ToString::to_string).collect();
    let (errors, warnings) = findings.into_parts();
    (print(errors), print(warnings))
}

#[derive(Debug, Default, PartialEq)]
struct Example {
    name: String,
    count: i64,
    small: u16,
    flag: bool,
    wait: GoDuration,
    every: PrometheusDuration,
    password: Secret<String>,
    list: Vec<String>,
    map: BTreeMap<String, String>,
    inner: Option<Inner>,
}

#[derive(Debug, Default, PartialEq)]
struct Inner {
    rate: f64,
}

impl Block for Example {
    const TYPE: &'static str = "example.Config";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("name", &mut self.name);
        fields.field("count", &mut self.count);
        fields.field("small", &mut self.small);
        fields.field("flag", &mut self.flag);
        fields.field("wait", &mut self.wait);
        fields.field("every", &mut self.every);
        fields.field("password", &mut self.password);
        fields.field("list", &mut self.list);
        fields.field("map", &mut self.map);
        fields.field("inner", &mut self.inner);
        fields.ignored_field("lag", "removed in 3.0");
    }
}

impl Block for Inner {
    const TYPE: &'static str = "example.Inner";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("rate", &mut self.rate);
    }
}

fn accepted(text: &str) -> Example {
    let mut example = Example::default();
    assert_eq!(read(&mut example, text), (vec![], vec![]), "{text}");
    example
}

fn refused(text: &str) -> Vec<String> {
    read(&mut Example::default(), text).0
}

#[test]
fn text_takes_the_spelling_of_any_scalar() {
    for (text, name) in [("1.10", "1.10"), ("yes", "yes"), ("'x'", "x"), ("0x1F", "0x1F")] {
        assert_eq!(accepted(&format!("name: {text}")).name, name);
    }
}

#[test]
fn numbers_lose_their_fraction_and_stay_in_range() {
    assert_eq!(accepted("count: 10.5").count, 10);
    assert_eq!(accepted("count: -0x10").count, -16);
    assert_eq!(accepted("inner: {rate: 3}").inner, Some(Inner { rate: 3.0 }));
    assert_eq!(
        refused("small: 70000"),
        ["1:8: small: the number 70000 is out of range: 0 to 65535"]
    );
    assert_eq!(
        refused("count: '5'"),
        [r#"1:8: count: the text "5" where a whole number is wanted"#]
    );
}

#[test]
fn booleans_have_many_spellings_but_no_quotes() {
    assert!(accepted("flag: on").flag);
    assert!(accepted("flag: Yes").flag);
    assert_eq!(
        refused("flag: 'true'"),
        [r#"1:7: flag: the text "true" where true or false is wanted"#]
    );
}

#[test]
fn a_bare_number_is_a_duration_in_nanoseconds_and_below_a_millisecond_suspicious() {
    assert_eq!(accepted("wait: 1m30s").wait, GoDuration::from_secs(90));
    assert_eq!(accepted("wait: 5000000000").wait, GoDuration::from_secs(5));
    let mut example = Example::default();
    let (errors, warnings) = read(&mut example, "wait: 2");
    assert!(errors.is_empty());
    assert_eq!(example.wait, GoDuration::from_nanos(2));
    assert_eq!(warnings, ["1:7: wait: 2 without a unit means nanoseconds; write 2s for seconds"]);
    assert_eq!(
        refused("wait: ten seconds"),
        [
            "1:7: wait: \"ten seconds\" is not a duration: expected numbers with units, such as 1h30m \
          or 1.5s"
        ]
    );
}

#[test]
fn prometheus_durations_know_days() {
    assert_eq!(accepted("every: 1d").every, PrometheusDuration::from_secs(86_400));
    assert!(refused("every: 5")[0].starts_with("1:8: every: "));
}

#[test]
fn null_keeps_what_was_there() {
    let mut example = Example { count: 7, inner: Some(Inner { rate: 1.0 }), ..Example::default() };
    assert_eq!(read(&mut example, "count:\ninner: ~\nlist:\n"), (vec![], vec![]));
    assert_eq!((example.count, example.inner), (7, Some(Inner { rate: 1.0 })));
}

#[test]
fn unknown_keys_are_named_with_what_is_accepted_and_all_errors_come_together() {
    assert_eq!(
        refused("nam: x\ncount: [1]\ninner:\n  rates: 1\n  zzz: 2\n"),
        [
            "1:1: line 1: field nam not found in type example.Config; did you mean name?; accepted: \
             name, count, small, flag, wait, every, password, list, map, inner, lag",
            "2:8: count: a list where a whole number is wanted",
            "4:3: inner: line 4: field rates not found in type example.Inner; did you mean rate?; \
             accepted: rate",
            "5:3: inner: line 5: field zzz not found in type example.Inner; accepted: rate",
        ]
    );
}

#[test]
fn the_path_of_a_key_goes_through_lists_and_maps() {
    assert_eq!(refused("list: [a, [b]]"), ["1:11: list[1]: a list where a text is wanted"]);
    assert_eq!(refused("map: {x: {}}"), ["1:10: map.x: a map where a text is wanted"]);
    assert_eq!(refused("list: x"), ["1:7: list: a text where a list is wanted"]);
    for text in ["list: s3cr3t", "map: s3cr3t", "inner: s3cr3t", "map: 5432", "inner: 5432"] {
        let errors = refused(text);
        assert!(!errors[0].contains("s3cr3t") && !errors[0].contains("5432"), "{errors:?}");
    }
    assert_eq!(refused("- x"), ["1:1: a list where a map is wanted"]);
}

#[test]
fn old_keys_are_accepted_with_one_warning() {
    let (errors, warnings) = read(&mut Vec::<Example>::new(), "[{lag: 1}, {lag: 2}]");
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(warnings, ["1:8: [0]: lag has no effect: removed in 3.0"]);
}

#[test]
fn errors_and_written_values_never_show_a_secret() {
    let errors = refused("password: [hunter2]");
    assert_eq!(errors, ["1:11: password: a list or map where a text is wanted"]);
    let mut example = accepted("password: hunter2\nname: x");
    let text = yaml::to_text(&Node::new(example.write()));
    assert!(text.contains("password: <secret>") && !text.contains("hunter2"), "{text}");
}

#[test]
fn what_is_written_reads_back_as_the_same() {
    let text = "name: 'yes'\ncount: 5\nwait: 1m30s\nevery: 1w\nlist: [a, '']\nmap: {k: 'v: w'}\n\
                inner: {rate: 0.5}\n";
    let mut example = accepted(text);
    let written = yaml::to_text(&Node::new(example.write()));
    assert_eq!(accepted(&written), example, "{written}");
}
