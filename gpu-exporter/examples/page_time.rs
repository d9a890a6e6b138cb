//! Prints how long pages take: `cargo run --release -p gpu-exporter --example page_time`.
//!
//! Every reading has a value; with MIG, every one that instances can have.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gpu_exporter::attribute::owner::{Allocation, Allocations, DeviceKey, Owner};
use gpu_exporter::config::{Config, Naming};
use gpu_exporter::expose::dcgm::counters_file::Counters;
use gpu_exporter::expose::page::Pages;
use gpu_exporter::nvml::identity::{DriverVersions, Identity, MigIdentity};
use gpu_exporter::sample::catalogue::{Cadence, Reading};
use gpu_exporter::sample::readings::Readings;
use gpu_exporter::sample::snapshot::{DeviceSnapshot, DriverState, MigSnapshot, Snapshot};
use prometheus_model::exposition::{Format, Writer};

/// Pages of each kind.
const PAGES: usize = 2_000;

#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn main() {
    println!("GPUs  instances  naming          series      bytes  p50 us  p99 us  first us");
    for (gpus, instances) in [(1, 0), (8, 0), (16, 0), (16, 7)] {
        let (snapshot, allocations) = node(gpus, instances);
        for naming in [&[Naming::Native][..], &[Naming::Dcgm], &[Naming::Native, Naming::Dcgm]] {
            let pages = Pages::new(&Config::default(), Counters::built_in());
            let (mut times, mut page) = (Vec::new(), Vec::new());
            for _ in 0..PAGES {
                let start = Instant::now();
                let mut writer = Writer::new(Format::Text004);
                pages.write(&mut writer, naming, &snapshot, &allocations);
                page = black_box(writer.finish());
                times.push(start.elapsed());
            }
            let first = times[0];
            times.sort();
            let text = String::from_utf8_lossy(&page);
            let series = text.lines().filter(|line| !line.starts_with('#')).count();
            println!(
                "{gpus:>4}  {instances:>9}  {:<12}  {series:>8}  {:>9}  {:>6}  {:>6}  {:>8}",
                format!("{naming:?}").replace("Native", "native").replace("Dcgm", "dcgm"),
                page.len(),
                micros(times[PAGES / 2]),
                micros(times[PAGES * 99 / 100]),
                micros(first),
            );
        }
    }
}

fn micros(time: Duration) -> u128 {
    time.as_micros()
}

fn node(gpus: u32, instances: u32) -> (Snapshot, Arc<Allocations>) {
    let mut allocations = Allocations { taken: Some(Instant::now()), ..Allocations::default() };
    let mut devices = Vec::new();
    for index in 0..gpus {
        let uuid = format!("GPU-{index:08x}-1c2d-4e5f-8a9b-0c1d2e3f4a5b");
        let mig = (0..instances).map(|instance| instance_of(index, instance)).collect();
        for key in (0..instances)
            .map(|gi| DeviceKey::Mig(uuid.clone(), gi + 7))
            .chain((instances == 0).then(|| DeviceKey::Gpu(uuid.clone())))
        {
            allocations.by_device.insert(key, vec![allocation(index)]);
        }
        devices.push(Arc::new(DeviceSnapshot {
            identity: Arc::new(Identity {
                uuid,
                index,
                minor: Some(index),
                name: "NVIDIA H100 80GB HBM3".to_owned(),
                pci_bus_id: format!("00000000:{index:02X}:00.0"),
                architecture: Some("hopper".to_owned()),
                is_mig: instances > 0,
                ..Identity::default()
            }),
            is_up: true,
            readings: readings(|_| true),
            mig,
            ..DeviceSnapshot::default()
        }));
    }
    let versions = DriverVersions {
        driver: "580.95.05".to_owned(),
        nvml: "13.580.95.05".to_owned(),
        cuda: "13.0".to_owned(),
    };
    (Snapshot { driver: DriverState::Up(versions), devices }, Arc::new(allocations))
}

fn instance_of(gpu: u32, instance: u32) -> MigSnapshot {
    let identity = MigIdentity {
        uuid: format!("MIG-{gpu:04x}{instance:04x}-1c2d-4e5f-8a9b-0c1d2e3f4a5b"),
        gpu_instance: instance + 7,
        compute_instance: 0,
        profile: "1g.10gb".to_owned(),
    };
    let is_known = |reading: Reading| {
        reading.cadence() == Cadence::Activity
            || (Reading::MemoryTotal..=Reading::Bar1Free).contains(&reading)
    };
    MigSnapshot { identity: Arc::new(identity), readings: readings(is_known) }
}

/// Values with as many digits as real ones.
fn readings(is_known: impl Fn(Reading) -> bool) -> Readings {
    let mut readings = Readings::default();
    for (index, reading) in (1_u32..).zip(Reading::ALL) {
        let value = match reading.cadence() {
            Cadence::Samples | Cadence::Activity => f64::from(index) / 173.0,
            Cadence::Fast | Cadence::Fields => f64::from(index) * 1_048_576.0,
            Cadence::Slow => f64::from(index),
        };
        if is_known(*reading) {
            readings.set(*reading, Some(value));
        }
    }
    readings
}

fn allocation(index: u32) -> Allocation {
    let owner = Owner {
        namespace: "llm".to_owned(),
        pod: format!("chat-{index}"),
        container: "server".to_owned(),
        ..Owner::default()
    };
    Allocation {
        owner: Arc::new(owner),
        resource: "nvidia.com/gpu".to_owned(),
        replica: None,
        virtual_gpu: None,
        claim: None,
    }
}
