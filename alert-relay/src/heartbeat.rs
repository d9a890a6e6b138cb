//! Signs of life: those that must keep coming in, and the one that goes out.
//!
//! A heartbeat that stops is an alert like any other, so that it is correlated, told and ended as
//! such. Time in which nobody could have been heard does not count.

mod outgoing;

use std::time::Duration;

use crate::alert::{Condition, parse_notification};
use crate::config::inputs::Heartbeat;
use crate::incident::{Input, Source, Told};
use crate::time::Moment;

pub use outgoing::{Outgoing, OutgoingError};

/// Between two looks there is never more, unless the clock was set or the machine slept.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often [`Heartbeats::due`] is to be asked: well within `LONGEST_PAUSE`.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The ages of all heartbeats of the configuration.
#[derive(Debug)]
pub struct Heartbeats {
    entries: Vec<Entry>,
    looked_at: Moment,
}

#[derive(Debug)]
struct Entry {
    name: String,
    max_age: Duration,
    /// The last one, or when waiting for it began.
    last: Moment,
    /// There was one since the start.
    has_come: bool,
    /// Whether its absence was told; not known after a start.
    is_told_absent: Option<bool>,
}

impl Heartbeats {
    /// The first one of each may come as late as any other: the relay was away for a time.
    pub fn new(heartbeats: &[Heartbeat], now: Moment) -> Self {
        let entry = |heartbeat: &Heartbeat| Entry {
            name: heartbeat.name.clone(),
            max_age: heartbeat.max_age,
            last: now,
            has_come: false,
            is_told_absent: None,
        };
        Self { entries: heartbeats.iter().map(entry).collect(), looked_at: now }
    }

    /// One came; false if the configuration does not have the name.
    pub fn beat(&mut self, name: &str, now: Moment) -> bool {
        let entry = self.entries.iter_mut().find(|entry| entry.name == name);
        entry.map(|entry| (entry.last, entry.has_come) = (now, true)).is_some()
    }

    /// Names and ages.
    pub fn ages(&self, now: Moment) -> impl Iterator<Item = (&str, Duration)> {
        self.entries.iter().map(move |entry| (entry.name.as_str(), now.since(entry.last)))
    }

    /// What is to be told by now.
    pub fn due(&mut self, now: Moment) -> Vec<Input> {
        let pause = now.since(self.looked_at);
        let was_set = now < self.looked_at;
        for entry in &mut self.entries {
            if was_set {
                entry.last = entry.last.min(now);
            } else if pause > LONGEST_PAUSE {
                entry.last = entry.last.after(pause).min(now);
            }
        }
        self.looked_at = now;
        let mut told = Vec::new();
        for entry in &mut self.entries {
            let is_absent = now.since(entry.last) > entry.max_age;
            // What a restart left open is ended by a heartbeat, not by the wait for one.
            if !is_absent && !entry.has_come {
                continue;
            }
            if entry.is_told_absent.replace(is_absent) == Some(is_absent) {
                continue;
            }
            let summary = format!(
                "Monitoring is blind: the heartbeat {} does not come any more, so that no alert may \
                 come on its way either",
                entry.name
            );
            let about = ("heartbeat", entry.name.as_str());
            let condition = Condition::new("AlertRelayMonitoringBlind", "critical", about, summary);
            let alert = if is_absent { condition.begun(entry.last) } else { condition.ended(now) };
            told.push(Told { alert, fires_until: None });
        }
        if told.is_empty() {
            return Vec::new();
        }
        vec![Input::Alerts { source: Source::Internal, told, rejected: Vec::new() }]
    }
}

/// Whether a body that was posted is a sign of life: any is, but a webhook that tells of no firing
/// alert says that the watchdog has ended.
pub fn is_sign_of_life(body: &[u8], now: Moment) -> bool {
    let told = parse_notification(body, false, &[], now);
    told.map_or(true, |told| told.alerts.iter().any(crate::alert::Alert::is_firing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Alert;

    struct Scene {
        heartbeats: Heartbeats,
        now: Moment,
    }

    impl Scene {
        fn new() -> Self {
            let heartbeat =
                Heartbeat { name: "watchdog".to_owned(), max_age: Duration::from_secs(90) };
            let now = Moment::from_millis(1_000_000);
            Self { heartbeats: Heartbeats::new(&[heartbeat], now), now }
        }

        /// Looks for so many seconds; what was told, and after how many.
        fn look(&mut self, seconds: u64) -> Vec<(u64, Alert)> {
            let mut told = Vec::new();
            for second in (5..=seconds).step_by(5) {
                self.now = self.now.after(LOOK_EVERY);
                for input in self.heartbeats.due(self.now) {
                    let Input::Alerts { source: Source::Internal, told: alerts, .. } = input else {
                        panic!("{input:?}")
                    };
                    told.extend(alerts.into_iter().map(|one| (second, one.alert)));
                }
            }
            told
        }

        fn beat(&mut self) {
            assert!(self.heartbeats.beat("watchdog", self.now));
        }
    }

    #[test]
    fn a_heartbeat_that_stops_is_an_alert_until_it_comes_again() {
        let mut scene = Scene::new();
        scene.beat();
        let first = scene.look(90);
        assert_eq!(first.len(), 1, "what a restart may have left open is ended");
        assert!(!first[0].1.is_firing());
        let told = scene.look(300);
        assert_eq!((told.len(), told[0].0), (1, 5), "95 s after the last one, and once");
        assert!(told[0].1.is_firing());
        assert_eq!(told[0].1.labels.get("heartbeat"), Some("watchdog"));
        assert_eq!(told[0].1.labels.get("severity"), Some("critical"));
        scene.beat();
        let ended = scene.look(60);
        assert_eq!(ended.len(), 1);
        assert_eq!((ended[0].1.identity, ended[0].1.is_firing()), (told[0].1.identity, false));
        assert!(!scene.heartbeats.beat("other", scene.now));
    }

    #[test]
    fn a_heartbeat_that_never_came_is_waited_for_once_and_ends_nothing() {
        let mut scene = Scene::new();
        assert_eq!(scene.look(90), []);
        assert_eq!(scene.look(60).len(), 1);
    }

    #[test]
    fn a_sleep_or_a_set_clock_is_no_silence() {
        let mut scene = Scene::new();
        scene.beat();
        scene.look(60);
        scene.now = scene.now.after(Duration::from_hours(1));
        assert_eq!(scene.look(35), []);
        assert_eq!(scene.look(5).len(), 1, "60 s before and 35 s after the sleep");
        scene.beat();
        scene.look(5);
        scene.now = scene.now.before(Duration::from_hours(2));
        assert_eq!(scene.look(95), []);
        assert_eq!(scene.look(5).len(), 1);
        let ages: Vec<_> = scene.heartbeats.ages(scene.now).collect();
        assert_eq!(ages, [("watchdog", Duration::from_secs(95))]);
    }

    #[test]
    fn a_watchdog_that_has_ended_gives_no_sign_of_life() {
        let body = |status: &str| {
            format!(
                r#"{{"version":"4","alerts":[{{"status":"{status}","labels":{{"alertname":"W"}}}}]}}"#
            )
        };
        assert!(is_sign_of_life(body("firing").as_bytes(), Moment::EPOCH));
        assert!(!is_sign_of_life(body("resolved").as_bytes(), Moment::EPOCH));
        assert!(is_sign_of_life(b"", Moment::EPOCH));
    }
}
