//! Keeps a repeated warning from filling the log.
//!
//! What is held back is counted and told with the next line that passes, so
//! a reader of the log can still tell one failure from ten thousand.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one occurrence through per interval and counts the others.
///
/// One value per kind of warning, usually a `static` beside the call.
/// Occurrences held back after the last line that passed are told by the next
/// one, if there ever is one.
///
/// ```
/// use std::time::{Duration, Instant};
/// use instrumentation::rate_limit::Repeated;
///
/// static LINE_TOO_LONG: Repeated = Repeated::every(Duration::from_secs(10));
///
/// if let Some(suppressed) = LINE_TOO_LONG.admit(Instant::now()) {
///     tracing::warn!(suppressed, "line too long, truncated");
/// }
/// ```
#[derive(Debug)]
pub struct Repeated {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    passed_at: Option<Instant>,
    suppressed: u64,
}

impl Repeated {
    /// At most one occurrence per `interval` passes; zero lets all of them pass.
    pub const fn every(interval: Duration) -> Self {
        Self { interval, state: Mutex::new(State { passed_at: None, suppressed: 0 }) }
    }

    /// Whether the occurrence at `now` is to be told: then the number held back since the last
    /// one that was, else `None`.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // threads may arrive in another order than their clock readings
        let too_early = state
            .passed_at
            .is_some_and(|passed_at| now.saturating_duration_since(passed_at) < self.interval);
        if too_early {
            state.suppressed = state.suppressed.saturating_add(1);
            return None;
        }
        state.passed_at = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    #[test]
    fn the_first_occurrence_passes() {
        assert_eq!(Repeated::every(INTERVAL).admit(Instant::now()), Some(0));
    }

    #[test]
    fn those_within_the_interval_are_counted_for_the_next_that_passes() {
        let (repeated, start) = (Repeated::every(INTERVAL), Instant::now());
        assert_eq!(repeated.admit(start), Some(0));
        assert_eq!(repeated.admit(start), None);
        assert_eq!(repeated.admit(start + INTERVAL.mul_f64(0.999)), None);
        assert_eq!(repeated.admit(start + INTERVAL), Some(2));
        assert_eq!(repeated.admit(start + 2 * INTERVAL), Some(0));
    }

    #[test]
    fn a_clock_reading_older_than_the_last_one_is_held_back() {
        let (repeated, start) = (Repeated::every(INTERVAL), Instant::now());
        assert_eq!(repeated.admit(start + INTERVAL), Some(0));
        assert_eq!(repeated.admit(start), None);
    }

    #[test]
    fn an_interval_of_zero_lets_everything_pass() {
        let (repeated, start) = (Repeated::every(Duration::ZERO), Instant::now());
        assert_eq!(repeated.admit(start), Some(0));
        assert_eq!(repeated.admit(start), Some(0));
    }
}
