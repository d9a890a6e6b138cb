//! Pages of hand-made snapshots, as a scraper sees them.

mod changes;
mod dcgm;
mod namings;
mod native;
mod values;

use std::sync::Arc;
use std::time::Instant;

use prometheus_model::exposition::{Format, Writer};

use super::dcgm::counters_file::Counters;
use super::page::Pages;
use crate::attribute::owner::{Allocation, Allocations, DeviceKey, Owner};
use crate::config::{Config, Naming};
use crate::nvml::identity::{DriverVersions, Identity, MigIdentity};
use crate::sample::catalogue::Reading;
use crate::sample::readings::Readings;
use crate::sample::snapshot::{DeviceSnapshot, DriverState, MigSnapshot, Snapshot};

fn gpu(index: u32, values: &[(Reading, f64)]) -> DeviceSnapshot {
    DeviceSnapshot {
        identity: Arc::new(Identity {
            uuid: format!("GPU-{index}"),
            index,
            name: "NVIDIA H100 80GB HBM3".to_owned(),
            pci_bus_id: "00000000:17:00.0".to_owned(),
            ..Identity::default()
        }),
        is_up: true,
        readings: readings(values),
        ..DeviceSnapshot::default()
    }
}

fn mig_gpu(index: u32, values: &[(Reading, f64)], mig: Vec<MigSnapshot>) -> DeviceSnapshot {
    let mut device = gpu(index, values);
    Arc::make_mut(&mut device.identity).is_mig = true;
    DeviceSnapshot { mig, ..device }
}

fn instance(gi: u32, ci: u32, values: &[(Reading, f64)]) -> MigSnapshot {
    let identity = MigIdentity {
        uuid: format!("MIG-{gi}-{ci}"),
        gpu_instance: gi,
        compute_instance: ci,
        profile: "1g.10gb".to_owned(),
    };
    MigSnapshot { identity: Arc::new(identity), readings: readings(values) }
}

fn readings(values: &[(Reading, f64)]) -> Readings {
    let mut readings = Readings::default();
    for (reading, value) in values {
        readings.set(*reading, Some(*value));
    }
    readings
}

fn snapshot(devices: Vec<DeviceSnapshot>) -> Snapshot {
    let versions = DriverVersions {
        driver: "580.95.05".to_owned(),
        nvml: "13.580.95.05".to_owned(),
        cuda: "13.0".to_owned(),
    };
    Snapshot {
        driver: DriverState::Up(versions),
        devices: devices.into_iter().map(Arc::new).collect(),
    }
}

fn held_by(pod: &str) -> Allocation {
    let owner = Owner {
        namespace: "llm".to_owned(),
        pod: pod.to_owned(),
        container: "server".to_owned(),
        pod_uid: Some(format!("uid-{pod}")),
        pod_labels: Vec::new(),
    };
    Allocation {
        owner: Arc::new(owner),
        resource: "nvidia.com/gpu".to_owned(),
        replica: None,
        virtual_gpu: None,
        claim: None,
    }
}

fn allocations(held: Vec<(DeviceKey, Vec<Allocation>)>) -> Arc<Allocations> {
    let by_device = held.into_iter().collect();
    Arc::new(Allocations { by_device, taken: Some(Instant::now()), ..Allocations::default() })
}

fn on_gpu(index: u32, held: Vec<Allocation>) -> Arc<Allocations> {
    allocations(vec![(DeviceKey::Gpu(format!("GPU-{index}")), held)])
}

fn config() -> Config {
    let mut config = Config::default();
    config.page.dcgm.hostname = "node-a".to_owned();
    config
}

fn page_of(
    pages: &Pages,
    naming: &[Naming],
    snapshot: &Snapshot,
    allocations: &Arc<Allocations>,
) -> String {
    let mut writer = Writer::new(Format::Text004);
    pages.write(&mut writer, naming, snapshot, allocations);
    String::from_utf8(writer.finish()).unwrap()
}

fn native(config: &Config, snapshot: &Snapshot, allocations: &Arc<Allocations>) -> String {
    let pages = Pages::new(config, Counters::built_in());
    page_of(&pages, &[Naming::Native], snapshot, allocations)
}

fn dcgm(
    config: &Config,
    counters: &str,
    snapshot: &Snapshot,
    allocations: &Arc<Allocations>,
) -> String {
    let counters = Counters::parse(counters);
    assert_eq!(counters.problems(), []);
    page_of(&Pages::new(config, counters), &[Naming::Dcgm], snapshot, allocations)
}

/// The samples of a family.
fn samples<'a>(page: &'a str, family: &str) -> Vec<&'a str> {
    let is_of =
        |line: &&str| line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' ']));
    page.lines().filter(is_of).collect()
}

/// Names and escaped values of a line's labels.
fn labels(line: &str) -> Vec<(&str, &str)> {
    let Some((_, mut rest)) = line.split_once('{') else { return Vec::new() };
    let mut labels = Vec::new();
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut is_escaped = false;
        let end = after.find(|char| {
            let is_end = char == '"' && !is_escaped;
            is_escaped = char == '\\' && !is_escaped;
            is_end
        });
        let (value, after) = after.split_at(end.expect("a value ends with a quote"));
        labels.push((name.trim_start_matches(','), value));
        rest = &after[1..];
    }
    assert!(rest.starts_with("} "), "{line}");
    labels
}

