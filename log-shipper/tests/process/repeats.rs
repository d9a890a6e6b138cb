//! How much is repeated after a crash: no more than one batch, saved positions or not.

use std::fs;
use std::time::Duration;

use stack_tests::loki::Fault;

use crate::fixture::{Fixture, PATIENCE, Writer, wait};

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
    let config = small_batches(&fixture);
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

/// What [`small_batches`] makes of a writer's lines: 20,000 bytes in lines of 67 and more.
const LINES_OF_A_BATCH: u64 = 300;

/// A running shipper that saves no positions after its start.
fn without_saves() -> (Fixture, String, Writer) {
    let mut fixture = Fixture::new();
    let config = small_batches(&fixture).replace("sync_period: 50ms", "sync_period: 1h");
    fixture.start(&config);
    let writer = Writer::new(&fixture.log("app.log"), 20_000);
    (fixture, config, writer)
}

/// Writes and waits until Loki has taken a push whose answer never comes; how many lines are in it.
fn hang_in_a_push(fixture: &Fixture, writer: &mut Writer) -> u64 {
    let before = writer.written;
    fixture.receiver.set_fault(Fault::Stored(Box::new(Fault::Silence)));
    writer.write(5_000);
    assert!(fixture.receiver.wait_for(PATIENCE, |state| state.sequence.count() > before));
    let in_flight = fixture.receiver.with(|state| state.sequence.count() - before);
    assert!(in_flight < 5_000, "all {in_flight} in one push");
    in_flight as u64
}

/// The next process takes the rest; how many lines came twice.
fn restart(fixture: &mut Fixture, config: &str, writer: &Writer) -> u64 {
    fixture.receiver.set_fault(Fault::None);
    fixture.start(config);
    fixture.wait_for_all(writer.written);
    fixture.duplicates()
}

#[test]
fn a_crash_repeats_one_batch_where_no_position_was_saved_since_the_start() {
    let (mut fixture, config, mut writer) = without_saves();
    writer.write(5_000);
    fixture.wait_for_all(5_000);
    let in_flight = hang_in_a_push(&fixture, &mut writer);
    fixture.kill();
    assert_eq!(restart(&mut fixture, &config, &writer), in_flight);
}

#[test]
fn each_of_several_crashes_under_load_repeats_one_batch_at_most() {
    let (mut fixture, config, mut writer) = without_saves();
    for round in 1..=4 {
        let enough = round * 3_000;
        let receiver = &fixture.receiver;
        wait_while_writing(&mut writer, || receiver.with(|state| state.sequence.count()) > enough);
        fixture.kill();
        writer.write(500);
        fixture.start(&config);
    }
    fixture.wait_for_all(writer.written);
    let repeated = fixture.duplicates();
    assert!(repeated <= 4 * LINES_OF_A_BATCH, "{repeated} repeated");
}

#[test]
fn a_crash_after_a_rotation_that_no_save_has_seen_repeats_one_batch() {
    let (mut fixture, config, mut writer) = without_saves();
    writer.write(3_000);
    fixture.wait_for_all(3_000);
    fs::rename(fixture.log("app.log"), fixture.log("app.log.1")).unwrap();
    writer.reopen();
    writer.write(3_000);
    fixture.wait_for_all(6_000);
    let in_flight = hang_in_a_push(&fixture, &mut writer);
    fixture.kill();
    assert_eq!(restart(&mut fixture, &config, &writer), in_flight);
}

#[test]
fn a_crash_after_a_truncation_that_no_save_has_seen_repeats_one_batch_and_loses_nothing() {
    let (mut fixture, config, mut writer) = without_saves();
    writer.write(3_000);
    fixture.wait_for_all(3_000);
    writer.file().set_len(0).unwrap();
    writer.write(1_000);
    fixture.wait_for_all(4_000);
    let in_flight = hang_in_a_push(&fixture, &mut writer);
    fixture.kill();
    assert_eq!(restart(&mut fixture, &config, &writer), in_flight);
}

#[test]
fn after_a_crash_a_positions_file_that_was_changed_by_hand_wins() {
    let (mut fixture, config, mut writer) = without_saves();
    writer.write(2_000);
    fixture.wait_for_all(2_000);
    hang_in_a_push(&fixture, &mut writer);
    fixture.kill();
    // To the second line.
    let log = fixture.log("app.log");
    let second = fs::read_to_string(&log).unwrap().find('\n').unwrap() + 1;
    let positions = format!("positions:\n  {}: \"{second}\"\n", log.display());
    fs::write(fixture.path("positions.yaml"), positions).unwrap();
    let repeated = restart(&mut fixture, &config, &writer);
    assert!(repeated >= 1_999, "{repeated} repeated");
}

