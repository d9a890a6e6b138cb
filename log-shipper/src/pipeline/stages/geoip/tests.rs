use std::fs;
use std::path::PathBuf;

use serde_json::json;
use stack_tests::geo_database::GeoDatabase;
use tempfile::TempDir;

use super::*;
use crate::config::yaml;
use crate::pipeline::extracted::Value;
use crate::pipeline::stages::testing::{entry, extract, labels, run, text};

/// A folder with both kinds.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("city.mmdb"), city("Boxford").bytes()).unwrap();
    let asn = GeoDatabase::new("GeoLite2-ASN")
        .with(
            "2001:db8::/32",
            &json!({"autonomous_system_number": 64_500, "autonomous_system_organization": "Example"}),
        )
        .with("192.0.2.0/24", &json!({"autonomous_system_number": 64_501}));
    fs::write(folder.path().join("asn.mmdb"), asn.bytes()).unwrap();
    folder
}

fn city(name: &str) -> GeoDatabase {
    GeoDatabase::new("GeoLite2-City")
        .with(
            "192.0.2.0/24",
            &json!({
                "city": {"geoname_id": 1, "names": {"de": "Anders", "en": name}},
                "continent": {"code": "EU", "names": {"en": "Europe"}},
                "country": {"iso_code": "GB", "names": {"en": "United Kingdom"}},
                "location": {"accuracy_radius": 100, "latitude": 51.75, "longitude": -1.25,
                    "time_zone": "Europe/London"},
                "postal": {"code": "OX1"},
                "registered_country": {"iso_code": "FR"},
                "subdivisions": [
                    {"iso_code": "ENG", "names": {"en": "England"}},
                    {"iso_code": "WBK", "names": {"en": "West Berkshire"}},
                ],
            }),
        )
        .with("198.51.100.0/24", &json!({"country": {"names": {"en": "Norway", "fr": "x"}}}))
        .with("203.0.113.0/24", &json!({"city": "not a map"}))
}

fn try_stage(folder: &TempDir, options: &str) -> Result<GeoipStage, String> {
    let text = options.replace('$', &folder.path().display().to_string());
    GeoipStage::from_node(&yaml::parse(&text).unwrap(), &GeoDatabases::default(), &mut Vec::new())
        .map_err(|error| instrumentation::json_log::ErrorChain(&error).to_string())
}

fn found(stage: &mut GeoipStage, value: Value) -> String {
    let mut entry = entry(&[], "line");
    extract(&mut entry, "ip", value);
    assert_eq!(run(stage, &mut entry), Verdict::Pass);
    labels(&entry)
}

const CITY: &str = "{db: $/city.mmdb, db_type: city, source: ip}";
const ASN: &str = "{db: $/asn.mmdb, db_type: asn, source: ip}";

