//! One rule after another, as a person would tell it.

use super::*;
use crate::incident::{Feedback, Observation};

const NODE: &str = "NodeDown critical cluster=a node=n1";

#[test]
fn a_critical_alert_pages_at_once_and_its_end_is_told() {
    let mut relay = Relay::new();
    assert_eq!(kinds(&relay.fires(NODE)), [(Kind::Open, true)]);
    let incident = relay.only();
    assert_eq!((incident.entity.as_str(), incident.total), ("node=n1", 1));
    assert!(incident.is_paged && incident.phase == Phase::Open);
    assert_eq!(relay.fires(NODE), [], "a repeat");
    assert_eq!(kinds(&relay.ends(NODE)), [(Kind::Resolve, false)]);
    assert_eq!(relay.engine.open().count(), 0);
    assert_eq!(relay.ends(NODE), [], "an end that is known");
    assert_eq!(relay.ends("Other critical node=x"), [], "an end of what is not");
}

#[test]
fn a_warning_waits_for_its_cause_and_is_told_without_one() {
    let mut relay = Relay::new();
    assert_eq!(relay.fires("HighLatency warning cluster=a service=s"), []);
    assert!(matches!(relay.only().phase, Phase::Held { .. }));
    assert_eq!(relay.wait(59), []);
    assert_eq!(kinds(&relay.wait(1)), [(Kind::Open, false)]);
    let short = "Other warning cluster=a service=t";
    relay.fires(short);
    assert_eq!(relay.ends(short), []);
    assert_eq!(relay.reasons(short), [Reason::Held, Reason::EndedWhileHeld]);
}

#[test]
fn a_rise_of_the_same_entity_pages_and_goes_where_the_worse_one_goes() {
    let mut relay = Relay::new();
    let (low, full) = ("Disk warning cluster=a node=n1", "Disk critical cluster=a node=n1");
    relay.fires(low);
    relay.wait(2_400);
    assert_eq!(kinds(&relay.fires(full)), [(Kind::Escalate, true)]);
    let incident = relay.only();
    assert_eq!((incident.severity, incident.total), (Severity::Critical, 2));
    assert_eq!(incident.opening_labels["severity"], "critical");
    assert_eq!(incident.summary, full);
}

#[test]
fn effects_are_told_by_their_cause_and_stand_alone_when_it_has_ended() {
    let mut relay = Relay::new();
    relay.fires(NODE);
    relay.wait(20);
    let gpus: Vec<_> =
        (0..8).map(|gpu| format!("GpuLost critical cluster=a node=n1 gpu={gpu}")).collect();
    let pod = "PodNotReady warning cluster=a node=n1 namespace=ml pod=p";
    for alert in gpus.iter().map(String::as_str).chain([pod]) {
        relay.fires(alert);
        assert_eq!(relay.reasons(alert), [Reason::Dependency]);
    }
    assert_eq!((relay.pages(), relay.only().folded[&Reason::Dependency]), (1, 9));
    relay.ends(NODE);
    gpus.iter().skip(1).for_each(|gpu| drop(relay.ends(gpu)));
    assert_eq!(kinds(&relay.wait(299)), []);
    assert_eq!(
        kinds(&relay.wait(1)),
        [(Kind::Open, true), (Kind::Resolve, false)],
        "the GPU pages; the pod waits for its cause"
    );
    assert_eq!(kinds(&relay.wait(60)), [(Kind::Open, false)]);
    assert_eq!(relay.engine.open().count(), 2);
}

#[test]
fn an_incident_becomes_part_of_a_cause_that_comes_later() {
    let mut relay = Relay::new();
    let gpu = "GpuLost critical cluster=a node=n1 gpu=0";
    let pod = "PodNotReady warning cluster=a node=n1 namespace=ml pod=p";
    relay.fires(gpu);
    relay.fires(pod);
    relay.wait(30);
    let notices = kinds(&relay.fires(NODE));
    assert_eq!(notices, [(Kind::Open, true), (Kind::Update, false)], "the pod was not told yet");
    let parent = relay.incident("NodeDown").id.clone();
    for name in ["GpuLost", "PodNotReady"] {
        let child = relay.incident(name);
        assert_eq!((child.phase, child.parent.as_ref()), (Phase::Folded, Some(&parent)), "{name}");
    }
    assert_eq!(relay.wait(3_600).iter().filter(|one| one.kind != Kind::Remind).count(), 0);
    relay.ends(NODE);
    relay.ends(gpu);
    assert_eq!(kinds(&relay.wait(300)), [(Kind::Open, false), (Kind::Resolve, false)]);
    assert_eq!(relay.only().name, "PodNotReady");
}

