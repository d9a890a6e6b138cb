use std::path::PathBuf;

use simulated_nvml::{Scenario, Simulation};
use stack_tests::patience::await_condition;

use super::*;
use crate::sample::catalogue::Reading;
use crate::sample::snapshot::Snapshot;

/// Short, so that threads look often; the time they see is the simulation's.
const INTERVAL: Duration = Duration::from_millis(20);

struct Bench {
    simulation: Simulation,
    start: Instant,
    driver: Driver,
    board: Arc<Board>,
}

impl Bench {
    fn new(scenario: &str) -> Self {
        Self::with(scenario, Sampling::default(), false)
    }

    fn with(scenario: &str, settings: Sampling, require_gpu: bool) -> Self {
        let simulation = Simulation::start(Scenario::parse(scenario).unwrap()).unwrap();
        // the driver has run for a minute
        simulation.advance(Duration::from_mins(1));
        let start = Instant::now();
        let clock = simulation.clone();
        let now: Now = Arc::new(move || start + clock.now());
        let source = Source::simulated(simulation.clone());
        let settings = Sampling { interval: INTERVAL, ..settings };
        let driver = Driver::with_clock(source, settings, require_gpu, Metrics::default(), now);
        let board = driver.board();
        Self { simulation, start, driver, board }
    }

    fn step(&mut self) -> Result<Instant, SampleError> {
        let now = self.now();
        self.driver.step(now)
    }

    fn now(&self) -> Instant {
        self.start + self.simulation.now()
    }

    fn advance(&self, millis: u64) {
        self.simulation.advance(Duration::from_millis(millis));
    }

    fn shown(&self) -> Snapshot {
        self.board.snapshot(self.now())
    }

    fn happen(&self, json: &str) {
        self.simulation.happen(json).unwrap();
    }

    /// Lets time pass, with a step at each tenth of a second, until the page is as it should be.
    #[track_caller]
    fn until(&mut self, what: &str, condition: impl Fn(&Snapshot) -> bool) {
        await_condition(what, || {
            self.advance(100);
            self.step().unwrap();
            condition(&self.shown())
        });
    }

    fn is_up(&self, gpu: usize) -> bool {
        self.shown().devices[gpu].is_up
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // a call that hangs goes on
        self.advance(1_000_000_000);
        self.driver.close("over");
    }
}

