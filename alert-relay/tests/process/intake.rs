//! What is answered to whom.

use rustix::process::Signal;
use stack_tests::patience::await_condition;

use crate::fixture::{CONFIG, Relay, TOKEN, recording};

#[test]
fn an_alert_that_was_answered_with_200_survives_sigkill() {
    let mut relay = Relay::started();
    let body = recording("webhook/01-firing-single.json");
    assert_eq!(relay.post("/v1/alertmanager", TOKEN, &body).unwrap(), 200);
    relay.kill();
    let dump = relay.dump();
    let row = dump.lines().find(|line| line.starts_with("{\"table\":\"alerts\""));
    assert!(row.is_some_and(|row| row.contains("ModelPredictionFailure")), "{dump}");
    assert!(dump.contains("\"event\":\"received\""), "{dump}");
    let (code, text) = relay.run(&["journal", "verify"]);
    assert!(code == 0 && text.ends_with(" 0 damaged\n"), "{text}");
}

#[test]
fn every_recording_of_a_webhook_is_taken_but_the_one_that_is_none() {
    let mut relay = Relay::started();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/conformance/alertmanager/webhook");
    let mut taken = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = format!("webhook/{}", entry.unwrap().file_name().display());
        let status = relay.post("/v1/alertmanager", TOKEN, &recording(&name)).unwrap();
        let expected = if name.contains("custom-payload") { 400 } else { 200 };
        assert_eq!(status, expected, "{name}");
        taken += 1;
    }
    assert!(taken >= 40, "{taken}");
    let page = relay.get("/metrics").body;
    assert!(page.contains("source=\"alertmanager\",result=\"invalid\"} 1\n"), "{page}");
    assert!(page.contains("alert_relay_journal_writable 1\n"), "{page}");
    assert!(page.contains("alert_relay_refused_bodies 1\n"), "{page}");
    assert_eq!(relay.stop(), 0);
    assert!(relay.dump().contains("{\"refused\":{"));
}

#[test]
fn wrong_requests_are_answered_as_the_sender_needs_it() {
    let mut relay = Relay::started();
    let body = recording("webhook/04-firing-grouped-5.json");
    let bearer = "Authorization: Bearer wr0ng\r\n";
    assert_eq!(relay.post("/v1/alertmanager", bearer, &body).unwrap(), 401);
    assert_eq!(relay.post("/v1/alertmanager", "", &body).unwrap(), 401);
    assert_eq!(relay.post("/v1/alertmanager", TOKEN, b"{\"version\":\"4\"}").unwrap(), 400);
    assert_eq!(relay.post("/v1/alertmanager/", TOKEN, &body).unwrap(), 404, "and no redirect");
    assert_eq!(relay.post("/v1/heartbeat/prometheus", TOKEN, b"").unwrap(), 200);
    let whole = body.len();
    let cut = relay.post_of_length("/v1/alertmanager", TOKEN, &body[..whole / 2], whole);
    assert!(!cut.is_ok_and(|status| status == 200));
    // One hundred kilobytes are over the limit of this configuration.
    let alert = format!(
        r#"{{"status":"firing","labels":{{"alertname":"Large","pad":"{}"}}}}"#,
        "x".repeat(9_000)
    );
    let large = format!(r#"{{"version":"4","alerts":[{}]}}"#, [alert.as_str(); 11].join(","));
    assert_eq!(relay.post("/v1/alertmanager", TOKEN, large.as_bytes()).unwrap(), 200);
    assert_eq!(relay.stop(), 0);
    let dump = relay.dump();
    assert!(dump.contains("AlertRelayBodyTooLarge") && dump.contains("\"Large\""), "{dump}");
    assert!(!dump.contains("s3cret") && !relay.log().contains("s3cret"));
}

#[test]
fn a_bad_configuration_keeps_the_one_before_and_a_good_one_is_taken_over() {
    let mut relay = Relay::started();
    let file = relay.folder.path().join("relay.yml");
    std::fs::write(&file, format!("{CONFIG}\nrouts: []\n")).unwrap();
    assert_eq!(relay.post("/-/reload", "", b"").unwrap(), 500);
    assert!(relay.log().contains("`routs`"), "{}", relay.log());
    let page = relay.get("/metrics").body;
    assert!(page.contains("alert_relay_config_last_reload_success 0\n"), "{page}");
    assert_eq!(relay.alert("A").unwrap(), 200);
    std::fs::write(&file, CONFIG.replace("[token]", "[other]")).unwrap();
    std::fs::write(relay.folder.path().join("other"), "0ther").unwrap();
    relay.signal(Signal::HUP);
    await_condition("the other token is accepted", || {
        let bearer = "Authorization: Bearer 0ther\r\n";
        relay.post("/v1/heartbeat/prometheus", bearer, b"").is_ok_and(|status| status == 200)
    });
    assert_eq!(relay.alert("A").unwrap(), 401);
    assert_eq!(relay.stop(), 0);
    assert_eq!(relay.dump().matches("\"event\":\"configured\"").count(), 2);
}

#[test]
fn while_the_journal_cannot_be_opened_critical_alerts_page_without_it() {
    let mut relay = Relay::new();
    // A file where the folder of the journal should be.
    std::fs::write(relay.folder.path().join("data"), "").unwrap();
    relay.start_unready();
    assert_eq!(relay.get("/-/ready").status, 503);
    assert_eq!(relay.get("/-/healthy").status, 200, "a restart would not help");
    assert_eq!(relay.alert("A").unwrap(), 503);
    assert_eq!(relay.alert("A").unwrap(), 503);
    assert_eq!(relay.lines("emergency").len(), 1, "the repeat does not page again");
    std::fs::remove_file(relay.folder.path().join("data")).unwrap();
    await_condition("the journal is there", || relay.get("/-/ready").status == 200);
    assert_eq!(relay.alert("A").unwrap(), 200);
    await_condition("it is sent", || relay.lines("sent").len() == 1);
    assert_eq!(
        relay.lines("sent"),
        relay.lines("emergency"),
        "one key: PagerDuty takes it for one"
    );
    assert_eq!(relay.stop(), 0);
}
