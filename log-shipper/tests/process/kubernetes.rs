//! Pods come and go, the API server too: every line arrives under its pod's labels.
//!
//! Patterns are searched at the start and when somebody says that something changed, never by time:
//! the configuration sets the period to an hour.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use stack_tests::kubernetes::{ApiServer, Forgotten, node, pod};
use stack_tests::loki::{Entry, Fault};

use crate::fixture::{Fixture, PATIENCE, wait};

/// The rules of Promtail's Helm chart; `LOGS` stands for the folder with the logs of pods.
const CHART: &str = r"
server: {log_level: info, log_format: logfmt, http_listen_port: 0, http_listen_address: 127.0.0.1}
clients:
  - url: PUSH_URL
    batchwait: 50ms
positions: {filename: FOLDER/positions.yaml, sync_period: 50ms}
limits_config:
tracing: {enabled: false}
target_config: {sync_period: 1h}
scrape_configs:
  - job_name: kubernetes-pods
    kubernetes_sd_configs: [{role: pod, CLUSTER}]
    pipeline_stages: [{cri: {}}]
    relabel_configs:
      - {source_labels: [__meta_kubernetes_pod_controller_name], regex: '([0-9a-z-.]+?)(?:-[0-9a-f]{8,10})?', target_label: __tmp_controller_name}
      - source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_name, __meta_kubernetes_pod_label_app, __tmp_controller_name, __meta_kubernetes_pod_name]
        regex: ';*([^;]+)(?:;.*)?'
        target_label: app
      - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_instance, __meta_kubernetes_pod_label_instance], regex: ';*([^;]+)(?:;.*)?', target_label: instance}
      - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_component, __meta_kubernetes_pod_label_component], regex: ';*([^;]+)(?:;.*)?', target_label: component}
      - {source_labels: [__meta_kubernetes_pod_node_name], target_label: node_name}
      - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
      - {source_labels: [namespace, app], separator: /, target_label: job}
      - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
      - {source_labels: [__meta_kubernetes_pod_container_name], target_label: container}
      - {source_labels: [__meta_kubernetes_pod_uid, __meta_kubernetes_pod_container_name], separator: /, replacement: 'LOGS/*$1/*.log', target_label: __path__}
      - source_labels: [__meta_kubernetes_pod_annotationpresent_kubernetes_io_config_hash, __meta_kubernetes_pod_annotation_kubernetes_io_config_hash, __meta_kubernetes_pod_container_name]
        separator: /
        regex: 'true/(.*)'
        replacement: 'LOGS/*$1/*.log'
        target_label: __path__
";

/// A node with its API server, its logs and its shipper.
struct World {
    fixture: Fixture,
    api: ApiServer,
    /// The number of the next line.
    next: usize,
}

impl World {
    fn new() -> Self {
        let fixture = Fixture::new();
        fs::create_dir(fixture.path("pods")).unwrap();
        Self { fixture, api: ApiServer::local(), next: 0 }
    }

    fn config(&self, cluster: &str) -> String {
        let folder = self.fixture.folder.path().display().to_string();
        CHART
            .replace("PUSH_URL", &self.fixture.receiver.push_url())
            .replace("CLUSTER", cluster)
            .replace("LOGS", &format!("{folder}/pods"))
            .replace("FOLDER", &folder)
    }

    fn start(&mut self) {
        let cluster = format!("api_server: '{}'", self.api.url());
        self.fixture.start(&self.config(&cluster));
    }

    fn log_of(&self, pod: &Value, container: &str) -> PathBuf {
        let text = |name: &str| pod["metadata"][name].as_str().unwrap();
        let hash = pod["metadata"]["annotations"]["kubernetes.io/config.hash"].as_str();
        let id = hash.unwrap_or(text("uid"));
        let folder = format!("pods/{}_{}_{id}/{container}", text("namespace"), text("name"));
        self.fixture.path(&folder).join("0.log")
    }