#[test]
fn a_configured_cause_covers_for_as_long_as_it_fires() {
    let mut relay = Relay::new();
    relay.fires("RedisDown critical cluster=a service=redis");
    relay.wait(3_000);
    let errors = "HighErrorRate critical cluster=a service=s1";
    relay.fires(errors);
    assert_eq!(relay.reasons(errors), [Reason::Dependency]);
    assert_eq!(
        kinds(&relay.fires("HighErrorRate critical cluster=b service=s1")),
        [(Kind::Open, true)]
    );
}

#[test]
fn what_pages_joins_silently_only_what_has_just_paged() {
    let mut relay = Relay::new();
    relay.fires("Xid critical cluster=a node=n1 gpu=0");
    relay.wait(600);
    let second = "Xid critical cluster=a node=n2 gpu=0";
    relay.fires(second);
    assert_eq!((relay.reasons(second), relay.pages()), (vec![Reason::SameClass], 1));
    relay.wait(901);
    let late = "Xid critical cluster=a node=n3 gpu=0";
    relay.fires(late);
    assert_eq!((relay.reasons(late), relay.engine.open().count()), (vec![], 2));
    relay.fires("Xid critical cluster=b node=n4 gpu=0");
    assert_eq!(relay.engine.open().count(), 3, "another cluster");
    // A chronic warning keeps an incident open; it covers nothing that pages later.
    relay.fires("Chronic warning cluster=a node=n9");
    relay.wait(60);
    let first = "Kernel critical cluster=a node=n9";
    assert_eq!(kinds(&relay.fires(first)), [(Kind::Escalate, true)]);
    relay.ends(first);
    relay.wait(3_600);
    assert_eq!(kinds(&relay.fires("Power critical cluster=a node=n9")), [(Kind::Open, true)]);
}

#[test]
fn an_alert_of_other_people_is_not_told_by_an_incident_that_they_do_not_see() {
    let config = CONFIG.replace(
        "service=\"pay\"'], destinations: [oncall], page: always",
        "team=\"x\"'], destinations: [oncall]",
    );
    let mut relay = Relay::with(&config);
    relay.fires("A critical cluster=a node=n1 team=x");
    assert_eq!(kinds(&relay.fires("B critical cluster=a node=n1")), [(Kind::Open, true)]);
    let few = "C critical cluster=a node=n1 team=x";
    relay.fires(few);
    assert_eq!(relay.reasons(few), [Reason::SameEntity]);
}

#[test]
fn a_storm_is_one_incident_announced_when_it_has_grown_fourfold() {
    let mut relay = Relay::new();
    let config = Arc::clone(&relay.engine.rules.config);
    assert_eq!((config.correlation.storm.from, config.correlation.storm.announce_factor), (5, 4));
    for count in 0..100 {
        relay.fires(&format!("TargetDown critical cluster=a node=n{count}"));
    }
    let incident = relay.only();
    assert_eq!((incident.total, incident.announced, relay.pages()), (100, 80, 1));
    let aloud = relay.notices.iter().filter(|notice| notice.kind == Kind::Escalate);
    assert_eq!(aloud.count(), 2, "at 20 and at 80");
    assert_eq!(relay.reasons("TargetDown critical cluster=a node=n50"), [Reason::Storm]);
}

#[test]
fn what_always_pages_is_never_covered_and_never_waits() {
    let mut relay = Relay::new();
    relay.fires("RedisDown critical cluster=a service=redis");
    let pay = "HighErrorRate critical cluster=a service=pay";
    for _ in 0..6 {
        assert!(relay.fires(pay).iter().any(|notice| notice.is_page));
        relay.wait(45);
        relay.ends(pay);
        relay.wait(60);
    }
    assert!(relay.incident("HighErrorRate").always_page);
}

