//! `geoip`: where an address is, or whose network it belongs to, as labels.
//!
//! Whatever has no record - no address, a private one, an unknown one - passes unchanged: a label
//! is only set to something. Nothing is read from disk while lines run.

pub mod database;

mod record;

use std::net::IpAddr;
use std::sync::Arc;

use go_compat::strconv::format_float_g;

use self::database::{Database, GeoDatabases, Kind};
use self::record::{Asn, Place};
use super::error::StageError;
use super::options::{Options, locate};
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::labels::Labels;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// What a database of cities gives, in the order of [`city_values`].
const CITY_LABELS: [&str; 8] = [
    "geoip_city_name",
    "geoip_country_name",
    "geoip_continent_name",
    "geoip_continent_code",
    "geoip_postal_code",
    "geoip_timezone",
    "geoip_subdivision_name",
    "geoip_subdivision_code",
];

/// Set together, unless both are zero.
const PLACE_LABELS: [&str; 2] = ["geoip_location_latitude", "geoip_location_longitude"];

/// What a database of networks gives.
const ASN_LABELS: [&str; 2] =
    ["geoip_autonomous_system_number", "geoip_autonomous_system_organization"];

/// See the module.
#[derive(Debug, Clone)]
pub struct GeoipStage {
    /// Name of the extracted value with the address. Promtail accepts that it is missing, and then
    /// finds nothing.
    source: Option<Arc<str>>,
    database: Arc<Database>,
    names: Arc<Names>,
}

#[derive(Debug)]
struct Names {
    city: [Arc<str>; 8],
    place: [Arc<str>; 2],
    asn: [Arc<str>; 2],
}

impl GeoipStage {
    /// Decodes the options and opens the database, which is shared with all stages that name the
    /// same one. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// `db` or `db_type` missing, empty or unknown; an empty `source`; a file that is no database of
    /// that type.
    pub fn from_node(
        node: &Node,
        databases: &GeoDatabases,
        warnings: &mut Vec<Finding>,
    ) -> Result<Self, StageError> {
        let wrong = |key: &str, problem: &str, accepted: &str| {
            locate(StageError::new("geoip", problem).key(key).accepted(accepted), node)
        };
        let mut options = Options::strict("geoip", node)?;
        let path = options.text("db")?.unwrap_or_default();
        if path.is_empty() {
            return Err(wrong("db", "db path cannot be empty", "the path of a MaxMind database"));
        }
        let source = options.text("source")?;
        match source.as_deref() {
            Some("") => {
                let accepted = "the name of an extracted value that holds an address";
                return Err(wrong("source", "source cannot be empty", accepted));
            }
            None => options.warn("without source no address is looked up"),
            Some(_) => {}
        }
        let kind = match options.text("db_type")?.as_deref() {
            Some("city") => Kind::City,
            Some("asn") => Kind::Asn,
            _ => {
                let problem = "db type should be either city or asn";
                return Err(wrong("db_type", problem, "city, asn"));
            }
        };
        options.finish(warnings);
        let database = databases.open(path.as_ref(), kind).map_err(|cause| {
            let error = StageError::new("geoip", "cannot be used").key("db");
            locate(error.accepted(kind.accepted()).cause(cause), node)
        })?;
        let names = Names {
            city: CITY_LABELS.map(Arc::from),
            place: PLACE_LABELS.map(Arc::from),
            asn: ASN_LABELS.map(Arc::from),
        };
        Ok(Self { source: source.map(Arc::from), database, names: Arc::new(names) })
    }
}

impl Names {
    fn set_city(&self, record: &Place<'_>, labels: &mut Labels) {
        for (name, value) in self.city.iter().zip(city_values(record)) {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                labels.set(name, value);
            }
        }
        let place = [record.location.latitude.0, record.location.longitude.0];
        if place.iter().any(|degrees| *degrees != 0.0) {
            for (name, degrees) in self.place.iter().zip(place) {
                labels.set(name, &format_float_g(degrees));
            }
        }
    }

    fn set_asn(&self, record: &Asn<'_>, labels: &mut Labels) {
        let [number, organization] = &self.asn;
        if record.autonomous_system_number.0 != 0 {
            labels.set(number, &record.autonomous_system_number.0.to_string());
        }
        if let Some(name) = record.autonomous_system_organization.filter(|name| !name.is_empty()) {
            labels.set(organization, name);
        }
    }
}

fn city_values<'a>(record: &Place<'a>) -> [Option<&'a str>; 8] {
    // The last subdivision is the smallest one.
    let subdivision = record.subdivisions.last.as_ref();
    [
        record.city.names.english,
        record.country.names.english,
        record.continent.names.english,
        record.continent.code,
        record.postal.code,
        record.location.time_zone,
        subdivision.and_then(|found| found.names.english),
        subdivision.and_then(|found| found.iso_code),
    ]
}

/// An IPv4 address in IPv6 form is looked up as what it is.
fn address(value: ValueRef<'_>) -> Option<IpAddr> {
    Some(value.to_text()?.parse::<IpAddr>().ok()?.to_canonical())
}

impl Stage for GeoipStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        let value = self.source.as_ref().and_then(|source| entry.extracted.get(source));
        if let Some(address) = value.and_then(address) {
            let opened = self.database.current();
            match self.database.kind() {
                Kind::City => {
                    if let Some(record) = opened.record(address) {
                        self.names.set_city(&record, &mut entry.labels);
                    }
                }
                Kind::Asn => {
                    if let Some(record) = opened.record(address) {
                        self.names.set_asn(&record, &mut entry.labels);
                    }
                }
            }
        }
        Verdict::Pass
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
