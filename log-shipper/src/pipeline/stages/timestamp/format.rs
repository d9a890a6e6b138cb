//! The formats of the `timestamp` stage: numbers since 1970, Go's named layouts, and any other
//! reference layout.
//!
//! A text either fits whole or gives no time; nothing here reads a clock.

use go_compat::time_layout::{Layout, Time, Zone};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// One accepted format.
#[derive(Debug, Clone)]
pub(super) enum Format {
    /// Seconds since 1970, with a fraction or without.
    Unix,
    /// A whole number since 1970, of so many nanoseconds.
    UnixOf(i64),
    /// A layout, with the zone for texts that name none.
    Layout(Layout, Zone),
    /// A layout that says no year.
    Yearless(Layout, Zone),
}

impl Format {
    /// A format by its name, else a layout. Named ones do not use `zone`, as in Promtail.
    pub(super) fn new(format: &str, zone: &Zone) -> Self {
        match format {
            "Unix" => Self::Unix,
            "UnixMs" => Self::UnixOf(1_000_000),
            "UnixUs" => Self::UnixOf(1_000),
            "UnixNs" => Self::UnixOf(1),
            _ => {
                if let Some(layout) = Layout::named(format) {
                    return Self::Layout(layout, Zone::utc());
                }
                let layout = Layout::new(format);
                if layout.has_year() {
                    Self::Layout(layout, zone.clone())
                } else {
                    Self::Yearless(layout, zone.clone())
                }
            }
        }
    }

    /// Nanoseconds since 1970; `None` where the text does not fit, or lies outside of 1677 to 2262.
    pub(super) fn parse(&self, text: &[u8], now_ns: i64) -> Option<i64> {
        match self {
            Self::Unix => unix_seconds(text),
            Self::UnixOf(unit) => integer(text)?.checked_mul(*unit),
            Self::Layout(layout, zone) => layout.parse(text, zone).ok()?.unix_ns(),
            Self::Yearless(layout, zone) => {
                let now = Time::from_unix_ns(now_ns);
                layout.parse(text, zone).ok()?.with_year_near(&now).unix_ns()
            }
        }
    }
}

fn integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Digits beyond the nanosecond are cut. The fraction counts forward, also behind a minus sign.
fn unix_seconds(text: &[u8]) -> Option<i64> {
    let Some(dot) = memchr::memchr(b'.', text) else {
        return integer(text)?.checked_mul(NANOS_PER_SECOND);
    };
    let (seconds, fraction) = (&text[..dot], &text[dot + 1..]);
    if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |place: usize| fraction.get(place).map_or(0, |digit| i64::from(digit - b'0'));
    let nanos = (0..9).fold(0, |nanos, place| nanos * 10 + digit(place));
    integer(seconds)?.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::stages::testing::NOW_NS;

    fn parse(format: &str, zone: &str, text: &str) -> Option<i64> {
        Format::new(format, &Zone::named(zone).unwrap()).parse(text.as_bytes(), NOW_NS)
    }

    #[test]
    fn seconds_since_1970() {
        for (text, expected) in [
            ("1700000000", Some(1_700_000_000_000_000_000)),
            ("1700000001.5", Some(1_700_000_001_500_000_000)),
            ("1700000002.123456789", Some(1_700_000_002_123_456_789)),
            ("1700000003.1234567891", Some(1_700_000_003_123_456_789)),
            ("1704164645.123456789123", Some(1_704_164_645_123_456_789)),
            ("1700000004.000000001", Some(1_700_000_004_000_000_001)),
            ("-1", Some(-1_000_000_000)),
            ("0", Some(0)),
            ("1e9", None),
            ("1700000005.", None),
            (".5", None),
            (" 1700000006", None),
            ("1700000007.1.2", None),
            ("1.-5", None),
            ("9223372036854775807", None),
            ("", None),
        ] {
            assert_eq!(parse("Unix", "UTC", text), expected, "{text}");
        }
    }

    #[test]
    fn smaller_units_since_1970() {
        for (format, text, expected) in [
            ("UnixMs", "1700000000123", Some(1_700_000_000_123_000_000)),
            ("UnixMs", "-5", Some(-5_000_000)),
            ("UnixMs", "1700000000124.5", None),
            ("UnixUs", "4102444800000001", Some(4_102_444_800_000_001_000)),
            ("UnixUs", "9223372036854775807", None),
            ("UnixNs", "1600000000123456789", Some(1_600_000_000_123_456_789)),
            ("UnixNs", "1600000000123456789.0", None),
            ("UnixNs", "16e17", None),
        ] {
            assert_eq!(parse(format, "UTC", text), expected, "{format} {text}");
        }
    }

    #[test]
    fn layouts_are_read_in_the_zone_and_named_ones_in_utc() {
        let local = "2006-01-02 15:04:05,000";
        assert_eq!(
            parse(local, "America/New_York", "2024-01-02 03:04:05,678"),
            Some(NOW_NS + 5 * 3600 * 1_000_000_000 + 678_000_000)
        );
        assert_eq!(parse("ANSIC", "America/New_York", "Tue Jan  2 03:04:05 2024"), Some(NOW_NS));
        assert_eq!(parse("RFC3339", "America/New_York", "2024-01-02T03:04:05Z"), Some(NOW_NS));
    }

    #[test]
    fn gos_rules_for_fractions_digits_and_abbreviations() {
        let layout = "2006-01-02 15:04:05";
        assert_eq!(parse(layout, "UTC", "2024-01-02 03:04:05.678"), Some(NOW_NS + 678_000_000));
        assert_eq!(parse(layout, "UTC", "2024-01-02 03:04:05,9"), Some(NOW_NS + 900_000_000));
        assert_eq!(parse(layout, "UTC", "2024-1-2 03:04:05"), None);
        assert_eq!(parse("UnixDate", "UTC", "Tue Jan  2 03:04:05 PST 2024"), Some(NOW_NS));
        assert_eq!(parse("2006-002", "UTC", "2024-060"), Some(1_709_164_800_000_000_000));
    }

    #[test]
    fn a_time_without_a_year_is_near_now() {
        let parse = |text: &str, now: &str| {
            let now = parse("RFC3339", "UTC", now).unwrap();
            let time = Format::new("Jan 2 15:04:05", &Zone::utc()).parse(text.as_bytes(), now)?;
            Some(Layout::named("RFC3339").unwrap().format(&Time::from_unix_ns(time)))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parse("Jul 4 05:06:07", "2023-08-01T00:00:00Z"), some("2023-07-04T05:06:07Z"));
        assert_eq!(parse("Dec 31 23:59:59", "2024-01-01T00:00:00Z"), some("2023-12-31T23:59:59Z"));
        assert_eq!(parse("Jan 1 00:00:00", "2023-12-31T23:59:00Z"), some("2024-01-01T00:00:00Z"));
        assert_eq!(parse("Feb 29 10:00:00", "2023-06-01T00:00:00Z"), some("2023-03-01T10:00:00Z"));
        assert_eq!(parse("Feb 29 10:00:00", "2024-06-01T00:00:00Z"), some("2024-02-29T10:00:00Z"));
        assert_eq!(parse("2024 Jan 1 00:00:00", "2024-06-01T00:00:00Z"), None);
    }
}
