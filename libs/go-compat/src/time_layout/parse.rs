//! Reads a time in a layout, with the strictness and the liberties of Go.

use super::chunks::Chunk;
use super::civil::{Civil, days_in, is_leap};
use super::format::{MONTHS, WEEKDAYS};
use super::zone::Zone;
use super::{Place, Time};

/// Why a text is no time in a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTimeError {
    /// A part does not have the form of the layout.
    #[error("does not fit the layout at byte {at}")]
    Mismatch {
        /// Offset in the text.
        at: usize,
    },
    /// A part has the form, but no such value exists.
    #[error("{what} out of range")]
    OutOfRange {
        /// Which part.
        what: &'static str,
    },
    /// The layout ends before the text.
    #[error("extra text at byte {at}")]
    ExtraText {
        /// Offset in the text.
        at: usize,
    },
}

#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    pm: Option<bool>,
    offset: Option<i32>,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

/// Parses by the parts of a layout.
pub(super) fn parse(chunks: &[Chunk], text: &[u8], zone: &Zone) -> Result<Time, ParseTimeError> {
    let mut reader = Reader { text, at: 0 };
    let mut fields = Fields::default();
    let mut abbreviation: Option<&[u8]> = None;
    for (index, chunk) in chunks.iter().enumerate() {
        match chunk {
            Chunk::Abbreviation => abbreviation = reader.abbreviation(&mut fields)?,
            Chunk::Second { fixed } => {
                fields.second = reader.number(*fixed)?;
                in_range(fields.second, 59, "second")?;
                // A fraction is accepted though the layout has none.
                let expects_fraction = matches!(
                    chunks.get(index + 1),
                    Some(Chunk::Fraction { .. } | Chunk::TrimmedFraction { .. })
                );
                if !expects_fraction {
                    reader.fraction(&mut fields);
                }
            }
            chunk => reader.chunk(chunk, &mut fields)?,
        }
    }
    if reader.at < text.len() {
        return Err(ParseTimeError::ExtraText { at: reader.at });
    }
    fields.finish(abbreviation, zone)
}

impl Fields {
    fn finish(mut self, abbreviation: Option<&[u8]>, zone: &Zone) -> Result<Time, ParseTimeError> {
        match self.pm {
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
        let Self { year, hour, minute, second, nanos, .. } = self;
        let civil = Civil { year, month, day, hour, minute, second };
        let place = match (self.offset, abbreviation) {
            (Some(offset), _) => Place::Fixed(offset, None),
            (None, Some(name)) => match zone.offset_of(name, civil.seconds()) {
                Some(_) => {
                    let offset = zone.offset_of(name, civil.seconds()).unwrap_or_default();
                    Place::Fixed(offset, Some(String::from_utf8_lossy(name).into()))
                }
                // An abbreviation that the zone does not know moves nothing.
                None => Place::Fixed(0, Some(String::from_utf8_lossy(name).into())),
            },
            (None, None) => Place::Zone(zone.clone()),
        };
        Ok(Time::on_clock(civil, nanos, place))
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
            return Err(ParseTimeError::OutOfRange { what: "day-of-year does not match month" });
        }
        if self.day.is_some_and(|known| known != day) {
            return Err(ParseTimeError::OutOfRange { what: "day-of-year does not match day" });
        }
        (self.month, self.day) = (Some(month), Some(day));
        Ok(())
    }
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    fn mismatch(&self) -> ParseTimeError {
        ParseTimeError::Mismatch { at: self.at }
    }

    fn digit(&self, index: usize) -> Option<u32> {
        let byte = self.text.get(self.at + index)?;
        byte.is_ascii_digit().then(|| u32::from(byte - b'0'))
    }

