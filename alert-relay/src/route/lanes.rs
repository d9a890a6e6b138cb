//! Messages that wait, in one queue for each destination and incident, and an index of those that
//! may go.
//!
//! Only the first of a queue is in the index, and not while it is being sent: so nothing overtakes.

use std::collections::{BTreeMap, BTreeSet};

use crate::incident::{Delivery, DeliveryId, DeliveryState, IncidentId, Kind, Severity};
use crate::time::Moment;

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    destination: String,
    of: Of,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    /// Messages about one incident.
    Incident(IncidentId),
    /// One message that has no order with others.
    Alone(DeliveryId),
}

impl Lane {
    pub(super) fn new(destination: &str, incident: &IncidentId) -> Self {
        Self { destination: destination.to_owned(), of: Of::Incident(incident.clone()) }
    }

    fn of(delivery: &Delivery) -> Self {
        let of = match (delivery.kind, delivery.incidents.first()) {
            (Kind::Digest | Kind::Internal, _) | (_, None) => Of::Alone(delivery.id),
            (_, Some(incident)) => Of::Incident(incident.clone()),
        };
        Self { destination: delivery.destination.clone(), of }
    }
}

/// Lower goes first.
type Rank = u8;

#[derive(Debug, Default)]
pub(super) struct Lanes {
    deliveries: BTreeMap<DeliveryId, Delivery>,
    queues: BTreeMap<Lane, Vec<DeliveryId>>,
    in_flight: BTreeSet<DeliveryId>,
    /// Heads of queues by destination.
    heads: BTreeMap<String, BTreeSet<(Rank, DeliveryId)>>,
    due: BTreeMap<String, BTreeSet<(Moment, DeliveryId)>>,
    /// What the index has of a queue.
    indexed: BTreeMap<Lane, (Rank, Moment, DeliveryId)>,
    deadlines: BTreeSet<(Moment, DeliveryId)>,
    deadline_of: BTreeMap<DeliveryId, Moment>,
    /// In how many messages an incident is.
    mentions: BTreeMap<IncidentId, u32>,
}

impl Lanes {
    /// Adds a delivery at the end of its queue, or replaces it at its place.
    pub(super) fn put(&mut self, delivery: Delivery, deadline: Option<Moment>) {
        let (id, lane) = (delivery.id, Lane::of(&delivery));
        self.forget(id);
        if !self.deliveries.contains_key(&id) {
            self.queues.entry(lane.clone()).or_default().push(id);
        }
        for incident in &delivery.incidents {
            *self.mentions.entry(incident.clone()).or_default() += 1;
        }
        if let Some(deadline) = deadline {
            self.deadline_of.insert(id, deadline);
            if !self.in_flight.contains(&id) {
                self.deadlines.insert((deadline, id));
            }
        }
        self.deliveries.insert(id, delivery);
        self.refresh(&lane);
    }

    /// As [`put`](Self::put), but at the front of its queue.
    pub(super) fn put_first(&mut self, delivery: Delivery, deadline: Option<Moment>) {
        let (id, lane) = (delivery.id, Lane::of(&delivery));
        self.put(delivery, deadline);
        if let Some(queue) = self.queues.get_mut(&lane) {
            queue.retain(|other| *other != id);
            queue.insert(0, id);
        }
        self.refresh(&lane);
    }

    pub(super) fn remove(&mut self, id: DeliveryId) -> Option<Delivery> {
        self.forget(id);
        self.in_flight.remove(&id);
        let removed = self.deliveries.remove(&id)?;
        let lane = Lane::of(&removed);
        if let Some(queue) = self.queues.get_mut(&lane) {
            queue.retain(|other| *other != id);
            if queue.is_empty() {
                self.queues.remove(&lane);
            }
        }
        self.refresh(&lane);
        Some(removed)
    }

    /// Takes a delivery out of the indices that hold copies of its fields.
    fn forget(&mut self, id: DeliveryId) {
        if let Some(deadline) = self.deadline_of.remove(&id) {
            self.deadlines.remove(&(deadline, id));
        }
        let Some(old) = self.deliveries.get(&id) else { return };
        for incident in &old.incidents {
            if let Some(count) = self.mentions.get_mut(incident) {
                *count -= 1;
                if *count == 0 {
                    self.mentions.remove(incident);
                }
            }
        }
    }

