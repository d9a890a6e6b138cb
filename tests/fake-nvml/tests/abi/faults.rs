//! What goes wrong with GPUs and calls.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nvml_wrapper_sys::bindings::{
    nvmlSystemEventData_v1_t, nvmlSystemEventSetCreateRequest_t, nvmlSystemEventSetWaitRequest_t,
    nvmlSystemRegisterEventRequest_t,
};
use stack_tests::patience::await_condition;

use crate::fixture::{Open, call, versioned};

const TWO: &str = r#"{"clock": "virtual", "gpus": [{}, {}]}"#;
const XID: u64 = 0x8;

#[test]
fn a_lost_gpu_takes_no_other_with_it() {
    let open = Open::new(TWO);
    let (first, second) = (open.device(0).unwrap(), open.device(1).unwrap());
    open.happen(r#"{"gpu": 0, "state": "lost"}"#);
    assert_eq!(open.temperature(first), Err(15));
    assert_eq!(open.field(first, 230, 0), Err(15));
    assert_eq!(open.device(0), Err(15));
    assert!(open.temperature(second).is_ok());
    assert_eq!(open.count(), 2);
    open.happen(r#"{"gpu": 0, "state": "healthy"}"#);
    assert!(open.temperature(first).is_ok());
}

#[test]
fn a_gpu_that_needs_a_reset_says_so_in_its_recovery_action() {
    let open = Open::new(TWO);
    let device = open.device(0).unwrap();
    assert_eq!(open.field(device, 230, 0), Ok(0));
    open.happen(r#"{"gpu": 0, "state": "reset_required"}"#);
    assert_eq!(open.temperature(device), Err(16));
    assert_eq!(open.field(device, 230, 0), Ok(1));
    assert_eq!(open.field(device, 3, 0), Err(16));
    assert!(open.device(0).is_ok());
}

#[test]
fn a_removed_gpu_moves_the_index_of_those_behind_it_and_not_their_handles() {
    let open = Open::new(r#"{"clock": "virtual", "gpus": [{}, {"minor": 7}, {}]}"#);
    let (first, second) = (open.device(0).unwrap(), open.device(1).unwrap());
    open.happen(r#"{"hotplug": {"remove": 0}}"#);
    assert_eq!(open.count(), 2);
    assert_eq!(open.device(0), Ok(second));
    assert_eq!(open.temperature(first), Err(15));
    let mut index = 9;
    assert_eq!(call!(open.table, nvmlDeviceGetIndex(second, &raw mut index)), 0);
    assert_eq!(index, 0);
    open.happen(r#"{"hotplug": {"add": {"uuid": "GPU-new"}}}"#);
    assert_eq!(open.count(), 3);
    let mut found = std::ptr::null_mut();
    let uuid = c"GPU-new".as_ptr();
    assert_eq!(call!(open.table, nvmlDeviceGetHandleByUUID(uuid, &raw mut found)), 0);
    assert_eq!(open.device(2), Ok(found));
}

#[test]
fn a_call_fails_after_as_many_as_it_may() {
    let open = Open::new(
        r#"{"clock": "virtual", "gpus": [{"calls": {"nvmlDeviceGetTemperature":
            {"return": 999, "after": 2, "until_ms": 5000}}}, {}]}"#,
    );
    let (first, second) = (open.device(0).unwrap(), open.device(1).unwrap());
    let codes: Vec<_> = (0..4).map(|_| open.temperature(first).err()).collect();
    assert_eq!(codes, [None, None, Some(999), Some(999)]);
    assert!(open.temperature(second).is_ok());
    open.advance_ms(5_000);
    assert!(open.temperature(first).is_ok(), "the fault is over");
}

#[test]
fn a_call_that_hangs_holds_up_no_other_and_comes_back_in_the_end() {
    let open = Open::new(
        r#"{"clock": "virtual", "gpus": [{"calls": {"nvmlDeviceGetTemperature":
            {"hang_at_ms": 1000, "until_ms": 9000}}}, {}]}"#,
    );
    let (first, second) = (open.device(0).unwrap(), open.device(1).unwrap());
    assert!(open.temperature(first).is_ok());
    open.advance_ms(1_000);
    let is_back = AtomicBool::new(false);
    let first = first.addr();
    thread::scope(|scope| {
        let hung = scope.spawn(|| {
            let answer = open.temperature(std::ptr::without_provenance_mut(first));
            is_back.store(true, Ordering::Release);
            answer
        });
        let calls = || open.simulation.calls("nvmlDeviceGetTemperature");
        await_condition("the call has begun", || calls() == 2);
        for _ in 0..1_000 {
            assert!(open.temperature(second).is_ok());
        }
        open.advance_ms(7_000);
        assert!(!is_back.load(Ordering::Acquire), "it is not 9 s yet");
        open.advance_ms(1_000);
        assert!(hung.join().unwrap().is_ok());
    });
}

