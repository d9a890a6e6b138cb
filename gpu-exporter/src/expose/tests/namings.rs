//! Names of other exporters, of one page alone and of several together.

use std::time::{Duration, SystemTime};

use super::*;
use crate::sample::snapshot::Xid;

fn page(naming: &[Naming], snapshot: &Snapshot, allocations: &Arc<Allocations>) -> String {
    page_of(&Pages::new(&config(), Counters::built_in()), naming, snapshot, allocations)
}

fn nobody() -> Arc<Allocations> {
    Arc::default()
}

fn busy() -> DeviceSnapshot {
    gpu(
        0,
        &[
            (Reading::TemperatureGpu, 40.0),
            (Reading::ClockSm, 1.755e9),
            (Reading::Energy, 587.036),
            (Reading::Utilization, 0.97),
            (Reading::MemoryUsed, 1_073_741_824.0),
        ],
    )
}

#[test]
fn names_of_version_1_have_the_labels_of_version_1() {
    let held = on_gpu(0, vec![held_by("a")]);
    let page = page(&[Naming::DcgmVersion1], &snapshot(vec![busy()]), &held);
    let lines = samples(&page, "dcgm_gpu_temp");
    assert_eq!(lines.len(), 1, "{page}");
    assert!(lines[0].starts_with(r#"dcgm_gpu_temp{gpu="0",uuid="GPU-0","#), "{page}");
    assert!(lines[0].ends_with(r#",container_name="server",pod_name="a",pod_namespace="llm"} 40"#));
    assert!(samples(&page, "dcgm_total_energy_consumption")[0].ends_with(" 587036"));
    assert!(!page.contains("DCGM_FI_"), "{page}");
}

#[test]
fn names_of_dcgm_4_6_have_the_values_in_their_units() {
    let page = page(&[Naming::DcgmBaseUnits], &snapshot(vec![busy()]), &nobody());
    for (name, value) in [
        ("DCGM_FI_DEV_GPU_TEMP_CELSIUS", "40"),
        ("DCGM_FI_DEV_SM_CLOCK_HERTZ", "1755000000"),
        ("DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", "587.036000"),
        ("DCGM_FI_DEV_GPU_UTIL_RATIO", "97"),
        ("DCGM_FI_DEV_FB_USED", "1024"),
    ] {
        let lines = samples(&page, name);
        assert!(lines.len() == 1 && lines[0].ends_with(&format!(" {value}")), "{name}: {page}");
        assert!(lines[0].contains(r#"UUID="GPU-0""#) && lines[0].contains("SYSTEM_DRIVER_VERSION"));
    }
    assert!(samples(&page, "DCGM_FI_DEV_GPU_TEMP").is_empty());
}

#[test]
fn all_namings_together_have_every_family_and_series_once() {
    let all = Naming::ALL.map(|(_, naming)| naming);
    let device = mig_gpu(1, &[], vec![instance(7, 0, &[(Reading::MemoryUsed, 5.0)])]);
    let page = page(&all, &snapshot(vec![busy(), device]), &nobody());
    for beginning in ["# TYPE ", ""] {
        let mut seen = std::collections::HashSet::new();
        for line in page.lines().filter(|line| line.starts_with('#') != beginning.is_empty()) {
            let Some(line) = line.strip_prefix(beginning) else { continue };
            let series = line.rsplit_once(' ').unwrap().0;
            assert!(seen.insert(series), "{series} twice");
        }
        assert!(seen.len() > 20, "{page}");
    }
    for name in ["gpu_up", "DCGM_FI_DEV_FB_USED", "dcgm_fb_used", "nvidia_smi_memory_used_bytes"] {
        assert!(!samples(&page, name).is_empty(), "{name}");
    }
}

#[test]
fn names_of_nvidia_smi_have_the_uuid_without_its_prefix() {
    let mut device = busy();
    device.xids = vec![Xid {
        number: Some(79),
        count: 2,
        count_in_window: 2,
        last: SystemTime::UNIX_EPOCH + Duration::from_millis(1_500),
    }];
    let lost = DeviceSnapshot { is_up: false, down_reason: "lost", ..gpu(1, &[]) };
    let page = page(&[Naming::NvidiaSmi], &snapshot(vec![device, lost]), &nobody());
    for line in [
        r#"nvidia_smi_temperature_gpu{uuid="0"} 40"#,
        r#"nvidia_smi_utilization_gpu_ratio{uuid="0"} 0.97"#,
        r#"nvidia_smi_memory_used_bytes{uuid="0"} 1073741824"#,
        r#"nvidia_smi_energy_joules_total{uuid="0"} 587.036"#,
        r#"nvidia_smi_xid_errors_total{uuid="0",xid="79"} 2"#,
        r#"nvidia_smi_xid_last_timestamp_seconds{uuid="0",xid="79"} 1.500"#,
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line}: {page}");
    }
    let info = samples(&page, "nvidia_smi_gpu_info");
    assert!(info.len() == 1 && info[0].contains(r#"driver_version="580.95.05""#), "{page}");
    assert!(samples(&page, "nvidia_smi_power_draw_watts").is_empty(), "not 0");
}

#[test]
fn what_a_gpu_instance_has_is_told_once_for_all_of_its_compute_instances() {
    let memory = [(Reading::MemoryUsed, 5.0)];
    let instances = vec![instance(7, 0, &memory), instance(7, 1, &memory), instance(9, 0, &memory)];
    let device = snapshot(vec![mig_gpu(0, &[], instances)]);
    let page = page(&[Naming::NvidiaSmi], &device, &nobody());
    let expected = [
        r#"nvidia_smi_mig_memory_used_bytes{uuid="0",gpu_instance_id="7"} 5"#,
        r#"nvidia_smi_mig_memory_used_bytes{uuid="0",gpu_instance_id="9"} 5"#,
    ];
    assert_eq!(samples(&page, "nvidia_smi_mig_memory_used_bytes"), expected);
    assert_eq!(samples(&page, "nvidia_smi_mig_info").len(), 3);
    assert_eq!(
        samples(&page, "nvidia_smi_mig_mode_current"),
        [r#"nvidia_smi_mig_mode_current{uuid="0"} 1"#]
    );
}
