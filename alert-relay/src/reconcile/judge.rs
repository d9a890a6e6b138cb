//! The decisions, from what was answered and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::access::Firing;
use crate::alert::{Condition, Identity};
use crate::alertmanagers::{KnownAlert, Listed, State};
use crate::config::inputs::AlertmanagerPeer;
use crate::incident::{Input, Observation, Source, Told};
use crate::time::Moment;

/// An alert is gone when it was absent this long.
const ABSENT_FOR: Duration = Duration::from_secs(90);

/// An alert was missed when it is unknown here this long.
const UNKNOWN_FOR: Duration = Duration::from_secs(45);

/// Three times Prometheus' `--rules.alert.resend-delay`: an Alertmanager that is up this long has
/// been told all that fires. The relay itself waits as long after its start.
const SETTLED_AFTER: Duration = Duration::from_mins(3);

/// An Alertmanager that does not answer is told of after this time.
const UNREACHABLE_FOR: Duration = Duration::from_mins(1);

/// Between two judgements there is never more, unless the clock was set or the machine slept.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// What one Alertmanager said, or that it said nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Poll {
    /// To the question for its alerts.
    Alerts(Listed),
    /// To the question for its status: when it was started, by its own clock. It is only compared
    /// with what it said before.
    Started(String),
    /// Neither.
    Silence,
}

