//! Loki's push request in protobuf, and the labels of its streams.
//!
//! What is accepted and written anew reads the same; nothing is larger than it was.

use std::sync::Arc;

use log_shipper::batch::logproto::{Compressor, put_entry, put_stream};
use log_shipper::intake::http_server::body::unsnap;
use log_shipper::intake::push_api::{label_text, logproto};

use super::{Check, Shape, Target};

pub(super) const TARGET: Target = Target {
    name: "push_proto",
    about: "Loki's push request in protobuf, unpacked",
    seeds,
    words: &[
        "{a=\"b\"}",
        "{a=`b`,}",
        "\\u00e4",
        "\\x41",
        "\\777",
        "=\"",
        "\",",
        "\n\x07{a=\"b\"}",
        "\n\x0b{a=\"b\"}\x12\x02\x12\0",
        "\x12\x04\n\0\x12\0",
        "\x12\x02hi",
        "\x1a\x06\n\x01t\x12\x01x",
        "\x08\x7f\x10\x7f",
        "\x18\x07",
        "\x2d1234",
        "\x7f\x7f\x7f\x7f",
    ],
    start,
};

type Entries = Vec<(Option<i64>, Vec<u8>, Vec<(String, String)>)>;

fn seeds() -> Vec<Vec<u8>> {
    let pair = |name: &str, value: &str| (Arc::from(name), value.to_owned());
    let mut entries = Vec::new();
    put_entry(&mut entries, 1_500_000_000_000_000_007, b"hi", &[pair("t", "x"), pair("", "")]);
    put_entry(&mut entries, -1, b"\xff a longer line", &[]);
    let mut request = Vec::new();
    put_stream(&mut request, r#"{a="b", level="\u00e4\n"}"#, &entries);
    put_stream(&mut request, "{c=`d`,}", &[]);
    let mut short = Vec::new();
    put_stream(&mut short, "{}", &entries[..0]);
    let unknown = [&request[..], &[0x18, 7, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0x32, 1, b'z']].concat();
    // A block of Snappy is one of the inputs: it is unpacked, too.
    let packed = Compressor::default().compress(&request).expect("it is short");
    vec![request.clone(), short, unknown, request[..request.len() - 3].to_vec(), packed]
}

fn read(request: &[u8]) -> Vec<(String, Entries)> {
    logproto::streams(request)
        .map(|stream| {
            let entries = stream.entries().map(|entry| {
                let metadata = entry
                    .metadata()
                    .map(|(name, value)| (name.into_owned(), value.into_owned()))
                    .collect();
                (entry.timestamp_ns(), entry.line().to_vec(), metadata)
            });
            (String::from_utf8_lossy(stream.labels()).into_owned(), entries.collect())
        })
        .collect()
}

fn start() -> Check {
    let mut compressor = Compressor::default();
    Box::new(move |input| {
        // What a block says of its length is not believed.
        let unpacked = unsnap(input, 1 << 20);
        assert!(unpacked.as_ref().is_ok_and(|text| text.len() <= 1 << 20) || unpacked.is_err());
        let packed = compressor.compress(input).expect("it is short");
        assert_eq!(unsnap(&packed, input.len()).ok().as_deref(), Some(input));
        if let Err(error) = logproto::check(input) {
            assert!(error.at <= input.len());
            return Shape::of((unpacked.is_ok(), Shape::of_message(&error.to_string())));
        }
        let mut streams = read(input);
        let lines: usize = streams.iter().flat_map(|(_, entries)| entries).map(|e| e.1.len()).sum();
        assert!(lines <= input.len(), "{lines} bytes of lines");
        // A time that cannot be told cannot be written either.
        for entry in streams.iter_mut().flat_map(|(_, entries)| entries) {
            entry.0.get_or_insert(0);
        }
        let mut again = Vec::new();
        for (labels, entries) in &streams {
            let mut bytes = Vec::new();
            for (time, line, metadata) in entries {
                let metadata: Vec<_> = metadata
                    .iter()
                    .map(|(name, value)| (Arc::from(name.as_str()), value.clone()))
                    .collect();
                put_entry(&mut bytes, time.unwrap_or_default(), line, &metadata);
            }
            put_stream(&mut again, labels, &bytes);
        }
        assert_eq!(logproto::check(&again), Ok(()));
        assert!(read(&again) == streams, "what was written reads differently");
        let labels: Vec<_> = streams.iter().take(8).map(|(text, _)| labels(text)).collect();
        let entries = streams.iter().map(|(_, entries)| entries.len()).sum::<usize>();
        Shape::of((labels, entries.min(8), lines.min(8)))
    })
}

fn labels(text: &str) -> Shape {
    match label_text::parse(text) {
        Ok(labels) => {
            let again = label_text::parse(&labels.to_string());
            assert_eq!(again.as_ref(), Ok(&labels), "labels that were written");
            Shape::of(labels.len().min(4))
        }
        Err(error) => Shape::of_message(&error.to_string()),
    }
}
