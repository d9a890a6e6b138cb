use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::incident::{Answer, Notice, Phase};
use crate::route::examples;

mod faults;
mod waiting;

pub(super) const CONFIG: &str = r#"
destinations:
  - name: oncall
    pagerduty: {routing_key_file: /k/oncall}
    fallback: [second, mail]
  - name: second
    pagerduty: {routing_key_file: /k/second}
  - name: team
    slack: {bot_token_file: /k/slack, channel: ml-alerts}
  - name: mail
    email: {to: [a@example.com], from: b@example.com, smarthost: "127.0.0.1:25"}
  - name: bot
    webhook: {url: "http://127.0.0.1/x"}
internal_destinations: [team, mail]
correlation:
  business_hours: {office: {}}
  storm: {channel_limit: 3}
routes:
  - matchers: ['severity="critical"']
    destinations: [oncall, team]
  - matchers: ['severity="error"']
    destinations: [second, bot]
  - matchers: ['team="office"']
    destinations: [team]
    business_hours: office
  - destinations: [team]
"#;

/// A router with its incidents and everything that it wrote.
pub(super) struct World {
    pub(super) router: Router,
    pub(super) incidents: BTreeMap<IncidentId, Incident>,
    pub(super) rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    pub(super) events: Vec<Event>,
    pub(super) now: Moment,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(CONFIG)
    }

    pub(super) fn with(config: &str) -> Self {
        Self {
            router: Router::new(parse(config)),
            incidents: BTreeMap::new(),
            rows: BTreeMap::new(),
            events: Vec::new(),
            // a Tuesday, 22:00 UTC
            now: Moment::parse("2026-11-24T22:00:00Z").unwrap(),
        }
    }

    /// An incident that the engine knows.
    pub(super) fn incident(&mut self, number: u32, severity: Severity) -> IncidentId {
        let mut incident = examples::incident();
        incident.id.number = number;
        incident.severity = severity;
        incident.opening_labels.insert("severity".to_owned(), severity.as_str().to_owned());
        let id = incident.id.clone();
        self.incidents.insert(id.clone(), incident);
        id
    }

    pub(super) fn change(&mut self, id: &IncidentId, change: impl FnOnce(&mut Incident)) {
        change(self.incidents.get_mut(id).unwrap());
    }

    fn act<T>(
        &mut self,
        act: impl FnOnce(&mut Router, Incidents<'_>, Moment, &mut Changes) -> T,
    ) -> T {
        let mut changes = Changes::default();
        let incidents = &self.incidents;
        let result = act(&mut self.router, &|id| incidents.get(id), self.now, &mut changes);
        for row in changes.rows {
            match row.value {
                Some(value) => self.rows.insert((row.table, row.key), value),
                None => self.rows.remove(&(row.table, row.key)),
            };
        }
        self.events.extend(changes.events);
        result
    }

    pub(super) fn tell(&mut self, kind: Kind, id: &IncidentId) {
        let severity = self.incidents[id].severity;
        if kind == Kind::Resolve {
            let at = self.now;
            self.change(id, |incident| incident.phase = Phase::Resolved { at });
        }
        let notice = Notice {
            kind,
            incidents: vec![id.clone()],
            severity,
            is_page: severity == Severity::Critical && kind != Kind::Resolve,
            text: String::new(),
        };
        self.notice(notice);
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.act(|router, incidents, now, changes| router.plan(&[notice], incidents, now, changes));
    }

    pub(super) fn tick(&mut self) {
        self.act(|router, incidents, now, changes| router.tick(incidents, now, changes));
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.tick();
    }

    pub(super) fn next(&mut self, destination: &str) -> Option<Delivery> {
        self.router.next(destination, self.now)
    }

    pub(super) fn start(&mut self, id: DeliveryId) {
        self.act(|router, _, now, changes| router.started(id, now, changes));
    }

    pub(super) fn answer(&mut self, id: DeliveryId, answer: &Answer) {
        let accepted = self.act(|router, incidents, now, changes| {
            router.answered(id, answer, incidents, now, changes)
        });
        if let Some(acceptance) = accepted {
            for id in &acceptance.incidents {
                let receipts = &mut self.incidents.get_mut(id).unwrap().receipts;
                receipts.insert(acceptance.destination.clone(), acceptance.receipt.clone());
            }
        }
    }

    pub(super) fn accept(&mut self, id: DeliveryId) {
        self.answer(id, &Answer::Accepted { receipt: Receipt::default() });
    }

    /// Sends all that is due at a destination; what it was.
    pub(super) fn send(&mut self, destination: &str) -> Vec<Kind> {
        let mut sent = Vec::new();
        while let Some(delivery) = self.next(destination) {
            sent.push(delivery.kind);
            self.accept(delivery.id);
        }
        sent
    }

    /// As after a crash: from the rows alone.
    pub(super) fn restart(&mut self) {
        let of = |table: Table| {
            let rows = self.rows.iter().filter(move |((one, _), _)| *one == table);
            rows.map(|((_, key), value)| (key.as_slice(), value.as_slice()))
        };
        let config = self.router.config.clone();
        self.router = Router::restore(config, of(Table::Deliveries), of(Table::Singles)).unwrap();
    }

    pub(super) fn dead_letter(&mut self, id: DeliveryId, retry: bool) -> bool {
        self.act(|router, _, now, changes| router.dead_letter(id, retry, now, changes))
    }
}

