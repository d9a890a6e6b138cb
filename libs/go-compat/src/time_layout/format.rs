//! Writes a time in a layout.

use std::fmt::{self, Write as _};

use super::Time;
use super::chunks::Chunk;
use super::civil::Civil;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Appends one chunk of a time, whose clock shows `civil`.
pub(super) fn write(out: &mut String, chunk: &Chunk, time: &Time, civil: &Civil) {
    try_write(out, chunk, time, civil).expect("writing to a String cannot fail");
}

fn try_write(out: &mut String, chunk: &Chunk, time: &Time, civil: &Civil) -> fmt::Result {
    let month = MONTHS[civil.month as usize - 1];
    let weekday = WEEKDAYS[civil.weekday()];
    let hour12 = (civil.hour + 11) % 12 + 1;
    match chunk {
        Chunk::Literal(text) => out.write_str(&String::from_utf8_lossy(text)),
        Chunk::LongMonth => out.write_str(month),
        Chunk::Month => out.write_str(&month[..3]),
        Chunk::NumMonth { fixed } => number(out, civil.month, *fixed),
        Chunk::LongWeekday => out.write_str(weekday),
        Chunk::Weekday => out.write_str(&weekday[..3]),
        Chunk::Day => number(out, civil.day, false),
        Chunk::ZeroDay => number(out, civil.day, true),
        Chunk::SpaceDay => write!(out, "{:2}", civil.day),
        Chunk::SpaceYearDay => write!(out, "{:3}", civil.day_of_year()),
        Chunk::ZeroYearDay => write!(out, "{:03}", civil.day_of_year()),
        Chunk::Hour => number(out, civil.hour, true),
        Chunk::Hour12 { fixed } => number(out, hour12, *fixed),
        Chunk::Minute { fixed } => number(out, civil.minute, *fixed),
        Chunk::Second { fixed } => number(out, civil.second, *fixed),
        Chunk::LongYear => {
            let sign = if civil.year < 0 { "-" } else { "" };
            write!(out, "{sign}{:04}", civil.year.unsigned_abs())
        }
        Chunk::Year => write!(out, "{:02}", civil.year.max(0) % 100),
        Chunk::Pm { upper } => out.write_str(match (civil.hour >= 12, upper) {
            (true, true) => "PM",
            (true, false) => "pm",
            (false, true) => "AM",
            (false, false) => "am",
        }),
        Chunk::ZoneName => match time.zone.name_at(time.seconds).as_str() {
            "" => offset(out, time.offset(), true, false, false),
            name => out.write_str(name),
        },
        Chunk::Offset { z: true, .. } if time.offset() == 0 => out.write_char('Z'),
        Chunk::Offset { minutes, seconds, colon, .. } => {
            offset(out, time.offset(), *minutes, *seconds, *colon)
        }
        Chunk::Fraction { digits, separator } => {
            let nanoseconds = format!("{:09}", time.nanoseconds);
            write!(out, "{}{}", char::from(*separator), &nanoseconds[..first(*digits)])
        }
        Chunk::TrimmedFraction { digits, separator } => {
            let nanoseconds = format!("{:09}", time.nanoseconds);
            match nanoseconds[..first(*digits)].trim_end_matches('0') {
                "" => Ok(()),
                fraction => write!(out, "{}{fraction}", char::from(*separator)),
            }
        }
    }
}

/// Go writes no more than the nine digits there are, however many the layout has.
fn first(digits: u8) -> usize {
    usize::from(digits).min(9)
}

fn number(out: &mut String, value: u32, fixed: bool) -> fmt::Result {
    if fixed { write!(out, "{value:02}") } else { write!(out, "{value}") }
}

/// `+01`, `+0100`, `+01:00`, `+01:00:00`
fn offset(out: &mut String, offset: i32, minutes: bool, seconds: bool, colon: bool) -> fmt::Result {
    // the sign is that of the whole minutes
    let sign = if offset / 60 < 0 { '-' } else { '+' };
    let (absolute, colon) = (offset.unsigned_abs(), if colon { ":" } else { "" });
    write!(out, "{sign}{:02}", absolute / 3_600)?;
    if minutes {
        write!(out, "{colon}{:02}", absolute / 60 % 60)?;
    }
    if seconds {
        write!(out, "{colon}{:02}", absolute % 60)?;
    }
    Ok(())
}
