//! PagerDuty and webhooks.

use stack_tests::http_peer::HttpPeer;
use stack_tests::test_authority::TestAuthority;

use super::*;

pub(super) const KEY: &str = "R0UTINGKEYR0UTINGKEYR0UTINGKEY00";

fn pager_worker(desk: &Desk, pager: &PagerDuty, version: &str) -> Arc<Worker> {
    let key = desk.secret("key", KEY);
    desk.worker(&format!(
        "pagerduty: {{{version}_key_file: {}, url: '{}'}}",
        key.display(),
        pager.url()
    ))
}

#[tokio::test]
async fn an_incident_is_one_alert_that_wakes_once_and_again_when_it_gets_worse() {
    for version in ["routing", "service"] {
        let (mut desk, pager) = (Desk::new(), PagerDuty::local());
        let worker = pager_worker(&desk, &pager, version);
        assert!(is_accepted(&desk.send(&worker, Kind::Open).await));
        assert!(is_accepted(&desk.send(&worker, Kind::Update).await));
        assert_eq!((pager.woken(), pager.alerts()[0].log.len()), (1, 2));
        desk.incident.announced = 20;
        assert!(is_accepted(&desk.send(&worker, Kind::Escalate).await));
        assert!(is_accepted(&desk.send(&worker, Kind::Escalate).await));
        assert_eq!((pager.woken(), pager.open().len()), (2, 1), "the old one is resolved");
        assert!(is_accepted(&desk.send(&worker, Kind::Acknowledge).await));
        assert_eq!(pager.open()[0].status, Status::Acknowledged);
        assert!(is_accepted(&desk.send(&worker, Kind::Resolve).await));
        assert_eq!((pager.woken(), pager.open().len()), (2, 0));
        assert_eq!(desk.incident.receipts["d"].sequence, 6);
    }
}

#[tokio::test]
async fn an_incident_ends_with_the_key_that_it_was_opened_with() {
    let (mut desk, pager) = (Desk::new(), PagerDuty::local());
    let worker = pager_worker(&desk, &pager, "routing");
    desk.send(&worker, Kind::Open).await;
    desk.secret("key", &"N".repeat(32));
    assert!(is_accepted(&desk.send(&worker, Kind::Resolve).await));
    assert!(pager.open().is_empty());
    // a new one goes with the new key
    desk.incident.receipts.clear();
    desk.incident.id.number += 1;
    desk.send(&worker, Kind::Open).await;
    assert_eq!(pager.open()[0].routing_key, "N".repeat(32));
}

#[tokio::test]
async fn each_answer_of_pagerduty_is_understood() {
    let (mut desk, pager) = (Desk::new(), PagerDuty::local());
    let worker = pager_worker(&desk, &pager, "routing");
    pager.accept_only(&[]);
    let answer = desk.send(&worker, Kind::Open).await;
    assert!(matches!(&answer, Answer::Broken { .. }), "{answer:?}");
    pager.accept_only(&[KEY]);
    let refusal = format!(r#"{{"status":"invalid event","errors":["bad {KEY}"]}}"#);
    pager.script([
        Fault::Status(400, None, refusal),
        Fault::Status(503, None, "busy".to_owned()),
        Fault::Html,
        Fault::CloseEarly,
        Fault::CloseLate,
        Fault::Truncated,
    ]);
    let answer = desk.send(&worker, Kind::Open).await;
    assert!(matches!(&answer, Answer::Refused { .. }), "{answer:?}");
    assert!(!problem(&answer).contains(KEY) && problem(&answer).contains("invalid event"));
    for fault in ["503", "page", "early", "late"] {
        let answer = desk.send(&worker, Kind::Open).await;
        assert!(matches!(&answer, Answer::Retry { .. }), "{fault}: {answer:?}");
        assert!(!problem(&answer).contains("127.0.0.1"), "no URL: {answer:?}");
    }
    let _half = desk.send(&worker, Kind::Open).await;
    assert!(is_accepted(&desk.send(&worker, Kind::Open).await));
    assert_eq!(pager.woken(), 1, "whatever was processed twice has one key");
    pager.script([Fault::Status(429, Some(20), "slow".to_owned())]);
    let before = Moment::now();
    let Answer::Retry { not_before, is_ambiguous, .. } = desk.send(&worker, Kind::Update).await
    else {
        panic!("429 is tried again");
    };
    assert!(!is_ambiguous && not_before >= before.after(Duration::from_secs(20)));
}

#[tokio::test]
async fn a_destination_without_its_key_or_without_a_server_is_tried_again() {
    let mut desk = Desk::new();
    let worker = desk.worker("pagerduty: {routing_key_file: /nonexistent/key}");
    let answer = desk.send(&worker, Kind::Open).await;
    assert!(matches!(&answer, Answer::Broken { .. }));
    assert_eq!(problem(&answer), "cannot read the secret file /nonexistent/key");
    let key = desk.secret("key", KEY);
    let gone = PagerDuty::local().url();
    let worker =
        desk.worker(&format!("pagerduty: {{routing_key_file: {}, url: '{gone}'}}", key.display()));
    let answer = desk.send(&worker, Kind::Open).await;
    assert!(matches!(&answer, Answer::Retry { is_ambiguous: false, .. }), "{answer:?}");
}

#[tokio::test]
async fn messages_about_the_relay_page_too() {
    let (mut desk, pager) = (Desk::new(), PagerDuty::local());
    let worker = pager_worker(&desk, &pager, "routing");
    let mut job = desk.job(Kind::Internal);
    job.incidents.clear();
    "monitoring is blind".clone_into(&mut job.delivery.text);
    for _ in 0..2 {
        assert!(is_accepted(&worker.attempt(&job).await));
    }
    assert_eq!(pager.woken(), 1);
    assert_eq!(pager.alerts()[0].summary, "alert-relay: monitoring is blind");
}

#[tokio::test]
async fn a_program_gets_json_over_tls_with_a_key_against_repetition() {
    let mut desk = Desk::new();
    let authority = TestAuthority::new();
    let ca = desk.secret("ca", &authority.pem());
    let token = desk.secret("token", "hunter2");
    let tls = authority.server(&["localhost"], false, rustls::ALL_VERSIONS);
    let peer = HttpPeer::contented(Some(tls)).await;
    let url = format!("https://localhost:{}/hook", peer.address().port());
    let worker = |extra: &str| {
        desk.worker(&format!(
            "webhook: {{url: '{url}', bearer_token_file: {}{extra}}}",
            token.display()
        ))
    };
    let (trusting, strict) = (worker(&format!(", ca_file: {}", ca.display())), worker(""));
    let refused = desk.send(&strict, Kind::Open).await;
    assert!(matches!(&refused, Answer::Retry { .. }), "{refused:?}");
    assert!(is_accepted(&desk.send(&trusting, Kind::Open).await));
    let seen = peer.seen().remove(0);
    assert_eq!(seen.header("idempotency-key"), "2");
    assert_eq!(seen.header("authorization"), "Bearer hunter2");
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body["incidents"][0]["name"], "GpuDown");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut desk = Desk::new();
    let peer = HttpPeer::start(None, |_| (307, "text/plain", String::new())).await;
    let worker = desk.worker(&format!("webhook: {{url: 'http://{}/'}}", peer.address()));
    let answer = desk.send(&worker, Kind::Open).await;
    assert!(matches!(&answer, Answer::Broken { .. }), "{answer:?}");
    assert_eq!(peer.seen().len(), 1);
}
