//! Dates. `now` is the time of the rendering, the local zone that of the process.

use std::sync::LazyLock;

use super::{Arguments, Builtin, Outcome, durations, exactly, wrong_type};
use crate::template::limits::{Fault, failed};
use crate::template::numbers::to_int;
use crate::template::value::Value;
use crate::time_layout::{Layout, Time, Zone};

const NANOSECONDS: i64 = 1_000_000_000;

/// Read once: a process does not change its zone.
static LOCAL: LazyLock<Zone> = LazyLock::new(Zone::local);

pub(super) const TABLE: &[Builtin] = &[
    exactly("now", 0, |call| Ok(Value::Time(now(call)))),
    exactly("ago", 1, |call| Ok(Value::text(ago(call)))),
    exactly("date", 2, |call| {
        let time = time_at(call, 1);
        formatted(call, &time, &LOCAL)
    }),
    exactly("dateInZone", 3, date_in_zone),
    exactly("date_in_zone", 3, date_in_zone),
    exactly("htmlDate", 1, |call| Ok(html_date(&time_at(call, 0), &LOCAL))),
    exactly("htmlDateInZone", 2, |call| {
        let zone = zone_at(call, 1)?;
        Ok(html_date(&time_at(call, 0), &zone))
    }),
    exactly("dateModify", 2, |call| modified(call, false)),
    exactly("date_modify", 2, |call| modified(call, false)),
    exactly("mustDateModify", 2, |call| modified(call, true)),
    exactly("must_date_modify", 2, |call| modified(call, true)),
    exactly("toDate", 2, |call| match parsed(call)? {
        Ok(time) => Ok(Value::Time(time)),
        // Go gives its zero time
        Err(_) => Ok(Value::Time(zero_time())),
    }),
    exactly("mustToDate", 2, |call| match parsed(call)? {
        Ok(time) => Ok(Value::Time(time)),
        Err(error) => failed(error.to_string()),
    }),
    exactly("unixEpoch", 1, |call| match call.get(0) {
        Value::Time(time) => Ok(Value::text(time.unix().0.to_string())),
        other => wrong_type("time.Time", other),
    }),
    exactly("duration", 1, |call| {
        let nanoseconds = to_int(call.get(0)).saturating_mul(NANOSECONDS);
        Ok(Value::text(durations::format(nanoseconds)))
    }),
    exactly("durationRound", 1, |call| {
        let nanoseconds = match call.get(0) {
            Value::Text(text) => {
                std::str::from_utf8(text).ok().and_then(durations::parse).unwrap_or(0)
            }
            Value::Int(number) => *number,
            Value::Time(time) => since(call, time),
            _ => 0,
        };
        Ok(Value::text(durations::rounded(nanoseconds)))
    }),
];

fn now(call: &Arguments<'_>) -> Time {
    Time::from_unix_ns(call.fields.now_unix_ns()).in_zone(&LOCAL)
}

/// Nanoseconds from `time` to now.
fn since(call: &Arguments<'_>, time: &Time) -> i64 {
    let (seconds, nanoseconds) = time.unix();
    let then = i128::from(seconds) * i128::from(NANOSECONDS) + i128::from(nanoseconds);
    let elapsed = i128::from(call.fields.now_unix_ns()) - then;
    i64::try_from(elapsed).unwrap_or(if elapsed < 0 { i64::MIN } else { i64::MAX })
}

/// A time, or seconds since 1970; anything else means now, as in sprig.
fn time_at(call: &Arguments<'_>, index: usize) -> Time {
    match call.get(index) {
        Value::Time(time) => time.clone(),
        Value::Int(seconds) => Time::from_unix_ns(seconds.saturating_mul(NANOSECONDS)),
        _ => now(call),
    }
}

/// An unknown zone counts as UTC, as in sprig.
fn zone_at(call: &Arguments<'_>, index: usize) -> Result<Zone, Fault> {
    match &*call.characters(index)? {
        "Local" => Ok(LOCAL.clone()),
        name => Ok(Zone::named(name).unwrap_or_else(|_| Zone::utc())),
    }
}

