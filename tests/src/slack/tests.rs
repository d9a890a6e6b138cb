use serde_json::json;

use super::*;
use crate::faulty_server::post;

fn call(slack: &Slack, method: &str, body: &Value) -> (u16, Value) {
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("Content-Type", "application/json"), ("Authorization", authorization.as_str())];
    let url = format!("{}{method}", slack.api());
    let (status, text) = post(&url, &headers, &body.to_string()).unwrap();
    (status, serde_json::from_str(&text).unwrap())
}

fn error(slack: &Slack, method: &str, body: &Value) -> Value {
    call(slack, method, body).1["error"].clone()
}

#[test]
fn a_message_is_posted_edited_answered_and_found() {
    let slack = Slack::local(&["alerts"]);
    let metadata = json!({"event_type": "x", "event_payload": {"delivery": "7"}});
    let body = json!({"channel": "#alerts", "text": "a &lt;b&gt;", "metadata": metadata});
    let (_, first) = call(&slack, "chat.postMessage", &body);
    let (id, ts) = (&first["channel"], &first["ts"]);
    assert_eq!(id.as_str(), slack.id("alerts").as_deref());
    let edit = json!({"channel": id, "ts": ts, "text": "c"});
    assert_eq!(call(&slack, "chat.update", &edit).1["ok"], true);
    let by_name = json!({"channel": "alerts", "ts": ts, "text": "c"});
    assert_eq!(error(&slack, "chat.update", &by_name), "channel_not_found");
    let reply = json!({"channel": id, "text": "in the thread", "thread_ts": ts});
    assert_ne!(call(&slack, "chat.postMessage", &reply).1["ts"], *ts);
    let ask = json!({"channel": id, "include_all_metadata": true});
    let (_, history) = call(&slack, "conversations.history", &ask);
    assert_eq!(history["messages"][0]["metadata"], metadata);
    assert_eq!(history["messages"].as_array().unwrap().len(), 1);
    let top = slack.top("alerts");
    assert_eq!((top.len(), top[0].edits, top[0].shown().as_str()), (1, 1, "c"));
    assert_eq!(slack.messages("alerts").len(), 2);
}

#[test]
fn what_an_edit_does_not_name_stays() {
    let slack = Slack::local(&["alerts"]);
    let attachments = json!([{"color": "#fff", "blocks": []}]);
    let body = json!({"channel": "alerts", "text": "a", "attachments": attachments});
    let (_, first) = call(&slack, "chat.postMessage", &body);
    let mut edit = json!({"channel": first["channel"], "ts": first["ts"], "text": "b"});
    call(&slack, "chat.update", &edit);
    assert_eq!(slack.top("alerts")[0].attachments, attachments);
    edit["attachments"] = json!([]);
    call(&slack, "chat.update", &edit);
    assert_eq!(slack.top("alerts")[0].attachments, json!([]));
}

#[test]
fn credentials_and_channels_are_looked_at() {
    let slack = Slack::local(&["alerts"]);
    let body = json!({"channel": "nowhere", "text": "a"});
    assert_eq!(error(&slack, "chat.postMessage", &body), "channel_not_found");
    slack.archive("alerts");
    let body = json!({"channel": "alerts", "text": "a"});
    assert_eq!(error(&slack, "chat.postMessage", &body), "is_archived");
    slack.set_token("xoxb-other");
    assert_eq!(error(&slack, "auth.test", &json!({})), "invalid_auth");
    let (status, text) = post(&format!("{}auth.test", slack.api()), &[], "").unwrap();
    assert_eq!((status, text.contains("not_authed")), (200, true));
}