#[test]
fn recent_positions_that_are_damaged_or_older_than_the_save_lose_nothing() {
    let (mut fixture, config, mut writer) = without_saves();
    let recent = fixture.path("positions.yaml.recent");
    writer.write(2_000);
    fixture.wait_for_all(2_000);
    hang_in_a_push(&fixture, &mut writer);
    fixture.kill();
    let older = fs::read(&recent).unwrap();
    let mut damaged = older.clone();
    let middle = damaged.len() / 2;
    damaged[middle..].fill(b'7');
    fs::write(&recent, damaged).unwrap();
    let repeated = restart(&mut fixture, &config, &writer);
    assert!(0 < repeated && repeated < 2_000, "half of it counts: {repeated}");
    hang_in_a_push(&fixture, &mut writer);
    fixture.kill();
    fs::write(&recent, older).unwrap();
    restart(&mut fixture, &config, &writer);
}

#[test]
fn recent_positions_that_cannot_be_written_hold_up_no_line() {
    let mut fixture = Fixture::new();
    let config = small_batches(&fixture).replace("sync_period: 50ms", "sync_period: 1h");
    let recent = fixture.path("positions.yaml.recent");
    fs::create_dir(&recent).unwrap();
    fixture.start(&config);
    let mut writer = Writer::new(&fixture.log("app.log"), 0);
    writer.write(3_000);
    fixture.wait_for_all(3_000);
    fixture.wait_for_log("recent positions cannot be written");
    let page = fixture.page("/metrics");
    assert!(page.contains("log_shipper_position_record_failures_total 1\n"), "{page}");
    fixture.kill();
    fixture.start(&config);
    writer.write(100);
    fixture.wait_for_all(3_100);
    fs::remove_dir(&recent).unwrap();
    assert!(fixture.terminate().success());
}

#[test]
fn a_clean_stop_leaves_no_recent_positions() {
    let (mut fixture, _, mut writer) = without_saves();
    writer.write(1_000);
    fixture.wait_for_all(1_000);
    assert!(fixture.path("positions.yaml.recent").try_exists().unwrap());
    assert!(fixture.terminate().success());
    assert!(!fixture.path("positions.yaml.recent").try_exists().unwrap());
}

#[test]
fn a_crash_repeats_of_what_the_positions_file_does_not_cover_the_one_push_in_flight() {
    let (mut fixture, config, mut writer) = with_5000_lines_saved();
    // Loki takes the next push, and its answer never comes. Batches of some 200 lines wait behind it.
    fixture.receiver.set_fault(Fault::Stored(Box::new(Fault::Silence)));
    let requests = fixture.receiver.with(|state| state.requests);
    writer.write(10_000);
    assert!(fixture.receiver.wait_for(PATIENCE, |state| state.sequence.count() > 5_000));
    fixture.kill();
    let (pushes, in_flight) =
        fixture.receiver.with(|state| (state.requests - requests, state.sequence.count() - 5_000));
    assert!(pushes == 1 && in_flight < 10_000, "{pushes} pushes with {in_flight} lines");
    fixture.receiver.set_fault(Fault::None);
    fixture.start(&config);
    fixture.wait_for_all(writer.written);
    assert_eq!(fixture.duplicates(), in_flight as u64);
}

#[test]
fn a_crash_under_load_repeats_no_line_before_the_saved_position_and_none_more_than_once() {
    let mut fixture = Fixture::new();
    let config = small_batches(&fixture);
    fixture.start(&config);
    let mut writer = Writer::new(&fixture.log("app.log"), 20_000);
    // What the positions file covers is told by the file itself: nobody writes it after the kill.
    let positions = fixture.path("positions.yaml");
    let saved_lines = || {
        let text = fs::read_to_string(&positions).ok()?;
        let (_, rest) = text.split_once("app.log: \"")?;
        let position: usize = rest.split('"').next()?.parse().ok()?;
        let written = fs::read(positions.parent()?.join("logs/app.log")).ok()?;
        Some(std::str::from_utf8(written.get(..position)?).ok()?.lines().count())
    };
    wait_while_writing(&mut writer, || saved_lines().is_some_and(|lines| lines > 0));
    fixture.kill();
    let saved = saved_lines().unwrap();
    writer.write(1_000);
    fixture.start(&config);
    fixture.wait_for_all(writer.written);
    fixture.receiver.with(|state| {
        let seen = |number| state.sequence.times(number);
        let early: Vec<_> = (0..saved).filter(|number| seen(*number) != 1).collect();
        assert!(early.is_empty(), "before the saved line {saved}: {early:?}");
        let often: Vec<_> = (saved..writer.written).filter(|number| seen(*number) > 2).collect();
        assert!(often.is_empty(), "{often:?}");
    });
}

/// Writes at the writer's pace until the condition holds.
fn wait_while_writing(writer: &mut Writer, condition: impl Fn() -> bool) {
    let mut until = Duration::ZERO;
    while !condition() {
        until += Duration::from_millis(20);
        assert!(until < PATIENCE, "waited in vain");
        writer.write_until(until);
    }
}

/// Batches of some 200 lines, so that several wait behind one in flight.
fn small_batches(fixture: &Fixture) -> String {
    fixture.config("    batchsize: 20000", "")
}
