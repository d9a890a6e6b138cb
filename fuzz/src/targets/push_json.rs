//! Loki's push request in JSON: it takes no more memory than is reserved for it.

use log_shipper::intake::push_api::json::{self, Entry, FACTOR, Request, Stream};

use super::{Check, Shape, Target};

/// A leaf of a map of labels has room for eleven, and holds five at least unless it is the only one.
const LABEL_LEAF: usize = 11 * 48 + 16;

/// What is too little to count.
const SLACK: usize = 2048;

pub(super) const TARGET: Target = Target {
    name: "push_json",
    about: "Loki's push request in JSON",
    seeds,
    words: &[
        "{\"streams\":[",
        "{\"stream\":{\"a\":\"b\"},\"values\":[[\"1\",\"x\"]]}",
        "{\"values\":[[1,\"\"]]},",
        "{\"stream\":{\"\":\"\"},\"values\":[[1,\"\"]]},",
        "{},",
        "[1,\"\"],",
        "[1,\"\",{\"\":\"\"}],",
        "[\"1\",\"\",{\"a\":\"b\"},0],",
        "\"stream\":",
        "\"values\":",
        "\"labels\":",
        "\"entries\":",
        "\"a\":\"b\",",
        "\"\":\"\",",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\\u00e4",
        "\\ud800",
        "1.5",
        "9223372036854775808",
        "null",
        "-1",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let many = |item: &str| format!(r#"{{"streams":[{}{{}}]}}"#, item.repeat(1000));
    [
        r#"{"streams": [{"stream": {"a": "b"}, "values": [["7", "x"], ["8", "\u00e4", {"z": "1", "b": "2"}]]}, {"values": [[9, ""]]}], "more": 1}"#.to_owned(),
        r#"{"streams":[{"stream":{"job":"app","level":"info"},"values":[["1700000000000000000","line",{"id":"7"},1]]}]}"#.to_owned(),
        r#"{"streams": [{"labels": "{}", "entries": []}]}"#.to_owned(),
        r#"{"streams": []}"#.to_owned(),
        many("{},"),
        many(r#"{"values":[[1,""]]},"#),
        many(r#"{"stream":{"":""},"values":[[1,""]]},"#),
        many(r#"{"values":[[1,"",{"":""}]]},"#),
    ]
    .map(Into::into)
    .into()
}

fn start() -> Check {
    Box::new(|input| {
        let request = match json::parse(input) {
            Ok(request) => request,
            Err(error) => return Shape::of_message(&error.to_string()),
        };
        let memory = memory(&request);
        let reserved = FACTOR * input.len() + SLACK;
        assert!(memory <= reserved, "{memory} bytes for {} of text", input.len());
        let entries: usize = request.streams.iter().map(|stream| stream.values.len()).sum();
        let labels = request.streams.iter().map(|stream| stream.labels.len()).max();
        let pairs = request.streams.iter().flat_map(|stream| &stream.values);
        let pairs = pairs.map(|entry| entry.metadata.len()).max();
        Shape::of((request.streams.len().min(8), entries.min(8), labels, pairs))
    })
}

/// What a request takes.
fn memory(request: &Request) -> usize {
    let stream = |stream: &Stream| {
        let labels = match stream.labels.len() {
            0 => 0,
            labels => labels.div_ceil(5) * LABEL_LEAF,
        };
        let texts: usize = stream.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        labels + texts + stream.values.capacity() * size_of::<Entry>()
    };
    let entry = |entry: &Entry| {
        let texts: usize =
            entry.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        entry.line.len() + texts + entry.metadata.capacity() * size_of::<(String, String)>()
    };
    request.streams.capacity() * size_of::<Stream>()
        + request.streams.iter().map(stream).sum::<usize>()
        + request.streams.iter().flat_map(|stream| &stream.values).map(entry).sum::<usize>()
}
