//! Containers of a Docker engine that start, write, stop and restart, while the shipper and the
//! engine do the same.

use std::fs;

use stack_tests::docker::{Container, Engine, Output};
use stack_tests::loki::Fault;

use crate::fixture::{Fixture, PATIENCE, wait};

fn config(fixture: &Fixture, engine: &Engine) -> String {
    let folder = fixture.folder.path().display();
    format!(
        "server: {{http_listen_address: 127.0.0.1, http_listen_port: 0}}
positions: {{filename: {folder}/positions.yaml, sync_period: 50ms}}
clients:
  - url: {url}
    batchwait: 50ms
    backoff_config: {{min_period: 20ms, max_period: 100ms, max_retries: 0}}
scrape_configs:
  - job_name: containers
    docker_sd_configs:
      - host: {host}
        refresh_interval: 1h
        filters: [{{name: label, values: [logging=on]}}]
    relabel_configs:
      - {{source_labels: [__meta_docker_container_name], regex: /(.*), target_label: container}}
      - {{source_labels: [__meta_docker_container_log_stream], target_label: stream}}
",
        url = fixture.receiver.push_url(),
        host = engine.host(),
    )
}

fn engine(fixture: &Fixture) -> Engine {
    Engine::at(&fixture.path("docker.sock"))
}

fn container(name: &str) -> Container {
    Container::named(name).with_label("logging", "on")
}

/// Numbered lines; the receiver looks for the numbers.
fn write(engine: &Engine, id: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let output = if number % 3 == 0 { Output::Stderr } else { Output::Stdout };
        engine.write(id, output, &format!("a line of a container seq={number} end\n"));
    }
}

fn saved(fixture: &Fixture) -> String {
    fs::read_to_string(fixture.path("positions.yaml")).unwrap_or_default()
}

#[test]
fn containers_come_write_and_go_with_their_labels_and_leave_no_place_behind() {
    let mut fixture = Fixture::new();
    let engine = engine(&fixture);
    let web = engine.run(container("web"));
    let _hidden = engine.run(Container::named("hidden"));
    engine.write_at(&web, Output::Stdout, "seq=0 end\n", 1_700_000_000_000_000_001);
    fixture.start(&config(&fixture, &engine));
    fixture.wait_for_all(1);
    let entries = fixture.receiver.entries();
    let labels: Vec<_> = entries[0].labels.iter().collect();
    assert_eq!(labels, [("container", "web"), ("stream", "stdout")]);
    assert_eq!(entries[0].timestamp_ns, 1_700_000_000_000_000_001);
    let place = format!("\"cursor-{web}\": \"1700000000\"");
    wait("Promtail's place", || saved(&fixture).contains(&place), || saved(&fixture));
    assert!(engine.wait_for(PATIENCE, |requests| {
        requests.iter().any(stack_tests::docker::Request::is_events)
    }));
    let quick = engine.run(container("quick"));
    write(&engine, &quick, 1..20);
    engine.stop(&quick);
    fixture.wait_for_all(20);
    engine.remove(&quick);
    engine.stop(&web);
    engine.remove(&web);
    wait("no place", || !saved(&fixture).contains("cursor-"), || saved(&fixture));
    assert!(fixture.terminate().success());
    assert_eq!(fixture.duplicates(), 0);
}

#[test]
fn restarts_of_containers_engine_and_shipper_lose_and_repeat_nothing() {
    let mut fixture = Fixture::new();
    let mut engine = engine(&fixture);
    let (web, job) = (engine.run(container("web")), engine.run(container("job")));
    write(&engine, &web, 0..50);
    write(&engine, &job, 50..100);
    let config = config(&fixture, &engine);
    fixture.start(&config);
    fixture.wait_for_all(100);
    engine.stop(&web);
    engine.start(&web);
    write(&engine, &web, 100..150);
    fixture.wait_for_all(150);
    assert!(fixture.terminate().success());
    // While the shipper is down: one goes on, one ends, one comes and ends.
    write(&engine, &web, 150..200);
    write(&engine, &job, 200..250);
    engine.stop(&job);
    let missed = engine.run(container("missed"));
    write(&engine, &missed, 250..300);
    engine.stop(&missed);
    fixture.start(&config);
    fixture.wait_for_all(300);
    engine.end_serving();
    write(&engine, &web, 300..350);
    engine.begin_serving();
    fixture.wait_for_all(350);
    assert_eq!(fixture.duplicates(), 0);
}

#[test]
fn what_loki_did_not_accept_is_read_again_after_a_crash() {
    let mut fixture = Fixture::new();
    let engine = engine(&fixture);
    let web = engine.run(container("web"));
    write(&engine, &web, 0..100);
    let config = config(&fixture, &engine);
    fixture.start(&config);
    fixture.wait_for_all(100);
    let key = format!("cursor-{web}/exact");
    wait("the place", || saved(&fixture).contains(&key), || saved(&fixture));
    fixture.receiver.set_fault(Fault::Status(503, None));
    let before = fixture.receiver.with(|state| state.requests);
    write(&engine, &web, 100..200);
    assert!(fixture.receiver.wait_for(PATIENCE, |state| state.requests > before + 2));
    fixture.kill();
    engine.stop(&web);
    fixture.receiver.set_fault(Fault::None);
    fixture.start(&config);
    fixture.wait_for_all(200);
}

#[test]
fn an_engine_that_is_not_there_is_told_of_and_waited_for() {
    let mut fixture = Fixture::new();
    let mut engine = engine(&fixture);
    engine.end_serving();
    fixture.start(&config(&fixture, &engine));
    fixture.wait_for_log("discovered objects cannot be followed");
    assert!(fixture.page("/metrics").contains("log_shipper_docker_engines_failing 1\n"));
    let web = engine.run(container("web"));
    write(&engine, &web, 0..10);
    engine.begin_serving();
    fixture.wait_for_all(10);
    let page = || fixture.page("/metrics");
    wait("the gauge", || page().contains("log_shipper_docker_engines_failing 0\n"), page);
    assert!(page().contains("promtail_docker_target_entries_total 10\n"), "{}", page());
}
