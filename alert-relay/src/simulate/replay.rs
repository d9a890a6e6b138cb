//! Plays recorded or generated days against the engine, with a simulated clock.
//!
//! Every tick is given when the engine asked for it, so that a day played in a second decides as a
//! day does.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::alertmanager::Line;
use super::day::Problem;
use super::score::{Score, Truth};
use crate::alert::{Fingerprint, Identity, parse_notification};
use crate::config::Config;
use crate::correlate::Engine;
use crate::incident::{
    Changes, Event, Feedback, IncidentId, Input, Kind, Observation, Source, Table, Told,
};
use crate::time::Moment;

/// Between a call and the acknowledgement, and between that and the judgement.
const REACTION: Duration = Duration::from_mins(3);

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oncall {
    /// The relay hears nothing of them.
    Silent,
    /// They acknowledge, and say whether it was worth it.
    Judges,
}

/// Why a day cannot be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file.
    #[error("line {line} cannot be read")]
    Read {
        /// Counts from 1.
        line: usize,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A line.
    #[error("line {line} is no object with t, from and body, or none of the truth")]
    Form {
        /// Counts from 1.
        line: usize,
        /// What is wrong.
        #[source]
        cause: serde_json::Error,
    },
    /// A restart in the middle of a day.
    #[error("the rows of the engine cannot be read back")]
    Restore(#[source] crate::correlate::RestoreError),
}

/// What a replay came to.
#[derive(Debug)]
pub struct Replayed {
    /// The counts; without a truth every interruption counts as noise.
    pub score: Score,
    /// How many notices there were of each kind.
    pub notices: BTreeMap<&'static str, usize>,
}

/// Plays lines of `{t, from, body}`; `truth` holds one problem a line.
///
/// # Errors
/// A line that cannot be read; its number is named.
pub fn replay(
    config: Arc<Config>,
    lines: impl BufRead,
    truth: Option<impl BufRead>,
) -> Result<Replayed, ReplayError> {
    let lines: Vec<Line> = read(lines)?;
    let problems: Vec<Problem> = truth.map(read).transpose()?.unwrap_or_default();
    let mut player = Player::new(config, Oncall::Silent);
    player.play(&lines, &problems, &mut fastrand::Rng::with_seed(0), 0);
    let notices = std::mem::take(&mut player.notices);
    Ok(Replayed { score: player.score(0, lines.len()), notices })
}

fn read<T: for<'de> Deserialize<'de>>(from: impl BufRead) -> Result<Vec<T>, ReplayError> {
    let mut read = Vec::new();
    for (index, line) in from.lines().enumerate() {
        let number = index + 1;
        let line = line.map_err(|cause| ReplayError::Read { line: number, cause })?;
        if !line.trim().is_empty() {
            let one = serde_json::from_str(&line);
            read.push(one.map_err(|cause| ReplayError::Form { line: number, cause })?);
        }
    }
    Ok(read)
}

/// What reconciliation has found, as in a line of a day.
#[derive(Debug, Deserialize)]
struct Found {
    #[serde(default)]
    seen: Vec<Seen>,
    #[serde(default)]
    gone: Vec<Identity>,
}

#[derive(Debug, Deserialize)]
struct Seen {
    identity: Identity,
    fingerprint: Fingerprint,
    #[serde(default)]
    silenced_by: Vec<String>,
    #[serde(default)]
    inhibited_by: Vec<String>,
}

/// An engine with its rows, the people who are called, and the counts.
#[derive(Debug)]
pub(super) struct Player {
    config: Arc<Config>,
    engine: Engine,
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    oncall: Oncall,
    /// What people will say.
    replies: BTreeMap<(Moment, usize), Input>,
    score: Score,
    truth: Truth,
    notices: BTreeMap<&'static str, usize>,
    now: Moment,
}

impl Player {
    pub(super) fn new(config: Arc<Config>, oncall: Oncall) -> Self {
        Self {
            engine: Engine::new(Arc::clone(&config)),
            config,
            rows: BTreeMap::new(),
            oncall,
            replies: BTreeMap::new(),
            score: Score::default(),
            truth: Truth::default(),
            notices: BTreeMap::new(),
            now: Moment::EPOCH,
        }
    }

    /// Plays one day, with `kills` restarts at random lines.
    pub(super) fn play(
        &mut self,
        lines: &[Line],
        problems: &[Problem],
        random: &mut fastrand::Rng,
        kills: usize,
    ) {
        self.truth = Truth::new(problems);
        let kills: Vec<_> = (0..kills).map(|_| random.usize(0..lines.len().max(1))).collect();
        let mut sample = lines.first().map_or(self.now, |line| Moment::from_millis(line.t));
        for (index, line) in lines.iter().enumerate() {
            let at = Moment::from_millis(line.t);
            while sample <= at {
                self.pass(sample);
                self.sample();
                sample = sample.after(Duration::from_mins(10));
            }
            self.pass(at);
            if let Some(input) = self.input(line) {
                self.give(&input);
            }
            if kills.contains(&index) {
                self.restart();
            }
        }
        // What was held back is told, what is late arrives.
        self.pass(self.now.after(Duration::from_mins(1)));
    }

    fn restart(&mut self) {
        let rows = self.rows.iter().map(|((table, key), value)| (*table, key, value));
        if let Ok(engine) = Engine::restore(Arc::clone(&self.config), rows) {
            self.engine = engine;
        } else {
            self.score.lost += 1_000;
        }
    }

    fn sample(&mut self) {
        let firing = self.truth.firing(self.now);
        self.score.lost += firing.filter(|one| !self.engine.is_firing(*one)).count();
        let is_empty = |incident: &&crate::incident::Incident| incident.firing.is_empty();
        // A flapper is open while it is quiet, by intention.
        let open = self.engine.open().filter(is_empty).filter(|incident| !incident.is_flapping);
        self.score.orphans = self.score.orphans.max(open.count());
    }

    /// Time passes: ticks and replies, each when it is due.
    fn pass(&mut self, until: Moment) {
        loop {
            let wake = self.engine.next_wake();
            let reply = self.replies.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = [wake, reply].into_iter().flatten().min().filter(|at| *at <= until)
            else {
                break;
            };
            self.now = self.now.max(next);
            if reply == Some(next) {
                let reply = self.replies.pop_first();
                if let Some((_, input)) = reply {
                    self.give(&input);
                }
            } else {
                self.give(&Input::Tick);
            }
        }
        self.now = self.now.max(until);
    }

    fn input(&self, line: &Line) -> Option<Input> {
        if line.from == "reconciliation" {
            let found: Found = serde_json::from_value(line.body.clone()).ok()?;
            if !found.gone.is_empty() {
                return Some(Input::Gone { alerts: found.gone });
            }
            let alerts = found.seen.into_iter().map(|seen| Observation {
                identity: seen.identity,
                fingerprint: seen.fingerprint,
                silenced_by: seen.silenced_by,
                inhibited_by: seen.inhibited_by,
            });
            return Some(Input::Seen { alerts: alerts.collect() });
        }
        let body = serde_json::to_vec(&line.body).ok()?;
        let ignored = &self.config.receive.ignored_labels;
        let notification = parse_notification(&body, false, ignored, self.now).ok()?;
        let alerts = notification.alerts.into_iter();
        Some(Input::Alerts {
            source: Source::Alertmanager(notification.external_url),
            told: alerts.map(|alert| Told { alert, fires_until: None }).collect(),
            rejected: notification.rejected,
        })
    }

    fn give(&mut self, input: &Input) {
        let mut changes = Changes::default();
        self.engine.apply(input, self.now, &mut changes);
        self.explained(input, &changes);
        for row in changes.rows {
            match row.value {
                Some(value) => self.rows.insert((row.table, row.key), value),
                None => self.rows.remove(&(row.table, row.key)),
            };
        }
        for notice in changes.notices {
            *self.notices.entry(notice.kind.as_str()).or_default() += 1;
            // A reminder goes to an incident that PagerDuty has: nobody is called again by it.
            if notice.is_page && notice.kind != Kind::Remind {
                for id in &notice.incidents {
                    self.called(id, notice.severity);
                }
            }
        }
    }

    /// Every alert that begins to fire is told by an incident, or there is a reason why not.
    fn explained(&mut self, input: &Input, changes: &Changes) {
        let Input::Alerts { told, .. } = input else { return };
        for told in told.iter().filter(|told| told.alert.is_firing()) {
            let is_told = changes.events.iter().any(|event| match event {
                Event::Opened { alert, .. } | Event::Suppressed { alert, .. } => {
                    *alert == told.alert.identity
                }
                _ => false,
            });
            self.score.unexplained += usize::from(!is_told && changes.notices.is_empty());
        }
    }

    fn called(&mut self, id: &IncidentId, severity: crate::incident::Severity) {
        let Some(incident) = self.engine.incident(id) else { return };
        let problems = self.truth.of(&incident.firing, self.now);
        let named = format!("{} {} on {}", self.now, incident.name, incident.entity);
        if !self.truth.call(&problems, severity, self.now, &mut self.score) {
            self.score.noise.push(named);
        }
        if self.oncall == Oncall::Judges {
            let who = "on call".to_owned();
            let feedback =
                if problems.is_empty() { Feedback::NotActionable } else { Feedback::Useful };
            let seen = self.now.after(REACTION);
            let number = self.score.interruptions;
            let acknowledged = Input::Acknowledged { incident: id.clone(), who: who.clone() };
            self.replies.insert((seen, number), acknowledged);
            let judged = Input::Judged { incident: id.clone(), who, feedback };
            self.replies.insert((seen.after(REACTION), number), judged);
        }
    }

    /// Begins to count anew.
    pub(super) fn forget_score(&mut self) {
        self.score = Score::default();
        self.notices.clear();
    }

    pub(super) fn score(mut self, before: usize, webhooks: usize) -> Score {
        self.truth.finish(&mut self.score);
        self.score.before = before;
        self.score.webhooks = webhooks;
        self.score
    }
}
