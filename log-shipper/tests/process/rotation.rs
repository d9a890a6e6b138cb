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

#[test]
fn a_file_that_was_rotated_while_nobody_looked_is_finished_and_its_successor_read_from_its_start() {
    let mut fixture = Fixture::new();
    let config = fixture.config("", "");
    fixture.start(&config);
    let path = fixture.log("app.log");
    let mut writer = Writer::new(&path, 0);
    writer.write(1_000);
    fixture.wait_for_all(1_000);
    assert!(fixture.terminate().success());
    writer.write(500);
    fs::rename(&path, fixture.log("app.log.1")).unwrap();
    writer.reopen();
    // Longer than the old one was, so that its size alone tells nothing.
    writer.write(3_000);
    fixture.start(&config);
    fixture.wait_for_all(4_500);
    assert_eq!(fixture.duplicates(), 0);
}

#[test]
fn numbered_names_are_told_apart_after_a_restart() {
    let mut fixture = Fixture::new();
    let config = fixture.config("", "").replace("logs/*.log", "logs/app*");
    fixture.start(&config);
    let path = fixture.log("app.log");
    let mut writer = Writer::new(&path, 0);
    writer.write(1_000);
    fixture.wait_for_all(1_000);
    fs::rename(&path, fixture.log("app.log.1")).unwrap();
    writer.reopen();
    writer.write(2_000);
    fixture.wait_for_all(3_000);
    assert!(fixture.terminate().success());
    writer.write(100);
    fs::rename(fixture.log("app.log.1"), fixture.log("app.log.2")).unwrap();
    fs::rename(&path, fixture.log("app.log.1")).unwrap();
    writer.reopen();
    writer.write(100);
    fixture.start(&config);
    fixture.wait_for_all(3_200);
    assert_eq!(fixture.duplicates(), 0);
}

#[test]
fn rotated_files_that_wait_for_loki_are_shipped_after_a_restart() {
    let mut fixture = Fixture::new();
    let config = fixture.config("    batchsize: 20000", "");
    fixture.receiver.set_fault(Fault::Status(503, None));
    fixture.start(&config);
    let path = fixture.log("app.log");
    let mut writer = Writer::new(&path, 0);
    for round in 1..=3 {
        writer.write(20_000);
        fixture.wait_for_log(&format!("path={} position=0", path.display()));
        fs::rename(&path, fixture.log(&format!("app.log.{round}"))).unwrap();
        writer.reopen();
    }
    writer.write(10);
    assert!(fixture.receiver.wait_for(crate::fixture::PATIENCE, |state| state.requests > 3));
    assert!(fixture.terminate().success());
    fixture.receiver.set_fault(Fault::None);
    fixture.start(&config);
    fixture.wait_for_all(writer.written);
}

#[test]
fn a_target_with_other_labels_takes_its_files_over_where_they_are() {
    let mut fixture = Fixture::new();
    let targets = fixture.path("targets.json");
    let text = |env: &str, fixture: &Fixture| {
        let logs = fixture.log("*.log");
        format!(
            r#"[{{"targets":["t"],"labels":{{"env":"{env}","__path__":"{}"}}}}]"#,
            logs.display()
        )
    };
    fs::write(&targets, text("a", &fixture)).unwrap();
    let config = fixture.config("", "");
    let at = config.find("    static_configs:").unwrap();
    let config =
        format!("{}    file_sd_configs: [{{files: ['{}']}}]\n", &config[..at], targets.display());
    fixture.start(&config);
    let mut writer = Writer::new(&fixture.log("app.log"), 0);
    writer.write(2_000);
    fixture.wait_for_all(2_000);
    fs::write(&targets, text("b", &fixture)).unwrap();
    // Nothing is missed or sent again, though lines may be on their way.
    writer.write(2_000);
    fixture.wait_for_log("get other labels");
    writer.write(2_000);
    fixture.wait_for_all(6_000);
    assert_eq!(fixture.duplicates(), 0);
    let of_b = fixture.receiver.with(|state| {
        let streams = state.streams().iter();
        let of_b = streams.filter(|stream| stream.labels.get("env") == Some("b"));
        of_b.map(|stream| stream.lines).sum::<u64>()
    });
    assert!((2_000..=4_000).contains(&of_b), "{of_b}");
}

#[test]
fn more_files_than_may_be_open_are_all_followed() {
    let mut fixture = Fixture::new();
    let config = fixture.config("", "");
    fixture.start_with_open_files(&config, 64);
    let mut writers: Vec<Writer> =
        (0..200).map(|file| Writer::new(&fixture.log(&format!("{file}.log")), 0)).collect();
    let mut number = 0;
    for round in 1..=3 {
        for writer in &mut writers {
            writer.written = number;
            writer.write(5);
            number += 5;
        }
        fixture.wait_for_all(number);
        // Some are renamed while they are closed.
        for file in (0..200).step_by(7) {
            let (from, to) = (format!("{file}.log"), format!("{file}.old.{round}"));
            fs::rename(fixture.log(&from), fixture.log(&to)).unwrap();
            writers[file].reopen();
        }
    }
    assert_eq!(fixture.duplicates(), 0);
}
