//! Reads a time in a layout, with the strictness and the liberties of Go.
//!
//! Each part takes from the text what fits it and no more; whether day, month and year go together
//! is decided at the end, since they come in any order.

mod zone_name;

use super::Time;
use super::chunks::Chunk;
use super::civil::{Civil, days_in, is_leap};
use super::format::{MONTHS, WEEKDAYS};
use super::zone::{Abbreviation, Zone};

/// Why a text is no time in a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTimeError {
    /// A part of the text does not have the form that the layout asks for.
    #[error("cannot parse the text from byte {at} as {expected}")]
    Mismatch {
        /// Where the part begins, in bytes.
        at: usize,
        /// The part of the layout, such as `"2006"`.
        expected: &'static str,
    },
    /// A part has the form, but there is no such value.
    #[error("{what} out of range")]
    OutOfRange {
        /// Which part, in Go's words.
        what: &'static str,
    },
    /// Month or day of the month contradict the day of the year.
    #[error("day-of-year does not match {what}")]
    Contradiction {
        /// `month` or `day`.
        what: &'static str,
    },
    /// The text goes on after the layout's end.
    #[error("extra text from byte {at}")]
    ExtraText {
        /// Where the rest begins, in bytes.
        at: usize,
    },
}

/// What is wrong with one part; the caller knows which one.
enum Fault {
    Form,
    Range(&'static str),
}

type Outcome<T> = Result<T, Fault>;

/// What was read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanoseconds: u32,
    is_afternoon: Option<bool>,
    is_utc: bool,
    offset: Option<i32>,
    zone_name: Option<Abbreviation>,
}

struct Reader<'a> {
    rest: &'a [u8],
}

/// Parses by the chunks of a layout.
pub(super) fn parse(chunks: &[Chunk], text: &[u8], zone: &Zone) -> Result<Time, ParseTimeError> {
    let mut reader = Reader { rest: text };
    let mut fields = Fields::default();
    for (index, chunk) in chunks.iter().enumerate() {
        let at = text.len() - reader.rest.len();
        reader.chunk(chunk, &chunks[index + 1..], &mut fields).map_err(|fault| match fault {
            Fault::Form => ParseTimeError::Mismatch { at, expected: chunk.as_written() },
            Fault::Range(what) => ParseTimeError::OutOfRange { what },
        })?;
    }
    if !reader.rest.is_empty() {
        return Err(ParseTimeError::ExtraText { at: text.len() - reader.rest.len() });
    }
    fields.finish(zone)
}

/// A time by its clock, whose offset the text gave. It is in `zone` if that has this offset then.
pub(super) fn time_at_offset(civil: &Civil, nanoseconds: u32, offset: i32, zone: &Zone) -> Time {
    let seconds = civil.seconds() - i64::from(offset);
    let zone = if zone.offset_at(seconds) == offset {
        zone.clone()
    } else {
        Zone::fixed(offset, Abbreviation::default())
    };
    Time { seconds, nanoseconds, zone }
}

/// Nanoseconds of the digits after the separator; those after the ninth are cut off.
pub(super) fn fraction(digits: &[u8]) -> u32 {
    let mut nanoseconds = 0;
    for place in 0..9 {
        let digit = digits.get(place).map_or(0, |digit| u32::from(digit - b'0'));
        nanoseconds = nanoseconds * 10 + digit;
    }
    nanoseconds
}

