//! The part of LogQL that finds lines: a selector and line filters.

use go_compat::regexp::Regexp;
use go_compat::strconv;
use prometheus_model::label_set::LabelSet;
use prometheus_model::matcher::{self, Matcher};
use serde_json::{Value, json};

use super::store::{Entry, State};

enum Filter {
    Contains(Vec<u8>, bool),
    Matches(Regexp, bool),
}

/// A parsed query.
pub(super) struct Query {
    matchers: Vec<Matcher>,
    filters: Vec<Filter>,
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (matchers, mut rest) =
            matcher::parse_selector(text.trim()).map_err(|error| error.to_string())?;
        let mut filters = Vec::new();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return Ok(Self { matchers, filters });
            }
            let operators = ["|=", "!=", "|~", "!~"];
            let operator = operators.into_iter().find(|operator| rest.starts_with(operator));
            let operator = operator.ok_or_else(|| {
                format!("parse error at {rest:?}: a selector and the line filters |= != |~ !~ are understood")
            })?;
            rest = rest[2..].trim_start();
            let (value, after) = quoted(rest).ok_or_else(|| format!("parse error at {rest:?}: a quoted text is wanted"))?;
            rest = after;
            filters.push(match operator {
                "|=" => Filter::Contains(value, true),
                "!=" => Filter::Contains(value, false),
                _ => {
                    let pattern = String::from_utf8(value).map_err(|_| "a pattern is UTF-8")?;
                    let regexp = Regexp::new(&pattern).map_err(|error| error.to_string())?;
                    Filter::Matches(regexp, operator == "|~")
                }
            });
        }
    }

    pub(super) fn selects(&self, labels: &super::decode::Labels) -> bool {
        let set: LabelSet = labels.iter().collect();
        matcher::matches_all(&self.matchers, &set)
    }

    fn keeps(&self, line: &[u8]) -> bool {
        self.filters.iter().all(|filter| match filter {
            Filter::Contains(text, wanted) => {
                (text.is_empty() || line.windows(text.len()).any(|window| window == text)) == *wanted
            }
            Filter::Matches(regexp, wanted) => regexp.is_match(line) == *wanted,
        })
    }
}

/// A double-quoted or back-quoted text, and what follows it.
fn quoted(text: &str) -> Option<(Vec<u8>, &str)> {
    let quote = text.chars().next().filter(|char| matches!(char, '"' | '`'))?;
    let mut escaped = false;
    let end = text[1..].find(|char| {
        let is_end = char == quote && !escaped;
        escaped = char == '\\' && !escaped && quote == '"';
        is_end
    })? + 2;
    Some((strconv::unquote(&text[..end])?, &text[end..]))
}

/// Which entries, and how many.
pub(super) struct Range {
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) limit: usize,
    pub(super) forward: bool,
}

/// Loki's answer to `query_range`.
pub(super) fn run(state: &State, tenant: &str, query: &Query, range: &Range) -> Value {
    let mut found: Vec<&Entry> = state
        .entries
        .iter()
        .filter(|entry| entry.tenant.as_deref().unwrap_or("fake") == tenant)
        .filter(|entry| (range.start_ns..range.end_ns).contains(&entry.timestamp_ns))
        .filter(|entry| query.selects(&entry.labels) && query.keeps(&entry.line))
        .collect();
    found.sort_by_key(|entry| entry.timestamp_ns);
    if !range.forward {
        found.reverse();
    }
    found.truncate(range.limit);
    let mut streams: Vec<(Value, Vec<Value>)> = Vec::new();
    for entry in found {
        // Structured metadata are labels of the result, as in Loki.
        let mut labels = json!(entry.labels);
        for (name, value) in &entry.metadata {
            labels[name] = json!(value);
        }
        let value = json!([entry.timestamp_ns.to_string(), String::from_utf8_lossy(&entry.line)]);
        match streams.iter_mut().find(|(known, _)| *known == labels) {
            Some((_, values)) => values.push(value),
            None => streams.push((labels, vec![value])),
        }
    }
    let result: Vec<Value> =
        streams.into_iter().map(|(stream, values)| json!({"stream": stream, "values": values})).collect();
    json!({"status": "success", "data": {"resultType": "streams", "result": result, "stats": {}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_follow_the_selector() {
        let query = Query::parse(r#"{job="a"} |= "err" != `x"y` |~ "c[0-9]" !~ "zz""#).unwrap();
        assert!(query.keeps(b"err c1"));
        for line in ["c1", "err x\"y c1", "err c", "err c1 zz"] {
            assert!(!query.keeps(line.as_bytes()), "{line}");
        }
        assert!(Query::parse(r#"{job="a"} | json"#).is_err_and(|error| error.contains("line filters")));
    }
}
