//! What Alertmanager sends of a day: in the recommended configuration to the relay, with the faults
//! of the day laid over it; and how many notifications the plain configuration sends to people.
//!
//! A model, checked against the recordings' rules: a group is flushed when it begins and at every
//! tick of its interval from then on, and speaks only if it has something new.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prometheus_model::label_set::LabelSet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::day::{Day, Episode, IGNORED, by_alert};
use crate::alert::{Fingerprint, Identity};
use crate::time::Moment;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// `group_interval` of the recommended configuration.
const INTERVAL: i64 = 15_000;
const REPEAT: i64 = 4 * HOUR;

/// One line of a day: something that reaches the relay.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// When, in milliseconds since 1970.
    pub t: i64,
    /// An Alertmanager's external URL, or `reconciliation`.
    pub from: String,
    /// A webhook's body; of reconciliation an object with `seen` and `gone`.
    pub body: Value,
}

/// A webhook about one alert.
fn webhook(labels: &LabelSet, from: i64, until: Option<i64>, route: &str) -> Value {
    let text = |at: i64| Moment::from_millis(at).to_string();
    let labels_json: BTreeMap<_, _> = labels.iter().collect();
    let status = if until.is_some() { "resolved" } else { "firing" };
    let name = labels.get("alertname").unwrap_or_default();
    let end = until.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), text);
    json!({
        "receiver": "alert-relay-0",
        "status": status,
        "alerts": [{
            "status": status,
            "labels": labels_json,
            "annotations": {"summary": format!("{name} fires")},
            "startsAt": text(from),
            "endsAt": end,
            "generatorURL": "",
            "fingerprint": Fingerprint::of(labels).to_string(),
        }],
        "groupLabels": labels_json,
        "commonLabels": labels_json,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager-0:9093",
        "version": "4",
        "groupKey": format!("{route}:{labels}"),
        "truncatedAlerts": 0,
    })
}

/// All that reaches the relay on a day, in order.
pub(super) fn webhooks(day: &Day, is_measured: bool, random: &mut fastrand::Rng) -> Vec<Line> {
    let midnight = day.midnight.as_millis();
    let mut lines = Vec::new();
    // One pair of Prometheus forgets to drop the label of its replicas.
    for (labels, episodes) in by_alert(&day.episodes) {
        let spans: Vec<_> =
            episodes.iter().map(|one| (one.from.as_millis(), one.until.as_millis())).collect();
        let is_pair = labels.get("cluster") == Some("us") && labels.get("gpu").is_some();
        if is_pair {
            for (replica, lag) in [("a", 0), ("b", 7_000)] {
                let mut copy = labels.clone();
                copy.set(IGNORED, replica);
                let spans: Vec<_> =
                    spans.iter().map(|(from, until)| (from + lag, until + lag)).collect();
                alert(&copy, &spans, day, is_measured, &mut lines);
            }
        } else {
            alert(labels, &spans, day, is_measured, &mut lines);
        }
    }
    let partitions = [(6 * HOUR, 6 * HOUR + 10 * MINUTE), (19 * HOUR, 19 * HOUR + 10 * MINUTE)];
    let mut copies = Vec::new();
    for line in &lines {
        let at = line.t - midnight;
        let parted = is_measured && partitions.iter().any(|(from, to)| (*from..*to).contains(&at));
        if line.from == "reconciliation" || !(parted || random.f64() < 0.03) {
            continue;
        }
        let mut copy = line.clone();
        copy.t += random.i64(0..5_000);
        if parted {
            copy.from = String::from("http://alertmanager-1:9093");
            copy.body["externalURL"] = Value::from(copy.from.as_str());
        }
        copies.push(copy);
    }
    lines.extend(copies);
    if is_measured {
        lines.push(cut_list(midnight + 16 * HOUR));
    }
    lines.sort_by_key(|line| line.t);
    lines
}