impl Fields {
    fn finish(mut self, zone: &Zone) -> Result<Time, ParseTimeError> {
        match self.is_afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        if let Some(year_day) = self.year_day {
            self.set_year_day(year_day)?;
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if day < 1 || day > days_in(month, self.year) {
            return Err(ParseTimeError::OutOfRange { what: "day" });
        }
        let Self { year, hour, minute, second, nanoseconds, .. } = self;
        let civil = Civil { year, month, day, hour, minute, second };
        Ok(match (self.offset, self.zone_name) {
            _ if self.is_utc => Time::on_clock(&civil, nanoseconds, Zone::utc()),
            (Some(offset), None) => time_at_offset(&civil, nanoseconds, offset, zone),
            (Some(offset), Some(name)) => {
                let time = time_at_offset(&civil, nanoseconds, offset, zone);
                if time.zone.name_at(time.seconds) == name {
                    time
                } else {
                    Time { zone: Zone::fixed(offset, name), ..time }
                }
            }
            (None, Some(name)) => named_time(&civil, nanoseconds, name, zone),
            (None, None) => Time::on_clock(&civil, nanoseconds, zone.clone()),
        })
    }

    fn set_year_day(&mut self, year_day: u32) -> Result<(), ParseTimeError> {
        let days = if is_leap(self.year) { 366 } else { 365 };
        if year_day < 1 || year_day > days {
            return Err(ParseTimeError::OutOfRange { what: "day-of-year" });
        }
        let (mut month, mut day) = (1, year_day);
        while day > days_in(month, self.year) {
            day -= days_in(month, self.year);
            month += 1;
        }
        if self.month.is_some_and(|known| known != month) {
            return Err(ParseTimeError::Contradiction { what: "month" });
        }
        if self.day.is_some_and(|known| known != day) {
            return Err(ParseTimeError::Contradiction { what: "day" });
        }
        (self.month, self.day) = (Some(month), Some(day));
        Ok(())
    }
}

/// A time with an abbreviation instead of an offset. One that the zone does not know moves nothing,
/// and not even the offset in `GMT-3` does: Go only shows the time on such a clock.
fn named_time(civil: &Civil, nanoseconds: u32, name: Abbreviation, zone: &Zone) -> Time {
    let clock = civil.seconds();
    if let Some(offset) = zone.offset_of(name, clock) {
        return Time { seconds: clock - i64::from(offset), nanoseconds, zone: zone.clone() };
    }
    let shown = zone_name::shown_offset(name.as_str());
    Time { seconds: clock, nanoseconds, zone: Zone::fixed(shown, name) }
}

impl<'a> Reader<'a> {
    fn chunk(&mut self, chunk: &Chunk, after: &[Chunk], fields: &mut Fields) -> Outcome<()> {
        match chunk {
            Chunk::Literal(literal) => self.literal(literal)?,
            Chunk::LongMonth => fields.month = Some(self.name(&MONTHS, usize::MAX)? + 1),
            Chunk::Month => fields.month = Some(self.name(&MONTHS, 3)? + 1),
            Chunk::NumMonth { fixed } => {
                let month = self.number(*fixed)?;
                if month == 0 {
                    return Err(Fault::Range("month"));
                }
                fields.month = Some(at_most(12, month, "month")?);
            }
            // a weekday has to be one, but need not be the right one
            Chunk::LongWeekday => drop(self.name(&WEEKDAYS, usize::MAX)?),
            Chunk::Weekday => drop(self.name(&WEEKDAYS, 3)?),
            Chunk::Day => fields.day = Some(self.number(false)?),
            Chunk::ZeroDay => fields.day = Some(self.number(true)?),
            Chunk::SpaceDay => {
                self.skip(b' ');
                fields.day = Some(self.number(false)?);
            }
            Chunk::SpaceYearDay => {
                self.skip(b' ');
                self.skip(b' ');
                fields.year_day = Some(self.three_digits(false)?);
            }
            Chunk::ZeroYearDay => fields.year_day = Some(self.three_digits(true)?),
            Chunk::Hour => fields.hour = at_most(23, self.number(false)?, "hour")?,
            Chunk::Hour12 { fixed } => fields.hour = at_most(12, self.number(*fixed)?, "hour")?,
            Chunk::Minute { fixed } => {
                fields.minute = at_most(59, self.number(*fixed)?, "minute")?;
            }
            Chunk::Second { fixed } => {
                fields.second = at_most(59, self.number(*fixed)?, "second")?;
                // a fraction is read here even if the layout has none
                let next = after.iter().find(|chunk| !matches!(chunk, Chunk::Literal(_)));
                if !matches!(next, Some(Chunk::Fraction { .. } | Chunk::TrimmedFraction { .. })) {
                    self.optional_fraction(fields);
                }
            }
            Chunk::LongYear => {
                let digits = self.take(4)?;
                if !digits.iter().all(u8::is_ascii_digit) {
                    return Err(Fault::Form);
                }
                fields.year =
                    digits.iter().fold(0, |year, byte| year * 10 + i64::from(byte - b'0'));
            }
            Chunk::Year => fields.year = self.short_year()?,
            Chunk::Pm { upper } => {
                fields.is_afternoon = Some(match (self.take(2)?, upper) {
                    (b"PM", true) | (b"pm", false) => true,
                    (b"AM", true) | (b"am", false) => false,
                    _ => return Err(Fault::Form),
                });
            }
            Chunk::Offset { z: true, .. } if self.rest.starts_with(b"Z") => {
                self.skip(b'Z');
                fields.is_utc = true;
            }
            Chunk::Offset { minutes, seconds, colon, .. } => {
                fields.offset = Some(self.offset(*minutes, *seconds, *colon)?);
            }
            Chunk::Fraction { digits, .. } => {
                let [b'.' | b',', fraction_digits @ ..] = self.take(1 + usize::from(*digits))?
                else {
                    return Err(Fault::Form);
                };
                if !fraction_digits.iter().all(u8::is_ascii_digit) {
                    return Err(Fault::Form);
                }
                fields.nanoseconds = fraction(fraction_digits);
            }
            Chunk::TrimmedFraction { .. } => self.optional_fraction(fields),
            Chunk::ZoneName => {
                if self.rest.starts_with(b"UTC") {
                    self.take(3)?;
                    fields.is_utc = true;
                } else {
                    let length = zone_name::length(self.rest).ok_or(Fault::Form)?;
                    fields.zone_name = Some(Abbreviation::new(self.take(length)?));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Outcome<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Fault::Form)?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, byte: u8) {
        if let Some((first, rest)) = self.rest.split_first()
            && *first == byte
        {
            self.rest = rest;
        }
    }

    fn skip_spaces(&mut self) {
        self.rest = without_spaces(self.rest);
    }

    /// Spaces of the layout stand for any number of spaces, at the end of the text also for none.
    fn literal(&mut self, mut literal: &[u8]) -> Outcome<()> {
        while let Some((wanted, after)) = literal.split_first() {
            if *wanted == b' ' {
                if !self.rest.is_empty() && self.rest[0] != b' ' {
                    return Err(Fault::Form);
                }
                literal = without_spaces(literal);
                self.skip_spaces();
                continue;
            }
            if self.rest.first() != Some(wanted) {
                return Err(Fault::Form);
            }
            self.rest = &self.rest[1..];
            literal = after;
        }
        Ok(())
    }

    /// The index of the name that the text begins with, in any case; names are cut to `length`.
    fn name(&mut self, names: &[&str], length: usize) -> Outcome<u32> {
        for (index, name) in (0..).zip(names) {
            let name = &name.as_bytes()[..length.min(name.len())];
            if self.rest.len() >= name.len() && self.rest[..name.len()].eq_ignore_ascii_case(name) {
                self.rest = &self.rest[name.len()..];
                return Ok(index);
            }
        }
        Err(Fault::Form)
    }

    fn digit(&self, index: usize) -> Option<u32> {
        self.rest.get(index).filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
    }

    /// Two digits, or also one if the width is not `fixed`.
    fn number(&mut self, fixed: bool) -> Outcome<u32> {
        let (number, length) = match (self.digit(0), self.digit(1)) {
            (Some(tens), Some(ones)) => (tens * 10 + ones, 2),
            (Some(ones), None) if !fixed => (ones, 1),
            _ => return Err(Fault::Form),
        };
        self.rest = &self.rest[length..];
        Ok(number)
    }

    /// Three digits, or also fewer if the width is not `fixed`.
    fn three_digits(&mut self, fixed: bool) -> Outcome<u32> {
        let count = (0..3).take_while(|index| self.digit(*index).is_some()).count();
        if count == 0 || (fixed && count != 3) {
            return Err(Fault::Form);
        }
        let digits = self.take(count)?;
        Ok(digits.iter().fold(0, |number, byte| number * 10 + u32::from(byte - b'0')))
    }

    /// Two characters that Go reads as an integer, so the first may be a sign. 69 is 1969.
    fn short_year(&mut self) -> Outcome<i64> {
        let year = match *self.take(2)? {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
                i64::from(tens - b'0') * 10 + i64::from(ones - b'0')
            }
            [b'+', ones @ b'0'..=b'9'] => i64::from(ones - b'0'),
            [b'-', ones @ b'0'..=b'9'] => -i64::from(ones - b'0'),
            _ => return Err(Fault::Form),
        };
        Ok(if year >= 69 { year + 1900 } else { year + 2000 })
    }

    fn optional_fraction(&mut self, fields: &mut Fields) {
        if let [b'.' | b',', digits @ ..] = self.rest {
            let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if count > 0 {
                fields.nanoseconds = fraction(&digits[..count]);
                self.rest = &digits[count..];
            }
        }
    }

    /// A sign and two digits each for hours and what else the layout has. As in Go, 24 hours and 60
    /// minutes are accepted.
    fn offset(&mut self, minutes: bool, seconds: bool, colon: bool) -> Outcome<i32> {
        let sign = match self.take(1)? {
            b"+" => 1,
            b"-" => -1,
            _ => return Err(Fault::Form),
        };
        let mut offset = at_most(24, self.number(true)?, "time zone offset hour")? * 3_600;
        if minutes {
            self.colon(colon)?;
            offset += at_most(60, self.number(true)?, "time zone offset minute")? * 60;
        }
        if seconds {
            self.colon(colon)?;
            offset += at_most(60, self.number(true)?, "time zone offset second")?;
        }
        Ok(sign * offset.cast_signed())
    }

    fn colon(&mut self, expected: bool) -> Outcome<()> {
        if expected && self.take(1)? != b":" { Err(Fault::Form) } else { Ok(()) }
    }
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    &text[spaces..]
}

fn at_most(limit: u32, value: u32, what: &'static str) -> Outcome<u32> {
    if value > limit { Err(Fault::Range(what)) } else { Ok(value) }
}
