//! What a real Alertmanager sent: every row of the table in the recordings' `README.md`.

use std::fs;
use std::path::Path;

use super::*;
use crate::alert::{Notification, parse_alerts, parse_notification};

fn body(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/alertmanager");
    let (kind, number) = name.split_once('/').unwrap();
    let entries = fs::read_dir(folder.join(kind)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| {
            path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{number}-"))
        })
        .collect();
    files.sort();
    fs::read(files.first().unwrap_or_else(|| panic!("no recording {name}"))).unwrap()
}

fn webhook(number: u32, now: Moment) -> Notification {
    parse_notification(&body(&format!("webhook/{number:02}")), false, &[], now).unwrap()
}

/// Plays recordings a minute and a half apart; notices of each, without mere updates.
fn play(relay: &mut Relay, numbers: &[u32]) -> Vec<Vec<(Kind, bool)>> {
    let mut heard = Vec::new();
    for number in numbers {
        let notification = webhook(*number, relay.now);
        let told = notification
            .alerts
            .into_iter()
            .map(|alert| Told { alert, fires_until: None })
            .collect();
        let source = Source::Alertmanager(notification.external_url);
        let rejected = notification.rejected;
        let mut notices = relay.give(&Input::Alerts { source, told, rejected });
        notices.extend(relay.wait(90));
        notices.retain(|notice| notice.kind != Kind::Update);
        heard.push(kinds(&notices));
    }
    heard
}

fn firing(relay: &Relay) -> usize {
    relay.engine.open().map(|incident| incident.firing.len()).sum()
}

#[test]
fn an_alert_begins_ends_and_begins_again() {
    let mut relay = Relay::new();
    let heard = play(&mut relay, &[1, 2]);
    assert_eq!(heard, [vec![(Kind::Open, true)], vec![(Kind::Resolve, false)]]);
    play(&mut relay, &[3]);
    assert_eq!(firing(&relay), 1, "it fires");
    assert!(relay.wait(600).iter().any(|notice| notice.is_page), "and is no flap");
}

#[test]
fn absence_from_a_list_changes_nothing() {
    let mut relay = Relay::new();
    let counts: Vec<_> = [4, 5, 6, 7]
        .into_iter()
        .map(|number| {
            play(&mut relay, &[number]);
            firing(&relay)
        })
        .collect();
    let facts: Vec<_> = [4, 5, 6].map(|number| webhook(number, relay.now).alerts.len()).into();
    assert_eq!(facts[0], 5);
    assert_eq!(counts[0], 5);
    assert!(counts[1] < 5 && counts[2] > 0, "{counts:?}");
    assert_eq!(counts[3], 0);
}

#[test]
fn a_cut_list_that_calls_itself_resolved_resolves_only_what_is_in_it() {
    let mut relay = Relay::new();
    play(&mut relay, &[8]);
    let (before, cut) = (firing(&relay), webhook(9, relay.now));
    assert!(cut.truncated == 5 && cut.alerts.iter().all(|alert| !alert.is_firing()));
    play(&mut relay, &[9]);
    assert_eq!((before, firing(&relay)), (3, 0));
    // The other five come by reconciliation.
    let told: Vec<_> = (0..5)
        .map(|count| alert(&format!("Missed critical cluster=a node=n{count}"), relay.now, None))
        .map(|alert| Told { alert, fires_until: None })
        .collect();
    let source = Source::Reconciliation("http://alertmanager".to_owned());
    relay.give(&Input::Alerts { source, told, rejected: Vec::new() });
    assert_eq!(firing(&relay), 5);
    play(&mut relay, &[9]);
    assert_eq!(firing(&relay), 5, "what is not in the list fires on");
}

#[test]
fn a_group_of_two_names_is_two_troubles() {
    let mut relay = Relay::new();
    play(&mut relay, &[12]);
    let names: std::collections::BTreeSet<_> =
        webhook(12, relay.now).alerts.iter().map(|alert| alert.name().to_owned()).collect();
    assert_eq!((names.len(), firing(&relay)), (2, webhook(12, relay.now).alerts.len()));
}

#[test]
fn two_receivers_and_special_characters_and_invalid_bytes_are_single_alerts() {
    for (numbers, expected) in [(&[13, 14][..], 1), (&[15], 1), (&[16], 1)] {
        let mut relay = Relay::new();
        play(&mut relay, numbers);
        assert_eq!(relay.engine.open().count(), expected, "{numbers:?}");
        relay.restart();
        assert_eq!(relay.engine.open().count(), expected, "{numbers:?} after a restart");
    }
}

