//! A Loki that refuses, hangs up or says nothing: lines wait, and arrive.

use stack_tests::loki::Fault;

use crate::fixture::{Fixture, PATIENCE, Writer};

/// Ships through a fault, then without it.
fn survives(fault: Fault, client: &str) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.receiver.set_fault(fault);
    fixture.start(&fixture.config(client, ""));
    let mut writer = Writer::new(&fixture.log("app.log"), 0);
    writer.write(20_000);
    // More failures than Promtail's ten attempts would last.
    assert!(
        fixture.receiver.wait_for(PATIENCE, |state| state.requests >= 12),
        "{}",
        fixture.shipper_log()
    );
    fixture.receiver.set_fault(Fault::None);
    fixture.wait_for_all(writer.written);
    fixture
}

#[test]
fn a_rate_limit_is_waited_out() {
    survives(Fault::Status(429, None), "");
}

#[test]
fn errors_of_the_server_are_waited_out() {
    let fixture = survives(Fault::Status(500, None), "");
    assert_eq!(fixture.duplicates(), 0);
}

#[test]
fn closed_connections_are_opened_again() {
    survives(Fault::Close, "");
}

#[test]
fn a_server_that_says_nothing_is_given_up_and_asked_again() {
    survives(Fault::Silence, "    timeout: 200ms");
}

#[test]
fn retry_after_is_obeyed() {
    let mut fixture = Fixture::new();
    fixture.receiver.script([Fault::Status(429, Some(1)), Fault::Status(503, Some(1))]);
    let started = std::time::Instant::now();
    fixture.start(&fixture.config("", ""));
    Writer::new(&fixture.log("app.log"), 0).write(10);
    fixture.wait_for_all(10);
    assert!(started.elapsed() >= std::time::Duration::from_secs(2));
    assert_eq!(fixture.receiver.with(|state| state.requests), 3);
}

#[test]
fn a_refusal_is_final_counted_and_holds_nothing_up() {
    let mut fixture = Fixture::new();
    fixture.receiver.script([Fault::Status(400, None)]);
    fixture.start(&fixture.config("", ""));
    let mut writer = Writer::new(&fixture.log("app.log"), 0);
    writer.write(10);
    fixture.wait_for_log("batch was given up");
    writer.write(10);
    let arrived = fixture.receiver.wait_for(PATIENCE, |state| state.sequence.count() == 10);
    assert!(arrived, "{}", fixture.shipper_log());
    assert_eq!(
        fixture.receiver.with(|state| state.sequence.missing(20)),
        (0..10).collect::<Vec<_>>()
    );
}

#[test]
fn a_tenant_that_no_header_may_have_holds_nothing_up() {
    let mut fixture = Fixture::new();
    let job = "    pipeline_stages:\n      - regex: {expression: '^(?P<org>\\S+) '}\n      \
               - template: {source: org, template: '{{ if eq .Value \"bad\" }}a{{ \"\\x01\" }}b{{ end }}'}\n      \
               - tenant: {source: org}\n";
    fixture.start(&fixture.config("", job));
    let path = fixture.log("app.log");
    std::fs::write(&path, "bad line\n").unwrap();
    fixture.wait_for_log("characters that no header may have");
    let mut writer = Writer::new(&path, 0);
    writer.write(10);
    fixture.wait_for_all(10);
}