#[test]
fn labels_are_made_again_when_holders_devices_or_counters_change() {
    let pages = Pages::new(&config(), Counters::built_in());
    let device = gpu(0, &[(Reading::TemperatureGpu, 40.0)]);
    let page = |device: &DeviceSnapshot, allocations: &Arc<Allocations>| {
        page_of(&pages, &[Naming::Dcgm], &snapshot(vec![device.clone()]), allocations)
    };
    let nobody = Arc::new(Allocations::default());
    assert!(!page(&device, &nobody).contains("pod="));
    assert!(page(&device, &on_gpu(0, vec![held_by("a")])).contains("pod=\"a\""));
    assert!(page(&device, &on_gpu(0, vec![held_by("b")])).contains("pod=\"b\""));
    let mut moved = device.clone();
    Arc::make_mut(&mut moved.identity).index = 3;
    assert!(page(&moved, &nobody).contains("{gpu=\"3\","));
    pages.replace_counters(Counters::parse("dcgm_gpu_temp, gauge, t"));
    let renamed = page(&moved, &nobody);
    assert!(renamed.ends_with("Hostname=\"node-a\"} 40\n"), "{renamed}");
    assert_eq!(samples(&renamed, "dcgm_gpu_temp").len(), 1);
}

#[test]
fn values_are_those_of_the_snapshot_and_not_of_the_page_before() {
    let pages = Pages::new(&config(), Counters::built_in());
    let nobody = Arc::new(Allocations::default());
    let mut device = gpu(0, &[(Reading::TemperatureGpu, 40.0)]);
    let page = |device: &DeviceSnapshot| {
        page_of(&pages, &[Naming::Dcgm], &snapshot(vec![device.clone()]), &nobody)
    };
    assert!(page(&device).contains("} 40\n"));
    device.readings.set(Reading::TemperatureGpu, Some(41.0));
    assert!(page(&device).contains("} 41\n"));
    device.readings.set(Reading::TemperatureGpu, None);
    assert_eq!(samples(&page(&device), "DCGM_FI_DEV_GPU_TEMP"), [""; 0]);
}

#[test]
fn hostile_texts_stay_one_label() {
    let mut device = gpu(0, &[(Reading::TemperatureGpu, 40.0)]);
    Arc::make_mut(&mut device.identity).name = "a\"} 1\nb\\".to_owned();
    let mut held = held_by("p");
    Arc::make_mut(&mut held.owner).pod_labels =
        [("app", "x\"\n"), ("gpu", "9"), ("pod", "other"), ("uuid", "9")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let pages = Pages::new(&config(), Counters::built_in());
    let naming = [Naming::Native, Naming::Dcgm];
    let page = page_of(&pages, &naming, &snapshot(vec![device]), &on_gpu(0, vec![held]));
    assert!(page.contains(r#"modelName="a\"} 1\nb\\",Hostname="#), "{page}");
    assert!(page.contains(r#",app="x\"\n","#), "{page}");
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let mut names: Vec<&str> = labels(line).into_iter().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{line}");
        assert!(!line.contains("pod=\"other\""), "{line}");
    }
}

#[test]
fn no_series_is_there_twice_and_every_family_is_documented() {
    let all: Vec<(Reading, f64)> = Reading::ALL.iter().map(|one| (*one, 1.0)).collect();
    let mut first = gpu(0, &all);
    first.fans = vec![crate::sample::snapshot::Fan { speed_ratio: Some(0.3), rpm: Some(900.0) }; 2];
    first.links = (0..2)
        .map(|number| crate::sample::snapshot::Link {
            number,
            transmit_bytes: Some(1.0),
            receive_bytes: Some(1.0),
            is_active: Some(true),
        })
        .collect();
    first.distribution.counts[3] = 2;
    let second = mig_gpu(1, &all, vec![instance(1, 0, &all), instance(1, 1, &all)]);
    let gone = DeviceSnapshot { is_up: false, down_reason: "lost", ..gpu(2, &[]) };
    let key = |gi| DeviceKey::Mig("GPU-1".to_owned(), gi);
    let held = allocations(vec![
        (DeviceKey::Gpu("GPU-0".to_owned()), vec![held_by("a"), held_by("b"), held_by("a")]),
        (key(1), vec![held_by("c")]),
    ]);
    let pages = Pages::new(&config(), Counters::built_in());
    let naming = [Naming::Native, Naming::Dcgm];
    let page = page_of(&pages, &naming, &snapshot(vec![first, second, gone]), &held);
    let mut seen = std::collections::HashSet::new();
    let documented = super::reference::markdown();
    for line in page.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let name = family.split(' ').next().unwrap().replace("gpu_mig_", "gpu_");
            let is_mig_info = ["gpu_info", "gpu_allocated"].contains(&name.as_str());
            assert!(is_mig_info || documented.contains(&format!("| `{name}`")), "{name}");
        } else if !line.starts_with('#') {
            let (series, _) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(series), "twice: {series}");
        }
    }
    let of_first = page
        .lines()
        .filter(|line| line.starts_with("gpu_") && line.contains("gpu_id=\"0\""))
        .count();
    assert!((100..=175).contains(&of_first), "{of_first} native series of a GPU");
}
