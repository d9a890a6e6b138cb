//! The parts of a database's records that become labels; all else is skipped, nothing is copied.
//!
//! Every part may be missing.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

/// A record of a database of cities, countries, or both with more.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Place<'a> {
    #[serde(borrow, default)]
    pub(super) city: Named<'a>,
    #[serde(borrow, default)]
    pub(super) country: Named<'a>,
    #[serde(borrow, default)]
    pub(super) continent: Continent<'a>,
    #[serde(borrow, default)]
    pub(super) postal: Postal<'a>,
    #[serde(borrow, default)]
    pub(super) location: Location<'a>,
    #[serde(borrow, default)]
    pub(super) subdivisions: Subdivisions<'a>,
}

/// Names by language, of which one is taken.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Names<'a> {
    #[serde(rename = "en")]
    pub(super) english: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Named<'a> {
    #[serde(borrow, default)]
    pub(super) names: Names<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Continent<'a> {
    pub(super) code: Option<&'a str>,
    #[serde(borrow, default)]
    pub(super) names: Names<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Postal<'a> {
    pub(super) code: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Location<'a> {
    #[serde(default)]
    pub(super) latitude: Degrees,
    #[serde(default)]
    pub(super) longitude: Degrees,
    pub(super) time_zone: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Subdivision<'a> {
    pub(super) iso_code: Option<&'a str>,
    #[serde(borrow, default)]
    pub(super) names: Names<'a>,
}

/// A list, from the largest to the smallest, of which the last is kept.
#[derive(Debug, Default)]
pub(super) struct Subdivisions<'a> {
    pub(super) last: Option<Subdivision<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Subdivisions<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(LastOf)
    }
}

struct LastOf;

impl<'de> Visitor<'de> for LastOf {
    type Value = Subdivisions<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of subdivisions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut last = None;
        while let Some(item) = items.next_element()? {
            last = Some(item);
        }
        Ok(Subdivisions { last })
    }
}

/// In whatever precision the database has it.
#[derive(Debug, Default)]
pub(super) struct Degrees(pub(super) f64);

impl<'de> Deserialize<'de> for Degrees {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfDegrees)
    }
}

struct OfDegrees;

impl Visitor<'_> for OfDegrees {
    type Value = Degrees;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("degrees")
    }

    fn visit_f64<E>(self, degrees: f64) -> Result<Degrees, E> {
        Ok(Degrees(degrees))
    }
}

/// In whatever width the database has it.
#[derive(Debug, Default)]
pub(super) struct SystemNumber(pub(super) u64);

impl<'de> Deserialize<'de> for SystemNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfSystem)
    }
}

struct OfSystem;

impl Visitor<'_> for OfSystem {
    type Value = SystemNumber;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number of an autonomous system")
    }

    fn visit_u64<E>(self, number: u64) -> Result<SystemNumber, E> {
        Ok(SystemNumber(number))
    }
}

/// A record of a database of autonomous systems.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asn<'a> {
    #[serde(default)]
    pub(super) autonomous_system_number: SystemNumber,
    pub(super) autonomous_system_organization: Option<&'a str>,
}