    /// Appends numbered lines to a container's log, as containerd does.
    fn write(&mut self, pod: &Value, container: &str, lines: usize) {
        let path = self.log_of(pod, container);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut text = String::new();
        for number in self.next..self.next + lines {
            text += &format!("2026-01-01T00:00:00Z stdout F seq={number} of {container}\n");
        }
        self.next += lines;
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn wait_for_all(&self) {
        self.fixture.wait_for_all(self.next);
    }

    /// Waits until the API server has seen so many accepted watches of a path.
    fn wait_for_watches(&self, path: &str, count: usize) {
        let arrived = self.api.wait_for(PATIENCE, |requests| {
            requests.iter().filter(|request| request.path == path && request.is_watch()).count()
                >= count
        });
        assert!(arrived, "{:?}\n{}", self.api.requests(), self.fixture.shipper_log());
    }

    fn entry(&self, text: &str) -> Entry {
        let has_text = |entry: &Entry| String::from_utf8_lossy(&entry.line).contains(text);
        let found = self.fixture.receiver.entries().into_iter().find(has_text);
        found.unwrap_or_else(|| panic!("no line has {text}"))
    }

    fn count_of(&self, text: &str) -> usize {
        self.fixture.shipper_log().matches(text).count()
    }
}

const PODS: &str = "/api/v1/pods";

#[test]
fn the_helm_charts_configuration_gives_every_container_its_labels() {
    let mut world = World::new();
    let mut gateway = pod("web", "gw-7d9f8c6b5-x2x4z", "test-node");
    gateway["metadata"]["ownerReferences"] =
        json!([{"kind": "ReplicaSet", "name": "gw-7d9f8c6b5", "controller": true}]);
    gateway["metadata"]["labels"] = json!({"instance": "blue"});
    gateway["spec"]["initContainers"] = json!([{"name": "setup", "image": "setup:1"}]);
    let mut model = pod("ml", "vllm-0", "test-node");
    model["metadata"]["labels"] = json!({"app.kubernetes.io/name": "vllm", "app": "other",
        "app.kubernetes.io/component": "server"});
    model["spec"]["containers"][0]["ports"] = json!([{"name": "http", "containerPort": 8000,
        "protocol": "TCP"}, {"name": "metrics", "containerPort": 8001, "protocol": "TCP"}]);
    let mut mirror = pod("kube-system", "etcd-test-node", "test-node");
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.hash": "0123abcd"});
    let elsewhere = pod("ml", "far-0", "another-node");
    let mut unborn = pod("ml", "unborn-0", "test-node");
    unborn["status"]["podIP"] = json!("");
    for known in [&gateway, &model, &mirror, &elsewhere, &unborn] {
        world.api.set("pods", known.clone());
    }
    world.write(&gateway, "main", 1);
    world.write(&gateway, "setup", 1);
    world.write(&model, "main", 1);
    world.write(&mirror, "main", 1);
    world.start();
    world.wait_for_all();
    let expected = [
        (
            "seq=0 ",
            "app=gw component= container=main instance=blue job=web/gw namespace=web pod=gw-7d9f8c6b5-x2x4z",
        ),
        (
            "seq=1 ",
            "app=gw component= container=setup instance=blue job=web/gw namespace=web pod=gw-7d9f8c6b5-x2x4z",
        ),
        (
            "seq=2 ",
            "app=vllm component=server container=main instance= job=ml/vllm namespace=ml pod=vllm-0",
        ),
        (
            "seq=3 ",
            "app=etcd-test-node component= container=main instance= job=kube-system/etcd-test-node namespace=kube-system pod=etcd-test-node",
        ),
    ];
    for (line, expected) in expected {
        let labels = world.entry(line).labels;
        let get = |name: &str| labels.get(name).unwrap_or_default().to_owned();
        let shown: Vec<String> =
            ["app", "component", "container", "instance", "job", "namespace", "pod"]
                .iter()
                .map(|name| format!("{name}={}", get(name)))
                .collect();
        assert_eq!(shown.join(" "), expected);
        assert_eq!((&*get("node_name"), &*get("stream")), ("test-node", "stdout"));
        assert!(get("filename").ends_with("/0.log"));
        let empty = ["component", "instance"].iter().filter(|name| get(name).is_empty()).count();
        assert_eq!(labels.len(), 10 - empty, "{labels}");
    }
    // The pod without an address gets one, and its log is read from its beginning.
    world.write(&unborn, "main", 5);
    unborn["status"]["podIP"] = json!("10.1.2.4");
    world.api.set("pods", unborn.clone());
    world.wait_for_all();
    let selectors: Vec<_> = world.api.requests().into_iter().map(|request| request.query).collect();
    assert!(
        selectors.iter().all(|query| query["fieldSelector"] == "spec.nodeName=test-node"),
        "{selectors:?}"
    );
    assert_eq!(world.fixture.duplicates(), 0);
    assert!(world.fixture.terminate().success());
}

#[test]
fn a_new_pod_is_followed_at_once_and_a_deleted_one_is_read_to_its_end() {
    let mut world = World::new();
    world.start();
    world.wait_for_watches(PODS, 1);
    let fresh = pod("ml", "fresh-0", "test-node");
    world.api.set("pods", fresh.clone());
    world.write(&fresh, "main", 10);
    world.wait_for_all();
    // A backlog that nobody takes, then the pod goes, and its folder with it.
    world.fixture.receiver.set_fault(Fault::Status(503, None));
    for folder_goes in [false, true] {
        let name = format!("batch-{folder_goes}");
        let batch = pod("ml", &name, "test-node");
        world.api.set("pods", batch.clone());
        world.write(&batch, "main", 50_000);
        let path = world.log_of(&batch, "main");
        world.fixture.wait_for_log(&format!("path={} position=0", path.display()));
        world.api.remove("pods", "ml", &name);
        if folder_goes {
            fs::remove_dir_all(path.parent().unwrap().parent().unwrap()).unwrap();
        }
    }
    world.api.remove("pods", "ml", "fresh-0");
    world.fixture.receiver.set_fault(Fault::None);
    world.wait_for_all();
    let left = format!("path={} ", world.log_of(&fresh, "main").display());
    let is_left = || {
        let log = world.fixture.shipper_log();
        log.lines().any(|line| line.contains("its target is gone") && line.contains(&left))
    };
    wait("the deleted pod to be left", is_left, || world.fixture.shipper_log());
    // What is written afterwards belongs to nobody; another pod's lines show that it had its chance.
    let mut stray = OpenOptions::new().append(true).open(world.log_of(&fresh, "main")).unwrap();
    stray.write_all(b"2026-01-01T00:00:00Z stdout F stray\n").unwrap();
    let last = pod("ml", "last-0", "test-node");
    world.api.set("pods", last.clone());
    world.write(&last, "main", 10);
    world.wait_for_all();
    assert_eq!(world.fixture.receiver.count(r#"{pod="fresh-0"}"#), 10);
    assert_eq!(world.fixture.duplicates(), 0);
}

#[test]
fn a_pod_whose_labels_change_goes_on_under_the_new_ones() {
    let mut world = World::new();
    let mut changing = pod("ml", "vllm-0", "test-node");
    world.api.set("pods", changing.clone());
    world.write(&changing, "main", 1_000);
    world.start();
    world.wait_for_all();
    changing["metadata"]["labels"] = json!({"app": "renamed"});
    world.api.set("pods", changing.clone());
    world.write(&changing, "main", 1_000);
    world.wait_for_all();
    // Lines of the moment of the change may have either label; later ones have the new one.
    world.fixture.wait_for_log("get other labels");
    world.write(&changing, "main", 1_000);
    world.wait_for_all();
    let renamed = world.fixture.receiver.count(r#"{app="renamed"}"#);
    assert!((1_000..=2_000).contains(&renamed), "{renamed}");
    assert_eq!(world.fixture.duplicates(), 0);
}

#[test]
fn an_api_server_that_is_away_costs_nothing_but_news() {
    let mut world = World::new();
    let early = pod("ml", "early-0", "test-node");
    world.api.set("pods", early.clone());
    world.write(&early, "main", 100);
    world.api.stop();
    world.start();
    let failing = "cannot be followed, keeping the last targets";
    world.fixture.wait_for_log(failing);
    assert!(world.fixture.page("/metrics").contains("log_shipper_kubernetes_watches_failing 1"));
    world.api.start();
    world.wait_for_all();
    world.wait_for_watches(PODS, 1);
    for round in 1..=2 {
        world.api.stop();
        wait(
            "the outage to be noticed",
            || world.count_of(failing) == round + 1,
            || world.fixture.shipper_log(),
        );
        // Known pods are followed on; what happens meanwhile is learnt afterwards.
        world.write(&early, "main", 100);
        world.wait_for_all();
        let name = format!("during-{round}");
        let during = pod("ml", &name, "test-node");
        world.api.set("pods", during.clone());
        world.write(&during, "main", 100);
        world.api.start();
        world.wait_for_all();
        world.fixture.wait_for_log("are followed again");
    }
    assert_eq!(world.count_of(failing), 3, "once for each outage");
    let works =
        || world.fixture.page("/metrics").contains("log_shipper_kubernetes_watches_failing 0");
    wait("the metric", works, || world.fixture.shipper_log());
    assert_eq!(world.fixture.duplicates(), 0);
    assert!(world.fixture.terminate().success());
}

#[test]
fn a_token_that_is_rotated_is_read_again() {
    let mut world = World::new();
    let token = world.fixture.path("token");
    fs::write(&token, "first\n").unwrap();
    world.api.require_token("first");
    let cluster =
        format!("api_server: '{}', bearer_token_file: {}", world.api.url(), token.display());
    world.fixture.start(&world.config(&cluster));
    world.wait_for_watches(PODS, 1);
    world.api.require_token("second");
    world.api.end_watches();
    let refused = world.api.wait_for(PATIENCE, |requests| {
        requests.last().is_some_and(|request| request.status == 401)
    });
    assert!(refused, "{}", world.fixture.shipper_log());
    fs::write(&token, "second\n").unwrap();
    let late = pod("ml", "late-0", "test-node");
    world.api.set("pods", late.clone());
    world.write(&late, "main", 100);
    world.wait_for_all();
    let log = world.fixture.shipper_log();
    assert!(log.contains("401") && !log.contains("second"), "{log}");
}

#[test]
fn forgotten_versions_are_listed_anew_and_bookmarks_keep_them_fresh() {
    let mut world = World::new();
    let kept = pod("ml", "kept-0", "test-node");
    let dropped = pod("ml", "dropped-0", "test-node");
    world.api.set("pods", kept.clone());
    world.api.set("pods", dropped.clone());
    world.write(&kept, "main", 100);
    world.write(&dropped, "main", 100);
    world.start();
    world.wait_for_all();
    let lists =
        |world: &World| world.api.requests().iter().filter(|request| request.is_list()).count();
    for (round, told) in [Forgotten::ByStatus, Forgotten::ByEvent].into_iter().enumerate() {
        world.wait_for_watches(PODS, 1);
        world.api.stop();
        let during = pod("ml", &format!("during-{round}"), "test-node");
        world.api.remove("pods", "ml", "dropped-0");
        world.api.set("pods", during.clone());
        world.api.forget_history(told);
        world.api.start();
        world.write(&during, "main", 100);
        world.write(&kept, "main", 100);
        world.wait_for_all();
        assert_eq!(lists(&world), round + 2);
    }
    // Much happens elsewhere; the bookmark says up to where nothing is missing.
    for _ in 0..100 {
        world.api.set("pods", pod("ml", "far-0", "another-node"));
    }
    world.api.bookmark();
    world.api.end_watches();
    let caught_up = world.api.wait_for(PATIENCE, |requests| {
        requests.last().is_some_and(|request| {
            request.is_watch() && request.query["resourceVersion"].parse::<u64>().unwrap() > 100
        })
    });
    assert!(caught_up, "{:?}", world.api.requests().last());
    world.write(&kept, "main", 100);
    world.wait_for_all();
    assert_eq!(lists(&world), 3, "{}", world.fixture.shipper_log());
    assert_eq!(world.fixture.duplicates(), 0);
}

#[test]
fn five_hundred_pods_are_listed_in_pages_and_all_lines_arrive() {
    const PODS_OF_NODE: usize = 500;
    let mut world = World::new();
    let pods: Vec<Value> = (0..PODS_OF_NODE)
        .map(|number| {
            let mut pod = pod("load", &format!("pod-{number}"), "test-node");
            pod["metadata"]["labels"] = json!({"app": format!("app-{}", number % 50)});
            pod["spec"]["containers"] = json!([{"name": "main", "image": "m:1",
                "ports": [{"containerPort": 80}]}, {"name": "sidecar", "image": "s:1"}]);
            pod
        })
        .collect();
    for pod in &pods[..400] {
        world.api.set("pods", pod.clone());
    }
    world.api.set_page_limit(60);
    for pod in &pods[..400] {
        world.write(pod, "main", 10);
        world.write(pod, "sidecar", 10);
    }
    world.start();
    world.wait_for_all();
    let pages = world.api.requests().iter().filter(|request| !request.is_watch()).count();
    assert_eq!(pages, 7);
    // The rest comes as a burst of events.
    for pod in &pods[400..] {
        world.api.set("pods", pod.clone());
        world.write(pod, "main", 10);
        world.write(pod, "sidecar", 10);
    }
    world.wait_for_all();
    for pod in &pods {
        world.write(pod, "main", 2);
    }
    for pod in pods.iter().step_by(2) {
        let name = pod["metadata"]["name"].as_str().unwrap();
        world.api.remove("pods", "load", name);
    }
    world.wait_for_all();
    assert_eq!(world.fixture.duplicates(), 0);
    let count = |selector: &str| world.fixture.receiver.count(selector);
    assert_eq!(count(r#"{job="load/app-7", container="sidecar"}"#), 100);
    assert_eq!(count(r#"{pod="pod-77", container="main"}"#), 12);
    assert_eq!(count(r#"{namespace="load", node_name="test-node"}"#), world.next as u64);
    let peak = world.fixture.peak_memory_bytes();
    assert!(peak < 96 << 20, "{peak} bytes");
}

#[test]
fn a_kubeconfig_and_labels_of_the_node_are_used() {
    let mut world = World::new();
    world.api.require_token("t0ken");
    let kubeconfig = json!({
        "current-context": "dev",
        "contexts": [{"name": "dev", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": world.api.url()}}],
        "users": [{"name": "u", "user": {"token": "t0ken"}}],
    });
    let path = world.fixture.path("kubeconfig");
    fs::write(&path, kubeconfig.to_string()).unwrap();
    world.api.set("nodes", node("test-node", &[("zone", "a")]));
    world.api.set("nodes", node("another-node", &[("zone", "b")]));
    let near = pod("ml", "near-0", "test-node");
    world.api.set("pods", near.clone());
    let cluster = format!(
        "kubeconfig_file: {}, attach_metadata: {{node: true}}, namespaces: {{names: [ml]}}",
        path.display()
    );
    let config = world.config(&cluster);
    let rule = "    relabel_configs:\n      - {source_labels: [__meta_kubernetes_node_label_zone], target_label: zone}\n      - {source_labels: [zone], action: drop, regex: ''}\n";
    world.fixture.start(&config.replace("    relabel_configs:\n", rule));
    world.write(&near, "main", 10);
    world.wait_for_all();
    assert_eq!(world.entry("seq=0 ").labels.get("zone"), Some("a"));
    let paths: BTreeMap<String, String> = world
        .api
        .requests()
        .into_iter()
        .map(|request| (request.path, request.query["fieldSelector"].clone()))
        .collect();
    let expected = BTreeMap::from([
        ("/api/v1/namespaces/ml/pods".to_owned(), "spec.nodeName=test-node".to_owned()),
        ("/api/v1/nodes".to_owned(), "metadata.name=test-node".to_owned()),
    ]);
    assert_eq!(paths, expected);
    assert!(!world.fixture.shipper_log().contains("t0ken"));
}

#[test]
fn other_roles_are_refused_at_the_start() {
    let fixture = Fixture::new();
    let path = fixture.path("promtail.yaml");
    fs::write(
        &path,
        "clients: [{url: 'http://127.0.0.1:1/'}]
scrape_configs: [{job_name: a, kubernetes_sd_configs: [{role: service, api_server: 'http://k'}]}]",
    )
    .unwrap();
    let ended = crate::fixture::run(&["-config.file", path.to_str().unwrap()]);
    assert_eq!(ended.code, 1);
    let said = "kubernetes_sd_configs: role service is not supported: role pod is accepted";
    assert!(ended.stdout.contains(said), "{ended:?}");
}
