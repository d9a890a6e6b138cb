//! Prometheus' durations: whole numbers with units from years to milliseconds, largest first.
//!
//! A day is 24 hours, a week 7 days and a year 365 days; the calendar plays no part.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Units in the only order in which they may appear, with their milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Prometheus keeps durations as signed nanoseconds; more milliseconds than this would not fit.
const MAX_MILLIS: u64 = i64::MAX.unsigned_abs() / 1_000_000;

/// A duration of whole milliseconds, read and written as Prometheus does (`1d`, `1h30m`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrometheusDuration {
    millis: u64,
}

impl PrometheusDuration {
    /// A duration of `millis` milliseconds; at most about 292 years, the longest that has a text.
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis: if millis > MAX_MILLIS { MAX_MILLIS } else { millis } }
    }

    /// A duration of `secs` seconds; at most about 292 years.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1_000))
    }

    /// The span itself.
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.millis)
    }
}

impl From<PrometheusDuration> for Duration {
    fn from(duration: PrometheusDuration) -> Self {
        duration.as_duration()
    }
}

/// Why a text is not a Prometheus duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePrometheusDurationError {
    /// Not whole numbers with units in order.
    #[error(
        "{text:?} is not a duration: expected whole numbers with units in the order y, w, d, h, m, s, ms, such as 1h30m"
    )]
    Malformed {
        /// What was read.
        text: String,
    },
    /// Longer than 64 bits of nanoseconds, about 292 years.
    #[error("duration {text:?} is out of range: at most 292 years")]
    OutOfRange {
        /// What was read.
        text: String,
    },
}

impl FromStr for PrometheusDuration {
    type Err = ParsePrometheusDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ParsePrometheusDurationError::Malformed { text: text.to_owned() };
        let out_of_range = || ParsePrometheusDurationError::OutOfRange { text: text.to_owned() };
        if text == "0" {
            return Ok(Self::default());
        }
        if text.is_empty() {
            return Err(malformed());
        }

        let mut allowed = UNITS.iter();
        let mut overflow = false;
        let mut total = 0_u64;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let letters = after.bytes().take_while(|byte| !byte.is_ascii_digit()).count();
            let (unit, after) = after.split_at(letters);
            if number.is_empty() {
                return Err(malformed());
            }
            let (_, millis) = allowed.find(|(name, _)| *name == unit).ok_or_else(malformed)?;
            let sum =
                number.parse::<u64>().ok().and_then(|n| n.checked_mul(*millis)?.checked_add(total));
            // go on reading: a text with a fault further on is malformed first
            match sum {
                Some(sum) => total = sum,
                None => overflow = true,
            }
            rest = after;
        }
        if overflow || total > MAX_MILLIS {
            return Err(out_of_range());
        }
        Ok(Self { millis: total })
    }
}

impl fmt::Display for PrometheusDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.millis;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, millis) in UNITS {
            // `8d` stays days: years and weeks are written only where nothing is left over
            let exact_only = matches!(name, "y" | "w");
            if rest < millis || (exact_only && !rest.is_multiple_of(millis)) {
                continue;
            }
            write!(f, "{}{name}", rest / millis)?;
            rest %= millis;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_from_years_to_milliseconds_are_read() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("1d", 86_400_000),
            ("1h30m", 5_400_000),
            ("1y2w3d4h5m6s7ms", 365 * 86_400_000 + 17 * 86_400_000 + 14_706_007),
            ("324ms", 324),
        ] {
            assert_eq!(text.parse(), Ok(PrometheusDuration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn bare_numbers_fractions_signs_and_units_out_of_order_are_refused() {
        for text in
            ["", "1", "1.5s", "-1s", "+1s", "1m1h", "1s1s", "s", "1us", "1é", "1 d", "1d ", "00"]
        {
            let error = text.parse::<PrometheusDuration>().unwrap_err();
            assert!(
                matches!(error, ParsePrometheusDurationError::Malformed { .. }),
                "{text}: {error}"
            );
            assert!(error.to_string().contains("y, w, d, h, m, s, ms"));
        }
    }

    #[test]
    fn more_than_292_years_is_out_of_range() {
        for text in ["294y", "99999999999999999999s", "18446744073709551615ms"] {
            let error = text.parse::<PrometheusDuration>().unwrap_err();
            assert!(
                matches!(error, ParsePrometheusDurationError::OutOfRange { .. }),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn years_and_weeks_are_printed_only_where_they_are_exact() {
        for (text, printed) in
            [("7d", "1w"), ("8d", "8d"), ("365d", "1y"), ("90m", "1h30m"), ("0", "0s")]
        {
            assert_eq!(text.parse::<PrometheusDuration>().unwrap().to_string(), printed);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same_duration(millis in 0..=MAX_MILLIS) {
            let duration = PrometheusDuration::from_millis(millis);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}