#[test]
fn silenced_alerts_do_not_page_or_remind_until_the_silence_is_over() {
    let mut relay = Relay::new();
    relay.fires(NODE);
    let seen = |silences: &[&str]| {
        let one = alert(NODE, Moment::EPOCH, None);
        let silenced_by = silences.iter().map(|id| (*id).to_owned()).collect();
        let (identity, fingerprint) = (one.identity, one.fingerprint);
        let one = Observation { identity, fingerprint, silenced_by, inhibited_by: Vec::new() };
        Input::Seen { alerts: vec![one] }
    };
    relay.give(&seen(&["s1"]));
    assert_eq!(relay.only().silenced_by, ["s1"]);
    assert_eq!(relay.reasons(NODE), [Reason::Silenced]);
    assert_eq!(relay.wait(4_000), []);
    relay.give(&seen(&[]));
    assert_eq!(kinds(&relay.wait(1_800)), [(Kind::Remind, true)]);
    let gone = Input::Gone { alerts: vec![alert(NODE, Moment::EPOCH, None).identity] };
    assert_eq!(kinds(&relay.give(&gone)), [(Kind::Resolve, false)]);
}

#[test]
fn nobody_is_reminded_of_what_somebody_looks_at() {
    let mut relay = Relay::new();
    relay.fires(NODE);
    assert_eq!(kinds(&relay.wait(3_600)), [(Kind::Remind, true), (Kind::Remind, true)]);
    let incident = relay.only().id.clone();
    let said = Input::Acknowledged { incident: incident.clone(), who: "ann".to_owned() };
    assert_eq!(kinds(&relay.give(&said)), [(Kind::Acknowledge, false)]);
    assert_eq!(relay.give(&said), []);
    assert_eq!(relay.wait(7_200), []);
    let who = "ann".to_owned();
    let feedback = Feedback::Useful;
    relay.give(&Input::Judged { incident, who, feedback });
    assert_eq!(relay.only().feedback, Some(Feedback::Useful));
}

#[test]
fn planned_work_is_recorded_and_what_outlasts_it_is_told() {
    let mut relay = Relay::new();
    relay.now = Moment::parse("2026-11-24T02:05:00Z").unwrap();
    let (short, long) = ("TargetDown critical node=m", "NodeDown critical node=m");
    relay.fires(short);
    relay.fires(long);
    assert_eq!(kinds(&relay.fires("NodeDown critical node=other")), [(Kind::Open, true)]);
    relay.wait(600);
    relay.ends(short);
    assert_eq!(relay.reasons(short), [Reason::Maintenance]);
    relay.wait(2_999);
    assert_eq!(relay.pages(), 2, "and the reminder of the other one");
    let at_five = relay.wait(1);
    let opened = at_five.iter().filter(|notice| notice.kind == Kind::Open && notice.is_page);
    assert_eq!(opened.count(), 1, "at 03:05");
}

#[test]
fn warnings_wait_for_business_hours_and_come_in_one_digest() {
    let mut relay = Relay::new();
    relay.now = Moment::parse("2026-11-24T01:00:00Z").unwrap();
    let ended = "Ended warning cluster=a node=n3 team=office";
    for name in [
        "Disk warning cluster=a node=n1 team=office",
        "Ram warning cluster=a node=n2 team=office",
        ended,
    ] {
        relay.fires(name);
    }
    relay.wait(3_600);
    relay.ends(ended);
    assert_eq!(relay.notices, []);
    let notices = relay.wait(6 * 3_600);
    assert_eq!(kinds(&notices), [(Kind::Digest, false)]);
    assert_eq!(notices[0].incidents.len(), 2);
    assert_eq!(relay.reasons(ended).last(), Some(&Reason::EndedWhileHeld));
}

