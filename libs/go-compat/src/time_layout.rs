//! Go's reference layouts (`2006-01-02 15:04:05.000`): parsing and formatting.
//!
//! A layout is cut into chunks once; parsing a text allocates nothing unless it fails to fit. Times
//! are exact: the year 0, which a layout without a year yields, is a year like any other.

mod chunks;
mod civil;
mod format;
mod parse;
mod rfc3339;
mod zone;

use std::fmt;

use self::chunks::Chunk;
use self::civil::Civil;
pub use self::parse::ParseTimeError;
pub use self::zone::{UnknownZone, Zone};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

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
    ("RFC3339", RFC3339),
    ("RFC3339Nano", RFC3339_NANO),
];

/// A layout, ready for use.
#[derive(Debug, Clone)]
pub struct Layout {
    chunks: Vec<Chunk>,
    /// Most logs have times in RFC 3339, so it has a way of its own.
    is_rfc3339: bool,
}

impl Layout {
    /// Any text is a layout: what is not part of the reference time stands for itself.
    pub fn new(layout: &str) -> Self {
        let is_rfc3339 = layout == RFC3339 || layout == RFC3339_NANO;
        Self { chunks: chunks::split(layout), is_rfc3339 }
    }

    /// A layout by the name of Go's constant for it, such as `RFC3339Nano`.
    pub fn named(name: &str) -> Option<Self> {
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, layout)| Self::new(layout))
    }

    /// The names that [`Self::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// Whether a text in this layout says its year.
    pub fn has_year(&self) -> bool {
        self.chunks.iter().any(|chunk| matches!(chunk, Chunk::Year | Chunk::LongYear))
    }

    /// Reads a time as Go's `time.ParseInLocation`: `zone` applies to a text without an offset, and
    /// gives abbreviations such as `CEST` their meaning; one that it does not know moves nothing.
    ///
    /// # Errors
    ///
    /// [`ParseTimeError`] if the text does not fit the layout or names a time that does not exist.
    pub fn parse(&self, text: &[u8], zone: &Zone) -> Result<Time, ParseTimeError> {
        if self.is_rfc3339
            && let Some(time) = rfc3339::parse(text, zone)
        {
            return Ok(time);
        }
        parse::parse(&self.chunks, text, zone)
    }

    /// Writes a time on the clock of its zone, as Go's `Time.Format`.
    pub fn format(&self, time: &Time) -> String {
        let mut out = String::with_capacity(self.chunks.len() * 4);
        let civil = time.civil();
        for chunk in &self.chunks {
            format::write(&mut out, chunk, time, &civil);
        }
        out
    }
}

/// A point in time with the zone on whose clock it is read.
#[derive(Clone, PartialEq, Eq)]
pub struct Time {
    /// since 1970, UTC
    seconds: i64,
    nanoseconds: u32,
    zone: Zone,
}

impl Time {
    /// A time in UTC, by nanoseconds since 1970.
    pub fn from_unix_ns(unix_ns: i64) -> Self {
        let nanoseconds = u32::try_from(unix_ns.rem_euclid(NANOS_PER_SECOND)).expect("below 10^9");
        Self { seconds: unix_ns.div_euclid(NANOS_PER_SECOND), nanoseconds, zone: Zone::utc() }
    }

    /// Nanoseconds since 1970, UTC; `None` outside of the years 1677 to 2262.
    pub fn unix_ns(&self) -> Option<i64> {
        let nanoseconds =
            i128::from(self.seconds) * i128::from(NANOS_PER_SECOND) + i128::from(self.nanoseconds);
        i64::try_from(nanoseconds).ok()
    }

    /// Seconds since 1970, UTC, and the nanoseconds of that second.
    pub fn unix(&self) -> (i64, u32) {
        (self.seconds, self.nanoseconds)
    }

    /// The same point in time on the clock of another zone.
    #[must_use]
    pub fn in_zone(&self, zone: &Zone) -> Self {
        Self { zone: zone.clone(), ..*self }
    }

    /// The year on the time's own clock; 0 if the layout had none.
    pub fn year(&self) -> i64 {
        self.civil().year
    }

    /// Gives a time that was read without a year the year of `now`; but December read in January
    /// belongs to the last year, and January read in December to the next. The clock shows the same
    /// in the new year, whatever its offset is then; 29 February becomes 1 March where there is none.
    /// A time with a year stays as it is.
    #[must_use]
    pub fn with_year_near(&self, now: &Self) -> Self {
        let (civil, now) = (self.civil(), now.civil());
        if civil.year != 0 {
            return self.clone();
        }
        let year = match (civil.month, now.month) {
            (12, 1) => now.year - 1,
            (1, 12) => now.year + 1,
            _ => now.year,
        };
        Self::on_clock(&Civil { year, ..civil }, self.nanoseconds, self.zone.clone())
    }

    fn on_clock(civil: &Civil, nanoseconds: u32, zone: Zone) -> Self {
        Self { seconds: zone.to_unix(civil.seconds()), nanoseconds, zone }
    }

    fn offset(&self) -> i32 {
        self.zone.offset_at(self.seconds)
    }

    fn civil(&self) -> Civil {
        Civil::from_seconds(self.seconds + i64::from(self.offset()))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Layout::new(RFC3339_NANO).format(self))
    }
}

#[cfg(test)]
mod tests;
