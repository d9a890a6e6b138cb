//! Turns what is to be told into messages to destinations, and keeps their order until they have
//! arrived.
//!
//! Everything that waits is a row: [`Router::restore`] makes the same queue again. In memory alone
//! are the times that only save messages (a channel's count of ten minutes, the pause between two
//! updates). Messages about one incident to one destination never overtake each other.
//!
//! Bound: for an incident and a destination at most one message of each kind waits, six in all; a
//! destination has at most [`MAX_INTERNAL`] messages about the relay itself and [`MAX_DEAD`] dead
//! letters. So the queue is bounded by the incidents that the engine keeps.

mod digest;
#[cfg(test)]
pub(crate) mod examples;
mod fallback;
mod hours;
mod lanes;
mod plan;
mod settle;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use self::lanes::{Lane, Lanes};
use crate::config::Config;
use crate::config::destinations::{Destination, Target};
use crate::incident::{
    Changes, Delivery, DeliveryId, DeliveryState, Event, Incident, IncidentId, Kind, Receipt, Row,
    Severity, Table,
};
use crate::time::Moment;

/// Messages about the relay itself that wait for one destination; the oldest gives way.
pub const MAX_INTERNAL: usize = 50;

/// Dead letters of one destination; the oldest gives way, and stays in the records.
pub const MAX_DEAD: usize = 1_000;

/// A page that was not accepted within this time is told by others too.
pub const FALLBACK_AFTER: Duration = Duration::from_mins(1);

/// An update that was not sent within this time has gone stale.
pub const UPDATES_EXPIRE: Duration = Duration::from_mins(10);

/// A resolve is tried this long.
pub const RESOLVES_EXPIRE: Duration = Duration::from_hours(24);

/// The key of the row in [`Table::Singles`] that counts deliveries.
const COUNTER: &[u8] = b"next_delivery";

/// How to find an incident.
pub type Incidents<'a> = &'a dyn Fn(&IncidentId) -> Option<&'a Incident>;

/// Why a queue could not be made again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A row is no delivery.
    #[error("row {key} of the table deliveries is no delivery")]
    Delivery {
        /// Its key, hexadecimal.
        key: String,
        /// Where and why.
        #[source]
        cause: serde_json::Error,
    },
}

/// What the incidents of an accepted message have to remember, by destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Which incidents.
    pub incidents: Vec<IncidentId>,
    /// The destination.
    pub destination: String,
    /// For [`Incident::receipts`].
    pub receipt: Receipt,
}

/// All messages that have not arrived yet.
#[derive(Debug)]
pub struct Router {
    config: Arc<Config>,
    next_id: u64,
    lanes: Lanes,
    dead: BTreeMap<DeliveryId, Delivery>,
    /// Of deliveries whose destination the configuration does not have any more.
    orphans: BTreeSet<DeliveryId>,
    /// What a destination was last told of an incident.
    told: BTreeMap<Lane, Told>,
    /// New messages by channel, of the last ten minutes.
    recent: BTreeMap<String, VecDeque<Moment>>,
    /// When a destination was last complained about.
    complained: BTreeMap<String, Moment>,
}

/// What a destination was last told of an incident, to tell what is news.
#[derive(Debug, Clone, Copy)]
struct Told {
    at: Moment,
    total: u32,
    severity: Severity,
}

/// How a destination takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// PagerDuty: an incident is a key; nothing that waits may be left out.
    Pager,
    /// Slack with a token: an incident is one message, which is edited.
    Chat,
    /// Only new messages, for people: an incoming webhook of Slack, mail.
    Post,
    /// A program: gets everything, in order.
    Machine,
}

impl Style {
    fn of(destination: &Destination) -> Self {
        match destination.target() {
            Some(Target::PagerDuty(_)) => Self::Pager,
            Some(Target::Slack(_)) => Self::Chat,
            Some(Target::SlackWebhook(_) | Target::Email(_)) => Self::Post,
            Some(Target::Webhook(_)) | None => Self::Machine,
        }
    }

