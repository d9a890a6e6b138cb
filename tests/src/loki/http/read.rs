//! Queries, in the form that Grafana's data source and `logcli` ask them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, Query as Parameters, State};
use axum::http::HeaderMap;
use axum::response::Response;
use prometheus_model::label_set::LabelSet;
use serde_json::{Value, json};

use super::{bad_request, json_text, success, tenant};
use crate::loki::Shared;
use crate::loki::query::{Query, Range, labels_json};
use crate::loki::store;

const HOUR_NS: i64 = 3_600_000_000_000;

/// Entries of an answer where the request names no limit, as in Loki.
const DEFAULT_LIMIT: usize = 100;

type Pairs = Parameters<Vec<(String, String)>>;

fn parameter<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn owner(headers: &HeaderMap) -> &str {
    tenant(headers).unwrap_or("fake")
}

/// Labels of the tenant's streams.
fn label_sets<'a>(state: &'a store::State, tenant: &str) -> impl Iterator<Item = &'a LabelSet> {
    let streams = state.streams().iter().filter(move |stream| stream.is_of(tenant));
    streams.map(|stream| &*stream.labels)
}

pub(super) async fn query_range(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Parameters(pairs): Pairs,
) -> Response {
    let query = parameter(&pairs, "query").ok_or_else(|| "query is missing".to_owned());
    match (query.and_then(Query::parse), range(&pairs, now_ns())) {
        (Ok(query), Ok(range)) => {
            let answer = query.run(&shared.state(), owner(&headers), &range);
            json_text(answer.to_string())
        }
        (Err(why), _) | (_, Err(why)) => bad_request(&why),
    }
}

/// Grafana asks for a sum of constants to see whether a data source works; nothing else is answered.
pub(super) async fn query(Parameters(pairs): Pairs) -> Response {
    let query: String = parameter(&pairs, "query").unwrap_or_default().split_whitespace().collect();
    if query != "vector(1)+vector(1)" {
        return bad_request("log queries are answered by query_range, and metric queries are not");
    }
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let result = json!([{"metric": {}, "value": [seconds, "2"]}]);
    success(&json!({"resultType": "vector", "result": result, "stats": {}}))
}

pub(super) async fn labels(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let state = shared.state();
    let sets = label_sets(&state, owner(&headers));
    list(sets.flat_map(LabelSet::iter).map(|(name, _)| json!(name)))
}

pub(super) async fn label_values(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let state = shared.state();
    let sets = label_sets(&state, owner(&headers));
    list(sets.filter_map(|labels| labels.get(&name)).map(|value| json!(value)))
}

pub(super) async fn series(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Parameters(pairs): Pairs,
) -> Response {
    let selectors = pairs.iter().filter(|(name, _)| matches!(name.as_str(), "match" | "match[]"));
    let queries: Result<Vec<Query>, String> =
        selectors.map(|(_, text)| Query::parse(text)).collect();
    let queries = match queries {
        Ok(queries) => queries,
        Err(why) => return bad_request(&why),
    };
    let state = shared.state();
    let selected = label_sets(&state, owner(&headers))
        .filter(|labels| queries.is_empty() || queries.iter().any(|query| query.selects(labels)));
    list(selected.map(|labels| Value::Object(labels_json(labels))))
}

/// Answers with values, sorted and each once.
fn list(values: impl Iterator<Item = Value>) -> Response {
    let mut values: Vec<Value> = values.collect();
    values.sort_by_cached_key(ToString::to_string);
    values.dedup();
    success(&Value::Array(values))
}

fn range(pairs: &[(String, String)], now_ns: i64) -> Result<Range, String> {
    let time =
        |name, default| parameter(pairs, name).map_or(Ok(default), |text| parse_time(name, text));
    let end_ns = time("end", now_ns)?;
    Ok(Range {
        end_ns,
        start_ns: time("start", end_ns.saturating_sub(HOUR_NS))?,
        limit: parameter(pairs, "limit").map_or(Ok(DEFAULT_LIMIT), |text| {
            text.parse().map_err(|_| format!("limit {text:?}: a whole number is wanted"))
        })?,
        forward: match parameter(pairs, "direction") {
            Some(text) if text.eq_ignore_ascii_case("forward") => true,
            None => false,
            Some(text) if text.eq_ignore_ascii_case("backward") => false,
            Some(other) => return Err(format!("direction {other:?}: forward or backward")),
        },
    })
}

/// Nanoseconds, seconds (also with a fraction) or RFC 3339.
fn parse_time(name: &str, text: &str) -> Result<i64, String> {
    let error = || format!("{name} {text:?}: nanoseconds, seconds or RFC 3339 are wanted");
    if let Ok(number) = text.parse::<i64>() {
        // Loki tells them apart by their length
        return Ok(if text.len() <= 10 { number.saturating_mul(1_000_000_000) } else { number });
    }
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        // a float of today's seconds is exact to some 0.2 us only; Loki rounds to milliseconds
        #[expect(clippy::cast_possible_truncation, reason = "a cast stops at the ends of i64")]
        return Ok(((seconds * 1e3).round() as i64).saturating_mul(1_000_000));
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| error())?;
    i64::try_from(time.as_nanosecond()).map_err(|_| error())
}

fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_in_all_forms_of_loki() {
        let expected = 1_700_000_000_250_000_000;
        for text in [
            "1700000000250000000",
            "1700000000.25",
            "2023-11-14T22:13:20.25Z",
            "2023-11-14T23:13:20.25+01:00",
        ] {
            assert_eq!(parse_time("start", text), Ok(expected), "{text}");
        }
        assert_eq!(parse_time("start", "1700000000"), Ok(1_700_000_000_000_000_000));
        for text in ["yesterday", "NaN", "inf", ""] {
            let error = parse_time("start", text).unwrap_err();
            assert!(error.contains(&format!("start {text:?}: nanoseconds")), "{error}");
        }
    }

    #[test]
    fn a_range_is_the_last_hour_the_latest_first() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let expected = Range { start_ns: HOUR_NS, end_ns: 2 * HOUR_NS, limit: 100, forward: false };
        assert_eq!(range(&[], 2 * HOUR_NS), Ok(expected));
        let all = pairs(&[("start", "1"), ("end", "2"), ("limit", "7"), ("direction", "FORWARD")]);
        let expected =
            Range { start_ns: 1_000_000_000, end_ns: 2_000_000_000, limit: 7, forward: true };
        assert_eq!(range(&all, 0), Ok(expected));
        assert!(range(&pairs(&[("limit", "-1")]), 0).is_err());
        assert!(range(&pairs(&[("direction", "up")]), 0).is_err());
    }
}
