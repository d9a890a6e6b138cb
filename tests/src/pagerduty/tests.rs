use serde_json::{Value, json};

use super::*;
use crate::faulty_server::post;

const KEY: &str = "R0UTINGKEYR0UTINGKEYR0UTINGKEY00";

fn send(pager: &PagerDuty, action: &str, key: &str) -> u16 {
    let event = json!({
        "routing_key": KEY,
        "event_action": action,
        "dedup_key": key,
        "payload": {"summary": "s", "source": "x", "severity": "critical"},
    });
    post(&format!("{}/v2/enqueue", pager.url()), &[], &event.to_string()).unwrap().0
}

#[test]
fn a_trigger_on_an_open_key_wakes_nobody() {
    let pager = PagerDuty::local();
    for (action, status, woken) in [
        ("resolve", None, 0),
        ("trigger", Some(Status::Triggered), 1),
        ("trigger", Some(Status::Triggered), 1),
        ("acknowledge", Some(Status::Acknowledged), 1),
        ("trigger", Some(Status::Acknowledged), 1),
        ("resolve", Some(Status::Resolved), 1),
        ("acknowledge", Some(Status::Resolved), 1),
        ("trigger", Some(Status::Triggered), 2),
    ] {
        assert_eq!(send(&pager, action, "a"), 202);
        assert_eq!(pager.alerts().last().map(|alert| alert.status), status, "{action}");
        assert_eq!(pager.woken(), woken, "{action}");
    }
    assert_eq!(pager.open().len(), 1);
    assert_eq!(pager.alerts()[0].log.len(), 5);
}

#[test]
fn a_key_belongs_to_its_routing_key() {
    let pager = PagerDuty::local();
    send(&pager, "trigger", "a");
    let other = json!({"routing_key": "x".repeat(32), "event_action": "resolve", "dedup_key": "a"});
    post(&format!("{}/v2/enqueue", pager.url()), &[], &other.to_string()).unwrap();
    assert_eq!(pager.open().len(), 1);
}

#[test]
fn what_alertmanager_sends_is_accepted() {
    let pager = PagerDuty::local();
    for name in ["trigger", "resolve"] {
        let path = format!(
            "{}/conformance/alertmanager/alertmanager-outgoing/pagerduty-v2-{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let recorded = std::fs::read_to_string(path).unwrap();
        let (status, body) = post(&format!("{}/v2/enqueue", pager.url()), &[], &recorded).unwrap();
        assert_eq!(status, 202, "{body}");
        assert!(body.contains(r#""status":"success""#), "{body}");
    }
    assert_eq!((pager.woken(), pager.open().len()), (1, 0));
    assert_eq!(pager.alerts()[0].severity, "critical");
}

#[test]
fn each_rule_of_an_event_is_checked() {
    let good = json!({
        "routing_key": KEY,
        "event_action": "trigger",
        "payload": {"summary": "s", "source": "x", "severity": "error", "timestamp": "2026-11-24T00:00:00Z"},
        "links": [{"href": "https://x"}],
    });
    assert_eq!(problems_of_v2(&good), Vec::<String>::new());
    let with = |path: &str, value: Value| {
        let mut event = good.clone();
        *event.pointer_mut(path).unwrap() = value;
        problems_of_v2(&event)
    };
    for (path, value) in [
        ("/routing_key", json!("short")),
        ("/event_action", json!("close")),
        ("/event_action", json!("resolve")),
        ("/payload", json!(null)),
        ("/payload/summary", json!("")),
        ("/payload/summary", json!("x".repeat(1_025))),
        ("/payload/source", json!(null)),
        ("/payload/severity", json!("page")),
        ("/payload/timestamp", json!("yesterday")),
        ("/links", json!([{"text": "x"}])),
    ] {
        assert!(!with(path, value.clone()).is_empty(), "{path} {value}");
    }
    let mut long = good.clone();
    long["dedup_key"] = json!("x".repeat(256));
    assert_eq!(problems_of_v2(&long).len(), 1);
    let v1 = json!({"service_key": KEY, "event_type": "trigger", "description": "d"});
    assert_eq!(problems_of_v1(&v1), Vec::<String>::new());
    assert_eq!(problems_of_v1(&json!({"service_key": "x", "event_type": "resolve"})).len(), 2);
}

#[test]
fn a_key_has_its_rate_and_a_fault_its_answer() {
    let pager = PagerDuty::local();
    pager.limit(2);
    assert_eq!([0; 3].map(|_| send(&pager, "trigger", "a")), [202, 202, 429]);
    pager.script([Fault::Status(500, Some(3), "no".to_owned())]);
    assert_eq!(send(&pager, "trigger", "b"), 500);
    pager.accept_only(&[]);
    assert_eq!(send(&pager, "trigger", "b"), 403);
    let url = format!("{}/generic/2010-04-15/create_event.json", PagerDuty::local().url());
    assert!(post(&url, &[], "{").is_err(), "that one is gone");
    let event = json!({"service_key": KEY, "event_type": "trigger", "description": "d"});
    let fresh = PagerDuty::local();
    let url = format!("{}/generic/2010-04-15/create_event.json", fresh.url());
    assert_eq!(post(&url, &[], &event.to_string()).unwrap().0, 200);
    assert_eq!(fresh.alerts()[0].summary, "d");
}