    /// Whether such a message is sent there at all.
    fn takes(self, kind: Kind) -> bool {
        match self {
            // it repeats by its own escalation policy; a second key would wake those who work on it
            Self::Pager => kind != Kind::Remind,
            Self::Chat | Self::Machine => true,
            Self::Post => !matches!(kind, Kind::Update | Kind::Acknowledge),
        }
    }
}

impl Router {
    /// Without any message.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            next_id: 1,
            lanes: Lanes::default(),
            dead: BTreeMap::new(),
            orphans: BTreeSet::new(),
            told: BTreeMap::new(),
            recent: BTreeMap::new(),
            complained: BTreeMap::new(),
        }
    }

    /// From the rows of [`Table::Deliveries`] and [`Table::Singles`]: keys with values.
    ///
    /// # Errors
    /// A row that is no delivery.
    pub fn restore<'r>(
        config: Arc<Config>,
        deliveries: impl IntoIterator<Item = (&'r [u8], &'r [u8])>,
        singles: impl IntoIterator<Item = (&'r [u8], &'r [u8])>,
    ) -> Result<Self, RestoreError> {
        let mut router = Self::new(config);
        for (key, value) in deliveries {
            let mut delivery: Delivery = serde_json::from_slice(value).map_err(|cause| {
                let mut shown = String::new();
                for byte in key {
                    let _ = write!(shown, "{byte:02x}");
                }
                let key = shown;
                RestoreError::Delivery { key, cause }
            })?;
            router.next_id = router.next_id.max(delivery.id.0 + 1);
            match delivery.state {
                DeliveryState::Done { .. } => continue,
                DeliveryState::Dead { .. } => {
                    router.dead.insert(delivery.id, delivery);
                    continue;
                }
                DeliveryState::Started { at } => {
                    delivery.ambiguous_since.get_or_insert(at);
                }
                DeliveryState::Planned { .. } => {}
            }
            router.hold(delivery);
        }
        for (_, value) in singles.into_iter().filter(|(key, _)| *key == COUNTER) {
            // a number that cannot be read leaves the one that the rows gave
            let next = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            router.next_id = router.next_id.max(next.unwrap_or(0));
        }
        router.find_orphans();
        Ok(router)
    }

    /// Goes on with another configuration. What waits stays as it was planned; what goes to a
    /// destination that is gone is dealt with at the next [`tick`](Self::tick).
    pub fn reconfigure(&mut self, config: Arc<Config>) {
        self.config = config;
        let all: Vec<_> = self.lanes.iter().cloned().collect();
        for delivery in all {
            self.hold(delivery);
        }
        self.find_orphans();
    }

    /// The message to send to a destination next, if one is due: it is the caller's until
    /// [`answered`](Self::answered) or [`put_back`](Self::put_back).
    ///
    /// New critical ones go first, then other new ones, ends, acknowledgements, updates; the oldest
    /// of each first.
    pub fn next(&mut self, destination: &str, now: Moment) -> Option<Delivery> {
        self.lanes.take_due(destination, now)
    }

    /// A message from [`next`](Self::next) was not sent after all.
    pub fn put_back(&mut self, id: DeliveryId) {
        self.lanes.release(id);
    }

    /// When [`next`](Self::next) will have something for a destination, if nothing else changes.
    pub fn next_due(&self, destination: &str) -> Option<Moment> {
        self.lanes.next_due(destination)
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn next_wake(&self) -> Option<Moment> {
        if self.orphans.is_empty() { self.lanes.next_deadline() } else { Some(Moment::EPOCH) }
    }

    /// Whether a message about this incident has not arrived yet, so that the incident is needed.
    pub fn needs(&self, incident: &IncidentId) -> bool {
        self.lanes.mentions(incident)
            || self.dead.values().any(|delivery| delivery.incidents.contains(incident))
    }

    /// A delivery that has not arrived, dead ones included.
    pub fn delivery(&self, id: DeliveryId) -> Option<&Delivery> {
        self.lanes.get(id).or_else(|| self.dead.get(&id))
    }

    /// Dead letters, the oldest first.
    pub fn dead_letters(&self) -> impl Iterator<Item = &Delivery> {
        self.dead.values()
    }

    /// How many messages wait for a destination, and since when the oldest has been due.
    pub fn queue(&self, destination: &str) -> (usize, Option<Moment>) {
        self.lanes.queue_of(destination)
    }

    fn style(&self, destination: &str) -> Option<Style> {
        self.config.destination(destination).map(Style::of)
    }

    fn find_orphans(&mut self) {
        let is_gone =
            |delivery: &&Delivery| self.config.destination(&delivery.destination).is_none();
        self.orphans = self.lanes.iter().filter(is_gone).map(|delivery| delivery.id).collect();
    }

    /// A new delivery, with its row and its record.
    fn add(&mut self, mut delivery: Delivery, changes: &mut Changes) -> DeliveryId {
        let id = DeliveryId(self.next_id);
        self.next_id += 1;
        changes.rows.push(Row {
            table: Table::Singles,
            key: COUNTER.to_vec(),
            value: Some(self.next_id.to_string().into_bytes()),
        });
        delivery.id = id;
        changes.events.push(Event::Planned {
            delivery: id,
            incident: delivery.incidents.first().cloned(),
            destination: delivery.destination.clone(),
            kind: delivery.kind,
            is_page: delivery.is_page,
        });
        self.save(delivery, changes);
        id
    }

    /// A delivery as it is now, with its row.
    fn save(&mut self, delivery: Delivery, changes: &mut Changes) {
        changes.rows.push(row(&delivery));
        self.hold(delivery);
    }

    fn hold(&mut self, delivery: Delivery) {
        let deadline = self.deadline(&delivery);
        self.lanes.put(delivery, deadline);
    }

    /// When something is to be done about a delivery that was not sent.
    fn deadline(&self, delivery: &Delivery) -> Option<Moment> {
        let has_fallback = self
            .config
            .destination(&delivery.destination)
            .is_some_and(|destination| !destination.fallback.is_empty());
        let falls_back = delivery.is_page
            && !delivery.has_fallen_back
            && has_fallback
            && is_first_word(delivery.kind);
        let fallback = falls_back.then(|| delivery.planned_at.after(FALLBACK_AFTER));
        [fallback, delivery.expires_at].into_iter().flatten().min()
    }

    /// Removes a delivery that waits, with its row.
    fn remove(&mut self, id: DeliveryId, changes: &mut Changes) -> Option<Delivery> {
        let removed = self.lanes.remove(id)?;
        self.orphans.remove(&id);
        changes.rows.push(Row { table: Table::Deliveries, key: key(id), value: None });
        Some(removed)
    }

    /// Removes a delivery that is not needed any more, and says why.
    fn withdraw(&mut self, id: DeliveryId, why: &str, changes: &mut Changes) {
        let Some(removed) = self.remove(id, changes) else { return };
        let (kind, destination) = (removed.kind.as_str(), &removed.destination);
        let detail = format!("message {} ({kind}) to {destination} is not needed: {why}", id.0);
        for incident in removed.incidents {
            changes.events.push(Event::Changed { incident, detail: detail.clone() });
        }
    }
}

/// Whether it tells something that nobody knows without it.
fn is_first_word(kind: Kind) -> bool {
    matches!(kind, Kind::Open | Kind::Escalate | Kind::Digest | Kind::Internal)
}

fn key(id: DeliveryId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

fn row(delivery: &Delivery) -> Row {
    let value = serde_json::to_vec(delivery).expect("texts and numbers are JSON");
    Row { table: Table::Deliveries, key: key(delivery.id), value: Some(value) }
}
