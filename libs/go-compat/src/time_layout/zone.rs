//! Time zones of the IANA database, which is linked in: the machine needs no zone files.
//!
//! Offsets are seconds east of UTC. Where a clock skips a time or shows it twice, the offset is the
//! one that Go's `time.Date` takes.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Zones have no abbreviations beyond those in use by then (2100-01-01, in seconds since 1970).
const LAST_TRANSITION: i64 = 4_102_444_800;

/// No zone has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone {name}; accepted are names of the IANA database such as Europe/Berlin")]
pub struct UnknownZone {
    /// The name as given.
    pub name: String,
}

/// A time zone; a clone shares its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Utc,
    Fixed { offset: i32, name: Abbreviation },
    Rules(Arc<Rules>),
}

#[derive(Debug, PartialEq, Eq)]
struct Rules {
    zone: TimeZone,
    /// Abbreviations with their offsets, in the order in which they came into use.
    names: Vec<(Abbreviation, i32)>,
}

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self(Kind::Utc)
    }

    /// A zone by its IANA name in the exact spelling. As in Go, the empty name and `UTC` are UTC,
    /// and `Local` is [`Self::local`].
    ///
    /// # Errors
    ///
    /// [`UnknownZone`] when the database has none of this name.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        match name {
            "" | "UTC" => Ok(Self::utc()),
            "Local" => Ok(Self::local()),
            _ => Self::in_database(name).ok_or_else(|| UnknownZone { name: name.to_owned() }),
        }
    }

    /// The zone of this process as Go finds it: `TZ` (a name or an absolute path; empty is UTC),
    /// without it `/etc/localtime`. UTC if that leads to no zone.
    pub fn local() -> Self {
        let zone = match std::env::var("TZ") {
            Ok(value) => {
                let name = value.strip_prefix(':').unwrap_or(&value);
                if name.starts_with('/') {
                    Self::in_file(Path::new(name))
                } else {
                    Self::in_database(name)
                }
            }
            Err(_) => Self::in_file(Path::new("/etc/localtime")),
        };
        zone.unwrap_or_else(Self::utc)
    }

    fn in_database(name: &str) -> Option<Self> {
        // jiff ignores case, Go's names are file names
        let zone = TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name))?;
        Some(Self::with_rules(zone))
    }

    fn in_file(path: &Path) -> Option<Self> {
        let data = std::fs::read(path).ok()?;
        TimeZone::tzif("Local", &data).ok().map(Self::with_rules)
    }

    fn with_rules(zone: TimeZone) -> Self {
        let first = zone.to_offset_info(Timestamp::MIN);
        let mut names =
            vec![(Abbreviation::new(first.abbreviation().as_bytes()), first.offset().seconds())];
        let transitions = zone.following(Timestamp::MIN);
        for transition in transitions.take_while(|at| at.timestamp().as_second() < LAST_TRANSITION)
        {
            let name = Abbreviation::new(transition.abbreviation().as_bytes());
            let known = (name, transition.offset().seconds());
            if !names.contains(&known) {
                names.push(known);
            }
        }
        Self(Kind::Rules(Arc::new(Rules { zone, names })))
    }

    /// A zone with one offset; without a name its times show the offset instead.
    pub(super) fn fixed(offset: i32, name: Abbreviation) -> Self {
        Self(Kind::Fixed { offset, name })
    }

    /// The offset in effect at a time in seconds since 1970.
    pub(super) fn offset_at(&self, seconds: i64) -> i32 {
        match &self.0 {
            Kind::Utc => 0,
            Kind::Fixed { offset, .. } => *offset,
            Kind::Rules(rules) => rules.zone.to_offset(clamped(seconds)).seconds(),
        }
    }

    /// The abbreviation in effect at a time in seconds since 1970.
    pub(super) fn name_at(&self, seconds: i64) -> Abbreviation {
        match &self.0 {
            Kind::Utc => Abbreviation::new(b"UTC"),
            Kind::Fixed { name, .. } => *name,
            Kind::Rules(rules) => {
                let info = rules.zone.to_offset_info(clamped(seconds));
                Abbreviation::new(info.abbreviation().as_bytes())
            }
        }
    }

    /// The offset that an abbreviation means at a time on this zone's clock, if the zone ever used
    /// it: the one in effect then, else the oldest.
    pub(super) fn offset_of(&self, name: Abbreviation, clock: i64) -> Option<i32> {
        let Kind::Rules(rules) = &self.0 else { return None };
        let mut offsets =
            rules.names.iter().filter(|(known, _)| *known == name).map(|(_, offset)| *offset);
        let in_effect = offsets.clone().find_map(|offset| {
            let at = clock - i64::from(offset);
            (self.name_at(at) == name).then(|| self.offset_at(at))
        });
        in_effect.or_else(|| offsets.next())
    }

    /// Seconds since 1970 of a time on this zone's clock, given in seconds as if the clock showed
    /// UTC.
    pub(super) fn to_unix(&self, clock: i64) -> i64 {
        let guess = self.offset_at(clock);
        clock - i64::from(self.offset_at(clock - i64::from(guess)))
    }
}