/// A delivery to the destination `d`, for tests of those who send.
pub(crate) fn draft_for_tests(id: DeliveryId, kind: Kind, incidents: &[IncidentId]) -> Delivery {
    let notice = Notice {
        kind,
        incidents: incidents.to_vec(),
        severity: Severity::Critical,
        is_page: false,
        text: String::new(),
    };
    Delivery { id, ..plan::draft("d", &notice, Moment::EPOCH) }
}

pub(super) fn parse(config: &str) -> Arc<Config> {
    Arc::new(Config::parse(config, "relay.yml").unwrap())
}

#[test]
fn an_incident_goes_by_the_first_route_of_its_opening_labels() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    assert_eq!(world.send("oncall"), [Kind::Open]);
    assert_eq!(world.send("team"), [Kind::Open]);
    assert_eq!(world.send("mail"), []);
    assert!(world.rows.keys().all(|(table, _)| *table == Table::Singles), "arrived: no row");
}

#[test]
fn a_resolve_never_overtakes_its_trigger() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    let open = world.next("oncall").unwrap();
    world.tell(Kind::Resolve, &id);
    assert_eq!(world.next("oncall"), None, "the trigger is under way");
    world.restart();
    assert_eq!(world.next("oncall").unwrap().id, open.id);
    assert_eq!(world.next("oncall"), None);
    world.accept(open.id);
    assert_eq!(world.send("oncall"), [Kind::Resolve]);
}

#[test]
fn what_ended_before_it_was_told_is_one_message_in_slack_and_two_events_for_a_page() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    world.tell(Kind::Resolve, &id);
    assert_eq!(world.send("team"), [Kind::Open]);
    assert_eq!(world.send("oncall"), [Kind::Open, Kind::Resolve]);
    let id = world.incident(2, Severity::Error);
    world.tell(Kind::Open, &id);
    world.tell(Kind::Resolve, &id);
    assert_eq!(world.send("second"), [], "no page: nobody has to know");
    assert_eq!(world.send("bot"), [Kind::Open, Kind::Resolve], "a program gets pairs");
}

#[test]
fn an_update_is_covered_by_what_waits_and_others_come_every_ten_seconds() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Warning);
    world.tell(Kind::Open, &id);
    world.tell(Kind::Update, &id);
    assert_eq!(world.send("team"), [Kind::Open]);
    for _ in 0..5 {
        world.tell(Kind::Update, &id);
    }
    assert_eq!(world.send("team"), []);
    let due = world.router.next_due("team").unwrap();
    assert_eq!(due.since(world.now), Duration::from_secs(10));
    world.wait(10);
    assert_eq!(world.send("team"), [Kind::Update]);
}

#[test]
fn pagerduty_gets_only_material_updates_and_one_a_minute() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Error);
    world.change(&id, |incident| incident.total = 10);
    world.tell(Kind::Open, &id);
    assert_eq!(world.send("second"), [Kind::Open]);
    world.change(&id, |incident| incident.total = 14);
    world.wait(120);
    world.tell(Kind::Update, &id);
    assert_eq!(world.send("second"), [], "14 is less than 1.5 times 10");
    world.change(&id, |incident| incident.total = 15);
    world.tell(Kind::Update, &id);
    assert_eq!(world.send("second"), [Kind::Update]);
    world.change(&id, |incident| incident.total = 40);
    world.tell(Kind::Update, &id);
    assert_eq!(world.send("second"), []);
    world.wait(60);
    assert_eq!(world.send("second"), [Kind::Update]);
}

#[test]
fn the_most_urgent_goes_first() {
    let mut world = World::new();
    let old = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &old);
    assert_eq!(world.send("oncall"), [Kind::Open]);
    let acked = world.incident(2, Severity::Critical);
    world.tell(Kind::Open, &acked);
    world.send("oncall");
    world.tell(Kind::Acknowledge, &acked);
    world.tell(Kind::Resolve, &old);
    let new = world.incident(3, Severity::Critical);
    world.tell(Kind::Open, &new);
    assert_eq!(world.send("oncall"), [Kind::Open, Kind::Resolve, Kind::Acknowledge]);
}

#[test]
fn an_open_incident_keeps_its_destinations_when_the_routes_change() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    world.send("oncall");
    world.send("team");
    let config = CONFIG.replace("[oncall, team]", "[second]");
    world.router.reconfigure(parse(&config));
    world.tell(Kind::Resolve, &id);
    assert_eq!(world.send("second"), []);
    assert_eq!(world.send("oncall"), [Kind::Resolve]);
    assert_eq!(world.send("team"), [Kind::Resolve]);
}

