//! How much is repeated after a crash: what Loki had, but the positions file did not yet say.

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
