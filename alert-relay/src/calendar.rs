//! Windows of planned work and hours of business, in local time.
//!
//! A local time that a change of clocks leaves out or repeats is taken as jiff's "compatible" rule
//! says: the later of the two readings where there is none, the earlier where there are two.

mod repetition;

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;

use self::repetition::Repetition;
use crate::time::Moment;

/// The longest window; a longer one is a mistake, and would have to be looked for in every day of
/// it.
const LONGEST_DAYS: u64 = 31;

/// One window, or one that comes again.
#[derive(Debug, Clone)]
pub struct Window {
    zone: TimeZone,
    start: DateTime,
    duration: Duration,
    repetition: Option<Repetition>,
}

impl Window {
    /// From the texts of the configuration.
    ///
    /// # Errors
    /// The key that is wrong, and what is accepted.
    pub fn parse(
        start: &str,
        end: Option<&str>,
        duration: Option<Duration>,
        rrule: Option<&str>,
        time_zone: &str,
    ) -> Result<Self, (&'static str, String)> {
        let zone = zone(time_zone).map_err(|problem| ("time_zone", problem))?;
        let begin = local(start).map_err(|problem| ("start", problem))?;
        let duration = match (end, duration) {
            (Some(end), None) => {
                let end = local(end).map_err(|problem| ("end", problem))?;
                let span = moment(end, &zone).since(moment(begin, &zone));
                if span.is_zero() {
                    return Err(("end", "is not after start".to_owned()));
                }
                span
            }
            (None, Some(duration)) if !duration.is_zero() => duration,
            _ => return Err(("end", "needs end, or duration over 0, and not both".to_owned())),
        };
        if rrule.is_some() && duration > Duration::from_hours(LONGEST_DAYS * 24) {
            return Err(("duration", format!("over {LONGEST_DAYS} days in a repetition")));
        }
        let repetition = rrule
            .map(|rule| Repetition::parse(rule, begin, &zone))
            .transpose()
            .map_err(|problem| ("rrule", problem))?;
        Ok(Self { zone, start: begin, duration, repetition })
    }

    /// When the window that `now` lies in ends.
    pub fn ends(&self, now: Moment) -> Option<Moment> {
        let within = |start: DateTime| {
            let start = moment(start, &self.zone);
            (start <= now).then(|| start.after(self.duration)).filter(|end| *end > now)
        };
        let Some(repetition) = &self.repetition else {
            return within(self.start);
        };
        // The beginning may lie as far back as the window is long.
        let mut day =
            now.before(self.duration).timestamp().to_zoned_datetime(self.zone.clone()).date();
        let last = now.timestamp().to_zoned_datetime(self.zone.clone()).date();
        let mut ends = None;
        while day <= last {
            if repetition.is_on(day) {
                ends = ends.max(within(day.to_datetime(self.start.time())));
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        ends
    }
}

/// When people work.
#[derive(Debug, Clone)]
pub struct Hours {
    zone: TimeZone,
    days: [bool; 7],
    start: Time,
    end: Time,
}

impl Hours {
    /// From the texts of the configuration.
    ///
    /// # Errors
    /// The key that is wrong, and what is accepted.
    pub fn parse(
        time_zone: &str,
        days: &[String],
        start: &str,
        end: &str,
    ) -> Result<Self, (&'static str, String)> {
        let zone = zone(time_zone).map_err(|problem| ("time_zone", problem))?;
        let mut on = [false; 7];
        for day in days {
            let known = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
            let index = known.iter().position(|known| known == day);
            let index = index
                .ok_or_else(|| ("days", format!("{day:?} is none of {}", known.join(", "))))?;
            on[index] = true;
        }
        if !on.contains(&true) {
            return Err(("days", "there is none".to_owned()));
        }
        let clock = |key: &'static str, text: &str| {
            let time = text.parse::<Time>();
            time.map_err(|_| (key, format!("{text:?} is no time such as 09:00")))
        };
        let (start, end) = (clock("start", start)?, clock("end", end)?);
        if end <= start {
            return Err(("end", "is not after start".to_owned()));
        }
        Ok(Self { zone, days: on, start, end })
    }

    /// When they begin next; `None` within them.
    pub fn next(&self, now: Moment) -> Option<Moment> {
        let local = now.timestamp().to_zoned_datetime(self.zone.clone());
        let mut day = local.date();
        // A day of each kind, and one more because today's may be over.
        for _ in 0..8 {
            if self.days[usize::from(monday_offset(day.weekday()))] {
                let begin = moment(day.to_datetime(self.start), &self.zone);
                if begin > now {
                    return Some(begin);
                }
                if moment(day.to_datetime(self.end), &self.zone) > now {
                    return None;
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("{name:?} is no IANA name such as Europe/Berlin"))
}

fn local(text: &str) -> Result<DateTime, String> {
    text.parse().map_err(|_| format!("{text:?} is no local date and time such as 2026-11-24T02:00"))
}

fn moment(local: DateTime, zone: &TimeZone) -> Moment {
    let zoned = local.to_zoned_datetime(zone.clone());
    zoned.map_or(Moment::EPOCH, |zoned| Moment::from_millis(zoned.timestamp().as_millisecond()))
}

fn monday_offset(day: Weekday) -> u8 {
    u8::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

/// Days from `from` to `to`.
fn days_between(from: Date, to: Date) -> i32 {
    (to - from).get_days()
}

#[cfg(test)]
mod tests;
