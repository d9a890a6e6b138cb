use std::path::Path;
use std::time::Duration;

use super::*;
use crate::access::{Firing, FiringAlert};
use crate::alert::{Alert, Identity};
use crate::alertmanagers::{Listed, parse_alerts};
use crate::config::inputs::AlertmanagerPeer;
use crate::incident::{Input, Source};
use crate::time::Moment;

/// `GpuLost` on node-1 is active and on node-2 silenced, `NodeDown` on node-3 is active and inhibits
/// `HighLatency` there.
fn recorded() -> Listed {
    let folder = "../tests/conformance/alertmanager/alertmanager-v2-api-get/alerts.json";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    parse_alerts(&std::fs::read(path).unwrap(), &[]).unwrap()
}

fn identity(name: &str, instance: &str) -> Identity {
    let labels = [("alertname", name), ("instance", instance), ("severity", "critical")];
    Identity::of(&labels.into_iter().collect(), &[])
}

/// A judge with two Alertmanagers, and a clock.
struct Scene {
    judge: Judge,
    now: Moment,
    firing: Firing,
    started: [&'static str; 2],
    silent: [bool; 2],
    lists: [Listed; 2],
}

impl Scene {
    fn new() -> Self {
        let peer = |name: &str| AlertmanagerPeer {
            url: format!("http://{name}"),
            bearer_token_file: None,
            ca_file: None,
            receivers: vec!["r".to_owned()],
            interval: Duration::from_secs(15),
        };
        let now = Moment::from_millis(1_000_000);
        Self {
            judge: Judge::new(&[peer("a"), peer("b")], now),
            now,
            firing: Firing::new(),
            started: ["x", "y"],
            silent: [false; 2],
            lists: [recorded(), recorded()],
        }
    }

    fn open(&mut self, identity: Identity) {
        let alert = FiringAlert { told_at: self.now, is_from_alertmanager: true };
        self.firing.insert(identity, alert);
    }

    fn open_recorded(&mut self) {
        for known in recorded().alerts {
            self.open(known.alert.identity);
        }
    }

    fn remove(&mut self, peer: usize, identity: Identity) {
        self.lists[peer].alerts.retain(|known| known.alert.identity != identity);
    }

    /// One round 15 s later.
    fn round(&mut self) -> Vec<Input> {
        self.now = self.now.after(Duration::from_secs(15));
        for peer in 0..2 {
            if self.silent[peer] {
                self.judge.note(peer, Poll::Silence, self.now);
            } else {
                self.judge.note(peer, Poll::Alerts(self.lists[peer].clone()), self.now);
                self.judge.note(peer, Poll::Started(self.started[peer].to_owned()), self.now);
            }
        }
        self.judge.judge(&self.firing, self.now)
    }

    /// Rounds for this long; after how many seconds something was gone, and what.
    fn gone_within(&mut self, limit: Duration) -> Option<(u64, Vec<Identity>)> {
        let begin = self.now;
        while self.now.since(begin) < limit {
            for input in self.round() {
                if let Input::Gone { alerts } = input {
                    return Some((self.now.since(begin).as_secs(), alerts));
                }
            }
        }
        None
    }

