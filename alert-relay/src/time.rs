//! Points in time as whole milliseconds, for stamps that are stored and compared.
//!
//! Nothing here reads a clock but [`Moment::now`]: whatever decides gets the time as an argument, so
//! that a recorded day can be played again.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01 00:00 UTC.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(i64);

impl Moment {
    /// The beginning of 1970.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The wall clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// How long it is after `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This much later.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This much earlier.
    #[must_use]
    pub fn before(self, pause: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)))
    }

    /// As a timestamp of jiff; what jiff cannot hold becomes its nearest end.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }

    /// From RFC 3339 with up to nine digits of a fraction, which is cut to milliseconds; `None` for
    /// another text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(|time| Self(time.as_millisecond()))
    }
}

/// RFC 3339 in UTC with three digits of a fraction, as Prometheus writes it.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_with_any_fraction_and_written_with_three_digits() {
        for (text, written) in [
            ("2026-11-22T05:44:19.487Z", "2026-11-22T05:44:19.487Z"),
            ("2026-11-22T05:44:19.09Z", "2026-11-22T05:44:19.090Z"),
            ("2026-11-22T05:44:19Z", "2026-11-22T05:44:19.000Z"),
            ("2026-11-22T07:44:19.123456789+02:00", "2026-11-22T05:44:19.123Z"),
        ] {
            assert_eq!(Moment::parse(text).unwrap().to_string(), written);
        }
        assert_eq!(Moment::parse("yesterday"), None);
        assert!(Moment::parse("0001-01-01T00:00:00Z").unwrap() < Moment::EPOCH);
    }

    #[test]
    fn differences_never_overflow_and_are_never_negative() {
        let (early, late) = (Moment::from_millis(i64::MIN), Moment::from_millis(i64::MAX));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.after(Duration::MAX), late);
        assert_eq!(early.before(Duration::from_secs(1)), early);
        let moment = Moment::from_millis(5_000);
        assert_eq!(moment.after(Duration::from_secs(2)).since(moment), Duration::from_secs(2));
    }
}
