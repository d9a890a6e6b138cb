//! What PagerDuty refuses in an event, after its documentation; its published schema has no lengths.

use serde_json::Value;

/// Bytes of a body.
pub(super) const MAX_BODY: usize = 512 << 10;

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value[name].as_str().filter(|text| !text.is_empty())
}

fn check_key(event: &Value, name: &str, problems: &mut Vec<String>) {
    if text(event, name).is_none_or(|key| key.chars().count() != 32) {
        problems.push(format!("'{name}' must be 32 characters"));
    }
}

fn check_length(value: &Value, name: &str, max: usize, problems: &mut Vec<String>) {
    if value[name].as_str().is_some_and(|text| text.chars().count() > max) {
        problems.push(format!("'{name}' is too long (maximum is {max} characters)"));
    }
}

/// Of an event of version 2; none if it is accepted.
pub fn problems_of_v2(event: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    check_key(event, "routing_key", &mut problems);
    check_length(event, "dedup_key", 255, &mut problems);
    let action = event["event_action"].as_str().unwrap_or_default();
    match action {
        "trigger" => check_payload(&event["payload"], &mut problems),
        "acknowledge" | "resolve" if text(event, "dedup_key").is_none() => {
            problems.push("'dedup_key' is missing or blank".to_owned());
        }
        "acknowledge" | "resolve" => {}
        _ => {
            problems.push("'event_action' must be one of trigger, acknowledge, resolve".to_owned());
        }
    }
    for (list, wanted) in [("links", "href"), ("images", "src")] {
        let entries = event[list].as_array().into_iter().flatten();
        let is_bad = entries.filter(|entry| text(entry, wanted).is_none()).count() > 0;
        if is_bad || !(event[list].is_array() || event[list].is_null()) {
            problems.push(format!("'{list}' must have '{wanted}'"));
        }
    }
    problems
}

fn check_payload(payload: &Value, problems: &mut Vec<String>) {
    for name in ["summary", "source", "severity"] {
        if text(payload, name).is_none() {
            problems.push(format!("'payload.{name}' is missing or blank"));
        }
    }
    check_length(payload, "summary", 1_024, problems);
    let severities = ["critical", "error", "warning", "info"];
    if payload["severity"].as_str().is_some_and(|severity| !severities.contains(&severity)) {
        problems.push("'payload.severity' is invalid".to_owned());
    }
    let details = &payload["custom_details"];
    if !(details.is_null() || details.is_object()) {
        problems.push("'payload.custom_details' must be an object".to_owned());
    }
    let time = payload["timestamp"].as_str().map(str::parse::<jiff::Timestamp>);
    if time.is_some_and(|time| time.is_err()) {
        problems.push("'payload.timestamp' must be ISO 8601".to_owned());
    }
}

/// Of an event of version 1.
pub fn problems_of_v1(event: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    check_key(event, "service_key", &mut problems);
    check_length(event, "incident_key", 255, &mut problems);
    match event["event_type"].as_str().unwrap_or_default() {
        "trigger" => {
            if text(event, "description").is_none() {
                problems.push("'description' is missing or blank".to_owned());
            }
            check_length(event, "description", 1_024, &mut problems);
        }
        "acknowledge" | "resolve" => {
            if text(event, "incident_key").is_none() {
                problems.push("'incident_key' is missing or blank".to_owned());
            }
        }
        _ => problems.push("'event_type' must be one of trigger, acknowledge, resolve".to_owned()),
    }
    problems
}
