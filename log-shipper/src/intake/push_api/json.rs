//! Loki's push request in JSON:
//! `{"streams": [{"stream": {"job": "app"}, "values": [["1700000000000000000", "line", {"id": "7"}]]}]}`.
//!
//! The third element, structured metadata, may be left out. The form of before Loki 1.0, with `labels`
//! and `entries`, is refused: Promtail answers 204 and drops what it holds.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::logproto::{MAX_METADATA, TOO_MUCH_METADATA};

/// How much larger a request is in memory than its text, at most. A list has room for twice of what
/// it holds, or for four, and a map of labels for eleven: 37 bytes of
/// `{"stream":{"":""},"values":[[1,""]]},` take 864.
pub const FACTOR: usize = 32;

/// A request.
#[derive(Debug, Deserialize)]
pub struct Request {
    /// Its streams. One without entries says nothing, and is left out: of `{},` alone a request
    /// would grow beyond [`FACTOR`].
    #[serde(default, deserialize_with = "with_entries")]
    pub streams: Vec<Stream>,
}

fn with_entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Stream>, D::Error> {
    deserializer.deserialize_seq(StreamsVisitor)
}

struct StreamsVisitor;

impl<'de> Visitor<'de> for StreamsVisitor {
    type Value = Vec<Stream>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of streams")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Stream>, A::Error> {
        let mut streams = Vec::new();
        while let Some(stream) = seq.next_element::<Stream>()? {
            if !stream.values.is_empty() {
                streams.push(stream);
            }
        }
        Ok(streams)
    }
}

/// One stream.
#[derive(Debug, Deserialize)]
pub struct Stream {
    /// Its labels.
    #[serde(default, rename = "stream")]
    pub labels: BTreeMap<String, String>,
    /// Its entries.
    #[serde(default)]
    pub values: Vec<Entry>,
    /// Never there.
    #[serde(default, rename = "entries")]
    _legacy: NoEntries,
}

/// Stands where the legacy form has its entries.
#[derive(Debug, Default)]
struct NoEntries;

impl<'de> Deserialize<'de> for NoEntries {
    fn deserialize<D: Deserializer<'de>>(_deserializer: D) -> Result<Self, D::Error> {
        Err(de::Error::custom(
            "`labels` and `entries` are the form of before Loki 1.0: `stream` and `values` are accepted",
        ))
    }
}

/// One entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds since 1970.
    pub timestamp_ns: i64,
    /// The line.
    pub line: String,
    /// Structured metadata, in its order.
    pub metadata: Vec<(String, String)>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an entry: [\"nanoseconds\", \"line\"], with structured metadata as third element",
        )
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entry, A::Error> {
        let Some(Time(timestamp_ns)) = seq.next_element()? else {
            return Err(de::Error::invalid_length(0, &self));
        };
        let Some(line) = seq.next_element()? else {
            return Err(de::Error::invalid_length(1, &self));
        };
        let metadata = seq.next_element::<Pairs>()?.map_or_else(Vec::new, |pairs| pairs.0);
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry { timestamp_ns, line, metadata })
    }
}

/// Digits in quotes, or the bare number.
struct Time(i64);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeVisitor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nanoseconds since 1970, as digits in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
        // what was sent may be long, and is not repeated
        let invalid = |_| E::invalid_value(de::Unexpected::Other("other text"), &self);
        text.parse().map(Time).map_err(invalid)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Time, E> {
        Ok(Time(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Time, E> {
        let invalid = |_| E::invalid_value(de::Unexpected::Unsigned(number), &self);
        i64::try_from(number).map(Time).map_err(invalid)
    }
}

struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("structured metadata: a map of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            if pairs.len() == MAX_METADATA {
                return Err(de::Error::custom(TOO_MUCH_METADATA));
            }
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

/// Reads a request.
///
/// # Errors
/// Line and column, and what is wanted there.
pub fn parse(text: &[u8]) -> Result<Request, serde_json::Error> {
    serde_json::from_slice(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_a_time_a_line_and_perhaps_metadata() {
        let text = br#"{"streams": [
            {"stream": {"a": "b"}, "values": [["7", "x"], ["8", "\u00e4", {"z": "1", "b": "2"}]]},
            {"values": [[9, ""]]}], "more": 1}"#;
        let streams = parse(text).unwrap().streams;
        assert_eq!(streams[0].labels["a"], "b");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            streams[0].values,
            [
                Entry { timestamp_ns: 7, line: "x".to_owned(), metadata: vec![] },
                Entry {
                    timestamp_ns: 8,
                    line: "ä".to_owned(),
                    metadata: vec![pair("z", "1"), pair("b", "2")]
                },
            ]
        );
        assert_eq!(streams[1].values[0].timestamp_ns, 9);
    }

    #[test]
    fn many_streams_that_say_nothing_take_no_memory() {
        let text = format!(r#"{{"streams": [{}{{"stream": {{"a": "b"}}}}]}}"#, "{},".repeat(1000));
        assert_eq!(parse(text.as_bytes()).unwrap().streams.capacity(), 0);
    }

    #[test]
    fn other_json_is_refused_with_its_place() {
        let pairs = vec![r#""a":"""#; MAX_METADATA + 1].join(",");
        let many = format!(r#"{{"streams": [{{"values": [["1", "", {{{pairs}}}]]}}]}}"#);
        for (text, why) in [
            (r#"{"streams": [{"values": [["x", ""]]}]}"#, "nanoseconds since 1970"),
            (r#"{"streams": [{"values": [["1"]]}]}"#, "an entry"),
            (r#"{"streams": [{"values": [["1", 2]]}]}"#, "a string"),
            (r#"{"streams": [{"values": [["1", "", "m"]]}]}"#, "structured metadata"),
            (r#"{"streams": [{"labels": "{}", "entries": []}]}"#, "`stream` and `values`"),
            ("{", "EOF"),
            (&many, "more than 1024 pairs"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("line 1"), "{text}: {error}");
        }
    }
}