#[test]
fn a_city_gives_all_its_labels_and_the_smallest_subdivision() {
    let folder = folder();
    let mut stage = try_stage(&folder, CITY).unwrap();
    let all = concat!(
        r#"{geoip_city_name="Boxford", geoip_continent_code="EU", geoip_continent_name="Europe", "#,
        r#"geoip_country_name="United Kingdom", geoip_location_latitude="51.75", "#,
        r#"geoip_location_longitude="-1.25", geoip_postal_code="OX1", "#,
        r#"geoip_subdivision_code="WBK", geoip_subdivision_name="West Berkshire", "#,
        r#"geoip_timezone="Europe/London"}"#,
    );
    assert_eq!(found(&mut stage, text("192.0.2.77")), all);
    assert_eq!(found(&mut stage, text("::ffff:192.0.2.77")), all);
    assert_eq!(found(&mut stage, text("198.51.100.1")), r#"{geoip_country_name="Norway"}"#);
}

#[test]
fn an_autonomous_system_gives_number_and_organization() {
    let folder = folder();
    let mut stage = try_stage(&folder, ASN).unwrap();
    assert_eq!(
        found(&mut stage, text("2001:db8::1")),
        r#"{geoip_autonomous_system_number="64500", geoip_autonomous_system_organization="Example"}"#
    );
    assert_eq!(found(&mut stage, text("192.0.2.1")), r#"{geoip_autonomous_system_number="64501"}"#);
}

#[test]
fn what_has_no_record_passes_unchanged() {
    let folder = folder();
    let mut stage = try_stage(&folder, CITY).unwrap();
    for value in [
        text("10.0.0.1"),
        text("127.0.0.1"),
        text("2001:db8::1"),
        text("192.0.2"),
        text("192.0.2.1:80"),
        text("192.000.002.001"),
        text(""),
        Value::Text(b"\xff".to_vec()),
        Value::Number(3.0),
        Value::Null,
        // A record of another shape than the type of the database promises.
        text("203.0.113.1"),
    ] {
        assert_eq!(found(&mut stage, value.clone()), "{}", "{value:?}");
    }
    let mut without = entry(&[("job", "a")], "192.0.2.1");
    run(&mut stage, &mut without);
    assert_eq!(labels(&without), r#"{job="a"}"#);
}

#[test]
fn without_a_source_nothing_is_looked_up_and_that_is_told() {
    let folder = folder();
    let text = format!("{{db: {}/city.mmdb, db_type: city}}", folder.path().display());
    let mut warnings = Vec::new();
    let stage = GeoipStage::from_node(
        &yaml::parse(&text).unwrap(),
        &GeoDatabases::default(),
        &mut warnings,
    );
    assert_eq!(found(&mut stage.unwrap(), Value::Text(b"192.0.2.1".to_vec())), "{}");
    assert!(warnings[0].message.contains("without source no address is looked up"), "{warnings:?}");
}

#[test]
fn a_label_is_replaced_by_what_is_found() {
    let folder = folder();
    let mut stage = try_stage(&folder, CITY).unwrap();
    let mut entry = entry(&[("geoip_country_name", "before"), ("geoip_city_name", "kept")], "");
    extract(&mut entry, "ip", text("198.51.100.1"));
    run(&mut stage, &mut entry);
    assert_eq!(labels(&entry), r#"{geoip_city_name="kept", geoip_country_name="Norway"}"#);
}

#[test]
fn wrong_options_are_refused_with_what_is_accepted() {
    let folder = folder();
    fs::write(folder.path().join("text.mmdb"), "no database").unwrap();
    for (options, expected) in [
        ("{source: ip, db_type: city}", "db: db path cannot be empty; accepted: the path"),
        ("{db: '', source: ip, db_type: city}", "db: db path cannot be empty"),
        ("{db: $/city.mmdb, source: '', db_type: city}", "source: source cannot be empty"),
        (
            "{db: $/city.mmdb, source: ip}",
            "db type should be either city or asn; accepted: city, asn",
        ),
        ("{db: $/city.mmdb, source: ip, db_type: country}", "db type should be either city or asn"),
        ("{db: $/none.mmdb, source: ip, db_type: city}", "none.mmdb: No such file"),
        ("{db: $, source: ip, db_type: city}", " is not a file"),
        ("{db: $/text.mmdb, source: ip, db_type: city}", "text.mmdb is no MaxMind database: "),
        (
            "{db: $/asn.mmdb, source: ip, db_type: city}",
            "is of type \"GeoLite2-ASN\", which has no records for db_type city",
        ),
        ("{db: $/city.mmdb, source: ip, db_type: asn}", "is of type \"GeoLite2-City\""),
    ] {
        let error = try_stage(&folder, options).unwrap_err();
        assert!(error.contains(expected), "{options}: {error}");
        assert!(error.contains("line 1, column "), "{error}");
    }
}

#[test]
fn a_damaged_database_never_panics() {
    let good = city("Boxford").bytes();
    let look_up = |bytes: Vec<u8>| {
        let Ok(opened) = database::Opened::new("damaged".as_ref(), bytes, Kind::City) else {
            return;
        };
        for text in ["192.0.2.77", "2001:db8::1"] {
            let _ = opened.record::<Place<'_>>(text.parse().unwrap());
        }
    };
    for at in 0..good.len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            look_up(bytes);
        }
        look_up(good[..at].to_vec());
    }
}

/// As an updater does it: another file under the same name.
fn replace(path: &PathBuf, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, path).unwrap();
}

#[test]
fn a_replaced_file_is_used_by_all_stages_and_a_broken_one_is_not() {
    let folder = folder();
    let path = folder.path().join("city.mmdb");
    let databases = GeoDatabases::default();
    let options = yaml::parse(&CITY.replace('$', &folder.path().display().to_string())).unwrap();
    let mut stage = GeoipStage::from_node(&options, &databases, &mut Vec::new()).unwrap();
    let mut other = GeoipStage::from_node(&options, &databases, &mut Vec::new()).unwrap();
    assert!(Arc::ptr_eq(&stage.database, &other.database), "one file is in memory once");
    let has_city = |stage: &mut GeoipStage, name: &str| {
        found(stage, text("192.0.2.1")).contains(&format!("geoip_city_name=\"{name}\""))
    };

    replace(&path, &city("Newtown").bytes());
    assert!(has_city(&mut stage, "Boxford"), "lines read nothing from disk");
    databases.refresh();
    assert!(has_city(&mut stage, "Newtown") && has_city(&mut other, "Newtown"));

    replace(&path, b"half a file");
    databases.refresh();
    assert!(has_city(&mut stage, "Newtown"));
    replace(&path, &GeoDatabase::new("GeoLite2-ASN").bytes());
    databases.refresh();
    fs::remove_file(&path).unwrap();
    databases.refresh();
    assert!(has_city(&mut stage, "Newtown"));

    replace(&path, &city("Third").bytes());
    databases.refresh();
    assert!(has_city(&mut other, "Third"));
}
