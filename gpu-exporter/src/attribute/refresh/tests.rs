//! Against a kubelet that speaks gRPC on a real socket.

use std::thread::JoinHandle;

use stack_tests::kubelet::{Answers, Container, Kubelet, Pod};
use stack_tests::patience::await_condition;
use tempfile::TempDir;

use super::super::device_ids::tests::{gpu, two_gpus};
use super::super::owner::Owner;
use super::*;

/// A node: a directory for sockets, and the attribution at work.
struct Node {
    directory: TempDir,
    config: Attribution,
    known: watch::Sender<Arc<KnownDevices>>,
    board: Arc<Board>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Attribution {
            pod_resources_socket: directory.path().join("resources.sock"),
            pods_sockets: vec![directory.path().join("none"), directory.path().join("pods.sock")],
            interval: Duration::from_millis(5),
            pod_labels: vec!["^team$".to_owned()],
            ..Attribution::default()
        };
        Self {
            directory,
            config,
            known: watch::Sender::new(Arc::new(two_gpus())),
            board: Arc::default(),
            stop: CancellationToken::new(),
            thread: None,
        }
    }

    fn kubelet(&self) -> Kubelet {
        Kubelet::start(self.config.pod_resources_socket.clone())
    }

    fn start(&mut self) {
        let task = run(
            self.config.clone(),
            self.known.subscribe(),
            Arc::clone(&self.board),
            self.stop.clone(),
        );
        self.thread = Some(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(task).unwrap();
        }));
    }

    /// The owners of the first GPU.
    fn owners(&self) -> Vec<Owner> {
        let of = |index| self.board.current().of(&DeviceKey::Gpu(gpu(index).uuid.clone())).to_vec();
        of(0).iter().map(|allocation| allocation.owner.as_ref().clone()).collect()
    }

    fn pods(&self) -> Vec<String> {
        self.owners().into_iter().map(|owner| owner.pod).collect()
    }

    fn await_pods(&self, pods: &[&str]) {
        await_condition(&format!("the first GPU has {pods:?}"), || self.pods() == pods);
    }

    fn errors(&self, reason: &str) -> u64 {
        self.board.errors.get(&[POD_RESOURCES, reason]).get()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

fn pod(name: &str, id: &str) -> Pod {
    let container = Container::new("server").device("nvidia.com/gpu", &[id]);
    Pod::new("ml", name).container(container)
}

fn first_gpu() -> String {
    gpu(0).uuid.clone()
}

#[test]
fn pods_come_and_go() {
    let mut node = Node::new();
    let kubelet = node.kubelet();
    node.start();
    for number in 0..20 {
        let name = format!("chat-{number}");
        kubelet.set_pods(vec![pod(&name, &first_gpu())]);
        node.await_pods(&[&name]);
    }
    kubelet.set_pods(Vec::new());
    node.await_pods(&[]);
    assert_eq!(node.board.current().by_device.len(), 0);
    assert_eq!(kubelet.connections(), 1, "one connection for all of it");
}

#[test]
fn a_shared_gpu_has_all_its_pods() {
    let mut node = Node::new();
    let kubelet = node.kubelet();
    let replica = |number: u32| format!("{}::{number}", first_gpu());
    kubelet.set_pods(vec![pod("a", &replica(0)), pod("b", &replica(1))]);
    node.start();
    node.await_pods(&["a", "b"]);
}

#[test]
fn a_kubelet_that_restarts_is_asked_again_and_until_then_nothing_changes() {
    let mut node = Node::new();
    let mut kubelet = node.kubelet();
    kubelet.set_pods(vec![pod("before", &first_gpu())]);
    node.start();
    node.await_pods(&["before"]);
    kubelet.stop();
    await_condition("failures are counted", || node.errors("connect") > 1);
    assert_eq!(node.pods(), ["before"]);
    kubelet.set_pods(vec![pod("after", &first_gpu())]);
    kubelet.start_again();
    node.await_pods(&["after"]);
}

#[test]
fn a_kubelet_that_comes_late_is_found() {
    let mut node = Node::new();
    node.start();
    await_condition("it was looked for", || node.errors("connect") > 1);
    let kubelet = node.kubelet();
    kubelet.set_pods(vec![pod("late", &first_gpu())]);
    node.await_pods(&["late"]);
}

#[test]
fn replies_that_are_wrong_change_nothing_and_are_counted() {
    let mut node = Node::new();
    let kubelet = node.kubelet();
    kubelet.set_pods(vec![pod("a", &first_gpu())]);
    node.start();
    node.await_pods(&["a"]);
    // a pod less than before, if a part of a reply counted
    kubelet.set_pods(vec![pod("b", &gpu(1).uuid), pod("c", &first_gpu())]);
    for (answers, reason) in [
        (Answers::Status(8), "status"),
        (Answers::StatusAfterPods(13), "status"),
        (Answers::CutOff(90), "transport"),
        (Answers::Body(b"garbage".to_vec()), "reply"),
        (Answers::Body(vec![0, 0, 0, 0, 2, 0x0A]), "reply"),
        (Answers::Body(vec![0, 0xFF, 0xFF, 0xFF, 0xFF]), "reply"),
        (Answers::Body(vec![]), "reply"),
    ] {
        let before = node.errors(reason);
        kubelet.answer(answers.clone());
        await_condition(&format!("{answers:?} is counted as {reason}"), || {
            node.errors(reason) > before
        });
        assert_eq!(node.pods(), ["a"], "after {answers:?}");
        if reason == "status" {
            assert_eq!(kubelet.connections(), 1, "a refusal says nothing against the connection");
        }
    }
    kubelet.answer(Answers::Pods);
    node.await_pods(&["c"]);
}

#[test]
fn a_pod_that_cannot_be_read_costs_no_other() {
    let mut node = Node::new();
    let kubelet = node.kubelet();
    let good = pod("good", &first_gpu()).resources_message();
    let mut message = vec![0x0A, 2, 0x0A, 9, 0x0A, u8::try_from(good.len()).unwrap()];
    message.extend(&good);
    let mut body = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    body.extend(message);
    kubelet.answer(Answers::Body(body));
    node.start();
    node.await_pods(&["good"]);
    assert!(node.board.malformed_pods.get() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_kubelet_is_given_up_after_a_while_and_asked_anew() {
    let node = Node::new();
    let kubelet = node.kubelet();
    kubelet.set_pods(vec![pod("a", &first_gpu())]);
    kubelet.answer(Answers::Nothing);
    let mut refresher = Refresher::new(node.config.clone()).unwrap();
    let begin = Instant::now();
    refresher.refresh(&Arc::new(two_gpus()), &node.board).await;
    assert_eq!(begin.elapsed().as_secs(), CALL_LIMIT.as_secs());
    assert_eq!(node.errors("timeout"), 1);

    tokio::time::resume();
    kubelet.answer(Answers::Pods);
    refresher.refresh(&Arc::new(two_gpus()), &node.board).await;
    assert_eq!(node.pods(), ["a"]);
    assert_eq!(kubelet.connections(), 2);
}

#[test]
fn a_reply_that_comes_late_is_waited_for() {
    let mut node = Node::new();
    let kubelet = node.kubelet();
    kubelet.set_pods(vec![pod("a", &first_gpu())]);
    kubelet.answer(Answers::Nothing);
    node.start();
    await_condition("it was asked", || kubelet.calls() == 1);
    kubelet.answer(Answers::Pods);
    node.await_pods(&["a"]);
    assert_eq!(kubelet.connections(), 1);
}

#[test]
fn nodes_of_every_size_are_read() {
    for others in [0, 110, 3_000, 15_000] {
        let mut node = Node::new();
        let kubelet = node.kubelet();
        kubelet.add_others(others);
        node.start();
        await_condition("there was an answer", || node.board.current().taken.is_some());
        assert_eq!(node.board.current().by_device.len(), 0);
    }
}

#[tokio::test]
async fn a_reply_of_more_than_16_mib_is_read_to_its_end() {
    let node = Node::new();
    let kubelet = node.kubelet();
    kubelet.add_others(80_000);
    let mut channel = Channel::new(node.config.pod_resources_socket.clone(), CALL_LIMIT);
    let (mut bytes, mut pods) = (0, 0);
    let on_field = |_, pod: &[u8]| {
        bytes += pod.len();
        pods += 1;
    };
    channel.call("/v1.PodResourcesLister/List", &[], on_field).await.unwrap();
    assert_eq!(pods, 80_000);
    assert!(bytes > 16 << 20, "{bytes} bytes");
}

#[test]
fn a_gpu_that_appears_is_given_to_its_pod_at_once() {
    let mut node = Node::new();
    node.config.interval = Duration::from_hours(1);
    node.known.send_replace(Arc::default());
    let kubelet = node.kubelet();
    kubelet.set_pods(vec![pod("a", &first_gpu())]);
    node.start();
    await_condition("there was an answer", || node.board.current().taken.is_some());
    assert_eq!(node.pods(), [""; 0]);
    node.known.send_replace(Arc::new(two_gpus()));
    node.await_pods(&["a"]);
    node.known.send_replace(Arc::new(two_gpus()));
    assert_eq!(kubelet.calls(), 2, "the same devices are no reason to ask");
}

#[test]
fn uid_and_labels_come_from_the_pods_api_under_any_of_its_versions() {
    for package in ["v1", "v1beta1", "v1alpha1"] {
        let mut node = Node::new();
        let pods = vec![
            pod("ended", &first_gpu()).phase("Succeeded"),
            pod("chat", &first_gpu()).label("team", "a").label("hash", "b"),
            pod("also-ended", &first_gpu()).phase("Failed"),
        ];
        let kubelet = node.kubelet();
        kubelet.set_pods(pods.clone());
        let api = Kubelet::start(node.directory.path().join("pods.sock"));
        api.serve_pods_api(package);
        api.set_pods(pods);
        node.start();
        let expected = Owner {
            namespace: "ml".to_owned(),
            pod: "chat".to_owned(),
            container: "server".to_owned(),
            pod_uid: Some("uid-of-chat".to_owned()),
            pod_labels: vec![("team".to_owned(), "a".to_owned())],
        };
        await_condition("the running pod is known", || node.owners() == [expected.clone()]);
        api.take_calls();
        await_condition("it is asked again", || api.calls() > 0);
        assert_eq!(api.take_calls()[0], format!("/{package}.Pods/ListPods"));
    }
}

#[test]
fn a_pods_api_that_fails_takes_nothing_from_the_pods() {
    let mut node = Node::new();
    let kubelet = node.kubelet();
    kubelet.set_pods(vec![pod("a", &first_gpu())]);
    let _api = Kubelet::start(node.directory.path().join("pods.sock"));
    node.start();
    node.await_pods(&["a"]);
    assert_eq!(node.owners()[0].pod_uid, None);
    await_condition("it is counted", || node.board.errors.get(&[PODS, "status"]).get() > 0);
}

#[tokio::test]
async fn a_silent_pods_api_is_left_alone_for_a_while_and_what_it_said_stays() {
    let node = Node::new();
    let kubelet = node.kubelet();
    let api = Kubelet::start(node.directory.path().join("pods.sock"));
    api.serve_pods_api("v1");
    for kubelet in [&kubelet, &api] {
        kubelet.set_pods(vec![pod("a", &first_gpu())]);
    }
    let mut refresher = Refresher::new(node.config.clone()).unwrap();
    refresher.refresh(&Arc::new(two_gpus()), &node.board).await;
    let uid = || node.owners()[0].pod_uid.clone();
    // a request that was given up may reach the server whenever it likes: counted on this side
    let asked = || node.board.request_seconds.get(&[PODS]).count();
    assert_eq!((uid().as_deref(), asked()), (Some("uid-of-a"), 1));

    api.answer(Answers::Nothing);
    let holds = holds_of(&mut refresher).await;
    tokio::time::pause();
    let begin = Instant::now();
    refresher.ask_for_details(&holds, &node.board).await;
    assert_eq!(begin.elapsed().as_secs(), PODS_LIMIT.as_secs());
    tokio::time::resume();
    api.answer(Answers::Pods);
    refresher.refresh(&Arc::new(two_gpus()), &node.board).await;
    assert_eq!((uid().as_deref(), asked()), (Some("uid-of-a"), 2));
    tokio::time::pause();
    tokio::time::advance(PODS_PAUSE).await;
    tokio::time::resume();
    refresher.refresh(&Arc::new(two_gpus()), &node.board).await;
    assert_eq!((uid().as_deref(), asked()), (Some("uid-of-a"), 3));
    assert_eq!(node.board.errors.get(&[PODS, "timeout"]).get(), 1);
}

async fn holds_of(refresher: &mut Refresher) -> Vec<Hold> {
    let mut holds = Vec::new();
    refresher.list(&mut holds, &Board::default()).await.unwrap();
    holds
}

#[test]
fn jobs_need_no_kubelet_and_a_kubelet_that_must_not_be_asked_is_not() {
    let mut node = Node::new();
    node.config.is_enabled = false;
    node.config.hpc_job_mapping_dir = Some(node.directory.path().to_owned());
    std::fs::write(node.directory.path().join("0"), "job-1").unwrap();
    let kubelet = node.kubelet();
    kubelet.set_pods(vec![pod("a", &first_gpu())]);
    node.start();
    let device = DeviceKey::Gpu(first_gpu());
    await_condition("the job is known", || node.board.current().jobs_of(&device) == ["job-1"]);
    std::fs::write(node.directory.path().join("0"), "job-2").unwrap();
    await_condition("the job is known", || node.board.current().jobs_of(&device) == ["job-2"]);
    assert_eq!(kubelet.calls(), 0);
}

#[tokio::test]
async fn a_pattern_that_is_wrong_is_refused_at_the_start() {
    let config = Attribution { pod_labels: vec!["(".to_owned()], ..Attribution::default() };
    let (_sender, known) = watch::channel(Arc::default());
    let result = run(config, known, Arc::default(), CancellationToken::new()).await;
    assert!(result.unwrap_err().to_string().contains("\"(\""));
}
