//! Go's `time.Duration`: a signed number of nanoseconds with a text form.
//!
//! Parsing accepts exactly what `time.ParseDuration` accepts and rounds fractions as it does, so a
//! value copied from a Go program's configuration means the same number of nanoseconds here.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Magnitude of `i64::MIN`, the largest that a negative duration can have.
const MAGNITUDE_LIMIT: u64 = 1 << 63;

/// A signed duration in nanoseconds, read and written as Go does (`1h30m`, `1.5s`, `300ms`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(i64);

impl GoDuration {
    /// No time at all, written `0s`.
    pub const ZERO: Self = Self(0);

    /// A duration of `nanos` nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A duration of `millis` milliseconds; the closest representable one beyond 292 years.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// A duration of `secs` seconds; the closest representable one beyond 292 years.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds, negative for a duration below zero.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The same span without a sign; zero for a negative one, since nobody can wait less than that.
    pub const fn as_duration(self) -> Duration {
        if self.0 <= 0 { Duration::ZERO } else { Duration::from_nanos(self.0.unsigned_abs()) }
    }
}

impl From<GoDuration> for Duration {
    fn from(duration: GoDuration) -> Self {
        duration.as_duration()
    }
}

/// Why a text is not a Go duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseGoDurationError {
    /// Not a sequence of numbers with units.
    #[error("{text:?} is not a duration: expected numbers with units, such as 1h30m or 1.5s")]
    Malformed {
        /// What was read.
        text: String,
    },
    /// A number without a unit; only `0` may stand alone.
    #[error("duration {text:?} lacks a unit: use one of ns, us, ms, s, m, h")]
    MissingUnit {
        /// What was read.
        text: String,
    },
    /// A unit that Go does not know.
    #[error("duration {text:?} has the unknown unit {unit:?}: use one of ns, us, ms, s, m, h")]
    UnknownUnit {
        /// What was read.
        text: String,
        /// The unit in it.
        unit: String,
    },
    /// More nanoseconds than 64 bits hold, about 292 years.
    #[error("duration {text:?} is out of range: at most 2562047h47m16.854775807s")]
    OutOfRange {
        /// What was read.
        text: String,
    },
}

impl FromStr for GoDuration {
    type Err = ParseGoDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ParseGoDurationError::Malformed { text: text.to_owned() };
        let out_of_range = || ParseGoDurationError::OutOfRange { text: text.to_owned() };

        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(malformed());
        }

        let mut total = 0_u64;
        while !rest.is_empty() {
            let (whole, after) = split_where(rest, |byte| !byte.is_ascii_digit());
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => split_where(after, |byte| !byte.is_ascii_digit()),
                None => ("", after),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(malformed());
            }
            let (unit, after) = split_where(after, |byte| byte == b'.' || byte.is_ascii_digit());
            rest = after;

            let whole = whole_number(whole).ok_or_else(out_of_range)?;
            if unit.is_empty() {
                return Err(ParseGoDurationError::MissingUnit { text: text.to_owned() });
            }
            let nanos = nanos_of(unit).ok_or_else(|| ParseGoDurationError::UnknownUnit {
                text: text.to_owned(),
                unit: unit.to_owned(),
            })?;
            total = whole
                .checked_mul(nanos)
                .and_then(|span| span.checked_add(fraction_of(fraction, nanos)))
                .and_then(|span| span.checked_add(total))
                .filter(|&sum| sum <= MAGNITUDE_LIMIT)
                .ok_or_else(out_of_range)?;
        }

        let nanos =
            if negative { 0_i64.checked_sub_unsigned(total) } else { i64::try_from(total).ok() };
        nanos.map(Self).ok_or_else(out_of_range)
    }
}

/// Cuts before the first byte that `ends` accepts. Such bytes are ASCII, so both halves are text.
fn split_where(text: &str, ends: impl Fn(u8) -> bool) -> (&str, &str) {
    let at = text.bytes().position(ends);
    // a test for "not a digit" may hit the first byte of a longer character, which is a boundary too
    text.split_at(at.unwrap_or(text.len()))
}

