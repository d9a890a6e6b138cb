//! The driver's buffers, and counters that are integrals.

use crate::fixture::{Open, call};

const BOOT_US: u64 = 1_000_000_000;

fn square_wave() -> Open {
    Open::new(
        r#"{"clock": "virtual", "uptime_s": 1000, "gpus": [{"util":
            {"kind": "square", "period_ms": 1000, "duty": 0.3}, "sample_ms": 100}]}"#,
    )
}

#[test]
fn points_are_stamped_from_boot_and_come_only_once() {
    let open = square_wave();
    let device = open.device(0).unwrap();
    assert_eq!(open.samples(device, 1, 0, 120), Err(6), "nothing yet");
    open.advance_ms(1_050);
    let points = open.samples(device, 1, 0, 120).unwrap();
    assert_eq!(points.len(), 10);
    assert_eq!(points[0], (BOOT_US + 100_000, 100));
    assert_eq!(points[3], (BOOT_US + 400_000, 0));
    let last = points[9].0;
    assert_eq!(open.samples(device, 1, last, 120), Err(6));
    open.advance_ms(100);
    assert_eq!(open.samples(device, 1, last, 120), Ok(vec![(last + 100_000, 100)]));
}

#[test]
fn a_buffer_holds_120_points_and_too_little_room_gets_the_oldest() {
    let open = square_wave();
    let device = open.device(0).unwrap();
    open.advance_ms(60_000);
    let points = open.samples(device, 1, 0, 120).unwrap();
    assert_eq!(points.len(), 120);
    assert_eq!(points[119].0, BOOT_US + 60_000_000);
    assert_eq!(open.samples(device, 1, 0, 7).unwrap(), points[..7]);
    assert_eq!(open.samples(device, 1, 0, 0), Err(2));
    let (mut value_type, mut count) = (0, 0);
    let places = (&raw mut value_type, &raw mut count);
    let nothing = std::ptr::null_mut();
    let code = call!(open.table, nvmlDeviceGetSamples(device, 1, 0, places.0, places.1, nothing));
    assert_eq!((code, value_type, count), (0, 1, 120));
}

#[test]
fn the_sum_of_all_points_is_the_busy_time() {
    let open = square_wave();
    let device = open.device(0).unwrap();
    let (mut busy, mut last) = (0.0, 0);
    for _ in 0..30 {
        open.advance_ms(2_000);
        for (stamp, percent) in open.samples(device, 1, last, 120).unwrap() {
            busy += f64::from(percent) / 100.0 * 0.1;
            last = stamp;
        }
    }
    assert!((busy - 18.0).abs() < 1e-6, "{busy} s of 60 s at 30 %");
}

#[test]
fn an_idle_gpu_leaves_no_points_when_its_buffers_run_dry() {
    let open = Open::new(
        r#"{"clock": "virtual", "gpus": [{"dry_when_idle": true, "util":
            {"kind": "steps", "values": [50, 0, 0, 0], "step_ms": 1000}, "sample_ms": 100}]}"#,
    );
    let device = open.device(0).unwrap();
    open.advance_ms(4_000);
    assert_eq!(open.samples(device, 1, 0, 120).unwrap().len(), 10);
}

#[test]
fn energy_is_the_integral_of_power() {
    let open = Open::new(
        r#"{"clock": "virtual", "gpus": [{"util":
            {"kind": "random_walk", "seed": 4, "step_ms": 500}, "sample_ms": 100}]}"#,
    );
    let device = open.device(0).unwrap();
    let (mut joules, mut last) = (0.0, 0);
    for _ in 0..60 {
        open.advance_ms(1_000);
        for (stamp, milliwatts) in open.samples(device, 0, last, 120).unwrap() {
            joules += f64::from(milliwatts) / 1e3 * 0.1;
            last = stamp;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "some kilojoules")]
    let counted = open.energy(device).unwrap() as f64 / 1e3;
    assert!((counted - joules).abs() < 0.1, "{counted} J counted, {joules} J from samples");
    assert_eq!(open.field(device, 83, 0), open.energy(device));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed: u32| {
        let open = Open::new(&format!(
            r#"{{"clock": "virtual", "gpus": [{{"util":
                {{"kind": "random_walk", "seed": {seed}}}}}]}}"#
        ));
        let device = open.device(0).unwrap();
        open.advance_ms(90_000);
        (open.samples(device, 1, 0, 120).unwrap(), open.energy(device).unwrap())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn another_load_counts_from_when_it_begins() {
    let open = Open::new(
        r#"{"clock": "virtual", "gpus": [{"util": {"kind": "constant", "value": 0},
            "power_limit_watts": 700}]}"#,
    );
    let device = open.device(0).unwrap();
    open.advance_ms(10_000);
    let idle = open.energy(device).unwrap();
    assert_eq!(idle, 700_000, "70 W for 10 s");
    open.happen(r#"{"gpu": 0, "util": {"kind": "constant", "value": 100}}"#);
    open.advance_ms(10_000);
    assert_eq!(open.energy(device).unwrap() - idle, 6_650_000, "665 W for 10 s");
}
