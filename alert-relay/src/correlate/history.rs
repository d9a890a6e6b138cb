//! What is known of classes and of single troubles from the past: how often they came, how long
//! they lasted, and whether anybody needed them.
//!
//! Every weight halves with time, so that a class which has become useful is soon believed. The
//! number of entries is bounded: the one that was not touched for longest goes first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::correlation::Probation;
use crate::time::Moment;

/// Classes and troubles that are remembered. One is about 300 bytes: 6 MB in all.
pub(super) const MOST_ENTRIES: usize = 20_000;

/// How late Alertmanager tells an end with the recommended `group_interval` of 15 s; a hold is
/// this much longer than what it waits for, or it would end just before the news.
const END_IS_TOLD_WITHIN: Duration = Duration::from_secs(20);

/// Upper edges, in seconds, of the durations that are counted; the last one has none.
const EDGES: [u64; 11] = [15, 30, 60, 120, 180, 240, 300, 600, 1_200, 3_600, 14_400];

/// A useful mark is forgotten when its weight is below this: after four half-lives.
const FORGOTTEN: f64 = 1.0 / 16.0;

/// Whose history it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Class(String),
    /// A class at one entity.
    Trouble(String, String),
}

impl Subject {
    /// As the key of its row.
    pub(super) fn key(&self) -> Vec<u8> {
        match self {
            Self::Class(class) => format!("c{class}"),
            Self::Trouble(class, entity) => format!("t{class}\u{1e}{entity}"),
        }
        .into_bytes()
    }

    pub(super) fn parse(key: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(key).ok()?;
        if let Some(class) = text.strip_prefix('c') {
            return Some(Self::Class(class.to_owned()));
        }
        let (class, entity) = text.strip_prefix('t')?.split_once('\u{1e}')?;
        Some(Self::Trouble(class.to_owned(), entity.to_owned()))
    }
}

/// How an episode ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// By itself: nobody acknowledged it.
    None,
    /// Somebody looked at it, or called it useful.
    Some,
    /// Somebody said that nobody had to act.
    Denied,
}

/// One entry; its JSON is a row of [`Table::Classes`](crate::incident::Table::Classes).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Weights of episodes that ended by themselves, by duration: up to 15 s, 30 s, 1 min, 2 min,
    /// 3 min, 4 min, 5 min, 10 min, 20 min, 1 h, 4 h, and longer.
    #[serde(default)]
    pub by_itself: [f64; 12],
    /// The same of all that nobody needed, those called not actionable included: how long to wait.
    #[serde(default)]
    pub durations: [f64; 12],
    /// Weight of episodes that somebody acknowledged or called useful.
    #[serde(default)]
    pub needed: f64,
    /// Weight of episodes that were called not actionable.
    #[serde(default)]
    pub denied: f64,
    /// Weight of marks as useful.
    #[serde(default)]
    pub useful: f64,
    /// To when the weights count.
    pub weighed_at: Moment,
    /// Incidents that it opened, ever.
    #[serde(default)]
    pub opened: u32,
    /// Alerts that were told by an incident which they did not open, ever.
    #[serde(default)]
    pub folded: u32,
    /// When its newest alerts began to be known, as many as a storm needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<Moment>,
}

impl Statistics {
    fn weigh(&mut self, half_life: Duration, now: Moment) {
        let factor = 0.5_f64
            .powf(now.since(self.weighed_at).as_secs_f64() / half_life.as_secs_f64().max(1.0));
        for weight in self.by_itself.iter_mut().chain(&mut self.durations) {
            *weight *= factor;
        }
        self.needed *= factor;
        self.denied *= factor;
        self.useful *= factor;
        self.weighed_at = self.weighed_at.max(now);
    }

    /// Weight of all episodes.
    pub fn episodes(&self) -> f64 {
        self.by_itself.iter().sum::<f64>() + self.needed + self.denied
    }

    /// Share of the episodes that needed nobody and ended within `limit`.
    pub fn self_resolved(&self, limit: Duration) -> f64 {
        let within = EDGES.iter().zip(&self.by_itself);
        let within = within.filter(|(edge, _)| **edge <= limit.as_secs());
        let short: f64 = within.map(|(_, weight)| weight).sum();
        (short + self.denied) / self.episodes().max(f64::MIN_POSITIVE)
    }

    /// The duration that nine of ten episodes which nobody needed do not exceed, as the edge above
    /// it; `None` if that is over the last edge. Few episodes leave room for a longer one: their
    /// places are those of a sample, `k / (n + 1)`.
    pub fn ninth_tenth(&self) -> Option<Duration> {
        let all: f64 = self.durations.iter().sum();
        let mut sum = 0.0;
        EDGES.iter().zip(&self.durations).find_map(|(edge, weight)| {
            sum += weight;
            (sum >= 0.9 * (all + 1.0)).then(|| Duration::from_secs(*edge))
        })
    }

