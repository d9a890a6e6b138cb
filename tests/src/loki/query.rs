//! The part of `LogQL` that finds lines: a selector and line filters.

use std::collections::HashMap;

use go_compat::regexp::Regexp;
use memchr::memmem::Finder;
use prometheus_model::label_set::LabelSet;
use prometheus_model::matcher::{self, Matcher};
use serde_json::{Map, Value, json};

use super::store::{Entry, State};

#[derive(Debug)]
enum Condition {
    Contains(Box<Finder<'static>>),
    Matches(Regexp),
}

#[derive(Debug)]
struct Filter {
    condition: Condition,
    /// Whether lines that meet the condition are kept, or the others.
    keeps: bool,
}

impl Filter {
    fn new(operator: &str, value: &[u8]) -> Result<Self, String> {
        let condition = if operator.contains('~') {
            let pattern = std::str::from_utf8(value).map_err(|_| "a pattern is UTF-8")?;
            Condition::Matches(Regexp::new(pattern).map_err(|error| error.to_string())?)
        } else {
            Condition::Contains(Box::new(Finder::new(value).into_owned()))
        };
        Ok(Self { condition, keeps: operator.starts_with('|') })
    }

    fn keeps(&self, line: &[u8]) -> bool {
        let meets = match &self.condition {
            Condition::Contains(finder) => finder.find(line).is_some(),
            Condition::Matches(regexp) => regexp.is_match(line),
        };
        meets == self.keeps
    }
}

/// Stream and structured metadata: what entries of one stream of a result have in common.
type ResultStream<'a> = (usize, &'a [(String, String)]);

/// A parsed query.
#[derive(Debug)]
pub(super) struct Query {
    matchers: Vec<Matcher>,
    filters: Vec<Filter>,
}

impl Query {
    /// Reads `{a="b", c=~"d"} |= "x" != "y" |~ "z" !~ "w"`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (matchers, mut rest) = matcher::parse_selector(text).map_err(|error| {
            // the cause says what is wrong with an expression
            let cause = std::error::Error::source(&error);
            cause.map_or(error.to_string(), |cause| format!("{error}: {cause}"))
        })?;
        let mut filters = Vec::new();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return Ok(Self { matchers, filters });
            }
            let at = text.len() - rest.len();
            let operators = ["|=", "!=", "|~", "!~"];
            let operator = operators.into_iter().find(|operator| rest.starts_with(operator));
            let operator = operator.ok_or_else(|| {
                format!(
                    "query, byte {at}: a selector and the line filters |= != |~ !~ are understood"
                )
            })?;
            let (value, after) = matcher::quoted(rest[2..].trim_start()).ok_or_else(|| {
                format!("query, byte {at}: a quoted text is wanted after {operator}")
            })?;
            rest = after;
            filters.push(Filter::new(operator, &value)?);
        }
    }

    /// Whether the selector takes a stream.
    pub(super) fn selects(&self, labels: &LabelSet) -> bool {
        matcher::matches_all(&self.matchers, labels)
    }

    fn keeps(&self, line: &[u8]) -> bool {
        self.filters.iter().all(|filter| filter.keeps(line))
    }

    /// By index of the stream: whether the selector takes it. `None` are all tenants.
    fn selected(&self, state: &State, tenant: Option<&str>) -> Vec<bool> {
        let streams = state.streams().iter();
        streams
            .map(|stream| {
                tenant.is_none_or(|tenant| stream.is_of(tenant)) && self.selects(&stream.labels)
            })
            .collect()
    }

    /// Lines of all tenants: since the start, or, with line filters, of those that are kept.
    pub(super) fn count(&self, state: &State) -> u64 {
        let selected = self.selected(state, None);
        if self.filters.is_empty() {
            let streams = state.streams().iter().zip(selected);
            return streams.filter(|(_, selected)| *selected).map(|(stream, _)| stream.lines).sum();
        }
        let entries = state.entries.iter();
        entries.filter(|entry| selected[entry.stream] && self.keeps(&entry.line)).count() as u64
    }

    /// Loki's answer to `query_range`.
    pub(super) fn run(&self, state: &State, tenant: &str, range: &Range) -> Value {
        let selected = self.selected(state, Some(tenant));
        let times = range.start_ns..range.end_ns;
        let mut found: Vec<&Entry> = state
            .entries
            .iter()
            .filter(|entry| selected[entry.stream] && times.contains(&entry.timestamp_ns))
            .filter(|entry| self.keeps(&entry.line))
            .collect();
        // stable: entries of one time stay in the order of arrival
        found.sort_by_key(|entry| entry.timestamp_ns);
        if !range.forward {
            found.reverse();
        }
        found.truncate(range.limit);
        let mut streams: Vec<(Value, Vec<Value>)> = Vec::new();
        let mut known: HashMap<ResultStream<'_>, usize> = HashMap::new();
        for entry in found {
            let index = *known.entry((entry.stream, &entry.metadata)).or_insert_with(|| {
                streams.push((result_labels(entry), Vec::new()));
                streams.len() - 1
            });
            let line = String::from_utf8_lossy(&entry.line);
            streams[index].1.push(json!([entry.timestamp_ns.to_string(), line]));
        }
        let result: Vec<Value> = streams
            .into_iter()
            .map(|(stream, values)| json!({"stream": stream, "values": values}))
            .collect();
        json!({"status": "success", "data": {"resultType": "streams", "result": result, "stats": {}}})
    }
}