fn node(gpus: usize, more: &str) -> String {
    let gpus = vec![r#"{"util": {"kind": "constant", "value": 50}}"#; gpus].join(",");
    format!(r#"{{"clock": "virtual", "gpus": [{gpus}]{more}}}"#)
}

fn all_up(count: usize) -> impl Fn(&Snapshot) -> bool {
    move |shown| {
        shown.devices.len() == count
            && shown
                .devices
                .iter()
                .all(|one| one.is_up && one.readings.last(Reading::BusySeconds).is_some())
    }
}

#[test]
fn a_missing_library_is_looked_for_with_growing_pauses() {
    let source = Source::File(PathBuf::from("/nowhere/libnvidia-ml.so.1"));
    let mut driver = Driver::new(source, Sampling::default(), false, Metrics::default());
    let mut now = Instant::now();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let next = driver.step(now).unwrap();
        pauses.push((next - now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
    let shown = driver.board().snapshot(now);
    assert_eq!(shown.driver, DriverState::Down("library_not_found".to_owned()));
}

#[test]
fn a_driver_that_is_loaded_later_is_found() {
    let mut bench = Bench::new(&node(2, r#", "timeline": [{"at_ms": 0, "init_return": 9}]"#));
    bench.step().unwrap();
    assert_eq!(bench.board.driver(), DriverState::Down("driver_not_loaded".to_owned()));
    bench.happen(r#"{"init_return": 0}"#);
    bench.until("both GPUs are up", all_up(2));
    let DriverState::Up(versions) = bench.board.driver() else { panic!("NVML is up") };
    assert_eq!(versions.driver, "580.95.05");
    assert_eq!(versions.cuda, "13.0");
}

#[test]
fn a_mismatch_of_versions_is_shown_for_30_s_and_then_ends_the_process() {
    let mut bench = Bench::new(&node(1, ""));
    bench.until("the GPU is up", all_up(1));
    bench.happen(r#"{"init_return": 18}"#);
    bench.happen(r#"{"gpu": 0, "calls": {"nvmlDeviceGetMemoryInfo_v2": {"return": 18}}}"#);
    bench.until("NVML is down", |shown| matches!(shown.driver, DriverState::Down(_)));
    bench.until("the reason is known", |shown| {
        shown.driver == DriverState::Down("version_mismatch".to_owned())
    });
    assert!(!bench.is_up(0));
    bench.advance(29_000);
    bench.step().unwrap();
    bench.advance(2_000);
    let error = bench.step().unwrap_err();
    assert!(matches!(error, SampleError::VersionMismatch) && error.needs_new_container());
}

#[test]
fn three_unknown_answers_to_the_start_end_the_process() {
    let mut bench = Bench::new(&node(1, r#", "timeline": [{"at_ms": 0, "init_return": 999}]"#));
    bench.step().unwrap();
    bench.advance(5_000);
    bench.step().unwrap();
    bench.advance(10_000);
    let error = bench.step().unwrap_err();
    assert!(matches!(error, SampleError::AccessLost) && error.needs_new_container());
}

#[test]
fn unknown_answers_of_all_gpus_end_the_process_and_of_one_do_not() {
    let mut bench = Bench::new(&node(2, ""));
    bench.until("both are up", all_up(2));
    let functions = [
        "nvmlDeviceGetIndex",
        "nvmlDeviceGetPerformanceState",
        "nvmlDeviceGetFieldValues",
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetClockInfo",
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetBAR1MemoryInfo",
        "nvmlDeviceGetMarginTemperature",
        "nvmlDeviceGetSamples",
        "nvmlDeviceGetUtilizationRates",
        "nvmlGpmSampleGet",
        "nvmlDeviceGetNvLinkState",
        "nvmlDeviceGetEncoderUtilization",
        "nvmlDeviceGetDecoderUtilization",
        "nvmlDeviceGetJpgUtilization",
        "nvmlDeviceGetOfaUtilization",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetNumFans",
    ]
    .map(|function| format!(r#""{function}": {{"return": 999}}"#))
    .join(",");
    bench.happen(&format!(r#"{{"gpu": 0, "calls": {{{functions}}}}}"#));
    bench.until("one is down", |shown| {
        shown.devices[0].down_reason == "unknown" && shown.devices[1].is_up
    });
    bench.advance(60_000);
    bench.step().unwrap();
    bench.happen(&format!(r#"{{"gpu": 1, "calls": {{{functions}}}}}"#));
    let mut ended = None;
    await_condition("sampling ends", || {
        bench.advance(100);
        ended = bench.step().err();
        ended.is_some()
    });
    assert!(matches!(ended, Some(SampleError::AccessLost)));
}

#[test]
fn a_node_without_gpus_is_up_unless_one_is_required() {
    let mut bench = Bench::new(&node(0, ""));
    bench.step().unwrap();
    assert!(matches!(bench.board.driver(), DriverState::Up(_)));
    assert!(bench.shown().devices.is_empty());
    let mut bench = Bench::with(&node(0, ""), Sampling::default(), true);
    assert!(matches!(bench.step(), Err(SampleError::NoGpu)));
    let scenario = node(1, r#", "timeline": [{"at_ms": 0, "init_return": 9}]"#);
    let mut bench = Bench::with(&scenario, Sampling::default(), true);
    assert!(matches!(bench.step(), Err(SampleError::NoDriver { .. })));
}

#[test]
fn a_lost_gpu_is_down_with_its_xid_and_the_others_go_on() {
    let mut bench = Bench::new(&node(3, ""));
    bench.until("all are up", all_up(3));
    let metrics = bench.driver.metrics.clone();
    await_condition("events are watched", || !metrics.event_watch_start.is_empty());
    bench.happen(r#"{"gpu": 1, "xid": 79}"#);
    bench.happen(r#"{"gpu": 1, "state": "lost"}"#);
    bench.until("one is lost", |shown| {
        let lost = &shown.devices[1];
        lost.down_reason == "lost" && lost.last_xid == Some(79) && lost.xids[0].count == 1
    });
    let busy = bench.shown().devices[2].readings.last(Reading::BusySeconds).unwrap();
    bench.until("the others are read", |shown| {
        let others = [&shown.devices[0], &shown.devices[2]];
        others.iter().all(|one| one.is_up)
            && shown.devices[2].readings.last(Reading::BusySeconds) > Some(busy + 1.0)
    });
    bench.happen(r#"{"gpu": 1, "state": "healthy"}"#);
    bench.until("all are up again", all_up(3));
    // its events have to be registered again
    let simulation = bench.simulation.clone();
    bench.until("a later Xid is counted", |shown| {
        simulation.happen(r#"{"gpu": 1, "xid": 31}"#).unwrap();
        shown.devices[1].last_xid == Some(31)
    });
}

#[test]
fn a_node_whose_gpus_cannot_be_counted_at_first_is_looked_at_again_soon() {
    let fails = r#", "calls": {"nvmlDeviceGetCount_v2": {"return": 999, "until_ms": 61000}}"#;
    let mut bench = Bench::new(&node(2, fails));
    bench.step().unwrap();
    assert_eq!(bench.shown().devices.len(), 0);
    let last = bench.now() + FIRST_PAUSE + Duration::from_secs(1);
    bench.until("they are found", |shown| shown.devices.len() == 2);
    assert!(bench.now() < last, "a rescan comes much later");
}

#[test]
fn a_gpu_that_hangs_is_down_alone_and_has_no_second_worker() {
    let hang = r#"{"gpu": 0, "calls": {"nvmlDeviceGetMemoryInfo_v2": {"hang_at_ms": 0, "until_ms": 200000}}}"#;
    let mut bench = Bench::new(&node(2, ""));
    bench.until("both are up", all_up(2));
    bench.happen(hang);
    bench.until("one hangs", |shown| shown.devices[0].down_reason == "hung");
    let calls = bench.simulation.calls("nvmlDeviceGetMemoryInfo_v2");
    let shown = bench.shown();
    assert!(shown.devices[0].stuck_seconds.unwrap() > 5.0);
    let stuck_until = bench.now() + Duration::from_mins(1);
    while bench.now() < stuck_until {
        let age = bench.now();
        bench.until("the other one is read", |shown| {
            shown.devices[1].is_up && shown.devices[1].age_seconds < 1.0
        });
        assert!(bench.now() > age);
        assert!(!bench.is_up(0));
        bench.advance(900);
    }
    assert!(bench.simulation.calls("nvmlDeviceGetMemoryInfo_v2") > calls, "of the other one");
    let mut outcome = bench.driver.control().release(Duration::ZERO);
    bench.step().unwrap();
    assert_eq!(outcome.try_recv(), Ok(Released::StillOpen));
    assert_eq!(bench.simulation.calls("nvmlShutdown"), 0);
    assert_eq!(bench.driver.stuck.len(), 1, "it was left alone");
    bench.step().unwrap();
    let Phase::Up(_) = &bench.driver.phase else { panic!("NVML is up again") };
    assert_eq!(bench.driver.stuck.len(), 1, "no second worker for it");
    bench.advance(200_000);
    bench.until("both are up", all_up(2));
    assert!(bench.driver.stuck.is_empty());
    assert_eq!(bench.simulation.calls("nvmlShutdown"), 1, "of the start that was left open");
}

#[test]
fn a_gpu_whose_events_cannot_be_registered_hides_no_events_of_the_others() {
    let fault = r#"{"gpu": 0, "calls": {"nvmlDeviceRegisterEvents": {"return": 999}}}"#;
    let mut bench = Bench::new(&node(2, ""));
    bench.happen(fault);
    bench.until("both are up", all_up(2));
    let metrics = bench.driver.metrics.clone();
    await_condition("events are watched", || !metrics.event_watch_start.is_empty());
    bench.happen(r#"{"gpu": 1, "xid": 48}"#);
    bench.until("its Xid is counted", |shown| shown.devices[1].last_xid == Some(48));
}

#[test]
fn every_xid_of_a_storm_is_counted() {
    let mut bench = Bench::new(&node(2, ""));
    bench.until("both are up", all_up(2));
    let metrics = bench.driver.metrics.clone();
    await_condition("events are watched", || !metrics.event_watch_start.is_empty());
    bench.happen(r#"{"storm": {"gpu": 1, "xid": 31, "per_s": 5000, "for_ms": 1000}}"#);
    bench.until("all are counted", |shown| {
        shown.devices[1].xids.iter().any(|xid| xid.number == Some(31) && xid.count >= 5_000)
    });
    let shown = bench.shown();
    assert_eq!(shown.devices[1].xids[0].count, 5_000);
    assert!(shown.devices[0].xids.is_empty());
}

#[test]
fn a_release_shuts_nvml_down_and_counters_go_on_afterwards() {
    let mut bench = Bench::new(&node(1, ""));
    bench.until("it is up", all_up(1));
    bench.until("it has been busy", |shown| {
        shown.devices[0].readings.last(Reading::BusySeconds) > Some(1.0)
    });
    let busy = bench.shown().devices[0].readings.last(Reading::BusySeconds).unwrap();
    let mut outcome = bench.driver.control().release(Duration::from_mins(2));
    bench.step().unwrap();
    assert_eq!(outcome.try_recv(), Ok(Released::ShutDown));
    assert_eq!(bench.simulation.calls("nvmlShutdown"), 1);
    assert_eq!(
        bench.simulation.calls("nvmlGpmSampleAlloc"),
        bench.simulation.calls("nvmlGpmSampleFree"),
        "given back before"
    );
    assert_eq!(bench.board.driver(), DriverState::Down("released".to_owned()));
    assert!(!bench.is_up(0));
    let calls = bench.simulation.total_calls();
    bench.advance(119_000);
    bench.step().unwrap();
    assert_eq!(bench.simulation.total_calls(), calls, "nothing is opened before the time");
    bench.advance(2_000);
    bench.until("it is up again", all_up(1));
    let after = bench.shown().devices[0].readings.last(Reading::BusySeconds).unwrap();
    assert!(after >= busy && after < busy + 30.0, "{busy} s before, {after} s after");
}

#[test]
fn gpus_that_come_and_go_are_followed_by_their_uuid() {
    let mut bench = Bench::new(&node(2, ""));
    bench.until("both are up", all_up(2));
    let uuid = bench.shown().devices[1].identity.uuid.clone();
    bench.happen(r#"{"hotplug": {"remove": 0}}"#);
    bench.driver.control().rescan();
    bench.step().unwrap();
    let shown = bench.shown();
    let moved = shown.devices.iter().find(|one| one.identity.uuid == uuid).unwrap();
    assert_eq!(moved.identity.index, 0, "before its worker has looked");
    bench.until("one is gone, the other has its index", |shown| {
        let one = |uuid: &str| shown.devices.iter().find(|one| one.identity.uuid == uuid);
        let gone = shown.devices.iter().find(|one| one.down_reason == "gone");
        gone.is_some() && one(&uuid).is_some_and(|one| one.is_up && one.identity.index == 0)
    });
    bench.happen(r#"{"hotplug": {"add": {"uuid": "GPU-new"}}}"#);
    bench.until("the new one is up", |shown| {
        shown.devices.iter().any(|one| one.identity.uuid == "GPU-new" && one.is_up)
    });
    assert_eq!(bench.shown().devices.len(), 3);
}

#[test]
fn only_the_gpus_that_are_asked_for_are_read() {
    let settings = Sampling { devices: vec!["1".to_owned()], ..Sampling::default() };
    let mut bench = Bench::with(&node(3, ""), settings, false);
    bench.until("one is up", all_up(1));
    assert_eq!(bench.shown().devices[0].identity.index, 1);
}

#[test]
fn nvml_that_forgot_that_it_was_started_is_started_again() {
    let mut bench = Bench::new(&node(1, ""));
    bench.until("it is up", all_up(1));
    bench.happen(r#"{"gpu": 0, "calls": {"nvmlDeviceGetMemoryInfo_v2": {"return": 1}}}"#);
    bench.until("NVML is down", |shown| matches!(shown.driver, DriverState::Down(_)));
    bench.happen(r#"{"gpu": 0, "calls": {"nvmlDeviceGetMemoryInfo_v2": {}}}"#);
    bench.until("it is up again", all_up(1));
    assert_eq!(bench.simulation.calls("nvmlInit_v2"), 2);
}

#[test]
fn a_driver_that_is_told_to_stop_shuts_nvml_down() {
    let scenario = Scenario::parse(r#"{"gpus": [{}, {}]}"#).unwrap();
    let simulation = Simulation::start(scenario).unwrap();
    let source = Source::simulated(simulation.clone());
    let metrics = Metrics::default();
    let driver = Driver::new(source, Sampling::default(), true, metrics);
    let (board, control) = (driver.board(), driver.control());
    let stop = CancellationToken::new();
    let thread = {
        let stop = stop.clone();
        std::thread::spawn(move || driver.run(&stop))
    };
    let is_up = || {
        let shown = board.snapshot(Instant::now());
        shown.devices.len() == 2 && shown.devices.iter().all(|one| one.is_up)
    };
    await_condition("both are up", is_up);
    control.release(Duration::ZERO);
    await_condition("NVML was started again", || simulation.calls("nvmlInit_v2") == 2);
    await_condition("both are up again", is_up);
    assert!(board.is_complete(Instant::now()));
    stop.cancel();
    thread.join().unwrap().unwrap();
    assert_eq!(simulation.calls("nvmlShutdown"), 2);
    assert_eq!(board.driver(), DriverState::Down("stopped".to_owned()));
    assert!(!is_up());
}

#[test]
fn a_page_makes_no_call_of_the_driver() {
    let mut bench = Bench::new(&node(4, ""));
    bench.until("all are up", all_up(4));
    bench.driver.close("stopped");
    let calls = bench.simulation.total_calls();
    for _ in 0..100 {
        bench.shown();
    }
    assert_eq!(bench.simulation.total_calls(), calls);
}