    /// Somebody has called an ended episode not actionable; `was_needed`: it counted as needed.
    pub(super) fn deny(&mut self, duration: Duration, was_needed: bool) {
        self.denied += 1.0;
        if was_needed {
            // Whoever looked at it found nothing to do.
            self.needed -= self.needed.min(1.0);
            self.durations[bucket(duration)] += 1.0;
        }
    }

    fn is_unneeded(&self, rules: &Probation, limit: Duration) -> bool {
        rules.enabled
            && self.useful < FORGOTTEN
            && self.episodes().round() >= f64::from(rules.min_episodes)
            && self.self_resolved(limit) >= rules.min_self_resolved
    }
}

fn bucket(duration: Duration) -> usize {
    EDGES.partition_point(|edge| *edge < duration.as_secs())
}

/// All that is remembered.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: BTreeMap<Subject, Statistics>,
    by_age: BTreeSet<(Moment, Subject)>,
    /// The highest number of an incident whose entry is gone: no number is used twice.
    pub(super) floor: u32,
    /// What was touched, or is gone, since this was last taken.
    pub(super) touched: BTreeSet<Subject>,
}

impl History {
    pub(super) fn get(&self, subject: &Subject) -> Option<&Statistics> {
        self.entries.get(subject)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Subject, &Statistics)> {
        self.entries.iter()
    }

    pub(super) fn insert(&mut self, subject: Subject, entry: Statistics) {
        self.by_age.insert((entry.weighed_at, subject.clone()));
        self.entries.insert(subject, entry);
    }

    /// The entry, its weights as of `now`.
    pub(super) fn touch(
        &mut self,
        subject: Subject,
        half_life: Duration,
        now: Moment,
    ) -> &mut Statistics {
        self.touched.insert(subject.clone());
        if !self.entries.contains_key(&subject) && self.entries.len() >= MOST_ENTRIES {
            self.forget_oldest();
        }
        let entry = self.entries.entry(subject.clone());
        let entry =
            entry.or_insert_with(|| Statistics { weighed_at: now, ..Statistics::default() });
        self.by_age.remove(&(entry.weighed_at, subject.clone()));
        entry.weigh(half_life, now);
        self.by_age.insert((entry.weighed_at, subject));
        entry
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.by_age.pop_first() {
            let entry = self.entries.remove(&oldest);
            self.floor = self.floor.max(entry.map_or(0, |entry| entry.opened));
            self.touched.insert(oldest);
        }
    }

    /// The number of the next incident of a trouble, which counts as opened.
    pub(super) fn next_number(
        &mut self,
        trouble: Subject,
        half_life: Duration,
        now: Moment,
    ) -> u32 {
        let floor = self.floor;
        let entry = self.touch(trouble, half_life, now);
        entry.opened = entry.opened.max(floor).saturating_add(1);
        entry.opened
    }

    /// Counts an ended episode for the trouble, and for its class unless the trouble is one that
    /// comes again and again: that says nothing of the others.
    pub(super) fn ended(
        &mut self,
        (class, entity): (&str, &str),
        duration: Duration,
        need: Need,
        (rules, habit_limit): (&Probation, Duration),
        now: Moment,
    ) {
        let trouble = Subject::Trouble(class.to_owned(), entity.to_owned());
        let is_habit =
            self.get(&trouble).is_some_and(|entry| entry.is_unneeded(rules, habit_limit));
        let class = Subject::Class(class.to_owned());
        for subject in [Some(trouble), (!is_habit).then_some(class)].into_iter().flatten() {
            let entry = self.touch(subject, rules.half_life, now);
            match need {
                Need::Some => entry.needed += 1.0,
                Need::Denied => {
                    entry.denied += 1.0;
                    entry.durations[bucket(duration)] += 1.0;
                }
                Need::None => {
                    entry.by_itself[bucket(duration)] += 1.0;
                    entry.durations[bucket(duration)] += 1.0;
                }
            }
        }
    }