#[test]
fn repeats_and_copies_are_not_heard() {
    for (first, second) in [(17, 17), (24, 24), (25, 26), (27, 28), (10, 10)] {
        let mut relay = Relay::new();
        let heard = play(&mut relay, &[first, second]);
        assert_eq!(heard[1], [], "{first} and {second}");
        assert!(
            relay
                .events
                .iter()
                .any(|event| matches!(event, Event::Suppressed { reason: Reason::Duplicate, .. }))
        );
    }
}

#[test]
fn a_refused_end_that_comes_again_resolves_once() {
    let mut relay = Relay::new();
    let end = webhook(22, relay.now).alerts.remove(0);
    relay.tell(Alert { ends_at: None, ..end });
    let heard = play(&mut relay, &[22, 23]);
    let ends = heard.concat().into_iter().filter(|(kind, _)| *kind == Kind::Resolve).count();
    assert_eq!((ends, firing(&relay)), (usize::from(relay.pages() > 0), 0));
    let ended = relay.events.iter().filter(|event| matches!(event, Event::Ended { .. })).count();
    assert_eq!(ended, 1);
}

#[test]
fn a_webhook_and_prometheus_tell_one_alert() {
    let mut relay = Relay::new();
    play(&mut relay, &[29]);
    let posted = body("prometheus-v2-api/01");
    let parsed = parse_alerts(&posted, &[], Duration::from_mins(5), relay.now).unwrap();
    let told = parsed.alerts.into_iter().map(|(alert, _)| Told { alert, fires_until: None });
    let source = Source::Prometheus("http://prometheus".to_owned());
    let told: Vec<_> = told.filter(|told| told.alert.is_firing()).collect();
    relay.give(&Input::Alerts { source, told, rejected: Vec::new() });
    assert_eq!((relay.engine.alerts.len(), relay.engine.open().count()), (1, 1));
}

#[test]
fn a_flapping_alert_is_seen_as_one() {
    let mut relay = Relay::new();
    play(&mut relay, &[30, 31, 32]);
    let alert = relay.engine.alerts.values().next().unwrap();
    assert!(alert.status.penalty > 1.9, "{}", alert.status.penalty);
    assert_eq!((relay.engine.incidents.len(), relay.pages() <= 1), (1, true));
}

#[test]
fn silenced_and_inhibited_alerts_end_when_alertmanager_knows_them_no_more() {
    for numbers in [[33, 34, 35], [36, 37, 38]] {
        let mut relay = Relay::new();
        play(&mut relay, &numbers);
        assert_eq!(firing(&relay), 1, "{numbers:?}: no end ever came");
        let alerts = relay.engine.firing().collect();
        relay.give(&Input::Gone { alerts });
        assert_eq!(relay.engine.open().count(), 0, "{numbers:?}");
    }
}

#[test]
fn other_group_keys_are_no_other_alerts() {
    let mut relay = Relay::new();
    let heard = play(&mut relay, &[39, 40, 41, 42]);
    let (opens, open) = (heard.concat(), relay.engine.incidents.len());
    let opens = opens.iter().filter(|(kind, _)| *kind == Kind::Open).count();
    assert_eq!(opens, open, "each incident was told once");
    assert_eq!(relay.engine.alerts.len(), {
        let all = [39, 40, 41, 42].map(|number| webhook(number, relay.now).alerts);
        let identities = all.iter().flatten().map(|alert| alert.identity);
        identities.collect::<std::collections::BTreeSet<_>>().len()
    });
}

#[test]
fn hidden_flaps_are_counted_and_the_end_is_believed() {
    let mut relay = Relay::new();
    play(&mut relay, &[43, 44]);
    assert_eq!(firing(&relay), 0);
    let penalty = relay.engine.alerts.values().next().unwrap().status.penalty;
    assert!(penalty > 1.9, "{penalty}");
    assert!(relay.events.iter().any(|event| matches!(
        event,
        Event::Suppressed { reason: Reason::Flapping, detail, .. } if detail.contains("unseen")
    )));
    play(&mut relay, &[45]);
    assert_eq!(firing(&relay), 1);
}
