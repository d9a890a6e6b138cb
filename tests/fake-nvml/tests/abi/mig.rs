//! MIG, and what a change of its configuration does to handles.

use crate::fixture::{Open, call};

const NODE: &str = r#"{"clock": "virtual", "gpus": [{"mig": [
    {"gi": 1, "profile": "1g.10gb"}, {"gi": 2, "profile": "3g.40gb"}]}]}"#;

fn id(open: &Open, instance: *mut nvml_wrapper_sys::bindings::nvmlDevice_st) -> Result<u32, u32> {
    let mut id = 0;
    let code = call!(open.table, nvmlDeviceGetGpuInstanceId(instance, &raw mut id));
    if code == 0 { Ok(id) } else { Err(code) }
}

#[test]
fn a_handle_of_an_instance_is_of_nothing_after_a_change() {
    let open = Open::new(NODE);
    let device = open.device(0).unwrap();
    let old = open.instance(device, 0).unwrap();
    assert_eq!(id(&open, old), Ok(1));
    open.happen(r#"{"mig_reconfigure": {"gpu": 0, "to": [{"gi": 1, "profile": "7g.80gb"}]}}"#);
    assert_eq!(id(&open, old), Err(2), "the number of its instance is in use again");
    let new = open.instance(device, 0).unwrap();
    assert_eq!(id(&open, new), Ok(1));
    assert_eq!(open.instance(device, 1), Err(6));
}

#[test]
fn a_change_is_an_event_and_instances_have_other_uuids() {
    let open = Open::new(NODE);
    let device = open.device(0).unwrap();
    let uuid = || {
        let mut text = [0; 80];
        let instance = open.instance(device, 0).unwrap();
        assert_eq!(call!(open.table, nvmlDeviceGetUUID(instance, text.as_mut_ptr(), 80)), 0);
        text
    };
    let set = open.events(&[device], 0x100);
    let before = uuid();
    open.happen(r#"{"mig_reconfigure": {"gpu": 0, "to": [{"gi": 1, "profile": "1g.10gb"}]}}"#);
    assert_eq!(open.event(set, 0), Ok((device, 0x100, 0)));
    assert_ne!(uuid(), before);
}

#[test]
fn turning_mig_off_gives_the_gpu_its_utilization_back() {
    let open = Open::new(NODE);
    let device = open.device(0).unwrap();
    open.advance_ms(5_000);
    assert_eq!(open.samples(device, 1, 0, 120), Err(3));
    assert!(open.samples(device, 0, 0, 120).is_ok(), "power is of the board");
    open.happen(r#"{"mig_reconfigure": {"gpu": 0, "to": null}}"#);
    assert!(open.samples(device, 1, 0, 120).is_ok());
    assert_eq!(open.instance(device, 0), Err(6));
}

#[test]
fn what_only_a_whole_gpu_has_is_not_supported_on_an_instance() {
    let open = Open::new(NODE);
    let device = open.device(0).unwrap();
    let instance = open.instance(device, 1).unwrap();
    assert_eq!(open.temperature(instance), Err(3));
    assert_eq!(open.energy(instance), Err(3));
    let mut parent = std::ptr::null_mut();
    let place = &raw mut parent;
    assert_eq!(call!(open.table, nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance, place)), 0);
    assert_eq!(parent, device);
}