#[test]
fn a_call_that_hangs_for_ever_ends_with_the_simulation() {
    let open =
        Open::new(r#"{"gpus": [{"calls": {"nvmlDeviceGetTemperature": {"hang_at_ms": 0}}}]}"#);
    let device = open.device(0).unwrap().addr();
    let Open { simulation, table } = open;
    let hung = thread::spawn(move || {
        let device = std::ptr::without_provenance_mut(device);
        let mut celsius = 0;
        call!(table, nvmlDeviceGetTemperature(device, 0, &raw mut celsius))
    });
    await_condition("the call has begun", || simulation.calls("nvmlDeviceGetTemperature") == 1);
    drop(simulation);
    assert_eq!(hung.join().unwrap(), 999);
}

#[test]
fn opening_fails_when_the_driver_was_replaced() {
    let open = Open::closed(TWO);
    open.happen(r#"{"init_return": 18}"#);
    assert_eq!(call!(open.table, nvmlInit_v2()), 18);
    open.happen(r#"{"init_return": 0}"#);
    assert_eq!(call!(open.table, nvmlInit_v2()), 0);
    assert_eq!(open.count(), 2);
}

#[test]
fn errors_are_reported_once_each_and_those_before_registration_never() {
    let open = Open::new(TWO);
    let devices = [open.device(0).unwrap(), open.device(1).unwrap()];
    open.happen(r#"{"gpu": 0, "xid": 13}"#);
    let set = open.events(&devices, XID);
    assert_eq!(open.event(set, 0), Err(10));
    open.happen(r#"{"gpu": 1, "xid": 31}"#);
    open.happen(r#"{"gpu": 0, "xid": 79}"#);
    let mut found = [open.event(set, 0).unwrap(), open.event(set, 0).unwrap()];
    found.sort_by_key(|event| event.2);
    assert_eq!(found, [(devices[1], XID, 31), (devices[0], XID, 79)]);
    assert_eq!(open.event(set, 0), Err(10));
    let again = open.events(&devices, XID);
    assert_eq!(open.event(again, 0), Err(10), "another set does not get old ones");
}

#[test]
fn a_storm_is_delivered_to_the_last_event() {
    let open = Open::new(TWO);
    let set = open.events(&[open.device(1).unwrap()], XID);
    open.happen(r#"{"storm": {"gpu": 1, "xid": 31, "per_s": 5000, "for_ms": 1000}}"#);
    let drain = || std::iter::from_fn(|| open.event(set, 0).ok()).count();
    assert_eq!(drain(), 1, "the first comes at once");
    open.advance_ms(500);
    assert_eq!(drain(), 2_500);
    open.advance_ms(5_000);
    assert_eq!(drain(), 2_499);
}

#[test]
fn a_waiting_call_is_woken_by_an_event_and_by_a_lost_gpu() {
    let open = Open::new(TWO);
    let set = open.events(&[open.device(0).unwrap()], XID).addr();
    thread::scope(|scope| {
        let wait = || {
            scope.spawn(|| {
                let set = std::ptr::without_provenance_mut(set);
                open.event(set, u32::MAX).map(|event| event.2)
            })
        };
        let waiting = wait();
        await_condition("it waits", || open.simulation.calls("nvmlEventSetWait_v2") == 1);
        open.happen(r#"{"gpu": 0, "xid": 79}"#);
        assert_eq!(waiting.join().unwrap(), Ok(79));
        let waiting = wait();
        open.happen(r#"{"gpu": 0, "state": "lost"}"#);
        assert_eq!(waiting.join().unwrap(), Err(15));
    });
}

#[test]
fn field_values_have_the_numbers_of_their_driver() {
    let limited = r#""gpus": [{}], "clock": "virtual",
        "timeline": [{"gpu": 0, "clock_events": ["hw_thermal"]}]"#;
    for (driver, number, other) in [("580.95.05", 270, 252), ("550.163.01", 252, 270)] {
        let open = Open::new(&format!(r#"{{{limited}, "driver_version": "{driver}"}}"#));
        let device = open.device(0).unwrap();
        open.advance_ms(3_000);
        assert_eq!(open.field(device, number, 0), Ok(3_000_000_000), "{driver}");
        assert_eq!(open.field(device, other, 0), Err(3), "{driver}");
    }
}

#[test]
fn unsupported_functions_and_fields_say_so() {
    let open = Open::new(
        r#"{"gpus": [{"unsupported": ["nvmlDeviceGetTotalEnergyConsumption"],
            "unsupported_fields": [82]}]}"#,
    );
    let device = open.device(0).unwrap();
    assert_eq!(open.energy(device), Err(3));
    assert_eq!(open.field(device, 82, 0), Err(3));
    assert!(open.temperature(device).is_ok());
}

#[test]
fn commands_for_another_node_are_refused() {
    let open = Open::new(TWO);
    let error = open.simulation.happen(r#"{"gpu": 2, "xid": 79}"#).unwrap_err().to_string();
    assert_eq!(error, "`gpu`: 2: accepted are 0 to 1");
}

#[test]
fn taking_a_driver_off_a_gpu_is_an_event_of_the_system() {
    let open = Open::new(TWO);
    let mut made: nvmlSystemEventSetCreateRequest_t = versioned();
    assert_eq!(call!(open.table, nvmlSystemEventSetCreate(&raw mut made)), 0);
    let mut registered =
        nvmlSystemRegisterEventRequest_t { eventTypes: 1, set: made.set, ..versioned() };
    assert_eq!(call!(open.table, nvmlSystemRegisterEvents(&raw mut registered)), 0);
    let mut event = nvmlSystemEventData_v1_t { eventType: 0, gpuId: 0 };
    let mut waited = nvmlSystemEventSetWaitRequest_t {
        set: made.set,
        data: &raw mut event,
        dataSize: 1,
        ..versioned()
    };
    open.happen(r#"{"gpu": 1, "driver": "bind"}"#);
    open.happen(r#"{"gpu": 1, "driver": "unbind"}"#);
    assert_eq!(call!(open.table, nvmlSystemEventSetWait(&raw mut waited)), 0);
    assert_eq!((waited.numEvent, event.eventType, event.gpuId), (1, 1, 0x1700));
    assert_eq!(call!(open.table, nvmlSystemEventSetWait(&raw mut waited)), 10, "only unbinding");
}

#[test]
fn calls_and_happenings_do_not_wait_for_each_other_for_ever() {
    let open = Open::new(r#"{"gpus": [{"mig": [{"gi": 1, "profile": "1g.10gb"}]}]}"#);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..5_000 {
                let device = open.device(0).unwrap();
                let mut sample = null_mut();
                assert_eq!(call!(open.table, nvmlGpmSampleAlloc(&raw mut sample)), 0);
                assert_eq!(call!(open.table, nvmlGpmMigSampleGet(device, 1, sample)), 0);
                assert_eq!(call!(open.table, nvmlGpmSampleFree(sample)), 0);
            }
            is_done.store(true, Ordering::Release);
        });
        while !is_done.load(Ordering::Acquire) {
            open.happen(r#"{"init_return": 0}"#);
        }
    });
}
