use std::sync::Arc;
use std::time::Duration;

use prometheus_model::label_set::LabelSet;
use stack_tests::daemon_process::http_get;

use super::*;
use crate::access::sample;
use crate::alert::{Alert, Fingerprint, Identity};
use crate::incident::{
    Answer, DeliveryId, Event, Feedback, Incident, IncidentId, Kind, Reason, Record,
};
use crate::time::Moment;

fn alert(name: &str, instance: u32) -> Alert {
    let instance = format!("node-{instance}");
    let labels: LabelSet =
        [("alertname", name), ("instance", instance.as_str())].into_iter().collect();
    Alert {
        identity: Identity::of(&labels, &[]),
        fingerprint: Fingerprint::of(&labels),
        labels,
        annotations: LabelSet::new(),
        starts_at: Moment::EPOCH,
        ends_at: None,
        generator_url: String::new(),
    }
}

/// Records at chosen times.
#[derive(Default)]
struct Story {
    records: Vec<Record>,
}

impl Story {
    fn at(&mut self, at: Moment, event: Event) -> &mut Self {
        self.records.push(Record { at, event });
        self
    }

    /// An incident that lasts so long.
    fn episode(&mut self, incident: &IncidentId, from: Moment, lasts: Duration) -> &mut Self {
        let alert = alert("HighLatency", 1);
        let identity = alert.identity;
        self.at(from, Event::Received { source: "alertmanager".to_owned(), alerts: vec![alert] })
            .at(from, Event::Opened { incident: incident.clone(), alert: identity })
            .at(from.after(lasts), Event::Resolved { incident: incident.clone() })
    }

    fn known(mut self, incidents: Vec<Incident>) -> sample::Known {
        self.records.sort_by_key(|record| record.at);
        sample::Known { incidents, records: self.records, ..Default::default() }
    }
}

const DAY: Duration = Duration::from_hours(24);

fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

#[test]
fn a_class_that_ends_by_itself_gets_a_longer_for() {
    let now = Moment::from_millis(1_700_000_000_000);
    let mut story = Story::default();
    let mut incidents = Vec::new();
    for number in 0..10 {
        let incident = sample::incident(number, now.before(minutes(600 - 10 * u64::from(number))));
        story.episode(&incident.id, incident.opened_at, minutes(if number < 9 { 2 } else { 50 }));
        incidents.push(incident);
    }
    let (acknowledged, useful) = (incidents[8].id.clone(), incidents[9].id.clone());
    let who = "ana".to_owned();
    let said = |incident, feedback| Event::Said { incident, who: who.clone(), feedback };
    story.at(incidents[8].opened_at.after(minutes(1)), said(acknowledged.clone(), None));
    story.at(now, said(useful, Some(Feedback::NotActionable)));
    let known = story.known(incidents);
    let report = Report::of(&known, now.before(DAY), now);
    assert_eq!((report.opened, report.received), (10, 10));
    assert_eq!(report.actionable_ratio, Some(0.1));
    let class = &report.classes[0];
    assert_eq!(class.class, "HighLatency prod critical");
    assert_eq!((class.auto_resolved, class.acknowledged, class.not_actionable), (8, 1, 1));
    assert_eq!((class.median_seconds, class.p90_seconds), (Some(120), Some(120)));
    assert_eq!(class.median_acknowledge_seconds, Some(60));
    assert!(class.noise > 8.5 && class.noise < 9.0, "{}", class.noise);
    let proposal = class.proposal.as_deref().unwrap();
    assert!(proposal.ends_with("nine of ten within 2m: set for: 3m"), "{proposal}");
    let text = report.text();
    assert!(text.contains("10%") && text.contains("    -> 8 of 10 ended"), "{text}");
}

#[test]
fn a_class_that_was_useful_gets_no_proposal() {
    let now = Moment::from_millis(1_700_000_000_000);
    let mut story = Story::default();
    for number in 0..20 {
        let id = sample::incident(number, now).id;
        story.episode(&id, now.before(minutes(100)), minutes(1));
    }
    let id = sample::incident(3, now).id;
    let useful = Some(Feedback::Useful);
    story.at(now, Event::Said { incident: id, who: String::new(), feedback: useful });
    let report = Report::of(&story.known(Vec::new()), now.before(DAY), now);
    assert_eq!(report.classes[0].class, "HighLatency", "of the alert: the incident is forgotten");
    assert_eq!(report.classes[0].proposal, None);
}

#[test]
fn what_helps_depends_on_what_is_wrong() {
    let class = |change: fn(&mut ClassReport)| {
        let mut class = ClassReport { class: "A".to_owned(), opened: 12, ..Default::default() };
        class.p90_seconds = Some(7_200);
        class.acknowledged = 1;
        change(&mut class);
        class.propose();
        class.proposal.unwrap_or_default()
    };
    assert_eq!(class(|_| {}), "");
    assert!(class(|class| class.flapping = 40).contains("keep_firing_for"));
    assert!(class(|class| class.not_actionable = 6).contains("delete the rule"));
    assert!(class(|class| class.folded = 400).contains("aggregate the rule"));
    assert!(class(|class| class.acknowledged = 0).contains("lower its severity"));
}

#[test]
fn times_are_short() {
    for (seconds, text) in
        [(0, "0s"), (59, "59s"), (200, "3m20s"), (7_500, "2h5m"), (3_601, "1h"), (345_600, "4d")]
    {
        assert_eq!(class::short(Duration::from_secs(seconds)), text);
    }
}