/// Structured metadata are labels of the result, as in Loki; one whose name the stream has already
/// gets a suffix.
fn result_labels(entry: &Entry) -> Value {
    let mut labels = labels_json(&entry.labels);
    for (name, value) in &entry.metadata {
        let suffix = if entry.labels.get(name).is_some() { "_extracted" } else { "" };
        labels.insert(format!("{name}{suffix}"), json!(value));
    }
    Value::Object(labels)
}

/// A label set as JSON.
pub(super) fn labels_json(labels: &LabelSet) -> Map<String, Value> {
    labels.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// Which entries, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    /// The first that is in.
    pub(super) start_ns: i64,
    /// The first that is not.
    pub(super) end_ns: i64,
    pub(super) limit: usize,
    /// The oldest first.
    pub(super) forward: bool,
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::super::decode::PushedEntry;
    use super::*;

    fn state() -> State {
        let mut state = State::new(Options::default());
        for (tenant, job, entries) in [
            (None, "a", &[(1, "one", ""), (3, "three", "x"), (3, "three again", "x")][..]),
            (None, "b", &[(2, "two", "")]),
            (Some("t"), "a", &[(2, "other", "")]),
        ] {
            let entries = entries.iter().map(|(timestamp_ns, line, metadata)| PushedEntry {
                timestamp_ns: *timestamp_ns,
                line: line.as_bytes().into(),
                metadata: match *metadata {
                    "" => Vec::new(),
                    value => {
                        ["job", "trace"].map(|name| (name.to_owned(), value.to_owned())).into()
                    }
                },
            });
            let labels = [("job", job)].into_iter().collect();
            state.store(tenant, vec![(labels, entries.collect())], 0);
        }
        state
    }

    fn run(query: &str, range: &Range) -> Value {
        Query::parse(query).unwrap().run(&state(), "fake", range)["data"]["result"].clone()
    }

    const ALL: Range = Range { start_ns: 0, end_ns: 10, limit: 10, forward: true };

    #[test]
    fn filters_follow_the_selector() {
        let query = Query::parse(r#" {job="a"} |= "err" != `x"y` |~ "c[0-9]" !~ "zz""#).unwrap();
        assert!(query.keeps(b"err c1"));
        for line in ["c1", "err x\"y c1", "err c", "err c1 zz"] {
            assert!(!query.keeps(line.as_bytes()), "{line}");
        }
        assert!(Query::parse(r#"{job="a"} |= """#).unwrap().keeps(b""));
        for (query, why) in [
            (r#"{job="a"} | json"#, "byte 10: a selector and the line filters"),
            (r#"{job="a"} |= err"#, "byte 10: a quoted text is wanted after |="),
            (r#"rate({job="a"}[1m])"#, "byte 0"),
            (r#"{job=~"("}"#, "missing closing )"),
        ] {
            let error = Query::parse(query).unwrap_err();
            assert!(error.contains(why), "{query}: {error}");
        }
    }

    #[test]
    fn entries_are_sorted_limited_and_grouped() {
        let expected = json!([
            {"stream": {"job": "a"}, "values": [["1", "one"]]},
            {"stream": {"job": "b"}, "values": [["2", "two"]]},
            {"stream": {"job": "a", "job_extracted": "x", "trace": "x"},
             "values": [["3", "three"], ["3", "three again"]]},
        ]);
        assert_eq!(run(r#"{job=~"a|b"}"#, &ALL), expected);
        let latest = Range { limit: 2, forward: false, ..ALL };
        assert_eq!(
            run(r#"{job=~".+"}"#, &latest)[0]["values"],
            json!([["3", "three again"], ["3", "three"]])
        );
        let until_3 = Range { start_ns: 2, end_ns: 3, ..ALL };
        assert_eq!(
            run("{}", &until_3),
            json!([{"stream": {"job": "b"}, "values": [["2", "two"]]}])
        );
        assert_eq!(
            run(r#"{job="a"} |= "again""#, &ALL)[0]["values"],
            json!([["3", "three again"]])
        );
    }

    #[test]
    fn counts_are_of_all_tenants() {
        let count = |query| Query::parse(query).unwrap().count(&state());
        assert_eq!(
            (count("{}"), count(r#"{job="a"}"#), count(r#"{job="a"} |= "three""#)),
            (5, 4, 2)
        );
    }
}