fn formatted(call: &Arguments<'_>, time: &Time, zone: &Zone) -> Outcome {
    let layout = Layout::new(&call.characters(0)?);
    Ok(Value::text(layout.format(&time.in_zone(zone))))
}

fn date_in_zone(call: &mut Arguments<'_>) -> Outcome {
    let zone = zone_at(call, 2)?;
    formatted(call, &time_at(call, 1), &zone)
}

fn html_date(time: &Time, zone: &Zone) -> Value {
    Value::text(Layout::new("2006-01-02").format(&time.in_zone(zone)))
}

/// Now minus the given time, to the second.
fn ago(call: &Arguments<'_>) -> String {
    let elapsed = since(call, &time_at(call, 0));
    let half = if elapsed < 0 { -NANOSECONDS / 2 } else { NANOSECONDS / 2 };
    let seconds = elapsed.saturating_add(half) / NANOSECONDS;
    durations::format(seconds.saturating_mul(NANOSECONDS))
}

fn modified(call: &mut Arguments<'_>, strict: bool) -> Outcome {
    let text = call.characters(0)?;
    let Value::Time(time) = call.get(1) else { return wrong_type("time.Time", call.get(1)) };
    let moved = match durations::parse(&text) {
        Some(duration) => time.unix_ns().and_then(|start| start.checked_add(duration)),
        None if strict => return failed(format!("invalid duration {text:?}")),
        None => None,
    };
    Ok(Value::Time(match moved {
        Some(moved) => Time::from_unix_ns(moved).in_zone(&LOCAL),
        None => time.clone(),
    }))
}

/// The text of argument 1 read in the layout of argument 0.
fn parsed(call: &Arguments<'_>) -> Result<Result<Time, crate::time_layout::ParseTimeError>, Fault> {
    Ok(Layout::new(&call.characters(0)?).parse(call.bytes(1)?, &LOCAL))
}

/// Go's zero `time.Time`: the first of January of the year 1.
fn zero_time() -> Time {
    Layout::new("2006-01-02")
        .parse(b"0001-01-01", &Zone::utc())
        .expect("a constant date in its own layout")
}

#[cfg(test)]
mod tests {
    use crate::template::tests::rendered;

    // the tests' `now` is 2023-07-08T09:10:11Z
    #[test]
    fn the_time_comes_from_the_caller() {
        assert_eq!(
            rendered(r#"{{ dateInZone "2006-01-02T15:04:05" now "UTC" }}"#),
            "2023-07-08T09:10:11"
        );
        assert_eq!(rendered("{{ unixEpoch now }}"), "1688807411");
        assert_eq!(rendered(r#"{{ now | dateModify "-1h30m" | ago }}"#), "1h30m0s");
        assert_eq!(rendered(r#"{{ durationRound (dateModify "-50h" now) }}"#), "2d");
    }

    #[test]
    fn dates_move_between_zones() {
        assert_eq!(rendered(r#"{{ dateInZone "15:04 MST" 0 "Europe/Berlin" }}"#), "01:00 CET");
        assert_eq!(rendered(r#"{{ dateInZone "15:04" 0 "No/Where" }}"#), "00:00");
        assert_eq!(rendered(r#"{{ htmlDateInZone 86400 "UTC" }}"#), "1970-01-02");
    }

    #[test]
    fn a_text_that_is_no_date_gives_the_zero_time() {
        let zero = r#"{{ toDate "2006-01-02" "x" | unixEpoch }}"#;
        assert_eq!(rendered(zero), "-62135596800");
    }

    #[test]
    fn durations_are_printed() {
        assert_eq!(rendered(r#"{{ duration "95" }} {{ duration 3600 }}"#), "1m35s 1h0m0s");
        assert_eq!(rendered(r#"{{ durationRound "2h10m5s" }}"#), "2h");
    }
}
