//! `{"streams": [{"stream": {"job": "a"}, "values": [["NANOSECONDS", "line", {"k": "v"}], ...]}]}`

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{DecodeError, PushedEntry, PushedStream};

#[derive(Deserialize)]
struct Push {
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    stream: BTreeMap<String, String>,
    values: Vec<Value>,
}

/// Time and line, and perhaps structured metadata. Told apart by their length.
type Value = Vec<serde_json::Value>;

pub(super) fn streams(text: &[u8]) -> Result<Vec<PushedStream<'static>>, DecodeError> {
    let push: Push =
        serde_json::from_slice(text).map_err(|error| DecodeError::new(format!("json: {error}")))?;
    let streams = push.streams.into_iter().map(|stream| {
        let entries: Result<_, DecodeError> = stream.values.iter().map(entry).collect();
        Ok((stream.stream.iter().collect(), entries?))
    });
    streams.collect()
}

fn entry(value: &Value) -> Result<PushedEntry<'static>, DecodeError> {
    let wanted = || {
        DecodeError::new("json: a value is [\"NANOSECONDS\", \"line\"] or has metadata as third")
    };
    let (timestamp, line, metadata) = match &value[..] {
        [timestamp, line] => (timestamp, line, None),
        [timestamp, line, metadata] => (timestamp, line, Some(metadata)),
        _ => return Err(wanted()),
    };
    let timestamp = timestamp.as_str().ok_or_else(wanted)?;
    let mut pairs = Vec::new();
    if let Some(metadata) = metadata {
        for (name, value) in metadata.as_object().ok_or_else(wanted)? {
            pairs.push((name.clone(), value.as_str().ok_or_else(wanted)?.to_owned()));
        }
    }
    Ok(PushedEntry {
        timestamp_ns: timestamp.parse().map_err(|_| {
            DecodeError::new(format!("json: {timestamp:?} is no number of nanoseconds"))
        })?,
        line: line.as_str().ok_or_else(wanted)?.as_bytes().to_vec().into(),
        metadata: pairs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_metadata_are_read() {
        let body =
            br#"{"streams":[{"stream":{"job":"a"},"values":[["1","x",{"t":"y"}],["2","z"]]}]}"#;
        let streams = streams(body).unwrap();
        let (labels, entries) = &streams[0];
        assert_eq!(labels.get("job"), Some("a"));
        assert_eq!(entries[0].metadata, [("t".to_owned(), "y".to_owned())]);
        assert_eq!((entries[1].timestamp_ns, &*entries[1].line), (2, &b"z"[..]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (body, why) in [
            ("{}", "missing field `streams`"),
            (r#"{"streams":[{"stream":{"a":1},"values":[]}]}"#, "expected a string"),
            (r#"{"streams":[{"stream":{},"values":[["1"]]}]}"#, "a value is"),
            (r#"{"streams":[{"stream":{},"values":[[1,"x"]]}]}"#, "a value is"),
            (r#"{"streams":[{"stream":{},"values":[["x","x"]]}]}"#, "no number of nanoseconds"),
            (r#"{"streams":[{"stream":{},"values":[["1","x",{"a":1}]]}]}"#, "a value is"),
        ] {
            let error = streams(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{body}: {error}");
        }
    }
}
