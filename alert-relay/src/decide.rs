//! What decides, on the ledger's thread: the engine makes incidents of alerts, the router makes
//! messages of what is to be told, and both are rows of one transaction.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use daemon_runtime::supervise::BoxError;
use instrumentation::json_log::ErrorChain;

use crate::access::{Firing, FiringAlert};
use crate::alert::Identity;
use crate::config::Config;
use crate::correlate::Engine;
use crate::deliver::Job;
use crate::incident::{
    Changes, Delivery, DeliveryId, Event, Incident, IncidentId, Input, Source, Table,
};
use crate::journal::Stored;
use crate::ledger::Core;
use crate::route::Router;
use crate::time::Moment;

/// Ended alerts among those whose teller is remembered, before they are looked for.
const MOST_ENDED: usize = 1_000;

/// The next message for a destination, or when to look again.
#[derive(Debug)]
pub enum Next {
    /// It is due, and given to nobody else until it is answered or put back.
    Job(Box<Job>),
    /// None is due before this time; without one none is planned.
    Wait(Option<Moment>),
}

/// Engine and router.
#[derive(Debug)]
pub struct Decisions {
    config: Arc<Config>,
    engine: Engine,
    /// Messages are given out while others look: all on one thread.
    router: RefCell<Router>,
    /// Who told of an alert last. It is no row: after a start every sender tells again.
    told: HashMap<Identity, FiringAlert>,
}

impl Decisions {
    /// Without any past.
    pub fn new(config: &Arc<Config>) -> Self {
        Self {
            config: Arc::clone(config),
            engine: Engine::new(Arc::clone(config)),
            router: RefCell::new(Router::new(Arc::clone(config))),
            told: HashMap::new(),
        }
    }

    /// Takes the next message for a destination.
    pub fn next(&self, destination: &str, now: Moment) -> Next {
        let mut router = self.router.borrow_mut();
        let Some(delivery) = router.next(destination, now) else {
            return Next::Wait(router.next_due(destination));
        };
        let incidents = delivery.incidents.iter().filter_map(|id| self.engine.incident(id));
        Next::Job(Box::new(Job { incidents: incidents.cloned().collect(), delivery }))
    }

    /// Gives back a message that was not sent.
    pub fn put_back(&self, id: DeliveryId) {
        self.router.borrow_mut().put_back(id);
    }

    /// Whether a message is to wake somebody.
    pub fn is_page(&self, id: DeliveryId) -> bool {
        self.router.borrow().delivery(id).is_some_and(|delivery| delivery.is_page)
    }

    /// All that are kept.
    pub fn incidents(&self) -> Vec<Incident> {
        self.engine.kept().cloned().collect()
    }

    /// One of them.
    pub fn incident(&self, id: &IncidentId) -> Option<Incident> {
        self.engine.incident(id).cloned()
    }

    /// Messages that were given up.
    pub fn dead_letters(&self) -> Vec<Delivery> {
        self.router.borrow().dead_letters().cloned().collect()
    }

    /// Alerts that fire.
    pub fn firing(&self) -> Firing {
        let known = |identity| self.told.get(&identity).map(|told| (identity, *told));
        self.engine.firing().filter_map(known).collect()
    }

    fn remember(
        &mut self,
        source: &Source,
        identities: impl Iterator<Item = Identity>,
        at: Moment,
    ) {
        let is_from_alertmanager =
            matches!(source, Source::Alertmanager(_) | Source::Reconciliation(_));
        for identity in identities {
            self.told.insert(identity, FiringAlert { told_at: at, is_from_alertmanager });
        }
        if self.told.len() > MOST_ENDED + 2 * self.engine.firing().count() {
            self.told.retain(|identity, _| self.engine.is_firing(*identity));
        }
    }
}

impl Core for Decisions {
    fn apply(&mut self, input: &Input, at: Moment) -> Changes {
        let mut changes = Changes::default();
        self.engine.apply(input, at, &mut changes);
        if let Input::Alerts { source, told, .. } = input {
            self.remember(source, told.iter().map(|told| told.alert.identity), at);
        }
        let router = self.router.get_mut();
        let engine = &mut self.engine;
        match input {
            Input::Started { delivery } => router.started(*delivery, at, &mut changes),
            Input::Answered { delivery, answer } => {
                let look = |id: &IncidentId| engine.incident(id);
                let accepted = router.answered(*delivery, answer, &look, at, &mut changes);
                if let Some(accepted) = accepted {
                    for id in &accepted.incidents {
                        let receipt = accepted.receipt.clone();
                        engine.received(id, &accepted.destination, receipt, &mut changes);
                    }
                }
            }
            Input::DeadLetter { delivery, retry } => {
                router.dead_letter(*delivery, *retry, at, &mut changes);
            }
            _ => {}
        }
        let notices = std::mem::take(&mut changes.notices);
        let look = |id: &IncidentId| engine.incident(id);
        router.plan(&notices, &look, at, &mut changes);
        if router.next_wake().is_some_and(|wake| wake <= at) {
            router.tick(&look, at, &mut changes);
        }
        changes
    }

    fn configure(&mut self, config: &Arc<Config>, hash: &str, at: Moment) -> Changes {
        let mut changes = Changes::default();
        changes.events.push(Event::Configured { hash: hash.to_owned() });
        if *self.config == **config {
            return changes;
        }
        // What it decided so far is said in rows; another set of rules reads them.
        let rows = self.engine.rows();
        let kept = rows.iter().filter_map(|row| Some((row.table, &row.key, row.value.as_ref()?)));
        match Engine::restore(Arc::clone(config), kept) {
            Ok(engine) => self.engine = engine,
            Err(error) => {
                tracing::error!(
                    error = %ErrorChain(&error),
                    "incidents cannot be read with the new configuration: the rules before stay in \
                     force until a restart"
                );
            }
        }
        self.config = Arc::clone(config);
        let router = self.router.get_mut();
        router.reconfigure(Arc::clone(config));
        let engine = &self.engine;
        router.tick(&|id: &IncidentId| engine.incident(id), at, &mut changes);
        changes
    }

    fn next_wake(&self) -> Option<Moment> {
        [self.engine.next_wake(), self.router.borrow().next_wake()].into_iter().flatten().min()
    }

    fn restore(&mut self, mut stored: Stored) -> Result<(), BoxError> {
        let of = |table| {
            let rows = stored.rows(table).iter();
            rows.map(|(key, value)| (key.as_slice(), value.as_slice()))
        };
        let router =
            Router::restore(Arc::clone(&self.config), of(Table::Deliveries), of(Table::Singles))?;
        let rows = Table::ALL.into_iter().flat_map(|table| {
            let rows = stored.take(table).into_iter();
            rows.map(move |(key, value)| (table, key, value))
        });
        self.engine = Engine::restore(Arc::clone(&self.config), rows)?;
        self.router = RefCell::new(router);
        // Until an Alertmanager or a Prometheus has spoken again, an Alertmanager may say that an
        // alert is gone; that takes minutes, and a Prometheus speaks every minute.
        let told = FiringAlert { told_at: Moment::now(), is_from_alertmanager: true };
        self.told = self.engine.firing().map(|identity| (identity, told)).collect();
        Ok(())
    }
}
