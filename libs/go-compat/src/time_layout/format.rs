//! Writes a time in a layout.

use std::fmt::Write as _;

use super::Time;
use super::chunks::Chunk;

pub(super) const MONTHS: [&str; 12] = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
];

pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Appends one part.
pub(super) fn write(out: &mut String, chunk: &Chunk, time: &Time) {
    let civil = &time.civil;
    let month = MONTHS[civil.month as usize - 1];
    let weekday = WEEKDAYS[civil.weekday()];
    let hour12 = if civil.hour % 12 == 0 { 12 } else { civil.hour % 12 };
    // Writing to a text cannot fail.
    let _ = match chunk {
        Chunk::Literal(bytes) => {
            out.push_str(&String::from_utf8_lossy(bytes));
            Ok(())
        }
        Chunk::LongMonth => write!(out, "{month}"),
        Chunk::Month => write!(out, "{}", &month[..3]),
        Chunk::NumMonth { fixed } => number(out, civil.month, *fixed),
        Chunk::LongWeekday => write!(out, "{weekday}"),
        Chunk::Weekday => write!(out, "{}", &weekday[..3]),
        Chunk::Day => number(out, civil.day, false),
        Chunk::ZeroDay => number(out, civil.day, true),
        Chunk::SpaceDay => write!(out, "{:2}", civil.day),
        Chunk::SpaceYearDay => write!(out, "{:3}", civil.day_of_year()),
        Chunk::ZeroYearDay => write!(out, "{:03}", civil.day_of_year()),
        Chunk::Hour => number(out, civil.hour, true),
        Chunk::Hour12 { fixed } => number(out, hour12, *fixed),
        Chunk::Minute { fixed } => number(out, civil.minute, *fixed),
        Chunk::Second { fixed } => number(out, civil.second, *fixed),
        Chunk::LongYear if civil.year < 0 => write!(out, "-{:04}", -civil.year),
        Chunk::LongYear => write!(out, "{:04}", civil.year),
        Chunk::Year => write!(out, "{:02}", civil.year.rem_euclid(100)),
        Chunk::Pm { upper } => {
            let text = if civil.hour >= 12 { "PM" } else { "AM" };
            if *upper { write!(out, "{text}") } else { write!(out, "{}", text.to_lowercase()) }
        }
        Chunk::Abbreviation => write!(out, "{}", time.abbreviation()),
        Chunk::Offset { z: true, .. } if time.offset() == 0 => write!(out, "Z"),
        Chunk::Offset { minutes, seconds, colon, .. } => {
            write_offset(out, time.offset(), *minutes, *seconds, *colon);
            Ok(())
        }
        Chunk::Fraction { digits, separator } => {
            let text = format!("{:09}", time.nanos);
            let digits = usize::from(*digits);
            write!(out, "{}{:0<digits$}", char::from(*separator), &text[..digits.min(9)])
        }
        Chunk::TrimmedFraction { digits, separator } => {
            let text = format!("{:09}", time.nanos);
            let trimmed = text[..usize::from(*digits).min(9)].trim_end_matches('0');
            if trimmed.is_empty() { Ok(()) } else { write!(out, "{}{trimmed}", char::from(*separator)) }
        }
    };
}

fn number(out: &mut String, value: u32, fixed: bool) -> std::fmt::Result {
    if fixed { write!(out, "{value:02}") } else { write!(out, "{value}") }
}

/// `+01`, `+0100`, `+01:00`, ...
pub(super) fn write_offset(out: &mut String, offset: i32, minutes: bool, seconds: bool, colon: bool) {
    let (sign, absolute) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
    let colon = if colon { ":" } else { "" };
    let _ = write!(out, "{sign}{:02}", absolute / 3_600);
    if minutes {
        let _ = write!(out, "{colon}{:02}", absolute / 60 % 60);
    }
    if seconds {
        let _ = write!(out, "{colon}{:02}", absolute % 60);
    }
}
