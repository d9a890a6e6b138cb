//! Rotation in all its forms while lines are written: nothing is lost.

use std::fs;
use std::io::Write;
use std::time::Duration;

use stack_tests::loki::Fault;

use crate::fixture::{Fixture, Writer};

#[test]
fn renaming_every_300_ms_at_50000_lines_a_second_loses_nothing() {
    let mut fixture = Fixture::new();
    fixture.start(&fixture.config("", ""));
    let path = fixture.log("app.log");
    let mut writer = Writer::new(&path, 50_000);
    for round in 1..=12_u32 {
        writer.write_until(Duration::from_millis(300) * round);
        fs::rename(&path, fixture.log(&format!("app.log.{round}"))).unwrap();
        writer.reopen();
    }
    writer.write(1_000);
    fixture.wait_for_all(writer.written);
    assert_eq!(fixture.duplicates(), 0);
}

#[test]
fn copying_and_truncating_loses_nothing() {
    let mut fixture = Fixture::new();
    fixture.start(&fixture.config("", ""));
    let path = fixture.log("app.log");
    let mut writer = Writer::new(&path, 20_000);
    for round in 1..=6_u32 {
        writer.write_until(Duration::from_millis(300) * round);
        fs::copy(&path, fixture.log(&format!("app.log.{round}"))).unwrap();
        writer.file().set_len(0).unwrap();
    }
    writer.write(1_000);
    fixture.wait_for_all(writer.written);
    assert_eq!(fixture.duplicates(), 0);
}

#[test]
fn generations_that_rotate_during_an_outage_are_all_read() {
    let mut fixture = Fixture::new();
    fixture.receiver.set_fault(Fault::Status(503, None));
    fixture.start(&fixture.config("    batchsize: 20000", ""));
    let path = fixture.log("app.log");
    let mut writer = Writer::new(&path, 0);
    for round in 1..=4 {
        writer.write(20_000);
        let seen = format!("path={} position=0", path.display());
        fixture.wait_for_log(&seen);
        fs::rename(&path, fixture.log(&format!("app.log.{round}"))).unwrap();
        writer.reopen();
    }
    writer.write(10);
    assert!(fixture.receiver.wait_for(crate::fixture::PATIENCE, |state| state.requests > 3));
    fixture.receiver.set_fault(Fault::None);
    fixture.wait_for_all(writer.written);
}

#[test]
fn a_deleted_file_is_read_to_its_end() {
    let mut fixture = Fixture::new();
    fixture.receiver.set_fault(Fault::Status(503, None));
    fixture.start(&fixture.config("    batchsize: 20000", ""));
    let path = fixture.log("app.log");
    let mut writer = Writer::new(&path, 0);
    writer.write(50_000);
    assert!(fixture.receiver.wait_for(crate::fixture::PATIENCE, |state| state.requests > 0));
    fs::remove_file(&path).unwrap();
    fixture.receiver.set_fault(Fault::None);
    fixture.wait_for_all(writer.written);
}

#[test]
fn the_last_line_of_a_rotated_file_needs_no_newline() {
    let mut fixture = Fixture::new();
    fixture.start(&fixture.config("", ""));
    let path = fixture.log("app.log");
    let mut writer = Writer::new(&path, 0);
    writer.write(10);
    writer.file().write_all(b"seq=10").unwrap();
    fixture.wait_for_all(10);
    fs::rename(&path, fixture.log("app.log.1")).unwrap();
    fixture.wait_for_all(11);
}

#[test]
fn a_rotated_name_that_the_pattern_matches_is_not_read_twice() {
    let mut fixture = Fixture::new();
    let config = fixture.config("", "").replace("logs/*.log", "logs/app*");
    fixture.start(&config);
    let path = fixture.log("app.log");
    let mut writer = Writer::new(&path, 0);
    writer.write(1_000);
    fixture.wait_for_all(1_000);
    fs::rename(&path, fixture.log("app.log.1")).unwrap();
    writer.reopen();
    writer.write(1_000);
    fixture.wait_for_all(2_000);
    // After the rotated file is closed, searches go on to see its name.
    fixture.wait_for_log("finished a file");
    writer.write(1_000);
    fixture.wait_for_all(3_000);
    assert_eq!(fixture.duplicates(), 0);
}