#[test]
fn messages_over_a_limit_are_refused_by_name() {
    let section = |length: usize| json!({"type": "section", "text": {"type": "plain_text", "text": "x".repeat(length)}});
    let of = |blocks: Vec<Value>| {
        problem_of(&json!({"text": "a", "attachments": [{"blocks": blocks}]}), false)
    };
    let field = json!({"type": "mrkdwn", "text": "x".repeat(2_001)});
    let button = |id: &str| json!({"type": "button", "text": {"type": "plain_text", "text": "x"}, "action_id": id});
    let header = json!({"type": "header", "text": {"type": "plain_text", "text": "x".repeat(151)}});
    let context =
        json!({"type": "context", "elements": vec![json!({"type": "mrkdwn", "text": "x"}); 11]});
    assert_eq!(of(vec![section(3_000)]), None);
    assert_eq!(of(vec![section(3_001)]), Some("invalid_blocks"));
    assert_eq!(of(vec![section(0)]), Some("invalid_blocks"));
    assert_eq!(of(vec![section(1); 51]), Some("invalid_blocks"));
    assert_eq!(of(vec![json!({"type": "section", "fields": [field]})]), Some("invalid_blocks"));
    assert_eq!(of(vec![header]), Some("invalid_blocks"));
    assert_eq!(of(vec![context]), Some("invalid_blocks"));
    let two = json!({"type": "actions", "elements": [button("a"), button("a")]});
    assert_eq!(of(vec![two]), Some("invalid_blocks"));
    // each of them is within its limit
    assert_eq!(of(vec![section(2_900); 5]), Some("msg_blocks_too_long"));
    assert_eq!(problem_of(&json!({"text": " "}), false), Some("no_text"));
    let long = json!({"text": "x".repeat(4_001)});
    assert_eq!((problem_of(&long, false), problem_of(&long, true)), (None, Some("msg_too_long")));
    let many = json!({"text": "a", "attachments": vec![json!({}); 101]});
    assert_eq!(problem_of(&many, false), Some("too_many_attachments"));
}

#[test]
fn a_channel_takes_one_message_a_second() {
    let slack = Slack::local(&["alerts"]);
    slack.limit_rates(true);
    let body = json!({"channel": "alerts", "text": "a"});
    let statuses: Vec<_> = (0..6).map(|_| call(&slack, "chat.postMessage", &body).0).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    assert_eq!(slack.messages("alerts").len(), 5);
}

#[test]
fn an_incoming_webhook_says_ok_and_little_else() {
    let slack = Slack::local(&["alerts"]);
    let send = |channel: &str, body: &str| {
        post(&slack.webhook(channel), &[("Content-Type", "application/json")], body).unwrap()
    };
    assert_eq!(send("alerts", r#"{"text": "a"}"#), (200, "ok".to_owned()));
    assert_eq!(send("alerts", "{"), (400, "invalid_payload".to_owned()));
    assert_eq!(send("nowhere", "{}"), (404, "no_service".to_owned()));
    // what Alertmanager sends is accepted
    for name in ["firing", "resolved"] {
        let path = format!(
            "{}/conformance/alertmanager/alertmanager-outgoing/slack-webhook-{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let recorded = std::fs::read_to_string(path).unwrap();
        assert_eq!(send("alerts", &recorded), (200, "ok".to_owned()));
    }
    let form = "payload=%7B%22text%22%3A%22b%22%7D";
    assert_eq!(post(&slack.webhook("alerts"), &[], form).unwrap().0, 200);
    assert_eq!(slack.top("alerts").last().unwrap().text, "b");
}

#[test]
fn an_error_is_given_before_or_after_the_message_is_posted() {
    let slack = Slack::local(&["alerts"]);
    let body = json!({"channel": "alerts", "text": "a"});
    slack.refuse("chat.postMessage", "internal_error", true);
    slack.refuse("chat.postMessage", "service_unavailable", false);
    assert_eq!(error(&slack, "chat.postMessage", &body), "internal_error");
    assert_eq!(error(&slack, "chat.postMessage", &body), "service_unavailable");
    slack.script([Fault::CloseEarly, Fault::CloseLate, Fault::Truncated, Fault::Html]);
    let send = || post(&format!("{}auth.test", slack.api()), &[], "");
    assert!(send().is_err() && send().is_err());
    assert!(serde_json::from_str::<Value>(&send().unwrap().1).is_err());
    assert!(send().unwrap().1.contains("<html>"));
    assert_eq!(slack.messages("alerts").len(), 1);
}
