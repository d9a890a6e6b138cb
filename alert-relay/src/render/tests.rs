//! Every form of message, with harmless text, with the recorded hostile one, and with any.

use std::time::Duration;

use lettre::message::Mailbox;
use proptest::prelude::*;
use serde_json::{Value, json};
use stack_tests::pagerduty::{problems_of_v1, problems_of_v2};
use stack_tests::slack::problem_of;

use super::*;
use crate::incident::{Delivery, DeliveryId, DeliveryState, Incident, Phase, Receipt, Severity};
use crate::route::examples::{any_incident, hostile, incident};

const KEY: &str = "R0UTINGKEYR0UTINGKEYR0UTINGKEY00";

fn occasion(kind: Kind) -> Occasion<'static> {
    Occasion {
        kind,
        text: "",
        now: incident().starts_at.after(Duration::from_secs(40)),
        external_url: Some("https://relay.example.com"),
        is_repeat: false,
        has_buttons: true,
    }
}

fn over(mut incident: Incident) -> Incident {
    incident.phase = Phase::Resolved { at: incident.starts_at.after(Duration::from_secs(40)) };
    incident.firing.clear();
    incident
}

fn as_sent(message: &slack::Message) -> Value {
    json!({"text": message.text, "attachments": message.attachments})
}

fn keyed(name: &str, mut event: serde_json::Map<String, Value>) -> Value {
    event.insert(name.to_owned(), KEY.into());
    Value::Object(event)
}

fn delivery(kind: Kind) -> Delivery {
    Delivery {
        id: DeliveryId(17),
        destination: "mail".to_owned(),
        incidents: Vec::new(),
        kind,
        severity: Severity::Critical,
        is_page: false,
        text: String::new(),
        planned_at: Moment::EPOCH,
        expires_at: None,
        attempts: 0,
        state: DeliveryState::Planned { not_before: Moment::EPOCH },
        fallback_for: None,
        has_fallen_back: false,
        ambiguous_since: None,
    }
}

/// No mention, no link, no entity that came from a label: what begins with `<` is ours.
fn is_harmless(message: &Value) -> bool {
    let text = message.to_string();
    let is_ours = |rest: &str| rest.starts_with("<http");
    text.match_indices('<').all(|(at, _)| is_ours(&text[at..]))
        && !text.contains('\u{202e}')
        && !text.contains("\\u0000")
        && !text.contains("\\u0007")
}

