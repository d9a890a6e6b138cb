use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/alertmanager")
}

fn read(name: &str) -> Vec<u8> {
    let path = recordings().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn index() -> Vec<Value> {
    serde_json::from_slice(&read("index.json")).unwrap()
}

fn parse(body: &[u8]) -> Result<Notification, NotificationError> {
    parse_notification(body, false, &[], Moment::EPOCH)
}

#[test]
fn every_recorded_body_gives_its_alerts_with_alertmanagers_own_fingerprints() {
    let mut fingerprints = 0;
    for entry in index() {
        let name = entry["file"].as_str().unwrap();
        if !name.starts_with("webhook/") || name.contains("custom-payload") {
            continue;
        }
        let body = read(name);
        let told: Value = serde_json::from_slice(&body).unwrap();
        let notification = parse(&body).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(notification.rejected.is_empty(), "{name}: {:?}", notification.rejected);
        let facts = &entry["facts"];
        let firing = notification.alerts.iter().filter(|alert| alert.is_firing()).count();
        let counted = [
            ("alerts", notification.alerts.len() as u64),
            ("firing", firing as u64),
            ("truncatedAlerts", notification.truncated),
        ];
        for (fact, found) in counted {
            assert_eq!(facts[fact].as_u64(), Some(found), "{name}: {fact}");
        }
        for (alert, told) in notification.alerts.iter().zip(told["alerts"].as_array().unwrap()) {
            assert_eq!(alert.fingerprint.to_string(), told["fingerprint"], "{name}");
            let labels = told["labels"].as_object().unwrap();
            assert_eq!(alert.labels.len(), labels.len(), "{name}");
            assert!(alert.labels.iter().all(|(key, value)| labels[key] == value), "{name}");
            fingerprints += 1;
        }
    }
    assert_eq!(fingerprints, 68);
}

#[test]
fn a_receivers_name_loses_its_quotes() {
    let notification = parse(&read("webhook/15-special-characters.json")).unwrap();
    assert_eq!(notification.receiver, "team.ml (eu)");
    assert_eq!(unquoted(r"a\\b\.c\d"), r"a\b.c\d");
}

#[test]
fn a_payload_of_another_form_is_refused_with_its_version() {
    let error = parse(&read("webhook/20-custom-payload.json")).unwrap_err();
    assert!(matches!(&error, NotificationError::Version { found } if found == "absent"), "{error}");
    let error = parse(br#"{"version":3,"alerts":[]}"#).unwrap_err();
    assert!(error.to_string().starts_with("version is 3, only \"4\" is accepted"), "{error}");
    assert!(matches!(parse(br#"{"version":"4"}"#), Err(NotificationError::NoAlerts)));
    for body in [&b""[..], b"[]", b"{", b"nothing", b"{\"alerts\":{}}"] {
        assert!(matches!(parse(body), Err(NotificationError::Malformed(_))), "{body:?}");
    }
}

#[test]
fn one_bad_alert_hides_no_good_one() {
    let notification = parse(
        br#"{"version":"4","alerts":[
            {"status":"firing","labels":{"alertname":"A"},"startsAt":"1970-01-01T00:00:01Z"},
            {"status":"pending","labels":{"alertname":"B"}},
            {"status":"firing","labels":{"alertname":7}},
            {"status":"resolved","labels":{"alertname":"C"},"endsAt":"0001-01-01T00:00:00Z"}]}"#,
    );
    let notification = notification.unwrap();
    let names: Vec<_> = notification.alerts.iter().map(Alert::name).collect();
    assert_eq!(names, ["A", "C"]);
    assert_eq!(notification.alerts[1].ends_at, Some(Moment::EPOCH), "now: no end was told");
    let places: Vec<_> = notification.rejected.iter().map(|one| one.index).collect();
    assert_eq!(places, [1, 2]);
    assert_eq!(notification.rejected[0].problem, "status is neither `firing` nor `resolved`");
    assert!(notification.rejected[0].body.contains("pending"));
}

#[test]
fn a_body_cut_anywhere_gives_the_alerts_that_came_whole() {
    let body = read("webhook/06-grouped-new-alert-added.json");
    let whole = parse(&body).unwrap().alerts;
    let mut most = 0;
    for length in 0..body.len() {
        let Ok(cut) = parse_notification(&body[..length], true, &[], Moment::EPOCH) else {
            assert_eq!(most, 0, "an error at {length} after alerts were read");
            continue;
        };
        assert!(cut.rejected.is_empty());
        assert!(cut.alerts.len() >= most && cut.alerts == whole[..cut.alerts.len()]);
        most = cut.alerts.len();
        assert!(parse(&body[..length]).is_err() || length + 1 == body.len(), "not told to be cut");
    }
    assert_eq!(most, whole.len());
}

#[test]
fn replicas_are_one_alert_only_where_their_label_is_ignored() {
    let body = |replica: &str| {
        format!(
            r#"{{"version":"4","alerts":[{{"status":"firing","labels":
               {{"alertname":"A","replica":"{replica}"}}}}]}}"#
        )
    };
    let identity = |replica, ignored: &[String]| {
        let body = body(replica);
        let read = parse_notification(body.as_bytes(), false, ignored, Moment::EPOCH).unwrap();
        read.alerts[0].identity
    };
    let ignored = ["replica".to_owned()];
    assert_eq!(identity("a", &ignored), identity("b", &ignored));
    assert_ne!(identity("a", &[]), identity("b", &[]));
}

#[test]
fn prometheus_and_alertmanager_tell_one_identity() {
    let told = parse(&read("webhook/29-prometheus-firing.json")).unwrap().alerts;
    let posted = read("prometheus-v2-api/01-firing.json");
    let five_minutes = std::time::Duration::from_mins(5);
    let posted = crate::alert::parse_alerts(&posted, &[], five_minutes, Moment::EPOCH).unwrap();
    assert_eq!(told[0].identity, posted.alerts[0].0.identity);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200), cut: bool) {
        let _ = parse_notification(&body, cut, &[], Moment::EPOCH);
    }
}
