//! The first difference between what Promtail did and what came now.
//!
//! What has no order (streams among each other, samples, requests of the Kubernetes API) is sorted
//! on both sides by the same rule before it is compared; nothing else is ever changed.

use serde_json::{Map, Value};

/// The first difference, as a path and two values; `None` if there is none.
pub(super) fn first_difference(expected: &Value, found: &Value, unordered: bool) -> Option<String> {
    let (expected, found) = (normalised(expected, unordered), normalised(found, unordered));
    // First what names a cause; the rest would only be its consequence.
    for key in ["accepted", "sink_errors", "streams"] {
        match (expected.get(key), found.get(key)) {
            (Some(expected), Some(found)) => {
                if let Some(difference) = difference(expected, found, key) {
                    return Some(difference);
                }
            }
            (None, Some(surplus)) => return Some(format!("{key}: unexpected {}", short(surplus))),
            (Some(_), None) => return Some(format!("{key}: missing")),
            (None, None) => {}
        }
    }
    object_difference(&expected, &found, "")
}

fn normalised(value: &Value, unordered: bool) -> Map<String, Value> {
    let mut value = value.as_object().cloned().unwrap_or_default();
    // How much had come before the stop says how long to wait, not what is right.
    value.remove("entries_before_stop");
    if let Some(Value::Array(streams)) = value.get_mut("streams") {
        if unordered {
            for entries in streams.iter_mut().filter_map(|stream| stream.get_mut("entries")) {
                sort(entries);
            }
        }
        streams.sort_by_cached_key(|stream| {
            ["client", "tenant", "labels"].map(|key| canonical(stream.get(key)))
        });
    }
    if let Some(samples) = value.get_mut("metrics").and_then(|metrics| metrics.get_mut("samples")) {
        for sample in samples.as_array_mut().into_iter().flatten() {
            if let Some(bound) = sample.pointer_mut("/1/le") {
                respell(bound);
            }
            if let Some(number) = sample.get_mut(2) {
                respell(number);
            }
        }
        sort(samples);
    }
    if let Some(requests) = value.get_mut("kube_requests") {
        sort(requests);
    }
    value
}

fn sort(list: &mut Value) {
    if let Value::Array(items) = list {
        items.sort_by_cached_key(|item| canonical(Some(item)));
    }
}

/// One spelling per value: object keys sorted.
fn canonical(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(value) => {
            let mut value = value.clone();
            value.sort_all_objects();
            value.to_string()
        }
    }
}

/// One spelling per number, whoever wrote it: `1`, `0.25`, `inf`, `NaN`.
fn respell(number: &mut Value) {
    if let Some(parsed) = number.as_str().and_then(|text| text.parse::<f64>().ok()) {
        *number = Value::String(parsed.to_string());
    }
}

fn difference(expected: &Value, found: &Value, place: &str) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            object_difference(expected, found, place)
        }
        (Value::Array(expected), Value::Array(found)) => array_difference(expected, found, place),
        _ if expected == found => None,
        _ => Some(format!("{place}: wanted {}, got {}", short(expected), short(found))),
    }
}

fn object_difference(
    expected: &Map<String, Value>,
    found: &Map<String, Value>,
    place: &str,
) -> Option<String> {
    for (key, wanted) in expected {
        let place = format!("{place}/{key}");
        match found.get(key) {
            None => return Some(format!("{place}: missing, wanted {}", short(wanted))),
            Some(found) => {
                if let Some(difference) = difference(wanted, found, &place) {
                    return Some(difference);
                }
            }
        }
    }
    let surplus = found.iter().find(|(key, _)| !expected.contains_key(*key));
    surplus.map(|(key, value)| format!("{place}/{key}: unexpected {}", short(value)))
}

fn array_difference(expected: &[Value], found: &[Value], place: &str) -> Option<String> {
    let differs = expected
        .iter()
        .zip(found)
        .enumerate()
        .find_map(|(at, (wanted, got))| difference(wanted, got, &format!("{place}[{at}]")));
    if differs.is_some() || expected.len() == found.len() {
        return differs;
    }
    let (kind, first) = match found.get(expected.len()) {
        Some(surplus) => ("surplus", surplus),
        None => ("missing", &expected[found.len()]),
    };
    let (have, want) = (found.len(), expected.len());
    Some(format!("{place}: {have} instead of {want}, first {kind} one: {}", short(first)))
}

/// A value on one line, cut where it gets long.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(157) {
        Some((cut, _)) if text.chars().count() > 160 => format!("{}...", &text[..cut]),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_of_streams_and_spelling_of_numbers_do_not_matter() {
        let expected = json!({"streams": [{"labels": {"a": "1", "b": "2"}}, {"labels": {"a": "2"}}],
            "metrics": {"samples": [["x", {"le": "+Inf"}, "1"], ["x", {"le": "0.5"}, "1e-07"]]}});
        let found = json!({"streams": [{"labels": {"a": "2"}}, {"labels": {"b": "2", "a": "1"}}],
            "metrics": {"samples": [["x", {"le": "0.50"}, "0.0000001"], ["x", {"le": "inf"}, "1.0"]]}});
        assert_eq!(first_difference(&expected, &found, false), None);
    }

    #[test]
    fn order_of_entries_matters_unless_the_case_says_otherwise() {
        let case = |entries: Value| json!({"streams": [{"labels": {}, "entries": entries}]});
        let (expected, found) = (case(json!(["a", "b"])), case(json!(["b", "a"])));
        assert_eq!(
            first_difference(&expected, &found, false).unwrap(),
            r#"streams[0]/entries[0]: wanted "a", got "b""#
        );
        assert_eq!(first_difference(&expected, &found, true), None);
    }

    #[test]
    fn missing_surplus_and_mistyped_values_are_found() {
        for (expected, found, message) in [
            (json!({"a": 1}), json!({}), "/a: missing, wanted 1"),
            (json!({}), json!({"a": 1}), "/a: unexpected 1"),
            (json!({"a": 1}), json!({"a": "1"}), r#"/a: wanted 1, got "1""#),
            (json!({"a": [1, 2]}), json!({"a": [1]}), "/a: 1 instead of 2, first missing one: 2"),
            (json!({"a": []}), json!({"a": [3]}), "/a: 1 instead of 0, first surplus one: 3"),
            (json!({}), json!({"sink_errors": ["x"]}), r#"sink_errors: unexpected ["x"]"#),
        ] {
            assert_eq!(first_difference(&expected, &found, false).as_deref(), Some(message));
        }
    }

    #[test]
    fn how_much_came_before_the_stop_is_not_compared() {
        let (expected, found) = (json!({"entries_before_stop": 1}), json!({}));
        assert_eq!(first_difference(&expected, &found, false), None);
    }
}