#[test]
fn slack_shows_state_labels_links_and_buttons() {
    let message = slack::incident(&incident(), &occasion(Kind::Open));
    assert_eq!(message.text, "🔴 [eu-1] GpuDown: GPU 3 of gpu-7 is gone");
    let attachment = &message.attachments[0];
    assert_eq!(attachment["color"], "#d00000");
    let text = attachment.to_string();
    for part in [
        "firing for 40 s",
        "No answer for 30 s.",
        "`node=gpu-7`",
        "<https://grafana.example.com/d/1?x=1&amp;y=2|Dashboard>",
        "https://relay.example.com/incidents/ar1-",
        "\"acknowledge\"",
        "\"not_actionable\"",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert_eq!(problem_of(&as_sent(&message), true), None);
}

#[test]
fn slack_shows_an_end_in_green_struck_through_and_without_buttons() {
    let message = slack::incident(&over(incident()), &occasion(Kind::Resolve));
    assert!(message.text.starts_with("✅ [eu-1] GpuDown"));
    let text = message.attachments.to_string();
    for part in ["#2eb67d", "~[eu-1] GpuDown: GPU 3 of gpu-7 is gone~", "resolved after 40 s"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!text.contains("button"));
}

#[test]
fn lines_of_a_thread_say_what_happened() {
    let line = |kind, text, incident: &Incident| {
        slack::thread_line(incident, &Occasion { text, ..occasion(kind) })
    };
    let (open, over) = (incident(), over(incident()));
    assert_eq!(line(Kind::Resolve, "", &over).unwrap(), "resolved after 40 s");
    assert_eq!(line(Kind::Open, "", &open).unwrap(), "fires again, firing for 40 s");
    let loud = line(Kind::Escalate, "80 nodes now <!here>", &open).unwrap();
    assert!(loud.ends_with(": 80 nodes now &lt;!here&gt;"), "{loud}");
    assert!(line(Kind::Escalate, "", &open).unwrap().ends_with("now critical"));
    assert!(line(Kind::Remind, "", &open).unwrap().ends_with("acknowledged this for 40 s"));
    assert_eq!(line(Kind::Update, "x", &open), None);
    let repeat = Occasion { is_repeat: true, ..occasion(Kind::Remind) };
    assert!(slack::thread_line(&open, &repeat).unwrap().ends_with("(possible repeat)"));
    assert!(slack::incident(&open, &repeat).text.ends_with("(possible repeat)"));
}

#[test]
fn a_digest_lists_twenty_and_counts_the_rest() {
    let mut many = vec![incident(); 30];
    many[0] = over(incident());
    let message = slack::digest(&many, &occasion(Kind::Digest));
    assert_eq!(message.text, "30 incidents that could wait, 1 of them over");
    assert!(message.attachments.to_string().contains("and 10 more"));
    assert_eq!(problem_of(&as_sent(&message), false), None);
}

#[test]
fn hostile_text_is_text_everywhere() {
    for incident in [hostile(), over(hostile())] {
        for kind in [Kind::Open, Kind::Resolve, Kind::Escalate, Kind::Remind] {
            let occasion = Occasion { text: "<!channel> *x*", ..occasion(kind) };
            let message = slack::incident(&incident, &occasion);
            assert!(is_harmless(&as_sent(&message)), "{message:?}");
            let line = slack::thread_line(&incident, &occasion);
            assert!(is_harmless(&json!(line)), "{line:?}");
        }
        let occasion = occasion(Kind::Open);
        let several = [incident.clone(), incident.clone()];
        let message = slack::digest(&several, &occasion);
        assert!(is_harmless(&as_sent(&message)));
        assert!(is_harmless(&as_sent(&slack::without_blocks(&message, &several, &occasion))));
        let event = pagerduty::v2(pagerduty::Action::Trigger, "k", &incident, &occasion);
        let text = Value::Object(event.clone()).to_string();
        assert!(!text.contains("javascript") && !text.contains("\\u0000"), "{text}");
        assert!(!event["payload"]["summary"].as_str().unwrap().contains(['\n', '\u{202e}']));
        let mail = mail::mail(
            &delivery(Kind::Open),
            std::slice::from_ref(&incident),
            None,
            "x.example",
            &occasion,
        );
        assert!(!mail.subject.contains(['\r', '\n']));
        assert!(!mail.html.contains("<!channel>") && !mail.html.contains("<b>&amp;"));
        assert!(!mail.html.contains("javascript"));
        assert!(mail.text.contains("<!channel>"), "plain text stays as it is");
    }
    let internal = Occasion { text: "<!here> is\ndown", ..occasion(Kind::Internal) };
    assert_eq!(slack::internal(&internal).text, "alert-relay: &lt;!here&gt; is down");
}

#[test]
fn pagerduty_gets_what_it_sorts_by() {
    let event = pagerduty::v2(
        pagerduty::Action::Trigger,
        &pagerduty::first_key(&incident()),
        &incident(),
        &occasion(Kind::Open),
    );
    let payload = &event["payload"];
    assert_eq!(event["dedup_key"], incident().id.key.as_str());
    assert_eq!(payload["summary"], "[eu-1] GpuDown: GPU 3 of gpu-7 is gone");
    assert_eq!(
        [&payload["source"], &payload["component"], &payload["group"], &payload["class"]],
        ["gpu-7", "gpus", "eu-1", "GpuDown"]
    );
    assert_eq!(payload["severity"], "critical");
    assert_eq!(payload["custom_details"]["labels"]["gpu"], "3");
    assert_eq!(event["links"][0]["text"], "Runbook");
    assert_eq!(event["client_url"].as_str().unwrap().rsplit('/').next().unwrap().len(), 46);
    assert_eq!(problems_of_v2(&keyed("routing_key", event)), Vec::<String>::new());
    for action in [pagerduty::Action::Acknowledge, pagerduty::Action::Resolve] {
        let event = pagerduty::v2(action, "k", &incident(), &occasion(Kind::Resolve));
        assert_eq!(problems_of_v2(&keyed("routing_key", event)), Vec::<String>::new());
        let event = pagerduty::v1(action, "k", &incident(), &occasion(Kind::Resolve));
        assert_eq!(problems_of_v1(&keyed("service_key", event)), Vec::<String>::new());
    }
}

#[test]
fn a_louder_key_differs_by_severity_and_size_and_nothing_else() {
    let mut incident = incident();
    let first = pagerduty::louder_key(&incident);
    assert_ne!(first, pagerduty::first_key(&incident));
    incident.total = 99;
    assert_eq!(first, pagerduty::louder_key(&incident));
    incident.announced = 20;
    let grown = pagerduty::louder_key(&incident);
    incident.severity = Severity::Error;
    assert!(grown != first && grown != pagerduty::louder_key(&incident));
}

#[test]
fn messages_about_the_relay_have_their_forms() {
    let internal = Occasion { text: "Alertmanager is gone", ..occasion(Kind::Internal) };
    let event = pagerduty::internal(true, "critical", &internal);
    assert_eq!(event["payload"]["summary"], "alert-relay: Alertmanager is gone");
    assert_eq!(problems_of_v2(&keyed("routing_key", event)), Vec::<String>::new());
    let event = pagerduty::internal(false, "critical", &internal);
    assert_eq!(problems_of_v1(&keyed("service_key", event)), Vec::<String>::new());
    let mail = mail::mail(&delivery(Kind::Internal), &[], None, "x.example", &internal);
    assert_eq!((mail.subject.as_str(), mail.text.trim()), ("alert-relay", "Alertmanager is gone"));
}

#[test]
fn mails_of_an_incident_are_one_thread() {
    let first =
        mail::mail(&delivery(Kind::Open), &[incident()], None, "x.example", &occasion(Kind::Open));
    assert_eq!(first.subject, "[eu-1] GpuDown: GPU 3 of gpu-7 is gone");
    assert_eq!(first.message_id, format!("<17.{}@x.example>", incident().id));
    assert!(first.references.is_empty());
    let receipt = Receipt {
        place: first.message_id.clone(),
        stamp: "<18.x@x.example>".to_owned(),
        ..Receipt::default()
    };
    let end = Delivery { id: DeliveryId(19), ..delivery(Kind::Resolve) };
    let mut changed = over(incident());
    changed.total = 12;
    let last = mail::mail(&end, &[changed], Some(&receipt), "x.example", &occasion(Kind::Resolve));
    assert_eq!(last.subject, first.subject, "programs thread by it");
    assert_eq!(last.references, [first.message_id.as_str(), "<18.x@x.example>"]);
    assert!(last.text.contains("resolved after 40 s") && last.text.contains("(12 affected)"));
    assert!(last.html.contains("#2eb67d"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_message_keeps_the_limits_of_its_destination(incident in any_incident(), text in ".{0,3000}") {
        for kind in [Kind::Open, Kind::Resolve, Kind::Escalate, Kind::Digest, Kind::Internal] {
            let occasion = Occasion { text: &text, is_repeat: true, ..occasion(kind) };
            let several = vec![incident.clone(); 25];
            let messages = [
                slack::incident(&incident, &occasion),
                slack::digest(&several, &occasion),
                slack::internal(&occasion),
                slack::without_blocks(&slack::digest(&several, &occasion), &several, &occasion),
            ];
            for message in messages {
                let sent = as_sent(&message);
                prop_assert_eq!(problem_of(&sent, true), None);
                prop_assert!(is_harmless(&sent), "{}", sent);
            }
            for action in [pagerduty::Action::Trigger, pagerduty::Action::Resolve] {
                let event = keyed("routing_key", pagerduty::v2(action, &pagerduty::louder_key(&incident), &incident, &occasion));
                prop_assert_eq!(problems_of_v2(&event), Vec::<String>::new());
                prop_assert!(event.to_string().len() < 512_000);
                let event = keyed("service_key", pagerduty::v1(action, &pagerduty::first_key(&incident), &incident, &occasion));
                prop_assert_eq!(problems_of_v1(&event), Vec::<String>::new());
                prop_assert!(event.to_string().len() < 512_000);
            }
            let event = keyed("routing_key", pagerduty::internal(true, "info", &occasion));
            prop_assert_eq!(problems_of_v2(&event), Vec::<String>::new());
            let mail = mail::mail(&delivery(kind), std::slice::from_ref(&incident), None, "x.example", &occasion);
            prop_assert!(mail.subject.chars().count() <= 180);
            prop_assert!(mail.subject.chars().all(|character| !character.is_control()));
            let from: Mailbox = "a@x.example".parse().unwrap();
            let message = lettre::Message::builder()
                .from(from.clone()).to(from).subject(mail.subject).body(String::new()).unwrap();
            let written = String::from_utf8(message.formatted()).unwrap();
            let headers = written.split("\r\n\r\n").next().unwrap();
            let names: Vec<_> = headers.split("\r\n").filter(|line| !line.starts_with(' '))
                .filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
            prop_assert!(!names.contains(&"Bcc"), "{}", headers);
            prop_assert_eq!(names.len(), 5, "{}", headers);
            let body = webhook::body(DeliveryId(1), &several, &occasion);
            prop_assert_eq!(body["incidents"].as_array().unwrap().len(), 25);
        }
    }
}