#[test]
fn what_got_worse_goes_where_its_new_severity_goes_too() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Warning);
    world.tell(Kind::Open, &id);
    assert_eq!(world.send("team"), [Kind::Open]);
    world.change(&id, |incident| incident.severity = Severity::Critical);
    world.tell(Kind::Escalate, &id);
    assert_eq!(world.send("oncall"), [Kind::Open]);
    assert_eq!(world.send("team"), [Kind::Escalate]);
}

#[test]
fn what_got_worse_before_it_was_told_is_told_once_and_aloud() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    world.tell(Kind::Escalate, &id);
    assert_eq!(world.send("oncall"), [Kind::Open]);
}

#[test]
fn what_begins_again_before_its_end_was_told_is_not_told_at_all() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Error);
    world.tell(Kind::Open, &id);
    world.send("second");
    world.tell(Kind::Resolve, &id);
    world.tell(Kind::Open, &id);
    assert_eq!(world.send("second"), []);
}

#[test]
fn a_reminder_is_not_sent_to_pagerduty() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    world.send("oncall");
    world.send("team");
    world.tell(Kind::Remind, &id);
    assert_eq!(world.send("oncall"), []);
    assert_eq!(world.send("team"), [Kind::Remind]);
}

#[derive(Debug, Clone)]
enum Step {
    Tell(u32, Kind),
    Send(usize, u8),
    Wait(u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kinds = prop::sample::select(vec![
        Kind::Open,
        Kind::Escalate,
        Kind::Update,
        Kind::Acknowledge,
        Kind::Remind,
        Kind::Resolve,
    ]);
    let step = prop_oneof![
        4 => (1_u32..4, kinds).prop_map(|(id, kind)| Step::Tell(id, kind)),
        6 => (0_usize..5, 0_u8..4).prop_map(|(to, answer)| Step::Send(to, answer)),
        1 => (0_u64..400).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Whatever happens: the queue in memory is the queue in the rows, few messages wait, a page
    /// that was planned arrives somewhere, and an end is never told before a beginning.
    #[test]
    fn no_page_is_lost_and_nothing_is_out_of_order(steps in steps()) {
        let mut world = World::new();
        let names = ["oncall", "second", "team", "mail", "bot"];
        let ids: Vec<_> = [Severity::Critical, Severity::Error, Severity::Warning]
            .iter().zip(1..).map(|(severity, number)| world.incident(number, *severity)).collect();
        let mut opened: BTreeSet<(String, IncidentId)> = BTreeSet::new();
        let mut paged = BTreeSet::new();
        for step in steps {
            match step {
                Step::Tell(number, kind) => {
                    let id = &ids[number as usize - 1];
                    if kind == Kind::Open {
                        world.change(id, |incident| incident.phase = Phase::Open);
                    }
                    world.tell(kind, id);
                    if kind == Kind::Open && number == 1 {
                        paged.insert(id.clone());
                    }
                }
                Step::Send(to, answer) => {
                    let Some(delivery) = world.next(names[to]) else { continue };
                    if delivery.kind == Kind::Internal {
                        world.accept(delivery.id);
                        continue;
                    }
                    let about = (delivery.destination.clone(), delivery.incidents[0].clone());
                    if answer >= 2 {
                        if matches!(delivery.kind, Kind::Open | Kind::Digest) {
                            opened.insert(about);
                        } else {
                            prop_assert!(opened.contains(&about), "{delivery:?} is the first");
                        }
                        world.accept(delivery.id);
                    } else {
                        let not_before = world.now.after(Duration::from_secs(1));
                        let problem = "no".to_owned();
                        let answer = if answer == 0 {
                            Answer::Retry { not_before, is_ambiguous: false, problem }
                        } else {
                            Answer::Broken { not_before, problem }
                        };
                        world.answer(delivery.id, &answer);
                    }
                }
                Step::Wait(seconds) => world.wait(seconds),
                Step::Restart => world.restart(),
            }
            let kept: Vec<Delivery> = world.rows.iter()
                .filter(|((table, _), _)| *table == Table::Deliveries)
                .map(|(_, value)| serde_json::from_slice(value).unwrap()).collect();
            let waiting: Vec<_> = world.router.lanes.iter().chain(world.router.dead.values()).collect();
            prop_assert_eq!(kept.len(), waiting.len());
            prop_assert!(kept.iter().all(|one| world.router.delivery(one.id) == Some(one)));
            for name in names {
                prop_assert!(world.router.queue(name).0 <= 6 * 3 + MAX_INTERNAL);
            }
        }
        // all work again: everything arrives
        for _ in 0..20 {
            world.restart();
            for name in names {
                while let Some(delivery) = world.next(name) {
                    if matches!(delivery.kind, Kind::Open) {
                        opened.insert((name.to_owned(), delivery.incidents[0].clone()));
                    }
                    world.accept(delivery.id);
                }
            }
            world.wait(3_600);
        }
        for id in paged {
            prop_assert!(opened.iter().any(|(_, one)| *one == id), "the page was lost");
        }
        prop_assert_eq!(world.router.lanes.iter().count(), 0);
    }
}
