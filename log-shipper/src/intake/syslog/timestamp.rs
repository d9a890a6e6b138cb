//! Times in syslog messages: RFC 3339, and the older form without a year.
//!
//! A time is kept as it was written as well, since a message is written again with its own offset.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// How far a sender's clock may be ahead before a time without a year is taken for last year's:
/// time zones make up to 14 hours of it.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(48);

/// Where 29 February is looked for: two leap years may be eight years apart.
const YEARS_BACK: i16 = 8;

/// A time with an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// Nanoseconds since 1970, UTC.
    pub ns: i64,
    /// In the form of RFC 5424, with the offset of the sender and without trailing zeros.
    pub text: String,
}

/// `2003-10-11T22:14:15.003Z`, with up to nine digits of a fraction.
pub fn rfc3339(text: &[u8]) -> Option<Time> {
    let (date, rest) = text.split_at_checked(19)?;
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let fits = date.iter().zip(shape).all(|(byte, wanted)| match wanted {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    });
    if !fits {
        return None;
    }
    let digits = match rest.strip_prefix(b".") {
        Some(fraction) => fraction.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        None => 0,
    };
    if digits > 9 || (digits == 0 && rest.starts_with(b".")) {
        return None;
    }
    let (fraction, zone) = rest.split_at(if digits == 0 { 0 } else { digits + 1 });
    let nanoseconds = (1..=9).fold(0, |sum, place| {
        sum * 10 + fraction.get(place).map_or(0, |digit| i32::from(digit - b'0'))
    });
    let offset = offset_seconds(zone)?;
    let time = DateTime::new(
        number(&date[0..4]),
        number(&date[5..7]),
        number(&date[8..10]),
        number(&date[11..13]),
        number(&date[14..16]),
        number(&date[17..19]),
        nanoseconds,
    );
    let ns = nanoseconds_at(time.ok()?, Offset::from_seconds(offset).ok()?)?;
    let fraction = std::str::from_utf8(fraction).ok()?.trim_end_matches('0');
    let fraction = fraction.trim_end_matches('.');
    let zone = if offset == 0 { "Z" } else { std::str::from_utf8(zone).ok()? };
    let date = std::str::from_utf8(date).ok()?;
    Some(Time { ns, text: format!("{date}{fraction}{zone}") })
}

/// `Oct 11 22:14:15 `: nanoseconds since 1970, and what follows. The year is the latest in which it
/// is not in the future; the time is taken for UTC, as Promtail takes it.
pub fn without_year(text: &[u8], now: Timestamp) -> Option<(i64, &[u8])> {
    let (stamp, rest) = text.split_at_checked(15)?;
    let rest = rest.strip_prefix(b" ")?;
    let month = MONTHS.iter().position(|month| stamp.starts_with(&month[..]))?;
    let shape = b"___ Dd dd:dd:dd";
    let fits = stamp.iter().zip(shape).all(|(byte, wanted)| match wanted {
        b'_' => true,
        b'D' => byte.is_ascii_digit() || *byte == b' ',
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    });
    if !fits {
        return None;
    }
    let day = if stamp[4] == b' ' { number(&stamp[5..6]) } else { number(&stamp[4..6]) };
    let this_year = Offset::UTC.to_datetime(now).year();
    let latest = now.saturating_add(MAX_AHEAD).ok()?;
    (this_year - YEARS_BACK..=this_year + 1).rev().find_map(|year| {
        let month = i8::try_from(month + 1).ok()?;
        let (hour, minute) = (number(&stamp[7..9]), number(&stamp[10..12]));
        let time = DateTime::new(year, month, day, hour, minute, number(&stamp[13..15]), 0).ok()?;
        let at = Offset::UTC.to_timestamp(time).ok()?;
        let ns = i64::try_from(at.as_nanosecond()).ok()?;
        (at <= latest).then_some((ns, rest))
    })
}

/// At most four digits: it fits wherever it is used, or is out of range there.
fn number<T: TryFrom<i16> + Default>(digits: &[u8]) -> T {
    let value = digits.iter().fold(0, |value: i16, digit| value * 10 + i16::from(digit - b'0'));
    T::try_from(value).unwrap_or_default()
}

/// `Z` or `+hh:mm`.
fn offset_seconds(zone: &[u8]) -> Option<i32> {
    if zone == b"Z" {
        return Some(0);
    }
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = zone else { return None };
    if ![h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i32, i32) =
        (i32::from(number::<i16>(&[*h1, *h2])), i32::from(number::<i16>(&[*m1, *m2])));
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    Some(if *sign == b'-' { -seconds } else { seconds })
}

fn nanoseconds_at(time: DateTime, offset: Offset) -> Option<i64> {
    i64::try_from(offset.to_timestamp(time).ok()?.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        i64::try_from(text.parse::<Timestamp>().unwrap().as_nanosecond()).unwrap()
    }

    #[test]
    fn a_time_is_read_and_written_with_its_own_offset() {
        for (text, written) in [
            ("2003-10-11T22:14:15.003Z", "2003-10-11T22:14:15.003Z"),
            ("2003-08-24T05:14:15.000003-07:00", "2003-08-24T05:14:15.000003-07:00"),
            ("2003-10-11T22:14:15.120000Z", "2003-10-11T22:14:15.12Z"),
            ("2003-10-11T22:14:15.000+00:00", "2003-10-11T22:14:15Z"),
            ("2003-10-11T22:14:15+05:30", "2003-10-11T22:14:15+05:30"),
        ] {
            let time = rfc3339(text.as_bytes()).unwrap();
            assert_eq!(time.text, written);
            assert_eq!(time.ns, at(text));
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2003-10-11T22:14:15",
            "2003-10-11t22:14:15Z",
            "2003-10-11 22:14:15Z",
            "2003-13-11T22:14:15Z",
            "2003-02-29T22:14:15Z",
            "2003-10-11T24:14:15Z",
            "2003-10-11T22:14:15.Z",
            "2003-10-11T22:14:15.0123456789Z",
            "2003-10-11T22:14:15+0530",
            "2003-10-11T22:14:15+24:00",
            "9999-10-11T22:14:15Z",
        ] {
            assert_eq!(rfc3339(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_year_is_the_latest_that_is_not_ahead() {
        for (now, text, expected) in [
            ("2026-11-24T12:00:00Z", "Oct 11 22:14:15 x", "2026-10-11T22:14:15Z"),
            ("2026-11-24T12:00:00Z", "Nov 25 01:00:00 x", "2026-11-25T01:00:00Z"),
            ("2026-11-24T12:00:00Z", "Dec 25 01:00:00 x", "2025-12-25T01:00:00Z"),
            ("2026-01-01T00:00:10Z", "Dec 31 23:59:59 x", "2025-12-31T23:59:59Z"),
            ("2026-12-31T23:59:50Z", "Jan  1 00:00:01 x", "2027-01-01T00:00:01Z"),
            ("2026-03-02T00:00:00Z", "Feb 29 10:00:00 x", "2024-02-29T10:00:00Z"),
            ("2026-11-24T12:00:00Z", "Oct 01 00:00:00 x", "2026-10-01T00:00:00Z"),
        ] {
            let (ns, rest) = without_year(text.as_bytes(), now.parse().unwrap()).unwrap();
            assert_eq!((ns, rest), (at(expected), &b"x"[..]), "{text}");
        }
        for text in ["Oct 11 22:14:15", "Okt 11 22:14:15 x", "Oct 32 22:14:15 x", "Oct  0 1:1:1 x"]
        {
            assert_eq!(without_year(text.as_bytes(), Timestamp::UNIX_EPOCH), None, "{text}");
        }
    }
}
