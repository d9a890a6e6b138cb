mod memory;
mod properties;
mod recordings;
mod rules_of_time;
mod scenarios;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::alert::{Alert, Fingerprint};
use crate::incident::{Phase, Reason, Table, Told};

/// Destinations without files, and rules that the scenarios need.
const CONFIG: &str = r#"
destinations:
  - {name: oncall, webhook: {url: "http://oncall"}}
  - {name: team, webhook: {url: "http://team"}}
routes:
  - {matchers: ['severity="critical"', 'service="pay"'], destinations: [oncall], page: always}
  - {matchers: ['severity="critical"'], destinations: [oncall, team]}
  - {matchers: ['team="office"'], destinations: [team], business_hours: office}
  - {destinations: [team]}
correlation:
  business_hours: {office: {time_zone: Europe/Berlin}}
  dependencies:
    - {cause: ['alertname="RedisDown"'], effect: ['alertname="HighErrorRate"'], equal: [cluster]}
  maintenance:
    - name: disks
      matchers: ['node="m"']
      start: "2026-11-24T02:00"
      end: "2026-11-24T03:00"
"#;

/// An engine with all that it said.
struct Relay {
    engine: Engine,
    now: Moment,
    events: Vec<Event>,
    notices: Vec<Notice>,
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

impl Relay {
    fn new() -> Self {
        Self::with(CONFIG)
    }

    fn with(config: &str) -> Self {
        let config = Config::parse(config, "relay.yml").unwrap();
        Self {
            engine: Engine::new(Arc::new(config)),
            now: Moment::parse("2026-11-24T10:00:00Z").unwrap(),
            events: Vec::new(),
            notices: Vec::new(),
            rows: BTreeMap::new(),
        }
    }

    fn give(&mut self, input: &Input) -> Vec<Notice> {
        let mut changes = Changes::default();
        self.engine.apply(input, self.now, &mut changes);
        for row in changes.rows {
            match row.value {
                Some(value) => self.rows.insert((row.table, row.key), value),
                None => self.rows.remove(&(row.table, row.key)),
            };
        }
        self.events.extend(changes.events);
        self.notices.extend(changes.notices.iter().cloned());
        changes.notices
    }

    /// As after a restart.
    fn restart(&mut self) {
        let config = Arc::clone(&self.engine.rules.config);
        let rows = self.rows.iter().map(|((table, key), value)| (*table, key, value));
        self.engine = Engine::restore(config, rows).unwrap();
    }

    fn tell(&mut self, alert: Alert) -> Vec<Notice> {
        let told = vec![Told { alert, fires_until: None }];
        self.give(&Input::Alerts { source: alertmanager(), told, rejected: Vec::new() })
    }

    /// It begins now.
    fn fires(&mut self, labels: &str) -> Vec<Notice> {
        self.tell(alert(labels, self.now, None))
    }

    /// It ends now.
    fn ends(&mut self, labels: &str) -> Vec<Notice> {
        let identity = alert(labels, self.now, None).identity;
        let known = self.engine.alerts.get(&identity);
        let since = known.map_or(self.now, |known| known.status.starts_at);
        self.tell(alert(labels, since, Some(self.now)))
    }

    /// Time passes, and what is due is done when it is due.
    fn wait(&mut self, seconds: u64) -> Vec<Notice> {
        let end = self.now.after(Duration::from_secs(seconds));
        let mut notices = Vec::new();
        while let Some(wake) = self.engine.next_wake().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            notices.extend(self.give(&Input::Tick));
        }
        self.now = end;
        notices
    }

    fn only(&self) -> &Incident {
        let open: Vec<_> = self.engine.open().collect();
        assert_eq!(open.len(), 1, "{open:#?}");
        open[0]
    }

    fn incident(&self, name: &str) -> &Incident {
        let mut named = self.engine.kept().filter(|incident| incident.name == name);
        named.next().unwrap_or_else(|| panic!("no incident of {name}"))
    }

    fn reasons(&self, labels: &str) -> Vec<Reason> {
        let identity = alert(labels, self.now, None).identity;
        let events = self.events.iter().filter_map(|event| match event {
            Event::Suppressed { alert, reason, .. } if *alert == identity => Some(*reason),
            _ => None,
        });
        events.collect()
    }

    fn pages(&self) -> usize {
        self.notices.iter().filter(|notice| notice.is_page).count()
    }
}

fn alertmanager() -> Source {
    Source::Alertmanager("http://alertmanager".to_owned())
}

/// `name severity label=value ...`
fn alert(text: &str, starts_at: Moment, ends_at: Option<Moment>) -> Alert {
    let mut parts = text.split(' ');
    let mut labels = prometheus_model::label_set::LabelSet::new();
    labels.set("alertname", parts.next().unwrap());
    labels.set("severity", parts.next().unwrap());
    for part in parts {
        let (name, value) = part.split_once('=').unwrap();
        labels.set(name, value);
    }
    Alert {
        identity: Identity::of(&labels, &[]),
        fingerprint: Fingerprint::of(&labels),
        annotations: [("summary", text)].into_iter().collect(),
        labels,
        starts_at,
        ends_at,
        generator_url: String::new(),
    }
}

fn kinds(notices: &[Notice]) -> Vec<(Kind, bool)> {
    notices.iter().map(|notice| (notice.kind, notice.is_page)).collect()
}
