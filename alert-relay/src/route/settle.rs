//! What became of messages: begun, answered, gone stale, dead.

use super::lanes::Lane;
use super::{Acceptance, Incidents, MAX_DEAD, Router, Style, Told, is_first_word, key, row};
use crate::incident::{
    Answer, Changes, Delivery, DeliveryId, DeliveryState, Event, Incident, Kind, Phase, Row, Table,
};
use crate::time::Moment;

impl Router {
    /// An attempt begins whose repetition somebody would see.
    pub fn started(&mut self, id: DeliveryId, now: Moment, changes: &mut Changes) {
        let Some(mut delivery) = self.lanes.get(id).cloned() else { return };
        delivery.attempts += 1;
        delivery.state = DeliveryState::Started { at: now };
        changes.events.push(Event::Started { delivery: id, attempt: delivery.attempts });
        self.save(delivery, changes);
    }

    /// An attempt has ended. What it returns belongs into [`Incident::receipts`], before anything
    /// else is sent.
    pub fn answered(
        &mut self,
        id: DeliveryId,
        answer: &Answer,
        incidents: Incidents<'_>,
        now: Moment,
        changes: &mut Changes,
    ) -> Option<Acceptance> {
        let mut delivery = self.lanes.get(id)?.clone();
        changes.events.push(Event::Answered { delivery: id, answer: answer.clone() });
        let started = if let DeliveryState::Started { at } = delivery.state {
            Some(at)
        } else {
            delivery.attempts += 1;
            None
        };
        match answer {
            Answer::Accepted { receipt } => {
                let is_told = !matches!(delivery.kind, Kind::Digest | Kind::Internal);
                self.accept(&delivery, incidents, now, changes);
                is_told.then(|| Acceptance {
                    incidents: delivery.incidents,
                    destination: delivery.destination,
                    receipt: receipt.clone(),
                })
            }
            Answer::Retry { not_before, is_ambiguous, .. } => {
                if *is_ambiguous {
                    delivery.ambiguous_since.get_or_insert(started.unwrap_or(now));
                }
                delivery.state = DeliveryState::Planned { not_before: *not_before };
                self.lanes.release(id);
                self.save(delivery, changes);
                None
            }
            Answer::Broken { not_before, problem } => {
                delivery.state = DeliveryState::Planned { not_before: *not_before };
                self.lanes.release(id);
                self.save(delivery.clone(), changes);
                self.fall_back(&delivery, incidents, now, changes);
                self.complain(&delivery.destination, problem, now, changes);
                None
            }
            Answer::Refused { problem } => {
                self.die(delivery, problem, incidents, now, changes);
                None
            }
        }
    }

    fn accept(
        &mut self,
        delivery: &Delivery,
        incidents: Incidents<'_>,
        now: Moment,
        changes: &mut Changes,
    ) {
        self.remove(delivery.id, changes);
        let Some(incident) = delivery.incidents.first().and_then(incidents) else { return };
        if matches!(delivery.kind, Kind::Digest | Kind::Internal) {
            return;
        }
        let lane = Lane::new(&delivery.destination, &incident.id);
        if delivery.kind == Kind::Resolve {
            self.told.remove(&lane);
            return;
        }
        let told = Told { at: now, total: incident.total, severity: incident.severity };
        self.told.insert(lane.clone(), told);
        // one that ended without a message behind it: it was told late, or was brought back
        let style = self.style(&delivery.destination);
        let ends = matches!(style, Some(Style::Pager | Style::Machine))
            && matches!(incident.phase, Phase::Resolved { .. })
            && self.lanes.in_lane(&lane).next().is_none();
        if ends {
            self.add(end_of(delivery, now), changes);
        }
    }

    /// Keeps a message that cannot be delivered, and tells others.
    fn die(
        &mut self,
        mut delivery: Delivery,
        problem: &str,
        incidents: Incidents<'_>,
        now: Moment,
        changes: &mut Changes,
    ) {
        let id = delivery.id;
        self.lanes.remove(id);
        self.orphans.remove(&id);
        delivery.state = DeliveryState::Dead { at: now, problem: problem.to_owned() };
        let problem = problem.to_owned();
        changes.events.push(Event::DeadLettered { delivery: id, problem: problem.clone() });
        self.fall_back(&delivery, incidents, now, changes);
        delivery.has_fallen_back |= is_first_word(delivery.kind);
        changes.rows.push(row(&delivery));
        if delivery.kind == Kind::Open {
            self.drop_followers(&delivery, incidents, changes);
        }
        let destination = delivery.destination.clone();
        self.dead.insert(id, delivery);
        self.evict_dead(&destination, changes);
        self.complain(&destination, &problem, now, changes);
    }