/// The abbreviation of a zone, held in place so that reading a time allocates nothing. Longer ones
/// than any in use are cut.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Abbreviation {
    length: u8,
    bytes: [u8; 15],
}

impl Abbreviation {
    pub(super) fn new(text: &[u8]) -> Self {
        let mut bytes = [0; 15];
        let mut length = 0;
        for (slot, byte) in bytes.iter_mut().zip(text) {
            *slot = *byte;
            length += 1;
        }
        Self { length, bytes }
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for Abbreviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The rules cover the years -9999 to 9999; times beyond have the offset of the nearest one.
fn clamped(seconds: i64) -> Timestamp {
    let nearest = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since 1970.
    const JANUARY_2024: i64 = 1_704_164_645;

    #[test]
    fn names_are_exact() {
        for name in ["Europe/Berlin", "US/Eastern", "Etc/GMT+5", "EST5EDT", "Asia/Calcutta"] {
            assert!(Zone::named(name).is_ok(), "{name}");
        }
        assert_eq!(Zone::named("").unwrap(), Zone::utc());
        assert_eq!(Zone::named("UTC").unwrap(), Zone::utc());
        for name in ["Mars/Base", "europe/berlin", "utc", "CEST", "../UTC", "/etc/localtime", "PST"]
        {
            let error = Zone::named(name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("unknown time zone {name}")), "{error}");
        }
    }

    #[test]
    fn abbreviations_mean_the_offset_in_effect_first() {
        let offset = |zone: &str, name: &[u8], clock| {
            Zone::named(zone).unwrap().offset_of(Abbreviation::new(name), clock)
        };
        assert_eq!(offset("Europe/Berlin", b"CEST", JANUARY_2024), Some(7200));
        assert_eq!(offset("America/Los_Angeles", b"PST", JANUARY_2024), Some(-8 * 3600));
        assert_eq!(offset("Europe/Berlin", b"PST", JANUARY_2024), None);
        assert_eq!(Zone::utc().offset_of(Abbreviation::new(b"GMT"), JANUARY_2024), None);
        // Moscow time was three hours ahead of UTC, then four from 2011 to 2014
        assert_eq!(offset("Europe/Moscow", b"MSK", JANUARY_2024), Some(3 * 3600));
        assert_eq!(offset("Europe/Moscow", b"MSK", 1_356_998_400), Some(4 * 3600));
    }

    #[test]
    fn abbreviations_of_any_length_are_held() {
        assert_eq!(Abbreviation::new(b"").as_str(), "");
        assert_eq!(Abbreviation::new(b"WITA").as_str(), "WITA");
        assert_eq!(Abbreviation::new(b"+00000000000000000001").as_str(), "+00000000000000");
    }
}
