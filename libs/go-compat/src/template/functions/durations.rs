//! Go's durations as text, in nanoseconds.

const SECOND: i64 = 1_000_000_000;

/// Nanoseconds of each unit; the micro sign comes as two characters.
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
];

/// `time.ParseDuration`: `1h30m`, `-1.5s`, `0`. `None` where Go returns an error.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        // `m` is the beginning of `ms`, so the longest match counts
        let (name, unit) = UNITS
            .iter()
            .filter(|(name, _)| after.starts_with(name))
            .max_by_key(|(name, _)| name.len())?;
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(i128::from(*unit))?)?;
        total += fraction_of(fraction, *unit);
        rest = &after[name.len()..];
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// `.5` of a unit; digits beyond what changes a nanosecond are dropped.
fn fraction_of(digits: &str, unit: i64) -> i128 {
    let digits = &digits[..digits.len().min(18)];
    let scale = 10_i128.pow(u32::try_from(digits.len()).unwrap_or(0));
    digits.parse::<i128>().map_or(0, |number| number * i128::from(unit) / scale)
}

/// `Duration.String`: `1h0m0.5s`, `1.5ms`, `0s`.
pub(super) fn format(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let magnitude = nanoseconds.unsigned_abs();
    let second = SECOND.unsigned_abs();
    if magnitude == 0 {
        return "0s".to_owned();
    }
    if magnitude < second {
        let (unit, name) = match magnitude {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "\u{b5}s"),
            _ => (1_000_000, "ms"),
        };
        return format!("{sign}{}{name}", decimal(magnitude, unit));
    }
    let minute = 60 * second;
    let hour = 60 * minute;
    let (hours, minutes) = (magnitude / hour, magnitude % hour / minute);
    let seconds = decimal(magnitude % minute, second);
    if hours > 0 {
        format!("{sign}{hours}h{minutes}m{seconds}s")
    } else if minutes > 0 {
        format!("{sign}{minutes}m{seconds}s")
    } else {
        format!("{sign}{seconds}s")
    }
}

/// `number / unit` without trailing zeros; `unit` is a power of ten.
fn decimal(number: u64, unit: u64) -> String {
    let (whole, part) = (number / unit, number % unit);
    if part == 0 {
        return whole.to_string();
    }
    let places = unit.ilog10() as usize;
    let fraction = format!("{part:0places$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

/// sprig's `durationRound`: the largest unit that fits more than once, cut.
pub(super) fn rounded(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs() / SECOND.unsigned_abs();
    let exact = nanoseconds.unsigned_abs();
    for (seconds, name) in
        [(31_536_000, "y"), (2_592_000, "mo"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")]
    {
        if exact > seconds * SECOND.unsigned_abs() {
            return format!("{}{name}", magnitude / seconds);
        }
    }
    "0s".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (2_000_000, "2ms"),
            (95 * SECOND, "1m35s"),
            (3_600 * SECOND, "1h0m0s"),
            (-1_500_000_000, "-1.5s"),
        ] {
            assert_eq!(format(nanoseconds), text);
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanoseconds) in [
            ("1h30m", Some(5_400 * SECOND)),
            ("-1.5s", Some(-1_500_000_000)),
            ("2ms", Some(2_000_000)),
            ("1us", Some(1_000)),
            ("0", Some(0)),
            (".5s", Some(500_000_000)),
            ("", None),
            ("5", None),
            ("1d", None),
            ("s", None),
            ("99999999999h", None),
        ] {
            assert_eq!(parse(text), nanoseconds, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_reverses_writing(nanoseconds: i64) {
            // has no positive counterpart
            proptest::prop_assume!(nanoseconds != i64::MIN);
            proptest::prop_assert_eq!(parse(&format(nanoseconds)), Some(nanoseconds));
        }
    }
}
