//! A service's files are read while Consul knows it, under the labels that Consul has for it.
//!
//! Patterns are searched when Consul says that something changed, never by time: the configuration
//! sets the period to an hour.

use std::fs::{self, OpenOptions};
use std::io::Write;

use stack_tests::consul::{ConsulAgent, Service};
use stack_tests::loki::Entry;

use crate::fixture::{Fixture, wait};

fn config(fixture: &Fixture, discovery: &str, prefix: &str) -> String {
    let folder = fixture.folder.path().display();
    format!(
        "server: {{http_listen_address: 127.0.0.1, http_listen_port: 0}}
positions: {{filename: {folder}/positions.yaml, sync_period: 50ms}}
target_config: {{sync_period: 300ms}}
clients: [{{url: \"{url}\", batchwait: 50ms}}]
scrape_configs:
  - job_name: consul
    {discovery}
    relabel_configs:
      - {{source_labels: [{prefix}_service], target_label: service}}
      - {{source_labels: [{prefix}_tags], regex: '.*,color=([^,]+),.*', target_label: color}}
      - {{source_labels: [{prefix}_service_metadata_logs], replacement: '{folder}/logs/$1', target_label: __path__}}
",
        url = fixture.receiver.push_url(),
    )
}

fn append(fixture: &Fixture, file: &str, line: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(fixture.log(file)).unwrap();
    writeln!(file, "{line}").unwrap();
}

fn arrived(fixture: &Fixture, line: &str, labels: &[(&str, &str)]) -> bool {
    let fits = |entry: &Entry| {
        entry.line == line.as_bytes()
            && labels.iter().all(|(name, value)| entry.labels.get(name) == Some(value))
    };
    fixture.receiver.with(|state| state.entries.iter().any(fits))
}

#[test]
fn a_service_is_read_under_its_labels_until_it_is_deregistered() {
    let mut fixture = Fixture::new();
    let consul = ConsulAgent::local();
    consul.require_token("hunter2");
    let web = |tag: &str| Service::new("web", "web-1").tags(&[tag]).meta("logs", "web.log");
    let discovery = format!(
        "consul_sd_configs: [{{server: '{}', token: hunter2, refresh_interval: 20ms}}]",
        consul.address()
    );
    append(&fixture, "web.log", "first");
    append(&fixture, "other.log", "never");
    fixture.start(&config(&fixture, &discovery, "__meta_consul"));
    fixture.wait_for_log("ops server listening");
    let came = |line: &str, color: &str| {
        wait(
            line,
            || arrived(&fixture, line, &[("service", "web"), ("color", color)]),
            || fixture.shipper_log(),
        );
    };

    consul.register(web("color=blue"));
    came("first", "blue");
    consul.register(web("color=green"));
    wait("the new label", || fixture.page("/targets").contains("green"), || fixture.shipper_log());
    append(&fixture, "web.log", "second");
    came("second", "green");

    consul.deregister("web-1");
    let is_gone = || fixture.page("/metrics").contains("promtail_targets_active_total 0");
    wait("the target to go", is_gone, || fixture.page("/metrics"));
    wait(
        "the file to be let go",
        || fixture.page("/metrics").contains("promtail_files_active_total 0"),
        || fixture.page("/metrics"),
    );
    append(&fixture, "web.log", "third");
    consul.register(Service::new("api", "api-1").tags(&["color=red"]).meta("logs", "api.log"));
    append(&fixture, "api.log", "fourth");
    wait(
        "the other service",
        || arrived(&fixture, "fourth", &[("service", "api"), ("color", "red")]),
        || fixture.shipper_log(),
    );
    assert!(!arrived(&fixture, "third", &[]) && !arrived(&fixture, "never", &[]));
    assert!(!fixture.shipper_log().contains("hunter2"));
    fixture.terminate();
}

#[test]
fn an_agents_own_services_are_read_and_a_refusal_is_told_without_the_token() {
    let mut fixture = Fixture::new();
    let consul = ConsulAgent::local();
    consul.register(Service::new("web", "web-1").tags(&["color=blue"]).meta("logs", "web.log"));
    consul.require_token("right");
    let discovery = |token: &str| {
        format!(
            "consulagent_sd_configs: [{{server: '{}', token: {token}, refresh_interval: 20ms}}]",
            consul.address()
        )
    };
    fs::write(fixture.log("web.log"), "first\n").unwrap();
    fixture.start(&config(&fixture, &discovery("hunter2"), "__meta_consulagent"));
    fixture.wait_for_log("refused with status 403 (the token needs service:read and node:read)");
    assert!(fixture.page("/metrics").contains("log_shipper_consul_queries_failing 1"));
    assert!(!fixture.shipper_log().contains("hunter2"), "{}", fixture.shipper_log());
    fixture.terminate();

    fixture.start(&config(&fixture, &discovery("right"), "__meta_consulagent"));
    wait(
        "its line",
        || arrived(&fixture, "first", &[("service", "web"), ("color", "blue")]),
        || fixture.shipper_log(),
    );
    fixture.terminate();
}

#[test]
fn an_address_that_is_none_is_refused_with_its_place() {
    let mut fixture = Fixture::new();
    fixture.start(&config(&fixture, "consul_sd_configs: [{server: 'unix:///c'}]", "x"));
    fixture.wait_for_log("promtail.yaml:7:");
    assert!(
        fixture.shipper_log().contains("server has the scheme \"unix\": HOST:PORT is accepted")
    );
}
