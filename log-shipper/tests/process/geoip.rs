//! Databases of the stage `geoip`: told when they cannot be used, and followed when an updater
//! replaces them.

use std::fs;
use std::path::Path;

use serde_json::json;
use stack_tests::geo_database::GeoDatabase;

use crate::fixture::{Fixture, Writer, wait};

/// As an updater writes it: never half a file under the name.
fn install(path: &Path, city: &str) {
    let record = json!({"city": {"names": {"en": city}}});
    let bytes = GeoDatabase::new("GeoLite2-City").with("192.0.2.0/24", &record).bytes();
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, path).unwrap();
}

#[test]
fn lines_get_the_labels_of_the_database_that_is_there_now() {
    let mut fixture = Fixture::new();
    let database = fixture.path("city.mmdb");
    install(&database, "Boxford");
    let stages = format!(
        "    pipeline_stages:
      - template: {{source: ip, template: 192.0.2.7}}
      - geoip: {{db: {}, source: ip, db_type: city}}",
        database.display()
    );
    fixture.start(&fixture.config("", &stages));
    let mut writer = Writer::new(&fixture.log("a.log"), 1);
    let has_city = |city: &str| {
        fixture.receiver.with(|state| {
            state.entries.iter().any(|entry| entry.labels.get("geoip_city_name") == Some(city))
        })
    };
    writer.write(1);
    wait("the first city", || has_city("Boxford"), || fixture.shipper_log());

    install(&database, "Newtown");
    fixture.wait_for_log("geoip database has changed, using the new one");
    writer.write(1);
    wait("the second city", || has_city("Newtown"), || fixture.shipper_log());
    fixture.terminate();
}

#[test]
fn a_database_that_cannot_be_used_is_refused_with_its_path() {
    let mut fixture = Fixture::new();
    let path = fixture.path("none.mmdb").display().to_string();
    let stages =
        format!("    pipeline_stages: [{{geoip: {{db: {path}, source: ip, db_type: asn}}}}]");
    fixture.start(&fixture.config("", &stages));
    fixture.wait_for_log("geoip stage: db: cannot be used");
    let log = fixture.shipper_log();
    assert!(log.contains(&format!("cannot read {path}: No such file")), "{log}");
}
