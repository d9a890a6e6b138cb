//! How long to wait before the next attempt: a random time in a range that doubles.
//!
//! The ranges are those of Loki's clients, so a server that recovers sees the load it is used to:
//! before attempt n+1 uniform in `[min * 2^(n-1), min * 2^n)`, no bound above `max`.

use std::time::Duration;

/// The pauses between the attempts of one operation.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    /// Lower bound of the next pause.
    low: Duration,
}

impl Backoff {
    /// Pauses that begin at `min` and stay at `max` once they reach it. Where `max` is not above
    /// `min`, every pause is `min`.
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, low: min }
    }

    /// The pause before the next attempt. `random` gives a number in `[0, 1)`, for example
    /// `|| generator.f64()`; it is not asked where there is nothing to choose.
    pub fn next_pause(&mut self, mut random: impl FnMut() -> f64) -> Duration {
        if self.low >= self.max {
            return self.low;
        }
        let high = self.low.saturating_mul(2).min(self.max);
        let pause = self.low + high.saturating_sub(self.low).mul_f64(random().clamp(0.0, 1.0));
        self.low = high;
        pause
    }

    /// Starts over at `min`, after a success.
    pub const fn reset(&mut self) {
        self.low = self.min;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIN: Duration = Duration::from_millis(500);

    fn pauses(max: Duration, random: f64) -> Vec<u128> {
        let mut backoff = Backoff::new(MIN, max);
        (0..5).map(|_| backoff.next_pause(|| random).as_millis()).collect()
    }

    #[test]
    fn each_pause_lies_in_a_range_twice_the_last_until_the_cap() {
        let max = Duration::from_secs(5);
        assert_eq!(pauses(max, 0.0), [500, 1000, 2000, 4000, 5000]);
        assert_eq!(pauses(max, 0.5), [750, 1500, 3000, 4500, 5000]);
    }

    #[test]
    fn a_cap_below_the_start_leaves_the_start() {
        assert_eq!(pauses(Duration::from_millis(1), 0.5), [500; 5]);
    }

    #[test]
    fn a_success_starts_the_ranges_over() {
        let mut backoff = Backoff::new(MIN, Duration::from_mins(5));
        let first = backoff.next_pause(|| 0.25);
        backoff.next_pause(|| 0.25);
        backoff.reset();
        assert_eq!(backoff.next_pause(|| 0.25), first);
    }

    proptest! {
        #[test]
        fn pauses_never_leave_their_range(min in 1_u64..1_000, max in 1_u64..100_000, seed: u64) {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff::new(Duration::from_millis(min), Duration::from_millis(max));
            for attempt in 0..20 {
                let pause = backoff.next_pause(|| random.f64());
                let cap = max.max(min);
                prop_assert!(pause >= Duration::from_millis((min << attempt).min(cap)));
                prop_assert!(pause <= Duration::from_millis((min << (attempt + 1)).min(cap)));
            }
        }
    }
}