    fn refresh(&mut self, lane: &Lane) {
        let destination = &lane.destination;
        if let Some((rank, due, id)) = self.indexed.remove(lane) {
            remove_from(&mut self.heads, destination, &(rank, id));
            remove_from(&mut self.due, destination, &(due, id));
        }
        let Some(id) = self.queues.get(lane).and_then(|queue| queue.first()).copied() else {
            return;
        };
        let Some(delivery) = self.deliveries.get(&id).filter(|_| !self.in_flight.contains(&id))
        else {
            return;
        };
        let (rank, due) = (rank(delivery), due(delivery));
        self.heads.entry(destination.clone()).or_default().insert((rank, id));
        self.due.entry(destination.clone()).or_default().insert((due, id));
        self.indexed.insert(lane.clone(), (rank, due, id));
    }

    pub(super) fn take_due(&mut self, destination: &str, now: Moment) -> Option<Delivery> {
        // without this look an outage, where all heads wait, would cost a walk over all of them
        self.next_due(destination).filter(|due| *due <= now)?;
        let is_due = |id: &DeliveryId| self.deliveries.get(id).is_some_and(|one| due(one) <= now);
        let heads = self.heads.get(destination)?;
        let id = heads.iter().map(|(_, id)| *id).find(is_due)?;
        let delivery = self.deliveries.get(&id)?.clone();
        self.in_flight.insert(id);
        if let Some(deadline) = self.deadline_of.get(&id) {
            self.deadlines.remove(&(*deadline, id));
        }
        self.refresh(&Lane::of(&delivery));
        Some(delivery)
    }

    /// It is not being sent any more.
    pub(super) fn release(&mut self, id: DeliveryId) {
        if !self.in_flight.remove(&id) {
            return;
        }
        if let Some(deadline) = self.deadline_of.get(&id) {
            self.deadlines.insert((*deadline, id));
        }
        if let Some(lane) = self.deliveries.get(&id).map(Lane::of) {
            self.refresh(&lane);
        }
    }

    pub(super) fn is_in_flight(&self, id: DeliveryId) -> bool {
        self.in_flight.contains(&id)
    }

    pub(super) fn next_due(&self, destination: &str) -> Option<Moment> {
        self.due.get(destination)?.first().map(|(due, _)| *due)
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Those whose deadline has passed.
    pub(super) fn overdue(&self, now: Moment) -> Vec<DeliveryId> {
        self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }

    pub(super) fn get(&self, id: DeliveryId) -> Option<&Delivery> {
        self.deliveries.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.values()
    }

    pub(super) fn mentions(&self, incident: &IncidentId) -> bool {
        self.mentions.contains_key(incident)
    }

    /// The messages of a queue in their order.
    pub(super) fn in_lane(&self, lane: &Lane) -> impl Iterator<Item = &Delivery> {
        let ids = self.queues.get(lane).into_iter().flatten();
        ids.filter_map(|id| self.deliveries.get(id))
    }

    /// All queues of a destination that are alone: digests and messages about the relay.
    pub(super) fn alone(&self, destination: &str) -> impl Iterator<Item = &Delivery> {
        let first = Lane { destination: destination.to_owned(), of: Of::Alone(DeliveryId(0)) };
        let lanes = self.queues.range(first..);
        let lanes = lanes.take_while(move |(lane, _)| lane.destination == destination);
        lanes.flat_map(|(_, ids)| ids).filter_map(|id| self.deliveries.get(id))
    }

    pub(super) fn queue_of(&self, destination: &str) -> (usize, Option<Moment>) {
        let waiting = self.deliveries.values().filter(|one| one.destination == destination);
        let since = |one: &Delivery| match one.state {
            DeliveryState::Planned { not_before } if one.attempts == 0 => not_before,
            _ => one.planned_at,
        };
        let (mut count, mut oldest) = (0, None::<Moment>);
        for one in waiting {
            count += 1;
            oldest = Some(oldest.map_or(since(one), |oldest| oldest.min(since(one))));
        }
        (count, oldest)
    }
}

fn remove_from<T: Ord>(index: &mut BTreeMap<String, BTreeSet<T>>, destination: &str, entry: &T) {
    if let Some(entries) = index.get_mut(destination) {
        entries.remove(entry);
        if entries.is_empty() {
            index.remove(destination);
        }
    }
}

fn due(delivery: &Delivery) -> Moment {
    match delivery.state {
        DeliveryState::Planned { not_before } => not_before,
        // after a restart: at once
        _ => Moment::EPOCH,
    }
}

fn rank(delivery: &Delivery) -> Rank {
    let is_critical = delivery.is_page || delivery.severity == Severity::Critical;
    match delivery.kind {
        Kind::Open | Kind::Escalate | Kind::Internal if is_critical => 0,
        Kind::Open | Kind::Escalate | Kind::Remind | Kind::Digest | Kind::Internal => 1,
        Kind::Resolve => 2,
        Kind::Acknowledge => 3,
        Kind::Update => 4,
    }
}
