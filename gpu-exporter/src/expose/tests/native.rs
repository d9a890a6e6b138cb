//! Native pages.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::sample::snapshot::{Distribution, Fan, Link, Process, Xid};

fn nobody() -> Arc<Allocations> {
    Arc::new(Allocations::default())
}

#[test]
fn a_page_has_types_help_and_the_series_of_every_gpu_together() {
    let values = [(Reading::Utilization, 0.07), (Reading::MemoryUsed, 85_899_345_920.0)];
    let mut device = gpu(0, &values);
    device.age_seconds = 0.25;
    let second = gpu(1, &[(Reading::Utilization, 1.0)]);
    let page = native(&config(), &snapshot(vec![device, second]), &nobody());
    let shown: Vec<&str> = page.lines().filter(|line| !line.starts_with("# HELP")).collect();
    let expected = r#"# TYPE gpu_count gauge
gpu_count 2
# TYPE gpu_exporter_nvml_up gauge
gpu_exporter_nvml_up 1
# TYPE gpu_exporter_sample_age_seconds gauge
gpu_exporter_sample_age_seconds{gpu_id="0"} 0.25
gpu_exporter_sample_age_seconds{gpu_id="1"} 0
# TYPE gpu_info gauge
gpu_info{gpu_id="0",uuid="GPU-0",name="NVIDIA H100 80GB HBM3",pci_bus_id="00000000:17:00.0",driver_version="580.95.05",nvml_version="13.580.95.05",cuda_version="13.0",mig="disabled"} 1
gpu_info{gpu_id="1",uuid="GPU-1",name="NVIDIA H100 80GB HBM3",pci_bus_id="00000000:17:00.0",driver_version="580.95.05",nvml_version="13.580.95.05",cuda_version="13.0",mig="disabled"} 1
# TYPE gpu_memory_used_bytes gauge
gpu_memory_used_bytes{gpu_id="0",uuid="GPU-0"} 85899345920
# TYPE gpu_up gauge
gpu_up{gpu_id="0",uuid="GPU-0"} 1
gpu_up{gpu_id="1",uuid="GPU-1"} 1
# TYPE gpu_utilization_percent gauge
gpu_utilization_percent{gpu_id="0"} 7
gpu_utilization_percent{gpu_id="1"} 100
# TYPE gpu_utilization_ratio gauge
gpu_utilization_ratio{gpu_id="0",uuid="GPU-0"} 0.07
gpu_utilization_ratio{gpu_id="1",uuid="GPU-1"} 1"#;
    assert_eq!(shown.join("\n"), expected);
    assert!(page.contains("# HELP gpu_memory_used_bytes Device memory allocated by programs, in"));
}

