//! Time zones of the IANA database, which is linked in.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Half a year: the other of two offsets of a zone with summer time.
const HALF_A_YEAR: i64 = 182 * 86_400;

/// No zone has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone {name}; names are those of the IANA database, such as Europe/Berlin")]
pub struct UnknownZone {
    /// The name.
    pub name: String,
}

/// A time zone; a clone shares its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// A zone by its IANA name; empty and `UTC` are UTC, as in Go.
    ///
    /// # Errors
    /// [`UnknownZone`] when there is none of this name.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        if matches!(name, "" | "UTC") {
            return Ok(Self::utc());
        }
        if name == "Local" {
            return Ok(Self::local());
        }
        TimeZone::get(name).map(Self).map_err(|_| UnknownZone { name: name.to_owned() })
    }

    /// The zone of this machine (`TZ`, else the system's); UTC where it cannot be found.
    pub fn local() -> Self {
        Self(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }

    /// Seconds east of UTC at a time in seconds since 1970.
    pub(super) fn offset_at(&self, seconds: i64) -> i32 {
        self.0.to_offset(clamped(seconds)).seconds()
    }

    pub(super) fn abbreviation_at(&self, seconds: i64) -> String {
        self.0.to_offset_info(clamped(seconds)).abbreviation().to_owned()
    }

    /// The offset that an abbreviation means here; the one in effect first.
    pub(super) fn offset_of(&self, abbreviation: &[u8], seconds: i64) -> Option<i32> {
        [0, HALF_A_YEAR, -HALF_A_YEAR].into_iter().find_map(|shift| {
            let info = self.0.to_offset_info(clamped(seconds + shift));
            (info.abbreviation().as_bytes() == abbreviation).then(|| info.offset().seconds())
        })
    }

    /// From seconds on this zone's clock to seconds in UTC. A time that the clock skips or shows
    /// twice is read with the offset that Go chooses.
    pub(super) fn to_unix(&self, clock: i64) -> i64 {
        let guess = self.offset_at(clock);
        let offset = if guess == 0 { 0 } else { self.offset_at(clock - i64::from(guess)) };
        clock - i64::from(offset)
    }
}

/// The database covers the years -9999 to 9999.
fn clamped(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
