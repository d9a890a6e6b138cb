//! Which readings are due in a round.
//!
//! A driver serialises calls, so a round makes no more than twelve: what is read every round comes
//! first, the rest in the order in which it became due. Only the first round, which makes a page
//! complete, reads everything.

use std::time::{Duration, Instant};

/// Calls of a round at most; at the usual interval of 1 s, calls per second.
pub const CALLS_PER_ROUND: u32 = 12;

/// How often something is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rhythm {
    /// In every round.
    Always,
    /// Every second round.
    Second,
    /// Every fifth round.
    Fifth,
    /// Every tenth round.
    Tenth,
    /// Every 60th round: what changes by configuration or ageing.
    Slow,
}

impl Rhythm {
    /// The pause between two readings.
    pub fn period(self, interval: Duration) -> Duration {
        match self {
            Self::Always => Duration::ZERO,
            Self::Second => interval * 2,
            Self::Fifth => interval * 5,
            Self::Tenth => interval * 10,
            Self::Slow => interval * 60,
        }
    }
}

#[derive(Debug)]
struct Entry<S> {
    step: S,
    rhythm: Rhythm,
    calls: u32,
    /// `None`: never read.
    due: Option<Instant>,
}

/// Something that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due<S> {
    /// What.
    pub step: S,
    /// Calls that it takes at most.
    pub calls: u32,
    /// It is read in every round, so the limit is not for it.
    pub is_always: bool,
}

/// Everything that is read of one GPU.
#[derive(Debug)]
pub struct Schedule<S> {
    interval: Duration,
    entries: Vec<Entry<S>>,
}

impl<S: Copy + PartialEq> Schedule<S> {
    /// Steps with their rhythms and the calls that each takes at most.
    pub fn new(interval: Duration, steps: impl IntoIterator<Item = (S, Rhythm, u32)>) -> Self {
        let entries = steps
            .into_iter()
            .map(|(step, rhythm, calls)| Entry { step, rhythm, calls, due: None })
            .collect();
        Self { interval, entries }
    }

    /// What is due at `now`, most important first.
    pub fn due(&self, now: Instant) -> Vec<Due<S>> {
        let mut due: Vec<&Entry<S>> =
            self.entries.iter().filter(|entry| entry.due.is_none_or(|due| due <= now)).collect();
        // stable: the table's order decides between equals
        due.sort_by_key(|entry| (entry.rhythm != Rhythm::Always, entry.due));
        due.iter()
            .map(|entry| Due {
                step: entry.step,
                calls: entry.calls,
                is_always: entry.rhythm == Rhythm::Always,
            })
            .collect()
    }

    /// A step was read.
    pub fn done(&mut self, step: S, now: Instant) {
        let interval = self.interval;
        for entry in self.entries.iter_mut().filter(|entry| entry.step == step) {
            let period = entry.rhythm.period(interval);
            // half an interval of tolerance, so that a round that begins early does not skip it
            entry.due = Some((now + period).checked_sub(interval / 2).unwrap_or(now));
        }
    }

    /// A step is due now.
    pub fn hasten(&mut self, step: S) {
        for entry in self.entries.iter_mut().filter(|entry| entry.step == step) {
            entry.due = None;
        }
    }

    /// Everything is due, as at the start.
    pub fn restart(&mut self) {
        for entry in &mut self.entries {
            entry.due = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn steps_come_in_their_rhythm_and_starve_nobody_within_the_limit() {
        let steps = (0..9_usize).map(|step| (step, Rhythm::Always, 1));
        let rare = (9..18).map(|step| (step, Rhythm::Fifth, 1));
        let slow = (18..48).map(|step| (step, Rhythm::Slow, 1));
        let mut schedule = Schedule::new(SECOND, steps.chain(rare).chain(slow));
        let start = Instant::now();
        let mut reads = vec![0; 48];
        for second in 0..300 {
            let now = start + SECOND * second;
            let mut calls = 0;
            for Due { step, calls: cost, .. } in schedule.due(now) {
                if second > 0 && calls + cost > CALLS_PER_ROUND {
                    break;
                }
                calls += cost;
                reads[step] += 1;
                schedule.done(step, now);
            }
        }
        assert!(reads[..9].iter().all(|count| *count == 300), "{reads:?}");
        assert!(reads[9..18].iter().all(|count| (55..=61).contains(count)), "{reads:?}");
        assert!(reads[18..].iter().all(|count| (5..=6).contains(count)), "{reads:?}");
    }

    #[test]
    fn a_step_can_be_hastened() {
        let start = Instant::now();
        let mut schedule = Schedule::new(SECOND, [('a', Rhythm::Slow, 1)]);
        schedule.done('a', start);
        assert!(schedule.due(start + SECOND).is_empty());
        schedule.hasten('a');
        let due = Due { step: 'a', calls: 1, is_always: false };
        assert_eq!(schedule.due(start + SECOND), [due]);
    }
}