    /// What waits behind a first message that never arrived has nothing to speak of.
    fn drop_followers(&mut self, open: &Delivery, incidents: Incidents<'_>, changes: &mut Changes) {
        let Some(incident) = open.incidents.first().and_then(incidents) else { return };
        if incident.receipts.contains_key(&open.destination) {
            return;
        }
        let lane = Lane::new(&open.destination, &incident.id);
        let behind: Vec<_> = self.lanes.in_lane(&lane).map(|one| (one.id, one.kind)).collect();
        for (id, kind) in behind {
            if !matches!(kind, Kind::Open | Kind::Escalate) {
                self.withdraw(id, "its first message was refused", changes);
            }
        }
    }

    fn evict_dead(&mut self, destination: &str, changes: &mut Changes) {
        let of = |one: &&Delivery| one.destination == destination;
        while self.dead.values().filter(of).count() > MAX_DEAD {
            let Some(id) = self.dead.values().find(of).map(|one| one.id) else { return };
            self.dead.remove(&id);
            changes.rows.push(Row { table: Table::Deliveries, key: key(id), value: None });
        }
    }

    /// A dead letter is to be sent again, or to be dropped. Whether there was one.
    pub fn dead_letter(
        &mut self,
        id: DeliveryId,
        retry: bool,
        now: Moment,
        changes: &mut Changes,
    ) -> bool {
        let Some(mut delivery) = self.dead.remove(&id) else { return false };
        if !retry {
            changes.rows.push(Row { table: Table::Deliveries, key: key(id), value: None });
            let problem = "dropped by a person".to_owned();
            changes.events.push(Event::DeadLettered { delivery: id, problem });
            return true;
        }
        delivery.state = DeliveryState::Planned { not_before: now };
        delivery.attempts = 0;
        delivery.expires_at = None;
        changes.rows.push(row(&delivery));
        changes.events.push(Event::Planned {
            delivery: id,
            incident: delivery.incidents.first().cloned(),
            destination: delivery.destination.clone(),
            kind: delivery.kind,
            is_page: delivery.is_page,
        });
        let deadline = self.deadline(&delivery);
        self.lanes.put_first(delivery, deadline);
        self.find_orphans();
        true
    }

    /// Does what is due: stand-ins for pages that were not accepted, ends of what went stale.
    pub fn tick(&mut self, incidents: Incidents<'_>, now: Moment, changes: &mut Changes) {
        for id in std::mem::take(&mut self.orphans) {
            let Some(delivery) = self.lanes.get(id).cloned() else { continue };
            let problem = "the configuration has no such destination any more";
            self.die(delivery, problem, incidents, now, changes);
        }
        for id in self.lanes.overdue(now) {
            let Some(delivery) = self.lanes.get(id).cloned() else { continue };
            if delivery.expires_at.is_some_and(|at| at <= now) {
                self.expire(delivery, now, changes);
            } else {
                self.fall_back(&delivery, incidents, now, changes);
            }
        }
    }

    fn expire(&mut self, delivery: Delivery, now: Moment, changes: &mut Changes) {
        let (id, destination) = (delivery.id, delivery.destination.clone());
        let problem = format!("not accepted within {} s", now.since(delivery.planned_at).as_secs());
        if delivery.kind != Kind::Resolve {
            return self.withdraw(id, &problem, changes);
        }
        // somebody still believes that it goes on
        self.lanes.remove(id);
        changes.events.push(Event::DeadLettered { delivery: id, problem: problem.clone() });
        let state = DeliveryState::Dead { at: now, problem: problem.clone() };
        let delivery = Delivery { state, ..delivery };
        changes.rows.push(row(&delivery));
        self.dead.insert(id, delivery);
        self.evict_dead(&destination, changes);
        self.complain(&destination, &problem, now, changes);
    }
}

/// The end of an incident at the destination that was told of it.
pub(super) fn end_of(open: &Delivery, now: Moment) -> Delivery {
    Delivery {
        kind: Kind::Resolve,
        is_page: false,
        text: String::new(),
        planned_at: now,
        expires_at: Some(now.after(super::RESOLVES_EXPIRE)),
        attempts: 0,
        state: DeliveryState::Planned { not_before: now },
        has_fallen_back: false,
        ambiguous_since: None,
        ..open.clone()
    }
}

/// Whether it is over.
pub(super) fn has_ended(incident: &Incident) -> bool {
    matches!(incident.phase, Phase::Resolved { .. })
}
