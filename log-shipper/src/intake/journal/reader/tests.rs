use prometheus_model::relabel::{Action, RelabelConfig, RelabelRule};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use super::super::fixture::{self, ENTRIES, FIRST_US};
use super::super::{Error, Journal};
use super::*;
use crate::config::scrape_configs as config;
use crate::intake::inlet;
use crate::intake::message::Delivery;

/// A running source with its folder.
struct World {
    folder: tempfile::TempDir,
    deliveries: mpsc::Receiver<Delivery>,
    metrics: crate::metrics::sources::SourceMetrics,
    /// A test that fails stops it as well: its thread would be waited for.
    stop: DropGuard,
    task: JoinHandle<Result<(), Error>>,
}

fn rename(source: &str, target: &str) -> RelabelRule {
    let rule = RelabelConfig {
        source_labels: vec![source.to_owned()],
        target_label: Some(target.to_owned()),
        ..Default::default()
    };
    RelabelRule::new(rule).unwrap()
}

impl World {
    /// `entries` are there at the start.
    fn new(entries: u64, rules: Vec<RelabelRule>, change: impl Fn(&mut config::Journal)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fixture::write("compact-zstd", &folder.path().join("system.journal"), entries);
        let century = config::Journal {
            path: folder.path().to_path_buf(),
            max_age: daemon_runtime::durations::GoDuration::from_secs(100 * 365 * 86_400),
            ..Default::default()
        };
        let mut block = century;
        change(&mut block);
        let (inlet, deliveries) = inlet::for_tests(rules);
        let (metrics, stop) = (inlet.metrics().clone(), CancellationToken::new());
        let task = tokio::spawn(Journal::new(&block).unwrap().run(inlet, stop.clone()));
        Self { folder, deliveries, metrics, stop: stop.drop_guard(), task }
    }

    async fn next(&mut self) -> Message {
        self.deliveries.recv().await.unwrap().message
    }

    async fn lines(&mut self, count: u64) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.push(String::from_utf8_lossy(&self.next().await.line).into_owned());
        }
        lines
    }

    /// Stops it; what it sent and nobody took.
    async fn end(mut self) -> u64 {
        drop(self.stop);
        self.task.await.unwrap().unwrap();
        let mut left = 0;
        while self.deliveries.recv().await.is_some() {
            left += 1;
        }
        left
    }
}

#[tokio::test]
async fn an_entry_becomes_a_message_with_its_labels_and_time() {
    let rules =
        vec![rename("__journal__systemd_unit", "unit"), rename("__journal_priority_keyword", "l")];
    let mut world = World::new(ENTRIES, rules, |block| block.labels.set("j", "x").unwrap());
    for index in (0..ENTRIES).filter(|index| index % 10 != 5) {
        let message = world.next().await;
        let keywords = ["emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"];
        let keyword = keywords[usize::try_from(index).unwrap() % 8];
        let unit = format!("unit-{}.service", index % 7);
        let expected = [("j", "x"), ("l", keyword), ("unit", &unit)];
        assert_eq!(message.labels.iter().collect::<Vec<_>>(), expected);
        assert_eq!(message.timestamp_ns, i64::try_from((FIRST_US + index * 1_000) * 1_000).ok());
        assert!(message.line.starts_with(format!("seq={index}").as_bytes()), "{index}");
    }
    let metrics = world.metrics.clone();
    assert_eq!(world.end().await, 0);
    assert_eq!(metrics.journal_errors.get(&["no_message"]).get(), 4);
    assert_eq!(metrics.journal_lines.get(), 36);
}

#[tokio::test]
async fn entries_without_labels_are_counted_and_those_dropped_by_a_rule_are_not() {
    let drop = RelabelConfig {
        source_labels: vec!["__journal_priority".to_owned()],
        regex: Some("0".to_owned()),
        action: Action::Drop,
        ..Default::default()
    };
    let only = rename("__journal_message_id", "id");
    let mut world =
        World::new(10, vec![RelabelRule::new(drop).unwrap(), only], |block| block.json = true);
    let line = world.lines(1).await.remove(0);
    assert!(
        line.starts_with(r#"{"MESSAGE_ID":"00000000000000000000000000000005","PRIORITY":"5","#),
        "{line}"
    );
    let folder = world.folder.path().to_path_buf();
    fixture::grow(&folder.join("system.journal"), 16);
    assert!(world.lines(1).await[0].contains("f\",\"PRIORITY\""));
    assert_eq!(world.metrics.journal_errors.get(&["empty_labels"]).get(), 12);
    assert_eq!(world.end().await, 0);
}

#[tokio::test]
async fn it_follows_what_is_appended_rotated_and_new() {
    let mut world = World::new(3, Vec::new(), |block| block.labels.set("a", "b").unwrap());
    let active = world.folder.path().join("system.journal");
    assert_eq!(world.lines(3).await[2], "seq=2 a line of a service");
    fixture::grow(&active, 5);
    assert_eq!(world.lines(2).await.len(), 2);
    fixture::grow(&active, 10);
    fixture::archive(&active);
    std::fs::rename(&active, world.folder.path().join("system@1.journal")).unwrap();
    fixture::write("lz4", &active, 2);
    let mut lines = world.lines(6).await;
    lines.sort();
    let numbers: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(numbers, ["seq=0", "seq=1", "seq=6", "seq=7", "seq=8", "seq=9"]);
    let machine = world.folder.path().join("3d1219c7c4c5404aaa1f6d2a48adfda4");
    std::fs::create_dir(&machine).unwrap();
    fixture::write("xz", &machine.join("user-1.journal"), 1);
    assert_eq!(world.lines(1).await, ["seq=0 a line of a service"]);
    assert_eq!(world.end().await, 0);
}

#[tokio::test]
async fn only_what_matches_and_is_young_enough_is_read() {
    let labels = |block: &mut config::Journal| block.labels.set("a", "b").unwrap();
    let mut world = World::new(ENTRIES, Vec::new(), |block| {
        labels(block);
        block.matches = "_SYSTEMD_UNIT=unit-2.service PRIORITY=1 PRIORITY=2".to_owned();
    });
    assert_eq!(world.lines(2).await, ["seq=2 a line of a service", "seq=9 a line of a service"]);
    assert_eq!(world.end().await, 0);
    let world = World::new(ENTRIES, Vec::new(), |block| {
        labels(block);
        block.max_age = config::Journal::default().max_age;
    });
    assert_eq!(world.end().await, 0, "the entries are years old");
}

#[tokio::test]
async fn a_damaged_file_is_counted_and_the_next_one_is_read() {
    let mut world = World::new(0, Vec::new(), |block| block.labels.set("a", "b").unwrap());
    std::fs::write(world.folder.path().join("a.journal"), [1; 1000]).unwrap();
    fixture::write("plain", &world.folder.path().join("b.journal"), 1);
    assert_eq!(world.lines(1).await.len(), 1);
    assert_eq!(world.metrics.journal_damage.get(&["file"]).get(), 1);
    assert_eq!(world.end().await, 0);
}

#[test]
fn a_bad_match_is_refused_at_the_start() {
    let block = config::Journal { matches: "kernel".to_owned(), ..Default::default() };
    let error = Journal::new(&block).unwrap_err().to_string();
    assert!(error.starts_with("journal: matches: \"kernel\" is not FIELD=value"), "{error}");
}
