use serde_json::json;
use stack_tests::alertmanager::Alertmanager as RealAlertmanager;
use stack_tests::patience::await_condition;

use super::*;
use crate::access::sample;
use crate::config::inputs::AlertmanagerPeer;

const NOW: Moment = Moment::from_millis(1_700_000_000_000);

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn an_incident_is_silenced_by_what_its_alerts_have_alike_and_no_more() {
    let mut incident = sample::incident(1, NOW);
    incident.opening_labels = labels(&[("alertname", "A"), ("node", "n1"), ("replica", "a")]);
    incident.common_labels = labels(&[("alertname", "A"), ("replica", "a")]);
    let ignored = ["replica".to_owned()];
    let names = |incident: &Incident| {
        let silence = of_incident(incident, &ignored, Length::UntilResolved, "ana", NOW).unwrap();
        silence.matchers.into_iter().map(|matcher| matcher.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&incident), ["alertname"]);
    // alerts of several names have only their node in common: that would silence too much
    incident.common_labels = labels(&[("node", "n1")]);
    assert_eq!(names(&incident), ["alertname", "node"]);
    incident.common_labels = labels(&[("node", "n1")]);
    incident.opening_labels = labels(&[("replica", "a")]);
    let none = of_incident(&incident, &ignored, Length::UntilResolved, "ana", NOW);
    assert_eq!(none, Err(SilenceError::NoLabels));
}

#[test]
fn matchers_of_the_command_line_are_those_of_alertmanager() {
    let of = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        of_matchers(&texts, Duration::from_hours(1), "ana", "deploy", NOW)
    };
    let silence = of(&["alertname=\"A\"", "node!~\"gpu-.*\""]).unwrap();
    let kinds: Vec<_> = silence.matchers.iter().map(|one| (one.is_regex, one.is_equal)).collect();
    assert_eq!(kinds, [(false, true), (true, false)]);
    assert_eq!(silence.ends_at, "2023-11-14T23:13:20.000Z");
    assert_eq!(of(&["nonsense"]), Err(SilenceError::NotAMatcher { text: "nonsense".to_owned() }));
    assert_eq!(of(&["a!=\"b\""]), Err(SilenceError::Everything));
    assert_eq!(of(&[]), Err(SilenceError::Everything));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_alertmanager_is_silenced_until_the_incident_ends() {
    let folder = tempfile::tempdir().unwrap();
    let config = "route: {receiver: r}\nreceivers: [{name: r}]\n";
    let real = RealAlertmanager::start(folder.path(), config);
    real.post_alerts(&json!([{"labels": {"alertname": "A", "node": "n\"1\n"}}]));
    let peer = AlertmanagerPeer {
        url: real.url(),
        bearer_token_file: None,
        ca_file: None,
        receivers: Vec::new(),
        interval: Duration::from_secs(15),
    };
    let silencer = Silencer::new(vec![Arc::new(Alertmanager::new(&peer).unwrap())]);
    let now = Moment::now();
    let mut incident = sample::incident(1, now);
    incident.common_labels = labels(&[("alertname", "A"), ("node", "n\"1\n")]);
    let silence = of_incident(&incident, &[], Length::UntilResolved, "ana", now).unwrap();
    let added = silencer.add(&silence).await;
    let id = added[0].1.as_ref().unwrap().clone();
    let is = |state: &str| real.get("/api/v2/alerts")[0]["status"]["state"] == state;
    await_condition("the alert is silenced", || is("suppressed"));
    let open = Arc::new(sample::Known { incidents: vec![incident.clone()], ..Default::default() });
    silencer.expire_over(&open).await;
    let listed = silencer.list().await;
    let listed = listed[0].1.as_ref().unwrap();
    assert_eq!((listed[0].id.as_ref(), listed[0].status.state.as_str()), (Some(&id), "active"));
    incident.phase = Phase::Resolved { at: now };
    let ended = Arc::new(sample::Known { incidents: vec![incident], ..Default::default() });
    silencer.expire_over(&ended).await;
    await_condition("the silence has ended", || is("active"));
    let known = |outcomes: Outcomes<bool>| *outcomes[0].1.as_ref().unwrap();
    assert!(!known(silencer.expire("no-such-silence").await));
    assert!(!known(silencer.expire("../../alerts").await));
}
