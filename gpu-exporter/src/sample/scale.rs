//! From the driver's units to base units, and sums that stay exact.
//!
//! A decimal unit is divided by, never multiplied with: 587036 mJ are 587.036 J, but times 0.001 they
//! are 587.0360000000001. For the same reason sums are kept in whole small units, and divided once
//! when they are shown.

/// What one unit of the driver is in the base unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    times: f64,
    per: f64,
}

const fn times(times: f64) -> Scale {
    Scale { times, per: 1.0 }
}

const fn per(per: f64) -> Scale {
    Scale { times: 1.0, per }
}

impl Scale {
    /// The driver's unit is the base unit.
    pub const ONE: Self = times(1.0);
    /// Such as MHz.
    pub const MEGA: Self = times(1e6);
    /// KiB.
    pub const KIB: Self = times(1_024.0);
    /// MiB.
    pub const MIB: Self = times(1_048_576.0);
    /// Such as mW.
    pub const MILLI: Self = per(1e3);
    /// Such as ns.
    pub const NANO: Self = per(1e9);
    /// To a share of 1.
    pub const PERCENT: Self = per(100.0);

    /// A number of the driver in the base unit.
    #[must_use]
    pub fn of(self, number: f64) -> f64 {
        number * self.times / self.per
    }
}

/// A sum that only grows, in parts of a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum<const PARTS: u64> {
    parts: u64,
}

/// Of seconds.
pub type Nanos = Sum<1_000_000_000>;
/// Of shares, or of joules.
pub type Micros = Sum<1_000_000>;

impl<const PARTS: u64> Sum<PARTS> {
    #[expect(clippy::cast_precision_loss, reason = "a power of ten far below 2^53")]
    const PARTS_OF_ONE: f64 = PARTS as f64;

    /// Adds an amount in whole units, to the nearest part. What is below 0, or no number, is nothing.
    pub fn add(&mut self, amount: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is too much is the most there is, what is below 0 or no number is 0"
        )]
        let parts = (amount * Self::PARTS_OF_ONE).round() as u64;
        self.parts = self.parts.saturating_add(parts);
    }

    /// The sum in whole units.
    #[must_use]
    pub fn total(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "exact to 2^53 parts: 104 days of ns")]
        let parts = self.parts as f64;
        parts / Self::PARTS_OF_ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_units_leave_no_trace_in_the_last_digit() {
        for millis in [587_036_u32, 29, 35, 1_001, 4_294_967] {
            let text = format!("{}", Scale::MILLI.of(f64::from(millis)));
            let expected = format!("{}.{:03}", millis / 1_000, millis % 1_000);
            assert_eq!(text, expected.trim_end_matches('0').trim_end_matches('.'));
        }
        assert_eq!(Scale::PERCENT.of(57.0).to_string(), "0.57");
        assert_eq!(Scale::NANO.of(1e9 + 1.0).to_string(), "1.000000001");
        assert_eq!(Scale::MEGA.of(1_755.0).to_string(), "1755000000");
    }

    #[test]
    fn a_sum_of_tenths_is_as_many_tenths() {
        let (mut sum, mut shares) = (Nanos::default(), Micros::default());
        for _ in 0..3_000 {
            sum.add(0.1);
            shares.add(0.07);
        }
        assert_eq!(sum.total().to_string(), "300");
        assert_eq!(shares.total().to_string(), "210");
    }

    #[test]
    fn a_sum_never_goes_down() {
        let mut sum = Micros::default();
        sum.add(2.5);
        for amount in [-1.0, f64::NAN, f64::NEG_INFINITY] {
            sum.add(amount);
            assert_eq!(sum.total().to_string(), "2.5");
        }
        sum.add(f64::INFINITY);
        sum.add(1.0);
        assert!(sum.total() > 1e13);
    }
}