    fn chunk(&mut self, chunk: &Chunk, fields: &mut Fields) -> Result<(), ParseTimeError> {
        match chunk {
            Chunk::Literal(literal) => self.literal(literal)?,
            Chunk::LongMonth => fields.month = Some(self.name(&MONTHS, false)?),
            Chunk::Month => fields.month = Some(self.name(&MONTHS, true)?),
            Chunk::NumMonth { fixed } => {
                let month = self.number(*fixed)?;
                if !(1..=12).contains(&month) {
                    return Err(ParseTimeError::OutOfRange { what: "month" });
                }
                fields.month = Some(month);
            }
            Chunk::LongWeekday => drop(self.name(&WEEKDAYS, false)?),
            Chunk::Weekday => drop(self.name(&WEEKDAYS, true)?),
            Chunk::Day => fields.day = Some(self.number(false)?),
            Chunk::ZeroDay => fields.day = Some(self.number(true)?),
            Chunk::SpaceDay => {
                self.at += usize::from(self.rest().first() == Some(&b' '));
                fields.day = Some(self.number(false)?);
            }
            Chunk::SpaceYearDay => {
                for _ in 0..2 {
                    self.at += usize::from(self.rest().first() == Some(&b' '));
                }
                fields.year_day = Some(self.number3(false)?);
            }
            Chunk::ZeroYearDay => fields.year_day = Some(self.number3(true)?),
            Chunk::Hour => {
                fields.hour = self.number(false)?;
                in_range(fields.hour, 23, "hour")?;
            }
            Chunk::Hour12 { fixed } => {
                fields.hour = self.number(*fixed)?;
                in_range(fields.hour, 12, "hour")?;
            }
            Chunk::Minute { fixed } => {
                fields.minute = self.number(*fixed)?;
                in_range(fields.minute, 59, "minute")?;
            }
            Chunk::LongYear => {
                let digits = (0..4).map(|index| self.digit(index)).try_fold(0, |year, digit| {
                    digit.map(|digit| year * 10 + i64::from(digit))
                });
                fields.year = digits.ok_or_else(|| self.mismatch())?;
                self.at += 4;
            }
            Chunk::Year => {
                let (Some(tens), Some(ones)) = (self.digit(0), self.digit(1)) else {
                    return Err(self.mismatch());
                };
                let year = i64::from(tens * 10 + ones);
                fields.year = if year >= 69 { year + 1900 } else { year + 2000 };
                self.at += 2;
            }
            Chunk::Pm { upper } => {
                let texts: [&[u8]; 2] = if *upper { [b"AM", b"PM"] } else { [b"am", b"pm"] };
                let found = texts.iter().position(|text| self.rest().starts_with(text));
                fields.pm = Some(found.ok_or_else(|| self.mismatch())? == 1);
                self.at += 2;
            }
            Chunk::Offset { z, minutes, seconds, colon } => {
                fields.offset = Some(self.offset(*z, *minutes, *seconds, *colon)?);
            }
            Chunk::Fraction { digits, .. } => {
                let length = 1 + usize::from(*digits);
                let is_fraction = matches!(self.rest().first(), Some(b'.' | b','))
                    && (1..length).all(|index| self.digit(index).is_some());
                if !is_fraction {
                    return Err(self.mismatch());
                }
                fields.nanos = self.nanos(length);
            }
            Chunk::TrimmedFraction { .. } => self.fraction(fields),
            Chunk::Abbreviation | Chunk::Second { .. } => unreachable!("read by the caller"),
        }
        Ok(())
    }

    /// A space in the layout stands for any number of spaces, none at the end of the text included.
    fn literal(&mut self, literal: &[u8]) -> Result<(), ParseTimeError> {
        let mut literal = literal;
        while let Some((first, after)) = literal.split_first() {
            match (first, self.rest().first()) {
                (b' ', None | Some(b' ')) => {
                    literal = literal.trim_ascii_start_spaces();
                    self.at = self.text.len() - self.rest().trim_ascii_start_spaces().len();
                }
                (wanted, Some(found)) if wanted == found => {
                    literal = after;
                    self.at += 1;
                }
                _ => return Err(self.mismatch()),
            }
        }
        Ok(())
    }

    /// Index from 1 of a name; case does not matter.
    fn name(&mut self, names: &[&str], short: bool) -> Result<u32, ParseTimeError> {
        let found = names.iter().enumerate().find_map(|(index, name)| {
            let name = if short { &name[..3] } else { name };
            let text = self.rest().get(..name.len())?;
            text.eq_ignore_ascii_case(name.as_bytes()).then_some((index, name.len()))
        });
        let (index, length) = found.ok_or_else(|| self.mismatch())?;
        self.at += length;
        Ok(u32::try_from(index).expect("at most 12 names") + 1)
    }

    /// One or two digits, or exactly two.
    fn number(&mut self, fixed: bool) -> Result<u32, ParseTimeError> {
        let first = self.digit(0).ok_or_else(|| self.mismatch())?;
        match self.digit(1) {
            Some(second) => {
                self.at += 2;
                Ok(first * 10 + second)
            }
            None if fixed => Err(self.mismatch()),
            None => {
                self.at += 1;
                Ok(first)
            }
        }
    }

    fn number3(&mut self, fixed: bool) -> Result<u32, ParseTimeError> {
        let digits = (0..3).map_while(|index| self.digit(index));
        let (count, value) = digits.fold((0, 0), |(count, value), digit| (count + 1, value * 10 + digit));
        if count == 0 || fixed && count != 3 {
            return Err(self.mismatch());
        }
        self.at += count;
        Ok(value)
    }

    /// A fraction, if one is there.
    fn fraction(&mut self, fields: &mut Fields) {
        if matches!(self.rest().first(), Some(b'.' | b',')) && self.digit(1).is_some() {
            let digits = (1..).take_while(|index| self.digit(*index).is_some()).count();
            fields.nanos = self.nanos(1 + digits);
        }
    }