/// An incident with everything that may happen to one.
fn told(now: Moment) -> (Story, Incident) {
    let incident = sample::incident(1, now.before(minutes(30)));
    let id = incident.id.clone();
    let from = incident.opened_at;
    let (delivery, extra) = (DeliveryId(7), alert("HighLatency", 2));
    let child = sample::incident(2, now).id;
    let mut story = Story::default();
    let at = |seconds| from.after(Duration::from_secs(seconds));
    let first = alert("HighLatency", 1);
    let opened = first.identity;
    let source = "alertmanager".to_owned();
    let alerts = vec![first, extra.clone()];
    story
        .at(at(0), Event::Received { source, alerts })
        .at(at(0), Event::Opened { incident: id.clone(), alert: opened })
        .at(
            at(0),
            Event::Planned {
                delivery,
                incident: Some(id.clone()),
                destination: "oncall".to_owned(),
                kind: Kind::Open,
                is_page: true,
            },
        )
        .at(at(0), Event::Started { delivery, attempt: 1 })
        .at(at(1), Event::Started { delivery: DeliveryId(8), attempt: 1 })
        .at(
            at(1),
            Event::Answered {
                delivery,
                answer: Answer::Retry {
                    not_before: at(2),
                    is_ambiguous: true,
                    problem: "reset".to_owned(),
                },
            },
        )
        .at(
            at(5),
            Event::Suppressed {
                incident: Some(id.clone()),
                alert: extra.identity,
                reason: Reason::SameClass,
                detail: "<b>second</b> \u{1b}[31m".to_owned(),
            },
        )
        .at(at(6), Event::Reparented { incident: child, parent: id.clone(), detail: String::new() })
        .at(at(9), Event::Said { incident: id, who: "ana".to_owned(), feedback: None });
    (story, incident)
}

#[test]
fn every_reason_is_explained_and_no_control_character_reaches_the_terminal() {
    let now = Moment::from_millis(1_700_000_000_000);
    let (story, incident) = told(now);
    let known = story.known(vec![incident.clone()]);
    let text = explain(&known, &incident.id).unwrap();
    for expected in [
        "critical HighLatency on service=chat: open",
        "began with alertname=HighLatency instance=node-1",
        "page 7 (open) to oncall",
        "7: attempt 1",
        "7: reset, may have arrived; again from ",
        "not told: same_class: <b>second</b>  [31m: alertname=HighLatency instance=node-2",
        "tells ar1-",
        "acknowledged by ana",
    ] {
        assert!(text.contains(expected), "{expected} is missing:\n{text}");
    }
    assert!(!text.contains("8: attempt"), "another incident's message:\n{text}");
    assert!(!text.contains('\u{1b}'));
    assert_eq!(explain(&known, &sample::incident(9, now).id), None);
}

#[test]
fn a_long_timeline_is_cut_at_its_beginning() {
    let now = Moment::from_millis(1_700_000_000_000);
    let incident = sample::incident(1, now);
    let mut story = Story::default();
    for number in 0..3_000 {
        let (incident, detail) = (incident.id.clone(), format!("change {number}"));
        story.at(now, Event::Changed { incident, detail });
    }
    let text = explain(&story.known(vec![incident.clone()]), &incident.id).unwrap();
    assert!(
        text.contains("(2000 earlier lines left out)") && text.contains("change 2999"),
        "{text}"
    );
}

#[test]
fn texts_of_alerts_are_no_markup() {
    assert_eq!(
        page::escaped("<script>'\"&\u{202e}\u{0}ä"),
        "&lt;script&gt;&#39;&quot;&amp;\u{fffd}\u{fffd}ä"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_and_the_endpoints_show_what_is_known() {
    let now = Moment::now();
    let (story, mut incident) = told(now);
    incident.summary = "<img src=x onerror=alert(1)>".to_owned();
    incident.runbook_url = "https://example.com/?a=\"b".to_owned();
    incident.dashboard_url = "javascript:alert(1)".to_owned();
    let id = incident.id.clone();
    let mut ended = sample::incident(5, now);
    ended.phase = crate::incident::Phase::Resolved { at: now };
    let view = Arc::new(story.known(vec![incident, ended]));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move { axum::serve(listener, router(view)).await });
    let get = |path: String| async move {
        let answer = tokio::task::spawn_blocking(move || http_get(port, &path)).await.unwrap();
        let answer = answer.unwrap();
        (answer.status, answer.body)
    };
    let (status, page) = get("/".to_owned()).await;
    assert_eq!(status, 200);
    for expected in [
        "&lt;img src=x onerror=alert(1)&gt;",
        "https://example.com/?a=&quot;b",
        "&lt;b&gt;second&lt;/b&gt;",
        "not told: same_class",
        "Open incidents: 1",
        "HighLatency prod critical",
    ] {
        assert!(page.contains(expected), "{expected} is missing:\n{page}");
    }
    assert!(!page.contains("<img") && !page.contains("javascript:") && !page.contains("<b>"));
    let (_, open) = get("/v1/incidents".to_owned()).await;
    let open: serde_json::Value = serde_json::from_str(&open).unwrap();
    assert_eq!((&open["total"], &open["incidents"][0]["id"]), (&1.into(), &id.to_string().into()));
    let (_, all) = get("/v1/incidents?state=all".to_owned()).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&all).unwrap()["total"], 2);
    let (_, one) = get(format!("/v1/incidents/{id}")).await;
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert!(one["timeline"].as_array().unwrap().len() > 5 && one.get("receipts").is_none());
    let (_, report) = get("/v1/report?since=1h".to_owned()).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&report).unwrap()["opened"], 1);
    assert_eq!(get("/v1/dead-letters".to_owned()).await, (200, "[]".to_owned()));
    for (path, status) in [
        ("/v1/incidents?state=none", 400),
        ("/v1/report?since=soon", 400),
        ("/v1/incidents/nonsense", 404),
    ] {
        assert_eq!(get(path.to_owned()).await.0, status, "{path}");
    }
    serving.abort();
}
