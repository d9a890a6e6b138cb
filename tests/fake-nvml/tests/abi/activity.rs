//! Activity of units (GPM).

use std::ptr::null_mut;

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlGpmMetricsGet_t, nvmlGpmSample_t};

use crate::fixture::{Open, call};

fn sample(open: &Open, device: nvmlDevice_t) -> nvmlGpmSample_t {
    let mut sample = null_mut();
    assert_eq!(call!(open.table, nvmlGpmSampleAlloc(&raw mut sample)), 0);
    assert_eq!(call!(open.table, nvmlGpmSampleGet(device, sample)), 0);
    sample
}

fn metric(open: &Open, samples: [nvmlGpmSample_t; 2], id: u32) -> Result<f64, (u32, u32)> {
    // SAFETY: numbers and pointers.
    let mut request: nvmlGpmMetricsGet_t = unsafe { std::mem::zeroed() };
    request.version = 1;
    request.numMetrics = 1;
    [request.sample1, request.sample2] = samples;
    request.metrics[0].metricId = id;
    let code = call!(open.table, nvmlGpmMetricsGet(&raw mut request));
    match (code, request.metrics[0].nvmlReturn) {
        (0, 0) => Ok(request.metrics[0].value),
        codes => Err(codes),
    }
}

#[test]
fn activity_is_the_average_between_two_samples() {
    let open = Open::new(
        r#"{"clock": "virtual", "gpus": [{"util": {"kind": "square", "period_ms": 1000,
            "duty": 0.25}}]}"#,
    );
    let device = open.device(0).unwrap();
    let first = sample(&open, device);
    open.advance_ms(4_000);
    let second = sample(&open, device);
    assert!((metric(&open, [first, second], 1).unwrap() - 25.0).abs() < 1e-9);
    assert!((metric(&open, [first, second], 2).unwrap() - 23.0).abs() < 1e-9);
    assert_eq!(metric(&open, [second, first], 1), Err((0, 2)), "in the wrong order");
    assert_eq!(metric(&open, [first, second], 248), Err((0, 3)), "an old driver");
    assert_eq!(metric(&open, [first, null_mut()], 1), Err((2, 0)));
}

#[test]
fn counters_since_boot_are_there_when_the_driver_has_them() {
    let open = Open::new(
        r#"{"clock": "virtual", "gpm_counters": true,
            "gpus": [{"util": {"kind": "constant", "value": 50}}]}"#,
    );
    let device = open.device(0).unwrap();
    open.advance_ms(10_000);
    let now = sample(&open, device);
    let cycles = |id| metric(&open, [now, now], id).unwrap();
    assert!((cycles(248) - 1.98e10).abs() < 1.0);
    assert!((cycles(249) / cycles(248) - 0.46).abs() < 1e-9);
}

#[test]
fn instances_have_their_own_activity_and_samples_do_not_outlive_a_change() {
    let open = Open::new(
        r#"{"clock": "virtual", "gpus": [{"mig": [
            {"gi": 1, "profile": "1g.10gb", "util": {"kind": "constant", "value": 80}},
            {"gi": 2, "profile": "1g.10gb", "util": {"kind": "constant", "value": 0}}]}]}"#,
    );
    let device = open.device(0).unwrap();
    let instances = [open.instance(device, 0).unwrap(), open.instance(device, 1).unwrap()];
    let first = instances.map(|instance| sample(&open, instance));
    open.advance_ms(1_000);
    let second = instances.map(|instance| sample(&open, instance));
    assert!((metric(&open, [first[0], second[0]], 1).unwrap() - 80.0).abs() < 1e-9);
    assert!(metric(&open, [first[1], second[1]], 1).unwrap().abs() < 1e-9);
    assert_eq!(metric(&open, [first[0], second[1]], 1), Err((2, 0)), "of two instances");
    open.happen(r#"{"mig_reconfigure": {"gpu": 0, "to": [{"gi": 1, "profile": "1g.10gb"}]}}"#);
    open.advance_ms(1_000);
    let third = sample(&open, open.instance(device, 0).unwrap());
    assert_eq!(metric(&open, [first[0], third], 1), Err((2, 0)), "of two configurations");
}

#[test]
fn ampere_has_none() {
    let open = Open::new(r#"{"gpus": [{"profile": "a100"}]}"#);
    let mut sample = null_mut();
    assert_eq!(call!(open.table, nvmlGpmSampleAlloc(&raw mut sample)), 0);
    assert_eq!(call!(open.table, nvmlGpmSampleGet(open.device(0).unwrap(), sample)), 3);
    assert_eq!(call!(open.table, nvmlGpmSampleFree(sample)), 0);
    assert_eq!(call!(open.table, nvmlGpmSampleFree(sample)), 2);
}