    /// Reads separator and digits; more than nine digits are cut off.
    fn nanos(&mut self, length: usize) -> u32 {
        let digits = (1..=9).map(|index| if index < length { self.digit(index).unwrap_or(0) } else { 0 });
        let nanos = digits.fold(0, |nanos, digit| nanos * 10 + digit);
        self.at += length;
        nanos
    }

    fn offset(&mut self, z: bool, minutes: bool, seconds: bool, colon: bool) -> Result<i32, ParseTimeError> {
        if z && self.rest().first() == Some(&b'Z') {
            self.at += 1;
            return Ok(0);
        }
        let sign = match self.rest().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(self.mismatch()),
        };
        self.at += 1;
        let mut total = 0;
        for (is_there, unit, most, what) in [
            (true, 3_600, 24, "time zone offset hour"),
            (minutes, 60, 60, "time zone offset minute"),
            (seconds, 1, 60, "time zone offset second"),
        ] {
            if !is_there {
                break;
            }
            if colon && unit < 3_600 {
                self.literal(b":")?;
            }
            let value = self.number(true)?;
            in_range(value, most, what)?;
            total += i32::try_from(value).expect("two digits") * unit;
        }
        Ok(sign * total)
    }

    /// An abbreviation of a zone; `UTC` is an offset.
    fn abbreviation(&mut self, fields: &mut Fields) -> Result<Option<&'a [u8]>, ParseTimeError> {
        let rest = self.rest();
        if rest.starts_with(b"UTC") {
            self.at += 3;
            fields.offset = Some(0);
            return Ok(None);
        }
        let length = abbreviation_length(rest).ok_or_else(|| self.mismatch())?;
        self.at += length;
        Ok(Some(&rest[..length]))
    }
}

fn abbreviation_length(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if text.starts_with(b"GMT") {
        return Some(3 + signed_hours(&text[3..]));
    }
    if matches!(text.first(), Some(b'+' | b'-')) {
        return Some(signed_hours(text)).filter(|length| *length > 0);
    }
    match text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count() {
        3 => Some(3),
        4 if text[3] == b'T' || text.starts_with(b"WITA") => Some(4),
        5 if text[4] == b'T' => Some(5),
        _ => None,
    }
}

/// Length of `+3`, `-07`; 0 where there is none or it is over 23.
fn signed_hours(text: &[u8]) -> usize {
    if !matches!(text.first(), Some(b'+' | b'-')) {
        return 0;
    }
    let digits = text[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = text[1..=digits].iter().fold(0_u32, |value, digit| {
        value.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    });
    if digits == 0 || value > 23 { 0 } else { 1 + digits }
}

fn in_range(value: u32, most: u32, what: &'static str) -> Result<(), ParseTimeError> {
    if value > most { Err(ParseTimeError::OutOfRange { what }) } else { Ok(()) }
}

trait TrimSpaces {
    fn trim_ascii_start_spaces(&self) -> &Self;
}

impl TrimSpaces for [u8] {
    /// Spaces only: other white space is not skipped.
    fn trim_ascii_start_spaces(&self) -> &Self {
        let count = self.iter().take_while(|byte| **byte == b' ').count();
        &self[count..]
    }
}

/// `2006-01-02T15:04:05[.fraction](Z|+01:00)` in one look; anything else goes the long way.
pub(super) fn rfc3339(text: &[u8]) -> Option<Time> {
    let number = |begin: usize, end: usize| {
        text.get(begin..end)?.iter().try_fold(0_u32, |value, byte| {
            byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
        })
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if text.len() < 20 || !separators.iter().all(|(at, byte)| text[*at] == *byte) {
        return None;
    }
    let civil = Civil {
        year: i64::from(number(0, 4)?),
        month: number(5, 7)?,
        day: number(8, 10)?,
        hour: number(11, 13)?,
        minute: number(14, 16)?,
        second: number(17, 19)?,
    };
    let is_valid = (1..=12).contains(&civil.month)
        && civil.day >= 1
        && civil.day <= days_in(civil.month, civil.year)
        && civil.hour < 24
        && civil.minute < 60
        && civil.second < 60;
    if !is_valid {
        return None;
    }
    let (mut nanos, mut at) = (0, 19);
    if text[at] == b'.' {
        let digits = text[20..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for index in 0..9 {
            nanos = nanos * 10 + if index < digits { u32::from(text[20 + index] - b'0') } else { 0 };
        }
        at = 20 + digits;
    }
    let offset = match text.get(at)? {
        b'Z' if text.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if text.len() == at + 6 && text[at + 3] == b':' => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 24 || minutes > 60 {
                return None;
            }
            let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    Some(Time::on_clock(civil, nanos, Place::Fixed(offset, None)))
}
