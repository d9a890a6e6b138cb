//! The `logfmt` stage. The first line names the wanted keys, separated by commas; the rest is the
//! line.
//!
//! Where nothing in the line has a special meaning, the judge is a split at blanks.

use std::collections::BTreeMap;
use std::sync::Arc;

use log_shipper::config::yaml::{Kind, Node};
use log_shipper::pipeline::build::build;
use log_shipper::pipeline::extracted::ValueRef;
use prometheus_model::label_set::LabelSet;

use super::{Check, Shape, Target, build_context, context, entry, first_line};
use crate::recordings;

pub(super) const TARGET: Target = Target {
    name: "logfmt",
    about: "wanted keys in the first line, and a line of pairs",
    seeds,
    words: &[
        "=",
        "\"",
        "\\\"",
        "\\u00e4",
        "\\ud83d\\ude00",
        "\\ud800",
        "\\",
        " ",
        "\t",
        "level=",
        "msg=\"",
        "a=b",
        "a= ",
        "=b",
        "\n",
        ",",
        "\\n",
        "\\'",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut lines = vec![
        b"level=info msg=\"a \\\"b\\\" \\u00e4\" flag empty= a=b".to_vec(),
        b"a=1 a=2 b=\"\" c".to_vec(),
    ];
    for log in recordings::logs("logfmt") {
        lines.extend(log.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
    }
    lines.iter().map(|line| [b"level,msg,a,b,flag,app,duration\n", &line[..]].concat()).collect()
}

fn node(kind: Kind) -> Node {
    Node { line: 1, column: 1, kind }
}

fn text(text: &str) -> Node {
    node(Kind::Scalar { text: text.to_owned(), plain: false })
}

fn start() -> Check {
    let labels: Arc<LabelSet> = Arc::default();
    Box::new(move |input| {
        let (keys, line) = first_line(input);
        let mut wanted: Vec<_> = keys.split(',').filter(|key| !key.is_empty()).take(20).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mapping = wanted.iter().map(|key| (text(key), node(Kind::Null))).collect();
        let mapping = node(Kind::Mapping(vec![(text("mapping"), node(Kind::Mapping(mapping)))]));
        let stage = node(Kind::Mapping(vec![(text("logfmt"), mapping)]));
        let Ok(mut pipeline) = build(&[stage], &mut build_context()) else {
            return Shape::of("no mapping");
        };
        let mut entry = entry(&labels, line);
        pipeline.process(&mut entry, &mut context());
        assert_eq!(entry.line, line, "the line stays as it is");
        let is_simple = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'=');
        let expected = line.iter().all(is_simple).then(|| naive(line));
        let (mut found, mut empty) = (0_usize, 0_usize);
        for key in wanted {
            let value = entry.extracted.get(key);
            if let Some(expected) = &expected {
                let expected = expected.get(key.as_bytes()).map(|value| ValueRef::Text(value));
                assert_eq!(value, expected, "{key}");
            }
            found += usize::from(value.is_some());
            empty += usize::from(value == Some(ValueRef::Text(b"")));
        }
        Shape::of((found, empty, line.contains(&b'"'), line.contains(&b'\\')))
    })
}

/// The last value of each key up to the first pair with a second `=` or without a key.
fn naive(line: &[u8]) -> BTreeMap<&[u8], &[u8]> {
    let mut pairs = BTreeMap::new();
    for pair in line.split(|byte| *byte == b' ').filter(|pair| !pair.is_empty()) {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if key.is_empty() || value.contains(&b'=') {
            break;
        }
        pairs.insert(key, value);
    }
    pairs
}
