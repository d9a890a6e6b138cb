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

#[test]
fn a_client_that_is_down_holds_up_no_other_where_there_is_a_write_ahead_log() {
    let mut fixture = Fixture::new();
    let down = stack_tests::loki::Receiver::local();
    down.set_fault(Fault::Status(503, None));
    let config = format!(
        "{}\nwal: {{enabled: true, dir: {}}}\n",
        fixture.config(&second(&down, ""), ""),
        fixture.path("wal").display()
    );
    fixture.start(&config);
    let path = fixture.log("app.log");
    let mut writer = Writer::new(&path, 0);
    // More than queues in memory hold at this size of a batch.
    writer.write(100_000);
    fixture.wait_for_all(writer.written);
    assert_eq!(down.with(stack_tests::loki::State::lines), 0);
    // What the one that is down has not got survives the end of the process, and even of the file.
    fixture.kill();
    std::fs::remove_file(&path).unwrap();
    down.set_fault(Fault::None);
    fixture.start(&config);
    let all = down.wait_for(PATIENCE, |state| state.sequence.count() >= 100_000);
    assert!(all, "{}", fixture.shipper_log());
}

#[test]
fn an_optional_client_that_is_down_holds_up_no_other_and_what_it_misses_is_counted() {
    let mut fixture = Fixture::new();
    let down = stack_tests::loki::Receiver::local();
    down.set_fault(Fault::Silence);
    let config = fixture.config(&second(&down, "    optional: true\n"), "");
    fixture.start(&config);
    let mut writer = Writer::new(&fixture.log("app.log"), 0);
    writer.write(100_000);
    fixture.wait_for_all(writer.written);
    let page = fixture.page("/metrics");
    let dropped = page.lines().any(|line| {
        line.starts_with("promtail_dropped_entries_total") && line.contains("queue_full")
    });
    assert!(dropped, "{page}");
}

#[test]
fn a_tenant_over_its_rate_holds_up_no_other() {
    let mut fixture = Fixture::new();
    fixture.receiver.set_tenant_fault("slow", Fault::Status(429, None));
    let job = "    pipeline_stages:\n      - match:\n          selector: '{filename=~\".*slow.*\"}'\n          \
               stages: [{tenant: {value: slow}}]\n";
    fixture.start(&fixture.config("    batchsize: 20000", job));
    std::fs::write(fixture.log("slow.log"), "slow\n").unwrap();
    let slow = fixture.receiver.wait_for(PATIENCE, |state| state.requests > 1);
    assert!(slow, "{}", fixture.shipper_log());
    let mut writer = Writer::new(&fixture.log("app.log"), 0);
    writer.write(20_000);
    fixture.wait_for_all(20_000);
}

/// A second client of the configuration.
fn second(receiver: &stack_tests::loki::Receiver, keys: &str) -> String {
    format!(
        "    batchsize: 20000\n  - url: {}\n    name: second\n    batchwait: 50ms\n    \
         batchsize: 20000\n    backoff_config: {{min_period: 20ms, max_period: 100ms, \
         max_retries: 0}}\n{keys}",
        receiver.push_url()
    )
}
