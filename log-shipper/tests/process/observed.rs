//! What a running process says about itself while something is wrong.

use std::fs;

use stack_tests::daemon_process::{free_port, http_get};

use crate::fixture::{Fixture, Writer, wait};

/// A fixture's configuration with a server that can be asked.
fn with_server(fixture: &Fixture) -> (String, u16) {
    let port = free_port();
    let config = fixture.config("", "");
    (config.replace("http_listen_port: 0", &format!("http_listen_port: {port}")), port)
}

/// A metric's value; `None` until the server answers and has it.
fn metric(port: u16, name: &str) -> Option<f64> {
    let page = http_get(port, "/metrics").ok()?;
    let mut values =
        page.body.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.find_map(|value| value.trim().parse().ok())
}

#[test]
fn positions_that_cannot_be_saved_are_counted() {
    let mut fixture = Fixture::new();
    let (config, port) = with_server(&fixture);
    fixture.start(&config.replace("/positions.yaml", "/no/such/folder/positions.yaml"));
    Writer::new(&fixture.log("app.log"), 0).write(10);
    fixture.wait_for_all(10);
    let is_counted = || {
        metric(port, "log_shipper_position_save_failures_total").is_some_and(|count| count >= 1.0)
    };
    wait("the failure to be counted", is_counted, || fixture.shipper_log());
    assert!(fixture.terminate().success());
}

#[test]
fn without_a_file_to_read_it_waits_for_one() {
    let mut fixture = Fixture::new();
    let (config, port) = with_server(&fixture);
    fs::remove_dir(fixture.path("logs")).unwrap();
    fixture.start(&config);
    let answers =
        |path: &str, status: u16| http_get(port, path).is_ok_and(|answer| answer.status == status);
    wait("it to be alive but not ready", || answers("/ready", 500), || fixture.shipper_log());
    fs::create_dir(fixture.path("logs")).unwrap();
    Writer::new(&fixture.log("app.log"), 0).write(10);
    fixture.wait_for_all(10);
    wait("it to be ready", || answers("/ready", 200), || fixture.shipper_log());
    assert!(fixture.terminate().success());
}
