//! Busy time: the integral of the driver's points over the driver's own clock.
//!
//! Exact, because a point says how busy its whole period was, and periods follow each other without
//! a gap. Only where the driver has no points for more than 2 s is it an estimate from the value
//! that is read instead. It never goes down, and never counts a moment twice.

use std::time::{Duration, Instant};

use super::scale::Nanos;

/// Without points for longer than this, something else has to stand in.
pub const GAP: Duration = Duration::from_secs(2);

/// The longest period of a driver, in seconds.
const LONGEST_PERIOD: f64 = 1.0;

/// Time that a point or value has been counted for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// Seconds, with the value itself.
    pub seconds: f64,
    /// Whether a gap began or was found.
    pub is_gap: bool,
}

/// The integral of one stream of points.
#[derive(Debug, Clone, Default)]
pub struct Integral {
    total: Nanos,
    /// Of the last point, in microseconds of the driver's clock.
    stamp: Option<u64>,
    /// When the last point was read, or the stream begun.
    progress: Option<Instant>,
    /// Seconds since then that have been counted already.
    filled: f64,
    is_dry: bool,
    value: f64,
    /// The driver's, in seconds, as far as it was seen: a point says nothing of the time before.
    period: Option<f64>,
}

impl Integral {
    /// Seconds so far.
    pub fn total(&self) -> f64 {
        self.total.total()
    }

    /// Time stamp of the newest point, 0 before the first: only newer points are asked for.
    pub fn newest(&self) -> u64 {
        self.stamp.unwrap_or_default()
    }

    /// Adds a point that was read at `now`. The first one only says where time begins.
    pub fn point(&mut self, now: Instant, stamp: u64, value: f64) -> Counted {
        let before = self.stamp.replace(stamp);
        let filled = std::mem::take(&mut self.filled);
        let was_dry = std::mem::take(&mut self.is_dry);
        self.progress = Some(now);
        let last_value = std::mem::replace(&mut self.value, value);
        let Some(before) = before.filter(|before| *before < stamp) else {
            // the first, the same again, or a clock that began anew with the driver
            return Counted { seconds: 0.0, is_gap: false };
        };
        let passed = Duration::from_micros(stamp - before);
        let left = (passed.as_secs_f64() - filled).max(0.0);
        if passed <= GAP {
            self.total.add(value * left);
            self.period = Some(passed.as_secs_f64().min(LONGEST_PERIOD));
            return Counted { seconds: left, is_gap: false };
        }
        let own = left.min(self.period.unwrap_or(LONGEST_PERIOD));
        self.total.add(value * own + last_value * (left - own));
        Counted { seconds: own, is_gap: !was_dry }
    }

    /// Whether the stream has been without points for too long at `now`.
    pub fn is_overdue(&mut self, now: Instant) -> bool {
        let progress = *self.progress.get_or_insert(now);
        now.saturating_duration_since(progress) > GAP
    }

    /// Counts the time since the last point, or since this was last called, with a value that was
    /// read in another way. Does nothing before the stream is overdue.
    pub fn stand_in(&mut self, now: Instant, value: f64) -> Counted {
        if !self.is_overdue(now) {
            return Counted { seconds: 0.0, is_gap: false };
        }
        let progress = self.progress.unwrap_or(now);
        let since = now.saturating_duration_since(progress).as_secs_f64();
        let seconds = (since - self.filled).max(0.0);
        self.total.add(value * seconds);
        self.filled = since;
        self.value = value;
        let is_gap = !std::mem::replace(&mut self.is_dry, true) && self.stamp.is_some();
        Counted { seconds, is_gap }
    }

