use std::time::Duration;

use serde_json::Value;
use stack_tests::kubernetes::ApiServer;
use stack_tests::patience::await_condition_of_tasks as until;
use tokio_util::sync::CancellationToken;

use super::*;

/// Two replicas, one clock, and what the API server stores.
struct Scene {
    elections: [Election; 2],
    stored: Option<LeaseSpec>,
    now: Moment,
}

impl Scene {
    fn new() -> Self {
        let now = Moment::from_millis(0);
        let elections = ["a", "b"].map(|identity| Election::new(identity, now));
        Self { elections, stored: None, now }
    }

    fn turn(&mut self, replica: usize) {
        let election = &mut self.elections[replica];
        if let Some(write) = election.read(self.stored.clone(), self.now, self.now) {
            self.stored = Some(write.spec().clone());
            election.written(&write, self.now);
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    fn duties(&self) -> [Duty; 2] {
        [0, 1].map(|replica| self.elections[replica].duty(self.now))
    }
}

const FIRST: Duty = Duty::Everything { transitions: 0 };

#[test]
fn one_holds_the_lease_and_the_other_takes_it_when_it_was_not_renewed_for_15_s() {
    let mut scene = Scene::new();
    for _ in 0..20 {
        scene.turn(0);
        scene.turn(1);
        assert_eq!(scene.duties(), [FIRST, Duty::Nothing]);
        scene.wait(5);
    }
    for waited in (5..15).step_by(2) {
        scene.turn(1);
        assert_eq!(scene.elections[1].duty(scene.now), Duty::Nothing, "after {waited} s");
        scene.wait(2);
    }
    scene.turn(1);
    assert_eq!(scene.duties(), [Duty::Pages, Duty::Everything { transitions: 1 }]);
    scene.turn(0);
    assert_eq!(scene.duties()[0], Duty::Nothing);
}

#[test]
fn at_no_time_do_two_hold_it_whatever_comes_in_between() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut scene = Scene::new();
    let (mut takeovers, mut last) = (0, 0);
    for _ in 0..20_000 {
        match random.u8(0..10) {
            0..4 => scene.turn(0),
            4..8 => scene.turn(1),
            // rare long pauses: one is stopped, or the network is away
            8 => scene.wait(random.u64(0..20)),
            _ => scene.wait(random.u64(0..3)),
        }
        let holders: Vec<u32> = scene
            .duties()
            .into_iter()
            .filter_map(|duty| match duty {
                Duty::Everything { transitions } => Some(transitions),
                _ => None,
            })
            .collect();
        assert!(holders.len() < 2);
        if let Some(transitions) = holders.first() {
            assert!(*transitions >= last, "a fence never goes back");
            takeovers += u32::from(*transitions > last);
            last = *transitions;
        }
    }
    assert!(takeovers > 100, "{takeovers}");
}

#[test]
fn without_an_api_server_both_page_and_nobody_sends_anything_else() {
    let mut scene = Scene::new();
    scene.turn(0);
    scene.turn(1);
    scene.wait(9);
    assert_eq!(scene.duties(), [FIRST, Duty::Nothing]);
    scene.wait(1);
    assert_eq!(scene.duties(), [Duty::Pages, Duty::Nothing]);
    scene.wait(20);
    assert_eq!(scene.duties(), [Duty::Pages, Duty::Pages]);
    assert!(Duty::Pages.allows(true) && !Duty::Pages.allows(false));
    scene.turn(0);
    scene.turn(1);
    assert_eq!(scene.duties(), [FIRST, Duty::Nothing]);
}

#[test]
fn a_lease_that_is_given_back_is_taken_at_once() {
    let mut scene = Scene::new();
    scene.turn(0);
    scene.turn(1);
    let released = scene.elections[0].release().unwrap();
    scene.stored = Some(released.spec().clone());
    assert_eq!(scene.elections[0].duty(scene.now), Duty::Nothing);
    scene.turn(1);
    assert_eq!(scene.duties()[1], Duty::Everything { transitions: 1 });
    assert_eq!(scene.elections[0].release(), None);
}

fn keys(folder: &std::path::Path, identity: &str) -> LeaseKeys {
    let token = folder.join("token");
    std::fs::write(&token, "t1").unwrap();
    LeaseKeys {
        namespace: Some("monitoring".to_owned()),
        identity: Some(identity.to_owned()),
        token_file: token,
        ..LeaseKeys::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_agree_over_an_api_server_and_the_lease_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = ApiServer::local();
    server.require_token("t1");
    let new = |identity: &str| {
        Candidate::new(&keys(folder.path(), identity), &server.url(), "host").unwrap()
    };
    let (a, b) = (new("a"), new("b"));
    let (duty_a, duty_b) = (a.leadership(), b.leadership());
    let (stop_a, stop_b) = (CancellationToken::new(), CancellationToken::new());
    let run_a = tokio::spawn(a.run(stop_a.clone()));
    until("a holds it", || duty_a.duty() == FIRST).await;
    let run_b = tokio::spawn(b.run(stop_b.clone()));
    let writes = |requests: &[stack_tests::kubernetes::Request]| {
        requests.iter().filter(|request| request.method != "GET").count()
    };
    assert!(writes(&server.requests()) >= 1);
    stop_a.cancel();
    run_a.await.unwrap();
    assert_eq!(duty_a.duty(), Duty::Nothing);
    until("b has taken it", || duty_b.duty() == Duty::Everything { transitions: 1 }).await;
    let lease = server.object("leases", "monitoring", "alert-relay").unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "b");
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 15);
    let renewed = lease["spec"]["renewTime"].as_str().unwrap();
    assert_eq!(renewed.len(), "2026-11-24T23:00:00.000000Z".len(), "as MicroTime: {renewed}");
    stop_b.cancel();
    run_b.await.unwrap();
    let lease = server.object("leases", "monitoring", "alert-relay").unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_put_on_the_lease_stays_and_a_conflict_is_no_lease() {
    let folder = tempfile::tempdir().unwrap();
    let server = ApiServer::local();
    let mut lease: Value = serde_json::json!({"metadata": {"name": "alert-relay",
        "namespace": "monitoring", "labels": {"team": "ml"}}, "spec": {"holderIdentity": ""}});
    server.set("leases", lease.clone());
    let api = Api::new(&keys(folder.path(), "a"), &server.url()).unwrap();
    let read = api.read().await.unwrap();
    let mut election = Election::new("a", Moment::EPOCH);
    let spec = read.as_ref().map(Stored::spec);
    let write = election.read(spec, Moment::EPOCH, Moment::now()).unwrap();
    lease["spec"]["holderIdentity"] = "b".into();
    server.set("leases", lease);
    assert_eq!(api.write(read, &write).await.unwrap(), Written::Conflict);
    let read = api.read().await.unwrap();
    assert_eq!(api.write(read, &write).await.unwrap(), Written::Stored);
    let stored = server.object("leases", "monitoring", "alert-relay").unwrap();
    assert_eq!(stored["metadata"]["labels"]["team"], "ml");
    server.set_fault(Some(403));
    let error = api.read().await.unwrap_err().to_string();
    assert!(error.contains("needs get, create and update of leases"), "{error}");
}

#[test]
fn names_that_would_be_another_path_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keys = LeaseKeys { name: "a/b".to_owned(), ..keys(folder.path(), "a") };
    let error = Candidate::new(&keys, "http://127.0.0.1:1", "host").unwrap_err();
    assert!(error.to_string().starts_with("lease.name: \"a/b\" is no name"), "{error}");
}
