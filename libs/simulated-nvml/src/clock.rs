//! Time of a simulation: real, faster or slower than real, or moved by hand. Whoever waits is woken
//! by time, by a change of the simulation and by its end, so that nothing waits for ever.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::engine::numbers::{real, whole};
use crate::scenario::{ClockKind, Scenario};

/// Microseconds of the simulation; 0 is where its timeline begins.
#[derive(Debug)]
pub struct Clock {
    kind: ClockKind,
    speed: f64,
    started: Instant,
    /// Time at the start.
    first: u64,
    started_wall: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    moved: u64,
    changes: u64,
    is_over: bool,
}

/// What had changed when somebody looked: see [`Clock::wait`].
#[derive(Debug, Clone, Copy)]
pub struct Seen(u64);

impl Clock {
    /// The clock of a scenario, at its start.
    pub fn new(scenario: &Scenario) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            kind: scenario.clock,
            speed: scenario.speed,
            started: Instant::now(),
            first: scenario.start_ms.saturating_mul(1_000).min(u64::MAX / 4),
            // A virtual clock starts at a fixed moment, so that runs are the same.
            started_wall: match scenario.clock {
                ClockKind::Real => u64::try_from(wall.as_micros()).unwrap_or(u64::MAX / 2),
                ClockKind::Virtual => 1_750_000_000_000_000,
            },
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds of the simulation.
    pub fn now(&self) -> u64 {
        self.now_of(&self.state())
    }

    fn now_of(&self, state: &State) -> u64 {
        match self.kind {
            ClockKind::Virtual => self.first + state.moved,
            ClockKind::Real => {
                self.first + whole(self.started.elapsed().as_secs_f64() * 1e6 * self.speed)
            }
        }
    }

    /// Microseconds since 1970.
    pub fn wall(&self) -> u64 {
        self.started_wall + self.now() - self.first
    }

    /// Whether time only passes when it is moved.
    pub fn is_virtual(&self) -> bool {
        self.kind == ClockKind::Virtual
    }

    /// Moves a virtual clock on; a real one is not changed.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        state.moved = state.moved.saturating_add(by).min(u64::MAX / 4);
        state.changes += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Wakes all that wait, since something is different.
    pub fn notify(&self) {
        self.state().changes += 1;
        self.changed.notify_all();
    }

    /// Ends the simulation: from now on nothing waits.
    pub fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        state.changes += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Whether the simulation has ended.
    pub fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// To be called before looking at what [`Self::wait`] shall wait for.
    pub fn seen(&self) -> Seen {
        Seen(self.state().changes)
    }

    /// Waits until a time, or until anything has changed since `seen`, or, where `limit` is given,
    /// for that long by the real clock.
    pub fn wait(&self, until: Option<u64>, seen: Seen, limit: Option<Instant>) {
        let mut state = self.state();
        while !state.is_over && state.changes == seen.0 {
            let now = self.now_of(&state);
            if until.is_some_and(|until| now >= until) {
                return;
            }
            let by_clock = match (self.kind, until) {
                (ClockKind::Real, Some(until)) => {
                    // Rounded up: waking early would be another round for nothing.
                    let real_us = real(until - now) / self.speed + 1.0;
                    Some(Duration::from_micros(whole(real_us)))
                }
                _ => None,
            };
            let by_limit = match limit.map(|at| at.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return,
                left => left,
            };
            let timeout = [by_clock, by_limit].into_iter().flatten().min();
            state = match timeout {
                Some(timeout) => {
                    let waited = self.changed.wait_timeout(state, timeout);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Waits until a time, whatever changes meanwhile; only the end of the simulation is earlier.
    pub fn sleep_until(&self, until: u64) {
        loop {
            let seen = self.seen();
            if self.now() >= until || self.is_over() {
                return;
            }
            self.wait(Some(until), seen, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn clock(text: &str) -> Arc<Clock> {
        Arc::new(Clock::new(&Scenario::parse(text).unwrap()))
    }

    #[test]
    fn a_virtual_clock_moves_only_by_hand_and_wakes_who_waits() {
        let clock = clock(r#"{"gpus": [], "clock": "virtual"}"#);
        let sleeper = {
            let clock = clock.clone();
            std::thread::spawn(move || {
                clock.sleep_until(5_000_000);
                clock.now()
            })
        };
        clock.advance(Duration::from_secs(3));
        assert_eq!(clock.now(), 3_000_000);
        clock.advance(Duration::from_secs(3));
        assert_eq!(sleeper.join().unwrap(), 6_000_000);
    }

    #[test]
    fn the_end_wakes_who_waits_for_ever() {
        let clock = clock(r#"{"gpus": [], "clock": "virtual"}"#);
        let sleeper = {
            let clock = clock.clone();
            std::thread::spawn(move || clock.sleep_until(u64::MAX))
        };
        clock.end();
        sleeper.join().unwrap();
        assert!(clock.is_over());
    }

    #[test]
    fn a_fast_clock_is_faster_than_the_real_one() {
        let clock = clock(r#"{"gpus": [], "speed": 1000}"#);
        let start = Instant::now();
        clock.sleep_until(2_000_000);
        assert!(clock.now() >= 2_000_000);
        assert!(start.elapsed() >= Duration::from_millis(2));
    }
}