    /// How long to wait before an alert wakes somebody, and why, in numbers; `None`: not at all.
    ///
    /// A trouble of its own that keeps coming back is a slow flapper: it waits until it has fired
    /// as long as an outage does. Else its class counts, and the wait is what nine of ten needed.
    pub(super) fn hold(
        &self,
        (class, entity): (&str, &str),
        rules: &Probation,
        habit_limit: Duration,
    ) -> Option<(Hold, Duration, String)> {
        let told = |entry: &Statistics, limit: Duration| {
            let share = entry.self_resolved(limit) * 100.0;
            let episodes = entry.episodes();
            format!(
                "{share:.0} % of {episodes:.1} episodes ended by themselves within {} s",
                limit.as_secs()
            )
        };
        let trouble = Subject::Trouble(class.to_owned(), entity.to_owned());
        if let Some(entry) = self.get(&trouble).filter(|one| one.is_unneeded(rules, habit_limit)) {
            return Some((Hold::Habit, habit_limit, told(entry, habit_limit)));
        }
        let entry = self.get(&Subject::Class(class.to_owned()))?;
        if !entry.is_unneeded(rules, rules.max_hold) {
            return None;
        }
        let hold = entry.ninth_tenth().unwrap_or(rules.max_hold).min(rules.max_hold);
        Some((Hold::Probation, hold + END_IS_TOLD_WITHIN, told(entry, rules.max_hold)))
    }
}

/// Why an alert waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// This very trouble comes and goes.
    Habit,
    /// Its class does.
    Probation,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HABIT: Duration = Duration::from_mins(10);

    fn ended(history: &mut History, entity: &str, seconds: u64, need: Need, at: u64) {
        let now = Moment::EPOCH.after(Duration::from_hours(at));
        let rules = Probation::default();
        let duration = Duration::from_secs(seconds);
        history.ended(("class", entity), duration, need, (&rules, HABIT), now);
    }

    fn hold(history: &History, entity: &str) -> Option<(Hold, u64)> {
        let hold = history.hold(("class", entity), &Probation::default(), HABIT);
        hold.map(|(hold, wait, _)| (hold, wait.as_secs()))
    }

    #[test]
    fn a_class_is_held_only_after_enough_episodes_that_nobody_needed() {
        let mut history = History::default();
        for count in 0..10 {
            assert_eq!(hold(&history, "x"), None);
            ended(&mut history, &count.to_string(), 100, Need::None, 1);
        }
        assert_eq!(hold(&history, "x"), Some((Hold::Probation, 140)));
        for count in 0..3 {
            ended(&mut history, &count.to_string(), 100, Need::Some, 1);
        }
        assert_eq!(hold(&history, "x"), None, "10 of 13 are under 80 %");
    }

    #[test]
    fn one_useful_mark_ends_the_hold() {
        let mut history = History::default();
        (0..20).for_each(|count| ended(&mut history, &count.to_string(), 100, Need::None, 1));
        let now = Moment::EPOCH.after(Duration::from_hours(1));
        let class = Subject::Class("class".to_owned());
        let half_life = Probation::default().half_life;
        history.touch(class.clone(), half_life, now).useful += 1.0;
        assert_eq!(hold(&history, "x"), None);
        let later = now.after(half_life * 5);
        (0..20).for_each(|_| {
            history.touch(class.clone(), half_life, later).by_itself[2] += 1.0;
        });
        assert!(hold(&history, "x").is_some(), "five weeks later");
    }

    #[test]
    fn a_slow_flapper_is_known_by_itself_and_does_not_spoil_its_class() {
        let mut history = History::default();
        for count in 0..40 {
            ended(&mut history, "f", if count % 3 == 0 { 500 } else { 100 }, Need::None, count);
        }
        assert_eq!(hold(&history, "f"), Some((Hold::Habit, 600)));
        assert_eq!(hold(&history, "x"), None, "a third of the first ten is over 300 s");
        let class = history.get(&Subject::Class("class".to_owned())).unwrap();
        assert!(class.episodes() < 11.0, "{}", class.episodes());
    }

    #[test]
    fn the_number_of_entries_is_bounded_and_no_number_is_used_twice() {
        let mut history = History::default();
        let half_life = Duration::from_hours(1);
        let subject = |count: usize| Subject::Trouble("c".to_owned(), count.to_string());
        let mut number = |count, at: usize| {
            let now = Moment::EPOCH.after(Duration::from_millis(at as u64));
            history.next_number(subject(count), half_life, now)
        };
        assert_eq!((number(0, 0), number(0, 1), number(1, 2)), (1, 2, 1));
        for count in 2..=MOST_ENTRIES {
            number(count, count + 10);
        }
        assert_eq!(number(0, MOST_ENTRIES + 20), 3, "as if its entry had not been forgotten");
        assert_eq!(history.entries.len(), MOST_ENTRIES);
        assert_eq!(history.by_age.len(), MOST_ENTRIES);
    }

    #[test]
    fn keys_of_rows_are_read_back() {
        for subject in
            [Subject::Class("a\u{1f}b".into()), Subject::Trouble("a\u{1f}b".into(), "n=1".into())]
        {
            assert_eq!(Subject::parse(&subject.key()), Some(subject));
        }
        assert_eq!(Subject::parse(b"x"), None);
    }
}
