//! How much is repeated after a crash: what Loki had, but the positions file did not yet say.

use std::fs;

use crate::fixture::{Fixture, Writer, wait};

/// Waits until the saved position of a file is its size.
fn wait_for_saved_position(fixture: &Fixture, name: &str) {
    let path = fixture.log(name);
    let size = fs::metadata(&path).unwrap().len();
    let saved = format!("{}: \"{size}\"", path.display());
    let positions = fixture.path("positions.yaml");
    let is_saved = || fs::read_to_string(&positions).is_ok_and(|text| text.contains(&saved));
    wait(&saved, is_saved, || fixture.shipper_log());
}

/// A running shipper whose saved position covers the first 5000 lines, its configuration and input.
fn with_5000_lines_saved() -> (Fixture, String, Writer) {
    let mut fixture = Fixture::new();
    let config = fixture.config("", "");
    fixture.start(&config);
    let mut writer = Writer::new(&fixture.log("app.log"), 0);
    writer.write(5_000);
    fixture.wait_for_all(5_000);
    wait_for_saved_position(&fixture, "app.log");
    (fixture, config, writer)
}

#[test]
fn a_crash_repeats_nothing_that_the_positions_file_covers() {
    let (mut fixture, config, mut writer) = with_5000_lines_saved();
    fixture.kill();
    writer.write(10);
    fixture.start(&config);
    fixture.wait_for_all(5_010);
    assert_eq!(fixture.duplicates(), 0);
}

#[test]
fn a_crash_repeats_at_most_what_came_after_the_saved_position() {
    let (mut fixture, config, mut writer) = with_5000_lines_saved();
    for round in 1..=2 {
        writer.write(1_000);
        fixture.wait_for_all(5_000 + 1_000 * round);
        fixture.kill();
        fixture.start(&config);
    }
    writer.write(10);
    fixture.wait_for_all(writer.written);
    // The second restart may repeat the first one's lines too.
    assert!(fixture.duplicates() <= 3_000, "{} repeated", fixture.duplicates());
}
