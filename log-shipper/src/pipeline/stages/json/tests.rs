//! Recorded values and expressions, sources, and refused options.

use std::borrow::Cow;

use super::*;
use crate::pipeline::extracted::{Value, ValueRef};
use crate::pipeline::stages::testing::{entry, extract, line, run, text};

fn stage(expressions: &[(&str, &str)]) -> JsonStage {
    let expressions = expressions
        .iter()
        .map(|(name, text)| ((*name).to_owned(), Some((*text).to_owned())))
        .collect();
    JsonStage::new(JsonOptions { expressions, ..JsonOptions::default() }).unwrap()
}

/// The extracted values as text: none for an absent one, `null` in angle brackets.
fn values(stage: &mut JsonStage, json: impl AsRef<[u8]>, names: &[&str]) -> Vec<Option<String>> {
    let mut entry = entry(&[], json);
    run(stage, &mut entry);
    let show = |value: ValueRef<'_>| value.to_text().map_or("<null>".to_owned(), Cow::into_owned);
    names.iter().map(|name| entry.extracted.get(name).map(show)).collect()
}

fn value(json: &str) -> Option<String> {
    values(&mut stage(&[("v", "")]), json, &["v"]).remove(0)
}

#[test]
fn values_become_text_as_promtail_writes_them() {
    for (json, expected) in [
        ("1", "1"),
        ("1.0", "1"),
        ("1.5", "1.5"),
        ("0.1", "0.1"),
        ("1e21", "1000000000000000000000"),
        ("1e-7", "0.0000001"),
        ("12345678901234567890", "12345678901234567000"),
        ("-0", "-0"),
        ("-0.0001", "-0.0001"),
        ("9007199254740993", "9007199254740992"),
        ("123456789.123456789", "123456789.12345679"),
        ("true", "true"),
        ("false", "false"),
        ("null", "<null>"),
        ("\"\"", ""),
        ("\" padded \"", " padded "),
        ("[1,2.50,\"x\",null,true]", "[1,2.5,\"x\",null,true]"),
        (r#"{"k":"<b>&"}"#, r#"{"k":"\u003cb\u003e\u0026"}"#),
        ("[]", "[]"),
        ("{}", "{}"),
        (r#""a\u0000b""#, "a\0b"),
        (r#""\ud83d\ude80""#, "🚀"),
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""line\nbreak\ttab\"quote\\""#, "line\nbreak\ttab\"quote\\"),
        (r#"1,"v":2"#, "2"),
    ] {
        assert_eq!(value(&format!("{{\"v\":{json}}}")).as_deref(), Some(expected), "{json}");
    }
}

#[test]
fn a_path_that_leads_nowhere_gives_null() {
    let mut stage = stage(&[("a", "x.y"), ("b", "x")]);
    assert_eq!(
        values(&mut stage, r#"{"x":"text"}"#, &["a", "b"]),
        [Some("<null>".to_owned()), Some("text".to_owned())]
    );
    assert_eq!(values(&mut stage, "null", &["a"]), [Some("<null>".to_owned())]);
}

#[test]
fn what_is_no_object_gives_nothing_and_passes() {
    for json in ["not json", "[\"arr\"]", "{\"v\":1} trailing", "\"string\"", "42", "", "{\"v\":"] {
        let mut entry = entry(&[], json);
        assert_eq!(run(&mut stage(&[("v", "")]), &mut entry), Verdict::Pass);
        assert_eq!(entry.extracted.get("v"), None, "{json}");
        assert_eq!(line(&entry), json);
    }
}

#[test]
fn jmespath_expressions_give_what_promtail_recorded() {
    let expressions = [
        ("id", "req.id"),
        ("model", "req.headers.\"x-model\""),
        ("first_util", "gpus[0].util"),
        ("last_idx", "gpus[-1].idx"),
        ("hot", "gpus[?util > `50`].idx | [0]"),
        ("count", "length(tags)"),
        ("joined", "join('-', tags)"),
        ("rest", "tags[1:]"),
        ("either", "missing || req.id"),
        ("ok", ""),
        ("xs", "h[*].x"),
    ];
    let mut stage = stage(&expressions);
    let mut labels = |json: &str| {
        let names = expressions.map(|(name, _)| name);
        let values = values(&mut stage, json, &names);
        let shown: Vec<_> = names
            .iter()
            .zip(values)
            .filter_map(|(name, value)| {
                Some(format!("{name}={}", value.filter(|text| text != "<null>")?))
            })
            .collect();
        shown.join(" ")
    };

    assert_eq!(
        labels(
            r#"{"req":{"id":"r-1","headers":{"x-model":"fraud"}},"gpus":[{"idx":0,"util":91.5},{"idx":1,"util":3}],"tags":["a","b","c"],"ok":true}"#
        ),
        r#"id=r-1 model=fraud first_util=91.5 last_idx=1 hot=0 count=3 joined=a-b-c rest=["b","c"] either=r-1 ok=true"#
    );
    assert_eq!(
        labels(r#"{"req":{"id":"r-2"},"gpus":[],"tags":[],"ok":false}"#),
        "id=r-2 count=0 joined= rest=[] either=r-2 ok=false"
    );
    assert_eq!(
        labels(r#"{"req":"text instead of object","gpus":{"idx":9},"tags":"x"}"#),
        "count=1"
    );
    assert_eq!(labels(r#"{"h":[{"x":1},{"x":"q"}]}"#), r#"xs=[1,"q"]"#);
    for nothing in [r#"{"a":1}"#, "[1,2,3]", "\"string\"", "42", "null", "{}", "{\"broken\":"] {
        assert_eq!(labels(nothing), "", "{nothing}");
    }
}

#[test]
fn an_expression_that_fails_leaves_the_value_that_was_there() {
    let mut entry = entry(&[], r#"{"a":1}"#);
    extract(&mut entry, "n", text("before"));
    run(&mut stage(&[("n", "length(a)")]), &mut entry);
    assert_eq!(entry.extracted.get("n"), Some(ValueRef::Text(b"before")));
}

#[test]
fn json_inside_a_value_is_parsed_with_a_source() {
    let options = JsonOptions {
        expressions: vec![("code".to_owned(), Some("inner.code".to_owned()))],
        source: Some("outer".to_owned()),
        drop_malformed: None,
    };
    let mut stage = JsonStage::new(options).unwrap();
    let mut code = |outer: Option<Value>| {
        let mut entry = entry(&[], "the line is not looked at");
        if let Some(outer) = outer {
            extract(&mut entry, "outer", outer);
        }
        assert_eq!(run(&mut stage, &mut entry), Verdict::Pass);
        entry.extracted.get("code").map(|value| value.to_text().map(Cow::into_owned))
    };
    assert_eq!(code(Some(text(r#"{"inner":{"code":7}}"#))), Some(Some("7".to_owned())));
    assert_eq!(code(Some(text("not json"))), None);
    assert_eq!(code(Some(Value::Number(5.0))), None);
    assert_eq!(code(Some(Value::Null)), None);
    assert_eq!(code(None), None);
}

#[test]
fn malformed_lines_are_dropped_on_request() {
    let metrics = StageMetrics::new();
    let options = JsonOptions {
        expressions: vec![("lvl".to_owned(), None)],
        source: None,
        drop_malformed: Some(metrics.drop_counter(DROP_REASON)),
    };
    let mut stage = JsonStage::new(options).unwrap();
    let mut verdict = |json: &str| run(&mut stage, &mut entry(&[], json));
    assert_eq!(verdict(r#"{"lvl":"info"}"#), Verdict::Pass);
    assert_eq!(verdict(r#"  {"lvl":"leading blanks"}"#), Verdict::Pass);
    assert_eq!(verdict("not json at all"), Verdict::Drop);
    assert_eq!(verdict(r#"{"lvl":"trailing"} garbage"#), Verdict::Drop);
    assert_eq!(metrics.dropped(DROP_REASON), 2);
}

#[test]
fn invalid_utf_8_stays_in_the_value() {
    let mut entry = entry(&[], b"{\"v\":\"x\xff\"}");
    run(&mut stage(&[("v", "")]), &mut entry);
    assert_eq!(entry.extracted.get("v"), Some(ValueRef::Text(b"x\xff")));
}

#[test]
fn options_that_cannot_work_are_refused() {
    let refusal = |options| JsonStage::new(options).unwrap_err().to_string();
    let error = refusal(JsonOptions::default());
    assert!(error.contains("expressions: JMES expression is required"), "{error}");

    let expressions = vec![("a".to_owned(), Some("b[".to_owned())), ("c".to_owned(), None)];
    let error = refusal(JsonOptions { expressions: expressions.clone(), ..JsonOptions::default() });
    assert!(error.contains("expressions.a: could not compile JMES expression \"b[\""), "{error}");

    let error = refusal(JsonOptions {
        expressions: vec![("c".to_owned(), None)],
        source: Some(String::new()),
        ..JsonOptions::default()
    });
    assert!(error.contains("empty source"), "{error}");
}

#[test]
fn options_are_read_from_the_configuration() {
    let build = |yaml: &str| {
        let mut warnings = Vec::new();
        let stage = JsonStage::from_node(
            &crate::config::yaml::parse(yaml).unwrap(),
            &StageMetrics::new(),
            &mut warnings,
        );
        (stage, warnings)
    };
    let (stage, warnings) = build("{expressions: {a: , b: b.c, c: nope(b)}, drop_malformed: true}");
    let stage = stage.unwrap();
    assert!(stage.drop_malformed.is_some());
    assert_eq!(stage.wanted.names.iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "b"]);
    assert!(
        warnings.len() == 1 && warnings[0].message.contains("nope is no JMESPath function"),
        "{warnings:?}"
    );

    let error = build("{expressions: {a: 'b[', c: d}}").0.unwrap_err().to_string();
    assert!(error.starts_with("line 1, column 19: json stage: expressions.a: "), "{error}");
    let error = build("{expressions: {a: 5}}").0.unwrap_err().to_string();
    assert!(error.contains("wrong type: the number 5"), "{error}");
    let error = build("{}").0.unwrap_err().to_string();
    assert!(error.starts_with("line 1, column 1: json stage: expressions: "), "{error}");
}
