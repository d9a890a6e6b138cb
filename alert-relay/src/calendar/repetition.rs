//! The part of RFC 5545's repetition rules that planned work needs.
//!
//! `FREQ` is `DAILY`, `WEEKLY` or `MONTHLY`, with `INTERVAL`, `BYDAY`, `BYMONTHDAY`, `UNTIL` and
//! `COUNT`. Anything else is refused, so that no window is silently another one than was meant.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::{days_between, monday_offset};
use crate::time::Moment;

/// Days that are looked at to find the end of a rule with `COUNT`.
const HORIZON_DAYS: usize = 366 * 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
}

/// A day of the week, and in a month which one; counted from the end if negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ByDay {
    nth: i32,
    weekday: u8,
}

/// On which days a window begins.
#[derive(Debug, Clone)]
pub(super) struct Repetition {
    first: Date,
    frequency: Frequency,
    interval: i32,
    by_day: Vec<ByDay>,
    by_month_day: Vec<i32>,
    last: Option<Date>,
}

impl Repetition {
    pub(super) fn parse(rule: &str, start: DateTime, zone: &TimeZone) -> Result<Self, String> {
        let mut frequency = None;
        let mut repetition = Self {
            first: start.date(),
            frequency: Frequency::Daily,
            interval: 1,
            by_day: Vec::new(),
            by_month_day: Vec::new(),
            last: None,
        };
        let mut count = None;
        for part in rule.trim_start_matches("RRULE:").split(';').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let wrong = || format!("{part:?} is not understood");
            match key {
                "FREQ" => {
                    frequency = Some(match value {
                        "DAILY" => Frequency::Daily,
                        "WEEKLY" => Frequency::Weekly,
                        "MONTHLY" => Frequency::Monthly,
                        _ => return Err(format!("{value:?} is none of DAILY, WEEKLY, MONTHLY")),
                    });
                }
                "INTERVAL" => {
                    let interval =
                        value.parse().ok().filter(|interval| (1..=1000).contains(interval));
                    repetition.interval = interval.ok_or_else(wrong)?;
                }
                "COUNT" => {
                    let number = value.parse::<usize>().ok().filter(|number| *number > 0);
                    count = Some(number.ok_or_else(wrong)?);
                }
                "UNTIL" => {
                    let last = until(value, start, zone).ok_or_else(wrong)?;
                    repetition.last = Some(last);
                }
                "BYDAY" => {
                    for day in value.split(',') {
                        repetition.by_day.push(by_day(day).ok_or_else(wrong)?);
                    }
                }
                "BYMONTHDAY" => {
                    for day in value.split(',') {
                        let day = day.parse().ok();
                        let day = day.filter(|day: &i32| (1..=31).contains(&day.abs()));
                        repetition.by_month_day.push(day.ok_or_else(wrong)?);
                    }
                }
                "WKST" if value == "MO" => {}
                _ => {
                    return Err(format!(
                        "{key:?} is none of FREQ, INTERVAL, BYDAY, BYMONTHDAY, UNTIL, COUNT"
                    ));
                }
            }
        }
        repetition.frequency = frequency.ok_or("FREQ is missing")?;
        let is_monthly = repetition.frequency == Frequency::Monthly;
        if !is_monthly && repetition.by_day.iter().any(|day| day.nth != 0) {
            return Err("a numbered day such as 1SU needs FREQ=MONTHLY".to_owned());
        }
        if let Some(count) = count {
            if repetition.last.is_some() {
                return Err("UNTIL and COUNT exclude each other".to_owned());
            }
            let days = repetition.first.series(jiff::Span::new().days(1)).take(HORIZON_DAYS);
            let on = days.filter(|day| repetition.is_on(*day)).take(count).last();
            repetition.last = on.or(Some(repetition.first));
        }
        Ok(repetition)
    }

    /// Whether a window begins on this day.
    pub(super) fn is_on(&self, day: Date) -> bool {
        if day < self.first || self.last.is_some_and(|last| day > last) {
            return false;
        }
        let weekday = monday_offset(day.weekday());
        let is_day = |by: &ByDay| by.weekday == weekday;
        match self.frequency {
            Frequency::Daily => {
                days_between(self.first, day) % self.interval == 0
                    && (self.by_day.is_empty() || self.by_day.iter().any(is_day))
                    && self.is_month_day(day)
            }
            Frequency::Weekly => {
                let start = i32::from(monday_offset(self.first.weekday()));
                let weeks = (days_between(self.first, day) + start) / 7;
                let on = if self.by_day.is_empty() {
                    day.weekday() == self.first.weekday()
                } else {
                    self.by_day.iter().any(is_day)
                };
                weeks % self.interval == 0 && on
            }
            Frequency::Monthly => {
                let months = i32::from(day.year() - self.first.year()) * 12
                    + i32::from(day.month() - self.first.month());
                let on = if self.by_day.is_empty() {
                    !self.by_month_day.is_empty() || day.day() == self.first.day()
                } else {
                    self.by_day.iter().any(|by| is_day(by) && is_nth(by.nth, day))
                };
                months % self.interval == 0 && on && self.is_month_day(day)
            }
        }
    }

    fn is_month_day(&self, day: Date) -> bool {
        let (number, all) = (i32::from(day.day()), i32::from(day.days_in_month()));
        self.by_month_day.is_empty()
            || self.by_month_day.iter().any(|by| *by == number || *by == number - all - 1)
    }
}

fn is_nth(nth: i32, day: Date) -> bool {
    let (number, all) = (i32::from(day.day()), i32::from(day.days_in_month()));
    match nth {
        0 => true,
        1.. => (number - 1) / 7 + 1 == nth,
        _ => (all - number) / 7 + 1 == -nth,
    }
}

fn by_day(text: &str) -> Option<ByDay> {
    let (nth, name) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let weekday =
        ["MO", "TU", "WE", "TH", "FR", "SA", "SU"].iter().position(|known| *known == name)?;
    let nth = if nth.is_empty() {
        0
    } else {
        nth.parse().ok().filter(|nth: &i32| (1..=5).contains(&nth.abs()))?
    };
    Some(ByDay { nth, weekday: u8::try_from(weekday).ok()? })
}

/// The last day on which a window may begin. A time in UTC counts to the window that begins at it.
fn until(text: &str, start: DateTime, zone: &TimeZone) -> Option<Date> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let date = digits.get(..8)?;
    let day = Date::new(date[..4].parse().ok()?, date[4..6].parse().ok()?, date[6..].parse().ok()?)
        .ok()?;
    let Some(time) = digits.get(8..14) else {
        return (digits.len() == 8).then_some(day);
    };
    let clock = jiff::civil::Time::new(
        time[..2].parse().ok()?,
        time[2..4].parse().ok()?,
        time[4..].parse().ok()?,
        0,
    )
    .ok()?;
    let local = if text.ends_with('Z') {
        let utc = super::moment(day.to_datetime(clock), &TimeZone::UTC);
        Moment::timestamp(utc).to_zoned_datetime(zone.clone()).datetime()
    } else {
        day.to_datetime(clock)
    };
    if local.time() < start.time() { local.date().yesterday().ok() } else { Some(local.date()) }
}
