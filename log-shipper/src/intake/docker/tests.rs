use daemon_runtime::durations::GoDuration;
use prometheus_model::relabel::{Action, RelabelConfig, RelabelRule};
use stack_tests::docker::{Container, Engine as FakeEngine, Output, Request};
use stack_tests::patience::{PATIENCE, await_condition};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::config::scrape_configs::DockerFilter;
use crate::intake::inlet::for_tests;
use crate::intake::message::{Delivery, Message};

/// Bytes of a line.
const LIMIT: usize = 50_000;

/// A source at work, and the engine that it reads.
struct World {
    engine: FakeEngine,
    inlet: Inlet,
    deliveries: mpsc::Receiver<Delivery>,
    stop: CancellationToken,
    running: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// Rules that make labels of what tests look at.
fn rules() -> Vec<RelabelRule> {
    let replaced = |source: &str, target: &str| RelabelConfig {
        source_labels: vec![source.to_owned()],
        target_label: Some(target.to_owned()),
        ..RelabelConfig::default()
    };
    let rules = [
        replaced("__meta_docker_container_name", "name"),
        replaced("__meta_docker_container_log_stream", "stream"),
        replaced("__meta_docker_network_name", "network"),
    ];
    rules.map(|rule| RelabelRule::new(rule).unwrap()).into()
}

fn dropping(source: &str, value: &str) -> RelabelRule {
    let rule = RelabelConfig {
        source_labels: vec![source.to_owned()],
        regex: Some(value.to_owned()),
        action: Action::Drop,
        ..RelabelConfig::default()
    };
    RelabelRule::new(rule).unwrap()
}

impl World {
    /// Looks only once by itself: what is found after that is found by events.
    fn new(rules: Vec<RelabelRule>) -> Self {
        Self::with(rules, |_| {}, |_| {})
    }

    fn with(
        rules: Vec<RelabelRule>,
        prepare: impl FnOnce(&FakeEngine),
        configure: impl FnOnce(&mut DockerSd),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = FakeEngine::at(&folder.path().join("docker.sock"));
        prepare(&engine);
        let mut config = DockerSd {
            host: engine.host(),
            refresh_interval: GoDuration::from_secs(3600),
            ..DockerSd::default()
        };
        configure(&mut config);
        let (inlet, deliveries) = for_tests(rules);
        let stop = CancellationToken::new();
        // A second block that finds the same containers changes nothing.
        let source = Docker::new(&[config.clone(), config], LIMIT).unwrap();
        let running = tokio::spawn(source.run(inlet.clone(), stop.clone()));
        Self { engine, inlet, deliveries, stop, running, _folder: folder }
    }

    /// Waits until events are told.
    fn listening(&self) {
        self.requests("events", |requests| requests.iter().any(Request::is_events));
    }

    fn requests(&self, what: &str, condition: impl Fn(&[Request]) -> bool) {
        let came = tokio::task::block_in_place(|| self.engine.wait_for(PATIENCE, condition));
        assert!(came, "no request: {what}");
    }

    async fn message(&mut self) -> Message {
        let next = tokio::time::timeout(PATIENCE, self.deliveries.recv()).await;
        next.expect("a line arrives").expect("the source runs").message
    }

    /// The next line: its text, after its labels.
    async fn line(&mut self) -> String {
        let message = self.message().await;
        let labels: Vec<&str> = message.labels.iter().map(|(_, value)| value).collect();
        format!("{} {}", labels.join(","), String::from_utf8(message.line).unwrap())
    }