#[test]
fn a_gpu_has_130_series_and_the_others_if_asked_for() {
    let values: Vec<(Reading, f64)> = Reading::ALL.iter().map(|one| (*one, 1.0)).collect();
    let mut device = gpu(0, &values);
    device.distribution = Distribution { counts: [1; 9], sum: 4.0 };
    let held = on_gpu(0, vec![held_by("a")]);
    let mut config = config();
    let series = |config: &Config| {
        let page = native(config, &snapshot(vec![device.clone()]), &held);
        page.lines().filter(|line| line.contains("gpu_id=")).map(str::to_owned).collect::<Vec<_>>()
    };
    // boards before Ampere, and virtual ones, have these in place of others
    let is_of_others =
        |line: &&String| line.starts_with("gpu_retired_") || line.starts_with("gpu_vgpu_");
    let shown = series(&config).iter().filter(|line| !is_of_others(line)).count();
    assert_eq!(shown, 130);
    config.page.native_detail = true;
    let all = series(&config);
    assert_eq!(all.iter().filter(|line| !is_of_others(line)).count(), 155);
    assert!(all.iter().any(|line| line.contains(r#"pipe="hmma""#)), "{all:#?}");
}

#[test]
fn a_driver_that_is_down_says_why_and_counts_nothing() {
    let down =
        Snapshot { driver: DriverState::Down("driver_not_loaded".to_owned()), devices: Vec::new() };
    let page = native(&config(), &down, &nobody());
    let shown: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(shown, ["gpu_exporter_nvml_up{reason=\"driver_not_loaded\"} 0"]);
}

#[test]
fn a_node_without_gpus_has_none() {
    let page = native(&config(), &snapshot(Vec::new()), &nobody());
    assert_eq!(samples(&page, "gpu_count"), ["gpu_count 0"]);
}

#[test]
fn a_gpu_that_does_not_answer_keeps_its_errors_and_loses_its_readings() {
    let xid = Xid {
        number: Some(79),
        count: 3,
        count_in_window: 1,
        last: UNIX_EPOCH + Duration::from_millis(1_764_000_000_250),
    };
    let other = Xid { number: None, count: 9, ..xid.clone() };
    let lost = DeviceSnapshot {
        is_up: false,
        down_reason: "lost",
        xids: vec![xid, other],
        last_xid: Some(79),
        stuck_seconds: Some(12.5),
        ..gpu(0, &[(Reading::Power, 300.0), (Reading::RecoveryAction, 0.0)])
    };
    let page = native(&config(), &snapshot(vec![lost]), &nobody());
    let of = |family| samples(&page, family);
    assert_eq!(of("gpu_up"), [r#"gpu_up{gpu_id="0",uuid="GPU-0"} 0"#]);
    assert_eq!(
        of("gpu_down_reason"),
        [r#"gpu_down_reason{gpu_id="0",uuid="GPU-0",reason="lost"} 1"#]
    );
    assert_eq!(of("gpu_count"), ["gpu_count 1"]);
    let expected = [
        r#"gpu_xid_errors_total{gpu_id="0",uuid="GPU-0",xid="79"} 3"#,
        r#"gpu_xid_errors_total{gpu_id="0",uuid="GPU-0",xid="other"} 9"#,
    ];
    assert_eq!(of("gpu_xid_errors_total"), expected);
    let stamp = of("gpu_xid_last_timestamp_seconds")[0];
    assert!(stamp.ends_with("xid=\"79\"} 1764000000.250"), "{stamp}");
    assert_eq!(of("gpu_last_xid"), [r#"gpu_last_xid{gpu_id="0",uuid="GPU-0"} 79"#]);
    let stuck = r#"gpu_exporter_call_stuck_seconds{gpu_id="0"} 12.5"#;
    assert_eq!(of("gpu_exporter_call_stuck_seconds"), [stuck]);
    for family in ["gpu_power_watts", "gpu_recovery_action", "gpu_exporter_sample_age_seconds"] {
        assert_eq!(of(family), [""; 0], "{family}");
    }
}

#[test]
fn one_recovery_action_is_asked_for_and_an_odd_number_is_unknown() {
    let asked = |device: DeviceSnapshot| {
        let page = native(&config(), &snapshot(vec![device]), &nobody());
        let all: Vec<String> =
            samples(&page, "gpu_recovery_action").into_iter().map(str::to_owned).collect();
        assert!(all.is_empty() || all.len() == 9);
        let active = all.iter().filter(|line| line.ends_with(" 1"));
        let names: Vec<String> =
            active.map(|line| labels(line).pop().unwrap().1.to_owned()).collect();
        names.join(" ")
    };
    assert_eq!(asked(gpu(0, &[])), "");
    for (number, name) in
        [(0.0, "none"), (1.0, "gpu_reset"), (7.0, "system_reboot"), (8.0, "unknown")]
    {
        assert_eq!(asked(gpu(0, &[(Reading::RecoveryAction, number)])), name);
    }
    // of a GPU that has to be reset, too: it may want more than a reset
    let down = |down_reason| DeviceSnapshot {
        is_up: false,
        down_reason,
        ..gpu(0, &[(Reading::RecoveryAction, 4.0)])
    };
    assert_eq!(asked(down("reset_required")), "drain_and_reset");
    assert_eq!(asked(down("lost")), "");
}

#[test]
fn several_pods_of_one_gpu_are_told_beside_its_series() {
    let device = gpu(0, &[(Reading::Utilization, 0.5)]);
    let mut replica = held_by("b");
    replica.replica = Some("3".to_owned());
    let held = on_gpu(0, vec![held_by("a"), replica]);
    let page = native(&config(), &snapshot(vec![device.clone(), gpu(1, &[])]), &held);
    let expected = [
        r#"gpu_pod_info{gpu_id="0",uuid="GPU-0",namespace="llm",pod="a",container="server",pod_uid="uid-a",resource="nvidia.com/gpu"} 1"#,
        r#"gpu_pod_info{gpu_id="0",uuid="GPU-0",namespace="llm",pod="b",container="server",pod_uid="uid-b",resource="nvidia.com/gpu",replica="3"} 1"#,
    ];
    assert_eq!(samples(&page, "gpu_pod_info"), expected);
    assert_eq!(samples(&page, "gpu_utilization_ratio").len(), 1);
    let allocated = samples(&page, "gpu_allocated");
    assert!(allocated[0].ends_with("GPU-0\"} 1") && allocated[1].ends_with("GPU-1\"} 0"));
    let page = native(&config(), &snapshot(vec![device]), &nobody());
    assert_eq!(samples(&page, "gpu_allocated"), [""; 0], "the kubelet has not answered yet");
}

#[test]
fn pods_stand_on_every_series_if_asked_for_and_only_the_one_holder() {
    let mut config = config();
    config.page.inline_pod_labels = true;
    let device = snapshot(vec![gpu(0, &[(Reading::Utilization, 0.5)])]);
    let page = native(&config, &device, &on_gpu(0, vec![held_by("a"), held_by("a")]));
    let inline = r#"gpu_utilization_ratio{gpu_id="0",uuid="GPU-0",namespace="llm",pod="a",container="server"} 0.5"#;
    assert_eq!(samples(&page, "gpu_utilization_ratio"), [inline]);
    assert_eq!(
        samples(&page, "gpu_utilization_percent"),
        [r#"gpu_utilization_percent{gpu_id="0"} 50"#]
    );
    let page = native(&config, &device, &on_gpu(0, vec![held_by("a"), held_by("b")]));
    let plain = r#"gpu_utilization_ratio{gpu_id="0",uuid="GPU-0"} 0.5"#;
    assert_eq!(samples(&page, "gpu_utilization_ratio"), [plain]);
}

#[test]
fn instances_have_names_and_holders_of_their_own() {
    let memory = [(Reading::MemoryUsed, 1024.0)];
    let device = mig_gpu(0, &[(Reading::MemoryUsed, 4096.0)], vec![instance(7, 0, &memory)]);
    let key = DeviceKey::Mig("GPU-0".to_owned(), 7);
    let page =
        native(&config(), &snapshot(vec![device]), &allocations(vec![(key, vec![held_by("a")])]));
    let of = |family| samples(&page, family);
    assert_eq!(
        of("gpu_memory_used_bytes"),
        [r#"gpu_memory_used_bytes{gpu_id="0",uuid="GPU-0"} 4096"#]
    );
    let labels = r#"gpu_id="0",uuid="GPU-0",gi_id="7",ci_id="0",mig_profile="1g.10gb""#;
    assert_eq!(
        of("gpu_mig_memory_used_bytes"),
        [format!("gpu_mig_memory_used_bytes{{{labels}}} 1024")]
    );
    let info = r#"gpu_mig_info{gpu_id="0",uuid="GPU-0",mig_uuid="MIG-7-0",gi_id="7",ci_id="0",mig_profile="1g.10gb"} 1"#;
    assert_eq!(of("gpu_mig_info"), [info]);
    assert_eq!(of("gpu_mig_allocated"), [format!("gpu_mig_allocated{{{labels}}} 1")]);
    assert!(of("gpu_allocated")[0].ends_with("} 1"), "an instance of it is held");
    let pod = r#"gpu_pod_info{gpu_id="0",uuid="GPU-0",gi_id="7",namespace="llm",pod="a","#;
    assert!(of("gpu_pod_info")[0].starts_with(pod), "{:?}", of("gpu_pod_info"));
}

#[test]
fn a_gpu_that_does_not_answer_is_held_by_whoever_held_its_instances() {
    let mut device = mig_gpu(0, &[], Vec::new());
    device.is_up = false;
    let key = DeviceKey::Mig("GPU-0".to_owned(), 7);
    let page =
        native(&config(), &snapshot(vec![device]), &allocations(vec![(key, vec![held_by("a")])]));
    assert!(samples(&page, "gpu_allocated")[0].ends_with("} 1"), "{page}");
    let pod = r#"gpu_pod_info{gpu_id="0",uuid="GPU-0",gi_id="7",namespace="llm",pod="a","#;
    assert!(samples(&page, "gpu_pod_info")[0].starts_with(pod), "{page}");
}

#[test]
fn parts_are_counted_by_number_and_what_they_do_not_tell_is_absent() {
    let mut device = gpu(0, &[]);
    device.fans = vec![Fan { speed_ratio: Some(0.3), rpm: None }, Fan::default()];
    device.links = vec![Link {
        number: 4,
        transmit_bytes: Some(7.0),
        is_active: Some(false),
        ..Link::default()
    }];
    device.processes =
        vec![Process { pid: 17, mig: Some((1, 0)), memory_bytes: Some(5.0), sm_utilization: None }];
    let page = native(&config(), &snapshot(vec![device]), &nobody());
    let of = |family| samples(&page, family);
    assert_eq!(
        of("gpu_fan_speed_ratio"),
        [r#"gpu_fan_speed_ratio{gpu_id="0",uuid="GPU-0",fan="0"} 0.3"#]
    );
    assert_eq!(of("gpu_fan_rpm"), [""; 0]);
    let link = r#"{gpu_id="0",uuid="GPU-0",link="4"}"#;
    let bytes = "gpu_nvlink_link_transmit_bytes_total";
    assert_eq!(of(bytes), [format!("{bytes}{link} 7")]);
    assert_eq!(of("gpu_nvlink_link_receive_bytes_total"), [""; 0]);
    assert_eq!(of("gpu_nvlink_link_active"), [format!("gpu_nvlink_link_active{link} 0")]);
    let process =
        r#"gpu_process_memory_used_bytes{gpu_id="0",uuid="GPU-0",pid="17",gi_id="1",ci_id="0"} 5"#;
    assert_eq!(of("gpu_process_memory_used_bytes"), [process]);
}

#[test]
fn the_distribution_is_a_histogram() {
    let mut device = gpu(0, &[]);
    device.distribution = Distribution { counts: [1, 0, 0, 2, 0, 0, 0, 3, 0], sum: 3.9 };
    let page = native(&config(), &snapshot(vec![device]), &nobody());
    let name = "gpu_utilization_distribution";
    assert!(page.contains(&format!("# TYPE {name} histogram\n")));
    let buckets = samples(&page, "gpu_utilization_distribution_bucket");
    assert_eq!(buckets.len(), 9);
    assert_eq!(buckets[3], format!(r#"{name}_bucket{{gpu_id="0",uuid="GPU-0",le="0.5"}} 3"#));
    assert_eq!(buckets[8], format!(r#"{name}_bucket{{gpu_id="0",uuid="GPU-0",le="+Inf"}} 6"#));
}

#[test]
fn what_is_no_number_has_no_series() {
    let device = gpu(0, &[(Reading::Power, f64::NAN), (Reading::SmActive, f64::INFINITY)]);
    let page = native(&config(), &snapshot(vec![device]), &nobody());
    assert_eq!(samples(&page, "gpu_power_watts"), [""; 0]);
    assert_eq!(samples(&page, "gpu_sm_active_ratio"), [""; 0]);
}
