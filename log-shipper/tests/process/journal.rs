//! Entries of systemd's journal, from files that systemd wrote.

use std::fs;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use stack_tests::loki::Fault;

use crate::fixture::{Fixture, PATIENCE, wait};

/// 40 entries; four of them, those whose number ends with 5, have no message.
const FILE: &[u8] = include_bytes!("../../src/intake/journal/fixtures/compact-zstd.journal.gz");

/// Where the header counts the entries.
const COUNT: u64 = 152;

/// The file as it was when it had so many entries.
fn write(path: &Path, entries: u64) {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(FILE).read_to_end(&mut bytes).unwrap();
    fs::write(path, bytes).unwrap();
    grow(path, entries);
}

fn grow(path: &Path, entries: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&entries.to_le_bytes(), COUNT).unwrap();
}

fn config(fixture: &Fixture) -> String {
    let folder = fixture.folder.path().display();
    format!(
        "server: {{http_listen_address: 127.0.0.1, http_listen_port: 0}}
positions: {{filename: {folder}/positions.yaml, sync_period: 50ms}}
clients:
  - url: {url}
    batchwait: 50ms
    backoff_config: {{min_period: 20ms, max_period: 100ms, max_retries: 0}}
scrape_configs:
  - job_name: node
    journal:
      path: {folder}/logs
      max_age: 876000h
      labels: {{job: systemd}}
    relabel_configs:
      - {{source_labels: [__journal__systemd_unit], target_label: unit}}
      - {{source_labels: [__journal_priority_keyword], target_label: level}}
",
        url = fixture.receiver.push_url(),
    )
}

/// The numbers that arrived, sorted.
fn arrived(fixture: &Fixture) -> Vec<u64> {
    let mut numbers: Vec<u64> = fixture
        .receiver
        .entries()
        .iter()
        .map(|entry| {
            let line = String::from_utf8_lossy(&entry.line);
            let number = line.strip_prefix("seq=").unwrap().split(' ').next().unwrap();
            number.parse().unwrap()
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

fn with_message(end: u64) -> Vec<u64> {
    (0..end).filter(|number| number % 10 != 5).collect()
}

fn wait_for(fixture: &Fixture, end: u64) {
    let expected = with_message(end);
    let came =
        fixture.receiver.wait_for(PATIENCE, |state| state.sequence.count() >= expected.len());
    assert!(came, "{:?} arrived\n{}", arrived(fixture), fixture.shipper_log());
    assert_eq!(arrived(fixture), expected);
}

fn saved(fixture: &Fixture) -> String {
    fs::read_to_string(fixture.path("positions.yaml")).unwrap_or_default()
}

#[test]
fn entries_arrive_with_their_labels_and_the_place_is_saved_as_systemd_writes_it() {
    let mut fixture = Fixture::new();
    write(&fixture.log("system.journal"), 40);
    fixture.start(&config(&fixture));
    wait_for(&fixture, 40);
    let entries = fixture.receiver.entries();
    let second = entries.iter().find(|entry| entry.line.starts_with(b"seq=1 ")).unwrap();
    let labels: Vec<_> = second.labels.iter().collect();
    assert_eq!(labels, [("job", "systemd"), ("level", "alert"), ("unit", "unit-1.service")]);
    assert_eq!(second.timestamp_ns, 1_700_000_000_001_000_000);
    assert_eq!(second.line, b"seq=1 a line of a service");
    let last = ";i=28;b=0123456789abcdef0123456789abcdef;m=4ce398;t=60a24181ed858;x=";
    wait("the cursor", || saved(&fixture).contains(last), || saved(&fixture));
    assert!(saved(&fixture).contains("\"cursor-node\": \"s="), "{}", saved(&fixture));
}

#[test]
fn a_restart_goes_on_behind_the_last_entry_over_a_rotation() {
    let mut fixture = Fixture::new();
    let (active, archived) = (fixture.log("system.journal"), fixture.log("system@1.journal"));
    write(&active, 13);
    let config = config(&fixture);
    fixture.start(&config);
    wait_for(&fixture, 13);
    grow(&active, 20);
    wait_for(&fixture, 20);
    assert!(fixture.terminate().success());
    grow(&active, 33);
    fs::rename(&active, &archived).unwrap();
    fixture.start(&config);
    wait_for(&fixture, 33);
    grow(&archived, 40);
    wait_for(&fixture, 40);
    assert_eq!(fixture.duplicates(), 0);
}

#[test]
fn what_loki_did_not_accept_is_read_again_after_a_crash() {
    let mut fixture = Fixture::new();
    let path = fixture.log("system.journal");
    write(&path, 10);
    let config = config(&fixture);
    fixture.start(&config);
    wait_for(&fixture, 10);
    wait("the cursor", || saved(&fixture).contains(";i=a;"), || saved(&fixture));
    fixture.receiver.set_fault(Fault::Status(503, None));
    let before = fixture.receiver.with(|state| state.requests);
    grow(&path, 40);
    assert!(fixture.receiver.wait_for(PATIENCE, |state| state.requests > before + 2));
    fixture.kill();
    fixture.receiver.set_fault(Fault::None);
    fixture.start(&config);
    wait_for(&fixture, 40);
    assert_eq!(fixture.duplicates(), 0);
}
