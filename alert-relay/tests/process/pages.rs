//! From an alert to who is woken, with the program as it is shipped.

use jiff::Timestamp;
use serde_json::json;
use stack_tests::alertmanager::Alertmanager;
use stack_tests::pagerduty::{PagerDuty, Status};
use stack_tests::patience::PATIENCE;

use crate::fixture::{Relay, TOKEN, recording};

fn config(pager: &PagerDuty) -> String {
    format!(
        "
receive: {{bearer_token_files: [token]}}
destinations: [{{name: oncall, pagerduty: {{routing_key_file: key, url: '{}'}}}}]
routes: [{{destinations: [oncall]}}]
",
        pager.url()
    )
}

fn post(relay: &Relay, name: &str) {
    let status = relay.post("/v1/alertmanager", TOKEN, &recording(name));
    assert_eq!(status.expect("it answers"), 200, "{}", relay.log());
}

fn await_pager(pager: &PagerDuty, relay: &Relay, open: usize, woken: usize) {
    let came = pager.wait_for(PATIENCE, |alerts| {
        let resolved = alerts.iter().filter(|alert| alert.status == Status::Resolved).count();
        alerts.len() == woken && alerts.len() - resolved == open
    });
    assert!(came, "{:#?}\n{}", pager.alerts(), relay.log());
}

#[test]
fn a_critical_alert_wakes_somebody_once_over_a_kill_and_is_resolved() {
    let pager = PagerDuty::local();
    let mut relay = Relay::real(&config(&pager));
    post(&relay, "webhook/01-firing-single.json");
    await_pager(&pager, &relay, 1, 1);
    assert!(pager.alerts()[0].summary.contains("ModelPredictionFailure"), "{:?}", pager.alerts());
    relay.kill();
    relay.await_end();
    relay.start(&[]);
    post(&relay, "webhook/01-firing-single.json");
    post(&relay, "webhook/02-resolved-single.json");
    await_pager(&pager, &relay, 0, 1);
    let page = relay.get("/");
    assert!(page.body.contains("ModelPredictionFailure"), "{}", page.body);
    assert_eq!(relay.stop(), 0, "{}", relay.log());
}

#[test]
fn what_came_before_a_kill_is_told_after_it_though_the_pager_was_away() {
    let pager = PagerDuty::local();
    pager.set_fault(Some(stack_tests::faulty_server::Fault::status(503)));
    let mut relay = Relay::real(&config(&pager));
    post(&relay, "webhook/01-firing-single.json");
    relay.kill();
    relay.await_end();
    pager.set_fault(None);
    relay.start(&[]);
    await_pager(&pager, &relay, 1, 1);
}

#[test]
fn a_real_alertmanager_wakes_somebody_through_it() {
    let pager = PagerDuty::local();
    let relay = Relay::real(&config(&pager));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let alertmanager = Alertmanager::start(
        folder.path(),
        &format!(
            "
route: {{receiver: relay, group_by: ['...'], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: relay
    webhook_configs:
      - url: {}/v1/alertmanager
        http_config: {{authorization: {{type: Bearer, credentials: s3cret}}}}
",
            relay.url()
        ),
    );
    let labels = json!({"alertname": "GpuLost", "node": "gpu-1", "severity": "critical"});
    alertmanager.post_alerts(&json!([{"labels": labels}]));
    await_pager(&pager, &relay, 1, 1);
    alertmanager.post_alerts(&json!([{"labels": labels, "endsAt": Timestamp::now().to_string()}]));
    await_pager(&pager, &relay, 0, 1);
}