    fn settle(&mut self) {
        self.open_recorded();
        assert_eq!(self.gone_within(Duration::from_mins(5)), None);
    }
}

fn alerts_of(inputs: &[Input]) -> Vec<(&Source, &Alert)> {
    let told = inputs.iter().filter_map(|input| match input {
        Input::Alerts { source, told, .. } => {
            Some(told.iter().map(move |one| (source, &one.alert)))
        }
        _ => None,
    });
    told.flatten().collect()
}

/// Those that an Alertmanager knows and no webhook told.
fn found(inputs: &[Input]) -> Vec<(&Source, &Alert)> {
    let mut alerts = alerts_of(inputs);
    alerts.retain(|(source, _)| **source != Source::Internal);
    alerts
}

const LONG: Duration = Duration::from_mins(20);

#[test]
fn an_alert_that_no_alertmanager_knows_is_gone_after_90_s() {
    let mut scene = Scene::new();
    scene.settle();
    let gone = identity("GpuLost", "node-1");
    scene.remove(0, gone);
    assert_eq!(scene.gone_within(LONG), None, "the other one still knows it");
    scene.remove(1, gone);
    assert_eq!(scene.gone_within(LONG), Some((105, vec![gone])));
}

#[test]
fn nothing_is_gone_in_the_first_three_minutes_of_the_relay_or_of_an_alertmanager() {
    let mut scene = Scene::new();
    let unknown = identity("Lost", "node-9");
    scene.open(unknown);
    let (seconds, _) = scene.gone_within(LONG).unwrap();
    assert_eq!(seconds, 195, "the first status came with the first round");

    let mut scene = Scene::new();
    scene.settle();
    scene.started[1] = "later";
    scene.lists[0].alerts.clear();
    scene.lists[1].alerts.clear();
    let (seconds, gone) = scene.gone_within(LONG).unwrap();
    assert_eq!((seconds, gone.len()), (195, 4));
}

#[test]
fn a_restart_that_no_status_has_shown_yet_closes_nothing() {
    let mut scene = Scene::new();
    scene.settle();
    scene.lists[0].alerts.clear();
    scene.lists[1].alerts.clear();
    for _ in 0..10 {
        scene.now = scene.now.after(Duration::from_secs(15));
        for peer in 0..2 {
            scene.judge.note(peer, Poll::Alerts(Listed::default()), scene.now);
        }
        let inputs = scene.judge.judge(&scene.firing, scene.now);
        assert!(!inputs.iter().any(|input| matches!(input, Input::Gone { .. })));
    }
}

#[test]
fn nothing_is_gone_while_nobody_answers() {
    let mut scene = Scene::new();
    scene.settle();
    scene.open(identity("Lost", "node-9"));
    scene.silent = [true, true];
    assert_eq!(scene.gone_within(LONG), None);
}

#[test]
fn one_that_does_not_answer_keeps_what_only_it_can_know() {
    let mut scene = Scene::new();
    scene.settle();
    let (old, known) = (identity("Lost", "node-9"), identity("GpuLost", "node-1"));
    scene.open(old);
    scene.round();
    scene.silent[1] = true;
    scene.round();
    let new = identity("Lost", "node-8");
    scene.open(new);
    scene.remove(0, known);
    let (_, gone) = scene.gone_within(LONG).unwrap();
    assert_eq!(gone, [old], "it was asked after {old} began, and did not know it");
    scene.firing.remove(&old);
    assert_eq!(scene.gone_within(LONG), None);
    scene.silent[1] = false;
    let (_, gone) = scene.gone_within(LONG).unwrap();
    assert_eq!(gone, [new]);
}

#[test]
fn an_alert_that_is_told_again_while_it_is_absent_is_not_gone() {
    let mut scene = Scene::new();
    scene.settle();
    let flapping = identity("Lost", "node-9");
    for _ in 0..10 {
        scene.open(flapping);
        assert_eq!(scene.gone_within(Duration::from_secs(90)), None);
    }
    assert!(scene.gone_within(Duration::from_secs(90)).is_some());
}

#[test]
fn what_prometheus_told_itself_is_never_gone_here() {
    let mut scene = Scene::new();
    scene.settle();
    let direct = FiringAlert { told_at: scene.now, is_from_alertmanager: false };
    scene.firing.insert(identity("Lost", "node-9"), direct);
    assert_eq!(scene.gone_within(LONG), None);
}

#[test]
fn a_clock_that_was_set_forward_closes_nothing_at_once() {
    let mut scene = Scene::new();
    scene.settle();
    scene.open(identity("Lost", "node-9"));
    scene.round();
    scene.now = scene.now.after(Duration::from_hours(1));
    let (seconds, _) = scene.gone_within(LONG).unwrap();
    assert!(seconds >= 180, "{seconds}");
}

#[test]
fn an_active_alert_that_no_webhook_told_is_told_after_45_s() {
    let mut scene = Scene::new();
    let missed = identity("NodeDown", "node-3");
    scene.open(identity("GpuLost", "node-1"));
    for _ in 0..4 {
        assert_eq!(found(&scene.round()), []);
    }
    let inputs = scene.round();
    let told = found(&inputs);
    assert_eq!(told.len(), 1, "suppressed ones are not told: {told:?}");
    assert_eq!(*told[0].0, Source::Reconciliation("http://a".to_owned()));
    assert_eq!(told[0].1.identity, missed);
    assert_eq!(told[0].1.starts_at.to_string(), "2026-11-22T06:20:57.791Z");
    scene.open(missed);
    assert_eq!(found(&scene.round()), []);
}

#[test]
fn alerts_for_other_receivers_are_not_ours() {
    let mut scene = Scene::new();
    for list in &mut scene.lists {
        for known in &mut list.alerts {
            known.receivers = vec!["other".to_owned()];
        }
    }
    for _ in 0..8 {
        assert_eq!(found(&scene.round()), []);
    }
}

#[test]
fn suppressions_are_told_when_they_change_and_only_if_all_that_know_the_alert_agree() {
    let mut scene = Scene::new();
    scene.open_recorded();
    let seen = |inputs: Vec<Input>| {
        let seen = inputs.into_iter().find_map(|input| match input {
            Input::Seen { alerts } => Some(alerts),
            _ => None,
        });
        seen.unwrap_or_default()
    };
    let first = seen(scene.round());
    assert_eq!(first.len(), 4);
    let (silenced, inhibited) = (identity("GpuLost", "node-2"), identity("HighLatency", "node-3"));
    let of = |identity| first.iter().find(|one| one.identity == identity).unwrap();
    assert_eq!(of(silenced).silenced_by, ["878b75eb-a6df-415d-bd40-4e5ba53e69c6"]);
    assert_eq!(of(inhibited).inhibited_by, ["5ae0fed76bfe06a3"]);
    assert_eq!(of(silenced).fingerprint.to_string(), "932fb57a9a6d5c0c");
    assert!(seen(scene.round()).is_empty());
    for known in &mut scene.lists[1].alerts {
        known.silenced_by.clear();
    }
    let ended = seen(scene.round());
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].identity, ended[0].silenced_by.len()), (silenced, 0));
}

#[test]
fn an_alertmanager_that_does_not_answer_for_a_minute_is_an_alert_that_ends() {
    let mut scene = Scene::new();
    scene.open_recorded();
    let first = scene.round();
    let ends = alerts_of(&first);
    assert_eq!(ends.len(), 2, "what a restart may have left open is ended");
    assert!(ends.iter().all(|(source, alert)| **source == Source::Internal && !alert.is_firing()));
    scene.silent[0] = true;
    for _ in 0..5 {
        assert_eq!(alerts_of(&scene.round()), []);
    }
    let inputs = scene.round();
    let told = alerts_of(&inputs);
    assert_eq!(told.len(), 1);
    assert!(told[0].1.is_firing());
    assert_eq!(told[0].1.labels.get("alertmanager"), Some("http://a"));
    assert_eq!(alerts_of(&scene.round()), []);
    scene.silent[0] = false;
    let inputs = scene.round();
    assert_eq!(alerts_of(&inputs)[0].1.identity, told[0].1.identity);
    assert!(!alerts_of(&inputs)[0].1.is_firing());
}