    /// Stops the source; nothing more may have come.
    async fn finish(mut self) {
        self.stop.cancel();
        self.running.await.unwrap();
        assert!(self.deliveries.try_recv().is_err(), "nothing else was sent");
    }
}

fn waiting(what: &str, condition: impl FnMut() -> bool) {
    tokio::task::block_in_place(|| await_condition(what, condition));
}

fn named(name: &str) -> Container {
    Container::named(name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_read_from_its_first_line_on_with_the_labels_of_its_streams() {
    let mut world = World::with(
        rules(),
        |engine| {
            engine.add_network(serde_json::json!({"Id": "n1", "Name": "backend", "Labels": null}));
            let network = Some(("net".to_owned(), "n1".to_owned(), "10.0.0.2".to_owned()));
            let web = engine.run(Container { network, ..named("web") });
            let time = 1_700_000_000_000_000_007;
            engine.write_at(&web, Output::Stdout, "before\n", time);
        },
        |_| {},
    );
    let first = world.message().await;
    assert_eq!(first.timestamp_ns, Some(1_700_000_000_000_000_007));
    assert_eq!(first.line, b"before");
    let (cursor, number) = first.mark.unwrap();
    assert_eq!(cursor.key(), format!("cursor-{:064x}", 1));
    cursor.progress().advance(number + 1, None);
    let saved = "1700000000 1700000000000000007+1 0+0";
    assert_eq!(cursor.reached().as_deref(), Some(saved));
    let web = format!("{:064x}", 1);
    world.engine.write(&web, Output::Stderr, "one\ntwo\n");
    assert_eq!(world.line().await, "/web,backend,stderr one");
    assert_eq!(world.line().await, "/web,backend,stderr two");
    assert_eq!(world.inlet.metrics().docker_entries.get(), 3);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_show_containers_that_are_gone_before_anybody_looks_again() {
    let mut world = World::new(rules());
    world.listening();
    let quick = world.engine.run(named("quick"));
    world.engine.write(&quick, Output::Stdout, "hello\nlast words");
    world.engine.stop(&quick);
    assert_eq!(world.line().await, "/quick,stdout hello");
    assert_eq!(world.line().await, "/quick,stdout last words");
    world.engine.start(&quick);
    world.engine.write(&quick, Output::Stdout, "again\n");
    assert_eq!(world.line().await, "/quick,stdout again");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_events_a_container_that_ended_between_two_looks_is_found() {
    let mut world = World::with(
        rules(),
        |engine| {
            engine.refuse("/events", Some(403));
            engine.refuse("/networks", Some(403));
            let old = engine.run(named("old"));
            engine.write(&old, Output::Stdout, "none of ours: it had ended before\n");
            engine.stop_at(&old, 1_000_000_000);
        },
        |config| config.refresh_interval = GoDuration::from_secs(1),
    );
    world.requests("two lists", |requests| {
        requests.iter().filter(|request| request.path == "/containers/json").count() > 2
    });
    let quick = world.engine.create(named("quick"));
    world.engine.start(&quick);
    world.engine.write(&quick, Output::Stdout, "hello\n");
    world.engine.stop(&quick);
    assert_eq!(world.line().await, "/quick,stdout hello");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_rules_drop_is_not_asked_for() {
    let mut rules = rules();
    rules.push(dropping("__meta_docker_container_log_stream", "stderr"));
    rules.push(dropping("__meta_docker_container_name", "/noisy"));
    let mut world = World::with(
        rules,
        |engine| {
            let noisy = engine.run(named("noisy"));
            engine.write(&noisy, Output::Stdout, "dropped\n");
            let web = engine.run(named("web"));
            engine.write(&web, Output::Stderr, "dropped\n");
            engine.write(&web, Output::Stdout, "kept\n");
        },
        |_| {},
    );
    assert_eq!(world.line().await, "/web,stdout kept");
    let requests = world.engine.requests();
    let logs: Vec<_> = requests.iter().filter(|request| request.path.ends_with("/logs")).collect();
    assert_eq!(logs.len(), 1);
    assert_eq!((&*logs[0].query["stdout"], &*logs[0].query["stderr"]), ("1", "0"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_name_changes_the_labels_without_repeating_a_line() {
    let mut world = World::new(rules());
    world.listening();
    let web = world.engine.run(named("web"));
    world.engine.write(&web, Output::Stdout, "one\n");
    assert_eq!(world.line().await, "/web,stdout one");
    world.engine.rename(&web, "www");
    let asked = |requests: &[Request]| {
        requests.iter().filter(|request| request.is_log_of(&web)).count() == 2
    };
    world.requests("the log again", asked);
    world.engine.write(&web, Output::Stdout, "two\n");
    assert_eq!(world.line().await, "/www,stdout two");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_restarts_loses_and_repeats_nothing() {
    let mut world = World::new(rules());
    world.listening();
    let web = world.engine.run(named("web"));
    // Equal times, of both streams: only counting tells them apart.
    let time = 1_700_000_000_000_000_000;
    world.engine.write_at(&web, Output::Stdout, "a\nb\n", time);
    world.engine.write_at(&web, Output::Stderr, "c\n", time - 1);
    // A part of a line is out, the rest not yet.
    let part = "x".repeat(16 << 10);
    world.engine.write_at(&web, Output::Stdout, &part, time + 5);
    for expected in ["stdout a", "stdout b", "stderr c"] {
        assert_eq!(world.line().await, format!("/web,{expected}"));
    }
    world.engine.end_serving();
    world.engine.write_at(&web, Output::Stdout, "end\n", time + 5);
    world.engine.write_at(&web, Output::Stderr, "d\n", time - 1);
    let other = world.engine.run(named("other"));
    world.engine.write(&other, Output::Stdout, "e\n");
    world.engine.stop(&other);
    world.engine.begin_serving();
    let mut lines = [world.line().await, world.line().await, world.line().await];
    lines.sort();
    let whole = format!("/web,stdout {part}end");
    assert_eq!(lines, ["/other,stdout e", "/web,stderr d", &whole]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lines_are_cut_and_counted_and_a_terminal_is_read_too() {
    let mut world = World::with(
        rules(),
        |engine| {
            let web = engine.run(Container { tty: true, ..named("sh") });
            engine.write(&web, Output::Stdout, &format!("$ ls\n{}\n", "x".repeat(120_000)));
            engine.write(&web, Output::Stdout, &format!("{}\n$ ", "y".repeat(40_000)));
            engine.write(&web, Output::Stdout, "exit\n");
        },
        |_| {},
    );
    assert_eq!(world.line().await, "/sh,stdout $ ls");
    assert_eq!(world.message().await.line.len(), LIMIT + 1, "it is known to be too long");
    assert_eq!(world.line().await, format!("/sh,stdout {}", "y".repeat(40_000)));
    assert_eq!(world.line().await, "/sh,stdout $ exit");
    assert_eq!(world.inlet.metrics().docker_lines_cut.get(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_a_container_that_is_deleted() {
    let mut world = World::new(rules());
    world.listening();
    let web = world.engine.run(named("web"));
    world.engine.write(&web, Output::Stdout, "one\n");
    let (cursor, number) = world.message().await.mark.unwrap();
    cursor.progress().advance(number + 1, None);
    assert_eq!(world.inlet.positions.snapshot().len(), 2, "Promtail's place, and the exact one");
    world.engine.stop(&web);
    world.engine.remove(&web);
    let inlet = world.inlet.clone();
    waiting("its place is forgotten", || inlet.positions.snapshot().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_the_engine_does_not_give_is_counted_and_hides_no_other() {
    let mut world = World::with(
        rules(),
        |engine| {
            let syslog = engine.run(named("syslog"));
            engine.refuse(&format!("{syslog}/logs"), Some(501));
            let web = engine.run(named("web"));
            engine.write(&web, Output::Stdout, "one\n");
        },
        |config| {
            let (name, values) = ("name".to_owned(), vec!["web".to_owned(), "sys".to_owned()]);
            config.filters = vec![DockerFilter { name, values }];
        },
    );
    assert_eq!(world.line().await, "/web,stdout one");
    let metrics = world.inlet.metrics().clone();
    waiting("it is counted", || metrics.docker_unreadable.get() == 1);
    world.finish().await;
    assert!(metrics.docker_containers.get().abs() < f64::EPSILON, "no reader is left");
}
