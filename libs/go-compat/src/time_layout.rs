//! Go's reference layouts (`2006-01-02 15:04:05.000`): parsing and formatting.
//!
//! A layout is cut into chunks once; parsing a text allocates nothing.

mod chunks;
mod civil;
mod format;
mod parse;
mod zone;

use std::fmt;

use self::chunks::Chunk;
use self::civil::Civil;
pub use self::parse::ParseTimeError;
pub use self::zone::{UnknownZone, Zone};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Layouts that have a name in Go.
const NAMED: [(&str, &str); 10] = [
    ("ANSIC", "Mon Jan _2 15:04:05 2006"),
    ("UnixDate", "Mon Jan _2 15:04:05 MST 2006"),
    ("RubyDate", "Mon Jan 02 15:04:05 -0700 2006"),
    ("RFC822", "02 Jan 06 15:04 MST"),
    ("RFC822Z", "02 Jan 06 15:04 -0700"),
    ("RFC850", "Monday, 02-Jan-06 15:04:05 MST"),
    ("RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"),
    ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"),
    ("RFC3339", "2006-01-02T15:04:05Z07:00"),
    ("RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"),
];

/// A compiled layout.
#[derive(Debug, Clone)]
pub struct Layout {
    chunks: Vec<Chunk>,
    /// RFC 3339 has a way of its own: it is nearly every log's.
    is_rfc3339: bool,
}

impl Layout {
    /// Any text is a layout: what is not part of the reference time stands for itself.
    pub fn new(layout: &str) -> Self {
        let is_rfc3339 = NAMED[8..].iter().any(|(_, known)| *known == layout);
        Self { chunks: chunks::split(layout), is_rfc3339 }
    }

    /// A layout by Go's name for it, such as `RFC3339Nano`.
    pub fn named(name: &str) -> Option<Self> {
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, layout)| Self::new(layout))
    }

    /// Names that [`Self::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// Whether a text in this layout says its year.
    pub fn has_year(&self) -> bool {
        self.chunks.iter().any(|chunk| matches!(chunk, Chunk::Year | Chunk::LongYear))
    }

    /// Go's `time.ParseInLocation`: `zone` counts where the text has none of its own.
    ///
    /// # Errors
    /// [`ParseTimeError`] says what did not fit.
    pub fn parse(&self, text: &[u8], zone: &Zone) -> Result<Time, ParseTimeError> {
        if self.is_rfc3339
            && let Some(time) = parse::rfc3339(text)
        {
            return Ok(time);
        }
        parse::parse(&self.chunks, text, zone)
    }

    /// Go's `Time.Format`.
    pub fn format(&self, time: &Time) -> String {
        let mut out = String::new();
        for chunk in &self.chunks {
            format::write(&mut out, chunk, time);
        }
        out
    }
}

/// Where a time's clock stands.
#[derive(Clone, PartialEq, Eq)]
enum Place {
    /// Offset in seconds east, with the abbreviation that the text had.
    Fixed(i32, Option<Box<str>>),
    Zone(Zone),
}

/// A point in time, with the clock on which it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970, UTC.
    seconds: i64,
    nanos: u32,
    civil: Civil,
    place: Place,
}

impl Time {
    /// A time in UTC.
    pub fn from_unix_ns(unix_ns: i64) -> Self {
        let seconds = unix_ns.div_euclid(NANOS_PER_SECOND);
        let nanos = u32::try_from(unix_ns.rem_euclid(NANOS_PER_SECOND)).expect("below 10^9");
        Self { seconds, nanos, civil: Civil::from_seconds(seconds), place: Place::Fixed(0, None) }
    }

    /// Nanoseconds since 1970, UTC; `None` outside of 1677 to 2262.
    pub fn unix_ns(&self) -> Option<i64> {
        self.seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(i64::from(self.nanos))
    }

    /// Seconds since 1970, UTC, and nanoseconds of the second.
    pub fn unix(&self) -> (i64, u32) {
        (self.seconds, self.nanos)
    }

    /// The same point on the clock of a zone.
    #[must_use]
    pub fn in_zone(&self, zone: &Zone) -> Self {
        let civil = Civil::from_seconds(self.seconds + i64::from(zone.offset_at(self.seconds)));
        Self { civil, place: Place::Zone(zone.clone()), ..*self }
    }

    /// The year of the clock; 0 where the layout had none.
    pub fn year(&self) -> i64 {
        self.civil.year
    }

    /// A time without a year belongs to the year of `now`; in December and January to the one that
    /// is nearer. 29 February becomes 1 March where the year has none. A time with a year stays.
    #[must_use]
    pub fn with_year_near(&self, now: &Self) -> Self {
        if self.civil.year != 0 {
            return self.clone();
        }
        let year = match (self.civil.month, now.civil.month) {
            (12, 1) => now.civil.year - 1,
            (1, 12) => now.civil.year + 1,
            _ => now.civil.year,
        };
        Self::on_clock(Civil { year, ..self.civil }.normalized(), self.nanos, self.place.clone())
    }

    fn on_clock(civil: Civil, nanos: u32, place: Place) -> Self {
        let seconds = match &place {
            Place::Fixed(offset, _) => civil.seconds() - i64::from(*offset),
            Place::Zone(zone) => zone.to_unix(civil.seconds()),
        };
        Self { seconds, nanos, civil, place }
    }

    fn offset(&self) -> i32 {
        match &self.place {
            Place::Fixed(offset, _) => *offset,
            Place::Zone(zone) => zone.offset_at(self.seconds),
        }
    }

    fn abbreviation(&self) -> String {
        match &self.place {
            Place::Fixed(0, None) => "UTC".to_owned(),
            Place::Fixed(_, Some(name)) => name.to_string(),
            Place::Fixed(offset, None) => {
                let mut text = String::new();
                format::write_offset(&mut text, *offset, false, false, false);
                text
            }
            Place::Zone(zone) => zone.abbreviation_at(self.seconds),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Layout::new("2006-01-02T15:04:05.999999999Z07:00").format(self))
    }
}

#[cfg(test)]
mod tests;
