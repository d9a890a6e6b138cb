//! The alerts of each key, and what an event does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::rules::{MAX_BODY, problems_of_v1, problems_of_v2};
use crate::faulty_server::{Answer, Request, Service, Window};

/// Where an alert is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Somebody was woken.
    Triggered,
    /// Somebody looks at it.
    Acknowledged,
    /// It is over.
    Resolved,
}

/// An alert, from a trigger to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Routing or service key.
    pub routing_key: String,
    /// Its key.
    pub dedup_key: String,
    /// Where it is.
    pub status: Status,
    /// What whoever is woken reads.
    pub summary: String,
    /// `critical`, `error`, `warning`, `info`; empty in version 1.
    pub severity: String,
    /// Every event that was taken for it.
    pub log: Vec<Value>,
}

#[derive(Debug)]
pub(crate) struct Account {
    pub(super) alerts: Vec<Alert>,
    pub(super) keys: Option<BTreeSet<String>>,
    pub(super) limit: usize,
    windows: BTreeMap<String, Window>,
    generated: u32,
}

impl Default for Account {
    fn default() -> Self {
        Self { alerts: Vec::new(), keys: None, limit: 120, windows: BTreeMap::new(), generated: 0 }
    }
}

impl Account {
    fn take(&mut self, routing_key: &str, key: &str, action: &str, event: &Value) {
        let is_it = |alert: &&mut Alert| {
            alert.routing_key == routing_key
                && alert.dedup_key == key
                && alert.status != Status::Resolved
        };
        let open = self.alerts.iter_mut().find(is_it);
        match (action, open) {
            ("trigger", Some(alert)) => alert.log.push(event.clone()),
            ("trigger", None) => {
                let summary = &event["payload"]["summary"];
                let summary = summary.as_str().or(event["description"].as_str());
                self.alerts.push(Alert {
                    routing_key: routing_key.to_owned(),
                    dedup_key: key.to_owned(),
                    status: Status::Triggered,
                    summary: summary.unwrap_or_default().to_owned(),
                    severity: event["payload"]["severity"].as_str().unwrap_or_default().to_owned(),
                    log: vec![event.clone()],
                });
            }
            ("acknowledge", Some(alert)) => {
                alert.status = Status::Acknowledged;
                alert.log.push(event.clone());
            }
            ("resolve", Some(alert)) => {
                alert.status = Status::Resolved;
                alert.log.push(event.clone());
            }
            // of a key that is not open: dropped
            _ => {}
        }
    }
}

impl Service for Account {
    fn answer(&mut self, request: &Request, now: Instant) -> Answer {
        let is_v2 = match request.path.as_str() {
            "/v2/enqueue" => true,
            "/generic/2010-04-15/create_event.json" => false,
            "/v2/change/enqueue" => return Answer::json(202, &json!({"status": "success"})),
            _ => return Answer::text(404, "Not Found"),
        };
        let invalid = |errors: Vec<String>| {
            let status = "invalid event";
            let body =
                json!({"status": status, "message": "Event object is invalid", "errors": errors});
            Answer::json(400, &body)
        };
        if request.body.len() > MAX_BODY {
            return Answer::text(413, "Request Entity Too Large");
        }
        let Ok(event) = serde_json::from_slice::<Value>(&request.body) else {
            return invalid(vec!["JSON cannot be parsed".to_owned()]);
        };
        let problems = if is_v2 { problems_of_v2(&event) } else { problems_of_v1(&event) };
        if !problems.is_empty() {
            return invalid(problems);
        }
        let names = if is_v2 {
            ("routing_key", "dedup_key", "event_action")
        } else {
            ("service_key", "incident_key", "event_type")
        };
        let routing_key = event[names.0].as_str().unwrap_or_default().to_owned();
        if self.keys.as_ref().is_some_and(|keys| !keys.contains(&routing_key)) {
            return Answer::json(403, &json!({"status": "invalid key"}));
        }
        let limit = self.limit;
        let window = self.windows.entry(routing_key.clone());
        let window = window.or_insert_with(|| Window::new(limit, Duration::from_mins(1)));
        if window.exceeded(now).is_some() {
            return Answer::text(if is_v2 { 429 } else { 403 }, "Rate limit exceeded");
        }
        let key = event[names.1].as_str().filter(|key| !key.is_empty()).map_or_else(
            || {
                self.generated += 1;
                format!("generated-{}", self.generated)
            },
            str::to_owned,
        );
        self.take(&routing_key, &key, event[names.2].as_str().unwrap_or_default(), &event);
        let body = json!({"status": "success", "message": "Event processed", names.1: key});
        Answer::json(if is_v2 { 202 } else { 200 }, &body)
    }
}
