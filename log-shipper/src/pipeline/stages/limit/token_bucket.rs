//! A token bucket with the arithmetic of Go's `rate.Limiter`.
//!
//! Time is an argument. Workers read their clocks at different moments, so a time before the last
//! one is ordinary; it brings no tokens and does not turn the bucket's clock back.

use std::time::{Duration, Instant};

/// Longest waiting time that is computed: rates close to zero would overflow the clock.
const LONGEST_WAIT: Duration = Duration::from_hours(100 * 365 * 24);

/// Tokens that come at a rate, up to a burst.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    /// Tokens per second.
    rate: f64,
    burst: f64,
    /// Negative after [`TokenBucket::take_debt`] on an empty bucket.
    tokens: f64,
    updated: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket: `rate` tokens per second (infinite: no limit), at most `burst` saved up.
    pub fn new(rate: f64, burst: u32) -> Self {
        let burst = f64::from(burst);
        Self { rate, burst, tokens: burst, updated: None }
    }

    /// Takes a token if there is one.
    pub fn allow(&mut self, now: Instant) -> bool {
        self.refill(now);
        // Go rounds the time to the next token down to whole nanoseconds: less is none.
        let missing_ns = (1.0 - self.tokens) / self.rate * 1e9;
        if missing_ns >= 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// Takes a token in any case and says when the next one is there: `None` for at once.
    pub fn take_debt(&mut self, now: Instant) -> Option<Instant> {
        self.refill(now);
        self.tokens -= 1.0;
        let missing = 1.0 - self.tokens;
        if missing <= 0.0 || self.rate.is_infinite() {
            return None;
        }
        let wait = Duration::try_from_secs_f64(missing / self.rate).unwrap_or(LONGEST_WAIT);
        // The bucket's clock, not `now`: the wait counts from the last refill.
        self.updated.unwrap_or(now).checked_add(wait.min(LONGEST_WAIT))
    }

    fn refill(&mut self, now: Instant) {
        if self.rate.is_infinite() {
            self.tokens = self.burst;
            return;
        }
        let updated = self.updated.get_or_insert(now);
        if let Some(elapsed) = now.checked_duration_since(*updated) {
            self.tokens = self.burst.min(self.tokens + elapsed.as_secs_f64() * self.rate);
            *updated = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_burst_passes_at_once_and_the_rate_afterwards() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(10.0, 3);

        assert_eq!([(); 4].map(|()| bucket.allow(start)), [true, true, true, false]);
        assert!(!bucket.allow(start + 99 * MS));
        assert!(bucket.allow(start + 100 * MS));
        assert!(!bucket.allow(start + 100 * MS));
    }

    #[test]
    fn no_more_than_the_burst_is_saved_up() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(1000.0, 2);
        assert!(bucket.allow(start));

        let later = start + 3600 * 1000 * MS;
        assert_eq!([(); 3].map(|()| bucket.allow(later)), [true, true, false]);
    }

    #[test]
    fn waiting_spaces_lines_by_the_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(8.0, 1);

        let mut now = start;
        for line in 1..=5 {
            now = bucket.take_debt(now).unwrap();
            assert_eq!((now - start).as_millis(), 125 * line);
        }
    }

    #[test]
    fn saved_tokens_need_no_waiting() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(1.0, 3);

        assert_eq!(bucket.take_debt(start), None);
        assert_eq!(bucket.take_debt(start), None);
        assert_eq!(bucket.take_debt(start), Some(start + 1000 * MS));
    }

    #[test]
    fn a_worker_with_an_older_clock_gains_nothing() {
        let earlier = Instant::now();
        let start = earlier + 500 * MS;
        let mut bucket = TokenBucket::new(10.0, 1);
        assert!(bucket.allow(start));

        assert!(!bucket.allow(earlier));
        assert!(!bucket.allow(start + 50 * MS));
        assert!(bucket.allow(start + 100 * MS));
    }

    #[test]
    fn extreme_rates_neither_overflow_nor_stop_a_free_line() {
        let start = Instant::now();
        assert_eq!(
            TokenBucket::new(f64::MIN_POSITIVE, 1).take_debt(start),
            Some(start + LONGEST_WAIT)
        );
        let mut unlimited = TokenBucket::new(f64::INFINITY, 1);
        assert!((0..100).all(|_| unlimited.allow(start)));
        assert_eq!(unlimited.take_debt(start), None);
    }

    proptest! {
        #[test]
        fn never_more_passes_than_burst_plus_rate_times_time(
            rate in 0.1_f64..1000.0,
            burst in 1_u32..50,
            steps in prop::collection::vec(0_u64..200, 1..300),
        ) {
            let start = Instant::now();
            let mut bucket = TokenBucket::new(rate, burst);
            let (mut elapsed, mut passed) = (0_u64, 0_u32);
            for step in steps {
                elapsed += step;
                passed += u32::from(bucket.allow(start + Duration::from_millis(elapsed)));
                let allowed = f64::from(burst) + Duration::from_millis(elapsed).as_secs_f64() * rate;
                prop_assert!(f64::from(passed) <= allowed + 1e-3);
            }
        }
    }
}
