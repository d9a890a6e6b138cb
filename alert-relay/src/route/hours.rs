//! When people work.
//!
//! Hours that cannot be read count as open: a message that comes at a bad time beats one that never
//! comes.

use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::TimeZone;

use crate::config::correlation::BusinessHours;
use crate::time::Moment;

/// The begin of the next hours; `None` inside of them.
pub(super) fn begin(hours: &BusinessHours, now: Moment) -> Option<Moment> {
    let zone = TimeZone::get(&hours.time_zone).ok()?;
    let (start, end) = (time(&hours.start)?, time(&hours.end)?);
    let days: Vec<Weekday> = hours.days.iter().filter_map(|day| weekday(day)).collect();
    if days.is_empty() {
        return None;
    }
    let local: DateTime = now.timestamp().to_zoned_datetime(zone.clone()).datetime();
    let (today, clock) = (local.date(), local.time());
    let works = |date: jiff::civil::Date| days.contains(&date.weekday());
    let is_inside = if start < end {
        works(today) && start <= clock && clock < end
    } else {
        // over midnight
        let since_yesterday = today.yesterday().is_ok_and(works) && clock < end;
        since_yesterday || (works(today) && clock >= start)
    };
    if is_inside {
        return None;
    }
    let mut date = today;
    // a week and a day, for a begin that is over today
    for _ in 0..8 {
        if works(date) {
            // a time that the clock jumps over is the one after the jump
            let begin = date.to_datetime(start).to_zoned_datetime(zone.clone()).ok()?;
            let begin = Moment::from_millis(begin.timestamp().as_millisecond());
            if begin > now {
                return Some(begin);
            }
        }
        date = date.tomorrow().ok()?;
    }
    None
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn weekday(text: &str) -> Option<Weekday> {
    let day = match text.to_ascii_lowercase().get(..3)? {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => return None,
    };
    Some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str, start: &str, end: &str) -> BusinessHours {
        BusinessHours {
            time_zone: zone.to_owned(),
            days: ["mon", "tue", "wed", "thu", "fri"].map(str::to_owned).to_vec(),
            start: start.to_owned(),
            end: end.to_owned(),
        }
    }

    fn next(hours: &BusinessHours, now: &str) -> Option<String> {
        begin(hours, Moment::parse(now).unwrap()).map(|begin| begin.to_string())
    }

    #[test]
    fn outside_of_the_hours_their_next_begin_counts() {
        let berlin = hours("Europe/Berlin", "09:00", "17:00");
        for (now, expected) in [
            ("2026-11-24T07:59:59Z", Some("2026-11-24T08:00:00.000Z")),
            ("2026-11-24T08:00:00Z", None),
            ("2026-11-24T15:59:59Z", None),
            ("2026-11-24T16:00:00Z", Some("2026-11-25T08:00:00.000Z")),
            // over the weekend, in which clocks are set back: 09:00 is an hour later in UTC
            ("2026-10-23T16:00:00Z", Some("2026-10-26T08:00:00.000Z")),
            ("2026-03-27T16:30:00Z", Some("2026-03-30T07:00:00.000Z")),
        ] {
            assert_eq!(next(&berlin, now).as_deref(), expected, "{now}");
        }
    }

    #[test]
    fn hours_may_go_over_midnight() {
        let night = hours("UTC", "22:00", "06:00");
        assert_eq!(next(&night, "2026-11-28T05:00:00Z"), None);
        let saturday_evening = "2026-11-28T23:00:00Z";
        assert_eq!(next(&night, saturday_evening).as_deref(), Some("2026-11-30T22:00:00.000Z"));
    }

    #[test]
    fn hours_that_make_no_sense_are_open() {
        assert_eq!(next(&hours("Mars/Olympus", "09:00", "17:00"), "2026-11-24T03:00:00Z"), None);
        assert_eq!(next(&hours("UTC", "nine", "17:00"), "2026-11-24T03:00:00Z"), None);
    }
}
