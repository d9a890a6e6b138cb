//! The process dies; the next one goes on where Loki had everything.

use std::time::Duration;

use stack_tests::loki::Fault;

use crate::fixture::{Fixture, Writer};

#[test]
fn killing_it_in_the_middle_loses_nothing() {
    let mut fixture = Fixture::new();
    let config = fixture.config("", "");
    fixture.start(&config);
    let mut writer = Writer::new(&fixture.log("app.log"), 20_000);
    for round in 1..=2_u32 {
        writer.write_until(Duration::from_millis(500) * round);
        let some = writer.written / 2;
        let patience = crate::fixture::PATIENCE;
        assert!(fixture.receiver.wait_for(patience, |state| state.sequence.count() > some));
        fixture.kill();
        writer.write(5_000);
        fixture.start(&config);
    }
    writer.write_until(Duration::from_millis(1_500));
    fixture.wait_for_all(writer.written);
}

#[test]
fn killing_it_during_an_outage_loses_nothing() {
    let mut fixture = Fixture::new();
    let config = fixture.config("", "");
    fixture.receiver.set_fault(Fault::Status(503, None));
    fixture.start(&config);
    let mut writer = Writer::new(&fixture.log("app.log"), 0);
    writer.write(5_000);
    assert!(fixture.receiver.wait_for(crate::fixture::PATIENCE, |state| state.requests > 5));
    fixture.kill();
    fixture.receiver.set_fault(Fault::None);
    fixture.start(&config);
    fixture.wait_for_all(writer.written);
}

#[test]
fn stopping_it_during_an_outage_ends_it_and_loses_nothing() {
    let mut fixture = Fixture::new();
    let config = fixture.config("", "");
    fixture.start(&config);
    let mut writer = Writer::new(&fixture.log("app.log"), 0);
    writer.write(1_000);
    fixture.wait_for_all(1_000);
    fixture.receiver.set_fault(Fault::Status(503, None));
    writer.write(5_000);
    let before = fixture.receiver.with(|state| state.requests);
    assert!(
        fixture.receiver.wait_for(crate::fixture::PATIENCE, |state| state.requests > before + 2)
    );
    // Loki answers nothing else before the end: the shipper's own limit is what ends it.
    let status = fixture.terminate();
    assert!(status.success(), "{status}\n{}", fixture.shipper_log());
    fixture.receiver.set_fault(Fault::None);
    fixture.start(&config);
    fixture.wait_for_all(writer.written);
}

#[test]
fn a_clean_stop_repeats_nothing() {
    let mut fixture = Fixture::new();
    let config = fixture.config("", "");
    fixture.start(&config);
    let mut writer = Writer::new(&fixture.log("app.log"), 0);
    writer.write(3_000);
    fixture.wait_for_all(3_000);
    assert!(fixture.terminate().success());
    writer.write(3_000);
    fixture.start(&config);
    fixture.wait_for_all(6_000);
    assert_eq!(fixture.duplicates(), 0);
}