#[derive(Debug)]
struct Peer {
    url: String,
    receivers: Vec<String>,
    /// Of the last list that came.
    known: BTreeMap<Identity, KnownAlert>,
    /// When that came; none yet without it.
    answered_at: Option<Moment>,
    /// Since when it does not answer.
    silent_since: Option<Moment>,
    /// What it says of its start, since when it says so, and when it last did.
    started: Option<(String, Moment, Moment)>,
    /// Whether people were told that it does not answer; not known after a start.
    is_told_silent: Option<bool>,
    /// The last list had alerts that could not be read.
    is_partial: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Suppression {
    silenced_by: Vec<String>,
    inhibited_by: Vec<String>,
}

/// Remembers what was answered, and decides what follows from it.
#[derive(Debug)]
pub struct Judge {
    peers: Vec<Peer>,
    started_at: Moment,
    judged_at: Moment,
    /// Since when they are nowhere.
    absent: BTreeMap<Identity, Moment>,
    /// Since when they are active there and not known here.
    unknown: BTreeMap<Identity, Moment>,
    /// What was last told of each.
    told: BTreeMap<Identity, Suppression>,
}

impl Judge {
    /// For these Alertmanagers, from now on.
    pub fn new(peers: &[AlertmanagerPeer], now: Moment) -> Self {
        let peer = |peer: &AlertmanagerPeer| Peer {
            url: peer.url.clone(),
            receivers: peer.receivers.clone(),
            known: BTreeMap::new(),
            answered_at: None,
            silent_since: None,
            started: None,
            is_told_silent: None,
            is_partial: false,
        };
        Self {
            peers: peers.iter().map(peer).collect(),
            started_at: now,
            judged_at: now,
            absent: BTreeMap::new(),
            unknown: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Takes what the Alertmanager of this index said at `now`.
    pub fn note(&mut self, peer: usize, poll: Poll, now: Moment) {
        let Some(peer) = self.peers.get_mut(peer) else { return };
        match poll {
            Poll::Silence => {
                peer.silent_since.get_or_insert(now);
            }
            Poll::Started(stamp) => {
                let since = match &peer.started {
                    Some((known, since, _)) if *known == stamp => *since,
                    _ => now,
                };
                peer.started = Some((stamp, since, now));
            }
            Poll::Alerts(listed) => {
                peer.is_partial = listed.unreadable > 0;
                let known = listed.alerts.into_iter();
                peer.known = known.map(|known| (known.alert.identity, known)).collect();
                (peer.answered_at, peer.silent_since) = (Some(now), None);
            }
        }
    }

    /// What follows for the alerts that fire here.
    pub fn judge(&mut self, firing: &Firing, now: Moment) -> Vec<Input> {
        if now < self.judged_at || now.since(self.judged_at) > LONGEST_PAUSE {
            // Times from before a jump say nothing about how long something has been so.
            self.absent.clear();
            self.unknown.clear();
            self.started_at = now;
            for peer in &mut self.peers {
                peer.silent_since = peer.silent_since.map(|_| now);
                peer.started = None;
            }
        }
        self.judged_at = now;
        let mut inputs = self.reachability(now);
        let seen = self.seen(firing);
        if !seen.is_empty() {
            inputs.push(Input::Seen { alerts: seen });
        }
        inputs.extend(self.missed(firing, now));
        let gone = self.gone(firing, now);
        if !gone.is_empty() {
            inputs.push(Input::Gone { alerts: gone });
        }
        inputs
    }

    fn reachability(&mut self, now: Moment) -> Vec<Input> {
        let mut told = Vec::new();
        for peer in &mut self.peers {
            let is_silent = match peer.silent_since {
                Some(since) if now.since(since) > UNREACHABLE_FOR => true,
                // not told yet, or its end is not sure
                Some(_) => continue,
                None if peer.answered_at.is_none() => continue,
                None => false,
            };
            if peer.is_told_silent.replace(is_silent) == Some(is_silent) {
                continue;
            }
            let summary = "An Alertmanager does not answer the relay: what ends or is silenced \
                           there is not seen, and what its webhooks lose is not found";
            let condition = Condition::new(
                "AlertRelayAlertmanagerUnreachable",
                "critical",
                ("alertmanager", &peer.url),
                summary.to_owned(),
            );
            let alert = match peer.silent_since.filter(|_| is_silent) {
                Some(since) => condition.begun(since),
                None => condition.ended(now),
            };
            told.push(Told { alert, fires_until: None });
        }
        if told.is_empty() {
            return Vec::new();
        }
        vec![Input::Alerts { source: Source::Internal, told, rejected: Vec::new() }]
    }

    /// Those whose suppression is not as it was last told.
    fn seen(&mut self, firing: &Firing) -> Vec<Observation> {
        self.told.retain(|identity, _| firing.contains_key(identity));
        let mut seen = Vec::new();
        for identity in firing.keys() {
            let reachable = self.peers.iter().filter(|peer| peer.silent_since.is_none());
            let known: Vec<&KnownAlert> =
                reachable.filter_map(|peer| peer.known.get(identity)).collect();
            let Some(first) = known.first() else { continue };
            let suppression = Suppression {
                silenced_by: by_all(&known, |known| &known.silenced_by),
                inhibited_by: by_all(&known, |known| &known.inhibited_by),
            };
            if self.told.get(identity) == Some(&suppression) {
                continue;
            }
            seen.push(Observation {
                identity: *identity,
                fingerprint: first.alert.fingerprint,
                silenced_by: suppression.silenced_by.clone(),
                inhibited_by: suppression.inhibited_by.clone(),
            });
            self.told.insert(*identity, suppression);
        }
        seen
    }

    /// Those that should have come by a webhook.
    fn missed(&mut self, firing: &Firing, now: Moment) -> Vec<Input> {
        let (mut inputs, mut unknown) = (Vec::new(), BTreeMap::new());
        for peer in self.peers.iter().filter(|peer| peer.silent_since.is_none()) {
            let mut told = Vec::new();
            for (identity, known) in &peer.known {
                let is_for_us = peer.receivers.is_empty()
                    || known.receivers.iter().any(|name| peer.receivers.contains(name));
                let is_new = !firing.contains_key(identity) && !unknown.contains_key(identity);
                if known.state != State::Active || !is_for_us || !is_new {
                    continue;
                }
                let since = self.unknown.get(identity).copied().unwrap_or(now);
                unknown.insert(*identity, since);
                // Told again and again until it is known here, whatever became of the first time.
                if now.since(since) > UNKNOWN_FOR {
                    let alert = known.alert.clone();
                    told.push(Told { alert, fires_until: None });
                }
            }
            if !told.is_empty() {
                let source = Source::Reconciliation(peer.url.clone());
                inputs.push(Input::Alerts { source, told, rejected: Vec::new() });
            }
        }
        self.unknown = unknown;
        inputs
    }

    /// Those that have ended without a word.
    fn gone(&mut self, firing: &Firing, now: Moment) -> Vec<Identity> {
        let mut absent = BTreeMap::new();
        for (identity, alert) in firing.iter().filter(|(_, alert)| alert.is_from_alertmanager) {
            let could_be_known = |peer: &Peer| {
                peer.known.contains_key(identity) || peer.is_partial || {
                    // What began since it last answered may be known to it alone.
                    peer.silent_since.is_some()
                        && peer.answered_at.is_none_or(|answered| alert.told_at >= answered)
                }
            };
            if self.peers.iter().any(could_be_known) {
                continue;
            }
            let since = self.absent.get(identity).copied().unwrap_or(now);
            // It was told to fire since: the count begins anew.
            absent.insert(*identity, if alert.told_at > since { now } else { since });
        }
        let is_gone = |since: Moment| now.since(since) >= ABSENT_FOR && self.may_close(since, now);
        let gone: Vec<Identity> =
            absent.iter().filter(|(_, since)| is_gone(**since)).map(|(id, _)| *id).collect();
        self.absent = absent;
        gone
    }

    /// Whether all that answer were up long enough to know what fires, and have answered again
    /// since an alert was first absent.
    fn may_close(&self, since: Moment, now: Moment) -> bool {
        let mut reachable = self.peers.iter().filter(|peer| peer.silent_since.is_none()).peekable();
        reachable.peek().is_some()
            && now.since(self.started_at) >= SETTLED_AFTER
            && reachable.all(|peer| {
                let has_answered_again = peer.answered_at.is_some_and(|answered| answered > since);
                // A restart after the first absence shows only in a status of after it.
                let is_settled = peer.started.as_ref().is_some_and(|(_, begun, told)| {
                    now.since(*begun) >= SETTLED_AFTER && *told > since
                });
                has_answered_again && is_settled
            })
    }
}

/// Who suppresses it, if all that know the alert say that somebody does.
fn by_all(known: &[&KnownAlert], by: impl Fn(&KnownAlert) -> &Vec<String>) -> Vec<String> {
    if known.iter().any(|known| by(known).is_empty()) {
        return Vec::new();
    }
    let all: BTreeSet<&String> = known.iter().flat_map(|known| by(known)).collect();
    all.into_iter().cloned().collect()
}
