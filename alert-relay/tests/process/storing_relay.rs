//! A relay whose decisions are simple: every alert is stored, every critical one is a page, and a
//! page is sent by appending a line to the file `sent`, or to `emergency` without the journal.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use alert_relay::alert::Alert;
use alert_relay::config::Config;
use alert_relay::incident::{
    Answer, Changes, Delivery, DeliveryId, DeliveryState, Event, IncidentId, IncidentKey, Input,
    Kind, Receipt, Row, Severity, Table,
};
use alert_relay::journal::Stored;
use alert_relay::ledger::{Core, Emergency, EmergencyPage, Handle, Subscriber};
use alert_relay::run::{Connected, Context, Deciding, Wiring};
use alert_relay::time::Moment;
use daemon_runtime::supervise::BoxError;
use tokio::sync::mpsc;

fn main() -> ExitCode {
    let (queue, planned) = mpsc::channel(10_000);
    alert_relay::run::main(std::env::args_os(), &mut Stand { queue, planned: Some(planned) })
}

struct Stand {
    queue: mpsc::Sender<Delivery>,
    planned: Option<mpsc::Receiver<Delivery>>,
}

impl Wiring for Stand {
    fn decide(&mut self, _: &Arc<Config>) -> Result<Deciding, BoxError> {
        Ok(Deciding {
            core: Box::new(Everything::default()),
            subscriber: Box::new(Queue(self.queue.clone())),
            emergency: Box::new(File),
        })
    }

    fn connect(&mut self, context: Context<'_>) -> Result<Connected, BoxError> {
        let planned = self.planned.take().ok_or("connected twice")?;
        let token = context.supervisor.token();
        let send = send(planned, context.ledger);
        context.supervisor.run_once("send", async move {
            token.run_until_cancelled(send).await;
            Ok::<(), BoxError>(())
        });
        let heartbeat = Arc::new(|name: &str, _| name == "prometheus");
        Ok(Connected { heartbeat, router: axum::Router::new() })
    }
}

/// Sends what is planned: told before and after, as a delivery that can be repeated would be.
async fn send(mut planned: mpsc::Receiver<Delivery>, ledger: Handle) {
    while let Some(delivery) = planned.recv().await {
        let id = delivery.id;
        let _ = ledger.submit(Input::Started { delivery: id }).await;
        append("sent", &format!("{}", delivery.incidents[0].key));
        let answer = Answer::Accepted { receipt: Receipt::default() };
        let _ = ledger.submit(Input::Answered { delivery: id, answer }).await;
    }
}

fn append(name: &str, line: &str) {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(name);
    if let Ok(mut file) = file {
        let _ = writeln!(file, "{line}");
    }
}

struct Queue(mpsc::Sender<Delivery>);

impl Subscriber for Queue {
    fn committed(&mut self, changes: &[(Moment, Changes)]) {
        for row in changes.iter().flat_map(|(_, changes)| &changes.rows) {
            let value = row.value.as_deref().filter(|_| row.table == Table::Deliveries);
            if let Some(delivery) = value.map(serde_json::from_slice::<Delivery>)
                && let Ok(delivery) = delivery
                && matches!(delivery.state, DeliveryState::Planned { .. })
            {
                let _ = self.0.try_send(delivery);
            }
        }
    }

    fn restored(&mut self, core: &dyn Core) {
        let core: &dyn Any = core;
        let Some(core) = core.downcast_ref::<Everything>() else { return };
        for delivery in core.deliveries.values() {
            let _ = self.0.try_send(delivery.clone());
        }
    }
}

struct File;

impl Emergency for File {
    fn page(&mut self, pages: Vec<EmergencyPage>) {
        for page in pages {
            append("emergency", page.delivery.incidents[0].key.as_str());
        }
    }

    fn given_up(&mut self, firing: Vec<Alert>, _: Moment) {
        for alert in firing {
            append("emergency", alert.name());
        }
    }
}

/// Deliveries that are not done, and how many alerts each identity had.
#[derive(Default)]
struct Everything {
    known: BTreeMap<Vec<u8>, Alert>,
    deliveries: BTreeMap<u64, Delivery>,
    next: u64,
}

fn row(table: Table, key: &[u8], value: Option<Vec<u8>>) -> Row {
    Row { table, key: key.to_vec(), value }
}

impl Everything {
    fn store(&mut self, alert: &Alert, at: Moment, changes: &mut Changes) {
        let key = alert.identity.as_bytes().to_vec();
        let json = serde_json::to_vec(alert).ok();
        let was_firing = self.known.get(&key).is_some_and(Alert::is_firing);
        self.known.insert(key.clone(), alert.clone());
        changes.rows.push(row(Table::Alerts, &key, json));
        let is_critical = alert.labels.get("severity") == Some("critical");
        if is_critical && alert.is_firing() && !was_firing {
            self.next += 1;
            let delivery = Delivery {
                id: DeliveryId(self.next),
                destination: "file".to_owned(),
                incidents: vec![IncidentId {
                    key: IncidentKey::of([alert.identity.to_string().as_str()]),
                    number: 1,
                }],
                kind: Kind::Open,
                severity: Severity::Critical,
                is_page: true,
                text: String::new(),
                planned_at: at,
                expires_at: None,
                attempts: 0,
                state: DeliveryState::Planned { not_before: at },
                fallback_for: None,
                has_fallen_back: false,
                ambiguous_since: None,
            };
            changes.rows.push(self.keep(delivery));
        }
    }

    fn keep(&mut self, delivery: Delivery) -> Row {
        let key = delivery.id.0.to_be_bytes();
        let json = serde_json::to_vec(&delivery).ok();
        self.deliveries.insert(delivery.id.0, delivery);
        row(Table::Deliveries, &key, json)
    }
}

impl Core for Everything {
    fn apply(&mut self, input: &Input, at: Moment) -> Changes {
        let mut changes = Changes::default();
        match input {
            Input::Alerts { source, told, rejected } => {
                let source = source.kind().to_owned();
                let alerts: Vec<_> = told.iter().map(|told| told.alert.clone()).collect();
                for alert in &alerts {
                    self.store(alert, at, &mut changes);
                }
                changes.events.push(Event::Received { source: source.clone(), alerts });
                let rejected = rejected.iter().cloned();
                changes.events.extend(
                    rejected.map(|rejected| Event::Rejected { source: source.clone(), rejected }),
                );
            }
            Input::Started { delivery } => {
                if let Some(mut delivery) = self.deliveries.get(&delivery.0).cloned() {
                    delivery.attempts += 1;
                    delivery.state = DeliveryState::Started { at };
                    changes.rows.push(self.keep(delivery));
                }
            }
            Input::Answered { delivery, .. } => {
                self.deliveries.remove(&delivery.0);
                changes.rows.push(row(Table::Deliveries, &delivery.0.to_be_bytes(), None));
            }
            _ => {}
        }
        changes
    }

    fn next_wake(&self) -> Option<Moment> {
        None
    }

    fn restore(&mut self, mut stored: Stored) -> Result<(), BoxError> {
        *self = Self { next: self.next, ..Self::default() };
        for (key, value) in stored.take(Table::Alerts) {
            self.known.insert(key, serde_json::from_slice(&value)?);
        }
        for (_, value) in stored.take(Table::Deliveries) {
            let delivery: Delivery = serde_json::from_slice(&value)?;
            self.next = self.next.max(delivery.id.0);
            self.deliveries.insert(delivery.id.0, delivery);
        }
        Ok(())
    }
}