fn whole_number(digits: &str) -> Option<u64> {
    digits
        .bytes()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .filter(|&number| number <= MAGNITUDE_LIMIT)
}

fn nanos_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // the micro sign and the Greek letter look alike and both occur in the wild
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// Nanoseconds in `0.digits` of a unit. Floating point as in Go, for the same last digit; digits
/// beyond what 63 bits hold change nothing.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the same conversions as the original, of values that are never negative and below one hour"
)]
fn fraction_of(digits: &str, unit_nanos: u64) -> u64 {
    let mut numerator = 0_u64;
    let mut scale = 1.0_f64;
    for digit in digits.bytes() {
        if numerator > (MAGNITUDE_LIMIT - 1) / 10 {
            break;
        }
        let longer = numerator * 10 + u64::from(digit - b'0');
        if longer > MAGNITUDE_LIMIT {
            break;
        }
        numerator = longer;
        scale *= 10.0;
    }
    (numerator as f64 * (unit_nanos as f64 / scale)) as u64
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{nanos}ns"),
            MICROSECOND..MILLISECOND => write_decimal(f, nanos, MICROSECOND, "\u{b5}s"),
            MILLISECOND..SECOND => write_decimal(f, nanos, MILLISECOND, "ms"),
            _ => {
                if nanos >= HOUR {
                    write!(f, "{}h", nanos / HOUR)?;
                }
                if nanos >= MINUTE {
                    write!(f, "{}m", nanos % HOUR / MINUTE)?;
                }
                write_decimal(f, nanos % MINUTE, SECOND, "s")
            }
        }
    }
}

/// Writes `nanos / unit` with every digit it has and no trailing zero.
fn write_decimal(f: &mut fmt::Formatter<'_>, nanos: u64, unit: u64, name: &str) -> fmt::Result {
    write!(f, "{}", nanos / unit)?;
    let mut rest = nanos % unit;
    if rest > 0 {
        f.write_str(".")?;
        let mut place = unit / 10;
        while rest > 0 {
            write!(f, "{}", rest / place)?;
            rest %= place;
            place /= 10;
        }
    }
    f.write_str(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nanos(text: &str) -> i64 {
        text.parse::<GoDuration>().unwrap().as_nanos()
    }

    #[test]
    fn every_form_that_go_accepts_is_read() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("+5s", 5_000_000_000),
            ("-1.5h", -5_400_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("300ms", 300_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("1us1\u{b5}s1\u{3bc}s", 3_000),
            ("1m1m", 120_000_000_000),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(nanos(text), expected, "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused_with_the_text_and_the_units() {
        for text in
            ["", "-", "s", ".s", "1", "1.5", "1d", "1 s", " 1s", "1s ", "--1s", "1h 30m", "é", "1é"]
        {
            let error = text.parse::<GoDuration>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
        let error = "1d".parse::<GoDuration>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"duration "1d" has the unknown unit "d": use one of ns, us, ms, s, m, h"#
        );
    }

    #[test]
    fn more_than_63_bits_of_nanoseconds_is_out_of_range() {
        for text in
            ["9223372036854775808ns", "-9223372036854775809ns", "2562048h", "99999999999999999999s"]
        {
            let error = text.parse::<GoDuration>().unwrap_err();
            assert!(matches!(error, ParseGoDurationError::OutOfRange { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        for (nanos, expected) in [
            (0, "0s"),
            (2, "2ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (1_000_000_001, "1.000000001s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(GoDuration::from_nanos(nanos).to_string(), expected);
        }
    }

    #[test]
    fn a_negative_duration_waits_no_time() {
        assert_eq!(GoDuration::from_secs(-1).as_duration(), Duration::ZERO);
        assert_eq!(GoDuration::from_millis(1_500).as_duration(), Duration::from_millis(1_500));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same_duration(nanos: i64) {
            let duration = GoDuration::from_nanos(nanos);
            prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[-+0-9.a-zµ é]{0,24}") {
            let _outcome = text.parse::<GoDuration>();
        }
    }
}