/// Sends one alert as its own group.
fn alert(
    labels: &LabelSet,
    spans: &[(i64, i64)],
    day: &Day,
    is_measured: bool,
    lines: &mut Vec<Line>,
) {
    let midnight = day.midnight.as_millis();
    let is_silenced = is_measured && labels.get("alertname") == Some("FanSlow");
    let mut send = |t: i64, from: i64, until: Option<i64>, route: &str| {
        let source = "http://alertmanager-0:9093".to_owned();
        lines.push(Line { t, from: source, body: webhook(labels, from, until, route) });
    };
    let mut index = 0;
    while index < spans.len() {
        let begin = spans[index].0 + 50;
        send(begin, spans[index].0, None, "{}");
        // Ticks while the group lives; the last told state is "firing".
        let mut tick = begin + INTERVAL;
        let mut last = begin;
        loop {
            // An episode that began meanwhile is the one that fires; its start is told with the end.
            while index + 1 < spans.len() && spans[index + 1].0 < tick {
                index += 1;
            }
            if spans[index].1 < tick {
                break;
            }
            if tick - last >= REPEAT {
                send(tick, spans[index].0, None, "{}");
                last = tick;
            }
            tick += INTERVAL;
        }
        if is_silenced {
            let identity = Identity::of(labels, &[]);
            let fingerprint = Fingerprint::of(labels);
            let seen =
                json!({"identity": identity, "fingerprint": fingerprint, "silenced_by": ["s-1"]});
            let source = "reconciliation".to_owned();
            let body = json!({"seen": [seen], "gone": []});
            lines.push(Line { t: begin + 30 * MINUTE, from: source.clone(), body });
            let body = json!({"seen": [], "gone": [identity]});
            lines.push(Line { t: tick + 90_000, from: source, body });
            return;
        }
        send(tick, spans[index].0, Some(spans[index].1), "{}");
        index += 1;
    }
    if is_measured {
        // Killed at 11:00 it forgets what it told; at 12:00 it groups in another way.
        for (at, route) in [(11 * HOUR, "{}"), (12 * HOUR, "{}/{team=~\".*\"}")] {
            let at = midnight + at + 60_000;
            if let Some((from, _)) =
                spans.iter().find(|(from, until)| (*from..*until).contains(&at))
            {
                send(at, *from, None, route);
            }
        }
    }
}

/// A list cut by `max_alerts` that calls itself resolved, about alerts that are not known.
fn cut_list(at: i64) -> Line {
    let labels: LabelSet =
        [("alertname", "Cut"), ("cluster", "eu"), ("severity", "critical")].into_iter().collect();
    let mut body = webhook(&labels, at - MINUTE, Some(at), "{}");
    body["truncatedAlerts"] = Value::from(5);
    Line { t: at, from: "http://alertmanager-0:9093".to_owned(), body }
}

/// How many notifications people get of these episodes from a plain Alertmanager: `group_by:
/// [alertname, severity]`, `group_wait: 10s`, `group_interval: 5m`, `repeat_interval: 4h`,
/// `send_resolved: false`.
pub(super) fn plain_notifications(episodes: &[Episode]) -> usize {
    let (wait, interval) = (Duration::from_secs(10), Duration::from_mins(5));
    let repeat = Duration::from_hours(4);
    let mut groups: BTreeMap<(&str, &str), Vec<&Episode>> = BTreeMap::new();
    for episode in episodes {
        let label = |name| episode.labels.get(name).unwrap_or_default();
        groups.entry((label("alertname"), label("severity"))).or_default().push(episode);
    }
    let mut notifications = 0;
    for mut group in groups.into_values() {
        group.sort_by_key(|episode| episode.from);
        let end = group.iter().map(|episode| episode.until).max().unwrap_or(Moment::EPOCH);
        let mut next = 0;
        while let Some(first) = group.get(next).map(|episode| episode.from) {
            let mut told: BTreeSet<&LabelSet> = BTreeSet::new();
            let mut last = None;
            let mut tick = first.after(wait);
            while tick <= end.after(interval) {
                next = group.partition_point(|episode| episode.from <= tick);
                let firing: BTreeSet<_> = group[..next]
                    .iter()
                    .filter(|episode| episode.until > tick)
                    .map(|episode| &episode.labels)
                    .collect();
                if firing.is_empty() {
                    break;
                }
                let is_old = last.is_some_and(|last| tick.since(last) >= repeat);
                if !firing.is_subset(&told) || is_old {
                    notifications += 1;
                    last = Some(tick);
                    told = firing;
                }
                tick = tick.after(interval);
            }
            next = group.partition_point(|episode| episode.from <= tick);
        }
    }
    notifications
}
