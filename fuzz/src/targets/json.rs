//! The `json` stage. The first line is an expression, the rest the line that it is applied to.
//!
//! Paths are found without a tree, other expressions over one: a path gives the same either way.

use std::sync::Arc;

use log_shipper::pipeline::stage::Stage;
use log_shipper::pipeline::stages::json::{JsonOptions, JsonStage};
use prometheus_model::label_set::LabelSet;

use super::{Check, Shape, Target, context, entry, first_line};
use crate::recordings;

pub(super) const TARGET: Target = Target {
    name: "json",
    about: "an expression in the first line, and a document",
    seeds,
    words: &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u0041",
        "\\ud83d\\ude00",
        "\\ud800",
        "true",
        "false",
        "null",
        "-",
        "1e5",
        "1E-400",
        "0.1",
        "{\"a\":",
        "[[",
        ".a",
        "\"a\"",
        "[*]",
        "[]",
        "[?a > `1`]",
        " | ",
        "||",
        "&&",
        "!",
        "@",
        "`",
        "[0]",
        "[-1]",
        "[::-1]",
        "{x: a}",
        "length(",
        "sort_by(",
        "to_string(",
        "to_number(",
        "keys(",
        "max(",
        "&",
        "\n",
        "'",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut expressions = recordings::values("expressions");
    expressions.extend(
        [
            "a",
            "a.b",
            "a.b.c",
            "a[0]",
            "a[*].b",
            "a[?b > `1`].c",
            "length(a)",
            "to_string(@)",
            "keys(@)",
            "a || b",
            "{x: a, y: b}",
            "a | [0]",
            "sort(a)",
            "@",
            "\"a\".\"b\"",
            "to_number(a)",
            "join(',', a)",
            "a[1:2:1]",
            "not_null(a, b)",
            "map(&b, a)",
        ]
        .map(str::to_owned),
    );
    let mut documents = vec![
        br#"{"a":{"b":{"c":1.50}},"b":[1,"x",null,true],"time":"t"}"#.to_vec(),
        br#"{"a":[{"b":1,"c":"x"},{"b":2,"c":"\u00e4"}],"b":"y"}"#.to_vec(),
        br#"{"a":[3,1,2]}"#.to_vec(),
        br#"{"a":"1e3","a":{"b":2}}"#.to_vec(),
    ];
    for log in recordings::logs("json") {
        documents.extend(log.split(|byte| *byte == b'\n').take(30).map(<[u8]>::to_vec));
    }
    let pair = |(at, document): (usize, &Vec<u8>)| {
        [expressions[at % expressions.len()].as_bytes(), b"\n", document].concat()
    };
    let documents = documents.iter().cycle().take(expressions.len().max(documents.len()));
    documents.enumerate().map(pair).collect()
}

fn stage(expression: &str) -> Option<JsonStage> {
    let expressions = vec![("x".to_owned(), Some(expression.to_owned()))];
    JsonStage::new(JsonOptions { expressions, source: None, drop_malformed: None }).ok()
}

fn start() -> Check {
    let labels: Arc<LabelSet> = Arc::default();
    Box::new(move |input| {
        let (expression, document) = first_line(input);
        let Some(mut direct) = stage(&expression).filter(|_| !expression.is_empty()) else {
            return Shape::of("no expression");
        };
        let value = |stage: &mut JsonStage| {
            let mut entry = entry(&labels, document);
            stage.process(&mut entry, &mut context());
            entry.extracted.get("x").map(|value| format!("{value:?}"))
        };
        let found = value(&mut direct);
        // One more level may be too deep.
        let Some(mut piped) = stage(&format!("{expression} | @")) else {
            return Shape::of("no room for a pipe");
        };
        let over_tree = value(&mut piped);
        if is_shallow(document) {
            assert_eq!(found, over_tree, "direct and over a tree");
        }
        let kind = found.map(|text| text.split('(').next().unwrap_or_default().to_owned());
        Shape::of((kind, expression.matches(['[', '(', '.', '|', '{', '&']).count()))
    })
}

/// Whether the document can be searched as a tree.
fn is_shallow(document: &[u8]) -> bool {
    document.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() < 100
}