#[test]
fn a_prometheus_that_falls_silent_ends_its_alerts() {
    let mut relay = Relay::new();
    let source = Source::Prometheus("http://prometheus".to_owned());
    for _ in 0..3 {
        let until = relay.now.after(Duration::from_mins(4));
        let alert = alert(NODE, Moment::parse("2026-11-24T09:59:00Z").unwrap(), None);
        let told = vec![Told { alert, fires_until: Some(until) }];
        relay.give(&Input::Alerts { source: source.clone(), told, rejected: Vec::new() });
        relay.wait(60);
    }
    assert_eq!(relay.pages(), 1);
    assert_eq!(kinds(&relay.wait(179)), []);
    assert_eq!(kinds(&relay.wait(1)), [(Kind::Resolve, false)]);
    let how = relay.events.iter().find_map(|event| match event {
        Event::Ended { how, .. } => Some(how.as_str()),
        _ => None,
    });
    assert_eq!(how, Some("timeout"));
}

#[test]
fn an_alert_fires_as_long_as_one_of_its_replicas_does() {
    let mut relay = Relay::new();
    let copy = |replica: &str, at: Moment, end: Option<Moment>| {
        let mut copy = alert(&format!("{NODE} replica={replica}"), at, end);
        copy.identity = Identity::of(&copy.labels, &["replica".to_owned()]);
        copy
    };
    let begin = relay.now;
    assert_eq!(relay.tell(copy("a", begin, None)).len(), 1);
    relay.wait(10);
    assert_eq!(relay.tell(copy("b", relay.now, None)), []);
    relay.wait(60);
    assert_eq!(relay.tell(copy("a", begin, Some(relay.now))), []);
    assert_eq!(relay.engine.open().count(), 1);
    let end = relay.tell(copy("b", begin, Some(relay.now)));
    assert_eq!(kinds(&end), [(Kind::Resolve, false)]);
    let penalty = relay.engine.alerts.values().next().unwrap().status.penalty;
    assert!(penalty < 1.1, "no flap: {penalty}");
}

#[test]
fn what_pages_long_after_its_node_went_down_is_a_trouble_of_its_own() {
    let mut relay = Relay::new();
    relay.fires(NODE);
    relay.wait(901);
    let notices = relay.fires("GpuXid critical cluster=a node=n1 gpu=3");
    assert_eq!(kinds(&notices), [(Kind::Open, true)]);
    let pod = "PodNotReady warning cluster=a node=n1 namespace=ml pod=p";
    relay.fires(pod);
    assert_eq!(
        relay.reasons(pod),
        [Reason::Dependency],
        "a warning is told by its node at any time"
    );
}

#[test]
fn a_cause_that_wakes_nobody_hides_nothing_that_does() {
    let never = "  - {matchers: ['team=\"lab\"'], destinations: [team], page: never}\n  - {matchers: ['severity=\"critical\"'], dest";
    let config = CONFIG.replace("  - {matchers: ['severity=\"critical\"'], dest", never);
    let mut relay = Relay::with(&config);
    relay.fires("GpuLost critical cluster=a node=n1 gpu=0");
    relay.fires("NodeDown critical cluster=a node=n1 team=lab");
    assert_eq!(relay.incident("GpuLost").phase, Phase::Open);
    let second = relay.fires("GpuLost critical cluster=a node=n1 gpu=1");
    assert_eq!(relay.incident("GpuLost").total, 2, "of its class: {second:?}");
    assert_eq!(relay.pages(), 1);
}

#[test]
fn what_alertmanager_inhibits_is_told_by_what_inhibits_it() {
    let mut relay = Relay::new();
    let slow = "HighLatency warning cluster=a service=s";
    relay.fires(slow);
    relay.fires(NODE);
    let (effect, cause) = (alert(slow, relay.now, None), alert(NODE, relay.now, None));
    let one = Observation {
        identity: effect.identity,
        fingerprint: effect.fingerprint,
        silenced_by: Vec::new(),
        inhibited_by: vec![cause.fingerprint.to_string()],
    };
    relay.give(&Input::Seen { alerts: vec![one] });
    let parent = relay.incident("NodeDown").id.clone();
    let child = relay.incident("HighLatency");
    assert_eq!((child.phase, child.parent.as_ref()), (Phase::Folded, Some(&parent)));
    assert!(relay.reasons(slow).contains(&Reason::Inhibited));
    assert_eq!(kinds(&relay.wait(600)), [], "it is not told by itself");
    relay.give(&Input::Gone { alerts: vec![effect.identity, cause.identity] });
    assert_eq!(relay.engine.open().count(), 0);
}