    /// Time begins anew with the next point, and what nobody read in between is not counted.
    pub fn interrupt(&mut self) {
        *self = Self { total: self.total, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn a_burst_of_one_period_counts_its_length() {
        let (now, mut integral) = (Instant::now(), Integral::default());
        for (index, value) in [0.0, 0.0, 1.0, 0.2, 0.0].into_iter().enumerate() {
            integral.point(now, 5_000_000 + 167_000 * index as u64, value);
        }
        assert!(close(integral.total(), 0.167 * 1.2), "{}", integral.total());
    }

    #[test]
    fn a_sum_of_many_periods_has_the_digits_of_its_points() {
        let (now, mut integral) = (Instant::now(), Integral::default());
        for index in 0..=6_000_u64 {
            integral.point(now, 1 + 167_000 * index, 0.07);
        }
        assert_eq!(integral.total().to_string(), "70.14");
    }

    #[test]
    fn a_clock_that_steps_back_begins_anew_and_takes_nothing_away() {
        let (now, mut integral) = (Instant::now(), Integral::default());
        integral.point(now, 10_000_000, 1.0);
        integral.point(now, 11_000_000, 1.0);
        integral.point(now, 400_000, 1.0);
        assert!(close(integral.total(), 1.0));
        assert_eq!(integral.newest(), 400_000);
        integral.point(now, 900_000, 1.0);
        assert!(close(integral.total(), 1.5));
    }

    #[test]
    fn a_dry_stream_is_stood_in_for_and_told_once() {
        let (start, mut integral) = (Instant::now(), Integral::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        integral.point(at(0), 1_000_000, 0.0);
        assert!(!integral.stand_in(at(2), 0.5).is_gap, "not yet");
        assert!(close(integral.total(), 0.0));
        assert!(integral.stand_in(at(3), 0.5).is_gap);
        assert!(close(integral.total(), 1.5), "from the last point on");
        assert!(!integral.stand_in(at(5), 0.5).is_gap);
        assert!(close(integral.total(), 2.5));
        // 6 s after the last one on the driver's clock, 5 of them counted
        assert!(!integral.point(at(6), 7_000_000, 1.0).is_gap);
        assert!(close(integral.total(), 3.5));
    }

    #[test]
    fn a_point_that_comes_late_is_not_counted_again() {
        let (start, mut integral) = (Instant::now(), Integral::default());
        let at = |millis| start + Duration::from_millis(millis);
        integral.point(at(0), 1_000_000, 1.0);
        integral.stand_in(at(2_500), 1.0);
        // of a moment that was stood in for: the driver was slow to hand it out
        let counted = integral.point(at(3_000), 2_900_000, 1.0);
        assert!(close(counted.seconds, 0.0));
        assert!(close(integral.total(), 2.5));
    }

    #[test]
    fn a_gap_between_points_is_counted_with_the_value_before_it() {
        let (now, mut integral) = (Instant::now(), Integral::default());
        integral.point(now, 1_000_000, 0.0);
        integral.point(now, 2_000_000, 0.5);
        let counted = integral.point(now, 7_000_000, 1.0);
        assert!(counted.is_gap);
        assert!(close(counted.seconds, 1.0), "a period is a second at most");
        assert!(close(integral.total(), 0.5 + 4.0 * 0.5 + 1.0));
    }

    #[test]
    fn without_points_at_all_the_other_value_is_all_there_is() {
        let (start, mut integral) = (Instant::now(), Integral::default());
        for second in 0..=10 {
            let counted = integral.stand_in(start + Duration::from_secs(second), 0.25);
            assert!(!counted.is_gap, "a stream that never had points has no gap");
        }
        assert!(close(integral.total(), 2.5));
    }

    proptest! {
        /// With all points at 1 the integral is the time that passed, in whatever batches they are
        /// read and however long the driver is silent in between.
        #[test]
        fn a_busy_device_is_busy_all_the_time(
            steps in prop::collection::vec((100_000_u64..4_000_000, any::<bool>()), 1..100),
        ) {
            let (start, mut integral) = (Instant::now(), Integral::default());
            let (mut passed, mut before) = (0, 0.0);
            integral.point(start, 1, 1.0);
            for (step, is_read_otherwise) in steps {
                passed += step;
                let now = start + Duration::from_micros(passed);
                if is_read_otherwise {
                    integral.stand_in(now, 1.0);
                } else {
                    integral.point(now, passed + 1, 1.0);
                }
                prop_assert!(integral.total() >= before);
                before = integral.total();
            }
            let now = start + Duration::from_micros(passed);
            integral.point(now, passed + 2, 1.0);
            let expected = Duration::from_micros(passed + 1).as_secs_f64();
            prop_assert!((integral.total() - expected).abs() < 1e-5);
        }
    }
}
